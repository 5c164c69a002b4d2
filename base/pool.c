/*
 * The object pool: see pool.h. Owner thread.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/pool.h"

#define POOL_ALIGN ((size_t)64)

int nvhi_pool_init(struct nvhi_pool *pool, size_t object_size, uint32_t count)
{
	size_t size, total;
	char *memory;

	if (object_size == 0 || __builtin_add_overflow(object_size, POOL_ALIGN - 1, &size))
		return -EINVAL;
	size &= ~(POOL_ALIGN - 1);
	if (__builtin_mul_overflow(size, (size_t)count, &total))
		return -ENOMEM;
	memory = aligned_alloc(POOL_ALIGN, total ? total : POOL_ALIGN);
	if (!memory)
		return -ENOMEM;
	*pool = (struct nvhi_pool){.memory = memory, .object_size = size, .count = count};
	/* Backwards, so that the first ones handed out are neighbours in ascending order. */
	for (uint32_t i = count; i > 0; i--) {
		void *object = memory + (size_t)(i - 1) * size;

		*(void **)object = pool->free;
		pool->free = object;
	}
	return 0;
}

void nvhi_pool_fini(struct nvhi_pool *pool)
{
	assert(pool->used == 0);
	free(pool->memory);
	*pool = (struct nvhi_pool){0};
}
