/*
 * Failovers: what happened when a path was lost, step by step. Home reactor.
 */
#ifndef NVHOST_FAILOVER_H
#define NVHOST_FAILOVER_H

#include <nvhost/host.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* One loss of one path. Times are CLOCK_MONOTONIC nanoseconds, 0: not (yet). A step that did not come
 * is told by what follows: without I/O out at the loss nothing is selected; without writes of unknown
 * fate there is nothing to fence. */
struct nvh_failover {
	size_t size;
	uint64_t id;	      /* 1, 2, ... in this host */
	char subnqn[224];
	char ctrlr[32];	      /* the path that was lost */
	char why[192];
	uint64_t detected_ns;
	char fence[128];      /* the proof: "fenced by CCR via nvh1 in 3 ms" */
	uint64_t fenced_ns;
	char selected[32];    /* the path that I/O of the lost one went to first; perhaps the same one
			       * when it came back */
	uint64_t selected_ns;
	uint64_t success_ns;  /* the first of this I/O came back good */
	uint64_t returned_ns; /* the path may be used again */
};
/* The index-th, latest first; the last 32 are kept. Set ret_failover->size before: only so many bytes
 * are written. -ENOENT past the end. */
int nvh_host_failover(struct nvh_host *host, unsigned int index, struct nvh_failover *ret_failover);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
