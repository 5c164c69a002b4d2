/*
 * Virtual time, the seeded scheduler, the trace. Reactors take turns in an order drawn anew each
 * round, some sit a round out, and time stands still until nobody has anything left to do.
 */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reactor_impl.h"
#include "tests/sim/net.h"

/* A world that is busy for longer without time moving is one that spins. */
#define ROUNDS_MAX 20000u

struct sim_core sim;

const char *const sim_mutant_names[SIM_MUTANT_COUNT] = {
	[SIM_MUTANT_NONE] = "none",
	[SIM_MUTANT_LOST_WRITE] = "lost-write",
	[SIM_MUTANT_DONE_UNSENT] = "done-unsent",
	[SIM_MUTANT_STALE_READ] = "stale-read",
	[SIM_MUTANT_TWICE] = "twice",
	[SIM_MUTANT_NEVER] = "never",
	[SIM_MUTANT_TORN] = "torn",
	[SIM_MUTANT_GHOST] = "ghost",
	[SIM_MUTANT_CRD] = "crd",
	[SIM_MUTANT_ANA] = "ana",
	[SIM_MUTANT_REVOKE] = "revoke",
	[SIM_MUTANT_HEDGE] = "hedge",
	[SIM_MUTANT_FENCE] = "no-fence",
	[SIM_MUTANT_RDY] = "rdy-unread",
	[SIM_MUTANT_ACCEPTED] = "ccr-accepted",
	[SIM_MUTANT_SHORT] = "short-time",
	[SIM_MUTANT_DEAF] = "deaf",
	[SIM_MUTANT_SETTLED] = "settled",
};

/* ---- trace ----------------------------------------------------------------------------------- */

void sim_trace(unsigned int line, const char *fmt, const unsigned long long *args, unsigned long n)
{
	unsigned long long a[8] = {0};
	uint64_t hash = sim.hash ^ (sim.now + line);

	for (unsigned long i = 1; i < n; i++) {
		hash = (hash ^ args[i]) * 0x100000001b3ull;
		hash ^= hash >> 29;
		if (i <= 8)
			a[i - 1] = args[i];
	}
	sim.hash = hash * 0x9e3779b97f4a7c15ull;
	sim.traced++;
	if (!sim.verbose)
		return;
	printf("%6llu.%06llu ms  ", (unsigned long long)(sim.now / SIM_MS),
	       (unsigned long long)(sim.now % SIM_MS));
	printf(fmt, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
	putchar('\n');
}

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	if (sim.failed)
		return;
	sim.failed = true;
	va_start(ap, fmt);
	vsnprintf(sim.why, sizeof(sim.why), fmt, ap);
	va_end(ap);
	if (sim.verbose)
		printf("%6llu.%06llu ms  FAILED: %s\n", (unsigned long long)(sim.now / SIM_MS),
		       (unsigned long long)(sim.now % SIM_MS), sim.why);
}

/* ---- life ------------------------------------------------------------------------------------ */

static uint64_t sim_clock_now(const struct nvhi_clock *clock)
{
	return nvhi_container_of(clock, struct sim_core, clock)->now;
}

void sim_core_init(uint64_t seed, bool verbose, enum sim_mutant mutant, bool hold)
{
	memset(&sim, 0, sizeof(sim));
	sim.seed = seed;
	sim.now = SIM_S;
	sim.clock.now = sim_clock_now;
	sim.verbose = verbose;
	sim.mutant = mutant;
	sim.hold = hold;
	sim.hash = seed;
	for (int i = 0; i < SIM_RNG_COUNT; i++) {
		struct sim_rng first = {.state = seed * SIM_RNG_COUNT + (uint64_t)i};

		sim.rng[i].state = sim_next(&first);
	}
}

struct nvh_reactor *sim_reactor_create(const char *name)
{
	struct nvhi_reactor_opts opts = {.name = name, .clock = &sim.clock, .simulated = true};
	struct nvh_reactor *reactor;

	if (sim.count == SIM_REACTORS || nvhi_reactor_create(&opts, &reactor)) {
		fprintf(stderr, "sim: no reactor\n");
		exit(2);
	}
	sim.reactors[sim.count++] = reactor;
	return reactor;
}

void sim_reactor_freeze(struct nvh_reactor *reactor)
{
	for (uint32_t i = 0; i < sim.count; i++)
		if (sim.reactors[i] == reactor)
			sim.frozen[i] = true;
}

void sim_core_done(void)
{
	for (uint32_t i = 0; i < sim.count; i++) {
		if (sim.frozen[i])
			continue;
		if (nvhi_reactor_next_deadline(sim.reactors[i]) != NVHI_NEVER)
			sim_fail("a timer is left on reactor %s",
				 nvhi_reactor_name(sim.reactors[i]));
		else
			nvhi_reactor_destroy(sim.reactors[i]);
	}
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void draw_order(uint32_t *order)
{
	for (uint32_t i = 0; i < sim.count; i++) {
		uint32_t k = (uint32_t)sim_below(sim_rng(SIM_RNG_SCHED), i + 1);

		order[i] = order[k];
		order[k] = i;
	}
}

static bool idle(struct nvh_reactor *r)
{
	return nvhi_inbox_empty(r) && nvhi_list_empty(&r->deferred) &&
	       nvhi_reactor_next_deadline(r) > sim.now && !sim_net_wants_turn(r);
}

static void settle(void)
{
	bool worked = true, skipped;

	do {
		bool may_skip = worked; /* a round in which all are asked comes last */
		uint32_t order[SIM_REACTORS], count = sim.count; /* more may come in a turn */

		worked = skipped = false;
		draw_order(order);
		for (uint32_t i = 0; i < count && !sim.failed; i++) {
			if (sim.frozen[order[i]] || idle(sim.reactors[order[i]]))
				continue;
			if (may_skip && sim_chance(sim_rng(SIM_RNG_SCHED), 15)) {
				skipped = true;
				continue;
			}
			sim.turns++;
			if (nvhi_reactor_turn(sim.reactors[order[i]]) > 0)
				worked = true;
		}
		if (++sim.rounds > ROUNDS_MAX)
			sim_fail("%u rounds of turns without an end: something spins", sim.rounds);
	} while ((worked || skipped) && !sim.failed);
}

static uint64_t next_event(void)
{
	uint64_t next = sim_net_next();

	for (uint32_t i = 0; i < sim.count; i++) {
		uint64_t due = nvhi_reactor_next_deadline(sim.reactors[i]);

		if (due < next && !sim.frozen[i])
			next = due;
	}
	return next;
}

bool sim_run_until(bool (*done)(void), uint64_t limit)
{
	uint64_t end = sim.now + limit;

	while (!sim.failed) {
		uint64_t next;

		settle();
		if (sim.failed)
			break;
		if (done && done())
			return true;
		next = next_event();
		if (next > end || next == NVHI_NEVER) {
			if (limit != NVHI_NEVER)
				sim.now = end;
			sim_net_passed();
			return !done;
		}
		if (next > sim.now) {
			sim.now = next;
			sim.rounds = 0;
			sim_net_passed();
		}
	}
	return false;
}

/* ---- calls ----------------------------------------------------------------------------------- */

struct sim_call {
	struct nvhi_msg msg;
	void (*fn)(void *arg);
	void *arg;
};

static void call_run(struct nvhi_msg *msg)
{
	struct sim_call *call = nvhi_container_of(msg, struct sim_call, msg);
	void (*fn)(void *arg) = call->fn;
	void *arg = call->arg;

	free(call);
	fn(arg);
}

void sim_on(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg)
{
	struct sim_call *call = calloc(1, sizeof(*call));

	call->msg.fn = call_run;
	call->fn = fn;
	call->arg = arg;
	nvhi_reactor_post(reactor, &call->msg);
}
