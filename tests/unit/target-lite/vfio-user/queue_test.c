/*
 * A PCIe controller as a vfio-user client sees it: registers, enabling, disabling and shutting
 * down, queues made and deleted with every parameter wrong, doorbells that say what cannot be,
 * rings whose memory is taken away, doorbell buffers.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/target_vfu_fixture.h"

#include "base/spec/nvme_feature.h"
#include "target-lite/backend/bdev.h"

static bool is_failed(struct tv_client *c)
{
	return tv_csts(c) & NVH_CSTS_CFS;
}

static void disable(struct tv_client *c)
{
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_CC, 0, 4), 0);
	CU_ASSERT_EQUAL(tv_csts(c), 0);
}

/* ---- registers ------------------------------------------------------------------------------- */

static void registers_say_what_the_controller_can(void)
{
	struct tv_client *c;
	uint64_t cap;

	tv_setup();
	c = tv_open();
	cap = tv_read(c, NVH_REG_CAP, 8);
	CU_ASSERT_EQUAL(nvh_cap_mqes(cap), 127);
	CU_ASSERT_TRUE(cap & NVH_CAP_CQR);
	CU_ASSERT_EQUAL(nvh_cap_dstrd(cap), 0);
	CU_ASSERT_EQUAL(nvh_cap_mpsmin(cap), 0);
	CU_ASSERT_TRUE(nvh_cap_to(cap) > 0);
	CU_ASSERT_EQUAL(tv_read(c, NVH_REG_CAP, 4), (uint32_t)cap);
	CU_ASSERT_EQUAL(tv_read(c, NVH_REG_CAP + 4, 4), cap >> 32);
	CU_ASSERT_EQUAL(nvh_vs_major((uint32_t)tv_read(c, NVH_REG_VS, 4)), 2);
	CU_ASSERT_EQUAL(tv_read(c, NVH_REG_CC, 4), 0);
	CU_ASSERT_EQUAL(tv_csts(c), 0);
	/* Those that can be written keep it, others do not. */
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_AQA, 0x00ff00fe, 4), 0);
	CU_ASSERT_EQUAL(tv_read(c, NVH_REG_AQA, 4), 0x00ff00fe);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_ASQ, 0x123456789abcd000, 8), 0);
	CU_ASSERT_EQUAL(tv_read(c, NVH_REG_ASQ, 8), 0x123456789abcd000);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_ACQ, 0x1000, 4), 0);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_ACQ + 4, 0x77, 4), 0);
	CU_ASSERT_EQUAL(tv_read(c, NVH_REG_ACQ, 8), 0x7700001000);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_CAP, 0, 8), 0);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_CSTS, UINT32_MAX, 4), 0);
	CU_ASSERT_EQUAL(tv_read(c, NVH_REG_CAP, 8), cap);
	CU_ASSERT_EQUAL(tv_csts(c), 0);
	tv_close(c);
	tv_teardown();
}

static void accesses_beyond_a_region_are_refused(void)
{
	static const struct {
		uint32_t region, count;
		uint64_t offset;
	} bad[] = {
		{0, 0, 0},
		{0, 4, 0x2000},
		{0, 4, 0x1ffd},
		{0, 4, UINT64_MAX},
		{0, 4, UINT64_MAX - 3},
		{0, UINT32_MAX, 0},
		{0, 4097, 0},
		{0, 2, 2}, /* a register's half: to be read, but not written */
		{1, 4, 0},
		{4, 8, 4092},
		{7, 4, 253},
		{7, 1, 256},
		{7, 257, 0},
		{8, 4, 0},
		{UINT32_MAX, 4, 0},
	};
	uint8_t data[8192] = {0};
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool half = bad[i].offset == 2;

		CU_ASSERT_EQUAL(
			tv_region(c, true, bad[i].region, bad[i].offset, data, bad[i].count),
			EINVAL);
		CU_ASSERT_EQUAL(tv_region(c, false, bad[i].region, bad[i].offset, data,
					  half ? 0 : bad[i].count),
				EINVAL);
	}
	/* As much as there is */
	CU_ASSERT_EQUAL(tv_region(c, false, 0, 0, data, 4096), 0);
	CU_ASSERT_EQUAL(tv_region(c, false, 0, 0x1000, data, 4096), 0);
	CU_ASSERT_EQUAL(tv_region(c, false, 0, 0xffc, data, 8), 0);
	CU_ASSERT_EQUAL(tv_region(c, false, 7, 0, data, 256), 0);
	CU_ASSERT_EQUAL(tv_region(c, true, 4, 0, data, 4096), 0);
	tv_close(c);
	tv_teardown();
}

static void only_sizes_of_bars_can_be_asked_for_in_configuration_space(void)
{
	uint8_t before[256], after[256], ones[256];
	struct tv_client *c;
	uint32_t bar;

	tv_setup();
	c = tv_open();
	memset(ones, 0xff, sizeof(ones));
	CU_ASSERT_EQUAL(tv_region(c, false, 7, 0, before, 256), 0);
	CU_ASSERT_EQUAL(tv_region(c, true, 7, 0, ones, 256), 0);
	CU_ASSERT_EQUAL(tv_region(c, false, 7, 0, after, 256), 0);
	CU_ASSERT_EQUAL(memcmp(before, after, 4), 0);
	CU_ASSERT_EQUAL(memcmp(before + 8, after + 8, 8), 0);
	memcpy(&bar, after + 16, 4);
	CU_ASSERT_EQUAL(~(bar & ~0xfu) + 1, 8192);
	CU_ASSERT_EQUAL(memcmp(before + 44, after + 44, 16), 0);
	CU_ASSERT_EQUAL(memcmp(before + 68, after + 68, 188), 0);
	tv_close(c);
	tv_teardown();
}

/* ---- enabled, disabled, shut down ------------------------------------------------------------ */

static void a_controller_is_enabled_disabled_and_enabled_again(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd;

	tv_setup();
	c = tv_open();
	for (int i = 0; i < 5; i++) {
		tv_enable(c);
		tv_create_queue(c, 1, 8);
		cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
		disable(c);
	}
	tv_close(c);
	tv_teardown();
}

static void a_disabled_controller_touches_no_memory(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd;

	tv_setup();
	c = tv_ready();
	tv_hold_io(TL_BDEV_READ);
	cmd = tv_rw(NVH_OPC_READ, 2, 0, 8, TV_IOVA + TV_DATA, 0);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), -1);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_CC, 0, 4), 0);
	/* It still has the read's buffer, and says so. */
	if (tv_csts(c) & NVH_CSTS_RDY) {
		memset(c->mem, 0xee, TV_MEM);
		tv_resume();
		CU_ASSERT_EQUAL(c->mem[TV_CQ(1)], 0xee); /* no completion of it */
	}
	CU_ASSERT_EQUAL(tv_csts(c), 0);
	memset(c->mem, 0xee, TV_MEM);
	tv_resume();
	tv_advance_ms(1000);
	for (uint32_t i = 0; i < TV_MEM; i += 64)
		CU_ASSERT_EQUAL_FATAL(c->mem[i], 0xee);
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA, TV_MEM), 0);
	tv_close(c);
	tv_teardown();
}

static void a_reset_is_answered_when_no_memory_is_touched_any_more(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd;
	bool at_once;

	tv_setup();
	c = tv_ready();
	tv_hold_io(TL_BDEV_READ);
	cmd = tv_rw(NVH_OPC_READ, 2, 0, 8, TV_IOVA + TV_DATA, 0);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), -1);
	tv_send(c, NVH_VFU_DEVICE_RESET, 0, NULL, 0, NULL, 0);
	at_once = tv_reply(c);
	if (!at_once) {
		tv_resume();
		CU_ASSERT_TRUE_FATAL(tv_reply(c));
	}
	CU_ASSERT_EQUAL(c->header.command, NVH_VFU_DEVICE_RESET);
	CU_ASSERT_EQUAL(c->header.error, 0);
	CU_ASSERT_EQUAL(tv_csts(c), 0);
	memset(c->mem + TV_DATA, 0xee, TV_PAGE);
	tv_resume();
	CU_ASSERT_EQUAL(c->mem[TV_DATA], 0xee);
	tv_enable(c);
	/* And of one that has nothing to stop, and twice in a row */
	CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
	CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
	tv_enable(c);
	tv_close(c);
	tv_teardown();
}

static void a_controller_that_is_shut_down_says_so(void)
{
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	for (unsigned int shn = NVH_CC_SHN_NORMAL; shn <= NVH_CC_SHN_ABRUPT; shn++) {
		uint32_t csts;

		CU_ASSERT_EQUAL(tv_write(c, NVH_REG_CC, TV_CC | shn << NVH_CC_SHN_SHIFT, 4), 0);
		csts = tv_csts(c);
		CU_ASSERT_EQUAL(csts >> NVH_CSTS_SHST_SHIFT & NVH_CSTS_SHST_MASK,
				NVH_CSTS_SHST_COMPLETE);
		CU_ASSERT_FALSE(csts & NVH_CSTS_CFS);
		disable(c);
		tv_enable(c);
	}
	tv_close(c);
	tv_teardown();
}

static void what_cannot_be_enabled_is_fatal_until_disabled(void)
{
	static const struct {
		uint32_t aqa, cc;
		uint64_t asq, acq;
	} bad[] = {
		{0, TV_CC, TV_IOVA, TV_IOVA + 4096},
		{15, TV_CC, TV_IOVA, TV_IOVA + 4096},
		{15 << 16, TV_CC, TV_IOVA, TV_IOVA + 4096},
		{15 << 16 | 15, TV_CC, TV_IOVA + 64, TV_IOVA + 4096},
		{15 << 16 | 15, TV_CC, TV_IOVA, TV_IOVA + 4096 + 16},
		{15 << 16 | 15, TV_CC, 0, TV_IOVA},
		{15 << 16 | 15, TV_CC, TV_IOVA, 0},
		{15 << 16 | 15, TV_CC, UINT64_MAX - 4095, TV_IOVA},
		{0xfff << 16 | 0xfff, TV_CC, TV_IOVA + TV_MEM - 4096, TV_IOVA},
		{15 << 16 | 15, TV_CC | 1 << NVH_CC_MPS_SHIFT, TV_IOVA, TV_IOVA + 4096},
	};
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tv_write(c, NVH_REG_AQA, bad[i].aqa, 4);
		tv_write(c, NVH_REG_ASQ, bad[i].asq, 8);
		tv_write(c, NVH_REG_ACQ, bad[i].acq, 8);
		tv_write(c, NVH_REG_CC, bad[i].cc, 4);
		CU_ASSERT_TRUE(is_failed(c));
		disable(c);
	}
	tv_enable(c);
	tv_close(c);
	tv_teardown();
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void queues_with_a_wrong_parameter_are_refused(void)
{
	const uint32_t pc = NVH_CREATE_CQ_PC, ien = NVH_CREATE_CQ_IEN;
	const uint64_t at = TV_IOVA + TV_CQ(2);
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	CU_ASSERT_EQUAL(tv_create_cq(c, 0, 16, at, pc), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_create_cq(c, 1, 16, at, pc), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_create_cq(c, 128, 16, at, pc), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_create_cq(c, 0xffff, 16, at, pc), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 1, at, pc), NVH_ST_QSIZE_INVALID);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 129, at, pc), NVH_ST_QSIZE_INVALID);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 65536, at, pc), NVH_ST_QSIZE_INVALID);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 16, at, 0), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 16, at + 512, pc), NVH_ST_PRP_INVALID_OFFSET);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 16, 0, pc), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 16, UINT64_MAX - 4095, pc), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 128, TV_IOVA + TV_MEM, pc), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 16, at, pc | ien | 128u << NVH_CREATE_CQ_IV_SHIFT),
			NVH_ST_INVALID_VECTOR);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 16, at, pc | ien | 0xffffu << NVH_CREATE_CQ_IV_SHIFT),
			NVH_ST_INVALID_VECTOR);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 16, at, 2), NVH_ST_CQ_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 16, at, 0), NVH_ST_CQ_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 16, at, 0xffff), NVH_ST_CQ_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 0, 16, at, 1), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 1, 16, at, 1), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 128, 16, at, 1), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 1, at, 1), NVH_ST_QSIZE_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 129, at, 1), NVH_ST_QSIZE_INVALID);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 16, at + 64, 1), NVH_ST_PRP_INVALID_OFFSET);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 16, 0, 1), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_SQ, 0), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_SQ, 2), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_SQ, 0xffff), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_CQ, 0), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_CQ, 2), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_CQ, 0xffff), NVH_ST_QID_INVALID);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_CQ, 1), NVH_ST_INVALID_QUEUE_DELETION);
	CU_ASSERT_FALSE(is_failed(c));
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_SQ, 1), 0);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_CQ, 1), 0);
	tv_create_queue(c, 1, 16);
	tv_close(c);
	tv_teardown();
}

static void all_queues_that_are_offered_can_be_made(void)
{
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	tv_enable(c);
	for (uint16_t q = 1; q <= 127; q++) {
		CU_ASSERT_EQUAL(tv_create_cq(c, q, 2, TV_IOVA + TV_DATA, NVH_CREATE_CQ_PC), 0);
		CU_ASSERT_EQUAL(tv_create_sq(c, q, 2, TV_IOVA + TV_DATA, q), 0);
	}
	disable(c);
	tv_enable(c);
	tv_create_queue(c, 1, 16);
	tv_close(c);
	tv_teardown();
}

/* What the queue had under way took places in its completion queue, which others go on using. */
static void a_deleted_queue_gives_its_places_back(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd;

	tv_setup();
	c = tv_ready();
	for (int i = 0; i < 10; i++) {
		c->sqs[2] = (struct tv_queue){.entries = 8};
		CU_ASSERT_EQUAL_FATAL(tv_create_sq(c, 2, 8, TV_IOVA + TV_SQ(2), 1), 0);
		tv_hold_io(TL_BDEV_READ);
		for (int n = 0; n < 5; n++) {
			cmd = tv_rw(NVH_OPC_READ, 2, 0, 8, TV_IOVA + TV_DATA, 0);
			tv_put_cmd(c, 2, &cmd);
		}
		tv_ring(c, 2);
		cmd = tv_cmd(NVH_ADM_DELETE_SQ, 0);
		nvh_le32_put(&cmd.cdw10, 2);
		if (tv_exec(c, 0, &cmd) < 0) {
			struct nvh_cpl cpl;

			tv_resume();
			CU_ASSERT_TRUE(tv_cpl(c, 0, &cpl));
			CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), 0);
		}
		tv_resume();
		cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
		CU_ASSERT_EQUAL_FATAL(tv_exec(c, 1, &cmd), 0);
	}
	tv_close(c);
	tv_teardown();
}

static void a_full_completion_queue_holds_commands_back(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd;
	struct nvh_cpl cpl;
	unsigned int seen = 0;

	tv_setup();
	c = tv_open();
	tv_enable(c);
	tv_create_queue(c, 1, 64);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_SQ, 1), 0);
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_CQ, 1), 0);
	CU_ASSERT_EQUAL(tv_create_cq(c, 1, 4, TV_IOVA + TV_CQ(1), NVH_CREATE_CQ_PC), 0);
	CU_ASSERT_EQUAL(tv_create_sq(c, 1, 64, TV_IOVA + TV_SQ(1), 1), 0);
	c->cqs[1] = (struct tv_queue){.entries = 4, .phase = 1};
	c->sqs[1] = (struct tv_queue){.entries = 64};
	for (int n = 0; n < 60; n++) {
		cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
		tv_put_cmd(c, 1, &cmd);
	}
	tv_ring(c, 1);
	while (tv_cpl(c, 1, &cpl)) {
		CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), 0);
		seen++;
		tv_run();
	}
	CU_ASSERT_EQUAL(seen, 60);
	tv_close(c);
	tv_teardown();
}

/* ---- doorbells ------------------------------------------------------------------------------- */

static void doorbells_that_cannot_be_end_the_controller_alone(void)
{
	static const struct {
		uint32_t index, value;
	} bad[] = {{0, 16}, {0, UINT32_MAX}, {2, 16}, {2, 0x80000000}, {2, UINT32_MAX}};
	struct tv_client *c, *other;
	struct nvh_cmd cmd;

	tv_setup();
	other = tv_ready();
	c = tv_open();
	for (unsigned int i = 0; i < 5; i++) {
		tv_enable(c);
		tv_create_queue(c, 1, 16);
		__atomic_store_n(&c->db[bad[i].index], bad[i].value, __ATOMIC_RELEASE);
		tv_run();
		CU_ASSERT_TRUE(is_failed(c));
		/* Nothing more is done for it. */
		cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), -1);
		disable(c);
	}
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
	CU_ASSERT_EQUAL(tv_exec(other, 1, &cmd), 0);
	tv_close(other);
	tv_close(c);
	tv_teardown();
}

/* Heads are looked at when room is scarce. */
static void a_head_beyond_the_tail_ends_the_controller(void)
{
	static const uint32_t heads[] = {15, 4, 16, UINT32_MAX};
	struct tv_client *c;
	struct nvh_cmd cmd;

	tv_setup();
	c = tv_open();
	for (unsigned int i = 0; i < 4; i++) {
		tv_enable(c);
		tv_create_queue(c, 1, 4);
		for (int n = 0; n < 2; n++) {
			cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
			tv_put_cmd(c, 1, &cmd);
		}
		tv_ring(c, 1);
		__atomic_store_n(&c->db[3], heads[i] == 15 ? 3 : heads[i], __ATOMIC_RELEASE);
		cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
		tv_put_cmd(c, 1, &cmd);
		tv_ring(c, 1);
		CU_ASSERT_TRUE(is_failed(c));
		disable(c);
	}
	tv_close(c);
	tv_teardown();
}

static void doorbells_come_as_messages_too(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd;
	struct nvh_cpl cpl;

	tv_setup();
	c = tv_ready();
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
	tv_put_cmd(c, 1, &cmd);
	CU_ASSERT_EQUAL(tv_write(c, nvh_db_sq(1, 0), 1, 4), 0);
	CU_ASSERT_TRUE(tv_cpl(c, 1, &cpl));
	/* Not in pieces, not behind the last, not between two. */
	CU_ASSERT_EQUAL(tv_write(c, nvh_db_sq(1, 0), 2, 2), EINVAL);
	CU_ASSERT_EQUAL(tv_write(c, nvh_db_sq(1, 0), 2, 8), EINVAL);
	CU_ASSERT_EQUAL(tv_write(c, nvh_db_sq(1, 0) + 2, 2, 4), EINVAL);
	CU_ASSERT_EQUAL(tv_write(c, nvh_db_sq(128, 0), 2, 4), EINVAL);
	CU_ASSERT_EQUAL(tv_write(c, nvh_db_sq(5, 0), 2, 4), 0); /* of no queue: nothing */
	CU_ASSERT_FALSE(is_failed(c));
	tv_close(c);
	tv_teardown();
}

static void the_clients_file_of_doorbells_cannot_shrink(void)
{
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	CU_ASSERT_EQUAL(ftruncate(c->db_fd, 0), -1);
	CU_ASSERT_EQUAL(errno, EPERM);
	CU_ASSERT_TRUE(fcntl(c->db_fd, F_GET_SEALS) & F_SEAL_SHRINK);
	tv_close(c);
	tv_teardown();
}

/* ---- memory of rings ------------------------------------------------------------------------- */

static void rings_that_are_unmapped_live_until_their_queue_ends(void)
{
	const uint64_t at = TV_IOVA + TV_MEM;
	struct tv_client *c;
	struct nvh_cmd cmd;
	int fd, other;

	tv_setup();
	c = tv_ready();
	fd = tv_memfd(2 * TV_PAGE, F_SEAL_SHRINK);
	other = tv_memfd(2 * TV_PAGE, F_SEAL_SHRINK);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 2 * TV_PAGE), 0);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, 8, at, NVH_CREATE_CQ_PC), 0);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, 8, at + TV_PAGE, 2), 0);
	CU_ASSERT_EQUAL(tv_unmap(c, at, 2 * TV_PAGE), -1);
	CU_ASSERT_EQUAL(tv_map(c, other, 0, at, 2 * TV_PAGE), EEXIST);
	CU_ASSERT_EQUAL(tv_map(c, other, 0, at + TV_PAGE, TV_PAGE), EEXIST);
	cmd = tv_cmd(NVH_OPC_FLUSH, 1);
	CU_ASSERT_EQUAL(pwrite(fd, &cmd, sizeof(cmd), TV_PAGE), sizeof(cmd));
	__atomic_store_n(&c->db[4], 1, __ATOMIC_RELEASE);
	tv_run();
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_SQ, 2), 0);
	CU_ASSERT_FALSE(tv_reply(c));
	CU_ASSERT_EQUAL(tv_delete(c, NVH_ADM_DELETE_CQ, 2), 0);
	CU_ASSERT_TRUE(tv_reply(c));
	CU_ASSERT_EQUAL(c->header.error, 0);
	CU_ASSERT_EQUAL(tv_map(c, other, 0, at, 2 * TV_PAGE), 0);
	close(fd);
	close(other);
	tv_close(c);
	tv_teardown();
}

static void a_client_that_leaves_under_io_takes_its_memory_with_it(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd;

	tv_setup();
	for (int i = 0; i < 3; i++) {
		c = tv_ready();
		tv_hold_io(TL_BDEV_READ);
		for (int n = 0; n < 8; n++) {
			cmd = tv_rw(NVH_OPC_READ, 2, 0, 8 + 8 * (n & 1),
				    TV_IOVA + TV_DATA + TV_PAGE, TV_IOVA + TV_DATA);
			tv_put_cmd(c, 1, &cmd);
		}
		tv_ring(c, 1);
		tv_put_unmap(c, TV_IOVA, TV_MEM);
		tv_close(c);
		if (i)
			tv_resume();
	}
	tv_resume();
	tv_assert_alive();
	tv_teardown();
}

/* ---- doorbell buffers ------------------------------------------------------------------------ */

static void doorbell_buffers_are_checked_and_used(void)
{
	const uint64_t shadow = TV_IOVA + TV_LIST, eventidx = shadow + TV_PAGE;
	struct nvh_cmd cmd = tv_cmd(NVH_ADM_DBBUF, 0), read;
	struct tv_client *c;
	struct nvh_cpl cpl;
	uint32_t value = 1;

	tv_setup();
	c = tv_ready();
	for (unsigned int i = 0; i < 4; i++) {
		nvh_le64_put(&cmd.dptr.prp.prp1, i == 0 ? shadow + 64 : i == 1 ? 0 : shadow);
		nvh_le64_put(&cmd.dptr.prp.prp2, i == 2   ? eventidx + 4
						 : i == 3 ? TV_IOVA + TV_MEM
							  : eventidx);
		CU_ASSERT_EQUAL(tv_exec(c, 0, &cmd), NVH_ST_INVALID_FIELD);
	}
	nvh_le64_put(&cmd.dptr.prp.prp2, eventidx);
	CU_ASSERT_EQUAL(tv_exec(c, 0, &cmd), 0);
	read = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
	tv_put_cmd(c, 1, &read);
	memcpy(c->mem + TV_LIST + 8, &value, 4);
	tv_run();
	CU_ASSERT_TRUE(tv_cpl(c, 1, &cpl));
	/* What cannot be there is as fatal as in the page. */
	value = 77;
	memcpy(c->mem + TV_LIST + 8, &value, 4);
	tv_run();
	CU_ASSERT_TRUE(is_failed(c));
	disable(c);
	/* They are gone with the controller that knew them. */
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA, TV_MEM), 0);
	tv_close(c);
	tv_teardown();
}

NVH_UNIT_MAIN("target-lite/vfio-user/queue", NVH_TEST(registers_say_what_the_controller_can),
	      NVH_TEST(accesses_beyond_a_region_are_refused),
	      NVH_TEST(only_sizes_of_bars_can_be_asked_for_in_configuration_space),
	      NVH_TEST(a_controller_is_enabled_disabled_and_enabled_again),
	      NVH_TEST(a_disabled_controller_touches_no_memory),
	      NVH_TEST(a_reset_is_answered_when_no_memory_is_touched_any_more),
	      NVH_TEST(a_controller_that_is_shut_down_says_so),
	      NVH_TEST(what_cannot_be_enabled_is_fatal_until_disabled),
	      NVH_TEST(queues_with_a_wrong_parameter_are_refused),
	      NVH_TEST(all_queues_that_are_offered_can_be_made),
	      NVH_TEST(a_deleted_queue_gives_its_places_back),
	      NVH_TEST(a_full_completion_queue_holds_commands_back),
	      NVH_TEST(doorbells_that_cannot_be_end_the_controller_alone),
	      NVH_TEST(a_head_beyond_the_tail_ends_the_controller),
	      NVH_TEST(doorbells_come_as_messages_too),
	      NVH_TEST(the_clients_file_of_doorbells_cannot_shrink),
	      NVH_TEST(rings_that_are_unmapped_live_until_their_queue_ends),
	      NVH_TEST(a_client_that_leaves_under_io_takes_its_memory_with_it),
	      NVH_TEST(doorbell_buffers_are_checked_and_used))
