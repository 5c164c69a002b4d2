/*
 * What the reactor costs: a turn with nothing to do, with eager sources, with epoll; a message, a
 * timer, deferred work; and the ping-pong of tcp_pingpong.c over two reactors and our streams.
 *
 *	reactor_bench [-p] [-s SECONDS] [-S SPIN_US] [-c CLIENT_CPU] [-t SERVER_CPU]
 *
 * -p: the ping-pong only. CPU -1: not pinned.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/histogram.h"
#include "base/reactor.h"
#include "base/stream.h"

#define LOOPS          1000000
#define REQUEST_BYTES  72
#define RESPONSE_BYTES (24 + 4096)

static double seconds = 3;
static int client_cpu = 0, server_cpu = 1;
static uint32_t spin_us = NVHI_SPIN_DEFAULT_US;

static void die(const char *what, int err)
{
	fprintf(stderr, "reactor_bench: %s: %s\n", what, strerror(-err));
	exit(1);
}

static struct nvh_reactor *make_reactor(const char *name)
{
	struct nvhi_reactor_opts opts = {.name = name, .spin_us = spin_us};
	struct nvh_reactor *reactor;
	int err = nvhi_reactor_create(&opts, &reactor);

	if (err)
		die("reactor", err);
	return reactor;
}

static void report(struct nvh_reactor *reactor, const char *what, uint64_t start, uint64_t count)
{
	printf("%-44s %7.1f ns\n", what,
	       (double)(nvhi_reactor_clock(reactor) - start) / (double)count);
}

/* ---- a turn ------------------------------------------------------------------------------ */

static int try_recv(struct nvhi_source *source, unsigned int events)
{
	char byte;

	(void)events;
	return recv(source->fd, &byte, 1, MSG_DONTWAIT) > 0;
}

static void time_turns(struct nvh_reactor *reactor, const char *what)
{
	uint64_t start = nvhi_reactor_clock(reactor);

	for (int i = 0; i < LOOPS; i++)
		nvhi_reactor_turn(reactor);
	report(reactor, what, start, LOOPS);
}

static void bench_turns(void)
{
	struct nvh_reactor *reactor = make_reactor("turns");
	struct nvhi_source sources[2];
	uint64_t start;
	int fds[2];

	memset(sources, 0, sizeof(sources));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		die("socketpair", -errno);
	time_turns(reactor, "turn, nothing there");
	start = nvhi_reactor_clock(reactor);
	for (int i = 0; i < LOOPS; i++)
		nvhi_reactor_clock(reactor);
	report(reactor, "  of which the clock", start, LOOPS);
	nvhi_source_add(reactor, &sources[0], fds[0], NVHI_READABLE, try_recv);
	time_turns(reactor, "turn, 1 source: epoll_wait each time");
	nvhi_source_set_eager(reactor, &sources[0], true);
	time_turns(reactor, "turn, 1 eager source: recv each time");
	start = nvhi_reactor_clock(reactor);
	for (int i = 0; i < LOOPS; i++)
		try_recv(&sources[0], 0);
	report(reactor, "  of which recv with EAGAIN", start, LOOPS);
	nvhi_source_add(reactor, &sources[1], fds[1], NVHI_READABLE, try_recv);
	time_turns(reactor, "turn, 1 eager, 1 not: epoll_wait at times");
	nvhi_source_remove(reactor, &sources[0]);
	nvhi_source_remove(reactor, &sources[1]);
	close(fds[0]);
	close(fds[1]);
	nvhi_reactor_destroy(reactor);
}

/* ---- messages, timers, deferred work ----------------------------------------------------- */

static void nothing_msg(struct nvhi_msg *msg)
{
	(void)msg;
}

static void nothing_timer(struct nvhi_timer *timer)
{
	(void)timer;
}

static void nothing_defer(struct nvhi_defer *defer)
{
	(void)defer;
}

static void bench_objects(void)
{
	static struct nvhi_timer timers[256];
	struct nvh_reactor *reactor = make_reactor("objects");
	struct nvhi_defer defer = {.fn = nothing_defer};
	struct nvhi_msg msgs[64];
	uint64_t start;

	for (int i = 0; i < 64; i++)
		msgs[i].fn = nothing_msg;
	start = nvhi_reactor_clock(reactor);
	for (int i = 0; i < LOOPS / 64; i++) {
		for (int j = 0; j < 64; j++)
			nvhi_reactor_post(reactor, &msgs[j]);
		nvhi_reactor_turn(reactor);
	}
	report(reactor, "message, posted and run (one thread)", start, LOOPS / 64 * 64);

	for (int i = 0; i < 256; i++) {
		timers[i].fn = nothing_timer;
		nvhi_timer_arm(reactor, &timers[i], (uint64_t)(i + 1) * NVHI_NSEC_PER_SEC);
	}
	start = nvhi_reactor_clock(reactor);
	for (uint64_t i = 0; i < LOOPS; i++)
		nvhi_timer_arm_at(reactor, &timers[i * 37 % 256],
				  start + (i % 1000 + 1000) * NVHI_NSEC_PER_SEC);
	report(reactor, "timer re-armed, 256 armed", start, LOOPS);
	for (int i = 0; i < 256; i++)
		nvhi_timer_cancel(reactor, &timers[i]);

	start = nvhi_reactor_clock(reactor);
	for (int i = 0; i < LOOPS; i++) {
		nvhi_reactor_defer(reactor, &defer);
		nvhi_reactor_turn(reactor);
	}
	report(reactor, "turn with deferred work", start, LOOPS);
	nvhi_reactor_destroy(reactor);
}

/* ---- the ping-pong over streams ---------------------------------------------------------- */

struct end {
	struct nvhi_stream *stream;
	size_t have, want;
	char buffer[RESPONSE_BYTES];
	uint64_t sent_at, measure_from, end_at;
	struct nvhi_histogram hist;
};

static struct end client = {.want = RESPONSE_BYTES}, server = {.want = REQUEST_BYTES};
static uint32_t finished;

static void end_send(struct end *end, size_t bytes)
{
	static char data[RESPONSE_BYTES];
	struct iovec iov = {.iov_base = data, .iov_len = bytes};
	ssize_t sent = end->stream->ops->writev(end->stream, &iov, 1, false);

	if (sent != (ssize_t)bytes)
		die("writev", sent < 0 ? (int)sent : -EIO);
}

/* 1: a whole message is there, 0: not yet, negative: the end. */
static int end_receive(struct end *end)
{
	struct iovec iov = {.iov_base = end->buffer + end->have, .iov_len = end->want - end->have};
	ssize_t got = end->stream->ops->readv(end->stream, &iov, 1);

	if (got == -EAGAIN)
		return 0;
	if (got <= 0) {
		end->stream->ops->close(end->stream, true);
		end->stream = NULL;
		return -1;
	}
	end->have += (size_t)got;
	if (end->have < end->want)
		return 0;
	end->have = 0;
	return 1;
}

static int on_server_event(struct nvhi_stream *stream, unsigned int events)
{
	int got = end_receive(&server);

	(void)stream, (void)events;
	if (got > 0)
		end_send(&server, RESPONSE_BYTES);
	return got != 0;
}

static int on_client_event(struct nvhi_stream *stream, unsigned int events)
{
	uint64_t now;

	if (events & NVHI_STREAM_OPEN) {
		stream->ops->set_eager(stream, true);
		client.sent_at = nvhi_reactor_clock(stream->reactor);
		client.measure_from = client.sent_at + 200 * NVHI_NSEC_PER_MSEC;
		client.end_at = client.measure_from + (uint64_t)(seconds * 1e9);
		end_send(&client, REQUEST_BYTES);
		return 1;
	}
	if (end_receive(&client) <= 0)
		return 0;
	now = nvhi_reactor_clock(stream->reactor);
	if (client.sent_at >= client.measure_from)
		nvhi_histogram_add(&client.hist, now - client.sent_at);
	client.sent_at = now;
	if (now < client.end_at) {
		end_send(&client, REQUEST_BYTES);
		return 1;
	}
	stream->ops->close(stream, false);
	client.stream = NULL;
	__atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
	return 1;
}

static void on_accept(struct nvhi_listener *listener, intptr_t pending)
{
	int err = listener->net->ops->adopt(listener->net, listener->reactor, pending,
					    on_server_event, &server.stream);

	if (err)
		die("adopt", err);
	server.stream->ops->set_eager(server.stream, true);
}

static void connect_client(void *arg)
{
	struct nvhi_stream_connect_opts opts = {.tos = -1};
	struct nvhi_listener *listener = arg;
	int err;

	opts.peer = listener->addr;
	opts.peer_len = listener->addr_len;
	err = nvhi_net_sockets.ops->connect(&nvhi_net_sockets, nvhi_reactor_current(), &opts,
					    on_client_event, &client.stream);
	if (err)
		die("connect", err);
}

static void print_stats(struct nvh_reactor *reactor, uint64_t round_trips)
{
	struct nvhi_reactor_stats stats;

	nvhi_reactor_stats(reactor, &stats);
	printf("  %s: a round trip took %.1f turns, %.2f epoll_wait, %.4f sleeps\n",
	       nvhi_reactor_name(reactor), (double)stats.turns / (double)round_trips,
	       (double)stats.epoll_waits / (double)round_trips,
	       (double)stats.sleeps / (double)round_trips);
}

static void bench_pingpong(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct nvh_reactor *client_reactor = make_reactor("client");
	struct nvh_reactor *server_reactor = make_reactor("server");
	struct nvhi_reactor_thread *client_thread, *server_thread;
	struct nvhi_listener *listener;
	int err;

	nvhi_histogram_reset(&client.hist);
	err = nvhi_net_sockets.ops->listen(&nvhi_net_sockets, server_reactor,
					   (struct sockaddr *)&in, sizeof(in), 1, on_accept,
					   &listener);
	if (!err)
		err = nvhi_reactor_thread_start(server_reactor, server_cpu, &server_thread);
	if (!err)
		err = nvhi_reactor_thread_start(client_reactor, client_cpu, &client_thread);
	if (err)
		die("start", err);
	nvhi_reactor_call(client_reactor, connect_client, listener);
	while (!__atomic_load_n(&finished, __ATOMIC_ACQUIRE))
		usleep(10000);
	nvhi_reactor_thread_join(client_thread);
	nvhi_reactor_thread_join(server_thread);
	printf("TCP ping-pong over two reactors: %.2f us, %.2f us p50, %.2f us p99, "
	       "%llu round trips\n",
	       nvhi_histogram_mean(&client.hist) / 1000,
	       (double)nvhi_histogram_percentile(&client.hist, 50) / 1000,
	       (double)nvhi_histogram_percentile(&client.hist, 99) / 1000,
	       (unsigned long long)client.hist.count);
	print_stats(client_reactor, client.hist.count);
	print_stats(server_reactor, client.hist.count);
	if (server.stream)
		server.stream->ops->close(server.stream, true);
	listener->net->ops->unlisten(listener);
	nvhi_reactor_destroy(client_reactor);
	nvhi_reactor_destroy(server_reactor);
}

int main(int argc, char **argv)
{
	bool only_pingpong = false;
	int opt;

	while ((opt = getopt(argc, argv, "s:S:pc:t:")) != -1) {
		if (opt == 's')
			seconds = atof(optarg);
		else if (opt == 'S')
			spin_us = (uint32_t)atoi(optarg);
		else if (opt == 'c')
			client_cpu = atoi(optarg);
		else if (opt == 't')
			server_cpu = atoi(optarg);
		else if (opt == 'p')
			only_pingpong = true;
		else
			return 2;
	}
	if (!only_pingpong) {
		bench_turns();
		bench_objects();
	}
	bench_pingpong();
	return 0;
}
