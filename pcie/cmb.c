/*
 * The controller's own memory (controller memory buffer): where it takes submission queues there
 * and the bus maps it, those of I/O queues stand there, each at a place of its own, so that the
 * controller need not fetch commands over the bus. Base
 * Specification 2.1 sections 3.1.4.11 to 3.1.4.15 and 8.2.1.
 */
#include "pcie/pcie_impl.h"

#define CMB_CRE           0x1u /* CMBMSC: show CMBLOC and CMBSZ */
#define CMB_CMSE          0x2u /* CMBMSC: addresses from CBA on are the buffer's */
#define CMBLOC_BIR        0x7u
#define CMBLOC_OFST_SHIFT 12
#define CMBSZ_SQS         0x1u
#define CMBSZ_SZU_SHIFT   8
#define CMBSZ_SZ_SHIFT    12
#define CMB_SQ_BYTES      65536u /* the largest submission queue there is */
#define CMBSTS_CBAI       0x1u
#define CMB_ADDR_MASK     0xfffull

static void cmb_map(struct nvhi_pcie_ctrlr *ctrlr, uint32_t loc, uint32_t sz)
{
	struct nvhi_pcie_bus *bus = ctrlr->bus;
	unsigned int szu = sz >> CMBSZ_SZU_SHIFT & 0xf;
	uint64_t unit, offset, size, addr = 0;
	uint8_t *ptr;

	if (szu > 6 || !(sz & CMBSZ_SQS) || (loc & CMBLOC_BIR) == 1)
		return;
	unit = 4096ull << 4 * szu;
	offset = (loc >> CMBLOC_OFST_SHIFT) * unit;
	size = (sz >> CMBSZ_SZ_SHIFT) * unit;
	ptr = size ? bus->ops->map_bar(bus, loc & CMBLOC_BIR, offset, size, &addr) : NULL;
	if (!ptr || (addr & CMB_ADDR_MASK))
		return;
	ctrlr->cmb = (struct nvhi_pcie_cmb){.ptr = ptr, .addr = addr, .size = size};
	nvhi_log(INFO, PCIE, "%s: submission queues in the controller's memory (%llu KiB)",
		 ctrlr->tctrlr.opts.name, (unsigned long long)(size >> 10));
}

/* Where the buffer is mapped is found out once; the controller is told each time. */
void nvhi_pcie_cmb_start(struct nvhi_pcie_ctrlr *ctrlr)
{
	bool announced = ctrlr->cap & NVH_CAP_CMBS;
	uint32_t loc, sz;

	if (!ctrlr->bus->ops->map_bar)
		return;
	if (announced)
		nvhi_pcie_write64(ctrlr, NVH_REG_CMBMSC, CMB_CRE);
	loc = nvhi_pcie_read32(ctrlr, NVH_REG_CMBLOC);
	sz = nvhi_pcie_read32(ctrlr, NVH_REG_CMBSZ);
	if (!ctrlr->cmb.ptr && loc != UINT32_MAX && sz != UINT32_MAX)
		cmb_map(ctrlr, loc, sz);
	ctrlr->cmb_on = ctrlr->cmb.ptr;
	if (!ctrlr->cmb_on || !announced)
		return;
	nvhi_pcie_write64(ctrlr, NVH_REG_CMBMSC, ctrlr->cmb.addr | CMB_CRE | CMB_CMSE);
	if (nvhi_pcie_read32(ctrlr, NVH_REG_CMBSTS) & CMBSTS_CBAI)
		ctrlr->cmb_on = false; /* not at this address */
}

void *nvhi_pcie_cmb_take(const struct nvhi_pcie_ctrlr *ctrlr, uint16_t qid, size_t size,
			 uint64_t *ret_addr)
{
	uint64_t at = (qid - 1ull) * CMB_SQ_BYTES;

	if (!ctrlr->cmb_on || qid == 0 || size > CMB_SQ_BYTES || at + size > ctrlr->cmb.size)
		return NULL;
	*ret_addr = ctrlr->cmb.addr + at;
	return ctrlr->cmb.ptr + at;
}
