/*
 * Keep-alives: when they are sent, when they are not, and when silence is too long.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;

#define MS NVHI_NSEC_PER_MSEC

static void keep_alives_come_every_half_of_kato(void)
{
	struct fake_ctrlr *fake = &fakes[0];
	uint32_t from;

	world_setup();
	test_opts(&opts, 0);
	opts.transport.kato_ms = 1000;
	owner_live(&owner, &opts);
	world_run_ms(10000);
	CU_ASSERT_EQUAL(fake->count[NVH_ADM_KEEP_ALIVE], 20);
	for (from = 1; from < 20; from++)
		CU_ASSERT_EQUAL(fake->ka_times[from] - fake->ka_times[from - 1], 500 * MS);
	owner_delete(&owner);
	world_teardown();
}

static void without_kato_none_are_sent(void)
{
	world_setup();
	test_opts(&opts, 0);
	opts.transport.kato_ms = 0;
	owner_live(&owner, &opts);
	world_run_ms(100000);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_KEEP_ALIVE], 0);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(world[0]), NVHI_NEVER);
	owner_delete(&owner);
	world_teardown();
}

static enum fake_verdict silent(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	(void)qid;
	(void)cmd;
	return FAKE_HOLD;
}

static void a_silent_peer_is_lost_at_kato(void)
{
	uint64_t live;

	world_setup();
	test_opts(&opts, 0);
	opts.transport.kato_ms = 2000;
	owner_live(&owner, &opts);
	live = owner.live_at;
	fakes[0].hook = silent;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 60000));
	CU_ASSERT_EQUAL(owner.error.err, -ETIMEDOUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "Keep Alive"));
	/* counted from the start of keep-alives, a moment before live */
	CU_ASSERT_TRUE(owner.lost_at - live > 1999 * MS && owner.lost_at - live <= 2000 * MS);
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	owner_delete(&owner);
	world_teardown();
}

static void traffic_stands_for_keep_alives_only_where_the_controller_says_so(void)
{
	struct test_io io = {0};

	world_setup();
	for (int tbkas = 0; tbkas < 2; tbkas++) {
		fake_init(&fakes[0]);
		if (tbkas)
			nvh_le32_put(&fakes[0].id.ctratt, NVH_CTRATT_TBKAS);
		test_opts(&opts, 0);
		opts.transport.kato_ms = 1000;
		owner_live(&owner, &opts);
		for (int i = 0; i < 100; i++) {
			CU_ASSERT_TRUE(test_io_submit(nvhi_ctrlr_ioq(owner.ctrlr, world[3]), &io));
			world_run_ms(100);
		}
		/* the queue's own commands of the connect count as traffic, too */
		CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_KEEP_ALIVE], tbkas ? 0 : 20);
		world_run_ms(1000);
		CU_ASSERT_TRUE(fakes[0].count[NVH_ADM_KEEP_ALIVE] >= (tbkas ? 2 : 21));
		owner_delete(&owner);
	}
	CU_ASSERT_EQUAL(io.done, 200);
	world_teardown();
}

static enum fake_verdict hold_io(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	(void)cmd;
	return qid ? FAKE_HOLD : FAKE_ANSWER;
}

/* Its controller has heard of it only when it was sent. */
static void an_answer_to_an_old_command_is_no_traffic(void)
{
	struct test_io io = {0};

	world_setup();
	nvh_le32_put(&fakes[0].id.ctratt, NVH_CTRATT_TBKAS);
	test_opts(&opts, 0);
	opts.transport.kato_ms = 1000;
	owner_live(&owner, &opts);
	fakes[0].hook = hold_io;
	CU_ASSERT_TRUE(test_io_submit(nvhi_ctrlr_ioq(owner.ctrlr, world[2]), &io));
	world_run_ms(700);
	fake_release(fakes[0].io[2], 1);
	world_run_ms(300);
	CU_ASSERT_EQUAL(io.done, 1);
	/* looked at each 250 ms: the first counted the connect's own commands as none, too */
	CU_ASSERT_TRUE(fakes[0].count[NVH_ADM_KEEP_ALIVE] >= 3);
	fakes[0].hook = NULL;
	owner_delete(&owner);
	world_teardown();
}

static enum fake_verdict knows_none(struct fake_ctrlr *fake, uint16_t qid,
				    const struct nvh_cmd *cmd)
{
	if (qid || cmd->opc != NVH_ADM_KEEP_ALIVE)
		return FAKE_ANSWER;
	fake->count[cmd->opc]++;
	return FAKE_STATUS;
}

static void a_controller_that_knows_no_keep_alive_gets_no_more(void)
{
	world_setup();
	fakes[0].hook = knows_none;
	fakes[0].hook_status = NVH_ST_INVALID_OPCODE | NVH_CPL_DNR;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	world_run_ms(60000);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_KEEP_ALIVE], 1);
	CU_ASSERT_EQUAL(owner.lost, 0);
	owner_delete(&owner);
	world_teardown();
}

static void a_keep_alive_that_is_refused_ends_the_association(void)
{
	world_setup();
	fakes[0].hook = knows_none;
	fakes[0].hook_status = NVH_ST_KEEP_ALIVE_EXPIRED | NVH_CPL_DNR;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 60000));
	CU_ASSERT_TRUE(owner.error.has_cpl);
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 10000));
	owner_delete(&owner);
	world_teardown();
}

/* A full admin queue keeps no keep-alive from being sent. */
static struct nvhi_admin hogs[64];
static unsigned int hogs_done;
static void hog_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	(void)admin;
	(void)err;
	(void)cpl;
	hogs_done++;
}

static enum fake_verdict hold_features(struct fake_ctrlr *fake, uint16_t qid,
				       const struct nvh_cmd *cmd)
{
	(void)fake;
	return qid == 0 && cmd->opc == NVH_ADM_GET_FEATURES ? FAKE_HOLD : FAKE_ANSWER;
}

static void a_full_admin_queue_holds_up_no_keep_alive(void)
{
	world_setup();
	memset(hogs, 0, sizeof(hogs));
	hogs_done = 0;
	test_opts(&opts, 0);
	opts.transport.kato_ms = 1000;
	opts.admin_timeout_ms = 60000;
	owner_live(&owner, &opts);
	fakes[0].hook = hold_features;
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(hogs); i++) {
		hogs[i].req.cmd.opc = NVH_ADM_GET_FEATURES;
		hogs[i].done = hog_done;
		CU_ASSERT_EQUAL(nvhi_admin_submit(owner.ctrlr, &hogs[i], NULL, 0), 0);
	}
	world_run_ms(10000);
	CU_ASSERT_EQUAL(owner.lost, 0);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_KEEP_ALIVE], 20);
	fakes[0].hook = NULL;
	fake_release(fakes[0].admin, 100);
	world_run_ms(1);
	CU_ASSERT_EQUAL(hogs_done, NVHI_ARRAY_SIZE(hogs));
	owner_delete(&owner);
	world_teardown();
}

/* The answer was there all the time, only nobody looked. */
static void a_stopped_host_blames_no_peer(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].hook = silent;
	CU_ASSERT_TRUE(WORLD_UNTIL(fake_held(fakes[0].admin) == 1, 10000));
	fakes[0].hook = NULL;
	world_stop_ms(60000);
	fake_release(fakes[0].admin, 1);
	world_run_ms(10000);
	CU_ASSERT_EQUAL(owner.lost, 0);
	/* and with no answer it is lost a moment later */
	fakes[0].hook = silent;
	CU_ASSERT_TRUE(WORLD_UNTIL(fake_held(fakes[0].admin) == 1, 10000));
	world_stop_ms(60000);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 6));
	fakes[0].hook = NULL;
	owner_delete(&owner);
	world_teardown();
}

NVH_UNIT_MAIN("host/ctrlr/keepalive", NVH_TEST(keep_alives_come_every_half_of_kato),
	      NVH_TEST(without_kato_none_are_sent), NVH_TEST(a_silent_peer_is_lost_at_kato),
	      NVH_TEST(traffic_stands_for_keep_alives_only_where_the_controller_says_so),
	      NVH_TEST(an_answer_to_an_old_command_is_no_traffic),
	      NVH_TEST(a_controller_that_knows_no_keep_alive_gets_no_more),
	      NVH_TEST(a_keep_alive_that_is_refused_ends_the_association),
	      NVH_TEST(a_full_admin_queue_holds_up_no_keep_alive),
	      NVH_TEST(a_stopped_host_blames_no_peer))
