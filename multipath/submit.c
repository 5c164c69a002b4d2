/*
 * The way in: an I/O is checked against the namespace, gets its place in the order of submission,
 * and goes out at once, or waits, or travels to home. What is refused is refused here. The
 * channel's reactor.
 */
#include <errno.h>
#include <string.h>

#include "multipath/fence.h"

static const struct nvhi_io_op op_table[] = {
	[NVH_IO_READ] = {NVH_OPC_READ, NVHI_DIR_TO_HOST, NVHI_LIMIT_DATA, true},
	[NVH_IO_WRITE] = {NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, NVHI_LIMIT_DATA, true},
	[NVH_IO_FLUSH] = {NVH_OPC_FLUSH, NVHI_DIR_NONE, NVHI_LIMIT_NONE, false},
	[NVH_IO_WRITE_ZEROES] = {NVH_OPC_WRITE_ZEROES, NVHI_DIR_NONE, NVHI_LIMIT_ZERO, false},
	[NVH_IO_DEALLOCATE] = {NVH_OPC_DSM, NVHI_DIR_TO_CTRLR, NVHI_LIMIT_DSM, false},
	[NVH_IO_COMPARE] = {NVH_OPC_COMPARE, NVHI_DIR_TO_CTRLR, NVHI_LIMIT_DATA, true},
	[NVH_IO_VERIFY] = {NVH_OPC_VERIFY, NVHI_DIR_NONE, NVHI_LIMIT_VERIFY, false},
	[NVH_IO_PASSTHRU] = {0, NVHI_DIR_NONE, NVHI_LIMIT_NONE, true},
};

/* Why this namespace does not take it. */
static int refusal(const struct nvh_channel *channel, const struct nvhi_io *io)
{
	uint32_t refused = __atomic_load_n(&channel->ns->refused_ops, __ATOMIC_RELAXED);

	if (io->pub.op >= NVHI_ARRAY_SIZE(op_table))
		return -EINVAL;
	if (refused & NVHI_NS_GONE)
		return -ENODEV;
	if (refused & NVHI_NS_OP_READ_ONLY(io->pub.op))
		return -EROFS;
	return -ENOTSUP;
}

static int prepare_passthru(struct nvh_channel *channel, struct nvhi_io *io)
{
	size_t len = nvhi_iov_length(io->pub.iov, io->pub.iovcnt);

	if (!io->pub.cmd || len > __atomic_load_n(&channel->ns->max_transfer, __ATOMIC_RELAXED) ||
	    (io->pub.cmd->flags & NVH_CMD_FUSE_MASK) != NVH_CMD_FUSE_NONE)
		return -EINVAL;
	switch (nvh_opc_data_dir(io->pub.cmd->opc)) {
	case NVH_DATA_TO_HOST:
		io->op.dir = NVHI_DIR_TO_HOST;
		break;
	case NVH_DATA_TO_CTRLR:
		io->op.dir = NVHI_DIR_TO_CTRLR;
		break;
	case NVH_DATA_BIDIR:
		return -EINVAL;
	default:
		if (len)
			return -EINVAL;
	}
	if (!len)
		io->op.dir = NVHI_DIR_NONE;
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

static inline int prepare_range(struct nvh_channel *channel, struct nvhi_io *io)
{
	uint64_t size = __atomic_load_n(&channel->ns->nr_blocks, __ATOMIC_RELAXED);
	uint64_t bytes = (uint64_t)io->pub.nr_blocks << channel->block_shift, end;

	if (!io->pub.nr_blocks || __builtin_add_overflow(io->pub.lba, io->pub.nr_blocks, &end))
		return -EINVAL;
	if (__builtin_expect(end > size, 0))
		return -ERANGE;
	if (io->op.has_data && !iov_covers(io->pub.iov, io->pub.iovcnt, bytes))
		return -EINVAL;
	io->next = io->pub.lba;
	io->end = end;
	return 0;
}

static inline int io_prepare(struct nvh_channel *channel, struct nvhi_io *io)
{
	uint32_t refused = __atomic_load_n(&channel->ns->refused_ops, __ATOMIC_RELAXED);
	int err = 0;

	if (__builtin_expect(io->pub.op >= NVHI_ARRAY_SIZE(op_table) ||
				     (refused >> io->pub.op & 1) || io->pub.md_iovcnt,
			     0))
		return refusal(channel, io);
	io->op = op_table[io->pub.op];
	if (__builtin_expect(io->op.limit != NVHI_LIMIT_NONE, 1)) {
		err = prepare_range(channel, io);
	} else {
		io->next = 0;
		io->end = 1;
		if (io->pub.op == NVH_IO_PASSTHRU)
			err = prepare_passthru(channel, io);
	}
	io->rewind = NVHI_IO_NO_REWIND;
	io->cursor.iov = io->pub.iov;
	io->cursor.iovcnt = io->pub.iovcnt;
	io->cursor.offset = 0;
	return err;
}

/* There is no path on this reactor now. */
static int submit_without_lane(struct nvh_channel *channel, struct nvhi_io *io)
{
	int err;

	if (nvhi_channel_must_relay(channel)) {
		channel->outstanding++;
		nvhi_io_relay(io);
		return 0;
	}
	err = nvhi_channel_no_path(channel);
	if (err)
		return err;
	if (!nvhi_io_fits_waiting(io))
		return -ENOBUFS;
	channel->outstanding++;
	nvhi_io_wait(io);
	if (io->pub.deadline_ns)
		nvhi_io_watch_deadline(io);
	return 0;
}

/* Another write of unknown fate could strike behind it: it waits. */
static void submit_fenced(struct nvh_channel *channel, struct nvhi_io *io)
{
	channel->outstanding++;
	nvhi_list_add_tail(&channel->fenced, &io->link);
	nvhi_io_set_state(io, NVHI_IO_STATE_FENCED);
	if (io->pub.deadline_ns)
		nvhi_io_watch_deadline(io);
}

int nvhi_channel_submit_any(struct nvh_channel *channel, struct nvh_io *pub)
{
	struct nvhi_io *io = nvhi_io_of(pub);
	int err;

	assert(io->state == NVHI_IO_STATE_IDLE);
	io->channel = channel;
	err = io_prepare(channel, io);
	if (__builtin_expect(err != 0, 0))
		return err;
	nvhi_list_init(&io->parts);
	io->seq = channel->next_seq++;
	nvhi_io_fresh(io);
	if (__builtin_expect(channel->fences != NULL, 0) && nvhi_fence_blocks(channel, io)) {
		submit_fenced(channel, io);
		return 0;
	}
	err = nvhi_list_empty(&channel->waiting) ? nvhi_io_issue(io) : -EAGAIN;
	if (__builtin_expect(err && nvhi_list_empty(&io->parts) &&
				     (err == -ENOTCONN || !channel->nr_usable),
			     0))
		return submit_without_lane(channel, io);
	channel->outstanding++;
	if (__builtin_expect(!err, 1))
		nvhi_io_set_state(io, NVHI_IO_STATE_ISSUED);
	else
		nvhi_io_wait(io);
	if (__builtin_expect(pub->deadline_ns != 0, 0))
		nvhi_io_watch_deadline(io);
	return 0;
}

/* ---- the plain case: a read or write that goes whole over the only path -------------------------- */

static inline bool io_is_plain(const struct nvh_channel *channel, const struct nvhi_lane *only,
			       const struct nvh_io *pub)
{
	uint64_t size = __atomic_load_n(&channel->ns->nr_blocks, __ATOMIC_RELAXED);
	uint32_t refused = __atomic_load_n(&channel->ns->refused_ops, __ATOMIC_RELAXED);

	return only && pub->op <= NVH_IO_WRITE && !pub->flags && !pub->pi_flags &&
	       !(pub->deadline_ns | pub->md_iovcnt) && !(refused >> pub->op & 1) &&
	       !channel->fences && nvhi_list_empty(&channel->waiting) &&
	       pub->nr_blocks - 1 < only->limit[NVHI_LIMIT_DATA] && pub->nr_blocks <= size &&
	       pub->lba <= size - pub->nr_blocks && pub->iovcnt &&
	       pub->iov[0].iov_len >= (size_t)pub->nr_blocks << channel->block_shift;
}

/* Leaves the I/O as submit_any would. */
static inline int submit_plain(struct nvh_channel *channel, struct nvhi_lane *only,
			       struct nvhi_io *io, struct nvhi_ioq_req *r)
{
	const struct nvh_io *pub = &io->pub;

	io->op = op_table[pub->op];
	io->cursor.iov = pub->iov;
	io->cursor.iovcnt = pub->iovcnt;
	io->cursor.offset = 0;
	memset(&r->req.cmd, 0, sizeof(r->req.cmd));
	r->req.cmd.opc = io->op.opcode;
	nvh_le32_put(&r->req.cmd.nsid, only->nsid);
	nvh_le32_put(&r->req.cmd.cdw10, (uint32_t)pub->lba);
	nvh_le32_put(&r->req.cmd.cdw11, (uint32_t)(pub->lba >> 32));
	nvh_le32_put(&r->req.cmd.cdw12, pub->nr_blocks - 1);
	r->req.data = io->cursor;
	r->req.len = pub->nr_blocks << channel->block_shift;
	r->req.dir = io->op.dir;
	r->req.short_ok = false;
	r->done = nvhi_part_done;
	r->owner = io;
	r->word[0] = pub->lba;
	r->word[1] = (uintptr_t)only;
	if (__builtin_expect(nvhi_ioq_submit(only->ioq, r) != 0, 0)) {
		nvhi_ioq_put(only->ioq, r);
		return nvhi_channel_submit_any(channel, &io->pub);
	}
	io->channel = channel;
	io->next = io->end = pub->lba + pub->nr_blocks;
	io->rewind = NVHI_IO_NO_REWIND;
	io->seq = channel->next_seq++;
	nvhi_io_fresh(io);
	io->plain = true;
	nvhi_list_init(&io->parts);
	nvhi_list_add_tail(&io->parts, &r->owner_link);
	only->inflight++;
	channel->outstanding++;
	nvhi_io_step(io, NVHI_IO_STATE_IDLE, NVHI_IO_STATE_ISSUED);
	return 0;
}

int nvhi_channel_submit(struct nvh_channel *channel, struct nvh_io *pub)
{
	struct nvhi_lane *only = channel->only;
	struct nvhi_io *io = nvhi_io_of(pub);
	struct nvhi_ioq_req *r;

	if (__builtin_expect(!io_is_plain(channel, only, pub), 0))
		return nvhi_channel_submit_any(channel, pub);
	assert(io->state == NVHI_IO_STATE_IDLE);
	r = nvhi_ioq_get(only->ioq);
	if (__builtin_expect(!r, 0))
		return nvhi_channel_submit_any(channel, pub);
	return submit_plain(channel, only, io, r);
}
