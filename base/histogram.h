/*
 * Latency histogram: log-linear buckets (32 per power of two, error at most 1/32), fixed size, one
 * writer. Percentiles are read by anyone who may see slightly torn counts.
 */
#ifndef NVHI_BASE_HISTOGRAM_H
#define NVHI_BASE_HISTOGRAM_H

#include <stdint.h>

#define NVHI_HIST_SUB_BITS 5
#define NVHI_HIST_BUCKETS ((64 - NVHI_HIST_SUB_BITS + 1) << NVHI_HIST_SUB_BITS)

struct nvhi_histogram {
	uint64_t count, sum, min, max;
	uint32_t buckets[NVHI_HIST_BUCKETS];
};

void nvhi_histogram_reset(struct nvhi_histogram *hist);
void nvhi_histogram_add(struct nvhi_histogram *hist, uint64_t value);
void nvhi_histogram_merge(struct nvhi_histogram *into, const struct nvhi_histogram *from);
/* The value below which `percent` (0-100) of the samples lie; 0 when empty. */
uint64_t nvhi_histogram_percentile(const struct nvhi_histogram *hist, double percent);
double nvhi_histogram_mean(const struct nvhi_histogram *hist);

#endif
