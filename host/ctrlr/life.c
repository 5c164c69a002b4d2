/*
 * The controller's life: the state table with its legal edges, the deadline of each state, the one
 * gate for failures, tearing an association down, deleting. Home reactor.
 *
 * What the owner asks for, and tearing down, is done at the top of a turn (nvhi_ctrlr_run_wants):
 * so no duty is torn down from under its own feet, and owners may call anything from their events.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define TEARDOWN_LOOK_MS 10000u
#define STALL_NS         (20 * NVHI_NSEC_PER_MSEC)
#define SECOND_LOOK_NS   (5 * NVHI_NSEC_PER_MSEC)

static uint64_t associations; /* of this process, ever; atomic */

/* ---- the table --------------------------------------------------------------------------- */

static const char *const ctrlr_state_names[] = {
#define X(upper, lower) [NVHI_CTRLR_##upper] = #lower,
	NVHI_CTRLR_STATES(X)
#undef X
};

#define TO(state) NVHI_FSM_TO(NVHI_CTRLR_##state)
static const uint32_t ctrlr_edges[NVHI_ARRAY_SIZE(ctrlr_state_names)] = {
	[NVHI_CTRLR_NEW] = TO(CONNECTING) | TO(DELETING),
	[NVHI_CTRLR_CONNECTING] = TO(ENABLING) | TO(RESETTING) | TO(DELETING),
	[NVHI_CTRLR_ENABLING] = TO(IDENTIFYING) | TO(RESETTING) | TO(DELETING),
	[NVHI_CTRLR_IDENTIFYING] = TO(CONFIGURING) | TO(RESETTING) | TO(SHUTDOWN) | TO(DELETING),
	[NVHI_CTRLR_CONFIGURING] =
		TO(QUEUES) | TO(LIVE) | TO(RESETTING) | TO(SHUTDOWN) | TO(DELETING),
	[NVHI_CTRLR_QUEUES] = TO(LIVE) | TO(RESETTING) | TO(SHUTDOWN) | TO(DELETING),
	[NVHI_CTRLR_LIVE] = TO(DISABLING) | TO(RESETTING) | TO(SHUTDOWN) | TO(DELETING),
	[NVHI_CTRLR_DISABLING] = TO(RESETTING) | TO(DELETING),
	[NVHI_CTRLR_RESETTING] = TO(RECONNECT_WAIT) | TO(DELETING),
	[NVHI_CTRLR_RECONNECT_WAIT] = TO(CONNECTING) | TO(DELETING),
	[NVHI_CTRLR_SHUTDOWN] = TO(DELETING),
	[NVHI_CTRLR_DELETING] = TO(DELETED),
};
#undef TO

struct nvhi_fsm nvhi_ctrlr_fsm = NVHI_FSM_INIT("ctrlr", ctrlr_state_names, ctrlr_edges);

const char *nvhi_ctrlr_state_name(enum nvhi_ctrlr_state state)
{
	return ctrlr_state_names[state];
}

const char *nvhi_ctrlr_state_brief(enum nvhi_ctrlr_state state)
{
	switch (state) {
	case NVHI_CTRLR_NEW:
		return "new";
	case NVHI_CTRLR_LIVE:
		return "live";
	case NVHI_CTRLR_DISABLING:
	case NVHI_CTRLR_RESETTING:
		return "resetting";
	case NVHI_CTRLR_SHUTDOWN:
	case NVHI_CTRLR_DELETING:
		return "deleting";
	case NVHI_CTRLR_DELETED:
		return "dead";
	default:
		return "connecting";
	}
}

/* ---- states and their deadlines ---------------------------------------------------------- */

void nvhi_ctrlr_kick(struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->kicked)
		return;
	ctrlr->kicked = true;
	nvhi_reactor_post(ctrlr->home, &ctrlr->kick);
}

void nvhi_ctrlr_step(struct nvhi_ctrlr *ctrlr, const char *step, uint32_t ms)
{
	ctrlr->step = step;
	ctrlr->step_ms = ms;
	if (nvhi_timer_arm(ctrlr->home, &ctrlr->state_timer, ms * NVHI_NSEC_PER_MSEC) == 0)
		return;
	if (ctrlr->state == NVHI_CTRLR_RESETTING || ctrlr->state == NVHI_CTRLR_DELETING)
		return; /* revoking ends by itself; this timer only complains */
	/* No memory for a timer: no wait without a bound, so the step is over now. */
	ctrlr->want_expire = true;
	nvhi_ctrlr_kick(ctrlr);
}

void nvhi_ctrlr_set_state(struct nvhi_ctrlr *ctrlr, enum nvhi_ctrlr_state state, const char *step,
			  uint32_t ms)
{
	nvhi_fsm_set(&nvhi_ctrlr_fsm, &ctrlr->state, state, NVHI_LOG_CTRLR, ctrlr->name);
	ctrlr->want_expire = false;
	if (state == NVHI_CTRLR_LIVE || nvhi_ctrlr_is_ending(ctrlr))
		nvhi_gate_leave(&ctrlr->pass);
	if (step)
		nvhi_ctrlr_step(ctrlr, step, ms);
	else
		nvhi_timer_cancel(ctrlr->home, &ctrlr->state_timer);
	nvhi_ctrlr_event(ctrlr, state, state);
}

static void life_expired(struct nvhi_ctrlr *ctrlr)
{
	switch (ctrlr->state) {
	case NVHI_CTRLR_RECONNECT_WAIT:
		nvhi_reconnect_go(ctrlr);
		break;
	case NVHI_CTRLR_RESETTING:
	case NVHI_CTRLR_DELETING:
		/* Nothing may go on while a queue can still touch a caller's memory. */
		nvhi_log(ERROR, CTRLR, "%s: still waits for %u queues to be closed", ctrlr->name,
			 ctrlr->ioqs_running + (ctrlr->admin ? 1 : 0));
		nvhi_ctrlr_step(ctrlr, ctrlr->step, TEARDOWN_LOOK_MS);
		break;
	default:
		nvhi_ctrlr_fail(ctrlr, -ETIMEDOUT, NULL, ctrlr->step, "no answer within %u ms",
				ctrlr->step_ms);
		break;
	}
}

bool nvhi_deadline_stalled(struct nvh_reactor *reactor, struct nvhi_timer *timer)
{
	if (nvhi_reactor_now(reactor) - timer->deadline < STALL_NS)
		return false;
	return nvhi_timer_arm(reactor, timer, SECOND_LOOK_NS) == 0;
}

static void life_on_timer(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, state_timer);

	if (ctrlr->state != NVHI_CTRLR_RECONNECT_WAIT && nvhi_deadline_stalled(ctrlr->home, timer))
		return;
	life_expired(ctrlr);
}

static void life_on_loss(struct nvhi_timer *timer)
{
	nvhi_ctrlr_give_up(nvhi_container_of(timer, struct nvhi_ctrlr, loss_timer));
}

static void life_on_fast_fail(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, fast_fail_timer);

	nvhi_log(WARN, CTRLR, "%s: not back after %d s (fast_io_fail_tmo): waiting I/O fails",
		 ctrlr->name, ctrlr->opts.fast_io_fail_tmo_s);
	nvhi_ctrlr_event(ctrlr, fast_io_fail);
}

static void life_on_turn(struct nvhi_gate_pass *pass)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(pass, struct nvhi_ctrlr, pass);

	ctrlr->want_turn = true;
	nvhi_ctrlr_kick(ctrlr);
}

void nvhi_life_init(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->state_timer.fn = life_on_timer;
	ctrlr->pass.fn = life_on_turn;
	ctrlr->loss_timer.fn = life_on_loss;
	ctrlr->fast_fail_timer.fn = life_on_fast_fail;
}

/* ---- ending ------------------------------------------------------------------------------ */

bool nvhi_ctrlr_is_ending(const struct nvhi_ctrlr *ctrlr)
{
	switch (ctrlr->state) {
	case NVHI_CTRLR_CONNECTING:
	case NVHI_CTRLR_ENABLING:
	case NVHI_CTRLR_IDENTIFYING:
	case NVHI_CTRLR_CONFIGURING:
	case NVHI_CTRLR_QUEUES:
	case NVHI_CTRLR_LIVE:
		return false;
	default:
		return true;
	}
}

/* What must not go on once the association is about to end. */
static void life_stop_duties(struct nvhi_ctrlr *ctrlr, int err)
{
	nvhi_timer_cancel(ctrlr->home, &ctrlr->poll_timer);
	nvhi_keepalive_stop(ctrlr);
	nvhi_aer_stop(ctrlr);
	nvhi_ana_stop(ctrlr);
	nvhi_ccr_stop(ctrlr);
	nvhi_probe_stop(ctrlr);
	nvhi_scan_stop(ctrlr, err);
}

/* Towards RESETTING or DELETING; the queues are torn down at the top of the next turn. */
static void life_end(struct nvhi_ctrlr *ctrlr, bool for_good)
{
	life_stop_duties(ctrlr, for_good ? -ESHUTDOWN : -ENOTCONN);
	nvhi_ctrlr_set_state(ctrlr, for_good ? NVHI_CTRLR_DELETING : NVHI_CTRLR_RESETTING,
			     "close queues", TEARDOWN_LOOK_MS);
	if (for_good)
		nvhi_ns_drop_all(ctrlr);
	ctrlr->want_teardown = true;
	nvhi_ctrlr_kick(ctrlr);
}

static void life_log_failure(struct nvhi_ctrlr *ctrlr, const char *before, bool live)
{
	const struct nvhi_ctrlr_error *error = &ctrlr->error;
	const char *then = error->will_retry ? "; will try again" : "";

	if (live)
		nvhi_log(WARN, CTRLR, "%s: lost: %s%s", ctrlr->name, error->message, then);
	else if (strcmp(before, error->message) != 0)
		nvhi_log(WARN, CTRLR, "%s: %s%s", ctrlr->name, error->message, then);
	else
		nvhi_log(DEBUG, CTRLR, "%s: again: %s%s", ctrlr->name, error->message, then);
}

void nvhi_ctrlr_fail(struct nvhi_ctrlr *ctrlr, int err, const struct nvh_cpl *cpl, const char *what,
		     const char *fmt, ...)
{
	bool live = ctrlr->state == NVHI_CTRLR_LIVE;
	char text[192], before[sizeof(ctrlr->error.message)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (ctrlr->state == NVHI_CTRLR_DISABLING || ctrlr->state == NVHI_CTRLR_SHUTDOWN) {
		nvhi_log(INFO, CTRLR, "%s: %s: %s; closing the connection", ctrlr->name, what,
			 text);
		life_end(ctrlr, ctrlr->state == NVHI_CTRLR_SHUTDOWN);
		return;
	}
	if (nvhi_ctrlr_is_ending(ctrlr))
		return;
	memcpy(before, ctrlr->error.message, sizeof(before));
	nvhi_ctrlr_error_set(ctrlr, &ctrlr->error, err, cpl, what, text);
	ctrlr->error.will_retry = nvhi_reconnect_wanted(ctrlr, cpl);
	ctrlr->failed_for_good = !ctrlr->error.will_retry;
	life_log_failure(ctrlr, before, live);
	if (live)
		nvhi_reconnect_lost(ctrlr);
	life_end(ctrlr, ctrlr->failed_for_good);
	if (live)
		nvhi_ctrlr_event(ctrlr, lost, &ctrlr->error);
	else
		nvhi_ctrlr_event(ctrlr, failed, &ctrlr->error);
}

void nvhi_ctrlr_give_up(struct nvhi_ctrlr *ctrlr)
{
	char last[sizeof(ctrlr->error.message)];

	if (ctrlr->state == NVHI_CTRLR_LIVE || ctrlr->state == NVHI_CTRLR_SHUTDOWN ||
	    ctrlr->state == NVHI_CTRLR_DELETING || ctrlr->state == NVHI_CTRLR_DELETED)
		return;
	memcpy(last, ctrlr->error.message, sizeof(last));
	snprintf(ctrlr->error.message, sizeof(ctrlr->error.message),
		 "given up after %d s without a connection (ctrl-loss-tmo)%s%s",
		 ctrlr->opts.ctrl_loss_tmo_s, last[0] ? "; last: " : "", last);
	if (ctrlr->error.err == 0)
		ctrlr->error.err = -ETIMEDOUT;
	ctrlr->error.will_retry = false;
	ctrlr->failed_for_good = true;
	nvhi_log(WARN, CTRLR, "%s: %s", ctrlr->name, ctrlr->error.message);
	life_end(ctrlr, true);
}

void nvhi_ctrlr_left(struct nvhi_ctrlr *ctrlr)
{
	life_end(ctrlr, ctrlr->state == NVHI_CTRLR_SHUTDOWN);
}

/* ---- the queues go ----------------------------------------------------------------------- */

static void life_teardown(struct nvhi_ctrlr *ctrlr)
{
	nvhi_abort_flush(ctrlr);
	nvhi_admin_flush(ctrlr);
	nvhi_queues_stop(ctrlr);
	if (ctrlr->admin && !ctrlr->admin_revoking) {
		ctrlr->admin_revoking = true;
		ctrlr->transport->revoke(ctrlr->admin);
	}
	nvhi_ctrlr_queue_gone(ctrlr);
}

static void life_tell_resetters(struct nvhi_ctrlr *ctrlr, int err)
{
	struct nvhi_list told;

	nvhi_list_init(&told);
	nvhi_list_splice_tail(&told, &ctrlr->reset_waiters);
	while (!nvhi_list_empty(&told)) {
		struct nvhi_ctrlr_waiter *waiter =
			nvhi_list_first(&told, struct nvhi_ctrlr_waiter, link);

		nvhi_list_del(&waiter->link);
		waiter->fn(waiter, err);
	}
}

static void life_deleted(struct nvhi_ctrlr *ctrlr)
{
	nvhi_reconnect_stop(ctrlr);
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_DELETED, NULL, 0);
	nvhi_log(INFO, CTRLR, "%s: deleted", ctrlr->name);
	life_tell_resetters(ctrlr, -ESHUTDOWN);
	nvhi_ctrlr_event(ctrlr, deleted, ctrlr->failed_for_good ? &ctrlr->error : NULL);
}

void nvhi_ctrlr_queue_gone(struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->ioqs_running > 0)
		return;
	if (ctrlr->state == NVHI_CTRLR_DISABLING) {
		nvhi_ctrlr_disable(ctrlr);
		return;
	}
	if (ctrlr->state == NVHI_CTRLR_SHUTDOWN) {
		nvhi_ctrlr_shutdown(ctrlr);
		return;
	}
	if (ctrlr->admin || ctrlr->want_teardown)
		return;
	if (ctrlr->state != NVHI_CTRLR_RESETTING && ctrlr->state != NVHI_CTRLR_DELETING)
		return;
	if (ctrlr->associated) {
		ctrlr->associated = false;
		nvhi_ctrlr_event(ctrlr, quiesced);
	}
	if (ctrlr->state == NVHI_CTRLR_RESETTING)
		nvhi_reconnect_wait(ctrlr);
	else
		life_deleted(ctrlr);
}

/* ---- live -------------------------------------------------------------------------------- */

void nvhi_ctrlr_become_live(struct nvhi_ctrlr *ctrlr)
{
	bool first = !ctrlr->was_live;

	ctrlr->was_live = true;
	ctrlr->associated = true;
	ctrlr->was_disabled = false;
	ctrlr->assoc_id = __atomic_add_fetch(&associations, 1, __ATOMIC_RELAXED);
	nvhi_reconnect_live(ctrlr);
	if (!first)
		ctrlr->reconnects++;
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_LIVE, NULL, 0);
	nvhi_log(INFO, CTRLR, "%s: live: %s, controller %u, %u I/O queues, %u namespaces",
		 ctrlr->name, ctrlr->opts.transport.subnqn, ctrlr->caps.cntlid,
		 ctrlr->caps.nr_io_queues, ctrlr->table.count);
	nvhi_ctrlr_event(ctrlr, live, first);
	nvhi_queues_open(ctrlr);
	life_tell_resetters(ctrlr, 0);
}

/* ---- what the owner asks for ------------------------------------------------------------- */

void nvhi_ctrlr_start(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->want_start = true;
	nvhi_ctrlr_kick(ctrlr);
}

void nvhi_ctrlr_delete(struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->state == NVHI_CTRLR_DELETED)
		return;
	ctrlr->want_delete = true;
	nvhi_ctrlr_kick(ctrlr);
}

int nvhi_ctrlr_reset(struct nvhi_ctrlr *ctrlr, const char *why, struct nvhi_ctrlr_waiter *waiter)
{
	if (ctrlr->want_delete || ctrlr->state == NVHI_CTRLR_SHUTDOWN ||
	    ctrlr->state == NVHI_CTRLR_DELETING || ctrlr->state == NVHI_CTRLR_DELETED)
		return -ESHUTDOWN;
	snprintf(ctrlr->reset_why, sizeof(ctrlr->reset_why), "%s", why);
	if (waiter)
		nvhi_list_add_tail(&ctrlr->reset_waiters, &waiter->link);
	ctrlr->want_reset = true;
	nvhi_ctrlr_kick(ctrlr);
	return 0;
}

int nvhi_ctrlr_rescan(struct nvhi_ctrlr *ctrlr, struct nvhi_ctrlr_waiter *waiter)
{
	if (ctrlr->state != NVHI_CTRLR_LIVE)
		return -ENOTCONN;
	if (waiter)
		nvhi_list_add_tail(&ctrlr->scan.waiters_next, &waiter->link);
	ctrlr->want_rescan = true;
	nvhi_ctrlr_kick(ctrlr);
	return 0;
}

void nvhi_ctrlr_wake(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->want_wake = true;
	nvhi_ctrlr_kick(ctrlr);
}

void nvhi_ctrlr_nudge(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->want_nudge = true;
	nvhi_ctrlr_kick(ctrlr);
}

static void life_start(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->started = true;
	nvhi_reconnect_arm_loss(ctrlr);
	nvhi_reconnect_go(ctrlr);
}

static void life_delete(struct nvhi_ctrlr *ctrlr)
{
	switch (ctrlr->state) {
	case NVHI_CTRLR_IDENTIFYING:
	case NVHI_CTRLR_CONFIGURING:
	case NVHI_CTRLR_QUEUES:
	case NVHI_CTRLR_LIVE:
		nvhi_reconnect_stop(ctrlr);
		life_stop_duties(ctrlr, -ESHUTDOWN);
		nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_SHUTDOWN, "close I/O queues",
				     TEARDOWN_LOOK_MS);
		nvhi_ns_drop_all(ctrlr);
		nvhi_queues_stop(ctrlr);
		nvhi_ctrlr_queue_gone(ctrlr);
		break;
	case NVHI_CTRLR_SHUTDOWN:
	case NVHI_CTRLR_DELETING:
	case NVHI_CTRLR_DELETED:
		break;
	default:
		life_end(ctrlr, true);
		break;
	}
}

static void life_reset(struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->state == NVHI_CTRLR_RECONNECT_WAIT) {
		ctrlr->want_wake = true;
		return;
	}
	if (ctrlr->state != NVHI_CTRLR_LIVE)
		return; /* an attempt or a reset is under way: its outcome is the answer */
	nvhi_ctrlr_error_set(ctrlr, &ctrlr->error, -ECONNRESET, NULL, "reset", ctrlr->reset_why);
	ctrlr->error.will_retry = true;
	nvhi_log(INFO, CTRLR, "%s: reset: %s", ctrlr->name, ctrlr->reset_why);
	nvhi_reconnect_lost(ctrlr);
	ctrlr->reconnect_now = true;
	life_stop_duties(ctrlr, -ENOTCONN);
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_DISABLING, "close I/O queues", TEARDOWN_LOOK_MS);
	nvhi_ctrlr_event(ctrlr, lost, &ctrlr->error);
	nvhi_queues_stop(ctrlr);
	nvhi_ctrlr_queue_gone(ctrlr);
}

static bool life_take(bool *want)
{
	bool was = *want;

	*want = false;
	return was;
}

void nvhi_ctrlr_run_wants(struct nvhi_ctrlr *ctrlr)
{
	if (life_take(&ctrlr->want_delete))
		life_delete(ctrlr);
	if (life_take(&ctrlr->want_start) && ctrlr->state == NVHI_CTRLR_NEW &&
	    !ctrlr->started)
		life_start(ctrlr);
	if (life_take(&ctrlr->want_reset))
		life_reset(ctrlr);
	if (life_take(&ctrlr->want_rescan))
		nvhi_scan_request(ctrlr, true, NULL, 0);
	if (life_take(&ctrlr->want_wake) && ctrlr->state == NVHI_CTRLR_RECONNECT_WAIT) {
		ctrlr->attempts = 0;
		nvhi_reconnect_go(ctrlr);
	}
	if (life_take(&ctrlr->want_nudge) && ctrlr->state == NVHI_CTRLR_RECONNECT_WAIT)
		nvhi_reconnect_go(ctrlr);
	if (life_take(&ctrlr->want_turn) && ctrlr->pass.inside &&
	    (ctrlr->state == NVHI_CTRLR_RECONNECT_WAIT || ctrlr->state == NVHI_CTRLR_NEW))
		nvhi_ctrlr_connect(ctrlr);
	if (life_take(&ctrlr->want_expire))
		life_expired(ctrlr);
	if (life_take(&ctrlr->want_teardown))
		life_teardown(ctrlr);
}
