/*
 * fabric/tcp: commands and their data, both ways, as a well-behaved controller answers them.
 */
#include <errno.h>
#include <stdlib.h>
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

static void a_small_write_travels_in_its_capsule(void)
{
	struct fake_req w;
	struct tq_pdu pdu;

	tq_live(&io);
	tq_fill(buf, 4096, 2);
	tq_write(&w, buf, 4096);
	tq_submit(&w);
	tq_run();
	CU_ASSERT(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.type, 0x04);
	CU_ASSERT_EQUAL(pdu.data_len, 4096);
	CU_ASSERT(pdu.data && tq_filled(pdu.data, 4096, 2));
	CU_ASSERT_EQUAL(pdu.hdr[8 + 24 + 15], 0x01); /* SGL: data block, offset */
	CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 8 + 24 + 8), 4096);
	tq_put_cpl(tq_le16(pdu.hdr + 10), 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 1);
	CU_ASSERT_EQUAL(w.req.transferred, 4096);
	tq_destroy();
}

static void a_large_write_waits_for_its_r2t(void)
{
	struct fake_req w;
	struct tq_pdu pdu;
	uint16_t cid;

	tq_live(&io);
	tq_fill(buf, 65536, 3);
	tq_write(&w, buf, 65536);
	tq_submit(&w);
	tq_run();
	CU_ASSERT(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.data_len, 0);
	CU_ASSERT_EQUAL(pdu.hdr[8 + 24 + 15], 0x5a); /* SGL: transport data block */
	cid = tq_le16(pdu.hdr + 10);
	CU_ASSERT_FALSE(tq_next(&pdu));
	tq_put_r2t(cid, 0x1234, 0, 65536);
	tq_run();
	CU_ASSERT(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.type, 0x06);
	CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8), cid);
	CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 10), 0x1234);
	CU_ASSERT_EQUAL(pdu.data_len, 65536);
	CU_ASSERT(pdu.data && tq_filled(pdu.data, 65536, 3));
	CU_ASSERT_EQUAL(pdu.flags & LAST, LAST);
	tq_put_cpl(cid, 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 1);
	tq_destroy();
}

/* ---- reads ------------------------------------------------------------------------------- */

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

/* ---- writes ------------------------------------------------------------------------------ */

/* What the H2CData PDUs carry for `cid`, checked and put together in `want`; how many there were.
 */
static int gather_h2c(uint16_t cid, uint32_t from, uint32_t len, uint32_t max, uint16_t ttag)
{
	uint32_t at = from;
	struct tq_pdu pdu;
	int count = 0;

	while (at < from + len && tq_next(&pdu)) {
		CU_ASSERT_EQUAL(pdu.type, 0x06);
		CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8), cid);
		CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 10), ttag);
		CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 12), at);
		CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 16), pdu.data_len);
		CU_ASSERT(pdu.data_len <= max);
		memcpy(want + at, pdu.data, pdu.data_len);
		at += pdu.data_len;
		CU_ASSERT_EQUAL(!!(pdu.flags & LAST), at == from + len);
		count++;
	}
	CU_ASSERT_EQUAL(at, from + len);
	return count;
}

static void data_for_an_r2t_comes_in_pieces_of_maxh2cdata(void)
{
	for (int both = 0; both < 2; both++) {
		struct tq_opts opts = {
			.qid = 1, .hdr_digest = both, .data_digest = both, .disable_sqflow = true};
		struct fake_req w;
		uint16_t cid;

		tq_live(&opts);
		tq_fill(buf, 1 << 20, 4);
		tq_write(&w, buf, 1 << 20);
		tq_pieces(&w, 16500);
		tq_submit(&w);
		tq_run();
		cid = tq_next_cid();
		tq_put_r2t(cid, 77, 0, 400000);
		tq_run();
		CU_ASSERT_EQUAL(gather_h2c(cid, 0, 400000, 131072, 77), 4);
		tq_put_r2t(cid, 78, 400000, (1 << 20) - 400000);
		tq_run();
		CU_ASSERT_EQUAL(gather_h2c(cid, 400000, (1 << 20) - 400000, 131072, 78), 5);
		CU_ASSERT(tq_filled(want, 1 << 20, 4));
		tq_put_cpl(cid, 0, 0, 0);
		tq_run();
		CU_ASSERT_EQUAL(w.done, 1);
		CU_ASSERT_EQUAL(w.req.transferred, 1 << 20);
		tq_destroy();
	}
}

static void sixteen_r2ts_may_be_outstanding(void)
{
	struct fake_req w;
	uint16_t cid;

	tq_live(&(struct tq_opts){.qid = 1, .disable_sqflow = true, .maxr2t = 16});
	tq_fill(buf, 65536, 8);
	tq_write(&w, buf, 65536);
	tq_submit(&w);
	tq_run();
	cid = tq_next_cid();
	for (uint32_t i = 0; i < 16; i++)
		tq_put_r2t(cid, (uint16_t)i, i * 4096, 4096);
	tq_run();
	for (uint32_t i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(gather_h2c(cid, i * 4096, 4096, 131072, (uint16_t)i), 1);
	CU_ASSERT(tq_filled(want, 65536, 8));
	tq_put_cpl(cid, 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 1);
	tq_destroy();
}

/* A stream that takes a few bytes at a time: all arrives, in order, and nothing is lost. */
static void a_narrow_wire_is_resumed_at_the_byte(bool digests, size_t room)
{
	struct tq_opts opts = {.qid = 1,
			       .maxr2t = 2,
			       .hdr_digest = digests,
			       .data_digest = digests,
			       .disable_sqflow = true};
	static struct fake_req w[6];
	uint16_t cids[6];
	int turns = 0;

	tq_live(&opts);
	tq.wire.room = 0;
	for (uint32_t i = 0; i < 6; i++) {
		tq_fill(buf + i * 65536, 20000, i);
		tq_write(&w[i], buf + i * 65536, i % 2 ? 5000 : 20000);
		tq_pieces(&w[i], 999);
		tq_submit(&w[i]);
	}
	tq_run();
	CU_ASSERT(tq.wire.wanted & NVHI_WRITABLE);
	while (tq.wire.wanted & NVHI_WRITABLE) {
		CU_ASSERT_FATAL(turns++ < 100000);
		tq.wire.room = room;
		tq_run();
	}
	for (int i = 0; i < 6; i++) {
		struct tq_pdu pdu;

		CU_ASSERT_FATAL(tq_next(&pdu));
		cids[i] = tq_le16(pdu.hdr + 10);
		CU_ASSERT_EQUAL(pdu.data_len, i % 2 ? 5000 : 0);
		if (i % 2)
			CU_ASSERT(tq_filled(pdu.data, 5000, (uint32_t)i));
	}
	for (int i = 0; i < 6; i += 2) {
		tq_put_r2t(cids[i], 1, 0, 12000);
		tq_put_r2t(cids[i], 2, 12000, 8000);
	}
	do {
		tq.wire.room = room;
		tq_run();
	} while (tq.wire.wanted & NVHI_WRITABLE);
	tq.wire.room = SIZE_MAX;
	tq_run();
	for (int i = 0; i < 6; i += 2)
		gather_h2c(cids[i], 0, 12000, 12000, 1);
	for (int i = 0; i < 6; i += 2) {
		gather_h2c(cids[i], 12000, 8000, 8000, 2);
		CU_ASSERT(tq_filled(want + 12000, 8000, (uint32_t)i + 12000));
	}
	for (int i = 0; i < 6; i++)
		tq_put_cpl(cids[i], 0, 0, 0);
	tq_run();
	for (int i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(w[i].done, 1);
	tq_destroy();
}

static void partial_sends_are_resumed(void)
{
	static const size_t rooms[] = {1, 7, 72, 73, 4096, 5071};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(rooms); i++) {
		a_narrow_wire_is_resumed_at_the_byte(false, rooms[i]);
		a_narrow_wire_is_resumed_at_the_byte(true, rooms[i]);
	}
}

static void writable_is_wanted_only_while_blocked(void)
{
	struct fake_req w;

	tq_live(&io);
	CU_ASSERT_EQUAL(tq.wire.wanted, NVHI_READABLE);
	tq.wire.room = 10;
	tq_write(&w, buf, 512);
	tq_submit(&w);
	tq_run();
	CU_ASSERT_EQUAL(tq.wire.wanted, NVHI_READABLE | NVHI_WRITABLE);
	tq.wire.room = SIZE_MAX;
	tq_run();
	CU_ASSERT_EQUAL(tq.wire.wanted, NVHI_READABLE);
	tq_put_cpl(tq_next_cid(), 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 1);
	tq_destroy();
}

static void data_is_aligned_as_the_controller_asked(void)
{
	struct fake_req w;
	struct tq_pdu pdu;

	tq_create(&io);
	nvhi_transport_tcp.qpair_connect(tq.qpair);
	tq.wire.open_due = true;
	tq_run();
	tq.wire.out_at = 128;
	tq_put_icresp(0, 15, 8192); /* 64 bytes */
	tq_run();
	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.hdr[3], 128);
	tq_put_cpl(tq_le16(pdu.hdr + 10), 0, 7, 0xffff);
	tq_run();
	tq_fill(buf, 16384, 1);
	tq_write(&w, buf, 16384);
	tq_submit(&w);
	tq_run();
	tq_put_r2t(tq_next_cid(), 9, 0, 16384);
	tq_run();
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_FATAL(tq_next(&pdu));
		CU_ASSERT_EQUAL(pdu.hdr[3], 64);
		CU_ASSERT_EQUAL(pdu.plen, 64 + 8192);
		CU_ASSERT(tq_filled(pdu.data, 8192, 1 + 8192 * (uint32_t)i));
	}
	tq_destroy();
}

static void in_capsule_data_obeys_ioccsz(void)
{
	static const struct {
		uint16_t qid;
		uint32_t ioccsz, len;
		uint16_t icdoff;
		bool inside;
	} cases[] = {
		{1, 8192, 8192, 0, true}, {1, 8192, 8196, 0, false}, {1, 0, 512, 0, false},
		{1, 4096, 4096, 0, true}, {1, 8192, 512, 16, false}, {0, 0, 8192, 0, true},
		{0, 0, 8196, 0, false},
	};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct fake_req w;
		struct tq_pdu pdu;

		tq_live(&(struct tq_opts){.qid = cases[i].qid, .disable_sqflow = true});
		tq.tctrlr->ioccsz = cases[i].ioccsz;
		tq.tctrlr->icdoff = cases[i].icdoff;
		tq_write(&w, buf, cases[i].len);
		tq_submit(&w);
		tq_run();
		CU_ASSERT_FATAL(tq_next(&pdu));
		CU_ASSERT_EQUAL(pdu.data_len, cases[i].inside ? cases[i].len : 0);
		CU_ASSERT_EQUAL(pdu.hdr[8 + 39], cases[i].inside ? 0x01 : 0x5a);
		tq_destroy();
	}
}

static void a_direction_without_bytes_is_no_data(void)
{
	static const enum nvhi_dir dirs[] = {NVHI_DIR_TO_CTRLR, NVHI_DIR_TO_HOST};

	for (int i = 0; i < 2; i++) { /* Set Features is "to the controller" by its opcode */
		struct fake_req r;
		struct tq_pdu pdu;

		tq_live(&(struct tq_opts){.qid = 0, .entries = 32, .disable_sqflow = true});
		tq_flush(&r);
		r.req.dir = (uint8_t)dirs[i];
		tq_submit(&r);
		tq_run();
		CU_ASSERT_FATAL(tq_next(&pdu));
		CU_ASSERT_EQUAL(pdu.plen, 72);
		CU_ASSERT_EQUAL(pdu.hdr[8 + 39], 0x5a);
		CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 8 + 32), 0);
		tq_put_cpl(tq_le16(pdu.hdr + 10), 0, 0, 0);
		tq_run();
		CU_ASSERT_EQUAL(r.done, 1);
		CU_ASSERT_EQUAL(r.req.transferred, 0);
		tq_destroy();
	}
}

/* ---- the batch --------------------------------------------------------------------------- */

static void all_that_one_turn_queued_leaves_in_one_send(void)
{
	static struct fake_req r[127];
	unsigned int writes;

	tq_live(&io);
	writes = tq.wire.writes;
	for (int i = 0; i < 127; i++) {
		if (i % 3)
			tq_read(&r[i], buf, 4096);
		else
			tq_write(&r[i], buf, 4096);
		tq_submit(&r[i]);
	}
	CU_ASSERT_EQUAL(tq.wire.writes, writes); /* nothing leaves inside submit */
	tq_run();
	CU_ASSERT_EQUAL(tq.wire.writes, writes + 1);
	for (int i = 0; i < 127; i++)
		tq_next_cid();
	tq_destroy();
}

static void more_pieces_than_a_sendmsg_takes_still_leave(void)
{
	static struct fake_req w[100];

	tq_live(&io);
	for (uint32_t i = 0; i < 100; i++) {
		tq_fill(buf + 8192 * i, 8192, i);
		tq_write(&w[i], buf + 8192 * i, 8192);
		tq_pieces(&w[i], 129);
		tq_submit(&w[i]);
	}
	tq_run();
	for (uint32_t i = 0; i < 100; i++) {
		struct tq_pdu pdu;

		CU_ASSERT_FATAL(tq_next(&pdu));
		CU_ASSERT(tq_filled(pdu.data, 8192, i));
	}
	tq_destroy();
}

static void a_full_queue_says_so_and_takes_again_after_a_completion(void)
{
	static struct fake_req r[32];
	uint16_t first;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 32, .disable_sqflow = true});
	CU_ASSERT_EQUAL(tq.qpair->depth, 31);
	for (int i = 0; i < 32; i++)
		tq_flush(&r[i]);
	for (int i = 0; i < 31; i++)
		tq_submit(&r[i]);
	CU_ASSERT_EQUAL(tq.qpair->inflight, 31);
	CU_ASSERT_EQUAL(nvhi_transport_tcp.submit(tq.qpair, &r[31].req), -EAGAIN);
	tq_run();
	first = tq_next_cid();
	tq_put_cpl(first, 0, 0, 0);
	tq_run();
	tq_submit(&r[31]);
	tq_destroy();
	CU_ASSERT_EQUAL(r[0].done, 1);
	CU_ASSERT_EQUAL(r[31].err, -ECANCELED);
}

static void io_queues_are_polled_only_while_commands_are_outstanding(void)
{
	struct fake_req r;

	tq_live(&io);
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_READABLE);
	CU_ASSERT_FALSE(tq.wire.eager);
	tq_flush(&r);
	tq_submit(&r);
	CU_ASSERT(tq.wire.eager);
	tq_run();
	tq_put_cpl(tq_next_cid(), 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	/* the reactor's next guess finds nothing */
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_READABLE);
	CU_ASSERT_FALSE(tq.wire.eager);
	tq_destroy();
}

static void submit_again(struct fake_req *freq)
{
	if (freq->done < 1000)
		CU_ASSERT_EQUAL(nvhi_transport_tcp.submit(tq.qpair, &freq->req), 0);
}

static void a_slot_never_repeats_a_cid_at_once_and_never_uses_ffff(void)
{
	struct fake_req r;
	uint16_t last = 0xffff;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 2, .disable_sqflow = true});
	tq_flush(&r);
	r.then = submit_again;
	tq_submit(&r);
	for (int i = 0; i < 1000; i++) {
		uint16_t cid;

		tq_run();
		cid = tq_next_cid();
		CU_ASSERT_NOT_EQUAL(cid, last);
		CU_ASSERT_NOT_EQUAL(cid, 0xffff);
		last = cid;
		tq_put_cpl(cid, 0, 0, 0);
	}
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1000);
	tq_destroy();
}

/* ---- an answer that overtakes our data --------------------------------------------------- */

static void an_early_error_waits_for_the_bytes_on_the_wire(void)
{
	struct fake_req w;
	struct tq_pdu pdu;
	uint16_t cid;

	tq_live(&(struct tq_opts){.qid = 1, .disable_sqflow = true, .maxr2t = 2});
	tq_fill(buf, 65536, 6);
	tq_write(&w, buf, 65536);
	tq_submit(&w);
	tq_run();
	cid = tq_next_cid();
	tq.wire.room = 1000;
	tq_put_r2t(cid, 1, 0, 32768);
	tq_run();
	tq_put_r2t(cid, 2, 32768, 32768);
	tq_put_cpl(cid, 0x0280, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 0); /* the caller's memory is still being sent */
	tq.wire.room = SIZE_MAX;
	tq_run();
	CU_ASSERT_EQUAL(w.done, 1);
	CU_ASSERT_EQUAL(nvh_cpl_code(&w.cpl), NVH_ST_WRITE_FAULT);
	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.data_len, 32768);
	CU_ASSERT(tq_filled(pdu.data, 32768, 6));
	CU_ASSERT_FALSE(tq_next(&pdu)); /* the second R2T is void */
	CU_ASSERT_EQUAL(tq.lost, 0);
	tq_destroy();
}

static void a_held_answer_is_given_back_by_revoke(void)
{
	struct fake_req w;
	uint16_t cid;

	tq_live(&io);
	tq_write(&w, buf, 65536);
	tq_submit(&w);
	tq_run();
	cid = tq_next_cid();
	tq.wire.room = 1000;
	tq_put_r2t(cid, 1, 0, 65536);
	tq_run();
	tq_put_cpl(cid, 0x0280, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 0);
	tq_put_cpl(cid, 0x0280, 0, 0); /* and once more: that is an error */
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	tq_destroy();
	CU_ASSERT_EQUAL(w.done, 1);
	CU_ASSERT_EQUAL(w.err, -EPROTO);
}

/* ---- SQ flow control --------------------------------------------------------------------- */

static void the_head_pointer_is_followed_around_the_ring(void)
{
	struct fake_req r;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 4});
	for (uint16_t i = 2; i < 30; i++) {
		tq_flush(&r);
		tq_submit(&r);
		tq_run();
		tq_put_cpl(tq_next_cid(), 0, 0, i % 4);
		tq_run();
		CU_ASSERT_EQUAL(r.done, 1);
	}
	CU_ASSERT_EQUAL(tq.lost, 0);
	tq_destroy();
}

static void a_head_pointer_that_lags_is_no_error(void)
{
	struct fake_req r;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 4});
	for (int i = 0; i < 30; i++) {
		tq_flush(&r);
		tq_submit(&r);
		tq_run();
		tq_put_cpl(tq_next_cid(), 0, 0, 1);
		tq_run();
		CU_ASSERT_EQUAL(r.done, 1);
	}
	tq_destroy();
}

static void a_head_pointer_that_comes_late_is_no_error(void)
{
	static const uint16_t order[] = {3, 2, 5, 4, 6, 1, 7};
	struct fake_req r[7];

	tq_live(&(struct tq_opts){.qid = 1, .entries = 32});
	for (int i = 0; i < 7; i++) {
		tq_flush(&r[i]);
		tq_submit(&r[i]);
	}
	tq_run();
	for (int i = 0; i < 7; i++)
		tq_put_cpl(tq_next_cid(), 0, 0, order[i]);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 0);
	CU_ASSERT_EQUAL(tq.qpair->inflight, 0);
	tq_destroy();
}

/* ---- registers --------------------------------------------------------------------------- */

static int reg_calls, reg_err;
static unsigned int reg_code;

static void reg_done(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	(void)op;
	reg_calls++;
	reg_err = err;
	reg_code = cpl ? nvh_cpl_code(cpl) : 0;
}

static void registers_travel_as_property_commands(void)
{
	struct nvhi_reg_op op = {.offset = 0, .size = 8, .done = reg_done};
	struct tq_pdu pdu;
	uint8_t hdr[24] = {0x05, 0, 24, 0, 24, 0, 0, 0, 0xff, 3, 1, 0x14, 0x20};

	reg_calls = 0;
	tq_live(&(struct tq_opts){.qid = 0, .entries = 32, .disable_sqflow = true});
	nvhi_transport_tcp.reg_get(tq.qpair, &op);
	tq_run();
	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.hdr[8 + 4], 0x04);
	CU_ASSERT_EQUAL(pdu.hdr[8 + 40], 1);
	CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 8 + 44), 0);
	CU_ASSERT_EQUAL(pdu.hdr[8 + 39], 0); /* reserved where others have SGL1 */
	memcpy(hdr + 20, pdu.hdr + 10, 2);
	tq_put(hdr, sizeof(hdr));
	tq_run();
	CU_ASSERT_EQUAL(reg_calls, 1);
	CU_ASSERT_EQUAL(op.value, 0x20140103ffull);

	op = (struct nvhi_reg_op){.offset = 0x14, .size = 4, .value = 0x460001, .done = reg_done};
	nvhi_transport_tcp.reg_set(tq.qpair, &op);
	tq_run();
	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.hdr[8 + 4], 0x00);
	CU_ASSERT_EQUAL(pdu.hdr[8 + 40], 0);
	CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 8 + 44), 0x14);
	CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 8 + 48), 0x460001);
	tq_put_cpl(tq_le16(pdu.hdr + 10), 0x4002, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(reg_calls, 2);
	CU_ASSERT_EQUAL(reg_code, NVH_ST_INVALID_FIELD);
	tq_destroy();
}

static void a_register_access_that_cannot_be_sent_is_told_later(void)
{
	struct nvhi_reg_op op = {.offset = 0x1c, .size = 4, .done = reg_done};

	reg_calls = 0;
	tq_create(&(struct tq_opts){.qid = 0, .entries = 32});
	nvhi_transport_tcp.reg_get(tq.qpair, &op);
	CU_ASSERT_EQUAL(reg_calls, 0);
	tq_run();
	CU_ASSERT_EQUAL(reg_calls, 1);
	CU_ASSERT_EQUAL(reg_err, -ENOTCONN);
	tq_destroy();
}

NVH_UNIT_MAIN("fabric/tcp data", NVH_TEST(a_read_lands_in_the_callers_buffer),
	      NVH_TEST(a_small_write_travels_in_its_capsule),
	      NVH_TEST(a_large_write_waits_for_its_r2t),
	      NVH_TEST(success_on_the_last_data_completes_the_command),
	      NVH_TEST(every_cut_without_digests), NVH_TEST(every_cut_with_header_digests),
	      NVH_TEST(every_cut_with_both_digests),
	      NVH_TEST(interleaved_data_of_many_reads_finds_its_way),
	      NVH_TEST(large_payloads_are_read_straight_into_place),
	      NVH_TEST(an_error_without_data_is_an_answer),
	      NVH_TEST(fewer_bytes_are_good_where_the_caller_says_so),
	      NVH_TEST(a_wrong_data_digest_fails_the_command_and_nothing_else),
	      NVH_TEST(the_next_command_in_the_slot_does_not_inherit_a_bad_digest),
	      NVH_TEST(data_for_an_r2t_comes_in_pieces_of_maxh2cdata),
	      NVH_TEST(sixteen_r2ts_may_be_outstanding), NVH_TEST(partial_sends_are_resumed),
	      NVH_TEST(writable_is_wanted_only_while_blocked),
	      NVH_TEST(data_is_aligned_as_the_controller_asked),
	      NVH_TEST(in_capsule_data_obeys_ioccsz),
	      NVH_TEST(a_direction_without_bytes_is_no_data),
	      NVH_TEST(all_that_one_turn_queued_leaves_in_one_send),
	      NVH_TEST(more_pieces_than_a_sendmsg_takes_still_leave),
	      NVH_TEST(a_full_queue_says_so_and_takes_again_after_a_completion),
	      NVH_TEST(io_queues_are_polled_only_while_commands_are_outstanding),
	      NVH_TEST(a_slot_never_repeats_a_cid_at_once_and_never_uses_ffff),
	      NVH_TEST(an_early_error_waits_for_the_bytes_on_the_wire),
	      NVH_TEST(a_held_answer_is_given_back_by_revoke),
	      NVH_TEST(the_head_pointer_is_followed_around_the_ring),
	      NVH_TEST(a_head_pointer_that_lags_is_no_error),
	      NVH_TEST(a_head_pointer_that_comes_late_is_no_error),
	      NVH_TEST(registers_travel_as_property_commands),
	      NVH_TEST(a_register_access_that_cannot_be_sent_is_told_later))
