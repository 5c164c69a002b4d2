/*
 * Namespaces as their subsystems present them, merged from the controllers that lead there: what
 * host/api builds on. A head (struct nvh_ns) has paths; a path is one controller and an NSID; a
 * channel is the head as seen from one reactor (docs/architecture.md, "a namespace is one thing with
 * many paths").
 *
 * Threads: everything here runs on the home reactor, except where said. Changes travel to the
 * channels' reactors as messages; a path is gone when every reactor has let go of it.
 */
#ifndef NVHI_MULTIPATH_MULTIPATH_H
#define NVHI_MULTIPATH_MULTIPATH_H

#include <nvhost/failover.h>
#include <nvhost/io.h>
#include <nvhost/ns.h>

#include "base/list.h"
#include "base/reactor.h"
#include "host/ctrlr/ctrlr.h"

struct nvh_latency;
struct nvhi_failover;
struct nvhi_mp;
struct nvhi_mp_subsys;

struct nvhi_mp_events {
	void (*ns_added)(struct nvhi_mp *mp, struct nvh_ns *ns);
	void (*ns_changed)(struct nvhi_mp *mp, struct nvh_ns *ns);
	void (*ns_removed)(struct nvhi_mp *mp, struct nvh_ns *ns);
	/* A fence is over. NULL: nobody asks. */
	void (*fence_over)(struct nvhi_mp *mp);
	/* A step of a failover. NULL: nobody asks. */
	void (*failover)(struct nvhi_mp *mp, const struct nvh_failover *failover);
	/* The last channel has left (told each time their number falls to none). */
	void (*idle)(struct nvhi_mp *mp);
};

/* All subsystems of a host. */
struct nvhi_mp {
	const struct nvhi_mp_events *events;
	struct nvh_reactor *home;
	struct nvh_reactor **reactors;
	uint32_t nr_reactors;
	struct nvhi_list subsystems;
	uint32_t nr_channels; /* atomic: opened and not yet left */
	struct nvhi_list fences;  /* struct nvhi_fence.link */
	uint64_t fence_version;	  /* of what the channels are told */
	uint64_t fence_tokens;	  /* atomic */
	struct nvhi_failover *failovers; /* a ring; see failover.h */
	uint64_t nr_failovers;	  /* ever */
	uint64_t nr_ctrlrs;	  /* ever */
};
/* 0/-ENOMEM. reactors[0] is home. */
int nvhi_mp_init(struct nvhi_mp *mp, const struct nvhi_mp_events *events,
		 struct nvh_reactor *const *reactors, uint32_t nr_reactors);
/* All controllers have left and no channel is open. */
void nvhi_mp_fini(struct nvhi_mp *mp);

/* A controller as multipath sees it; embedded by host/api. */
struct nvhi_mp_ctrlr;
typedef void (*nvhi_mp_left_fn)(struct nvhi_mp_ctrlr *mpc);
struct nvhi_mp_ctrlr {
	struct nvhi_mp *mp;
	struct nvhi_ctrlr *ctrlr;
	struct nvhi_mp_subsys *subsys;
	struct nvhi_list paths; /* struct nvhi_path.ctrlr_link */
	struct nvhi_list link;	/* the subsystem's */
	uint64_t serial;	/* no other one of this host ever had it */
	int instance;
	bool live;
	bool fast_fail;		/* I/O that has only such paths fails instead of waiting */
	bool leaving;
	struct nvhi_list unproven; /* struct nvhi_fence_range.link: of lanes that are gone */
	bool unproven_all;
	nvhi_mp_left_fn left;
};
/* Joins the subsystem `subnqn`; `instance` is the N of nvhN, which the subsystem takes over when it is
 * the first and free. -ENOMEM. */
int nvhi_mp_ctrlr_join(struct nvhi_mp *mp, struct nvhi_mp_ctrlr *mpc, struct nvhi_ctrlr *ctrlr,
		       const char *subnqn, int instance);
/* The NQN of one that joined without (""), before it has namespaces: it moves there, with the settings
 * that were made meanwhile. Nothing for one that had a name. -ENOMEM. */
int nvhi_mp_ctrlr_named(struct nvhi_mp_ctrlr *mpc, const char *subnqn);
/* Drops every path; `left` is called (perhaps inside) when no reactor uses a queue of it any more.
 * I/O that has no other path fails with -ENOTCONN. */
void nvhi_mp_ctrlr_leave(struct nvhi_mp_ctrlr *mpc, nvhi_mp_left_fn left);
/* It went live or was lost. Going live announces the namespaces that came with it. */
void nvhi_mp_ctrlr_live(struct nvhi_mp_ctrlr *mpc, bool live);
/* Its association has ended: no reactor has anything of it any more. Commands of unknown fate are
 * fenced now (docs/multipath.md). */
void nvhi_mp_ctrlr_quiesced(struct nvhi_mp_ctrlr *mpc);
/* fast_io_fail_tmo ran out. */
void nvhi_mp_ctrlr_fast_fail(struct nvhi_mp_ctrlr *mpc);
/* Its ANA log was read anew. */
void nvhi_mp_ctrlr_ana(struct nvhi_mp_ctrlr *mpc);

/* "latency" (the default), "round-robin", "queue-depth", "numa". -EINVAL: no such policy; -ENOENT: no
 * such subsystem. */
int nvhi_mp_set_policy(struct nvhi_mp *mp, const char *subnqn, const char *name);
bool nvhi_mp_policy_known(const char *name);
const char *nvhi_ns_policy(const struct nvh_ns *ns);

/* How long I/O waits where no path can be used, and how many bytes of it. */
#define NVHI_NO_PATH_MAX_S 86400u
struct nvhi_no_path {
	uint64_t wait_ns;   /* 0: it fails; NVHI_NEVER: as long as there is a controller */
	uint64_t max_bytes; /* of what waits in a namespace; 0: no limit */
	bool until_loss;    /* instead of wait_ns: as long as the most patient controller is tried */
};
/* "fail", "queue:SECONDS", "queue", NULL (until ctrl-loss). -EINVAL. */
int nvhi_no_path_parse(const char *text, struct nvhi_no_path *ret_setting);
/* For all namespaces of a subsystem, or for one. -ENOENT: no such subsystem. */
int nvhi_mp_set_no_path(struct nvhi_mp *mp, const char *subnqn, const struct nvhi_no_path *setting);
void nvhi_mp_ns_set_no_path(struct nvh_ns *ns, const struct nvhi_no_path *setting);
/* What is in force: NVHI_NEVER as long as there is a controller. */
uint64_t nvhi_ns_no_path_wait(const struct nvh_ns *ns);

/* Reads of a subsystem may be sent twice (hedge.c). -ENOENT: no such subsystem. */
struct nvhi_hedge_counts {
	uint64_t reads; /* that might have been */
	uint64_t sent;	/* second copies */
	uint64_t won;	/* that answered first */
};
int nvhi_mp_set_hedge(struct nvhi_mp *mp, const char *subnqn, bool on);
/* Returns whether it is on. */
bool nvhi_mp_ns_hedged(const struct nvh_ns *ns, struct nvhi_hedge_counts *ret_counts);

/* An association that an earlier process left: no write to its subsystem before it is fenced. `mode`
 * is an enum nvhi_write_fence; name is for the log. -ENOMEM. */
int nvhi_mp_fence_earlier(struct nvhi_mp *mp, const struct nvhi_assoc *assoc, uint8_t mode,
			  const char *name);
/* The index-th association that is being fenced; NULL past the end. */
const struct nvhi_assoc *nvhi_mp_fence_next(struct nvhi_mp *mp, uint32_t index, uint8_t *ret_mode,
					    const char **ret_name);

void nvhi_mp_ns_added(struct nvhi_mp_ctrlr *mpc, const struct nvhi_ns_data *data);
void nvhi_mp_ns_changed(struct nvhi_mp_ctrlr *mpc, const struct nvhi_ns_data *data, uint32_t what);
/* err: what I/O without another path fails with: -ENODEV, or -ENOTCONN when its controller goes. */
void nvhi_mp_ns_removed(struct nvhi_mp_ctrlr *mpc, uint32_t nsid, int err);

/* The announced ones, by subsystem and NSID; NULL: first / no more. */
struct nvh_ns *nvhi_mp_ns_next(struct nvhi_mp *mp, struct nvh_ns *prev);
/* The index-th path's numbers, and its controller; NULL past the end. */
struct nvhi_mp_ctrlr *nvhi_mp_path(const struct nvh_ns *ns, unsigned int index,
				   struct nvh_path_info *ret_info);

/* -ENOENT past the end. */
int nvhi_mp_path_latency(const struct nvh_ns *ns, unsigned int index, bool writes,
			 struct nvh_latency *ret_latency);

/* Any thread. */
void nvhi_ns_get(struct nvh_ns *ns);
void nvhi_ns_put(struct nvh_ns *ns);
void nvhi_ns_snapshot_read(const struct nvh_ns *ns, struct nvh_ns_info *ret_info);
bool nvhi_ns_reactor_usable(const struct nvh_ns *ns, const struct nvh_reactor *reactor);

/* ---- the data path: the channel's reactor ------------------------------------------------- */

int nvhi_channel_open(struct nvh_ns *ns, struct nvh_reactor *reactor,
		      struct nvh_channel **ret_channel);
void nvhi_channel_close(struct nvh_channel *channel);
struct nvh_ns *nvhi_channel_ns(const struct nvh_channel *channel);
struct nvh_reactor *nvhi_channel_reactor(const struct nvh_channel *channel);
struct nvh_reactor *nvhi_channel_home(const struct nvh_channel *channel);
int nvhi_channel_submit(struct nvh_channel *channel, struct nvh_io *io);
void nvhi_channel_cancel(struct nvh_channel *channel, struct nvh_io *io);

#endif
