/*
 * Sending: a write's data is read from the host before the core sees the command, a read's data is
 * written to it ahead of the response. Work requests of a turn leave together; each response is
 * signalled, the RDMA WRITE in front of it is not (but on iWARP). The send queue has a count of
 * free entries and the READs a limit of their own, so neither can overrun; what finds no room waits
 * in order. Receive slots are given back before the response that lets the host use them. Group
 * reactor. NVMe/RDMA Transport Specification 1.1 sections 3.2 and 3.4.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "target-lite/rdma/rdma_impl.h"

/* ---- posting -------------------------------------------------------------------------------- */

/* These were not posted after all. */
static void tx_unaccount(struct tl_rdma_conn *conn, const struct ibv_send_wr *wr)
{
	for (; wr; wr = wr->next) {
		struct tl_rdma_req *treq =
			(void *)(uintptr_t)(wr->wr_id & ~(uint64_t)TL_RDMA_WR_MASK);

		if (!(wr->send_flags & IBV_SEND_SIGNALED))
			continue;
		conn->wrs--;
		tl_rdma_cq_expect(conn->dev, -1);
		if ((wr->wr_id & TL_RDMA_WR_MASK) == TL_RDMA_WR_READ)
			treq->reads--;
		else if ((wr->wr_id & TL_RDMA_WR_MASK) == TL_RDMA_WR_SEND)
			treq->state = TL_RDMA_REQ_QUEUED;
	}
}

static void tx_account(struct tl_rdma_conn *conn)
{
	conn->wrs++;
	tl_rdma_cq_expect(conn->dev, 1);
	if (__builtin_expect(!nvhi_timer_armed(&conn->watch), 0))
		tl_rdma_conn_watch(conn);
}

static void tx_post(struct tl_rdma_conn *conn, struct ibv_send_wr *first)
{
	struct tl_rdma_dev *dev = conn->dev;
	struct ibv_send_wr *bad = NULL;
	int err = tl_rdma_rq_post(dev, conn->rq);

	if (err) {
		tx_unaccount(conn, first);
		tl_rdma_conn_fail(conn, "posting receive slots: %s", strerror(-err));
		return;
	}
	err = dev->dev->verbs->post_send(conn->id.cm_id->qp, first, &bad);
	tl_rdma_count(dev->stats->send_doorbell_updates, 1);
	if (err) {
		tx_unaccount(conn, bad);
		tl_rdma_conn_fail(conn, "posting to the send queue: %s", strerror(abs(err)));
	}
}

void tl_rdma_flush(struct tl_rdma_conn *conn)
{
	struct ibv_send_wr *first = conn->first;

	conn->first = NULL;
	if (first)
		tx_post(conn, first);
}

void tl_rdma_flush_deferred(struct nvhi_defer *defer)
{
	tl_rdma_flush(nvhi_container_of(defer, struct tl_rdma_conn, flush));
}

void tl_rdma_unpost(struct tl_rdma_conn *conn)
{
	struct ibv_send_wr *first = conn->first;

	conn->first = NULL;
	tx_unaccount(conn, first);
}

static void tx_chain(struct tl_rdma_conn *conn, struct ibv_send_wr *wr)
{
	wr->next = NULL;
	if (conn->first)
		conn->last->next = wr;
	else
		conn->first = wr;
	conn->last = wr;
}

/* ---- work requests -------------------------------------------------------------------------- */

/*
 * A part of the request's buffer and one descriptor. siw sends an RDMA WRITE that is not signalled
 * out of the buffer, and the response behind it completes when TCP has both, perhaps unsent: only a
 * signalled one leaves the buffer to us.
 */
static void tx_fill_data(struct tl_rdma_req *treq, struct ibv_send_wr *wr, struct ibv_sge *sge,
			 enum tl_rdma_wr what, const struct nvh_sgl_keyed *sgl, uint32_t at,
			 uint32_t len)
{
	struct tl_rdma_dev *dev = tl_rdma_conn_of(treq->req.qpair)->dev;

	sge->addr = (uintptr_t)treq->req.iov.iov_base + at;
	sge->length = len;
	sge->lkey = dev->bufs_mr->lkey;
	memset(wr, 0, sizeof(*wr));
	wr->wr_id = (uintptr_t)treq | (uintptr_t)what;
	wr->sg_list = sge;
	wr->num_sge = 1;
	wr->opcode = what == TL_RDMA_WR_READ ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE;
	wr->send_flags = what == TL_RDMA_WR_READ || dev->dev->iwarp ? IBV_SEND_SIGNALED : 0;
	if (wr->send_flags)
		tx_account(tl_rdma_conn_of(treq->req.qpair));
	wr->wr.rdma.remote_addr = nvh_le64_get(sgl->addr);
	wr->wr.rdma.rkey = nvh_le32_get(sgl->key);
}

static bool tx_can_invalidate(const struct tl_rdma_conn *conn)
{
	return conn->dev->dev->attr.device_cap_flags & IBV_DEVICE_MEM_MGT_EXTENSIONS;
}

/* Fault malformed_pdu: a response that answers no command, or is none by its length. */
static void tx_garble(struct tl_rdma_req *treq)
{
	if (treq->req.fault_garble == TL_GARBLE_CCCID)
		nvh_le16_put(&treq->cpl->cid, nvh_le16_get(treq->req.cmd.cid) ^ 0xffff);
	else if (treq->req.fault_garble == TL_GARBLE_PLEN)
		treq->send_sge.length--;
	treq->req.fault_garble = TL_GARBLE_NONE;
}

static void tx_fill_send(struct tl_rdma_conn *conn, struct tl_rdma_req *treq)
{
	struct ibv_send_wr *wr = &treq->send_wr;

	*treq->cpl = treq->req.cpl;
	treq->send_sge.addr = (uintptr_t)treq->cpl;
	treq->send_sge.length = sizeof(*treq->cpl);
	if (__builtin_expect(treq->req.fault_garble != TL_GARBLE_NONE, 0))
		tx_garble(treq);
	treq->send_sge.lkey = conn->cpls_mr->lkey;
	memset(wr, 0, sizeof(*wr));
	wr->wr_id = (uintptr_t)treq | TL_RDMA_WR_SEND;
	wr->sg_list = &treq->send_sge;
	wr->num_sge = 1;
	wr->opcode = IBV_WR_SEND;
	wr->send_flags = IBV_SEND_SIGNALED | (conn->inlined ? IBV_SEND_INLINE : 0);
	if (treq->invalidate && tx_can_invalidate(conn)) {
		wr->opcode = IBV_WR_SEND_WITH_INV;
		wr->invalidate_rkey = treq->inv_key;
		/* Where siw's provider looks for it; others ignore this for a SEND. And siw's
		 * kernel part takes inline data with plain SENDs only. */
		wr->wr.rdma.rkey = treq->inv_key;
		if (conn->dev->dev->iwarp)
			wr->send_flags &= ~(unsigned int)IBV_SEND_INLINE;
	}
}

/* ---- data from the host --------------------------------------------------------------------- */

/* As many READs as there is room for; whether all have been posted. */
static bool tx_reads(struct tl_rdma_conn *conn, struct tl_rdma_req *treq)
{
	struct ibv_send_wr wr[TL_RDMA_SGLS_MAX];
	struct ibv_sge sge[TL_RDMA_SGLS_MAX];
	uint32_t n = 0;

	while (treq->sgl_next < treq->sgl_count) {
		const struct nvh_sgl_keyed *sgl = &treq->sgl[treq->sgl_next];
		uint32_t len = nvh_le24_get(sgl->len);
		bool single = treq->sgl_count == 1;
		struct ibv_send_wr *at = single ? &treq->data_wr : &wr[n];

		if (!len) {
			treq->sgl_next++;
			continue;
		}
		if (!conn->reads_free || !conn->sq_free)
			break;
		conn->reads_free--;
		conn->sq_free--;
		tx_fill_data(treq, at, single ? &treq->data_sge : &sge[n], TL_RDMA_WR_READ, sgl,
			     treq->read_bytes, len);
		treq->sgl_next++;
		treq->read_bytes += len;
		treq->reads++;
		tl_rdma_count(conn->dev->stats->total_send_wrs, 1);
		if (single)
			tx_chain(conn, at);
		else if (n++)
			wr[n - 2].next = at;
	}
	if (n) {
		tl_rdma_flush(conn);
		if (tl_rdma_conn_open(conn))
			tx_post(conn, wr);
		else
			tx_unaccount(conn, wr);
	}
	return treq->sgl_next == treq->sgl_count;
}

void tl_rdma_read(struct tl_rdma_req *treq)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(treq->req.qpair);

	treq->state = TL_RDMA_REQ_READ;
	nvhi_list_add_tail(&conn->reads_wait, &treq->link);
	tl_rdma_pump(conn);
	if (treq->state == TL_RDMA_REQ_READ && treq->sgl_next < treq->sgl_count)
		tl_rdma_count(conn->dev->stats->pending_rdma_read, 1);
}

void tl_rdma_read_done(struct tl_rdma_req *treq)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(treq->req.qpair);

	treq->reads--;
	conn->wrs--;
	conn->wrs_done++;
	tl_rdma_cq_expect(conn->dev, -1);
	conn->sq_free++;
	conn->reads_free++;
	if (conn->state != TL_RDMA_CONN_LIVE) {
		if (!treq->reads)
			tl_rdma_req_put(conn, treq);
		return;
	}
	if (!treq->reads && treq->sgl_next == treq->sgl_count)
		tl_rdma_exec(treq);
	tl_rdma_pump(conn);
}

/* ---- responses ------------------------------------------------------------------------------ */

/* Descriptors that data_len bytes reach. */
static uint32_t tx_pieces(const struct tl_rdma_req *treq)
{
	uint32_t left = treq->req.data_len, n = 0;

	for (uint32_t i = 0; left && i < treq->sgl_count; i++) {
		uint32_t len = nvh_le24_get(treq->sgl[i].len);

		n += len > 0;
		left -= len < left ? len : left;
	}
	return n;
}

static void tx_respond_many(struct tl_rdma_conn *conn, struct tl_rdma_req *treq)
{
	struct ibv_send_wr wr[TL_RDMA_SGLS_MAX];
	struct ibv_sge sge[TL_RDMA_SGLS_MAX];
	uint32_t at = 0, n = 0;

	for (uint32_t i = 0; at < treq->req.data_len && i < treq->sgl_count; i++) {
		uint32_t len = nvh_le24_get(treq->sgl[i].len);

		if (len > treq->req.data_len - at)
			len = treq->req.data_len - at;
		if (!len)
			continue;
		tx_fill_data(treq, &wr[n], &sge[n], TL_RDMA_WR_WRITE, &treq->sgl[i], at, len);
		if (n)
			wr[n - 1].next = &wr[n];
		n++;
		at += len;
	}
	wr[n - 1].next = &treq->send_wr;
	tl_rdma_flush(conn);
	if (!tl_rdma_conn_open(conn)) {
		tx_unaccount(conn, wr);
		return;
	}
	/* The descriptors have been read. */
	tl_rdma_rq_give(conn->rq, treq->slot);
	treq->slot = NULL;
	tx_post(conn, wr);
}

static void tx_respond(struct tl_rdma_conn *conn, struct tl_rdma_req *treq)
{
	treq->state = TL_RDMA_REQ_SENDING;
	conn->sq_free -= treq->wrs;
	conn->active--;
	tx_account(conn);
	tl_rdma_count(conn->dev->stats->total_send_wrs, treq->wrs);
	tx_fill_send(conn, treq);
	if (treq->sgl_count > 1 && treq->wrs > 1) {
		tx_respond_many(conn, treq);
		return;
	}
	if (treq->slot) {
		tl_rdma_rq_give(conn->rq, treq->slot);
		treq->slot = NULL;
	}
	if (treq->wrs > 1) {
		tx_fill_data(treq, &treq->data_wr, &treq->data_sge, TL_RDMA_WR_WRITE, treq->sgl, 0,
			     treq->req.data_len);
		tx_chain(conn, &treq->data_wr);
	}
	tx_chain(conn, &treq->send_wr);
}

void tl_rdma_complete(struct tl_request *req)
{
	struct tl_rdma_req *treq = nvhi_container_of(req, struct tl_rdma_req, req);
	struct tl_rdma_conn *conn = tl_rdma_conn_of(req->qpair);

	if (!tl_rdma_conn_open(conn)) {
		tl_request_end(req);
		tl_rdma_req_put(conn, treq);
		return;
	}
	tl_request_put_sqhd(req);
	nvhi_trace_cpl(conn->qpair.peer, conn->qpair.qid, &req->cmd, &req->cpl);
	treq->wrs = tx_pieces(treq) + 1;
	treq->state = TL_RDMA_REQ_QUEUED;
	nvhi_list_add_tail(&conn->sends_wait, &treq->link);
	tl_rdma_pump(conn);
	if (treq->state == TL_RDMA_REQ_QUEUED)
		tl_rdma_count(conn->dev->stats->pending_rdma_send, 1);
}

void tl_rdma_write_done(struct tl_rdma_conn *conn)
{
	if (!conn->dev->dev->iwarp)
		return;
	conn->wrs--;
	conn->wrs_done++;
	tl_rdma_cq_expect(conn->dev, -1);
}

void tl_rdma_send_done(struct tl_rdma_req *treq)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(treq->req.qpair);

	conn->wrs--;
	conn->wrs_done++;
	tl_rdma_cq_expect(conn->dev, -1);
	conn->sq_free += treq->wrs;
	tl_request_end(&treq->req);
	tl_rdma_req_put(conn, treq);
	if (!tl_rdma_conn_open(conn))
		return;
	tl_rdma_pump(conn);
	tl_rdma_capsules_waiting(conn);
}

/* Responses first: each frees what commands wait for. */
void tl_rdma_pump(struct tl_rdma_conn *conn)
{
	while (!nvhi_list_empty(&conn->sends_wait) && conn->mute != TL_MUTE_ALL) {
		struct tl_rdma_req *treq =
			nvhi_list_first(&conn->sends_wait, struct tl_rdma_req, link);

		if (conn->sq_free < treq->wrs)
			break;
		nvhi_list_del(&treq->link);
		tx_respond(conn, treq);
	}
	while (!nvhi_list_empty(&conn->reads_wait) && conn->state == TL_RDMA_CONN_LIVE) {
		struct tl_rdma_req *treq =
			nvhi_list_first(&conn->reads_wait, struct tl_rdma_req, link);

		if (!conn->reads_free || !conn->sq_free)
			break;
		nvhi_list_del(&treq->link);
		if (!tx_reads(conn, treq) && conn->state == TL_RDMA_CONN_LIVE) {
			nvhi_list_add_head(&conn->reads_wait, &treq->link);
			break;
		}
	}
	if (conn->first)
		nvhi_reactor_defer(conn->tg->group->reactor, &conn->flush);
}
