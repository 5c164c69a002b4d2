/*
 * Targets' lives: see node.h. Changes are made on the management reactor, by message.
 */
#include "tests/sim/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/ctrlr.h"
#include "target-lite/tcp/tcp.h"
#include "tests/sim/dma.h"

struct sim_targets sim_targets;

static void target_random(void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)sim_next(sim_rng(SIM_RNG_TARGET));
}

static void change_done(void *arg, int err)
{
	struct sim_node *node = arg;

	(void)err; /* of two changes one may come too late */
	node->pending--;
}

/* A change that was taken is reported once. */
static void changing(struct sim_node *node, int err)
{
	node->pending += !err;
}

void sim_link_listen_addr(unsigned int link, struct tl_listen_addr *ret_addr)
{
	memset(ret_addr, 0, sizeof(*ret_addr));
	ret_addr->trtype = sim_net.links[link].dma ? TL_TRTYPE_RDMA : TL_TRTYPE_TCP;
	ret_addr->adrfam = TL_ADRFAM_IPV4;
	snprintf(ret_addr->traddr, sizeof(ret_addr->traddr), "192.0.2.%u", link + 1);
	snprintf(ret_addr->trsvcid, sizeof(ret_addr->trsvcid), "4420");
}

/* ---- namespaces and listeners of one node ---------------------------------------------------- */

static void node_add_ns(struct sim_node *node, struct sim_disk *disk)
{
	char name[16];
	struct tl_ns_opts opts = {.bdev_name = name, .nsid = disk->nsid};
	uint32_t nsid;

	snprintf(name, sizeof(name), "disk%u", disk->nsid);
	memcpy(opts.uuid, disk->uuid, sizeof(opts.uuid));
	changing(node, tl_subsystem_add_ns(node->ss, &opts, change_done, node, &nsid));
}

static void node_listen(struct sim_node *node, unsigned int link)
{
	struct tl_listen_addr addr;

	sim_link_listen_addr(link, &addr);
	changing(node, tl_subsystem_add_listener(node->ss, &addr, false, node->ana_state[link],
						 change_done, node, NULL));
}

/* ---- life ------------------------------------------------------------------------------------ */

void sim_node_boot(struct sim_node *node)
{
	struct tl_target_opts topts = {.name = "sim", .random = target_random};
	struct tl_subsystem_opts sopts = {
		.nqn = SIM_NQN,
		.allow_any_host = true,
		.ana_reporting = node->ana,
		.min_cntlid = (uint16_t)(1 + node->index * 1000),
		.max_cntlid = (uint16_t)(999 + node->index * 1000),
	};
	struct tl_subsystem_opts spare = {.nqn = SIM_NQN ":never-started"};
	struct tl_transport *transport;
	struct tl_subsystem *never;
	int err;

	SIM_TRACE("node %llu boots", node->index);
	topts.tbkas = node->index & 1;
	sopts.cqt_ms = node->cqt_ms;
	sopts.ccr = node->ccr;
	sopts.dmrsl = node->dmrsl;
	sopts.wzsl = node->wzsl;
	err = tl_target_create(&topts, node->reactors, node->nr_reactors, &node->target);
	if (!err)
		err = tl_tcp_create(node->target, &node->topts, &sim_net.net, &transport);
	if (!err)
		err = sim_dma_create(node->target, &node->topts);
	if (!err)
		err = tl_subsystem_create(node->target, &sopts, &node->ss);
	if (!err)
		err = tl_subsystem_create(node->target, &spare, &never);
	if (!err)
		tl_target_set_crdt(node->target, sim_crdt);
	if (err) {
		sim_fail("node %u: cannot start: %s", node->index, strerror(-err));
		return;
	}
	node->state = SIM_NODE_UP;
	node->boots++;
	node->pending = 1;
	tl_subsystem_start(node->ss, change_done, node);
	for (unsigned int i = 0; i < sim_targets.nr_disks; i++) {
		if (!sim_disk_attach(&sim_targets.disks[i], &node->target->bdevs))
			sim_fail("node %u: no bdev", node->index);
		if (sim_targets.present[i])
			node_add_ns(node, &sim_targets.disks[i]);
	}
	for (unsigned int link = 0; link < SIM_LINKS; link++)
		if ((node->links & 1u << link) && node->listening[link])
			node_listen(node, link);
}

static void node_bury(void *arg)
{
	struct sim_node *node = arg;

	tl_target_destroy(node->target);
	node->target = NULL;
	node->ss = NULL;
	node->state = SIM_NODE_DOWN;
	SIM_TRACE("node %llu is down", node->index);
}

static void node_stopped(void *arg, int err)
{
	struct sim_node *node = arg;

	(void)err;
	sim_on(sim.reactors[0], node_bury, node);
}

static void node_stop(void *arg)
{
	struct sim_node *node = arg;

	tl_target_stop(node->target, node_stopped, node);
}

void sim_node_crash(struct sim_node *node)
{
	if (node->state != SIM_NODE_UP)
		return;
	SIM_TRACE("node %llu crashes", node->index);
	node->state = SIM_NODE_STOPPING;
	for (unsigned int link = 0; link < SIM_LINKS; link++)
		if (node->links & 1u << link)
			sim_net_cut(link);
	sim_on(node->reactors[0], node_stop, node);
}

bool sim_nodes_down(void)
{
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++)
		if (sim_targets.nodes[i].state != SIM_NODE_DOWN)
			return false;
	return true;
}

bool sim_nodes_idle(void)
{
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++)
		if (sim_targets.nodes[i].state == SIM_NODE_STOPPING ||
		    (sim_targets.nodes[i].state == SIM_NODE_UP && sim_targets.nodes[i].pending))
			return false;
	return true;
}

bool sim_nodes_settled(void)
{
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++)
		if (sim_targets.nodes[i].state != SIM_NODE_UP || sim_targets.nodes[i].pending)
			return false;
	return true;
}

struct sim_node *sim_node_of_link(unsigned int link)
{
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++)
		if (sim_targets.nodes[i].links & 1u << link)
			return &sim_targets.nodes[i];
	return NULL;
}

/* ---- the operator ---------------------------------------------------------------------------- */

/* What to do on the node's management reactor, if it is still there when it comes to that. */
struct node_op {
	struct sim_node *node;
	uint32_t boots;
	void (*fn)(const struct node_op *op);
	unsigned int index; /* disk or link */
	uint64_t value;
};

static void node_op_run(void *arg)
{
	struct node_op *op = arg;

	if (op->node->state == SIM_NODE_UP && op->node->boots == op->boots)
		op->fn(op);
	free(op);
}

static void node_do(struct sim_node *node, void (*fn)(const struct node_op *op), unsigned int index,
		    uint64_t value)
{
	struct node_op *op;

	if (node->state != SIM_NODE_UP)
		return;
	op = calloc(1, sizeof(*op));
	op->node = node;
	op->boots = node->boots;
	op->fn = fn;
	op->index = index;
	op->value = value;
	sim_on(node->reactors[0], node_op_run, op);
}

static void all_do(void (*fn)(const struct node_op *op), unsigned int index, uint64_t value)
{
	for (uint32_t i = 0; i < sim_targets.nr_nodes; i++)
		node_do(&sim_targets.nodes[i], fn, index, value);
}

static void do_remove_ns(const struct node_op *op)
{
	changing(op->node, tl_subsystem_remove_ns(op->node->ss, sim_targets.disks[op->index].nsid,
						  change_done, op->node));
}

static void do_add_ns(const struct node_op *op)
{
	node_add_ns(op->node, &sim_targets.disks[op->index]);
}

static void do_resize(const struct node_op *op)
{
	char name[16];
	struct tl_bdev *bdev;

	snprintf(name, sizeof(name), "disk%u", sim_targets.disks[op->index].nsid);
	bdev = tl_bdev_find(&op->node->target->bdevs, name);
	if (bdev)
		tl_bdev_resize(bdev, op->value);
}

static void do_ana(const struct node_op *op)
{
	struct tl_listen_addr addr;

	sim_link_listen_addr(op->index, &addr);
	changing(op->node,
		 tl_subsystem_set_ana_state(op->node->ss, &addr, 0, (enum tl_ana_state)op->value,
					    change_done, op->node));
}

static void do_listen(const struct node_op *op)
{
	struct tl_listen_addr addr;

	if (op->value) {
		node_listen(op->node, op->index);
		return;
	}
	sim_link_listen_addr(op->index, &addr);
	changing(op->node,
		 tl_subsystem_remove_listener(op->node->ss, &addr, change_done, op->node));
}

static void do_kill(const struct node_op *op)
{
	struct tl_ctrlr *ctrlr;
	uint64_t which = op->value;

	nvhi_list_for_each(ctrlr, &op->node->ss->ctrlrs, link) {
		if (which-- > 0)
			continue;
		tl_ctrlr_disconnect(ctrlr);
		return;
	}
}

void sim_op_remove_ns(unsigned int disk)
{
	sim_targets.present[disk] = false;
	sim_targets.changed[disk] = sim.now;
	all_do(do_remove_ns, disk, 0);
}

void sim_op_add_ns(unsigned int disk)
{
	sim_targets.present[disk] = true;
	sim_targets.changed[disk] = sim.now;
	all_do(do_add_ns, disk, 0);
}

void sim_op_resize(unsigned int disk, uint64_t blocks)
{
	sim_targets.disks[disk].blocks = blocks;
	sim_targets.changed[disk] = sim.now;
	all_do(do_resize, disk, blocks);
}

void sim_op_ana(unsigned int link, enum tl_ana_state state)
{
	struct sim_node *node = sim_node_of_link(link);

	node->ana_state[link] = state;
	node_do(node, do_ana, link, state);
}

void sim_op_listen(unsigned int link, bool on)
{
	struct sim_node *node = sim_node_of_link(link);

	node->listening[link] = on;
	node_do(node, do_listen, link, on);
}

bool sim_op_kill_ctrlr(struct sim_node *node)
{
	struct tl_ctrlr *ctrlr;
	uint64_t count = 0;

	if (node->state != SIM_NODE_UP)
		return false;
	nvhi_list_for_each(ctrlr, &node->ss->ctrlrs, link)
		count++;
	if (!count)
		return false;
	node_do(node, do_kill, 0, sim_below(sim_rng(SIM_RNG_FAULT), count));
	return true;
}
