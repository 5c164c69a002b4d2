/*
 * Byte streams over non-blocking sockets. Readiness comes from the reactor; each readv and writev
 * is one syscall. A hang-up that the owner of the stream does not answer with close or want is
 * told once, not in every turn. On the stream's reactor.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/stream_sock.h"

struct sock_stream {
	struct nvhi_stream stream;
	struct nvhi_source source;
	unsigned int wanted;
	bool connecting;
	bool deaf;         /* the source is taken off: a hang-up was told and not answered */
	bool *closed_flag; /* set by close while an event is being delivered */
};

static const struct nvhi_stream_ops sock_stream_ops;

static struct sock_stream *sock_of(struct nvhi_stream *stream)
{
	return nvhi_container_of(stream, struct sock_stream, stream);
}

/* ---- events ------------------------------------------------------------------------------ */

static int sock_error(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	return -err;
}

/* The connect has come to an end: what to tell. */
static unsigned int sock_connect_done(struct sock_stream *sock, unsigned int events)
{
	if (sock->stream.error == 0)
		sock->stream.error = sock_error(sock->source.fd);
	if (sock->stream.error == 0 && !(events & NVHI_WRITABLE))
		return 0;
	sock->connecting = false;
	if (sock->stream.error)
		return NVHI_HANGUP;
	nvhi_source_modify(sock->stream.reactor, &sock->source, sock->wanted);
	return NVHI_STREAM_OPEN | NVHI_WRITABLE;
}

static int sock_event(struct nvhi_source *source, unsigned int events)
{
	struct sock_stream *sock = nvhi_container_of(source, struct sock_stream, source);
	bool closed = false;
	int done;

	if (sock->connecting) {
		events = sock_connect_done(sock, events);
		if (!events)
			return 0;
	} else if ((events & NVHI_HANGUP) && sock->stream.error == 0 && !(events & NVHI_READABLE)) {
		/* With bytes still readable the error is left to readv, behind them. */
		sock->stream.error = sock_error(source->fd);
	}
	if (!(events & NVHI_HANGUP))
		return sock->stream.on_event(&sock->stream, events);

	sock->closed_flag = &closed;
	done = sock->stream.on_event(&sock->stream, events);
	if (closed)
		return done;
	sock->closed_flag = NULL;
	if (!(sock->wanted & NVHI_READABLE) || sock->stream.error) {
		int fd = source->fd;

		nvhi_source_remove(sock->stream.reactor, source);
		source->fd = fd;
		sock->deaf = true;
	}
	return done;
}

/* ---- the stream's slots ------------------------------------------------------------------ */

/* Measured with nothing there: recv 255 ns, recvmsg 340, readv 390. */
static ssize_t sock_readv(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
			     .msg_iovlen = (size_t)iovcnt};
	int fd = sock_of(stream)->source.fd;
	ssize_t got;

	do {
		got = iovcnt == 1 ? recv(fd, iov->iov_base, iov->iov_len, 0) : recvmsg(fd, &msg, 0);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t sock_writev(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt,
			   bool more)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
			     .msg_iovlen = (size_t)iovcnt};
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	int fd = sock_of(stream)->source.fd;
	ssize_t sent;

	do {
		sent = iovcnt == 1 ? send(fd, iov->iov_base, iov->iov_len, flags)
				   : sendmsg(fd, &msg, flags);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static void sock_want(struct nvhi_stream *stream, unsigned int events)
{
	struct sock_stream *sock = sock_of(stream);

	sock->wanted = events;
	if (sock->deaf) {
		if (nvhi_source_add(stream->reactor, &sock->source, sock->source.fd, events,
				    sock_event) < 0)
			return; /* epoll is out of memory: it stays deaf, deadlines take over */
		sock->deaf = false;
	} else if (!sock->connecting) {
		nvhi_source_modify(stream->reactor, &sock->source, events);
	}
}

static void sock_set_eager(struct nvhi_stream *stream, bool eager)
{
	struct sock_stream *sock = sock_of(stream);

	if (!sock->deaf)
		nvhi_source_set_eager(stream->reactor, &sock->source, eager);
}

/* On: closing it, be it by the kernel because the process was killed, discards what was not sent and
 * resets the connection, so that nothing reaches the peer later. */
static void sock_linger_none(int fd, bool on)
{
	struct linger linger = {.l_onoff = on, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void sock_close(struct nvhi_stream *stream, bool abort)
{
	struct sock_stream *sock = sock_of(stream);
	int fd = sock->source.fd;

	if (!sock->deaf)
		nvhi_source_remove(stream->reactor, &sock->source);
	sock_linger_none(fd, abort);
	close(fd);
	if (sock->closed_flag)
		*sock->closed_flag = true;
	free(sock);
}

static int sock_info(struct nvhi_stream *stream, struct nvhi_stream_info *ret_info)
{
	int fd = sock_of(stream)->source.fd, notsent = 0;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    ioctl(fd, SIOCOUTQNSD, &notsent) < 0)
		return -errno;
	ret_info->rtt_us = info.tcpi_rtt;
	ret_info->unacked = info.tcpi_unacked;
	ret_info->retransmits = info.tcpi_retransmits;
	ret_info->last_ack_ago_ms = info.tcpi_last_ack_recv;
	ret_info->notsent_bytes = (uint32_t)notsent;
	return 0;
}

void nvhi_sock_addr_text(const struct sockaddr *addr, char *out, size_t len)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;
	char text[INET6_ADDRSTRLEN], zone[IF_NAMESIZE + 1] = "%";

	if (addr->sa_family == AF_INET && inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text))) {
		snprintf(out, len, "%s:%u", text, ntohs(in->sin_port));
	} else if (addr->sa_family == AF_INET6 &&
		   inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text))) {
		if (in6->sin6_scope_id == 0 || !if_indextoname(in6->sin6_scope_id, zone + 1))
			zone[0] = '\0';
		snprintf(out, len, "[%s%s]:%u", text, zone, ntohs(in6->sin6_port));
	} else {
		snprintf(out, len, "?");
	}
}

static void sock_names(struct nvhi_stream *stream, char *local, size_t local_len, char *peer,
		       size_t peer_len)
{
	int fd = sock_of(stream)->source.fd;
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0, sizeof(addr));
	getsockname(fd, (struct sockaddr *)&addr, &len);
	nvhi_sock_addr_text((struct sockaddr *)&addr, local, local_len);
	len = sizeof(addr);
	memset(&addr, 0, sizeof(addr));
	getpeername(fd, (struct sockaddr *)&addr, &len);
	nvhi_sock_addr_text((struct sockaddr *)&addr, peer, peer_len);
}

static const struct nvhi_stream_ops sock_stream_ops = {
	.readv = sock_readv,
	.writev = sock_writev,
	.want = sock_want,
	.set_eager = sock_set_eager,
	.close = sock_close,
	.info = sock_info,
	.names = sock_names,
};

/* ---- making them ------------------------------------------------------------------------- */

#define LOCAL_SNDBUF (128 << 10) /* the kernel doubles it */

/* Takes over `fd` on success only. */
static int sock_create(struct nvh_reactor *reactor, int fd, unsigned int events,
		       nvhi_stream_event_fn on_event, struct sock_stream **ret_sock)
{
	struct sock_stream *sock = calloc(1, sizeof(*sock));
	int err;

	if (!sock)
		return -ENOMEM;
	sock->stream.ops = &sock_stream_ops;
	sock->stream.reactor = reactor;
	sock->stream.on_event = on_event;
	sock->wanted = NVHI_READABLE;
	err = nvhi_source_add(reactor, &sock->source, fd, events, sock_event);
	if (err) {
		free(sock);
		return err;
	}
	*ret_sock = sock;
	return 0;
}

static int sock_set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Capsules are sent whole: waiting to fill a segment only adds latency. Other families than IP
 * (a socketpair in a test) have no such option. */
static void sock_no_delay(int fd)
{
	sock_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static bool sock_is_local(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr ||
		       ntohl(b4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return a->ss_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

/*
 * Between two ends on one machine there is nothing for a send buffer to bridge: with the system's
 * own megabytes a sender runs so far ahead that its bytes have left the cache when they are read.
 * Measured with 128 KiB at QD 32: reads 2.3, writes 1.8 times as fast, at half the CPU time.
 * Towards other machines the system's auto-tuning stays.
 */
static void sock_tune_local(int fd, const struct sockaddr_storage *peer)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &len) == 0 && sock_is_local(&local, peer))
		sock_set_int(fd, SOL_SOCKET, SO_SNDBUF, LOCAL_SNDBUF);
}

static int sock_apply(int fd, const struct nvhi_stream_connect_opts *opts)
{
	bool v6 = opts->peer.ss_family == AF_INET6;
	int err = 0;

	sock_no_delay(fd);
	if (opts->tos >= 0)
		err = v6 ? sock_set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, opts->tos)
			 : sock_set_int(fd, IPPROTO_IP, IP_TOS, opts->tos);
	if (!err && opts->user_timeout_ms)
		err = sock_set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)opts->user_timeout_ms);
	if (!err && opts->iface[0] &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, opts->iface,
		       (socklen_t)strnlen(opts->iface, sizeof(opts->iface))) < 0)
		err = -errno;
	if (!err && opts->local_len &&
	    bind(fd, (const struct sockaddr *)&opts->local, opts->local_len) < 0)
		err = -errno;
	/* A tuning that needs privilege above the system's own value; without it all still works.
	 */
	if (!err && opts->busy_poll_us)
		sock_set_int(fd, SOL_SOCKET, SO_BUSY_POLL, (int)opts->busy_poll_us);
	return err;
}

/*
 * What stands in the way before the first packet (no such interface, an address that is not ours)
 * is returned; all the network says comes as an event, at once though it may be known.
 */
static int sock_connect(struct nvhi_net *net, struct nvh_reactor *reactor,
			const struct nvhi_stream_connect_opts *opts, nvhi_stream_event_fn on_event,
			struct nvhi_stream **ret_stream)
{
	struct sock_stream *sock;
	int fd, err, early = 0;

	(void)net;
	fd = socket(opts->peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = sock_apply(fd, opts);
	if (err)
		goto err_close;
	sock_linger_none(fd, true); /* until an orderly close says otherwise */
	if (connect(fd, (const struct sockaddr *)&opts->peer, opts->peer_len) < 0 &&
	    errno != EINPROGRESS && errno != EINTR)
		early = -errno;
	sock_tune_local(fd, &opts->peer);
	/* An unconnected socket is writable and hung up: epoll delivers the early error too. */
	err = sock_create(reactor, fd, NVHI_WRITABLE, on_event, &sock);
	if (err)
		goto err_close;
	sock->connecting = true;
	sock->stream.error = early;
	*ret_stream = &sock->stream;
	return 0;

err_close:
	close(fd);
	return err;
}

static int sock_adopt(struct nvhi_net *net, struct nvh_reactor *reactor, intptr_t pending,
		      nvhi_stream_event_fn on_event, struct nvhi_stream **ret_stream)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct sock_stream *sock;
	int err;

	(void)net;
	sock_no_delay((int)pending);
	if (getpeername((int)pending, (struct sockaddr *)&peer, &len) == 0)
		sock_tune_local((int)pending, &peer);
	err = sock_create(reactor, (int)pending, NVHI_READABLE, on_event, &sock);
	if (err)
		return err;
	*ret_stream = &sock->stream;
	return 0;
}

static void sock_reject(struct nvhi_net *net, intptr_t pending)
{
	(void)net;
	close((int)pending);
}

static const struct nvhi_net_ops sock_net_ops = {
	.connect = sock_connect,
	.listen = nvhi_sock_listen,
	.unlisten = nvhi_sock_unlisten,
	.adopt = sock_adopt,
	.reject = sock_reject,
};

struct nvhi_net nvhi_net_sockets = {.ops = &sock_net_ops};
