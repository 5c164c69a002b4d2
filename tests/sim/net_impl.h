/*
 * The network's inside: connections, their two directions, their two ends. Shared by net.c (the
 * interface and events), net_pipe.c (bytes under way) and net_fault.c.
 */
#ifndef TESTS_SIM_NET_IMPL_H
#define TESTS_SIM_NET_IMPL_H

#include "tests/sim/net.h"

#define SIM_CHUNKS 64u

struct sim_chunk {
	uint64_t arrive; /* NVHI_NEVER: lost to a silence, sent again after it */
	size_t len;
};

/* One direction of a connection. */
struct sim_pipe {
	uint8_t *buf; /* ring of sim_net.capacity bytes */
	size_t head, len;
	struct sim_chunk chunks[SIM_CHUNKS]; /* ring */
	uint32_t first, count;
	uint64_t sent;        /* bytes ever */
	uint64_t last_arrive; /* nothing overtakes */
	bool fin, rst;        /* follow the bytes */
	uint64_t fin_at, rst_at;
};

struct sim_conn;
struct sim_stream {
	struct nvhi_stream stream;
	struct sim_conn *conn;
	struct sim_net_poller *poller;
	int side; /* 0: host, 1: target */
	unsigned int wanted;
	bool eager, deaf, told_open;
	struct nvhi_list link; /* of its reactor's poller */
};

struct sim_listener;
struct sim_conn {
	unsigned int link;
	uint16_t port;                 /* the host's */
	struct sim_pipe pipe[2];       /* by enum sim_dir */
	struct sim_stream *end[2];     /* NULL: not there yet, or closed */
	struct sim_listener *listener; /* in its backlog; NULL: not (any more) */
	uint64_t syn_at;               /* when the outcome of the connect is known */
	bool connecting, pending;      /* pending: accepted by nobody yet */
	struct nvhi_list link_all, link_backlog;
};

struct sim_listener {
	struct nvhi_listener listener;
	unsigned int link;
	struct nvhi_list backlog;             /* struct sim_conn */
	struct nvhi_list link_all, link_poll; /* link_poll: of its reactor's poller */
	bool *closed_flag;
};

struct sim_net_poller {
	struct nvhi_poller poller;
	struct nvh_reactor *reactor;
	struct nvhi_list streams, listeners;
	struct nvhi_list *next; /* iteration survives removals */
	bool attention;         /* a stream of it may have something to tell */
	struct nvhi_list link_all;
};
struct sim_net_poller *sim_net_poller(struct nvh_reactor *reactor);
/* Something changed: all streams are looked at again, and so is what arrives when. */
void sim_net_attention(void);

/* ---- bytes under way ---- */
void sim_pipe_init(struct sim_pipe *pipe);
void sim_pipe_done(struct sim_pipe *pipe);
/* Bytes that can be read now. */
size_t sim_pipe_arrived(const struct sim_pipe *pipe);
size_t sim_pipe_room(const struct sim_pipe *pipe);
void sim_pipe_put(struct sim_pipe *pipe, uint64_t arrive, const void *bytes, size_t len);
void sim_pipe_take(struct sim_pipe *pipe, void *bytes, size_t len);
/* What has not arrived yet is lost. */
void sim_pipe_drop_unarrived(struct sim_pipe *pipe);
/* When the next thing arrives after now; NVHI_NEVER. */
uint64_t sim_pipe_next(const struct sim_pipe *pipe);
/* Behind a reader's last byte. */
bool sim_pipe_fin_arrived(const struct sim_pipe *pipe);
bool sim_pipe_rst_arrived(const struct sim_pipe *pipe);

/* When something sent now in this direction arrives; NVHI_NEVER: silence. */
uint64_t sim_link_arrival(const struct sim_link *link, enum sim_dir dir);
void sim_conn_check_free(struct sim_conn *conn);

static inline struct sim_stream *sim_stream_of(struct nvhi_stream *stream)
{
	return nvhi_container_of(stream, struct sim_stream, stream);
}
/* What the stream sends, and what it receives. */
static inline struct sim_pipe *sim_out(const struct sim_stream *s)
{
	return &s->conn->pipe[s->side == 0 ? SIM_TO_TARGET : SIM_TO_HOST];
}
static inline struct sim_pipe *sim_in(const struct sim_stream *s)
{
	return &s->conn->pipe[s->side == 0 ? SIM_TO_HOST : SIM_TO_TARGET];
}

#endif
