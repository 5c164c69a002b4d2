/*
 * Fabrics commands other than Connect: Property Get and Set (the controller's registers) and
 * Disconnect. Admin reactor for properties; any queue's for Disconnect.
 * Base Specification 2.1 sections 3.1.4, 6.4 to 6.6.
 */
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "target-lite/core/impl.h"

/* ---- Property Get --------------------------------------------------------------------------- */

static void property_get(struct tl_request *req)
{
	const struct nvh_fab_prop_cmd *cmd = (const struct nvh_fab_prop_cmd *)&req->cmd;
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	bool wide = (cmd->attrib & NVH_PROP_SIZE_MASK) == NVH_PROP_8_BYTES;
	bool reg_wide = false;
	uint64_t value;

	switch (nvh_le32_get(cmd->ofst)) {
	case NVH_REG_CAP:
		value = ctrlr->cap;
		reg_wide = true;
		break;
	case NVH_REG_VS:
		value = nvh_vs(2, 0, 0);
		break;
	case NVH_REG_CC:
		value = ctrlr->cc;
		break;
	case NVH_REG_CSTS:
		value = ctrlr->csts;
		break;
	case NVH_REG_NSSR:
		value = 0;
		break;
	case NVH_REG_CRTO:
		value = nvh_cap_to(ctrlr->cap);
		break;
	default:
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	if (wide != reg_wide) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	nvh_le32_put(&req->cpl.dw0, (uint32_t)value);
	nvh_le32_put(&req->cpl.dw1, (uint32_t)(value >> 32));
	tl_request_complete(req, NVH_ST_SUCCESS);
}

/* ---- Property Set --------------------------------------------------------------------------- */

/* Asks the management reactor to close the I/O queues; CSTS follows in tl_ctrlr_quiesced. */
static void property_quiesce(struct tl_ctrlr *ctrlr)
{
	atomic_store(&ctrlr->enabled, false);
	if (ctrlr->quiesce_pending)
		return;
	ctrlr->quiesce_pending = true;
	ctrlr->quiesce_msg.fn = tl_ctrlr_quiesce;
	nvhi_reactor_post(ctrlr->subsystem->target->mgmt, &ctrlr->quiesce_msg);
}

static void property_reset_features(struct tl_ctrlr *ctrlr)
{
	ctrlr->nr_queues = 0;
	ctrlr->acre = 0;
	ctrlr->aen_pending = 0;
	ctrlr->aen_masked = 0;
	tl_aer_abort_all(ctrlr, NVH_ST_ABORTED_SQ_DELETION);
}

void tl_ctrlr_quiesced(struct nvhi_msg *msg)
{
	struct tl_ctrlr *ctrlr = nvhi_container_of(msg, struct tl_ctrlr, quiesced_msg);

	ctrlr->quiesce_pending = false;
	if (nvh_cc_shn(ctrlr->cc) != NVH_CC_SHN_NONE) {
		ctrlr->csts &= ~(NVH_CSTS_SHST_MASK << NVH_CSTS_SHST_SHIFT);
		ctrlr->csts |= NVH_CSTS_SHST_COMPLETE << NVH_CSTS_SHST_SHIFT;
		nvhi_log(DEBUG, TARGET, "%s: shutdown complete", ctrlr->name);
	}
	if (!(ctrlr->cc & NVH_CC_EN)) {
		ctrlr->csts &= ~NVH_CSTS_RDY;
		nvhi_log(DEBUG, TARGET, "%s: disabled", ctrlr->name);
	}
}

static bool property_cc_valid(const struct tl_ctrlr *ctrlr, uint32_t cc)
{
	if (nvh_cc_mps(cc) || nvh_cc_ams(cc) || nvh_cc_css(cc) != NVH_CC_CSS_NVM)
		return false;
	if (ctrlr->discovery)
		return true;
	/* 0 is what a host writes that has not chosen yet; the sizes are fixed anyway. */
	return (!nvh_cc_iosqes(cc) || nvh_cc_iosqes(cc) == NVH_SQES_LOG2) &&
	       (!nvh_cc_iocqes(cc) || nvh_cc_iocqes(cc) == NVH_CQES_LOG2);
}

static void property_set_cc(struct tl_request *req, uint32_t cc)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint32_t was = ctrlr->cc;

	if ((cc & NVH_CC_EN) && !property_cc_valid(ctrlr, cc)) {
		nvhi_log(INFO, TARGET, "%s: CC %08x has a field that is not supported", ctrlr->name,
			 cc);
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	if ((cc & NVH_CC_EN) && !(was & NVH_CC_EN) && ctrlr->quiesce_pending) {
		tl_request_complete(req, NVH_ST_CMD_SEQUENCE);
		return;
	}
	ctrlr->cc = cc;
	if ((cc & NVH_CC_EN) && !(was & NVH_CC_EN)) {
		ctrlr->csts = NVH_CSTS_RDY;
		atomic_store(&ctrlr->enabled, true);
		nvhi_log(DEBUG, TARGET, "%s: enabled", ctrlr->name);
	}
	if (nvh_cc_shn(cc) != NVH_CC_SHN_NONE && nvh_cc_shn(was) == NVH_CC_SHN_NONE) {
		ctrlr->csts &= ~(NVH_CSTS_SHST_MASK << NVH_CSTS_SHST_SHIFT);
		ctrlr->csts |= NVH_CSTS_SHST_OCCURRING << NVH_CSTS_SHST_SHIFT;
		property_quiesce(ctrlr);
	}
	if (!(cc & NVH_CC_EN) && (was & NVH_CC_EN)) {
		property_reset_features(ctrlr);
		property_quiesce(ctrlr);
	}
	tl_request_complete(req, NVH_ST_SUCCESS);
}

static void property_set(struct tl_request *req)
{
	const struct nvh_fab_prop_cmd *cmd = (const struct nvh_fab_prop_cmd *)&req->cmd;

	if ((cmd->attrib & NVH_PROP_SIZE_MASK) != NVH_PROP_4_BYTES ||
	    nvh_le32_get(cmd->ofst) != NVH_REG_CC) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	property_set_cc(req, (uint32_t)nvh_le64_get(cmd->value));
}

/* ---- Disconnect ----------------------------------------------------------------------------- */

/*
 * The response says that no command of this queue will touch anything any more: what has not begun is
 * aborted, and it waits until it is the last request (tl_disconnect_check, from tl_request_end).
 */
static void disconnect_exec(struct tl_request *req)
{
	const struct nvh_fab_disconnect_cmd *cmd = (const struct nvh_fab_disconnect_cmd *)&req->cmd;
	struct tl_qpair *qpair = req->qpair;

	if (qpair->qid == 0) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_QUEUE_TYPE));
		return;
	}
	if (nvh_le16_get(cmd->recfmt) != 0) {
		tl_request_complete(req, TL_DNR(NVH_ST_CONNECT_FORMAT));
		return;
	}
	if (qpair->disconnect) {
		tl_request_complete(req, TL_DNR(NVH_ST_CMD_SEQUENCE));
		return;
	}
	tl_qpair_abort_waiting(qpair);
	req->state = TL_REQ_PARKED;
	tl_request_track(req);
	qpair->disconnect = req;
	tl_disconnect_check(qpair);
}

void tl_disconnect_check(struct tl_qpair *qpair)
{
	struct tl_request *req = qpair->disconnect;

	if (req->state != TL_REQ_PARKED || qpair->outstanding > 1)
		return;
	req->state = TL_REQ_ACTIVE;
	__atomic_store_n(&qpair->left, true, __ATOMIC_RELEASE);
	tl_request_complete(req, NVH_ST_SUCCESS);
}

void tl_fabrics_exec(struct tl_request *req)
{
	const struct nvh_fab_cmd *cmd = (const struct nvh_fab_cmd *)&req->cmd;
	struct tl_qpair *qpair = req->qpair;

	if (cmd->fctype == NVH_FCTYPE_CONNECT) {
		tl_connect_exec(req);
		return;
	}
	if (qpair->state != TL_QPAIR_LIVE || qpair->disconnect) {
		tl_request_complete(req, TL_DNR(NVH_ST_CMD_SEQUENCE));
		return;
	}
	switch (cmd->fctype) {
	case NVH_FCTYPE_PROPERTY_GET:
	case NVH_FCTYPE_PROPERTY_SET:
		if (qpair->qid != 0)
			tl_request_complete(req, TL_DNR(NVH_ST_INVALID_OPCODE));
		else if (cmd->fctype == NVH_FCTYPE_PROPERTY_GET)
			property_get(req);
		else
			property_set(req);
		return;
	case NVH_FCTYPE_DISCONNECT:
		disconnect_exec(req);
		return;
	default:
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_OPCODE));
	}
}
