/*
 * CRC32C (Castagnoli), the digest of NVMe/TCP. Over ISA-L, which picks the CPU's best way. Pure.
 */
#ifndef NVHI_BASE_CRC32C_H
#define NVHI_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* A running digest: begin with NVHI_CRC32C_INIT, update piecewise, finish; the finished value goes
 * on the wire little endian. */
#define NVHI_CRC32C_INIT 0xffffffffu
uint32_t nvhi_crc32c_update(uint32_t crc, const void *data, size_t len);
static inline uint32_t nvhi_crc32c_finish(uint32_t crc)
{
	return ~crc;
}
static inline uint32_t nvhi_crc32c(const void *data, size_t len)
{
	return nvhi_crc32c_finish(nvhi_crc32c_update(NVHI_CRC32C_INIT, data, len));
}

#endif
