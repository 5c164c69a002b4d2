/*
 * The 64-byte submission queue entry, the 16-byte completion queue entry, SGL descriptors and
 * the opcodes of the admin and I/O command sets.
 *
 * NVM Express Base Specification 2.1, figures 91 to 105 and 137 onwards; NVM Command Set 1.1.
 */
#ifndef NVHOST_SPEC_NVME_CMD_H
#define NVHOST_SPEC_NVME_CMD_H

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* ---- SGL descriptors ------------------------------------------------------------------------ */

/* Type is bits 7:4 and subtype bits 3:0 of byte 15. */
enum {
	NVH_SGL_DATA = 0x0,
	NVH_SGL_BIT_BUCKET = 0x1,
	NVH_SGL_SEGMENT = 0x2,
	NVH_SGL_LAST_SEGMENT = 0x3,
	NVH_SGL_KEYED_DATA = 0x4,
	NVH_SGL_TRANSPORT_DATA = 0x5,

	NVH_SGL_SUB_ADDRESS = 0x0,
	NVH_SGL_SUB_OFFSET = 0x1,
	NVH_SGL_SUB_TRANSPORT = 0xa,
	NVH_SGL_SUB_INVALIDATE_KEY = 0xf,
};

#define NVH_SGL_ID(type, sub) ((uint8_t)((type) << 4 | (sub)))
/* The two forms of NVMe/TCP: data in the capsule, and data that follows in data PDUs. */
#define NVH_SGL_ID_IN_CAPSULE NVH_SGL_ID(NVH_SGL_DATA, NVH_SGL_SUB_OFFSET)
#define NVH_SGL_ID_TRANSPORT  NVH_SGL_ID(NVH_SGL_TRANSPORT_DATA, NVH_SGL_SUB_TRANSPORT)
/* The two keyed forms of NVMe/RDMA. */
#define NVH_SGL_ID_KEYED     NVH_SGL_ID(NVH_SGL_KEYED_DATA, NVH_SGL_SUB_ADDRESS)
#define NVH_SGL_ID_KEYED_INV NVH_SGL_ID(NVH_SGL_KEYED_DATA, NVH_SGL_SUB_INVALIDATE_KEY)

struct nvh_sgl {
	struct nvh_le64 addr; /* address, or offset */
	struct nvh_le32 len;
	uint8_t rsvd12[3];
	uint8_t id; /* NVH_SGL_ID() */
};

struct nvh_sgl_keyed {
	struct nvh_le64 addr;
	struct nvh_le24 len;
	struct nvh_le32 key;
	uint8_t id;
};

static_assert(sizeof(struct nvh_sgl) == 16, "SGL descriptor");
static_assert(offsetof(struct nvh_sgl, id) == 15, "SGL identifier");
static_assert(sizeof(struct nvh_sgl_keyed) == 16, "keyed SGL descriptor");
static_assert(offsetof(struct nvh_sgl_keyed, key) == 11, "SGL key");
static_assert(offsetof(struct nvh_sgl_keyed, id) == 15, "keyed SGL identifier");

static inline unsigned nvh_sgl_type(const struct nvh_sgl *sgl)
{
	return sgl->id >> 4;
}

static inline unsigned nvh_sgl_subtype(const struct nvh_sgl *sgl)
{
	return sgl->id & 0xf;
}

/* ---- submission queue entry ----------------------------------------------------------------- */

enum {
	NVH_CMD_FUSE_MASK = 0x03,
	NVH_CMD_FUSE_NONE = 0x00,
	NVH_CMD_FUSE_FIRST = 0x01,
	NVH_CMD_FUSE_SECOND = 0x02,

	NVH_CMD_PSDT_MASK = 0xc0,
	NVH_CMD_PSDT_PRP = 0x00,
	NVH_CMD_PSDT_SGL = 0x40,      /* MPTR is the address of a contiguous buffer */
	NVH_CMD_PSDT_SGL_MSGL = 0x80, /* MPTR is the address of an SGL segment */
};

#define NVH_NSID_ALL 0xffffffffu
#define NVH_NSID_MAX 0xfffffffeu

union nvh_dptr {
	struct {
		struct nvh_le64 prp1;
		struct nvh_le64 prp2;
	} prp;
	struct nvh_sgl sgl;
	struct nvh_sgl_keyed ksgl;
};

struct nvh_cmd {
	uint8_t opc;
	uint8_t flags; /* NVH_CMD_FUSE_*, NVH_CMD_PSDT_* */
	struct nvh_le16 cid;
	struct nvh_le32 nsid;
	struct nvh_le32 cdw2;
	struct nvh_le32 cdw3;
	struct nvh_le64 mptr;
	union nvh_dptr dptr;
	struct nvh_le32 cdw10;
	struct nvh_le32 cdw11;
	struct nvh_le32 cdw12;
	struct nvh_le32 cdw13;
	struct nvh_le32 cdw14;
	struct nvh_le32 cdw15;
};

static_assert(sizeof(struct nvh_cmd) == 64, "SQE");
static_assert(offsetof(struct nvh_cmd, cid) == 2, "SQE CID");
static_assert(offsetof(struct nvh_cmd, nsid) == 4, "SQE NSID");
static_assert(offsetof(struct nvh_cmd, mptr) == 16, "SQE MPTR");
static_assert(offsetof(struct nvh_cmd, dptr) == 24, "SQE DPTR");
static_assert(offsetof(struct nvh_cmd, cdw10) == 40, "SQE CDW10");

/* ---- completion queue entry ----------------------------------------------------------------- */

struct nvh_cpl {
	struct nvh_le32 dw0; /* the command's result */
	struct nvh_le32 dw1;
	struct nvh_le16 sqhd;
	struct nvh_le16 sqid;
	struct nvh_le16 cid;
	struct nvh_le16 status; /* bit 0 is the phase tag */
};

static_assert(sizeof(struct nvh_cpl) == 16, "CQE");
static_assert(offsetof(struct nvh_cpl, sqhd) == 8, "CQE SQHD");
static_assert(offsetof(struct nvh_cpl, cid) == 12, "CQE CID");
static_assert(offsetof(struct nvh_cpl, status) == 14, "CQE status");

/* Fields of the 15-bit status (phase removed). */
#define NVH_CPL_SC_MASK   0x00ffu
#define NVH_CPL_SCT_SHIFT 8
#define NVH_CPL_SCT_MASK  0x7u
#define NVH_CPL_CRD_SHIFT 11
#define NVH_CPL_CRD_MASK  0x3u
#define NVH_CPL_MORE      0x2000u
#define NVH_CPL_DNR       0x4000u
/* SCT and SC together, comparable with NVH_ST_*. */
#define NVH_CPL_CODE_MASK 0x07ffu

static inline unsigned nvh_cpl_status(const struct nvh_cpl *cpl)
{
	return nvh_le16_get(cpl->status) >> 1;
}

static inline unsigned nvh_cpl_phase(const struct nvh_cpl *cpl)
{
	return cpl->status.b[0] & 1;
}

static inline unsigned nvh_cpl_sc(const struct nvh_cpl *cpl)
{
	return nvh_cpl_status(cpl) & NVH_CPL_SC_MASK;
}

static inline unsigned nvh_cpl_sct(const struct nvh_cpl *cpl)
{
	return nvh_cpl_status(cpl) >> NVH_CPL_SCT_SHIFT & NVH_CPL_SCT_MASK;
}

/* SCT << 8 | SC: what NVH_ST_* values are compared with. */
static inline unsigned nvh_cpl_code(const struct nvh_cpl *cpl)
{
	return nvh_cpl_status(cpl) & NVH_CPL_CODE_MASK;
}

/* Command Retry Delay: 0 for none, 1 to 3 select CRDT1 to CRDT3. */
static inline unsigned nvh_cpl_crd(const struct nvh_cpl *cpl)
{
	return nvh_cpl_status(cpl) >> NVH_CPL_CRD_SHIFT & NVH_CPL_CRD_MASK;
}

static inline unsigned nvh_cpl_more(const struct nvh_cpl *cpl)
{
	return !!(nvh_cpl_status(cpl) & NVH_CPL_MORE);
}

static inline unsigned nvh_cpl_dnr(const struct nvh_cpl *cpl)
{
	return !!(nvh_cpl_status(cpl) & NVH_CPL_DNR);
}

static inline unsigned nvh_cpl_is_error(const struct nvh_cpl *cpl)
{
	return nvh_cpl_code(cpl) != 0;
}

/* Sets the 15-bit status, keeping the phase tag. */
static inline void nvh_cpl_set_status(struct nvh_cpl *cpl, unsigned status15)
{
	nvh_le16_put(&cpl->status, (uint16_t)((status15 & 0x7fffu) << 1 | nvh_cpl_phase(cpl)));
}

/* The result as a 64-bit number (Property Get, Zone Append). */
static inline uint64_t nvh_cpl_result64(const struct nvh_cpl *cpl)
{
	return (uint64_t)nvh_le32_get(cpl->dw1) << 32 | nvh_le32_get(cpl->dw0);
}

/* ---- opcodes -------------------------------------------------------------------------------- */

/* X(value, NAME, "text") */
#define NVH_ADM_LIST(X)                                                                            \
	X(0x00, DELETE_SQ, "Delete I/O SQ")                                                        \
	X(0x01, CREATE_SQ, "Create I/O SQ")                                                        \
	X(0x02, GET_LOG_PAGE, "Get Log Page")                                                      \
	X(0x04, DELETE_CQ, "Delete I/O CQ")                                                        \
	X(0x05, CREATE_CQ, "Create I/O CQ")                                                        \
	X(0x06, IDENTIFY, "Identify")                                                              \
	X(0x08, ABORT, "Abort")                                                                    \
	X(0x09, SET_FEATURES, "Set Features")                                                      \
	X(0x0a, GET_FEATURES, "Get Features")                                                      \
	X(0x0c, AER, "Asynchronous Event Request")                                                 \
	X(0x0d, NS_MGMT, "Namespace Management")                                                   \
	X(0x10, FW_COMMIT, "Firmware Commit")                                                      \
	X(0x11, FW_DOWNLOAD, "Firmware Image Download")                                            \
	X(0x14, SELF_TEST, "Device Self-test")                                                     \
	X(0x15, NS_ATTACH, "Namespace Attachment")                                                 \
	X(0x18, KEEP_ALIVE, "Keep Alive")                                                          \
	X(0x19, DIRECTIVE_SEND, "Directive Send")                                                  \
	X(0x1a, DIRECTIVE_RECV, "Directive Receive")                                               \
	X(0x1c, VIRT_MGMT, "Virtualization Management")                                            \
	X(0x1d, MI_SEND, "NVMe-MI Send")                                                           \
	X(0x1e, MI_RECV, "NVMe-MI Receive")                                                        \
	X(0x20, CAPACITY_MGMT, "Capacity Management")                                              \
	X(0x21, DISCOVERY_INFO_MGMT, "Discovery Information Management")                           \
	X(0x22, FABRIC_ZONING_RECV, "Fabric Zoning Receive")                                       \
	X(0x24, LOCKDOWN, "Lockdown")                                                              \
	X(0x25, FABRIC_ZONING_LOOKUP, "Fabric Zoning Lookup")                                      \
	X(0x28, CLEAR_EXPORT, "Clear Exported NVM Resource Configuration")                         \
	X(0x29, FABRIC_ZONING_SEND, "Fabric Zoning Send")                                          \
	X(0x2a, CREATE_EXPORT, "Create Exported NVM Subsystem")                                    \
	X(0x2d, MANAGE_EXPORT_SUBSYS, "Manage Exported NVM Subsystem")                             \
	X(0x31, MANAGE_EXPORT_NS, "Manage Exported Namespace")                                     \
	X(0x35, MANAGE_EXPORT_PORT, "Manage Exported Port")                                        \
	X(0x38, CCR, "Cross-Controller Reset")                                                     \
	X(0x39, SEND_DISCOVERY_LOG, "Send Discovery Log Page")                                     \
	X(0x3d, TRACK_SEND, "Track Send")                                                          \
	X(0x3e, TRACK_RECV, "Track Receive")                                                       \
	X(0x41, MIGRATION_SEND, "Migration Send")                                                  \
	X(0x42, MIGRATION_RECV, "Migration Receive")                                               \
	X(0x45, CTRLR_DATA_QUEUE, "Controller Data Queue")                                         \
	X(0x7c, DBBUF, "Doorbell Buffer Config")                                                   \
	X(0x7f, FABRICS, "Fabrics")                                                                \
	X(0x80, FORMAT_NVM, "Format NVM")                                                          \
	X(0x81, SECURITY_SEND, "Security Send")                                                    \
	X(0x82, SECURITY_RECV, "Security Receive")                                                 \
	X(0x84, SANITIZE, "Sanitize")                                                              \
	X(0x85, LOAD_PROGRAM, "Load Program")                                                      \
	X(0x86, GET_LBA_STATUS, "Get LBA Status")                                                  \
	X(0x88, PROGRAM_ACTIVATION, "Program Activation Management")                               \
	X(0x89, MEMORY_RANGE_SET, "Memory Range Set Management")                                   \
	X(0x8c, SANITIZE_NS, "Sanitize Namespace")

#define NVH_OPC_LIST(X)                                                                            \
	X(0x00, FLUSH, "Flush")                                                                    \
	X(0x01, WRITE, "Write")                                                                    \
	X(0x02, READ, "Read")                                                                      \
	X(0x04, WRITE_UNCOR, "Write Uncorrectable")                                                \
	X(0x05, COMPARE, "Compare")                                                                \
	X(0x08, WRITE_ZEROES, "Write Zeroes")                                                      \
	X(0x09, DSM, "Dataset Management")                                                         \
	X(0x0c, VERIFY, "Verify")                                                                  \
	X(0x0d, RESV_REGISTER, "Reservation Register")                                             \
	X(0x0e, RESV_REPORT, "Reservation Report")                                                 \
	X(0x11, RESV_ACQUIRE, "Reservation Acquire")                                               \
	X(0x12, IO_MGMT_RECV, "I/O Management Receive")                                            \
	X(0x15, RESV_RELEASE, "Reservation Release")                                               \
	X(0x18, CANCEL, "Cancel")                                                                  \
	X(0x19, COPY, "Copy")                                                                      \
	X(0x1d, IO_MGMT_SEND, "I/O Management Send")                                               \
	X(0x79, ZONE_MGMT_SEND, "Zone Management Send")                                            \
	X(0x7a, ZONE_MGMT_RECV, "Zone Management Receive")                                         \
	X(0x7d, ZONE_APPEND, "Zone Append")                                                        \
	X(0x7f, FABRICS, "Fabrics")

enum nvh_adm_opc {
#define NVH_X(val, name, text) NVH_ADM_##name = val,
	NVH_ADM_LIST(NVH_X)
#undef NVH_X
};

enum nvh_io_opc {
#define NVH_X(val, name, text) NVH_OPC_##name = val,
	NVH_OPC_LIST(NVH_X)
#undef NVH_X
};

/* Bits 1:0 of every opcode say which way its data goes. */
enum nvh_data_dir {
	NVH_DATA_NONE = 0,
	NVH_DATA_TO_CTRLR = 1,
	NVH_DATA_TO_HOST = 2,
	NVH_DATA_BIDIR = 3,
};

static inline unsigned nvh_opc_data_dir(uint8_t opc)
{
	return opc & 3;
}

/* Names for humans; never NULL ("unknown" where the opcode is not listed). */
NVH_API const char *nvh_admin_opc_name(unsigned opc);
NVH_API const char *nvh_io_opc_name(unsigned opc);

/* ---- dwords of the NVM command set ---------------------------------------------------------- */

/* Read, Write, Compare, Write Zeroes, Verify: CDW10/11 SLBA, CDW12 as follows. */
#define NVH_RW_NLB_MASK    0xffffu /* 0's based */
#define NVH_RW_DTYPE_SHIFT 20
#define NVH_RW_STC         0x01000000u
#define NVH_WZ_DEAC        0x02000000u
#define NVH_RW_PRCHK_REF   0x04000000u
#define NVH_RW_PRCHK_APP   0x08000000u
#define NVH_RW_PRCHK_GUARD 0x10000000u
#define NVH_RW_PRACT       0x20000000u
#define NVH_RW_FUA         0x40000000u
#define NVH_RW_LR          0x80000000u

/* Dataset Management: CDW10 number of ranges, 0's based; CDW11 attributes. */
#define NVH_DSM_NR_MASK    0xffu
#define NVH_DSM_MAX_RANGES 256
#define NVH_DSM_IDR        0x1u
#define NVH_DSM_IDW        0x2u
#define NVH_DSM_AD         0x4u

struct nvh_dsm_range {
	struct nvh_le32 cattr;
	struct nvh_le32 nlb; /* not 0's based */
	struct nvh_le64 slba;
};

static_assert(sizeof(struct nvh_dsm_range) == 16, "DSM range");
static_assert(offsetof(struct nvh_dsm_range, slba) == 8, "DSM SLBA");

/* Copy: CDW10/11 SDLBA, CDW12 NR 7:0 (0's based), descriptor format 11:8. */
#define NVH_COPY_NR_MASK   0xffu
#define NVH_COPY_FMT_SHIFT 8
#define NVH_COPY_FMT_MASK  0xfu
#define NVH_COPY_FUA       0x40000000u
#define NVH_COPY_LR        0x80000000u

struct nvh_copy_range0 {
	uint8_t rsvd0[8];
	struct nvh_le64 slba;
	struct nvh_le16 nlb; /* 0's based */
	uint8_t cetype;
	uint8_t rsvd19;
	struct nvh_le16 cev;
	uint8_t rsvd22[2];
	struct nvh_le32 elbt;
	struct nvh_le16 elbat;
	struct nvh_le16 elbatm;
};

static_assert(sizeof(struct nvh_copy_range0) == 32, "copy range");
static_assert(offsetof(struct nvh_copy_range0, nlb) == 16, "copy NLB");
static_assert(offsetof(struct nvh_copy_range0, elbt) == 24, "copy ELBT");

/* Abort: CDW10 SQID 15:0, CID 31:16; completion dword 0 bit 0: 1 = was not aborted. */
#define NVH_ABORT_CID_SHIFT   16
#define NVH_ABORT_NOT_ABORTED 0x1u

/* Create I/O CQ and SQ: CDW10 QID 15:0, QSIZE 31:16 (0's based). */
#define NVH_CREATE_QSIZE_SHIFT    16
#define NVH_CREATE_CQ_PC          0x1u
#define NVH_CREATE_CQ_IEN         0x2u
#define NVH_CREATE_CQ_IV_SHIFT    16
#define NVH_CREATE_SQ_PC          0x1u
#define NVH_CREATE_SQ_QPRIO_SHIFT 1
#define NVH_CREATE_SQ_CQID_SHIFT  16
/* QPRIO, which means something with weighted round robin only. */
#define NVH_CREATE_SQ_URGENT (0u << NVH_CREATE_SQ_QPRIO_SHIFT)
#define NVH_CREATE_SQ_HIGH   (1u << NVH_CREATE_SQ_QPRIO_SHIFT)
#define NVH_CREATE_SQ_MEDIUM (2u << NVH_CREATE_SQ_QPRIO_SHIFT)
#define NVH_CREATE_SQ_LOW    (3u << NVH_CREATE_SQ_QPRIO_SHIFT)

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
