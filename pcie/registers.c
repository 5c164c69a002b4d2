/*
 * Registers over the bus, and what the layer above asks of them. A register is read at once, but
 * the answer is told at the end of the turn, like that of a Property command. All ones are what a
 * device that was pulled out reads as; no NVMe register has that value. Registers of 64 bits are
 * read and written in halves, as every controller allows. Base Specification 2.1 section 3.1.4,
 * PCIe Transport Specification 1.1 section 3.1.
 */
#include <errno.h>

#include "pcie/pcie_impl.h"

#define GONE32 UINT32_MAX

uint32_t nvhi_pcie_read32(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset)
{
	return ctrlr->bus->ops->read32(ctrlr->bus, offset);
}

void nvhi_pcie_write32(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset, uint32_t value)
{
	ctrlr->bus->ops->write32(ctrlr->bus, offset, value);
}

uint64_t nvhi_pcie_read64(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset)
{
	uint32_t low = nvhi_pcie_read32(ctrlr, offset);

	return (uint64_t)nvhi_pcie_read32(ctrlr, offset + 4) << 32 | low;
}

void nvhi_pcie_write64(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset, uint64_t value)
{
	nvhi_pcie_write32(ctrlr, offset, (uint32_t)value);
	nvhi_pcie_write32(ctrlr, offset + 4, (uint32_t)(value >> 32));
}

int nvhi_pcie_health(struct nvhi_pcie_ctrlr *ctrlr, uint32_t *ret_csts)
{
	uint32_t csts = nvhi_pcie_read32(ctrlr, NVH_REG_CSTS);

	*ret_csts = csts;
	if (csts == GONE32)
		return -ENODEV;
	return csts & NVH_CSTS_CFS ? -EIO : 0;
}

static void reg_done(struct nvhi_defer *defer)
{
	struct nvhi_reg_op *op = nvhi_container_of(defer, struct nvhi_reg_op, defer);

	op->done(op, op->err, NULL);
}

static void reg_answer(struct nvhi_qpair *admin, struct nvhi_reg_op *op, int err)
{
	op->qpair = admin;
	op->err = err;
	op->defer.fn = reg_done;
	op->defer.queued = false;
	nvhi_list_init(&op->defer.link);
	nvhi_reactor_defer(admin->reactor, &op->defer);
}

void nvhi_pcie_reg_get(struct nvhi_qpair *admin, struct nvhi_reg_op *op)
{
	struct nvhi_pcie_qpair *q = nvhi_pcie_qpair_of(admin);
	uint64_t value;

	if (q->state != NVHI_PCIE_Q_LIVE) {
		reg_answer(admin, op, -ENOTCONN);
		return;
	}
	value = op->size == 8 ? nvhi_pcie_read64(q->ctrlr, op->offset)
			      : nvhi_pcie_read32(q->ctrlr, op->offset);
	if ((uint32_t)value == GONE32 && nvhi_pcie_read32(q->ctrlr, NVH_REG_CSTS) == GONE32) {
		nvhi_pcie_fail(q, -ENODEV, "the device is gone: register 0x%x reads as all ones",
			       op->offset);
		reg_answer(admin, op, -ENODEV);
		return;
	}
	op->value = value;
	reg_answer(admin, op, 0);
}

void nvhi_pcie_reg_set(struct nvhi_qpair *admin, struct nvhi_reg_op *op)
{
	struct nvhi_pcie_qpair *q = nvhi_pcie_qpair_of(admin);

	if (q->state != NVHI_PCIE_Q_LIVE) {
		reg_answer(admin, op, -ENOTCONN);
		return;
	}
	if (op->size == 8)
		nvhi_pcie_write64(q->ctrlr, op->offset, op->value);
	else
		nvhi_pcie_write32(q->ctrlr, op->offset, (uint32_t)op->value);
	reg_answer(admin, op, 0);
}
