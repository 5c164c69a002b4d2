/*
 * DMA memory and registration of the application's own. A registration is kept with the host, so
 * that controllers which come later learn of it too. Home reactor, except allocation.
 */
#include <errno.h>
#include <stdlib.h>

#include <nvhost/memory.h>

#include "base/env.h"
#include "base/fork.h"
#include "host/api/host.h"

void *nvh_dma_alloc(size_t size, size_t align)
{
	void *memory;

	if (nvhi_forked()) {
		errno = EPERM;
		return NULL;
	}
	if (!size || (align & (align - 1))) {
		errno = EINVAL;
		return NULL;
	}
	memory = nvhi_dma_alloc(size, align);
	if (!memory)
		errno = ENOMEM;
	return memory;
}

void nvh_dma_free(void *ptr)
{
	if (!nvhi_forked())
		nvhi_dma_free(ptr);
}

static void memory_unregister_before(struct nvh_host *host, const struct nvhi_api_memory *memory,
				     const struct nvh_ctrlr *end)
{
	struct nvh_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &host->ctrlrs, link) {
		struct nvhi_tctrlr *tctrlr;

		if (ctrlr == end)
			break;
		tctrlr = nvhi_ctrlr_tctrlr(ctrlr->inner);
		tctrlr->transport->mem_unregister(tctrlr, memory->addr, memory->len);
	}
}

int nvh_mem_register(struct nvh_host *host, void *addr, size_t len)
{
	struct nvhi_api_memory *memory;
	struct nvh_ctrlr *ctrlr;
	int err;

	if (nvhi_forked())
		return -EPERM;
	if (!addr || !len || (uintptr_t)addr + len < (uintptr_t)addr)
		return -EINVAL;
	memory = malloc(sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	memory->addr = addr;
	memory->len = len;
	nvhi_list_for_each(ctrlr, &host->ctrlrs, link) {
		struct nvhi_tctrlr *tctrlr = nvhi_ctrlr_tctrlr(ctrlr->inner);

		err = tctrlr->transport->mem_register(tctrlr, addr, len);
		if (err) {
			memory_unregister_before(host, memory, ctrlr);
			free(memory);
			return err;
		}
	}
	nvhi_list_add_tail(&host->memory, &memory->link);
	return 0;
}

int nvh_mem_unregister(struct nvh_host *host, void *addr, size_t len)
{
	struct nvhi_api_memory *memory;

	if (nvhi_forked())
		return -EPERM;
	nvhi_list_for_each(memory, &host->memory, link) {
		if (memory->addr != addr || memory->len != len)
			continue;
		memory_unregister_before(host, memory, NULL);
		nvhi_list_del(&memory->link);
		free(memory);
		return 0;
	}
	return -ENOENT;
}

int nvhi_api_memory_attach(struct nvh_host *host, struct nvhi_ctrlr *inner)
{
	struct nvhi_tctrlr *tctrlr = nvhi_ctrlr_tctrlr(inner);
	struct nvhi_api_memory *memory;

	nvhi_list_for_each(memory, &host->memory, link) {
		int err = tctrlr->transport->mem_register(tctrlr, memory->addr, memory->len);

		if (err)
			return err;
	}
	return 0;
}

void nvhi_api_memory_free(struct nvh_host *host)
{
	struct nvhi_api_memory *memory, *next;

	nvhi_list_for_each_safe(memory, next, &host->memory, link) {
		nvhi_list_del(&memory->link);
		free(memory);
	}
}
