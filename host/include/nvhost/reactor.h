/*
 * Reactors: event loops driven by the application's threads, or embedded in its own loop.
 */
#ifndef NVHOST_REACTOR_H
#define NVHOST_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct nvh_reactor;

struct nvh_reactor_opts {
	size_t size;	      /* sizeof(struct nvh_reactor_opts) */
	const char *name;     /* for logs; NULL: "reactor" */
	uint32_t spin_us;     /* idle time polled before sleeping; 0: the default (40) */
	bool poll;	      /* never sleep: a dedicated core */
};

/* Creates a reactor; opts NULL: defaults. It belongs to the thread that first runs it.
 * -EINVAL, -ENOMEM, -EMFILE, -EPERM (after fork). */
int nvh_reactor_create(const struct nvh_reactor_opts *opts, struct nvh_reactor **ret_reactor);
/* Everything that lives on it must have been closed. */
void nvh_reactor_destroy(struct nvh_reactor *reactor);

/* Serves what is due, waiting at most timeout_ms for something (0: no wait, -1: for ever). Returns
 * the amount of work done or -errno. Callbacks run inside. Owner thread. */
int nvh_reactor_run(struct nvh_reactor *reactor, int timeout_ms);
/* Runs until nvh_reactor_stop. Owner thread; nvh_*_sync calls of other threads then wait for it. */
void nvh_reactor_loop(struct nvh_reactor *reactor);
/* Any thread, signal handlers included. */
void nvh_reactor_stop(struct nvh_reactor *reactor);
/* Readable whenever nvh_reactor_run(r, 0) has something to do, due timers included: add it to your
 * own poll or epoll. Do not read from it. */
int nvh_reactor_fd(struct nvh_reactor *reactor);
/* Runs fn(arg) on the reactor's thread. -ENOMEM. Any thread. */
int nvh_reactor_post(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg);
/* A thread of the library's that runs the reactor, pinned to cpu (-1: not pinned). -EBUSY: it is being
 * run already; -EINVAL (no such CPU), -EAGAIN (no thread), -ENOMEM. */
int nvh_reactor_start_thread(struct nvh_reactor *reactor, int cpu);
/* Stops and joins that thread. */
void nvh_reactor_join_thread(struct nvh_reactor *reactor);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
