/*
 * target-lite/fault: which commands a fault strikes and how often, and what becomes of them, over
 * the real core with a transport and a clock of the test's.
 */
#include "target-lite/fault/fault.h"

#include <errno.h>
#include <string.h>

#include "target-lite/core/impl.h"
#include "tests/unit/target_fixture.h"

static uint64_t number;
static int answers;

static void answered(void *arg, uint64_t n)
{
	(void)arg;
	number = n;
	answers++;
}

static struct tl_fault *add(const struct tl_fault_opts *opts)
{
	struct tl_fault *fault = NULL;

	CU_ASSERT_EQUAL(tl_fault_add(tt.target, opts, answered, NULL, &fault), 0);
	tt_run();
	CU_ASSERT_EQUAL_FATAL(number, fault->id);
	return fault;
}

static void clear(uint64_t id)
{
	int before = answers;

	CU_ASSERT_EQUAL(tl_fault_clear(tt.target, id, answered, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(answers, before + 1);
}

static struct tt_cmd *rw(uint8_t opc, uint8_t byte)
{
	struct tt_cmd *cmd = tt_cmd(opc, 1);

	tt_cmd_data(cmd, 512);
	tt_cmd_rw(cmd, 0, 1);
	memset(cmd->data, byte, 512);
	return cmd;
}

static unsigned int rw_status(struct tt_qpair *qp, uint8_t opc, uint8_t byte)
{
	struct tt_cmd *cmd = rw(opc, byte);
	unsigned int status = tt_status(qp, cmd);

	tt_cmd_free(cmd);
	return status;
}

/* The first byte of the namespace. */
static int first_byte(struct tt_qpair *qp)
{
	struct tt_cmd *cmd = rw(NVH_OPC_READ, 0);
	int byte;

	CU_ASSERT_EQUAL(tt_status(qp, cmd), NVH_ST_SUCCESS);
	byte = *(uint8_t *)cmd->req.iov.iov_base;
	tt_cmd_free(cmd);
	return byte;
}

static struct tt_qpair *admin, *io;

static void begin(void)
{
	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(0, admin, 1);
}

static void end_qpair(struct tt_qpair *qp)
{
	tt_break(qp);
	tt_free(qp);
}

static void end(void)
{
	end_qpair(io);
	end_qpair(admin);
	tt_teardown();
}

/* ---- the table ------------------------------------------------------------------------------ */

static void a_scope_excludes_by_each_of_its_members(void)
{
	struct tl_fault_opts any, opts;
	struct tt_cmd *cmd;

	begin();
	cmd = rw(NVH_OPC_WRITE, 1);
	tl_fault_opts_default(&any, TL_FAULT_HOLD);
	CU_ASSERT_TRUE(tl_fault_matches(&any, &io->qpair, &cmd->req.cmd));
#define MATCHES(set, expect)                                                                       \
	do {                                                                                       \
		opts = any;                                                                        \
		set;                                                                               \
		CU_ASSERT_EQUAL(tl_fault_matches(&opts, &io->qpair, &cmd->req.cmd), expect);       \
	} while (0)
	MATCHES(strcpy(opts.nqn, TT_NQN), true);
	MATCHES(strcpy(opts.nqn, TT_NQN "x"), false);
	MATCHES(opts.qid = 1, true);
	MATCHES(opts.qid = 0, false);
	MATCHES(opts.nsid = 1, true);
	MATCHES(opts.nsid = 2, false);
	MATCHES(opts.opcode = NVH_OPC_WRITE, true);
	MATCHES(opts.opcode = NVH_OPC_READ, false);
	MATCHES(opts.cntlid = io->qpair.ctrlr->cntlid, true);
	MATCHES(opts.cntlid = io->qpair.ctrlr->cntlid + 1, false);
	MATCHES((opts.has_listener = true, opts.listener = tt_addr), true);
	MATCHES((opts.has_listener = true, opts.listener = tt_addr, opts.listener.traddr[0] = '9'),
		false);
	MATCHES(opts.kind = TL_FAULT_LOSE_KEEPALIVE, false);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_ADM_AER, 0);
	CU_ASSERT_FALSE(tl_fault_matches(&any, &admin->qpair, &cmd->req.cmd));
	tt_cmd_free(cmd);
	end();
}

static void a_count_is_held_exactly(void)
{
	struct tl_fault fault = {.id = 1};
	int struck = 0;

	tl_fault_opts_default(&fault.opts, TL_FAULT_HOLD);
	fault.opts.count = 3;
	for (int i = 0; i < 10; i++)
		struck += tl_fault_strikes(&fault);
	CU_ASSERT_EQUAL(struck, 3);
	CU_ASSERT_EQUAL(fault.matched, 10);
	CU_ASSERT_EQUAL(fault.fired, 3);
}

static void a_seed_gives_the_same_strikes_again(void)
{
	uint64_t seen[3] = {0};
	int struck = 0;

	for (int run = 0; run < 3; run++) {
		struct tl_fault fault = {.id = 1};

		tl_fault_opts_default(&fault.opts, TL_FAULT_HOLD);
		fault.opts.probability = 0.25;
		fault.opts.seed = run == 2 ? 8 : 7;
		for (int i = 0; i < 10000; i++) {
			bool strikes = tl_fault_strikes(&fault);

			seen[run] = seen[run] * 31 + strikes;
			struck += strikes;
		}
	}
	CU_ASSERT_EQUAL(seen[0], seen[1]);
	CU_ASSERT_NOT_EQUAL(seen[0], seen[2]);
	CU_ASSERT_TRUE(struck > 3 * 2300 && struck < 3 * 2700);
}

/* ---- what they do --------------------------------------------------------------------------- */

static void a_status_comes_instead_of_or_after_execution(void)
{
	struct tl_fault_opts opts;
	struct tt_cmd *cmd;

	begin();
	CU_ASSERT_EQUAL(rw_status(io, NVH_OPC_WRITE, 1), NVH_ST_SUCCESS);
	tl_fault_opts_default(&opts, TL_FAULT_STATUS);
	opts.status = NVH_ST_NS_NOT_READY | 2 << NVH_CPL_CRD_SHIFT;
	opts.opcode = NVH_OPC_WRITE;
	opts.count = 1;
	add(&opts);
	cmd = rw(NVH_OPC_WRITE, 2);
	CU_ASSERT_EQUAL(tt_status(io, cmd), NVH_ST_NS_NOT_READY);
	CU_ASSERT_EQUAL(nvh_cpl_crd(&cmd->cpl), 2);
	CU_ASSERT_FALSE(nvh_cpl_dnr(&cmd->cpl));
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(first_byte(io), 1);
	opts.after = true;
	opts.status = NVH_ST_INTERNAL | NVH_CPL_DNR;
	add(&opts);
	cmd = rw(NVH_OPC_WRITE, 3);
	CU_ASSERT_EQUAL(tt_status(io, cmd), NVH_ST_INTERNAL);
	CU_ASSERT_TRUE(nvh_cpl_dnr(&cmd->cpl));
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(first_byte(io), 3);
	clear(0);
	CU_ASSERT_PTR_NULL(tt.target->groups[0].faults);
	CU_ASSERT_EQUAL(rw_status(io, NVH_OPC_WRITE, 4), NVH_ST_SUCCESS);
	end();
}

static void a_delay_is_before_execution_or_of_the_completion(void)
{
	struct tl_fault_opts opts;

	begin();
	for (int after = 0; after < 2; after++) {
		struct tt_cmd *cmd = rw(NVH_OPC_WRITE, 0x11);

		tl_fault_opts_default(&opts, TL_FAULT_DELAY);
		opts.opcode = NVH_OPC_WRITE;
		opts.ms = 50;
		opts.after = after;
		CU_ASSERT_EQUAL(rw_status(io, NVH_OPC_WRITE, 0x10), NVH_ST_SUCCESS);
		add(&opts);
		tt_exec(io, cmd);
		CU_ASSERT_EQUAL(first_byte(io), after ? 0x11 : 0x10);
		tt_advance_ms(49);
		CU_ASSERT_FALSE(cmd->done);
		tt_advance_ms(1);
		CU_ASSERT_TRUE(cmd->done);
		CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), NVH_ST_SUCCESS);
		CU_ASSERT_EQUAL(first_byte(io), 0x11);
		tt_cmd_free(cmd);
		clear(0);
	}
	end();
}

static void a_held_write_is_executed_when_it_is_let_go(void)
{
	struct tl_fault_opts opts;
	struct tl_fault *fault;
	struct tt_cmd *held, *forgotten;

	begin();
	tl_fault_opts_default(&opts, TL_FAULT_HOLD);
	opts.opcode = NVH_OPC_WRITE;
	opts.count = 1;
	fault = add(&opts);
	held = rw(NVH_OPC_WRITE, 5);
	tt_exec(io, held);
	CU_ASSERT_EQUAL(rw_status(io, NVH_OPC_WRITE, 6), NVH_ST_SUCCESS);
	CU_ASSERT_FALSE(held->done);
	CU_ASSERT_EQUAL(tl_fault_release(tt.target, fault->id + 1, false, answered, NULL), -ENOENT);
	CU_ASSERT_EQUAL(tl_fault_release(tt.target, fault->id, false, answered, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(number, 1);
	CU_ASSERT_TRUE(held->done);
	CU_ASSERT_EQUAL(first_byte(io), 5);
	tt_cmd_free(held);
	clear(fault->id);

	add(&opts);
	forgotten = rw(NVH_OPC_WRITE, 7);
	tt_exec(io, forgotten);
	CU_ASSERT_EQUAL(tl_fault_release(tt.target, 0, true, answered, NULL), 0);
	tt_run();
	clear(0);
	CU_ASSERT_FALSE(forgotten->done);
	CU_ASSERT_EQUAL(first_byte(io), 5);
	end();
	CU_ASSERT_TRUE(forgotten->done); /* with the connection */
	tt_cmd_free(forgotten);
}

static void a_held_write_outlives_its_connection_only_when_told(void)
{
	for (int outlive = 0; outlive < 2; outlive++) {
		struct tl_fault_opts opts;
		struct tt_qpair *other, *other_admin;
		struct tt_cmd *ghost;

		begin();
		other_admin = tt_admin(0, TT_NQN, 0);
		other = tt_io(0, other_admin, 1);
		tl_fault_opts_default(&opts, TL_FAULT_HOLD);
		opts.cntlid = io->qpair.ctrlr->cntlid;
		opts.opcode = NVH_OPC_WRITE;
		opts.outlive = outlive;
		add(&opts);
		ghost = rw(NVH_OPC_WRITE, 8);
		tt_exec(io, ghost);
		tt_break(io);
		tt_break(admin);
		tt_run();
		CU_ASSERT_EQUAL(io->released, !outlive);
		CU_ASSERT_EQUAL(rw_status(other, NVH_OPC_WRITE, 9), NVH_ST_SUCCESS);
		CU_ASSERT_EQUAL(tl_fault_release(tt.target, 0, false, answered, NULL), 0);
		tt_run();
		CU_ASSERT_EQUAL(number, outlive);
		CU_ASSERT_EQUAL(first_byte(other), outlive ? 8 : 9);
		CU_ASSERT_TRUE(io->released);
		tt_cmd_free(ghost);
		tt_free(io);
		tt_free(admin);
		end_qpair(other);
		end_qpair(other_admin);
		tt_teardown();
	}
}

static void a_dropped_connection_loses_the_command_that_met_it(void)
{
	struct tl_fault_opts opts;
	struct tt_cmd *cmd;

	begin();
	tl_fault_opts_default(&opts, TL_FAULT_DROP_CONNECTION);
	opts.qid = 1;
	opts.opcode = NVH_OPC_WRITE;
	add(&opts);
	CU_ASSERT_FALSE(io->disconnected);
	cmd = rw(NVH_OPC_WRITE, 1);
	tt_exec(io, cmd);
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT_FALSE(admin->disconnected);
	end();
	tt_cmd_free(cmd);
}

static void a_connection_fault_strikes_at_once_what_there_is(void)
{
	struct tl_fault_opts opts;
	struct tl_fault *fault;

	begin();
	tl_fault_opts_default(&opts, TL_FAULT_DROP_CONNECTION);
	opts.count = 1;
	opts.qid = 1;
	fault = add(&opts);
	tt_run();
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT_EQUAL(fault->fired, 1);
	end();
}

static void a_killed_controller_closes_all_its_queues(void)
{
	struct tl_fault_opts opts;

	begin();
	tl_fault_opts_default(&opts, TL_FAULT_KILL_CONTROLLER);
	opts.cntlid = io->qpair.ctrlr->cntlid;
	add(&opts);
	tt_run();
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT_TRUE(admin->disconnected);
	end();
}

/* Between the kill and the end of the connections: nothing that a host would take for final. */
static void a_controller_that_is_dying_answers_nothing_final(void)
{
	struct tt_cmd *read, *identify;

	begin();
	tl_ctrlr_kill(io->qpair.ctrlr);
	read = rw(NVH_OPC_READ, 0);
	identify = tt_cmd(NVH_ADM_IDENTIFY, 0);
	tl_cmd_transfer(&read->req.cmd, &read->req.xfer_len, &read->req.dir);
	read->req.qpair = &io->qpair;
	identify->req.qpair = &admin->qpair;
	tl_request_exec(&read->req);
	tl_request_exec(&identify->req);
	CU_ASSERT_TRUE(read->done && identify->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&read->cpl), NVH_ST_ABORTED_SQ_DELETION);
	CU_ASSERT_FALSE(nvh_cpl_dnr(&read->cpl));
	CU_ASSERT_EQUAL(nvh_cpl_code(&identify->cpl), NVH_ST_ABORTED_SQ_DELETION);
	CU_ASSERT_FALSE(nvh_cpl_dnr(&identify->cpl));
	tt_run();
	CU_ASSERT_TRUE(io->disconnected);
	tt_cmd_free(read);
	tt_cmd_free(identify);
	end();
}

static void a_lost_keep_alive_is_not_answered(void)
{
	struct tl_fault_opts opts;
	struct tt_cmd *lost, *kept;

	begin();
	tl_fault_opts_default(&opts, TL_FAULT_LOSE_KEEPALIVE);
	opts.count = 1;
	add(&opts);
	lost = tt_cmd(NVH_ADM_KEEP_ALIVE, 0);
	tt_exec(admin, lost);
	CU_ASSERT_FALSE(lost->done);
	kept = tt_cmd(NVH_ADM_KEEP_ALIVE, 0);
	CU_ASSERT_EQUAL(tt_status(admin, kept), NVH_ST_SUCCESS);
	end();
	tt_cmd_free(lost);
	tt_cmd_free(kept);
}

static void a_stop_of_the_target_ends_what_faults_hold(void)
{
	struct tl_fault_opts opts;
	struct tt_cmd *cmd[2];

	begin();
	for (int i = 0; i < 2; i++) {
		tl_fault_opts_default(&opts, i ? TL_FAULT_DELAY : TL_FAULT_HOLD);
		opts.count = 1;
		opts.outlive = !i;
		opts.ms = TL_FAULT_MS_MAX;
		add(&opts);
		cmd[i] = rw(NVH_OPC_WRITE, 1);
		tt_exec(io, cmd[i]);
		CU_ASSERT_FALSE(cmd[i]->done);
	}
	tt_break(io);
	tt_break(admin);
	CU_ASSERT_FALSE(io->released);
	tt_teardown();
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(cmd[i]->done);
		tt_cmd_free(cmd[i]);
	}
	tt_free(io);
	tt_free(admin);
}

static int ana_state(void)
{
	return tl_subsystem_find_listener(tt_subsystem(), &tt_addr)->ana_state[0];
}

static struct tl_fault *flap(uint64_t count)
{
	struct tl_fault_opts opts;

	tl_fault_opts_default(&opts, TL_FAULT_ANA_FLAP);
	strcpy(opts.nqn, TT_NQN);
	opts.ms = 100;
	opts.count = count;
	return add(&opts);
}

static void ana_states_flap_and_are_as_before_in_the_end(void)
{
	struct tl_fault *fault;

	begin();
	fault = flap(0);
	CU_ASSERT_EQUAL(ana_state(), TL_ANA_OPTIMIZED);
	for (int i = 0; i < 4; i++) {
		tt_advance_ms(100);
		CU_ASSERT_EQUAL(ana_state(), i & 1 ? TL_ANA_OPTIMIZED : TL_ANA_INACCESSIBLE);
		CU_ASSERT_EQUAL(rw_status(io, NVH_OPC_READ, 0),
				i & 1 ? NVH_ST_SUCCESS : NVH_ST_ANA_INACCESSIBLE);
	}
	CU_ASSERT_EQUAL(atomic_load(&fault->fired), 4);
	tt_advance_ms(100);
	CU_ASSERT_EQUAL(ana_state(), TL_ANA_INACCESSIBLE);
	clear(fault->id);
	CU_ASSERT_EQUAL(ana_state(), TL_ANA_OPTIMIZED);
	end();
}

static void a_flap_ends_with_its_count_and_a_state_set_meanwhile_stays(void)
{
	struct tl_fault *fault;

	begin();
	fault = flap(1);
	tt_advance_ms(100);
	tt_advance_ms(100);
	tt_advance_ms(100);
	CU_ASSERT_EQUAL(ana_state(), TL_ANA_INACCESSIBLE);
	CU_ASSERT_EQUAL(tl_subsystem_set_ana_state(tt_subsystem(), &tt_addr, 1,
						   TL_ANA_NON_OPTIMIZED, tt_done, NULL),
			0);
	tt_run();
	clear(fault->id);
	CU_ASSERT_EQUAL(ana_state(), TL_ANA_NON_OPTIMIZED);
	end();
}

/* The subsystem goes, or the target stops, while states flap. */
static void a_flap_outlives_its_subsystem_by_nothing(void)
{
	begin();
	flap(0);
	tt_advance_ms(100);
	CU_ASSERT_EQUAL(tl_subsystem_remove_listener(tt_subsystem(), &tt_addr, tt_done, NULL), 0);
	tt_run();
	tt_advance_ms(100);
	end();
}

static void the_table_is_bounded(void)
{
	struct tl_fault_opts opts;
	struct tl_fault *fault;

	begin();
	tl_fault_opts_default(&opts, TL_FAULT_STATUS);
	opts.status = NVH_ST_INTERNAL;
	opts.cntlid = 65000;
	for (unsigned int i = 0; i < TL_FAULTS_MAX; i++)
		add(&opts);
	CU_ASSERT_EQUAL(tl_fault_add(tt.target, &opts, answered, NULL, &fault), -ENOSPC);
	CU_ASSERT_EQUAL(rw_status(io, NVH_OPC_WRITE, 1), NVH_ST_SUCCESS);
	clear(0);
	CU_ASSERT_TRUE(nvhi_list_empty(&tt.target->faults));
	end();
}

NVH_UNIT_MAIN("target-lite/fault", NVH_TEST(a_scope_excludes_by_each_of_its_members),
	      NVH_TEST(a_count_is_held_exactly), NVH_TEST(a_seed_gives_the_same_strikes_again),
	      NVH_TEST(a_status_comes_instead_of_or_after_execution),
	      NVH_TEST(a_delay_is_before_execution_or_of_the_completion),
	      NVH_TEST(a_held_write_is_executed_when_it_is_let_go),
	      NVH_TEST(a_held_write_outlives_its_connection_only_when_told),
	      NVH_TEST(a_dropped_connection_loses_the_command_that_met_it),
	      NVH_TEST(a_connection_fault_strikes_at_once_what_there_is),
	      NVH_TEST(a_killed_controller_closes_all_its_queues),
	      NVH_TEST(a_controller_that_is_dying_answers_nothing_final),
	      NVH_TEST(a_lost_keep_alive_is_not_answered),
	      NVH_TEST(a_stop_of_the_target_ends_what_faults_hold),
	      NVH_TEST(ana_states_flap_and_are_as_before_in_the_end),
	      NVH_TEST(a_flap_ends_with_its_count_and_a_state_set_meanwhile_stays),
	      NVH_TEST(a_flap_outlives_its_subsystem_by_nothing), NVH_TEST(the_table_is_bounded))
