/*
 * Receiving: a capsule becomes a request, its data is in the capsule, or keyed descriptors say
 * where at the host it is; complete requests go to the core. A capsule's slot is given back as soon
 * as nothing in it is needed. Group reactor. NVMe/RDMA Transport Specification 1.1 section 3.2.
 */
#include "base/cmd_trace.h"
#include "base/spec/nvme_status.h"
#include "target-lite/rdma/rdma_impl.h"

#define RX_DNR(status)        ((unsigned int)(status) | NVH_CPL_DNR)
#define RX_SGL_ID_LAST        NVH_SGL_ID(NVH_SGL_LAST_SEGMENT, NVH_SGL_SUB_OFFSET)
#define RX_CAPSULE_DATA(slot) ((slot)->data + sizeof(struct nvh_cmd))

/* ---- to the core ---------------------------------------------------------------------------- */

void tl_rdma_exec(struct tl_rdma_req *treq)
{
	treq->state = TL_RDMA_REQ_CORE;
	nvhi_trace_cmd(treq->req.qpair->peer, treq->req.qpair->qid, &treq->req.cmd);
	tl_request_exec(&treq->req);
}

static void rx_fail(struct tl_rdma_req *treq, unsigned int status)
{
	treq->state = TL_RDMA_REQ_CORE;
	nvhi_trace_cmd(treq->req.qpair->peer, treq->req.qpair->qid, &treq->req.cmd);
	tl_request_fail(&treq->req, status);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static bool rx_is_keyed(uint8_t id)
{
	return id == NVH_SGL_ID_KEYED || id == NVH_SGL_ID_KEYED_INV;
}

/* Several descriptors, in the capsule. */
static unsigned int rx_segment(struct tl_rdma_req *treq, uint32_t icd)
{
	const struct nvh_sgl *last = &treq->req.cmd.dptr.sgl;
	uint64_t offset = nvh_le64_get(last->addr), total = 0;
	uint32_t len = nvh_le32_get(last->len);

	if (offset > icd)
		return RX_DNR(NVH_ST_SGL_INVALID_OFFSET);
	if (len > icd - offset || len % sizeof(struct nvh_sgl))
		return RX_DNR(NVH_ST_SGL_INVALID_SEGMENT);
	treq->sgl_count = len / (uint32_t)sizeof(struct nvh_sgl);
	if (treq->sgl_count > TL_RDMA_SGLS_MAX)
		return RX_DNR(NVH_ST_SGL_INVALID_COUNT);
	treq->sgl = (const void *)(RX_CAPSULE_DATA(treq->slot) + offset);
	for (uint32_t i = 0; i < treq->sgl_count; i++) {
		const struct nvh_sgl_keyed *sgl = &treq->sgl[i];

		if (!rx_is_keyed(sgl->id))
			return RX_DNR(NVH_ST_SGL_INVALID_TYPE);
		total += nvh_le24_get(sgl->len);
		/* A response can take back one key. */
		if (sgl->id == NVH_SGL_ID_KEYED_INV && !treq->invalidate) {
			treq->invalidate = true;
			treq->inv_key = nvh_le32_get(sgl->key);
		}
	}
	treq->req.xfer_len = (uint32_t)total; /* at most 16 times 16 MiB */
	return 0;
}

static unsigned int rx_in_capsule(struct tl_rdma_req *treq, uint32_t icd)
{
	struct tl_request *req = &treq->req;
	uint64_t offset = nvh_le64_get(req->cmd.dptr.sgl.addr);
	uint32_t len = nvh_le32_get(req->cmd.dptr.sgl.len);

	if (!len)
		return 0;
	if (req->dir != NVH_DATA_TO_CTRLR)
		return RX_DNR(NVH_ST_SGL_INVALID_TYPE);
	if (offset > icd)
		return RX_DNR(NVH_ST_SGL_INVALID_OFFSET);
	if (len > icd - offset)
		return RX_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
	req->xfer_len = len;
	req->iov.iov_base = RX_CAPSULE_DATA(treq->slot) + offset;
	req->iov.iov_len = len;
	return 0;
}

/* What the command moves; 0 or a status. */
static unsigned int rx_sgl(struct tl_rdma_req *treq)
{
	struct tl_request *req = &treq->req;
	const struct nvh_sgl_keyed *keyed = &req->cmd.dptr.ksgl;
	uint32_t icd = treq->slot->len - (uint32_t)sizeof(struct nvh_cmd);

	req->dir = tl_cmd_direction(&req->cmd);
	if (req->dir == NVH_DATA_BIDIR)
		return RX_DNR(NVH_ST_INVALID_OPCODE);
	if (req->dir == NVH_DATA_NONE)
		return 0;
	switch (keyed->id) {
	case NVH_SGL_ID_IN_CAPSULE:
		return rx_in_capsule(treq, icd);
	case NVH_SGL_ID_KEYED_INV:
		treq->invalidate = true;
		treq->inv_key = nvh_le32_get(keyed->key);
		/* fall through */
	case NVH_SGL_ID_KEYED:
		treq->sgl = keyed;
		treq->sgl_count = 1;
		req->xfer_len = nvh_le24_get(keyed->len);
		return 0;
	case RX_SGL_ID_LAST:
		return rx_segment(treq, icd);
	default:
		return RX_DNR(NVH_ST_SGL_INVALID_TYPE);
	}
}

static unsigned int rx_check(struct tl_rdma_conn *conn, struct tl_rdma_req *treq)
{
	struct tl_request *req = &treq->req;
	unsigned int status = rx_sgl(treq);

	if (status || !req->xfer_len || req->iov.iov_base)
		return status;
	if (req->dir == NVH_DATA_TO_CTRLR) {
		status = tl_cmd_precheck(&conn->qpair, &req->cmd, &req->xfer_len);
		if (status)
			return status;
	}
	return req->xfer_len > tl_rdma_opts(conn->tg)->max_io_size
		       ? RX_DNR(NVH_ST_SGL_INVALID_DATA_LEN)
		       : 0;
}

/* ---- capsules ------------------------------------------------------------------------------- */

void tl_rdma_got_buffer(struct tl_rdma_req *treq)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(treq->req.qpair);

	if (conn->state != TL_RDMA_CONN_LIVE) {
		tl_rdma_req_put(conn, treq);
		return;
	}
	treq->req.iov.iov_base = treq->buf;
	treq->req.iov.iov_len = treq->req.xfer_len;
	if (treq->req.dir == NVH_DATA_TO_HOST)
		tl_rdma_exec(treq);
	else
		tl_rdma_read(treq);
}

static void rx_begin(struct tl_rdma_conn *conn, struct tl_rdma_req *treq, struct tl_rdma_slot *slot)
{
	struct tl_request *req = &treq->req;
	unsigned int status;

	req->cmd = *(const struct nvh_cmd *)slot->data;
	req->may_lend = false;
	req->iov.iov_base = NULL;
	req->iov.iov_len = 0;
	req->xfer_len = 0;
	treq->slot = slot;
	treq->invalidate = false;
	treq->sgl = NULL;
	treq->sgl_count = 0;
	treq->sgl_next = 0;
	treq->read_bytes = 0;
	treq->reads = 0;
	status = rx_check(conn, treq);
	if (!req->xfer_len)
		req->dir = NVH_DATA_NONE;
	/* In-capsule data and lists of descriptors stay where they are. */
	if (status || (!req->iov.iov_base && (!treq->sgl || treq->sgl == &req->cmd.dptr.ksgl))) {
		tl_rdma_rq_give(conn->rq, slot);
		treq->slot = NULL;
	}
	if (status) {
		rx_fail(treq, status);
	} else if (!req->xfer_len || req->iov.iov_base) {
		tl_rdma_exec(treq);
	} else {
		treq->state = TL_RDMA_REQ_BUFFER;
		if (tl_rdma_buf_get(treq))
			tl_rdma_got_buffer(treq);
	}
}

static bool rx_try(struct tl_rdma_conn *conn, struct tl_rdma_slot *slot)
{
	struct tl_rdma_req *treq = tl_rdma_req_get(conn);

	if (!treq)
		return false;
	tl_rdma_count(conn->dev->stats->requests, 1);
	rx_begin(conn, treq, slot);
	return true;
}

void tl_rdma_capsules_waiting(struct tl_rdma_conn *conn)
{
	while (!nvhi_list_empty(&conn->slots_wait) && !conn->mute &&
	       conn->state == TL_RDMA_CONN_LIVE) {
		struct tl_rdma_slot *slot =
			nvhi_list_first(&conn->slots_wait, struct tl_rdma_slot, link);

		nvhi_list_del(&slot->link);
		if (!rx_try(conn, slot)) {
			nvhi_list_add_head(&conn->slots_wait, &slot->link);
			return;
		}
	}
}

void tl_rdma_capsule(struct tl_rdma_conn *conn, struct tl_rdma_slot *slot)
{
	/* Data may overtake the event that tells of the connection. */
	if (conn->state == TL_RDMA_CONN_ACCEPTING)
		nvhi_fsm_set(&tl_rdma_conn_fsm, &conn->state, TL_RDMA_CONN_LIVE, NVHI_LOG_RDMA,
			     conn->qpair.peer);
	if (conn->state != TL_RDMA_CONN_LIVE || slot->len < sizeof(struct nvh_cmd) ||
	    conn->active == conn->depth) {
		tl_rdma_rq_give(conn->rq, slot);
		if (conn->state != TL_RDMA_CONN_LIVE)
			return;
		if (slot->len < sizeof(struct nvh_cmd))
			tl_rdma_conn_fail(conn, "a capsule of %u bytes is no command", slot->len);
		else
			tl_rdma_conn_fail(conn, "more commands than the queue has entries (%u)",
					  conn->depth);
		return;
	}
	conn->active++;
	if (conn->mute || !nvhi_list_empty(&conn->slots_wait) || !rx_try(conn, slot)) {
		tl_rdma_count(conn->dev->stats->pending_free_request, 1);
		nvhi_list_add_tail(&conn->slots_wait, &slot->link);
	}
}
