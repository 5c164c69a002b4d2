/*
 * The device and the peer of rdma_fixture.h: a table of verbs over arrays. One thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/spec/nvme_rdma.h"
#include "tests/unit/rdma_fixture.h"

struct fake_rdma rdev;

static int fail_once(int *error)
{
	errno = *error;
	*error = 0;
	return errno ? -1 : 0;
}

static void tick(int fd)
{
	uint64_t one = 1;

	CU_ASSERT_EQUAL_FATAL(write(fd, &one, sizeof(one)), sizeof(one));
}

static bool tock(int fd)
{
	uint64_t one;

	return read(fd, &one, sizeof(one)) == sizeof(one);
}

/* ---- memory ------------------------------------------------------------------------------- */

static int fake_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	CU_ASSERT_PTR_EQUAL(context, &rdev.context);
	*attr = rdev.attr;
	return 0;
}

static int fake_query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attr)
{
	(void)context;
	CU_ASSERT_EQUAL(port, 1);
	memset(attr, 0, sizeof(*attr));
	attr->state = rdev.port;
	return 0;
}

static struct ibv_pd *fake_alloc_pd(struct ibv_context *context)
{
	rdev.pd.context = context;
	rdev.pds++;
	return &rdev.pd;
}

static int fake_dealloc_pd(struct ibv_pd *pd)
{
	(void)pd;
	CU_ASSERT_FALSE(rdev.qp_open);
	if (rdev.gone) {
		memset(rdev.mrs, 0, sizeof(rdev.mrs));
		memset(rdev.mws, 0, sizeof(rdev.mws));
		rdev.pinned = 0;
	}
	for (int i = 0; i < FAKE_MRS; i++)
		CU_ASSERT_FALSE(rdev.mrs[i].used);
	for (int i = 0; i < FAKE_MWS; i++)
		CU_ASSERT_FALSE(rdev.mws[i].used);
	rdev.pds--;
	return 0;
}

static struct ibv_mr *fake_reg_mr(struct ibv_pd *pd, void *addr, size_t len, int access)
{
	CU_ASSERT_PTR_EQUAL(pd, &rdev.pd);
	if (rdev.pin_limit && rdev.pinned + len > rdev.pin_limit) {
		errno = rdev.reg_error;
		return NULL;
	}
	for (uint32_t i = 0; i < FAKE_MRS; i++) {
		struct fake_mr *mr = &rdev.mrs[i];

		if (mr->used)
			continue;
		*mr = (struct fake_mr){.used = true, .access = access};
		mr->mr.pd = pd;
		mr->mr.addr = addr;
		mr->mr.length = len;
		mr->mr.lkey = 0x1000 + i;
		mr->mr.rkey = 0x2000 + i;
		rdev.pinned += len;
		return &mr->mr;
	}
	errno = ENOMEM;
	return NULL;
}

static int fake_dereg_mr(struct ibv_mr *ibmr)
{
	struct fake_mr *mr = nvhi_container_of(ibmr, struct fake_mr, mr);

	CU_ASSERT_TRUE(mr->used);
	CU_ASSERT_EQUAL(mr->windows, 0);
	if (rdev.gone)
		return EIO;
	mr->used = false;
	rdev.pinned -= ibmr->length;
	return 0;
}

static struct ibv_mw *fake_alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type)
{
	uint32_t count = 0;

	CU_ASSERT_EQUAL(type, IBV_MW_TYPE_2);
	for (uint32_t i = 0; i < FAKE_MWS; i++)
		count += rdev.mws[i].used;
	for (uint32_t i = 0; i < FAKE_MWS && count < rdev.mw_limit; i++) {
		struct fake_mw *mw = &rdev.mws[i];

		if (mw->used)
			continue;
		*mw = (struct fake_mw){.used = true, .rkey = (0x300 + i) << 8};
		mw->mw.pd = pd;
		mw->mw.rkey = mw->rkey;
		return &mw->mw;
	}
	errno = ENOMEM;
	return NULL;
}

static void window_close(struct fake_mw *mw)
{
	mw->bound = false;
	mw->in->windows--;
	mw->in = NULL;
}

static int fake_dealloc_mw(struct ibv_mw *ibmw)
{
	struct fake_mw *mw = nvhi_container_of(ibmw, struct fake_mw, mw);

	CU_ASSERT_TRUE(mw->used);
	if (mw->bound)
		window_close(mw);
	if (rdev.gone)
		return EIO;
	mw->used = false;
	return 0;
}

static struct fake_mr *mr_of(uint32_t key, uint64_t addr, uint64_t len, bool remote)
{
	for (int i = 0; i < FAKE_MRS; i++) {
		struct fake_mr *mr = &rdev.mrs[i];
		uint64_t start = (uintptr_t)mr->mr.addr;

		if (mr->used && key == (remote ? mr->mr.rkey : mr->mr.lkey) && addr >= start &&
		    addr + len <= start + mr->mr.length)
			return mr;
	}
	return NULL;
}

static struct fake_mw *window_of(uint32_t rkey)
{
	for (int i = 0; i < FAKE_MWS; i++)
		if (rdev.mws[i].used && rdev.mws[i].bound && rdev.mws[i].rkey == rkey)
			return &rdev.mws[i];
	return NULL;
}

/* ---- completions --------------------------------------------------------------------------- */

static struct ibv_comp_channel *fake_create_comp_channel(struct ibv_context *context)
{
	if (fail_once(&rdev.cq_error))
		return NULL;
	rdev.comp.context = context;
	rdev.comp.fd = eventfd(0, EFD_SEMAPHORE);
	rdev.comp_open = true;
	return &rdev.comp;
}

static int fake_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	CU_ASSERT_FALSE(rdev.cq_open);
	close(channel->fd);
	rdev.comp_open = false;
	return 0;
}

static struct ibv_cq *fake_create_cq(struct ibv_context *context, int cqe, void *cq_context,
				     struct ibv_comp_channel *channel, int comp_vector)
{
	(void)context;
	CU_ASSERT_PTR_EQUAL(channel, &rdev.comp);
	CU_ASSERT(comp_vector < rdev.context.num_comp_vectors);
	CU_ASSERT(cqe <= rdev.attr.max_cqe);
	rdev.cq.cq_context = cq_context;
	rdev.cqe = cqe;
	rdev.cq_open = true;
	rdev.wc_head = rdev.wc_tail = 0;
	rdev.cq_events = rdev.cq_acked = 0;
	rdev.armed = false;
	return &rdev.cq;
}

static int fake_destroy_cq(struct ibv_cq *cq)
{
	(void)cq;
	CU_ASSERT_FALSE(rdev.qp_open);
	CU_ASSERT_EQUAL(rdev.cq_events, rdev.cq_acked);
	rdev.cq_open = false;
	return 0;
}

static void complete(const struct ibv_wc *wc, uint32_t entries)
{
	CU_ASSERT_FATAL(rdev.wc_tail - rdev.wc_head < (unsigned int)rdev.cqe);
	rdev.wcs[rdev.wc_tail % FAKE_WCS] = *wc;
	rdev.wc_entries[rdev.wc_tail++ % FAKE_WCS] = entries;
	if (rdev.armed) {
		rdev.armed = false;
		tick(rdev.comp.fd);
	}
}

static int fake_poll_cq(struct ibv_cq *cq, int num, struct ibv_wc *wc)
{
	int got = 0;

	(void)cq;
	CU_ASSERT_TRUE(rdev.cq_open);
	rdev.polls++;
	while (got < num && rdev.wc_head != rdev.wc_tail) {
		wc[got++] = rdev.wcs[rdev.wc_head % FAKE_WCS];
		rdev.sq_used -= rdev.wc_entries[rdev.wc_head++ % FAKE_WCS];
	}
	return got;
}

static int fake_req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	(void)cq;
	CU_ASSERT_EQUAL(solicited_only, 0);
	if (fail_once(&rdev.arm_error))
		return -1;
	if (rdev.respond_when_armed) {
		rdev_respond(rdev.respond_when_armed, 0, 0, true);
		rdev.respond_when_armed = NULL;
	}
	rdev.armed = true;
	rdev.arms++;
	return 0;
}

static int fake_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **context)
{
	if (!tock(channel->fd))
		return -1;
	rdev.cq_events++;
	*cq = &rdev.cq;
	*context = rdev.cq.cq_context;
	return 0;
}

static void fake_ack_cq_events(struct ibv_cq *cq, unsigned int nevents)
{
	(void)cq;
	rdev.cq_acked += (int)nevents;
}

static const char *fake_wc_status_str(enum ibv_wc_status status)
{
	return status == IBV_WC_REM_ACCESS_ERR ? "remote access error" : "some error";
}

/* ---- queue pair ---------------------------------------------------------------------------- */

static int fake_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	CU_ASSERT_PTR_EQUAL(pd, &rdev.pd);
	CU_ASSERT(attr->cap.max_send_wr + attr->cap.max_recv_wr <= (uint32_t)rdev.cqe);
	CU_ASSERT(attr->cap.max_send_wr <= (uint32_t)rdev.attr.max_qp_wr);
	CU_ASSERT(attr->cap.max_recv_wr <= (uint32_t)rdev.attr.max_qp_wr);
	CU_ASSERT(attr->cap.max_send_sge <= (uint32_t)rdev.attr.max_sge);
	if (attr->cap.max_inline_data > rdev.max_inline) {
		errno = EINVAL;
		return -1;
	}
	if (fail_once(&rdev.qp_error))
		return -1;
	attr->cap.max_inline_data = rdev.max_inline;
	rdev.cap = attr->cap;
	rdev.qp_open = true;
	rdev.error = false;
	rdev.recv_head = rdev.recv_tail = rdev.held_head = rdev.held_tail = 0;
	rdev.sq_used = rdev.sq_pending = 0;
	id->qp = &rdev.qp;
	return 0;
}

static void fake_destroy_qp(struct rdma_cm_id *id)
{
	CU_ASSERT_TRUE(rdev.qp_open);
	/* A bound window holds on to its queue pair (rdma_rxe waits, with a warning). */
	for (int i = 0; i < FAKE_MWS; i++)
		CU_ASSERT_FALSE(rdev.mws[i].used && rdev.mws[i].bound);
	rdev.qp_open = false;
	id->qp = NULL;
}

static int fake_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	(void)qp;
	(void)attr;
	(void)mask;
	return 0;
}

static int fake_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	(void)bad;
	CU_ASSERT_PTR_EQUAL(qp, &rdev.qp);
	CU_ASSERT_TRUE_FATAL(rdev.qp_open);
	rdev.recv_posts++;
	for (; wr; wr = wr->next) {
		CU_ASSERT_EQUAL(wr->num_sge, 1);
		CU_ASSERT_PTR_NOT_NULL(
			mr_of(wr->sg_list->lkey, wr->sg_list->addr, wr->sg_list->length, false));
		CU_ASSERT_FATAL(rdev.recv_tail - rdev.recv_head < rdev.cap.max_recv_wr);
		rdev.recvs[rdev.recv_tail % FAKE_SENDS].wr_id = wr->wr_id;
		rdev.recvs[rdev.recv_tail % FAKE_SENDS].addr = wr->sg_list->addr;
		rdev.recvs[rdev.recv_tail++ % FAKE_SENDS].len = wr->sg_list->length;
	}
	return 0;
}

static void send_bind(const struct ibv_send_wr *wr)
{
	struct fake_mw *mw = nvhi_container_of(wr->bind_mw.mw, struct fake_mw, mw);
	const struct ibv_mw_bind_info *info = &wr->bind_mw.bind_info;
	struct fake_mr *mr = nvhi_container_of(info->mr, struct fake_mr, mr);

	rdev.binds++;
	CU_ASSERT_TRUE_FATAL(mw->used);
	CU_ASSERT_FALSE(mw->bound);
	CU_ASSERT_EQUAL(mw->mw.rkey, mw->rkey); /* how providers find it */
	CU_ASSERT_EQUAL(wr->bind_mw.rkey >> 8, mw->rkey >> 8);
	CU_ASSERT_NOT_EQUAL(wr->bind_mw.rkey, mw->rkey);
	CU_ASSERT_TRUE(mr->used && (mr->access & IBV_ACCESS_MW_BIND));
	CU_ASSERT_PTR_NOT_NULL(mr_of(mr->mr.lkey, info->addr, info->length, false));
	CU_ASSERT(info->length > 0);
	mw->rkey = wr->bind_mw.rkey;
	mw->bound = true;
	mw->in = mr;
	mw->addr = info->addr;
	mw->len = info->length;
	mw->access = (int)info->mw_access_flags;
	mr->windows++;
}

static void send_capsule(const struct ibv_send_wr *wr)
{
	struct fake_capsule *capsule = &rdev.capsules[rdev.capsule_tail++ % FAKE_SENDS];
	uint8_t bytes[sizeof(struct nvh_cmd) + FAKE_CAPSULE];
	uint32_t len = 0;

	CU_ASSERT_FATAL(wr->num_sge >= 1 && (uint32_t)wr->num_sge <= rdev.cap.max_send_sge);
	for (int i = 0; i < wr->num_sge; i++) {
		const struct ibv_sge *sge = &wr->sg_list[i];

		CU_ASSERT_FATAL(len + sge->length <= sizeof(bytes));
		CU_ASSERT_PTR_NOT_NULL(mr_of(sge->lkey, sge->addr, sge->length, false));
		memcpy(bytes + len, (void *)(uintptr_t)sge->addr, sge->length);
		len += sge->length;
	}
	if (wr->send_flags & IBV_SEND_INLINE) {
		CU_ASSERT(len <= rdev.cap.max_inline_data);
		rdev.inlined++;
	}
	CU_ASSERT_FATAL(len >= sizeof(capsule->cmd));
	memcpy(&capsule->cmd, bytes, sizeof(capsule->cmd));
	capsule->len = len - (uint32_t)sizeof(capsule->cmd);
	memcpy(capsule->data, bytes + sizeof(capsule->cmd), capsule->len);
}

static enum ibv_wc_opcode send_one(const struct ibv_send_wr *wr)
{
	struct fake_mw *mw;

	switch (wr->opcode) {
	case IBV_WR_BIND_MW:
		send_bind(wr);
		return IBV_WC_BIND_MW;
	case IBV_WR_LOCAL_INV:
		rdev.local_invs++;
		mw = window_of(wr->invalidate_rkey);
		CU_ASSERT_PTR_NOT_NULL_FATAL(mw); /* twice makes rdma_rxe's kernel crash */
		window_close(mw);
		return IBV_WC_LOCAL_INV;
	default:
		CU_ASSERT_EQUAL_FATAL(wr->opcode, IBV_WR_SEND);
		send_capsule(wr);
		return IBV_WC_SEND;
	}
}

static int fake_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	CU_ASSERT_PTR_EQUAL(qp, &rdev.qp);
	CU_ASSERT_TRUE_FATAL(rdev.qp_open);
	rdev.send_posts++;
	if (fail_once(&rdev.post_error)) {
		*bad = wr;
		return errno;
	}
	for (; wr; wr = wr->next) {
		struct ibv_wc wc = {.wr_id = wr->wr_id};

		/* What hardware does not forgive: an entry beyond the queue's size. */
		CU_ASSERT_FATAL(rdev.sq_used < rdev.cap.max_send_wr);
		rdev.sq_used++;
		rdev.sq_pending++;
		if (rdev.sq_used > rdev.sq_peak)
			rdev.sq_peak = rdev.sq_used;
		wc.opcode = send_one(wr);
		if (!(wr->send_flags & IBV_SEND_SIGNALED))
			continue;
		if (rdev.hold_sends) {
			rdev.held[rdev.held_tail % FAKE_SENDS].wr_id = wr->wr_id;
			rdev.held[rdev.held_tail % FAKE_SENDS].opcode = wc.opcode;
			rdev.held[rdev.held_tail++ % FAKE_SENDS].entries = rdev.sq_pending;
		} else {
			complete(&wc, rdev.sq_pending);
		}
		rdev.sq_pending = 0;
	}
	return 0;
}

/* ---- connection management ------------------------------------------------------------------ */

static struct rdma_event_channel *fake_create_channel(void)
{
	if (fail_once(&rdev.channel_error))
		return NULL;
	rdev.channel.fd = eventfd(0, EFD_SEMAPHORE);
	rdev.channel_open = true;
	return &rdev.channel;
}

static void fake_destroy_channel(struct rdma_event_channel *channel)
{
	CU_ASSERT_FALSE(rdev.id_open);
	close(channel->fd);
	rdev.channel_open = false;
}

static int fake_get_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	if (!tock(channel->fd)) {
		errno = EAGAIN;
		return -1;
	}
	*event = &rdev.events[rdev.event_head++ % FAKE_EVENTS];
	rdev.unacked++;
	return 0;
}

static int fake_ack_event(struct rdma_cm_event *event)
{
	/* The library frees it. */
	memset(rdev.private_data[event - rdev.events], 0xee, sizeof(rdev.private_data[0]));
	memset(event, 0xee, sizeof(*event));
	rdev.unacked--;
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
	CU_ASSERT_EQUAL(ps, RDMA_PS_TCP);
	memset(&rdev.id, 0, sizeof(rdev.id));
	rdev.id.channel = channel;
	rdev.id.context = context;
	rdev.id_open = true;
	*id = &rdev.id;
	return 0;
}

static int fake_destroy_id(struct rdma_cm_id *id)
{
	CU_ASSERT_EQUAL(rdev.unacked, 0); /* it would wait for ever */
	CU_ASSERT_PTR_NULL(id->qp);
	rdev.id_open = rdev.connected = false;
	while (rdev.event_head != rdev.event_tail) {
		tock(rdev.channel.fd);
		rdev.event_head++;
	}
	return 0;
}

static int fake_set_option(struct rdma_cm_id *id, int level, int optname, void *optval, size_t len)
{
	(void)id;
	CU_ASSERT_EQUAL(level, RDMA_OPTION_ID);
	CU_ASSERT_EQUAL(optname, RDMA_OPTION_ID_TOS);
	CU_ASSERT_EQUAL(len, 1);
	rdev.tos = *(uint8_t *)optval;
	return 0;
}

static int fake_resolve_addr(struct rdma_cm_id *id, struct sockaddr *src, struct sockaddr *dst,
			     int timeout_ms)
{
	(void)id;
	CU_ASSERT(timeout_ms > 0);
	if (fail_once(&rdev.resolve_error))
		return -1;
	rdev.from_any = !src;
	if (src)
		memcpy(&rdev.resolved_from, src, sizeof(struct sockaddr_in));
	memcpy(&rdev.resolved_to, dst, sizeof(struct sockaddr_in));
	return 0;
}

static int fake_resolve_route(struct rdma_cm_id *id, int timeout_ms)
{
	(void)id;
	CU_ASSERT(timeout_ms > 0);
	return fail_once(&rdev.route_error);
}

static int fake_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	CU_ASSERT_PTR_NOT_NULL(id->qp);
	if (fail_once(&rdev.connect_error))
		return -1;
	rdev.param = *param;
	CU_ASSERT_FATAL(param->private_data_len <= sizeof(rdev.request_data));
	memcpy(rdev.request_data, param->private_data, param->private_data_len);
	rdev.request = (struct nvh_rdma_cm_req *)rdev.request_data;
	return 0;
}

static int fake_disconnect(struct rdma_cm_id *id)
{
	(void)id;
	rdev.connected = false;
	rdev.error = true;
	return 0;
}

static struct ibv_context **fake_get_devices(int *count)
{
	static struct ibv_context *none[1];

	(void)count;
	rdev.sweeps++;
	return none;
}

static void fake_free_devices(struct ibv_context **list)
{
	(void)list;
}

/* ---- life ---------------------------------------------------------------------------------- */

void rdev_rdma_init(void)
{
	memset(&rdev, 0, sizeof(rdev));
	rdev.verbs = (struct nvhi_verbs){
		.query_device = fake_query_device,
		.query_port = fake_query_port,
		.alloc_pd = fake_alloc_pd,
		.dealloc_pd = fake_dealloc_pd,
		.reg_mr = fake_reg_mr,
		.dereg_mr = fake_dereg_mr,
		.alloc_mw = fake_alloc_mw,
		.dealloc_mw = fake_dealloc_mw,
		.create_comp_channel = fake_create_comp_channel,
		.destroy_comp_channel = fake_destroy_comp_channel,
		.create_cq = fake_create_cq,
		.destroy_cq = fake_destroy_cq,
		.poll_cq = fake_poll_cq,
		.req_notify_cq = fake_req_notify_cq,
		.get_cq_event = fake_get_cq_event,
		.ack_cq_events = fake_ack_cq_events,
		.wc_status_str = fake_wc_status_str,
		.modify_qp = fake_modify_qp,
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
		.cm_set_option = fake_set_option,
		.cm_resolve_addr = fake_resolve_addr,
		.cm_resolve_route = fake_resolve_route,
		.cm_create_qp = fake_create_qp,
		.cm_destroy_qp = fake_destroy_qp,
		.cm_connect = fake_connect,
		.cm_disconnect = fake_disconnect,
	};
	strcpy(rdev.device.name, "fake0");
	rdev.context.device = &rdev.device;
	rdev.context.num_comp_vectors = 2;
	rdev.attr.max_qp_wr = 4096;
	rdev.attr.max_cqe = 8192;
	rdev.attr.max_sge = 4;
	rdev.attr.max_qp_rd_atom = 16;
	rdev.attr.max_mw = FAKE_MWS;
	rdev.attr.device_cap_flags = IBV_DEVICE_MEM_WINDOW_TYPE_2B;
	rdev.port = IBV_PORT_ACTIVE;
	rdev.max_inline = 64;
	rdev.mw_limit = FAKE_MWS;
	rdev.reg_error = ENOMEM;
	rdev.tos = -1;
	nvhi_verbs_override(&rdev.verbs);
}

void rdev_rdma_done(void)
{
	CU_ASSERT_FALSE(rdev.channel_open);
	CU_ASSERT_FALSE(rdev.id_open);
	CU_ASSERT_FALSE(rdev.qp_open);
	CU_ASSERT_FALSE(rdev.cq_open);
	CU_ASSERT_FALSE(rdev.comp_open);
	CU_ASSERT_EQUAL(rdev.pds, 0);
	CU_ASSERT_EQUAL(rdev.pinned, 0);
	nvhi_verbs_override(NULL);
}

/* ---- the peer ------------------------------------------------------------------------------ */

void rdev_event(enum rdma_cm_event_type type, int status, const void *private_data, uint8_t len)
{
	unsigned int at = rdev.event_tail++ % FAKE_EVENTS;
	struct rdma_cm_event *event = &rdev.events[at];

	memset(event, 0, sizeof(*event));
	event->id = &rdev.id;
	event->event = type;
	event->status = status;
	if (type == RDMA_CM_EVENT_ADDR_RESOLVED && status == 0) {
		rdev.id.verbs = &rdev.context;
		rdev.id.port_num = 1;
	}
	if (type == RDMA_CM_EVENT_ESTABLISHED)
		rdev.connected = true;
	if (len) {
		memcpy(rdev.private_data[at], private_data, len);
		event->param.conn.private_data = rdev.private_data[at];
		event->param.conn.private_data_len = len;
	}
	tick(rdev.channel.fd);
}

void rdev_accept(uint16_t crqsize)
{
	struct nvh_rdma_cm_acc acc;

	memset(&acc, 0, sizeof(acc));
	nvh_le16_put(&acc.crqsize, crqsize);
	rdev_event(RDMA_CM_EVENT_ESTABLISHED, 0, &acc, sizeof(acc));
}

struct fake_capsule *rdev_command(void)
{
	if (rdev.capsule_head == rdev.capsule_tail)
		return NULL;
	return &rdev.capsules[rdev.capsule_head++ % FAKE_SENDS];
}

void rdev_response_raw(const void *data, uint32_t len, uint32_t rkey)
{
	struct ibv_wc wc = {.opcode = IBV_WC_RECV, .byte_len = len};
	unsigned int at = rdev.recv_head % FAKE_SENDS;

	/* No receive for it: the credits were overrun. */
	CU_ASSERT_FATAL(rdev.recv_head != rdev.recv_tail);
	rdev.recv_head++;
	wc.wr_id = rdev.recvs[at].wr_id;
	if (len > rdev.recvs[at].len) {
		wc.status = IBV_WC_LOC_LEN_ERR;
		rdev.error = true;
	} else {
		memcpy((void *)(uintptr_t)rdev.recvs[at].addr, data, len);
	}
	if (rkey) {
		struct fake_mw *mw = window_of(rkey);

		if (mw)
			window_close(mw);
		wc.wc_flags = rdev.rxe_flags ? IBV_WC_IP_CSUM_OK : IBV_WC_WITH_INV;
		wc.invalidated_rkey = rkey;
	}
	complete(&wc, 0);
}

static uint32_t key_of(const struct fake_capsule *capsule)
{
	return nvh_le32_get(capsule->cmd.dptr.ksgl.key);
}

void rdev_respond(const struct fake_capsule *capsule, uint16_t status, uint64_t dw0,
		  bool invalidate)
{
	struct nvh_cpl cpl;

	memset(&cpl, 0, sizeof(cpl));
	nvh_le32_put(&cpl.dw0, (uint32_t)dw0);
	nvh_le16_put(&cpl.sqhd, rq.sqhd);
	cpl.cid = capsule->cmd.cid;
	nvh_cpl_set_status(&cpl, status);
	rdev_response_raw(&cpl, sizeof(cpl), invalidate ? key_of(capsule) : 0);
}

/* Where the controller may reach by the descriptor; NULL: the device refuses, and breaks the pair.
 */
static void *reach(const struct fake_capsule *capsule, uint32_t offset, uint32_t len, int access)
{
	uint64_t addr = nvh_le64_get(capsule->cmd.dptr.ksgl.addr) + offset;
	struct fake_mw *mw = window_of(key_of(capsule));
	struct fake_mr *mr = mr_of(key_of(capsule), addr, len, true);

	if (rdev.qp_open && !rdev.error &&
	    ((mw && (mw->access & access) && addr >= mw->addr &&
	      addr + len <= mw->addr + mw->len) ||
	     (mr && (mr->access & access))))
		return (void *)(uintptr_t)addr;
	rdev.error = true;
	return NULL;
}

bool rdev_write(const struct fake_capsule *capsule, uint32_t offset, const void *data, uint32_t len)
{
	void *at = reach(capsule, offset, len, IBV_ACCESS_REMOTE_WRITE);

	if (at)
		memcpy(at, data, len);
	return at;
}

bool rdev_read(const struct fake_capsule *capsule, uint32_t offset, void *data, uint32_t len)
{
	void *at = reach(capsule, offset, len, IBV_ACCESS_REMOTE_READ);

	if (at)
		memcpy(data, at, len);
	return at;
}

bool rdev_key_open(uint32_t rkey)
{
	return rdev.qp_open && !rdev.error && window_of(rkey);
}

void rdev_sent(unsigned int count)
{
	while (count-- && rdev.held_head != rdev.held_tail) {
		unsigned int at = rdev.held_head++ % FAKE_SENDS;

		complete(&(struct ibv_wc){.wr_id = rdev.held[at].wr_id,
					  .opcode = rdev.held[at].opcode},
			 rdev.held[at].entries);
	}
}

void rdev_break(enum ibv_wc_status status)
{
	rdev.error = true;
	while (rdev.recv_head != rdev.recv_tail) {
		struct ibv_wc wc = {.wr_id = rdev.recvs[rdev.recv_head++ % FAKE_SENDS].wr_id,
				    .status = status};

		complete(&wc, 0);
		status = IBV_WC_WR_FLUSH_ERR;
	}
}
