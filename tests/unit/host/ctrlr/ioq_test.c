/*
 * I/O queues: requests, waiters, watchers, late commands, loss.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "host/ctrlr/ioq_impl.h"
#include "tests/unit/ctrlr_fixture.h"

#define MS NVHI_NSEC_PER_MSEC

static struct nvhi_ctrlr_opts opts;
static struct test_owner owner;
static struct nvhi_ioq *ioq;

static struct {
	struct nvhi_ioq_watch watch;
	enum nvhi_ioq_state states[32];
	uint32_t count;
	uint32_t requests_at_lost;
} watcher;

static void watcher_told(struct nvhi_ioq_watch *watch, struct nvhi_ioq *queue,
			 enum nvhi_ioq_state state)
{
	CU_ASSERT_PTR_EQUAL(watch, &watcher.watch);
	CU_ASSERT_EQUAL(nvhi_ioq_state(queue), state);
	if (watcher.count < 32)
		watcher.states[watcher.count++] = state;
	if (state == NVHI_IOQ_LOST)
		watcher.requests_at_lost = nvhi_ioq_inflight(queue);
}

static enum fake_verdict hold_io(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	(void)cmd;
	return qid ? FAKE_HOLD : FAKE_ANSWER;
}

static void start(void)
{
	world_setup();
	memset(&watcher, 0, sizeof(watcher));
	test_opts(&opts, 0);
	opts.transport.kato_ms = 0;
	opts.io_timeout_ms = 1000;
	opts.admin_timeout_ms = 500;
	owner_live(&owner, &opts);
	ioq = nvhi_ctrlr_ioq(owner.ctrlr, world[1]);
	nvhi_ioq_watch(ioq, &watcher.watch, watcher_told);
}

static void finish(void)
{
	nvhi_ioq_unwatch(ioq, &watcher.watch);
	owner_delete(&owner);
	world_teardown();
}

static void requests_are_as_many_as_the_queue_is_deep(void)
{
	static struct test_io io[200];
	uint32_t sent = 0;

	start();
	memset(io, 0, sizeof(io));
	fakes[0].hook = hold_io;
	while (sent < 200 && test_io_submit(ioq, &io[sent]))
		sent++;
	CU_ASSERT_EQUAL(sent, 127);
	CU_ASSERT_EQUAL(nvhi_ioq_inflight(ioq), 127);
	fakes[0].hook = NULL;
	fake_release(fakes[0].io[1], 200);
	world_run_ms(1);
	for (uint32_t i = 0; i < sent; i++)
		CU_ASSERT_TRUE(io[i].done == 1 && io[i].err == 0);
	CU_ASSERT_PTR_NULL(nvhi_ioq_oldest(ioq));
	CU_ASSERT_EQUAL(ioq->out, 0);
	finish();
}

struct queuer {
	struct nvhi_ioq_waiter waiter;
	unsigned int called, again;
	int err;
	uint32_t order;
	struct test_io io;
};
static uint32_t queuer_order;

static void queuer_called(struct nvhi_ioq_waiter *waiter, int err)
{
	struct queuer *q = nvhi_container_of(waiter, struct queuer, waiter);

	q->called++;
	q->err = err;
	q->order = queuer_order++;
	if (err)
		return;
	if (q->again) {
		q->again--;
		CU_ASSERT_EQUAL(nvhi_ioq_wait(ioq, waiter), 0);
		return;
	}
	CU_ASSERT_TRUE(test_io_submit(ioq, &q->io));
}

static void those_who_wait_are_served_in_order_and_before_others(void)
{
	static struct test_io io[200];
	static struct queuer queuers[3];
	uint32_t sent = 0;

	start();
	memset(queuers, 0, sizeof(queuers));
	queuer_order = 0;
	fakes[0].hook = hold_io;
	while (test_io_submit(ioq, &io[sent]))
		sent++;
	for (uint32_t i = 0; i < 3; i++) {
		queuers[i].waiter.fn = queuer_called;
		CU_ASSERT_EQUAL(nvhi_ioq_wait(ioq, &queuers[i].waiter), 0);
	}
	queuers[0].again = 1;
	fake_release(fakes[0].io[1], 1);
	world_run_ms(1);
	/* the first waits again and comes last; the second takes the slot */
	CU_ASSERT_EQUAL(queuers[0].called, 1);
	CU_ASSERT_EQUAL(queuers[1].called, 1);
	CU_ASSERT_EQUAL(queuers[2].called, 0);
	CU_ASSERT_PTR_NULL(nvhi_ioq_get(ioq)); /* others wait */
	fake_release(fakes[0].io[1], 1);
	world_run_ms(1);
	CU_ASSERT_EQUAL(queuers[2].called, 1);
	CU_ASSERT_EQUAL(queuers[0].called, 1);
	fakes[0].hook = NULL;
	fake_release(fakes[0].io[1], 200);
	world_run_ms(1);
	CU_ASSERT_EQUAL(queuers[0].called, 2);
	CU_ASSERT_EQUAL(queuers[0].io.done, 1);
	finish();
}

static void a_waiter_can_leave(void)
{
	static struct test_io io[200];
	static struct queuer queuer;
	uint32_t sent = 0;

	start();
	memset(&queuer, 0, sizeof(queuer));
	fakes[0].hook = hold_io;
	while (test_io_submit(ioq, &io[sent]))
		sent++;
	queuer.waiter.fn = queuer_called;
	nvhi_ioq_wait(ioq, &queuer.waiter);
	nvhi_ioq_unwait(ioq, &queuer.waiter);
	fakes[0].hook = NULL;
	fake_release(fakes[0].io[1], 200);
	world_run_ms(1);
	CU_ASSERT_EQUAL(queuer.called, 0);
	finish();
}

static void a_lost_queue_gives_all_back_and_comes_again(void)
{
	static const enum nvhi_ioq_state states[] = {
		NVHI_IOQ_LOST, NVHI_IOQ_ABSENT, NVHI_IOQ_CONNECTING, NVHI_IOQ_READY, NVHI_IOQ_LIVE};
	static struct test_io io[200];
	static struct queuer queuer;
	struct nvhi_ioq_req *kept;
	uint32_t sent = 0;

	start();
	memset(io, 0, sizeof(io));
	memset(&queuer, 0, sizeof(queuer));
	kept = nvhi_ioq_get(ioq);
	fakes[0].hook = hold_io;
	while (test_io_submit(ioq, &io[sent]))
		sent++;
	queuer.waiter.fn = queuer_called;
	CU_ASSERT_EQUAL(nvhi_ioq_wait(ioq, &queuer.waiter), 0);
	fake_cut(fakes[0].io[1], -ECONNRESET);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10));
	world_run_ms(0);
	CU_ASSERT_EQUAL(watcher.requests_at_lost, sent);
	CU_ASSERT_EQUAL(queuer.called, 1);
	CU_ASSERT_EQUAL(queuer.err, -ENOTCONN);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "I/O queue 2"));
	CU_ASSERT_EQUAL(nvhi_ioq_submit(ioq, kept), -ENOTCONN);
	nvhi_ioq_put(ioq, kept);
	CU_ASSERT_PTR_NULL(nvhi_ioq_get(ioq));
	CU_ASSERT_EQUAL(nvhi_ioq_wait(ioq, &queuer.waiter), -ENOTCONN);
	world_run_ms(1);
	CU_ASSERT_EQUAL(owner.quiesced, 1);
	for (uint32_t i = 0; i < sent; i++)
		CU_ASSERT_TRUE(io[i].done == 1 && io[i].err < 0);
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 1000));
	world_run_ms(1);
	CU_ASSERT_EQUAL(watcher.count, NVHI_ARRAY_SIZE(states));
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(states); i++)
		CU_ASSERT_EQUAL(watcher.states[i], states[i]);
	CU_ASSERT_TRUE(test_io_submit(ioq, &io[0]));
	world_run_ms(1);
	CU_ASSERT_EQUAL(io[0].done, 2);
	CU_ASSERT_EQUAL(io[0].err, 0);
	finish();
}

static void all_queues_go_when_one_is_lost(void)
{
	struct test_io io[WORLD_REACTORS] = {{0}};

	start();
	fakes[0].hook = hold_io;
	for (uint32_t i = 0; i < WORLD_REACTORS; i++)
		CU_ASSERT_TRUE(test_io_submit(nvhi_ctrlr_ioq(owner.ctrlr, world[i]), &io[i]));
	fake_cut(fakes[0].io[3], -EPIPE);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.quiesced == 1, 10));
	for (uint32_t i = 0; i < WORLD_REACTORS; i++)
		CU_ASSERT_TRUE(io[i].done == 1 && io[i].err < 0);
	CU_ASSERT_EQUAL(fakes[0].queues, 0);
	finish();
}

static void queues_connect_in_parallel(void)
{
	uint64_t start_ns;

	world_setup();
	test_opts(&opts, 0);
	fakes[0].latency_ns = 10 * MS;
	fakes[0].nr_ns = 0;
	start_ns = world_now();
	owner_connect(&owner, &opts);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 1, 5000));
	/* connect, CAP, VS, CC, CSTS, two identifies, two features: 9 round trips; the four queues
	 * and the namespace list share the tenth */
	CU_ASSERT_EQUAL((world_now() - start_ns) / (10 * MS), 10);
	owner_delete(&owner);
	world_teardown();
}

static void a_late_command_is_aborted_at_its_time(void)
{
	struct test_io io[2] = {{0}};
	uint64_t at;

	start();
	fakes[0].hook = hold_io;
	at = world_now();
	CU_ASSERT_TRUE(test_io_submit(ioq, &io[0]));
	world_run_ms(300);
	CU_ASSERT_TRUE(test_io_submit(ioq, &io[1]));
	world_run_ms(699);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 0);
	world_run_ms(2);
	CU_ASSERT_EQUAL(world_now() - at, 1001 * MS);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 1);
	CU_ASSERT_EQUAL(fakes[0].aborts[0] & 0xffff, 2);
	fake_release(fakes[0].io[1], 1);
	world_run_ms(290);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 1);
	world_run_ms(20);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 2);
	fake_release(fakes[0].io[1], 1);
	world_run_ms(5000);
	CU_ASSERT_EQUAL(io[0].done + io[1].done, 2);
	CU_ASSERT_EQUAL(owner.lost, 0);
	CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(world[1]), NVHI_NEVER); /* idle again */
	finish();
}

static void a_command_that_outlives_its_abort_resets_the_controller(void)
{
	struct test_io io = {0};
	uint64_t at;

	start();
	fakes[0].hook = hold_io;
	at = world_now();
	CU_ASSERT_TRUE(test_io_submit(ioq, &io));
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	CU_ASSERT_EQUAL(owner.lost_at - at, 1500 * MS);
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "not after its Abort"));
	world_run_ms(1);
	CU_ASSERT_EQUAL(io.done, 1);
	finish();
}

/* ---- a queue that is left and connected again ------------------------------------------------ */

/* As the specification draws it; bytes 2 and 3 are the CID. */
static bool is_disconnect(const struct nvh_cmd *cmd)
{
	static const uint8_t golden[64] = {[0] = 0x7f, [4] = 0x08};
	struct nvh_cmd copy = *cmd;

	nvh_le16_put(&copy.cid, 0);
	return memcmp(&copy, golden, sizeof(golden)) == 0;
}

static uint32_t disconnects;

/* Flushes are stuck; everything else is answered. */
static enum fake_verdict stuck_io(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	if (qid && is_disconnect(cmd)) {
		disconnects++;
		return FAKE_ANSWER;
	}
	return qid ? FAKE_HOLD : FAKE_ANSWER;
}

static enum fake_verdict stuck_disconnect(struct fake_ctrlr *fake, uint16_t qid,
					  const struct nvh_cmd *cmd)
{
	(void)fake;
	disconnects += qid && is_disconnect(cmd);
	return qid ? FAKE_HOLD : FAKE_ANSWER;
}

static enum fake_verdict refused_disconnect(struct fake_ctrlr *fake, uint16_t qid,
					    const struct nvh_cmd *cmd)
{
	disconnects += qid && is_disconnect(cmd);
	fake->hook_status = NVH_ST_CONNECT_BUSY | NVH_CPL_DNR;
	return !qid ? FAKE_ANSWER : is_disconnect(cmd) ? FAKE_STATUS : FAKE_HOLD;
}

static enum fake_verdict silent(struct fake_ctrlr *fake, uint16_t qid, const struct nvh_cmd *cmd)
{
	(void)fake;
	disconnects += qid && is_disconnect(cmd);
	return FAKE_HOLD;
}

static void start_with_disconnect(void)
{
	world_setup();
	memset(&watcher, 0, sizeof(watcher));
	disconnects = 0;
	nvh_le16_put(&fakes[0].id.ofcs, NVH_OFCS_DISCONNECT);
	test_opts(&opts, 0);
	opts.transport.kato_ms = 0;
	opts.io_timeout_ms = 1000;
	opts.admin_timeout_ms = 500;
	owner_live(&owner, &opts);
	ioq = nvhi_ctrlr_ioq(owner.ctrlr, world[1]);
	nvhi_ioq_watch(ioq, &watcher.watch, watcher_told);
}

static void a_command_that_outlives_its_abort_costs_its_queue_alone(void)
{
	static const enum nvhi_ioq_state states[] = {NVHI_IOQ_LEAVING, NVHI_IOQ_LOST,
						     NVHI_IOQ_ABSENT,  NVHI_IOQ_CONNECTING,
						     NVHI_IOQ_READY,   NVHI_IOQ_LIVE};
	struct test_io io = {0}, other = {0};
	uint64_t at;

	start_with_disconnect();
	fakes[0].hook = stuck_io;
	at = world_now();
	CU_ASSERT_TRUE(test_io_submit(ioq, &io));
	CU_ASSERT_TRUE(WORLD_UNTIL(nvhi_ioq_state(ioq) == NVHI_IOQ_LEAVING, 10000));
	CU_ASSERT_EQUAL(world_now() - at, 1500 * MS);
	CU_ASSERT_FALSE(test_io_submit(ioq, &other));
	CU_ASSERT_TRUE(WORLD_UNTIL(nvhi_ioq_state(ioq) == NVHI_IOQ_LIVE, 100));
	CU_ASSERT_EQUAL(io.done, 1);
	CU_ASSERT(io.err < 0);
	CU_ASSERT_EQUAL(disconnects, 1);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 1);
	for (uint32_t i = 0; i < NVHI_ARRAY_SIZE(states); i++)
		CU_ASSERT_EQUAL(watcher.states[i], states[i]);
	CU_ASSERT_EQUAL(watcher.count, NVHI_ARRAY_SIZE(states));
	for (uint16_t qid = 0; qid <= WORLD_REACTORS; qid++)
		CU_ASSERT_EQUAL(fakes[0].connects[qid], qid == 2 ? 2 : 1);
	CU_ASSERT_EQUAL(owner.lost, 0);
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(test_io_submit(ioq, &other));
	world_run_ms(1);
	CU_ASSERT_TRUE(other.done == 1 && other.err == 0);
	finish();
}

static bool settled_then;

static void done_settled(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	(void)cpl;
	CU_ASSERT(err < 0);
	settled_then = nvhi_ioq_is_settled(r->ioq);
}

static void submit_for_settled(void)
{
	struct nvhi_ioq_req *r = nvhi_ioq_get(ioq);

	CU_ASSERT_FATAL(r != NULL);
	memset(&r->req.cmd, 0, sizeof(r->req.cmd));
	r->req.cmd.opc = NVH_OPC_FLUSH;
	r->req.len = 0;
	r->req.dir = NVHI_DIR_NONE;
	r->done = done_settled;
	CU_ASSERT_EQUAL(nvhi_ioq_submit(ioq, r), 0);
}

static void only_an_answered_disconnect_settles_a_queue(void)
{
	start_with_disconnect();
	fakes[0].hook = stuck_io;
	submit_for_settled();
	CU_ASSERT_TRUE(WORLD_UNTIL(fakes[0].connects[2] == 2, 10000));
	CU_ASSERT_TRUE(settled_then);
	world_run_ms(1);
	CU_ASSERT_FALSE(nvhi_ioq_is_settled(ioq));
	submit_for_settled();
	fake_cut(fakes[0].io[1], -ECONNRESET);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10));
	world_run_ms(1);
	CU_ASSERT_FALSE(settled_then);
	finish();
}

/* What the next step is when this one fails: the controller's reset. */
static void expect_reset(enum fake_verdict (*hook)(struct fake_ctrlr *, uint16_t,
						   const struct nvh_cmd *),
			 uint32_t sent, const char *why)
{
	struct test_io io = {0};

	start_with_disconnect();
	fakes[0].hook = hook;
	CU_ASSERT_TRUE(test_io_submit(ioq, &io));
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, why));
	CU_ASSERT_EQUAL(disconnects, sent);
	CU_ASSERT_FALSE(nvhi_ioq_is_settled(ioq));
	world_run_ms(1);
	CU_ASSERT_EQUAL(io.done, 1);
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 5000));
	finish();
}

static void a_disconnect_without_an_answer_resets_the_controller(void)
{
	expect_reset(stuck_disconnect, 1, "its Disconnect was not answered");
}

static void a_refused_disconnect_resets_the_controller(void)
{
	expect_reset(refused_disconnect, 1, "Disconnect refused");
}

static void a_controller_that_answers_nothing_is_not_asked_to_disconnect(void)
{
	expect_reset(silent, 0, "no");
}

static void a_queue_that_cannot_come_back_resets_the_controller(void)
{
	struct test_io io = {0};

	start_with_disconnect();
	fakes[0].hook = stuck_io;
	fakes[0].ioq_connect_err = -ECONNREFUSED;
	CU_ASSERT_TRUE(test_io_submit(ioq, &io));
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	CU_ASSERT_PTR_NOT_NULL(strstr(owner.error.message, "cannot be connected again"));
	fakes[0].ioq_connect_err = 0;
	fakes[0].hook = NULL;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 5000));
	finish();
}

static void a_queue_that_is_stuck_again_soon_resets_the_controller(void)
{
	struct test_io io[2] = {{0}};

	start_with_disconnect();
	fakes[0].hook = stuck_io;
	CU_ASSERT_TRUE(test_io_submit(ioq, &io[0]));
	CU_ASSERT_TRUE(WORLD_UNTIL(fakes[0].connects[2] == 2, 10000));
	world_run_ms(1);
	CU_ASSERT_TRUE(test_io_submit(ioq, &io[1]));
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	CU_ASSERT_EQUAL(disconnects, 1);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.live == 2, 5000));
	/* much later it is worth a try again */
	world_run_ms(10000);
	CU_ASSERT_TRUE(test_io_submit(ioq, &io[0]));
	CU_ASSERT_TRUE(WORLD_UNTIL(disconnects == 2, 10000));
	world_run_ms(1);
	CU_ASSERT_EQUAL(owner.lost, 1);
	finish();
}

/* The answer to one command makes room; when all are stuck, none comes. */
static void a_full_queue_is_left_when_there_is_room(void)
{
	for (int all = 0; all < 2; all++) {
		static struct test_io io[200];
		uint32_t sent = 0;

		start_with_disconnect();
		memset(io, 0, sizeof(io));
		fakes[0].hook = stuck_io;
		while (test_io_submit(ioq, &io[sent]))
			sent++;
		CU_ASSERT_TRUE(WORLD_UNTIL(nvhi_ioq_state(ioq) == NVHI_IOQ_LEAVING, 10000));
		world_run_ms(100);
		CU_ASSERT_EQUAL(disconnects, 0);
		if (!all)
			fake_release(fakes[0].io[1], 1);
		world_run_ms(450);
		CU_ASSERT_EQUAL(disconnects, !all);
		CU_ASSERT_EQUAL(owner.lost, (unsigned int)all);
		for (uint32_t i = 0; i < sent; i++)
			CU_ASSERT_EQUAL(io[i].done, 1);
		finish();
	}
}

static void a_controller_may_be_deleted_while_a_queue_comes_back(void)
{
	for (uint32_t us = 0; us < 60; us += 5) {
		struct test_io io = {0};

		start_with_disconnect();
		fakes[0].hook = stuck_io;
		CU_ASSERT_TRUE(test_io_submit(ioq, &io));
		CU_ASSERT_TRUE(WORLD_UNTIL(nvhi_ioq_state(ioq) == NVHI_IOQ_LEAVING, 10000));
		world_run_ns(us * 1000);
		finish();
		CU_ASSERT_EQUAL(io.done, 1);
	}
}

/* All of a full queue is stuck: one Abort after the other, then the reset, no storm. */
static void a_queue_full_of_stuck_commands_is_aborted_one_by_one(void)
{
	static struct test_io io[200];
	uint32_t sent = 0;

	start();
	memset(io, 0, sizeof(io));
	fakes[0].hook = hold_io;
	while (test_io_submit(ioq, &io[sent]))
		sent++;
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 10000));
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], sent);
	world_run_ms(1);
	for (uint32_t i = 0; i < sent; i++)
		CU_ASSERT_EQUAL(io[i].done, 1);
	finish();
}

static void a_stopped_host_aborts_nothing_that_was_answered(void)
{
	struct test_io io[3] = {{0}};

	start();
	fakes[0].hook = hold_io;
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(test_io_submit(ioq, &io[i]));
	world_run_ms(1);
	world_stop_ms(60000);
	fake_release(fakes[0].io[1], 3);
	world_run_ms(5000);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 0);
	CU_ASSERT_EQUAL(owner.lost, 0);
	CU_ASSERT_EQUAL(io[0].done + io[1].done + io[2].done, 3);
	/* what was not answered is aborted first, then the queue given up */
	CU_ASSERT_TRUE(test_io_submit(ioq, &io[0]));
	world_run_ms(1);
	world_stop_ms(60000);
	world_run_ms(100);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 1);
	CU_ASSERT_EQUAL(owner.lost, 0);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner.lost == 1, 500));
	finish();
}

static void an_abort_can_be_asked_for(void)
{
	struct test_io io[3] = {{0}};
	struct nvhi_ioq_req *r, *next;

	start();
	fakes[0].hook = hold_io;
	for (int i = 0; i < 3; i++)
		CU_ASSERT_TRUE(test_io_submit(ioq, &io[i]));
	nvhi_list_for_each_safe(r, next, &ioq->inflight, link)
		nvhi_ioq_abort(ioq, r);
	world_run_ms(1);
	CU_ASSERT_EQUAL(fakes[0].count[NVH_ADM_ABORT], 3);
	fake_release(fakes[0].io[1], 3);
	world_run_ms(1);
	finish();
}

static void deleting_gives_requests_back(void)
{
	static struct test_io io[200];
	uint32_t sent = 0;

	start();
	memset(io, 0, sizeof(io));
	fakes[0].hook = hold_io;
	while (test_io_submit(ioq, &io[sent]))
		sent++;
	nvhi_ioq_unwatch(ioq, &watcher.watch);
	owner_delete(&owner);
	for (uint32_t i = 0; i < sent; i++)
		CU_ASSERT_TRUE(io[i].done == 1 && io[i].err == -ECANCELED);
	world_teardown();
}

NVH_UNIT_MAIN("host/ctrlr/ioq", NVH_TEST(requests_are_as_many_as_the_queue_is_deep),
	      NVH_TEST(those_who_wait_are_served_in_order_and_before_others),
	      NVH_TEST(a_waiter_can_leave), NVH_TEST(a_lost_queue_gives_all_back_and_comes_again),
	      NVH_TEST(all_queues_go_when_one_is_lost), NVH_TEST(queues_connect_in_parallel),
	      NVH_TEST(a_late_command_is_aborted_at_its_time),
	      NVH_TEST(a_command_that_outlives_its_abort_resets_the_controller),
	      NVH_TEST(a_command_that_outlives_its_abort_costs_its_queue_alone),
	      NVH_TEST(only_an_answered_disconnect_settles_a_queue),
	      NVH_TEST(a_disconnect_without_an_answer_resets_the_controller),
	      NVH_TEST(a_refused_disconnect_resets_the_controller),
	      NVH_TEST(a_controller_that_answers_nothing_is_not_asked_to_disconnect),
	      NVH_TEST(a_queue_that_cannot_come_back_resets_the_controller),
	      NVH_TEST(a_queue_that_is_stuck_again_soon_resets_the_controller),
	      NVH_TEST(a_full_queue_is_left_when_there_is_room),
	      NVH_TEST(a_controller_may_be_deleted_while_a_queue_comes_back),
	      NVH_TEST(a_queue_full_of_stuck_commands_is_aborted_one_by_one),
	      NVH_TEST(a_stopped_host_aborts_nothing_that_was_answered),
	      NVH_TEST(an_abort_can_be_asked_for), NVH_TEST(deleting_gives_requests_back))
