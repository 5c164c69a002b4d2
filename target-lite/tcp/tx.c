/*
 * Sending: responses of a pass are encoded behind each other, headers into an arena, data where it
 * lies, and leave in one writev. A request keeps its buffer (or the namespace's memory) until its
 * last byte is with the socket. When the socket is full nothing more is read from this host.
 * Group reactor. NVMe/TCP Transport Specification 1.1 section 3.
 */
#include <errno.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "target-lite/tcp/tcp_impl.h"

/* ---- the queue of bytes --------------------------------------------------------------------- */

bool tl_tcp_tx_has_room(const struct tl_tcp_conn *conn)
{
	return conn->tx.tail + TL_TCP_TX_IOV_ROOM <= TL_TCP_TX_IOVS &&
	       conn->tx.arena_used + TL_TCP_TX_ROOM <= TL_TCP_TX_ARENA;
}

static void tx_put(struct tl_tcp_tx *tx, void *base, size_t len)
{
	struct iovec *last = &tx->iov[tx->tail - 1];

	tx->queued += len;
	if (tx->tail > tx->head && (uint8_t *)last->iov_base + last->iov_len == base) {
		last->iov_len += len;
		return;
	}
	tx->iov[tx->tail].iov_base = base;
	tx->iov[tx->tail].iov_len = len;
	tx->tail++;
}

static uint8_t *tx_arena(struct tl_tcp_tx *tx)
{
	return tx->arena + tx->arena_used;
}

static void tx_put_arena(struct tl_tcp_tx *tx, uint32_t len)
{
	tx_put(tx, tx_arena(tx), len);
	tx->arena_used += len;
}

/* ---- responses ------------------------------------------------------------------------------ */

static void tx_encode_data(struct tl_tcp_conn *conn, struct tl_request *req, uint8_t flags)
{
	struct tl_tcp_tx *tx = &conn->tx;
	uint16_t cid = nvh_le16_get(req->cmd.cid);

	tx_put_arena(tx, nvhi_pdu_c2h_data_build(tx_arena(tx), &conn->params, cid, 0, req->data_len,
						 flags));
	tx_put(tx, req->iov.iov_base, req->data_len);
	if (conn->params.ddgst) {
		struct iovec iov = {.iov_base = req->iov.iov_base, .iov_len = req->data_len};
		struct nvhi_iov_cursor cursor;

		nvhi_iov_cursor_init(&cursor, &iov, 1);
		nvhi_pdu_ddgst_put(tx_arena(tx), nvhi_pdu_ddgst(&cursor, req->data_len));
		tx_put_arena(tx, NVH_TCP_DIGEST_SIZE);
	}
}

/* With SQ flow control off the last data may stand for a response that says nothing else. */
static bool tx_success_suffices(const struct tl_tcp_conn *conn, const struct tl_request *req)
{
	return conn->qpair.sqfc_off && tl_tcp_opts(conn)->c2h_success && req->data_len &&
	       !nvh_cpl_status(&req->cpl) && !nvh_cpl_result64(&req->cpl);
}

static inline void tx_encode_right(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	struct tl_request *req = &treq->req;
	struct tl_tcp_tx *tx = &conn->tx;

	if (tx_success_suffices(conn, req)) {
		tx_encode_data(conn, req, NVH_TCP_F_LAST | NVH_TCP_F_SUCCESS);
	} else {
		if (req->data_len)
			tx_encode_data(conn, req, NVH_TCP_F_LAST);
		tx_put_arena(tx,
			     nvhi_pdu_capsule_resp_build(tx_arena(tx), &conn->params, &req->cpl));
	}
	treq->tx_end = tx->queued;
	treq->state = TL_TCP_REQ_TX;
	nvhi_list_add_tail(&tx->reqs, &treq->link);
}

/* As a fault wants it. */
static void __attribute__((noinline, cold))
tx_encode_wrong(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	struct tl_tcp_tx *tx = &conn->tx;
	uint8_t *first = tx_arena(tx);

	if (treq->req.fault_garble >= TL_GARBLE_TTAG)
		tx_put_arena(tx, tl_tcp_garble_r2t(conn, treq, first));
	tx_encode_right(conn, treq);
	tl_tcp_garble(conn, treq, first);
}

static void tx_encode(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	if (__builtin_expect(treq->req.fault_garble != TL_GARBLE_NONE, 0))
		tx_encode_wrong(conn, treq);
	else
		tx_encode_right(conn, treq);
}

static void tx_end_request(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	nvhi_list_del(&treq->link);
	tl_request_end(&treq->req);
	tl_tcp_req_put(conn, treq);
}

void tl_tcp_complete(struct tl_request *req)
{
	struct tl_tcp_req *treq = nvhi_container_of(req, struct tl_tcp_req, req);
	struct tl_tcp_conn *conn = tl_tcp_conn_of(req->qpair);

	if (conn->state != TL_TCP_CONN_READY) {
		tx_end_request(conn, treq);
		return;
	}
	tl_request_put_sqhd(req);
	nvhi_trace_cpl(conn->qpair.peer, conn->qpair.qid, &req->cmd, &req->cpl);
	if (nvhi_list_empty(&conn->tx.waiting) && tl_tcp_tx_has_room(conn)) {
		tx_encode(conn, treq);
	} else {
		treq->state = TL_TCP_REQ_QUEUED;
		nvhi_list_add_tail(&conn->tx.waiting, &treq->link);
	}
	if (!conn->in_pass)
		nvhi_reactor_defer(conn->tg->group->reactor, &conn->flush);
}

/* ---- other PDUs ----------------------------------------------------------------------------- */

void tl_tcp_send_icresp(struct tl_tcp_conn *conn, uint8_t dgst)
{
	uint32_t most = tl_tcp_opts(conn)->max_io_size;

	conn->params.maxh2cdata = most;
	tx_put_arena(&conn->tx,
		     nvhi_pdu_icresp_build(tx_arena(&conn->tx), 0,
					   dgst & (NVH_TCP_DGST_HDR | NVH_TCP_DGST_DATA), most));
}

void tl_tcp_send_raw(struct tl_tcp_conn *conn, const void *pdu, uint32_t len)
{
	memcpy(tx_arena(&conn->tx), pdu, len);
	tx_put_arena(&conn->tx, len);
}

/* R2Ts that found no room are asked for again after the next flush. */
void tl_tcp_send_r2ts(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	uint32_t size = tl_tcp_opts(conn)->r2t_size;
	uint32_t left = treq->req.xfer_len - treq->asked;

	if (!size)
		size = treq->req.xfer_len;
	while (left) {
		uint32_t outstanding = (treq->asked - treq->received + size - 1) / size;
		uint32_t len = left < size ? left : size;

		if (outstanding >= conn->maxr2t)
			break;
		if (!tl_tcp_tx_has_room(conn)) {
			conn->r2t_pending = true;
			break;
		}
		tx_put_arena(&conn->tx, nvhi_pdu_r2t_build(tx_arena(&conn->tx), &conn->params,
							   nvh_le16_get(treq->req.cmd.cid),
							   treq->index, treq->asked, len));
		treq->asked += len;
		left -= len;
	}
	if (!conn->in_pass)
		nvhi_reactor_defer(conn->tg->group->reactor, &conn->flush);
}

/* ---- the socket ----------------------------------------------------------------------------- */

static void tx_advance(struct tl_tcp_tx *tx, size_t bytes)
{
	tx->sent += bytes;
	while (bytes) {
		struct iovec *iov = &tx->iov[tx->head];

		if (bytes < iov->iov_len) {
			iov->iov_base = (uint8_t *)iov->iov_base + bytes;
			iov->iov_len -= bytes;
			return;
		}
		bytes -= iov->iov_len;
		tx->head++;
	}
}

static void tx_release_sent(struct tl_tcp_conn *conn)
{
	struct tl_tcp_tx *tx = &conn->tx;

	while (!nvhi_list_empty(&tx->reqs)) {
		struct tl_tcp_req *treq = nvhi_list_first(&tx->reqs, struct tl_tcp_req, link);

		if (treq->tx_end > tx->sent)
			return;
		tx_end_request(conn, treq);
	}
}

/* Everything is out: the arrays start over, and what found no room before is encoded. */
static void tx_restart(struct tl_tcp_conn *conn)
{
	struct tl_tcp_tx *tx = &conn->tx;

	tx->head = 0;
	tx->tail = 0;
	tx->arena_used = 0;
	while (!nvhi_list_empty(&tx->waiting) && tl_tcp_tx_has_room(conn)) {
		struct tl_tcp_req *treq = nvhi_list_first(&tx->waiting, struct tl_tcp_req, link);

		nvhi_list_del(&treq->link);
		tx_encode(conn, treq);
	}
	if (!conn->r2t_pending)
		return;
	conn->r2t_pending = false;
	for (uint32_t i = 0; i < conn->req_fresh; i++)
		if (conn->reqs[i].state == TL_TCP_REQ_R2T)
			tl_tcp_send_r2ts(conn, &conn->reqs[i]);
}

static void tx_block(struct tl_tcp_conn *conn)
{
	conn->tx.blocked = true;
	conn->stream->ops->want(conn->stream, NVHI_WRITABLE);
	if (conn->state == TL_TCP_CONN_READY)
		tl_tcp_conn_watch(conn);
}

void tl_tcp_flush(struct tl_tcp_conn *conn)
{
	struct tl_tcp_tx *tx = &conn->tx;

	if (tx->blocked || conn->mute == TL_MUTE_ALL)
		return;
	while (tx->head < tx->tail) {
		ssize_t sent = conn->stream->ops->writev(conn->stream, &tx->iov[tx->head],
							 (int)(tx->tail - tx->head), false);

		if (sent == -EAGAIN) {
			tx_block(conn);
			return;
		}
		if (sent < 0) {
			nvhi_log(INFO, TCP, "%s: %s", conn->qpair.peer, strerror((int)-sent));
			tl_tcp_conn_close(conn);
			return;
		}
		tx_advance(tx, (size_t)sent);
		tx_release_sent(conn);
		if (conn->state == TL_TCP_CONN_CLOSED)
			return;
		if (tx->head == tx->tail)
			tx_restart(conn);
	}
}

void tl_tcp_flush_deferred(struct nvhi_defer *defer)
{
	tl_tcp_flush(nvhi_container_of(defer, struct tl_tcp_conn, flush));
}

void tl_tcp_tx_drop(struct tl_tcp_conn *conn)
{
	struct tl_tcp_tx *tx = &conn->tx;

	while (!nvhi_list_empty(&tx->reqs))
		tx_end_request(conn, nvhi_list_first(&tx->reqs, struct tl_tcp_req, link));
	while (!nvhi_list_empty(&tx->waiting))
		tx_end_request(conn, nvhi_list_first(&tx->waiting, struct tl_tcp_req, link));
	tx->head = tx->tail;
}
