/*
 * Subsystems: what the controllers with one subsystem NQN have in common, and the number N of
 * nvhNnM, which stays while a controller or a head of it is there. Home reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "multipath/fence.h"

int nvhi_mp_init(struct nvhi_mp *mp, const struct nvhi_mp_events *events,
		 struct nvh_reactor *const *reactors, uint32_t nr_reactors)
{
	memset(mp, 0, sizeof(*mp));
	mp->reactors = calloc(nr_reactors, sizeof(*mp->reactors));
	if (!mp->reactors)
		return -ENOMEM;
	memcpy(mp->reactors, reactors, nr_reactors * sizeof(*mp->reactors));
	mp->failovers = calloc(NVHI_FAILOVERS, sizeof(*mp->failovers));
	if (!mp->failovers) {
		free(mp->reactors);
		return -ENOMEM;
	}
	mp->nr_reactors = nr_reactors;
	mp->home = reactors[0];
	mp->events = events;
	nvhi_list_init(&mp->subsystems);
	nvhi_list_init(&mp->fences);
	return 0;
}

void nvhi_mp_fini(struct nvhi_mp *mp)
{
	nvhi_fences_fini(mp);
	assert(nvhi_list_empty(&mp->subsystems));
	free(mp->failovers);
	free(mp->reactors);
}

struct nvhi_mp_subsys *nvhi_mp_subsys_find(struct nvhi_mp *mp, const char *nqn)
{
	struct nvhi_mp_subsys *subsys;

	nvhi_list_for_each(subsys, &mp->subsystems, link)
		if (!strcmp(subsys->nqn, nqn))
			return subsys;
	return NULL;
}

static bool instance_is_taken(struct nvhi_mp *mp, int instance)
{
	struct nvhi_mp_subsys *subsys;

	nvhi_list_for_each(subsys, &mp->subsystems, link)
		if (subsys->instance == instance)
			return true;
	return false;
}

static struct nvhi_mp_subsys *subsys_create(struct nvhi_mp *mp, const char *nqn, int instance)
{
	struct nvhi_mp_subsys *subsys = calloc(1, sizeof(*subsys));

	if (!subsys)
		return NULL;
	subsys->mp = mp;
	snprintf(subsys->nqn, sizeof(subsys->nqn), "%s", nqn);
	nvhi_list_init(&subsys->ctrlrs);
	nvhi_list_init(&subsys->heads);
	subsys->policy = &nvhi_policy_latency;
	subsys->no_path = (struct nvhi_no_path){.wait_ns = NVHI_NEVER, .until_loss = true};
	if (instance < 0 || instance_is_taken(mp, instance))
		for (instance = 0; instance_is_taken(mp, instance);)
			instance++;
	subsys->instance = instance;
	nvhi_list_add_tail(&mp->subsystems, &subsys->link);
	return subsys;
}

void nvhi_subsys_get(struct nvhi_mp_subsys *subsys)
{
	subsys->nr_refs++;
}

void nvhi_subsys_put(struct nvhi_mp_subsys *subsys)
{
	if (--subsys->nr_refs > 0)
		return;
	nvhi_list_del(&subsys->link);
	free(subsys);
}

/* ---- controllers -------------------------------------------------------------------------- */

int nvhi_mp_ctrlr_join(struct nvhi_mp *mp, struct nvhi_mp_ctrlr *mpc, struct nvhi_ctrlr *ctrlr,
		       const char *subnqn, int instance)
{
	struct nvhi_mp_subsys *subsys = nvhi_mp_subsys_find(mp, subnqn);

	if (!subsys)
		subsys = subsys_create(mp, subnqn, instance);
	if (!subsys)
		return -ENOMEM;
	nvhi_subsys_get(subsys);
	memset(mpc, 0, sizeof(*mpc));
	mpc->mp = mp;
	mpc->ctrlr = ctrlr;
	mpc->subsys = subsys;
	mpc->instance = instance;
	mpc->serial = ++mp->nr_ctrlrs;
	nvhi_list_init(&mpc->paths);
	nvhi_list_init(&mpc->unproven);
	nvhi_list_add_tail(&subsys->ctrlrs, &mpc->link);
	return 0;
}

int nvhi_mp_ctrlr_named(struct nvhi_mp_ctrlr *mpc, const char *subnqn)
{
	struct nvhi_mp_subsys *from = mpc->subsys, *to = nvhi_mp_subsys_find(mpc->mp, subnqn);

	if (from->nqn[0])
		return 0; /* it knew before */
	assert(nvhi_list_empty(&mpc->paths));
	if (!to && from->nr_refs == 1) {
		snprintf(from->nqn, sizeof(from->nqn), "%s", subnqn);
		return 0;
	}
	if (!to) {
		to = subsys_create(mpc->mp, subnqn, mpc->instance);
		if (!to)
			return -ENOMEM;
		to->policy = from->policy;
		to->no_path = from->no_path;
		to->hedge = from->hedge;
	}
	nvhi_subsys_get(to);
	nvhi_list_del(&mpc->link);
	nvhi_list_add_tail(&to->ctrlrs, &mpc->link);
	mpc->subsys = to;
	nvhi_subsys_put(from);
	return 0;
}

void nvhi_mp_ctrlr_leave(struct nvhi_mp_ctrlr *mpc, nvhi_mp_left_fn left)
{
	struct nvhi_path *path, *next;

	mpc->leaving = true;
	mpc->live = false;
	nvhi_list_for_each_safe(path, next, &mpc->paths, ctrlr_link)
		if (path->state != NVHI_PATH_LEAVING)
			nvhi_path_leave(path, -ENOTCONN);
	mpc->left = left; /* not before: the loop must not lose the ground it stands on */
	nvhi_mp_ctrlr_check_left(mpc);
}

void nvhi_mp_ctrlr_check_left(struct nvhi_mp_ctrlr *mpc)
{
	nvhi_mp_left_fn left = mpc->left;

	if (!mpc->leaving || !left || !nvhi_list_empty(&mpc->paths))
		return;
	mpc->left = NULL;
	if (!nvhi_list_empty(&mpc->unproven))
		nvhi_fence_begin(mpc); /* of lanes that went after the association */
	nvhi_fence_ctrlr_leaves(mpc);
	nvhi_list_del(&mpc->link);
	nvhi_subsys_put(mpc->subsys);
	mpc->subsys = NULL;
	left(mpc);
}

void nvhi_mp_ctrlr_live(struct nvhi_mp_ctrlr *mpc, bool live)
{
	struct nvhi_path *path, *next;

	mpc->live = live;
	if (live) {
		mpc->fast_fail = false;
		nvhi_failover_returned(mpc);
	}
	nvhi_list_for_each_safe(path, next, &mpc->paths, ctrlr_link) {
		if (path->state != NVHI_PATH_MERGED)
			continue;
		if (live) {
			nvhi_path_live(path);
			nvhi_path_ana(path);
		}
		nvhi_head_policy(path->head);
		nvhi_head_changed(path->head);
		if (live)
			nvhi_head_announce(path->head);
	}
	if (live)
		nvhi_fence_ctrlr_live(mpc);
}

void nvhi_mp_ctrlr_quiesced(struct nvhi_mp_ctrlr *mpc)
{
	nvhi_fence_begin(mpc);
}

void nvhi_mp_ctrlr_fast_fail(struct nvhi_mp_ctrlr *mpc)
{
	struct nvhi_path *path;

	mpc->fast_fail = true;
	nvhi_list_for_each(path, &mpc->paths, ctrlr_link)
		if (path->state == NVHI_PATH_MERGED)
			nvhi_head_policy(path->head);
}
