/*
 * A queue's memory: rings, PRP lists and bounce buffers in one piece, the submission queue in the
 * controller's own memory where there is such; and its doorbells. On the queue pair's reactor.
 * PCIe Transport Specification 1.1 section 3.1.2.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pcie/pcie_impl.h"

#define PRP_BYTES (NVHI_PCIE_PRP_ENTRIES * sizeof(struct nvh_le64))

/* ---- memory ------------------------------------------------------------------------------ */

int nvhi_pcie_mem_alloc(struct nvhi_pcie_ctrlr *ctrlr, size_t size, struct nvhi_pcie_mem *ret_mem)
{
	struct nvhi_pcie_mem mem = {.size = size};
	int err =
		ctrlr->bus->ops->dma_alloc(ctrlr->bus, size, ctrlr->page_size, &mem.ptr, &mem.iova);

	if (!err)
		*ret_mem = mem;
	return err;
}

void nvhi_pcie_mem_free(struct nvhi_pcie_ctrlr *ctrlr, struct nvhi_pcie_mem *mem)
{
	if (mem->ptr)
		ctrlr->bus->ops->dma_free(ctrlr->bus, mem->ptr, mem->size);
	mem->ptr = NULL;
}

static size_t pages(const struct nvhi_pcie_qpair *q, size_t bytes)
{
	size_t page = q->page_size;

	return (bytes + page - 1) & ~(page - 1);
}

static int queue_alloc_slots(struct nvhi_pcie_qpair *q)
{
	q->slots = calloc(q->nr_slots, sizeof(*q->slots));
	if (!q->slots)
		return -ENOMEM;
	q->cid_step = 1;
	while (q->cid_step < q->nr_slots)
		q->cid_step *= 2;
	q->slot_mask = q->cid_step - 1;
	for (uint32_t i = q->nr_slots; i-- > 0;) {
		struct nvhi_pcie_slot *slot = &q->slots[i];

		slot->index = slot->cid = (uint16_t)i;
		slot->key = NVHI_PCIE_NO_KEY;
		slot->bounce = -1;
		slot->next = q->free;
		q->free = slot;
	}
	return 0;
}

/* Rings, PRP lists and bounce buffers in one piece, each on pages of its own. */
static int queue_alloc_memory(struct nvhi_pcie_qpair *q)
{
	size_t sq = pages(q, q->ring * sizeof(*q->sq)), cq = pages(q, q->ring * sizeof(*q->cq));
	size_t prps = pages(q, q->nr_slots * PRP_BYTES);
	size_t small = (size_t)q->nr_slots * NVHI_PCIE_SMALL;
	size_t bounce = (size_t)q->free_bounce_count * NVHI_PCIE_MAX_TRANSFER;
	uint64_t cmb_addr = 0, iova;
	void *cmb = nvhi_pcie_cmb_take(q->ctrlr, q->qpair.qid, sq, &cmb_addr);
	uint8_t *mem;
	int err;

	if (cmb)
		sq = 0;
	err = nvhi_pcie_mem_alloc(q->ctrlr, sq + cq + prps + small + pages(q, bounce), &q->mem);
	if (err)
		return err;
	mem = q->mem.ptr;
	iova = q->mem.iova;
	q->sq = cmb ? cmb : (struct nvh_cmd *)mem;
	q->sq_iova = cmb ? cmb_addr : iova;
	q->cq = (struct nvh_cpl *)(mem + sq);
	q->cq_iova = iova + sq;
	for (uint32_t i = 0; i < q->nr_slots; i++) {
		q->slots[i].prps.entries = (struct nvh_le64 *)(mem + sq + cq + i * PRP_BYTES);
		q->slots[i].prps.iova = iova + sq + cq + i * PRP_BYTES;
		q->slots[i].prps.max = NVHI_PCIE_PRP_ENTRIES;
	}
	q->small = mem + sq + cq + prps;
	q->small_iova = iova + sq + cq + prps;
	q->bounce = q->small + small;
	q->bounce_iova = q->small_iova + small;
	return 0;
}

int nvhi_pcie_queue_init(struct nvhi_pcie_qpair *q)
{
	int err;

	nvhi_list_init(&q->waiting);
	nvhi_list_init(&q->doorbell.link);
	q->doorbell.fn = nvhi_pcie_ring_batch;
	q->phase = 1;
	q->page_size = q->ctrlr->page_size;
	q->bus = q->ctrlr->bus;
	q->iova = q->bus->ops->iova;
	q->nr_slots = q->qpair.depth + (q->qpair.qid == 0); /* one for jobs.c */
	q->ring = q->nr_slots + 1;
	q->free_bounce_count = q->qpair.qid ? NVHI_PCIE_BOUNCE_IO : NVHI_PCIE_BOUNCE_ADMIN;
	q->irq_fd = q->irq.fd = -1;
	if (q->qpair.qid) /* else it is not known yet what the bus has */
		nvhi_pcie_irq_init(q);
	nvhi_pcie_shadow_clear(q->ctrlr, q->qpair.qid);
	err = queue_alloc_slots(q);
	if (!err)
		err = queue_alloc_memory(q);
	if (err)
		return err;
	for (uint8_t i = 0; i < q->free_bounce_count; i++)
		q->free_bounce[i] = i;
	return 0;
}

void nvhi_pcie_queue_fini(struct nvhi_pcie_qpair *q)
{
	nvhi_pcie_irq_fini(q);
	if (q->mem.ptr) /* what a device that was hung may still fetch must be no command */
		memset(q->sq, 0, (size_t)q->ring * sizeof(*q->sq));
	nvhi_pcie_mem_free(q->ctrlr, &q->mem);
	free(q->slots);
}

/* ---- doorbells --------------------------------------------------------------------------- */

void nvhi_pcie_ring(struct nvhi_pcie_qpair *q, const struct nvhi_pcie_doorbell *db, uint32_t value)
{
	if (db->shadow && !nvhi_pcie_shadow_ring(db, value))
		return;
	if (db->mapped && !db->shadow) /* one that sleeps is woken by a write that it traps */
		*db->mapped = value;
	else
		q->ctrlr->bus->ops->write32(q->ctrlr->bus, db->offset, value);
}

static void doorbell_init(struct nvhi_pcie_qpair *q, struct nvhi_pcie_doorbell *db, uint32_t offset)
{
	struct nvhi_pcie_bus *bus = q->ctrlr->bus;

	*db = (struct nvhi_pcie_doorbell){.offset = offset,
					  .mapped = bus->ops->doorbell(bus, offset)};
}

/* What Identify offers for the data of I/O commands. */
static void queue_sgls(struct nvhi_pcie_qpair *q)
{
	uint32_t sgls = q->ctrlr->tctrlr.sgls & NVH_SGLS_SUPPORT_MASK;

	q->sgls = q->qpair.qid && (sgls == 1 || sgls == 2) &&
		  !(q->ctrlr->quirks & NVHI_QUIRK_NO_SGLS);
	q->sgl_dwords = sgls == 2;
}

void nvhi_pcie_queue_start(struct nvhi_pcie_qpair *q)
{
	unsigned int dstrd = nvh_cap_dstrd(q->ctrlr->cap);

	doorbell_init(q, &q->sq_db, nvh_db_sq(q->qpair.qid, dstrd));
	doorbell_init(q, &q->cq_db, nvh_db_cq(q->qpair.qid, dstrd));
	nvhi_pcie_shadow_attach(q);
	queue_sgls(q);
	q->polled = true;
	nvhi_poller_add(q->qpair.reactor, &q->poller, nvhi_pcie_poll);
	if (q->qpair.qid == 0)
		nvhi_pcie_irq_init(q);
	nvhi_pcie_irq_start(q);
}

void nvhi_pcie_queue_stop(struct nvhi_pcie_qpair *q)
{
	nvhi_reactor_undefer(q->qpair.reactor, &q->doorbell);
	nvhi_pcie_irq_stop(q);
	if (q->polled)
		nvhi_poller_remove(q->qpair.reactor, &q->poller);
	q->polled = false;
}
