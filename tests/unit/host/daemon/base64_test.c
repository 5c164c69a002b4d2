/*
 * host/daemon/base64.c: RFC 4648's own vectors, every length, and what is no base64.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/base64.h"
#include "tests/unit/nvh_cunit.h"

static void the_vectors_of_rfc_4648_hold(void)
{
	static const char *const vectors[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};
	char text[16], back[16];
	size_t len;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		nvd_base64_encode(vectors[i][0], strlen(vectors[i][0]), text);
		CU_ASSERT_STRING_EQUAL(text, vectors[i][1]);
		CU_ASSERT_EQUAL(nvd_base64_decode(text, back, sizeof(back), &len), 0);
		CU_ASSERT_EQUAL(len, strlen(vectors[i][0]));
		CU_ASSERT_EQUAL(memcmp(back, vectors[i][0], len), 0);
	}
}

static void every_length_comes_back(void)
{
	uint8_t data[300], back[300];
	size_t got;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 167 + 13);
	for (size_t len = 0; len <= sizeof(data); len++) {
		char *text = nvd_base64_dup(data, len);

		CU_ASSERT_PTR_NOT_NULL_FATAL(text);
		CU_ASSERT_EQUAL(strlen(text) + 1, NVD_BASE64_SIZE(len));
		CU_ASSERT_EQUAL(nvd_base64_decode(text, back, len, &got), 0);
		CU_ASSERT_EQUAL(got, len);
		CU_ASSERT_EQUAL(memcmp(back, data, len), 0);
		if (len)
			CU_ASSERT_EQUAL(nvd_base64_decode(text, back, len - 1, &got), -EINVAL);
		free(text);
	}
}

static void what_is_no_base64_is_refused_and_writes_nothing(void)
{
	static const char *const bad[] = {
		"Z",    "Zg",       "Zg=",  "Zg=a",         "Z===",
		"====", "Zm9v!A==", "Zm 9", "Zm9vYg==Zm9v", "\xff\xff\xff\xff"};
	uint8_t out[16];
	size_t len = 77;

	memset(out, 0xa5, sizeof(out));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(nvd_base64_decode(bad[i], out, sizeof(out), &len), -EINVAL);
	CU_ASSERT_EQUAL(len, 77);
	for (size_t i = 0; i < sizeof(out); i++)
		CU_ASSERT_EQUAL(out[i], 0xa5);
}

NVH_UNIT_MAIN("host/daemon/base64", NVH_TEST(the_vectors_of_rfc_4648_hold),
	      NVH_TEST(every_length_comes_back),
	      NVH_TEST(what_is_no_base64_is_refused_and_writes_nothing))
