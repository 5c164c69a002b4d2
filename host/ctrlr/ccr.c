/*
 * Cross-Controller Reset, the host's side: the command, and for what was only accepted the log, read
 * after each notice and with a growing delay, until it shows exactly that controller instance as
 * done or the time is over. Home reactor. Base Specification 2.3 section 5.4.3.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define CCR_POLL_FIRST_MS 5u
#define CCR_POLL_MAX_MS	  100u

static void ccr_look(struct nvhi_ccr *ccr);

void nvhi_ctrlr_assoc(const struct nvhi_ctrlr *ctrlr, struct nvhi_assoc *ret_assoc)
{
	const struct nvhi_ctrlr_caps *caps = &ctrlr->caps;

	memset(ret_assoc, 0, sizeof(*ret_assoc));
	snprintf(ret_assoc->subnqn, sizeof(ret_assoc->subnqn), "%s", ctrlr->opts.transport.subnqn);
	ret_assoc->cntlid = caps->cntlid;
	ret_assoc->ciu = caps->ciu;
	ret_assoc->cirn = caps->cirn;
	ret_assoc->ccr = caps->ccrl != 0 && caps->cirn != 0;
	ret_assoc->tbkas = caps->tbkas;
	ret_assoc->kato_ms = caps->kato_ms;
	ret_assoc->cqt_ms = caps->cqt_ms;
}

uint64_t nvhi_ctrlr_assoc_id(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->assoc_id;
}

bool nvhi_ctrlr_is_associated(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->associated;
}

bool nvhi_ctrlr_was_disabled(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->was_disabled || ctrlr->tctrlr->stopped;
}

static void ccr_end(struct nvhi_ccr *ccr, enum nvhi_ccr_result result, const char *why)
{
	nvhi_timer_cancel(ccr->ctrlr->home, &ccr->timer);
	nvhi_list_del(&ccr->link);
	if (result == NVHI_CCR_LOGGED)
		nvhi_aer_clear(ccr->ctrlr, NVH_LID_CCR); /* its entry may go */
	ccr->busy = false;
	ccr->done(ccr, result, why);
}

/* ---- the log ------------------------------------------------------------------------------- */

static void ccr_wait(struct nvhi_ccr *ccr)
{
	uint64_t now = nvhi_reactor_now(ccr->ctrlr->home);
	uint64_t when = now + ccr->poll_ms * NVHI_NSEC_PER_MSEC;

	if (ccr->stopped || now >= ccr->deadline) {
		ccr_end(ccr, NVHI_CCR_FAILED,
			ccr->stopped ? "the controller asked was lost" : "accepted, not done in time");
		return;
	}
	ccr->poll_ms = ccr->poll_ms * 2 < CCR_POLL_MAX_MS ? ccr->poll_ms * 2 : CCR_POLL_MAX_MS;
	if (when > ccr->deadline)
		when = ccr->deadline;
	if (nvhi_timer_arm_at(ccr->ctrlr->home, &ccr->timer, when))
		ccr_end(ccr, NVHI_CCR_FAILED, "no memory for a timer");
}

static void ccr_on_log(struct nvhi_log_page *log, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ccr *ccr = nvhi_container_of(log, struct nvhi_ccr, log);
	int told;

	ccr->polling = false;
	if (err || nvh_cpl_is_error(cpl)) {
		ccr_end(ccr, NVHI_CCR_FAILED,
			err ? strerror(-err)
			    : nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
		return;
	}
	told = nvhi_ccr_log_parse(ccr->page, sizeof(ccr->page), ccr->icid, ccr->ciu);
	if (told == NVHI_CCR_LOG_DONE) {
		ccr_end(ccr, NVHI_CCR_LOGGED, "");
	} else if (told == NVHI_CCR_LOG_FAILED) {
		ccr_end(ccr, NVHI_CCR_FAILED, "its log says that the reset failed");
	} else if (told < 0) {
		nvhi_log(WARN, CTRLR, "%s: cross-controller reset log: malformed (NE %u)",
			 ccr->ctrlr->name,
			 nvh_le16_get(((const struct nvh_ccr_log *)ccr->page)->ne));
		ccr_end(ccr, NVHI_CCR_FAILED, "its log is malformed");
	} else if (ccr->look_again) {
		ccr_look(ccr);
	} else {
		ccr_wait(ccr);
	}
}

static void ccr_look(struct nvhi_ccr *ccr)
{
	ccr->look_again = false;
	memset(&ccr->log, 0, sizeof(ccr->log));
	ccr->log.lid = NVH_LID_CCR;
	ccr->log.nsid = NVH_NSID_ALL;
	ccr->log.rae = true; /* the notice is cleared by the reading behind it (aer.c) */
	ccr->log.data = ccr->page;
	ccr->log.len = sizeof(ccr->page);
	ccr->log.done = ccr_on_log;
	ccr->polling = true;
	if (ccr->stopped || nvhi_log_page_read(ccr->ctrlr, &ccr->log) < 0) {
		ccr->polling = false;
		ccr_end(ccr, NVHI_CCR_FAILED, "the controller asked was lost");
	}
}

static void ccr_on_timer(struct nvhi_timer *timer)
{
	ccr_look(nvhi_container_of(timer, struct nvhi_ccr, timer));
}

void nvhi_ccr_notice(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ccr *ccr, *next;

	nvhi_list_for_each_safe(ccr, next, &ctrlr->ccrs, link) {
		if (!nvhi_timer_armed(&ccr->timer)) {
			ccr->look_again = true;
			continue;
		}
		nvhi_timer_cancel(ctrlr->home, &ccr->timer);
		ccr_look(ccr);
	}
}

/* ---- the command --------------------------------------------------------------------------- */

static void ccr_on_answer(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ccr *ccr = nvhi_container_of(admin, struct nvhi_ccr, cmd);

	if (err) {
		ccr_end(ccr, NVHI_CCR_FAILED, strerror(-err));
	} else if (!nvh_cpl_is_error(cpl)) {
		if (nvhi_ccr_is_immediate(nvh_le32_get(cpl->dw0)))
			ccr_end(ccr, NVHI_CCR_NOW, "");
		else if (ccr->look_again)
			ccr_look(ccr);
		else
			ccr_wait(ccr);
	} else if (nvh_cpl_code(cpl) == NVH_ST_CCR_IN_PROGRESS) {
		ccr_wait(ccr); /* asked for before, perhaps by an earlier process: the log tells */
	} else {
		ccr_end(ccr, NVHI_CCR_FAILED, nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	}
}

int nvhi_ccr_start(struct nvhi_ctrlr *ctrlr, struct nvhi_ccr *ccr, const struct nvhi_assoc *target,
		   uint32_t wait_ms)
{
	struct nvh_cmd *cmd = &ccr->cmd.req.cmd;
	int err;

	if (!ctrlr->caps.ccrl)
		return -EOPNOTSUPP;
	ccr->ctrlr = ctrlr;
	ccr->icid = target->cntlid;
	ccr->ciu = target->ciu;
	ccr->stopped = ccr->look_again = ccr->polling = false;
	ccr->poll_ms = CCR_POLL_FIRST_MS;
	ccr->deadline = nvhi_reactor_now(ctrlr->home) + wait_ms * NVHI_NSEC_PER_MSEC;
	ccr->timer.fn = ccr_on_timer;
	memset(&ccr->cmd, 0, sizeof(ccr->cmd));
	cmd->opc = NVH_ADM_CCR;
	nvh_le32_put(&cmd->cdw10, nvh_ccr_cdw10(target->cntlid, target->ciu));
	nvh_le32_put(&cmd->cdw12, (uint32_t)target->cirn);
	nvh_le32_put(&cmd->cdw13, (uint32_t)(target->cirn >> 32));
	ccr->cmd.done = ccr_on_answer;
	err = nvhi_admin_submit(ctrlr, &ccr->cmd, NULL, 0);
	if (err)
		return err;
	ccr->busy = true;
	nvhi_list_add_tail(&ctrlr->ccrs, &ccr->link);
	return 0;
}

/* Commands under way come back by themselves. */
void nvhi_ccr_stop(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ccr *ccr, *next;

	nvhi_list_for_each_safe(ccr, next, &ctrlr->ccrs, link) {
		ccr->stopped = true;
		if (nvhi_timer_armed(&ccr->timer))
			ccr_end(ccr, NVHI_CCR_FAILED, "the controller asked was lost");
	}
}
