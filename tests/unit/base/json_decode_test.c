/*
 * base/json_decode.c: members into a struct, and every way to refuse one by name.
 */
#include <errno.h>
#include <string.h>

#include "base/json_util.h"
#include "tests/unit/nvh_cunit.h"

struct address {
	const char *traddr;
	int family;
};

struct options {
	const char *nqn;
	bool allow, has_nsid;
	uint8_t u8;
	uint16_t u16;
	uint32_t nsid;
	uint64_t u64;
	int32_t i32;
	int64_t i64;
	double rate;
	struct address address;
	struct json_object *list, *any;
};

static const char *const families[] = {"ipv4", "ipv6", NULL};

static const struct nvhi_json_field address_fields[] = {
	NVHI_JSON_FIELD(address, traddr, STRING, NVHI_JSON_REQUIRED, .max_len = 15),
	NVHI_JSON_FIELD(address, family, ENUM, .names = families),
	NVHI_JSON_END,
};

static const struct nvhi_json_field fields[] = {
	NVHI_JSON_FIELD(options, nqn, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(options, allow, BOOL),
	NVHI_JSON_FIELD(options, u8, U8),
	NVHI_JSON_FIELD(options, u16, U16),
	NVHI_JSON_FIELD(options, nsid, U32, .min = 1, .max = 0xfffffffe,
			NVHI_JSON_PRESENT(options, has_nsid)),
	NVHI_JSON_FIELD(options, u64, U64),
	NVHI_JSON_FIELD(options, i32, I32),
	NVHI_JSON_FIELD(options, i64, I64),
	NVHI_JSON_FIELD(options, rate, DOUBLE),
	NVHI_JSON_FIELD(options, address, STRUCT, .fields = address_fields),
	NVHI_JSON_FIELD(options, list, ARRAY),
	NVHI_JSON_FIELD(options, any, ANY),
	{.name = "old", .type = NVHI_JSON_IGNORE},
	NVHI_JSON_END,
};

/* Decodes text; on success *ret_root keeps the strings alive. */
static int decode(const char *text, struct options *options, char *err,
		  struct json_object **ret_root)
{
	struct json_object *root = NULL;
	int rc;

	CU_ASSERT_EQUAL_FATAL(nvhi_json_parse(text, strlen(text), &root, err, 256), 0);
	rc = nvhi_json_decode(root, fields, options, err, 256);
	if (ret_root)
		*ret_root = root;
	else
		json_object_put(root);
	return rc;
}

static void every_type_is_stored(void)
{
	struct options o = {0};
	struct json_object *root;
	char err[256] = "";

	CU_ASSERT_EQUAL_FATAL(
		decode("{\"nqn\":\"q\",\"allow\":true,\"u8\":255,\"u16\":65535,\"nsid\":7,"
		       "\"u64\":18446744073709551615,\"i32\":-2147483648,"
		       "\"i64\":-9223372036854775808,\"rate\":0.5,\"old\":[],"
		       "\"address\":{\"traddr\":\"1.2.3.4\",\"family\":\"IPv6\"},\"list\":[1],"
		       "\"any\":{}}",
		       &o, err, &root),
		0);
	CU_ASSERT_STRING_EQUAL(o.nqn, "q");
	CU_ASSERT_TRUE(o.allow && o.has_nsid);
	CU_ASSERT_EQUAL(o.u8, 255);
	CU_ASSERT_EQUAL(o.u16, 65535);
	CU_ASSERT_EQUAL(o.nsid, 7);
	CU_ASSERT_EQUAL(o.u64, UINT64_MAX);
	CU_ASSERT_EQUAL(o.i32, INT32_MIN);
	CU_ASSERT_EQUAL(o.i64, INT64_MIN);
	CU_ASSERT_EQUAL(o.rate, 0.5);
	CU_ASSERT_STRING_EQUAL(o.address.traddr, "1.2.3.4");
	CU_ASSERT_EQUAL(o.address.family, 1);
	CU_ASSERT_EQUAL(json_object_array_length(o.list), 1);
	CU_ASSERT_PTR_NOT_NULL(o.any);
	json_object_put(root);
}

static void what_is_not_given_keeps_its_default(void)
{
	struct options o = {.u16 = 128, .nsid = 9};
	struct json_object *root;
	char err[256];

	CU_ASSERT_EQUAL(decode("{\"nqn\":\"q\"}", &o, err, &root), 0);
	CU_ASSERT_EQUAL(o.u16, 128);
	CU_ASSERT_EQUAL(o.nsid, 9);
	CU_ASSERT_FALSE(o.has_nsid);
	json_object_put(root);
}

static void an_integral_fraction_is_an_integer(void)
{
	struct options o = {0};
	struct json_object *root;
	char err[256];

	CU_ASSERT_EQUAL(decode("{\"nqn\":\"q\",\"u64\":1048576.0,\"i32\":-2e3}", &o, err, &root),
			0);
	CU_ASSERT_EQUAL(o.u64, 1048576);
	CU_ASSERT_EQUAL(o.i32, -2000);
	json_object_put(root);
}

static void a_wrong_member_is_named(void)
{
	static const struct {
		const char *text, *say;
	} bad[] = {
		{"{}", "parameter 'nqn' is missing"},
		{"{\"nqn\":\"q\",\"foo\":1}", "unknown parameter 'foo'"},
		{"{\"nqn\":1}", "parameter 'nqn': a string is needed, not a number"},
		{"{\"nqn\":null}", "parameter 'nqn': a string is needed, not null"},
		{"{\"nqn\":\"a\\u0000b\"}", "parameter 'nqn': the string holds a NUL byte"},
		{"{\"nqn\":\"q\",\"allow\":1}", "parameter 'allow': a boolean is needed"},
		{"{\"nqn\":\"q\",\"u8\":256}", "parameter 'u8': 256 is out of range (0 to 255)"},
		{"{\"nqn\":\"q\",\"u8\":-1}", "parameter 'u8': -1 is out of range"},
		{"{\"nqn\":\"q\",\"u16\":65536}", "parameter 'u16': 65536 is out of range"},
		{"{\"nqn\":\"q\",\"nsid\":0}", "parameter 'nsid': 0 is out of range (1 to 42949"},
		{"{\"nqn\":\"q\",\"nsid\":4294967295}", "parameter 'nsid': 4294967295 is out of"},
		{"{\"nqn\":\"q\",\"u64\":1.5}", "parameter 'u64': an integer is needed, not 1.5"},
		{"{\"nqn\":\"q\",\"u64\":\"1\"}", "parameter 'u64': a number is needed, not a st"},
		{"{\"nqn\":\"q\",\"i32\":2147483648}", "parameter 'i32': 2147483648 is out of"},
		{"{\"nqn\":\"q\",\"i64\":9223372036854775808}", "parameter 'i64': 92233720368"},
		{"{\"nqn\":\"q\",\"rate\":\"x\"}", "parameter 'rate': a number is needed"},
		{"{\"nqn\":\"q\",\"list\":{}}", "parameter 'list': an array is needed, not an obj"},
		{"{\"nqn\":\"q\",\"address\":\"x\"}", "parameter 'address': an object is needed"},
		{"{\"nqn\":\"q\",\"address\":{}}", "parameter 'address.traddr' is missing"},
		{"{\"nqn\":\"q\",\"address\":{\"traddr\":\"x\",\"port\":1}}",
		 "unknown parameter 'address.port'"},
		{"{\"nqn\":\"q\",\"address\":{\"traddr\":\"x\",\"family\":\"ib\"}}",
		 "parameter 'address.family': 'ib' is none of ipv4, ipv6"},
		{"{\"nqn\":\"q\",\"address\":{\"traddr\":\"1234567890123456\"}}",
		 "parameter 'address.traddr': the string has 16 bytes, at most 15"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct options o = {.u16 = 77}, before = o;
		char err[256] = "";

		CU_ASSERT_EQUAL(decode(bad[i].text, &o, err, NULL), -EINVAL);
		if (strncmp(err, bad[i].say, strlen(bad[i].say)) != 0)
			printf("%s\n  said '%s'\n  not  '%s'\n", bad[i].text, err, bad[i].say);
		CU_ASSERT_EQUAL(strncmp(err, bad[i].say, strlen(bad[i].say)), 0);
		CU_ASSERT_EQUAL(memcmp(&o, &before, sizeof(o)), 0);
	}
}

static void no_object_means_no_members(void)
{
	static const struct nvhi_json_field none[] = {NVHI_JSON_END};
	struct json_object *array = json_object_new_array();
	struct options o = {0};
	char err[256];

	CU_ASSERT_EQUAL(nvhi_json_decode(NULL, none, &o, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(nvhi_json_decode(NULL, NULL, &o, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(nvhi_json_decode(NULL, fields, &o, err, sizeof(err)), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_json_decode(array, none, &o, err, sizeof(err)), -EINVAL);
	json_object_put(array);
}

static void a_message_stays_within_its_buffer(void)
{
	struct options o = {0};
	struct json_object *root = NULL;
	const char *text = "{\"nqn\":\"q\",\"a_rather_long_name_for_a_parameter\":1}";
	char err[24];

	CU_ASSERT_EQUAL_FATAL(nvhi_json_parse(text, strlen(text), &root, err, sizeof(err)), 0);
	memset(err, 'x', sizeof(err));
	CU_ASSERT_EQUAL(nvhi_json_decode(root, fields, &o, err, 16), -EINVAL);
	CU_ASSERT_EQUAL(strnlen(err, 16), 15);
	CU_ASSERT_EQUAL(err[16], 'x');
	json_object_put(root);
}

int main(int argc, char **argv)
{
	static const struct nvh_test tests[] = {
		NVH_TEST(every_type_is_stored),
		NVH_TEST(what_is_not_given_keeps_its_default),
		NVH_TEST(an_integral_fraction_is_an_integer),
		NVH_TEST(a_wrong_member_is_named),
		NVH_TEST(no_object_means_no_members),
		NVH_TEST(a_message_stays_within_its_buffer),
	};

	return NVH_CUNIT_MAIN("base/json_decode", tests, argc, argv);
}
