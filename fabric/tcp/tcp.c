/*
 * The NVMe/TCP transport: its table, and a controller's access, which is memory only (connections
 * belong to the queue pairs). See tcp_impl.h for the files behind it.
 */
#include <errno.h>
#include <stdlib.h>

#include "fabric/property.h"
#include "fabric/tcp/tcp.h"
#include "fabric/tcp/tcp_impl.h"

static int tcp_tctrlr_open(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	struct nvhi_tctrlr *tctrlr;

	if (opts->addr.trtype != NVH_TRTYPE_TCP || !opts->net || !opts->name ||
	    !opts->connect_timeout_ms || opts->maxr2t > NVHI_TCP_MAXR2T)
		return -EINVAL;
	tctrlr = calloc(1, sizeof(*tctrlr));
	if (!tctrlr)
		return -ENOMEM;
	tctrlr->transport = &nvhi_transport_tcp;
	tctrlr->opts = *opts;
	*ret_tctrlr = tctrlr;
	return 0;
}

static void tcp_tctrlr_close(struct nvhi_tctrlr *tctrlr)
{
	free(tctrlr);
}

/* The kernel copies: any memory will do. */
static int tcp_mem_register(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr;
	(void)addr;
	(void)len;
	return 0;
}

static void tcp_mem_unregister(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr;
	(void)addr;
	(void)len;
}

static int tcp_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info)
{
	struct nvhi_stream *stream = nvhi_tcp_qpair_of(qpair)->stream;

	return stream ? stream->ops->info(stream, ret_info) : -ENOTCONN;
}

static void tcp_names(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		      size_t peer_len)
{
	struct nvhi_stream *stream = nvhi_tcp_qpair_of(qpair)->stream;

	if (local_len)
		local[0] = '\0';
	if (peer_len)
		peer[0] = '\0';
	if (stream)
		stream->ops->names(stream, local, local_len, peer, peer_len);
}

const struct nvhi_transport nvhi_transport_tcp = {
	.name = "tcp",
	.trtype = NVH_TRTYPE_TCP,
	.max_transfer = 0,
	.fabrics = true,
	.tctrlr_open = tcp_tctrlr_open,
	.tctrlr_close = tcp_tctrlr_close,
	.qpair_create = nvhi_tcp_qpair_create,
	.qpair_connect = nvhi_tcp_qpair_connect,
	.submit = nvhi_tcp_submit,
	.revoke = nvhi_tcp_revoke,
	.qpair_destroy = nvhi_tcp_qpair_destroy,
	.reg_get = nvhi_property_get,
	.reg_set = nvhi_property_set,
	.mem_register = tcp_mem_register,
	.mem_unregister = tcp_mem_unregister,
	.info = tcp_info,
	.names = tcp_names,
};
