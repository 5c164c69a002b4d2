/*
 * base/reactor_timer.c: order, cancelling and re-arming inside callbacks, real time.
 */
#include <errno.h>
#include <string.h>

#include "base/reactor.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"
#include "tests/unit/reactor_fixture.h"

static void timers_fire_by_deadline_then_in_the_order_of_arming(void)
{
	struct named_timer a = NAMED_TIMER('a');
	struct named_timer b = NAMED_TIMER('b');
	struct named_timer c = NAMED_TIMER('c');
	struct named_timer d = NAMED_TIMER('d');

	setup_sim();
	nvhi_timer_arm_at(reactor, &c.timer, 3000);
	nvhi_timer_arm_at(reactor, &a.timer, 2000);
	nvhi_timer_arm_at(reactor, &b.timer, 2000);
	nvhi_timer_arm_at(reactor, &d.timer, 9000);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(reactor), 2000);
	nvhi_reactor_turn(reactor);
	CU_ASSERT_STRING_EQUAL(trace, "");
	sim.time = 5000;
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 3);
	CU_ASSERT_STRING_EQUAL(trace, "abc");
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(reactor), 9000);
	nvhi_timer_cancel(reactor, &d.timer);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(reactor), NVHI_NEVER);
	sim.time = 10000;
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 0);
	CU_ASSERT_STRING_EQUAL(trace, "abc");
	teardown();
}

static void a_timer_may_cancel_another_that_is_due_in_the_same_turn(void)
{
	struct named_timer b = NAMED_TIMER('b');
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a', .cancels = &b.timer};

	setup_sim();
	nvhi_timer_arm_at(reactor, &a.timer, 1500);
	nvhi_timer_arm_at(reactor, &b.timer, 1500);
	sim.time = 2000;
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	CU_ASSERT_STRING_EQUAL(trace, "a");
	CU_ASSERT_FALSE(nvhi_timer_armed(&b.timer));
	teardown();
}

static void a_timer_rearmed_for_now_waits_for_the_next_turn(void)
{
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a', .arms = &a.timer};

	setup_sim();
	nvhi_timer_arm(reactor, &a.timer, 0);
	for (int i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
		CU_ASSERT_EQUAL(strlen(trace), (size_t)i);
	}
	nvhi_timer_cancel(reactor, &a.timer);
	teardown();
}

static void rearming_moves_a_timer_either_way(void)
{
	struct named_timer a = NAMED_TIMER('a');
	struct named_timer b = NAMED_TIMER('b');

	setup_sim();
	nvhi_timer_arm_at(reactor, &a.timer, 2000);
	nvhi_timer_arm_at(reactor, &b.timer, 3000);
	nvhi_timer_arm_at(reactor, &a.timer, 4000);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(reactor), 3000);
	nvhi_timer_arm_at(reactor, &b.timer, 5000);
	nvhi_timer_arm_at(reactor, &b.timer, 1000);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(reactor), 1000);
	sim.time = 4000;
	nvhi_reactor_turn(reactor);
	CU_ASSERT_STRING_EQUAL(trace, "ba");
	teardown();
}

static void an_endless_delay_does_not_wrap(void)
{
	struct named_timer a = NAMED_TIMER('a');

	setup_sim();
	nvhi_timer_arm(reactor, &a.timer, UINT64_MAX - 10);
	CU_ASSERT_EQUAL(a.timer.deadline, NVHI_NEVER);
	nvhi_reactor_turn(reactor);
	CU_ASSERT_STRING_EQUAL(trace, "");
	nvhi_timer_cancel(reactor, &a.timer);
	teardown();
}

static uint64_t last_deadline;
static uint32_t fired, out_of_order;

static void ordered_timer_fn(struct nvhi_timer *timer)
{
	out_of_order += timer->deadline < last_deadline;
	last_deadline = timer->deadline;
	fired++;
}

static void a_thousand_timers_armed_cancelled_and_rearmed_stay_in_order(void)
{
	static struct nvhi_timer timers[1000];
	uint64_t seed = 12345;
	uint32_t armed = 0;

	setup_sim();
	memset(timers, 0, sizeof(timers));
	last_deadline = fired = out_of_order = 0;
	for (int i = 0; i < 20000; i++) {
		struct nvhi_timer *timer;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		timer = &timers[(seed >> 33) % 1000];
		timer->fn = ordered_timer_fn;
		if ((seed >> 20) % 4 == 0)
			nvhi_timer_cancel(reactor, timer);
		else
			CU_ASSERT_EQUAL_FATAL(
				nvhi_timer_arm_at(reactor, timer, 2000 + (seed >> 40) % 5000), 0);
	}
	for (int i = 0; i < 1000; i++)
		armed += nvhi_timer_armed(&timers[i]);
	CU_ASSERT_TRUE(armed > 500);
	for (sim.time = 2000; sim.time <= 7000; sim.time += 7)
		nvhi_reactor_turn(reactor);
	CU_ASSERT_EQUAL(fired, armed);
	CU_ASSERT_EQUAL(out_of_order, 0);
	teardown();
}

static void a_real_timer_is_not_early_and_wakes_a_sleeper(void)
{
	struct named_timer a = NAMED_TIMER('a');
	uint64_t start;

	setup();
	start = nvhi_reactor_clock(reactor);
	nvhi_timer_arm(reactor, &a.timer, 3 * NVHI_NSEC_PER_MSEC);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 10000), 1);
	CU_ASSERT_STRING_EQUAL(trace, "a");
	CU_ASSERT_TRUE(nvhi_reactor_clock(reactor) - start >= 3 * NVHI_NSEC_PER_MSEC);
	teardown();
}

static void a_full_timer_heap_says_enomem_and_keeps_its_timers(void)
{
	static struct named_timer timers[200];
	int err = 0, armed = 0;

	setup_sim();
	memset(timers, 0, sizeof(timers));
	nvh_alloc_fail_at(1);
	for (; armed < 200; armed++) {
		timers[armed].timer.fn = named_timer_fn;
		timers[armed].name = 'x';
		err = nvhi_timer_arm(reactor, &timers[armed].timer, 0);
		if (err)
			break;
	}
	nvh_alloc_fail_at(0);
	CU_ASSERT_EQUAL(err, -ENOMEM);
	CU_ASSERT_TRUE(armed >= 64);
	CU_ASSERT_FALSE(nvhi_timer_armed(&timers[armed].timer));
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), armed);
	teardown();
}

NVH_UNIT_MAIN("base/reactor_timer", NVH_TEST(timers_fire_by_deadline_then_in_the_order_of_arming),
	      NVH_TEST(a_timer_may_cancel_another_that_is_due_in_the_same_turn),
	      NVH_TEST(a_timer_rearmed_for_now_waits_for_the_next_turn),
	      NVH_TEST(rearming_moves_a_timer_either_way), NVH_TEST(an_endless_delay_does_not_wrap),
	      NVH_TEST(a_thousand_timers_armed_cancelled_and_rearmed_stay_in_order),
	      NVH_TEST(a_real_timer_is_not_early_and_wakes_a_sleeper),
	      NVH_TEST(a_full_timer_heap_says_enomem_and_keeps_its_timers))
