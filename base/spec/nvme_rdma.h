/*
 * The private data of RDMA connection management messages, and what NVMe over RDMA adds to capsules.
 *
 * NVMe/RDMA Transport Specification 1.1 sections 3.3 (connection establishment, figures 4 to 7) and
 * 3.2 (capsules and SGLs).
 */
#ifndef NVHOST_SPEC_NVME_RDMA_H
#define NVHOST_SPEC_NVME_RDMA_H

#include "nvme_cmd.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define NVH_RDMA_CM_RECFMT 0

/* With the connection request. HRQSIZE counts entries, HSQSIZE is 0's based like SQSIZE. */
struct nvh_rdma_cm_req {
	struct nvh_le16 recfmt;
	struct nvh_le16 qid;
	struct nvh_le16 hrqsize;
	struct nvh_le16 hsqsize;
	struct nvh_le16 cntlid; /* RECFMT 0: I/O queues only; else 0 */
	uint8_t rsvd10[22];
};

/* With the acceptance. CRQSIZE: entries of the controller's receive queue. */
struct nvh_rdma_cm_acc {
	struct nvh_le16 recfmt;
	struct nvh_le16 crqsize;
	uint8_t rsvd4[28];
};

/* With the refusal. */
struct nvh_rdma_cm_rej {
	struct nvh_le16 recfmt;
	struct nvh_le16 sts; /* enum nvh_rdma_cm_status */
};

static_assert(sizeof(struct nvh_rdma_cm_req) == 32, "RDMA_CM_REQUEST private data");
static_assert(offsetof(struct nvh_rdma_cm_req, qid) == 2, "RDMA_CM QID");
static_assert(offsetof(struct nvh_rdma_cm_req, hrqsize) == 4, "RDMA_CM HRQSIZE");
static_assert(offsetof(struct nvh_rdma_cm_req, hsqsize) == 6, "RDMA_CM HSQSIZE");
static_assert(offsetof(struct nvh_rdma_cm_req, cntlid) == 8, "RDMA_CM CNTLID");
static_assert(sizeof(struct nvh_rdma_cm_acc) == 32, "RDMA_CM_ACCEPT private data");
static_assert(offsetof(struct nvh_rdma_cm_acc, crqsize) == 2, "RDMA_CM CRQSIZE");
static_assert(sizeof(struct nvh_rdma_cm_rej) == 4, "RDMA_CM_REJECT private data");
static_assert(offsetof(struct nvh_rdma_cm_rej, sts) == 2, "RDMA_CM STS");

/* X(value, NAME, "text") */
#define NVH_RDMA_CM_STATUS_LIST(X)                                                                 \
	X(0x01, INVALID_LEN, "invalid private data length")                                        \
	X(0x02, INVALID_RECFMT, "invalid RECFMT")                                                  \
	X(0x03, INVALID_QID, "invalid QID")                                                        \
	X(0x04, INVALID_HSQSIZE, "invalid HSQSIZE")                                                \
	X(0x05, INVALID_HRQSIZE, "invalid HRQSIZE")                                                \
	X(0x06, NO_RESOURCES, "no RDMA resources")                                                 \
	X(0x07, INVALID_IRD, "invalid IRD")                                                        \
	X(0x08, INVALID_ORD, "invalid ORD")                                                        \
	X(0x09, INVALID_CNTLID, "invalid CNTLID")

enum nvh_rdma_cm_status {
#define NVH_X(val, name, text) NVH_RDMA_CM_##name = val,
	NVH_RDMA_CM_STATUS_LIST(NVH_X)
#undef NVH_X
};

/* Never NULL. */
NVH_API const char *nvh_rdma_cm_status_text(unsigned sts);

/* An admin queue pair has so many entries at most, and its capsules carry no data: they are a bare
 * command. Those of I/O queues have IOCCSZ. */
#define NVH_RDMA_ADMIN_ENTRIES 32

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
