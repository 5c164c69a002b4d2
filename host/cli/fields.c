/*
 * Printing by tables of fields, big counters, SI suffixes, hex dumps.
 */
#include <errno.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/bits.h"
#include "host/cli/fields.h"

uint64_t nvc_le_get(const uint8_t *bytes, size_t size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | bytes[size];
	return value;
}

void nvc_le128_text(const struct nvh_le128 *value, char *ret_text)
{
	unsigned __int128 v =
		(unsigned __int128)nvh_le64_get(value->hi) << 64 | nvh_le64_get(value->lo);
	char digits[40];
	int n = 0;

	do {
		digits[n++] = (char)('0' + (int)(v % 10));
		v /= 10;
	} while (v);
	for (int i = 0; i < n; i++)
		ret_text[i] = digits[n - 1 - i];
	ret_text[n] = '\0';
}

const char *nvc_suffix_si(double *value)
{
	static const char *const suffixes[] = {"", "k", "M", "G", "T", "P", "E"};
	size_t i = 0;

	while (*value >= 1000.0 && i < sizeof(suffixes) / sizeof(suffixes[0]) - 1) {
		*value /= 1000.0;
		i++;
	}
	return suffixes[i];
}

const char *nvc_suffix_binary(uint64_t *value)
{
	static const struct {
		int shift;
		const char *suffix;
	} suffixes[] = {{50, "Pi"}, {40, "Ti"}, {30, "Gi"}, {20, "Mi"}, {10, "Ki"}, {0, ""}};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (*value >> suffixes[i].shift) {
			/* Rounded as nvme-cli rounds. */
			if (suffixes[i].shift)
				*value = (*value + (1ull << (suffixes[i].shift - 1))) >>
					 suffixes[i].shift;
			return suffixes[i].suffix;
		}
	}
	return "";
}

void nvc_hexdump(FILE *out, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	fputs("     ", out);
	for (int i = 0; i < 16; i++)
		fprintf(out, "%3x", i);
	for (size_t at = 0; at < len; at += 16) {
		char ascii[17] = "";
		size_t n = len - at < 16 ? len - at : 16;

		fprintf(out, "\n%04zx:", at);
		for (size_t i = 0; i < n; i++) {
			fprintf(out, " %02x", bytes[at + i]);
			ascii[i] = bytes[at + i] >= '!' && bytes[at + i] <= '~'
					   ? (char)bytes[at + i]
					   : '.';
		}
		fprintf(out, "%*s \"%s\"", n < 16 ? (int)(3 * (16 - n)) + 1 : 0, "", ascii);
	}
	fputc('\n', out);
}

/* ---- one field ---------------------------------------------------------------------------- */

static void field_hex_bytes(const uint8_t *bytes, size_t size, char *ret_text)
{
	for (size_t i = 0; i < size; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

static void field_uuid(const uint8_t *b, char *ret_text)
{
	snprintf(ret_text, 37,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}

/* Text as the device has it up to a NUL; what would move the cursor is shown as '?'. */
static void field_text(const uint8_t *bytes, size_t size, char *ret_text)
{
	size_t i;

	for (i = 0; i < size && bytes[i]; i++)
		ret_text[i] = bytes[i] >= ' ' && bytes[i] != 0x7f ? (char)bytes[i] : '?';
	ret_text[i] = '\0';
}

#define FIELD_TEXT_MAX 300

static void field_value(const struct nvc_field *f, const uint8_t *at, char *ret_text)
{
	switch (f->form) {
	case NVC_FIELD_TEXT:
		field_text(at, f->size, ret_text);
		break;
	case NVC_FIELD_UUID:
		field_uuid(at, ret_text);
		break;
	case NVC_FIELD_BYTES:
		field_hex_bytes(at, f->size, ret_text);
		break;
	case NVC_FIELD_OUI:
		snprintf(ret_text, FIELD_TEXT_MAX, "%02x%02x%02x", at[2], at[1], at[0]);
		break;
	case NVC_FIELD_HEX:
		snprintf(ret_text, FIELD_TEXT_MAX, "%#llx",
			 (unsigned long long)nvc_le_get(at, f->size));
		break;
	default:
		if (f->size == 16)
			nvc_le128_text((const struct nvh_le128 *)at, ret_text);
		else
			snprintf(ret_text, FIELD_TEXT_MAX, "%llu",
				 (unsigned long long)nvc_le_get(at, f->size));
	}
}

void nvc_field_value_text(const struct nvc_field *field, const uint8_t *at, char *ret_text,
			  size_t len)
{
	char text[FIELD_TEXT_MAX];

	field_value(field, at, text);
	snprintf(ret_text, len, "%s", text);
}

void nvc_fields_print(FILE *out, const struct nvc_field *fields, const void *data, int width,
		      const struct nvc_bits *bits)
{
	char text[FIELD_TEXT_MAX];

	for (const struct nvc_field *f = fields; f->name; f++) {
		if (f->flags & NVC_FIELD_NO_NORMAL)
			continue;
		field_value(f, (const uint8_t *)data + f->offset, text);
		if (f->flags & NVC_FIELD_TAB)
			fprintf(out, "%s\t: %s\n", f->name, text);
		else
			fprintf(out, "%-*s: %s\n", width, f->name, text);
		if (bits)
			nvc_bits_print(out, bits, f->name, (const uint8_t *)data + f->offset,
				       f->size);
	}
}

int nvc_fields_to_json(struct json_object *o, const struct nvc_field *fields, const void *data)
{
	char text[FIELD_TEXT_MAX];
	int err = 0;

	for (const struct nvc_field *f = fields; f->name && !err; f++) {
		const uint8_t *at = (const uint8_t *)data + f->offset;

		if (f->flags & NVC_FIELD_NO_JSON)
			continue;
		field_value(f, at, text);
		/* Counters of 128 bits do not fit a JSON number everywhere: text, as nvme-cli does.
		 */
		if (f->form == NVC_FIELD_TEXT || f->form == NVC_FIELD_UUID ||
		    f->form == NVC_FIELD_BYTES || f->size == 16) {
			if (f->form != NVC_FIELD_TEXT || text[0])
				err = nvhi_json_add_string(o, f->name, text);
		} else {
			err = nvhi_json_add_u64(o, f->name, nvc_le_get(at, f->size));
		}
	}
	return err;
}
