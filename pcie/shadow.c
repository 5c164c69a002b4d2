/*
 * Doorbells in memory, for controllers that are programs (Doorbell Buffer Config): the value goes
 * to a word in memory, and the register, whose write ends in another process, is written only when
 * the controller has put itself to sleep behind an earlier value (EventIdx). I/O queues only, as
 * the other hosts do. Base Specification 2.1 section 5.2.5 and annex B.5.
 */
#include <string.h>

#include "pcie/pcie_impl.h"

static bool shadow_fits(const struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset)
{
	return offset + sizeof(uint32_t) <= ctrlr->page_size;
}

bool nvhi_pcie_shadow_command(struct nvhi_pcie_ctrlr *ctrlr, struct nvh_cmd *cmd)
{
	if (!(nvh_le16_get(ctrlr->tctrlr.id->oacs) & NVH_OACS_DBBUF))
		return false;
	if (!ctrlr->shadow.ptr && nvhi_pcie_mem_alloc(ctrlr, 2 * ctrlr->page_size, &ctrlr->shadow))
		return false;
	memset(ctrlr->shadow.ptr, 0, 2 * ctrlr->page_size);
	cmd->opc = NVH_ADM_DBBUF;
	nvh_le64_put(&cmd->dptr.prp.prp1, ctrlr->shadow.iova);
	nvh_le64_put(&cmd->dptr.prp.prp2, ctrlr->shadow.iova + ctrlr->page_size);
	return true;
}

static void shadow_find(const struct nvhi_pcie_ctrlr *ctrlr, struct nvhi_pcie_doorbell *db)
{
	uint32_t offset = db->offset - NVH_REG_DOORBELLS;
	uint8_t *mem = ctrlr->shadow.ptr;

	if (!shadow_fits(ctrlr, offset))
		return;
	db->shadow = (uint32_t *)(void *)(mem + offset);
	db->event = (uint32_t *)(void *)(mem + ctrlr->page_size + offset);
}

void nvhi_pcie_shadow_attach(struct nvhi_pcie_qpair *q)
{
	if (q->qpair.qid == 0 || !q->ctrlr->shadowed)
		return;
	shadow_find(q->ctrlr, &q->sq_db);
	shadow_find(q->ctrlr, &q->cq_db);
}

/* Both words of a queue of that number which is to be made: nothing is left of the one before. */
void nvhi_pcie_shadow_clear(struct nvhi_pcie_ctrlr *ctrlr, uint16_t qid)
{
	unsigned int dstrd = nvh_cap_dstrd(ctrlr->cap);
	struct nvhi_pcie_doorbell dbs[] = {{.offset = nvh_db_sq(qid, dstrd)},
					   {.offset = nvh_db_cq(qid, dstrd)}};

	if (!ctrlr->shadowed)
		return;
	for (unsigned int i = 0; i < NVHI_ARRAY_SIZE(dbs); i++) {
		shadow_find(ctrlr, &dbs[i]);
		if (dbs[i].shadow)
			*dbs[i].shadow = *dbs[i].event = 0;
	}
}

/* The controller says behind which value it wants to be woken; numbers wrap at 16 bits. */
static bool shadow_wanted(uint16_t event, uint16_t value, uint16_t old)
{
	return (uint16_t)(value - event - 1) < (uint16_t)(value - old);
}

bool nvhi_pcie_shadow_ring(const struct nvhi_pcie_doorbell *db, uint32_t value)
{
	uint32_t old = *db->shadow;

	__atomic_store_n(db->shadow, value, __ATOMIC_RELEASE);
	__sync_synchronize(); /* the value before the look at what is wanted */
	return shadow_wanted((uint16_t)__atomic_load_n(db->event, __ATOMIC_RELAXED),
			     (uint16_t)value, (uint16_t)old);
}
