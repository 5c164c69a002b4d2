/*
 * CRC32C over ISA-L's crc32_iscsi, which wants an int length and does not write the buffer its
 * prototype leaves unqualified. Pure; any thread.
 */
#include <isa-l/crc.h>

#include "base/crc32c.h"

#define CRC32C_PIECE ((size_t)1 << 30)

uint32_t nvhi_crc32c_update(uint32_t crc, const void *data, size_t len)
{
	unsigned char *at = (unsigned char *)(uintptr_t)data;

	while (len > CRC32C_PIECE) {
		crc = crc32_iscsi(at, (int)CRC32C_PIECE, crc);
		at += CRC32C_PIECE;
		len -= CRC32C_PIECE;
	}
	return crc32_iscsi(at, (int)len, crc);
}
