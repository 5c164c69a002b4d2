/*
 * What is allocated now, in pieces; see alloc.c.
 */
#ifndef TESTS_SIM_ALLOC_H
#define TESTS_SIM_ALLOC_H

extern long sim_allocated;

#endif
