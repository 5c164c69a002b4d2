/*
 * base/reactor.c: the turn, pollers, deferred work, running, simulated time, poverty.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/reactor.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"
#include "tests/unit/reactor_fixture.h"

/* ---- pollers and deferred work --------------------------------------------------------------- */

static void a_busy_poller_keeps_the_reactor_awake(void)
{
	struct count_poller poller = {.work_from = 100000, .poller.busy = true};
	struct nvhi_reactor_stats stats;

	setup();
	nvhi_poller_add(reactor, &poller.poller, count_poller_fn);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, -1), 1);
	CU_ASSERT_EQUAL(poller.calls, 100000);
	nvhi_reactor_stats(reactor, &stats);
	CU_ASSERT_EQUAL(stats.sleeps, 0);
	nvhi_poller_remove(reactor, &poller.poller);
	teardown();
}

struct arm_poller {
	struct count_poller count;
	int armed;
};

/* As a completion queue does it: its descriptor tells once, for what came after it was armed. */
static bool arm_poller_fn(struct nvhi_poller *poller)
{
	struct arm_poller *arm = nvhi_container_of(poller, struct arm_poller, count.poller);

	return ++arm->armed < 3;
}

static void pollers_are_armed_before_the_reactor_blocks_and_may_keep_it_awake(void)
{
	struct arm_poller arm = {.count.work_from = INT_MAX, .count.poller.arm = arm_poller_fn};
	struct nvhi_reactor_opts opts = {.spin_us = 0};
	struct nvhi_reactor_stats stats;

	setup_opts(&opts);
	nvhi_poller_add(reactor, &arm.count.poller, count_poller_fn);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 10), 0);
	nvhi_reactor_stats(reactor, &stats);
	CU_ASSERT(arm.armed >= 3);
	/* Not armed for each turn, and no sleep before it had nothing to say. */
	CU_ASSERT_EQUAL(stats.sleeps, (uint64_t)arm.armed - 2);
	nvhi_poller_remove(reactor, &arm.count.poller);
	teardown();
}

static void an_expecting_poller_has_epoll_asked_only_now_and_then(void)
{
	struct count_poller poller = {.work_from = INT_MAX};
	struct nvhi_reactor_stats stats;
	struct pair_source pair;
	uint64_t before;

	setup();
	pair_open(&pair, NVHI_READABLE);
	pair.reads = true;
	nvhi_poller_add(reactor, &poller.poller, count_poller_fn);
	nvhi_reactor_turn(reactor);
	nvhi_poller_expect(reactor, &poller.poller, true);
	nvhi_reactor_stats(reactor, &stats);
	before = stats.epoll_waits;
	for (int i = 0; i < 1000; i++)
		nvhi_reactor_turn(reactor);
	nvhi_reactor_stats(reactor, &stats);
	CU_ASSERT(stats.epoll_waits - before < 1000);
	/* What comes on the descriptor is served all the same. */
	pair_send(&pair);
	for (int i = 0; i < 100000 && pair.calls == 0; i++)
		nvhi_reactor_turn(reactor);
	CU_ASSERT_EQUAL(pair.calls, 1);
	/* Removed while it expects: no longer counted. */
	nvhi_poller_remove(reactor, &poller.poller);
	nvhi_reactor_stats(reactor, &stats);
	before = stats.epoll_waits;
	nvhi_reactor_turn(reactor);
	nvhi_reactor_turn(reactor);
	nvhi_reactor_stats(reactor, &stats);
	CU_ASSERT_EQUAL(stats.epoll_waits - before, 2);
	pair_close(&pair);
	teardown();
}

static void pollers_may_remove_each_other(void)
{
	struct count_poller a = {.work_from = 1}, b = {.work_from = 1}, c = {.work_from = 1};

	setup();
	nvhi_poller_add(reactor, &a.poller, count_poller_fn);
	nvhi_poller_add(reactor, &b.poller, count_poller_fn);
	nvhi_poller_add(reactor, &c.poller, count_poller_fn);
	a.removes = &b;
	c.removes = &a;
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 2);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	CU_ASSERT_EQUAL(a.calls, 1);
	CU_ASSERT_EQUAL(b.calls, 0);
	CU_ASSERT_EQUAL(c.calls, 2);
	nvhi_poller_remove(reactor, &c.poller);
	teardown();
}

static void deferred_work_runs_once_at_the_end_of_the_turn(void)
{
	struct named_defer a = {.defer.fn = named_defer_fn, .name = 'a'};
	struct named_timer t = NAMED_TIMER('t');

	setup_sim();
	nvhi_reactor_defer(reactor, &a.defer);
	nvhi_reactor_defer(reactor, &a.defer);
	nvhi_timer_arm(reactor, &t.timer, 0);
	nvhi_reactor_turn(reactor);
	CU_ASSERT_STRING_EQUAL(trace, "ta");
	CU_ASSERT_FALSE(a.defer.queued);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 0);
	teardown();
}

static void deferred_work_may_take_back_other_deferred_work(void)
{
	struct named_defer c = {.defer.fn = named_defer_fn, .name = 'c'};
	struct named_defer b = {.defer.fn = named_defer_fn, .name = 'b'};
	struct named_defer a = {
		.defer.fn = named_defer_fn, .name = 'a', .undefers = &b, .defers = &c};

	setup_sim();
	nvhi_reactor_defer(reactor, &a.defer);
	nvhi_reactor_defer(reactor, &b.defer);
	nvhi_reactor_turn(reactor);
	CU_ASSERT_STRING_EQUAL(trace, "ac");
	teardown();
}

static void work_that_defers_itself_for_ever_does_not_hold_up_the_turn(void)
{
	struct named_defer a = {.defer.fn = named_defer_fn, .name = 'a', .defers = &a};

	setup_sim();
	nvhi_reactor_defer(reactor, &a.defer);
	nvhi_reactor_turn(reactor);
	CU_ASSERT_TRUE(strlen(trace) >= 1 && strlen(trace) < 20);
	CU_ASSERT_TRUE(a.defer.queued);
	nvhi_reactor_undefer(reactor, &a.defer);
	teardown();
}

static int tracing_source_fn(struct nvhi_source *source, unsigned int events)
{
	trace_add('i');
	return pair_fn(source, events);
}

/* The process was stopped for longer than the deadline; the answer came in that time. */
static void an_answer_that_has_come_is_taken_before_its_deadline_strikes(void)
{
	struct named_timer deadline = NAMED_TIMER('t');
	struct pair_source pair;

	for (int eager = 0; eager < 2; eager++) {
		setup();
		pair_open(&pair, NVHI_READABLE);
		pair.source.fn = tracing_source_fn;
		nvhi_source_set_eager(reactor, &pair.source, eager);
		nvhi_timer_arm_at(reactor, &deadline.timer, 1);
		pair_send(&pair);
		nvhi_reactor_run(reactor, 0);
		CU_ASSERT_STRING_EQUAL(trace, "it");
		pair_close(&pair);
		teardown();
	}
}

/* ---- running --------------------------------------------------------------------------------- */

static void run_with_zero_does_not_wait_and_with_a_limit_returns_then(void)
{
	uint64_t start;

	setup();
	start = nvhi_reactor_clock(reactor);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 0);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 20), 0);
	CU_ASSERT_TRUE(nvhi_reactor_clock(reactor) - start >= 20 * NVHI_NSEC_PER_MSEC);
	teardown();
}

/* ---- simulated ------------------------------------------------------------------------------- */

static void a_simulated_reactor_has_no_descriptors_and_takes_its_time_from_outside(void)
{
	struct named_timer a = NAMED_TIMER('a');
	struct numbered_msg msg = {.msg.fn = numbered_msg_fn};
	struct nvhi_source source;

	setup_sim();
	CU_ASSERT_EQUAL(nvhi_reactor_fd(reactor), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(nvhi_source_add(reactor, &source, 0, NVHI_READABLE, pair_fn), -EOPNOTSUPP);
	nvhi_timer_arm(reactor, &a.timer, 3600 * NVHI_NSEC_PER_SEC);
	nvhi_reactor_post(reactor, &msg.msg);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	CU_ASSERT_EQUAL(nvhi_reactor_now(reactor), 1000);
	CU_ASSERT_EQUAL(next_number, 1);
	sim.time = nvhi_reactor_next_deadline(reactor);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	CU_ASSERT_STRING_EQUAL(trace, "a");
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, -1), -EDEADLK);
	teardown();
}

/* ---- out of memory --------------------------------------------------------------------------- */

static int create_and_destroy(void *arg)
{
	struct nvh_reactor *made = NULL;
	int err = nvhi_reactor_create(arg, &made);

	if (err) {
		CU_ASSERT_PTR_NULL(made);
		return err;
	}
	nvhi_reactor_destroy(made);
	return 0;
}

static void creating_survives_every_allocation_failure(void)
{
	CU_ASSERT_TRUE(nvh_alloc_walk(create_and_destroy, NULL, false) >= 3);
}

NVH_UNIT_MAIN("base/reactor", NVH_TEST(a_busy_poller_keeps_the_reactor_awake),
	      NVH_TEST(pollers_are_armed_before_the_reactor_blocks_and_may_keep_it_awake),
	      NVH_TEST(an_expecting_poller_has_epoll_asked_only_now_and_then),
	      NVH_TEST(pollers_may_remove_each_other),
	      NVH_TEST(deferred_work_runs_once_at_the_end_of_the_turn),
	      NVH_TEST(deferred_work_may_take_back_other_deferred_work),
	      NVH_TEST(work_that_defers_itself_for_ever_does_not_hold_up_the_turn),
	      NVH_TEST(an_answer_that_has_come_is_taken_before_its_deadline_strikes),
	      NVH_TEST(run_with_zero_does_not_wait_and_with_a_limit_returns_then),
	      NVH_TEST(a_simulated_reactor_has_no_descriptors_and_takes_its_time_from_outside),
	      NVH_TEST(creating_survives_every_allocation_failure))
