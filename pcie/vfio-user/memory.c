/*
 * Memory that both processes see: a memfd for each block, sealed so that neither end can shrink it
 * under the other. It is the driver's own (rings, lists, bounce buffers) and never an application's:
 * a server that hangs keeps its mapping for as long as it likes, and nothing but a copy that nobody
 * reads any more must be left in its reach. Any thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pcie/vfio-user/impl.h"

#define HUGE ((size_t)2 << 20)

struct vfu_block {
	struct nvhi_list link;
	void *ptr;
	size_t size;
	uint64_t iova;
	int fd;
};

/* ---- telling the server ------------------------------------------------------------------- */

static int block_map(struct nvhi_vfu *vfu, const struct vfu_block *block)
{
	struct nvh_vfu_dma_map map = {
		.argsz = sizeof(map),
		.flags = NVH_VFU_DMA_READABLE | NVH_VFU_DMA_WRITABLE,
		.addr = block->iova,
		.size = block->size,
	};
	struct iovec iov = {&map, sizeof(map)};

	return nvhi_vfu_ask(vfu, NVHI_VFU_ASK_MAP, 0, NVH_VFU_DMA_MAP, 0, &iov, 1, block->fd);
}

static void block_unmap(struct nvhi_vfu *vfu, const struct vfu_block *block)
{
	struct nvh_vfu_dma_unmap unmap = {
		.argsz = sizeof(unmap), .addr = block->iova, .size = block->size};
	struct iovec iov = {&unmap, sizeof(unmap)};

	/* A connection that breaks here takes the mapping with it. */
	nvhi_vfu_ask(vfu, NVHI_VFU_ASK_UNMAP, 0, NVH_VFU_DMA_UNMAP, 0, &iov, 1, -1);
}

int nvhi_vfu_map_all(struct nvhi_vfu *vfu)
{
	struct vfu_block *block;
	int err = 0;

	pthread_mutex_lock(&vfu->mem_lock);
	nvhi_list_for_each (block, &vfu->blocks, link) {
		err = block_map(vfu, block);
		if (err)
			break;
	}
	err = err ? err : nvhi_vfu_irq_all(vfu);
	vfu->mapping = !err;
	pthread_mutex_unlock(&vfu->mem_lock);
	return err;
}

void nvhi_vfu_map_stop(struct nvhi_vfu *vfu)
{
	pthread_mutex_lock(&vfu->mem_lock);
	vfu->mapping = false;
	pthread_mutex_unlock(&vfu->mem_lock);
}

/* ---- blocks ------------------------------------------------------------------------------- */

static int block_create(struct vfu_block *block, size_t size)
{
	void *ptr;
	int err;

	block->fd = memfd_create("nvhost-dma", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (block->fd < 0)
		return -errno;
	/* Allocated now: a full memory is an error here and not a signal later. */
	if (fallocate(block->fd, 0, 0, (off_t)size) < 0 ||
	    fcntl(block->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		err = -errno;
		close(block->fd);
		return err == -ENOSPC ? -ENOMEM : err;
	}
	ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, block->fd, 0);
	if (ptr == MAP_FAILED) {
		err = -errno;
		close(block->fd);
		return err;
	}
	madvise(ptr, size, MADV_DONTFORK);
	block->ptr = ptr;
	block->size = size;
	return 0;
}

static void block_destroy(struct vfu_block *block)
{
	munmap(block->ptr, block->size);
	close(block->fd);
	free(block);
}

int nvhi_vfu_dma_alloc(struct nvhi_pcie_bus *bus, size_t size, size_t align, void **ret_ptr,
		       uint64_t *ret_iova)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);
	struct vfu_block *block = calloc(1, sizeof(*block));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int err;

	if (!block)
		return -ENOMEM;
	err = align > HUGE ? -EINVAL : block_create(block, (size + page - 1) & ~(page - 1));
	if (err) {
		free(block);
		return err;
	}
	pthread_mutex_lock(&vfu->mem_lock);
	/* Never the same address twice, so that nothing late can hit what came after it. */
	block->iova = vfu->next_iova;
	vfu->next_iova += (block->size + HUGE - 1) / HUGE * HUGE;
	nvhi_list_add_tail(&vfu->blocks, &block->link);
	if (vfu->mapping)
		block_map(vfu, block);
	pthread_mutex_unlock(&vfu->mem_lock);
	*ret_ptr = block->ptr;
	*ret_iova = block->iova;
	return 0;
}

void nvhi_vfu_dma_free(struct nvhi_pcie_bus *bus, void *ptr, size_t size)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);
	struct vfu_block *block, *found = NULL;

	(void)size;
	pthread_mutex_lock(&vfu->mem_lock);
	nvhi_list_for_each (block, &vfu->blocks, link)
		if (block->ptr == ptr)
			found = block;
	if (found) {
		nvhi_list_del(&found->link);
		if (vfu->mapping)
			block_unmap(vfu, found);
	}
	pthread_mutex_unlock(&vfu->mem_lock);
	if (found)
		block_destroy(found);
}
