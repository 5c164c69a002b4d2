/*
 * What the worlds have been through: edges of the state tables, faults, I/Os.
 */
#ifndef TESTS_SIM_COVERAGE_H
#define TESTS_SIM_COVERAGE_H

/* Counts from now on. */
void sim_coverage_start(void);
void sim_coverage_print(void);

#endif
