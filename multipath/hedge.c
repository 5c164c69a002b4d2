/*
 * Hedged reads (opt-in): a read that is older than nearly all reads of its path take is sent a second
 * time over another path, and the first answer counts. A copy may be late by seconds, so no copy ever
 * has the caller's buffer: each goes into a buffer of its slot, and the winner's is copied out. A
 * slot is free again when both are home. Extra reads are at most 2 % of all, whatever happens. The
 * channel's reactor; memory is taken when hedging is switched on, never per read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "multipath/head.h"

#define HEDGE_SLOTS	256u
#define HEDGE_MAX_BYTES (16u << 10) /* larger reads are not hedged: the copy would cost too much */
#define HEDGE_SAMPLES	100u	    /* reads of a path before its history tells anything */
#define HEDGE_LEARN	256u	    /* reads between two looks at it */
#define HEDGE_FLOOR_NS	(200 * NVHI_NSEC_PER_USEC)
#define HEDGE_COST	50 /* reads that earn one extra: 2 % */
#define HEDGE_SAVED	(8 * HEDGE_COST)

struct nvhi_hedge_slot {
	struct nvhi_list link; /* free, or watched by `due`; else on no list */
	struct nvhi_io *io;    /* NULL: answered, a copy is still out */
	struct nvhi_ioq_req *reqs[2]; /* NULL: not sent, or home */
	struct iovec iov[2];
	uint64_t due;
};

struct nvhi_hedge {
	struct nvh_channel *channel;
	struct nvhi_list free;
	struct nvhi_list watched; /* by due */
	uint32_t earned;	  /* towards the next extra read */
	struct nvhi_hedge_slot slots[HEDGE_SLOTS];
	uint8_t *memory;
};

/* ---- on and off ------------------------------------------------------------------------------------ */

static struct nvhi_hedge *hedge_create(struct nvh_channel *channel)
{
	struct nvhi_hedge *hedge = calloc(1, sizeof(*hedge));

	if (!hedge)
		return NULL;
	hedge->memory = aligned_alloc(4096, 2ull * HEDGE_SLOTS * HEDGE_MAX_BYTES);
	if (!hedge->memory) {
		free(hedge);
		return NULL;
	}
	hedge->channel = channel;
	nvhi_list_init(&hedge->free);
	nvhi_list_init(&hedge->watched);
	for (uint32_t i = 0; i < HEDGE_SLOTS; i++) {
		struct nvhi_hedge_slot *slot = &hedge->slots[i];

		for (uint32_t k = 0; k < 2; k++)
			slot->iov[k].iov_base =
				hedge->memory + (size_t)(2 * i + k) * HEDGE_MAX_BYTES;
		nvhi_list_add_tail(&hedge->free, &slot->link);
	}
	return hedge;
}

void nvhi_channel_hedge_update(struct nvh_channel *channel)
{
	bool want = __atomic_load_n(&channel->ns->hedge, __ATOMIC_RELAXED);

	if (want && !channel->hedge) {
		channel->hedge = hedge_create(channel);
		if (!channel->hedge)
			nvhi_log(ERROR, MPATH, "%s: no memory for hedged reads on %s",
				 channel->ns->name, nvhi_reactor_name(channel->reactor));
	}
	channel->hedging = want && channel->hedge;
	nvhi_channel_count_usable(channel);
}

void nvhi_channel_hedge_free(struct nvh_channel *channel)
{
	if (!channel->hedge)
		return;
	free(channel->hedge->memory);
	free(channel->hedge);
	channel->hedge = NULL;
}

/* ---- home -------------------------------------------------------------------------------------------- */

int nvhi_mp_set_hedge(struct nvhi_mp *mp, const char *subnqn, bool on)
{
	struct nvhi_mp_subsys *subsys = nvhi_mp_subsys_find(mp, subnqn);
	struct nvh_ns *head;

	if (!subsys)
		return -ENOENT;
	subsys->hedge = on;
	nvhi_list_for_each(head, &subsys->heads, link) {
		__atomic_store_n(&head->hedge, on, __ATOMIC_RELAXED);
		nvhi_head_kick(head);
	}
	return 0;
}

bool nvhi_mp_ns_hedged(const struct nvh_ns *ns, struct nvhi_hedge_counts *ret_counts)
{
	ret_counts->reads = __atomic_load_n(&ns->hedge_counts.reads, __ATOMIC_RELAXED);
	ret_counts->sent = __atomic_load_n(&ns->hedge_counts.sent, __ATOMIC_RELAXED);
	ret_counts->won = __atomic_load_n(&ns->hedge_counts.won, __ATOMIC_RELAXED);
	return __atomic_load_n(&ns->hedge, __ATOMIC_RELAXED);
}

/* ---- when a read is late ------------------------------------------------------------------------------- */

/* The path's own history: later than 98 % of its reads, and than three times the median, so that the
 * ordinary spread of a fast path is no reason. */
static uint64_t lane_late_ns(struct nvhi_lane *lane)
{
	const uint32_t *reads = lane->histogram.buckets[0];
	uint64_t high, median;

	if (lane->ios < HEDGE_SAMPLES)
		return NVHI_NEVER;
	if (lane->late_ns && lane->ios - lane->late_at < HEDGE_LEARN)
		return lane->late_ns;
	high = nvhi_latency_percentile(reads, 98);
	median = nvhi_latency_percentile(reads, 50);
	if (!median)
		return NVHI_NEVER; /* no reads yet */
	lane->late_at = lane->ios;
	lane->late_ns = high > 3 * median ? high : 3 * median;
	if (lane->late_ns < HEDGE_FLOOR_NS)
		lane->late_ns = HEDGE_FLOOR_NS;
	return lane->late_ns;
}

static void hedge_watch(struct nvhi_hedge *hedge, struct nvhi_hedge_slot *slot, uint64_t due)
{
	struct nvhi_list *at = hedge->watched.prev;

	slot->due = due;
	while (at != &hedge->watched &&
	       nvhi_list_entry(at, struct nvhi_hedge_slot, link)->due > due)
		at = at->prev;
	nvhi_list_insert(at, &slot->link);
	nvhi_channel_timer_want(hedge->channel, due);
}

uint64_t nvhi_channel_hedge_due(const struct nvh_channel *channel)
{
	struct nvhi_hedge *hedge = channel->hedge;

	if (!hedge || nvhi_list_empty(&hedge->watched))
		return NVHI_NEVER;
	return nvhi_list_first(&hedge->watched, struct nvhi_hedge_slot, link)->due;
}

/* ---- out -------------------------------------------------------------------------------------------- */

struct nvhi_hedge_slot *nvhi_hedge_take(struct nvhi_io *io, struct nvhi_lane *lane)
{
	struct nvh_channel *channel = io->channel;
	struct nvhi_hedge *hedge = channel->hedge;
	uint64_t bytes = (uint64_t)io->pub.nr_blocks << channel->block_shift;
	struct nvhi_hedge_slot *slot;

	if (io->pub.op != NVH_IO_READ || io->next != io->pub.lba || io->pub.pi_flags ||
	    bytes > HEDGE_MAX_BYTES || io->pub.nr_blocks > lane->limit[NVHI_LIMIT_DATA] ||
	    nvhi_list_empty(&hedge->free))
		return NULL;
	slot = nvhi_list_first(&hedge->free, struct nvhi_hedge_slot, link);
	slot->iov[0].iov_len = slot->iov[1].iov_len = bytes;
	return slot;
}

void nvhi_hedge_prepare(struct nvhi_hedge_slot *slot, struct nvhi_ioq_req *r)
{
	r->owner = slot;
	r->done = nvhi_hedge_done;
	nvhi_iov_cursor_init(&r->req.data, &slot->iov[0], 1);
}

void nvhi_hedge_sent(struct nvhi_hedge_slot *slot, struct nvhi_io *io, struct nvhi_lane *lane,
		     struct nvhi_ioq_req *r)
{
	struct nvhi_hedge *hedge = io->channel->hedge;
	struct nvhi_hedge_counts *counts = &io->channel->ns->hedge_counts;
	uint64_t late = lane_late_ns(lane);

	nvhi_list_del(&slot->link);
	slot->io = io;
	slot->reqs[0] = r;
	__atomic_fetch_add(&counts->reads, 1, __ATOMIC_RELAXED);
	hedge->earned += hedge->earned < HEDGE_SAVED;
	if (late != NVHI_NEVER)
		hedge_watch(hedge, slot, nvhi_reactor_now(io->channel->reactor) + late);
}

/* Another lane that takes a request now: the one that should be back first. */
static struct nvhi_lane *hedge_lane(struct nvh_channel *channel, const struct nvhi_lane *not)
{
	uint64_t best_cost = UINT64_MAX;
	struct nvhi_lane *lane, *best = NULL;

	nvhi_list_for_each(lane, &channel->lanes, link) {
		uint64_t cost = lane->latency_ns[0] * (lane->inflight + 1ull);

		if (lane == not || !nvhi_lane_takes(lane) || cost >= best_cost)
			continue;
		best = lane;
		best_cost = cost;
	}
	return best;
}

static void hedge_send(struct nvhi_hedge *hedge, struct nvhi_hedge_slot *slot)
{
	const struct nvhi_ioq_req *first = slot->reqs[0];
	struct nvhi_lane *lane =
		hedge_lane(hedge->channel, (const struct nvhi_lane *)(uintptr_t)first->word[1]);
	struct nvhi_ioq_req *r = lane ? nvhi_ioq_get(lane->ioq) : NULL;

	if (!r)
		return;
	r->req.cmd = first->req.cmd;
	nvh_le32_put(&r->req.cmd.nsid, lane->nsid);
	r->req.dir = first->req.dir;
	r->req.len = first->req.len;
	r->req.short_ok = false;
	nvhi_iov_cursor_init(&r->req.data, &slot->iov[1], 1);
	r->owner = slot;
	r->done = nvhi_hedge_done;
	r->word[0] = first->word[0];
	r->word[1] = (uintptr_t)lane;
	if (nvhi_ioq_submit(lane->ioq, r)) {
		nvhi_ioq_put(lane->ioq, r);
		return;
	}
	nvhi_list_add_tail(&slot->io->parts, &r->owner_link);
	lane->inflight++;
	slot->reqs[1] = r;
	hedge->earned -= HEDGE_COST;
	__atomic_fetch_add(&hedge->channel->ns->hedge_counts.sent, 1, __ATOMIC_RELAXED);
}

void nvhi_channel_hedge_fire(struct nvh_channel *channel, uint64_t now)
{
	struct nvhi_hedge *hedge = channel->hedge;

	while (!nvhi_list_empty(&hedge->watched)) {
		struct nvhi_hedge_slot *slot =
			nvhi_list_first(&hedge->watched, struct nvhi_hedge_slot, link);

		if (slot->due > now)
			break;
		nvhi_list_del(&slot->link);
		if (hedge->earned >= HEDGE_COST && !slot->io->canceled && !slot->io->expired)
			hedge_send(hedge, slot);
	}
}

/* ---- home again ---------------------------------------------------------------------------------------- */

static void hedge_copy_out(const struct nvhi_io *io, const struct iovec *from)
{
	const uint8_t *at = from->iov_base;
	size_t left = from->iov_len;

	for (uint32_t i = 0; left; i++) {
		const struct iovec *to = &io->pub.iov[i];
		size_t n = to->iov_len < left ? to->iov_len : left;

		memcpy(to->iov_base, at, n);
		at += n;
		left -= n;
	}
}

static void slot_free(struct nvhi_hedge *hedge, struct nvhi_hedge_slot *slot)
{
	nvhi_list_del(&slot->link);
	nvhi_list_add_tail(&hedge->free, &slot->link);
}

/* Of two, this one decides: the other's end means nothing any more. */
static void hedge_decide(struct nvhi_hedge *hedge, struct nvhi_hedge_slot *slot,
			 const struct nvhi_ioq_req *loser)
{
	slot->io = NULL;
	nvhi_list_del(&slot->link); /* watched no more */
	if (!loser) {
		slot_free(hedge, slot);
		return;
	}
	hedge->channel->nr_strays++;
	nvhi_list_del((struct nvhi_list *)&loser->owner_link);
}

void nvhi_hedge_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_hedge_slot *slot = r->owner;
	struct nvhi_lane *lane = (struct nvhi_lane *)(uintptr_t)r->word[1];
	struct nvh_channel *channel = lane->channel;
	struct nvhi_hedge *hedge = channel->hedge;
	unsigned int which = r == slot->reqs[1];
	bool good = !err && !nvh_cpl_is_error(cpl);
	struct nvhi_io *io = slot->io;

	slot->reqs[which] = NULL;
	if (!io) {
		nvhi_part_drop(r, err, cpl);
		slot_free(hedge, slot);
		nvhi_channel_stray_home(channel);
		return;
	}
	if (!good && slot->reqs[!which]) {
		nvhi_part_drop(r, err, cpl); /* the other one may still tell */
		return;
	}
	if (good)
		hedge_copy_out(io, &slot->iov[which]);
	if (good && which)
		__atomic_fetch_add(&channel->ns->hedge_counts.won, 1, __ATOMIC_RELAXED);
	hedge_decide(hedge, slot, slot->reqs[!which]);
	r->owner = io;
	nvhi_part_done(r, err, cpl);
}
