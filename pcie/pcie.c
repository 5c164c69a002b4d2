/*
 * The PCIe driver's table entries that are not a queue's, and opening a controller on a bus. See
 * pcie_impl.h for the files behind it.
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
	ctrlr->page_size = 4096;
	nvhi_pcie_device_init(ctrlr);
	*ret_tctrlr = &ctrlr->tctrlr;
	return 0;
}

void nvhi_pcie_close(struct nvhi_tctrlr *tctrlr)
{
	struct nvhi_pcie_ctrlr *ctrlr = nvhi_pcie_ctrlr_of(tctrlr);

	nvhi_pcie_hmb_free(ctrlr);
	ctrlr->bus->ops->close(ctrlr->bus);
	free(ctrlr);
}

int nvhi_pcie_mem_register(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	struct nvhi_pcie_bus *bus = nvhi_pcie_ctrlr_of(tctrlr)->bus;

	return bus->ops->mem_register(bus, addr, len);
}

void nvhi_pcie_mem_unregister(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	struct nvhi_pcie_bus *bus = nvhi_pcie_ctrlr_of(tctrlr)->bus;

	bus->ops->mem_unregister(bus, addr, len);
}

int nvhi_pcie_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info)
{
	(void)qpair;
	(void)ret_info;
	return -EOPNOTSUPP;
}

void nvhi_pcie_names(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		     size_t peer_len)
{
	if (local_len)
		local[0] = '\0';
	if (peer_len)
		snprintf(peer, peer_len, "%s", qpair->tctrlr->opts.addr.traddr);
}
