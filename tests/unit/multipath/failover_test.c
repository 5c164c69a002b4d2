/*
 * The record of a failover: which steps it tells, in which order, and that it costs nothing while no
 * path was lost.
 */
#include <stdio.h>
#include <string.h>

#include "multipath/failover.h"
#include "tests/unit/mp_fixture.h"

static struct mpf_ctrlr *a, *b;
static struct nvh_ns *ns;
static struct nvh_channel *channel;
static uint8_t buf[8 * MPF_BLOCK];

static void setup(uint32_t reactor)
{
	mpf_start(reactor + 1);
	a = mpf_join(0);
	b = mpf_join(1);
	ns = mpf_ns(a, 1, 7);
	mpf_ns(b, 1, 7);
	mpf_live(a);
	mpf_live(b);
	CU_ASSERT_EQUAL_FATAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "numa"), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[reactor], &channel), 0);
	mpf_turns();
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

static const struct nvh_failover *latest(void)
{
	const struct nvh_failover *f = nvhi_failover_next(&mpf.mp, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	return f;
}

static void a_lost_path_is_told_step_by_step(void)
{
	const struct nvh_failover *f;
	struct mpf_io io;
	uint64_t lost;

	for (uint32_t reactor = 0; reactor < 2; reactor++) {
		setup(reactor);
		CU_ASSERT_PTR_NULL(nvhi_failover_next(&mpf.mp, 0));
		submit(&io, NVH_IO_READ);
		CU_ASSERT_EQUAL_FATAL(mpf_lent(a, reactor), 1);
		mpf_advance_ms(5);
		lost = mpf.time.now;
		mpf_down(a, reactor);
		CU_ASSERT_EQUAL(mpf_lent(b, reactor), 1);
		mpf_advance_ms(2);
		nvhi_failover_detected(&a->mpc, "connection reset by the test");
		f = latest();
		CU_ASSERT_STRING_EQUAL(f->ctrlr, "nvh0");
		CU_ASSERT_STRING_EQUAL(f->subnqn, MPF_NQN);
		CU_ASSERT_STRING_EQUAL(f->why, "connection reset by the test");
		CU_ASSERT_EQUAL(f->detected_ns, lost); /* the queue's reactor saw it first */
		CU_ASSERT_STRING_EQUAL(f->selected, "nvh1");
		CU_ASSERT_EQUAL(f->selected_ns, lost);
		CU_ASSERT_EQUAL(f->success_ns, 0);
		mpf_complete(b, reactor, 0, 0);
		mpf_turns();
		CU_ASSERT_EQUAL(io.calls, 1);
		CU_ASSERT_EQUAL(f->success_ns, mpf.time.now);
		CU_ASSERT_EQUAL(f->returned_ns, 0);
		mpf_advance_ms(50);
		mpf_up(a, reactor);
		nvhi_mp_ctrlr_live(&a->mpc, true);
		CU_ASSERT_EQUAL(f->returned_ns, mpf.time.now);
		CU_ASSERT_PTR_NULL(nvhi_failover_next(&mpf.mp, 1));
		CU_ASSERT_TRUE(mpf.failover_events >= 4);
		mpf_io_done(&io);
		teardown();
	}
}

static void suspicion_and_loss_are_one_failover(void)
{
	struct mpf_io io;

	setup(0);
	submit(&io, NVH_IO_READ);
	nvhi_failover_detected(&a->mpc, "no answer for 80 ms");
	mpf_advance_ms(100);
	nvhi_failover_detected(&a->mpc, "probe not answered");
	mpf_lost(a);
	CU_ASSERT_PTR_NULL(nvhi_failover_next(&mpf.mp, 1));
	CU_ASSERT_STRING_EQUAL(latest()->why, "probe not answered");
	CU_ASSERT_EQUAL(latest()->selected_ns - latest()->detected_ns, 100 * NVHI_NSEC_PER_MSEC);
	mpf_serve();
	/* Long after that one was over it is another one. */
	mpf_advance_ms(5000);
	nvhi_failover_detected(&a->mpc, "again");
	CU_ASSERT_STRING_EQUAL(latest()->why, "again");
	CU_ASSERT_PTR_NOT_NULL(nvhi_failover_next(&mpf.mp, 1));
	mpf_io_done(&io);
	teardown();
}

static void io_on_the_other_path_is_no_success_of_the_failover(void)
{
	struct mpf_io lost, other;

	setup(0);
	submit(&lost, NVH_IO_WRITE);
	nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "round-robin");
	submit(&other, NVH_IO_READ);
	if (mpf_lent(b, 0) == 0) { /* the turn began with a */
		mpf_complete(a, 0, 1, 0);
		mpf_io_done(&other);
		submit(&other, NVH_IO_READ);
	}
	CU_ASSERT_EQUAL_FATAL(mpf_lent(b, 0), 1);
	mpf_advance_ms(1);
	mpf_lost(a);
	nvhi_failover_detected(&a->mpc, "lost");
	mpf_complete(b, 0, 0, 0);
	mpf_turns();
	CU_ASSERT_EQUAL(other.calls, 1);
	CU_ASSERT_EQUAL(latest()->success_ns, 0);
	mpf_advance_ms(3);
	mpf_serve();
	CU_ASSERT_EQUAL(lost.calls, 1);
	CU_ASSERT_EQUAL(latest()->success_ns, mpf.time.now);
	mpf_io_done(&lost);
	mpf_io_done(&other);
	teardown();
}

static void nothing_is_selected_when_no_io_was_out(void)
{
	struct mpf_io io;

	setup(0);
	mpf_lost(a);
	nvhi_failover_detected(&a->mpc, "lost");
	mpf_advance_ms(10000);
	submit(&io, NVH_IO_READ);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(latest()->selected_ns, 0);
	CU_ASSERT_EQUAL(latest()->success_ns, 0);
	CU_ASSERT_PTR_NOT_NULL(channel->only);
	mpf_io_done(&io);
	teardown();
}

static void a_watch_ends_with_the_last_io_that_it_follows(void)
{
	struct mpf_io io;

	setup(0);
	mpf_lost(b);
	CU_ASSERT_PTR_NOT_NULL(channel->only);
	submit(&io, NVH_IO_READ);
	mpf_lost(a);
	CU_ASSERT_EQUAL(io.calls, 0);
	CU_ASSERT_PTR_NOT_NULL(channel->failover.lane);
	nvhi_channel_cancel(channel, io.io);
	mpf_turns();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_PTR_NULL(channel->failover.lane);
	mpf_live(a);
	CU_ASSERT_PTR_NOT_NULL(channel->only);
	mpf_io_done(&io);
	teardown();
}

static void a_lane_that_goes_takes_its_watch_along(void)
{
	struct mpf_io io;

	setup(0);
	submit(&io, NVH_IO_READ);
	mpf_lost(a);
	CU_ASSERT_PTR_NOT_NULL(channel->failover.lane);
	mpf_leave(a);
	CU_ASSERT_PTR_NULL(channel->failover.lane);
	CU_ASSERT_PTR_NOT_NULL(channel->only);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	teardown();
}

static void the_ring_keeps_the_last_ones(void)
{
	char why[16];

	setup(0);
	for (unsigned int i = 1; i <= 40; i++) {
		snprintf(why, sizeof(why), "loss %u", i);
		nvhi_failover_detected(&a->mpc, why);
		nvhi_failover_returned(&a->mpc);
		mpf_advance_ms(10);
		CU_ASSERT_EQUAL(latest()->id, i);
	}
	CU_ASSERT_STRING_EQUAL(nvhi_failover_next(&mpf.mp, 31)->why, "loss 9");
	CU_ASSERT_PTR_NULL(nvhi_failover_next(&mpf.mp, 32));
	nvhi_failover_fenced(&mpf.mp, 3, "too late to tell");
	nvhi_failover_fenced(&mpf.mp, 39, "fenced by CCR");
	CU_ASSERT_STRING_EQUAL(nvhi_failover_next(&mpf.mp, 1)->fence, "fenced by CCR");
	teardown();
}

NVH_UNIT_MAIN("multipath/failover", NVH_TEST(a_lost_path_is_told_step_by_step),
	       NVH_TEST(suspicion_and_loss_are_one_failover),
	       NVH_TEST(io_on_the_other_path_is_no_success_of_the_failover),
	       NVH_TEST(nothing_is_selected_when_no_io_was_out),
	       NVH_TEST(a_watch_ends_with_the_last_io_that_it_follows),
	       NVH_TEST(a_lane_that_goes_takes_its_watch_along),
	       NVH_TEST(the_ring_keeps_the_last_ones))
