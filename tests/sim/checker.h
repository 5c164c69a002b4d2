/*
 * The checker: holds every read against the history of its blocks. Per block it keeps the writes
 * whose value the block may still have, each with its interval:
 *
 *  - a write may take effect, even more than once, from its submission to its completion;
 *  - one that was failed to the caller may take effect later, too, until a later write that covers
 *    the block is acknowledged, never after;
 *  - an acknowledged write, write zeroes included, ends all values whose writes had ended before it
 *    began; a read that returned ends all other values whose writes had ended before it began;
 *  - a deallocation may zero the block or leave it.
 *
 * So overlapping I/O that is outstanding at the same time has no order (as in NVMe), everything
 * else is linearizable block by block. Times are positions in the sequence of submissions and
 * completions, not clock times.
 */
#ifndef TESTS_SIM_CHECKER_H
#define TESTS_SIM_CHECKER_H

#include "tests/sim/sim.h"

#define SIM_ZEROES 0ull /* the value of a block that reads as zeroes */

void sim_check_init(void);
void sim_check_done(void);
/* Blocks of this namespace, all zero. */
void sim_check_disk(uint32_t nsid, uint64_t blocks);

/* Submission: now. Returns its place in the sequence. */
uint64_t sim_check_begin(void);
/* It was refused or has completed: history older than the oldest that is left can be forgotten. */
void sim_check_end(uint64_t begin);

/* A write (or write zeroes) of `value` is submitted. */
void sim_check_write(uint32_t nsid, uint64_t lba, uint64_t blocks, uint64_t value, uint64_t begin);
enum sim_fate {
	SIM_FATE_DONE,    /* acknowledged */
	SIM_FATE_MAYBE,   /* acknowledged, but free to have done nothing (deallocation) */
	SIM_FATE_UNKNOWN, /* failed to the caller */
	SIM_FATE_UNSENT,  /* refused in the call: it never was */
};
void sim_check_written(uint32_t nsid, uint64_t lba, uint64_t blocks, uint64_t value, uint64_t begin,
		       enum sim_fate fate);
/* A read of one block returned `value`. */
void sim_check_read(uint32_t nsid, uint64_t lba, uint64_t value, uint64_t begin);
/* A value the block may have now, for a compare; the youngest. */
uint64_t sim_check_guess(uint32_t nsid, uint64_t lba);

/* ---- what blocks look like ------------------------------------------------------------------- */

/* The bytes of a block that holds `value`: each word tells value and place. */
void sim_block_fill(void *block, uint32_t block_size, uint32_t nsid, uint64_t lba, uint64_t value);
/* False: no block of ours, or torn, or another place's; ret_at tells the word where. */
bool sim_block_parse(const void *block, uint32_t block_size, uint32_t nsid, uint64_t lba,
		     uint64_t *ret_value, uint32_t *ret_at);

#endif
