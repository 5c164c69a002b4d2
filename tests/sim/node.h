/*
 * The targets of the world: one or two nodes in front of the same disks, each a whole target-lite
 * (core and TCP) on reactors of its own, with listeners on some of the links. A node can be crashed
 * and comes back; what an operator does to one is done here, too.
 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "target-lite/core/subsystem.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"

#define SIM_NQN   "nqn.2026-01.io.nvhost:sim"
#define SIM_NODES 2
#define SIM_DISKS 3

enum sim_node_state {
	SIM_NODE_DOWN,
	SIM_NODE_UP,
	SIM_NODE_STOPPING,
};

struct sim_node {
	unsigned int index;
	enum sim_node_state state;
	struct nvh_reactor *reactors[2];
	uint32_t nr_reactors;
	uint32_t links; /* bit set */
	struct tl_transport_opts topts;
	struct tl_target *target;
	struct tl_subsystem *ss;
	uint32_t pending; /* changes asked for, not yet reported */
	uint32_t boots; /* so often it has started */
	bool ana;
	enum tl_ccr_mode ccr;
	uint16_t cqt_ms;
	uint32_t dmrsl; /* what a deallocation and Write Zeroes may do at once */
	uint8_t wzsl;
	enum tl_ana_state ana_state[SIM_LINKS];
	bool listening[SIM_LINKS];
};

struct sim_targets {
	struct sim_node nodes[SIM_NODES];
	uint32_t nr_nodes;
	struct sim_disk disks[SIM_DISKS];
	uint32_t nr_disks;
	bool present[SIM_DISKS];                               /* a namespace of the subsystem */
	uint64_t present_since[SIM_DISKS], changed[SIM_DISKS]; /* resized or removed last */
};
extern struct sim_targets sim_targets;

/* Starts what is DOWN, with the namespaces, listeners and states of now. */
void sim_node_boot(struct sim_node *node);
/* Every connection is reset, nothing listens; DOWN when the rest has been swept up. */
void sim_node_crash(struct sim_node *node);
/* All nodes are DOWN. */
bool sim_nodes_down(void);
/* No change is under way at those that are up. */
bool sim_nodes_idle(void);
/* All are up, and no change is under way. */
bool sim_nodes_settled(void);
struct sim_node *sim_node_of_link(unsigned int link);
/* The address its listener has. */
void sim_link_listen_addr(unsigned int link, struct tl_listen_addr *ret_addr);

/* An operator's hand, at all nodes that are up (the others learn it when they boot). */
void sim_op_remove_ns(unsigned int disk);
void sim_op_add_ns(unsigned int disk);
void sim_op_resize(unsigned int disk, uint64_t blocks);
/* And at one. */
void sim_op_ana(unsigned int link, enum tl_ana_state state);
void sim_op_listen(unsigned int link, bool on);
/* A controller, drawn, is disconnected by its target. */
bool sim_op_kill_ctrlr(struct sim_node *node);

#endif
