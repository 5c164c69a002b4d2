/*
 * The schedule of faults: at times drawn something breaks, and mends after a time drawn. An order
 * of things rather than chaos keeps the checker sharp: the world says when all is well (calm), and
 * an I/O that lives in calm alone has no excuse for being late.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/anawatch.h"
#include "tests/sim/world.h"

#define CALM_CHECK_NS (20 * SIM_MS)

const char *const sim_fault_names[SIM_FAULT_COUNT] = {
#define X(upper, lower) [SIM_FAULT_##upper] = #lower,
	SIM_FAULTS(X)
#undef X
};

/* A fault under way; mended when its timer fires. */
struct fault {
	struct nvhi_timer timer;
	enum sim_fault_kind kind;
	unsigned int link, disk, dir;
	struct nvhi_list link_all;
};

static struct {
	struct nvhi_timer next, calm;
	struct nvhi_list active;
} f;

static struct sim_rng *rng(void)
{
	return sim_rng(SIM_RNG_FAULT);
}

/* ---- mending --------------------------------------------------------------------------------- */

static void mend(const struct fault *fault)
{
	struct sim_link *link = &sim_net.links[fault->link];
	struct sim_node *node = sim_node_of_link(fault->link);

	switch (fault->kind) {
	case SIM_FAULT_SILENCE:
		sim_net_silence(fault->link, SIM_TO_TARGET, false);
		sim_net_silence(fault->link, SIM_TO_HOST, false);
		break;
	case SIM_FAULT_SILENCE_ONE:
		sim_net_silence(fault->link, fault->dir, false);
		break;
	case SIM_FAULT_SLOW:
		link->slow[fault->dir] = 0;
		break;
	case SIM_FAULT_CUT:
	case SIM_FAULT_REFUSE:
		link->refuse = false;
		break;
	case SIM_FAULT_LISTENER:
		sim_op_listen(fault->link, true);
		break;
	case SIM_FAULT_ANA:
		sim_op_ana(fault->link, TL_ANA_OPTIMIZED);
		break;
	case SIM_FAULT_TRANSIENT:
		sim_targets.disks[fault->disk].transient = 0;
		break;
	case SIM_FAULT_NS_REMOVE:
		sim_op_add_ns(fault->disk);
		break;
	case SIM_FAULT_LOG:
		sim_unreadable_logs = 0;
		break;
	case SIM_FAULT_CRASH:
		sim_node_boot(node);
		break;
	default:
		break;
	}
}

static void fault_over(struct fault *fault)
{
	SIM_TRACE("fault %llu over: link %llu disk %llu", fault->kind, fault->link, fault->disk);
	nvhi_timer_cancel(sim_world.world, &fault->timer);
	mend(fault);
	nvhi_list_del(&fault->link_all);
	free(fault);
	sim_world.faults_on--;
}

/* A node boots when it is down; a namespace or listener can be added when it is gone. */
static bool can_mend(const struct fault *fault)
{
	if (fault->kind == SIM_FAULT_CRASH)
		return sim_node_of_link(fault->link)->state == SIM_NODE_DOWN;
	if (fault->kind == SIM_FAULT_NS_REMOVE || fault->kind == SIM_FAULT_LISTENER)
		return sim_nodes_idle();
	return true;
}

static void fault_timer(struct nvhi_timer *timer)
{
	struct fault *fault = nvhi_container_of(timer, struct fault, timer);

	if (!can_mend(fault)) {
		nvhi_timer_arm(sim_world.world, timer, 10 * SIM_MS);
		return;
	}
	fault_over(fault);
}

static bool is_on(enum sim_fault_kind kind, unsigned int link, unsigned int disk)
{
	struct fault *fault;

	nvhi_list_for_each(fault, &f.active, link_all) {
		if (fault->kind != kind &&
		    !(kind <= SIM_FAULT_REFUSE && fault->kind <= SIM_FAULT_REFUSE))
			continue;
		if (kind == SIM_FAULT_CRASH
			    ? sim_node_of_link(fault->link) == sim_node_of_link(link)
		    : kind == SIM_FAULT_NS_REMOVE || kind == SIM_FAULT_TRANSIENT
			    ? fault->disk == disk
			    : fault->link == link)
			return true;
	}
	return false;
}

/* ---- breaking -------------------------------------------------------------------------------- */

/* Returns whether something broke, and through ret_ms how long it stays so (0: nothing to mend). */
static bool strike(struct fault *fault, uint64_t *ret_ms)
{
	struct sim_link *link = &sim_net.links[fault->link];
	struct sim_node *node = sim_node_of_link(fault->link);

	*ret_ms = 0;
	switch (fault->kind) {
	case SIM_FAULT_CUT:
		if (!sim_net_cut(fault->link))
			return false;
		link->refuse = sim_chance(rng(), 50);
		*ret_ms = sim_between(rng(), 1, 500);
		return true;
	case SIM_FAULT_CUT_ONE:
		return sim_net_cut_one(fault->link);
	case SIM_FAULT_SILENCE:
		*ret_ms = sim_between(rng(), 1, sim_chance(rng(), 50) ? 300 : 8000);
		sim_net_silence(fault->link, SIM_TO_TARGET, true);
		sim_net_silence(fault->link, SIM_TO_HOST, true);
		return true;
	case SIM_FAULT_SILENCE_ONE:
		*ret_ms = sim_between(rng(), 1, sim_chance(rng(), 50) ? 300 : 8000);
		sim_net_silence(fault->link, fault->dir, true);
		return true;
	case SIM_FAULT_SLOW:
		*ret_ms = sim_between(rng(), 1, 1000);
		link->slow[fault->dir] = sim_between(rng(), 1, 200) * SIM_MS;
		return true;
	case SIM_FAULT_REFUSE:
		*ret_ms = sim_between(rng(), 1, 2000);
		return link->refuse = true;
	case SIM_FAULT_HALF_CLOSE:
		return sim_net_half_close(fault->link);
	case SIM_FAULT_CORRUPT:
		return link->corrupt = !link->dma;
	case SIM_FAULT_CRASH:
		if (node->state != SIM_NODE_UP)
			return false;
		*ret_ms = sim_between(rng(), 1, 2000);
		sim_node_crash(node);
		return true;
	case SIM_FAULT_KILL:
		return sim_op_kill_ctrlr(node);
	case SIM_FAULT_LISTENER:
		*ret_ms = sim_between(rng(), 1, 1000);
		sim_op_listen(fault->link, false);
		return true;
	case SIM_FAULT_ANA:
		*ret_ms = sim_between(rng(), 1, 1000);
		sim_op_ana(fault->link, sim_chance(rng(), 70)   ? TL_ANA_INACCESSIBLE
					: sim_chance(rng(), 50) ? TL_ANA_CHANGE
								: TL_ANA_NON_OPTIMIZED);
		return true;
	case SIM_FAULT_TRANSIENT:
		*ret_ms = sim_between(rng(), 1, 1000);
		sim_targets.disks[fault->disk].transient = (unsigned int)sim_between(rng(), 1, 400);
		return true;
	case SIM_FAULT_RESET:
		return sim_host_reset(fault->link);
	case SIM_FAULT_DISCONNECT:
		return sim_host_disconnect(fault->link);
	case SIM_FAULT_NS_REMOVE:
		*ret_ms = sim_between(rng(), 1, 3000);
		sim_op_remove_ns(fault->disk);
		return true;
	case SIM_FAULT_RESIZE:
		if (!sim_targets.present[fault->disk])
			return false;
		sim_op_resize(fault->disk,
			      sim_between(rng(), sim_world.plan.hot, SIM_DISK_BLOCKS_MAX));
		return true;
	case SIM_FAULT_LOG:
		*ret_ms = sim_between(rng(), 1, 300);
		sim_unreadable_logs = (unsigned int)sim_between(rng(), 30, 100);
		return true;
	case SIM_FAULT_COUNT:
		break;
	}
	return false;
}

static void break_something(void)
{
	struct fault *fault = calloc(1, sizeof(*fault));
	uint64_t ms;

	fault->link = (unsigned int)sim_below(rng(), sim_world.plan.nr_links);
	fault->disk = (unsigned int)sim_below(rng(), sim_world.plan.nr_disks);
	fault->dir = (unsigned int)sim_below(rng(), 2);
	fault->timer.fn = fault_timer;
	do {
		fault->kind = (enum sim_fault_kind)sim_below(rng(), SIM_FAULT_COUNT);
	} while (!(sim_world.plan.faults & 1u << fault->kind));
	if (fault->kind == SIM_FAULT_LOG)
		fault->link = 0; /* all of them; one such fault at a time */
	if (is_on(fault->kind, fault->link, fault->disk) || !strike(fault, &ms)) {
		free(fault);
		return;
	}
	SIM_TRACE("fault %llu: link %llu disk %llu dir %llu for %llu ms", fault->kind, fault->link,
		  fault->disk, fault->dir, ms);
	sim_counts.faults[fault->kind]++;
	sim_world.troubled = true;
	for (unsigned int link = 0; link < sim_world.plan.nr_links; link++)
		if (link == fault->link ||
		    (sim_node_of_link(link) == sim_node_of_link(fault->link) &&
		     (fault->kind == SIM_FAULT_CRASH || fault->kind == SIM_FAULT_KILL)))
			sim_world.good_since[link] = NVHI_NEVER;
	sim_world.calm_since = NVHI_NEVER;
	if (!ms) {
		free(fault);
		return;
	}
	sim_world.faults_on++;
	nvhi_list_add_tail(&f.active, &fault->link_all);
	nvhi_timer_arm(sim_world.world, &fault->timer, ms * SIM_MS);
}

static void next_fired(struct nvhi_timer *timer)
{
	if (sim_world.stop_faults)
		return;
	break_something();
	nvhi_timer_arm(sim_world.world, timer,
		       1 + sim_below(rng(), 2 * sim_world.plan.fault_every));
}

/* ---- calm ------------------------------------------------------------------------------------ */

/* What came of the last fault has passed by then. A log that could not be read is tried again with
 * a growing delay. */
static uint64_t recovery(void)
{
	return sim_world.plan.faults & 1u << SIM_FAULT_LOG ? 6 * SIM_S : SIM_S;
}

static void check_calm(void)
{
	bool well = !sim_world.faults_on && sim_host_all_live() && sim_nodes_settled() &&
		    !sim_host_fencing();

	if (!well)
		sim_world.calm_since = NVHI_NEVER;
	else if (sim_world.calm_since == NVHI_NEVER)
		sim_world.calm_since = sim.now + recovery();
}

/* Nothing is wrong with this link, its target or its controller. */
static bool link_is_well(unsigned int link)
{
	struct fault *fault;

	if (sim_rig_on(link))
		return false;
	nvhi_list_for_each(fault, &f.active, link_all)
		if (fault->kind == SIM_FAULT_LOG)
			return false;
		else if (sim_node_of_link(fault->link) == sim_node_of_link(link) &&
			 (fault->link == link || fault->kind == SIM_FAULT_CRASH))
			return false;
	return sim_host_live(link) && sim_node_of_link(link)->state == SIM_NODE_UP &&
	       !sim_host_fencing();
}

static void calm_fired(struct nvhi_timer *timer)
{
	for (unsigned int link = 0; link < sim_world.plan.nr_links; link++) {
		uint64_t *since = &sim_world.good_since[link];

		if (!link_is_well(link))
			*since = NVHI_NEVER;
		else if (*since == NVHI_NEVER)
			*since = sim.now + recovery();
	}
	check_calm();
	nvhi_timer_arm(sim_world.world, timer, CALM_CHECK_NS);
}

/* ---- life ------------------------------------------------------------------------------------ */

void sim_faults_start(void)
{
	memset(&f, 0, sizeof(f));
	nvhi_list_init(&f.active);
	f.next.fn = next_fired;
	f.calm.fn = calm_fired;
	sim_world.calm_since = NVHI_NEVER;
	for (unsigned int link = 0; link < SIM_LINKS; link++)
		sim_world.good_since[link] = NVHI_NEVER;
	nvhi_timer_arm(sim_world.world, &f.calm, CALM_CHECK_NS);
	sim_rig_start();
	sim_visitors_start();
	if (sim_world.plan.fault_every && sim_world.plan.faults)
		nvhi_timer_arm(sim_world.world, &f.next,
			       1 + sim_below(rng(), 2 * sim_world.plan.fault_every));
}

void sim_faults_heal(void)
{
	struct fault *fault, *tmp;

	sim_world.stop_faults = true;
	for (unsigned int i = 0; i < SIM_LINKS; i++)
		sim_net.links[i].corrupt = false;
	nvhi_timer_cancel(sim_world.world, &f.next);
	sim_rig_heal();
	sim_visitors_stop();
	nvhi_list_for_each_safe(fault, tmp, &f.active, link_all)
		if (can_mend(fault))
			fault_over(fault); /* others when their time comes */
}

void sim_faults_free(void)
{
	struct fault *fault, *tmp;

	nvhi_timer_cancel(sim_world.world, &f.next);
	nvhi_timer_cancel(sim_world.world, &f.calm);
	nvhi_list_for_each_safe(fault, tmp, &f.active, link_all) {
		nvhi_timer_cancel(sim_world.world, &fault->timer);
		nvhi_list_del(&fault->link_all);
		free(fault);
	}
}
