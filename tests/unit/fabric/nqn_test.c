/*
 * NQNs, UUIDs and host identifiers.
 */
#include "fabric/nqn.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/nvh_cunit.h"

#define UUID "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

static const uint8_t uuid_bytes[16] = {0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0,
				       0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6};

/* prefix, then `n` times 'a'. */
static const char *long_nqn(const char *prefix, size_t total)
{
	static char buf[512];

	memset(buf, 'a', sizeof(buf));
	memcpy(buf, prefix, strlen(prefix));
	buf[total] = '\0';
	return buf;
}

static void names_of_the_specified_forms_are_valid(void)
{
	static const char *const good[] = {
		NVH_DISCOVERY_NQN,
		NVH_NQN_UUID_PREFIX UUID,
		"nqn.2016-06.io.spdk:cnode1",
		"nqn.2014-08.com.example:nvme.host.sys.xyz",
		"nqn.2001-12.org.3x-y:a b/../c",
		"nqn.2016-06.io.spdk:\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_EQUAL(nvhi_nqn_check(good[i], NULL), 0);
	CU_ASSERT_EQUAL(nvhi_nqn_check(long_nqn("nqn.2016-06.io.spdk:", 223), NULL), 0);
}

static void a_broken_name_is_refused_with_the_rule(void)
{
	static const struct {
		const char *nqn;
		const char *why;
	} bad[] = {
		{"", "it is empty"},
		{"iqn.2016-06.io.spdk:x", "it does not begin with \"nqn.\""},
		{"nqn", "it does not begin with \"nqn.\""},
		{"nqn.", "no date YYYY-MM and dot follow \"nqn.\""},
		{"nqn.2016-13.io.spdk:x", "no date YYYY-MM and dot follow \"nqn.\""},
		{"nqn.2016-00.io.spdk:x", "no date YYYY-MM and dot follow \"nqn.\""},
		{"nqn.2016-06", "no date YYYY-MM and dot follow \"nqn.\""},
		{"nqn.2016-06.io.spdk", "it has no \":name\" behind the domain"},
		{"nqn.2016-06.io.spdk:", "it has no \":name\" behind the domain"},
		{"nqn.2016-06.-io:x", "it has no valid reversed domain name behind the date"},
		{"nqn.2016-06.io-:x", "it has no valid reversed domain name behind the date"},
		{"nqn.2016-06.io..spdk:x", "it has no valid reversed domain name behind the date"},
		{"nqn.2016-06.:x", "it has no valid reversed domain name behind the date"},
		{"nqn.2016-06.io_spdk:x", "it has no valid reversed domain name behind the date"},
		{NVH_NQN_UUID_PREFIX "f81d4fae", "no UUID follows \"uuid:\""},
		{NVH_NQN_UUID_PREFIX UUID "0", "no UUID follows \"uuid:\""},
		{NVH_NQN_UUID_PREFIX "f81d4fae7dec11d0a76500a0c91e6bf6",
		 "no UUID follows \"uuid:\""},
		{"nqn.2016-06.io.spdk:a\tb", "it has a control character"},
		{"nqn.2016-06.io.spdk:\xc3", "it is not UTF-8"},
		{"nqn.2016-06.io.spdk:\xc0\xaf", "it is not UTF-8"},
		{"nqn.2016-06.io.spdk:\xed\xa0\x80", "it is not UTF-8"},
		{"nqn.2016-06.io.spdk:\xf5\x80\x80\x80", "it is not UTF-8"},
		{"nqn.2016-06.io.spdk:\xc2\x9b", "it is not UTF-8"},
	};
	const char *why;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = "";
		CU_ASSERT_EQUAL(nvhi_nqn_check(bad[i].nqn, &why), -EINVAL);
		CU_ASSERT_STRING_EQUAL(why, bad[i].why);
	}
	CU_ASSERT_EQUAL(nvhi_nqn_check(long_nqn("nqn.2016-06.io.spdk:", 224), &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "it is longer than 223 bytes");
}

static void a_strangers_name_need_only_be_showable(void)
{
	const char *why = "";

	CU_ASSERT_EQUAL(nvhi_nqn_check_lenient("testnqn", NULL), 0);
	CU_ASSERT_EQUAL(nvhi_nqn_check_lenient("nqn.2014.08.org.nvmexpress:80868086 x", NULL), 0);
	CU_ASSERT_EQUAL(nvhi_nqn_check_lenient("a\x1b[2Jb", &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "it has a control character");
	CU_ASSERT_EQUAL(nvhi_nqn_check_lenient(long_nqn("", 224), NULL), -EINVAL);
}

static void uuids_round_trip(void)
{
	char text[NVHI_UUID_TEXT];
	uint8_t uuid[16];

	CU_ASSERT_EQUAL(nvhi_uuid_parse("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", uuid), 0);
	CU_ASSERT_EQUAL(memcmp(uuid, uuid_bytes, 16), 0);
	CU_ASSERT_STRING_EQUAL(nvhi_uuid_format(uuid, text), UUID);
	CU_ASSERT_EQUAL(nvhi_uuid_parse("f81d4fae7dec11d0a76500a0c91e6bf6", uuid), 0);
	CU_ASSERT_EQUAL(memcmp(uuid, uuid_bytes, 16), 0);
	CU_ASSERT_EQUAL(nvhi_uuid_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf", uuid), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_uuid_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6 ", uuid), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_uuid_parse("f81d4fae-7dec-11d0-a765000a0c91e6bf6", uuid), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_uuid_parse("g81d4fae-7dec-11d0-a765-00a0c91e6bf6", uuid), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_uuid_parse("", uuid), -EINVAL);
}

static void random_bytes_become_a_version_4_uuid(void)
{
	char text[NVHI_UUID_TEXT];
	uint8_t uuid[16];

	memset(uuid, 0xff, sizeof(uuid));
	nvhi_uuid_make_v4(uuid);
	CU_ASSERT_STRING_EQUAL(nvhi_uuid_format(uuid, text),
			       "ffffffff-ffff-4fff-bfff-ffffffffffff");
	memset(uuid, 0, sizeof(uuid));
	nvhi_uuid_make_v4(uuid);
	CU_ASSERT_STRING_EQUAL(nvhi_uuid_format(uuid, text),
			       "00000000-0000-4000-8000-000000000000");
}

static void the_host_id_comes_from_the_nqns_uuid(void)
{
	char nqn[NVH_NQN_SIZE];
	uint8_t uuid[16] = {0};

	nvhi_nqn_from_uuid(uuid_bytes, nqn);
	CU_ASSERT_STRING_EQUAL(nqn, NVH_NQN_UUID_PREFIX UUID);
	CU_ASSERT_EQUAL(nvhi_nqn_check(nqn, NULL), 0);
	CU_ASSERT_EQUAL(nvhi_nqn_to_uuid(nqn, uuid), 0);
	CU_ASSERT_EQUAL(memcmp(uuid, uuid_bytes, 16), 0);
	CU_ASSERT_EQUAL(nvhi_nqn_to_uuid("nqn.2016-06.io.spdk:cnode1", uuid), -ENOENT);
	CU_ASSERT_EQUAL(nvhi_nqn_to_uuid(NVH_NQN_UUID_PREFIX "x", uuid), -ENOENT);
	CU_ASSERT_EQUAL(memcmp(uuid, uuid_bytes, 16), 0);
}

NVH_UNIT_MAIN("fabric/nqn", NVH_TEST(names_of_the_specified_forms_are_valid),
	      NVH_TEST(a_broken_name_is_refused_with_the_rule),
	      NVH_TEST(a_strangers_name_need_only_be_showable), NVH_TEST(uuids_round_trip),
	      NVH_TEST(random_bytes_become_a_version_4_uuid),
	      NVH_TEST(the_host_id_comes_from_the_nqns_uuid))
