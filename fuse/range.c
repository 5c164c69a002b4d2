/*
 * Who may write which blocks of a file while unaligned writes are about.
 *
 * An aligned write usually needs no permission: it pays one load of file->fenced. An unaligned one
 * (read-modify-write) must not let an aligned write of the same blocks fall between its read and its
 * write, whichever reactor that comes from. So the first one raises `fenced`, asks each worker to
 * let the aligned writes already under way finish, and from then on every write of the file takes a
 * range in one table on the home reactor: unaligned ones exclusively, aligned ones shared, first
 * come first served. When the last unaligned write is gone for a while the fence falls.
 */
#include "fuse/impl.h"

#define NVF_FENCE_LINGER_NS (20 * NVHI_NSEC_PER_MSEC)

static struct nvf_slot *range_slot(struct nvf_range *range)
{
	return nvhi_container_of(range, struct nvf_slot, range);
}

static bool ranges_conflict(const struct nvf_range *a, const struct nvf_range *b)
{
	return (a->exclusive || b->exclusive) && a->first <= b->last && b->first <= a->last;
}

/* ---- home reactor: the table ------------------------------------------------------------------ */

static void range_granted(struct nvhi_msg *msg);

static void file_grant(struct nvf_file *file)
{
	struct nvf_range *range, *before, *tmp;

	if (file->acks_missing)
		return;
	nvhi_list_for_each_safe (range, tmp, &file->ranges, link) {
		bool blocked = false;

		if (range->granted)
			continue;
		nvhi_list_for_each (before, &file->ranges, link) {
			if (before == range)
				break;
			if (ranges_conflict(before, range)) {
				blocked = true;
				break;
			}
		}
		if (blocked)
			continue;
		range->granted = true;
		range->msg.fn = range_granted;
		nvhi_reactor_post(range_slot(range)->worker->reactor, &range->msg);
	}
}

static void chan_ack(struct nvhi_msg *msg)
{
	struct nvf_chan *chan = nvhi_container_of(msg, struct nvf_chan, ack_msg);

	if (--chan->file->acks_missing == 0)
		file_grant(chan->file);
}

static void file_raise_fence(struct nvf_file *file)
{
	nvhi_timer_cancel(file->mount->home, &file->linger);
	if (atomic_load(&file->fenced))
		return;
	atomic_store(&file->fenced, true);
	file->acks_missing = file->mount->nr_workers;
	for (unsigned int i = 0; i < file->mount->nr_workers; i++)
		nvhi_reactor_post(file->mount->workers[i].reactor, &file->chans[i].barrier_msg);
}

static void range_request(struct nvhi_msg *msg)
{
	struct nvf_range *range = nvhi_container_of(msg, struct nvf_range, msg);
	struct nvf_file *file = range_slot(range)->file;

	nvhi_list_add_tail(&file->ranges, &range->link);
	if (range->exclusive) {
		file->exclusives++;
		file_raise_fence(file);
	}
	file_grant(file);
}

static void fence_falls(struct nvhi_timer *timer)
{
	struct nvf_file *file = nvhi_container_of(timer, struct nvf_file, linger);

	if (!file->exclusives)
		atomic_store(&file->fenced, false);
}

static void range_gone(struct nvf_file *file, bool exclusive)
{
	if (exclusive && --file->exclusives == 0)
		nvhi_timer_arm(file->mount->home, &file->linger, NVF_FENCE_LINGER_NS);
	file_grant(file);
}

/* ---- the worker's side -------------------------------------------------------------------------- */

static void range_granted(struct nvhi_msg *msg)
{
	struct nvf_range *range = nvhi_container_of(msg, struct nvf_range, msg);
	struct nvf_slot *slot = range_slot(range);

	slot->next(slot, 0);
}

static void chan_barrier(struct nvhi_msg *msg)
{
	struct nvf_chan *chan = nvhi_container_of(msg, struct nvf_chan, barrier_msg);

	if (chan->direct)
		chan->barrier = true;
	else
		nvhi_reactor_post(chan->file->mount->home, &chan->ack_msg);
}

void nvf_write_begin(struct nvf_slot *slot, bool exclusive, nvf_step_fn next)
{
	struct nvf_file *file = slot->file;
	uint64_t bs = file->block_size;

	if (!exclusive && !atomic_load_explicit(&file->fenced, memory_order_acquire)) {
		slot->direct = true;
		file->chans[slot->worker->index].direct++;
		next(slot, 0);
		return;
	}
	slot->next = next;
	slot->range.first = slot->offset / bs;
	slot->range.last = (slot->offset + slot->length - 1) / bs;
	slot->range.exclusive = exclusive;
	slot->range.granted = false;
	slot->range.msg.fn = range_request;
	nvhi_reactor_post(file->mount->home, &slot->range.msg);
}

/* ---- giving it back ----------------------------------------------------------------------------- */

static void range_returned(struct nvhi_msg *msg)
{
	struct nvf_slot *slot = range_slot(nvhi_container_of(msg, struct nvf_range, msg));

	slot->releasing = false;
	if (slot->put_waits) {
		slot->put_waits = false;
		nvf_slot_put(slot);
	}
}

static void range_release(struct nvhi_msg *msg)
{
	struct nvf_range *range = nvhi_container_of(msg, struct nvf_range, msg);
	struct nvf_slot *slot = range_slot(range);

	nvhi_list_del(&range->link);
	range_gone(slot->range_file, range->exclusive);
	msg->fn = range_returned;
	if (slot->worker->index == 0)
		range_returned(msg);
	else
		nvhi_reactor_post(slot->worker->reactor, msg);
}

void nvf_write_end(struct nvf_slot *slot)
{
	struct nvf_file *file = slot->file;

	if (slot->direct) {
		struct nvf_chan *chan = &file->chans[slot->worker->index];

		slot->direct = false;
		if (--chan->direct == 0 && chan->barrier) {
			chan->barrier = false;
			nvhi_reactor_post(file->mount->home, &chan->ack_msg);
		}
		return;
	}
	/* The message travels in the slot, which is put only once that has come back. The file is
	 * there until then: its channels are closed by messages behind this one. */
	slot->releasing = true;
	slot->range_file = file;
	slot->range.msg.fn = range_release;
	if (slot->worker->index == 0)
		range_release(&slot->range.msg);
	else
		nvhi_reactor_post(file->mount->home, &slot->range.msg);
}

void nvf_range_init(struct nvf_file *file)
{
	nvhi_list_init(&file->ranges);
	file->linger.fn = fence_falls;
	for (unsigned int i = 0; i < file->mount->nr_workers; i++) {
		file->chans[i].barrier_msg.fn = chan_barrier;
		file->chans[i].ack_msg.fn = chan_ack;
	}
}
