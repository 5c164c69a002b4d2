/*
 * After fork the child may only exec: its reactors' threads are gone and its descriptors are shared
 * with the parent. Public entry points ask nvhi_forked() and answer -EPERM. Any thread.
 */
#ifndef NVHI_BASE_FORK_H
#define NVHI_BASE_FORK_H

#include <stdbool.h>

extern bool nvhi_forked_flag;

/* From now on a fork of this process marks its child. Call it once the first thread or descriptor
 * exists (a daemon forks before); again is harmless. 0/-ENOMEM. */
int nvhi_fork_watch(void);

static inline bool nvhi_forked(void)
{
	return __builtin_expect(nvhi_forked_flag, 0);
}

#endif
