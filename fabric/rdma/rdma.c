/*
 * The NVMe/RDMA transport: its table, and a controller's access, which is memory only (connections
 * belong to the queue pairs). See rdma_impl.h for the files behind it.
 */
#include <errno.h>
#include <stdlib.h>

#include "fabric/property.h"
#include "fabric/rdma/rdma.h"
#include "fabric/rdma/rdma_impl.h"

static int rdma_tctrlr_open(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	struct nvhi_tctrlr *tctrlr;

	if (opts->addr.trtype != NVH_TRTYPE_RDMA || !opts->name || !opts->connect_timeout_ms)
		return -EINVAL;
	tctrlr = calloc(1, sizeof(*tctrlr));
	if (!tctrlr)
		return -ENOMEM;
	tctrlr->transport = &nvhi_transport_rdma;
	tctrlr->opts = *opts;
	*ret_tctrlr = tctrlr;
	return 0;
}

static void rdma_tctrlr_close(struct nvhi_tctrlr *tctrlr)
{
	free(tctrlr);
}

static int rdma_mem_register(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr; /* all controllers of the process share a device's registrations */
	return nvhi_rdma_region_add(addr, len);
}

static void rdma_mem_unregister(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr;
	nvhi_rdma_region_remove(addr, len);
}

static int rdma_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info)
{
	(void)qpair;
	(void)ret_info;
	return -EOPNOTSUPP; /* devices do not tell how far the peer has acknowledged */
}

static void rdma_names(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		       size_t peer_len)
{
	nvhi_rdma_id_names(&nvhi_rdma_qpair_of(qpair)->id, local, local_len, peer, peer_len);
}

const struct nvhi_transport nvhi_transport_rdma = {
	.name = "rdma",
	.trtype = NVH_TRTYPE_RDMA,
	.max_transfer = NVHI_RDMA_BOUNCE_MAX,
	.fabrics = true,
	.tctrlr_open = rdma_tctrlr_open,
	.tctrlr_close = rdma_tctrlr_close,
	.qpair_create = nvhi_rdma_qpair_create,
	.qpair_connect = nvhi_rdma_qpair_connect,
	.submit = nvhi_rdma_submit,
	.revoke = nvhi_rdma_revoke,
	.qpair_destroy = nvhi_rdma_qpair_destroy,
	.reg_get = nvhi_property_get,
	.reg_set = nvhi_property_set,
	.mem_register = rdma_mem_register,
	.mem_unregister = rdma_mem_unregister,
	.info = rdma_info,
	.names = rdma_names,
};
