/*
 * The process's environment for devices: DMA-able memory, and DPDK's EAL (VFIO containers, IOVA),
 * started lazily and only where a device needs it. A process that speaks TCP only never touches
 * EAL (docs/architecture.md, "DPDK").
 */
#ifndef NVHI_BASE_ENV_H
#define NVHI_BASE_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

/*
 * Starts EAL once for the process: no probing of the machine's own devices, no files outside
 * memory, no telemetry thread, one lcore, on a thread of its own that ends again, so that the
 * caller's CPU affinity stays. `allow`: the PCI addresses ("0000:01:00.0") that a driver may look
 * at, NULL-terminated; NULL: none. Later calls return the first one's result. About 110 ms. What
 * EAL has to say goes to the log (component pcie). Any thread. 0/-errno.
 */
int nvhi_env_start(const char *const *allow);
bool nvhi_env_started(void);

/* Zeroed memory for devices, populated, aligned to `align` (a power of two, 0: a page), rounded up
 * to whole pages: allocate slabs, not single queues. From hugepages when the system has free ones,
 * else ordinary pages (transports register those). Does not start EAL. Any thread. NULL: no
 * memory. */
void *nvhi_dma_alloc(size_t size, size_t align);
void nvhi_dma_free(void *ptr);
/* Whether `ptr`, from nvhi_dma_alloc, stands in hugepages, and how long its mapping is. */
bool nvhi_dma_is_huge(const void *ptr, size_t *ret_length);
/* Who registers memory with a device hears of each block: of those that are there at once, of later
 * ones as they come, and of each before it is unmapped. Embedded in its owner. fn is called under
 * the list's lock: it must not call these functions. */
struct nvhi_dma_watcher {
	struct nvhi_list link;
	void (*fn)(struct nvhi_dma_watcher *watcher, void *base, size_t length, bool huge,
		   bool there);
};
/* Again: nothing happens. */
void nvhi_dma_watch(struct nvhi_dma_watcher *watcher);
/* fn is not called any more; one that does not watch may be given too. */
void nvhi_dma_unwatch(struct nvhi_dma_watcher *watcher);

#endif
