/*
 * fabric/tcp: writes in capsules and for R2Ts, batches, and streams that take little at a time.
 */
#include <errno.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

#define LAST 0x04

static const struct tq_opts io = {.qid = 1, .disable_sqflow = true};
static uint8_t buf[1 << 20], want[1 << 20];

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

NVH_UNIT_MAIN("fabric/tcp tx", NVH_TEST(a_small_write_travels_in_its_capsule),
	      NVH_TEST(a_large_write_waits_for_its_r2t),
	      NVH_TEST(data_for_an_r2t_comes_in_pieces_of_maxh2cdata),
	      NVH_TEST(sixteen_r2ts_may_be_outstanding), NVH_TEST(partial_sends_are_resumed),
	      NVH_TEST(writable_is_wanted_only_while_blocked),
	      NVH_TEST(data_is_aligned_as_the_controller_asked),
	      NVH_TEST(in_capsule_data_obeys_ioccsz),
	      NVH_TEST(a_direction_without_bytes_is_no_data),
	      NVH_TEST(all_that_one_turn_queued_leaves_in_one_send),
	      NVH_TEST(more_pieces_than_a_sendmsg_takes_still_leave))
