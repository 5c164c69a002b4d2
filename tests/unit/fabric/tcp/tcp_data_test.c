/*
 * fabric/tcp: commands and their data, both ways, as a well-behaved controller answers them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

#define LAST 0x04
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

NVH_UNIT_MAIN("fabric/tcp data", NVH_TEST(a_read_lands_in_the_callers_buffer),
	      NVH_TEST(a_small_write_travels_in_its_capsule),
	      NVH_TEST(a_large_write_waits_for_its_r2t))
