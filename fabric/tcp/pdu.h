/*
 * The NVMe/TCP PDU codec of both ends: builders, the validator, and the receive state machine.
 *
 * Pure: no syscall, no allocation, no clock, no lock. A struct nvhi_pdu_rx lives on the reactor of
 * its connection. Everything a peer sends is checked here except what needs the owner's tables
 * (CCCID, TTAG, the byte range of a request). NVMe/TCP Transport Specification 1.1, section 3.
 */
#ifndef NVHI_FABRIC_TCP_PDU_H
#define NVHI_FABRIC_TCP_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/iov.h"
#include "base/spec/nvme_tcp.h"

/* Room for any header with its digest and padding, and for a TermReq with its data. */
#define NVHI_PDU_HDR_ROOM  128
#define NVHI_PDU_TERM_ROOM (24 + NVH_TCP_TERM_DATA_MAX)

enum nvhi_pdu_role {
	NVHI_PDU_HOST,  /* we are the host: we receive ICResp, CapsuleResp, C2HData, R2T */
	NVHI_PDU_CTRLR, /* we are the controller: we receive ICReq, CapsuleCmd, H2CData */
};

/*
 * What both ends agreed on, one a connection, owned by the queue; builders and the receiver read
 * it. Before the IC exchange: role (and max_icd) set, everything else zero.
 */
struct nvhi_pdu_params {
	uint8_t role; /* enum nvhi_pdu_role */
	bool ic_done; /* set by the owner once ICReq/ICResp are agreed */
	bool hdgst;
	bool ddgst;
	uint8_t hpda;        /* alignment of data to the host: 0's based dwords */
	uint8_t cpda;        /* alignment of data to the controller */
	uint32_t maxh2cdata; /* bytes; 0: not checked */
	uint32_t max_icd;    /* controller: most in-capsule data of this queue, bytes */
};

/* The one reason why a connection must end: good for one log line and for a TermReq. */
struct nvhi_pdu_error {
	uint8_t fes;       /* enum nvh_tcp_fes */
	uint32_t fei;      /* offset of the field in the header, or the digest received */
	const char *field; /* "PLEN" */
	const char *what;  /* "shorter than the header" */
	uint64_t value;    /* what the peer sent */
};

static inline void nvhi_pdu_error_set(struct nvhi_pdu_error *ret_error, uint8_t fes, uint32_t fei,
				      const char *field, const char *what, uint64_t value)
{
	ret_error->fes = fes;
	ret_error->fei = fei;
	ret_error->field = field;
	ret_error->what = what;
	ret_error->value = value;
}

union nvhi_pdu_hdr {
	struct nvh_tcp_ch ch;
	struct nvh_tcp_icreq icreq;
	struct nvh_tcp_icresp icresp;
	struct nvh_tcp_term_req term;
	struct nvh_tcp_capsule_cmd capsule_cmd;
	struct nvh_tcp_capsule_resp capsule_resp;
	struct nvh_tcp_h2c_data h2c;
	struct nvh_tcp_c2h_data c2h;
	struct nvh_tcp_r2t r2t;
};

/* ---- builders ------------------------------------------------------------------------------- */

/*
 * Each fills `buf` (NVHI_PDU_HDR_ROOM bytes; any alignment) with a header, its digest and the
 * padding up to the data, and returns the number of these bytes: what to send before the data. When
 * there is data and params->ddgst, the caller sends 4 bytes of nvhi_pdu_ddgst_put() after it.
 */

/* Alignments are 0's based dwords, `dgst` is NVH_TCP_DGST_*, `maxr2t` is 0's based as on the wire.
 */
uint32_t nvhi_pdu_icreq_build(void *buf, uint8_t hpda, uint8_t dgst, uint32_t maxr2t);
uint32_t nvhi_pdu_icresp_build(void *buf, uint8_t cpda, uint8_t dgst, uint32_t maxh2cdata);

/* `cmd` may already stand in its place in `buf` (offset 8): then nothing is copied. */
uint32_t nvhi_pdu_capsule_cmd_build(void *buf, const struct nvhi_pdu_params *params,
				    const struct nvh_cmd *cmd, uint32_t icd_len);
uint32_t nvhi_pdu_capsule_resp_build(void *buf, const struct nvhi_pdu_params *params,
				     const struct nvh_cpl *cpl);
uint32_t nvhi_pdu_h2c_data_build(void *buf, const struct nvhi_pdu_params *params, uint16_t cccid,
				 uint16_t ttag, uint32_t datao, uint32_t datal, bool last);
/* `flags`: NVH_TCP_F_LAST, NVH_TCP_F_SUCCESS. */
uint32_t nvhi_pdu_c2h_data_build(void *buf, const struct nvhi_pdu_params *params, uint16_t cccid,
				 uint32_t datao, uint32_t datal, uint8_t flags);
uint32_t nvhi_pdu_r2t_build(void *buf, const struct nvhi_pdu_params *params, uint16_t cccid,
			    uint16_t ttag, uint32_t r2to, uint32_t r2tl);

/*
 * The TermReq of params->role for `error`, into NVHI_PDU_TERM_ROOM bytes; returns the whole PDU's
 * length. `hdr` is the header in error (nvhi_pdu_rx.hdr), or NULL with hdr_len 0.
 */
uint32_t nvhi_pdu_term_build(void *buf, const struct nvhi_pdu_params *params,
			     const struct nvhi_pdu_error *error, const void *hdr, size_t hdr_len);

/* Digest of the next `len` bytes at a cursor, which must hold them; the cursor does not move. */
uint32_t nvhi_pdu_ddgst(const struct nvhi_iov_cursor *data, size_t len);
/* The same as a step of a running CRC (base/crc32c.h). */
uint32_t nvhi_pdu_crc_cursor(uint32_t crc, const struct nvhi_iov_cursor *data, size_t len);
static inline void nvhi_pdu_ddgst_put(uint8_t out[4], uint32_t digest)
{
	out[0] = (uint8_t)digest;
	out[1] = (uint8_t)(digest >> 8);
	out[2] = (uint8_t)(digest >> 16);
	out[3] = (uint8_t)(digest >> 24);
}

/* ---- validation ----------------------------------------------------------------------------- */

/* Header length of a type, 0 for a type that does not exist. */
uint32_t nvhi_pdu_hlen(uint8_t type);

/*
 * Checks the 8 bytes of a common header, so that nonsense ends the connection before anything is
 * awaited: the type against role and phase, HLEN, flags, and the bounds of PLEN. Reserved bits and
 * fields are ignored, as the specification demands.
 * Returns 0, or -EPROTO with *ret_error filled.
 */
int nvhi_pdu_check_common(const struct nvhi_pdu_params *params, const struct nvh_tcp_ch *ch,
			  struct nvhi_pdu_error *ret_error);

/*
 * Checks a whole header (nvhi_pdu_check_common passed; `hdr` has hlen bytes, and the digest behind
 * them where there is one): header digest, PDO, PLEN, lengths, offsets, and the fields of the type.
 * Returns 0 with the payload's length in *ret_data_len, or -EPROTO with *ret_error filled. Left to
 * the owner: CCCID, TTAG, ranges against the request, and that ICResp enables no digest that ICReq
 * did not offer.
 */
int nvhi_pdu_check(const struct nvhi_pdu_params *params, const union nvhi_pdu_hdr *hdr,
		   uint32_t *ret_data_len, struct nvhi_pdu_error *ret_error);

/* Whether a PDU of this type carries a header digest when digests are on. */
static inline bool nvhi_pdu_has_hdgst(const struct nvhi_pdu_params *params, uint8_t type)
{
	return params->hdgst && type >= NVH_TCP_CAPSULE_CMD;
}

/* "PLEN 7 shorter than the header (invalid PDU header field, FEI 4)"; returns `buf`. */
const char *nvhi_pdu_error_text(const struct nvhi_pdu_error *error, char *buf, size_t len);
const char *nvhi_pdu_fes_text(unsigned fes);

/* ---- receiving ------------------------------------------------------------------------------ */

/*
 * The owner's loop, one pass:
 *
 *	for (;;) {
 *		switch (nvhi_pdu_rx_next(rx)) {
 *		case NVHI_PDU_RX_HEADER:	// rx->hdr, rx->data_len; all fields are checked
 *			look up the request; when rx->data_len:
 *			nvhi_pdu_rx_dest(rx, &cursor) or nvhi_pdu_rx_discard(rx)
 *			continue;
 *		case NVHI_PDU_RX_DATA:		// the payload is where it belongs, digest good
 *			continue;
 *		case NVHI_PDU_RX_BAD_DIGEST:	// payload complete, data digest wrong: fail the
 *command continue; case NVHI_PDU_RX_ERROR:		// rx->error: log, TermReq, close return;
 *		case NVHI_PDU_RX_MORE:
 *			break;
 *		}
 *		n = nvhi_pdu_rx_window(rx, iov, NIOV);
 *		got = stream->ops->readv(stream, iov, n);  // payload straight to its place, then
 *staging if (got <= 0) ... nvhi_pdu_rx_landed(rx, got);
 *	}
 *
 * A PDU without payload gives HEADER only; one with payload gives HEADER, then DATA or BAD_DIGEST.
 * To wait (no buffer for in-capsule data) the owner stops after HEADER and calls neither next nor
 * window until it has chosen the destination.
 */
enum nvhi_pdu_event {
	NVHI_PDU_RX_MORE,
	NVHI_PDU_RX_HEADER,
	NVHI_PDU_RX_DATA,
	NVHI_PDU_RX_BAD_DIGEST,
	NVHI_PDU_RX_ERROR,
};

/* Smallest staging buffer; for speed give 16 KiB or more. */
#define NVHI_PDU_STAGING_MIN 256

struct nvhi_pdu_rx {
	const struct nvhi_pdu_params *params;

	/* The current PDU, for the owner to read. */
	const union nvhi_pdu_hdr
		*hdr;       /* from HEADER or ERROR until the next call; NULL otherwise */
	uint32_t hdr_len;   /* bytes at hdr (fewer than a header after an early ERROR) */
	uint32_t data_len;  /* payload of this PDU */
	uint32_t data_left; /* of it, not yet in place */
	uint8_t type;       /* stay valid until the next HEADER */
	uint8_t flags;
	struct nvhi_pdu_error error;

	/* Private. */
	uint8_t state;
	bool dest_set;
	bool discard;
	bool ddgst;    /* this PDU has a data digest */
	uint32_t skip; /* padding still before the payload */
	uint32_t crc;
	uint32_t hdr_need; /* header bytes (digest included) the state waits for */
	struct nvhi_iov_cursor dest;
	uint8_t *staging;
	uint32_t staging_size;
	uint32_t head; /* staging[head..tail) is received and not consumed */
	uint32_t tail;
};

/* `params` and `staging` stay the owner's and outlive rx. May be called again to start over. */
void nvhi_pdu_rx_init(struct nvhi_pdu_rx *rx, const struct nvhi_pdu_params *params, void *staging,
		      uint32_t staging_size);
/* Consumes what has landed, up to the next thing the owner must know. After ERROR: ERROR again. */
enum nvhi_pdu_event nvhi_pdu_rx_next(struct nvhi_pdu_rx *rx);
/*
 * After HEADER with rx->data_len: where the payload goes. The cursor is copied; the iovec array it
 * points to must stay until DATA, and must have room for data_len bytes (checked by assert: the
 * owner has compared data_len with its request).
 */
void nvhi_pdu_rx_dest(struct nvhi_pdu_rx *rx, const struct nvhi_iov_cursor *dest);
/*
 * After HEADER with rx->data_len, in place of a destination: when the whole payload and its digest
 * have landed in staging already, consumes them and returns where the payload stands, which is
 * valid until the next nvhi_pdu_rx_window(); no DATA follows. NULL: it has not, choose a
 * destination.
 */
const void *nvhi_pdu_rx_borrow(struct nvhi_pdu_rx *rx, bool *ret_digest_good);
/* The payload is dropped (a digest is still checked). Also right for a request that died meanwhile:
 * may be called in the middle of a payload, after which the old destination is not touched. */
void nvhi_pdu_rx_discard(struct nvhi_pdu_rx *rx);
/* After MORE: fills up to `max` (>= 2) elements to read into; returns their number (>= 1). */
int nvhi_pdu_rx_window(struct nvhi_pdu_rx *rx, struct iovec *iov, int max);
/* `bytes` have been read into the window just given. */
void nvhi_pdu_rx_landed(struct nvhi_pdu_rx *rx, size_t bytes);

/* A PDU has begun and not ended: its deadline must be running. */
bool nvhi_pdu_rx_midway(const struct nvhi_pdu_rx *rx);

#endif
