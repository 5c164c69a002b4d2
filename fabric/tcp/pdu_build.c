/*
 * Builders of NVMe/TCP PDU headers: length, data offset, flags, header digest and padding.
 *
 * Pure, any thread. NVMe/TCP Transport Specification 1.1, sections 3.3 and 3.6.
 */
#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "fabric/tcp/pdu.h"

/* Padding and digests never add more than this to the data. */
#define PDU_OVERHEAD_MAX 256u

static uint32_t pdu_align_up(uint32_t off, uint8_t pda)
{
	uint32_t align = (pda + 1u) * 4u;

	return (off + align - 1) / align * align;
}

/*
 * Completes a PDU that may carry digests: common header, header digest, padding. The header's own
 * fields are already in place. Returns the bytes to send before the data.
 */
static uint32_t pdu_seal(void *buf, const struct nvhi_pdu_params *params, uint8_t type,
			 uint8_t flags, uint8_t hlen, uint32_t data_len, uint8_t pda)
{
	struct nvh_tcp_ch *ch = buf;
	uint32_t off = hlen;
	uint32_t plen;
	uint8_t pdo = 0;

	assert(data_len <= UINT32_MAX - PDU_OVERHEAD_MAX);
	if (params->hdgst) {
		flags |= NVH_TCP_F_HDGST;
		off += NVH_TCP_DIGEST_SIZE;
	}
	plen = off;
	if (data_len) {
		plen = pdu_align_up(off, pda);
		pdo = (uint8_t)plen;
		plen += data_len;
		if (params->ddgst) {
			flags |= NVH_TCP_F_DDGST;
			plen += NVH_TCP_DIGEST_SIZE;
		}
	}
	ch->type = type;
	ch->flags = flags;
	ch->hlen = hlen;
	ch->pdo = pdo;
	nvh_le32_put(&ch->plen, plen);
	if (params->hdgst)
		nvhi_pdu_ddgst_put((uint8_t *)buf + hlen, nvhi_crc32c(buf, hlen));
	if (pdo > off) {
		memset((uint8_t *)buf + off, 0, pdo - off);
		off = pdo;
	}
	return off;
}

uint32_t nvhi_pdu_icreq_build(void *buf, uint8_t hpda, uint8_t dgst, uint32_t maxr2t)
{
	struct nvh_tcp_icreq *pdu = buf;

	assert(hpda <= NVH_TCP_PDA_MAX);
	memset(pdu, 0, sizeof(*pdu));
	pdu->ch.type = NVH_TCP_IC_REQ;
	pdu->ch.hlen = sizeof(*pdu);
	nvh_le32_put(&pdu->ch.plen, sizeof(*pdu));
	nvh_le16_put(&pdu->pfv, NVH_TCP_PFV);
	pdu->hpda = hpda;
	pdu->dgst = dgst;
	nvh_le32_put(&pdu->maxr2t, maxr2t);
	return sizeof(*pdu);
}

uint32_t nvhi_pdu_icresp_build(void *buf, uint8_t cpda, uint8_t dgst, uint32_t maxh2cdata)
{
	struct nvh_tcp_icresp *pdu = buf;

	assert(cpda <= NVH_TCP_PDA_MAX);
	memset(pdu, 0, sizeof(*pdu));
	pdu->ch.type = NVH_TCP_IC_RESP;
	pdu->ch.hlen = sizeof(*pdu);
	nvh_le32_put(&pdu->ch.plen, sizeof(*pdu));
	nvh_le16_put(&pdu->pfv, NVH_TCP_PFV);
	pdu->cpda = cpda;
	pdu->dgst = dgst;
	nvh_le32_put(&pdu->maxh2cdata, maxh2cdata);
	return sizeof(*pdu);
}

uint32_t nvhi_pdu_capsule_cmd_build(void *buf, const struct nvhi_pdu_params *params,
				    const struct nvh_cmd *cmd, uint32_t icd_len)
{
	struct nvh_tcp_capsule_cmd *pdu = buf;

	if (cmd != &pdu->cmd)
		pdu->cmd = *cmd;
	return pdu_seal(buf, params, NVH_TCP_CAPSULE_CMD, 0, sizeof(*pdu), icd_len, params->cpda);
}

uint32_t nvhi_pdu_capsule_resp_build(void *buf, const struct nvhi_pdu_params *params,
				     const struct nvh_cpl *cpl)
{
	struct nvh_tcp_capsule_resp *pdu = buf;

	if (cpl != &pdu->cpl)
		pdu->cpl = *cpl;
	return pdu_seal(buf, params, NVH_TCP_CAPSULE_RESP, 0, sizeof(*pdu), 0, 0);
}

uint32_t nvhi_pdu_h2c_data_build(void *buf, const struct nvhi_pdu_params *params, uint16_t cccid,
				 uint16_t ttag, uint32_t datao, uint32_t datal, bool last)
{
	struct nvh_tcp_h2c_data *pdu = buf;

	assert(datal);
	nvh_le16_put(&pdu->cccid, cccid);
	nvh_le16_put(&pdu->ttag, ttag);
	nvh_le32_put(&pdu->datao, datao);
	nvh_le32_put(&pdu->datal, datal);
	memset(pdu->rsvd20, 0, sizeof(pdu->rsvd20));
	return pdu_seal(buf, params, NVH_TCP_H2C_DATA, last ? NVH_TCP_F_LAST : 0, sizeof(*pdu),
			datal, params->cpda);
}

uint32_t nvhi_pdu_c2h_data_build(void *buf, const struct nvhi_pdu_params *params, uint16_t cccid,
				 uint32_t datao, uint32_t datal, uint8_t flags)
{
	struct nvh_tcp_c2h_data *pdu = buf;

	assert(datal);
	nvh_le16_put(&pdu->cccid, cccid);
	memset(pdu->rsvd10, 0, sizeof(pdu->rsvd10));
	nvh_le32_put(&pdu->datao, datao);
	nvh_le32_put(&pdu->datal, datal);
	memset(pdu->rsvd20, 0, sizeof(pdu->rsvd20));
	return pdu_seal(buf, params, NVH_TCP_C2H_DATA, flags & (NVH_TCP_F_LAST | NVH_TCP_F_SUCCESS),
			sizeof(*pdu), datal, params->hpda);
}

uint32_t nvhi_pdu_r2t_build(void *buf, const struct nvhi_pdu_params *params, uint16_t cccid,
			    uint16_t ttag, uint32_t r2to, uint32_t r2tl)
{
	struct nvh_tcp_r2t *pdu = buf;

	nvh_le16_put(&pdu->cccid, cccid);
	nvh_le16_put(&pdu->ttag, ttag);
	nvh_le32_put(&pdu->r2to, r2to);
	nvh_le32_put(&pdu->r2tl, r2tl);
	memset(pdu->rsvd20, 0, sizeof(pdu->rsvd20));
	return pdu_seal(buf, params, NVH_TCP_R2T, 0, sizeof(*pdu), 0, 0);
}

uint32_t nvhi_pdu_term_build(void *buf, const struct nvhi_pdu_params *params,
			     const struct nvhi_pdu_error *error, const void *hdr, size_t hdr_len)
{
	struct nvh_tcp_term_req *pdu = buf;

	if (hdr_len > NVH_TCP_TERM_DATA_MAX)
		hdr_len = NVH_TCP_TERM_DATA_MAX;
	memset(pdu, 0, sizeof(*pdu));
	pdu->ch.type = params->role == NVHI_PDU_HOST ? NVH_TCP_H2C_TERM_REQ : NVH_TCP_C2H_TERM_REQ;
	pdu->ch.hlen = sizeof(*pdu);
	nvh_le32_put(&pdu->ch.plen, (uint32_t)(sizeof(*pdu) + hdr_len));
	nvh_le16_put(&pdu->fes, error->fes);
	nvh_le32_put(&pdu->fei, error->fei);
	if (hdr_len)
		memcpy(pdu + 1, hdr, hdr_len);
	return (uint32_t)(sizeof(*pdu) + hdr_len);
}

uint32_t nvhi_pdu_crc_cursor(uint32_t crc, const struct nvhi_iov_cursor *data, size_t len)
{
	struct nvhi_iov_cursor cursor = *data;

	while (len) {
		struct iovec win[8];
		size_t covered = 0;
		uint32_t n = nvhi_iov_cursor_window(&cursor, len, win, 8, &covered);

		assert(covered); /* the caller's cursor holds len bytes */
		if (!covered)
			break;
		for (uint32_t i = 0; i < n; i++)
			crc = nvhi_crc32c_update(crc, win[i].iov_base, win[i].iov_len);
		nvhi_iov_cursor_advance(&cursor, covered);
		len -= covered;
	}
	return crc;
}

uint32_t nvhi_pdu_ddgst(const struct nvhi_iov_cursor *data, size_t len)
{
	return nvhi_crc32c_finish(nvhi_pdu_crc_cursor(NVHI_CRC32C_INIT, data, len));
}
