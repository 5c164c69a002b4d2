/*
 * The receive state machine against golden streams, cut in every way a network cuts them.
 */
#include "fabric/tcp/pdu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/golden.h"
#include "tests/unit/nvh_cunit.h"

#define RX_MAX_IOV 64

/* How a stream is delivered and where its payload goes. */
struct rx_plan {
	size_t split;     /* the first read ends here; 0: no split */
	size_t step;      /* most bytes a read; 0: no limit */
	uint32_t staging; /* size of the staging buffer */
	size_t element;   /* bytes an iovec element of the destination; 0: all in one */
	bool discard;
	bool borrow; /* take payload from staging where it is whole */
	int window;  /* elements offered to nvhi_pdu_rx_window */
};

struct rx_run {
	const struct golden *golden;
	const struct rx_plan *plan;
	struct nvhi_pdu_rx rx;
	size_t pos;          /* bytes delivered */
	size_t hdr_at;       /* where the next header starts in the stream */
	unsigned int events; /* events seen */
	uint8_t payload[GOLDEN_MAX_BYTES];
	size_t payload_len;
	struct iovec iov[2048];
	char diff[512]; /* the first difference; empty: none */
};

static void rx_differ(struct rx_run *run, const char *what, unsigned long value)
{
	if (!run->diff[0])
		snprintf(run->diff, sizeof(run->diff), "%s: event %u, split %zu, step %zu: %s %lu",
			 run->golden->path, run->events, run->plan->split, run->plan->step, what,
			 value);
}

/* One read: copies the next bytes of the stream into the window. */
static bool rx_read(struct rx_run *run)
{
	const struct rx_plan *plan = run->plan;
	struct iovec win[RX_MAX_IOV];
	size_t left = run->golden->len - run->pos, landed = 0;
	int n;

	if (!left)
		return false;
	if (plan->split > run->pos && left > plan->split - run->pos)
		left = plan->split - run->pos;
	if (plan->step && left > plan->step)
		left = plan->step;
	n = nvhi_pdu_rx_window(&run->rx, win, plan->window);
	for (int i = 0; i < n && left; i++) {
		size_t take = win[i].iov_len < left ? win[i].iov_len : left;

		memcpy(win[i].iov_base, run->golden->bytes + run->pos, take);
		run->pos += take;
		landed += take;
		left -= take;
	}
	if (!landed)
		rx_differ(run, "an empty window", 0);
	nvhi_pdu_rx_landed(&run->rx, landed);
	return landed;
}

static void rx_choose(struct rx_run *run)
{
	uint32_t len = run->rx.data_len, at = 0, n = 0;
	struct nvhi_iov_cursor cursor;

	if (run->plan->discard) {
		nvhi_pdu_rx_discard(&run->rx);
		return;
	}
	while (at < len) {
		size_t el = run->plan->element ? run->plan->element : len;

		if (el > len - at)
			el = len - at;
		run->iov[n].iov_base = run->payload + run->payload_len + at;
		run->iov[n++].iov_len = el;
		at += (uint32_t)el;
	}
	nvhi_iov_cursor_init(&cursor, run->iov, n);
	nvhi_pdu_rx_dest(&run->rx, &cursor);
	run->payload_len += len;
}

/* Takes the payload from where it stands in staging: the DATA or BAD_DIGEST that is expected next.
 */
static bool rx_borrow(struct rx_run *run)
{
	const struct golden_event *want = &run->golden->events[run->events + 1];
	bool good = false;
	const void *data = nvhi_pdu_rx_borrow(&run->rx, &good);

	if (!data)
		return false;
	memcpy(run->payload + run->payload_len, data, run->rx.data_len);
	run->payload_len += run->rx.data_len;
	if (want->event != (good ? NVHI_PDU_RX_DATA : NVHI_PDU_RX_BAD_DIGEST))
		rx_differ(run, "wrong digest verdict", good);
	run->events++;
	return true;
}

static void rx_see(struct rx_run *run, enum nvhi_pdu_event event)
{
	const struct golden_event *want = &run->golden->events[run->events];
	const struct nvhi_pdu_rx *rx = &run->rx;

	if (run->events >= run->golden->num_events || want->event != event) {
		rx_differ(run, "unexpected event", event);
		return;
	}
	if (event == NVHI_PDU_RX_HEADER) {
		if (strcmp(want->name, nvh_tcp_pdu_name(rx->type)) || rx->hdr->ch.type != rx->type)
			rx_differ(run, "wrong type", rx->type);
		if (want->data_len != rx->data_len)
			rx_differ(run, "wrong payload length", rx->data_len);
		if (memcmp(rx->hdr, run->golden->bytes + run->hdr_at, rx->hdr_len))
			rx_differ(run, "header bytes differ at", run->hdr_at);
		run->hdr_at += nvh_le32_get(rx->hdr->ch.plen);
		if (rx->data_len && !(run->plan->borrow && rx_borrow(run)))
			rx_choose(run);
	} else if (event == NVHI_PDU_RX_ERROR) {
		if (rx->error.fes != want->fes)
			rx_differ(run, "wrong FES", rx->error.fes);
		if (rx->error.fei != want->fei)
			rx_differ(run, "wrong FEI", rx->error.fei);
		if (strcmp(rx->error.field, want->name))
			rx_differ(run, rx->error.field, rx->error.value);
		if (!rx->hdr || rx->hdr_len < 8)
			rx_differ(run, "no header in error", rx->hdr_len);
	}
	run->events++;
}

/* Delivers the stream by the plan and compares everything. */
static void rx_play(const struct golden *golden, const struct rx_plan *plan)
{
	static struct rx_run run;
	uint8_t *staging = malloc(plan->staging); /* exact: the sanitizer sees an overrun */
	enum nvhi_pdu_event event;

	CU_ASSERT_PTR_NOT_NULL_FATAL(staging);
	memset(&run, 0, sizeof(run));
	run.golden = golden;
	run.plan = plan;
	nvhi_pdu_rx_init(&run.rx, &golden->params, staging, plan->staging);
	do {
		event = nvhi_pdu_rx_next(&run.rx);
		if (event != NVHI_PDU_RX_MORE)
			rx_see(&run, event);
		else if (!rx_read(&run))
			break;
	} while (event != NVHI_PDU_RX_ERROR && !run.diff[0]);
	if (run.events != golden->num_events)
		rx_differ(&run, "events missing, seen", run.events);
	if (event != NVHI_PDU_RX_ERROR && nvhi_pdu_rx_midway(&run.rx))
		rx_differ(&run, "midway at the end", 0);
	if (!plan->discard && event != NVHI_PDU_RX_ERROR &&
	    (run.payload_len != golden->payload_len ||
	     memcmp(run.payload, golden->payload, golden->payload_len)))
		rx_differ(&run, "payload differs, length", run.payload_len);
	if (run.diff[0])
		printf("\n  %s\n", run.diff);
	CU_ASSERT_STRING_EQUAL(run.diff, "");
	free(staging);
}

static void play_whole(const struct golden *golden)
{
	rx_play(golden, &(struct rx_plan){.staging = 4096, .window = 8});
}

static void every_golden_stream_decodes_whole(void)
{
	CU_ASSERT(golden_each("tcp", play_whole) >= 40);
}

static void play_splits(const struct golden *golden)
{
	for (size_t at = 1; at < golden->len; at++) {
		rx_play(golden, &(struct rx_plan){.split = at, .staging = 4096, .window = 8});
		rx_play(golden, &(struct rx_plan){.split = at,
						  .staging = NVHI_PDU_STAGING_MIN,
						  .window = 3,
						  .element = 5});
	}
}

static void every_golden_stream_decodes_split_at_every_byte(void)
{
	CU_ASSERT(golden_each("tcp", play_splits) >= 40);
}

static void play_trickle(const struct golden *golden)
{
	for (size_t step = 1; step <= 9; step++) {
		rx_play(golden, &(struct rx_plan){.step = step, .staging = 4096, .window = 2});
		rx_play(golden, &(struct rx_plan){.step = step,
						  .staging = NVHI_PDU_STAGING_MIN,
						  .window = 2,
						  .element = 3});
	}
}

static void every_golden_stream_decodes_byte_by_byte(void)
{
	CU_ASSERT(golden_each("tcp", play_trickle) >= 40);
}

static void play_discard(const struct golden *golden)
{
	rx_play(golden, &(struct rx_plan){.staging = 4096, .window = 2, .discard = true});
	rx_play(golden, &(struct rx_plan){.step = 7, .staging = 256, .window = 2, .discard = true});
}

static void digests_are_checked_of_discarded_payload_too(void)
{
	CU_ASSERT(golden_each("tcp", play_discard) >= 40);
}

static void play_borrow(const struct golden *golden)
{
	rx_play(golden, &(struct rx_plan){.staging = 4096, .window = 2, .borrow = true});
	for (size_t at = 1; at < golden->len; at += 3)
		rx_play(golden, &(struct rx_plan){
					.split = at, .staging = 2048, .window = 2, .borrow = true});
}

static void a_payload_whole_in_staging_can_be_borrowed(void)
{
	CU_ASSERT(golden_each("tcp", play_borrow) >= 40);
}

/* ---- where bytes go ------------------------------------------------------------------------- */

static const struct nvhi_pdu_params host_params = {.role = NVHI_PDU_HOST, .ic_done = true};

/* Lands bytes in the staging element of the window, as a first read does. */
static void land_in_staging(struct nvhi_pdu_rx *rx, const void *bytes, size_t len)
{
	struct iovec win[2];

	CU_ASSERT_EQUAL_FATAL(nvhi_pdu_rx_window(rx, win, 2), 1);
	CU_ASSERT_FATAL(win[0].iov_len >= len);
	memcpy(win[0].iov_base, bytes, len);
	nvhi_pdu_rx_landed(rx, len);
}

/* Begins a C2HData of 4,096 bytes with its first `have` bytes of payload (value 5Ah). */
static void begin_c2h(struct nvhi_pdu_rx *rx, uint8_t *staging, uint32_t size, uint32_t have)
{
	uint8_t buf[NVHI_PDU_HDR_ROOM + 512];
	uint32_t n;

	nvhi_pdu_rx_init(rx, &host_params, staging, size);
	n = nvhi_pdu_c2h_data_build(buf, &host_params, 1, 0, 4096, NVH_TCP_F_LAST);
	memset(buf + n, 0x5a, have);
	land_in_staging(rx, buf, n + have);
	CU_ASSERT_EQUAL_FATAL(nvhi_pdu_rx_next(rx), NVHI_PDU_RX_HEADER);
	CU_ASSERT_EQUAL_FATAL(rx->data_len, 4096);
}

static void the_rest_of_a_payload_is_read_straight_to_its_place(void)
{
	static uint8_t staging[1024], dest[4096];
	struct iovec to = {dest, sizeof(dest)}, win[4];
	struct nvhi_iov_cursor cursor;
	struct nvhi_pdu_rx rx;

	begin_c2h(&rx, staging, sizeof(staging), 100);
	nvhi_iov_cursor_init(&cursor, &to, 1);
	nvhi_pdu_rx_dest(&rx, &cursor);
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_MORE);
	CU_ASSERT_EQUAL(dest[99], 0x5a);
	CU_ASSERT_TRUE(nvhi_pdu_rx_midway(&rx));
	CU_ASSERT_EQUAL_FATAL(nvhi_pdu_rx_window(&rx, win, 4), 2);
	CU_ASSERT_PTR_EQUAL(win[0].iov_base, dest + 100);
	CU_ASSERT_EQUAL(win[0].iov_len, 3996);
	CU_ASSERT_PTR_EQUAL(win[1].iov_base, staging);
	CU_ASSERT_EQUAL(win[1].iov_len, sizeof(staging));
	nvhi_pdu_rx_landed(&rx, 3996);
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_DATA);
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_MORE);
	CU_ASSERT_FALSE(nvhi_pdu_rx_midway(&rx));
}

static void staging_is_not_offered_behind_a_destination_that_is_cut(void)
{
	static uint8_t staging[1024], dest[4096];
	struct iovec to[4], win[4];
	struct nvhi_iov_cursor cursor;
	struct nvhi_pdu_rx rx;

	for (int i = 0; i < 4; i++)
		to[i] = (struct iovec){dest + 1024 * i, 1024};
	begin_c2h(&rx, staging, sizeof(staging), 0);
	nvhi_iov_cursor_init(&cursor, to, 4);
	nvhi_pdu_rx_dest(&rx, &cursor);
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_MORE);
	CU_ASSERT_EQUAL_FATAL(nvhi_pdu_rx_window(&rx, win, 4), 3);
	CU_ASSERT_PTR_EQUAL(win[2].iov_base, dest + 2048);
	nvhi_pdu_rx_landed(&rx, 3072);
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_MORE);
	CU_ASSERT_EQUAL_FATAL(nvhi_pdu_rx_window(&rx, win, 4), 2);
	CU_ASSERT_PTR_EQUAL(win[0].iov_base, dest + 3072);
	CU_ASSERT_PTR_EQUAL(win[1].iov_base, staging);
}

static void a_payload_discarded_midway_no_longer_touches_its_destination(void)
{
	static uint8_t staging[1024], dest[4096];
	struct iovec to = {dest, sizeof(dest)}, win[4];
	struct nvhi_iov_cursor cursor;
	struct nvhi_pdu_rx rx;
	size_t left = 4096 - 10;

	memset(dest, 0, sizeof(dest));
	begin_c2h(&rx, staging, sizeof(staging), 10);
	nvhi_iov_cursor_init(&cursor, &to, 1);
	nvhi_pdu_rx_dest(&rx, &cursor);
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_MORE);
	nvhi_pdu_rx_discard(&rx);
	while (left) {
		size_t n;

		CU_ASSERT_EQUAL_FATAL(nvhi_pdu_rx_window(&rx, win, 4), 1);
		n = win[0].iov_len < left ? win[0].iov_len : left;
		memset(win[0].iov_base, 0x77, n);
		nvhi_pdu_rx_landed(&rx, n);
		left -= n;
		CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), left ? NVHI_PDU_RX_MORE : NVHI_PDU_RX_DATA);
	}
	CU_ASSERT_EQUAL(dest[9], 0x5a);
	CU_ASSERT_EQUAL(dest[10], 0);
	CU_ASSERT_EQUAL(dest[4095], 0);
}

static void an_error_is_final(void)
{
	static const uint8_t junk[8] = {0x55, 1, 2, 3, 4, 5, 6, 7};
	uint8_t staging[256], term[NVHI_PDU_TERM_ROOM];
	const struct nvh_tcp_term_req *req = (const struct nvh_tcp_term_req *)term;
	struct nvhi_pdu_rx rx;
	char text[128];

	nvhi_pdu_rx_init(&rx, &host_params, staging, sizeof(staging));
	land_in_staging(&rx, junk, sizeof(junk));
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_ERROR);
	CU_ASSERT_EQUAL(nvhi_pdu_rx_next(&rx), NVHI_PDU_RX_ERROR);
	CU_ASSERT_STRING_EQUAL(nvhi_pdu_error_text(&rx.error, text, sizeof(text)),
			       "PDU type 85 does not exist (invalid PDU header field, FEI 0)");
	CU_ASSERT_EQUAL(nvhi_pdu_term_build(term, &host_params, &rx.error, rx.hdr, rx.hdr_len), 32);
	CU_ASSERT_EQUAL(req->ch.type, NVH_TCP_H2C_TERM_REQ);
	CU_ASSERT_EQUAL(nvh_le16_get(req->fes), NVH_TCP_FES_HDR_FIELD);
	CU_ASSERT_EQUAL(memcmp(req + 1, junk, sizeof(junk)), 0);
}

NVH_UNIT_MAIN("fabric/tcp/pdu_rx", NVH_TEST(every_golden_stream_decodes_whole),
	      NVH_TEST(every_golden_stream_decodes_split_at_every_byte),
	      NVH_TEST(every_golden_stream_decodes_byte_by_byte),
	      NVH_TEST(digests_are_checked_of_discarded_payload_too),
	      NVH_TEST(a_payload_whole_in_staging_can_be_borrowed),
	      NVH_TEST(the_rest_of_a_payload_is_read_straight_to_its_place),
	      NVH_TEST(staging_is_not_offered_behind_a_destination_that_is_cut),
	      NVH_TEST(a_payload_discarded_midway_no_longer_touches_its_destination),
	      NVH_TEST(an_error_is_final))
