/*
 * I/O commands of the NVM command set: checks, and the ones that are a single backend I/O. On the
 * queue's reactor, no lock and no allocation. Commands of several steps are in io_multi.c.
 * NVM Command Set Specification 1.1 section 3.
 */
#include <string.h>

#include "target-lite/core/impl.h"

void tl_request_hold_ns(struct tl_request *req, struct tl_ns *ns)
{
	req->ns = ns;
	ns->groups[req->qpair->group->index].outstanding++;
}

unsigned int tl_io_range(const struct tl_ns *ns, uint64_t lba, uint64_t blocks)
{
	if (lba >= ns->blocks || blocks > ns->blocks - lba)
		return TL_DNR(NVH_ST_LBA_RANGE);
	return 0;
}

unsigned int tl_io_ana_status(const struct tl_ctrlr *ctrlr, const struct tl_ns *ns)
{
	if (!ctrlr->listener || !ctrlr->subsystem->ana_reporting)
		return 0;
	switch (ctrlr->listener->ana_state[ns->anagrpid - 1]) {
	case TL_ANA_INACCESSIBLE:
		return NVH_ST_ANA_INACCESSIBLE;
	case TL_ANA_PERSISTENT_LOSS:
		return TL_DNR(NVH_ST_ANA_PERSISTENT_LOSS);
	case TL_ANA_CHANGE:
		return NVH_ST_ANA_TRANSITION;
	default:
		return 0;
	}
}

void tl_io_submit(struct tl_request *req, enum tl_bdev_op op, uint64_t lba, uint64_t blocks,
		  tl_bdev_io_fn done)
{
	struct tl_bdev *bdev = req->ns->bdev;
	struct tl_bdev_io *io = &req->io;

	io->bdev = bdev;
	io->channel = &req->qpair->group->channel;
	io->op = op;
	io->lba = lba;
	io->blocks = blocks;
	io->done = done;
	bdev->ops->submit(bdev, io);
}

/* ---- commands of one step ------------------------------------------------------------------- */

static void io_done(struct tl_bdev_io *io)
{
	tl_request_complete(nvhi_container_of(io, struct tl_request, io), io->status);
}

static void io_read_done(struct tl_bdev_io *io)
{
	struct tl_request *req = nvhi_container_of(io, struct tl_request, io);

	req->data_len = (uint32_t)(io->blocks << req->ns->block_shift);
	tl_request_complete(req, io->status);
}

static uint64_t io_slba(const struct tl_request *req)
{
	return (uint64_t)tl_cdw11(req) << 32 | tl_cdw10(req);
}

static uint64_t io_nlb(const struct tl_request *req)
{
	return (tl_cdw12(req) & NVH_RW_NLB_MASK) + 1ull;
}

/* Range against the namespace and the blocks' bytes against the buffer; completes when wrong. */
static bool io_data_ok(struct tl_request *req, uint8_t dir)
{
	const struct tl_ns *ns = req->ns;
	uint64_t bytes = io_nlb(req) << ns->block_shift;
	unsigned int status = tl_io_range(ns, io_slba(req), io_nlb(req));

	if (!status && tl_cdw12(req) & NVH_RW_PRACT)
		status = TL_DNR(NVH_ST_INVALID_PI);
	if (!status && (req->dir != dir || bytes > req->xfer_len))
		status = TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
	if (!status && bytes < req->xfer_len && dir == NVH_DATA_TO_CTRLR)
		status = TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
	if (status)
		tl_request_complete(req, status);
	return !status;
}

static void io_read(struct tl_request *req)
{
	struct tl_ctrlr_group *cg = &tl_request_ctrlr(req)->groups[req->qpair->group->index];
	struct tl_ns *ns = req->ns;
	uint64_t bytes = io_nlb(req) << ns->block_shift;

	if (!io_data_ok(req, NVH_DATA_TO_HOST))
		return;
	tl_count(&cg->reads, 1);
	tl_count(&cg->read_bytes, bytes);
	if (req->may_lend) {
		const void *lent = ns->bdev->ops->lend(ns->bdev, io_slba(req), io_nlb(req));

		if (lent) {
			req->iov.iov_base = (void *)(uintptr_t)lent;
			req->iov.iov_len = bytes;
			req->data_len = (uint32_t)bytes;
			tl_request_complete(req, NVH_ST_SUCCESS);
			return;
		}
	}
	if (!req->iov.iov_base) {
		tl_request_complete(req, NVH_ST_INTERNAL);
		return;
	}
	req->iov.iov_len = bytes;
	req->io.iov = &req->iov;
	req->io.iovcnt = 1;
	tl_io_submit(req, TL_BDEV_READ, io_slba(req), io_nlb(req), io_read_done);
}

static bool io_writable(struct tl_request *req)
{
	if (!req->ns->bdev->read_only)
		return true;
	tl_request_complete(req, TL_DNR(NVH_ST_NS_WRITE_PROTECTED));
	return false;
}

static void io_write(struct tl_request *req)
{
	struct tl_ctrlr_group *cg = &tl_request_ctrlr(req)->groups[req->qpair->group->index];

	if (!io_writable(req) || !io_data_ok(req, NVH_DATA_TO_CTRLR))
		return;
	tl_count(&cg->writes, 1);
	tl_count(&cg->write_bytes, io_nlb(req) << req->ns->block_shift);
	req->iov.iov_len = req->xfer_len;
	req->io.iov = &req->iov;
	req->io.iovcnt = 1;
	req->io.fua = tl_cdw12(req) & NVH_RW_FUA;
	tl_io_submit(req, TL_BDEV_WRITE, io_slba(req), io_nlb(req), io_done);
}

static void io_write_zeroes(struct tl_request *req)
{
	const struct tl_subsystem *ss = req->ns->subsystem;
	unsigned int status;

	if (!io_writable(req))
		return;
	status = tl_io_range(req->ns, io_slba(req), io_nlb(req));
	if (!status && tl_cdw12(req) & NVH_RW_PRACT)
		status = TL_DNR(NVH_ST_INVALID_PI);
	if (!status && ss->wzsl && (uint64_t)io_nlb(req) << req->ns->block_shift > 4096ull << ss->wzsl)
		status = TL_DNR(NVH_ST_INVALID_FIELD);
	if (status) {
		tl_request_complete(req, status);
		return;
	}
	req->io.fua = tl_cdw12(req) & NVH_RW_FUA;
	req->io.deallocate = tl_cdw12(req) & NVH_WZ_DEAC;
	tl_io_submit(req, TL_BDEV_WRITE_ZEROES, io_slba(req), io_nlb(req), io_done);
}

static void io_flush(struct tl_request *req)
{
	tl_io_submit(req, TL_BDEV_FLUSH, 0, 0, io_done);
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static bool io_is_resv(uint8_t opc)
{
	return opc == NVH_OPC_RESV_REGISTER || opc == NVH_OPC_RESV_REPORT ||
	       opc == NVH_OPC_RESV_ACQUIRE || opc == NVH_OPC_RESV_RELEASE;
}

/* The namespace, the path and the reservation; completes when they are not fit. */
static bool io_find_ns(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	struct tl_ns *ns = tl_subsystem_ns(ctrlr->subsystem, tl_nsid(req));
	unsigned int status;

	if (__builtin_expect(!ns, 0)) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_NS));
		return false;
	}
	status = tl_io_ana_status(ctrlr, ns);
	if (__builtin_expect(status != 0, 0)) {
		tl_request_complete(req, status);
		return false;
	}
	tl_request_hold_ns(req, ns);
	if (__builtin_expect(ns->resv.rtype && !io_is_resv(req->cmd.opc), 0)) {
		status = tl_resv_check(ns, ctrlr, req->cmd.opc);
		if (status) {
			tl_request_complete(req, status);
			return false;
		}
	}
	return true;
}

static void io_rare(struct tl_request *req)
{
	switch (req->cmd.opc) {
	case NVH_OPC_FLUSH:
		io_flush(req);
		break;
	case NVH_OPC_WRITE_ZEROES:
		io_write_zeroes(req);
		break;
	case NVH_OPC_DSM:
		if (io_writable(req))
			tl_io_dsm(req);
		break;
	case NVH_OPC_COMPARE:
		if (io_data_ok(req, NVH_DATA_TO_CTRLR))
			tl_io_compare(req);
		break;
	case NVH_OPC_VERIFY:
		tl_io_verify(req);
		break;
	case NVH_OPC_COPY:
		if (io_writable(req))
			tl_io_copy(req);
		break;
	case NVH_OPC_RESV_REGISTER:
	case NVH_OPC_RESV_REPORT:
	case NVH_OPC_RESV_ACQUIRE:
	case NVH_OPC_RESV_RELEASE:
		tl_resv_exec(req);
		break;
	default:
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_OPCODE));
	}
}

/* Fused operations: only Compare then Write, on the same range. */
static void io_fused(struct tl_request *req)
{
	uint8_t fuse = req->cmd.flags & NVH_CMD_FUSE_MASK;

	if (fuse == NVH_CMD_FUSE_FIRST && req->cmd.opc == NVH_OPC_COMPARE)
		tl_io_fused_first(req);
	else if (fuse == NVH_CMD_FUSE_SECOND)
		tl_io_fused_second(req);
	else
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
}

void tl_io_exec(struct tl_request *req)
{
	struct tl_qpair *qpair = req->qpair;
	struct tl_ctrlr *ctrlr = qpair->ctrlr;

	tl_count(&ctrlr->groups[qpair->group->index].commands, 1);
	tl_count(&qpair->group->stats.completed_io, 1);
	/* One that a fault held past its connection's end is executed all the same. */
	if (__builtin_expect(!atomic_load_explicit(&ctrlr->enabled, memory_order_relaxed), 0) &&
	    !tl_qpair_closing(qpair)) {
		/* It was enabled when the queue was connected: it is being reset, or is dying. */
		tl_request_complete(req, NVH_ST_ABORTED_SQ_DELETION);
		return;
	}
	if (__builtin_expect(qpair->fused && !(req->cmd.flags & NVH_CMD_FUSE_MASK), 0)) {
		struct tl_request *first = qpair->fused;

		qpair->fused = NULL;
		first->state = TL_REQ_ACTIVE;
		tl_request_complete(first, TL_DNR(NVH_ST_ABORTED_MISSING_FUSED));
	}
	if (!io_find_ns(req))
		return;
	req->io.bdev = NULL;
	req->io.fua = false;
	req->io.deallocate = false;
	if (__builtin_expect(!req->ns->bdev->inline_io, 0))
		tl_request_track(req);
	if (__builtin_expect(req->cmd.flags & NVH_CMD_FUSE_MASK, 0))
		io_fused(req);
	else if (req->cmd.opc == NVH_OPC_READ)
		io_read(req);
	else if (req->cmd.opc == NVH_OPC_WRITE)
		io_write(req);
	else
		io_rare(req);
}
