/*
 * Base64, RFC 4648 section 4.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/base64.h"

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void nvd_base64_encode(const void *data, size_t len, char *ret_text)
{
	const uint8_t *in = data;
	char *out = ret_text;

	for (; len >= 3; len -= 3, in += 3) {
		*out++ = base64_digits[in[0] >> 2];
		*out++ = base64_digits[(in[0] & 3) << 4 | in[1] >> 4];
		*out++ = base64_digits[(in[1] & 15) << 2 | in[2] >> 6];
		*out++ = base64_digits[in[2] & 63];
	}
	if (len) {
		*out++ = base64_digits[in[0] >> 2];
		*out++ = base64_digits[(in[0] & 3) << 4 | (len == 2 ? in[1] >> 4 : 0)];
		*out++ = len == 2 ? base64_digits[(in[1] & 15) << 2] : '=';
		*out++ = '=';
	}
	*out = '\0';
}

char *nvd_base64_dup(const void *data, size_t len)
{
	char *text = malloc(NVD_BASE64_SIZE(len));

	if (text)
		nvd_base64_encode(data, len, text);
	return text;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int nvd_base64_decode(const char *text, void *ret_data, size_t max, size_t *ret_len)
{
	size_t chars = strlen(text), len, pad = 0;
	uint8_t *out = ret_data;

	if (chars % 4)
		return -EINVAL;
	while (pad < 2 && pad < chars && text[chars - 1 - pad] == '=')
		pad++;
	len = chars / 4 * 3 - pad;
	if (len > max)
		return -EINVAL;
	/* First look, then write: nothing is stored unless all of it is right. */
	for (size_t i = 0; i < chars - pad; i++) {
		if (base64_value(text[i]) < 0)
			return -EINVAL;
	}
	for (size_t i = 0, o = 0; o < len; i += 4) {
		uint32_t word = 0;

		for (int k = 0; k < 4; k++)
			word = word << 6 |
			       (i + k < chars - pad ? (uint32_t)base64_value(text[i + k]) : 0);
		for (int k = 0; k < 3 && o < len; k++)
			out[o++] = (uint8_t)(word >> (16 - 8 * k));
	}
	*ret_len = len;
	return 0;
}
