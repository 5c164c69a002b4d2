/*
 * What a Cross-Controller Reset's answer and log say, and what they cannot make us believe.
 */
#include <errno.h>
#include <string.h>

#include "base/spec/nvme.h"
#include "host/ctrlr/ccr.h"
#include "tests/unit/nvh_cunit.h"

/* Figures 304 and 305, byte by byte: two entries. */
static void page_init(uint8_t *page)
{
	static const uint8_t bytes[] = {
		2,    0,    0, 0, 0, 0, 0, 0, /* NE */
		0x34, 0x12, 7, 0, 1, 0, 1, 3, /* ICID 1234h, CIU 7, ACID 1, success */
		0x35, 0x12, 8, 0, 1, 0, 0, 1, /* in progress */
	};

	memset(page, 0, 4096);
	memcpy(page, bytes, sizeof(bytes));
}

static void only_bit_0_says_done_at_once(void)
{
	CU_ASSERT_TRUE(nvhi_ccr_is_immediate(1));
	CU_ASSERT_TRUE(nvhi_ccr_is_immediate(0xffffffff));
	CU_ASSERT_FALSE(nvhi_ccr_is_immediate(0));
	CU_ASSERT_FALSE(nvhi_ccr_is_immediate(2));
}

static void the_command_names_controller_and_instance(void)
{
	CU_ASSERT_EQUAL(nvh_ccr_cdw10(0x1234, 0x56), 0x561234);
}

static void the_log_tells_of_exactly_this_instance(void)
{
	uint8_t page[4096];

	page_init(page);
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1234, 7), NVHI_CCR_LOG_DONE);
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1235, 8), NVHI_CCR_LOG_RUNNING);
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1234, 8), NVHI_CCR_LOG_NOTHING);
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1236, 7), NVHI_CCR_LOG_NOTHING);
}

static void a_failure_or_an_unknown_value_is_no_success(void)
{
	uint8_t page[4096];

	for (unsigned int ccrs = 2; ccrs < 256; ccrs++) {
		page_init(page);
		page[14] = (uint8_t)ccrs;
		CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1234, 7),
				NVHI_CCR_LOG_FAILED);
	}
}

static void of_several_entries_the_least_certain_counts(void)
{
	uint8_t page[4096];

	for (unsigned int order = 0; order < 2; order++) {
		page_init(page);
		memcpy(page + 16, page + 8, 8);
		page[order ? 14 : 22] = 0;
		CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1234, 7),
				NVHI_CCR_LOG_RUNNING);
		page[order ? 14 : 22] = 2;
		CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1234, 7),
				NVHI_CCR_LOG_FAILED);
	}
}

static void a_count_beyond_the_page_is_refused(void)
{
	uint8_t page[4096];

	page_init(page);
	page[0] = 0xff; /* 511 is the most */
	page[1] = 0x01;
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1234, 7), NVHI_CCR_LOG_DONE);
	page[0] = 0;
	page[1] = 0x02;
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, sizeof(page), 0x1234, 7), -EPROTO);
	page_init(page);
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, 23, 0x1234, 7), -EPROTO);
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, 24, 0x1234, 7), NVHI_CCR_LOG_DONE);
	CU_ASSERT_EQUAL(nvhi_ccr_log_parse(page, 7, 0x1234, 7), -EPROTO);
}

NVH_UNIT_MAIN("host/ctrlr/ccr_parse", NVH_TEST(only_bit_0_says_done_at_once),
	      NVH_TEST(the_command_names_controller_and_instance),
	      NVH_TEST(the_log_tells_of_exactly_this_instance),
	      NVH_TEST(a_failure_or_an_unknown_value_is_no_success),
	      NVH_TEST(of_several_entries_the_least_certain_counts),
	      NVH_TEST(a_count_beyond_the_page_is_refused))
