/*
 * Inside multipath: subsystems, heads, paths (home reactor), channels and lanes (a channel's
 * reactor), and who may touch which of their fields.
 *
 *	subsys.c	subsystems and their controllers joining and leaving
 *	head.c		heads: made, found, announced, removed; the snapshot any thread reads
 *	identity.c	may this path be merged into that head?
 *	path.c		paths, and the home end of the lane protocol
 *	channel.c	channels, and the reactor end of the lane protocol
 *	submit.c	the way in: checks, and out at once or among the waiting
 *	ana.c		the ANA states of paths, and how lanes learn them
 *	health.c	which lanes are trusted: suspicion, silence, probation
 *	policy*.c	which lane takes the next part
 *	split.c		cutting an I/O into parts and building their commands
 *	complete.c	parts coming back
 *	fence*.c	commands of unknown fate (fence.h)
 *	requeue.c	I/O that waits: for a path, for room, for a retry delay
 *	hedge.c		reads sent twice, the first answer counts
 *	latency.c	what the paths' commands take
 *	nopath.c	how long and how much I/O waits for a path
 *	relay.c		I/O from a reactor that has no queue
 *	failover.c	the record of each loss of a path
 *	timer.c		deadlines, retry delays and holds of one channel; cancel
 *	classify.c	the retry table
 */
#ifndef NVHI_MULTIPATH_HEAD_H
#define NVHI_MULTIPATH_HEAD_H

#include <assert.h>
#include <nvhost/latency.h>

#include "host/ctrlr/ana.h"
#include "multipath/failover.h"
#include "multipath/io.h"
#include "multipath/multipath.h"

/* Of commands that read (0) and that modify (1). */
struct nvhi_latency {
	uint32_t buckets[2][NVH_LATENCY_BUCKETS];
};

/* ---- home --------------------------------------------------------------------------------- */

struct nvhi_mp_subsys {
	struct nvhi_mp *mp;
	struct nvhi_list link;
	struct nvhi_list ctrlrs; /* struct nvhi_mp_ctrlr.link */
	struct nvhi_list heads;	 /* struct nvh_ns.link, in order of NSID */
	const struct nvhi_policy *policy;
	struct nvhi_no_path no_path;
	bool hedge;
	uint32_t nr_refs;	 /* controllers and heads */
	uint32_t nr_refused;	 /* paths that do not fit */
	int instance;
	char nqn[NVH_NQN_SIZE];
};

/* What nvh_ns_info copies: written by home, read by any thread without a lock (a sequence that is
 * odd while it is being written, and words that are atomic one by one). */
struct nvhi_ns_snapshot {
	uint32_t sequence;
	uint64_t words[(sizeof(struct nvh_ns_info) + 7) / 8];
};

struct nvh_ns {
	struct nvhi_mp *mp;
	struct nvhi_mp_subsys *subsys;
	struct nvhi_list link;
	struct nvhi_list paths;	   /* struct nvhi_path.head_link */
	struct nvhi_list channels; /* struct nvh_channel.head_link */
	uint32_t refs;		   /* atomic */
	uint32_t nr_paths;
	uint32_t nsid;
	bool announced, removed;
	bool no_path_own; /* set for this namespace alone */
	struct nvhi_no_path no_path;
	struct nvhi_ns_data data;  /* of the last path that told */
	struct nvhi_ns_snapshot snapshot;
	char name[48];
	/* Read by the channels' reactors. */
	uint32_t block_shift;	   /* constant: another format is another head */
	bool io_supported;	   /* constant */
	uint64_t nr_blocks;	   /* atomic */
	uint32_t refused_ops;	   /* atomic, NVHI_NS_OP... */
	uint32_t max_transfer;	   /* atomic: bytes, of every path */
	int no_path_err;	   /* atomic: 0 I/O without a path waits, else it fails with this */
	uint64_t no_path_ns;	   /* atomic: ... for so long; nopath.c */
	uint64_t no_path_max;	   /* atomic: bytes, 0: no limit */
	uint64_t no_path_since;	   /* atomic: no path is live and accessible; 0: one is */
	uint64_t waiting_bytes;	   /* atomic: of all channels, for want of a path */
	bool hedge;		   /* atomic: reads may be sent twice; hedge.c */
	struct nvhi_hedge_counts hedge_counts; /* atomic */
	struct nvhi_fence_map *fence_map; /* home's: what the channels were told; fence.h */
	uint8_t *usable;	   /* atomic, one a reactor of mp, bits: */
#define NVHI_HERE_QUEUE 1u	   /* a path has a queue there */
#define NVHI_HERE_NOW	2u	   /* and is live and accessible */
};

/* nvh_ns.refused_ops: a bit an operation; which of them because it is read-only; all. */
#define NVHI_NS_OP(op)		 (1u << (op))
#define NVHI_NS_OP_READ_ONLY(op) (1u << (8 + (op)))
#define NVHI_NS_GONE		 (1u << 31)
static_assert(NVH_IO_PASSTHRU < 8, "operations fit");

#define NVHI_PATH_STATES(X)                                                                        \
	X(NEW, new)                                                                                \
	X(REFUSED, refused)   /* its identity does not fit the head of its NSID */                 \
	X(MERGED, merged)     /* a way to its head */                                              \
	X(LEAVING, leaving)   /* its lanes are being given up */

enum nvhi_path_state {
#define X(upper, lower) NVHI_PATH_##upper,
	NVHI_PATH_STATES(X)
#undef X
};
extern struct nvhi_fsm nvhi_path_fsm;

struct nvhi_path {
	struct nvh_ns *head; /* NULL: refused */
	struct nvhi_mp_ctrlr *mpc;
	struct nvhi_list head_link, ctrlr_link;
	struct nvhi_list lanes; /* struct nvhi_lane.path_link */
	uint32_t state;
	uint8_t ana; /* enum nvh_ana_state or NVHI_ANA_UNKNOWN */
	struct nvhi_ns_data data;
	uint64_t ios, errors; /* of lanes that are gone */
	struct nvhi_latency histogram;
};

/* ---- a channel's reactor ------------------------------------------------------------------ */

enum nvhi_limit {
	NVHI_LIMIT_NONE, /* 1: commands without blocks */
	NVHI_LIMIT_DATA, /* read, write, compare */
	NVHI_LIMIT_ZERO,
	NVHI_LIMIT_VERIFY,
	NVHI_LIMIT_DSM,
	NVHI_LIMITS,
};

#define NVHI_HEALTHS(X)                                                                            \
	X(FAILED, failed)	/* its queue is not live */                                        \
	X(LIVE, live)                                                                              \
	X(SUSPECT, suspect)	/* quiet for too long; no new I/O while another path is good */   \
	X(PROBATION, probation) /* back after a row of losses; the same */

enum nvhi_health {
#define X(upper, lower) NVHI_HEALTH_##upper,
	NVHI_HEALTHS(X)
#undef X
};
extern struct nvhi_fsm nvhi_health_fsm;

/* A path as one channel uses it. */
struct nvhi_lane {
	/* constant */
	struct nvh_channel *channel;
	struct nvhi_ioq *ioq;
	struct nvhi_ctrlr *ctrlr;
	uint32_t nsid;
	uint64_t serial; /* of its controller in multipath */
	/* home's */
	struct nvhi_path *path;
	struct nvhi_list path_link, channel_home_link;
	struct nvhi_msg attach_msg, drop_msg, gone_msg, ana_msg;
	uint8_t ana_told;	/* atomic: what home knows, for the lane to take over */
	uint32_t ana_posted;	/* atomic: ana_msg is on its way */
	struct nvhi_msg stale_msg;
	uint32_t stale_posted;	/* atomic */
	bool dropping;
	/* its reactor's, home's when the association has ended */
	struct nvhi_list unproven; /* struct nvhi_fence_range.link */
	bool unproven_all;	   /* and more, for want of memory */
	/* the channel's reactor's */
	struct nvhi_list link;	/* the channel's: all lanes */
	bool attached, dropped, usable;
	bool chosen;		/* usable, and no usable lane has a better rank */
	uint8_t ana;		/* enum nvh_ana_state, as this reactor knows it */
	uint32_t rank;		/* of health, then of that state; 0 is best */
	uint32_t health;	/* enum nvhi_health */
	uint32_t health_told;	/* atomic: the same, for home */
	uint64_t lost_at;	/* its last loss; 0: none yet */
	uint64_t probation_ns;	/* how long the next return is one; 0: it is trusted at once */
	uint64_t probation_until;
	struct nvhi_ioq_watch watch;
	struct nvhi_ioq_waiter waiter;
	uint32_t inflight;
	uint64_t held_until;	/* a path-related status: leave it alone until then; 0 */
	uint32_t hold_ms;	/* the last hold's length */
	uint64_t held_since;	/* when the first of a row of holds began */
	uint32_t limit[NVHI_LIMITS]; /* blocks a part */
	uint32_t max_transfer;	/* bytes a command */
	uint16_t crdt[3];	/* units of 100 ms */
	uint64_t latency_ns[4];	/* moving averages; see policy_latency.c. 0: none yet */
	uint64_t sampled_at;
	bool probing;		/* a read of our own is out; policy_latency.c */
	struct iovec probe_iov;
	uint8_t *probe_buf;	/* constant: one block, behind the lane; NULL: large blocks */
	uint64_t ios, errors;	/* atomic for readers */
	uint64_t sample_mask;	/* one of so many + 1 is counted */
	uint64_t late_ns, late_at; /* hedge.c: later than that is late; when learnt, in ios */
	struct nvhi_latency histogram;
};

struct nvhi_policy;
struct nvhi_hedge;
struct nvhi_hedge_slot;

struct nvh_channel {
	struct nvh_ns *ns;
	struct nvh_reactor *reactor;
	const struct nvhi_policy *policy; /* atomic: set by home */
	struct nvhi_lane *only; /* the chosen lane when there is exactly one, and no watch or hedge */
	uint32_t block_shift;
	uint32_t nr_usable;	/* of which nr_chosen may be selected */
	uint32_t nr_chosen;
	uint32_t outstanding;	/* I/Os */
	uint64_t next_seq;
	const struct nvhi_fence_map *fences; /* NULL: no write need wait; fence.h */
	uint32_t index;		/* of its reactor in the host's */
	bool closed;
	bool was_good, no_path_told; /* nopath.c */
	bool hedging;
	struct nvhi_hedge *hedge; /* NULL: it was never wanted */
	uint64_t no_path_since; /* 0: there is a good path */
	struct nvhi_list lanes;
	struct nvhi_list waiting;   /* by seq */
	struct nvhi_list delayed;   /* by due */
	struct nvhi_list ended;
	struct nvhi_list fenced;    /* I/O that waits for a fence */
	uint32_t nr_dropping;	    /* lanes dropped with parts out */
	uint32_t nr_strays;	    /* requests out that belong to no I/O */
	uint64_t fence_version;	    /* atomic: what it knows */
	const struct nvhi_fence_map *fence_want; /* atomic: what home wants it to know */
	uint32_t fence_posted, fence_ack_posted; /* atomic */
	struct nvhi_msg fence_msg, fence_ack_msg;
	struct nvhi_list deadlines; /* by deadline */
	struct nvhi_timer timer;    /* always armed, for the first of delayed, deadlines, holds */
	struct nvhi_defer ended_defer;
	struct nvhi_msg join_msg, leave_msg, kick_msg, bye_msg;
	uint32_t kicked; /* atomic: kick_msg is on its way */
	struct nvhi_failover_watch failover;
	/* home's */
	struct nvhi_list head_link;
	struct nvhi_list home_lanes; /* struct nvhi_lane.channel_home_link */
	bool joined;
	uint64_t fence_acked;
	struct nvh_channel *relay; /* for a reactor without a queue; relay.c */
};

/* ---- subsys.c, head.c, identity.c ---------------------------------------------------------- */

struct nvhi_mp_subsys *nvhi_mp_subsys_find(struct nvhi_mp *mp, const char *nqn);
void nvhi_subsys_get(struct nvhi_mp_subsys *subsys);
void nvhi_subsys_put(struct nvhi_mp_subsys *subsys);
/* Tells the controller that it has left, when it has. */
void nvhi_mp_ctrlr_check_left(struct nvhi_mp_ctrlr *mpc);

/* The head that `data` of this controller belongs to, or NULL: none yet. *ret_why: a head is there
 * but this path may not be merged. */
struct nvh_ns *nvhi_head_match(struct nvhi_mp_subsys *subsys, const struct nvhi_ns_data *data,
			       const char **ret_why);
/* NULL: no memory. Not announced. */
struct nvh_ns *nvhi_head_create(struct nvhi_mp_ctrlr *mpc, const struct nvhi_ns_data *data);
/* Takes over size and attributes. */
void nvhi_head_update(struct nvh_ns *head, const struct nvhi_ns_data *data);
/* Rewrites the snapshot and what the channels read. Returns whether anything differs. */
bool nvhi_head_publish(struct nvh_ns *head);
void nvhi_head_announce(struct nvh_ns *head);
void nvhi_head_changed(struct nvh_ns *head);
/* Its channels shall look at no_path_err. */
void nvhi_head_kick(struct nvh_ns *head);
/* Its last path is leaving: I/O fails with err. */
void nvhi_head_remove(struct nvh_ns *head, int err);

/* Only then are two paths one namespace (see DESIGN "identity before merging"). NULL: they are;
 * else static text saying what differs. */
const char *nvhi_identity_differs(const struct nvhi_ns_data *a, const struct nvhi_ns_data *b);
/* Whether it could have other paths at all. */
bool nvhi_identity_sharable(const struct nvhi_ns_data *data);

/* ---- path.c ------------------------------------------------------------------------------- */

struct nvhi_path *nvhi_path_find(struct nvhi_mp_ctrlr *mpc, uint32_t nsid);
/* A merged path's controller went live. */
void nvhi_path_live(struct nvhi_path *path);
/* Gives up all lanes, then frees the path and tells its controller. err: what I/O without another
 * path fails with. */
void nvhi_path_leave(struct nvhi_path *path, int err);
/* A lane from this path to this channel. */
void nvhi_path_extend(struct nvhi_path *path, struct nvh_channel *channel);
/* Home forgets a lane (its channel left, or its reactor gave it up). */
void nvhi_path_lane_gone(struct nvhi_lane *lane);
/* head->no_path_err from its paths, and the channels told. */
void nvhi_head_policy(struct nvh_ns *head);

/* ---- ana.c --------------------------------------------------------------------------------- */

/* The ANA state of a path may have changed: tells its lanes. */
void nvhi_path_ana(struct nvhi_path *path);
/* A new lane learns it. Home. */
void nvhi_lane_ana_init(struct nvhi_lane *lane);
/* A command met an ANA status: the log shall be read again. The lane's reactor. */
void nvhi_lane_ana_stale(struct nvhi_lane *lane);
/* Whether I/O may go over a path in this state, and before which others (0 is best). */
bool nvhi_ana_accessible(uint8_t state);
uint32_t nvhi_ana_rank(uint8_t state);

/* ---- channel.c, policy*.c ------------------------------------------------------------------- */

/* Which lanes are usable and chosen has changed. */
void nvhi_channel_count_usable(struct nvh_channel *channel);
void nvhi_lane_attach(struct nvhi_lane *lane);
void nvhi_lane_drop(struct nvhi_lane *lane);
/* Its last request came back after it was dropped. */
void nvhi_lane_check_gone(struct nvhi_lane *lane);
/* Recomputes whether it is usable; resumes waiting I/O when it became so. */
void nvhi_lane_refresh(struct nvhi_lane *lane);
/* A path-related status came: no new I/O for a while. */
void nvhi_lane_hold(struct nvhi_lane *lane, uint32_t delay_ms);

/* ---- health.c ------------------------------------------------------------------------------- */

const char *nvhi_health_name(uint32_t health);
/* Its queue changed its state; its queue's health did (struct nvhi_ioq_watch.health). */
void nvhi_lane_queue_state(struct nvhi_lane *lane, enum nvhi_ioq_state state);
void nvhi_lane_queue_health(struct nvhi_ioq_watch *watch, struct nvhi_ioq *ioq);
/* Whether it was in probation until now; it is trusted then. */
bool nvhi_lane_probation_over(struct nvhi_lane *lane, uint64_t now);

/* One file each; set per subsystem. */
struct nvhi_policy {
	const char *name;
	/* One of several lanes that nvhi_lane_takes; NULL: none does. O(lanes) at most. */
	struct nvhi_lane *(*select)(struct nvh_channel *channel, const struct nvhi_io *io);
};
extern const struct nvhi_policy nvhi_policy_latency, nvhi_policy_round_robin,
	nvhi_policy_queue_depth, nvhi_policy_numa;
/* A part of `bytes` came back good after `ns`; where there is more than one lane. */
void nvhi_lane_latency_sample(struct nvhi_lane *lane, uint8_t op, uint32_t bytes, uint64_t ns);

/* May be selected: chosen, and its queue was not found full (then the lane waits for room). */
static inline bool nvhi_lane_takes(const struct nvhi_lane *lane)
{
	return lane->chosen && nvhi_list_empty(&lane->waiter.link);
}

static inline struct nvhi_lane *nvhi_lane_select(struct nvh_channel *channel,
						 const struct nvhi_io *io)
{
	if (__builtin_expect(channel->only != NULL, 1))
		return channel->only;
	if (channel->nr_chosen == 0)
		return NULL;
	return __atomic_load_n(&channel->policy, __ATOMIC_RELAXED)->select(channel, io);
}

/* ---- submit.c ------------------------------------------------------------------------------- */

/* nvhi_channel_submit for whatever is not plain: not a read or write that goes whole over the only path. */
int nvhi_channel_submit_any(struct nvh_channel *channel, struct nvh_io *io);

/* ---- split.c -------------------------------------------------------------------------------- */

/* Issues parts until none is left that may be out now (0), there is no usable lane (-ENOTCONN), or
 * their queues are full (-EAGAIN: nvhi_channel_drain follows when there is room). */
int nvhi_io_issue(struct nvhi_io *io);
/* Back to block `next`. */
void nvhi_io_rewind(struct nvhi_io *io, uint64_t next);

/* ---- complete.c ----------------------------------------------------------------------------- */

void nvhi_part_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
/* The copy of a hedged read that no longer counts, or failed while the other is out. */
void nvhi_part_drop(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
/* No further part is issued; it ends with err (cpl when 0) once its parts are home. */
void nvhi_io_fail(struct nvhi_io *io, int err, const struct nvh_cpl *cpl);
/* The callback, now. The io is the caller's again before it runs. */
void nvhi_io_end(struct nvhi_io *io, int err, const struct nvh_cpl *cpl);
/* The result stands; the callback comes at the end of this turn. Nothing is out. */
void nvhi_io_end_later(struct nvhi_io *io, int err, const struct nvh_cpl *cpl);
void nvhi_channel_ended_run(struct nvhi_defer *defer);

/* ---- requeue.c ------------------------------------------------------------------------------ */

/* Puts an io among the waiting, in the order of submission. */
void nvhi_io_wait(struct nvhi_io *io);
/* Waits until now + delay_ms, then as nvhi_io_wait. */
void nvhi_io_delay(struct nvhi_io *io, uint32_t delay_ms);
/* Issues what waits, in order, as far as it goes; fails it where there is no hope. */
void nvhi_channel_drain(struct nvh_channel *channel);

/* ---- hedge.c -------------------------------------------------------------------------------- */

/* The namespace's setting may have changed; takes the memory. */
void nvhi_channel_hedge_update(struct nvh_channel *channel);
void nvhi_channel_hedge_free(struct nvh_channel *channel);
/* A request that belongs to no I/O any more, or never did, is home; a channel goes when all are. */
void nvhi_channel_stray_home(struct nvh_channel *channel);
/* A slot for a read that goes whole over this lane; NULL: it goes as others do. It is used up only by
 * nvhi_hedge_sent. */
struct nvhi_hedge_slot *nvhi_hedge_take(struct nvhi_io *io, struct nvhi_lane *lane);
void nvhi_hedge_prepare(struct nvhi_hedge_slot *slot, struct nvhi_ioq_req *r);
void nvhi_hedge_sent(struct nvhi_hedge_slot *slot, struct nvhi_io *io, struct nvhi_lane *lane,
		     struct nvhi_ioq_req *r);
void nvhi_hedge_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
uint64_t nvhi_channel_hedge_due(const struct nvh_channel *channel);
void nvhi_channel_hedge_fire(struct nvh_channel *channel, uint64_t now);

/* ---- latency.c ------------------------------------------------------------------------------ */

void nvhi_lane_latency_count(struct nvhi_lane *lane, bool writes, uint64_t ns);
void nvhi_latency_merge(struct nvhi_latency *into, const struct nvhi_latency *from);
/* The upper bound of the bucket where it lies; 0: no samples. */
uint64_t nvhi_latency_percentile(const uint32_t *buckets, double percent);

/* ---- nopath.c ------------------------------------------------------------------------------- */

const struct nvhi_no_path *nvhi_head_no_path(const struct nvh_ns *head);
/* Returns whether the bound has changed. Home. */
bool nvhi_head_publish_no_path(struct nvh_ns *head);
/* Whether there is a usable path now that does not refuse each command. */
void nvhi_channel_path_counted(struct nvh_channel *channel, bool good);
/* No path can be used: 0 when I/O may wait (the timer is set), else what it fails with. */
int nvhi_channel_no_path(struct nvh_channel *channel);
bool nvhi_channel_no_path_over(const struct nvh_channel *channel);
/* An I/O waits for want of a path, or does not any more; what of it fits. */
void nvhi_io_count_waiting(struct nvhi_io *io);
void nvhi_io_uncount_waiting(struct nvhi_io *io);
void nvhi_channel_count_waiting(struct nvh_channel *channel);
bool nvhi_io_fits_waiting(const struct nvhi_io *io);

/* ---- relay.c -------------------------------------------------------------------------------- */

/* Its reactor has no path to this namespace now, home has one. */
bool nvhi_channel_must_relay(const struct nvh_channel *channel);
void nvhi_io_relay(struct nvhi_io *io);
/* A relayed io ends, at home. */
void nvhi_io_relay_back(struct nvhi_io *io, int err, const struct nvh_cpl *cpl);
/* Cancel of a relayed io. */
void nvhi_io_recall(struct nvhi_io *io);

/* ---- timer.c -------------------------------------------------------------------------------- */

int nvhi_channel_timer_init(struct nvh_channel *channel);
/* Something is due at `when`. */
void nvhi_channel_timer_want(struct nvh_channel *channel, uint64_t when);
/* The caller's deadline is watched from now on. */
void nvhi_io_watch_deadline(struct nvhi_io *io);

/* ---- classify.c ----------------------------------------------------------------------------- */

enum nvhi_verdict {
	NVHI_VERDICT_DONE,	/* success, or an error that is the caller's */
	NVHI_VERDICT_RETRY,	/* on any path, at once */
	NVHI_VERDICT_FAILOVER,	/* on any path; this one is left alone for a while */
	NVHI_VERDICT_DELAY,	/* after *ret_delay_ms */
	NVHI_VERDICT_UNKNOWN,	/* it was sent, may have been executed, and must not be repeated */
};
struct nvhi_outcome {
	uint8_t op; /* enum nvh_io_op */
	bool sent;
	uint8_t tries;
	int err;
	const struct nvh_cpl *cpl;
	const uint16_t *crdt; /* [3], units of 100 ms */
};
enum nvhi_verdict nvhi_classify(const struct nvhi_outcome *outcome, uint32_t *ret_delay_ms);

#endif
