/*
 * Failovers told step by step: a record for each loss of a path, from its detection over the fence
 * and the selection of another path to the first success there. Home keeps the last ones and tells
 * each step as an event. The reactors' part costs nothing while no path was lost: a channel that
 * watches one has no `only` lane, so its I/O takes the way on which the watch is looked at.
 */
#ifndef NVHI_MULTIPATH_FAILOVER_H
#define NVHI_MULTIPATH_FAILOVER_H

#include <nvhost/failover.h>

#include "base/reactor.h"

#define NVHI_FAILOVERS 32

struct nvhi_io;
struct nvhi_lane;
struct nvhi_mp;
struct nvhi_mp_ctrlr;
struct nvh_channel;

struct nvhi_failover {
	struct nvh_failover pub;
	uint64_t serial; /* of the controller in multipath */
	bool why_is_home;
};

/* ---- home ----------------------------------------------------------------------------------- */

/* A path is in doubt or gone; `why` is copied. Belongs to the record of the same loss when there is
 * one (suspect, then failed), whose text becomes the later one. */
void nvhi_failover_detected(struct nvhi_mp_ctrlr *mpc, const char *why);
/* The number of the present record, for what ends later than the controller's next life: 0 none. */
uint64_t nvhi_failover_id(const struct nvhi_mp_ctrlr *mpc);
/* What was in doubt on that path is proven dead, or nothing was. */
void nvhi_failover_fenced(struct nvhi_mp *mp, uint64_t id, const char *proof);
/* The path may be used again. */
void nvhi_failover_returned(struct nvhi_mp_ctrlr *mpc);
/* The index-th, latest first; NULL past the end. */
const struct nvh_failover *nvhi_failover_next(const struct nvhi_mp *mp, unsigned int index);

/* ---- a channel's reactor ---------------------------------------------------------------------- */

/* What a channel looks for after it lost a lane, and the letter in which home is told. */
struct nvhi_failover_watch {
	uint64_t serial;	   /* of the controller that was lost */
	const struct nvhi_lane *lane; /* NULL: nothing is watched */
	uint32_t number;	   /* of this watch; never 0 */
	uint32_t moved;		   /* I/Os of it that are to go elsewhere */
	bool untold;
	uint64_t lost_ns, selected_ns, success_ns;
	char selected[32];
	const char *why;	   /* static text */
	/* the letter: the channel's while not posted, else home's */
	uint32_t posted; /* atomic */
	struct nvhi_msg msg;
	struct {
		uint64_t serial, lost_ns, selected_ns, success_ns;
		char selected[32];
		const char *why;
	} told;
};

void nvhi_failover_watch_init(struct nvh_channel *channel);
/* A lane was usable and is not any more; static text. */
void nvhi_failover_lane_lost(struct nvhi_lane *lane, const char *why);
/* The channel gives the lane up. */
void nvhi_failover_lane_gone(struct nvhi_lane *lane);
/* An I/O came back from a lost lane and is to be repeated. */
void nvhi_failover_io_moved(struct nvhi_io *io, struct nvhi_lane *lane, const char *why);
/* It ended without success. */
void nvhi_failover_io_ends(struct nvhi_io *io);
/* Where something is watched: an I/O goes over this lane, or came back good from it. */
void nvhi_failover_selects(struct nvhi_io *io, const struct nvhi_lane *lane);
void nvhi_failover_succeeds(struct nvhi_io *io, const struct nvhi_lane *lane, uint64_t submit_ns);

#endif
