/*
 * Commands: a slot each, found again by the low bits of the CID, with a generation in the high
 * bits; the command is put down in the submission queue as it comes and the doorbell rung once at
 * the end of the turn. Completions are found by their phase; every field that we go by is checked
 * before. Data that PRPs cannot describe goes through a copy. On the queue pair's reactor.
 * Base Specification 2.1 sections 3.3.1 and 4.2, PCIe Transport Specification 1.1 section 3.1.2.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "pcie/pcie_impl.h"

/* FFFFh is no command's identifier (Base Specification: the Error Information log uses it). */
#define CID_NONE  0xffffu
#define PRP_BYTES (NVHI_PCIE_PRP_ENTRIES * sizeof(struct nvh_le64))

/* ---- memory ------------------------------------------------------------------------------ */

static size_t pages(const struct nvhi_pcie_qpair *q, size_t bytes)
{
	size_t page = q->ctrlr->page_size;

	return (bytes + page - 1) & ~(page - 1);
}

static int queue_alloc_slots(struct nvhi_pcie_qpair *q)
{
	q->slots = calloc(q->nr_slots, sizeof(*q->slots));
	q->free_slots = calloc(q->nr_slots, sizeof(*q->free_slots));
	if (!q->slots || !q->free_slots)
		return -ENOMEM;
	while ((1u << q->slot_bits) < q->nr_slots)
		q->slot_bits++;
	return 0;
}

/* Rings, PRP lists and bounce buffers in one piece, each on pages of its own. */
static int queue_alloc_memory(struct nvhi_pcie_qpair *q)
{
	size_t sq = pages(q, q->ring * sizeof(*q->sq)), cq = pages(q, q->ring * sizeof(*q->cq));
	size_t prps = pages(q, q->nr_slots * PRP_BYTES);
	size_t small = (size_t)q->nr_slots * NVHI_PCIE_SMALL;
	size_t bounce = (size_t)q->free_bounce_count * NVHI_PCIE_MAX_TRANSFER;
	struct nvhi_pcie_bus *bus = q->ctrlr->bus;
	uint64_t iova;
	uint8_t *mem;
	int err;

	q->mem_size = sq + cq + prps + small + pages(q, bounce);
	err = bus->ops->dma_alloc(bus, q->mem_size, q->ctrlr->page_size, &q->mem, &iova);
	if (err)
		return err;
	mem = q->mem;
	q->sq = (struct nvh_cmd *)mem;
	q->sq_iova = iova;
	q->cq = (struct nvh_cpl *)(mem + sq);
	q->cq_iova = iova + sq;
	for (uint16_t i = 0; i < q->nr_slots; i++) {
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

static void queue_ring(struct nvhi_defer *defer);
static int queue_poll(struct nvhi_poller *poller);

int nvhi_pcie_queue_init(struct nvhi_pcie_qpair *q)
{
	int err;

	nvhi_list_init(&q->waiting);
	nvhi_list_init(&q->doorbell.link);
	q->doorbell.fn = queue_ring;
	q->phase = 1;
	q->nr_slots = (uint16_t)(q->qpair.depth + (q->qpair.qid == 0)); /* one for jobs.c */
	q->ring = (uint16_t)(q->nr_slots + 1);
	q->free_bounce_count = q->qpair.qid ? NVHI_PCIE_BOUNCE_IO : NVHI_PCIE_BOUNCE_ADMIN;
	err = queue_alloc_slots(q);
	if (!err)
		err = queue_alloc_memory(q);
	if (err)
		return err;
	for (uint16_t i = 0; i < q->nr_slots; i++) {
		q->slots[i].cid = i;
		q->slots[i].bounce = -1;
		q->free_slots[i] = (uint16_t)(q->nr_slots - 1 - i);
	}
	q->free_count = q->nr_slots;
	for (uint8_t i = 0; i < q->free_bounce_count; i++)
		q->free_bounce[i] = i;
	return 0;
}

void nvhi_pcie_queue_fini(struct nvhi_pcie_qpair *q)
{
	if (q->mem) /* what a device that was hung may still fetch must be no command */
		memset(q->mem, 0, (size_t)q->ring * sizeof(*q->sq));
	if (q->mem)
		q->ctrlr->bus->ops->dma_free(q->ctrlr->bus, q->mem, q->mem_size);
	free(q->slots);
	free(q->free_slots);
}

void nvhi_pcie_queue_start(struct nvhi_pcie_qpair *q)
{
	struct nvhi_pcie_bus *bus = q->ctrlr->bus;
	unsigned int dstrd = nvh_cap_dstrd(q->ctrlr->cap);

	q->sq_doorbell = bus->ops->doorbell(bus, nvh_db_sq(q->qpair.qid, dstrd));
	q->cq_doorbell = bus->ops->doorbell(bus, nvh_db_cq(q->qpair.qid, dstrd));
	nvhi_pcie_job_buffers(q);
	q->polled = true;
	nvhi_poller_add(q->qpair.reactor, &q->poller, queue_poll);
}

void nvhi_pcie_queue_stop(struct nvhi_pcie_qpair *q)
{
	nvhi_reactor_undefer(q->qpair.reactor, &q->doorbell);
	if (q->polled)
		nvhi_poller_remove(q->qpair.reactor, &q->poller);
	q->polled = false;
}

/* ---- submit ------------------------------------------------------------------------------ */

/* Whether the device wants to be rung for a step from `old` to `value`: it passes `event`. */
static bool wants_ring(uint32_t event, uint32_t value, uint32_t old)
{
	return (uint16_t)(value - event - 1) < (uint16_t)(value - old);
}

/* `shadow`: told in memory, and rung only when the device sleeps, by a write that it traps. */
static void doorbell_write(struct nvhi_pcie_qpair *q, uint32_t *shadow, volatile uint32_t *mapped,
			   uint32_t offset, uint32_t value)
{
	if (shadow) {
		uint32_t old = *shadow;

		__atomic_store_n(shadow, value, __ATOMIC_RELEASE);
		__sync_synchronize(); /* either it sees this, or we see what it asks for */
		if (wants_ring(__atomic_load_n(shadow + NVHI_PCIE_EVENTIDX, __ATOMIC_RELAXED), value,
			       old))
			q->ctrlr->bus->ops->write32(q->ctrlr->bus, offset, value);
	} else if (mapped)
		*mapped = value;
	else
		q->ctrlr->bus->ops->write32(q->ctrlr->bus, offset, value);
}

/* Everything put down in this turn is told at once. */
static void queue_ring(struct nvhi_defer *defer)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(defer, struct nvhi_pcie_qpair, doorbell);

	__sync_synchronize(); /* commands, lists and data before the doorbell */
	doorbell_write(q, q->shadow[0], q->sq_doorbell,
		       nvh_db_sq(q->qpair.qid, nvh_cap_dstrd(q->ctrlr->cap)), q->sq_tail);
	q->rung = q->written;
}

static void slot_write(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	memcpy(&q->sq[q->sq_tail], &slot->req->cmd, sizeof(struct nvh_cmd));
	q->sq_tail = q->sq_tail + 1 == q->ring ? 0 : (uint16_t)(q->sq_tail + 1);
	slot->written = true;
	slot->pos = q->written++;
	if (!slot->quiet) {
		q->awaited++;
		q->poller.busy = true;
	}
	nvhi_trace_cmd(q->qpair.name, q->qpair.qid, &slot->req->cmd);
	nvhi_reactor_defer(q->qpair.reactor, &q->doorbell);
}

/* Through memory of ours, which is contiguous, begins a page, and lies at `iova`. */
static void slot_write_copied(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot, uint8_t *copy,
			      uint64_t iova)
{
	struct nvhi_req *req = slot->req;
	int err;

	slot->copy = copy;
	if (req->dir == NVHI_DIR_TO_CTRLR) {
		struct nvhi_iov_cursor cursor = req->data;

		nvhi_iov_cursor_copy_out(&cursor, copy, req->len);
	}
	err = nvhi_prp_build_flat(iova, req->len, q->ctrlr->page_size, &slot->prps, &req->cmd);
	assert(err == 0); /* no longer than the list takes */
	(void)err;
	slot_write(q, slot);
}

/* A large buffer is free. */
static void slot_write_bounced(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	size_t at;

	slot->bounce = q->free_bounce[--q->free_bounce_count];
	at = (size_t)slot->bounce * NVHI_PCIE_MAX_TRANSFER;
	slot_write_copied(q, slot, q->bounce + at, q->bounce_iova + at);
}

static void slot_write_small(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	size_t at = (size_t)(slot - q->slots) * NVHI_PCIE_SMALL;

	slot_write_copied(q, slot, q->small + at, q->small_iova + at);
}

static void slot_lend(struct nvhi_pcie_qpair *q, struct nvhi_req *req)
{
	struct nvhi_pcie_slot *slot = &q->slots[q->free_slots[--q->free_count]];

	slot->req = req;
	slot->written = false;
	slot->quiet = q->qpair.qid == 0 && req->cmd.opc == NVH_ADM_AER;
	nvh_le16_put(&req->cmd.cid, slot->cid);
	req->slot = (uint16_t)(slot - q->slots);
	req->sent = false;
	req->transferred = 0;
	req->submit_ns = nvhi_reactor_now(q->qpair.reactor);
	if (req->len == 0) {
		slot_write(q, slot);
		return;
	}
	if (nvhi_prp_build(q->ctrlr->bus, &req->data, req->len, q->ctrlr->page_size, &slot->prps,
			   &req->cmd) == 0)
		slot_write(q, slot);
	else if (req->len <= NVHI_PCIE_SMALL)
		slot_write_small(q, slot);
	else if (q->free_bounce_count > 0)
		slot_write_bounced(q, slot);
	else
		nvhi_list_add_tail(&q->waiting, &req->link);
}

/* Without data the data pointer is reserved; create and delete commands have theirs set already. */
static void clear_data_pointer(struct nvh_cmd *cmd)
{
	cmd->flags &= (uint8_t)~NVH_CMD_PSDT_MASK;
	memset(&cmd->dptr, 0, sizeof(cmd->dptr));
}

int nvhi_pcie_submit(struct nvhi_qpair *qpair, struct nvhi_req *req)
{
	struct nvhi_pcie_qpair *q = nvhi_pcie_qpair_of(qpair);

	assert(req->len == 0 || req->dir != NVHI_DIR_NONE);
	if (q->state != NVHI_PCIE_Q_LIVE)
		return -ENOTCONN;
	if (qpair->inflight == qpair->depth)
		return -EAGAIN;
	if (req->len > NVHI_PCIE_MAX_TRANSFER)
		return -EINVAL;
	clear_data_pointer(&req->cmd);
	qpair->inflight++;
	slot_lend(q, req);
	return 0;
}

void nvhi_pcie_submit_own(struct nvhi_pcie_qpair *q, struct nvhi_req *req)
{
	slot_lend(q, req);
}

/* ---- completion -------------------------------------------------------------------------- */

static void slot_next_generation(const struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	slot->cid = (uint16_t)(slot->cid + (1u << q->slot_bits));
	if (slot->cid == CID_NONE)
		slot->cid = (uint16_t)(slot->cid + (1u << q->slot_bits));
}

static void slot_free_bounce(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	slot->copy = NULL;
	if (slot->bounce < 0)
		return;
	q->free_bounce[q->free_bounce_count++] = (uint8_t)slot->bounce;
	slot->bounce = -1;
}

static void slot_finish(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot, int err,
			const struct nvh_cpl *cpl)
{
	struct nvhi_req *req = slot->req;
	bool good = !err && !nvh_cpl_is_error(cpl);

	if (good && slot->copy && req->dir == NVHI_DIR_TO_HOST) {
		struct nvhi_iov_cursor cursor = req->data;

		nvhi_iov_cursor_copy_in(&cursor, slot->copy, req->len);
	}
	req->sent = slot->written && (int32_t)(q->rung - slot->pos) > 0;
	req->transferred = good ? req->len : 0;
	if (slot->written && !slot->quiet && --q->awaited == 0)
		q->poller.busy = false;
	if (req != &q->ctrlr->job_req)
		q->qpair.inflight--;
	slot_free_bounce(q, slot);
	slot->req = NULL;
	slot_next_generation(q, slot);
	q->free_slots[q->free_count++] = (uint16_t)(slot - q->slots);
	if (cpl)
		nvhi_trace_cpl(q->qpair.name, q->qpair.qid, &req->cmd, cpl);
	req->done(req, err, cpl);
}

/* The next that waits for a bounce buffer. */
static void queue_serve_waiting(struct nvhi_pcie_qpair *q)
{
	while (q->state == NVHI_PCIE_Q_LIVE && q->free_bounce_count > 0 &&
	       !nvhi_list_empty(&q->waiting)) {
		struct nvhi_req *req = nvhi_list_first(&q->waiting, struct nvhi_req, link);

		nvhi_list_del(&req->link);
		slot_write_bounced(q, &q->slots[req->slot]);
	}
}

/* NULL: no command that the device was told of has this CID. */
static struct nvhi_pcie_slot *slot_find(struct nvhi_pcie_qpair *q, uint16_t cid)
{
	uint32_t index = cid & ((1u << q->slot_bits) - 1);
	struct nvhi_pcie_slot *slot;

	if (index >= q->nr_slots)
		return NULL;
	slot = &q->slots[index];
	if (!slot->req || slot->cid != cid || !slot->written || (int32_t)(q->rung - slot->pos) <= 0)
		return NULL;
	return slot;
}

/* The head moves towards what the doorbell told; one that is a little behind is merely late. */
static bool sqhd_good(struct nvhi_pcie_qpair *q, uint16_t sqhd)
{
	uint32_t told = (uint32_t)(q->sq_tail + q->ring - q->sq_head) % q->ring;
	uint32_t ahead = (uint32_t)(sqhd + q->ring - q->sq_head) % q->ring;

	if (sqhd >= q->ring)
		return false;
	if (ahead <= told) {
		q->sq_head = sqhd;
		return true;
	}
	return q->ring - ahead <= q->ring / 2u;
}

static void queue_complete(struct nvhi_pcie_qpair *q, const struct nvh_cpl *cpl)
{
	uint16_t cid = nvh_le16_get(cpl->cid);
	struct nvhi_pcie_slot *slot = slot_find(q, cid);

	if (nvh_le16_get(cpl->sqid) != q->qpair.qid)
		nvhi_pcie_fail(q, -EPROTO, "protocol error in a completion: SQID %u is not %u",
			       nvh_le16_get(cpl->sqid), q->qpair.qid);
	else if (!slot)
		nvhi_pcie_fail(q, -EPROTO,
			       "protocol error in a completion: CID 0x%04x names no outstanding "
			       "command",
			       cid);
	else if (!sqhd_good(q, nvh_le16_get(cpl->sqhd)))
		nvhi_pcie_fail(q, -EPROTO,
			       "protocol error in a completion: SQHD %u is beyond the commands "
			       "submitted",
			       nvh_le16_get(cpl->sqhd));
	else
		slot_finish(q, slot, 0, cpl);
}

/* Whether the next entry is new; it is copied before anybody looks at it. */
static bool queue_next(struct nvhi_pcie_qpair *q, struct nvh_cpl *ret_cpl)
{
	uint8_t status = __atomic_load_n(&q->cq[q->cq_head].status.b[0], __ATOMIC_ACQUIRE);

	if ((status & 1) != q->phase)
		return false;
	memcpy(ret_cpl, &q->cq[q->cq_head], sizeof(*ret_cpl));
	if (++q->cq_head == q->ring) {
		q->cq_head = 0;
		q->phase ^= 1;
	}
	return true;
}

static int queue_poll(struct nvhi_poller *poller)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(poller, struct nvhi_pcie_qpair, poller);
	struct nvh_cpl cpl;
	int work = 0;

	while (work < q->ring && q->state == NVHI_PCIE_Q_LIVE && queue_next(q, &cpl)) {
		work++;
		queue_complete(q, &cpl);
	}
	if (work == 0)
		return 0;
	q->qpair.last_rx_ns = nvhi_reactor_now(q->qpair.reactor);
	if (q->state == NVHI_PCIE_Q_LIVE)
		doorbell_write(q, q->shadow[1], q->cq_doorbell,
			       nvh_db_cq(q->qpair.qid, nvh_cap_dstrd(q->ctrlr->cap)), q->cq_head);
	queue_serve_waiting(q);
	return work;
}

void nvhi_pcie_give_back_all(struct nvhi_pcie_qpair *q, int err)
{
	nvhi_list_init(&q->waiting);
	for (uint32_t i = 0; i < q->nr_slots; i++)
		if (q->slots[i].req)
			slot_finish(q, &q->slots[i], err, NULL);
}
