/*
 * The latency histograms of paths: buckets, percentiles, and where samples go.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

static void buckets_are_in_order_and_an_eighth_wide(void)
{
	for (unsigned int i = 1; i < NVH_LATENCY_BUCKETS; i++) {
		uint64_t from = nvh_latency_bucket_start(i), to = nvh_latency_bucket_start(i + 1);

		CU_ASSERT_TRUE(from < to);
		CU_ASSERT_TRUE((to - from) * 8 <= from + 8);
	}
	CU_ASSERT_TRUE(nvh_latency_bucket_start(NVH_LATENCY_BUCKETS - 1) > 30 * NVHI_NSEC_PER_SEC);
}

static void percentiles_are_within_a_bucket(void)
{
	struct nvhi_lane lane;

	memset(&lane, 0, sizeof(lane));
	CU_ASSERT_EQUAL(nvhi_latency_percentile(lane.histogram.buckets[0], 99), 0);
	for (uint64_t i = 1; i <= 1000; i++)
		nvhi_lane_latency_count(&lane, false, i * NVHI_NSEC_PER_USEC);
	for (int percent = 10; percent < 100; percent += 10) {
		uint64_t at = nvhi_latency_percentile(lane.histogram.buckets[0], percent);

		CU_ASSERT_TRUE(at >= percent * 10 * NVHI_NSEC_PER_USEC);
		CU_ASSERT_TRUE(at <= percent * 12 * NVHI_NSEC_PER_USEC);
	}
	CU_ASSERT_EQUAL(nvhi_latency_percentile(lane.histogram.buckets[1], 50), 0);
	nvhi_lane_latency_count(&lane, true, UINT64_MAX);
	nvhi_lane_latency_count(&lane, true, 0);
	CU_ASSERT_EQUAL(lane.histogram.buckets[1][0], 1);
	CU_ASSERT_EQUAL(lane.histogram.buckets[1][NVH_LATENCY_BUCKETS - 1], 1);
}

static void a_path_tells_what_its_commands_took_even_when_its_channels_are_gone(void)
{
	struct mpf_ctrlr *c;
	struct nvh_latency l = {.size = sizeof(l)};
	struct nvh_channel *channel;
	static uint8_t buf[MPF_BLOCK];
	struct mpf_io io;
	struct nvh_ns *ns;

	mpf_start(1);
	c = mpf_join(0);
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	CU_ASSERT_EQUAL(nvhi_mp_path_latency(ns, 0, false, &l), 0);
	CU_ASSERT_EQUAL(l.count, 0);
	CU_ASSERT_EQUAL(nvhi_mp_path_latency(ns, 1, false, &l), -ENOENT);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	for (int i = 0; i < 10; i++) {
		mpf_io_init(&io, i < 7 ? NVH_IO_READ : NVH_IO_WRITE, 0, 1, buf);
		CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, io.io), 0);
		mpf_advance_ms(4);
		mpf_serve();
		mpf_io_done(&io);
	}
	for (int gone = 0; gone < 2; gone++) {
		CU_ASSERT_EQUAL(nvhi_mp_path_latency(ns, 0, false, &l), 0);
		CU_ASSERT_EQUAL(l.count, 7);
		CU_ASSERT_TRUE(l.p50 >= 4 * NVHI_NSEC_PER_MSEC && l.p50 <= 5 * NVHI_NSEC_PER_MSEC);
		CU_ASSERT_TRUE(l.mean > 3 * NVHI_NSEC_PER_MSEC && l.mean < 5 * NVHI_NSEC_PER_MSEC);
		CU_ASSERT_EQUAL(nvhi_mp_path_latency(ns, 0, true, &l), 0);
		CU_ASSERT_EQUAL(l.count, 3);
		if (!gone)
			nvhi_channel_close(channel);
		mpf_turns();
	}
	mpf_stop();
}

NVH_UNIT_MAIN("multipath/latency", NVH_TEST(buckets_are_in_order_and_an_eighth_wide),
	      NVH_TEST(percentiles_are_within_a_bucket),
	      NVH_TEST(a_path_tells_what_its_commands_took_even_when_its_channels_are_gone))
