/*
 * The device of target_rdma_fixture.h: a table of verbs over arrays. One thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/target_rdma_fixture.h"

struct trd trd;

static int fail_once(int *error)
{
	errno = *error;
	*error = 0;
	return errno ? -1 : 0;
}

static struct trd_conn *conn_of(struct rdma_cm_id *id)
{
	return nvhi_container_of(id, struct trd_conn, id);
}

/* ---- memory ------------------------------------------------------------------------------- */

static int fake_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	(void)context;
	*attr = trd.attr;
	return 0;
}

static int fake_query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attr)
{
	(void)context;
	(void)port;
	memset(attr, 0, sizeof(*attr));
	attr->link_layer = IBV_LINK_LAYER_ETHERNET;
	return 0;
}

static struct ibv_pd *fake_alloc_pd(struct ibv_context *context)
{
	trd.pd.context = context;
	trd.pds++;
	return &trd.pd;
}

static int fake_dealloc_pd(struct ibv_pd *pd)
{
	(void)pd;
	CU_ASSERT_EQUAL(trd.pinned, 0);
	CU_ASSERT_FALSE(trd.srq_open);
	trd.pds--;
	return 0;
}

static struct ibv_mr *fake_reg_mr(struct ibv_pd *pd, void *addr, size_t len, int access)
{
	CU_ASSERT_PTR_EQUAL(pd, &trd.pd);
	CU_ASSERT_EQUAL(access & IBV_ACCESS_REMOTE_READ, 0); /* no host reads our memory */
	if (trd.pin_limit && trd.pinned + len > trd.pin_limit) {
		errno = ENOMEM;
		return NULL;
	}
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(trd.mrs); i++) {
		struct ibv_mr *mr = &trd.mrs[i];

		if (mr->addr)
			continue;
		mr->addr = addr;
		mr->length = len;
		mr->lkey = 0x1000 + i;
		trd.pinned += len;
		return mr;
	}
	errno = ENOMEM;
	return NULL;
}

static int fake_dereg_mr(struct ibv_mr *mr)
{
	CU_ASSERT_PTR_NOT_NULL(mr->addr);
	trd.pinned -= mr->length;
	mr->addr = NULL;
	return 0;
}

static void check_local(const struct ibv_sge *sge)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(trd.mrs); i++) {
		uint64_t start = (uintptr_t)trd.mrs[i].addr;

		if (start && trd.mrs[i].lkey == sge->lkey && sge->addr >= start &&
		    sge->addr + sge->length <= start + trd.mrs[i].length)
			return;
	}
	CU_FAIL_FATAL("memory that is not registered");
}

/* ---- completions --------------------------------------------------------------------------- */

static struct ibv_comp_channel *fake_create_comp_channel(struct ibv_context *context)
{
	(void)context;
	CU_ASSERT_FALSE(trd.comp_open);
	trd.comp.fd = eventfd(0, EFD_SEMAPHORE);
	trd.comp_open = true;
	return &trd.comp;
}

static int fake_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(trd.cqs); i++)
		CU_ASSERT_FALSE(trd.cqs[i].open);
	close(channel->fd);
	trd.comp_open = false;
	return 0;
}

static struct ibv_cq *fake_create_cq(struct ibv_context *context, int cqe, void *cq_context,
				     struct ibv_comp_channel *channel, int vector)
{
	(void)context;
	(void)vector;
	CU_ASSERT_PTR_EQUAL(channel, &trd.comp);
	CU_ASSERT(cqe <= trd.attr.max_cqe);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(trd.cqs); i++) {
		struct trd_cq *cq = &trd.cqs[i];

		if (cq->open)
			continue;
		memset(cq, 0, sizeof(*cq));
		cq->open = true;
		cq->size = cqe;
		cq->cq.cq_context = cq_context;
		return &cq->cq;
	}
	errno = ENOMEM;
	return NULL;
}

static int fake_destroy_cq(struct ibv_cq *ibcq)
{
	struct trd_cq *cq = nvhi_container_of(ibcq, struct trd_cq, cq);

	for (unsigned int i = 0; i < trd.conn_count; i++)
		CU_ASSERT_FALSE(trd.conns[i].qp_open && trd.conns[i].cq == ibcq);
	CU_ASSERT_EQUAL(cq->events, cq->acked);
	cq->open = false;
	return 0;
}

static void complete(struct trd_conn *conn, const struct ibv_wc *wc, uint32_t entries)
{
	struct trd_cq *cq = nvhi_container_of(conn->cq, struct trd_cq, cq);
	unsigned int at = cq->tail++ % NVHI_ARRAY_SIZE(cq->wcs);

	CU_ASSERT_FATAL(cq->tail - cq->head <= (unsigned int)cq->size);
	cq->wcs[at] = *wc;
	cq->wcs[at].qp_num = conn->qp.qp_num;
	cq->entries[at] = entries;
	cq->of[at] = conn;
	if (cq->armed) {
		uint64_t one = 1;

		cq->armed = false;
		CU_ASSERT_EQUAL(write(trd.comp.fd, &one, sizeof(one)), sizeof(one));
	}
}

static int fake_poll_cq(struct ibv_cq *ibcq, int num, struct ibv_wc *wc)
{
	struct trd_cq *cq = nvhi_container_of(ibcq, struct trd_cq, cq);
	int got = 0;

	CU_ASSERT_TRUE_FATAL(cq->open);
	while (got < num && cq->head != cq->tail) {
		unsigned int at = cq->head++ % NVHI_ARRAY_SIZE(cq->wcs);

		cq->of[at]->sq_used -= cq->entries[at];
		wc[got++] = cq->wcs[at];
	}
	return got;
}

static int fake_req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	CU_ASSERT_EQUAL(solicited_only, 0);
	nvhi_container_of(cq, struct trd_cq, cq)->armed = true;
	return 0;
}

static int fake_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **context)
{
	uint64_t one;

	if (read(channel->fd, &one, sizeof(one)) != sizeof(one))
		return -1;
	trd.cqs[0].events++;
	*cq = &trd.cqs[0].cq;
	*context = NULL;
	return 0;
}

static void fake_ack_cq_events(struct ibv_cq *cq, unsigned int nevents)
{
	nvhi_container_of(cq, struct trd_cq, cq)->acked += nevents;
}

static const char *fake_wc_status_str(enum ibv_wc_status status)
{
	return status == IBV_WC_REM_ACCESS_ERR ? "remote access error" : "some error";
}

/* ---- queues -------------------------------------------------------------------------------- */

static struct ibv_srq *fake_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *attr)
{
	(void)pd;
	CU_ASSERT(attr->attr.max_wr <= (uint32_t)trd.attr.max_srq_wr);
	trd.srq_open = true;
	trd.srq_head = trd.srq_tail = 0;
	return &trd.srq;
}

static int fake_destroy_srq(struct ibv_srq *srq)
{
	(void)srq;
	for (unsigned int i = 0; i < trd.conn_count; i++)
		CU_ASSERT_FALSE(trd.conns[i].qp_open);
	trd.srq_open = false;
	return 0;
}

static int fake_post_srq_recv(struct ibv_srq *srq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	(void)srq;
	(void)bad;
	for (; wr; wr = wr->next) {
		unsigned int at = trd.srq_tail++ % NVHI_ARRAY_SIZE(trd.srq_q);

		check_local(wr->sg_list);
		CU_ASSERT_FATAL(trd.srq_tail - trd.srq_head <= (unsigned int)trd.attr.max_srq_wr);
		trd.srq_q[at].wr_id = wr->wr_id;
		trd.srq_q[at].addr = wr->sg_list->addr;
		trd.srq_q[at].len = wr->sg_list->length;
	}
	return 0;
}

static int fake_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct trd_conn *conn = nvhi_container_of(qp, struct trd_conn, qp);

	(void)bad;
	for (; wr; wr = wr->next) {
		unsigned int at = conn->rq_tail++ % TRD_WRS;

		check_local(wr->sg_list);
		CU_ASSERT_FATAL(conn->rq_tail - conn->rq_head <= conn->cap.max_recv_wr);
		conn->rq[at].wr_id = wr->wr_id;
		conn->rq[at].addr = wr->sg_list->addr;
		conn->rq[at].len = wr->sg_list->length;
	}
	return 0;
}

static int fake_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct trd_conn *conn = conn_of(id);

	CU_ASSERT_PTR_EQUAL(pd, &trd.pd);
	CU_ASSERT(attr->cap.max_send_wr <= (uint32_t)trd.attr.max_qp_wr);
	if (attr->cap.max_inline_data > trd.max_inline) {
		errno = EINVAL;
		return -1;
	}
	if (fail_once(&trd.qp_error))
		return -1;
	conn->cap = attr->cap;
	conn->cq = attr->send_cq;
	conn->srq = attr->srq;
	conn->qp_open = true;
	conn->qp.qp_num = 100 + (unsigned int)(conn - trd.conns);
	id->qp = &conn->qp;
	return 0;
}

static void fake_destroy_qp(struct rdma_cm_id *id)
{
	CU_ASSERT_TRUE(conn_of(id)->qp_open);
	conn_of(id)->qp_open = false;
	id->qp = NULL;
}

static int fake_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct trd_conn *conn = nvhi_container_of(qp, struct trd_conn, qp);

	CU_ASSERT_TRUE_FATAL(conn->qp_open);
	trd.send_posts++;
	if (fail_once(&trd.post_error)) {
		*bad = wr;
		return errno;
	}
	for (; wr; wr = wr->next) {
		unsigned int at = conn->sq_tail++ % TRD_WRS;

		/* What hardware does not forgive. */
		CU_ASSERT_FATAL(++conn->sq_used <= conn->cap.max_send_wr);
		CU_ASSERT_EQUAL(wr->num_sge, 1);
		conn->sq[at].wr = *wr;
		conn->sq[at].sge = *wr->sg_list;
		if (wr->send_flags & IBV_SEND_INLINE) {
			CU_ASSERT_FATAL(wr->sg_list->length <= conn->cap.max_inline_data);
			memcpy(conn->sq[at].inlined, (void *)(uintptr_t)wr->sg_list->addr,
			       wr->sg_list->length);
			conn->sq[at].sge.addr = (uintptr_t)conn->sq[at].inlined;
		} else {
			check_local(wr->sg_list);
		}
		if (wr->opcode == IBV_WR_RDMA_READ)
			CU_ASSERT_FATAL(++conn->reads <= conn->param.initiator_depth);
	}
	return 0;
}

/* ---- the device works ---------------------------------------------------------------------- */

static enum ibv_wc_status do_wr(struct trd_conn *conn, const struct ibv_send_wr *wr,
				const struct ibv_sge *sge)
{
	void *local = (void *)(uintptr_t)sge->addr;
	void *remote = (void *)(uintptr_t)wr->wr.rdma.remote_addr;

	switch (wr->opcode) {
	case IBV_WR_RDMA_READ:
		conn->reads--;
		if (wr->wr.rdma.rkey != TRD_KEY)
			return IBV_WC_REM_ACCESS_ERR;
		memcpy(local, remote, sge->length);
		return IBV_WC_SUCCESS;
	case IBV_WR_RDMA_WRITE:
		if (wr->wr.rdma.rkey != TRD_KEY)
			return IBV_WC_REM_ACCESS_ERR;
		memcpy(remote, local, sge->length);
		return IBV_WC_SUCCESS;
	default:
		CU_ASSERT_FATAL(wr->opcode == IBV_WR_SEND || wr->opcode == IBV_WR_SEND_WITH_INV);
		CU_ASSERT_EQUAL_FATAL(sge->length, sizeof(struct nvh_cpl) - conn->short_responses);
		memcpy(&conn->cpls[conn->responses], local, sge->length);
		if (wr->opcode == IBV_WR_SEND_WITH_INV)
			conn->invalidated[conn->responses] = wr->invalidate_rkey;
		conn->responses++;
		return IBV_WC_SUCCESS;
	}
}

void trd_work(struct trd_conn *conn, unsigned int count)
{
	while (count-- && conn->qp_open && conn->sq_done != conn->sq_tail && !conn->error) {
		unsigned int at = conn->sq_done++ % TRD_WRS;
		const struct ibv_send_wr *wr = &conn->sq[at].wr;
		struct ibv_wc wc = {.wr_id = wr->wr_id};

		conn->sq_pending++;
		wc.status = do_wr(conn, wr, &conn->sq[at].sge);
		if (wc.status || wr->send_flags & IBV_SEND_SIGNALED) {
			complete(conn, &wc, conn->sq_pending);
			conn->sq_pending = 0;
		}
		if (wc.status)
			trd_break(conn);
		trd_run();
	}
	trd_run();
}

void trd_break(struct trd_conn *conn)
{
	conn->error = true;
	while (conn->sq_done != conn->sq_tail) {
		struct ibv_wc wc = {.wr_id = conn->sq[conn->sq_done++ % TRD_WRS].wr.wr_id,
				    .status = IBV_WC_WR_FLUSH_ERR};

		complete(conn, &wc, 1);
	}
	while (!conn->srq && conn->rq_head != conn->rq_tail)
		complete(conn,
			 &(struct ibv_wc){.wr_id = conn->rq[conn->rq_head++ % TRD_WRS].wr_id,
					  .status = IBV_WC_WR_FLUSH_ERR},
			 0);
}

void trd_send(struct trd_conn *conn, const void *capsule, uint32_t len)
{
	struct ibv_wc wc = {.opcode = IBV_WC_RECV, .byte_len = len};
	uint64_t addr;
	uint32_t room;

	if (!conn->qp_open || conn->error)
		return;
	if (conn->srq) {
		unsigned int at = trd.srq_head++ % NVHI_ARRAY_SIZE(trd.srq_q);

		CU_ASSERT_FATAL(trd.srq_head <= trd.srq_tail);
		wc.wr_id = trd.srq_q[at].wr_id;
		addr = trd.srq_q[at].addr;
		room = trd.srq_q[at].len;
	} else {
		unsigned int at = conn->rq_head++ % TRD_WRS;

		CU_ASSERT_FATAL(conn->rq_head <= conn->rq_tail);
		wc.wr_id = conn->rq[at].wr_id;
		addr = conn->rq[at].addr;
		room = conn->rq[at].len;
	}
	if (len > room)
		wc.status = IBV_WC_LOC_LEN_ERR;
	else
		memcpy((void *)(uintptr_t)addr, capsule, len);
	complete(conn, &wc, 0);
	if (wc.status)
		trd_break(conn);
	trd_run();
}

/* ---- connection management ------------------------------------------------------------------ */

static struct rdma_event_channel *fake_create_channel(void)
{
	struct rdma_event_channel *channel = &trd.channels[trd.channel_count];

	if (trd.channel_missing) {
		errno = ENODEV;
		return NULL;
	}
	trd.channel_count++;
	channel->fd = eventfd(0, EFD_SEMAPHORE);
	return channel;
}

static void fake_destroy_channel(struct rdma_event_channel *channel)
{
	close(channel->fd);
	channel->fd = -1;
	trd.channel_count--;
}

/* Events lie in one array; an id's channel says whose each is. */
static int fake_get_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	uint64_t one;

	if (read(channel->fd, &one, sizeof(one)) != sizeof(one))
		return -1;
	for (unsigned int i = 0; i < trd.event_tail; i++) {
		struct rdma_cm_event *e = &trd.events[i];

		if (!e->id || (e->listen_id ? e->listen_id : e->id)->channel != channel)
			continue;
		*event = e;
		return 0;
	}
	return -1;
}

static int fake_ack_event(struct rdma_cm_event *event)
{
	event->id = NULL;
	memset(trd.private_data[event - trd.events], 0xee, sizeof(trd.private_data[0]));
	return 0;
}

static const char *fake_event_str(enum rdma_cm_event_type event)
{
	(void)event;
	return "an event";
}

static int fake_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **id, void *context,
			  enum rdma_port_space ps)
{
	static struct rdma_cm_id listener;

	(void)ps;
	memset(&listener, 0, sizeof(listener));
	listener.channel = channel;
	listener.context = context;
	listener.verbs = &trd.context;
	listener.port_num = 1;
	*id = trd.listener = &listener;
	return 0;
}

static int fake_destroy_id(struct rdma_cm_id *id)
{
	if (id == trd.listener) {
		trd.listener = NULL;
		return 0;
	}
	CU_ASSERT_PTR_NULL(id->qp);
	conn_of(id)->id_open = false;
	return 0;
}

static int fake_migrate_id(struct rdma_cm_id *id, struct rdma_event_channel *channel)
{
	id->channel = channel;
	return 0;
}

static int fake_set_option(struct rdma_cm_id *id, int level, int optname, void *optval, size_t len)
{
	(void)id;
	(void)level;
	(void)optname;
	(void)optval;
	(void)len;
	return 0;
}

static int fake_bind_addr(struct rdma_cm_id *id, struct sockaddr *addr)
{
	(void)id;
	(void)addr;
	return fail_once(&trd.bind_error);
}

static int fake_listen(struct rdma_cm_id *id, int backlog)
{
	(void)id;
	(void)backlog;
	return 0;
}

static __be16 fake_get_src_port(struct rdma_cm_id *id)
{
	(void)id;
	return htobe16(4420);
}

static int fake_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	struct trd_conn *conn = conn_of(id);

	CU_ASSERT_TRUE(conn->qp_open);
	conn->param = *param;
	CU_ASSERT_EQUAL_FATAL(param->private_data_len, sizeof(conn->acc));
	memcpy(&conn->acc, param->private_data, sizeof(conn->acc));
	conn->accepted = true;
	return 0;
}

static int fake_reject(struct rdma_cm_id *id, const void *private_data, uint8_t len)
{
	const struct nvh_rdma_cm_rej *rej = private_data;

	CU_ASSERT_EQUAL(len, sizeof(*rej));
	conn_of(id)->refused = true;
	conn_of(id)->refusal = nvh_le16_get(rej->sts);
	return 0;
}

static int fake_disconnect(struct rdma_cm_id *id)
{
	struct trd_conn *conn = conn_of(id);

	if (conn->disconnected)
		return 0;
	conn->disconnected = true;
	trd_break(conn);
	trd_event(conn, RDMA_CM_EVENT_DISCONNECTED);
	return 0;
}

static struct ibv_context **fake_get_devices(int *count)
{
	static struct ibv_context *none[1];

	(void)count;
	return none;
}

static void fake_free_devices(struct ibv_context **list)
{
	(void)list;
}

/* ---- life ---------------------------------------------------------------------------------- */

void trd_device_init(void)
{
	memset(&trd, 0, sizeof(trd));
	trd.verbs = (struct nvhi_verbs){
		.query_device = fake_query_device,
		.query_port = fake_query_port,
		.alloc_pd = fake_alloc_pd,
		.dealloc_pd = fake_dealloc_pd,
		.reg_mr = fake_reg_mr,
		.dereg_mr = fake_dereg_mr,
		.create_comp_channel = fake_create_comp_channel,
		.destroy_comp_channel = fake_destroy_comp_channel,
		.create_cq = fake_create_cq,
		.destroy_cq = fake_destroy_cq,
		.poll_cq = fake_poll_cq,
		.req_notify_cq = fake_req_notify_cq,
		.get_cq_event = fake_get_cq_event,
		.ack_cq_events = fake_ack_cq_events,
		.wc_status_str = fake_wc_status_str,
		.create_srq = fake_create_srq,
		.destroy_srq = fake_destroy_srq,
		.post_srq_recv = fake_post_srq_recv,
		.post_send = fake_post_send,
		.post_recv = fake_post_recv,
		.cm_create_event_channel = fake_create_channel,
		.cm_destroy_event_channel = fake_destroy_channel,
		.cm_get_event = fake_get_event,
		.cm_ack_event = fake_ack_event,
		.cm_event_str = fake_event_str,
		.cm_get_devices = fake_get_devices,
		.cm_free_devices = fake_free_devices,
		.cm_create_id = fake_create_id,
		.cm_destroy_id = fake_destroy_id,
		.cm_migrate_id = fake_migrate_id,
		.cm_set_option = fake_set_option,
		.cm_bind_addr = fake_bind_addr,
		.cm_listen = fake_listen,
		.cm_get_src_port = fake_get_src_port,
		.cm_create_qp = fake_create_qp,
		.cm_destroy_qp = fake_destroy_qp,
		.cm_accept = fake_accept,
		.cm_reject = fake_reject,
		.cm_disconnect = fake_disconnect,
	};
	strcpy(trd.device.name, "fake0");
	trd.context.device = &trd.device;
	trd.context.num_comp_vectors = 1;
	trd.attr.max_qp_wr = 400;
	trd.attr.max_cqe = 1500;
	trd.attr.max_srq = 4;
	trd.attr.max_srq_wr = 256;
	trd.attr.max_qp_init_rd_atom = 16;
	trd.attr.max_qp_rd_atom = 16;
	trd.attr.device_cap_flags = IBV_DEVICE_MEM_MGT_EXTENSIONS;
	trd.max_inline = 64;
	nvhi_verbs_override(&trd.verbs);
}
