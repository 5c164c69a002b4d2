/*
 * What the fuzz targets share: an input taken apart, and a check that holds in every build.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__,           \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* The next byte, 0 when there is none. */
static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

/* Fills `out` with the next bytes, and zeroes behind them. */
static inline void fuzz_fill(struct fuzz_input *in, void *out, size_t len)
{
	size_t n = in->left < len ? in->left : len;

	if (n)
		memcpy(out, in->data, n);
	memset((uint8_t *)out + n, 0, len - n);
	in->data += n;
	in->left -= n;
}

#endif
