/*
 * Cutting an I/O into parts: each part fits the lane chosen for it (MDTS, the 16-bit block count,
 * the limits of Write Zeroes, Verify and DSM), takes its window of the caller's iovecs from a
 * cursor, and is a request of that lane's queue. Nothing is copied, nothing allocated. The
 * channel's reactor. NVM Command Set Specification 1.1, section 3.3.
 */
#include <errno.h>
#include <string.h>

#include "multipath/head.h"

/* The cursor is only for operations with data of the caller's. */
void nvhi_io_rewind(struct nvhi_io *io, uint64_t next)
{
	io->next = next;
	io->rewind = NVHI_IO_NO_REWIND;
	if (!io->op.has_data)
		return;
	io->cursor.iov = io->pub.iov;
	io->cursor.iovcnt = io->pub.iovcnt;
	io->cursor.offset = 0;
	if (io->op.limit != NVHI_LIMIT_NONE && next > io->pub.lba)
		nvhi_iov_cursor_advance(&io->cursor, (next - io->pub.lba)
							     << io->channel->block_shift);
}

/* ---- building ------------------------------------------------------------------------------- */

static uint32_t cdw12(const struct nvh_io *pub, uint32_t blocks)
{
	uint32_t v = blocks - 1;

	if (pub->flags) {
		if (pub->flags & NVH_IO_FUA)
			v |= NVH_RW_FUA;
		if (pub->flags & NVH_IO_LIMITED_RETRY)
			v |= NVH_RW_LR;
		if ((pub->flags & NVH_IO_DEAC) && pub->op == NVH_IO_WRITE_ZEROES)
			v |= NVH_WZ_DEAC;
	}
	return v | (uint32_t)(pub->pi_flags & 0xf) << 26;
}

static void build_range(struct nvhi_io *io, struct nvhi_req *req, uint32_t blocks)
{
	const struct nvh_io *pub = &io->pub;

	nvh_le32_put(&req->cmd.cdw10, (uint32_t)io->next);
	nvh_le32_put(&req->cmd.cdw11, (uint32_t)(io->next >> 32));
	nvh_le32_put(&req->cmd.cdw12, cdw12(pub, blocks));
	if (pub->pi_flags) {
		nvh_le32_put(&req->cmd.cdw14, pub->reftag + (uint32_t)(io->next - pub->lba));
		nvh_le32_put(&req->cmd.cdw15, (uint32_t)pub->apptag_mask << 16 | pub->apptag);
	}
	if (io->op.dir == NVHI_DIR_NONE)
		return;
	req->data = io->cursor;
	req->len = blocks << io->channel->block_shift;
}

static void build_dsm(struct nvhi_io *io, struct nvhi_req *req, uint32_t blocks)
{
	memset(&io->dsm_range, 0, sizeof(io->dsm_range));
	nvh_le32_put(&io->dsm_range.nlb, blocks);
	nvh_le64_put(&io->dsm_range.slba, io->next);
	io->dsm_iov.iov_base = &io->dsm_range;
	io->dsm_iov.iov_len = sizeof(io->dsm_range);
	nvhi_iov_cursor_init(&req->data, &io->dsm_iov, 1);
	req->len = sizeof(io->dsm_range);
	nvh_le32_put(&req->cmd.cdw11, NVH_DSM_AD); /* CDW10: one range */
}

static void build_passthru(struct nvhi_io *io, struct nvhi_req *req)
{
	req->cmd = *io->pub.cmd;
	req->data = io->cursor;
	req->len = (uint32_t)nvhi_iov_length(io->pub.iov, io->pub.iovcnt);
	req->short_ok = true;
}

static void part_build(struct nvhi_io *io, const struct nvhi_lane *lane, struct nvhi_req *req,
		       uint32_t blocks)
{
	req->dir = io->op.dir;
	req->len = 0;
	req->short_ok = false;
	if (__builtin_expect(io->pub.op == NVH_IO_PASSTHRU, 0)) {
		build_passthru(io, req);
		return;
	}
	memset(&req->cmd, 0, sizeof(req->cmd));
	req->cmd.opc = io->op.opcode;
	nvh_le32_put(&req->cmd.nsid, lane->nsid);
	if (io->op.limit == NVHI_LIMIT_DSM)
		build_dsm(io, req, blocks);
	else if (io->op.limit != NVHI_LIMIT_NONE)
		build_range(io, req, blocks);
}

/* ---- issuing -------------------------------------------------------------------------------- */

/* Moves on behind a part that went out. */
static inline void io_advance(struct nvhi_io *io, uint32_t blocks)
{
	io->next += blocks;
	if (io->next != io->end && io->op.has_data)
		nvhi_iov_cursor_advance(&io->cursor, (size_t)blocks << io->channel->block_shift);
}

/* slot NULL: the data goes where the caller wants it. */
static inline int part_issue(struct nvhi_io *io, struct nvhi_lane *lane,
			     struct nvhi_hedge_slot *slot)
{
	uint64_t left = io->end - io->next;
	uint32_t blocks =
		left < lane->limit[io->op.limit] ? (uint32_t)left : lane->limit[io->op.limit];
	struct nvhi_ioq_req *r = nvhi_ioq_get(lane->ioq);
	int err;

	if (__builtin_expect(!r, 0)) {
		if (!nvhi_list_empty(&lane->waiter.link))
			return -EAGAIN;
		return nvhi_ioq_wait(lane->ioq, &lane->waiter) ? -ENOTCONN : -EAGAIN;
	}
	part_build(io, lane, &r->req, blocks);
	r->done = nvhi_part_done;
	r->owner = io;
	r->word[0] = io->next;
	r->word[1] = (uintptr_t)lane;
	if (slot)
		nvhi_hedge_prepare(slot, r);
	err = nvhi_ioq_submit(lane->ioq, r);
	if (__builtin_expect(err != 0, 0)) {
		nvhi_ioq_put(lane->ioq, r);
		return -ENOTCONN;
	}
	nvhi_list_add_tail(&io->parts, &r->owner_link);
	lane->inflight++;
	if (slot)
		nvhi_hedge_sent(slot, io, lane, r);
	io_advance(io, blocks);
	return 0;
}

/* One part to a lane that takes it: each chosen one is asked once, for one whose queue is full takes
 * no more and one that is lost is chosen no more. */
static int part_place(struct nvhi_io *io)
{
	struct nvh_channel *channel = io->channel;
	int result = -ENOTCONN;

	for (uint32_t tries = channel->nr_chosen; tries > 0; tries--) {
		struct nvhi_lane *lane = nvhi_lane_select(channel, io);
		int err;

		if (!lane)
			return channel->nr_chosen ? -EAGAIN : -ENOTCONN;
		err = part_issue(io, lane, channel->hedging && channel->nr_chosen > 1
						   ? nvhi_hedge_take(io, lane)
						   : NULL);
		if (!err) {
			if (__builtin_expect(channel->failover.lane != NULL, 0))
				nvhi_failover_selects(io, lane);
			return 0;
		}
		if (err == -EAGAIN)
			result = err;
		else
			nvhi_lane_refresh(lane);
	}
	return result;
}

static __attribute__((noinline)) int issue_parts(struct nvhi_io *io)
{
	while (io->next != io->end) {
		int err;

		/* The one range of a DSM lies in the io: one part at a time. */
		if (io->op.limit == NVHI_LIMIT_DSM && !nvhi_list_empty(&io->parts))
			return 0;
		err = part_place(io);
		if (err)
			return err;
	}
	return 0;
}

int nvhi_io_issue(struct nvhi_io *io)
{
	struct nvhi_lane *only = io->channel->only;

	/* Nearly always there is one path and it takes all that is left at once. */
	if (__builtin_expect(only && io->end - io->next <= only->limit[io->op.limit], 1) &&
	    __builtin_expect(!part_issue(io, only, NULL), 1))
		return 0;
	return issue_parts(io);
}
