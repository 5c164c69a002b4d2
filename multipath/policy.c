/*
 * The table of path-selection policies, and setting one for a subsystem. Home reactor; a channel's
 * reactor sees the new pointer at its next request.
 */
#include <errno.h>
#include <string.h>

#include "multipath/head.h"

static const struct nvhi_policy *const policies[] = {
	&nvhi_policy_latency,
	&nvhi_policy_round_robin,
	&nvhi_policy_queue_depth,
	&nvhi_policy_numa,
};

static const struct nvhi_policy *policy_find(const char *name)
{
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(policies); i++)
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	return NULL;
}

bool nvhi_mp_policy_known(const char *name)
{
	return policy_find(name) != NULL;
}

int nvhi_mp_set_policy(struct nvhi_mp *mp, const char *subnqn, const char *name)
{
	const struct nvhi_policy *policy = policy_find(name);
	struct nvhi_mp_subsys *subsys;
	struct nvh_channel *channel;
	struct nvh_ns *head;

	if (!policy)
		return -EINVAL;
	subsys = nvhi_mp_subsys_find(mp, subnqn);
	if (!subsys)
		return -ENOENT;
	subsys->policy = policy;
	nvhi_list_for_each(head, &subsys->heads, link)
		nvhi_list_for_each(channel, &head->channels, head_link)
			__atomic_store_n(&channel->policy, policy, __ATOMIC_RELEASE);
	return 0;
}

const char *nvhi_ns_policy(const struct nvh_ns *ns)
{
	return ns->subsys ? ns->subsys->policy->name : "";
}
