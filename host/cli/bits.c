/*
 * The lines of a field of bits.
 */
#include <string.h>

#include "host/cli/bits.h"
#include "host/cli/fields.h"

static int bits_fit(const struct nvc_bits *b, uint64_t bits, uint64_t above)
{
	switch (b->value) {
	case NVC_BITS_ANY:
		return 1;
	case NVC_BITS_SET:
	case NVC_BITS_RESERVED:
		return bits != 0;
	case NVC_BITS_OR_ABOVE:
		return above != 0;
	default:
		return bits == (uint64_t)b->value;
	}
}

static void bits_label(FILE *out, const struct nvc_bits *b)
{
	switch (b->style) {
	case NVC_BITS_ALIGNED:
	case NVC_BITS_KELVIN:
	case NVC_BITS_NUMBER:
		fprintf(out, "%*s[%u:%u]%s: ", (b->hi <= 99) + (b->hi <= 9), "", b->hi, b->lo,
			b->lo > 9 ? "" : " ");
		break;
	case NVC_BITS_DEEP:
		fprintf(out, "    [%u:%u] : ", b->hi, b->lo);
		break;
	default:
		fprintf(out, "  [%u:%u] : ", b->hi, b->lo);
	}
}

static void bits_line(FILE *out, const struct nvc_bits *b, uint64_t bits)
{
	unsigned long long v = bits;

	switch (b->style) {
	case NVC_BITS_COUNT:
		fprintf(out, "%llu (0's based)\t%s\n", v, b->text);
		break;
	case NVC_BITS_KELVIN:
		fprintf(out, "%d°C (%llu Kelvin)\t%s\n", (int)bits - 273, v, b->text);
		break;
	case NVC_BITS_LOG2:
		fprintf(out, "%#llx\t%s (%llu)\n", v, b->text, bits < 64 ? 1ull << bits : 0);
		break;
	case NVC_BITS_LEFT:
		fprintf(out, "%#llx\t%s (Remaining %llu%%)\n", v, b->text, v);
		break;
	default:
		fprintf(out, "%#llx\t%s\n", v, b->text);
	}
}

void nvc_bits_print(FILE *out, const struct nvc_bits *table, const char *field, const uint8_t *at,
		    size_t size)
{
	uint64_t value = nvc_le_get(at, size < 8 ? size : 8);
	int hi = -1, blank = 0; /* hi: the group that has its line already */

	for (const struct nvc_bits *b = table; b->field; b++) {
		uint64_t bits;

		if (strcmp(b->field, field) != 0)
			continue;
		blank = b->style != NVC_BITS_TIGHT;
		if (b->style == NVC_BITS_NUMBER) {
			char text[40];

			nvc_le128_text((const struct nvh_le128 *)at, text);
			bits_label(out, b);
			fprintf(out, "%s\n\t%s\n", text, b->text);
			continue;
		}
		bits = value >> b->lo & ((2ull << (b->hi - b->lo)) - 1);
		if (b->hi == hi || !bits_fit(b, bits, value >> b->lo))
			continue;
		hi = b->hi;
		bits_label(out, b);
		bits_line(out, b, bits);
	}
	if (blank)
		fputc('\n', out);
}
