/*
 * See target_tcp_fixture.h.
 */
#include "tests/unit/target_tcp_fixture.h"

#define WIRE (4u << 20)

/* ---- the world ------------------------------------------------------------------------------ */

struct tth tth;

static uint64_t tcp_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return tth.now;
}
static const struct nvhi_clock tcp_clock = {.now = tcp_now};

static struct wire *wire_of(struct nvhi_stream *stream)
{
	return nvhi_container_of(stream, struct wire, stream);
}

static ssize_t wire_readv(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt)
{
	struct wire *w = wire_of(stream);
	size_t got = 0;

	CU_ASSERT_FALSE(w->closed);
	if (w->in_at == w->in_len)
		return w->eof ? 0 : -EAGAIN;
	for (int i = 0; i < iovcnt && got < w->step; i++) {
		size_t n = w->in_len - w->in_at;

		n = n < iov[i].iov_len ? n : iov[i].iov_len;
		n = n < w->step - got ? n : w->step - got;
		memcpy(iov[i].iov_base, w->in + w->in_at, n);
		w->in_at += n;
		got += n;
	}
	return (ssize_t)got;
}

static ssize_t wire_writev(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt,
			   bool more)
{
	struct wire *w = wire_of(stream);
	size_t put = 0;

	(void)more;
	CU_ASSERT_FALSE(w->closed);
	for (int i = 0; i < iovcnt; i++) {
		size_t n = iov[i].iov_len < w->room ? iov[i].iov_len : w->room;

		CU_ASSERT_FATAL(w->out_len + n <= WIRE);
		memcpy(w->out + w->out_len, iov[i].iov_base, n);
		w->out_len += n;
		w->room -= n;
		put += n;
	}
	return put ? (ssize_t)put : -EAGAIN;
}

static void wire_want(struct nvhi_stream *stream, unsigned int events)
{
	wire_of(stream)->wanted = events;
}

static void wire_set_eager(struct nvhi_stream *stream, bool eager)
{
	(void)stream;
	(void)eager;
}

static void wire_close(struct nvhi_stream *stream, bool abort)
{
	(void)abort;
	CU_ASSERT_FALSE(wire_of(stream)->closed);
	wire_of(stream)->closed = true;
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
	snprintf(local, local_len, "192.0.2.1:4420");
	snprintf(peer, peer_len, "192.0.2.99:1");
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

static int net_listen(struct nvhi_net *net, struct nvh_reactor *reactor,
		      const struct sockaddr *addr, socklen_t addr_len, int backlog,
		      nvhi_accept_fn on_accept, struct nvhi_listener **ret_listener)
{
	(void)backlog;
	tth.listener.net = net;
	tth.listener.reactor = reactor;
	tth.listener.on_accept = on_accept;
	memcpy(&tth.listener.addr, addr, addr_len);
	*ret_listener = &tth.listener;
	return 0;
}

static void net_unlisten(struct nvhi_listener *listener)
{
	(void)listener;
}

static int net_adopt(struct nvhi_net *net, struct nvh_reactor *reactor, intptr_t pending,
		     nvhi_stream_event_fn on_event, struct nvhi_stream **ret_stream)
{
	struct wire *w = (struct wire *)pending;

	(void)net;
	w->stream.ops = &wire_ops;
	w->stream.reactor = reactor;
	w->stream.on_event = on_event;
	w->wanted = NVHI_READABLE;
	*ret_stream = &w->stream;
	return 0;
}

static void net_reject(struct nvhi_net *net, intptr_t pending)
{
	(void)net;
	((struct wire *)pending)->closed = true;
}

static const struct nvhi_net_ops net_ops = {
	.listen = net_listen,
	.unlisten = net_unlisten,
	.adopt = net_adopt,
	.reject = net_reject,
};

void tth_run(void)
{
	while (nvhi_reactor_turn(tth.reactor))
		continue;
}

void tth_advance_ms(uint64_t ms)
{
	tth.now += ms * NVHI_NSEC_PER_MSEC;
	tth_run();
}

static void count_done(void *arg, int err)
{
	(void)arg;
	CU_ASSERT_EQUAL(err, 0);
	tth.done++;
}

void tth_setup_with(const struct tl_transport_opts *opts)
{
	struct nvhi_reactor_opts ropts = {.clock = &tcp_clock, .simulated = true};
	struct tl_bdev_create_opts create = {.name = "M", .blocks = 4096, .block_size = 512};
	struct tl_subsystem_opts sopts = {.nqn = TTH_NQN, .allow_any_host = true};
	struct tl_listen_addr addr = {TL_TRTYPE_TCP, TL_ADRFAM_IPV4, "192.0.2.1", "4420"};
	struct tl_ns_opts ns = {.bdev_name = "M"};
	struct tl_target_opts topts = {0};
	struct tl_transport *transport;
	struct tl_subsystem *ss;
	struct tl_bdev *bdev;
	uint32_t nsid;

	memset(&tth, 0, sizeof(tth));
	tth.now = NVHI_NSEC_PER_SEC;
	tth.net.ops = &net_ops;
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&ropts, &tth.reactor), 0);
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&topts, &tth.reactor, 1, &tth.target), 0);
	CU_ASSERT_EQUAL_FATAL(tl_tcp_create(tth.target, opts, &tth.net, &transport), 0);
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_create(tth.target, &sopts, &ss), 0);
	tl_subsystem_start(ss, count_done, NULL);
	CU_ASSERT_EQUAL(tl_malloc_create(&tth.target->bdevs, &create, &bdev), 0);
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, count_done, NULL, &nsid), 0);
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(ss, &addr, false, TL_ANA_OPTIMIZED, count_done,
						  NULL, NULL),
			0);
	tth_run();
	CU_ASSERT_EQUAL_FATAL(tth.done, 3);
}

void tth_setup(void)
{
	struct tl_transport_opts opts;

	tl_transport_opts_default(&opts);
	tth_setup_with(&opts);
}

void tth_teardown(void)
{
	tl_target_stop(tth.target, count_done, NULL);
	tth_run();
	CU_ASSERT_EQUAL_FATAL(tth.done, 4);
	tl_target_destroy(tth.target);
	nvhi_reactor_destroy(tth.reactor);
}

/* ---- the host ------------------------------------------------------------------------------- */

struct wire *tth_connect_wire(void)
{
	struct wire *w = calloc(1, sizeof(*w));

	w->in = malloc(WIRE);
	w->out = malloc(WIRE);
	w->step = SIZE_MAX;
	w->room = SIZE_MAX;
	tth.listener.on_accept(&tth.listener, (intptr_t)w);
	tth_run();
	return w;
}

void tth_free_wire(struct wire *w)
{
	if (!w->closed) {
		w->eof = true;
		w->stream.on_event(&w->stream, NVHI_HANGUP);
		tth_run();
	}
	CU_ASSERT_TRUE(w->closed);
	free(w->in);
	free(w->out);
	free(w);
}

/* Everything sent so far reaches the target, as far as it wants it. */
void tth_pump(struct wire *w)
{
	while (!w->closed) {
		size_t in_at = w->in_at, out_len = w->out_len;

		if (w->wanted & NVHI_WRITABLE && w->room)
			w->stream.on_event(&w->stream, NVHI_WRITABLE);
		else if (w->wanted & NVHI_READABLE && w->in_at < w->in_len)
			w->stream.on_event(&w->stream, NVHI_READABLE);
		tth_run();
		if (w->in_at == in_at && w->out_len == out_len)
			return;
	}
}

void tth_put(struct wire *w, const void *data, size_t len)
{
	CU_ASSERT_FATAL(w->in_len + len <= WIRE);
	if (!len)
		return;
	memcpy(w->in + w->in_len, data, len);
	w->in_len += len;
}

size_t tth_pending(const struct wire *w)
{
	return w->out_len - w->out_at;
}

const void *tth_take(struct wire *w, size_t len)
{
	const void *at = w->out + w->out_at;

	CU_ASSERT_FATAL(tth_pending(w) >= len);
	w->out_at += len;
	return at;
}

void tth_put_icreq(struct wire *w, uint8_t hpda, uint8_t dgst, uint32_t maxr2t)
{
	struct nvh_tcp_icreq icreq = {.ch = {.type = 0, .hlen = 128, .plen = {{128}}}};

	icreq.hpda = hpda;
	icreq.dgst = dgst;
	nvh_le32_put(&icreq.maxr2t, maxr2t);
	tth_put(w, &icreq, sizeof(icreq));
}

void tth_handshake(struct wire *w, uint8_t hpda, uint8_t dgst, uint32_t maxr2t)
{
	const struct nvh_tcp_icresp *icresp;

	tth_put_icreq(w, hpda, dgst, maxr2t);
	tth_pump(w);
	icresp = tth_take(w, 128);
	CU_ASSERT_EQUAL(icresp->ch.type, NVH_TCP_IC_RESP);
	CU_ASSERT_EQUAL(icresp->dgst, dgst);
	CU_ASSERT_EQUAL(nvh_le32_get(icresp->maxh2cdata), 131072);
}

void tth_put_pdu(struct wire *w, uint8_t type, uint8_t flags, const void *rest, uint8_t hlen,
		 const void *data, uint32_t data_len)
{
	struct nvh_tcp_ch ch = {.type = type, .flags = flags, .hlen = hlen};

	ch.pdo = data_len ? hlen : 0;
	nvh_le32_put(&ch.plen, hlen + data_len);
	tth_put(w, &ch, sizeof(ch));
	tth_put(w, rest, hlen - sizeof(ch));
	tth_put(w, data, data_len);
}

struct nvh_cmd tth_command(uint8_t opc, uint32_t nsid, uint8_t sgl, uint32_t len)
{
	struct nvh_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opc = opc;
	cmd.flags = NVH_CMD_PSDT_SGL;
	nvh_le16_put(&cmd.cid, ++tth.cid);
	nvh_le32_put(&cmd.nsid, nsid);
	cmd.dptr.sgl.id = sgl;
	nvh_le32_put(&cmd.dptr.sgl.len, len);
	return cmd;
}

struct nvh_cmd tth_rw(uint8_t opc, uint8_t sgl, uint64_t lba, uint32_t blocks)
{
	struct nvh_cmd cmd = tth_command(opc, 1, sgl, blocks * 512);

	nvh_le32_put(&cmd.cdw10, (uint32_t)lba);
	nvh_le32_put(&cmd.cdw12, blocks - 1);
	return cmd;
}

void tth_put_cmd(struct wire *w, const struct nvh_cmd *cmd, const void *icd, uint32_t len)
{
	tth_put_pdu(w, NVH_TCP_CAPSULE_CMD, 0, cmd, 72, icd, len);
}

void tth_put_connect(struct wire *w, uint16_t qid, uint16_t cntlid, uint16_t sqsize, uint8_t cattr)
{
	struct nvh_cmd cmd = tth_command(NVH_ADM_FABRICS, 0, NVH_SGL_ID_IN_CAPSULE, 1024);
	struct nvh_fab_connect_cmd *c = (struct nvh_fab_connect_cmd *)&cmd;
	struct nvh_fab_connect_data data;

	memset(&data, 0, sizeof(data));
	c->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&c->qid, qid);
	nvh_le16_put(&c->sqsize, sqsize);
	c->cattr = cattr;
	nvh_le16_put(&data.cntlid, cntlid);
	strcpy(data.subnqn, TTH_NQN);
	strcpy(data.hostnqn, TTH_HOST);
	tth_put_cmd(w, &cmd, &data, sizeof(data));
}

/* The response capsule that is next, without digests; its status. */
unsigned int tth_response(struct wire *w, struct nvh_cpl *ret_cpl)
{
	const struct nvh_tcp_capsule_resp *resp = tth_take(w, 24);

	CU_ASSERT_EQUAL(resp->ch.type, NVH_TCP_CAPSULE_RESP);
	CU_ASSERT_EQUAL(nvh_le32_get(resp->ch.plen), 24);
	if (ret_cpl)
		*ret_cpl = resp->cpl;
	return nvh_cpl_code(&resp->cpl);
}

struct wire *tth_open_admin(uint16_t *ret_cntlid)
{
	struct nvh_cmd cmd = tth_command(NVH_ADM_FABRICS, 0, 0, 0);
	struct nvh_fab_prop_cmd *p = (struct nvh_fab_prop_cmd *)&cmd;
	struct wire *w = tth_connect_wire();
	struct nvh_cpl cpl;

	tth_handshake(w, 0, 0, 0);
	tth_put_connect(w, 0, 0xffff, 31, 0);
	tth_pump(w);
	CU_ASSERT_EQUAL(tth_response(w, &cpl), 0);
	*ret_cntlid = (uint16_t)nvh_le32_get(cpl.dw0);
	p->fctype = NVH_FCTYPE_PROPERTY_SET;
	nvh_le32_put(&p->ofst, NVH_REG_CC);
	nvh_le64_put(&p->value, 0x460001);
	tth_put_cmd(w, &cmd, NULL, 0);
	tth_pump(w);
	CU_ASSERT_EQUAL(tth_response(w, NULL), 0);
	return w;
}

struct wire *tth_open_io(uint16_t cntlid, uint8_t cattr, uint32_t maxr2t)
{
	struct wire *w = tth_connect_wire();
	struct nvh_cpl cpl;

	tth_handshake(w, 0, 0, maxr2t);
	tth_put_connect(w, 1, cntlid, 31, cattr);
	tth_pump(w);
	CU_ASSERT_EQUAL(tth_response(w, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.sqhd), cattr & NVH_CATTR_DISABLE_SQFLOW ? 0xffff : 1);
	return w;
}

/* An admin and an I/O queue. */
struct wire *tth_admin;
struct wire *tth_ready_io(uint8_t cattr, uint32_t maxr2t)
{
	uint16_t cntlid;

	tth_admin = tth_open_admin(&cntlid);
	return tth_open_io(cntlid, cattr, maxr2t);
}

void tth_done_io(struct wire *io)
{
	tth_free_wire(io);
	tth_free_wire(tth_admin);
	tth_teardown();
}

uint8_t *tth_pattern(uint32_t len, uint8_t seed)
{
	uint8_t *data = malloc(len);

	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 512 + seed);
	return data;
}

/* Takes the C2HData that is next: its payload. */
const uint8_t *tth_c2h_data(struct wire *w, uint32_t len, uint8_t flags)
{
	const struct nvh_tcp_c2h_data *pdu = tth_take(w, 24);

	CU_ASSERT_EQUAL(pdu->ch.type, NVH_TCP_C2H_DATA);
	CU_ASSERT_EQUAL(pdu->ch.flags, flags);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->datal), len);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->ch.plen), 24 + len);
	return tth_take(w, len);
}

void tth_expect_term(struct wire *w, uint8_t fes, uint32_t fei)
{
	const struct nvh_tcp_term_req *term;

	tth_pump(w);
	term = tth_take(w, 24);
	CU_ASSERT_EQUAL(term->ch.type, NVH_TCP_C2H_TERM_REQ);
	CU_ASSERT_EQUAL(nvh_le16_get(term->fes), fes);
	CU_ASSERT_EQUAL(nvh_le32_get(term->fei), fei);
	tth_take(w, nvh_le32_get(term->ch.plen) - 24);
	CU_ASSERT_EQUAL(tth_pending(w), 0);
	CU_ASSERT_FALSE(w->closed); /* it may still be on its way */
	tth_advance_ms(301);
	CU_ASSERT_TRUE(w->closed);
}

uint16_t tth_take_r2t(struct wire *w, const struct nvh_cmd *cmd, uint32_t offset, uint32_t len)
{
	const struct nvh_tcp_r2t *r2t = tth_take(w, 24);

	CU_ASSERT_EQUAL(r2t->ch.type, NVH_TCP_R2T);
	CU_ASSERT_EQUAL(nvh_le16_get(r2t->cccid), nvh_le16_get(cmd->cid));
	CU_ASSERT_EQUAL(nvh_le32_get(r2t->r2to), offset);
	CU_ASSERT_EQUAL(nvh_le32_get(r2t->r2tl), len);
	return nvh_le16_get(r2t->ttag);
}

void tth_put_h2c(struct wire *w, const struct nvh_cmd *cmd, uint16_t ttag, const uint8_t *data,
		 uint32_t offset, uint32_t len, bool last)
{
	struct nvh_tcp_h2c_data pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.cccid = cmd->cid;
	nvh_le16_put(&pdu.ttag, ttag);
	nvh_le32_put(&pdu.datao, offset);
	nvh_le32_put(&pdu.datal, len);
	tth_put_pdu(w, NVH_TCP_H2C_DATA, last ? NVH_TCP_F_LAST : 0, &pdu.cccid, 24, data + offset,
		    len);
}
