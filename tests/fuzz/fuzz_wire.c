/*
 * A network of byte streams for fuzz targets; see fuzz_wire.h.
 */
#include "tests/fuzz/fuzz_wire.h"

#include <errno.h>

#include "base/reactor.h"
#include "base/spec/nvme_tcp.h"
#include "tests/fuzz/fuzz.h"

/* ---- reactor and time ----------------------------------------------------------------------- */

struct wire_clock {
	struct nvhi_clock clock;
	uint64_t time;
};

static uint64_t wire_now(const struct nvhi_clock *clock)
{
	return nvhi_container_of(clock, const struct wire_clock, clock)->time;
}

static struct wire_clock wire_clock = {.clock.now = wire_now, .time = 1000};
static struct nvh_reactor *wire_reactor;

struct nvh_reactor *fuzz_reactor(void)
{
	if (!wire_reactor &&
	    nvhi_reactor_create(
		    &(struct nvhi_reactor_opts){.clock = &wire_clock.clock, .simulated = true},
		    &wire_reactor))
		abort();
	return wire_reactor;
}

void fuzz_run(void)
{
	for (unsigned int turns = 0; nvhi_reactor_turn(wire_reactor) > 0; turns++)
		FUZZ_CHECK(turns < 100000);
}

void fuzz_pass(uint64_t ms)
{
	uint64_t end = wire_clock.time + ms * NVHI_NSEC_PER_MSEC;

	fuzz_run();
	for (unsigned int fired = 0;; fired++) {
		uint64_t next = nvhi_reactor_next_deadline(wire_reactor);

		if (next > end)
			break;
		FUZZ_CHECK(fired < 100000);
		if (next > wire_clock.time)
			wire_clock.time = next;
		fuzz_run();
	}
	wire_clock.time = end;
	fuzz_run();
}

/* ---- the stream ----------------------------------------------------------------------------- */

static struct fuzz_wire *wire_of(struct nvhi_stream *stream)
{
	return nvhi_container_of(stream, struct fuzz_wire, stream);
}

static ssize_t wire_readv(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt)
{
	struct fuzz_wire *wire = wire_of(stream);
	size_t left = wire->in_len - wire->in_at, done = 0;

	FUZZ_CHECK(!wire->closed && iovcnt > 0);
	if (!left)
		return wire->eof ? 0 : -EAGAIN;
	if (left > wire->step)
		left = wire->step;
	for (int i = 0; i < iovcnt && left; i++) {
		size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(iov[i].iov_base, wire->in + wire->in_at, n);
		wire->in_at += n;
		left -= n;
		done += n;
	}
	FUZZ_CHECK(done > 0); /* a read with no room would look like the end */
	return (ssize_t)done;
}

static ssize_t wire_writev(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt,
			   bool more)
{
	struct fuzz_wire *wire = wire_of(stream);
	size_t done = 0;

	(void)more;
	FUZZ_CHECK(!wire->closed && iovcnt > 0);
	for (int i = 0; i < iovcnt && wire->room; i++) {
		size_t n = iov[i].iov_len < wire->room ? iov[i].iov_len : wire->room;

		if (wire->out_len + n >
		    FUZZ_WIRE_SIZE) { /* enough is seen: the peer stops reading */
			wire->room = 0;
			break;
		}
		memcpy(wire->out + wire->out_len, iov[i].iov_base, n);
		wire->out_len += n;
		wire->room -= n;
		done += n;
	}
	return done ? (ssize_t)done : -EAGAIN;
}

static void wire_want(struct nvhi_stream *stream, unsigned int events)
{
	FUZZ_CHECK(!wire_of(stream)->closed);
	wire_of(stream)->wanted = events;
}

static void wire_set_eager(struct nvhi_stream *stream, bool eager)
{
	(void)eager;
	FUZZ_CHECK(!wire_of(stream)->closed);
}

static void wire_close(struct nvhi_stream *stream, bool reset)
{
	(void)reset;
	FUZZ_CHECK(!wire_of(stream)->closed);
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
	snprintf(local, local_len, "here");
	snprintf(peer, peer_len, "there");
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

/* What the wire has to tell, once a turn. */
static int wire_poll(struct nvhi_poller *poller)
{
	struct fuzz_wire *wire = nvhi_container_of(poller, struct fuzz_wire, poller);
	struct nvhi_stream *stream = &wire->stream;
	int done = 0;

	if (!stream->ops || wire->closed)
		return 0;
	if (wire->open_due) {
		wire->open_due = false;
		wire->opened = true;
		return stream->on_event(stream, NVHI_STREAM_OPEN | NVHI_WRITABLE);
	}
	if (!wire->opened)
		return 0;
	if ((wire->wanted & NVHI_WRITABLE) && wire->room)
		done += stream->on_event(stream, NVHI_WRITABLE);
	if (!wire->closed && (wire->wanted & NVHI_READABLE) &&
	    (wire->in_at < wire->in_len || wire->eof))
		done += stream->on_event(stream, NVHI_READABLE);
	return done;
}

/* ---- the network ---------------------------------------------------------------------------- */

static struct nvhi_listener *wire_listener;
static struct fuzz_wire *wire_last;

static void wire_open(struct fuzz_wire *wire, struct nvh_reactor *reactor,
		      nvhi_stream_event_fn on_event)
{
	wire->stream =
		(struct nvhi_stream){.ops = &wire_ops, .reactor = reactor, .on_event = on_event};
	wire->wanted = NVHI_READABLE;
}

static int wire_connect(struct nvhi_net *net, struct nvh_reactor *reactor,
			const struct nvhi_stream_connect_opts *opts, nvhi_stream_event_fn on_event,
			struct nvhi_stream **ret_stream)
{
	struct fuzz_wire *wire = wire_last;

	(void)net;
	(void)opts;
	FUZZ_CHECK(!wire->stream.ops);
	wire_open(wire, reactor, on_event);
	wire->open_due = true;
	*ret_stream = &wire->stream;
	return 0;
}

static int wire_listen(struct nvhi_net *net, struct nvh_reactor *reactor,
		       const struct sockaddr *addr, socklen_t addr_len, int backlog,
		       nvhi_accept_fn on_accept, struct nvhi_listener **ret_listener)
{
	struct nvhi_listener *listener = calloc(1, sizeof(*listener));

	(void)backlog;
	if (!listener)
		return -ENOMEM;
	listener->net = net;
	listener->reactor = reactor;
	listener->on_accept = on_accept;
	memcpy(&listener->addr, addr, addr_len);
	listener->addr_len = addr_len;
	FUZZ_CHECK(!wire_listener);
	wire_listener = listener;
	*ret_listener = listener;
	return 0;
}

static void wire_unlisten(struct nvhi_listener *listener)
{
	wire_listener = NULL;
	free(listener);
}

static int wire_adopt(struct nvhi_net *net, struct nvh_reactor *reactor, intptr_t pending,
		      nvhi_stream_event_fn on_event, struct nvhi_stream **ret_stream)
{
	struct fuzz_wire *wire = (struct fuzz_wire *)pending;

	(void)net;
	FUZZ_CHECK(!wire->stream.ops);
	wire_open(wire, reactor, on_event);
	wire->opened = true;
	*ret_stream = &wire->stream;
	return 0;
}

static void wire_reject(struct nvhi_net *net, intptr_t pending)
{
	(void)net;
	((struct fuzz_wire *)pending)->closed = true;
}

static const struct nvhi_net_ops wire_net_ops = {
	.connect = wire_connect,
	.listen = wire_listen,
	.unlisten = wire_unlisten,
	.adopt = wire_adopt,
	.reject = wire_reject,
};

struct nvhi_net *fuzz_net(void)
{
	static struct nvhi_net net = {.ops = &wire_net_ops};

	return &net;
}

/* ---- life ----------------------------------------------------------------------------------- */

void fuzz_wire_init(struct fuzz_wire *wire)
{
	uint8_t *in = wire->in, *out = wire->out;

	memset(wire, 0, sizeof(*wire));
	wire->in = in ? in : malloc(FUZZ_WIRE_SIZE); /* kept from one input to the next */
	wire->out = out ? out : malloc(FUZZ_WIRE_SIZE);
	if (!wire->in || !wire->out)
		abort();
	wire_last = wire;
	wire->step = wire->room = SIZE_MAX;
	nvhi_poller_add(fuzz_reactor(), &wire->poller, wire_poll);
}

void fuzz_wire_accept(struct fuzz_wire *wire)
{
	FUZZ_CHECK(wire_listener);
	wire_listener->on_accept(wire_listener, (intptr_t)wire);
	fuzz_run();
}

void fuzz_wire_fini(struct fuzz_wire *wire)
{
	FUZZ_CHECK(wire->closed || !wire->stream.ops);
	nvhi_poller_remove(fuzz_reactor(), &wire->poller);
}

void fuzz_wire_put(struct fuzz_wire *wire, const void *bytes, size_t len)
{
	if (!len || len > FUZZ_WIRE_SIZE - wire->in_len)
		return;
	memcpy(wire->in + wire->in_len, bytes, len);
	wire->in_len += len;
}

const uint8_t *fuzz_wire_next(struct fuzz_wire *wire, uint32_t *ret_plen)
{
	const struct nvh_tcp_ch *ch = (const struct nvh_tcp_ch *)(wire->out + wire->out_at);
	size_t left = wire->out_len - wire->out_at;
	uint32_t plen;

	if (left < sizeof(*ch))
		return NULL;
	plen = nvh_le32_get(ch->plen);
	FUZZ_CHECK(plen >= sizeof(*ch));
	if (plen > left)
		return NULL;
	wire->out_at += plen;
	*ret_plen = plen;
	return (const uint8_t *)ch;
}
