/*
 * Reading JSON that others wrote: where one text ends in a stream, and what json-c would let pass
 * (numbers that need more than 64 bits, NaN, raw control bytes, a member given twice). The grammar
 * itself is json-c's job, in its strict mode. Pure, any thread. RFC 8259.
 */
#include "base/json_util.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SCAN_NO_NUMBER, SCAN_INTEGER, SCAN_FRACTION };

static bool scan_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool scan_is_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Compares the collected digits with the largest magnitude 64 bits hold. */
static bool scan_integer_fits(const struct nvhi_json_scan *scan)
{
	bool negative = scan->digits[0] == '-';
	const uint8_t *digits = scan->digits + negative;
	size_t count = scan->digit_count - (size_t)negative;
	const char *limit = negative ? "9223372036854775808" : "18446744073709551615";
	size_t limit_len = strlen(limit);

	if (count != limit_len)
		return count < limit_len;
	return memcmp(digits, limit, limit_len) <= 0;
}

/* One byte of a number, or the byte behind it. */
static int scan_number(struct nvhi_json_scan *scan, char c, const char **ret_why)
{
	if (!scan_is_number(c)) {
		if (scan->in_number == SCAN_INTEGER && !scan_integer_fits(scan)) {
			*ret_why = "a number beyond 64 bits";
			return -EINVAL;
		}
		scan->in_number = SCAN_NO_NUMBER;
		return 0;
	}
	if (scan->in_number == SCAN_NO_NUMBER) {
		scan->in_number = SCAN_INTEGER;
		scan->digit_count = 0;
	}
	if (c == '.' || c == 'e' || c == 'E')
		scan->in_number = SCAN_FRACTION;
	else if (scan->digit_count < sizeof(scan->digits))
		scan->digits[scan->digit_count++] = (uint8_t)c;
	return 0;
}

static int scan_string(struct nvhi_json_scan *scan, char c, const char **ret_why)
{
	if ((unsigned char)c < 0x20) {
		*ret_why = "a raw control byte in a string";
		return -EINVAL;
	}
	if (scan->in_escape)
		scan->in_escape = 0;
	else if (c == '\\')
		scan->in_escape = 1;
	else if (c == '"')
		scan->in_string = 0;
	return 0;
}

/* A short text must not grow to gigabytes once parsed. */
static int scan_count(const struct nvhi_json_scan *scan, const char **ret_why)
{
	uint32_t max = scan->max_containers ? scan->max_containers : NVHI_JSON_CONTAINERS_MAX;

	if (scan->containers <= max && scan->values / 16 <= max && scan->members / 16 <= max)
		return 0;
	*ret_why = "too many values";
	return -EINVAL;
}

static int scan_open(struct nvhi_json_scan *scan, bool object, const char **ret_why)
{
	if (scan->depth == NVHI_JSON_DEPTH_MAX) {
		*ret_why = "nested too deeply";
		return -EINVAL;
	}
	scan->open = scan->open << 1 | object;
	scan->depth++;
	scan->containers++;
	return scan_count(scan, ret_why);
}

static int scan_close(struct nvhi_json_scan *scan, bool object, const char **ret_why)
{
	if ((scan->open & 1) != object) {
		*ret_why = "brackets that do not match";
		return -EINVAL;
	}
	scan->open >>= 1;
	scan->depth--;
	return scan->depth == 0;
}

/* A byte outside strings and numbers. 1: the text ended. */
static int scan_byte(struct nvhi_json_scan *scan, char c, const char **ret_why)
{
	if (scan->depth == 0 && c != '{' && c != '[') {
		*ret_why = "no object or array";
		return -EINVAL;
	}
	switch (c) {
	case '{':
	case '[':
		return scan_open(scan, c == '{', ret_why);
	case '}':
	case ']':
		return scan_close(scan, c == '}', ret_why);
	case '"':
		scan->in_string = 1;
		return 0;
	case ':':
		scan->members++;
		return scan_count(scan, ret_why);
	case ',':
		scan->values++;
		return scan_count(scan, ret_why);
	default:
		/* The letters of true, false and null; json-c would also take NaN and Infinity. */
		if (c >= 'a' && c <= 'z')
			return 0;
		*ret_why = "a byte that no JSON text has there";
		return -EINVAL;
	}
}

int nvhi_json_scan(struct nvhi_json_scan *scan, const char *buf, size_t len, size_t *ret_used,
		   const char **ret_why)
{
	for (size_t i = 0; i < len; i++) {
		char c = buf[i];
		int rc;

		if (scan->in_string) {
			rc = scan_string(scan, c, ret_why);
		} else {
			bool number = scan->depth && (scan->in_number || scan_is_number(c)) &&
				      !(c == 'e' && !scan->in_number);

			rc = number ? scan_number(scan, c, ret_why) : 0;
			if (rc == 0 && !scan->in_number && !scan_is_space(c))
				rc = scan_byte(scan, c, ret_why);
		}
		if (rc) {
			*ret_used = i + (rc > 0);
			return rc;
		}
	}
	*ret_used = len;
	return 0;
}

/* ---- the tree against the text ------------------------------------------------------------ */

/* Counts members; *ret_finite turns false at a number that became infinite (1e999). */
static uint32_t tree_members(struct json_object *node, bool *ret_finite)
{
	uint32_t count = 0;

	switch (json_object_get_type(node)) {
	case json_type_object: {
		json_object_object_foreach(node, name, value)
		{
			(void)name;
			count += 1 + tree_members(value, ret_finite);
		}
		break;
	}
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(node); i++)
			count += tree_members(json_object_array_get_idx(node, i), ret_finite);
		break;
	case json_type_double:
		if (!isfinite(json_object_get_double(node)))
			*ret_finite = false;
		break;
	default:
		break;
	}
	return count;
}

/* Copies the string that starts at text (behind its quote) as written; returns its length. */
static size_t copy_raw_string(const char *text, size_t len, char *out, size_t out_len)
{
	size_t i, n = 0;

	for (i = 0; i < len && text[i] != '"'; i++) {
		if (n + 2 < out_len)
			out[n++] = text[i];
		if (text[i] == '\\' && i + 1 < len) {
			i++;
			if (n + 1 < out_len)
				out[n++] = text[i];
		}
	}
	out[n] = '\0';
	return i;
}

/* Names the member that an object of this (well-formed) text gives twice, for the message only. */
static void find_duplicate(const char *buf, size_t len, char *name, size_t name_len)
{
	struct json_object *seen[NVHI_JSON_DEPTH_MAX + 1] = {NULL};
	size_t depth = 0;
	bool found = false;

	name[0] = '\0';
	for (size_t i = 0; i < len && !found; i++) {
		if (buf[i] == '{' || buf[i] == '[') {
			seen[++depth] = json_object_new_object();
		} else if (buf[i] == '}' || buf[i] == ']') {
			json_object_put(seen[depth]);
			seen[depth--] = NULL;
		} else if (buf[i] == '"') {
			i += 1 + copy_raw_string(buf + i + 1, len - i - 1, name, name_len);
			size_t next = i + 1;
			while (next < len && scan_is_space(buf[next]))
				next++;
			if (next < len && buf[next] == ':' && seen[depth]) {
				found = json_object_object_get_ex(seen[depth], name, NULL);
				json_object_object_add(seen[depth], name, NULL);
			}
		}
	}
	while (depth)
		json_object_put(seen[depth--]);
	if (!found)
		name[0] = '\0';
}

static int check_tree(struct json_object *root, const char *buf, size_t len, uint32_t members,
		      char *err, size_t err_len)
{
	bool finite = true;
	char name[64];

	if (tree_members(root, &finite) != members) {
		find_duplicate(buf, len, name, sizeof(name));
		snprintf(err, err_len, "duplicate member '%s'", name);
		return -EINVAL;
	}
	if (!finite) {
		snprintf(err, err_len, "a number beyond what a double holds");
		return -EINVAL;
	}
	return 0;
}

static int json_fail(char *err, size_t err_len, size_t at, const char *why)
{
	snprintf(err, err_len, "%s at byte %zu", why, at);
	return -EINVAL;
}

/* Finds the one text in buf, and that nothing but white space surrounds it. */
static int frame_text(const char *buf, size_t len, size_t *ret_start, size_t *ret_len,
		      uint32_t *ret_members, char *err, size_t err_len)
{
	struct nvhi_json_scan scan = {0};
	const char *why = NULL;
	size_t start = 0, used, end;
	int rc;

	while (start < len && scan_is_space(buf[start]))
		start++;
	rc = nvhi_json_scan(&scan, buf + start, len - start, &used, &why);
	if (rc < 0)
		return json_fail(err, err_len, start + used, why);
	if (rc == 0)
		return json_fail(err, err_len, len, "the text ends half way");
	for (end = start + used; end < len; end++)
		if (!scan_is_space(buf[end]))
			return json_fail(err, err_len, end, "bytes behind the end of the text");
	*ret_start = start;
	*ret_len = used;
	*ret_members = scan.members;
	return 0;
}

int nvhi_json_parse(const char *buf, size_t len, struct json_object **ret_root, char *err,
		    size_t err_len)
{
	struct json_tokener *tok;
	struct json_object *root;
	enum json_tokener_error tok_err;
	size_t start, text_len;
	uint32_t members;
	int rc = frame_text(buf, len, &start, &text_len, &members, err, err_len);

	if (rc)
		return rc;
	if (text_len > INT32_MAX)
		return json_fail(err, err_len, 0, "a text above 2 GiB");
	tok = json_tokener_new_ex(NVHI_JSON_DEPTH_MAX + 1);
	if (!tok) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tok, buf + start, (int)text_len);
	tok_err = json_tokener_get_error(tok);
	if (root && tok_err == json_tokener_success) {
		rc = check_tree(root, buf + start, text_len, members, err, err_len);
	} else if (tok_err == json_tokener_success || tok_err == json_tokener_continue) {
		/* The scanner saw the end, so json-c ran out of memory. */
		snprintf(err, err_len, "out of memory");
		rc = -ENOMEM;
	} else {
		rc = json_fail(err, err_len, start + json_tokener_get_parse_end(tok),
			       json_tokener_error_desc(tok_err));
	}
	json_tokener_free(tok);
	if (rc) {
		json_object_put(root);
		return rc;
	}
	*ret_root = root;
	return 0;
}
