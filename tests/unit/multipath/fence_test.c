/*
 * Fences: writes of unknown fate, what is repeated when, and what waits for the proof.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ioq_impl.h"
#include "multipath/fence.h"
#include "tests/unit/mp_fixture.h"

#define KATO 1000u

static struct mpf_ctrlr *c[2];
static struct nvh_ns *ns;
static struct nvh_channel *channel[2];
static uint8_t buf[64 * MPF_BLOCK];

static struct mpf_ctrlr *join(unsigned int i, uint16_t cqt_ms)
{
	c[i] = mpf_join(i);
	c[i]->inner->caps.kato_ms = KATO;
	c[i]->inner->caps.cqt_ms = cqt_ms;
	ns = mpf_ns(c[i], 1, 7);
	mpf_live(c[i]);
	return c[i];
}

/* `paths` to one namespace, a channel on each reactor. */
static void setup(enum nvhi_write_fence mode, uint16_t cqt_ms, unsigned int paths,
		  uint32_t reactors)
{
	mpf_start(reactors);
	mpf.write_fence = (uint8_t)mode;
	mpf.depth = 8;
	for (unsigned int i = 0; i < paths; i++)
		join(i, cqt_ms);
	for (uint32_t r = 0; r < reactors; r++)
		CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[r], &channel[r]), 0);
	mpf_turns();
}

static void teardown(uint32_t reactors)
{
	for (uint32_t r = 0; r < reactors; r++)
		nvhi_channel_close(channel[r]);
	mpf_turns();
	mpf_stop();
}

static void submit_on(uint32_t r, struct mpf_io *io, uint8_t op, uint64_t lba, uint32_t blocks)
{
	mpf_io_init(io, op, lba, blocks, op == NVH_IO_WRITE || op == NVH_IO_READ ? buf : NULL);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel[r], io->io), 0);
	mpf_turns();
}

static void submit(struct mpf_io *io, uint8_t op, uint64_t lba, uint32_t blocks)
{
	submit_on(0, io, op, lba, blocks);
}

/* Which controller has commands, and how many, on reactor 0. */
static uint32_t lent(unsigned int i)
{
	return mpf_lent(c[i], 0);
}

static unsigned int holder(void)
{
	return lent(0) ? 0 : 1;
}

static void finish(struct mpf_io *io, uint32_t count)
{
	mpf_serve();
	for (uint32_t i = 0; i < count; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		CU_ASSERT_EQUAL(io[i].err, 0);
		mpf_io_done(&io[i]);
	}
}

/* ---- what is repeated when --------------------------------------------------------------------- */

static void a_write_is_not_retried_before_the_fence(void)
{
	struct mpf_io io[1];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_STRICT, 0, 2, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 0);
	mpf_advance_ms(2 * KATO - 1);
	CU_ASSERT_EQUAL(lent(!from), 0);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(lent(!from), 1);
	finish(io, 1);
	teardown(1);
}

/* The Disconnect's answer said that it strikes no more. */
static void a_write_of_a_queue_that_was_disconnected_needs_no_fence(void)
{
	struct mpf_io io[2];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_STRICT, 0, 2, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	c[from]->inner->ioqs[0].settled = true;
	mpf_down(c[from], 0);
	mpf_turns();
	CU_ASSERT_EQUAL(lent(!from), 1);
	submit(&io[1], NVH_IO_WRITE, 5, 1);
	CU_ASSERT_EQUAL(lent(!from), 2);
	finish(io, 2);
	teardown(1);
}

static void traffic_based_keep_alive_takes_a_third_kato_and_cqt_is_added(void)
{
	struct mpf_io io[1];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 70, 2, 1);
	c[0]->inner->caps.tbkas = c[1]->inner->caps.tbkas = true;
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	mpf_advance_ms(3 * KATO + 69);
	CU_ASSERT_EQUAL(lent(!from), 0);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(lent(!from), 1);
	finish(io, 1);
	teardown(1);
}

static void without_an_offer_it_is_repeated_at_once_and_what_overlaps_waits(void)
{
	struct mpf_io io[5];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 0, 2, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 2);
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io[0].calls, 1);
	submit(&io[1], NVH_IO_WRITE, 6, 1);
	submit(&io[2], NVH_IO_WRITE_ZEROES, 0, 6);
	submit(&io[3], NVH_IO_READ, 5, 1);
	submit(&io[4], NVH_IO_WRITE, 7, 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io[1].calls + io[2].calls, 0);
	CU_ASSERT_EQUAL(io[3].calls, 1);
	CU_ASSERT_EQUAL(io[4].calls, 1);
	mpf_advance_ms(2 * KATO);
	finish(io, 5);
	teardown(1);
}

static void what_waits_for_an_offer_that_failed_goes_on_and_what_waits_for_order_does_not(void)
{
	struct mpf_io io[3];
	struct nvhi_fence *fence;

	setup(NVHI_WRITE_FENCE_AUTO, 70, 1, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	submit(&io[1], NVH_IO_DEALLOCATE, 20, 1);
	mpf_lost(c[0]);
	mpf_live(c[0]);
	mpf_turns();
	fence = nvhi_list_first(&mpf.mp.fences, struct nvhi_fence, link);
	CU_ASSERT_EQUAL(io[0].calls, 0);
	nvhi_fence_offer_failed(fence);
	mpf_turns();
	mpf_serve();
	CU_ASSERT_EQUAL(io[0].calls, 1);
	CU_ASSERT_EQUAL(io[1].calls, 0); /* a deallocation waits for the proof */
	submit(&io[2], NVH_IO_WRITE, 5, 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io[2].calls, 0); /* and so does what overlaps */
	mpf_advance_ms(2 * KATO + 70);
	finish(io, 3);
	teardown(1);
}

static void what_is_no_write_is_repeated_at_once(void)
{
	static const uint8_t ops[] = {NVH_IO_READ, NVH_IO_VERIFY};
	struct mpf_io io[2];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_STRICT, 100, 2, 1);
	for (uint32_t i = 0; i < 2; i++) {
		submit(&io[i], ops[i], 5, 1);
		from = holder();
		mpf_lost(c[from]);
		CU_ASSERT_EQUAL(lent(!from), 1);
		mpf_serve();
		mpf_live(c[from]);
	}
	CU_ASSERT_TRUE(nvhi_list_empty(&mpf.mp.fences));
	finish(io, 2);
	teardown(1);
}

/* Its repetition may do nothing, and its ghost zero what was read since. */
static void a_deallocation_waits_always(void)
{
	struct mpf_io io[1];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 0, 2, 1);
	submit(&io[0], NVH_IO_DEALLOCATE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 0);
	mpf_advance_ms(2 * KATO);
	CU_ASSERT_EQUAL(lent(!from), 1);
	finish(io, 1);
	teardown(1);
}

static void writes_that_overlap_lose_their_order_and_wait(void)
{
	struct mpf_io io[3];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 0, 1, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 2);
	submit(&io[1], NVH_IO_WRITE, 6, 2);
	submit(&io[2], NVH_IO_WRITE, 20, 1);
	from = holder();
	mpf_lost(c[from]);
	mpf_live(c[from]);
	CU_ASSERT_EQUAL(lent(from), 1); /* the third alone */
	CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c[from], 0, 0)), 20);
	mpf_advance_ms(2 * KATO);
	finish(io, 3);
	teardown(1);
}

/* One of unknown fate, the other still out on another path. */
static void a_write_that_crosses_one_under_way_waits(void)
{
	struct mpf_io io[2];
	uint32_t on[2];

	setup(NVHI_WRITE_FENCE_AUTO, 0, 2, 1);
	CU_ASSERT_EQUAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "round-robin"), 0);
	mpf_turns();
	submit(&io[0], NVH_IO_WRITE, 5, 2);
	on[0] = lent(0) ? 0 : 1;
	submit(&io[1], NVH_IO_WRITE, 6, 2);
	on[1] = !on[0];
	CU_ASSERT_EQUAL_FATAL(lent(on[1]), 1);
	mpf_lost(c[on[0]]);
	CU_ASSERT_EQUAL(lent(on[1]), 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io[0].calls, 0);
	CU_ASSERT_EQUAL(io[1].calls, 1);
	mpf_advance_ms(2 * KATO);
	finish(io, 2);
	teardown(1);
}

static void off_neither_waits_nor_holds(void)
{
	struct mpf_io io[2];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_OFF, 100, 2, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 1);
	submit(&io[1], NVH_IO_WRITE, 5, 1);
	CU_ASSERT_EQUAL(lent(!from), 2);
	finish(io, 2);
	teardown(1);
}

static void what_was_never_sent_needs_no_fence(void)
{
	struct mpf_io io[1];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_STRICT, 0, 2, 1);
	mpf.unsent = true;
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	mpf.unsent = false;
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 1);
	finish(io, 1);
	teardown(1);
}

/* ---- what was failed to the caller --------------------------------------------------------------- */

static void a_write_failed_to_the_caller_holds_its_successor(void)
{
	struct mpf_io io[2];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_STRICT, 0, 2, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	nvhi_channel_cancel(channel[0], io[0].io);
	mpf_turns();
	CU_ASSERT_EQUAL(io[0].calls, 1);
	CU_ASSERT_EQUAL(io[0].err, -ECANCELED);
	mpf_io_done(&io[0]);
	submit(&io[1], NVH_IO_WRITE, 5, 1);
	CU_ASSERT_EQUAL(lent(!from), 0);
	mpf_advance_ms(2 * KATO);
	CU_ASSERT_EQUAL(lent(!from), 1);
	finish(&io[1], 1);
	teardown(1);
}

static void a_held_write_can_be_canceled(void)
{
	struct mpf_io io[2];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 0, 2, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	mpf_serve();
	submit(&io[1], NVH_IO_WRITE, 5, 1);
	nvhi_channel_cancel(channel[0], io[1].io);
	mpf_turns();
	CU_ASSERT_EQUAL(io[1].calls, 1);
	CU_ASSERT_EQUAL(io[1].err, -ECANCELED);
	mpf_io_done(&io[0]);
	mpf_io_done(&io[1]);
	teardown(1);
}

static void a_passthrough_write_is_not_repeated_but_fenced(void)
{
	struct nvh_cmd cmd = {.opc = NVH_OPC_WRITE};
	struct mpf_io io[3];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 0, 2, 1);
	nvh_le32_put(&cmd.nsid, 1);
	nvh_le32_put(&cmd.cdw10, 5);
	mpf_io_init(&io[0], NVH_IO_PASSTHRU, 0, 1, buf);
	io[0].io->cmd = &cmd;
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_submit(channel[0], io[0].io), 0);
	mpf_turns();
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(io[0].calls, 1);
	CU_ASSERT_EQUAL(io[0].err, -ENOTCONN);
	mpf_io_done(&io[0]);
	submit(&io[1], NVH_IO_WRITE, 5, 1);
	submit(&io[2], NVH_IO_WRITE, 6, 1);
	CU_ASSERT_EQUAL(lent(!from), 1);
	mpf_advance_ms(2 * KATO);
	finish(&io[1], 2);
	teardown(1);
}

/* ---- every reactor -------------------------------------------------------------------------------- */

/* The other reactor has not looked into its inbox: nothing may move on this one. */
static void nothing_moves_before_every_reactor_knows(void)
{
	struct mpf_io io[2];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 0, 2, 2);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 1);
	mpf_serve();
	mpf_live(c[from]);
	mpf_advance_ms(2 * KATO);
	CU_ASSERT_TRUE(nvhi_list_empty(&mpf.mp.fences));
	mpf_io_done(&io[0]);

	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	for (uint32_t r = 0; r < 2; r++)
		mpf_down(c[from], r);
	mpf.no_turns = true;
	nvhi_mp_ctrlr_live(&c[from]->mpc, false);
	nvhi_mp_ctrlr_quiesced(&c[from]->mpc);
	for (int i = 0; i < 20; i++)
		nvhi_reactor_turn(mpf.reactors[0]);
	CU_ASSERT_EQUAL(lent(!from), 0);
	nvhi_channel_cancel(channel[0], io[0].io);
	for (int i = 0; i < 20; i++)
		nvhi_reactor_turn(mpf.reactors[0]);
	CU_ASSERT_EQUAL(io[0].calls, 0); /* not even failed */
	mpf.no_turns = false;
	mpf_turns();
	CU_ASSERT_EQUAL(io[0].calls, 1);
	submit_on(1, &io[1], NVH_IO_WRITE, 5, 1);
	CU_ASSERT_EQUAL(mpf_lent(c[!from], 1), 0);
	mpf_advance_ms(2 * KATO);
	finish(&io[1], 1);
	mpf_io_done(&io[0]);
	teardown(2);
}

/* ---- proofs ----------------------------------------------------------------------------------------- */

static void its_own_reset_is_a_proof(void)
{
	uint64_t before = nvhi_proofs_used[NVHI_PROOF_RESET];
	struct mpf_io io[1];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_STRICT, 100, 2, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	c[from]->inner->was_disabled = true;
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 1);
	CU_ASSERT_EQUAL(nvhi_proofs_used[NVHI_PROOF_RESET], before + 1);
	finish(io, 1);
	teardown(1);
}

static void without_kato_nothing_is_waited_for(void)
{
	struct mpf_io io[2];
	unsigned int from;

	setup(NVHI_WRITE_FENCE_AUTO, 100, 2, 1);
	c[0]->inner->caps.kato_ms = c[1]->inner->caps.kato_ms = 0;
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	from = holder();
	mpf_lost(c[from]);
	CU_ASSERT_EQUAL(lent(!from), 1);
	submit(&io[1], NVH_IO_WRITE, 5, 1);
	CU_ASSERT_EQUAL(lent(!from), 2);
	finish(io, 2);
	teardown(1);
}

/* ---- beyond this head, this process ------------------------------------------------------------------- */

static void a_head_made_anew_inherits_the_fence(void)
{
	struct mpf_io io[2];

	setup(NVHI_WRITE_FENCE_AUTO, 0, 1, 1);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	mpf_lost(c[0]);
	nvhi_mp_ns_removed(&c[0]->mpc, 1, -ENODEV);
	mpf_turns();
	CU_ASSERT_EQUAL(io[0].calls, 1);
	CU_ASSERT_EQUAL(io[0].err, -ENODEV);
	mpf_io_done(&io[0]);
	nvhi_channel_close(channel[0]);
	mpf_turns();
	ns = mpf_ns(c[0], 1, 7);
	mpf_live(c[0]);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel[0]), 0);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	submit(&io[1], NVH_IO_WRITE, 6, 1);
	CU_ASSERT_EQUAL(lent(0), 1);
	mpf_advance_ms(2 * KATO);
	finish(io, 2);
	teardown(1);
}

static void an_earlier_process_is_fenced_before_writes_go_out(void)
{
	struct nvhi_assoc assoc = {.subnqn = MPF_NQN, .cntlid = 3, .kato_ms = KATO, .cqt_ms = 50};
	struct mpf_io io[2];

	mpf_start(1);
	mpf.depth = 8;
	CU_ASSERT_EQUAL(
		nvhi_mp_fence_earlier(&mpf.mp, &assoc, NVHI_WRITE_FENCE_AUTO, "nvh0"), 0);
	join(0, 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel[0]), 0);
	submit(&io[0], NVH_IO_WRITE, 5, 1);
	submit(&io[1], NVH_IO_READ, 5, 1);
	CU_ASSERT_EQUAL(lent(0), 1);
	mpf_advance_ms(2 * KATO + 49);
	CU_ASSERT_EQUAL(lent(0), 1);
	mpf_advance_ms(1);
	CU_ASSERT_EQUAL(lent(0), 2);
	finish(io, 2);
	teardown(1);
}

NVH_UNIT_MAIN("multipath/fence", NVH_TEST(a_write_is_not_retried_before_the_fence),
	      NVH_TEST(a_write_of_a_queue_that_was_disconnected_needs_no_fence),
	      NVH_TEST(traffic_based_keep_alive_takes_a_third_kato_and_cqt_is_added),
	      NVH_TEST(without_an_offer_it_is_repeated_at_once_and_what_overlaps_waits),
	      NVH_TEST(what_waits_for_an_offer_that_failed_goes_on_and_what_waits_for_order_does_not),
	      NVH_TEST(what_is_no_write_is_repeated_at_once),
	      NVH_TEST(a_deallocation_waits_always),
	      NVH_TEST(writes_that_overlap_lose_their_order_and_wait),
	      NVH_TEST(a_write_that_crosses_one_under_way_waits),
	      NVH_TEST(off_neither_waits_nor_holds), NVH_TEST(what_was_never_sent_needs_no_fence),
	      NVH_TEST(a_write_failed_to_the_caller_holds_its_successor),
	      NVH_TEST(a_held_write_can_be_canceled),
	      NVH_TEST(a_passthrough_write_is_not_repeated_but_fenced),
	      NVH_TEST(nothing_moves_before_every_reactor_knows), NVH_TEST(its_own_reset_is_a_proof),
	      NVH_TEST(without_kato_nothing_is_waited_for),
	      NVH_TEST(a_head_made_anew_inherits_the_fence),
	      NVH_TEST(an_earlier_process_is_fenced_before_writes_go_out))
