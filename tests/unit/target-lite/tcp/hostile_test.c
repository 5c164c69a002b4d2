/*
 * target-lite/tcp: hosts that break the rules, stop half way or do not read.
 */
#include "tests/unit/target_tcp_fixture.h"

static void wrong_h2c_data_ends_the_connection(void)
{
	static const struct {
		uint32_t offset, len;
		int ttag, cid;
		bool last;
		uint8_t fes;
		uint32_t fei;
	} cases[] = {
		{0, 8192, 1, 0, true, NVH_TCP_FES_HDR_FIELD, 10},
		{0, 8192, 0, 1, true, NVH_TCP_FES_HDR_FIELD, 8},
		{4, 8188, 0, 0, true, NVH_TCP_FES_HDR_FIELD, 12},
		{0, 8193, 0, 0, true, NVH_TCP_FES_DATA_RANGE, 0},
		{0, 8192, 0, 0, false, NVH_TCP_FES_HDR_FIELD, 1},
		{0, 8191, 0, 0, true, NVH_TCP_FES_HDR_FIELD, 1},
	};
	uint8_t *data = tth_pattern(16384, 5);

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct nvh_cmd cmd, other;
		struct wire *io;
		uint16_t ttag;

		tth_setup();
		io = tth_ready_io(0, 0);
		cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 16);
		tth_put_cmd(io, &cmd, NULL, 0);
		tth_pump(io);
		ttag = tth_take_r2t(io, &cmd, 0, 8192);
		other = cmd;
		nvh_le16_put(&other.cid, (uint16_t)(nvh_le16_get(cmd.cid) + cases[i].cid));
		tth_put_h2c(io, &other, (uint16_t)(ttag + cases[i].ttag), data, cases[i].offset,
			    cases[i].len, cases[i].last);
		tth_expect_term(io, cases[i].fes, cases[i].fei);
		tth_done_io(io);
	}
	free(data);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static void a_bad_descriptor_fails_its_command_only(void)
{
	static const struct {
		uint8_t opc, sgl;
		uint32_t len, icd;
		uint64_t offset;
		unsigned int status;
	} cases[] = {
		{NVH_OPC_READ, NVH_SGL_ID_IN_CAPSULE, 512, 0, 0, NVH_ST_SGL_INVALID_TYPE},
		{NVH_OPC_READ, 0x00, 512, 0, 0, NVH_ST_SGL_INVALID_TYPE},
		{NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 131073, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0xffffffff, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 131073, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 0, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 513, 512, 0, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 512, 1, NVH_ST_SGL_INVALID_DATA_LEN},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 512, 513, NVH_ST_SGL_INVALID_OFFSET},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 512, UINT64_MAX,
		 NVH_ST_SGL_INVALID_OFFSET},
		{0x03, NVH_SGL_ID_TRANSPORT, 512, 0, 0, NVH_ST_INVALID_OPCODE},
		{0x1d, NVH_SGL_ID_TRANSPORT, 4096, 0, 0, NVH_ST_INVALID_OPCODE},
		{NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 512, 1024, 512, NVH_ST_SUCCESS},
	};
	uint8_t data[1024] = {0};
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct nvh_cmd cmd = tth_rw(cases[i].opc, cases[i].sgl, 0, 1);

		nvh_le32_put(&cmd.dptr.sgl.len, cases[i].len);
		nvh_le64_put(&cmd.dptr.sgl.addr, cases[i].offset);
		tth_put_cmd(io, &cmd, data, cases[i].icd);
		tth_pump(io);
		CU_ASSERT_EQUAL_FATAL(tth_pending(io), 24);
		CU_ASSERT_EQUAL(tth_response(io, NULL), cases[i].status);
	}
	tth_done_io(io);
}

static void more_in_capsule_data_than_the_queue_takes_ends_the_connection(void)
{
	uint8_t data[8192] = {0};
	struct nvh_cmd cmd;
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 0, 16);
	tth_put_cmd(io, &cmd, data, sizeof(data)); /* IOCCSZ says 4096 */
	tth_pump(io);
	CU_ASSERT(tth_pending(io) >= 24);
	CU_ASSERT_EQUAL(((const struct nvh_tcp_ch *)tth_take(io, 8))->type, NVH_TCP_C2H_TERM_REQ);
	tth_advance_ms(301);
	CU_ASSERT_TRUE(io->closed);
	tth_done_io(io);
}

static void more_commands_than_entries_end_the_connection(void)
{
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	for (int i = 0; i < 34; i++) {
		struct nvh_cmd cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 8);

		tth_put_cmd(io, &cmd, NULL, 0);
	}
	tth_pump(io);
	tth_take(io, 33 * 24); /* the R2Ts of 32 entries and one */
	CU_ASSERT_EQUAL(((const struct nvh_tcp_ch *)tth_take(io, 8))->type, NVH_TCP_C2H_TERM_REQ);
	tth_advance_ms(301);
	CU_ASSERT_TRUE(io->closed);
	tth_done_io(io);
}

static void a_term_req_from_the_host_ends_it_at_once(void)
{
	struct nvh_tcp_term_req term;
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	memset(&term, 0, sizeof(term));
	nvh_le16_put(&term.fes, NVH_TCP_FES_SEQUENCE);
	tth_put_pdu(io, NVH_TCP_H2C_TERM_REQ, 0, &term.fes, 24, &term, 8);
	io->in[io->in_len - 29] = 0; /* PDO is reserved here */
	tth_pump(io);
	CU_ASSERT_TRUE(io->closed);
	CU_ASSERT_EQUAL(tth_pending(io), 0);
	tth_done_io(io);
}

/* ---- deadlines ------------------------------------------------------------------------------ */

static void a_handshake_that_stops_ends_by_its_deadline(void)
{
	struct wire *silent, *half, *no_connect;

	tth_setup();
	silent = tth_connect_wire();
	half = tth_connect_wire();
	tth_put_icreq(half, 0, 0, 0);
	half->in_len -= 50;
	tth_pump(half);
	no_connect = tth_connect_wire();
	tth_handshake(no_connect, 0, 0, 0);
	tth_advance_ms(9999);
	CU_ASSERT_FALSE(silent->closed || half->closed || no_connect->closed);
	tth_advance_ms(1);
	CU_ASSERT_TRUE(silent->closed && half->closed && no_connect->closed);
	tth_free_wire(silent);
	tth_free_wire(half);
	tth_free_wire(no_connect);
	tth_teardown();
}

static void a_pdu_that_stops_half_way_ends_by_a_deadline_even_byte_by_byte(void)
{
	struct nvh_cmd cmd = tth_command(NVH_OPC_FLUSH, 1, 0, 0);
	struct wire *io;
	int seconds = 0;

	tth_setup();
	io = tth_ready_io(0, 0);
	tth_put_cmd(io, &cmd, NULL, 0);
	io->step = 1;
	while (!io->closed && seconds < 72) {
		io->stream.on_event(&io->stream, NVHI_READABLE);
		tth_run();
		seconds++;
		tth_advance_ms(1000);
	}
	CU_ASSERT_TRUE(io->closed);
	CU_ASSERT_TRUE(seconds <= 61);
	tth_done_io(io);
}

static void data_that_was_asked_for_must_come(void)
{
	struct nvh_cmd cmd;
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 16);
	tth_put_cmd(io, &cmd, NULL, 0);
	tth_pump(io);
	tth_take_r2t(io, &cmd, 0, 8192);
	tth_advance_ms(61000);
	CU_ASSERT_TRUE(io->closed);
	tth_done_io(io);
}

static void a_host_that_takes_nothing_is_not_read_and_then_dropped(void)
{
	struct wire *io;
	size_t in_at;

	tth_setup();
	io = tth_ready_io(0, 0);
	io->room = 10000;
	for (int i = 0; i < 16; i++) {
		struct nvh_cmd cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 16);

		tth_put_cmd(io, &cmd, NULL, 0);
		tth_pump(io);
	}
	in_at = io->in_at;
	CU_ASSERT_TRUE(in_at < io->in_len); /* it stopped reading */
	CU_ASSERT_EQUAL(io->wanted, NVHI_WRITABLE);
	tth_advance_ms(20000);
	io->room = 200000; /* then takes it all */
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_pending(io), 16 * (24 + 8192 + 24));
	io->room = 0;
	for (int i = 0; i < 2; i++) {
		struct nvh_cmd cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 16);

		tth_put_cmd(io, &cmd, NULL, 0);
		tth_pump(io);
	}
	for (int i = 0; i < 61 && !io->closed; i++)
		tth_advance_ms(1000);
	CU_ASSERT_TRUE(io->closed);
	tth_done_io(io);
}

static void a_quiet_connection_stays(void)
{
	struct nvh_cmd cmd = tth_command(NVH_OPC_FLUSH, 1, 0, 0);
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	tth_advance_ms(3600000);
	CU_ASSERT_FALSE(io->closed);
	tth_put_cmd(io, &cmd, NULL, 0);
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
	tth_done_io(io);
}

NVH_UNIT_MAIN("target-lite/tcp/hostile", NVH_TEST(wrong_h2c_data_ends_the_connection),
	      NVH_TEST(a_bad_descriptor_fails_its_command_only),
	      NVH_TEST(more_in_capsule_data_than_the_queue_takes_ends_the_connection),
	      NVH_TEST(more_commands_than_entries_end_the_connection),
	      NVH_TEST(a_term_req_from_the_host_ends_it_at_once),
	      NVH_TEST(a_handshake_that_stops_ends_by_its_deadline),
	      NVH_TEST(a_pdu_that_stops_half_way_ends_by_a_deadline_even_byte_by_byte),
	      NVH_TEST(data_that_was_asked_for_must_come),
	      NVH_TEST(a_host_that_takes_nothing_is_not_read_and_then_dropped),
	      NVH_TEST(a_quiet_connection_stays))
