/*
 * Changing a subsystem under I/O: pause -> change -> resume. The management reactor sends an order
 * to every poll group and counts their answers; a group that is told to drain a namespace answers
 * when the last command to it has ended. Changes are made one after the other.
 */
#include <assert.h>
#include <stdlib.h>

#include "target-lite/core/impl.h"

static void change_next(struct tl_subsystem *ss);

static void subsystem_set_state(struct tl_subsystem *ss, enum tl_subsystem_state to)
{
	nvhi_fsm_set(&tl_subsystem_fsm, &ss->state, to, NVHI_LOG_TARGET, ss->nqn);
}

/* ---- orders to the groups ------------------------------------------------------------------- */

static void change_order_all(struct tl_subsystem *ss, nvhi_msg_fn order)
{
	uint32_t count = ss->target->group_count;

	assert(!ss->acks_missing);
	ss->acks_missing = count;
	for (uint32_t i = 0; i < count; i++) {
		ss->groups[i].msg.fn = order;
		nvhi_reactor_post(ss->groups[i].group->reactor, &ss->groups[i].msg);
	}
}

static void change_acked(struct nvhi_msg *msg);

static void change_ack(struct tl_group_subsystem *gs)
{
	gs->ack.fn = change_acked;
	nvhi_reactor_post(gs->subsystem->target->mgmt, &gs->ack);
}

/* The first of a fused pair may wait for its second for ever: it does not hold up a change. */
static void change_abort_lonely(struct tl_group_subsystem *gs, const struct tl_ns *ns)
{
	struct tl_qpair *qpair;

	nvhi_list_for_each(qpair, &gs->group->qpairs, group_link) {
		struct tl_request *first = qpair->fused;

		if (!first || first->ns != ns)
			continue;
		qpair->fused = NULL;
		first->state = TL_REQ_ACTIVE;
		tl_request_complete(first, TL_DNR(NVH_ST_ABORTED_MISSING_FUSED));
	}
}

static void change_drain_order(struct nvhi_msg *msg)
{
	struct tl_group_subsystem *gs = nvhi_container_of(msg, struct tl_group_subsystem, msg);
	uint32_t nsid = gs->subsystem->change->drain_nsid;
	struct tl_ns *ns = tl_subsystem_ns(gs->subsystem, nsid);

	gs->draining_nsid = nsid;
	gs->hold = true;
	if (ns)
		change_abort_lonely(gs, ns);
	if (!ns || !ns->groups[gs->group->index].outstanding)
		tl_subsystem_drained(gs);
}

void tl_subsystem_drained(struct tl_group_subsystem *gs)
{
	/* Commands to it stay held: the flag remains until the resume, only the wait is over. */
	if (gs->drained)
		return;
	gs->drained = true;
	change_ack(gs);
}

static void change_pause_order(struct nvhi_msg *msg)
{
	struct tl_group_subsystem *gs = nvhi_container_of(msg, struct tl_group_subsystem, msg);

	gs->paused = true;
	gs->hold = true;
	change_ack(gs);
}

static void change_resume_order(struct nvhi_msg *msg)
{
	struct tl_group_subsystem *gs = nvhi_container_of(msg, struct tl_group_subsystem, msg);
	struct nvhi_list held = NVHI_LIST_INIT(held);

	gs->paused = false;
	gs->hold = false;
	gs->drained = false;
	gs->draining_nsid = 0;
	nvhi_list_splice_tail(&held, &gs->queued);
	while (!nvhi_list_empty(&held)) {
		struct tl_request *req = nvhi_list_first(&held, struct tl_request, link);

		nvhi_list_del(&req->link);
		nvhi_list_del(&req->qpair_link);
		tl_request_dispatch(req);
	}
	change_ack(gs);
}

bool tl_subsystem_hold(struct tl_group_subsystem *gs, struct tl_request *req)
{
	bool admin = req->qpair->qid == 0;

	if (!gs->paused && (admin || tl_nsid(req) != gs->draining_nsid))
		return false;
	/* A keep-alive needs nothing that changes; its controller must not die of a pause. */
	if (admin && req->cmd.opc == NVH_ADM_KEEP_ALIVE)
		return false;
	req->state = TL_REQ_QUEUED;
	tl_request_track(req);
	nvhi_list_add_tail(&gs->queued, &req->link);
	return true;
}

/* ---- one change, step by step --------------------------------------------------------------- */

static void change_finish(struct tl_subsystem *ss)
{
	struct tl_subsystem_change *change = ss->change;
	tl_done_fn done = change->done;
	void *arg = change->arg;
	int err = change->err;

	ss->change = NULL;
	change->finish(change);
	if (done)
		done(arg, err);
}

static void change_acked(struct nvhi_msg *msg)
{
	struct tl_subsystem *ss = nvhi_container_of(msg, struct tl_group_subsystem, ack)->subsystem;

	if (--ss->acks_missing)
		return;
	switch (ss->state) {
	case TL_SUBSYSTEM_PAUSING:
		if (!ss->change->drained && ss->change->drain_nsid) {
			ss->change->drained = true;
			change_order_all(ss, change_pause_order);
			return;
		}
		subsystem_set_state(ss, TL_SUBSYSTEM_PAUSED);
		ss->change->apply(ss->change);
		subsystem_set_state(ss, TL_SUBSYSTEM_RESUMING);
		change_order_all(ss, change_resume_order);
		return;
	case TL_SUBSYSTEM_ACTIVATING:
	case TL_SUBSYSTEM_RESUMING:
		subsystem_set_state(ss, TL_SUBSYSTEM_ACTIVE);
		change_finish(ss);
		change_next(ss);
		return;
	default:
		assert(!"an answer in a state that asked nothing");
	}
}

static void change_begin(struct nvhi_msg *msg)
{
	struct tl_subsystem_change *change =
		nvhi_container_of(msg, struct tl_subsystem_change, msg);
	struct tl_subsystem *ss = change->ss;

	if (change->activate) {
		subsystem_set_state(ss, TL_SUBSYSTEM_ACTIVATING);
		change->apply(change);
		change_order_all(ss, change_resume_order);
	} else if (ss->state == TL_SUBSYSTEM_INACTIVE) {
		change->apply(change);
		change_finish(ss);
		change_next(ss);
	} else {
		subsystem_set_state(ss, TL_SUBSYSTEM_PAUSING);
		change_order_all(ss, change->drain_nsid ? change_drain_order : change_pause_order);
	}
}

static void change_next(struct tl_subsystem *ss)
{
	if (ss->change)
		return;
	if (nvhi_list_empty(&ss->changes)) {
		if (ss->deleting)
			tl_subsystem_delete_step(ss);
		return;
	}
	ss->change = nvhi_list_first(&ss->changes, struct tl_subsystem_change, link);
	nvhi_list_del(&ss->change->link);
	/* By message, so that nothing happens inside the call that asked. */
	ss->change->msg.fn = change_begin;
	nvhi_reactor_post(ss->target->mgmt, &ss->change->msg);
}

void tl_subsystem_change(struct tl_subsystem *ss, struct tl_subsystem_change *change)
{
	change->ss = ss;
	change->drained = false;
	nvhi_list_add_tail(&ss->changes, &change->link);
	change_next(ss);
}

void tl_change_keep(struct tl_subsystem_change *change)
{
	(void)change;
}
