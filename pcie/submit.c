/*
 * Commands going down: a slot each, found again by the low bits of the CID, with a generation in
 * the high bits; the command is put down in the submission queue as it comes and the doorbell rung
 * once at the end of the turn. On the queue pair's reactor. Base Specification 2.1 sections 3.3.1
 * and 4.1.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "pcie/pcie_impl.h"

/* Everything put down in this turn is told at once. */
void nvhi_pcie_ring_batch(struct nvhi_defer *defer)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(defer, struct nvhi_pcie_qpair, doorbell);

	__sync_synchronize(); /* commands, lists and data before the doorbell */
	nvhi_pcie_ring(q, &q->sq_db, q->sq_tail);
	q->rung = q->written;
	nvhi_pcie_expect(q);
}

void nvhi_pcie_expect(struct nvhi_pcie_qpair *q)
{
	bool own = q->qpair.qid == 0 && q->ctrlr->job;
	bool awaited = q->qpair.inflight > q->quiet || own;

	if (q->irq_fd < 0)
		q->poller.busy = awaited;
	else
		nvhi_poller_expect(q->qpair.reactor, &q->poller, awaited);
}

static inline void slot_write(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot,
			      const struct nvhi_req *req)
{
	uint32_t tail = q->sq_tail;

	memcpy(&q->sq[tail++], &req->cmd, sizeof(struct nvh_cmd));
	q->sq_tail = tail == q->ring ? 0 : tail;
	slot->key = (uint32_t)slot->cid << 16 | q->qpair.qid;
	slot->pos = q->written++;
	nvhi_trace_cmd(q->qpair.name, q->qpair.qid, &req->cmd);
	if (__builtin_expect(!q->doorbell.queued, 0))
		nvhi_reactor_defer(q->qpair.reactor, &q->doorbell);
}

/* The usual data: within two pages, in one piece of the caller's, where the device reaches it. */
static inline bool map_plain(struct nvhi_pcie_qpair *q, struct nvhi_req *req)
{
	const struct iovec *iov = req->data.iov;
	uint64_t page = q->page_size, len = req->len, iova, end;
	size_t span = 0;

	if (iov->iov_len - req->data.offset < len)
		return false;
	iova = q->iova(q->bus, (uint8_t *)iov->iov_base + req->data.offset, len, &span);
	end = (iova & (page - 1)) + len;
	if (span < len || (iova & 3) || end > 2 * page) /* as NVHI_IOVA_NONE is */
		return false;
	nvh_le64_put(&req->cmd.dptr.prp.prp1, iova);
	nvh_le64_put(&req->cmd.dptr.prp.prp2, end > page ? (iova & ~(page - 1)) + page : 0);
	return true;
}

static __attribute__((noinline)) void slot_lend_any(struct nvhi_pcie_qpair *q,
						    struct nvhi_pcie_slot *slot,
						    struct nvhi_req *req)
{
	if (req->len == 0 || nvhi_pcie_map(q, slot) == 0)
		slot_write(q, slot, req);
	else
		nvhi_list_add_tail(&q->waiting, &req->link);
}

static inline void slot_lend(struct nvhi_pcie_qpair *q, struct nvhi_req *req)
{
	struct nvhi_pcie_slot *slot = q->free;

	q->free = slot->next;
	slot->req = req;
	slot->plain = q->qpair.qid;
	nvh_le16_put(&req->cmd.cid, slot->cid);
	req->slot = slot->index;
	req->submit_ns = nvhi_reactor_now(q->qpair.reactor);
	if (__builtin_expect(req->len && map_plain(q, req), 1))
		slot_write(q, slot, req);
	else
		slot_lend_any(q, slot, req);
}

int nvhi_pcie_submit(struct nvhi_qpair *qpair, struct nvhi_req *req)
{
	struct nvhi_pcie_qpair *q = nvhi_pcie_qpair_of(qpair);

	if (__builtin_expect(q->state != NVHI_PCIE_Q_LIVE, 0))
		return -ENOTCONN;
	if (__builtin_expect(qpair->inflight == qpair->depth, 0))
		return -EAGAIN;
	if (__builtin_expect(req->len > NVHI_PCIE_MAX_TRANSFER, 0))
		return -EINVAL;
	req->cmd.flags &= (uint8_t)~NVH_CMD_PSDT_MASK;
	if (__builtin_expect(req->len == 0, 0)) /* it is reserved then */
		memset(&req->cmd.dptr, 0, sizeof(req->cmd.dptr));
	qpair->inflight++;
	if (__builtin_expect(qpair->qid == 0, 0) && req->cmd.opc == NVH_ADM_AER) {
		q->free->quiet = true;
		q->quiet++;
	}
	slot_lend(q, req);
	return 0;
}

/* Its data pointer is set. */
void nvhi_pcie_submit_own(struct nvhi_pcie_qpair *q, struct nvhi_req *req)
{
	slot_lend(q, req);
}

void nvhi_pcie_serve_waiting(struct nvhi_pcie_qpair *q)
{
	while (q->state == NVHI_PCIE_Q_LIVE && !nvhi_list_empty(&q->waiting)) {
		struct nvhi_req *req = nvhi_list_first(&q->waiting, struct nvhi_req, link);
		struct nvhi_pcie_slot *slot = &q->slots[req->slot];

		if (nvhi_pcie_map(q, slot))
			return;
		nvhi_list_del(&req->link);
		slot_write(q, slot, req);
	}
}
