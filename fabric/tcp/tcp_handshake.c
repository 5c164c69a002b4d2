/*
 * From nothing to a live queue: the stream opens, ICReq and ICResp agree on digests, alignment and
 * MAXH2CDATA, the Fabrics Connect command makes it a queue of a controller. Each step has its
 * deadline (tcp_qpair.c). On the queue pair's reactor.
 * NVMe/TCP 1.1 sections 3.6.2.2 and 3.6.2.3; Base Specification 2.1 section 6.3.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/connect.h"
#include "fabric/tcp/tcp_impl.h"

static int stream_event(struct nvhi_stream *stream, unsigned int events);

/* ---- the stream -------------------------------------------------------------------------- */

/* --host-traddr names an address; the port is the system's choice. */
static int local_address(const struct nvhi_addr *addr, struct nvhi_stream_connect_opts *opts)
{
	int err = nvhi_addr_to_sockaddr(addr, &opts->local, &opts->local_len);

	if (err)
		return err;
	if (opts->local.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&opts->local)->sin6_port = 0;
	else
		((struct sockaddr_in *)&opts->local)->sin_port = 0;
	return 0;
}

static int open_stream(struct nvhi_tcp_qpair *q)
{
	const struct nvhi_tctrlr_opts *opts = &q->qpair.tctrlr->opts;
	struct nvhi_stream_connect_opts stream = {.tos = opts->tos};
	int err;

	err = nvhi_addr_to_sockaddr(&opts->addr, &stream.peer, &stream.peer_len);
	if (err)
		return err;
	if (opts->host_addr.traddr[0]) {
		err = local_address(&opts->host_addr, &stream);
		if (err)
			return err;
	}
	memcpy(stream.iface, opts->host_iface, sizeof(stream.iface));
	err = opts->net->ops->connect(opts->net, q->qpair.reactor, &stream, stream_event,
				      &q->stream);
	if (!err)
		q->stream->owner = q;
	return err;
}

static int opening_event(struct nvhi_tcp_qpair *q, unsigned int events)
{
	uint8_t pdu[NVHI_PDU_HDR_ROOM];
	uint8_t digests = 0;

	if (events & NVHI_HANGUP) {
		int err = q->stream->error ? q->stream->error : -ECONNRESET;

		nvhi_tcp_fail(q, err, "%s", strerror(-err));
		return 1;
	}
	if (!(events & (NVHI_STREAM_OPEN | NVHI_WRITABLE)))
		return 0;
	q->stream->ops->want(q->stream, NVHI_READABLE);
	nvhi_tcp_set_state(q, NVHI_TCP_IC);
	if (q->qpair.tctrlr->opts.hdr_digest)
		digests |= NVH_TCP_DGST_HDR;
	if (q->qpair.tctrlr->opts.data_digest)
		digests |= NVH_TCP_DGST_DATA;
	nvhi_tcp_tx_raw(q, pdu, nvhi_pdu_icreq_build(pdu, 0, digests, q->maxr2t - 1u));
	return 1;
}

static int stream_event(struct nvhi_stream *stream, unsigned int events)
{
	struct nvhi_tcp_qpair *q = stream->owner;
	int work = 0;

	if (q->state == NVHI_TCP_CONNECTING)
		return opening_event(q, events);
	if (events & NVHI_WRITABLE) {
		nvhi_tcp_tx_flush(q);
		work++;
	}
	if (q->stream)
		work += nvhi_tcp_rx_event(q);
	nvhi_tcp_watch_midway(q);
	if ((events & NVHI_HANGUP) && q->stream && stream->error) {
		/* Broken, and no byte is left that could say so. */
		nvhi_tcp_fail(q, stream->error, "the connection broke: %s",
			      strerror(-stream->error));
		nvhi_tcp_close(q); /* when it was lost before */
	}
	return work;
}

void nvhi_tcp_qpair_connect(struct nvhi_qpair *qpair)
{
	struct nvhi_tcp_qpair *q = nvhi_tcp_qpair_of(qpair);
	int err = nvhi_tcp_set_deadline(q, qpair->tctrlr->opts.connect_timeout_ms);

	if (!err)
		err = open_stream(q);
	if (err) {
		nvhi_tcp_fail(q, err, "%s", strerror(-err));
		return;
	}
	nvhi_tcp_set_state(q, NVHI_TCP_CONNECTING);
}

/* ---- ICResp ------------------------------------------------------------------------------ */

/* A digest that the user asked for and the controller does not do, or the other way round. */
static bool digests_agree(struct nvhi_tcp_qpair *q, uint8_t dgst)
{
	const struct nvhi_tctrlr_opts *opts = &q->qpair.tctrlr->opts;
	bool hdgst = dgst & NVH_TCP_DGST_HDR, ddgst = dgst & NVH_TCP_DGST_DATA;

	if ((hdgst && !opts->hdr_digest) || (ddgst && !opts->data_digest)) {
		nvhi_tcp_bad(q, NVH_TCP_FES_HDR_FIELD, offsetof(struct nvh_tcp_icresp, dgst),
			     "DGST", "a digest that we did not ask for", dgst);
		return false;
	}
	if (hdgst != opts->hdr_digest || ddgst != opts->data_digest) {
		nvhi_tcp_fail(q, -EOPNOTSUPP,
			      "the controller does not do %s digests (connect without %s)",
			      hdgst != opts->hdr_digest ? "header" : "data",
			      hdgst != opts->hdr_digest ? "--hdr-digest" : "--data-digest");
		return false;
	}
	return true;
}

static void connect_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl);

static void send_connect(struct nvhi_tcp_qpair *q)
{
	struct nvhi_req *req = &q->connect_req;

	nvhi_connect_build(&q->qpair, &req->cmd, &q->connect_data);
	q->connect_iov.iov_base = &q->connect_data;
	q->connect_iov.iov_len = sizeof(q->connect_data);
	nvhi_iov_cursor_init(&req->data, &q->connect_iov, 1);
	req->len = sizeof(q->connect_data);
	req->dir = NVHI_DIR_TO_CTRLR;
	req->done = connect_done;
	nvhi_tcp_set_state(q, NVHI_TCP_CONNECT);
	nvhi_tcp_submit_early(q, req); /* the queue is empty: there is room */
}

void nvhi_tcp_rx_icresp(struct nvhi_tcp_qpair *q, const struct nvh_tcp_icresp *icresp)
{
	if (!digests_agree(q, icresp->dgst))
		return;
	q->params.hdgst = icresp->dgst & NVH_TCP_DGST_HDR;
	q->params.ddgst = icresp->dgst & NVH_TCP_DGST_DATA;
	q->params.cpda = icresp->cpda;
	q->params.maxh2cdata = nvh_le32_get(icresp->maxh2cdata);
	q->params.ic_done = true;
	nvhi_log(DEBUG, TCP, "%s: ICResp CPDA %u MAXH2CDATA %u header digest %s data digest %s",
		 q->qpair.name, q->params.cpda, q->params.maxh2cdata,
		 q->params.hdgst ? "on" : "off", q->params.ddgst ? "on" : "off");
	send_connect(q);
}

/* ---- Connect ----------------------------------------------------------------------------- */

/* SQHD FFFFh in the answer says that the controller agreed to do without SQ flow control. */
static bool settle_sqflow(struct nvhi_tcp_qpair *q, uint16_t sqhd)
{
	if (q->qpair.tctrlr->opts.disable_sqflow && sqhd == 0xffff) {
		q->sqflow.on = false;
		return true;
	}
	q->sqflow.on = true;
	return nvhi_tcp_sqhd_good(q, sqhd);
}

static void connect_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_tcp_qpair *q = nvhi_container_of(req, struct nvhi_tcp_qpair, connect_req);
	char text[NVHI_CONNECT_TEXT];

	if (err < 0 || q->state != NVHI_TCP_CONNECT)
		return; /* given back by revoke: that is told there */
	q->connect_cpl = *cpl;
	err = nvhi_connect_result(&q->qpair, cpl, text, sizeof(text));
	if (err) {
		q->have_connect_cpl = true;
		nvhi_tcp_fail(q, err, "%s", text);
		return;
	}
	if (!settle_sqflow(q, nvh_le16_get(cpl->sqhd)))
		return;
	if (q->qpair.qid == 0)
		q->qpair.tctrlr->cntlid = nvh_le32_get(cpl->dw0) & NVH_CONNECT_CNTLID_MASK;
	nvhi_tcp_set_state(q, NVHI_TCP_LIVE);
	nvhi_tcp_tell(q, NVHI_TCP_TELL_CONNECTED);
}
