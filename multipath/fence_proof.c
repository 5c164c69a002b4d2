/*
 * The proofs a fence can look for: Cross-Controller Reset (TP8028) through any live controller of
 * the subsystem, one after the other; or the time of TP4129, counted from when the last reactor has
 * acknowledged that nothing is sent on any queue of the association. Home reactor.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "multipath/fence.h"

#define CCR_WAIT_MIN_MS 100u

uint64_t nvhi_fence_time_ns(const struct nvhi_assoc *assoc)
{
	if (!assoc->kato_ms)
		return NVHI_NEVER;
	return ((assoc->tbkas ? 3ull : 2ull) * assoc->kato_ms + assoc->cqt_ms) * NVHI_NSEC_PER_MSEC;
}

static bool was_tried(const struct nvhi_fence *fence, uint64_t id)
{
	for (uint32_t i = 0; i < fence->nr_tried; i++)
		if (fence->tried[i] == id)
			return true;
	return false;
}

/* A live controller of the subsystem that has not been asked in its present association. */
static struct nvhi_mp_ctrlr *find_source(struct nvhi_fence *fence)
{
	struct nvhi_mp_subsys *subsys = nvhi_mp_subsys_find(fence->mp, fence->assoc.subnqn);
	struct nvhi_mp_ctrlr *mpc;

	if (!subsys || fence->nr_tried == NVHI_ARRAY_SIZE(fence->tried))
		return NULL;
	nvhi_list_for_each(mpc, &subsys->ctrlrs, link)
		if (mpc->live && !mpc->leaving && nvhi_ctrlr_caps(mpc->ctrlr)->ccrl &&
		    !was_tried(fence, nvhi_ctrlr_assoc_id(mpc->ctrlr)))
			return mpc;
	return NULL;
}

static void ccr_done(struct nvhi_ccr *ccr, enum nvhi_ccr_result result, const char *why)
{
	struct nvhi_fence *fence = nvhi_container_of(ccr, struct nvhi_fence, ccr);
	struct nvhi_mp *mp = fence->mp;
	char how[96];

	if (result == NVHI_CCR_FAILED) {
		nvhi_log(INFO, MPATH, "%s: cross-controller reset of controller %u via %s: %s",
			 fence->name, fence->assoc.cntlid, fence->via_name, why);
		nvhi_fence_seek(fence);
		/* Refused by all that are there: a target that was restarted does not know the
		 * controller. What is left is time, as with one that offers nothing. */
		if (!fence->ccr.busy && !fence->assoc.cqt_ms)
			nvhi_fence_offer_failed(fence);
	} else {
		snprintf(how, sizeof(how), "CCR%s via %s",
			 result == NVHI_CCR_LOGGED ? " (its log)" : "", fence->via_name);
		nvhi_fence_proven(fence,
				  result == NVHI_CCR_NOW ? NVHI_PROOF_CCR_NOW : NVHI_PROOF_CCR_LOG,
				  how);
	}
	nvhi_fences_step(mp);
}

static bool ccr_try(struct nvhi_fence *fence, struct nvhi_mp_ctrlr *mpc)
{
	uint32_t wait_ms = fence->assoc.cqt_ms > fence->assoc.kato_ms ? fence->assoc.cqt_ms
								       : fence->assoc.kato_ms;

	fence->tried[fence->nr_tried++] = nvhi_ctrlr_assoc_id(mpc->ctrlr);
	snprintf(fence->via_name, sizeof(fence->via_name), "%s", nvhi_ctrlr_name(mpc->ctrlr));
	fence->ccr.done = ccr_done;
	if (wait_ms < CCR_WAIT_MIN_MS)
		wait_ms = CCR_WAIT_MIN_MS;
	return nvhi_ccr_start(mpc->ctrlr, &fence->ccr, &fence->assoc, wait_ms) == 0;
}

/* Whether a reset may still be asked for, if not now. */
static bool ccr_possible(const struct nvhi_fence *fence)
{
	return fence->assoc.ccr && fence->nr_tried < NVHI_ARRAY_SIZE(fence->tried);
}

void nvhi_fence_seek(struct nvhi_fence *fence)
{
	struct nvhi_mp_ctrlr *mpc;

	if (fence->state >= NVHI_FENCE_CLEARING || fence->ccr.busy)
		return;
	while (fence->assoc.ccr && (mpc = find_source(fence)))
		if (ccr_try(fence, mpc))
			return;
	if (fence->deadline == NVHI_NEVER && (!ccr_possible(fence) || fence->nr_tried))
		nvhi_fence_proven(fence, NVHI_PROOF_NONE,
				  "without a keep-alive time-out (KATO 0) time proves nothing");
}
