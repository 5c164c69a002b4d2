/*
 * Disks that outlive the targets in front of them: the blocks are the world's, and each target has
 * a bdev of its own to them. A command takes effect when it is submitted and completes then or
 * later, so nothing of it can come after its connection (the ghost mutant does just that).
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "target-lite/backend/bdev.h"
#include "tests/sim/sim.h"

#define SIM_DISK_BLOCKS_MAX 512u
/* Blocks of such a value may be written once: passthrough is never repeated. */
#define SIM_VALUE_ONCE (1ull << 60)

/* Command Retry Delays of all targets, units of 100 ms. */
extern const uint16_t sim_crdt[3];

/* A write that was refused with a Command Retry Delay: not to be repeated before. */
struct sim_refusal {
	uint64_t value, lba, due;
};

struct sim_disk {
	uint32_t nsid;
	uint8_t uuid[16];
	uint32_t block_size;
	uint64_t blocks; /* now; never above SIM_DISK_BLOCKS_MAX */
	uint8_t *mem;
	uint64_t once[SIM_DISK_BLOCKS_MAX]; /* the last such value of each block */
	uint64_t delay_max;                 /* ns a command takes at most */
	unsigned int slow;                  /* of 100 commands, so many take their time */
	unsigned int transient;             /* of 1000, so many are refused for now */
	struct sim_refusal refusals[64];    /* the youngest */
	bool delays_hold; /* no connection is ever lost: who repeats early has no excuse */
	uint64_t ops, refused, aborted;
};

void sim_disk_init(struct sim_disk *disk, uint32_t nsid, uint32_t block_size, uint64_t blocks);
void sim_disk_done(struct sim_disk *disk);
/* A target's way to it, listed as "disk<NSID>". */
struct tl_bdev *sim_disk_attach(struct sim_disk *disk, struct tl_bdevs *bdevs);
/* Commands that are under way in all disks; 0 at the end. */
extern uint32_t sim_disk_inflight;
/* Ghosts that have not struck yet. */
extern uint32_t sim_disk_ghosts;

#endif
