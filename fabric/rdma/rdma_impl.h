/*
 * The inside of an NVMe/RDMA queue pair, shared by the rdma_*.c files and nobody else:
 *
 *	rdma.c		the transport's table; access to a controller
 *	rdma_qpair.c	life: states, deadlines, loss, revoke, memory
 *	rdma_connect.c	address -> route -> queue pair -> connection -> Connect command
 *	rdma_submit.c	commands: slots, CIDs, completion and its accounting
 *	rdma_data.c	where a command's data is: capsule, registered memory, a copy; windows
 *	rdma_post.c	what is queued leaves as one chain a turn; credits of the send queue
 *	rdma_cq.c	work completions: polled, or awaited on the completion channel
 *
 * All of it runs on the queue pair's reactor. NVMe/RDMA Transport Specification 1.1.
 */
#ifndef NVHI_FABRIC_RDMA_IMPL_H
#define NVHI_FABRIC_RDMA_IMPL_H

#include "base/fsm.h"
#include "fabric/rdma/bounce.h"
#include "fabric/rdma/cm.h"
#include "fabric/rdma/region.h"
#include "fabric/sqflow.h"
#include "host/transport.h"

/* ---- states ------------------------------------------------------------------------------ */

#define NVHI_RDMA_STATES(X)                                                                        \
	X(NEW, new)                                                                                \
	X(ADDRESS, resolving_address) /* which device leads there */                               \
	X(ROUTE, resolving_route)                                                                  \
	X(ACCEPT, connecting)   /* the connection request is out */                                \
	X(CONNECT, connect_cmd) /* the Fabrics Connect command is out */                           \
	X(LIVE, live)                                                                              \
	X(LOST, lost)         /* broken or refused; requests stay lent until revoke */             \
	X(REVOKING, revoking) /* the queue pair is gone; requests go back at the turn's end */     \
	X(REVOKED, revoked)

enum nvhi_rdma_state {
#define NVHI_X(upper, lower) NVHI_RDMA_##upper,
	NVHI_RDMA_STATES(NVHI_X)
#undef NVHI_X
};
#define NVHI_RDMA_STATE_COUNT (NVHI_RDMA_REVOKED + 1)
/* Not const: who wants to see which edges are taken sets its table. */
extern struct nvhi_fsm nvhi_rdma_fsm;

/* ---- a command's slot -------------------------------------------------------------------- */

/* A command takes so many entries of the send queue at most: its window's binding, the capsule, and
 * the window's invalidation when the controller did not do it. */
#define NVHI_RDMA_WRS 3
/* Elements of a capsule: the command, and in-capsule data as scattered as devices take it. */
#define NVHI_RDMA_SGES 8

struct nvhi_rdma_window {
	struct ibv_mw *mw;
	uint32_t rkey; /* bound last; its low byte changes with each binding */
	struct nvhi_rdma_window *next;
};

/* Index and generation make the CID: a completion for an earlier use of the slot does not match. */
struct nvhi_rdma_slot {
	struct nvhi_req *req; /* NULL: free */
	uint16_t cid;
	uint16_t index;
	bool posted; /* the capsule is in the send queue or beyond */
	bool completed; /* the controller's completion is in `cpl` */
	bool sending;   /* the capsule is sent out of the caller's memory, and may yet be again */
	bool invalidating; /* our own invalidation of the window is on its way */
	uint8_t sges;
	struct nvhi_rdma_window *window; /* bound: the controller may touch the caller's memory */
	struct nvhi_rdma_piece piece;    /* a copy stands here */
	struct nvhi_list link;           /* wants to be posted */
	struct nvh_cpl cpl;
	struct ibv_sge sge[NVHI_RDMA_SGES];
	struct ibv_send_wr bind, send, invalidate;
};

struct nvhi_rdma_counters {
	uint64_t commands, posts, recv_posts, polls, empty_polls, completions, events;
	uint64_t in_capsule, copied, windows, remote_inv, local_inv, stalls;
};

/* ---- the queue pair ---------------------------------------------------------------------- */

/* What events->... must still be told; reported from one deferred call, never from inside one. */
enum {
	NVHI_RDMA_TELL_CONNECTED = 1u << 0,
	NVHI_RDMA_TELL_LOST = 1u << 1,
	NVHI_RDMA_TELL_REVOKED = 1u << 2,
};

/* Work completions taken at a time. */
#define NVHI_RDMA_WCS 16

struct nvhi_rdma_qpair {
	struct nvhi_qpair qpair;
	uint32_t state; /* enum nvhi_rdma_state */
	const struct nvhi_verbs *verbs;
	struct nvhi_rdma_cm cm;
	struct nvhi_rdma_id id;
	bool established;
	struct nvhi_rdma_dev *dev;

	/* Completions. */
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct nvhi_source source; /* of the channel */
	bool watched;
	struct nvhi_poller poller; /* I/O queues */
	bool polled;
	bool armed;           /* the channel tells of the next completion */
	uint32_t unacked;     /* events taken from the channel */
	uint32_t stash_count; /* taken from the CQ when it was armed, not yet handled */
	struct ibv_wc stash[NVHI_RDMA_WCS];

	/* Capsules, to and fro: one registration. */
	uint8_t *capsules;
	size_t capsules_len;
	struct nvh_cmd *cmds; /* by slot */
	struct nvh_cpl *cpls; /* by receive */
	struct ibv_mr *capsules_mr;
	struct ibv_recv_wr *recvs;
	struct ibv_sge *recv_sges;
	uint16_t recv_count;
	struct ibv_recv_wr *recv_head, **recv_tail; /* consumed, to be posted again */
	uint32_t max_inline;
	uint8_t max_sges;

	/* Sending. */
	struct nvhi_list want; /* slots that wait for their turn, or for credits */
	struct nvhi_defer post_defer;
	uint32_t sq_size, sq_free;                /* entries of the send queue */
	uint32_t unsignalled;                     /* posted since the last one that reports */
	uint32_t signal_every;                    /* at least */
	struct ibv_send_wr *inv_head, **inv_tail; /* windows that we invalidate ourselves */

	/* Data. */
	struct nvhi_rdma_map map;
	struct nvhi_rdma_bounce bounce;
	struct nvhi_rdma_window *windows, *free_windows;
	uint32_t window_count;

	struct nvhi_rdma_slot *slots;
	uint16_t slot_count;
	uint16_t *free_slots;
	uint16_t free_count;
	uint16_t slot_bits;
	struct nvhi_sqflow sqflow;

	struct nvhi_timer timer; /* the present state's deadline */
	struct nvhi_defer tell_defer;
	uint32_t tell;
	int err; /* why it was lost, or could not connect */
	bool have_connect_cpl;
	struct nvh_cpl connect_cpl;
	struct nvhi_req connect_req;
	struct iovec connect_iov;
	struct nvh_fab_connect_data connect_data;

	struct nvhi_rdma_counters counters;
};

static inline struct nvhi_rdma_qpair *nvhi_rdma_qpair_of(struct nvhi_qpair *qpair)
{
	return nvhi_container_of(qpair, struct nvhi_rdma_qpair, qpair);
}

/* What a work request is, in the low bits of its wr_id; then the slot or receive (16 bits), and how
 * many entries of the send queue its completion gives back. */
enum nvhi_rdma_wr {
	NVHI_RDMA_WR_RECV,
	NVHI_RDMA_WR_BIND,
	NVHI_RDMA_WR_SEND,
	NVHI_RDMA_WR_INVALIDATE,
};
#define NVHI_RDMA_WR_ID(what, index, entries)                                                      \
	((uint64_t)(entries) << 32 | (uint64_t)(index) << 8 | (uint64_t)(what))

/* life (rdma_qpair.c) */
int nvhi_rdma_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			   struct nvhi_qpair **ret_qpair);
void nvhi_rdma_qpair_destroy(struct nvhi_qpair *qpair);
void nvhi_rdma_revoke(struct nvhi_qpair *qpair);
/* The present state must end within `ms`. -ENOMEM; never while a deadline is running. */
int nvhi_rdma_set_deadline(struct nvhi_rdma_qpair *q, uint32_t ms);
void nvhi_rdma_set_state(struct nvhi_rdma_qpair *q, enum nvhi_rdma_state state);
/* The queue broke, or could not connect: err and the reason as printf. One log line. */
void nvhi_rdma_fail(struct nvhi_rdma_qpair *q, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void nvhi_rdma_tell(struct nvhi_rdma_qpair *q, uint32_t what);

/* from nothing to live (rdma_connect.c) */
void nvhi_rdma_qpair_connect(struct nvhi_qpair *qpair);

/* commands (rdma_submit.c) */
int nvhi_rdma_slots_init(struct nvhi_rdma_qpair *q);
void nvhi_rdma_slots_fini(struct nvhi_rdma_qpair *q);
int nvhi_rdma_submit(struct nvhi_qpair *qpair, struct nvhi_req *req);
/* As submit, before the queue is live (Connect). */
int nvhi_rdma_submit_early(struct nvhi_rdma_qpair *q, struct nvhi_req *req);
/* A response capsule arrived; `rkey`: a key that the controller invalidated with it, 0: none;
 * `hint`: perhaps, if it is the command's. */
void nvhi_rdma_response(struct nvhi_rdma_qpair *q, const struct nvh_cpl *cpl, uint32_t rkey,
			bool hint);
/* One thing less that kept the slot: done() once nothing does. */
void nvhi_rdma_slot_settle(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot);
/* Ends a request that could not be sent. */
void nvhi_rdma_slot_fail(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot, int err);
/* Gives every request back with done(err). */
void nvhi_rdma_give_back_all(struct nvhi_rdma_qpair *q, int err);

/* data (rdma_data.c) */
/* As many windows as the queue can use, or the device has. 0, or -errno: it has none. */
int nvhi_rdma_windows_init(struct nvhi_rdma_qpair *q, char *errbuf, size_t errbuf_len);
/* Gives the windows back to the device, which ends all access through them. */
void nvhi_rdma_windows_fini(struct nvhi_rdma_qpair *q);
/* The slot's window is invalid: nobody reaches memory through it. */
void nvhi_rdma_window_free(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot);
/* Settles where the command's data is and writes its capsule. -EAGAIN: no window or copy is free
 * now; other -errno: it cannot be sent. */
int nvhi_rdma_place(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot);
/* Copies back what was read, when `good`, and returns window and copy. */
void nvhi_rdma_unplace(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot, bool good);

/* posting (rdma_post.c) */
void nvhi_rdma_post_init(struct nvhi_rdma_qpair *q);
/* The slot has a command to send: it leaves at the end of this turn. */
void nvhi_rdma_post_want(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot);
/* The slot's window must be invalidated by us. */
void nvhi_rdma_post_invalidate(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot);
/* Receive `index` was consumed: it is posted again with the next batch, at this turn's end. */
void nvhi_rdma_post_recv_again(struct nvhi_rdma_qpair *q, uint16_t index);
/* All receives, before the connection is made. 0/-errno. */
int nvhi_rdma_post_recv_all(struct nvhi_rdma_qpair *q);
void nvhi_rdma_post_flush(struct nvhi_rdma_qpair *q);
/* Forgets all that waits. */
void nvhi_rdma_post_stop(struct nvhi_rdma_qpair *q);

/* completions (rdma_cq.c) */
/* Makes the CQ, to be watched and polled. 0, or -errno with a line in errbuf. */
int nvhi_rdma_cq_open(struct nvhi_rdma_qpair *q, char *errbuf, size_t errbuf_len);
/* Neither watched nor polled any more. */
void nvhi_rdma_cq_stop(struct nvhi_rdma_qpair *q);
/* After the queue pair is gone. */
void nvhi_rdma_cq_close(struct nvhi_rdma_qpair *q);
/* Commands are out, or none: how hard to look. */
void nvhi_rdma_cq_expect(struct nvhi_rdma_qpair *q, bool expect);

#endif
