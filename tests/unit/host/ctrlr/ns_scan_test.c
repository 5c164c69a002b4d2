/*
 * Reading namespaces: long lists, hostile lists, namespaces that vanish or lie.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;

static void rescan_now(void)
{
	CU_ASSERT_EQUAL(nvhi_ctrlr_rescan(owner.ctrlr, NULL), 0);
	world_run_ms(50);
}

static void lists_beyond_1024_are_read_in_chunks(void)
{
	static const uint32_t counts[] = {0, 1, 1023, 1024, 1025, 2048, 4096};
	uint32_t last;

	for (uint32_t c = 0; c < NVHI_ARRAY_SIZE(counts); c++) {
		world_setup();
		fakes[0].nr_ns = counts[c];
		for (uint32_t i = 0; i < counts[c]; i++)
			fakes[0].nsid[i] = (i + 1) * 2;
		test_opts(&opts, 0);
		owner_connect(&owner, &opts);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 10000));
		CU_ASSERT_EQUAL(owner.added, counts[c]);
		CU_ASSERT_EQUAL(nvhi_ctrlr_ns_count(owner.ctrlr), counts[c]);
		CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_ACTIVE_NS], counts[c] / 1024 + 1);
		CU_ASSERT_TRUE(fakes[0].most_identifying <= NVHI_SCAN_WIDTH);
		last = 0;
		for (const struct nvhi_ns_data *ns = nvhi_ctrlr_ns_next(owner.ctrlr, NULL); ns;
		     ns = nvhi_ctrlr_ns_next(owner.ctrlr, ns)) {
			CU_ASSERT_EQUAL(ns->nsid, last + 2);
			CU_ASSERT_TRUE(ns->has_uuid && ns->io_supported);
			CU_ASSERT_EQUAL(ns->block_size, 512);
			last = ns->nsid;
		}
		owner_delete(&owner);
		CU_ASSERT_EQUAL(owner.removed, counts[c]);
		world_teardown();
	}
}

static void a_list_without_end_is_cut_off_and_changes_nothing(void)
{
	world_setup();
	fakes[0].list_endless = true;
	test_opts(&opts, 0);
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 10000));
	CU_ASSERT_EQUAL(owner.added, 0);
	CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_ACTIVE_NS], NVHI_NS_MAX / 1024 + 1);
	owner_delete(&owner);
	world_teardown();
}

static void a_malformed_list_keeps_the_last_good_one_and_is_read_again(void)
{
	uint32_t lists;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].list_descending = true;
	rescan_now();
	CU_ASSERT_EQUAL(owner.removed, 0);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_count(owner.ctrlr), 1);
	fakes[0].list_descending = false;
	fakes[0].nsid[1] = 3;
	fakes[0].nr_ns = 2;
	world_run_ms(600);
	CU_ASSERT_EQUAL(owner.added, 2);
	/* and not for ever */
	fakes[0].list_descending = true;
	rescan_now();
	lists = fakes[0].cns[NVH_CNS_ACTIVE_NS];
	world_run_ms(600000);
	CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_ACTIVE_NS], lists + 6);
	owner_delete(&owner);
	world_teardown();
}

static void a_malformed_namespace_keeps_its_last_good_data(void)
{
	world_setup();
	fakes[0].nsid[1] = 2;
	fakes[0].nr_ns = 2;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].broken_nsid = 2;
	fakes[0].nsze = 3000;
	rescan_now();
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_find(owner.ctrlr, 1)->nsze, 3000);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_find(owner.ctrlr, 2)->nsze, 1000);
	CU_ASSERT_EQUAL(owner.changed, 1);
	CU_ASSERT_EQUAL(owner.removed, 0);
	fakes[0].broken_nsid = 0;
	world_run_ms(2000);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_find(owner.ctrlr, 2)->nsze, 3000);
	owner_delete(&owner);
	world_teardown();
}

static void a_malformed_namespace_that_was_never_good_is_not_listed(void)
{
	world_setup();
	fakes[0].nsid[1] = 2;
	fakes[0].nr_ns = 2;
	fakes[0].broken_nsid = 2;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_count(owner.ctrlr), 1);
	owner_delete(&owner);
	world_teardown();
}

static void descriptors_that_run_over_the_end_are_refused(void)
{
	world_setup();
	fakes[0].desc_used = true;
	fakes[0].desc[0] = NVH_NIDT_UUID;
	fakes[0].desc[1] = 200;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_count(owner.ctrlr), 0);
	CU_ASSERT_EQUAL(owner.lost, 0);
	owner_delete(&owner);
	world_teardown();
}

static void another_command_set_is_listed_but_gets_no_io(void)
{
	const struct nvhi_ns_data *ns;

	world_setup();
	fakes[0].nsid[1] = 2;
	fakes[0].nr_ns = 2;
	fakes[0].csi_of_last = NVH_CSI_KV;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	ns = nvhi_ctrlr_ns_find(owner.ctrlr, 2);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns);
	CU_ASSERT_EQUAL(ns->csi, NVH_CSI_KV);
	CU_ASSERT_FALSE(ns->io_supported);
	CU_ASSERT_PTR_NOT_NULL(ns->refusal);
	CU_ASSERT_EQUAL(ns->nmic, NVH_NMIC_SHARED);
	CU_ASSERT_EQUAL(fakes[0].cns[NVH_CNS_INDEP_NS], 1);
	owner_delete(&owner);
	world_teardown();
}

static void another_identity_under_the_same_nsid_is_told(void)
{
	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].desc_used = true;
	fakes[0].desc[0] = NVH_NIDT_UUID;
	fakes[0].desc[1] = NVH_NIDL_UUID;
	fakes[0].desc[9] = 0x11;
	rescan_now();
	CU_ASSERT_EQUAL(owner.changed, 1);
	CU_ASSERT_EQUAL(owner.last_what, NVHI_NS_IDENTITY);
	owner_delete(&owner);
	world_teardown();
}

static enum fake_verdict vanish(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	if (qid || cmd->opc != NVH_ADM_IDENTIFY || nvh_le32_get(cmd->cdw10) != NVH_CNS_NS ||
	    nvh_le32_get(cmd->nsid) != 2)
		return FAKE_ANSWER;
	fake->hook_status = NVH_ST_INVALID_NS | NVH_CPL_DNR;
	return FAKE_STATUS;
}

static void a_namespace_that_vanishes_while_being_read_is_gone(void)
{
	world_setup();
	for (uint32_t i = 0; i < 3; i++)
		fakes[0].nsid[i] = i + 1;
	fakes[0].nr_ns = 3;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].hook = vanish;
	rescan_now();
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_count(owner.ctrlr), 2);
	CU_ASSERT_EQUAL(owner.last_removed, 2);
	owner_delete(&owner);
	world_teardown();
}

static enum fake_verdict hold_identify(struct fake_ctrlr *fake, uint16_t qid,
				       const struct nvh_cmd *cmd)
{
	(void)fake;
	return qid == 0 && cmd->opc == NVH_ADM_IDENTIFY ? FAKE_HOLD : FAKE_ANSWER;
}

static void a_loss_in_the_middle_of_a_scan_keeps_the_namespaces(void)
{
	world_setup();
	for (uint32_t i = 0; i < 40; i++)
		fakes[0].nsid[i] = i + 1;
	fakes[0].nr_ns = 40;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].hook = hold_identify;
	rescan_now();
	fakes[0].hook = NULL;
	fake_release(fakes[0].admin, 1);
	fakes[0].hook = hold_identify;
	world_run_ms(1);
	fake_cut(fakes[0].admin, -ECONNRESET);
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 5000));
	CU_ASSERT_EQUAL(owner.added, 40);
	CU_ASSERT_EQUAL(owner.removed, 0);
	owner_delete(&owner);
	world_teardown();
}

static struct nvhi_ctrlr_waiter waiter;
static unsigned int told;
static int told_err;
static void scan_told(struct nvhi_ctrlr_waiter *w, int err)
{
	CU_ASSERT_PTR_EQUAL(w, &waiter);
	told++;
	told_err = err;
}

static void who_waits_for_a_rescan_is_told_its_outcome(void)
{
	world_setup();
	told = 0;
	waiter.fn = scan_told;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_rescan(owner.ctrlr, &waiter), 0);
	world_run_ms(10);
	CU_ASSERT_EQUAL(told, 1);
	CU_ASSERT_EQUAL(told_err, 0);
	fakes[0].hook = hold_identify;
	CU_ASSERT_EQUAL(nvhi_ctrlr_rescan(owner.ctrlr, &waiter), 0);
	world_run_ms(10);
	CU_ASSERT_EQUAL(told, 1);
	fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(1);
	CU_ASSERT_EQUAL(told, 2);
	CU_ASSERT_EQUAL(told_err, -ENOTCONN);
	CU_ASSERT_EQUAL(nvhi_ctrlr_rescan(owner.ctrlr, &waiter), -ENOTCONN);
	fakes[0].hook = NULL;
	owner_delete(&owner);
	world_teardown();
}

/* ---- Identify Namespace: pure ------------------------------------------------------------ */

static void namespace_data_is_checked_by_field(void)
{
	struct nvh_id_ns id;
	struct nvhi_ns_data ns = {0};
	const char *why = "";

	memset(&id, 0, sizeof(id));
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), -ENOENT);
	nvh_le64_put(&id.nsze, 100);
	id.lbaf[0].lbads = 9;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), 0);
	id.flbas = 1;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "FLBAS names a format beyond NLBAF");
	id.flbas = 0;
	id.nlbaf = 200;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), -EPROTO);
	id.nlbaf = 0;
	id.lbaf[0].lbads = 8;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), -EPROTO);
	id.lbaf[0].lbads = 12;
	nvh_le64_put(&id.nsze, 1ull << 52);
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "NSZE is beyond 2^63 bytes");
	nvh_le64_put(&id.nsze, (1ull << 51) - 1);
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), 0);
	CU_ASSERT_TRUE(ns.io_supported);
}

static void formats_that_we_do_not_speak_get_no_io(void)
{
	struct nvh_id_ns id;
	struct nvhi_ns_data ns = {0};
	const char *why = "";

	memset(&id, 0, sizeof(id));
	nvh_le64_put(&id.nsze, 100);
	id.lbaf[0].lbads = 17;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), 0);
	CU_ASSERT_FALSE(ns.io_supported);
	id.lbaf[0].lbads = 12;
	nvh_le16_put(&id.lbaf[0].ms, 8);
	id.flbas = NVH_FLBAS_EXTENDED;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), 0);
	CU_ASSERT_FALSE(ns.io_supported);
	CU_ASSERT_TRUE(ns.md_interleaved);
	nvh_le16_put(&id.lbaf[0].ms, 0);
	id.dps = 1;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), 0);
	CU_ASSERT_FALSE(ns.io_supported);
	CU_ASSERT_PTR_NOT_NULL(ns.refusal);
	id.dps = 0;
	CU_ASSERT_EQUAL(nvhi_ns_parse(&id, &ns, &why), 0);
	CU_ASSERT_TRUE(ns.io_supported);
	CU_ASSERT_PTR_NULL(ns.refusal);
}

NVH_UNIT_MAIN("host/ctrlr/ns_scan", NVH_TEST(lists_beyond_1024_are_read_in_chunks),
	      NVH_TEST(a_list_without_end_is_cut_off_and_changes_nothing),
	      NVH_TEST(a_malformed_list_keeps_the_last_good_one_and_is_read_again),
	      NVH_TEST(a_malformed_namespace_keeps_its_last_good_data),
	      NVH_TEST(a_malformed_namespace_that_was_never_good_is_not_listed),
	      NVH_TEST(descriptors_that_run_over_the_end_are_refused),
	      NVH_TEST(another_command_set_is_listed_but_gets_no_io),
	      NVH_TEST(another_identity_under_the_same_nsid_is_told),
	      NVH_TEST(a_namespace_that_vanishes_while_being_read_is_gone),
	      NVH_TEST(a_loss_in_the_middle_of_a_scan_keeps_the_namespaces),
	      NVH_TEST(who_waits_for_a_rescan_is_told_its_outcome),
	      NVH_TEST(namespace_data_is_checked_by_field),
	      NVH_TEST(formats_that_we_do_not_speak_get_no_io))
