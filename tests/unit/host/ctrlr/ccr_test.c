/*
 * Cross-Controller Reset from the host: what counts as done, and what does not.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

#define WAIT_MS 1000u

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;
static struct nvhi_ccr ccr;
static const struct nvhi_assoc old = {.cntlid = 0x1234, .ciu = 7, .cirn = 0x1122334455667788ull};
static uint32_t calls;
static enum nvhi_ccr_result result;
static uint8_t page[4096]; /* what the log shows */
static struct nvh_cmd sent;

static enum fake_verdict hook(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	if (qid || cmd->opc != NVH_ADM_CCR)
		return FAKE_ANSWER;
	sent = *cmd;
	return FAKE_STATUS;
}

static void garble(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf, uint32_t len)
{
	uint64_t offset = nvh_le32_get(cmd->cdw12);

	(void)fake;
	if (cmd->opc == NVH_ADM_GET_LOG_PAGE && (uint8_t)nvh_le32_get(cmd->cdw10) == NVH_LID_CCR &&
	    offset + len <= sizeof(page))
		memcpy(buf, page + offset, len);
}

static void done(struct nvhi_ccr *c, enum nvhi_ccr_result r, const char *why)
{
	(void)c;
	CU_ASSERT_TRUE(r != NVHI_CCR_FAILED || why[0]);
	calls++;
	result = r;
}

static void setup(unsigned int status)
{
	world_setup();
	test_opts(&opts, 0);
	fakes[0].id.ccrl = 4;
	fakes[0].hook = hook;
	fakes[0].hook_status = status;
	fakes[0].garble = garble;
	memset(page, 0, sizeof(page));
	memset(&ccr, 0, sizeof(ccr));
	calls = 0;
	owner_live(&owner, &opts);
	ccr.done = done;
	CU_ASSERT_EQUAL_FATAL(nvhi_ccr_start(owner.ctrlr, &ccr, &old, WAIT_MS), 0);
	CU_ASSERT_EQUAL(calls, 0);
}

static void teardown(void)
{
	owner_delete(&owner);
	world_teardown();
}

static void entry(uint16_t icid, uint8_t ciu, uint8_t ccrs)
{
	struct nvh_ccr_log *log = (struct nvh_ccr_log *)page;

	nvh_le16_put(&log->ne, 1);
	nvh_le16_put(&log->entries[0].icid, icid);
	log->entries[0].ciu = ciu;
	log->entries[0].ccrs = ccrs;
}

static void accepted_is_not_done(void)
{
	setup(0);
	world_run_ms(WAIT_MS / 2);
	CU_ASSERT_EQUAL(calls, 0);
	CU_ASSERT_EQUAL(nvh_le32_get(sent.cdw10), 0x071234);
	CU_ASSERT_EQUAL(nvh_le32_get(sent.cdw12), 0x55667788);
	CU_ASSERT_EQUAL(nvh_le32_get(sent.cdw13), 0x11223344);
	world_run_ms(WAIT_MS);
	CU_ASSERT_EQUAL(calls, 1);
	CU_ASSERT_EQUAL(result, NVHI_CCR_FAILED);
	CU_ASSERT_EQUAL(owner.lost, 0);
	teardown();
}

static void the_log_shows_that_it_is_done(void)
{
	setup(0);
	world_run_ms(100);
	entry(0x1234, 8, NVH_CCRS_SUCCESS); /* another instance */
	world_run_ms(200);
	CU_ASSERT_EQUAL(calls, 0);
	entry(0x1234, 7, NVH_CCRS_IN_PROGRESS);
	world_run_ms(200);
	CU_ASSERT_EQUAL(calls, 0);
	entry(0x1234, 7, NVH_CCRS_SUCCESS);
	world_run_ms(110);
	CU_ASSERT_EQUAL(calls, 1);
	CU_ASSERT_EQUAL(result, NVHI_CCR_LOGGED);
	teardown();
}

static void a_notice_has_the_log_read_at_once(void)
{
	uint32_t reads;

	setup(0);
	world_run_ms(400); /* it is looked at each 100 ms by now */
	entry(0x1234, 7, NVH_CCRS_SUCCESS);
	reads = fakes[0].log[NVH_LID_CCR];
	CU_ASSERT_TRUE(fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_CCR_COMPLETED, NVH_LID_CCR));
	world_run_ms(2);
	CU_ASSERT_TRUE(fakes[0].log[NVH_LID_CCR] > reads);
	CU_ASSERT_EQUAL(calls, 1);
	CU_ASSERT_EQUAL(result, NVHI_CCR_LOGGED);
	teardown();
}

static void a_refusal_a_failure_or_a_broken_log_is_no_proof(void)
{
	static const unsigned int codes[] = {NVH_ST_INVALID_FIELD | NVH_CPL_DNR, NVH_ST_CCR_LIMIT,
					     NVH_ST_CCR_LOG_FULL, NVH_ST_INTERNAL};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(codes) + 2; i++) {
		setup(i < NVHI_ARRAY_SIZE(codes) ? codes[i] : 0);
		entry(0x1234, 7, i == NVHI_ARRAY_SIZE(codes) ? NVH_CCRS_FAILED : 1);
		if (i == NVHI_ARRAY_SIZE(codes) + 1)
			page[1] = 0xff; /* NE far beyond the page */
		world_run_ms(50);
		CU_ASSERT_EQUAL(calls, 1);
		CU_ASSERT_EQUAL(result, NVHI_CCR_FAILED);
		CU_ASSERT_EQUAL(owner.lost, 0);
		teardown();
	}
}

/* Asked for before, perhaps by an earlier process. */
static void one_that_is_under_way_is_waited_for(void)
{
	setup(NVH_ST_CCR_IN_PROGRESS);
	world_run_ms(50);
	CU_ASSERT_EQUAL(calls, 0);
	entry(0x1234, 7, NVH_CCRS_SUCCESS);
	world_run_ms(110);
	CU_ASSERT_EQUAL(calls, 1);
	CU_ASSERT_EQUAL(result, NVHI_CCR_LOGGED);
	teardown();
}

static void it_fails_with_the_controller_that_carries_it(void)
{
	setup(0);
	world_run_ms(100);
	fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(10);
	CU_ASSERT_EQUAL(calls, 1);
	CU_ASSERT_EQUAL(result, NVHI_CCR_FAILED);
	teardown();
}

static void a_controller_that_offers_none_is_not_asked(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ccr_start(owner.ctrlr, &ccr, &old, WAIT_MS), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_CCR], 0);
	teardown();
}

NVH_UNIT_MAIN("host/ctrlr/ccr", NVH_TEST(accepted_is_not_done),
	      NVH_TEST(the_log_shows_that_it_is_done), NVH_TEST(a_notice_has_the_log_read_at_once),
	      NVH_TEST(a_refusal_a_failure_or_a_broken_log_is_no_proof),
	      NVH_TEST(one_that_is_under_way_is_waited_for),
	      NVH_TEST(it_fails_with_the_controller_that_carries_it),
	      NVH_TEST(a_controller_that_offers_none_is_not_asked))
