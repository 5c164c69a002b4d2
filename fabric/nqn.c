/*
 * NVMe Qualified Names, UUIDs and host identifiers. Pure, any thread.
 *
 * Base Specification 2.1 section 4.7 (NQN), RFC 9562 (UUID).
 */
#include "fabric/nqn.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NQN_UUID_PREFIX_LEN (sizeof(NVH_NQN_UUID_PREFIX) - 1)

static int nqn_fail(const char **ret_why, const char *why)
{
	if (ret_why)
		*ret_why = why;
	return -EINVAL;
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

/* Bytes of the well-formed sequence at s, 0 when it is malformed, overlong or a surrogate. */
static unsigned int nqn_utf8_len(const uint8_t *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code;
	unsigned int n;

	if (s[0] < 0x80)
		return 1;
	if ((s[0] & 0xe0) == 0xc0)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if ((s[0] & 0xf8) == 0xf0)
		n = 4;
	else
		return 0;
	code = s[0] & (0x7fu >> n);
	for (unsigned int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) /* a terminating NUL too */
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	if (code >= 0x80 && code < 0xa0)
		return 0; /* C1 controls */
	return n;
}

int nvhi_nqn_check_lenient(const char *nqn, const char **ret_why)
{
	const uint8_t *s = (const uint8_t *)nqn;
	size_t len = strnlen(nqn, NVH_NQN_MAX + 1);

	if (!len)
		return nqn_fail(ret_why, "it is empty");
	if (len > NVH_NQN_MAX)
		return nqn_fail(ret_why, "it is longer than 223 bytes");
	while (*s) {
		unsigned int n = nqn_utf8_len(s);

		if (*s < 0x20 || *s == 0x7f)
			return nqn_fail(ret_why, "it has a control character");
		if (!n)
			return nqn_fail(ret_why, "it is not UTF-8");
		s += n;
	}
	return 0;
}

/* ---- the NQN's own form --------------------------------------------------------------------- */

static bool nqn_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool nqn_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* YYYY-MM at s. */
static bool nqn_is_date(const char *s)
{
	unsigned int month;

	for (unsigned int i = 0; i < 7; i++) {
		if (i == 4 ? s[i] != '-' : !nqn_is_digit(s[i]))
			return false;
	}
	month = (unsigned int)(s[5] - '0') * 10 + (unsigned int)(s[6] - '0');
	return month >= 1 && month <= 12;
}

/* Labels of letters, digits and inner dashes; the first begins with a letter. Ends at `end`. */
static bool nqn_is_domain(const char *s, const char *end)
{
	const char *label = s;

	if (s == end || !nqn_is_letter(*s))
		return false;
	for (const char *p = s; p <= end; p++) {
		if (p == end || *p == '.') {
			if (p == label || p - label > 63 || *label == '-' || p[-1] == '-')
				return false;
			label = p + 1;
		} else if (!nqn_is_letter(*p) && !nqn_is_digit(*p) && *p != '-') {
			return false;
		}
	}
	return true;
}

int nvhi_nqn_check(const char *nqn, const char **ret_why)
{
	uint8_t uuid[16];
	const char *colon;
	int err;

	err = nvhi_nqn_check_lenient(nqn, ret_why);
	if (err)
		return err;
	if (!strcmp(nqn, NVH_DISCOVERY_NQN))
		return 0;
	if (strncmp(nqn, "nqn.", 4))
		return nqn_fail(ret_why, "it does not begin with \"nqn.\"");
	if (!nqn_is_date(nqn + 4) || nqn[11] != '.')
		return nqn_fail(ret_why, "no date YYYY-MM and dot follow \"nqn.\"");
	if (!strncmp(nqn, NVH_NQN_UUID_PREFIX, NQN_UUID_PREFIX_LEN)) {
		if (strlen(nqn) != NQN_UUID_PREFIX_LEN + NVHI_UUID_TEXT - 1 ||
		    nvhi_uuid_parse(nqn + NQN_UUID_PREFIX_LEN, uuid))
			return nqn_fail(ret_why, "no UUID follows \"uuid:\"");
		return 0;
	}
	colon = strchr(nqn + 12, ':');
	if (!colon || !colon[1])
		return nqn_fail(ret_why, "it has no \":name\" behind the domain");
	if (!nqn_is_domain(nqn + 12, colon))
		return nqn_fail(ret_why, "it has no valid reversed domain name behind the date");
	return 0;
}

/* ---- UUIDs ---------------------------------------------------------------------------------- */

static int uuid_digit(char c)
{
	if (nqn_is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int nvhi_uuid_parse(const char *text, uint8_t ret_uuid[16])
{
	size_t len = strnlen(text, NVHI_UUID_TEXT);
	bool dashes = len == NVHI_UUID_TEXT - 1;
	uint8_t uuid[16];

	if (!dashes && len != 32)
		return -EINVAL;
	for (unsigned int i = 0; i < 16; i++) {
		int hi, lo;

		if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -EINVAL;
		hi = uuid_digit(text[0]);
		lo = uuid_digit(text[1]);
		if (hi < 0 || lo < 0)
			return -EINVAL;
		uuid[i] = (uint8_t)(hi << 4 | lo);
		text += 2;
	}
	memcpy(ret_uuid, uuid, sizeof(uuid));
	return 0;
}

const char *nvhi_uuid_format(const uint8_t uuid[16], char buf[NVHI_UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = buf;

	for (unsigned int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[uuid[i] >> 4];
		*p++ = digits[uuid[i] & 0xf];
	}
	*p = '\0';
	return buf;
}

void nvhi_uuid_make_v4(uint8_t uuid[16])
{
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

void nvhi_nqn_from_uuid(const uint8_t uuid[16], char ret_nqn[NVH_NQN_SIZE])
{
	memset(ret_nqn, 0, NVH_NQN_SIZE);
	memcpy(ret_nqn, NVH_NQN_UUID_PREFIX, NQN_UUID_PREFIX_LEN);
	nvhi_uuid_format(uuid, ret_nqn + NQN_UUID_PREFIX_LEN);
}

int nvhi_nqn_to_uuid(const char *nqn, uint8_t ret_uuid[16])
{
	if (strncmp(nqn, NVH_NQN_UUID_PREFIX, NQN_UUID_PREFIX_LEN))
		return -ENOENT;
	return nvhi_uuid_parse(nqn + NQN_UUID_PREFIX_LEN, ret_uuid) ? -ENOENT : 0;
}
