/*
 * The fastest controller there can be, for measuring a host alone: it answers reads with the same
 * bytes and forgets writes, one receive and one send a pass, spinning. Knows just enough of
 * NVMe/TCP to be connected to. One process or thread of its own.
 */
#ifndef TESTS_BENCH_NULL_CTRLR_H
#define TESTS_BENCH_NULL_CTRLR_H

#include <stdbool.h>
#include <stdint.h>

struct null_ctrlr_opts {
	bool success; /* C2HData with SUCCESS instead of a CapsuleResp, where the host allows it */
	uint32_t in_capsule; /* bytes of in-capsule data an I/O queue takes; 0: R2T always */
};

/* A listening socket on 127.0.0.1; its port in *ret_port. -errno. */
int null_ctrlr_listen(uint16_t *ret_port);
/* Serves whoever connects until the process ends. */
void null_ctrlr_run(int listen_fd, const struct null_ctrlr_opts *opts);

#endif
