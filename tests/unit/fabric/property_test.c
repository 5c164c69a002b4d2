/*
 * fabric/property.c: registers over the admin queue.
 */
#include <errno.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

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

NVH_UNIT_MAIN("fabric/property", NVH_TEST(registers_travel_as_property_commands),
	      NVH_TEST(a_register_access_that_cannot_be_sent_is_told_later))
