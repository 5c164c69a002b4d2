/*
 * A connection's life: arriving (its id is on its way to the poll group) -> accepting -> live ->
 * (draining: the last responses leave) -> disconnecting: the queue pair is in error and its work
 * requests come back -> closed: the queue pair is gone, and nothing of it is in a completion queue.
 * It is freed when the core, too, has let go of it. Each wait has a deadline; no step relies on the
 * peer or the device. NVMe/RDMA Transport Specification 1.1 section 3.3.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "target-lite/rdma/rdma_impl.h"

/* For the last responses, and for the work requests of a queue pair in error and the peer's end. */
#define CONN_DRAIN_NS (500 * NVHI_NSEC_PER_MSEC)
#define CONN_END_NS   (500 * NVHI_NSEC_PER_MSEC)
/* Send queue entries beyond a command's usual two (data and response). */
#define CONN_SQ_EXTRA (2 * TL_RDMA_SGLS_MAX)

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

static void conn_set_state(struct tl_rdma_conn *conn, enum tl_rdma_conn_state to)
{
	nvhi_fsm_set(&tl_rdma_conn_fsm, &conn->state, to, NVHI_LOG_RDMA, conn->qpair.peer);
}

static struct nvh_reactor *conn_reactor(const struct tl_rdma_conn *conn)
{
	return conn->tg->group->reactor;
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

/* ---- what a connection needs ---------------------------------------------------------------- */

static void conn_free(struct tl_rdma_conn *conn)
{
	struct tl_rdma_dev *dev = conn->dev;

	if (dev) {
		if (conn->cq)
			tl_rdma_cq_put(dev, conn->cq, conn->cq_need);
		if (conn->srq_reserved)
			dev->srq_reserved -= conn->depth;
		tl_rdma_rq_done(dev, &conn->own_rq);
		nvhi_rdma_dereg(dev->dev, conn->cpls_mr);
		tl_rdma_dev_put(dev);
	}
	if (conn->map)
		munmap(conn->map, conn->map_size);
	free(conn);
}

/* Requests for twice the queue: a response may be seen by the host before its completion by us. */
static int conn_map(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	conn->req_count = conn->depth * 2;
	conn->cpls_size = (conn->req_count * sizeof(struct nvh_cpl) + 4095) & ~(size_t)4095;
	conn->map_size = conn->cpls_size + (size_t)conn->req_count * sizeof(struct tl_rdma_req);
	conn->map = mmap(NULL, conn->map_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (conn->map == MAP_FAILED) {
		conn->map = NULL;
		snprintf(errbuf, errbuf_len, "no memory for %u requests", conn->req_count);
		return -ENOMEM;
	}
	conn->cpls = conn->map;
	conn->reqs = (void *)((uint8_t *)conn->map + conn->cpls_size);
	return nvhi_rdma_reg(conn->dev->dev, conn->cpls, conn->cpls_size, 0, "responses", errbuf,
			     errbuf_len, &conn->cpls_mr);
}

/* The shared receive queue; on iWARP only with an entry for each command. */
static int conn_rq(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	struct tl_rdma_dev *dev = conn->dev;

	if (dev->has_srq && !dev->dev->iwarp) {
		conn->rq = &dev->srq;
		return 0;
	}
	if (dev->has_srq && dev->srq_reserved + conn->depth <= dev->srq.count) {
		conn->rq = &dev->srq;
		conn->srq_reserved = true;
		dev->srq_reserved += conn->depth;
		return 0;
	}
	conn->rq = &conn->own_rq;
	return tl_rdma_rq_init(dev, conn->rq, conn->depth + 1, errbuf, errbuf_len);
}

static uint32_t conn_sq_size(const struct tl_rdma_conn *conn)
{
	uint32_t size = conn->depth * 2 + CONN_SQ_EXTRA;
	uint32_t most = (uint32_t)conn->dev->dev->attr.max_qp_wr;

	return size < most ? size : most;
}

static int conn_qp(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	struct tl_rdma_dev *dev = conn->dev;
	bool own = conn->rq == &conn->own_rq;
	struct ibv_qp_init_attr attr = {
		.send_cq = conn->cq->cq,
		.recv_cq = conn->cq->cq,
		.srq = own ? NULL : conn->rq->srq,
		.cap = {.max_send_wr = conn->sq_size,
			.max_recv_wr = own ? conn->rq->count : 0,
			.max_send_sge = 1,
			.max_recv_sge = own ? 1 : 0,
			.max_inline_data = sizeof(struct nvh_cpl)},
		.qp_type = IBV_QPT_RC,
	};
	struct ibv_qp_init_attr plain = attr;

	conn->inlined = true;
	if (dev->dev->verbs->cm_create_qp(conn->id.cm_id, dev->dev->pd, &attr)) {
		plain.cap.max_inline_data = 0;
		conn->inlined = false;
		if (dev->dev->verbs->cm_create_qp(conn->id.cm_id, dev->dev->pd, &plain)) {
			int err = errno ? -errno : -ENOMEM;

			snprintf(errbuf, errbuf_len, "%s: no queue pair of %u and %u entries: %s",
				 nvhi_rdma_dev_name(dev->dev), conn->sq_size, conn->depth,
				 strerror(-err));
			return err;
		}
	}
	conn->qp_num = conn->id.cm_id->qp->qp_num;
	nvhi_list_add_head(&dev->conns[conn->qp_num % TL_RDMA_HASH], &conn->hash_link);
	conn->sq_free = conn->sq_size;
	if (!own)
		return 0;
	conn->rq->qp = conn->id.cm_id->qp;
	tl_rdma_rq_give_all(conn->rq);
	return tl_rdma_rq_post(dev, conn->rq);
}

static int conn_prepare(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	int err = tl_rdma_dev_get(conn->tg, conn->id.cm_id->verbs, errbuf, errbuf_len, &conn->dev);
	uint32_t most;

	if (err)
		return err;
	most = (uint32_t)conn->dev->dev->attr.max_qp_init_rd_atom;
	if (conn->reads_max > most)
		conn->reads_max = most;
	if (!conn->reads_max) {
		snprintf(errbuf, errbuf_len, "%s does no RDMA READ",
			 nvhi_rdma_dev_name(conn->dev->dev));
		return -ENOTSUP;
	}
	conn->reads_free = conn->reads_max;
	if (conn->responder > conn->dev->dev->attr.max_qp_rd_atom)
		conn->responder = (uint8_t)conn->dev->dev->attr.max_qp_rd_atom;
	err = conn_map(conn, errbuf, errbuf_len);
	if (!err)
		err = conn_rq(conn, errbuf, errbuf_len);
	if (err)
		return err;
	conn->sq_size = conn_sq_size(conn);
	conn->cq_need = conn->sq_size + (conn->rq == &conn->own_rq ? conn->rq->count : 0);
	err = tl_rdma_cq_get(conn->dev, conn->cq_need, errbuf, errbuf_len, &conn->cq);
	return err ? err : conn_qp(conn, errbuf, errbuf_len);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* The queue pair goes; after that nothing of it is anywhere but with the core. */
static void conn_bury(struct nvhi_defer *defer)
{
	struct tl_rdma_conn *conn = nvhi_container_of(defer, struct tl_rdma_conn, bury);

	nvhi_timer_cancel(conn_reactor(conn), &conn->watch);
	nvhi_reactor_undefer(conn_reactor(conn), defer);
	conn_set_state(conn, TL_RDMA_CONN_CLOSED);
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
		conn_free(conn);
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
		conn_free(conn);
}

static void conn_bury_soon(struct tl_rdma_conn *conn)
{
	nvhi_reactor_defer(conn_reactor(conn), &conn->bury);
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
	conn_set_state(conn, TL_RDMA_CONN_DISCONNECTING);
	nvhi_reactor_undefer(conn_reactor(conn), &conn->flush);
	tl_rdma_unpost(conn);
	conn->id.verbs->cm_disconnect(conn->id.cm_id);
	conn_drop_outside(conn);
	tl_qpair_close(&conn->qpair);
	if (nvhi_timer_arm(conn_reactor(conn), &conn->watch, CONN_END_NS))
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
	conn_set_state(conn, TL_RDMA_CONN_DRAINING);
	if (conn->mute == TL_MUTE_ALL ||
	    nvhi_timer_arm(conn_reactor(conn), &conn->watch, CONN_DRAIN_NS)) {
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
	if (nvhi_timer_arm(conn_reactor(conn), &conn->watch, ms * NVHI_NSEC_PER_MSEC))
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
	nvhi_timer_arm(conn_reactor(conn), &conn->tg->sweep, TL_RDMA_SWEEP_NS);
}

static void conn_event(struct nvhi_rdma_id *id, const struct rdma_cm_event *event)
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
			conn_set_state(conn, TL_RDMA_CONN_LIVE);
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

/* ---- the beginning -------------------------------------------------------------------------- */

static int conn_accept(struct tl_rdma_conn *conn)
{
	const struct nvhi_verbs *verbs = conn->id.verbs;
	uint32_t ack_timeout = tl_rdma_opts(conn->tg)->ack_timeout;
	struct nvh_rdma_cm_acc acc;
	struct rdma_conn_param param = {
		.private_data = &acc,
		.private_data_len = sizeof(acc),
		.responder_resources = conn->responder,
		.initiator_depth = (uint8_t)conn->reads_max,
		.flow_control = 1,
		.retry_count = 7,
		.rnr_retry_count = 7,
	};

	memset(&acc, 0, sizeof(acc));
	nvh_le16_put(&acc.recfmt, NVH_RDMA_CM_RECFMT);
	nvh_le16_put(&acc.crqsize, (uint16_t)(conn->depth > 65535 ? 65535 : conn->depth));
	if (ack_timeout) {
		uint8_t value = (uint8_t)ack_timeout;

		verbs->cm_set_option(conn->id.cm_id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT,
				     &value, sizeof(value));
	}
	return verbs->cm_accept(conn->id.cm_id, &param) ? -errno : 0;
}

static void conn_refuse(struct tl_rdma_conn *conn)
{
	if (conn->id.cm_id->qp) {
		nvhi_list_del(&conn->hash_link);
		conn->id.verbs->cm_destroy_qp(conn->id.cm_id);
	}
	nvhi_rdma_refuse(conn->id.verbs, conn->id.cm_id, NVH_RDMA_CM_NO_RESOURCES);
	conn_free(conn);
}

static void conn_arrived(struct nvhi_msg *msg)
{
	struct tl_rdma_conn *conn = nvhi_container_of(msg, struct tl_rdma_conn, msg);
	struct tl_poll_group *group = conn->tg->group;
	char text[300];
	int err;

	if (conn->gone || group->stopping || group->stopped) {
		conn_refuse(conn);
		return;
	}
	err = conn_prepare(conn, text, sizeof(text));
	if (err) {
		nvhi_log(WARN, RDMA, "%s: refused (no resources): %s", conn->qpair.peer, text);
		conn_refuse(conn);
		return;
	}
	tl_qpair_init(&conn->qpair);
	conn_set_state(conn, TL_RDMA_CONN_ACCEPTING);
	nvhi_log(DEBUG, RDMA,
		 "%s: queue %u of depth %u on %s, %u READs at a time, send queue %u, %s receive "
		 "queue",
		 conn->qpair.peer, conn->qid, conn->depth, nvhi_rdma_dev_name(conn->dev->dev),
		 conn->reads_max, conn->sq_size, conn->rq == &conn->own_rq ? "own" : "shared");
	if (nvhi_timer_arm(group->reactor, &conn->watch,
			   tl_rdma_opts(conn->tg)->handshake_ms * NVHI_NSEC_PER_MSEC)) {
		tl_rdma_conn_fail(conn, "no memory for a timer");
		return;
	}
	err = conn_accept(conn);
	if (err)
		tl_rdma_conn_fail(conn, "accepting the RDMA connection: %s", strerror(-err));
}

static void conn_names(struct tl_rdma_conn *conn, struct rdma_cm_id *cm_id)
{
	struct nvhi_rdma_id id = {.cm_id = cm_id};
	char *local = conn->qpair.local, *colon;

	nvhi_rdma_id_names(&id, local, sizeof(conn->qpair.local), conn->qpair.peer,
			   sizeof(conn->qpair.peer));
	colon = strrchr(local, ':');
	if (colon)
		*colon = 0;
	if (local[0] == '[') {
		size_t len = strlen(local);

		memmove(local, local + 1, len);
		if (len >= 2 && local[len - 2] == ']')
			local[len - 2] = 0;
	}
}

int tl_rdma_conn_arrive(struct tl_rdma_group *tg, const struct rdma_cm_event *event,
			const struct tl_listen_addr *addr, uint16_t qid, uint32_t depth)
{
	struct tl_rdma_conn *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn)
		return -ENOMEM;
	conn->tg = tg;
	conn->qpair.transport = &tg->rdma->transport;
	conn->qpair.group = tg->group;
	conn->qpair.listen_addr = *addr;
	conn->qid = qid;
	conn->depth = depth;
	conn->reads_max = event->param.conn.initiator_depth;
	conn->responder = event->param.conn.responder_resources;
	conn->watch.fn = conn_watch_fired;
	conn->flush.fn = tl_rdma_flush_deferred;
	conn->bury.fn = conn_bury;
	conn->msg.fn = conn_arrived;
	nvhi_list_init(&conn->free_reqs);
	nvhi_list_init(&conn->slots_wait);
	nvhi_list_init(&conn->reads_wait);
	nvhi_list_init(&conn->sends_wait);
	conn_names(conn, event->id);
	err = nvhi_rdma_id_adopt(&tg->cm, &conn->id, event->id, conn->qpair.peer, conn_event);
	if (err) {
		free(conn);
		return err;
	}
	nvhi_reactor_post(tg->group->reactor, &conn->msg);
	return 0;
}

/* Connect must agree with the connection request it came by. */
int tl_rdma_connected(struct tl_qpair *qpair, uint32_t entries)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(qpair);

	if (entries > conn->depth || qpair->qid != conn->qid) {
		nvhi_log(
			WARN, RDMA,
			"%s: Connect of queue %u with %u entries, but its connection was asked for "
			"as queue %u with %u: closing",
			qpair->peer, qpair->qid, entries, conn->qid, conn->depth);
		conn->told = true;
		return -EINVAL;
	}
	nvhi_timer_cancel(conn_reactor(conn), &conn->watch);
	return 0;
}
