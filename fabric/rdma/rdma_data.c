/*
 * Where a command's data is, and what the controller is told of it.
 *
 * A small write travels in its capsule, gathered from the caller's memory. Anything else is one
 * keyed SGL descriptor: registered and contiguous memory directly, everything else through a copy.
 *
 * Keys. A region is registered once, with no remote rights; each command binds a memory window to
 * exactly its bytes, for exactly its direction and this queue pair, and the window is invalidated
 * (by the controller with its response, which we ask for, or else by us) before the request is
 * done. So a controller reaches nothing but the buffers of commands it holds, and after the loss of
 * a path not even those. A device without windows of type 2 (iWARP often) gets the region's own
 * key; there the destroyed queue pair is what keeps an old path out.
 * NVMe/RDMA 1.1 section 3.2.2 (SGLs). On the queue pair's reactor.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "fabric/rdma/rdma_impl.h"

/* The length of a keyed descriptor has 24 bits. */
#define KEYED_MAX ((1u << 24) - 1)

/* ---- windows ------------------------------------------------------------------------------- */

int nvhi_rdma_windows_init(struct nvhi_rdma_qpair *q, char *errbuf, size_t errbuf_len)
{
	uint32_t wanted = q->qpair.depth;

	if (!q->dev->windows)
		return 0;
	q->windows = calloc(wanted, sizeof(*q->windows));
	if (!q->windows) {
		snprintf(errbuf, errbuf_len, "no memory");
		return -ENOMEM;
	}
	while (q->window_count < wanted) {
		struct nvhi_rdma_window *window = &q->windows[q->window_count];

		errno = 0;
		window->mw = q->verbs->alloc_mw(q->dev->pd, IBV_MW_TYPE_2);
		if (!window->mw)
			break;
		window->rkey = window->mw->rkey;
		window->next = q->free_windows;
		q->free_windows = window;
		q->window_count++;
	}
	if (q->window_count == 0) {
		int err = errno ? -errno : -ENOMEM;

		snprintf(errbuf, errbuf_len, "%s has no memory window left: %s",
			 nvhi_rdma_dev_name(q->dev), strerror(-err));
		return err;
	}
	if (q->window_count < wanted)
		nvhi_log(WARN, RDMA,
			 "%s: %s has %u memory windows left for %u commands: some will wait",
			 q->qpair.name, nvhi_rdma_dev_name(q->dev), q->window_count, wanted);
	return 0;
}

void nvhi_rdma_windows_fini(struct nvhi_rdma_qpair *q)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < q->window_count; i++)
		if (q->verbs->dealloc_mw(q->windows[i].mw))
			q->windows[left++] = q->windows[i];
	q->window_count = left;
	q->free_windows = NULL;
}

void nvhi_rdma_window_free(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	slot->window->next = q->free_windows;
	q->free_windows = slot->window;
	slot->window = NULL;
}

/* A key for `len` bytes at `addr` in `mr`; -EAGAIN: no window is free. */
static int grant(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot, struct ibv_mr *mr,
		 void *addr, uint32_t len, uint32_t *ret_rkey)
{
	struct nvhi_rdma_window *window = q->free_windows;

	if (!q->dev->windows) {
		*ret_rkey = mr->rkey;
		return 0;
	}
	if (!window)
		return -EAGAIN;
	q->free_windows = window->next;
	window->mw->rkey = window->rkey; /* providers name the window by its last key */
	window->rkey = ibv_inc_rkey(window->rkey);
	slot->window = window;
	slot->bind.wr_id = NVHI_RDMA_WR_ID(NVHI_RDMA_WR_BIND, slot->index, 0);
	slot->bind.send_flags = 0;
	slot->bind.bind_mw.mw = window->mw;
	slot->bind.bind_mw.rkey = window->rkey;
	slot->bind.bind_mw.bind_info.mr = mr;
	slot->bind.bind_mw.bind_info.addr = (uintptr_t)addr;
	slot->bind.bind_mw.bind_info.length = len;
	slot->bind.bind_mw.bind_info.mw_access_flags = slot->req->dir == NVHI_DIR_TO_HOST
							       ? IBV_ACCESS_REMOTE_WRITE
							       : IBV_ACCESS_REMOTE_READ;
	q->counters.windows++;
	*ret_rkey = window->rkey;
	return 0;
}

/* ---- where the data is --------------------------------------------------------------------- */

static bool fits_in_capsule(const struct nvhi_rdma_qpair *q, const struct nvhi_req *req)
{
	const struct nvhi_tctrlr *tctrlr = q->qpair.tctrlr;

	return q->qpair.qid != 0 && req->dir == NVHI_DIR_TO_CTRLR && tctrlr->icdoff == 0 &&
	       req->len <= tctrlr->ioccsz && (tctrlr->sgls & NVH_SGLS_OFFSET);
}

/* The request's memory as few elements as can be; 0: more than `max` of them. */
static uint32_t gather(const struct nvhi_req *req, struct iovec *iov, uint32_t max)
{
	struct nvhi_iov_cursor cursor = req->data;
	uint32_t count = 0, left = req->len;

	if (cursor.iov->iov_len - cursor.offset >= left) { /* nearly always */
		iov[0].iov_base = (uint8_t *)cursor.iov->iov_base + cursor.offset;
		iov[0].iov_len = left;
		return 1;
	}
	while (left > 0) {
		struct iovec piece;
		size_t bytes;

		nvhi_iov_cursor_window(&cursor, left, &piece, 1, &bytes);
		assert(bytes > 0); /* the request's iovec holds len bytes */
		nvhi_iov_cursor_advance(&cursor, bytes);
		left -= (uint32_t)bytes;
		if (count > 0 && (uint8_t *)iov[count - 1].iov_base + iov[count - 1].iov_len ==
					 (uint8_t *)piece.iov_base) {
			iov[count - 1].iov_len += bytes;
			continue;
		}
		if (count == max)
			return 0;
		iov[count++] = (struct iovec){.iov_base = piece.iov_base, .iov_len = bytes};
	}
	return count;
}

/* A copy of the data, or room for it. */
static int copy(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	struct nvhi_iov_cursor cursor = slot->req->data;
	int err = nvhi_rdma_bounce_get(&q->bounce, slot->req->len, &slot->piece);

	if (err)
		return err;
	q->counters.copied++;
	if (slot->req->dir == NVHI_DIR_TO_CTRLR)
		nvhi_iov_cursor_copy_out(&cursor, slot->piece.at, slot->req->len);
	return 0;
}

static int place_in_capsule(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	struct nvh_sgl *sgl = &slot->req->cmd.dptr.sgl;
	struct iovec iov[NVHI_RDMA_SGES];
	uint32_t i, count = gather(slot->req, iov, q->max_sges - 1u);
	int err;

	for (i = 0; i < count; i++) {
		struct ibv_mr *mr =
			nvhi_rdma_map_find(q->dev, &q->map, iov[i].iov_base, iov[i].iov_len);

		if (!mr)
			break;
		slot->sge[1 + i] = (struct ibv_sge){.addr = (uintptr_t)iov[i].iov_base,
						    .length = (uint32_t)iov[i].iov_len,
						    .lkey = mr->lkey};
	}
	slot->sending = count > 0 && i == count;
	if (!slot->sending) {
		err = copy(q, slot);
		if (err)
			return err;
		slot->sge[1] = (struct ibv_sge){.addr = (uintptr_t)slot->piece.at,
						.length = slot->req->len,
						.lkey = slot->piece.chunk->mr->lkey};
		count = 1;
	}
	slot->sges = (uint8_t)(1 + count);
	q->counters.in_capsule++;
	memset(sgl, 0, sizeof(*sgl));
	nvh_le32_put(&sgl->len, slot->req->len);
	sgl->id = NVH_SGL_ID_IN_CAPSULE;
	return 0;
}

static int place_keyed(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	struct nvh_sgl_keyed *sgl = &slot->req->cmd.dptr.ksgl;
	struct nvhi_req *req = slot->req;
	struct ibv_mr *mr = NULL;
	struct iovec iov = {0};
	uint32_t rkey;
	int err;

	if (req->len > KEYED_MAX)
		return -EMSGSIZE;
	if (gather(req, &iov, 1) == 1)
		mr = nvhi_rdma_map_find(q->dev, &q->map, iov.iov_base, iov.iov_len);
	if (!mr) {
		err = copy(q, slot);
		if (err)
			return err;
		mr = slot->piece.chunk->mr;
		iov.iov_base = slot->piece.at;
	}
	err = grant(q, slot, mr, iov.iov_base, req->len, &rkey);
	if (err) {
		nvhi_rdma_bounce_put(&q->bounce, &slot->piece);
		return err;
	}
	nvh_le64_put(&sgl->addr, (uintptr_t)iov.iov_base);
	nvh_le24_put(&sgl->len, req->len);
	nvh_le32_put(&sgl->key, rkey);
	sgl->id = slot->window ? NVH_SGL_ID_KEYED_INV : NVH_SGL_ID_KEYED;
	return 0;
}

/* A command without data has a keyed descriptor of nothing, Property commands included. */
static void place_nothing(struct nvhi_rdma_slot *slot)
{
	struct nvh_sgl_keyed *sgl = &slot->req->cmd.dptr.ksgl;

	memset(sgl, 0, sizeof(*sgl));
	sgl->id = NVH_SGL_ID_KEYED;
}

int nvhi_rdma_place(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot)
{
	struct nvhi_req *req = slot->req;
	struct nvh_cmd *capsule = &q->cmds[slot->index];
	int err = 0;

	slot->sges = 1;
	if (req->len == 0)
		place_nothing(slot);
	else if (fits_in_capsule(q, req))
		err = place_in_capsule(q, slot);
	else
		err = place_keyed(q, slot);
	if (err)
		return err;
	req->cmd.flags = (uint8_t)((req->cmd.flags & ~NVH_CMD_PSDT_MASK) | NVH_CMD_PSDT_SGL);
	*capsule = req->cmd;
	slot->sge[0] = (struct ibv_sge){.addr = (uintptr_t)capsule,
					.length = sizeof(*capsule),
					.lkey = q->capsules_mr->lkey};
	nvhi_trace_cmd(q->qpair.name, q->qpair.qid, &req->cmd);
	return 0;
}

void nvhi_rdma_unplace(struct nvhi_rdma_qpair *q, struct nvhi_rdma_slot *slot, bool good)
{
	struct nvhi_iov_cursor cursor = slot->req->data;

	if (good && slot->piece.at && slot->req->dir == NVHI_DIR_TO_HOST)
		nvhi_iov_cursor_copy_in(&cursor, slot->piece.at, slot->req->len);
	nvhi_rdma_bounce_put(&q->bounce, &slot->piece);
	if (slot->window)
		nvhi_rdma_window_free(q, slot);
	/* Who waits for a copy, a window or a turn. */
	if (!nvhi_list_empty(&q->want) && q->state <= NVHI_RDMA_LIVE)
		nvhi_reactor_defer(q->qpair.reactor, &q->post_defer);
}
