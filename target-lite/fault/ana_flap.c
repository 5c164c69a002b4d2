/*
 * ANA states that flap: each so many milliseconds the listeners of a scope take a state, and the
 * one they had before again, each time through pause -> change -> resume and told to the hosts as
 * any other change. Management reactor.
 */
#include <errno.h>
#include <stdlib.h>

#include "target-lite/core/impl.h"
#include "target-lite/fault/fault.h"

struct tl_ana_flap {
	struct tl_target *target;
	struct tl_fault *fault;
	struct nvhi_timer timer;
	bool on;   /* the fault's state stands */
	bool busy; /* a change is under way */
	void (*ended)(void *arg);
	void *arg;
};

static void flap_done(void *arg, int err);

/* Asks for the change; what cannot be now is tried again with the next period. */
static void flap_set(struct tl_ana_flap *flap, bool on)
{
	const struct tl_fault_opts *opts = &flap->fault->opts;
	struct tl_subsystem *ss = tl_target_find_subsystem(flap->target, opts->nqn);
	const struct tl_ns *ns;
	uint32_t group = 0;

	if (!ss)
		return;
	if (opts->nsid >= 0) {
		ns = tl_subsystem_ns(ss, (uint32_t)opts->nsid);
		if (!ns && on)
			return;
		group = ns ? ns->anagrpid : 0;
	}
	if (!tl_subsystem_flap_ana(ss, opts->has_listener ? &opts->listener : NULL, group,
				   opts->ana_state, on, flap_done, flap)) {
		flap->on = on;
		flap->busy = true;
	}
}

static void flap_finish(struct tl_ana_flap *flap)
{
	void (*ended)(void *arg) = flap->ended;
	void *arg = flap->arg;

	if (flap->on) {
		flap->on = false;
		flap_set(flap, false);
		if (flap->busy)
			return;
	}
	free(flap);
	ended(arg);
}

static void flap_done(void *arg, int err)
{
	struct tl_ana_flap *flap = arg;

	(void)err;
	flap->busy = false;
	if (flap->ended)
		flap_finish(flap);
}

static int flap_arm(struct tl_ana_flap *flap)
{
	return nvhi_timer_arm(flap->target->mgmt, &flap->timer,
			      flap->fault->opts.ms * NVHI_NSEC_PER_MSEC);
}

static void flap_fired(struct nvhi_timer *timer)
{
	struct tl_ana_flap *flap = nvhi_container_of(timer, struct tl_ana_flap, timer);

	if (!flap->busy && tl_fault_strikes(flap->fault))
		flap_set(flap, !flap->on);
	if (flap_arm(flap))
		nvhi_log(WARN, TARGET, "ana_flap %llu stops: no memory for a timer",
			 (unsigned long long)flap->fault->id);
}

int tl_ana_flap_start(struct tl_target *target, struct tl_fault *fault)
{
	struct tl_ana_flap *flap = calloc(1, sizeof(*flap));

	if (!flap)
		return -ENOMEM;
	flap->target = target;
	flap->fault = fault;
	flap->timer.fn = flap_fired;
	if (flap_arm(flap)) {
		free(flap);
		return -ENOMEM;
	}
	fault->flap = flap;
	return 0;
}

void tl_ana_flap_end(struct tl_ana_flap *flap, void (*done)(void *arg), void *arg)
{
	nvhi_timer_cancel(flap->target->mgmt, &flap->timer);
	flap->ended = done;
	flap->arg = arg;
	if (!flap->busy)
		flap_finish(flap);
}
