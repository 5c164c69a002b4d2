/*
 * Failovers told step by step; see failover.h. The upper half runs on the home reactor, the lower one
 * on a channel's, from where letters go home. A letter is the channel's own memory: while one is
 * under way the next step waits for the next I/O.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "multipath/fence.h"

#define FAILOVER_SAME_NS NVHI_NSEC_PER_SEC /* so long after its success a loss is another one */

/* ---- home: the records ------------------------------------------------------------------------- */

static void failover_tell(struct nvhi_mp *mp, const struct nvhi_failover *f)
{
	if (mp->events->failover)
		mp->events->failover(mp, &f->pub);
}

static struct nvhi_failover *failover_by_id(struct nvhi_mp *mp, uint64_t id)
{
	struct nvhi_failover *f = &mp->failovers[id % NVHI_FAILOVERS];

	return id && f->pub.id == id ? f : NULL;
}

/* The last record of a controller. */
static struct nvhi_failover *failover_present(struct nvhi_mp *mp, uint64_t serial)
{
	uint64_t last = mp->nr_failovers, first = last > NVHI_FAILOVERS ? last - NVHI_FAILOVERS : 0;

	for (uint64_t id = last; id > first; id--) {
		struct nvhi_failover *f = failover_by_id(mp, id);

		if (f->serial == serial)
			return f;
	}
	return NULL;
}

/* Whether a loss that was seen at `when` is the one that this record tells of. */
static bool failover_covers(const struct nvhi_failover *f, uint64_t when)
{
	if (f->pub.returned_ns)
		return when < f->pub.returned_ns;
	return !f->pub.success_ns || when <= f->pub.success_ns + FAILOVER_SAME_NS;
}

static struct nvhi_failover *failover_open(struct nvhi_mp_ctrlr *mpc, uint64_t when)
{
	struct nvhi_mp *mp = mpc->mp;
	struct nvhi_failover *f = failover_present(mp, mpc->serial);

	if (f && failover_covers(f, when))
		return f;
	f = &mp->failovers[++mp->nr_failovers % NVHI_FAILOVERS];
	memset(f, 0, sizeof(*f));
	f->pub.size = sizeof(f->pub);
	f->pub.id = mp->nr_failovers;
	f->pub.detected_ns = when;
	f->serial = mpc->serial;
	snprintf(f->pub.subnqn, sizeof(f->pub.subnqn), "%.223s", mpc->subsys->nqn);
	snprintf(f->pub.ctrlr, sizeof(f->pub.ctrlr), "%.31s", nvhi_ctrlr_name(mpc->ctrlr));
	return f;
}

void nvhi_failover_detected(struct nvhi_mp_ctrlr *mpc, const char *why)
{
	struct nvhi_failover *f;

	if (!mpc->subsys)
		return;
	f = failover_open(mpc, nvhi_reactor_now(mpc->mp->home));
	if (f->why_is_home && !strncmp(f->pub.why, why, sizeof(f->pub.why) - 1))
		return;
	snprintf(f->pub.why, sizeof(f->pub.why), "%s", why);
	f->why_is_home = true;
	failover_tell(mpc->mp, f);
}

uint64_t nvhi_failover_id(const struct nvhi_mp_ctrlr *mpc)
{
	const struct nvhi_failover *f = failover_present(mpc->mp, mpc->serial);

	return f ? f->pub.id : 0;
}

void nvhi_failover_fenced(struct nvhi_mp *mp, uint64_t id, const char *proof)
{
	struct nvhi_failover *f = failover_by_id(mp, id);

	if (!f || f->pub.fenced_ns)
		return;
	snprintf(f->pub.fence, sizeof(f->pub.fence), "%s", proof);
	f->pub.fenced_ns = nvhi_reactor_now(mp->home);
	failover_tell(mp, f);
}

void nvhi_failover_returned(struct nvhi_mp_ctrlr *mpc)
{
	struct nvhi_failover *f = failover_present(mpc->mp, mpc->serial);

	if (!f || f->pub.returned_ns)
		return;
	f->pub.returned_ns = nvhi_reactor_now(mpc->mp->home);
	failover_tell(mpc->mp, f);
}

const struct nvh_failover *nvhi_failover_next(const struct nvhi_mp *mp, unsigned int index)
{
	if (index >= mp->nr_failovers || index >= NVHI_FAILOVERS)
		return NULL;
	return &mp->failovers[(mp->nr_failovers - index) % NVHI_FAILOVERS].pub;
}

/* ---- home: letters -------------------------------------------------------------------------------- */

static struct nvhi_mp_ctrlr *mp_ctrlr_by_serial(struct nvhi_mp *mp, uint64_t serial)
{
	struct nvhi_mp_subsys *subsys;
	struct nvhi_mp_ctrlr *mpc;

	nvhi_list_for_each(subsys, &mp->subsystems, link)
		nvhi_list_for_each(mpc, &subsys->ctrlrs, link)
			if (mpc->serial == serial)
				return mpc;
	return NULL;
}

/* The earliest of all channels counts. */
static bool failover_step(uint64_t *at, uint64_t when)
{
	if (!when || (*at && *at <= when))
		return false;
	*at = when;
	return true;
}

static void failover_letter(struct nvhi_msg *msg)
{
	struct nvhi_failover_watch *w = nvhi_container_of(msg, struct nvhi_failover_watch, msg);
	struct nvh_channel *channel = nvhi_container_of(w, struct nvh_channel, failover);
	struct nvhi_mp *mp = channel->ns->mp;
	struct nvhi_mp_ctrlr *mpc = mp_ctrlr_by_serial(mp, w->told.serial);
	struct nvhi_failover *f;
	bool news = false;

	f = failover_present(mp, w->told.serial);
	if (mpc && (!f || !failover_covers(f, w->told.lost_ns)))
		f = failover_open(mpc, w->told.lost_ns);
	if (f && !f->pub.why[0]) {
		snprintf(f->pub.why, sizeof(f->pub.why), "%s", w->told.why);
		news = true;
	}
	if (f) {
		failover_step(&f->pub.detected_ns, w->told.lost_ns);
		if (failover_step(&f->pub.selected_ns, w->told.selected_ns)) {
			memcpy(f->pub.selected, w->told.selected, sizeof(f->pub.selected));
			news = true;
		}
		news |= failover_step(&f->pub.success_ns, w->told.success_ns);
		if (news)
			failover_tell(mp, f);
	}
	__atomic_store_n(&w->posted, 0, __ATOMIC_RELEASE);
}

/* ---- a channel's reactor ----------------------------------------------------------------------------- */

void nvhi_failover_watch_init(struct nvh_channel *channel)
{
	channel->failover.msg.fn = failover_letter;
}

static void watch_end(struct nvh_channel *channel)
{
	channel->failover.lane = NULL;
	nvhi_channel_count_usable(channel);
}

/* Sends what home does not know yet, when the letter is free. */
static void watch_tell(struct nvh_channel *channel)
{
	struct nvhi_failover_watch *w = &channel->failover;

	w->untold = true;
	if (__atomic_load_n(&w->posted, __ATOMIC_ACQUIRE))
		return;
	w->untold = false;
	w->told.serial = w->serial;
	w->told.lost_ns = w->lost_ns;
	w->told.selected_ns = w->selected_ns;
	w->told.success_ns = w->success_ns;
	w->told.why = w->why;
	memcpy(w->told.selected, w->selected, sizeof(w->told.selected));
	__atomic_store_n(&w->posted, 1, __ATOMIC_RELAXED);
	nvhi_reactor_post(channel->ns->mp->home, &w->msg);
}

static void watch_begin(struct nvhi_lane *lane, const char *why)
{
	struct nvh_channel *channel = lane->channel;
	struct nvhi_failover_watch *w = &channel->failover;

	w->lane = lane;
	w->number += w->number + 1 ? 1 : 2;
	w->serial = lane->serial;
	w->why = why;
	w->lost_ns = nvhi_reactor_now(channel->reactor);
	w->selected_ns = w->success_ns = 0;
	w->selected[0] = '\0';
	w->moved = 0;
	nvhi_channel_count_usable(channel);
	watch_tell(channel);
}

void nvhi_failover_lane_lost(struct nvhi_lane *lane, const char *why)
{
	struct nvh_channel *channel = lane->channel;

	if (!channel->failover.lane && !lane->dropped && lane->inflight)
		watch_begin(lane, why);
}

void nvhi_failover_lane_gone(struct nvhi_lane *lane)
{
	if (lane->channel->failover.lane == lane)
		lane->channel->failover.lane = NULL;
}

void nvhi_failover_io_moved(struct nvhi_io *io, struct nvhi_lane *lane, const char *why)
{
	struct nvhi_failover_watch *w = &lane->channel->failover;

	if (lane->dropped || (w->lane && w->lane != lane))
		return;
	if (!w->lane)
		watch_begin(lane, why);
	w->moved += io->moved != w->number;
	io->moved = w->number;
}

void nvhi_failover_io_ends(struct nvhi_io *io)
{
	struct nvhi_failover_watch *w = &io->channel->failover;

	if (!w->lane || io->moved != w->number)
		return;
	io->moved = 0;
	if (--w->moved == 0) /* nobody is left whose success would tell */
		watch_end(io->channel);
}

/* While I/O of the lost lane is to be repeated, its fate is what counts. */
static bool watch_counts(const struct nvhi_failover_watch *w, const struct nvhi_io *io)
{
	return io->moved == w->number || (!w->moved && !w->lane->inflight);
}

void nvhi_failover_selects(struct nvhi_io *io, const struct nvhi_lane *lane)
{
	struct nvhi_failover_watch *w = &io->channel->failover;

	uint64_t now = nvhi_reactor_now(io->channel->reactor);

	if (w->selected_ns || !watch_counts(w, io))
		return;
	if (io->moved != w->number && now > w->lost_ns + FAILOVER_SAME_NS) {
		watch_end(io->channel); /* none waited: this one has nothing to do with it */
		return;
	}
	w->selected_ns = now;
	snprintf(w->selected, sizeof(w->selected), "%.31s", nvhi_ctrlr_name(lane->ctrlr));
	watch_tell(io->channel);
}

void nvhi_failover_succeeds(struct nvhi_io *io, const struct nvhi_lane *lane, uint64_t submit_ns)
{
	struct nvhi_failover_watch *w = &io->channel->failover;

	(void)lane;
	if (!w->success_ns && submit_ns >= w->lost_ns && w->selected_ns && watch_counts(w, io))
		w->success_ns = nvhi_reactor_now(io->channel->reactor);
	if (!w->success_ns)
		return;
	watch_tell(io->channel);
	if (!w->untold)
		watch_end(io->channel);
}
