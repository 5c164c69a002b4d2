/*
 * The list of regions, their registrations by device, and the queues' copies of it. One mutex; any
 * thread. Registrations are made when memory or a device becomes known, or when a queue first meets
 * a block of DMA memory.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/log.h"
#include "fabric/rdma/region.h"

struct region_mr {
	struct nvhi_list link;
	struct nvhi_rdma_dev *dev;
	struct ibv_mr *mr; /* NULL: refused */
};

struct region {
	struct nvhi_list link; /* by start */
	uintptr_t start, end;
	uint32_t refs; /* by the application */
	bool dma;      /* a block of nvh_dma_alloc */
	struct nvhi_list mrs;
};

static pthread_mutex_t region_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nvhi_list regions = NVHI_LIST_INIT(regions);
static struct nvhi_list region_devs = NVHI_LIST_INIT(region_devs); /* nvhi_rdma_dev.region_link */
static uint64_t region_generation = 1;
static void region_dma_block(struct nvhi_dma_watcher *watcher, void *base, size_t length, bool huge,
			     bool there);
static struct nvhi_dma_watcher region_watcher = {.fn = region_dma_block};

static void region_changed(void)
{
	__atomic_store_n(&region_generation, region_generation + 1, __ATOMIC_RELEASE);
}

int nvhi_rdma_region_access(const struct nvhi_rdma_dev *dev)
{
	return dev->windows
		       ? IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_MW_BIND
		       : IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;
}

/* ---- registrations; all under the lock ---------------------------------------------------- */

static struct region_mr *region_mr_of(const struct region *region, const struct nvhi_rdma_dev *dev)
{
	struct region_mr *rmr;

	nvhi_list_for_each(rmr, &region->mrs, link)
		if (rmr->dev == dev)
			return rmr;
	return NULL;
}

/* Registers the region on the device, or remembers that it was refused, which is said once. */
static int region_register(struct region *region, struct nvhi_rdma_dev *dev)
{
	struct region_mr *rmr = calloc(1, sizeof(*rmr));
	char text[256];
	int err;

	if (!rmr)
		return -ENOMEM;
	err = nvhi_rdma_reg(dev, (void *)region->start, region->end - region->start,
			    nvhi_rdma_region_access(dev), "I/O buffers", text, sizeof(text),
			    &rmr->mr);
	if (err)
		nvhi_log(WARN, RDMA, "%s; I/O with them is copied", text);
	rmr->dev = dev;
	nvhi_list_add_tail(&region->mrs, &rmr->link);
	region_changed();
	return err;
}

static void region_mr_drop(struct region_mr *rmr)
{
	nvhi_rdma_dereg(rmr->dev, rmr->mr);
	nvhi_list_del(&rmr->link);
	free(rmr);
}

static struct region *region_exact(uintptr_t start, uintptr_t end)
{
	struct region *region;

	nvhi_list_for_each(region, &regions, link)
		if (region->start == start && region->end == end)
			return region;
	return NULL;
}

static struct region *region_new(uintptr_t start, uintptr_t end)
{
	struct region *region = calloc(1, sizeof(*region)), *at;
	struct nvhi_list *before = &regions;

	if (!region)
		return NULL;
	region->start = start;
	region->end = end;
	nvhi_list_init(&region->mrs);
	nvhi_list_for_each(at, &regions, link) {
		if (at->start > start) {
			before = &at->link;
			break;
		}
	}
	nvhi_list_add_tail(before, &region->link);
	region_changed();
	return region;
}

static void region_unless_wanted(struct region *region)
{
	struct region_mr *rmr, *next;

	if (region->refs || region->dma)
		return;
	nvhi_list_for_each_safe(rmr, next, &region->mrs, link)
		region_mr_drop(rmr);
	nvhi_list_del(&region->link);
	free(region);
	region_changed();
}

/* ---- the application's memory -------------------------------------------------------------- */

int nvhi_rdma_region_add(void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;
	struct nvhi_rdma_dev *dev;
	struct region *region;
	int err = 0;

	pthread_mutex_lock(&region_lock);
	region = region_exact(start, start + len);
	if (!region)
		region = region_new(start, start + len);
	if (!region) {
		err = -ENOMEM;
		goto out;
	}
	region->refs++;
	nvhi_list_for_each(dev, &region_devs, region_link) {
		struct region_mr *rmr = region_mr_of(region, dev);

		if (!rmr)
			err = region_register(region, dev);
		else if (!rmr->mr)
			err = -ENOMEM;
		if (err)
			break;
	}
	if (err) {
		region->refs--;
		region_unless_wanted(region);
	}
out:
	pthread_mutex_unlock(&region_lock);
	return err;
}

void nvhi_rdma_region_remove(void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr;
	struct region *region;

	pthread_mutex_lock(&region_lock);
	region = region_exact(start, start + len);
	if (region && region->refs) {
		region->refs--;
		region_unless_wanted(region);
	}
	pthread_mutex_unlock(&region_lock);
}

/* A block of DMA memory has come, or is about to be unmapped: then with all that the application
 * registered in it and forgot. Called under that list's lock. */
static void region_dma_block(struct nvhi_dma_watcher *watcher, void *base, size_t length, bool huge,
			     bool there)
{
	uintptr_t start = (uintptr_t)base, end = start + length;
	struct region *region, *next;

	(void)watcher;
	(void)huge;
	pthread_mutex_lock(&region_lock);
	if (there) {
		region = region_exact(start, end);
		if (!region)
			region = region_new(start, end); /* no memory: it is copied */
		if (region)
			region->dma = true;
		goto out;
	}
	nvhi_list_for_each_safe(region, next, &regions, link) {
		if (region->start < start || region->end > end)
			continue;
		region->dma = false;
		region->refs = 0;
		region_unless_wanted(region);
	}
out:
	pthread_mutex_unlock(&region_lock);
}

/* ---- devices ------------------------------------------------------------------------------ */

void nvhi_rdma_regions_attach(struct nvhi_rdma_dev *dev)
{
	struct region *region;

	pthread_mutex_lock(&region_lock);
	nvhi_list_add_tail(&region_devs, &dev->region_link);
	nvhi_list_for_each(region, &regions, link)
		if (region->refs)
			region_register(region, dev); /* refused: said there, and copied */
	pthread_mutex_unlock(&region_lock);
	nvhi_dma_watch(&region_watcher);
}

void nvhi_rdma_regions_release(struct nvhi_rdma_dev *dev)
{
	struct region *region;

	pthread_mutex_lock(&region_lock);
	nvhi_list_del(&dev->region_link);
	nvhi_list_for_each(region, &regions, link) {
		struct region_mr *rmr = region_mr_of(region, dev);

		if (rmr)
			region_mr_drop(rmr);
	}
	region_changed();
	pthread_mutex_unlock(&region_lock);
}

/* ---- the queues' copies -------------------------------------------------------------------- */

void nvhi_rdma_map_free(struct nvhi_rdma_map *map)
{
	free(map->ranges);
	memset(map, 0, sizeof(*map));
}

/* Under the lock. Without memory the copy is empty, and everything is copied until the next try. */
static void map_renew(const struct nvhi_rdma_dev *dev, struct nvhi_rdma_map *map)
{
	uintptr_t furthest = 0;
	struct region *region;
	uint32_t count = 0;

	nvhi_list_for_each(region, &regions, link)
		count++;
	map->count = 0;
	map->overlaps = false;
	if (count > map->room) {
		struct nvhi_rdma_range *ranges = realloc(map->ranges, count * sizeof(*ranges));

		if (!ranges)
			return;
		map->ranges = ranges;
		map->room = count;
	}
	nvhi_list_for_each(region, &regions, link) {
		struct region_mr *rmr = region_mr_of(region, dev);

		map->ranges[map->count++] = (struct nvhi_rdma_range){
			.start = region->start,
			.end = region->end,
			.mr = rmr ? rmr->mr : NULL,
			.refused = rmr && !rmr->mr,
		};
		if (region->start < furthest)
			map->overlaps = true;
		if (region->end > furthest)
			furthest = region->end;
	}
	map->generation = region_generation;
}

static struct nvhi_rdma_range *map_look(const struct nvhi_rdma_map *map, uintptr_t start,
					uintptr_t end)
{
	uint32_t low = 0, high = map->count;

	while (low < high) { /* the first that starts behind `start` */
		uint32_t middle = low + (high - low) / 2;

		if (map->ranges[middle].start <= start)
			low = middle + 1;
		else
			high = middle;
	}
	while (low-- > 0) {
		struct nvhi_rdma_range *range = &map->ranges[low];

		if (end <= range->end && !range->refused)
			return range;
		if (!map->overlaps)
			break;
	}
	return NULL;
}

/* The first time that a queue meets this block of DMA memory. */
static struct ibv_mr *map_register(struct nvhi_rdma_dev *dev, struct nvhi_rdma_map *map,
				   uintptr_t start, uintptr_t end)
{
	struct nvhi_rdma_range *range;
	struct region *region;

	pthread_mutex_lock(&region_lock);
	map_renew(dev, map);
	range = map_look(map, start, end);
	if (range && !range->mr) {
		region = region_exact(range->start, range->end);
		if (!region_mr_of(region, dev))
			region_register(region, dev);
		map_renew(dev, map);
		range = map_look(map, start, end);
	}
	pthread_mutex_unlock(&region_lock);
	return range ? range->mr : NULL;
}

struct ibv_mr *nvhi_rdma_map_find(struct nvhi_rdma_dev *dev, struct nvhi_rdma_map *map,
				  const void *addr, size_t len)
{
	uintptr_t start = (uintptr_t)addr, end = start + len;
	struct nvhi_rdma_range *range;

	if (__builtin_expect(
		    map->generation != __atomic_load_n(&region_generation, __ATOMIC_ACQUIRE), 0)) {
		pthread_mutex_lock(&region_lock);
		map_renew(dev, map);
		pthread_mutex_unlock(&region_lock);
	}
	range = map_look(map, start, end);
	if (!range)
		return NULL;
	if (__builtin_expect(!range->mr, 0))
		return map_register(dev, map, start, end);
	return range->mr;
}
