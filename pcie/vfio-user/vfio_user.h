/*
 * NVMe over vfio-user: the PCIe transport with a controller that another process plays.
 */
#ifndef NVHI_PCIE_VFIO_USER_H
#define NVHI_PCIE_VFIO_USER_H

#include "host/transport.h"

extern const struct nvhi_transport nvhi_transport_vfio_user;

#endif
