/*
 * Asynchronous events: a few Asynchronous Event Requests are always with the controller and are
 * armed again at once, but not faster than a bounded rate. Namespace changes are read from their
 * log and become a rescan; other events go to the owner; what nobody reads is cleared by reading
 * its log. Home reactor. Base Specification 2.1 section 5.1.2.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define AER_PER_SECOND  64u /* more than that wait */
#define AER_PAUSE_MS    100u
#define AER_CLEAR_BYTES 512u /* enough of a log to clear its event */

static void aer_clear_next(struct nvhi_ctrlr *ctrlr);

uint32_t nvhi_aer_config(const struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->opts.discovery)
		return ctrlr->opts.persistent ? ctrlr->caps.oaes & NVH_AEN_DISCOVERY : 0;
	return ctrlr->caps.oaes &
	       (NVH_AEN_NS_ATTR | NVH_AEN_FW_ACTIVATION | NVH_AEN_ANA | NVH_AEN_CCR);
}

/* ---- reading logs to clear events -------------------------------------------------------- */

void nvhi_aer_clear(struct nvhi_ctrlr *ctrlr, uint8_t lid)
{
	ctrlr->aer.clear[lid / 64] |= 1ull << (lid % 64);
	aer_clear_next(ctrlr);
}

static bool aer_take_lid(struct nvhi_aer_state *aer, uint8_t *ret_lid)
{
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(aer->clear); i++) {
		if (!aer->clear[i])
			continue;
		*ret_lid = (uint8_t)(i * 64 + (uint32_t)__builtin_ctzll(aer->clear[i]));
		aer->clear[i] &= aer->clear[i] - 1;
		return true;
	}
	return false;
}

/* The changed namespaces; a list that is full, broken or unreadable means: look at all of them. */
static void aer_changed_ns(struct nvhi_ctrlr *ctrlr, const struct nvh_ns_list *list)
{
	uint32_t changed[NVH_NS_LIST_MAX], count = 0, last = 0;

	for (; count < NVH_NS_LIST_MAX; count++) {
		uint32_t nsid = nvh_le32_get(list->nsid[count]);

		if (nsid == 0)
			break;
		if (nsid <= last || nsid > NVH_NSID_MAX) {
			nvhi_scan_request(ctrlr, true, NULL, 0);
			return;
		}
		changed[count] = last = nsid;
	}
	nvhi_scan_request(ctrlr, false, changed, count);
}

static void aer_log_done(struct nvhi_log_page *log, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(log, struct nvhi_ctrlr, aer.log);
	bool failed = err || nvh_cpl_is_error(cpl);

	ctrlr->aer.clearing = false;
	if (nvhi_ctrlr_is_ending(ctrlr))
		return;
	if (failed)
		nvhi_log(WARN, CTRLR, "%s: log 0x%02x after an event: %s", ctrlr->name, log->lid,
			 err ? strerror(-err) : nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	if (log->lid == NVH_LID_CHANGED_NS) {
		/* Reading clears it: when the first answer was lost the second tells nothing. */
		if (failed || log->admin.tries > 0)
			nvhi_scan_request(ctrlr, true, NULL, 0);
		else
			aer_changed_ns(ctrlr, (const struct nvh_ns_list *)ctrlr->aer.buf);
	}
	aer_clear_next(ctrlr);
}

static void aer_clear_next(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_aer_state *aer = &ctrlr->aer;
	struct nvhi_log_page *log = &aer->log;
	uint8_t lid;

	while (!aer->clearing && aer_take_lid(aer, &lid)) {
		memset(log, 0, sizeof(*log));
		log->lid = lid;
		/* Completed resets leave the log when nobody looks for one any more. */
		if (lid == NVH_LID_CCR && nvhi_list_empty(&ctrlr->ccrs))
			log->lsp = NVH_CCR_LSP_RMC;
		log->nsid = NVH_NSID_ALL;
		log->data = aer->buf;
		log->len = lid == NVH_LID_CHANGED_NS ? sizeof(struct nvh_ns_list) : AER_CLEAR_BYTES;
		log->done = aer_log_done;
		aer->clearing = true;
		if (nvhi_log_page_read_internal(ctrlr, log) < 0)
			aer->clearing = false;
	}
}

/* ---- events ------------------------------------------------------------------------------ */

static void aer_event(struct nvhi_ctrlr *ctrlr, uint32_t dw0)
{
	uint8_t type = (uint8_t)nvh_aer_type(dw0), info = (uint8_t)nvh_aer_info(dw0);
	uint8_t lid = (uint8_t)nvh_aer_lid(dw0);

	nvhi_log(DEBUG, CTRLR, "%s: event type %u info 0x%02x log 0x%02x", ctrlr->name, type, info,
		 lid);
	if (type == NVH_AER_NOTICE && info == NVH_AER_NS_CHANGED) {
		if (!ctrlr->opts.discovery)
			nvhi_aer_clear(ctrlr, NVH_LID_CHANGED_NS);
		return;
	}
	if (type == NVH_AER_NOTICE && info == NVH_AER_ANA_CHANGED &&
	    (ctrlr->caps.cmic & NVH_CMIC_ANA)) {
		nvhi_ctrlr_ana_refresh(ctrlr); /* the owner is told when it was read */
		/* A namespace that moves to another group is told by this notice alone. */
		if (!(ctrlr->caps.anacap & NVH_ANACAP_GRPID_STABLE))
			nvhi_scan_request(ctrlr, true, NULL, 0);
		return;
	}
	if (type == NVH_AER_NOTICE && info == NVH_AER_CCR_COMPLETED)
		nvhi_ccr_notice(ctrlr);
	/* The owner reads the discovery log, which clears its event. */
	if (type != NVH_AER_NOTICE ||
	    (info != NVH_AER_ANA_CHANGED && info != NVH_AER_DISCOVERY_CHANGED))
		if (type != NVH_AER_IMMEDIATE && type != NVH_AER_ONE_SHOT)
			nvhi_aer_clear(ctrlr, lid);
	if (type == NVH_AER_ERROR)
		nvhi_log(WARN, CTRLR, "%s: tells an error event 0x%02x", ctrlr->name, info);
	nvhi_ctrlr_event(ctrlr, notice, type, info, lid);
}

/* ---- arming ------------------------------------------------------------------------------ */

static void aer_arm(struct nvhi_aer *slot);

static void aer_on_timer(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, aer.rearm);

	for (uint32_t i = 0; i < ctrlr->aer.wanted; i++)
		if (!ctrlr->aer.slots[i].out && !ctrlr->aer.slots[i].refused)
			aer_arm(&ctrlr->aer.slots[i]);
}

static void aer_pause(struct nvhi_ctrlr *ctrlr)
{
	if (nvhi_timer_armed(&ctrlr->aer.rearm))
		return;
	if (nvhi_timer_arm(ctrlr->home, &ctrlr->aer.rearm, AER_PAUSE_MS * NVHI_NSEC_PER_MSEC) < 0)
		nvhi_ctrlr_fail(ctrlr, -ENOMEM, NULL, "events", "no memory for a timer");
}

static bool aer_too_many(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_aer_state *aer = &ctrlr->aer;
	uint64_t now = nvhi_reactor_now(ctrlr->home);

	if (now - aer->window_ns >= NVHI_NSEC_PER_SEC) {
		aer->window_ns = now;
		aer->in_window = 0;
	}
	if (++aer->in_window == AER_PER_SECOND + 1)
		nvhi_log(WARN, CTRLR, "%s: more than %u events in a second: slowing them down",
			 ctrlr->name, AER_PER_SECOND);
	return aer->in_window > AER_PER_SECOND;
}

static void aer_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_aer *slot = nvhi_container_of(req, struct nvhi_aer, req);
	struct nvhi_ctrlr *ctrlr = slot->ctrlr;
	bool slow;

	slot->out = false;
	if (err || nvhi_ctrlr_is_ending(ctrlr))
		return;
	slow = aer_too_many(ctrlr);
	if (!nvh_cpl_is_error(cpl)) {
		aer_event(ctrlr, nvh_le32_get(cpl->dw0));
	} else {
		slow = true;
		slot->refused = nvh_cpl_code(cpl) == NVH_ST_AER_LIMIT || nvh_cpl_dnr(cpl);
		nvhi_log(INFO, CTRLR, "%s: event request: %s", ctrlr->name,
			 nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	}
	if (slow)
		aer_pause(ctrlr);
	else
		aer_arm(slot);
	nvhi_admin_next(ctrlr);
}

static void aer_arm(struct nvhi_aer *slot)
{
	struct nvhi_ctrlr *ctrlr = slot->ctrlr;

	if (nvhi_ctrlr_is_ending(ctrlr) || slot->out)
		return;
	memset(&slot->req, 0, sizeof(slot->req));
	slot->req.cmd.opc = NVH_ADM_AER;
	slot->req.done = aer_done;
	if (ctrlr->transport->submit(ctrlr->admin, &slot->req) < 0)
		aer_pause(ctrlr); /* the queue is full just now, or its loss is about to be told */
	else
		slot->out = true;
}

void nvhi_aer_start(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_aer_state *aer = &ctrlr->aer;
	uint32_t limit = ctrlr->caps.aerl + 1u;

	memset(aer->clear, 0, sizeof(aer->clear));
	aer->rearm.fn = aer_on_timer;
	aer->wanted = limit < NVHI_AER_MAX ? limit : NVHI_AER_MAX;
	if (ctrlr->opts.discovery)
		aer->wanted = nvhi_aer_config(ctrlr) ? 1 : 0;
	for (uint32_t i = 0; i < aer->wanted; i++) {
		aer->slots[i].ctrlr = ctrlr;
		aer->slots[i].refused = false;
		aer_arm(&aer->slots[i]);
	}
}

void nvhi_aer_stop(struct nvhi_ctrlr *ctrlr)
{
	nvhi_timer_cancel(ctrlr->home, &ctrlr->aer.rearm);
}
