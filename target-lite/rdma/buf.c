/*
 * Memory that the device reads and writes, registered once: a poll group's data buffers in two
 * sizes, and the slots of receive queues. Buffers are handed out last in first out; a request that
 * finds none stands in line. Group reactor. The buffers of iWARP must be open to remote writes,
 * because they receive the answers of RDMA READs; receive queues never are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "target-lite/rdma/rdma_impl.h"

#define BUF_SMALL    8192u
#define BUF_SMALLS   4u /* for each large one */
#define BUF_ALIGN(n) (((size_t)(n) + 4095) & ~(size_t)4095)

static size_t bufs_size(const struct tl_transport_opts *opts)
{
	return (size_t)opts->num_shared_buffers *
	       (BUF_SMALL * BUF_SMALLS + (size_t)opts->max_io_size);
}

static size_t slot_size(const struct tl_transport_opts *opts)
{
	return (sizeof(struct nvh_cmd) + opts->in_capsule_data_size + 63) & ~(size_t)63;
}

size_t tl_rdma_pinned(const struct tl_transport_opts *opts)
{
	return bufs_size(opts) + BUF_ALIGN(opts->max_srq_depth * slot_size(opts));
}

static void *map_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, size, MADV_HUGEPAGE); /* fewer entries in the device's tables; it may not */
	return mem;
}

/* ---- data buffers ---------------------------------------------------------------------------- */

static int pool_init(struct tl_rdma_bufs *bufs, uint8_t *mem, size_t size, uint32_t count)
{
	bufs->free = calloc(count, sizeof(*bufs->free));
	bufs->mem = mem;
	bufs->size = size;
	bufs->count = count;
	return bufs->free ? 0 : -ENOMEM;
}

int tl_rdma_bufs_init(struct tl_rdma_dev *dev, char *errbuf, size_t errbuf_len)
{
	const struct tl_transport_opts *opts = tl_rdma_opts(dev->tg);
	int access = IBV_ACCESS_LOCAL_WRITE | (dev->dev->iwarp ? IBV_ACCESS_REMOTE_WRITE : 0);
	uint32_t smalls = opts->num_shared_buffers * BUF_SMALLS;
	uint8_t *mem;

	dev->bufs_size = bufs_size(opts);
	mem = map_memory(dev->bufs_size);
	if (!mem || pool_init(&dev->small, mem, BUF_SMALL, smalls) ||
	    pool_init(&dev->large, mem + (size_t)BUF_SMALL * smalls, opts->max_io_size,
		      opts->num_shared_buffers)) {
		snprintf(errbuf, errbuf_len, "no memory for %u data buffers",
			 opts->num_shared_buffers);
		return -ENOMEM;
	}
	return nvhi_rdma_reg(dev->dev, mem, dev->bufs_size, access, "data buffers", errbuf,
			     errbuf_len, &dev->bufs_mr);
}

void tl_rdma_bufs_done(struct tl_rdma_dev *dev)
{
	nvhi_rdma_dereg(dev->dev, dev->bufs_mr);
	free(dev->small.free);
	free(dev->large.free);
	if (dev->small.mem)
		munmap(dev->small.mem, dev->bufs_size);
}

static bool buf_from(struct tl_rdma_bufs *bufs, struct tl_rdma_req *treq)
{
	if (bufs->free_count)
		treq->buf = bufs->free[--bufs->free_count];
	else if (bufs->fresh < bufs->count)
		treq->buf = bufs->mem + bufs->size * bufs->fresh++;
	else
		return false;
	treq->bufs = bufs;
	return true;
}

static bool buf_try(struct tl_rdma_dev *dev, struct tl_rdma_req *treq)
{
	return (treq->req.xfer_len <= dev->small.size && buf_from(&dev->small, treq)) ||
	       buf_from(&dev->large, treq);
}

bool tl_rdma_buf_get(struct tl_rdma_req *treq)
{
	struct tl_rdma_dev *dev = tl_rdma_conn_of(treq->req.qpair)->dev;

	if (nvhi_list_empty(&dev->waiters) && buf_try(dev, treq))
		return true;
	tl_rdma_count(dev->stats->pending_data_buffer, 1);
	nvhi_list_add_tail(&dev->waiters, &treq->link);
	return false;
}

void tl_rdma_buf_put(struct tl_rdma_req *treq)
{
	struct tl_rdma_dev *dev = tl_rdma_conn_of(treq->req.qpair)->dev;
	struct tl_rdma_bufs *bufs = treq->bufs;

	if (!treq->buf)
		return;
	bufs->free[bufs->free_count++] = treq->buf;
	treq->buf = NULL;
	while (!nvhi_list_empty(&dev->waiters)) {
		struct tl_rdma_req *next = nvhi_list_first(&dev->waiters, struct tl_rdma_req, link);

		if (!buf_try(dev, next))
			return;
		nvhi_list_del(&next->link);
		tl_rdma_got_buffer(next);
	}
}

/* ---- receive queues -------------------------------------------------------------------------- */

int tl_rdma_rq_init(struct tl_rdma_dev *dev, struct tl_rdma_rq *rq, uint32_t count, char *errbuf,
		    size_t errbuf_len)
{
	size_t size = slot_size(tl_rdma_opts(dev->tg));
	int err;

	rq->size = BUF_ALIGN(size * count);
	rq->slots = calloc(count, sizeof(*rq->slots));
	rq->mem = map_memory(rq->size);
	if (!rq->slots || !rq->mem) {
		snprintf(errbuf, errbuf_len, "no memory for %u receive slots", count);
		return -ENOMEM;
	}
	err = nvhi_rdma_reg(dev->dev, rq->mem, rq->size, IBV_ACCESS_LOCAL_WRITE, "a receive queue",
			    errbuf, errbuf_len, &rq->mr);
	if (err)
		return err;
	rq->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct tl_rdma_slot *slot = &rq->slots[i];

		slot->data = rq->mem + size * i;
		slot->sge.addr = (uintptr_t)slot->data;
		slot->sge.length = (uint32_t)size;
		slot->sge.lkey = rq->mr->lkey;
		slot->wr.wr_id = (uintptr_t)slot | TL_RDMA_WR_RECV;
		slot->wr.sg_list = &slot->sge;
		slot->wr.num_sge = 1;
		nvhi_list_init(&slot->link);
	}
	return 0;
}

void tl_rdma_rq_done(struct tl_rdma_dev *dev, struct tl_rdma_rq *rq)
{
	nvhi_rdma_dereg(dev->dev, rq->mr);
	if (rq->mem)
		munmap(rq->mem, rq->size);
	free(rq->slots);
	rq->mr = NULL;
	rq->mem = NULL;
	rq->slots = NULL;
}

void tl_rdma_rq_give(struct tl_rdma_rq *rq, struct tl_rdma_slot *slot)
{
	slot->wr.next = NULL;
	if (rq->first)
		rq->last->wr.next = &slot->wr;
	else
		rq->first = slot;
	rq->last = slot;
	rq->given++;
}

void tl_rdma_rq_give_all(struct tl_rdma_rq *rq)
{
	for (uint32_t i = 0; i < rq->count; i++)
		tl_rdma_rq_give(rq, &rq->slots[i]);
}

int tl_rdma_rq_post(struct tl_rdma_dev *dev, struct tl_rdma_rq *rq)
{
	const struct nvhi_verbs *verbs = dev->dev->verbs;
	struct ibv_recv_wr *bad = NULL;
	int err;

	if (!rq->first)
		return 0;
	err = rq->srq ? verbs->post_srq_recv(rq->srq, &rq->first->wr, &bad)
		      : verbs->post_recv(rq->qp, &rq->first->wr, &bad);
	tl_rdma_count(dev->stats->total_recv_wrs, rq->given);
	tl_rdma_count(dev->stats->recv_doorbell_updates, 1);
	rq->first = NULL;
	rq->given = 0;
	return -abs(err);
}
