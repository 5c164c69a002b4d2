/*
 * A queue's life on its own reactor: the queue pair is created, connected, opened, lost, revoked
 * and destroyed here, as home's messages and the transport's events ask for; whoever watches is
 * told. A broken queue takes its requests back at once and tells home. Its reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ioq_impl.h"

static const char *const ioq_state_names[] = {
#define X(upper, lower) [NVHI_IOQ_##upper] = #lower,
	NVHI_IOQ_STATES(X)
#undef X
};
#define TO(state) NVHI_FSM_TO(NVHI_IOQ_##state)
static const uint32_t ioq_edges[NVHI_ARRAY_SIZE(ioq_state_names)] = {
	[NVHI_IOQ_ABSENT] = TO(CONNECTING),
	[NVHI_IOQ_CONNECTING] = TO(READY) | TO(LOST),
	[NVHI_IOQ_READY] = TO(LIVE) | TO(LOST),
	[NVHI_IOQ_LIVE] = TO(LEAVING) | TO(LOST),
	[NVHI_IOQ_LEAVING] = TO(LOST),
	[NVHI_IOQ_LOST] = TO(ABSENT),
};
#undef TO
struct nvhi_fsm nvhi_ioq_fsm = NVHI_FSM_INIT("queue", ioq_state_names, ioq_edges);

const char *nvhi_ioq_state_name(enum nvhi_ioq_state state)
{
	return ioq_state_names[state];
}

/* ---- watching ---------------------------------------------------------------------------- */

void nvhi_ioq_watch(struct nvhi_ioq *ioq, struct nvhi_ioq_watch *watch, nvhi_ioq_watch_fn fn)
{
	watch->fn = fn;
	nvhi_list_add_tail(&ioq->watches, &watch->link);
}

void nvhi_ioq_unwatch(struct nvhi_ioq *ioq, struct nvhi_ioq_watch *watch)
{
	(void)ioq;
	nvhi_list_del(&watch->link);
}

/* Any watch may go away while they are told. */
void nvhi_ioq_set_state(struct nvhi_ioq *ioq, enum nvhi_ioq_state state)
{
	struct nvhi_list told;
	char name[48];

	snprintf(name, sizeof(name), "%s/q%u", ioq->ctrlr->name, ioq->qid);
	nvhi_fsm_set(&nvhi_ioq_fsm, &ioq->state, state, NVHI_LOG_CTRLR, name);
	nvhi_list_init(&told);
	nvhi_list_splice_tail(&told, &ioq->watches);
	while (!nvhi_list_empty(&told)) {
		struct nvhi_ioq_watch *watch = nvhi_list_first(&told, struct nvhi_ioq_watch, link);

		nvhi_list_del(&watch->link);
		nvhi_list_add_tail(&ioq->watches, &watch->link);
		watch->fn(watch, ioq, state);
	}
}

void nvhi_ioq_tell_health(struct nvhi_ioq *ioq)
{
	struct nvhi_ioq_watch *watch;

	nvhi_list_for_each(watch, &ioq->watches, link) {
		if (watch->health)
			watch->health(watch, ioq);
		if (ioq->state != NVHI_IOQ_LIVE)
			return; /* given up: they were told that */
	}
}

/* ---- the queue pair ---------------------------------------------------------------------- */

static struct nvhi_ioq *ioq_of(struct nvhi_qpair *qpair)
{
	return nvhi_container_of(qpair->events, struct nvhi_ioq, events);
}

static void ioq_report(struct nvhi_ioq *ioq, int err, const struct nvh_cpl *cpl)
{
	const char *why = ioq->qpair ? ioq->qpair->why : "";

	ioq->connect_err = err;
	if (err)
		snprintf(ioq->connect_why, sizeof(ioq->connect_why), "%s",
			 why[0] ? why : strerror(-err));
	ioq->connect_has_cpl = cpl != NULL;
	if (cpl)
		ioq->connect_cpl = *cpl;
	nvhi_reactor_post(ioq->ctrlr->home, &ioq->connected);
}

static void ioq_tell_lost(struct nvhi_ioq *ioq, int err, const char *why)
{
	ioq->lost_err = err;
	ioq->rejoining = false;
	snprintf(ioq->lost_why, sizeof(ioq->lost_why), "%s", why);
	nvhi_reactor_post(ioq->ctrlr->home, &ioq->lost);
}

/* Home need not know of it, unless it fails: the controller was LIVE all the time. */
static void ioq_rejoined(struct nvhi_ioq *ioq, int err)
{
	char why[128];

	if (err) {
		snprintf(why, sizeof(why), "cannot be connected again: %.90s",
			 ioq->qpair && ioq->qpair->why[0] ? ioq->qpair->why : strerror(-err));
		ioq_tell_lost(ioq, err, why);
		nvhi_ioq_close(ioq);
		return;
	}
	ioq->rejoining = false;
	nvhi_log(INFO, CTRLR, "%s/q%u: connected again", ioq->ctrlr->name, ioq->qid);
	nvhi_ioq_health_reset(ioq);
	nvhi_ioq_set_state(ioq, NVHI_IOQ_LIVE);
}

static void ioq_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ioq *ioq = ioq_of(qpair);

	if (ioq->state != NVHI_IOQ_CONNECTING)
		return;
	if (!err) {
		ioq->depth = qpair->depth < ioq->pool_size ? qpair->depth : ioq->pool_size;
		if (ioq->depth > ioq->entries - 1u)
			ioq->depth = ioq->entries - 1u;
		nvhi_ioq_set_state(ioq, NVHI_IOQ_READY);
	}
	if (ioq->rejoining)
		ioq_rejoined(ioq, err);
	else
		ioq_report(ioq, err, cpl);
}

static void ioq_stopped(struct nvhi_ioq *ioq)
{
	if (!ioq->stop_owed)
		return;
	ioq->stop_owed = false;
	nvhi_reactor_post(ioq->ctrlr->home, &ioq->stopped);
}

static void ioq_revoked(struct nvhi_qpair *qpair)
{
	struct nvhi_ioq *ioq = ioq_of(qpair);

	ioq->revoking = false;
	ioq->qpair = NULL;
	ioq->transport->qpair_destroy(qpair);
	nvhi_ioq_set_state(ioq, NVHI_IOQ_ABSENT);
	if (ioq->rejoining && !ioq->stop_owed)
		nvhi_ioq_connect(ioq);
	else
		ioq_stopped(ioq);
}

void nvhi_ioq_close(struct nvhi_ioq *ioq)
{
	if (ioq->revoking || !ioq->qpair)
		return;
	ioq->revoking = true;
	nvhi_timer_cancel(ioq->reactor, &ioq->watchdog);
	nvhi_ioq_set_state(ioq, NVHI_IOQ_LOST);
	nvhi_ioq_fail_waiters(ioq);
	ioq->transport->revoke(ioq->qpair);
}

void nvhi_ioq_lose(struct nvhi_ioq *ioq, int err, const char *why)
{
	if (ioq->state != NVHI_IOQ_LIVE && ioq->state != NVHI_IOQ_READY &&
	    ioq->state != NVHI_IOQ_LEAVING)
		return;
	ioq_tell_lost(ioq, err, why);
	nvhi_ioq_close(ioq);
}

static void ioq_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	nvhi_ioq_lose(ioq_of(qpair), err, why);
}

void nvhi_ioq_connect(struct nvhi_ioq *ioq)
{
	struct nvhi_qpair_opts opts = {
		.reactor = ioq->reactor,
		.qid = ioq->qid,
		.entries = ioq->entries,
		.events = &ioq->events,
	};
	int err;

	ioq->events.connected = ioq_connected;
	ioq->events.lost = ioq_lost;
	ioq->events.revoked = ioq_revoked;
	ioq->settled = false;
	nvhi_ioq_set_state(ioq, NVHI_IOQ_CONNECTING);
	err = ioq->transport->qpair_create(ioq->ctrlr->tctrlr, &opts, &ioq->qpair);
	if (err) {
		ioq->qpair = NULL;
		nvhi_ioq_set_state(ioq, NVHI_IOQ_LOST);
		nvhi_ioq_set_state(ioq, NVHI_IOQ_ABSENT);
		if (ioq->rejoining)
			ioq_rejoined(ioq, err);
		else
			ioq_report(ioq, err, NULL);
		return;
	}
	ioq->transport->qpair_connect(ioq->qpair);
}

/* ---- messages from home ------------------------------------------------------------------- */

void nvhi_ioq_on_start(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, start);

	ioq->abort_out = ioq->rejoining = false;
	ioq->left_ns = 0; /* a new association: a new chance */
	nvhi_ioq_connect(ioq);
}

void nvhi_ioq_on_open(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, open);

	if (ioq->state != NVHI_IOQ_READY)
		return;
	nvhi_ioq_health_reset(ioq);
	nvhi_ioq_set_state(ioq, NVHI_IOQ_LIVE);
}

void nvhi_ioq_on_stop(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, stop);

	ioq->stop_owed = true;
	nvhi_ioq_close(ioq);
	if (!ioq->qpair)
		ioq_stopped(ioq);
}
