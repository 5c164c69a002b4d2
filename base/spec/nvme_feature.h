/*
 * Features: identifiers, dword fields and data structures of Set Features and Get Features, and
 * the data structures of reservations.
 *
 * Base Specification 2.1 sections 5.1.25 and 7.
 */
#ifndef NVHOST_SPEC_NVME_FEATURE_H
#define NVHOST_SPEC_NVME_FEATURE_H

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif

enum nvh_fid {
	NVH_FID_ARBITRATION = 0x01,
	NVH_FID_POWER_MGMT = 0x02,
	NVH_FID_LBA_RANGE = 0x03,
	NVH_FID_TEMP_THRESH = 0x04,
	NVH_FID_ERROR_RECOVERY = 0x05,
	NVH_FID_VWC = 0x06,
	NVH_FID_NUM_QUEUES = 0x07,
	NVH_FID_IRQ_COALESCE = 0x08,
	NVH_FID_IRQ_CONFIG = 0x09,
	NVH_FID_WRITE_ATOMICITY = 0x0a,
	NVH_FID_AEC = 0x0b, /* Asynchronous Event Configuration; NVH_AEN_* of nvme_log.h */
	NVH_FID_APST = 0x0c,
	NVH_FID_HMB = 0x0d,
	NVH_FID_TIMESTAMP = 0x0e,
	NVH_FID_KATO = 0x0f,
	NVH_FID_HCTM = 0x10,
	NVH_FID_NOPSC = 0x11,
	NVH_FID_RRL = 0x12,
	NVH_FID_PLM_CONFIG = 0x13,
	NVH_FID_PLM_WINDOW = 0x14,
	NVH_FID_LBA_STATUS = 0x15,
	NVH_FID_HOST_BEHAVIOR = 0x16,
	NVH_FID_SANITIZE = 0x17,
	NVH_FID_ENDURANCE_EVENT = 0x18,
	NVH_FID_IOCS_PROFILE = 0x19,
	NVH_FID_SPINUP = 0x1a,
	NVH_FID_FDP = 0x1d,
	NVH_FID_FDP_EVENTS = 0x1e,
	NVH_FID_NS_ADMIN_LABEL = 0x1f,
	NVH_FID_KEY_VALUE = 0x20,
	NVH_FID_CTRLR_DATA_QUEUE = 0x21,
	NVH_FID_ENH_CTRLR_METADATA = 0x7d,
	NVH_FID_CTRLR_METADATA = 0x7e,
	NVH_FID_NS_METADATA = 0x7f,
	NVH_FID_SW_PROGRESS = 0x80,
	NVH_FID_HOST_ID = 0x81,
	NVH_FID_RESV_MASK = 0x82,
	NVH_FID_RESV_PERSIST = 0x83,
	NVH_FID_NS_WRITE_PROTECT = 0x84,
	NVH_FID_BOOT_WRITE_PROTECT = 0x85,
};

/* CDW10: FID 7:0; Get: SEL 10:8; Set: SV 31. */
#define NVH_FEAT_SEL_SHIFT     8
#define NVH_FEAT_SEL_CURRENT   0u
#define NVH_FEAT_SEL_DEFAULT   1u
#define NVH_FEAT_SEL_SAVED     2u
#define NVH_FEAT_SEL_SUPPORTED 3u
#define NVH_FEAT_SAVE          0x80000000u

/* 07h Number of Queues: CDW11 asks and dword 0 grants, both 0's based; NSQ 15:0, NCQ 31:16. */
#define NVH_FEAT_NSQ_MASK  0xffffu
#define NVH_FEAT_NCQ_SHIFT 16

/* 06h Volatile Write Cache: CDW11. */
#define NVH_FEAT_VWC_WCE 0x1u

/* 0Fh Keep Alive Timer: CDW11 in milliseconds. */

/* 05h Error Recovery: CDW11. */
#define NVH_FEAT_ER_TLER_MASK 0xffffu
#define NVH_FEAT_ER_DULBE     0x10000u

/* 81h Host Identifier: CDW11 bit 0, 128-bit identifier. */
#define NVH_FEAT_HOSTID_EXHID 0x1u

/* 84h Namespace Write Protection: CDW11 2:0. */
#define NVH_FEAT_NWP_NONE              0u
#define NVH_FEAT_NWP_PROTECT           1u
#define NVH_FEAT_NWP_UNTIL_POWER_CYCLE 2u
#define NVH_FEAT_NWP_PERMANENT         3u

/* 16h Host Behavior Support. */
struct nvh_host_behavior {
	uint8_t acre; /* 1: the host understands CRD */
	uint8_t etdas;
	uint8_t lbafee;
	uint8_t hdisns;
	struct nvh_le16 cdfe;
	uint8_t rsvd6[506];
};

static_assert(sizeof(struct nvh_host_behavior) == 512, "host behavior support");
static_assert(offsetof(struct nvh_host_behavior, cdfe) == 4, "CDFE");

/* 0Eh Timestamp: milliseconds since 1970 in 6 bytes. */
struct nvh_timestamp {
	uint8_t ms[6];
	uint8_t attr;
	uint8_t rsvd7;
};

static_assert(sizeof(struct nvh_timestamp) == 8, "timestamp");

/* ---- reservations --------------------------------------------------------------------------- */

enum nvh_rtype {
	NVH_RTYPE_NONE = 0,
	NVH_RTYPE_WRITE_EXCL = 1,
	NVH_RTYPE_EXCL_ACCESS = 2,
	NVH_RTYPE_WRITE_EXCL_REG = 3,
	NVH_RTYPE_EXCL_ACCESS_REG = 4,
	NVH_RTYPE_WRITE_EXCL_ALL = 5,
	NVH_RTYPE_EXCL_ACCESS_ALL = 6,
};

/* CDW10 of Register, Acquire and Release: action 2:0. */
#define NVH_RESV_ACTION_MASK 0x7u
#define NVH_RESV_IEKEY       0x8u
#define NVH_RESV_DISNSRS     0x10u
#define NVH_RESV_RTYPE_SHIFT 8
#define NVH_RESV_CPTPL_SHIFT 30

enum {
	NVH_RREGA_REGISTER = 0,
	NVH_RREGA_UNREGISTER = 1,
	NVH_RREGA_REPLACE = 2,

	NVH_RACQA_ACQUIRE = 0,
	NVH_RACQA_PREEMPT = 1,
	NVH_RACQA_PREEMPT_ABORT = 2,

	NVH_RRELA_RELEASE = 0,
	NVH_RRELA_CLEAR = 1,

	NVH_CPTPL_NO_CHANGE = 0,
	NVH_CPTPL_CLEAR = 2,
	NVH_CPTPL_SET = 3,
};

/* Reservation Report CDW11 bit 0: extended data structure. */
#define NVH_RESV_REPORT_EDS 0x1u

struct nvh_resv_register {
	struct nvh_le64 crkey;
	struct nvh_le64 nrkey;
};

struct nvh_resv_acquire {
	struct nvh_le64 crkey;
	struct nvh_le64 prkey;
};

struct nvh_resv_release {
	struct nvh_le64 crkey;
};

struct nvh_resv_status {
	struct nvh_le32 gen;
	uint8_t rtype;
	struct nvh_le16 regctl;
	uint8_t rsvd7[2];
	uint8_t ptpls;
	uint8_t rsvd10[14];
	/* struct nvh_resv_ctrlr[regctl]; extended: 40 reserved bytes, nvh_resv_ctrlr_ext[] */
};

#define NVH_RESV_STATUS_EXT_SIZE 64

struct nvh_resv_ctrlr {
	struct nvh_le16 cntlid;
	uint8_t rcsts; /* bit 0: holds the reservation */
	uint8_t rsvd3[5];
	struct nvh_le64 hostid;
	struct nvh_le64 rkey;
};

struct nvh_resv_ctrlr_ext {
	struct nvh_le16 cntlid;
	uint8_t rcsts;
	uint8_t rsvd3[5];
	struct nvh_le64 rkey;
	uint8_t hostid[16];
	uint8_t rsvd32[32];
};

static_assert(sizeof(struct nvh_resv_register) == 16, "reservation register");
static_assert(sizeof(struct nvh_resv_acquire) == 16, "reservation acquire");
static_assert(sizeof(struct nvh_resv_release) == 8, "reservation release");
static_assert(sizeof(struct nvh_resv_status) == 24, "reservation status");
static_assert(offsetof(struct nvh_resv_status, regctl) == 5, "REGCTL");
static_assert(offsetof(struct nvh_resv_status, ptpls) == 9, "PTPLS");
static_assert(sizeof(struct nvh_resv_ctrlr) == 24, "registered controller");
static_assert(sizeof(struct nvh_resv_ctrlr_ext) == 64, "extended registered controller");

#ifdef __cplusplus
}
#endif

#endif
