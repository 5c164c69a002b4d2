/*
 * The retry table.
 */
#include <errno.h>

#include "tests/unit/mp_fixture.h"

static const uint16_t crdt[3] = {1, 5, 20};

static enum nvhi_verdict lost(uint8_t op, bool sent, int err, uint8_t tries)
{
	struct nvhi_outcome outcome = {
		.op = op, .sent = sent, .err = err, .tries = tries, .crdt = crdt};
	uint32_t delay = 0;
	enum nvhi_verdict verdict = nvhi_classify(&outcome, &delay);

	CU_ASSERT_EQUAL(delay, 0);
	return verdict;
}

static uint32_t last_delay;

static enum nvhi_verdict status(uint8_t op, unsigned int status15, uint8_t tries)
{
	struct nvh_cpl cpl = {0};
	struct nvhi_outcome outcome = {
		.op = op, .sent = true, .tries = tries, .cpl = &cpl, .crdt = crdt};

	nvh_cpl_set_status(&cpl, status15);
	last_delay = 0;
	return nvhi_classify(&outcome, &last_delay);
}

static const uint8_t repeatable[] = {NVH_IO_READ,         NVH_IO_WRITE,      NVH_IO_FLUSH,
				     NVH_IO_WRITE_ZEROES, NVH_IO_DEALLOCATE, NVH_IO_COMPARE,
				     NVH_IO_VERIFY};

static void lost_commands_are_repeated_but_for_passthrough(void)
{
	for (size_t i = 0; i < sizeof(repeatable); i++) {
		CU_ASSERT_EQUAL(lost(repeatable[i], true, -ECONNRESET, 0), NVHI_VERDICT_RETRY);
		CU_ASSERT_EQUAL(lost(repeatable[i], false, -ECANCELED, 200), NVHI_VERDICT_RETRY);
	}
	CU_ASSERT_EQUAL(lost(NVH_IO_PASSTHRU, true, -ECONNRESET, 0), NVHI_VERDICT_UNKNOWN);
	CU_ASSERT_EQUAL(lost(NVH_IO_PASSTHRU, false, -ECONNRESET, 0), NVHI_VERDICT_RETRY);
}

static void protocol_errors_are_repeated_a_few_times_only(void)
{
	CU_ASSERT_EQUAL(lost(NVH_IO_READ, true, -EPROTO, 0), NVHI_VERDICT_RETRY);
	CU_ASSERT_EQUAL(lost(NVH_IO_READ, true, -EPROTO, NVHI_IO_MAX_TRIES), NVHI_VERDICT_DONE);
	CU_ASSERT_EQUAL(lost(NVH_IO_READ, true, -ECONNRESET, NVHI_IO_MAX_TRIES),
			NVHI_VERDICT_RETRY);
}

static void do_not_retry_is_obeyed(void)
{
	static const unsigned int codes[] = {NVH_ST_NS_NOT_READY, NVH_ST_INTERNAL_PATH,
					     NVH_ST_CMD_INTERRUPTED, NVH_ST_ANA_INACCESSIBLE};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(codes); i++)
		CU_ASSERT_EQUAL(
			status(NVH_IO_READ, codes[i] | NVH_CPL_DNR | 1u << NVH_CPL_CRD_SHIFT, 0),
			NVHI_VERDICT_DONE);
}

static void the_retry_delay_is_the_one_that_crd_selects(void)
{
	static const uint32_t ms[] = {100, 500, 2000};

	for (unsigned int crd = 1; crd <= 3; crd++) {
		CU_ASSERT_EQUAL(
			status(NVH_IO_WRITE, NVH_ST_NS_NOT_READY | crd << NVH_CPL_CRD_SHIFT, 0),
			NVHI_VERDICT_DELAY);
		CU_ASSERT_EQUAL(last_delay, ms[crd - 1]);
		/* CRD alone asks for a retry, whatever the status. */
		CU_ASSERT_EQUAL(
			status(NVH_IO_WRITE, NVH_ST_WRITE_FAULT | crd << NVH_CPL_CRD_SHIFT, 4),
			NVHI_VERDICT_DELAY);
		CU_ASSERT_EQUAL(last_delay, ms[crd - 1]);
		CU_ASSERT_EQUAL(
			status(NVH_IO_READ, NVH_ST_ANA_TRANSITION | crd << NVH_CPL_CRD_SHIFT, 0),
			NVHI_VERDICT_FAILOVER);
		CU_ASSERT_EQUAL(last_delay, ms[crd - 1]);
	}
}

static void transient_statuses_are_repeated_a_bounded_number_of_times(void)
{
	for (uint8_t tries = 0; tries < NVHI_IO_MAX_TRIES; tries++) {
		CU_ASSERT_EQUAL(status(NVH_IO_READ, NVH_ST_NS_NOT_READY, tries),
				NVHI_VERDICT_DELAY);
		CU_ASSERT_EQUAL(last_delay, 10u << tries);
	}
	CU_ASSERT_EQUAL(status(NVH_IO_READ, NVH_ST_NS_NOT_READY, NVHI_IO_MAX_TRIES),
			NVHI_VERDICT_DONE);
	CU_ASSERT_EQUAL(status(NVH_IO_READ, NVH_ST_NS_NOT_READY | 3u << NVH_CPL_CRD_SHIFT,
			       NVHI_IO_MAX_TRIES),
			NVHI_VERDICT_DONE);
}

static void path_statuses_go_elsewhere(void)
{
	static const unsigned int codes[] = {NVH_ST_INTERNAL_PATH, NVH_ST_ANA_PERSISTENT_LOSS,
					     NVH_ST_ANA_INACCESSIBLE, NVH_ST_ANA_TRANSITION,
					     NVH_ST_CTRLR_PATHING};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(codes); i++)
		for (size_t k = 0; k < sizeof(repeatable); k++)
			CU_ASSERT_EQUAL(status(repeatable[k], codes[i], 200),
					NVHI_VERDICT_FAILOVER);
}

static void a_disabled_controller_is_left(void)
{
	CU_ASSERT_EQUAL(status(NVH_IO_READ, NVH_ST_CMD_SEQUENCE | NVH_CPL_DNR, 0),
			NVHI_VERDICT_FAILOVER);
	CU_ASSERT_EQUAL(status(NVH_IO_WRITE, NVH_ST_CMD_SEQUENCE | NVH_CPL_DNR, 200),
			NVHI_VERDICT_FAILOVER);
	CU_ASSERT_EQUAL(status(NVH_IO_PASSTHRU, NVH_ST_CMD_SEQUENCE | NVH_CPL_DNR, 0),
			NVHI_VERDICT_DONE);
}

static void what_is_the_callers_is_told(void)
{
	static const unsigned int codes[] = {NVH_ST_LBA_RANGE,     NVH_ST_WRITE_FAULT,
					     NVH_ST_READ_ERROR,    NVH_ST_COMPARE_FAILED,
					     NVH_ST_INVALID_FIELD, NVH_ST_RESV_CONFLICT};

	CU_ASSERT_EQUAL(status(NVH_IO_READ, 0, 0), NVHI_VERDICT_DONE);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(codes); i++)
		CU_ASSERT_EQUAL(status(NVH_IO_READ, codes[i], 0), NVHI_VERDICT_DONE);
	CU_ASSERT_EQUAL(status(NVH_IO_PASSTHRU, NVH_ST_NS_NOT_READY | 1u << NVH_CPL_CRD_SHIFT, 0),
			NVHI_VERDICT_DONE);
	CU_ASSERT_EQUAL(status(NVH_IO_PASSTHRU, NVH_ST_ANA_INACCESSIBLE, 0), NVHI_VERDICT_DONE);
}

NVH_UNIT_MAIN("multipath/classify", NVH_TEST(lost_commands_are_repeated_but_for_passthrough),
	      NVH_TEST(protocol_errors_are_repeated_a_few_times_only),
	      NVH_TEST(do_not_retry_is_obeyed),
	      NVH_TEST(the_retry_delay_is_the_one_that_crd_selects),
	      NVH_TEST(transient_statuses_are_repeated_a_bounded_number_of_times),
	      NVH_TEST(path_statuses_go_elsewhere), NVH_TEST(a_disabled_controller_is_left),
	      NVH_TEST(what_is_the_callers_is_told))
