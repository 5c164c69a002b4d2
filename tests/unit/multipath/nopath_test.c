/*
 * No usable path: how long I/O waits and how much of it, whatever took the paths away.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

static struct mpf_ctrlr *a, *b;
static struct nvh_ns *ns;
static struct nvh_channel *channel;
static uint8_t buf[64 * MPF_BLOCK];

static void set(const char *text, uint64_t max_bytes)
{
	struct nvhi_no_path setting;

	CU_ASSERT_EQUAL_FATAL(nvhi_no_path_parse(text, &setting), 0);
	setting.max_bytes = max_bytes;
	CU_ASSERT_EQUAL_FATAL(nvhi_mp_set_no_path(&mpf.mp, MPF_NQN, &setting), 0);
	mpf_turns();
}

static void setup_on(uint32_t reactor, const char *text)
{
	mpf_start(reactor + 1);
	a = mpf_join(0);
	b = mpf_join(1);
	ns = mpf_ns(a, 1, 7);
	mpf_ns(b, 1, 7);
	mpf_live(a);
	mpf_live(b);
	set(text, 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[reactor], &channel), 0);
	mpf_turns();
}

static void setup(const char *text)
{
	setup_on(0, text);
}

static void teardown(void)
{
	nvhi_channel_close(channel);
	mpf_stop();
}

static void submit(struct mpf_io *io, uint8_t op)
{
	mpf_io_init(io, op, 0, 1, buf);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, io->io), 0);
}

static void words_are_understood(void)
{
	static const char *const wrong[] = {"",	       "Queue",	     "queue:",	"queue:-1",
					    "queue:1x", "queue:86401", "failed", "queue: 1"};
	struct nvhi_no_path s;

	CU_ASSERT_EQUAL(nvhi_no_path_parse(NULL, &s), 0);
	CU_ASSERT_TRUE(s.until_loss && s.max_bytes == 0);
	CU_ASSERT_EQUAL(nvhi_no_path_parse("fail", &s), 0);
	CU_ASSERT_TRUE(!s.until_loss && s.wait_ns == 0);
	CU_ASSERT_EQUAL(nvhi_no_path_parse("queue", &s), 0);
	CU_ASSERT_TRUE(!s.until_loss && s.wait_ns == NVHI_NEVER);
	CU_ASSERT_EQUAL(nvhi_no_path_parse("queue:30", &s), 0);
	CU_ASSERT_EQUAL(s.wait_ns, 30 * NVHI_NSEC_PER_SEC);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(wrong); i++)
		CU_ASSERT_EQUAL(nvhi_no_path_parse(wrong[i], &s), -EINVAL);
}

static void fail_ends_io_in_the_turn_in_which_the_last_path_goes(void)
{
	struct mpf_io io, more;

	for (uint32_t reactor = 0; reactor < 2; reactor++) {
		setup_on(reactor, "fail");
		submit(&io, NVH_IO_READ);
		mpf_lost(a);
		CU_ASSERT_EQUAL(io.calls, 0);
		mpf_lost(b);
		CU_ASSERT_EQUAL(io.calls, 1);
		CU_ASSERT_EQUAL(io.err, -ENOTCONN);
		mpf_io_init(&more, NVH_IO_WRITE, 0, 1, buf);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, more.io), -ENOTCONN);
		mpf_live(b);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, more.io), 0);
		mpf_serve();
		CU_ASSERT_EQUAL(more.err, 0);
		mpf_io_done(&io);
		mpf_io_done(&more);
		teardown();
	}
}

static void queue_with_seconds_ends_io_then_and_not_before(void)
{
	struct mpf_io early, late;

	for (uint32_t reactor = 0; reactor < 2; reactor++) {
		setup_on(reactor, "queue:3");
		submit(&early, NVH_IO_WRITE);
		mpf_lost(a);
		mpf_lost(b);
		mpf_advance_ms(2000);
		submit(&late, NVH_IO_READ);
		mpf_advance_ms(999);
		CU_ASSERT_EQUAL(early.calls + late.calls, 0);
		mpf_advance_ms(1);
		CU_ASSERT_EQUAL(early.calls, 1);
		CU_ASSERT_EQUAL(late.calls, 1); /* without a path, not of waiting */
		CU_ASSERT_EQUAL(early.err, -ENOTCONN);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, early.io), -ENOTCONN);
		mpf_live(a);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, early.io), 0);
		mpf_serve();
		CU_ASSERT_EQUAL(early.err, 0);
		mpf_io_done(&early);
		mpf_io_done(&late);
		teardown();
	}
}

static void queue_waits_as_long_as_there_is_a_controller(void)
{
	struct mpf_io io;

	setup("queue");
	submit(&io, NVH_IO_WRITE);
	mpf_lost(a);
	mpf_lost(b);
	mpf_advance_ms(100 * 86400 * 1000ull);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_live(b);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io.err, 0);
	mpf_io_done(&io);
	teardown();
}

static void by_default_io_waits_as_long_as_a_controller_is_tried(void)
{
	struct mpf_io io;

	setup(NULL);
	submit(&io, NVH_IO_READ);
	mpf_lost(a);
	mpf_lost(b);
	mpf_advance_ms(9999);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_advance_ms(1); /* ctrl_loss_tmo of the fixture: 10 s */
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	teardown();
}

/* Lost, inaccessible by its log, inaccessible by its statuses: one clock. */
static void paths_that_are_live_and_inaccessible_are_no_paths(void)
{
	struct mpf_io io;
	struct nvhi_lane *lane;

	setup("queue:3");
	nvhi_list_for_each(lane, &channel->lanes, link)
		__atomic_store_n(&lane->ana_told, NVH_ANA_INACCESSIBLE, __ATOMIC_RELAXED);
	nvhi_list_for_each(lane, &channel->lanes, link)
		nvhi_reactor_post(mpf.reactors[0], &lane->ana_msg);
	mpf_turns();
	CU_ASSERT_EQUAL(channel->nr_usable, 0);
	submit(&io, NVH_IO_READ);
	mpf_advance_ms(2999);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, -ENOTCONN);
	mpf_io_done(&io);
	teardown();

	setup("queue:3");
	submit(&io, NVH_IO_READ);
	for (int ms = 0; ms < 2900; ms += 10) {
		for (uint32_t i = 0; i < 2; i++)
			while (mpf_lent(i ? b : a, 0))
				mpf_complete(i ? b : a, 0, 0, NVH_ST_ANA_INACCESSIBLE);
		mpf_advance_ms(10);
	}
	CU_ASSERT_EQUAL(io.calls, 0);
	for (int ms = 0; ms < 200; ms += 10) {
		for (uint32_t i = 0; i < 2; i++)
			while (mpf_lent(i ? b : a, 0))
				mpf_complete(i ? b : a, 0, 0, NVH_ST_ANA_INACCESSIBLE);
		mpf_advance_ms(10);
	}
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	teardown();
}

static void one_success_starts_the_clock_anew(void)
{
	struct mpf_io io;

	setup("queue:3");
	mpf_lost(b);
	for (int round = 0; round < 10; round++) {
		submit(&io, NVH_IO_READ);
		mpf_complete(a, 0, 0, NVH_ST_ANA_TRANSITION);
		mpf_advance_ms(1000);
		mpf_serve();
		CU_ASSERT_EQUAL(io.calls, 1);
		CU_ASSERT_EQUAL(io.err + (int)io.status, 0);
		mpf_io_done(&io);
	}
	teardown();
}

static void the_bound_can_be_changed_while_io_waits(void)
{
	struct mpf_io io;

	setup("queue");
	submit(&io, NVH_IO_READ);
	mpf_lost(a);
	mpf_lost(b);
	mpf_advance_ms(5000);
	set("queue:7", 0);
	mpf_advance_ms(1999);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	teardown();
}

static void one_namespace_may_have_its_own(void)
{
	struct nvhi_no_path fail;
	struct mpf_io io;

	setup("queue");
	CU_ASSERT_EQUAL(nvhi_no_path_parse("fail", &fail), 0);
	nvhi_mp_ns_set_no_path(ns, &fail);
	CU_ASSERT_EQUAL(nvhi_ns_no_path_wait(ns), 0);
	submit(&io, NVH_IO_READ);
	mpf_lost(a);
	mpf_lost(b);
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	teardown();
}

static void what_waits_is_capped_and_what_was_out_is_not_dropped(void)
{
	struct mpf_io out, io[4];

	setup("queue");
	mpf_io_init(&out, NVH_IO_WRITE, 0, 8, buf);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, out.io), 0);
	set("queue", 10 * MPF_BLOCK);
	mpf_lost(a);
	mpf_lost(b);
	CU_ASSERT_EQUAL(ns->waiting_bytes, 8 * MPF_BLOCK);
	for (int i = 0; i < 3; i++) {
		mpf_io_init(&io[i], NVH_IO_WRITE, 20, 1, buf);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[i].io), i < 2 ? 0 : -ENOBUFS);
	}
	mpf_io_init(&io[3], NVH_IO_FLUSH, 0, 0, NULL); /* has no bytes */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[3].io), 0);
	nvhi_channel_cancel(channel, io[1].io);
	mpf_turns();
	CU_ASSERT_EQUAL(io[1].err, -ECANCELED);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[2].io), 0);
	mpf_live(a);
	CU_ASSERT_EQUAL(ns->waiting_bytes, 0);
	mpf_serve();
	CU_ASSERT_EQUAL(out.err + io[0].err + io[2].err + io[3].err, 0);
	CU_ASSERT_EQUAL(out.calls + io[0].calls + io[2].calls + io[3].calls, 4);
	for (int i = 0; i < 4; i++)
		mpf_io_done(&io[i]);
	mpf_io_done(&out);
	teardown();
}

static void a_channel_just_opened_waits_for_its_paths(void)
{
	struct mpf_io io;

	mpf_start(2);
	a = mpf_join(0);
	ns = mpf_ns(a, 1, 7);
	nvhi_mp_ctrlr_live(&a->mpc, true); /* its queues are not up yet */
	set("fail", 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	submit(&io, NVH_IO_READ);
	mpf_advance_ms(999);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_live(a);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, 0);
	mpf_io_done(&io);
	teardown();
}

static void fast_io_fail_bounds_inaccessible_paths_too(void)
{
	struct mpf_io io;
	struct nvhi_lane *lane;

	setup("queue");
	a->inner->opts.fast_io_fail_tmo_s = 2;
	b->inner->opts.fast_io_fail_tmo_s = 4;
	nvhi_head_policy(ns);
	nvhi_list_for_each(lane, &channel->lanes, link) {
		lane->ana_told = NVH_ANA_PERSISTENT_LOSS;
		nvhi_reactor_post(mpf.reactors[0], &lane->ana_msg);
	}
	mpf_turns();
	submit(&io, NVH_IO_READ);
	mpf_advance_ms(3999);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	teardown();
}

NVH_UNIT_MAIN("multipath/nopath", NVH_TEST(words_are_understood),
	      NVH_TEST(fail_ends_io_in_the_turn_in_which_the_last_path_goes),
	      NVH_TEST(queue_with_seconds_ends_io_then_and_not_before),
	      NVH_TEST(queue_waits_as_long_as_there_is_a_controller),
	      NVH_TEST(by_default_io_waits_as_long_as_a_controller_is_tried),
	      NVH_TEST(paths_that_are_live_and_inaccessible_are_no_paths),
	      NVH_TEST(one_success_starts_the_clock_anew),
	      NVH_TEST(the_bound_can_be_changed_while_io_waits),
	      NVH_TEST(one_namespace_may_have_its_own),
	      NVH_TEST(what_waits_is_capped_and_what_was_out_is_not_dropped),
	      NVH_TEST(a_channel_just_opened_waits_for_its_paths),
	      NVH_TEST(fast_io_fail_bounds_inaccessible_paths_too))
