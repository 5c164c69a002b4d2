/*
 * target-lite/core/reservation.c: two hosts and a namespace.
 */
#include <string.h>

#include "base/spec/nvme_feature.h"
#include "base/spec/nvme_identify.h"
#include "base/spec/nvme_log.h"
#include "tests/unit/target_fixture.h"

/* Hosts a and b: a controller and a queue each, on different reactors. */
static struct tt_qpair *admin[2], *io[2];

static void resv_setup(void)
{
	tt_setup(2);
	for (int i = 0; i < 2; i++) {
		struct tt_connect opts = TT_CONNECT_DEFAULT;

		opts.hostid = (uint8_t)(i + 1);
		opts.host = i ? "nqn.2026-01.io.nvhost:host-b" : "nqn.2026-01.io.nvhost:host-a";
		admin[i] = tt_open(0);
		CU_ASSERT_EQUAL_FATAL(tt_connect(admin[i], &opts, NULL), 0);
		CU_ASSERT_EQUAL(tt_prop_set(admin[i], 0x14, 0x460001), 0);
		opts.qid = 1;
		opts.cntlid = admin[i]->qpair.ctrlr->cntlid;
		io[i] = tt_open((uint32_t)i);
		CU_ASSERT_EQUAL_FATAL(tt_connect(io[i], &opts, NULL), 0);
	}
}

static void resv_teardown(void)
{
	for (int i = 0; i < 2; i++) {
		tt_break(io[i]);
		tt_break(admin[i]);
		tt_free(io[i]);
		tt_free(admin[i]);
	}
	tt_teardown();
}

static unsigned int resv(int host, uint8_t opc, uint32_t cdw10, uint64_t key, uint64_t other)
{
	struct tt_cmd *cmd = tt_cmd(opc, 1);
	struct nvh_le64 *keys = (struct nvh_le64 *)cmd->data;
	unsigned int status;

	tt_cmd_dw(cmd, 10, cdw10);
	tt_cmd_data(cmd, opc == NVH_OPC_RESV_RELEASE ? 8 : 16);
	nvh_le64_put(&keys[0], key);
	nvh_le64_put(&keys[1], other);
	status = tt_status(io[host], cmd);
	tt_cmd_free(cmd);
	return status;
}

static unsigned int enroll(int host, uint64_t key)
{
	return resv(host, NVH_OPC_RESV_REGISTER, NVH_RREGA_REGISTER, 0, key);
}

static unsigned int acquire(int host, uint64_t key, uint8_t rtype)
{
	return resv(host, NVH_OPC_RESV_ACQUIRE,
		    NVH_RACQA_ACQUIRE | (uint32_t)rtype << NVH_RESV_RTYPE_SHIFT, key, 0);
}

static unsigned int preempt(int host, uint64_t key, uint64_t victim, uint8_t rtype, bool and_abort)
{
	uint32_t action = and_abort ? NVH_RACQA_PREEMPT_ABORT : NVH_RACQA_PREEMPT;

	return resv(host, NVH_OPC_RESV_ACQUIRE, action | (uint32_t)rtype << NVH_RESV_RTYPE_SHIFT,
		    key, victim);
}

static unsigned int release(int host, uint64_t key, uint8_t rtype)
{
	return resv(host, NVH_OPC_RESV_RELEASE,
		    NVH_RRELA_RELEASE | (uint32_t)rtype << NVH_RESV_RTYPE_SHIFT, key, 0);
}

static bool may(int host, uint8_t opc)
{
	struct tt_cmd *cmd = tt_cmd(opc, 1);
	unsigned int status;

	tt_cmd_rw(cmd, 0, 1);
	status = tt_status(io[host], cmd);
	CU_ASSERT(status == 0 || status == NVH_ST_RESV_CONFLICT);
	tt_cmd_free(cmd);
	return status == 0;
}

static struct tt_cmd *report(int host)
{
	struct tt_cmd *cmd = tt_cmd(NVH_OPC_RESV_REPORT, 1);

	tt_cmd_dw(cmd, 10, 256 / 4 - 1);
	tt_cmd_dw(cmd, 11, NVH_RESV_REPORT_EDS);
	tt_cmd_data(cmd, 256);
	CU_ASSERT_EQUAL(tt_status(io[host], cmd), 0);
	return cmd;
}

/* ---- who may do what ------------------------------------------------------------------------ */

static void each_type_lets_through_what_the_table_says(void)
{
	/* host b's rights while a holds: read and write, unregistered and registered */
	static const struct {
		uint8_t rtype;
		bool read, write, reg_read, reg_write;
	} table[] = {
		{NVH_RTYPE_WRITE_EXCL, true, false, true, false},
		{NVH_RTYPE_EXCL_ACCESS, false, false, false, false},
		{NVH_RTYPE_WRITE_EXCL_REG, true, false, true, true},
		{NVH_RTYPE_EXCL_ACCESS_REG, false, false, true, true},
		{NVH_RTYPE_WRITE_EXCL_ALL, true, false, true, true},
		{NVH_RTYPE_EXCL_ACCESS_ALL, false, false, true, true},
	};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(table); i++) {
		resv_setup();
		CU_ASSERT_EQUAL(enroll(0, 0xa), 0);
		CU_ASSERT_EQUAL(acquire(0, 0xa, table[i].rtype), 0);
		CU_ASSERT_TRUE(may(0, NVH_OPC_READ) && may(0, NVH_OPC_WRITE));
		CU_ASSERT_EQUAL(may(1, NVH_OPC_READ), table[i].read);
		CU_ASSERT_EQUAL(may(1, NVH_OPC_VERIFY), table[i].read);
		CU_ASSERT_EQUAL(may(1, NVH_OPC_WRITE), table[i].write);
		CU_ASSERT_EQUAL(may(1, NVH_OPC_WRITE_ZEROES), table[i].write);
		CU_ASSERT_EQUAL(may(1, NVH_OPC_FLUSH), table[i].write);
		CU_ASSERT_EQUAL(enroll(1, 0xb), 0);
		CU_ASSERT_EQUAL(may(1, NVH_OPC_READ), table[i].reg_read);
		CU_ASSERT_EQUAL(may(1, NVH_OPC_WRITE), table[i].reg_write);
		CU_ASSERT_EQUAL(release(0, 0xa, table[i].rtype), 0);
		CU_ASSERT_TRUE(may(1, NVH_OPC_READ) && may(1, NVH_OPC_WRITE));
		resv_teardown();
	}
}

/* ---- registering ---------------------------------------------------------------------------- */

static void keys_are_what_a_host_proves_itself_with(void)
{
	resv_setup();
	CU_ASSERT_EQUAL(acquire(0, 0xa, NVH_RTYPE_WRITE_EXCL), NVH_ST_RESV_CONFLICT);
	CU_ASSERT_EQUAL(enroll(0, 0xa), 0);
	CU_ASSERT_EQUAL(enroll(0, 0xa), 0);
	CU_ASSERT_EQUAL(enroll(0, 0xc), NVH_ST_RESV_CONFLICT);
	CU_ASSERT_EQUAL(acquire(0, 0xb, NVH_RTYPE_WRITE_EXCL), NVH_ST_RESV_CONFLICT);
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_REGISTER, NVH_RREGA_REPLACE, 0xb, 0xc),
			NVH_ST_RESV_CONFLICT);
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_REGISTER, NVH_RREGA_REPLACE, 0xa, 0xc), 0);
	CU_ASSERT_EQUAL(acquire(0, 0xc, NVH_RTYPE_WRITE_EXCL), 0);
	CU_ASSERT_EQUAL(acquire(0, 0xc, NVH_RTYPE_WRITE_EXCL), 0);
	CU_ASSERT_EQUAL(acquire(0, 0xc, NVH_RTYPE_EXCL_ACCESS), NVH_ST_RESV_CONFLICT);
	CU_ASSERT_EQUAL(acquire(0, 0xc, 7), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(release(0, 0xc, NVH_RTYPE_EXCL_ACCESS), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(enroll(1, 0xb), 0);
	CU_ASSERT_EQUAL(release(1, 0xb, NVH_RTYPE_WRITE_EXCL), 0); /* not the holder: no effect */
	CU_ASSERT_FALSE(may(1, NVH_OPC_WRITE));
	/* Without the key, IEKEY does; and the holder's leaving ends the reservation. */
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_REGISTER, NVH_RREGA_UNREGISTER | NVH_RESV_IEKEY, 0, 0),
			0);
	CU_ASSERT_TRUE(may(1, NVH_OPC_WRITE));
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_REGISTER, 3u << NVH_RESV_CPTPL_SHIFT, 0, 1),
			NVH_ST_INVALID_FIELD);
	resv_teardown();
}

static void a_reservation_of_all_registrants_ends_with_the_last(void)
{
	resv_setup();
	enroll(0, 0xa);
	enroll(1, 0xb);
	CU_ASSERT_EQUAL(acquire(0, 0xa, NVH_RTYPE_EXCL_ACCESS_ALL), 0);
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_REGISTER, NVH_RREGA_UNREGISTER, 0xa, 0), 0);
	CU_ASSERT_FALSE(may(0, NVH_OPC_READ));
	CU_ASSERT_TRUE(may(1, NVH_OPC_READ));
	CU_ASSERT_EQUAL(resv(1, NVH_OPC_RESV_REGISTER, NVH_RREGA_UNREGISTER, 0xb, 0), 0);
	CU_ASSERT_TRUE(may(0, NVH_OPC_READ));
	resv_teardown();
}

/* ---- taking over ---------------------------------------------------------------------------- */

static void preempt_takes_the_reservation_and_unregisters_its_holder(void)
{
	struct nvh_resv_ctrlr_ext *entry;
	struct nvh_resv_status *status;
	struct tt_cmd *cmd;

	resv_setup();
	enroll(0, 0xa);
	enroll(1, 0xb);
	CU_ASSERT_EQUAL(acquire(0, 0xa, NVH_RTYPE_WRITE_EXCL), 0);
	CU_ASSERT_EQUAL(preempt(1, 0xb, 0xc, NVH_RTYPE_EXCL_ACCESS, false), NVH_ST_RESV_CONFLICT);
	CU_ASSERT_EQUAL(preempt(1, 0xb, 0, NVH_RTYPE_EXCL_ACCESS, false), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(preempt(1, 0xb, 0xa, NVH_RTYPE_EXCL_ACCESS, false), 0);
	CU_ASSERT_FALSE(may(0, NVH_OPC_READ));
	CU_ASSERT_TRUE(may(1, NVH_OPC_WRITE));
	cmd = report(0);
	status = (struct nvh_resv_status *)cmd->data;
	entry = (struct nvh_resv_ctrlr_ext *)(cmd->data + NVH_RESV_STATUS_EXT_SIZE);
	CU_ASSERT_EQUAL(status->rtype, NVH_RTYPE_EXCL_ACCESS);
	CU_ASSERT_EQUAL(nvh_le16_get(status->regctl), 1);
	CU_ASSERT_EQUAL(nvh_le32_get(status->gen), 3); /* two registered, one preempted */
	CU_ASSERT_EQUAL(entry->rcsts, 1);
	CU_ASSERT_EQUAL(nvh_le64_get(entry->rkey), 0xb);
	CU_ASSERT_EQUAL(entry->hostid[15], 2);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(resv(1, NVH_OPC_RESV_RELEASE, NVH_RRELA_CLEAR, 0xb, 0), 0);
	CU_ASSERT_TRUE(may(0, NVH_OPC_WRITE));
	cmd = report(0);
	CU_ASSERT_EQUAL(nvh_le16_get(((struct nvh_resv_status *)cmd->data)->regctl), 0);
	tt_cmd_free(cmd);
	resv_teardown();
}

static void preempt_and_abort_waits_for_what_is_under_way(void)
{
	struct tt_cmd *busy, *cmd;
	struct nvh_le64 *keys;

	resv_setup();
	enroll(0, 0xa);
	enroll(1, 0xb);
	acquire(0, 0xa, NVH_RTYPE_WRITE_EXCL_REG);
	busy = tt_cmd(NVH_OPC_WRITE, 1);
	tt_cmd_rw(busy, 0, 1);
	busy->keep = true;
	CU_ASSERT_EQUAL(tt_status(io[0], busy), 0);
	cmd = tt_cmd(NVH_OPC_RESV_ACQUIRE, 1);
	keys = (struct nvh_le64 *)cmd->data;
	tt_cmd_dw(cmd, 10, NVH_RACQA_PREEMPT_ABORT | NVH_RTYPE_EXCL_ACCESS << NVH_RESV_RTYPE_SHIFT);
	tt_cmd_data(cmd, 16);
	nvh_le64_put(&keys[0], 0xb);
	nvh_le64_put(&keys[1], 0xa);
	tt_exec(io[1], cmd);
	CU_ASSERT_FALSE(cmd->done);
	tl_request_end(&busy->req);
	tt_run();
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), 0);
	CU_ASSERT_FALSE(may(0, NVH_OPC_READ));
	tt_cmd_free(busy);
	tt_cmd_free(cmd);
	resv_teardown();
}

static void a_reservation_command_does_not_stand_in_a_removals_way(void)
{
	struct tt_cmd *cmd;

	resv_setup();
	cmd = tt_cmd(NVH_OPC_RESV_REGISTER, 1);
	tt_cmd_data(cmd, 16);
	memset(cmd->data, 0, 16);
	cmd->data[8] = 1;
	CU_ASSERT_EQUAL(tl_subsystem_remove_ns(tt_subsystem(), 1, tt_done, NULL), 0);
	tt_exec(io[0], cmd); /* its change is in line behind the removal */
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), NVH_ST_INVALID_NS);
	CU_ASSERT_EQUAL(tt.done, 1);
	tt_cmd_free(cmd);
	resv_teardown();
}

static void malformed_reservation_commands_are_refused(void)
{
	struct tt_cmd *cmd;

	resv_setup();
	cmd = tt_cmd(NVH_OPC_RESV_REGISTER, 1);
	tt_cmd_data(cmd, 15);
	CU_ASSERT_EQUAL(tt_status(io[0], cmd), NVH_ST_SGL_INVALID_DATA_LEN);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_OPC_RESV_REPORT, 1);
	tt_cmd_dw(cmd, 10, 15);
	tt_cmd_data(cmd, 64);
	CU_ASSERT_EQUAL(tt_status(io[0], cmd), NVH_ST_HOSTID_INCONSISTENT); /* no EDS */
	cmd->done = false;
	tt_cmd_dw(cmd, 11, NVH_RESV_REPORT_EDS);
	tt_cmd_data(cmd, 60);
	CU_ASSERT_EQUAL(tt_status(io[0], cmd), NVH_ST_SGL_INVALID_DATA_LEN);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_REGISTER, 3, 0, 1), NVH_ST_INVALID_FIELD);
	enroll(0, 1);
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_ACQUIRE, 3 | 1 << NVH_RESV_RTYPE_SHIFT, 1, 0),
			NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(resv(0, NVH_OPC_RESV_RELEASE, 2, 1, 0), NVH_ST_INVALID_FIELD);
	cmd = tt_log(admin[0], NVH_LID_RESERVATION, 0, 64);
	CU_ASSERT_EQUAL(cmd->data[8], 0); /* nothing to tell */
	tt_cmd_free(cmd);
	resv_teardown();
}

NVH_UNIT_MAIN("target-lite/core/reservation", NVH_TEST(each_type_lets_through_what_the_table_says),
	      NVH_TEST(keys_are_what_a_host_proves_itself_with),
	      NVH_TEST(a_reservation_of_all_registrants_ends_with_the_last),
	      NVH_TEST(preempt_takes_the_reservation_and_unregisters_its_holder),
	      NVH_TEST(preempt_and_abort_waits_for_what_is_under_way),
	      NVH_TEST(a_reservation_command_does_not_stand_in_a_removals_way),
	      NVH_TEST(malformed_reservation_commands_are_refused))
