/*
 * Cross-Controller Reset and Command Quiesce Time: what the target offers and what it does.
 */
#include <string.h>

#include "base/spec/nvme_ccr.h"
#include "base/spec/nvme_log.h"
#include "target-lite/fault/fault.h"
#include "tests/unit/target_fixture.h"

static struct tt_qpair *source, *impacted;

static void setup(enum tl_ccr_mode mode)
{
	tt_setup(1);
	tt_subsystem()->ccr = mode;
	tt_subsystem()->cqt_ms = 40;
	source = tt_admin(0, TT_NQN, 0);
	impacted = tt_admin(0, TT_NQN, 0);
}

static void end(struct tt_qpair *qp)
{
	if (!qp->released)
		tt_break(qp);
	tt_run();
	tt_free(qp);
}

/* Its connections go as the core has ordered. */
static void obey(struct tt_qpair *qp)
{
	CU_ASSERT_TRUE(qp->disconnected);
	tt_break(qp);
	tt_run();
}

static struct tt_cmd *ccr_cmd(uint16_t icid, uint8_t ciu, uint64_t cirn)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_CCR, 0);

	tt_cmd_dw(cmd, 10, nvh_ccr_cdw10(icid, ciu));
	tt_cmd_dw(cmd, 12, (uint32_t)cirn);
	tt_cmd_dw(cmd, 13, (uint32_t)(cirn >> 32));
	return cmd;
}

static struct tt_cmd *ccr_for(const struct tt_qpair *qp)
{
	const struct tl_ctrlr *ctrlr = qp->qpair.ctrlr;

	return ccr_cmd(ctrlr->cntlid, ctrlr->ciu, ctrlr->cirn);
}

static void identify_tells_what_is_offered(void)
{
	for (int on = 0; on < 2; on++) {
		struct nvh_id_ctrlr *id;
		struct tt_cmd *cmd;

		setup(on ? TL_CCR_IMMEDIATE : TL_CCR_OFF);
		cmd = tt_cmd(NVH_ADM_IDENTIFY, 0);
		tt_cmd_data(cmd, 4096);
		tt_cmd_dw(cmd, 10, 1);
		CU_ASSERT_EQUAL_FATAL(tt_status(source, cmd), 0);
		id = (struct nvh_id_ctrlr *)cmd->data;
		CU_ASSERT_EQUAL(nvh_le16_get(id->cqt), 40);
		CU_ASSERT_EQUAL(id->ccrl > 0, on);
		CU_ASSERT_EQUAL(nvh_le64_get(id->cirn) != 0, on);
		CU_ASSERT_EQUAL((nvh_le32_get(id->oaes) & NVH_AEN_CCR) != 0, on);
		CU_ASSERT_EQUAL(id->ciu, source->qpair.ctrlr->ciu);
		tt_cmd_free(cmd);
		end(source);
		end(impacted);
		tt_teardown();
	}
}

static void off_knows_no_such_command(void)
{
	struct tt_cmd *cmd;

	setup(TL_CCR_OFF);
	cmd = ccr_for(impacted);
	CU_ASSERT_EQUAL(tt_status(source, cmd), NVH_ST_INVALID_OPCODE);
	tt_cmd_free(cmd);
	end(source);
	end(impacted);
	tt_teardown();
}

static void the_other_controller_ends_and_the_answer_says_so(void)
{
	struct tt_cmd *cmd;

	setup(TL_CCR_IMMEDIATE);
	cmd = ccr_for(impacted);
	tt_exec(source, cmd);
	CU_ASSERT_TRUE(impacted->disconnected);
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), 0);
	CU_ASSERT_EQUAL(tt_dw0(cmd), NVH_CCR_IMMEDIATE);
	CU_ASSERT_FALSE(source->disconnected);
	tt_cmd_free(cmd);
	end(impacted);
	end(source);
	tt_teardown();
}

/* The host asks after a connection that was reset: the controller has ended already. */
static void one_that_has_ended_by_itself_is_done(void)
{
	struct tt_cmd *cmd, *other;

	setup(TL_CCR_LATER);
	cmd = ccr_for(impacted);
	other = ccr_cmd(impacted->qpair.ctrlr->cntlid, impacted->qpair.ctrlr->ciu,
			impacted->qpair.ctrlr->cirn + 1);
	end(impacted);
	CU_ASSERT_EQUAL(tt_status(source, cmd), 0);
	CU_ASSERT_EQUAL(tt_dw0(cmd), NVH_CCR_IMMEDIATE);
	CU_ASSERT_EQUAL(tt_status(source, other), NVH_ST_INVALID_FIELD);
	tt_cmd_free(cmd);
	tt_cmd_free(other);
	end(source);
	tt_teardown();
}

static void only_exactly_this_instance_is_reset(void)
{
	const struct tl_ctrlr *ctrlr;
	struct tt_cmd *cmds[5];

	setup(TL_CCR_IMMEDIATE);
	ctrlr = impacted->qpair.ctrlr;
	cmds[0] = ccr_cmd((uint16_t)(ctrlr->cntlid + 1), ctrlr->ciu, ctrlr->cirn);
	cmds[1] = ccr_cmd(ctrlr->cntlid, (uint8_t)(ctrlr->ciu + 1), ctrlr->cirn);
	cmds[2] = ccr_cmd(ctrlr->cntlid, ctrlr->ciu, ctrlr->cirn ^ 1);
	cmds[3] = ccr_cmd(ctrlr->cntlid, ctrlr->ciu, ctrlr->cirn ^ 1ull << 63);
	cmds[4] = ccr_for(source); /* itself */
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(tt_status(source, cmds[i]), NVH_ST_INVALID_FIELD);
		tt_cmd_free(cmds[i]);
	}
	CU_ASSERT_FALSE(impacted->disconnected);
	end(impacted);
	end(source);
	tt_teardown();
}

/* A write that a fault holds beyond its connection's end. */
static struct tt_cmd *held_write(struct tt_qpair *io)
{
	struct tl_fault_opts opts;
	struct tl_fault *fault;
	struct tt_cmd *write = tt_cmd(NVH_OPC_WRITE, 1);

	tl_fault_opts_default(&opts, TL_FAULT_HOLD);
	opts.opcode = NVH_OPC_WRITE;
	opts.outlive = true;
	CU_ASSERT_EQUAL_FATAL(tl_fault_add(tt.target, &opts, NULL, NULL, &fault), 0);
	tt_run();
	tt_cmd_data(write, 512);
	tt_cmd_rw(write, 3, 1);
	tt_exec(io, write);
	CU_ASSERT_FALSE(write->done);
	return write;
}

static struct nvh_ccr_log_entry log_entry(struct tt_qpair *qp, uint16_t *ret_count)
{
	struct tt_cmd *cmd = tt_log(qp, NVH_LID_CCR, 0, 64);
	const struct nvh_ccr_log *log = (const struct nvh_ccr_log *)cmd->data;
	struct nvh_ccr_log_entry entry = log->entries[0];

	*ret_count = nvh_le16_get(log->ne);
	tt_cmd_free(cmd);
	return entry;
}

/* What is held takes until CQT: accepted, under way in the log, then done, with a notice. */
static void accepted_first_then_done_in_the_log_and_told(void)
{
	struct nvh_ccr_log_entry entry;
	struct tt_cmd *cmd, *write, *aer, *config;
	struct tt_qpair *io;
	uint16_t count, icid;

	setup(TL_CCR_LATER);
	config = tt_cmd(NVH_ADM_SET_FEATURES, 0);
	tt_cmd_dw(config, 10, NVH_FID_AEC);
	tt_cmd_dw(config, 11, NVH_AEN_CCR);
	CU_ASSERT_EQUAL_FATAL(tt_status(source, config), 0);
	aer = tt_cmd(NVH_ADM_AER, 0);
	tt_exec(source, aer);
	io = tt_io(0, impacted, 1);
	icid = impacted->qpair.ctrlr->cntlid;
	write = held_write(io);
	cmd = ccr_for(impacted);
	CU_ASSERT_EQUAL(tt_status(source, cmd), 0);
	CU_ASSERT_EQUAL(tt_dw0(cmd), 0);
	tt_cmd_free(cmd);
	obey(io);
	obey(impacted);
	entry = log_entry(source, &count);
	CU_ASSERT_EQUAL(count, 1);
	CU_ASSERT_EQUAL(nvh_le16_get(entry.icid), icid);
	CU_ASSERT_EQUAL(nvh_le16_get(entry.acid), source->qpair.ctrlr->cntlid);
	CU_ASSERT_EQUAL(entry.ccrs, NVH_CCRS_IN_PROGRESS);
	cmd = ccr_cmd(icid, entry.ciu, write->req.qpair->ctrlr->cirn);
	CU_ASSERT_EQUAL(tt_status(source, cmd), NVH_ST_CCR_IN_PROGRESS);
	CU_ASSERT_FALSE(aer->done);
	tt_advance_ms(39);
	CU_ASSERT_FALSE(write->done);
	tt_advance_ms(1);
	CU_ASSERT_TRUE(write->done); /* never executed */
	CU_ASSERT_EQUAL(nvh_cpl_code(&write->cpl), NVH_ST_ABORTED_SQ_DELETION);
	CU_ASSERT_TRUE_FATAL(aer->done);
	CU_ASSERT_EQUAL(nvh_aer_info(tt_dw0(aer)), NVH_AER_CCR_COMPLETED);
	entry = log_entry(source, &count);
	CU_ASSERT_EQUAL(count, 1);
	CU_ASSERT_EQUAL(entry.ccrs, NVH_CCRS_SUCCESS);
	tt_cmd_free(cmd);
	tt_cmd_free(write);
	tt_cmd_free(aer);
	tt_cmd_free(config);
	end(io);
	end(impacted);
	end(source);
	tt_teardown();
}

/* Reset, or its time to quiesce over: what is held dies; before that it may be let go. */
static void a_controller_that_ends_keeps_its_promise_to_quiesce(void)
{
	struct tt_qpair *admin, *io;
	struct tt_cmd *write;

	tt_setup(1);
	tt_subsystem()->cqt_ms = 40;
	admin = tt_admin(0, TT_NQN, 1000);
	io = tt_io(0, admin, 1);
	write = held_write(io);
	tt_break(admin);
	tt_run();
	obey(io);
	tt_advance_ms(39);
	CU_ASSERT_FALSE(write->done);
	tt_advance_ms(1);
	CU_ASSERT_TRUE(write->done);
	tt_cmd_free(write);
	end(io);
	end(admin);
	tt_teardown();
}

NVH_UNIT_MAIN("target-lite/core/ccr", NVH_TEST(identify_tells_what_is_offered),
	      NVH_TEST(off_knows_no_such_command),
	      NVH_TEST(the_other_controller_ends_and_the_answer_says_so),
	      NVH_TEST(one_that_has_ended_by_itself_is_done),
	      NVH_TEST(only_exactly_this_instance_is_reset),
	      NVH_TEST(accepted_first_then_done_in_the_log_and_told),
	      NVH_TEST(a_controller_that_ends_keeps_its_promise_to_quiesce))
