/*
 * fabric/tcp: from nothing to a live queue, and every way in which that can fail.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/tcp_fixture.h"

static const struct tq_opts admin = {.qid = 0, .entries = 32};
static const struct tq_opts io = {.qid = 3};

static void start(const struct tq_opts *opts)
{
	tq_create(opts);
	nvhi_transport_tcp.qpair_connect(tq.qpair);
	tq.wire.open_due = true;
}

/* As far as the ICReq. */
static void to_icreq(const struct tq_opts *opts)
{
	start(opts);
	tq_run();
	CU_ASSERT_EQUAL_FATAL(tq.wire.out_len, 128);
	tq.wire.out_at = 128;
}

/* As far as the Connect command; its capsule in *pdu. */
static void to_connect(const struct tq_opts *opts, struct tq_pdu *pdu)
{
	to_icreq(opts);
	tq.dgst = (opts->hdr_digest ? 1 : 0) | (opts->data_digest ? 2 : 0);
	tq_put_icresp(tq.dgst, 0, 131072);
	tq_run();
	CU_ASSERT_FATAL(tq_next(pdu));
}

static uint16_t cid_of(const struct tq_pdu *pdu)
{
	return tq_le16(pdu->hdr + 10);
}

/* The connect failed with `err` and says why with `text`. What the peer did wrong is logged here,
 * once; anything else by the owner of the queue. */
static void expect_failure(int err, const char *text)
{
	bool accused = err == -EPROTO || err == -ECONNABORTED;

	CU_ASSERT_EQUAL(tq.connected, 1);
	CU_ASSERT_EQUAL(tq.connected_err, err);
	CU_ASSERT_EQUAL(tq.lost, 0);
	CU_ASSERT_EQUAL(tq.log_lines, accused);
	CU_ASSERT_PTR_NOT_NULL(strstr(tq.why, text));
	CU_ASSERT(!accused || strstr(tq.log, text));
	if (!strstr(tq.why, text))
		printf("    \"%s\" not in \"%s\"\n", text, tq.why);
	CU_ASSERT_EQUAL(nvhi_transport_tcp.submit(tq.qpair, &(struct nvhi_req){.dir = 0}),
			-ENOTCONN);
}

/* ---- the way it goes well ---------------------------------------------------------------- */

static void the_icreq_is_as_the_specification_draws_it(void)
{
	static const uint8_t golden[16] = {0x00, 0, 128, 0, 128, 0, 0, 0, 0, 0, 0, 3, 15, 0, 0, 0};
	static const uint8_t zero[112];

	start(&(struct tq_opts){.qid = 1, .maxr2t = 16, .hdr_digest = true, .data_digest = true});
	tq_run();
	CU_ASSERT_EQUAL_FATAL(tq.wire.out_len, 128);
	CU_ASSERT_EQUAL(memcmp(tq.wire.out, golden, sizeof(golden)), 0);
	CU_ASSERT_EQUAL(memcmp(tq.wire.out + 16, zero, sizeof(zero)), 0);
	tq_destroy();

	start(&io); /* by default one R2T a command: MAXR2T 0 */
	tq_run();
	CU_ASSERT_EQUAL(tq_le32(tq.wire.out + 12), 0);
	CU_ASSERT_EQUAL(tq.wire.out[11], 0);
	tq_destroy();
}

static void the_admin_connect_asks_for_any_controller(void)
{
	struct tq_pdu pdu;

	to_connect(&admin, &pdu);
	CU_ASSERT_EQUAL(pdu.type, 0x04);
	CU_ASSERT_EQUAL(pdu.hdr[8], 0x7f);
	CU_ASSERT_EQUAL(pdu.hdr[8 + 4], 0x01);
	CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8 + 42), 0);
	CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8 + 44), 31);
	CU_ASSERT_EQUAL(pdu.hdr[8 + 46], 0);
	CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 8 + 48), 5000);
	CU_ASSERT_EQUAL_FATAL(pdu.data_len, 1024);
	CU_ASSERT_EQUAL(tq_le16(pdu.data + 16), 0xffff);
	CU_ASSERT_STRING_EQUAL((const char *)pdu.data + 256, "nqn.2016-06.io.spdk:cnode1");
	CU_ASSERT_STRING_EQUAL((const char *)pdu.data + 512, "nqn.2014-08.org:host");
	tq.tctrlr->cntlid = 0;
	tq_put_cpl(cid_of(&pdu), 0, 42, 1);
	tq_run();
	CU_ASSERT_EQUAL(tq.connected, 1);
	CU_ASSERT_EQUAL(tq.connected_err, 0);
	CU_ASSERT_EQUAL(tq.tctrlr->cntlid, 42);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(reactor), NVHI_NEVER);
	tq_destroy();
}

static void an_io_connect_names_its_controller(void)
{
	struct tq_pdu pdu;

	to_connect(&(struct tq_opts){.qid = 3, .disable_sqflow = true}, &pdu);
	CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8 + 42), 3);
	CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8 + 44), 127);
	CU_ASSERT_EQUAL(pdu.hdr[8 + 46], 0x04);
	CU_ASSERT_EQUAL(tq_le32(pdu.hdr + 8 + 48), 0);
	CU_ASSERT_EQUAL_FATAL(pdu.data_len, 1024);
	CU_ASSERT_EQUAL(tq_le16(pdu.data + 16), 7);
	tq_put_cpl(cid_of(&pdu), 0, 7, 0xffff);
	tq_run();
	CU_ASSERT_EQUAL(tq.connected_err, 0);
	CU_ASSERT_EQUAL(tq.tctrlr->cntlid, 7);
	tq_destroy();
}

static void a_handshake_that_comes_byte_by_byte_goes_well(void)
{
	static const struct tq_opts both = {.qid = 1, .hdr_digest = true, .data_digest = true};
	struct tq_pdu pdu;

	start(&both);
	tq.wire.step = 1;
	tq_run();
	tq.wire.out_at = 128;
	tq.dgst = 3;
	tq_put_icresp(3, 0, 4096);
	tq_run();
	CU_ASSERT_FATAL(tq_next(&pdu));
	tq_put_cpl(cid_of(&pdu), 0, 7, 1);
	tq_run();
	CU_ASSERT_EQUAL(tq.connected, 1);
	CU_ASSERT_EQUAL(tq.connected_err, 0);
	tq_destroy();
}

static void a_handshake_through_a_narrow_wire_goes_well(void)
{
	struct tq_pdu pdu;

	start(&io);
	tq.wire.room = 0;
	for (int i = 0; i < 128; i++) {
		tq_run();
		CU_ASSERT_EQUAL(tq.wire.out_len, (size_t)i);
		tq.wire.room = 1;
	}
	tq_run();
	tq.wire.out_at = 128;
	tq_put_icresp(0, 0, 131072);
	tq.wire.room = 1000;
	tq_run();
	CU_ASSERT_FALSE(tq_next(&pdu));
	tq.wire.room = SIZE_MAX;
	tq_run();
	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.plen, 72 + 1024);
	tq_put_cpl(cid_of(&pdu), 0, 7, 1);
	tq_run();
	CU_ASSERT_EQUAL(tq.connected_err, 0);
	tq_destroy();
}

static void the_connection_is_made_the_way_the_user_asked(void)
{
	const struct sockaddr_in *local = (const struct sockaddr_in *)&tq.connect_opts.local;

	start(&(struct tq_opts){
		.qid = 1, .host_traddr = "127.0.0.9", .host_iface = "lo", .tos = 0x28});
	CU_ASSERT_EQUAL(tq.connect_opts.local_len, sizeof(*local));
	CU_ASSERT_EQUAL(local->sin_family, AF_INET);
	CU_ASSERT_EQUAL(ntohl(local->sin_addr.s_addr), 0x7f000009);
	CU_ASSERT_EQUAL(local->sin_port, 0);
	CU_ASSERT_STRING_EQUAL(tq.connect_opts.iface, "lo");
	CU_ASSERT_EQUAL(tq.connect_opts.tos, 0x28);
	tq_destroy();
	start(&io);
	CU_ASSERT_EQUAL(tq.connect_opts.local_len, 0);
	CU_ASSERT_STRING_EQUAL(tq.connect_opts.iface, "");
	CU_ASSERT_EQUAL(tq.connect_opts.tos, -1);
	tq_destroy();
}

/* ---- no connection ----------------------------------------------------------------------- */

static void a_refused_connection_is_told(void)
{
	start(&io);
	tq.wire.refuse = true;
	tq_run();
	expect_failure(-ECONNREFUSED, "Connection refused");
	tq_destroy();
}

static void a_connect_that_cannot_begin_is_told_later_not_inside(void)
{
	tq_create(&io);
	tq.connect_error = -ENETUNREACH;
	nvhi_transport_tcp.qpair_connect(tq.qpair);
	CU_ASSERT_EQUAL(tq.connected, 0);
	tq_run();
	expect_failure(-ENETUNREACH, "Network is unreachable");
	tq_destroy();
}

static void every_step_has_its_deadline(void)
{
	struct tq_pdu pdu;

	start(&io);
	tq.wire.open_due = false;
	tq_pass(2999);
	CU_ASSERT_EQUAL(tq.connected, 0);
	tq_pass(2);
	expect_failure(-ETIMEDOUT, "no connection within 3000 ms");
	CU_ASSERT(tq.wire.closed && tq.wire.aborted);
	tq_destroy();

	to_icreq(&io);
	tq_put("\x01\x00\x80\x00", 4); /* half a common header */
	tq_pass(2999);
	CU_ASSERT_EQUAL(tq.connected, 0);
	tq_pass(2);
	expect_failure(-ETIMEDOUT, "no ICResp within 3000 ms");
	CU_ASSERT(tq.wire.closed && tq.wire.aborted);
	tq_destroy();

	to_connect(&io, &pdu);
	tq_pass(3001);
	expect_failure(-ETIMEDOUT, "no answer to the Connect command within 3000 ms");
	CU_ASSERT_FALSE(tq.connected_cpl);
	tq_destroy();
}

static void an_answer_that_waited_for_us_is_in_time(void)
{
	struct tq_pdu pdu;

	to_icreq(&io);
	tq_put_icresp(0, 0, 131072);
	sim.time += 3600 * NVHI_NSEC_PER_SEC;
	tq_run();
	CU_ASSERT_FATAL(tq_next(&pdu));
	tq_put_cpl(cid_of(&pdu), 0, 7, 1);
	sim.time += 3600 * NVHI_NSEC_PER_SEC;
	tq_run();
	CU_ASSERT_EQUAL(tq.connected, 1);
	CU_ASSERT_EQUAL(tq.connected_err, 0);
	tq_destroy();
}

static void one_byte_a_second_does_not_extend_the_deadline(void)
{
	start(&io);
	tq_run();
	for (int i = 0; i < 4 && !tq.connected; i++) {
		tq_put(&"\x01\x00\x80\x00"[i], 1);
		tq_pass(1000);
	}
	expect_failure(-ETIMEDOUT, "no ICResp");
	tq_destroy();
}

static void a_peer_that_closes_in_any_step_is_told(void)
{
	struct tq_pdu pdu;

	to_icreq(&io);
	tq.wire.eof = true;
	tq_run();
	expect_failure(-ECONNRESET, "the controller closed the connection");
	tq_destroy();

	to_icreq(&io);
	tq_put("\x01\x00", 2);
	tq.wire.eof = true;
	tq_run();
	expect_failure(-ECONNRESET, "closed");
	tq_destroy();

	to_connect(&io, &pdu);
	tq.wire.eof = true;
	tq_run();
	expect_failure(-ECONNRESET, "closed");
	tq_destroy();
}

/* ---- ICResp ------------------------------------------------------------------------------ */

static void digests_must_be_as_asked(void)
{
	to_icreq(&(struct tq_opts){.qid = 1, .hdr_digest = true});
	tq_put_icresp(0, 0, 131072);
	tq_run();
	expect_failure(-EOPNOTSUPP, "does not do header digests (connect without --hdr-digest)");
	tq_destroy();

	to_icreq(&(struct tq_opts){.qid = 1, .hdr_digest = true, .data_digest = true});
	tq_put_icresp(1, 0, 131072);
	tq_run();
	expect_failure(-EOPNOTSUPP, "does not do data digests (connect without --data-digest)");
	tq_destroy();

	to_icreq(&io);
	tq_put_icresp(2, 0, 131072);
	tq_run();
	expect_failure(-EPROTO, "DGST 2");
	tq_destroy();
}

static void a_bad_icresp_is_named_and_answered_with_a_termreq(void)
{
	static const struct {
		uint8_t at, value;
		const char *field;
		uint8_t fes;
	} bad[] = {
		{0, 0x05, "PDU type 5", 2},  {0, 0x33, "PDU type 51", 1},
		{0, 0x00, "PDU type 0", 2},  {2, 127, "HLEN 127", 1},
		{4, 129, "PLEN 129", 1},     {7, 255, "PLEN", 1},
		{8, 1, "PFV 1", 6},          {10, 32, "CPDA 32", 1},
		{13, 0x0f, "MAXH2CDATA", 1}, {12, 1, "MAXH2CDATA", 1},
	};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(bad); i++) {
		struct tq_pdu pdu;

		to_icreq(&io);
		tq_put_icresp(0, 0, 4096);
		tq.wire.in[bad[i].at] = bad[i].value;
		tq_run();
		expect_failure(-EPROTO, bad[i].field);
		CU_ASSERT_FATAL(tq_next(&pdu));
		CU_ASSERT_EQUAL(pdu.type, 0x02);
		CU_ASSERT_EQUAL(tq_le16(pdu.hdr + 8), bad[i].fes);
		CU_ASSERT_FALSE(tq.wire.closed); /* the peer shall read it */
		tq_pass(1001);
		CU_ASSERT(tq.wire.closed && tq.wire.aborted);
		tq_destroy();
	}
}

static void the_peers_end_ends_the_wait_after_a_termreq(void)
{
	to_icreq(&io);
	tq_put("\x05\x00\x18\x00\x18\x00\x00\x00", 8);
	tq_run();
	expect_failure(-EPROTO, "PDU type");
	CU_ASSERT_FALSE(tq.wire.closed);
	tq_put("more, ignored", 13);
	tq_run();
	CU_ASSERT_FALSE(tq.wire.closed);
	tq.wire.eof = true;
	tq_run();
	CU_ASSERT(tq.wire.closed);
	tq_destroy();
}

static void a_second_icresp_is_an_error(void)
{
	struct tq_pdu pdu;

	to_connect(&io, &pdu);
	tq_put_icresp(0, 0, 131072);
	tq_run();
	expect_failure(-EPROTO, "PDU type 1 came after the connection was initialized");
	tq_destroy();
}

/* ---- Connect ----------------------------------------------------------------------------- */

static void a_refused_connect_says_what_the_controller_means(void)
{
	static const struct {
		uint16_t status;
		uint32_t dw0;
		int err;
		const char *text;
	} refusals[] = {
		{0x184, 0, -EACCES,
		 "invalid host NQN: not in the allow list of nqn.2016-06.io.spdk:cnode1"},
		{0x182, 0x10100, -ENOENT,
		 "no subsystem nqn.2016-06.io.spdk:cnode1 at this address"},
		{0x182, 0x10200, -EACCES, "refuses the host NQN nqn.2014-08.org:host"},
		{0x182, 0x10010, -EINVAL, "refuses CNTLID of the Connect data (offset 16)"},
		{0x182, 0x10000, -EINVAL, "refuses HOSTID of the Connect data"},
		{0x182, 42, -EINVAL, "refuses QID of the Connect command (offset 42)"},
		{0x182, 45, -EINVAL, "refuses SQSIZE of the Connect command"},
		{0x182, 60, -EINVAL, "refuses a field of the Connect command (offset 60)"},
		{0x181, 0, -EBUSY, "busy"},
		{0x180, 0, -EPROTO, "Connect Incompatible Format (SCT 1 SC 80)"},
		{0x191, 0, -EACCES, "authentication"},
		{0x006, 0, -EPROTO, "Internal Error (SCT 0 SC 06)"},
		{0, 0x00020007, -EACCES, "authentication"},
	};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(refusals); i++) {
		struct tq_pdu pdu;

		to_connect(&admin, &pdu);
		tq_put_cpl(cid_of(&pdu), refusals[i].status, refusals[i].dw0, 1);
		tq_run();
		expect_failure(refusals[i].err, refusals[i].text);
		CU_ASSERT(tq.connected_cpl);
		CU_ASSERT(tq.wire.closed);
		tq_destroy();
	}
}

static void a_controller_id_beyond_the_last_is_refused(void)
{
	struct tq_pdu pdu;

	to_connect(&admin, &pdu);
	tq_put_cpl(cid_of(&pdu), 0, 0xffff, 1);
	tq_run();
	expect_failure(-EPROTO, "CNTLID 0xffff");
	tq_destroy();
}

static void an_answer_to_another_cid_ends_the_handshake(void)
{
	struct tq_pdu pdu;

	to_connect(&io, &pdu);
	tq_put_cpl((uint16_t)(cid_of(&pdu) + 1), 0, 7, 1);
	tq_run();
	expect_failure(-EPROTO, "names no outstanding command");
	tq_destroy();
}

static void flow_control_is_off_only_when_both_agree(void)
{
	struct tq_pdu pdu;

	to_connect(&io, &pdu); /* not asked for: FFFFh is no head pointer */
	tq_put_cpl(cid_of(&pdu), 0, 7, 0xffff);
	tq_run();
	expect_failure(-EPROTO, "SQHD 65535");
	tq_destroy();

	to_connect(&(struct tq_opts){.qid = 1, .disable_sqflow = true}, &pdu);
	tq_put_cpl(cid_of(&pdu), 0, 7, 1); /* asked for, not granted */
	tq_run();
	CU_ASSERT_EQUAL(tq.connected_err, 0);
	tq_destroy();
}

/* ---- poverty, and giving up half way ----------------------------------------------------- */

static int make_and_free(void *arg)
{
	struct nvhi_tctrlr_opts opts = tq.tctrlr->opts;
	struct nvhi_qpair_opts qopts = {.reactor = reactor, .qid = 1, .entries = 128};
	struct nvhi_tctrlr *tctrlr;
	struct nvhi_qpair *qpair;
	int err = nvhi_transport_tcp.tctrlr_open(&opts, &tctrlr);

	(void)arg;
	if (err)
		return err;
	err = nvhi_transport_tcp.qpair_create(tctrlr, &qopts, &qpair);
	if (!err)
		nvhi_transport_tcp.qpair_destroy(qpair);
	nvhi_transport_tcp.tctrlr_close(tctrlr);
	return err;
}

static void no_allocation_failure_leaks(void)
{
	tq_create(&io);
	CU_ASSERT(nvh_alloc_walk(make_and_free, NULL, false) >= 5);
	tq_destroy();
}

static void options_that_are_not_for_tcp_are_refused(void)
{
	struct nvhi_qpair_opts qopts = {.qid = 1, .entries = 1};
	struct nvhi_tctrlr_opts opts;
	struct nvhi_tctrlr *tctrlr;
	struct nvhi_qpair *qpair;

	tq_create(&io);
	opts = tq.tctrlr->opts;
	opts.addr.trtype = NVH_TRTYPE_RDMA;
	CU_ASSERT_EQUAL(nvhi_transport_tcp.tctrlr_open(&opts, &tctrlr), -EINVAL);
	qopts.reactor = reactor;
	CU_ASSERT_EQUAL(nvhi_transport_tcp.qpair_create(tq.tctrlr, &qopts, &qpair), -EINVAL);
	qopts.entries = 1025;
	CU_ASSERT_EQUAL(nvhi_transport_tcp.qpair_create(tq.tctrlr, &qopts, &qpair), -EINVAL);
	CU_ASSERT_PTR_EQUAL(nvhi_transport_by_type(NVH_TRTYPE_TCP), &nvhi_transport_tcp);
	CU_ASSERT_PTR_NULL(nvhi_transport_by_type(NVH_TRTYPE_FC));
	tq_destroy();
}

static void revoke_is_allowed_in_every_step(void)
{
	struct tq_pdu pdu;

	tq_create(&io); /* new */
	tq_destroy();
	start(&io); /* connecting */
	tq_destroy();
	to_icreq(&io);
	tq_destroy();
	to_connect(&io, &pdu);
	nvhi_transport_tcp.revoke(tq.qpair);
	CU_ASSERT(tq.wire.closed && tq.wire.aborted);
	tq_run();
	CU_ASSERT_EQUAL(tq.connected, 0); /* revoked is all that is told */
	CU_ASSERT_EQUAL(tq.revoked, 1);
	tq_destroy();
	tq_live(&io);
	tq_destroy();
}

NVH_UNIT_MAIN("fabric/tcp handshake", NVH_TEST(the_icreq_is_as_the_specification_draws_it),
	      NVH_TEST(the_admin_connect_asks_for_any_controller),
	      NVH_TEST(an_io_connect_names_its_controller),
	      NVH_TEST(a_handshake_that_comes_byte_by_byte_goes_well),
	      NVH_TEST(a_handshake_through_a_narrow_wire_goes_well),
	      NVH_TEST(the_connection_is_made_the_way_the_user_asked),
	      NVH_TEST(a_refused_connection_is_told),
	      NVH_TEST(a_connect_that_cannot_begin_is_told_later_not_inside),
	      NVH_TEST(every_step_has_its_deadline),
	      NVH_TEST(an_answer_that_waited_for_us_is_in_time),
	      NVH_TEST(one_byte_a_second_does_not_extend_the_deadline),
	      NVH_TEST(a_peer_that_closes_in_any_step_is_told), NVH_TEST(digests_must_be_as_asked),
	      NVH_TEST(a_bad_icresp_is_named_and_answered_with_a_termreq),
	      NVH_TEST(the_peers_end_ends_the_wait_after_a_termreq),
	      NVH_TEST(a_second_icresp_is_an_error),
	      NVH_TEST(a_refused_connect_says_what_the_controller_means),
	      NVH_TEST(a_controller_id_beyond_the_last_is_refused),
	      NVH_TEST(an_answer_to_another_cid_ends_the_handshake),
	      NVH_TEST(flow_control_is_off_only_when_both_agree),
	      NVH_TEST(no_allocation_failure_leaks),
	      NVH_TEST(options_that_are_not_for_tcp_are_refused),
	      NVH_TEST(revoke_is_allowed_in_every_step))
