/*
 * Registers, memory, queues and interrupts of the controller in memory; see soft.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/pcie/soft.h"

#define PAGE 4096u

static struct soft *soft_of(struct nvhi_pcie_bus *bus)
{
	return nvhi_container_of(bus, struct soft, bus);
}

void *soft_at(struct soft *soft, uint64_t addr, size_t len)
{
	if (!soft->mastering)
		return NULL;
	if (addr >= SOFT_BASE && addr - SOFT_BASE <= SOFT_RAM &&
	    len <= SOFT_RAM - (addr - SOFT_BASE))
		return soft->ram + (addr - SOFT_BASE);
	if (soft->cmbmsc && addr >= SOFT_CMB_AT && addr - SOFT_CMB_AT <= SOFT_CMB &&
	    len <= SOFT_CMB - (addr - SOFT_CMB_AT))
		return soft->cmb + (addr - SOFT_CMB_AT);
	return NULL;
}

/* ---- completions ------------------------------------------------------------------------- */

static void soft_interrupt(struct soft *soft, const struct soft_queue *q)
{
	uint64_t one = 1;

	if (!q->ien || soft->irq_fd[q->vector] < 0)
		return;
	soft->interrupts++;
	if (write(soft->irq_fd[q->vector], &one, sizeof(one)) < 0)
		return; /* full: it is readable already */
}

void soft_answer(struct soft *soft, uint16_t qid, const struct nvh_cpl *cpl)
{
	struct soft_queue *q = &soft->q[qid];
	struct nvh_cpl *to;

	if (!q->cq_made || (q->cq_tail + 1) % q->cq_entries == q->cq_head)
		return;
	to = soft_at(soft, q->cq + q->cq_tail * sizeof(*cpl), sizeof(*cpl));
	if (!to)
		return;
	memcpy(to, cpl, sizeof(*cpl) - 2);
	__atomic_store_n((uint16_t *)(void *)&to->status,
			 (uint16_t)((nvh_le16_get(cpl->status) & ~1u) | q->phase),
			 __ATOMIC_RELEASE);
	if (++q->cq_tail == q->cq_entries) {
		q->cq_tail = 0;
		q->phase = !q->phase;
	}
}

void soft_complete(struct soft *soft, uint16_t qid, const struct nvh_cpl *cpl)
{
	pthread_mutex_lock(&soft->lock);
	soft_answer(soft, qid, cpl);
	soft_interrupt(soft, &soft->q[qid]);
	pthread_mutex_unlock(&soft->lock);
}

void soft_event(struct soft *soft, uint32_t dw0)
{
	struct nvh_cpl cpl = {0};

	pthread_mutex_lock(&soft->lock);
	if (soft->nr_aer) {
		cpl.cid = soft->aer[--soft->nr_aer].cid;
		nvh_le32_put(&cpl.dw0, dw0);
		nvh_le16_put(&cpl.sqhd, (uint16_t)soft->q[0].sq_head);
		soft_answer(soft, 0, &cpl);
		soft_interrupt(soft, &soft->q[0]);
	}
	pthread_mutex_unlock(&soft->lock);
}

/* ---- commands ---------------------------------------------------------------------------- */

static void soft_command(struct soft *soft, uint16_t qid, const struct nvh_cmd *cmd)
{
	struct soft_queue *q = &soft->q[qid];
	struct nvh_cpl cpl = {.cid = cmd->cid};
	uint32_t what = SOFT_EXECUTE;

	soft->commands++;
	nvh_le16_put(&cpl.sqid, qid);
	nvh_le16_put(&cpl.sqhd, (uint16_t)q->sq_head);
	if (soft->hook)
		what = soft->hook(soft, qid, cmd, &cpl);
	if (what & SOFT_SILENT)
		return;
	if (qid == 0 && cmd->opc == NVH_ADM_AER && !(what & SOFT_ANSWER)) {
		if (soft->nr_aer < NVHI_ARRAY_SIZE(soft->aer))
			soft->aer[soft->nr_aer++] = *cmd;
		return;
	}
	if (!(what & SOFT_ANSWER))
		nvh_cpl_set_status(&cpl, soft_execute(soft, qid, cmd, &cpl));
	soft_answer(soft, qid, &cpl);
	if (what & SOFT_TWICE)
		soft_answer(soft, qid, &cpl);
}

static bool soft_running(const struct soft *soft)
{
	return (soft->csts & (NVH_CSTS_RDY | NVH_CSTS_CFS)) == NVH_CSTS_RDY && !soft->wanders;
}

static void soft_serve(struct soft *soft, uint16_t qid)
{
	struct soft_queue *q = &soft->q[qid];
	uint32_t before = q->cq_tail;

	while (soft_running(soft) && q->sq_made && q->sq_head != q->sq_tail) {
		const struct nvh_cmd *cmd =
			soft_at(soft, q->sq + q->sq_head * sizeof(*cmd), sizeof(*cmd));
		struct nvh_cmd copy;

		if (!cmd)
			return;
		copy = *cmd;
		q->sq_head = (q->sq_head + 1) % q->sq_entries;
		soft_command(soft, qid, &copy);
	}
	if (q->cq_tail != before)
		soft_interrupt(soft, q);
}

/* ---- shadow doorbells -------------------------------------------------------------------- */

static void soft_shadow(struct soft *soft)
{
	for (uint16_t qid = 1; soft->shadow && qid < SOFT_QUEUES; qid++) {
		struct soft_queue *q = &soft->q[qid];
		uint32_t *db = soft_at(soft, soft->shadow + qid * 8u, 8);
		uint32_t *ei = soft_at(soft, soft->eventidx + qid * 8u, 8);

		if (!db || !ei || !q->sq_made)
			continue;
		q->cq_head = __atomic_load_n(&db[1], __ATOMIC_ACQUIRE) % q->cq_entries;
		do {
			q->sq_tail = __atomic_load_n(&db[0], __ATOMIC_ACQUIRE) % q->sq_entries;
			soft_serve(soft, qid);
			/* Ring when anything is put behind what was seen. */
			__atomic_store_n(&ei[0], (q->sq_tail - soft->awake) & 0xffff,
					 __ATOMIC_SEQ_CST);
			__atomic_store_n(&ei[1], (q->cq_head - 1) & 0xffff, __ATOMIC_SEQ_CST);
		} while (__atomic_load_n(&db[0], __ATOMIC_SEQ_CST) % q->sq_entries != q->sq_tail);
	}
}

void soft_poll(struct soft *soft)
{
	pthread_mutex_lock(&soft->lock);
	soft_shadow(soft);
	pthread_mutex_unlock(&soft->lock);
}

/* ---- registers --------------------------------------------------------------------------- */

static void soft_reset(struct soft *soft)
{
	memset(soft->q, 0, sizeof(soft->q));
	soft->shadow = soft->eventidx = 0;
	soft->nr_aer = 0;
	soft->hmb_flags = 0;
	if (!soft->never_stops)
		soft->csts &= ~(NVH_CSTS_RDY | NVH_CSTS_CFS | 0xcu);
}

static void soft_enable(struct soft *soft)
{
	struct soft_queue *q = &soft->q[0];

	q->sq = soft->asq;
	q->cq = soft->acq;
	q->sq_entries = (soft->aqa & NVH_AQA_ASQS_MASK) + 1;
	q->cq_entries = (soft->aqa >> NVH_AQA_ACQS_SHIFT & NVH_AQA_ASQS_MASK) + 1;
	q->sq_made = q->cq_made = q->phase = q->ien = true;
	if (!soft->never_ready)
		soft->csts |= NVH_CSTS_RDY;
}

static void soft_write_cc(struct soft *soft, uint32_t cc)
{
	uint32_t old = soft->cc;

	soft->cc = cc;
	if ((cc ^ old) & NVH_CC_EN) {
		if (cc & NVH_CC_EN)
			soft_enable(soft);
		else
			soft_reset(soft);
	}
	if (nvh_cc_shn(cc) && !nvh_cc_shn(old))
		soft->csts |= NVH_CSTS_SHST_COMPLETE << NVH_CSTS_SHST_SHIFT;
}

static void soft_write_doorbell(struct soft *soft, uint32_t index, uint32_t value)
{
	uint16_t qid = (uint16_t)(index / 2);
	struct soft_queue *q = &soft->q[qid];

	if (qid >= SOFT_QUEUES || !q->cq_made)
		return;
	if (index & 1) {
		q->cq_head = value % q->cq_entries;
		return;
	}
	soft->doorbells += qid > 0;
	if (q->sq_made)
		q->sq_tail = value % q->sq_entries;
	soft_serve(soft, qid);
	soft_shadow(soft);
}

static void put_half(uint64_t *reg, uint32_t value, bool high)
{
	if (high)
		*reg = (*reg & UINT32_MAX) | (uint64_t)value << 32;
	else
		*reg = (*reg & ~(uint64_t)UINT32_MAX) | value;
}

static void soft_write32(struct nvhi_pcie_bus *bus, uint32_t offset, uint32_t value)
{
	struct soft *soft = soft_of(bus);

	pthread_mutex_lock(&soft->lock);
	if (soft->wanders)
		goto out;
	if (offset >= NVH_REG_DOORBELLS) {
		soft_write_doorbell(
			soft, (offset - NVH_REG_DOORBELLS) >> 2 >> nvh_cap_dstrd(soft->cap), value);
		goto out;
	}
	switch (offset & ~(offset >= NVH_REG_ASQ ? 4u : 0)) {
	case NVH_REG_CC:
		soft_write_cc(soft, value);
		break;
	case NVH_REG_NSSR:
	case NVH_REG_NSSR | 4:
		if (offset == NVH_REG_AQA)
			soft->aqa = value;
		else
			soft->nssr = value;
		break;
	case NVH_REG_ASQ:
		put_half(&soft->asq, value, offset & 4);
		break;
	case NVH_REG_ACQ:
		put_half(&soft->acq, value, offset & 4);
		break;
	case NVH_REG_CMBMSC:
		put_half(&soft->cmbmsc, value, offset & 4);
		break;
	default:
		break;
	}
out:
	pthread_mutex_unlock(&soft->lock);
}

static uint32_t soft_register(const struct soft *soft, uint32_t offset)
{
	switch (offset) {
	case NVH_REG_CAP:
		return (uint32_t)soft->cap;
	case NVH_REG_CAP + 4:
		return (uint32_t)(soft->cap >> 32);
	case NVH_REG_VS:
		return soft->vs;
	case NVH_REG_CC:
		return soft->cc;
	case NVH_REG_CSTS:
		return soft->csts;
	case NVH_REG_CMBLOC:
		return soft->cmbmsc & 1 ? soft->cmbloc : 0;
	case NVH_REG_CMBSZ:
		return soft->cmbmsc & 1 ? soft->cmbsz : 0;
	default:
		return 0;
	}
}

static uint32_t soft_read32(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	struct soft *soft = soft_of(bus);
	uint32_t value;

	pthread_mutex_lock(&soft->lock);
	value = soft->wanders ? UINT32_MAX : soft_register(soft, offset);
	pthread_mutex_unlock(&soft->lock);
	return value;
}

static volatile uint32_t *soft_doorbell(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	(void)bus;
	(void)offset;
	return NULL;
}

/* ---- memory ------------------------------------------------------------------------------ */

static size_t soft_find(const struct soft *soft, size_t pages, size_t align)
{
	size_t run = 0;

	for (size_t i = 0; i < SOFT_RAM / PAGE; i++) {
		if (soft->used[i] || (run == 0 && i % align))
			run = 0;
		else if (++run == pages)
			return i + 1 - pages;
	}
	return SIZE_MAX;
}

static int soft_dma_alloc(struct nvhi_pcie_bus *bus, size_t size, size_t align, void **ret_ptr,
			  uint64_t *ret_iova)
{
	struct soft *soft = soft_of(bus);
	size_t pages = (size + PAGE - 1) / PAGE, at;

	pthread_mutex_lock(&soft->lock);
	at = soft_find(soft, pages, align / PAGE);
	if (at != SIZE_MAX) {
		memset(soft->used + at, 1, pages);
		soft->used_bytes += pages * PAGE;
	}
	pthread_mutex_unlock(&soft->lock);
	if (at == SIZE_MAX)
		return -ENOMEM;
	memset(soft->ram + at * PAGE, 0, pages * PAGE);
	*ret_ptr = soft->ram + at * PAGE;
	*ret_iova = SOFT_BASE + at * PAGE;
	return 0;
}

static void soft_dma_free(struct nvhi_pcie_bus *bus, void *ptr, size_t size)
{
	struct soft *soft = soft_of(bus);
	size_t pages = (size + PAGE - 1) / PAGE;

	pthread_mutex_lock(&soft->lock);
	memset(soft->used + ((uint8_t *)ptr - soft->ram) / PAGE, 0, pages);
	soft->used_bytes -= pages * PAGE;
	pthread_mutex_unlock(&soft->lock);
}

static int soft_mem_register(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	(void)addr;
	(void)len;
	return 0;
}

static void soft_mem_unregister(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	(void)addr;
	(void)len;
}

static uint64_t soft_iova(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len)
{
	struct soft *soft = soft_of(bus);
	uintptr_t offset = (uintptr_t)addr - (uintptr_t)soft->ram;

	if ((uintptr_t)addr < (uintptr_t)soft->ram || offset >= SOFT_RAM)
		return NVHI_IOVA_NONE;
	*ret_len = SOFT_RAM - offset < len ? SOFT_RAM - offset : len;
	return SOFT_BASE + offset;
}

static void soft_master(struct nvhi_pcie_bus *bus, bool on)
{
	struct soft *soft = soft_of(bus);

	pthread_mutex_lock(&soft->lock);
	soft->mastering = on;
	pthread_mutex_unlock(&soft->lock);
}

static void soft_close(struct nvhi_pcie_bus *bus)
{
	soft_of(bus)->closed = true;
}

static int soft_irq(struct nvhi_pcie_bus *bus, unsigned int vector, int fd)
{
	struct soft *soft = soft_of(bus);

	if (vector >= bus->vectors)
		return -EINVAL;
	pthread_mutex_lock(&soft->lock);
	soft->irq_fd[vector] = fd;
	pthread_mutex_unlock(&soft->lock);
	return 0;
}

static void *soft_map_bar(struct nvhi_pcie_bus *bus, unsigned int bar, uint64_t offset,
			  uint64_t len, uint64_t *ret_addr)
{
	if (bar != 2 || offset > SOFT_CMB || len > SOFT_CMB - offset)
		return NULL;
	*ret_addr = SOFT_CMB_AT + offset;
	return soft_of(bus)->cmb + offset;
}

static const struct nvhi_pcie_bus_ops soft_ops = {
	.read32 = soft_read32,
	.write32 = soft_write32,
	.doorbell = soft_doorbell,
	.dma_alloc = soft_dma_alloc,
	.dma_free = soft_dma_free,
	.mem_register = soft_mem_register,
	.mem_unregister = soft_mem_unregister,
	.iova = soft_iova,
	.master = soft_master,
	.close = soft_close,
	.irq = soft_irq,
	.map_bar = soft_map_bar,
};

/* ---- life -------------------------------------------------------------------------------- */

static void soft_identity(struct soft *soft)
{
	struct nvh_id_ctrlr *id = &soft->id;

	soft->cap = 1023u | 4ull << NVH_CAP_TO_SHIFT | NVH_CAP_CQR |
		    (uint64_t)NVH_CAP_CSS_NVM << NVH_CAP_CSS_SHIFT;
	soft->vs = nvh_vs(1, 4, 0);
	memset(id->sn, ' ', sizeof(id->sn) + sizeof(id->mn) + sizeof(id->fr));
	memcpy(id->sn, "SOFT1", 5);
	memcpy(id->mn, "Soft controller", 15);
	memcpy(id->fr, "1", 1);
	nvh_le16_put(&id->vid, 0x1b36);
	nvh_le16_put(&id->ssvid, 0x1af4);
	nvh_le32_put(&id->ver, soft->vs);
	id->cntrltype = 1;
	id->sqes = 0x66;
	id->cqes = 0x44;
	id->aerl = 3;
	nvh_le32_put(&id->nn, 1);
	strcpy(id->subnqn, SOFT_NQN);
	nvh_le64_put(&soft->ns.nsze, SOFT_NS_BYTES / 512);
	nvh_le64_put(&soft->ns.ncap, SOFT_NS_BYTES / 512);
	soft->ns.lbaf[0].lbads = 9;
}

struct soft *soft_new(void)
{
	struct soft *soft = calloc(1, sizeof(*soft));

	if (!soft)
		return NULL;
	pthread_mutex_init(&soft->lock, NULL);
	soft->bus.ops = &soft_ops;
	soft->bus.vectors = SOFT_QUEUES;
	for (unsigned int i = 0; i < SOFT_QUEUES; i++)
		soft->irq_fd[i] = -1;
	soft->ram =
		mmap(NULL, SOFT_RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	soft->cmb = calloc(1, SOFT_CMB);
	soft->blocks = calloc(1, SOFT_NS_BYTES);
	soft_identity(soft);
	if (soft->ram == MAP_FAILED || !soft->cmb || !soft->blocks)
		abort();
	return soft;
}

void soft_free(struct soft *soft)
{
	munmap(soft->ram, SOFT_RAM);
	free(soft->cmb);
	free(soft->blocks);
	pthread_mutex_destroy(&soft->lock);
	free(soft);
}
