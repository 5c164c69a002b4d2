/*
 * Controllers: birth and end (management reactor), keep-alive and quiescing (admin reactor).
 * A controller ends when its last queue has left: a last message goes to the admin reactor and
 * back, behind every other message about it, and then it is freed.
 * Base Specification 2.1 sections 3.1, 3.5 (shutdown) and 3.9 (keep alive).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_log.h"
#include "base/spec/regs.h"
#include "target-lite/core/impl.h"

#define KATO_LATE_NS  (10 * NVHI_NSEC_PER_MSEC)
#define KATO_GRACE_NS (50 * NVHI_NSEC_PER_MSEC)

static const char *const ctrlr_state_names[] = {
#define X(upper, lower) [TL_CTRLR_##upper] = #lower,
	TL_CTRLR_STATES(X)
#undef X
};
static const uint32_t ctrlr_edges[] = {
	[TL_CTRLR_LIVE] = NVHI_FSM_TO(TL_CTRLR_DISCONNECTING),
	[TL_CTRLR_DISCONNECTING] = 0,
};
struct nvhi_fsm tl_ctrlr_fsm = NVHI_FSM_INIT("ctrlr", ctrlr_state_names, ctrlr_edges);

/* ---- birth ---------------------------------------------------------------------------------- */

uint64_t tl_ctrlr_cap(const struct tl_transport_opts *opts)
{
	uint64_t cap = opts->max_queue_depth - 1;

	cap |= NVH_CAP_CQR;
	cap |= 30ull << NVH_CAP_TO_SHIFT; /* 15 s */
	cap |= (uint64_t)NVH_CAP_CSS_NVM << NVH_CAP_CSS_SHIFT;
	cap |= NVH_CAP_CRMS_CRWMS;
	return cap;
}

static void ctrlr_kato_expired(struct nvhi_timer *timer);
static void ctrlr_kill(struct nvhi_msg *msg);
static void ctrlr_on_quench(struct nvhi_timer *timer);

int tl_ctrlr_create(struct tl_subsystem *ss, struct tl_qpair *admin, uint16_t cntlid,
		    struct tl_ctrlr **ret_ctrlr)
{
	struct tl_ctrlr *ctrlr = calloc(1, sizeof(*ctrlr));
	const char *tail = strrchr(ss->nqn, ':');

	if (ctrlr)
		ctrlr->groups = calloc(ss->target->group_count, sizeof(*ctrlr->groups));
	if (!ctrlr || !ctrlr->groups) {
		free(ctrlr);
		return -ENOMEM;
	}
	ctrlr->subsystem = ss;
	ctrlr->transport = admin->transport;
	ctrlr->group = admin->group;
	ctrlr->cntlid = cntlid;
	ctrlr->discovery = ss->type == TL_SUBSYSTEM_DISCOVERY;
	snprintf(ctrlr->name, sizeof(ctrlr->name), "%.36s/%u",
		 ctrlr->discovery ? "discovery" : (tail ? tail + 1 : ss->nqn), cntlid);
	memcpy(ctrlr->crdt, ss->target->crdt, sizeof(ctrlr->crdt));
	ctrlr->max_io_queues =
		ctrlr->discovery ? 0 : admin->transport->opts.max_io_qpairs_per_ctrlr;
	ctrlr->cap = tl_ctrlr_cap(&admin->transport->opts);
	ctrlr->aen_config = NVH_AEN_NS_ATTR | (ss->ana_reporting ? NVH_AEN_ANA : 0);
	if (ctrlr->discovery)
		ctrlr->aen_config = 0;
	if (ss->ccr != TL_CCR_OFF && !ctrlr->discovery) {
		ctrlr->ciu = ++ss->next_ciu;
		ss->target->opts.random(&ctrlr->cirn, sizeof(ctrlr->cirn));
		if (!ctrlr->cirn)
			ctrlr->cirn = 1;
	}
	ctrlr->quench_timer.fn = ctrlr_on_quench;
	ctrlr->kato_timer.fn = ctrlr_kato_expired;
	ctrlr->event_msg.fn = tl_event_take;
	ctrlr->kill_msg.fn = ctrlr_kill;
	nvhi_list_init(&ctrlr->qpairs);
	nvhi_list_init(&ctrlr->aers);
	nvhi_list_add_tail(&ss->ctrlrs, &ctrlr->link);
	*ret_ctrlr = ctrlr;
	return 0;
}

/* ---- end ------------------------------------------------------------------------------------ */

static void ctrlr_buried(struct nvhi_msg *msg)
{
	struct tl_ctrlr *ctrlr = nvhi_container_of(msg, struct tl_ctrlr, bury_msg);
	struct tl_subsystem *ss = ctrlr->subsystem;

	nvhi_log(INFO, TARGET, "%s: gone", ctrlr->name);
	nvhi_list_del(&ctrlr->link);
	nvhi_timer_cancel(ss->target->mgmt, &ctrlr->quench_timer);
	tl_ccr_ctrlr_gone(ctrlr);
	if (ctrlr->listener) {
		ctrlr->listener->ctrlrs--;
		tl_subsystem_listener_put(ctrlr->listener);
	}
	free(ctrlr->groups);
	free(ctrlr);
	tl_subsystem_ctrlr_gone(ss);
}

/* On the admin reactor, behind every message the management reactor ever sent there. */
static void ctrlr_bury(struct nvhi_msg *msg)
{
	struct tl_ctrlr *ctrlr = nvhi_container_of(msg, struct tl_ctrlr, bury_msg);

	ctrlr->bury_msg.fn = ctrlr_buried;
	nvhi_reactor_post(ctrlr->subsystem->target->mgmt, &ctrlr->bury_msg);
}

static void ctrlr_quench(struct tl_ctrlr *ctrlr)
{
	struct tl_qpair *qpair;

	nvhi_list_for_each(qpair, &ctrlr->qpairs, ctrlr_link)
		tl_qpair_post_quench(qpair);
}

static void ctrlr_on_quench(struct nvhi_timer *timer)
{
	ctrlr_quench(nvhi_container_of(timer, struct tl_ctrlr, quench_timer));
}

void tl_ctrlr_quench_after(struct tl_ctrlr *ctrlr, uint32_t ms)
{
	struct nvh_reactor *mgmt = ctrlr->subsystem->target->mgmt;

	if (!ms || nvhi_timer_arm(mgmt, &ctrlr->quench_timer, ms * NVHI_NSEC_PER_MSEC))
		ctrlr_quench(ctrlr);
}

/* Its host counts on 2 KATO + CQT since it last sent something (TP4129): the keep-alive time-out may
 * have taken one KATO of that. Without a time-out nothing was promised. */
static void ctrlr_promise_quiet(struct tl_ctrlr *ctrlr)
{
	uint32_t kato_ms = __atomic_load_n(&ctrlr->kato_ms, __ATOMIC_RELAXED);
	uint32_t ms = ctrlr->subsystem->cqt_ms ? ctrlr->subsystem->cqt_ms : kato_ms / 2;

	if (kato_ms && ms)
		tl_ctrlr_quench_after(ctrlr, ms);
}

void tl_ctrlr_disconnect(struct tl_ctrlr *ctrlr)
{
	struct tl_qpair *qpair;

	if (ctrlr->state == TL_CTRLR_LIVE) {
		nvhi_fsm_set(&tl_ctrlr_fsm, &ctrlr->state, TL_CTRLR_DISCONNECTING, NVHI_LOG_TARGET,
			     ctrlr->name);
		ctrlr_promise_quiet(ctrlr);
	}
	nvhi_list_for_each(qpair, &ctrlr->qpairs, ctrlr_link)
		tl_qpair_post_disconnect(qpair);
}

/* On the management reactor: the admin reactor gave the controller up. */
static void ctrlr_kill(struct nvhi_msg *msg)
{
	tl_ctrlr_disconnect(nvhi_container_of(msg, struct tl_ctrlr, kill_msg));
}

static void ctrlr_report_quiesced(struct tl_ctrlr *ctrlr)
{
	ctrlr->quiescing = false;
	ctrlr->quiesced_msg.fn = tl_ctrlr_quiesced;
	nvhi_reactor_post(ctrlr->group->reactor, &ctrlr->quiesced_msg);
}

void tl_ctrlr_detach(struct tl_ctrlr *ctrlr, struct tl_qpair *qpair)
{
	nvhi_list_del(&qpair->ctrlr_link);
	if (ctrlr->admin == qpair) {
		ctrlr->admin = NULL;
		tl_ctrlr_disconnect(ctrlr);
	} else {
		ctrlr->io_qpairs--;
	}
	if (nvhi_list_empty(&ctrlr->qpairs)) {
		/* A quiesce report may still be under way, ahead of this one. */
		ctrlr->bury_msg.fn = ctrlr_bury;
		nvhi_reactor_post(ctrlr->group->reactor, &ctrlr->bury_msg);
	} else if (ctrlr->quiescing && !ctrlr->io_qpairs) {
		ctrlr_report_quiesced(ctrlr);
	}
}

/* ---- quiescing: all I/O queues closed before CSTS says so ------------------------------------ */

/* On the management reactor, asked by Property Set (property.c). */
void tl_ctrlr_quiesce(struct nvhi_msg *msg)
{
	struct tl_ctrlr *ctrlr = nvhi_container_of(msg, struct tl_ctrlr, quiesce_msg);
	struct tl_qpair *qpair;

	ctrlr->quiescing = true;
	nvhi_list_for_each(qpair, &ctrlr->qpairs, ctrlr_link)
		if (qpair->qid != 0) {
			tl_qpair_post_disconnect(qpair);
			tl_qpair_post_quench(qpair);
		}
	if (!ctrlr->io_qpairs)
		ctrlr_report_quiesced(ctrlr);
}

/* ---- keep alive ----------------------------------------------------------------------------- */

static void ctrlr_arm_kato(struct tl_ctrlr *ctrlr)
{
	struct nvh_reactor *reactor = ctrlr->group->reactor;

	ctrlr->kato_grace = false;
	if (!ctrlr->kato_ms) {
		nvhi_timer_cancel(reactor, &ctrlr->kato_timer);
		return;
	}
	if (nvhi_timer_arm(reactor, &ctrlr->kato_timer, ctrlr->kato_ms * NVHI_NSEC_PER_MSEC))
		nvhi_log(WARN, TARGET, "%s: no memory for the keep-alive timer", ctrlr->name);
}

static uint64_t ctrlr_traffic(const struct tl_ctrlr *ctrlr)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ctrlr->subsystem->target->group_count; i++)
		sum += __atomic_load_n(&ctrlr->groups[i].commands, __ATOMIC_RELAXED);
	return sum;
}

/*
 * A reactor that was held up itself fires its timers before it reads its sockets: the keep-alive
 * may have come in time and not been seen. Then what is in the sockets is waited for, once.
 */
static bool ctrlr_kato_was_late(struct tl_ctrlr *ctrlr)
{
	struct nvh_reactor *reactor = ctrlr->group->reactor;

	if (ctrlr->kato_grace ||
	    nvhi_reactor_now(reactor) < ctrlr->kato_timer.deadline + KATO_LATE_NS ||
	    nvhi_timer_arm(reactor, &ctrlr->kato_timer, KATO_GRACE_NS))
		return false;
	ctrlr->kato_grace = true;
	return true;
}

static void ctrlr_kato_expired(struct nvhi_timer *timer)
{
	struct tl_ctrlr *ctrlr = nvhi_container_of(timer, struct tl_ctrlr, kato_timer);
	uint64_t traffic = ctrlr_traffic(ctrlr);

	if (ctrlr->subsystem->target->opts.tbkas && traffic != ctrlr->kato_seen) {
		ctrlr->kato_seen = traffic;
		ctrlr_arm_kato(ctrlr);
		return;
	}
	if (ctrlr_kato_was_late(ctrlr))
		return;
	nvhi_log(WARN, TARGET, "%s: no keep-alive from %s for %u ms: disconnecting", ctrlr->name,
		 ctrlr->hostnqn, ctrlr->kato_ms);
	ctrlr->csts |= NVH_CSTS_CFS;
	tl_ctrlr_kill(ctrlr);
}

void tl_ctrlr_kill(struct tl_ctrlr *ctrlr)
{
	atomic_store(&ctrlr->enabled, false);
	if (!atomic_exchange(&ctrlr->dying, true))
		nvhi_reactor_post(ctrlr->subsystem->target->mgmt, &ctrlr->kill_msg);
}

void tl_ctrlr_set_kato(struct tl_ctrlr *ctrlr, uint32_t kato_ms)
{
	const struct tl_transport_opts *opts = &ctrlr->transport->opts;
	uint32_t unit = opts->kas * 100;

	if (kato_ms && unit) {
		uint64_t up = ((uint64_t)kato_ms + unit - 1) / unit * unit;

		kato_ms = up > UINT32_MAX ? UINT32_MAX : (uint32_t)up;
		if (kato_ms < opts->min_kato)
			kato_ms = opts->min_kato;
	}
	__atomic_store_n(&ctrlr->kato_ms, unit ? kato_ms : 0, __ATOMIC_RELAXED);
	ctrlr_arm_kato(ctrlr);
}

void tl_ctrlr_keep_alive(struct tl_ctrlr *ctrlr)
{
	ctrlr->kato_seen = ctrlr_traffic(ctrlr);
	ctrlr_arm_kato(ctrlr);
}

void tl_ctrlr_admin_start(struct tl_ctrlr *ctrlr, uint32_t kato_ms)
{
	tl_ctrlr_set_kato(ctrlr, kato_ms);
}

void tl_ctrlr_admin_stop(struct tl_ctrlr *ctrlr)
{
	nvhi_timer_cancel(ctrlr->group->reactor, &ctrlr->kato_timer);
	atomic_store(&ctrlr->enabled, false);
}

/* ---- error log ------------------------------------------------------------------------------ */

void tl_ctrlr_log_error(struct tl_ctrlr *ctrlr, const struct tl_request *req, unsigned int status)
{
	struct tl_error_entry *entry;

	if (req->cmd.opc == NVH_ADM_AER && req->qpair->qid == 0)
		return;
	/* Any queue's reactor may be here; an error is rare and the entry small. */
	while (atomic_flag_test_and_set_explicit(&ctrlr->error_lock, memory_order_acquire))
		continue;
	entry = &ctrlr->errors[ctrlr->error_count % TL_ERROR_LOG_ENTRIES];
	entry->count = ++ctrlr->error_count;
	entry->sqid = req->qpair->qid;
	entry->cid = nvh_le16_get(req->cmd.cid);
	entry->status = (uint16_t)(status << 1);
	entry->nsid = nvh_le32_get(req->cmd.nsid);
	entry->lba = (uint64_t)nvh_le32_get(req->cmd.cdw11) << 32 | nvh_le32_get(req->cmd.cdw10);
	entry->opc = req->cmd.opc;
	atomic_flag_clear_explicit(&ctrlr->error_lock, memory_order_release);
}
