/*
 * Completions: a poller takes them while the reactor polls; before it sleeps each completion queue
 * is told to ring the channel, whose descriptor wakes the reactor. What completes leads to its
 * request or, for a capsule, by queue pair number to its connection. Group reactor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_cmd.h"
#include "target-lite/rdma/rdma_impl.h"

static struct tl_rdma_conn *cq_conn(struct tl_rdma_dev *dev, uint32_t qp_num)
{
	struct tl_rdma_conn *conn;

	nvhi_list_for_each(conn, &dev->conns[qp_num % TL_RDMA_HASH], hash_link)
		if (conn->qp_num == qp_num)
			return conn;
	return NULL;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static const char *cq_hint(enum tl_rdma_wr what, enum ibv_wc_status status)
{
	if (what == TL_RDMA_WR_RECV)
		return " (a capsule longer than IOCCSZ?)";
	if (status == IBV_WC_REM_ACCESS_ERR || status == IBV_WC_REM_OP_ERR)
		return " (the host's key or range does not allow it)";
	if (status == IBV_WC_RETRY_EXC_ERR)
		return " (the host does not answer)";
	if (status == IBV_WC_RNR_RETRY_EXC_ERR)
		return " (the host has no room for a response)";
	return "";
}

static void cq_failed(struct tl_rdma_conn *conn, const struct ibv_wc *wc)
{
	static const char *const names[] = {"receiving a capsule", "RDMA READ", "RDMA WRITE",
					    "sending a response"};
	enum tl_rdma_wr what = wc->wr_id & TL_RDMA_WR_MASK;
	struct tl_rdma_req *treq = (void *)(uintptr_t)(wc->wr_id & ~(uint64_t)TL_RDMA_WR_MASK);
	char command[32] = "";

	if (wc->status == IBV_WC_WR_FLUSH_ERR && what == TL_RDMA_WR_RECV) {
		tl_rdma_conn_disconnect(
			conn); /* what came first says why, or nobody asked for anything */
		return;
	}
	if (wc->status == IBV_WC_WR_FLUSH_ERR) {
		tl_rdma_conn_fail(conn,
				  "the connection broke during %s (iWARP says no more: a key or "
				  "range that the host does not allow?)",
				  names[what]);
		return;
	}
	if (what != TL_RDMA_WR_RECV)
		snprintf(command, sizeof(command), " of command %u",
			 nvh_le16_get(treq->req.cmd.cid));
	tl_rdma_conn_fail(conn, "%s%s: %s%s", names[what], command,
			  conn->dev->dev->verbs->wc_status_str(wc->status),
			  cq_hint(what, wc->status));
}

/* ---- one completion -------------------------------------------------------------------------- */

static void cq_recv(struct tl_rdma_dev *dev, struct tl_rdma_slot *slot, const struct ibv_wc *wc)
{
	struct tl_rdma_conn *conn = cq_conn(dev, wc->qp_num);

	if (!conn || !tl_rdma_conn_open(conn) || wc->status) {
		/* The slots of a connection's own queue end with it. */
		if (dev->has_srq && slot >= dev->srq.slots &&
		    slot < dev->srq.slots + dev->srq.count)
			tl_rdma_rq_give(&dev->srq, slot);
		if (conn && wc->status)
			cq_failed(conn, wc);
		return;
	}
	slot->len = wc->byte_len;
	tl_rdma_capsule(conn, slot);
}

static void cq_one(struct tl_rdma_dev *dev, const struct ibv_wc *wc)
{
	void *what = (void *)(uintptr_t)(wc->wr_id & ~(uint64_t)TL_RDMA_WR_MASK);
	struct tl_rdma_req *treq = what;
	struct tl_rdma_conn *conn;

	if ((wc->wr_id & TL_RDMA_WR_MASK) == TL_RDMA_WR_RECV) {
		cq_recv(dev, what, wc);
		return;
	}
	conn = tl_rdma_conn_of(treq->req.qpair);
	if (wc->status)
		cq_failed(conn, wc);
	switch (wc->wr_id & TL_RDMA_WR_MASK) {
	case TL_RDMA_WR_READ:
		tl_rdma_read_done(treq);
		break;
	case TL_RDMA_WR_SEND:
		tl_rdma_send_done(treq);
		break;
	default: /* the SEND behind it follows */
		tl_rdma_write_done(conn);
		break;
	}
	tl_rdma_conn_check(conn);
}

static void cq_take(struct tl_rdma_dev *dev, const struct ibv_wc *wc, int count)
{
	tl_rdma_count(dev->stats->completions, (uint64_t)count);
	for (int i = 0; i < count; i++)
		cq_one(dev, &wc[i]);
}

static int cq_take_stashed(struct tl_rdma_dev *dev)
{
	struct ibv_wc wc[TL_RDMA_WC_BATCH];
	int count = dev->stashed;

	if (count) {
		memcpy(wc, dev->stash, sizeof(wc[0]) * (size_t)count);
		dev->stashed = 0;
		cq_take(dev, wc, count);
	}
	return count;
}

/* What was given back and belongs to no response. */
static void cq_post_srq(struct tl_rdma_dev *dev)
{
	int err = dev->has_srq ? tl_rdma_rq_post(dev, &dev->srq) : 0;

	if (err)
		nvhi_log(ERROR, RDMA, "%s: posting to the shared receive queue: %s",
			 nvhi_rdma_dev_name(dev->dev), strerror(-err));
}

static int cq_poll(struct nvhi_poller *poller)
{
	struct tl_rdma_dev *dev = nvhi_container_of(poller, struct tl_rdma_dev, poller);
	struct ibv_wc wc[TL_RDMA_WC_BATCH];
	struct tl_rdma_cq *cq;
	int done = cq_take_stashed(dev);

	nvhi_list_for_each(cq, &dev->cqs, link) {
		int n = dev->dev->verbs->poll_cq(cq->cq, TL_RDMA_WC_BATCH, wc);

		if (n > 0) {
			cq_take(dev, wc, n);
			done += n;
		}
	}
	tl_rdma_count(dev->stats->polls, 1);
	cq_post_srq(dev);
	if (!done)
		tl_rdma_count(dev->stats->idle_polls, 1);
	return done;
}

void tl_rdma_cq_drain(struct tl_rdma_dev *dev)
{
	while (cq_poll(&dev->poller) > 0)
		;
}

void tl_rdma_cq_expect(struct tl_rdma_dev *dev, int more)
{
	dev->wrs += (uint32_t)more;
	nvhi_poller_expect(dev->tg->group->reactor, &dev->poller, dev->wrs > 0);
}

/* ---- sleeping -------------------------------------------------------------------------------- */

/* What completed before the request to ring does not ring: it is looked for once more. */
static bool cq_arm(struct nvhi_poller *poller)
{
	struct tl_rdma_dev *dev = nvhi_container_of(poller, struct tl_rdma_dev, poller);
	struct tl_rdma_cq *cq;

	if (dev->stashed)
		return true;
	nvhi_list_for_each(cq, &dev->cqs, link)
		if (dev->dev->verbs->req_notify_cq(cq->cq, 0))
			return true; /* a device on its way out: poll on, its end will be told */
	nvhi_list_for_each(cq, &dev->cqs, link) {
		int n = dev->dev->verbs->poll_cq(cq->cq, TL_RDMA_WC_BATCH - dev->stashed,
						 dev->stash + dev->stashed);

		if (n > 0)
			dev->stashed += n;
		if (dev->stashed == TL_RDMA_WC_BATCH)
			break;
	}
	return dev->stashed > 0;
}

static int cq_rung(struct nvhi_source *source, unsigned int events)
{
	struct tl_rdma_dev *dev = nvhi_container_of(source, struct tl_rdma_dev, source);
	const struct nvhi_verbs *verbs = dev->dev->verbs;
	struct ibv_cq *cq;
	void *context;

	(void)events;
	while (verbs->get_cq_event(dev->channel, &cq, &context) == 0)
		verbs->ack_cq_events(cq, 1);
	return cq_poll(&dev->poller);
}

int tl_rdma_cq_start(struct tl_rdma_dev *dev)
{
	const struct nvhi_verbs *verbs = dev->dev->verbs;
	struct nvh_reactor *reactor = dev->tg->group->reactor;
	int flags, err;

	errno = 0;
	dev->channel = verbs->create_comp_channel(dev->dev->context);
	if (!dev->channel)
		return errno ? -errno : -ENOMEM;
	flags = fcntl(dev->channel->fd, F_GETFL);
	if (flags < 0 || fcntl(dev->channel->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(dev->channel->fd, F_SETFD, FD_CLOEXEC) < 0)
		err = -errno;
	else
		err = nvhi_source_add(reactor, &dev->source, dev->channel->fd, NVHI_READABLE,
				      cq_rung);
	if (err) {
		verbs->destroy_comp_channel(dev->channel);
		dev->channel = NULL;
		return err;
	}
	nvhi_poller_add(reactor, &dev->poller, cq_poll);
	dev->poller.arm = cq_arm;
	return 0;
}

void tl_rdma_cq_stop(struct tl_rdma_dev *dev)
{
	struct nvh_reactor *reactor = dev->tg->group->reactor;

	if (!dev->channel)
		return;
	nvhi_poller_remove(reactor, &dev->poller);
	nvhi_source_remove(reactor, &dev->source);
	dev->dev->verbs->destroy_comp_channel(dev->channel);
	dev->channel = NULL;
}
