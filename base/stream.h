/*
 * A byte stream and the network it comes from: what lies under the NVMe/TCP queues of both ends.
 * Sockets implement it (base/stream_sock.c), so will TLS and the simulated link; the queues above
 * make no syscall and cannot tell. A stream lives on one reactor.
 */
#ifndef NVHI_BASE_STREAM_H
#define NVHI_BASE_STREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/reactor.h"

struct nvhi_stream;

enum {
	/* Delivered with the bits of NVHI_READABLE, NVHI_WRITABLE, NVHI_HANGUP. The first WRITABLE after
	 * a connect says that the stream is open; a failed connect comes as HANGUP with ->error set. */
	NVHI_STREAM_OPEN = 1u << 8,
};

/* Returns the amount of work done. May close the stream. */
typedef int (*nvhi_stream_event_fn)(struct nvhi_stream *stream, unsigned int events);

struct nvhi_stream_info {
	uint32_t rtt_us;
	uint32_t unacked;	  /* segments in flight */
	uint32_t retransmits;	  /* consecutive, of the oldest segment */
	uint64_t last_ack_ago_ms; /* since the peer last acknowledged anything */
	uint32_t notsent_bytes;
};

struct nvhi_stream_ops {
	/* As readv(2)/sendmsg(2) on a non-blocking socket: bytes moved, 0 = orderly end (readv only),
	 * -EAGAIN or -errno. Never call back. Buffers are not kept. `more`: more follows at once. */
	ssize_t (*readv)(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt);
	ssize_t (*writev)(struct nvhi_stream *stream, const struct iovec *iov, int iovcnt, bool more);
	/* Which events are wanted (NVHI_READABLE | NVHI_WRITABLE). */
	void (*want)(struct nvhi_stream *stream, unsigned int events);
	/* Worth trying without asking readiness; see nvhi_source_set_eager. */
	void (*set_eager)(struct nvhi_stream *stream, bool eager);
	/* No event comes after this and the stream is freed. `abort`: discard unsent bytes and reset
	 * (SO_LINGER {1,0}), so that nothing queued can reach the peer later. The same becomes of a
	 * connected (not accepted) stream whose process is killed. */
	void (*close)(struct nvhi_stream *stream, bool abort);
	/* Transport progress for the path watchdog. -EOPNOTSUPP where there is none. */
	int (*info)(struct nvhi_stream *stream, struct nvhi_stream_info *ret_info);
	/* Text of both ends, for logs and listings ("127.0.0.1:4420"). */
	void (*names)(struct nvhi_stream *stream, char *local, size_t local_len, char *peer,
		      size_t peer_len);
};

struct nvhi_stream {
	const struct nvhi_stream_ops *ops;
	struct nvh_reactor *reactor;
	nvhi_stream_event_fn on_event;
	int error; /* -errno behind a HANGUP, 0 when unknown */
	void *owner; /* the event callback's own business; set it after connect or adopt */
};

struct nvhi_stream_connect_opts {
	struct sockaddr_storage peer;
	socklen_t peer_len;
	struct sockaddr_storage local; /* --host-traddr; local_len 0: any */
	socklen_t local_len;
	char iface[16];		   /* --host-iface; "": any */
	int tos;		   /* -1: leave */
	uint32_t user_timeout_ms;  /* TCP_USER_TIMEOUT; 0: leave */
	uint32_t busy_poll_us;	   /* SO_BUSY_POLL; 0: leave */
};

struct nvhi_listener;
/* Called on the listener's reactor with a connected socket that no reactor owns yet; adopt it with
 * net->ops->adopt on the reactor that shall own it, or drop it with net->ops->reject. */
typedef void (*nvhi_accept_fn)(struct nvhi_listener *listener, intptr_t pending);

struct nvhi_net;
struct nvhi_net_ops {
	/* Begins to connect; on_event tells the outcome and fires never inside the call. */
	int (*connect)(struct nvhi_net *net, struct nvh_reactor *reactor,
		       const struct nvhi_stream_connect_opts *opts, nvhi_stream_event_fn on_event,
		       struct nvhi_stream **ret_stream);
	/* Port 0 picks one; ret_listener->addr holds what was bound. */
	int (*listen)(struct nvhi_net *net, struct nvh_reactor *reactor,
		      const struct sockaddr *addr, socklen_t addr_len, int backlog,
		      nvhi_accept_fn on_accept, struct nvhi_listener **ret_listener);
	void (*unlisten)(struct nvhi_listener *listener);
	int (*adopt)(struct nvhi_net *net, struct nvh_reactor *reactor, intptr_t pending,
		     nvhi_stream_event_fn on_event, struct nvhi_stream **ret_stream);
	void (*reject)(struct nvhi_net *net, intptr_t pending);
};
struct nvhi_net {
	const struct nvhi_net_ops *ops;
};
struct nvhi_listener {
	struct nvhi_net *net;
	struct nvh_reactor *reactor;
	nvhi_accept_fn on_accept;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	void *owner; /* the accept callback's own business */
};

/* The machine's sockets. */
extern struct nvhi_net nvhi_net_sockets;

#endif
