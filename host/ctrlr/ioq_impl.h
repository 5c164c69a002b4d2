/*
 * The inside of an I/O queue, shared by ioq.c (I/O path), ioq_life.c (its reactor's side of life),
 * ioq_watchdog.c (late commands), ioq_rejoin.c (Disconnect) and queues.c (home's side).
 */
#ifndef NVHI_HOST_CTRLR_IOQ_IMPL_H
#define NVHI_HOST_CTRLR_IOQ_IMPL_H

#include "host/ctrlr/ctrlr_impl.h"

struct nvhi_ioq {
	/* Its reactor's: the I/O path. */
	uint32_t state; /* enum nvhi_ioq_state */
	struct nvhi_qpair *qpair;
	const struct nvhi_transport *transport;
	struct nvhi_list *free;    /* a stack through link.next */
	struct nvhi_list inflight; /* oldest first */
	uint32_t out;              /* requests not in the pool */
	uint32_t depth;            /* that may be out */
	bool serving;              /* a waiter is being served: it comes before others */
	struct nvhi_list waiters;
	uint64_t heard_ns; /* when the command answered last was sent; read by home, too */
	struct nvh_reactor *reactor;
	uint64_t timeout_ns; /* 0: no watchdog */
	struct nvhi_timer watchdog;
	uint32_t health;     /* enum nvhi_ioq_health */
	uint8_t cleared;     /* times that a probe cleared it without a word on the queue */
	uint64_t cleared_ns; /* when, last */
	uint64_t doubted_ns; /* since when it is in doubt */
	uint64_t usual_ns;   /* what an answer takes: a moving average */
	uint64_t learnt_ns;  /* heard_ns at the last look */

	/* Its reactor's: life. */
	struct nvhi_list watches;
	struct nvhi_qpair_events events;
	bool revoking;
	bool stop_owed; /* home waits for `stopped` */
	bool abort_out; /* an Abort is at home */
	struct nvhi_req disconnect;
	bool disconnect_out;
	bool settled;	    /* the Disconnect was answered well; until it connects again */
	bool rejoining;	    /* connects again by itself */
	uint64_t left_ns;   /* when it left last; 0: never */
	uint64_t leave_by;  /* LEAVING: for the answer */
	struct nvhi_ioq_req *pool;
	uint32_t pool_size;
	uint16_t qid;
	uint16_t entries;
	struct nvhi_ctrlr *ctrlr;

	/* Messages: to the reactor, and to home. */
	struct nvhi_msg start, open, stop, abort_ready;
	struct nvhi_msg connected, lost, stopped, abort_wanted;
	/* What the messages to home tell: written before the post, read after. */
	int connect_err, lost_err;
	bool connect_has_cpl;
	struct nvh_cpl connect_cpl;
	char connect_why[128], lost_why[128];
	uint16_t abort_cid;

	/* Home's. */
	bool running, stopping;
	struct nvhi_abort abort;
};

int nvhi_ioq_init(struct nvhi_ioq *ioq, struct nvhi_ctrlr *ctrlr, struct nvh_reactor *reactor,
		  uint16_t qid, uint32_t pool_size);
void nvhi_ioq_fini(struct nvhi_ioq *ioq);
/* The queue was lost: nobody waits any more. */
void nvhi_ioq_fail_waiters(struct nvhi_ioq *ioq);

/* ioq_life.c: messages to the queue's reactor. */
void nvhi_ioq_on_start(struct nvhi_msg *msg);
void nvhi_ioq_on_open(struct nvhi_msg *msg);
void nvhi_ioq_on_stop(struct nvhi_msg *msg);
/* The queue is of no use any more: tell home (once), take the requests back. */
void nvhi_ioq_lose(struct nvhi_ioq *ioq, int err, const char *why);

/* No more requests in; those that are out come back, then it is ABSENT, or connects again. */
void nvhi_ioq_close(struct nvhi_ioq *ioq);
void nvhi_ioq_set_state(struct nvhi_ioq *ioq, enum nvhi_ioq_state state);
void nvhi_ioq_connect(struct nvhi_ioq *ioq);

/* ioq_rejoin.c: a command is stuck. False: this step is not for this queue, now. */
bool nvhi_ioq_leave(struct nvhi_ioq *ioq, const struct nvhi_ioq_req *stuck);
void nvhi_ioq_leave_look(struct nvhi_ioq *ioq);

/* ioq_health.c: at each firing of the watchdog; when to look again. */
uint64_t nvhi_ioq_health_look(struct nvhi_ioq *ioq, uint64_t now);
void nvhi_ioq_health_reset(struct nvhi_ioq *ioq);
/* ioq_life.c */
void nvhi_ioq_tell_health(struct nvhi_ioq *ioq);

/* ioq_watchdog.c */
void nvhi_ioq_watchdog_arm(struct nvhi_ioq *ioq);
void nvhi_ioq_watchdog_fire(struct nvhi_timer *timer);
void nvhi_ioq_on_abort_ready(struct nvhi_msg *msg);

#endif
