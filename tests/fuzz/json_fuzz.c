/*
 * Fuzz target: JSON texts, from the stream scanner over the parser to the parameter decoder.
 *
 * The scanner must find the same end whole and byte by byte; what parses must print and parse
 * again to the same; the decoder must store nothing when it refuses.
 */
#include <errno.h>

#include "base/json_util.h"
#include "tests/fuzz/fuzz.h"

struct inner {
	const char *traddr;
	uint16_t port;
};

struct params {
	const char *nqn;
	uint32_t nsid;
	int64_t offset;
	double rate;
	bool flag;
	bool has_flag;
	int kind;
	struct inner inner;
	struct json_object *list;
};

static const char *const kinds[] = {"tcp", "rdma", NULL};

static const struct nvhi_json_field inner_fields[] = {
	NVHI_JSON_FIELD(inner, traddr, STRING, .max_len = 16),
	NVHI_JSON_FIELD(inner, port, U16),
	NVHI_JSON_END,
};

static const struct nvhi_json_field fields[] = {
	NVHI_JSON_FIELD(params, nqn, STRING, NVHI_JSON_REQUIRED, .max_len = 223),
	NVHI_JSON_FIELD(params, nsid, U32, .min = 1, .max = 100),
	NVHI_JSON_FIELD(params, offset, I64),
	NVHI_JSON_FIELD(params, rate, DOUBLE),
	NVHI_JSON_FIELD(params, flag, BOOL, NVHI_JSON_PRESENT(params, has_flag)),
	NVHI_JSON_FIELD(params, kind, ENUM, .names = kinds),
	NVHI_JSON_FIELD(params, inner, STRUCT, .fields = inner_fields),
	NVHI_JSON_FIELD(params, list, ARRAY),
	NVHI_JSON_END,
};

/* The scanner's verdict and place, in pieces of `step` bytes. */
static int scan(const char *text, size_t len, size_t step, size_t *ret_end)
{
	struct nvhi_json_scan state = {0};
	size_t at = 0;

	while (at < len) {
		size_t n = len - at < step ? len - at : step, used = 0;
		const char *why = NULL;
		int rc = nvhi_json_scan(&state, text + at, n, &used, &why);

		FUZZ_CHECK(used <= n);
		at += used;
		*ret_end = at;
		if (rc < 0)
			FUZZ_CHECK(why);
		if (rc)
			return rc;
		FUZZ_CHECK(used == n);
	}
	return 0;
}

static void decode(struct json_object *root)
{
	struct params params, before;
	char err[256] = "";

	memset(&params, 0x5a, sizeof(params));
	before = params;
	if (nvhi_json_decode(root, fields, &params, err, sizeof(err))) {
		FUZZ_CHECK(err[0]);
		FUZZ_CHECK(!memcmp(&params, &before, sizeof(params)));
		return;
	}
	FUZZ_CHECK(params.nqn && strlen(params.nqn) <= 223);
	if (params.nsid != before.nsid)
		FUZZ_CHECK(params.nsid >= 1 && params.nsid <= 100);
}

/* What was parsed prints as a text that parses to the same. */
static void again(struct json_object *root)
{
	const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
	struct json_object *second = NULL;
	char err[256] = "";

	FUZZ_CHECK(text);
	FUZZ_CHECK(!nvhi_json_parse(text, strlen(text), &second, err, sizeof(err)));
	FUZZ_CHECK(json_object_equal(root, second));
	json_object_put(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* exact: an overread is seen */
	struct json_object *root = NULL;
	size_t end_whole = 0, end_bytes = 0;
	char err[256] = "";
	int whole, bytes;

	if (!text)
		abort();
	text = realloc(text, size ? size : 1);
	memcpy(text, data, size);
	whole = scan(text, size, size ? size : 1, &end_whole);
	bytes = scan(text, size, 1, &end_bytes);
	FUZZ_CHECK(whole == bytes && end_whole == end_bytes);
	if (nvhi_json_parse(text, size, &root, err, sizeof(err))) {
		FUZZ_CHECK(err[0] && !root);
	} else {
		FUZZ_CHECK(root);
		decode(root);
		again(root);
		json_object_put(root);
	}
	free(text);
	return 0;
}
