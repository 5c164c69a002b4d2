/*
 * One input of a PDU fuzz target: the stream is decoded in one read, in uneven pieces into
 * scattered buffers, discarded, and borrowed from staging; all must tell the same story.
 *
 * With the switch for it the digests are made right first, so that the fuzzer gets behind them.
 */
#include "tests/fuzz/fuzz_pdu.h"

#include "base/crc32c.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_STREAM_MAX 16384
#define FUZZ_DATA_MAX   65536u

enum {
	SWITCH_IC_DONE = 0x01,
	SWITCH_HDGST = 0x02,
	SWITCH_DDGST = 0x04,
	SWITCH_REPAIR = 0x08, /* make digests right */
	SWITCH_LIMITS = 0x10,
};

/* What a decoding told: a digest over events, headers and payload, to compare. */
struct story {
	uint32_t crc;
	unsigned int events;
	enum nvhi_pdu_event last;
};

struct plan {
	size_t step; /* bytes a read, 0: all */
	size_t element;
	uint32_t staging;
	bool discard;
	bool borrow; /* take payload from staging where it is whole */
};

static void story_add(struct story *story, const void *bytes, size_t len)
{
	story->crc = nvhi_crc32c_update(story->crc, bytes, len);
}

static void put_digest(uint8_t *at, const uint8_t *from, size_t len)
{
	nvhi_pdu_ddgst_put(at, nvhi_crc32c(from, len));
}

/* Walks the stream as PLEN says and writes the digests that belong there. */
static void repair(const struct nvhi_pdu_params *params, uint8_t *stream, size_t len)
{
	size_t at = 0;

	while (len - at >= sizeof(struct nvh_tcp_ch)) {
		const struct nvh_tcp_ch *ch = (const struct nvh_tcp_ch *)(stream + at);
		uint32_t hlen = nvhi_pdu_hlen(ch->type), plen = nvh_le32_get(ch->plen);
		uint32_t hdr_end = hlen + (params->hdgst ? 4 : 0);

		if (!hlen || plen < hdr_end || plen > len - at)
			return;
		if (nvhi_pdu_has_hdgst(params, ch->type))
			put_digest(stream + at + hlen, stream + at, hlen);
		if (params->ddgst && ch->pdo >= hdr_end && plen > ch->pdo + 4u)
			put_digest(stream + at + plen - 4, stream + at + ch->pdo,
				   plen - 4 - ch->pdo);
		at += plen;
	}
}

static size_t land(struct nvhi_pdu_rx *rx, const uint8_t *bytes, size_t len)
{
	struct iovec win[5];
	size_t done = 0;
	int n = nvhi_pdu_rx_window(rx, win, 5);

	FUZZ_CHECK(n >= 1 && n <= 5);
	for (int i = 0; i < n && done < len; i++) {
		size_t take = win[i].iov_len < len - done ? win[i].iov_len : len - done;

		memcpy(win[i].iov_base, bytes + done, take);
		done += take;
	}
	FUZZ_CHECK(done > 0);
	nvhi_pdu_rx_landed(rx, done);
	return done;
}

/* The destination of one payload: exactly as long as announced, in elements. */
static void choose(struct nvhi_pdu_rx *rx, const struct plan *plan, uint8_t **dest,
		   struct iovec **iov)
{
	size_t el = plan->element ? plan->element : rx->data_len;
	struct nvhi_iov_cursor cursor;
	uint32_t n = 0;

	if (plan->discard || rx->data_len > FUZZ_DATA_MAX) {
		nvhi_pdu_rx_discard(rx);
		return;
	}
	*dest = malloc(rx->data_len);
	*iov = malloc((rx->data_len / el + 1) * sizeof(**iov));
	if (!*dest || !*iov)
		abort();
	for (size_t at = 0; at < rx->data_len; at += el) {
		(*iov)[n].iov_base = *dest + at;
		(*iov)[n++].iov_len = rx->data_len - at < el ? rx->data_len - at : el;
	}
	nvhi_iov_cursor_init(&cursor, *iov, n);
	nvhi_pdu_rx_dest(rx, &cursor);
}

static void check_header(const struct nvhi_pdu_rx *rx)
{
	uint32_t plen = nvh_le32_get(rx->hdr->ch.plen);

	FUZZ_CHECK(rx->hdr_len == nvhi_pdu_hlen(rx->type));
	FUZZ_CHECK(rx->data_len <= plen - rx->hdr_len);
	if (rx->type == NVH_TCP_CAPSULE_CMD)
		FUZZ_CHECK(rx->data_len <= rx->params->max_icd);
	if (rx->type == NVH_TCP_H2C_DATA)
		FUZZ_CHECK(rx->data_len == nvh_le32_get(rx->hdr->h2c.datal));
	if (rx->type == NVH_TCP_C2H_DATA)
		FUZZ_CHECK(rx->data_len == nvh_le32_get(rx->hdr->c2h.datal));
}

static void check_error(const struct nvhi_pdu_rx *rx)
{
	uint8_t term[NVHI_PDU_TERM_ROOM];
	char text[256];

	FUZZ_CHECK(rx->error.fes >= 1 && rx->error.fes <= 6);
	FUZZ_CHECK(rx->error.field && rx->error.what && rx->hdr);
	nvhi_pdu_error_text(&rx->error, text, sizeof(text));
	FUZZ_CHECK(nvhi_pdu_term_build(term, rx->params, &rx->error, rx->hdr, rx->hdr_len) <=
		   sizeof(term));
}

/* Tells of a payload that was borrowed as if it had been delivered. */
static bool borrow(struct nvhi_pdu_rx *rx, struct story *story)
{
	bool good = false;
	const void *data = nvhi_pdu_rx_borrow(rx, &good);

	if (!data)
		return false;
	story->last = good ? NVHI_PDU_RX_DATA : NVHI_PDU_RX_BAD_DIGEST;
	story->events++;
	story_add(story, &story->last, sizeof(story->last));
	story_add(story, data, rx->data_len);
	return true;
}

static struct story decode(const struct nvhi_pdu_params *params, const struct plan *plan,
			   const uint8_t *stream, size_t len)
{
	struct story story = {.crc = NVHI_CRC32C_INIT};
	uint8_t *staging = malloc(plan->staging);
	uint8_t *dest = NULL;
	struct iovec *iov = NULL;
	struct nvhi_pdu_rx rx;

	if (!staging)
		abort();
	nvhi_pdu_rx_init(&rx, params, staging, plan->staging);
	for (;;) {
		story.last = nvhi_pdu_rx_next(&rx);
		if (story.last == NVHI_PDU_RX_MORE) {
			size_t n = plan->step && plan->step < len ? plan->step : len;

			if (!n)
				break;
			n = land(&rx, stream, n);
			stream += n;
			len -= n;
			continue;
		}
		story.events++;
		story_add(&story, &story.last, sizeof(story.last));
		if (story.last == NVHI_PDU_RX_ERROR) {
			check_error(&rx);
			story_add(&story, &rx.error.fes, sizeof(rx.error.fes));
			story_add(&story, &rx.error.fei, sizeof(rx.error.fei));
			break;
		}
		if (story.last == NVHI_PDU_RX_HEADER) {
			check_header(&rx);
			story_add(&story, rx.hdr, rx.hdr_len);
			if (rx.data_len && !(plan->borrow && borrow(&rx, &story)))
				choose(&rx, plan, &dest, &iov);
			continue;
		}
		FUZZ_CHECK(rx.data_left == 0);
		if (dest && !plan->discard)
			story_add(&story, dest, rx.data_len);
		free(dest);
		free(iov);
		dest = NULL;
		iov = NULL;
	}
	free(dest);
	free(iov);
	free(staging);
	return story;
}

void pdu_fuzz_one(enum nvhi_pdu_role role, const uint8_t *data, size_t size)
{
	static uint8_t stream[FUZZ_STREAM_MAX];
	struct fuzz_input in = {data, size};
	uint8_t switches = fuzz_u8(&in);
	struct nvhi_pdu_params params = {
		.role = (uint8_t)role,
		.ic_done = switches & SWITCH_IC_DONE,
		.hdgst = switches & SWITCH_HDGST,
		.ddgst = switches & SWITCH_DDGST,
		.hpda = fuzz_u8(&in) % 32,
		.cpda = fuzz_u8(&in) % 32,
		.maxh2cdata = switches & SWITCH_LIMITS ? 4096 : 0,
		.max_icd = switches & SWITCH_LIMITS ? 64 : 8192,
	};
	struct plan whole = {.staging = FUZZ_STREAM_MAX};
	struct plan pieces = {.staging = 256, .step = 1 + switches % 37, .element = 7};
	struct plan dropped = {.staging = 300, .step = 0, .discard = true};
	struct plan borrowed = {.staging = 700, .borrow = true};
	struct story a, b, c, d;
	size_t len = in.left < sizeof(stream) ? in.left : sizeof(stream);

	if (!params.ic_done)
		params.hdgst = params.ddgst = false;
	memcpy(stream, in.data, len);
	if (switches & SWITCH_REPAIR)
		repair(&params, stream, len);
	a = decode(&params, &whole, stream, len);
	b = decode(&params, &pieces, stream, len);
	c = decode(&params, &dropped, stream, len);
	d = decode(&params, &borrowed, stream, len);
	FUZZ_CHECK(a.crc == d.crc && a.events == d.events && a.last == d.last);
	FUZZ_CHECK(a.crc == b.crc && a.events == b.events && a.last == b.last);
	FUZZ_CHECK(a.events == c.events && a.last == c.last);
}
