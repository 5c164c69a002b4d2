/*
 * Fields of bits explained, for -H (--human-readable): one line for each group of bits, as nvme-cli
 * shows them. Tables only; pure.
 */
#ifndef NVC_BITS_H
#define NVC_BITS_H

#include <stdint.h>
#include <stdio.h>

/* What bits hi:lo of a field mean. A row belongs to the row before it while its field is the same;
 * rows with a value are tried in order, one without (value -1) fits all. */
struct nvc_bits {
	const char *field; /* NULL ends the table */
	uint8_t hi, lo;
	int value; /* NVC_BITS_ANY, NVC_BITS_SET: not 0, or the value itself */
	const char *text;
};

#define NVC_BITS_ANY      (-1)
#define NVC_BITS_SET      (-2)
#define NVC_BITS_RESERVED (-3) /* shown only when it is not 0 */

/* Prints the lines of `field` and an empty one; nothing when the table has none. */
void nvc_bits_print(FILE *out, const struct nvc_bits *table, const char *field, uint64_t value);

extern const struct nvc_bits nvc_bits_id_ctrl[];
extern const struct nvc_bits nvc_bits_id_ns[];

#endif
