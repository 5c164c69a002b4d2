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
		NVHI_CTRLR_CONNECTING,  NVHI_CTRLR_ENABLING, NVHI_CTRLR_IDENTIFYING,
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

/* ---- failures of an attempt
 * ------------------------------------------------------------------------ */

static void a_refused_connection_says_what_to_do_and_tries_again(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	fakes[0].connect_err = -ECONNREFUSED;
	test_opts(&opts, 0);
	owner_connect(&owner, &opts);
	world_run_ms(1);
	CU_ASSERT_EQUAL(owner.failed, 1);
	CU_ASSERT_EQUAL(owner.error.err, -ECONNREFUSED);
	CU_ASSERT_TRUE(owner.error.will_retry);
	CU_ASSERT_STRING_EQUAL(owner.error.message,
			       "connect 10.0.0.1:0: Connection refused (is a listener there? "
			       "nvhost discover -t tcp -a 10.0.0.1)");
	fakes[0].connect_err = 0;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 1000));
	CU_ASSERT_EQUAL(nvhi_ctrlr_reconnects(owner.ctrlr), 0);
	owner_delete(&owner);
	CU_ASSERT_EQUAL(owner.quiesced, 1);
	world_teardown();
}

static void without_retry_the_first_failure_deletes(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	fakes[0].connect_err = -ECONNREFUSED;
	test_opts(&opts, 0);
	opts.no_retry = true;
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 100));
	CU_ASSERT_EQUAL(owner.failed, 1);
	CU_ASSERT_FALSE(owner.error.will_retry);
	CU_ASSERT_TRUE(owner.why_given);
	CU_ASSERT_EQUAL(owner.why.err, -ECONNREFUSED);
	CU_ASSERT_EQUAL(owner.quiesced, 0);
	CU_ASSERT_EQUAL(fakes[0].connects[0], 1);
	world_teardown();
}

static void a_refusal_for_good_is_not_repeated_before_it_ever_worked(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	fakes[0].connect_status = NVH_ST_CONNECT_INVALID_PARAM | NVH_CPL_DNR;
	fakes[0].connect_dw0 =
		nvh_connect_invalid(1, offsetof(struct nvh_fab_connect_data, subnqn));
	test_opts(&opts, 0);
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 100));
	CU_ASSERT_TRUE(owner.error.has_cpl);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "connect 10.0.0.1:0: refused"));
	world_teardown();
}

static void a_refusal_for_good_is_repeated_once_it_had_worked(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].connect_status = NVH_ST_CONNECT_INVALID_PARAM | NVH_CPL_DNR;
	fake_cut(fakes[0].admin, -ECONNRESET);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.failed >= 3, 5000));
	CU_ASSERT_EQUAL(owner.deleted, 0);
	fakes[0].connect_status = 0;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 20000));
	owner_delete(&owner);
	world_teardown();
}

static void a_silent_peer_ends_the_attempt_at_its_deadline(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;
	uint64_t start;

	world_setup();
	fakes[0].connect_silent = true;
	test_opts(&opts, 0);
	opts.no_retry = true;
	start = world_now();
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.failed == 1, 60000));
	CU_ASSERT_EQUAL(owner.error.err, -ETIMEDOUT);
	CU_ASSERT_EQUAL(world_now() - start, 9500 * NVHI_NSEC_PER_MSEC);
	world_run_ms(10);
	world_teardown();
}

static uint8_t silent_opc;
static uint32_t silent_reg;
static enum fake_verdict hold_one(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	if (qid || cmd->opc != silent_opc)
		return FAKE_ANSWER;
	if (cmd->opc == NVH_ADM_FABRICS && nvh_le32_get(cmd->cdw11) != silent_reg)
		return FAKE_ANSWER;
	return FAKE_HOLD;
}

/* Whatever step is not answered: it ends after the connect timeout, by itself, and leaks nothing.
 */
static void each_step_of_a_connect_ends_by_its_deadline(void)
{
	static const struct {
		uint8_t opc;
		uint32_t reg;
		const char *word;
	} steps[] = {
		{NVH_ADM_FABRICS, NVH_REG_CAP, "read CAP"},
		{NVH_ADM_FABRICS, NVH_REG_VS, "read VS"},
		{NVH_ADM_FABRICS, NVH_REG_CC, "set CC.EN"},
		{NVH_ADM_FABRICS, NVH_REG_CSTS, "wait for CSTS.RDY"},
		{NVH_ADM_IDENTIFY, 0, "identify"},
		{NVH_ADM_SET_FEATURES, 0, "set number of queues"},
	};
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;
	uint64_t start;

	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(steps); i++) {
		world_setup();
		silent_opc = steps[i].opc;
		silent_reg = steps[i].reg;
		fakes[0].hook = hold_one;
		test_opts(&opts, 0);
		opts.no_retry = true;
		start = world_now();
		owner_connect(&owner, &opts);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 60000));
		CU_ASSERT_EQUAL(owner.error.err, -ETIMEDOUT);
		CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, steps[i].word));
		CU_ASSERT_TRUE(world_now() - start >= 3000 * NVHI_NSEC_PER_MSEC);
		CU_ASSERT_TRUE(world_now() - start < 3001 * NVHI_NSEC_PER_MSEC);
		world_teardown();
	}
}

static void an_io_queue_that_cannot_connect_fails_the_attempt(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	fakes[0].ioq_connect_err = -ECONNRESET;
	test_opts(&opts, 0);
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.failed == 1, 100));
	CU_ASSERT_EQUAL(owner.error.err, -ECONNRESET);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "connect I/O queue"));
	fakes[0].ioq_connect_err = 0;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 1000));
	owner_delete(&owner);
	world_teardown();
}

/* ---- enabling
 * --------------------------------------------------------------------------------------- */

static void readiness_is_waited_for_as_long_as_cap_to_allows(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	fakes[0].never_ready = true;
	test_opts(&opts, 0);
	opts.no_retry = true;
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.failed == 1, 60000));
	CU_ASSERT_EQUAL(owner.error.err, -ETIMEDOUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "CAP.TO"));
	/* CAP.TO of 2 units: a second, seen at the first look behind it */
	CU_ASSERT_TRUE(world_now() >= 2 * NVHI_NSEC_PER_SEC);
	CU_ASSERT_TRUE(world_now() <= 2 * NVHI_NSEC_PER_SEC + 101 * NVHI_NSEC_PER_MSEC);
	world_run_ms(1);

	fake_init(&fakes[0]);
	fakes[0].ready_after = 5;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	owner_delete(&owner);
	world_teardown();
}

static void a_fatal_controller_status_ends_the_attempt(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	fakes[0].cfs = true;
	test_opts(&opts, 0);
	opts.no_retry = true;
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 100));
	CU_ASSERT_EQUAL(owner.error.err, -EIO);
	world_teardown();
}

static void registers_that_cannot_be_are_refused(void)
{
	static const uint64_t caps[] = {0, UINT64_MAX, 127ull | 5ull << NVH_CAP_MPSMIN_SHIFT};
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(caps); i++) {
		fake_init(&fakes[0]);
		fakes[0].cap = caps[i];
		test_opts(&opts, 0);
		opts.no_retry = true;
		owner_connect(&owner, &opts);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted == 1, 100));
		CU_ASSERT_EQUAL(owner.error.err, -EPROTO);
		world_run_ms(0);
	}
	world_teardown();
}

/* ---- deleting and resetting in every state
 * -------------------------------------------------------------- */

static enum nvhi_ctrlr_state act_in;
static void delete_in_state(struct test_owner *owner, enum nvhi_ctrlr_state state)
{
	if (state == act_in)
		nvhi_ctrlr_delete(owner->ctrlr);
}

static void reset_in_state(struct test_owner *owner, enum nvhi_ctrlr_state state)
{
	if (state != act_in)
		return;
	owner->on_state = NULL;
	nvhi_ctrlr_reset(owner->ctrlr, "test", NULL);
}

/* Goes through all states: live, an orderly reset, a loss, back-off. */
static void run_through_states(struct test_owner *owner)
{
	WORLD_UNTIL(owner->live == 1 || owner->deleted, 1000);
	if (!owner->deleted)
		nvhi_ctrlr_reset(owner->ctrlr, "test", NULL);
	WORLD_UNTIL(owner->live >= 2 || owner->deleted, 2000);
	world_run_ms(1);
	if (!owner->deleted && fakes[0].admin)
		fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(1000);
}

static void deleting_works_in_every_state(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	for (uint32_t state = NVHI_CTRLR_CONNECTING; state < NVHI_CTRLR_SHUTDOWN; state++) {
		world_setup();
		act_in = (enum nvhi_ctrlr_state)state;
		test_opts(&opts, 0);
		owner_connect(&owner, &opts);
		owner.on_state = delete_in_state;
		run_through_states(&owner);
		CU_ASSERT_EQUAL(owner.deleted, 1);
		CU_ASSERT_FALSE(owner.why_given);
		CU_ASSERT_EQUAL(owner.added, owner.removed);
		world_run_ms(0);
		world_teardown();
	}
}

static void resetting_works_in_every_state(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	for (uint32_t state = NVHI_CTRLR_CONNECTING; state < NVHI_CTRLR_SHUTDOWN; state++) {
		world_setup();
		act_in = (enum nvhi_ctrlr_state)state;
		test_opts(&opts, 0);
		owner_connect(&owner, &opts);
		owner.on_state = reset_in_state;
		run_through_states(&owner);
		CU_ASSERT_PTR_NULL(owner.on_state);
		CU_ASSERT_TRUE(WORLD_UNTIL(nvhi_ctrlr_state(owner.ctrlr) == NVHI_CTRLR_LIVE, 5000));
		CU_ASSERT_EQUAL(owner.lost, owner.quiesced);
		owner_delete(&owner);
		world_teardown();
	}
}

static void one_that_was_never_started_can_be_destroyed(void)
{
	struct test_owner owner = {.base.events = &test_owner_events};
	struct nvhi_ctrlr_opts opts;
	char text[64];

	world_setup();
	test_opts(&opts, 0);
	CU_ASSERT_FATAL(nvhi_ctrlr_create(&opts, &owner.base, text, sizeof(text), &owner.ctrlr) ==
			0);
	nvhi_ctrlr_destroy(owner.ctrlr);
	world_run_ms(0);
	CU_ASSERT_EQUAL(owner.deleted, 0);
	world_teardown();
}

static struct {
	struct nvhi_ctrlr_waiter waiter;
	unsigned int called;
	int err;
} waited;
static void waiter_called(struct nvhi_ctrlr_waiter *waiter, int err)
{
	CU_ASSERT_PTR_EQUAL(waiter, &waited.waiter);
	waited.called++;
	waited.err = err;
}

static void a_reset_disables_reconnects_and_tells_who_waits(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;

	world_setup();
	memset(&waited, 0, sizeof(waited));
	waited.waiter.fn = waiter_called;
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	CU_ASSERT_EQUAL(nvhi_ctrlr_reset(owner.ctrlr, "asked for", &waited.waiter), 0);
	CU_ASSERT_EQUAL(waited.called, 0);
	CU_ASSERT_TRUE(WORLD_UNTIL(waited.called == 1, 100));
	CU_ASSERT_EQUAL(waited.err, 0);
	CU_ASSERT_EQUAL(owner.live, 2);
	CU_ASSERT_EQUAL(owner.lost, 1);
	CU_ASSERT_EQUAL(owner.live_first, 1);
	CU_ASSERT_EQUAL(nvhi_ctrlr_reconnects(owner.ctrlr), 1);
	CU_ASSERT_EQUAL(owner.added, 1);
	CU_ASSERT_EQUAL(owner.removed, 0);

	fakes[0].connect_err = -ECONNREFUSED;
	CU_ASSERT_EQUAL(nvhi_ctrlr_reset(owner.ctrlr, "again", &waited.waiter), 0);
	world_run_ms(500);
	CU_ASSERT_EQUAL(waited.called, 1);
	owner_delete(&owner);
	CU_ASSERT_EQUAL(waited.called, 2);
	CU_ASSERT_EQUAL(waited.err, -ESHUTDOWN);
	world_teardown();
}

static void a_shutdown_that_is_not_answered_is_bounded(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;
	uint64_t start;

	world_setup();
	test_opts(&opts, 0);
	owner_live(&owner, &opts);
	fakes[0].shutdown_after = 1000000;
	nvh_le32_put(&fakes[0].id.rtd3e, 3000000);
	start = world_now();
	owner_delete(&owner);
	CU_ASSERT_TRUE(owner.deleted_at - start < 1200 * NVHI_NSEC_PER_MSEC);
	world_teardown();
}

/* ---- many
 * -------------------------------------------------------------------------------------------------
 */

static void sixty_four_controllers_do_not_disturb_each_other(void)
{
	static struct test_owner owners[FAKE_CTRLRS];
	struct nvhi_ctrlr_opts opts;
	unsigned int live = 0;

	world_setup();
	fakes[13].connect_silent = true;
	fakes[14].connect_err = -EHOSTUNREACH;
	for (uint32_t i = 0; i < FAKE_CTRLRS; i++) {
		test_opts(&opts, i);
		owner_connect(&owners[i], &opts);
	}
	world_run_ms(5);
	for (uint32_t i = 0; i < FAKE_CTRLRS; i++)
		live += owners[i].live;
	CU_ASSERT_EQUAL(live, FAKE_CTRLRS - 2);
	fake_cut(fakes[20].admin, -ECONNRESET);
	world_run_ms(200);
	for (uint32_t i = 0; i < FAKE_CTRLRS; i++) {
		CU_ASSERT_EQUAL(owners[i].lost, i == 20);
		nvhi_ctrlr_delete(owners[i].ctrlr);
	}
	world_run_ms(100);
	for (uint32_t i = 0; i < FAKE_CTRLRS; i++)
		CU_ASSERT_EQUAL(owners[i].deleted, 1);
	world_teardown();
}

static int create_and_destroy(void *arg)
{
	struct test_owner owner = {.base.events = &test_owner_events};
	struct nvhi_ctrlr_opts opts;
	char text[64];
	int err;

	(void)arg;
	test_opts(&opts, 0);
	err = nvhi_ctrlr_create(&opts, &owner.base, text, sizeof(text), &owner.ctrlr);
	if (err)
		return err;
	nvhi_ctrlr_destroy(owner.ctrlr);
	world_run_ms(0);
	return 0;
}

static void creation_undoes_itself_whichever_allocation_fails(void)
{
	world_setup();
	CU_ASSERT_TRUE(nvh_alloc_walk(create_and_destroy, NULL, false) > 8);
	world_teardown();
}

/* Every allocation of a connect fails once: the attempt fails and is repeated, nothing leaks. */
static void a_connect_survives_whichever_allocation_fails(void)
{
	struct nvhi_ctrlr_opts opts;
	struct test_owner owner;
	uint64_t nth = 0;
	bool failed;

	do {
		world_setup();
		test_opts(&opts, 0);
		owner_connect(&owner, &opts);
		nvh_alloc_fail_at(++nth);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 20000));
		CU_ASSERT_TRUE(WORLD_UNTIL(nvhi_ctrlr_ns_count(owner.ctrlr) == 1, 20000));
		failed = nvh_alloc_did_fail();
		nvh_alloc_fail_at(0);
		owner_delete(&owner);
		world_teardown();
	} while (failed && nth < 500);
	CU_ASSERT_TRUE(nth > 5 && nth < 500);
}

static void bad_options_are_named(void)
{
	struct test_owner owner = {.base.events = &test_owner_events};
	struct nvhi_ctrlr_opts opts;
	char text[128];

	world_setup();
	test_opts(&opts, 0);
	opts.queue_size = 15;
	CU_ASSERT_EQUAL(nvhi_ctrlr_create(&opts, &owner.base, text, sizeof(text), &owner.ctrlr),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(text, "queue size 15 is not in 16-1024");
	test_opts(&opts, 0);
	opts.ctrl_loss_tmo_s = -2;
	CU_ASSERT_EQUAL(nvhi_ctrlr_create(&opts, &owner.base, text, sizeof(text), &owner.ctrlr),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(text, "ctrl-loss-tmo -2 s is below -1");
	test_opts(&opts, 0);
	opts.reconnect_delay_ms = 20000;
	CU_ASSERT_EQUAL(nvhi_ctrlr_create(&opts, &owner.base, text, sizeof(text), &owner.ctrlr),
			-EINVAL);
	test_opts(&opts, 0);
	opts.transport.subnqn[0] = '\0';
	CU_ASSERT_EQUAL(nvhi_ctrlr_create(&opts, &owner.base, text, sizeof(text), &owner.ctrlr),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(text, "no subsystem NQN");
	test_opts(&opts, 0);
	opts.ops = NULL;
	opts.transport.addr.trtype = NVH_TRTYPE_FC;
	CU_ASSERT_EQUAL(nvhi_ctrlr_create(&opts, &owner.base, text, sizeof(text), &owner.ctrlr),
			-ENODEV);
	CU_ASSERT_STRING_EQUAL(text, "transport fc is not built in");
	world_teardown();
}

static void the_table_of_states_has_a_way_to_deleted_from_each(void)
{
	for (uint32_t state = 0; state < NVHI_CTRLR_DELETED; state++) {
		bool way = nvhi_fsm_legal(&nvhi_ctrlr_fsm, state, NVHI_CTRLR_DELETING) ||
			   state == NVHI_CTRLR_DELETING;

		CU_ASSERT_TRUE(way);
		CU_ASSERT_FALSE(nvhi_fsm_legal(&nvhi_ctrlr_fsm, NVHI_CTRLR_DELETED, state));
		CU_ASSERT_PTR_NOT_NULL(nvhi_ctrlr_state_name((enum nvhi_ctrlr_state)state));
	}
}

NVH_UNIT_MAIN("host/ctrlr/ctrlr", NVH_TEST(a_controller_becomes_live_in_the_order_of_its_states),
	      NVH_TEST(a_refused_connection_says_what_to_do_and_tries_again),
	      NVH_TEST(without_retry_the_first_failure_deletes),
	      NVH_TEST(a_refusal_for_good_is_not_repeated_before_it_ever_worked),
	      NVH_TEST(a_refusal_for_good_is_repeated_once_it_had_worked),
	      NVH_TEST(a_silent_peer_ends_the_attempt_at_its_deadline),
	      NVH_TEST(each_step_of_a_connect_ends_by_its_deadline),
	      NVH_TEST(an_io_queue_that_cannot_connect_fails_the_attempt),
	      NVH_TEST(readiness_is_waited_for_as_long_as_cap_to_allows),
	      NVH_TEST(a_fatal_controller_status_ends_the_attempt),
	      NVH_TEST(registers_that_cannot_be_are_refused),
	      NVH_TEST(deleting_works_in_every_state), NVH_TEST(resetting_works_in_every_state),
	      NVH_TEST(one_that_was_never_started_can_be_destroyed),
	      NVH_TEST(a_reset_disables_reconnects_and_tells_who_waits),
	      NVH_TEST(a_shutdown_that_is_not_answered_is_bounded),
	      NVH_TEST(sixty_four_controllers_do_not_disturb_each_other),
	      NVH_TEST(creation_undoes_itself_whichever_allocation_fails),
	      NVH_TEST(a_connect_survives_whichever_allocation_fails),
	      NVH_TEST(bad_options_are_named),
	      NVH_TEST(the_table_of_states_has_a_way_to_deleted_from_each))
