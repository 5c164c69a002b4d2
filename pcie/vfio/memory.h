/*
 * Memory that one device reaches, and where: blocks of the process's memory, each with the address
 * that the device uses for it. With an IOMMU that is the process's own address where the IOMMU
 * takes it, else one from its free ranges, and the block is mapped in the device's own container;
 * without, it is the physical address, and only hugepages will do.
 */
#ifndef NVHI_PCIE_VFIO_MEMORY_H
#define NVHI_PCIE_VFIO_MEMORY_H

#include <pthread.h>
#include <stdbool.h>

#include "base/env.h"
#include "base/list.h"
#include "pcie/vfio/iova_map.h"

/* Both ends belong to it. */
struct nvhi_iova_range {
	uint64_t first, last;
};
#define NVHI_IOVA_RANGES_MAX 16u

struct nvhi_vfio_memory {
	pthread_mutex_t lock;
	const char *name; /* the device, for logs */
	bool physical;
	int container; /* -1: not attached */
	struct nvhi_iova_map map;
	struct nvhi_list blocks;
	struct nvhi_iova_range ranges[NVHI_IOVA_RANGES_MAX];
	uint32_t nr_ranges;
	struct nvhi_dma_watcher watcher;
};

/* `name` stays. Blocks of nvhi_dma_alloc belong to it at once and from now on. -ENOMEM. */
int nvhi_vfio_memory_init(struct nvhi_vfio_memory *memory, const char *name, bool physical);
void nvhi_vfio_memory_done(struct nvhi_vfio_memory *memory);

/* The container to map in; everything known is mapped there. Nothing to do for physical memory.
 * -errno: of the first block that could not be. */
int nvhi_vfio_memory_attach(struct nvhi_vfio_memory *memory, int container);
/* The container goes, and with it the mappings. */
void nvhi_vfio_memory_detach(struct nvhi_vfio_memory *memory);

/* Contiguous for the device, zeroed. -ENOMEM, -EPERM (physical, not root). */
int nvhi_vfio_memory_alloc(struct nvhi_vfio_memory *memory, size_t size, size_t align,
			   void **ret_ptr, uint64_t *ret_iova);
void nvhi_vfio_memory_free(struct nvhi_vfio_memory *memory, void *ptr, size_t size);

/* The whole pages in it; the rest goes through bounce buffers. The same range, or one that lies in
 * a block known, may be registered again and is counted. -EINVAL: overlaps another in part. */
int nvhi_vfio_memory_register(struct nvhi_vfio_memory *memory, void *addr, size_t len);
void nvhi_vfio_memory_unregister(struct nvhi_vfio_memory *memory, void *addr, size_t len);

/* Free space of `len` bytes for the device: at `wanted` if the ranges and the blocks that are there
 * allow, else the first that fits. -ENOSPC. Pure. */
int nvhi_vfio_memory_place(const struct nvhi_vfio_memory *memory, uint64_t wanted, size_t len,
			   uint64_t *ret_iova);

#endif
