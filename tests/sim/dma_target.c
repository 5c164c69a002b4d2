/*
 * The target's end of the DMA transport: struct tl_transport_ops over the real core. Data of a
 * write is read from the host's memory before the command is executed, data of a read is written
 * there before its response.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_feature.h"
#include "target-lite/core/impl.h"
#include "tests/sim/dma.h"
#include "tests/sim/node.h"

struct dma_transport {
	struct tl_transport transport;
	bool listening[SIM_LINKS];
};

struct dma_target {
	struct tl_qpair qpair;
	struct dma_conn *conn;
	struct nvhi_msg msg; /* its first, then its last trip to its reactor */
	bool started, closing;
	struct nvhi_list fetching; /* struct dma_treq: not in the core yet */
};

struct dma_treq {
	struct tl_request req;
	struct dma_target *target;
	uint16_t slot;
	uint8_t *buf;
	struct nvhi_list link;
};

static struct dma_target *target_of(struct tl_qpair *qpair)
{
	return nvhi_container_of(qpair, struct dma_target, qpair);
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static void treq_free(struct dma_treq *treq)
{
	nvhi_list_del(&treq->link);
	free(treq->buf);
	free(treq);
}

void dma_target_unfetched(void *treq)
{
	treq_free(treq);
}

static void target_command(struct dma_target *t, const struct dma_msg *msg)
{
	struct dma_treq *treq = calloc(1, sizeof(*treq));
	struct tl_request *req = &treq->req;
	unsigned int status;

	treq->target = t;
	treq->slot = msg->slot;
	nvhi_list_init(&treq->link);
	req->cmd = msg->cmd;
	req->qpair = &t->qpair;
	status = tl_cmd_transfer(&req->cmd, &req->xfer_len, &req->dir);
	if (!status && req->xfer_len > t->qpair.transport->opts.max_io_size &&
	    req->xfer_len > 64u << 10)
		status = NVH_ST_SGL_INVALID_DATA_LEN | NVH_CPL_DNR;
	if (status) {
		tl_request_fail(req, status);
		return;
	}
	if (req->xfer_len) {
		treq->buf = malloc(req->xfer_len);
		req->iov.iov_base = treq->buf;
		req->iov.iov_len = req->xfer_len;
	}
	if (req->dir == NVH_DATA_TO_CTRLR && req->xfer_len) {
		struct dma_msg *fetch = dma_msg_new(t->conn, DMA_FETCHED);

		fetch->slot = msg->slot;
		fetch->cid = msg->cid;
		fetch->treq = treq;
		nvhi_list_add_tail(&t->fetching, &treq->link);
		dma_send(fetch, SIM_TO_TARGET, sim_net.links[t->conn->link].latency[SIM_TO_HOST]);
	} else {
		tl_request_exec(req);
	}
}

static void target_fetched(struct dma_target *t, struct dma_msg *msg)
{
	struct dma_treq *treq = msg->treq;
	struct dma_host *host = t->conn->host;

	msg->treq = NULL;
	nvhi_list_del(&treq->link);
	if (host && dma_host_fetch(host, msg->slot, msg->cid, treq->buf, treq->req.xfer_len))
		tl_request_exec(&treq->req);
	else
		treq_free(treq); /* the host took its memory back: it is gone, or will be */
}

static void target_complete(struct tl_request *req)
{
	struct dma_treq *treq = nvhi_container_of(req, struct dma_treq, req);
	struct dma_target *t = treq->target;

	if (!t->closing && !t->conn->broken) {
		struct dma_msg *msg;

		tl_request_put_sqhd(req);
		if (req->data_len) {
			msg = dma_msg_new(t->conn, DMA_DATA);
			msg->slot = treq->slot;
			msg->cid = nvh_le16_get(req->cmd.cid);
			msg->len = req->data_len;
			msg->data = malloc(req->data_len);
			memcpy(msg->data, req->iov.iov_base, req->data_len);
			dma_send(msg, SIM_TO_HOST, 0);
		}
		msg = dma_msg_new(t->conn, DMA_RESPONSE);
		msg->slot = treq->slot;
		msg->cid = nvh_le16_get(req->cmd.cid);
		msg->cpl = req->cpl;
		dma_send(msg, SIM_TO_HOST, 0);
	}
	tl_request_end(req);
	treq_free(treq);
}

/* ---- connections ------------------------------------------------------------------------------
 */

static void target_close(struct dma_target *t)
{
	if (t->closing)
		return;
	t->closing = true;
	dma_drop(t->conn, 1u << DMA_FETCHED);
	if (t->started)
		tl_qpair_close(&t->qpair);
}

static void target_close_msg(struct nvhi_msg *msg)
{
	target_close(nvhi_container_of(msg, struct dma_target, msg));
}

/* By message: not inside whatever broke it. Before its start, the start will find it broken. */
void dma_target_broken(struct dma_target *t)
{
	if (!t->started || t->closing)
		return;
	t->msg.fn = target_close_msg;
	nvhi_reactor_post(t->qpair.group->reactor, &t->msg);
}

static void target_free(struct dma_target *t)
{
	struct dma_conn *conn = t->conn;

	conn->target = NULL;
	free(t);
	dma_conn_check_free(conn);
}

static void target_start(struct nvhi_msg *msg)
{
	struct dma_target *t = nvhi_container_of(msg, struct dma_target, msg);
	struct tl_poll_group *group = t->qpair.group;

	if (t->conn->broken || !group->transport_data[t->qpair.transport->slot]) {
		if (!t->conn->broken)
			dma_send(dma_msg_new(t->conn, DMA_REFUSED), SIM_TO_HOST, 0);
		target_free(t);
		return;
	}
	t->started = true;
	tl_qpair_init(&t->qpair);
	dma_send(dma_msg_new(t->conn, DMA_ACCEPTED), SIM_TO_HOST, 0);
}

struct dma_target *dma_target_accept(struct dma_conn *conn)
{
	struct sim_node *node = sim_node_of_link(conn->link);
	struct dma_transport *dt;
	struct dma_target *t;

	if (node->state != SIM_NODE_UP || sim_net.links[conn->link].refuse)
		return NULL;
	dt = nvhi_container_of(tl_target_find_transport(node->target, TL_TRTYPE_RDMA),
			       struct dma_transport, transport);
	if (!dt->listening[conn->link])
		return NULL;
	t = calloc(1, sizeof(*t));
	t->conn = conn;
	nvhi_list_init(&t->fetching);
	t->qpair.transport = &dt->transport;
	t->qpair.group = tl_target_pick_group(node->target);
	sim_link_listen_addr(conn->link, &t->qpair.listen_addr);
	snprintf(t->qpair.peer, sizeof(t->qpair.peer), "dma%llu", (unsigned long long)conn->number);
	snprintf(t->qpair.local, sizeof(t->qpair.local), "192.0.2.%u", conn->link + 1);
	conn->reactor[SIM_TO_TARGET] = t->qpair.group->reactor;
	t->msg.fn = target_start;
	nvhi_reactor_post(t->qpair.group->reactor, &t->msg);
	return t;
}

void dma_target_deliver(struct dma_target *t, struct dma_msg *msg)
{
	if (t->closing || tl_qpair_closing(&t->qpair))
		return;
	switch (msg->what) {
	case DMA_COMMAND:
		target_command(t, msg);
		break;
	case DMA_FETCHED:
		target_fetched(t, msg);
		break;
	default:
		target_close(t);
		break;
	}
}

/* ---- the transport ----------------------------------------------------------------------------
 */

static struct dma_transport *transport_of(struct tl_transport *transport)
{
	return nvhi_container_of(transport, struct dma_transport, transport);
}

static unsigned int listener_link(const struct tl_listener *listener)
{
	return (unsigned int)atoi(strrchr(listener->addr.traddr, '.') + 1) - 1;
}

static int dma_listen(struct tl_transport *transport, struct tl_listener *listener)
{
	transport_of(transport)->listening[listener_link(listener)] = true;
	return 0;
}

static void dma_unlisten(struct tl_transport *transport, struct tl_listener *listener)
{
	transport_of(transport)->listening[listener_link(listener)] = false;
}

static int dma_group_start(struct tl_transport *transport, struct tl_poll_group *group)
{
	group->transport_data[transport->slot] = transport;
	return 0;
}

static void dma_group_stop(struct tl_transport *transport, struct tl_poll_group *group)
{
	group->transport_data[transport->slot] = NULL;
}

static int dma_connected(struct tl_qpair *qpair, uint32_t entries)
{
	(void)qpair;
	(void)entries;
	return 0;
}

/* What was answered arrives first. */
static void dma_disconnect(struct tl_qpair *qpair)
{
	struct dma_target *t = target_of(qpair);

	if (!t->closing && !t->conn->broken)
		dma_send(dma_msg_new(t->conn, DMA_TARGET_GONE), SIM_TO_HOST, 0);
	target_close(t);
}

static void dma_reset(struct tl_qpair *qpair)
{
	struct dma_target *t = target_of(qpair);

	dma_break(t->conn);
	target_close(t);
}

static void dma_release(struct tl_qpair *qpair)
{
	target_free(target_of(qpair));
}

static void dma_destroy(struct tl_transport *transport)
{
	free(transport_of(transport));
}

static const struct tl_transport_ops dma_ops = {
	.trtype = TL_TRTYPE_RDMA,
	.listen = dma_listen,
	.unlisten = dma_unlisten,
	.group_start = dma_group_start,
	.group_stop = dma_group_stop,
	.complete = target_complete,
	.connected = dma_connected,
	.disconnect = dma_disconnect,
	.reset = dma_reset,
	.release = dma_release,
	.destroy = dma_destroy,
};

int sim_dma_create(struct tl_target *target, const struct tl_transport_opts *opts)
{
	struct dma_transport *dt = calloc(1, sizeof(*dt));

	dt->transport.ops = &dma_ops;
	dt->transport.opts = *opts;
	dt->transport.sgls = 1 | NVH_SGLS_TRANSPORT;
	dt->transport.msdbd = 1;
	return tl_target_add_transport(target, &dt->transport);
}
