/*
 * The beginning of a connection: on the management reactor its id is sent to a poll group; there it
 * gets what it needs (requests, receive queue, completion queue, queue pair) and is accepted, or
 * refused for want of that. And the end of what it has. NVMe/RDMA Transport Specification 1.1
 * section 3.3.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "target-lite/rdma/rdma_impl.h"

/* Send queue entries beyond a command's usual two (data and response). */
#define CONN_SQ_EXTRA (2 * TL_RDMA_SGLS_MAX)

/* ---- what a connection needs ---------------------------------------------------------------- */

void tl_rdma_conn_free(struct tl_rdma_conn *conn)
{
	struct tl_rdma_dev *dev = conn->dev;

	if (dev) {
		if (conn->cq)
			tl_rdma_cq_put(dev, conn->cq, conn->cq_need);
		if (conn->srq_reserved)
			dev->srq_reserved -= conn->depth;
		tl_rdma_rq_done(dev, &conn->own_rq);
		nvhi_rdma_dereg(dev->dev, conn->cpls_mr);
		tl_rdma_dev_put(dev);
	}
	if (conn->map)
		munmap(conn->map, conn->map_size);
	free(conn);
}

/* Requests for twice the queue: a response may be seen by the host before its completion by us. */
static int conn_map(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	conn->req_count = conn->depth * 2;
	conn->cpls_size = (conn->req_count * sizeof(struct nvh_cpl) + 4095) & ~(size_t)4095;
	conn->map_size = conn->cpls_size + (size_t)conn->req_count * sizeof(struct tl_rdma_req);
	conn->map = mmap(NULL, conn->map_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (conn->map == MAP_FAILED) {
		conn->map = NULL;
		snprintf(errbuf, errbuf_len, "no memory for %u requests", conn->req_count);
		return -ENOMEM;
	}
	conn->cpls = conn->map;
	conn->reqs = (void *)((uint8_t *)conn->map + conn->cpls_size);
	return nvhi_rdma_reg(conn->dev->dev, conn->cpls, conn->cpls_size, 0, "responses", errbuf,
			     errbuf_len, &conn->cpls_mr);
}

/* The shared receive queue; on iWARP only with an entry for each command. */
static int conn_rq(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	struct tl_rdma_dev *dev = conn->dev;

	if (dev->has_srq && !dev->dev->iwarp) {
		conn->rq = &dev->srq;
		return 0;
	}
	if (dev->has_srq && dev->srq_reserved + conn->depth <= dev->srq.count) {
		conn->rq = &dev->srq;
		conn->srq_reserved = true;
		dev->srq_reserved += conn->depth;
		return 0;
	}
	conn->rq = &conn->own_rq;
	return tl_rdma_rq_init(dev, conn->rq, conn->depth + 1, errbuf, errbuf_len);
}

static uint32_t conn_sq_size(const struct tl_rdma_conn *conn)
{
	uint32_t size = conn->depth * 2 + CONN_SQ_EXTRA;
	uint32_t most = (uint32_t)conn->dev->dev->attr.max_qp_wr;

	return size < most ? size : most;
}

static int conn_qp(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	struct tl_rdma_dev *dev = conn->dev;
	bool own = conn->rq == &conn->own_rq;
	struct ibv_qp_init_attr attr = {
		.send_cq = conn->cq->cq,
		.recv_cq = conn->cq->cq,
		.srq = own ? NULL : conn->rq->srq,
		.cap = {.max_send_wr = conn->sq_size,
			.max_recv_wr = own ? conn->rq->count : 0,
			.max_send_sge = 1,
			.max_recv_sge = own ? 1 : 0,
			.max_inline_data = sizeof(struct nvh_cpl)},
		.qp_type = IBV_QPT_RC,
	};
	struct ibv_qp_init_attr plain = attr;

	conn->inlined = true;
	if (dev->dev->verbs->cm_create_qp(conn->id.cm_id, dev->dev->pd, &attr)) {
		plain.cap.max_inline_data = 0;
		conn->inlined = false;
		if (dev->dev->verbs->cm_create_qp(conn->id.cm_id, dev->dev->pd, &plain)) {
			int err = errno ? -errno : -ENOMEM;

			snprintf(errbuf, errbuf_len, "%s: no queue pair of %u and %u entries: %s",
				 nvhi_rdma_dev_name(dev->dev), conn->sq_size, conn->depth,
				 strerror(-err));
			return err;
		}
	}
	conn->qp_num = conn->id.cm_id->qp->qp_num;
	nvhi_list_add_head(&dev->conns[conn->qp_num % TL_RDMA_HASH], &conn->hash_link);
	conn->sq_free = conn->sq_size;
	if (!own)
		return 0;
	conn->rq->qp = conn->id.cm_id->qp;
	tl_rdma_rq_give_all(conn->rq);
	return tl_rdma_rq_post(dev, conn->rq);
}

static int conn_prepare(struct tl_rdma_conn *conn, char *errbuf, size_t errbuf_len)
{
	int err = tl_rdma_dev_get(conn->tg, conn->id.cm_id->verbs, errbuf, errbuf_len, &conn->dev);
	uint32_t most;

	if (err)
		return err;
	most = (uint32_t)conn->dev->dev->attr.max_qp_init_rd_atom;
	if (conn->reads_max > most)
		conn->reads_max = most;
	if (!conn->reads_max) {
		snprintf(errbuf, errbuf_len, "%s does no RDMA READ",
			 nvhi_rdma_dev_name(conn->dev->dev));
		return -ENOTSUP;
	}
	conn->reads_free = conn->reads_max;
	if (conn->responder > conn->dev->dev->attr.max_qp_rd_atom)
		conn->responder = (uint8_t)conn->dev->dev->attr.max_qp_rd_atom;
	err = conn_map(conn, errbuf, errbuf_len);
	if (!err)
		err = conn_rq(conn, errbuf, errbuf_len);
	if (err)
		return err;
	conn->sq_size = conn_sq_size(conn);
	conn->cq_need = conn->sq_size + (conn->rq == &conn->own_rq ? conn->rq->count : 0);
	err = tl_rdma_cq_get(conn->dev, conn->cq_need, errbuf, errbuf_len, &conn->cq);
	return err ? err : conn_qp(conn, errbuf, errbuf_len);
}

/* ---- the beginning -------------------------------------------------------------------------- */

static int conn_accept(struct tl_rdma_conn *conn)
{
	const struct nvhi_verbs *verbs = conn->id.verbs;
	uint32_t ack_timeout = tl_rdma_opts(conn->tg)->ack_timeout;
	struct nvh_rdma_cm_acc acc;
	struct rdma_conn_param param = {
		.private_data = &acc,
		.private_data_len = sizeof(acc),
		.responder_resources = conn->responder,
		.initiator_depth = (uint8_t)conn->reads_max,
		.flow_control = 1,
		.retry_count = 7,
		.rnr_retry_count = 7,
	};

	memset(&acc, 0, sizeof(acc));
	nvh_le16_put(&acc.recfmt, NVH_RDMA_CM_RECFMT);
	nvh_le16_put(&acc.crqsize, (uint16_t)(conn->depth > 65535 ? 65535 : conn->depth));
	if (ack_timeout) {
		uint8_t value = (uint8_t)ack_timeout;

		verbs->cm_set_option(conn->id.cm_id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT,
				     &value, sizeof(value));
	}
	return verbs->cm_accept(conn->id.cm_id, &param) ? -errno : 0;
}

static void conn_refuse(struct tl_rdma_conn *conn)
{
	if (conn->id.cm_id->qp) {
		nvhi_list_del(&conn->hash_link);
		conn->id.verbs->cm_destroy_qp(conn->id.cm_id);
	}
	nvhi_rdma_refuse(conn->id.verbs, conn->id.cm_id, NVH_RDMA_CM_NO_RESOURCES);
	tl_rdma_conn_free(conn);
}

static void conn_arrived(struct nvhi_msg *msg)
{
	struct tl_rdma_conn *conn = nvhi_container_of(msg, struct tl_rdma_conn, msg);
	struct tl_poll_group *group = conn->tg->group;
	char text[300];
	int err;

	if (conn->gone || group->stopping || group->stopped) {
		conn_refuse(conn);
		return;
	}
	err = conn_prepare(conn, text, sizeof(text));
	if (err) {
		nvhi_log(WARN, RDMA, "%s: refused (no resources): %s", conn->qpair.peer, text);
		conn_refuse(conn);
		return;
	}
	tl_qpair_init(&conn->qpair);
	tl_rdma_conn_set_state(conn, TL_RDMA_CONN_ACCEPTING);
	nvhi_log(DEBUG, RDMA,
		 "%s: queue %u of depth %u on %s, %u READs at a time, send queue %u, %s receive "
		 "queue",
		 conn->qpair.peer, conn->qid, conn->depth, nvhi_rdma_dev_name(conn->dev->dev),
		 conn->reads_max, conn->sq_size, conn->rq == &conn->own_rq ? "own" : "shared");
	if (nvhi_timer_arm(group->reactor, &conn->watch,
			   tl_rdma_opts(conn->tg)->handshake_ms * NVHI_NSEC_PER_MSEC)) {
		tl_rdma_conn_fail(conn, "no memory for a timer");
		return;
	}
	err = conn_accept(conn);
	if (err)
		tl_rdma_conn_fail(conn, "accepting the RDMA connection: %s", strerror(-err));
}

static void conn_names(struct tl_rdma_conn *conn, struct rdma_cm_id *cm_id)
{
	struct nvhi_rdma_id id = {.cm_id = cm_id};
	char *local = conn->qpair.local, *colon;

	nvhi_rdma_id_names(&id, local, sizeof(conn->qpair.local), conn->qpair.peer,
			   sizeof(conn->qpair.peer));
	colon = strrchr(local, ':');
	if (colon)
		*colon = 0;
	if (local[0] == '[') {
		size_t len = strlen(local);

		memmove(local, local + 1, len);
		if (len >= 2 && local[len - 2] == ']')
			local[len - 2] = 0;
	}
}

int tl_rdma_conn_arrive(struct tl_rdma_group *tg, const struct rdma_cm_event *event,
			const struct tl_listen_addr *addr, uint16_t qid, uint32_t depth)
{
	struct tl_rdma_conn *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn)
		return -ENOMEM;
	conn->tg = tg;
	conn->qpair.transport = &tg->rdma->transport;
	conn->qpair.group = tg->group;
	conn->qpair.listen_addr = *addr;
	conn->qid = qid;
	conn->depth = depth;
	conn->reads_max = event->param.conn.initiator_depth;
	conn->responder = event->param.conn.responder_resources;
	tl_rdma_conn_init(conn);
	conn->msg.fn = conn_arrived;
	conn_names(conn, event->id);
	err = nvhi_rdma_id_adopt(&tg->cm, &conn->id, event->id, conn->qpair.peer,
				 tl_rdma_conn_event);
	if (err) {
		free(conn);
		return err;
	}
	nvhi_reactor_post(tg->group->reactor, &conn->msg);
	return 0;
}

/* Connect must agree with the connection request it came by. */
int tl_rdma_connected(struct tl_qpair *qpair, uint32_t entries)
{
	struct tl_rdma_conn *conn = tl_rdma_conn_of(qpair);

	if (entries > conn->depth || qpair->qid != conn->qid) {
		nvhi_log(
			WARN, RDMA,
			"%s: Connect of queue %u with %u entries, but its connection was asked for "
			"as queue %u with %u: closing",
			qpair->peer, qpair->qid, entries, conn->qid, conn->depth);
		conn->told = true;
		return -EINVAL;
	}
	nvhi_timer_cancel(tl_rdma_conn_reactor(conn), &conn->watch);
	return 0;
}
