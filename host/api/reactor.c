/*
 * The public reactor: base/reactor.h behind the public names, plus a register of who is in a
 * reactor's loop, so that synchronous calls know whether to drive it or to wait for its thread.
 * The register has a lock; it is taken when loops and threads begin and end, never on an I/O path.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <nvhost/reactor.h>

#include "base/fork.h"
#include "base/reactor.h"
#include "host/api/api.h"

struct reactor_entry {
	struct nvh_reactor *reactor;
	struct nvhi_reactor_thread *thread;
	unsigned int loops;
	struct nvhi_list link;
};

static pthread_mutex_t reactor_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nvhi_list reactor_entries = NVHI_LIST_INIT(reactor_entries);

static struct reactor_entry *reactor_find(struct nvh_reactor *reactor)
{
	struct reactor_entry *entry;

	nvhi_list_for_each(entry, &reactor_entries, link)
		if (entry->reactor == reactor)
			return entry;
	return NULL;
}

static void reactor_loops_add(struct nvh_reactor *reactor, int add)
{
	struct reactor_entry *entry;

	pthread_mutex_lock(&reactor_lock);
	entry = reactor_find(reactor);
	if (entry)
		entry->loops += (unsigned int)add;
	pthread_mutex_unlock(&reactor_lock);
}

bool nvhi_api_reactor_is_served(struct nvh_reactor *reactor)
{
	struct reactor_entry *entry;
	bool served;

	if (nvhi_reactor_is_current(reactor))
		return false;
	pthread_mutex_lock(&reactor_lock);
	entry = reactor_find(reactor);
	served = entry && (entry->loops > 0 || entry->thread);
	pthread_mutex_unlock(&reactor_lock);
	return served;
}

int nvh_reactor_create(const struct nvh_reactor_opts *opts, struct nvh_reactor **ret_reactor)
{
	struct nvhi_reactor_opts inner = {.spin_us = NVHI_SPIN_DEFAULT_US};
	struct reactor_entry *entry;
	int err;

	if (nvhi_forked())
		return -EPERM;
	if (!ret_reactor || (opts && opts->size < sizeof(*opts)))
		return -EINVAL;
	err = nvhi_fork_watch();
	if (err)
		return err;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	if (opts) {
		inner.name = opts->name;
		inner.poll = opts->poll;
		if (opts->spin_us)
			inner.spin_us = opts->spin_us;
	}
	err = nvhi_reactor_create(&inner, &entry->reactor);
	if (err) {
		free(entry);
		return err;
	}
	pthread_mutex_lock(&reactor_lock);
	nvhi_list_add_tail(&reactor_entries, &entry->link);
	pthread_mutex_unlock(&reactor_lock);
	*ret_reactor = entry->reactor;
	return 0;
}

void nvh_reactor_destroy(struct nvh_reactor *reactor)
{
	struct reactor_entry *entry;

	if (!reactor || nvhi_forked())
		return;
	nvh_reactor_join_thread(reactor);
	pthread_mutex_lock(&reactor_lock);
	entry = reactor_find(reactor);
	if (entry)
		nvhi_list_del(&entry->link);
	pthread_mutex_unlock(&reactor_lock);
	free(entry);
	nvhi_reactor_destroy(reactor);
}

int nvh_reactor_run(struct nvh_reactor *reactor, int timeout_ms)
{
	if (nvhi_forked())
		return -EPERM;
	return nvhi_reactor_run(reactor, timeout_ms);
}

void nvh_reactor_loop(struct nvh_reactor *reactor)
{
	if (nvhi_forked())
		return;
	reactor_loops_add(reactor, 1);
	nvhi_reactor_loop(reactor);
	reactor_loops_add(reactor, -1);
}

void nvh_reactor_stop(struct nvh_reactor *reactor)
{
	if (!nvhi_forked())
		nvhi_reactor_stop(reactor);
}

int nvh_reactor_fd(struct nvh_reactor *reactor)
{
	if (nvhi_forked())
		return -EPERM;
	return nvhi_reactor_fd(reactor);
}

/* ---- posting ----------------------------------------------------------------------------- */

struct reactor_call {
	struct nvhi_msg msg;
	void (*fn)(void *arg);
	void *arg;
};

static void reactor_call_run(struct nvhi_msg *msg)
{
	struct reactor_call *call = nvhi_container_of(msg, struct reactor_call, msg);
	void (*fn)(void *arg) = call->fn;
	void *arg = call->arg;

	free(call);
	fn(arg);
}

int nvh_reactor_post(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg)
{
	struct reactor_call *call;

	if (nvhi_forked())
		return -EPERM;
	if (!fn)
		return -EINVAL;
	call = malloc(sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->msg.fn = reactor_call_run;
	call->fn = fn;
	call->arg = arg;
	nvhi_reactor_post(reactor, &call->msg);
	return 0;
}

/* ---- a thread of the library's ----------------------------------------------------------- */

int nvh_reactor_start_thread(struct nvh_reactor *reactor, int cpu)
{
	struct reactor_entry *entry;
	int err;

	if (nvhi_forked())
		return -EPERM;
	pthread_mutex_lock(&reactor_lock);
	entry = reactor_find(reactor);
	if (!entry)
		err = -EINVAL;
	else if (entry->thread || entry->loops)
		err = -EBUSY;
	else
		err = nvhi_reactor_thread_start(reactor, cpu, &entry->thread);
	pthread_mutex_unlock(&reactor_lock);
	return err;
}

void nvh_reactor_join_thread(struct nvh_reactor *reactor)
{
	struct nvhi_reactor_thread *thread = NULL;
	struct reactor_entry *entry;

	if (nvhi_forked())
		return;
	pthread_mutex_lock(&reactor_lock);
	entry = reactor_find(reactor);
	if (entry) {
		thread = entry->thread;
		entry->thread = NULL;
	}
	pthread_mutex_unlock(&reactor_lock);
	if (thread)
		nvhi_reactor_thread_join(thread);
}
