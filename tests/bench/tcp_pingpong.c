/*
 * The yardstick for latency over TCP: a bare ping-pong of the bytes of a 4 KiB read (a 72-byte
 * command capsule there, a 24-byte C2HData header and 4096 bytes back) between two threads pinned
 * to a core each, both spinning on a non-blocking recv. No initiator can be faster than this.
 *
 *	tcp_pingpong [-s SECONDS] [-r RESPONSE_BYTES] [-c CLIENT_CPU] [-t SERVER_CPU]
 *
 * Prints: bare TCP ping-pong: AVERAGE us, MEDIAN us p50, P99 us p99, N round trips
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/histogram.h"

#define REQUEST_BYTES 72
#define RESPONSE_MAX  (1u << 20)

static size_t response_bytes = 24 + 4096;
static int client_cpu = 0, server_cpu = 1;
static char response[RESPONSE_MAX];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "tcp_pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
		fprintf(stderr, "tcp_pingpong: not pinned to CPU %d: %s\n", cpu, strerror(errno));
}

/* 1 when all came, 0 when the peer has ended. */
static int spin_recv(int fd, char *buffer, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t got = recv(fd, buffer + have, len - have, MSG_DONTWAIT);

		if (got > 0)
			have += (size_t)got;
		else if (got == 0)
			return 0;
		else if (errno != EAGAIN && errno != EINTR)
			die("recv");
	}
	return 1;
}

static void send_all(int fd, const char *buffer, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, buffer, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			die("send");
		if (sent > 0) {
			buffer += sent;
			len -= (size_t)sent;
		}
	}
}

static void no_delay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		die("TCP_NODELAY");
}

static void *server_main(void *arg)
{
	static char data[RESPONSE_MAX];
	char request[REQUEST_BYTES];
	int fd = accept(*(int *)arg, NULL, NULL);

	if (fd < 0)
		die("accept");
	pin(server_cpu);
	no_delay(fd);
	while (spin_recv(fd, request, sizeof(request)))
		send_all(fd, data, response_bytes);
	close(fd);
	return NULL;
}

static int listen_loopback(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, sizeof(*addr)) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)addr, &len) < 0)
		die("listen on 127.0.0.1");
	return fd;
}

static void client_run(int fd, double seconds)
{
	static struct nvhi_histogram hist;
	char request[REQUEST_BYTES] = {0};
	uint64_t start, at, warm;

	start = now_ns();
	warm = start + 200000000u;
	for (at = start; at < warm + (uint64_t)(seconds * 1e9);) {
		uint64_t done;

		send_all(fd, request, sizeof(request));
		spin_recv(fd, response, response_bytes);
		done = now_ns();
		if (at >= warm)
			nvhi_histogram_add(&hist, done - at);
		at = done;
	}
	printf("bare TCP ping-pong: %.2f us, %.2f us p50, %.2f us p99, %llu round trips\n",
	       nvhi_histogram_mean(&hist) / 1000,
	       (double)nvhi_histogram_percentile(&hist, 50) / 1000,
	       (double)nvhi_histogram_percentile(&hist, 99) / 1000, (unsigned long long)hist.count);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr;
	double seconds = 3;
	pthread_t server;
	int listener, fd, opt;

	while ((opt = getopt(argc, argv, "s:r:c:t:")) != -1) {
		switch (opt) {
		case 's':
			seconds = atof(optarg);
			break;
		case 'r':
			response_bytes = (size_t)atol(optarg);
			break;
		case 'c':
			client_cpu = atoi(optarg);
			break;
		case 't':
			server_cpu = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (response_bytes < 1 || response_bytes > RESPONSE_MAX) {
		fprintf(stderr, "tcp_pingpong: -r takes 1 to %u bytes\n", RESPONSE_MAX);
		return 2;
	}
	listener = listen_loopback(&addr);
	errno = pthread_create(&server, NULL, server_main, &listener);
	if (errno)
		die("thread");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("connect");
	pin(client_cpu);
	no_delay(fd);
	client_run(fd, seconds);
	close(fd);
	pthread_join(server, NULL);
	close(listener);
	return 0;
}
