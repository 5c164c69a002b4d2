/*
 * Physical memory, for devices that no IOMMU stands before: hugepages, which stay where they are,
 * and /proc/self/pagemap, which says where that is (root only). Any thread.
 */
#ifndef NVHI_PCIE_VFIO_PHYSICAL_H
#define NVHI_PCIE_VFIO_PHYSICAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVHI_HUGE_PAGE ((size_t)2 << 20)

/* The physical address of `va`, which stands in hugepages and has been written to, and how many of
 * `len` bytes are contiguous from there. -EPERM: not told. */
int nvhi_physical_run(const void *va, size_t len, uint64_t *ret_phys, size_t *ret_len);
/* Whether all of it stands in hugepages, by /proc/self/smaps. */
bool nvhi_physical_is_huge(const void *va, size_t len);
/* Zeroed hugepages, physically contiguous; `size` in whole ones. -ENOMEM, -EPERM. */
int nvhi_physical_alloc(size_t size, void **ret_ptr, uint64_t *ret_phys);
void nvhi_physical_free(void *ptr, size_t size);

#endif
