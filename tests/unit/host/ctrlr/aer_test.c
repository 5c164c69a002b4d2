/*
 * Asynchronous events: always armed, bounded, and followed by the right reading.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;

static uint32_t armed(void)
{
	return fakes[0].count[NVH_ADM_AER];
}

static void exactly_the_offered_notices_that_we_use_are_enabled(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(fakes[0].aec, NVH_AEN_NS_ATTR | NVH_AEN_ANA);
	CU_ASSERT_EQUAL(armed(), 4);
	owner_delete(&owner);
	fake_init(&fakes[0]);
	nvh_le32_put(&fakes[0].id.oaes, 0);
	fakes[0].id.aerl = 0;
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(fakes[0].feature[NVH_FID_AEC], 0);
	CU_ASSERT_EQUAL(armed(), 1);
	owner_delete(&owner);
	world_teardown();
}

static void each_event_is_armed_again(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	for (uint32_t i = 1; i <= 40; i++) {
		CU_ASSERT_TRUE(
			fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_ANA_CHANGED, NVH_LID_ANA));
		world_run_ms(100);
		CU_ASSERT_EQUAL(armed(), 4 + i);
		CU_ASSERT_EQUAL(owner.notices, i);
	}
	CU_ASSERT_EQUAL(owner.last_info, NVH_AER_ANA_CHANGED);
	CU_ASSERT_EQUAL(fakes[0].log[NVH_LID_ANA], 0); /* its reader is the owner */
	owner_delete(&owner);
	world_teardown();
}

static void a_flood_of_events_is_slowed_down(void)
{
	uint32_t sent = 0;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	for (uint32_t i = 0; i < 100000; i++) {
		sent += fake_event(&fakes[0], NVH_AER_VENDOR, 1, 0xc0);
		world_run_ns(100000);
	}
	/* ten seconds: 64 at once each second, then four every 100 ms */
	CU_ASSERT_TRUE(sent >= 10 * 64);
	CU_ASSERT_TRUE(sent <= 10 * (64 + 4 + 40));
	CU_ASSERT_EQUAL(owner.lost, 0);
	world_run_ms(2000);
	CU_ASSERT_TRUE(fake_event(&fakes[0], NVH_AER_VENDOR, 1, 0xc0));
	owner_delete(&owner);
	world_teardown();
}

static void unknown_events_are_cleared_by_reading_their_log(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fake_event(&fakes[0], NVH_AER_SMART, NVH_AER_SMART_SPARE, NVH_LID_SMART);
	fake_event(&fakes[0], NVH_AER_VENDOR, 9, 0xc3);
	world_run_ms(1);
	CU_ASSERT_EQUAL(fakes[0].log[NVH_LID_SMART], 1);
	CU_ASSERT_EQUAL(fakes[0].log[0xc3], 1);
	CU_ASSERT_EQUAL(owner.notices, 2);
	/* events of one kind that come together need one reading */
	for (int i = 0; i < 3; i++)
		fake_event(&fakes[0], NVH_AER_VENDOR, 9, 0xc3);
	world_run_ms(1);
	CU_ASSERT_TRUE(fakes[0].log[0xc3] <= 3);
	owner_delete(&owner);
	world_teardown();
}

static void changed_namespaces_are_read_alone(void)
{
	uint32_t before;

	world_setup();
	fakes[0].nr_ns = 50;
	for (uint32_t i = 0; i < 50; i++)
		fakes[0].nsid[i] = i + 1;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	before = fakes[0].cns[NVH_CNS_NS];
	CU_ASSERT_EQUAL(before, 50);
	fakes[0].nsze = 2000;
	fakes[0].changed[0] = 7;
	fakes[0].changed[1] = 9;
	fakes[0].nr_changed = 2;
	fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS);
	world_run_ms(5);
	CU_ASSERT_EQUAL(fakes[0].log[NVH_LID_CHANGED_NS], 1);
	CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_NS], before + 2);
	CU_ASSERT_EQUAL(owner.changed, 2);
	CU_ASSERT_EQUAL(owner.last_what, NVHI_NS_SIZE | NVHI_NS_ATTR);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_find(owner.ctrlr, 9)->nsze, 2000);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_find(owner.ctrlr, 8)->nsze, 1000);
	owner_delete(&owner);
	world_teardown();
}

static void a_change_log_that_overflowed_or_is_broken_means_all(void)
{
	static const uint32_t logs[][2] = {{NVH_CHANGED_NS_OVERFLOW, 0}, {9, 3}, {5, 5}};
	uint32_t before;

	world_setup();
	fakes[0].nr_ns = 10;
	for (uint32_t i = 0; i < 10; i++)
		fakes[0].nsid[i] = i + 1;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(logs); i++) {
		before = fakes[0].cns[NVH_CNS_NS];
		memcpy(fakes[0].changed, logs[i], sizeof(logs[i]));
		fakes[0].nr_changed = 2;
		fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS);
		world_run_ms(100);
		CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_NS], before + 10);
	}
	CU_ASSERT_EQUAL(owner.changed, 0);
	owner_delete(&owner);
	world_teardown();
}

static uint32_t refuse;

/* The controller has read, and cleared, its list; its answer does not arrive in order. */
static enum fake_verdict refuse_changed_log(struct fake_ctrlr *fake, uint16_t qid,
					    const struct nvh_cmd *cmd)
{
	if (qid || cmd->opc != NVH_ADM_GET_LOG_PAGE || cmd->cdw10.b[0] != NVH_LID_CHANGED_NS ||
	    !refuse)
		return FAKE_ANSWER;
	refuse--;
	fake->nr_changed = 0;
	fake->hook_status = NVH_ST_TRANSIENT_TRANSPORT;
	return FAKE_STATUS;
}

/* Seed 96779 of the simulated world. */
static void a_change_log_that_was_read_twice_means_all(void)
{
	uint32_t before;

	world_setup();
	fakes[0].nr_ns = 10;
	for (uint32_t i = 0; i < 10; i++)
		fakes[0].nsid[i] = i + 1;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	before = fakes[0].cns[NVH_CNS_NS];
	fakes[0].hook = refuse_changed_log;
	fakes[0].changed[0] = 7;
	fakes[0].nr_changed = 1;
	refuse = 1;
	fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS);
	world_run_ms(1000);
	CU_ASSERT_EQUAL(refuse, 0);
	CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_NS], before + 10);
	owner_delete(&owner);
	world_teardown();
}

static void namespaces_come_and_go_while_live(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].nsid[1] = 5;
	fakes[0].nr_ns = 2;
	fakes[0].nr_changed = 1;
	fakes[0].changed[0] = 5;
	fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS);
	world_run_ms(5);
	CU_ASSERT_EQUAL(owner.added, 2);
	CU_ASSERT_PTR_NOT_NULL(nvhi_ctrlr_ns_find(owner.ctrlr, 5));
	fakes[0].nsid[0] = 5;
	fakes[0].nr_ns = 1;
	fakes[0].changed[0] = 1;
	fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS);
	world_run_ms(5);
	CU_ASSERT_EQUAL(owner.removed, 1);
	CU_ASSERT_EQUAL(owner.last_removed, 1);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_count(owner.ctrlr), 1);
	owner_delete(&owner);
	world_teardown();
}

static enum fake_verdict slow_lists(struct fake_ctrlr *fake, uint16_t qid,
				    const struct nvh_cmd *cmd)
{
	(void)qid;
	fake->latency_ns = cmd->opc == NVH_ADM_IDENTIFY ? 20 * NVHI_NSEC_PER_MSEC : 10000;
	return FAKE_ANSWER;
}

/* However many events come during a scan: one scan follows. */
static void events_during_a_scan_are_merged(void)
{
	uint32_t lists;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].hook = slow_lists;
	lists = fakes[0].cns[NVH_CNS_ACTIVE_NS];
	for (int i = 0; i < 10; i++) {
		fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS);
		world_run_ms(1);
	}
	world_run_ms(1000);
	CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_ACTIVE_NS], lists + 2);
	owner_delete(&owner);
	world_teardown();
}

/* Scans of many namespaces, asked for all the time, take at most half of the time. */
static void long_scans_rest_in_between(void)
{
	uint32_t lists;

	world_setup();
	fakes[0].nr_ns = 4096;
	for (uint32_t i = 0; i < 4096; i++)
		fakes[0].nsid[i] = i + 1;
	fakes[0].latency_ns = 100000;
	fakes[0].changed[0] = NVH_CHANGED_NS_OVERFLOW;
	fakes[0].nr_changed = 1;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	lists = fakes[0].cns[NVH_CNS_ACTIVE_NS];
	for (uint32_t i = 0; i < 1000; i++) {
		fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS);
		world_run_ms(10);
	}
	/* ten seconds; a scan takes 8,192 commands of 0.1 ms, eight at once: 103 ms, five lists */
	lists = (fakes[0].cns[NVH_CNS_ACTIVE_NS] - lists) / 5;
	CU_ASSERT_TRUE(lists > 30);
	CU_ASSERT_TRUE(lists <= 10000 / (2 * 103) + 1);
	owner_delete(&owner);
	world_teardown();
}

static void a_refused_event_request_is_not_repeated(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fake_fail_event(&fakes[0], NVH_ST_AER_LIMIT);
	world_run_ms(5000);
	CU_ASSERT_EQUAL(armed(), 4);
	fake_fail_event(&fakes[0], NVH_ST_INTERNAL);
	world_run_ms(5000);
	CU_ASSERT_EQUAL(armed(), 5);
	CU_ASSERT_EQUAL(owner.lost, 0);
	owner_delete(&owner);
	world_teardown();
}

NVH_UNIT_MAIN("host/ctrlr/aer", NVH_TEST(exactly_the_offered_notices_that_we_use_are_enabled),
	      NVH_TEST(each_event_is_armed_again), NVH_TEST(a_flood_of_events_is_slowed_down),
	      NVH_TEST(unknown_events_are_cleared_by_reading_their_log),
	      NVH_TEST(changed_namespaces_are_read_alone),
	      NVH_TEST(a_change_log_that_overflowed_or_is_broken_means_all),
	      NVH_TEST(a_change_log_that_was_read_twice_means_all),
	      NVH_TEST(namespaces_come_and_go_while_live),
	      NVH_TEST(events_during_a_scan_are_merged), NVH_TEST(long_scans_rest_in_between),
	      NVH_TEST(a_refused_event_request_is_not_repeated))
