/*
 * Cutting an I/O into parts: each part fits the lane chosen for it (MDTS, the 16-bit block count,
 * the limits of Write Zeroes, Verify and DSM), takes its window of the caller's iovecs from a
 * cursor, and is a request of that lane's queue. Nothing is copied, nothing allocated. The
 * channel's reactor. NVM Command Set Specification 1.1, section 3.3.
 */
#include <errno.h>
#include <string.h>

#include "multipath/head.h"

struct op_traits {
	uint8_t opcode, dir, limit;
	uint8_t needs; /* NVHI_NS_FLAG_* */
	bool writes, iov;
};

static const struct op_traits op_table[] = {
	[NVH_IO_READ] = {NVH_OPC_READ, NVHI_DIR_TO_HOST, NVHI_LIMIT_DATA, 0, false, true},
	[NVH_IO_WRITE] = {NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, NVHI_LIMIT_DATA, 0, true, true},
	[NVH_IO_FLUSH] = {NVH_OPC_FLUSH, NVHI_DIR_NONE, NVHI_LIMIT_NONE, 0, false, false},
	[NVH_IO_WRITE_ZEROES] = {NVH_OPC_WRITE_ZEROES, NVHI_DIR_NONE, NVHI_LIMIT_ZERO,
				 NVHI_NS_FLAG_WRITE_ZEROES, true, false},
	[NVH_IO_DEALLOCATE] = {NVH_OPC_DSM, NVHI_DIR_TO_CTRLR, NVHI_LIMIT_DSM, NVHI_NS_FLAG_DSM,
			       true, false},
	[NVH_IO_COMPARE] = {NVH_OPC_COMPARE, NVHI_DIR_TO_CTRLR, NVHI_LIMIT_DATA,
			    NVHI_NS_FLAG_COMPARE, false, true},
	[NVH_IO_VERIFY] = {NVH_OPC_VERIFY, NVHI_DIR_NONE, NVHI_LIMIT_VERIFY, NVHI_NS_FLAG_VERIFY,
			   false, false},
	[NVH_IO_PASSTHRU] = {0, NVHI_DIR_NONE, NVHI_LIMIT_NONE, 0, false, true},
};

/* ---- checking ------------------------------------------------------------------------------- */

static int prepare_passthru(struct nvhi_io *io)
{
	size_t len = nvhi_iov_length(io->pub.iov, io->pub.iovcnt);

	if (!io->pub.cmd || len > UINT32_MAX ||
	    (io->pub.cmd->flags & NVH_CMD_FUSE_MASK) != NVH_CMD_FUSE_NONE)
		return -EINVAL;
	switch (nvh_opc_data_dir(io->pub.cmd->opc)) {
	case NVH_DATA_TO_HOST:
		io->dir = NVHI_DIR_TO_HOST;
		break;
	case NVH_DATA_TO_CTRLR:
		io->dir = NVHI_DIR_TO_CTRLR;
		break;
	case NVH_DATA_BIDIR:
		return -EINVAL;
	default:
		if (len)
			return -EINVAL;
	}
	if (!len)
		io->dir = NVHI_DIR_NONE;
	return 0;
}

static int prepare_range(struct nvh_channel *channel, struct nvhi_io *io)
{
	uint64_t size = __atomic_load_n(&channel->ns->nr_blocks, __ATOMIC_RELAXED);
	uint64_t lba = io->pub.lba, end;

	if (!io->pub.nr_blocks || __builtin_add_overflow(lba, io->pub.nr_blocks, &end))
		return -EINVAL;
	if (__builtin_expect(end > size, 0))
		return -ERANGE;
	io->next = lba;
	io->end = end;
	return 0;
}

static bool iov_covers(const struct iovec *iov, uint32_t iovcnt, uint64_t bytes)
{
	for (uint32_t i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len >= bytes)
			return true;
		bytes -= iov[i].iov_len;
	}
	return false;
}

int nvhi_io_prepare(struct nvh_channel *channel, struct nvhi_io *io)
{
	uint32_t flags = __atomic_load_n(&channel->ns->flags, __ATOMIC_RELAXED);
	const struct op_traits *op;
	int err;

	if (__builtin_expect(io->pub.op >= NVHI_ARRAY_SIZE(op_table), 0))
		return -EINVAL;
	op = &op_table[io->pub.op];
	if (__builtin_expect(flags & NVHI_NS_FLAG_REMOVED, 0))
		return -ENODEV;
	if (__builtin_expect((flags & op->needs) != op->needs, 0) || io->pub.md_iovcnt)
		return -ENOTSUP;
	if (op->writes && (flags & NVHI_NS_FLAG_READ_ONLY))
		return -EROFS;
	io->opcode = op->opcode;
	io->dir = op->dir;
	io->limit = op->limit;
	io->next = 0;
	io->end = 1;
	if (io->pub.op == NVH_IO_PASSTHRU) {
		err = prepare_passthru(io);
		if (err)
			return err;
	} else if (op->limit != NVHI_LIMIT_NONE) {
		err = prepare_range(channel, io);
		if (err)
			return err;
		if (op->iov && !iov_covers(io->pub.iov, io->pub.iovcnt,
					   (uint64_t)io->pub.nr_blocks << channel->block_shift))
			return -EINVAL;
	}
	nvhi_io_rewind(io, io->next);
	return 0;
}

/* The cursor is only for operations with data of the caller's. */
void nvhi_io_rewind(struct nvhi_io *io, uint64_t next)
{
	io->next = next;
	io->rewind = NVHI_IO_NO_REWIND;
	if (!op_table[io->pub.op].iov)
		return;
	io->cursor.iov = io->pub.iov;
	io->cursor.iovcnt = io->pub.iovcnt;
	io->cursor.offset = 0;
	if (io->limit != NVHI_LIMIT_NONE && next > io->pub.lba)
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
	if (io->dir == NVHI_DIR_NONE)
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
	req->dir = io->dir;
	req->len = 0;
	req->short_ok = false;
	if (__builtin_expect(io->pub.op == NVH_IO_PASSTHRU, 0)) {
		build_passthru(io, req);
		return;
	}
	memset(&req->cmd, 0, sizeof(req->cmd));
	req->cmd.opc = io->opcode;
	nvh_le32_put(&req->cmd.nsid, lane->nsid);
	if (io->limit == NVHI_LIMIT_DSM)
		build_dsm(io, req, blocks);
	else if (io->limit != NVHI_LIMIT_NONE)
		build_range(io, req, blocks);
}

/* ---- issuing -------------------------------------------------------------------------------- */

/* Moves on behind a part that went out. */
static inline void io_advance(struct nvhi_io *io, uint32_t blocks)
{
	io->next += blocks;
	if (io->next != io->end && op_table[io->pub.op].iov)
		nvhi_iov_cursor_advance(&io->cursor, (size_t)blocks << io->channel->block_shift);
}

static int part_issue(struct nvhi_io *io, struct nvhi_lane *lane)
{
	uint64_t left = io->end - io->next;
	uint32_t blocks = left < lane->limit[io->limit] ? (uint32_t)left : lane->limit[io->limit];
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
	err = nvhi_ioq_submit(lane->ioq, r);
	if (__builtin_expect(err != 0, 0)) {
		nvhi_ioq_put(lane->ioq, r);
		return -ENOTCONN;
	}
	nvhi_list_add_tail(&io->parts, &r->owner_link);
	lane->inflight++;
	io_advance(io, blocks);
	return 0;
}

/* One part to a lane that takes it: each usable one is asked once. */
static int part_place(struct nvhi_io *io)
{
	struct nvh_channel *channel = io->channel;
	int result = -ENOTCONN;

	for (uint32_t tries = channel->nr_usable; tries > 0; tries--) {
		struct nvhi_lane *lane = nvhi_lane_select(channel, io);
		int err;

		if (!lane)
			break;
		err = part_issue(io, lane);
		if (!err)
			return 0;
		if (err == -EAGAIN)
			result = err;
		else
			nvhi_lane_refresh(lane);
	}
	return result;
}

int nvhi_io_issue(struct nvhi_io *io)
{
	while (io->next != io->end) {
		int err;

		/* The one range of a DSM lies in the io: one part at a time. */
		if (io->limit == NVHI_LIMIT_DSM && !nvhi_list_empty(&io->parts))
			return 0;
		err = part_place(io);
		if (err)
			return err;
	}
	return 0;
}
