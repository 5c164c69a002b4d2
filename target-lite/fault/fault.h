/*
 * Faults on command: a table of rules, the same in every poll group, that is asked once for each
 * command before it is executed. Rules are made and removed on the management reactor and reach the
 * groups by message; an empty table costs a command a few predictable tests (group->faults is
 * NULL). A command that is held or delayed is on the list of its group; what an after-fault does to
 * it is noted in the request until it completes.
 */
#ifndef TL_FAULT_FAULT_H
#define TL_FAULT_FAULT_H

#include <stdatomic.h>

#include "target-lite/core/request.h"
#include "target-lite/core/subsystem.h"

#define TL_FAULTS_MAX   64u
#define TL_FAULT_MS_MAX 600000u

#define TL_FAULT_KINDS(X)                                                                          \
	X(STATUS, status)                                                                          \
	X(DELAY, delay)                                                                            \
	X(HOLD, hold) X(DROP_CONNECTION, drop_connection) X(SILENCE, silence)                      \
		X(STOP_READING, stop_reading) X(KILL_CONTROLLER, kill_controller)                  \
			X(LOSE_KEEPALIVE, lose_keepalive) X(CORRUPT_DIGEST, corrupt_digest)        \
				X(MALFORMED_PDU, malformed_pdu) X(ANA_FLAP, ana_flap)

enum tl_fault_kind {
#define X(upper, lower) TL_FAULT_##upper,
	TL_FAULT_KINDS(X)
#undef X
		TL_FAULT_KIND_COUNT,
};
/* NULL-terminated, by enum tl_fault_kind. */
extern const char *const tl_fault_kind_names[];

struct tl_fault_opts {
	int kind; /* enum tl_fault_kind */
	/* Scope: what is left out matches everything. */
	char nqn[TL_NQN_SIZE]; /* "": any */
	bool has_listener;
	struct tl_listen_addr listener;
	int32_t cntlid, qid, opcode; /* -1: any */
	int64_t nsid;                /* -1: any */
	/* How often. */
	uint64_t count;     /* 0: no end */
	double probability; /* of each match, by a generator seeded with `seed` */
	uint64_t seed;
	/* What. */
	uint32_t ms;                 /* DELAY; ANA_FLAP: between two changes */
	bool after;                  /* DELAY, STATUS: the command is executed first */
	uint16_t status;             /* STATUS: SCT << 8 | SC with CRD and NVH_CPL_DNR */
	bool ignore_abort;           /* HOLD: Abort does not find what is held; Disconnect does */
	bool outlive;                /* HOLD: what is held stays when its connection ends */
	uint8_t garble;              /* CORRUPT_DIGEST, MALFORMED_PDU: enum tl_garble */
	enum tl_ana_state ana_state; /* ANA_FLAP */
};
/* Matches everything, always. */
void tl_fault_opts_default(struct tl_fault_opts *opts, enum tl_fault_kind kind);

struct tl_fault {
	uint64_t id; /* from 1 */
	struct tl_fault_opts opts;
	atomic_uint_fast64_t matched, fired; /* any group */
	struct tl_ana_flap *flap;            /* ANA_FLAP: ana_flap.c */
	struct nvhi_list link;               /* target->faults */
};

/* ---- pure (table.c); any thread ------------------------------------------------------------- */

/* Whether the scope has this command of this queue pair in it. cmd NULL: the queue pair alone. */
bool tl_fault_matches(const struct tl_fault_opts *opts, const struct tl_qpair *qpair,
		      const struct nvh_cmd *cmd);
/* Counts a match; whether the fault happens this time. The Nth match of a seed is decided the same
 * way in every run. */
bool tl_fault_strikes(struct tl_fault *fault);

/* ---- management reactor --------------------------------------------------------------------- */

/* `number`: the fault's id, or how many commands were let go. */
typedef void (*tl_fault_done_fn)(void *arg, uint64_t number);

/* *ret_fault is listed at once; done fires when every group has it. -ENOMEM, -ENOSPC (too many).
 * Connection faults without nsid and opcode also strike the connections there are. */
int tl_fault_add(struct tl_target *target, const struct tl_fault_opts *opts, tl_fault_done_fn done,
		 void *arg, struct tl_fault **ret_fault);
/* id 0: all. What they hold or delay goes on, connections that they silenced speak again; done
 * tells how many commands. -ENOENT, -ENOMEM. */
int tl_fault_clear(struct tl_target *target, uint64_t id, tl_fault_done_fn done, void *arg);
/* Executes what is held, or (drop) forgets it: it is never executed and never answered. */
int tl_fault_release(struct tl_target *target, uint64_t id, bool drop, tl_fault_done_fn done,
		     void *arg);
/* ana_flap.c. A state changes each opts.ms from now on. -ENOMEM. */
int tl_ana_flap_start(struct tl_target *target, struct tl_fault *fault);
/* Ends it: states are as they were before, then done. */
void tl_ana_flap_end(struct tl_ana_flap *flap, void (*done)(void *arg), void *arg);
/* Queue pair's reactor: what is held of it is never executed: its controller was reset, or the time
 * that was promised for it to quiesce is over. */
void tl_fault_quench(struct tl_qpair *qpair);
/* The target stops: all rules go. */
void tl_faults_stop(struct tl_target *target);
/* The target is being freed. */
void tl_faults_done(struct tl_target *target);

/* ---- the hooks; queue pair's reactor, only with faults --------------------------------------- */

/* Before execution; true: the command has been taken. */
bool tl_fault_on_exec(struct tl_request *req);
/* Held by a fault that Abort shall not find. */
bool tl_fault_ignores_abort(const struct tl_request *req);
/* A command that was marked completes; true: it will, later. */
bool tl_fault_on_complete(struct tl_request *req, unsigned int *status);

#endif
