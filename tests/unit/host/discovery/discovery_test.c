/*
 * Discovery: the one-shot, long logs, logs that change while being read, and broken ones.
 */
#include "host/discovery/discovery.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/ctrlr_fixture.h"

static struct nvhi_ctrlr_opts opts;

static struct {
	unsigned int done;
	bool have;
	uint64_t numrec, genctr;
	uint32_t in_order;
	struct nvhi_ctrlr_error error;
	uint32_t queues_left;
} got;

static void got_log(void *arg, const struct nvhi_ctrlr_error *error,
		    const struct nvhi_discovery_log *log)
{
	char nqn[64];

	CU_ASSERT_PTR_EQUAL(arg, &got);
	got.done++;
	got.have = log != NULL;
	got.error = *error;
	got.queues_left = fakes[0].queues;
	if (!log)
		return;
	got.numrec = log->numrec;
	got.genctr = log->genctr;
	for (uint64_t i = 0; i < log->numrec; i++) {
		snprintf(nqn, sizeof(nqn), "nqn.2024-01.test:%u", (unsigned int)i + 1);
		got.in_order += strcmp(log->entries[i].subnqn, nqn) == 0;
	}
}

static void fake_discovery(uint32_t entries)
{
	struct fake_ctrlr *fake = &fakes[0];

	fake->id.cntrltype = NVH_CNTRLTYPE_DISCOVERY;
	fake->id.sqes = fake->id.cqes = 0;
	nvh_le32_put(&fake->id.ioccsz, 0);
	nvh_le32_put(&fake->id.oaes, NVH_AEN_DISCOVERY);
	strcpy(fake->id.subnqn, NVH_DISCOVERY_NQN);
	fake->disc_entries = entries;
	fake->genctr = 100;
	test_opts(&opts, 0);
	strcpy(opts.transport.subnqn, NVH_DISCOVERY_NQN);
	memset(&got, 0, sizeof(got));
}

static void discover(void)
{
	char text[256];

	CU_ASSERT_FATAL(nvhi_discover(&opts, got_log, &got, text, sizeof(text)) == 0);
	CU_ASSERT_EQUAL(got.done, 0);
	CU_ASSERT_TRUE(WORLD_UNTIL(got.done == 1, 120000));
	world_run_ms(0);
	CU_ASSERT_EQUAL(got.queues_left, 0);
}

static void a_log_is_read_whole_and_in_order(void)
{
	static const uint32_t counts[] = {0, 1, 3, 31, 32, 33, 1000};

	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(counts); i++) {
		world_setup();
		fake_discovery(counts[i]);
		discover();
		CU_ASSERT_TRUE(got.have);
		CU_ASSERT_EQUAL(got.numrec, counts[i]);
		CU_ASSERT_EQUAL(got.in_order, counts[i]);
		CU_ASSERT_EQUAL(got.genctr, 100);
		CU_ASSERT_EQUAL(fakes[0].connects[0], 1);
		world_teardown();
	}
}

/* Connect, CAP, VS, CC, CSTS, identify, header, entries, header, shutdown; nothing else. */
static void a_discovery_takes_no_needless_step(void)
{
	uint64_t start;

	world_setup();
	fake_discovery(2);
	start = world_now();
	discover();
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_AER], 0);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_SET_FEATURES], 0);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_IDENTIFY], 1);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_KEEP_ALIVE], 0);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_GET_LOG_PAGE], 3);
	CU_ASSERT_TRUE(world_now() - start <= 11 * 10000 + 1000);
	world_teardown();
}

static void a_log_that_changes_is_read_again(void)
{
	world_setup();
	fake_discovery(5);
	fakes[0].genctr_moves = 3;
	discover();
	CU_ASSERT_TRUE(got.have);
	CU_ASSERT_EQUAL(got.genctr, 103);
	CU_ASSERT_EQUAL(fakes[0].log[NVH_LID_DISCOVERY], 1 + 4 * 2);
	world_teardown();
}

static void a_log_that_changes_for_ever_is_given_up(void)
{
	world_setup();
	fake_discovery(5);
	fakes[0].genctr_moves = UINT32_MAX;
	discover();
	CU_ASSERT_FALSE(got.have);
	CU_ASSERT_EQUAL(got.error.err, -EAGAIN);
	CU_ASSERT_PTR_NOT_NULL(strstr(got.error.message, "GENCTR moved"));
	CU_ASSERT_TRUE(fakes[0].log[NVH_LID_DISCOVERY] < 50);
	world_teardown();
}

static void a_record_count_beyond_all_sense_is_refused(void)
{
	world_setup();
	fake_discovery(5);
	fakes[0].disc_numrec = UINT64_MAX;
	discover();
	CU_ASSERT_FALSE(got.have);
	CU_ASSERT_EQUAL(got.error.err, -EFBIG);
	CU_ASSERT_EQUAL(fakes[0].log[NVH_LID_DISCOVERY], 1);
	world_teardown();
}

static enum fake_verdict refuse_log(struct fake_ctrlr *fake, uint16_t qid,
				    const struct nvh_cmd *cmd)
{
	if (qid || cmd->opc != NVH_ADM_GET_LOG_PAGE)
		return FAKE_ANSWER;
	fake->hook_status = NVH_ST_INVALID_LOG_PAGE | NVH_CPL_DNR;
	return FAKE_STATUS;
}

static enum fake_verdict hold_log(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	return qid == 0 && cmd->opc == NVH_ADM_GET_LOG_PAGE ? FAKE_HOLD : FAKE_ANSWER;
}

static void failures_are_told_with_their_cause(void)
{
	world_setup();
	fake_discovery(5);
	fakes[0].hook = refuse_log;
	discover();
	CU_ASSERT_FALSE(got.have);
	CU_ASSERT_EQUAL(got.error.err, -EREMOTEIO);
	CU_ASSERT_TRUE(got.error.has_cpl);

	fake_init(&fakes[0]);
	fake_discovery(5);
	fakes[0].connect_err = -ECONNREFUSED;
	discover();
	CU_ASSERT_EQUAL(got.error.err, -ECONNREFUSED);
	CU_ASSERT_EQUAL(fakes[0].connects[0], 1);

	fake_init(&fakes[0]);
	fake_discovery(5);
	fakes[0].hook = hold_log;
	discover();
	CU_ASSERT_EQUAL(got.error.err, -ETIMEDOUT);
	world_teardown();
}

static void a_bad_option_is_told_at_once(void)
{
	char text[256];

	world_setup();
	fake_discovery(0);
	opts.transport.hostnqn[0] = '\0';
	CU_ASSERT_EQUAL(nvhi_discover(&opts, got_log, &got, text, sizeof(text)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(text, "no host NQN");
	world_run_ms(0);
	CU_ASSERT_EQUAL(got.done, 0);
	world_teardown();
}

static int discover_walk(void *arg)
{
	char text[256];
	int err;

	(void)arg;
	memset(&got, 0, sizeof(got));
	err = nvhi_discover(&opts, got_log, &got, text, sizeof(text));
	if (err)
		return err;
	CU_ASSERT_TRUE(WORLD_UNTIL(got.done == 1, 120000));
	world_run_ms(0);
	return got.error.err;
}

static void discovery_undoes_itself_whichever_allocation_fails(void)
{
	world_setup();
	fake_discovery(40);
	CU_ASSERT_TRUE(nvh_alloc_walk(discover_walk, NULL, true) > 5);
	world_teardown();
}

/* A controller that is kept hears of changes and reads again. */
static void a_kept_discovery_controller_is_told_of_changes(void)
{
	struct test_owner owner;

	world_setup();
	fake_discovery(2);
	opts.discovery = true;
	opts.persistent = true;
	opts.transport.kato_ms = 30000;
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(fakes[0].aec, NVH_AEN_DISCOVERY);
	CU_ASSERT_EQUAL(nvhi_discovery_read(owner.ctrlr, got_log, &got), 0);
	world_run_ms(1);
	CU_ASSERT_EQUAL(got.numrec, 2);
	fakes[0].disc_entries = 3;
	fakes[0].genctr++;
	CU_ASSERT_TRUE(fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_DISCOVERY_CHANGED,
				  NVH_LID_DISCOVERY));
	world_run_ms(1);
	CU_ASSERT_EQUAL(owner.notices, 1);
	CU_ASSERT_EQUAL(owner.last_info, NVH_AER_DISCOVERY_CHANGED);
	CU_ASSERT_EQUAL(nvhi_discovery_read(owner.ctrlr, got_log, &got), 0);
	world_run_ms(1);
	CU_ASSERT_EQUAL(got.done, 2);
	CU_ASSERT_EQUAL(got.numrec, 3);
	world_run_ms(60000);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_KEEP_ALIVE], 4);
	fake_cut(fakes[0].admin, -ECONNRESET);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	/* a read that is under way when the controller goes is told so */
	fakes[0].hook = hold_log;
	CU_ASSERT_EQUAL(nvhi_discovery_read(owner.ctrlr, got_log, &got), 0);
	world_run_ms(1);
	owner_delete(&owner);
	CU_ASSERT_EQUAL(got.done, 3);
	CU_ASSERT_FALSE(got.have);
	world_teardown();
}

NVH_UNIT_MAIN("host/discovery", NVH_TEST(a_log_is_read_whole_and_in_order),
	      NVH_TEST(a_discovery_takes_no_needless_step),
	      NVH_TEST(a_log_that_changes_is_read_again),
	      NVH_TEST(a_log_that_changes_for_ever_is_given_up),
	      NVH_TEST(a_record_count_beyond_all_sense_is_refused),
	      NVH_TEST(failures_are_told_with_their_cause), NVH_TEST(a_bad_option_is_told_at_once),
	      NVH_TEST(discovery_undoes_itself_whichever_allocation_fails),
	      NVH_TEST(a_kept_discovery_controller_is_told_of_changes))
