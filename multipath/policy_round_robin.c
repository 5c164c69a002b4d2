/*
 * The policy "round-robin": each chosen lane in turn. It needs to know nothing of the lanes. The
 * channel's reactor.
 */
#include "multipath/head.h"

static struct nvhi_lane *round_robin_select(struct nvh_channel *channel, const struct nvhi_io *io)
{
	struct nvhi_list *at;

	(void)io;
	/* The list itself is the turn: the lane taken goes to its end. */
	for (at = channel->lanes.next; at != &channel->lanes; at = at->next) {
		struct nvhi_lane *lane = nvhi_list_entry(at, struct nvhi_lane, link);

		if (!nvhi_lane_takes(lane))
			continue;
		nvhi_list_del(at);
		nvhi_list_add_tail(&channel->lanes, at);
		return lane;
	}
	return NULL;
}

const struct nvhi_policy nvhi_policy_round_robin = {
	.name = "round-robin",
	.select = round_robin_select,
};
