/*
 * host/cli/perf_verify.c: a wrong block is told from a right one, and how it is wrong.
 */
#include <string.h>

#include "host/cli/perf.h"
#include "tests/unit/nvh_cunit.h"

#define LBA_SIZE 512
#define LBAS     4

static uint8_t data[LBA_SIZE * LBAS];
static char err[200];

static int check(uint64_t lba, uint32_t gen, uint32_t seed)
{
	err[0] = '\0';
	return perf_check(data, LBA_SIZE, LBAS, lba, gen, seed, err, sizeof(err));
}

static void what_was_filled_is_right(void)
{
	perf_fill(data, LBA_SIZE, LBAS, 1000, 3, 7);
	CU_ASSERT_EQUAL(check(1000, 3, 7), 0);
	CU_ASSERT_EQUAL(check(1000, 0, 7), 0); /* any write of it */
}

static void a_flipped_bit_anywhere_is_found(void)
{
	perf_fill(data, LBA_SIZE, LBAS, 1000, 3, 7);
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] ^= 0x10;
		CU_ASSERT_EQUAL(check(1000, 3, 7), -1);
		data[i] ^= 0x10;
	}
	CU_ASSERT_EQUAL(check(1000, 3, 7), 0);
}

static void a_stale_block_is_named(void)
{
	perf_fill(data, LBA_SIZE, LBAS, 1000, 2, 7);
	CU_ASSERT_EQUAL(check(1000, 3, 7), -1);
	CU_ASSERT_STRING_EQUAL(err, "LBA 1000 holds write 2, not write 3");
}

static void a_torn_write_is_found_at_its_block(void)
{
	perf_fill(data, LBA_SIZE, LBAS, 1000, 3, 7);
	perf_fill(data + 2 * LBA_SIZE, LBA_SIZE, 1, 1002, 2, 7);
	CU_ASSERT_EQUAL(check(1000, 3, 7), -1);
	CU_ASSERT_STRING_EQUAL(err, "LBA 1002 holds write 2, not write 3");
}

static void a_misplaced_block_tells_whose_it_is(void)
{
	perf_fill(data, LBA_SIZE, LBAS, 2000, 3, 7);
	CU_ASSERT_EQUAL(check(1000, 3, 7), -1);
	CU_ASSERT_STRING_EQUAL(err, "LBA 1000 holds the data of LBA 2000");
}

static void zeroes_hold_no_tag(void)
{
	memset(data, 0, sizeof(data));
	CU_ASSERT_EQUAL(check(5, 0, 7), -1);
	CU_ASSERT_STRING_EQUAL(err, "LBA 5 holds no tag of perf's");
}

NVH_UNIT_MAIN("host/cli/perf_verify", NVH_TEST(what_was_filled_is_right),
	      NVH_TEST(a_flipped_bit_anywhere_is_found), NVH_TEST(a_stale_block_is_named),
	      NVH_TEST(a_torn_write_is_found_at_its_block),
	      NVH_TEST(a_misplaced_block_tells_whose_it_is), NVH_TEST(zeroes_hold_no_tag))
