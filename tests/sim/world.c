/*
 * A world's course: drawn, booted, worked on while things break, mended, read back, taken down,
 * and looked through for anything left.
 */
#include "tests/sim/world.h"
#include "tests/sim/anawatch.h"
#include "tests/sim/dma.h"
#include "tests/sim/cell.h"

#include <string.h>

/* Promises of the whole, generous against any one timeout the plan draws. */
#define BOOT_LIMIT  (20 * SIM_S)
#define MEND_LIMIT  (180 * SIM_S)
#define CLOSE_LIMIT (60 * SIM_S)

struct sim_world sim_world;
struct sim_counts sim_counts;

/* ---- drawing --------------------------------------------------------------------------------- */

static uint32_t draw_of(struct sim_rng *rng, const uint32_t *from, uint32_t count)
{
	return from[sim_below(rng, count)];
}
#define DRAW(...)                                                                                  \
	draw_of(rng, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void draw_connect(struct sim_plan *plan)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);
	struct nvh_connect_opts *o = &plan->connect;

	nvh_connect_opts_init(o, sizeof(*o));
	o->transport = "tcp";
	o->trsvcid = "4420";
	o->subnqn = SIM_NQN;
	o->queue_size = DRAW(16, 16, 32, 128);
	o->nr_io_queues = DRAW(0, 0, 0, 1);
	o->keep_alive_tmo_ms = DRAW(0, 300, 1000, 5000);
	o->reconnect_delay_ms = DRAW(1, 10, 100);
	o->reconnect_delay_max_ms = DRAW(100, 1000, 5000);
	o->ctrl_loss_tmo_s = sim_chance(rng, 90) ? 600 : (int)DRAW(0, 1, 3);
	o->fast_io_fail_tmo_s = sim_chance(rng, 95) ? -1 : (int)DRAW(0, 1);
	o->connect_timeout_ms = DRAW(100, 500, 3000);
	o->io_timeout_ms = DRAW(500, 2000, 5000);
	o->admin_timeout_ms = DRAW(500, 2000, 5000);
	o->hdr_digest = plan->hdr_digest;
	o->data_digest = plan->data_digest;
	o->policy = ((const char *const[]){"latency", "round-robin", "queue-depth",
					   "numa"})[sim_below(rng, 4)];
	o->disable_sqflow = sim_chance(rng, 50);
}

static uint32_t draw_faults(const struct sim_plan *plan)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);
	uint32_t faults = (uint32_t)sim_next(rng) & ((1u << SIM_FAULT_COUNT) - 1);

	if (sim_chance(rng, 30)) /* one kind alone */
		faults = 1u << sim_below(rng, SIM_FAULT_COUNT);
	if (sim_chance(rng, 3)) /* nothing but delays to honour */
		faults = 1u << SIM_FAULT_TRANSIENT;
	if (!plan->hdr_digest || !plan->data_digest)
		faults &= ~(1u << SIM_FAULT_CORRUPT);
	return faults;
}

void sim_world_draw(struct sim_plan *plan)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);

	memset(plan, 0, sizeof(*plan));
	plan->nr_links = DRAW(1, 2, 2, 2, 3);
	plan->nr_nodes = plan->nr_links > 1 ? DRAW(1, 2) : 1;
	plan->nr_disks = DRAW(1, 1, 1, 2);
	plan->host_reactors = DRAW(1, 2);
	plan->workers = DRAW(1, 2, 4, 8);
	plan->ios = DRAW(50, 100, 200, 400);
	plan->duration = DRAW(100, 1000, 3000, 10000) * SIM_MS;
	plan->fault_every = sim_chance(rng, 10) ? 0 : DRAW(50, 300, 1500) * SIM_MS;
	plan->capacity = DRAW(8192, 32768, 131072);
	plan->block_size = sim_chance(rng, 75) ? 512 : 4096;
	plan->blocks = sim_between(rng, 64, 256);
	plan->hot = DRAW(2, 8, 32);
	plan->hdr_digest = sim_chance(rng, 50);
	plan->data_digest = sim_chance(rng, plan->hdr_digest ? 70 : 30);
	plan->maxr2t = (uint8_t)DRAW(0, 1, 2, 16);
	plan->deadlines = DRAW(0, 0, 5);
	plan->cancels = DRAW(0, 0, 5);
	plan->abrupt = sim_chance(rng, 10);
	draw_connect(plan);
	plan->faults = draw_faults(plan);
	if (sim_cell.on)
		sim_cell_plan(plan);
}

/* Which links are of the other transport; by numbers of its own, so that other worlds stay. */
static void draw_transports(void)
{
	struct sim_rng own = {.state = sim.seed ^ 0xd3a};

	bool any = sim_chance(&own, 35) && !sim_cell.on;
	unsigned int kinds = 0;

	for (unsigned int i = 0; i < sim_world.plan.nr_links; i++) {
		sim_net.links[i].dma = any && sim_chance(&own, 60);
		kinds |= sim_net.links[i].dma ? 2 : 1;
	}
	sim_counts.transports[kinds]++;
}

/* How long I/O waits for a path; by numbers of its own. */
static void draw_no_path(void)
{
	struct sim_rng own = {.state = sim.seed ^ 0x90aa7};
	struct nvh_connect_opts *o = &sim_world.plan.connect;

	o->hedge_reads = sim_chance(&own, 30);
	if (!sim_chance(&own, 25))
		return;
	o->no_path = ((const char *const[]){"fail", "queue:1", "queue"})[sim_below(&own, 3)];
	sim_world.no_path_ends = strcmp(o->no_path, "queue") != 0;
	if (!sim_world.no_path_ends)
		o->fast_io_fail_tmo_s = -1;
}

static void draw_links(void)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);

	for (unsigned int i = 0; i < sim_world.plan.nr_links; i++) {
		struct sim_link *link = &sim_net.links[i];

		link->latency[0] = DRAW(5, 20, 100, 1000) * SIM_US;
		link->latency[1] = DRAW(5, 20, 100, 1000) * SIM_US;
		link->jitter = DRAW(0, 1, 50) * SIM_US;
	}
}

static void draw_transport(struct tl_transport_opts *o)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);

	tl_transport_opts_default(o);
	o->max_queue_depth = DRAW(2, 8, 32, 128);
	o->max_io_qpairs_per_ctrlr = DRAW(1, 2, 4);
	o->max_aq_depth = 32;
	o->in_capsule_data_size = DRAW(0, 512, 4096, 8192);
	o->max_io_size = DRAW(8192, 16384, 65536);
	o->num_shared_buffers = DRAW(1, 4, 32);
	o->r2t_size = DRAW(0, 0, 512, 4096);
	o->c2h_success = sim_chance(rng, 50);
	o->handshake_ms = 3000;
	o->stall_ms = DRAW(1000, 5000);
}

/* What the target offers for fencing; by numbers of its own, so that other worlds stay. */
static void draw_offer(struct sim_node *node)
{
	struct sim_rng own = {.state = sim.seed ^ 0xfe7ce};

	if (sim_cell.on) {
		if (sim_cell.offer == SIM_OFFER_CCR)
			node->ccr = sim_cell.later ? TL_CCR_LATER : TL_CCR_IMMEDIATE;
		node->cqt_ms = sim_cell.cqt_ms;
		return;
	}
	node->ccr = (enum tl_ccr_mode)((sim_below(&own, 5) + 1) / 2); /* off is one of five */
	node->cqt_ms = sim_chance(&own, 30) ? (uint16_t)sim_between(&own, 1, 500) : 0;
}

/* How much it does with one command; by numbers of its own. */
static void draw_limits(struct sim_node *node)
{
	struct sim_rng own = {.state = sim.seed ^ 0x11717 ^ node->index};

	node->dmrsl = sim_chance(&own, 30) ? (uint32_t)sim_between(&own, 1, 4) : 0;
	node->wzsl = sim_chance(&own, 30);
}

static void draw_nodes(void)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);
	bool ana = sim_chance(rng, 70);

	memset(&sim_targets, 0, sizeof(sim_targets));
	sim_targets.nr_nodes = sim_world.plan.nr_nodes;
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++) {
		struct sim_node *node = &sim_targets.nodes[i];

		node->index = i;
		node->ana = ana;
		draw_offer(node);
		draw_limits(node);
		node->nr_reactors = DRAW(1, 2);
		for (uint32_t r = 0; r < node->nr_reactors; r++)
			node->reactors[r] = sim_reactor_create("target");
		draw_transport(&node->topts);
	}
	for (unsigned int link = 0; link < sim_world.plan.nr_links; link++) {
		struct sim_node *node = &sim_targets.nodes[link % sim_targets.nr_nodes];

		node->links |= 1u << link;
		node->listening[link] = true;
		node->ana_state[link] = TL_ANA_OPTIMIZED;
	}
	if (!ana)
		sim_world.plan.faults &= ~(1u << SIM_FAULT_ANA);
}

static void draw_disks(void)
{
	struct sim_rng *rng = sim_rng(SIM_RNG_WORLD);

	sim_targets.nr_disks = sim_world.plan.nr_disks;
	for (uint32_t i = 0; i < sim_targets.nr_disks; i++) {
		struct sim_disk *disk = &sim_targets.disks[i];

		sim_disk_init(disk, i + 1, sim_world.plan.block_size, sim_world.plan.blocks);
		disk->slow = DRAW(0, 20, 80);
		disk->delay_max = DRAW(10, 200, 5000) * SIM_US;
		if (sim.hold && sim_chance(rng, 50))
			disk->delay_max = 300 * SIM_MS;
		disk->delays_hold =
			sim_world.plan.faults == 1u << SIM_FAULT_TRANSIENT && !sim_rig_wanted();
		if (sim_cell.on) {
			disk->slow = 30;
			disk->delay_max = sim_cell_hold_ns();
		}
		sim_targets.present[i] = true;
		sim_check_disk(disk->nsid, disk->blocks);
	}
}

/* ---- the course ------------------------------------------------------------------------------ */

static void world_make(void)
{
	memset(&sim_world, 0, sizeof(sim_world));
	sim_world_draw(&sim_world.plan);
	sim_world.world = sim_reactor_create("world");
	for (uint32_t r = 0; r < sim_world.plan.host_reactors; r++)
		sim_world.host_reactors[r] = sim_reactor_create(r ? "host1" : "host0");
	sim_net_init(sim_world.plan.capacity);
	sim_dma_init();
	draw_transports();
	draw_no_path();
	sim_rig_draw();
	sim_visitors_draw();
	draw_links();
	sim_check_init();
	sim_anawatch_init();
	draw_nodes();
	draw_disks();
	for (uint32_t i = 0; i < sim.count; i++)
		sim_net_serve(sim.reactors[i]);
}

static const char *view_lacks(unsigned int disk)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct sim_view *view = sim_host_view(disk);

	if (!view)
		return "a namespace is missing";
	nvh_ns_info(view->ns, &info);
	if (info.nr_live_paths != sim_world.plan.nr_links)
		return "a namespace lacks a path";
	return info.nr_blocks == sim_targets.disks[disk].blocks ? NULL
								: "a namespace has another size";
}

/* Every path is live, every namespace there, whole and of its size; or what is not. */
static const char *lacks(void)
{
	const char *why = NULL;

	if (sim_world.faults_on)
		return "a fault is still on";
	if (!sim_nodes_settled())
		return "a target is not done with its changes";
	if (!sim_host_all_live())
		return "a controller is not live";
	for (unsigned int disk = 0; disk < sim_targets.nr_disks && !why; disk++)
		if (sim_targets.present[disk])
			why = view_lacks(disk);
	return why;
}

static bool all_well(void)
{
	return !lacks();
}

static bool targets_ready(void)
{
	return sim_nodes_settled() && !sim_world.faults_on;
}

static bool no_ghosts(void)
{
	return sim_disk_ghosts == 0;
}

static void must_come(bool (*done)(void), uint64_t limit, const char *what)
{
	if (!sim.failed && !sim_run_until(done, limit))
		sim_fail("%s: not within %llu s (%s)", what, (unsigned long long)(limit / SIM_S),
			 lacks() ? lacks() : "all else is well");
}

/* What is on the disks must be what the history allows. */
static void check_disks(void)
{
	for (unsigned int d = 0; d < sim_targets.nr_disks; d++) {
		const struct sim_disk *disk = &sim_targets.disks[d];

		for (uint64_t lba = 0; lba < SIM_DISK_BLOCKS_MAX && !sim.failed; lba++) {
			uint64_t value, begin = sim_check_begin();
			uint32_t at;

			if (!sim_block_parse(disk->mem + lba * disk->block_size, disk->block_size,
					     disk->nsid, lba, &value, &at))
				sim_fail(
					"namespace %u block %llu: torn on the disk from word %u on",
					disk->nsid, (unsigned long long)lba, at);
			else
				sim_check_read(disk->nsid, lba, value, begin);
			sim_check_end(begin);
		}
	}
}

static void world_live(void)
{
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++)
		sim_node_boot(&sim_targets.nodes[i]);
	sim_host_start();
	must_come(all_well, BOOT_LIMIT, "the first connects");
	sim_work_start();
	sim_faults_start();
	sim_cell_start();
	if (sim_world.plan.abrupt) {
		sim_run_until(sim_work_done,
			      sim_below(sim_rng(SIM_RNG_WORLD), sim_world.plan.duration));
		return;
	}
	sim_run_until(sim_work_done, sim_world.plan.duration * 2);
	sim_cell_stop();
	sim_faults_heal();
	must_come(sim_work_done, MEND_LIMIT, "I/O hangs: the end of all I/O after the last fault");
	must_come(all_well, MEND_LIMIT, "paths and namespaces after the last fault");
	if (!sim.failed)
		sim_work_read_back();
	must_come(sim_work_done, MEND_LIMIT, "reading back");
}

static void world_end(void)
{
	sim_world.lost_at = sim.now; /* I/O that is still out may end now */
	sim_world.troubled = true;
	sim_world.calm_since = NVHI_NEVER;
	sim_work_stop();
	sim_host_close();
	must_come(sim_host_closed, CLOSE_LIMIT, "nvh_host_close");
	if (!sim.failed && !sim_work_idle())
		sim_fail("an I/O outlived its host");
	must_come(sim_work_done, CLOSE_LIMIT, "the workers' end");
	sim_faults_heal();
	must_come(targets_ready, MEND_LIMIT, "the targets after the last fault");
	sim_faults_free();
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++)
		sim_node_crash(&sim_targets.nodes[i]);
	must_come(sim_nodes_down, CLOSE_LIMIT, "the targets' stop");
	must_come(no_ghosts, CLOSE_LIMIT, "ghosts");
	if (!sim.failed)
		check_disks();
}

static void world_unmake(void)
{
	if (sim_disk_inflight)
		sim_fail("%u commands are left in the disks", sim_disk_inflight);
	sim_work_free();
	sim_net_done();
	sim_dma_done();
	sim_net_unserve_all();
	sim_core_done();
	sim_check_done();
	for (uint32_t i = 0; i < sim_targets.nr_disks; i++)
		sim_disk_done(&sim_targets.disks[i]);
}

void sim_world_run(uint64_t seed, bool verbose, enum sim_mutant mutant, bool hold)
{
	sim_core_init(seed, verbose, mutant, hold);
	sim_disk_inflight = sim_disk_ghosts = 0;
	world_make();
	world_live();
	if (!sim.failed)
		world_end();
	sim_counts.turns += sim.turns;
	sim_counts.virtual_ns += sim.now;
	if (sim.failed)
		return; /* it stays as it is; what it holds is lost */
	world_unmake();
	SIM_TRACE("the end: %llu turns", sim.turns);
}
