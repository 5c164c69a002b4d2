/*
 * The reactor on one thread: timers, messages to oneself, sources, pollers, deferred work, idling,
 * a foreign loop around it, simulated time. What several threads do to it: reactor_threads_test.c.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reactor.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"

static struct nvh_reactor *reactor;

static void setup_opts(const struct nvhi_reactor_opts *opts)
{
	reactor = NULL;
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(opts, &reactor), 0);
}

static void setup(void)
{
	setup_opts(&(struct nvhi_reactor_opts){.name = "test"});
}

static void teardown(void)
{
	nvhi_reactor_destroy(reactor);
	reactor = NULL;
}

/* ---- a record of what was called, in order ----------------------------------------------- */

static char trace[256];

static void trace_reset(void)
{
	trace[0] = '\0';
}

static void trace_add(char what)
{
	size_t len = strlen(trace);

	CU_ASSERT_FATAL(len + 1 < sizeof(trace));
	trace[len] = what;
	trace[len + 1] = '\0';
}

/* ---- timers ------------------------------------------------------------------------------ */

struct named_timer {
	struct nvhi_timer timer;
	char name;
	struct nvhi_timer *cancels, *arms;
	uint64_t arm_delay;
};

static void named_timer_fn(struct nvhi_timer *timer)
{
	struct named_timer *named = nvhi_container_of(timer, struct named_timer, timer);

	CU_ASSERT_FALSE(nvhi_timer_armed(timer));
	trace_add(named->name);
	if (named->cancels)
		nvhi_timer_cancel(reactor, named->cancels);
	if (named->arms)
		CU_ASSERT_EQUAL(nvhi_timer_arm(reactor, named->arms, named->arm_delay), 0);
}

struct sim_clock {
	struct nvhi_clock clock;
	uint64_t time;
};

static uint64_t sim_now(const struct nvhi_clock *clock)
{
	return nvhi_container_of(clock, const struct sim_clock, clock)->time;
}

static struct sim_clock sim = {.clock.now = sim_now};

static void setup_sim(void)
{
	sim.time = 1000;
	trace_reset();
	setup_opts(&(struct nvhi_reactor_opts){.clock = &sim.clock, .simulated = true});
}

static void timers_fire_by_deadline_then_in_the_order_of_arming(void)
{
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a'};
	struct named_timer b = {.timer.fn = named_timer_fn, .name = 'b'};
	struct named_timer c = {.timer.fn = named_timer_fn, .name = 'c'};
	struct named_timer d = {.timer.fn = named_timer_fn, .name = 'd'};

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
	struct named_timer b = {.timer.fn = named_timer_fn, .name = 'b'};
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
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a'};
	struct named_timer b = {.timer.fn = named_timer_fn, .name = 'b'};

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
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a'};

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
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a'};
	uint64_t start;

	trace_reset();
	setup();
	start = nvhi_reactor_clock(reactor);
	nvhi_timer_arm(reactor, &a.timer, 3 * NVHI_NSEC_PER_MSEC);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 10000), 1);
	CU_ASSERT_STRING_EQUAL(trace, "a");
	CU_ASSERT_TRUE(nvhi_reactor_clock(reactor) - start >= 3 * NVHI_NSEC_PER_MSEC);
	teardown();
}

/* ---- messages ---------------------------------------------------------------------------- */

struct numbered_msg {
	struct nvhi_msg msg;
	uint32_t number;
	uint32_t reposts;
};

static uint32_t next_number, wrong_numbers;

static void numbered_msg_fn(struct nvhi_msg *msg)
{
	struct numbered_msg *numbered = nvhi_container_of(msg, struct numbered_msg, msg);

	wrong_numbers += numbered->number != next_number++;
}

static void messages_keep_their_order_through_ring_and_spill(void)
{
	static struct numbered_msg msgs[100];

	setup_opts(&(struct nvhi_reactor_opts){.inbox_size = 4});
	next_number = wrong_numbers = 0;
	for (uint32_t i = 0; i < 100; i++) {
		msgs[i] = (struct numbered_msg){.msg.fn = numbered_msg_fn, .number = i};
		nvhi_reactor_post(reactor, &msgs[i].msg);
		if (i == 50)
			nvhi_reactor_turn(reactor);
	}
	while (nvhi_reactor_turn(reactor) > 0)
		;
	CU_ASSERT_EQUAL(next_number, 100);
	CU_ASSERT_EQUAL(wrong_numbers, 0);
	teardown();
}

static void reposting_msg_fn(struct nvhi_msg *msg)
{
	struct numbered_msg *numbered = nvhi_container_of(msg, struct numbered_msg, msg);

	next_number++;
	if (numbered->reposts-- > 0)
		nvhi_reactor_post(reactor, msg);
}

static void a_message_may_post_itself_again_without_holding_up_the_turn(void)
{
	struct numbered_msg msg = {.msg.fn = reposting_msg_fn, .reposts = 100000};
	int turns = 0;

	setup_opts(&(struct nvhi_reactor_opts){.inbox_size = 4});
	next_number = 0;
	nvhi_reactor_post(reactor, &msg.msg);
	while (nvhi_reactor_turn(reactor) > 0)
		turns++;
	CU_ASSERT_EQUAL(next_number, 100001);
	CU_ASSERT_TRUE(turns > 1000);
	teardown();
}

static void messages_left_at_destroy_are_run(void)
{
	struct numbered_msg msg = {.msg.fn = numbered_msg_fn};

	setup();
	next_number = wrong_numbers = 0;
	nvhi_reactor_post(reactor, &msg.msg);
	teardown();
	CU_ASSERT_EQUAL(next_number, 1);
}

static void call_fn(void *arg)
{
	CU_ASSERT_TRUE(nvhi_reactor_is_current(reactor));
	(*(int *)arg)++;
}

static void call_msg_fn(struct nvhi_msg *msg)
{
	int called = 0;

	(void)msg;
	nvhi_reactor_call(reactor, call_fn, &called);
	CU_ASSERT_EQUAL(called, 1);
	next_number++;
}

static void a_call_on_the_own_reactor_runs_at_once(void)
{
	struct nvhi_msg msg = {.fn = call_msg_fn};

	setup();
	next_number = 0;
	CU_ASSERT_PTR_NULL(nvhi_reactor_current());
	nvhi_reactor_post(reactor, &msg);
	nvhi_reactor_turn(reactor);
	CU_ASSERT_EQUAL(next_number, 1);
	CU_ASSERT_PTR_NULL(nvhi_reactor_current());
	teardown();
}

/* ---- sources ----------------------------------------------------------------------------- */

struct pair_source {
	struct nvhi_source source;
	int fds[2];
	unsigned int calls, last_events;
	struct pair_source *removes;
	bool reads;
};

static int pair_fn(struct nvhi_source *source, unsigned int events)
{
	struct pair_source *pair = nvhi_container_of(source, struct pair_source, source);
	char byte;

	pair->last_events = events;
	if (pair->removes && pair->removes->source.fd >= 0)
		nvhi_source_remove(reactor, &pair->removes->source);
	if (pair->reads && recv(pair->fds[0], &byte, 1, MSG_DONTWAIT) <= 0)
		return 0;
	pair->calls++;
	return 1;
}

static void pair_open(struct pair_source *pair, unsigned int events)
{
	memset(pair, 0, sizeof(*pair));
	pair->reads = true;
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair->fds), 0);
	CU_ASSERT_EQUAL_FATAL(
		nvhi_source_add(reactor, &pair->source, pair->fds[0], events, pair_fn), 0);
}

static void pair_send(struct pair_source *pair)
{
	CU_ASSERT_EQUAL_FATAL(write(pair->fds[1], "x", 1), 1);
}

static void pair_close(struct pair_source *pair)
{
	if (pair->source.fd >= 0)
		nvhi_source_remove(reactor, &pair->source);
	close(pair->fds[0]);
	close(pair->fds[1]);
}

static void a_source_hears_of_what_it_asked_for_only(void)
{
	struct pair_source pair;

	setup();
	pair_open(&pair, NVHI_WRITABLE);
	pair.reads = false;
	pair_send(&pair);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 1000), 1);
	CU_ASSERT_EQUAL(pair.last_events, NVHI_WRITABLE);
	CU_ASSERT_EQUAL(nvhi_source_modify(reactor, &pair.source, NVHI_READABLE), 0);
	nvhi_reactor_run(reactor, 1000);
	CU_ASSERT_EQUAL(pair.last_events, NVHI_READABLE);
	CU_ASSERT_EQUAL(nvhi_source_modify(reactor, &pair.source, 0), 0);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 0);
	close(pair.fds[1]);
	pair.fds[1] = -1;
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 1000), 1);
	CU_ASSERT_EQUAL(pair.last_events, NVHI_HANGUP);
	pair_close(&pair);
	teardown();
}

static void a_source_removed_by_another_is_not_called_for_events_already_harvested(void)
{
	struct pair_source a, b;

	setup();
	pair_open(&a, NVHI_READABLE);
	pair_open(&b, NVHI_READABLE);
	a.removes = &b;
	b.removes = &a;
	pair_send(&a);
	pair_send(&b);
	nvhi_reactor_run(reactor, 1000);
	nvhi_reactor_run(reactor, 0);
	CU_ASSERT_EQUAL(a.calls + b.calls, 1);
	pair_close(&a);
	pair_close(&b);
	teardown();
}

static void a_source_may_remove_itself(void)
{
	struct pair_source a;

	setup();
	pair_open(&a, NVHI_READABLE);
	a.removes = &a;
	pair_send(&a);
	pair_send(&a);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 1000), 1);
	CU_ASSERT_EQUAL(nvhi_reactor_run(reactor, 0), 0);
	CU_ASSERT_EQUAL(a.calls, 1);
	pair_close(&a);
	teardown();
}

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

/* ---- pollers and deferred work ----------------------------------------------------------- */

struct count_poller {
	struct nvhi_poller poller;
	int calls, work_from;
	struct count_poller *removes;
};

static int count_poller_fn(struct nvhi_poller *poller)
{
	struct count_poller *count = nvhi_container_of(poller, struct count_poller, poller);

	if (count->removes)
		nvhi_poller_remove(reactor, &count->removes->poller);
	count->removes = NULL;
	return ++count->calls >= count->work_from;
}

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

struct named_defer {
	struct nvhi_defer defer;
	char name;
	struct named_defer *defers, *undefers;
};

static void named_defer_fn(struct nvhi_defer *defer)
{
	struct named_defer *named = nvhi_container_of(defer, struct named_defer, defer);

	trace_add(named->name);
	if (named->undefers)
		nvhi_reactor_undefer(reactor, &named->undefers->defer);
	if (named->defers)
		nvhi_reactor_defer(reactor, &named->defers->defer);
}

static void deferred_work_runs_once_at_the_end_of_the_turn(void)
{
	struct named_defer a = {.defer.fn = named_defer_fn, .name = 'a'};
	struct named_timer t = {.timer.fn = named_timer_fn, .name = 't'};

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

/* ---- running ----------------------------------------------------------------------------- */

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

static void a_slow_trickle_of_work_unlearns_spinning(void)
{
	struct nvhi_reactor_stats before, after;
	struct pair_source pair;
	struct tick tick = {.timer.fn = tick_fn, .pair = &pair, .left = 20};

	setup_opts(&(struct nvhi_reactor_opts){.spin_us = 500});
	pair_open(&pair, NVHI_READABLE);
	nvhi_timer_arm(reactor, &tick.timer, 0);
	nvhi_reactor_loop(reactor);
	nvhi_reactor_stats(reactor, &before);
	tick.left = 20;
	nvhi_timer_arm(reactor, &tick.timer, 0);
	nvhi_reactor_loop(reactor);
	nvhi_reactor_stats(reactor, &after);
	CU_ASSERT_EQUAL(pair.calls, 40);
	CU_ASSERT_TRUE(after.turns - before.turns < 200); /* spinning would be thousands */
	pair_close(&pair);
	teardown();
}

/* ---- in a foreign loop ------------------------------------------------------------------- */

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
	next_number = wrong_numbers = 0;
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
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a'};
	struct named_timer b = {.timer.fn = named_timer_fn, .name = 'b'};

	trace_reset();
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

	trace_reset();
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

/* ---- simulated, and poor ----------------------------------------------------------------- */

static void a_simulated_reactor_has_no_descriptors_and_takes_its_time_from_outside(void)
{
	struct named_timer a = {.timer.fn = named_timer_fn, .name = 'a'};
	struct numbered_msg msg = {.msg.fn = numbered_msg_fn};
	struct nvhi_source source;

	setup_sim();
	next_number = wrong_numbers = 0;
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

NVH_UNIT_MAIN("base/reactor", NVH_TEST(timers_fire_by_deadline_then_in_the_order_of_arming),
	      NVH_TEST(a_timer_may_cancel_another_that_is_due_in_the_same_turn),
	      NVH_TEST(a_timer_rearmed_for_now_waits_for_the_next_turn),
	      NVH_TEST(rearming_moves_a_timer_either_way), NVH_TEST(an_endless_delay_does_not_wrap),
	      NVH_TEST(a_thousand_timers_armed_cancelled_and_rearmed_stay_in_order),
	      NVH_TEST(a_real_timer_is_not_early_and_wakes_a_sleeper),
	      NVH_TEST(messages_keep_their_order_through_ring_and_spill),
	      NVH_TEST(a_message_may_post_itself_again_without_holding_up_the_turn),
	      NVH_TEST(messages_left_at_destroy_are_run),
	      NVH_TEST(a_call_on_the_own_reactor_runs_at_once),
	      NVH_TEST(a_source_hears_of_what_it_asked_for_only),
	      NVH_TEST(a_source_removed_by_another_is_not_called_for_events_already_harvested),
	      NVH_TEST(a_source_may_remove_itself),
	      NVH_TEST(few_eager_sources_are_tried_without_epoll),
	      NVH_TEST(eager_sources_do_not_starve_the_others),
	      NVH_TEST(eager_sources_may_remove_each_other),
	      NVH_TEST(many_eager_sources_are_all_served),
	      NVH_TEST(a_paused_eager_source_is_left_alone),
	      NVH_TEST(a_busy_poller_keeps_the_reactor_awake),
	      NVH_TEST(pollers_may_remove_each_other),
	      NVH_TEST(deferred_work_runs_once_at_the_end_of_the_turn),
	      NVH_TEST(deferred_work_may_take_back_other_deferred_work),
	      NVH_TEST(work_that_defers_itself_for_ever_does_not_hold_up_the_turn),
	      NVH_TEST(run_with_zero_does_not_wait_and_with_a_limit_returns_then),
	      NVH_TEST(an_idle_reactor_sleeps_and_hardly_turns),
	      NVH_TEST(a_slow_trickle_of_work_unlearns_spinning),
	      NVH_TEST(the_descriptor_is_silent_while_nothing_is_to_do),
	      NVH_TEST(the_descriptor_tells_of_messages), NVH_TEST(the_descriptor_tells_of_timers),
	      NVH_TEST(the_descriptor_tells_of_sources_and_deferred_work),
	      NVH_TEST(the_descriptor_stays_readable_while_a_poller_is_busy),
	      NVH_TEST(a_simulated_reactor_has_no_descriptors_and_takes_its_time_from_outside),
	      NVH_TEST(creating_survives_every_allocation_failure),
	      NVH_TEST(a_full_timer_heap_says_enomem_and_keeps_its_timers))
