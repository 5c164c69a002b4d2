/*
 * The admin queue's commands: sent in order while there is room, timed each, retried after the
 * delay that CRD asks for, aborted when late, and the controller reset when even that does not
 * help. A few slots are kept for keep-alives and Aborts. Home reactor. Base Specification 2.1
 * section 3.3.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define RETRY_DELAY_MS 20u /* where the status has no CRD */
#define CRDT_UNIT_MS   100u
#define STEP_MARGIN_MS 500u

enum admin_stage {
	ADMIN_IDLE,
	ADMIN_WAITING,
	ADMIN_SENT,
	ADMIN_ABORTING,
	ADMIN_RETRYING,
};

bool nvhi_admin_busy(const struct nvhi_admin *admin)
{
	return admin->stage != ADMIN_IDLE;
}

static void admin_finish(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	nvhi_timer_cancel(admin->ctrlr->home, &admin->timer);
	nvhi_list_del(&admin->link);
	nvhi_abort_cancel(&admin->abort);
	admin->stage = ADMIN_IDLE;
	admin->done(admin, err, cpl);
}

/* ---- retries ----------------------------------------------------------------------------- */

static bool admin_retry(struct nvhi_admin *admin, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = admin->ctrlr;
	unsigned int crd = nvh_cpl_crd(cpl);
	uint64_t ms = RETRY_DELAY_MS;

	if (!nvh_cpl_is_error(cpl) || nvh_cpl_dnr(cpl) || admin->tries >= admin->retries ||
	    nvhi_ctrlr_is_ending(ctrlr))
		return false;
	if (crd)
		ms = (uint64_t)ctrlr->caps.crdt[crd - 1] * CRDT_UNIT_MS;
	if (ms > ctrlr->opts.admin_timeout_ms)
		return false; /* up to two hours: longer than anybody here can wait */
	nvhi_list_del(&admin->link);
	if (nvhi_timer_arm(ctrlr->home, &admin->timer, ms * NVHI_NSEC_PER_MSEC) < 0)
		return false;
	if (admin == &ctrlr->cmd)
		nvhi_ctrlr_step(ctrlr, ctrlr->step,
				(uint32_t)ms + admin->timeout_ms + STEP_MARGIN_MS);
	nvhi_abort_cancel(&admin->abort);
	admin->tries++;
	admin->stage = ADMIN_RETRYING;
	nvhi_list_add_tail(&ctrlr->admin_retrying, &admin->link);
	return true;
}

static void admin_req_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_admin *admin = nvhi_container_of(req, struct nvhi_admin, req);
	struct nvhi_ctrlr *ctrlr = admin->ctrlr;

	if (err && admin->timed_out)
		err = -ETIMEDOUT;
	if (!err && !admin->urgent)
		ctrlr->admin_heard_ns = req->submit_ns;
	if (err || !admin_retry(admin, cpl))
		admin_finish(admin, err, cpl);
	nvhi_admin_next(ctrlr);
}

/* ---- time -------------------------------------------------------------------------------- */

static void admin_on_timer(struct nvhi_timer *timer)
{
	struct nvhi_admin *admin = nvhi_container_of(timer, struct nvhi_admin, timer);
	struct nvhi_ctrlr *ctrlr = admin->ctrlr;

	if (admin->stage != ADMIN_RETRYING && nvhi_deadline_stalled(ctrlr->home, timer))
		return;
	switch (admin->stage) {
	case ADMIN_WAITING: /* never sent: the queue was full all the time */
		admin_finish(admin, -ETIMEDOUT, NULL);
		break;
	case ADMIN_RETRYING:
		nvhi_list_del(&admin->link);
		nvhi_admin_enqueue(admin, false);
		break;
	case ADMIN_SENT:
		admin->timed_out = true;
		if (ctrlr->state != NVHI_CTRLR_LIVE || admin->urgent) {
			nvhi_ctrlr_fail(ctrlr, -ETIMEDOUT, NULL,
					admin == &ctrlr->cmd
						? ctrlr->step
						: nvh_admin_opc_name(admin->req.cmd.opc),
					"no answer within %u ms", admin->timeout_ms);
			break;
		}
		nvhi_log(WARN, CTRLR, "%s: %s (cid 0x%04x) not answered within %u ms: aborting it",
			 ctrlr->name, nvh_admin_opc_name(admin->req.cmd.opc),
			 nvh_le16_get(admin->req.cmd.cid), admin->timeout_ms);
		admin->stage = ADMIN_ABORTING;
		nvhi_abort_queue(ctrlr, &admin->abort, 0, nvh_le16_get(admin->req.cmd.cid));
		if (nvhi_timer_arm(ctrlr->home, &admin->timer,
				   nvhi_abort_grace_ms(ctrlr) * NVHI_NSEC_PER_MSEC) == 0)
			break;
		/* fall through */
	default:
		nvhi_ctrlr_fail(ctrlr, -ETIMEDOUT, NULL, nvh_admin_opc_name(admin->req.cmd.opc),
				"no answer %u ms after its Abort", nvhi_abort_grace_ms(ctrlr));
		break;
	}
}

/* ---- sending ----------------------------------------------------------------------------- */

static bool admin_room(const struct nvhi_ctrlr *ctrlr, const struct nvhi_admin *admin)
{
	uint32_t keep = admin->urgent ? 0 : NVHI_ADMIN_RESERVED;

	return ctrlr->admin && !ctrlr->admin_revoking &&
	       (uint32_t)ctrlr->admin->inflight + keep < ctrlr->admin->depth;
}

static bool admin_send(struct nvhi_admin *admin)
{
	struct nvhi_ctrlr *ctrlr = admin->ctrlr;

	if (!admin_room(ctrlr, admin))
		return false;
	admin->req.sent = false;
	admin->req.transferred = 0;
	if (admin->req.dir != NVHI_DIR_NONE)
		nvhi_iov_cursor_init(&admin->req.data, &admin->iov, 1);
	if (ctrlr->transport->submit(ctrlr->admin, &admin->req) < 0)
		return false; /* its loss is about to be told */
	admin->stage = ADMIN_SENT;
	nvhi_list_del(&admin->link);
	nvhi_list_add_tail(&ctrlr->admin_sent, &admin->link);
	return true;
}

void nvhi_admin_next(struct nvhi_ctrlr *ctrlr)
{
	while (!nvhi_list_empty(&ctrlr->admin_waiting))
		if (!admin_send(nvhi_list_first(&ctrlr->admin_waiting, struct nvhi_admin, link)))
			break;
}

void nvhi_admin_enqueue(struct nvhi_admin *admin, bool first)
{
	struct nvhi_ctrlr *ctrlr = admin->ctrlr;

	admin->stage = ADMIN_WAITING;
	if (first)
		nvhi_list_add_head(&ctrlr->admin_waiting, &admin->link);
	else
		nvhi_list_add_tail(&ctrlr->admin_waiting, &admin->link);
	if (nvhi_timer_arm(ctrlr->home, &admin->timer, admin->timeout_ms * NVHI_NSEC_PER_MSEC) <
	    0) {
		nvhi_ctrlr_fail(ctrlr, -ENOMEM, NULL, "admin command", "no memory for its timer");
		return;
	}
	nvhi_admin_next(ctrlr);
}

static void admin_prepare(struct nvhi_ctrlr *ctrlr, struct nvhi_admin *admin, void *data,
			  uint32_t len)
{
	const struct nvh_cmd *cmd = &admin->req.cmd;
	uint8_t opc = cmd->opc;

	if (opc == NVH_ADM_FABRICS)
		opc = ((const struct nvh_fab_cmd *)cmd)->fctype;
	assert(admin->stage == ADMIN_IDLE);
	admin->ctrlr = ctrlr;
	admin->timer.fn = admin_on_timer;
	admin->timed_out = false;
	admin->tries = 0;
	if (!admin->timeout_ms)
		admin->timeout_ms = ctrlr->opts.admin_timeout_ms;
	nvhi_list_init(&admin->link);
	nvhi_list_init(&admin->abort.link);
	admin->abort.sent = nvhi_abort_sent_none;
	admin->iov = (struct iovec){.iov_base = data, .iov_len = len};
	admin->req.len = len;
	admin->req.dir = NVHI_DIR_NONE;
	if (len)
		admin->req.dir = nvh_opc_data_dir(opc) & NVH_DATA_TO_HOST ? NVHI_DIR_TO_HOST
									  : NVHI_DIR_TO_CTRLR;
	admin->req.short_ok = admin->short_ok;
	admin->req.done = admin_req_done;
}

int nvhi_admin_submit(struct nvhi_ctrlr *ctrlr, struct nvhi_admin *admin, void *data, uint32_t len)
{
	if (ctrlr->state != NVHI_CTRLR_LIVE)
		return -ENOTCONN;
	if ((len && !data) || len > ctrlr->caps.max_transfer)
		return -EINVAL;
	admin->urgent = false;
	admin_prepare(ctrlr, admin, data, len);
	nvhi_admin_enqueue(admin, false);
	return 0;
}

void nvhi_admin_submit_internal(struct nvhi_ctrlr *ctrlr, struct nvhi_admin *admin, void *data,
				uint32_t len)
{
	admin->urgent = false;
	admin_prepare(ctrlr, admin, data, len);
	nvhi_admin_enqueue(admin, false);
}

void nvhi_admin_submit_urgent(struct nvhi_ctrlr *ctrlr, struct nvhi_admin *admin)
{
	admin->urgent = true;
	admin_prepare(ctrlr, admin, NULL, 0);
	nvhi_admin_enqueue(admin, true);
}

static void admin_flush_list(struct nvhi_list *list)
{
	struct nvhi_list all;

	nvhi_list_init(&all);
	nvhi_list_splice_tail(&all, list);
	while (!nvhi_list_empty(&all))
		admin_finish(nvhi_list_first(&all, struct nvhi_admin, link), -ENOTCONN, NULL);
}

void nvhi_admin_flush(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_admin *admin;

	nvhi_list_for_each(admin, &ctrlr->admin_sent, link)
		nvhi_timer_cancel(ctrlr->home, &admin->timer); /* they come back with the queue */
	admin_flush_list(&ctrlr->admin_waiting);
	admin_flush_list(&ctrlr->admin_retrying);
}

/* ---- commands of ours -------------------------------------------------------------------- */

void nvhi_ctrlr_cmd_begin(struct nvhi_ctrlr *ctrlr, const char *step, nvhi_admin_fn done)
{
	struct nvhi_admin *cmd = &ctrlr->cmd;

	assert(!nvhi_admin_busy(cmd));
	memset(cmd, 0, sizeof(*cmd));
	cmd->done = done;
	cmd->timeout_ms = ctrlr->opts.transport.connect_timeout_ms;
	nvhi_ctrlr_step(ctrlr, step, cmd->timeout_ms + STEP_MARGIN_MS);
}

void nvhi_admin_identify(struct nvhi_admin *admin, uint8_t cns, uint32_t nsid, uint8_t csi)
{
	memset(&admin->req.cmd, 0, sizeof(admin->req.cmd));
	admin->req.cmd.opc = NVH_ADM_IDENTIFY;
	nvh_le32_put(&admin->req.cmd.nsid, nsid);
	nvh_le32_put(&admin->req.cmd.cdw10, cns);
	nvh_le32_put(&admin->req.cmd.cdw11, (uint32_t)csi << NVH_IDENTIFY_CSI_SHIFT);
}

void nvhi_admin_set_feature(struct nvhi_admin *admin, uint8_t fid, uint32_t cdw11)
{
	memset(&admin->req.cmd, 0, sizeof(admin->req.cmd));
	admin->req.cmd.opc = NVH_ADM_SET_FEATURES;
	nvh_le32_put(&admin->req.cmd.cdw10, fid);
	nvh_le32_put(&admin->req.cmd.cdw11, cdw11);
}
