/*
 * A queue pair against a controller that answers as it should, late, twice, wrongly, or not at all.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/pcie_fixture.h"

#define ENTRIES 8

struct asked {
	struct nvhi_req req;
	struct iovec iov;
	int done, err;
	uint16_t status;
	struct nvhi_qpair *qpair;
	int again; /* so often the same is sent once more, from within done */
};

static uint8_t buffers[40][4096];

static void asked_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct asked *asked = nvhi_container_of(req, struct asked, req);

	asked->done++;
	asked->err = err;
	asked->status = cpl ? (uint16_t)nvh_cpl_status(cpl) : 0;
	if (asked->again && !err) {
		asked->again--;
		CU_ASSERT_EQUAL(pcie_table.submit(asked->qpair, req), 0);
	}
}

static int ask(struct nvhi_qpair *qpair, struct asked *asked, uint8_t opc, uint8_t dir, void *data,
	       uint32_t len)
{
	memset(asked, 0, sizeof(*asked));
	asked->iov = (struct iovec){data, len};
	asked->req.cmd.opc = opc;
	asked->req.dir = dir;
	asked->req.len = len;
	asked->req.done = asked_done;
	nvhi_iov_cursor_init(&asked->req.data, &asked->iov, len ? 1 : 0);
	return pcie_table.submit(qpair, &asked->req);
}

static int ask_flush(struct nvhi_qpair *qpair, struct asked *asked)
{
	return ask(qpair, asked, NVH_OPC_FLUSH, NVHI_DIR_NONE, NULL, 0);
}

static uint16_t taken_cid(uint16_t qid)
{
	struct nvh_cmd cmd;

	CU_ASSERT_FATAL(fake_take(qid, &cmd));
	return nvh_le16_get(cmd.cid);
}

/* ---- as it should be --------------------------------------------------------------------- */

static void the_rings_wrap_with_their_phase_and_cids_do_not_repeat(void)
{
	struct nvhi_qpair *io;
	struct asked asked;
	uint16_t cid, last = 0xffff;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	for (int i = 0; i < 5 * ENTRIES; i++) {
		CU_ASSERT_EQUAL(ask_flush(io, &asked), 0);
		pcie_run(1);
		cid = taken_cid(1);
		CU_ASSERT_NOT_EQUAL(cid, last);
		last = cid;
		fake_answer(1, cid, 0);
		CU_ASSERT_EQUAL(asked.done, 0);
		pcie_run(1);
		CU_ASSERT_EQUAL(asked.done, 1);
		CU_ASSERT_EQUAL(asked.err, 0);
	}
	CU_ASSERT_EQUAL(fake.queues[1].cq_doorbells, 5 * ENTRIES);
	pcie_teardown();
}

static void a_full_queue_takes_no_more_and_a_batch_rings_once(void)
{
	struct asked asked[ENTRIES];
	struct nvhi_qpair *io;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	for (int i = 0; i < ENTRIES - 1; i++)
		CU_ASSERT_EQUAL(ask_flush(io, &asked[i]), 0);
	CU_ASSERT_EQUAL(ask_flush(io, &asked[ENTRIES - 1]), -EAGAIN);
	CU_ASSERT_EQUAL(fake.queues[1].doorbells, 0);
	pcie_run(1);
	CU_ASSERT_EQUAL(fake.queues[1].doorbells, 1);
	for (int i = 0; i < ENTRIES - 1; i++)
		fake_answer(1, taken_cid(1), i == 3 ? NVH_ST_LBA_RANGE : 0);
	pcie_run(1);
	for (int i = 0; i < ENTRIES - 1; i++) {
		CU_ASSERT_EQUAL(asked[i].done, 1);
		CU_ASSERT_EQUAL(asked[i].status, i == 3 ? NVH_ST_LBA_RANGE : 0);
	}
	CU_ASSERT_EQUAL(fake.queues[1].cq_doorbells, 1);
	CU_ASSERT_EQUAL(io->inflight, 0);
	pcie_teardown();
}

static void a_full_queue_that_is_filled_anew_from_its_completions_goes_on(void)
{
	struct asked asked[ENTRIES];
	struct nvhi_qpair *io;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	for (int i = 0; i < ENTRIES - 1; i++) {
		CU_ASSERT_EQUAL(ask_flush(io, &asked[i]), 0);
		asked[i].qpair = io;
		asked[i].again = 3 * ENTRIES;
	}
	for (int round = 0; round <= 3 * ENTRIES; round++) {
		pcie_run(1);
		for (int i = 0; i < ENTRIES - 1; i++)
			fake_answer(1, taken_cid(1), 0);
	}
	pcie_run(1);
	CU_ASSERT_EQUAL(io_told.lost, 0);
	for (int i = 0; i < ENTRIES - 1; i++)
		CU_ASSERT_EQUAL(asked[i].done, 3 * ENTRIES + 1);
	pcie_teardown();
}

static void reachable_memory_is_named_in_the_command(void)
{
	struct nvhi_qpair *io;
	struct asked asked;
	struct nvh_cmd cmd;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	fake.sees_all = true;
	CU_ASSERT_EQUAL(ask(io, &asked, NVH_OPC_READ, NVHI_DIR_TO_HOST, buffers[0], 512), 0);
	pcie_run(1);
	CU_ASSERT_FATAL(fake_take(1, &cmd));
	CU_ASSERT_EQUAL(nvh_le64_get(cmd.dptr.prp.prp1), (uintptr_t)buffers[0]);
	fake_answer(1, nvh_le16_get(cmd.cid), 0);
	pcie_run(1);
	CU_ASSERT_EQUAL(asked.req.transferred, 512);
	pcie_teardown();
}

static void other_memory_waits_for_a_bounce_buffer_in_order(void)
{
	struct asked asked[20];
	struct nvhi_qpair *io;
	struct nvh_cmd cmd;

	pcie_setup_live();
	io = pcie_io_queue(32);
	for (int i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(
			ask(io, &asked[i], NVH_OPC_READ, NVHI_DIR_TO_HOST, buffers[2 * i], 8192), 0);
	for (int i = 0; i < 20; i++) {
		uint8_t *place;

		pcie_run(1);
		CU_ASSERT_EQUAL((fake.queues[1].tail + 33 - fake.queues[1].head) % 32,
				(unsigned int)(i < 4 ? 17 : 21 - i));
		CU_ASSERT_FATAL(fake_take(1, &cmd));
		place = (uint8_t *)(uintptr_t)nvh_le64_get(cmd.dptr.prp.prp1);
		CU_ASSERT(place < buffers[0] || place > buffers[39] + 4095);
		memset(place, i + 1, 4096);
		fake_answer(1, nvh_le16_get(cmd.cid), 0);
		pcie_run(1);
		CU_ASSERT_EQUAL(asked[i].done, 1);
		CU_ASSERT_EQUAL(buffers[2 * i][0], i + 1);
		CU_ASSERT_EQUAL(buffers[2 * i][4095], i + 1);
	}
	pcie_teardown();
}

static void a_failed_read_leaves_the_buffer_alone(void)
{
	struct nvhi_qpair *io;
	struct asked asked;
	struct nvh_cmd cmd;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	memset(buffers[0], 0x77, 4096);
	CU_ASSERT_EQUAL(ask(io, &asked, NVH_OPC_READ, NVHI_DIR_TO_HOST, buffers[0], 4096), 0);
	pcie_run(1);
	CU_ASSERT_FATAL(fake_take(1, &cmd));
	memset((void *)(uintptr_t)nvh_le64_get(cmd.dptr.prp.prp1), 0x11, 4096);
	fake_answer(1, nvh_le16_get(cmd.cid), NVH_ST_READ_ERROR);
	pcie_run(1);
	CU_ASSERT_EQUAL(asked.req.transferred, 0);
	CU_ASSERT_EQUAL(buffers[0][0], 0x77);
	pcie_teardown();
}

/* ---- hostile completions ----------------------------------------------------------------- */

/* One command is out with `cid`; whatever `post` puts down must end the queue. */
static void hostile(void (*post)(uint16_t cid))
{
	struct nvhi_qpair *io;
	struct asked asked;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	CU_ASSERT_EQUAL(ask_flush(io, &asked), 0);
	pcie_run(1);
	post(taken_cid(1));
	pcie_run(1);
	CU_ASSERT_EQUAL(io_told.lost, 1);
	CU_ASSERT_EQUAL(io_told.lost_err, -EPROTO);
	CU_ASSERT_EQUAL(ask_flush(io, &asked), -ENOTCONN);
	CU_ASSERT_EQUAL(admin_told.lost, 0);
	pcie_teardown();
}

static void post_unknown(uint16_t cid)
{
	fake_answer(1, (uint16_t)(cid ^ 1), 0);
}

static void post_stale(uint16_t cid)
{
	fake_answer(1, (uint16_t)(cid + 8), 0);
}

static void post_twice(uint16_t cid)
{
	fake_answer(1, cid, 0);
	fake_answer(1, cid, 0);
}

static void post_other_queue(uint16_t cid)
{
	fake_post(1, cid, 2, 1, 0);
}

static void post_head_outside(uint16_t cid)
{
	fake_post(1, cid, 1, ENTRIES, 0);
}

static void post_head_ahead(uint16_t cid)
{
	fake_post(1, cid, 1, 2, 0);
}

static void an_unknown_cid_ends_the_queue(void)
{
	hostile(post_unknown);
}

static void a_cid_of_an_earlier_generation_ends_the_queue(void)
{
	hostile(post_stale);
}

static void a_repeated_completion_ends_the_queue(void)
{
	hostile(post_twice);
}

static void a_completion_for_another_queue_ends_the_queue(void)
{
	hostile(post_other_queue);
}

static void a_head_beyond_the_queue_ends_the_queue(void)
{
	hostile(post_head_outside);
}

static void a_head_beyond_the_tail_ends_the_queue(void)
{
	hostile(post_head_ahead);
}

static void a_completion_before_the_doorbell_ends_the_queue(void)
{
	struct nvhi_qpair *io;
	struct asked asked;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	fake_answer(1, 0, 0); /* nothing was submitted: CID 0 is nobody's */
	CU_ASSERT_EQUAL(ask_flush(io, &asked), 0);
	pcie_run(1);
	CU_ASSERT_EQUAL(asked.done, 0);
	CU_ASSERT_EQUAL(io_told.lost, 1);
	pcie_teardown();
	CU_ASSERT_EQUAL(asked.done, 1);
	CU_ASSERT_EQUAL(asked.err, -EPROTO);
	CU_ASSERT_FALSE(asked.req.sent); /* the doorbell was never rung */
}

/* ---- revoke ------------------------------------------------------------------------------ */

static void revoking_an_io_queue_waits_until_it_is_deleted(void)
{
	struct asked sent, waiting[17];
	struct nvhi_qpair *io;

	pcie_setup_live();
	io = pcie_io_queue(32);
	for (int i = 0; i < 17; i++)
		CU_ASSERT_EQUAL(
			ask(io, &waiting[i], NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, buffers[2 * i], 8192),
			0);
	CU_ASSERT_EQUAL(ask_flush(io, &sent), 0);
	pcie_run(1);
	pcie_table.revoke(io);
	pcie_run(10);
	CU_ASSERT_EQUAL(io_told.revoked, 0);
	CU_ASSERT_EQUAL(sent.done, 0);
	CU_ASSERT_EQUAL(fake_serve(), 1); /* Delete SQ */
	pcie_run(10);
	CU_ASSERT_EQUAL(io_told.revoked, 0);
	CU_ASSERT_EQUAL(fake_serve(), 1); /* Delete CQ */
	pcie_run(1);
	CU_ASSERT_EQUAL(io_told.revoked, 1);
	CU_ASSERT_EQUAL(sent.err, -ECANCELED);
	CU_ASSERT(sent.req.sent);
	CU_ASSERT(waiting[0].req.sent);
	CU_ASSERT_FALSE(waiting[16].req.sent); /* it still waited for a bounce buffer */
	CU_ASSERT_EQUAL(admin_told.lost, 0);
	pcie_teardown();
}

static void a_queue_that_cannot_be_deleted_stops_the_device(void)
{
	struct nvhi_qpair *io;
	struct nvh_cmd cmd;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	pcie_table.revoke(io);
	pcie_run(1);
	CU_ASSERT_FATAL(fake_take(0, &cmd));
	fake_answer(0, nvh_le16_get(cmd.cid), NVH_ST_INTERNAL);
	pcie_run(1);
	CU_ASSERT_EQUAL(io_told.revoked, 1);
	CU_ASSERT_EQUAL(admin_told.lost, 1);
	CU_ASSERT_EQUAL(fake.regs[NVH_REG_CSTS / 4] & NVH_CSTS_RDY, 0);
	pcie_teardown();
}

static void a_delete_that_is_never_answered_stops_the_device(void)
{
	struct nvhi_qpair *io;

	pcie_setup_live();
	io = pcie_io_queue(ENTRIES);
	pcie_table.revoke(io);
	pcie_run(990);
	CU_ASSERT_EQUAL(io_told.revoked, 0);
	pcie_run(20);
	CU_ASSERT_EQUAL(io_told.revoked, 1);
	CU_ASSERT_EQUAL(admin_told.lost, 1);
	CU_ASSERT_EQUAL(admin_told.lost_err, -ETIMEDOUT);
	pcie_teardown();
}

static void revoking_the_admin_queue_waits_for_csts_rdy_to_clear(void)
{
	struct asked asked;

	pcie_setup_live();
	CU_ASSERT_EQUAL(ask(admin, &asked, NVH_ADM_AER, NVHI_DIR_NONE, NULL, 0), 0);
	pcie_run(1);
	fake.stuck = true;
	pcie_table.revoke(admin);
	pcie_run(500);
	CU_ASSERT_EQUAL(admin_told.revoked, 0);
	CU_ASSERT_EQUAL(asked.done, 0);
	fake.regs[NVH_REG_CSTS / 4] = 0;
	pcie_run(25);
	CU_ASSERT_EQUAL(admin_told.revoked, 1);
	CU_ASSERT_EQUAL(asked.err, -ECANCELED);
	CU_ASSERT(fake.master);
	pcie_teardown();
}

static void a_device_that_never_stops_is_cut_off_the_bus(void)
{
	pcie_setup_live();
	fake.stuck = true;
	pcie_table.revoke(admin);
	pcie_run(990);
	CU_ASSERT_EQUAL(admin_told.revoked, 0);
	CU_ASSERT(fake.master);
	pcie_run(40);
	CU_ASSERT_EQUAL(admin_told.revoked, 1);
	CU_ASSERT_FALSE(fake.master);
	pcie_teardown();
}

static void a_device_found_enabled_that_never_stops_is_refused(void)
{
	pcie_setup();
	fake.regs[NVH_REG_CC / 4] = NVH_CC_EN;
	fake.regs[NVH_REG_CSTS / 4] = NVH_CSTS_RDY;
	fake.stuck = true;
	pcie_table.qpair_connect(admin);
	pcie_run(990);
	CU_ASSERT_EQUAL(admin_told.connected, 0);
	pcie_run(40);
	CU_ASSERT_EQUAL(admin_told.connected, 1);
	CU_ASSERT_EQUAL(admin_told.connected_err, -ETIMEDOUT);
	pcie_teardown();
}

static void revoking_while_a_queue_is_created_deletes_what_was_made(void)
{
	struct nvhi_qpair_opts opts = {.qid = 1, .entries = ENTRIES, .events = &io_events};
	struct nvhi_qpair *io;

	pcie_setup_live();
	opts.reactor = reactor;
	CU_ASSERT_EQUAL_FATAL(pcie_table.qpair_create(tctrlr, &opts, &io), 0);
	pcie_table.qpair_connect(io);
	pcie_run(1);
	pcie_table.revoke(io);
	for (int i = 0; i < 4; i++) { /* create both, delete both */
		CU_ASSERT_EQUAL(io_told.revoked, 0);
		CU_ASSERT_EQUAL(fake_serve(), 1);
		pcie_run(2);
	}
	CU_ASSERT_EQUAL(io_told.revoked, 1);
	CU_ASSERT_EQUAL(io_told.connected, 0);
	pcie_table.qpair_destroy(io);
	pcie_teardown();
}

static void a_refused_create_is_told_with_its_status(void)
{
	struct nvhi_qpair_opts opts = {.qid = 1, .entries = ENTRIES, .events = &io_events};
	struct nvhi_qpair *io;
	struct nvh_cmd cmd;

	pcie_setup_live();
	opts.reactor = reactor;
	CU_ASSERT_EQUAL_FATAL(pcie_table.qpair_create(tctrlr, &opts, &io), 0);
	pcie_table.qpair_connect(io);
	pcie_run(1);
	CU_ASSERT_FATAL(fake_take(0, &cmd));
	CU_ASSERT_EQUAL(cmd.opc, NVH_ADM_CREATE_CQ);
	fake_answer(0, nvh_le16_get(cmd.cid), NVH_ST_INTERNAL);
	pcie_run(1);
	CU_ASSERT_EQUAL(io_told.connected_err, -EREMOTEIO);
	CU_ASSERT(io_told.has_cpl);
	CU_ASSERT_EQUAL(nvh_cpl_code(&io_told.cpl), NVH_ST_INTERNAL);
	pcie_table.revoke(io);
	pcie_run(1);
	CU_ASSERT_EQUAL(io_told.revoked, 1);
	pcie_table.qpair_destroy(io);
	pcie_teardown();
}

/* ---- the device's health ----------------------------------------------------------------- */

static void all_ones_are_a_device_that_is_gone(void)
{
	pcie_setup_live();
	fake.gone = true;
	pcie_run(300);
	CU_ASSERT_EQUAL(admin_told.lost, 1);
	CU_ASSERT_EQUAL(admin_told.lost_err, -ENODEV);
	CU_ASSERT_FALSE(fake.master);
	pcie_teardown();
}

static void controller_fatal_status_ends_the_admin_queue(void)
{
	pcie_setup_live();
	fake.cfs = true;
	pcie_run(300);
	CU_ASSERT_EQUAL(admin_told.lost, 1);
	CU_ASSERT_EQUAL(admin_told.lost_err, -EIO);
	pcie_teardown();
}

static int reg_calls, reg_err;
static uint64_t reg_value;

static void reg_done(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	CU_ASSERT_PTR_NULL(cpl);
	reg_calls++;
	reg_err = err;
	reg_value = op->value;
}

static void registers_are_answered_at_the_end_of_the_turn(void)
{
	struct nvhi_reg_op op = {.offset = NVH_REG_CAP, .size = 8, .done = reg_done};

	reg_calls = 0;
	pcie_setup_live();
	pcie_table.reg_get(admin, &op);
	CU_ASSERT_EQUAL(reg_calls, 0);
	pcie_run(1);
	CU_ASSERT_EQUAL(reg_calls, 1);
	CU_ASSERT_EQUAL(reg_err, 0);
	CU_ASSERT_EQUAL(reg_value, (uint64_t)fake.regs[1] << 32 | fake.regs[0]);
	fake.gone = true;
	op.size = 4;
	op.offset = NVH_REG_CSTS;
	pcie_table.reg_get(admin, &op);
	pcie_run(1);
	CU_ASSERT_EQUAL(reg_calls, 2);
	CU_ASSERT_EQUAL(reg_err, -ENODEV);
	CU_ASSERT_EQUAL(admin_told.lost, 1);
	pcie_teardown();
}

/* ---- memory ------------------------------------------------------------------------------ */

static int open_and_close(void *arg)
{
	struct nvhi_tctrlr_opts opts = {.name = "nvh1", .connect_timeout_ms = 1000};
	struct nvhi_qpair_opts q = {.entries = ENTRIES, .events = &admin_events};
	struct nvhi_tctrlr *other;
	struct nvhi_qpair *qpair;
	int err;

	(void)arg;
	q.reactor = reactor;
	err = nvhi_pcie_open(&pcie_table, &fake.bus, &opts, &other);
	if (err)
		return err;
	err = pcie_table.qpair_create(other, &q, &qpair);
	if (!err)
		pcie_table.qpair_destroy(qpair);
	pcie_table.tctrlr_close(other);
	return err;
}

static void every_failing_allocation_is_survived_without_a_leak(void)
{
	pcie_setup();
	CU_ASSERT(nvh_alloc_walk(open_and_close, NULL, false) >= 4);
	pcie_teardown();
}

static void nothing_connects_where_no_controller_answers(void)
{
	pcie_setup();
	fake.gone = true;
	pcie_table.qpair_connect(admin);
	pcie_run(1);
	CU_ASSERT_EQUAL(admin_told.connected, 1);
	CU_ASSERT_EQUAL(admin_told.connected_err, -ENODEV);
	pcie_teardown();
}

static void a_controller_of_larger_pages_is_refused(void)
{
	pcie_setup();
	fake.regs[NVH_REG_CAP / 4 + 1] |= 1u << 16; /* MPSMIN 1: 8 KiB */
	pcie_table.qpair_connect(admin);
	pcie_run(1);
	CU_ASSERT_EQUAL(admin_told.connected_err, -EOPNOTSUPP);
	pcie_teardown();
}

NVH_UNIT_MAIN("pcie/queue", NVH_TEST(the_rings_wrap_with_their_phase_and_cids_do_not_repeat),
	      NVH_TEST(a_full_queue_takes_no_more_and_a_batch_rings_once),
	      NVH_TEST(a_full_queue_that_is_filled_anew_from_its_completions_goes_on),
	      NVH_TEST(reachable_memory_is_named_in_the_command),
	      NVH_TEST(other_memory_waits_for_a_bounce_buffer_in_order),
	      NVH_TEST(a_failed_read_leaves_the_buffer_alone),
	      NVH_TEST(an_unknown_cid_ends_the_queue),
	      NVH_TEST(a_cid_of_an_earlier_generation_ends_the_queue),
	      NVH_TEST(a_repeated_completion_ends_the_queue),
	      NVH_TEST(a_completion_for_another_queue_ends_the_queue),
	      NVH_TEST(a_head_beyond_the_queue_ends_the_queue),
	      NVH_TEST(a_head_beyond_the_tail_ends_the_queue),
	      NVH_TEST(a_completion_before_the_doorbell_ends_the_queue),
	      NVH_TEST(revoking_an_io_queue_waits_until_it_is_deleted),
	      NVH_TEST(a_queue_that_cannot_be_deleted_stops_the_device),
	      NVH_TEST(a_delete_that_is_never_answered_stops_the_device),
	      NVH_TEST(revoking_the_admin_queue_waits_for_csts_rdy_to_clear),
	      NVH_TEST(a_device_that_never_stops_is_cut_off_the_bus),
	      NVH_TEST(a_device_found_enabled_that_never_stops_is_refused),
	      NVH_TEST(revoking_while_a_queue_is_created_deletes_what_was_made),
	      NVH_TEST(a_refused_create_is_told_with_its_status),
	      NVH_TEST(all_ones_are_a_device_that_is_gone),
	      NVH_TEST(controller_fatal_status_ends_the_admin_queue),
	      NVH_TEST(registers_are_answered_at_the_end_of_the_turn),
	      NVH_TEST(every_failing_allocation_is_survived_without_a_leak),
	      NVH_TEST(nothing_connects_where_no_controller_answers),
	      NVH_TEST(a_controller_of_larger_pages_is_refused))
