/*
 * ANA states on their way from the controller's log to the lanes: home gives each path the state of
 * its group and sends word to the path's lanes; a lane that meets an ANA status sends word back, so
 * that the log is read again. A state nobody told is no permission.
 */
#include <stdio.h>

#include "base/log.h"
#include "multipath/head.h"

bool nvhi_ana_accessible(uint8_t state)
{
	return state == NVH_ANA_OPTIMIZED || state == NVH_ANA_NONOPTIMIZED;
}

uint32_t nvhi_ana_rank(uint8_t state)
{
	return state == NVH_ANA_OPTIMIZED ? 0 : 1;
}

/* ---- home to lane --------------------------------------------------------------------------- */

static void lane_take_ana(struct nvhi_msg *msg)
{
	struct nvhi_lane *lane = nvhi_container_of(msg, struct nvhi_lane, ana_msg);
	uint8_t before;

	__atomic_store_n(&lane->ana_posted, 0, __ATOMIC_RELEASE);
	before = lane->ana;
	lane->ana = __atomic_load_n(&lane->ana_told, __ATOMIC_ACQUIRE);
	if (!lane->attached)
		return;
	if (nvhi_ana_accessible(lane->ana) && !nvhi_ana_accessible(before))
		lane->held_since = 0;
	lane->held_until = 0; /* the log is newer than the status that made us hold */
	nvhi_lane_refresh(lane);
}

static void lane_tell_ana(struct nvhi_lane *lane, uint8_t state)
{
	__atomic_store_n(&lane->ana_told, state, __ATOMIC_RELEASE);
	if (!__atomic_exchange_n(&lane->ana_posted, 1, __ATOMIC_ACQ_REL))
		nvhi_reactor_post(lane->channel->reactor, &lane->ana_msg);
}

/* Access lost or given back is a failover too. */
static void path_ana_tell(const struct nvhi_path *path, uint8_t state)
{
	char why[96];

	if (nvhi_ana_accessible(state) == nvhi_ana_accessible(path->ana))
		return;
	if (nvhi_ana_accessible(state)) {
		nvhi_failover_returned(path->mpc);
		return;
	}
	snprintf(why, sizeof(why), "ANA group %u is %s", path->data.anagrpid,
		 nvhi_ana_state_text(state));
	nvhi_failover_detected(path->mpc, why);
}

void nvhi_path_ana(struct nvhi_path *path)
{
	uint8_t state = nvhi_ctrlr_ana_state(path->mpc->ctrlr, path->data.anagrpid);
	bool changed = state != path->ana;
	struct nvhi_lane *lane;

	if (changed && path->head && path->mpc->live)
		nvhi_log(INFO, MPATH, "%s: %s is %s, was %s", path->head->name,
			 nvhi_ctrlr_name(path->mpc->ctrlr), nvhi_ana_state_text(state),
			 nvhi_ana_state_text(path->ana));
	if (changed && path->head && path->mpc->live)
		path_ana_tell(path, state);
	path->ana = state;
	nvhi_list_for_each(lane, &path->lanes, path_link)
		lane_tell_ana(lane, state);
	if (changed && path->head)
		nvhi_head_changed(path->head);
}

void nvhi_mp_ctrlr_ana(struct nvhi_mp_ctrlr *mpc)
{
	struct nvhi_path *path, *next;

	nvhi_list_for_each_safe(path, next, &mpc->paths, ctrlr_link)
		if (path->state == NVHI_PATH_MERGED)
			nvhi_path_ana(path);
}

/* ---- lane to home --------------------------------------------------------------------------- */

static void lane_picture_is_stale(struct nvhi_msg *msg)
{
	struct nvhi_lane *lane = nvhi_container_of(msg, struct nvhi_lane, stale_msg);

	__atomic_store_n(&lane->stale_posted, 0, __ATOMIC_RELEASE);
	if (!lane->dropping)
		nvhi_ctrlr_ana_refresh(lane->ctrlr);
}

void nvhi_lane_ana_stale(struct nvhi_lane *lane)
{
	if (!__atomic_exchange_n(&lane->stale_posted, 1, __ATOMIC_ACQ_REL))
		nvhi_reactor_post(lane->channel->ns->mp->home, &lane->stale_msg);
}

void nvhi_lane_ana_init(struct nvhi_lane *lane)
{
	lane->ana_msg.fn = lane_take_ana;
	lane->stale_msg.fn = lane_picture_is_stale;
	lane->ana = lane->ana_told = lane->path->ana;
}
