/*
 * A queue pair's life: states as a table, loss, and revoke, which ends only when the device can no
 * longer touch memory: the I/O queue deleted, or the device stopped. What the layer above must hear
 * is told from one deferred call. On the queue pair's reactor.
 * Base Specification 2.1 sections 3.3.1.3 and 3.6.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcie/pcie_impl.h"

#define ENTRIES_MAX 1024
/* How often CSTS is looked at, so that a device that died or was pulled out is noticed idle, and
 * AERs are answered without an interrupt. */
#define HEALTH_MS 250u

#define NVHI_X(upper, lower) #lower,
static const char *const qpair_state_names[] = {NVHI_PCIE_QPAIR_STATES(NVHI_X)};
#undef NVHI_X

#define TO(state) NVHI_FSM_TO(NVHI_PCIE_Q_##state)
static const uint32_t qpair_edges[NVHI_ARRAY_SIZE(qpair_state_names)] = {
	[NVHI_PCIE_Q_NEW] = TO(CONNECTING) | TO(REVOKING),
	[NVHI_PCIE_Q_CONNECTING] = TO(LIVE) | TO(LOST) | TO(REVOKING),
	[NVHI_PCIE_Q_LIVE] = TO(LOST) | TO(REVOKING),
	[NVHI_PCIE_Q_LOST] = TO(REVOKING),
	[NVHI_PCIE_Q_REVOKING] = TO(REVOKED),
};
#undef TO
static const struct nvhi_fsm qpair_fsm = NVHI_FSM_INIT("qpair", qpair_state_names, qpair_edges);

static void qpair_set(struct nvhi_pcie_qpair *q, enum nvhi_pcie_qpair_state state)
{
	nvhi_fsm_set(&qpair_fsm, &q->state, state, NVHI_LOG_PCIE, q->qpair.name);
}

/* ---- telling ----------------------------------------------------------------------------- */

static void qpair_tell(struct nvhi_pcie_qpair *q, uint32_t what)
{
	q->tell |= what;
	nvhi_reactor_defer(q->qpair.reactor, &q->tell_defer);
}

static void qpair_on_tell(struct nvhi_defer *defer)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(defer, struct nvhi_pcie_qpair, tell_defer);
	const struct nvhi_qpair_events *events = q->qpair.events;
	uint32_t what = q->tell;

	q->tell = 0;
	if (what & NVHI_PCIE_TELL_REVOKED) {
		nvhi_log(DEBUG, PCIE, "%s: revoked, %u commands go back", q->qpair.name,
			 q->qpair.inflight);
		nvhi_pcie_give_back_all(q, q->err ? q->err : -ECANCELED);
		qpair_set(q, NVHI_PCIE_Q_REVOKED);
		events->revoked(&q->qpair);
		return;
	}
	if (q->state == NVHI_PCIE_Q_REVOKING)
		return;
	if (what & NVHI_PCIE_TELL_CONNECTED)
		events->connected(&q->qpair, q->err, q->have_cpl ? &q->cpl : NULL);
	else if (what & NVHI_PCIE_TELL_LOST)
		events->lost(&q->qpair, q->err, q->qpair.why);
}

/* ---- the device's health ----------------------------------------------------------------- */

static void health_look(struct nvhi_timer *timer)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(timer, struct nvhi_pcie_qpair, health);
	uint32_t csts;
	int err = nvhi_pcie_health(q->ctrlr, &csts);

	if (err == -ENODEV)
		nvhi_pcie_fail(q, err, "the device is gone: CSTS reads as all ones");
	else if (err)
		nvhi_pcie_fail(q, err, "controller fatal status (CSTS 0x%x)", csts);
	else if (nvhi_timer_arm(q->qpair.reactor, timer, HEALTH_MS * NVHI_NSEC_PER_MSEC))
		nvhi_pcie_fail(q, -ENOMEM, "no memory for the timer of its health");
}

/* ---- connecting, losing ------------------------------------------------------------------ */

void nvhi_pcie_qpair_connect(struct nvhi_qpair *qpair)
{
	struct nvhi_pcie_qpair *q = nvhi_pcie_qpair_of(qpair);

	qpair_set(q, NVHI_PCIE_Q_CONNECTING);
	if (qpair->qid == 0)
		nvhi_pcie_device_start(q->ctrlr);
	else
		nvhi_pcie_job_post(q, NVHI_PCIE_JOB_CREATE);
}

void nvhi_pcie_connected(struct nvhi_pcie_qpair *q)
{
	qpair_set(q, NVHI_PCIE_Q_LIVE);
	nvhi_pcie_queue_start(q);
	qpair_tell(q, NVHI_PCIE_TELL_CONNECTED);
	if (q->qpair.qid == 0)
		health_look(&q->health);
}

void nvhi_pcie_fail(struct nvhi_pcie_qpair *q, int err, const char *fmt, ...)
{
	bool connecting =
		q->state == NVHI_PCIE_Q_CONNECTING || (q->tell & NVHI_PCIE_TELL_CONNECTED);
	va_list ap;

	if (q->state != NVHI_PCIE_Q_CONNECTING && q->state != NVHI_PCIE_Q_LIVE)
		return;
	va_start(ap, fmt);
	vsnprintf(q->qpair.why, sizeof(q->qpair.why), fmt, ap);
	va_end(ap);
	q->err = err;
	if (err == -EPROTO)
		nvhi_log(WARN, PCIE, "%s: %s", q->qpair.name, q->qpair.why);
	else
		nvhi_log(DEBUG, PCIE, "%s: %s", q->qpair.name, q->qpair.why);
	nvhi_pcie_queue_stop(q);
	nvhi_timer_cancel(q->qpair.reactor, &q->health);
	qpair_set(q, NVHI_PCIE_Q_LOST);
	qpair_tell(q, connecting ? NVHI_PCIE_TELL_CONNECTED : NVHI_PCIE_TELL_LOST);
	if (q->qpair.qid == 0 && q->ctrlr->state == NVHI_PCIE_ON)
		nvhi_pcie_device_stop(q->ctrlr);
}

/* ---- revoke ------------------------------------------------------------------------------ */

void nvhi_pcie_revoked(struct nvhi_pcie_qpair *q)
{
	qpair_tell(q, NVHI_PCIE_TELL_REVOKED);
}

static void revoke_io(struct nvhi_pcie_qpair *q)
{
	if (q->job_out)
		return; /* goes on when its answer comes */
	if (q->cq_made)
		nvhi_pcie_job_post(q, NVHI_PCIE_JOB_DELETE);
	else
		nvhi_pcie_revoked(q);
}

static void revoke_admin(struct nvhi_pcie_qpair *q)
{
	nvhi_pcie_device_abandon(q->ctrlr);
	if (q->ctrlr->state == NVHI_PCIE_ON)
		nvhi_pcie_device_stop(q->ctrlr);
	else if (q->ctrlr->state == NVHI_PCIE_OFF)
		nvhi_pcie_revoked(q);
}

void nvhi_pcie_revoke(struct nvhi_qpair *qpair)
{
	struct nvhi_pcie_qpair *q = nvhi_pcie_qpair_of(qpair);

	assert(q->state < NVHI_PCIE_Q_REVOKING);
	nvhi_pcie_queue_stop(q);
	nvhi_timer_cancel(qpair->reactor, &q->health);
	qpair_set(q, NVHI_PCIE_Q_REVOKING);
	if (qpair->qid)
		revoke_io(q);
	else
		revoke_admin(q);
}

void nvhi_pcie_job_done(struct nvhi_pcie_qpair *q)
{
	if (q->state == NVHI_PCIE_Q_REVOKING) {
		revoke_io(q);
		return;
	}
	if (q->job_err == 0)
		nvhi_pcie_connected(q);
	else if (q->have_cpl)
		nvhi_pcie_fail(q, q->job_err, "%s", "the controller refused to create the queue");
	else
		nvhi_pcie_fail(q, q->job_err, "%s",
			       "the device stopped while the queue was created");
}

/* ---- memory ------------------------------------------------------------------------------ */

int nvhi_pcie_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			   struct nvhi_qpair **ret_qpair)
{
	struct nvhi_pcie_qpair *q;
	int err;

	if (opts->entries < 2 || opts->entries > ENTRIES_MAX)
		return -EINVAL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->ctrlr = nvhi_pcie_ctrlr_of(tctrlr);
	q->qpair.tctrlr = tctrlr;
	q->qpair.events = opts->events;
	q->qpair.reactor = opts->reactor;
	q->qpair.qid = opts->qid;
	q->qpair.entries = opts->entries;
	q->qpair.depth = (uint16_t)(opts->entries - 1);
	if (opts->qid && (q->ctrlr->quirks & NVHI_QUIRK_ONE_COMMAND))
		q->qpair.depth = 1;
	snprintf(q->qpair.name, sizeof(q->qpair.name), "%s/q%u", tctrlr->opts.name, opts->qid);
	nvhi_list_init(&q->tell_defer.link);
	q->tell_defer.fn = qpair_on_tell;
	nvhi_list_init(&q->job_link);
	q->health.fn = health_look;
	err = nvhi_pcie_queue_init(q);
	if (err) {
		nvhi_pcie_queue_fini(q);
		free(q);
		return err;
	}
	if (opts->qid == 0) {
		q->ctrlr->admin = q;
		q->ctrlr->home = opts->reactor;
	}
	*ret_qpair = &q->qpair;
	return 0;
}

void nvhi_pcie_qpair_destroy(struct nvhi_qpair *qpair)
{
	struct nvhi_pcie_qpair *q = nvhi_pcie_qpair_of(qpair);

	assert(qpair->inflight == 0 && !q->job_out);
	assert(q->state == NVHI_PCIE_Q_NEW || q->state == NVHI_PCIE_Q_REVOKED);
	nvhi_reactor_undefer(qpair->reactor, &q->tell_defer);
	if (qpair->qid == 0) {
		q->ctrlr->admin = NULL;
		q->ctrlr->shadowed = false;
		nvhi_pcie_mem_free(q->ctrlr, &q->ctrlr->shadow); /* the device has stopped */
	}
	nvhi_pcie_queue_fini(q);
	free(q);
}
