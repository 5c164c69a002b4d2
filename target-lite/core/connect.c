/*
 * Connect: on the queue's reactor the command is checked, on the management reactor the subsystem,
 * the host and the controller are found (or the controller is made), and back on the queue's
 * reactor the queue goes live. Base Specification 2.1 section 6.3.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "target-lite/core/impl.h"

#define CONNECT_DISCOVERY_KATO_MS 120000u

static const struct nvh_fab_connect_cmd *connect_cmd(const struct tl_request *req)
{
	return (const struct nvh_fab_connect_cmd *)&req->cmd;
}

static const struct nvh_fab_connect_data *connect_data(const struct tl_request *req)
{
	return req->iov.iov_base;
}

#define CONNECT_CMD_FIELD(f)  false, offsetof(struct nvh_fab_connect_cmd, f)
#define CONNECT_DATA_FIELD(f) true, offsetof(struct nvh_fab_connect_data, f)

/* Remembers the answer; it is sent when the request is back on its reactor. */
static void connect_refuse(struct tl_request *req, unsigned int status)
{
	req->first_error = (uint16_t)TL_DNR(status);
}

static void connect_invalid(struct tl_request *req, bool in_data, size_t offset)
{
	nvh_le32_put(&req->cpl.dw0, nvh_connect_invalid(in_data, (unsigned int)offset));
	connect_refuse(req, NVH_ST_CONNECT_INVALID_PARAM);
}

/* ---- management reactor --------------------------------------------------------------------- */

static int connect_pick_cntlid(struct tl_subsystem *ss, uint16_t *ret_cntlid)
{
	uint32_t range = (uint32_t)ss->max_cntlid - ss->min_cntlid + 1;

	for (uint32_t i = 0; i < range; i++) {
		uint16_t id = ss->next_cntlid;
		struct tl_ctrlr *ctrlr;
		bool used = false;

		ss->next_cntlid = id == ss->max_cntlid ? ss->min_cntlid : (uint16_t)(id + 1);
		nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
			used = used || ctrlr->cntlid == id;
		if (!used) {
			*ret_cntlid = id;
			return 0;
		}
	}
	return -ENOSPC;
}

static void connect_attach(struct tl_ctrlr *ctrlr, struct tl_qpair *qpair, struct tl_request *req)
{
	nvhi_list_add_tail(&ctrlr->qpairs, &qpair->ctrlr_link);
	qpair->attached = true;
	qpair->granted = ctrlr;
	if (qpair->qid == 0)
		ctrlr->admin = qpair;
	else
		ctrlr->io_qpairs++;
	nvh_le32_put(&req->cpl.dw0, ctrlr->cntlid);
}

static void connect_admin(struct tl_subsystem *ss, struct tl_request *req)
{
	const struct nvh_fab_connect_data *data = connect_data(req);
	struct tl_qpair *qpair = req->qpair;
	struct tl_subsystem_listener *sl = tl_subsystem_find_listener(ss, &qpair->listen_addr);
	struct tl_ctrlr *ctrlr;
	uint16_t cntlid;

	if (nvh_le16_get(data->cntlid) != NVH_CNTLID_DYNAMIC) {
		connect_invalid(req, CONNECT_DATA_FIELD(cntlid));
		return;
	}
	if (sl && sl->adding)
		sl = NULL;
	if (!sl && ss->type == TL_SUBSYSTEM_NVM) {
		nvhi_log(INFO, TARGET, "%s: %s has no listener %s:%s", qpair->peer, ss->nqn,
			 qpair->listen_addr.traddr, qpair->listen_addr.trsvcid);
		connect_invalid(req, CONNECT_DATA_FIELD(subnqn));
		return;
	}
	if (connect_pick_cntlid(ss, &cntlid)) {
		nvhi_log(WARN, TARGET, "%s: no free CNTLID in %s", qpair->peer, ss->nqn);
		connect_refuse(req, NVH_ST_CONNECT_BUSY);
		return;
	}
	if (tl_ctrlr_create(ss, qpair, cntlid, &ctrlr)) {
		connect_refuse(req, NVH_ST_INTERNAL);
		return;
	}
	ctrlr->listener = sl;
	if (sl)
		sl->ctrlrs++;
	memcpy(ctrlr->hostid, data->hostid, sizeof(ctrlr->hostid));
	memcpy(ctrlr->hostnqn, data->hostnqn, strnlen(data->hostnqn, TL_NQN_MAX));
	connect_attach(ctrlr, qpair, req);
	nvhi_log(INFO, TARGET, "%s: created for %s from %s", ctrlr->name, ctrlr->hostnqn,
		 qpair->peer);
}

static struct tl_ctrlr *connect_find_ctrlr(struct tl_subsystem *ss,
					   const struct nvh_fab_connect_data *data)
{
	uint16_t cntlid = nvh_le16_get(data->cntlid);
	struct tl_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
		if (ctrlr->cntlid == cntlid && ctrlr->state == TL_CTRLR_LIVE && ctrlr->admin)
			return ctrlr;
	return NULL;
}

static void connect_io(struct tl_subsystem *ss, struct tl_request *req)
{
	const struct nvh_fab_connect_data *data = connect_data(req);
	uint16_t qid = nvh_le16_get(connect_cmd(req)->qid);
	struct tl_ctrlr *ctrlr = connect_find_ctrlr(ss, data);
	struct tl_qpair *other;

	if (!ctrlr) {
		connect_invalid(req, CONNECT_DATA_FIELD(cntlid));
		return;
	}
	if (strncmp(ctrlr->hostnqn, data->hostnqn, TL_NQN_MAX)) {
		connect_invalid(req, CONNECT_DATA_FIELD(hostnqn));
		return;
	}
	if (memcmp(ctrlr->hostid, data->hostid, sizeof(ctrlr->hostid))) {
		connect_invalid(req, CONNECT_DATA_FIELD(hostid));
		return;
	}
	if (ctrlr->discovery || qid > ctrlr->max_io_queues) {
		connect_invalid(req, CONNECT_CMD_FIELD(qid));
		return;
	}
	if (!atomic_load(&ctrlr->enabled) || ctrlr->quiescing) {
		nvhi_log(INFO, TARGET, "%s: Connect of queue %u before the controller is enabled",
			 ctrlr->name, qid);
		connect_refuse(req, NVH_ST_CMD_SEQUENCE);
		return;
	}
	nvhi_list_for_each(other, &ctrlr->qpairs, ctrlr_link) {
		if (other->qid == qid && !__atomic_load_n(&other->left, __ATOMIC_ACQUIRE)) {
			connect_refuse(req, NVH_ST_QID_INVALID);
			return;
		}
	}
	connect_attach(ctrlr, req->qpair, req);
}

static void connect_back(struct tl_request *req);

/* What a peer sends goes into the log only as far as it is text. */
static const char *connect_nqn_text(const char *nqn)
{
	return memchr(nqn, 0, TL_NQN_SIZE) && tl_nqn_valid(nqn) ? nqn : "what is no NQN";
}

static void connect_on_mgmt(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	const struct nvh_fab_connect_data *data = connect_data(req);
	struct tl_qpair *qpair = req->qpair;
	struct tl_target *target = qpair->group->target;
	struct tl_subsystem *ss = NULL;

	req->first_error = 0;
	if (memchr(data->subnqn, 0, TL_NQN_SIZE) && !target->stopping)
		ss = tl_target_find_subsystem(target, data->subnqn);
	/* A nameless host (SPDK's perf is one unless told its name) passes where any host does. */
	if (!memchr(data->hostnqn, 0, TL_NQN_SIZE) ||
	    (data->hostnqn[0] && !tl_nqn_valid(data->hostnqn)))
		connect_invalid(req, CONNECT_DATA_FIELD(hostnqn));
	else if (!ss || ss->deleting)
		connect_invalid(req, CONNECT_DATA_FIELD(subnqn));
	else if (ss->state == TL_SUBSYSTEM_INACTIVE || ss->state == TL_SUBSYSTEM_ACTIVATING)
		connect_refuse(req, NVH_ST_CONNECT_BUSY);
	else if (!tl_subsystem_host_allowed(ss, data->hostnqn))
		connect_refuse(req, NVH_ST_CONNECT_INVALID_HOST);
	else if (nvh_le16_get(connect_cmd(req)->qid) == 0)
		connect_admin(ss, req);
	else
		connect_io(ss, req);
	if (req->first_error)
		nvhi_log(INFO, TARGET, "%s: Connect to %s refused: %s", qpair->peer,
			 connect_nqn_text(data->subnqn),
			 nvh_fabrics_status_text(req->first_error >> 8 & 7,
						 req->first_error & 0xff));
	connect_back(req);
}

/* ---- the queue's reactor -------------------------------------------------------------------- */

static void connect_go_live(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;
	const struct nvh_fab_connect_cmd *cmd = connect_cmd(req);
	struct tl_group_stats *stats = &qpair->group->stats;

	qpair->ctrlr = qpair->granted;
	qpair->gs = &qpair->ctrlr->subsystem->groups[qpair->group->index];
	qpair->entries = (uint32_t)nvh_le16_get(cmd->sqsize) + 1;
	qpair->sq_head = 1;
	qpair->sqfc_off = cmd->cattr & NVH_CATTR_DISABLE_SQFLOW;
	tl_count(&stats->current_unassociated_qpairs, -1u);
	if (qpair->qid == 0) {
		uint32_t kato = nvh_le32_get(cmd->kato);

		tl_count(&stats->admin_qpairs, 1);
		tl_count(&stats->current_admin_qpairs, 1);
		if (qpair->ctrlr->discovery && kato)
			qpair->ctrlr->aen_config |= TL_DISCOVERY_AEN;
		else if (qpair->ctrlr->discovery)
			kato = CONNECT_DISCOVERY_KATO_MS;
		tl_ctrlr_admin_start(qpair->ctrlr, kato);
	} else {
		tl_count(&stats->io_qpairs, 1);
		tl_count(&stats->current_io_qpairs, 1);
	}
}

static void connect_done(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_qpair *qpair = req->qpair;
	unsigned int status = req->first_error;

	if (!status)
		connect_go_live(req);
	if (tl_qpair_closing(qpair)) {
		if (!status && qpair->qid == 0)
			tl_ctrlr_admin_stop(qpair->ctrlr);
		tl_request_complete(req, NVH_ST_ABORTED_SQ_DELETION);
		return;
	}
	if (!status && qpair->transport->ops->connected(qpair, qpair->entries)) {
		tl_request_complete(req, NVH_ST_INTERNAL);
		qpair->transport->ops->disconnect(qpair);
		return;
	}
	nvhi_fsm_set(&tl_qpair_fsm, &qpair->state, status ? TL_QPAIR_NEW : TL_QPAIR_LIVE,
		     NVHI_LOG_TARGET, qpair->peer);
	tl_request_complete(req, status);
}

static void connect_back(struct tl_request *req)
{
	req->msg.fn = connect_done;
	nvhi_reactor_post(req->qpair->group->reactor, &req->msg);
}

void tl_connect_exec(struct tl_request *req)
{
	const struct nvh_fab_connect_cmd *cmd = connect_cmd(req);
	struct tl_qpair *qpair = req->qpair;
	const struct tl_transport_opts *opts = &qpair->transport->opts;
	uint32_t entries = (uint32_t)nvh_le16_get(cmd->sqsize) + 1;
	uint32_t most = cmd->qid.b[0] | cmd->qid.b[1] ? opts->max_queue_depth : opts->max_aq_depth;

	if (qpair->state != TL_QPAIR_NEW) {
		tl_request_complete(req, TL_DNR(NVH_ST_CMD_SEQUENCE));
		return;
	}
	if (req->xfer_len < sizeof(struct nvh_fab_connect_data) || req->dir != NVH_DATA_TO_CTRLR) {
		tl_request_complete(req, TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN));
		return;
	}
	if (nvh_le16_get(cmd->recfmt) != 0) {
		tl_request_complete(req, TL_DNR(NVH_ST_CONNECT_FORMAT));
		return;
	}
	if (entries < 2 || entries > most) {
		nvhi_log(INFO, TARGET, "%s: Connect: SQSIZE %u is not between 1 and %u",
			 qpair->peer, entries - 1, most - 1);
		nvh_le32_put(&req->cpl.dw0, nvh_connect_invalid(CONNECT_CMD_FIELD(sqsize)));
		tl_request_complete(req, TL_DNR(NVH_ST_CONNECT_INVALID_PARAM));
		return;
	}
	nvhi_fsm_set(&tl_qpair_fsm, &qpair->state, TL_QPAIR_CONNECTING, NVHI_LOG_TARGET,
		     qpair->peer);
	qpair->qid = nvh_le16_get(cmd->qid);
	req->msg.fn = connect_on_mgmt;
	nvhi_reactor_post(qpair->group->target->mgmt, &req->msg);
}
