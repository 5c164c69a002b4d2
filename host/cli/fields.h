/*
 * Wire structures printed by tables: name, place, size and form of each field, in nvme-cli's
 * "normal" shape and in JSON. Pure.
 */
#ifndef NVC_FIELDS_H
#define NVC_FIELDS_H

#include <json-c/json.h>
#include <nvhost/spec/le.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum nvc_field_form {
	NVC_FIELD_HEX, /* %#x; in JSON a number, as all numbers are */
	NVC_FIELD_DEC,
	NVC_FIELD_TEXT, /* fixed-size text as it is, blanks included */
	NVC_FIELD_UUID,
	NVC_FIELD_BYTES, /* hexadecimal digits */
	NVC_FIELD_OUI,   /* three bytes, most significant last */
};

#define NVC_FIELD_NO_NORMAL 1u /* JSON only */
#define NVC_FIELD_NO_JSON   2u /* normal only */
#define NVC_FIELD_TAB       4u /* "name\t: " (an oddity that scripts know) */

struct nvc_field {
	const char *name; /* NULL ends the table */
	uint16_t offset;
	uint16_t size;
	uint8_t form;
	uint8_t flags;
};

#define NVC_FIELD(strct, memb, frm, ...)                                                           \
	{                                                                                          \
		.name = #memb, .offset = offsetof(struct strct, memb),                             \
		.size = sizeof(((struct strct *)0)->memb), .form = NVC_FIELD_##frm, ##__VA_ARGS__  \
	}

struct nvc_bits;
/* "name      : value" lines; the name takes `width` columns. bits (NULL: none) explains fields. */
void nvc_fields_print(FILE *out, const struct nvc_field *fields, const void *data, int width,
		      const struct nvc_bits *bits);
/* Adds the fields to an object. -ENOMEM. Empty texts are left out. */
int nvc_fields_to_json(struct json_object *o, const struct nvc_field *fields, const void *data);

/* One value as text. */
void nvc_field_value_text(const struct nvc_field *field, const uint8_t *at, char *ret_text,
			  size_t len);

/* Little-endian number of 1 to 8 bytes. */
uint64_t nvc_le_get(const uint8_t *bytes, size_t size);
/* The decimal digits of a 128-bit counter; ret_text holds 40. */
void nvc_le128_text(const struct nvh_le128 *value, char *ret_text);
/* 2.1 k, 3.4 G: divides *value and returns its suffix, as nvme-cli's usage column has it. */
const char *nvc_suffix_si(double *value);
/* 4 Ki: for block sizes; only whole multiples. */
const char *nvc_suffix_binary(uint64_t *value);
/* Sixteen bytes a line with the text beside them, nvme-cli's dump. */
void nvc_hexdump(FILE *out, const void *data, size_t len);

#endif
