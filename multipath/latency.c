/*
 * What a path's commands take: a small histogram a lane (base/histogram.h is ten times as large and
 * there may be thousands of lanes). One writer, the channel's reactor; home adds them up when asked
 * and may see counts that are a moment old.
 */
#include <errno.h>
#include <string.h>

#include "multipath/head.h"

#define SUB_BITS  3
#define FIRST_LOG 10u /* 1 us */
/* Each sample at first, then one of 32. */
#define SAMPLE_ALL  4096u
#define SAMPLE_MASK 31u

static uint32_t latency_bucket(uint64_t ns)
{
	uint32_t log, bucket;

	if (ns < 1u << FIRST_LOG)
		return 0;
	log = 63u - (uint32_t)__builtin_clzll(ns);
	bucket = (log - FIRST_LOG) << SUB_BITS |
		 (uint32_t)(ns >> (log - SUB_BITS) & ((1u << SUB_BITS) - 1));
	return bucket < NVH_LATENCY_BUCKETS ? bucket : NVH_LATENCY_BUCKETS - 1;
}

uint64_t nvh_latency_bucket_start(unsigned int bucket)
{
	unsigned int log = FIRST_LOG + (bucket >> SUB_BITS);

	if (!bucket)
		return 0;
	return (1ull << log) + ((uint64_t)(bucket & ((1u << SUB_BITS) - 1)) << (log - SUB_BITS));
}

void nvhi_lane_latency_count(struct nvhi_lane *lane, bool writes, uint64_t ns)
{
	uint32_t *bucket = &lane->histogram.buckets[writes][latency_bucket(ns)];

	__atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
	if (!lane->sample_mask && lane->ios >= SAMPLE_ALL)
		lane->sample_mask = SAMPLE_MASK;
}

void nvhi_latency_merge(struct nvhi_latency *into, const struct nvhi_latency *from)
{
	for (int w = 0; w < 2; w++)
		for (uint32_t i = 0; i < NVH_LATENCY_BUCKETS; i++)
			into->buckets[w][i] +=
				__atomic_load_n(&from->buckets[w][i], __ATOMIC_RELAXED);
}

uint64_t nvhi_latency_percentile(const uint32_t *buckets, double percent)
{
	uint64_t count = 0, seen = 0, want;

	for (uint32_t i = 0; i < NVH_LATENCY_BUCKETS; i++)
		count += __atomic_load_n(&buckets[i], __ATOMIC_RELAXED);
	if (!count)
		return 0;
	want = (uint64_t)((double)count * percent / 100.0);
	for (uint32_t i = 0; i < NVH_LATENCY_BUCKETS; i++) {
		seen += __atomic_load_n(&buckets[i], __ATOMIC_RELAXED);
		if (seen > want || seen == count)
			return nvh_latency_bucket_start(i + 1);
	}
	return 0;
}

static uint64_t latency_mean(const uint32_t *buckets, uint64_t count)
{
	double sum = 0;

	for (uint32_t i = 0; i < NVH_LATENCY_BUCKETS; i++)
		sum += (double)buckets[i] * (double)(nvh_latency_bucket_start(i) +
						     nvh_latency_bucket_start(i + 1)) / 2;
	return count ? (uint64_t)(sum / (double)count) : 0;
}

int nvhi_mp_path_latency(const struct nvh_ns *ns, unsigned int index, bool writes,
			 struct nvh_latency *ret_latency)
{
	const struct nvhi_path *path;
	const struct nvhi_lane *lane;
	struct nvhi_latency sum;
	struct nvh_latency out = {.size = ret_latency->size};

	nvhi_list_for_each(path, &ns->paths, head_link) {
		if (index-- > 0)
			continue;
		sum = path->histogram;
		nvhi_list_for_each(lane, &path->lanes, path_link)
			nvhi_latency_merge(&sum, &lane->histogram);
		for (uint32_t i = 0; i < NVH_LATENCY_BUCKETS; i++) {
			out.buckets[i] = sum.buckets[writes][i];
			out.count += out.buckets[i];
		}
		out.p50 = nvhi_latency_percentile(sum.buckets[writes], 50);
		out.p90 = nvhi_latency_percentile(sum.buckets[writes], 90);
		out.p99 = nvhi_latency_percentile(sum.buckets[writes], 99);
		out.p999 = nvhi_latency_percentile(sum.buckets[writes], 99.9);
		out.mean = latency_mean(sum.buckets[writes], out.count);
		memcpy(ret_latency, &out,
		       out.size && out.size < sizeof(out) ? out.size : sizeof(out));
		return 0;
	}
	return -ENOENT;
}
