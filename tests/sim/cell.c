/*
 * The ghost-write matrix: see cell.h.
 */
#include "tests/sim/cell.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

const char *const sim_offer_names[SIM_OFFERS] = {"ccr", "cqt", "neither"};
const char *const sim_mode_names[SIM_MODES] = {"auto", "strict", "off"};
const char *const sim_story_names[SIM_STORIES] = {"two-paths", "one-path", "failed", "killed"};

struct sim_cell sim_cell;

static bool find(const char *text, size_t len, const char *const *names, int count, int *ret_index)
{
	for (int i = 0; i < count; i++)
		if (strlen(names[i]) == len && !strncmp(text, names[i], len)) {
			*ret_index = i;
			return true;
		}
	return false;
}

bool sim_cell_parse(const char *text)
{
	size_t offer = strcspn(text, ":"), mode;
	int o, m, s;

	if (!text[offer])
		return false;
	mode = strcspn(text + offer + 1, ":");
	if (!text[offer + 1 + mode] || !find(text, offer, sim_offer_names, SIM_OFFERS, &o) ||
	    !find(text + offer + 1, mode, sim_mode_names, SIM_MODES, &m) ||
	    !find(text + offer + mode + 2, strlen(text + offer + mode + 2), sim_story_names,
		  SIM_STORIES, &s))
		return false;
	sim_cell = (struct sim_cell){.on = true,
				     .offer = (enum sim_offer)o,
				     .mode = (enum sim_mode)m,
				     .story = (enum sim_story)s};
	return true;
}

static void plan_links(struct sim_plan *plan, struct sim_rng *rng)
{
	plan->nr_links = 1;
	if (sim_cell.story == SIM_STORY_TWO ||
	    (sim_cell.story != SIM_STORY_ONE && sim_chance(rng, 50)))
		plan->nr_links = 2;
	plan->nr_nodes = 1;
	if (plan->nr_links > 1 && sim_chance(rng, 20))
		plan->nr_nodes = 2;
}

static void plan_connect(struct nvh_connect_opts *o, struct sim_rng *rng)
{
	o->write_fence = sim_mode_names[sim_cell.mode];
	o->keep_alive_tmo_ms = sim_cell.offer == SIM_OFFER_CQT || sim_chance(rng, 30) ? 1000 : 300;
	o->reconnect_delay_ms = 10;
	o->reconnect_delay_max_ms = sim_chance(rng, 50) ? 50 : 500;
	o->ctrl_loss_tmo_s = 600;
	o->fast_io_fail_tmo_s = -1;
	o->connect_timeout_ms = 100;
	o->io_timeout_ms = 5000; /* above what disks hold: no command is aborted for that */
	o->admin_timeout_ms = 500;
	if (sim_cell.story == SIM_STORY_FAILED && sim_chance(rng, 50))
		o->fast_io_fail_tmo_s = 0;
}

void sim_cell_plan(struct sim_plan *plan)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);

	plan_links(plan, rng);
	plan->nr_disks = 1;
	plan->workers = sim_chance(rng, 50) ? 2 : 4;
	plan->ios = 100;
	plan->duration = 3 * SIM_S;
	plan->fault_every = 400 * SIM_MS;
	plan->hot = (uint32_t)sim_between(rng, 1, 4);
	plan->deadlines = plan->cancels = 0;
	plan->abrupt = false;
	plan->faults = 1u << SIM_FAULT_CUT | 1u << SIM_FAULT_CUT_ONE | 1u << SIM_FAULT_SILENCE |
		       1u << SIM_FAULT_SILENCE_ONE | 1u << SIM_FAULT_KILL | 1u << SIM_FAULT_RESET;
	if (sim_cell.story == SIM_STORY_FAILED) {
		plan->deadlines = 40;
		plan->cancels = 10;
	}
	plan_connect(&plan->connect, rng);
	sim_cell.later = sim_chance(rng, 50);
	sim_cell.cqt_ms = sim_cell.offer == SIM_OFFER_CQT ? 200 : 0;
}

/* A little less than the host waits by time alone: 2 KATO + CQT, and a message's way. */
uint64_t sim_cell_hold_ns(void)
{
	return (2ull * sim_world.plan.connect.keep_alive_tmo_ms + sim_cell.cqt_ms - 50) * SIM_MS;
}

/* ---- a host that is killed ------------------------------------------------------------------- */

static struct nvhi_timer killer, reviver;

static void kill_fired(struct nvhi_timer *timer)
{
	(void)timer;
	SIM_TRACE("the host's process is killed");
	sim_world.lost_at = sim.now;
	sim_world.troubled = true;
	sim_host_kill();
	nvhi_timer_arm(sim_world.world, &reviver,
		       sim_between(sim_rng(SIM_RNG_WORLD), 1, 300) * SIM_MS);
}

static void revive_fired(struct nvhi_timer *timer)
{
	(void)timer;
	SIM_TRACE("another process of the host starts");
	sim_host_revive();
}

void sim_cell_start(void)
{
	memset(&killer, 0, sizeof(killer));
	memset(&reviver, 0, sizeof(reviver));
	killer.fn = kill_fired;
	reviver.fn = revive_fired;
	if (sim_cell.on && sim_cell.story == SIM_STORY_KILLED)
		nvhi_timer_arm(sim_world.world, &killer,
			       sim_between(sim_rng(SIM_RNG_WORLD), 200, 2500) * SIM_MS);
}

void sim_cell_stop(void)
{
	nvhi_timer_cancel(sim_world.world, &killer);
	if (nvhi_timer_armed(&reviver)) {
		nvhi_timer_cancel(sim_world.world, &reviver);
		revive_fired(&reviver);
	}
}
