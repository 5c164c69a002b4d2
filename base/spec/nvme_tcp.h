/*
 * NVMe/TCP protocol data units.
 *
 * NVMe/TCP Transport Specification 1.1 section 3.6.
 */
#ifndef NVHOST_SPEC_NVME_TCP_H
#define NVHOST_SPEC_NVME_TCP_H

#include "nvme_cmd.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* X(value, NAME, "text", header bytes) */
#define NVH_TCP_PDU_LIST(X)                                                                        \
	X(0x00, IC_REQ, "ICReq", 128)                                                              \
	X(0x01, IC_RESP, "ICResp", 128)                                                            \
	X(0x02, H2C_TERM_REQ, "H2CTermReq", 24)                                                    \
	X(0x03, C2H_TERM_REQ, "C2HTermReq", 24)                                                    \
	X(0x04, CAPSULE_CMD, "CapsuleCmd", 72)                                                     \
	X(0x05, CAPSULE_RESP, "CapsuleResp", 24)                                                   \
	X(0x06, H2C_DATA, "H2CData", 24)                                                           \
	X(0x07, C2H_DATA, "C2HData", 24)                                                           \
	X(0x09, R2T, "R2T", 24)

enum nvh_tcp_pdu {
#define NVH_X(val, name, text, hlen) NVH_TCP_##name = val,
	NVH_TCP_PDU_LIST(NVH_X)
#undef NVH_X
};

/* Common header flags. */
#define NVH_TCP_F_HDGST   0x01
#define NVH_TCP_F_DDGST   0x02
#define NVH_TCP_F_LAST    0x04 /* H2CData, C2HData */
#define NVH_TCP_F_SUCCESS 0x08 /* C2HData, with LAST */

#define NVH_TCP_DIGEST_SIZE 4
#define NVH_TCP_HDR_MAX     128
#define NVH_TCP_PFV         0x0000
#define NVH_TCP_DGST_HDR    0x01
#define NVH_TCP_DGST_DATA   0x02
/* PDA values are 0's based dwords, 0 to 31; the alignment is at most 128 bytes. */
#define NVH_TCP_PDA_MAX        31
#define NVH_TCP_MAXH2CDATA_MIN 4096
/* Data of a TermReq: the header of the PDU in error. */
#define NVH_TCP_TERM_DATA_MAX 128
/* In-capsule data that every admin queue takes, and a Fabrics capsule on any queue. */
#define NVH_TCP_ADMIN_ICD 8192

struct nvh_tcp_ch {
	uint8_t type;
	uint8_t flags;
	uint8_t hlen;
	uint8_t pdo;
	struct nvh_le32 plen;
};

static_assert(sizeof(struct nvh_tcp_ch) == 8, "common header");
static_assert(offsetof(struct nvh_tcp_ch, plen) == 4, "PLEN");

struct nvh_tcp_icreq {
	struct nvh_tcp_ch ch;
	struct nvh_le16 pfv;
	uint8_t hpda;           /* alignment the host wants for data to it */
	uint8_t dgst;           /* NVH_TCP_DGST_* */
	struct nvh_le32 maxr2t; /* 0's based */
	uint8_t rsvd16[112];
};

struct nvh_tcp_icresp {
	struct nvh_tcp_ch ch;
	struct nvh_le16 pfv;
	uint8_t cpda; /* alignment the controller wants for data to it */
	uint8_t dgst;
	struct nvh_le32 maxh2cdata; /* bytes */
	uint8_t rsvd16[112];
};

static_assert(sizeof(struct nvh_tcp_icreq) == 128, "ICReq");
static_assert(offsetof(struct nvh_tcp_icreq, maxr2t) == 12, "MAXR2T");
static_assert(sizeof(struct nvh_tcp_icresp) == 128, "ICResp");
static_assert(offsetof(struct nvh_tcp_icresp, maxh2cdata) == 12, "MAXH2CDATA");

/* Fatal Error Status of a TermReq. */
enum nvh_tcp_fes {
	NVH_TCP_FES_HDR_FIELD = 0x01, /* FEI: byte offset of the field */
	NVH_TCP_FES_SEQUENCE = 0x02,
	NVH_TCP_FES_HDGST = 0x03, /* FEI: the digest received */
	NVH_TCP_FES_DATA_RANGE = 0x04,
	NVH_TCP_FES_LIMIT = 0x05,       /* to host: data transfer limit; to controller: R2T limit */
	NVH_TCP_FES_UNSUPPORTED = 0x06, /* FEI: byte offset of the parameter */
};

struct nvh_tcp_term_req {
	struct nvh_tcp_ch ch;
	struct nvh_le16 fes;
	struct nvh_le32 fei;
	uint8_t rsvd14[10];
	/* up to 128 bytes of the header in error */
};

static_assert(sizeof(struct nvh_tcp_term_req) == 24, "TermReq");
static_assert(offsetof(struct nvh_tcp_term_req, fei) == 10, "FEI");

struct nvh_tcp_capsule_cmd {
	struct nvh_tcp_ch ch;
	struct nvh_cmd cmd;
};

struct nvh_tcp_capsule_resp {
	struct nvh_tcp_ch ch;
	struct nvh_cpl cpl;
};

static_assert(sizeof(struct nvh_tcp_capsule_cmd) == 72, "CapsuleCmd");
static_assert(sizeof(struct nvh_tcp_capsule_resp) == 24, "CapsuleResp");

struct nvh_tcp_h2c_data {
	struct nvh_tcp_ch ch;
	struct nvh_le16 cccid;
	struct nvh_le16 ttag;
	struct nvh_le32 datao;
	struct nvh_le32 datal;
	uint8_t rsvd20[4];
};

struct nvh_tcp_c2h_data {
	struct nvh_tcp_ch ch;
	struct nvh_le16 cccid;
	uint8_t rsvd10[2];
	struct nvh_le32 datao;
	struct nvh_le32 datal;
	uint8_t rsvd20[4];
};

struct nvh_tcp_r2t {
	struct nvh_tcp_ch ch;
	struct nvh_le16 cccid;
	struct nvh_le16 ttag;
	struct nvh_le32 r2to;
	struct nvh_le32 r2tl;
	uint8_t rsvd20[4];
};

static_assert(sizeof(struct nvh_tcp_h2c_data) == 24, "H2CData");
static_assert(offsetof(struct nvh_tcp_h2c_data, datao) == 12, "H2CData DATAO");
static_assert(sizeof(struct nvh_tcp_c2h_data) == 24, "C2HData");
static_assert(offsetof(struct nvh_tcp_c2h_data, datao) == 12, "C2HData DATAO");
static_assert(sizeof(struct nvh_tcp_r2t) == 24, "R2T");
static_assert(offsetof(struct nvh_tcp_r2t, r2to) == 12, "R2TO");

/* Never NULL. */
NVH_API const char *nvh_tcp_pdu_name(unsigned type);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
