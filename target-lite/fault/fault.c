/*
 * What faults do: rules into and out of the groups' tables, and the lists of commands that are held
 * or delayed. Orders start on the management reactor, run in each group and are counted back there.
 * Everything else is on the group's reactor.
 */
#include "target-lite/fault/fault.h"

#include <errno.h>
#include <stdlib.h>

#include "target-lite/core/impl.h"

struct tl_fault_group {
	struct tl_poll_group *group;
	struct tl_fault *faults[TL_FAULTS_MAX];
	uint32_t count;
	struct nvhi_list held, delayed; /* struct tl_request by link */
	struct nvhi_timer timer;        /* the first of delayed that is due */
};

enum fault_order_op { FAULT_ADD, FAULT_CLEAR, FAULT_RELEASE };

struct fault_order_part {
	struct nvhi_msg msg;
	struct fault_order *order;
	struct tl_poll_group *group;
};

struct fault_order {
	enum fault_order_op op;
	struct tl_fault *fault; /* RELEASE of all: NULL */
	bool drop;
	atomic_uint_fast64_t commands;
	uint32_t missing;
	tl_fault_done_fn done;
	void *arg;
	struct fault_order *next; /* of the same call; done after the last */
	struct fault_order_part parts[];
};

/* ---- commands that wait ---------------------------------------------------------------------- */

/* Goes on where tl_request_exec, or tl_request_complete, was left. */
static void fault_resume(struct tl_request *req)
{
	nvhi_list_del(&req->link);
	nvhi_list_del(&req->qpair_link);
	if (req->fault_done)
		tl_request_complete(req, req->fault_status);
	else
		tl_request_run(req);
}

static void fault_arm(struct tl_fault_group *fg)
{
	uint64_t due = NVHI_NEVER;
	struct tl_request *req;

	nvhi_list_for_each(req, &fg->delayed, link)
		if (req->fault_due < due)
			due = req->fault_due;
	if (due == NVHI_NEVER)
		nvhi_timer_cancel(fg->group->reactor, &fg->timer);
	else if (nvhi_timer_arm_at(fg->group->reactor, &fg->timer, due))
		nvhi_log(WARN, TARGET, "%s: no memory for a timer", fg->group->name);
}

static struct tl_request *fault_due(const struct tl_fault_group *fg)
{
	uint64_t now = nvhi_reactor_now(fg->group->reactor);
	struct tl_request *req;

	nvhi_list_for_each(req, &fg->delayed, link)
		if (req->fault_due <= now)
			return req;
	return NULL;
}

static void fault_timer(struct nvhi_timer *timer)
{
	struct tl_fault_group *fg = nvhi_container_of(timer, struct tl_fault_group, timer);
	struct tl_request *req;

	while ((req = fault_due(fg)))
		fault_resume(req);
	fault_arm(fg);
}

/* A parked request ends with its connection; another one keeps the queue pair until it goes on. */
static void fault_wait(struct tl_request *req, const struct tl_fault *fault, struct nvhi_list *list,
		       bool parked)
{
	req->state = parked ? TL_REQ_PARKED : TL_REQ_ACTIVE;
	req->io.bdev = NULL; /* Abort finds no I/O below */
	req->fault_id = fault->id;
	tl_request_track(req);
	if (list)
		nvhi_list_add_tail(list, &req->link);
}

static void fault_delay(struct tl_fault_group *fg, struct tl_request *req, uint32_t ms)
{
	req->fault_due = nvhi_reactor_now(fg->group->reactor) + ms * NVHI_NSEC_PER_MSEC;
	fault_arm(fg);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void fault_drop(struct nvhi_msg *msg)
{
	struct tl_qpair *qpair = nvhi_container_of(msg, struct tl_qpair, fault_msg);

	if (tl_qpair_closing(qpair))
		return;
	if (qpair->transport->ops->reset)
		qpair->transport->ops->reset(qpair);
	else
		qpair->transport->ops->disconnect(qpair);
}

/* Whether the command that met it is lost too. */
static bool fault_connection(const struct tl_fault *fault, struct tl_qpair *qpair)
{
	void (*mute)(struct tl_qpair *, enum tl_mute) = qpair->transport->ops->mute;

	switch (fault->opts.kind) {
	case TL_FAULT_DROP_CONNECTION:
		if (qpair->fault_dropped)
			return true;
		qpair->fault_dropped = true; /* by message: not inside the receiving pass */
		qpair->fault_msg.fn = fault_drop;
		nvhi_reactor_post(qpair->group->reactor, &qpair->fault_msg);
		return true;
	case TL_FAULT_KILL_CONTROLLER:
		if (qpair->ctrlr)
			tl_ctrlr_kill(qpair->ctrlr);
		return qpair->ctrlr != NULL;
	default:
		qpair->fault_id = fault->id;
		if (mute)
			mute(qpair,
			     fault->opts.kind == TL_FAULT_SILENCE ? TL_MUTE_ALL : TL_MUTE_READING);
		return false;
	}
}

static bool fault_is_connection(const struct tl_fault *fault)
{
	return fault->opts.kind == TL_FAULT_DROP_CONNECTION ||
	       fault->opts.kind == TL_FAULT_SILENCE || fault->opts.kind == TL_FAULT_STOP_READING ||
	       fault->opts.kind == TL_FAULT_KILL_CONTROLLER;
}

/* ---- the hooks ------------------------------------------------------------------------------- */

/* True: the command goes no further now. */
static bool fault_strike(struct tl_fault_group *fg, const struct tl_fault *fault,
			 struct tl_request *req)
{
	const struct tl_fault_opts *opts = &fault->opts;

	switch (opts->kind) {
	case TL_FAULT_STATUS:
		if (!opts->after) {
			tl_request_complete(req, opts->status);
			return true;
		}
		req->fault_after = true;
		req->fault_status = opts->status;
		return false;
	case TL_FAULT_DELAY:
		req->fault_id = fault->id;
		if (opts->after) {
			req->fault_after = true;
			req->fault_ms = opts->ms;
			return false;
		}
		fault_wait(req, fault, &fg->delayed, true);
		fault_delay(fg, req, opts->ms);
		return true;
	case TL_FAULT_HOLD:
		fault_wait(req, fault, &fg->held, !opts->outlive);
		return true;
	case TL_FAULT_LOSE_KEEPALIVE:
		fault_wait(req, fault, NULL, true);
		return true;
	case TL_FAULT_CORRUPT_DIGEST:
	case TL_FAULT_MALFORMED_PDU:
		req->fault_garble = opts->garble;
		return false;
	default:
		if (!fault_connection(fault, req->qpair))
			return false;
		fault_wait(req, fault, NULL, true);
		return true;
	}
}

bool tl_fault_on_exec(struct tl_request *req)
{
	struct tl_fault_group *fg = req->qpair->group->faults;

	for (uint32_t i = 0; i < fg->count; i++) {
		struct tl_fault *fault = fg->faults[i];

		if (tl_fault_matches(&fault->opts, req->qpair, &req->cmd) &&
		    tl_fault_strikes(fault) && fault_strike(fg, fault, req))
			return true;
	}
	return false;
}

bool tl_fault_ignores_abort(const struct tl_request *req)
{
	const struct tl_fault_group *fg = req->qpair->group->fault_store;
	const struct tl_request *held;

	if (!fg)
		return false;
	nvhi_list_for_each(held, &fg->held, link)
		for (uint32_t i = 0; held == req && i < fg->count; i++)
			if (fg->faults[i]->id == req->fault_id)
				return fg->faults[i]->opts.ignore_abort;
	return false;
}

bool tl_fault_on_complete(struct tl_request *req, unsigned int *status)
{
	struct tl_fault_group *fg = req->qpair->group->fault_store;
	struct tl_fault of = {.id = req->fault_id};

	req->fault_after = false;
	if (req->fault_status)
		*status = req->fault_status;
	if (!req->fault_ms || tl_qpair_closing(req->qpair))
		return false;
	nvhi_list_del(&req->link);
	nvhi_list_del(&req->qpair_link);
	req->fault_done = true;
	req->fault_status = (uint16_t)*status;
	fault_wait(req, &of, &fg->delayed, false);
	fault_delay(fg, req, req->fault_ms);
	return true;
}

/* ---- orders, in a group ---------------------------------------------------------------------- */

static void fault_group_add(struct tl_fault_group *fg, struct tl_fault *fault)
{
	struct tl_qpair *qpair;

	fg->faults[fg->count++] = fault;
	fg->group->faults = fg;
	if (!fault_is_connection(fault))
		return;
	nvhi_list_for_each(qpair, &fg->group->qpairs, group_link)
		if (!tl_qpair_closing(qpair) && tl_fault_matches(&fault->opts, qpair, NULL) &&
		    tl_fault_strikes(fault))
			fault_connection(fault, qpair);
}

/* Lets go of the list's commands of this fault (0: of all); how many. Those that come back to the
 * list on their way are not met again. */
static uint64_t fault_let_go(struct nvhi_list *list, uint64_t id, bool drop)
{
	struct nvhi_list mine = NVHI_LIST_INIT(mine);
	struct tl_request *req, *tmp;
	uint64_t commands = 0;

	nvhi_list_for_each_safe(req, tmp, list, link) {
		if (id && req->fault_id != id)
			continue;
		nvhi_list_del(&req->link);
		nvhi_list_add_tail(&mine, &req->link);
	}
	for (; !nvhi_list_empty(&mine); commands++) {
		req = nvhi_list_first(&mine, struct tl_request, link);
		if (!drop) {
			fault_resume(req);
		} else if (tl_qpair_closing(req->qpair)) {
			tl_request_complete(req, NVH_ST_ABORTED_SQ_DELETION);
		} else {
			nvhi_list_del(&req->link);
			req->state = TL_REQ_PARKED; /* until the connection ends */
		}
	}
	return commands;
}

void tl_fault_quench(struct tl_qpair *qpair)
{
	struct tl_fault_group *fg = qpair->group->fault_store;
	struct tl_request *req, *next;

	if (!fg)
		return;
	/* One may be the queue pair's last: what is read after it is not of its own. */
	nvhi_list_for_each_safe(req, next, &fg->held, link)
		if (req->qpair == qpair)
			tl_request_complete(req, NVH_ST_ABORTED_SQ_DELETION);
}

static uint64_t fault_group_clear(struct tl_fault_group *fg, const struct tl_fault *fault)
{
	uint32_t i = 0;
	struct tl_qpair *qpair;
	uint64_t commands;

	while (fg->faults[i] != fault)
		i++;
	for (fg->count--; i < fg->count; i++)
		fg->faults[i] = fg->faults[i + 1];
	if (!fg->count)
		fg->group->faults = NULL;
	nvhi_list_for_each(qpair, &fg->group->qpairs, group_link) {
		if (qpair->fault_id != fault->id)
			continue;
		qpair->fault_id = 0;
		if (!tl_qpair_closing(qpair) && qpair->transport->ops->mute)
			qpair->transport->ops->mute(qpair, TL_MUTE_NOTHING);
	}
	commands = fault_let_go(&fg->held, fault->id, false);
	commands += fault_let_go(&fg->delayed, fault->id, false);
	fault_arm(fg);
	return commands;
}

/* ---- orders, there and back ------------------------------------------------------------------ */

static void fault_order_done(struct fault_order *order)
{
	if (order->op == FAULT_CLEAR)
		free(order->fault);
	if (order->next)
		atomic_fetch_add(&order->next->commands, order->commands);
	else if (order->done)
		order->done(order->arg, order->commands);
	free(order);
}

static void fault_flap_ended(void *arg)
{
	fault_order_done(arg);
}

static void fault_order_back(struct nvhi_msg *msg)
{
	struct fault_order *order = nvhi_container_of(msg, struct fault_order_part, msg)->order;

	if (--order->missing)
		return;
	if (order->op == FAULT_CLEAR && order->fault->flap)
		tl_ana_flap_end(order->fault->flap, fault_flap_ended, order);
	else
		fault_order_done(order);
}

static void fault_order_run(struct nvhi_msg *msg)
{
	struct fault_order_part *part = nvhi_container_of(msg, struct fault_order_part, msg);
	struct fault_order *order = part->order;
	struct tl_fault_group *fg = part->group->fault_store;
	uint64_t commands = 0;

	if (order->op == FAULT_ADD)
		fault_group_add(fg, order->fault);
	else if (order->op == FAULT_CLEAR)
		commands = fault_group_clear(fg, order->fault);
	else
		commands =
			fault_let_go(&fg->held, order->fault ? order->fault->id : 0, order->drop);
	atomic_fetch_add(&order->commands, commands);
	part->msg.fn = fault_order_back;
	nvhi_reactor_post(part->group->target->mgmt, &part->msg);
}

static struct fault_order *fault_order_new(struct tl_target *target, enum fault_order_op op,
					   struct tl_fault *fault)
{
	uint32_t count = target->group_count;
	struct fault_order *order = calloc(1, sizeof(*order) + count * sizeof(order->parts[0]));

	if (!order)
		return NULL;
	order->op = op;
	order->fault = fault;
	order->missing = count;
	for (uint32_t i = 0; i < count; i++) {
		order->parts[i].order = order;
		order->parts[i].group = &target->groups[i];
		order->parts[i].msg.fn = fault_order_run;
	}
	return order;
}

static void fault_order_post(struct tl_target *target, struct fault_order *order)
{
	for (uint32_t i = 0; i < target->group_count; i++)
		nvhi_reactor_post(target->groups[i].reactor, &order->parts[i].msg);
}

/* ---- management ------------------------------------------------------------------------------ */

/* What the groups need; made once, before the first order reaches them. */
static int fault_stores(struct tl_target *target)
{
	for (uint32_t i = 0; i < target->group_count; i++) {
		struct tl_poll_group *group = &target->groups[i];
		struct tl_fault_group *fg;

		if (group->fault_store)
			continue;
		fg = calloc(1, sizeof(*fg));
		if (!fg)
			return -ENOMEM;
		fg->group = group;
		fg->timer.fn = fault_timer;
		nvhi_list_init(&fg->held);
		nvhi_list_init(&fg->delayed);
		group->fault_store = fg;
	}
	return 0;
}

int tl_fault_add(struct tl_target *target, const struct tl_fault_opts *opts, tl_fault_done_fn done,
		 void *arg, struct tl_fault **ret_fault)
{
	struct fault_order *order;
	struct tl_fault *fault;

	if (target->fault_count == TL_FAULTS_MAX)
		return -ENOSPC;
	if (target->stopping)
		return -ESHUTDOWN;
	if (fault_stores(target))
		return -ENOMEM;
	fault = calloc(1, sizeof(*fault));
	order = fault ? fault_order_new(target, FAULT_ADD, fault) : NULL;
	if (!order) {
		free(fault);
		return -ENOMEM;
	}
	fault->opts = *opts;
	if (opts->kind == TL_FAULT_ANA_FLAP && tl_ana_flap_start(target, fault)) {
		free(order);
		free(fault);
		return -ENOMEM;
	}
	fault->id = ++target->fault_last;
	nvhi_list_add_tail(&target->faults, &fault->link);
	target->fault_count++;
	order->commands = fault->id;
	order->done = done;
	order->arg = arg;
	*ret_fault = fault;
	fault_order_post(target, order);
	return 0;
}

static struct tl_fault *fault_find(struct tl_target *target, uint64_t id)
{
	struct tl_fault *fault;

	nvhi_list_for_each(fault, &target->faults, link)
		if (fault->id == id)
			return fault;
	return NULL;
}

/* Orders for all of them first, so that a lack of memory changes nothing. */
int tl_fault_clear(struct tl_target *target, uint64_t id, tl_fault_done_fn done, void *arg)
{
	struct fault_order *orders[TL_FAULTS_MAX];
	struct tl_fault *fault;
	uint32_t count = 0;

	if (id && !fault_find(target, id))
		return -ENOENT;
	nvhi_list_for_each(fault, &target->faults, link) {
		if (id && fault->id != id)
			continue;
		orders[count] = fault_order_new(target, FAULT_CLEAR, fault);
		if (!orders[count]) {
			while (count)
				free(orders[--count]);
			return -ENOMEM;
		}
		count++;
	}
	if (!count && done)
		done(arg, 0);
	for (uint32_t i = 0; i < count; i++) {
		orders[i]->next = i + 1 < count ? orders[i + 1] : NULL;
		orders[i]->done = done;
		orders[i]->arg = arg;
		nvhi_list_del(&orders[i]->fault->link);
		target->fault_count--;
	}
	for (uint32_t i = 0; i < count; i++)
		fault_order_post(target, orders[i]);
	return 0;
}

int tl_fault_release(struct tl_target *target, uint64_t id, bool drop, tl_fault_done_fn done,
		     void *arg)
{
	struct tl_fault *fault = id ? fault_find(target, id) : NULL;
	struct fault_order *order;

	if (id && !fault)
		return -ENOENT;
	if (fault_stores(target))
		return -ENOMEM;
	order = fault_order_new(target, FAULT_RELEASE, fault);
	if (!order)
		return -ENOMEM;
	order->drop = drop;
	order->done = done;
	order->arg = arg;
	fault_order_post(target, order);
	return 0;
}

void tl_faults_stop(struct tl_target *target)
{
	if (tl_fault_clear(target, 0, NULL, NULL))
		nvhi_log(ERROR, TARGET, "no memory to clear the faults: held commands stay");
}

void tl_faults_done(struct tl_target *target)
{
	for (uint32_t i = 0; i < target->group_count; i++)
		free(target->groups[i].fault_store);
}
