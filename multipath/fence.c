/*
 * A fence's life. It begins when an association has ended, every reactor has let go of its queues,
 * and some of its commands have an unknown fate; it ends when they are proven dead, by whichever
 * proof comes first. What is repeated before the proof, and what waits for it, follows from
 * write-fence and from what the target offers (docs/multipath.md, "Fencing"). Home reactor.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "multipath/fence.h"

#define FENCE_AGAIN_NS (10 * NVHI_NSEC_PER_MSEC)

static const char *const fence_state_names[] = {
#define X(upper, lower) [NVHI_FENCE_##upper] = #lower,
	NVHI_FENCE_STATES(X)
#undef X
};
static const uint32_t fence_edges[] = {
	[NVHI_FENCE_PUBLISHING] =
		NVHI_FSM_TO(NVHI_FENCE_HOLDING) | NVHI_FSM_TO(NVHI_FENCE_CLEARING),
	[NVHI_FENCE_HOLDING] = NVHI_FSM_TO(NVHI_FENCE_CLEARING),
	[NVHI_FENCE_CLEARING] = NVHI_FSM_TO(NVHI_FENCE_LEAVING),
	[NVHI_FENCE_LEAVING] = 0,
};
struct nvhi_fsm nvhi_fence_fsm = NVHI_FSM_INIT("fence", fence_state_names, fence_edges);

const char *const nvhi_proof_names[NVHI_PROOF_COUNT] = {
#define X(upper, lower) [NVHI_PROOF_##upper] = #lower,
	NVHI_PROOFS(X)
#undef X
};
uint64_t nvhi_proofs_used[NVHI_PROOF_COUNT];

/* ---- steps --------------------------------------------------------------------------------------- */

static void fence_arm(struct nvhi_fence *fence)
{
	uint64_t when = fence->state < NVHI_FENCE_CLEARING ? fence->deadline : NVHI_NEVER;

	if (fence->untold && when > nvhi_reactor_now(fence->mp->home) + FENCE_AGAIN_NS)
		when = nvhi_reactor_now(fence->mp->home) + FENCE_AGAIN_NS;
	/* Room for this timer was made when the fence began. */
	nvhi_timer_arm_at(fence->mp->home, &fence->timer, when);
}

static void fence_tell(struct nvhi_fence *fence)
{
	fence->untold = nvhi_fence_publish(fence) != 0;
	if (fence->untold)
		nvhi_log(ERROR, MPATH, "%s: no memory to tell the reactors of a fence; again soon",
			 fence->name);
	fence_arm(fence);
}

static void fence_move(struct nvhi_fence *fence, enum nvhi_fence_state state)
{
	nvhi_fsm_set(&nvhi_fence_fsm, &fence->state, state, NVHI_LOG_MPATH, fence->name);
	fence_tell(fence);
}

static void fence_free(struct nvhi_fence *fence)
{
	struct nvhi_fence_range *range, *next;

	nvhi_timer_cancel(fence->mp->home, &fence->timer);
	nvhi_list_for_each_safe(range, next, &fence->ranges, link) {
		nvhi_list_del(&range->link);
		nvhi_ns_put(range->ns);
		nvhi_fence_range_put(range);
	}
	nvhi_list_del(&fence->link);
	free(fence);
}

void nvhi_fence_offer_failed(struct nvhi_fence *fence)
{
	struct nvhi_fence_range *range;
	bool news = false;

	nvhi_list_for_each(range, &fence->ranges, link)
		news |= __atomic_fetch_and(&range->wait, ~NVHI_FENCE_WAIT_OFFER,
					   __ATOMIC_ACQ_REL) == NVHI_FENCE_WAIT_OFFER;
	if (news && fence->state == NVHI_FENCE_HOLDING)
		fence_tell(fence);
}

/* The next step of a fence whose channels all know the last one. Returns whether it was taken. */
static bool fence_step(struct nvhi_fence *fence)
{
	struct nvhi_mp *mp = fence->mp;

	if (fence->untold || !nvhi_fence_acknowledged(fence))
		return false;
	switch (fence->state) {
	case NVHI_FENCE_PUBLISHING:
		fence_move(fence, NVHI_FENCE_HOLDING);
		return true;
	case NVHI_FENCE_CLEARING:
		fence_move(fence, NVHI_FENCE_LEAVING);
		return true;
	case NVHI_FENCE_LEAVING:
		if (fence->ccr.busy)
			return false; /* its end comes back here */
		fence_free(fence);
		if (mp->events->fence_over)
			mp->events->fence_over(mp);
		return true;
	default:
		return false;
	}
}

void nvhi_fences_step(struct nvhi_mp *mp)
{
	struct nvhi_fence *fence, *next;
	bool again;

	do {
		again = false;
		nvhi_list_for_each_safe(fence, next, &mp->fences, link)
			again |= fence_step(fence);
	} while (again);
}

static void fence_on_timer(struct nvhi_timer *timer)
{
	struct nvhi_fence *fence = nvhi_container_of(timer, struct nvhi_fence, timer);
	struct nvhi_mp *mp = fence->mp;
	char how[96];

	if (fence->state < NVHI_FENCE_CLEARING && nvhi_reactor_now(mp->home) >= fence->deadline) {
		snprintf(how, sizeof(how), "time (%s KATO%s of %u ms%s)",
			 fence->assoc.tbkas ? "3" : "2", fence->assoc.cqt_ms ? " + CQT" : "",
			 fence->assoc.kato_ms, fence->ccr.busy ? ", CCR not done" : "");
		nvhi_fence_proven(fence, NVHI_PROOF_TIME, how);
	} else {
		fence_tell(fence);
	}
	nvhi_fences_step(mp);
}

void nvhi_fence_proven(struct nvhi_fence *fence, enum nvhi_proof proof, const char *how)
{
	uint64_t now = nvhi_reactor_now(fence->mp->home);

	if (fence->state >= NVHI_FENCE_CLEARING)
		return;
	fence->proof = (uint8_t)proof;
	__atomic_fetch_add(&nvhi_proofs_used[proof], 1, __ATOMIC_RELAXED);
	snprintf(fence->how, sizeof(fence->how), "fenced by %s in %" PRIu64 " ms", how,
		 (uint64_t)((now - fence->began) / NVHI_NSEC_PER_MSEC));
	if (proof == NVHI_PROOF_NONE)
		nvhi_log(WARN, MPATH, "%s: controller %u of %s cannot be fenced: %s", fence->name,
			 fence->assoc.cntlid, fence->assoc.subnqn, how);
	else
		nvhi_log(INFO, MPATH, "%s: controller %u of %s %s (%u commands of unknown fate)",
			 fence->name, fence->assoc.cntlid, fence->assoc.subnqn, fence->how,
			 fence->nr_ranges);
	nvhi_failover_fenced(fence->mp, fence->failover,
			     proof == NVHI_PROOF_NONE ? "cannot be fenced" : fence->how);
	fence_move(fence, NVHI_FENCE_CLEARING);
}

/* ---- beginning ------------------------------------------------------------------------------------- */

void nvhi_fence_take_lane(struct nvhi_lane *lane)
{
	struct nvhi_mp_ctrlr *mpc = lane->path->mpc;

	nvhi_list_splice_tail(&mpc->unproven, &lane->unproven);
	mpc->unproven_all |= lane->unproven_all;
	lane->unproven_all = false;
}

static struct nvhi_fence *fence_new(struct nvhi_mp *mp, const struct nvhi_assoc *assoc, uint8_t mode)
{
	struct nvhi_fence *fence = calloc(1, sizeof(*fence));
	uint64_t time_ns = nvhi_fence_time_ns(assoc);

	if (!fence)
		return NULL;
	fence->timer.fn = fence_on_timer;
	if (nvhi_timer_arm_at(mp->home, &fence->timer, NVHI_NEVER)) {
		free(fence);
		return NULL;
	}
	fence->mp = mp;
	fence->assoc = *assoc;
	fence->mode = mode;
	fence->began = nvhi_reactor_now(mp->home);
	fence->deadline = time_ns == NVHI_NEVER ? NVHI_NEVER : fence->began + time_ns;
	nvhi_list_init(&fence->ranges);
	nvhi_list_add_tail(&mp->fences, &fence->link);
	return fence;
}

/* No memory for a fence: the ranges stay where they are, and their I/O with them. */
static void fence_postpone(struct nvhi_mp_ctrlr *mpc)
{
	nvhi_log(ERROR, MPATH, "%s: no memory for a fence: its I/O waits",
		 nvhi_ctrlr_name(mpc->ctrlr));
}

void nvhi_fence_begin(struct nvhi_mp_ctrlr *mpc)
{
	struct nvhi_mp *mp = mpc->mp;
	struct nvhi_fence_range *range;
	struct nvhi_fence *fence;
	struct nvhi_assoc assoc;
	struct nvhi_path *path;
	struct nvhi_lane *lane;

	nvhi_list_for_each(path, &mpc->paths, ctrlr_link)
		nvhi_list_for_each(lane, &path->lanes, path_link)
			nvhi_fence_take_lane(lane);
	if (nvhi_list_empty(&mpc->unproven) && !mpc->unproven_all) {
		nvhi_failover_fenced(mp, nvhi_failover_id(mpc), "nothing to fence");
		return;
	}
	nvhi_ctrlr_assoc(mpc->ctrlr, &assoc);
	snprintf(assoc.subnqn, sizeof(assoc.subnqn), "%s", mpc->subsys->nqn);
	fence = fence_new(mp, &assoc, nvhi_ctrlr_opts(mpc->ctrlr)->write_fence);
	if (!fence) {
		fence_postpone(mpc);
		return;
	}
	fence->mpc = mpc->leaving && !mpc->left ? NULL : mpc;
	fence->failover = nvhi_failover_id(mpc);
	fence->everything = mpc->unproven_all;
	mpc->unproven_all = false;
	snprintf(fence->name, sizeof(fence->name), "%s", nvhi_ctrlr_name(mpc->ctrlr));
	nvhi_list_splice_tail(&fence->ranges, &mpc->unproven);
	nvhi_list_for_each(range, &fence->ranges, link)
		fence->nr_ranges++;
	nvhi_fence_find_crossings(fence);
	nvhi_log(INFO, MPATH, "%s: controller %u of %s: %u commands have an unknown fate%s",
		 fence->name, assoc.cntlid, assoc.subnqn, fence->nr_ranges,
		 fence->deadline == NVHI_NEVER ? "; with KATO 0 time proves nothing" : "");
	fence_tell(fence);
	if (nvhi_ctrlr_was_disabled(mpc->ctrlr))
		nvhi_fence_proven(fence, NVHI_PROOF_RESET, "its own reset (CSTS.RDY 0)");
	else
		nvhi_fence_seek(fence);
	nvhi_fences_step(mp);
}

int nvhi_mp_fence_earlier(struct nvhi_mp *mp, const struct nvhi_assoc *assoc, uint8_t mode,
			  const char *name)
{
	struct nvhi_fence *fence = fence_new(mp, assoc, mode);

	if (!fence)
		return -ENOMEM;
	fence->everything = true;
	snprintf(fence->name, sizeof(fence->name), "%s", name);
	nvhi_log(INFO, MPATH, "%s: controller %u of %s was left by an earlier process: writes wait",
		 name, assoc->cntlid, assoc->subnqn);
	fence_tell(fence);
	nvhi_fence_seek(fence);
	nvhi_fences_step(mp);
	return 0;
}

const struct nvhi_assoc *nvhi_mp_fence_next(struct nvhi_mp *mp, uint32_t index, uint8_t *ret_mode,
					    const char **ret_name)
{
	const struct nvhi_fence *fence;

	nvhi_list_for_each(fence, &mp->fences, link) {
		if (fence->state >= NVHI_FENCE_CLEARING || index-- > 0)
			continue;
		*ret_mode = fence->mode;
		*ret_name = fence->name;
		return &fence->assoc;
	}
	return NULL;
}

/* ---- controllers come and go ------------------------------------------------------------------------ */

void nvhi_fence_ctrlr_live(struct nvhi_mp_ctrlr *mpc)
{
	struct nvhi_fence *fence, *next;

	nvhi_list_for_each_safe(fence, next, &mpc->mp->fences, link)
		nvhi_fence_seek(fence);
	nvhi_fences_step(mpc->mp);
}

void nvhi_fence_ctrlr_leaves(struct nvhi_mp_ctrlr *mpc)
{
	struct nvhi_fence *fence;

	nvhi_list_for_each(fence, &mpc->mp->fences, link)
		if (fence->mpc == mpc)
			fence->mpc = NULL;
}

void nvhi_fences_fini(struct nvhi_mp *mp)
{
	while (!nvhi_list_empty(&mp->fences))
		fence_free(nvhi_list_first(&mp->fences, struct nvhi_fence, link));
}
