/*
 * base/reactor_source.c: readiness, removal inside callbacks, eager sources.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reactor.h"
#include "tests/unit/nvh_cunit.h"
#include "tests/unit/reactor_fixture.h"

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

NVH_UNIT_MAIN("base/reactor_source", NVH_TEST(a_source_hears_of_what_it_asked_for_only),
	      NVH_TEST(a_source_removed_by_another_is_not_called_for_events_already_harvested),
	      NVH_TEST(a_source_may_remove_itself),
	      NVH_TEST(few_eager_sources_are_tried_without_epoll),
	      NVH_TEST(eager_sources_do_not_starve_the_others),
	      NVH_TEST(eager_sources_may_remove_each_other),
	      NVH_TEST(many_eager_sources_are_all_served),
	      NVH_TEST(a_paused_eager_source_is_left_alone))
