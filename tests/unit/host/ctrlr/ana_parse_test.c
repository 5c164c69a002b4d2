/*
 * The ANA log's bytes: golden ones by hand from figure 219, and lies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ana.h"
#include "tests/unit/nvh_cunit.h"

/* Change count 5; group 7 (two namespaces) non-optimized, group 2 (none) inaccessible. */
static const uint8_t golden[] = {
	5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, /* header */
	7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* ANAGRPID, NNSIDS, CHGCNT */
	2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* state */
	1, 0, 0, 0, 9, 0, 0, 0,				/* NSIDs */
	2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, /* ANAGRPID, NNSIDS, CHGCNT */
	3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* state */
};

static struct nvhi_ana_group groups[4];
static uint32_t count;
static const char *why;

/* On the heap in its exact length, so that a sanitizer sees each byte too far. */
static int parse(const uint8_t *log, uint32_t len, uint32_t grpmax, uint32_t max)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, log, len);
	count = 77;
	why = NULL;
	err = nvhi_ana_parse(copy, len, grpmax, groups, max, &count, &why);
	free(copy);
	return err;
}

static void groups_are_told_in_order_of_their_ids(void)
{
	CU_ASSERT_EQUAL_FATAL(parse(golden, sizeof(golden), 32, 4), 0);
	CU_ASSERT_EQUAL(count, 2);
	CU_ASSERT_EQUAL(groups[0].id, 2);
	CU_ASSERT_EQUAL(groups[0].state, NVH_ANA_INACCESSIBLE);
	CU_ASSERT_EQUAL(groups[1].id, 7);
	CU_ASSERT_EQUAL(groups[1].state, NVH_ANA_NONOPTIMIZED);
}

static void bytes_behind_the_last_group_do_not_matter(void)
{
	uint8_t log[sizeof(golden) + 100] = {0};

	memcpy(log, golden, sizeof(golden));
	CU_ASSERT_EQUAL(parse(log, sizeof(log), 32, 4), 0);
	CU_ASSERT_EQUAL(count, 2);
}

static void a_log_cut_anywhere_is_refused(void)
{
	for (uint32_t len = 0; len < sizeof(golden); len++) {
		CU_ASSERT_EQUAL(parse(golden, len, 32, 4), -EPROTO);
		CU_ASSERT_EQUAL(count, 77);
		CU_ASSERT_PTR_NOT_NULL(why);
	}
}

static void lies_are_refused_by_name(void)
{
	static const struct {
		uint32_t at;
		uint8_t value;
		const char *why;
	} lies[] = {
		{8, 5, "NGRPS"},	  /* more groups than NANAGRPID */
		{8, 3, "NGRPS"},	  /* than bytes */
		{16, 0, "ANAGRPID 0"},
		{16, 33, "ANAGRPMAX"},
		{16, 2, "twice"},
		{20, 200, "NNSIDS"},
		{23, 0xff, "NNSIDS"},	  /* four billion namespaces */
		{32, 0, "ANA state"},
		{32, 5, "ANA state"},
		{32, 0xe, "ANA state"},
	};
	uint8_t log[sizeof(golden)];

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(log, golden, sizeof(log));
		log[lies[i].at] = lies[i].value;
		CU_ASSERT_EQUAL(parse(log, sizeof(log), 32, 4), -EPROTO);
		CU_ASSERT_PTR_NOT_NULL_FATAL(why);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, lies[i].why));
		CU_ASSERT_EQUAL(count, 77);
	}
}

static void any_byte_may_be_anything(void)
{
	uint8_t log[sizeof(golden)];

	for (uint32_t at = 0; at < sizeof(golden); at++) {
		for (unsigned int value = 0; value < 256; value++) {
			memcpy(log, golden, sizeof(log));
			log[at] = (uint8_t)value;
			if (parse(log, sizeof(log), 32, 4) == 0)
				CU_ASSERT(count <= 4);
		}
	}
}

NVH_UNIT_MAIN("host/ctrlr/ana_parse", NVH_TEST(groups_are_told_in_order_of_their_ids),
	      NVH_TEST(bytes_behind_the_last_group_do_not_matter),
	      NVH_TEST(a_log_cut_anywhere_is_refused), NVH_TEST(lies_are_refused_by_name),
	      NVH_TEST(any_byte_may_be_anything))
