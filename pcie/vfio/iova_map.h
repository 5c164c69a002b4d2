/*
 * From addresses of the process to those of the device: runs of memory, sorted, each contiguous on
 * both sides. Looked up on the I/O path by any reactor without a lock (a sequence counter tells a
 * reader that a change came in between); changed under the owner's lock.
 */
#ifndef NVHI_PCIE_VFIO_IOVA_MAP_H
#define NVHI_PCIE_VFIO_IOVA_MAP_H

#include <stddef.h>
#include <stdint.h>

struct nvhi_iova_run {
	uintptr_t va;
	size_t len;
	uint64_t iova;
};

struct nvhi_iova_runs; /* the array; grows by replacement, old ones stay readable */
struct nvhi_iova_map {
	uint32_t seq; /* odd: a change is under way */
	struct nvhi_iova_runs *runs;
};

int nvhi_iova_map_init(struct nvhi_iova_map *map); /* -ENOMEM */
void nvhi_iova_map_done(struct nvhi_iova_map *map);

/* The device's address of `va`, and how many of `len` bytes (1 at least) are contiguous there.
 * UINT64_MAX: not in the map. Any thread, no lock. */
uint64_t nvhi_iova_map_find(const struct nvhi_iova_map *map, uintptr_t va, size_t len,
			    size_t *ret_len);

/* One writer at a time. The run must not overlap another. -EEXIST, -ENOMEM. */
int nvhi_iova_map_add(struct nvhi_iova_map *map, uintptr_t va, size_t len, uint64_t iova);
/* Every run that lies in [va, va + len); none may reach over its ends. */
void nvhi_iova_map_remove(struct nvhi_iova_map *map, uintptr_t va, size_t len);

#endif
