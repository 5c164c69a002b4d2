/*
 * Listening sockets. A turn accepts a bounded number; when the process has no descriptor or memory
 * left the listener rests for a while (the backlog keeps the callers) instead of being woken again
 * and again. On the listener's reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stream_sock.h"

#define LISTENER_ACCEPTS_PER_TURN 16
#define LISTENER_REST_NS          (100 * NVHI_NSEC_PER_MSEC)

struct sock_listener {
	struct nvhi_listener listener;
	struct nvhi_source source;
	struct nvhi_timer rest;
	bool starved;      /* said so in the log; cleared by the next accept that works */
	bool *closed_flag; /* set by unlisten while a connection is being handed out */
};

static void listener_starve(struct sock_listener *sock, int err)
{
	struct nvh_reactor *reactor = sock->listener.reactor;

	if (!sock->starved) {
		char name[64];

		nvhi_sock_addr_text((struct sockaddr *)&sock->listener.addr, name, sizeof(name));
		nvhi_log(WARN, BASE,
			 "listener %s: cannot accept: %s; connections wait (raise RLIMIT_NOFILE "
			 "with ulimit -n or LimitNOFILE=)",
			 name, strerror(err));
	}
	sock->starved = true;
	if (nvhi_timer_arm(reactor, &sock->rest, LISTENER_REST_NS) == 0)
		nvhi_source_modify(reactor, &sock->source, 0);
}

static void listener_rested(struct nvhi_timer *timer)
{
	struct sock_listener *sock = nvhi_container_of(timer, struct sock_listener, rest);

	if (nvhi_source_modify(sock->listener.reactor, &sock->source, NVHI_READABLE) < 0)
		nvhi_timer_arm(sock->listener.reactor, timer, LISTENER_REST_NS);
}

static int listener_event(struct nvhi_source *source, unsigned int events)
{
	struct sock_listener *sock = nvhi_container_of(source, struct sock_listener, source);
	bool closed = false;
	int count = 0;

	(void)events;
	sock->closed_flag = &closed;
	while (count < LISTENER_ACCEPTS_PER_TURN) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			count++;
			sock->starved = false;
			sock->listener.on_accept(&sock->listener, fd);
			if (closed)
				return count;
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			listener_starve(sock, errno);
		else if (errno != EAGAIN && errno != EWOULDBLOCK)
			count++; /* of this one connection (accept(2)): look at the next one */
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		break;
	}
	sock->closed_flag = NULL;
	return count;
}

static int listener_open(const struct sockaddr *addr, socklen_t addr_len, int backlog, int *ret_fd)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, err;

	if (fd < 0)
		return -errno;
	/* adrfam says which protocol is meant: [::]:4420 leaves 0.0.0.0:4420 to others. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (addr->sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    bind(fd, addr, addr_len) < 0 || listen(fd, backlog) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int nvhi_sock_listen(struct nvhi_net *net, struct nvh_reactor *reactor, const struct sockaddr *addr,
		     socklen_t addr_len, int backlog, nvhi_accept_fn on_accept,
		     struct nvhi_listener **ret_listener)
{
	struct sock_listener *sock = calloc(1, sizeof(*sock));
	int fd = -1, err;

	if (!sock)
		return -ENOMEM;
	err = listener_open(addr, addr_len, backlog, &fd);
	if (err)
		goto err_free;
	sock->listener.net = net;
	sock->listener.reactor = reactor;
	sock->listener.on_accept = on_accept;
	sock->listener.addr_len = sizeof(sock->listener.addr);
	sock->rest.fn = listener_rested;
	if (getsockname(fd, (struct sockaddr *)&sock->listener.addr, &sock->listener.addr_len) <
	    0) {
		err = -errno;
		goto err_close;
	}
	err = nvhi_source_add(reactor, &sock->source, fd, NVHI_READABLE, listener_event);
	if (err)
		goto err_close;
	*ret_listener = &sock->listener;
	return 0;

err_close:
	close(fd);
err_free:
	free(sock);
	return err;
}

void nvhi_sock_unlisten(struct nvhi_listener *listener)
{
	struct sock_listener *sock = nvhi_container_of(listener, struct sock_listener, listener);
	int fd = sock->source.fd;

	nvhi_timer_cancel(listener->reactor, &sock->rest);
	nvhi_source_remove(listener->reactor, &sock->source);
	close(fd);
	if (sock->closed_flag)
		*sock->closed_flag = true;
	free(sock);
}
