/*
 * A connection's life: handshake -> ready -> (linger after a TermReq) -> closed, its requests and
 * its deadlines. One timer watches whatever is waited for: the handshake and Connect as a whole; a
 * PDU that has begun and does not end; data that was asked for and does not come; a peer that takes
 * no byte. NVMe/TCP Transport Specification 1.1 sections 3.1 and 3.5.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "target-lite/tcp/tcp_impl.h"

#define CONN_LINGER_NS (300 * NVHI_NSEC_PER_MSEC)

static const char *const conn_state_names[] = {
#define X(upper, lower) [TL_TCP_CONN_##upper] = #lower,
	TL_TCP_CONN_STATES(X)
#undef X
};
static const uint32_t conn_edges[] = {
	[TL_TCP_CONN_HANDSHAKE] = NVHI_FSM_TO(TL_TCP_CONN_READY) | NVHI_FSM_TO(TL_TCP_CONN_LINGER) |
				  NVHI_FSM_TO(TL_TCP_CONN_CLOSED),
	[TL_TCP_CONN_READY] = NVHI_FSM_TO(TL_TCP_CONN_LINGER) | NVHI_FSM_TO(TL_TCP_CONN_CLOSED),
	[TL_TCP_CONN_LINGER] = NVHI_FSM_TO(TL_TCP_CONN_CLOSED),
	[TL_TCP_CONN_CLOSED] = 0,
};
struct nvhi_fsm tl_tcp_conn_fsm = NVHI_FSM_INIT("tcp", conn_state_names, conn_edges);

static void conn_set_state(struct tl_tcp_conn *conn, enum tl_tcp_conn_state to)
{
	nvhi_fsm_set(&tl_tcp_conn_fsm, &conn->state, to, NVHI_LOG_TCP, conn->qpair.peer);
}

/* ---- requests ------------------------------------------------------------------------------- */

struct tl_tcp_req *tl_tcp_req_get(struct tl_tcp_conn *conn)
{
	struct tl_tcp_req *treq;

	if (!nvhi_list_empty(&conn->free_reqs)) {
		treq = nvhi_list_first(&conn->free_reqs, struct tl_tcp_req, link);
		nvhi_list_del(&treq->link);
	} else if (conn->req_fresh < conn->req_count) {
		treq = &conn->reqs[conn->req_fresh];
		treq->index = (uint16_t)conn->req_fresh++;
		treq->req.qpair = &conn->qpair;
		nvhi_list_init(&treq->link);
	} else {
		return NULL;
	}
	treq->asked = 0;
	treq->received = 0;
	treq->bad_digest = false;
	return treq;
}

void tl_tcp_req_put(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	treq->state = TL_TCP_REQ_FREE;
	nvhi_list_del(&treq->link);
	if (treq != &conn->first_req || conn->reqs == &conn->first_req)
		nvhi_list_add_head(&conn->free_reqs, &treq->link);
	if (treq->buf)
		tl_tcp_buf_put(conn->tg, treq);
}

/* The requests a queue of this depth needs, instead of the one before Connect. */
int tl_tcp_connected(struct tl_qpair *qpair, uint32_t entries)
{
	struct tl_tcp_conn *conn = tl_tcp_conn_of(qpair);
	uint32_t count = entries + 1;
	size_t reqs_size = ((size_t)count * sizeof(struct tl_tcp_req) + 4095) & ~(size_t)4095;
	uint32_t icd = qpair->qid ? tl_tcp_opts(conn)->in_capsule_data_size : NVH_TCP_ADMIN_ICD;

	conn->req_map_size = reqs_size + (size_t)count * icd;
	conn->req_map = mmap(NULL, conn->req_map_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (conn->req_map == MAP_FAILED) {
		conn->req_map = NULL;
		return -ENOMEM;
	}
	nvhi_timer_cancel(conn->tg->group->reactor, &conn->watch); /* the handshake is over */
	/* Request 0 of the old set is the Connect that is being answered: it stays outside. */
	conn->reqs = conn->req_map;
	conn->req_count = count;
	conn->req_fresh = 0;
	nvhi_list_init(&conn->free_reqs);
	conn->params.max_icd = icd;
	conn->icd = (uint8_t *)conn->req_map + reqs_size;
	return 0;
}

/* A connection that is muted hears of its end only. */
static unsigned int conn_wanted(const struct tl_tcp_conn *conn)
{
	if (conn->mute == TL_MUTE_ALL)
		return 0;
	if (conn->tx.blocked)
		return NVHI_WRITABLE;
	return conn->mute ? 0 : NVHI_READABLE;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void conn_free(struct tl_tcp_conn *conn)
{
	if (conn->req_map)
		munmap(conn->req_map, conn->req_map_size);
	munmap(conn->map, conn->map_size);
	free(conn);
}

/* Requests that the core does not know of: waiting for a buffer or for data. */
static void conn_drop_outside(struct tl_tcp_conn *conn)
{
	for (uint32_t i = 0; i < conn->req_fresh; i++) {
		struct tl_tcp_req *treq = &conn->reqs[i];

		if (treq->state == TL_TCP_REQ_ICD || treq->state == TL_TCP_REQ_BUFFER ||
		    treq->state == TL_TCP_REQ_R2T)
			tl_tcp_req_put(conn, treq);
	}
	conn->rx_req = NULL;
	conn->r2ts = 0;
}

static void conn_end(struct tl_tcp_conn *conn, bool abort)
{
	struct nvh_reactor *reactor = conn->tg->group->reactor;

	if (conn->state == TL_TCP_CONN_CLOSED)
		return;
	conn_set_state(conn, TL_TCP_CONN_CLOSED);
	nvhi_timer_cancel(reactor, &conn->watch);
	nvhi_reactor_undefer(reactor, &conn->flush);
	conn->stream->ops->close(conn->stream, abort);
	conn->stream = NULL;
	conn_drop_outside(conn);
	tl_tcp_tx_drop(conn);
	tl_qpair_close(&conn->qpair);
}

void tl_tcp_conn_close(struct tl_tcp_conn *conn)
{
	conn_end(conn, false);
}

void tl_tcp_reset(struct tl_qpair *qpair)
{
	conn_end(tl_tcp_conn_of(qpair), true);
}

void tl_tcp_mute(struct tl_qpair *qpair, enum tl_mute mute)
{
	struct tl_tcp_conn *conn = tl_tcp_conn_of(qpair);

	if (conn->state >= TL_TCP_CONN_LINGER)
		return;
	conn->mute = mute;
	if (mute && conn->eager) {
		conn->eager = false;
		conn->stream->ops->set_eager(conn->stream, false);
	}
	conn->stream->ops->want(conn->stream, conn_wanted(conn));
	if (mute)
		return;
	tl_tcp_flush(conn);
	if (conn->state == TL_TCP_CONN_READY)
		tl_tcp_conn_watch(conn);
}

void tl_tcp_disconnect(struct tl_qpair *qpair)
{
	struct tl_tcp_conn *conn = tl_tcp_conn_of(qpair);

	if (conn->state == TL_TCP_CONN_READY)
		tl_tcp_flush(conn);
	tl_tcp_conn_close(conn);
}

void tl_tcp_release(struct tl_qpair *qpair)
{
	conn_free(tl_tcp_conn_of(qpair));
}

void tl_tcp_conn_term(struct tl_tcp_conn *conn, const struct nvhi_pdu_error *error, const void *hdr,
		      size_t hdr_len)
{
	uint8_t pdu[NVHI_PDU_TERM_ROOM];
	char text[160];
	uint32_t len;

	if (conn->state >= TL_TCP_CONN_LINGER)
		return;
	nvhi_log(WARN, TCP, "%s: protocol error: %s", conn->qpair.peer,
		 nvhi_pdu_error_text(error, text, sizeof(text)));
	conn_set_state(conn, TL_TCP_CONN_LINGER);
	conn_drop_outside(conn);
	len = nvhi_pdu_term_build(pdu, &conn->params, error, hdr, hdr_len);
	if (!tl_tcp_tx_has_room(conn)) {
		tl_tcp_conn_close(conn);
		return;
	}
	tl_tcp_send_raw(conn, pdu, len);
	if (nvhi_timer_arm(conn->tg->group->reactor, &conn->watch, CONN_LINGER_NS)) {
		tl_tcp_conn_close(conn);
		return;
	}
	tl_tcp_flush(conn);
}

/* ---- deadlines ------------------------------------------------------------------------------ */

static bool conn_waits(const struct tl_tcp_conn *conn)
{
	return conn->tx.blocked || conn->r2ts || nvhi_pdu_rx_midway(&conn->rx);
}

void tl_tcp_conn_watch(struct tl_tcp_conn *conn)
{
	uint64_t ms = tl_tcp_opts(conn)->stall_ms;

	if (nvhi_timer_armed(&conn->watch) || !conn_waits(conn) || !ms)
		return;
	conn->seen_pdus = conn->rx_pdus;
	conn->seen_bytes = conn->rx_bytes;
	conn->seen_sent = conn->tx.sent;
	if (nvhi_timer_arm(conn->tg->group->reactor, &conn->watch, ms * NVHI_NSEC_PER_MSEC))
		nvhi_log(WARN, TCP, "%s: no memory for a timer", conn->qpair.peer);
}

static const char *conn_stalled(const struct tl_tcp_conn *conn)
{
	if (conn->tx.blocked && conn->tx.sent == conn->seen_sent)
		return "takes no response";
	if (nvhi_pdu_rx_midway(&conn->rx) && !conn->tx.blocked && conn->rx_pdus == conn->seen_pdus)
		return "stopped in the middle of a PDU";
	if (conn->r2ts && conn->rx_bytes == conn->seen_bytes)
		return "does not send the data it was asked for";
	return NULL;
}

static void conn_watch_fired(struct nvhi_timer *timer)
{
	struct tl_tcp_conn *conn = nvhi_container_of(timer, struct tl_tcp_conn, watch);
	const char *stalled;

	if (conn->state == TL_TCP_CONN_LINGER) {
		tl_tcp_conn_close(conn);
		return;
	}
	if (conn->state == TL_TCP_CONN_HANDSHAKE || conn->qpair.state != TL_QPAIR_LIVE) {
		nvhi_log(WARN, TCP, "%s: no %s within %u ms: closing", conn->qpair.peer,
			 conn->state == TL_TCP_CONN_HANDSHAKE ? "ICReq" : "Connect",
			 tl_tcp_opts(conn)->handshake_ms);
		tl_tcp_conn_close(conn);
		return;
	}
	stalled = conn->mute ? NULL : conn_stalled(conn);
	if (stalled) {
		nvhi_log(WARN, TCP, "%s: the host %s for %u ms: closing", conn->qpair.peer, stalled,
			 tl_tcp_opts(conn)->stall_ms);
		tl_tcp_conn_close(conn);
		return;
	}
	tl_tcp_conn_watch(conn);
}

/* ---- events --------------------------------------------------------------------------------- */

/* After a TermReq only the end is waited for; what still comes is thrown away. */
static int conn_drain(struct tl_tcp_conn *conn)
{
	uint8_t sink[4096];
	struct iovec iov = {.iov_base = sink, .iov_len = sizeof(sink)};
	ssize_t got = conn->stream->ops->readv(conn->stream, &iov, 1);

	if (got == 0 || (got < 0 && got != -EAGAIN))
		tl_tcp_conn_close(conn);
	return got > 0;
}

static int conn_event(struct nvhi_stream *stream, unsigned int events)
{
	struct tl_tcp_conn *conn = stream->owner;
	int done = 0;

	if (events & NVHI_WRITABLE && conn->tx.blocked && conn->mute != TL_MUTE_ALL) {
		conn->tx.blocked = false;
		stream->ops->want(stream, conn_wanted(conn));
		tl_tcp_flush(conn);
		done = 1;
	}
	if (conn->state == TL_TCP_CONN_CLOSED)
		return 1;
	if (conn->state == TL_TCP_CONN_LINGER)
		return conn_drain(conn) + done;
	if (events & NVHI_HANGUP && !(events & NVHI_READABLE)) {
		tl_tcp_conn_close(conn);
		return 1;
	}
	return tl_tcp_rx(conn) + done;
}

/* ---- the beginning -------------------------------------------------------------------------- */

static int conn_map(struct tl_tcp_conn *conn)
{
	size_t iovs = TL_TCP_TX_IOVS * sizeof(struct iovec);
	uint8_t *at;

	conn->map_size = TL_TCP_STAGING + iovs + TL_TCP_TX_ARENA + NVH_TCP_ADMIN_ICD;
	conn->map = mmap(NULL, conn->map_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (conn->map == MAP_FAILED)
		return -ENOMEM;
	at = conn->map;
	nvhi_pdu_rx_init(&conn->rx, &conn->params, at, TL_TCP_STAGING);
	conn->tx.iov = (struct iovec *)(at + TL_TCP_STAGING);
	conn->tx.arena = at + TL_TCP_STAGING + iovs;
	conn->icd = at + TL_TCP_STAGING + iovs + TL_TCP_TX_ARENA;
	return 0;
}

static void conn_names(struct tl_tcp_conn *conn)
{
	char *colon;

	conn->stream->ops->names(conn->stream, conn->qpair.local, sizeof(conn->qpair.local),
				 conn->qpair.peer, sizeof(conn->qpair.peer));
	colon = strrchr(conn->qpair.local, ':');
	if (colon)
		*colon = 0;
	if (conn->qpair.local[0] == '[') {
		size_t len = strlen(conn->qpair.local);

		memmove(conn->qpair.local, conn->qpair.local + 1, len);
		if (len >= 2 && conn->qpair.local[len - 2] == ']')
			conn->qpair.local[len - 2] = 0;
	}
}

static struct tl_tcp_conn *conn_new(struct tl_tcp_group *tg, const struct tl_listen_addr *addr)
{
	struct tl_tcp_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	if (conn_map(conn)) {
		free(conn);
		return NULL;
	}
	conn->tg = tg;
	conn->qpair.transport = &tg->tcp->transport;
	conn->qpair.group = tg->group;
	conn->qpair.listen_addr = *addr;
	conn->params.role = NVHI_PDU_CTRLR;
	conn->params.max_icd = NVH_TCP_ADMIN_ICD;
	conn->reqs = &conn->first_req;
	conn->req_count = 1;
	conn->watch.fn = conn_watch_fired;
	conn->flush.fn = tl_tcp_flush_deferred;
	nvhi_list_init(&conn->free_reqs);
	nvhi_list_init(&conn->tx.reqs);
	nvhi_list_init(&conn->tx.waiting);
	return conn;
}

void tl_tcp_conn_accept(struct tl_tcp_group *tg, intptr_t pending,
			const struct tl_listen_addr *addr)
{
	struct nvh_reactor *reactor = tg->group->reactor;
	struct nvhi_net *net = tg->tcp->net;
	struct tl_tcp_conn *conn = conn_new(tg, addr);
	int ret = conn ? 0 : -ENOMEM;

	if (conn)
		ret = net->ops->adopt(net, reactor, pending, conn_event, &conn->stream);
	if (ret) {
		nvhi_log(WARN, TCP, "a connection to %s:%s is dropped: %s", addr->traddr,
			 addr->trsvcid, strerror(-ret));
		if (conn)
			conn_free(conn);
		net->ops->reject(net, pending);
		return;
	}
	conn->stream->owner = conn;
	conn_names(conn);
	tl_qpair_init(&conn->qpair);
	nvhi_log(DEBUG, TCP, "%s: connected to %s:%s", conn->qpair.peer, addr->traddr,
		 addr->trsvcid);
	if (nvhi_timer_arm(reactor, &conn->watch,
			   tl_tcp_opts(conn)->handshake_ms * NVHI_NSEC_PER_MSEC))
		tl_tcp_conn_close(conn);
}
