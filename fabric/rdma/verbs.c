/*
 * Fills the table of functions from libibverbs.so.1 and librdmacm.so.1, opened on first use. Any
 * thread; the mutex is taken when a connection or a listener is made, never for I/O.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "fabric/rdma/verbs.h"

static pthread_mutex_t verbs_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nvhi_verbs verbs_table;
static const struct nvhi_verbs *verbs_ready, *verbs_other;
static void *verbs_lib, *verbs_cm_lib;

/* ---- those that the headers define inline ------------------------------------------------- */

static int verbs_poll_cq(struct ibv_cq *cq, int num, struct ibv_wc *wc)
{
	return ibv_poll_cq(cq, num, wc);
}

static int verbs_req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	return ibv_req_notify_cq(cq, solicited_only);
}

static int verbs_post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr,
			       struct ibv_recv_wr **bad)
{
	return ibv_post_srq_recv(srq, wr, bad);
}

static int verbs_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	return ibv_post_send(qp, wr, bad);
}

static int verbs_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	return ibv_post_recv(qp, wr, bad);
}

static struct ibv_mw *verbs_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type)
{
	return ibv_alloc_mw(pd, type);
}

static int verbs_dealloc_mw(struct ibv_mw *mw)
{
	return ibv_dealloc_mw(mw);
}

/* ---- those that are symbols ---------------------------------------------------------------- */

/* The header's query_port is a macro over the library's, whose structure is older and shorter. */
static int (*verbs_query_port_symbol)(struct ibv_context *context, uint8_t port,
				      struct _compat_ibv_port_attr *attr);

static int verbs_query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	return verbs_query_port_symbol(context, port, (struct _compat_ibv_port_attr *)attr);
}

struct verbs_symbol {
	void **lib;
	void *slot; /* of a function pointer */
	const char *name;
};

#define VERBS(member, symbol)                                                                      \
	{                                                                                          \
		&verbs_lib, &verbs_table.member, symbol                                            \
	}
#define CM(member, symbol)                                                                         \
	{                                                                                          \
		&verbs_cm_lib, &verbs_table.member, symbol                                         \
	}
static const struct verbs_symbol verbs_symbols[] = {
	VERBS(query_device, "ibv_query_device"),
	{&verbs_lib, &verbs_query_port_symbol, "ibv_query_port"},
	VERBS(get_async_event, "ibv_get_async_event"),
	VERBS(ack_async_event, "ibv_ack_async_event"),
	VERBS(alloc_pd, "ibv_alloc_pd"),
	VERBS(dealloc_pd, "ibv_dealloc_pd"),
	VERBS(reg_mr, "ibv_reg_mr"),
	VERBS(dereg_mr, "ibv_dereg_mr"),
	VERBS(create_comp_channel, "ibv_create_comp_channel"),
	VERBS(destroy_comp_channel, "ibv_destroy_comp_channel"),
	VERBS(create_cq, "ibv_create_cq"),
	VERBS(destroy_cq, "ibv_destroy_cq"),
	VERBS(get_cq_event, "ibv_get_cq_event"),
	VERBS(ack_cq_events, "ibv_ack_cq_events"),
	VERBS(wc_status_str, "ibv_wc_status_str"),
	VERBS(create_srq, "ibv_create_srq"),
	VERBS(destroy_srq, "ibv_destroy_srq"),
	VERBS(modify_qp, "ibv_modify_qp"),
	VERBS(query_qp, "ibv_query_qp"),
	CM(cm_create_event_channel, "rdma_create_event_channel"),
	CM(cm_destroy_event_channel, "rdma_destroy_event_channel"),
	CM(cm_get_event, "rdma_get_cm_event"),
	CM(cm_ack_event, "rdma_ack_cm_event"),
	CM(cm_event_str, "rdma_event_str"),
	CM(cm_get_devices, "rdma_get_devices"),
	CM(cm_free_devices, "rdma_free_devices"),
	CM(cm_create_id, "rdma_create_id"),
	CM(cm_destroy_id, "rdma_destroy_id"),
	CM(cm_migrate_id, "rdma_migrate_id"),
	CM(cm_set_option, "rdma_set_option"),
	CM(cm_bind_addr, "rdma_bind_addr"),
	CM(cm_resolve_addr, "rdma_resolve_addr"),
	CM(cm_resolve_route, "rdma_resolve_route"),
	CM(cm_create_qp, "rdma_create_qp"),
	CM(cm_destroy_qp, "rdma_destroy_qp"),
	CM(cm_connect, "rdma_connect"),
	CM(cm_listen, "rdma_listen"),
	CM(cm_accept, "rdma_accept"),
	CM(cm_reject, "rdma_reject"),
	CM(cm_disconnect, "rdma_disconnect"),
	CM(cm_notify, "rdma_notify"),
	CM(cm_get_src_port, "rdma_get_src_port"),
	CM(cm_get_dst_port, "rdma_get_dst_port"),
};

static int verbs_open_library(const char *name, const char *package, void **ret_lib, char *errbuf,
			      size_t errbuf_len)
{
	if (*ret_lib)
		return 0;
	/* Stays open: its providers have threads' and atexit's business of their own. */
	*ret_lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (*ret_lib)
		return 0;
	snprintf(errbuf, errbuf_len, "RDMA needs %s, which cannot be opened: %s (apt install %s)",
		 name, dlerror(), package);
	return -ENOSYS;
}

/* Under the lock. */
static int verbs_load(char *errbuf, size_t errbuf_len)
{
	int (*fork_init)(void);
	int err = verbs_open_library("libibverbs.so.1", "libibverbs1 ibverbs-providers", &verbs_lib,
				     errbuf, errbuf_len);

	if (!err)
		err = verbs_open_library("librdmacm.so.1", "librdmacm1", &verbs_cm_lib, errbuf,
					 errbuf_len);
	if (err)
		return err;
	for (size_t i = 0; i < sizeof(verbs_symbols) / sizeof(verbs_symbols[0]); i++) {
		const struct verbs_symbol *symbol = &verbs_symbols[i];
		void *fn = dlsym(*symbol->lib, symbol->name);

		if (!fn) {
			snprintf(errbuf, errbuf_len,
				 "RDMA needs a newer rdma-core: its library lacks %s",
				 symbol->name);
			return -ENOSYS;
		}
		memcpy(symbol->slot, &fn, sizeof(fn));
	}
	verbs_table.query_port = verbs_query_port;
	verbs_table.poll_cq = verbs_poll_cq;
	verbs_table.req_notify_cq = verbs_req_notify_cq;
	verbs_table.post_srq_recv = verbs_post_srq_recv;
	verbs_table.post_send = verbs_post_send;
	verbs_table.post_recv = verbs_post_recv;
	verbs_table.alloc_mw = verbs_alloc_mw;
	verbs_table.dealloc_mw = verbs_dealloc_mw;
	/* Before any other verb. On kernels that copy pinned pages at fork (5.12) it does nothing.
	 */
	fork_init = (int (*)(void))(uintptr_t)dlsym(verbs_lib, "ibv_fork_init");
	if (fork_init)
		fork_init();
	verbs_ready = &verbs_table;
	return 0;
}

int nvhi_verbs_open(char *errbuf, size_t errbuf_len, const struct nvhi_verbs **ret_verbs)
{
	int err = 0;

	pthread_mutex_lock(&verbs_lock);
	if (!verbs_other && !verbs_ready)
		err = verbs_load(errbuf, errbuf_len);
	if (!err)
		*ret_verbs = verbs_other ? verbs_other : verbs_ready;
	pthread_mutex_unlock(&verbs_lock);
	return err;
}

void nvhi_verbs_override(const struct nvhi_verbs *verbs)
{
	pthread_mutex_lock(&verbs_lock);
	verbs_other = verbs;
	pthread_mutex_unlock(&verbs_lock);
}
