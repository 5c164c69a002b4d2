/*
 * The yardstick of NVMe over RDMA: the same bytes by bare verbs and nothing else. A child serves;
 *the client sends 64 bytes, as a command is, and gets an RDMA WRITE of SIZE bytes and 16 bytes
 *sent, as a read is answered, DEPTH exchanges at a time. Blocking connection setup, spinning
 *afterwards.
 *
 *	verbs_pingpong -a ADDRESS [-p PORT] [-s SIZE] [-d DEPTH] [-n EXCHANGES]
 *
 * Both sides sleep on their completion channel when there is nothing: in a guest of few processors
 * spinning keeps the software device from its work. Prints one line: exchanges, microseconds each,
 * sleeps. Linked to rdma-core directly.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <rdma/rdma_cma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CMD  64
#define CPL  16
#define MOST 64

struct end {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct ibv_comp_channel *events;
	struct ibv_cq *cq;
	unsigned int sleeps;
	struct ibv_mr *mr;
	uint8_t *mem; /* CMD or CPL slots, then SIZE a slot */
	unsigned int depth;
	uint32_t size;
};

struct offer {
	uint64_t addr;
	uint32_t rkey;
};

static void die(const char *what)
{
	fprintf(stderr, "verbs_pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void expect(struct rdma_event_channel *channel, enum rdma_cm_event_type type,
		   struct rdma_cm_id **ret_id, void *private_data, size_t len)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(channel, &event))
		die("event");
	if (event->event != type) {
		fprintf(stderr, "verbs_pingpong: %s instead of %s\n", rdma_event_str(event->event),
			rdma_event_str(type));
		exit(1);
	}
	if (ret_id)
		*ret_id = event->id;
	if (private_data)
		memcpy(private_data, event->param.conn.private_data, len);
	rdma_ack_cm_event(event);
}

static void make(struct end *end)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {.max_send_wr = 4 * MOST,
			.max_recv_wr = MOST,
			.max_send_sge = 1,
			.max_recv_sge = 1,
			.max_inline_data = CMD},
	};
	size_t len = MOST * CMD + (size_t)end->depth * end->size;

	end->events = ibv_create_comp_channel(end->id->verbs);
	if (!end->events)
		die("completion channel");
	end->cq = ibv_create_cq(end->id->verbs, 8 * MOST, NULL, end->events, 0);
	attr.send_cq = attr.recv_cq = end->cq;
	if (!end->cq || rdma_create_qp(end->id, NULL, &attr))
		die("queue pair");
	end->mem = aligned_alloc(4096, (len + 4095) & ~(size_t)4095);
	end->mr = ibv_reg_mr(end->id->pd, end->mem, len,
			     IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	if (!end->mr)
		die("memory");
}

/* At least one completion, slept for where need be. */
static int completions(struct end *end, struct ibv_wc *wcs, int most)
{
	for (;;) {
		int got = ibv_poll_cq(end->cq, most, wcs);
		struct ibv_cq *cq;
		void *context;

		if (got)
			return got;
		if (ibv_req_notify_cq(end->cq, 0))
			die("arm");
		got = ibv_poll_cq(end->cq, most, wcs);
		if (got)
			return got;
		if (ibv_get_cq_event(end->events, &cq, &context))
			die("completion event");
		ibv_ack_cq_events(cq, 1);
		end->sleeps++;
	}
}

static void receive(struct end *end, uint32_t slot)
{
	struct ibv_sge sge = {(uintptr_t)end->mem + slot * CMD, CMD, end->mr->lkey};
	struct ibv_recv_wr wr = {.wr_id = slot, .sg_list = &sge, .num_sge = 1}, *bad;

	if (ibv_post_recv(end->id->qp, &wr, &bad))
		die("receive");
}

static void sockaddr_of(const char *address, const char *port, struct sockaddr_in *ret_in)
{
	memset(ret_in, 0, sizeof(*ret_in));
	ret_in->sin_family = AF_INET;
	ret_in->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, address, &ret_in->sin_addr) != 1)
		die("address");
}

/* ---- the other side ------------------------------------------------------------------------ */

static void answer(struct end *end, const struct offer *offer, uint32_t slot, uint64_t count)
{
	struct ibv_sge data = {(uintptr_t)end->mem + MOST * CMD + (size_t)slot * end->size,
			       end->size, end->mr->lkey};
	struct ibv_sge sge = {(uintptr_t)end->mem + slot * CMD, CPL, end->mr->lkey};
	struct ibv_send_wr send = {.sg_list = &sge,
				   .num_sge = 1,
				   .opcode = IBV_WR_SEND,
				   .send_flags = count % 16 ? 0 : IBV_SEND_SIGNALED};
	struct ibv_send_wr write = {
		.sg_list = &data,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.next = &send,
		.wr.rdma = {.remote_addr = offer->addr + (uint64_t)slot * end->size,
			    .rkey = offer->rkey}};
	struct ibv_send_wr *bad;

	receive(end, slot);
	if (ibv_post_send(end->id->qp, &write, &bad))
		die("answer");
}

static void serve(struct end *end, const char *address, const char *port, int ready)
{
	struct rdma_conn_param param = {.responder_resources = 1, .rnr_retry_count = 7};
	struct rdma_cm_id *listener;
	struct sockaddr_in in;
	struct offer offer;
	uint64_t count = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sockaddr_of(address, port, &in);
	end->channel = rdma_create_event_channel();
	if (!end->channel || rdma_create_id(end->channel, &listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(listener, (struct sockaddr *)&in) || rdma_listen(listener, 1))
		die("listen");
	if (write(ready, "r", 1) != 1)
		die("pipe");
	expect(end->channel, RDMA_CM_EVENT_CONNECT_REQUEST, &end->id, &offer, sizeof(offer));
	make(end);
	for (uint32_t i = 0; i < end->depth; i++)
		receive(end, i);
	if (rdma_accept(end->id, &param))
		die("accept");
	expect(end->channel, RDMA_CM_EVENT_ESTABLISHED, NULL, NULL, 0);
	for (;;) {
		struct ibv_wc wcs[16];
		int got = completions(end, wcs, 16);

		for (int i = 0; i < got; i++) {
			if (wcs[i].status != IBV_WC_SUCCESS)
				exit(0); /* the client has gone */
			if (wcs[i].opcode == IBV_WC_RECV)
				answer(end, &offer, (uint32_t)wcs[i].wr_id, ++count);
		}
	}
}

/* ---- the client ---------------------------------------------------------------------------- */

static void client_connect(struct end *end, const char *address, const char *port)
{
	struct rdma_conn_param param = {
		.responder_resources = 1, .retry_count = 7, .rnr_retry_count = 7};
	struct sockaddr_in in;
	struct offer offer;

	sockaddr_of(address, port, &in);
	end->channel = rdma_create_event_channel();
	if (!end->channel || rdma_create_id(end->channel, &end->id, NULL, RDMA_PS_TCP) ||
	    rdma_resolve_addr(end->id, NULL, (struct sockaddr *)&in, 2000))
		die("resolve");
	expect(end->channel, RDMA_CM_EVENT_ADDR_RESOLVED, NULL, NULL, 0);
	if (rdma_resolve_route(end->id, 2000))
		die("route");
	expect(end->channel, RDMA_CM_EVENT_ROUTE_RESOLVED, NULL, NULL, 0);
	make(end);
	for (uint32_t i = 0; i < end->depth; i++)
		receive(end, i);
	offer = (struct offer){(uintptr_t)end->mem + MOST * CMD, end->mr->rkey};
	param.private_data = &offer;
	param.private_data_len = sizeof(offer);
	if (rdma_connect(end->id, &param))
		die("connect");
	expect(end->channel, RDMA_CM_EVENT_ESTABLISHED, NULL, NULL, 0);
}

static void ask(struct end *end, uint64_t count)
{
	uint8_t cmd[CMD];
	struct ibv_sge sge = {(uintptr_t)cmd, CMD, 0};
	struct ibv_send_wr wr = {.sg_list = &sge,
				 .num_sge = 1,
				 .opcode = IBV_WR_SEND,
				 .send_flags =
					 IBV_SEND_INLINE | (count % 16 ? 0 : IBV_SEND_SIGNALED)};
	struct ibv_send_wr *bad;

	memset(cmd, (int)count, sizeof(cmd));
	if (ibv_post_send(end->id->qp, &wr, &bad))
		die("send");
}

static void exchange(struct end *end, uint64_t exchanges)
{
	uint64_t asked = 0, answered = 0;
	struct timespec from, to;
	double us;

	clock_gettime(CLOCK_MONOTONIC, &from);
	while (answered < exchanges) {
		struct ibv_wc wcs[16];
		int got;

		while (asked < exchanges && asked - answered < end->depth)
			ask(end, ++asked);
		got = completions(end, wcs, 16);
		for (int i = 0; i < got; i++) {
			if (wcs[i].status != IBV_WC_SUCCESS) {
				fprintf(stderr, "verbs_pingpong: %s\n",
					ibv_wc_status_str(wcs[i].status));
				exit(1);
			}
			if (wcs[i].opcode != IBV_WC_RECV)
				continue;
			answered++;
			receive(end, (uint32_t)wcs[i].wr_id);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	us = (double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
	printf("%llu exchanges of %u bytes, %u at a time: %.2f us each, %u sleeps\n",
	       (unsigned long long)exchanges, end->size, end->depth, us / (double)exchanges,
	       end->sleeps);
}

int main(int argc, char **argv)
{
	const char *address = NULL, *port = "7471";
	struct end end = {.depth = 16, .size = 4096};
	uint64_t exchanges = 10000;
	int opt, ready[2];
	pid_t child;
	char byte;

	while ((opt = getopt(argc, argv, "a:p:s:d:n:")) != -1) {
		if (opt == 'a')
			address = optarg;
		else if (opt == 'p')
			port = optarg;
		else if (opt == 's')
			end.size = (uint32_t)strtoul(optarg, NULL, 0);
		else if (opt == 'd')
			end.depth = (unsigned int)strtoul(optarg, NULL, 0);
		else if (opt == 'n')
			exchanges = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	if (!address || !end.depth || end.depth > MOST || !end.size) {
		fprintf(stderr,
			"usage: verbs_pingpong -a ADDRESS [-p PORT] [-s SIZE] [-d 1..%d] [-n N]\n",
			MOST);
		return 2;
	}
	if (pipe(ready))
		die("pipe");
	child = fork();
	if (child == 0)
		serve(&end, address, port, ready[1]);
	if (child < 0 || read(ready[0], &byte, 1) != 1)
		die("the other side");
	client_connect(&end, address, port);
	exchange(&end, exchanges);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
