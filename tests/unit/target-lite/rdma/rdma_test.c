/*
 * target-lite/rdma on the device of target_rdma_fixture.h: connections asked for and refused, data
 * in every shape, queues that are full, and ends in the middle of all that.
 */
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_identify.h"
#include "base/spec/nvme_status.h"
#include "target-lite/fault/fault.h"
#include "tests/unit/target_rdma_fixture.h"

static uint8_t memory[1 << 20];

static void pattern(uint8_t *at, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(i * 7 + seed + (i >> 8));
}

static void put(struct trd_conn *conn, const struct nvh_cmd *cmd)
{
	trd_send(conn, cmd, sizeof(*cmd));
}

/* ---- connections ---------------------------------------------------------------------------- */

static void a_connection_request_is_examined(void)
{
	static const struct {
		uint16_t recfmt, qid, hrqsize, hsqsize, cntlid;
		uint8_t len, reads;
		uint16_t refusal;
	} cases[] = {
		{0, 0, 32, 31, 0, 0, 4, NVH_RDMA_CM_INVALID_LEN},
		{0, 0, 32, 31, 0, 31, 4, NVH_RDMA_CM_INVALID_LEN},
		{1, 0, 32, 31, 0, 32, 4, NVH_RDMA_CM_INVALID_RECFMT},
		{0, 128, 32, 31, 0, 32, 4, NVH_RDMA_CM_INVALID_QID},
		{0, 0, 32, 0, 0, 32, 4, NVH_RDMA_CM_INVALID_HSQSIZE},
		{0, 0, 32, 128, 0, 32, 4, NVH_RDMA_CM_INVALID_HSQSIZE},
		{0, 1, 32, 65535, 0, 32, 4, NVH_RDMA_CM_INVALID_HSQSIZE},
		{0, 0, 0, 31, 0, 32, 4, NVH_RDMA_CM_INVALID_HRQSIZE},
		{0, 0, 32, 31, 0, 32, 0, NVH_RDMA_CM_INVALID_IRD},
		{0, 0, 32, 31, 1, 32, 4, NVH_RDMA_CM_INVALID_CNTLID},
		{0, 1, 32, 31, 9, 32, 4, NVH_RDMA_CM_INVALID_CNTLID},
	};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct nvh_rdma_cm_req req;
		struct trd_conn *conn;

		trd_device_init();
		trd_setup(NULL);
		memset(&req, 0, sizeof(req));
		nvh_le16_put(&req.recfmt, cases[i].recfmt);
		nvh_le16_put(&req.qid, cases[i].qid);
		nvh_le16_put(&req.hrqsize, cases[i].hrqsize);
		nvh_le16_put(&req.hsqsize, cases[i].hsqsize);
		nvh_le16_put(&req.cntlid, cases[i].cntlid);
		conn = trd_request_raw(&req, cases[i].len, cases[i].reads);
		CU_ASSERT_TRUE(conn->refused);
		CU_ASSERT_EQUAL(conn->refusal, cases[i].refusal);
		CU_ASSERT_FALSE(conn->id_open);
		CU_ASSERT_EQUAL(trd.log_lines, 1);
		trd_teardown();
	}
}

static void the_acceptance_says_how_much_fits(void)
{
	struct trd_conn *conn;

	trd_device_init();
	trd_setup(NULL);
	conn = trd_request(0, 32, 31, 200);
	CU_ASSERT_TRUE_FATAL(conn->accepted);
	CU_ASSERT_EQUAL(nvh_le16_get(conn->acc.crqsize), 32);
	CU_ASSERT_EQUAL(conn->param.initiator_depth, 16); /* the device's limit */
	CU_ASSERT_EQUAL(conn->param.rnr_retry_count, 7);
	trd_teardown();
}

static void no_connect_within_its_time_ends_the_connection(void)
{
	struct trd_conn *conn;

	trd_device_init();
	trd_setup(NULL);
	conn = trd_request(0, 32, 31, 4);
	trd_pass(9000);
	CU_ASSERT_FALSE(conn->disconnected);
	trd_pass(1001);
	CU_ASSERT_TRUE(conn->disconnected);
	trd_pass(1000);
	CU_ASSERT_FALSE(conn->id_open);
	CU_ASSERT_EQUAL(trd.log_lines, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(trd.log, "no Connect within 10000 ms"));
	trd_teardown();
}

static void connect_must_agree_with_its_connection(void)
{
	struct trd_conn *conn;

	trd_device_init();
	trd_setup(NULL);
	conn = trd_request(0, 32, 31, 4);
	CU_ASSERT_EQUAL(trd_connect(conn, 0, 0xffff, 63), NVH_ST_INTERNAL);
	trd_run();
	CU_ASSERT_TRUE(conn->disconnected);
	CU_ASSERT_EQUAL(trd.log_lines, 1);
	trd_teardown();
}

static void no_resources_refuse_with_one_line(void)
{
	struct trd_conn *conn;

	trd_device_init();
	trd_setup(NULL);
	trd.pin_limit = 4096;
	conn = trd_request(0, 32, 31, 4);
	CU_ASSERT_EQUAL(conn->refusal, NVH_RDMA_CM_NO_RESOURCES);
	CU_ASSERT_EQUAL(trd.log_lines, 1);
	CU_ASSERT_EQUAL(trd.pinned, 0);
	trd.pin_limit = 0;
	trd.qp_error = EAGAIN;
	trd.max_inline = 0; /* tried once more without */
	conn = trd_request(0, 32, 31, 4);
	CU_ASSERT_EQUAL(conn->refusal, NVH_RDMA_CM_NO_RESOURCES);
	CU_ASSERT_EQUAL(trd.pds, 0);
	conn = trd_request(0, 32, 31, 4);
	CU_ASSERT_TRUE(conn->accepted);
	trd_teardown();
}

/* ---- data ----------------------------------------------------------------------------------- */

static void round_trip(struct trd_conn *io, uint32_t blocks)
{
	uint8_t *out = memory, *in = memory + (512 << 10);
	struct nvh_cmd cmd;

	pattern(out, blocks * 512, (uint8_t)blocks);
	memset(in, 0, blocks * 512);
	cmd = trd_rw(io, NVH_OPC_WRITE, 3, blocks, out);
	cmd.dptr.ksgl.id = NVH_SGL_ID_KEYED_INV;
	put(io, &cmd);
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	CU_ASSERT_EQUAL(io->invalidated[io->taken - 1], TRD_KEY);
	cmd = trd_rw(io, NVH_OPC_READ, 3, blocks, in);
	put(io, &cmd);
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	CU_ASSERT_EQUAL(io->invalidated[io->taken - 1], 0); /* it was not asked for */
	CU_ASSERT_EQUAL(memcmp(out, in, blocks * 512), 0);
}

static void data_moves(bool srq, bool iwarp, uint32_t max_inline)
{
	static const uint32_t sizes[] = {1, 8, 16, 17, 256};
	struct tl_transport_opts opts;
	struct trd_conn *io;
	uint16_t cntlid;

	trd_device_init();
	trd_opts(&opts);
	opts.no_srq = !srq;
	trd.max_inline = max_inline;
	if (iwarp)
		trd.device.transport_type = IBV_TRANSPORT_IWARP;
	trd_setup(&opts);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	CU_ASSERT_EQUAL(io->srq != NULL, srq);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(sizes); i++)
		round_trip(io, sizes[i]);
	CU_ASSERT_EQUAL(trd.log_lines, 0);
	trd_teardown();
}

static void keyed_data_is_read_and_written(void)
{
	data_moves(true, false, 64);
	data_moves(false, false, 0);
	data_moves(true, true, 64);
}

static void data_in_the_capsule_may_have_an_offset(void)
{
	uint8_t capsule[64 + 64 + 512];
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	cmd = trd_rw(io, NVH_OPC_WRITE, 0, 1, NULL);
	memset(&cmd.dptr, 0, sizeof(cmd.dptr));
	nvh_le64_put(&cmd.dptr.sgl.addr, 64);
	nvh_le32_put(&cmd.dptr.sgl.len, 512);
	cmd.dptr.sgl.id = NVH_SGL_ID_IN_CAPSULE;
	memcpy(capsule, &cmd, sizeof(cmd));
	pattern(capsule + 64, 64 + 512, 3);
	trd_send(io, capsule, sizeof(capsule));
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	cmd = trd_rw(io, NVH_OPC_READ, 0, 1, memory);
	put(io, &cmd);
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	CU_ASSERT_EQUAL(memcmp(memory, capsule + 128, 512), 0);
	/* one byte less came than the descriptor says */
	nvh_le64_put((struct nvh_le64 *)(capsule + 24), 65);
	trd_send(io, capsule, sizeof(capsule));
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), NVH_ST_SGL_INVALID_DATA_LEN);
	nvh_le64_put((struct nvh_le64 *)(capsule + 24), 577);
	trd_send(io, capsule, sizeof(capsule));
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), NVH_ST_SGL_INVALID_OFFSET);
	trd_teardown();
}

/* `count` descriptors of `each` bytes, in the capsule. */
static uint32_t put_list(uint8_t *capsule, struct nvh_cmd *cmd, uint8_t *data, uint32_t count,
			 uint32_t each)
{
	struct nvh_sgl_keyed *sgl = (struct nvh_sgl_keyed *)(capsule + 64);

	memset(&cmd->dptr, 0, sizeof(cmd->dptr));
	nvh_le32_put(&cmd->dptr.sgl.len, count * 16);
	cmd->dptr.sgl.id = NVH_SGL_ID(NVH_SGL_LAST_SEGMENT, NVH_SGL_SUB_OFFSET);
	memcpy(capsule, cmd, sizeof(*cmd));
	for (uint32_t i = 0; i < count; i++) {
		nvh_le64_put(&sgl[i].addr, (uintptr_t)(data + (size_t)i * 8192));
		sgl[i].len = nvh_le24_of(each);
		nvh_le32_put(&sgl[i].key, TRD_KEY);
		sgl[i].id = NVH_SGL_ID_KEYED;
	}
	return 64 + count * 16;
}

static void a_list_of_descriptors_is_followed(void)
{
	uint8_t *out = memory, *in = memory + (512 << 10), capsule[64 + 17 * 16];
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;
	uint32_t len;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 3); /* fewer READs at a time than descriptors */
	for (int i = 0; i < 16; i++)
		pattern(out + i * 8192, 1024, (uint8_t)i);
	cmd = trd_rw(io, NVH_OPC_WRITE, 0, 32, NULL);
	len = put_list(capsule, &cmd, out, 16, 1024);
	trd_send(io, capsule, len);
	trd_work(io, 100);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	cmd = trd_rw(io, NVH_OPC_READ, 0, 32, NULL);
	len = put_list(capsule, &cmd, in, 16, 1024);
	trd_send(io, capsule, len);
	trd_work(io, 100);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	for (int i = 0; i < 16; i++)
		CU_ASSERT_EQUAL(memcmp(out + i * 8192, in + i * 8192, 1024), 0);
	cmd = trd_rw(io, NVH_OPC_READ, 0, 34, NULL);
	len = put_list(capsule, &cmd, in, 17, 1024);
	trd_send(io, capsule, len);
	trd_work(io, 100);
	CU_ASSERT_EQUAL(trd_status(io), NVH_ST_SGL_INVALID_COUNT);
	trd_teardown();
}

static void identify_says_what_it_takes(void)
{
	const struct nvh_id_ctrlr *id = (const void *)memory;
	struct trd_conn *admin;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	admin = trd_admin(&cntlid);
	cmd = trd_cmd(admin, NVH_ADM_IDENTIFY, memory, 4096);
	nvh_le32_put(&cmd.cdw10, NVH_CNS_CTRLR);
	put(admin, &cmd);
	trd_work(admin, 8);
	CU_ASSERT_EQUAL(trd_status(admin), 0);
	CU_ASSERT_EQUAL(nvh_le32_get(id->sgls), 0x100005);
	CU_ASSERT_EQUAL(nvh_le32_get(id->ioccsz), (64 + 4096) / 16);
	CU_ASSERT_EQUAL(nvh_le32_get(id->iorcsz), 1);
	CU_ASSERT_EQUAL(nvh_le16_get(id->icdoff), 0);
	CU_ASSERT_EQUAL(id->msdbd, 16);
	CU_ASSERT_EQUAL(id->mdts, 5);
	trd_teardown();
}

/* ---- limits --------------------------------------------------------------------------------- */

/* The device checks each: nothing here may overrun. */
static void a_small_send_queue_and_one_read_at_a_time_suffice(void)
{
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;
	int bad = 0;

	trd_device_init();
	trd.attr.max_qp_wr = 34;
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 64, 1);
	for (int round = 0; round < 6; round++) {
		for (uint32_t i = 0; i < 64; i++) {
			cmd = trd_rw(io, i & 1 ? NVH_OPC_READ : NVH_OPC_WRITE, i * 8, 8,
				     memory + i * 4096);
			put(io, &cmd);
		}
		for (int i = 0; i < 400; i++)
			trd_work(io, 1);
		for (int i = 0; i < 64; i++)
			bad += trd_status(io) != 0;
		if (io->responses > TRD_WRS - 100)
			io->responses = io->taken = 0;
	}
	CU_ASSERT_EQUAL(bad, 0);
	CU_ASSERT_EQUAL(trd_status(io), 0xffff);
	CU_ASSERT_EQUAL(trd.log_lines, 0);
	trd_teardown();
}

static void commands_wait_for_a_buffer_in_order(void)
{
	struct tl_transport_opts opts;
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_opts(&opts);
	opts.num_shared_buffers = 1;
	trd_setup(&opts);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	for (uint32_t i = 0; i < 5; i++) {
		cmd = trd_rw(io, NVH_OPC_WRITE, 0, 32, memory);
		put(io, &cmd);
	}
	CU_ASSERT_EQUAL(io->sq_tail - io->sq_done, 1);
	trd_work(io, 100);
	for (uint32_t i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(trd_status(io), 0);
	trd_teardown();
}

static void responses_of_a_turn_leave_together(void)
{
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;
	unsigned int before;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	before = trd.send_posts;
	cmd = trd_rw(io, NVH_OPC_READ, 0, 8, memory);
	put(io, &cmd);
	CU_ASSERT_EQUAL(trd.send_posts - before, 1); /* the data and the response */
	CU_ASSERT_EQUAL(io->sq_tail - io->sq_done, 2);
	CU_ASSERT_EQUAL(io->sq[(io->sq_tail - 2) % TRD_WRS].wr.send_flags & IBV_SEND_SIGNALED, 0);
	trd_teardown();
}

static void more_commands_than_entries_end_the_connection(void)
{
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 8, 1);
	for (int i = 0; i < 9; i++) {
		cmd = trd_rw(io, NVH_OPC_WRITE, 0, 8, memory);
		put(io, &cmd);
	}
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT_EQUAL(trd.log_lines, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(trd.log, "more commands than the queue has entries (8)"));
	trd_teardown();
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void a_wrong_key_ends_its_connection_with_one_line(void)
{
	struct trd_conn *io, *other;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	other = trd_io(cntlid, 2, 32, 4);
	for (int i = 0; i < 4; i++) {
		cmd = trd_rw(io, i == 1 ? NVH_OPC_READ : NVH_OPC_WRITE, 0, 8, memory);
		nvh_le32_put(&cmd.dptr.ksgl.key, 0x666);
		put(io, &cmd);
	}
	trd_work(io, 100);
	trd_pass(600);
	CU_ASSERT_FALSE(io->id_open);
	CU_ASSERT_EQUAL(trd.log_lines, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(trd.log, "remote access error (the host's key or range"));
	round_trip(other, 8);
	trd_teardown();
}

static void capsules_too_long_or_too_short_end_their_connection(void)
{
	struct trd_conn *a, *b;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	a = trd_io(cntlid, 1, 32, 4);
	b = trd_io(cntlid, 2, 32, 4);
	trd_send(a, memory, 64 + 4096 + 64);
	trd_send(b, memory, 63);
	trd_pass(600);
	CU_ASSERT_FALSE(a->id_open);
	CU_ASSERT_FALSE(b->id_open);
	CU_ASSERT_EQUAL(trd.log_lines, 2);
	trd_teardown();
}

/* Whatever of the work is done when the connection breaks. */
static void a_connection_may_break_at_any_point(void)
{
	for (unsigned int done = 0; done < 14; done++) {
		struct trd_conn *io;
		struct nvh_cmd cmd;
		uint16_t cntlid;

		trd_device_init();
		trd_setup(NULL);
		trd_admin(&cntlid);
		io = trd_io(cntlid, 1, 32, 2);
		for (uint32_t i = 0; i < 6; i++) {
			cmd = trd_rw(io, i & 1 ? NVH_OPC_READ : NVH_OPC_WRITE, i, 32, memory);
			put(io, &cmd);
		}
		trd_work(io, done);
		trd_event(io, RDMA_CM_EVENT_DISCONNECTED);
		trd_break(io);
		trd_run();
		trd_pass(600);
		CU_ASSERT_FALSE(io->id_open);
		io = trd_io(cntlid, 2, 32, 2);
		round_trip(io, 64);
		trd_teardown();
	}
}

/* The core still has commands when the queue pair goes. */
static void responses_may_be_malformed_on_command(void)
{
	struct tl_fault_opts opts;
	struct tl_fault *cid, *len, *type;
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	tl_fault_opts_default(&opts, TL_FAULT_MALFORMED_PDU);
	opts.qid = 1;
	opts.count = 1;
	opts.garble = TL_GARBLE_TYPE; /* a response over RDMA has none */
	CU_ASSERT_EQUAL(tl_fault_add(trd.target, &opts, NULL, NULL, &type), 0);
	opts.garble = TL_GARBLE_CCCID;
	CU_ASSERT_EQUAL(tl_fault_add(trd.target, &opts, NULL, NULL, &cid), 0);
	trd_run();
	cmd = trd_rw(io, NVH_OPC_READ, 0, 1, memory);
	put(io, &cmd);
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	CU_ASSERT_EQUAL(nvh_le16_get(io->cpls[io->taken - 1].cid),
			nvh_le16_get(cmd.cid) ^ 0xffff);
	opts.garble = TL_GARBLE_PLEN;
	CU_ASSERT_EQUAL(tl_fault_add(trd.target, &opts, NULL, NULL, &len), 0);
	trd_run();
	io->short_responses = 1;
	cmd = trd_rw(io, NVH_OPC_READ, 0, 1, memory);
	put(io, &cmd);
	trd_work(io, 8);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	io->short_responses = 0;
	round_trip(io, 8);
	CU_ASSERT_EQUAL(type->matched + type->fired, 0);
	CU_ASSERT_EQUAL(cid->fired, 1);
	CU_ASSERT_EQUAL(len->fired, 1);
	trd_teardown();
}

static void a_held_command_outlives_its_queue_pair(void)
{
	struct tl_fault_opts fault;
	struct tl_fault *ret;
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	tl_fault_opts_default(&fault, TL_FAULT_HOLD);
	fault.qid = 1;
	fault.outlive = true;
	CU_ASSERT_EQUAL(tl_fault_add(trd.target, &fault, NULL, NULL, &ret), 0);
	trd_run();
	pattern(memory, 4096, 1);
	cmd = trd_rw(io, NVH_OPC_WRITE, 0, 8, memory);
	put(io, &cmd);
	trd_work(io, 100);
	CU_ASSERT_EQUAL(trd_status(io), 0xffff);
	trd_event(io, RDMA_CM_EVENT_DISCONNECTED);
	trd_pass(600);
	CU_ASSERT_FALSE(io->qp_open);
	CU_ASSERT_EQUAL(tl_fault_clear(trd.target, 0, NULL, NULL), 0);
	trd_run();
	io = trd_io(cntlid, 2, 32, 4);
	cmd = trd_rw(io, NVH_OPC_READ, 0, 8, memory + 8192);
	put(io, &cmd);
	trd_work(io, 100);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	CU_ASSERT_EQUAL(memcmp(memory, memory + 8192, 4096), 0);
	trd_teardown();
}

static void a_transfer_that_never_ends_has_a_deadline(void)
{
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	cmd = trd_rw(io, NVH_OPC_WRITE, 0, 8, memory);
	put(io, &cmd);
	trd_pass(29000);
	CU_ASSERT_FALSE(io->disconnected);
	trd_pass(1001);
	trd_pass(30001);
	CU_ASSERT_TRUE(io->disconnected);
	CU_ASSERT_PTR_NOT_NULL(strstr(trd.log, "no transfer has ended for 30000 ms"));
	trd_teardown();
}

static void a_failing_post_ends_the_connection(void)
{
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	for (uint16_t qid = 1; qid <= 2; qid++) {
		io = trd_io(cntlid, qid, 32, 4);
		trd.post_error = ENOMEM;
		cmd = trd_rw(io, qid == 1 ? NVH_OPC_WRITE : NVH_OPC_READ, 0, 8, memory);
		put(io, &cmd);
		trd_pass(600);
		CU_ASSERT_FALSE(io->id_open);
		CU_ASSERT_EQUAL(trd.log_lines, qid);
	}
	trd_teardown();
}

static void a_removed_device_is_let_go_of_and_comes_back(void)
{
	struct trd_conn *admin, *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	admin = trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	cmd = trd_rw(io, NVH_OPC_WRITE, 0, 8, memory);
	put(io, &cmd);
	trd_event(admin, RDMA_CM_EVENT_DEVICE_REMOVAL);
	trd_event(io, RDMA_CM_EVENT_DEVICE_REMOVAL);
	trd_event(NULL, RDMA_CM_EVENT_DEVICE_REMOVAL);
	trd_run();
	CU_ASSERT_FALSE(admin->id_open);
	CU_ASSERT_FALSE(io->id_open);
	CU_ASSERT_PTR_NULL(trd.listener);
	CU_ASSERT_EQUAL(trd.pds, 0);
	CU_ASSERT_EQUAL(trd.pinned, 0);
	trd.bind_error = ENODEV;
	trd_pass(600);
	CU_ASSERT_PTR_NULL(trd.listener); /* not yet */
	trd_pass(600);
	CU_ASSERT_PTR_NOT_NULL_FATAL(trd.listener);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	round_trip(io, 8);
	trd_teardown();
}

static void a_muted_connection_answers_later(void)
{
	struct tl_fault_opts fault;
	struct tl_fault *ret;
	struct trd_conn *io;
	struct nvh_cmd cmd;
	uint16_t cntlid;

	trd_device_init();
	trd_setup(NULL);
	trd_admin(&cntlid);
	io = trd_io(cntlid, 1, 32, 4);
	tl_fault_opts_default(&fault, TL_FAULT_SILENCE);
	fault.qid = 1;
	fault.opcode = NVH_OPC_READ;
	CU_ASSERT_EQUAL(tl_fault_add(trd.target, &fault, NULL, NULL, &ret), 0);
	trd_run();
	for (int i = 0; i < 3; i++) {
		cmd = trd_rw(io, NVH_OPC_READ, 0, 8, memory);
		put(io, &cmd);
	}
	trd_work(io, 100);
	CU_ASSERT_EQUAL(trd_status(io), 0xffff);
	CU_ASSERT_EQUAL(tl_fault_clear(trd.target, 0, NULL, NULL), 0);
	trd_run();
	trd_work(io, 100);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	CU_ASSERT_EQUAL(trd_status(io), 0);
	trd_teardown();
}

static void stopped(void *arg, int err)
{
	*(bool *)arg = err == 0;
}

static void no_device_says_what_to_do(void)
{
	bool done = false;
	const struct tl_target_opts topts = {.name = "t"};
	struct tl_transport *transport;
	struct tl_transport_opts opts;
	struct tl_target *target;
	char text[400] = "";

	trd_device_init();
	trd_opts(&opts);
	trd.channel_missing = true;
	setup();
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&topts, &reactor, 1, &target), 0);
	CU_ASSERT_EQUAL(tl_rdma_create(target, &opts, text, sizeof(text), &transport), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "no RDMA device"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "rdma link"));
	tl_target_stop(target, stopped, &done);
	trd_run();
	CU_ASSERT_TRUE_FATAL(done);
	tl_target_destroy(target);
	teardown();
	nvhi_verbs_override(NULL);
}

NVH_UNIT_MAIN("target-lite/rdma", NVH_TEST(a_connection_request_is_examined),
	      NVH_TEST(the_acceptance_says_how_much_fits),
	      NVH_TEST(no_connect_within_its_time_ends_the_connection),
	      NVH_TEST(connect_must_agree_with_its_connection),
	      NVH_TEST(no_resources_refuse_with_one_line), NVH_TEST(keyed_data_is_read_and_written),
	      NVH_TEST(data_in_the_capsule_may_have_an_offset),
	      NVH_TEST(a_list_of_descriptors_is_followed), NVH_TEST(identify_says_what_it_takes),
	      NVH_TEST(a_small_send_queue_and_one_read_at_a_time_suffice),
	      NVH_TEST(commands_wait_for_a_buffer_in_order),
	      NVH_TEST(responses_of_a_turn_leave_together),
	      NVH_TEST(more_commands_than_entries_end_the_connection),
	      NVH_TEST(a_wrong_key_ends_its_connection_with_one_line),
	      NVH_TEST(capsules_too_long_or_too_short_end_their_connection),
	      NVH_TEST(a_connection_may_break_at_any_point),
	      NVH_TEST(responses_may_be_malformed_on_command),
	      NVH_TEST(a_held_command_outlives_its_queue_pair),
	      NVH_TEST(a_transfer_that_never_ends_has_a_deadline),
	      NVH_TEST(a_failing_post_ends_the_connection),
	      NVH_TEST(a_removed_device_is_let_go_of_and_comes_back),
	      NVH_TEST(a_muted_connection_answers_later), NVH_TEST(no_device_says_what_to_do))
