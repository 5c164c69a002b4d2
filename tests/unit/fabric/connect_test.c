/*
 * fabric/connect.c: the commands' bytes as the specification draws them. What controllers answer is
 * tested with the handshake (tcp/tcp_handshake_test.c).
 */
#include <errno.h>
#include <string.h>

#include "fabric/connect.h"
#include "tests/unit/nvh_cunit.h"

static struct nvhi_tctrlr tctrlr = {
	.opts = {.subnqn = "nqn.2016-06.io.spdk:cnode1",
		 .hostnqn = "nqn.2014-08.org:host",
		 .hostid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		 .kato_ms = 0x1388},
	.cntlid = 0x0102,
};
static struct nvhi_qpair qpair = {.tctrlr = &tctrlr, .qid = 0, .entries = 32};

static void connect_is_as_the_specification_draws_it(void)
{
	static const uint8_t admin[64] = {
		[0] = 0x7f, [4] = 0x01, [44] = 31, [48] = 0x88, [49] = 0x13};
	static const uint8_t io[64] = {
		[0] = 0x7f, [4] = 0x01, [42] = 5, [44] = 0xff, [45] = 0x03, [46] = 0x04};
	struct nvh_fab_connect_data data;
	const uint8_t *bytes = (const uint8_t *)&data;
	struct nvh_cmd cmd;

	memset(&cmd, 0xa5, sizeof(cmd));
	memset(&data, 0xa5, sizeof(data));
	nvhi_connect_build(&qpair, &cmd, &data);
	CU_ASSERT_EQUAL(memcmp(&cmd, admin, sizeof(admin)), 0);
	CU_ASSERT_EQUAL(memcmp(bytes, tctrlr.opts.hostid, 16), 0);
	CU_ASSERT_EQUAL(bytes[16], 0xff);
	CU_ASSERT_EQUAL(bytes[17], 0xff);
	CU_ASSERT_STRING_EQUAL((const char *)bytes + 256, tctrlr.opts.subnqn);
	CU_ASSERT_STRING_EQUAL((const char *)bytes + 512, tctrlr.opts.hostnqn);
	for (int i = 768; i < 1024; i++)
		CU_ASSERT_EQUAL(bytes[i], 0);

	qpair.qid = 5;
	qpair.entries = 1024;
	tctrlr.opts.disable_sqflow = true;
	nvhi_connect_build(&qpair, &cmd, &data);
	CU_ASSERT_EQUAL(memcmp(&cmd, io, sizeof(io)), 0);
	CU_ASSERT_EQUAL(bytes[16], 0x02);
	CU_ASSERT_EQUAL(bytes[17], 0x01);
}

static void a_short_text_is_cut_not_overrun(void)
{
	struct nvh_cpl cpl;
	char text[16];

	memset(&cpl, 0, sizeof(cpl));
	memset(text, 'x', sizeof(text));
	nvh_cpl_set_status(&cpl, NVH_ST_CONNECT_INVALID_HOST);
	CU_ASSERT_EQUAL(nvhi_connect_result(&qpair, &cpl, text, 10), -EACCES);
	CU_ASSERT_STRING_EQUAL(text, "invalid h");
	CU_ASSERT_EQUAL(text[10], 'x');
	nvh_cpl_set_status(&cpl, 0);
	text[0] = 'y';
	CU_ASSERT_EQUAL(nvhi_connect_result(&qpair, &cpl, text, sizeof(text)), 0);
	CU_ASSERT_EQUAL(text[0], 'y'); /* untouched on success */
}

NVH_UNIT_MAIN("fabric/connect", NVH_TEST(connect_is_as_the_specification_draws_it),
	      NVH_TEST(a_short_text_is_cut_not_overrun))
