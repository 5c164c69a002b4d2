/*
 * base/reactor_idle.c: sleeping, learning not to spin, being driven by a foreign loop.
 */
#include <poll.h>
#include <string.h>

#include "base/reactor.h"
#include "tests/unit/nvh_cunit.h"
#include "tests/unit/reactor_fixture.h"

/* ---- idling ---------------------------------------------------------------------------------- */

static void stopping_timer_fn(struct nvhi_timer *timer)
{
	(void)timer;
	nvhi_reactor_stop(reactor);
}

static void an_idle_reactor_sleeps_and_hardly_turns(void)
{
	struct nvhi_timer stop = {.fn = stopping_timer_fn};
	struct nvhi_reactor_stats stats;
	struct pair_source pair;

	setup_opts(&(struct nvhi_reactor_opts){.spin_us = 0});
	pair_open(&pair, NVHI_READABLE);
	nvhi_timer_arm(reactor, &stop, 200 * NVHI_NSEC_PER_MSEC);
	nvhi_reactor_loop(reactor);
	nvhi_reactor_stats(reactor, &stats);
	CU_ASSERT_TRUE(stats.turns < 20);
	CU_ASSERT_TRUE(stats.sleeps >= 1 && stats.sleeps < 20);
	pair_close(&pair);
	teardown();
}

struct tick {
	struct nvhi_timer timer;
	struct pair_source *pair;
	int left;
};

static void tick_fn(struct nvhi_timer *timer)
{
	struct tick *tick = nvhi_container_of(timer, struct tick, timer);

	if (tick->left-- == 0) {
		nvhi_reactor_stop(reactor);
		return;
	}
	pair_send(tick->pair);
	nvhi_timer_arm(reactor, timer, 2 * NVHI_NSEC_PER_MSEC);
}

/* Turns that `ticks` pieces of work took, 2 ms from one to the next. */
static uint64_t turns_of_trickle(struct pair_source *pair, int ticks)
{
	struct tick tick = {.timer.fn = tick_fn, .pair = pair, .left = ticks};
	struct nvhi_reactor_stats before, after;

	nvhi_reactor_stats(reactor, &before);
	nvhi_timer_arm(reactor, &tick.timer, 0);
	nvhi_reactor_loop(reactor);
	nvhi_reactor_stats(reactor, &after);
	return after.turns - before.turns;
}

static void a_slow_trickle_of_work_unlearns_spinning(void)
{
	struct pair_source pair;
	uint64_t hopeful, sober;

	setup_opts(&(struct nvhi_reactor_opts){.spin_us = 500});
	pair_open(&pair, NVHI_READABLE);
	hopeful = turns_of_trickle(&pair, 50);
	turns_of_trickle(&pair, 50);
	sober = turns_of_trickle(&pair, 50);
	CU_ASSERT_EQUAL(pair.calls, 150);
	CU_ASSERT_TRUE(sober * 4 < hopeful);
	pair_close(&pair);
	teardown();
}

/* ---- in a foreign loop ----------------------------------------------------------------------- */

static bool fd_readable(int timeout_ms)
{
	struct pollfd pollfd = {.fd = nvhi_reactor_fd(reactor), .events = POLLIN};

	return poll(&pollfd, 1, timeout_ms) == 1;
}

static void the_descriptor_is_silent_while_nothing_is_to_do(void)
{
	setup();
	CU_ASSERT_TRUE(nvhi_reactor_fd(reactor) >= 0);
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_FALSE(fd_readable(5));
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_FALSE(fd_readable(0));
	teardown();
}

static void the_descriptor_tells_of_messages(void)
{
	struct numbered_msg msg = {.msg.fn = numbered_msg_fn};

	setup();
	nvhi_reactor_post(reactor, &msg.msg); /* before the descriptor is asked for */
	CU_ASSERT_TRUE(fd_readable(1000));
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 1);
	CU_ASSERT_FALSE(fd_readable(0));
	for (uint32_t i = 1; i < 10; i++) {
		msg.number = i;
		nvhi_reactor_post(reactor, &msg.msg);
		CU_ASSERT_TRUE(fd_readable(1000));
		CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 1);
		CU_ASSERT_FALSE(fd_readable(0));
	}
	CU_ASSERT_EQUAL(next_number, 10);
	teardown();
}

static void the_descriptor_tells_of_timers(void)
{
	struct named_timer a = NAMED_TIMER('a');
	struct named_timer b = NAMED_TIMER('b');

	setup();
	nvhi_timer_arm(reactor, &b.timer, 60 * NVHI_NSEC_PER_SEC);
	CU_ASSERT_FALSE(fd_readable(0));
	nvhi_timer_arm(reactor, &a.timer, 2 * NVHI_NSEC_PER_MSEC); /* earlier, and outside a turn */
	CU_ASSERT_TRUE(fd_readable(1000));
	while (nvhi_reactor_run(reactor, 0) == 0)
		CU_ASSERT_TRUE_FATAL(fd_readable(1000));
	CU_ASSERT_STRING_EQUAL(trace, "a");
	CU_ASSERT_FALSE(fd_readable(0));
	nvhi_timer_arm(reactor, &b.timer, 0);
	CU_ASSERT_TRUE(fd_readable(1000));
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 1);
	CU_ASSERT_STRING_EQUAL(trace, "ab");
	CU_ASSERT_FALSE(fd_readable(0));
	teardown();
}

static void the_descriptor_tells_of_sources_and_deferred_work(void)
{
	struct named_defer a = {.defer.fn = named_defer_fn, .name = 'a'};
	struct pair_source pair;

	setup();
	pair_open(&pair, NVHI_READABLE);
	CU_ASSERT_FALSE(fd_readable(0));
	pair_send(&pair);
	CU_ASSERT_TRUE(fd_readable(1000));
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_EQUAL(pair.calls, 1);
	CU_ASSERT_FALSE(fd_readable(0));
	nvhi_reactor_defer(reactor, &a.defer);
	CU_ASSERT_TRUE(fd_readable(1000));
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_STRING_EQUAL(trace, "a");
	CU_ASSERT_FALSE(fd_readable(0));
	pair_close(&pair);
	teardown();
}

static void the_descriptor_stays_readable_while_a_poller_is_busy(void)
{
	struct count_poller poller = {.work_from = 1000000, .poller.busy = true};

	setup();
	CU_ASSERT_FALSE(fd_readable(0));
	nvhi_poller_add(reactor, &poller.poller, count_poller_fn);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_TRUE(fd_readable(1000));
		nvhi_reactor_run(reactor, 0);
	}
	CU_ASSERT_EQUAL(poller.calls, 3);
	poller.poller.busy = false;
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_FALSE(fd_readable(0));
	nvhi_poller_remove(reactor, &poller.poller);
	teardown();
}

NVH_UNIT_MAIN("base/reactor_idle", NVH_TEST(an_idle_reactor_sleeps_and_hardly_turns),
	      NVH_TEST(a_slow_trickle_of_work_unlearns_spinning),
	      NVH_TEST(the_descriptor_is_silent_while_nothing_is_to_do),
	      NVH_TEST(the_descriptor_tells_of_messages), NVH_TEST(the_descriptor_tells_of_timers),
	      NVH_TEST(the_descriptor_tells_of_sources_and_deferred_work),
	      NVH_TEST(the_descriptor_stays_readable_while_a_poller_is_busy))
