/*
 * Scatter gather lists over a queue in memory: pieces of any length at any address, where the
 * controller takes them. Pure but for asking the bus for addresses. Base Specification 2.1
 * section 4.3.2.
 */
#ifndef NVHI_PCIE_SGL_H
#define NVHI_PCIE_SGL_H

#include "pcie/prp.h"

/*
 * Sets the data pointer of `cmd`, PSDT included, to `len` bytes from `cursor`. -EINVAL: the memory
 * is not reachable, not of whole dwords where that is asked for, or of more pieces than fit (one;
 * the list's room, which is shared with PRPs); `cmd` is then as before.
 */
int nvhi_sgl_build_one(struct nvhi_pcie_bus *bus, const struct nvhi_iov_cursor *cursor,
		       uint32_t len, bool dwords, struct nvh_cmd *cmd);
int nvhi_sgl_build(struct nvhi_pcie_bus *bus, const struct nvhi_iov_cursor *cursor, uint32_t len,
		   bool dwords, const struct nvhi_prp_list *list, struct nvh_cmd *cmd);

#endif
