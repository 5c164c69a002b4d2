/*
 * base/crc32c.c against the vectors of RFC 3720, appendix B.4, and against the definition.
 */
#include <string.h>

#include "base/crc32c.h"
#include "tests/unit/nvh_cunit.h"

static void the_vectors_of_rfc_3720_hold(void)
{
	unsigned char data[32];

	CU_ASSERT_EQUAL(nvhi_crc32c("123456789", 9), 0xe3069283);
	memset(data, 0, sizeof(data));
	CU_ASSERT_EQUAL(nvhi_crc32c(data, 32), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	CU_ASSERT_EQUAL(nvhi_crc32c(data, 32), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		data[i] = (unsigned char)i;
	CU_ASSERT_EQUAL(nvhi_crc32c(data, 32), 0x46dd794e);
	for (int i = 0; i < 32; i++)
		data[i] = (unsigned char)(31 - i);
	CU_ASSERT_EQUAL(nvhi_crc32c(data, 32), 0x113fdb5c);
	CU_ASSERT_EQUAL(nvhi_crc32c(NULL, 0), 0);
}

/* Bit by bit: the reflected polynomial 0x1edc6f41. */
static uint32_t crc_by_definition(const unsigned char *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static void every_length_and_alignment_agrees_with_the_definition(void)
{
	unsigned char data[600];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 167 + i / 7);
	for (size_t offset = 0; offset < 16; offset++)
		for (size_t len = 0; offset + len <= sizeof(data); len += 1 + len / 16)
			CU_ASSERT_EQUAL(nvhi_crc32c(data + offset, len),
					crc_by_definition(data + offset, len));
}

static void pieces_give_the_digest_of_the_whole(void)
{
	unsigned char data[257];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i ^ 0x5a);
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		uint32_t crc = nvhi_crc32c_update(NVHI_CRC32C_INIT, data, cut);

		crc = nvhi_crc32c_update(crc, data + cut, sizeof(data) - cut);
		CU_ASSERT_EQUAL(nvhi_crc32c_finish(crc), nvhi_crc32c(data, sizeof(data)));
	}
}

NVH_UNIT_MAIN("base/crc32c", NVH_TEST(the_vectors_of_rfc_3720_hold),
	      NVH_TEST(every_length_and_alignment_agrees_with_the_definition),
	      NVH_TEST(pieces_give_the_digest_of_the_whole))
