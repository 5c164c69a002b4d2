/*
 * base/iov.c: a transfer split at every byte gives the same bytes; windows; lengths that overflow.
 */
#include <string.h>

#include "base/iov.h"
#include "base/list.h"
#include "tests/unit/nvh_cunit.h"

static char parts[5][8];
/* 3 + 0 + 5 + 1 + 0 bytes: empty elements in the middle and at the end. */
static const struct iovec iov[5] = {
	{parts[0], 3}, {parts[1], 0}, {parts[2], 5}, {parts[3], 1}, {parts[4], 0}};
#define TOTAL 9u

static void parts_clear(void)
{
	memset(parts, '.', sizeof(parts));
}

static void parts_check(const char *expected)
{
	CU_ASSERT_EQUAL(memcmp(parts[0], expected, 3), 0);
	CU_ASSERT_EQUAL(memcmp(parts[2], expected + 3, 5), 0);
	CU_ASSERT_EQUAL(memcmp(parts[3], expected + 8, 1), 0);
	CU_ASSERT_EQUAL(parts[0][3], '.');
	CU_ASSERT_EQUAL(parts[1][0], '.');
	CU_ASSERT_EQUAL(parts[2][5], '.');
	CU_ASSERT_EQUAL(parts[3][1], '.');
	CU_ASSERT_EQUAL(parts[4][0], '.');
}

static void a_copy_in_split_at_every_two_places_fills_all(void)
{
	static const char text[] = "abcdefghi";

	for (size_t first = 0; first <= TOTAL; first++) {
		for (size_t second = first; second <= TOTAL; second++) {
			struct nvhi_iov_cursor cursor;

			parts_clear();
			nvhi_iov_cursor_init(&cursor, iov, 5);
			CU_ASSERT_EQUAL(nvhi_iov_cursor_copy_in(&cursor, text, first), first);
			CU_ASSERT_EQUAL(
				nvhi_iov_cursor_copy_in(&cursor, text + first, second - first),
				second - first);
			CU_ASSERT_EQUAL(
				nvhi_iov_cursor_copy_in(&cursor, text + second, TOTAL - second),
				TOTAL - second);
			CU_ASSERT_EQUAL(nvhi_iov_cursor_copy_in(&cursor, text, 1), 0);
			parts_check(text);
		}
	}
}

static void a_copy_out_from_every_place_reads_the_rest(void)
{
	static const char text[] = "abcdefghi";

	for (size_t skip = 0; skip <= TOTAL; skip++) {
		struct nvhi_iov_cursor cursor;
		char out[TOTAL + 4];

		nvhi_iov_cursor_init(&cursor, iov, 5);
		nvhi_iov_cursor_copy_in(&cursor, text, TOTAL);
		nvhi_iov_cursor_init(&cursor, iov, 5);
		CU_ASSERT_EQUAL(nvhi_iov_cursor_advance(&cursor, skip), skip);
		CU_ASSERT_EQUAL(nvhi_iov_cursor_copy_out(&cursor, out, sizeof(out)), TOTAL - skip);
		CU_ASSERT_EQUAL(memcmp(out, text + skip, TOTAL - skip), 0);
	}
}

static void advancing_beyond_the_end_stops_there(void)
{
	struct nvhi_iov_cursor cursor;

	nvhi_iov_cursor_init(&cursor, iov, 5);
	CU_ASSERT_EQUAL(nvhi_iov_cursor_advance(&cursor, 100), TOTAL);
	CU_ASSERT_EQUAL(nvhi_iov_cursor_advance(&cursor, 1), 0);
	nvhi_iov_cursor_init(&cursor, NULL, 0);
	CU_ASSERT_EQUAL(nvhi_iov_cursor_advance(&cursor, 1), 0);
}

static void a_window_from_every_place_covers_the_bytes_and_no_empty_elements(void)
{
	for (size_t skip = 0; skip <= TOTAL; skip++) {
		for (size_t want = 0; want <= TOTAL + 1; want++) {
			struct nvhi_iov_cursor cursor, before;
			struct iovec out[8];
			size_t covered = 77, sum = 0, expected = TOTAL - skip;
			uint32_t count;

			if (want < expected)
				expected = want;
			nvhi_iov_cursor_init(&cursor, iov, 5);
			nvhi_iov_cursor_advance(&cursor, skip);
			before = cursor;
			count = nvhi_iov_cursor_window(&cursor, want, out, 8, &covered);
			CU_ASSERT_EQUAL(memcmp(&before, &cursor, sizeof(cursor)), 0);
			CU_ASSERT_EQUAL(covered, expected);
			for (uint32_t i = 0; i < count; i++) {
				CU_ASSERT_NOT_EQUAL(out[i].iov_len, 0);
				sum += out[i].iov_len;
			}
			CU_ASSERT_EQUAL(sum, expected);
			if (count > 0 && skip < 3)
				CU_ASSERT_PTR_EQUAL(out[0].iov_base, parts[0] + skip);
		}
	}
}

static void a_window_is_cut_where_its_elements_run_out(void)
{
	struct nvhi_iov_cursor cursor;
	struct iovec out[2];
	size_t covered;

	nvhi_iov_cursor_init(&cursor, iov, 5);
	CU_ASSERT_EQUAL(nvhi_iov_cursor_window(&cursor, TOTAL, out, 2, &covered), 2);
	CU_ASSERT_EQUAL(covered, 8);
	CU_ASSERT_EQUAL(nvhi_iov_cursor_window(&cursor, TOTAL, out, 0, &covered), 0);
	CU_ASSERT_EQUAL(covered, 0);
}

static void a_length_that_overflows_is_the_largest(void)
{
	struct iovec huge[2] = {{NULL, SIZE_MAX - 1}, {NULL, 2}};

	CU_ASSERT_EQUAL(nvhi_iov_length(iov, 5), TOTAL);
	CU_ASSERT_EQUAL(nvhi_iov_length(NULL, 0), 0);
	CU_ASSERT_EQUAL(nvhi_iov_length(huge, 1), SIZE_MAX - 1);
	CU_ASSERT_EQUAL(nvhi_iov_length(huge, 2), SIZE_MAX);
}

NVH_UNIT_MAIN("base/iov", NVH_TEST(a_copy_in_split_at_every_two_places_fills_all),
	      NVH_TEST(a_copy_out_from_every_place_reads_the_rest),
	      NVH_TEST(advancing_beyond_the_end_stops_there),
	      NVH_TEST(a_window_from_every_place_covers_the_bytes_and_no_empty_elements),
	      NVH_TEST(a_window_is_cut_where_its_elements_run_out),
	      NVH_TEST(a_length_that_overflows_is_the_largest))
