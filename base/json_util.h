/*
 * What json-c leaves open. A scanner that finds where one JSON text ends in a stream of bytes and
 * refuses what json-c would quietly bend (duplicate members are counted here, numbers beyond 64
 * bits, NaN, raw control bytes, depth); a parser on top of both; and a table-driven decoder of an
 * object's members into a C struct, which names the member that is wrong. Pure: no I/O, no clock,
 * any thread. RFC 8259.
 */
#ifndef NVHI_BASE_JSON_UTIL_H
#define NVHI_BASE_JSON_UTIL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVHI_JSON_DEPTH_MAX 32
/* Objects and arrays in one text; json-c takes some 750 bytes for each, however short it is. */
#define NVHI_JSON_CONTAINERS_MAX (1u << 20)

/* ---- one text out of a stream ------------------------------------------------------------- */

/* Zero-initialised is a scanner before a text. */
struct nvhi_json_scan {
	uint64_t open; /* bit per level: 1 an object, 0 an array */
	uint32_t depth;
	uint32_t members;            /* name separators seen: what the parsed tree must hold too */
	uint32_t containers, values; /* objects and arrays; separators between values */
	uint32_t max_containers;     /* 0: NVHI_JSON_CONTAINERS_MAX; of values 16 times as many */
	uint8_t in_string, in_escape, in_number;
	uint8_t digits[24]; /* the integer being read, to refuse what needs more than 64 bits */
	uint8_t digit_count;
};

/* Reads on. Returns 1 when an object or array ended, *ret_used bytes into buf; 0 when all of it
 * was used and more is needed; -EINVAL with *ret_why on bytes no JSON text (of an object or array)
 * can have there. Leading white space is skipped. */
int nvhi_json_scan(struct nvhi_json_scan *scan, const char *buf, size_t len, size_t *ret_used,
		   const char **ret_why);

/* Parses one whole object or array of exactly len bytes (white space around it allowed). 0;
 * -EINVAL with a reason in err ("duplicate member 'nqn'", "... at byte 17"); -ENOMEM. */
int nvhi_json_parse(const char *buf, size_t len, struct json_object **ret_root, char *err,
		    size_t err_len);
/* The same from a file of at most max bytes. -errno of open or read, -EFBIG. */
int nvhi_json_parse_file(const char *path, size_t max, struct json_object **ret_root, char *err,
			 size_t err_len);
/* Writes through a temporary file and rename, fsynced, mode as given. -errno; -EINVAL: what stands
 * there is no regular file. */
int nvhi_json_write_file(const char *path, struct json_object *root, unsigned int mode);

/* ---- members into a struct ---------------------------------------------------------------- */

enum nvhi_json_type {
	NVHI_JSON_STRING, /* const char *: points into the object, lives as long as it */
	NVHI_JSON_BOOL,   /* bool */
	NVHI_JSON_U8,
	NVHI_JSON_U16,
	NVHI_JSON_U32,
	NVHI_JSON_U64,
	NVHI_JSON_I32,
	NVHI_JSON_I64,
	NVHI_JSON_DOUBLE,
	NVHI_JSON_ENUM,   /* int: index into `names`, compared without regard to case */
	NVHI_JSON_OBJECT, /* struct json_object *, borrowed; an object */
	NVHI_JSON_ARRAY,  /* struct json_object *, borrowed; an array */
	NVHI_JSON_ANY,    /* struct json_object *, borrowed; NULL is JSON's null */
	NVHI_JSON_STRUCT, /* decoded by `fields` into the struct at offset */
	NVHI_JSON_IGNORE, /* a known name of any type that means nothing here; not stored */
};

struct nvhi_json_field {
	const char *name; /* NULL ends the table */
	enum nvhi_json_type type;
	size_t offset; /* of the value in the struct */
	bool required;
	bool has_present;         /* `present` is used */
	size_t present;           /* offset of a bool that is set when the member was there */
	uint64_t min, max;        /* unsigned numbers; max 0: the type's own */
	size_t max_len;           /* strings; 0: 4096 */
	const char *const *names; /* ENUM; NULL-terminated */
	const struct nvhi_json_field *fields; /* STRUCT */
	const char *help;                     /* one phrase, for listings; may be NULL */
};

#define NVHI_JSON_FIELD(strct, memb, typ, ...)                                                     \
	{                                                                                          \
		.name = #memb, .type = NVHI_JSON_##typ, .offset = offsetof(struct strct, memb),    \
		__VA_ARGS__                                                                        \
	}
#define NVHI_JSON_REQUIRED             .required = true
#define NVHI_JSON_PRESENT(strct, flag) .has_present = true, .present = offsetof(struct strct, flag)
#define NVHI_JSON_END                                                                              \
	{                                                                                          \
		.name = NULL                                                                       \
	}

/* Stores the members of `object` (NULL: no members) into *ret, whose other fields keep what the
 * caller put there as defaults. Nothing is stored unless everything is right. -EINVAL with a
 * reason in err that names the member: "unknown parameter 'foo'", "parameter 'nsid' is missing",
 * "parameter 'listen_address.trsvcid': a string is needed, not a number", "parameter 'nsid': 0 is
 * out of range (1 to 4294967294)". */
int nvhi_json_decode(struct json_object *object, const struct nvhi_json_field *fields, void *ret,
		     char *err, size_t err_len);

/* ---- building ----------------------------------------------------------------------------- */

/* Each adds one member and frees nothing on failure; -ENOMEM. nvhi_json_add takes `value` (on
 * failure it is released); a NULL value is taken for a failed allocation, not for null. */
int nvhi_json_add(struct json_object *object, const char *name, struct json_object *value);
int nvhi_json_add_string(struct json_object *object, const char *name, const char *value);
int nvhi_json_add_u64(struct json_object *object, const char *name, uint64_t value);
int nvhi_json_add_i64(struct json_object *object, const char *name, int64_t value);
int nvhi_json_add_bool(struct json_object *object, const char *name, bool value);
int nvhi_json_add_stringf(struct json_object *object, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Appends to an array; takes `value`. */
int nvhi_json_append(struct json_object *array, struct json_object *value);

#endif
