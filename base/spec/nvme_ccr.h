/*
 * Cross-Controller Reset (TP8028, in Base Specification 2.3 section 5.4.3) and what belongs to it.
 *
 * Which text decided. Opcode 38h, log page 1Eh, CIU, CIRN, CCRL and CQT: the type header of libnvme
 * 3.0. CDW10 (figure 522: ICID 15:0, CIU 23:16), the log's header and entries (figures 304 and 305),
 * status codes 3Fh to 41h (figure 103), notice F4h (figure 154) and bit 20 of OAES: a review of
 * nvme-cli against the ratified text of 2.3 (2025-08-01), which libnvme 3.0's initialisers agree with.
 * The Linux patch series (v4) reads CDW10 the other way round (CIU 15:8, ICID 31:16): the ratified
 * text goes first. The values of CCRS and the bits of CCRF and of the log's LSP (remove completed) are
 * those of the Linux series, which no other text contradicts.
 */
#ifndef NVHOST_SPEC_NVME_CCR_H
#define NVHOST_SPEC_NVME_CCR_H

#include <assert.h>
#include <stddef.h>

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NVH_CCR_ICID_MASK 0xffffu
#define NVH_CCR_CIU_SHIFT 16
#define NVH_CCR_CIU_MASK  0xffu
/* Completion dword 0: Immediate Reset Successful. 0: accepted, the log tells the rest. */
#define NVH_CCR_IMMEDIATE 0x1u

static inline uint32_t nvh_ccr_cdw10(uint16_t icid, uint8_t ciu)
{
	return icid | (uint32_t)ciu << NVH_CCR_CIU_SHIFT;
}

enum nvh_ccrs {
	NVH_CCRS_IN_PROGRESS = 0,
	NVH_CCRS_SUCCESS = 1,
	NVH_CCRS_FAILED = 2,
};
enum {
	NVH_CCRF_VALIDATED = 1u << 0,
	NVH_CCRF_INITIATED = 1u << 1,
};
/* Log specific parameter: Remove Completed. */
#define NVH_CCR_LSP_RMC 0x1u

struct nvh_ccr_log_entry {
	struct nvh_le16 icid; /* Impacted Controller ID */
	uint8_t ciu;
	uint8_t rsvd3;
	struct nvh_le16 acid; /* Alternate Controller ID: the one that was asked */
	uint8_t ccrs;	      /* enum nvh_ccrs */
	uint8_t ccrf;
};
static_assert(sizeof(struct nvh_ccr_log_entry) == 8, "CCR log entry");
static_assert(offsetof(struct nvh_ccr_log_entry, acid) == 4, "ACID");
static_assert(offsetof(struct nvh_ccr_log_entry, ccrs) == 6, "CCRS");

#define NVH_CCR_LOG_ENTRIES 511
struct nvh_ccr_log {
	struct nvh_le16 ne;
	uint8_t rsvd2[6];
	struct nvh_ccr_log_entry entries[NVH_CCR_LOG_ENTRIES];
};
static_assert(sizeof(struct nvh_ccr_log) == 4096, "CCR log");

#ifdef __cplusplus
}
#endif

#endif
