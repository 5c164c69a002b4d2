/*
 * A controller: one association with a subsystem, kept alive. It connects, enables, identifies,
 * negotiates, connects its I/O queues in parallel, watches, resets and reconnects
 * (docs/architecture.md, "the controller's life"; Base Specification 2.1 chapters 3 and 6).
 *
 * Threads: a controller lives on its home reactor: every function here is called there and every
 * event comes there, never from inside a call that the owner made (exceptions are named). Its I/O
 * queues live on the reactors of opts.reactors; see ioq.h.
 */
#ifndef NVHI_HOST_CTRLR_CTRLR_H
#define NVHI_HOST_CTRLR_CTRLR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fsm.h"
#include "base/list.h"
#include "base/reactor.h"
#include "base/spec/nvme.h"
#include "base/spec/nvmf.h"
#include "host/ctrlr/admin.h"
#include "host/ctrlr/ccr.h"
#include "host/ctrlr/gate.h"
#include "host/ctrlr/ioq.h"
#include "host/ctrlr/log_page.h"
#include "host/ctrlr/ns_data.h"
#include "host/transport.h"

struct nvhi_ctrlr;
struct nvhi_ctrlr_owner;

/* ---- states ------------------------------------------------------------------------------ */

#define NVHI_CTRLR_STATES(X)                                                                       \
	X(NEW, new)                 /* created, nothing sent */                                    \
	X(CONNECTING, connecting)   /* transport connect, handshake, Connect of the admin queue */ \
	X(ENABLING, enabling)       /* CAP, VS, CC.EN, CSTS.RDY */                                 \
	X(IDENTIFYING, identifying) /* Identify Controller and the NVM command set's */            \
	X(CONFIGURING, configuring) /* number of queues, host behaviour, keep-alive, AERs */       \
	X(QUEUES, connecting queues) /* I/O queues connect while namespaces are scanned */         \
	X(LIVE, live)                                                                              \
	X(DISABLING, disabling) /* an orderly reset: CC.EN = 0 on a queue that answers */          \
	X(RESETTING, resetting) /* queues are being revoked; a reconnect follows */                \
	X(RECONNECT_WAIT, reconnect wait) /* back-off before the next attempt */                   \
	X(SHUTDOWN, shutting down)        /* CC.SHN, CSTS.SHST, before deleting */                 \
	X(DELETING, deleting)             /* queues are being revoked for good */                  \
	X(DELETED, deleted)               /* final */

enum nvhi_ctrlr_state {
#define X(upper, lower) NVHI_CTRLR_##upper,
	NVHI_CTRLR_STATES(X)
#undef X
};
extern struct nvhi_fsm nvhi_ctrlr_fsm; /* not const: tests set `taken` to count edges */
const char *nvhi_ctrlr_state_name(enum nvhi_ctrlr_state state);
/* In the fewer words of Linux's sysfs, which listings and scripts know: "new", "connecting", "live",
 * "resetting", "deleting", "dead". */
const char *nvhi_ctrlr_state_brief(enum nvhi_ctrlr_state state);

/* ---- what went wrong --------------------------------------------------------------------- */

struct nvhi_ctrlr_error {
	int err; /* -errno; -EREMOTEIO when `cpl` tells more */
	bool has_cpl;
	struct nvh_cpl cpl; /* the completion that failed, when has_cpl */
	bool will_retry;    /* another attempt follows by itself */
	char message[256];  /* what failed, on what, what to do; no trailing newline */
};

/* ---- what it is connected to ------------------------------------------------------------- */

/* Valid from the first LIVE on. Changes only while no I/O queue is LIVE, so that it may be read
 * from an I/O queue's reactor while that queue is LIVE. */
struct nvhi_ctrlr_caps {
	uint64_t cap;          /* register */
	uint32_t vs;           /* register */
	uint32_t page_size;    /* 4096 << CAP.MPSMIN */
	uint32_t max_transfer; /* bytes a command may move: MDTS and the transport's cap; never 0 */
	uint32_t oaes, ctratt, sgls;
	uint16_t cntlid, oacs, oncs, fuses, ofcs, kas;
	uint8_t acl, aerl, lpa, vwc, cmic, anacap, anatt, cntrltype;
	uint32_t anagrpmax, nanagrpid;
	uint32_t nn;      /* highest NSID */
	uint32_t mnan;    /* namespaces at most, 0: not told */
	uint16_t crdt[3]; /* units of 100 ms; 0 when Host Behavior Support was not accepted */
	uint32_t rtd3e_us;
	/* NVM command set (CNS 06h); 0: not limited but by max_transfer */
	uint32_t wz_blocks_bytes; /* Write Zeroes: bytes a command, 0: no limit but NLB */
	uint32_t verify_bytes;    /* Verify: bytes a command, 0: no limit but NLB */
	uint8_t dmrl;             /* DSM: ranges a command, 0: 256 */
	uint32_t dmrsl;           /* DSM: blocks a range, 0: no limit */
	uint64_t dmsl;            /* DSM: blocks a command, 0: no limit */
	/* quiescing and cross-controller reset (fences) */
	uint16_t cqt_ms;
	uint8_t ciu, ccrl;
	uint64_t cirn;
	/* negotiated */
	uint32_t kato_ms;      /* in use, 0: none */
	bool tbkas;            /* traffic-based keep-alive */
	uint16_t nr_io_queues; /* granted and used */
	uint16_t queue_depth;  /* commands that may be in flight on one I/O queue */
	char serial[21], model[41], firmware[9]; /* trimmed, unprintable bytes as '?' */
};

/* ---- options ----------------------------------------------------------------------------- */

/* What becomes of writes whose association ended before they were answered (docs/multipath.md). */
enum nvhi_write_fence {
	NVHI_WRITE_FENCE_AUTO,
	NVHI_WRITE_FENCE_STRICT,
	NVHI_WRITE_FENCE_OFF,
};

struct nvhi_ctrlr_opts {
	struct nvhi_tctrlr_opts transport; /* name, addresses, NQNs, KATO, digests, timeouts, net */
	const struct nvhi_transport *ops;  /* NULL: that of transport.addr.trtype */
	struct nvh_reactor *home;
	struct nvh_reactor *const *reactors; /* one I/O queue each; copied; ignored for discovery */
	uint32_t nr_reactors;
	uint32_t nr_io_queues;       /* at most so many of them; 0: all */
	bool discovery;              /* a discovery controller: no namespaces, no I/O queues */
	bool persistent;             /* discovery: keep-alive, AERs, reconnect; else one shot */
	bool ask_only;               /* with discovery: any controller, only its Identify is wanted */
	bool no_scan;                /* do not look at namespaces (admin tools) */
	uint16_t queue_size;         /* entries, 16-1024 */
	uint32_t reconnect_delay_ms; /* first step of the back-off */
	uint32_t reconnect_delay_max_ms;
	int ctrl_loss_tmo_s;    /* -1: for ever; 0: do not reconnect */
	int fast_io_fail_tmo_s; /* -1: off */
	uint32_t io_timeout_ms, admin_timeout_ms;
	uint32_t suspect_ms; /* a queue that is silent for so long is in doubt; 0: never */
	bool no_retry; /* the first attempt decides */
	struct nvhi_gate *gate; /* that attempts pass; NULL: none. Outlives the controller's end */
	uint8_t write_fence; /* enum nvhi_write_fence */
	uint64_t seed; /* of the jitter */
};
/* Defaults of everything but addresses, NQNs, net and reactors. */
void nvhi_ctrlr_opts_init(struct nvhi_ctrlr_opts *opts);

/* ---- events to the owner ----------------------------------------------------------------- */

enum {                             /* what differs in ns_changed */
       NVHI_NS_SIZE = 1u << 0,     /* nsze */
       NVHI_NS_FORMAT = 1u << 1,   /* block size, metadata, protection */
       NVHI_NS_IDENTITY = 1u << 2, /* UUID, NGUID, EUI64, CSI: another namespace stands there now */
       NVHI_NS_ATTR = 1u << 3,     /* write protection, features, sharing, limits */
       NVHI_NS_ANA = 1u << 4,      /* ANA group */
};

struct nvhi_ctrlr_events {
	/* Each change of state, before the specific event. */
	void (*state)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
		      enum nvhi_ctrlr_state state);
	/* LIVE; namespaces of this association were told before. The I/O queues go LIVE on their
	 * reactors right after (ioq.h). */
	void (*live)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr, bool first);
	/* An attempt to connect failed. Not will_retry: `deleted` follows by itself. */
	void (*failed)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
		       const struct nvhi_ctrlr_error *error);
	/* A LIVE controller was lost (or reset). Its I/O queues are told on their reactors. */
	void (*lost)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
		     const struct nvhi_ctrlr_error *error);
	/* Every reactor has acknowledged: nothing is sent any more on any queue of the association
	 * and every request was given back. */
	void (*quiesced)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr);
	/* fast_io_fail_tmo ran out while not LIVE: I/O that waits for this path should fail now. */
	void (*fast_io_fail)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr);
	/* DELETED, once: call nvhi_ctrlr_destroy when your watches of its queues are gone (also
	 * from inside). `why` is NULL after nvhi_ctrlr_delete. */
	void (*deleted)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
			const struct nvhi_ctrlr_error *why);
	/* Namespaces. `ns` is valid inside the call; nvhi_ctrlr_ns_next walks the present ones. */
	void (*ns_added)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
			 const struct nvhi_ns_data *ns);
	void (*ns_changed)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
			   const struct nvhi_ns_data *ns, uint32_t what);
	void (*ns_removed)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr, uint32_t nsid);
	/* An asynchronous event that the controller does not handle alone: the ANA log was read
	 * anew (ana.h tells the states), the discovery log changed, SMART, reservation...
	 * (namespace changes become ns_* events). */
	void (*notice)(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr, uint8_t type,
		       uint8_t info, uint8_t lid);
};
/* No NULL slots: start from these, which do nothing. */
void nvhi_ctrlr_events_none_state(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
				  enum nvhi_ctrlr_state state);
void nvhi_ctrlr_events_none(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr);
void nvhi_ctrlr_events_none_notice(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
				   uint8_t type, uint8_t info, uint8_t lid);

/* Embedded in the owner's object. */
struct nvhi_ctrlr_owner {
	const struct nvhi_ctrlr_events *events;
};

/* ---- life -------------------------------------------------------------------------------- */

/* Checks the options and allocates all that the controller will ever need but namespaces. Nothing
 * is sent before nvhi_ctrlr_start. -EINVAL (a reason goes to errbuf), -ENODEV (no such transport),
 * -ENOMEM. */
int nvhi_ctrlr_create(const struct nvhi_ctrlr_opts *opts, struct nvhi_ctrlr_owner *owner,
		      char *errbuf, size_t errbuf_len, struct nvhi_ctrlr **ret_ctrlr);
/* Begins to connect; once. The outcome comes as live, failed, deleted. */
void nvhi_ctrlr_start(struct nvhi_ctrlr *ctrlr);
/* Orderly end from any state: shutdown where a queue still answers (bounded), queues revoked, then
 * the event `deleted`. Again: nothing happens. */
void nvhi_ctrlr_delete(struct nvhi_ctrlr *ctrlr);
/* Only when NEW or DELETED, and no ioq has a watch or waiter. Allowed from inside `deleted`. */
void nvhi_ctrlr_destroy(struct nvhi_ctrlr *ctrlr);

/* Waits for the outcome of a reset or a rescan; embedded, lent until fn is called (never inside the
 * call that took it): 0, or -ENOTCONN / -EIO / -ESHUTDOWN. */
struct nvhi_ctrlr_waiter;
typedef void (*nvhi_ctrlr_waiter_fn)(struct nvhi_ctrlr_waiter *waiter, int err);
struct nvhi_ctrlr_waiter {
	nvhi_ctrlr_waiter_fn fn;
	struct nvhi_list link;
};
/* Resets and reconnects; waiter (NULL: nobody) is told when it is LIVE again or was given up. From
 * RECONNECT_WAIT it begins the next attempt at once. `why` is for the log. -ESHUTDOWN when
 * deleting. */
int nvhi_ctrlr_reset(struct nvhi_ctrlr *ctrlr, const char *why, struct nvhi_ctrlr_waiter *waiter);
/* Re-reads the namespace list and every namespace; merged with a scan under way. -ENOTCONN when not
 * LIVE. */
int nvhi_ctrlr_rescan(struct nvhi_ctrlr *ctrlr, struct nvhi_ctrlr_waiter *waiter);
/* The peer may be back (discovery or link event): ends a RECONNECT_WAIT now and restarts the
 * back-off from its first step. No effect in other states. */
void nvhi_ctrlr_wake(struct nvhi_ctrlr *ctrlr);

/* As nvhi_ctrlr_wake, but the back-off goes on where it is: for signs that are often wrong. */
void nvhi_ctrlr_nudge(struct nvhi_ctrlr *ctrlr);

/* ---- looking at it ----------------------------------------------------------------------- */

enum nvhi_ctrlr_state nvhi_ctrlr_state(const struct nvhi_ctrlr *ctrlr);
const char *nvhi_ctrlr_name(const struct nvhi_ctrlr *ctrlr);
const struct nvhi_ctrlr_opts *nvhi_ctrlr_opts(const struct nvhi_ctrlr *ctrlr);
const struct nvhi_ctrlr_caps *nvhi_ctrlr_caps(const struct nvhi_ctrlr *ctrlr);
struct nvhi_ctrlr_owner *nvhi_ctrlr_owner(const struct nvhi_ctrlr *ctrlr);
struct nvhi_tctrlr *nvhi_ctrlr_tctrlr(const struct nvhi_ctrlr *ctrlr);
/* The data as read at the last identify; NULL before. */
const struct nvh_id_ctrlr *nvhi_ctrlr_identify(const struct nvhi_ctrlr *ctrlr);
/* The present namespaces in order of NSID; NULL: first / no more. */
const struct nvhi_ns_data *nvhi_ctrlr_ns_next(const struct nvhi_ctrlr *ctrlr,
					      const struct nvhi_ns_data *prev);
const struct nvhi_ns_data *nvhi_ctrlr_ns_find(const struct nvhi_ctrlr *ctrlr, uint32_t nsid);
uint32_t nvhi_ctrlr_ns_count(const struct nvhi_ctrlr *ctrlr);
/* The queue of `reactor`; NULL when it is none of opts.reactors. The object stays the same over
 * reconnects until nvhi_ctrlr_destroy; it stays ABSENT when the controller granted fewer queues
 * than there are reactors (the first of opts.reactors have them). Any thread. */
struct nvhi_ioq *nvhi_ctrlr_ioq(const struct nvhi_ctrlr *ctrlr, const struct nvh_reactor *reactor);
/* A number of its present association, or of the last: no other one of the process has it. */
uint64_t nvhi_ctrlr_assoc_id(const struct nvhi_ctrlr *ctrlr);
/* It was LIVE and not every reactor has let go of it yet. */
bool nvhi_ctrlr_is_associated(const struct nvhi_ctrlr *ctrlr);
/* The last association was disabled: CSTS.RDY was read back as 0 on its own admin queue. */
bool nvhi_ctrlr_was_disabled(const struct nvhi_ctrlr *ctrlr);
/* How often it came back, and the last loss or failure (err 0: none yet). */
uint64_t nvhi_ctrlr_reconnects(const struct nvhi_ctrlr *ctrlr);
/* How often one of its I/O queues was left for a stuck command and connected again (ioq_rejoin.c). */
uint64_t nvhi_ctrlr_rejoins(const struct nvhi_ctrlr *ctrlr);
const struct nvhi_ctrlr_error *nvhi_ctrlr_last_error(const struct nvhi_ctrlr *ctrlr);
/* When the next attempt begins (RECONNECT_WAIT) and when the controller is given up, in the
 * reactor's time; NVHI_NEVER where it does not apply. */
uint64_t nvhi_ctrlr_next_attempt(const struct nvhi_ctrlr *ctrlr);
uint64_t nvhi_ctrlr_loss_deadline(const struct nvhi_ctrlr *ctrlr);
/* Does it still answer? A Keep Alive out of turn (probe.c). Any thread. */
void nvhi_ctrlr_probe(struct nvhi_ctrlr *ctrlr);
enum nvhi_probe_answer {
	NVHI_PROBE_WAITING,
	NVHI_PROBE_ANSWERED, /* one that was sent at `since` or later */
	NVHI_PROBE_SILENT,   /* one was found unanswered at `since` or later */
};
enum nvhi_probe_answer nvhi_ctrlr_probed(const struct nvhi_ctrlr *ctrlr, uint64_t since);
/* How long, at most, with its options and what it told; NVHI_NEVER: nothing bounds it (bounds.c). */
struct nvhi_ctrlr_bounds {
	uint64_t left_ns;	 /* a path that answers nothing any more, I/O out, is left for another */
	const char *left_by;	 /* by what; static text */
	uint64_t silent_ns;	 /* ... is given up where there is no other */
	const char *silent_by;	 /* by what; static text */
	uint64_t aborted_ns;	 /* a command that is stuck is aborted ... */
	uint64_t stuck_ns;	 /* ... and given up with its queue */
	uint64_t attempt_ns;	 /* one step of a connect */
	uint64_t retry_ns;	 /* between two attempts */
};
void nvhi_ctrlr_bounds(const struct nvhi_ctrlr *ctrlr, struct nvhi_ctrlr_bounds *ret_bounds);
/* Local and peer address of the admin queue; "" when not connected. */
void nvhi_ctrlr_addresses(const struct nvhi_ctrlr *ctrlr, char *local, size_t local_len, char *peer,
			  size_t peer_len);

#endif
