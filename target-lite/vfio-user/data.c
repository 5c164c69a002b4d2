/*
 * Where a command's data is: the PRPs of the client, walked once, each address checked. Data in one
 * piece is used where it lies; data in several goes through one of a few buffers of ours, for which
 * commands wait in line. The client's reactor. Base Specification 2.1 section 4.3.1.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/spec/nvme_feature.h"
#include "target-lite/core/impl.h"
#include "target-lite/vfio-user/impl.h"

/* ---- how much a command moves ------------------------------------------------------------------ */

static uint32_t features_len(const struct nvh_cmd *cmd)
{
	switch ((uint8_t)nvh_le32_get(cmd->cdw10)) {
	case NVH_FID_LBA_RANGE:
		return 4096;
	case NVH_FID_TIMESTAMP:
		return 8;
	case NVH_FID_HOST_BEHAVIOR:
		return 512;
	case NVH_FID_HOST_ID:
		return nvh_le32_get(cmd->cdw11) & 1 ? 16 : 8;
	default:
		return 0;
	}
}

static uint64_t admin_len(const struct nvh_cmd *cmd)
{
	switch (cmd->opc) {
	case NVH_ADM_IDENTIFY:
		return 4096;
	case NVH_ADM_GET_LOG_PAGE:
		return (((uint64_t)(uint16_t)nvh_le32_get(cmd->cdw11) << 16 |
			 nvh_le32_get(cmd->cdw10) >> 16) +
			1) *
		       4;
	case NVH_ADM_SET_FEATURES:
	case NVH_ADM_GET_FEATURES:
		return features_len(cmd);
	default:
		return 0; /* none that the core knows */
	}
}

static uint64_t io_len(const struct tl_qpair *qpair, const struct nvh_cmd *cmd)
{
	const struct tl_ns *ns;

	switch (cmd->opc) {
	case NVH_OPC_READ:
	case NVH_OPC_WRITE:
	case NVH_OPC_COMPARE:
		ns = tl_subsystem_ns(qpair->ctrlr->subsystem, nvh_le32_get(cmd->nsid));
		return ns ? ((nvh_le32_get(cmd->cdw12) & NVH_RW_NLB_MASK) + 1ull) *
				    ns->bdev->block_size
			  : 0;
	case NVH_OPC_DSM:
		return (uint64_t)((nvh_le32_get(cmd->cdw10) & 0xff) + 1) * 16;
	case NVH_OPC_COPY:
		return (uint64_t)((nvh_le32_get(cmd->cdw12) & 0xff) + 1) * 32;
	case NVH_OPC_RESV_REGISTER:
	case NVH_OPC_RESV_ACQUIRE:
		return 16;
	case NVH_OPC_RESV_RELEASE:
		return 8;
	case NVH_OPC_RESV_REPORT:
		return ((uint64_t)nvh_le32_get(cmd->cdw10) + 1) * 4;
	default:
		return 0;
	}
}

/* ---- walking ----------------------------------------------------------------------------------- */

struct walk {
	struct tl_vfu_conn *conn;
	uint64_t left;
	uint32_t count; /* pieces so far */
};

/* Pieces that follow each other are one. */
static void walk_add(struct walk *w, uint64_t iova, uint32_t len)
{
	struct tl_vfu_piece *last = w->count ? &w->conn->walked[w->count - 1] : NULL;

	if (last && last->iova + last->len == iova)
		last->len += len;
	else
		w->conn->walked[w->count++] = (struct tl_vfu_piece){iova, len};
	w->left -= len;
}

/* The entries of one page of a list, the last of which leads to the next page when it is not the end:
 * that one begins a page, so each step makes progress. */
static unsigned int walk_list_page(struct walk *w, uint64_t *list)
{
	uint64_t need = (w->left + TL_VFU_PAGE - 1) / TL_VFU_PAGE;
	uint32_t room = (uint32_t)((TL_VFU_PAGE - *list % TL_VFU_PAGE) / 8);
	uint32_t count = need < room ? (uint32_t)need : room;
	bool last = need <= room;
	unsigned int status = 0;
	struct tl_vfu_map *map;
	const uint8_t *entries = tl_vfu_get(w->conn, *list, (uint64_t)count * 8, &map);

	if (!entries)
		return TL_DNR(NVH_ST_DATA_XFER_ERROR);
	for (uint32_t i = 0; i < count && !status; i++) {
		struct nvh_le64 le;
		uint64_t entry;

		memcpy(&le, entries + i * 8, sizeof(le));
		entry = nvh_le64_get(le);
		if (entry % TL_VFU_PAGE)
			status = TL_DNR(NVH_ST_PRP_INVALID_OFFSET);
		else if (i + 1 == count && !last)
			*list = entry;
		else
			walk_add(w, entry,
				 w->left < TL_VFU_PAGE ? (uint32_t)w->left : TL_VFU_PAGE);
	}
	tl_vfu_put(w->conn, map);
	return status;
}

static unsigned int walk_list(struct walk *w, uint64_t list)
{
	unsigned int status = list % 8 ? TL_DNR(NVH_ST_PRP_INVALID_OFFSET) : 0;

	while (w->left && !status)
		status = walk_list_page(w, &list);
	return status;
}

static unsigned int walk_prps(struct walk *w, const struct nvh_cmd *cmd)
{
	uint64_t prp1 = nvh_le64_get(cmd->dptr.prp.prp1), prp2 = nvh_le64_get(cmd->dptr.prp.prp2);
	uint64_t first = TL_VFU_PAGE - prp1 % TL_VFU_PAGE;

	if (prp1 & 3)
		return TL_DNR(NVH_ST_PRP_INVALID_OFFSET);
	walk_add(w, prp1, (uint32_t)(first < w->left ? first : w->left));
	if (!w->left)
		return 0;
	if (w->left > TL_VFU_PAGE)
		return walk_list(w, prp2);
	if (prp2 % TL_VFU_PAGE)
		return TL_DNR(NVH_ST_PRP_INVALID_OFFSET);
	walk_add(w, prp2, (uint32_t)w->left);
	return 0;
}

/* ---- several pieces ---------------------------------------------------------------------------- */

static void bounce_put(struct tl_vfu_conn *conn, struct tl_vfu_bounce *bounce)
{
	for (uint32_t i = 0; i < bounce->count; i++)
		tl_vfu_put(conn, bounce->pieces[i].map);
	bounce->count = 0;
	nvhi_list_add_head(&conn->bounce_free, &bounce->link);
}

/* Every byte of it is the client's; pieces of several maps are several. */
static bool bounce_hold(struct tl_vfu_conn *conn, struct tl_vfu_bounce *bounce, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t iova = conn->walked[i].iova;
		uint32_t left = conn->walked[i].len;

		while (left) {
			uint64_t len = left;
			uint8_t *base = tl_vfu_get_part(conn, iova, &len,
							&bounce->pieces[bounce->count].map);

			if (!base)
				return false;
			bounce->pieces[bounce->count].base = base;
			bounce->pieces[bounce->count++].len = (uint32_t)len;
			iova += len;
			left -= (uint32_t)len;
		}
	}
	return true;
}

/* -EAGAIN: there is no buffer now. */
static int bounce_take(struct tl_vfu_conn *conn, struct tl_vfu_req *r, uint32_t count)
{
	struct tl_vfu_bounce *bounce;
	uint8_t *to;

	if (nvhi_list_empty(&conn->bounce_free))
		return -EAGAIN;
	bounce = nvhi_list_first(&conn->bounce_free, struct tl_vfu_bounce, link);
	nvhi_list_del(&bounce->link);
	if (!bounce_hold(conn, bounce, count)) {
		bounce_put(conn, bounce);
		return -EFAULT;
	}
	to = bounce->mem;
	for (uint32_t i = 0; r->req.dir == NVH_DATA_TO_CTRLR && i < bounce->count; i++) {
		memcpy(to, bounce->pieces[i].base, bounce->pieces[i].len);
		to += bounce->pieces[i].len;
	}
	r->bounce = bounce;
	r->req.iov = (struct iovec){bounce->mem, r->req.xfer_len};
	return 0;
}

static void bounce_copy_out(const struct tl_vfu_req *r)
{
	const uint8_t *from = r->req.iov.iov_base;
	uint32_t left = r->req.data_len;

	for (uint32_t i = 0; i < r->bounce->count && left; i++) {
		uint32_t len = r->bounce->pieces[i].len < left ? r->bounce->pieces[i].len : left;

		memcpy(r->bounce->pieces[i].base, from, len);
		from += len;
		left -= len;
	}
}

/* ---- executing --------------------------------------------------------------------------------- */

/* What is looked at, and not merely stored, must not change under our eyes. */
static bool data_is_copied(const struct tl_vfu_req *r)
{
	if (r->req.dir != NVH_DATA_TO_CTRLR)
		return false;
	return r->req.qpair->qid == 0 ||
	       (r->req.cmd.opc != NVH_OPC_WRITE && r->req.cmd.opc != NVH_OPC_COMPARE);
}

/* 0, -EAGAIN, or a status. */
static int data_find(struct tl_vfu_conn *conn, struct tl_vfu_req *r)
{
	struct walk w = {.conn = conn, .left = r->req.xfer_len};
	unsigned int status = walk_prps(&w, &r->req.cmd);
	int err;

	if (status)
		return (int)status;
	if (w.count == 1 && !data_is_copied(r)) {
		r->req.iov.iov_base =
			tl_vfu_get(conn, conn->walked[0].iova, r->req.xfer_len, &r->map);
		r->req.iov.iov_len = r->req.xfer_len;
		if (r->req.iov.iov_base)
			return 0;
	}
	err = bounce_take(conn, r, w.count);
	return err == -EFAULT ? (int)TL_DNR(NVH_ST_DATA_XFER_ERROR) : err;
}

static void data_go(struct tl_vfu_conn *conn, struct tl_vfu_req *r)
{
	int status = r->req.xfer_len ? data_find(conn, r) : 0;

	if (status == -EAGAIN)
		nvhi_list_add_tail(&conn->bounce_waiters, &r->link);
	else if (status)
		tl_request_fail(&r->req, (unsigned int)status);
	else
		tl_request_exec(&r->req);
}

void tl_vfu_data_exec(struct tl_vfu_req *r)
{
	struct tl_vfu_queue *q = tl_vfu_queue_of(r->req.qpair);
	uint8_t dir = tl_cmd_direction(&r->req.cmd);
	uint64_t len = 0;

	if (dir == NVH_DATA_TO_CTRLR || dir == NVH_DATA_TO_HOST)
		len = q->qid ? io_len(&q->qpair, &r->req.cmd) : admin_len(&r->req.cmd);
	r->req.iov = (struct iovec){NULL, 0};
	r->req.xfer_len = (uint32_t)len;
	r->req.dir = len ? dir : NVH_DATA_NONE;
	r->req.may_lend = false;
	if (r->req.cmd.opc == NVH_ADM_FABRICS)
		tl_request_fail(&r->req, TL_DNR(NVH_ST_INVALID_OPCODE)); /* ours alone */
	else if (r->req.cmd.flags & NVH_CMD_PSDT_MASK)
		tl_request_fail(&r->req, TL_DNR(NVH_ST_INVALID_FIELD)); /* no SGLs: Identify says */
	else if (len > q->conn->max_io)
		tl_request_fail(&r->req, TL_DNR(NVH_ST_INVALID_FIELD)); /* beyond MDTS */
	else if ((r->req.cmd.flags & NVH_CMD_FUSE_MASK) && !nvhi_list_empty(&q->conn->bounce_waiters))
		nvhi_list_add_tail(&q->conn->bounce_waiters, &r->link); /* a pair stays in order */
	else
		data_go(q->conn, r);
}

/* A loop and no recursion: what is served here may complete here, and free its buffer again. */
static void data_serve_waiters(struct tl_vfu_conn *conn)
{
	if (conn->serving)
		return;
	conn->serving = true;
	while (!nvhi_list_empty(&conn->bounce_free) && !nvhi_list_empty(&conn->bounce_waiters)) {
		struct tl_vfu_req *next =
			nvhi_list_first(&conn->bounce_waiters, struct tl_vfu_req, link);

		nvhi_list_del(&next->link);
		data_go(conn, next);
	}
	conn->serving = false;
}

void tl_vfu_data_done(struct tl_vfu_req *r)
{
	struct tl_vfu_conn *conn = tl_vfu_queue_of(r->req.qpair)->conn;
	struct tl_vfu_bounce *bounce = r->bounce;

	if (r->map)
		tl_vfu_put(conn, r->map);
	r->map = NULL;
	if (!bounce)
		return;
	if (r->req.dir == NVH_DATA_TO_HOST && r->req.data_len)
		bounce_copy_out(r);
	r->bounce = NULL;
	bounce_put(conn, bounce);
	data_serve_waiters(conn);
}

void tl_vfu_data_forget(struct tl_vfu_queue *q)
{
	struct tl_vfu_req *r, *next;

	nvhi_list_for_each_safe (r, next, &q->conn->bounce_waiters, link) {
		if (r->req.qpair != &q->qpair)
			continue;
		nvhi_list_del(&r->link); /* the core never saw it */
		tl_vfu_cq_unreserve(q);
	}
}

/* ---- memory ------------------------------------------------------------------------------------ */

static uint32_t pieces_max(const struct tl_vfu_conn *conn)
{
	return conn->max_io / TL_VFU_PAGE + 2;
}

int tl_vfu_data_init(struct tl_vfu_conn *conn)
{
	conn->max_io = conn->vg->vfu->transport.opts.max_io_size;
	nvhi_list_init(&conn->bounce_free);
	nvhi_list_init(&conn->bounce_waiters);
	conn->walked = calloc(pieces_max(conn), sizeof(*conn->walked));
	conn->bounce_mem = mmap(NULL, (size_t)TL_VFU_BOUNCES * conn->max_io, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (conn->bounce_mem == MAP_FAILED)
		conn->bounce_mem = NULL;
	if (!conn->walked || !conn->bounce_mem)
		return -ENOMEM;
	for (uint32_t i = 0; i < TL_VFU_BOUNCES; i++) {
		struct tl_vfu_bounce *bounce = &conn->bounces[i];

		bounce->mem = conn->bounce_mem + (size_t)i * conn->max_io;
		bounce->pieces = calloc(pieces_max(conn), sizeof(*bounce->pieces));
		if (!bounce->pieces)
			return -ENOMEM;
		nvhi_list_add_tail(&conn->bounce_free, &bounce->link);
	}
	return 0;
}

void tl_vfu_data_fini(struct tl_vfu_conn *conn)
{
	for (uint32_t i = 0; i < TL_VFU_BOUNCES; i++)
		free(conn->bounces[i].pieces);
	if (conn->bounce_mem)
		munmap(conn->bounce_mem, (size_t)TL_VFU_BOUNCES * conn->max_io);
	free(conn->walked);
}
