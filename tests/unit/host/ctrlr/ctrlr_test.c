/*
 * A controller's life from creation to deletion, in the simulated world of ctrlr_fixture.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/ctrlr_fixture.h"

static void a_controller_becomes_live_in_the_order_of_its_states(void)
{
	static const enum nvhi_ctrlr_state order[] = {
		NVHI_CTRLR_CONNECTING,	NVHI_CTRLR_ENABLING, NVHI_CTRLR_IDENTIFYING,
		NVHI_CTRLR_CONFIGURING, NVHI_CTRLR_QUEUES,   NVHI_CTRLR_LIVE,
	};
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(owner.nr_states, NVHI_ARRAY_SIZE(order));
	for (uint32_t i = 0; i < owner.nr_states; i++)
		CU_ASSERT_EQUAL(owner.states[i], order[i]);
	CU_ASSERT_EQUAL(owner.live_first, 1);
	CU_ASSERT_EQUAL(owner.added, 1);
	CU_ASSERT_EQUAL(nvhi_ctrlr_caps(owner.ctrlr)->nr_io_queues, WORLD_REACTORS);
	for (uint32_t i = 0; i < WORLD_REACTORS; i++)
		CU_ASSERT_EQUAL(nvhi_ioq_state(nvhi_ctrlr_ioq(owner.ctrlr, world[i])),
				NVHI_IOQ_LIVE);
	owner_delete(&owner);
	CU_ASSERT_FALSE(owner.why_given);
	CU_ASSERT_EQUAL(owner.removed, 1);
	CU_ASSERT_EQUAL(nvh_cc_shn(fakes[0].cc), NVH_CC_SHN_NORMAL);
	world_teardown();
}

NVH_UNIT_MAIN("host/ctrlr/ctrlr", NVH_TEST(a_controller_becomes_live_in_the_order_of_its_states))
