/*
 * The history of every block and what a read of it may return: see checker.h.
 */
#include "tests/sim/checker.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk.h"

#define NSIDS 8u
#define OPEN  UINT64_MAX

/* A write whose value the block may have. */
struct cand {
	uint64_t value;
	uint64_t begin, end; /* OPEN: outstanding */
	uint64_t killed;     /* no read that begins later may return it; OPEN: alive */
	bool failed;         /* may take effect after its end */
};

struct block {
	struct cand *cands;
	uint32_t count, room;
};

static struct {
	struct block *blocks[NSIDS];
	uint64_t sequence;
	uint64_t open[256]; /* begins of what is outstanding */
	uint32_t nr_open;
} check;

void sim_check_init(void)
{
	memset(&check, 0, sizeof(check));
	check.sequence = 1;
}

void sim_check_done(void)
{
	for (uint32_t nsid = 0; nsid < NSIDS; nsid++) {
		if (!check.blocks[nsid])
			continue;
		for (uint32_t i = 0; i < SIM_DISK_BLOCKS_MAX; i++)
			free(check.blocks[nsid][i].cands);
		free(check.blocks[nsid]);
	}
}

void sim_check_disk(uint32_t nsid, uint64_t blocks)
{
	(void)blocks; /* those behind the end may come with a resize: zero as well */
	check.blocks[nsid] = calloc(SIM_DISK_BLOCKS_MAX, sizeof(struct block));
}

uint64_t sim_check_begin(void)
{
	uint64_t begin = check.sequence++;

	if (check.nr_open < NVHI_ARRAY_SIZE(check.open))
		check.open[check.nr_open++] = begin;
	else
		sim_fail("the workload has too much outstanding");
	return begin;
}

void sim_check_end(uint64_t begin)
{
	for (uint32_t i = 0; i < check.nr_open; i++) {
		if (check.open[i] != begin)
			continue;
		check.open[i] = check.open[--check.nr_open];
		return;
	}
}

static uint64_t oldest_open(void)
{
	uint64_t oldest = check.sequence;

	for (uint32_t i = 0; i < check.nr_open; i++)
		if (check.open[i] < oldest)
			oldest = check.open[i];
	return oldest;
}

/* ---- candidates ------------------------------------------------------------------------------ */

static struct block *block_of(uint32_t nsid, uint64_t lba)
{
	struct block *b = &check.blocks[nsid][lba];

	if (!b->room) { /* nobody has written it yet */
		b->room = 4;
		b->cands = calloc(b->room, sizeof(*b->cands));
		b->cands[0] = (struct cand){.value = SIM_ZEROES, .killed = OPEN};
		b->count = 1;
	}
	return b;
}

static void forget(struct block *b)
{
	uint64_t oldest = oldest_open();
	uint32_t kept = 0;

	for (uint32_t i = 0; i < b->count; i++)
		if (b->cands[i].killed >= oldest)
			b->cands[kept++] = b->cands[i];
	b->count = kept;
}

static void add(struct block *b, const struct cand *c)
{
	if (b->count == b->room)
		forget(b);
	if (b->count == b->room) {
		b->room *= 2;
		b->cands = realloc(b->cands, b->room * sizeof(*b->cands));
	}
	b->cands[b->count++] = *c;
}

static struct cand *find(struct block *b, uint64_t begin)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (b->cands[i].begin == begin)
			return &b->cands[i];
	return NULL;
}

/* An acknowledged write that began at `begin` ends what had ended before. */
static void kill_by_write(struct block *b, uint64_t begin, uint64_t now)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct cand *c = &b->cands[i];

		if (c->end < begin && c->killed == OPEN)
			c->killed = now;
	}
}

static void kill_by_read(struct block *b, uint64_t value, uint64_t begin, uint64_t now)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct cand *c = &b->cands[i];

		if (c->value != value && !c->failed && c->end < begin && c->killed == OPEN)
			c->killed = now;
	}
}

/* ---- what the workload tells ----------------------------------------------------------------- */

void sim_check_write(uint32_t nsid, uint64_t lba, uint64_t blocks, uint64_t value, uint64_t begin)
{
	struct cand c = {.value = value, .begin = begin, .end = OPEN, .killed = OPEN};

	for (uint64_t i = 0; i < blocks; i++)
		add(block_of(nsid, lba + i), &c);
}

void sim_check_written(uint32_t nsid, uint64_t lba, uint64_t blocks, uint64_t value, uint64_t begin,
		       enum sim_fate fate)
{
	uint64_t now = check.sequence++;

	(void)value;
	for (uint64_t i = 0; i < blocks; i++) {
		struct block *b = block_of(nsid, lba + i);
		struct cand *c = find(b, begin);

		if (fate == SIM_FATE_UNSENT) {
			*c = b->cands[--b->count];
			continue;
		}
		c->end = now;
		c->failed = fate == SIM_FATE_UNKNOWN;
		if (fate == SIM_FATE_DONE)
			kill_by_write(b, begin, now);
	}
}

void sim_check_read(uint32_t nsid, uint64_t lba, uint64_t value, uint64_t begin)
{
	struct block *b = block_of(nsid, lba);
	const struct cand *known = NULL;
	uint64_t now = check.sequence++;
	bool good = false;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct cand *c = &b->cands[i];

		if (c->value != value)
			continue;
		known = c;
		good |= c->killed > begin;
	}
	if (good) {
		kill_by_read(b, value, begin, now);
		return;
	}
	if (known)
		sim_fail("namespace %u block %llu: a read that began at #%llu returned value %llx, "
			 "written from #%llu to #%llu and overwritten for good by #%llu%s",
			 nsid, (unsigned long long)lba, (unsigned long long)begin,
			 (unsigned long long)value, (unsigned long long)known->begin,
			 (unsigned long long)known->end, (unsigned long long)known->killed,
			 known->failed ? " (it had been failed to the caller)" : "");
	else
		sim_fail("namespace %u block %llu: a read that began at #%llu returned value %llx, "
			 "which was overwritten long before or never written",
			 nsid, (unsigned long long)lba, (unsigned long long)begin,
			 (unsigned long long)value);
}

uint64_t sim_check_guess(uint32_t nsid, uint64_t lba)
{
	struct block *b = block_of(nsid, lba);
	uint64_t value = SIM_ZEROES;

	for (uint32_t i = 0; i < b->count; i++)
		if (b->cands[i].killed == OPEN)
			value = b->cands[i].value;
	return value;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static uint64_t word(uint32_t nsid, uint64_t lba, uint64_t value, uint32_t i)
{
	return i ? value * 0x9e3779b97f4a7c15ull + ((uint64_t)nsid << 40 | lba << 16 | i) : value;
}

void sim_block_fill(void *block, uint32_t block_size, uint32_t nsid, uint64_t lba, uint64_t value)
{
	uint64_t *words = block;

	for (uint32_t i = 0; i < block_size / 8; i++)
		words[i] = value == SIM_ZEROES ? 0 : word(nsid, lba, value, i);
}

bool sim_block_parse(const void *block, uint32_t block_size, uint32_t nsid, uint64_t lba,
		     uint64_t *ret_value, uint32_t *ret_at)
{
	const uint64_t *words = block;

	for (uint32_t i = 1; i < block_size / 8; i++) {
		if (words[i] != (words[0] == SIM_ZEROES ? 0 : word(nsid, lba, words[0], i))) {
			*ret_at = i;
			return false;
		}
	}
	*ret_value = words[0];
	return true;
}
