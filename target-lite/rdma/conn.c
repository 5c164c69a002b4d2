/*
 * A connection's life: arriving (its id is on its way to the poll group) -> accepting -> live ->
 * (draining: the last responses leave) -> disconnecting: the queue pair is in error and its work
 * requests come back -> closed: the queue pair is gone, and nothing of it is in a completion queue.
 * It is freed when the core, too, has let go of it. Each wait has a deadline; no step relies on the
 * peer or the device. NVMe/RDMA Transport Specification 1.1 section 3.3.
 */
#include <stdarg.h>
#include <stdio.h>

#include "target-lite/rdma/rdma_impl.h"

/* For the last responses, and for the work requests of a queue pair in error and the peer's end. */
#define CONN_DRAIN_NS (500 * NVHI_NSEC_PER_MSEC)
#define CONN_END_NS   (500 * NVHI_NSEC_PER_MSEC)

static const char *const conn_state_names[] = {
#define X(upper, lower) [TL_RDMA_CONN_##upper] = #lower,
	TL_RDMA_CONN_STATES(X)
#undef X
};
static const uint32_t conn_edges[] = {
	[TL_RDMA_CONN_ARRIVING] = NVHI_FSM_TO(TL_RDMA_CONN_ACCEPTING),
	[TL_RDMA_CONN_ACCEPTING] = NVHI_FSM_TO(TL_RDMA_CONN_LIVE) |
				   NVHI_FSM_TO(TL_RDMA_CONN_DRAINING) |
				   NVHI_FSM_TO(TL_RDMA_CONN_DISCONNECTING),
	[TL_RDMA_CONN_LIVE] =
		NVHI_FSM_TO(TL_RDMA_CONN_DRAINING) | NVHI_FSM_TO(TL_RDMA_CONN_DISCONNECTING),
	[TL_RDMA_CONN_DRAINING] = NVHI_FSM_TO(TL_RDMA_CONN_DISCONNECTING),
	[TL_RDMA_CONN_DISCONNECTING] = NVHI_FSM_TO(TL_RDMA_CONN_CLOSED),
	[TL_RDMA_CONN_CLOSED] = 0,
};
struct nvhi_fsm tl_rdma_conn_fsm = NVHI_FSM_INIT("rdma", conn_state_names, conn_edges);

void tl_rdma_conn_set_state(struct tl_rdma_conn *conn, enum tl_rdma_conn_state to)
{
	nvhi_fsm_set(&tl_rdma_conn_fsm, &conn->state, to, NVHI_LOG_RDMA, conn->qpair.peer);
}

/* ---- requests ------------------------------------------------------------------------------- */

struct tl_rdma_req *tl_rdma_req_get(struct tl_rdma_conn *conn)
{
	struct tl_rdma_req *treq;

	if (!nvhi_list_empty(&conn->free_reqs)) {
		treq = nvhi_list_first(&conn->free_reqs, struct tl_rdma_req, link);
		nvhi_list_del(&treq->link);
		return treq;
	}
	if (conn->req_fresh == conn->req_count)
		return NULL;
	treq = &conn->reqs[conn->req_fresh];
	treq->cpl = &conn->cpls[conn->req_fresh++];
	treq->req.qpair = &conn->qpair;
	nvhi_list_init(&treq->link);
	return treq;
}

void tl_rdma_req_put(struct tl_rdma_conn *conn, struct tl_rdma_req *treq)
{
	treq->state = TL_RDMA_REQ_FREE;
	nvhi_list_del(&treq->link);
	nvhi_list_add_head(&conn->free_reqs, &treq->link);
	if (treq->slot) {
		tl_rdma_rq_give(conn->rq, treq->slot);
		treq->slot = NULL;
	}
	tl_rdma_buf_put(treq);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* The queue pair goes; after that nothing of it is anywhere but with the core. */
static void conn_bury(struct nvhi_defer *defer)
{
	struct tl_rdma_conn *conn = nvhi_container_of(defer, struct tl_rdma_conn, bury);

	nvhi_timer_cancel(tl_rdma_conn_reactor(conn), &conn->watch);
	nvhi_reactor_undefer(tl_rdma_conn_reactor(conn), defer);
	tl_rdma_conn_set_state(conn, TL_RDMA_CONN_CLOSED);
	nvhi_rdma_id_destroy(&conn->id);
	tl_rdma_cq_drain(conn->dev);
	nvhi_list_del(&conn->hash_link);
	tl_rdma_cq_expect(conn->dev, -(int)conn->wrs);
	conn->wrs = 0;
	for (uint32_t i = 0; i < conn->req_fresh; i++) {
		struct tl_rdma_req *treq = &conn->reqs[i];

		if (treq->state == TL_RDMA_REQ_SENDING || treq->state == TL_RDMA_REQ_QUEUED)
			tl_request_end(&treq->req);
		if (treq->state >= TL_RDMA_REQ_QUEUED || treq->state == TL_RDMA_REQ_READ)
			tl_rdma_req_put(conn, treq);
	}
	if (conn->released)
		tl_rdma_conn_free(conn);
}

static struct tl_rdma_conn *conn_any(struct tl_rdma_group *tg)
{
	struct tl_rdma_dev *dev;

	nvhi_list_for_each(dev, &tg->devs, link)
		for (uint32_t i = 0; i < TL_RDMA_HASH; i++)
			if (!nvhi_list_empty(&dev->conns[i]))
				return nvhi_list_first(&dev->conns[i], struct tl_rdma_conn,
						       hash_link);
	return NULL;
}

void tl_rdma_conns_bury(struct tl_rdma_group *tg)
{
	struct tl_rdma_conn *conn;

	while ((conn = conn_any(tg)))
		conn_bury(&conn->bury);
}

void tl_rdma_release(struct tl_qpair *qpair)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(qpair);

	conn->released = true;
	if (conn->state == TL_RDMA_CONN_CLOSED)
		tl_rdma_conn_free(conn);
}

static void conn_bury_soon(struct tl_rdma_conn *conn)
{
	nvhi_reactor_defer(tl_rdma_conn_reactor(conn), &conn->bury);
}

/* Requests that neither the core nor the device has. */
static void conn_drop_outside(struct tl_rdma_conn *conn)
{
	for (uint32_t i = 0; i < conn->req_fresh; i++) {
		struct tl_rdma_req *treq = &conn->reqs[i];

		if (treq->state == TL_RDMA_REQ_QUEUED)
			tl_request_end(&treq->req);
		if (treq->state == TL_RDMA_REQ_QUEUED || treq->state == TL_RDMA_REQ_BUFFER ||
		    (treq->state == TL_RDMA_REQ_READ && !treq->reads))
			tl_rdma_req_put(conn, treq);
	}
	while (!nvhi_list_empty(&conn->slots_wait)) {
		struct tl_rdma_slot *slot =
			nvhi_list_first(&conn->slots_wait, struct tl_rdma_slot, link);

		nvhi_list_del(&slot->link);
		tl_rdma_rq_give(conn->rq, slot);
	}
}

void tl_rdma_conn_disconnect(struct tl_rdma_conn *conn)
{
	if (!tl_rdma_conn_open(conn))
		return;
	tl_rdma_conn_set_state(conn, TL_RDMA_CONN_DISCONNECTING);
	nvhi_reactor_undefer(tl_rdma_conn_reactor(conn), &conn->flush);
	tl_rdma_unpost(conn);
	conn->id.verbs->cm_disconnect(conn->id.cm_id);
	conn_drop_outside(conn);
	tl_qpair_close(&conn->qpair);
	if (nvhi_timer_arm(tl_rdma_conn_reactor(conn), &conn->watch, CONN_END_NS))
		conn_bury_soon(conn);
	tl_rdma_conn_check(conn);
}

void tl_rdma_conn_check(struct tl_rdma_conn *conn)
{
	if (conn->state == TL_RDMA_CONN_DRAINING && !conn->wrs && !conn->first &&
	    nvhi_list_empty(&conn->sends_wait))
		tl_rdma_conn_disconnect(conn);
	else if (conn->state == TL_RDMA_CONN_DISCONNECTING && !conn->wrs && conn->gone)
		conn_bury_soon(conn);
}

void tl_rdma_conn_fail(struct tl_rdma_conn *conn, const char *fmt, ...)
{
	char text[200];
	va_list args;

	if (!conn->told) { /* also after the peer's end, which may be seen before its reason */
		conn->told = true;
		va_start(args, fmt);
		vsnprintf(text, sizeof(text), fmt, args);
		va_end(args);
		nvhi_log(WARN, RDMA, "%s: %s: closing", conn->qpair.peer, text);
	}
	tl_rdma_conn_disconnect(conn);
}

/* What was answered goes out before the end. */
void tl_rdma_disconnect(struct tl_qpair *qpair)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(qpair);

	if (conn->state >= TL_RDMA_CONN_DRAINING)
		return;
	conn->told = true; /* by who asks for it */
	tl_rdma_conn_set_state(conn, TL_RDMA_CONN_DRAINING);
	if (conn->mute == TL_MUTE_ALL ||
	    nvhi_timer_arm(tl_rdma_conn_reactor(conn), &conn->watch, CONN_DRAIN_NS)) {
		tl_rdma_conn_disconnect(conn);
		return;
	}
	tl_rdma_flush(conn);
	tl_rdma_conn_check(conn);
}

void tl_rdma_reset(struct tl_qpair *qpair)
{
	tl_rdma_conn_of(qpair)->told = true;
	tl_rdma_conn_disconnect(tl_rdma_conn_of(qpair));
}

void tl_rdma_mute(struct tl_qpair *qpair, enum tl_mute mute)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(qpair);

	conn->mute = mute;
	if (mute || !tl_rdma_conn_open(conn))
		return;
	tl_rdma_pump(conn);
	tl_rdma_capsules_waiting(conn);
}

void tl_rdma_conn_watch(struct tl_rdma_conn *conn)
{
	uint64_t ms = tl_rdma_opts(conn->tg)->stall_ms;

	if (conn->state != TL_RDMA_CONN_LIVE || !ms)
		return;
	conn->wrs_seen = conn->wrs_done;
	if (nvhi_timer_arm(tl_rdma_conn_reactor(conn), &conn->watch, ms * NVHI_NSEC_PER_MSEC))
		nvhi_log(WARN, RDMA, "%s: no memory for a timer", conn->qpair.peer);
}

/* A device tells of a peer that does not answer; not every one does. */
static void conn_look(struct tl_rdma_conn *conn)
{
	if (conn->wrs && conn->wrs_seen == conn->wrs_done)
		tl_rdma_conn_fail(conn, "no transfer has ended for %u ms",
				  tl_rdma_opts(conn->tg)->stall_ms);
	else if (conn->wrs)
		tl_rdma_conn_watch(conn);
}

static void conn_watch_fired(struct nvhi_timer *timer)
{
	struct tl_rdma_conn *conn = nvhi_container_of(timer, struct tl_rdma_conn, watch);

	if (conn->state == TL_RDMA_CONN_DISCONNECTING)
		conn_bury_soon(conn);
	else if (conn->state == TL_RDMA_CONN_DRAINING)
		tl_rdma_conn_disconnect(conn);
	else if (conn->qpair.state == TL_QPAIR_LIVE)
		conn_look(conn);
	else
		tl_rdma_conn_fail(conn, "no %s within %u ms",
				  conn->state == TL_RDMA_CONN_ACCEPTING
					  ? "end of the RDMA handshake"
					  : "Connect",
				  tl_rdma_opts(conn->tg)->handshake_ms);
}

/* ---- events --------------------------------------------------------------------------------- */

static void conn_removed(struct tl_rdma_conn *conn)
{
	tl_rdma_conn_fail(conn, "the RDMA device %s is removed",
			  nvhi_rdma_dev_name(conn->dev->dev));
	conn_bury_soon(conn); /* there may be no completions any more */
	nvhi_rdma_dev_missing();
	nvhi_timer_arm(tl_rdma_conn_reactor(conn), &conn->tg->sweep, TL_RDMA_SWEEP_NS);
}

void tl_rdma_conn_event(struct nvhi_rdma_id *id, const struct rdma_cm_event *event)
{
	struct tl_rdma_conn *conn = nvhi_container_of(id, struct tl_rdma_conn, id);
	char text[160];

	if (conn->state == TL_RDMA_CONN_ARRIVING) {
		conn->gone = true;
		return;
	}
	switch (event->event) {
	case RDMA_CM_EVENT_ESTABLISHED:
		if (conn->state == TL_RDMA_CONN_ACCEPTING)
			tl_rdma_conn_set_state(conn, TL_RDMA_CONN_LIVE);
		return;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		conn->gone = true;
		conn_removed(conn);
		return;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		conn->gone = true;
		if (conn->wrs) /* iWARP ends the connection where a key or range is wrong */
			tl_rdma_conn_fail(conn, "ended by the host with %u transfers under way",
					  conn->wrs);
		tl_rdma_conn_disconnect(conn);
		break;
	default:
		conn->gone = true;
		nvhi_rdma_event_error(id->verbs, event, text, sizeof(text));
		tl_rdma_conn_fail(conn, "%s", text);
	}
	tl_rdma_conn_check(conn);
}

void tl_rdma_conn_init(struct tl_rdma_conn *conn)
{
	conn->watch.fn = conn_watch_fired;
	conn->flush.fn = tl_rdma_flush_deferred;
	conn->bury.fn = conn_bury;
	nvhi_list_init(&conn->free_reqs);
	nvhi_list_init(&conn->slots_wait);
	nvhi_list_init(&conn->reads_wait);
	nvhi_list_init(&conn->sends_wait);
}
