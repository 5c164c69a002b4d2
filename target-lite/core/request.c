/*
 * The life of a request in the core: from tl_request_exec through a subsystem that may hold it, to
 * completion and tl_request_end. On the queue pair's reactor.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_feature.h"
#include "base/spec/nvmf.h"
#include "target-lite/core/impl.h"
#include "target-lite/fault/fault.h"

/* ---- what a command moves ------------------------------------------------------------------- */

uint8_t tl_cmd_direction(const struct nvh_cmd *cmd)
{
	if (cmd->opc == NVH_ADM_FABRICS)
		return ((const struct nvh_fab_cmd *)cmd)->fctype & 3;
	return cmd->opc & 3;
}

unsigned int tl_cmd_transfer(const struct nvh_cmd *cmd, uint32_t *ret_len, uint8_t *ret_dir)
{
	const struct nvh_sgl *sgl = &cmd->dptr.sgl;
	uint8_t dir = tl_cmd_direction(cmd);
	uint32_t len = nvh_le32_get(sgl->len);

	if (dir == NVH_DATA_BIDIR)
		return TL_DNR(NVH_ST_INVALID_OPCODE);
	if (dir == NVH_DATA_NONE) {
		*ret_len = 0;
		*ret_dir = dir;
		return 0;
	}
	/* Fabrics commands never carry PRPs; many of them no data either. */
	if (len == 0) {
		*ret_len = 0;
		*ret_dir = NVH_DATA_NONE;
		return 0;
	}
	if (sgl->id != NVH_SGL_ID_IN_CAPSULE && sgl->id != NVH_SGL_ID_TRANSPORT)
		return TL_DNR(NVH_ST_SGL_INVALID_TYPE);
	*ret_len = len;
	*ret_dir = dir;
	return 0;
}

static unsigned int precheck_admin(const struct nvh_cmd *cmd, uint32_t *len)
{
	if (cmd->opc != NVH_ADM_SET_FEATURES)
		return TL_DNR(NVH_ST_INVALID_OPCODE);
	if ((uint8_t)nvh_le32_get(cmd->cdw10) != NVH_FID_HOST_BEHAVIOR)
		*len = 0;
	return 0;
}

static unsigned int precheck_io(const struct tl_qpair *qpair, const struct nvh_cmd *cmd)
{
	const struct tl_ns *ns;

	switch (cmd->opc) {
	case NVH_OPC_WRITE:
	case NVH_OPC_COMPARE:
	case NVH_OPC_DSM:
	case NVH_OPC_COPY:
	case NVH_OPC_RESV_REGISTER:
	case NVH_OPC_RESV_ACQUIRE:
	case NVH_OPC_RESV_RELEASE:
		break;
	default:
		return TL_DNR(NVH_ST_INVALID_OPCODE);
	}
	if (qpair->gs->hold) /* asked again when it is executed */
		return 0;
	ns = tl_subsystem_ns(qpair->ctrlr->subsystem, nvh_le32_get(cmd->nsid));
	if (!ns)
		return TL_DNR(NVH_ST_INVALID_NS);
	if (ns->bdev->read_only && cmd->opc != NVH_OPC_COMPARE && cmd->opc < NVH_OPC_RESV_REGISTER)
		return TL_DNR(NVH_ST_NS_WRITE_PROTECTED);
	return 0;
}

unsigned int tl_cmd_precheck(const struct tl_qpair *qpair, const struct nvh_cmd *cmd, uint32_t *len)
{
	if (cmd->opc == NVH_ADM_FABRICS)
		return 0;
	if (qpair->state != TL_QPAIR_LIVE)
		return TL_DNR(NVH_ST_CMD_SEQUENCE);
	return qpair->qid == 0 ? precheck_admin(cmd, len) : precheck_io(qpair, cmd);
}

bool tl_request_is_inline(const struct tl_qpair *qpair, const struct nvh_cmd *cmd)
{
	const struct tl_ns *ns;

	if (qpair->qid == 0 || qpair->state != TL_QPAIR_LIVE || qpair->gs->hold)
		return false;
	if (__builtin_expect(qpair->group->faults != NULL, 0))
		return false; /* it may have to wait */
	if (cmd->opc != NVH_OPC_WRITE && cmd->opc != NVH_OPC_READ)
		return false;
	if (cmd->flags & NVH_CMD_FUSE_MASK)
		return false;
	ns = tl_subsystem_ns(qpair->ctrlr->subsystem, nvh_le32_get(cmd->nsid));
	if (!ns || !ns->bdev->inline_io)
		return false;
	return cmd->opc == NVH_OPC_WRITE || ns->bdev->lends;
}

/* ---- execution ------------------------------------------------------------------------------ */

void tl_request_track(struct tl_request *req)
{
	nvhi_list_add_tail(&req->qpair->reqs, &req->qpair_link);
}

void tl_request_dispatch(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;

	if (qpair->gs->hold && tl_subsystem_hold(qpair->gs, req))
		return;
	req->state = TL_REQ_ACTIVE;
	if (qpair->qid == 0)
		tl_admin_exec(req);
	else
		tl_io_exec(req);
}

static void request_start(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;

	req->state = TL_REQ_ACTIVE;
	req->ns = NULL;
	req->pair = NULL;
	req->scratch = NULL;
	req->abort = false;
	req->fault_after = false;
	req->data_len = 0;
	memset(&req->cpl, 0, sizeof(req->cpl));
	nvhi_list_init(&req->link);
	nvhi_list_init(&req->qpair_link);
	qpair->outstanding++;
	if (++qpair->sq_head == qpair->entries)
		qpair->sq_head = 0;
}

static inline void request_run(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;

	req->state = TL_REQ_ACTIVE;
	if (req->cmd.opc == NVH_ADM_FABRICS)
		tl_fabrics_exec(req);
	else if (qpair->state != TL_QPAIR_LIVE || qpair->disconnect)
		tl_request_complete(req, TL_DNR(NVH_ST_CMD_SEQUENCE));
	else
		tl_request_dispatch(req);
}

void tl_request_exec(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;

	assert(!tl_qpair_closing(qpair));
	request_start(req);
	if (__builtin_expect(qpair->group->faults != NULL, 0)) {
		req->fault_done = false;
		req->fault_status = 0;
		req->fault_ms = 0;
		if (tl_fault_on_exec(req))
			return;
	}
	request_run(req);
}

void tl_request_run(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;

	if (!tl_qpair_closing(qpair)) {
		request_run(req);
		return;
	}
	req->state = TL_REQ_ACTIVE; /* a fault held it past the end */
	if (req->cmd.opc == NVH_ADM_FABRICS || qpair->qid == 0 || !qpair->ctrlr)
		tl_request_complete(req, NVH_ST_ABORTED_SQ_DELETION);
	else
		tl_request_dispatch(req);
}

void tl_request_fail(struct tl_request *req, unsigned int status)
{
	request_start(req);
	tl_request_complete(req, status);
}

/* ---- completion ----------------------------------------------------------------------------- */

void tl_request_complete(struct tl_request *req, unsigned int status)
{
	struct tl_qpair *qpair = req->qpair;

	assert(req->state != TL_REQ_DONE && req->state != TL_REQ_FREE);
	if (__builtin_expect(req->fault_after, 0) && tl_fault_on_complete(req, &status))
		return;
	if (__builtin_expect(status != 0, 0)) {
		req->data_len = 0;
		if (qpair->ctrlr && status & 0x7ff)
			tl_ctrlr_log_error(qpair->ctrlr, req, status);
	}
	nvhi_list_del(&req->qpair_link);
	nvhi_list_del(&req->link);
	req->cpl.cid = req->cmd.cid;
	nvh_cpl_set_status(&req->cpl, status);
	req->state = TL_REQ_DONE;
	qpair->transport->ops->complete(req);
}

/* Base Specification: with SQ flow control off SQHD is FFFFh in Connect's answer and reserved
 * after. */
void tl_request_put_sqhd(struct tl_request *req)
{
	const struct tl_qpair *qpair = req->qpair;
	uint16_t sqhd = qpair->sqfc_off ? 0 : qpair->sq_head;

	if (qpair->sqfc_off && req->cmd.opc == NVH_ADM_FABRICS)
		sqhd = 0xffff;
	nvh_le16_put(&req->cpl.sqhd, sqhd);
}

void tl_request_reply(struct tl_request *req, const void *data, size_t len)
{
	if (len > req->xfer_len)
		len = req->xfer_len;
	if (len)
		memcpy(req->iov.iov_base, data, len);
	req->data_len = (uint32_t)len;
	tl_request_complete(req, NVH_ST_SUCCESS);
}

void tl_request_release_ns(struct tl_request *req)
{
	struct tl_group_subsystem *gs = req->qpair->gs;
	struct tl_ns *ns = req->ns;

	req->ns = NULL;
	if (--ns->groups[gs->group->index].outstanding == 0 &&
	    __builtin_expect(gs->draining_nsid == ns->nsid, 0))
		tl_subsystem_drained(gs);
}

void tl_request_end(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;

	assert(req->state == TL_REQ_DONE);
	req->state = TL_REQ_FREE;
	if (req->ns)
		tl_request_release_ns(req);
	if (__builtin_expect(req->scratch != NULL, 0)) {
		free(req->scratch);
		req->scratch = NULL;
	}
	qpair->outstanding--;
	if (__builtin_expect(tl_qpair_closing(qpair), 0))
		tl_qpair_ended(qpair);
	else if (__builtin_expect(qpair->disconnect != NULL, 0))
		tl_disconnect_check(qpair);
}

void tl_pad(char *field, size_t size, const char *text)
{
	size_t len = strnlen(text, size);

	memset(field, ' ', size);
	memcpy(field, text, len);
}
