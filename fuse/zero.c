/*
 * fallocate: PUNCH_HOLE and ZERO_RANGE become Write Zeroes (deallocating where the namespace says
 * that deallocated blocks read as zeroes), or plain writes of zeroes where the controller has no such
 * command. DSM never stands in for zeroing: its data may read back. Unaligned ends are
 * read-modify-write. On the slot's worker, the range held from start to end.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <linux/falloc.h>

/* One Write Zeroes at a time; the channel splits it further by the controller's limits. */
#define NVF_ZERO_PIECE (1ull << 30)

static const uint8_t zeroes[NVF_MAX_IO] __attribute__((aligned(4096)));

static void zero_step(struct nvf_slot *slot, int err);

static void zero_finish(struct nvf_slot *slot, int err)
{
	nvf_write_end(slot);
	nvf_slot_reply_err(slot, err);
}

/* slot->offset and length always describe the rest; `whole` holds the piece under way. */
static void zero_piece_done(struct nvf_slot *slot, int err)
{
	uint64_t rest = slot->range_end - (slot->offset + slot->whole);

	if (err < 0) {
		zero_finish(slot, err);
		return;
	}
	slot->offset += slot->whole;
	slot->length = rest;
	zero_step(slot, 0);
}

static void zero_edge(struct nvf_slot *slot, uint64_t bytes)
{
	slot->whole = slot->length = bytes;
	slot->data = zeroes;
	nvf_rmw_write(slot, zero_piece_done);
}

static void zero_blocks(struct nvf_slot *slot)
{
	struct nvf_file *file = slot->file;
	uint64_t bs = file->block_size;
	uint64_t bytes = slot->length - slot->length % bs;

	if (file->write_zeroes) {
		if (bytes > NVF_ZERO_PIECE)
			bytes = NVF_ZERO_PIECE;
		nvf_slot_prepare(slot, NVH_IO_WRITE_ZEROES, slot->offset / bs, bytes / bs, 0);
		if (file->deac && (slot->mode & FALLOC_FL_PUNCH_HOLE))
			slot->io->flags |= NVH_IO_DEAC;
	} else {
		if (bytes > NVF_MAX_IO)
			bytes = NVF_MAX_IO;
		slot->iov[0] = (struct iovec){(void *)(uintptr_t)zeroes, bytes};
		nvf_slot_prepare(slot, NVH_IO_WRITE, slot->offset / bs, bytes / bs, 1);
	}
	slot->whole = bytes;
	nvf_slot_io(slot, zero_piece_done);
}

static void zero_step(struct nvf_slot *slot, int err)
{
	uint64_t bs = slot->file->block_size;
	uint64_t head = slot->offset % bs;

	if (err < 0 || slot->length == 0) {
		zero_finish(slot, err);
		return;
	}
	if (head)
		zero_edge(slot, bs - head < slot->length ? bs - head : slot->length);
	else if (slot->length < bs)
		zero_edge(slot, slot->length);
	else
		zero_blocks(slot);
}

/* What a block device answers: nothing can grow, allocating what is there is nothing to do. */
static int fallocate_check(const struct nvf_file *file, int mode, off_t off, off_t len)
{
	uint64_t end = atomic_load_explicit(&file->size, memory_order_relaxed);
	int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~known)
		return -EOPNOTSUPP;
	if (file->read_only)
		return -EROFS;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && (uint64_t)off + (uint64_t)len > end)
		return -ENOSPC;
	return 0;
}

void nvf_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		      struct fuse_file_info *fi)
{
	struct nvf_slot *slot = nvf_slot_take(req);
	struct nvf_file *file = nvf_file_of(fi);
	uint64_t end = atomic_load_explicit(&file->size, memory_order_relaxed);
	struct nvf_chan *chan;
	int err = fallocate_check(file, mode, off, len);

	(void)ino;
	slot->file = file;
	if (err == 0)
		err = nvf_chan_get(file, slot->worker, &chan);
	if (err < 0 || !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) ||
	    (uint64_t)off >= end) {
		nvf_slot_reply_err(slot, err);
		return;
	}
	slot->mode = mode;
	slot->offset = (uint64_t)off;
	slot->length = (uint64_t)len < end - slot->offset ? (uint64_t)len : end - slot->offset;
	slot->range_end = slot->offset + slot->length;
	nvf_write_begin(slot, (slot->offset | slot->length) % file->block_size != 0, zero_step);
}
