/*
 * The I/O queue of a controller on one reactor: a pool of requests, those who wait for one, those
 * who watch its state, and a watchdog on the oldest command. All of it is used on that reactor
 * only; the object outlives reconnects, the queue pair inside comes and goes.
 *
 * I/O path: nvhi_ioq_get -> fill -> nvhi_ioq_submit -> done -> back in the pool. No allocation, no
 * lock.
 */
#ifndef NVHI_HOST_CTRLR_IOQ_H
#define NVHI_HOST_CTRLR_IOQ_H

#include "base/fsm.h"
#include "base/list.h"
#include "base/reactor.h"
#include "host/transport.h"

struct nvhi_ctrlr;
struct nvhi_ioq;
struct nvhi_ioq_req;

#define NVHI_IOQ_STATES(X)                                                                         \
	X(ABSENT, absent) /* no queue pair (not connected, or not granted) */                      \
	X(CONNECTING, connecting)                                                                  \
	X(READY, ready) /* connected; opens when the controller is LIVE */                         \
	X(LIVE, live)   /* takes requests */                                                       \
	X(LEAVING, leaving) /* its Disconnect is wanted or out (ioq_rejoin.c); takes none */       \
	X(LOST, lost)   /* broken or being closed; requests are being given back */

enum nvhi_ioq_state {
#define X(upper, lower) NVHI_IOQ_##upper,
	NVHI_IOQ_STATES(X)
#undef X
};
extern struct nvhi_fsm nvhi_ioq_fsm;

/* Of a LIVE queue: does it answer? */
#define NVHI_IOQ_HEALTHS(X)                                                                        \
	X(GOOD, good)                                                                              \
	X(DOUBTFUL, doubtful) /* quiet for longer than usual; the controller is probed */          \
	X(SILENT, silent)     /* neither the queue nor the probe was answered */

enum nvhi_ioq_health {
#define X(upper, lower) NVHI_IOQ_##upper,
	NVHI_IOQ_HEALTHS(X)
#undef X
};
extern struct nvhi_fsm nvhi_ioq_health_fsm;

/* err < 0: no completion came and the command may have been executed unless !req.sent; err == 0:
 * read the status. The request goes back to the pool when this returns. May get and submit others.
 */
typedef void (*nvhi_ioq_req_fn)(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);

struct nvhi_ioq_req {
	struct nvhi_req req; /* fill cmd, data, len, dir, short_ok; not done */
	nvhi_ioq_req_fn done;
	/* the submitter's own, untouched by the queue */
	void *owner;
	uint64_t word[2];
	struct nvhi_list owner_link;
	/* the queue's */
	struct nvhi_ioq *ioq;
	struct nvhi_list link; /* in flight, oldest first; or free */
	uint8_t late;          /* its Abort: 0 not asked for, 1 wanted, 2 sent */
	uint64_t lose_at;      /* when late: the queue is given up if it is not back by then */
};

/* Told about each change of state, on the queue's reactor. On LOST every request lent comes back
 * with err < 0 afterwards. May submit; may unwatch itself. */
struct nvhi_ioq_watch;
typedef void (*nvhi_ioq_watch_fn)(struct nvhi_ioq_watch *watch, struct nvhi_ioq *ioq,
				  enum nvhi_ioq_state state);
struct nvhi_ioq_watch {
	nvhi_ioq_watch_fn fn;
	/* Its health, at each change and at each look while in doubt (ioq_health.c); NULL: not asked.
	 * May give the queue up; may not unwatch. */
	void (*health)(struct nvhi_ioq_watch *watch, struct nvhi_ioq *ioq);
	struct nvhi_list link;
};
void nvhi_ioq_watch(struct nvhi_ioq *ioq, struct nvhi_ioq_watch *watch, nvhi_ioq_watch_fn fn);
void nvhi_ioq_unwatch(struct nvhi_ioq *ioq, struct nvhi_ioq_watch *watch);

/* One who waits for a request: first come, first served. err 0: nvhi_ioq_get may now succeed;
 * -ENOTCONN: the queue was lost (watch it). One shot: wait again if you want to. */
struct nvhi_ioq_waiter;
typedef void (*nvhi_ioq_waiter_fn)(struct nvhi_ioq_waiter *waiter, int err);
struct nvhi_ioq_waiter {
	nvhi_ioq_waiter_fn fn;
	struct nvhi_list link; /* nvhi_list_init before first use; empty when not waiting */
};
/* -ENOTCONN when not LIVE. */
int nvhi_ioq_wait(struct nvhi_ioq *ioq, struct nvhi_ioq_waiter *waiter);
void nvhi_ioq_unwait(struct nvhi_ioq *ioq, struct nvhi_ioq_waiter *waiter);

const char *nvhi_ioq_state_name(enum nvhi_ioq_state state);
enum nvhi_ioq_state nvhi_ioq_state(const struct nvhi_ioq *ioq);
struct nvhi_ctrlr *nvhi_ioq_ctrlr(const struct nvhi_ioq *ioq);
/* NULL when ABSENT. For info() and names(), and for last_rx_ns. */
struct nvhi_qpair *nvhi_ioq_qpair(const struct nvhi_ioq *ioq);
uint16_t nvhi_ioq_qid(const struct nvhi_ioq *ioq);
uint32_t nvhi_ioq_inflight(const struct nvhi_ioq *ioq);
/* The oldest command in flight, NULL when none; req.submit_ns is its age. */
const struct nvhi_ioq_req *nvhi_ioq_oldest(const struct nvhi_ioq *ioq);

enum nvhi_ioq_health nvhi_ioq_health(const struct nvhi_ioq *ioq);
/* When it was last found DOUBTFUL. */
uint64_t nvhi_ioq_doubted_since(const struct nvhi_ioq *ioq);
/* Commands are out, and since then nothing has arrived. NVHI_NEVER: none is out. */
uint64_t nvhi_ioq_quiet_since(const struct nvhi_ioq *ioq);
/* Something has arrived on it after `since`, or a probe of its controller sent then was answered. */
bool nvhi_ioq_answers_since(const struct nvhi_ioq *ioq, uint64_t since);

/* Those in flight, oldest first; NULL: first / no more. */
const struct nvhi_ioq_req *nvhi_ioq_next_inflight(const struct nvhi_ioq *ioq,
						  const struct nvhi_ioq_req *prev);
/* In `done` of a request that came back with err < 0: the controller has told that nothing of this
 * queue is executed any more. So it was executed or not, but never will be: a fence of its own. */
bool nvhi_ioq_is_settled(const struct nvhi_ioq *ioq);
/* Something is wrong with it that only a new association mends. */
void nvhi_ioq_give_up(struct nvhi_ioq *ioq, int err, const char *why);

/* A free request, NULL when the queue is not LIVE, is full, or others wait already (they come
 * first). */
struct nvhi_ioq_req *nvhi_ioq_get(struct nvhi_ioq *ioq);
/* One that was got but not submitted. */
void nvhi_ioq_put(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r);
/* Lends r to the transport; done comes exactly once, never inside. -ENOTCONN: the queue was lost
 * since nvhi_ioq_get; r is still the caller's (put it back). */
int nvhi_ioq_submit(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r);
/* Asks the controller to abort r (Abort command through home); r completes as ever. Once a request;
 * r must be in flight. */
void nvhi_ioq_abort(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r);

#endif
