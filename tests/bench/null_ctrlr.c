/*
 * See null_ctrlr.h. Its own thread or process; blocking is not in its nature.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/spec/nvme.h"
#include "base/spec/nvmf.h"
#include "fabric/tcp/pdu.h"
#include "tests/bench/null_ctrlr.h"

#define CONNS    64
#define STAGING  (256u << 10)
#define BODY_MAX (1u << 20)
#define HDRS     2048
#define IOVS     1024

struct null_conn {
	int fd;
	uint16_t qid;
	uint16_t sqhd, sqsize;
	bool sqflow;
	struct nvhi_pdu_params params;
	struct nvhi_pdu_rx rx;
	struct nvh_cmd cmd; /* whose in-capsule data arrives */
	bool cmd_data;
	uint32_t h2c_left[65536 / 64]; /* by the low CID bits: bytes of a write still to come */
	struct nvh_le16 h2c_cid[65536 / 64];
	uint8_t staging[STAGING];
	uint8_t hdrs[HDRS][NVHI_PDU_HDR_ROOM];
	struct iovec iov[IOVS];
	uint32_t hdr_count, iov_count;
};

static const struct null_ctrlr_opts *ctrlr;
static uint8_t body[BODY_MAX];
static uint8_t sink[BODY_MAX];
static struct iovec sink_iov = {sink, sizeof(sink)};
static struct nvh_id_ctrlr identify;
static uint32_t cc;

/* ---- sending ----------------------------------------------------------------------------- */

static void conn_flush(struct null_conn *c)
{
	uint32_t at = 0;

	while (at < c->iov_count) {
		struct msghdr msg = {.msg_iov = c->iov + at, .msg_iovlen = c->iov_count - at};
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			break;
		while (at < c->iov_count && (size_t)n >= c->iov[at].iov_len)
			n -= (ssize_t)c->iov[at++].iov_len;
		if (at < c->iov_count) {
			c->iov[at].iov_base = (uint8_t *)c->iov[at].iov_base + n;
			c->iov[at].iov_len -= (size_t)n;
		}
	}
	c->iov_count = c->hdr_count = 0;
}

static uint8_t *conn_hdr(struct null_conn *c)
{
	if (c->hdr_count + 4 > HDRS || c->iov_count + 8 > IOVS)
		conn_flush(c);
	return c->hdrs[c->hdr_count++];
}

static void conn_add(struct null_conn *c, const void *base, uint32_t len)
{
	c->iov[c->iov_count++] =
		(struct iovec){.iov_base = (void *)(uintptr_t)base, .iov_len = len};
}

static void conn_respond(struct null_conn *c, uint16_t cid, uint64_t result)
{
	uint8_t *hdr = conn_hdr(c);
	struct nvh_cpl cpl;

	memset(&cpl, 0, sizeof(cpl));
	nvh_le32_put(&cpl.dw0, (uint32_t)result);
	nvh_le32_put(&cpl.dw1, (uint32_t)(result >> 32));
	c->sqhd = c->sqsize ? (uint16_t)((c->sqhd + 1) % c->sqsize) : 0;
	nvh_le16_put(&cpl.sqhd, c->sqflow ? c->sqhd : 0xffff);
	nvh_le16_put(&cpl.cid, cid);
	conn_add(c, hdr, nvhi_pdu_capsule_resp_build(hdr, &c->params, &cpl));
}

static void conn_send_data(struct null_conn *c, uint16_t cid, const void *data, uint32_t len)
{
	bool success = ctrlr->success && !c->sqflow;
	uint8_t *hdr = conn_hdr(c), *digest;

	conn_add(c, hdr,
		 nvhi_pdu_c2h_data_build(hdr, &c->params, cid, 0, len,
					 NVH_TCP_F_LAST | (success ? NVH_TCP_F_SUCCESS : 0)));
	conn_add(c, data, len);
	if (c->params.ddgst) {
		struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
		struct nvhi_iov_cursor cursor;

		nvhi_iov_cursor_init(&cursor, &iov, 1);
		digest = c->hdrs[c->hdr_count++];
		nvhi_pdu_ddgst_put(digest, nvhi_pdu_ddgst(&cursor, len));
		conn_add(c, digest, NVH_TCP_DIGEST_SIZE);
	}
	if (!success)
		conn_respond(c, cid, 0);
}

/* ---- commands ---------------------------------------------------------------------------- */

static void conn_fabrics(struct null_conn *c, const struct nvh_cmd *cmd)
{
	const struct nvh_fab_connect_cmd *connect = (const struct nvh_fab_connect_cmd *)cmd;
	const struct nvh_fab_prop_cmd *prop = (const struct nvh_fab_prop_cmd *)cmd;
	uint16_t cid = nvh_le16_get(cmd->cid);
	uint64_t value = 0;

	switch (((const struct nvh_fab_cmd *)cmd)->fctype) {
	case NVH_FCTYPE_CONNECT:
		c->qid = nvh_le16_get(connect->qid);
		c->sqsize = (uint16_t)(nvh_le16_get(connect->sqsize) + 1);
		c->sqflow = !(connect->cattr & NVH_CATTR_DISABLE_SQFLOW);
		value = 1;
		break;
	case NVH_FCTYPE_PROPERTY_SET:
		if (nvh_le32_get(prop->ofst) == NVH_REG_CC)
			cc = (uint32_t)nvh_le64_get(prop->value);
		break;
	case NVH_FCTYPE_PROPERTY_GET:
		if (nvh_le32_get(prop->ofst) == NVH_REG_CSTS)
			value = cc & NVH_CC_EN ? NVH_CSTS_RDY : 0;
		else if (nvh_le32_get(prop->ofst) == NVH_REG_CC)
			value = cc;
		else if (nvh_le32_get(prop->ofst) == NVH_REG_CAP)
			value = 1023u | (20ull << NVH_CAP_TO_SHIFT) |
				((uint64_t)NVH_CAP_CSS_NVM << NVH_CAP_CSS_SHIFT);
		else if (nvh_le32_get(prop->ofst) == NVH_REG_VS)
			value = nvh_vs(1, 4, 0);
		break;
	default:
		break;
	}
	conn_respond(c, cid, value);
}

static void conn_execute(struct null_conn *c, const struct nvh_cmd *cmd, uint32_t icd)
{
	uint16_t cid = nvh_le16_get(cmd->cid);
	uint32_t len = nvh_le32_get(cmd->dptr.sgl.len);
	uint8_t *hdr;

	if (cmd->opc == NVH_ADM_FABRICS) {
		conn_fabrics(c, cmd);
	} else if (c->qid == 0 && cmd->opc == NVH_ADM_IDENTIFY) {
		conn_send_data(c, cid, &identify, sizeof(identify));
	} else if (c->qid == 0) {
		if (cmd->opc != NVH_ADM_AER)
			conn_respond(c, cid, 0x003f003f);
	} else if (cmd->opc == NVH_OPC_READ) {
		conn_send_data(c, cid, body, len);
	} else if (cmd->opc == NVH_OPC_WRITE && len > icd) {
		c->h2c_left[cid % 1024] = len;
		hdr = conn_hdr(c);
		conn_add(c, hdr, nvhi_pdu_r2t_build(hdr, &c->params, cid, cid, 0, len));
	} else {
		conn_respond(c, cid, 0);
	}
}

/* ---- receiving --------------------------------------------------------------------------- */

static void conn_sink(struct null_conn *c)
{
	struct nvhi_iov_cursor cursor;

	nvhi_iov_cursor_init(&cursor, &sink_iov, 1);
	nvhi_pdu_rx_dest(&c->rx, &cursor);
}

static void conn_header(struct null_conn *c)
{
	const union nvhi_pdu_hdr *hdr = c->rx.hdr;
	uint8_t *out;

	switch (c->rx.type) {
	case NVH_TCP_IC_REQ:
		out = conn_hdr(c);
		c->params.hdgst = hdr->icreq.dgst & NVH_TCP_DGST_HDR;
		c->params.ddgst = hdr->icreq.dgst & NVH_TCP_DGST_DATA;
		c->params.hpda = hdr->icreq.hpda;
		c->params.ic_done = true;
		conn_add(c, out, nvhi_pdu_icresp_build(out, 0, hdr->icreq.dgst, BODY_MAX));
		break;
	case NVH_TCP_CAPSULE_CMD:
		if (c->rx.data_len) {
			c->cmd = hdr->capsule_cmd.cmd;
			c->cmd_data = true;
			conn_sink(c);
		} else {
			conn_execute(c, &hdr->capsule_cmd.cmd, 0);
		}
		break;
	case NVH_TCP_H2C_DATA:
		c->h2c_cid[0] = hdr->h2c.cccid;
		conn_sink(c);
		break;
	default:
		break;
	}
}

static void conn_data(struct null_conn *c)
{
	uint16_t cid = nvh_le16_get(c->h2c_cid[0]);

	if (c->cmd_data) {
		c->cmd_data = false;
		conn_execute(c, &c->cmd, c->rx.data_len);
		return;
	}
	c->h2c_left[cid % 1024] -= c->rx.data_len;
	if (c->h2c_left[cid % 1024] == 0)
		conn_respond(c, cid, 0);
}

/* False when the connection is over. */
static bool conn_serve(struct null_conn *c)
{
	struct iovec iov[8];
	int count = nvhi_pdu_rx_window(&c->rx, iov, 8);
	ssize_t n = readv(c->fd, iov, count);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	nvhi_pdu_rx_landed(&c->rx, (size_t)n);
	for (;;) {
		switch (nvhi_pdu_rx_next(&c->rx)) {
		case NVHI_PDU_RX_HEADER:
			conn_header(c);
			continue;
		case NVHI_PDU_RX_DATA:
			conn_data(c);
			continue;
		case NVHI_PDU_RX_MORE:
			conn_flush(c);
			return true;
		default:
			return false;
		}
	}
}

static struct null_conn *conn_new(int fd)
{
	struct null_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		return NULL;
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->params.role = NVHI_PDU_CTRLR;
	c->params.max_icd = ctrlr->in_capsule > 8192 ? ctrlr->in_capsule : 8192;
	nvhi_pdu_rx_init(&c->rx, &c->params, c->staging, sizeof(c->staging));
	return c;
}

int null_ctrlr_listen(uint16_t *ret_port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	*ret_port = ntohs(sa.sin_port);
	return fd;
}

void null_ctrlr_run(int listen_fd, const struct null_ctrlr_opts *opts)
{
	struct null_conn *conns[CONNS] = {NULL};
	int count = 0, turns = 0;

	ctrlr = opts;
	nvh_le32_put(&identify.ioccsz, (64 + opts->in_capsule) / 16);
	nvh_le32_put(&identify.iorcsz, 1);
	nvh_le32_put(&identify.nn, 1);
	for (;;) {
		if (turns++ % 1024 == 0 && count < CONNS) {
			int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (fd >= 0)
				conns[count++] = conn_new(fd);
		}
		for (int i = 0; i < count; i++) {
			/* The admin queue is quiet: ask it seldom. */
			if (conns[i]->qid == 0 && conns[i]->sqsize && turns % 256)
				continue;
			if (conn_serve(conns[i]))
				continue;
			close(conns[i]->fd);
			free(conns[i]);
			conns[i--] = conns[--count];
		}
	}
}
