/*
 * The health of paths: which silence is believed, who is given up for it, and how long a path that
 * flaps must wait. Real queues and their looks (host/ctrlr/ioq_health.c) on a clock set by hand.
 */
#include <string.h>

#include "tests/unit/mp_fixture.h"

static struct mpf_ctrlr *a, *b;
static struct nvh_ns *ns;
static struct nvh_channel *channel;
static uint8_t buf[8 * MPF_BLOCK];

static void setup(bool two)
{
	mpf_start(1);
	a = mpf_join(0);
	ns = mpf_ns(a, 1, 7);
	if (two) {
		b = mpf_join(1);
		mpf_ns(b, 1, 7);
		mpf_live(b);
	}
	mpf_live(a);
	CU_ASSERT_EQUAL_FATAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "numa"), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	mpf_turns();
}

static void teardown(void)
{
	nvhi_channel_close(channel);
	mpf_stop();
}

/* In steps: a late look is not believed. */
static void pass_ms(uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i += 5)
		mpf_advance_ms(5);
}

static void submit(struct mpf_io *io)
{
	mpf_io_init(io, NVH_IO_READ, 0, 1, buf);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel, io->io), 0);
	mpf_turns();
}

static void probe_answers(struct mpf_ctrlr *c)
{
	c->inner->probe.answered_ns = mpf.time.now;
}

static void probe_is_silent(struct mpf_ctrlr *c)
{
	c->inner->probe.silent_ns = mpf.time.now;
}

static enum nvhi_ioq_health health(const struct mpf_ctrlr *c)
{
	return nvhi_ioq_health(&c->inner->ioqs[0]);
}

static void a_quiet_path_gets_no_new_io_while_another_is_good(void)
{
	struct mpf_io first, second, third;

	setup(true);
	submit(&first);
	CU_ASSERT_EQUAL_FATAL(mpf_lent(a, 0), 1);
	pass_ms(90);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	CU_ASSERT_EQUAL(a->probes_wanted, 0);
	pass_ms(20);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_DOUBTFUL);
	CU_ASSERT_EQUAL(a->probes_wanted, 1);
	CU_ASSERT_EQUAL(b->probes_wanted, 1); /* is it the path, or everything? */
	submit(&second);
	CU_ASSERT_EQUAL(mpf_lent(a, 0), 1);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 1);
	/* It was only slow. */
	mpf_complete(a, 0, 0, 0);
	pass_ms(25);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	submit(&third);
	CU_ASSERT_EQUAL(mpf_lent(a, 0), 1);
	mpf_serve();
	mpf_io_done(&first);
	mpf_io_done(&second);
	mpf_io_done(&third);
	teardown();
}

/* What it heard before and what it receives after are no time that a command took. */
static void an_outage_is_not_taken_for_the_usual_time(void)
{
	struct mpf_io before, after;

	setup(true);
	submit(&before);
	mpf_complete(a, 0, 0, 0);
	mpf_turns();
	mpf_lost(a);
	pass_ms(3000);
	mpf_live(a);
	a->queues[0].qpair.last_rx_ns = mpf.time.now; /* the answer to Connect */
	submit(&after);
	CU_ASSERT_EQUAL_FATAL(mpf_lent(a, 0), 1);
	pass_ms(90);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	pass_ms(20);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_DOUBTFUL);
	mpf_serve();
	mpf_io_done(&before);
	mpf_io_done(&after);
	teardown();
}

static void a_silent_path_is_given_up_once_another_has_answered(void)
{
	struct mpf_io io;

	setup(true);
	submit(&io);
	pass_ms(110);
	pass_ms(150);
	probe_is_silent(a);
	pass_ms(25);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_SILENT);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 0); /* perhaps it is this machine that stands still */
	probe_answers(b);
	pass_ms(25);
	CU_ASSERT_EQUAL(nvhi_ioq_state(&a->inner->ioqs[0]), NVHI_IOQ_ABSENT);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io.err, 0);
	mpf_io_done(&io);
	teardown();
}

static void nobody_is_doubted_when_detection_is_off(void)
{
	struct mpf_io io;

	setup(true);
	a->inner->opts.suspect_ms = b->inner->opts.suspect_ms = 0;
	submit(&io);
	pass_ms(3000);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	CU_ASSERT_EQUAL(a->probes_wanted, 0);
	mpf_serve();
	mpf_io_done(&io);
	teardown();
}

static void the_time_until_a_doubt_may_be_told(void)
{
	struct mpf_io io;

	setup(true);
	a->inner->opts.suspect_ms = 400;
	submit(&io);
	pass_ms(390);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	pass_ms(20);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_DOUBTFUL);
	mpf_serve();
	mpf_io_done(&io);
	teardown();
}

static void a_path_alone_is_not_given_up_for_its_silence(void)
{
	struct mpf_io io, later;

	setup(false);
	submit(&io);
	pass_ms(110);
	probe_is_silent(a);
	pass_ms(3000);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_SILENT);
	CU_ASSERT_EQUAL(nvhi_ioq_state(&a->inner->ioqs[0]), NVHI_IOQ_LIVE);
	submit(&later);
	CU_ASSERT_EQUAL(mpf_lent(a, 0), 2);
	mpf_complete(a, 0, 0, 0);
	pass_ms(25);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	mpf_serve();
	mpf_io_done(&io);
	mpf_io_done(&later);
	teardown();
}

static void a_slow_command_does_not_condemn_a_path_that_answers(void)
{
	uint32_t asked;
	struct mpf_io held, io;

	setup(true);
	submit(&held);
	pass_ms(110);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_DOUBTFUL);
	probe_answers(a);
	pass_ms(25);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	submit(&io);
	CU_ASSERT_EQUAL(mpf_lent(a, 0), 2);
	mpf_complete(a, 0, 1, 0);
	/* Asked less and less often while the one command stays out: 100, 200, 400, 800, 1600... */
	asked = a->probes_wanted;
	for (uint32_t i = 0; i < 800; i++) {
		pass_ms(5);
		probe_answers(a);
	}
	CU_ASSERT_TRUE(a->probes_wanted - asked <= 6);
	CU_ASSERT_EQUAL(nvhi_ioq_state(&a->inner->ioqs[0]), NVHI_IOQ_LIVE);
	mpf_serve();
	mpf_io_done(&held);
	mpf_io_done(&io);
	teardown();
}

static const char *shown(struct mpf_ctrlr *c)
{
	struct nvh_path_info info;

	for (uint32_t i = 0; i < 2; i++) {
		memset(&info, 0, sizeof(info));
		if (nvhi_mp_path(nvhi_channel_ns(channel), i, &info) == &c->mpc)
			return info.state;
	}
	return "";
}

static void what_a_path_is_held_for_is_shown(void)
{
	struct mpf_io held;

	setup(true);
	CU_ASSERT_STRING_EQUAL(shown(a), "live");
	submit(&held);
	pass_ms(110);
	CU_ASSERT_STRING_EQUAL(shown(a), "suspect");
	CU_ASSERT_STRING_EQUAL(shown(b), "live");
	probe_answers(a);
	pass_ms(25);
	CU_ASSERT_STRING_EQUAL(shown(a), "live");
	mpf_serve();
	mpf_io_done(&held);
	for (int times = 0; times < 2; times++) {
		mpf_lost(a);
		pass_ms(50);
		mpf_live(a);
		mpf_turns();
	}
	CU_ASSERT_STRING_EQUAL(shown(a), "probation");
	pass_ms(2100);
	CU_ASSERT_STRING_EQUAL(shown(a), "live");
	teardown();
}

static void a_cut_way_is_silent_whatever_the_controller_says_elsewhere(void)
{
	struct mpf_io io;

	setup(true);
	submit(&io);
	a->cut = true;
	pass_ms(110);
	probe_answers(a);
	probe_answers(b);
	pass_ms(25);
	CU_ASSERT_EQUAL(nvhi_ioq_state(&a->inner->ioqs[0]), NVHI_IOQ_ABSENT);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 1);
	mpf_serve();
	mpf_io_done(&io);
	teardown();
}

static void a_queue_that_is_slow_by_nature_gets_more_time(void)
{
	struct mpf_io io;

	setup(true);
	for (int i = 0; i < 40; i++) {
		submit(&io);
		pass_ms(60);
		mpf_complete(a, 0, 0, 0);
		mpf_io_done(&io);
		pass_ms(60);
	}
	submit(&io);
	pass_ms(250);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_GOOD);
	pass_ms(150);
	CU_ASSERT_EQUAL(health(a), NVHI_IOQ_DOUBTFUL);
	mpf_serve();
	mpf_io_done(&io);
	teardown();
}

static uint32_t served_by_a;

/* Where does an I/O go now? */
static bool goes_over_a(void)
{
	struct mpf_io io;
	bool there;

	submit(&io);
	there = mpf_lent(a, 0) > 0;
	served_by_a += there;
	mpf_serve();
	mpf_io_done(&io);
	return there;
}

static void a_path_that_flaps_is_left_alone_longer_each_time(void)
{
	uint32_t switches = 0, early = 0;
	bool last;

	setup(true);
	last = goes_over_a();
	CU_ASSERT_TRUE(last);
	for (uint32_t second = 0; second < 60;
	     second++) { /* half a second away, half a second here */
		mpf_lost(a);
		for (uint32_t half = 0; half < 2; half++) {
			for (uint32_t i = 0; i < 10; i++) {
				bool now = goes_over_a();

				switches += now != last;
				last = now;
				pass_ms(50);
			}
			if (half == 0)
				mpf_live(a);
		}
		if (second == 4)
			early = switches;
	}
	CU_ASSERT_TRUE(switches - early <= 3);
	/* It stays up: trusted again in the end. */
	for (uint32_t i = 0; i < 1300 && !goes_over_a(); i++)
		pass_ms(50);
	CU_ASSERT_TRUE(goes_over_a());
	teardown();
}

static void a_single_loss_costs_no_trust(void)
{
	setup(true);
	CU_ASSERT_TRUE(goes_over_a());
	mpf_lost(a);
	CU_ASSERT_FALSE(goes_over_a());
	mpf_live(a);
	CU_ASSERT_TRUE(goes_over_a());
	/* And without another path nobody waits for the end of a probation. */
	mpf_lost(a);
	mpf_live(a);
	CU_ASSERT_FALSE(goes_over_a());
	mpf_lost(b);
	CU_ASSERT_TRUE(goes_over_a());
	teardown();
}

NVH_UNIT_MAIN("multipath/health", NVH_TEST(a_quiet_path_gets_no_new_io_while_another_is_good),
	      NVH_TEST(an_outage_is_not_taken_for_the_usual_time),
	      NVH_TEST(a_silent_path_is_given_up_once_another_has_answered),
	      NVH_TEST(nobody_is_doubted_when_detection_is_off),
	      NVH_TEST(the_time_until_a_doubt_may_be_told),
	      NVH_TEST(a_path_alone_is_not_given_up_for_its_silence),
	      NVH_TEST(a_slow_command_does_not_condemn_a_path_that_answers),
	      NVH_TEST(what_a_path_is_held_for_is_shown),
	      NVH_TEST(a_cut_way_is_silent_whatever_the_controller_says_elsewhere),
	      NVH_TEST(a_queue_that_is_slow_by_nature_gets_more_time),
	      NVH_TEST(a_path_that_flaps_is_left_alone_longer_each_time),
	      NVH_TEST(a_single_loss_costs_no_trust))
