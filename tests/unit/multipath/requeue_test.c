/*
 * I/O that waits, and what becomes of commands whose connection was lost.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

static struct mpf_ctrlr *c;
static struct nvh_ns *ns;
static struct nvh_channel *channel;
static uint8_t buf[64 * MPF_BLOCK];

static void setup_depth(uint16_t depth)
{
	mpf_start(1);
	mpf.depth = depth;
	c = mpf_join(0);
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
}

static void setup(void)
{
	setup_depth(8);
}

static void teardown(void)
{
	nvhi_channel_close(channel);
	mpf_stop();
}

static void submit(struct mpf_io *io, uint8_t op, uint64_t lba, uint32_t blocks)
{
	mpf_io_init(io, op, lba, blocks, buf);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, io->io), 0);
}

static void lost_io_comes_again_in_the_order_of_submission(void)
{
	struct mpf_io io[8];

	setup();
	for (int backwards = 0; backwards < 2; backwards++) {
		mpf.revoke_backwards = backwards;
		for (uint32_t i = 0; i < 8; i++)
			submit(&io[i], i & 1 ? NVH_IO_READ : NVH_IO_WRITE, i * 10, 1);
		CU_ASSERT_EQUAL(mpf_lent(c, 0), 8);
		mpf_down(c, 0);
		CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
		CU_ASSERT_EQUAL(io[0].calls, 0);
		mpf_up(c, 0);
		CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 8);
		for (uint32_t i = 0; i < 8; i++)
			CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c, 0, i)), i * 10);
		mpf_serve();
		for (uint32_t i = 0; i < 8; i++) {
			CU_ASSERT_EQUAL(io[i].calls, 1);
			CU_ASSERT_EQUAL(io[i].err, 0);
			mpf_io_done(&io[i]);
		}
	}
	teardown();
}

static void io_without_a_path_waits_and_leaves_the_turn_it_returns(void)
{
	struct mpf_io io[3];

	setup();
	mpf_down(c, 0);
	for (uint32_t i = 0; i < 3; i++)
		submit(&io[i], NVH_IO_WRITE, i, 1);
	mpf_advance_ms(5000);
	CU_ASSERT_EQUAL(io[0].calls, 0);
	mpf_up(c, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 3);
	CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c, 0, 2)), 2);
	mpf_serve();
	for (uint32_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		mpf_io_done(&io[i]);
	}
	teardown();
}

static void a_full_queue_is_waited_for_in_order(void)
{
	struct mpf_io io[20];

	setup();
	for (uint32_t i = 0; i < 20; i++)
		submit(&io[i], NVH_IO_READ, i, 1);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 8);
	for (uint32_t i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c, 0, 0)), i);
		mpf_complete(c, 0, 0, 0);
		CU_ASSERT_EQUAL(io[i].calls, 1);
		CU_ASSERT_EQUAL(io[i].order, i + 1);
	}
	for (uint32_t i = 0; i < 20; i++)
		mpf_io_done(&io[i]);
	teardown();
}

/* Two channels on one queue: neither starves. */
static void channels_of_one_queue_take_turns(void)
{
	struct nvh_channel *other;
	struct mpf_io a[20], b[20];

	setup_depth(2);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &other), 0);
	for (uint32_t i = 0; i < 20; i++)
		submit(&a[i], NVH_IO_READ, i, 1);
	for (uint32_t i = 0; i < 20; i++) {
		mpf_io_init(&b[i], NVH_IO_READ, 100 + i, 1, buf);
		CU_ASSERT_EQUAL(nvhi_channel_submit(other, b[i].io), 0);
	}
	for (uint32_t i = 0; i < 20; i++)
		mpf_complete(c, 0, 0, 0);
	CU_ASSERT_TRUE(a[8].calls == 1 && b[7].calls == 1);
	mpf_serve();
	for (uint32_t i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(a[i].calls + b[i].calls, 2);
		mpf_io_done(&a[i]);
		mpf_io_done(&b[i]);
	}
	nvhi_channel_close(other);
	teardown();
}

static void a_split_io_is_lost_half_way_and_still_ends_once(void)
{
	static uint8_t out[40 * MPF_BLOCK];
	struct mpf_io w;

	setup();
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 31 + i / 509);
	mpf_io_init(&w, NVH_IO_WRITE, 3, 40, out);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, w.io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 5);
	mpf_complete(c, 0, 0, 0);
	mpf_complete(c, 0, 1, 0); /* the third */
	mpf_down(c, 0);
	CU_ASSERT_EQUAL(w.calls, 0);
	mpf_up(c, 0);
	/* From the lowest block that is not certain on. */
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 4);
	CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c, 0, 0)), 11);
	mpf_serve();
	CU_ASSERT_EQUAL(w.calls, 1);
	CU_ASSERT_EQUAL(w.err, 0);
	CU_ASSERT_EQUAL(memcmp(mpf.store + 3 * MPF_BLOCK, out, sizeof(out)), 0);
	mpf_io_done(&w);
	teardown();
}

/* The buffer of a part that is still out is not lent again. */
static void no_part_is_repeated_while_another_is_out(void)
{
	struct mpf_io r;

	setup();
	submit(&r, NVH_IO_READ, 0, 24);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 3);
	mpf_complete(c, 0, 0, NVH_ST_NS_NOT_READY);
	mpf_advance_ms(1000);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 2);
	mpf_complete(c, 0, 0, 0);
	mpf_advance_ms(1000);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 1);
	mpf_complete(c, 0, 0, 0);
	CU_ASSERT_EQUAL(r.calls, 0);
	mpf_advance_ms(1000);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 3);
	mpf_serve();
	CU_ASSERT_EQUAL(r.calls, 1);
	mpf_io_done(&r);
	teardown();
}

static void passthrough_that_was_sent_is_never_repeated(void)
{
	struct nvh_cmd cmd = {.opc = NVH_OPC_WRITE};
	struct mpf_io p;

	setup();
	mpf_io_init(&p, NVH_IO_PASSTHRU, 0, 0, buf);
	p.iov[0].iov_len = MPF_BLOCK;
	p.io->cmd = &cmd;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, p.io), 0);
	mpf_down(c, 0);
	CU_ASSERT_EQUAL(p.calls, 1);
	CU_ASSERT_EQUAL(p.err, -ENOTCONN);
	mpf_up(c, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);

	mpf.unsent = true; /* it never left: safe */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, p.io), 0);
	mpf_down(c, 0);
	CU_ASSERT_EQUAL(p.calls, 1);
	mpf_up(c, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 1);
	mpf_serve();
	CU_ASSERT_EQUAL(p.calls, 2);
	CU_ASSERT_EQUAL(p.err, 0);
	mpf_io_done(&p);
	teardown();
}

static void a_command_that_breaks_each_connection_ends(void)
{
	struct mpf_io r;

	setup();
	mpf.lost_err = -EPROTO;
	submit(&r, NVH_IO_READ, 0, 1);
	for (int i = 0; i < NVHI_IO_MAX_TRIES; i++) {
		mpf_down(c, 0);
		CU_ASSERT_EQUAL(r.calls, 0);
		mpf_up(c, 0);
		CU_ASSERT_EQUAL(mpf_lent(c, 0), 1);
	}
	mpf_down(c, 0);
	CU_ASSERT_EQUAL(r.calls, 1);
	CU_ASSERT_EQUAL(r.err, -EPROTO);
	mpf_io_done(&r);
	teardown();
}

/* Not a busy loop, and not for ever. */
static void a_request_that_fails_alone_is_repeated_a_few_times(void)
{
	struct mpf_io r, w;
	int tries = 0;

	setup();
	submit(&r, NVH_IO_READ, 0, 1);
	while (!r.calls && tries < 100) {
		CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 1);
		mpf_fail(c, 0, 0, -EFAULT);
		CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
		mpf_advance_ms(1000);
		tries++;
	}
	CU_ASSERT_EQUAL(tries, NVHI_IO_MAX_TRIES + 1);
	CU_ASSERT_EQUAL(r.err, -ENOTCONN);
	submit(&w, NVH_IO_WRITE, 0, 1);
	mpf_fail(c, 0, 0, -EFAULT);
	mpf_advance_ms(10);
	mpf_serve();
	CU_ASSERT_EQUAL(w.calls, 1);
	CU_ASSERT_EQUAL(w.err, 0);
	mpf_io_done(&r);
	mpf_io_done(&w);
	teardown();
}

static void waiting_io_fails_when_the_controller_is_gone(void)
{
	struct mpf_io io[3];

	setup();
	submit(&io[0], NVH_IO_WRITE, 0, 1);
	submit(&io[1], NVH_IO_READ, 0, 16);
	mpf_down(c, 0);
	submit(&io[2], NVH_IO_FLUSH, 0, 0);
	mpf_leave(c);
	CU_ASSERT_EQUAL(mpf.removed, 1);
	for (uint32_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		CU_ASSERT_EQUAL(io[i].err, -ENOTCONN);
		CU_ASSERT_EQUAL(io[i].order, i + 1);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[i].io), -ENODEV);
		mpf_io_done(&io[i]);
	}
	CU_ASSERT_TRUE(c->left);
	teardown();
}

static void io_out_on_a_namespace_that_is_removed_may_still_succeed(void)
{
	struct mpf_io io[2];

	setup();
	submit(&io[0], NVH_IO_WRITE, 0, 1);
	submit(&io[1], NVH_IO_WRITE, 1, 1);
	nvhi_mp_ns_removed(&c->mpc, 1, -ENODEV);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 2);
	mpf_complete(c, 0, 0, 0);
	mpf_complete(c, 0, 0, NVH_ST_NS_NOT_READY);
	mpf_advance_ms(1000);
	CU_ASSERT_EQUAL(io[0].err, 0);
	CU_ASSERT_EQUAL(io[0].calls, 1);
	CU_ASSERT_EQUAL(io[1].calls, 1);
	CU_ASSERT_EQUAL(io[1].err, -ENODEV);
	mpf_io_done(&io[0]);
	mpf_io_done(&io[1]);
	teardown();
}

static void fast_io_fail_ends_what_waits_and_refuses_more_until_it_returns(void)
{
	struct mpf_io io;

	setup();
	submit(&io, NVH_IO_WRITE, 0, 1);
	mpf_lost(c);
	CU_ASSERT_EQUAL(io.calls, 0);
	nvhi_mp_ctrlr_fast_fail(&c->mpc);
	mpf_turns();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, -ENOTCONN);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -ENOTCONN);
	mpf_live(c);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 2);
	CU_ASSERT_EQUAL(io.err, 0);
	mpf_io_done(&io);
	teardown();
}

static struct mpf_io again;
static uint32_t again_left;

static void resubmit(struct mpf_io *io)
{
	if (again_left-- > 0)
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io->io), 0);
}

static void a_callback_may_submit(void)
{
	setup_depth(1);
	mpf_io_init(&again, NVH_IO_WRITE, 0, 20, buf); /* waits for room in itself */
	again.then = resubmit;
	again_left = 10;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, again.io), 0);
	mpf_serve();
	CU_ASSERT_EQUAL(again.calls, 11);
	mpf_io_done(&again);
	teardown();
}

static void close_channel(struct mpf_io *io)
{
	(void)io;
	nvhi_channel_close(channel);
}

static void a_callback_may_close(void)
{
	struct mpf_io io;

	setup();
	submit(&io, NVH_IO_READ, 0, 1);
	io.then = close_channel;
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(mpf.idle, 1);

	/* The same from a callback that was put off. */
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	mpf_down(c, 0);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	nvhi_channel_cancel(channel, io.io);
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_turns();
	CU_ASSERT_EQUAL(io.calls, 2);
	CU_ASSERT_EQUAL(io.err, -ECANCELED);
	CU_ASSERT_EQUAL(mpf.idle, 2);
	mpf_io_done(&io);
	mpf_stop();
}

/* The connection was found broken in this turn, and nobody has been told yet. Nothing else was out on it,
 * so nothing comes back that would take along what waits. */
static void io_refused_by_a_broken_connection_goes_elsewhere_once_that_is_told(void)
{
	struct mpf_io io[6];
	struct mpf_ctrlr *other;

	setup();
	other = mpf_join(1);
	CU_ASSERT_PTR_EQUAL(mpf_ns(other, 1, 7), ns);
	mpf_live(other);
	mpf_turns();
	c->broken = true;
	for (uint32_t i = 0; i < 6; i++)
		submit(&io[i], NVH_IO_READ, i, 1);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	mpf_down(c, 0);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf_lent(other, 0), 6);
	mpf_serve();
	for (uint32_t i = 0; i < 6; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		CU_ASSERT_EQUAL(io[i].err, 0);
		mpf_io_done(&io[i]);
	}
	teardown();
}

NVH_UNIT_MAIN("multipath/requeue", NVH_TEST(lost_io_comes_again_in_the_order_of_submission),
	      NVH_TEST(io_without_a_path_waits_and_leaves_the_turn_it_returns),
	      NVH_TEST(io_refused_by_a_broken_connection_goes_elsewhere_once_that_is_told),
	      NVH_TEST(a_full_queue_is_waited_for_in_order),
	      NVH_TEST(channels_of_one_queue_take_turns),
	      NVH_TEST(a_split_io_is_lost_half_way_and_still_ends_once),
	      NVH_TEST(no_part_is_repeated_while_another_is_out),
	      NVH_TEST(passthrough_that_was_sent_is_never_repeated),
	      NVH_TEST(a_command_that_breaks_each_connection_ends),
	      NVH_TEST(a_request_that_fails_alone_is_repeated_a_few_times),
	      NVH_TEST(waiting_io_fails_when_the_controller_is_gone),
	      NVH_TEST(io_out_on_a_namespace_that_is_removed_may_still_succeed),
	      NVH_TEST(fast_io_fail_ends_what_waits_and_refuses_more_until_it_returns),
	      NVH_TEST(a_callback_may_submit), NVH_TEST(a_callback_may_close))
