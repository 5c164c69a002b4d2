/*
 * Late commands of a queue: one timer looks at the oldest. Past the I/O timeout it is aborted
 * (through home's admin queue); when that does not bring it back the queue is left by a Disconnect
 * (ioq_rejoin.c) or given up, which resets the controller. The same timer looks after the queue's health (ioq_health.c). An idle
 * queue has no timer running. Its reactor.
 */
#include <errno.h>
#include <stdio.h>

#include "host/ctrlr/ioq_impl.h"

static void ioq_send_abort(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r)
{
	r->late = 1;
	if (ioq->abort_out)
		return; /* one at a time: nvhi_ioq_on_abort_ready comes back to it */
	ioq->abort_out = true;
	r->late = 2;
	ioq->abort_cid = nvh_le16_get(r->req.cmd.cid);
	nvhi_reactor_post(ioq->ctrlr->home, &ioq->abort_wanted);
}

/* `from`: when its time was over, or now. */
static void ioq_ask_abort(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r, uint64_t from)
{
	r->lose_at = from + nvhi_abort_grace_ms(ioq->ctrlr) * NVHI_NSEC_PER_MSEC;
	ioq_send_abort(ioq, r);
}

void nvhi_ioq_abort(struct nvhi_ioq *ioq, struct nvhi_ioq_req *r)
{
	if (ioq->state == NVHI_IOQ_LIVE && !r->late)
		ioq_ask_abort(ioq, r, r->req.submit_ns + ioq->timeout_ns);
}

void nvhi_ioq_on_abort_ready(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, abort_ready);
	struct nvhi_ioq_req *r;

	ioq->abort_out = false;
	if (ioq->state != NVHI_IOQ_LIVE)
		return;
	nvhi_list_for_each(r, &ioq->inflight, link) {
		if (r->late == 1) {
			ioq_send_abort(ioq, r);
			return;
		}
	}
}

/* When the watchdog must look again: the oldest is stuck, or the first not aborted yet is late. */
static uint64_t ioq_next_look(const struct nvhi_ioq *ioq)
{
	const struct nvhi_ioq_req *r;
	uint64_t look = NVHI_NEVER;

	if (!ioq->timeout_ns)
		return look;
	nvhi_list_for_each(r, &ioq->inflight, link) {
		if (r->late) {
			look = r->lose_at < look ? r->lose_at : look;
			continue;
		}
		if (r->req.submit_ns + ioq->timeout_ns < look)
			look = r->req.submit_ns + ioq->timeout_ns;
		break;
	}
	return look;
}

static void ioq_arm(struct nvhi_ioq *ioq, uint64_t health_look)
{
	uint64_t look = ioq_next_look(ioq);

	(void)nvhi_timer_arm_at(ioq->reactor, &ioq->watchdog,
				health_look < look ? health_look : look);
}

void nvhi_ioq_watchdog_arm(struct nvhi_ioq *ioq)
{
	if (!nvhi_list_empty(&ioq->inflight))
		ioq_arm(ioq, nvhi_ioq_health_look(ioq, nvhi_reactor_now(ioq->reactor)));
}

static const struct nvhi_ioq_req *ioq_find_stuck(const struct nvhi_ioq *ioq, uint64_t now)
{
	const struct nvhi_ioq_req *r;

	nvhi_list_for_each(r, &ioq->inflight, link) {
		if (!r->late)
			return NULL;
		if (now >= r->lose_at)
			return r;
	}
	return NULL;
}

/* One line, however many they are. */
static void ioq_abort_late(struct nvhi_ioq *ioq, uint64_t now)
{
	struct nvhi_ioq_req *r;
	uint32_t count = 0;

	nvhi_list_for_each(r, &ioq->inflight, link) {
		if (now - r->req.submit_ns < ioq->timeout_ns)
			break;
		if (r->late)
			continue;
		if (count++ == 0)
			nvhi_log(WARN, CTRLR,
				 "%s/q%u: %s (cid 0x%04x) not answered within %llu ms: aborting it",
				 ioq->ctrlr->name, ioq->qid, nvh_io_opc_name(r->req.cmd.opc),
				 nvh_le16_get(r->req.cmd.cid),
				 (unsigned long long)(ioq->timeout_ns / NVHI_NSEC_PER_MSEC));
		ioq_ask_abort(ioq, r, now);
	}
	if (count > 1)
		nvhi_log(WARN, CTRLR, "%s/q%u: and %u more", ioq->ctrlr->name, ioq->qid, count - 1);
}

void nvhi_ioq_watchdog_fire(struct nvhi_timer *timer)
{
	struct nvhi_ioq *ioq = nvhi_container_of(timer, struct nvhi_ioq, watchdog);
	uint64_t now = nvhi_reactor_now(ioq->reactor);
	const struct nvhi_ioq_req *stuck;
	uint64_t health_look;
	char why[96];

	if (ioq->state == NVHI_IOQ_LEAVING && !nvhi_deadline_stalled(ioq->reactor, timer))
		nvhi_ioq_leave_look(ioq);
	if (ioq->state != NVHI_IOQ_LIVE)
		return;
	if (!nvhi_list_empty(&ioq->inflight) && nvhi_deadline_stalled(ioq->reactor, timer))
		return;
	health_look = nvhi_ioq_health_look(ioq, now);
	if (ioq->state != NVHI_IOQ_LIVE || nvhi_list_empty(&ioq->inflight))
		return;
	stuck = ioq->timeout_ns ? ioq_find_stuck(ioq, now) : NULL;
	if (stuck && nvhi_ioq_leave(ioq, stuck))
		return;
	if (stuck) {
		snprintf(why, sizeof(why), "%s (cid 0x%04x) not answered, and not after its Abort",
			 nvh_io_opc_name(stuck->req.cmd.opc), nvh_le16_get(stuck->req.cmd.cid));
		nvhi_ioq_lose(ioq, -ETIMEDOUT, why);
		return;
	}
	if (ioq->timeout_ns)
		ioq_abort_late(ioq, now);
	ioq_arm(ioq, health_look);
}
