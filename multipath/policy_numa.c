/*
 * The policy "numa": always the same lane, the first that was connected, until it cannot be used.
 * Where controllers are local devices the nearest comes first; over a network all are equally far.
 * The channel's reactor.
 */
#include "multipath/head.h"

static struct nvhi_lane *numa_select(struct nvh_channel *channel, const struct nvhi_io *io)
{
	struct nvhi_lane *lane;

	(void)io;
	nvhi_list_for_each(lane, &channel->lanes, link)
		if (nvhi_lane_takes(lane))
			return lane;
	return NULL;
}

const struct nvhi_policy nvhi_policy_numa = {
	.name = "numa",
	.select = numa_select,
};
