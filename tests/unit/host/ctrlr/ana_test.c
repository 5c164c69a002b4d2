/*
 * ANA as a controller follows it: before LIVE, on notices, when the log lies, and when a transition
 * takes too long.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;

static void start(void)
{
	struct nvh_id_ctrlr *id = &fakes[0].id;

	world_setup();
	id->cmic = NVH_CMIC_ANA | NVH_CMIC_MULTI_CTRLR;
	id->anatt = 3;
	nvh_le32_put(&id->anagrpmax, 4);
	nvh_le32_put(&id->nanagrpid, 4);
	test_opts(&opts, 0);
}

static void change(enum nvh_ana_state state)
{
	fakes[0].ana_state = (uint8_t)state;
	fakes[0].ana_changes++;
	CU_ASSERT_TRUE(fake_event(&fakes[0], NVH_AER_NOTICE, NVH_AER_ANA_CHANGED, NVH_LID_ANA));
	world_run_ms(1);
}

static void finish(void)
{
	owner_delete(&owner);
	world_teardown();
}

static void states_are_known_before_the_controller_is_live(void)
{
	start();
	fakes[0].ana_state = NVH_ANA_NONOPTIMIZED;
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 100));
	CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), NVH_ANA_NONOPTIMIZED);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 2), NVHI_ANA_UNKNOWN);
	CU_ASSERT_EQUAL(fakes[0].log[NVH_LID_ANA], 1);
	finish();
}

static void without_ana_all_is_optimized_and_nothing_is_read(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), NVH_ANA_OPTIMIZED);
	CU_ASSERT_EQUAL(fakes[0].log[NVH_LID_ANA], 0);
	finish();
}

static void a_notice_has_the_log_read_and_is_told_after_it(void)
{
	static const enum nvh_ana_state states[] = {NVH_ANA_INACCESSIBLE, NVH_ANA_PERSISTENT_LOSS,
						    NVH_ANA_NONOPTIMIZED, NVH_ANA_OPTIMIZED};

	start();
	owner_live(&owner, &opts);
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(states); i++) {
		change(states[i]);
		CU_ASSERT_EQUAL(owner.notices, i + 1);
		CU_ASSERT_EQUAL(owner.last_info, NVH_AER_ANA_CHANGED);
		CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), states[i]);
	}
	finish();
}

static void break_log(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf,
		      uint32_t len)
{
	(void)fake;
	if (cmd->opc == NVH_ADM_GET_LOG_PAGE)
		memset(buf, 0xff, len);
}

static enum fake_verdict refuse_log(struct fake_ctrlr *fake, uint16_t qid,
				    const struct nvh_cmd *cmd)
{
	fake->hook_status = NVH_ST_INTERNAL | NVH_CPL_DNR;
	return qid == 0 && cmd->opc == NVH_ADM_GET_LOG_PAGE ? FAKE_STATUS : FAKE_ANSWER;
}

/* Never "assume optimized": the last good states stay, and the log is read again. */
static void a_log_that_lies_or_fails_changes_nothing(void)
{
	for (int fails = 0; fails < 2; fails++) {
		start();
		fakes[0].ana_state = NVH_ANA_NONOPTIMIZED;
		owner_live(&owner, &opts);
		fakes[0].garble = fails ? NULL : break_log;
		fakes[0].hook = fails ? refuse_log : NULL;
		change(NVH_ANA_INACCESSIBLE);
		world_run_ms(2000);
		CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), NVH_ANA_NONOPTIMIZED);
		CU_ASSERT_EQUAL(owner.notices, 0);
		CU_ASSERT_EQUAL(owner.lost, 0);
		fakes[0].garble = NULL;
		fakes[0].hook = NULL;
		world_run_ms(6000);
		CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), NVH_ANA_INACCESSIBLE);
		finish();
	}
}

static void a_log_that_lies_at_first_leaves_the_group_unknown(void)
{
	start();
	fakes[0].garble = break_log;
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), NVHI_ANA_UNKNOWN);
	fakes[0].garble = NULL;
	world_run_ms(6000);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), NVH_ANA_OPTIMIZED);
	finish();
}

static void a_transition_longer_than_anatt_ends_the_association(void)
{
	uint64_t at;

	start();
	owner_live(&owner, &opts);
	at = world_now();
	change(NVH_ANA_CHANGE);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	CU_ASSERT_TRUE(world_now() - at >= 3 * NVHI_NSEC_PER_SEC);
	CU_ASSERT_TRUE(world_now() - at < 3 * NVHI_NSEC_PER_SEC + 2 * NVHI_NSEC_PER_MSEC);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "ANATT"));
	fakes[0].ana_state = NVH_ANA_OPTIMIZED;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	finish();
}

/* The end of a transition is seen also where no event tells it. */
static void a_transition_that_ends_in_time_is_followed(void)
{
	start();
	owner_live(&owner, &opts);
	change(NVH_ANA_CHANGE);
	world_run_ms(500);
	fakes[0].ana_state = NVH_ANA_NONOPTIMIZED;
	fakes[0].ana_changes++;
	world_run_ms(10000);
	CU_ASSERT_EQUAL(owner.lost, 0);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ana_state(owner.ctrlr, 1), NVH_ANA_NONOPTIMIZED);
	finish();
}

static void second_group(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf,
			 uint32_t len)
{
	struct nvh_id_ns id;

	(void)fake;
	if (cmd->opc != NVH_ADM_IDENTIFY || (nvh_le32_get(cmd->cdw10) & 0xff) != NVH_CNS_NS ||
	    len < sizeof(id))
		return;
	memcpy(&id, buf, sizeof(id));
	nvh_le32_put(&id.anagrpid, 2);
	memcpy(buf, &id, sizeof(id));
}

/* The Namespace Attribute Changed notice is not sent for it; kernel nvmet shows it. */
static void a_notice_has_the_groups_of_namespaces_read_again_where_they_may_change(void)
{
	start();
	owner_live(&owner, &opts);
	fakes[0].garble = second_group;
	change(NVH_ANA_OPTIMIZED);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.changed == fakes[0].nr_ns, 1000));
	CU_ASSERT_EQUAL(owner.last_what, NVHI_NS_ANA);
	finish();
}

static void groups_that_never_change_are_not_read_again(void)
{
	uint32_t identified;

	start();
	fakes[0].id.anacap = NVH_ANACAP_GRPID_STABLE;
	owner_live(&owner, &opts);
	identified = fakes[0].count[NVH_ADM_IDENTIFY];
	change(NVH_ANA_INACCESSIBLE);
	world_run_ms(1000);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_IDENTIFY], identified);
	finish();
}

NVH_UNIT_MAIN("host/ctrlr/ana", NVH_TEST(states_are_known_before_the_controller_is_live),
	      NVH_TEST(without_ana_all_is_optimized_and_nothing_is_read),
	      NVH_TEST(a_notice_has_the_log_read_and_is_told_after_it),
	      NVH_TEST(a_log_that_lies_or_fails_changes_nothing),
	      NVH_TEST(a_log_that_lies_at_first_leaves_the_group_unknown),
	      NVH_TEST(a_notice_has_the_groups_of_namespaces_read_again_where_they_may_change),
	      NVH_TEST(groups_that_never_change_are_not_read_again),
	      NVH_TEST(a_transition_longer_than_anatt_ends_the_association),
	      NVH_TEST(a_transition_that_ends_in_time_is_followed))
