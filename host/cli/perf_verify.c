/*
 * Verified data: every logical block carries a tag (what it is, where it belongs, which write of it
 * this is) and is filled from a generator seeded by the same, so that a lost, torn, stale or
 * misplaced block is told from a right one. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "host/cli/perf.h"

#define PERF_MAGIC 0x6672657074736f68ull /* "hostperf" */

struct perf_tag {
	uint64_t magic, lba;
	uint32_t gen, seed;
};

/* splitmix64: each word of the filling from its place. */
static uint64_t verify_word(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t verify_seed(const struct perf_tag *tag)
{
	return verify_word(tag->lba) ^ verify_word((uint64_t)tag->gen << 32 | tag->seed);
}

void perf_fill(uint8_t *data, uint32_t lba_size, uint32_t lbas, uint64_t lba, uint32_t gen,
	       uint32_t seed)
{
	for (uint32_t i = 0; i < lbas; i++, data += lba_size) {
		const struct perf_tag tag = {PERF_MAGIC, lba + i, gen, seed};
		uint64_t word = verify_seed(&tag);

		memcpy(data, &tag, sizeof(tag));
		for (uint32_t at = sizeof(tag); at + 8 <= lba_size; at += 8) {
			uint64_t value = word + at * 0x9e3779b97f4a7c15ull;

			memcpy(data + at, &value, 8);
		}
	}
}

static int verify_one(const uint8_t *data, uint32_t lba_size, const struct perf_tag *tag)
{
	uint64_t word = verify_seed(tag);

	for (uint32_t at = sizeof(*tag); at + 8 <= lba_size; at += 8) {
		uint64_t value = word + at * 0x9e3779b97f4a7c15ull;

		if (memcmp(data + at, &value, 8) != 0)
			return (int)at;
	}
	return 0;
}

int perf_check(const uint8_t *data, uint32_t lba_size, uint32_t lbas, uint64_t lba, uint32_t gen,
	       uint32_t seed, char *err, size_t err_len)
{
	for (uint32_t i = 0; i < lbas; i++, data += lba_size) {
		struct perf_tag tag;
		int at;

		memcpy(&tag, data, sizeof(tag));
		if (tag.magic != PERF_MAGIC) {
			snprintf(err, err_len, "LBA %llu holds no tag of perf's",
				 (unsigned long long)(lba + i));
			return -1;
		}
		if (tag.lba != lba + i) {
			snprintf(err, err_len, "LBA %llu holds the data of LBA %llu",
				 (unsigned long long)(lba + i), (unsigned long long)tag.lba);
			return -1;
		}
		/* gen 0: written by an earlier run, whose count is not known. */
		if (gen && (tag.gen != gen || tag.seed != seed)) {
			snprintf(err, err_len, "LBA %llu holds write %u, not write %u",
				 (unsigned long long)(lba + i), tag.gen, gen);
			return -1;
		}
		at = verify_one(data, lba_size, &tag);
		if (at) {
			snprintf(err, err_len, "LBA %llu differs from byte %d on",
				 (unsigned long long)(lba + i), at);
			return -1;
		}
	}
	return 0;
}
