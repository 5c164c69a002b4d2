/*
 * The policy "latency" (the default): the lane on which this request should be back first. Each lane
 * keeps a moving average of its latency for small and large reads and writes; expected is that, times
 * what is in flight before it. Worse news count at once, better ones slowly; and so that a lane left
 * alone can show that it recovered, one request goes over it every PROBE_NS. The channel's reactor.
 */
#include "multipath/head.h"

#define LATENCY_PROBE_NS     (50 * NVHI_NSEC_PER_MSEC)
#define LATENCY_LARGE	     (16u << 10) /* bytes */
#define LATENCY_WORSE_SHIFT  1		 /* half way to a worse sample */
#define LATENCY_BETTER_SHIFT 3		 /* an eighth of the way to a better one */

static uint32_t latency_class(uint8_t op, uint64_t bytes)
{
	return (op == NVH_IO_READ ? 0u : 2u) + (bytes > LATENCY_LARGE ? 1u : 0u);
}

void nvhi_lane_latency_sample(struct nvhi_lane *lane, uint8_t op, uint32_t bytes, uint64_t ns)
{
	uint64_t *average = &lane->latency_ns[latency_class(op, bytes)];

	lane->sampled_at = nvhi_reactor_now(lane->channel->reactor);
	if (*average == 0)
		*average = ns | 1;
	else if (ns > *average)
		*average += (ns - *average) >> LATENCY_WORSE_SHIFT;
	else
		*average -= (*average - ns) >> LATENCY_BETTER_SHIFT;
}

static struct nvhi_lane *latency_select(struct nvh_channel *channel, const struct nvhi_io *io)
{
	uint64_t bytes = (uint64_t)io->pub.nr_blocks << channel->block_shift;
	uint32_t class = latency_class(io->pub.op, bytes);
	uint64_t now = nvhi_reactor_now(channel->reactor), best_cost = UINT64_MAX;
	struct nvhi_lane *lane, *best = NULL;

	nvhi_list_for_each(lane, &channel->lanes, link) {
		uint64_t cost = lane->latency_ns[class] * (lane->inflight + 1ull);

		if (!nvhi_lane_takes(lane))
			continue;
		if (lane->inflight == 0 && now - lane->sampled_at > LATENCY_PROBE_NS) {
			lane->sampled_at = now; /* one probe, not a burst */
			return lane;
		}
		if (cost < best_cost) {
			best = lane;
			best_cost = cost;
		}
	}
	return best;
}

const struct nvhi_policy nvhi_policy_latency = {
	.name = "latency",
	.select = latency_select,
};
