/*
 * Posting: what became due in a turn leaves at its end, receives in one call and sends in another.
 *
 * Credits. A command takes up to three entries of the send queue; they come back when a work
 * request that reports has completed, and with it all before it. One in so many reports, besides
 * those whose end must be known (a capsule out of the caller's memory, an invalidation). No entry
 * is posted without a credit, and the queue is larger than what never reports, so credits always
 * return. A command is sent only while a receive stands ready for its response: as many are posted
 * as there are slots, and a consumed one is posted again before the next command. On the queue
 * pair's reactor.
 */
#include <errno.h>
#include <string.h>

#include "fabric/rdma/rdma_impl.h"

static void post_deferred(struct nvhi_defer *defer)
{
	struct nvhi_rdma_qpair *q = nvhi_container_of(defer, struct nvhi_rdma_qpair, post_defer);

	nvhi_rdma_post_flush(q);
}

void nvhi_rdma_post_init(struct nvhi_rdma_qpair *q)
{
	nvhi_list_init(&q->want);
	nvhi_list_init(&q->post_defer.link);
	q->post_defer.fn = post_deferred;
	q->recv_tail = &q->recv_head;
	q->inv_tail = &q->inv_head;
}

void nvhi_rdma_post_stop(struct nvhi_rdma_qpair *q)
{
	nvhi_reactor_undefer(q->qpair.reactor, &q->post_defer);
	while (!nvhi_list_empty(&q->want))
		nvhi_list_del(q->want.next);
	q->recv_head = NULL;
	q->recv_tail = &q->recv_head;
	q->inv_head = NULL;
	q->inv_tail = &q->inv_head;
}

static void post_soon(struct nvhi_rdma_qpair *q)
{
	nvhi_reactor_defer(q->qpair.reactor, &q->post_defer);
}

void nvhi_rdma_post_want(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	nvhi_list_add_tail(&q->want, &slot->link);
	post_soon(q);
}

/* ---- receives ------------------------------------------------------------------------------ */

void nvhi_rdma_post_recv_again(struct nvhi_rdma_qpair *q, uint16_t index)
{
	struct ibv_recv_wr *wr = &q->recvs[index];

	wr->next = NULL;
	*q->recv_tail = wr;
	q->recv_tail = &wr->next;
	post_soon(q);
}

static int post_recvs(struct nvhi_rdma_qpair *q)
{
	struct ibv_recv_wr *bad;
	int err;

	if (!q->recv_head)
		return 0;
	err = q->verbs->post_recv(q->id.cm_id->qp, q->recv_head, &bad);
	q->recv_head = NULL;
	q->recv_tail = &q->recv_head;
	q->counters.recv_posts++;
	return err > 0 ? -err : err;
}

int nvhi_rdma_post_recv_all(struct nvhi_rdma_qpair *q)
{
	for (uint16_t i = 0; i < q->recv_count; i++) {
		q->recv_sges[i] = (struct ibv_sge){.addr = (uintptr_t)&q->cpls[i],
						   .length = sizeof(struct nvh_cpl),
						   .lkey = q->capsules_mr->lkey};
		q->recvs[i] = (struct ibv_recv_wr){
			.wr_id = NVHI_RDMA_WR_ID(NVHI_RDMA_WR_RECV, i, 0),
			.sg_list = &q->recv_sges[i],
			.num_sge = 1,
			.next = i + 1 < q->recv_count ? &q->recvs[i + 1] : NULL,
		};
	}
	q->recv_head = q->recvs;
	return post_recvs(q);
}

/* ---- sends --------------------------------------------------------------------------------- */

/* A chain of work requests that leaves in one call. */
struct post_chain {
	struct ibv_send_wr *head, **tail;
};

static void chain_add(struct nvhi_rdma_qpair *q, struct post_chain *chain, struct ibv_send_wr *wr,
		      bool must_report)
{
	q->sq_free--;
	q->unsignalled++;
	if (must_report || q->unsignalled >= q->signal_every) {
		wr->send_flags |= IBV_SEND_SIGNALED;
		wr->wr_id |= (uint64_t)q->unsignalled << 32;
		q->unsignalled = 0;
	}
	wr->next = NULL;
	*chain->tail = wr;
	chain->tail = &wr->next;
}

void nvhi_rdma_post_invalidate(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	slot->invalidating = true;
	slot->invalidate = (struct ibv_send_wr){
		.wr_id = NVHI_RDMA_WR_ID(NVHI_RDMA_WR_INVALIDATE, slot->index, 0),
		.opcode = IBV_WR_LOCAL_INV,
		.invalidate_rkey = slot->window->rkey,
	};
	*q->inv_tail = &slot->invalidate;
	q->inv_tail = &slot->invalidate.next;
	q->counters.local_inv++;
	post_soon(q);
}

static void chain_invalidations(struct nvhi_rdma_qpair *q, struct post_chain *chain)
{
	while (q->inv_head && q->sq_free > 0) {
		struct ibv_send_wr *wr = q->inv_head;

		q->inv_head = wr->next;
		if (!q->inv_head)
			q->inv_tail = &q->inv_head;
		chain_add(q, chain, wr, true);
	}
}

static void chain_command(struct nvhi_rdma_qpair *q, struct post_chain *chain,
			  struct nvhi_rdma_slot *slot)
{
	slot->send.wr_id = NVHI_RDMA_WR_ID(NVHI_RDMA_WR_SEND, slot->index, 0);
	slot->send.num_sge = slot->sges;
	slot->send.send_flags =
		slot->sges == 1 && q->max_inline >= sizeof(struct nvh_cmd) ? IBV_SEND_INLINE : 0;
	nvhi_log(TRACE, RDMA, "%s: > capsule CID %#x, %u elements, window %#x%s", q->qpair.name,
		 slot->cid, slot->sges, slot->window ? slot->window->rkey : 0,
		 slot->piece.at ? ", copied" : "");
	if (slot->window)
		chain_add(q, chain, &slot->bind, false);
	chain_add(q, chain, &slot->send, slot->sending);
	slot->posted = true;
}

/* Adds commands while there are credits; those that cannot be sent at all end here. */
static void chain_commands(struct nvhi_rdma_qpair *q, struct post_chain *chain)
{
	while (!nvhi_list_empty(&q->want)) {
		struct nvhi_rdma_slot *slot =
			nvhi_list_first(&q->want, struct nvhi_rdma_slot, link);
		int err = q->sq_free < NVHI_RDMA_WRS - 1 ? -EAGAIN : 0;

		if (!err)
			err = nvhi_rdma_place(q, slot);
		if (err == -EAGAIN) {
			q->counters.stalls++;
			return;
		}
		nvhi_list_del(&slot->link);
		if (!err) {
			chain_command(q, chain, slot);
			continue;
		}
		nvhi_rdma_slot_fail(q, slot, err);
		if (q->state > NVHI_RDMA_LIVE)
			return;
	}
}

void nvhi_rdma_post_flush(struct nvhi_rdma_qpair *q)
{
	struct post_chain chain = {.tail = &chain.head};
	struct ibv_send_wr *bad;
	int err;

	if (q->state < NVHI_RDMA_ACCEPT || q->state > NVHI_RDMA_LIVE)
		return;
	err = post_recvs(q);
	if (!err) {
		chain_invalidations(q, &chain);
		chain_commands(q, &chain);
		if (!chain.head || q->state > NVHI_RDMA_LIVE)
			return;
		err = q->verbs->post_send(q->id.cm_id->qp, chain.head, &bad);
		q->counters.posts++;
	}
	if (err)
		nvhi_rdma_fail(q, err > 0 ? -err : err, "posting to the queue pair failed: %s",
			       strerror(err > 0 ? err : -err));
}
