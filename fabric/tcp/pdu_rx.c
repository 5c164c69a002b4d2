/*
 * The receive state machine: bytes from the stream to validated headers and payloads in place.
 *
 * The whole parser state is "so many bytes of this part remain". Headers are always parsed in the
 * staging buffer, where they are contiguous; payload is copied out of what staging already holds
 * and read straight to its place beyond that. Pure; lives on its connection's reactor. NVMe/TCP
 * Transport Specification 1.1, section 3.3.
 */
#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "fabric/tcp/pdu.h"

enum pdu_rx_state {
	PDU_RX_COMMON,  /* waits for 8 bytes */
	PDU_RX_HEADER,  /* waits for hdr_need bytes */
	PDU_RX_PAYLOAD, /* waits for `skip` bytes of padding, then data_left of payload */
	PDU_RX_DIGEST,  /* waits for 4 bytes */
	PDU_RX_FAILED,
};

void nvhi_pdu_rx_init(struct nvhi_pdu_rx *rx, const struct nvhi_pdu_params *params, void *staging,
		      uint32_t staging_size)
{
	assert(staging_size >= NVHI_PDU_STAGING_MIN);
	memset(rx, 0, sizeof(*rx));
	rx->params = params;
	rx->staging = staging;
	rx->staging_size = staging_size;
}

static uint32_t pdu_rx_avail(const struct nvhi_pdu_rx *rx)
{
	return rx->tail - rx->head;
}

static enum nvhi_pdu_event pdu_rx_fail(struct nvhi_pdu_rx *rx)
{
	uint32_t avail = pdu_rx_avail(rx);

	rx->state = PDU_RX_FAILED;
	rx->hdr = (const union nvhi_pdu_hdr *)(rx->staging + rx->head);
	rx->hdr_len = nvhi_pdu_hlen(rx->hdr->ch.type);
	if (!rx->hdr_len)
		rx->hdr_len = sizeof(struct nvh_tcp_ch);
	if (rx->hdr_len > avail)
		rx->hdr_len = avail;
	return NVHI_PDU_RX_ERROR;
}

/* The common header is here: false when it is nonsense. */
static bool pdu_rx_begin(struct nvhi_pdu_rx *rx)
{
	const struct nvh_tcp_ch *ch = (const struct nvh_tcp_ch *)(rx->staging + rx->head);

	if (nvhi_pdu_check_common(rx->params, ch, &rx->error))
		return false;
	rx->hdr_need = ch->hlen;
	if (nvhi_pdu_has_hdgst(rx->params, ch->type))
		rx->hdr_need += NVH_TCP_DIGEST_SIZE;
	rx->state = PDU_RX_HEADER;
	return true;
}

static enum nvhi_pdu_event pdu_rx_header(struct nvhi_pdu_rx *rx)
{
	const union nvhi_pdu_hdr *hdr = (const union nvhi_pdu_hdr *)(rx->staging + rx->head);
	uint32_t data_len;

	if (nvhi_pdu_check(rx->params, hdr, &data_len, &rx->error))
		return pdu_rx_fail(rx);
	rx->hdr = hdr;
	rx->hdr_len = hdr->ch.hlen;
	rx->type = hdr->ch.type;
	rx->flags = hdr->ch.flags;
	rx->data_len = data_len;
	rx->data_left = data_len;
	rx->head += rx->hdr_need;
	rx->state = PDU_RX_COMMON;
	if (data_len) {
		bool term = rx->type < NVH_TCP_CAPSULE_CMD;

		rx->skip = term ? 0 : hdr->ch.pdo - rx->hdr_need;
		rx->ddgst = !term && rx->params->ddgst;
		rx->crc = NVHI_CRC32C_INIT;
		rx->dest_set = false;
		rx->discard = false;
		rx->state = PDU_RX_PAYLOAD;
	}
	return NVHI_PDU_RX_HEADER;
}

/* Takes padding and payload out of staging. True when the payload is complete. */
static bool pdu_rx_payload(struct nvhi_pdu_rx *rx)
{
	uint32_t avail = pdu_rx_avail(rx);
	uint32_t n = rx->skip < avail ? rx->skip : avail;

	assert(rx->dest_set); /* the owner chose after HEADER */
	rx->skip -= n;
	rx->head += n;
	avail -= n;
	n = rx->data_left < avail ? rx->data_left : avail;
	if (n) {
		const uint8_t *src = rx->staging + rx->head;

		if (rx->ddgst)
			rx->crc = nvhi_crc32c_update(rx->crc, src, n);
		if (!rx->discard)
			nvhi_iov_cursor_copy_in(&rx->dest, src, n);
		rx->head += n;
		rx->data_left -= n;
	}
	return !rx->data_left && !rx->skip;
}

static enum nvhi_pdu_event pdu_rx_digest(struct nvhi_pdu_rx *rx)
{
	struct nvh_le32 got;

	memcpy(&got, rx->staging + rx->head, sizeof(got));
	rx->head += sizeof(got);
	rx->state = PDU_RX_COMMON;
	return nvh_le32_get(got) == nvhi_crc32c_finish(rx->crc) ? NVHI_PDU_RX_DATA
								: NVHI_PDU_RX_BAD_DIGEST;
}

enum nvhi_pdu_event nvhi_pdu_rx_next(struct nvhi_pdu_rx *rx)
{
	if (rx->state == PDU_RX_FAILED)
		return NVHI_PDU_RX_ERROR;
	rx->hdr = NULL;
	if (rx->state == PDU_RX_PAYLOAD) {
		if (!pdu_rx_payload(rx))
			return NVHI_PDU_RX_MORE;
		if (!rx->ddgst) {
			rx->state = PDU_RX_COMMON;
			return NVHI_PDU_RX_DATA;
		}
		rx->state = PDU_RX_DIGEST;
	}
	if (rx->state == PDU_RX_DIGEST) {
		if (pdu_rx_avail(rx) < NVH_TCP_DIGEST_SIZE)
			return NVHI_PDU_RX_MORE;
		return pdu_rx_digest(rx);
	}
	if (rx->state == PDU_RX_COMMON) {
		if (pdu_rx_avail(rx) < sizeof(struct nvh_tcp_ch))
			return NVHI_PDU_RX_MORE;
		if (!pdu_rx_begin(rx))
			return pdu_rx_fail(rx);
	}
	if (pdu_rx_avail(rx) < rx->hdr_need)
		return NVHI_PDU_RX_MORE;
	return pdu_rx_header(rx);
}

void nvhi_pdu_rx_dest(struct nvhi_pdu_rx *rx, const struct nvhi_iov_cursor *dest)
{
	assert(rx->state == PDU_RX_PAYLOAD && !rx->dest_set);
	rx->dest = *dest;
	rx->dest_set = true;
}

const void *nvhi_pdu_rx_borrow(struct nvhi_pdu_rx *rx, bool *ret_digest_good)
{
	uint32_t need = rx->skip + rx->data_left + (rx->ddgst ? NVH_TCP_DIGEST_SIZE : 0);
	const uint8_t *data = rx->staging + rx->head + rx->skip;
	struct nvh_le32 got;

	assert(rx->state == PDU_RX_PAYLOAD && !rx->dest_set);
	if (pdu_rx_avail(rx) < need)
		return NULL;
	*ret_digest_good = true;
	if (rx->ddgst) {
		memcpy(&got, data + rx->data_left, sizeof(got));
		*ret_digest_good = nvh_le32_get(got) == nvhi_crc32c(data, rx->data_left);
	}
	rx->head += need;
	rx->data_left = 0;
	rx->skip = 0;
	rx->state = PDU_RX_COMMON;
	return data;
}

void nvhi_pdu_rx_discard(struct nvhi_pdu_rx *rx)
{
	if (rx->state != PDU_RX_PAYLOAD)
		return; /* only the digest is left: nothing can be touched any more */
	rx->discard = true;
	rx->dest_set = true;
}

/* The rest of the payload goes straight to its place. */
static bool pdu_rx_is_direct(const struct nvhi_pdu_rx *rx)
{
	return rx->state == PDU_RX_PAYLOAD && !rx->discard && !rx->skip;
}

int nvhi_pdu_rx_window(struct nvhi_pdu_rx *rx, struct iovec *iov, int max)
{
	int n = 0;

	assert(max >= 2 && rx->state != PDU_RX_FAILED);
	rx->hdr = NULL;
	if (rx->head) {
		/* At most a header's beginning is left: everything else was consumed. */
		memmove(rx->staging, rx->staging + rx->head, pdu_rx_avail(rx));
		rx->tail -= rx->head;
		rx->head = 0;
	}
	if (pdu_rx_is_direct(rx)) {
		size_t covered = 0;

		assert(rx->dest_set && !rx->tail);
		n = (int)nvhi_iov_cursor_window(&rx->dest, rx->data_left, iov, (uint32_t)max - 1,
						&covered);
		assert(covered); /* the destination has room for data_len bytes */
		if (covered < rx->data_left)
			return n;
	}
	iov[n].iov_base = rx->staging + rx->tail;
	iov[n].iov_len = rx->staging_size - rx->tail;
	return n + 1;
}

void nvhi_pdu_rx_landed(struct nvhi_pdu_rx *rx, size_t bytes)
{
	if (pdu_rx_is_direct(rx)) {
		uint32_t n = bytes < rx->data_left ? (uint32_t)bytes : rx->data_left;

		if (rx->ddgst)
			rx->crc = nvhi_pdu_crc_cursor(rx->crc, &rx->dest, n);
		nvhi_iov_cursor_advance(&rx->dest, n);
		rx->data_left -= n;
		bytes -= n;
	}
	assert(bytes <= rx->staging_size - rx->tail);
	rx->tail += (uint32_t)bytes;
}

bool nvhi_pdu_rx_midway(const struct nvhi_pdu_rx *rx)
{
	return rx->state != PDU_RX_COMMON || rx->head != rx->tail;
}
