/*
 * The real clock. CLOCK_MONOTONIC through the vDSO: no syscall, about 25 ns. Any thread.
 */
#include <time.h>

#include "base/reactor.h"

static uint64_t clock_monotonic_now(const struct nvhi_clock *clock)
{
	struct timespec ts;

	(void)clock;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NVHI_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

const struct nvhi_clock nvhi_clock_monotonic = {.now = clock_monotonic_now};
