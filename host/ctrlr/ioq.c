/*
 * The I/O path of a queue: requests from the pool to the transport and back, and those who wait for
 * one. Its reactor; no allocation, no lock, no clock beyond the turn's.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "host/ctrlr/ioq_impl.h"

static inline void ioq_push(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r)
{
	r->link.next = ioq->free;
	ioq->free = &r->link;
}

int nvhi_ioq_init(struct nvhi_ioq *ioq, struct nvhi_ctrlr *ctrlr, struct nvh_reactor *reactor,
		  uint16_t qid, uint32_t pool_size)
{
	nvhi_list_init(&ioq->inflight);
	nvhi_list_init(&ioq->waiters);
	nvhi_list_init(&ioq->watches);
	ioq->ctrlr = ctrlr;
	ioq->reactor = reactor;
	ioq->transport = ctrlr->transport;
	ioq->qid = qid;
	ioq->timeout_ns = ctrlr->opts.io_timeout_ms * NVHI_NSEC_PER_MSEC;
	ioq->watchdog.fn = nvhi_ioq_watchdog_fire;
	ioq->start.fn = nvhi_ioq_on_start;
	ioq->open.fn = nvhi_ioq_on_open;
	ioq->stop.fn = nvhi_ioq_on_stop;
	ioq->abort_ready.fn = nvhi_ioq_on_abort_ready;
	if (pool_size == 0)
		return 0;
	ioq->pool = calloc(pool_size, sizeof(*ioq->pool));
	if (!ioq->pool)
		return -ENOMEM;
	ioq->pool_size = pool_size;
	for (uint32_t i = pool_size; i-- > 0;) {
		ioq->pool[i].ioq = ioq;
		nvhi_list_init(&ioq->pool[i].owner_link);
		ioq_push(ioq, &ioq->pool[i]);
	}
	return 0;
}

void nvhi_ioq_fini(struct nvhi_ioq *ioq)
{
	if (!ioq->ctrlr)
		return; /* creation failed before it */
	assert(!ioq->qpair && ioq->out == 0);
	assert(nvhi_list_empty(&ioq->watches) && nvhi_list_empty(&ioq->waiters));
	free(ioq->pool);
}

/* ---- looking at it ----------------------------------------------------------------------- */

enum nvhi_ioq_state nvhi_ioq_state(const struct nvhi_ioq *ioq)
{
	return ioq->state;
}

struct nvhi_ctrlr *nvhi_ioq_ctrlr(const struct nvhi_ioq *ioq)
{
	return ioq->ctrlr;
}

struct nvhi_qpair *nvhi_ioq_qpair(const struct nvhi_ioq *ioq)
{
	return ioq->qpair;
}

uint16_t nvhi_ioq_qid(const struct nvhi_ioq *ioq)
{
	return ioq->qid;
}

uint32_t nvhi_ioq_inflight(const struct nvhi_ioq *ioq)
{
	return ioq->qpair ? ioq->qpair->inflight : 0;
}

const struct nvhi_ioq_req *nvhi_ioq_oldest(const struct nvhi_ioq *ioq)
{
	if (nvhi_list_empty(&ioq->inflight))
		return NULL;
	return nvhi_list_first(&ioq->inflight, struct nvhi_ioq_req, link);
}

const struct nvhi_ioq_req *nvhi_ioq_next_inflight(const struct nvhi_ioq *ioq,
						  const struct nvhi_ioq_req *prev)
{
	const struct nvhi_list *at = prev ? prev->link.next : ioq->inflight.next;

	if (at == &ioq->inflight)
		return NULL;
	return nvhi_list_entry((struct nvhi_list *)at, struct nvhi_ioq_req, link);
}

void nvhi_ioq_give_up(struct nvhi_ioq *ioq, int err, const char *why)
{
	nvhi_ioq_lose(ioq, err, why);
}

/* ---- waiting for a request --------------------------------------------------------------- */

int nvhi_ioq_wait(struct nvhi_ioq *ioq, struct nvhi_ioq_waiter *waiter)
{
	if (ioq->state != NVHI_IOQ_LIVE)
		return -ENOTCONN;
	nvhi_list_add_tail(&ioq->waiters, &waiter->link);
	return 0;
}

void nvhi_ioq_unwait(struct nvhi_ioq *ioq, struct nvhi_ioq_waiter *waiter)
{
	(void)ioq;
	nvhi_list_del(&waiter->link);
}

/* One after the other while there is room; those who wait again come after all that waited before.
 */
static void ioq_serve(struct nvhi_ioq *ioq)
{
	struct nvhi_list turn;

	if (ioq->serving)
		return;
	nvhi_list_init(&turn);
	nvhi_list_splice_tail(&turn, &ioq->waiters);
	ioq->serving = true;
	while (!nvhi_list_empty(&turn) && ioq->out < ioq->depth && ioq->state == NVHI_IOQ_LIVE) {
		struct nvhi_ioq_waiter *waiter =
			nvhi_list_first(&turn, struct nvhi_ioq_waiter, link);

		nvhi_list_del(&waiter->link);
		waiter->fn(waiter, 0);
	}
	ioq->serving = false;
	nvhi_list_splice_tail(&turn, &ioq->waiters);
	nvhi_list_splice_tail(&ioq->waiters, &turn);
	if (ioq->state != NVHI_IOQ_LIVE)
		nvhi_ioq_fail_waiters(ioq);
}

void nvhi_ioq_fail_waiters(struct nvhi_ioq *ioq)
{
	if (ioq->serving)
		return; /* ioq_serve does it in the end */
	while (!nvhi_list_empty(&ioq->waiters)) {
		struct nvhi_ioq_waiter *waiter =
			nvhi_list_first(&ioq->waiters, struct nvhi_ioq_waiter, link);

		nvhi_list_del(&waiter->link);
		waiter->fn(waiter, -ENOTCONN);
	}
}

/* ---- requests ---------------------------------------------------------------------------- */

struct nvhi_ioq_req *nvhi_ioq_get(struct nvhi_ioq *ioq)
{
	struct nvhi_ioq_req *r;

	if (ioq->state != NVHI_IOQ_LIVE || ioq->out >= ioq->depth)
		return NULL;
	if (!nvhi_list_empty(&ioq->waiters) && !ioq->serving)
		return NULL;
	r = nvhi_list_entry(ioq->free, struct nvhi_ioq_req, link);
	ioq->free = r->link.next;
	r->late = 0;
	ioq->out++;
	return r;
}

void nvhi_ioq_put(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r)
{
	ioq_push(ioq, r);
	ioq->out--;
	if (__builtin_expect(!nvhi_list_empty(&ioq->waiters), 0))
		ioq_serve(ioq);
}

static void ioq_req_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ioq_req *r = nvhi_container_of(req, struct nvhi_ioq_req, req);
	struct nvhi_ioq *ioq = r->ioq;

	r->link.prev->next = r->link.next; /* it goes to the pool: no need to leave it tidy */
	r->link.next->prev = r->link.prev;
	if (__builtin_expect(!err, 1))
		__atomic_store_n(&ioq->heard_ns, req->submit_ns, __ATOMIC_RELAXED);
	r->done(r, err, cpl);
	nvhi_ioq_put(ioq, r);
}

int nvhi_ioq_submit(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r)
{
	if (__builtin_expect(ioq->state != NVHI_IOQ_LIVE, 0))
		return -ENOTCONN;
	r->req.done = ioq_req_done;
	r->req.sent = false;
	r->req.transferred = 0;
	if (__builtin_expect(ioq->transport->submit(ioq->qpair, &r->req) < 0, 0))
		return -ENOTCONN;
	nvhi_list_add_tail(&ioq->inflight, &r->link);
	if (__builtin_expect(!nvhi_timer_armed(&ioq->watchdog), 0))
		nvhi_ioq_watchdog_arm(ioq);
	return 0;
}
