/*
 * Reads, writes and flushes of a namespace's file, at byte granularity. On the worker that read the
 * request, straight to the namespace's channel of the same reactor. Unaligned reads let their
 * unwanted edges land in a scratch block; unaligned writes go to rmw.c.
 */
#include "fuse/impl.h"

#include <errno.h>

void nvf_slot_prepare(struct nvf_slot *slot, enum nvh_io_op op, uint64_t first, uint64_t count,
		      unsigned int iovcnt)
{
	struct nvh_io *io = slot->io;

	io->op = op;
	io->flags = 0;
	io->lba = first;
	io->nr_blocks = (uint32_t)count;
	io->iov = slot->iov;
	io->iovcnt = iovcnt;
	io->deadline_ns = 0;
}

/* Takes the slot, finds the channel; replies itself when that fails. */
static struct nvf_slot *data_begin(fuse_req_t req, struct fuse_file_info *fi)
{
	struct nvf_slot *slot = nvf_slot_take(req);
	struct nvf_file *file = nvf_file_of(fi);
	struct nvf_chan *chan;
	int err = nvf_chan_get(file, slot->worker, &chan);

	slot->file = file;
	if (err < 0) {
		nvf_slot_reply_err(slot, err);
		return NULL;
	}
	return slot;
}

/* ---- read ---------------------------------------------------------------------------------- */

static void read_done(struct nvf_slot *slot, int err)
{
	if (err < 0) {
		nvf_slot_reply_err(slot, err);
		return;
	}
	fuse_reply_buf(slot->req, (const char *)slot->buffer, slot->whole);
	nvf_slot_put(slot);
}

void nvf_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct nvf_slot *slot = data_begin(req, fi);
	uint64_t end, bs, first, count;
	unsigned int n = 0;

	(void)ino;
	if (!slot)
		return;
	end = atomic_load_explicit(&slot->file->size, memory_order_relaxed);
	if (size > NVF_MAX_IO)
		size = NVF_MAX_IO;
	if (off < 0 || (uint64_t)off >= end || size == 0) {
		fuse_reply_buf(req, NULL, 0);
		nvf_slot_put(slot);
		return;
	}
	if (size > end - (uint64_t)off)
		size = end - (uint64_t)off;
	slot->whole = size;
	slot->worker->bloated |= size > NVF_LARGE_IO;

	bs = slot->file->block_size;
	first = (uint64_t)off / bs;
	count = ((uint64_t)off + size + bs - 1) / bs - first;
	if ((uint64_t)off % bs)
		slot->iov[n++] = (struct iovec){slot->worker->scratch, (uint64_t)off % bs};
	slot->iov[n++] = (struct iovec){slot->buffer, size};
	if (((uint64_t)off + size) % bs)
		slot->iov[n++] = (struct iovec){slot->worker->scratch,
						bs - ((uint64_t)off + size) % bs};
	nvf_slot_prepare(slot, NVH_IO_READ, first, count, n);
	nvf_slot_io(slot, read_done);
}

/* ---- write --------------------------------------------------------------------------------- */

static void write_done(struct nvf_slot *slot, int err)
{
	nvf_write_end(slot);
	if (err < 0) {
		nvf_slot_reply_err(slot, err);
		return;
	}
	fuse_reply_write(slot->req, slot->whole);
	nvf_slot_put(slot);
}

static void write_aligned(struct nvf_slot *slot, int err)
{
	uint64_t bs = slot->file->block_size;

	(void)err;
	slot->iov[0] = (struct iovec){(void *)(uintptr_t)slot->data, slot->length};
	nvf_slot_prepare(slot, NVH_IO_WRITE, slot->offset / bs, slot->length / bs, 1);
	nvf_slot_io(slot, write_done);
}

static void write_unaligned(struct nvf_slot *slot, int err)
{
	(void)err;
	nvf_rmw_write(slot, write_done);
}

void nvf_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		  struct fuse_file_info *fi)
{
	struct nvf_slot *slot = data_begin(req, fi);
	uint64_t end, bs;

	(void)ino;
	if (!slot)
		return;
	end = atomic_load_explicit(&slot->file->size, memory_order_relaxed);
	if (slot->file->read_only) {
		nvf_slot_reply_err(slot, -EROFS);
		return;
	}
	if (off < 0 || (uint64_t)off >= end) {
		nvf_slot_reply_err(slot, size ? -ENOSPC : 0);
		return;
	}
	if (size > end - (uint64_t)off)
		size = end - (uint64_t)off;
	slot->data = (const uint8_t *)buf;
	slot->offset = (uint64_t)off;
	slot->length = slot->whole = size;
	slot->worker->bloated |= size > NVF_LARGE_IO;
	bs = slot->file->block_size;
	if ((slot->offset | slot->length) % bs == 0)
		nvf_write_begin(slot, false, write_aligned);
	else
		nvf_write_begin(slot, true, write_unaligned);
}

/* ---- fsync --------------------------------------------------------------------------------- */

static void fsync_done(struct nvf_slot *slot, int err)
{
	nvf_slot_reply_err(slot, err);
}

void nvf_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct nvf_slot *slot = data_begin(req, fi);

	(void)ino;
	(void)datasync;
	if (!slot)
		return;
	if (!slot->file->flush_needed) { /* no volatile write cache: acknowledged is durable */
		nvf_slot_reply_err(slot, 0);
		return;
	}
	nvf_slot_prepare(slot, NVH_IO_FLUSH, 0, 0, 0);
	nvf_slot_io(slot, fsync_done);
}

/* close(2): nothing is cached here, and closing is no promise of durability. */
void nvf_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, 0);
}
