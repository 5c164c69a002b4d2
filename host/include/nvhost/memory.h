/*
 * DMA memory. TCP takes any memory; RDMA and PCIe are fastest with memory from here or registered.
 */
#ifndef NVHOST_MEMORY_H
#define NVHOST_MEMORY_H

#include <nvhost/host.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Zeroed, aligned to at least `align` (power of two, 0: a page), in hugepages where there are some.
 * NULL with errno. Any thread. */
void *nvh_dma_alloc(size_t size, size_t align);
void nvh_dma_free(void *ptr);
/* Registers application memory with every transport in use and every later one, until unregistered.
 * No I/O may use the range when it is unregistered, and its pages must stay what they are until then (no
 * munmap, no MADV_DONTNEED): devices hold on to them. RDMA pins it: -ENOMEM (the log says why) when the
 * limit of locked memory is in the way. Home reactor. */
int nvh_mem_register(struct nvh_host *host, void *addr, size_t len);
int nvh_mem_unregister(struct nvh_host *host, void *addr, size_t len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
