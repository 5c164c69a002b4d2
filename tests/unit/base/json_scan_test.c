/*
 * base/json_scan.c: where a text ends, and what is refused that json-c would take.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_util.h"
#include "tests/unit/nvh_cunit.h"

static const char sample[] =
	"{ \"a\\\"}\" : [1, -2.5e3, true, {\"b\": null}], \"c\": \"\\u00e9]\" }";

static int parse(const char *text, char *err)
{
	struct json_object *root = NULL;
	int rc = nvhi_json_parse(text, strlen(text), &root, err, 256);

	if (rc)
		CU_ASSERT_PTR_NULL(root);
	json_object_put(root);
	return rc;
}

static void a_text_ends_where_its_last_bracket_is(void)
{
	struct nvhi_json_scan scan = {0};
	char two[256];
	const char *why = NULL;
	size_t used = 0, len = strlen(sample);

	snprintf(two, sizeof(two), "%s%s", sample, sample);
	CU_ASSERT_EQUAL(nvhi_json_scan(&scan, two, strlen(two), &used, &why), 1);
	CU_ASSERT_EQUAL(used, len);
	CU_ASSERT_EQUAL(scan.members, 3);
}

static void a_text_split_at_every_byte_ends_at_the_same_place(void)
{
	size_t len = strlen(sample);

	for (size_t cut = 0; cut <= len; cut++) {
		struct nvhi_json_scan scan = {0};
		const char *why = NULL;
		size_t used = 0;
		int rc = nvhi_json_scan(&scan, sample, cut, &used, &why);

		CU_ASSERT_EQUAL(used, cut);
		CU_ASSERT_EQUAL(rc, cut == len);
		if (rc == 0) {
			rc = nvhi_json_scan(&scan, sample + cut, len - cut, &used, &why);
			CU_ASSERT_EQUAL(rc, 1);
			CU_ASSERT_EQUAL(used, len - cut);
		}
	}
}

static void a_parsed_text_holds_what_was_written(void)
{
	struct json_object *root = NULL, *value;
	char err[256] = "";

	CU_ASSERT_EQUAL_FATAL(nvhi_json_parse(sample, strlen(sample), &root, err, sizeof(err)), 0);
	CU_ASSERT_TRUE(json_object_object_get_ex(root, "c", &value));
	CU_ASSERT_STRING_EQUAL(json_object_get_string(value), "\xc3\xa9]");
	CU_ASSERT_TRUE(json_object_object_get_ex(root, "a\"}", &value));
	CU_ASSERT_EQUAL(json_object_array_length(value), 4);
	json_object_put(root);
}

static void what_is_no_json_is_refused(void)
{
	static const char *const bad[] = {
		"",           "   ",         "7",          "\"x\"",     "{",           "[1,2",
		"{]",         "[}",          "{\"a\":1]}", "{}}",       "{} x",        "[1,]",
		"{\"a\":1,}", "{a:1}",       "{'a':1}",    "[nul]",     "[truefalse]", "[NaN]",
		"[Infinity]", "[-Infinity]", "[nan]",      "[/* */1]",  "[\"\t\"]",    "[\"\\x\"]",
		"[1e]",       "[--1]",       "[\"\xff\"]", "{\"a\" 1}", "{\"a\":}",    "[1 2]",
		"\x01{}",
	};
	char err[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err[0] = '\0';
		if (parse(bad[i], err) != -EINVAL)
			printf("accepted: %s\n", bad[i]);
		CU_ASSERT_EQUAL(parse(bad[i], err), -EINVAL);
		CU_ASSERT_NOT_EQUAL(err[0], '\0');
	}
}

static void a_nul_byte_is_refused(void)
{
	struct json_object *root = NULL;
	char err[256];

	CU_ASSERT_EQUAL(nvhi_json_parse("[1\0]", 4, &root, err, sizeof(err)), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_json_parse("[\"\0\"]", 5, &root, err, sizeof(err)), -EINVAL);
}

static void a_member_given_twice_is_refused_and_named(void)
{
	char err[256];

	CU_ASSERT_EQUAL(parse("{\"nqn\":1,\"x\":{\"nqn\":2},\"nqn\":3}", err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err, "duplicate member 'nqn'");
	CU_ASSERT_EQUAL(parse("[{\"a\":{\"b\":[], \"b\" :1}}]", err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err, "duplicate member 'b'");
	/* written differently, the same all the same */
	CU_ASSERT_EQUAL(parse("{\"a\":1,\"\\u0061\":2}", err), -EINVAL);
	CU_ASSERT_EQUAL(parse("[{\"a\":\":\"},{\"a\":2}]", err), 0);
}

static void numbers_need_at_most_64_bits(void)
{
	char err[256];

	CU_ASSERT_EQUAL(parse("[18446744073709551615,-9223372036854775808]", err), 0);
	CU_ASSERT_EQUAL(parse("[18446744073709551616]", err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "64 bits"));
	CU_ASSERT_EQUAL(parse("[-9223372036854775809]", err), -EINVAL);
	CU_ASSERT_EQUAL(parse("{\"a\":99999999999999999999999999999999999999999}", err), -EINVAL);
	CU_ASSERT_EQUAL(parse("[1e999]", err), -EINVAL);
	CU_ASSERT_EQUAL(parse("[1e308]", err), 0);
}

static void nesting_has_an_end(void)
{
	char text[2 * NVHI_JSON_DEPTH_MAX + 8], err[256];
	const int depth = NVHI_JSON_DEPTH_MAX;

	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	text[2 * depth] = '\0';
	CU_ASSERT_EQUAL(parse(text, err), 0);
	memset(text, '[', (size_t)depth + 1);
	memset(text + depth + 1, ']', (size_t)depth + 1);
	text[2 * depth + 2] = '\0';
	CU_ASSERT_EQUAL(parse(text, err), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "deep"));
}

static void a_text_of_too_many_values_is_refused(void)
{
	static const struct {
		char repeat[8];
		int rc;
	} cases[] = {{"{},", -EINVAL}, {"[],", -EINVAL}, {"1,", 1}};

	for (size_t i = 0; i < 3; i++) {
		struct nvhi_json_scan scan = {.max_containers = 100};
		const char *why = NULL;
		size_t used;
		int rc = nvhi_json_scan(&scan, "[", 1, &used, &why);

		for (int n = 0; n < 500 && rc == 0; n++)
			rc = nvhi_json_scan(&scan, cases[i].repeat, strlen(cases[i].repeat), &used,
					    &why);
		if (rc == 0)
			rc = nvhi_json_scan(&scan, "1]", 2, &used, &why);
		CU_ASSERT_EQUAL(rc, cases[i].rc);
	}
}

static void a_file_is_replaced_whole_and_read_back(void)
{
	char dir[] = "/tmp/nvh-json-XXXXXX", path[64], err[256];
	struct json_object *root = json_object_new_object(), *back = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f.json", dir);
	CU_ASSERT_EQUAL(nvhi_json_parse_file(path, 100, &back, err, sizeof(err)), -ENOENT);
	CU_ASSERT_EQUAL(nvhi_json_add_u64(root, "big", UINT64_MAX), 0);
	CU_ASSERT_EQUAL(nvhi_json_write_file(path, root, 0600), 0);
	CU_ASSERT_EQUAL(nvhi_json_parse_file(path, 10, &back, err, sizeof(err)), -EFBIG);
	CU_ASSERT_EQUAL_FATAL(nvhi_json_parse_file(path, 100, &back, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(json_object_get_uint64(json_object_object_get(back, "big")), UINT64_MAX);
	CU_ASSERT_EQUAL(nvhi_json_write_file("/nonexistent/x", root, 0600), -ENOENT);
	CU_ASSERT_EQUAL(nvhi_json_write_file("/dev/null", root, 0600), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_json_write_file(dir, root, 0600), -EINVAL);
	json_object_put(back);
	json_object_put(root);
	remove(path);
	CU_ASSERT_EQUAL(remove(dir), 0); /* and left nothing beside it */
}

int main(int argc, char **argv)
{
	static const struct nvh_test tests[] = {
		NVH_TEST(a_text_ends_where_its_last_bracket_is),
		NVH_TEST(a_text_split_at_every_byte_ends_at_the_same_place),
		NVH_TEST(a_parsed_text_holds_what_was_written),
		NVH_TEST(what_is_no_json_is_refused),
		NVH_TEST(a_nul_byte_is_refused),
		NVH_TEST(a_member_given_twice_is_refused_and_named),
		NVH_TEST(numbers_need_at_most_64_bits),
		NVH_TEST(nesting_has_an_end),
		NVH_TEST(a_text_of_too_many_values_is_refused),
		NVH_TEST(a_file_is_replaced_whole_and_read_back),
	};

	return NVH_CUNIT_MAIN("base/json_scan", tests, argc, argv);
}
