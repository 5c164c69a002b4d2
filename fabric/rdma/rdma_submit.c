/*
 * Commands: a fixed array of slots indexed by the low bits of the CID, a generation in the high
 * bits, so that a stale or repeated completion matches nothing. A request is done when the
 * controller has completed it, nothing can reach the caller's memory through its window any more,
 * and no capsule can be sent again out of that memory. On the queue pair's reactor.
 * NVMe/RDMA 1.1 section 3.2; Base Specification 2.1 section 3.3.2 (SQ flow control).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cmd_trace.h"
#include "fabric/rdma/rdma_impl.h"

/* FFFFh is no command's identifier (Base Specification: the Error Information log uses it). */
#define CID_NONE 0xffffu

int nvhi_rdma_slots_init(struct nvhi_rdma_qpair *q)
{
	uint16_t count = q->slot_count;

	while ((1u << q->slot_bits) < count)
		q->slot_bits++;
	q->slots = calloc(count, sizeof(*q->slots));
	q->free_slots = calloc(count, sizeof(*q->free_slots));
	if (!q->slots || !q->free_slots)
		return -ENOMEM;
	for (uint16_t i = 0; i < count; i++) {
		q->slots[i].cid = q->slots[i].index = i;
		q->slots[i].send.opcode = IBV_WR_SEND;
		q->slots[i].send.sg_list = q->slots[i].sge;
		q->slots[i].bind.opcode = IBV_WR_BIND_MW;
		nvhi_list_init(&q->slots[i].link);
		q->free_slots[i] = (uint16_t)(count - 1 - i);
	}
	q->free_count = count;
	return 0;
}

void nvhi_rdma_slots_fini(struct nvhi_rdma_qpair *q)
{
	free(q->slots);
	free(q->free_slots);
}

static struct nvhi_rdma_slot *slot_find(struct nvhi_rdma_qpair *q, uint16_t cid)
{
	uint32_t index = cid & ((1u << q->slot_bits) - 1);
	struct nvhi_rdma_slot *slot = &q->slots[index];

	if (index >= q->slot_count || !slot->req || slot->cid != cid || !slot->posted ||
	    slot->completed)
		return NULL;
	return slot;
}

static void slot_next_generation(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	slot->cid = (uint16_t)(slot->cid + (1u << q->slot_bits));
	if (slot->cid == CID_NONE)
		slot->cid = (uint16_t)(slot->cid + (1u << q->slot_bits));
}

/* ---- submit ------------------------------------------------------------------------------ */

int nvhi_rdma_submit_early(struct nvhi_rdma_qpair *q, struct nvhi_req *req)
{
	struct nvhi_rdma_slot *slot;

	assert(req->len == 0 || req->dir != NVHI_DIR_NONE);
	if (q->qpair.inflight >= q->qpair.depth)
		return -EAGAIN;
	slot = &q->slots[q->free_slots[--q->free_count]];
	slot->req = req;
	slot->posted = false;
	slot->completed = slot->sending = slot->invalidating = false;
	nvh_le16_put(&req->cmd.cid, slot->cid);
	req->slot = slot->index;
	req->sent = false;
	req->transferred = 0;
	req->submit_ns = nvhi_reactor_now(q->qpair.reactor);
	if (q->qpair.inflight++ == 0)
		nvhi_rdma_cq_expect(q, true);
	q->sqflow.used++;
	q->counters.commands++;
	nvhi_rdma_post_want(q, slot);
	return 0;
}

int nvhi_rdma_submit(struct nvhi_qpair *qpair, struct nvhi_req *req)
{
	struct nvhi_rdma_qpair *q = nvhi_rdma_qpair_of(qpair);

	if (q->state != NVHI_RDMA_LIVE)
		return -ENOTCONN;
	return nvhi_rdma_submit_early(q, req);
}

/* ---- completion -------------------------------------------------------------------------- */

static void slot_finish(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot, int err,
			const struct nvh_cpl *cpl)
{
	struct nvhi_req *req = slot->req;
	bool good = !err && !nvh_cpl_is_error(cpl);

	nvhi_rdma_unplace(q, slot, good);
	req->sent = slot->posted;
	if (good)
		req->transferred = req->len; /* RDMA delivers data before the response, or fails */
	nvhi_list_del(&slot->link);
	slot->req = NULL;
	slot_next_generation(q, slot);
	q->free_slots[q->free_count++] = slot->index;
	if (--q->qpair.inflight == 0)
		nvhi_rdma_cq_expect(q, false);
	if (cpl)
		nvhi_trace_cpl(q->qpair.name, q->qpair.qid, &req->cmd, cpl);
	req->done(req, err, cpl);
}

void nvhi_rdma_slot_settle(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	struct nvh_cpl cpl;

	if (!slot->completed || slot->sending || slot->window)
		return;
	cpl = slot->cpl;
	slot_finish(q, slot, 0, &cpl);
}

void nvhi_rdma_slot_fail(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot, int err)
{
	q->sqflow.used--;
	slot_finish(q, slot, err, NULL);
}

void nvhi_rdma_response(struct nvhi_rdma_qpair *q, const struct nvh_cpl *cpl, uint32_t rkey,
			bool hint)
{
	uint16_t cid = nvh_le16_get(cpl->cid), sqhd = nvh_le16_get(cpl->sqhd);
	struct nvhi_rdma_slot *slot = slot_find(q, cid);

	if (!slot) {
		nvhi_rdma_fail(q, -EPROTO,
			       "protocol error in a response capsule: CID %#x names no outstanding "
			       "command",
			       cid);
		return;
	}
	if (q->sqflow.on && !nvhi_sqflow_take(&q->sqflow, q->qpair.entries, sqhd)) {
		nvhi_rdma_fail(q, -EPROTO,
			       "protocol error in a response capsule: SQHD %u is beyond %s", sqhd,
			       sqhd >= q->qpair.entries ? "the submission queue"
							: "the commands submitted");
		return;
	}
	if (hint && (!slot->window || slot->window->rkey != rkey))
		rkey = 0;
	if (rkey && (!slot->window || slot->window->rkey != rkey)) {
		nvhi_rdma_fail(
			q, -EPROTO,
			"protocol error in a response capsule: it invalidates key %#x, which "
			"is not that of CID %#x",
			rkey, cid);
		return;
	}
	slot->completed = true;
	slot->cpl = *cpl;
	if (rkey) {
		q->counters.remote_inv++;
		nvhi_rdma_window_free(q, slot);
	} else if (slot->window) {
		nvhi_rdma_post_invalidate(q, slot);
	}
	nvhi_rdma_slot_settle(q, slot);
}

void nvhi_rdma_give_back_all(struct nvhi_rdma_qpair *q, int err)
{
	for (uint32_t i = 0; i < q->slot_count; i++) {
		q->slots[i].window = NULL; /* gone with the queue pair */
		if (q->slots[i].req)
			slot_finish(q, &q->slots[i], err, NULL);
	}
}
