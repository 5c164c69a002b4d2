/*
 * base/stream_sock.c and base/listener_sock.c over loopback: connect's outcomes, data, the two
 * ways to end, listeners that run out of descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stream.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/reactor_fixture.h"

/* One end: what it was told, and on demand what it does about it. */
struct end {
	struct nvhi_stream *stream;
	unsigned int seen; /* all event bits so far */
	unsigned int opens, hangups, calls;
	int error;
	bool closes_on_hangup, drains;
	size_t received;
	bool got_end;
};

static struct end ends[8];
static struct end *client = &ends[0], *server = &ends[1];
static struct nvhi_listener *listener;
static unsigned int accepted;
static intptr_t accepted_pending[64];

static struct end *end_of(struct nvhi_stream *stream)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(ends); i++)
		if (ends[i].stream == stream)
			return &ends[i];
	return NULL;
}

static int end_drain(struct end *end)
{
	char buffer[512];
	struct iovec iov = {.iov_base = buffer, .iov_len = sizeof(buffer)};
	ssize_t got = end->stream->ops->readv(end->stream, &iov, 1);

	if (got > 0)
		end->received += (size_t)got;
	if (got == 0) {
		end->got_end = true;
		end->stream->ops->want(end->stream, 0);
	}
	if (got < 0 && got != -EAGAIN) {
		end->error = (int)got;
		end->stream->ops->want(end->stream, 0);
	}
	return got > 0;
}

static int on_event(struct nvhi_stream *stream, unsigned int events)
{
	struct end *end = end_of(stream);

	CU_ASSERT_PTR_NOT_NULL_FATAL(end);
	end->calls++;
	end->seen |= events;
	end->opens += (events & NVHI_STREAM_OPEN) != 0;
	end->hangups += (events & NVHI_HANGUP) != 0;
	if (events & NVHI_HANGUP) {
		end->error = stream->error;
		if (end->closes_on_hangup) {
			stream->ops->close(stream, false);
			end->stream = NULL;
			return 1;
		}
	}
	if (end->drains && (events & NVHI_READABLE))
		return end_drain(end);
	return 1;
}

static void on_accept(struct nvhi_listener *from, intptr_t pending)
{
	(void)from;
	CU_ASSERT_FATAL(accepted < NVHI_ARRAY_SIZE(accepted_pending));
	accepted_pending[accepted++] = pending;
}

static struct nvhi_stream_connect_opts to_listener(void)
{
	struct nvhi_stream_connect_opts opts = {.tos = -1};

	opts.peer = listener->addr;
	opts.peer_len = listener->addr_len;
	return opts;
}

static void listen_on(const char *family)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool v6 = family[0] == '6';

	memset(ends, 0, sizeof(ends));
	accepted = 0;
	setup();
	CU_ASSERT_EQUAL_FATAL(nvhi_net_sockets.ops->listen(
				      &nvhi_net_sockets, reactor,
				      v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in,
				      v6 ? sizeof(in6) : sizeof(in), 64, on_accept, &listener),
			      0);
}

static int connect_end(struct end *end)
{
	struct nvhi_stream_connect_opts opts = to_listener();

	return nvhi_net_sockets.ops->connect(&nvhi_net_sockets, reactor, &opts, on_event,
					     &end->stream);
}

static void connect_pair(const char *family)
{
	listen_on(family);
	CU_ASSERT_EQUAL_FATAL(connect_end(client), 0);
	CU_ASSERT_EQUAL(client->calls, 0); /* never inside the call */
	CU_ASSERT_TRUE_FATAL(NVH_RUN_UNTIL(reactor, client->opens && accepted == 1, 5000));
	CU_ASSERT_EQUAL_FATAL(nvhi_net_sockets.ops->adopt(&nvhi_net_sockets, reactor,
							  accepted_pending[0], on_event,
							  &server->stream),
			      0);
}

static void close_all(void)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(ends); i++)
		if (ends[i].stream)
			ends[i].stream->ops->close(ends[i].stream, false);
	memset(ends, 0, sizeof(ends));
	nvhi_net_sockets.ops->unlisten(listener);
	listener = NULL;
	teardown();
}

static ssize_t end_send(struct end *end, const char *text)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};

	return end->stream->ops->writev(end->stream, &iov, 1, false);
}

/* ---- connecting -------------------------------------------------------------------------- */

static void check_connect(const char *family)
{
	char local[64], peer[64], server_local[64], server_peer[64];

	connect_pair(family);
	CU_ASSERT_EQUAL(client->opens, 1);
	CU_ASSERT_EQUAL(client->hangups, 0);
	CU_ASSERT_TRUE(client->seen & NVHI_WRITABLE);
	client->stream->ops->names(client->stream, local, sizeof(local), peer, sizeof(peer));
	server->stream->ops->names(server->stream, server_local, sizeof(server_local), server_peer,
				   sizeof(server_peer));
	CU_ASSERT_STRING_EQUAL(local, server_peer);
	CU_ASSERT_STRING_EQUAL(peer, server_local);
	CU_ASSERT_EQUAL(peer[0], family[0] == '6' ? '[' : '1');
	close_all();
}

static void a_connect_opens_once_over_ipv4(void)
{
	check_connect("4");
}

static void a_connect_opens_once_over_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool have = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	if (!have) {
		nvh_test_skip("no IPv6 loopback address");
		return;
	}
	check_connect("6");
}

static void a_refused_connect_is_told_by_a_hangup_with_its_error(void)
{
	struct nvhi_stream_connect_opts opts;

	listen_on("4");
	opts = to_listener();
	nvhi_net_sockets.ops->unlisten(listener);
	CU_ASSERT_EQUAL_FATAL(nvhi_net_sockets.ops->connect(&nvhi_net_sockets, reactor, &opts,
							    on_event, &client->stream),
			      0);
	CU_ASSERT_EQUAL(client->calls, 0);
	client->closes_on_hangup = true;
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, client->hangups, 5000));
	CU_ASSERT_EQUAL(client->error, -ECONNREFUSED);
	CU_ASSERT_EQUAL(client->opens, 0);
	CU_ASSERT_EQUAL(client->calls, 1);
	teardown();
}

static void a_hangup_nobody_answers_is_told_once(void)
{
	struct nvhi_stream_connect_opts opts;

	listen_on("4");
	opts = to_listener();
	nvhi_net_sockets.ops->unlisten(listener);
	CU_ASSERT_EQUAL_FATAL(nvhi_net_sockets.ops->connect(&nvhi_net_sockets, reactor, &opts,
							    on_event, &client->stream),
			      0);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, client->hangups, 5000));
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 20), 0);
	CU_ASSERT_EQUAL(client->calls, 1);
	client->stream->ops->want(client->stream, NVHI_READABLE);
	client->stream->ops->close(client->stream, true);
	teardown();
}

static void what_forbids_a_connect_locally_is_returned_at_once(void)
{
	struct nvhi_stream_connect_opts opts;
	struct sockaddr_in not_ours = {.sin_family = AF_INET};

	listen_on("4");
	opts = to_listener();
	not_ours.sin_addr.s_addr = htonl(0xc6336401); /* 198.51.100.1, for documentation */
	memcpy(&opts.local, &not_ours, sizeof(not_ours));
	opts.local_len = sizeof(not_ours);
	CU_ASSERT_EQUAL(nvhi_net_sockets.ops->connect(&nvhi_net_sockets, reactor, &opts, on_event,
						      &client->stream),
			-EADDRNOTAVAIL);
	opts = to_listener();
	strcpy(opts.iface, "nvhost-no-if");
	CU_ASSERT_TRUE(nvhi_net_sockets.ops->connect(&nvhi_net_sockets, reactor, &opts, on_event,
						     &client->stream) < 0);
	CU_ASSERT_PTR_NULL(client->stream);
	close_all();
}

/* The descriptor of the stream whose own address has this port. */
static int fd_with_port(const char *name)
{
	int port = atoi(strrchr(name, ':') + 1);

	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in in;
		socklen_t len = sizeof(in);

		if (getsockname(fd, (struct sockaddr *)&in, &len) == 0 &&
		    in.sin_family == AF_INET && ntohs(in.sin_port) == port)
			return fd;
	}
	return -1;
}

static int socket_option(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	CU_ASSERT_EQUAL(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static void connect_options_reach_the_socket(void)
{
	struct nvhi_stream_connect_opts opts;
	struct sockaddr_in local = {.sin_family = AF_INET};
	char ours[64], peer[64];
	int fd;

	listen_on("4");
	opts = to_listener();
	local.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* 127.0.0.2 */
	memcpy(&opts.local, &local, sizeof(local));
	opts.local_len = sizeof(local);
	opts.tos = 0x20;
	opts.user_timeout_ms = 4321;
	opts.busy_poll_us = 50;
	CU_ASSERT_EQUAL_FATAL(nvhi_net_sockets.ops->connect(&nvhi_net_sockets, reactor, &opts,
							    on_event, &client->stream),
			      0);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, client->opens, 5000));
	client->stream->ops->names(client->stream, ours, sizeof(ours), peer, sizeof(peer));
	CU_ASSERT_EQUAL(strncmp(ours, "127.0.0.2:", 10), 0);
	fd = fd_with_port(ours);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(socket_option(fd, IPPROTO_IP, IP_TOS), 0x20);
	CU_ASSERT_EQUAL(socket_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
	CU_ASSERT_EQUAL(socket_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	for (unsigned int i = 0; i < accepted; i++)
		nvhi_net_sockets.ops->reject(&nvhi_net_sockets, accepted_pending[i]);
	close_all();
}

/* ---- data -------------------------------------------------------------------------------- */

static void bytes_arrive_through_several_elements(void)
{
	char a[3], b[10];
	struct iovec out[2] = {{.iov_base = (void *)(uintptr_t) "hel", .iov_len = 3},
			       {.iov_base = (void *)(uintptr_t) "lo", .iov_len = 2}};
	struct iovec in[2] = {{.iov_base = a, .iov_len = sizeof(a)},
			      {.iov_base = b, .iov_len = sizeof(b)}};

	connect_pair("4");
	CU_ASSERT_EQUAL(server->stream->ops->readv(server->stream, in, 2), -EAGAIN);
	CU_ASSERT_EQUAL(client->stream->ops->writev(client->stream, out, 2, false), 5);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->seen & NVHI_READABLE, 5000));
	CU_ASSERT_EQUAL(server->stream->ops->readv(server->stream, in, 2), 5);
	CU_ASSERT_EQUAL(memcmp(a, "hel", 3), 0);
	CU_ASSERT_EQUAL(memcmp(b, "lo", 2), 0);
	close_all();
}

static void a_full_stream_says_eagain_and_writable_when_there_is_room(void)
{
	static char chunk[65536];
	struct iovec iov = {.iov_base = chunk, .iov_len = sizeof(chunk)};
	size_t sent = 0;
	ssize_t got;

	connect_pair("4");
	while ((got = client->stream->ops->writev(client->stream, &iov, 1, false)) > 0)
		sent += (size_t)got;
	CU_ASSERT_EQUAL(got, -EAGAIN);
	client->seen = 0;
	client->stream->ops->want(client->stream, NVHI_READABLE | NVHI_WRITABLE);
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_FALSE(client->seen & NVHI_WRITABLE);
	server->drains = true;
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->received == sent, 20000));
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, client->seen & NVHI_WRITABLE, 5000));
	close_all();
}

static void an_unwanted_event_does_not_come(void)
{
	connect_pair("4");
	server->stream->ops->want(server->stream, 0);
	CU_ASSERT_EQUAL(end_send(client, "x"), 1);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 20), 0);
	CU_ASSERT_EQUAL(server->calls, 0);
	server->stream->ops->set_eager(server->stream, true);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 20), 0);
	CU_ASSERT_EQUAL(server->calls, 0);
	server->stream->ops->want(server->stream, NVHI_READABLE);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->seen & NVHI_READABLE, 5000));
	close_all();
}

static void within_the_machine_a_sender_runs_little_ahead(void)
{
	char local[64], peer[64];

	connect_pair("4");
	for (int i = 0; i < 2; i++) {
		int fd;

		ends[i].stream->ops->names(ends[i].stream, local, sizeof(local), peer,
					   sizeof(peer));
		fd = fd_with_port(local);
		CU_ASSERT_TRUE_FATAL(fd >= 0);
		CU_ASSERT_TRUE(socket_option(fd, SOL_SOCKET, SO_SNDBUF) <= 256 << 10);
	}
	close_all();
}

static void info_tells_of_unsent_and_unacknowledged_bytes(void)
{
	static char chunk[65536];
	struct iovec iov = {.iov_base = chunk, .iov_len = sizeof(chunk)};
	struct nvhi_stream_info info;

	connect_pair("4");
	CU_ASSERT_EQUAL(client->stream->ops->info(client->stream, &info), 0);
	CU_ASSERT_EQUAL(info.notsent_bytes, 0);
	CU_ASSERT_EQUAL(info.retransmits, 0);
	while (client->stream->ops->writev(client->stream, &iov, 1, false) > 0)
		;
	CU_ASSERT_EQUAL(client->stream->ops->info(client->stream, &info), 0);
	CU_ASSERT_TRUE(info.notsent_bytes > 0);
	close_all();
}

/* ---- ends -------------------------------------------------------------------------------- */

static void an_orderly_close_delivers_what_was_sent_then_the_end(void)
{
	connect_pair("4");
	server->drains = true;
	CU_ASSERT_EQUAL(end_send(client, "last words"), 10);
	client->stream->ops->close(client->stream, false);
	client->stream = NULL;
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->got_end, 5000));
	CU_ASSERT_EQUAL(server->received, 10);
	CU_ASSERT_EQUAL(server->error, 0);
	close_all();
}

static void a_half_closed_peer_still_takes_our_bytes(void)
{
	struct nvhi_stream_connect_opts opts;
	char buffer[8];
	int fd;

	listen_on("4");
	opts = to_listener();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&opts.peer, opts.peer_len), 0);
	CU_ASSERT_TRUE_FATAL(NVH_RUN_UNTIL(reactor, accepted == 1, 5000));
	CU_ASSERT_EQUAL_FATAL(nvhi_net_sockets.ops->adopt(&nvhi_net_sockets, reactor,
							  accepted_pending[0], on_event,
							  &server->stream),
			      0);
	server->drains = true;
	shutdown(fd, SHUT_WR);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->got_end, 5000));
	CU_ASSERT_EQUAL(end_send(server, "bye"), 3);
	CU_ASSERT_EQUAL(recv(fd, buffer, sizeof(buffer), 0), 3);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 10), 0); /* its end is no event any more */
	close(fd);
	close_all();
}

static void an_abort_resets_and_discards_what_was_not_sent(void)
{
	static char chunk[65536];
	struct iovec iov = {.iov_base = chunk, .iov_len = sizeof(chunk)};
	size_t sent = 0;
	ssize_t got;

	connect_pair("4");
	while ((got = client->stream->ops->writev(client->stream, &iov, 1, false)) > 0)
		sent += (size_t)got;
	client->stream->ops->close(client->stream, true);
	client->stream = NULL;
	server->drains = true;
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->error, 20000));
	CU_ASSERT_EQUAL(server->error, -ECONNRESET);
	CU_ASSERT_TRUE(server->received < sent);
	CU_ASSERT_FALSE(server->got_end);
	CU_ASSERT_EQUAL(end_send(server, "x"), -EPIPE);
	close_all();
}

static void a_reset_reaches_a_stream_that_reads_nothing(void)
{
	connect_pair("4");
	server->stream->ops->want(server->stream, 0);
	client->stream->ops->close(client->stream, true);
	client->stream = NULL;
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->hangups, 5000));
	CU_ASSERT_EQUAL(server->error, -ECONNRESET);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 10), 0);
	CU_ASSERT_EQUAL(server->hangups, 1);
	close_all();
}

static void a_stream_closed_in_its_own_event_is_left_alone(void)
{
	connect_pair("4");
	server->stream->ops->want(server->stream, 0);
	server->closes_on_hangup = true;
	client->stream->ops->close(client->stream, true);
	client->stream = NULL;
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, server->hangups, 5000));
	CU_ASSERT_PTR_NULL(server->stream);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 10), 0);
	close_all();
}

/* ---- listeners --------------------------------------------------------------------------- */

static void port_zero_is_replaced_by_the_bound_one(void)
{
	struct sockaddr_in *in;

	listen_on("4");
	in = (struct sockaddr_in *)&listener->addr;
	CU_ASSERT_EQUAL(listener->addr_len, sizeof(*in));
	CU_ASSERT_NOT_EQUAL(in->sin_port, 0);
	close_all();
}

static void an_address_in_use_is_refused(void)
{
	struct nvhi_listener *second = NULL;

	listen_on("4");
	CU_ASSERT_EQUAL(nvhi_net_sockets.ops->listen(&nvhi_net_sockets, reactor,
						     (struct sockaddr *)&listener->addr,
						     listener->addr_len, 1, on_accept, &second),
			-EADDRINUSE);
	CU_ASSERT_PTR_NULL(second);
	close_all();
}

static void unlisten_on_accept(struct nvhi_listener *from, intptr_t pending)
{
	nvhi_net_sockets.ops->reject(&nvhi_net_sockets, pending);
	nvhi_net_sockets.ops->unlisten(from);
	listener = NULL;
	accepted++;
}

static void a_listener_may_end_inside_its_accept(void)
{
	listen_on("4");
	listener->on_accept = unlisten_on_accept;
	CU_ASSERT_EQUAL(connect_end(&ends[0]), 0);
	CU_ASSERT_EQUAL(connect_end(&ends[1]), 0);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, accepted > 0, 5000));
	CU_ASSERT_EQUAL(accepted, 1);
	nvhi_reactor_run(reactor, 0);
	for (int i = 0; i < 2; i++)
		ends[i].stream->ops->close(ends[i].stream, true);
	teardown();
}

static unsigned int warnings;

static void count_warnings(enum nvhi_log_level level, const char *component, const char *line)
{
	(void)component;
	warnings += level == NVHI_LOG_WARN && strstr(line, "cannot accept") != NULL;
}

static void a_listener_without_descriptors_rests_says_so_once_and_recovers(void)
{
	struct nvhi_reactor_stats before, after;
	struct rlimit limit, low;
	uint64_t end;

	listen_on("4");
	warnings = 0;
	nvhi_log_set_hook(count_warnings);
	CU_ASSERT_EQUAL_FATAL(connect_end(client), 0);
	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = 3; /* nothing new; what is open stays */
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &low), 0);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, warnings > 0, 5000));
	nvhi_reactor_stats(reactor, &before);
	end = nvh_test_ms() + 250;
	while (nvh_test_ms() < end)
		nvhi_reactor_run(reactor, 50);
	nvhi_reactor_stats(reactor, &after);
	CU_ASSERT_EQUAL(warnings, 1);
	CU_ASSERT_EQUAL(accepted, 0);
	CU_ASSERT_TRUE(after.epoll_waits - before.epoll_waits < 60);
	setrlimit(RLIMIT_NOFILE, &limit);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, accepted == 1, 5000));
	nvhi_net_sockets.ops->reject(&nvhi_net_sockets, accepted_pending[0]);
	nvhi_log_set_hook(NULL);
	close_all();
}

static int connect_and_close(void *arg)
{
	struct nvhi_stream_connect_opts opts = to_listener();
	struct nvhi_stream *stream = NULL;
	int err;

	(void)arg;
	err = nvhi_net_sockets.ops->connect(&nvhi_net_sockets, reactor, &opts, on_event, &stream);
	if (!err)
		stream->ops->close(stream, true);
	return err;
}

static int listen_and_close(void *arg)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct nvhi_listener *made = NULL;
	int err;

	(void)arg;
	err = nvhi_net_sockets.ops->listen(&nvhi_net_sockets, reactor, (struct sockaddr *)&in,
					   sizeof(in), 1, on_accept, &made);
	if (!err)
		nvhi_net_sockets.ops->unlisten(made);
	return err;
}

static void streams_and_listeners_survive_allocation_failures(void)
{
	listen_on("4");
	CU_ASSERT_EQUAL(nvh_alloc_walk(connect_and_close, NULL, false), 1);
	CU_ASSERT_EQUAL(nvh_alloc_walk(listen_and_close, NULL, false), 1);
	close_all();
}

NVH_UNIT_MAIN("base/stream_sock", NVH_TEST(a_connect_opens_once_over_ipv4),
	      NVH_TEST(a_connect_opens_once_over_ipv6),
	      NVH_TEST(a_refused_connect_is_told_by_a_hangup_with_its_error),
	      NVH_TEST(a_hangup_nobody_answers_is_told_once),
	      NVH_TEST(what_forbids_a_connect_locally_is_returned_at_once),
	      NVH_TEST(connect_options_reach_the_socket),
	      NVH_TEST(bytes_arrive_through_several_elements),
	      NVH_TEST(a_full_stream_says_eagain_and_writable_when_there_is_room),
	      NVH_TEST(an_unwanted_event_does_not_come),
	      NVH_TEST(within_the_machine_a_sender_runs_little_ahead),
	      NVH_TEST(info_tells_of_unsent_and_unacknowledged_bytes),
	      NVH_TEST(an_orderly_close_delivers_what_was_sent_then_the_end),
	      NVH_TEST(a_half_closed_peer_still_takes_our_bytes),
	      NVH_TEST(an_abort_resets_and_discards_what_was_not_sent),
	      NVH_TEST(a_reset_reaches_a_stream_that_reads_nothing),
	      NVH_TEST(a_stream_closed_in_its_own_event_is_left_alone),
	      NVH_TEST(port_zero_is_replaced_by_the_bound_one),
	      NVH_TEST(an_address_in_use_is_refused),
	      NVH_TEST(a_listener_may_end_inside_its_accept),
	      NVH_TEST(a_listener_without_descriptors_rests_says_so_once_and_recovers),
	      NVH_TEST(streams_and_listeners_survive_allocation_failures))
