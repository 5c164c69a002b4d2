/*
 * libibverbs and librdmacm as a table of functions, filled on first use: the libraries are opened
 * then (dlopen), so a process that speaks TCP only neither needs them nor scans for devices. Tests
 * give the layers above a table of their own.
 *
 * Slots have the names and meaning of the functions they stand for (ibv_ left out, rdma_ as cm_);
 * those that are inline in the headers are calls here. Any thread, as the libraries allow.
 */
#ifndef NVHI_FABRIC_RDMA_VERBS_H
#define NVHI_FABRIC_RDMA_VERBS_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stddef.h>

struct nvhi_verbs {
	/* device */
	int (*query_device)(struct ibv_context *context, struct ibv_device_attr *attr);
	int (*query_port)(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attr);
	int (*get_async_event)(struct ibv_context *context, struct ibv_async_event *event);
	void (*ack_async_event)(struct ibv_async_event *event);
	/* memory */
	struct ibv_pd *(*alloc_pd)(struct ibv_context *context);
	int (*dealloc_pd)(struct ibv_pd *pd);
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t len, int access);
	int (*dereg_mr)(struct ibv_mr *mr);
	struct ibv_mw *(*alloc_mw)(struct ibv_pd *pd, enum ibv_mw_type type);
	int (*dealloc_mw)(struct ibv_mw *mw);
	/* completion */
	struct ibv_comp_channel *(*create_comp_channel)(struct ibv_context *context);
	int (*destroy_comp_channel)(struct ibv_comp_channel *channel);
	struct ibv_cq *(*create_cq)(struct ibv_context *context, int cqe, void *cq_context,
				    struct ibv_comp_channel *channel, int comp_vector);
	int (*destroy_cq)(struct ibv_cq *cq);
	int (*poll_cq)(struct ibv_cq *cq, int num, struct ibv_wc *wc);
	int (*req_notify_cq)(struct ibv_cq *cq, int solicited_only);
	int (*get_cq_event)(struct ibv_comp_channel *channel, struct ibv_cq **cq,
			    void **cq_context);
	void (*ack_cq_events)(struct ibv_cq *cq, unsigned int nevents);
	const char *(*wc_status_str)(enum ibv_wc_status status);
	/* queue pairs */
	struct ibv_srq *(*create_srq)(struct ibv_pd *pd, struct ibv_srq_init_attr *attr);
	int (*destroy_srq)(struct ibv_srq *srq);
	int (*post_srq_recv)(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);
	int (*modify_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask);
	int (*query_qp)(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask,
			struct ibv_qp_init_attr *init);
	int (*post_send)(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad);
	int (*post_recv)(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);
	/* connection management */
	struct rdma_event_channel *(*cm_create_event_channel)(void);
	void (*cm_destroy_event_channel)(struct rdma_event_channel *channel);
	int (*cm_get_event)(struct rdma_event_channel *channel, struct rdma_cm_event **event);
	int (*cm_ack_event)(struct rdma_cm_event *event);
	const char *(*cm_event_str)(enum rdma_cm_event_type event);
	struct ibv_context **(*cm_get_devices)(int *num_devices);
	void (*cm_free_devices)(struct ibv_context **list);
	int (*cm_create_id)(struct rdma_event_channel *channel, struct rdma_cm_id **id,
			    void *context, enum rdma_port_space ps);
	int (*cm_destroy_id)(struct rdma_cm_id *id);
	int (*cm_migrate_id)(struct rdma_cm_id *id, struct rdma_event_channel *channel);
	int (*cm_set_option)(struct rdma_cm_id *id, int level, int optname, void *optval,
			     size_t optlen);
	int (*cm_bind_addr)(struct rdma_cm_id *id, struct sockaddr *addr);
	int (*cm_resolve_addr)(struct rdma_cm_id *id, struct sockaddr *src, struct sockaddr *dst,
			       int timeout_ms);
	int (*cm_resolve_route)(struct rdma_cm_id *id, int timeout_ms);
	int (*cm_create_qp)(struct rdma_cm_id *id, struct ibv_pd *pd,
			    struct ibv_qp_init_attr *attr);
	void (*cm_destroy_qp)(struct rdma_cm_id *id);
	int (*cm_connect)(struct rdma_cm_id *id, struct rdma_conn_param *param);
	int (*cm_listen)(struct rdma_cm_id *id, int backlog);
	int (*cm_accept)(struct rdma_cm_id *id, struct rdma_conn_param *param);
	int (*cm_reject)(struct rdma_cm_id *id, const void *private_data, uint8_t len);
	int (*cm_disconnect)(struct rdma_cm_id *id);
	int (*cm_notify)(struct rdma_cm_id *id, enum ibv_event_type event);
	__be16 (*cm_get_src_port)(struct rdma_cm_id *id);
	__be16 (*cm_get_dst_port)(struct rdma_cm_id *id);
};

/*
 * Opens the libraries once for the process (a failure is tried again by the next call) and makes
 * them safe for a process that forks to exec. Neither tells whether there is a device.
 * -ENOSYS: a library or a symbol is missing: `errbuf` gets one line with what to install. Any
 * thread; may take a few milliseconds the first time.
 */
int nvhi_verbs_open(char *errbuf, size_t errbuf_len, const struct nvhi_verbs **ret_verbs);

/* Tests: what nvhi_verbs_open gives from now on; NULL: the libraries again. */
void nvhi_verbs_override(const struct nvhi_verbs *verbs);

#endif
