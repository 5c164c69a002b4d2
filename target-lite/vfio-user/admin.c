/*
 * Commands that concern queues in memory: Create and Delete of I/O queues, Doorbell Buffer Config. The
 * core knows submission queues as queue pairs of its own, completion queues not at all. The client's
 * reactor. Base Specification 2.1 sections 5.2.1 to 5.2.5.
 */
#include <errno.h>

#include "target-lite/core/impl.h"
#include "target-lite/vfio-user/impl.h"

static uint16_t cmd_qid(const struct nvh_cmd *cmd)
{
	return (uint16_t)nvh_le32_get(cmd->cdw10);
}

static uint32_t cmd_entries(const struct nvh_cmd *cmd)
{
	return (nvh_le32_get(cmd->cdw10) >> NVH_CREATE_QSIZE_SHIFT) + 1;
}

/* As many as were asked for and granted is the core's to check, in Connect. */
static bool qid_valid(const struct tl_vfu_conn *conn, uint16_t qid)
{
	return qid > 0 && qid <= conn->vg->vfu->transport.opts.max_io_qpairs_per_ctrlr;
}

static bool entries_valid(const struct tl_vfu_conn *conn, uint32_t entries)
{
	return entries >= 2 && entries <= conn->vg->vfu->transport.opts.max_queue_depth;
}

static void create_cq(struct tl_vfu_conn *conn, struct tl_vfu_req *r)
{
	const struct nvh_cmd *cmd = &r->req.cmd;
	uint32_t cdw11 = nvh_le32_get(cmd->cdw11);
	uint16_t qid = cmd_qid(cmd), vector = (uint16_t)(cdw11 >> NVH_CREATE_CQ_IV_SHIFT);
	unsigned int status = NVH_ST_SUCCESS;

	if (!qid_valid(conn, qid) || conn->cqs[qid].ring.base)
		status = NVH_ST_QID_INVALID;
	else if (!entries_valid(conn, cmd_entries(cmd)))
		status = NVH_ST_QSIZE_INVALID;
	else if (!(cdw11 & NVH_CREATE_CQ_PC))
		status = NVH_ST_INVALID_FIELD;
	else if ((cdw11 & NVH_CREATE_CQ_IEN) && vector >= TL_VFU_VECTORS)
		status = NVH_ST_INVALID_VECTOR;
	else if (tl_vfu_cq_create(conn, qid, nvh_le64_get(cmd->dptr.prp.prp1), cmd_entries(cmd),
				  &status)) {
		conn->cqs[qid].interrupts = cdw11 & NVH_CREATE_CQ_IEN;
		conn->cqs[qid].vector = vector;
	}
	tl_vfu_answer(r, status ? TL_DNR(status) : 0, 0);
}

static void create_sq(struct tl_vfu_conn *conn, struct tl_vfu_req *r)
{
	const struct nvh_cmd *cmd = &r->req.cmd;
	uint32_t cdw11 = nvh_le32_get(cmd->cdw11);
	uint16_t qid = cmd_qid(cmd), cqid = (uint16_t)(cdw11 >> NVH_CREATE_SQ_CQID_SHIFT);
	unsigned int status = 0;
	int err;

	if (!qid_valid(conn, qid) || conn->sqs[qid])
		status = NVH_ST_QID_INVALID;
	else if (!cqid || cqid >= TL_VFU_QUEUES_MAX || !conn->cqs[cqid].ring.base)
		status = NVH_ST_CQ_INVALID;
	else if (!entries_valid(conn, cmd_entries(cmd)))
		status = NVH_ST_QSIZE_INVALID;
	else if (!(cdw11 & NVH_CREATE_SQ_PC))
		status = NVH_ST_INVALID_FIELD;
	else if (nvh_le64_get(cmd->dptr.prp.prp1) % TL_VFU_PAGE)
		status = NVH_ST_PRP_INVALID_OFFSET;
	if (status) {
		tl_vfu_answer(r, TL_DNR(status), 0);
		return;
	}
	/* Answered when the core has taken it. */
	err = tl_vfu_queue_create(conn, qid, cqid, nvh_le64_get(cmd->dptr.prp.prp1),
				  cmd_entries(cmd), r);
	if (err)
		tl_vfu_answer(r, TL_DNR(err == -ENOMEM ? NVH_ST_INTERNAL : NVH_ST_INVALID_FIELD), 0);
}

static void delete_sq(struct tl_vfu_conn *conn, struct tl_vfu_req *r)
{
	uint16_t qid = cmd_qid(&r->req.cmd);
	struct tl_vfu_queue *q = qid_valid(conn, qid) ? conn->sqs[qid] : NULL;

	if (!q || q->closing || !q->ready) {
		tl_vfu_answer(r, TL_DNR(NVH_ST_QID_INVALID), 0);
		return;
	}
	q->creator = r; /* answered when it is gone */
	tl_vfu_queue_close(q);
}

static void delete_cq(struct tl_vfu_conn *conn, struct tl_vfu_req *r)
{
	uint16_t qid = cmd_qid(&r->req.cmd);
	unsigned int status = NVH_ST_SUCCESS;

	if (!qid_valid(conn, qid) || !conn->cqs[qid].ring.base)
		status = TL_DNR(NVH_ST_QID_INVALID);
	else if (conn->cqs[qid].users)
		status = TL_DNR(NVH_ST_INVALID_QUEUE_DELETION);
	else
		tl_vfu_cq_delete(conn, qid);
	tl_vfu_answer(r, status, 0);
}

/* Two pages of the client's: what it wrote to doorbells, and what it shall ring us for. */
static void doorbell_buffers(struct tl_vfu_conn *conn, struct tl_vfu_req *r)
{
	uint64_t shadow = nvh_le64_get(r->req.cmd.dptr.prp.prp1);
	uint64_t eventidx = nvh_le64_get(r->req.cmd.dptr.prp.prp2);
	struct tl_vfu_map *first, *second;
	uint8_t *a, *b;

	if (conn->shadow || (shadow | eventidx) % TL_VFU_PAGE) {
		tl_vfu_answer(r, TL_DNR(NVH_ST_INVALID_FIELD), 0);
		return;
	}
	a = tl_vfu_get(conn, shadow, TL_VFU_PAGE, &first);
	b = a ? tl_vfu_get(conn, eventidx, TL_VFU_PAGE, &second) : NULL;
	if (!b) {
		if (a)
			tl_vfu_put(conn, first);
		tl_vfu_answer(r, TL_DNR(NVH_ST_INVALID_FIELD), 0);
		return;
	}
	conn->shadow = (uint32_t *)(void *)a;
	conn->eventidx = (uint32_t *)(void *)b;
	conn->shadow_map = first;
	conn->eventidx_map = second;
	/* Queues that are there go on from where they are. */
	for (uint16_t i = 1; i <= conn->last_sq; i++) {
		conn->shadow[2 * i] = conn->db[2 * i];
		conn->shadow[2 * i + 1] = conn->db[2 * i + 1];
	}
	tl_vfu_answer(r, NVH_ST_SUCCESS, 0);
}

bool tl_vfu_admin_exec(struct tl_vfu_req *r)
{
	struct tl_vfu_conn *conn = tl_vfu_queue_of(r->req.qpair)->conn;

	switch (r->req.cmd.opc) {
	case NVH_ADM_CREATE_CQ:
		create_cq(conn, r);
		return true;
	case NVH_ADM_CREATE_SQ:
		create_sq(conn, r);
		return true;
	case NVH_ADM_DELETE_SQ:
		delete_sq(conn, r);
		return true;
	case NVH_ADM_DELETE_CQ:
		delete_cq(conn, r);
		return true;
	case NVH_ADM_DBBUF:
		doorbell_buffers(conn, r);
		return true;
	case NVH_ADM_KEEP_ALIVE:
		tl_vfu_answer(r, TL_DNR(NVH_ST_INVALID_OPCODE), 0);
		return true;
	default:
		return false;
	}
}
