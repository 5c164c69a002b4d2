/*
 * Answers that a fault wants wrong: the digest or one field of the first PDU of an encoded answer,
 * or an R2T that has no business. A changed header gets the digest that is right for it, so that
 * the field is what the host meets. Group reactor. NVMe/TCP Transport Specification 1.1
 * section 3.6.2.
 */
#include "base/crc32c.h"
#include "target-lite/tcp/tcp_impl.h"

uint32_t tl_tcp_garble_r2t(const struct tl_tcp_conn *conn, const struct tl_tcp_req *treq,
			   uint8_t *at)
{
	uint16_t cid = nvh_le16_get(treq->req.cmd.cid);
	uint32_t beyond = treq->req.fault_garble == TL_GARBLE_R2T ? treq->req.xfer_len : 0;

	return nvhi_pdu_r2t_build(at, &conn->params, cid, 0xffff, beyond, 4096);
}

static void garble_redigest(const struct tl_tcp_conn *conn, uint8_t *pdu, uint32_t hlen)
{
	if (nvhi_pdu_has_hdgst(&conn->params, ((const struct nvh_tcp_ch *)pdu)->type))
		nvhi_pdu_ddgst_put(pdu + hlen, nvhi_crc32c(pdu, hlen));
}

/* The CID that stands in a C2HData, or in the completion of a CapsuleResp. */
static struct nvh_le16 *garble_cid(uint8_t *pdu)
{
	union nvhi_pdu_hdr *hdr = (union nvhi_pdu_hdr *)pdu;

	return hdr->ch.type == NVH_TCP_C2H_DATA ? &hdr->c2h.cccid : &hdr->capsule_resp.cpl.cid;
}

void tl_tcp_garble(const struct tl_tcp_conn *conn, struct tl_tcp_req *treq, uint8_t *first)
{
	struct nvh_tcp_ch *ch = (struct nvh_tcp_ch *)first;
	uint32_t hlen = nvhi_pdu_hlen(ch->type);
	struct tl_request *req = &treq->req;
	uint8_t kind = req->fault_garble;

	req->fault_garble = TL_GARBLE_NONE;
	switch (kind) {
	case TL_GARBLE_HDR_DIGEST:
		if (conn->params.hdgst)
			first[hlen] ^= 0x5a;
		return;
	case TL_GARBLE_DATA_DIGEST:
		/* Behind the data's header in the arena, the data lies elsewhere. */
		if (conn->params.ddgst && ch->type == NVH_TCP_C2H_DATA)
			first[nvh_le32_get(ch->plen) - req->data_len - NVH_TCP_DIGEST_SIZE] ^= 0x5a;
		return;
	case TL_GARBLE_TYPE:
		ch->type = 0x0d;
		break;
	case TL_GARBLE_HLEN:
		ch->hlen = 0xff;
		break;
	case TL_GARBLE_PLEN:
		nvh_le32_put(&ch->plen, UINT32_MAX);
		break;
	case TL_GARBLE_PDO:
		ch->pdo = 0xff;
		break;
	case TL_GARBLE_CCCID:
		nvh_le16_put(garble_cid(first), nvh_le16_get(req->cmd.cid) ^ 0xffff);
		break;
	default:
		return; /* the R2T ahead of it is wrong */
	}
	garble_redigest(conn, first, hlen);
}
