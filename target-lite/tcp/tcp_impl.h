/*
 * NVMe/TCP, target side, private: transport.c listens and accepts, conn.c is a connection's life,
 * rx.c takes PDUs apart, tx.c puts responses on the wire, buf.c has a poll group's buffers.
 * Everything of a connection runs on its poll group's reactor.
 */
#ifndef TL_TCP_TCP_IMPL_H
#define TL_TCP_TCP_IMPL_H

#include "base/stream.h"
#include "fabric/tcp/pdu.h"
#include "target-lite/core/ctrlr.h"
#include "target-lite/core/request.h"
#include "target-lite/tcp/tcp.h"

struct tl_tcp_conn;

struct tl_tcp {
	struct tl_transport transport;
	struct nvhi_net *net;
};

/* ---- buffers -------------------------------------------------------------------------------- */

/* Equal buffers in one mapping that is touched only as far as it is used. */
struct tl_tcp_bufs {
	uint8_t *mem;
	size_t size;           /* of one */
	uint32_t count, fresh; /* those never handed out follow `fresh` */
	uint32_t free_count;
	void **free;
};
int tl_tcp_bufs_init(struct tl_tcp_bufs *bufs, size_t size, uint32_t count);
void tl_tcp_bufs_done(struct tl_tcp_bufs *bufs);

struct tl_tcp_group {
	struct tl_tcp *tcp;
	struct tl_poll_group *group;
	struct tl_tcp_bufs small, large;
	struct nvhi_list waiters; /* struct tl_tcp_req by link, in order */
};

/* ---- requests ------------------------------------------------------------------------------- */

enum tl_tcp_req_state {
	TL_TCP_REQ_FREE,
	TL_TCP_REQ_ICD,    /* its in-capsule data is arriving */
	TL_TCP_REQ_BUFFER, /* waits for a buffer */
	TL_TCP_REQ_R2T,    /* its data was asked for */
	TL_TCP_REQ_CORE,   /* with the core */
	TL_TCP_REQ_QUEUED, /* completed, waits for room to be encoded */
	TL_TCP_REQ_TX,     /* on its way out */
};

struct tl_tcp_req {
	struct tl_request req;
	uint8_t state; /* enum tl_tcp_req_state */
	bool bad_digest;
	uint16_t index;    /* in the connection: the TTAG */
	uint32_t asked;    /* bytes that R2Ts asked for */
	uint32_t received; /* bytes that H2CData brought */
	void *buf;         /* from the group's pools */
	struct tl_tcp_bufs *bufs;
	uint64_t tx_end;       /* conn->tx.queued after the last byte of this response */
	struct iovec iov;      /* where payload goes */
	struct nvhi_list link; /* waiters, conn->tx.waiting or conn->tx.reqs */
};

/* Takes a buffer for req.xfer_len bytes; false: in line, tl_tcp_got_buffer follows. */
bool tl_tcp_buf_get(struct tl_tcp_group *tg, struct tl_tcp_req *treq);
/* Gives it back, perhaps to the next in line. */
void tl_tcp_buf_put(struct tl_tcp_group *tg, struct tl_tcp_req *treq);

/* ---- connections ---------------------------------------------------------------------------- */

#define TL_TCP_CONN_STATES(X)                                                                      \
	X(HANDSHAKE, handshake) X(READY, ready) X(LINGER, linger) X(CLOSED, closed)

enum tl_tcp_conn_state {
#define X(upper, lower) TL_TCP_CONN_##upper,
	TL_TCP_CONN_STATES(X)
#undef X
};

#define TL_TCP_TX_IOVS  1024u
#define TL_TCP_TX_ARENA (32u << 10)
#define TL_TCP_STAGING  (256u << 10)
/* Room that one response may need: headers with digest and padding, data digest, capsule. */
#define TL_TCP_TX_ROOM     (2 * NVHI_PDU_HDR_ROOM + 64u)
#define TL_TCP_TX_IOV_ROOM 4u

struct tl_tcp_tx {
	struct iovec *iov; /* TL_TCP_TX_IOVS; [head, tail) is to be sent */
	uint32_t head, tail;
	uint8_t *arena; /* headers and digests, as they follow each other on the wire */
	uint32_t arena_used;
	uint64_t queued, sent;    /* bytes ever */
	struct nvhi_list reqs;    /* in the order of their tx_end */
	struct nvhi_list waiting; /* completed, no room yet */
	bool blocked;             /* the socket is full */
};

struct tl_tcp_conn {
	struct tl_qpair qpair;
	struct tl_tcp_group *tg;
	struct nvhi_stream *stream; /* NULL once closed */
	uint32_t state;             /* enum tl_tcp_conn_state */
	bool in_pass;               /* receiving: responses leave at its end */
	bool r2t_pending;           /* an R2T found no room */
	bool eager;
	enum tl_mute mute;  /* a fault's */
	uint8_t idle_tries; /* eager tries in a row that found nothing */
	struct nvhi_pdu_params params;
	struct nvhi_pdu_rx rx;
	struct tl_tcp_tx tx;
	struct nvhi_defer flush;
	struct tl_tcp_req first_req; /* before Connect there is this one */
	struct tl_tcp_req *reqs;
	uint32_t req_count, req_fresh;
	struct nvhi_list free_reqs;
	struct tl_tcp_req *rx_req;  /* whose payload is arriving */
	uint32_t maxr2t;            /* outstanding R2Ts a command */
	uint32_t r2ts;              /* commands whose data was asked for */
	uint32_t large_held;        /* of the group's large buffers */
	uint8_t *icd;               /* in-capsule data, params.max_icd a request */
	uint64_t rx_pdus, rx_bytes; /* ever */

	/* Deadlines: see conn.c. */
	struct nvhi_timer watch;
	uint64_t seen_pdus, seen_bytes, seen_sent;

	void *map; /* one mapping: staging, tx iovecs, tx arena */
	size_t map_size;
	void *req_map; /* one mapping: requests and their in-capsule data */
	size_t req_map_size;
};

extern struct nvhi_fsm tl_tcp_conn_fsm;

static inline struct tl_tcp_conn *tl_tcp_conn_of(struct tl_qpair *qpair)
{
	return nvhi_container_of(qpair, struct tl_tcp_conn, qpair);
}
static inline const struct tl_transport_opts *tl_tcp_opts(const struct tl_tcp_conn *conn)
{
	return &conn->tg->tcp->transport.opts;
}

/* ---- conn.c --------------------------------------------------------------------------------- */

/* Group reactor: takes an accepted socket. Closes it when that fails. */
void tl_tcp_conn_accept(struct tl_tcp_group *tg, intptr_t pending,
			const struct tl_listen_addr *addr);
/* The end, at once. Idempotent. */
void tl_tcp_conn_close(struct tl_tcp_conn *conn);
/* The peer broke the protocol: one log line, a TermReq, and a short while for it to be read. */
void tl_tcp_conn_term(struct tl_tcp_conn *conn, const struct nvhi_pdu_error *error, const void *hdr,
		      size_t hdr_len);
/* Starts the watch if something is now waited for. */
void tl_tcp_conn_watch(struct tl_tcp_conn *conn);

int tl_tcp_connected(struct tl_qpair *qpair, uint32_t entries);
void tl_tcp_disconnect(struct tl_qpair *qpair);
void tl_tcp_reset(struct tl_qpair *qpair);
void tl_tcp_mute(struct tl_qpair *qpair, enum tl_mute mute);
void tl_tcp_release(struct tl_qpair *qpair);

struct tl_tcp_req *tl_tcp_req_get(struct tl_tcp_conn *conn);
/* Gives back its buffer too. */
void tl_tcp_req_put(struct tl_tcp_conn *conn, struct tl_tcp_req *treq);

/* ---- rx.c ----------------------------------------------------------------------------------- */

/* Takes what has arrived, in bounded amounts. Returns the work done. */
int tl_tcp_rx(struct tl_tcp_conn *conn);
/* A request that waited has its buffer. */
void tl_tcp_got_buffer(struct tl_tcp_req *treq);

/* ---- tx.c ----------------------------------------------------------------------------------- */

void tl_tcp_complete(struct tl_request *req);
void tl_tcp_send_icresp(struct tl_tcp_conn *conn, uint8_t dgst);
/* Asks for the next part of a write's data, as many R2Ts as the host takes. */
void tl_tcp_send_r2ts(struct tl_tcp_conn *conn, struct tl_tcp_req *treq);
/* Appends a ready PDU (a TermReq). */
void tl_tcp_send_raw(struct tl_tcp_conn *conn, const void *pdu, uint32_t len);
/* Sends what it can; closes the connection on error. */
void tl_tcp_flush(struct tl_tcp_conn *conn);
void tl_tcp_flush_deferred(struct nvhi_defer *defer);
/* Forgets everything unsent and ends the requests in it. */
void tl_tcp_tx_drop(struct tl_tcp_conn *conn);
bool tl_tcp_tx_has_room(const struct tl_tcp_conn *conn);

/* ---- garble.c: answers that are wrong on purpose ------------------------------------------------
 */

/* An R2T ahead of the answer; its length. */
uint32_t tl_tcp_garble_r2t(const struct tl_tcp_conn *conn, const struct tl_tcp_req *treq,
			   uint8_t *at);
/* The answer was encoded from `first` in the arena on. */
void tl_tcp_garble(const struct tl_tcp_conn *conn, struct tl_tcp_req *treq, uint8_t *first);

#endif
