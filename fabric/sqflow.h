/*
 * Submission queue flow control as the host sees it: SQHD in completions says how far the
 * controller has consumed. Pure. Base Specification 2.1 section 3.3.2.
 */
#ifndef NVHI_FABRIC_SQFLOW_H
#define NVHI_FABRIC_SQFLOW_H

#include <stdbool.h>
#include <stdint.h>

struct nvhi_sqflow {
	bool on; /* the controller reports SQHD and we check it */
	uint16_t head;
	uint32_t used; /* submitted, not yet reported consumed */
};

/* Takes a completion's SQHD; false: it is nonsense. The head moves towards the tail; one that is a
 * little behind is merely late: a controller with many threads may send its completions in another
 * order than it consumed the commands. */
static inline bool nvhi_sqflow_take(struct nvhi_sqflow *flow, uint32_t entries, uint16_t sqhd)
{
	uint32_t ahead = (sqhd + entries - flow->head) % entries;

	if (sqhd >= entries)
		return false;
	if (ahead <= flow->used) {
		flow->head = sqhd;
		flow->used -= ahead;
		return true;
	}
	return entries - ahead <= entries / 2;
}

#endif
