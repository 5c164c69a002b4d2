/*
 * Host memory buffer: memory of ours for a controller without enough of its own. What it prefers,
 * up to a bound, in pieces as it wants them; less when there is no more, none below its minimum.
 * Kept over a reset (the controller finds it as it was) and freed once the device is closed. Home
 * reactor. Base Specification 2.1 sections 5.2.26.2.4 and 8.2.3.
 */
#include "pcie/pcie_impl.h"

#define HMB_UNIT  4096ull        /* of HMPRE, HMMIN and HMMINDS */
#define HMB_MAX   (128ull << 20) /* as the kernel's bound */
#define HMB_CHUNK (4ull << 20)

#define HMB_ENABLE 0x1u
#define HMB_RETURN 0x2u

struct hmb_desc {
	struct nvh_le64 addr;
	struct nvh_le32 pages;
	struct nvh_le32 rsvd12;
};

void nvhi_pcie_hmb_free(struct nvhi_pcie_ctrlr *ctrlr)
{
	struct nvhi_pcie_hmb *hmb = &ctrlr->hmb;

	while (hmb->count > 0)
		nvhi_pcie_mem_free(ctrlr, &hmb->chunk[--hmb->count]);
	nvhi_pcie_mem_free(ctrlr, &hmb->list);
	hmb->pages = 0;
	hmb->given = false;
}

static void hmb_fill(struct nvhi_pcie_ctrlr *ctrlr, uint64_t wanted, uint64_t chunk, uint32_t max)
{
	struct nvhi_pcie_hmb *hmb = &ctrlr->hmb;
	struct hmb_desc *desc = hmb->list.ptr;

	while (wanted > 0 && hmb->count < max) {
		struct nvhi_pcie_mem *mem = &hmb->chunk[hmb->count];
		uint64_t size = wanted < chunk ? wanted : chunk;

		if (nvhi_pcie_mem_alloc(ctrlr, size, mem))
			return;
		nvh_le64_put(&desc[hmb->count].addr, mem->iova);
		nvh_le32_put(&desc[hmb->count].pages, (uint32_t)(size / ctrlr->page_size));
		hmb->pages += (uint32_t)(size / ctrlr->page_size);
		hmb->count++;
		wanted -= size;
	}
}

static bool hmb_alloc(struct nvhi_pcie_ctrlr *ctrlr)
{
	const struct nvh_id_ctrlr *id = ctrlr->tctrlr.id;
	uint64_t page = ctrlr->page_size, wanted = nvh_le32_get(id->hmpre) * HMB_UNIT;
	uint64_t least = nvh_le32_get(id->hmmin) * HMB_UNIT,
		 piece = nvh_le32_get(id->hmminds) * HMB_UNIT;
	uint32_t max = nvh_le16_get(id->hmmaxd);

	if (max == 0 || max > NVHI_PCIE_HMB_CHUNKS)
		max = NVHI_PCIE_HMB_CHUNKS;
	if (wanted > HMB_MAX)
		wanted = HMB_MAX;
	if (least > wanted) {
		nvhi_log(INFO, PCIE, "%s: no host memory buffer: it wants %llu MiB at least",
			 ctrlr->tctrlr.opts.name, (unsigned long long)(least >> 20));
		return false;
	}
	wanted &= ~(page - 1);
	if (piece < HMB_CHUNK)
		piece = HMB_CHUNK;
	if (piece * max < wanted)
		piece = (wanted / max + page) & ~(page - 1);
	if (nvhi_pcie_mem_alloc(ctrlr, page, &ctrlr->hmb.list))
		return false;
	/* In pieces as large as can be had. */
	for (; piece >= page && piece >= nvh_le32_get(id->hmminds) * HMB_UNIT; piece /= 2) {
		hmb_fill(ctrlr, wanted - ctrlr->hmb.pages * page, piece & ~(page - 1), max);
		if (ctrlr->hmb.pages * page == wanted || ctrlr->hmb.count == max)
			break;
	}
	if (ctrlr->hmb.pages && ctrlr->hmb.pages * page >= least)
		return true;
	nvhi_pcie_hmb_free(ctrlr);
	return false;
}

bool nvhi_pcie_hmb_command(struct nvhi_pcie_ctrlr *ctrlr, struct nvh_cmd *cmd)
{
	struct nvhi_pcie_hmb *hmb = &ctrlr->hmb;

	if (!nvh_le32_get(ctrlr->tctrlr.id->hmpre) || (!hmb->count && !hmb_alloc(ctrlr)))
		return false;
	cmd->opc = NVH_ADM_SET_FEATURES;
	nvh_le32_put(&cmd->cdw10, NVH_FID_HMB);
	nvh_le32_put(&cmd->cdw11, HMB_ENABLE | (hmb->given ? HMB_RETURN : 0));
	nvh_le32_put(&cmd->cdw12, hmb->pages);
	nvh_le32_put(&cmd->cdw13, (uint32_t)hmb->list.iova);
	nvh_le32_put(&cmd->cdw14, (uint32_t)(hmb->list.iova >> 32));
	nvh_le32_put(&cmd->cdw15, hmb->count);
	return true;
}
