/*
 * A controller made of bytes: see tcp_fixture.h. One thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

#define WIRE_SIZE (4u << 20)

struct tcp_tq tq;

/* ---- the stream and its network ---------------------------------------------------------- */

static struct fake_stream *wire_of(struct nvhi_stream *stream)
{
	return nvhi_container_of(stream, struct fake_stream, stream);
}

static ssize_t wire_readv(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt)
{
	struct fake_stream *wire = wire_of(stream);
	size_t left = wire->in_len - wire->in_at, done = 0;

	CU_ASSERT_FATAL(!wire->closed);
	CU_ASSERT_FATAL(iovcnt > 0);
	wire->reads++;
	if (left == 0)
		return wire->eof ? 0 : -EAGAIN;
	if (left > wire->step)
		left = wire->step;
	for (int i = 0; i < iovcnt && left; i++) {
		size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(iov[i].iov_base, wire->in + wire->in_at, n);
		wire->in_at += n;
		left -= n;
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t wire_writev(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt,
			   bool more)
{
	struct fake_stream *wire = wire_of(stream);
	size_t done = 0;

	(void)more;
	CU_ASSERT_FATAL(!wire->closed);
	CU_ASSERT_FATAL(iovcnt > 0);
	wire->writes++;
	if (wire->write_error)
		return wire->write_error;
	for (int i = 0; i < iovcnt && wire->room; i++) {
		size_t n = iov[i].iov_len < wire->room ? iov[i].iov_len : wire->room;

		CU_ASSERT_FATAL(wire->out_len + n <= WIRE_SIZE);
		memcpy(wire->out + wire->out_len, iov[i].iov_base, n);
		wire->out_len += n;
		wire->room -= n;
		done += n;
	}
	return done ? (ssize_t)done : -EAGAIN;
}

static void wire_want(struct nvhi_stream *stream, unsigned int events)
{
	wire_of(stream)->wanted = events;
}

static void wire_set_eager(struct nvhi_stream *stream, bool eager)
{
	wire_of(stream)->eager = eager;
}

static void wire_close(struct nvhi_stream *stream, bool abort)
{
	struct fake_stream *wire = wire_of(stream);

	CU_ASSERT_FALSE(wire->closed);
	wire->closed = true;
	wire->aborted = abort;
}

static int wire_info(struct nvhi_stream *stream, struct nvhi_stream_info *ret_info)
{
	(void)stream;
	(void)ret_info;
	return -EOPNOTSUPP;
}

static void wire_names(struct nvhi_stream *stream, char *local, size_t local_len, char *peer,
		       size_t peer_len)
{
	(void)stream;
	snprintf(local, local_len, "here");
	snprintf(peer, peer_len, "there");
}

static const struct nvhi_stream_ops wire_ops = {
	.readv = wire_readv,
	.writev = wire_writev,
	.want = wire_want,
	.set_eager = wire_set_eager,
	.close = wire_close,
	.info = wire_info,
	.names = wire_names,
};

static int tq_net_connect(struct nvhi_net *net, struct nvh_reactor *on,
			  const struct nvhi_stream_connect_opts *opts,
			  nvhi_stream_event_fn on_event, struct nvhi_stream **ret_stream)
{
	CU_ASSERT_PTR_EQUAL(net, &tq.net);
	CU_ASSERT_EQUAL(opts->peer.ss_family, AF_INET);
	tq.connects++;
	tq.connect_opts = *opts;
	if (tq.connect_error)
		return tq.connect_error;
	tq.wire.stream =
		(struct nvhi_stream){.ops = &wire_ops, .reactor = on, .on_event = on_event};
	tq.wire.wanted = NVHI_READABLE;
	*ret_stream = &tq.wire.stream;
	return 0;
}

static const struct nvhi_net_ops tq_net_ops = {.connect = tq_net_connect};

/* What the wire has to tell, once a turn. */
static int tq_poll(struct nvhi_poller *poller)
{
	struct fake_stream *wire = &tq.wire;
	struct nvhi_stream *stream = &wire->stream;
	int done = 0;

	(void)poller;
	if (!stream->ops || wire->closed)
		return 0;
	if (wire->open_due) {
		wire->open_due = false;
		wire->opened = !wire->refuse;
		stream->error = wire->refuse ? -ECONNREFUSED : 0;
		return stream->on_event(stream, wire->refuse ? NVHI_HANGUP
							     : NVHI_STREAM_OPEN | NVHI_WRITABLE);
	}
	if (!wire->opened)
		return 0;
	if ((wire->wanted & NVHI_WRITABLE) && wire->room)
		done += stream->on_event(stream, NVHI_WRITABLE);
	if (!wire->closed && (wire->wanted & NVHI_READABLE) &&
	    (wire->in_at < wire->in_len || wire->eof))
		done += stream->on_event(stream, NVHI_READABLE);
	return done;
}

/* ---- what is told ------------------------------------------------------------------------ */

static void tq_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	tq.connected++;
	tq.connected_err = err;
	tq.connected_cpl = cpl;
	snprintf(tq.why, sizeof(tq.why), "%s", qpair->why);
}

static void tq_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	tq.lost++;
	tq.lost_err = err;
	snprintf(tq.why, sizeof(tq.why), "%s", why);
	if (tq.revoke_when_lost)
		qpair->tctrlr->transport->revoke(qpair);
}

static void tq_revoked(struct nvhi_qpair *qpair)
{
	CU_ASSERT_EQUAL(qpair->inflight, 0);
	tq.revoked++;
}

static const struct nvhi_qpair_events tq_events = {
	.connected = tq_connected, .lost = tq_lost, .revoked = tq_revoked};

static void tq_log(enum nvhi_log_level level, const char *component, const char *line)
{
	(void)component;
	if (level > NVHI_LOG_INFO)
		return;
	tq.log_lines++;
	snprintf(tq.log, sizeof(tq.log), "%s", line);
}

/* ---- life -------------------------------------------------------------------------------- */

void tq_create(const struct tq_opts *opts)
{
	struct nvhi_tctrlr_opts tctrlr = {
		.addr = {.trtype = NVH_TRTYPE_TCP,
			 .adrfam = NVH_ADRFAM_IPV4,
			 .traddr = "127.0.0.1",
			 .trsvcid = "4420"},
		.subnqn = "nqn.2016-06.io.spdk:cnode1",
		.hostnqn = "nqn.2014-08.org:host",
		.kato_ms = 5000,
		.tos = -1,
		.hdr_digest = opts->hdr_digest,
		.data_digest = opts->data_digest,
		.disable_sqflow = opts->disable_sqflow,
		.maxr2t = opts->maxr2t,
		.connect_timeout_ms = 3000,
		.net = &tq.net,
		.name = "nvh0",
	};
	struct nvhi_qpair_opts qpair = {.qid = opts->qid,
					.events = &tq_events,
					.entries = opts->entries ? opts->entries : 128};

	char text[200];

	if (opts->tos)
		tctrlr.tos = opts->tos;
	if (opts->host_iface)
		snprintf(tctrlr.host_iface, sizeof(tctrlr.host_iface), "%s", opts->host_iface);
	if (opts->host_traddr)
		CU_ASSERT_EQUAL_FATAL(nvhi_addr_set(NVH_TRTYPE_TCP, opts->host_traddr, NULL,
						    &tctrlr.host_addr, text, sizeof(text)),
				      0);
	setup_sim();
	memset(&tq, 0, sizeof(tq));
	tq.net.ops = &tq_net_ops;
	tq.wire.in = malloc(WIRE_SIZE);
	tq.wire.out = malloc(WIRE_SIZE);
	tq.wire.step = tq.wire.room = SIZE_MAX;
	nvhi_log_set_hook(tq_log);
	nvhi_log_levels[NVHI_LOG_TCP] = NVHI_LOG_INFO;
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_tcp.tctrlr_open(&tctrlr, &tq.tctrlr), 0);
	tq.tctrlr->ioccsz = 8192;
	tq.tctrlr->cntlid = 7;
	qpair.reactor = reactor;
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_tcp.qpair_create(tq.tctrlr, &qpair, &tq.qpair), 0);
	nvhi_poller_add(reactor, &tq.poller, tq_poll);
}

void tq_destroy(void)
{
	if (!tq.revoked) {
		nvhi_transport_tcp.revoke(tq.qpair);
		tq_run();
	}
	CU_ASSERT_EQUAL(tq.revoked, 1);
	CU_ASSERT_EQUAL(tq.qpair->inflight, 0);
	CU_ASSERT(tq.wire.closed || !tq.wire.stream.ops);
	nvhi_transport_tcp.qpair_destroy(tq.qpair);
	nvhi_transport_tcp.tctrlr_close(tq.tctrlr);
	nvhi_poller_remove(reactor, &tq.poller);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(reactor), NVHI_NEVER);
	teardown();
	nvhi_log_set_hook(NULL);
	nvhi_log_levels[NVHI_LOG_TCP] = NVHI_LOG_WARN;
	free(tq.wire.in);
	free(tq.wire.out);
}

void tq_run(void)
{
	for (int turns = 0; nvhi_reactor_turn(reactor) > 0; turns++)
		CU_ASSERT_FATAL(turns < 1000000);
}

void tq_pass(uint64_t ms)
{
	uint64_t end = sim.time + ms * NVHI_NSEC_PER_MSEC;

	tq_run();
	for (;;) {
		uint64_t next = nvhi_reactor_next_deadline(reactor);

		if (next == NVHI_NEVER || next > end)
			break;
		sim.time = next > sim.time ? next : sim.time;
		tq_run();
	}
	sim.time = end;
	tq_run();
}

void tq_live(const struct tq_opts *opts)
{
	uint16_t sqhd = opts->disable_sqflow ? 0xffff : 1;
	struct tq_pdu pdu;

	tq_create(opts);
	tq.dgst = (opts->hdr_digest ? 1 : 0) | (opts->data_digest ? 2 : 0);
	nvhi_transport_tcp.qpair_connect(tq.qpair);
	tq.wire.open_due = true;
	tq_run();
	CU_ASSERT_FATAL(tq.wire.out_len == 128);
	tq.wire.out_at = 128;
	tq_put_icresp(tq.dgst, 0, 131072);
	tq_run();
	CU_ASSERT_FATAL(tq_next(&pdu));
	tq_put_cpl(tq_le16(pdu.hdr + 8 + 2), 0, 7, sqhd);
	tq_run();
	CU_ASSERT_EQUAL_FATAL(tq.connected, 1);
	CU_ASSERT_EQUAL_FATAL(tq.connected_err, 0);
}

/* ---- the controller's words -------------------------------------------------------------- */

void tq_put(const void *bytes, size_t len)
{
	CU_ASSERT_FATAL(tq.wire.in_len + len <= WIRE_SIZE);
	memcpy(tq.wire.in + tq.wire.in_len, bytes, len);
	tq.wire.in_len += len;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void tq_put_icresp(uint8_t dgst, uint8_t cpda, uint32_t maxh2cdata)
{
	uint8_t pdu[128] = {0x01, 0, 128, 0, 128};

	pdu[10] = cpda;
	pdu[11] = dgst;
	put32(pdu + 12, maxh2cdata);
	tq_put(pdu, sizeof(pdu));
}

/* A header of 24 bytes with what the digests add, and the data. */
static void put_pdu(uint8_t *hdr, const void *data, uint32_t len)
{
	uint8_t digest[4];
	uint32_t pdo = 24;

	if (tq.dgst & 1) {
		hdr[1] |= 1;
		pdo += 4;
	}
	if (len) {
		hdr[1] |= tq.dgst & 2;
		hdr[3] = (uint8_t)pdo;
	}
	hdr[2] = 24;
	put32(hdr + 4, pdo + len + (len && (tq.dgst & 2) ? 4 : 0));
	tq_put(hdr, 24);
	if (tq.dgst & 1) {
		put32(digest, nvhi_crc32c(hdr, 24));
		tq_put(digest, 4);
	}
	if (!len)
		return;
	tq_put(data, len);
	if (tq.dgst & 2) {
		put32(digest, nvhi_crc32c(data, len));
		tq_put(digest, 4);
	}
}

void tq_put_cpl(uint16_t cid, uint16_t status15, uint32_t dw0, uint16_t sqhd)
{
	uint8_t hdr[24] = {0x05};

	put32(hdr + 8, dw0);
	put16(hdr + 16, sqhd);
	put16(hdr + 20, cid);
	put16(hdr + 22, (uint16_t)(status15 << 1));
	put_pdu(hdr, NULL, 0);
}

void tq_put_c2h(uint16_t cid, uint32_t datao, const void *data, uint32_t len, uint8_t flags)
{
	uint8_t hdr[24] = {0x07, flags};

	put16(hdr + 8, cid);
	put32(hdr + 12, datao);
	put32(hdr + 16, len);
	put_pdu(hdr, data, len);
}

void tq_put_r2t(uint16_t cid, uint16_t ttag, uint32_t r2to, uint32_t r2tl)
{
	uint8_t hdr[24] = {0x09};

	put16(hdr + 8, cid);
	put16(hdr + 10, ttag);
	put32(hdr + 12, r2to);
	put32(hdr + 16, r2tl);
	put_pdu(hdr, NULL, 0);
}

void tq_put_term(uint16_t fes, uint32_t fei)
{
	uint8_t hdr[24] = {0x03, 0, 24, 0, 24};

	put16(hdr + 8, fes);
	put32(hdr + 10, fei);
	tq_put(hdr, sizeof(hdr));
}

/* ---- the host's words -------------------------------------------------------------------- */

bool tq_next(struct tq_pdu *pdu)
{
	const uint8_t *at = tq.wire.out + tq.wire.out_at;
	size_t left = tq.wire.out_len - tq.wire.out_at;
	bool term;
	uint32_t end;

	if (left < 8 || left < tq_le32(at + 4))
		return false;
	*pdu = (struct tq_pdu){.type = at[0], .flags = at[1], .hdr = at, .plen = tq_le32(at + 4)};
	CU_ASSERT_FATAL(pdu->plen >= 24);
	tq.wire.out_at += pdu->plen;
	term = pdu->type == 0x02;
	if (pdu->type == 0x00 || term) {
		CU_ASSERT_EQUAL(at[2], term ? 24 : 128);
		pdu->data = at + at[2];
		pdu->data_len = pdu->plen - at[2];
		return true;
	}
	CU_ASSERT_EQUAL(at[2], pdu->type == 0x04 ? 72 : 24);
	CU_ASSERT_EQUAL(pdu->flags & 1, tq.dgst & 1);
	end = at[2];
	if (tq.dgst & 1) {
		CU_ASSERT_EQUAL(tq_le32(at + end), nvhi_crc32c(at, end));
		end += 4;
	}
	if (pdu->plen == end) {
		CU_ASSERT_EQUAL(at[3], 0);
		return true;
	}
	CU_ASSERT_FATAL(at[3] >= end);
	pdu->data = at + at[3];
	pdu->data_len = pdu->plen - at[3];
	CU_ASSERT_EQUAL(pdu->flags & 2, tq.dgst & 2);
	if (tq.dgst & 2) {
		pdu->data_len -= 4;
		CU_ASSERT_EQUAL(tq_le32(pdu->data + pdu->data_len),
				nvhi_crc32c(pdu->data, pdu->data_len));
	}
	return true;
}

uint16_t tq_next_cid(void)
{
	struct tq_pdu pdu;

	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL_FATAL(pdu.type, 0x04);
	return tq_le16(pdu.hdr + 8 + 2);
}

/* ---- requests ---------------------------------------------------------------------------- */

static void tq_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct fake_req *freq = nvhi_container_of(req, struct fake_req, req);

	freq->done++;
	freq->err = err;
	CU_ASSERT_EQUAL(err == 0, cpl != NULL);
	if (cpl)
		freq->cpl = *cpl;
	if (freq->then)
		freq->then(freq);
}

static void tq_request(struct fake_req *freq, uint8_t opc, enum nvhi_dir dir, void *buf,
		       uint32_t len)
{
	memset(freq, 0, sizeof(*freq));
	freq->req.cmd.opc = opc;
	nvh_le32_put(&freq->req.cmd.nsid, 1);
	freq->req.dir = dir;
	freq->req.len = len;
	freq->req.done = tq_done;
	freq->iov[0] = (struct iovec){.iov_base = buf, .iov_len = len};
	nvhi_iov_cursor_init(&freq->req.data, freq->iov, len ? 1 : 0);
}

void tq_read(struct fake_req *freq, void *buf, uint32_t len)
{
	tq_request(freq, NVH_OPC_READ, NVHI_DIR_TO_HOST, buf, len);
}

void tq_write(struct fake_req *freq, void *buf, uint32_t len)
{
	tq_request(freq, NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, buf, len);
}

void tq_flush(struct fake_req *freq)
{
	tq_request(freq, NVH_OPC_FLUSH, NVHI_DIR_NONE, NULL, 0);
}

void tq_pieces(struct fake_req *freq, uint32_t piece)
{
	uint8_t *base = freq->iov[0].iov_base;
	uint32_t at = 0, count = 0;

	while (at < freq->req.len) {
		uint32_t n = freq->req.len - at < piece ? freq->req.len - at : piece;

		CU_ASSERT_FATAL(count < NVHI_ARRAY_SIZE(freq->iov));
		freq->iov[count++] = (struct iovec){.iov_base = base + at, .iov_len = n};
		at += n;
	}
	nvhi_iov_cursor_init(&freq->req.data, freq->iov, count);
}

void tq_submit(struct fake_req *freq)
{
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_tcp.submit(tq.qpair, &freq->req), 0);
	CU_ASSERT_EQUAL(freq->done, 0);
}

void tq_fill(void *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

bool tq_filled(const void *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (((const uint8_t *)buf)[i] != (uint8_t)((i + seed) * 2654435761u >> 13))
			return false;
	return true;
}
