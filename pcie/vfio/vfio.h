/*
 * The transport "pcie": a controller that stands in this machine.
 */
#ifndef NVHI_PCIE_VFIO_H
#define NVHI_PCIE_VFIO_H

#include "host/transport.h"

extern const struct nvhi_transport nvhi_transport_pcie;

#endif
