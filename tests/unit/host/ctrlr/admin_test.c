/*
 * Admin commands: waiting, deadlines, Abort, reset; and log pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

#define MS NVHI_NSEC_PER_MSEC

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;

struct cmd {
	struct nvhi_admin admin;
	unsigned int done;
	int err;
	unsigned int code;
	uint64_t at;
	uint32_t order;
};
static struct cmd cmds[64];
static uint32_t order;

static void cmd_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct cmd *cmd = nvhi_container_of(admin, struct cmd, admin);

	cmd->done++;
	cmd->err = err;
	cmd->code = err ? 0 : nvh_cpl_code(cpl);
	cmd->at = world_now();
	cmd->order = order++;
}

static void start(void)
{
	world_setup();
	memset(cmds, 0, sizeof(cmds));
	order = 0;
	test_opts(&opts, 0);
	opts.admin_timeout_ms = 1000;
	opts.transport.kato_ms = 0;
	owner_live(&owner, &opts);
}

static int send_cmd(struct cmd *cmd, uint8_t opc)
{
	memset(&cmd->admin, 0, sizeof(cmd->admin));
	cmd->admin.req.cmd.opc = opc;
	cmd->admin.done = cmd_done;
	return nvhi_admin_submit(owner.ctrlr, &cmd->admin, NULL, 0);
}

static enum fake_verdict hold_features(struct fake_ctrlr *fake, uint16_t qid,
				       const struct nvh_cmd *cmd)
{
	(void)fake;
	return qid == 0 && cmd->opc == NVH_ADM_GET_FEATURES ? FAKE_HOLD : FAKE_ANSWER;
}

static enum fake_verdict hold_all(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	(void)cmd;
	return qid == 0 ? FAKE_HOLD : FAKE_ANSWER;
}

static void commands_beyond_the_queue_wait_in_order(void)
{
	start();
	for (uint32_t i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(send_cmd(&cmds[i], NVH_ADM_NS_MGMT), 0);
	CU_ASSERT_EQUAL(order, 0);
	world_run_ms(1);
	for (uint32_t i = 0; i < 64; i++) {
		CU_ASSERT_EQUAL(cmds[i].done, 1);
		CU_ASSERT_EQUAL(cmds[i].order, i);
		CU_ASSERT_EQUAL(cmds[i].code, NVH_ST_INVALID_OPCODE);
	}
	owner_delete(&owner);
	world_teardown();
}

static void a_late_command_is_aborted_and_an_aborted_one_harms_nobody(void)
{
	uint64_t sent;

	start();
	fakes[0].hook = hold_features;
	sent = world_now();
	send_cmd(&cmds[0], NVH_ADM_GET_FEATURES);
	world_run_ms(999);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 0);
	world_run_ms(2);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 1);
	CU_ASSERT_EQUAL(fakes[0].aborts[0], (uint32_t)nvh_le16_get(cmds[0].admin.req.cmd.cid)
						    << NVH_ABORT_CID_SHIFT);
	world_run_ms(500);
	fakes[0].hook = NULL;
	fake_release(fakes[0].admin, 1);
	world_run_ms(5000);
	CU_ASSERT_EQUAL(cmds[0].done, 1);
	CU_ASSERT_EQUAL(cmds[0].err, 0);
	CU_ASSERT_TRUE(cmds[0].at - sent > 1500 * MS);
	CU_ASSERT_EQUAL(owner.lost, 0);
	owner_delete(&owner);
	world_teardown();
}

static void a_command_that_outlives_its_abort_resets_the_controller(void)
{
	uint64_t sent;

	start();
	fakes[0].hook = hold_features;
	sent = world_now();
	send_cmd(&cmds[0], NVH_ADM_GET_FEATURES);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	CU_ASSERT_EQUAL(owner.lost_at - sent, 2000 * MS);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "after its Abort"));
	CU_ASSERT_TRUE(WORLD_UNTIL(cmds[0].done == 1, 10));
	CU_ASSERT_EQUAL(cmds[0].err, -ETIMEDOUT);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	owner_delete(&owner);
	world_teardown();
}

static void a_peer_that_answers_no_abort_either_resets_the_controller(void)
{
	start();
	fakes[0].hook = hold_all;
	send_cmd(&cmds[0], NVH_ADM_GET_FEATURES);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	CU_ASSERT_EQUAL(cmds[0].done, 1);
	owner_delete(&owner);
	world_teardown();
}

static void a_command_that_never_got_a_slot_times_out_without_harm(void)
{
	start();
	fakes[0].hook = hold_features;
	for (uint32_t i = 0; i < 40; i++) {
		send_cmd(&cmds[i], NVH_ADM_GET_FEATURES);
		cmds[i].admin.timeout_ms = 0;
	}
	memset(&cmds[50], 0, sizeof(cmds[50]));
	cmds[50].admin.req.cmd.opc = NVH_ADM_NS_MGMT;
	cmds[50].admin.done = cmd_done;
	cmds[50].admin.timeout_ms = 300;
	CU_ASSERT_EQUAL(nvhi_admin_submit(owner.ctrlr, &cmds[50].admin, NULL, 0), 0);
	world_run_ms(301);
	CU_ASSERT_EQUAL(cmds[50].done, 1);
	CU_ASSERT_EQUAL(cmds[50].err, -ETIMEDOUT);
	CU_ASSERT_EQUAL(owner.lost, 0);
	fakes[0].hook = NULL;
	fake_release(fakes[0].admin, 100);
	world_run_ms(10);
	owner_delete(&owner);
	world_teardown();
}

static void commands_come_back_when_the_controller_is_lost_or_deleted(void)
{
	start();
	fakes[0].hook = hold_features;
	for (uint32_t i = 0; i < 40; i++)
		send_cmd(&cmds[i], NVH_ADM_GET_FEATURES);
	world_run_ms(1);
	fake_cut(fakes[0].admin, -ECONNRESET);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	for (uint32_t i = 0; i < 40; i++) {
		CU_ASSERT_EQUAL(cmds[i].done, 1);
		CU_ASSERT_TRUE(cmds[i].err < 0);
	}
	for (uint32_t i = 0; i < 40; i++)
		send_cmd(&cmds[i], NVH_ADM_GET_FEATURES);
	owner_delete(&owner);
	for (uint32_t i = 0; i < 40; i++)
		CU_ASSERT_EQUAL(cmds[i].done, 2);
	world_teardown();
}

static void a_controller_that_is_not_live_takes_no_commands(void)
{
	world_setup();
	memset(cmds, 0, sizeof(cmds));
	test_opts(&opts, 0);
	owner_connect(&owner, &opts);
	CU_ASSERT_EQUAL(send_cmd(&cmds[0], NVH_ADM_GET_FEATURES), -ENOTCONN);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 100));
	CU_ASSERT_EQUAL(nvhi_admin_submit(owner.ctrlr, &cmds[0].admin, NULL, 512), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_admin_submit(owner.ctrlr, &cmds[0].admin, cmds, 64u << 20), -EINVAL);
	owner_delete(&owner);
	world_teardown();
}

/* ---- log pages
 * ------------------------------------------------------------------------------------- */

static struct {
	struct nvhi_log_page log;
	unsigned int done;
	int err;
	unsigned int code;
} page;
static struct nvh_cmd seen[16];
static uint32_t nr_seen;

static void page_done(struct nvhi_log_page *log, int err, const struct nvh_cpl *cpl)
{
	CU_ASSERT_PTR_EQUAL(log, &page.log);
	page.done++;
	page.err = err;
	page.code = err ? 0 : nvh_cpl_code(cpl);
}

static enum fake_verdict see_logs(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	if (qid == 0 && cmd->opc == NVH_ADM_GET_LOG_PAGE && nr_seen < 16)
		seen[nr_seen++] = *cmd;
	return FAKE_ANSWER;
}

static void page_ask(uint8_t lid, uint64_t offset, void *data, uint32_t len)
{
	memset(&page, 0, sizeof(page));
	nr_seen = 0;
	page.log.lid = lid;
	page.log.offset = offset;
	page.log.data = data;
	page.log.len = len;
	page.log.done = page_done;
}

static void log_pages_are_read_in_chunks_from_any_offset(void)
{
	static uint8_t data[300000];

	start();
	fakes[0].hook = see_logs;
	page_ask(NVH_LID_PERSISTENT_EVENT, 0x1fffffff8ull, data, sizeof(data));
	CU_ASSERT_EQUAL(nvhi_log_page_read(owner.ctrlr, &page.log), 0);
	world_run_ms(1);
	CU_ASSERT_EQUAL(page.done, 1);
	CU_ASSERT_EQUAL(page.code, 0);
	CU_ASSERT_EQUAL(nr_seen, 3);
	/* 128 KiB each: NUMD 32767 */
	CU_ASSERT_EQUAL(nvh_le32_get(seen[0].cdw10), NVH_LID_PERSISTENT_EVENT | 32767u << 16);
	CU_ASSERT_EQUAL(nvh_le32_get(seen[0].cdw11), 0);
	CU_ASSERT_EQUAL(nvh_le32_get(seen[0].cdw12), 0xfffffff8u);
	CU_ASSERT_EQUAL(nvh_le32_get(seen[0].cdw13), 1);
	CU_ASSERT_EQUAL(nvh_le32_get(seen[1].cdw12), 0x1fff8);
	CU_ASSERT_EQUAL(nvh_le32_get(seen[1].cdw13), 2);
	CU_ASSERT_EQUAL(nvh_le32_get(seen[2].cdw10) >> 16, (300000 - 2 * 131072) / 4 - 1);
	owner_delete(&owner);
	world_teardown();
}

static void without_extended_log_data_there_is_no_offset(void)
{
	static uint8_t data[65536];

	world_setup();
	fakes[0].id.lpa = 0;
	fakes[0].hook = see_logs;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	page_ask(NVH_LID_ERROR, 4, data, 64);
	CU_ASSERT_EQUAL(nvhi_log_page_read(owner.ctrlr, &page.log), -EOPNOTSUPP);
	page_ask(NVH_LID_ERROR, 0, data, sizeof(data));
	CU_ASSERT_EQUAL(nvhi_log_page_read(owner.ctrlr, &page.log), -EOPNOTSUPP);
	page_ask(NVH_LID_ERROR, 0, data, 16384);
	CU_ASSERT_EQUAL(nvhi_log_page_read(owner.ctrlr, &page.log), 0);
	world_run_ms(1);
	CU_ASSERT_EQUAL(page.done, 1);
	CU_ASSERT_EQUAL(nr_seen, 1);
	page_ask(NVH_LID_ERROR, 0, data, 6);
	CU_ASSERT_EQUAL(nvhi_log_page_read(owner.ctrlr, &page.log), -EINVAL);
	page_ask(NVH_LID_ERROR, 0, data, 0);
	CU_ASSERT_EQUAL(nvhi_log_page_read(owner.ctrlr, &page.log), -EINVAL);
	owner_delete(&owner);
	world_teardown();
}

NVH_UNIT_MAIN("host/ctrlr/admin", NVH_TEST(commands_beyond_the_queue_wait_in_order),
	      NVH_TEST(a_late_command_is_aborted_and_an_aborted_one_harms_nobody),
	      NVH_TEST(a_command_that_outlives_its_abort_resets_the_controller),
	      NVH_TEST(a_peer_that_answers_no_abort_either_resets_the_controller),
	      NVH_TEST(a_command_that_never_got_a_slot_times_out_without_harm),
	      NVH_TEST(commands_come_back_when_the_controller_is_lost_or_deleted),
	      NVH_TEST(a_controller_that_is_not_live_takes_no_commands),
	      NVH_TEST(log_pages_are_read_in_chunks_from_any_offset),
	      NVH_TEST(without_extended_log_data_there_is_no_offset))
