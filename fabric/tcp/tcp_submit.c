/*
 * Commands: a fixed array of slots indexed by the low bits of the CID, a generation in the high
 * bits, so that a stale or repeated completion matches nothing. Completion checks that every byte
 * moved before it believes a success. On the queue pair's reactor.
 * NVMe/TCP 1.1 sections 3.3.1 and 3.3.2; Base Specification 2.1 section 3.3.2 (SQ flow control).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "fabric/tcp/tcp_impl.h"

/* FFFFh is no command's identifier (Base Specification: the Error Information log uses it). */
#define CID_NONE 0xffffu

int nvhi_tcp_slots_init(struct nvhi_tcp_qpair *q)
{
	uint16_t depth = q->qpair.depth;
	struct nvhi_tcp_r2t *r2ts;

	nvhi_list_init(&q->held);
	while ((1u << q->slot_bits) < depth)
		q->slot_bits++;
	q->slots = calloc(depth, sizeof(*q->slots));
	q->free_slots = calloc(depth, sizeof(*q->free_slots));
	r2ts = calloc((size_t)depth * q->maxr2t, sizeof(*r2ts));
	if (!q->slots || !q->free_slots || !r2ts) {
		free(r2ts);
		return -ENOMEM;
	}
	for (uint16_t i = 0; i < depth; i++) {
		q->slots[i].cid = i;
		q->slots[i].r2ts = r2ts + (size_t)i * q->maxr2t;
		nvhi_list_init(&q->slots[i].link);
		q->free_slots[i] = (uint16_t)(depth - 1 - i);
	}
	q->free_count = depth;
	return 0;
}

void nvhi_tcp_slots_fini(struct nvhi_tcp_qpair *q)
{
	if (q->slots)
		free(q->slots[0].r2ts);
	free(q->slots);
	free(q->free_slots);
}

struct nvhi_tcp_slot *nvhi_tcp_slot_find(struct nvhi_tcp_qpair *q, uint16_t cid)
{
	uint32_t index = cid & ((1u << q->slot_bits) - 1);
	struct nvhi_tcp_slot *slot = &q->slots[index];

	if (index >= q->qpair.depth || !slot->req || slot->cid != cid || slot->held ||
	    !slot->encoded || slot->tx_start >= q->tx.sent)
		return NULL;
	return slot;
}

static void slot_next_generation(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot)
{
	slot->cid = (uint16_t)(slot->cid + (1u << q->slot_bits));
	if (slot->cid == CID_NONE)
		slot->cid = (uint16_t)(slot->cid + (1u << q->slot_bits));
}

/* ---- submit ------------------------------------------------------------------------------ */

static bool fits_in_capsule(const struct nvhi_tcp_qpair *q, const struct nvhi_req *req)
{
	const struct nvhi_tctrlr *tctrlr = q->qpair.tctrlr;

	if (req->dir != NVHI_DIR_TO_CTRLR || req->len == 0)
		return false;
	if (q->qpair.qid == 0 || req->cmd.opc == NVH_ADM_FABRICS)
		return req->len <= NVH_TCP_ADMIN_ICD;
	return tctrlr->icdoff == 0 && req->len <= tctrlr->ioccsz;
}

/* Property and Disconnect capsules have reserved bytes where other commands have SGL1. */
static void set_data_pointer(struct nvh_cmd *cmd, uint32_t len, bool in_capsule)
{
	struct nvh_sgl *sgl = &cmd->dptr.sgl;

	cmd->flags = (uint8_t)((cmd->flags & ~NVH_CMD_PSDT_MASK) | NVH_CMD_PSDT_SGL);
	if (cmd->opc == NVH_ADM_FABRICS && len == 0)
		return;
	memset(sgl, 0, sizeof(*sgl));
	nvh_le32_put(&sgl->len, len);
	sgl->id = in_capsule ? NVH_SGL_ID_IN_CAPSULE : NVH_SGL_ID_TRANSPORT;
}

static void lend(struct nvhi_tcp_qpair *q, struct nvhi_req *req)
{
	uint16_t index = q->free_slots[--q->free_count];
	struct nvhi_tcp_slot *slot = &q->slots[index];

	slot->req = req;
	slot->encoded = slot->last = slot->bad_digest = false;
	slot->in_capsule = fits_in_capsule(q, req);
	slot->received = slot->requested = 0;
	slot->r2t_head = slot->r2t_count = 0;
	slot->cursor = req->data;
	nvh_le16_put(&req->cmd.cid, slot->cid);
	set_data_pointer(&req->cmd, req->len, slot->in_capsule);
	req->slot = index;
	req->sent = false;
	req->transferred = 0;
	req->submit_ns = nvhi_reactor_now(q->qpair.reactor);
	q->qpair.inflight++;
	q->sqflow.used++;
	q->counters.commands++;
	nvhi_trace_cmd(q->qpair.name, q->qpair.qid, &req->cmd);
	if (q->wants_eager && !q->eager) {
		q->eager = true;
		q->stream->ops->set_eager(q->stream, true);
	}
	nvhi_tcp_tx_want(q, slot);
}

int nvhi_tcp_submit_early(struct nvhi_tcp_qpair *q, struct nvhi_req *req)
{
	assert(req->len == 0 || req->dir != NVHI_DIR_NONE);
	if (q->free_count == 0)
		return -EAGAIN;
	lend(q, req);
	return 0;
}

int nvhi_tcp_submit(struct nvhi_qpair *qpair, struct nvhi_req *req)
{
	struct nvhi_tcp_qpair *q = nvhi_tcp_qpair_of(qpair);

	if (q->state != NVHI_TCP_LIVE)
		return -ENOTCONN;
	return nvhi_tcp_submit_early(q, req);
}

/* ---- completion -------------------------------------------------------------------------- */

static void slot_finish(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot, int err,
			const struct nvh_cpl *cpl)
{
	struct nvhi_req *req = slot->req;

	req->sent = slot->encoded && slot->tx_start < q->tx.sent;
	if (req->dir == NVHI_DIR_TO_HOST)
		req->transferred = slot->received;
	else if (req->dir == NVHI_DIR_TO_CTRLR)
		req->transferred = slot->in_capsule ? req->len : slot->requested;
	nvhi_list_del(&slot->link);
	slot->req = NULL;
	slot->held = false;
	slot_next_generation(q, slot);
	q->free_slots[q->free_count++] = (uint16_t)(slot - q->slots);
	q->qpair.inflight--;
	if (cpl)
		nvhi_trace_cpl(q->qpair.name, q->qpair.qid, &req->cmd, cpl);
	req->done(req, err, cpl);
}

/* A success is believed only when every byte has moved. */
static bool bytes_all_there(struct nvhi_tcp_qpair *q, const struct nvhi_tcp_slot *slot)
{
	const struct nvhi_req *req = slot->req;

	if (slot->tx_end > q->tx.sent || slot->r2t_count > 0) {
		nvhi_tcp_bad(q, NVH_TCP_FES_SEQUENCE, 20, "CID",
			     "succeeded before its data was sent", slot->cid);
		return false;
	}
	if (req->short_ok)
		return true;
	if (req->dir == NVHI_DIR_TO_HOST && slot->received < req->len) {
		nvhi_tcp_bad(q, NVH_TCP_FES_DATA_RANGE, 20, "data length",
			     "is all that came of a read reported as success", slot->received);
		return false;
	}
	if (req->dir == NVHI_DIR_TO_CTRLR && !slot->in_capsule && slot->requested < req->len) {
		nvhi_tcp_bad(q, NVH_TCP_FES_DATA_RANGE, 20, "data length",
			     "is all that was asked of a write reported as success",
			     slot->requested);
		return false;
	}
	return true;
}

bool nvhi_tcp_sqhd_good(struct nvhi_tcp_qpair *q, uint16_t sqhd)
{
	if (nvhi_sqflow_take(&q->sqflow, q->qpair.entries, sqhd))
		return true;
	nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, 16, "SQHD",
		     sqhd >= q->qpair.entries ? "is beyond the submission queue"
					      : "is beyond the commands submitted",
		     sqhd);
	return false;
}

void nvhi_tcp_complete(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot,
		       const struct nvh_cpl *cpl)
{
	struct nvh_cpl failed;

	if (!nvh_cpl_is_error(cpl)) {
		if (!bytes_all_there(q, slot))
			return;
		if (slot->bad_digest) {
			failed = *cpl;
			nvh_cpl_set_status(&failed, NVH_ST_TRANSIENT_TRANSPORT);
			cpl = &failed;
		}
	}
	if (slot->tx_end > q->tx.sent) {
		/* An error overtook our data: what is encoded still leaves, from the caller's
		 * memory. */
		nvhi_list_del(&slot->link);
		slot->r2t_count = 0;
		slot->held = true;
		slot->cpl = *cpl;
		nvhi_list_add_tail(&q->held, &slot->link);
		q->held_count++;
		return;
	}
	slot_finish(q, slot, 0, cpl);
}

void nvhi_tcp_release_held(struct nvhi_tcp_qpair *q)
{
	struct nvhi_tcp_slot *slot, *next;

	nvhi_list_for_each_safe(slot, next, &q->held, link) {
		struct nvh_cpl cpl = slot->cpl;

		if (slot->tx_end > q->tx.sent)
			continue;
		q->held_count--;
		slot_finish(q, slot, 0, &cpl);
		if (q->state > NVHI_TCP_LIVE)
			return;
	}
}

void nvhi_tcp_give_back_all(struct nvhi_tcp_qpair *q, int err)
{
	q->held_count = 0;
	for (uint32_t i = 0; i < q->qpair.depth; i++)
		if (q->slots[i].req)
			slot_finish(q, &q->slots[i], err, NULL);
}
