/*
 * Fields of bits explained, for -H (--human-readable): one line for each group of bits, as nvme-cli
 * shows them. Tables only; pure.
 */
#ifndef NVC_BITS_H
#define NVC_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* nvme-cli does not indent and number all fields alike; scripts read columns. */
enum nvc_bits_style {
	NVC_BITS_PLAIN,   /* "  [hi:lo] : value<tab>text" */
	NVC_BITS_ALIGNED, /* the colons of one- and two-digit bits stand in one column */
	NVC_BITS_DEEP,    /* two columns further in */
	NVC_BITS_TIGHT,   /* no empty line behind the field */
	NVC_BITS_COUNT,   /* decimal, "(0's based)" */
	NVC_BITS_KELVIN,  /* aligned, a temperature */
	NVC_BITS_LOG2,    /* the power of two behind the text */
	NVC_BITS_LEFT,    /* "(Remaining ...%)" */
	NVC_BITS_NUMBER,  /* aligned, a decimal number, the text on a line of its own */
};

/* What bits hi:lo of a field mean. A row belongs to the row before it while its field is the same;
 * rows with a value are tried in order, one without (value -1) fits all. */
struct nvc_bits {
	const char *field; /* NULL ends the table */
	uint8_t hi, lo;
	int value; /* NVC_BITS_ANY, NVC_BITS_SET: not 0, or the value itself */
	const char *text;
	enum nvc_bits_style style;
};

#define NVC_BITS_ANY      (-1)
#define NVC_BITS_SET      (-2)
#define NVC_BITS_RESERVED (-3) /* shown only when it is not 0 */
#define NVC_BITS_OR_ABOVE (-4) /* shown only when it, or a higher bit of the field, is not 0 */

/* Prints the lines of `field` and an empty one; nothing when the table has none. `size` bytes at
 * `at`, little-endian; of more than 8 only NVC_BITS_NUMBER shows all. */
void nvc_bits_print(FILE *out, const struct nvc_bits *table, const char *field, const uint8_t *at,
		    size_t size);

/* What a feature's value (completion dword 0) says, a line for each part; nothing for features that
 * have no such parts. */
void nvc_feature_print(FILE *out, uint8_t id, uint32_t value);

extern const struct nvc_bits nvc_bits_id_ctrl[];
extern const struct nvc_bits nvc_bits_id_ns[];

#endif
