/*
 * base/reactor_eager.c: sources tried without epoll, and taken out of it while they are hot.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reactor_impl.h"
#include "tests/unit/nvh_cunit.h"
#include "tests/unit/reactor_fixture.h"

static void few_eager_sources_are_tried_without_epoll(void)
{
	struct nvhi_reactor_stats before, after;
	struct pair_source a;

	setup();
	pair_open(&a, NVHI_READABLE);
	nvhi_source_set_eager(reactor, &a.source, true);
	nvhi_reactor_stats(reactor, &before);
	for (int i = 0; i < 100; i++) {
		pair_send(&a);
		CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	}
	nvhi_reactor_stats(reactor, &after);
	CU_ASSERT_EQUAL(a.calls, 100);
	CU_ASSERT_EQUAL(after.epoll_waits, before.epoll_waits);
	nvhi_source_set_eager(reactor, &a.source, false);
	pair_send(&a);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	pair_close(&a);
	teardown();
}

static void eager_sources_do_not_starve_the_others(void)
{
	struct pair_source eager, other;
	uint64_t end;

	setup();
	pair_open(&eager, NVHI_READABLE);
	pair_open(&other, NVHI_READABLE);
	nvhi_source_set_eager(reactor, &eager.source, true);
	eager.reads = false; /* always has work */
	pair_send(&other);
	end = nvhi_reactor_clock(reactor) + NVHI_NSEC_PER_SEC;
	while (other.calls == 0 && nvhi_reactor_clock(reactor) < end)
		nvhi_reactor_turn(reactor);
	CU_ASSERT_EQUAL(other.calls, 1);
	pair_close(&eager);
	pair_close(&other);
	teardown();
}

static void eager_sources_may_remove_each_other(void)
{
	struct pair_source pairs[4];
	unsigned int calls = 0;

	setup();
	for (int i = 0; i < 4; i++) {
		pair_open(&pairs[i], NVHI_READABLE);
		pair_send(&pairs[i]);
		nvhi_source_set_eager(reactor, &pairs[i].source, true);
	}
	pairs[0].removes = &pairs[1]; /* the next one */
	pairs[2].removes = &pairs[2]; /* itself */
	pairs[3].removes = &pairs[0]; /* one that was called */
	nvhi_reactor_turn(reactor);
	for (int i = 0; i < 4; i++)
		calls += pairs[i].calls;
	CU_ASSERT_EQUAL(calls, 3);
	CU_ASSERT_EQUAL(pairs[1].calls, 0);
	for (int i = 0; i < 4; i++)
		pair_close(&pairs[i]);
	teardown();
}

static void many_eager_sources_are_all_served(void)
{
	struct pair_source pairs[10];

	setup();
	for (int i = 0; i < 10; i++) {
		pair_open(&pairs[i], NVHI_READABLE);
		nvhi_source_set_eager(reactor, &pairs[i].source, true);
		pair_send(&pairs[i]);
	}
	nvhi_reactor_turn(reactor);
	for (int i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(pairs[i].calls, 1);
		pair_close(&pairs[i]);
	}
	teardown();
}

static void a_paused_eager_source_is_left_alone(void)
{
	struct pair_source a;

	setup();
	pair_open(&a, NVHI_READABLE);
	nvhi_source_set_eager(reactor, &a.source, true);
	nvhi_source_modify(reactor, &a.source, 0);
	pair_send(&a);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 0);
	CU_ASSERT_EQUAL(a.calls, 0);
	pair_close(&a);
	teardown();
}

/* ---- hot ones ---------------------------------------------------------------------------- */

static void make_hot(struct pair_source *pair)
{
	nvhi_source_set_eager(reactor, &pair->source, true);
	for (int i = 0; i < 100 && !pair->source.parked; i++) {
		pair_send(pair);
		nvhi_reactor_turn(reactor);
	}
	CU_ASSERT_TRUE_FATAL(pair->source.parked);
	pair->calls = 0;
}

static void open_hot(struct pair_source *pair)
{
	setup();
	pair_open(pair, NVHI_READABLE);
	make_hot(pair);
}

static void close_hot(struct pair_source *pair)
{
	pair_close(pair);
	teardown();
}

static void a_hot_source_is_out_of_epoll_and_still_served(void)
{
	struct pair_source pair;

	open_hot(&pair);
	for (int i = 0; i < 10; i++) {
		pair_send(&pair);
		CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	}
	CU_ASSERT_EQUAL(pair.calls, 10);
	CU_ASSERT_TRUE(pair.source.parked);
	close_hot(&pair);
}

static void late_send_fn(struct nvhi_timer *timer)
{
	struct named_timer *named = nvhi_container_of(timer, struct named_timer, timer);

	(void)named;
	trace_add('s');
}

/* It is back before the reactor sleeps, bytes that came in between included. */
static void a_hot_source_wakes_a_sleeper(void)
{
	struct nvhi_reactor_stats stats;
	struct named_timer timer = {.timer.fn = late_send_fn};
	struct pair_source pair;

	open_hot(&pair);
	nvhi_timer_arm(reactor, &timer.timer, 20 * NVHI_NSEC_PER_MSEC);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 5000), 1); /* slept until the timer */
	nvhi_reactor_stats(reactor, &stats);
	CU_ASSERT_TRUE(stats.sleeps >= 1);
	CU_ASSERT_STRING_EQUAL(trace, "s");
	CU_ASSERT_FALSE(pair.source.parked);
	pair_send(&pair);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 5000), 1);
	CU_ASSERT_EQUAL(pair.calls, 1);
	close_hot(&pair);
}

static void a_hot_source_that_stops_being_eager_is_tried_a_while_then_back_in_epoll(void)
{
	struct pair_source pair;
	int turns = 0;

	open_hot(&pair);
	nvhi_source_set_eager(reactor, &pair.source, false);
	CU_ASSERT_TRUE(pair.source.parked);
	pair_send(&pair);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	nvhi_source_set_eager(reactor, &pair.source, true); /* the next command */
	nvhi_source_set_eager(reactor, &pair.source, false);
	CU_ASSERT_TRUE(pair.source.parked);
	while (pair.source.parked && turns++ < 10000)
		nvhi_reactor_turn(reactor);
	CU_ASSERT_FALSE(pair.source.parked);
	pair_send(&pair);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 5000), 1);
	CU_ASSERT_EQUAL(pair.calls, 2);
	close_hot(&pair);
}

static void a_hot_source_that_wants_to_write_is_told(void)
{
	struct pair_source pair;

	open_hot(&pair);
	pair.reads = false;
	CU_ASSERT_EQUAL(nvhi_source_modify(reactor, &pair.source, NVHI_READABLE | NVHI_WRITABLE),
			0);
	CU_ASSERT_FALSE(pair.source.parked);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, pair.last_events & NVHI_WRITABLE, 5000));
	close_hot(&pair);
}

static void a_paused_hot_source_is_left_alone_and_hears_the_hangup(void)
{
	struct pair_source pair;

	open_hot(&pair);
	CU_ASSERT_EQUAL(nvhi_source_modify(reactor, &pair.source, 0), 0);
	pair_send(&pair);
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_EQUAL(pair.calls, 0);
	close(pair.fds[1]);
	pair.fds[1] = -1;
	pair.reads = false;
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 5000), 1);
	CU_ASSERT_EQUAL(pair.last_events, NVHI_HANGUP);
	close_hot(&pair);
}

static void a_hot_source_may_remove_itself(void)
{
	struct pair_source pair;

	open_hot(&pair);
	pair.removes = &pair;
	pair_send(&pair);
	pair_send(&pair);
	CU_ASSERT_EQUAL(nvhi_reactor_turn(reactor), 1);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 0);
	CU_ASSERT_EQUAL(pair.calls, 1);
	/* and come back */
	CU_ASSERT_EQUAL(nvhi_source_add(reactor, &pair.source, pair.fds[0], NVHI_READABLE, pair_fn),
			0);
	pair.removes = NULL;
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 5000), 1);
	close_hot(&pair);
}

static void hot_sources_go_back_when_too_many_become_eager(void)
{
	struct pair_source pairs[6];

	setup();
	for (int i = 0; i < 6; i++)
		pair_open(&pairs[i], NVHI_READABLE);
	make_hot(&pairs[0]);
	make_hot(&pairs[1]);
	for (int i = 2; i < 6; i++)
		nvhi_source_set_eager(reactor, &pairs[i].source, true);
	CU_ASSERT_FALSE(pairs[0].source.parked || pairs[1].source.parked);
	for (int i = 0; i < 6; i++)
		pair_send(&pairs[i]);
	nvhi_reactor_turn(reactor);
	for (int i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(pairs[i].calls, 1);
	for (int i = 0; i < 6; i++)
		pair_close(&pairs[i]);
	teardown();
}

static void a_foreign_loop_hears_of_a_source_that_was_hot(void)
{
	struct pollfd pollfd = {.events = POLLIN};
	struct pair_source pair;

	open_hot(&pair);
	pollfd.fd = nvhi_reactor_fd(reactor);
	CU_ASSERT_FALSE(pair.source.parked);
	pair_send(&pair);
	CU_ASSERT_EQUAL(poll(&pollfd, 1, 5000), 1);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 1);
	for (int i = 0; i < 100; i++) {
		pair_send(&pair);
		CU_ASSERT_EQUAL(poll(&pollfd, 1, 5000), 1);
		nvhi_reactor_run(reactor, 0);
	}
	CU_ASSERT_EQUAL(pair.calls, 101);
	close_hot(&pair);
}

/* ---- anything in any order ---------------------------------------------------------------- */

#define WILD 7

struct wild {
	struct nvhi_source source;
	int fds[2];
	bool added;
	uint32_t sent, received;
};

static struct wild wild[WILD];
static uint64_t wild_seed;
static unsigned int calls_of_removed;

static uint32_t wild_random(uint32_t below)
{
	wild_seed = wild_seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(wild_seed >> 33) % below;
}

static int wild_fn(struct nvhi_source *source, unsigned int events);

static void wild_add(struct wild *one)
{
	CU_ASSERT_EQUAL_FATAL(
		nvhi_source_add(reactor, &one->source, one->fds[0], NVHI_READABLE, wild_fn), 0);
	one->added = true;
}

/* Something to any of them; with every kind of thing that callers do. */
static void wild_step(void)
{
	static const unsigned int events[] = {
		NVHI_READABLE, NVHI_READABLE, NVHI_READABLE, 0, NVHI_READABLE | NVHI_WRITABLE,
		NVHI_WRITABLE};
	struct wild *one = &wild[wild_random(WILD)];
	uint32_t what = wild_random(32);

	if (!one->added) {
		if (what < 16)
			wild_add(one);
	} else if (what == 0) {
		nvhi_source_remove(reactor, &one->source);
		one->added = false;
	} else if (what < 3) {
		nvhi_source_modify(reactor, &one->source, events[wild_random(6)]);
	} else if (what < 6) {
		nvhi_source_set_eager(reactor, &one->source, wild_random(4) > 0);
	} else if (what < 24) {
		one->sent += write(one->fds[1], "x", 1) == 1;
	}
}

static int wild_fn(struct nvhi_source *source, unsigned int events)
{
	struct wild *one = nvhi_container_of(source, struct wild, source);
	char bytes[4];
	ssize_t got;

	calls_of_removed += !one->added;
	if (wild_random(4) == 0)
		wild_step();
	if (!(events & NVHI_READABLE))
		return 1;
	got = recv(one->fds[0], bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got <= 0)
		return 0;
	one->received += (uint32_t)got;
	return 1;
}

static void wild_check_counts(void)
{
	uint32_t sources = 0, tried = 0, parked = 0, unpolled = 0;
	struct nvhi_source *source;

	nvhi_list_for_each (source, &reactor->sources, link) {
		sources++;
		tried += nvhi_eager_tried(source);
		parked += source->parked;
		unpolled += nvhi_source_unpolled(source);
		CU_ASSERT_FALSE(source->parked && !nvhi_eager_tried(source));
		CU_ASSERT_FALSE(source->parked && source->events != NVHI_READABLE);
		CU_ASSERT_FALSE(source->eager && !nvhi_eager_tried(source));
	}
	CU_ASSERT_EQUAL(reactor->source_count, sources);
	CU_ASSERT_EQUAL(reactor->eager_count, tried);
	CU_ASSERT_EQUAL(reactor->parked_count, parked);
	CU_ASSERT_EQUAL(reactor->unpolled_count, unpolled);
}

/* Callbacks go on doing wild things: what they removed or paused is put right first. */
static bool wild_all_received(void)
{
	bool all = true;

	for (int i = 0; i < WILD; i++) {
		if (!wild[i].added)
			wild_add(&wild[i]);
		nvhi_source_modify(reactor, &wild[i].source, NVHI_READABLE);
		all = all && wild[i].received == wild[i].sent;
	}
	return all;
}

static void any_order_of_operations_loses_no_event_and_calls_nobody_removed(void)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		setup();
		wild_seed = seed;
		calls_of_removed = 0;
		memset(wild, 0, sizeof(wild));
		for (int i = 0; i < WILD; i++)
			CU_ASSERT_EQUAL_FATAL(
				socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, wild[i].fds), 0);
		for (int i = 0; i < 3000; i++) {
			wild_step();
			if (wild_random(3) == 0)
				nvhi_reactor_run(reactor, wild_random(200) == 0);
			wild_check_counts();
		}
		CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, wild_all_received(), 20000));
		CU_ASSERT_EQUAL(calls_of_removed, 0);
		for (int i = 0; i < WILD; i++) {
			nvhi_source_remove(reactor, &wild[i].source);
			close(wild[i].fds[0]);
			close(wild[i].fds[1]);
		}
		teardown();
	}
}

NVH_UNIT_MAIN("base/reactor_eager", NVH_TEST(few_eager_sources_are_tried_without_epoll),
	      NVH_TEST(eager_sources_do_not_starve_the_others),
	      NVH_TEST(eager_sources_may_remove_each_other),
	      NVH_TEST(many_eager_sources_are_all_served),
	      NVH_TEST(a_paused_eager_source_is_left_alone),
	      NVH_TEST(a_hot_source_is_out_of_epoll_and_still_served),
	      NVH_TEST(a_hot_source_wakes_a_sleeper),
	      NVH_TEST(a_hot_source_that_stops_being_eager_is_tried_a_while_then_back_in_epoll),
	      NVH_TEST(a_hot_source_that_wants_to_write_is_told),
	      NVH_TEST(a_paused_hot_source_is_left_alone_and_hears_the_hangup),
	      NVH_TEST(a_hot_source_may_remove_itself),
	      NVH_TEST(hot_sources_go_back_when_too_many_become_eager),
	      NVH_TEST(a_foreign_loop_hears_of_a_source_that_was_hot),
	      NVH_TEST(any_order_of_operations_loses_no_event_and_calls_nobody_removed))
