/*
 * The reactor's life and its turn: inbox, sources, pollers, due timers, deferred work. What a turn
 * finds to do, it does; waiting is reactor_idle.c's. Owner thread, but for nvhi_reactor_stop.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reactor_impl.h"

/* Deferred work that defers again is run on in the same turn this often, then waits for the next.
 */
#define DEFER_ROUNDS 4

static __thread struct nvh_reactor *current_reactor;

int nvhi_reactor_create(const struct nvhi_reactor_opts *opts, struct nvh_reactor **ret_reactor)
{
	static const struct nvhi_reactor_opts defaults = {.spin_us = NVHI_SPIN_DEFAULT_US};
	struct nvh_reactor *reactor;
	int err;

	if (!opts)
		opts = &defaults;
	reactor = aligned_alloc(_Alignof(struct nvh_reactor), sizeof(*reactor));
	if (!reactor)
		return -ENOMEM;
	memset(reactor, 0, sizeof(*reactor));
	snprintf(reactor->name, sizeof(reactor->name), "%s", opts->name ? opts->name : "reactor");
	reactor->clock = opts->clock ? opts->clock : &nvhi_clock_monotonic;
	reactor->poll = opts->poll;
	reactor->simulated = opts->simulated;
	nvhi_list_init(&reactor->eager);
	nvhi_list_init(&reactor->pollers);
	nvhi_list_init(&reactor->deferred);
	nvhi_list_init(&reactor->sources);
	reactor->eager_next = &reactor->eager;
	reactor->poller_next = &reactor->pollers;
	reactor->now = nvhi_reactor_clock(reactor);
	nvhi_idle_init(reactor, opts->spin_us);

	err = nvhi_timers_init(reactor);
	if (err)
		goto err_free;
	err = nvhi_inbox_init(reactor, opts->inbox_size);
	if (err)
		goto err_timers;
	err = nvhi_sources_init(reactor);
	if (err)
		goto err_inbox;
	*ret_reactor = reactor;
	return 0;

err_inbox:
	nvhi_inbox_fini(reactor);
err_timers:
	nvhi_timers_fini(reactor);
err_free:
	free(reactor);
	return err;
}

void nvhi_reactor_destroy(struct nvh_reactor *reactor)
{
	struct nvh_reactor *previous;

	if (!reactor)
		return;
	previous = nvhi_reactor_enter(reactor);
	while (!nvhi_inbox_empty(reactor) || !nvhi_list_empty(&reactor->deferred))
		nvhi_reactor_turn(reactor);
	nvhi_reactor_leave(previous);
	assert(nvhi_list_empty(&reactor->sources));
	assert(nvhi_list_empty(&reactor->pollers));
	nvhi_sources_fini(reactor);
	nvhi_inbox_fini(reactor);
	nvhi_timers_fini(reactor);
	free(reactor);
}

/* ---- whose thread ------------------------------------------------------------------------ */

struct nvh_reactor *nvhi_reactor_enter(struct nvh_reactor *reactor)
{
	struct nvh_reactor *previous = current_reactor;

	current_reactor = reactor;
	return previous;
}

void nvhi_reactor_leave(struct nvh_reactor *previous)
{
	current_reactor = previous;
}

struct nvh_reactor *nvhi_reactor_current(void)
{
	return current_reactor;
}

bool nvhi_reactor_is_current(const struct nvh_reactor *reactor)
{
	return current_reactor == reactor;
}

const char *nvhi_reactor_name(const struct nvh_reactor *reactor)
{
	return reactor->name;
}

/* An application's thread that drives the reactor now and then calls in between, too: the last turn's
 * time may be long past then. */
uint64_t nvhi_reactor_now(const struct nvh_reactor *reactor)
{
	return reactor->in_turn ? reactor->now : reactor->clock->now(reactor->clock);
}

uint64_t nvhi_reactor_clock(struct nvh_reactor *reactor)
{
	return reactor->clock->now(reactor->clock);
}

void nvhi_reactor_stats(const struct nvh_reactor *reactor, struct nvhi_reactor_stats *ret_stats)
{
	*ret_stats = reactor->stats;
}

/* ---- the turn ---------------------------------------------------------------------------- */

void nvhi_turn_account(struct nvh_reactor *reactor, uint64_t now)
{
	uint64_t length = now - reactor->now;

	if (!reactor->worked)
		return;
	reactor->worked = false;
	reactor->stats.busy_ns += length;
	if (length > reactor->stats.longest_turn_ns)
		reactor->stats.longest_turn_ns = length;
}

static int turn_pollers(struct nvh_reactor *reactor)
{
	struct nvhi_list *at = reactor->pollers.next;
	int done = 0;

	while (at != &reactor->pollers) {
		struct nvhi_poller *poller = nvhi_list_entry(at, struct nvhi_poller, link);

		reactor->poller_next = at->next;
		done += poller->fn(poller);
		at = reactor->poller_next;
	}
	reactor->poller_next = &reactor->pollers;
	return done;
}

static int turn_deferred(struct nvh_reactor *reactor)
{
	struct nvhi_list round;
	int done = 0;

	for (int i = 0; i < DEFER_ROUNDS && !nvhi_list_empty(&reactor->deferred); i++) {
		nvhi_list_init(&round);
		nvhi_list_splice_tail(&round, &reactor->deferred);
		while (!nvhi_list_empty(&round)) {
			struct nvhi_defer *defer = nvhi_list_first(&round, struct nvhi_defer, link);

			nvhi_list_del(&defer->link);
			defer->queued = false;
			defer->fn(defer);
			done++;
		}
	}
	return done;
}

int nvhi_turn(struct nvh_reactor *reactor, int *ret_activity)
{
	uint64_t now = nvhi_reactor_clock(reactor);
	bool nested = reactor->in_turn;
	int activity, timers = 0;

	nvhi_turn_account(reactor, now);
	reactor->now = now;
	reactor->in_turn = true;
	reactor->stats.turns++;

	activity = nvhi_inbox_run(reactor);
	activity += nvhi_sources_run(reactor);
	if (!nvhi_list_empty(&reactor->pollers))
		activity += turn_pollers(reactor);
	if (reactor->timers.count > 0 && reactor->timers.slots[0].deadline <= now)
		timers = nvhi_timers_run(reactor);
	if (!nvhi_list_empty(&reactor->deferred))
		activity += turn_deferred(reactor);

	reactor->in_turn = nested;
	reactor->worked = activity + timers > 0;
	if (!reactor->worked)
		reactor->stats.idle_turns++;
	*ret_activity = activity;
	return activity + timers;
}

int nvhi_reactor_turn(struct nvh_reactor *reactor)
{
	struct nvh_reactor *previous = nvhi_reactor_enter(reactor);
	int activity, done = nvhi_turn(reactor, &activity);

	nvhi_reactor_leave(previous);
	return done;
}

bool nvhi_reactor_must_turn(const struct nvh_reactor *reactor)
{
	const struct nvhi_poller *poller;

	if (!nvhi_list_empty(&reactor->deferred) || reactor->event_count > 0)
		return true;
	nvhi_list_for_each (poller, &reactor->pollers, link)
		if (poller->busy)
			return true;
	return false;
}

/* ---- running ----------------------------------------------------------------------------- */

void nvhi_reactor_loop(struct nvh_reactor *reactor)
{
	struct nvh_reactor *previous = nvhi_reactor_enter(reactor);

	while (!__atomic_load_n(&reactor->stopping, __ATOMIC_ACQUIRE)) {
		int activity, done = nvhi_turn(reactor, &activity);

		if (activity)
			nvhi_idle_worked(reactor);
		else if (!done)
			done = nvhi_idle_wait(reactor, NVHI_NEVER);
		assert(done >= 0); /* epoll fails only when somebody closed our descriptor */
	}
	__atomic_store_n(&reactor->stopping, 0, __ATOMIC_RELAXED);
	nvhi_reactor_leave(previous);
}

void nvhi_reactor_stop(struct nvh_reactor *reactor)
{
	__atomic_store_n(&reactor->stopping, 1, __ATOMIC_RELEASE);
	nvhi_reactor_wake_sleeper(reactor);
}

int nvhi_reactor_run(struct nvh_reactor *reactor, int timeout_ms)
{
	struct nvh_reactor *previous = nvhi_reactor_enter(reactor);
	uint64_t limit = NVHI_NEVER;
	int activity, done;

	if (reactor->embedded)
		__atomic_store_n(&reactor->asleep, 0, __ATOMIC_RELAXED);
	if (timeout_ms > 0)
		limit = nvhi_reactor_clock(reactor) + (uint64_t)timeout_ms * NVHI_NSEC_PER_MSEC;
	for (;;) {
		done = nvhi_turn(reactor, &activity);
		if (activity)
			nvhi_idle_worked(reactor);
		if (done || timeout_ms == 0 || reactor->now >= limit)
			break;
		if (__atomic_exchange_n(&reactor->stopping, 0, __ATOMIC_ACQUIRE))
			break;
		done = nvhi_idle_wait(reactor, limit);
		if (done < 0)
			break;
	}
	if (reactor->embedded)
		nvhi_embedded_leave(reactor);
	nvhi_reactor_leave(previous);
	return done;
}

/* ---- pollers and deferred work ----------------------------------------------------------- */

void nvhi_poller_add(struct nvh_reactor *reactor, struct nvhi_poller *poller, nvhi_poller_fn fn)
{
	poller->fn = fn;
	nvhi_list_add_tail(&reactor->pollers, &poller->link);
	nvhi_embedded_notify(reactor);
}

void nvhi_poller_expect(struct nvh_reactor *reactor, struct nvhi_poller *poller, bool expect)
{
	if (poller->expecting == expect)
		return;
	poller->expecting = expect;
	reactor->expecting_count += expect ? 1 : -1u;
}

bool nvhi_pollers_arm(struct nvh_reactor *reactor)
{
	struct nvhi_poller *poller;
	bool work = false;

	nvhi_list_for_each (poller, &reactor->pollers, link)
		if (poller->arm && poller->arm(poller))
			work = true;
	return work;
}

void nvhi_poller_remove(struct nvh_reactor *reactor, struct nvhi_poller *poller)
{
	nvhi_poller_expect(reactor, poller, false);
	if (reactor->poller_next == &poller->link)
		reactor->poller_next = poller->link.next;
	nvhi_list_del(&poller->link);
}

void nvhi_reactor_defer(struct nvh_reactor *reactor, struct nvhi_defer *defer)
{
	assert(defer->fn);
	if (defer->queued)
		return;
	defer->queued = true;
	nvhi_list_add_tail(&reactor->deferred, &defer->link);
	nvhi_embedded_notify(reactor);
}

void nvhi_reactor_undefer(struct nvh_reactor *reactor, struct nvhi_defer *defer)
{
	(void)reactor;
	if (!defer->queued)
		return;
	defer->queued = false;
	nvhi_list_del(&defer->link);
}
