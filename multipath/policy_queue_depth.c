/*
 * The policy "queue-depth": the lane with the fewest requests in flight; between equals the one that
 * waited longest. The channel's reactor.
 */
#include "multipath/head.h"

static struct nvhi_lane *queue_depth_select(struct nvh_channel *channel, const struct nvhi_io *io)
{
	struct nvhi_lane *lane, *best = NULL;

	(void)io;
	nvhi_list_for_each(lane, &channel->lanes, link)
		if (nvhi_lane_takes(lane) && (!best || lane->inflight < best->inflight))
			best = lane;
	if (best) {
		nvhi_list_del(&best->link);
		nvhi_list_add_tail(&channel->lanes, &best->link);
	}
	return best;
}

const struct nvhi_policy nvhi_policy_queue_depth = {
	.name = "queue-depth",
	.select = queue_depth_select,
};
