/*
 * A host that does to an NVMe/RDMA target what no host may: rdma_hostile ADDRESS PORT CASE. Exits
 * with 0 when the target answers as it must: refuses with the right status, fails the command, or
 * ends this connection and only this one. Bare verbs, nothing of the product, so that no bug is
 * shared.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 14000 /* longer than a target waits for Connect */
#define BUFFER  (1u << 20)

struct private_data {
	uint16_t recfmt, qid, hrqsize, hsqsize, cntlid;
	uint8_t pad[22];
};

static struct rdma_event_channel *channel;
static struct rdma_cm_id *id;
static struct ibv_mr *mr;
static struct ibv_cq *cq;
static uint8_t *memory; /* commands at 0, data at 64 KiB, completions at 128 KiB */

static void die(const char *what)
{
	fprintf(stderr, "rdma_hostile: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The next event; NULL after ms. */
static struct rdma_cm_event *event_within(int ms)
{
	struct pollfd fd = {.fd = channel->fd, .events = POLLIN};
	struct rdma_cm_event *event;

	if (poll(&fd, 1, ms) != 1)
		return NULL;
	if (rdma_get_cm_event(channel, &event))
		die("event");
	return event;
}

static void expect(enum rdma_cm_event_type type)
{
	struct rdma_cm_event *event = event_within(WAIT_MS);

	if (!event || event->event != type) {
		fprintf(stderr, "rdma_hostile: %s instead of %s\n",
			event ? rdma_event_str(event->event) : "nothing", rdma_event_str(type));
		exit(1);
	}
	rdma_ack_cm_event(event);
}

static void resolve(const char *address, const char *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	inet_pton(AF_INET, address, &sin.sin_addr);
	channel = rdma_create_event_channel();
	if (!channel || rdma_create_id(channel, &id, NULL, RDMA_PS_TCP))
		die("rdma_create_id");
	if (rdma_resolve_addr(id, NULL, (struct sockaddr *)&sin, 2000))
		die("rdma_resolve_addr");
	expect(RDMA_CM_EVENT_ADDR_RESOLVED);
	if (rdma_resolve_route(id, 2000))
		die("rdma_resolve_route");
	expect(RDMA_CM_EVENT_ROUTE_RESOLVED);
}

static void make_qp(void)
{
	struct ibv_qp_init_attr attr = {.qp_type = IBV_QPT_RC,
					.cap = {.max_send_wr = 256,
						.max_recv_wr = 256,
						.max_send_sge = 1,
						.max_recv_sge = 1}};
	struct ibv_pd *pd = ibv_alloc_pd(id->verbs);

	memory = aligned_alloc(4096, BUFFER);
	memset(memory, 0, BUFFER);
	cq = ibv_create_cq(id->verbs, 1024, NULL, NULL, 0);
	if (!pd || !cq)
		die("pd, cq");
	mr = ibv_reg_mr(pd, memory, BUFFER,
			IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE);
	attr.send_cq = attr.recv_cq = cq;
	if (!mr || rdma_create_qp(id, pd, &attr))
		die("queue pair");
	for (int i = 0; i < 200; i++) {
		struct ibv_sge sge = {(uintptr_t)memory + (128 << 10) + (unsigned)i * 16, 16,
				      mr->lkey};
		struct ibv_recv_wr wr = {.wr_id = 1000 + (unsigned)i,
					 .sg_list = &sge,
					 .num_sge = 1},
				   *bad;

		if (ibv_post_recv(id->qp, &wr, &bad))
			die("receive");
	}
}

/* Asks for a connection; the status of its refusal, 0: it stands, -1: refused without one. */
static int ask(const void *data, uint8_t len, uint8_t reads)
{
	struct rdma_conn_param param = {.private_data = data,
					.private_data_len = len,
					.responder_resources = reads,
					.retry_count = 3,
					.rnr_retry_count = 7};
	struct rdma_cm_event *event;
	int sts = 0;

	if (rdma_connect(id, &param))
		die("rdma_connect");
	event = event_within(WAIT_MS);
	if (!event) {
		fprintf(stderr, "rdma_hostile: no answer to the connection request\n");
		exit(1);
	}
	if (event->event != RDMA_CM_EVENT_ESTABLISHED) {
		const uint16_t *words = event->param.conn.private_data;

		sts = words && event->param.conn.private_data_len >= 4 ? words[1] : -1;
	}
	rdma_ack_cm_event(event);
	return sts;
}

static void connected(void)
{
	struct private_data data = {.hrqsize = 32, .hsqsize = 31};
	int sts = ask(&data, sizeof(data), 4);

	if (sts) {
		fprintf(stderr, "rdma_hostile: refused with status %d\n", sts);
		exit(1);
	}
}

/* A command capsule of `len` bytes: Connect, its data by one descriptor. */
static void put_connect(uint8_t *cmd, uint64_t addr, uint32_t len, uint32_t key, uint8_t type)
{
	memset(cmd, 0, 64);
	cmd[0] = 0x7f;
	cmd[1] = 0x40;
	cmd[2] = 7; /* command identifier */
	cmd[4] = 1; /* Connect */
	memcpy(cmd + 24, &addr, 8);
	memcpy(cmd + 32, &len, type >> 4 == 4 ? 3 : 4);
	if (type >> 4 == 4)
		memcpy(cmd + 35, &key, 4);
	cmd[39] = type;
	cmd[44] = 31; /* SQSIZE */
}

static void post(const void *at, uint32_t len)
{
	struct ibv_sge sge = {(uintptr_t)at, len, mr->lkey};
	struct ibv_send_wr wr = {.wr_id = 1,
				 .sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_SEND,
				 .send_flags = IBV_SEND_SIGNALED},
			   *bad;

	ibv_post_send(id->qp, &wr, &bad); /* on a connection that has ended: nothing to do */
}

/* 0: the target has ended the connection. */
static int ended(void)
{
	struct rdma_cm_event *event;

	while ((event = event_within(WAIT_MS))) {
		enum rdma_cm_event_type type = event->event;

		rdma_ack_cm_event(event);
		if (type == RDMA_CM_EVENT_DISCONNECTED)
			return 0;
	}
	fprintf(stderr, "rdma_hostile: the connection is still there\n");
	return 1;
}

/* 0: the answer has this status (SCT << 8 | SC). */
static int answered(unsigned int status)
{
	struct ibv_wc wc;

	for (int ms = 0; ms < WAIT_MS; ms++) {
		while (ibv_poll_cq(cq, 1, &wc) > 0) {
			const uint8_t *cpl;

			if (wc.wr_id < 1000 || wc.status)
				continue;
			cpl = memory + (128 << 10) + (wc.wr_id - 1000) * 16;
			if ((((unsigned int)cpl[14] | (unsigned int)cpl[15] << 8) >> 1 & 0x7ff) ==
			    status)
				return 0;
			fprintf(stderr, "rdma_hostile: status %04x instead of %04x\n",
				((unsigned int)cpl[14] | (unsigned int)cpl[15] << 8) >> 1 & 0x7ff,
				status);
			return 1;
		}
		usleep(1000);
	}
	fprintf(stderr, "rdma_hostile: no answer\n");
	return 1;
}

/* ---- cases ---------------------------------------------------------------------------------- */

static const struct refusal {
	const char *name;
	uint8_t len, reads;
	struct private_data data;
	int sts;
} refusals[] = {
	{"no-private-data", 0, 4, {0}, 1},
	{"short-private-data", 8, 4, {0, 0, 32, 31, 0, {0}}, 1},
	{"recfmt", 32, 4, {1, 0, 32, 31, 0, {0}}, 2},
	{"qid", 32, 4, {0, 60000, 32, 31, 0, {0}}, 3},
	{"hsqsize-0", 32, 4, {0, 0, 32, 0, 0, {0}}, 4},
	{"hsqsize-huge", 32, 4, {0, 1, 32, 65535, 0, {0}}, 4},
	{"hrqsize-0", 32, 4, {0, 0, 0, 31, 0, {0}}, 5},
	{"no-reads", 32, 0, {0, 0, 32, 31, 0, {0}}, 7},
	{"cntlid", 32, 4, {0, 1, 32, 31, 0xfff0, {0}}, 9},
};

static int refused(const struct refusal *r)
{
	int sts;

	make_qp();
	sts = ask(&r->data, r->len, r->reads);
	if (sts == r->sts)
		return 0;
	/* InfiniBand pads private data with zeroes to its message, so "short" may look like 0s. */
	fprintf(stderr, "rdma_hostile: %s: status %d instead of %d\n", r->name, sts, r->sts);
	return 1;
}

static int broken(const char *name)
{
	uint8_t *data = memory + (64 << 10);
	uint64_t at = (uintptr_t)data;

	if (!strcmp(name, "oversize")) {
		put_connect(memory, 0, 1024, 0, 0x01);
		post(memory, 48 << 10);
		return ended();
	}
	if (!strcmp(name, "runt")) {
		post(memory, 10);
		return ended();
	}
	if (!strcmp(name, "bad-key")) {
		put_connect(memory, at, 1024, mr->rkey ^ 0x00555500, 0x40);
		post(memory, 64);
		return ended();
	}
	if (!strcmp(name, "outside")) {
		put_connect(memory, (uintptr_t)memory + BUFFER - 512, 1024, mr->rkey, 0x40);
		post(memory, 64);
		return ended();
	}
	if (!strcmp(name, "flood")) {
		put_connect(memory, at, 1024, mr->rkey, 0x40);
		for (int i = 0; i < 200; i++)
			post(memory, 64);
		return ended();
	}
	if (!strcmp(name, "icd-offset")) {
		put_connect(memory, 4096, 1024, 0, 0x01);
		post(memory, 64 + 1024);
		return answered(0x16);
	}
	if (!strcmp(name, "icd-length")) {
		put_connect(memory, 16, 1024, 0, 0x01);
		post(memory, 64 + 1024);
		return answered(0x0f);
	}
	if (!strcmp(name, "segment-outside")) {
		put_connect(memory, 1024, 32, 0, 0x31);
		post(memory, 64 + 1024);
		return answered(0x0d);
	}
	if (!strcmp(name, "too-many-descriptors")) {
		put_connect(memory, 0, 1024, 0, 0x31);
		post(memory, 64 + 1024);
		return answered(0x0e);
	}
	if (!strcmp(name, "descriptor-type")) {
		put_connect(memory, at, 1024, 0, 0x5a);
		post(memory, 64);
		return answered(0x11);
	}
	if (!strcmp(name, "too-long")) {
		put_connect(memory, at, 0xffffff, mr->rkey, 0x40);
		post(memory, 64);
		return answered(0x0f);
	}
	if (!strcmp(name, "descriptors")) { /* a proper list, whose data is no Connect: an unknown
					       subsystem */
		struct {
			uint64_t addr;
			uint8_t len[3], key[4], type;
		} __attribute__((packed)) *sgl = (void *)(memory + 64);

		for (unsigned int i = 0; i < 16; i++) {
			sgl[i].addr = at + i * 64;
			memcpy(sgl[i].len, &(uint32_t){64}, 3);
			memcpy(sgl[i].key, &mr->rkey, 4);
			sgl[i].type = 0x40;
		}
		memset(data, 0, 1024);
		memcpy(data + 256, "nqn.2026-01.io.nvhost:nobody", 28);
		memcpy(data + 512, "nqn.2026-01.io.nvhost:hostile", 29);
		put_connect(memory, 0, 256, 0, 0x31);
		post(memory, 64 + 256);
		return answered(0x182);
	}
	if (!strcmp(name, "torn")) { /* gone in the middle of what was asked for */
		put_connect(memory, at, 1024, mr->rkey, 0x40);
		for (int i = 0; i < 8; i++)
			post(memory, 64);
		rdma_destroy_qp(id);
		return 0;
	}
	if (!strcmp(name, "killed")) {
		put_connect(memory, at, 1024, mr->rkey, 0x40);
		for (int i = 0; i < 8; i++)
			post(memory, 64);
		_exit(0);
	}
	fprintf(stderr, "rdma_hostile: no case %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: rdma_hostile ADDRESS PORT CASE\n");
		return 2;
	}
	resolve(argv[1], argv[2]);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (!strcmp(refusals[i].name, argv[3]))
			return refused(&refusals[i]);
	make_qp();
	connected();
	return broken(argv[3]);
}
