/*
 * The simulated network's interface: connect, listen, accept, read, write, close, and the events of
 * each reactor's streams, which a poller of the reactor tells as epoll would: for as long as they
 * hold. Which streams are told first, how much a read gives and a write takes is drawn.
 */
#include "tests/sim/net_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_net sim_net;

static const struct nvhi_stream_ops sim_stream_ops;

/* ---- links ----------------------------------------------------------------------------------- */

uint64_t sim_link_arrival(const struct sim_link *link, enum sim_dir dir)
{
	uint64_t at = sim.now + link->latency[dir] + link->slow[dir];

	if (link->jitter)
		at += sim_below(sim_rng(SIM_RNG_NET), link->jitter);
	return link->silent[dir] ? NVHI_NEVER : at;
}

static bool addr_link(const struct sockaddr *addr, unsigned int *ret_link)
{
	const struct sockaddr_in *in = (const void *)addr;
	unsigned int host = ntohl(in->sin_addr.s_addr) & 0xff;

	if (addr->sa_family != AF_INET || host == 0 || host > SIM_LINKS)
		return false;
	*ret_link = host - 1;
	return true;
}

static struct sim_listener *find_listener(unsigned int link)
{
	struct sim_listener *l;

	nvhi_list_for_each(l, &sim_net.listeners, link_all)
		if (l->link == link)
			return l;
	return NULL;
}

/* ---- reading and writing --------------------------------------------------------------------- */

/* All of it mostly, else a part that is drawn. */
static size_t some(size_t len)
{
	if (len <= 1 || sim_chance(sim_rng(SIM_RNG_NET), 75))
		return len;
	return sim_between(sim_rng(SIM_RNG_NET), 1, len);
}

static size_t iov_total(const struct iovec *iov, int iovcnt)
{
	size_t len = 0;

	for (int i = 0; i < iovcnt; i++)
		len += iov[i].iov_len;
	return len;
}

static ssize_t stream_readv(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt)
{
	struct sim_stream *s = sim_stream_of(stream);
	struct sim_pipe *in = sim_in(s);
	size_t arrived = sim_pipe_arrived(in), want = iov_total(iov, iovcnt), left;

	if (arrived == 0) {
		if (sim_pipe_rst_arrived(in))
			return -ECONNRESET;
		return sim_pipe_fin_arrived(in) && in->len == 0 ? 0 : -EAGAIN;
	}
	left = want < arrived ? want : arrived;
	want = left;
	left = some(left);
	sim_net.stats.short_reads += left < want;
	want = left;
	s->poller->attention = true;
	if (s->conn->end[!s->side])
		s->conn->end[!s->side]->poller->attention = true; /* there is room again */
	for (int i = 0; left > 0; i++) {
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		sim_pipe_take(in, iov[i].iov_base, part);
		left -= part;
	}
	return (ssize_t)want;
}

/* The peer has closed: what we say is answered with a reset, if it gets there and back. */
static void talk_to_the_dead(struct sim_stream *s)
{
	struct sim_link *link = &sim_net.links[s->conn->link];
	enum sim_dir there = s->side == 0 ? SIM_TO_TARGET : SIM_TO_HOST;
	struct sim_pipe *in = sim_in(s);

	if (link->silent[there] || link->silent[!there] || in->rst)
		return;
	in->rst = true;
	in->rst_at = sim_link_arrival(link, there) - sim.now + sim_link_arrival(link, !there);
}

/* One of the last `len` bytes sent is turned over, if a fault asked for it. The handshake's 128
 * bytes have no digest. */
static void corrupt(struct sim_stream *s, size_t len)
{
	struct sim_link *link = &sim_net.links[s->conn->link];
	struct sim_pipe *out = sim_out(s);
	size_t back;

	if (!link->corrupt || len == 0 || out->sent - len < 128)
		return;
	link->corrupt = false;
	back = sim_between(sim_rng(SIM_RNG_FAULT), 1, len);
	out->buf[(out->head + out->len - back) % sim_net.capacity] ^=
		(uint8_t)sim_between(sim_rng(SIM_RNG_FAULT), 1, 255);
}

static ssize_t stream_writev(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt,
			     bool more)
{
	struct sim_stream *s = sim_stream_of(stream);
	enum sim_dir dir = s->side == 0 ? SIM_TO_TARGET : SIM_TO_HOST;
	struct sim_pipe *out = sim_out(s);
	size_t len = iov_total(iov, iovcnt), room = sim_pipe_room(out), left;
	uint64_t arrive;

	(void)more;
	sim_net.changed = true;
	if (sim_pipe_rst_arrived(sim_in(s)))
		return -EPIPE;
	if (!s->conn->end[!s->side] && !s->conn->pending) {
		talk_to_the_dead(s);
		return (ssize_t)len;
	}
	if (out->fin)
		return (ssize_t)len; /* a fault ended this direction: nobody will read it */
	if (room == 0) {
		sim_net.stats.full++;
		return -EAGAIN;
	}
	left = len < room ? len : room;
	left = some(left);
	sim_net.stats.short_writes += left < len;
	sim_net.stats.bytes += left;
	len = left;
	arrive = sim_link_arrival(&sim_net.links[s->conn->link], dir);
	for (int i = 0; left > 0; i++) {
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		if (part)
			sim_pipe_put(out, arrive, iov[i].iov_base, part);
		left -= part;
	}
	corrupt(s, len);
	return (ssize_t)len;
}

static void stream_want(struct nvhi_stream *stream, unsigned int events)
{
	struct sim_stream *s = sim_stream_of(stream);

	s->wanted = events;
	s->deaf = false;
	s->poller->attention = true;
}

static void stream_set_eager(struct nvhi_stream *stream, bool eager)
{
	sim_stream_of(stream)->eager = eager;
	sim_stream_of(stream)->poller->attention = true;
}

static int stream_info(struct nvhi_stream *stream, struct nvhi_stream_info *ret_info)
{
	(void)stream;
	(void)ret_info;
	return -EOPNOTSUPP;
}

static void stream_names(struct nvhi_stream *stream, char *local, size_t local_len, char *peer,
			 size_t peer_len)
{
	struct sim_stream *s = sim_stream_of(stream);
	char host[64], target[64];

	snprintf(host, sizeof(host), "198.51.100.1:%u", s->conn->port);
	snprintf(target, sizeof(target), "192.0.2.%u:4420", s->conn->link + 1);
	snprintf(local, local_len, "%s", s->side == 0 ? host : target);
	snprintf(peer, peer_len, "%s", s->side == 0 ? target : host);
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct sim_stream *stream_new(struct sim_conn *conn, int side, struct nvh_reactor *reactor,
				     nvhi_stream_event_fn on_event)
{
	struct sim_stream *s = calloc(1, sizeof(*s));

	s->stream.ops = &sim_stream_ops;
	s->stream.reactor = reactor;
	s->stream.on_event = on_event;
	s->conn = conn;
	s->side = side;
	s->wanted = NVHI_READABLE;
	s->poller = sim_net_poller(reactor);
	conn->end[side] = s;
	nvhi_list_add_tail(&s->poller->streams, &s->link);
	sim_net_attention();
	sim_net.stats.streams++;
	return s;
}

void sim_conn_check_free(struct sim_conn *conn)
{
	if (conn->end[0] || conn->end[1] || conn->pending)
		return;
	nvhi_list_del(&conn->link_all);
	sim_pipe_done(&conn->pipe[0]);
	sim_pipe_done(&conn->pipe[1]);
	free(conn);
	sim_net.stats.conns--;
}

/* The end says no more: orderly, behind what it sent; or at once, and what has not arrived is gone.
 */
static void conn_close_end(struct sim_conn *conn, int side, bool abort)
{
	struct sim_link *link = &sim_net.links[conn->link];
	enum sim_dir dir = side == 0 ? SIM_TO_TARGET : SIM_TO_HOST;
	struct sim_pipe *out = &conn->pipe[dir], *in = &conn->pipe[!dir];
	uint64_t arrive;

	abort |= in->len > 0; /* unread bytes turn a close into a reset, as the kernel does */
	if (abort)
		sim_pipe_drop_unarrived(out);
	arrive = sim_link_arrival(link, dir);
	if (abort && arrive != NVHI_NEVER && !out->rst) {
		out->rst = true;
		out->rst_at = arrive;
	} else if (!abort) {
		out->fin = true;
		out->fin_at = arrive < out->last_arrive ? out->last_arrive : arrive;
	}
}

static void stream_close(struct nvhi_stream *stream, bool abort)
{
	struct sim_stream *s = sim_stream_of(stream);
	struct sim_net_poller *poller = s->poller;
	struct sim_conn *conn = s->conn;
	int side = s->side;

	sim_net_attention();
	SIM_TRACE("net: link %llu port %llu side %llu closes, abort %llu", conn->link, conn->port,
		  (unsigned long long)side, abort);
	if (poller->next == &s->link)
		poller->next = s->link.next;
	nvhi_list_del(&s->link);
	conn->end[side] = NULL;
	free(s);
	sim_net.stats.streams--;
	if (conn->connecting) {
		conn->connecting = false; /* the attempt is given up, nobody was there yet */
	} else {
		conn_close_end(conn, side, abort);
	}
	sim_conn_check_free(conn);
}

static const struct nvhi_stream_ops sim_stream_ops = {
	.readv = stream_readv,
	.writev = stream_writev,
	.want = stream_want,
	.set_eager = stream_set_eager,
	.close = stream_close,
	.info = stream_info,
	.names = stream_names,
};

static uint64_t syn_arrival(const struct sim_link *link)
{
	if (link->silent[0] || link->silent[1])
		return NVHI_NEVER;
	return sim_link_arrival(link, SIM_TO_TARGET) - sim.now +
	       sim_link_arrival(link, SIM_TO_HOST);
}

static int net_connect(struct nvhi_net *net, struct nvh_reactor *reactor,
		       const struct nvhi_stream_connect_opts *opts, nvhi_stream_event_fn on_event,
		       struct nvhi_stream **ret_stream)
{
	struct sim_conn *conn;
	unsigned int link;

	(void)net;
	if (!addr_link((const struct sockaddr *)&opts->peer, &link))
		return -ENETUNREACH;
	if (sim_net.links[link].refuse && sim_net.next_port++ % 4 == 0)
		return -EHOSTUNREACH; /* known at once */
	conn = calloc(1, sizeof(*conn));
	conn->link = link;
	conn->port = sim_net.next_port++;
	conn->connecting = true;
	conn->syn_at = syn_arrival(&sim_net.links[link]);
	sim_pipe_init(&conn->pipe[0]);
	sim_pipe_init(&conn->pipe[1]);
	nvhi_list_init(&conn->link_backlog);
	nvhi_list_add_tail(&sim_net.conns, &conn->link_all);
	sim_net.stats.conns++;
	sim_net.stats.connects++;
	SIM_TRACE("net: link %llu port %llu connects", link, conn->port);
	*ret_stream = &stream_new(conn, 0, reactor, on_event)->stream;
	return 0;
}

static int net_listen(struct nvhi_net *net, struct nvh_reactor *reactor,
		      const struct sockaddr *addr, socklen_t addr_len, int backlog,
		      nvhi_accept_fn on_accept, struct nvhi_listener **ret_listener)
{
	struct sim_listener *l;
	unsigned int link;

	(void)backlog;
	if (!addr_link(addr, &link))
		return -EADDRNOTAVAIL;
	if (find_listener(link))
		return -EADDRINUSE;
	l = calloc(1, sizeof(*l));
	l->link = link;
	l->listener.net = net;
	l->listener.reactor = reactor;
	l->listener.on_accept = on_accept;
	memcpy(&l->listener.addr, addr, addr_len);
	l->listener.addr_len = addr_len;
	nvhi_list_init(&l->backlog);
	nvhi_list_add_tail(&sim_net.listeners, &l->link_all);
	nvhi_list_add_tail(&sim_net_poller(reactor)->listeners, &l->link_poll);
	sim_net.stats.listeners++;
	*ret_listener = &l->listener;
	return 0;
}

static void net_reject(struct nvhi_net *net, intptr_t pending)
{
	struct sim_conn *conn = (struct sim_conn *)pending;

	(void)net;
	conn->pending = false;
	sim_net_attention();
	conn_close_end(conn, 1, true);
	sim_conn_check_free(conn);
}

static void net_unlisten(struct nvhi_listener *listener)
{
	struct sim_listener *l = nvhi_container_of(listener, struct sim_listener, listener);

	while (!nvhi_list_empty(&l->backlog)) {
		struct sim_conn *conn = nvhi_list_first(&l->backlog, struct sim_conn, link_backlog);

		nvhi_list_del(&conn->link_backlog);
		net_reject(listener->net, (intptr_t)conn);
	}
	nvhi_list_del(&l->link_all);
	nvhi_list_del(&l->link_poll);
	if (l->closed_flag)
		*l->closed_flag = true;
	free(l);
	sim_net.stats.listeners--;
}

static int net_adopt(struct nvhi_net *net, struct nvh_reactor *reactor, intptr_t pending,
		     nvhi_stream_event_fn on_event, struct nvhi_stream **ret_stream)
{
	struct sim_conn *conn = (struct sim_conn *)pending;
	struct sim_stream *s = stream_new(conn, 1, reactor, on_event);

	(void)net;
	s->told_open = true;
	conn->pending = false;
	*ret_stream = &s->stream;
	return 0;
}

static const struct nvhi_net_ops sim_net_ops = {
	.connect = net_connect,
	.listen = net_listen,
	.unlisten = net_unlisten,
	.adopt = net_adopt,
	.reject = net_reject,
};

/* ---- events ---------------------------------------------------------------------------------- */

/* The outcome of a connect that is due. */
static int poll_connecting(struct sim_stream *s)
{
	struct sim_conn *conn = s->conn;
	struct sim_listener *l = find_listener(conn->link);

	if (conn->syn_at > sim.now)
		return 0;
	conn->connecting = false;
	if (!l || sim_net.links[conn->link].refuse) {
		s->stream.error = -ECONNREFUSED;
		s->deaf = true;
		return s->stream.on_event(&s->stream, NVHI_HANGUP) + 1;
	}
	conn->pending = true;
	sim_net_attention();
	nvhi_list_add_tail(&l->backlog, &conn->link_backlog);
	s->told_open = true;
	return s->stream.on_event(&s->stream, NVHI_STREAM_OPEN | NVHI_WRITABLE) + 1;
}

static int poll_stream(struct sim_stream *s)
{
	struct sim_pipe *in = sim_in(s), *out = sim_out(s);
	unsigned int events = 0;
	bool reset = sim_pipe_rst_arrived(in);

	if (s->deaf)
		return 0;
	if (s->conn->connecting)
		return poll_connecting(s);
	if (!s->told_open)
		return 0;
	if (sim_pipe_arrived(in) || (sim_pipe_fin_arrived(in) && in->len == 0) || reset)
		events |= NVHI_READABLE;
	if (sim_pipe_room(out) > sim_net.capacity / 3 || reset)
		events |= NVHI_WRITABLE;
	events &= s->wanted;
	if (reset) {
		events |= NVHI_HANGUP;
		if (!(events & NVHI_READABLE)) {
			s->stream.error = -ECONNRESET;
			s->deaf = true;
		}
	}
	if (events) /* whoever does not answer it spins, as with epoll */
		return s->stream.on_event(&s->stream, events) + 1;
	if (s->eager && sim_chance(sim_rng(SIM_RNG_NET), 10))
		return s->stream.on_event(&s->stream, NVHI_READABLE);
	return 0;
}

static int poll_listener(struct sim_listener *l)
{
	bool closed = false;
	int done = 0;

	l->closed_flag = &closed;
	while (!closed && !nvhi_list_empty(&l->backlog)) {
		struct sim_conn *conn = nvhi_list_first(&l->backlog, struct sim_conn, link_backlog);

		nvhi_list_del(&conn->link_backlog);
		l->listener.on_accept(&l->listener, (intptr_t)conn);
		done++;
	}
	if (!closed)
		l->closed_flag = NULL;
	return done;
}

static int net_poll(struct nvhi_poller *p)
{
	struct sim_net_poller *poller = nvhi_container_of(p, struct sim_net_poller, poller);
	struct sim_listener *l, *tmp;
	struct nvhi_list *at;
	int done = 0;

	if (!poller->attention)
		return 0;
	poller->attention = false;
	nvhi_list_for_each_safe(l, tmp, &poller->listeners, link_poll)
		done += poll_listener(l);
	if (!nvhi_list_empty(&poller->streams) && sim_chance(sim_rng(SIM_RNG_SCHED), 30)) {
		at = poller->streams.next; /* somebody else comes first */
		nvhi_list_del(at);
		nvhi_list_add_tail(&poller->streams, at);
	}
	for (at = poller->streams.next; at != &poller->streams; at = poller->next) {
		poller->next = at->next;
		done += poll_stream(nvhi_list_entry(at, struct sim_stream, link));
	}
	poller->next = NULL;
	poller->attention |= done > 0;
	return done;
}

void sim_net_attention(void)
{
	struct sim_net_poller *poller;

	nvhi_list_for_each(poller, &sim_net.pollers, link_all)
		poller->attention = true;
	sim_net.changed = true;
}

struct sim_net_poller *sim_net_poller(struct nvh_reactor *reactor)
{
	struct sim_net_poller *poller;

	nvhi_list_for_each(poller, &sim_net.pollers, link_all)
		if (poller->reactor == reactor)
			return poller;
	abort(); /* sim_net_serve was forgotten */
}

/* ---- life ------------------------------------------------------------------------------------ */

void sim_net_init(uint32_t capacity)
{
	memset(&sim_net, 0, sizeof(sim_net));
	sim_net.net.ops = &sim_net_ops;
	sim_net.capacity = capacity;
	sim_net.next_port = 40000;
	sim_net.next = NVHI_NEVER;
	nvhi_list_init(&sim_net.conns);
	nvhi_list_init(&sim_net.listeners);
	nvhi_list_init(&sim_net.pollers);
}

void sim_net_serve(struct nvh_reactor *reactor)
{
	struct sim_net_poller *poller = calloc(1, sizeof(*poller));

	poller->reactor = reactor;
	nvhi_list_init(&poller->streams);
	nvhi_list_init(&poller->listeners);
	nvhi_list_add_tail(&sim_net.pollers, &poller->link_all);
	nvhi_poller_add(reactor, &poller->poller, net_poll);
}

void sim_net_unserve_all(void)
{
	struct sim_net_poller *poller, *tmp;

	nvhi_list_for_each_safe(poller, tmp, &sim_net.pollers, link_all) {
		nvhi_poller_remove(poller->reactor, &poller->poller);
		nvhi_list_del(&poller->link_all);
		free(poller);
	}
}

void sim_net_done(void)
{
	if (sim_net.stats.streams || sim_net.stats.conns || sim_net.stats.listeners)
		sim_fail("left at the end: %u streams, %u connections, %u listeners",
			 sim_net.stats.streams, sim_net.stats.conns, sim_net.stats.listeners);
}

static uint64_t conn_next(const struct sim_conn *conn)
{
	uint64_t to_target = sim_pipe_next(&conn->pipe[SIM_TO_TARGET]);
	uint64_t to_host = sim_pipe_next(&conn->pipe[SIM_TO_HOST]);

	if (conn->connecting)
		return conn->syn_at;
	return to_target < to_host ? to_target : to_host;
}

uint64_t sim_net_next(void)
{
	struct sim_conn *conn;

	if (!sim_net.changed)
		return sim_net.next;
	sim_net.changed = false;
	sim_net.next = NVHI_NEVER;
	nvhi_list_for_each(conn, &sim_net.conns, link_all) {
		uint64_t at = conn_next(conn);

		if (at < sim_net.next)
			sim_net.next = at;
	}
	return sim_net.next;
}

void sim_net_passed(void)
{
	if (sim_net.changed || sim_net.next <= sim.now)
		sim_net_attention();
}

bool sim_net_wants_turn(struct nvh_reactor *reactor)
{
	struct sim_net_poller *poller;

	nvhi_list_for_each(poller, &sim_net.pollers, link_all)
		if (poller->reactor == reactor)
			return poller->attention;
	return true;
}
