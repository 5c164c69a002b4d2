/*
 * The gate of attempts to connect: at once, a second, for a target and for the host; in order; and
 * controllers that pass it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

#define MS   NVHI_NSEC_PER_MSEC
#define PASS 256

static struct nvhi_gate gate;
static struct nvhi_gate_pass pass[PASS];
static uint64_t called_at[PASS];
static uint32_t calls;

static void turn_came(struct nvhi_gate_pass *p)
{
	calls++;
	called_at[p - pass] = world_now();
	CU_ASSERT_TRUE(p->inside);
}

static void start(void)
{
	world_setup();
	nvhi_gate_init(&gate, world[0]);
	memset(pass, 0, sizeof(pass));
	for (int i = 0; i < PASS; i++)
		pass[i].fn = turn_came;
	calls = 0;
}

static void finish(void)
{
	for (int i = 0; i < PASS; i++)
		nvhi_gate_leave(&pass[i]);
	nvhi_gate_fini(&gate);
	world_teardown();
}

static bool enter(uint32_t i, unsigned int target, bool first)
{
	struct nvhi_addr addr = {.trtype = NVH_TRTYPE_TCP};

	snprintf(addr.traddr, sizeof(addr.traddr), "192.0.2.%u", target);
	snprintf(addr.trsvcid, sizeof(addr.trsvcid), "%u", 4420 + i); /* ports do not matter */
	return nvhi_gate_enter(&gate, &pass[i], &addr, first);
}

static void so_many_at_once_to_one_target(void)
{
	start();
	for (uint32_t i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(enter(i, 1, false), i < NVHI_GATE_TARGET_AT_ONCE);
	CU_ASSERT_EQUAL(enter(20, 2, false), false); /* it stands in the line, but passes it */
	CU_ASSERT_EQUAL(calls, 1);
	CU_ASSERT_TRUE(pass[20].inside);
	world_run_ms(5000);
	CU_ASSERT_EQUAL(calls, 1);
	nvhi_gate_leave(&pass[0]);
	CU_ASSERT_EQUAL(calls, 2);
	CU_ASSERT_TRUE(pass[8].inside); /* the first who waited */
	nvhi_gate_leave(&pass[9]);	/* one that waits goes away */
	nvhi_gate_leave(&pass[9]);
	nvhi_gate_leave(&pass[1]);
	CU_ASSERT_TRUE(pass[10].inside);
	CU_ASSERT_EQUAL(gate.most_inside, 9);
	finish();
}

static void so_many_a_second_to_one_target(void)
{
	uint64_t at = 0;

	start();
	at = world_now();
	for (uint32_t i = 0; i < 100; i++)
		enter(i, 1, false);
	/* each is over as soon as it has begun */
	while (gate.passed < 100) {
		for (uint32_t i = 0; i < 100; i++)
			if (pass[i].inside)
				nvhi_gate_leave(&pass[i]);
		world_run_ns(MS);
	}
	at = world_now() - at;
	CU_ASSERT_TRUE(at >= (100 - NVHI_GATE_TARGET_AT_ONCE - 1) * 1000ull / NVHI_GATE_TARGET_RATE * MS);
	CU_ASSERT_TRUE(at <= 100 * 1000ull / NVHI_GATE_TARGET_RATE * MS);
	for (uint32_t i = 20; i < 100; i++) /* 1.0 s apart: so many lie between, and no more */
		if (i >= 8 + NVHI_GATE_TARGET_RATE)
			CU_ASSERT_TRUE(called_at[i] - called_at[i - NVHI_GATE_TARGET_RATE] >= 999 * MS);
	finish();
}

static void so_many_at_once_of_the_host(void)
{
	start();
	for (uint32_t i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(enter(i, i, false), i < NVHI_GATE_HOST_AT_ONCE);
	CU_ASSERT_EQUAL(gate.most_inside, NVHI_GATE_HOST_AT_ONCE);
	for (uint32_t i = 0; i < 100; i++) {
		world_run_ms(10);
		nvhi_gate_leave(&pass[i]);
	}
	CU_ASSERT_EQUAL(gate.passed, 100);
	CU_ASSERT_EQUAL(gate.most_inside, NVHI_GATE_HOST_AT_ONCE);
	finish();
}

static void who_connects_for_the_first_time_goes_first(void)
{
	start();
	for (uint32_t i = 0; i < 12; i++)
		enter(i, 1, false);
	CU_ASSERT_FALSE(enter(12, 1, true));
	world_run_ms(1000);
	nvhi_gate_leave(&pass[0]);
	CU_ASSERT_TRUE(pass[12].inside);
	CU_ASSERT_FALSE(pass[8].inside);
	CU_ASSERT_TRUE(enter(12, 1, true)); /* again: it is inside */
	CU_ASSERT_FALSE(enter(8, 1, false));
	finish();
}

/* More targets than are told apart, one after the other: each gets all that is its due. */
static void idle_targets_make_room(void)
{
	start();
	for (uint32_t t = 0; t < 3 * NVHI_GATE_TARGETS; t++) {
		for (uint32_t i = 0; i < NVHI_GATE_TARGET_AT_ONCE; i++)
			CU_ASSERT_TRUE(enter(i, t, false));
		for (uint32_t i = 0; i < NVHI_GATE_TARGET_AT_ONCE; i++)
			nvhi_gate_leave(&pass[i]);
		world_run_ms(1000);
	}
	finish();
}

/* 64 controllers of one target, which restarts. */
static void a_target_that_restarts_is_not_stormed(void)
{
	static struct nvhi_ctrlr_opts opts[FAKE_CTRLRS];
	static struct test_owner owner[FAKE_CTRLRS];
	uint32_t live = 0;

	start();
	for (unsigned int i = 0; i < FAKE_CTRLRS; i++) {
		test_opts(&opts[i], i);
		opts[i].gate = &gate;
		opts[i].nr_io_queues = 1;
		owner_connect(&owner[i], &opts[i]);
	}
	world_run_ms(3000);
	CU_ASSERT_EQUAL(gate.passed, FAKE_CTRLRS);
	for (unsigned int i = 0; i < FAKE_CTRLRS; i++) {
		CU_ASSERT_EQUAL(owner[i].live, 1);
		fakes[i].connect_err = -ECONNREFUSED;
		fake_cut(fakes[i].admin, -ECONNRESET);
	}
	for (int s = 0; s < 10; s++) {
		uint64_t before = gate.passed;

		world_run_ms(1000);
		CU_ASSERT_TRUE(gate.passed - before <=
			       NVHI_GATE_TARGET_RATE + NVHI_GATE_TARGET_AT_ONCE);
	}
	CU_ASSERT_TRUE(gate.passed > 2 * FAKE_CTRLRS);
	for (unsigned int i = 0; i < FAKE_CTRLRS; i++) {
		fakes[i].connect_err = 0;
		nvhi_ctrlr_wake(owner[i].ctrlr);
	}
	world_run_ms(2000);
	for (unsigned int i = 0; i < FAKE_CTRLRS; i++)
		live += owner[i].live == 2;
	CU_ASSERT_EQUAL(live, FAKE_CTRLRS);
	CU_ASSERT_EQUAL(gate.limit.inside, 0);
	for (unsigned int i = 0; i < FAKE_CTRLRS; i++)
		owner_delete(&owner[i]);
	finish();
}

static void a_nudge_tries_now_and_keeps_the_back_off(void)
{
	static struct nvhi_ctrlr_opts opts;
	static struct test_owner owner;
	uint32_t tries, attempts;

	start();
	test_opts(&opts, 0);
	opts.gate = &gate;
	owner_live(&owner, &opts);
	fakes[0].connect_err = -ECONNREFUSED;
	fake_cut(fakes[0].admin, -ECONNRESET);
	world_run_ms(30000);
	CU_ASSERT_TRUE(WORLD_UNTIL(nvhi_ctrlr_state(owner.ctrlr) == NVHI_CTRLR_RECONNECT_WAIT, 1000));
	tries = fakes[0].connects[0];
	attempts = owner.ctrlr->attempts;
	nvhi_ctrlr_nudge(owner.ctrlr);
	world_run_ms(1);
	CU_ASSERT_EQUAL(fakes[0].connects[0], tries + 1);
	CU_ASSERT_EQUAL(owner.ctrlr->attempts, attempts + 1);
	owner_delete(&owner);
	finish();
}

static void a_controller_may_go_while_it_waits_for_its_turn(void)
{
	static struct nvhi_ctrlr_opts opts[16];
	static struct test_owner owner[16];

	start();
	for (unsigned int i = 0; i < 16; i++) {
		test_opts(&opts[i], i);
		opts[i].gate = &gate;
		fakes[i].connect_silent = true;
		owner_connect(&owner[i], &opts[i]);
	}
	world_run_ms(1);
	CU_ASSERT_EQUAL(gate.limit.inside, NVHI_GATE_TARGET_AT_ONCE);
	for (unsigned int i = 16; i-- > 0;)
		owner_delete(&owner[i]);
	CU_ASSERT_EQUAL(gate.limit.inside, 0);
	CU_ASSERT_TRUE(nvhi_list_empty(&gate.waiting));
	finish();
}

NVH_UNIT_MAIN("host/ctrlr/gate", NVH_TEST(so_many_at_once_to_one_target),
	      NVH_TEST(so_many_a_second_to_one_target), NVH_TEST(so_many_at_once_of_the_host),
	      NVH_TEST(who_connects_for_the_first_time_goes_first),
	      NVH_TEST(idle_targets_make_room), NVH_TEST(a_target_that_restarts_is_not_stormed),
	      NVH_TEST(a_nudge_tries_now_and_keeps_the_back_off),
	      NVH_TEST(a_controller_may_go_while_it_waits_for_its_turn))
