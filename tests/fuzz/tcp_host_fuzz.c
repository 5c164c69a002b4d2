/*
 * Fuzz target: a live NVMe/TCP queue pair of the host against a controller that says what the input
 * says: right and wrong data, R2Ts, completions, raw bytes, in pieces, with time passing, the
 * stream ending, and the queue revoked at any moment.
 *
 * Holds for every input: each request is done once; a read that succeeds has all its bytes, each at
 * its place; nothing touches a buffer after its request is done (buffers are freed there); revoke
 * gives everything back.
 */
#include <errno.h>

#include "base/crc32c.h"
#include "fabric/tcp/pdu.h"
#include "fabric/tcp/tcp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_wire.h"

#define REQS    8
#define LEN_MAX 20000u

struct host_req {
	struct nvhi_req req;
	struct iovec iov[64];
	uint8_t *buf;
	uint32_t seed;
	uint32_t sent; /* bytes of C2HData or R2T in order so far */
	bool lent;
};

static struct {
	struct fuzz_wire wire;
	struct nvhi_tctrlr *tctrlr;
	struct nvhi_qpair *qpair;
	struct host_req reqs[REQS];
	uint32_t next_seed;
	uint8_t dgst;
	bool sqflow_off;
	bool raw; /* raw bytes were sent: data may be anything */
	bool connected, lost, revoking, revoked;
	uint16_t sqhd;
} host;

static uint8_t pattern(uint32_t seed, uint32_t at)
{
	return (uint8_t)(seed * 31 + at * 7 + (at >> 8));
}

/* ---- told by the queue ---------------------------------------------------------------------- */

static void on_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	(void)qpair;
	(void)cpl;
	FUZZ_CHECK(!host.connected && !host.lost && !host.revoked);
	host.connected = true;
	host.lost = err != 0;
}

static void on_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	(void)qpair;
	FUZZ_CHECK(host.connected && !host.lost && !host.revoked && err < 0 && why[0]);
	host.lost = true;
}

static void on_revoked(struct nvhi_qpair *qpair)
{
	FUZZ_CHECK(host.revoking && !host.revoked && !qpair->inflight);
	for (unsigned int i = 0; i < REQS; i++)
		FUZZ_CHECK(!host.reqs[i].lent);
	host.revoked = true;
}

static const struct nvhi_qpair_events host_events = {
	.connected = on_connected, .lost = on_lost, .revoked = on_revoked};

static void on_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct host_req *r = nvhi_container_of(req, struct host_req, req);

	FUZZ_CHECK(r->lent);
	FUZZ_CHECK((err < 0) == (cpl == NULL));
	if (cpl && !nvh_cpl_is_error(cpl) && req->dir == NVHI_DIR_TO_HOST) {
		FUZZ_CHECK(req->transferred == req->len);
		for (uint32_t i = 0; i < req->len && !host.raw; i++)
			FUZZ_CHECK(r->buf[i] == pattern(r->seed, i));
	}
	r->lent = false;
	free(r->buf); /* a late touch is a use after free */
	r->buf = NULL;
}

/* ---- our own requests ----------------------------------------------------------------------- */

static void submit(struct fuzz_input *in)
{
	struct host_req *r = &host.reqs[fuzz_u8(in) % REQS];
	uint8_t kind = fuzz_u8(in);
	uint32_t len = 1 + (fuzz_u8(in) | (uint32_t)fuzz_u8(in) << 8) % LEN_MAX, at = 0, n = 0;
	uint32_t piece = kind & 0x10 ? 1 + len / 40 : len;

	if (r->lent)
		return;
	memset(r, 0, sizeof(*r));
	r->seed = host.next_seed++;
	r->req.dir = kind % 3 == 0   ? NVHI_DIR_TO_HOST
		     : kind % 3 == 1 ? NVHI_DIR_TO_CTRLR
				     : NVHI_DIR_NONE;
	r->req.cmd.opc = r->req.dir == NVHI_DIR_TO_HOST    ? NVH_OPC_READ
			 : r->req.dir == NVHI_DIR_TO_CTRLR ? NVH_OPC_WRITE
							   : NVH_OPC_FLUSH;
	r->req.done = on_done;
	if (r->req.dir != NVHI_DIR_NONE) {
		r->req.len = len;
		r->buf = malloc(len);
		if (!r->buf)
			abort();
		for (uint32_t i = 0; i < len; i++)
			r->buf[i] = r->req.dir == NVHI_DIR_TO_CTRLR ? pattern(r->seed, i) : 0;
		for (; at < len; at += piece) {
			r->iov[n].iov_base = r->buf + at;
			r->iov[n++].iov_len = len - at < piece ? len - at : piece;
		}
	}
	nvhi_iov_cursor_init(&r->req.data, r->iov, n);
	if (nvhi_transport_tcp.submit(host.qpair, &r->req)) {
		free(r->buf);
		r->buf = NULL;
		return;
	}
	r->lent = true;
}

/* ---- the controller's words ----------------------------------------------------------------- */

/* Sends a header of 24 bytes, with what the agreed digests add, and the data. */
static void put_pdu(uint8_t *hdr, const uint8_t *data, uint32_t len, bool bad_digest)
{
	struct nvh_tcp_ch *ch = (struct nvh_tcp_ch *)hdr;
	uint32_t pdo = host.dgst & NVH_TCP_DGST_HDR ? 28 : 24;
	bool ddgst = len && host.dgst & NVH_TCP_DGST_DATA;
	uint8_t digest[4];

	ch->hlen = 24;
	ch->flags |= pdo == 28 ? NVH_TCP_F_HDGST : 0;
	ch->flags |= ddgst ? NVH_TCP_F_DDGST : 0;
	ch->pdo = len ? (uint8_t)pdo : 0;
	nvh_le32_put(&ch->plen, pdo + len + (ddgst ? 4 : 0));
	fuzz_wire_put(&host.wire, hdr, 24);
	nvhi_pdu_ddgst_put(digest, nvhi_crc32c(hdr, 24));
	if (pdo == 28)
		fuzz_wire_put(&host.wire, digest, 4);
	fuzz_wire_put(&host.wire, data, len);
	nvhi_pdu_ddgst_put(digest, nvhi_crc32c(data, len) ^ bad_digest);
	if (ddgst)
		fuzz_wire_put(&host.wire, digest, 4);
}

static void put_cpl(uint16_t cid, uint16_t status, uint32_t dw0, uint16_t sqhd)
{
	struct nvh_tcp_capsule_resp pdu = {.ch.type = NVH_TCP_CAPSULE_RESP};

	nvh_le32_put(&pdu.cpl.dw0, dw0);
	nvh_le16_put(&pdu.cpl.sqhd, sqhd);
	nvh_le16_put(&pdu.cpl.cid, cid);
	nvh_le16_put(&pdu.cpl.status, status);
	put_pdu((uint8_t *)&pdu, NULL, 0, false);
}

static void put_data(struct host_req *r, uint16_t cid, uint32_t datao, uint32_t len, uint8_t flags,
		     bool bad_digest)
{
	static uint8_t data[LEN_MAX + 64];
	struct nvh_tcp_c2h_data pdu = {.ch = {.type = NVH_TCP_C2H_DATA, .flags = flags}};

	if (len > sizeof(data))
		len = sizeof(data);
	for (uint32_t i = 0; i < len; i++)
		data[i] = pattern(r->seed, datao + i);
	nvh_le16_put(&pdu.cccid, cid);
	nvh_le32_put(&pdu.datao, datao);
	nvh_le32_put(&pdu.datal, len);
	put_pdu((uint8_t *)&pdu, data, len, bad_digest);
}

static void put_r2t(uint16_t cid, uint16_t ttag, uint32_t r2to, uint32_t r2tl)
{
	struct nvh_tcp_r2t pdu = {.ch.type = NVH_TCP_R2T};

	nvh_le16_put(&pdu.cccid, cid);
	nvh_le16_put(&pdu.ttag, ttag);
	nvh_le32_put(&pdu.r2to, r2to);
	nvh_le32_put(&pdu.r2tl, r2tl);
	put_pdu((uint8_t *)&pdu, NULL, 0, false);
}

/* The next part of what request r waits for, or its completion; `how` bends it. */
static void serve(struct host_req *r, uint8_t how)
{
	uint32_t left = r->req.len - r->sent, len = how & 1 ? (left / 2 + 3) & ~3u : left;
	uint16_t cid = nvh_le16_get(r->req.cmd.cid);

	if (len > left)
		len = left;
	if ((how & 0xc0) == 0xc0) /* an error, whatever is still to move */
		left = 0;
	if (left && r->req.dir == NVHI_DIR_TO_HOST) {
		uint8_t flags = len == left ? NVH_TCP_F_LAST : 0;

		if (flags && (how & 2))
			flags |= NVH_TCP_F_SUCCESS;
		put_data(r, cid, r->sent, len, flags, how & 4);
		r->sent += len;
	} else if (left && r->req.dir == NVHI_DIR_TO_CTRLR && r->req.len > 8192) {
		put_r2t(cid, how, r->sent, len);
		r->sent += len;
	} else {
		host.sqhd = (uint16_t)((host.sqhd + 1) % 16);
		put_cpl(cid, how & 0x80 ? (uint16_t)(how << 1) : 0, 0,
			host.sqflow_off ? 0xffff : host.sqhd);
	}
}

/* ---- one step of the input ------------------------------------------------------------------ */

static void raw(struct fuzz_input *in)
{
	uint8_t bytes[80], len = fuzz_u8(in) % sizeof(bytes);

	fuzz_fill(in, bytes, len);
	fuzz_wire_put(&host.wire, bytes, len);
	host.raw = true;
}

static void wrong(struct fuzz_input *in, struct host_req *r)
{
	uint8_t kind = fuzz_u8(in);
	uint16_t cid = nvh_le16_get(r->req.cmd.cid);
	uint32_t a = fuzz_u8(in) * 4u, b = fuzz_u8(in) * 4u;

	if (kind & 0x80)
		cid = (uint16_t)(cid + 16 * (kind & 7)); /* another generation */
	if (kind % 3 == 0)
		put_data(r, cid, a, b, (kind >> 2) & 0xc, false);
	else if (kind % 3 == 1)
		put_r2t(cid, kind, a, b);
	else
		put_cpl(cid, 0, 0, (uint16_t)a);
}

static void step(struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);
	struct host_req *r = &host.reqs[op >> 4 & (REQS - 1)];

	switch (op & 0xf) {
	case 0:
		raw(in);
		break;
	case 1:
	case 2:
	case 3:
		submit(in);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		serve(r, fuzz_u8(in));
		break;
	case 8:
		wrong(in, r);
		break;
	case 9:
		host.wire.step = 1 + fuzz_u8(in) * 16u;
		break;
	case 10:
		host.wire.room = fuzz_u8(in) * 64u;
		break;
	case 11:
		host.wire.room = SIZE_MAX;
		break;
	case 12:
		fuzz_pass(1 + fuzz_u8(in) * 50u);
		break;
	case 13:
		host.wire.eof = fuzz_u8(in) < 64;
		break;
	case 14:
		if (!host.revoking && !(fuzz_u8(in) & 3)) {
			host.revoking = true;
			nvhi_transport_tcp.revoke(host.qpair);
		}
		break;
	default:
		fuzz_run();
		break;
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static void create(uint8_t switches)
{
	struct nvhi_tctrlr_opts tctrlr = {
		.addr = {.trtype = NVH_TRTYPE_TCP,
			 .adrfam = NVH_ADRFAM_IPV4,
			 .traddr = "127.0.0.1",
			 .trsvcid = "4420"},
		.subnqn = "nqn.2016-06.io.spdk:cnode1",
		.hostnqn = "nqn.2014-08.org:host",
		.tos = -1,
		.connect_timeout_ms = 3000,
		.net = fuzz_net(),
		.name = "nvh0",
		.hdr_digest = switches & NVH_TCP_DGST_HDR,
		.data_digest = switches & NVH_TCP_DGST_DATA,
		.disable_sqflow = switches & 4,
	};
	struct nvhi_qpair_opts qpair = {
		.qid = 1, .events = &host_events, .entries = 16, .reactor = fuzz_reactor()};
	struct fuzz_wire wire = host.wire;

	memset(&host, 0, sizeof(host));
	host.wire = wire;
	host.dgst = switches & 3;
	host.sqflow_off = switches & 4;
	fuzz_wire_init(&host.wire);
	if (nvhi_transport_tcp.tctrlr_open(&tctrlr, &host.tctrlr))
		abort();
	host.tctrlr->ioccsz = 8192;
	host.tctrlr->cntlid = 7;
	if (nvhi_transport_tcp.qpair_create(host.tctrlr, &qpair, &host.qpair))
		abort();
}

/* ICResp and the answer to Connect, as a good controller gives them. */
static void go_live(void)
{
	struct nvh_tcp_icresp icresp = {.ch = {.type = NVH_TCP_IC_RESP, .hlen = 128},
					.dgst = host.dgst};
	const struct nvh_tcp_capsule_cmd *capsule;
	uint32_t plen;

	nvh_le32_put(&icresp.ch.plen, 128);
	nvh_le32_put(&icresp.maxh2cdata, 4096);
	fuzz_run();
	FUZZ_CHECK(fuzz_wire_next(&host.wire, &plen)); /* ICReq */
	fuzz_wire_put(&host.wire, &icresp, sizeof(icresp));
	fuzz_run();
	capsule = (const struct nvh_tcp_capsule_cmd *)fuzz_wire_next(&host.wire, &plen);
	FUZZ_CHECK(capsule && capsule->cmd.opc == NVH_ADM_FABRICS);
	host.sqhd = 1;
	put_cpl(nvh_le16_get(capsule->cmd.cid), 0, 7, host.sqflow_off ? 0xffff : host.sqhd);
	fuzz_run();
	FUZZ_CHECK(host.connected && !host.lost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t switches = fuzz_u8(&in);

	create(switches);
	nvhi_transport_tcp.qpair_connect(host.qpair);
	if (!(switches & 8))
		go_live();
	while (in.left)
		step(&in);
	fuzz_run();
	if (!host.revoking) {
		host.revoking = true;
		nvhi_transport_tcp.revoke(host.qpair);
	}
	fuzz_run();
	FUZZ_CHECK(host.revoked);
	nvhi_transport_tcp.qpair_destroy(host.qpair);
	nvhi_transport_tcp.tctrlr_close(host.tctrlr);
	fuzz_wire_fini(&host.wire);
	FUZZ_CHECK(nvhi_reactor_next_deadline(fuzz_reactor()) == NVHI_NEVER);
	return 0;
}
