/*
 * What the worlds have been through: edges of the state tables, faults, I/Os.
 */
#ifndef TESTS_SIM_COVERAGE_H
#define TESTS_SIM_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Counts from now on. */
void sim_coverage_start(void);
void sim_coverage_print(void);
/* Prints what the worlds lack: an edge that none took, a kind of fault that struck less often than
 * `least`. */
bool sim_coverage_lacks(uint64_t least);
/* Prints how often each fence proof was used; true when one was less often than `least`. */
bool sim_coverage_proofs(uint64_t least);
/* From a child to what its parent prints; the parent calls it, too, before it forks. */
void sim_coverage_send(void);

#endif
