/*
 * I/O commands of more than one step: Compare, Verify, Dataset Management, Copy. Each walks its
 * steps by the completions of its own backend I/O; a second buffer, where one is needed, is
 * allocated for the command. On the queue's reactor. NVM Command Set Specification 1.1 section 3.
 */
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/impl.h"

#define MULTI_CHUNK (1u << 20)

static struct tl_request *multi_req(struct tl_bdev_io *io)
{
	return nvhi_container_of(io, struct tl_request, io);
}

static uint64_t multi_slba(const struct tl_request *req)
{
	return (uint64_t)tl_cdw11(req) << 32 | tl_cdw10(req);
}

static uint64_t multi_nlb(const struct tl_request *req)
{
	return (tl_cdw12(req) & NVH_RW_NLB_MASK) + 1ull;
}

static bool multi_scratch(struct tl_request *req, size_t size)
{
	req->scratch = malloc(size);
	if (!req->scratch)
		tl_request_complete(req, NVH_ST_INTERNAL);
	return req->scratch != NULL;
}

/* Reads into the scratch buffer. */
static void multi_read(struct tl_request *req, uint64_t lba, uint64_t blocks, tl_bdev_io_fn done)
{
	req->scratch_iov.iov_base = req->scratch;
	req->scratch_iov.iov_len = blocks << req->ns->block_shift;
	req->io.iov = &req->scratch_iov;
	req->io.iovcnt = 1;
	tl_io_submit(req, TL_BDEV_READ, lba, blocks, done);
}

/* ---- Compare -------------------------------------------------------------------------------- */

static unsigned int compare_status(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len) ? TL_DNR(NVH_ST_COMPARE_FAILED) : NVH_ST_SUCCESS;
}

static void compare_read_done(struct tl_bdev_io *io)
{
	struct tl_request *req = multi_req(io);
	unsigned int status = io->status;

	if (!status)
		status = compare_status(req->scratch, req->iov.iov_base, req->xfer_len);
	tl_request_complete(req, status);
}

void tl_io_compare(struct tl_request *req)
{
	struct tl_bdev *bdev = req->ns->bdev;
	const void *lent = bdev->ops->lend(bdev, multi_slba(req), multi_nlb(req));

	if (lent) {
		tl_request_complete(req, compare_status(lent, req->iov.iov_base, req->xfer_len));
		return;
	}
	if (multi_scratch(req, req->xfer_len))
		multi_read(req, multi_slba(req), multi_nlb(req), compare_read_done);
}

/* ---- Verify --------------------------------------------------------------------------------- */

static void verify_step(struct tl_request *req);

static void verify_read_done(struct tl_bdev_io *io)
{
	struct tl_request *req = multi_req(io);

	if (io->status)
		tl_request_complete(req, io->status);
	else
		verify_step(req);
}

static void verify_step(struct tl_request *req)
{
	uint64_t done = req->step, left = multi_nlb(req) - done;
	uint64_t chunk = MULTI_CHUNK >> req->ns->block_shift;

	if (!left) {
		tl_request_complete(req, NVH_ST_SUCCESS);
		return;
	}
	chunk = chunk < left ? chunk : left;
	req->step += (uint32_t)chunk;
	multi_read(req, multi_slba(req) + done, chunk, verify_read_done);
}

void tl_io_verify(struct tl_request *req)
{
	unsigned int status = tl_io_range(req->ns, multi_slba(req), multi_nlb(req));

	if (status) {
		tl_request_complete(req, status);
		return;
	}
	req->step = 0;
	if (multi_scratch(req, MULTI_CHUNK))
		verify_step(req);
}

/* ---- Dataset Management --------------------------------------------------------------------- */

static const struct nvh_dsm_range *dsm_ranges(const struct tl_request *req)
{
	return req->iov.iov_base;
}

static void dsm_step(struct tl_request *req);

static void dsm_done(struct tl_bdev_io *io)
{
	struct tl_request *req = multi_req(io);

	if (io->status)
		tl_request_complete(req, io->status);
	else
		dsm_step(req);
}

static void dsm_step(struct tl_request *req)
{
	uint32_t count = (tl_cdw10(req) & NVH_DSM_NR_MASK) + 1;

	while (req->step < count) {
		const struct nvh_dsm_range *r = &dsm_ranges(req)[req->step++];
		uint32_t nlb = nvh_le32_get(r->nlb);

		if (!nlb)
			continue;
		tl_io_submit(req, TL_BDEV_UNMAP, nvh_le64_get(r->slba), nlb, dsm_done);
		return;
	}
	tl_request_complete(req, NVH_ST_SUCCESS);
}

void tl_io_dsm(struct tl_request *req)
{
	uint32_t count = (tl_cdw10(req) & NVH_DSM_NR_MASK) + 1;
	uint32_t most = req->ns->subsystem->dmrsl;

	if (req->dir != NVH_DATA_TO_CTRLR || req->xfer_len < count * sizeof(struct nvh_dsm_range)) {
		tl_request_complete(req, TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN));
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct nvh_dsm_range *r = &dsm_ranges(req)[i];
		uint32_t nlb = nvh_le32_get(r->nlb);

		if (most && nlb > most) {
			tl_request_complete(req, TL_DNR(NVH_ST_CMD_SIZE_LIMIT));
			return;
		}
		if (nlb && tl_io_range(req->ns, nvh_le64_get(r->slba), nlb)) {
			tl_request_complete(req, TL_DNR(NVH_ST_LBA_RANGE));
			return;
		}
	}
	req->step = 0;
	if (tl_cdw11(req) & NVH_DSM_AD)
		dsm_step(req);
	else
		tl_request_complete(req, NVH_ST_SUCCESS);
}

/* ---- Copy ----------------------------------------------------------------------------------- */

static const struct nvh_copy_range0 *copy_range(const struct tl_request *req, uint32_t index)
{
	return (const struct nvh_copy_range0 *)req->iov.iov_base + index;
}

static uint64_t copy_blocks(const struct nvh_copy_range0 *r)
{
	return nvh_le16_get(r->nlb) + 1ull;
}

static uint32_t copy_count(const struct tl_request *req)
{
	return (tl_cdw12(req) & NVH_COPY_NR_MASK) + 1;
}

static void copy_step(struct tl_request *req);

static void copy_write_done(struct tl_bdev_io *io)
{
	struct tl_request *req = multi_req(io);

	if (io->status) {
		nvh_le32_put(&req->cpl.dw0, req->step); /* the first range that was not copied */
		tl_request_complete(req, io->status);
		return;
	}
	req->copied += io->blocks;
	req->step++;
	copy_step(req);
}

static void copy_read_done(struct tl_bdev_io *io)
{
	struct tl_request *req = multi_req(io);

	if (io->status) {
		nvh_le32_put(&req->cpl.dw0, req->step);
		tl_request_complete(req, io->status);
		return;
	}
	io->fua = tl_cdw12(req) & NVH_COPY_FUA;
	tl_io_submit(req, TL_BDEV_WRITE, multi_slba(req) + req->copied, io->blocks,
		     copy_write_done);
}

static void copy_step(struct tl_request *req)
{
	const struct nvh_copy_range0 *r;

	if (req->step == copy_count(req)) {
		nvh_le32_put(&req->cpl.dw0, req->step);
		tl_request_complete(req, NVH_ST_SUCCESS);
		return;
	}
	r = copy_range(req, req->step);
	multi_read(req, nvh_le64_get(r->slba), copy_blocks(r), copy_read_done);
}

/* All ranges before any is copied; *ret_largest in blocks. */
static unsigned int copy_check(const struct tl_request *req, uint64_t *ret_largest)
{
	uint32_t count = copy_count(req);
	uint64_t total = 0, largest = 0;

	if (tl_cdw12(req) >> NVH_COPY_FMT_SHIFT & NVH_COPY_FMT_MASK)
		return TL_DNR(NVH_ST_INVALID_FIELD);
	if (count > TL_COPY_MAX_RANGES)
		return TL_DNR(NVH_ST_CMD_SIZE_LIMIT);
	if (req->dir != NVH_DATA_TO_CTRLR || req->xfer_len < count * sizeof(struct nvh_copy_range0))
		return TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t blocks = copy_blocks(copy_range(req, i));

		if (blocks > TL_COPY_MAX_BYTES >> req->ns->block_shift)
			return TL_DNR(NVH_ST_CMD_SIZE_LIMIT);
		if (tl_io_range(req->ns, nvh_le64_get(copy_range(req, i)->slba), blocks))
			return TL_DNR(NVH_ST_LBA_RANGE);
		largest = blocks > largest ? blocks : largest;
		total += blocks;
	}
	*ret_largest = largest;
	return tl_io_range(req->ns, multi_slba(req), total);
}

void tl_io_copy(struct tl_request *req)
{
	uint64_t largest = 0;
	unsigned int status = copy_check(req, &largest);

	if (status) {
		tl_request_complete(req, status);
		return;
	}
	req->step = 0;
	req->copied = 0;
	if (multi_scratch(req, largest << req->ns->block_shift))
		copy_step(req);
}
