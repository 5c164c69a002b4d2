/*
 * First fit in units of a page, over a few chunks of growing size, each one mapping and one
 * registration. Pages are pinned, which limits are for: so little is taken until more is needed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "fabric/rdma/bounce.h"
#include "fabric/rdma/region.h"

void nvhi_rdma_bounce_init(struct nvhi_rdma_bounce *bounce, struct nvhi_rdma_dev *dev,
			   const char *name, uint32_t first)
{
	bounce->dev = dev;
	bounce->name = name;
	bounce->first = first;
}

static void chunk_free(struct nvhi_rdma_bounce *bounce, struct nvhi_rdma_chunk *chunk)
{
	if (!chunk->base)
		return;
	nvhi_rdma_dereg(bounce->dev, chunk->mr);
	munmap(chunk->base, (size_t)chunk->units * NVHI_RDMA_BOUNCE_UNIT);
	free(chunk->used);
	memset(chunk, 0, sizeof(*chunk));
}

void nvhi_rdma_bounce_fini(struct nvhi_rdma_bounce *bounce)
{
	for (int i = 0; i < NVHI_RDMA_BOUNCE_CHUNKS; i++)
		chunk_free(bounce, &bounce->chunks[i]);
}

/* ---- growing ------------------------------------------------------------------------------ */

static int chunk_make(struct nvhi_rdma_bounce *bounce, struct nvhi_rdma_chunk *chunk,
		      uint32_t bytes)
{
	uint32_t units = bytes / NVHI_RDMA_BOUNCE_UNIT;
	uint8_t *used = calloc(units, 1);
	void *base;
	int err;

	if (!used)
		return -ENOMEM;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		    -1, 0);
	if (base == MAP_FAILED) {
		err = -errno;
		snprintf(bounce->why, sizeof(bounce->why), "no memory for copies of data: %s",
			 strerror(-err));
		goto err_free;
	}
	err = nvhi_rdma_reg(bounce->dev, base, bytes, nvhi_rdma_region_access(bounce->dev),
			    "copies of data", bounce->why, sizeof(bounce->why), &chunk->mr);
	if (err)
		goto err_unmap;
	*chunk = (struct nvhi_rdma_chunk){
		.base = base, .mr = chunk->mr, .used = used, .units = units};
	return 0;

err_unmap:
	munmap(base, bytes);
err_free:
	free(used);
	return err;
}

/* Each chunk is twice the last, and takes a piece of `len`. */
static int bounce_grow(struct nvhi_rdma_bounce *bounce, uint32_t len)
{
	uint32_t bytes = bounce->first;
	int i, err;

	for (i = 0; i < NVHI_RDMA_BOUNCE_CHUNKS && bounce->chunks[i].base; i++)
		bytes = bounce->chunks[i].units * NVHI_RDMA_BOUNCE_UNIT * 2;
	if (i == NVHI_RDMA_BOUNCE_CHUNKS) {
		bounce->full_grown = true;
		return -EAGAIN;
	}
	if (bytes > NVHI_RDMA_BOUNCE_MAX)
		bytes = NVHI_RDMA_BOUNCE_MAX;
	while (bytes < len)
		bytes *= 2;
	err = chunk_make(bounce, &bounce->chunks[i], bytes);
	if (err && bytes > len) /* then only what this piece needs */
		err = chunk_make(bounce, &bounce->chunks[i],
				 (len + NVHI_RDMA_BOUNCE_UNIT - 1) & ~(NVHI_RDMA_BOUNCE_UNIT - 1));
	if (err) {
		bounce->full_grown = true;
		nvhi_log(WARN, RDMA, "%s: %s", bounce->name, bounce->why);
		return err;
	}
	return 0;
}

/* ---- pieces ------------------------------------------------------------------------------- */

/* Looks in [from, to) for `units` free ones; the first of them, or `to`. */
static uint32_t chunk_scan(const struct nvhi_rdma_chunk *chunk, uint32_t units, uint32_t from,
			   uint32_t to)
{
	uint32_t run = 0;

	for (uint32_t i = from; i < to; i++) {
		run = chunk->used[i] ? 0 : run + 1;
		if (run == units)
			return i + 1 - units;
	}
	return to;
}

static bool chunk_take(struct nvhi_rdma_chunk *chunk, uint32_t units, uint32_t len,
		       struct nvhi_rdma_piece *ret_piece)
{
	uint32_t at = chunk_scan(chunk, units, chunk->hint, chunk->units);

	if (at == chunk->units && chunk->hint > 0)
		at = chunk_scan(chunk, units, 0, chunk->units);
	if (at == chunk->units)
		return false;
	memset(chunk->used + at, 1, units);
	chunk->hint = at + units;
	*ret_piece = (struct nvhi_rdma_piece){
		.at = chunk->base + (size_t)at * NVHI_RDMA_BOUNCE_UNIT, .len = len, .chunk = chunk};
	return true;
}

int nvhi_rdma_bounce_get(struct nvhi_rdma_bounce *bounce, uint32_t len,
			 struct nvhi_rdma_piece *ret_piece)
{
	uint32_t units = (len + NVHI_RDMA_BOUNCE_UNIT - 1) / NVHI_RDMA_BOUNCE_UNIT;
	bool fits = false;
	int err;

	if (len > NVHI_RDMA_BOUNCE_MAX)
		return -EMSGSIZE;
	for (;;) {
		for (int i = 0; i < NVHI_RDMA_BOUNCE_CHUNKS && bounce->chunks[i].base; i++) {
			fits |= bounce->chunks[i].units >= units;
			if (bounce->chunks[i].units >= units &&
			    chunk_take(&bounce->chunks[i], units, len, ret_piece)) {
				bounce->out++;
				return 0;
			}
		}
		err = bounce->full_grown ? -EAGAIN : bounce_grow(bounce, len);
		if (err)
			return fits ? -EAGAIN : -ENOMEM;
	}
}

void nvhi_rdma_bounce_put(struct nvhi_rdma_bounce *bounce, struct nvhi_rdma_piece *piece)
{
	struct nvhi_rdma_chunk *chunk = piece->chunk;
	uint32_t at, units = (piece->len + NVHI_RDMA_BOUNCE_UNIT - 1) / NVHI_RDMA_BOUNCE_UNIT;

	if (!piece->at)
		return;
	at = (uint32_t)(piece->at - chunk->base) / NVHI_RDMA_BOUNCE_UNIT;
	memset(chunk->used + at, 0, units);
	if (at < chunk->hint)
		chunk->hint = at;
	piece->at = NULL;
	bounce->out--;
}
