/*
 * Multipath for tests: simulated reactors on a clock set by hand, controllers whose I/O queues are
 * the real ones (host/ctrlr/ioq*.c) over a transport that only keeps what it is lent, until the test
 * says how each command ends. A store stands behind all of them, so that data can be compared.
 */
#ifndef TESTS_UNIT_MP_FIXTURE_H
#define TESTS_UNIT_MP_FIXTURE_H

#include "host/ctrlr/ioq_impl.h"
#include "multipath/head.h"
#include "tests/unit/nvh_cunit.h"

#define MPF_CTRLRS 3
#define MPF_REACTORS 2
#define MPF_BLOCK 512u
#define MPF_BLOCKS 4096u
#define MPF_NQN "nqn.2026-01.io.nvhost:unit"

struct mpf_queue {
	struct nvhi_qpair qpair;
	struct nvhi_list lent; /* struct nvhi_req.link, oldest first */
	uint32_t count;
	struct nvhi_msg revoke_msg;
	bool used;
};

struct mpf_ctrlr {
	struct nvhi_ctrlr *inner;
	struct nvhi_mp_ctrlr mpc;
	struct nvhi_tctrlr tctrlr;
	struct mpf_queue queues[MPF_REACTORS];
	bool joined, left;
	uint32_t aborts_wanted;
	uint32_t probes_wanted;	/* set inner->probe.answered_ns or .silent_ns to answer */
	bool broken;		/* its transport refuses commands: it will tell in a moment */
	bool cut;		/* its connections acknowledge nothing */
};

struct mpf {
	struct nvh_reactor *reactors[MPF_REACTORS];
	struct {
		struct nvhi_clock clock;
		uint64_t now;
	} time;
	struct nvhi_mp mp;
	struct mpf_ctrlr ctrlrs[MPF_CTRLRS];
	uint16_t depth;		/* of queues made from now on */
	bool unsent;		/* commands lent from now on stay in the queue */
	bool no_turns;		/* mpf_turns does nothing: the test turns its reactors itself */
	bool lost_may_run;	/* of lost commands every other one was executed */
	bool revoke_backwards;	/* the youngest command comes home first */
	uint8_t write_fence;	/* of controllers that join from now on; OFF at first */
	int lost_err;		/* what lost commands come back with */
	uint8_t store[MPF_BLOCKS * MPF_BLOCK];
	uint32_t added, changed, removed, idle, failover_events; /* events */
	struct nvh_ns *last_ns;
};
extern struct mpf mpf;

void mpf_start(uint32_t nr_reactors);
/* Everything must have been closed; checks that nothing is left. */
void mpf_stop(void);
/* Runs all reactors until none has anything to do. */
void mpf_turns(void);
void mpf_advance_ms(uint64_t ms);

/* The i-th controller joins; its queues are absent. */
struct mpf_ctrlr *mpf_join(unsigned int i);
void mpf_leave(struct mpf_ctrlr *c);
/* One that has left, with its queues absent: the memory goes, it may join again. */
bool mpf_can_forget(const struct mpf_ctrlr *c);
void mpf_forget(struct mpf_ctrlr *c);
/* Its queue on reactor `r` goes LIVE / is lost with all that was lent. */
void mpf_up(struct mpf_ctrlr *c, unsigned int r);
void mpf_down(struct mpf_ctrlr *c, unsigned int r);
/* All queues and the controller's state in multipath. */
void mpf_live(struct mpf_ctrlr *c);
void mpf_lost(struct mpf_ctrlr *c);

/* A shared namespace of MPF_BLOCKS with a UUID made of `identity`. */
void mpf_ns_data(struct nvhi_ns_data *data, uint32_t nsid, uint8_t identity);
/* Told by the controller. Returns the head. */
struct nvh_ns *mpf_ns(struct mpf_ctrlr *c, uint32_t nsid, uint8_t identity);

/* Commands lent to the queue of reactor `r`; the i-th, oldest first. */
uint32_t mpf_lent(struct mpf_ctrlr *c, unsigned int r);
struct nvhi_req *mpf_cmd(struct mpf_ctrlr *c, unsigned int r, uint32_t i);
/* Executes the i-th on the store and completes it; with a status that is not 0 it is not executed. */
void mpf_complete(struct mpf_ctrlr *c, unsigned int r, uint32_t i, unsigned int status15);
/* Gives the i-th back without a completion; the queue lives on. */
void mpf_fail(struct mpf_ctrlr *c, unsigned int r, uint32_t i, int err);
/* Serves all reactors and all commands until nothing is lent. */
void mpf_serve(void);

uint64_t mpf_lba(const struct nvhi_req *req);
uint32_t mpf_nlb(const struct nvhi_req *req);

/* An I/O that counts its callbacks. */
struct mpf_io {
	struct nvh_io *io;
	struct iovec iov[64];
	uint32_t calls;
	uint32_t order; /* among all callbacks */
	int err;
	unsigned int status;
	void (*then)(struct mpf_io *io); /* in the callback */
};
extern uint32_t mpf_calls;
void mpf_io_init(struct mpf_io *io, uint8_t op, uint64_t lba, uint32_t blocks, void *buf);
void mpf_io_done(struct mpf_io *io);

#endif
