/*
 * Identify Controller: what is refused, and what becomes of the rest. And what is negotiated from
 * it.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;

/* Connects to fakes[0] and expects that it is refused with these words. */
static void expect_refused(const char *words)
{
	test_opts(&opts, 0);
	opts.no_retry = true;
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 100));
	CU_ASSERT_EQUAL(owner.error.err, -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, words));
	if (!strstr(owner.error.message, words))
		printf("    %s\n", owner.error.message);
	world_run_ms(0);
	fake_init(&fakes[0]);
}

static void identify_data_that_cannot_be_is_refused_by_field(void)
{
	struct nvh_id_ctrlr *id = &fakes[0].id;

	world_setup();
	nvh_le16_put(&id->cntlid, 8);
	expect_refused("CNTLID 8 is not the 7 of Connect");
	memset(id->subnqn, 'x', sizeof(id->subnqn));
	expect_refused("SUBNQN is not terminated");
	strcpy(id->subnqn, "nqn.2024-01.test:other");
	expect_refused("SUBNQN is not nqn.2024-01.test:sub");
	id->sqes = 0x55;
	expect_refused("SQES 0x55");
	id->sqes = 0x77;
	expect_refused("SQES 0x77");
	id->cqes = 0x33;
	expect_refused("CQES 0x33");
	nvh_le32_put(&id->ioccsz, 3);
	expect_refused("IOCCSZ 3 is below 4");
	nvh_le32_put(&id->iorcsz, 0);
	expect_refused("IORCSZ 0");
	nvh_le16_put(&id->icdoff, 513);
	expect_refused("ICDOFF 513 is beyond IOCCSZ 516");
	id->cntrltype = NVH_CNTRLTYPE_DISCOVERY;
	expect_refused("it is a discovery controller (use discover)");
	world_teardown();
}

static void a_subsystem_is_no_discovery_controller(void)
{
	world_setup();
	test_opts(&opts, 0);
	opts.discovery = true;
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 100));
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "it is no discovery controller"));
	world_teardown();
}

static void limits_never_overflow(void)
{
	struct nvh_id_ctrlr *id = &fakes[0].id;
	const struct nvhi_ctrlr_caps *caps;

	world_setup();
	id->mdts = 255;
	nvh_le32_put(&id->ioccsz, UINT32_MAX);
	nvh_le16_put(&id->icdoff, 0);
	fakes[0].cap |= 15ull << NVH_CAP_MPSMIN_SHIFT | 15ull << NVH_CAP_MPSMAX_SHIFT;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	caps = nvhi_ctrlr_caps(owner.ctrlr);
	CU_ASSERT_EQUAL(caps->max_transfer, 64u << 20);
	CU_ASSERT_EQUAL(caps->page_size, 4096u << 15);
	CU_ASSERT_EQUAL(nvhi_ctrlr_tctrlr(owner.ctrlr)->ioccsz, 16u << 20);
	owner_delete(&owner);
	world_teardown();
}

static void limits_are_what_the_fields_say(void)
{
	struct nvh_id_ctrlr *id = &fakes[0].id;
	const struct nvhi_ctrlr_caps *caps;

	world_setup();
	memcpy(id->mn, "Mod\001el  ", 8);
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	caps = nvhi_ctrlr_caps(owner.ctrlr);
	CU_ASSERT_EQUAL(caps->max_transfer, 4096u << 5);
	CU_ASSERT_EQUAL(caps->wz_blocks_bytes, 4096u << 3);
	CU_ASSERT_EQUAL(nvhi_ctrlr_tctrlr(owner.ctrlr)->ioccsz, 8192);
	CU_ASSERT_EQUAL(nvhi_ctrlr_tctrlr(owner.ctrlr)->icdoff, 0);
	CU_ASSERT_STRING_EQUAL(caps->serial, "SER1");
	CU_ASSERT_STRING_EQUAL(caps->model, "Mod?el");
	CU_ASSERT_STRING_EQUAL(caps->firmware, "");
	CU_ASSERT_EQUAL(caps->queue_depth, 127);
	owner_delete(&owner);
	world_teardown();
}

static void queue_depth_obeys_maxcmd_and_mqes(void)
{
	world_setup();
	nvh_le16_put(&fakes[0].id.maxcmd, 20);
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_caps(owner.ctrlr)->queue_depth, 20);
	CU_ASSERT_EQUAL(fakes[0].io[0]->base.entries, 21);
	owner_delete(&owner);

	fake_init(&fakes[0]);
	fakes[0].cap = (fakes[0].cap & ~0xffffull) | 31;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_caps(owner.ctrlr)->queue_depth, 31);
	owner_delete(&owner);
	world_teardown();
}

static void fewer_queues_than_reactors_leave_the_last_reactors_without(void)
{
	world_setup();
	fakes[0].granted = 2;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_caps(owner.ctrlr)->nr_io_queues, 2);
	for (uint32_t i = 0; i < WORLD_REACTORS; i++)
		CU_ASSERT_EQUAL(nvhi_ioq_state(nvhi_ctrlr_ioq(owner.ctrlr, world[i])),
				i < 2 ? NVHI_IOQ_LIVE : NVHI_IOQ_ABSENT);
	/* after a reconnect there may be more, or fewer */
	fakes[0].granted = 3;
	nvhi_ctrlr_reset(owner.ctrlr, "test", NULL);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	world_run_ms(1);
	CU_ASSERT_EQUAL(nvhi_ioq_state(nvhi_ctrlr_ioq(owner.ctrlr, world[2])), NVHI_IOQ_LIVE);
	fakes[0].granted = 1;
	nvhi_ctrlr_reset(owner.ctrlr, "test", NULL);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 3, 1000));
	world_run_ms(1);
	CU_ASSERT_EQUAL(nvhi_ioq_state(nvhi_ctrlr_ioq(owner.ctrlr, world[1])), NVHI_IOQ_ABSENT);
	owner_delete(&owner);
	world_teardown();
}

static void a_foreign_reactor_has_no_queue(void)
{
	world_setup();
	test_opts(&opts, 0);
	opts.nr_reactors = 2;
	opts.nr_io_queues = 1;
	owner_live(&owner, &opts);
	CU_ASSERT_PTR_NULL(nvhi_ctrlr_ioq(owner.ctrlr, world[3]));
	CU_ASSERT_EQUAL(nvhi_ioq_state(nvhi_ctrlr_ioq(owner.ctrlr, world[1])), NVHI_IOQ_ABSENT);
	CU_ASSERT_EQUAL(fakes[0].queues, 2);
	owner_delete(&owner);
	world_teardown();
}

static void retry_delays_are_asked_for_only_where_the_controller_has_some(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(fakes[0].feature[NVH_FID_HOST_BEHAVIOR], 0);
	owner_delete(&owner);

	fake_init(&fakes[0]);
	nvh_le16_put(&fakes[0].id.crdt2, 3);
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(fakes[0].acre, 1);
	CU_ASSERT_EQUAL(nvhi_ctrlr_caps(owner.ctrlr)->crdt[1], 3);
	owner_delete(&owner);
	world_teardown();
}

static enum fake_verdict refuse_behavior(struct fake_ctrlr *fake, uint16_t qid,
					 const struct nvh_cmd *cmd)
{
	if (qid || cmd->opc != NVH_ADM_SET_FEATURES ||
	    nvh_le32_get(cmd->cdw10) != NVH_FID_HOST_BEHAVIOR)
		return FAKE_ANSWER;
	fake->hook_status = NVH_ST_INVALID_FIELD | NVH_CPL_DNR;
	return FAKE_STATUS;
}

static void without_host_behavior_there_is_no_retry_delay(void)
{
	world_setup();
	nvh_le16_put(&fakes[0].id.crdt1, 3);
	fakes[0].hook = refuse_behavior;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_caps(owner.ctrlr)->crdt[0], 0);
	owner_delete(&owner);
	world_teardown();
}

static unsigned int busy_left;
static uint64_t identify_at[8];
static unsigned int identify_seen;
static enum fake_verdict busy_identify(struct fake_ctrlr *fake, uint16_t qid,
				       const struct nvh_cmd *cmd)
{
	if (qid || cmd->opc != NVH_ADM_IDENTIFY || nvh_le32_get(cmd->cdw10) != NVH_CNS_ACTIVE_NS)
		return FAKE_ANSWER;
	identify_at[identify_seen++ % 8] = world_now();
	if (busy_left == 0)
		return FAKE_ANSWER;
	fake->hook_status = NVH_ST_CMD_INTERRUPTED | busy_left << NVH_CPL_CRD_SHIFT;
	busy_left--;
	return FAKE_STATUS;
}

/* CRD 3, then 2, then 1: index 0 of the table is CRDT1. */
static void our_own_commands_wait_as_long_as_crd_says(void)
{
	world_setup();
	nvh_le16_put(&fakes[0].id.crdt1, 1);
	nvh_le16_put(&fakes[0].id.crdt2, 5);
	nvh_le16_put(&fakes[0].id.crdt3, 9);
	fakes[0].hook = busy_identify;
	busy_left = 3;
	identify_seen = 0;
	test_opts(&opts, 0);
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 10000));
	CU_ASSERT_EQUAL(identify_seen, 4);
	CU_ASSERT_EQUAL(identify_at[1] - identify_at[0], 900 * NVHI_NSEC_PER_MSEC + 10000);
	CU_ASSERT_EQUAL(identify_at[2] - identify_at[1], 500 * NVHI_NSEC_PER_MSEC + 10000);
	CU_ASSERT_EQUAL(identify_at[3] - identify_at[2], 100 * NVHI_NSEC_PER_MSEC + 10000);
	owner_delete(&owner);
	world_teardown();
}

NVH_UNIT_MAIN("host/ctrlr/identify", NVH_TEST(identify_data_that_cannot_be_is_refused_by_field),
	      NVH_TEST(a_subsystem_is_no_discovery_controller), NVH_TEST(limits_never_overflow),
	      NVH_TEST(limits_are_what_the_fields_say), NVH_TEST(queue_depth_obeys_maxcmd_and_mqes),
	      NVH_TEST(fewer_queues_than_reactors_leave_the_last_reactors_without),
	      NVH_TEST(a_foreign_reactor_has_no_queue),
	      NVH_TEST(retry_delays_are_asked_for_only_where_the_controller_has_some),
	      NVH_TEST(without_host_behavior_there_is_no_retry_delay),
	      NVH_TEST(our_own_commands_wait_as_long_as_crd_says))
