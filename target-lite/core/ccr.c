/*
 * Cross-Controller Reset: one controller of a subsystem ends another one of the same host. The
 * command travels to the management reactor, where controllers are born and end, and so does the
 * reading of its log. Done is it when the other controller is gone: no command of it is left
 * anywhere. Base Specification 2.3 sections 5.4.3 and 5.2.12.3.1. Management reactor.
 */
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_ccr.h"
#include "base/spec/nvme_log.h"
#include "target-lite/core/impl.h"

#define CCR_AT_ONCE_MS 100u /* so long an answer that says "done" may take */
#define CCR_LOG_MAX    32u

struct tl_ccr {
	struct nvhi_list link; /* subsystem->ccrs */
	struct tl_subsystem *ss;
	struct tl_ctrlr *source;   /* NULL: gone */
	struct tl_ctrlr *impacted; /* NULL: gone, so it is done */
	struct tl_request *req;	   /* not yet answered */
	struct nvhi_timer timer;
	uint16_t icid, acid;
	uint8_t ciu;
};

/* ---- answers ------------------------------------------------------------------------------- */

static void ccr_answered(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);

	tl_request_complete(req, req->step);
}

static void ccr_answer(struct tl_request *req, unsigned int status, uint32_t dw0)
{
	req->step = status;
	nvh_le32_put(&req->cpl.dw0, dw0);
	req->msg.fn = ccr_answered;
	nvhi_reactor_post(req->qpair->group->reactor, &req->msg);
}

static void ccr_free(struct tl_ccr *ccr)
{
	nvhi_timer_cancel(ccr->ss->target->mgmt, &ccr->timer);
	nvhi_list_del(&ccr->link);
	free(ccr);
}

/* It takes too long to be done at once: accepted, the log tells the rest. */
static void ccr_late(struct nvhi_timer *timer)
{
	struct tl_ccr *ccr = nvhi_container_of(timer, struct tl_ccr, timer);
	struct tl_request *req = ccr->req;

	ccr->req = NULL;
	ccr_answer(req, NVH_ST_SUCCESS, 0);
}

static void ccr_remember(const struct tl_ctrlr *ctrlr)
{
	struct tl_subsystem *ss = ctrlr->subsystem;

	if (ctrlr->cirn)
		ss->gone[ss->nr_gone++ % TL_CCR_GONE] = (struct tl_ccr_gone){
			.cntlid = ctrlr->cntlid, .ciu = ctrlr->ciu, .cirn = ctrlr->cirn};
}

void tl_ccr_ctrlr_gone(struct tl_ctrlr *ctrlr)
{
	struct tl_ccr *ccr, *next;

	ccr_remember(ctrlr);

	nvhi_list_for_each_safe(ccr, next, &ctrlr->subsystem->ccrs, link) {
		if (ccr->source == ctrlr)
			ccr->source = NULL;
		if (ccr->impacted == ctrlr) {
			ccr->impacted = NULL;
			if (ccr->req) {
				ccr_answer(ccr->req, NVH_ST_SUCCESS, NVH_CCR_IMMEDIATE);
				ccr_free(ccr);
				continue;
			}
			if (ccr->source)
				tl_ctrlr_post_event(ccr->source, TL_EVENT_CCR);
		}
		if (!ccr->source && !ccr->impacted)
			ccr_free(ccr);
	}
}

/* ---- the command --------------------------------------------------------------------------- */

static uint64_t cmd_cirn(const struct nvh_cmd *cmd)
{
	return (uint64_t)nvh_le32_get(cmd->cdw13) << 32 | nvh_le32_get(cmd->cdw12);
}

/* It has ended by itself meanwhile: there is nothing left to reset. Only one we remember: another
 * target may serve the same subsystem, and we cannot speak for its controllers. */
static bool ccr_is_gone(const struct tl_subsystem *ss, const struct nvh_cmd *cmd)
{
	uint32_t cdw10 = nvh_le32_get(cmd->cdw10);

	for (uint32_t i = 0; i < TL_CCR_GONE && i < ss->nr_gone; i++)
		if (ss->gone[i].cntlid == (cdw10 & NVH_CCR_ICID_MASK) &&
		    ss->gone[i].ciu == (cdw10 >> NVH_CCR_CIU_SHIFT & NVH_CCR_CIU_MASK) &&
		    ss->gone[i].cirn == cmd_cirn(cmd))
			return true;
	return false;
}

static struct tl_ctrlr *ccr_find(const struct tl_ctrlr *source, const struct nvh_cmd *cmd)
{
	uint32_t cdw10 = nvh_le32_get(cmd->cdw10);
	struct tl_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &source->subsystem->ctrlrs, link)
		if (ctrlr != source && ctrlr->cntlid == (cdw10 & NVH_CCR_ICID_MASK) &&
		    ctrlr->ciu == (cdw10 >> NVH_CCR_CIU_SHIFT & NVH_CCR_CIU_MASK) &&
		    ctrlr->cirn == cmd_cirn(cmd) &&
		    !memcmp(ctrlr->hostid, source->hostid, sizeof(ctrlr->hostid)))
			return ctrlr;
	return NULL;
}

/* 0, or why not. */
static unsigned int ccr_check(const struct tl_ctrlr *source, const struct tl_ctrlr *impacted)
{
	uint32_t running = 0, listed = 0;
	const struct tl_ccr *ccr;

	nvhi_list_for_each(ccr, &source->subsystem->ccrs, link) {
		if (ccr->impacted == impacted)
			return NVH_ST_CCR_IN_PROGRESS;
		listed += ccr->source == source;
		running += ccr->source == source && ccr->impacted;
	}
	if (running >= TL_CCR_LIMIT)
		return NVH_ST_CCR_LIMIT;
	return listed >= CCR_LOG_MAX ? NVH_ST_CCR_LOG_FULL : 0;
}

static void ccr_begin(struct tl_request *req, struct tl_ctrlr *source, struct tl_ctrlr *impacted)
{
	struct tl_subsystem *ss = source->subsystem;
	struct tl_ccr *ccr = calloc(1, sizeof(*ccr));

	if (!ccr) {
		ccr_answer(req, NVH_ST_INTERNAL, 0);
		return;
	}
	ccr->ss = ss;
	ccr->source = source;
	ccr->impacted = impacted;
	ccr->icid = impacted->cntlid;
	ccr->acid = source->cntlid;
	ccr->ciu = impacted->ciu;
	ccr->timer.fn = ccr_late;
	nvhi_list_add_tail(&ss->ccrs, &ccr->link);
	nvhi_log(INFO, TARGET, "%s: reset through %s", impacted->name, source->name);
	if (ss->ccr == TL_CCR_IMMEDIATE &&
	    !nvhi_timer_arm(ss->target->mgmt, &ccr->timer, CCR_AT_ONCE_MS * NVHI_NSEC_PER_MSEC))
		ccr->req = req;
	else
		ccr_answer(req, NVH_ST_SUCCESS, 0);
	tl_ctrlr_disconnect(impacted);
	/* What is held below may take its time, but no more than was promised. */
	tl_ctrlr_quench_after(impacted, ss->ccr == TL_CCR_LATER ? ss->cqt_ms : 0);
}

static void ccr_on_mgmt(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_ctrlr *source = tl_request_ctrlr(req);
	struct tl_ctrlr *impacted = ccr_find(source, &req->cmd);
	unsigned int status = impacted ? ccr_check(source, impacted) : TL_DNR(NVH_ST_INVALID_FIELD);

	if (!impacted && ccr_is_gone(source->subsystem, &req->cmd))
		ccr_answer(req, NVH_ST_SUCCESS, NVH_CCR_IMMEDIATE);
	else if (status)
		ccr_answer(req, status, 0);
	else
		ccr_begin(req, source, impacted);
}

void tl_ccr_exec(struct tl_request *req)
{
	req->msg.fn = ccr_on_mgmt;
	nvhi_reactor_post(req->qpair->group->target->mgmt, &req->msg);
}

/* ---- the log ------------------------------------------------------------------------------- */

static uint16_t ccr_log_fill(const struct tl_ctrlr *source, struct nvh_ccr_log *log, bool remove)
{
	struct tl_ccr *ccr, *next;
	uint16_t count = 0;

	nvhi_list_for_each_safe(ccr, next, &source->subsystem->ccrs, link) {
		struct nvh_ccr_log_entry *entry = &log->entries[count];

		if (ccr->source != source || ccr->req || count == NVH_CCR_LOG_ENTRIES)
			continue;
		count++;
		nvh_le16_put(&entry->icid, ccr->icid);
		entry->ciu = ccr->ciu;
		nvh_le16_put(&entry->acid, ccr->acid);
		entry->ccrs = ccr->impacted ? NVH_CCRS_IN_PROGRESS : NVH_CCRS_SUCCESS;
		entry->ccrf = NVH_CCRF_VALIDATED | NVH_CCRF_INITIATED;
		if (remove && !ccr->impacted)
			ccr_free(ccr);
	}
	return count;
}

static void ccr_log_answered(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint32_t cdw10 = tl_cdw10(req);

	tl_request_complete(req, req->step);
	if (!(cdw10 & NVH_LOG_RAE))
		tl_aer_rearm(ctrlr, NVH_LID_CCR);
}

static void ccr_log_on_mgmt(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	bool remove = tl_cdw10(req) >> NVH_LOG_LSP_SHIFT & NVH_CCR_LSP_RMC;
	struct nvh_ccr_log log;
	uint64_t offset;
	uint32_t len;

	memset(&log, 0, sizeof(log));
	nvh_le16_put(&log.ne, ccr_log_fill(tl_request_ctrlr(req), &log, remove));
	req->step = tl_log_window(req, &offset, &len);
	if (!req->step && offset > sizeof(log))
		req->step = TL_DNR(NVH_ST_INVALID_FIELD);
	if (!req->step) {
		memset(req->iov.iov_base, 0, len);
		memcpy(req->iov.iov_base, (uint8_t *)&log + offset,
		       len < sizeof(log) - offset ? len : sizeof(log) - offset);
		req->data_len = len;
	}
	req->msg.fn = ccr_log_answered;
	nvhi_reactor_post(req->qpair->group->reactor, &req->msg);
}

void tl_ccr_log_exec(struct tl_request *req)
{
	req->msg.fn = ccr_log_on_mgmt;
	nvhi_reactor_post(req->qpair->group->target->mgmt, &req->msg);
}
