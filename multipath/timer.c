/*
 * What a channel does at a certain time: end I/O past its deadline, repeat I/O after a retry delay,
 * try again a lane that was held. One timer a channel, armed from the start so that it never needs
 * memory later; it may fire early and then looks again. And cancel, which ends I/O the way a
 * deadline does. The channel's reactor.
 */
#include <errno.h>

#include "multipath/fence.h"

static void timer_fire(struct nvhi_timer *timer);

int nvhi_channel_timer_init(struct nvh_channel *channel)
{
	channel->timer.fn = timer_fire;
	channel->ended_defer.fn = nvhi_channel_ended_run;
	return nvhi_timer_arm_at(channel->reactor, &channel->timer, NVHI_NEVER);
}

void nvhi_channel_timer_want(struct nvh_channel *channel, uint64_t when)
{
	if (when < channel->timer.deadline)
		nvhi_timer_arm_at(channel->reactor, &channel->timer, when);
}

void nvhi_io_watch_deadline(struct nvhi_io *io)
{
	struct nvh_channel *channel = io->channel;
	uint64_t deadline = io->pub.deadline_ns;
	struct nvhi_list *at = channel->deadlines.prev;

	while (at != &channel->deadlines &&
	       nvhi_list_entry(at, struct nvhi_io, deadline_link)->pub.deadline_ns > deadline)
		at = at->prev;
	nvhi_list_insert(at, &io->deadline_link);
	io->timed = true;
	nvhi_channel_timer_want(channel, deadline);
}

/* Ends an io that the caller gives up, now or when its parts are home: its buffers stay lent until
 * then. The controller is asked to hurry. */
static void io_give_up(struct nvhi_io *io, int err)
{
	struct nvhi_ioq_req *r;
	struct nvhi_list *at;

	if (io->state == NVHI_IO_STATE_IDLE || io->state == NVHI_IO_STATE_ENDED)
		return;
	if (io->state == NVHI_IO_STATE_FENCED && !nvhi_io_unfence(io)) {
		nvhi_io_fail(io, err, NULL); /* when every reactor knows what it may still write */
		return;
	}
	if (nvhi_list_empty(&io->parts)) {
		nvhi_io_end_later(io, err, NULL);
		return;
	}
	if (io->state == NVHI_IO_STATE_WAITING) {
		nvhi_list_del(&io->link);
		nvhi_io_fail(io, err, NULL);
		nvhi_io_set_state(io, NVHI_IO_STATE_DRAINING);
	}
	for (at = io->parts.next; at != &io->parts; at = at->next) {
		r = nvhi_list_entry(at, struct nvhi_ioq_req, owner_link);
		if (!r->late)
			nvhi_ioq_abort(r->ioq, r);
	}
}

void nvhi_channel_cancel(struct nvh_channel *channel, struct nvh_io *pub)
{
	struct nvhi_io *io = nvhi_io_of(pub);

	if (io->origin && io->origin == channel) {
		nvhi_io_recall(io);
		return;
	}
	if (io->state == NVHI_IO_STATE_IDLE || io->canceled || io->expired)
		return;
	io->canceled = true;
	io->plain = false;
	io_give_up(io, -ECANCELED);
}

static void timer_deadlines(struct nvh_channel *channel, uint64_t now)
{
	while (!nvhi_list_empty(&channel->deadlines)) {
		struct nvhi_io *io =
			nvhi_list_first(&channel->deadlines, struct nvhi_io, deadline_link);

		if (io->pub.deadline_ns > now)
			break;
		nvhi_list_del(&io->deadline_link);
		io->timed = false;
		if (io->canceled)
			continue;
		io->expired = true;
		io_give_up(io, -ETIMEDOUT);
	}
}

static void timer_delayed(struct nvh_channel *channel, uint64_t now)
{
	while (!nvhi_list_empty(&channel->delayed)) {
		struct nvhi_io *io = nvhi_list_first(&channel->delayed, struct nvhi_io, link);

		if (io->due > now)
			break;
		nvhi_list_del(&io->link);
		nvhi_io_wait(io);
	}
}

/* Lanes whose hold or probation is over. Each may issue I/O, which may reorder the list: begin again then. */
static void timer_holds(struct nvh_channel *channel, uint64_t now)
{
	struct nvhi_lane *lane;
	bool again;

	do {
		again = false;
		nvhi_list_for_each(lane, &channel->lanes, link) {
			if (lane->held_until && lane->held_until <= now) {
				lane->held_until = 0;
				nvhi_lane_refresh(lane);
				again = true;
				break;
			}
			again = nvhi_lane_probation_over(lane, now);
			if (again)
				break;
		}
	} while (again);
}

static uint64_t timer_next(const struct nvh_channel *channel)
{
	uint64_t next = NVHI_NEVER;
	const struct nvhi_lane *lane;
	const struct nvhi_io *io;

	if (!nvhi_list_empty(&channel->deadlines)) {
		io = nvhi_list_first(&channel->deadlines, struct nvhi_io, deadline_link);
		next = io->pub.deadline_ns;
	}
	if (!nvhi_list_empty(&channel->delayed)) {
		io = nvhi_list_first(&channel->delayed, struct nvhi_io, link);
		next = io->due < next ? io->due : next;
	}
	nvhi_list_for_each(lane, &channel->lanes, link) {
		if (lane->held_until && lane->held_until < next)
			next = lane->held_until;
		if (lane->health == NVHI_HEALTH_PROBATION && lane->probation_until < next)
			next = lane->probation_until;
	}
	if (channel->hedge && nvhi_channel_hedge_due(channel) < next)
		next = nvhi_channel_hedge_due(channel);
	return next;
}

static void timer_fire(struct nvhi_timer *timer)
{
	struct nvh_channel *channel = nvhi_container_of(timer, struct nvh_channel, timer);
	uint64_t now = nvhi_reactor_now(channel->reactor);

	/* Armed again first: the slot it just left is the one that was reserved. */
	nvhi_timer_arm_at(channel->reactor, timer, NVHI_NEVER);
	timer_deadlines(channel, now);
	timer_delayed(channel, now);
	timer_holds(channel, now);
	if (channel->hedge)
		nvhi_channel_hedge_fire(channel, now);
	nvhi_channel_drain(channel);
	nvhi_channel_timer_want(channel, timer_next(channel));
}
