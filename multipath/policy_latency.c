/*
 * The policy "latency" (the default): the lane on which this request should be back first. Each lane
 * keeps a moving average of its latency for small and large reads and writes; expected is that, longer
 * the more is in flight before it. Worse news count at once, better ones slowly, much better ones faster.
 * A lane left alone can show that it recovered without making any caller wait: now and then one block
 * is read over it into a buffer of its own. The channel's reactor.
 */
#include <string.h>

#include "multipath/head.h"

#define LATENCY_PROBE_NS     (50 * NVHI_NSEC_PER_MSEC)
#define LATENCY_LARGE	     (16u << 10) /* bytes */
#define LATENCY_WORSE_SHIFT  1		 /* half way to a worse sample */
#define LATENCY_BETTER_SHIFT 3		 /* an eighth of the way to a better one */
#define LATENCY_MUCH_BETTER  4		 /* times: half way */
#define LATENCY_MUCH_WORSE   8
/* So many in flight are no queue: a path that is slow because it is long serves them side by side. */
#define LATENCY_QUEUE	     8ull
#define LATENCY_UNKNOWN	     (1ull << 62)
#define LATENCY_FRESH_NS     (10 * NVHI_NSEC_PER_MSEC)

static uint32_t latency_class(uint8_t op, uint64_t bytes)
{
	return (op == NVH_IO_READ ? 0u : 2u) + (bytes > LATENCY_LARGE ? 1u : 0u);
}

/* This lane became much slower all at once: what is known of the others may be old. */
static void latency_doubt(const struct nvhi_lane *slow)
{
	uint64_t now = nvhi_reactor_now(slow->channel->reactor);
	struct nvhi_lane *lane;

	nvhi_list_for_each(lane, &slow->channel->lanes, link)
		if (lane != slow && now - lane->sampled_at > LATENCY_FRESH_NS)
			lane->sampled_at = 0;
}

void nvhi_lane_latency_sample(struct nvhi_lane *lane, uint8_t op, uint32_t bytes, uint64_t ns)
{
	uint64_t *average = &lane->latency_ns[latency_class(op, bytes)];

	lane->sampled_at = nvhi_reactor_now(lane->channel->reactor);
	if (*average == 0) {
		*average = ns | 1;
	} else if (ns > *average) {
		if (ns > LATENCY_MUCH_WORSE * *average)
			latency_doubt(lane);
		*average += (ns - *average) >> LATENCY_WORSE_SHIFT;
	} else if (ns < *average / LATENCY_MUCH_BETTER) {
		*average -= (*average - ns) >> 1;
	} else {
		*average -= (*average - ns) >> LATENCY_BETTER_SHIFT;
	}
}

/* ---- reads of our own --------------------------------------------------------------------------- */

/* What it tells of small reads is believed of the rest, with a margin, until they are tried. */
static void probe_sample(struct nvhi_lane *lane, uint64_t ns)
{
	uint64_t before = lane->latency_ns[0];

	nvhi_lane_latency_sample(lane, NVH_IO_READ, 0, ns);
	for (uint32_t i = 1; i < NVHI_ARRAY_SIZE(lane->latency_ns); i++)
		if (lane->latency_ns[i] / LATENCY_MUCH_BETTER > ns)
			lane->latency_ns[i] -= lane->latency_ns[i] >> 1;
	if (ns < before / LATENCY_MUCH_BETTER)
		lane->sampled_at = 0; /* much better: ask again at once */
}

static void probe_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_lane *lane = r->owner;
	struct nvh_channel *channel = lane->channel;
	uint64_t took = nvhi_reactor_now(channel->reactor) - r->req.submit_ns;

	lane->inflight--;
	lane->probing = false;
	if (!err && !nvh_cpl_is_error(cpl))
		probe_sample(lane, took);
	if (lane->dropped) {
		channel->nr_dropping -= lane->inflight == 0;
		nvhi_lane_check_gone(lane);
	}
	nvhi_channel_stray_home(channel);
}

/* Whether one went out. */
static bool lane_probe(struct nvhi_lane *lane, const struct nvhi_io *io)
{
	struct nvhi_ioq_req *r = lane->probe_buf && io->op.has_data && !lane->probing
					 ? nvhi_ioq_get(lane->ioq)
					 : NULL;

	if (!r)
		return false;
	memset(&r->req.cmd, 0, sizeof(r->req.cmd));
	r->req.cmd.opc = NVH_OPC_READ;
	nvh_le32_put(&r->req.cmd.nsid, lane->nsid);
	nvh_le32_put(&r->req.cmd.cdw10, (uint32_t)io->pub.lba);
	nvh_le32_put(&r->req.cmd.cdw11, (uint32_t)(io->pub.lba >> 32));
	lane->probe_iov.iov_base = lane->probe_buf;
	lane->probe_iov.iov_len = 1u << lane->channel->block_shift;
	nvhi_iov_cursor_init(&r->req.data, &lane->probe_iov, 1);
	r->req.len = 1u << lane->channel->block_shift;
	r->req.dir = NVHI_DIR_TO_HOST;
	r->req.short_ok = false;
	r->owner = lane;
	r->done = probe_done;
	if (nvhi_ioq_submit(lane->ioq, r)) {
		nvhi_ioq_put(lane->ioq, r);
		return false;
	}
	nvhi_list_init(&r->owner_link);
	lane->inflight++;
	lane->probing = true;
	lane->channel->nr_strays++;
	return true;
}

/* ---- choosing -------------------------------------------------------------------------------------- */

/* What was never tried is taken for a small read. */
static uint64_t lane_cost(const struct nvhi_lane *lane, uint32_t class)
{
	uint64_t latency = lane->latency_ns[class] ? lane->latency_ns[class] : lane->latency_ns[0];

	if (!latency)
		return LATENCY_UNKNOWN + lane->inflight; /* only for want of others */
	return latency * (lane->inflight + LATENCY_QUEUE);
}

static struct nvhi_lane *latency_select(struct nvh_channel *channel, const struct nvhi_io *io)
{
	uint64_t bytes = (uint64_t)io->pub.nr_blocks << channel->block_shift;
	uint32_t class = latency_class(io->pub.op, bytes);
	uint64_t now = nvhi_reactor_now(channel->reactor), best_cost = UINT64_MAX;
	struct nvhi_lane *lane, *best = NULL;

	nvhi_list_for_each(lane, &channel->lanes, link) {
		uint64_t cost;

		if (!nvhi_lane_takes(lane))
			continue;
		if (lane->inflight == 0 && now - lane->sampled_at > LATENCY_PROBE_NS) {
			lane->sampled_at = now; /* one probe, not a burst */
			if (!lane->latency_ns[class] || !lane_probe(lane, io))
				return lane; /* the request itself tells */
		}
		cost = lane_cost(lane, class);
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
