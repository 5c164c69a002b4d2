/*
 * target-lite/core/connect.c, qpair.c and ctrlr.c: who gets a controller, and how it ends.
 */
#include <errno.h>
#include <string.h>

#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "tests/unit/target_fixture.h"

static unsigned int connect_with(void (*change)(struct tt_connect *opts), uint32_t *ret_dw0)
{
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *qp = tt_open(0);
	unsigned int status;

	change(&opts);
	status = tt_connect(qp, &opts, ret_dw0);
	tt_break(qp);
	tt_free(qp);
	return status;
}

static void unknown_nqn(struct tt_connect *opts)
{
	opts->nqn = "nqn.2026-01.io.nvhost:nobody";
}

static void bad_hostnqn(struct tt_connect *opts)
{
	opts->host = "somebody";
}

static void static_cntlid(struct tt_connect *opts)
{
	opts->cntlid = 3;
}

static void io_of_nobody(struct tt_connect *opts)
{
	opts->qid = 1;
	opts->cntlid = 77;
}

static void huge_queue(struct tt_connect *opts)
{
	opts->sqsize = 128;
}

static void no_queue(struct tt_connect *opts)
{
	opts->sqsize = 0;
}

static void a_wrong_connect_is_refused_with_the_field_that_is_wrong(void)
{
	static const struct {
		void (*change)(struct tt_connect *opts);
		uint32_t dw0;
	} cases[] = {
		{unknown_nqn, NVH_CONNECT_IATTR_DATA | 256},
		{bad_hostnqn, NVH_CONNECT_IATTR_DATA | 512},
		{static_cntlid, NVH_CONNECT_IATTR_DATA | 16},
		{io_of_nobody, NVH_CONNECT_IATTR_DATA | 16},
		{huge_queue, 44},
		{no_queue, 44},
	};

	tt_setup(1);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		uint32_t dw0 = 0;

		CU_ASSERT_EQUAL(connect_with(cases[i].change, &dw0), NVH_ST_CONNECT_INVALID_PARAM);
		CU_ASSERT_EQUAL(dw0, cases[i].dw0);
	}
	CU_ASSERT(nvhi_list_empty(&tt_subsystem()->ctrlrs));
	tt_teardown();
}

static void nothing(struct tt_connect *opts)
{
	(void)opts;
}

static void a_host_that_is_not_allowed_gets_no_controller(void)
{
	tt_setup(1);
	tl_subsystem_set_allow_any_host(tt_subsystem(), false);
	CU_ASSERT_EQUAL(connect_with(nothing, NULL), NVH_ST_CONNECT_INVALID_HOST);
	CU_ASSERT_EQUAL(tl_subsystem_add_host(tt_subsystem(), TT_HOST), 0);
	CU_ASSERT_EQUAL(connect_with(nothing, NULL), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tl_subsystem_add_host(tt_subsystem(), TT_HOST), -EEXIST);
	tt_teardown();
}

static void removing_a_host_ends_its_controllers(void)
{
	struct tt_qpair *admin, *io;

	tt_setup(2);
	tl_subsystem_set_allow_any_host(tt_subsystem(), false);
	tl_subsystem_add_host(tt_subsystem(), TT_HOST);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	CU_ASSERT_EQUAL(tl_subsystem_remove_host(tt_subsystem(), TT_HOST), 0);
	tt_run();
	CU_ASSERT_TRUE(admin->disconnected);
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT(nvhi_list_empty(&tt_subsystem()->ctrlrs));
	tt_free(admin);
	tt_free(io);
	tt_teardown();
}

static void cntlids_go_round_and_are_never_given_twice(void)
{
	struct tt_qpair *qp[4];

	tt_setup(1);
	tt_subsystem()->min_cntlid = 5;
	tt_subsystem()->max_cntlid = 7;
	tt_subsystem()->next_cntlid = 7;
	for (int i = 0; i < 3; i++)
		qp[i] = tt_admin(0, TT_NQN, 0);
	CU_ASSERT_EQUAL(qp[0]->qpair.ctrlr->cntlid, 7);
	CU_ASSERT_EQUAL(qp[1]->qpair.ctrlr->cntlid, 5);
	CU_ASSERT_EQUAL(qp[2]->qpair.ctrlr->cntlid, 6);
	CU_ASSERT_EQUAL(connect_with(nothing, NULL), NVH_ST_CONNECT_BUSY);
	tt_break(qp[1]);
	tt_free(qp[1]);
	qp[3] = tt_admin(0, TT_NQN, 0);
	CU_ASSERT_EQUAL(qp[3]->qpair.ctrlr->cntlid, 5);
	tt_break(qp[0]);
	tt_break(qp[2]);
	tt_break(qp[3]);
	tt_free(qp[0]);
	tt_free(qp[2]);
	tt_free(qp[3]);
	tt_teardown();
}

static void an_io_queue_must_come_from_the_same_host(void)
{
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *admin, *io;
	uint32_t dw0;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_open(0);
	opts.qid = 1;
	opts.cntlid = admin->qpair.ctrlr->cntlid;
	opts.host = "nqn.2026-01.io.nvhost:another";
	CU_ASSERT_EQUAL(tt_connect(io, &opts, &dw0), NVH_ST_CONNECT_INVALID_PARAM);
	CU_ASSERT_EQUAL(dw0, NVH_CONNECT_IATTR_DATA | 512);
	opts.host = TT_HOST;
	opts.hostid = 2;
	CU_ASSERT_EQUAL(tt_connect(io, &opts, &dw0), NVH_ST_CONNECT_INVALID_PARAM);
	CU_ASSERT_EQUAL(dw0, NVH_CONNECT_IATTR_DATA | 0);
	opts.hostid = 1;
	CU_ASSERT_EQUAL(tt_connect(io, &opts, &dw0), NVH_ST_SUCCESS);
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static void a_queue_id_is_taken_once(void)
{
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *admin, *io, *twin;

	tt_setup(2);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	twin = tt_open(0);
	opts.qid = 1;
	opts.cntlid = admin->qpair.ctrlr->cntlid;
	CU_ASSERT_EQUAL(tt_connect(twin, &opts, NULL), NVH_ST_QID_INVALID);
	opts.qid = 2;
	CU_ASSERT_EQUAL(tt_connect(twin, &opts, NULL), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_connect(twin, &opts, NULL), NVH_ST_CMD_SEQUENCE);
	tt_break(admin);
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT_TRUE(twin->disconnected);
	tt_free(io);
	tt_free(twin);
	tt_free(admin);
	tt_teardown();
}

static void commands_before_connect_are_refused(void)
{
	struct tt_qpair *qp;
	struct tt_cmd *cmd;

	tt_setup(1);
	qp = tt_open(0);
	cmd = tt_cmd(NVH_ADM_KEEP_ALIVE, 0);
	CU_ASSERT_EQUAL(tt_status(qp, cmd), NVH_ST_CMD_SEQUENCE);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(tt_prop_set(qp, NVH_REG_CC, 1), NVH_ST_CMD_SEQUENCE);
	tt_break(qp);
	tt_free(qp);
	tt_teardown();
}

static void a_connection_that_breaks_during_connect_leaves_nothing(void)
{
	struct tt_qpair *qp;
	struct tt_cmd *cmd;
	struct nvh_fab_connect_data *data;

	tt_setup(2);
	qp = tt_open(1);
	cmd = tt_cmd(NVH_ADM_FABRICS, 0);
	data = (struct nvh_fab_connect_data *)cmd->data;
	((struct nvh_fab_connect_cmd *)&cmd->req.cmd)->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&((struct nvh_fab_connect_cmd *)&cmd->req.cmd)->sqsize, 31);
	tt_cmd_data(cmd, sizeof(*data));
	memset(data, 0, sizeof(*data));
	nvh_le16_put(&data->cntlid, 0xffff);
	strcpy(data->subnqn, TT_NQN);
	strcpy(data->hostnqn, TT_HOST);
	tl_cmd_transfer(&cmd->req.cmd, &cmd->req.xfer_len, &cmd->req.dir);
	cmd->req.qpair = &qp->qpair;
	cmd->req.iov.iov_base = cmd->data;
	tl_request_exec(&cmd->req);
	tl_qpair_close(&qp->qpair); /* while the management reactor has the request */
	tt_run();
	CU_ASSERT_TRUE(cmd->done);
	tt_free(qp);
	tt_cmd_free(cmd);
	CU_ASSERT(nvhi_list_empty(&tt_subsystem()->ctrlrs));
	tt_teardown();
}

static void a_connect_that_finds_no_memory_is_told_so(void)
{
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *qp;

	tt_setup(1);
	tt.connected_error = -ENOMEM;
	qp = tt_open(0);
	CU_ASSERT_EQUAL(tt_connect(qp, &opts, NULL), NVH_ST_INTERNAL);
	CU_ASSERT_TRUE(qp->disconnected);
	tt_free(qp);
	CU_ASSERT(nvhi_list_empty(&tt_subsystem()->ctrlrs));
	tt_teardown();
}

/* ---- keep alive ----------------------------------------------------------------------------- */

static void a_silent_host_loses_its_controller_after_kato(void)
{
	struct tt_qpair *admin, *io;
	struct tt_cmd *ka;

	tt_setup(2);
	admin = tt_admin(1, TT_NQN, 1000);
	io = tt_io(0, admin, 1);
	tt_advance_ms(900);
	ka = tt_cmd(NVH_ADM_KEEP_ALIVE, 0);
	CU_ASSERT_EQUAL(tt_status(admin, ka), NVH_ST_SUCCESS);
	tt_cmd_free(ka);
	tt_advance_ms(999);
	CU_ASSERT_FALSE(admin->disconnected);
	tt_advance_ms(1);
	CU_ASSERT_TRUE(admin->disconnected);
	CU_ASSERT_TRUE(io->disconnected);
	tt_free(admin);
	tt_free(io);
	tt_teardown();
}

static void io_keeps_a_controller_alive_only_when_traffic_based(void)
{
	for (int tbkas = 0; tbkas < 2; tbkas++) {
		struct tt_qpair *admin, *io;
		struct tt_cmd *flush;

		tt_setup(1);
		tt.target->opts.tbkas = tbkas;
		admin = tt_admin(0, TT_NQN, 1000);
		io = tt_io(0, admin, 1);
		tt_advance_ms(500);
		flush = tt_cmd(NVH_OPC_FLUSH, 1);
		CU_ASSERT_EQUAL(tt_status(io, flush), NVH_ST_SUCCESS);
		tt_cmd_free(flush);
		tt_advance_ms(500);
		CU_ASSERT_EQUAL(admin->disconnected, !tbkas);
		tt_advance_ms(1000);
		CU_ASSERT_TRUE(admin->disconnected);
		tt_free(admin);
		tt_free(io);
		tt_teardown();
	}
}

static void a_keep_alive_that_waits_in_the_socket_of_a_late_reactor_counts(void)
{
	struct tt_qpair *admin;
	struct tt_cmd *ka;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 1000);
	tt_advance_ms(3000); /* the reactor was held up: its timer fires first */
	CU_ASSERT_FALSE(admin->disconnected);
	ka = tt_cmd(NVH_ADM_KEEP_ALIVE, 0);
	CU_ASSERT_EQUAL(tt_status(admin, ka), NVH_ST_SUCCESS);
	tt_cmd_free(ka);
	tt_advance_ms(50);
	CU_ASSERT_FALSE(admin->disconnected);
	tt_advance_ms(3000);
	tt_advance_ms(50);
	CU_ASSERT_TRUE(admin->disconnected);
	tt_free(admin);
	tt_teardown();
}

static void kato_zero_never_expires(void)
{
	struct tt_qpair *admin;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	tt_advance_ms(3600000);
	CU_ASSERT_FALSE(admin->disconnected);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

/* ---- reset and shutdown --------------------------------------------------------------------- */

static void rdy_reads_0_only_when_no_io_queue_is_left(void)
{
	struct tt_qpair *admin, *io;
	struct tt_cmd *write;

	tt_setup(2);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	write = tt_cmd(NVH_OPC_WRITE, 1);
	tt_cmd_rw(write, 0, 1);
	write->keep = true; /* its response is still on the way */
	CU_ASSERT_EQUAL(tt_status(io, write), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_prop_set(admin, NVH_REG_CC, 0x460000), NVH_ST_SUCCESS);
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT_EQUAL(tt_prop_get(admin, NVH_REG_CSTS, false), NVH_CSTS_RDY);
	tl_request_end(&write->req);
	tt_run();
	CU_ASSERT_EQUAL(tt_prop_get(admin, NVH_REG_CSTS, false), 0);
	CU_ASSERT_FALSE(admin->disconnected);
	tt_cmd_free(write);
	tt_free(io);
	/* And the controller can be enabled again. */
	CU_ASSERT_EQUAL(tt_prop_set(admin, NVH_REG_CC, 0x460001), NVH_ST_SUCCESS);
	io = tt_io(1, admin, 1);
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static void shutdown_is_complete_when_the_io_queues_are_gone(void)
{
	struct tt_qpair *admin, *io;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(0, admin, 1);
	CU_ASSERT_EQUAL(tt_prop_set(admin, NVH_REG_CC, 0x464001), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_prop_get(admin, NVH_REG_CSTS, false),
			NVH_CSTS_RDY | NVH_CSTS_SHST_COMPLETE << NVH_CSTS_SHST_SHIFT);
	CU_ASSERT_TRUE(io->disconnected);
	tt_free(io);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

static void registers_read_as_the_specification_has_them(void)
{
	struct tt_qpair *admin;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	CU_ASSERT_EQUAL(tt_prop_get(admin, NVH_REG_VS, false), nvh_vs(2, 0, 0));
	CU_ASSERT_EQUAL(nvh_cap_mqes(tt_prop_get(admin, NVH_REG_CAP, true)), 127);
	CU_ASSERT_EQUAL(nvh_cap_css(tt_prop_get(admin, NVH_REG_CAP, true)), NVH_CAP_CSS_NVM);
	CU_ASSERT_EQUAL(tt_prop_get(admin, NVH_REG_CAP, false), UINT64_MAX); /* wrong size */
	CU_ASSERT_EQUAL(tt_prop_get(admin, NVH_REG_CSTS, true), UINT64_MAX);
	CU_ASSERT_EQUAL(tt_prop_get(admin, 0x1000, false), UINT64_MAX);
	CU_ASSERT_EQUAL(tt_prop_set(admin, NVH_REG_CSTS, 0), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(tt_prop_set(admin, NVH_REG_CC, 0x460081), NVH_ST_INVALID_FIELD);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

static void disconnect_answers_when_it_is_the_last_command_of_its_queue(void)
{
	struct tt_qpair *admin, *io;
	struct tt_cmd *read, *disconnect, *late;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(0, admin, 1);
	read = tt_cmd(NVH_OPC_READ, 1);
	tt_cmd_rw(read, 0, 1);
	read->keep = true;
	CU_ASSERT_EQUAL(tt_status(io, read), NVH_ST_SUCCESS);
	disconnect = tt_cmd(NVH_ADM_FABRICS, 0);
	((struct nvh_fab_cmd *)&disconnect->req.cmd)->fctype = NVH_FCTYPE_DISCONNECT;
	tt_exec(io, disconnect);
	CU_ASSERT_FALSE(disconnect->done);
	late = tt_cmd(NVH_OPC_FLUSH, 1);
	CU_ASSERT_EQUAL(tt_status(io, late), NVH_ST_CMD_SEQUENCE);
	CU_ASSERT_FALSE(disconnect->done);
	tl_request_end(&read->req);
	CU_ASSERT_TRUE(disconnect->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&disconnect->cpl), NVH_ST_SUCCESS);
	tt_cmd_free(late);
	tt_cmd_free(read);
	tt_cmd_free(disconnect);
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static void a_target_that_stops_takes_every_connection_with_it(void)
{
	struct tt_qpair *admin, *io, *idle, *discovery;

	tt_setup(2);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	idle = tt_open(1);
	discovery = tt_admin(1, TL_DISCOVERY_NQN, 10000);
	tt_teardown();
	CU_ASSERT_TRUE(admin->disconnected && io->disconnected);
	tt_free(admin);
	tt_free(io);
	tt_free(idle);
	tt_free(discovery);
}

NVH_UNIT_MAIN("target-lite/core/connect",
	      NVH_TEST(a_wrong_connect_is_refused_with_the_field_that_is_wrong),
	      NVH_TEST(a_host_that_is_not_allowed_gets_no_controller),
	      NVH_TEST(removing_a_host_ends_its_controllers),
	      NVH_TEST(cntlids_go_round_and_are_never_given_twice),
	      NVH_TEST(an_io_queue_must_come_from_the_same_host),
	      NVH_TEST(a_queue_id_is_taken_once), NVH_TEST(commands_before_connect_are_refused),
	      NVH_TEST(a_connection_that_breaks_during_connect_leaves_nothing),
	      NVH_TEST(a_connect_that_finds_no_memory_is_told_so),
	      NVH_TEST(a_silent_host_loses_its_controller_after_kato),
	      NVH_TEST(io_keeps_a_controller_alive_only_when_traffic_based),
	      NVH_TEST(a_keep_alive_that_waits_in_the_socket_of_a_late_reactor_counts),
	      NVH_TEST(kato_zero_never_expires),
	      NVH_TEST(rdy_reads_0_only_when_no_io_queue_is_left),
	      NVH_TEST(shutdown_is_complete_when_the_io_queues_are_gone),
	      NVH_TEST(registers_read_as_the_specification_has_them),
	      NVH_TEST(disconnect_answers_when_it_is_the_last_command_of_its_queue),
	      NVH_TEST(a_target_that_stops_takes_every_connection_with_it))
