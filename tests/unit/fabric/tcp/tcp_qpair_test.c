/*
 * fabric/tcp: loss, revoke and deadlines of a live queue; what may be called from where.
 */
#include <errno.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

#define LAST 0x04

static const struct tq_opts io = {.qid = 1, .disable_sqflow = true};
static uint8_t buf[1 << 17], data[1 << 17];

static void a_loss_is_told_once_and_keeps_the_requests_lent(void)
{
	struct fake_req r, late;

	tq_live(&io);
	tq_read(&r, buf, 4096);
	tq_submit(&r);
	tq_run();
	tq.wire.eof = true;
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_EQUAL(tq.lost_err, -ECONNRESET);
	CU_ASSERT_STRING_EQUAL(tq.why, "the controller closed the connection");
	CU_ASSERT_EQUAL(tq.log_lines, 0); /* the owner of the queue says it */
	CU_ASSERT_EQUAL(r.done, 0);
	CU_ASSERT_EQUAL(tq.qpair->inflight, 1);
	tq_flush(&late);
	CU_ASSERT_EQUAL(nvhi_transport_tcp.submit(tq.qpair, &late.req), -ENOTCONN);
	nvhi_transport_tcp.revoke(tq.qpair);
	CU_ASSERT_EQUAL(r.done, 0); /* not inside revoke either */
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(r.err, -ECONNRESET);
	CU_ASSERT(r.req.sent);
	CU_ASSERT_EQUAL(tq.revoked, 1);
	CU_ASSERT_EQUAL(tq.lost, 1);
	tq_destroy();
}

static void a_failing_send_is_a_loss(void)
{
	struct fake_req r;

	tq_live(&io);
	tq.wire.write_error = -EPIPE;
	tq_flush(&r);
	tq_submit(&r);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_EQUAL(tq.lost_err, -EPIPE);
	tq_destroy();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_FALSE(r.req.sent);
}

static void a_hangup_without_a_byte_to_read_is_a_loss(void)
{
	tq_live(&io);
	tq.wire.stream.error = -EHOSTUNREACH;
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_HANGUP);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_EQUAL(tq.lost_err, -EHOSTUNREACH);
	CU_ASSERT(tq.wire.closed);
	tq_destroy();

	tq_live(&io); /* while the TermReq lingers */
	tq_put_cpl(0x7fff, 0, 0, 0);
	tq_run();
	CU_ASSERT_FALSE(tq.wire.closed);
	tq.wire.stream.error = -ECONNRESET;
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_HANGUP);
	CU_ASSERT(tq.wire.closed);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost_err, -EPROTO);
	tq_destroy();
}

static void after_revoke_no_byte_reaches_the_peer(void)
{
	static struct fake_req r[20];
	size_t before;

	/* queued in this turn, not yet sent */
	tq_live(&io);
	before = tq.wire.out_len;
	for (int i = 0; i < 20; i++) {
		tq_write(&r[i], buf, 4096);
		tq_submit(&r[i]);
	}
	nvhi_transport_tcp.revoke(tq.qpair);
	CU_ASSERT(tq.wire.closed && tq.wire.aborted);
	tq_run();
	CU_ASSERT_EQUAL(tq.wire.out_len, before);
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(r[i].done, 1);
		CU_ASSERT_EQUAL(r[i].err, -ECANCELED);
		CU_ASSERT_FALSE(r[i].req.sent);
	}
	tq_destroy();

	/* half sent: the wire was full */
	tq_live(&io);
	tq.wire.room = 5000;
	for (int i = 0; i < 20; i++) {
		tq_write(&r[i], buf, 4096);
		tq_submit(&r[i]);
	}
	tq_run();
	before = tq.wire.out_len;
	tq.wire.room = SIZE_MAX;
	nvhi_transport_tcp.revoke(tq.qpair);
	tq_run();
	CU_ASSERT_EQUAL(tq.wire.out_len, before);
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(r[i].done, 1);
		CU_ASSERT_EQUAL(r[i].req.sent, i < 2); /* 4,168 bytes each, 5,000 left */
	}
	tq_destroy();
}

static void an_r2t_just_answered_is_not_sent_after_revoke(void)
{
	struct fake_req w;
	size_t before;

	tq_live(&io);
	tq_write(&w, buf, 65536);
	tq_submit(&w);
	tq_run();
	before = tq.wire.out_len;
	tq_put_r2t(tq_next_cid(), 1, 0, 65536);
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_READABLE); /* queued for the turn's end */
	nvhi_transport_tcp.revoke(tq.qpair);
	tq_run();
	CU_ASSERT_EQUAL(tq.wire.out_len, before);
	CU_ASSERT_EQUAL(w.done, 1);
	tq_destroy();
}

static void payload_half_arrived_is_not_touched_after_revoke(void)
{
	struct fake_req r;

	tq_live(&io);
	memset(buf, 0, 65536);
	tq_read(&r, buf, 65536);
	tq_submit(&r);
	tq_run();
	memset(data, 0x77, 65536);
	tq_put_c2h(tq_next_cid(), 0, data, 65536, LAST);
	tq.wire.in_len -= 30000;
	tq_run();
	nvhi_transport_tcp.revoke(tq.qpair);
	tq.wire.in_len += 30000;
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(buf[35535], 0x77);
	CU_ASSERT_EQUAL(buf[35536], 0);
	tq_destroy();
}

/* ---- from callbacks ---------------------------------------------------------------------- */

static void revoke_from_done(struct fake_req *freq)
{
	(void)freq;
	if (!tq.wire.closed)
		nvhi_transport_tcp.revoke(tq.qpair);
}

static void revoke_may_be_called_from_done(void)
{
	static struct fake_req r[8];

	tq_live(&io);
	for (int i = 0; i < 8; i++) {
		tq_read(&r[i], buf, 512);
		if (i == 2)
			r[i].then = revoke_from_done;
		tq_submit(&r[i]);
	}
	tq_run();
	for (int i = 0; i < 8; i++) { /* all in one stretch of bytes */
		uint16_t cid = tq_next_cid();

		tq_put_c2h(cid, 0, data, 512, LAST);
		tq_put_cpl(cid, 0, 0, 0);
	}
	tq_run();
	CU_ASSERT_EQUAL(tq.revoked, 1);
	CU_ASSERT_EQUAL(tq.lost, 0);
	for (int i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(r[i].done, 1);
		CU_ASSERT_EQUAL(r[i].err, i <= 2 ? 0 : -ECANCELED);
	}
	tq_destroy();
}

static void submit_from_done(struct fake_req *freq)
{
	if (freq->done < 100)
		CU_ASSERT_EQUAL(nvhi_transport_tcp.submit(tq.qpair, &freq->req), 0);
}

static void submit_may_be_called_from_done(void)
{
	struct fake_req r;
	unsigned int writes;

	tq_live(&io);
	tq_read(&r, buf, 512);
	r.then = submit_from_done;
	tq_submit(&r);
	tq_run();
	writes = tq.wire.writes;
	for (int i = 0; i < 100; i++) {
		uint16_t cid = tq_next_cid();

		tq_put_c2h(cid, 0, data, 512, LAST | 0x08);
		tq_run();
	}
	CU_ASSERT_EQUAL(r.done, 100);
	CU_ASSERT_EQUAL(tq.wire.writes, writes + 99);
	tq_destroy();
}

static int submit_result;

static void submit_while_given_back(struct fake_req *freq)
{
	submit_result = nvhi_transport_tcp.submit(tq.qpair, &freq->req);
}

static void a_request_given_back_cannot_be_lent_again_there(void)
{
	struct fake_req r;

	tq_live(&io);
	tq_flush(&r);
	r.then = submit_while_given_back;
	tq_submit(&r);
	tq_destroy();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(submit_result, -ENOTCONN);
}

static void revoke_may_be_called_from_lost(void)
{
	struct fake_req r;

	tq_live(&io);
	tq.revoke_when_lost = true;
	tq_flush(&r);
	tq_submit(&r);
	tq_run();
	tq_put_cpl(0x7fff, 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	CU_ASSERT_EQUAL(tq.revoked, 1);
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(r.err, -EPROTO);
	tq_destroy();
}

static void a_loss_found_while_revoking_is_not_told(void)
{
	struct fake_req r;

	tq_live(&io);
	tq_flush(&r);
	tq_submit(&r);
	tq_run();
	tq_put_cpl(0x7fff, 0, 0, 0);
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_READABLE);
	nvhi_transport_tcp.revoke(tq.qpair);
	tq_run();
	CU_ASSERT_EQUAL(tq.revoked, 1);
	CU_ASSERT_EQUAL(tq.lost, 0);
	tq_destroy();
}

/* ---- a PDU midway ------------------------------------------------------------------------ */

static void a_pdu_that_stops_half_way_ends_by_its_deadline(void)
{
	for (size_t cut = 1; cut < 24 + 512; cut += 37) {
		struct fake_req r;

		tq_live(&io);
		tq_read(&r, buf, 512);
		tq_submit(&r);
		tq_run();
		tq_put_c2h(tq_next_cid(), 0, data, 512, LAST);
		tq.wire.in_len -= 24 + 512 - cut;
		tq_pass(9999);
		CU_ASSERT_EQUAL(tq.lost, 0);
		tq_pass(2);
		CU_ASSERT_EQUAL(tq.lost, 1);
		CU_ASSERT_EQUAL(tq.lost_err, -ETIMEDOUT);
		CU_ASSERT_PTR_NOT_NULL(strstr(tq.why, "stopped half way"));
		tq_destroy();
		CU_ASSERT_EQUAL(r.err, -ETIMEDOUT);
	}
}

static void one_byte_a_second_is_not_progress(void)
{
	struct fake_req r;
	size_t all;

	tq_live(&io);
	tq_read(&r, buf, 512);
	tq_submit(&r);
	tq_run();
	tq_put_c2h(tq_next_cid(), 0, data, 512, LAST);
	all = tq.wire.in_len;
	tq.wire.in_len = tq.wire.in_at;
	for (int i = 0; i < 12 && !tq.lost; i++) {
		tq.wire.in_len++;
		tq_pass(1000);
	}
	CU_ASSERT(tq.wire.in_len < all);
	CU_ASSERT_EQUAL(tq.lost, 1);
	tq_destroy();
}

static void a_slow_link_is_not_a_dead_one(void)
{
	struct fake_req r;
	size_t all;

	tq_live(&io);
	tq_read(&r, buf, 1 << 17);
	tq_submit(&r);
	tq_run();
	tq_put_c2h(tq_next_cid(), 0, data, 1 << 17, LAST | 0x08);
	all = tq.wire.in_len;
	tq.wire.in_len = tq.wire.in_at;
	while (tq.wire.in_len < all) { /* 128 KiB in 19 s */
		tq.wire.in_len += all - tq.wire.in_len < 7000 ? all - tq.wire.in_len : 7000;
		tq_pass(1000);
	}
	CU_ASSERT_EQUAL(tq.lost, 0);
	CU_ASSERT_EQUAL(r.done, 1);
	tq_destroy();
}

static void a_host_that_stood_still_looks_before_it_judges(void)
{
	struct fake_req r;
	size_t all;

	tq_live(&io);
	tq_read(&r, buf, 512);
	tq_submit(&r);
	tq_run();
	tq_put_c2h(tq_next_cid(), 0, data, 512, LAST | 0x08);
	all = tq.wire.in_len;
	tq.wire.in_len -= 100;
	tq_run();
	tq.wire.in_len = all; /* it came in time, but nobody looked */
	sim.time += 60 * NVHI_NSEC_PER_SEC;
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 0);
	CU_ASSERT_EQUAL(r.done, 1);
	tq_destroy();
}

static void a_quiet_queue_has_no_deadline(void)
{
	struct fake_req r;

	tq_live(&io);
	tq_flush(&r);
	tq_submit(&r);
	tq_pass(3600 * 1000);
	CU_ASSERT_EQUAL(tq.lost, 0);
	tq_put_cpl(tq_next_cid(), 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	CU_ASSERT_EQUAL(tq.qpair->last_rx_ns, sim.time);
	tq_destroy();
}

static void times_are_the_reactors(void)
{
	struct fake_req r;

	tq_live(&io);
	tq_pass(500);
	tq_flush(&r);
	tq_submit(&r);
	CU_ASSERT_EQUAL(r.req.submit_ns, nvhi_reactor_now(reactor));
	CU_ASSERT(tq.qpair->last_rx_ns < r.req.submit_ns);
	tq_destroy();
}

static void what_there_is_no_connection_for_is_said(void)
{
	struct nvhi_stream_info info;
	char local[32] = "x", peer[32] = "x";

	tq_create(&io);
	CU_ASSERT_EQUAL(nvhi_transport_tcp.info(tq.qpair, &info), -ENOTCONN);
	nvhi_transport_tcp.names(tq.qpair, local, sizeof(local), peer, sizeof(peer));
	CU_ASSERT_STRING_EQUAL(local, "");
	CU_ASSERT_STRING_EQUAL(peer, "");
	tq_destroy();

	tq_live(&io);
	CU_ASSERT_EQUAL(nvhi_transport_tcp.info(tq.qpair, &info), -EOPNOTSUPP);
	nvhi_transport_tcp.names(tq.qpair, local, sizeof(local), peer, sizeof(peer));
	CU_ASSERT_STRING_EQUAL(local, "here");
	CU_ASSERT_STRING_EQUAL(peer, "there");
	CU_ASSERT_STRING_EQUAL(tq.qpair->name, "nvh0/q1");
	tq_destroy();
}

static void any_memory_will_do(void)
{
	tq_create(&io);
	CU_ASSERT_EQUAL(nvhi_transport_tcp.mem_register(tq.tctrlr, buf, sizeof(buf)), 0);
	nvhi_transport_tcp.mem_unregister(tq.tctrlr, buf, sizeof(buf));
	tq_destroy();
}

NVH_UNIT_MAIN("fabric/tcp qpair", NVH_TEST(a_loss_is_told_once_and_keeps_the_requests_lent),
	      NVH_TEST(a_failing_send_is_a_loss),
	      NVH_TEST(a_hangup_without_a_byte_to_read_is_a_loss),
	      NVH_TEST(after_revoke_no_byte_reaches_the_peer),
	      NVH_TEST(an_r2t_just_answered_is_not_sent_after_revoke),
	      NVH_TEST(payload_half_arrived_is_not_touched_after_revoke),
	      NVH_TEST(revoke_may_be_called_from_done), NVH_TEST(submit_may_be_called_from_done),
	      NVH_TEST(a_request_given_back_cannot_be_lent_again_there),
	      NVH_TEST(revoke_may_be_called_from_lost),
	      NVH_TEST(a_loss_found_while_revoking_is_not_told),
	      NVH_TEST(a_pdu_that_stops_half_way_ends_by_its_deadline),
	      NVH_TEST(one_byte_a_second_is_not_progress), NVH_TEST(a_slow_link_is_not_a_dead_one),
	      NVH_TEST(a_host_that_stood_still_looks_before_it_judges),
	      NVH_TEST(a_quiet_queue_has_no_deadline), NVH_TEST(times_are_the_reactors),
	      NVH_TEST(what_there_is_no_connection_for_is_said), NVH_TEST(any_memory_will_do))
