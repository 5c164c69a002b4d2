/*
 * See iova_map.h. A reader that sees the counter odd or changed looks again. Fields are read and
 * written atomically each; the array only ever grows, and one that was outgrown is kept until the
 * end, since a reader may still be in it: together they are no larger than the last.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pcie/vfio/iova_map.h"

#define RUNS_FIRST 64u

struct nvhi_iova_runs {
	struct nvhi_iova_runs *outgrown;
	uint32_t max, count;
	struct nvhi_iova_run run[];
};

#define GET(field)        __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define PUT(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

static struct nvhi_iova_runs *runs_new(uint32_t max)
{
	struct nvhi_iova_runs *runs = calloc(1, sizeof(*runs) + max * sizeof(runs->run[0]));

	if (runs)
		runs->max = max;
	return runs;
}

int nvhi_iova_map_init(struct nvhi_iova_map *map)
{
	struct nvhi_iova_runs *runs = runs_new(RUNS_FIRST);

	if (!runs)
		return -ENOMEM;
	map->seq = 0;
	map->runs = runs;
	return 0;
}

void nvhi_iova_map_done(struct nvhi_iova_map *map)
{
	struct nvhi_iova_runs *runs = map->runs, *older;

	for (; runs; runs = older) {
		older = runs->outgrown;
		free(runs);
	}
	map->runs = NULL;
}

/* ---- looking up -------------------------------------------------------------------------- */

/* The index of the last run that begins at or before `va`; count when there is none. */
static uint32_t runs_at(const struct nvhi_iova_runs *runs, uint32_t count, uintptr_t va)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (GET(runs->run[mid].va) <= va)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : count;
}

uint64_t nvhi_iova_map_find(const struct nvhi_iova_map *map, uintptr_t va, size_t len,
			    size_t *ret_len)
{
	for (;;) {
		uint32_t seq = __atomic_load_n(&map->seq, __ATOMIC_ACQUIRE);
		const struct nvhi_iova_runs *runs = __atomic_load_n(&map->runs, __ATOMIC_ACQUIRE);
		uint32_t count = GET(runs->count), at;
		uint64_t iova = UINT64_MAX;
		size_t offset, there = 0;

		if (count > runs->max)
			count = runs->max;
		at = runs_at(runs, count, va);
		if (at < count) {
			offset = va - GET(runs->run[at].va);
			there = GET(runs->run[at].len);
			if (offset < there) {
				iova = GET(runs->run[at].iova) + offset;
				there -= offset;
			}
		}
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if ((seq & 1) || GET(map->seq) != seq)
			continue;
		if (iova != UINT64_MAX)
			*ret_len = there < len ? there : len;
		return iova;
	}
}

/* ---- changing ---------------------------------------------------------------------------- */

static void map_begin(struct nvhi_iova_map *map)
{
	PUT(map->seq, map->seq + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void map_end(struct nvhi_iova_map *map)
{
	__atomic_store_n(&map->seq, map->seq + 1, __ATOMIC_RELEASE);
}

static void run_put(struct nvhi_iova_run *to, const struct nvhi_iova_run *from)
{
	PUT(to->va, from->va);
	PUT(to->len, from->len);
	PUT(to->iova, from->iova);
}

static int map_grow(struct nvhi_iova_map *map)
{
	struct nvhi_iova_runs *old = map->runs, *runs = runs_new(old->max * 2);

	if (!runs)
		return -ENOMEM;
	runs->outgrown = old;
	runs->count = old->count;
	memcpy(runs->run, old->run, old->count * sizeof(old->run[0]));
	__atomic_store_n(&map->runs, runs, __ATOMIC_RELEASE);
	return 0;
}

static bool runs_overlap(const struct nvhi_iova_runs *runs, uint32_t at, uintptr_t va, size_t len)
{
	return at < runs->count && runs->run[at].va < va + len &&
	       va < runs->run[at].va + runs->run[at].len;
}

int nvhi_iova_map_add(struct nvhi_iova_map *map, uintptr_t va, size_t len, uint64_t iova)
{
	struct nvhi_iova_run run = {.va = va, .len = len, .iova = iova};
	struct nvhi_iova_runs *runs = map->runs;
	uint32_t at = runs_at(runs, runs->count, va);

	if (runs_overlap(runs, at, va, len))
		return -EEXIST;
	at = at == runs->count ? 0 : at + 1;
	if (runs_overlap(runs, at, va, len))
		return -EEXIST;
	if (runs->count == runs->max) {
		if (map_grow(map))
			return -ENOMEM;
		runs = map->runs;
	}
	map_begin(map);
	for (uint32_t i = runs->count; i > at; i--)
		run_put(&runs->run[i], &runs->run[i - 1]);
	run_put(&runs->run[at], &run);
	PUT(runs->count, runs->count + 1);
	map_end(map);
	return 0;
}

void nvhi_iova_map_remove(struct nvhi_iova_map *map, uintptr_t va, size_t len)
{
	struct nvhi_iova_runs *runs = map->runs;
	uint32_t kept = 0;

	map_begin(map);
	for (uint32_t i = 0; i < runs->count; i++) {
		struct nvhi_iova_run run = runs->run[i];

		if (run.va >= va && run.va - va < len)
			continue;
		if (kept != i)
			run_put(&runs->run[kept], &run);
		kept++;
	}
	PUT(runs->count, kept);
	map_end(map);
}
