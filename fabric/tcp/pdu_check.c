/*
 * The validator of received NVMe/TCP headers: one table of what each type may be, then each field.
 *
 * Pure, any thread. NVMe/TCP Transport Specification 1.1, section 3.6; fatal error status values of
 * sections 3.6.2.3 and 3.6.2.4.
 */
#include <errno.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "fabric/tcp/pdu.h"

enum {
	OFF_TYPE = 0,
	OFF_FLAGS = 1,
	OFF_HLEN = 2,
	OFF_PDO = 3,
	OFF_PLEN = 4,
	OFF_PFV = 8,
	OFF_PDA = 10,
	OFF_MAXH2CDATA = 12,
	OFF_DATAO = 12,
	OFF_DATAL = 16,
};

#define TO_HOST  (1u << NVHI_PDU_HOST)
#define TO_CTRLR (1u << NVHI_PDU_CTRLR)

struct pdu_rule {
	uint8_t hlen;   /* 0: no such type */
	uint8_t to;     /* TO_HOST, TO_CTRLR */
	bool before_ic; /* may come before the IC exchange is done */
	bool after_ic;
	bool data; /* may carry data, hence a data digest */
};

static const struct pdu_rule pdu_rules[] = {
	[NVH_TCP_IC_REQ] = {128, TO_CTRLR, true, false, false},
	[NVH_TCP_IC_RESP] = {128, TO_HOST, true, false, false},
	[NVH_TCP_H2C_TERM_REQ] = {24, TO_CTRLR, true, true, false},
	[NVH_TCP_C2H_TERM_REQ] = {24, TO_HOST, true, true, false},
	[NVH_TCP_CAPSULE_CMD] = {72, TO_CTRLR, false, true, true},
	[NVH_TCP_CAPSULE_RESP] = {24, TO_HOST, false, true, false},
	[NVH_TCP_H2C_DATA] = {24, TO_CTRLR, false, true, true},
	[NVH_TCP_C2H_DATA] = {24, TO_HOST, false, true, true},
	[NVH_TCP_R2T] = {24, TO_HOST, false, true, false},
};

#define PDU_RULE_COUNT (sizeof(pdu_rules) / sizeof(pdu_rules[0]))

static int pdu_fail(struct nvhi_pdu_error *ret_error, uint8_t fes, uint32_t fei, const char *field,
		    const char *what, uint64_t value)
{
	nvhi_pdu_error_set(ret_error, fes, fei, field, what, value);
	return -EPROTO;
}

static int pdu_bad_field(struct nvhi_pdu_error *ret_error, uint32_t off, const char *field,
			 const char *what, uint64_t value)
{
	return pdu_fail(ret_error, NVH_TCP_FES_HDR_FIELD, off, field, what, value);
}

uint32_t nvhi_pdu_hlen(uint8_t type)
{
	return type < PDU_RULE_COUNT ? pdu_rules[type].hlen : 0;
}

static bool pdu_is_term(uint8_t type)
{
	return type == NVH_TCP_H2C_TERM_REQ || type == NVH_TCP_C2H_TERM_REQ;
}

/* The bounds that PLEN can have whatever PDO turns out to be. */
static int pdu_check_plen_bounds(const struct nvhi_pdu_params *params, const struct nvh_tcp_ch *ch,
				 struct nvhi_pdu_error *ret_error)
{
	const struct pdu_rule *rule = &pdu_rules[ch->type];
	uint32_t plen = nvh_le32_get(ch->plen);
	uint32_t min = rule->hlen;
	uint64_t max;

	if (nvhi_pdu_has_hdgst(params, ch->type))
		min += NVH_TCP_DIGEST_SIZE;
	if (plen < min)
		return pdu_bad_field(ret_error, OFF_PLEN, "PLEN", "shorter than the header", plen);
	if (pdu_is_term(ch->type)) {
		if (plen > min + NVH_TCP_TERM_DATA_MAX)
			return pdu_bad_field(ret_error, OFF_PLEN, "PLEN",
					     "longer than a TermReq can be", plen);
		return 0;
	}
	if (!rule->data) {
		if (plen != min)
			return pdu_bad_field(ret_error, OFF_PLEN, "PLEN",
					     "not the length of this PDU type", plen);
		return 0;
	}
	max = UINT32_MAX;
	if (ch->type == NVH_TCP_CAPSULE_CMD)
		max = (uint64_t)UINT8_MAX + params->max_icd + NVH_TCP_DIGEST_SIZE;
	else if (ch->type == NVH_TCP_H2C_DATA && params->maxh2cdata)
		max = (uint64_t)UINT8_MAX + params->maxh2cdata + NVH_TCP_DIGEST_SIZE;
	if (plen > max)
		return pdu_fail(ret_error, NVH_TCP_FES_LIMIT, 0, "PLEN",
				"more data than this connection allows", plen);
	return 0;
}

int nvhi_pdu_check_common(const struct nvhi_pdu_params *params, const struct nvh_tcp_ch *ch,
			  struct nvhi_pdu_error *ret_error)
{
	const struct pdu_rule *rule;
	bool hdgst;

	if (!nvhi_pdu_hlen(ch->type))
		return pdu_bad_field(ret_error, OFF_TYPE, "PDU type", "does not exist", ch->type);
	rule = &pdu_rules[ch->type];
	if (!(rule->to & 1u << params->role))
		return pdu_fail(ret_error, NVH_TCP_FES_SEQUENCE, 0, "PDU type",
				params->role == NVHI_PDU_HOST ? "is not for a host"
							      : "is not for a controller",
				ch->type);
	if (params->ic_done ? !rule->after_ic : !rule->before_ic)
		return pdu_fail(ret_error, NVH_TCP_FES_SEQUENCE, 0, "PDU type",
				params->ic_done ? "came after the connection was initialized"
						: "came before the connection was initialized",
				ch->type);
	if (ch->hlen != rule->hlen)
		return pdu_bad_field(ret_error, OFF_HLEN, "HLEN", "is wrong for this PDU type",
				     ch->hlen);
	if (ch->type >= NVH_TCP_CAPSULE_CMD) {
		hdgst = ch->flags & NVH_TCP_F_HDGST;
		if (hdgst != params->hdgst)
			return pdu_bad_field(ret_error, OFF_FLAGS, "FLAGS",
					     hdgst ? "have HDGSTF without header digests agreed"
						   : "lack HDGSTF with header digests agreed",
					     ch->flags);
		if (rule->data && (ch->flags & NVH_TCP_F_DDGST) && !params->ddgst)
			return pdu_bad_field(ret_error, OFF_FLAGS, "FLAGS",
					     "have DDGSTF without data digests agreed", ch->flags);
	}
	return pdu_check_plen_bounds(params, ch, ret_error);
}

static int pdu_check_hdgst(const union nvhi_pdu_hdr *hdr, struct nvhi_pdu_error *ret_error)
{
	const uint8_t *bytes = (const uint8_t *)hdr;
	struct nvh_le32 got;
	uint32_t digest;

	for (unsigned int i = 0; i < sizeof(got.b); i++)
		got.b[i] = bytes[hdr->ch.hlen + i];
	digest = nvh_le32_get(got);
	if (digest != nvhi_crc32c(hdr, hdr->ch.hlen))
		return pdu_fail(ret_error, NVH_TCP_FES_HDGST, digest, "HDGST",
				"does not match the header", digest);
	return 0;
}

/* The payload of a PDU whose type may have data: PDO and PLEN against each other. */
static int pdu_check_layout(const struct nvhi_pdu_params *params, const struct nvh_tcp_ch *ch,
			    uint32_t *ret_data_len, struct nvhi_pdu_error *ret_error)
{
	uint8_t pda = params->role == NVHI_PDU_HOST ? params->hpda : params->cpda;
	uint32_t end_of_hdr = ch->hlen + (params->hdgst ? NVH_TCP_DIGEST_SIZE : 0);
	uint32_t tail = params->ddgst ? NVH_TCP_DIGEST_SIZE : 0;
	uint32_t plen = nvh_le32_get(ch->plen);

	if (plen == end_of_hdr) {
		*ret_data_len = 0; /* PDO and DDGSTF mean nothing here */
		return 0;
	}
	if (params->ddgst && !(ch->flags & NVH_TCP_F_DDGST))
		return pdu_bad_field(ret_error, OFF_FLAGS, "FLAGS",
				     "lack DDGSTF with data digests agreed", ch->flags);
	if (ch->pdo < end_of_hdr)
		return pdu_bad_field(ret_error, OFF_PDO, "PDO", "points into the header", ch->pdo);
	if (ch->pdo % ((pda + 1u) * 4u))
		return pdu_bad_field(ret_error, OFF_PDO, "PDO",
				     "does not have the alignment agreed", ch->pdo);
	if (plen <= ch->pdo + tail)
		return pdu_bad_field(ret_error, OFF_PLEN, "PLEN",
				     "leaves no data behind the data offset", plen);
	*ret_data_len = plen - ch->pdo - tail;
	return 0;
}

/* H2CData and C2HData share layout and rules of DATAO and DATAL. */
static int pdu_check_data_fields(const struct nvh_tcp_ch *ch, uint32_t datao, uint32_t datal,
				 uint32_t data_len, struct nvhi_pdu_error *ret_error)
{
	if (!datal)
		return pdu_bad_field(ret_error, OFF_DATAL, "DATAL", "is zero", datal);
	if (datal != data_len)
		return pdu_bad_field(ret_error, OFF_PLEN, "PLEN",
				     "is not header, digests, padding and DATAL together",
				     nvh_le32_get(ch->plen));
	if (datao % 4)
		return pdu_bad_field(ret_error, OFF_DATAO, "DATAO", "is not a multiple of 4",
				     datao);
	if (datal % 4 && !(ch->flags & NVH_TCP_F_LAST))
		return pdu_bad_field(ret_error, OFF_DATAL, "DATAL",
				     "is not a multiple of 4 and not the last", datal);
	if ((uint64_t)datao + datal > UINT32_MAX)
		return pdu_fail(ret_error, NVH_TCP_FES_DATA_RANGE, 0, "DATAO",
				"and DATAL pass 4 GiB", datao);
	return 0;
}

static int pdu_check_h2c(const struct nvhi_pdu_params *params, const struct nvh_tcp_h2c_data *pdu,
			 uint32_t data_len, struct nvhi_pdu_error *ret_error)
{
	uint32_t datal = nvh_le32_get(pdu->datal);
	int err = pdu_check_data_fields(&pdu->ch, nvh_le32_get(pdu->datao), datal, data_len,
					ret_error);

	if (err)
		return err;
	if (params->maxh2cdata && datal > params->maxh2cdata)
		return pdu_fail(ret_error, NVH_TCP_FES_LIMIT, 0, "DATAL", "is above MAXH2CDATA",
				datal);
	return 0;
}

static int pdu_check_c2h(const struct nvh_tcp_c2h_data *pdu, uint32_t data_len,
			 struct nvhi_pdu_error *ret_error)
{
	if ((pdu->ch.flags & NVH_TCP_F_SUCCESS) && !(pdu->ch.flags & NVH_TCP_F_LAST))
		return pdu_bad_field(ret_error, OFF_FLAGS, "FLAGS", "have SUCCESS without LAST_PDU",
				     pdu->ch.flags);
	return pdu_check_data_fields(&pdu->ch, nvh_le32_get(pdu->datao), nvh_le32_get(pdu->datal),
				     data_len, ret_error);
}

static int pdu_check_r2t(const struct nvh_tcp_r2t *pdu, struct nvhi_pdu_error *ret_error)
{
	uint32_t r2to = nvh_le32_get(pdu->r2to);
	uint32_t r2tl = nvh_le32_get(pdu->r2tl);

	if (!r2tl)
		return pdu_bad_field(ret_error, OFF_DATAL, "R2TL", "is zero", r2tl);
	if (r2to % 4)
		return pdu_bad_field(ret_error, OFF_DATAO, "R2TO", "is not a multiple of 4", r2to);
	if ((uint64_t)r2to + r2tl > UINT32_MAX)
		return pdu_fail(ret_error, NVH_TCP_FES_DATA_RANGE, 0, "R2TO", "and R2TL pass 4 GiB",
				r2to);
	return 0;
}

static int pdu_check_icreq(const struct nvh_tcp_icreq *pdu, struct nvhi_pdu_error *ret_error)
{
	uint16_t pfv = nvh_le16_get(pdu->pfv);

	if (pfv != NVH_TCP_PFV)
		return pdu_fail(ret_error, NVH_TCP_FES_UNSUPPORTED, OFF_PFV, "PFV",
				"is a format that is not supported", pfv);
	if (pdu->hpda > NVH_TCP_PDA_MAX)
		return pdu_bad_field(ret_error, OFF_PDA, "HPDA", "is above 31", pdu->hpda);
	return 0;
}

static int pdu_check_icresp(const struct nvh_tcp_icresp *pdu, struct nvhi_pdu_error *ret_error)
{
	uint32_t maxh2cdata = nvh_le32_get(pdu->maxh2cdata);
	uint16_t pfv = nvh_le16_get(pdu->pfv);

	if (pfv != NVH_TCP_PFV)
		return pdu_fail(ret_error, NVH_TCP_FES_UNSUPPORTED, OFF_PFV, "PFV",
				"is a format that is not supported", pfv);
	if (pdu->cpda > NVH_TCP_PDA_MAX)
		return pdu_bad_field(ret_error, OFF_PDA, "CPDA", "is above 31", pdu->cpda);
	if (maxh2cdata < NVH_TCP_MAXH2CDATA_MIN)
		return pdu_bad_field(ret_error, OFF_MAXH2CDATA, "MAXH2CDATA", "is below 4096",
				     maxh2cdata);
	if (maxh2cdata % 4)
		return pdu_bad_field(ret_error, OFF_MAXH2CDATA, "MAXH2CDATA",
				     "is not a multiple of 4", maxh2cdata);
	return 0;
}

/* Types without digests and data offset. */
static int pdu_check_plain(const union nvhi_pdu_hdr *hdr, uint32_t *ret_data_len,
			   struct nvhi_pdu_error *ret_error)
{
	int err = 0;

	if (hdr->ch.type == NVH_TCP_IC_REQ)
		err = pdu_check_icreq(&hdr->icreq, ret_error);
	else if (hdr->ch.type == NVH_TCP_IC_RESP)
		err = pdu_check_icresp(&hdr->icresp, ret_error);
	if (err)
		return err;
	*ret_data_len = nvh_le32_get(hdr->ch.plen) - hdr->ch.hlen;
	return 0;
}

int nvhi_pdu_check(const struct nvhi_pdu_params *params, const union nvhi_pdu_hdr *hdr,
		   uint32_t *ret_data_len, struct nvhi_pdu_error *ret_error)
{
	const uint8_t type = hdr->ch.type;
	uint32_t data_len = 0;
	int err = 0;

	if (type < NVH_TCP_CAPSULE_CMD)
		return pdu_check_plain(hdr, ret_data_len, ret_error);
	if (params->hdgst)
		err = pdu_check_hdgst(hdr, ret_error);
	if (!err && pdu_rules[type].data)
		err = pdu_check_layout(params, &hdr->ch, &data_len, ret_error);
	if (err)
		return err;
	switch (type) {
	case NVH_TCP_CAPSULE_CMD:
		if (data_len > params->max_icd)
			err = pdu_fail(ret_error, NVH_TCP_FES_LIMIT, 0, "in-capsule data",
				       "is longer than this queue takes", data_len);
		break;
	case NVH_TCP_H2C_DATA:
		err = pdu_check_h2c(params, &hdr->h2c, data_len, ret_error);
		break;
	case NVH_TCP_C2H_DATA:
		err = pdu_check_c2h(&hdr->c2h, data_len, ret_error);
		break;
	case NVH_TCP_R2T:
		err = pdu_check_r2t(&hdr->r2t, ret_error);
		break;
	default:
		break;
	}
	if (!err)
		*ret_data_len = data_len;
	return err;
}

const char *nvhi_pdu_fes_text(unsigned fes)
{
	switch (fes) {
	case NVH_TCP_FES_HDR_FIELD:
		return "invalid PDU header field";
	case NVH_TCP_FES_SEQUENCE:
		return "PDU sequence error";
	case NVH_TCP_FES_HDGST:
		return "header digest error";
	case NVH_TCP_FES_DATA_RANGE:
		return "data transfer out of range";
	case NVH_TCP_FES_LIMIT:
		return "data transfer or R2T limit exceeded";
	case NVH_TCP_FES_UNSUPPORTED:
		return "unsupported parameter";
	default:
		return "unknown fatal error status";
	}
}

const char *nvhi_pdu_error_text(const struct nvhi_pdu_error *error, char *buf, size_t len)
{
	snprintf(buf, len, "%s %llu %s (%s, FEI %u)", error->field,
		 (unsigned long long)error->value, error->what, nvhi_pdu_fes_text(error->fes),
		 error->fei);
	return buf;
}
