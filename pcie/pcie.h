/*
 * The PCIe transport: a controller whose registers and queues are reached over a bus (bus.h).
 */
#ifndef NVHI_PCIE_PCIE_H
#define NVHI_PCIE_PCIE_H

#include "host/transport.h"
#include "pcie/bus.h"

/* Its tctrlr_open refuses every address with -ENODEV: a way in to a bus opens its own device and
 * calls nvhi_pcie_open. */
extern const struct nvhi_transport nvhi_transport_pcie;

/* A controller behind `bus`, which it owns from a success on. `transport` is the table that stands
 * in the result: nvhi_transport_pcie or a copy with a tctrlr_open of its own. -EINVAL, -ENOMEM. */
int nvhi_pcie_open(const struct nvhi_transport *transport, struct nvhi_pcie_bus *bus,
		   const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr);

#endif
