/*
 * Where a command's data is, when it is not the usual page or two (submit.c): PRPs; an SGL where
 * the controller takes them and PRPs cannot say it, or take a list where one descriptor says it
 * all; or a bounce buffer. On the queue pair's reactor. Base Specification 2.1 section 4.3.
 */
#include <assert.h>
#include <errno.h>

#include "pcie/pcie_impl.h"

/* Through memory of ours, which is contiguous, begins a page, and lies at `iova`. */
static int map_copied(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot, uint8_t *copy,
		      uint64_t iova)
{
	struct nvhi_req *req = slot->req;
	int err;

	slot->copy = copy;
	slot->plain = false;
	if (req->dir == NVHI_DIR_TO_CTRLR) {
		struct nvhi_iov_cursor cursor = req->data;

		nvhi_iov_cursor_copy_out(&cursor, copy, req->len);
	}
	err = nvhi_prp_build_flat(iova, req->len, q->page_size, &slot->prps, &req->cmd);
	assert(err == 0); /* no longer than the list takes */
	return err;
}

static int map_bounced(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	size_t at = (size_t)slot->index * NVHI_PCIE_SMALL;

	if (slot->req->len <= NVHI_PCIE_SMALL)
		return map_copied(q, slot, q->small + at, q->small_iova + at);
	if (q->free_bounce_count == 0)
		return -EAGAIN;
	slot->bounce = q->free_bounce[--q->free_bounce_count];
	at = (size_t)slot->bounce * NVHI_PCIE_MAX_TRANSFER;
	return map_copied(q, slot, q->bounce + at, q->bounce_iova + at);
}

int nvhi_pcie_map(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot)
{
	struct nvhi_req *req = slot->req;
	struct nvhi_pcie_bus *bus = q->ctrlr->bus;
	bool sgls = q->sgls &&
		    !(req->cmd.opc == NVH_OPC_DSM && (q->ctrlr->quirks & NVHI_QUIRK_NO_DSM_SGLS));

	if (sgls && nvhi_sgl_build_one(bus, &req->data, req->len, q->sgl_dwords, &req->cmd) == 0)
		return 0;
	if (nvhi_prp_build(bus, &req->data, req->len, q->page_size, &slot->prps, &req->cmd) == 0)
		return 0;
	if (sgls &&
	    nvhi_sgl_build(bus, &req->data, req->len, q->sgl_dwords, &slot->prps, &req->cmd) == 0)
		return 0;
	return map_bounced(q, slot);
}

void nvhi_pcie_unmap(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot, bool good)
{
	struct nvhi_req *req = slot->req;

	if (good && req->dir == NVHI_DIR_TO_HOST) {
		struct nvhi_iov_cursor cursor = req->data;

		nvhi_iov_cursor_copy_in(&cursor, slot->copy, req->len);
	}
	slot->copy = NULL;
	if (slot->bounce >= 0)
		q->free_bounce[q->free_bounce_count++] = (uint8_t)slot->bounce;
	slot->bounce = -1;
}
