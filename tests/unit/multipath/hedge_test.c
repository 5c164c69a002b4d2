/*
 * Hedged reads: when a second copy is sent, that the first answer counts, and that the other one never
 * reaches the caller's buffer.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

static struct mpf_ctrlr *a, *b;
static struct nvh_ns *ns;
static struct nvh_channel *channel;
static uint8_t buf[4 * MPF_BLOCK], other[4 * MPF_BLOCK];

static struct nvhi_hedge_counts counts(void)
{
	struct nvhi_hedge_counts c;

	nvhi_mp_ns_hedged(ns, &c);
	return c;
}

static void submit(struct mpf_io *io, uint8_t op, uint64_t lba, void *data)
{
	mpf_io_init(io, op, lba, 4, data);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, io->io), 0);
}

/* Reads of 1 ms each over the path in use: its history, and what is earned for extra reads. */
static void warm_up(int reads)
{
	struct mpf_io io;

	for (int i = 0; i < reads; i++) {
		submit(&io, NVH_IO_READ, 0, other);
		mpf_advance_ms(1);
		mpf_serve();
		CU_ASSERT_EQUAL(io.err + (int)io.status, 0);
		mpf_io_done(&io);
	}
}

static void setup(int reads)
{
	mpf_start(1);
	a = mpf_join(0);
	b = mpf_join(1);
	ns = mpf_ns(a, 1, 7);
	mpf_ns(b, 1, 7);
	mpf_live(a);
	mpf_live(b);
	CU_ASSERT_EQUAL_FATAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "numa"), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_mp_set_hedge(&mpf.mp, MPF_NQN, true), 0);
	mpf_turns();
	for (size_t i = 0; i < sizeof(mpf.store); i++)
		mpf.store[i] = (uint8_t)(i / MPF_BLOCK + 1);
	warm_up(reads);
	memset(buf, 0xee, sizeof(buf));
}

static void teardown(void)
{
	nvhi_channel_close(channel);
	mpf_stop();
}

static bool buf_is(uint8_t value)
{
	for (size_t i = 0; i < sizeof(buf); i++)
		if (buf[i] != (uint8_t)(value + i / MPF_BLOCK))
			return false;
	return true;
}

static void a_late_read_is_sent_again_and_the_first_answer_counts(void)
{
	struct mpf_io io;

	for (int copy_wins = 0; copy_wins < 2; copy_wins++) {
		setup(200);
		submit(&io, NVH_IO_READ, 40, buf);
		CU_ASSERT_EQUAL_FATAL(mpf_lent(a, 0), 1);
		mpf_advance_ms(1);
		CU_ASSERT_EQUAL(mpf_lent(b, 0), 0);
		mpf_advance_ms(4);
		CU_ASSERT_EQUAL_FATAL(mpf_lent(b, 0), 1);
		CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(b, 0, 0)), 40);
		mpf_complete(copy_wins ? b : a, 0, 0, 0);
		CU_ASSERT_EQUAL(io.calls, 1);
		CU_ASSERT_EQUAL(io.err + (int)io.status, 0);
		CU_ASSERT_TRUE(buf_is(41));
		/* The caller's again: what comes later must not be seen there. */
		memset(buf, 0x55, sizeof(buf));
		memset(mpf.store, 0xcc, sizeof(mpf.store));
		mpf_complete(copy_wins ? a : b, 0, 0, 0);
		CU_ASSERT_EQUAL(io.calls, 1);
		for (size_t i = 0; i < sizeof(buf); i++)
			CU_ASSERT_EQUAL_FATAL(buf[i], 0x55);
		CU_ASSERT_EQUAL(counts().sent, 1);
		CU_ASSERT_EQUAL(counts().won, copy_wins);
		mpf_io_done(&io);
		teardown();
	}
}

static void a_copy_that_fails_leaves_it_to_the_other(void)
{
	struct mpf_io io;

	setup(200);
	submit(&io, NVH_IO_READ, 40, buf);
	mpf_advance_ms(5);
	CU_ASSERT_EQUAL_FATAL(mpf_lent(b, 0), 1);
	mpf_lost(b);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_complete(a, 0, 0, 0);
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_TRUE(buf_is(41));
	mpf_io_done(&io);
	teardown();

	setup(200);
	submit(&io, NVH_IO_READ, 40, buf);
	mpf_advance_ms(5);
	mpf_lost(a); /* the first one */
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_lost(b); /* and the second: it waits for a path as any read */
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_live(a);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err + (int)io.status, 0);
	CU_ASSERT_TRUE(buf_is(41));
	mpf_io_done(&io);
	teardown();
}

static void extra_reads_are_two_percent_at_most(void)
{
	struct nvhi_lane *lane;
	struct mpf_io io;

	setup(200);
	for (int i = 0; i < 5000; i++) {
		nvhi_list_for_each(lane, &channel->lanes, link) {
			lane->late_ns = NVHI_NSEC_PER_MSEC; /* whatever the history says */
			lane->late_at = lane->ios;
		}
		submit(&io, NVH_IO_READ, 40, buf);
		mpf_advance_ms(50); /* each is late */
		mpf_serve();
		mpf_io_done(&io);
	}
	CU_ASSERT_TRUE(counts().sent >= 50);
	CU_ASSERT_TRUE(counts().sent * 50 <= counts().reads);
	teardown();
}

static void only_small_whole_reads_are_hedged(void)
{
	static uint8_t large[64 * MPF_BLOCK];
	struct mpf_io read, write;

	setup(200);
	mpf_io_init(&read, NVH_IO_READ, 0, 64, large); /* in parts */
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, read.io), 0);
	submit(&write, NVH_IO_WRITE, 100, buf);
	mpf_advance_ms(500);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 0);
	mpf_serve();
	CU_ASSERT_EQUAL(read.err + write.err, 0);
	CU_ASSERT_EQUAL(memcmp(large, mpf.store, sizeof(large)), 0);
	CU_ASSERT_EQUAL(counts().sent, 0);
	mpf_io_done(&read);
	mpf_io_done(&write);
	teardown();
}

static void a_channel_that_closes_waits_for_the_losing_copy(void)
{
	struct mpf_io io;

	setup(200);
	submit(&io, NVH_IO_READ, 40, buf);
	mpf_advance_ms(5);
	mpf_complete(b, 0, 0, 0);
	CU_ASSERT_EQUAL(io.calls, 1);
	nvhi_channel_close(channel);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf.mp.nr_channels, 1);
	mpf_complete(a, 0, 0, 0);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf.mp.nr_channels, 0);
	mpf_io_done(&io);
	mpf_stop();
}

static void a_canceled_read_takes_both_copies_home(void)
{
	struct mpf_io io;

	setup(200);
	submit(&io, NVH_IO_READ, 40, buf);
	mpf_advance_ms(5);
	nvhi_channel_cancel(channel, io.io);
	mpf_turns();
	CU_ASSERT_TRUE(a->aborts_wanted && b->aborts_wanted);
	mpf_fail(b, 0, 0, -ECONNRESET);
	CU_ASSERT_EQUAL(io.calls, 0);
	mpf_fail(a, 0, 0, -ECONNRESET);
	mpf_turns();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, -ECANCELED);
	mpf_io_done(&io);
	teardown();
}

static void it_can_be_switched_off_and_without_it_the_one_path_is_taken_straight(void)
{
	struct mpf_io io;

	setup(200);
	CU_ASSERT_EQUAL(nvhi_mp_set_hedge(&mpf.mp, "nqn.unknown", false), -ENOENT);
	CU_ASSERT_EQUAL(nvhi_mp_set_hedge(&mpf.mp, MPF_NQN, false), 0);
	mpf_turns();
	submit(&io, NVH_IO_READ, 40, buf);
	mpf_advance_ms(500);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 0);
	mpf_serve();
	mpf_lost(b);
	CU_ASSERT_PTR_NOT_NULL(channel->only);
	mpf_io_done(&io);
	teardown();
}

NVH_UNIT_MAIN("multipath/hedge", NVH_TEST(a_late_read_is_sent_again_and_the_first_answer_counts),
	      NVH_TEST(a_copy_that_fails_leaves_it_to_the_other),
	      NVH_TEST(extra_reads_are_two_percent_at_most),
	      NVH_TEST(only_small_whole_reads_are_hedged),
	      NVH_TEST(a_channel_that_closes_waits_for_the_losing_copy),
	      NVH_TEST(a_canceled_read_takes_both_copies_home),
	      NVH_TEST(it_can_be_switched_off_and_without_it_the_one_path_is_taken_straight))
