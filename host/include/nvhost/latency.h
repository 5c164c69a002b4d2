/*
 * Latency histograms of paths.
 */
#ifndef NVHOST_LATENCY_H
#define NVHOST_LATENCY_H

#include <nvhost/ns.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Each power of two of nanoseconds from 2^10 on has 8 buckets, so a bucket is at most an eighth wide;
 * the first holds all that is shorter, the last all that is longer (half a minute and more). */
#define NVH_LATENCY_BUCKETS 208

struct nvh_latency {
	size_t size;
	uint64_t count;	      /* of samples: each of the first thousands, then one in eight */
	uint64_t p50, p90, p99, p999; /* ns; 0 without samples */
	uint64_t mean;
	uint64_t buckets[NVH_LATENCY_BUCKETS];
};
/* Of the index-th path, from all reactors since it was made, writes: of what modifies, else of the rest.
 * Set ret_latency->size before. -ENOENT past the end. Home reactor. */
int nvh_ns_path_latency(const struct nvh_ns *ns, unsigned int index, bool writes,
			struct nvh_latency *ret_latency);
/* The lower bound of a bucket, ns. Pure. */
uint64_t nvh_latency_bucket_start(unsigned int bucket);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
