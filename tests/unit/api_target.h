/*
 * A target for tests of the public API: target-lite in a thread of its own, on 127.0.0.1 and a free
 * port, changed while it runs. Errors end the test.
 */
#ifndef TESTS_UNIT_API_TARGET_H
#define TESTS_UNIT_API_TARGET_H

#include <stdint.h>

#define TARGET_NQN "nqn.2026-01.io.nvhost:fixture"
#define TARGET_BLOCK 512u
#define TARGET_BLOCKS 32768u

/* Starts with namespaces 1..nr_ns of TARGET_BLOCKS in memory. */
void target_up(unsigned int nr_ns);
void target_down(void);
/* "4420" or what it is. */
const char *target_port(void);
/* Stops or begins to listen (at the same port); stopping drops every connection. */
void target_listen(int on);
/* Two referrals: to this very target, and to a port where nobody is. */
void target_refer(void);
/* A namespace in memory; its NSID. */
uint32_t target_add_ns(void);
/* A namespace that keeps nothing and can be resized. */
uint32_t target_add_null_ns(uint64_t blocks);
void target_remove_ns(uint32_t nsid);
void target_resize_ns(uint32_t nsid, uint64_t blocks);

#endif
