/*
 * An object's members into a C struct by a table, and small helpers that build objects. Unknown
 * names, wrong types and numbers out of range are refused with the member's full name, and nothing
 * is stored unless everything fits. Pure, any thread.
 */
#include "base/json_util.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"

#define JSON_STRING_MAX 4096

struct decode_err {
	char path[128]; /* "listen_address." */
	char *text;
	size_t len;
};

__attribute__((format(printf, 3, 4))) static int decode_fail(struct decode_err *err,
							     const struct nvhi_json_field *field,
							     const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(err->text, err->len, "parameter '%s%s'", err->path, field->name);

	if (n < 0 || (size_t)n >= err->len)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(err->text + n, err->len - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *type_name(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "a boolean";
	case json_type_double:
	case json_type_int:
		return "a number";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	case json_type_string:
		return "a string";
	}
	return "something else";
}

static int wrong_type(struct decode_err *err, const struct nvhi_json_field *field,
		      struct json_object *value, const char *needed)
{
	return decode_fail(err, field, ": %s is needed, not %s", needed, type_name(value));
}

/* ---- numbers ------------------------------------------------------------------------------ */

struct number {
	bool negative;
	uint64_t u; /* when not negative */
	int64_t i;  /* when negative */
};

/* JSON has one kind of number: 4096.0 and 4e3 are integers too. */
static int get_integer(struct decode_err *err, const struct nvhi_json_field *field,
		       struct json_object *value, struct number *ret)
{
	if (json_object_is_type(value, json_type_int)) {
		ret->i = json_object_get_int64(value);
		ret->negative = ret->i < 0;
		ret->u = ret->negative ? 0 : json_object_get_uint64(value);
		return 0;
	}
	if (json_object_is_type(value, json_type_double)) {
		double d = json_object_get_double(value);

		if (!isfinite(d) || d != floor(d) || fabs(d) > 9007199254740992.0)
			return decode_fail(err, field, ": an integer is needed, not %g", d);
		ret->negative = d < 0;
		ret->i = (int64_t)d;
		ret->u = ret->negative ? 0 : (uint64_t)d;
		return 0;
	}
	return wrong_type(err, field, value, "a number");
}

static int decode_unsigned(struct decode_err *err, const struct nvhi_json_field *field,
			   struct json_object *value, void *out)
{
	static const uint64_t type_max[] = {
		[NVHI_JSON_U8] = UINT8_MAX,
		[NVHI_JSON_U16] = UINT16_MAX,
		[NVHI_JSON_U32] = UINT32_MAX,
		[NVHI_JSON_U64] = UINT64_MAX,
	};
	uint64_t max = field->max ? field->max : type_max[field->type];
	struct number number;
	int rc = get_integer(err, field, value, &number);

	if (rc)
		return rc;
	if (number.negative || number.u < field->min || number.u > max)
		return decode_fail(err, field, ": %s is out of range (%" PRIu64 " to %" PRIu64 ")",
				   json_object_get_string(value), field->min, max);
	if (!out)
		return 0;
	switch (field->type) {
	case NVHI_JSON_U8:
		*(uint8_t *)out = (uint8_t)number.u;
		break;
	case NVHI_JSON_U16:
		*(uint16_t *)out = (uint16_t)number.u;
		break;
	case NVHI_JSON_U32:
		*(uint32_t *)out = (uint32_t)number.u;
		break;
	default:
		*(uint64_t *)out = number.u;
		break;
	}
	return 0;
}

static int decode_signed(struct decode_err *err, const struct nvhi_json_field *field,
			 struct json_object *value, void *out)
{
	bool narrow = field->type == NVHI_JSON_I32;
	struct number number;
	int64_t v;
	int rc = get_integer(err, field, value, &number);

	if (rc)
		return rc;
	v = number.negative ? number.i : (int64_t)number.u;
	if ((!number.negative && number.u > INT64_MAX) ||
	    (narrow && (v < INT32_MIN || v > INT32_MAX)))
		return decode_fail(err, field, ": %s is out of range (%" PRId64 " to %" PRId64 ")",
				   json_object_get_string(value), narrow ? INT32_MIN : INT64_MIN,
				   narrow ? INT32_MAX : INT64_MAX);
	if (!out)
		return 0;
	if (narrow)
		*(int32_t *)out = (int32_t)v;
	else
		*(int64_t *)out = v;
	return 0;
}

static int decode_double(struct decode_err *err, const struct nvhi_json_field *field,
			 struct json_object *value, void *out)
{
	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return wrong_type(err, field, value, "a number");
	if (out)
		*(double *)out = json_object_get_double(value);
	return 0;
}

/* ---- strings and the rest ----------------------------------------------------------------- */

static int decode_string(struct decode_err *err, const struct nvhi_json_field *field,
			 struct json_object *value, void *out)
{
	size_t max = field->max_len ? field->max_len : JSON_STRING_MAX;
	const char *text = json_object_get_string(value);
	size_t len;

	if (!json_object_is_type(value, json_type_string))
		return wrong_type(err, field, value, "a string");
	len = (size_t)json_object_get_string_len(value);
	if (strlen(text) != len)
		return decode_fail(err, field, ": the string holds a NUL byte");
	if (len > max)
		return decode_fail(err, field,
				   ": the string has %zu bytes, at most %zu are allowed", len, max);
	if (out)
		*(const char **)out = text;
	return 0;
}

static int decode_enum(struct decode_err *err, const struct nvhi_json_field *field,
		       struct json_object *value, void *out)
{
	char choices[256] = "";
	const char *text;
	int rc = decode_string(err, field, value, &text);

	if (rc)
		return rc;
	for (int i = 0; field->names[i]; i++) {
		size_t used = strlen(choices);

		if (strcasecmp(text, field->names[i]) == 0) {
			if (out)
				*(int *)out = i;
			return 0;
		}
		snprintf(choices + used, sizeof(choices) - used, "%s%s", i ? ", " : "",
			 field->names[i]);
	}
	return decode_fail(err, field, ": '%.64s' is none of %s", text, choices);
}

static int decode_borrowed(struct decode_err *err, const struct nvhi_json_field *field,
			   struct json_object *value, void *out)
{
	if (field->type == NVHI_JSON_OBJECT && !json_object_is_type(value, json_type_object))
		return wrong_type(err, field, value, "an object");
	if (field->type == NVHI_JSON_ARRAY && !json_object_is_type(value, json_type_array))
		return wrong_type(err, field, value, "an array");
	if (out)
		*(struct json_object **)out = value;
	return 0;
}

static int decode_members(struct decode_err *err, struct json_object *object,
			  const struct nvhi_json_field *fields, void *ret);

static int decode_struct(struct decode_err *err, const struct nvhi_json_field *field,
			 struct json_object *value, void *out)
{
	size_t used = strlen(err->path);
	int rc;

	if (!json_object_is_type(value, json_type_object))
		return wrong_type(err, field, value, "an object");
	snprintf(err->path + used, sizeof(err->path) - used, "%s.", field->name);
	rc = decode_members(err, value, field->fields, out);
	err->path[used] = '\0';
	return rc;
}

static int decode_field(struct decode_err *err, const struct nvhi_json_field *field,
			struct json_object *value, void *ret)
{
	void *out = ret ? (char *)ret + field->offset : NULL;

	switch (field->type) {
	case NVHI_JSON_STRING:
		return decode_string(err, field, value, out);
	case NVHI_JSON_BOOL:
		if (!json_object_is_type(value, json_type_boolean))
			return wrong_type(err, field, value, "a boolean");
		if (out)
			*(bool *)out = json_object_get_boolean(value);
		return 0;
	case NVHI_JSON_U8:
	case NVHI_JSON_U16:
	case NVHI_JSON_U32:
	case NVHI_JSON_U64:
		return decode_unsigned(err, field, value, out);
	case NVHI_JSON_I32:
	case NVHI_JSON_I64:
		return decode_signed(err, field, value, out);
	case NVHI_JSON_DOUBLE:
		return decode_double(err, field, value, out);
	case NVHI_JSON_ENUM:
		return decode_enum(err, field, value, out);
	case NVHI_JSON_OBJECT:
	case NVHI_JSON_ARRAY:
	case NVHI_JSON_ANY:
		return decode_borrowed(err, field, value, out);
	case NVHI_JSON_STRUCT:
		return decode_struct(err, field, value, out);
	case NVHI_JSON_IGNORE:
		return 0;
	}
	return -EINVAL;
}

static int unknown_member(struct decode_err *err, const char *name,
			  const struct nvhi_json_field *fields)
{
	size_t used;

	snprintf(err->text, err->len, "unknown parameter '%s%.64s'", err->path, name);
	for (int i = 0; fields && fields[i].name; i++) {
		used = strlen(err->text);
		snprintf(err->text + used, err->len - used, "%s%s",
			 i ? ", " : " (known: ", fields[i].name);
	}
	used = strlen(err->text);
	if (fields && fields[0].name)
		snprintf(err->text + used, err->len - used, ")");
	return -EINVAL;
}

/* With ret NULL only checks. */
static int decode_members(struct decode_err *err, struct json_object *object,
			  const struct nvhi_json_field *fields, void *ret)
{
	const struct nvhi_json_field *field;
	int rc;

	if (object) {
		json_object_object_foreach(object, name, value)
		{
			for (field = fields; field && field->name; field++)
				if (strcmp(field->name, name) == 0)
					break;
			if (!field || !field->name)
				return unknown_member(err, name, fields);
			rc = decode_field(err, field, value, ret);
			if (rc)
				return rc;
			if (ret && field->has_present)
				*(bool *)((char *)ret + field->present) = true;
		}
	}
	for (field = fields; field && field->name; field++)
		if (field->required && !json_object_object_get_ex(object, field->name, NULL))
			return decode_fail(err, field, " is missing");
	return 0;
}

int nvhi_json_decode(struct json_object *object, const struct nvhi_json_field *fields, void *ret,
		     char *err_text, size_t err_len)
{
	struct decode_err err = {.text = err_text, .len = err_len};
	int rc;

	if (object && !json_object_is_type(object, json_type_object)) {
		snprintf(err_text, err_len, "an object is needed, not %s", type_name(object));
		return -EINVAL;
	}
	rc = decode_members(&err, object, fields, NULL);
	return rc ? rc : decode_members(&err, object, fields, ret);
}
