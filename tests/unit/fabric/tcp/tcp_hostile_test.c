/*
 * fabric/tcp: a controller that lies. Whatever it sends ends this connection at most, with one log
 * line that names the field and a TermReq; nothing is believed, nothing is touched, nothing leaks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

#define LAST      0x04
#define SUCCESS   0x08
#define READ_LEN  8192u
#define WRITE_LEN 65536u
#define MAXR2T    4

/* What is outstanding when the controller begins to lie. */
static struct fake_req rd, wr, icw, fl;
static uint16_t rd_cid, wr_cid, icw_cid, fl_cid;
static uint8_t rd_buf[READ_LEN + 64], wr_buf[WRITE_LEN], junk[WRITE_LEN];

static void outstanding(const struct tq_opts *opts)
{
	tq_live(opts);
	memset(rd_buf, 0xee, sizeof(rd_buf));
	tq_read(&rd, rd_buf, READ_LEN);
	tq_write(&wr, wr_buf, WRITE_LEN);
	tq_write(&icw, wr_buf, 4096);
	tq_flush(&fl);
	tq_submit(&rd);
	tq_submit(&wr);
	tq_submit(&icw);
	tq_submit(&fl);
	tq_run();
	rd_cid = tq_next_cid();
	wr_cid = tq_next_cid();
	icw_cid = tq_next_cid();
	fl_cid = tq_next_cid();
}

static uint16_t unknown_cid(void)
{
	return (uint16_t)(fl_cid + 1);
}

/* Raw PDU headers, for what the fixture's builders would not write. */
static void put_header(uint8_t type, uint8_t flags, uint8_t hlen, uint8_t pdo, uint32_t plen,
		       uint16_t cid, uint32_t off, uint32_t len)
{
	uint8_t hdr[24] = {type, flags, hlen, pdo};

	for (int i = 0; i < 4; i++) {
		hdr[4 + i] = (uint8_t)(plen >> (8 * i));
		hdr[12 + i] = (uint8_t)(off >> (8 * i));
		hdr[16 + i] = (uint8_t)(len >> (8 * i));
	}
	hdr[8] = (uint8_t)cid;
	hdr[9] = (uint8_t)(cid >> 8);
	tq_put(hdr, sizeof(hdr));
}

/* ---- the lies ---------------------------------------------------------------------------- */

static void response_for_a_free_cid(void)
{
	tq_put_cpl(unknown_cid(), 0, 0, 0);
}

static void response_for_a_cid_beyond_the_queue(void)
{
	tq_put_cpl(127, 0, 0, 0);
}

static void response_twice(void)
{
	tq_put_cpl(fl_cid, 0, 0, 0);
	tq_put_cpl(fl_cid, 0, 0, 0);
}

static void response_of_another_generation(void)
{
	tq_put_cpl(fl_cid ^ 0x8000, 0, 0, 0);
}

static void success_without_any_data(void)
{
	tq_put_cpl(rd_cid, 0, 0, 0);
}

static void success_with_half_the_data(void)
{
	tq_put_c2h(rd_cid, 0, junk, READ_LEN / 2, LAST);
	tq_put_cpl(rd_cid, 0, 0, 0);
}

static void success_flag_with_half_the_data(void)
{
	tq_put_c2h(rd_cid, 0, junk, READ_LEN / 2, LAST | SUCCESS);
}

static void data_for_a_free_cid(void)
{
	tq_put_c2h(unknown_cid(), 0, junk, 512, LAST);
}

static void data_for_a_write(void)
{
	tq_put_c2h(wr_cid, 0, junk, 512, LAST);
}

static void data_for_a_flush(void)
{
	tq_put_c2h(fl_cid, 0, junk, 512, LAST);
}

static void data_with_a_hole(void)
{
	tq_put_c2h(rd_cid, 0, junk, 4096, 0);
	tq_put_c2h(rd_cid, 4100, junk, 4092, LAST);
}

static void data_that_overlaps(void)
{
	tq_put_c2h(rd_cid, 0, junk, 4096, 0);
	tq_put_c2h(rd_cid, 0, junk, 4096, 0);
}

static void data_out_of_order(void)
{
	tq_put_c2h(rd_cid, 4096, junk, 4096, LAST);
}

static void data_past_the_end(void)
{
	tq_put_c2h(rd_cid, 0, junk, READ_LEN + 4, LAST);
}

static void data_behind_the_last(void)
{
	tq_put_c2h(rd_cid, 0, junk, 4096, LAST);
	tq_put_c2h(rd_cid, 4096, junk, 4096, LAST);
}

static void data_of_length_zero(void)
{
	put_header(0x07, 0, 24, 24, 24, rd_cid, 0, 0);
}

static void data_of_endless_length(void)
{
	put_header(0x07, 0, 24, 24, 0xffffffff, rd_cid, 0, 4096);
	tq_put(junk, 4096);
}

static void data_longer_than_it_says(void)
{
	put_header(0x07, LAST, 24, 24, 24 + 4096, rd_cid, 0, 2048);
	tq_put(junk, 4096);
}

static void data_offset_255(void)
{
	put_header(0x07, LAST, 24, 255, 24 + 4096, rd_cid, 0, 4096);
	tq_put(junk, 4096);
}

static void data_offset_in_the_header(void)
{
	put_header(0x07, LAST, 24, 8, 24 + 4096, rd_cid, 0, 4096);
	tq_put(junk, 4096);
}

static void data_header_too_long(void)
{
	put_header(0x07, LAST, 72, 72, 72 + 4096, rd_cid, 0, 4096);
	tq_put(junk, 8192);
}

static void pdu_shorter_than_its_header(void)
{
	put_header(0x07, LAST, 24, 24, 23, rd_cid, 0, 4096);
}

static void pdu_of_length_zero(void)
{
	put_header(0x05, 0, 24, 0, 0, 0, 0, 0);
}

static void success_flag_without_last(void)
{
	tq_put_c2h(rd_cid, 0, junk, READ_LEN, SUCCESS);
}

static void a_digest_flag_never_agreed(void)
{
	put_header(0x05, 1, 24, 0, 24, fl_cid, 0, 0);
}

static void r2t_for_a_read(void)
{
	tq_put_r2t(rd_cid, 1, 0, 4096);
}

static void r2t_for_a_flush(void)
{
	tq_put_r2t(fl_cid, 1, 0, 4096);
}

static void r2t_for_in_capsule_data(void)
{
	tq_put_r2t(icw_cid, 1, 0, 4096);
}

static void r2t_for_a_free_cid(void)
{
	tq_put_r2t(unknown_cid(), 1, 0, 4096);
}

static void r2t_of_length_zero(void)
{
	tq_put_r2t(wr_cid, 1, 0, 0);
}

static void r2t_past_the_end(void)
{
	tq_put_r2t(wr_cid, 1, 0, WRITE_LEN + 4);
}

static void r2t_far_past_the_end(void)
{
	tq_put_r2t(wr_cid, 1, 0, 4096);
	tq_put_r2t(wr_cid, 1, 4096, 0xffffe000);
}

static void r2t_with_a_gap(void)
{
	tq_put_r2t(wr_cid, 1, 4096, 4096);
}

static void r2t_that_overlaps(void)
{
	tq_put_r2t(wr_cid, 1, 0, 4096);
	tq_put_r2t(wr_cid, 2, 0, 4096);
}

static void r2ts_beyond_the_limit(void)
{
	for (uint32_t i = 0; i < MAXR2T + 1; i++)
		tq_put_r2t(wr_cid, (uint16_t)i, i * 512, 512);
}

static void write_success_before_its_data(void)
{
	tq_put_cpl(wr_cid, 0, 0, 0);
}

static void write_success_with_an_r2t_open(void)
{
	tq_put_r2t(wr_cid, 1, 0, WRITE_LEN);
	tq_put_cpl(wr_cid, 0, 0, 0);
}

static void a_command_for_a_host(void)
{
	put_header(0x04, 0, 72, 0, 72, 0, 0, 0);
	tq_put(junk, 48);
}

static void h2c_data_for_a_host(void)
{
	put_header(0x06, LAST, 24, 24, 24 + 512, rd_cid, 0, 512);
}

static void the_type_that_does_not_exist(void)
{
	put_header(0x08, 0, 24, 0, 24, 0, 0, 0);
}

static void type_255(void)
{
	memset(junk, 0xff, sizeof(junk));
	tq_put(junk, sizeof(junk));
	memset(junk, 0, sizeof(junk));
}

static void zeroes_without_end(void)
{
	tq_put(junk, sizeof(junk));
}

static void a_termreq_too_long(void)
{
	put_header(0x03, 0, 24, 0, 24 + 153, 1, 0, 0);
}

struct lie {
	const char *name;
	void (*tell)(void);
	const char *field;
	uint8_t fes;
};
#define LIE(fn, field, fes)                                                                        \
	{                                                                                          \
#fn, fn, field, fes                                                                \
	}
static const struct lie lies[] = {
	LIE(response_for_a_free_cid, "CapsuleResp: CID", 1),
	LIE(response_for_a_cid_beyond_the_queue, "CapsuleResp: CID 127", 1),
	LIE(response_twice, "CapsuleResp: CID", 1),
	LIE(response_of_another_generation, "CapsuleResp: CID", 1),
	LIE(success_without_any_data, "data length 0 is all that came", 4),
	LIE(success_with_half_the_data, "data length 4096 is all that came", 4),
	LIE(success_flag_with_half_the_data, "data length 4096 is all that came", 4),
	LIE(data_for_a_free_cid, "C2HData: CCCID", 1),
	LIE(data_for_a_write, "C2HData: CCCID", 1),
	LIE(data_for_a_flush, "reads no data", 1),
	LIE(data_with_a_hole, "DATAO 4100", 4),
	LIE(data_that_overlaps, "DATAO 0", 4),
	LIE(data_out_of_order, "DATAO 4096", 4),
	LIE(data_past_the_end, "DATAL 8196", 4),
	LIE(data_behind_the_last, "last data has come", 2),
	LIE(data_of_length_zero, "DATAL 0", 1),
	LIE(data_of_endless_length, "PLEN 4294967295", 1),
	LIE(data_longer_than_it_says, "PLEN 4120", 1),
	LIE(data_offset_255, "PDO 255", 1),
	LIE(data_offset_in_the_header, "PDO 8", 1),
	LIE(data_header_too_long, "HLEN 72", 1),
	LIE(pdu_shorter_than_its_header, "PLEN 23", 1),
	LIE(pdu_of_length_zero, "PLEN 0", 1),
	LIE(success_flag_without_last, "FLAGS 8", 1),
	LIE(a_digest_flag_never_agreed, "FLAGS 1", 1),
	LIE(r2t_for_a_read, "R2T: CCCID", 1),
	LIE(r2t_for_a_flush, "R2T: CCCID", 1),
	LIE(r2t_for_in_capsule_data, "R2T: CCCID", 1),
	LIE(r2t_for_a_free_cid, "R2T: CCCID", 1),
	LIE(r2t_of_length_zero, "R2TL 0", 1),
	LIE(r2t_past_the_end, "R2TL 65540", 4),
	LIE(r2t_far_past_the_end, "R2TL 4294959104", 4),
	LIE(r2t_with_a_gap, "R2TO 4096", 4),
	LIE(r2t_that_overlaps, "R2TO 0", 4),
	LIE(r2ts_beyond_the_limit, "R2T count 5", 5),
	LIE(write_success_before_its_data, "data length 0 is all that was asked", 4),
	LIE(write_success_with_an_r2t_open, "succeeded before its data was sent", 2),
	LIE(a_command_for_a_host, "PDU type 4", 2),
	LIE(h2c_data_for_a_host, "PDU type 6", 2),
	LIE(the_type_that_does_not_exist, "PDU type 8", 1),
	LIE(type_255, "nvh0/q1: protocol error: PDU type 255 does not exist", 1),
	LIE(zeroes_without_end, "PDU type 0", 2),
	LIE(a_termreq_too_long, "PLEN 177", 1),
};

/* The connection is lost, told once, and every request comes back exactly once. */
static void expect_end(const struct lie *lie)
{
	struct tq_pdu pdu;
	int given_back = rd.done + wr.done + icw.done + fl.done;

	if (tq.lost != 1 || !strstr(tq.log, lie->field))
		printf("    %s: lost %d: \"%s\" not in \"%s\"\n", lie->name, tq.lost, lie->field,
		       tq.log);
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_EQUAL(tq.lost_err, -EPROTO);
	CU_ASSERT_EQUAL(tq.log_lines, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(tq.log, lie->field));
	CU_ASSERT_EQUAL(tq.qpair->inflight, 4 - given_back);
	CU_ASSERT(given_back <= 1);
	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.type, 0x02);
	CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8), lie->fes);
	if (tq_le16(pdu.hdr + 8) != lie->fes)
		printf("    %s: FES %u\n", lie->name, tq_le16(pdu.hdr + 8));
	CU_ASSERT_FALSE(tq_next(&pdu));
	tq_destroy();
	CU_ASSERT_EQUAL(rd.done + wr.done + icw.done + fl.done, 4);
	CU_ASSERT_EQUAL(wr.err, -EPROTO);
}

static void every_lie_ends_the_connection_with_one_line(void)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(lies); i++) {
		outstanding(&(struct tq_opts){.qid = 1, .maxr2t = MAXR2T, .disable_sqflow = true});
		lies[i].tell();
		tq_run();
		expect_end(&lies[i]);
		for (size_t at = READ_LEN; at < sizeof(rd_buf); at++)
			CU_ASSERT_FATAL(rd_buf[at] == 0xee);
	}
}

static void every_lie_told_byte_by_byte_ends_the_same(void)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(lies); i++) {
		if (lies[i].tell == write_success_with_an_r2t_open ||
		    lies[i].tell == r2ts_beyond_the_limit)
			continue; /* told slowly these are no lies: the data leaves between the
				     bytes */
		outstanding(&(struct tq_opts){.qid = 1, .maxr2t = MAXR2T, .disable_sqflow = true});
		tq.wire.step = 1;
		if (lies[i].tell == r2t_that_overlaps || lies[i].tell == r2t_far_past_the_end)
			tq.wire.room = 0;
		lies[i].tell();
		tq_run();
		CU_ASSERT_EQUAL(tq.lost, 1);
		CU_ASSERT_EQUAL(tq.log_lines, 1);
		CU_ASSERT_PTR_NOT_NULL(strstr(tq.log, lies[i].field));
		tq_destroy();
		CU_ASSERT_EQUAL(rd.done + wr.done + icw.done + fl.done, 4);
	}
}

/* ---- lies that need a stage of their own ------------------------------------------------- */

static void a_wrong_header_digest_is_fatal(void)
{
	static const struct lie lie = {"header digest", NULL, "HDGST", 3};

	outstanding(&(struct tq_opts){.qid = 1, .disable_sqflow = true, .hdr_digest = true});
	tq_put_cpl(fl_cid, 0, 0, 0);
	tq.wire.in[tq.wire.in_at + 25] ^= 0x10;
	tq_run();
	expect_end(&lie);
}

static void a_missing_header_digest_is_fatal(void)
{
	static const struct lie lie = {"no header digest", NULL, "FLAGS 0", 1};

	outstanding(&(struct tq_opts){.qid = 1, .disable_sqflow = true, .hdr_digest = true});
	put_header(0x05, 0, 24, 0, 24, fl_cid, 0, 0);
	tq_run();
	expect_end(&lie);
}

static void a_missing_data_digest_is_fatal(void)
{
	static const struct lie lie = {"no data digest", NULL, "FLAGS 4 lack DDGSTF", 1};

	outstanding(&(struct tq_opts){.qid = 1, .disable_sqflow = true, .data_digest = true});
	put_header(0x07, LAST, 24, 24, 24 + 4096, rd_cid, 0, 4096);
	tq_run();
	expect_end(&lie);
}

static void a_head_pointer_out_of_range_is_an_error(void)
{
	static const struct lie lie = {"SQHD", NULL, "SQHD 128 is beyond the submission queue", 1};
	static const struct lie ffff = {"SQHD", NULL, "SQHD 65535", 1};
	static const struct lie ahead = {"SQHD", NULL, "SQHD 6 is beyond the commands submitted",
					 1};

	outstanding(&(struct tq_opts){.qid = 1});
	tq_put_cpl(fl_cid, 0, 0, 128);
	tq_run();
	expect_end(&lie);
	outstanding(&(struct tq_opts){.qid = 1});
	tq_put_cpl(fl_cid, 0, 0, 0xffff);
	tq_run();
	expect_end(&ffff);
	outstanding(&(struct tq_opts){.qid = 1});
	tq_put_cpl(fl_cid, 0, 0, 6); /* Connect and four commands: at most 5 */
	tq_run();
	expect_end(&ahead);
}

static void an_answer_to_a_command_not_yet_sent_is_an_error(void)
{
	struct fake_req r;
	uint16_t cid;

	tq_live(&(struct tq_opts){.qid = 1, .disable_sqflow = true});
	tq.wire.room = 0;
	tq_flush(&r);
	tq_submit(&r);
	cid = nvh_le16_get(r.req.cmd.cid);
	tq_run();
	tq_put_cpl(cid, 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(tq.log, "names no outstanding command"));
	tq_destroy();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_FALSE(r.req.sent);
}

static void an_r2t_for_a_command_half_sent_is_an_error(void)
{
	struct fake_req w;
	uint16_t cid;

	tq_live(&(struct tq_opts){.qid = 1, .disable_sqflow = true});
	tq.wire.room = 40;
	tq_write(&w, wr_buf, WRITE_LEN);
	tq_submit(&w);
	cid = nvh_le16_get(w.req.cmd.cid);
	tq_run();
	tq_put_r2t(cid, 1, 0, 4096);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(tq.log, "not sent yet"));
	CU_ASSERT_EQUAL(tq.wire.out_len - tq.wire.out_at, 40); /* no TermReq inside a PDU */
	CU_ASSERT(tq.wire.closed);
	tq_destroy();
	CU_ASSERT(w.req.sent);
}

static void the_controllers_termreq_is_told_in_words(void)
{
	struct tq_pdu pdu;

	outstanding(&(struct tq_opts){.qid = 1, .disable_sqflow = true});
	tq_put_term(4, 12);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_EQUAL(tq.lost_err, -ECONNABORTED);
	CU_ASSERT_EQUAL(tq.log_lines, 1);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(tq.log, "C2HTermReq FES 4 (data transfer out of range) FEI 12"));
	CU_ASSERT_FALSE(tq_next(&pdu)); /* no TermReq for a TermReq */
	CU_ASSERT(tq.wire.closed);
	tq_destroy();
}

static void a_peer_that_floods_after_the_termreq_is_cut_off(void)
{
	outstanding(&(struct tq_opts){.qid = 1, .disable_sqflow = true});
	response_for_a_free_cid();
	tq_run();
	CU_ASSERT_FALSE(tq.wire.closed);
	for (int i = 0; i < 20; i++) {
		tq_put(junk, 30000);
		tq_pass(40);
	}
	CU_ASSERT_FALSE(tq.wire.closed);
	tq_put(junk, 30000);
	tq_pass(201);
	CU_ASSERT(tq.wire.closed && tq.wire.aborted);
	tq_destroy();
}

/* ---- mutation ---------------------------------------------------------------------------- */

static void no_single_wrong_byte_does_harm(bool digests)
{
	struct tq_opts opts = {
		.qid = 1, .disable_sqflow = true, .hdr_digest = digests, .data_digest = digests};
	static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x04};
	size_t length = 1;

	for (size_t at = 0; at < length; at++) {
		for (size_t f = 0; f < NVHI_ARRAY_SIZE(flips); f++) {
			size_t from;

			outstanding(&opts);
			from = tq.wire.in_len;
			tq_put_c2h(rd_cid, 0, junk, 64, 0);
			tq_put_r2t(wr_cid, 1, 0, WRITE_LEN);
			tq_put_c2h(rd_cid, 64, junk, READ_LEN - 64, LAST);
			length = 24 + 64 + 24 + 24 + (digests ? 20u : 0);
			tq_put_cpl(rd_cid, 0, 0, 0);
			tq_put_cpl(fl_cid, 0, 0, 0);
			tq.wire.in[from + at] ^= flips[f];
			tq_run();
			tq_pass(20000); /* what waits for more bytes ends by its deadline */
			CU_ASSERT(tq.log_lines <= 1);
			CU_ASSERT(tq.lost <= 1);
			tq_destroy();
			CU_ASSERT_EQUAL(rd.done, 1);
			CU_ASSERT_EQUAL(wr.done, 1);
			CU_ASSERT_EQUAL(icw.done, 1);
			CU_ASSERT_EQUAL(fl.done, 1);
			CU_ASSERT_FATAL(rd_buf[READ_LEN] == 0xee);
		}
	}
}

static void no_single_wrong_byte_does_harm_without_digests(void)
{
	no_single_wrong_byte_does_harm(false);
}

static void no_single_wrong_byte_does_harm_with_digests(void)
{
	no_single_wrong_byte_does_harm(true);
}

NVH_UNIT_MAIN("fabric/tcp hostile", NVH_TEST(every_lie_ends_the_connection_with_one_line),
	      NVH_TEST(every_lie_told_byte_by_byte_ends_the_same),
	      NVH_TEST(a_wrong_header_digest_is_fatal), NVH_TEST(a_missing_header_digest_is_fatal),
	      NVH_TEST(a_missing_data_digest_is_fatal),
	      NVH_TEST(a_head_pointer_out_of_range_is_an_error),
	      NVH_TEST(an_answer_to_a_command_not_yet_sent_is_an_error),
	      NVH_TEST(an_r2t_for_a_command_half_sent_is_an_error),
	      NVH_TEST(the_controllers_termreq_is_told_in_words),
	      NVH_TEST(a_peer_that_floods_after_the_termreq_is_cut_off),
	      NVH_TEST(no_single_wrong_byte_does_harm_without_digests),
	      NVH_TEST(no_single_wrong_byte_does_harm_with_digests))
