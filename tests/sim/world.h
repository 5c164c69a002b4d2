/*
 * One world: what a seed draws (topology, options), the host in it, its workload and its faults,
 * and its course from boot to the last check.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <nvhost/nvhost.h>

#include "tests/sim/cell.h"
#include "tests/sim/checker.h"
#include "tests/sim/node.h"

/* ---- faults ---------------------------------------------------------------------------------- */

#define SIM_FAULTS(X)                                                                              \
	X(CUT, cut a link)                                                                         \
	X(CUT_ONE, cut a connection)                                                               \
	X(SILENCE, silence both ways)                                                              \
	X(SILENCE_ONE, silence one way)                                                            \
	X(SLOW, delay spike)                                                                       \
	X(REFUSE, connects refused)                                                                \
	X(HALF_CLOSE, half close)                                                                  \
	X(CORRUPT, corrupt a byte)                                                                 \
	X(CRASH, target restart)                                                                   \
	X(KILL, target kills a controller)                                                         \
	X(LISTENER, listener removed)                                                              \
	X(ANA, path inaccessible)                                                                  \
	X(TRANSIENT, transient statuses)                                                           \
	X(RESET, host resets a controller)                                                         \
	X(DISCONNECT, host disconnects)                                                            \
	X(NS_REMOVE, namespace removed)                                                            \
	X(RESIZE, namespace resized)                                                               \
	X(LOG, ANA log unreadable)

enum sim_fault_kind {
#define X(upper, lower) SIM_FAULT_##upper,
	SIM_FAULTS(X)
#undef X
		SIM_FAULT_COUNT,
};
extern const char *const sim_fault_names[SIM_FAULT_COUNT];

/* ---- what a seed draws ----------------------------------------------------------------------- */

struct sim_plan {
	uint32_t nr_links, nr_nodes, nr_disks, host_reactors;
	uint32_t workers; /* a disk and reactor */
	uint32_t ios;
	uint64_t duration;    /* ns over which they are spread */
	uint64_t fault_every; /* ns on average; 0: none */
	uint32_t faults;      /* bit set of enum sim_fault_kind */
	uint32_t capacity;    /* bytes a direction of a connection holds */
	uint32_t block_size;
	uint64_t blocks;
	uint32_t hot; /* blocks that most I/O goes to */
	bool hdr_digest, data_digest;
	struct nvh_connect_opts connect; /* all but the address */
	uint8_t maxr2t;
	unsigned int deadlines, cancels; /* of 100 I/Os */
	bool abrupt;                     /* the host is closed in the middle of everything */
};

/* ---- counters of a world, summed over all ---------------------------------------------------- */

#define SIM_OPS 8 /* NVH_IO_READ to NVH_IO_PASSTHRU */
struct sim_counts {
	uint64_t ios[SIM_OPS], good, failed, refused, canceled, timed_out;
	uint64_t hedged[2]; /* second copies sent, and first with the answer */
	uint64_t no_path; /* I/O that ended for want of a path */
	uint64_t faults[SIM_FAULT_COUNT];
	uint64_t strangers;
	uint64_t rig[16];       /* strikes by enum tl_fault_kind */
	uint64_t transports[4]; /* worlds: bit 0 streams, bit 1 DMA */
	uint64_t connects, reconnects, turns, virtual_ns, slowest_calm, slowest_good, blocks_read;
	uint64_t promised, slowest_promised; /* reads while only paths break and one is good */
};
extern struct sim_counts sim_counts;

struct sim_world {
	struct sim_plan plan;
	struct nvh_reactor *world, *host_reactors[2];
	uint64_t calm_since;            /* NVHI_NEVER: something is wrong */
	uint64_t good_since[SIM_LINKS]; /* of each link alone */
	uint32_t faults_on;             /* under way now */
	bool no_path_ends;              /* I/O without a path does not wait for ctrl-loss-tmo */
	uint64_t lost_at;               /* when a controller was last given up or disconnected */
	bool stop_faults;
	bool troubled; /* a fault has struck, ever */
};
extern struct sim_world sim_world;

/* Runs it; sim.failed and sim.hash tell. */
void sim_world_run(uint64_t seed, bool verbose, enum sim_mutant mutant, bool hold);
void sim_world_draw(struct sim_plan *plan);

/* ---- the targets' own fault rig (rig.c) --------------------------------------------------------
 */

/* The longest that a fault of it lasts. */
#define SIM_RIG_MS 2000

void sim_rig_draw(void);
/* This world has such faults; one of them is on this link now. */
bool sim_rig_wanted(void);
bool sim_rig_on(unsigned int link);
void sim_rig_start(void);
/* No more of them, and those there are end. */
void sim_rig_heal(void);

/* ---- who else comes (visitors.c) ----------------------------------------------------------------
 */

struct nvhi_ctrlr_opts;
void sim_visitors_draw(void);
void sim_visitors_start(void);
void sim_visitors_stop(void);
bool sim_visitors_wanted(void);
/* A discovery controller to connect to as well; NULL: none. */
struct nvhi_ctrlr_opts *sim_visitors_discovery(struct nvh_host *host,
					       struct nvhi_ctrlr_opts *inner);
/* This connect is taken back at once. */
bool sim_visitors_impatient(void);

/* ---- the host (host.c) ----------------------------------------------------------------------- */

/* A namespace while the host has it. */
struct sim_view {
	struct nvh_ns *ns;
	unsigned int disk;
	struct nvh_channel *channels[2]; /* by host reactor */
	uint32_t opening, outstanding[2];
	bool gone;
	struct nvhi_list link;
};

void sim_host_start(void);
void sim_host_close(void);
bool sim_host_closed(void);
bool sim_host_all_live(void);
bool sim_host_live(unsigned int link);
/* A fence holds writes back: they take their time. */
bool sim_host_fencing(void);
/* The namespace's present view; NULL. */
struct sim_view *sim_host_view(unsigned int disk);
/* An I/O has ended on it: it may have to close. On reactor `r`. */
void sim_view_left(struct sim_view *view, unsigned int r);
/* Its process is killed: nothing of it runs any more, its I/O has an unknown fate. */
void sim_host_kill(void);
/* Another one starts, and fences what the first had stored. */
void sim_host_revive(void);
/* A fault: the controller of this link is reset / disconnected (and connected again). */
bool sim_host_reset(unsigned int link);
bool sim_host_disconnect(unsigned int link);

/* ---- the workload (workload.c) --------------------------------------------------------------- */

void sim_work_start(void);
void sim_work_begin(void);
bool sim_work_done(void);
/* No I/O is out. */
bool sim_work_idle(void);
/* No further I/O. */
void sim_work_stop(void);
/* Reads back all there is, then is done. */
void sim_work_read_back(void);
void sim_work_free(void);
/* The host's process is killed; the workers go on with the next. */
void sim_work_killed(void);

/* ---- faults (faults.c) ----------------------------------------------------------------------- */

void sim_faults_start(void);
/* Everything is well again. */
void sim_faults_heal(void);
void sim_faults_free(void);

#endif
