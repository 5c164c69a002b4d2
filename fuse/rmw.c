/*
 * Unaligned writes: read the first and the last block, then write the whole range as one command
 * whose iovec takes the outer bytes from those blocks and the middle from the caller. The range is
 * held exclusively (range.c), so no other write of this mount can slip in between. Not atomic
 * against other hosts (documented). On the slot's worker.
 */
#include "fuse/impl.h"

#include <string.h>

struct rmw_shape {
	uint64_t first, last; /* blocks */
	uint64_t head, tail;  /* bytes kept of the first and of the last block */
};

static struct rmw_shape rmw_shape(const struct nvf_slot *slot)
{
	uint64_t bs = slot->file->block_size;
	uint64_t end = slot->offset + slot->length;

	return (struct rmw_shape){
		.first = slot->offset / bs,
		.last = (end - 1) / bs,
		.head = slot->offset % bs,
		.tail = end % bs ? bs - end % bs : 0,
	};
}

static void rmw_store(struct nvf_slot *slot, int err)
{
	struct rmw_shape shape = rmw_shape(slot);
	uint64_t bs = slot->file->block_size;
	unsigned int n = 0;

	if (err < 0) {
		slot->inner(slot, err);
		return;
	}
	if (shape.head)
		slot->iov[n++] = (struct iovec){slot->edge[0], shape.head};
	slot->iov[n++] = (struct iovec){(void *)(uintptr_t)slot->data, slot->length};
	if (shape.tail) {
		uint8_t *edge = shape.last == shape.first ? slot->edge[0] : slot->edge[1];

		slot->iov[n++] = (struct iovec){edge + bs - shape.tail, shape.tail};
	}
	nvf_slot_prepare(slot, NVH_IO_WRITE, shape.first, shape.last - shape.first + 1, n);
	nvf_slot_io(slot, slot->inner);
}

static void rmw_load_tail(struct nvf_slot *slot, int err)
{
	struct rmw_shape shape = rmw_shape(slot);

	if (err < 0 || !shape.tail || (shape.last == shape.first && shape.head)) {
		rmw_store(slot, err);
		return;
	}
	slot->iov[0] = (struct iovec){shape.last == shape.first ? slot->edge[0] : slot->edge[1],
				      slot->file->block_size};
	nvf_slot_prepare(slot, NVH_IO_READ, shape.last, 1, 1);
	nvf_slot_io(slot, rmw_store);
}

void nvf_rmw_write(struct nvf_slot *slot, nvf_step_fn next)
{
	struct rmw_shape shape = rmw_shape(slot);

	slot->inner = next;
	if (!shape.head) {
		rmw_load_tail(slot, 0);
		return;
	}
	slot->iov[0] = (struct iovec){slot->edge[0], slot->file->block_size};
	nvf_slot_prepare(slot, NVH_IO_READ, shape.first, 1, 1);
	nvf_slot_io(slot, rmw_load_tail);
}
