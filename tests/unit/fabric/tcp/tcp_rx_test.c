/*
 * fabric/tcp: reads, as a well-behaved controller answers them, cut in every way.
 */
#include <errno.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

#define LAST    0x04
#define SUCCESS 0x08

static const struct tq_opts io = {.qid = 1, .disable_sqflow = true};
static uint8_t buf[1 << 20], want[1 << 20];

static void a_read_lands_in_the_callers_buffer(void)
{
	struct fake_req r;
	uint16_t cid;

	tq_live(&io);
	tq_read(&r, buf, 4096);
	tq_submit(&r);
	tq_run();
	cid = tq_next_cid();
	tq_fill(want, 4096, 1);
	tq_put_c2h(cid, 0, want, 4096, LAST);
	tq_put_cpl(cid, 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(r.err, 0);
	CU_ASSERT_EQUAL(nvh_cpl_status(&r.cpl), 0);
	CU_ASSERT_EQUAL(r.req.transferred, 4096);
	CU_ASSERT(tq_filled(buf, 4096, 1));
	tq_destroy();
}

/* Data PDUs of `chunk` bytes, then the completion, for a read of `len` bytes. */
static void answer_read(uint16_t cid, uint32_t len, uint32_t chunk, uint32_t seed, bool success)
{
	tq_fill(want, len, seed);
	for (uint32_t at = 0; at < len; at += chunk) {
		uint32_t n = len - at < chunk ? len - at : chunk;
		bool last = at + n == len;

		tq_put_c2h(cid, at, want + at, n,
			   last ? (uint8_t)(LAST | (success ? SUCCESS : 0)) : 0);
	}
	if (!success)
		tq_put_cpl(cid, 0, 0, 0);
}

static void success_on_the_last_data_completes_the_command(void)
{
	struct fake_req r;

	tq_live(&io);
	tq_read(&r, buf, 8192);
	tq_submit(&r);
	tq_run();
	answer_read(tq_next_cid(), 8192, 4096, 5, true);
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(nvh_cpl_status(&r.cpl), 0);
	CU_ASSERT_EQUAL(r.req.transferred, 8192);
	CU_ASSERT(tq_filled(buf, 8192, 5));
	tq_destroy();
}

/* Two reads and a flush in one stretch of bytes, cut at every place. */
static void every_cut_of_the_stream_gives_the_same(bool hdgst, bool ddgst)
{
	struct tq_opts opts = {
		.qid = 1, .disable_sqflow = true, .hdr_digest = hdgst, .data_digest = ddgst};
	size_t length = 1;

	for (size_t cut = 0; cut <= length; cut++) {
		struct fake_req a, b, f;
		uint16_t cid_a, cid_b, cid_f;
		size_t end;

		tq_live(&opts);
		memset(buf, 0, 1024);
		tq_read(&a, buf, 301 + 211);
		tq_pieces(&a, 73);
		tq_read(&b, buf + 512, 512);
		tq_flush(&f);
		tq_submit(&a);
		tq_submit(&b);
		tq_submit(&f);
		tq_run();
		cid_a = tq_next_cid();
		cid_b = tq_next_cid();
		cid_f = tq_next_cid();
		end = tq.wire.in_len;
		answer_read(cid_b, 512, 256, 7, false);
		tq_put_cpl(cid_f, 0, 0, 0);
		answer_read(cid_a, 512, 300, 9, true);
		length = tq.wire.in_len - end;
		tq.wire.step = cut ? cut : 1; /* cut 0: byte by byte */
		if (cut) {
			size_t all = tq.wire.in_len;

			tq.wire.in_len = end + cut;
			tq_run();
			tq.wire.step = SIZE_MAX;
			tq.wire.in_len = all;
		}
		tq_run();
		CU_ASSERT_EQUAL(a.done + b.done + f.done, 3);
		CU_ASSERT_EQUAL(a.err | b.err | f.err, 0);
		CU_ASSERT(tq_filled(buf, 512, 9));
		CU_ASSERT(tq_filled(buf + 512, 512, 7));
		tq_destroy();
	}
}

static void every_cut_without_digests(void)
{
	every_cut_of_the_stream_gives_the_same(false, false);
}

static void every_cut_with_header_digests(void)
{
	every_cut_of_the_stream_gives_the_same(true, false);
}

static void every_cut_with_both_digests(void)
{
	every_cut_of_the_stream_gives_the_same(true, true);
}

/* Many reads at once, their data PDUs interleaved, in reads of odd sizes. */
static void interleaved_data_of_many_reads_finds_its_way(void)
{
	static const size_t steps[] = {1777, 4096, 70001, SIZE_MAX};
	static struct fake_req r[40];
	uint16_t cids[40];

	for (size_t s = 0; s < NVHI_ARRAY_SIZE(steps); s++) {
		tq_live(&io);
		for (int i = 0; i < 40; i++) {
			tq_read(&r[i], buf + i * 16384, 16384);
			tq_pieces(&r[i], 4096 - 8 * (uint32_t)i);
			tq_submit(&r[i]);
		}
		memset(buf, 0, sizeof(buf));
		tq_run();
		for (int i = 0; i < 40; i++)
			cids[i] = tq_next_cid();
		tq.wire.step = steps[s];
		for (uint32_t at = 0; at < 16384; at += 4096)
			for (int i = 39; i >= 0; i--) {
				tq_fill(want, 16384, (uint32_t)i);
				tq_put_c2h(cids[i], at, want + at, 4096, at == 12288 ? LAST : 0);
				if (at == 12288)
					tq_put_cpl(cids[i], 0, 0, 0);
			}
		tq_run();
		for (int i = 0; i < 40; i++) {
			CU_ASSERT_EQUAL(r[i].done, 1);
			CU_ASSERT(tq_filled(buf + i * 16384, 16384, (uint32_t)i));
		}
		tq_destroy();
	}
}

static void large_payloads_are_read_straight_into_place(void)
{
	struct fake_req r;
	unsigned int reads;

	tq_live(&io);
	for (int i = 0; i < 2; i++) {
		tq_read(&r, buf, 1 << 20);
		tq_submit(&r);
		tq_run();
		answer_read(tq_next_cid(), 1 << 20, 1 << 20, 11, true);
		reads = tq.wire.reads;
		tq_run();
		CU_ASSERT_EQUAL(r.done, 1);
		CU_ASSERT(tq_filled(buf, 1 << 20, 11));
		/* header, payload, and the look behind it */
		CU_ASSERT(tq.wire.reads - reads <= 3);
	}
	tq_destroy();
}

static void an_error_without_data_is_an_answer(void)
{
	struct fake_req r;

	tq_live(&io);
	tq_read(&r, buf, 4096);
	tq_submit(&r);
	tq_run();
	tq_put_cpl(tq_next_cid(), 0x4281, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(r.err, 0);
	CU_ASSERT_EQUAL(nvh_cpl_code(&r.cpl), NVH_ST_READ_ERROR);
	CU_ASSERT(nvh_cpl_dnr(&r.cpl));
	CU_ASSERT_EQUAL(r.req.transferred, 0);
	CU_ASSERT_EQUAL(tq.lost, 0);
	tq_destroy();
}

static void fewer_bytes_are_good_where_the_caller_says_so(void)
{
	struct fake_req r;
	uint16_t cid;

	tq_live(&io);
	tq_read(&r, buf, 4096);
	r.req.short_ok = true;
	tq_submit(&r);
	tq_run();
	cid = tq_next_cid();
	tq_put_c2h(cid, 0, want, 100, LAST);
	tq_put_cpl(cid, 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(r.err, 0);
	CU_ASSERT_EQUAL(r.req.transferred, 100);
	tq_destroy();
}

static void a_wrong_data_digest_fails_the_command_and_nothing_else(void)
{
	static const struct tq_opts ddgst = {.qid = 1, .disable_sqflow = true, .data_digest = true};
	struct fake_req r, f;

	for (int success = 0; success < 2; success++) {
		tq_live(&ddgst);
		tq_read(&r, buf, 4096);
		tq_flush(&f);
		tq_submit(&r);
		tq_submit(&f);
		tq_run();
		answer_read(tq_next_cid(), 4096, 2048, 1, success);
		tq.wire.in[tq.wire.in_at + 24 + 100] ^= 1; /* in the first of two PDUs */
		tq_put_cpl(tq_next_cid(), 0, 0, 0);
		tq_run();
		CU_ASSERT_EQUAL(r.done, 1);
		CU_ASSERT_EQUAL(r.err, 0);
		CU_ASSERT_EQUAL(nvh_cpl_code(&r.cpl), NVH_ST_TRANSIENT_TRANSPORT);
		CU_ASSERT_FALSE(nvh_cpl_dnr(&r.cpl));
		CU_ASSERT_EQUAL(f.done, 1);
		CU_ASSERT_EQUAL(nvh_cpl_status(&f.cpl), 0);
		CU_ASSERT_EQUAL(tq.lost, 0);
		CU_ASSERT_EQUAL(tq.log_lines, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(tq.log, "data digest wrong"));
		tq_destroy();
	}
}

static void the_next_command_in_the_slot_does_not_inherit_a_bad_digest(void)
{
	static const struct tq_opts ddgst = {
		.qid = 1, .entries = 2, .disable_sqflow = true, .data_digest = true};
	struct fake_req r;

	tq_live(&ddgst);
	for (int i = 0; i < 2; i++) {
		tq_read(&r, buf, 4096);
		tq_submit(&r);
		tq_run();
		answer_read(tq_next_cid(), 4096, 4096, 1, true);
		tq.wire.in[tq.wire.in_at + 30] ^= i == 0;
		tq_run();
		CU_ASSERT_EQUAL(nvh_cpl_code(&r.cpl), i == 0 ? NVH_ST_TRANSIENT_TRANSPORT : 0);
	}
	tq_destroy();
}

NVH_UNIT_MAIN("fabric/tcp rx", NVH_TEST(a_read_lands_in_the_callers_buffer),
	      NVH_TEST(success_on_the_last_data_completes_the_command),
	      NVH_TEST(every_cut_without_digests), NVH_TEST(every_cut_with_header_digests),
	      NVH_TEST(every_cut_with_both_digests),
	      NVH_TEST(interleaved_data_of_many_reads_finds_its_way),
	      NVH_TEST(large_payloads_are_read_straight_into_place),
	      NVH_TEST(an_error_without_data_is_an_answer),
	      NVH_TEST(fewer_bytes_are_good_where_the_caller_says_so),
	      NVH_TEST(a_wrong_data_digest_fails_the_command_and_nothing_else),
	      NVH_TEST(the_next_command_in_the_slot_does_not_inherit_a_bad_digest))
