/*
 * A worker: one clone of /dev/fuse as a source of one reactor, and the slots its requests live in.
 * The request is read straight into a slot's buffer; a write's data stays there until the namespace
 * has taken it, a read's data arrives there: no copy of our own either way. The kernel takes a reply
 * only on the clone that read the request, so a slot never changes its worker.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef FUSE_DEV_IOC_CLONE
#define FUSE_DEV_IOC_CLONE _IOR(229, 0, uint32_t)
#endif

/* Requests read in one go before the namespace's queue gets its turn to send. */
#define NVF_BATCH 32
#define NVF_PATIENCE_NS (500 * NVHI_NSEC_PER_MSEC)

/* The buffer of a slot: the request's header room first, placed so that a write's data begins on a
 * page (DMA likes that), then the data, then the two edge blocks. */
#define NVF_SLOT_STRIDE (NVF_HEADER_ROOM + NVF_HEADER_ROOM + NVF_MAX_IO + 2 * NVF_MAX_BLOCK)

struct nvf_worker *nvf_worker_here(struct nvf_mount *mount)
{
	struct nvh_reactor *reactor = nvhi_reactor_current();

	for (unsigned int i = 0; i < mount->nr_workers; i++)
		if (mount->workers[i].reactor == reactor)
			return &mount->workers[i];
	return &mount->workers[0];
}

/* ---- libfuse's way to the device ----------------------------------------------------------- */

static ssize_t custom_read(int fd, void *buf, size_t len, void *userdata)
{
	(void)fd;
	return read(nvf_worker_here(userdata)->fd, buf, len);
}

static ssize_t custom_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)fd;
	return writev(nvf_worker_here(userdata)->fd, iov, count);
}

const struct fuse_custom_io nvf_custom_io = {
	.read = custom_read,
	.writev = custom_writev,
};

/* ---- slots ----------------------------------------------------------------------------------- */

static void worker_set_reading(struct nvf_worker *worker, bool on)
{
	if (worker->reading == on)
		return;
	worker->reading = on;
	nvhi_source_modify(worker->reactor, &worker->source, on ? NVHI_READABLE : 0);
	nvhi_source_set_eager(worker->reactor, &worker->source, on);
}

struct nvf_slot *nvf_slot_take(fuse_req_t req)
{
	struct nvf_worker *worker = nvf_worker_here(fuse_req_userdata(req));
	struct nvf_slot *slot = worker->current;

	worker->current = NULL;
	slot->req = req;
	slot->begun = nvhi_reactor_now(worker->reactor);
	slot->interruptible = false;
	slot->direct = false;
	slot->inner = NULL;
	nvhi_list_add_tail(&worker->busy, &slot->link);
	if (!nvhi_timer_armed(&worker->patience))
		nvhi_timer_arm(worker->reactor, &worker->patience, NVF_PATIENCE_NS);
	return slot;
}

static void worker_finish_stop(struct nvf_worker *worker);

void nvf_slot_put(struct nvf_slot *slot)
{
	struct nvf_worker *worker = slot->worker;

	if (slot->releasing) {
		slot->req = NULL;
		slot->put_waits = true;
		return;
	}
	slot->req = NULL;
	slot->file = NULL;
	nvhi_list_del(&slot->link);
	nvhi_list_add_head(&worker->free, &slot->link);
	if (worker->starved && !worker->stopping) {
		worker->starved = false;
		worker_set_reading(worker, true);
	}
	if (worker->stopping && nvhi_list_empty(&worker->busy))
		worker_finish_stop(worker);
}

/* A signal to the program, even one that it ignores, may have ended its I/O: EINTR says that it may be
 * asked again. */
void nvf_slot_reply_err(struct nvf_slot *slot, int err)
{
	if (err == -ECANCELED && fuse_req_interrupted(slot->req))
		err = -EINTR;
	fuse_reply_err(slot->req, -err);
	nvf_slot_put(slot);
}

/* ---- I/O of a slot ----------------------------------------------------------------------------- */

static void slot_io_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct nvf_slot *slot = arg;

	slot->io_busy = false;
	slot->next(slot, err < 0 ? err : nvh_status_to_errno(cpl));
}

void nvf_slot_io(struct nvf_slot *slot, nvf_step_fn next)
{
	struct nvf_chan *chan = &slot->file->chans[slot->worker->index];
	int err;

	slot->next = next;
	slot->io->done = slot_io_done;
	slot->io->arg = slot;
	slot->io_busy = true;
	err = nvh_submit(chan->channel, slot->io);
	if (err < 0) {
		slot->io_busy = false;
		next(slot, err);
	} else if (slot->worker->stopping) {
		nvh_cancel(chan->channel, slot->io);
	}
}

/* ---- interrupts -------------------------------------------------------------------------------- */

static void slot_cancel(struct nvhi_msg *msg)
{
	struct nvf_slot *slot = nvhi_container_of(msg, struct nvf_slot, cancel_msg);

	atomic_store(&slot->cancel_posted, false);
	if (slot->req && slot->interruptible && slot->io_busy &&
	    fuse_req_interrupted(slot->req))
		nvh_cancel(slot->file->chans[slot->worker->index].channel, slot->io);
}

/* May run on the worker that read the interrupt, not the slot's. */
static void slot_interrupted(fuse_req_t req, void *data)
{
	struct nvf_slot *slot = data;

	(void)req;
	if (!atomic_exchange(&slot->cancel_posted, true))
		nvhi_reactor_post(slot->worker->reactor, &slot->cancel_msg);
}

/* A request that waits for a lost path must not make its program unkillable; but most requests
 * are over in microseconds, so only those that linger are made interruptible. */
static void worker_patience(struct nvhi_timer *timer)
{
	struct nvf_worker *worker = nvhi_container_of(timer, struct nvf_worker, patience);
	uint64_t now = nvhi_reactor_now(worker->reactor);
	struct nvf_slot *slot;

	nvhi_list_for_each (slot, &worker->busy, link) {
		if (!slot->req || slot->interruptible || now - slot->begun < NVF_PATIENCE_NS)
			continue;
		slot->interruptible = true;
		fuse_req_interrupt_func(slot->req, slot_interrupted, slot);
	}
	if (!nvhi_list_empty(&worker->busy)) {
		nvhi_timer_arm(worker->reactor, &worker->patience, NVF_PATIENCE_NS);
	} else if (worker->bloated) {
		/* Idle: a burst of large I/O shall not stay in memory for good. */
		madvise(worker->arena, worker->arena_len, MADV_DONTNEED);
		worker->bloated = false;
	}
}

/* ---- reading requests -------------------------------------------------------------------------- */

static int worker_readable(struct nvhi_source *source, unsigned int events)
{
	struct nvf_worker *worker = nvhi_container_of(source, struct nvf_worker, source);
	struct fuse_session *session = worker->mount->session;
	int served = 0;

	(void)events;
	while (served < NVF_BATCH && !worker->stopping) {
		struct fuse_buf buf = {0};
		int got;

		if (nvhi_list_empty(&worker->free)) {
			worker->starved = true;
			worker_set_reading(worker, false);
			break;
		}
		struct nvf_slot *slot = nvhi_list_first(&worker->free, struct nvf_slot, link);

		buf.mem = slot->mem;
		got = fuse_session_receive_buf(session, &buf);
		if (got == -EINTR)
			continue;
		if (got == -EAGAIN)
			break;
		if (got <= 0) {
			worker_set_reading(worker, false);
			nvf_mount_ended_externally(worker->mount, got == -ENODEV ? 0 : got);
			break;
		}
		nvhi_list_del(&slot->link);
		worker->current = slot;
		fuse_session_process_buf(session, &buf);
		if (worker->current) {
			worker->current = NULL;
			nvhi_list_add_head(&worker->free, &slot->link);
		}
		served++;
	}
	return served;
}

/* ---- life -------------------------------------------------------------------------------------- */

static int worker_clone(struct nvf_worker *worker)
{
	uint32_t master = fuse_session_fd(worker->mount->session);
	int flags, err;

	if (worker->index == 0) {
		worker->fd = master;
	} else {
		worker->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		if (worker->fd < 0)
			return -errno;
		if (ioctl(worker->fd, FUSE_DEV_IOC_CLONE, &master) < 0) {
			err = -errno;
			close(worker->fd);
			worker->fd = -1;
			return err;
		}
	}
	flags = fcntl(worker->fd, F_GETFL);
	if (flags < 0 || fcntl(worker->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int nvf_worker_start(struct nvf_worker *worker)
{
	int err = worker_clone(worker);

	if (err < 0)
		return err;
	err = nvhi_source_add(worker->reactor, &worker->source, worker->fd, NVHI_READABLE,
			      worker_readable);
	if (err < 0)
		return err;
	worker->reading = true;
	nvhi_source_set_eager(worker->reactor, &worker->source, true);
	return 0;
}

static void worker_finish_stop(struct nvf_worker *worker)
{
	nvhi_timer_cancel(worker->reactor, &worker->patience);
	nvhi_reactor_post(worker->mount->home, &worker->done_msg);
}

void nvf_worker_stop(struct nvf_worker *worker)
{
	struct nvf_slot *slot, *tmp;

	if (worker->stopping)
		return;
	worker->stopping = true;
	if (worker->fd >= 0) {
		nvhi_source_remove(worker->reactor, &worker->source);
		if (worker->index > 0)
			close(worker->fd);
	}
	nvhi_list_for_each_safe (slot, tmp, &worker->busy, link)
		if (slot->io_busy)
			nvh_cancel(slot->file->chans[worker->index].channel, slot->io);
	if (nvhi_list_empty(&worker->busy))
		worker_finish_stop(worker);
}

int nvf_worker_init(struct nvf_worker *worker, struct nvf_mount *mount, unsigned int index,
		    struct nvh_reactor *reactor)
{
	size_t io_size = (nvh_io_size() + 63) & ~(size_t)63;

	worker->mount = mount;
	worker->index = index;
	worker->reactor = reactor;
	worker->fd = -1;
	worker->patience.fn = worker_patience;
	nvhi_list_init(&worker->free);
	nvhi_list_init(&worker->busy);
	worker->arena_len = (size_t)NVF_SLOTS * NVF_SLOT_STRIDE + NVF_MAX_BLOCK;
	/* Address space; a page costs memory once a request has touched it. */
	worker->arena = mmap(NULL, worker->arena_len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (worker->arena == MAP_FAILED) {
		worker->arena = NULL;
		return -ENOMEM;
	}
	worker->scratch = worker->arena + (size_t)NVF_SLOTS * NVF_SLOT_STRIDE;
	worker->slots = calloc(NVF_SLOTS, sizeof(*worker->slots));
	worker->io_arena = calloc(NVF_SLOTS, io_size);
	if (!worker->slots || !worker->io_arena)
		return -ENOMEM;
	for (unsigned int i = 0; i < NVF_SLOTS; i++) {
		struct nvf_slot *slot = &worker->slots[i];
		uint8_t *base = worker->arena + (size_t)i * NVF_SLOT_STRIDE;

		slot->worker = worker;
		slot->mem = base + NVF_HEADER_ROOM - NVF_WRITE_HEADER;
		slot->buffer = base + NVF_HEADER_ROOM;
		slot->edge[0] = base + 2 * NVF_HEADER_ROOM + NVF_MAX_IO;
		slot->edge[1] = slot->edge[0] + NVF_MAX_BLOCK;
		slot->io = (struct nvh_io *)(worker->io_arena + i * io_size);
		slot->cancel_msg.fn = slot_cancel;
		nvh_io_init(slot->io);
		nvhi_list_add_tail(&worker->free, &slot->link);
	}
	return 0;
}

void nvf_worker_done(struct nvf_worker *worker)
{
	free(worker->slots);
	free(worker->io_arena);
	if (worker->arena)
		munmap(worker->arena, worker->arena_len);
}
