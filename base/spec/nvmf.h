/*
 * NVMe over Fabrics: the Fabrics commands and their data, the discovery log.
 *
 * Base Specification 2.1 sections 6 (Fabrics command set) and 5.1.12.3.1 (discovery log page).
 */
#ifndef NVHOST_SPEC_NVMF_H
#define NVHOST_SPEC_NVMF_H

#include "nvme_cmd.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* 223 bytes and a terminator, in fields of 256. */
#define NVH_NQN_MAX         223
#define NVH_NQN_SIZE        256
#define NVH_DISCOVERY_NQN   "nqn.2014-08.org.nvmexpress.discovery"
#define NVH_NQN_UUID_PREFIX "nqn.2014-08.org.nvmexpress:uuid:"
#define NVH_HOSTID_SIZE     16

#define NVH_DISCOVERY_PORT_TCP 8009
#define NVH_PORT_TCP           4420
#define NVH_PORT_RDMA          4420

#define NVH_ADMIN_QUEUE_MIN 32 /* smallest SQSIZE + 1 of a Fabrics admin queue */

/* X(value, NAME, "text") */
#define NVH_FCTYPE_LIST(X)                                                                         \
	X(0x00, PROPERTY_SET, "Property Set")                                                      \
	X(0x01, CONNECT, "Connect")                                                                \
	X(0x04, PROPERTY_GET, "Property Get")                                                      \
	X(0x05, AUTH_SEND, "Authentication Send")                                                  \
	X(0x06, AUTH_RECV, "Authentication Receive")                                               \
	X(0x08, DISCONNECT, "Disconnect")

enum nvh_fctype {
#define NVH_X(val, name, text) NVH_FCTYPE_##name = val,
	NVH_FCTYPE_LIST(NVH_X)
#undef NVH_X
};

/* Never NULL. */
NVH_API const char *nvh_fabrics_type_name(unsigned fctype);

/* What all Fabrics commands have in common. */
struct nvh_fab_cmd {
	uint8_t opc; /* NVH_ADM_FABRICS */
	uint8_t flags;
	struct nvh_le16 cid;
	uint8_t fctype;
	uint8_t rsvd5[19];
	struct nvh_sgl sgl1;
	uint8_t spec[24];
};

static_assert(sizeof(struct nvh_fab_cmd) == 64, "fabrics command");
static_assert(offsetof(struct nvh_fab_cmd, sgl1) == 24, "fabrics SGL1");

/* ---- Connect -------------------------------------------------------------------------------- */

struct nvh_fab_connect_cmd {
	uint8_t opc;
	uint8_t flags;
	struct nvh_le16 cid;
	uint8_t fctype;
	uint8_t rsvd5[19];
	struct nvh_sgl sgl1;
	struct nvh_le16 recfmt;
	struct nvh_le16 qid;
	struct nvh_le16 sqsize; /* 0's based */
	uint8_t cattr;          /* NVH_CATTR_* */
	uint8_t rsvd47;
	struct nvh_le32 kato; /* ms */
	uint8_t rsvd52[12];
};

static_assert(sizeof(struct nvh_fab_connect_cmd) == 64, "Connect");
static_assert(offsetof(struct nvh_fab_connect_cmd, recfmt) == 40, "Connect RECFMT");
static_assert(offsetof(struct nvh_fab_connect_cmd, qid) == 42, "Connect QID");
static_assert(offsetof(struct nvh_fab_connect_cmd, kato) == 48, "Connect KATO");

#define NVH_CATTR_PRIORITY_MASK  0x03
#define NVH_CATTR_DISABLE_SQFLOW 0x04
#define NVH_CATTR_IOQ_DELETION   0x08 /* individual I/O queue deletion (Disconnect) */

/* CNTLID of an admin Connect to a dynamic controller, and of one to any static controller. */
#define NVH_CNTLID_DYNAMIC    0xffffu
#define NVH_CNTLID_STATIC_ANY 0xfffeu
#define NVH_CNTLID_MAX        0xffefu

struct nvh_fab_connect_data {
	uint8_t hostid[16];
	struct nvh_le16 cntlid;
	uint8_t rsvd18[238];
	char subnqn[256];
	char hostnqn[256];
	uint8_t rsvd768[256];
};

static_assert(sizeof(struct nvh_fab_connect_data) == 1024, "Connect data");
static_assert(offsetof(struct nvh_fab_connect_data, cntlid) == 16, "Connect CNTLID");
static_assert(offsetof(struct nvh_fab_connect_data, subnqn) == 256, "Connect SUBNQN");
static_assert(offsetof(struct nvh_fab_connect_data, hostnqn) == 512, "Connect HOSTNQN");

/* Dword 0 of a successful Connect: CNTLID 15:0, AUTHREQ 31:16. */
#define NVH_CONNECT_CNTLID_MASK  0xffffu
#define NVH_CONNECT_AUTHREQ_ATR  0x00020000u /* in-band authentication */
#define NVH_CONNECT_AUTHREQ_ASCR 0x00040000u /* and a secure channel from it */

/* Dword 0 of Connect Invalid Parameters: IPO 15:0, IATTR 23:16 (bit 16: offset is in the data). */
#define NVH_CONNECT_IPO_MASK   0xffffu
#define NVH_CONNECT_IATTR_DATA 0x00010000u

static inline uint32_t nvh_connect_invalid(unsigned in_data, unsigned offset)
{
	return (offset & NVH_CONNECT_IPO_MASK) | (in_data ? NVH_CONNECT_IATTR_DATA : 0);
}

/* ---- Property Get and Set ------------------------------------------------------------------- */

struct nvh_fab_prop_cmd {
	uint8_t opc;
	uint8_t flags;
	struct nvh_le16 cid;
	uint8_t fctype;
	uint8_t rsvd5[35];
	uint8_t attrib; /* size 2:0: NVH_PROP_* */
	uint8_t rsvd41[3];
	struct nvh_le32 ofst;  /* enum nvh_reg */
	struct nvh_le64 value; /* Set only */
	uint8_t rsvd56[8];
};

static_assert(sizeof(struct nvh_fab_prop_cmd) == 64, "Property Get/Set");
static_assert(offsetof(struct nvh_fab_prop_cmd, attrib) == 40, "Property ATTRIB");
static_assert(offsetof(struct nvh_fab_prop_cmd, ofst) == 44, "Property OFST");
static_assert(offsetof(struct nvh_fab_prop_cmd, value) == 48, "Property VALUE");

#define NVH_PROP_SIZE_MASK 0x07
#define NVH_PROP_4_BYTES   0x00
#define NVH_PROP_8_BYTES   0x01

/* ---- Disconnect ----------------------------------------------------------------------------- */

struct nvh_fab_disconnect_cmd {
	uint8_t opc;
	uint8_t flags;
	struct nvh_le16 cid;
	uint8_t fctype;
	uint8_t rsvd5[35];
	struct nvh_le16 recfmt;
	uint8_t rsvd42[22];
};

static_assert(sizeof(struct nvh_fab_disconnect_cmd) == 64, "Disconnect");

/* ---- Authentication Send and Receive -------------------------------------------------------- */

struct nvh_fab_auth_cmd {
	uint8_t opc;
	uint8_t flags;
	struct nvh_le16 cid;
	uint8_t fctype;
	uint8_t rsvd5[19];
	struct nvh_sgl sgl1;
	uint8_t rsvd40;
	uint8_t spsp0;
	uint8_t spsp1;
	uint8_t secp;
	struct nvh_le32 tl; /* transfer length (send) or allocation length (receive) */
	uint8_t rsvd48[16];
};

static_assert(sizeof(struct nvh_fab_auth_cmd) == 64, "Authentication");
static_assert(offsetof(struct nvh_fab_auth_cmd, secp) == 43, "Authentication SECP");
static_assert(offsetof(struct nvh_fab_auth_cmd, tl) == 44, "Authentication TL");

#define NVH_AUTH_SECP  0xe9
#define NVH_AUTH_SPSP0 0x01
#define NVH_AUTH_SPSP1 0x01

/* ---- discovery log page (LID 70h) ----------------------------------------------------------- */

enum nvh_trtype {
	NVH_TRTYPE_NONE = 0,
	NVH_TRTYPE_RDMA = 1,
	NVH_TRTYPE_FC = 2,
	NVH_TRTYPE_TCP = 3,
	NVH_TRTYPE_LOOP = 254,
	/* Never on the wire, where the field is one byte: ours. */
	NVH_TRTYPE_PCIE = 256,
	NVH_TRTYPE_VFIO_USER = 1024,
};

enum nvh_adrfam {
	NVH_ADRFAM_PCI = 0,
	NVH_ADRFAM_IPV4 = 1,
	NVH_ADRFAM_IPV6 = 2,
	NVH_ADRFAM_IB = 3,
	NVH_ADRFAM_FC = 4,
	NVH_ADRFAM_LOOP = 254,
};

enum nvh_subtype {
	NVH_SUBTYPE_DISC_REFERRAL = 1,
	NVH_SUBTYPE_NVM = 2,
	NVH_SUBTYPE_DISC_CURRENT = 3,
};

#define NVH_TREQ_SECURE_MASK    0x03
#define NVH_TREQ_NOT_SPECIFIED  0x00
#define NVH_TREQ_REQUIRED       0x01
#define NVH_TREQ_NOT_REQUIRED   0x02
#define NVH_TREQ_DISABLE_SQFLOW 0x04

#define NVH_EFLAGS_DUPRETINFO 0x0001
#define NVH_EFLAGS_EPCSD      0x0002 /* explicit persistent connections for discovery */
#define NVH_EFLAGS_NCC        0x0004

#define NVH_PORTID_ANY 0xffffu

#define NVH_TRSVCID_SIZE 32
#define NVH_TRADDR_SIZE  256

/* Transport specific address subtype. */
enum nvh_tcp_sectype {
	NVH_TCP_SEC_NONE = 0,
	NVH_TCP_SEC_TLS12 = 1,
	NVH_TCP_SEC_TLS13 = 2,
};

enum nvh_rdma_qptype {
	NVH_RDMA_QPTYPE_CONNECTED = 1,
	NVH_RDMA_QPTYPE_DATAGRAM = 2,
};

enum nvh_rdma_prtype {
	NVH_RDMA_PRTYPE_NONE = 1,
	NVH_RDMA_PRTYPE_IB = 2,
	NVH_RDMA_PRTYPE_ROCE = 3,
	NVH_RDMA_PRTYPE_ROCEV2 = 4,
	NVH_RDMA_PRTYPE_IWARP = 5,
};

enum nvh_rdma_cms {
	NVH_RDMA_CMS_RDMA_CM = 1,
};

union nvh_tsas {
	uint8_t common[256];
	struct {
		uint8_t qptype;
		uint8_t prtype;
		uint8_t cms;
		uint8_t rsvd3[5];
		struct nvh_le16 pkey;
	} rdma;
	struct {
		uint8_t sectype;
	} tcp;
};

static_assert(sizeof(union nvh_tsas) == 256, "TSAS");

struct nvh_discovery_log_header {
	struct nvh_le64 genctr;
	struct nvh_le64 numrec;
	struct nvh_le16 recfmt;
	uint8_t rsvd18[1006];
};

struct nvh_discovery_log_entry {
	uint8_t trtype;
	uint8_t adrfam;
	uint8_t subtype;
	uint8_t treq;
	struct nvh_le16 portid;
	struct nvh_le16 cntlid;
	struct nvh_le16 asqsz;
	struct nvh_le16 eflags;
	uint8_t rsvd12[20];
	char trsvcid[NVH_TRSVCID_SIZE]; /* ASCII, space padded */
	uint8_t rsvd64[192];
	char subnqn[NVH_NQN_SIZE];    /* terminated */
	char traddr[NVH_TRADDR_SIZE]; /* ASCII, space padded */
	union nvh_tsas tsas;
};

static_assert(sizeof(struct nvh_discovery_log_header) == 1024, "discovery log header");
static_assert(offsetof(struct nvh_discovery_log_header, recfmt) == 16, "discovery RECFMT");
static_assert(sizeof(struct nvh_discovery_log_entry) == 1024, "discovery log entry");
static_assert(offsetof(struct nvh_discovery_log_entry, asqsz) == 8, "discovery ASQSZ");
static_assert(offsetof(struct nvh_discovery_log_entry, trsvcid) == 32, "discovery TRSVCID");
static_assert(offsetof(struct nvh_discovery_log_entry, subnqn) == 256, "discovery SUBNQN");
static_assert(offsetof(struct nvh_discovery_log_entry, traddr) == 512, "discovery TRADDR");
static_assert(offsetof(struct nvh_discovery_log_entry, tsas) == 768, "discovery TSAS");

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
