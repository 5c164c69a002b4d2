/*
 * I/O that waits: for a path, for room in a queue, for the end of a retry delay. One list in the
 * order of submission; an event (a queue went live, a request came free, a path was added) resumes
 * it in the same turn, and when there is no hope left it fails. The channel's reactor.
 */
#include <errno.h>

#include "base/log.h"
#include "multipath/fence.h"

void nvhi_io_wait(struct nvhi_io *io)
{
	struct nvh_channel *channel = io->channel;
	struct nvhi_list *at = channel->waiting.prev;

	while (at != &channel->waiting && nvhi_list_entry(at, struct nvhi_io, link)->seq > io->seq)
		at = at->prev;
	nvhi_list_insert(at, &io->link);
	nvhi_io_set_state(io, NVHI_IO_STATE_WAITING);
	if (!channel->nr_usable)
		nvhi_io_count_waiting(io);
}

void nvhi_io_delay(struct nvhi_io *io, uint32_t delay_ms)
{
	struct nvh_channel *channel = io->channel;
	struct nvhi_list *at = channel->delayed.prev;

	io->due = nvhi_reactor_now(channel->reactor) + delay_ms * NVHI_NSEC_PER_MSEC;
	while (at != &channel->delayed && nvhi_list_entry(at, struct nvhi_io, link)->due > io->due)
		at = at->prev;
	nvhi_list_insert(at, &io->link);
	nvhi_io_set_state(io, NVHI_IO_STATE_DELAYED);
	nvhi_channel_timer_want(channel, io->due);
}

/* Nothing leads there and nothing will: what waits ends. */
static void channel_fail_waiting(struct nvh_channel *channel, int err)
{
	struct nvhi_io *io, *next;

	nvhi_list_for_each_safe(io, next, &channel->waiting, link) {
		if (nvhi_list_empty(&io->parts)) {
			nvhi_io_end_later(io, err, NULL);
			continue;
		}
		nvhi_list_del(&io->link);
		nvhi_io_fail(io, err, NULL);
		nvhi_io_set_state(io, NVHI_IO_STATE_DRAINING);
	}
}

/* All of it goes through home; what is partly out follows when its parts are home. */
static void channel_relay_waiting(struct nvh_channel *channel)
{
	struct nvhi_io *io, *next;

	nvhi_list_for_each_safe(io, next, &channel->waiting, link) {
		if (!nvhi_list_empty(&io->parts))
			continue;
		nvhi_list_del(&io->link);
		if (io->timed)
			nvhi_list_del(&io->deadline_link);
		nvhi_io_relay(io);
	}
}

void nvhi_channel_drain(struct nvh_channel *channel)
{
	int err = 0;

	while (!nvhi_list_empty(&channel->waiting)) {
		struct nvhi_io *io = nvhi_list_first(&channel->waiting, struct nvhi_io, link);

		if (__builtin_expect(channel->fences != NULL, 0) && nvhi_list_empty(&io->parts) &&
		    nvhi_fence_blocks(channel, io)) {
			nvhi_list_del(&io->link);
			nvhi_list_add_tail(&channel->fenced, &io->link);
			nvhi_io_set_state(io, NVHI_IO_STATE_FENCED);
			continue;
		}
		err = nvhi_io_issue(io);
		if (err)
			break;
		nvhi_list_del(&io->link);
		nvhi_io_uncount_waiting(io);
		nvhi_io_set_state(io, NVHI_IO_STATE_ISSUED);
	}
	if (err != -ENOTCONN && (nvhi_list_empty(&channel->fenced) || channel->nr_usable))
		return;
	if (nvhi_channel_must_relay(channel)) {
		channel_relay_waiting(channel);
		return;
	}
	err = nvhi_channel_no_path(channel);
	if (err) {
		channel_fail_waiting(channel, err);
		nvhi_channel_fail_fenced(channel, err);
	}
}
