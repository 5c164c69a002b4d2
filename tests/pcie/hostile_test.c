/*
 * Controllers that are bad, through the public API: never ready, dead, gone, with completions that
 * answer nothing, or none at all. Each is bounded by a deadline, and what was asked for is done
 * once the controller behaves again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pcie/soft_fixture.h"

/* ---- connecting -------------------------------------------------------------------------- */

static void refused(int want, const char *word)
{
	uint64_t begun = nvh_test_ms();
	int err = soft_connect();

	if (err != want || !strstr(message, word))
		fprintf(stderr, "%d, \"%s\"\n", err, message);
	CU_ASSERT_EQUAL(err, want);
	CU_ASSERT_PTR_NOT_NULL(strstr(message, word));
	CU_ASSERT(nvh_test_ms() - begun < 15000);
	soft_end();
}

static void one_that_never_becomes_ready_is_given_up_after_cap_to(void)
{
	soft_begin();
	soft->never_ready = true;
	soft->cap = (soft->cap & ~(0xffull << NVH_CAP_TO_SHIFT)) | 1ull << NVH_CAP_TO_SHIFT;
	refused(-ETIMEDOUT, "not ready");
}

static void one_that_was_running_and_never_stops_is_refused(void)
{
	soft_begin();
	soft->cc = NVH_CC_EN;
	soft->csts = NVH_CSTS_RDY;
	soft->never_stops = true;
	soft->cap = (soft->cap & ~(0xffull << NVH_CAP_TO_SHIFT)) | 1ull << NVH_CAP_TO_SHIFT;
	refused(-ETIMEDOUT, "still ready");
}

static void one_whose_registers_are_all_ones_is_gone(void)
{
	soft_begin();
	soft->wanders = true;
	refused(-ENODEV, "gone");
}

static void one_whose_cap_is_0_is_no_controller(void)
{
	soft_begin();
	soft->cap = 0;
	refused(-ENODEV, "CAP");
}

static uint32_t silent_identify(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
				struct nvh_cpl *cpl)
{
	(void)s;
	(void)cpl;
	return qid == 0 && cmd->opc == NVH_ADM_IDENTIFY ? SOFT_SILENT : SOFT_EXECUTE;
}

static void one_that_does_not_answer_identify_is_given_up(void)
{
	soft_begin();
	soft->hook = silent_identify;
	refused(-ETIMEDOUT, "identify");
}

static uint32_t fatal_identify(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			       struct nvh_cpl *cpl)
{
	if (qid == 0 && cmd->opc == NVH_ADM_IDENTIFY)
		s->csts |= NVH_CSTS_CFS;
	return silent_identify(s, qid, cmd, cpl);
}

static void one_that_dies_while_it_is_identified_is_given_up(void)
{
	soft_begin();
	soft->hook = fatal_identify;
	refused(-EIO, "fatal");
}

static uint32_t no_queues(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			  struct nvh_cpl *cpl)
{
	(void)s;
	if (qid || cmd->opc != NVH_ADM_CREATE_SQ)
		return SOFT_EXECUTE;
	nvh_cpl_set_status(cpl, NVH_ST_INVALID_FIELD);
	return SOFT_ANSWER;
}

static void one_that_makes_no_queue_is_refused_with_its_status(void)
{
	soft_begin();
	soft->hook = no_queues;
	refused(-EREMOTEIO, "queue");
}

static void identify_that_makes_no_sense_is_refused(void)
{
	soft_begin();
	soft->id.sqes = 0x11;
	refused(-EPROTO, "SQES");
}

/* ---- completions that answer nothing ----------------------------------------------------- */

static unsigned int nr_wrong;

static bool its_turn(uint16_t qid)
{
	return qid && nr_wrong && --nr_wrong % 20 == 0;
}

static uint32_t unknown_cid(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			    struct nvh_cpl *cpl)
{
	(void)s;
	if (!its_turn(qid))
		return SOFT_EXECUTE;
	nvh_le16_put(&cpl->cid, (uint16_t)(nvh_le16_get(cmd->cid) ^ 0x4000));
	return SOFT_ANSWER;
}

static uint32_t repeated_cid(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			     struct nvh_cpl *cpl)
{
	(void)s;
	(void)cmd;
	(void)cpl;
	return its_turn(qid) ? SOFT_TWICE : SOFT_EXECUTE;
}

static uint32_t other_sqid(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			   struct nvh_cpl *cpl)
{
	(void)s;
	(void)cmd;
	if (!its_turn(qid))
		return SOFT_EXECUTE;
	nvh_le16_put(&cpl->sqid, 5);
	return SOFT_ANSWER;
}

static uint32_t all_ones(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			 struct nvh_cpl *cpl)
{
	(void)s;
	(void)cmd;
	if (!its_turn(qid))
		return SOFT_EXECUTE;
	memset(cpl, 0xff, sizeof(*cpl));
	return SOFT_ANSWER;
}

/* Until the reset. */
static uint32_t head_beyond(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			    struct nvh_cpl *cpl)
{
	(void)s;
	(void)cmd;
	if (qid == 0)
		nr_wrong = 0;
	else if (nr_wrong)
		nvh_le16_put(&cpl->sqhd, 0xfff0);
	return SOFT_EXECUTE;
}

static uint32_t dies(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd, struct nvh_cpl *cpl)
{
	(void)cmd;
	(void)cpl;
	if (!its_turn(qid))
		return SOFT_EXECUTE;
	s->csts |= NVH_CSTS_CFS;
	return SOFT_SILENT;
}

static uint64_t reconnects(void)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};

	nvh_ctrlr_info(ctrlr, &info);
	return info.reconnects;
}

/* What was asked for is done all the same, after a reset. */
static void survived(soft_hook_fn hook)
{
	struct load load;

	soft_begin();
	soft_connect_good();
	load_init(&load);
	load_submit(&load, NVH_IO_WRITE);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	memset(load.data, 0, LOAD * 4096);
	nr_wrong = 40;
	soft->hook = hook;
	load_submit(&load, NVH_IO_READ);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	CU_ASSERT_EQUAL(load.failed, 0);
	CU_ASSERT_EQUAL(memcmp(load.data, soft->blocks, LOAD * 4096), 0);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, reconnects() > 0 && soft_state_is("live"), WAIT_MS));
	load_fini(&load);
	soft_end();
}

static void an_unknown_cid_costs_a_reset_and_no_io(void)
{
	survived(unknown_cid);
}

static void a_repeated_cid_costs_a_reset_and_no_io(void)
{
	survived(repeated_cid);
}

static void another_queues_completion_costs_a_reset_and_no_io(void)
{
	survived(other_sqid);
}

static void a_completion_of_all_ones_costs_a_reset_and_no_io(void)
{
	survived(all_ones);
}

static void a_head_beyond_the_tail_costs_a_reset_and_no_io(void)
{
	survived(head_beyond);
}

static void fatal_status_costs_a_reset_and_no_io(void)
{
	survived(dies);
}

/* ---- silence ----------------------------------------------------------------------------- */

static uint32_t one_silent(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			   struct nvh_cpl *cpl)
{
	(void)s;
	(void)cmd;
	(void)cpl;
	return its_turn(qid) ? SOFT_SILENT : SOFT_EXECUTE;
}

static void a_command_that_is_not_answered_is_aborted_and_then_done(void)
{
	struct load load;

	soft_begin();
	connect_opts.io_timeout_ms = 200;
	connect_opts.admin_timeout_ms = 300;
	soft_connect_good();
	load_init(&load);
	nr_wrong = 20;
	soft->hook = one_silent;
	load_submit(&load, NVH_IO_READ);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	CU_ASSERT_EQUAL(load.failed, 0);
	CU_ASSERT_EQUAL(soft->aborts, 1);
	load_fini(&load);
	soft_end();
}

static void one_that_vanishes_under_load_and_is_back_loses_nothing(void)
{
	struct load load;

	soft_begin();
	soft_connect_good();
	load_init(&load);
	load_submit(&load, NVH_IO_WRITE);
	soft->wanders = true;
	CU_ASSERT(NVH_RUN_UNTIL(reactor, !soft_state_is("live"), WAIT_MS));
	soft->wanders = false;
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	CU_ASSERT_EQUAL(load.failed, 0);
	CU_ASSERT_EQUAL(memcmp(load.data, soft->blocks, LOAD * 4096), 0);
	load_fini(&load);
	soft_end();
}

static void mark(void *arg)
{
	*(bool *)arg = true;
}

static void one_that_does_not_stop_is_cut_off_and_nothing_hangs(void)
{
	bool gone = false;

	soft_begin();
	soft->cap = (soft->cap & ~(0xffull << NVH_CAP_TO_SHIFT)) | 1ull << NVH_CAP_TO_SHIFT;
	soft_connect_good();
	nvh_channel_close(channel);
	channel = NULL;
	soft->never_stops = true;
	nvh_disconnect(ctrlr, mark, &gone);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, gone, WAIT_MS));
	CU_ASSERT_FALSE(soft->mastering);
	soft_end();
}

/* ---- retry delays ------------------------------------------------------------------------ */

static uint32_t not_now(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			struct nvh_cpl *cpl)
{
	(void)s;
	(void)cmd;
	if (!its_turn(qid))
		return SOFT_EXECUTE;
	nvh_cpl_set_status(cpl, NVH_ST_NS_NOT_READY | 1u << NVH_CPL_CRD_SHIFT);
	return SOFT_ANSWER;
}

static void a_command_is_repeated_after_the_delay_that_was_asked_for(void)
{
	struct load load;
	uint64_t begun;

	soft_begin();
	nvh_le16_put(&soft->id.crdt1, 3); /* 300 ms */
	soft_connect_good();
	load_init(&load);
	nr_wrong = 20;
	soft->hook = not_now;
	begun = nvh_test_ms();
	load_submit(&load, NVH_IO_READ);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	CU_ASSERT(nvh_test_ms() - begun >= 299);
	CU_ASSERT_EQUAL(load.failed, 0);
	load_fini(&load);
	soft_end();
}

NVH_UNIT_MAIN("pcie/hostile", NVH_TEST(one_that_never_becomes_ready_is_given_up_after_cap_to),
	      NVH_TEST(one_that_was_running_and_never_stops_is_refused),
	      NVH_TEST(one_whose_registers_are_all_ones_is_gone),
	      NVH_TEST(one_whose_cap_is_0_is_no_controller),
	      NVH_TEST(one_that_does_not_answer_identify_is_given_up),
	      NVH_TEST(one_that_dies_while_it_is_identified_is_given_up),
	      NVH_TEST(one_that_makes_no_queue_is_refused_with_its_status),
	      NVH_TEST(identify_that_makes_no_sense_is_refused),
	      NVH_TEST(an_unknown_cid_costs_a_reset_and_no_io),
	      NVH_TEST(a_repeated_cid_costs_a_reset_and_no_io),
	      NVH_TEST(another_queues_completion_costs_a_reset_and_no_io),
	      NVH_TEST(a_completion_of_all_ones_costs_a_reset_and_no_io),
	      NVH_TEST(a_head_beyond_the_tail_costs_a_reset_and_no_io),
	      NVH_TEST(fatal_status_costs_a_reset_and_no_io),
	      NVH_TEST(a_command_that_is_not_answered_is_aborted_and_then_done),
	      NVH_TEST(one_that_vanishes_under_load_and_is_back_loses_nothing),
	      NVH_TEST(one_that_does_not_stop_is_cut_off_and_nothing_hangs),
	      NVH_TEST(a_command_is_repeated_after_the_delay_that_was_asked_for))
