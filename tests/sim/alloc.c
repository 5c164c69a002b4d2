/*
 * Counts what is allocated, by link-time wraps: a world that ends well must leave nothing. What
 * libc allocates inside itself is not seen, neither when it comes nor, mostly, when it goes.
 */
#include "tests/sim/alloc.h"

#include <stddef.h>
#include <stdlib.h>

long sim_allocated;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

static void *counted(void *p)
{
	sim_allocated += p != NULL;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	return p ? __real_realloc(p, size) : counted(__real_realloc(p, size));
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return counted(__real_aligned_alloc(align, size));
}

void __wrap_free(void *p)
{
	sim_allocated -= p != NULL;
	__real_free(p);
}
