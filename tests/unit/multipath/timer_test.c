/*
 * Deadlines, retry delays, holds and cancel.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

static struct mpf_ctrlr *c;
static struct nvh_ns *ns;
static struct nvh_channel *channel;
static uint8_t buf[64 * MPF_BLOCK];

static void setup(void)
{
	mpf_start(1);
	mpf.depth = 4;
	c = mpf_join(0);
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
}

static void teardown(void)
{
	nvhi_channel_close(channel);
	mpf_stop();
}

static void submit_by(struct mpf_io *io, uint8_t op, uint32_t blocks, uint64_t ms)
{
	mpf_io_init(io, op, 0, blocks, buf);
	if (ms)
		io->io->deadline_ns = mpf.time.now + ms * NVHI_NSEC_PER_MSEC;
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, io->io), 0);
}

static void waiting_io_ends_at_its_deadline(void)
{
	struct mpf_io io[4];

	setup();
	mpf_down(c, 0);
	submit_by(&io[0], NVH_IO_READ, 1, 300);
	submit_by(&io[1], NVH_IO_READ, 1, 100);
	submit_by(&io[2], NVH_IO_READ, 1, 0);
	submit_by(&io[3], NVH_IO_READ, 1, 200);
	mpf_advance_ms(99);
	CU_ASSERT_EQUAL(mpf_calls, 0);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(io[1].calls, 1);
	CU_ASSERT_EQUAL(io[1].err, -ETIMEDOUT);
	mpf_advance_ms(100);
	CU_ASSERT_EQUAL(io[3].calls, 1);
	mpf_up(c, 0);
	mpf_serve();
	CU_ASSERT_EQUAL(io[0].err, 0);
	CU_ASSERT_EQUAL(io[2].err, 0);
	mpf_advance_ms(10000);
	for (int i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		mpf_io_done(&io[i]);
	}
	teardown();
}

/* The buffer is lent until the command is home. */
static void io_that_is_out_is_aborted_and_ends_when_it_comes(void)
{
	struct mpf_io io[3];

	setup();
	submit_by(&io[0], NVH_IO_WRITE, 1, 50);
	submit_by(&io[1], NVH_IO_WRITE, 1, 50);
	submit_by(&io[2], NVH_IO_WRITE, 1, 50);
	mpf_advance_ms(50);
	CU_ASSERT_EQUAL(mpf_calls, 0);
	CU_ASSERT_TRUE(c->aborts_wanted > 0);
	mpf_complete(c, 0, 0, NVH_ST_ABORT_REQUESTED);
	CU_ASSERT_EQUAL(io[0].err, -ETIMEDOUT);
	mpf_complete(c, 0, 0, 0); /* it was faster: a true success */
	CU_ASSERT_EQUAL(io[1].err, 0);
	CU_ASSERT_EQUAL(io[1].calls, 1);
	mpf_down(c, 0);
	CU_ASSERT_EQUAL(io[2].err, -ETIMEDOUT);
	mpf_up(c, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		mpf_io_done(&io[i]);
	}
	teardown();
}

static void a_deadline_in_the_past_ends_soon_and_not_inside(void)
{
	struct mpf_io io;

	setup();
	mpf_down(c, 0);
	mpf_io_init(&io, NVH_IO_READ, 0, 1, buf);
	io.io->deadline_ns = 1;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_turns();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, -ETIMEDOUT);
	mpf_io_done(&io);
	teardown();
}

static void a_split_io_that_partly_waits_ends_at_its_deadline(void)
{
	struct mpf_io io;

	setup();
	submit_by(&io, NVH_IO_READ, 64, 50); /* 8 parts, 4 of them out */
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 4);
	mpf_advance_ms(50);
	CU_ASSERT_EQUAL(io.calls, 0);
	for (int i = 0; i < 4; i++)
		mpf_complete(c, 0, 0, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, -ETIMEDOUT);
	mpf_io_done(&io);
	teardown();
}

static void cancel_ends_what_waits_and_never_inside(void)
{
	struct mpf_io io[3];

	setup();
	mpf_down(c, 0);
	for (int i = 0; i < 3; i++)
		submit_by(&io[i], NVH_IO_READ, 1, 1000);
	nvhi_channel_cancel(channel, io[1].io);
	nvhi_channel_cancel(channel, io[1].io);
	CU_ASSERT_EQUAL(mpf_calls, 0);
	mpf_turns();
	CU_ASSERT_EQUAL(io[1].calls, 1);
	CU_ASSERT_EQUAL(io[1].err, -ECANCELED);
	nvhi_channel_cancel(channel, io[1].io); /* it is the caller's: nothing happens */
	mpf_up(c, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 2);
	mpf_serve();
	mpf_advance_ms(5000);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		mpf_io_done(&io[i]);
	}
	teardown();
}

static void cancel_of_what_is_out_waits_for_it(void)
{
	struct mpf_io io[2];

	setup();
	submit_by(&io[0], NVH_IO_WRITE, 8, 0);
	submit_by(&io[1], NVH_IO_WRITE, 20, 0); /* three parts */
	nvhi_channel_cancel(channel, io[0].io);
	nvhi_channel_cancel(channel, io[1].io);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf_calls, 0);
	CU_ASSERT_TRUE(c->aborts_wanted > 0);
	mpf_down(c, 0);
	CU_ASSERT_EQUAL(io[0].err, -ECANCELED);
	CU_ASSERT_EQUAL(io[1].err, -ECANCELED);
	mpf_up(c, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		mpf_io_done(&io[i]);
	}
	teardown();
}

static void a_retry_delay_is_waited_out_to_the_millisecond(void)
{
	struct mpf_io io;

	setup();
	submit_by(&io, NVH_IO_WRITE, 1, 0);
	mpf_complete(c, 0, 0, NVH_ST_NS_NOT_READY | 2u << NVH_CPL_CRD_SHIFT);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_advance_ms(499);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err + (int)io.status, 0);
	mpf_io_done(&io);
	teardown();
}

static void a_namespace_that_stays_not_ready_is_an_error_in_the_end(void)
{
	struct mpf_io io;
	int tries = 0;

	setup();
	submit_by(&io, NVH_IO_WRITE, 1, 0);
	while (!io.calls && tries < 100) {
		CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 1);
		mpf_complete(c, 0, 0, NVH_ST_NS_NOT_READY);
		mpf_advance_ms(1000);
		tries++;
	}
	CU_ASSERT_EQUAL(tries, NVHI_IO_MAX_TRIES + 1);
	CU_ASSERT_EQUAL(io.status, NVH_ST_NS_NOT_READY);
	mpf_io_done(&io);
	teardown();
}

static void a_delayed_io_can_be_canceled_and_can_expire(void)
{
	struct mpf_io io[2];

	setup();
	submit_by(&io[0], NVH_IO_READ, 1, 0);
	submit_by(&io[1], NVH_IO_READ, 1, 200);
	mpf_complete(c, 0, 0, NVH_ST_NS_NOT_READY | 3u << NVH_CPL_CRD_SHIFT);
	mpf_complete(c, 0, 0, NVH_ST_NS_NOT_READY | 3u << NVH_CPL_CRD_SHIFT);
	nvhi_channel_cancel(channel, io[0].io);
	mpf_turns();
	CU_ASSERT_EQUAL(io[0].err, -ECANCELED);
	mpf_advance_ms(200);
	CU_ASSERT_EQUAL(io[1].err, -ETIMEDOUT);
	mpf_advance_ms(10000);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	CU_ASSERT_EQUAL(mpf_calls, 2);
	mpf_io_done(&io[0]);
	mpf_io_done(&io[1]);
	teardown();
}

/* One path that answers "inaccessible": it is asked again, less and less often, until it works. */
static void a_path_that_refuses_is_left_alone_for_a_while(void)
{
	struct mpf_io io, more;
	uint32_t asked = 0;
	int ms;

	setup();
	submit_by(&io, NVH_IO_WRITE, 1, 0);
	mpf_complete(c, 0, 0, NVH_ST_ANA_INACCESSIBLE);
	submit_by(&more, NVH_IO_WRITE, 1, 0); /* not sent: it waits like the first */
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	for (ms = 0; ms < 3000; ms += 10) {
		mpf_advance_ms(10);
		while (mpf_lent(c, 0)) {
			asked++;
			mpf_complete(c, 0, 0, NVH_ST_ANA_INACCESSIBLE);
		}
	}
	CU_ASSERT_TRUE(asked >= 6 && asked <= 20);
	CU_ASSERT_EQUAL(mpf_calls, 0);
	mpf_advance_ms(1000);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(more.calls, 1);
	CU_ASSERT_EQUAL(io.err + (int)io.status, 0);

	/* For longer than ctrl-loss-tmo: no path is the answer. */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	for (ms = 0; ms < 20000 && io.calls == 1; ms += 100) {
		while (mpf_lent(c, 0))
			mpf_complete(c, 0, 0, NVH_ST_ANA_INACCESSIBLE);
		mpf_advance_ms(100);
	}
	CU_ASSERT_EQUAL(io.calls, 2);
	CU_ASSERT_TRUE(ms >= 10000 && ms <= 10200);
	CU_ASSERT_TRUE(io.err == -ENOTCONN || io.status == NVH_ST_ANA_INACCESSIBLE);
	mpf_io_done(&io);
	mpf_io_done(&more);
	teardown();
}

static void an_idle_channel_has_nothing_due(void)
{
	setup();
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(mpf.reactors[0]), NVHI_NEVER);
	teardown();
}

NVH_UNIT_MAIN("multipath/timer", NVH_TEST(waiting_io_ends_at_its_deadline),
	      NVH_TEST(io_that_is_out_is_aborted_and_ends_when_it_comes),
	      NVH_TEST(a_deadline_in_the_past_ends_soon_and_not_inside),
	      NVH_TEST(a_split_io_that_partly_waits_ends_at_its_deadline),
	      NVH_TEST(cancel_ends_what_waits_and_never_inside),
	      NVH_TEST(cancel_of_what_is_out_waits_for_it),
	      NVH_TEST(a_retry_delay_is_waited_out_to_the_millisecond),
	      NVH_TEST(a_namespace_that_stays_not_ready_is_an_error_in_the_end),
	      NVH_TEST(a_delayed_io_can_be_canceled_and_can_expire),
	      NVH_TEST(a_path_that_refuses_is_left_alone_for_a_while),
	      NVH_TEST(an_idle_channel_has_nothing_due))
