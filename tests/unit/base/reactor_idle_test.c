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

/* How much less it turns for the same work once it has learnt. */
static double learnt_from_trickle(void)
{
	struct pair_source pair;
	uint64_t hopeful, sober;

	setup_opts(&(struct nvhi_reactor_opts){.spin_us = 500});
	pair_open(&pair, NVHI_READABLE);
	hopeful = turns_of_trickle(&pair, 50);
	turns_of_trickle(&pair, 50);
	sober = turns_of_trickle(&pair, 50);
	CU_ASSERT_EQUAL(pair.calls, 150);
	pair_close(&pair);
	teardown();
	return (double)hopeful / (double)sober;
}

/* Again when the machine was so busy that the trickle had rests in it: they make it hopeful. */
static void a_slow_trickle_of_work_unlearns_spinning(void)
{
	double factor = 0;

	for (int i = 0; i < 20 && factor < 4; i++)
		factor = learnt_from_trickle();
	CU_ASSERT_TRUE(factor >= 4);
}

/* ---- two on one CPU ---------------------------------------------------------------------- */

#define RALLIES 200

struct player {
	struct nvh_reactor *reactor;
	struct player *other;
	struct nvhi_msg ball;
	uint32_t hits;
};

static void hit(struct nvhi_msg *msg)
{
	struct player *player = nvhi_container_of(msg, struct player, ball);

	if (__atomic_add_fetch(&player->hits, 1, __ATOMIC_RELEASE) < RALLIES)
		nvhi_reactor_post(player->other->reactor, &player->other->ball);
}

/* The most turns that a hit took either player. Each waits for the other, who cannot run while
 * the first one polls. */
static uint64_t rally_on_one_cpu(void)
{
	struct nvhi_reactor_opts opts = {.spin_us = 5000};
	struct player players[2] = {{.ball.fn = hit}, {.ball.fn = hit}};
	struct nvhi_reactor_thread *threads[2];
	uint64_t most = 0;

	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&opts, &players[i].reactor), 0);
		players[i].other = &players[1 - i];
	}
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(players[i].reactor, 0, &threads[i]),
				      0);
	nvhi_reactor_post(players[0].reactor, &players[0].ball);
	CU_ASSERT_TRUE(
		NVH_WAIT(__atomic_load_n(&players[0].hits, __ATOMIC_ACQUIRE) >= RALLIES, 60000));
	for (int i = 0; i < 2; i++)
		nvhi_reactor_thread_join(threads[i]);
	for (int i = 0; i < 2; i++) {
		struct nvhi_reactor_stats stats;

		nvhi_reactor_stats(players[i].reactor, &stats);
		if (stats.turns / RALLIES > most)
			most = stats.turns / RALLIES;
		nvhi_reactor_destroy(players[i].reactor);
	}
	return most;
}

/* Another program on that CPU may get in between: then the reactors keep their share for a while,
 * and the rally is played again. */
static void polling_gives_way_to_a_peer_on_the_same_cpu(void)
{
	uint64_t turns = UINT64_MAX;

	for (int i = 0; i < 20 && turns >= 5000; i++)
		turns = rally_on_one_cpu();
	CU_ASSERT_TRUE(turns < 5000); /* 5 ms of polling for each hit would be some 50,000 */
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
	      NVH_TEST(polling_gives_way_to_a_peer_on_the_same_cpu),
	      NVH_TEST(the_descriptor_is_silent_while_nothing_is_to_do),
	      NVH_TEST(the_descriptor_tells_of_messages), NVH_TEST(the_descriptor_tells_of_timers),
	      NVH_TEST(the_descriptor_tells_of_sources_and_deferred_work),
	      NVH_TEST(the_descriptor_stays_readable_while_a_poller_is_busy))
