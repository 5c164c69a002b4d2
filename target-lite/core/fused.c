/*
 * Compare and Write, fused: the two commands become one atomic step. Pairs of one namespace run
 * one after the other on the management reactor, whichever queue they came from; an ordinary write
 * from another queue is not held back by them. NVM Command Set Specification 1.1 section 2.1.
 */
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/impl.h"

static void fused_run(struct tl_ns *ns);

/* ---- back on the queue's reactor ------------------------------------------------------------ */

static void fused_back(struct nvhi_msg *msg)
{
	struct tl_request *second = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_request *first = second->pair;
	unsigned int first_status = first->first_error, status = second->first_error;

	first->pair = NULL;
	second->pair = NULL;
	tl_request_complete(first, first_status);
	tl_request_complete(second, status);
}

static void fused_finish(struct tl_request *second, unsigned int first_status, unsigned int status)
{
	struct tl_ns *ns = second->ns;

	second->pair->first_error = (uint16_t)first_status;
	second->first_error = (uint16_t)status;
	nvhi_list_del(&second->link);
	if (!nvhi_list_empty(&ns->fused))
		fused_run(ns);
	second->msg.fn = fused_back;
	nvhi_reactor_post(second->qpair->group->reactor, &second->msg);
}

/* ---- on the management reactor -------------------------------------------------------------- */

static void fused_write_done(struct tl_bdev_io *io)
{
	struct tl_request *second = nvhi_container_of(io, struct tl_request, io);

	fused_finish(second, NVH_ST_SUCCESS, io->status);
}

static void fused_submit(struct tl_request *second, enum tl_bdev_op op, const struct iovec *iov,
			 tl_bdev_io_fn done)
{
	struct tl_bdev_io *io = &second->io;

	io->bdev = second->ns->bdev;
	io->channel = &second->qpair->group->target->groups[0].channel;
	io->op = op;
	io->lba = (uint64_t)tl_cdw11(second) << 32 | tl_cdw10(second);
	io->blocks = (tl_cdw12(second) & NVH_RW_NLB_MASK) + 1ull;
	io->iov = iov;
	io->iovcnt = 1;
	io->fua = tl_cdw12(second) & NVH_RW_FUA;
	io->done = done;
	io->bdev->ops->submit(io->bdev, io);
}

static void fused_compared(struct tl_bdev_io *io)
{
	struct tl_request *second = nvhi_container_of(io, struct tl_request, io);
	struct tl_request *first = second->pair;

	if (io->status) {
		fused_finish(second, io->status, TL_DNR(NVH_ST_ABORTED_FAILED_FUSED));
		return;
	}
	if (memcmp(second->scratch, first->iov.iov_base, first->xfer_len)) {
		fused_finish(second, TL_DNR(NVH_ST_COMPARE_FAILED),
			     TL_DNR(NVH_ST_ABORTED_FAILED_FUSED));
		return;
	}
	second->iov.iov_len = second->xfer_len;
	fused_submit(second, TL_BDEV_WRITE, &second->iov, fused_write_done);
}

static void fused_run(struct tl_ns *ns)
{
	struct tl_request *second = nvhi_list_first(&ns->fused, struct tl_request, link);

	second->scratch_iov.iov_base = second->scratch;
	second->scratch_iov.iov_len = second->xfer_len;
	fused_submit(second, TL_BDEV_READ, &second->scratch_iov, fused_compared);
}

static void fused_on_mgmt(struct nvhi_msg *msg)
{
	struct tl_request *second = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_ns *ns = second->ns;
	bool idle = nvhi_list_empty(&ns->fused);

	nvhi_list_add_tail(&ns->fused, &second->link);
	if (idle)
		fused_run(ns);
}

/* ---- on the queue's reactor ----------------------------------------------------------------- */

void tl_io_fused_first(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;

	if (qpair->fused) {
		struct tl_request *lonely = qpair->fused;

		qpair->fused = NULL;
		lonely->state = TL_REQ_ACTIVE;
		tl_request_complete(lonely, TL_DNR(NVH_ST_ABORTED_MISSING_FUSED));
	}
	nvhi_list_del(&req->qpair_link);
	req->state = TL_REQ_PARKED;
	tl_request_track(req);
	qpair->fused = req;
}

static unsigned int fused_check(const struct tl_request *first, const struct tl_request *second)
{
	const struct tl_ns *ns = second->ns;
	uint64_t lba = (uint64_t)tl_cdw11(second) << 32 | tl_cdw10(second);
	uint64_t blocks = (tl_cdw12(second) & NVH_RW_NLB_MASK) + 1ull;
	uint64_t bytes = blocks << ns->block_shift;

	if (second->cmd.opc != NVH_OPC_WRITE || first->ns != second->ns ||
	    tl_cdw10(first) != tl_cdw10(second) || tl_cdw11(first) != tl_cdw11(second) ||
	    ((tl_cdw12(first) ^ tl_cdw12(second)) & NVH_RW_NLB_MASK))
		return TL_DNR(NVH_ST_INVALID_FIELD);
	if (ns->bdev->read_only)
		return TL_DNR(NVH_ST_NS_WRITE_PROTECTED);
	if (first->dir != NVH_DATA_TO_CTRLR || second->dir != NVH_DATA_TO_CTRLR ||
	    first->xfer_len != bytes || second->xfer_len != bytes)
		return TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
	return tl_io_range(ns, lba, blocks);
}

void tl_io_fused_second(struct tl_request *req)
{
	struct tl_request *first = req->qpair->fused;
	unsigned int status;

	if (!first) {
		tl_request_complete(req, TL_DNR(NVH_ST_ABORTED_MISSING_FUSED));
		return;
	}
	req->qpair->fused = NULL;
	first->state = TL_REQ_ACTIVE;
	status = fused_check(first, req);
	if (!status) {
		req->scratch = malloc(req->xfer_len);
		if (!req->scratch)
			status = NVH_ST_INTERNAL;
	}
	if (status) {
		tl_request_complete(first, status);
		tl_request_complete(req, TL_DNR(NVH_ST_ABORTED_FAILED_FUSED));
		return;
	}
	req->pair = first;
	req->msg.fn = fused_on_mgmt;
	nvhi_reactor_post(req->qpair->group->target->mgmt, &req->msg);
}
