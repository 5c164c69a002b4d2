/*
 * The controller's inside, shared by the files of host/ctrlr and nobody else. Home reactor, except
 * struct nvhi_ioq, which says whose each part is.
 *
 *	ctrlr.c		creation, options, what others may look at
 *	life.c		the state table, the gate for failures, tearing down, deleting
 *	connect.c	the admin queue
 *	registers.c	properties by step: enabling, disabling, shutdown (enable.c, shutdown.c)
 *	identify.c	Identify Controller, checked; caps
 *	subnqn.c	the subsystem's NQN where none was given
 *	negotiate.c	features
 *	keepalive.c, aer.c, admin.c, abort.c, log_page.c
 *	ana.c, ana_parse.c	asymmetric namespace access
 *	ns_scan.c, ns_parse.c	namespaces
 *	queues.c	the home side of the I/O queues; ioq*.c their reactors' side, ioq_rejoin.c
 *			leaving one of them alone
 *	ccr.c, ccr_parse.c	resets of other controllers
 *	reconnect.c, gate.c	back-off, bounds on attempts, ctrl-loss and fast-io-fail
 */
#ifndef NVHI_HOST_CTRLR_CTRLR_IMPL_H
#define NVHI_HOST_CTRLR_CTRLR_IMPL_H

#include "host/ctrlr/ana.h"
#include "host/ctrlr/ctrlr.h"
#include "host/ctrlr/ns_desc.h"

#define NVHI_ADMIN_ENTRIES    32u /* as every Fabrics controller accepts */
#define NVHI_ADMIN_RESERVED   3u  /* slots only keep-alives, probes and Aborts may take */
#define NVHI_AER_MAX          4u
#define NVHI_SCAN_WIDTH       8u     /* namespaces identified at once */
#define NVHI_NS_MAX           65536u /* namespaces of one controller at most */
#define NVHI_IDENTIFY_RETRIES 3u

/* ---- parts ------------------------------------------------------------------------------- */

struct nvhi_aer {
	struct nvhi_req req;
	struct nvhi_ctrlr *ctrlr;
	bool out;     /* lent to the transport */
	bool refused; /* the controller takes no more of them */
};

struct nvhi_aer_state {
	struct nvhi_aer slots[NVHI_AER_MAX];
	uint32_t wanted;
	struct nvhi_timer rearm;
	uint64_t window_ns; /* when the present second of counting began */
	uint32_t in_window;
	/* logs to be read to clear an event, one at a time */
	uint64_t clear[4]; /* bit a LID */
	bool clearing;
	struct nvhi_log_page log;
	uint8_t *buf; /* NVH_IDENTIFY_SIZE */
};

struct nvhi_ana {
	struct nvhi_ana_group *groups; /* as last read, ascending; room for `max` */
	struct nvhi_ana_group *incoming;
	uint32_t count, max;
	bool reading;
	bool wanted; /* asked for meanwhile */
	uint8_t repeats;
	uint32_t failures; /* in a row */
	struct nvhi_log_page log;
	struct nvh_ana_log header;
	uint8_t *buf;
	uint32_t buf_len;
	struct nvhi_timer again;      /* after a failure, and while a group is in transition */
	struct nvhi_timer transition; /* ANATT */
};

struct nvhi_keepalive {
	struct nvhi_timer timer;
	struct nvhi_admin cmd;
	uint64_t looked_ns; /* when traffic was looked at last */
};

struct nvhi_probe {
	struct nvhi_admin cmd;
	struct nvhi_timer timer; /* runs while it is too early to call it silent */
	struct nvhi_msg wanted;
	uint32_t posted; /* atomic: wanted is on its way */
	bool again;      /* asked for while one was out */
	uint64_t sent_ns;
	/* atomic, for any reactor */
	uint64_t answered_ns; /* when the last one answered was sent */
	uint64_t silent_ns;   /* when one was found unanswered */
};

/* One namespace being identified. */
struct nvhi_scan_slot {
	struct nvhi_ctrlr *ctrlr;
	struct nvhi_admin cmd;
	uint32_t index; /* in the scan's table */
	uint8_t step;
	bool out;
	struct nvhi_ns_data data;
	struct nvhi_ns_ids ids;
	uint8_t *buf; /* NVH_IDENTIFY_SIZE */
};

struct nvhi_ns_table {
	struct nvhi_ns_data *ns; /* by NSID */
	uint32_t count;
};

struct nvhi_scan {
	bool running;
	bool again; /* asked for meanwhile */
	bool again_full;
	bool full;       /* identify all, not only new and changed ones */
	bool incomplete; /* something could not be read: try again later */
	bool complained; /* one log line a scan */
	uint8_t repeats;
	uint64_t started;    /* when the present or last scan began */
	uint64_t rest_until; /* events start none before: a long scan rests as long as it took */
	uint32_t last;       /* NSID the list goes on after */
	uint32_t next;       /* table index to be identified next */
	uint32_t room;
	struct nvhi_ns_table table; /* being built */
	uint32_t *changed;          /* from the changed namespace log, ascending; NVH_NS_LIST_MAX */
	uint32_t nr_changed;
	struct nvhi_admin list_cmd;
	uint8_t *list_buf;
	struct nvhi_timer retry;
	struct nvhi_list waiters;      /* told by the present scan */
	struct nvhi_list waiters_next; /* told by the next one */
	struct nvhi_scan_slot slots[NVHI_SCAN_WIDTH];
};

/* ---- the controller ---------------------------------------------------------------------- */

struct nvhi_ctrlr {
	uint32_t state;
	struct nvhi_ctrlr_opts opts;
	char name[32];
	char where[NVHI_ADDR_TEXT_MAX]; /* "127.0.0.1:4420" */
	struct nvhi_ctrlr_owner *owner;
	struct nvh_reactor *home;
	struct nvh_reactor **reactors;
	const struct nvhi_transport *transport;
	struct nvhi_tctrlr *tctrlr;

	/* What the owner asked for, done at the top of a turn. */
	struct nvhi_msg kick;
	bool kicked, destroyed;
	bool want_start, want_delete, want_reset, want_rescan, want_wake, want_nudge, want_turn,
		want_expire, want_teardown;
	bool started; /* NEW, and waits for its turn */
	char reset_why[128];
	struct nvhi_list reset_waiters;

	/* The present state's deadline, and the step it is at. */
	struct nvhi_timer state_timer;
	const char *step;
	uint32_t step_ms;

	/* The association. */
	struct nvhi_qpair *admin;
	struct nvhi_qpair_events admin_events;
	bool admin_revoking;
	bool associated; /* was LIVE since the last connect: `quiesced` is owed */
	bool was_disabled; /* CSTS.RDY was read back as 0 after CC.EN = 0 */
	uint64_t assoc_id;
	struct nvhi_list ccrs; /* struct nvhi_ccr.link: resets of other controllers */
	struct nvhi_reg_op reg;
	bool reg_out;
	struct nvhi_timer poll_timer; /* between two looks at CSTS */
	uint32_t poll_ms;
	uint64_t poll_deadline;
	uint8_t reg_step;
	struct nvhi_admin cmd; /* the command of a connect step */
	uint8_t cmd_step;
	uint8_t *buf; /* NVH_IDENTIFY_SIZE: its data */
	struct nvh_id_ctrlr *id;
	bool identified;
	bool named_by_identify; /* the subsystem's NQN was not given, but found there */
	struct nvhi_ctrlr_caps caps;

	/* Admin commands. */
	uint64_t admin_heard_ns; /* when the last one answered was sent; but for keep-alives */
	struct nvhi_list admin_waiting, admin_sent, admin_retrying;
	struct nvhi_list aborts;
	struct nvhi_admin abort_cmd;
	bool abort_out;

	struct nvhi_aer_state aer;
	struct nvhi_ana ana;
	struct nvhi_keepalive ka;
	struct nvhi_probe probe;
	struct nvhi_scan scan;
	struct nvhi_ns_table table;

	/* I/O queues. */
	struct nvhi_ioq *ioqs;
	uint32_t nr_ioqs;      /* that may be used: one a reactor */
	uint32_t ioqs_running; /* started and not yet stopped */
	uint32_t ioqs_connecting;

	/* Reconnecting. */
	struct nvhi_gate_pass pass;
	struct nvhi_timer loss_timer, fast_fail_timer;
	uint64_t random;
	uint32_t attempts; /* since it last stayed up */
	uint64_t live_since;
	uint64_t reconnects;
	uint64_t rejoins; /* queues that were left and came back; atomic */
	bool was_live;
	bool reconnect_now;            /* without back-off: a reset that was asked for */
	struct nvhi_ctrlr_error error; /* the last */
	bool failed_for_good;          /* `error` is why it is being deleted */
};

/* ---- life.c ------------------------------------------------------------------------------ */

/* Moves along a legal edge, arms the new state's deadline (ms; 0: a state that needs none), tells
 * the owner. `step` says what is being waited for: it stands in the message of a timeout. */
void nvhi_ctrlr_set_state(struct nvhi_ctrlr *ctrlr, enum nvhi_ctrlr_state state, const char *step,
			  uint32_t ms);
/* The next step within a state. */
void nvhi_ctrlr_step(struct nvhi_ctrlr *ctrlr, const char *step, uint32_t ms);
/* Has nvhi_ctrlr_run_wants called at the top of a turn. */
void nvhi_ctrlr_kick(struct nvhi_ctrlr *ctrlr);
void nvhi_ctrlr_run_wants(struct nvhi_ctrlr *ctrlr);
void nvhi_life_init(struct nvhi_ctrlr *ctrlr);
/* The one gate for everything that ends an attempt or an association. The message is put together
 * from `what` ("identify"), the address and the text. No effect when it is ending already. */
void nvhi_ctrlr_fail(struct nvhi_ctrlr *ctrlr, int err, const struct nvh_cpl *cpl, const char *what,
		     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Nothing is left to fail: it is going down already, or was never up. */
bool nvhi_ctrlr_is_ending(const struct nvhi_ctrlr *ctrlr);
/* DISABLING or SHUTDOWN did what it should. */
void nvhi_ctrlr_left(struct nvhi_ctrlr *ctrlr);
void nvhi_ctrlr_become_live(struct nvhi_ctrlr *ctrlr);
/* All the queues that had to go are gone. */
void nvhi_ctrlr_queue_gone(struct nvhi_ctrlr *ctrlr);
/* ctrl-loss-tmo. */
void nvhi_ctrlr_give_up(struct nvhi_ctrlr *ctrlr);

/* ---- one duty a file --------------------------------------------------------------------- */

/*
 * Did the reactor come to this deadline late itself (stopped, or a long turn)? Then the answer may
 * lie in a socket that was not looked at yet: the timer is armed again for a moment, and the
 * deadline is not to be believed now.
 */
bool nvhi_deadline_stalled(struct nvh_reactor *reactor, struct nvhi_timer *timer);

/* error.c: fills everything but will_retry. */
void nvhi_ctrlr_error_set(struct nvhi_ctrlr *ctrlr, struct nvhi_ctrlr_error *error, int err,
			  const struct nvh_cpl *cpl, const char *what, const char *text);

void nvhi_ctrlr_connect(struct nvhi_ctrlr *ctrlr);        /* connect.c */
void nvhi_ctrlr_enable(struct nvhi_ctrlr *ctrlr);         /* enable.c */
void nvhi_ctrlr_disable(struct nvhi_ctrlr *ctrlr);        /* shutdown.c: for a reset */
void nvhi_ctrlr_shutdown(struct nvhi_ctrlr *ctrlr);       /* shutdown.c: for deleting */
void nvhi_ctrlr_identify_start(struct nvhi_ctrlr *ctrlr); /* identify.c */
void nvhi_ctrlr_negotiate(struct nvhi_ctrlr *ctrlr);      /* negotiate.c */

/* subnqn.c: ret_nqn has NVH_NQN_SIZE bytes. */
void nvhi_subnqn_of(const struct nvh_id_ctrlr *id, uint32_t quirks, char *ret_nqn);
/* -EPROTO: it is another subsystem than the one that was asked for. */
int nvhi_subnqn_check(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id);
/* Takes the NQN where none was given. */
void nvhi_subnqn_take(struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id);

/* registers.c: one property operation at a time on the admin queue. */
void nvhi_ctrlr_reg_get(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint8_t size,
			nvhi_reg_done_fn done);
void nvhi_ctrlr_reg_set(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint64_t value,
			nvhi_reg_done_fn done);
struct nvhi_ctrlr *nvhi_ctrlr_of_reg(struct nvhi_reg_op *op);
/* The next look at CSTS comes after 1, 2, 4 ... 100 ms; false when poll_deadline is past. */
bool nvhi_ctrlr_poll_again(struct nvhi_ctrlr *ctrlr, nvhi_timer_fn fn);
uint32_t nvhi_ctrlr_cc(const struct nvhi_ctrlr *ctrlr);

/* identify.c: pure. 0 or -EPROTO with the reason in text. */
int nvhi_identify_check(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id, char *text,
			size_t len);
void nvhi_identify_caps(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id,
			struct nvhi_ctrlr_caps *caps);
void nvhi_identify_nvm(const struct nvh_id_iocs_nvm *nvm, struct nvhi_ctrlr_caps *caps);

/* admin.c */
/* Our own commands: also before LIVE. `data` is a controller's buffer. */
void nvhi_admin_submit_internal(struct nvhi_ctrlr *ctrlr, struct nvhi_admin *admin, void *data,
				uint32_t len);
/* Keep-alives and Aborts: before the others, into the reserved slots. */
void nvhi_admin_submit_urgent(struct nvhi_ctrlr *ctrlr, struct nvhi_admin *admin);
/* Puts it at the end (or the start) of those that wait, with its deadline. */
void nvhi_admin_enqueue(struct nvhi_admin *admin, bool first);
/* A slot became free. */
void nvhi_admin_next(struct nvhi_ctrlr *ctrlr);
/* The association is over: gives back what was not sent. */
void nvhi_admin_flush(struct nvhi_ctrlr *ctrlr);
/* Is being used: waiting, sent, or between two tries. */
bool nvhi_admin_busy(const struct nvhi_admin *admin);
/* Readies ctrlr->cmd for a connect step, which gets the time of a step and of its retries. */
void nvhi_ctrlr_cmd_begin(struct nvhi_ctrlr *ctrlr, const char *step, nvhi_admin_fn done);
void nvhi_admin_identify(struct nvhi_admin *admin, uint8_t cns, uint32_t nsid, uint8_t csi);
void nvhi_admin_set_feature(struct nvhi_admin *admin, uint8_t fid, uint32_t cdw11);

/* abort.c */
void nvhi_abort_queue(struct nvhi_ctrlr *ctrlr, struct nvhi_abort *abort, uint16_t sqid,
		      uint16_t cid);
void nvhi_abort_cancel(struct nvhi_abort *abort);
void nvhi_abort_sent_none(struct nvhi_abort *abort);
void nvhi_abort_flush(struct nvhi_ctrlr *ctrlr);
uint32_t nvhi_abort_grace_ms(const struct nvhi_ctrlr *ctrlr);

/* log_page.c: also before LIVE. */
int nvhi_log_page_read_internal(struct nvhi_ctrlr *ctrlr, struct nvhi_log_page *log);

/* keepalive.c, aer.c */
void nvhi_keepalive_start(struct nvhi_ctrlr *ctrlr);
void nvhi_keepalive_stop(struct nvhi_ctrlr *ctrlr);
uint32_t nvhi_keepalive_deadline_ms(const struct nvhi_ctrlr *ctrlr);
/* probe.c */
void nvhi_probe_init(struct nvhi_ctrlr *ctrlr);
void nvhi_probe_stop(struct nvhi_ctrlr *ctrlr);
/* Another admin command that was sent then was answered: as good as a probe. */
void nvhi_probe_heard(struct nvhi_ctrlr *ctrlr, uint64_t sent_ns);
/* Until a queue is doubted, and until the probe's silence tells, at most. */
uint64_t nvhi_ioq_quiet_bound_ns(const struct nvhi_ctrlr *ctrlr);
uint64_t nvhi_probe_bound_ns(void);
/* Until silence is noticed, at most; NVHI_NEVER without a keep-alive. */
uint64_t nvhi_keepalive_bound_ns(const struct nvhi_ctrlr *ctrlr);
void nvhi_aer_start(struct nvhi_ctrlr *ctrlr);
void nvhi_aer_stop(struct nvhi_ctrlr *ctrlr);
/* Reads this log to clear its event. */
void nvhi_aer_clear(struct nvhi_ctrlr *ctrlr, uint8_t lid);
/* Of those in OAES the ones we want to hear of. */
uint32_t nvhi_aer_config(const struct nvhi_ctrlr *ctrlr);

/* ana.c: start for each association, before LIVE. */
void nvhi_ana_start(struct nvhi_ctrlr *ctrlr);
void nvhi_ana_stop(struct nvhi_ctrlr *ctrlr);
void nvhi_ana_fini(struct nvhi_ctrlr *ctrlr);

/* ns_scan.c */
int nvhi_scan_init(struct nvhi_ctrlr *ctrlr);
void nvhi_scan_fini(struct nvhi_ctrlr *ctrlr);
/* full: identify all; else only new ones and the `count` in `changed` (ascending). */
void nvhi_scan_request(struct nvhi_ctrlr *ctrlr, bool full, const uint32_t *changed,
		       uint32_t count);
void nvhi_scan_stop(struct nvhi_ctrlr *ctrlr, int err);
/* Tells the owner that all namespaces are gone. */
void nvhi_ns_drop_all(struct nvhi_ctrlr *ctrlr);
/* ns_table.c: puts `next` in place of the present table, tells the owner what differs. */
void nvhi_ns_table_swap(struct nvhi_ctrlr *ctrlr, struct nvhi_ns_table *next);
const struct nvhi_ns_data *nvhi_ns_table_find(const struct nvhi_ns_table *table, uint32_t nsid);

/* ns_parse.c: pure. 0, -ENOENT (an inactive namespace), -EPROTO (`ret_why` names the field). */
int nvhi_ns_parse(const struct nvh_id_ns *id, struct nvhi_ns_data *ns, const char **ret_why);
void nvhi_ns_parse_indep(const struct nvh_id_ns_indep *id, struct nvhi_ns_data *ns);
/* NVHI_NS_* of what differs. */
uint32_t nvhi_ns_differs(const struct nvhi_ns_data *a, const struct nvhi_ns_data *b);

/* reconnect.c */
void nvhi_reconnect_arm_loss(struct nvhi_ctrlr *ctrlr);
void nvhi_reconnect_live(struct nvhi_ctrlr *ctrlr);
void nvhi_reconnect_lost(struct nvhi_ctrlr *ctrlr);
void nvhi_reconnect_wait(struct nvhi_ctrlr *ctrlr);
/* Begins the next attempt, or waits at the gate for it. */
void nvhi_reconnect_go(struct nvhi_ctrlr *ctrlr);
void nvhi_reconnect_stop(struct nvhi_ctrlr *ctrlr);
bool nvhi_reconnect_wanted(const struct nvhi_ctrlr *ctrlr, const struct nvh_cpl *cpl);
/* Full jitter: uniform in 1 ms .. the step of the `attempts`-th attempt. Pure but for `random`. */
uint32_t nvhi_reconnect_delay_ms(uint32_t first_ms, uint32_t max_ms, uint32_t attempts,
				 uint64_t *random);

/* queues.c */
int nvhi_queues_init(struct nvhi_ctrlr *ctrlr);
void nvhi_queues_fini(struct nvhi_ctrlr *ctrlr);
void nvhi_queues_start(struct nvhi_ctrlr *ctrlr);
void nvhi_queues_open(struct nvhi_ctrlr *ctrlr);
void nvhi_queues_stop(struct nvhi_ctrlr *ctrlr);
/* QUEUES: LIVE when all queues are connected and the scan is done. */
void nvhi_queues_check(struct nvhi_ctrlr *ctrlr);
/* When the I/O command that was sent last of those answered was sent; for traffic-based keep-alive.
 */
uint64_t nvhi_queues_heard_ns(const struct nvhi_ctrlr *ctrlr);

#define nvhi_ctrlr_event(ctrlr, slot, ...)                                                         \
	((ctrlr)->owner->events->slot((ctrlr)->owner, (ctrlr), ##__VA_ARGS__))

#endif
