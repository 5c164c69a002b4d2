/*
 * The life of a queue pair: new -> connecting -> live -> closing -> closed. It ends on its own
 * reactor when the last request has ended, leaves its controller on the management reactor, and
 * is given back to the transport. Base Specification 2.1 section 3.3.2.
 */
#include <assert.h>
#include <string.h>

#include "target-lite/core/impl.h"
#include "target-lite/fault/fault.h"

static const char *const qpair_state_names[] = {
#define X(upper, lower) [TL_QPAIR_##upper] = #lower,
	TL_QPAIR_STATES(X)
#undef X
};
static const uint32_t qpair_edges[] = {
	[TL_QPAIR_NEW] = NVHI_FSM_TO(TL_QPAIR_CONNECTING) | NVHI_FSM_TO(TL_QPAIR_CLOSING),
	[TL_QPAIR_CONNECTING] = NVHI_FSM_TO(TL_QPAIR_NEW) | NVHI_FSM_TO(TL_QPAIR_LIVE) |
				NVHI_FSM_TO(TL_QPAIR_CLOSING),
	[TL_QPAIR_LIVE] = NVHI_FSM_TO(TL_QPAIR_CLOSING),
	[TL_QPAIR_CLOSING] = NVHI_FSM_TO(TL_QPAIR_CLOSED),
	[TL_QPAIR_CLOSED] = 0,
};
struct nvhi_fsm tl_qpair_fsm = NVHI_FSM_INIT("qpair", qpair_state_names, qpair_edges);

void tl_qpair_init(struct tl_qpair *qpair)
{
	qpair->state = TL_QPAIR_NEW;
	nvhi_list_init(&qpair->reqs);
	nvhi_list_init(&qpair->ctrlr_link);
	nvhi_list_add_tail(&qpair->group->qpairs, &qpair->group_link);
	tl_count(&qpair->group->stats.current_unassociated_qpairs, 1);
}

/* Requests that wait for something that may never come end now. */
void tl_qpair_abort_waiting(struct tl_qpair *qpair)
{
	struct tl_request *req;

again:
	nvhi_list_for_each(req, &qpair->reqs, qpair_link) {
		req->abort = true;
		if (req->state != TL_REQ_QUEUED && req->state != TL_REQ_PARKED)
			continue;
		if (qpair->disconnect == req)
			qpair->disconnect = NULL;
		if (qpair->fused == req)
			qpair->fused = NULL;
		tl_request_complete(req, NVH_ST_ABORTED_SQ_DELETION);
		goto again;
	}
}

void tl_qpair_close(struct tl_qpair *qpair)
{
	if (tl_qpair_closing(qpair))
		return;
	nvhi_fsm_set(&tl_qpair_fsm, &qpair->state, TL_QPAIR_CLOSING, NVHI_LOG_TARGET, qpair->peer);
	if (qpair->ctrlr && qpair->qid == 0)
		tl_ctrlr_admin_stop(qpair->ctrlr);
	/* Keeps the end away while requests complete one by one below. */
	qpair->outstanding++;
	tl_qpair_abort_waiting(qpair);
	qpair->outstanding--;
	tl_qpair_ended(qpair);
}

static void qpair_release(struct nvhi_msg *msg)
{
	struct tl_qpair *qpair = nvhi_container_of(msg, struct tl_qpair, msg);
	struct tl_poll_group *group = qpair->group;
	struct tl_group_stats *stats = &group->stats;

	nvhi_list_del(&qpair->group_link);
	if (qpair->attached) {
		if (qpair->qid == 0)
			tl_count(&stats->current_admin_qpairs, -1u);
		else
			tl_count(&stats->current_io_qpairs, -1u);
	} else {
		tl_count(&stats->current_unassociated_qpairs, -1u);
	}
	qpair->transport->ops->release(qpair);
	tl_group_check_stopped(group);
}

static void qpair_detach(struct nvhi_msg *msg)
{
	struct tl_qpair *qpair = nvhi_container_of(msg, struct tl_qpair, msg);

	tl_ctrlr_detach(qpair->ctrlr, qpair);
	qpair->msg.fn = qpair_release;
	nvhi_reactor_post(qpair->group->reactor, &qpair->msg);
}

void tl_qpair_ended(struct tl_qpair *qpair)
{
	if (qpair->outstanding || qpair->state != TL_QPAIR_CLOSING)
		return;
	nvhi_fsm_set(&tl_qpair_fsm, &qpair->state, TL_QPAIR_CLOSED, NVHI_LOG_TARGET, qpair->peer);
	if (qpair->attached) {
		qpair->msg.fn = qpair_detach;
		nvhi_reactor_post(qpair->group->target->mgmt, &qpair->msg);
	} else {
		qpair->msg.fn = qpair_release;
		nvhi_reactor_post(qpair->group->reactor, &qpair->msg);
	}
}

static void qpair_disconnect_order(struct nvhi_msg *msg)
{
	struct tl_qpair *qpair = nvhi_container_of(msg, struct tl_qpair, disconnect_msg);

	if (!tl_qpair_closing(qpair))
		qpair->transport->ops->disconnect(qpair);
}

static void qpair_quench_order(struct nvhi_msg *msg)
{
	struct tl_qpair *qpair = nvhi_container_of(msg, struct tl_qpair, quench_msg);

	__atomic_store_n(&qpair->quench_posted, false, __ATOMIC_RELEASE);
	tl_fault_quench(qpair);
}

/* As tl_qpair_post_disconnect. */
void tl_qpair_post_quench(struct tl_qpair *qpair)
{
	if (__atomic_exchange_n(&qpair->quench_posted, true, __ATOMIC_ACQ_REL))
		return;
	qpair->quench_msg.fn = qpair_quench_order;
	nvhi_reactor_post(qpair->group->reactor, &qpair->quench_msg);
}

/* The order travels ahead of the release that tl_ctrlr_detach is followed by, so qpair is there. */
void tl_qpair_post_disconnect(struct tl_qpair *qpair)
{
	if (qpair->disconnect_posted)
		return;
	qpair->disconnect_posted = true;
	qpair->disconnect_msg.fn = qpair_disconnect_order;
	nvhi_reactor_post(qpair->group->reactor, &qpair->disconnect_msg);
}
