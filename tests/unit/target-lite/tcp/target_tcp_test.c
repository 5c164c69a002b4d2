/*
 * target-lite/tcp: a host made of bytes against the real transport and core, on a simulated reactor
 * with a clock set by hand. What the host sends and sees is written and parsed here by hand.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/spec/nvme.h"
#include "base/spec/nvme_tcp.h"
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "base/stream.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/tcp/tcp.h"
#include "tests/unit/nvh_cunit.h"

#define NQN "nqn.2026-01.io.nvhost:tcp-test"
#define HOST "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000a"
#define WIRE (4u << 20)

/* ---- the world ------------------------------------------------------------------------------ */

struct wire {
	struct nvhi_stream stream;
	unsigned int wanted;
	bool closed, eof;
	uint8_t *in, *out; /* to the target, from it */
	size_t in_len, in_at, out_len, out_at;
	size_t step; /* most bytes a readv gives */
	size_t room; /* bytes the target may still write */
};

static struct {
	struct nvhi_net net;
	struct nvh_reactor *reactor;
	struct tl_target *target;
	struct nvhi_listener listener;
	uint64_t now;
	int done;
	uint16_t cid;
} tcp;

static uint64_t tcp_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return tcp.now;
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

static ssize_t wire_writev(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt, bool more)
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

static int net_listen(struct nvhi_net *net, struct nvh_reactor *reactor, const struct sockaddr *addr,
		      socklen_t addr_len, int backlog, nvhi_accept_fn on_accept,
		      struct nvhi_listener **ret_listener)
{
	(void)backlog;
	tcp.listener.net = net;
	tcp.listener.reactor = reactor;
	tcp.listener.on_accept = on_accept;
	memcpy(&tcp.listener.addr, addr, addr_len);
	*ret_listener = &tcp.listener;
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

static void run(void)
{
	while (nvhi_reactor_turn(tcp.reactor))
		continue;
}

static void advance_ms(uint64_t ms)
{
	tcp.now += ms * NVHI_NSEC_PER_MSEC;
	run();
}

static void count_done(void *arg, int err)
{
	(void)arg;
	CU_ASSERT_EQUAL(err, 0);
	tcp.done++;
}

static void setup_with(const struct tl_transport_opts *opts)
{
	struct nvhi_reactor_opts ropts = {.clock = &tcp_clock, .simulated = true};
	struct tl_bdev_create_opts create = {.name = "M", .blocks = 4096, .block_size = 512};
	struct tl_subsystem_opts sopts = {.nqn = NQN, .allow_any_host = true};
	struct tl_listen_addr addr = {TL_TRTYPE_TCP, TL_ADRFAM_IPV4, "192.0.2.1", "4420"};
	struct tl_ns_opts ns = {.bdev_name = "M"};
	struct tl_target_opts topts = {0};
	struct tl_transport *transport;
	struct tl_subsystem *ss;
	struct tl_bdev *bdev;
	uint32_t nsid;

	memset(&tcp, 0, sizeof(tcp));
	tcp.now = NVHI_NSEC_PER_SEC;
	tcp.net.ops = &net_ops;
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&ropts, &tcp.reactor), 0);
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&topts, &tcp.reactor, 1, &tcp.target), 0);
	CU_ASSERT_EQUAL_FATAL(tl_tcp_create(tcp.target, opts, &tcp.net, &transport), 0);
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_create(tcp.target, &sopts, &ss), 0);
	tl_subsystem_start(ss, count_done, NULL);
	CU_ASSERT_EQUAL(tl_malloc_create(&tcp.target->bdevs, &create, &bdev), 0);
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, count_done, NULL, &nsid), 0);
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(ss, &addr, false, TL_ANA_OPTIMIZED, count_done,
						  NULL, NULL),
			0);
	run();
	CU_ASSERT_EQUAL_FATAL(tcp.done, 3);
}

static void setup(void)
{
	struct tl_transport_opts opts;

	tl_transport_opts_default(&opts);
	setup_with(&opts);
}

static void teardown(void)
{
	tl_target_stop(tcp.target, count_done, NULL);
	run();
	CU_ASSERT_EQUAL_FATAL(tcp.done, 4);
	tl_target_destroy(tcp.target);
	nvhi_reactor_destroy(tcp.reactor);
}

/* ---- the host ------------------------------------------------------------------------------- */

static struct wire *connect_wire(void)
{
	struct wire *w = calloc(1, sizeof(*w));

	w->in = malloc(WIRE);
	w->out = malloc(WIRE);
	w->step = SIZE_MAX;
	w->room = SIZE_MAX;
	tcp.listener.on_accept(&tcp.listener, (intptr_t)w);
	run();
	return w;
}

static void free_wire(struct wire *w)
{
	if (!w->closed) {
		w->eof = true;
		w->stream.on_event(&w->stream, NVHI_HANGUP);
		run();
	}
	CU_ASSERT_TRUE(w->closed);
	free(w->in);
	free(w->out);
	free(w);
}

/* Everything sent so far reaches the target, as far as it wants it. */
static void pump(struct wire *w)
{
	while (!w->closed) {
		size_t in_at = w->in_at, out_len = w->out_len;

		if (w->wanted & NVHI_WRITABLE && w->room)
			w->stream.on_event(&w->stream, NVHI_WRITABLE);
		else if (w->wanted & NVHI_READABLE && w->in_at < w->in_len)
			w->stream.on_event(&w->stream, NVHI_READABLE);
		run();
		if (w->in_at == in_at && w->out_len == out_len)
			return;
	}
}

static void put(struct wire *w, const void *data, size_t len)
{
	CU_ASSERT_FATAL(w->in_len + len <= WIRE);
	if (!len)
		return;
	memcpy(w->in + w->in_len, data, len);
	w->in_len += len;
}

static size_t pending(const struct wire *w)
{
	return w->out_len - w->out_at;
}

static const void *take(struct wire *w, size_t len)
{
	const void *at = w->out + w->out_at;

	CU_ASSERT_FATAL(pending(w) >= len);
	w->out_at += len;
	return at;
}

static void put_icreq(struct wire *w, uint8_t hpda, uint8_t dgst, uint32_t maxr2t)
{
	struct nvh_tcp_icreq icreq = {.ch = {.type = 0, .hlen = 128, .plen = {{128}}}};

	icreq.hpda = hpda;
	icreq.dgst = dgst;
	nvh_le32_put(&icreq.maxr2t, maxr2t);
	put(w, &icreq, sizeof(icreq));
}

static void handshake(struct wire *w, uint8_t hpda, uint8_t dgst, uint32_t maxr2t)
{
	const struct nvh_tcp_icresp *icresp;

	put_icreq(w, hpda, dgst, maxr2t);
	pump(w);
	icresp = take(w, 128);
	CU_ASSERT_EQUAL(icresp->ch.type, NVH_TCP_IC_RESP);
	CU_ASSERT_EQUAL(icresp->dgst, dgst);
	CU_ASSERT_EQUAL(nvh_le32_get(icresp->maxh2cdata), 131072);
}

static void put_pdu(struct wire *w, uint8_t type, uint8_t flags, const void *rest, uint8_t hlen,
		    const void *data, uint32_t data_len)
{
	struct nvh_tcp_ch ch = {.type = type, .flags = flags, .hlen = hlen};

	ch.pdo = data_len ? hlen : 0;
	nvh_le32_put(&ch.plen, hlen + data_len);
	put(w, &ch, sizeof(ch));
	put(w, rest, hlen - sizeof(ch));
	put(w, data, data_len);
}

static struct nvh_cmd command(uint8_t opc, uint32_t nsid, uint8_t sgl, uint32_t len)
{
	struct nvh_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opc = opc;
	cmd.flags = NVH_CMD_PSDT_SGL;
	nvh_le16_put(&cmd.cid, ++tcp.cid);
	nvh_le32_put(&cmd.nsid, nsid);
	cmd.dptr.sgl.id = sgl;
	nvh_le32_put(&cmd.dptr.sgl.len, len);
	return cmd;
}

static struct nvh_cmd rw(uint8_t opc, uint8_t sgl, uint64_t lba, uint32_t blocks)
{
	struct nvh_cmd cmd = command(opc, 1, sgl, blocks * 512);

	nvh_le32_put(&cmd.cdw10, (uint32_t)lba);
	nvh_le32_put(&cmd.cdw12, blocks - 1);
	return cmd;
}

static void put_cmd(struct wire *w, const struct nvh_cmd *cmd, const void *icd, uint32_t len)
{
	put_pdu(w, NVH_TCP_CAPSULE_CMD, 0, cmd, 72, icd, len);
}

static void put_connect(struct wire *w, uint16_t qid, uint16_t cntlid, uint16_t sqsize, uint8_t cattr)
{
	struct nvh_cmd cmd = command(NVH_ADM_FABRICS, 0, NVH_SGL_ID_IN_CAPSULE, 1024);
	struct nvh_fab_connect_cmd *c = (struct nvh_fab_connect_cmd *)&cmd;
	struct nvh_fab_connect_data data;

	memset(&data, 0, sizeof(data));
	c->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&c->qid, qid);
	nvh_le16_put(&c->sqsize, sqsize);
	c->cattr = cattr;
	nvh_le16_put(&data.cntlid, cntlid);
	strcpy(data.subnqn, NQN);
	strcpy(data.hostnqn, HOST);
	put_cmd(w, &cmd, &data, sizeof(data));
}

/* The response capsule that is next, without digests; its status. */
static unsigned int response(struct wire *w, struct nvh_cpl *ret_cpl)
{
	const struct nvh_tcp_capsule_resp *resp = take(w, 24);

	CU_ASSERT_EQUAL(resp->ch.type, NVH_TCP_CAPSULE_RESP);
	CU_ASSERT_EQUAL(nvh_le32_get(resp->ch.plen), 24);
	if (ret_cpl)
		*ret_cpl = resp->cpl;
	return nvh_cpl_code(&resp->cpl);
}

static struct wire *open_admin(uint16_t *ret_cntlid)
{
	struct nvh_cmd cmd = command(NVH_ADM_FABRICS, 0, 0, 0);
	struct nvh_fab_prop_cmd *p = (struct nvh_fab_prop_cmd *)&cmd;
	struct wire *w = connect_wire();
	struct nvh_cpl cpl;

	handshake(w, 0, 0, 0);
	put_connect(w, 0, 0xffff, 31, 0);
	pump(w);
	CU_ASSERT_EQUAL(response(w, &cpl), 0);
	*ret_cntlid = (uint16_t)nvh_le32_get(cpl.dw0);
	p->fctype = NVH_FCTYPE_PROPERTY_SET;
	nvh_le32_put(&p->ofst, NVH_REG_CC);
	nvh_le64_put(&p->value, 0x460001);
	put_cmd(w, &cmd, NULL, 0);
	pump(w);
	CU_ASSERT_EQUAL(response(w, NULL), 0);
	return w;
}

static struct wire *open_io(uint16_t cntlid, uint8_t cattr, uint32_t maxr2t)
{
	struct wire *w = connect_wire();
	struct nvh_cpl cpl;

	handshake(w, 0, 0, maxr2t);
	put_connect(w, 1, cntlid, 31, cattr);
	pump(w);
	CU_ASSERT_EQUAL(response(w, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.sqhd), cattr & NVH_CATTR_DISABLE_SQFLOW ? 0xffff : 1);
	return w;
}

/* An admin and an I/O queue. */
static struct wire *admin_wire;
static struct wire *ready_io(uint8_t cattr, uint32_t maxr2t)
{
	uint16_t cntlid;

	admin_wire = open_admin(&cntlid);
	return open_io(cntlid, cattr, maxr2t);
}

static void done_io(struct wire *io)
{
	free_wire(io);
	free_wire(admin_wire);
	teardown();
}

static uint8_t *pattern(uint32_t len, uint8_t seed)
{
	uint8_t *data = malloc(len);

	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 512 + seed);
	return data;
}

/* Takes the C2HData that is next: its payload. */
static const uint8_t *c2h_data(struct wire *w, uint32_t len, uint8_t flags)
{
	const struct nvh_tcp_c2h_data *pdu = take(w, 24);

	CU_ASSERT_EQUAL(pdu->ch.type, NVH_TCP_C2H_DATA);
	CU_ASSERT_EQUAL(pdu->ch.flags, flags);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->datal), len);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->ch.plen), 24 + len);
	return take(w, len);
}

static void expect_term(struct wire *w, uint8_t fes, uint32_t fei)
{
	const struct nvh_tcp_term_req *term;

	pump(w);
	term = take(w, 24);
	CU_ASSERT_EQUAL(term->ch.type, NVH_TCP_C2H_TERM_REQ);
	CU_ASSERT_EQUAL(nvh_le16_get(term->fes), fes);
	CU_ASSERT_EQUAL(nvh_le32_get(term->fei), fei);
	take(w, nvh_le32_get(term->ch.plen) - 24);
	CU_ASSERT_EQUAL(pending(w), 0);
	CU_ASSERT_FALSE(w->closed); /* it may still be on its way */
	advance_ms(301);
	CU_ASSERT_TRUE(w->closed);
}

/* ---- data ----------------------------------------------------------------------------------- */

static void data_in_the_capsule_is_written_and_read_back(void)
{
	struct nvh_cmd cmd;
	uint8_t *data = pattern(4096, 1);
	struct wire *io;
	struct nvh_cpl cpl;

	setup();
	io = ready_io(0, 0);
	cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 8, 8);
	put_cmd(io, &cmd, data, 4096);
	pump(io);
	CU_ASSERT_EQUAL(response(io, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.cid), nvh_le16_get(cmd.cid));
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.sqhd), 2);
	cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 8, 8);
	put_cmd(io, &cmd, NULL, 0);
	pump(io);
	CU_ASSERT_EQUAL(memcmp(c2h_data(io, 4096, NVH_TCP_F_LAST), data, 4096), 0);
	CU_ASSERT_EQUAL(response(io, NULL), 0);
	CU_ASSERT_EQUAL(pending(io), 0);
	free(data);
	done_io(io);
}

static void success_stands_for_the_response_only_without_flow_control(void)
{
	struct nvh_cmd cmd;
	struct wire *io;

	setup();
	io = ready_io(NVH_CATTR_DISABLE_SQFLOW, 0);
	cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 8, 8);
	put_cmd(io, &cmd, NULL, 0);
	pump(io);
	c2h_data(io, 4096, NVH_TCP_F_LAST | NVH_TCP_F_SUCCESS);
	CU_ASSERT_EQUAL(pending(io), 0);
	done_io(io);
}

static void many_commands_in_one_segment_are_answered_in_one(void)
{
	struct wire *io;

	setup();
	io = ready_io(0, 0);
	for (int i = 0; i < 31; i++) {
		struct nvh_cmd cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, (uint64_t)i, 1);

		put_cmd(io, &cmd, NULL, 0);
	}
	pump(io);
	CU_ASSERT_EQUAL(pending(io), 31 * (24 + 512 + 24));
	io->out_at = io->out_len;
	done_io(io);
}

static void the_same_bytes_in_any_pieces_have_the_same_answer(void)
{
	static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 7, 24, 72, 73, 100, 4096};
	uint8_t *data = pattern(8192, 3), *first = NULL;
	size_t first_len = 0;

	for (size_t s = 0; s < NVHI_ARRAY_SIZE(steps); s++) {
		struct nvh_cmd cmd;
		struct wire *io;

		setup();
		io = ready_io(0, 0);
		io->step = steps[s];
		tcp.cid = 100;
		for (uint32_t i = 1; i <= 8; i++) {
			cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, i * 3, i);
			put_cmd(io, &cmd, data + i * 13, i * 512);
			cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, i * 2, i);
			put_cmd(io, &cmd, NULL, 0);
			cmd = command(NVH_OPC_FLUSH, 1, 0, 0);
			put_cmd(io, &cmd, NULL, 0);
		}
		pump(io);
		if (!first) {
			first_len = pending(io);
			first = malloc(first_len);
			memcpy(first, io->out + io->out_at, first_len);
		}
		CU_ASSERT_EQUAL(pending(io), first_len);
		CU_ASSERT(!memcmp(io->out + io->out_at, first, first_len));
		done_io(io);
	}
	free(first);
	free(data);
}

/* ---- R2T ------------------------------------------------------------------------------------ */

static uint16_t take_r2t(struct wire *w, const struct nvh_cmd *cmd, uint32_t offset, uint32_t len)
{
	const struct nvh_tcp_r2t *r2t = take(w, 24);

	CU_ASSERT_EQUAL(r2t->ch.type, NVH_TCP_R2T);
	CU_ASSERT_EQUAL(nvh_le16_get(r2t->cccid), nvh_le16_get(cmd->cid));
	CU_ASSERT_EQUAL(nvh_le32_get(r2t->r2to), offset);
	CU_ASSERT_EQUAL(nvh_le32_get(r2t->r2tl), len);
	return nvh_le16_get(r2t->ttag);
}

static void put_h2c(struct wire *w, const struct nvh_cmd *cmd, uint16_t ttag, const uint8_t *data,
		    uint32_t offset, uint32_t len, bool last)
{
	struct nvh_tcp_h2c_data pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.cccid = cmd->cid;
	nvh_le16_put(&pdu.ttag, ttag);
	nvh_le32_put(&pdu.datao, offset);
	nvh_le32_put(&pdu.datal, len);
	put_pdu(w, NVH_TCP_H2C_DATA, last ? NVH_TCP_F_LAST : 0, &pdu.cccid, 24, data + offset, len);
}

static void a_large_write_is_asked_for_and_may_come_in_pieces(void)
{
	uint8_t *data = pattern(65536, 9);
	struct nvh_cmd cmd, read;
	struct wire *io;
	uint16_t ttag;

	setup();
	io = ready_io(0, 0);
	cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
	put_cmd(io, &cmd, NULL, 0);
	pump(io);
	ttag = take_r2t(io, &cmd, 0, 65536);
	CU_ASSERT_EQUAL(pending(io), 0);
	io->step = 1000;
	put_h2c(io, &cmd, ttag, data, 0, 4, false);
	put_h2c(io, &cmd, ttag, data, 4, 40000, false);
	put_h2c(io, &cmd, ttag, data, 40004, 65536 - 40004, true);
	pump(io);
	CU_ASSERT_EQUAL(response(io, NULL), 0);
	read = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 128);
	put_cmd(io, &read, NULL, 0);
	pump(io);
	CU_ASSERT(!memcmp(c2h_data(io, 65536, NVH_TCP_F_LAST), data, 65536));
	CU_ASSERT_EQUAL(response(io, NULL), 0);
	free(data);
	done_io(io);
}

static void no_more_r2ts_are_outstanding_than_the_host_takes(void)
{
	uint8_t *data = pattern(10240, 5);
	struct tl_transport_opts opts;
	struct nvh_cmd cmd;
	struct wire *io;
	uint16_t ttag;

	tl_transport_opts_default(&opts);
	opts.r2t_size = 4096;
	setup_with(&opts);
	io = ready_io(0, 1); /* 0's based: two */
	cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 20);
	put_cmd(io, &cmd, NULL, 0);
	pump(io);
	ttag = take_r2t(io, &cmd, 0, 4096);
	CU_ASSERT_EQUAL(take_r2t(io, &cmd, 4096, 4096), ttag);
	CU_ASSERT_EQUAL(pending(io), 0);
	put_h2c(io, &cmd, ttag, data, 0, 4096, true);
	pump(io);
	take_r2t(io, &cmd, 8192, 2048);
	put_h2c(io, &cmd, ttag, data, 4096, 4096, true);
	put_h2c(io, &cmd, ttag, data, 8192, 2048, true);
	pump(io);
	CU_ASSERT_EQUAL(response(io, NULL), 0);
	CU_ASSERT_EQUAL(pending(io), 0);
	free(data);
	done_io(io);
}

static void wrong_h2c_data_ends_the_connection(void)
{
	static const struct {
		uint32_t offset, len;
		int ttag, cid;
		bool last;
		uint8_t fes;
		uint32_t fei;
	} cases[] = {
		{0, 8192, 1, 0, true, NVH_TCP_FES_HDR_FIELD, 10},
		{0, 8192, 0, 1, true, NVH_TCP_FES_HDR_FIELD, 8},
		{4, 8188, 0, 0, true, NVH_TCP_FES_HDR_FIELD, 12},
		{0, 8193, 0, 0, true, NVH_TCP_FES_DATA_RANGE, 0},
		{0, 8192, 0, 0, false, NVH_TCP_FES_HDR_FIELD, 1},
		{0, 8191, 0, 0, true, NVH_TCP_FES_HDR_FIELD, 1},
	};
	uint8_t *data = pattern(16384, 5);

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct nvh_cmd cmd, other;
		struct wire *io;
		uint16_t ttag;

		setup();
		io = ready_io(0, 0);
		cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 16);
		put_cmd(io, &cmd, NULL, 0);
		pump(io);
		ttag = take_r2t(io, &cmd, 0, 8192);
		other = cmd;
		nvh_le16_put(&other.cid, (uint16_t)(nvh_le16_get(cmd.cid) + cases[i].cid));
		put_h2c(io, &other, (uint16_t)(ttag + cases[i].ttag), data, cases[i].offset,
			cases[i].len, cases[i].last);
		expect_term(io, cases[i].fes, cases[i].fei);
		done_io(io);
	}
	free(data);
}

/* ---- digests -------------------------------------------------------------------------------- */

static void put_digest(struct wire *w, const void *data, size_t len, uint32_t spoil)
{
	struct nvh_le32 digest = nvh_le32_of(nvhi_crc32c(data, len) ^ spoil);

	put(w, &digest, sizeof(digest));
}

/* A capsule with both digests. */
static void put_cmd_digests(struct wire *w, const struct nvh_cmd *cmd, const void *icd, uint32_t len,
			    uint32_t spoil_header, uint32_t spoil_data)
{
	struct nvh_tcp_capsule_cmd pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.ch.type = NVH_TCP_CAPSULE_CMD;
	pdu.ch.flags = NVH_TCP_F_HDGST | (len ? NVH_TCP_F_DDGST : 0);
	pdu.ch.hlen = 72;
	pdu.ch.pdo = len ? 76 : 0;
	nvh_le32_put(&pdu.ch.plen, 76 + (len ? len + 4 : 0));
	pdu.cmd = *cmd;
	put(w, &pdu, sizeof(pdu));
	put_digest(w, &pdu, sizeof(pdu), spoil_header);
	if (len) {
		put(w, icd, len);
		put_digest(w, icd, len, spoil_data);
	}
}

static struct wire *digest_io(void)
{
	struct wire *w = connect_wire();
	struct nvh_cmd cmd = command(NVH_ADM_FABRICS, 0, NVH_SGL_ID_IN_CAPSULE, 1024);
	struct nvh_fab_connect_cmd *c = (struct nvh_fab_connect_cmd *)&cmd;
	struct nvh_fab_connect_data data;
	uint16_t cntlid;

	admin_wire = open_admin(&cntlid);
	handshake(w, 0, 3, 0);
	memset(&data, 0, sizeof(data));
	c->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&c->qid, 1);
	nvh_le16_put(&c->sqsize, 31);
	nvh_le16_put(&data.cntlid, cntlid);
	strcpy(data.subnqn, NQN);
	strcpy(data.hostnqn, HOST);
	put_cmd_digests(w, &cmd, &data, sizeof(data), 0, 0);
	pump(w);
	take(w, 28);
	return w;
}

static unsigned int digest_response(struct wire *w)
{
	const struct nvh_tcp_capsule_resp *resp = take(w, 24);
	struct nvh_le32 digest = nvh_le32_of(nvhi_crc32c(resp, 24));

	CU_ASSERT_EQUAL(resp->ch.flags, NVH_TCP_F_HDGST);
	CU_ASSERT_EQUAL(nvh_le32_get(resp->ch.plen), 28);
	CU_ASSERT_EQUAL(memcmp(take(w, 4), &digest, 4), 0);
	return nvh_cpl_code(&resp->cpl);
}

static void both_digests_are_sent_and_checked(void)
{
	uint8_t *data = pattern(2048, 8);
	const struct nvh_tcp_c2h_data *pdu;
	struct nvh_le32 digest;
	struct nvh_cmd cmd;
	struct wire *io;

	setup();
	io = digest_io();
	cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 0, 4);
	put_cmd_digests(io, &cmd, data, 2048, 0, 0);
	pump(io);
	CU_ASSERT_EQUAL(digest_response(io), 0);
	cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 4);
	put_cmd_digests(io, &cmd, NULL, 0, 0, 0);
	pump(io);
	pdu = take(io, 28);
	CU_ASSERT_EQUAL(pdu->ch.flags, NVH_TCP_F_HDGST | NVH_TCP_F_DDGST | NVH_TCP_F_LAST);
	CU_ASSERT_EQUAL(pdu->ch.pdo, 28);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->ch.plen), 28 + 2048 + 4);
	CU_ASSERT(!memcmp(take(io, 2048), data, 2048));
	digest = nvh_le32_of(nvhi_crc32c(data, 2048));
	CU_ASSERT(!memcmp(take(io, 4), &digest, 4));
	CU_ASSERT_EQUAL(digest_response(io), 0);
	free(data);
	done_io(io);
}

static void a_wrong_data_digest_fails_its_command_only(void)
{
	uint8_t *data = pattern(2048, 8);
	struct nvh_cmd cmd;
	struct wire *io;

	for (size_t step = SIZE_MAX; step; step = step == SIZE_MAX ? 100 : 0) {
		setup();
		io = digest_io();
		io->step = step;
		cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 0, 4);
		put_cmd_digests(io, &cmd, data, 2048, 0, 1);
		pump(io);
		CU_ASSERT_EQUAL(digest_response(io), NVH_ST_TRANSIENT_TRANSPORT);
		cmd = rw(NVH_OPC_COMPARE, NVH_SGL_ID_IN_CAPSULE, 0, 4);
		memset(data, 0, 2048);
		put_cmd_digests(io, &cmd, data, 2048, 0, 0);
		pump(io);
		CU_ASSERT_EQUAL(digest_response(io), 0); /* nothing was written */
		done_io(io);
	}
	free(data);
}

static void a_wrong_header_digest_ends_the_connection(void)
{
	struct nvh_cmd cmd;
	struct wire *io;
	struct nvh_tcp_capsule_cmd pdu;

	setup();
	io = digest_io();
	cmd = command(NVH_OPC_FLUSH, 1, 0, 0);
	put_cmd_digests(io, &cmd, NULL, 0, 0x10, 0);
	memcpy(&pdu, io->in + io->in_len - 76, sizeof(pdu));
	expect_term(io, NVH_TCP_FES_HDGST, nvhi_crc32c(&pdu, sizeof(pdu)) ^ 0x10);
	done_io(io);
}

static void data_is_aligned_as_the_host_wants_it(void)
{
	uint16_t cntlid;
	struct nvh_cmd cmd;
	struct wire *io;
	const struct nvh_tcp_c2h_data *pdu;

	setup();
	admin_wire = open_admin(&cntlid);
	io = connect_wire();
	handshake(io, 31, 0, 0); /* 128 bytes */
	put_connect(io, 1, cntlid, 31, 0);
	pump(io);
	CU_ASSERT_EQUAL(response(io, NULL), 0);
	cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 1);
	put_cmd(io, &cmd, NULL, 0);
	pump(io);
	pdu = take(io, 128);
	CU_ASSERT_EQUAL(pdu->ch.pdo, 128);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->ch.plen), 128 + 512);
	take(io, 512);
	CU_ASSERT_EQUAL(response(io, NULL), 0);
	done_io(io);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void a_bad_descriptor_fails_its_command_only(void)
{
	static const struct {
		uint8_t opc, sgl;
		uint32_t len, icd;
		uint64_t offset;
		unsigned int status;
	} cases[] = {
		{NVH_OPC_READ, NVH_SGL_ID_IN_CAPSULE, 512, 0, 0, NVH_ST_SGL_INVALID_TYPE},
		{NVH_OPC_READ, 0x00, 512, 0, 0, NVH_ST_SGL_INVALID_TYPE},
		{NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 131073, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0xffffffff, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 131073, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 513, 512, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 512, 1, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 512, 513, NVH_ST_SGL_INVALID_OFFSET},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 512, UINT64_MAX,
		 NVH_ST_SGL_INVALID_OFFSET},
		{0x03, NVH_SGL_ID_TRANSPORT, 512, 0, 0, NVH_ST_INVALID_OPCODE},
		{0x11, NVH_SGL_ID_TRANSPORT, 4096, 0, 0, NVH_ST_INVALID_OPCODE},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 1024, 512, NVH_ST_SUCCESS},
	};
	uint8_t data[1024] = {0};
	struct wire *io;

	setup();
	io = ready_io(0, 0);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct nvh_cmd cmd = rw(cases[i].opc, cases[i].sgl, 0, 1);

		nvh_le32_put(&cmd.dptr.sgl.len, cases[i].len);
		nvh_le64_put(&cmd.dptr.sgl.addr, cases[i].offset);
		put_cmd(io, &cmd, data, cases[i].icd);
		pump(io);
		CU_ASSERT_EQUAL_FATAL(pending(io), 24);
		CU_ASSERT_EQUAL(response(io, NULL), cases[i].status);
	}
	done_io(io);
}

static void more_in_capsule_data_than_the_queue_takes_ends_the_connection(void)
{
	uint8_t data[8192] = {0};
	struct nvh_cmd cmd;
	struct wire *io;

	setup();
	io = ready_io(0, 0);
	cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 0, 16);
	put_cmd(io, &cmd, data, sizeof(data)); /* IOCCSZ says 4096 */
	pump(io);
	CU_ASSERT(pending(io) >= 24);
	CU_ASSERT_EQUAL(((const struct nvh_tcp_ch *)take(io, 8))->type, NVH_TCP_C2H_TERM_REQ);
	advance_ms(301);
	CU_ASSERT_TRUE(io->closed);
	done_io(io);
}

static void more_commands_than_entries_end_the_connection(void)
{
	struct wire *io;

	setup();
	io = ready_io(0, 0);
	for (int i = 0; i < 34; i++) {
		struct nvh_cmd cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 8);

		put_cmd(io, &cmd, NULL, 0);
	}
	pump(io);
	take(io, 33 * 24); /* the R2Ts of 32 entries and one */
	CU_ASSERT_EQUAL(((const struct nvh_tcp_ch *)take(io, 8))->type, NVH_TCP_C2H_TERM_REQ);
	advance_ms(301);
	CU_ASSERT_TRUE(io->closed);
	done_io(io);
}

static void a_term_req_from_the_host_ends_it_at_once(void)
{
	struct nvh_tcp_term_req term;
	struct wire *io;

	setup();
	io = ready_io(0, 0);
	memset(&term, 0, sizeof(term));
	nvh_le16_put(&term.fes, NVH_TCP_FES_SEQUENCE);
	put_pdu(io, NVH_TCP_H2C_TERM_REQ, 0, &term.fes, 24, &term, 8);
	io->in[io->in_len - 29] = 0; /* PDO is reserved here */
	pump(io);
	CU_ASSERT_TRUE(io->closed);
	CU_ASSERT_EQUAL(pending(io), 0);
	done_io(io);
}

/* ---- deadlines ------------------------------------------------------------------------------ */

static void a_handshake_that_stops_ends_by_its_deadline(void)
{
	struct wire *silent, *half, *no_connect;

	setup();
	silent = connect_wire();
	half = connect_wire();
	put_icreq(half, 0, 0, 0);
	half->in_len -= 50;
	pump(half);
	no_connect = connect_wire();
	handshake(no_connect, 0, 0, 0);
	advance_ms(9999);
	CU_ASSERT_FALSE(silent->closed || half->closed || no_connect->closed);
	advance_ms(1);
	CU_ASSERT_TRUE(silent->closed && half->closed && no_connect->closed);
	free_wire(silent);
	free_wire(half);
	free_wire(no_connect);
	teardown();
}

static void a_pdu_that_stops_half_way_ends_by_a_deadline_even_byte_by_byte(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_FLUSH, 1, 0, 0);
	struct wire *io;
	int seconds = 0;

	setup();
	io = ready_io(0, 0);
	put_cmd(io, &cmd, NULL, 0);
	io->step = 1;
	while (!io->closed && seconds < 72) {
		io->stream.on_event(&io->stream, NVHI_READABLE);
		run();
		seconds++;
		advance_ms(1000);
	}
	CU_ASSERT_TRUE(io->closed);
	CU_ASSERT_TRUE(seconds <= 61);
	done_io(io);
}

static void data_that_was_asked_for_must_come(void)
{
	struct nvh_cmd cmd;
	struct wire *io;

	setup();
	io = ready_io(0, 0);
	cmd = rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 16);
	put_cmd(io, &cmd, NULL, 0);
	pump(io);
	take_r2t(io, &cmd, 0, 8192);
	advance_ms(61000);
	CU_ASSERT_TRUE(io->closed);
	done_io(io);
}

static void a_host_that_takes_nothing_is_not_read_and_then_dropped(void)
{
	struct wire *io;
	size_t in_at;

	setup();
	io = ready_io(0, 0);
	io->room = 10000;
	for (int i = 0; i < 16; i++) {
		struct nvh_cmd cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 16);

		put_cmd(io, &cmd, NULL, 0);
		pump(io);
	}
	in_at = io->in_at;
	CU_ASSERT_TRUE(in_at < io->in_len); /* it stopped reading */
	CU_ASSERT_EQUAL(io->wanted, NVHI_WRITABLE);
	advance_ms(20000);
	io->room = 200000; /* then takes it all */
	pump(io);
	CU_ASSERT_EQUAL(pending(io), 16 * (24 + 8192 + 24));
	io->room = 0;
	for (int i = 0; i < 2; i++) {
		struct nvh_cmd cmd = rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 16);

		put_cmd(io, &cmd, NULL, 0);
		pump(io);
	}
	for (int i = 0; i < 61 && !io->closed; i++)
		advance_ms(1000);
	CU_ASSERT_TRUE(io->closed);
	done_io(io);
}

static void a_quiet_connection_stays(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_FLUSH, 1, 0, 0);
	struct wire *io;

	setup();
	io = ready_io(0, 0);
	advance_ms(3600000);
	CU_ASSERT_FALSE(io->closed);
	put_cmd(io, &cmd, NULL, 0);
	pump(io);
	CU_ASSERT_EQUAL(response(io, NULL), 0);
	done_io(io);
}

/* ---- buffers -------------------------------------------------------------------------------- */

static void requests_take_turns_for_buffers(void)
{
	uint8_t *data = pattern(65536, 1);
	struct tl_transport_opts opts;
	struct nvh_cmd cmd[6];
	uint16_t ttag[6];
	struct wire *io;

	tl_transport_opts_default(&opts);
	opts.num_shared_buffers = 2; /* large ones; 64 KiB needs one each */
	setup_with(&opts);
	io = ready_io(0, 0);
	for (int i = 0; i < 6; i++) {
		cmd[i] = rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
		put_cmd(io, &cmd[i], NULL, 0);
	}
	pump(io);
	CU_ASSERT_EQUAL(pending(io), 2 * 24);
	ttag[0] = take_r2t(io, &cmd[0], 0, 65536);
	ttag[1] = take_r2t(io, &cmd[1], 0, 65536);
	for (int i = 0; i < 6; i++) {
		put_h2c(io, &cmd[i], ttag[i], data, 0, 65536, true);
		pump(io);
		CU_ASSERT_EQUAL(response(io, NULL), 0);
		if (i + 2 < 6)
			ttag[i + 2] = take_r2t(io, &cmd[i + 2], 0, 65536);
	}
	CU_ASSERT_EQUAL(pending(io), 0);
	/* Those that wait when their connection ends leave the line. */
	for (int i = 0; i < 6; i++)
		put_cmd(io, &cmd[i], NULL, 0);
	pump(io);
	free(data);
	done_io(io);
}

NVH_UNIT_MAIN("target-lite/tcp", NVH_TEST(data_in_the_capsule_is_written_and_read_back),
	      NVH_TEST(success_stands_for_the_response_only_without_flow_control),
	      NVH_TEST(many_commands_in_one_segment_are_answered_in_one),
	      NVH_TEST(the_same_bytes_in_any_pieces_have_the_same_answer),
	      NVH_TEST(a_large_write_is_asked_for_and_may_come_in_pieces),
	      NVH_TEST(no_more_r2ts_are_outstanding_than_the_host_takes),
	      NVH_TEST(wrong_h2c_data_ends_the_connection), NVH_TEST(both_digests_are_sent_and_checked),
	      NVH_TEST(a_wrong_data_digest_fails_its_command_only),
	      NVH_TEST(a_wrong_header_digest_ends_the_connection),
	      NVH_TEST(data_is_aligned_as_the_host_wants_it),
	      NVH_TEST(a_bad_descriptor_fails_its_command_only),
	      NVH_TEST(more_in_capsule_data_than_the_queue_takes_ends_the_connection),
	      NVH_TEST(more_commands_than_entries_end_the_connection),
	      NVH_TEST(a_term_req_from_the_host_ends_it_at_once),
	      NVH_TEST(a_handshake_that_stops_ends_by_its_deadline),
	      NVH_TEST(a_pdu_that_stops_half_way_ends_by_a_deadline_even_byte_by_byte),
	      NVH_TEST(data_that_was_asked_for_must_come),
	      NVH_TEST(a_host_that_takes_nothing_is_not_read_and_then_dropped),
	      NVH_TEST(a_quiet_connection_stays), NVH_TEST(requests_take_turns_for_buffers))
