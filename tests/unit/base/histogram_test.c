/*
 * base/histogram.c: the error bound, percentiles, merging.
 */
#include <string.h>

#include "base/histogram.h"
#include "tests/unit/nvh_cunit.h"

static struct nvhi_histogram hist, other;

static void an_empty_histogram_is_all_zero(void)
{
	nvhi_histogram_reset(&hist);
	CU_ASSERT_EQUAL(nvhi_histogram_percentile(&hist, 50), 0);
	CU_ASSERT_EQUAL(nvhi_histogram_mean(&hist), 0);
	memset(&hist, 0, sizeof(hist)); /* zero-initialised is empty too */
	nvhi_histogram_add(&hist, 7);
	CU_ASSERT_EQUAL(hist.min, 7);
}

/* With a smaller and a larger sample around it, so that min and max do not round it off. */
static void check_value(uint64_t value)
{
	uint64_t told;

	nvhi_histogram_reset(&hist);
	nvhi_histogram_add(&hist, 0);
	nvhi_histogram_add(&hist, value);
	nvhi_histogram_add(&hist, UINT64_MAX);
	told = nvhi_histogram_percentile(&hist, 50);
	CU_ASSERT_TRUE(told >= value);
	CU_ASSERT_TRUE(told - value <= value / 32);
}

static void no_value_is_told_more_than_a_32nd_too_high(void)
{
	for (uint64_t value = 0; value < 70000; value++)
		check_value(value);
	for (int shift = 16; shift < 64; shift++)
		for (int step = -2; step <= 2; step++)
			check_value(((uint64_t)1 << shift) + (uint64_t)(int64_t)step);
	check_value(UINT64_MAX);
	check_value(UINT64_MAX - 1);
}

static void percentiles_are_within_the_bound_and_the_ends_are_exact(void)
{
	nvhi_histogram_reset(&hist);
	for (uint64_t i = 1; i <= 100000; i++)
		nvhi_histogram_add(&hist, i);
	for (int percent = 1; percent < 100; percent++) {
		double exact = percent * 1000.0;
		double told = (double)nvhi_histogram_percentile(&hist, percent);

		CU_ASSERT_TRUE(told >= exact && told <= exact * (1 + 1 / 32.0) + 1);
	}
	CU_ASSERT_EQUAL(nvhi_histogram_percentile(&hist, 0), 1);
	CU_ASSERT_EQUAL(nvhi_histogram_percentile(&hist, 100), 100000);
	CU_ASSERT_EQUAL(hist.count, 100000);
	CU_ASSERT_DOUBLE_EQUAL(nvhi_histogram_mean(&hist), 50000.5, 0.001);
}

static void a_rare_outlier_shows_in_its_own_percentile_only(void)
{
	nvhi_histogram_reset(&hist);
	for (int i = 0; i < 999; i++)
		nvhi_histogram_add(&hist, 10);
	nvhi_histogram_add(&hist, 1000000);
	CU_ASSERT_EQUAL(nvhi_histogram_percentile(&hist, 99), 10);
	CU_ASSERT_EQUAL(nvhi_histogram_percentile(&hist, 99.8), 10);
	CU_ASSERT_EQUAL(nvhi_histogram_percentile(&hist, 99.95), 1000000);
}

static void merging_is_adding_all_samples(void)
{
	nvhi_histogram_reset(&hist);
	nvhi_histogram_reset(&other);
	nvhi_histogram_merge(&hist, &other); /* empty into empty */
	CU_ASSERT_EQUAL(hist.count, 0);
	for (uint64_t i = 0; i < 1000; i++)
		nvhi_histogram_add(i % 2 ? &hist : &other, i);
	nvhi_histogram_merge(&hist, &other);
	CU_ASSERT_EQUAL(hist.count, 1000);
	CU_ASSERT_EQUAL(hist.sum, 999 * 500);
	CU_ASSERT_EQUAL(hist.min, 0);
	CU_ASSERT_EQUAL(hist.max, 999);
}

NVH_UNIT_MAIN("base/histogram", NVH_TEST(an_empty_histogram_is_all_zero),
	      NVH_TEST(no_value_is_told_more_than_a_32nd_too_high),
	      NVH_TEST(percentiles_are_within_the_bound_and_the_ends_are_exact),
	      NVH_TEST(a_rare_outlier_shows_in_its_own_percentile_only),
	      NVH_TEST(merging_is_adding_all_samples))
