/*
 * Receive: one readv brings the rest of the payload now arriving straight into the caller's buffer
 * and what follows it into staging (fabric/tcp/pdu.h does both); here each PDU meets the command it
 * belongs to, and every byte of it is accounted. On the queue pair's reactor.
 * NVMe/TCP 1.1 sections 3.3.2 and 3.6.2.
 */
#include <errno.h>
#include <string.h>

#include "fabric/tcp/tcp_impl.h"

/* Elements of one readv: a payload of any shape, and staging. */
#define RX_IOV 64
/* Full reads in a row before other sources get their turn. */
#define RX_READS 8
/*
 * Payloads of this size and more are worth a readv of their own: behind one, and when the next is
 * likely to be one, staging takes only as much as headers need, so that payload is not copied
 * twice.
 */
#define RX_LARGE         (12u << 10)
#define RX_LARGE_STAGING 512
/* Where the fields stand in their PDU's header: the FEI of a TermReq. */
#define FEI_CCCID    8
#define FEI_R2T_TTAG 10
#define FEI_DATAO    12
#define FEI_DATAL    16
#define FEI_CPL_CID  20

/* ---- one PDU ----------------------------------------------------------------------------- */

static void rx_response(struct nvhi_tcp_qpair *q, const struct nvh_cpl *cpl)
{
	uint16_t cid = nvh_le16_get(cpl->cid);
	struct nvhi_tcp_slot *slot = nvhi_tcp_slot_find(q, cid);

	if (!slot) {
		nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, FEI_CPL_CID, "CID",
			     "names no outstanding command", cid);
		return;
	}
	if (q->sqflow.on && !nvhi_tcp_sqhd_good(q, nvh_le16_get(cpl->sqhd)))
		return;
	nvhi_tcp_complete(q, slot, cpl);
}

static void rx_c2h_data(struct nvhi_tcp_qpair *q, const struct nvh_tcp_c2h_data *pdu)
{
	uint16_t cccid = nvh_le16_get(pdu->cccid);
	uint32_t datao = nvh_le32_get(pdu->datao), datal = q->rx.data_len;
	struct nvhi_tcp_slot *slot = nvhi_tcp_slot_find(q, cccid);

	if (!slot)
		nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, FEI_CCCID, "CCCID",
			     "names no outstanding command", cccid);
	else if (slot->req->dir != NVHI_DIR_TO_HOST)
		nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, FEI_CCCID, "CCCID",
			     "names a command that reads no data", cccid);
	else if (slot->last)
		nvhi_tcp_bad(q, NVH_TCP_FES_SEQUENCE, FEI_CCCID, "CCCID",
			     "names a command whose last data has come", cccid);
	else if (datao != slot->received)
		nvhi_tcp_bad(q, NVH_TCP_FES_DATA_RANGE, FEI_DATAO, "DATAO",
			     "is not where the last PDU of the command ended", datao);
	else if (datal > slot->req->len - slot->received)
		nvhi_tcp_bad(q, NVH_TCP_FES_DATA_RANGE, FEI_DATAL, "DATAL",
			     "passes the end of the command's buffer", datal);
	else
		goto good;
	return;
good:
	nvhi_pdu_rx_dest(&q->rx, &slot->cursor);
	nvhi_iov_cursor_advance(&slot->cursor, datal);
	slot->received += datal;
	slot->last = q->rx.flags & NVH_TCP_F_LAST;
	q->rx_large = datal >= RX_LARGE;
	q->rx_slot = slot;
}

/* A bad cable must not fill the disk: the 1st, 2nd, 4th, 8th... is logged. */
static void rx_log_bad_digest(struct nvhi_tcp_qpair *q, const struct nvhi_tcp_slot *slot)
{
	uint64_t count = ++q->counters.bad_digests;

	if ((count & (count - 1)) == 0)
		nvhi_log(WARN, TCP,
			 "%s: data digest wrong in C2HData of CID %u (%u bytes), %llu so far",
			 q->qpair.name, slot->cid, q->rx.data_len, (unsigned long long)count);
}

/* The payload of a C2HData is in place (or its digest was wrong). */
static void rx_c2h_done(struct nvhi_tcp_qpair *q, bool digest_good)
{
	struct nvhi_tcp_slot *slot = q->rx_slot;
	struct nvh_cpl cpl;

	q->rx_slot = NULL;
	if (!digest_good) {
		slot->bad_digest = true;
		rx_log_bad_digest(q, slot);
	}
	if (!(q->rx.flags & NVH_TCP_F_SUCCESS))
		return;
	/* The completion that SUCCESS stands for. */
	memset(&cpl, 0, sizeof(cpl));
	nvh_le16_put(&cpl.sqhd, q->sqflow.head);
	nvh_le16_put(&cpl.cid, slot->cid);
	nvhi_tcp_complete(q, slot, &cpl);
}

static void rx_r2t(struct nvhi_tcp_qpair *q, const struct nvh_tcp_r2t *pdu)
{
	uint16_t cccid = nvh_le16_get(pdu->cccid);
	uint32_t r2to = nvh_le32_get(pdu->r2to), r2tl = nvh_le32_get(pdu->r2tl);
	struct nvhi_tcp_slot *slot = nvhi_tcp_slot_find(q, cccid);

	if (!slot)
		nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, FEI_CCCID, "CCCID",
			     "names no outstanding command", cccid);
	else if (slot->req->dir != NVHI_DIR_TO_CTRLR || slot->in_capsule)
		nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, FEI_CCCID, "CCCID",
			     "names a command that has no data to send", cccid);
	else if (slot->tx_end > q->tx.sent && slot->requested == 0)
		nvhi_tcp_bad(q, NVH_TCP_FES_SEQUENCE, FEI_CCCID, "CCCID",
			     "names a command that is not sent yet", cccid);
	else if (r2to != slot->requested)
		nvhi_tcp_bad(q, NVH_TCP_FES_DATA_RANGE, FEI_DATAO, "R2TO",
			     "is not where the last R2T of the command ended", r2to);
	else if (r2tl > slot->req->len - slot->requested)
		nvhi_tcp_bad(q, NVH_TCP_FES_DATA_RANGE, FEI_DATAL, "R2TL",
			     "passes the end of the command's buffer", r2tl);
	else if (slot->r2t_count == q->maxr2t)
		nvhi_tcp_bad(q, NVH_TCP_FES_LIMIT, FEI_R2T_TTAG, "R2T count", "is above MAXR2T",
			     slot->r2t_count + 1u);
	else
		goto good;
	return;
good:
	slot->r2ts[(slot->r2t_head + slot->r2t_count++) % q->maxr2t] = (struct nvhi_tcp_r2t){
		.offset = r2to, .left = r2tl, .ttag = nvh_le16_get(pdu->ttag)};
	slot->requested += r2tl;
	q->counters.r2ts++;
	nvhi_tcp_tx_want(q, slot);
}

static void rx_term_req(struct nvhi_tcp_qpair *q, const struct nvh_tcp_term_req *pdu)
{
	unsigned fes = nvh_le16_get(pdu->fes);

	nvhi_tcp_fail(q, -ECONNABORTED,
		      "the controller ended the connection: C2HTermReq FES %u (%s) FEI %u", fes,
		      nvhi_pdu_fes_text(fes), nvh_le32_get(pdu->fei));
}

static void rx_header(struct nvhi_tcp_qpair *q)
{
	const union nvhi_pdu_hdr *hdr = q->rx.hdr;

	q->counters.pdus_in++;
	nvhi_log(TRACE, TCP, "%s: < %s flags %02x PLEN %u data %u", q->qpair.name,
		 nvh_tcp_pdu_name(q->rx.type), q->rx.flags, nvh_le32_get(hdr->ch.plen),
		 q->rx.data_len);
	switch (q->rx.type) {
	case NVH_TCP_CAPSULE_RESP:
		rx_response(q, &hdr->capsule_resp.cpl);
		break;
	case NVH_TCP_C2H_DATA:
		rx_c2h_data(q, &hdr->c2h);
		break;
	case NVH_TCP_R2T:
		rx_r2t(q, &hdr->r2t);
		break;
	case NVH_TCP_IC_RESP:
		nvhi_tcp_rx_icresp(q, &hdr->icresp);
		break;
	case NVH_TCP_C2H_TERM_REQ:
		rx_term_req(q, &hdr->term);
		break;
	default:
		nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, 0, "PDU type", "is not for a host",
			     q->rx.type);
		break;
	}
}

/* ---- the stream of PDUs ------------------------------------------------------------------ */

static bool rx_alive(const struct nvhi_tcp_qpair *q)
{
	return q->state >= NVHI_TCP_IC && q->state <= NVHI_TCP_LIVE;
}

/* Consumes what has landed. */
static void rx_process(struct nvhi_tcp_qpair *q)
{
	while (rx_alive(q)) {
		switch (nvhi_pdu_rx_next(&q->rx)) {
		case NVHI_PDU_RX_HEADER:
			rx_header(q);
			break;
		case NVHI_PDU_RX_DATA:
			rx_c2h_done(q, true);
			break;
		case NVHI_PDU_RX_BAD_DIGEST:
			rx_c2h_done(q, false);
			break;
		case NVHI_PDU_RX_ERROR:
			nvhi_tcp_fail_proto(q, &q->rx.error);
			return;
		case NVHI_PDU_RX_MORE:
			return;
		}
	}
}

/* After a loss: only the peer's end of the connection is awaited. */
static int rx_drain(struct nvhi_tcp_qpair *q)
{
	uint8_t scratch[4096];
	struct iovec iov = {.iov_base = scratch, .iov_len = sizeof(scratch)};

	for (int i = 0; i < RX_READS; i++) {
		ssize_t n = q->stream->ops->readv(q->stream, &iov, 1);

		if (n == -EAGAIN)
			return i;
		if (n <= 0) {
			nvhi_tcp_close(q);
			return 1;
		}
	}
	return RX_READS;
}

static void rx_quiet(struct nvhi_tcp_qpair *q)
{
	q->counters.empty_reads++;
	if (q->eager && q->qpair.inflight == 0) {
		q->eager = false;
		q->stream->ops->set_eager(q->stream, false);
	}
}

/* Where the next bytes go: how many elements, and through ret_bytes how many bytes. */
static int rx_window(struct nvhi_tcp_qpair *q, struct iovec *iov, size_t *ret_bytes)
{
	int count = nvhi_pdu_rx_window(&q->rx, iov, RX_IOV);
	struct iovec *last = &iov[count - 1];

	if (q->rx_large && last->iov_len > RX_LARGE_STAGING &&
	    (uint8_t *)last->iov_base >= q->staging &&
	    (uint8_t *)last->iov_base < q->staging + q->rx.staging_size)
		last->iov_len = RX_LARGE_STAGING;
	*ret_bytes = nvhi_iov_length(iov, (uint32_t)count);
	return count;
}

int nvhi_tcp_rx_event(struct nvhi_tcp_qpair *q)
{
	struct iovec iov[RX_IOV];
	size_t bytes;
	int work = 0;

	if (q->state == NVHI_TCP_LOST)
		return rx_drain(q);
	for (int i = 0; i < RX_READS && rx_alive(q); i++) {
		int count = rx_window(q, iov, &bytes);
		ssize_t got = q->stream->ops->readv(q->stream, iov, count);

		if (got == -EAGAIN) {
			if (work == 0)
				rx_quiet(q);
			break;
		}
		if (got <= 0) {
			nvhi_tcp_fail(q, got ? (int)got : -ECONNRESET, "%s",
				      got ? strerror((int)-got)
					  : "the controller closed the connection");
			return 1;
		}
		work++;
		q->counters.reads++;
		q->counters.bytes_in += (uint64_t)got;
		q->qpair.last_rx_ns = nvhi_reactor_now(q->qpair.reactor);
		nvhi_pdu_rx_landed(&q->rx, (size_t)got);
		rx_process(q);
		if ((size_t)got < bytes)
			break;
	}
	return work;
}
