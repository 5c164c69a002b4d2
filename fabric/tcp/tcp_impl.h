/*
 * The inside of an NVMe/TCP queue pair, shared by the tcp_*.c files and nobody else:
 *
 *	tcp.c		the transport's table; access to a controller
 *	tcp_qpair.c	life: states, deadlines, loss, revoke
 *	tcp_handshake.c	stream open -> ICReq/ICResp -> Connect command
 *	tcp_submit.c	commands: slots, CIDs, completion and its accounting
 *	tcp_tx.c	everything queued since the last pass leaves in one sendmsg
 *	tcp_rx.c	PDUs that arrive
 *
 * All of it runs on the queue pair's reactor. NVMe/TCP Transport Specification 1.1.
 */
#ifndef NVHI_FABRIC_TCP_IMPL_H
#define NVHI_FABRIC_TCP_IMPL_H

#include "base/fsm.h"
#include "fabric/sqflow.h"
#include "fabric/tcp/pdu.h"
#include "host/transport.h"

/* ---- states ------------------------------------------------------------------------------ */

#define NVHI_TCP_STATES(X)                                                                         \
	X(NEW, new)                                                                                \
	X(CONNECTING, connecting) /* the stream opens */                                           \
	X(IC, icreq)              /* ICReq sent, ICResp awaited */                                 \
	X(CONNECT, connect_cmd)   /* the Fabrics Connect command is out */                         \
	X(LIVE, live)                                                                              \
	X(LOST, lost)         /* broken or refused; requests stay lent until revoke */             \
	X(REVOKING, revoking) /* the stream is gone; requests go back at the turn's end */         \
	X(REVOKED, revoked)

enum nvhi_tcp_state {
#define NVHI_X(upper, lower) NVHI_TCP_##upper,
	NVHI_TCP_STATES(NVHI_X)
#undef NVHI_X
};
#define NVHI_TCP_STATE_COUNT (NVHI_TCP_REVOKED + 1)
/* Not const: who wants to see which edges are taken sets its table. */
extern struct nvhi_fsm nvhi_tcp_fsm;

/* ---- a command's slot -------------------------------------------------------------------- */

/* R2Ts that a command may have outstanding at most, whatever our ICReq allows the controller. */
#define NVHI_TCP_MAXR2T 16

struct nvhi_tcp_r2t {
	uint32_t offset; /* of the next byte to send for it */
	uint32_t left;
	uint16_t ttag;
};

/* Index and generation make the CID: a completion for an earlier use of the slot does not match. */
struct nvhi_tcp_slot {
	struct nvhi_req *req; /* NULL: free */
	uint16_t cid;
	bool encoded; /* the capsule is in the transmit queue or beyond */
	bool in_capsule;
	bool last;       /* C2HData with LAST was seen */
	bool bad_digest; /* some C2HData had a wrong data digest */
	bool held;       /* completed by the peer while we are still sending for it */
	uint8_t r2t_head, r2t_count;
	uint32_t received;             /* bytes of C2HData */
	uint32_t requested;            /* bytes the peer asked for by R2T */
	struct nvhi_iov_cursor cursor; /* of the next byte to receive, or to send */
	uint64_t tx_start;             /* stream position where the capsule begins */
	uint64_t tx_end;               /* and where its last encoded PDU ends */
	struct nvhi_list link;         /* wants to send, or is held */
	struct nvh_cpl cpl;            /* held: what to complete with */
	struct nvhi_tcp_r2t *r2ts;     /* ring of qpair->maxr2t */
};

/* ---- transmit ---------------------------------------------------------------------------- */

/*
 * Encoded bytes wait in `iov`: headers and digests in the arena, data where the caller has it.
 * Positions count bytes of the stream since it opened, so "has it left?" is one comparison.
 */
struct nvhi_tcp_tx {
	struct nvhi_list want; /* slots that have a PDU to encode */
	uint8_t *arena;
	struct iovec *iov;
	uint32_t arena_size, arena_used;
	uint32_t iov_max, iov_head, iov_tail;
	uint64_t queued, sent; /* bytes of PDUs begun; bytes the stream took */
	/* Data of the PDU being encoded that found no room in iov yet. */
	struct nvhi_iov_cursor data;
	uint32_t data_left;
	uint32_t digest;
	bool digest_due;
	bool blocked; /* the stream is full: WRITABLE is wanted */
	struct nvhi_defer defer;
};

struct nvhi_tcp_counters {
	uint64_t commands, writes, reads, bytes_out, bytes_in, pdus_in, empty_reads, r2ts, blocked;
	uint64_t bad_digests;
};

/* ---- the queue pair ---------------------------------------------------------------------- */

/* What events->... must still be told; reported from one deferred call, never from inside one. */
enum {
	NVHI_TCP_TELL_CONNECTED = 1u << 0,
	NVHI_TCP_TELL_LOST = 1u << 1,
	NVHI_TCP_TELL_REVOKED = 1u << 2,
};

struct nvhi_tcp_qpair {
	struct nvhi_qpair qpair;
	uint32_t state; /* enum nvhi_tcp_state */
	struct nvhi_stream *stream;
	struct nvhi_pdu_params params;
	struct nvhi_pdu_rx rx;
	uint8_t *staging;
	bool rx_large;                 /* the last payload was large: expect another */
	struct nvhi_tcp_slot *rx_slot; /* whose C2HData payload is arriving */
	struct nvhi_tcp_tx tx;
	uint64_t midway_mark, midway_pdus; /* counters when the deadline of a PDU midway was set */

	struct nvhi_tcp_slot *slots;
	uint16_t *free_slots;
	uint16_t free_count;
	uint16_t slot_bits;
	uint8_t maxr2t; /* R2Ts a command may have outstanding */
	uint32_t held_count;
	struct nvhi_list held;
	bool eager;
	bool wants_eager; /* I/O queue: polled while commands are outstanding */

	struct nvhi_sqflow sqflow;

	struct nvhi_timer timer; /* the present state's deadline; live: of a PDU midway */
	struct nvhi_defer tell_defer;
	uint32_t tell;
	int err; /* why it was lost, or could not connect */
	bool have_connect_cpl;
	struct nvh_cpl connect_cpl;
	struct nvhi_req connect_req;
	struct iovec connect_iov;
	struct nvh_fab_connect_data connect_data;

	struct nvhi_tcp_counters counters;
};

static inline struct nvhi_tcp_qpair *nvhi_tcp_qpair_of(struct nvhi_qpair *qpair)
{
	return nvhi_container_of(qpair, struct nvhi_tcp_qpair, qpair);
}

/* life (tcp_qpair.c) */
int nvhi_tcp_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			  struct nvhi_qpair **ret_qpair);
void nvhi_tcp_qpair_destroy(struct nvhi_qpair *qpair);
void nvhi_tcp_revoke(struct nvhi_qpair *qpair);
/* The present state must end within `ms`. -ENOMEM; never while a deadline is running. */
int nvhi_tcp_set_deadline(struct nvhi_tcp_qpair *q, uint32_t ms);
void nvhi_tcp_set_state(struct nvhi_tcp_qpair *q, enum nvhi_tcp_state state);
/* The queue broke, or could not connect: err and the reason as printf. One log line. */
void nvhi_tcp_fail(struct nvhi_tcp_qpair *q, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The peer broke the protocol: names the field, sends a TermReq, fails with -EPROTO. */
void nvhi_tcp_fail_proto(struct nvhi_tcp_qpair *q, const struct nvhi_pdu_error *error);
/* The same from its parts; see struct nvhi_pdu_error. */
void nvhi_tcp_bad(struct nvhi_tcp_qpair *q, uint8_t fes, uint32_t fei, const char *field,
		  const char *what, uint64_t value);
/* Closes the stream, resetting the connection. */
void nvhi_tcp_close(struct nvhi_tcp_qpair *q);
/* When a PDU has begun and not ended: from now on it must make progress. */
void nvhi_tcp_watch_midway(struct nvhi_tcp_qpair *q);
void nvhi_tcp_tell(struct nvhi_tcp_qpair *q, uint32_t what);

/* handshake (tcp_handshake.c) */
void nvhi_tcp_qpair_connect(struct nvhi_qpair *qpair);
void nvhi_tcp_rx_icresp(struct nvhi_tcp_qpair *q, const struct nvh_tcp_icresp *icresp);

/* commands (tcp_submit.c) */
int nvhi_tcp_slots_init(struct nvhi_tcp_qpair *q);
void nvhi_tcp_slots_fini(struct nvhi_tcp_qpair *q);
int nvhi_tcp_submit(struct nvhi_qpair *qpair, struct nvhi_req *req);
/* As submit, before the queue is live (Connect). */
int nvhi_tcp_submit_early(struct nvhi_tcp_qpair *q, struct nvhi_req *req);
/* The slot in use under this CID, whose capsule has begun to leave; NULL: none. */
struct nvhi_tcp_slot *nvhi_tcp_slot_find(struct nvhi_tcp_qpair *q, uint16_t cid);
/* The peer's completion: checks what must have moved, then done(), now or once its bytes left. */
void nvhi_tcp_complete(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot,
		       const struct nvh_cpl *cpl);
/* Takes the completion's SQHD (SQ flow control is on); false: nonsense, the queue has failed. */
bool nvhi_tcp_sqhd_good(struct nvhi_tcp_qpair *q, uint16_t sqhd);
/* Completes held slots whose last byte has left. */
void nvhi_tcp_release_held(struct nvhi_tcp_qpair *q);
/* Gives every request back with done(err). */
void nvhi_tcp_give_back_all(struct nvhi_tcp_qpair *q, int err);

/* transmit (tcp_tx.c) */
int nvhi_tcp_tx_init(struct nvhi_tcp_qpair *q);
void nvhi_tcp_tx_fini(struct nvhi_tcp_qpair *q);
/* The slot has something to send: it leaves at the end of this turn. */
void nvhi_tcp_tx_want(struct nvhi_tcp_qpair *q, struct nvhi_tcp_slot *slot);
/* Queues a PDU without slot (ICReq); at most NVHI_PDU_HDR_ROOM bytes. */
void nvhi_tcp_tx_raw(struct nvhi_tcp_qpair *q, const void *pdu, uint32_t len);
void nvhi_tcp_tx_flush(struct nvhi_tcp_qpair *q);
/* Forgets all that is queued. */
void nvhi_tcp_tx_stop(struct nvhi_tcp_qpair *q);
/* Whether the stream stands between two PDUs. */
bool nvhi_tcp_tx_idle(const struct nvhi_tcp_qpair *q);

/* receive (tcp_rx.c) */
int nvhi_tcp_rx_event(struct nvhi_tcp_qpair *q);

#endif
