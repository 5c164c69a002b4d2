/*
 * Controller properties (registers over PCIe): offsets and fields.
 *
 * Base Specification 2.1 section 3.1.4.
 */
#ifndef NVHOST_SPEC_REGS_H
#define NVHOST_SPEC_REGS_H

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif

enum nvh_reg {
	NVH_REG_CAP = 0x00, /* 8 bytes */
	NVH_REG_VS = 0x08,
	NVH_REG_INTMS = 0x0c,
	NVH_REG_INTMC = 0x10,
	NVH_REG_CC = 0x14,
	NVH_REG_CSTS = 0x1c,
	NVH_REG_NSSR = 0x20,
	NVH_REG_AQA = 0x24,
	NVH_REG_ASQ = 0x28, /* 8 bytes */
	NVH_REG_ACQ = 0x30, /* 8 bytes */
	NVH_REG_CMBLOC = 0x38,
	NVH_REG_CMBSZ = 0x3c,
	NVH_REG_BPINFO = 0x40,
	NVH_REG_BPRSEL = 0x44,
	NVH_REG_BPMBL = 0x48,  /* 8 bytes */
	NVH_REG_CMBMSC = 0x50, /* 8 bytes */
	NVH_REG_CMBSTS = 0x58,
	NVH_REG_CMBEBS = 0x5c,
	NVH_REG_CMBSWTP = 0x60,
	NVH_REG_NSSD = 0x64,
	NVH_REG_CRTO = 0x68,
	NVH_REG_PMRCAP = 0xe00,
	NVH_REG_PMRCTL = 0xe04,
	NVH_REG_PMRSTS = 0xe08,
	NVH_REG_DOORBELLS = 0x1000,
};

/* ---- CAP ------------------------------------------------------------------------------------ */

#define NVH_CAP_CQR        0x10000ull
#define NVH_CAP_TO_UNIT_MS 500u
#define NVH_CAP_CMBS       (1ull << 57)
#define NVH_CAP_PMRS       (1ull << 56)
#define NVH_CAP_NSSRS      (1ull << 36)
#define NVH_CAP_CRMS_CRWMS (1ull << 59)
#define NVH_CAP_CRMS_CRIMS (1ull << 60)

/* Entries a queue, 0's based. */
static inline unsigned nvh_cap_mqes(uint64_t cap)
{
	return cap & 0xffff;
}

/* Worst-case time for CSTS.RDY to change, in units of 500 ms. */
static inline unsigned nvh_cap_to(uint64_t cap)
{
	return cap >> 24 & 0xff;
}

static inline unsigned nvh_cap_dstrd(uint64_t cap)
{
	return cap >> 32 & 0xf;
}

static inline unsigned nvh_cap_css(uint64_t cap)
{
	return cap >> 37 & 0xff;
}

/* Powers of two above 4,096 bytes. */
static inline unsigned nvh_cap_mpsmin(uint64_t cap)
{
	return cap >> 48 & 0xf;
}

static inline unsigned nvh_cap_mpsmax(uint64_t cap)
{
	return cap >> 52 & 0xf;
}

#define NVH_CAP_MQES_SHIFT   0
#define NVH_CAP_AMS_SHIFT    17
#define NVH_CAP_TO_SHIFT     24
#define NVH_CAP_DSTRD_SHIFT  32
#define NVH_CAP_CSS_SHIFT    37
#define NVH_CAP_MPSMIN_SHIFT 48
#define NVH_CAP_MPSMAX_SHIFT 52

/* Bits of the 8-bit CAP.CSS. */
#define NVH_CAP_CSS_NVM  0x01u
#define NVH_CAP_CSS_IOCS 0x40u
#define NVH_CAP_CSS_NONE 0x80u

/* ---- VS ------------------------------------------------------------------------------------- */

static inline uint32_t nvh_vs(unsigned major, unsigned minor, unsigned tertiary)
{
	return (uint32_t)major << 16 | (uint32_t)minor << 8 | tertiary;
}

static inline unsigned nvh_vs_major(uint32_t vs)
{
	return vs >> 16;
}

static inline unsigned nvh_vs_minor(uint32_t vs)
{
	return vs >> 8 & 0xff;
}

static inline unsigned nvh_vs_tertiary(uint32_t vs)
{
	return vs & 0xff;
}

/* ---- CC ------------------------------------------------------------------------------------- */

#define NVH_CC_EN           0x1u
#define NVH_CC_CSS_SHIFT    4
#define NVH_CC_CSS_MASK     0x7u
#define NVH_CC_CSS_NVM      0x0u
#define NVH_CC_CSS_IOCS     0x6u
#define NVH_CC_CSS_NONE     0x7u
#define NVH_CC_MPS_SHIFT    7
#define NVH_CC_MPS_MASK     0xfu
#define NVH_CC_AMS_SHIFT    11
#define NVH_CC_AMS_MASK     0x7u
#define NVH_CC_SHN_SHIFT    14
#define NVH_CC_SHN_MASK     0x3u
#define NVH_CC_SHN_NONE     0x0u
#define NVH_CC_SHN_NORMAL   0x1u
#define NVH_CC_SHN_ABRUPT   0x2u
#define NVH_CC_IOSQES_SHIFT 16
#define NVH_CC_IOSQES_MASK  0xfu
#define NVH_CC_IOCQES_SHIFT 20
#define NVH_CC_IOCQES_MASK  0xfu
#define NVH_CC_CRIME        0x01000000u

static inline unsigned nvh_cc_shn(uint32_t cc)
{
	return cc >> NVH_CC_SHN_SHIFT & NVH_CC_SHN_MASK;
}

static inline unsigned nvh_cc_css(uint32_t cc)
{
	return cc >> NVH_CC_CSS_SHIFT & NVH_CC_CSS_MASK;
}

static inline unsigned nvh_cc_mps(uint32_t cc)
{
	return cc >> NVH_CC_MPS_SHIFT & NVH_CC_MPS_MASK;
}

static inline unsigned nvh_cc_ams(uint32_t cc)
{
	return cc >> NVH_CC_AMS_SHIFT & NVH_CC_AMS_MASK;
}

static inline unsigned nvh_cc_iosqes(uint32_t cc)
{
	return cc >> NVH_CC_IOSQES_SHIFT & NVH_CC_IOSQES_MASK;
}

static inline unsigned nvh_cc_iocqes(uint32_t cc)
{
	return cc >> NVH_CC_IOCQES_SHIFT & NVH_CC_IOCQES_MASK;
}

/* The entry sizes of every controller: 64 and 16 bytes. */
#define NVH_SQES_LOG2 6u
#define NVH_CQES_LOG2 4u

/* ---- CSTS ----------------------------------------------------------------------------------- */

#define NVH_CSTS_RDY            0x1u
#define NVH_CSTS_CFS            0x2u
#define NVH_CSTS_SHST_SHIFT     2
#define NVH_CSTS_SHST_MASK      0x3u
#define NVH_CSTS_SHST_NORMAL    0x0u
#define NVH_CSTS_SHST_OCCURRING 0x1u
#define NVH_CSTS_SHST_COMPLETE  0x2u
#define NVH_CSTS_NSSRO          0x10u
#define NVH_CSTS_PP             0x20u
#define NVH_CSTS_ST             0x40u

static inline unsigned nvh_csts_shst(uint32_t csts)
{
	return csts >> NVH_CSTS_SHST_SHIFT & NVH_CSTS_SHST_MASK;
}

/* ---- others --------------------------------------------------------------------------------- */

#define NVH_NSSR_RESET 0x4e564d65u /* "NVMe" */

#define NVH_AQA_ASQS_MASK  0xfffu /* 0's based */
#define NVH_AQA_ACQS_SHIFT 16

/* CRTO: ready timeouts in units of 500 ms, CRWMT 15:0, CRIMT 31:16. */
static inline unsigned nvh_crto_crwmt(uint32_t crto)
{
	return crto & 0xffff;
}

static inline unsigned nvh_crto_crimt(uint32_t crto)
{
	return crto >> 16;
}

/* Doorbell offsets from the start of the register space. */
static inline unsigned nvh_db_sq(unsigned qid, unsigned dstrd)
{
	return NVH_REG_DOORBELLS + (2 * qid) * (4u << dstrd);
}

static inline unsigned nvh_db_cq(unsigned qid, unsigned dstrd)
{
	return NVH_REG_DOORBELLS + (2 * qid + 1) * (4u << dstrd);
}

#ifdef __cplusplus
}
#endif

#endif
