/*
 * An RDMA device in use: one protection domain and what the device can do, shared by all queues of
 * the process on it and released with the last of them, so that a device can be removed. Any
 * thread.
 */
#ifndef NVHI_FABRIC_RDMA_DEV_H
#define NVHI_FABRIC_RDMA_DEV_H

#include <stdbool.h>

#include "base/list.h"
#include "fabric/rdma/verbs.h"

struct nvhi_rdma_dev {
	const struct nvhi_verbs *verbs;
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_device_attr attr;
	bool windows; /* memory windows of type 2 (bound to one queue pair) */
	bool iwarp;   /* the sink of an RDMA READ must allow remote writes */
	/* dev.c's */
	uint32_t refs;
	struct nvhi_list link;
	struct nvhi_list region_link; /* region.c's */
};

/* The device behind a cm_id that is bound to one. -errno with one line in errbuf. */
int nvhi_rdma_dev_get(const struct nvhi_verbs *verbs, struct ibv_context *context, char *errbuf,
		      size_t errbuf_len, struct nvhi_rdma_dev **ret_dev);
void nvhi_rdma_dev_put(struct nvhi_rdma_dev *dev);
/* Its name, "rxe0". */
const char *nvhi_rdma_dev_name(const struct nvhi_rdma_dev *dev);

/*
 * A device was removed, or could not be found. librdmacm keeps each device open that it ever used,
 * and drivers without a way to take it away (rdma_rxe, siw) then wait for this process for ever. So
 * the next connections (a few: the removal takes its time) have it look which devices are gone.
 */
void nvhi_rdma_dev_missing(void);
/* Before a connection or a listener is made. */
void nvhi_rdma_dev_sweep(const struct nvhi_verbs *verbs);

/* Registers memory, with IBV_ACCESS_* flags. When the limit of locked memory is what stands in the
 * way, the line in errbuf names the limit and the value needed. `what`: whose memory, for that
 * line. Not for the I/O path. */
int nvhi_rdma_reg(struct nvhi_rdma_dev *dev, void *addr, size_t len, int access, const char *what,
		  char *errbuf, size_t errbuf_len, struct ibv_mr **ret_mr);
void nvhi_rdma_dereg(struct nvhi_rdma_dev *dev, struct ibv_mr *mr);

#endif
