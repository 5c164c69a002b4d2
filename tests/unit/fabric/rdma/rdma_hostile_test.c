/*
 * fabric/rdma: controllers that answer nonsense and queue pairs that break. The connection ends
 * with one line; requests stay lent until they are taken back, and nobody reaches their memory
 * then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "fabric/rdma/rdma.h"
#include "tests/unit/rdma_fixture.h"

#define BUF_SIZE (1u << 20)
#define MANY     5
static uint8_t *buf;
static struct rdma_req rreqs[MANY];
static struct fake_capsule *capsules[MANY];

/* A live I/O queue with commands out. */
static void begin(const struct rq_opts *opts)
{
	buf = nvhi_dma_alloc(BUF_SIZE, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	rq_live(opts);
	for (int i = 0; i < MANY; i++) {
		rq_req(&rreqs[i], NVH_OPC_READ, NVHI_DIR_TO_HOST, buf + i * 4096, 4096);
		rq_submit(&rreqs[i]);
	}
	rq_run();
	for (int i = 0; i < MANY; i++) {
		capsules[i] = rdev_command();
		CU_ASSERT_PTR_NOT_NULL_FATAL(capsules[i]);
	}
}

static void memory_is_out_of_reach(struct rdma_req *rreq)
{
	long i = rreq - rreqs;

	CU_ASSERT_FALSE(rdev_key_open(nvh_le32_get(capsules[i]->cmd.dptr.ksgl.key)));
	CU_ASSERT_FALSE(rdev_write(capsules[i], 0, "late", 4));
	CU_ASSERT_FALSE(rdev.qp_open);
}

/* Lost for `err`, told once with `words`; what is out comes back after revoke, out of reach. */
static void lost(int err, const char *words, int out)
{
	rq_run();
	CU_ASSERT_EQUAL(rq.lost, 1);
	CU_ASSERT_EQUAL(rq.lost_err, err);
	CU_ASSERT_PTR_NOT_NULL(strstr(rq.why, words));
	if (!strstr(rq.why, words))
		printf("\n    '%s' is not in '%s'\n", words, rq.why);
	CU_ASSERT_EQUAL(rq.log_lines, err == -EPROTO);
	CU_ASSERT_EQUAL(rq.qpair->inflight, out);
	CU_ASSERT_EQUAL(nvhi_transport_rdma.submit(rq.qpair, &(struct nvhi_req){0}), -ENOTCONN);
	for (int i = 0; i < MANY; i++)
		rreqs[i].then = memory_is_out_of_reach;
	nvhi_transport_rdma.revoke(rq.qpair);
	rq_run();
	CU_ASSERT_EQUAL(rq.revoked, 1);
	for (int i = 0; i < MANY; i++) {
		CU_ASSERT_EQUAL(rreqs[i].done, 1);
		if (i >= MANY - out) {
			CU_ASSERT_EQUAL(rreqs[i].err, err);
			CU_ASSERT_TRUE(rreqs[i].req.sent);
		}
	}
	CU_ASSERT_EQUAL(rq.lost, 1);
	rq_destroy();
	nvhi_dma_free(buf);
}

#define IO (&(struct rq_opts){.qid = 1})

static struct nvh_cpl cpl_for(uint16_t cid)
{
	struct nvh_cpl cpl;

	memset(&cpl, 0, sizeof(cpl));
	nvh_le16_put(&cpl.sqhd, rq.sqhd);
	nvh_le16_put(&cpl.cid, cid);
	return cpl;
}

static void a_capsule_of_the_wrong_length_ends_the_connection(void)
{
	uint8_t bytes[64] = {0};

	begin(IO);
	rdev_response_raw(bytes, 15, 0);
	lost(-EPROTO, "a response capsule of 15 bytes instead of 16", MANY);
	begin(IO);
	rdev_response_raw(bytes, 0, 0);
	lost(-EPROTO, "a response capsule of 0 bytes", MANY);
	begin(IO);
	rdev_response_raw(bytes, 17, 0);
	lost(-EPROTO, "a response capsule longer than 16 bytes", MANY);
}

static void an_answer_to_no_command_ends_the_connection(void)
{
	static const uint16_t wrong[] = {0xffff, 0x7e00, 30};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(wrong); i++) {
		struct nvh_cpl cpl;

		begin(IO);
		cpl = cpl_for(wrong[i]);
		rdev_response_raw(&cpl, sizeof(cpl), 0);
		lost(-EPROTO, "names no outstanding command", MANY);
	}
}

static void a_repeated_answer_ends_the_connection(void)
{
	begin(IO);
	rdev_respond(capsules[0], 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(rreqs[0].done, 1);
	rdev_respond(capsules[0], 0, 0, false);
	lost(-EPROTO, "names no outstanding command", MANY - 1);
}

static void a_repeated_answer_while_the_window_closes_ends_the_connection(void)
{
	begin(IO);
	rdev.hold_sends = true;
	rdev_respond(capsules[0], 0, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(rreqs[0].done, 0);
	rdev_respond(capsules[0], 0, 0, false);
	lost(-EPROTO, "names no outstanding command", MANY);
}

static void a_stranger_key_invalidated_ends_the_connection(void)
{
	struct nvh_cpl cpl;

	begin(IO);
	cpl = cpl_for(nvh_le16_get(capsules[0]->cmd.cid));
	rdev_response_raw(&cpl, sizeof(cpl), 0x1234);
	lost(-EPROTO, "invalidates key 0x1234", MANY);
	/* Another command's. */
	begin(IO);
	cpl = cpl_for(nvh_le16_get(capsules[0]->cmd.cid));
	rdev_response_raw(&cpl, sizeof(cpl), nvh_le32_get(capsules[1]->cmd.dptr.ksgl.key));
	lost(-EPROTO, "which is not that of CID", MANY);
}

static void a_head_beyond_the_queue_or_its_tail_ends_the_connection(void)
{
	struct nvh_cpl cpl;

	begin(IO);
	cpl = cpl_for(nvh_le16_get(capsules[0]->cmd.cid));
	nvh_le16_put(&cpl.sqhd, 32);
	rdev_response_raw(&cpl, sizeof(cpl), 0);
	lost(-EPROTO, "SQHD 32 is beyond the submission queue", MANY);
	begin(IO);
	cpl = cpl_for(nvh_le16_get(capsules[0]->cmd.cid));
	nvh_le16_put(&cpl.sqhd, 1 + MANY + 1);
	rdev_response_raw(&cpl, sizeof(cpl), 0);
	lost(-EPROTO, "SQHD 7 is beyond the commands submitted", MANY);
}

static void without_flow_control_the_head_means_nothing(void)
{
	begin(&(struct rq_opts){.qid = 1, .disable_sqflow = true});
	rq.sqhd = 12345;
	rdev_respond(capsules[0], 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(rreqs[0].done, 1);
	CU_ASSERT_EQUAL(rq.lost, 0);
	rdev_break(IBV_WC_WR_FLUSH_ERR);
	lost(-ECONNRESET, "the connection broke", MANY - 1);
}

static void a_broken_queue_pair_is_a_lost_queue(void)
{
	begin(IO);
	rdev_break(IBV_WC_WR_FLUSH_ERR);
	lost(-ECONNRESET, "the connection broke", MANY);
	begin(IO);
	rdev_break(IBV_WC_RETRY_EXC_ERR);
	lost(-ETIMEDOUT, "does not answer", MANY);
	begin(IO);
	rdev_break(IBV_WC_REM_ACCESS_ERR);
	lost(-EIO, "remote access error", MANY);
}

static void a_queue_pair_that_takes_no_more_is_a_lost_queue(void)
{
	struct rdma_req more;

	begin(IO);
	rdev.post_error = ENOMEM;
	rq_req(&more, NVH_OPC_READ, NVHI_DIR_TO_HOST, buf, 512);
	rq_submit(&more);
	rq_run();
	CU_ASSERT_PTR_NOT_NULL(strstr(rq.why, "posting to the queue pair failed"));
	lost(-ENOMEM, "posting to the queue pair failed", MANY + 1);
	CU_ASSERT_EQUAL(more.done, 1);
}

static void a_queue_that_cannot_be_armed_is_lost_or_polled(void)
{
	begin(&(struct rq_opts){0}); /* the admin queue: nobody polls it */
	rdev.arm_error = EIO;
	rdev_respond(capsules[0], 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(rreqs[0].done, 1);
	lost(-EIO, "cannot be armed", MANY - 1);

	begin(IO);
	rq.clock_step = 50000;
	rdev.arm_error = EIO;
	nvhi_reactor_run(reactor, 2);
	rdev_respond(capsules[0], 0, 0, true);
	for (int i = 0; i < 10 && !rreqs[0].done; i++)
		nvhi_reactor_run(reactor, 2);
	CU_ASSERT_EQUAL(rreqs[0].done, 1);
	CU_ASSERT_EQUAL(rq.lost, 0);
	rq.clock_step = 0;
	rq_destroy();
	nvhi_dma_free(buf);
}

static void a_device_that_takes_nothing_back_is_left_quietly(void)
{
	begin(IO);
	rdev.gone = true;
	rdev_event(RDMA_CM_EVENT_DEVICE_REMOVAL, 0, NULL, 0);
	rq_pass(1); /* busy, the reactor looks at its descriptors only now and then */
	lost(-ENODEV, "device was removed", MANY);
}

static void answers_before_the_break_count(void)
{
	begin(IO);
	rdev_respond(capsules[0], 0, 0, true);
	rdev_respond(capsules[1], 0, 0, true);
	rdev_break(IBV_WC_WR_FLUSH_ERR);
	rq_run();
	CU_ASSERT_EQUAL(rreqs[0].done, 1);
	CU_ASSERT_EQUAL(rreqs[0].err, 0);
	CU_ASSERT_EQUAL(rreqs[1].done, 1);
	lost(-ECONNRESET, "the connection broke", MANY - 2);
}

static void what_was_not_sent_says_so(void)
{
	struct rdma_req late;

	begin(IO);
	rq_req(&late, NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, buf, 512);
	rq_submit(&late); /* for the end of a turn that does not come */
	nvhi_transport_rdma.revoke(rq.qpair);
	rq_run();
	CU_ASSERT_EQUAL(late.done, 1);
	CU_ASSERT_EQUAL(late.err, -ECANCELED);
	CU_ASSERT_FALSE(late.req.sent);
	CU_ASSERT_PTR_NULL(rdev_command());
	CU_ASSERT_EQUAL(rreqs[0].err, -ECANCELED);
	CU_ASSERT_TRUE(rreqs[0].req.sent);
	rq_destroy();
	nvhi_dma_free(buf);
}

static void take_back(struct rdma_req *rreq)
{
	rreq->then = NULL;
	nvhi_transport_rdma.revoke(rq.qpair);
}

static void done_may_take_the_queue_back(void)
{
	begin(IO);
	rreqs[0].then = take_back;
	/* More have come by then: they are forgotten, and their commands are given back. */
	for (int i = 0; i < MANY; i++)
		rdev_respond(capsules[i], 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(rq.revoked, 1);
	CU_ASSERT_EQUAL(rreqs[0].err, 0);
	for (int i = 1; i < MANY; i++) {
		CU_ASSERT_EQUAL(rreqs[i].done, 1);
		CU_ASSERT_EQUAL(rreqs[i].err, -ECANCELED);
	}
	rq_destroy();
	nvhi_dma_free(buf);
}

static void lost_may_take_the_queue_back(void)
{
	begin(IO);
	rq.revoke_when_lost = true;
	rdev_break(IBV_WC_WR_FLUSH_ERR);
	rq_run();
	CU_ASSERT_EQUAL(rq.revoked, 1);
	CU_ASSERT_EQUAL(rreqs[MANY - 1].err, -ECONNRESET);
	rq_destroy();
	nvhi_dma_free(buf);
}

/* Any bytes as a response: never more than a lost queue. */
static void random_answers_end_at_worst_the_connection(void)
{
	unsigned int seed = 1;

	for (int round = 0; round < 300; round++) {
		struct nvh_cpl cpl;
		uint8_t *bytes = (uint8_t *)&cpl;
		uint32_t len = (uint32_t)rand_r(&seed) % 3 ? 16 : (uint32_t)rand_r(&seed) % 20;
		uint8_t raw[20];
		int gone = 0;

		begin(IO);
		cpl = cpl_for(nvh_le16_get(capsules[rand_r(&seed) % MANY]->cmd.cid));
		for (int i = 0; i < 3; i++)
			bytes[rand_r(&seed) % 16] = (uint8_t)rand_r(&seed);
		memset(raw, 0, sizeof(raw));
		memcpy(raw, bytes, 16);
		rdev_response_raw(raw, len, rand_r(&seed) % 4 ? 0 : (uint32_t)rand_r(&seed));
		rq_run();
		CU_ASSERT(rq.lost <= 1);
		nvhi_transport_rdma.revoke(rq.qpair);
		rq_run();
		for (int i = 0; i < MANY; i++)
			gone += rreqs[i].done;
		CU_ASSERT_EQUAL(gone, MANY);
		rq_destroy();
		nvhi_dma_free(buf);
	}
}

NVH_UNIT_MAIN("fabric/rdma/rdma_hostile",
	      NVH_TEST(a_capsule_of_the_wrong_length_ends_the_connection),
	      NVH_TEST(an_answer_to_no_command_ends_the_connection),
	      NVH_TEST(a_repeated_answer_ends_the_connection),
	      NVH_TEST(a_repeated_answer_while_the_window_closes_ends_the_connection),
	      NVH_TEST(a_stranger_key_invalidated_ends_the_connection),
	      NVH_TEST(a_head_beyond_the_queue_or_its_tail_ends_the_connection),
	      NVH_TEST(without_flow_control_the_head_means_nothing),
	      NVH_TEST(a_broken_queue_pair_is_a_lost_queue),
	      NVH_TEST(a_queue_pair_that_takes_no_more_is_a_lost_queue),
	      NVH_TEST(a_queue_that_cannot_be_armed_is_lost_or_polled),
	      NVH_TEST(a_device_that_takes_nothing_back_is_left_quietly),
	      NVH_TEST(answers_before_the_break_count), NVH_TEST(what_was_not_sent_says_so),
	      NVH_TEST(done_may_take_the_queue_back), NVH_TEST(lost_may_take_the_queue_back),
	      NVH_TEST(random_answers_end_at_worst_the_connection))
