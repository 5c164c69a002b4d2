/*
 * Fences on a channel's reactor. A part that was sent and never answered leaves a range behind; its
 * I/O waits among the fenced until every reactor knows the range (then the I/O may be repeated or
 * failed) and, where it has to, until the old copy is proven dead. New writes, write zeroes and
 * deallocations that overlap a range of another I/O wait there too. While nothing is fenced a write
 * pays one load and a branch. DESIGN: "it covers a retry on another path, a retry after reconnect,
 * and the ranges of writes that were failed to the caller".
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "multipath/fence.h"

/* ---- what a command may write ------------------------------------------------------------------ */

struct span {
	uint64_t lba, end;
};

static bool spans_overlap(uint64_t lba, uint64_t end, uint64_t lba2, uint64_t end2)
{
	return lba < end2 && lba2 < end;
}

/* False: nothing. A command we do not know may write anywhere. */
static bool cmd_span(const struct nvh_cmd *cmd, struct span *ret_span)
{
	switch (cmd->opc) {
	case NVH_OPC_FLUSH:
	case NVH_OPC_READ:
	case NVH_OPC_COMPARE:
	case NVH_OPC_VERIFY:
	case NVH_OPC_RESV_REPORT:
		return false;
	case NVH_OPC_WRITE:
	case NVH_OPC_WRITE_UNCOR:
	case NVH_OPC_WRITE_ZEROES:
		ret_span->lba = (uint64_t)nvh_le32_get(cmd->cdw11) << 32 | nvh_le32_get(cmd->cdw10);
		ret_span->end =
			ret_span->lba + (nvh_le32_get(cmd->cdw12) & NVH_RW_NLB_MASK) + 1;
		return true;
	default:
		ret_span->lba = 0;
		ret_span->end = UINT64_MAX;
		return true;
	}
}

/* What the whole I/O may write. */
static bool io_span(const struct nvhi_io *io, struct span *ret_span)
{
	switch (io->pub.op) {
	case NVH_IO_WRITE:
	case NVH_IO_WRITE_ZEROES:
	case NVH_IO_DEALLOCATE:
		ret_span->lba = io->pub.lba;
		ret_span->end = io->end;
		return true;
	case NVH_IO_PASSTHRU:
		return cmd_span(io->pub.cmd, ret_span);
	default:
		return false;
	}
}

bool nvhi_fence_blocks(const struct nvh_channel *channel, const struct nvhi_io *io)
{
	const struct nvhi_fence_map *map = channel->fences;
	struct span span;

	if (!map || !io_span(io, &span))
		return false;
	for (uint32_t i = 0; i < map->count; i++) {
		const struct nvhi_fence_entry *e = &map->entries[i];

		if (e->phase != NVHI_FENCE_CLEARED &&
		    spans_overlap(span.lba, span.end, e->lba, e->end) &&
		    (!e->token || e->token != io->fence_token))
			return true;
	}
	return false;
}

/* ---- a part of unknown fate -------------------------------------------------------------------- */

/* Whether its fate matters to anybody. */
static bool part_needs_fence(const struct nvhi_io *io, const struct nvhi_ioq_req *r,
			     struct span *ret_span)
{
	ret_span->lba = ret_span->end = 0;
	switch (io->pub.op) {
	case NVH_IO_FLUSH:
		return true;
	case NVH_IO_WRITE:
	case NVH_IO_WRITE_ZEROES:
		return cmd_span(&r->req.cmd, ret_span);
	case NVH_IO_DEALLOCATE: /* one range, of which this part is a piece */
	case NVH_IO_PASSTHRU:
		return io_span(io, ret_span);
	default:
		return false;
	}
}

/* A target that offers CCR or CQT is waited for; another one's write is repeated at once: its ghost
 * writes the same. Not so a deallocation, which is advice: repeated it may do nothing, and its ghost
 * zero what was read since. */
static uint32_t part_waits(const struct nvhi_io *io, const struct nvhi_lane *lane)
{
	const struct nvhi_ctrlr_caps *caps = nvhi_ctrlr_caps(lane->ctrlr);

	if (nvhi_ctrlr_opts(lane->ctrlr)->write_fence == NVHI_WRITE_FENCE_STRICT ||
	    io->pub.op == NVH_IO_DEALLOCATE)
		return NVHI_FENCE_WAIT_ORDER;
	return caps->ccrl || caps->cqt_ms ? NVHI_FENCE_WAIT_OFFER : 0;
}

bool nvhi_fence_unproven(struct nvhi_io *io, struct nvhi_lane *lane, const struct nvhi_ioq_req *r)
{
	struct nvh_channel *channel = io->channel;
	struct nvhi_fence_range *range;
	struct span span;

	if (nvhi_ctrlr_opts(lane->ctrlr)->write_fence == NVHI_WRITE_FENCE_OFF ||
	    !part_needs_fence(io, r, &span))
		return false;
	if (!io->fence_token) {
		io->fence_token = __atomic_add_fetch(&channel->ns->mp->fence_tokens, 1,
						     __ATOMIC_RELAXED);
		io->fence_pending = io->fence_waits = 0;
		nvhi_list_init(&io->fence_ranges);
	}
	range = calloc(1, sizeof(*range));
	if (!range) { /* the reserve knows no details: any block, and its I/O is not repeated */
		lane->unproven_all = true;
		nvhi_io_fail(io, -ENOMEM, NULL);
		return true;
	}
	range->ns = channel->ns;
	range->maps = 1;
	nvhi_ns_get(range->ns);
	range->lba = span.lba;
	range->end = span.end;
	range->token = io->fence_token;
	range->wait = part_waits(io, lane);
	range->channel = channel;
	range->io = io;
	nvhi_list_add_tail(&io->fence_ranges, &range->io_link);
	nvhi_list_add_tail(&lane->unproven, &range->link);
	io->fence_pending++;
	range->counted_wait = range->wait != 0;
	io->fence_waits += range->counted_wait;
	return true;
}

/* ---- I/O that waits ------------------------------------------------------------------------------ */

void nvhi_io_fence(struct nvhi_io *io)
{
	if (!io->failed && io->rewind != NVHI_IO_NO_REWIND) {
		nvhi_io_rewind(io, io->rewind);
		io->delay_ms = 0;
	}
	nvhi_list_add_tail(&io->channel->fenced, &io->link);
	nvhi_io_set_state(io, NVHI_IO_STATE_FENCED);
}

static void io_forget_ranges(struct nvhi_io *io)
{
	if (!io->fence_token)
		return;
	while (!nvhi_list_empty(&io->fence_ranges)) {
		struct nvhi_fence_range *range =
			nvhi_list_first(&io->fence_ranges, struct nvhi_fence_range, io_link);

		nvhi_list_del(&range->io_link);
		range->io = NULL;
	}
	io->fence_pending = io->fence_waits = 0;
}

bool nvhi_io_unfence(struct nvhi_io *io)
{
	if (io->fence_token && io->fence_pending)
		return false;
	io_forget_ranges(io);
	return true;
}

static bool io_may_go(const struct nvhi_io *io)
{
	if (io->fence_token && io->fence_pending)
		return false;
	return io->failed ||
	       (!(io->fence_token && io->fence_waits) && !nvhi_fence_blocks(io->channel, io));
}

static void io_go(struct nvhi_io *io)
{
	io_forget_ranges(io);
	if (io->failed) {
		struct nvh_cpl told = io->cpl;

		nvhi_io_end_later(io, io->err, &told);
		return;
	}
	nvhi_list_del(&io->link);
	nvhi_io_wait(io);
}

static void channel_let_go(struct nvh_channel *channel)
{
	struct nvhi_io *io, *next;

	nvhi_list_for_each_safe(io, next, &channel->fenced, link)
		if (io_may_go(io))
			io_go(io);
	nvhi_channel_drain(channel);
}

void nvhi_channel_fail_fenced(struct nvh_channel *channel, int err)
{
	struct nvhi_io *io, *next;

	nvhi_list_for_each_safe(io, next, &channel->fenced, link) {
		nvhi_io_fail(io, err, NULL);
		if (io_may_go(io))
			io_go(io);
	}
}

/* ---- what home tells ----------------------------------------------------------------------------- */

/* A part that is out now overlaps: nobody could tell later which of the two came last. */
static bool lane_crosses(const struct nvhi_lane *lane, const struct nvhi_fence_entry *e)
{
	const struct nvhi_ioq_req *r = NULL;
	struct span span;

	while ((r = nvhi_ioq_next_inflight(lane->ioq, r))) {
		const struct nvhi_io *io = r->owner;

		if (r->done == nvhi_part_done && io->channel == lane->channel &&
		    io->fence_token != e->token && io_span(io, &span) &&
		    spans_overlap(span.lba, span.end, e->lba, e->end))
			return true;
	}
	return false;
}

static bool channel_crosses(const struct nvh_channel *channel, const struct nvhi_fence_entry *e)
{
	const struct nvhi_lane *lane;

	if (channel->nr_dropping)
		return true; /* parts are out on lanes that are not listed any more */
	nvhi_list_for_each(lane, &channel->lanes, link)
		if (lane_crosses(lane, e))
			return true;
	return false;
}

/* The I/O of a range goes on as far as this version of the map lets it. */
static void entry_learn(const struct nvhi_fence_entry *e)
{
	struct nvhi_fence_range *range = e->range;
	struct nvhi_io *io = range->io;

	if (!io || e->phase == NVHI_FENCE_HOLD)
		return;
	if (!range->released) {
		range->released = true;
		io->fence_pending--;
		/* Found to cross another one since it was made. */
		if (e->wait && !range->counted_wait) {
			range->counted_wait = true;
			io->fence_waits++;
		}
	}
	if (e->phase != NVHI_FENCE_CLEARED && e->wait)
		return;
	if (range->counted_wait)
		io->fence_waits--;
	nvhi_list_del(&range->io_link);
	range->io = NULL;
}

static void channel_learn(struct nvh_channel *channel, const struct nvhi_fence_map *map)
{
	channel->fences = map->holds ? map : NULL;
	for (uint32_t i = 0; i < map->count; i++) {
		const struct nvhi_fence_entry *e = &map->entries[i];

		if (!e->range)
			continue;
		if (e->phase == NVHI_FENCE_HOLD && e->lba != e->end && channel_crosses(channel, e))
			__atomic_fetch_or(&e->range->wait, NVHI_FENCE_WAIT_ORDER,
					  __ATOMIC_RELEASE);
		if (e->range->channel == channel)
			entry_learn(e);
	}
}

static void channel_on_fence(struct nvhi_msg *msg)
{
	struct nvh_channel *channel = nvhi_container_of(msg, struct nvh_channel, fence_msg);
	const struct nvhi_fence_map *map;

	__atomic_store_n(&channel->fence_posted, 0, __ATOMIC_SEQ_CST);
	map = __atomic_load_n(&channel->fence_want, __ATOMIC_SEQ_CST);
	if (channel->closed || map->version <= channel->fence_version)
		return; /* home hears of the closing, and needs no more */
	channel_learn(channel, map);
	__atomic_store_n(&channel->fence_version, map->version, __ATOMIC_RELEASE);
	if (!__atomic_exchange_n(&channel->fence_ack_posted, 1, __ATOMIC_SEQ_CST))
		nvhi_reactor_post(channel->ns->mp->home, &channel->fence_ack_msg);
	channel_let_go(channel);
}

void nvhi_channel_fence_init(struct nvh_channel *channel)
{
	nvhi_list_init(&channel->fenced);
	channel->fence_msg.fn = channel_on_fence;
}
