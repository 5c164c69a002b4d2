/*
 * See memory.h. Under its lock, but for looking up; mapping may take a while (pages are pinned) and
 * is not for the I/O path.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

#include "base/log.h"
#include "pcie/vfio/memory.h"
#include "pcie/vfio/physical.h"

#define PAGE 4096u
/* Where the search for space begins: the lowest addresses are better never seen in a command. */
#define IOVA_FIRST ((uint64_t)1 << 24)

struct block {
	struct nvhi_list link;
	uintptr_t va;
	size_t len;
	uint64_t iova;
	uint32_t refs;
	bool ours; /* physical memory of nvhi_vfio_memory_alloc */
};

/* ---- space of the device ----------------------------------------------------------------- */

static bool place_good(const struct nvhi_vfio_memory *memory, uint64_t iova, size_t len)
{
	const struct block *b;
	bool inside = false;

	for (uint32_t i = 0; i < memory->nr_ranges; i++)
		inside |= iova >= memory->ranges[i].first && iova <= memory->ranges[i].last &&
			  len - 1 <= memory->ranges[i].last - iova;
	if (!inside)
		return false;
	nvhi_list_for_each(b, &memory->blocks, link)
		if (iova < b->iova + b->len && b->iova < iova + len)
			return false;
	return true;
}

/* Wherever a block ends there may be room behind it. */
int nvhi_vfio_memory_place(const struct nvhi_vfio_memory *memory, uint64_t wanted, size_t len,
			   uint64_t *ret_iova)
{
	uint64_t best = UINT64_MAX, align = len >= NVHI_HUGE_PAGE ? NVHI_HUGE_PAGE : PAGE;
	const struct block *b;

	if (place_good(memory, wanted, len)) {
		*ret_iova = wanted;
		return 0;
	}
	for (uint32_t i = 0; i < memory->nr_ranges; i++) {
		uint64_t from = memory->ranges[i].first;

		if (from < IOVA_FIRST)
			from = IOVA_FIRST;
		from = (from + align - 1) & ~(align - 1);
		if (from < best && place_good(memory, from, len))
			best = from;
	}
	nvhi_list_for_each(b, &memory->blocks, link) {
		uint64_t from = (b->iova + b->len + align - 1) & ~(align - 1);

		if (from >= IOVA_FIRST && from < best && place_good(memory, from, len))
			best = from;
	}
	if (best == UINT64_MAX)
		return -ENOSPC;
	*ret_iova = best;
	return 0;
}

/* Out of the answer of VFIO_IOMMU_GET_INFO; kernels before 5.4 say nothing of ranges. */
static void memory_ranges(struct nvhi_vfio_memory *memory)
{
	union {
		struct vfio_iommu_type1_info info;
		uint8_t bytes[4096];
	} u = {.info.argsz = sizeof(u)};
	uint32_t at;

	memory->nr_ranges = 1;
	memory->ranges[0].first = 0;
	memory->ranges[0].last = ((uint64_t)1 << 39) - 1;
	if (ioctl(memory->container, VFIO_IOMMU_GET_INFO, &u.info) < 0 ||
	    !(u.info.flags & VFIO_IOMMU_INFO_CAPS))
		return;
	for (at = u.info.cap_offset; at && at + sizeof(struct vfio_info_cap_header) <= sizeof(u);) {
		const struct vfio_info_cap_header *head = (const void *)(u.bytes + at);
		const struct vfio_iommu_type1_info_cap_iova_range *cap = (const void *)head;

		at = head->next;
		if (head->id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			continue;
		memory->nr_ranges = 0;
		for (uint32_t i = 0; i < cap->nr_iovas && i < NVHI_IOVA_RANGES_MAX; i++) {
			memory->ranges[i].first = cap->iova_ranges[i].start;
			memory->ranges[i].last = cap->iova_ranges[i].end;
			memory->nr_ranges = i + 1;
		}
	}
}

/* ---- mapping ----------------------------------------------------------------------------- */

static int block_map(struct nvhi_vfio_memory *memory, const struct block *b)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = b->va,
		.iova = b->iova,
		.size = b->len,
	};
	int err;

	if (memory->physical || memory->container < 0 ||
	    ioctl(memory->container, VFIO_IOMMU_MAP_DMA, &map) == 0)
		return 0;
	err = -errno;
	nvhi_log(WARN, PCIE, "%s: %zu bytes of memory cannot be mapped for it: %s%s", memory->name,
		 b->len, strerror(-err),
		 err == -ENOMEM ? " (limit of locked memory: ulimit -l, LimitMEMLOCK=)" : "");
	return err;
}

static void block_unmap(struct nvhi_vfio_memory *memory, const struct block *b)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = b->iova, .size = b->len};

	if (memory->physical || memory->container < 0)
		return;
	if (ioctl(memory->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		nvhi_log(ERROR, PCIE, "%s: unmapping %zu bytes: %s", memory->name, b->len,
			 strerror(errno));
}

/* Its runs: one with an IOMMU; without, as many as physical memory has. */
static int block_enter(struct nvhi_vfio_memory *memory, const struct block *b)
{
	size_t done = 0;
	int err = 0;

	if (!memory->physical || b->ours)
		return nvhi_iova_map_add(&memory->map, b->va, b->len, b->iova);
	while (!err && done < b->len) {
		size_t run = 0;
		uint64_t at = 0;

		err = nvhi_physical_run((void *)(b->va + done), b->len - done, &at, &run);
		if (!err)
			err = nvhi_iova_map_add(&memory->map, b->va + done, run, at);
		done += run;
	}
	if (err)
		nvhi_iova_map_remove(&memory->map, b->va, b->len);
	return err;
}

static struct block *block_new(uintptr_t va, size_t len)
{
	struct block *b = calloc(1, sizeof(*b));

	if (b) {
		nvhi_list_init(&b->link);
		b->va = va;
		b->len = len;
		b->refs = 1;
	}
	return b;
}

/* Under the lock. */
static int memory_add(struct nvhi_vfio_memory *memory, uintptr_t va, size_t len)
{
	struct block *b = block_new(va, len);
	int err = b ? 0 : -ENOMEM;

	if (!err && !memory->physical)
		err = nvhi_vfio_memory_place(memory, va, len, &b->iova);
	if (!err)
		err = block_map(memory, b);
	if (err) {
		free(b);
		return err;
	}
	err = block_enter(memory, b);
	if (err) {
		block_unmap(memory, b);
		free(b);
		return err;
	}
	nvhi_list_add_tail(&memory->blocks, &b->link);
	return 0;
}

/* Under the lock. The map first: no new command finds it. */
static void memory_drop(struct nvhi_vfio_memory *memory, struct block *b)
{
	nvhi_iova_map_remove(&memory->map, b->va, b->len);
	block_unmap(memory, b);
	nvhi_list_del(&b->link);
	free(b);
}

/* The block that all of it lies in. */
static struct block *memory_find(const struct nvhi_vfio_memory *memory, uintptr_t va, size_t len)
{
	struct block *b;

	nvhi_list_for_each(b, &memory->blocks, link)
		if (va >= b->va && va + len <= b->va + b->len)
			return b;
	return NULL;
}

static bool memory_overlaps(const struct nvhi_vfio_memory *memory, uintptr_t va, size_t len)
{
	const struct block *b;

	nvhi_list_for_each(b, &memory->blocks, link)
		if (va < b->va + b->len && b->va < va + len)
			return true;
	return false;
}

/* ---- DMA memory of the process ------------------------------------------------------------ */

static void memory_on_block(struct nvhi_dma_watcher *watcher, void *base, size_t length, bool huge,
			    bool there)
{
	struct nvhi_vfio_memory *memory =
		nvhi_container_of(watcher, struct nvhi_vfio_memory, watcher);
	struct block *b;
	int err = 0;

	pthread_mutex_lock(&memory->lock);
	b = memory_find(memory, (uintptr_t)base, length);
	if (there && !b && (huge || !memory->physical))
		err = memory_add(memory, (uintptr_t)base, length);
	else if (!there && b)
		memory_drop(memory, b);
	pthread_mutex_unlock(&memory->lock);
	if (err)
		nvhi_log(INFO, PCIE, "%s: data in a block of %zu bytes will be copied: %s",
			 memory->name, length, strerror(-err));
}

/* ---- life -------------------------------------------------------------------------------- */

int nvhi_vfio_memory_init(struct nvhi_vfio_memory *memory, const char *name, bool physical)
{
	if (nvhi_iova_map_init(&memory->map))
		return -ENOMEM;
	pthread_mutex_init(&memory->lock, NULL);
	memory->name = name;
	memory->physical = physical;
	memory->container = -1;
	memory->nr_ranges = 1;
	memory->ranges[0].first = 0;
	memory->ranges[0].last = UINT64_MAX;
	nvhi_list_init(&memory->blocks);
	memory->watcher.fn = memory_on_block;
	return 0;
}

void nvhi_vfio_memory_done(struct nvhi_vfio_memory *memory)
{
	struct block *b, *next;

	nvhi_dma_unwatch(&memory->watcher);
	nvhi_list_for_each_safe(b, next, &memory->blocks, link)
		memory_drop(memory, b);
	nvhi_iova_map_done(&memory->map);
	pthread_mutex_destroy(&memory->lock);
}

int nvhi_vfio_memory_attach(struct nvhi_vfio_memory *memory, int container)
{
	const struct block *b;
	int err = 0;

	pthread_mutex_lock(&memory->lock);
	memory->container = container;
	if (!memory->physical)
		memory_ranges(memory);
	nvhi_list_for_each(b, &memory->blocks, link) {
		err = block_map(memory, b);
		if (err)
			break;
	}
	if (err)
		memory->container = -1;
	pthread_mutex_unlock(&memory->lock);
	if (!err)
		nvhi_dma_watch(&memory->watcher);
	return err;
}

void nvhi_vfio_memory_detach(struct nvhi_vfio_memory *memory)
{
	pthread_mutex_lock(&memory->lock);
	memory->container = -1;
	pthread_mutex_unlock(&memory->lock);
}

/* ---- the driver's own memory -------------------------------------------------------------- */

static int alloc_physical(struct nvhi_vfio_memory *memory, size_t size, void **ret_ptr,
			  uint64_t *ret_iova)
{
	struct block *b;
	void *ptr;
	int err;

	size = (size + NVHI_HUGE_PAGE - 1) & ~(NVHI_HUGE_PAGE - 1);
	b = block_new(0, size);
	if (!b)
		return -ENOMEM;
	err = nvhi_physical_alloc(size, &ptr, &b->iova);
	if (err) {
		free(b);
		return err;
	}
	b->va = (uintptr_t)ptr;
	b->ours = true;
	pthread_mutex_lock(&memory->lock);
	err = block_enter(memory, b);
	if (!err)
		nvhi_list_add_tail(&memory->blocks, &b->link);
	pthread_mutex_unlock(&memory->lock);
	if (err) {
		nvhi_physical_free(ptr, size);
		free(b);
		return err;
	}
	*ret_ptr = ptr;
	*ret_iova = b->iova;
	return 0;
}

int nvhi_vfio_memory_alloc(struct nvhi_vfio_memory *memory, size_t size, size_t align,
			   void **ret_ptr, uint64_t *ret_iova)
{
	size_t span = 0;
	uint64_t iova;
	void *ptr;

	if (memory->physical)
		return alloc_physical(memory, size, ret_ptr, ret_iova);
	ptr = nvhi_dma_alloc(size, align);
	if (!ptr)
		return -ENOMEM;
	iova = nvhi_iova_map_find(&memory->map, (uintptr_t)ptr, size, &span);
	if (iova == UINT64_MAX || span < size || (iova & (align - 1))) {
		nvhi_dma_free(ptr);
		return -ENOMEM;
	}
	*ret_ptr = ptr;
	*ret_iova = iova;
	return 0;
}

void nvhi_vfio_memory_free(struct nvhi_vfio_memory *memory, void *ptr, size_t size)
{
	struct block *b;

	if (!memory->physical) {
		nvhi_dma_free(ptr);
		return;
	}
	size = (size + NVHI_HUGE_PAGE - 1) & ~(NVHI_HUGE_PAGE - 1);
	pthread_mutex_lock(&memory->lock);
	b = memory_find(memory, (uintptr_t)ptr, size);
	if (b)
		memory_drop(memory, b);
	pthread_mutex_unlock(&memory->lock);
	nvhi_physical_free(ptr, size);
}

/* ---- the application's memory ------------------------------------------------------------- */

/* The whole pages in it. */
static bool whole_pages(const void *addr, size_t len, uintptr_t *ret_va, size_t *ret_len)
{
	uintptr_t first = ((uintptr_t)addr + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)addr + len) & ~(uintptr_t)(PAGE - 1);

	if (first >= end)
		return false;
	*ret_va = first;
	*ret_len = end - first;
	return true;
}

int nvhi_vfio_memory_register(struct nvhi_vfio_memory *memory, void *addr, size_t len)
{
	struct block *b;
	uintptr_t va;
	size_t size;
	int err = 0;

	if (!whole_pages(addr, len, &va, &size) ||
	    (memory->physical && !nvhi_physical_is_huge((void *)va, size)))
		return 0;
	pthread_mutex_lock(&memory->lock);
	b = memory_find(memory, va, size);
	if (b)
		b->refs++;
	else if (memory_overlaps(memory, va, size))
		err = -EINVAL;
	else
		err = memory_add(memory, va, size);
	pthread_mutex_unlock(&memory->lock);
	return err;
}

void nvhi_vfio_memory_unregister(struct nvhi_vfio_memory *memory, void *addr, size_t len)
{
	struct block *b;
	uintptr_t va;
	size_t size;

	if (!whole_pages(addr, len, &va, &size))
		return;
	pthread_mutex_lock(&memory->lock);
	b = memory_find(memory, va, size);
	if (b && --b->refs == 0)
		memory_drop(memory, b);
	pthread_mutex_unlock(&memory->lock);
}
