/*
 * DMA memory: anonymous mappings, in hugepages while there are free ones, kept in a list so that
 * freeing needs no size. Any thread; not for the I/O path.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/env.h"
#include "base/list.h"

#define DMA_HUGE ((size_t)2 << 20)

struct dma_block {
	struct nvhi_list link;
	void *base;
	size_t length;
	bool huge;
};

static pthread_mutex_t dma_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nvhi_list dma_blocks = NVHI_LIST_INIT(dma_blocks);
static struct nvhi_list dma_watchers = NVHI_LIST_INIT(dma_watchers);

static bool round_up(size_t size, size_t to, size_t *ret_size)
{
	return !__builtin_add_overflow(size, to - 1, ret_size) && (*ret_size &= ~(to - 1), true);
}

/* The populating call can fail where the mapping did not: a control group's limit. Pages touched
 * later would then kill the process. */
static void *dma_map_huge(size_t size, size_t *ret_length)
{
	void *base;

	if (!round_up(size, DMA_HUGE, &size))
		return NULL;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		    -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	if (madvise(base, size, MADV_POPULATE_WRITE) < 0 && errno != EINVAL) {
		munmap(base, size);
		return NULL;
	}
	*ret_length = size;
	return base;
}

/* Maps `align` more than wanted and gives back what is before and behind the aligned part. */
static void *dma_map_pages(size_t size, size_t align, size_t *ret_length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), spare, head, total;
	char *base;

	spare = align > page ? align - page : 0;
	if (!round_up(size, page, &size) || __builtin_add_overflow(size, spare, &total))
		return NULL;
	base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	if (spare) {
		head = -(uintptr_t)base & (align - 1);
		if (head)
			munmap(base, head);
		if (spare > head)
			munmap(base + head + size, spare - head);
		base += head;
	}
	/* Populated now, not on the I/O path; where the kernel cannot (before 5.14) first use does.
	 */
	madvise(base, size, MADV_POPULATE_WRITE);
	*ret_length = size;
	return base;
}

/* Under the lock. */
static void dma_tell(const struct dma_block *block, bool there)
{
	struct nvhi_dma_watcher *w;

	nvhi_list_for_each(w, &dma_watchers, link)
		w->fn(w, block->base, block->length, block->huge, there);
}

void *nvhi_dma_alloc(size_t size, size_t align)
{
	struct dma_block *block;

	if (size == 0 || (align & (align - 1))) {
		errno = EINVAL;
		return NULL;
	}
	block = malloc(sizeof(*block));
	if (!block)
		return NULL;
	block->base = align <= DMA_HUGE ? dma_map_huge(size, &block->length) : NULL;
	block->huge = block->base != NULL;
	if (!block->base)
		block->base = dma_map_pages(size, align, &block->length);
	if (!block->base) {
		free(block);
		errno = ENOMEM;
		return NULL;
	}
	/* A forked child may only exec: it must not make our pages copy-on-write under a device. */
	madvise(block->base, block->length, MADV_DONTFORK);
	pthread_mutex_lock(&dma_lock);
	nvhi_list_add_tail(&dma_blocks, &block->link);
	dma_tell(block, true);
	pthread_mutex_unlock(&dma_lock);
	return block->base;
}

/* Under the lock. */
static struct dma_block *dma_find(const void *ptr)
{
	struct dma_block *block;

	nvhi_list_for_each(block, &dma_blocks, link)
		if (block->base == ptr)
			return block;
	return NULL;
}

void nvhi_dma_free(void *ptr)
{
	struct dma_block *block;

	if (!ptr)
		return;
	pthread_mutex_lock(&dma_lock);
	block = dma_find(ptr);
	if (block) {
		nvhi_list_del(&block->link);
		dma_tell(block, false);
	}
	pthread_mutex_unlock(&dma_lock);
	if (block)
		munmap(block->base, block->length);
	free(block);
}

bool nvhi_dma_is_huge(const void *ptr, size_t *ret_length)
{
	struct dma_block *block;
	bool huge = false;

	pthread_mutex_lock(&dma_lock);
	block = dma_find(ptr);
	if (block) {
		huge = block->huge;
		*ret_length = block->length;
	}
	pthread_mutex_unlock(&dma_lock);
	return huge;
}

void nvhi_dma_watch(struct nvhi_dma_watcher *watcher)
{
	struct nvhi_dma_watcher *w;
	struct dma_block *block;
	bool known = false;

	pthread_mutex_lock(&dma_lock);
	nvhi_list_for_each(w, &dma_watchers, link)
		known |= w == watcher;
	if (!known) {
		nvhi_list_add_tail(&dma_watchers, &watcher->link);
		nvhi_list_for_each(block, &dma_blocks, link)
			watcher->fn(watcher, block->base, block->length, block->huge, true);
	}
	pthread_mutex_unlock(&dma_lock);
}

void nvhi_dma_unwatch(struct nvhi_dma_watcher *watcher)
{
	struct nvhi_dma_watcher *w, *next;

	pthread_mutex_lock(&dma_lock);
	nvhi_list_for_each_safe(w, next, &dma_watchers, link)
		if (w == watcher)
			nvhi_list_del(&w->link);
	pthread_mutex_unlock(&dma_lock);
}
