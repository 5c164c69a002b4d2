/*
 * Log pages, and the asynchronous events that announce them.
 *
 * Base Specification 2.1 sections 5.1.2 and 5.1.12. The discovery log is in nvmf.h, the
 * Cross-Controller Reset log in nvme_ccr.h.
 */
#ifndef NVHOST_SPEC_NVME_LOG_H
#define NVHOST_SPEC_NVME_LOG_H

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif

/* CDW10: LID 7:0, LSP 14:8, RAE 15, NUMDL 31:16. CDW11: NUMDU 15:0, LSI 31:16. CDW14: CSI 31:24. */
#define NVH_LOG_LSP_SHIFT   8
#define NVH_LOG_LSP_MASK    0x7fu
#define NVH_LOG_RAE         0x00008000u
#define NVH_LOG_NUMDL_SHIFT 16
#define NVH_LOG_LSI_SHIFT   16
#define NVH_LOG_OT          0x00800000u /* CDW14: LPO is an index, not bytes */
#define NVH_LOG_CSI_SHIFT   24

enum nvh_lid {
	NVH_LID_SUPPORTED = 0x00,
	NVH_LID_ERROR = 0x01,
	NVH_LID_SMART = 0x02,
	NVH_LID_FW_SLOT = 0x03,
	NVH_LID_CHANGED_NS = 0x04,
	NVH_LID_CMD_EFFECTS = 0x05,
	NVH_LID_SELF_TEST = 0x06,
	NVH_LID_TELEMETRY_HOST = 0x07,  /* host-initiated */
	NVH_LID_TELEMETRY_CTRLR = 0x08, /* controller-initiated */
	NVH_LID_ENDURANCE_GROUP = 0x09,
	NVH_LID_PREDICTABLE_LAT = 0x0a,
	NVH_LID_PREDICTABLE_LAT_AGG = 0x0b,
	NVH_LID_ANA = 0x0c,
	NVH_LID_PERSISTENT_EVENT = 0x0d,
	NVH_LID_LBA_STATUS = 0x0e,
	NVH_LID_ENDURANCE_GROUP_AGG = 0x0f,
	NVH_LID_MEDIA_UNIT = 0x10,
	NVH_LID_CAPACITY_CONFIG = 0x11,
	NVH_LID_FEATURES = 0x12,
	NVH_LID_MI_CMDS = 0x13,
	NVH_LID_LOCKDOWN = 0x14,
	NVH_LID_BOOT_PARTITION = 0x15,
	NVH_LID_ROTATIONAL = 0x16,
	NVH_LID_DISPERSED_NS = 0x17,
	NVH_LID_MGMT_ADDRS = 0x18,
	NVH_LID_REACHABILITY_GROUPS = 0x1a,
	NVH_LID_REACHABILITY_ASSOCS = 0x1b,
	NVH_LID_CHANGED_ALLOC_NS = 0x1c,
	NVH_LID_CCR = 0x1e,
	NVH_LID_FDP_CONFIGS = 0x20,
	NVH_LID_RUH_USAGE = 0x21,
	NVH_LID_FDP_STATS = 0x22,
	NVH_LID_FDP_EVENTS = 0x23,
	NVH_LID_DISCOVERY = 0x70,
	NVH_LID_HOST_DISCOVERY = 0x71,
	NVH_LID_AVE_DISCOVERY = 0x72,
	NVH_LID_RESERVATION = 0x80,
	NVH_LID_SANITIZE = 0x81,
	NVH_LID_CHANGED_ZONES = 0xbf,
};

/* ---- error information (01h) ---------------------------------------------------------------- */

struct nvh_error_log_entry {
	struct nvh_le64 error_count; /* 0: the entry is not valid */
	struct nvh_le16 sqid;
	struct nvh_le16 cid;
	struct nvh_le16 status;    /* bits 15:1 status, bit 0 phase */
	struct nvh_le16 param_loc; /* byte 7:0, bit 10:8 */
	struct nvh_le64 lba;
	struct nvh_le32 nsid;
	uint8_t vs;
	uint8_t trtype;
	uint8_t csi;
	uint8_t opc;
	struct nvh_le64 cs;
	struct nvh_le16 trtype_spec;
	uint8_t rsvd42[21];
	uint8_t version;
};

static_assert(sizeof(struct nvh_error_log_entry) == 64, "error log entry");
static_assert(offsetof(struct nvh_error_log_entry, nsid) == 24, "error log NSID");
static_assert(offsetof(struct nvh_error_log_entry, cs) == 32, "error log CS");

/* ---- SMART / health (02h) ------------------------------------------------------------------- */

struct nvh_smart_log {
	uint8_t critical_warning;
	struct nvh_le16 composite_temp; /* Kelvin */
	uint8_t avail_spare;
	uint8_t spare_thresh;
	uint8_t percent_used;
	uint8_t endu_grp_warning;
	uint8_t rsvd7[25];
	struct nvh_le128 data_units_read; /* 1,000 units of 512 bytes */
	struct nvh_le128 data_units_written;
	struct nvh_le128 host_reads;
	struct nvh_le128 host_writes;
	struct nvh_le128 ctrlr_busy_minutes;
	struct nvh_le128 power_cycles;
	struct nvh_le128 power_on_hours;
	struct nvh_le128 unsafe_shutdowns;
	struct nvh_le128 media_errors;
	struct nvh_le128 num_error_entries;
	struct nvh_le32 warning_temp_minutes;
	struct nvh_le32 critical_temp_minutes;
	struct nvh_le16 temp_sensor[8];
	struct nvh_le32 tmt1_count;
	struct nvh_le32 tmt2_count;
	struct nvh_le32 tmt1_seconds;
	struct nvh_le32 tmt2_seconds;
	uint8_t rsvd232[280];
};

static_assert(sizeof(struct nvh_smart_log) == 512, "SMART log");
static_assert(offsetof(struct nvh_smart_log, data_units_read) == 32, "SMART DUR");
static_assert(offsetof(struct nvh_smart_log, temp_sensor) == 200, "SMART sensors");

/* ---- firmware slots (03h) ------------------------------------------------------------------- */

struct nvh_fw_slot_log {
	uint8_t afi; /* active slot 2:0, next 6:4 */
	uint8_t rsvd1[7];
	char frs[7][8];
	uint8_t rsvd64[448];
};

static_assert(sizeof(struct nvh_fw_slot_log) == 512, "firmware slot log");

/* ---- changed namespaces (04h): struct nvh_ns_list of nvme_identify.h ------------------------- */

/* The first entry when more than 1,024 namespaces changed. */
#define NVH_CHANGED_NS_OVERFLOW 0xffffffffu

/* ---- commands supported and effects (05h) --------------------------------------------------- */

#define NVH_EFFECT_CSUPP     0x00000001u
#define NVH_EFFECT_LBCC      0x00000002u
#define NVH_EFFECT_NCC       0x00000004u
#define NVH_EFFECT_NIC       0x00000008u
#define NVH_EFFECT_CCC       0x00000010u
#define NVH_EFFECT_CSE_SHIFT 16
#define NVH_EFFECT_CSE_MASK  0x7u
#define NVH_EFFECT_UUID      0x00080000u
#define NVH_EFFECT_CSP_SHIFT 20

struct nvh_effects_log {
	struct nvh_le32 acs[256];
	struct nvh_le32 iocs[256];
	uint8_t rsvd2048[2048];
};

static_assert(sizeof(struct nvh_effects_log) == 4096, "commands supported and effects");

/* ---- asymmetric namespace access (0Ch) ------------------------------------------------------ */

enum nvh_ana_state {
	NVH_ANA_OPTIMIZED = 0x1,
	NVH_ANA_NONOPTIMIZED = 0x2,
	NVH_ANA_INACCESSIBLE = 0x3,
	NVH_ANA_PERSISTENT_LOSS = 0x4,
	NVH_ANA_CHANGE = 0xf,
};

#define NVH_ANA_STATE_MASK 0x0f
#define NVH_ANA_LSP_RGO    0x1u /* Get Log Page LSP: return groups only */

struct nvh_ana_log {
	struct nvh_le64 chgcnt;
	struct nvh_le16 ngrps;
	uint8_t rsvd10[6];
	/* struct nvh_ana_group, each followed by its NSIDs */
};

struct nvh_ana_group {
	struct nvh_le32 grpid;
	struct nvh_le32 nnsids;
	struct nvh_le64 chgcnt;
	uint8_t state; /* NVH_ANA_STATE_MASK */
	uint8_t rsvd17[15];
	/* struct nvh_le32 nsid[nnsids]; */
};

static_assert(sizeof(struct nvh_ana_log) == 16, "ANA log header");
static_assert(sizeof(struct nvh_ana_group) == 32, "ANA group descriptor");
static_assert(offsetof(struct nvh_ana_group, state) == 16, "ANA state");

/* ---- reservation notification (80h) --------------------------------------------------------- */

struct nvh_resv_notification {
	struct nvh_le64 count;
	uint8_t type; /* 0 empty, 1 preempted, 2 released, 3 preempted reservation */
	uint8_t navail;
	uint8_t rsvd10[2];
	struct nvh_le32 nsid;
	uint8_t rsvd16[48];
};

static_assert(sizeof(struct nvh_resv_notification) == 64, "reservation notification");

/* ---- asynchronous events -------------------------------------------------------------------- */

/* Completion dword 0 of an Asynchronous Event Request: type 2:0, info 15:8, log page 23:16. */
static inline unsigned nvh_aer_type(uint32_t dw0)
{
	return dw0 & 0x7;
}

static inline unsigned nvh_aer_info(uint32_t dw0)
{
	return dw0 >> 8 & 0xff;
}

static inline unsigned nvh_aer_lid(uint32_t dw0)
{
	return dw0 >> 16 & 0xff;
}

static inline uint32_t nvh_aer_dw0(unsigned type, unsigned info, unsigned lid)
{
	return (type & 0x7u) | (info & 0xffu) << 8 | (lid & 0xffu) << 16;
}

enum nvh_aer_type {
	NVH_AER_ERROR = 0,
	NVH_AER_SMART = 1,
	NVH_AER_NOTICE = 2,
	NVH_AER_IMMEDIATE = 3,
	NVH_AER_ONE_SHOT = 4,
	NVH_AER_IOCS = 6,
	NVH_AER_VENDOR = 7,
};

enum nvh_aer_notice {
	NVH_AER_NS_CHANGED = 0x00,
	NVH_AER_FW_ACTIVATION = 0x01,
	NVH_AER_TELEMETRY = 0x02,
	NVH_AER_ANA_CHANGED = 0x03,
	NVH_AER_PREDICTABLE_LAT = 0x04,
	NVH_AER_LBA_STATUS = 0x05,
	NVH_AER_ENDURANCE_GROUP = 0x06,
	NVH_AER_REACHABILITY_GROUP = 0x07,
	NVH_AER_REACHABILITY_ASSOC = 0x08,
	NVH_AER_ALLOC_NS_CHANGED = 0x09,
	NVH_AER_ZONE_CHANGED = 0xef,
	NVH_AER_DISCOVERY_CHANGED = 0xf0,
	NVH_AER_HOST_DISCOVERY_CHANGED = 0xf1,
	NVH_AER_AVE_DISCOVERY_CHANGED = 0xf2,
	NVH_AER_CCR_COMPLETED = 0xf4,
};

enum nvh_aer_error {
	NVH_AER_INVALID_DB_REG = 0x00,
	NVH_AER_INVALID_DB_VALUE = 0x01,
	NVH_AER_DIAG_FAILURE = 0x02,
	NVH_AER_PERSISTENT_INTERNAL = 0x03,
	NVH_AER_TRANSIENT_INTERNAL = 0x04,
	NVH_AER_FW_IMAGE_LOAD = 0x05,
};

enum nvh_aer_smart {
	NVH_AER_SMART_RELIABILITY = 0x00,
	NVH_AER_SMART_TEMPERATURE = 0x01,
	NVH_AER_SMART_SPARE = 0x02,
};

enum nvh_aer_immediate {
	NVH_AER_NORMAL_SHUTDOWN = 0x00,
	NVH_AER_TEMP_HYSTERESIS = 0x01,
};

enum nvh_aer_iocs {
	NVH_AER_RESV_LOG = 0x00,
	NVH_AER_SANITIZE_DONE = 0x01,
};

/* Which notices a controller offers (OAES) and the host enables (feature 0Bh). */
#define NVH_AEN_SMART_MASK         0x000000ffu /* critical warnings; feature only */
#define NVH_AEN_NS_ATTR            0x00000100u
#define NVH_AEN_FW_ACTIVATION      0x00000200u
#define NVH_AEN_TELEMETRY          0x00000400u /* feature only */
#define NVH_AEN_ANA                0x00000800u
#define NVH_AEN_PREDICTABLE_LAT    0x00001000u
#define NVH_AEN_LBA_STATUS         0x00002000u
#define NVH_AEN_ENDURANCE_GROUP    0x00004000u
#define NVH_AEN_NORMAL_SHUTDOWN    0x00008000u
#define NVH_AEN_TEMP_HYSTERESIS    0x00010000u
#define NVH_AEN_REACHABILITY_GROUP 0x00020000u
#define NVH_AEN_REACHABILITY_ASSOC 0x00040000u
#define NVH_AEN_ALLOC_NS_ATTR      0x00080000u
#define NVH_AEN_CCR                0x00100000u
#define NVH_AEN_ZONE_CHANGED       0x08000000u
#define NVH_AEN_DISCOVERY          0x80000000u

#ifdef __cplusplus
}
#endif

#endif
