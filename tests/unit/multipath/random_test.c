/*
 * Everything at once, drawn from a seed: two channels on two reactors, three controllers whose
 * queues come and go, answers of all kinds, cancel, deadlines, messages that arrive late. Each I/O
 * ends exactly once, reads give what was written last, and nothing is left at the end.
 *
 * NVH_SEED=N replays one seed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

#define SEEDS  400u
#define STEPS  600u
#define SLOTS  12u
#define STRIPE 48u

static uint64_t seed_state;

static uint32_t draw(uint32_t below)
{
	seed_state ^= seed_state << 13;
	seed_state ^= seed_state >> 7;
	seed_state ^= seed_state << 17;
	return (uint32_t)(seed_state >> 11) % below;
}

struct app;

struct rslot {
	struct mpf_io io;
	struct app *app;
	uint64_t lba;
	uint32_t blocks;
	bool out, again;
	bool known; /* the stripe's content is `content` */
	uint8_t content[STRIPE * MPF_BLOCK];
	uint8_t buf[STRIPE * MPF_BLOCK];
	uint32_t submitted;
};

struct app {
	unsigned int r;
	struct nvh_ns *ns; /* held */
	struct nvh_channel *channel;
	struct rslot slots[SLOTS];
	uint32_t out;
};

static struct app apps[MPF_REACTORS];
static uint32_t ended, succeeded, wrong;

/* ---- I/O ----------------------------------------------------------------------------------------
 */

static void slot_submit(struct rslot *slot);

static void slot_ended(struct rslot *slot)
{
	struct nvh_io *io = slot->io.io;
	bool good = !slot->io.err && !slot->io.status;
	size_t len = (size_t)io->nr_blocks * MPF_BLOCK;
	size_t at = (size_t)(io->lba - slot->lba) * MPF_BLOCK;

	ended++;
	succeeded += good;
	if (io->op == NVH_IO_READ && good && slot->known)
		wrong += memcmp(slot->buf, slot->content + at, len) != 0;
	if (io->op == NVH_IO_WRITE || io->op == NVH_IO_WRITE_ZEROES) {
		if (!good)
			slot->known = false;
		else if (io->op == NVH_IO_WRITE)
			memcpy(slot->content + at, slot->buf, len);
		else
			memset(slot->content + at, 0, len);
		if (good && io->nr_blocks == STRIPE)
			slot->known = true;
	}
}

static void slot_called(struct mpf_io *io)
{
	struct rslot *slot = nvhi_container_of(io, struct rslot, io);

	CU_ASSERT_TRUE(slot->out);
	CU_ASSERT_EQUAL(slot->io.calls, slot->submitted);
	slot->out = false;
	slot->app->out--;
	slot_ended(slot);
	if (slot->again && draw(3) == 0)
		slot_submit(slot);
}

static void slot_submit(struct rslot *slot)
{
	static const uint8_t ops[] = {NVH_IO_READ,   NVH_IO_READ,         NVH_IO_WRITE,
				      NVH_IO_WRITE,  NVH_IO_WRITE_ZEROES, NVH_IO_FLUSH,
				      NVH_IO_VERIFY, NVH_IO_DEALLOCATE,   NVH_IO_COMPARE};
	struct nvh_io *io = slot->io.io;
	uint32_t offset;
	int err;

	io->op = ops[draw(NVHI_ARRAY_SIZE(ops))];
	io->nr_blocks = draw(2) ? STRIPE : 1 + draw(STRIPE);
	offset = draw(STRIPE - io->nr_blocks + 1);
	io->lba = slot->lba + offset;
	io->deadline_ns = draw(10) ? 0 : mpf.time.now + draw(2000) * NVHI_NSEC_PER_MSEC;
	for (size_t i = 0; i < sizeof(slot->buf); i++)
		slot->buf[i] = io->op == NVH_IO_READ ? 0xee : (uint8_t)(draw(1u << 31) >> (i & 7));
	slot->io.iov[0].iov_base = slot->buf;
	slot->io.iov[0].iov_len = 1 + draw(600);
	slot->io.iov[1].iov_base = slot->buf + slot->io.iov[0].iov_len;
	slot->io.iov[1].iov_len = sizeof(slot->buf) - slot->io.iov[0].iov_len;
	io->iov = slot->io.iov;
	io->iovcnt = 2;
	slot->submitted++;
	slot->out = true;
	slot->app->out++;
	err = nvhi_channel_submit(slot->app->channel, io);
	if (err) {
		CU_ASSERT_TRUE(err == -ENODEV || err == -ENOTCONN);
		slot->submitted--;
		slot->out = false;
		slot->app->out--;
	}
}

/* ---- the applications
 * ---------------------------------------------------------------------------- */

static void app_close(struct app *app)
{
	if (!app->channel || app->out)
		return;
	nvhi_channel_close(app->channel);
	nvhi_ns_put(app->ns);
	app->channel = NULL;
	app->ns = NULL;
}

static void app_open(struct app *app)
{
	struct nvh_ns *ns = nvhi_mp_ns_next(&mpf.mp, NULL);

	if (app->channel || !ns)
		return;
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[app->r], &app->channel), 0);
	nvhi_ns_get(ns);
	app->ns = ns;
}

static void app_step(struct app *app)
{
	struct rslot *slot = &app->slots[draw(SLOTS)];

	if (!app->channel) {
		app_open(app);
		return;
	}
	if (app->ns->removed) {
		app_close(app);
		return;
	}
	if (!slot->out)
		slot_submit(slot);
	else if (draw(12) == 0)
		nvhi_channel_cancel(app->channel, slot->io.io);
}

/* ---- the world
 * ------------------------------------------------------------------------------------ */

static unsigned int draw_status(void)
{
	static const unsigned int codes[] = {
		NVH_ST_NS_NOT_READY,
		NVH_ST_NS_NOT_READY | 1u << NVH_CPL_CRD_SHIFT,
		NVH_ST_ANA_INACCESSIBLE,
		NVH_ST_ANA_TRANSITION | 2u << NVH_CPL_CRD_SHIFT,
		NVH_ST_WRITE_FAULT | NVH_CPL_DNR,
		NVH_ST_ABORT_REQUESTED,
		NVH_ST_CMD_INTERRUPTED,
		NVH_ST_READ_ERROR,
	};

	return draw(8) ? 0 : codes[draw(NVHI_ARRAY_SIZE(codes))];
}

static bool lost[MPF_CTRLRS]; /* its association has ended, multipath does not know that all is home */

/* With fences the association ends with any queue. */
static void ctrlr_check_quiesced(struct mpf_ctrlr *c)
{
	bool *owed = &lost[c - mpf.ctrlrs];

	for (unsigned int i = 0; *owed && i < MPF_REACTORS; i++)
		mpf_down(c, i); /* it may have come up only now */
	for (unsigned int i = 0; i < MPF_REACTORS; i++)
		if (c->inner->ioqs[i].state != NVHI_IOQ_ABSENT)
			return;
	if (!*owed)
		return;
	*owed = false;
	if (c->joined)
		nvhi_mp_ctrlr_quiesced(&c->mpc);
}

static void queue_step(struct mpf_ctrlr *c, unsigned int r)
{
	enum nvhi_ioq_state state = c->inner->ioqs[r].state;

	ctrlr_check_quiesced(c);
	if (lost[c - mpf.ctrlrs])
		return;

	if (state == NVHI_IOQ_ABSENT) {
		if (c->joined && draw(3) == 0)
			mpf_up(c, r);
		return;
	}
	if (draw(40) == 0) {
		mpf.lost_err = draw(4) ? -ECONNRESET : -EPROTO;
		mpf.revoke_backwards = draw(2);
		lost[c - mpf.ctrlrs] = mpf.write_fence != NVHI_WRITE_FENCE_OFF;
		for (unsigned int i = 0; i < MPF_REACTORS; i++)
			if (i == r || lost[c - mpf.ctrlrs])
				mpf_down(c, i);
	} else if (mpf_lent(c, r)) {
		mpf_complete(c, r, draw(mpf_lent(c, r)), draw_status());
	}
}

static void ctrlr_step(unsigned int i)
{
	struct mpf_ctrlr *c = &mpf.ctrlrs[i];

	if (!c->inner) {
		mpf.depth = (uint16_t)(1 + draw(12));
		mpf_join(i);
		c->inner->caps.dmrsl = 10;
		c->inner->caps.kato_ms = 300;
		c->inner->caps.cqt_ms = draw(2) ? 0 : 100;
		lost[i] = false;
		mpf_ns(c, 1, 7);
		c->inner->caps.nr_io_queues = (uint16_t)(1 + draw(2));
		nvhi_mp_ctrlr_live(&c->mpc, true);
	} else if (c->left) {
		if (mpf_can_forget(c))
			mpf_forget(c);
	} else if (!c->joined) {
		return; /* leaving */
	} else if (draw(60) == 0) {
		mpf_leave(c);
	} else if (draw(60) == 0) {
		nvhi_mp_ns_removed(&c->mpc, 1, -ENODEV);
	} else if (draw(20) == 0 && !nvhi_path_find(&c->mpc, 1)) {
		mpf_ns(c, 1, 7);
	} else if (draw(60) == 0) {
		nvhi_mp_ctrlr_live(&c->mpc, false);
		nvhi_mp_ctrlr_fast_fail(&c->mpc);
	} else if (draw(20) == 0) {
		c->inner->caps.nr_io_queues = (uint16_t)(1 + draw(2));
		nvhi_mp_ctrlr_live(&c->mpc, true);
	} else {
		unsigned int r = draw(MPF_REACTORS);

		/* Queues that were not granted stay absent. */
		if (r < c->inner->caps.nr_io_queues || c->inner->ioqs[r].state != NVHI_IOQ_ABSENT)
			queue_step(c, r);
	}
}

static void world_step(void)
{
	switch (draw(8)) {
	case 0:
	case 1:
		app_step(&apps[draw(MPF_REACTORS)]);
		break;
	case 2:
		mpf.time.now += draw(50) * NVHI_NSEC_PER_MSEC;
		/* fall through */
	case 3:
	case 4:
		nvhi_reactor_turn(mpf.reactors[draw(MPF_REACTORS)]);
		break;
	default:
		ctrlr_step(draw(MPF_CTRLRS));
	}
}

static bool anything_out(void)
{
	return apps[0].out || apps[1].out;
}

/* All paths good: whatever is out must end. */
static void wind_down(void)
{
	mpf.no_turns = false;
	mpf_turns();
	for (int i = 0; i < MPF_CTRLRS; i++) {
		struct mpf_ctrlr *c = &mpf.ctrlrs[i];

		if (!c->inner || !c->joined)
			continue;
		ctrlr_check_quiesced(c);
		c->inner->caps.nr_io_queues = MPF_REACTORS;
		mpf_live(c);
	}
	for (int i = 0; i < 100 && anything_out(); i++) {
		mpf_serve();
		mpf_advance_ms(1000);
	}
	CU_ASSERT_FALSE(anything_out());
}

static void run_seed(uint64_t seed)
{
	seed_state = seed * 0x9e3779b97f4a7c15ull + 1;
	mpf_start(MPF_REACTORS);
	mpf.no_turns = true;
	mpf.lost_may_run = true;
	mpf.write_fence = (uint8_t)(seed % 3);
	memset(apps, 0, sizeof(apps));
	for (unsigned int r = 0; r < MPF_REACTORS; r++) {
		apps[r].r = r;
		for (uint32_t i = 0; i < SLOTS; i++) {
			struct rslot *slot = &apps[r].slots[i];

			mpf_io_init(&slot->io, NVH_IO_READ, 0, 1, slot->buf);
			slot->io.then = slot_called;
			slot->app = &apps[r];
			slot->lba = (r * SLOTS + i) * STRIPE;
			slot->again = true;
		}
	}
	for (uint32_t i = 0; i < STEPS; i++)
		world_step();
	for (unsigned int r = 0; r < MPF_REACTORS; r++)
		for (uint32_t i = 0; i < SLOTS; i++)
			apps[r].slots[i].again = false;
	wind_down();
	for (unsigned int r = 0; r < MPF_REACTORS; r++) {
		for (uint32_t i = 0; i < SLOTS; i++) {
			CU_ASSERT_EQUAL(apps[r].slots[i].io.calls, apps[r].slots[i].submitted);
			mpf_io_done(&apps[r].slots[i].io);
		}
		app_close(&apps[r]);
	}
	mpf_stop();
}

static void every_io_ends_once_whatever_happens(void)
{
	uint64_t seed = getenv("NVH_SEED") ? strtoull(getenv("NVH_SEED"), NULL, 0) : 0;
	uint64_t taken[9 * 9] = {0};
	uint32_t edges = 0, legal = 0;

	ended = succeeded = wrong = 0;
	CU_ASSERT_FATAL(NVHI_ARRAY_SIZE(taken) >= nvhi_io_fsm.states * nvhi_io_fsm.states);
	nvhi_io_fsm.taken = taken;
	if (seed) {
		run_seed(seed);
	} else {
		for (seed = 1; seed <= SEEDS; seed++) {
			uint32_t before = CU_get_number_of_failures() + wrong;

			run_seed(seed);
			if (CU_get_number_of_failures() + wrong != before) {
				printf("\n  NVH_SEED=%llu\n", (unsigned long long)seed);
				break;
			}
		}
	}
	nvhi_io_fsm.taken = NULL;
	CU_ASSERT_EQUAL(wrong, 0);
	if (getenv("NVH_SEED"))
		return;
	for (uint32_t from = 0; from < nvhi_io_fsm.states; from++)
		for (uint32_t to = 0; to < nvhi_io_fsm.states; to++) {
			if (!nvhi_fsm_legal(&nvhi_io_fsm, from, to))
				continue;
			legal++;
			if (taken[from * nvhi_io_fsm.states + to])
				edges++;
			else
				printf("\n  never %s -> %s\n", nvhi_io_fsm.state_names[from],
				       nvhi_io_fsm.state_names[to]);
		}
	printf("\n  %u I/Os, %u good; %u of %u edges\n", ended, succeeded, edges, legal);
	CU_ASSERT_EQUAL(edges, legal);
	CU_ASSERT_TRUE(succeeded > ended / 4);
}

NVH_UNIT_MAIN("multipath/random", NVH_TEST(every_io_ends_once_whatever_happens))
