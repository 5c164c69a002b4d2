/*
 * A pool of objects of one size for one reactor: a single allocation at start and a free list, so
 * that getting and putting cost a few loads and no lock. Owner thread.
 */
#ifndef NVHI_BASE_POOL_H
#define NVHI_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct nvhi_pool {
	void *memory;
	void *free; /* each free object's first word points to the next */
	size_t object_size;
	uint32_t count, used;
};

/* `count` objects of `object_size` bytes, each aligned to a cache line. 0/-ENOMEM. */
int nvhi_pool_init(struct nvhi_pool *pool, size_t object_size, uint32_t count);
/* All objects must be back. */
void nvhi_pool_fini(struct nvhi_pool *pool);

/* An object with indeterminate content; NULL when all are out. */
static inline void *nvhi_pool_get(struct nvhi_pool *pool)
{
	void *object = pool->free;

	if (!object)
		return NULL;
	pool->free = *(void **)object;
	pool->used++;
	return object;
}

static inline void nvhi_pool_put(struct nvhi_pool *pool, void *object)
{
	*(void **)object = pool->free;
	pool->free = object;
	pool->used--;
}

#endif
