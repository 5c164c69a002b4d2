/*
 * The PCIe transport: its table, and opening a controller on a bus. See pcie_impl.h for the files
 * behind it. There is no bus for real devices yet (docs/pcie.md), so host/transport.c does not name
 * this transport.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "pcie/pcie.h"
#include "pcie/pcie_impl.h"

int nvhi_pcie_open(const struct nvhi_transport *transport, struct nvhi_pcie_bus *bus,
		   const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	struct nvhi_pcie_ctrlr *ctrlr;

	if (!opts->name || !opts->connect_timeout_ms)
		return -EINVAL;
	ctrlr = calloc(1, sizeof(*ctrlr));
	if (!ctrlr)
		return -ENOMEM;
	ctrlr->tctrlr.transport = transport;
	ctrlr->tctrlr.opts = *opts;
	ctrlr->bus = bus;
	ctrlr->cap = nvhi_pcie_read64(ctrlr, NVH_REG_CAP);
	if (ctrlr->cap == 0 || ctrlr->cap == UINT64_MAX) {
		nvhi_log(WARN, PCIE, "%s: CAP reads as 0x%llx: no NVMe controller answers there",
			 opts->name, (unsigned long long)ctrlr->cap);
		free(ctrlr);
		return -ENODEV;
	}
	ctrlr->page_size = 4096u << nvh_cap_mpsmin(ctrlr->cap);
	nvhi_pcie_device_init(ctrlr);
	*ret_tctrlr = &ctrlr->tctrlr;
	return 0;
}

/* A way in to a bus has its own; without one no address leads anywhere. */
static int pcie_tctrlr_open(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	(void)opts;
	(void)ret_tctrlr;
	return -ENODEV;
}

static void pcie_tctrlr_close(struct nvhi_tctrlr *tctrlr)
{
	struct nvhi_pcie_ctrlr *ctrlr = nvhi_pcie_ctrlr_of(tctrlr);

	ctrlr->bus->ops->close(ctrlr->bus);
	free(ctrlr);
}

static int pcie_mem_register(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	struct nvhi_pcie_bus *bus = nvhi_pcie_ctrlr_of(tctrlr)->bus;

	return bus->ops->mem_register(bus, addr, len);
}

static void pcie_mem_unregister(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	struct nvhi_pcie_bus *bus = nvhi_pcie_ctrlr_of(tctrlr)->bus;

	bus->ops->mem_unregister(bus, addr, len);
}

static int pcie_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info)
{
	(void)qpair;
	(void)ret_info;
	return -EOPNOTSUPP;
}

static void pcie_names(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		       size_t peer_len)
{
	if (local_len)
		local[0] = '\0';
	if (peer_len)
		snprintf(peer, peer_len, "%s", qpair->tctrlr->opts.addr.traddr);
}

const struct nvhi_transport nvhi_transport_pcie = {
	.name = "pcie",
	.trtype = NVH_TRTYPE_PCIE,
	.max_transfer = NVHI_PCIE_MAX_TRANSFER,
	.fabrics = false,
	.tctrlr_open = pcie_tctrlr_open,
	.tctrlr_close = pcie_tctrlr_close,
	.qpair_create = nvhi_pcie_qpair_create,
	.qpair_connect = nvhi_pcie_qpair_connect,
	.submit = nvhi_pcie_submit,
	.revoke = nvhi_pcie_revoke,
	.qpair_destroy = nvhi_pcie_qpair_destroy,
	.reg_get = nvhi_pcie_reg_get,
	.reg_set = nvhi_pcie_reg_set,
	.mem_register = pcie_mem_register,
	.mem_unregister = pcie_mem_unregister,
	.info = pcie_info,
	.names = pcie_names,
};
