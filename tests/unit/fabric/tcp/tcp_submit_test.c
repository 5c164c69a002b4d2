/*
 * fabric/tcp: slots and CIDs, answers that overtake our data, SQ flow control.
 */
#include <errno.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "tests/unit/tcp_fixture.h"

static const struct tq_opts io = {.qid = 1, .disable_sqflow = true};
static uint8_t buf[1 << 16];

static void a_full_queue_says_so_and_takes_again_after_a_completion(void)
{
	static struct fake_req r[32];
	uint16_t first;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 32, .disable_sqflow = true});
	CU_ASSERT_EQUAL(tq.qpair->depth, 31);
	for (int i = 0; i < 32; i++)
		tq_flush(&r[i]);
	for (int i = 0; i < 31; i++)
		tq_submit(&r[i]);
	CU_ASSERT_EQUAL(tq.qpair->inflight, 31);
	CU_ASSERT_EQUAL(nvhi_transport_tcp.submit(tq.qpair, &r[31].req), -EAGAIN);
	tq_run();
	first = tq_next_cid();
	tq_put_cpl(first, 0, 0, 0);
	tq_run();
	tq_submit(&r[31]);
	tq_destroy();
	CU_ASSERT_EQUAL(r[0].done, 1);
	CU_ASSERT_EQUAL(r[31].err, -ECANCELED);
}

static void io_queues_are_polled_only_while_commands_are_outstanding(void)
{
	struct fake_req r;

	tq_live(&io);
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_READABLE);
	CU_ASSERT_FALSE(tq.wire.eager);
	tq_flush(&r);
	tq_submit(&r);
	CU_ASSERT(tq.wire.eager);
	tq_run();
	tq_put_cpl(tq_next_cid(), 0, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1);
	/* the reactor's next guess finds nothing */
	tq.wire.stream.on_event(&tq.wire.stream, NVHI_READABLE);
	CU_ASSERT_FALSE(tq.wire.eager);
	tq_destroy();
}

static void submit_again(struct fake_req *freq)
{
	if (freq->done < 1000)
		CU_ASSERT_EQUAL(nvhi_transport_tcp.submit(tq.qpair, &freq->req), 0);
}

static void a_slot_never_repeats_a_cid_at_once_and_never_uses_ffff(void)
{
	struct fake_req r;
	uint16_t last = 0xffff;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 2, .disable_sqflow = true});
	tq_flush(&r);
	r.then = submit_again;
	tq_submit(&r);
	for (int i = 0; i < 1000; i++) {
		uint16_t cid;

		tq_run();
		cid = tq_next_cid();
		CU_ASSERT_NOT_EQUAL(cid, last);
		CU_ASSERT_NOT_EQUAL(cid, 0xffff);
		last = cid;
		tq_put_cpl(cid, 0, 0, 0);
	}
	tq_run();
	CU_ASSERT_EQUAL(r.done, 1000);
	tq_destroy();
}

/* ---- an answer that overtakes our data --------------------------------------------------- */

static void an_early_error_waits_for_the_bytes_on_the_wire(void)
{
	struct fake_req w;
	struct tq_pdu pdu;
	uint16_t cid;

	tq_live(&(struct tq_opts){.qid = 1, .disable_sqflow = true, .maxr2t = 2});
	tq_fill(buf, 65536, 6);
	tq_write(&w, buf, 65536);
	tq_submit(&w);
	tq_run();
	cid = tq_next_cid();
	tq.wire.room = 1000;
	tq_put_r2t(cid, 1, 0, 32768);
	tq_run();
	tq_put_r2t(cid, 2, 32768, 32768);
	tq_put_cpl(cid, 0x0280, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 0); /* the caller's memory is still being sent */
	tq.wire.room = SIZE_MAX;
	tq_run();
	CU_ASSERT_EQUAL(w.done, 1);
	CU_ASSERT_EQUAL(nvh_cpl_code(&w.cpl), NVH_ST_WRITE_FAULT);
	CU_ASSERT_FATAL(tq_next(&pdu));
	CU_ASSERT_EQUAL(pdu.data_len, 32768);
	CU_ASSERT(tq_filled(pdu.data, 32768, 6));
	CU_ASSERT_FALSE(tq_next(&pdu)); /* the second R2T is void */
	CU_ASSERT_EQUAL(tq.lost, 0);
	tq_destroy();
}

static void a_held_answer_is_given_back_by_revoke(void)
{
	struct fake_req w;
	uint16_t cid;

	tq_live(&io);
	tq_write(&w, buf, 65536);
	tq_submit(&w);
	tq_run();
	cid = tq_next_cid();
	tq.wire.room = 1000;
	tq_put_r2t(cid, 1, 0, 65536);
	tq_run();
	tq_put_cpl(cid, 0x0280, 0, 0);
	tq_run();
	CU_ASSERT_EQUAL(w.done, 0);
	tq_put_cpl(cid, 0x0280, 0, 0); /* and once more: that is an error */
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 1);
	tq_destroy();
	CU_ASSERT_EQUAL(w.done, 1);
	CU_ASSERT_EQUAL(w.err, -EPROTO);
}

/* ---- SQ flow control --------------------------------------------------------------------- */

static void the_head_pointer_is_followed_around_the_ring(void)
{
	struct fake_req r;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 4});
	for (uint16_t i = 2; i < 30; i++) {
		tq_flush(&r);
		tq_submit(&r);
		tq_run();
		tq_put_cpl(tq_next_cid(), 0, 0, i % 4);
		tq_run();
		CU_ASSERT_EQUAL(r.done, 1);
	}
	CU_ASSERT_EQUAL(tq.lost, 0);
	tq_destroy();
}

static void a_head_pointer_that_lags_is_no_error(void)
{
	struct fake_req r;

	tq_live(&(struct tq_opts){.qid = 1, .entries = 4});
	for (int i = 0; i < 30; i++) {
		tq_flush(&r);
		tq_submit(&r);
		tq_run();
		tq_put_cpl(tq_next_cid(), 0, 0, 1);
		tq_run();
		CU_ASSERT_EQUAL(r.done, 1);
	}
	tq_destroy();
}

static void a_head_pointer_that_comes_late_is_no_error(void)
{
	static const uint16_t order[] = {3, 2, 5, 4, 6, 1, 7};
	struct fake_req r[7];

	tq_live(&(struct tq_opts){.qid = 1, .entries = 32});
	for (int i = 0; i < 7; i++) {
		tq_flush(&r[i]);
		tq_submit(&r[i]);
	}
	tq_run();
	for (int i = 0; i < 7; i++)
		tq_put_cpl(tq_next_cid(), 0, 0, order[i]);
	tq_run();
	CU_ASSERT_EQUAL(tq.lost, 0);
	CU_ASSERT_EQUAL(tq.qpair->inflight, 0);
	tq_destroy();
}

NVH_UNIT_MAIN("fabric/tcp submit",
	      NVH_TEST(a_full_queue_says_so_and_takes_again_after_a_completion),
	      NVH_TEST(io_queues_are_polled_only_while_commands_are_outstanding),
	      NVH_TEST(a_slot_never_repeats_a_cid_at_once_and_never_uses_ffff),
	      NVH_TEST(an_early_error_waits_for_the_bytes_on_the_wire),
	      NVH_TEST(a_held_answer_is_given_back_by_revoke),
	      NVH_TEST(the_head_pointer_is_followed_around_the_ring),
	      NVH_TEST(a_head_pointer_that_lags_is_no_error),
	      NVH_TEST(a_head_pointer_that_comes_late_is_no_error))
