/*
 * Little-endian wire integers.
 *
 * Every multi-byte field of an NVMe structure is one of these structs of bytes, so that a raw
 * assignment does not compile and no structure ever needs packing or alignment. Compilers turn
 * the accessors into single loads and stores. Usable from C and C++, from any thread.
 */
#ifndef NVHOST_SPEC_LE_H
#define NVHOST_SPEC_LE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Functions of the library that applications may call. */
#ifndef NVH_API
#define NVH_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct nvh_le16 {
	uint8_t b[2];
};

struct nvh_le24 {
	uint8_t b[3];
};

struct nvh_le32 {
	uint8_t b[4];
};

struct nvh_le64 {
	uint8_t b[8];
};

/* 16-byte counters of the SMART log, capacities and the like. */
struct nvh_le128 {
	struct nvh_le64 lo;
	struct nvh_le64 hi;
};

static_assert(sizeof(struct nvh_le16) == 2, "le16");
static_assert(sizeof(struct nvh_le24) == 3, "le24");
static_assert(sizeof(struct nvh_le32) == 4, "le32");
static_assert(sizeof(struct nvh_le64) == 8, "le64");
static_assert(sizeof(struct nvh_le128) == 16, "le128");

/* As one store, which not every compiler makes of the bytes by itself. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NVH_LE_STORE(p, v) __builtin_memcpy((p)->b, &(v), sizeof((p)->b))
#else
#define NVH_LE_STORE(p, v)                                                                         \
	do {                                                                                       \
		for (unsigned nvh_i = 0; nvh_i < sizeof((p)->b); nvh_i++)                          \
			(p)->b[nvh_i] = (uint8_t)((v) >> 8 * nvh_i);                               \
	} while (0)
#endif

static inline uint16_t nvh_le16_get(struct nvh_le16 v)
{
	return (uint16_t)(v.b[0] | v.b[1] << 8);
}

static inline void nvh_le16_put(struct nvh_le16 *p, uint16_t v)
{
	NVH_LE_STORE(p, v);
}

static inline struct nvh_le16 nvh_le16_of(uint16_t v)
{
	struct nvh_le16 r;

	nvh_le16_put(&r, v);
	return r;
}

static inline uint32_t nvh_le24_get(struct nvh_le24 v)
{
	return (uint32_t)v.b[0] | (uint32_t)v.b[1] << 8 | (uint32_t)v.b[2] << 16;
}

static inline void nvh_le24_put(struct nvh_le24 *p, uint32_t v)
{
	p->b[0] = (uint8_t)v;
	p->b[1] = (uint8_t)(v >> 8);
	p->b[2] = (uint8_t)(v >> 16);
}

static inline struct nvh_le24 nvh_le24_of(uint32_t v)
{
	struct nvh_le24 r;

	nvh_le24_put(&r, v);
	return r;
}

static inline uint32_t nvh_le32_get(struct nvh_le32 v)
{
	return (uint32_t)v.b[0] | (uint32_t)v.b[1] << 8 | (uint32_t)v.b[2] << 16 |
	       (uint32_t)v.b[3] << 24;
}

static inline void nvh_le32_put(struct nvh_le32 *p, uint32_t v)
{
	NVH_LE_STORE(p, v);
}

static inline struct nvh_le32 nvh_le32_of(uint32_t v)
{
	struct nvh_le32 r;

	nvh_le32_put(&r, v);
	return r;
}

static inline uint64_t nvh_le64_get(struct nvh_le64 v)
{
	return (uint64_t)v.b[0] | (uint64_t)v.b[1] << 8 | (uint64_t)v.b[2] << 16 |
	       (uint64_t)v.b[3] << 24 | (uint64_t)v.b[4] << 32 | (uint64_t)v.b[5] << 40 |
	       (uint64_t)v.b[6] << 48 | (uint64_t)v.b[7] << 56;
}

static inline void nvh_le64_put(struct nvh_le64 *p, uint64_t v)
{
	NVH_LE_STORE(p, v);
}

static inline struct nvh_le64 nvh_le64_of(uint64_t v)
{
	struct nvh_le64 r;

	nvh_le64_put(&r, v);
	return r;
}

/* The low half of a 128-bit counter, or UINT64_MAX when the counter is larger than that. */
static inline uint64_t nvh_le128_get_sat(struct nvh_le128 v)
{
	return nvh_le64_get(v.hi) ? UINT64_MAX : nvh_le64_get(v.lo);
}

static inline void nvh_le128_put(struct nvh_le128 *p, uint64_t v)
{
	nvh_le64_put(&p->lo, v);
	nvh_le64_put(&p->hi, 0);
}

#ifdef __cplusplus
}
#endif

#endif
