/*
 * Keeping the picture of the ANA groups: when the log is read, read again, and what happens when a
 * group stays in transition for longer than ANATT. Home reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define ANA_GROUPS_MAX   65536u /* groups of one controller we follow */
#define ANA_RETRY_MS     100u   /* doubled with each failure in a row */
#define ANA_RETRY_MAX_MS 5000u
#define ANA_REPEATS      4u    /* while the change count moves under a log of several chunks */
#define ANA_CHANGE_MS    1000u /* a look at a group in transition, should no event come */

static void ana_read(struct nvhi_ctrlr *ctrlr);

static bool ana_reported(const struct nvhi_ctrlr *ctrlr)
{
	return !ctrlr->opts.discovery && (ctrlr->caps.cmic & NVH_CMIC_ANA);
}

uint8_t nvhi_ctrlr_ana_state(const struct nvhi_ctrlr *ctrlr, uint32_t group)
{
	const struct nvhi_ana *ana = &ctrlr->ana;
	uint32_t low = 0, high = ana->count;

	if (!ana_reported(ctrlr))
		return NVH_ANA_OPTIMIZED;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ana->groups[middle].id < group)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ana->count && ana->groups[low].id == group ? ana->groups[low].state
								: NVHI_ANA_UNKNOWN;
}

/* ---- a group in transition ------------------------------------------------------------------ */

static bool ana_in_transition(const struct nvhi_ctrlr *ctrlr, uint32_t *ret_group)
{
	for (uint32_t i = 0; i < ctrlr->ana.count; i++) {
		if (ctrlr->ana.groups[i].state != NVH_ANA_CHANGE)
			continue;
		*ret_group = ctrlr->ana.groups[i].id;
		return true;
	}
	return false;
}

static void ana_too_long(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, ana.transition);
	uint32_t group = 0;

	if (ana_in_transition(ctrlr, &group))
		nvhi_ctrlr_fail(ctrlr, -ETIMEDOUT, NULL, "ANA",
				"group %u is in transition for longer than ANATT (%u s)", group,
				ctrlr->caps.anatt);
}

static void ana_watch_transition(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ana *ana = &ctrlr->ana;
	uint64_t anatt = ctrlr->caps.anatt ? ctrlr->caps.anatt : 1;
	uint32_t group;

	if (!ana_in_transition(ctrlr, &group)) {
		nvhi_timer_cancel(ctrlr->home, &ana->transition);
		return;
	}
	if (!nvhi_timer_armed(&ana->transition))
		nvhi_timer_arm(ctrlr->home, &ana->transition, anatt * NVHI_NSEC_PER_SEC);
	nvhi_timer_arm(ctrlr->home, &ana->again, ANA_CHANGE_MS * NVHI_NSEC_PER_MSEC);
}

/* ---- the log -------------------------------------------------------------------------------- */

/* Connecting waits for the first answer, good or bad. */
static void ana_settle(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->ana.reading = false;
	nvhi_queues_check(ctrlr);
	if (!ctrlr->ana.wanted || nvhi_ctrlr_is_ending(ctrlr))
		return;
	ctrlr->ana.wanted = false;
	ana_read(ctrlr);
}

static void ana_failed(struct nvhi_ctrlr *ctrlr, const char *why)
{
	struct nvhi_ana *ana = &ctrlr->ana;
	uint64_t delay = (uint64_t)ANA_RETRY_MS << (ana->failures < 8 ? ana->failures : 8);

	if (!ana->failures++)
		nvhi_log(WARN, CTRLR, "%s: ANA log: %s; the states last read stay", ctrlr->name,
			 why);
	if (delay > ANA_RETRY_MAX_MS)
		delay = ANA_RETRY_MAX_MS;
	nvhi_timer_arm(ctrlr->home, &ana->again, delay * NVHI_NSEC_PER_MSEC);
	ana_settle(ctrlr);
}

static void ana_take(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ana *ana = &ctrlr->ana;
	const char *why = NULL;

	if (nvhi_ana_parse(ana->buf, ana->buf_len, ctrlr->caps.anagrpmax, ana->incoming, ana->max,
			   &ana->count, &why)) {
		ana_failed(ctrlr, why);
		return;
	}
	memcpy(ana->groups, ana->incoming, ana->count * sizeof(*ana->groups));
	ana->failures = 0;
	ana_watch_transition(ctrlr);
	if (ctrlr->state == NVHI_CTRLR_LIVE)
		nvhi_ctrlr_event(ctrlr, notice, NVH_AER_NOTICE, NVH_AER_ANA_CHANGED, NVH_LID_ANA);
	ana_settle(ctrlr);
}

/* The header once more: did the picture change while its parts were read? */
static void ana_checked(struct nvhi_log_page *log, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(log, struct nvhi_ctrlr, ana.log);
	struct nvhi_ana *ana = &ctrlr->ana;

	if (nvhi_ctrlr_is_ending(ctrlr)) {
		ana->reading = false;
		return;
	}
	if (err || nvh_cpl_is_error(cpl)) {
		ana_failed(ctrlr, err ? strerror(-err)
				      : nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	} else if (memcmp(&ana->header.chgcnt, ana->buf, sizeof(ana->header.chgcnt)) == 0) {
		ana_take(ctrlr);
	} else if (++ana->repeats < ANA_REPEATS) {
		ana_read(ctrlr);
	} else {
		ana_failed(ctrlr, "its change count moves on while it is read");
	}
}

static void ana_log_done(struct nvhi_log_page *log, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(log, struct nvhi_ctrlr, ana.log);
	struct nvhi_ana *ana = &ctrlr->ana;
	bool whole = log->len <= log->chunk;

	if (nvhi_ctrlr_is_ending(ctrlr)) {
		ana->reading = false;
		return;
	}
	if (err || nvh_cpl_is_error(cpl)) {
		ana_failed(ctrlr, err ? strerror(-err)
				      : nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
		return;
	}
	if (whole) {
		ana_take(ctrlr);
		return;
	}
	memset(log, 0, sizeof(*log));
	log->lid = NVH_LID_ANA;
	log->lsp = NVH_ANA_LSP_RGO;
	log->data = &ana->header;
	log->len = sizeof(ana->header);
	log->done = ana_checked;
	if (nvhi_log_page_read_internal(ctrlr, log) < 0)
		ana_failed(ctrlr, "it cannot be read again");
}

static void ana_read(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ana *ana = &ctrlr->ana;
	struct nvhi_log_page *log = &ana->log;

	nvhi_timer_cancel(ctrlr->home, &ana->again);
	memset(log, 0, sizeof(*log));
	log->lid = NVH_LID_ANA;
	log->lsp = NVH_ANA_LSP_RGO; /* groups only: their members are told by Identify */
	log->data = ana->buf;
	log->len = ana->buf_len;
	log->done = ana_log_done;
	ana->reading = true;
	if (nvhi_log_page_read_internal(ctrlr, log) < 0)
		ana_failed(ctrlr, "longer than a controller without extended log data can give");
}

void nvhi_ctrlr_ana_refresh(struct nvhi_ctrlr *ctrlr)
{
	if (!ana_reported(ctrlr) || !ctrlr->ana.buf || nvhi_ctrlr_is_ending(ctrlr))
		return;
	if (ctrlr->ana.reading) {
		ctrlr->ana.wanted = true;
		return;
	}
	ctrlr->ana.repeats = 0;
	ana_read(ctrlr);
}

static void ana_on_again(struct nvhi_timer *timer)
{
	nvhi_ctrlr_ana_refresh(nvhi_container_of(timer, struct nvhi_ctrlr, ana.again));
}

/* ---- life ----------------------------------------------------------------------------------- */

static int ana_reserve(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ana *ana = &ctrlr->ana;
	uint32_t max = ctrlr->caps.nanagrpid;

	if (max == 0 || max > ANA_GROUPS_MAX)
		max = ANA_GROUPS_MAX;
	if (ana->buf && max == ana->max)
		return 0;
	nvhi_ana_fini(ctrlr);
	ana->buf_len = (uint32_t)(sizeof(struct nvh_ana_log) + max * sizeof(struct nvh_ana_group));
	ana->buf = malloc(ana->buf_len);
	ana->groups = malloc(max * sizeof(*ana->groups));
	ana->incoming = malloc(max * sizeof(*ana->incoming));
	if (!ana->buf || !ana->groups || !ana->incoming) {
		nvhi_ana_fini(ctrlr);
		return -ENOMEM;
	}
	ana->max = max;
	return 0;
}

void nvhi_ana_start(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ana *ana = &ctrlr->ana;

	ana->again.fn = ana_on_again;
	ana->transition.fn = ana_too_long;
	ana->wanted = ana->reading = false;
	ana->failures = ana->repeats = 0;
	if (!ana_reported(ctrlr))
		return;
	if (ana_reserve(ctrlr)) {
		nvhi_ctrlr_fail(ctrlr, -ENOMEM, NULL, "ANA", "no memory for the log");
		return;
	}
	/* Another association may know other groups; what it has not told is unknown. */
	ana->count = 0;
	ana_read(ctrlr);
}

void nvhi_ana_stop(struct nvhi_ctrlr *ctrlr)
{
	nvhi_timer_cancel(ctrlr->home, &ctrlr->ana.again);
	nvhi_timer_cancel(ctrlr->home, &ctrlr->ana.transition);
}

void nvhi_ana_fini(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ana *ana = &ctrlr->ana;

	free(ana->buf);
	free(ana->groups);
	free(ana->incoming);
	ana->buf = NULL;
	ana->groups = ana->incoming = NULL;
	ana->count = ana->max = 0;
}
