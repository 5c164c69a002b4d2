/*
 * A world for controllers: simulated reactors on a clock set by hand, and a transport whose other
 * end is a controller in memory that the test scripts. Everything is deterministic; one thread.
 *
 * The transport asserts the contract of host/transport.h against its user: nothing submitted on a
 * queue that is not live, requests never lent twice, queues destroyed only after they were revoked.
 */
#ifndef TESTS_UNIT_CTRLR_FIXTURE_H
#define TESTS_UNIT_CTRLR_FIXTURE_H

#include "host/ctrlr/ctrlr.h"
#include "tests/unit/nvh_cunit.h"

#define FAKE_CTRLRS 64
#define FAKE_NS_MAX 6000
#define FAKE_QUEUES 8

struct fake_qpair {
	struct nvhi_qpair base;
	struct fake_ctrlr *fake;
	bool connecting, live, lost, revoking;
	struct nvhi_list cmds;   /* struct fake_cmd */
	struct nvhi_timer event; /* connected, lost, revoked */
	int event_err;
};

enum fake_verdict {
	FAKE_ANSWER, /* as the model does */
	FAKE_HOLD,   /* never, but fake_release may */
	FAKE_STATUS, /* with hook_status */
};

/* The controller at the other end. */
struct fake_ctrlr {
	/* script */
	int connect_err;             /* of the admin queue: -errno */
	unsigned int connect_status; /* ... or a status of its Connect */
	uint32_t connect_dw0;
	bool connect_silent;
	int ioq_connect_err;
	uint64_t cap;
	uint32_t vs;
	uint32_t ready_after; /* looks at CSTS before RDY */
	bool never_ready, cfs;
	uint32_t shutdown_after;
	struct nvh_id_ctrlr id;
	uint32_t granted; /* I/O queues */
	uint32_t nsid[FAKE_NS_MAX];
	uint32_t nr_ns;
	uint64_t nsze;        /* of every namespace */
	uint8_t csi_of_last;  /* of the namespace with the highest NSID */
	uint32_t broken_nsid; /* answers garbage */
	bool list_endless;    /* lists that never end */
	bool list_descending;
	uint8_t desc[64]; /* descriptors that every namespace shows instead of its own */
	bool desc_used;
	uint32_t changed[NVH_NS_LIST_MAX];
	uint32_t nr_changed;
	uint8_t ana_state; /* of group 1, which all namespaces are in */
	uint64_t ana_changes;
	uint32_t disc_entries; /* of the discovery log */
	uint64_t disc_numrec;  /* what its header says, 0: disc_entries */
	uint64_t genctr;
	uint32_t genctr_moves; /* how many more reads of entries make it move */
	uint64_t latency_ns;
	/* asked of each command; NULL: FAKE_ANSWER */
	enum fake_verdict (*hook)(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd);
	unsigned int hook_status; /* 15 bits */
	/* may change the data of an answer; NULL: nobody does */
	void (*garble)(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf,
		       uint32_t len);
	/* what happened */
	uint32_t cc;
	uint32_t looks;
	uint32_t count[256];   /* admin opcodes */
	uint32_t feature[256]; /* Set Features */
	uint32_t cns[256];
	uint32_t log[256];
	uint32_t io_count, gets;
	uint32_t connects[FAKE_QUEUES + 1]; /* by QID */
	uint32_t queues;                    /* alive */
	uint32_t aec, acre;
	uint32_t most_identifying; /* Identify commands in flight at once, at most */
	uint32_t identifying;
	struct fake_qpair *admin, *io[FAKE_QUEUES];
	uint64_t ka_times[64]; /* when Keep Alives came, in turn */
	uint64_t connect_times[256];
	uint32_t aborts[8]; /* CDW10 of Aborts */
};
extern struct fake_ctrlr fakes[FAKE_CTRLRS];
extern const struct nvhi_transport fake_transport;

/* ---- the world --------------------------------------------------------------------------- */

#define WORLD_REACTORS 4
extern struct nvh_reactor *world[WORLD_REACTORS];
void world_setup(void);
void world_teardown(void);
uint64_t world_now(void);
/* Runs what is due, then lets time pass, from event to event. */
void world_run_ms(uint64_t ms);
void world_run_ns(uint64_t ns);
/* Time passes but nobody runs: a machine that was stopped. */
void world_stop_ms(uint64_t ms);
/* Until cond or `ms` of simulated time have passed; the condition's value. */
#define WORLD_UNTIL(cond, ms)                                                                      \
	({                                                                                         \
		uint64_t world_end_ = world_now() + (ms)*NVHI_NSEC_PER_MSEC;                       \
                                                                                                   \
		while (!(cond) && world_now() < world_end_ && world_step(world_end_))              \
			;                                                                          \
		(cond);                                                                            \
	})
/* One step: what is due now, or time passes to the next event, `end` at most. False: nothing left.
 */
bool world_step(uint64_t end);

/* ---- the peer ---------------------------------------------------------------------------- */

void fake_init(struct fake_ctrlr *fake);
/* Completes an Asynchronous Event Request. False when none is there. */
bool fake_event(struct fake_ctrlr *fake, unsigned int type, unsigned int info, unsigned int lid);
/* ... with a status instead. */
bool fake_fail_event(struct fake_ctrlr *fake, unsigned int status);
/* The connection of a queue breaks. */
void fake_cut(struct fake_qpair *q, int err);
/* Answers held commands of a queue; `count` of them. */
void fake_release(struct fake_qpair *q, uint32_t count);
uint32_t fake_held(const struct fake_qpair *q);

/* ---- an owner that writes down what it is told ------------------------------------------- */

struct test_owner {
	struct nvhi_ctrlr_owner base;
	struct nvhi_ctrlr *ctrlr;
	unsigned int live, live_first, failed, lost, quiesced, fast_fail, deleted, notices;
	unsigned int added, changed, removed;
	uint32_t last_what, last_removed;
	uint8_t last_info;
	uint64_t live_at, lost_at, deleted_at, fast_fail_at;
	struct nvhi_ctrlr_error error, why;
	bool why_given, destroyed;
	enum nvhi_ctrlr_state states[512];
	uint32_t nr_states;
	/* called at the start of the named events */
	void (*on_state)(struct test_owner *owner, enum nvhi_ctrlr_state state);
};
/* Options for fakes[index], one I/O queue a reactor of the world. */
void test_opts(struct nvhi_ctrlr_opts *opts, unsigned int index);
/* Creates and starts; asserts that it could. */
void owner_connect(struct test_owner *owner, const struct nvhi_ctrlr_opts *opts);
/* ... and runs until it is LIVE. */
void owner_live(struct test_owner *owner, const struct nvhi_ctrlr_opts *opts);
/* Deletes, runs until it is gone, checks that no queue is left at the peer. */
void owner_delete(struct test_owner *owner);
extern const struct nvhi_ctrlr_events test_owner_events;

/* ---- I/O
 * ------------------------------------------------------------------------------------------ */

struct test_io {
	unsigned int done;
	int err;
	unsigned int code;
	uint64_t at;
};
/* Sends a Flush; false when the queue takes none. */
bool test_io_submit(struct nvhi_ioq *ioq, struct test_io *io);

#endif
