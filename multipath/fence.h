/*
 * Fences: what is done about commands that were sent on an association which ended before they were
 * answered, and which the controller may therefore still execute (docs/multipath.md, "Fencing").
 *
 *	fence.c		home: a fence's life, from the end of the association to its proof
 *	fence_map.c	home to channels and back: every reactor knows the ranges before anything moves
 *	fence_io.c	a channel's reactor: commands of unknown fate, I/O that waits
 *	fence_proof.c	home: Cross-Controller Reset, or time
 */
#ifndef NVHI_MULTIPATH_FENCE_H
#define NVHI_MULTIPATH_FENCE_H

#include "base/fsm.h"
#include "host/ctrlr/ccr.h"
#include "multipath/head.h"

#define NVHI_FENCE_STATES(X)                                                                       \
	X(PUBLISHING, publishing) /* the channels learn the ranges; none of its I/O moves */       \
	X(HOLDING, holding)	  /* I/O that need not wait was repeated; the proof is sought */   \
	X(CLEARING, clearing)	  /* proven; the channels learn it */                              \
	X(LEAVING, leaving)	  /* the channels forget it; then it is freed */

enum nvhi_fence_state {
#define X(upper, lower) NVHI_FENCE_##upper,
	NVHI_FENCE_STATES(X)
#undef X
};
extern struct nvhi_fsm nvhi_fence_fsm;

/* How a fence ended; counted, for whoever asks (the simulated world does). */
#define NVHI_PROOFS(X)                                                                             \
	X(RESET, reset)			/* CSTS.RDY read back as 0 on the association's own queue */ \
	X(CCR_NOW, ccr done at once)	/* Cross-Controller Reset, completion dword 0 bit 0 */     \
	X(CCR_LOG, ccr shown by its log)                                                           \
	X(TIME, time)			/* TP4129 */                                               \
	X(NONE, none)			/* KATO 0 and no CCR: nothing to wait for */

enum nvhi_proof {
#define X(upper, lower) NVHI_PROOF_##upper,
	NVHI_PROOFS(X)
#undef X
		NVHI_PROOF_COUNT,
};
extern const char *const nvhi_proof_names[NVHI_PROOF_COUNT];
extern uint64_t nvhi_proofs_used[NVHI_PROOF_COUNT]; /* atomic */

/* Why an I/O of unknown fate waits for the proof. */
#define NVHI_FENCE_WAIT_OFFER 1u /* the target offers one, so it should come soon */
#define NVHI_FENCE_WAIT_ORDER 2u /* repeated at once it could do harm */

/* What a command of unknown fate may still write. Made on the channel's reactor, given to home when
 * the association has ended, freed there when neither the fence nor any map has it any more. */
struct nvhi_fence_range {
	struct nvhi_list link; /* lane->unproven, then fence->ranges */
	struct nvh_ns *ns;     /* referenced, until its fence is over */
	uint32_t maps;	       /* that name it, and 1 for its fence; home's */
	uint64_t lba, end;     /* equal: nothing that could be overwritten (a flush) */
	uint64_t token;	       /* of the I/O: it does not wait for itself */
	uint32_t wait;	       /* atomic, NVHI_FENCE_WAIT_*: repeated after the proof only */
	/* the channel's */
	struct nvh_channel *channel;
	struct nvhi_io *io; /* until released, or proven where it waits */
	struct nvhi_list io_link;
	bool released, counted_wait;
};

struct nvhi_fence {
	struct nvhi_mp *mp;
	struct nvhi_list link; /* mp->fences */
	struct nvhi_list ranges;
	uint32_t state;
	bool everything; /* of an earlier process: no block of the subsystem is known to be safe */
	bool untold;	 /* for want of memory; the timer tries again */
	uint8_t mode;	 /* enum nvhi_write_fence */
	uint64_t need;	 /* the version that every channel must have acknowledged */
	struct nvhi_assoc assoc;
	char name[32];	 /* of the controller, for the log */
	struct nvhi_mp_ctrlr *mpc; /* NULL when it has left */
	struct nvhi_timer timer;
	uint64_t began, deadline;  /* deadline NVHI_NEVER: no time proof */
	uint32_t nr_ranges;
	uint64_t failover;	   /* the record that tells of it; 0 none */
	/* fence_proof.c */
	struct nvhi_ccr ccr;
	char via_name[32];
	uint64_t tried[16];	   /* associations through which it did not work */
	uint32_t nr_tried;
	uint8_t proof;
	char how[96];
};

/* ---- fence_map.c ----------------------------------------------------------------------------- */

enum {
	NVHI_FENCE_HOLD,     /* writes that overlap wait, its own I/O too */
	NVHI_FENCE_RELEASED, /* its own I/O goes on, unless `wait` */
	NVHI_FENCE_CLEARED,  /* proven */
};

struct nvhi_fence_entry {
	uint64_t lba, end, token;
	struct nvhi_fence_range *range; /* NULL: everything */
	uint8_t phase;
	bool wait;
};

/* What a head's channels know: never changes, freed when all of them have a later one. */
struct nvhi_fence_map {
	struct nvhi_fence_map *older;
	uint64_t version;
	uint32_t holds; /* entries that hold I/O back */
	uint32_t count;
	struct nvhi_fence_entry entries[];
};

/* Tells the channels of every head concerned what the fence is now. -ENOMEM: nothing was told. */
int nvhi_fence_publish(struct nvhi_fence *fence);
/* Every channel of every head concerned has acknowledged. */
bool nvhi_fence_acknowledged(const struct nvhi_fence *fence);
/* A head was made: it takes over what fences its blocks. -ENOMEM. Home. */
int nvhi_fence_head_init(struct nvh_ns *head);
void nvhi_fence_head_fini(struct nvh_ns *head);
/* A channel joins or leaves its head. Home. */
void nvhi_fence_channel_join(struct nvh_channel *channel);
void nvhi_fence_channel_leave(struct nvh_channel *channel);
/* Its fence, or a map, is done with it. */
void nvhi_fence_range_put(struct nvhi_fence_range *range);
/* Two of its ranges, or one and another fence's, overlap: their order is lost, so they wait. */
void nvhi_fence_find_crossings(struct nvhi_fence *fence);

/* ---- fence.c --------------------------------------------------------------------------------- */

/* The association ended and every reactor has let go of it. Home. */
void nvhi_fence_begin(struct nvhi_mp_ctrlr *mpc);
/* Lanes that go leave what they know. Home. */
void nvhi_fence_take_lane(struct nvhi_lane *lane);
/* A controller went live (it may carry a reset), or leaves. */
void nvhi_fence_ctrlr_live(struct nvhi_mp_ctrlr *mpc);
void nvhi_fence_ctrlr_leaves(struct nvhi_mp_ctrlr *mpc);
/* A channel has acknowledged, or has left. */
void nvhi_fences_step(struct nvhi_mp *mp);
/* The proof that was offered cannot be had: who waited for that alone goes on. */
void nvhi_fence_offer_failed(struct nvhi_fence *fence);
/* It is proven; `how` completes "fenced by ...". */
void nvhi_fence_proven(struct nvhi_fence *fence, enum nvhi_proof proof, const char *how);
/* Nothing is left to notify. */
void nvhi_fences_fini(struct nvhi_mp *mp);

/* ---- fence_proof.c --------------------------------------------------------------------------- */

/* How long until time proves it; NVHI_NEVER: it never does. */
uint64_t nvhi_fence_time_ns(const struct nvhi_assoc *assoc);
/* Looks for a proof that can be had now. */
void nvhi_fence_seek(struct nvhi_fence *fence);

/* ---- fence_io.c: the channel's reactor ------------------------------------------------------- */

/* A part came back without a completion after it was sent. Returns whether a fence is needed. */
bool nvhi_fence_unproven(struct nvhi_io *io, struct nvhi_lane *lane, const struct nvhi_ioq_req *r);
/* All its parts are home, some of them unproven: waits until it may go on or end. */
void nvhi_io_fence(struct nvhi_io *io);
/* Leaves the fence behind: the caller gave up, or there is no hope. False: not before every reactor
 * knows its ranges. */
bool nvhi_io_unfence(struct nvhi_io *io);
/* A new write that overlaps; called when there are fences. */
bool nvhi_fence_blocks(const struct nvh_channel *channel, const struct nvhi_io *io);
void nvhi_channel_fence_init(struct nvh_channel *channel);
/* No path is left and none will come. */
void nvhi_channel_fail_fenced(struct nvh_channel *channel, int err);

#endif
