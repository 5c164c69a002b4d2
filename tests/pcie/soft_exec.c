/*
 * What the controller in memory does with a command: identify, features, queues, reads and writes
 * through PRPs and SGLs, each address looked up and refused where there is nothing. Under its lock.
 */
#include <string.h>

#include "tests/pcie/soft.h"

#define PAGE 4096u

/* ---- data pointers ----------------------------------------------------------------------- */

static bool copy_piece(struct soft *soft, uint64_t addr, uint8_t **data, uint32_t *left,
		       uint32_t len, bool to_host)
{
	uint8_t *at;

	if (len > *left)
		len = *left;
	at = soft_at(soft, addr, len);
	if (!at)
		return false;
	if (to_host)
		memcpy(at, *data, len);
	else
		memcpy(*data, at, len);
	*data += len;
	*left -= len;
	return true;
}

static bool copy_prps(struct soft *soft, const struct nvh_cmd *cmd, uint8_t *data, uint32_t left,
		      bool to_host)
{
	uint64_t addr = nvh_le64_get(cmd->dptr.prp.prp1), list = nvh_le64_get(cmd->dptr.prp.prp2);
	const struct nvh_le64 *entries;

	soft->prps++;
	if ((addr & 3) || !copy_piece(soft, addr, &data, &left, PAGE - addr % PAGE, to_host))
		return false;
	if (left == 0)
		return true;
	if (left <= PAGE)
		return list % PAGE == 0 && copy_piece(soft, list, &data, &left, PAGE, to_host);
	for (uint32_t i = 0; left > 0; i++) {
		entries = soft_at(soft, list + i * 8, 8);
		if (!entries || nvh_le64_get(*entries) % PAGE ||
		    (list + i * 8) / PAGE != list / PAGE ||
		    !copy_piece(soft, nvh_le64_get(*entries), &data, &left, PAGE, to_host))
			return false;
	}
	return true;
}

static bool copy_sgl(struct soft *soft, const struct nvh_cmd *cmd, uint8_t *data, uint32_t left,
		     bool to_host)
{
	const struct nvh_sgl *sgl = &cmd->dptr.sgl;
	uint32_t count = 1;

	soft->sgls++;
	if (nvh_sgl_type(sgl) == NVH_SGL_LAST_SEGMENT) {
		count = nvh_le32_get(sgl->len) / sizeof(*sgl);
		sgl = soft_at(soft, nvh_le64_get(sgl->addr), nvh_le32_get(sgl->len));
	}
	for (; sgl && count > 0; sgl++, count--)
		if (nvh_sgl_type(sgl) != NVH_SGL_DATA ||
		    !copy_piece(soft, nvh_le64_get(sgl->addr), &data, &left, nvh_le32_get(sgl->len),
				to_host))
			return false;
	return left == 0;
}

static bool copy_data(struct soft *soft, const struct nvh_cmd *cmd, void *data, uint32_t len,
		      bool to_host)
{
	if (cmd->flags & NVH_CMD_PSDT_MASK)
		return copy_sgl(soft, cmd, data, len, to_host);
	return copy_prps(soft, cmd, data, len, to_host);
}

static uint16_t answer_data(struct soft *soft, const struct nvh_cmd *cmd, void *data, uint32_t len)
{
	return copy_data(soft, cmd, data, len, true) ? 0 : NVH_ST_DATA_XFER_ERROR;
}

/* ---- admin ------------------------------------------------------------------------------- */

static uint16_t exec_identify(struct soft *soft, const struct nvh_cmd *cmd)
{
	uint8_t data[NVH_IDENTIFY_SIZE] = {0};

	switch (nvh_le32_get(cmd->cdw10) & 0xff) {
	case NVH_CNS_CTRLR:
		return answer_data(soft, cmd, &soft->id, sizeof(soft->id));
	case NVH_CNS_NS:
		return answer_data(soft, cmd, &soft->ns, sizeof(soft->ns));
	case NVH_CNS_ACTIVE_NS:
		if (nvh_le32_get(cmd->nsid) == 0)
			data[0] = 1;
		return answer_data(soft, cmd, data, sizeof(data));
	case NVH_CNS_NS_DESC:
		data[0] = 3; /* NIDT: UUID */
		data[1] = 16;
		memcpy(data + 4, "soft-namespace-1", 16);
		return answer_data(soft, cmd, data, sizeof(data));
	default:
		return NVH_ST_INVALID_FIELD;
	}
}

static uint16_t exec_set_features(struct soft *soft, const struct nvh_cmd *cmd, struct nvh_cpl *cpl)
{
	uint32_t value = nvh_le32_get(cmd->cdw11);

	switch (nvh_le32_get(cmd->cdw10) & 0xff) {
	case NVH_FID_NUM_QUEUES:
		nvh_le32_put(&cpl->dw0, (SOFT_QUEUES - 2) | (SOFT_QUEUES - 2)
								    << NVH_FEAT_NCQ_SHIFT);
		return 0;
	case NVH_FID_HMB:
		soft->hmb_flags = value;
		soft->hmb_pages = nvh_le32_get(cmd->cdw12);
		soft->hmb_list =
			(uint64_t)nvh_le32_get(cmd->cdw14) << 32 | nvh_le32_get(cmd->cdw13);
		soft->hmb_count = nvh_le32_get(cmd->cdw15);
		return 0;
	case NVH_FID_ARBITRATION:
		soft->arbitration = value;
		return 0;
	default:
		return 0;
	}
}

static uint16_t exec_queue(struct soft *soft, const struct nvh_cmd *cmd)
{
	uint32_t qid = nvh_le32_get(cmd->cdw10) & 0xffff, size = nvh_le32_get(cmd->cdw10) >> 16;
	uint32_t how = nvh_le32_get(cmd->cdw11);
	struct soft_queue *q;

	if (qid == 0 || qid >= SOFT_QUEUES)
		return NVH_ST_INVALID_FIELD;
	q = &soft->q[qid];
	switch (cmd->opc) {
	case NVH_ADM_CREATE_CQ:
		memset(q, 0, sizeof(*q));
		q->cq = nvh_le64_get(cmd->dptr.prp.prp1);
		q->cq_entries = size + 1;
		q->phase = q->cq_made = true;
		q->ien = how & NVH_CREATE_CQ_IEN;
		q->vector = (uint16_t)(how >> NVH_CREATE_CQ_IV_SHIFT);
		return q->vector < SOFT_QUEUES ? 0 : NVH_ST_INVALID_FIELD;
	case NVH_ADM_CREATE_SQ:
		q->sq = nvh_le64_get(cmd->dptr.prp.prp1);
		q->sq_entries = size + 1;
		q->sq_made = true;
		q->qprio = how >> NVH_CREATE_SQ_QPRIO_SHIFT & 3;
		return 0;
	case NVH_ADM_DELETE_SQ:
		q->sq_made = false;
		return 0;
	default:
		q->cq_made = false;
		return 0;
	}
}

static uint16_t exec_admin(struct soft *soft, const struct nvh_cmd *cmd, struct nvh_cpl *cpl)
{
	switch (cmd->opc) {
	case NVH_ADM_IDENTIFY:
		return exec_identify(soft, cmd);
	case NVH_ADM_SET_FEATURES:
		return exec_set_features(soft, cmd, cpl);
	case NVH_ADM_CREATE_CQ:
	case NVH_ADM_CREATE_SQ:
	case NVH_ADM_DELETE_CQ:
	case NVH_ADM_DELETE_SQ:
		return exec_queue(soft, cmd);
	case NVH_ADM_DBBUF:
		soft->shadow = nvh_le64_get(cmd->dptr.prp.prp1);
		soft->eventidx = nvh_le64_get(cmd->dptr.prp.prp2);
		return 0;
	case NVH_ADM_ABORT:
		soft->aborts++;
		nvh_le32_put(&cpl->dw0, NVH_ABORT_NOT_ABORTED);
		return 0;
	default:
		return NVH_ST_INVALID_OPCODE;
	}
}

/* ---- I/O --------------------------------------------------------------------------------- */

static uint16_t exec_rw(struct soft *soft, const struct nvh_cmd *cmd)
{
	unsigned int shift = soft->ns.lbaf[0].lbads;
	uint64_t lba = nvh_le32_get(cmd->cdw10) | (uint64_t)nvh_le32_get(cmd->cdw11) << 32;
	uint64_t blocks = (nvh_le32_get(cmd->cdw12) & NVH_RW_NLB_MASK) + 1ull;

	if (lba >= SOFT_NS_BYTES >> shift || blocks > (SOFT_NS_BYTES >> shift) - lba)
		return NVH_ST_LBA_RANGE;
	if (soft->null)
		return 0;
	return copy_data(soft, cmd, soft->blocks + (lba << shift), (uint32_t)(blocks << shift),
			 cmd->opc == NVH_OPC_READ)
		       ? 0
		       : NVH_ST_DATA_XFER_ERROR;
}

uint16_t soft_execute(struct soft *soft, uint16_t qid, const struct nvh_cmd *cmd,
		      struct nvh_cpl *cpl)
{
	if (qid == 0)
		return exec_admin(soft, cmd, cpl);
	switch (cmd->opc) {
	case NVH_OPC_READ:
	case NVH_OPC_WRITE:
		return exec_rw(soft, cmd);
	case NVH_OPC_FLUSH:
		return 0;
	default:
		return NVH_ST_INVALID_OPCODE;
	}
}
