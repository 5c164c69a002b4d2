/*
 * The second step against a stuck command, where the controller takes it (OFCS bit 0): its queue alone
 * is left by a Disconnect and connected again, while the association and its other queues go on. The
 * Disconnect's answer is the last word of the queue: what was not answered before it never will be
 * executed, so nothing of it needs another fence. No answer, a refusal, a controller that answers
 * nothing else either, or a queue that was left a moment ago: the controller is reset, as ever.
 * Its reactor. Base Specification 2.1 section 6.4.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ioq_impl.h"

#define ROOM_NS (10 * NVHI_NSEC_PER_MSEC) /* between two looks for a free slot */

bool nvhi_ioq_is_settled(const struct nvhi_ioq *ioq)
{
	return ioq->settled;
}

static uint64_t leave_grace_ns(const struct nvhi_ioq *ioq)
{
	return nvhi_abort_grace_ms(ioq->ctrlr) * NVHI_NSEC_PER_MSEC;
}

static void leave_answered(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ioq *ioq = nvhi_container_of(req, struct nvhi_ioq, disconnect);
	uint64_t now = nvhi_reactor_now(ioq->reactor);
	char why[96];

	if (err || ioq->state != NVHI_IOQ_LEAVING)
		return; /* it goes with its queue */
	if (nvh_cpl_is_error(cpl)) {
		snprintf(why, sizeof(why), "Disconnect refused: %.60s",
			 nvh_fabrics_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
		nvhi_ioq_lose(ioq, -EREMOTEIO, why);
		return;
	}
	nvhi_log(INFO, CTRLR, "%s/q%u: disconnected in %llu ms, which fences %u commands",
		 ioq->ctrlr->name, ioq->qid,
		 (unsigned long long)((now - ioq->left_ns) / NVHI_NSEC_PER_MSEC),
		 nvhi_ioq_inflight(ioq));
	ioq->settled = ioq->rejoining = true;
	__atomic_fetch_add(&ioq->ctrlr->rejoins, 1, __ATOMIC_RELAXED);
	nvhi_ioq_close(ioq);
}

/* A full queue has a slot for it when any of its commands is answered. */
static void leave_try(struct nvhi_ioq *ioq)
{
	uint64_t look = ioq->leave_by;
	struct nvhi_req *req = &ioq->disconnect;
	struct nvh_fab_disconnect_cmd *cmd = (struct nvh_fab_disconnect_cmd *)&req->cmd;
	int err;

	memset(req, 0, sizeof(*req));
	cmd->opc = NVH_ADM_FABRICS;
	cmd->fctype = NVH_FCTYPE_DISCONNECT;
	req->dir = NVHI_DIR_NONE;
	req->done = leave_answered;
	err = ioq->transport->submit(ioq->qpair, req);
	if (err == -EAGAIN)
		look = nvhi_reactor_now(ioq->reactor) + ROOM_NS;
	else if (err)
		return; /* the transport is about to tell that it was lost */
	else
		ioq->disconnect_out = true;
	if (nvhi_timer_arm_at(ioq->reactor, &ioq->watchdog, look) < 0)
		nvhi_ioq_lose(ioq, -ENOMEM, "no memory for the timer of its Disconnect");
}

void nvhi_ioq_leave_look(struct nvhi_ioq *ioq)
{
	if (nvhi_reactor_now(ioq->reactor) >= ioq->leave_by)
		nvhi_ioq_lose(ioq, -ETIMEDOUT,
			      ioq->disconnect_out ? "its Disconnect was not answered"
						  : "every command on it is stuck");
	else if (!ioq->disconnect_out)
		leave_try(ioq);
}

bool nvhi_ioq_leave(struct nvhi_ioq *ioq, const struct nvhi_ioq_req *stuck)
{
	const struct nvhi_ctrlr_caps *caps = &ioq->ctrlr->caps;
	uint64_t now = nvhi_reactor_now(ioq->reactor), grace = leave_grace_ns(ioq);

	if (!ioq->transport->fabrics || !(caps->ofcs & NVH_OFCS_DISCONNECT))
		return false;
	if (!nvhi_ioq_answers_since(ioq, stuck->lose_at - grace))
		return false;
	if (ioq->left_ns && now - ioq->left_ns < 2 * (ioq->timeout_ns + grace))
		return false; /* it did not help */
	nvhi_log(WARN, CTRLR,
		 "%s/q%u: %s (cid 0x%04x) not answered, and not after its Abort: disconnecting this "
		 "queue",
		 ioq->ctrlr->name, ioq->qid, nvh_io_opc_name(stuck->req.cmd.opc),
		 nvh_le16_get(stuck->req.cmd.cid));
	ioq->left_ns = now;
	ioq->leave_by = now + grace;
	ioq->disconnect_out = false;
	nvhi_ioq_set_state(ioq, NVHI_IOQ_LEAVING);
	nvhi_ioq_fail_waiters(ioq);
	if (ioq->state == NVHI_IOQ_LEAVING)
		leave_try(ioq);
	return true;
}
