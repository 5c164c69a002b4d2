/*
 * Work completions. An I/O queue's CQ is polled in each turn; before the reactor blocks it is
 * armed, so that the completion channel's descriptor wakes it. An admin queue's, where hardly
 * anything comes, is only waited for. On the queue pair's reactor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fabric/rdma/rdma_impl.h"

/* Rounds of one call: others want their turn too. */
#define CQ_ROUNDS 8

/* ---- one completion ------------------------------------------------------------------------ */

static const char *wr_text(enum nvhi_rdma_wr what)
{
	switch (what) {
	case NVHI_RDMA_WR_BIND:
		return "binding a memory window";
	case NVHI_RDMA_WR_SEND:
		return "sending a command";
	case NVHI_RDMA_WR_INVALIDATE:
		return "invalidating a memory window";
	default:
		return "receiving a response";
	}
}

/* The queue pair is in its error state now: everything else comes back flushed. */
static void wc_failed(struct nvhi_rdma_qpair *q, const struct ibv_wc *wc)
{
	enum nvhi_rdma_wr what = wc->wr_id & 0xff;

	switch (wc->status) {
	case IBV_WC_WR_FLUSH_ERR:
		nvhi_rdma_fail(q, -ECONNRESET, "the connection broke (work was flushed)");
		break;
	case IBV_WC_RETRY_EXC_ERR:
		nvhi_rdma_fail(q, -ETIMEDOUT, "the controller does not answer: retries exceeded");
		break;
	case IBV_WC_LOC_LEN_ERR:
		if (what == NVHI_RDMA_WR_RECV) {
			nvhi_rdma_fail(q, -EPROTO,
				       "protocol error: a response capsule longer than %zu bytes",
				       sizeof(struct nvh_cpl));
			break;
		}
		/* fallthrough */
	default:
		nvhi_rdma_fail(q, -EIO, "%s failed: %s (vendor error %#x)", wr_text(what),
			       q->verbs->wc_status_str(wc->status), wc->vendor_err);
		break;
	}
}

/*
 * The key that the controller says it invalidated with its response; 0: none. rdma_rxe hands its
 * kernel's flag to userspace, where that bit means a good checksum, which RC knows nothing of
 * (Linux 6.12). A key that comes with it is believed if it is the command's (*ret_hint).
 */
static uint32_t wc_invalidated(const struct ibv_wc *wc, bool *ret_hint)
{
	*ret_hint = (wc->wc_flags & (IBV_WC_WITH_INV | IBV_WC_IP_CSUM_OK)) == IBV_WC_IP_CSUM_OK;
	return *ret_hint || (wc->wc_flags & IBV_WC_WITH_INV) ? wc->invalidated_rkey : 0;
}

static void wc_received(struct nvhi_rdma_qpair *q, const struct ibv_wc *wc, uint16_t index)
{
	struct nvh_cpl cpl = q->cpls[index];
	uint32_t rkey;
	bool hint;

	if (wc->byte_len != sizeof(cpl)) {
		nvhi_rdma_fail(q, -EPROTO,
			       "protocol error: a response capsule of %u bytes instead of %zu",
			       wc->byte_len, sizeof(cpl));
		return;
	}
	nvhi_rdma_post_recv_again(q, index);
	rkey = wc_invalidated(wc, &hint);
	nvhi_log(TRACE, RDMA, "%s: < capsule CID %#x, invalidated %#x", q->qpair.name,
		 nvh_le16_get(cpl.cid), rkey);
	nvhi_rdma_response(q, &cpl, rkey, hint);
}

static void wc_handle(struct nvhi_rdma_qpair *q, const struct ibv_wc *wc)
{
	enum nvhi_rdma_wr what = wc->wr_id & 0xff;
	uint16_t index = (uint16_t)(wc->wr_id >> 8);
	uint32_t entries = (uint32_t)(wc->wr_id >> 32);
	struct nvhi_rdma_slot *slot;

	if (wc->status != IBV_WC_SUCCESS) {
		wc_failed(q, wc);
		return;
	}
	if (what == NVHI_RDMA_WR_RECV) {
		wc_received(q, wc, index);
		return;
	}
	q->sq_free += entries;
	if (!nvhi_list_empty(&q->want) || q->inv_head)
		nvhi_reactor_defer(q->qpair.reactor, &q->post_defer);
	slot = &q->slots[index];
	if (what == NVHI_RDMA_WR_SEND && slot->req && slot->sending) {
		slot->sending = false;
		nvhi_rdma_slot_settle(q, slot);
	} else if (what == NVHI_RDMA_WR_INVALIDATE && slot->req && slot->invalidating) {
		slot->invalidating = false;
		nvhi_rdma_window_free(q, slot);
		nvhi_rdma_slot_settle(q, slot);
	}
}

/* ---- polling ------------------------------------------------------------------------------- */

static bool cq_alive(const struct nvhi_rdma_qpair *q)
{
	return q->state >= NVHI_RDMA_ACCEPT && q->state <= NVHI_RDMA_LIVE;
}

static void cq_handle(struct nvhi_rdma_qpair *q, const struct ibv_wc *wcs, uint32_t count)
{
	q->counters.completions += count;
	q->qpair.last_rx_ns = nvhi_reactor_now(q->qpair.reactor);
	for (uint32_t i = 0; i < count && cq_alive(q); i++)
		wc_handle(q, &wcs[i]);
}

static int cq_poll(struct nvhi_rdma_qpair *q)
{
	struct ibv_wc wcs[NVHI_RDMA_WCS];
	int work = 0, got;

	if (q->stash_count > 0) {
		work = (int)q->stash_count;
		memcpy(wcs, q->stash, q->stash_count * sizeof(wcs[0]));
		q->stash_count = 0;
		cq_handle(q, wcs, (uint32_t)work);
	}
	for (int i = 0; i < CQ_ROUNDS && cq_alive(q); i++) {
		got = q->verbs->poll_cq(q->cq, NVHI_RDMA_WCS, wcs);
		q->counters.polls++;
		if (got < 0) {
			nvhi_rdma_fail(q, -EIO, "polling the completion queue failed");
			return work + 1;
		}
		if (got > 0)
			cq_handle(q, wcs, (uint32_t)got);
		work += got;
		if (got < NVHI_RDMA_WCS)
			break;
	}
	q->counters.empty_polls += work == 0;
	return work;
}

static int cq_poller(struct nvhi_poller *poller)
{
	return cq_poll(nvhi_container_of(poller, struct nvhi_rdma_qpair, poller));
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* The channel tells of what completes from now on. What came before that is fetched: 1; 0: nothing
 * did; or -errno. */
static int cq_arm(struct nvhi_rdma_qpair *q)
{
	int got;

	if (q->stash_count > 0)
		return 1;
	if (q->armed)
		return 0;
	if (q->verbs->req_notify_cq(q->cq, 0))
		return -EIO;
	q->armed = true;
	got = q->verbs->poll_cq(q->cq, NVHI_RDMA_WCS, q->stash);
	if (got > 0)
		q->stash_count = (uint32_t)got;
	return got < 0 ? -EIO : got > 0;
}

/* A queue that cannot be armed keeps the reactor polling. */
static bool cq_poller_arm(struct nvhi_poller *poller)
{
	return cq_arm(nvhi_container_of(poller, struct nvhi_rdma_qpair, poller)) != 0;
}

/* Nobody polls this queue: armed again at once. */
static int cq_arm_and_poll(struct nvhi_rdma_qpair *q)
{
	int work = 0, more;

	while (cq_alive(q) && (more = cq_arm(q)) != 0) {
		if (more < 0) {
			nvhi_rdma_fail(q, more, "the completion queue cannot be armed");
			break;
		}
		work += cq_poll(q);
	}
	return work;
}

static int cq_channel_event(struct nvhi_source *source, unsigned int events)
{
	struct nvhi_rdma_qpair *q = nvhi_container_of(source, struct nvhi_rdma_qpair, source);
	struct ibv_cq *cq;
	void *context;
	int work = 0;

	(void)events;
	while (q->verbs->get_cq_event(q->channel, &cq, &context) == 0) {
		q->armed = false;
		q->unacked++;
		q->counters.events++;
		work++;
	}
	work += cq_poll(q);
	if (!q->polled)
		work += cq_arm_and_poll(q);
	return work;
}

void nvhi_rdma_cq_expect(struct nvhi_rdma_qpair *q, bool expect)
{
	if (q->polled)
		nvhi_poller_expect(q->qpair.reactor, &q->poller, expect);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int cq_make(struct nvhi_rdma_qpair *q)
{
	struct nvh_reactor *reactor = q->qpair.reactor;
	int flags;

	errno = 0;
	q->channel = q->verbs->create_comp_channel(q->dev->context);
	if (!q->channel)
		return errno ? -errno : -ENOMEM;
	flags = fcntl(q->channel->fd, F_GETFL);
	if (flags < 0 || fcntl(q->channel->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	errno = 0;
	q->cq = q->verbs->create_cq(q->dev->context, (int)(q->sq_size + q->recv_count), NULL,
				    q->channel, q->qpair.qid % q->dev->context->num_comp_vectors);
	if (!q->cq)
		return errno ? -errno : -ENOMEM;
	flags = nvhi_source_add(reactor, &q->source, q->channel->fd, NVHI_READABLE,
				cq_channel_event);
	if (flags)
		return flags;
	q->watched = true;
	if (q->qpair.qid != 0) {
		q->poller.arm = cq_poller_arm;
		nvhi_poller_add(reactor, &q->poller, cq_poller);
		q->polled = true;
		return 0;
	}
	return cq_arm(q); /* nothing can have completed yet */
}

int nvhi_rdma_cq_open(struct nvhi_rdma_qpair *q, char *errbuf, size_t errbuf_len)
{
	int err = cq_make(q);

	if (err)
		snprintf(errbuf, errbuf_len, "%s makes no completion queue of %u entries: %s",
			 nvhi_rdma_dev_name(q->dev), q->sq_size + q->recv_count, strerror(-err));
	return err;
}

void nvhi_rdma_cq_stop(struct nvhi_rdma_qpair *q)
{
	if (q->watched)
		nvhi_source_remove(q->qpair.reactor, &q->source);
	if (q->polled)
		nvhi_poller_remove(q->qpair.reactor, &q->poller);
	q->watched = q->polled = false;
	q->stash_count = 0;
}

void nvhi_rdma_cq_close(struct nvhi_rdma_qpair *q)
{
	nvhi_rdma_cq_stop(q);
	if (q->cq) {
		if (q->unacked)
			q->verbs->ack_cq_events(q->cq, q->unacked);
		q->verbs->destroy_cq(q->cq);
		q->cq = NULL;
	}
	if (q->channel) {
		q->verbs->destroy_comp_channel(q->channel);
		q->channel = NULL;
	}
}
