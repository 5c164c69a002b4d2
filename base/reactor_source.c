/*
 * The reactor's descriptors: one level-triggered epoll, what it harvests and whom it calls. While
 * there are few eager sources (reactor_eager.c) it is asked every NVHI_EPOLL_INTERVAL_NS only.
 * Owner thread.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/reactor_impl.h"

int nvhi_sources_init(struct nvh_reactor *reactor)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int err;

	reactor->epoll_fd = reactor->wake_fd = reactor->timer_fd = -1;
	if (reactor->simulated)
		return 0;
	reactor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (reactor->epoll_fd < 0)
		return -errno;
	reactor->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (reactor->wake_fd < 0) {
		err = -errno;
		goto err_epoll;
	}
	/* Edge-triggered: each write wakes once, and nobody needs to read the counter. */
	event.data.ptr = &reactor->wake_fd;
	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, reactor->wake_fd, &event) < 0) {
		err = -errno;
		goto err_wake;
	}
	return 0;

err_wake:
	close(reactor->wake_fd);
err_epoll:
	close(reactor->epoll_fd);
	return err;
}

void nvhi_sources_fini(struct nvh_reactor *reactor)
{
	if (reactor->timer_fd >= 0)
		close(reactor->timer_fd);
	if (reactor->wake_fd >= 0)
		close(reactor->wake_fd);
	if (reactor->epoll_fd >= 0)
		close(reactor->epoll_fd);
}

/* ---- registration ------------------------------------------------------------------------ */

uint32_t nvhi_source_epoll_mask(unsigned int events)
{
	return (events & NVHI_READABLE ? EPOLLIN : 0u) | (events & NVHI_WRITABLE ? EPOLLOUT : 0u);
}

int nvhi_source_add(struct nvh_reactor *reactor, struct nvhi_source *source, int fd,
		    unsigned int events, nvhi_source_fn fn)
{
	struct epoll_event event = {.events = nvhi_source_epoll_mask(events), .data.ptr = source};

	if (reactor->simulated)
		return -EOPNOTSUPP;
	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	source->fd = fd;
	source->fn = fn;
	source->events = events;
	source->eager = source->parked = false;
	nvhi_list_add_tail(&reactor->sources, &source->link);
	nvhi_list_init(&source->eager_link);
	reactor->source_count++;
	reactor->unpolled_count++;
	return 0;
}

int nvhi_source_modify(struct nvh_reactor *reactor, struct nvhi_source *source, unsigned int events)
{
	struct epoll_event event = {.events = nvhi_source_epoll_mask(events), .data.ptr = source};

	int err;

	if (events == source->events)
		return 0;
	if (source->parked) { /* which is for reading only */
		err = nvhi_eager_unpark(reactor, source);
		if (err)
			return err;
	}
	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return -errno;
	reactor->unpolled_count -= nvhi_source_unpolled(source);
	source->events = events;
	reactor->unpolled_count += nvhi_source_unpolled(source);
	return 0;
}

void nvhi_source_remove(struct nvh_reactor *reactor, struct nvhi_source *source)
{
	/* Fails only when the owner has closed the descriptor already, which removed it too. */
	if (!source->parked)
		epoll_ctl(reactor->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	reactor->parked_count -= source->parked;
	source->parked = source->eager = false;
	nvhi_eager_drop(reactor, source);
	reactor->unpolled_count--;
	reactor->source_count--;
	nvhi_list_del(&source->link);
	if (reactor->trying == source)
		reactor->trying = NULL;
	for (int i = reactor->event_index; i < reactor->event_count; i++)
		if (reactor->events[i].data.ptr == source)
			reactor->events[i].data.ptr = NULL;
	source->fd = -1;
}

/* ---- serving ----------------------------------------------------------------------------- */

static int sources_dispatch(struct nvh_reactor *reactor)
{
	int done = 0;

	while (reactor->event_index < reactor->event_count) {
		struct epoll_event *event = &reactor->events[reactor->event_index++];
		struct nvhi_source *source = event->data.ptr;
		unsigned int events = 0;

		if (!source || event->data.ptr == &reactor->wake_fd)
			continue; /* removed meanwhile; or woken, and awake we are */
		if (event->data.ptr == &reactor->timer_fd) {
			reactor->timer_fd_deadline = NVHI_NEVER; /* it went off */
			continue;
		}
		if (event->events & EPOLLIN)
			events |= NVHI_READABLE;
		if (event->events & EPOLLOUT)
			events |= NVHI_WRITABLE;
		if (event->events & (EPOLLHUP | EPOLLERR))
			events |= NVHI_HANGUP;
		done += source->fn(source, events);
	}
	reactor->event_index = reactor->event_count = 0;
	return done;
}

static int sources_harvest(struct nvh_reactor *reactor, const struct timespec *timeout)
{
	static bool no_pwait2; /* kernels before 5.11 have milliseconds only */
	int timeout_ms = -1;
	int count;

	reactor->stats.epoll_waits++;
	if (timeout && (timeout->tv_sec || timeout->tv_nsec)) {
		if (!__atomic_load_n(&no_pwait2, __ATOMIC_RELAXED)) {
			count = epoll_pwait2(reactor->epoll_fd, reactor->events, NVHI_EPOLL_BATCH,
					     timeout, NULL);
			if (count >= 0 || (errno != ENOSYS && errno != EPERM))
				goto out;
			__atomic_store_n(&no_pwait2, true, __ATOMIC_RELAXED);
		}
		timeout_ms = timeout->tv_sec >= INT_MAX / 1000 - 1
				     ? INT_MAX
				     : (int)(timeout->tv_sec * 1000 +
					     (timeout->tv_nsec + 999999) / 1000000);
	} else if (timeout) {
		timeout_ms = 0;
	}
	count = epoll_wait(reactor->epoll_fd, reactor->events, NVHI_EPOLL_BATCH, timeout_ms);
out:
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	reactor->event_index = 0;
	reactor->event_count = count;
	return 0;
}

/* Whether epoll must be asked in this turn. */
static bool sources_epoll_due(const struct nvh_reactor *reactor)
{
	if (reactor->embedded)
		return true; /* what made the descriptor readable must be taken off it */
	if (reactor->eager_count > NVHI_EAGER_MAX ||
	    reactor->eager_count + reactor->expecting_count == 0)
		return reactor->source_count > 0;
	return reactor->unpolled_count > 0 &&
	       reactor->now - reactor->last_epoll >= NVHI_EPOLL_INTERVAL_NS;
}

int nvhi_sources_run(struct nvh_reactor *reactor)
{
	static const struct timespec no_wait;
	int done = 0;

	if (reactor->event_count > 0) /* harvested by a sleep, or by a turn around this one */
		return sources_dispatch(reactor);
	if (reactor->eager_count > 0 && reactor->eager_count <= NVHI_EAGER_MAX)
		done += nvhi_eager_run(reactor);
	if (sources_epoll_due(reactor)) {
		reactor->last_epoll = reactor->now;
		if (sources_harvest(reactor, &no_wait) == 0)
			done += sources_dispatch(reactor);
	}
	return done;
}

int nvhi_sources_wait(struct nvh_reactor *reactor, uint64_t timeout_ns)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / NVHI_NSEC_PER_SEC),
		.tv_nsec = (long)(timeout_ns % NVHI_NSEC_PER_SEC),
	};

	return sources_harvest(reactor, timeout_ns == NVHI_NEVER ? NULL : &timeout);
}
