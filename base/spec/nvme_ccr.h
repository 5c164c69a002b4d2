/*
 * Cross-Controller Reset (TP8028): what is settled and what is not, in one place.
 *
 * Settled, as the type header of libnvme 3.0 has it: admin opcode 38h, log page 1Eh, Identify
 * Controller CIU byte 135, CIRN bytes 143:136, CCRL byte 1807; CDW12 and CDW13 are CIRN low and
 * high; bit 0 of completion dword 0 is 1 when the reset was done at once.
 *
 * CDW10 is read here as in libnvme 3.0, which follows Base Specification 2.3: ICID 15:0, CIU
 * 23:16. The Linux patch series (v4) reads it the other way round: CIU 15:8, ICID 31:16.
 */
#ifndef NVHOST_SPEC_NVME_CCR_H
#define NVHOST_SPEC_NVME_CCR_H

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NVH_CCR_ICID_MASK 0xffffu
#define NVH_CCR_CIU_SHIFT 16
#define NVH_CCR_CIU_MASK  0xffu
#define NVH_CCR_IMMEDIATE 0x1u

static inline uint32_t nvh_ccr_cdw10(uint16_t icid, uint8_t ciu)
{
	return icid | (uint32_t)ciu << NVH_CCR_CIU_SHIFT;
}

#ifdef __cplusplus
}
#endif

#endif
