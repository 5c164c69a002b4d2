/*
 * The targets' own fault rig (target-lite/fault) in the worlds: faults that a target is told to
 * make, each for the listener of one link, over the management interface that the RPC uses. Their
 * numbers are drawn apart from all others, so that worlds without them are what they were.
 *
 * Where disks do not hold commands, nothing here may keep a write back beyond its connection: only
 * fences answer for those (docs/simulation.md).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_status.h"
#include "target-lite/fault/fault.h"
#include "tests/sim/world.h"

/* For what Abort does not find: long enough that most hosts take the next step. */
#define STUCK_MS 3000u

struct rig_fault {
	struct nvhi_timer timer; /* its end */
	struct sim_node *node;
	struct tl_target *target; /* that has it: another one after a crash, */
	uint32_t boots;		  /* which may lie at the same place */
	struct tl_fault_opts opts;
	unsigned int link;
	uint64_t id; /* 0: not made (yet) */
	bool ending;
	struct nvhi_list link_all;
};

static struct {
	struct sim_rng rng;
	bool wanted;
	uint64_t every;
	struct nvhi_timer next;
	struct nvhi_list active;
} rig;

bool sim_rig_wanted(void)
{
	return rig.wanted;
}

bool sim_rig_on(unsigned int link)
{
	const struct rig_fault *fault;

	nvhi_list_for_each(fault, &rig.active, link_all)
		if (fault->link == link)
			return true;
	return false;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void fault_over(struct rig_fault *fault)
{
	SIM_TRACE("rig: fault %llu of link %llu over", fault->opts.kind, fault->link);
	nvhi_timer_cancel(sim_world.world, &fault->timer);
	nvhi_list_del(&fault->link_all);
	free(fault);
	sim_world.faults_on--;
}

static void over_on_world(void *arg)
{
	fault_over(arg);
}

static void fault_cleared(void *arg, uint64_t number)
{
	(void)number;
	sim_on(sim_world.world, over_on_world, arg);
}

/* On the target's management reactor. */
static void fault_clear(void *arg)
{
	struct rig_fault *fault = arg;
	const struct tl_fault *it;

	if (fault->node->state != SIM_NODE_UP || fault->node->boots != fault->boots) {
		fault_cleared(fault, 0);
		return;
	}
	nvhi_list_for_each(it, &fault->target->faults, link)
		if (it->id == fault->id)
			sim_counts.rig[fault->opts.kind] += it->fired;
	if (!fault->id || tl_fault_clear(fault->target, fault->id, fault_cleared, fault))
		fault_cleared(fault, 0);
}

static void fault_end(struct rig_fault *fault)
{
	if (fault->ending)
		return;
	fault->ending = true;
	nvhi_timer_cancel(sim_world.world, &fault->timer);
	sim_on(fault->node->reactors[0], fault_clear, fault);
}

static void fault_timer(struct nvhi_timer *timer)
{
	fault_end(nvhi_container_of(timer, struct rig_fault, timer));
}

/* ---- the beginning ----------------------------------------------------------------------------
 */

/* On the target's management reactor. */
static void fault_make(void *arg)
{
	struct rig_fault *fault = arg;
	struct tl_fault *made;

	if (fault->node->state == SIM_NODE_UP && fault->node->boots == fault->boots &&
	    !tl_fault_add(fault->target, &fault->opts, NULL, NULL, &made))
		fault->id = made->id;
}

static void draw_status(struct tl_fault_opts *opts)
{
	opts->status = sim_chance(&rig.rng, 50) ? NVH_ST_NS_NOT_READY
						: (uint16_t)(NVH_SCT_PATH << 8); /* internal */
	opts->nsid = 1;
	opts->after = sim_chance(&rig.rng, 30);
}

static void draw_wait(struct tl_fault_opts *opts)
{
	struct sim_rng own = {.state = rig.rng.state ^ 0xab0};

	opts->ignore_abort = opts->kind == TL_FAULT_HOLD && sim_chance(&own, 60);
	opts->ms = (uint32_t)sim_between(&rig.rng, 1, 300);
	opts->after = opts->kind == TL_FAULT_DELAY && sim_chance(&rig.rng, 50);
	opts->qid = 1;
	if (!opts->after && !sim.hold)
		opts->opcode = NVH_OPC_READ;
}

static void draw_garble(struct tl_fault_opts *opts)
{
	opts->garble = (uint8_t)(opts->kind == TL_FAULT_CORRUPT_DIGEST
					 ? sim_between(&rig.rng, TL_GARBLE_HDR_DIGEST,
						       TL_GARBLE_DATA_DIGEST)
					 : sim_between(&rig.rng, TL_GARBLE_TYPE, TL_GARBLE_R2T));
	opts->count = sim_between(&rig.rng, 1, 5);
}

static void draw_opts(struct tl_fault_opts *opts, unsigned int link)
{
	int kind = (int)sim_below(&rig.rng, TL_FAULT_KIND_COUNT);

	tl_fault_opts_default(opts, (enum tl_fault_kind)kind);
	opts->has_listener = true;
	sim_link_listen_addr(link, &opts->listener);
	strcpy(opts->nqn, SIM_NQN);
	if (sim_chance(&rig.rng, 50)) {
		opts->probability = 0.3;
		opts->seed = sim_next(&rig.rng);
	}
	switch (kind) {
	case TL_FAULT_STATUS:
		draw_status(opts);
		break;
	case TL_FAULT_DELAY:
	case TL_FAULT_HOLD:
		draw_wait(opts);
		break;
	case TL_FAULT_CORRUPT_DIGEST:
	case TL_FAULT_MALFORMED_PDU:
		draw_garble(opts);
		break;
	case TL_FAULT_SILENCE:
	case TL_FAULT_STOP_READING: /* writes that nobody reads may be read later */
		opts->qid = sim.hold ? -1 : 0;
		opts->count = 1;
		break;
	case TL_FAULT_ANA_FLAP:
		opts->ms = (uint32_t)sim_between(&rig.rng, 20, 300);
		break;
	default:
		opts->count = 1;
		break;
	}
}

static void next_fired(struct nvhi_timer *timer)
{
	unsigned int link = (unsigned int)sim_below(&rig.rng, sim_world.plan.nr_links);
	struct sim_node *node = sim_node_of_link(link);
	struct rig_fault *fault;

	if (sim_world.stop_faults)
		return;
	nvhi_timer_arm(sim_world.world, timer, 1 + sim_below(&rig.rng, 2 * rig.every));
	if (node->state != SIM_NODE_UP || sim_rig_on(link))
		return;
	fault = calloc(1, sizeof(*fault));
	fault->node = node;
	fault->target = node->target;
	fault->boots = node->boots;
	fault->link = link;
	fault->timer.fn = fault_timer;
	draw_opts(&fault->opts, link);
	SIM_TRACE("rig: fault %llu of link %llu", fault->opts.kind, link);
	nvhi_list_add_tail(&rig.active, &fault->link_all);
	sim_world.faults_on++;
	sim_world.troubled = true;
	sim_world.calm_since = sim_world.good_since[link] = NVHI_NEVER;
	sim_on(node->reactors[0], fault_make, fault);
	nvhi_timer_arm(sim_world.world, &fault->timer,
		       sim_between(&rig.rng, 1, SIM_RIG_MS) * SIM_MS +
			       (fault->opts.ignore_abort ? STUCK_MS * SIM_MS : 0));
}

/* ---- life -------------------------------------------------------------------------------------
 */

void sim_rig_draw(void)
{
	memset(&rig, 0, sizeof(rig));
	rig.rng.state = sim.seed ^ 0x519;
	nvhi_list_init(&rig.active);
	rig.next.fn = next_fired;
	rig.wanted = sim_world.plan.fault_every && sim_chance(&rig.rng, 30);
	rig.every = sim_between(&rig.rng, 50, 1000) * SIM_MS;
}

void sim_rig_start(void)
{
	if (rig.wanted)
		nvhi_timer_arm(sim_world.world, &rig.next, 1 + sim_below(&rig.rng, rig.every));
}

void sim_rig_heal(void)
{
	struct rig_fault *fault, *tmp;

	nvhi_timer_cancel(sim_world.world, &rig.next);
	nvhi_list_for_each_safe(fault, tmp, &rig.active, link_all)
		fault_end(fault);
}
