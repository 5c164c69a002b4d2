/*
 * Memory that may be registered, and its registrations: once a region and device, whole.
 *
 * Known are the blocks of nvh_dma_alloc, registered when a queue first meets them, and what the
 * application registered (nvh_mem_register), at once. Both end with the memory: unregistering, or
 * freeing the block, takes the registrations along. Memory that is neither is not ours to cache: it
 * could be unmapped, and another mapping take its place, without a word, and a registration kept
 * would move data to and from the pages of old. Queues copy such data (bounce.h).
 *
 * A queue looks up addresses in a copy of the list (struct nvhi_rdma_map) that it renews when the
 * generation has changed, so the I/O path takes no lock. Any thread, except maps: their queue's.
 */
#ifndef NVHI_FABRIC_RDMA_REGION_H
#define NVHI_FABRIC_RDMA_REGION_H

#include <stdint.h>

#include "fabric/rdma/dev.h"

struct nvhi_rdma_range {
	uintptr_t start, end;
	struct ibv_mr *mr; /* NULL: not registered on this device yet, or refused */
	bool refused;
};

/* Zeroed before use. */
struct nvhi_rdma_map {
	uint64_t generation;
	struct nvhi_rdma_range *ranges; /* by start */
	uint32_t count, room;
	bool overlaps; /* a range may hide behind a later one: look at all */
};

/* Memory of the application; counts when it is the same range again. Registered on all devices in
 * use before it returns. -ENOMEM... with a line in the log. */
int nvhi_rdma_region_add(void *addr, size_t len);
/* No I/O may use it any more. */
void nvhi_rdma_region_remove(void *addr, size_t len);

/* The registration that covers [addr, addr + len), or NULL: copy. */
struct ibv_mr *nvhi_rdma_map_find(struct nvhi_rdma_dev *dev, struct nvhi_rdma_map *map,
				  const void *addr, size_t len);
void nvhi_rdma_map_free(struct nvhi_rdma_map *map);

/* What a region is registered for: windows are bound into it, or the peer gets its key itself. */
int nvhi_rdma_region_access(const struct nvhi_rdma_dev *dev);

/* dev.c's: a device comes into use, or goes. */
void nvhi_rdma_regions_attach(struct nvhi_rdma_dev *dev);
void nvhi_rdma_regions_release(struct nvhi_rdma_dev *dev);

#endif
