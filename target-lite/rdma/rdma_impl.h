/*
 * NVMe/RDMA, target side, private: transport.c is the transport, listen.c its listeners and the
 * connection requests that they examine, dev.c a poll group's use of a device (completion queues,
 * shared receive queue), buf.c its memory, cq.c takes completions, accept.c and conn.c are a
 * connection's life, rx.c takes commands, tx.c moves data and answers. All of a connection runs on
 * its poll group's reactor, once it is there.
 */
#ifndef TL_RDMA_RDMA_IMPL_H
#define TL_RDMA_RDMA_IMPL_H

#include "fabric/rdma/cm.h"
#include "fabric/rdma/dev.h"
#include "target-lite/core/ctrlr.h"
#include "target-lite/core/request.h"
#include "target-lite/rdma/rdma.h"

/* Keyed descriptors that a command may have; more than one lie in the capsule. */
#define TL_RDMA_SGLS_MAX 16u
/* Devices that a poll group keeps counters for. */
#define TL_RDMA_DEVS_MAX 8u

struct tl_rdma_conn;
struct tl_rdma_dev;
struct tl_rdma_req;

/* ---- the transport -------------------------------------------------------------------------- */

#define TL_RDMA_STATS(X)                                                                           \
	X(polls)                                                                                   \
	X(idle_polls)                                                                              \
	X(completions) X(requests) X(pending_free_request) X(pending_data_buffer)                  \
		X(pending_rdma_read) X(pending_rdma_send) X(total_send_wrs)                        \
			X(send_doorbell_updates) X(total_recv_wrs) X(recv_doorbell_updates)

/* Written by the group's thread, read by any (relaxed). */
struct tl_rdma_stats {
	char name[64]; /* of the device; "" until the first connection on it */
#define X(stat) uint64_t stat;
	TL_RDMA_STATS(X)
#undef X
};
#define tl_rdma_count(counter, by) __atomic_store_n(&(counter), (counter) + (by), __ATOMIC_RELAXED)

struct tl_rdma {
	struct tl_transport transport;
	const struct nvhi_verbs *verbs;
	struct nvhi_rdma_cm cm;        /* management reactor: the listening ids */
	struct tl_rdma_group **groups; /* by poll group; atomic: NULL until it has started */
};

#define TL_RDMA_SWEEP_NS (250 * NVHI_NSEC_PER_MSEC)
#define TL_RDMA_SWEEPS   8u

struct tl_rdma_group {
	struct tl_rdma *rdma;
	struct tl_poll_group *group;
	struct nvhi_rdma_cm cm;  /* events of this group's connections */
	struct nvhi_list devs;   /* struct tl_rdma_dev by link */
	struct nvhi_timer sweep; /* a device was removed: librdmacm shall let go of it */
	uint32_t sweeps;
	struct tl_rdma_stats stats[TL_RDMA_DEVS_MAX];
};

static inline struct tl_rdma *tl_rdma_of(struct tl_transport *transport)
{
	return nvhi_container_of(transport, struct tl_rdma, transport);
}
static inline const struct tl_transport_opts *tl_rdma_opts(const struct tl_rdma_group *tg)
{
	return &tg->rdma->transport.opts;
}

/* ---- listen.c; management reactor -------------------------------------------------------------
 */

int tl_rdma_listen(struct tl_transport *transport, struct tl_listener *listener);
void tl_rdma_unlisten(struct tl_transport *transport, struct tl_listener *listener);

/* Bytes that a poll group pins on each device: buffers and shared receive queue. */
size_t tl_rdma_pinned(const struct tl_transport_opts *opts);

/* ---- receive queues -------------------------------------------------------------------------- */

/* Room for one command capsule. */
struct tl_rdma_slot {
	uint8_t *data;
	uint32_t len; /* bytes that came */
	struct ibv_recv_wr wr;
	struct ibv_sge sge;
	struct nvhi_list link; /* a connection's slots_wait */
};

/* Of one queue pair, or shared. Slots that are given are posted together. */
struct tl_rdma_rq {
	struct ibv_srq *srq; /* or */
	struct ibv_qp *qp;
	struct tl_rdma_slot *slots;
	uint32_t count;
	struct tl_rdma_slot *first, *last; /* given, not yet posted */
	uint32_t given;
	uint8_t *mem;
	size_t size;
	struct ibv_mr *mr;
};

int tl_rdma_rq_init(struct tl_rdma_dev *dev, struct tl_rdma_rq *rq, uint32_t count, char *errbuf,
		    size_t errbuf_len);
/* Its queue is destroyed. */
void tl_rdma_rq_done(struct tl_rdma_dev *dev, struct tl_rdma_rq *rq);
/* The capsule in it is no longer needed. */
void tl_rdma_rq_give(struct tl_rdma_rq *rq, struct tl_rdma_slot *slot);
void tl_rdma_rq_give_all(struct tl_rdma_rq *rq);
/* 0/-errno: what was not posted is lost. */
int tl_rdma_rq_post(struct tl_rdma_dev *dev, struct tl_rdma_rq *rq);

/* ---- data buffers ---------------------------------------------------------------------------- */

struct tl_rdma_bufs {
	uint8_t *mem;
	size_t size; /* of one */
	uint32_t count, fresh, free_count;
	void **free;
};

/* Takes a buffer for req.xfer_len bytes; false: in line, tl_rdma_got_buffer follows. */
bool tl_rdma_buf_get(struct tl_rdma_req *treq);
/* Gives it back, perhaps to the next in line. */
void tl_rdma_buf_put(struct tl_rdma_req *treq);
int tl_rdma_bufs_init(struct tl_rdma_dev *dev, char *errbuf, size_t errbuf_len);
void tl_rdma_bufs_done(struct tl_rdma_dev *dev);

/* ---- a poll group's use of a device -----------------------------------------------------------
 */

struct tl_rdma_cq {
	struct ibv_cq *cq;
	uint32_t size, used; /* completions that may be in it */
	uint32_t users;
	struct nvhi_list link;
};

#define TL_RDMA_WC_BATCH 32
#define TL_RDMA_HASH     256u

/* Lives as long as it has connections. */
struct tl_rdma_dev {
	struct tl_rdma_group *tg;
	struct nvhi_rdma_dev *dev;
	struct ibv_comp_channel *channel;
	struct nvhi_source source; /* the channel's */
	struct nvhi_poller poller;
	struct nvhi_list cqs;
	struct ibv_wc stash[TL_RDMA_WC_BATCH]; /* found when the reactor was about to sleep */
	int stashed;
	uint32_t wrs; /* signalled work requests under way */
	bool has_srq;
	struct tl_rdma_rq srq;
	uint32_t srq_reserved; /* iWARP: entries that connections count on */
	struct tl_rdma_bufs small, large;
	size_t bufs_size;
	struct ibv_mr *bufs_mr;
	struct nvhi_list waiters; /* struct tl_rdma_req by link: for a buffer, in order */
	struct nvhi_list conns[TL_RDMA_HASH]; /* struct tl_rdma_conn by hash_link, by QP number */
	uint32_t refs;
	struct tl_rdma_stats *stats;
	struct nvhi_list link;
};

/* The group's use of the device that `context` is. -errno with a line in errbuf. */
int tl_rdma_dev_get(struct tl_rdma_group *tg, struct ibv_context *context, char *errbuf,
		    size_t errbuf_len, struct tl_rdma_dev **ret_dev);
/* Not while completions are being taken. */
void tl_rdma_dev_put(struct tl_rdma_dev *dev);
/* A completion queue with room for `need` more. */
int tl_rdma_cq_get(struct tl_rdma_dev *dev, uint32_t need, char *errbuf, size_t errbuf_len,
		   struct tl_rdma_cq **ret_cq);
void tl_rdma_cq_put(struct tl_rdma_dev *dev, struct tl_rdma_cq *cq, uint32_t need);

/* ---- cq.c ------------------------------------------------------------------------------------ */

int tl_rdma_cq_start(struct tl_rdma_dev *dev);
void tl_rdma_cq_stop(struct tl_rdma_dev *dev);
/* Takes all completions there are. Not while completions are being taken. */
void tl_rdma_cq_drain(struct tl_rdma_dev *dev);
/* Signalled work requests were posted, or have completed. */
void tl_rdma_cq_expect(struct tl_rdma_dev *dev, int more);

/* ---- requests -------------------------------------------------------------------------------- */

enum tl_rdma_req_state {
	TL_RDMA_REQ_FREE,
	TL_RDMA_REQ_BUFFER,  /* waits for a buffer */
	TL_RDMA_REQ_READ,    /* its data is being read from the host, or waits for that */
	TL_RDMA_REQ_CORE,    /* with the core */
	TL_RDMA_REQ_QUEUED,  /* completed, waits for room in the send queue */
	TL_RDMA_REQ_SENDING, /* on its way out */
};

struct tl_rdma_req {
	struct tl_request req;
	uint8_t state; /* enum tl_rdma_req_state */
	bool invalidate;
	uint32_t inv_key;
	struct tl_rdma_slot *slot; /* keeps in-capsule data or descriptors; NULL: given back */
	void *buf;                 /* from the group's pools */
	struct tl_rdma_bufs *bufs;
	const struct nvh_sgl_keyed *sgl; /* in the command or in the slot */
	uint32_t sgl_count;
	uint32_t sgl_next, read_bytes; /* descriptors that READs were posted for, and their bytes */
	uint32_t reads;                /* READs under way */
	uint32_t wrs;                  /* entries of the send queue that the response takes */
	struct nvh_cpl *cpl;           /* where the device reads it */
	struct ibv_send_wr data_wr, send_wr;
	struct ibv_sge data_sge, send_sge;
	struct nvhi_list link; /* waiters, free_reqs, reads_wait or sends_wait */
};

/* Work request ids are addresses with one of these in the low bits. */
enum tl_rdma_wr {
	TL_RDMA_WR_RECV,
	TL_RDMA_WR_READ,
	TL_RDMA_WR_WRITE, /* where it is not signalled it is seen only when it fails */
	TL_RDMA_WR_SEND,
	TL_RDMA_WR_MASK = 3,
};

/* ---- connections ----------------------------------------------------------------------------- */

#define TL_RDMA_CONN_STATES(X)                                                                     \
	X(ARRIVING, arriving)                                                                      \
	X(ACCEPTING, accepting)                                                                    \
	X(LIVE, live) X(DRAINING, draining) X(DISCONNECTING, disconnecting) X(CLOSED, closed)

enum tl_rdma_conn_state {
#define X(upper, lower) TL_RDMA_CONN_##upper,
	TL_RDMA_CONN_STATES(X)
#undef X
};
extern struct nvhi_fsm tl_rdma_conn_fsm;

struct tl_rdma_conn {
	struct tl_qpair qpair;
	struct tl_rdma_group *tg;
	struct tl_rdma_dev *dev;
	struct nvhi_rdma_id id;
	uint32_t state;                 /* enum tl_rdma_conn_state */
	uint16_t qid;                   /* of the connection request */
	uint32_t depth;                 /* commands that may be outstanding */
	uint32_t reads_max, reads_free; /* RDMA READs at a time */
	uint8_t responder;              /* and those that the host may do */
	bool gone;                      /* the host's end is closed */
	bool told;                      /* why it ends has been logged */
	bool released;                  /* by the core */
	bool inlined;                   /* responses go inside the work request */
	bool srq_reserved;
	enum tl_mute mute;
	struct tl_rdma_cq *cq;
	uint32_t cq_need;
	struct tl_rdma_rq *rq; /* the device's, or */
	struct tl_rdma_rq own_rq;
	uint32_t qp_num;
	uint32_t sq_size, sq_free;
	uint32_t wrs;                /* signalled work requests under way */
	uint64_t wrs_done, wrs_seen; /* those that completed ever, and when the watch last looked */
	uint32_t active;             /* commands without their response posted */
	struct ibv_send_wr *first, *last; /* to be posted */
	struct nvhi_defer flush, bury;
	struct nvhi_timer watch;
	struct tl_rdma_req *reqs;
	uint32_t req_count, req_fresh;
	struct nvhi_list free_reqs;
	struct nvhi_list
		slots_wait; /* capsules that wait for a request, or for the end of a mute */
	struct nvhi_list reads_wait,
		sends_wait;   /* struct tl_rdma_req: for room in the send queue */
	struct nvh_cpl *cpls; /* one a request */
	struct ibv_mr *cpls_mr;
	void *map; /* one mapping: completions, then requests */
	size_t map_size, cpls_size;
	struct nvhi_list hash_link;
	struct nvhi_msg msg; /* arrival */
};

static inline struct tl_rdma_conn *tl_rdma_conn_of(struct tl_qpair *qpair)
{
	return nvhi_container_of(qpair, struct tl_rdma_conn, qpair);
}

static inline struct nvh_reactor *tl_rdma_conn_reactor(const struct tl_rdma_conn *conn)
{
	return conn->tg->group->reactor;
}

/* accept.c */
/* Management reactor: a connection request that was found good. Its id moves to a poll group; 0, or
 * -errno: the id is still the caller's. */
int tl_rdma_conn_arrive(struct tl_rdma_group *tg, const struct rdma_cm_event *event,
			const struct tl_listen_addr *addr, uint16_t qid, uint32_t depth);
/* Gives back all it has; its queue pair is gone and the core knows nothing of it. */
void tl_rdma_conn_free(struct tl_rdma_conn *conn);

/* conn.c: its timers, lists and deferred work; its events; its states. */
void tl_rdma_conn_init(struct tl_rdma_conn *conn);
void tl_rdma_conn_event(struct nvhi_rdma_id *id, const struct rdma_cm_event *event);
void tl_rdma_conn_set_state(struct tl_rdma_conn *conn, enum tl_rdma_conn_state to);
/* The connection cannot go on: one line that says why, and the end. */
void tl_rdma_conn_fail(struct tl_rdma_conn *conn, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Transfers are under way: it is looked after them. */
void tl_rdma_conn_watch(struct tl_rdma_conn *conn);
/* The end: the queue pair goes into error, its requests come back. Idempotent. */
void tl_rdma_conn_disconnect(struct tl_rdma_conn *conn);
/* The core has let go of all connections of a group that ends: no more waiting for their peers. */
void tl_rdma_conns_bury(struct tl_rdma_group *tg);
/* A signalled work request has completed: a connection that ends may have waited for it. */
void tl_rdma_conn_check(struct tl_rdma_conn *conn);
static inline bool tl_rdma_conn_open(const struct tl_rdma_conn *conn)
{
	return conn->state < TL_RDMA_CONN_DISCONNECTING;
}

int tl_rdma_connected(struct tl_qpair *qpair, uint32_t entries);
void tl_rdma_disconnect(struct tl_qpair *qpair);
void tl_rdma_reset(struct tl_qpair *qpair);
void tl_rdma_mute(struct tl_qpair *qpair, enum tl_mute mute);
void tl_rdma_release(struct tl_qpair *qpair);

struct tl_rdma_req *tl_rdma_req_get(struct tl_rdma_conn *conn);
/* Gives back its buffer and slot too. */
void tl_rdma_req_put(struct tl_rdma_conn *conn, struct tl_rdma_req *treq);

/* ---- rx.c ------------------------------------------------------------------------------------ */

/* A capsule has come. */
void tl_rdma_capsule(struct tl_rdma_conn *conn, struct tl_rdma_slot *slot);
/* Those that waited go on, as far as they can. */
void tl_rdma_capsules_waiting(struct tl_rdma_conn *conn);
/* A request that waited has its buffer. */
void tl_rdma_got_buffer(struct tl_rdma_req *treq);
/* All data of a command is here. */
void tl_rdma_exec(struct tl_rdma_req *treq);

/* ---- tx.c ------------------------------------------------------------------------------------ */

void tl_rdma_complete(struct tl_request *req);
/* Reads a command's data from the host. */
void tl_rdma_read(struct tl_rdma_req *treq);
void tl_rdma_read_done(struct tl_rdma_req *treq);
/* Signalled, or failed. */
void tl_rdma_write_done(struct tl_rdma_conn *conn);
void tl_rdma_send_done(struct tl_rdma_req *treq);
/* Posts what waits, as far as there is room. */
void tl_rdma_pump(struct tl_rdma_conn *conn);
void tl_rdma_flush(struct tl_rdma_conn *conn);
void tl_rdma_flush_deferred(struct nvhi_defer *defer);
/* Forgets what is not posted; requests are left as they are. */
void tl_rdma_unpost(struct tl_rdma_conn *conn);

#endif
