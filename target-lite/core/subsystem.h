/*
 * A subsystem: namespaces, listeners, allowed hosts, controllers. Its state is a table; every
 * change of what poll groups read goes through pause -> change -> resume: each group stops
 * starting commands of this subsystem (they queue), acknowledges, and goes on after the change.
 * All functions run on the management reactor. Several changes asked for at once are made in
 * order. Names and results follow SPDK's nvmf_* RPCs.
 */
#ifndef TL_CORE_SUBSYSTEM_H
#define TL_CORE_SUBSYSTEM_H

#include "base/fsm.h"
#include "target-lite/core/reservation.h"
#include "target-lite/core/target.h"

#define TL_SUBSYSTEM_STATES(X)                                                                     \
	X(INACTIVE, inactive)                                                                      \
	X(ACTIVATING, activating)                                                                  \
	X(ACTIVE, active)                                                                          \
	X(PAUSING, pausing) X(PAUSED, paused) X(RESUMING, resuming) X(DEACTIVATING, deactivating)

enum tl_subsystem_state {
#define X(upper, lower) TL_SUBSYSTEM_##upper,
	TL_SUBSYSTEM_STATES(X)
#undef X
};
extern struct nvhi_fsm tl_subsystem_fsm;

/* ---- asymmetric access --------------------------------------------------------------------- */

enum tl_ana_state { /* values of the ANA log */
		    TL_ANA_OPTIMIZED = 0x1,
		    TL_ANA_NON_OPTIMIZED = 0x2,
		    TL_ANA_INACCESSIBLE = 0x3,
		    TL_ANA_PERSISTENT_LOSS = 0x4,
		    TL_ANA_CHANGE = 0xf,
};
/* "optimized", "non_optimized", "inaccessible", "persistent_loss", "change"; -EINVAL. */
int tl_ana_state_parse(const char *text, enum tl_ana_state *ret_state);
const char *tl_ana_state_name(enum tl_ana_state state);

/* ---- parts of a subsystem ------------------------------------------------------------------ */

/*
 * One change; embedded in what it needs, given back by `finish`. The rest of this file says which
 * changes there are.
 */
struct tl_subsystem_change {
	struct tl_subsystem *ss;
	uint32_t drain_nsid; /* first wait for this namespace's commands; 0: none */
	bool activate;       /* inactive -> active, instead of pause and resume */
	bool drained;
	void (*apply)(struct tl_subsystem_change *change);  /* while every group is paused */
	void (*finish)(struct tl_subsystem_change *change); /* after; may free */
	tl_done_fn done;
	void *arg;
	int err;
	struct nvhi_list link;
	struct nvhi_msg msg;
};

/* A listener as one subsystem has it. */
struct tl_subsystem_listener {
	struct tl_subsystem *subsystem;
	struct tl_listener *listener; /* NULL once removed */
	struct tl_listen_addr addr;
	uint8_t *ana_state; /* enum tl_ana_state by ANA group - 1, max_nsid of them */
	uint8_t *ana_saved; /* the same, before a fault had them flap; NULL: none does */
	uint64_t ana_change_count;
	bool secure_channel;
	bool adding;     /* not yet visible */
	uint32_t ctrlrs; /* that came through it */
	struct nvhi_list link;
};

struct tl_host {
	char nqn[TL_NQN_SIZE];
	struct nvhi_list link;
};

/* The part of a namespace that one poll group writes. */
struct tl_ns_group {
	uint32_t outstanding;
	uint8_t pad[60];
};

struct tl_ns {
	struct tl_subsystem *subsystem;
	struct tl_bdev *bdev;
	struct tl_bdev_user user;
	uint32_t nsid;
	uint32_t anagrpid;
	uint32_t block_shift;
	uint64_t blocks;                       /* follows bdev->blocks through a pause */
	uint8_t uuid[16], nguid[16], eui64[8]; /* zeroes: none */
	struct tl_ns_group *groups;            /* by poll group */
	struct nvhi_list fused; /* compare-and-write pairs in line, management reactor */
	struct tl_reservation resv;
	bool removing;
	struct tl_subsystem_change removal;
};

/* What a poll group keeps of a subsystem. Written by that group's thread. */
struct tl_group_subsystem {
	struct tl_poll_group *group;
	struct tl_subsystem *subsystem;
	bool hold;               /* something is held back: look closer */
	bool paused;             /* everything is */
	bool drained;            /* the last command to it has ended */
	uint32_t draining_nsid;  /* commands to this namespace are; 0: none */
	struct nvhi_list queued; /* struct tl_request by link */
	struct nvhi_msg msg;     /* pause, drain and resume orders, one at a time */
	struct nvhi_msg ack;
	uint8_t pad[64];
};

enum tl_subsystem_type { /* values of the discovery log's SUBTYPE */
			 TL_SUBSYSTEM_NVM = 2,
			 TL_SUBSYSTEM_DISCOVERY = 3,
};

/* Cross-Controller Reset: not offered; answered when it is done, if that is soon; always "accepted",
 * and the log tells the rest. */
enum tl_ccr_mode {
	TL_CCR_OFF,
	TL_CCR_IMMEDIATE,
	TL_CCR_LATER,
};
#define TL_CCR_LIMIT 4u /* under way through one controller */
#define TL_CCR_GONE  64u

/* A controller instance that has ended: no command of it is left. */
struct tl_ccr_gone {
	uint16_t cntlid;
	uint8_t ciu;
	uint64_t cirn;
};

struct tl_subsystem {
	struct tl_target *target;
	char nqn[TL_NQN_SIZE];
	enum tl_subsystem_type type;
	uint32_t state; /* enum tl_subsystem_state */
	char serial[21], model[41];
	bool allow_any_host;
	bool ana_reporting;
	uint8_t ccr;		   /* enum tl_ccr_mode */
	uint16_t cqt_ms;	   /* Command Quiesce Time; 0: not told */
	uint32_t dmrsl;		   /* blocks a range of a deallocation may have; 0: no limit */
	uint8_t wzsl;		   /* Write Zeroes: 4 KiB << wzsl at most; 0: no limit */
	uint8_t next_ciu;
	struct nvhi_list ccrs;	   /* struct tl_ccr */
	struct tl_ccr_gone gone[TL_CCR_GONE]; /* the last ones */
	uint32_t nr_gone;		      /* ever */
	uint32_t max_nsid; /* "max_namespaces" */
	uint16_t min_cntlid, max_cntlid, next_cntlid;
	struct tl_ns **ns;                  /* by NSID - 1, max_nsid of them; NULL: inactive */
	bool *reserved;                     /* likewise: taken, or about to be */
	struct nvhi_list listeners;         /* struct tl_subsystem_listener */
	struct nvhi_list hosts;             /* struct tl_host */
	struct nvhi_list ctrlrs;            /* struct tl_ctrlr */
	struct tl_group_subsystem *groups;  /* by poll group */
	struct nvhi_list changes;           /* struct tl_subsystem_change waiting or in progress */
	struct tl_subsystem_change *change; /* the one in progress */
	struct tl_subsystem_change start;
	uint32_t acks_missing;
	bool deleting;
	tl_done_fn deleted;
	void *deleted_arg;
	struct nvhi_msg msg; /* deletion's own trip */
	struct nvhi_list link;
};

static inline struct tl_ns *tl_subsystem_ns(const struct tl_subsystem *ss, uint32_t nsid)
{
	return nsid - 1 < ss->max_nsid ? ss->ns[nsid - 1] : NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

struct tl_subsystem_opts {
	const char *nqn;
	const char *serial_number; /* NULL: "00000000000000000000" */
	const char *model_number;  /* NULL: "SPDK bdev Controller" */
	uint32_t max_namespaces;   /* 0: 32 */
	bool allow_any_host;
	bool ana_reporting;
	enum tl_ccr_mode ccr;
	uint16_t cqt_ms; /* held commands of a controller that ended die so long after it; 0: not
			  * told, and half its KATO */
	uint32_t dmrsl;		 /* blocks a range of a deallocation; 0: no limit */
	uint8_t wzsl;		 /* Write Zeroes: 4 KiB << wzsl; 0: no limit */
	uint16_t min_cntlid, max_cntlid; /* 0: 1 and 0xffef */
};

/* Makes an inactive subsystem. -EEXIST, -EINVAL (NQN, serial over 20 or model over 40 bytes or not
 * printable ASCII, CNTLID range), -ENOMEM. */
int tl_subsystem_create(struct tl_target *target, const struct tl_subsystem_opts *opts,
			struct tl_subsystem **ret_subsystem);
/* inactive -> active. */
void tl_subsystem_start(struct tl_subsystem *ss, tl_done_fn done, void *arg);
/* Disconnects every controller, lets go of namespaces and listeners, frees. Not for discovery
 * (-EPERM); -EBUSY when being deleted. */
int tl_subsystem_delete(struct tl_subsystem *ss, tl_done_fn done, void *arg);

/* ---- changes; each returns at once what can be known at once, else 0 and done follows ------- */

/* Listens on the address if nobody does yet. Port "0" picks one, see ret_addr (may be NULL; filled
 * before the return). -EEXIST, -EINVAL (transport not created), and what listen says. */
int tl_subsystem_add_listener(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
			      bool secure_channel, enum tl_ana_state ana_state, tl_done_fn done,
			      void *arg, struct tl_listen_addr *ret_addr);
/* Disconnects the controllers that came through it. -ENOENT. */
int tl_subsystem_remove_listener(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
				 tl_done_fn done, void *arg);
/* anagrpid 0: all groups. -ENOENT, -EINVAL (group), -ENOTSUP (no ANA reporting). */
int tl_subsystem_set_ana_state(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
			       uint32_t anagrpid, enum tl_ana_state state, tl_done_fn done,
			       void *arg);

/* A fault: the group (0: all) of the listener (NULL: of each) takes this state, and (on false) what
 * it had before again. -ENOTSUP (no ANA reporting), -EBUSY, -ENOMEM. */
int tl_subsystem_flap_ana(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
			  uint32_t anagrpid, enum tl_ana_state state, bool on, tl_done_fn done,
			  void *arg);

struct tl_ns_opts {
	const char *bdev_name;
	uint32_t nsid;                         /* 0: the lowest free */
	uint8_t uuid[16], nguid[16], eui64[8]; /* zero uuid: the bdev's */
	uint32_t anagrpid;                     /* 0: the NSID */
};
/* -ENODEV (bdev), -EEXIST (NSID taken), -EINVAL (NSID or group above max), -ENOSPC, -EBUSY. The
 * NSID is known at once. */
int tl_subsystem_add_ns(struct tl_subsystem *ss, const struct tl_ns_opts *opts, tl_done_fn done,
			void *arg, uint32_t *ret_nsid);
/* Waits for the namespace's commands in flight; those that come meanwhile then fail. -ENOENT. */
int tl_subsystem_remove_ns(struct tl_subsystem *ss, uint32_t nsid, tl_done_fn done, void *arg);
/* -ENOENT, -EINVAL. */
int tl_subsystem_set_ns_ana_group(struct tl_subsystem *ss, uint32_t nsid, uint32_t anagrpid,
				  tl_done_fn done, void *arg);

/* Hosts are read on the management reactor only, so these need no pause. -EEXIST, -EINVAL, -ENOMEM;
 * -ENOENT. Removing a host disconnects its controllers. */
int tl_subsystem_add_host(struct tl_subsystem *ss, const char *hostnqn);
int tl_subsystem_remove_host(struct tl_subsystem *ss, const char *hostnqn);
void tl_subsystem_set_allow_any_host(struct tl_subsystem *ss, bool allow);
bool tl_subsystem_host_allowed(const struct tl_subsystem *ss, const char *hostnqn);

struct tl_subsystem_listener *tl_subsystem_find_listener(const struct tl_subsystem *ss,
							 const struct tl_listen_addr *addr);

#endif
