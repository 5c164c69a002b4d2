/*
 * Eager sources: their owners know that bytes are on their way. While there are few, each is
 * simply tried in every turn, and a busy queue pays one recv a turn and no epoll_wait.
 *
 * One that keeps being hit is parked: taken out of epoll, whose callback costs each arriving
 * segment some 200 ns, a twentieth of a round trip on loopback. Parked ones go back before the
 * reactor sleeps, or waits for anything else of them than bytes to read. Owner thread.
 */
#include <errno.h>

#include "base/reactor_impl.h"

/* Hits without sleep that make a source worth parking: two system calls against so many gains. */
#define EAGER_PARK_HITS 16u
/* A parked source that is eager no longer (a queue between two commands) is tried on, this often
 * in vain, before it is put back. */
#define EAGER_LINGER_MISSES 256u

static void eager_count_unpolled(struct nvh_reactor *reactor, const struct nvhi_source *source,
				 uint32_t sign)
{
	if (nvhi_source_unpolled(source))
		reactor->unpolled_count += sign;
}

/* ---- parking ----------------------------------------------------------------------------- */

static void eager_park(struct nvh_reactor *reactor, struct nvhi_source *source)
{
	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL) < 0)
		return;
	source->parked = true;
	source->misses = 0;
	reactor->parked_count++;
}

int nvhi_eager_unpark(struct nvh_reactor *reactor, struct nvhi_source *source)
{
	struct epoll_event event = {.events = nvhi_source_epoll_mask(source->events),
				    .data.ptr = source};

	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0)
		return -errno;
	source->parked = false;
	source->hits = 0;
	reactor->parked_count--;
	if (!source->eager)
		nvhi_eager_drop(reactor, source);
	return 0;
}

int nvhi_eager_unpark_all(struct nvh_reactor *reactor)
{
	struct nvhi_source *source, *tmp;
	int err;

	nvhi_list_for_each_safe (source, tmp, &reactor->eager, eager_link) {
		source->hits = 0;
		if (!source->parked)
			continue;
		err = nvhi_eager_unpark(reactor, source);
		if (err)
			return err;
	}
	return 0;
}

/* ---- being eager ------------------------------------------------------------------------- */

void nvhi_eager_drop(struct nvh_reactor *reactor, struct nvhi_source *source)
{
	if (!nvhi_eager_tried(source))
		return;
	if (reactor->eager_next == &source->eager_link)
		reactor->eager_next = source->eager_link.next;
	eager_count_unpolled(reactor, source, -1u);
	nvhi_list_del(&source->eager_link);
	eager_count_unpolled(reactor, source, 1);
	reactor->eager_count--;
}

void nvhi_source_set_eager(struct nvh_reactor *reactor, struct nvhi_source *source, bool eager)
{
	if (eager == source->eager)
		return;
	source->eager = eager;
	if (!eager) {
		if (!source->parked) /* else it lingers */
			nvhi_eager_drop(reactor, source);
		return;
	}
	if (nvhi_eager_tried(source))
		return;
	source->hits = source->misses = 0;
	eager_count_unpolled(reactor, source, -1u);
	nvhi_list_add_tail(&reactor->eager, &source->eager_link);
	eager_count_unpolled(reactor, source, 1);
	reactor->eager_count++;
	if (reactor->eager_count > NVHI_EAGER_MAX && reactor->parked_count > 0)
		nvhi_eager_unpark_all(reactor);
}

static int eager_try(struct nvh_reactor *reactor, struct nvhi_source *source)
{
	int done;

	reactor->trying = source;
	done = source->fn(source, NVHI_READABLE);
	if (reactor->trying != source)
		return done;
	if (done > 0) {
		source->misses = 0;
		if (!source->parked && ++source->hits >= EAGER_PARK_HITS && source->eager &&
		    source->events == NVHI_READABLE && !reactor->embedded &&
		    reactor->eager_count <= NVHI_EAGER_MAX)
			eager_park(reactor, source);
	} else if (source->parked && !source->eager && ++source->misses >= EAGER_LINGER_MISSES) {
		source->misses = 0;
		nvhi_eager_unpark(reactor, source);
	}
	return done;
}

int nvhi_eager_run(struct nvh_reactor *reactor)
{
	struct nvhi_list *at = reactor->eager.next;
	int done = 0;

	while (at != &reactor->eager) {
		struct nvhi_source *source = nvhi_list_entry(at, struct nvhi_source, eager_link);

		reactor->eager_next = at->next;
		if (source->events & NVHI_READABLE)
			done += eager_try(reactor, source);
		at = reactor->eager_next;
	}
	reactor->eager_next = &reactor->eager;
	reactor->trying = NULL;
	return done;
}
