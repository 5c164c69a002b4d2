/*
 * See pcie_fixture.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pcie_fixture.h"

const struct nvhi_transport pcie_table = NVHI_PCIE_TRANSPORT("pcie", NVH_TRTYPE_PCIE, NULL);

struct fake_pcie fake;
struct nvhi_tctrlr *tctrlr;
struct nvhi_qpair *admin;
struct fake_told admin_told, io_told;
static struct nvhi_qpair *io;

/* ---- the bus ----------------------------------------------------------------------------- */

static uint32_t fake_read32(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	(void)bus;
	if (fake.gone)
		return UINT32_MAX;
	CU_ASSERT_FATAL(offset / 4 < NVHI_ARRAY_SIZE(fake.regs));
	return fake.regs[offset / 4] | (offset == NVH_REG_CSTS && fake.cfs ? NVH_CSTS_CFS : 0);
}

static uint8_t *fake_pointer(uint32_t reg)
{
	return (uint8_t *)(uintptr_t)((uint64_t)fake.regs[reg / 4 + 1] << 32 | fake.regs[reg / 4]);
}

static void fake_enable(uint32_t cc)
{
	if (!(cc & NVH_CC_EN)) {
		if (!fake.stuck)
			fake.regs[NVH_REG_CSTS / 4] &= ~NVH_CSTS_RDY;
		return;
	}
	fake.regs[NVH_REG_CSTS / 4] |= NVH_CSTS_RDY;
	fake.queues[0] = (struct fake_queue){
		.sq = fake_pointer(NVH_REG_ASQ),
		.cq = fake_pointer(NVH_REG_ACQ),
		.size = (fake.regs[NVH_REG_AQA / 4] & NVH_AQA_ASQS_MASK) + 1,
		.phase = 1,
	};
}

static void fake_write32(struct nvhi_pcie_bus *bus, uint32_t offset, uint32_t value)
{
	(void)bus;
	if (fake.gone)
		return;
	if (offset >= NVH_REG_DOORBELLS) {
		struct fake_queue *queue = &fake.queues[(offset - NVH_REG_DOORBELLS) / 8];

		CU_ASSERT_FATAL(queue < fake.queues + FAKE_QUEUES && value < queue->size);
		if (offset % 8) {
			queue->cq_doorbells++;
		} else {
			queue->tail = value;
			queue->doorbells++;
		}
		return;
	}
	fake.regs[offset / 4] = value;
	if (offset == NVH_REG_CC)
		fake_enable(value);
}

static volatile uint32_t *fake_doorbell(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	(void)bus;
	(void)offset;
	return NULL;
}

static int fake_dma_alloc(struct nvhi_pcie_bus *bus, size_t size, size_t align, void **ret_ptr,
			  uint64_t *ret_iova)
{
	void *ptr = aligned_alloc(align, size);

	(void)bus;
	if (!ptr)
		return -ENOMEM;
	memset(ptr, 0, size);
	fake.allocated += size;
	*ret_ptr = ptr;
	*ret_iova = (uintptr_t)ptr;
	return 0;
}

static void fake_dma_free(struct nvhi_pcie_bus *bus, void *ptr, size_t size)
{
	(void)bus;
	fake.allocated -= size;
	free(ptr);
}

static int fake_mem_register(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	return addr && len ? 0 : -EINVAL;
}

static void fake_mem_unregister(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	(void)addr;
	(void)len;
}

static uint64_t fake_iova(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len)
{
	(void)bus;
	*ret_len = len;
	return fake.sees_all ? (uintptr_t)addr : NVHI_IOVA_NONE;
}

static void fake_master(struct nvhi_pcie_bus *bus, bool on)
{
	(void)bus;
	fake.master = on;
}

static void fake_close(struct nvhi_pcie_bus *bus)
{
	(void)bus;
	fake.closed = true;
}

static const struct nvhi_pcie_bus_ops fake_ops = {
	.read32 = fake_read32,
	.write32 = fake_write32,
	.doorbell = fake_doorbell,
	.dma_alloc = fake_dma_alloc,
	.dma_free = fake_dma_free,
	.mem_register = fake_mem_register,
	.mem_unregister = fake_mem_unregister,
	.iova = fake_iova,
	.master = fake_master,
	.close = fake_close,
};

/* ---- the device -------------------------------------------------------------------------- */

bool fake_take(uint16_t qid, struct nvh_cmd *ret_cmd)
{
	struct fake_queue *queue = &fake.queues[qid];

	if (queue->head == queue->tail)
		return false;
	memcpy(ret_cmd, queue->sq + queue->head * sizeof(*ret_cmd), sizeof(*ret_cmd));
	queue->head = (queue->head + 1) % queue->size;
	return true;
}

void fake_post(uint16_t qid, uint16_t cid, uint16_t sqid, uint16_t sqhd, uint16_t status)
{
	struct fake_queue *queue = &fake.queues[qid];
	struct nvh_cpl cpl = {.status.b[0] = queue->phase};

	nvh_le16_put(&cpl.cid, cid);
	nvh_le16_put(&cpl.sqid, sqid);
	nvh_le16_put(&cpl.sqhd, sqhd);
	nvh_cpl_set_status(&cpl, status);
	memcpy(queue->cq + queue->cq_tail * sizeof(cpl), &cpl, sizeof(cpl));
	if (++queue->cq_tail == queue->size) {
		queue->cq_tail = 0;
		queue->phase ^= 1;
	}
}

void fake_answer(uint16_t qid, uint16_t cid, uint16_t status)
{
	fake_post(qid, cid, qid, (uint16_t)fake.queues[qid].head, status);
}

int fake_serve(void)
{
	struct nvh_cmd cmd;
	int served = 0;

	while (fake_take(0, &cmd)) {
		uint32_t dw10 = nvh_le32_get(cmd.cdw10);
		struct fake_queue *queue = &fake.queues[dw10 & 0xffff];
		uint8_t *memory = (uint8_t *)(uintptr_t)nvh_le64_get(cmd.dptr.prp.prp1);

		CU_ASSERT_FATAL((dw10 & 0xffff) > 0 && (dw10 & 0xffff) < FAKE_QUEUES);
		if (cmd.opc == NVH_ADM_CREATE_CQ)
			*queue = (struct fake_queue){
				.cq = memory, .size = (dw10 >> 16) + 1, .phase = 1};
		else if (cmd.opc == NVH_ADM_CREATE_SQ)
			queue->sq = memory;
		fake_answer(0, nvh_le16_get(cmd.cid), 0);
		served++;
	}
	return served;
}

/* ---- what the queues are told ------------------------------------------------------------ */

static struct fake_told *told_of(struct nvhi_qpair *qpair)
{
	return qpair->qid ? &io_told : &admin_told;
}

static void on_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	struct fake_told *told = told_of(qpair);

	told->connected++;
	told->connected_err = err;
	told->has_cpl = cpl != NULL;
	if (cpl)
		told->cpl = *cpl;
}

static void on_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	CU_ASSERT(why[0] != '\0');
	told_of(qpair)->lost++;
	told_of(qpair)->lost_err = err;
}

static void on_revoked(struct nvhi_qpair *qpair)
{
	CU_ASSERT_EQUAL(qpair->inflight, 0);
	told_of(qpair)->revoked++;
}

const struct nvhi_qpair_events admin_events = {
	.connected = on_connected, .lost = on_lost, .revoked = on_revoked};
const struct nvhi_qpair_events io_events = {
	.connected = on_connected, .lost = on_lost, .revoked = on_revoked};

/* ---- life -------------------------------------------------------------------------------- */

void pcie_run(uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		while (nvhi_reactor_turn(reactor))
			;
		sim.time += NVHI_NSEC_PER_MSEC;
	}
}

void pcie_setup(void)
{
	struct nvhi_tctrlr_opts opts = {.name = "nvh0", .connect_timeout_ms = 1000};
	struct nvhi_qpair_opts q = {.entries = 32, .events = &admin_events};
	uint64_t cap = 1023 | 2ull << NVH_CAP_TO_SHIFT | 1ull << NVH_CAP_CSS_SHIFT;

	setup_sim();
	memset(&fake, 0, sizeof(fake));
	memset(&admin_told, 0, sizeof(admin_told));
	memset(&io_told, 0, sizeof(io_told));
	fake.bus.ops = &fake_ops;
	fake.regs[0] = (uint32_t)cap;
	fake.regs[1] = (uint32_t)(cap >> 32);
	io = NULL;
	CU_ASSERT_EQUAL_FATAL(nvhi_pcie_open(&pcie_table, &fake.bus, &opts, &tctrlr), 0);
	q.reactor = reactor;
	CU_ASSERT_EQUAL_FATAL(pcie_table.qpair_create(tctrlr, &q, &admin), 0);
}

void pcie_setup_live(void)
{
	pcie_setup();
	pcie_table.qpair_connect(admin);
	CU_ASSERT_EQUAL(admin_told.connected, 0); /* never inside the call */
	pcie_run(1);
	CU_ASSERT_EQUAL_FATAL(admin_told.connected, 1);
	CU_ASSERT_EQUAL_FATAL(admin_told.connected_err, 0);
	CU_ASSERT(fake.master);
	fake_write32(&fake.bus, NVH_REG_CC, NVH_CC_EN);
}

struct nvhi_qpair *pcie_io_queue(uint16_t entries)
{
	struct nvhi_qpair_opts q = {
		.reactor = reactor, .qid = 1, .entries = entries, .events = &io_events};

	CU_ASSERT_EQUAL_FATAL(pcie_table.qpair_create(tctrlr, &q, &io), 0);
	pcie_table.qpair_connect(io);
	for (int i = 0; i < 2; i++) {
		pcie_run(1);
		CU_ASSERT_EQUAL(fake_serve(), 1);
	}
	pcie_run(1);
	CU_ASSERT_EQUAL_FATAL(io_told.connected, 1);
	CU_ASSERT_EQUAL_FATAL(io_told.connected_err, 0);
	return io;
}

void pcie_teardown(void)
{
	fake.stuck = false;
	if (io && !io_told.revoked)
		pcie_table.revoke(io);
	if (!admin_told.revoked)
		pcie_table.revoke(admin);
	pcie_run(100);
	CU_ASSERT_EQUAL_FATAL(admin_told.revoked, 1);
	if (io) {
		CU_ASSERT_EQUAL_FATAL(io_told.revoked, 1);
		pcie_table.qpair_destroy(io);
	}
	pcie_table.qpair_destroy(admin);
	CU_ASSERT_EQUAL(fake.allocated, 0);
	pcie_table.tctrlr_close(tctrlr);
	CU_ASSERT(fake.closed);
	teardown();
}
