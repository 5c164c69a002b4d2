/*
 * Coming back: delays, ctrl-loss-tmo and fast_io_fail_tmo at their exact times, early wake.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

#define MS NVHI_NSEC_PER_MSEC

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;

static void delays_double_up_to_the_maximum_with_full_jitter(void)
{
	uint64_t random = 42, again = 42;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t ms = nvhi_reconnect_delay_ms(100, 10000, i % 20, &random);
		uint32_t step = i % 20 < 7 ? 100u << (i % 20) : 10000;

		CU_ASSERT_TRUE(ms >= 1 && ms <= step);
		CU_ASSERT_EQUAL(ms, nvhi_reconnect_delay_ms(100, 10000, i % 20, &again));
	}
	for (uint32_t i = 0; i < 10000; i++)
		sum += nvhi_reconnect_delay_ms(100, 10000, 50, &random);
	CU_ASSERT_TRUE(sum / 10000 > 4800 && sum / 10000 < 5200);
	CU_ASSERT_TRUE(nvhi_reconnect_delay_ms(1, UINT32_MAX, UINT32_MAX, &random) > 0);
}

static void a_dead_target_is_not_stormed(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].connect_err = -ECONNREFUSED;
	fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(60000);
	CU_ASSERT_TRUE(fakes[0].connects[0] > 10 && fakes[0].connects[0] < 40);
	fakes[0].connect_err = 0;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 10001));
	owner_delete(&owner);
	world_teardown();
}

static void ctrl_loss_tmo_gives_up_exactly_at_its_time(void)
{
	static const bool silent[] = {false, true};

	for (int i = 0; i < 2; i++) {
		world_setup();
		test_opts(&opts, 0);
		opts.ctrl_loss_tmo_s = 17;
		owner_live(&owner, &opts);
		fakes[0].connect_err = -ECONNREFUSED;
		fakes[0].connect_silent = silent[i]; /* expires within an attempt, too */
		fake_cut(fakes[0].admin, -ECONNRESET);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10));
		CU_ASSERT_EQUAL(nvhi_ctrlr_loss_deadline(owner.ctrlr),
				owner.lost_at + 17 * NVHI_NSEC_PER_SEC);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 60000));
		/* a revoke of the queue that was connecting may be between */
		CU_ASSERT_TRUE(owner.deleted_at - owner.lost_at >= 17 * NVHI_NSEC_PER_SEC);
		CU_ASSERT_TRUE(owner.deleted_at - owner.lost_at <= 17 * NVHI_NSEC_PER_SEC + 20000);
		CU_ASSERT_TRUE(owner.why_given);
		CU_ASSERT_PTR_NOT_NULL(strstr(owner.why.message, "given up after 17 s"));
		CU_ASSERT_EQUAL(owner.removed, 1);
		world_run_ms(0);
		world_teardown();
	}
}

static void ctrl_loss_tmo_counts_elapsed_time_from_each_loss(void)
{
	world_setup();
	test_opts(&opts, 0);
	opts.ctrl_loss_tmo_s = 17;
	owner_live(&owner, &opts);
	for (int i = 0; i < 5; i++) {
		fakes[0].connect_err = -ECONNREFUSED;
		fake_cut(fakes[0].admin, -ECONNRESET);
		world_run_ms(6000);
		fakes[0].connect_err = 0;
		CU_ASSERT_TRUE(
			WORLD_UNTIL(nvhi_ctrlr_state(owner.ctrlr) == NVHI_CTRLR_LIVE, 10001));
		CU_ASSERT_EQUAL(nvhi_ctrlr_loss_deadline(owner.ctrlr), NVHI_NEVER);
		world_run_ms(2000);
	}
	CU_ASSERT_EQUAL(owner.deleted, 0);
	owner_delete(&owner);
	world_teardown();
}

static void a_first_connect_is_given_up_as_well(void)
{
	world_setup();
	fakes[0].connect_err = -ECONNREFUSED;
	test_opts(&opts, 0);
	opts.ctrl_loss_tmo_s = 5;
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 60000));
	CU_ASSERT_EQUAL(owner.deleted_at, (1 + 5) * NVHI_NSEC_PER_SEC);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.why.message, "Connection refused"));
	CU_ASSERT_EQUAL(owner.why.err, -ECONNREFUSED);
	world_run_ms(0);
	world_teardown();
}

static void loss_tmo_of_0_means_no_reconnect_and_minus_1_for_ever(void)
{
	world_setup();
	test_opts(&opts, 0);
	opts.ctrl_loss_tmo_s = 0;
	owner_live(&owner, &opts);
	fake_cut(fakes[0].admin, -ECONNRESET);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 10));
	CU_ASSERT_EQUAL(owner.lost, 1);
	CU_ASSERT_EQUAL(fakes[0].connects[0], 1);
	world_run_ms(0);

	test_opts(&opts, 0);
	opts.ctrl_loss_tmo_s = -1;
	owner_live(&owner, &opts);
	fakes[0].connect_err = -ECONNREFUSED;
	fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(24 * 3600 * 1000ull);
	CU_ASSERT_EQUAL(owner.deleted, 0);
	fakes[0].connect_err = 0;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 10001));
	owner_delete(&owner);
	world_teardown();
}

static void fast_io_fail_tmo_is_told_exactly_at_its_time_and_once(void)
{
	world_setup();
	test_opts(&opts, 0);
	opts.fast_io_fail_tmo_s = 5;
	owner_live(&owner, &opts);
	fakes[0].connect_err = -ECONNREFUSED;
	fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(20000);
	CU_ASSERT_EQUAL(owner.fast_fail, 1);
	CU_ASSERT_EQUAL(owner.fast_fail_at - owner.lost_at, 5 * NVHI_NSEC_PER_SEC);
	fakes[0].connect_err = 0;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 10001));
	/* back in time: not told */
	world_run_ms(2000);
	fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(20000);
	CU_ASSERT_EQUAL(owner.fast_fail, 1);
	owner_delete(&owner);
	world_teardown();
}

static void a_wake_ends_the_waiting(void)
{
	uint64_t at;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].connect_err = -ECONNREFUSED;
	fake_cut(fakes[0].admin, -ECONNRESET);
	CU_ASSERT_TRUE(
		WORLD_UNTIL(nvhi_ctrlr_next_attempt(owner.ctrlr) != NVHI_NEVER &&
				    nvhi_ctrlr_next_attempt(owner.ctrlr) - world_now() > 3000 * MS,
			    120000));
	fakes[0].connect_err = 0;
	at = world_now();
	nvhi_ctrlr_wake(owner.ctrlr);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 10));
	CU_ASSERT_TRUE(world_now() - at < MS);
	nvhi_ctrlr_wake(owner.ctrlr); /* no effect when live */
	world_run_ms(10);
	CU_ASSERT_EQUAL(owner.lost, 1);
	owner_delete(&owner);
	world_teardown();
}

static void a_restart_of_the_target_is_followed_within_the_first_steps(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	for (uint32_t i = 0; i < 20; i++) {
		world_run_ms(2000);
		fake_cut(fakes[0].io[2], -ECONNRESET);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == i + 2, 102));
	}
	CU_ASSERT_EQUAL(nvhi_ctrlr_reconnects(owner.ctrlr), 20);
	CU_ASSERT_EQUAL(owner.quiesced, 20);
	CU_ASSERT_EQUAL(owner.added, 1);
	owner_delete(&owner);
	world_teardown();
}

static void one_that_flaps_is_tried_less_and_less(void)
{
	uint32_t before;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	for (uint32_t i = 0; i < 8; i++) {
		fake_cut(fakes[0].admin, -ECONNRESET);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == i + 2, 20000));
		world_run_ms(1);
	}
	before = fakes[0].connects[0];
	for (uint64_t end = world_now() + 60 * NVHI_NSEC_PER_SEC; world_now() < end;) {
		if (nvhi_ctrlr_state(owner.ctrlr) == NVHI_CTRLR_LIVE)
			fake_cut(fakes[0].admin, -ECONNRESET);
		world_run_ms(1);
	}
	CU_ASSERT_TRUE(fakes[0].connects[0] - before < 40);
	owner_delete(&owner);
	world_teardown();
}

NVH_UNIT_MAIN("host/ctrlr/reconnect", NVH_TEST(delays_double_up_to_the_maximum_with_full_jitter),
	      NVH_TEST(a_dead_target_is_not_stormed),
	      NVH_TEST(ctrl_loss_tmo_gives_up_exactly_at_its_time),
	      NVH_TEST(ctrl_loss_tmo_counts_elapsed_time_from_each_loss),
	      NVH_TEST(a_first_connect_is_given_up_as_well),
	      NVH_TEST(loss_tmo_of_0_means_no_reconnect_and_minus_1_for_ever),
	      NVH_TEST(fast_io_fail_tmo_is_told_exactly_at_its_time_and_once),
	      NVH_TEST(a_wake_ends_the_waiting),
	      NVH_TEST(a_restart_of_the_target_is_followed_within_the_first_steps),
	      NVH_TEST(one_that_flaps_is_tried_less_and_less))
