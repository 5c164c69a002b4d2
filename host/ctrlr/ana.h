/*
 * Asymmetric Namespace Access: the state of each ANA group as one controller reports it (Base
 * Specification 2.1 section 8.1.1). The log is read before a controller goes LIVE, on each change
 * notice, and when a command tells that the picture is stale. A log that cannot be read or parsed
 * changes nothing: the last good states stay and it is read again. Home reactor.
 */
#ifndef NVHI_HOST_CTRLR_ANA_H
#define NVHI_HOST_CTRLR_ANA_H

#include <stdint.h>

#include "base/spec/nvme.h"

struct nvhi_ctrlr;

/* What a group has that the log never told; never assumed to be usable. */
#define NVHI_ANA_UNKNOWN 0u

struct nvhi_ana_group {
	uint32_t id;
	uint8_t state; /* enum nvh_ana_state */
};

/* enum nvh_ana_state, or NVHI_ANA_UNKNOWN. Optimized where the controller does not report ANA. */
uint8_t nvhi_ctrlr_ana_state(const struct nvhi_ctrlr *ctrlr, uint32_t group);
/* Reads the log soon; merged with a read under way. News come as the notice ANA_CHANGED. */
void nvhi_ctrlr_ana_refresh(struct nvhi_ctrlr *ctrlr);
/* "optimized", "non-optimized", "inaccessible", "persistent-loss", "change", "unknown". */
const char *nvhi_ana_state_text(uint8_t state);

/* Pure. Reads the `len` bytes of a log into `groups`, ascending by id. 0, or -EPROTO: *ret_why is
 * static text that names the field; the outputs are then untouched, but for `groups`. */
int nvhi_ana_parse(const void *log, uint32_t len, uint32_t anagrpmax, struct nvhi_ana_group *groups,
		   uint32_t max, uint32_t *ret_count, const char **ret_why);

#endif
