/*
 * base/reactor_source.c: readiness, removal inside callbacks.
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

NVH_UNIT_MAIN("base/reactor_source", NVH_TEST(a_source_hears_of_what_it_asked_for_only),
	      NVH_TEST(a_source_removed_by_another_is_not_called_for_events_already_harvested),
	      NVH_TEST(a_source_may_remove_itself))
