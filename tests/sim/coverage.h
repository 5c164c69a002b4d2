/*
 * What the worlds have been through: edges of the state tables, faults, I/Os.
 */
#ifndef TESTS_SIM_COVERAGE_H
#define TESTS_SIM_COVERAGE_H

/* Counts from now on. */
#include <stdbool.h>
#include <stdint.h>

void sim_coverage_start(void);
void sim_coverage_print(void);
/* Prints how often each fence proof was used; true when one was less often than `least`. */
bool sim_coverage_proofs(uint64_t least);
/* From a child to what its parent prints; the parent calls it, too, before it forks. */
void sim_coverage_send(void);

#endif
