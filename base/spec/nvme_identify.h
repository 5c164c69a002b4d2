/*
 * Identify: the controller and namespace data structures, the namespace identification
 * descriptors, and the CNS values that select them.
 *
 * Base Specification 2.1 section 5.1.13; NVM Command Set Specification 1.1 section 4.1.5.
 * CQT, CIU, CIRN and CCRL are from TP4129 and TP8028 (Base Specification 2.2 and 2.3).
 */
#ifndef NVHOST_SPEC_NVME_IDENTIFY_H
#define NVHOST_SPEC_NVME_IDENTIFY_H

#include "le.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NVH_IDENTIFY_SIZE 4096

/* CDW10: CNS 7:0, CNTID 31:16. CDW11: CNS specific 15:0, CSI 31:24. */
#define NVH_IDENTIFY_CNTID_SHIFT 16
#define NVH_IDENTIFY_CSI_SHIFT   24

enum nvh_cns {
	NVH_CNS_NS = 0x00,
	NVH_CNS_CTRLR = 0x01,
	NVH_CNS_ACTIVE_NS = 0x02, /* CDW1.NSID: list starts above this one */
	NVH_CNS_NS_DESC = 0x03,
	NVH_CNS_NVM_SETS = 0x04,
	NVH_CNS_IOCS_NS = 0x05,
	NVH_CNS_IOCS_CTRLR = 0x06,
	NVH_CNS_IOCS_ACTIVE_NS = 0x07,
	NVH_CNS_INDEP_NS = 0x08,
	NVH_CNS_NS_USER_FORMAT = 0x09,
	NVH_CNS_IOCS_NS_USER_FORMAT = 0x0a,
	NVH_CNS_ALLOC_NS = 0x10,
	NVH_CNS_NS_ALLOC = 0x11,
	NVH_CNS_NS_CTRLRS = 0x12,
	NVH_CNS_CTRLRS = 0x13,
	NVH_CNS_PRIMARY_CAPS = 0x14,
	NVH_CNS_SECONDARY = 0x15,
	NVH_CNS_NS_GRANULARITY = 0x16,
	NVH_CNS_UUID_LIST = 0x17,
	NVH_CNS_DOMAINS = 0x18,
	NVH_CNS_ENDURANCE_GROUPS = 0x19,
	NVH_CNS_IOCS_ALLOC_NS = 0x1a,
	NVH_CNS_IOCS_NS_ALLOC = 0x1b,
	NVH_CNS_IOCS = 0x1c,
};

/* Command Set Identifiers. */
enum nvh_csi {
	NVH_CSI_NVM = 0x00,
	NVH_CSI_KV = 0x01,
	NVH_CSI_ZNS = 0x02,
	NVH_CSI_SLM = 0x03,
	NVH_CSI_COMPUTE = 0x04,
};

/* ---- Identify Controller (CNS 01h) ---------------------------------------------------------- */

struct nvh_psd {
	struct nvh_le16 mp;
	uint8_t rsvd2;
	uint8_t flags; /* bit 0 MXPS, bit 1 NOPS */
	struct nvh_le32 enlat;
	struct nvh_le32 exlat;
	uint8_t rrt;
	uint8_t rrl;
	uint8_t rwt;
	uint8_t rwl;
	struct nvh_le16 idlp;
	uint8_t ips;
	uint8_t rsvd19;
	struct nvh_le16 actp;
	uint8_t apws;
	uint8_t rsvd23[9];
};

static_assert(sizeof(struct nvh_psd) == 32, "power state descriptor");

struct nvh_id_ctrlr {
	struct nvh_le16 vid;
	struct nvh_le16 ssvid;
	char sn[20]; /* ASCII, space padded, no terminator */
	char mn[40];
	char fr[8];
	uint8_t rab;
	uint8_t ieee[3];
	uint8_t cmic; /* NVH_CMIC_* */
	uint8_t mdts; /* power of two in units of CAP.MPSMIN; 0 = no limit */
	struct nvh_le16 cntlid;
	struct nvh_le32 ver;
	struct nvh_le32 rtd3r;
	struct nvh_le32 rtd3e;
	struct nvh_le32 oaes;   /* NVH_AEN_* */
	struct nvh_le32 ctratt; /* NVH_CTRATT_* */
	struct nvh_le16 rrls;
	uint8_t bpcap;
	uint8_t rsvd103;
	struct nvh_le32 nssl;
	uint8_t rsvd108[2];
	uint8_t plsi;
	uint8_t cntrltype; /* enum nvh_cntrltype */
	uint8_t fguid[16];
	struct nvh_le16 crdt1; /* units of 100 ms */
	struct nvh_le16 crdt2;
	struct nvh_le16 crdt3;
	uint8_t crcap;
	uint8_t ciu;          /* Controller Instance Uniquifier */
	struct nvh_le64 cirn; /* Controller Instance Random Number */
	uint8_t rsvd144[109];
	uint8_t nvmsr;
	uint8_t vwci;
	uint8_t mec;
	struct nvh_le16 oacs; /* NVH_OACS_* */
	uint8_t acl;          /* 0's based */
	uint8_t aerl;         /* 0's based */
	uint8_t frmw;
	uint8_t lpa;  /* NVH_LPA_* */
	uint8_t elpe; /* 0's based */
	uint8_t npss; /* 0's based */
	uint8_t avscc;
	uint8_t apsta;
	struct nvh_le16 wctemp;
	struct nvh_le16 cctemp;
	struct nvh_le16 mtfa;
	struct nvh_le32 hmpre;
	struct nvh_le32 hmmin;
	struct nvh_le128 tnvmcap;
	struct nvh_le128 unvmcap;
	struct nvh_le32 rpmbs;
	struct nvh_le16 edstt;
	uint8_t dsto;
	uint8_t fwug;
	struct nvh_le16 kas; /* granularity of keep-alives, units of 100 ms; 0 = not supported */
	struct nvh_le16 hctma;
	struct nvh_le16 mntmt;
	struct nvh_le16 mxtmt;
	struct nvh_le32 sanicap;
	struct nvh_le32 hmminds;
	struct nvh_le16 hmmaxd;
	struct nvh_le16 nsetidmax;
	struct nvh_le16 endgidmax;
	uint8_t anatt;  /* seconds */
	uint8_t anacap; /* NVH_ANACAP_* */
	struct nvh_le32 anagrpmax;
	struct nvh_le32 nanagrpid;
	struct nvh_le32 pels;
	struct nvh_le16 domainid;
	uint8_t kpioc;
	uint8_t rsvd359;
	struct nvh_le16 mptfawr;
	uint8_t rsvd362[6];
	struct nvh_le128 megcap;
	uint8_t tmpthha;
	uint8_t rsvd385;
	struct nvh_le16 cqt; /* Command Quiesce Time, ms */
	struct nvh_le16 cdpa;
	struct nvh_le16 mup;
	struct nvh_le16 ipmsr;
	struct nvh_le16 msmt;
	uint8_t rsvd396[116];
	uint8_t sqes; /* required 3:0, maximum 7:4, powers of two */
	uint8_t cqes;
	struct nvh_le16 maxcmd;
	struct nvh_le32 nn;
	struct nvh_le16 oncs;  /* NVH_ONCS_* */
	struct nvh_le16 fuses; /* bit 0: compare and write */
	uint8_t fna;
	uint8_t vwc;          /* NVH_VWC_* */
	struct nvh_le16 awun; /* 0's based */
	struct nvh_le16 awupf;
	uint8_t nvscc;
	uint8_t nwpc;
	struct nvh_le16 acwu;
	struct nvh_le16 cdfs; /* copy descriptor formats supported; OCFS before 2.1 */
	struct nvh_le32 sgls; /* NVH_SGLS_* */
	struct nvh_le32 mnan;
	struct nvh_le128 maxdna;
	struct nvh_le32 maxcna;
	struct nvh_le32 oaqd;
	uint8_t rhiri;
	uint8_t hirt;
	struct nvh_le16 cmmrtd;
	struct nvh_le16 nmmrtd;
	uint8_t minmrtg;
	uint8_t maxmrtg;
	uint8_t trattr;
	uint8_t rsvd577;
	struct nvh_le16 mcudmq;
	struct nvh_le16 mnsudmq;
	struct nvh_le16 mcmr;
	struct nvh_le16 nmcmr;
	struct nvh_le16 mcdqpc;
	uint8_t rsvd588[180];
	char subnqn[256];
	uint8_t rsvd1024[768];
	struct nvh_le32 ioccsz; /* units of 16 bytes */
	struct nvh_le32 iorcsz; /* units of 16 bytes */
	struct nvh_le16 icdoff; /* units of 16 bytes */
	uint8_t fcatt;          /* NVH_FCATT_* */
	uint8_t msdbd;
	struct nvh_le16 ofcs; /* NVH_OFCS_* */
	uint8_t dctype;
	uint8_t ccrl; /* Cross-Controller Reset Limit */
	uint8_t rsvd1808[240];
	struct nvh_psd psd[32];
	uint8_t vs[1024];
};

static_assert(sizeof(struct nvh_id_ctrlr) == 4096, "Identify Controller");
static_assert(offsetof(struct nvh_id_ctrlr, cntlid) == 78, "CNTLID");
static_assert(offsetof(struct nvh_id_ctrlr, ver) == 80, "VER");
static_assert(offsetof(struct nvh_id_ctrlr, ctratt) == 96, "CTRATT");
static_assert(offsetof(struct nvh_id_ctrlr, cntrltype) == 111, "CNTRLTYPE");
static_assert(offsetof(struct nvh_id_ctrlr, crdt1) == 128, "CRDT1");
static_assert(offsetof(struct nvh_id_ctrlr, ciu) == 135, "CIU");
static_assert(offsetof(struct nvh_id_ctrlr, cirn) == 136, "CIRN");
static_assert(offsetof(struct nvh_id_ctrlr, nvmsr) == 253, "NVMSR");
static_assert(offsetof(struct nvh_id_ctrlr, oacs) == 256, "OACS");
static_assert(offsetof(struct nvh_id_ctrlr, elpe) == 262, "ELPE");
static_assert(offsetof(struct nvh_id_ctrlr, tnvmcap) == 280, "TNVMCAP");
static_assert(offsetof(struct nvh_id_ctrlr, kas) == 320, "KAS");
static_assert(offsetof(struct nvh_id_ctrlr, sanicap) == 328, "SANICAP");
static_assert(offsetof(struct nvh_id_ctrlr, anatt) == 342, "ANATT");
static_assert(offsetof(struct nvh_id_ctrlr, nanagrpid) == 348, "NANAGRPID");
static_assert(offsetof(struct nvh_id_ctrlr, megcap) == 368, "MEGCAP");
static_assert(offsetof(struct nvh_id_ctrlr, cqt) == 386, "CQT");
static_assert(offsetof(struct nvh_id_ctrlr, sqes) == 512, "SQES");
static_assert(offsetof(struct nvh_id_ctrlr, maxcmd) == 514, "MAXCMD");
static_assert(offsetof(struct nvh_id_ctrlr, oncs) == 520, "ONCS");
static_assert(offsetof(struct nvh_id_ctrlr, vwc) == 525, "VWC");
static_assert(offsetof(struct nvh_id_ctrlr, acwu) == 532, "ACWU");
static_assert(offsetof(struct nvh_id_ctrlr, sgls) == 536, "SGLS");
static_assert(offsetof(struct nvh_id_ctrlr, maxcna) == 560, "MAXCNA");
static_assert(offsetof(struct nvh_id_ctrlr, mcdqpc) == 586, "MCDQPC");
static_assert(offsetof(struct nvh_id_ctrlr, subnqn) == 768, "SUBNQN");
static_assert(offsetof(struct nvh_id_ctrlr, ioccsz) == 1792, "IOCCSZ");
static_assert(offsetof(struct nvh_id_ctrlr, msdbd) == 1803, "MSDBD");
static_assert(offsetof(struct nvh_id_ctrlr, ofcs) == 1804, "OFCS");
static_assert(offsetof(struct nvh_id_ctrlr, ccrl) == 1807, "CCRL");
static_assert(offsetof(struct nvh_id_ctrlr, psd) == 2048, "PSD0");

enum nvh_cntrltype {
	NVH_CNTRLTYPE_UNREPORTED = 0,
	NVH_CNTRLTYPE_IO = 1,
	NVH_CNTRLTYPE_DISCOVERY = 2,
	NVH_CNTRLTYPE_ADMIN = 3,
};

#define NVH_CMIC_MULTI_PORT  0x01
#define NVH_CMIC_MULTI_CTRLR 0x02
#define NVH_CMIC_SRIOV       0x04
#define NVH_CMIC_ANA         0x08

#define NVH_CTRATT_HOSTID_128       0x00000001u
#define NVH_CTRATT_NVM_SETS         0x00000004u
#define NVH_CTRATT_ENDURANCE_GROUPS 0x00000010u
#define NVH_CTRATT_TBKAS            0x00000040u /* traffic-based keep-alive */
#define NVH_CTRATT_NS_GRANULARITY   0x00000080u
#define NVH_CTRATT_UUID_LIST        0x00000200u
#define NVH_CTRATT_MDS              0x00000400u
#define NVH_CTRATT_ELBAS            0x00008000u
#define NVH_CTRATT_MEM              0x00010000u /* MDTS and size limits exclude metadata */
#define NVH_CTRATT_HMBR             0x00020000u
#define NVH_CTRATT_FDPS             0x00080000u

#define NVH_OACS_SECURITY   0x0001
#define NVH_OACS_FORMAT     0x0002
#define NVH_OACS_FIRMWARE   0x0004
#define NVH_OACS_NS_MGMT    0x0008
#define NVH_OACS_SELF_TEST  0x0010
#define NVH_OACS_DIRECTIVES 0x0020
#define NVH_OACS_MI         0x0040
#define NVH_OACS_VIRT_MGMT  0x0080
#define NVH_OACS_DBBUF      0x0100
#define NVH_OACS_LBA_STATUS 0x0200
#define NVH_OACS_LOCKDOWN   0x0400

#define NVH_LPA_SMART_PER_NS     0x01
#define NVH_LPA_CMD_EFFECTS      0x02
#define NVH_LPA_EXTENDED         0x04 /* LPO and 32-bit NUMD in Get Log Page */
#define NVH_LPA_TELEMETRY        0x08
#define NVH_LPA_PERSISTENT_EVENT 0x10
#define NVH_LPA_SUPPORTED_LOGS   0x20

#define NVH_ANACAP_OPTIMIZED       0x01
#define NVH_ANACAP_NONOPTIMIZED    0x02
#define NVH_ANACAP_INACCESSIBLE    0x04
#define NVH_ANACAP_PERSISTENT_LOSS 0x08
#define NVH_ANACAP_CHANGE          0x10
#define NVH_ANACAP_GRPID_STABLE    0x40 /* ANAGRPID does not change while attached */
#define NVH_ANACAP_GRPID_NONZERO   0x80 /* Namespace Management may set ANAGRPID */

#define NVH_ONCS_COMPARE       0x0001
#define NVH_ONCS_WRITE_UNCOR   0x0002
#define NVH_ONCS_DSM           0x0004
#define NVH_ONCS_WRITE_ZEROES  0x0008
#define NVH_ONCS_SAVE_SELECT   0x0010
#define NVH_ONCS_RESERVATIONS  0x0020
#define NVH_ONCS_TIMESTAMP     0x0040
#define NVH_ONCS_VERIFY        0x0080
#define NVH_ONCS_COPY          0x0100
#define NVH_ONCS_COPY_ATOMIC   0x0200
#define NVH_ONCS_ALL_FAST_COPY 0x0400
#define NVH_ONCS_MAX_WZ_DEAC   0x0800 /* WZDSL limits Write Zeroes with DEAC */
#define NVH_ONCS_NSZ           0x1000

#define NVH_FUSES_COMPARE_WRITE 0x0001

#define NVH_VWC_PRESENT       0x01
#define NVH_VWC_FLUSH_MASK    0x06 /* behaviour of Flush with NSID FFFFFFFFh */
#define NVH_VWC_FLUSH_ALL_NO  0x04
#define NVH_VWC_FLUSH_ALL_YES 0x06

#define NVH_SGLS_SUPPORT_MASK         0x00000003u /* 0 none, 1 no alignment, 2 dword aligned */
#define NVH_SGLS_KEYED                0x00000004u
#define NVH_SGLS_DESC_THRESHOLD_SHIFT 8
#define NVH_SGLS_BIT_BUCKET           0x00010000u
#define NVH_SGLS_BYTE_ALIGNED_MPTR    0x00020000u
#define NVH_SGLS_OVERSIZE             0x00040000u
#define NVH_SGLS_MPTR_SGL             0x00080000u
#define NVH_SGLS_OFFSET               0x00100000u /* addresses may be offsets: in-capsule data */
#define NVH_SGLS_TRANSPORT            0x00200000u

#define NVH_FCATT_DYNAMIC 0x00 /* bit 0 clear: dynamic controller model */
#define NVH_FCATT_STATIC  0x01

#define NVH_OFCS_DISCONNECT 0x0001

/* ---- Identify Namespace, NVM command set (CNS 00h) ------------------------------------------ */

struct nvh_lbaf {
	struct nvh_le16 ms; /* metadata bytes */
	uint8_t lbads;      /* power of two; below 9: format not available */
	uint8_t rp;         /* relative performance 1:0 */
};

static_assert(sizeof(struct nvh_lbaf) == 4, "LBA format");

struct nvh_id_ns {
	struct nvh_le64 nsze; /* logical blocks */
	struct nvh_le64 ncap;
	struct nvh_le64 nuse;
	uint8_t nsfeat; /* NVH_NSFEAT_* */
	uint8_t nlbaf;  /* 0's based */
	uint8_t flbas;  /* NVH_FLBAS_* */
	uint8_t mc;
	uint8_t dpc;
	uint8_t dps;    /* NVH_DPS_* */
	uint8_t nmic;   /* bit 0: shared */
	uint8_t rescap; /* NVH_RESCAP_* */
	uint8_t fpi;
	uint8_t dlfeat; /* NVH_DLFEAT_* */
	struct nvh_le16 nawun;
	struct nvh_le16 nawupf;
	struct nvh_le16 nacwu;
	struct nvh_le16 nabsn;
	struct nvh_le16 nabo;
	struct nvh_le16 nabspf;
	struct nvh_le16 noiob;
	struct nvh_le128 nvmcap;
	struct nvh_le16 npwg;
	struct nvh_le16 npwa;
	struct nvh_le16 npdg;
	struct nvh_le16 npda;
	struct nvh_le16 nows;
	struct nvh_le16 mssrl;
	struct nvh_le32 mcl;
	uint8_t msrc; /* 0's based */
	uint8_t kpios;
	uint8_t nulbaf;
	uint8_t rsvd83;
	struct nvh_le32 kpiodaag;
	uint8_t rsvd88[4];
	struct nvh_le32 anagrpid;
	uint8_t rsvd96[3];
	uint8_t nsattr; /* bit 0: write protected */
	struct nvh_le16 nvmsetid;
	struct nvh_le16 endgid;
	uint8_t nguid[16];
	uint8_t eui64[8];
	struct nvh_lbaf lbaf[64];
	uint8_t vs[3712];
};

static_assert(sizeof(struct nvh_id_ns) == 4096, "Identify Namespace");
static_assert(offsetof(struct nvh_id_ns, flbas) == 26, "FLBAS");
static_assert(offsetof(struct nvh_id_ns, nmic) == 30, "NMIC");
static_assert(offsetof(struct nvh_id_ns, dlfeat) == 33, "DLFEAT");
static_assert(offsetof(struct nvh_id_ns, nvmcap) == 48, "NVMCAP");
static_assert(offsetof(struct nvh_id_ns, mcl) == 76, "MCL");
static_assert(offsetof(struct nvh_id_ns, anagrpid) == 92, "ANAGRPID");
static_assert(offsetof(struct nvh_id_ns, nsattr) == 99, "NSATTR");
static_assert(offsetof(struct nvh_id_ns, nguid) == 104, "NGUID");
static_assert(offsetof(struct nvh_id_ns, eui64) == 120, "EUI64");
static_assert(offsetof(struct nvh_id_ns, lbaf) == 128, "LBAF0");
static_assert(offsetof(struct nvh_id_ns, vs) == 384, "namespace VS");

#define NVH_NSFEAT_THIN        0x01
#define NVH_NSFEAT_ATOMIC      0x02
#define NVH_NSFEAT_DEALLOC_ERR 0x04
#define NVH_NSFEAT_UID_REUSE   0x08
#define NVH_NSFEAT_OPTPERF     0x10

#define NVH_FLBAS_LOW_MASK   0x0f
#define NVH_FLBAS_EXTENDED   0x10 /* metadata is interleaved with the data */
#define NVH_FLBAS_HIGH_SHIFT 5    /* bits 6:5 are bits 5:4 of the index */
#define NVH_FLBAS_HIGH_MASK  0x03

/* Index of the current format in lbaf[]. Bits 6:5 count only with more than 16 formats. */
static inline unsigned nvh_id_ns_format(const struct nvh_id_ns *id)
{
	unsigned idx = id->flbas & NVH_FLBAS_LOW_MASK;

	if (id->nlbaf > 15)
		idx |= (unsigned)(id->flbas >> NVH_FLBAS_HIGH_SHIFT & NVH_FLBAS_HIGH_MASK) << 4;
	return idx;
}

#define NVH_DPS_TYPE_MASK          0x07
#define NVH_DPS_FIRST              0x08
#define NVH_NMIC_SHARED            0x01
#define NVH_NSATTR_WRITE_PROTECTED 0x01

#define NVH_RESCAP_PTPL            0x01
#define NVH_RESCAP_WRITE_EXCL      0x02
#define NVH_RESCAP_EXCL_ACCESS     0x04
#define NVH_RESCAP_WRITE_EXCL_REG  0x08
#define NVH_RESCAP_EXCL_ACCESS_REG 0x10
#define NVH_RESCAP_WRITE_EXCL_ALL  0x20
#define NVH_RESCAP_EXCL_ACCESS_ALL 0x40
#define NVH_RESCAP_IEKEY_13        0x80

#define NVH_DLFEAT_READ_MASK 0x07 /* deallocated blocks read as: 0 unknown, 1 00h, 2 FFh */
#define NVH_DLFEAT_READ_ZERO 0x01
#define NVH_DLFEAT_READ_ONES 0x02
#define NVH_DLFEAT_WZ_DEAC   0x08
#define NVH_DLFEAT_GUARD_CRC 0x10

/* ---- I/O command set independent namespace (CNS 08h) ---------------------------------------- */

struct nvh_id_ns_indep {
	uint8_t nsfeat;
	uint8_t nmic;
	uint8_t rescap;
	uint8_t fpi;
	struct nvh_le32 anagrpid;
	uint8_t nsattr;
	uint8_t rsvd9;
	struct nvh_le16 nvmsetid;
	struct nvh_le16 endgid;
	uint8_t nstat; /* bit 0: ready */
	uint8_t kpios;
	struct nvh_le16 maxkt;
	uint8_t rsvd18[2];
	struct nvh_le32 rgrpid;
	uint8_t rsvd24[4072];
};

static_assert(sizeof(struct nvh_id_ns_indep) == 4096, "independent namespace");
static_assert(offsetof(struct nvh_id_ns_indep, nstat) == 14, "NSTAT");
static_assert(offsetof(struct nvh_id_ns_indep, rgrpid) == 20, "RGRPID");

#define NVH_NSTAT_READY 0x01

/* ---- NVM command set specific namespace (CNS 05h, CSI 0) ------------------------------------ */

struct nvh_id_iocs_ns_nvm {
	struct nvh_le64 lbstm;
	uint8_t pic;
	uint8_t pifa;
	uint8_t rsvd10[2];
	struct nvh_le32 elbaf[64]; /* STS 6:0, PIF 8:7, QPIF 12:9 */
	struct nvh_le32 npdgl;
	struct nvh_le32 nprg;
	struct nvh_le32 npra;
	struct nvh_le32 nors;
	struct nvh_le32 npdal;
	struct nvh_le32 lbapss;
	struct nvh_le32 tlbaag;
	uint8_t rsvd296[3800];
};

static_assert(sizeof(struct nvh_id_iocs_ns_nvm) == 4096, "NVM namespace");
static_assert(offsetof(struct nvh_id_iocs_ns_nvm, npdgl) == 268, "NPDGL");

/* ---- NVM command set specific controller (CNS 06h, CSI 0) ----------------------------------- */

struct nvh_id_iocs_nvm {
	uint8_t vsl; /* Verify, Write Zeroes, Write Uncorrectable: powers of two of MPSMIN */
	uint8_t wzsl;
	uint8_t wusl;
	uint8_t dmrl;          /* ranges a DSM, 0 = no limit */
	struct nvh_le32 dmrsl; /* blocks a range */
	struct nvh_le64 dmsl;  /* blocks a command */
	uint8_t kpiocap;
	uint8_t wzdsl;
	struct nvh_le16 aocs;
	struct nvh_le32 ver;
	uint8_t lbamqf;
	uint8_t rsvd25[4071];
};

static_assert(sizeof(struct nvh_id_iocs_nvm) == 4096, "NVM controller");
static_assert(offsetof(struct nvh_id_iocs_nvm, dmsl) == 8, "DMSL");
static_assert(offsetof(struct nvh_id_iocs_nvm, ver) == 20, "NVM VER");

/* ---- lists ---------------------------------------------------------------------------------- */

#define NVH_NS_LIST_MAX 1024

/* CNS 02h, 07h, 10h, and log 04h: ascending, ended by 0 unless full. */
struct nvh_ns_list {
	struct nvh_le32 nsid[NVH_NS_LIST_MAX];
};

struct nvh_ctrlr_list {
	struct nvh_le16 num;
	struct nvh_le16 cntlid[2047];
};

static_assert(sizeof(struct nvh_ns_list) == 4096, "namespace list");
static_assert(sizeof(struct nvh_ctrlr_list) == 4096, "controller list");

/* ---- namespace identification descriptors (CNS 03h) ----------------------------------------- */

enum nvh_nidt {
	NVH_NIDT_EUI64 = 1,
	NVH_NIDT_NGUID = 2,
	NVH_NIDT_UUID = 3,
	NVH_NIDT_CSI = 4,
};

#define NVH_NIDL_EUI64 8
#define NVH_NIDL_NGUID 16
#define NVH_NIDL_UUID  16
#define NVH_NIDL_CSI   1

struct nvh_ns_desc {
	uint8_t nidt;
	uint8_t nidl; /* bytes that follow this header; 0 ends the list */
	uint8_t rsvd2[2];
	/* uint8_t nid[nidl]; */
};

static_assert(sizeof(struct nvh_ns_desc) == 4, "identification descriptor");

#ifdef __cplusplus
}
#endif

#endif
