/*
 * Receiving: PDUs from the codec become requests, payload goes to its buffer, complete requests go
 * to the core. One readv brings as much as there is; responses leave together at the end of the
 * pass. Group reactor. NVMe/TCP Transport Specification 1.1 section 3.
 */
#include <errno.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "base/spec/nvme_status.h"
#include "target-lite/tcp/tcp_impl.h"

#define RX_READS_PER_PASS 4
#define RX_EAGER_TRIES    64

#define RX_DNR(status) ((unsigned int)(status) | NVH_CPL_DNR)

static bool rx_alive(const struct tl_tcp_conn *conn)
{
	return conn->state < TL_TCP_CONN_LINGER;
}

static void rx_protocol_error(struct tl_tcp_conn *conn, uint8_t fes, uint32_t fei,
			      const char *field, const char *what, uint64_t value)
{
	struct nvhi_pdu_error error = {
		.fes = fes, .fei = fei, .field = field, .what = what, .value = value};

	tl_tcp_conn_term(conn, &error, conn->rx.hdr, conn->rx.hdr ? conn->rx.hdr_len : 0);
}

/* ---- to the core ---------------------------------------------------------------------------- */

static void rx_exec(struct tl_tcp_req *treq)
{
	treq->state = TL_TCP_REQ_CORE;
	nvhi_trace_cmd(treq->req.qpair->peer, treq->req.qpair->qid, &treq->req.cmd);
	tl_request_exec(&treq->req);
}

static void rx_fail(struct tl_tcp_req *treq, unsigned int status)
{
	treq->state = TL_TCP_REQ_CORE;
	nvhi_trace_cmd(treq->req.qpair->peer, treq->req.qpair->qid, &treq->req.cmd);
	tl_request_fail(&treq->req, status);
}

/* All data of a command is here. */
static void rx_data_complete(struct tl_tcp_req *treq)
{
	if (treq->bad_digest)
		rx_fail(treq, NVH_ST_TRANSIENT_TRANSPORT);
	else
		rx_exec(treq);
}

/* ---- ICReq ---------------------------------------------------------------------------------- */

static void rx_icreq(struct tl_tcp_conn *conn)
{
	const struct nvh_tcp_icreq *icreq = &conn->rx.hdr->icreq;
	uint32_t maxr2t = nvh_le32_get(icreq->maxr2t);

	conn->params.hpda = icreq->hpda;
	conn->maxr2t = maxr2t == UINT32_MAX ? maxr2t : maxr2t + 1;
	tl_tcp_send_icresp(conn, icreq->dgst);
	conn->params.hdgst = icreq->dgst & NVH_TCP_DGST_HDR;
	conn->params.ddgst = icreq->dgst & NVH_TCP_DGST_DATA;
	conn->qpair.hdr_digest = conn->params.hdgst;
	conn->qpair.data_digest = conn->params.ddgst;
	conn->params.ic_done = true;
	nvhi_fsm_set(&tl_tcp_conn_fsm, &conn->state, TL_TCP_CONN_READY, NVHI_LOG_TCP,
		     conn->qpair.peer);
}

/* ---- commands ------------------------------------------------------------------------------- */

/* The descriptor against the capsule and the transport's limits; 0 or a status. */
static unsigned int rx_check_sgl(const struct tl_tcp_conn *conn, struct tl_request *req)
{
	const struct nvh_sgl *sgl = &req->cmd.dptr.sgl;
	uint64_t offset = nvh_le64_get(sgl->addr);
	uint32_t icd = conn->rx.data_len;

	if (!req->xfer_len)
		return 0;
	if (sgl->id == NVH_SGL_ID_IN_CAPSULE) {
		if (req->dir != NVH_DATA_TO_CTRLR)
			return RX_DNR(NVH_ST_SGL_INVALID_TYPE);
		if (offset > icd)
			return RX_DNR(NVH_ST_SGL_INVALID_OFFSET);
		if (req->xfer_len > icd - offset)
			return RX_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
		return 0;
	}
	if (req->dir == NVH_DATA_TO_CTRLR) {
		unsigned int status = tl_cmd_precheck(&conn->qpair, &req->cmd, &req->xfer_len);

		if (status)
			return status;
	}
	if (req->xfer_len > tl_tcp_opts(conn)->max_io_size)
		return RX_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
	return 0;
}

/* Data came with the capsule. */
static void rx_capsule_icd(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	struct tl_request *req = &treq->req;
	uint64_t offset = nvh_le64_get(req->cmd.dptr.sgl.addr);
	struct nvhi_iov_cursor dest;
	const uint8_t *data = NULL;
	bool good;

	if (tl_request_is_inline(&conn->qpair, &req->cmd))
		data = nvhi_pdu_rx_borrow(&conn->rx, &good);
	if (data) {
		req->iov.iov_base = (void *)(uintptr_t)(data + offset);
		req->iov.iov_len = req->xfer_len;
		treq->bad_digest = !good;
		rx_data_complete(treq);
		return;
	}
	treq->state = TL_TCP_REQ_ICD;
	treq->iov.iov_base = conn->icd + (size_t)treq->index * conn->params.max_icd;
	treq->iov.iov_len = conn->rx.data_len;
	req->iov.iov_base = (uint8_t *)treq->iov.iov_base + offset;
	req->iov.iov_len = req->xfer_len;
	nvhi_iov_cursor_init(&dest, &treq->iov, 1);
	nvhi_pdu_rx_dest(&conn->rx, &dest);
	conn->rx_req = treq;
}

/* The command needs one of the group's buffers: for data to the host, or for data to be asked for.
 */
static void rx_with_buffer(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	struct tl_request *req = &treq->req;

	if (req->dir == NVH_DATA_TO_HOST && !conn->params.ddgst &&
	    tl_request_is_inline(&conn->qpair, &req->cmd)) {
		req->may_lend = true;
		rx_exec(treq);
		return;
	}
	treq->state = TL_TCP_REQ_BUFFER;
	if (tl_tcp_buf_get(conn->tg, treq))
		tl_tcp_got_buffer(treq);
}

void tl_tcp_got_buffer(struct tl_tcp_req *treq)
{
	struct tl_tcp_conn *conn = tl_tcp_conn_of(treq->req.qpair);

	if (!rx_alive(conn)) {
		tl_tcp_req_put(conn, treq);
		return;
	}
	treq->req.iov.iov_base = treq->buf;
	treq->req.iov.iov_len = treq->req.xfer_len;
	if (treq->req.dir == NVH_DATA_TO_HOST) {
		rx_exec(treq);
		return;
	}
	treq->state = TL_TCP_REQ_R2T;
	conn->r2ts++;
	tl_tcp_send_r2ts(conn, treq);
}

static void rx_capsule(struct tl_tcp_conn *conn)
{
	struct tl_tcp_req *treq = tl_tcp_req_get(conn);
	struct tl_request *req;
	bool icd = conn->rx.data_len != 0;
	unsigned int status;

	if (!treq) {
		rx_protocol_error(conn, NVH_TCP_FES_SEQUENCE, 0, "CapsuleCmd",
				  "more commands than the queue has entries", conn->req_count);
		return;
	}
	req = &treq->req;
	req->cmd = conn->rx.hdr->capsule_cmd.cmd;
	req->may_lend = false;
	req->iov.iov_base = NULL;
	req->iov.iov_len = 0;
	req->xfer_len = 0;
	req->dir = NVH_DATA_NONE;
	status = tl_cmd_transfer(&req->cmd, &req->xfer_len, &req->dir);
	if (!status)
		status = rx_check_sgl(conn, req);
	if (status || (icd && req->cmd.dptr.sgl.id != NVH_SGL_ID_IN_CAPSULE) ||
	    (icd && !req->xfer_len)) {
		/* The capsule's data belongs to nothing. */
		if (icd)
			nvhi_pdu_rx_discard(&conn->rx);
		icd = false;
	}
	if (status)
		rx_fail(treq, status);
	else if (!req->xfer_len)
		rx_exec(treq);
	else if (icd)
		rx_capsule_icd(conn, treq);
	else
		rx_with_buffer(conn, treq);
}

/* ---- H2CData -------------------------------------------------------------------------------- */

/* Where the R2T that covers `offset` ends. */
static uint32_t rx_r2t_end(const struct tl_tcp_conn *conn, const struct tl_tcp_req *treq,
			   uint32_t offset)
{
	uint32_t size = tl_tcp_opts(conn)->r2t_size;
	uint64_t end = size ? ((uint64_t)offset / size + 1) * size : treq->req.xfer_len;

	return end < treq->req.xfer_len ? (uint32_t)end : treq->req.xfer_len;
}

static struct tl_tcp_req *rx_h2c_request(struct tl_tcp_conn *conn,
					 const struct nvh_tcp_h2c_data *pdu)
{
	uint16_t ttag = nvh_le16_get(pdu->ttag);
	struct tl_tcp_req *treq = ttag < conn->req_fresh ? &conn->reqs[ttag] : NULL;

	if (!treq || treq->state != TL_TCP_REQ_R2T) {
		rx_protocol_error(conn, NVH_TCP_FES_HDR_FIELD,
				  offsetof(struct nvh_tcp_h2c_data, ttag), "TTAG",
				  "no R2T with it is outstanding", ttag);
		return NULL;
	}
	if (memcmp(&pdu->cccid, &treq->req.cmd.cid, sizeof(pdu->cccid))) {
		rx_protocol_error(conn, NVH_TCP_FES_HDR_FIELD,
				  offsetof(struct nvh_tcp_h2c_data, cccid), "CCCID",
				  "not the command of this TTAG", nvh_le16_get(pdu->cccid));
		return NULL;
	}
	return treq;
}

static void rx_h2c(struct tl_tcp_conn *conn)
{
	const struct nvh_tcp_h2c_data *pdu = &conn->rx.hdr->h2c;
	uint32_t datao = nvh_le32_get(pdu->datao), datal = conn->rx.data_len;
	struct tl_tcp_req *treq = rx_h2c_request(conn, pdu);
	struct nvhi_iov_cursor dest;
	uint32_t end;

	if (!treq)
		return;
	if (datao != treq->received) {
		rx_protocol_error(conn, NVH_TCP_FES_HDR_FIELD,
				  offsetof(struct nvh_tcp_h2c_data, datao), "DATAO",
				  "not where the data before it ended", datao);
		return;
	}
	end = rx_r2t_end(conn, treq, datao);
	if (datal > end - datao) {
		rx_protocol_error(conn, NVH_TCP_FES_DATA_RANGE, 0, "DATAL",
				  "beyond the end of the R2T", datal);
		return;
	}
	if (!(pdu->ch.flags & NVH_TCP_F_LAST) != (datal < end - datao)) {
		rx_protocol_error(conn, NVH_TCP_FES_HDR_FIELD, offsetof(struct nvh_tcp_ch, flags),
				  "FLAGS", "LAST_PDU is not at the end of the R2T", pdu->ch.flags);
		return;
	}
	treq->iov.iov_base = (uint8_t *)treq->buf + datao;
	treq->iov.iov_len = datal;
	nvhi_iov_cursor_init(&dest, &treq->iov, 1);
	nvhi_pdu_rx_dest(&conn->rx, &dest);
	conn->rx_req = treq;
}

static void rx_h2c_landed(struct tl_tcp_conn *conn, struct tl_tcp_req *treq)
{
	treq->received += conn->rx.data_len;
	if (treq->received < treq->req.xfer_len) {
		tl_tcp_send_r2ts(conn, treq);
		return;
	}
	conn->r2ts--;
	rx_data_complete(treq);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void rx_header(struct tl_tcp_conn *conn)
{
	const struct nvh_tcp_term_req *term;

	conn->rx_pdus++;
	switch (conn->rx.type) {
	case NVH_TCP_CAPSULE_CMD:
		rx_capsule(conn);
		return;
	case NVH_TCP_H2C_DATA:
		rx_h2c(conn);
		return;
	case NVH_TCP_IC_REQ:
		rx_icreq(conn);
		return;
	default: /* H2CTermReq: the codec lets nothing else through */
		term = &conn->rx.hdr->term;
		nvhi_log(WARN, TCP, "%s: the host ends the connection: %s (FES %u, FEI %u)",
			 conn->qpair.peer, nvhi_pdu_fes_text(nvh_le16_get(term->fes)),
			 nvh_le16_get(term->fes), nvh_le32_get(term->fei));
		tl_tcp_conn_close(conn);
	}
}

static void rx_payload(struct tl_tcp_conn *conn, bool good)
{
	struct tl_tcp_req *treq = conn->rx_req;

	conn->rx_req = NULL;
	if (!treq) /* it was thrown away */
		return;
	if (!good) {
		nvhi_log(WARN, TCP, "%s: wrong data digest, command %u", conn->qpair.peer,
			 nvh_le16_get(treq->req.cmd.cid));
		treq->bad_digest = true;
	}
	if (treq->state == TL_TCP_REQ_R2T)
		rx_h2c_landed(conn, treq);
	else
		rx_data_complete(treq);
}

static void rx_parse(struct tl_tcp_conn *conn)
{
	while (rx_alive(conn)) {
		switch (nvhi_pdu_rx_next(&conn->rx)) {
		case NVHI_PDU_RX_HEADER:
			rx_header(conn);
			break;
		case NVHI_PDU_RX_DATA:
			rx_payload(conn, true);
			break;
		case NVHI_PDU_RX_BAD_DIGEST:
			rx_payload(conn, false);
			break;
		case NVHI_PDU_RX_ERROR:
			tl_tcp_conn_term(conn, &conn->rx.error, conn->rx.hdr, conn->rx.hdr_len);
			return;
		case NVHI_PDU_RX_MORE:
			return;
		}
	}
}

/* While bytes keep coming the socket is tried without asking; after some vain tries no more. */
static void rx_eager(struct tl_tcp_conn *conn, bool got)
{
	if (conn->mute)
		return;
	if (got) {
		conn->idle_tries = 0;
		if (!conn->eager) {
			conn->eager = true;
			conn->stream->ops->set_eager(conn->stream, true);
		}
	} else if (conn->eager && ++conn->idle_tries == RX_EAGER_TRIES) {
		conn->eager = false;
		conn->stream->ops->set_eager(conn->stream, false);
	}
}

int tl_tcp_rx(struct tl_tcp_conn *conn)
{
	struct iovec iov[3];
	int done = 0;

	conn->in_pass = true;
	while (done < RX_READS_PER_PASS && !conn->tx.blocked && !conn->mute) {
		int n = nvhi_pdu_rx_window(&conn->rx, iov, 3);
		size_t room = nvhi_iov_length(iov, (uint32_t)n);
		ssize_t got = conn->stream->ops->readv(conn->stream, iov, n);

		if (got == -EAGAIN)
			break;
		if (got <= 0) {
			if (got < 0)
				nvhi_log(INFO, TCP, "%s: %s", conn->qpair.peer,
					 strerror((int)-got));
			tl_tcp_conn_close(conn);
			return 1;
		}
		done++;
		conn->rx_bytes += (uint64_t)got;
		nvhi_pdu_rx_landed(&conn->rx, (size_t)got);
		rx_parse(conn);
		if (conn->state == TL_TCP_CONN_CLOSED)
			return 1;
		tl_tcp_flush(conn);
		if (!rx_alive(conn))
			return 1;
		if ((size_t)got < room)
			break;
	}
	conn->in_pass = false;
	rx_eager(conn, done > 0);
	tl_tcp_conn_watch(conn);
	return done;
}
