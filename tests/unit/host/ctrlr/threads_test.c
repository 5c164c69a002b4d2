/*
 * A controller over real threads and sockets: three reactors keep their queues full while the
 * controller is reset, cut off, and deleted. Meant for ThreadSanitizer as much as for the counts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/stream.h"
#include "host/ctrlr/ctrlr_impl.h"
#include "tests/unit/api_target.h"
#include "tests/unit/nvh_cunit.h"

#define WORKERS  3u
#define PRESSURE 200u /* more than the queue takes: the others wait */

struct job {
	struct nvhi_ioq_waiter waiter;
	struct worker *worker;
	uint8_t block[TARGET_BLOCK];
	struct iovec iov;
};

struct worker {
	struct nvh_reactor *reactor;
	struct nvhi_reactor_thread *thread;
	struct nvhi_ioq *ioq;
	struct nvhi_ioq_watch watch;
	struct job jobs[PRESSURE];
	/* read by the test's thread */
	uint64_t good, bad, lost, returned;
	uint32_t running; /* jobs that are submitted or waiting */
	bool watching;
};

static struct nvh_reactor *home;
static struct worker workers[WORKERS];
static struct nvhi_ctrlr_owner owner;
static struct nvhi_ctrlr *ctrlr;
static struct {
	unsigned int live, lost, quiesced, deleted, added;
} seen;

#define GET(x)    __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define ADD(x, n) __atomic_fetch_add(&(x), (n), __ATOMIC_RELAXED)

/* ---- the workers' side
 * ----------------------------------------------------------------------------- */

static void job_next(struct job *job);

static void job_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	struct job *job = r->owner;
	struct worker *w = job->worker;

	if (err)
		ADD(w->returned, 1);
	else if (nvh_cpl_is_error(cpl))
		ADD(w->bad, 1);
	else
		ADD(w->good, 1);
	ADD(w->running, -1);
	job_next(job);
}

static void job_waited(struct nvhi_ioq_waiter *waiter, int err)
{
	struct job *job = nvhi_container_of(waiter, struct job, waiter);

	ADD(job->worker->running, -1);
	if (!err)
		job_next(job);
}

static void job_next(struct job *job)
{
	struct worker *w = job->worker;
	struct nvhi_ioq_req *r = nvhi_ioq_get(w->ioq);

	if (!r) {
		if (nvhi_ioq_wait(w->ioq, &job->waiter) == 0)
			ADD(w->running, 1);
		return;
	}
	memset(&r->req.cmd, 0, sizeof(r->req.cmd));
	r->req.cmd.opc = NVH_OPC_READ;
	nvh_le32_put(&r->req.cmd.nsid, 1);
	nvh_le32_put(&r->req.cmd.cdw10, (uint32_t)(job - w->jobs));
	nvhi_iov_cursor_init(&r->req.data, &job->iov, 1);
	r->req.len = sizeof(job->block);
	r->req.dir = NVHI_DIR_TO_HOST;
	r->req.short_ok = false;
	r->done = job_done;
	r->owner = job;
	if (nvhi_ioq_submit(w->ioq, r) < 0)
		nvhi_ioq_put(w->ioq, r);
	else
		ADD(w->running, 1);
}

static void worker_told(struct nvhi_ioq_watch *watch, struct nvhi_ioq *ioq,
			enum nvhi_ioq_state state)
{
	struct worker *w = nvhi_container_of(watch, struct worker, watch);

	(void)ioq;
	if (state == NVHI_IOQ_LOST)
		ADD(w->lost, 1);
	if (state != NVHI_IOQ_LIVE)
		return;
	for (uint32_t i = 0; i < PRESSURE; i++)
		job_next(&w->jobs[i]);
}

static void worker_watch(void *arg)
{
	struct worker *w = arg;

	nvhi_ioq_watch(w->ioq, &w->watch, worker_told);
}

static void worker_unwatch(void *arg)
{
	struct worker *w = arg;

	nvhi_ioq_unwatch(w->ioq, &w->watch);
}

/* ---- the owner
 * ---------------------------------------------------------------------------------------- */

static void on_live(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c, bool first)
{
	(void)o;
	(void)c;
	(void)first;
	seen.live++;
}

static void on_failed(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c,
		      const struct nvhi_ctrlr_error *error)
{
	(void)o;
	(void)c;
	(void)error;
}

static void on_lost(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c,
		    const struct nvhi_ctrlr_error *error)
{
	on_failed(o, c, error);
	seen.lost++;
}

/* Nothing is out on any reactor any more when this is told. */
static void on_quiesced(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c)
{
	(void)o;
	(void)c;
	seen.quiesced++;
	for (uint32_t i = 0; i < WORKERS; i++)
		CU_ASSERT_EQUAL(GET(workers[i].running), 0);
}

static void on_deleted(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c,
		       const struct nvhi_ctrlr_error *why)
{
	on_failed(o, c, why);
	seen.deleted++;
}

static void on_added(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c,
		     const struct nvhi_ns_data *ns)
{
	(void)o;
	(void)c;
	CU_ASSERT_EQUAL(ns->nsze, TARGET_BLOCKS);
	seen.added++;
}

static void on_changed(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c,
		       const struct nvhi_ns_data *ns, uint32_t what)
{
	(void)o;
	(void)c;
	(void)ns;
	(void)what;
}

static void on_removed(struct nvhi_ctrlr_owner *o, struct nvhi_ctrlr *c, uint32_t nsid)
{
	(void)o;
	(void)c;
	(void)nsid;
}

static const struct nvhi_ctrlr_events events = {
	.state = nvhi_ctrlr_events_none_state,
	.live = on_live,
	.failed = on_failed,
	.lost = on_lost,
	.quiesced = on_quiesced,
	.fast_io_fail = nvhi_ctrlr_events_none,
	.deleted = on_deleted,
	.ns_added = on_added,
	.ns_changed = on_changed,
	.ns_removed = on_removed,
	.notice = nvhi_ctrlr_events_none_notice,
};

/* ---- up and down
 * ---------------------------------------------------------------------------------------- */

#define HOME_UNTIL(cond) CU_ASSERT_FATAL(NVH_RUN_UNTIL(home, cond, 30000))

static void reactors_up(void)
{
	CU_ASSERT_FATAL(nvhi_reactor_create(NULL, &home) == 0);
	memset(workers, 0, sizeof(workers));
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		CU_ASSERT_FATAL(nvhi_reactor_create(NULL, &w->reactor) == 0);
		CU_ASSERT_FATAL(nvhi_reactor_thread_start(w->reactor, -1, &w->thread) == 0);
		for (uint32_t j = 0; j < PRESSURE; j++) {
			w->jobs[j].worker = w;
			w->jobs[j].waiter.fn = job_waited;
			w->jobs[j].iov = (struct iovec){w->jobs[j].block, TARGET_BLOCK};
		}
	}
}

static void ctrlr_up(void)
{
	struct nvh_reactor *reactors[WORKERS];
	struct nvhi_ctrlr_opts opts;
	char text[256];

	target_up(1);
	reactors_up();
	memset(&seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < WORKERS; i++)
		reactors[i] = workers[i].reactor;
	nvhi_ctrlr_opts_init(&opts);
	CU_ASSERT_FATAL(nvhi_addr_set(NVH_TRTYPE_TCP, "127.0.0.1", target_port(),
				      &opts.transport.addr, text, sizeof(text)) == 0);
	strcpy(opts.transport.subnqn, TARGET_NQN);
	strcpy(opts.transport.hostnqn, "nqn.2026-01.io.nvhost:threads");
	opts.transport.hostid[0] = 1;
	opts.transport.net = &nvhi_net_sockets;
	opts.transport.name = "nvh0";
	opts.home = home;
	opts.reactors = reactors;
	opts.nr_reactors = WORKERS;
	opts.queue_size = 64;
	opts.reconnect_delay_ms = 1;
	opts.reconnect_delay_max_ms = 20;
	owner.events = &events;
	CU_ASSERT_FATAL(nvhi_ctrlr_create(&opts, &owner, text, sizeof(text), &ctrlr) == 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i].ioq = nvhi_ctrlr_ioq(ctrlr, workers[i].reactor);
		nvhi_reactor_call(workers[i].reactor, worker_watch, &workers[i]);
	}
	nvhi_ctrlr_start(ctrlr);
	HOME_UNTIL(seen.live == 1);
}

static void ctrlr_down(void)
{
	nvhi_ctrlr_delete(ctrlr);
	HOME_UNTIL(seen.deleted == 1);
	for (uint32_t i = 0; i < WORKERS; i++)
		nvhi_reactor_call(workers[i].reactor, worker_unwatch, &workers[i]);
	nvhi_ctrlr_destroy(ctrlr);
	for (uint32_t i = 0; i < WORKERS; i++) {
		nvhi_reactor_thread_join(workers[i].thread);
		nvhi_reactor_destroy(workers[i].reactor);
		CU_ASSERT_EQUAL(workers[i].bad, 0);
		CU_ASSERT_EQUAL(workers[i].running, 0);
	}
	nvhi_reactor_destroy(home);
	target_down();
}

static bool all_moved(const uint64_t *from, uint64_t by)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		if (GET(workers[i].good) < from[i] + by)
			return false;
	return true;
}

static void work_goes_on(void)
{
	uint64_t from[WORKERS];

	for (uint32_t i = 0; i < WORKERS; i++)
		from[i] = GET(workers[i].good);
	HOME_UNTIL(all_moved(from, 500));
}

/* ---- tests
 * ------------------------------------------------------------------------------------------------
 */

static void resets_under_load_give_everything_back_and_go_on(void)
{
	ctrlr_up();
	for (unsigned int i = 0; i < 20; i++) {
		work_goes_on();
		CU_ASSERT_EQUAL(nvhi_ctrlr_reset(ctrlr, "test", NULL), 0);
		HOME_UNTIL(seen.live == i + 2);
	}
	work_goes_on();
	CU_ASSERT_EQUAL(seen.quiesced, 20);
	CU_ASSERT_EQUAL(seen.added, 1);
	ctrlr_down();
}

static void a_listener_that_comes_and_goes_is_followed(void)
{
	ctrlr_up();
	for (unsigned int i = 0; i < 10; i++) {
		work_goes_on();
		target_listen(0);
		HOME_UNTIL(seen.lost == i + 1);
		target_listen(1);
		HOME_UNTIL(seen.live == i + 2);
	}
	work_goes_on();
	ctrlr_down();
}

static void deleting_under_load_ends_in_order(void)
{
	for (int i = 0; i < 5; i++) {
		ctrlr_up();
		work_goes_on();
		ctrlr_down();
		CU_ASSERT_EQUAL(seen.quiesced, 1);
		CU_ASSERT_EQUAL(seen.lost, 0);
	}
}

/* Orders in quick succession, whatever state they meet. */
static void a_storm_of_orders_ends_live_or_deleted(void)
{
	ctrlr_up();
	for (unsigned int i = 0; i < 200; i++) {
		if (i % 3 == 0)
			nvhi_ctrlr_reset(ctrlr, "storm", NULL);
		else if (i % 3 == 1)
			nvhi_ctrlr_wake(ctrlr);
		else
			(void)nvhi_ctrlr_rescan(ctrlr, NULL);
		nvhi_reactor_run(home, 0);
	}
	HOME_UNTIL(nvhi_ctrlr_state(ctrlr) == NVHI_CTRLR_LIVE);
	work_goes_on();
	ctrlr_down();
}

NVH_UNIT_MAIN("host/ctrlr/threads", NVH_TEST(resets_under_load_give_everything_back_and_go_on),
	      NVH_TEST(a_listener_that_comes_and_goes_is_followed),
	      NVH_TEST(deleting_under_load_ends_in_order),
	      NVH_TEST(a_storm_of_orders_ends_live_or_deleted))
