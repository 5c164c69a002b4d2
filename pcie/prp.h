/*
 * Physical Region Pages: the data pointer of a command over a queue in memory. Pure but for asking
 * the bus for addresses. Base Specification 2.1 section 4.3.1.
 */
#ifndef NVHI_PCIE_PRP_H
#define NVHI_PCIE_PRP_H

#include "base/iov.h"
#include "base/spec/nvme.h"
#include "pcie/bus.h"

/* Where the list of a command goes: room for `max` entries that cross no memory page. */
struct nvhi_prp_list {
	struct nvh_le64 *entries;
	uint64_t iova;
	uint32_t max;
};

/*
 * Sets the data pointer of `cmd` to `len` bytes from `cursor`. -EINVAL: PRPs cannot say it (the
 * memory is not reachable, does not begin on a dword, or is not contiguous in whole pages), or the
 * list is too small; `cmd` is then as before.
 */
int nvhi_prp_build(struct nvhi_pcie_bus *bus, const struct nvhi_iov_cursor *cursor, uint32_t len,
		   uint32_t page_size, const struct nvhi_prp_list *list, struct nvh_cmd *cmd);
/* The same for memory that is contiguous for the device from `iova` on. */
int nvhi_prp_build_flat(uint64_t iova, uint32_t len, uint32_t page_size,
			const struct nvhi_prp_list *list, struct nvh_cmd *cmd);

#endif
