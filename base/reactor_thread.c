/*
 * A thread that runs a reactor, pinned or not. All signals are blocked in it: they are the
 * application's. Started and joined by another thread.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reactor.h"

struct nvhi_reactor_thread {
	pthread_t thread;
	struct nvh_reactor *reactor;
};

static void *reactor_thread_main(void *arg)
{
	struct nvhi_reactor_thread *thread = arg;

	nvhi_reactor_loop(thread->reactor);
	return NULL;
}

int nvhi_reactor_thread_start(struct nvh_reactor *reactor, int cpu,
			      struct nvhi_reactor_thread **ret_thread)
{
	struct nvhi_reactor_thread *thread;
	sigset_t all, before;
	pthread_attr_t attr;
	char name[16];
	int err;

	thread = malloc(sizeof(*thread));
	if (!thread)
		return -ENOMEM;
	thread->reactor = reactor;
	err = pthread_attr_init(&attr);
	if (err)
		goto err_free;
	if (cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		if (cpu >= CPU_SETSIZE) {
			err = EINVAL;
			goto err_attr;
		}
		CPU_SET(cpu, &set);
		err = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
		if (err)
			goto err_attr;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread->thread, &attr, reactor_thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		goto err_attr;
	pthread_attr_destroy(&attr);
	snprintf(name, sizeof(name), "%.15s", nvhi_reactor_name(reactor));
	pthread_setname_np(thread->thread, name);
	*ret_thread = thread;
	return 0;

err_attr:
	pthread_attr_destroy(&attr);
err_free:
	free(thread);
	return -err;
}

void nvhi_reactor_thread_join(struct nvhi_reactor_thread *thread)
{
	nvhi_reactor_stop(thread->reactor);
	pthread_join(thread->thread, NULL);
	free(thread);
}
