/*
 * How a daemon comes and goes as a process: one instance, the background, the log file, the service
 * manager. Called by nvhostd's main thread before any other thread exists.
 */
#ifndef NVD_LAUNCH_H
#define NVD_LAUNCH_H

#include <stddef.h>

#include "base/log.h"

/* Takes the lock that says "one daemon a socket". -EWOULDBLOCK: another has it. The descriptor
 * stays open (and the lock held) as long as the process lives. */
int nvd_launch_lock(const char *path, int *ret_fd, char *err, size_t err_len);

/* Forks to the background. Returns in the child only; the parent waits until the child calls
 * nvd_launch_ready or nvd_launch_failed, prints a failure and exits accordingly. -errno. */
int nvd_launch_background(void);
void nvd_launch_ready(void);
/* Tells the waiting parent, or stderr when there is none. */
void nvd_launch_failed(const char *message);

/* Log lines go to this file, which starts again when it has 4 MiB (the old one is kept as .old). */
int nvd_launch_log_open(const char *path, char *err, size_t err_len);
void nvd_launch_log(enum nvhi_log_level level, const char *component, const char *line);

/* Tells the service manager ("READY=1"); nothing without NOTIFY_SOCKET. */
void nvd_launch_notify(const char *state);

#endif
