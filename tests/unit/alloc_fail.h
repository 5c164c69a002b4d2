/*
 * Failing allocations for tests. Unit tests are linked with --wrap for malloc and its kin, so what
 * our own code allocates (not the inside of shared libraries) can be made to fail: the Nth from
 * now, on the calling thread. Without a plan all of it passes through.
 */
#ifndef TESTS_UNIT_ALLOC_FAIL_H
#define TESTS_UNIT_ALLOC_FAIL_H

#include <stdbool.h>
#include <stdint.h>

/* The nth allocation of this thread from now on fails (1: the next); 0: none. */
void nvh_alloc_fail_at(uint64_t nth);
/* Whether the planned failure has happened. */
bool nvh_alloc_did_fail(void);
/* Allocations less frees of this thread since it began. */
int64_t nvh_alloc_live(void);

/*
 * Walks: calls fn(arg) with the first allocation failing, then the second, and so on until a call
 * needs no more. fn does a thing and undoes it again, and returns 0 or -errno. Asserted in CUnit:
 * a call with a failure returns -ENOMEM (or 0 where `may_survive`: it did without), none leaks,
 * and the last one succeeds. Returns how many failures were walked.
 */
uint64_t nvh_alloc_walk(int (*fn)(void *arg), void *arg, bool may_survive);

#endif
