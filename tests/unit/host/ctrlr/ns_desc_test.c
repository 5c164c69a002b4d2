/*
 * Namespace identification descriptors: parsed from good lists and from a stranger's.
 */
#include "host/ctrlr/ns_desc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/nvh_cunit.h"

#define NGUID                                                                                      \
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,  \
		0x10

/* UUID, an unknown type of 3 bytes, NGUID, EUI64, CSI. */
static const uint8_t full[] = {
	3,    16, 0,  0,  1,     2,    3,    4,    5,    6,    7,    8,
	9,    10, 11, 12, 13,    14,   15,   16,                           /* UUID */
	0x77, 3,  0,  0,  9,     9,    9,                                  /* unknown */
	2,    16, 0,  0,  NGUID,                                           /* NGUID */
	1,    8,  0,  0,  0x21,  0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, /* EUI64 */
	4,    1,  0,  0,  2,                                               /* CSI: zoned */
	0,    0,  0,  0,
};

/* Parses from an allocation of just that size: the sanitizer sees an overread. */
static int parse(const uint8_t *bytes, size_t len, struct nvhi_ns_ids *ids, const char **why)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	if (len)
		memcpy(copy, bytes, len);
	err = nvhi_ns_desc_parse(copy, len, ids, why);
	free(copy);
	return err;
}

static void all_types_are_found(void)
{
	struct nvhi_ns_ids ids;

	CU_ASSERT_EQUAL_FATAL(parse(full, sizeof(full), &ids, NULL), 0);
	CU_ASSERT_TRUE(ids.has_uuid && ids.has_nguid && ids.has_eui64 && ids.has_csi);
	CU_ASSERT_EQUAL(memcmp(ids.uuid, full + 4, 16), 0);
	CU_ASSERT_EQUAL(ids.nguid[0], 0x11);
	CU_ASSERT_EQUAL(ids.eui64[7], 0x28);
	CU_ASSERT_EQUAL(ids.csi, NVH_CSI_ZNS);
}

static void a_full_page_of_descriptors_needs_no_end_mark(void)
{
	struct nvhi_ns_ids ids;

	CU_ASSERT_EQUAL(parse(full, sizeof(full) - 4, &ids, NULL), 0);
	CU_ASSERT_TRUE(ids.has_csi);
	CU_ASSERT_EQUAL(parse(full, sizeof(full) - 4 + 3, &ids, NULL), 0);
	CU_ASSERT_EQUAL(parse(full, 0, &ids, NULL), 0);
	CU_ASSERT_FALSE(ids.has_uuid || ids.has_csi);
}

static void a_list_cut_anywhere_is_good_or_refused_but_never_overread(void)
{
	for (size_t len = 0; len <= sizeof(full); len++) {
		struct nvhi_ns_ids ids;
		const char *why = NULL;
		int err = parse(full, len, &ids, &why);

		CU_ASSERT_TRUE(err == 0 || (err == -EPROTO && why));
	}
}

static void identifiers_of_zeroes_are_none(void)
{
	static const uint8_t zeroes[] = {1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0};
	struct nvhi_ns_ids ids;

	CU_ASSERT_EQUAL_FATAL(parse(zeroes, sizeof(zeroes), &ids, NULL), 0);
	CU_ASSERT_FALSE(ids.has_eui64);
	CU_ASSERT_TRUE(ids.has_csi);
	CU_ASSERT_EQUAL(ids.csi, NVH_CSI_NVM);
}

static void wrong_lists_are_refused_with_the_reason(void)
{
	static const uint8_t past_end[] = {3, 16, 0, 0, 1, 2, 3};
	static const uint8_t length[] = {3, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t twice[] = {4, 1, 0, 0, 0, 4, 1, 0, 0, 2};
	struct nvhi_ns_ids ids = {.csi = 77};
	const char *why = "";

	CU_ASSERT_EQUAL(parse(past_end, sizeof(past_end), &ids, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "a descriptor (NIDL) runs past the end");
	CU_ASSERT_EQUAL(parse(length, sizeof(length), &ids, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "NIDL is wrong for the descriptor's type");
	CU_ASSERT_EQUAL(parse(twice, sizeof(twice), &ids, &why), -EPROTO);
	CU_ASSERT_STRING_EQUAL(why, "two descriptors of one type differ");
	CU_ASSERT_EQUAL(ids.csi, 77);
}

static void identify_namespace_fills_what_is_missing(void)
{
	static struct nvh_id_ns id;
	struct nvhi_ns_ids ids = {.has_nguid = true, .nguid = {1}};

	memset(id.nguid, 0x99, sizeof(id.nguid));
	memset(id.eui64, 0x88, sizeof(id.eui64));
	nvhi_ns_ids_merge(&ids, &id);
	CU_ASSERT_EQUAL(ids.nguid[0], 1);
	CU_ASSERT_TRUE(ids.has_eui64);
	CU_ASSERT_EQUAL(ids.eui64[0], 0x88);
}

NVH_UNIT_MAIN("host/ctrlr/ns_desc", NVH_TEST(all_types_are_found),
	      NVH_TEST(a_full_page_of_descriptors_needs_no_end_mark),
	      NVH_TEST(a_list_cut_anywhere_is_good_or_refused_but_never_overread),
	      NVH_TEST(identifiers_of_zeroes_are_none),
	      NVH_TEST(wrong_lists_are_refused_with_the_reason),
	      NVH_TEST(identify_namespace_fills_what_is_missing))
