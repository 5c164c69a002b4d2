/*
 * Admin commands: which there are, and the small ones. Admin reactor.
 * Base Specification 2.1 section 5.
 */
#include <string.h>

#include "target-lite/core/impl.h"
#include "target-lite/fault/fault.h"

/* ---- Abort ---------------------------------------------------------------------------------- */

static bool abort_one(struct tl_qpair *qpair, uint16_t cid)
{
	struct tl_request *req;

	nvhi_list_for_each(req, &qpair->reqs, qpair_link) {
		if (nvh_le16_get(req->cmd.cid) != cid)
			continue;
		if (tl_fault_ignores_abort(req))
			return false;
		req->abort = true;
		if (req->state != TL_REQ_QUEUED && req->state != TL_REQ_PARKED)
			return req->io.bdev && req->io.bdev->ops->abort(req->io.bdev, &req->io);
		if (req->cmd.opc == NVH_ADM_AER && qpair->qid == 0)
			qpair->ctrlr->aer_count--;
		if (qpair->fused == req)
			qpair->fused = NULL;
		if (qpair->disconnect == req)
			return false;
		tl_request_complete(req, NVH_ST_ABORT_REQUESTED);
		return true;
	}
	return false;
}

static void abort_done(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);

	nvh_le32_put(&req->cpl.dw0, req->step ? 0 : NVH_ABORT_NOT_ABORTED);
	tl_request_complete(req, NVH_ST_SUCCESS);
}

static void abort_on_queue(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_qpair *qpair = req->scratch;

	req->step = !tl_qpair_closing(qpair) && abort_one(qpair, (uint16_t)(tl_cdw10(req) >> 16));
	req->scratch = NULL;
	req->msg.fn = abort_done;
	nvhi_reactor_post(req->qpair->group->reactor, &req->msg);
}

/* A queue pair found here outlives the message: its release travels the same way, behind it. */
static void abort_on_mgmt(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint16_t sqid = (uint16_t)tl_cdw10(req);
	struct tl_qpair *qpair;

	req->step = 0;
	nvhi_list_for_each(qpair, &ctrlr->qpairs, ctrlr_link) {
		if (qpair->qid != sqid || __atomic_load_n(&qpair->left, __ATOMIC_ACQUIRE))
			continue;
		req->scratch = qpair;
		req->msg.fn = abort_on_queue;
		nvhi_reactor_post(qpair->group->reactor, &req->msg);
		return;
	}
	req->msg.fn = abort_done;
	nvhi_reactor_post(req->qpair->group->reactor, &req->msg);
}

void tl_abort_exec(struct tl_request *req)
{
	req->msg.fn = abort_on_mgmt;
	nvhi_reactor_post(req->qpair->group->target->mgmt, &req->msg);
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static bool admin_allowed_in_discovery(uint8_t opc)
{
	return opc == NVH_ADM_IDENTIFY || opc == NVH_ADM_GET_LOG_PAGE ||
	       opc == NVH_ADM_KEEP_ALIVE || opc == NVH_ADM_AER || opc == NVH_ADM_SET_FEATURES ||
	       opc == NVH_ADM_GET_FEATURES || opc == NVH_ADM_ABORT;
}

void tl_admin_exec(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint8_t opc = req->cmd.opc;

	tl_count(&ctrlr->groups[req->qpair->group->index].commands, 1);
	if (ctrlr->discovery && ctrlr->kato_ms && opc != NVH_ADM_KEEP_ALIVE &&
	    !(ctrlr->aen_config & TL_DISCOVERY_AEN))
		tl_ctrlr_keep_alive(ctrlr); /* its timeout is one of inactivity */
	if (!atomic_load_explicit(&ctrlr->enabled, memory_order_relaxed)) {
		tl_request_complete(req, atomic_load(&ctrlr->dying) ? NVH_ST_ABORTED_SQ_DELETION
								    : TL_DNR(NVH_ST_CMD_SEQUENCE));
		return;
	}
	if (ctrlr->discovery && !admin_allowed_in_discovery(opc)) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_OPCODE));
		return;
	}
	switch (opc) {
	case NVH_ADM_IDENTIFY:
		tl_identify_exec(req);
		break;
	case NVH_ADM_GET_LOG_PAGE:
		tl_log_exec(req);
		break;
	case NVH_ADM_SET_FEATURES:
		tl_set_features_exec(req);
		break;
	case NVH_ADM_GET_FEATURES:
		tl_get_features_exec(req);
		break;
	case NVH_ADM_ABORT:
		tl_abort_exec(req);
		break;
	case NVH_ADM_AER:
		tl_aer_exec(req);
		break;
	case NVH_ADM_CCR:
		if (ctrlr->subsystem->ccr == TL_CCR_OFF)
			tl_request_complete(req, TL_DNR(NVH_ST_INVALID_OPCODE));
		else
			tl_ccr_exec(req);
		break;
	case NVH_ADM_KEEP_ALIVE:
		tl_ctrlr_keep_alive(ctrlr);
		tl_request_complete(req, NVH_ST_SUCCESS);
		break;
	default:
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_OPCODE));
	}
}
