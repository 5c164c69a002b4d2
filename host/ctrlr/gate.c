/*
 * Attempts to connect, bounded: see gate.h. Targets are told apart by transport and address, whatever
 * the port: the machine is what is spared. Home reactor.
 */
#include "host/ctrlr/gate.h"

#include <string.h>

#include "base/log.h"

static void gate_serve(struct nvhi_gate *gate);

/* ---- limits -------------------------------------------------------------------------------- */

static void limit_init(struct nvhi_gate_limit *limit, uint32_t at_once, uint32_t rate)
{
	memset(limit, 0, sizeof(*limit));
	limit->at_once = at_once;
	limit->every_ns = NVHI_NSEC_PER_SEC / rate;
}

/* When the rate lets the next one through: a burst of at_once, then one each every_ns. */
static uint64_t limit_free_at(const struct nvhi_gate_limit *limit)
{
	uint64_t burst = (limit->at_once - 1) * limit->every_ns;

	return limit->due_ns > burst ? limit->due_ns - burst : 0;
}

static void limit_take(struct nvhi_gate_limit *limit, uint64_t now)
{
	limit->inside++;
	limit->due_ns = (limit->due_ns > now ? limit->due_ns : now) + limit->every_ns;
}

/* ---- targets ------------------------------------------------------------------------------- */

/* FNV-1a. */
static uint64_t target_key(const struct nvhi_addr *addr)
{
	uint64_t key = 0xcbf29ce484222325ull ^ addr->trtype;

	for (const char *c = addr->traddr; *c; c++)
		key = (key ^ (uint8_t)*c) * 0x100000001b3ull;
	return key;
}

/* One that nobody uses is another's when its rate has forgotten the last attempt. */
static struct nvhi_gate_target *gate_target(struct nvhi_gate *gate, const struct nvhi_addr *addr)
{
	uint64_t now = nvhi_reactor_now(gate->reactor), key = target_key(addr);
	struct nvhi_gate_target *found = NULL;

	for (uint32_t i = 0; i < NVHI_GATE_TARGETS; i++) {
		struct nvhi_gate_target *target = &gate->targets[(key + i) % NVHI_GATE_TARGETS];

		if (target->key == key && (target->users || target->limit.due_ns > now))
			return target;
		if (!found && !target->users && target->limit.due_ns <= now)
			found = target;
	}
	if (!found)
		return &gate->targets[key % NVHI_GATE_TARGETS];
	found->key = key;
	limit_init(&found->limit, NVHI_GATE_TARGET_AT_ONCE, NVHI_GATE_TARGET_RATE);
	return found;
}

/* ---- passing ------------------------------------------------------------------------------- */

/* 0: now; NVHI_NEVER: not before another one leaves; else the time. */
static uint64_t pass_when(const struct nvhi_gate *gate, const struct nvhi_gate_pass *pass,
			  uint64_t now)
{
	const struct nvhi_gate_limit *own = &pass->target->limit;
	uint64_t at = limit_free_at(&gate->limit), own_at = limit_free_at(own);

	if (gate->limit.inside >= gate->limit.at_once || own->inside >= own->at_once)
		return NVHI_NEVER;
	at = own_at > at ? own_at : at;
	return at > now ? at : 0;
}

static void pass_in(struct nvhi_gate *gate, struct nvhi_gate_pass *pass, uint64_t now)
{
	pass->inside = true;
	limit_take(&gate->limit, now);
	limit_take(&pass->target->limit, now);
	gate->passed++;
	if (gate->limit.inside > gate->most_inside)
		gate->most_inside = gate->limit.inside;
}

static void gate_fire(struct nvhi_timer *timer)
{
	gate_serve(nvhi_container_of(timer, struct nvhi_gate, timer));
}

static void gate_arm(struct nvhi_gate *gate, uint64_t at)
{
	if (at == NVHI_NEVER)
		nvhi_timer_cancel(gate->reactor, &gate->timer);
	else if (nvhi_timer_arm_at(gate->reactor, &gate->timer, at) < 0)
		nvhi_log(ERROR, CTRLR, "no memory for a timer: attempts to connect wait for others");
}

/* fn may enter and leave: it begins anew after each. */
static void gate_serve(struct nvhi_gate *gate)
{
	uint64_t now = nvhi_reactor_now(gate->reactor), at, first;
	struct nvhi_gate_pass *pass;

again:
	first = NVHI_NEVER;
	nvhi_list_for_each(pass, &gate->waiting, link) {
		at = pass_when(gate, pass, now);
		if (at == 0) {
			nvhi_list_del(&pass->link);
			pass_in(gate, pass, now);
			pass->fn(pass);
			goto again;
		}
		first = at < first ? at : first;
	}
	gate_arm(gate, first);
}

bool nvhi_gate_enter(struct nvhi_gate *gate, struct nvhi_gate_pass *pass,
		     const struct nvhi_addr *addr, bool first)
{
	uint64_t now = nvhi_reactor_now(gate->reactor);

	if (pass->gate)
		return pass->inside;
	pass->target = gate_target(gate, addr);
	pass->gate = gate;
	pass->inside = false;
	pass->target->users++;
	nvhi_list_init(&pass->link);
	if ((first || nvhi_list_empty(&gate->waiting)) && pass_when(gate, pass, now) == 0) {
		pass_in(gate, pass, now);
		return true;
	}
	if (first)
		nvhi_list_insert(&gate->waiting, &pass->link);
	else
		nvhi_list_add_tail(&gate->waiting, &pass->link);
	gate_serve(gate); /* it may pass those whose target is busy */
	return false;
}

void nvhi_gate_leave(struct nvhi_gate_pass *pass)
{
	struct nvhi_gate *gate = pass->gate;

	if (!gate)
		return;
	pass->gate = NULL;
	pass->target->users--;
	if (pass->inside) {
		pass->inside = false;
		pass->target->limit.inside--;
		gate->limit.inside--;
	} else {
		nvhi_list_del(&pass->link);
	}
	gate_serve(gate);
}

void nvhi_gate_init(struct nvhi_gate *gate, struct nvh_reactor *reactor)
{
	memset(gate, 0, sizeof(*gate));
	gate->reactor = reactor;
	gate->timer.fn = gate_fire;
	nvhi_list_init(&gate->waiting);
	limit_init(&gate->limit, NVHI_GATE_HOST_AT_ONCE, NVHI_GATE_HOST_RATE);
}

void nvhi_gate_fini(struct nvhi_gate *gate)
{
	nvhi_timer_cancel(gate->reactor, &gate->timer);
}
