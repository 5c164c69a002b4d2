/*
 * Completions coming up: found by their phase, read once, and every field that we go by checked
 * before; what is wrong ends the queue. On the queue pair's reactor. Base Specification 2.1
 * sections 3.3.1 and 4.2.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "pcie/pcie_impl.h"

/* FFFFh is no command's identifier (Base Specification: the Error Information log uses it). */
#define CID_LAST 0xffffu

/* The second half of an entry as one number: SQHD, SQID, CID, status and phase. */
static inline uint64_t cpl_tail(const struct nvh_cpl *cpl)
{
	struct nvh_le64 le;
	uint64_t tail =
		__atomic_load_n((const uint64_t *)(const void *)&cpl->sqhd, __ATOMIC_ACQUIRE);

	memcpy(&le, &tail, sizeof(le));
	return nvh_le64_get(le);
}

static inline void slot_free(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	uint16_t cid = (uint16_t)(slot->cid + q->cid_step);

	if (__builtin_expect(cid == CID_LAST, 0))
		cid = (uint16_t)(cid + q->cid_step);
	slot->cid = cid;
	slot->key = NVHI_PCIE_NO_KEY;
	slot->req = NULL;
	slot->next = q->free;
	q->free = slot;
}

/* Without a completion, without success, for an admin command, or with a bounce buffer. */
static __attribute__((noinline)) void slot_finish_any(struct nvhi_pcie_qpair *q,
						      struct nvhi_pcie_slot *slot, int err,
						      const struct nvh_cpl *cpl)
{
	struct nvhi_req *req = slot->req;
	bool good = !err && !nvh_cpl_is_error(cpl);

	if (slot->copy)
		nvhi_pcie_unmap(q, slot, good);
	req->sent = slot->key != NVHI_PCIE_NO_KEY && (int32_t)(q->rung - slot->pos) > 0;
	req->transferred = good ? req->len : 0;
	q->quiet -= slot->quiet;
	slot->quiet = false;
	if (req != &q->ctrlr->job_req)
		q->qpair.inflight--;
	slot_free(q, slot);
	if (cpl)
		nvhi_trace_cpl(q->qpair.name, q->qpair.qid, &req->cmd, cpl);
	req->done(req, err, cpl);
}

/* SCT and SC of the second half are 0. */
static inline bool tail_good(uint64_t tail)
{
	return !(tail & (uint64_t)NVH_CPL_CODE_MASK << 49);
}

static inline void slot_finish(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot,
			       const struct nvh_cpl *cpl, uint64_t tail)
{
	struct nvhi_req *req = slot->req;

	if (__builtin_expect(!slot->plain || !tail_good(tail), 0)) {
		slot_finish_any(q, slot, 0, cpl);
		return;
	}
	req->sent = true;
	req->transferred = req->len;
	q->qpair.inflight--;
	slot_free(q, slot);
	nvhi_trace_cpl(q->qpair.name, q->qpair.qid, &req->cmd, cpl);
	req->done(req, 0, cpl);
}

/* NULL: no command that the device was told of has this CID and SQID. */
static inline struct nvhi_pcie_slot *slot_find(struct nvhi_pcie_qpair *q, uint64_t key)
{
	uint32_t index = (uint32_t)key >> 16 & q->slot_mask;
	struct nvhi_pcie_slot *slot = &q->slots[index];

	if (__builtin_expect(index >= q->nr_slots, 0))
		return NULL;
	return slot->key == key && (int32_t)(q->rung - slot->pos) > 0 ? slot : NULL;
}

/* The head moves towards what the doorbell told; one that is a little behind is merely late. `tail`: the
 * ring's when the batch began, for what its completions put down anew was told to nobody yet. */
static bool sqhd_good(struct nvhi_pcie_qpair *q, uint32_t sqhd, uint32_t tail)
{
	uint32_t told = tail - q->sq_head, ahead = sqhd - q->sq_head;

	if (sqhd >= q->ring)
		return false;
	if (tail < q->sq_head)
		told += q->ring;
	if (sqhd < q->sq_head)
		ahead += q->ring;
	if (ahead <= told) {
		q->sq_head = sqhd;
		return true;
	}
	return q->ring - ahead <= q->ring / 2;
}

static __attribute__((noinline)) void cpl_wrong(struct nvhi_pcie_qpair *q, uint64_t tail)
{
	uint32_t sqid = tail >> 16 & 0xffff, cid = tail >> 32 & 0xffff;

	if (sqid != q->qpair.qid)
		nvhi_pcie_fail(q, -EPROTO, "protocol error in a completion: SQID %u is not %u",
			       sqid, q->qpair.qid);
	else
		nvhi_pcie_fail(q, -EPROTO,
			       "protocol error in a completion: CID 0x%04x names no outstanding "
			       "command",
			       cid);
}

bool nvhi_pcie_completion_waits(const struct nvhi_pcie_qpair *q)
{
	return (cpl_tail(&q->cq[q->cq_head]) >> 48 & 1) == q->phase;
}

/* The next entry, if it is new; false: there is none, or it was wrong. */
static inline bool queue_take(struct nvhi_pcie_qpair *q, uint64_t *ret_tail)
{
	const struct nvh_cpl *entry = &q->cq[q->cq_head];
	uint64_t tail = cpl_tail(entry);
	struct nvhi_pcie_slot *slot;
	struct nvh_cpl cpl;

	if ((tail >> 48 & 1) != q->phase)
		return false;
	memcpy(&cpl, entry, 8);
	memcpy((uint8_t *)&cpl + 8, &tail, 8);
	slot = slot_find(q, (uint32_t)(tail >> 16));
	if (__builtin_expect(!slot, 0)) {
		cpl_wrong(q, tail);
		return false;
	}
	if (__builtin_expect(++q->cq_head == q->ring, 0)) {
		q->cq_head = 0;
		q->phase ^= 1;
	}
	*ret_tail = tail;
	slot_finish(q, slot, &cpl, tail);
	return true;
}

/* Ends by itself: a command is completed only once, and the doorbell of one that was put down
 * meanwhile is not rung before the end of the turn. */
int nvhi_pcie_poll(struct nvhi_poller *poller)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(poller, struct nvhi_pcie_qpair, poller);
	uint32_t sq_tail = q->sq_tail;
	uint64_t tail = 0;
	int work = 0;

	while (q->state == NVHI_PCIE_Q_LIVE && queue_take(q, &tail))
		work++;
	if (q->state != NVHI_PCIE_Q_LIVE)
		return 1;
	if (work == 0)
		return 0;
	if (!sqhd_good(q, tail & 0xffff, sq_tail)) { /* the last says where it is */
		nvhi_pcie_fail(q, -EPROTO,
			       "protocol error in a completion: SQHD %u is beyond the commands "
			       "submitted",
			       (uint32_t)tail & 0xffff);
		return work;
	}
	q->qpair.last_rx_ns = nvhi_reactor_now(q->qpair.reactor);
	nvhi_pcie_ring(q, &q->cq_db, q->cq_head);
	if (__builtin_expect(!nvhi_list_empty(&q->waiting), 0))
		nvhi_pcie_serve_waiting(q);
	if (q->irq_bound)
		nvhi_pcie_irq_busy(q);
	nvhi_pcie_expect(q);
	return work;
}

void nvhi_pcie_give_back_all(struct nvhi_pcie_qpair *q, int err)
{
	nvhi_list_init(&q->waiting);
	for (uint32_t i = 0; i < q->nr_slots; i++)
		if (q->slots[i].req)
			slot_finish_any(q, &q->slots[i], err, NULL);
}
