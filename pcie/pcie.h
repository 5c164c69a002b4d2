/*
 * The PCIe transport: a controller whose registers and queues are reached over a bus (bus.h).
 */
#ifndef NVHI_PCIE_PCIE_H
#define NVHI_PCIE_PCIE_H

#include "host/transport.h"
#include "pcie/bus.h"

/* The table of a way in: its tctrlr_open makes a bus and calls nvhi_pcie_open. */
#define NVHI_PCIE_TRANSPORT(name_, trtype_, open_)                                                 \
	{                                                                                          \
		.name = (name_), .trtype = (trtype_), .max_transfer = NVHI_PCIE_MAX_TRANSFER,      \
		.fabrics = false, .tctrlr_open = (open_), .tctrlr_close = nvhi_pcie_close,         \
		.qpair_create = nvhi_pcie_qpair_create, .qpair_connect = nvhi_pcie_qpair_connect,  \
		.submit = nvhi_pcie_submit, .revoke = nvhi_pcie_revoke,                            \
		.qpair_destroy = nvhi_pcie_qpair_destroy, .reg_get = nvhi_pcie_reg_get,            \
		.reg_set = nvhi_pcie_reg_set, .mem_register = nvhi_pcie_mem_register,              \
		.mem_unregister = nvhi_pcie_mem_unregister, .info = nvhi_pcie_info,                \
		.names = nvhi_pcie_names,                                                          \
	}

/* A controller behind `bus`, which it owns from a success on. `transport` stands in the result.
 * -EINVAL, -ENOMEM. */
int nvhi_pcie_open(const struct nvhi_transport *transport, struct nvhi_pcie_bus *bus,
		   const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr);

/* The driver's entries in the table. */
#define NVHI_PCIE_MAX_TRANSFER (128u << 10)
void nvhi_pcie_close(struct nvhi_tctrlr *tctrlr);
int nvhi_pcie_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			   struct nvhi_qpair **ret_qpair);
void nvhi_pcie_qpair_connect(struct nvhi_qpair *qpair);
int nvhi_pcie_submit(struct nvhi_qpair *qpair, struct nvhi_req *req);
void nvhi_pcie_revoke(struct nvhi_qpair *qpair);
void nvhi_pcie_qpair_destroy(struct nvhi_qpair *qpair);
void nvhi_pcie_reg_get(struct nvhi_qpair *admin, struct nvhi_reg_op *op);
void nvhi_pcie_reg_set(struct nvhi_qpair *admin, struct nvhi_reg_op *op);
int nvhi_pcie_mem_register(struct nvhi_tctrlr *tctrlr, void *addr, size_t len);
void nvhi_pcie_mem_unregister(struct nvhi_tctrlr *tctrlr, void *addr, size_t len);
int nvhi_pcie_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info);
void nvhi_pcie_names(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		     size_t peer_len);

#endif
