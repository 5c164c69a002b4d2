/*
 * target-lite/tcp: data both ways, in the capsule and by R2T, digests, buffers.
 */
#include "base/crc32c.h"
#include "tests/unit/target_tcp_fixture.h"

/* ---- data ----------------------------------------------------------------------------------- */

static void data_in_the_capsule_is_written_and_read_back(void)
{
	struct nvh_cmd cmd;
	uint8_t *data = tth_pattern(4096, 1);
	struct wire *io;
	struct nvh_cpl cpl;

	tth_setup();
	io = tth_ready_io(0, 0);
	cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 8, 8);
	tth_put_cmd(io, &cmd, data, 4096);
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_response(io, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.cid), nvh_le16_get(cmd.cid));
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.sqhd), 2);
	cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 8, 8);
	tth_put_cmd(io, &cmd, NULL, 0);
	tth_pump(io);
	CU_ASSERT_EQUAL(memcmp(tth_c2h_data(io, 4096, NVH_TCP_F_LAST), data, 4096), 0);
	CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
	CU_ASSERT_EQUAL(tth_pending(io), 0);
	free(data);
	tth_done_io(io);
}

static void success_stands_for_the_response_only_without_flow_control(void)
{
	struct nvh_cmd cmd;
	struct wire *io;

	tth_setup();
	io = tth_ready_io(NVH_CATTR_DISABLE_SQFLOW, 0);
	cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 8, 8);
	tth_put_cmd(io, &cmd, NULL, 0);
	tth_pump(io);
	tth_c2h_data(io, 4096, NVH_TCP_F_LAST | NVH_TCP_F_SUCCESS);
	CU_ASSERT_EQUAL(tth_pending(io), 0);
	tth_done_io(io);
}

static void many_commands_in_one_segment_are_answered_in_one(void)
{
	struct wire *io;

	tth_setup();
	io = tth_ready_io(0, 0);
	for (int i = 0; i < 31; i++) {
		struct nvh_cmd cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, (uint64_t)i, 1);

		tth_put_cmd(io, &cmd, NULL, 0);
	}
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_pending(io), 31 * (24 + 512 + 24));
	io->out_at = io->out_len;
	tth_done_io(io);
}

static void the_same_bytes_in_any_pieces_have_the_same_answer(void)
{
	static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 7, 24, 72, 73, 100, 4096};
	uint8_t *data = tth_pattern(8192, 3), *first = NULL;
	size_t first_len = 0;

	for (size_t s = 0; s < NVHI_ARRAY_SIZE(steps); s++) {
		struct nvh_cmd cmd;
		struct wire *io;

		tth_setup();
		io = tth_ready_io(0, 0);
		io->step = steps[s];
		tth.cid = 100;
		for (uint32_t i = 1; i <= 8; i++) {
			cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, i * 3, i);
			tth_put_cmd(io, &cmd, data + i * 13, i * 512);
			cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, i * 2, i);
			tth_put_cmd(io, &cmd, NULL, 0);
			cmd = tth_command(NVH_OPC_FLUSH, 1, 0, 0);
			tth_put_cmd(io, &cmd, NULL, 0);
		}
		tth_pump(io);
		if (!first) {
			first_len = tth_pending(io);
			first = malloc(first_len);
			memcpy(first, io->out + io->out_at, first_len);
		}
		CU_ASSERT_EQUAL(tth_pending(io), first_len);
		CU_ASSERT(!memcmp(io->out + io->out_at, first, first_len));
		tth_done_io(io);
	}
	free(first);
	free(data);
}

/* ---- R2T ------------------------------------------------------------------------------------ */

static void a_large_write_is_asked_for_and_may_come_in_pieces(void)
{
	uint8_t *data = tth_pattern(65536, 9);
	struct nvh_cmd cmd, read;
	struct wire *io;
	uint16_t ttag;

	tth_setup();
	io = tth_ready_io(0, 0);
	cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
	tth_put_cmd(io, &cmd, NULL, 0);
	tth_pump(io);
	ttag = tth_take_r2t(io, &cmd, 0, 65536);
	CU_ASSERT_EQUAL(tth_pending(io), 0);
	io->step = 1000;
	tth_put_h2c(io, &cmd, ttag, data, 0, 4, false);
	tth_put_h2c(io, &cmd, ttag, data, 4, 40000, false);
	tth_put_h2c(io, &cmd, ttag, data, 40004, 65536 - 40004, true);
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
	read = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 128);
	tth_put_cmd(io, &read, NULL, 0);
	tth_pump(io);
	CU_ASSERT(!memcmp(tth_c2h_data(io, 65536, NVH_TCP_F_LAST), data, 65536));
	CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
	free(data);
	tth_done_io(io);
}

static void no_more_r2ts_are_outstanding_than_the_host_takes(void)
{
	uint8_t *data = tth_pattern(10240, 5);
	struct tl_transport_opts opts;
	struct nvh_cmd cmd;
	struct wire *io;
	uint16_t ttag;

	tl_transport_opts_default(&opts);
	opts.r2t_size = 4096;
	tth_setup_with(&opts);
	io = tth_ready_io(0, 1); /* 0's based: two */
	cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 20);
	tth_put_cmd(io, &cmd, NULL, 0);
	tth_pump(io);
	ttag = tth_take_r2t(io, &cmd, 0, 4096);
	CU_ASSERT_EQUAL(tth_take_r2t(io, &cmd, 4096, 4096), ttag);
	CU_ASSERT_EQUAL(tth_pending(io), 0);
	tth_put_h2c(io, &cmd, ttag, data, 0, 4096, true);
	tth_pump(io);
	tth_take_r2t(io, &cmd, 8192, 2048);
	tth_put_h2c(io, &cmd, ttag, data, 4096, 4096, true);
	tth_put_h2c(io, &cmd, ttag, data, 8192, 2048, true);
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
	CU_ASSERT_EQUAL(tth_pending(io), 0);
	free(data);
	tth_done_io(io);
}

/* ---- digests -------------------------------------------------------------------------------- */

static void put_digest(struct wire *w, const void *data, size_t len, uint32_t spoil)
{
	struct nvh_le32 digest = nvh_le32_of(nvhi_crc32c(data, len) ^ spoil);

	tth_put(w, &digest, sizeof(digest));
}

/* A capsule with both digests. */
static void put_cmd_digests(struct wire *w, const struct nvh_cmd *cmd, const void *icd,
			    uint32_t len, uint32_t spoil_header, uint32_t spoil_data)
{
	struct nvh_tcp_capsule_cmd pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.ch.type = NVH_TCP_CAPSULE_CMD;
	pdu.ch.flags = NVH_TCP_F_HDGST | (len ? NVH_TCP_F_DDGST : 0);
	pdu.ch.hlen = 72;
	pdu.ch.pdo = len ? 76 : 0;
	nvh_le32_put(&pdu.ch.plen, 76 + (len ? len + 4 : 0));
	pdu.cmd = *cmd;
	tth_put(w, &pdu, sizeof(pdu));
	put_digest(w, &pdu, sizeof(pdu), spoil_header);
	if (len) {
		tth_put(w, icd, len);
		put_digest(w, icd, len, spoil_data);
	}
}

static struct wire *digest_io(void)
{
	struct wire *w = tth_connect_wire();
	struct nvh_cmd cmd = tth_command(NVH_ADM_FABRICS, 0, NVH_SGL_ID_IN_CAPSULE, 1024);
	struct nvh_fab_connect_cmd *c = (struct nvh_fab_connect_cmd *)&cmd;
	struct nvh_fab_connect_data data;
	uint16_t cntlid;

	tth_admin = tth_open_admin(&cntlid);
	tth_handshake(w, 0, 3, 0);
	memset(&data, 0, sizeof(data));
	c->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&c->qid, 1);
	nvh_le16_put(&c->sqsize, 31);
	nvh_le16_put(&data.cntlid, cntlid);
	strcpy(data.subnqn, TTH_NQN);
	strcpy(data.hostnqn, TTH_HOST);
	put_cmd_digests(w, &cmd, &data, sizeof(data), 0, 0);
	tth_pump(w);
	tth_take(w, 28);
	return w;
}

static unsigned int digest_response(struct wire *w)
{
	const struct nvh_tcp_capsule_resp *resp = tth_take(w, 24);
	struct nvh_le32 digest = nvh_le32_of(nvhi_crc32c(resp, 24));

	CU_ASSERT_EQUAL(resp->ch.flags, NVH_TCP_F_HDGST);
	CU_ASSERT_EQUAL(nvh_le32_get(resp->ch.plen), 28);
	CU_ASSERT_EQUAL(memcmp(tth_take(w, 4), &digest, 4), 0);
	return nvh_cpl_code(&resp->cpl);
}

static void both_digests_are_sent_and_checked(void)
{
	uint8_t *data = tth_pattern(2048, 8);
	const struct nvh_tcp_c2h_data *pdu;
	struct nvh_le32 digest;
	struct nvh_cmd cmd;
	struct wire *io;

	tth_setup();
	io = digest_io();
	cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 0, 4);
	put_cmd_digests(io, &cmd, data, 2048, 0, 0);
	tth_pump(io);
	CU_ASSERT_EQUAL(digest_response(io), 0);
	cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 4);
	put_cmd_digests(io, &cmd, NULL, 0, 0, 0);
	tth_pump(io);
	pdu = tth_take(io, 28);
	CU_ASSERT_EQUAL(pdu->ch.flags, NVH_TCP_F_HDGST | NVH_TCP_F_DDGST | NVH_TCP_F_LAST);
	CU_ASSERT_EQUAL(pdu->ch.pdo, 28);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->ch.plen), 28 + 2048 + 4);
	CU_ASSERT(!memcmp(tth_take(io, 2048), data, 2048));
	digest = nvh_le32_of(nvhi_crc32c(data, 2048));
	CU_ASSERT(!memcmp(tth_take(io, 4), &digest, 4));
	CU_ASSERT_EQUAL(digest_response(io), 0);
	free(data);
	tth_done_io(io);
}

static void a_wrong_data_digest_fails_its_command_only(void)
{
	uint8_t *data = tth_pattern(2048, 8);
	struct nvh_cmd cmd;
	struct wire *io;

	for (size_t step = SIZE_MAX; step; step = step == SIZE_MAX ? 100 : 0) {
		tth_setup();
		io = digest_io();
		io->step = step;
		cmd = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_IN_CAPSULE, 0, 4);
		put_cmd_digests(io, &cmd, data, 2048, 0, 1);
		tth_pump(io);
		CU_ASSERT_EQUAL(digest_response(io), NVH_ST_TRANSIENT_TRANSPORT);
		cmd = tth_rw(NVH_OPC_COMPARE, NVH_SGL_ID_IN_CAPSULE, 0, 4);
		memset(data, 0, 2048);
		put_cmd_digests(io, &cmd, data, 2048, 0, 0);
		tth_pump(io);
		CU_ASSERT_EQUAL(digest_response(io), 0); /* nothing was written */
		tth_done_io(io);
	}
	free(data);
}

static void a_wrong_header_digest_ends_the_connection(void)
{
	struct nvh_cmd cmd;
	struct wire *io;
	struct nvh_tcp_capsule_cmd pdu;

	tth_setup();
	io = digest_io();
	cmd = tth_command(NVH_OPC_FLUSH, 1, 0, 0);
	put_cmd_digests(io, &cmd, NULL, 0, 0x10, 0);
	memcpy(&pdu, io->in + io->in_len - 76, sizeof(pdu));
	tth_expect_term(io, NVH_TCP_FES_HDGST, nvhi_crc32c(&pdu, sizeof(pdu)) ^ 0x10);
	tth_done_io(io);
}

static void data_is_aligned_as_the_host_wants_it(void)
{
	uint16_t cntlid;
	struct nvh_cmd cmd;
	struct wire *io;
	const struct nvh_tcp_c2h_data *pdu;

	tth_setup();
	tth_admin = tth_open_admin(&cntlid);
	io = tth_connect_wire();
	tth_handshake(io, 31, 0, 0); /* 128 bytes */
	tth_put_connect(io, 1, cntlid, 31, 0);
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
	cmd = tth_rw(NVH_OPC_READ, NVH_SGL_ID_TRANSPORT, 0, 1);
	tth_put_cmd(io, &cmd, NULL, 0);
	tth_pump(io);
	pdu = tth_take(io, 128);
	CU_ASSERT_EQUAL(pdu->ch.pdo, 128);
	CU_ASSERT_EQUAL(nvh_le32_get(pdu->ch.plen), 128 + 512);
	tth_take(io, 512);
	CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
	tth_done_io(io);
}

/* ---- buffers -------------------------------------------------------------------------------- */

static void requests_take_turns_for_buffers(void)
{
	uint8_t *data = tth_pattern(65536, 1);
	struct tl_transport_opts opts;
	struct nvh_cmd cmd[6];
	uint16_t ttag[6];
	struct wire *io;

	tl_transport_opts_default(&opts);
	opts.num_shared_buffers = 2; /* large ones; 64 KiB needs one each */
	tth_setup_with(&opts);
	io = tth_ready_io(0, 0);
	for (int i = 0; i < 6; i++) {
		cmd[i] = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
		tth_put_cmd(io, &cmd[i], NULL, 0);
	}
	tth_pump(io);
	CU_ASSERT_EQUAL(tth_pending(io), 2 * 24);
	ttag[0] = tth_take_r2t(io, &cmd[0], 0, 65536);
	ttag[1] = tth_take_r2t(io, &cmd[1], 0, 65536);
	for (int i = 0; i < 6; i++) {
		tth_put_h2c(io, &cmd[i], ttag[i], data, 0, 65536, true);
		tth_pump(io);
		CU_ASSERT_EQUAL(tth_response(io, NULL), 0);
		if (i + 2 < 6)
			ttag[i + 2] = tth_take_r2t(io, &cmd[i + 2], 0, 65536);
	}
	CU_ASSERT_EQUAL(tth_pending(io), 0);
	/* Those that wait when their connection ends leave the line. */
	for (int i = 0; i < 6; i++)
		tth_put_cmd(io, &cmd[i], NULL, 0);
	tth_pump(io);
	free(data);
	tth_done_io(io);
}

static void one_connection_cannot_take_every_buffer(void)
{
	struct tl_transport_opts opts;
	struct nvh_cmd cmd[8], other;
	struct wire *io, *greedy, *first_admin;
	uint16_t cntlid;

	tl_transport_opts_default(&opts);
	opts.num_shared_buffers = 8;
	tth_setup_with(&opts);
	greedy = tth_ready_io(0, 0);
	for (int i = 0; i < 8; i++) {
		cmd[i] = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
		tth_put_cmd(greedy, &cmd[i], NULL, 0);
	}
	tth_pump(greedy);
	CU_ASSERT_EQUAL(tth_pending(greedy), 2 * 24); /* a quarter */
	first_admin = tth_admin;
	tth_admin = tth_open_admin(&cntlid);
	io = tth_open_io(cntlid, 0, 0);
	other = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
	tth_put_cmd(io, &other, NULL, 0);
	tth_pump(io);
	tth_take_r2t(io, &other, 0, 65536); /* overtakes those that have their share */
	tth_free_wire(greedy);
	tth_free_wire(first_admin);
	tth_done_io(io);
}

static void a_buffer_from_another_connection_sends_the_r2t_at_once(void)
{
	uint8_t *data = tth_pattern(65536, 1);
	struct tl_transport_opts opts;
	struct wire *a, *b, *first_admin;
	struct nvh_cmd cmd_a, cmd_b;
	uint16_t cntlid, ttag;

	tl_transport_opts_default(&opts);
	opts.num_shared_buffers = 1;
	opts.r2t_size = 16384; /* with MAXR2T 0 one of four at a time */
	tth_setup_with(&opts);
	a = tth_ready_io(0, 0);
	first_admin = tth_admin;
	tth_admin = tth_open_admin(&cntlid);
	b = tth_open_io(cntlid, 0, 0);
	cmd_a = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
	cmd_b = tth_rw(NVH_OPC_WRITE, NVH_SGL_ID_TRANSPORT, 0, 128);
	tth_put_cmd(a, &cmd_a, NULL, 0);
	tth_pump(a);
	tth_put_cmd(b, &cmd_b, NULL, 0);
	tth_pump(b);
	CU_ASSERT_EQUAL(tth_pending(b), 0);
	for (uint32_t at = 0; at < 65536; at += 16384) {
		ttag = tth_take_r2t(a, &cmd_a, at, 16384);
		tth_put_h2c(a, &cmd_a, ttag, data, at, 16384, true);
		tth_pump(a);
	}
	CU_ASSERT_EQUAL(tth_response(a, NULL), 0);
	tth_take_r2t(b, &cmd_b, 0, 16384);
	free(data);
	tth_free_wire(a);
	tth_free_wire(first_admin);
	tth_done_io(b);
}

NVH_UNIT_MAIN("target-lite/tcp/data", NVH_TEST(data_in_the_capsule_is_written_and_read_back),
	      NVH_TEST(success_stands_for_the_response_only_without_flow_control),
	      NVH_TEST(many_commands_in_one_segment_are_answered_in_one),
	      NVH_TEST(the_same_bytes_in_any_pieces_have_the_same_answer),
	      NVH_TEST(a_large_write_is_asked_for_and_may_come_in_pieces),
	      NVH_TEST(no_more_r2ts_are_outstanding_than_the_host_takes),
	      NVH_TEST(both_digests_are_sent_and_checked),
	      NVH_TEST(a_wrong_data_digest_fails_its_command_only),
	      NVH_TEST(a_wrong_header_digest_ends_the_connection),
	      NVH_TEST(data_is_aligned_as_the_host_wants_it),
	      NVH_TEST(requests_take_turns_for_buffers),
	      NVH_TEST(one_connection_cannot_take_every_buffer),
	      NVH_TEST(a_buffer_from_another_connection_sends_the_r2t_at_once))
