/*
 * Log-linear histogram: values below 2^5 have a bucket each; above, each power of two is cut into
 * 32 equal buckets. One writer.
 */
#include <string.h>

#include "base/histogram.h"

#define HIST_SUB (1u << NVHI_HIST_SUB_BITS)

static uint32_t hist_bucket(uint64_t value)
{
	uint32_t shift;

	if (value < HIST_SUB)
		return (uint32_t)value;
	shift = 63 - (uint32_t)__builtin_clzll(value) - NVHI_HIST_SUB_BITS;
	return ((shift + 1) << NVHI_HIST_SUB_BITS) + (uint32_t)((value >> shift) - HIST_SUB);
}

/* The largest value that falls into the bucket. */
static uint64_t hist_bucket_top(uint32_t bucket)
{
	uint32_t shift;
	uint64_t base;

	if (bucket < HIST_SUB)
		return bucket;
	shift = (bucket >> NVHI_HIST_SUB_BITS) - 1;
	base = (uint64_t)(HIST_SUB + (bucket & (HIST_SUB - 1)));
	return (base << shift) + (((uint64_t)1 << shift) - 1);
}

void nvhi_histogram_reset(struct nvhi_histogram *hist)
{
	memset(hist, 0, sizeof(*hist));
	hist->min = UINT64_MAX;
}

void nvhi_histogram_add(struct nvhi_histogram *hist, uint64_t value)
{
	if (hist->count == 0 || value < hist->min)
		hist->min = value; /* a zero-initialised histogram is an empty one too */
	if (value > hist->max)
		hist->max = value;
	hist->count++;
	hist->sum += value;
	hist->buckets[hist_bucket(value)]++;
}

void nvhi_histogram_merge(struct nvhi_histogram *into, const struct nvhi_histogram *from)
{
	if (from->count == 0)
		return;
	if (into->count == 0 || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->count += from->count;
	into->sum += from->sum;
	for (uint32_t i = 0; i < NVHI_HIST_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t nvhi_histogram_percentile(const struct nvhi_histogram *hist, double percent)
{
	uint64_t rank, seen = 0;

	if (hist->count == 0)
		return 0;
	if (percent <= 0)
		return hist->min;
	if (percent >= 100)
		return hist->max;
	rank = (uint64_t)((double)hist->count * percent / 100.0);
	if (rank >= hist->count)
		rank = hist->count - 1;
	for (uint32_t i = 0; i < NVHI_HIST_BUCKETS; i++) {
		uint64_t value;

		seen += hist->buckets[i];
		if (seen <= rank)
			continue;
		value = hist_bucket_top(i);
		if (value < hist->min)
			value = hist->min;
		return value < hist->max ? value : hist->max;
	}
	return hist->max;
}

double nvhi_histogram_mean(const struct nvhi_histogram *hist)
{
	return hist->count ? (double)hist->sum / (double)hist->count : 0.0;
}
