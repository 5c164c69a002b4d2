/*
 * A peer that answers late, wrongly, with garbage or not at all, connections that break, orders at
 * any moment: whatever the seed, each I/O comes back once, deleting ends in bounded time, nothing
 * is left, and over all seeds every legal edge of the state table is taken.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/ctrlr_fixture.h"

#ifndef FIRST_SEED
#define FIRST_SEED 1u
#endif
#ifndef SEEDS
#define SEEDS 400u
#endif
#define STEPS 150u
#define IOS   64u

static uint64_t random_state;
static uint64_t taken[(NVHI_CTRLR_DELETED + 1) * (NVHI_CTRLR_DELETED + 1)];

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % below;
}

static uint32_t mischief; /* in 1000 */
static uint64_t ios_sent, ios_good;

static enum fake_verdict chaos_hook(struct fake_ctrlr *fake, uint16_t qid,
				    const struct nvh_cmd *cmd)
{
	static const unsigned int statuses[] = {
		NVH_ST_INTERNAL,
		NVH_ST_INTERNAL | NVH_CPL_DNR,
		NVH_ST_CMD_INTERRUPTED | 1u << NVH_CPL_CRD_SHIFT,
		NVH_ST_CMD_INTERRUPTED | 3u << NVH_CPL_CRD_SHIFT,
		NVH_ST_INVALID_OPCODE | NVH_CPL_DNR,
		NVH_ST_INVALID_FIELD | NVH_CPL_DNR,
		NVH_ST_INVALID_NS | NVH_CPL_DNR,
		0x7fff,
	};

	(void)qid;
	(void)cmd;
	fake->latency_ns = rnd(10) ? 10000 + rnd(100000) : rnd(20) * NVHI_NSEC_PER_MSEC;
	if (rnd(1000) < mischief / 2)
		return FAKE_HOLD;
	if (rnd(1000) >= mischief * 2)
		return FAKE_ANSWER;
	fake->hook_status = statuses[rnd(NVHI_ARRAY_SIZE(statuses))];
	return FAKE_STATUS;
}

static void chaos_garble(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf,
			 uint32_t len)
{
	(void)fake;
	(void)cmd;
	if (rnd(1000) >= mischief * 2)
		return;
	for (uint32_t n = 1 + rnd(64); n > 0; n--)
		buf[rnd(4) ? rnd(len < 256 ? len : 256) : rnd(len)] = (uint8_t)rnd(256);
}

static void chaos_peer(struct fake_ctrlr *fake)
{
	fake_init(fake);
	fake->hook = chaos_hook;
	fake->garble = chaos_garble;
	fake->granted = 1 + rnd(6);
	fake->ready_after = rnd(4);
	fake->nr_ns = rnd(30);
	for (uint32_t i = 0; i < fake->nr_ns; i++)
		fake->nsid[i] = i * (1 + rnd(1)) + 1;
	nvh_le16_put(&fake->id.crdt1, (uint16_t)rnd(20));
	nvh_le32_put(&fake->id.ctratt, rnd(2) ? NVH_CTRATT_TBKAS : 0);
	if (rnd(2)) {
		fake->id.cmic |= NVH_CMIC_ANA | NVH_CMIC_MULTI_CTRLR;
		fake->id.anacap = 0x1f;
		fake->id.anatt = (uint8_t)rnd(3);
		nvh_le32_put(&fake->id.anagrpmax, 4);
		nvh_le32_put(&fake->id.nanagrpid, 4);
	}
}

static void chaos_break(struct fake_ctrlr *fake)
{
	uint32_t which = rnd(FAKE_QUEUES + 1);
	struct fake_qpair *q = which == 0 ? fake->admin : fake->io[which - 1];

	if (q)
		fake_cut(q, -ECONNRESET);
}

static void chaos_order(struct test_owner *owner, struct fake_ctrlr *fake)
{
	static const uint8_t ana[] = {NVH_ANA_OPTIMIZED, NVH_ANA_NONOPTIMIZED, NVH_ANA_INACCESSIBLE,
				      NVH_ANA_PERSISTENT_LOSS, NVH_ANA_CHANGE};

	switch (rnd(13)) {
	case 12:
		fake->ana_state = ana[rnd(NVHI_ARRAY_SIZE(ana))];
		fake->ana_changes++;
		fake_event(fake, NVH_AER_NOTICE, NVH_AER_ANA_CHANGED, NVH_LID_ANA);
		break;
	case 0:
		(void)nvhi_ctrlr_reset(owner->ctrlr, "chaos", NULL);
		break;
	case 1:
		nvhi_ctrlr_wake(owner->ctrlr);
		break;
	case 2:
		(void)nvhi_ctrlr_rescan(owner->ctrlr, NULL);
		break;
	case 3:
		chaos_break(fake);
		break;
	case 4:
		fake->connect_err = rnd(3) ? 0 : -ECONNREFUSED;
		fake->ioq_connect_err = rnd(5) ? 0 : -ECONNRESET;
		fake->connect_silent = rnd(20) == 0;
		break;
	case 5:
		fake->never_ready = rnd(20) == 0;
		fake->nr_ns = rnd(40);
		for (uint32_t i = 0; i < fake->nr_ns; i++)
			fake->nsid[i] = i + 1;
		break;
	default:
		fake_event(fake, rnd(8), rnd(6), rnd(256));
		break;
	}
}

static void chaos_ios(struct test_owner *owner, struct test_io *io, bool *out)
{
	for (uint32_t i = 0; i < IOS; i++) {
		struct nvhi_ioq *ioq = nvhi_ctrlr_ioq(owner->ctrlr, world[i % WORLD_REACTORS]);

		if (!ioq || (out[i] && io[i].done == 0))
			continue;
		memset(&io[i], 0, sizeof(io[i]));
		out[i] = test_io_submit(ioq, &io[i]);
		ios_sent += out[i];
	}
}

static void chaos_discovery(struct nvhi_ctrlr_opts *opts, struct fake_ctrlr *fake)
{
	opts->discovery = true;
	opts->persistent = true;
	fake->id.cntrltype = NVH_CNTRLTYPE_DISCOVERY;
	nvh_le32_put(&fake->id.oaes, NVH_AEN_DISCOVERY);
}

static void chaos_run(uint64_t seed)
{
	static struct test_io io[IOS];
	static struct test_owner owner;
	bool out[IOS] = {false};
	struct nvhi_ctrlr_opts opts;
	bool once = false;

	random_state = seed;
	mischief = seed % 4 == 0 ? 0 : 5 + rnd(20);
	world_setup();
	chaos_peer(&fakes[0]);
	test_opts(&opts, 0);
	opts.io_timeout_ms = 200;
	opts.admin_timeout_ms = 100;
	opts.transport.connect_timeout_ms = 100;
	opts.transport.kato_ms = 400;
	opts.reconnect_delay_ms = 5;
	opts.reconnect_delay_max_ms = 50;
	opts.ctrl_loss_tmo_s = seed % 5 ? -1 : (int)rnd(3);
	opts.fast_io_fail_tmo_s = (int)rnd(3) - 1;
	opts.no_retry = seed % 7 == 0;
	if (seed % 9 == 0)
		chaos_discovery(&opts, &fakes[0]);
	memset(io, 0, sizeof(io));
	owner_connect(&owner, &opts);
	if (seed % 50 == 0)
		nvhi_ctrlr_delete(owner.ctrlr);
	for (uint32_t step = 0; step < STEPS && !owner.deleted; step++) {
		chaos_order(&owner, &fakes[0]);
		chaos_ios(&owner, io, out);
		world_run_ns(rnd(3) ? rnd(300000) : rnd(50) * NVHI_NSEC_PER_MSEC);
	}
	if (!owner.deleted) {
		if (rnd(2)) {
			mischief = 0;
			fakes[0].connect_err = fakes[0].ioq_connect_err = 0;
			fakes[0].connect_silent = fakes[0].never_ready = false;
			once = WORLD_UNTIL(owner.live > 0 || owner.deleted, 60000);
			CU_ASSERT_TRUE(once);
		}
		if (!owner.deleted)
			nvhi_ctrlr_delete(owner.ctrlr);
		CU_ASSERT_TRUE(WORLD_UNTIL(owner.deleted, 30000));
	}
	world_run_ms(1);
	CU_ASSERT_EQUAL(owner.deleted, 1);
	CU_ASSERT_EQUAL(owner.added, owner.removed);
	CU_ASSERT_EQUAL(owner.live, owner.quiesced);
	for (uint32_t i = 0; i < IOS; i++) {
		CU_ASSERT_EQUAL(io[i].done, out[i]);
		ios_good += io[i].done && io[i].err == 0;
	}
	world_teardown();
	if (CU_get_number_of_failures())
		printf("    seed %llu\n", (unsigned long long)seed);
}

static void whatever_happens_each_io_ends_once_and_nothing_is_left(void)
{
	nvhi_ctrlr_fsm.taken = taken;
	for (uint64_t seed = FIRST_SEED; seed < FIRST_SEED + SEEDS && !CU_get_number_of_failures();
	     seed++)
		chaos_run(seed);
	nvhi_ctrlr_fsm.taken = NULL;
	CU_ASSERT_TRUE(ios_sent > SEEDS * IOS);
	CU_ASSERT_TRUE(ios_good > 0);
}

/* A command asked for by the last completions of a torn-down queue; a CRDT of half an hour. */
static void seeds_that_once_failed_hold(void)
{
	static const uint64_t kept[] = {2359, 13803};

	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(kept); i++)
		chaos_run(kept[i]);
}

static void every_legal_edge_was_taken(void)
{
	for (uint32_t from = 0; from <= NVHI_CTRLR_DELETED; from++) {
		for (uint32_t to = 0; to <= NVHI_CTRLR_DELETED; to++) {
			uint64_t count = taken[from * (NVHI_CTRLR_DELETED + 1) + to];

			if (!nvhi_fsm_legal(&nvhi_ctrlr_fsm, from, to))
				continue;
			CU_ASSERT_TRUE(count > 0);
			if (count == 0)
				printf("    %s -> %s never taken\n",
				       nvhi_ctrlr_state_name((enum nvhi_ctrlr_state)from),
				       nvhi_ctrlr_state_name((enum nvhi_ctrlr_state)to));
		}
	}
}

NVH_UNIT_MAIN("host/ctrlr/chaos", NVH_TEST(whatever_happens_each_io_ends_once_and_nothing_is_left),
	      NVH_TEST(seeds_that_once_failed_hold), NVH_TEST(every_legal_edge_was_taken))
