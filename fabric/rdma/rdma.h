/* NVMe/RDMA, the host's side, as a struct nvhi_transport. Named by host/transport.c alone. */
#ifndef NVHI_FABRIC_RDMA_RDMA_H
#define NVHI_FABRIC_RDMA_RDMA_H

#include "host/transport.h"

extern const struct nvhi_transport nvhi_transport_rdma;

#endif
