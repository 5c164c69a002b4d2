/*
 * The lines of a field of bits.
 */
#include <string.h>

#include "host/cli/bits.h"

static int bits_fit(const struct nvc_bits *b, uint64_t bits)
{
	switch (b->value) {
	case NVC_BITS_ANY:
		return 1;
	case NVC_BITS_SET:
	case NVC_BITS_RESERVED:
		return bits != 0;
	default:
		return bits == (uint64_t)b->value;
	}
}

void nvc_bits_print(FILE *out, const struct nvc_bits *table, const char *field, uint64_t value)
{
	int hi = -1, known = 0; /* the group that has its line already */

	for (const struct nvc_bits *b = table; b->field; b++) {
		uint64_t bits;

		if (strcmp(b->field, field) != 0)
			continue;
		known = 1;
		bits = value >> b->lo & ((2ull << (b->hi - b->lo)) - 1);
		if (b->hi == hi || !bits_fit(b, bits))
			continue;
		hi = b->hi;
		fprintf(out, "  [%u:%u] : %#llx\t%s\n", b->hi, b->lo, (unsigned long long)bits,
			b->text);
	}
	if (known)
		fputc('\n', out);
}
