/*
 * fabric/tcp over real sockets against target-lite in a second thread: both ends' queues, the
 * kernel between them. What was written is read back and compared; then the target goes away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/tcp/tcp.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/tcp/tcp.h"
#include "tests/unit/nvh_cunit.h"

#define NQN      "nqn.2016-06.io.spdk:cnode1"
#define QUEUES   3
#define DEPTH    31
#define IO_MAX   (128u << 10)
#define BLOCK    512u
#define NS_BYTES (32u << 20)
/* Each I/O in flight owns a stripe of the namespace. */
#define STRIPES      (QUEUES * DEPTH)
#define STRIPE_BYTES (NS_BYTES / STRIPES / BLOCK * BLOCK)

/* ---- the target's side ------------------------------------------------------------------- */

struct rig_opts {
	const char *traddr;
	enum tl_adrfam adrfam;
	uint32_t in_capsule, r2t_size;
	uint8_t maxr2t;
	bool no_success, hdgst, ddgst, sqflow;
	bool threads; /* each I/O queue on a reactor of its own */
};

static struct {
	struct nvh_reactor *reactor;
	struct nvhi_reactor_thread *thread;
	struct tl_target *target;
	struct tl_subsystem *ss;
	const struct rig_opts *opts;
	struct tl_listen_addr addr;
	int pending, err;
} t;

static void fill_random(void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)(i * 37 + 11);
}

static void target_step(void *arg, int err)
{
	(void)arg;
	if (err)
		__atomic_store_n(&t.err, err, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&t.pending, 1, __ATOMIC_ACQ_REL);
}

static int target_steps(void)
{
	struct tl_transport_opts opts;
	struct tl_subsystem_opts ss = {.nqn = NQN, .allow_any_host = true};
	struct tl_bdev_create_opts bdev = {.blocks = NS_BYTES / BLOCK, .block_size = BLOCK};
	struct tl_listen_addr addr = {.trtype = TL_TRTYPE_TCP, .trsvcid = "0"};
	struct tl_ns_opts ns = {0};
	struct tl_transport *transport;
	struct tl_bdev *made;
	uint32_t nsid;
	int err;

	tl_transport_opts_default(&opts);
	opts.in_capsule_data_size = t.opts->in_capsule;
	opts.r2t_size = t.opts->r2t_size;
	opts.c2h_success = !t.opts->no_success;
	addr.adrfam = t.opts->adrfam;
	snprintf(addr.traddr, sizeof(addr.traddr), "%s", t.opts->traddr);
	err = tl_tcp_create(t.target, &opts, &nvhi_net_sockets, &transport);
	if (!err)
		err = tl_subsystem_create(t.target, &ss, &t.ss);
	if (!err)
		err = tl_malloc_create(&t.target->bdevs, &bdev, &made);
	if (err)
		return err;
	__atomic_store_n(&t.pending, 3, __ATOMIC_RELEASE);
	tl_subsystem_start(t.ss, target_step, NULL);
	ns.bdev_name = made->name;
	err = tl_subsystem_add_ns(t.ss, &ns, target_step, NULL, &nsid);
	if (!err)
		err = tl_subsystem_add_listener(t.ss, &addr, false, TL_ANA_OPTIMIZED, target_step,
						NULL, &t.addr);
	return err;
}

static void target_begin(void *arg)
{
	*(int *)arg = target_steps();
}

static void target_up(const struct rig_opts *opts)
{
	struct tl_target_opts topts = {.name = "nvmf_tgt", .random = fill_random};
	struct nvhi_reactor_opts ropts = {.name = "target"};
	int err;

	memset(&t, 0, sizeof(t));
	t.opts = opts;
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&ropts, &t.reactor), 0);
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&topts, &t.reactor, 1, &t.target), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(t.reactor, -1, &t.thread), 0);
	nvhi_reactor_call(t.reactor, target_begin, &err);
	CU_ASSERT_EQUAL_FATAL(err, 0);
	CU_ASSERT_FATAL(NVH_WAIT(__atomic_load_n(&t.pending, __ATOMIC_ACQUIRE) == 0, 10000));
	CU_ASSERT_EQUAL_FATAL(t.err, 0);
}

static void target_end(void *arg)
{
	(void)arg;
	__atomic_store_n(&t.pending, 1, __ATOMIC_RELEASE);
	tl_target_stop(t.target, target_step, NULL);
}

static void target_stop(void)
{
	nvhi_reactor_call(t.reactor, target_end, NULL);
	CU_ASSERT_FATAL(NVH_WAIT(__atomic_load_n(&t.pending, __ATOMIC_ACQUIRE) == 0, 20000));
}

static void target_down(void)
{
	nvhi_reactor_thread_join(t.thread);
	nvhi_reactor_destroy(t.reactor);
	tl_target_destroy(t.target);
}

/* ---- the host's side --------------------------------------------------------------------- */

struct sock_queue;
struct sock_io {
	struct nvhi_req req;
	struct sock_queue *queue;
	uint32_t stripe, round;
	uint32_t bytes, offset;
	bool reading;
	uint8_t *mem;
	struct iovec iov[40];
};

/* Queue 0 is the admin queue. What the queue's reactor writes and the test reads is atomic. */
struct sock_queue {
	uint16_t qid;
	struct nvh_reactor *reactor;
	struct nvhi_reactor_thread *thread; /* of its own, or NULL: the test's */
	struct nvhi_qpair *qpair;
	struct sock_io *ios;
	uint64_t seed;
	uint32_t goal;
	uint32_t completed, given_back, wrong, refused;
	uint32_t connected, lost, revoked;
	int connect_err;
};

static struct nvh_reactor *host;
static struct nvhi_tctrlr *tctrlr;
static struct sock_queue queues[1 + QUEUES];
static bool reg_told;

static uint32_t get(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void count(uint32_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL);
}

/* The sum of one counter over the queues from `first` on. */
#define SUM(first, counter)                                                                        \
	({                                                                                         \
		uint32_t sum_total = 0;                                                            \
                                                                                                   \
		for (int sum_i = (first); sum_i <= QUEUES; sum_i++)                                \
			sum_total += get(&queues[sum_i].counter);                                  \
		sum_total;                                                                         \
	})

static void on_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	(void)cpl;
	if (err)
		printf("    %s: %s\n", qpair->name, qpair->why);
	queues[qpair->qid].connect_err = err;
	count(&queues[qpair->qid].connected);
}

static void on_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	(void)err;
	(void)why;
	count(&queues[qpair->qid].lost);
}

static void on_revoked(struct nvhi_qpair *qpair)
{
	count(&queues[qpair->qid].revoked);
}

static const struct nvhi_qpair_events events = {
	.connected = on_connected, .lost = on_lost, .revoked = on_revoked};

/* Runs `fn` where the queue lives. */
static void on_queue(struct sock_queue *queue, void (*fn)(void *arg))
{
	if (queue->thread)
		nvhi_reactor_call(queue->reactor, fn, queue);
	else
		fn(queue);
}

static void queue_begin(void *arg)
{
	struct sock_queue *queue = arg;
	struct nvhi_qpair_opts opts = {.reactor = queue->reactor,
				       .qid = queue->qid,
				       .entries = DEPTH + 1,
				       .events = &events};

	queue->connect_err = nvhi_transport_tcp.qpair_create(tctrlr, &opts, &queue->qpair);
	if (!queue->connect_err)
		nvhi_transport_tcp.qpair_connect(queue->qpair);
}

static void queue_up(uint16_t qid, bool threads)
{
	struct sock_queue *queue = &queues[qid];

	memset(queue, 0, sizeof(*queue));
	queue->qid = qid;
	queue->seed = qid;
	queue->reactor = host;
	if (threads && qid) {
		CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(NULL, &queue->reactor), 0);
		CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(queue->reactor, -1, &queue->thread),
				      0);
	}
	on_queue(queue, queue_begin);
	CU_ASSERT_PTR_NOT_NULL_FATAL(queue->qpair);
}

static void queue_revoke(void *arg)
{
	nvhi_transport_tcp.revoke(((struct sock_queue *)arg)->qpair);
}

static void queue_down(struct sock_queue *queue)
{
	if (queue->thread)
		nvhi_reactor_thread_join(queue->thread);
	nvhi_transport_tcp.qpair_destroy(queue->qpair);
	if (queue->reactor != host)
		nvhi_reactor_destroy(queue->reactor);
	free(queue->ios);
}

static void on_reg(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	(void)op;
	CU_ASSERT_EQUAL(err, 0);
	CU_ASSERT(cpl && !nvh_cpl_is_error(cpl));
	reg_told = true;
}

static uint64_t reg(uint32_t offset, bool set, uint64_t value)
{
	struct nvhi_reg_op op = {.offset = offset, .size = 4, .value = value, .done = on_reg};

	reg_told = false;
	(set ? nvhi_transport_tcp.reg_set : nvhi_transport_tcp.reg_get)(queues[0].qpair, &op);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, reg_told, 5000));
	return op.value;
}

static void host_up(const struct rig_opts *opts)
{
	struct nvhi_tctrlr_opts topts = {
		.hostnqn = NVH_NQN_UUID_PREFIX "3a6f1b1e-0000-4000-8000-000000000001",
		.subnqn = NQN,
		.hostid = {1},
		.tos = -1,
		.hdr_digest = opts->hdgst,
		.data_digest = opts->ddgst,
		.disable_sqflow = !opts->sqflow,
		.maxr2t = opts->maxr2t,
		.connect_timeout_ms = 10000,
		.net = &nvhi_net_sockets,
		.name = "nvh0",
	};
	char errbuf[200];

	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(NULL, &host), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_set(NVH_TRTYPE_TCP, t.addr.traddr, t.addr.trsvcid,
					    &topts.addr, errbuf, sizeof(errbuf)),
			      0);
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_tcp.tctrlr_open(&topts, &tctrlr), 0);
	queue_up(0, false);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, get(&queues[0].connected), 10000));
	CU_ASSERT_EQUAL_FATAL(queues[0].connect_err, 0);
	reg(NVH_REG_CC, true,
	    NVH_CC_EN | NVH_SQES_LOG2 << NVH_CC_IOSQES_SHIFT |
		    NVH_CQES_LOG2 << NVH_CC_IOCQES_SHIFT);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, reg(NVH_REG_CSTS, false, 0) & NVH_CSTS_RDY, 5000));
	tctrlr->ioccsz = opts->in_capsule;
	for (uint16_t i = 1; i <= QUEUES; i++) /* they connect in parallel */
		queue_up(i, opts->threads);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, SUM(1, connected) == QUEUES, 10000));
	for (int i = 1; i <= QUEUES; i++)
		CU_ASSERT_EQUAL_FATAL(queues[i].connect_err, 0);
}

static void host_down(void)
{
	for (int i = QUEUES; i >= 0; i--)
		on_queue(&queues[i], queue_revoke);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, SUM(0, revoked) == 1 + QUEUES, 5000));
	for (int i = QUEUES; i >= 0; i--)
		queue_down(&queues[i]);
	nvhi_transport_tcp.tctrlr_close(tctrlr);
	nvhi_reactor_destroy(host);
}

/* ---- load -------------------------------------------------------------------------------- */

static uint32_t roll(struct sock_queue *queue, uint32_t below)
{
	queue->seed = queue->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(queue->seed >> 33) % below;
}

static uint8_t expected(const struct sock_io *io, uint32_t at)
{
	return (uint8_t)((io->stripe * 31 + io->round * 7 + at) * 2654435761u >> 11);
}

static void on_io(struct nvhi_req *req, int err, const struct nvh_cpl *cpl);

static void issue(struct sock_io *io)
{
	uint32_t at = 0, pieces = 0;
	uint64_t lba = ((uint64_t)io->stripe * STRIPE_BYTES + io->offset) / BLOCK;
	struct nvh_cmd *cmd = &io->req.cmd;

	while (at < io->bytes) { /* any shape */
		uint32_t n = pieces == 39 ? io->bytes - at : 1 + roll(io->queue, 8192);

		if (n > io->bytes - at)
			n = io->bytes - at;
		io->iov[pieces++] = (struct iovec){.iov_base = io->mem + at, .iov_len = n};
		at += n;
	}
	memset(cmd, 0, sizeof(*cmd));
	cmd->opc = io->reading ? NVH_OPC_READ : NVH_OPC_WRITE;
	nvh_le32_put(&cmd->nsid, 1);
	nvh_le32_put(&cmd->cdw10, (uint32_t)lba);
	nvh_le32_put(&cmd->cdw12, io->bytes / BLOCK - 1);
	io->req.dir = io->reading ? NVHI_DIR_TO_HOST : NVHI_DIR_TO_CTRLR;
	io->req.len = io->bytes;
	io->req.done = on_io;
	nvhi_iov_cursor_init(&io->req.data, io->iov, pieces);
	if (nvhi_transport_tcp.submit(io->queue->qpair, &io->req))
		count(&io->queue->refused);
}

static void begin_write(struct sock_io *io)
{
	struct sock_queue *queue = io->queue;

	io->round++;
	io->reading = false;
	io->bytes = (1 + roll(queue, roll(queue, 2) ? 16 : IO_MAX / BLOCK)) * BLOCK;
	io->offset = roll(queue, (STRIPE_BYTES - io->bytes) / BLOCK) * BLOCK;
	for (uint32_t i = 0; i < io->bytes; i++)
		io->mem[i] = expected(io, i);
	issue(io);
}

static void on_io(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct sock_io *io = nvhi_container_of(req, struct sock_io, req);
	struct sock_queue *queue = io->queue;

	if (err) {
		count(&queue->given_back);
		return;
	}
	if (nvh_cpl_is_error(cpl) || req->transferred != io->bytes)
		count(&queue->wrong);
	count(&queue->completed);
	if (!io->reading) {
		memset(io->mem, 0, io->bytes);
		io->reading = true;
		issue(io);
		return;
	}
	for (uint32_t i = 0; i < io->bytes; i++)
		if (io->mem[i] != expected(io, i)) {
			count(&queue->wrong);
			break;
		}
	if (queue->completed < queue->goal)
		begin_write(io);
}

static void queue_load(void *arg)
{
	struct sock_queue *queue = arg;

	for (uint32_t i = 0; i < DEPTH; i++)
		begin_write(&queue->ios[i]);
}

/* The I/Os and their buffers are one allocation. */
static void load_begin(uint32_t commands)
{
	for (uint32_t q = 1; q <= QUEUES; q++) {
		struct sock_queue *queue = &queues[q];

		queue->goal = commands;
		queue->ios = calloc(DEPTH, sizeof(*queue->ios) + IO_MAX);
		CU_ASSERT_PTR_NOT_NULL_FATAL(queue->ios);
		for (uint32_t i = 0; i < DEPTH; i++) {
			queue->ios[i].queue = queue;
			queue->ios[i].stripe = (q - 1) * DEPTH + i;
			queue->ios[i].mem = (uint8_t *)(queue->ios + DEPTH) + (size_t)i * IO_MAX;
		}
		on_queue(queue, queue_load);
	}
}

static uint32_t inflight_now;

static void queue_inflight(void *arg)
{
	inflight_now += ((struct sock_queue *)arg)->qpair->inflight;
}

static bool all_idle(void)
{
	inflight_now = 0;
	for (int i = 1; i <= QUEUES; i++)
		on_queue(&queues[i], queue_inflight);
	return inflight_now == 0;
}

static void verify(const struct rig_opts *opts)
{
	target_up(opts);
	host_up(opts);
	load_begin(1000);
	CU_ASSERT(NVH_RUN_UNTIL(host, all_idle(), 60000));
	CU_ASSERT(SUM(1, completed) >= QUEUES * 1000);
	host_down();
	CU_ASSERT_EQUAL(SUM(0, wrong), 0);
	CU_ASSERT_EQUAL(SUM(0, lost), 0);
	CU_ASSERT_EQUAL(SUM(0, refused), 0);
	CU_ASSERT_EQUAL(SUM(0, given_back), 0);
	target_stop();
	target_down();
}

#define V4 .traddr = "127.0.0.1", .adrfam = TL_ADRFAM_IPV4

static void what_is_written_reads_back(void)
{
	verify(&(struct rig_opts){V4, .in_capsule = 8192});
}

static void with_both_digests_too(void)
{
	verify(&(struct rig_opts){V4, .in_capsule = 8192, .hdgst = true, .ddgst = true});
}

static void with_sq_flow_control_too(void)
{
	verify(&(struct rig_opts){V4, .in_capsule = 4096, .sqflow = true, .ddgst = true});
}

static void with_many_small_r2ts_too(void)
{
	verify(&(struct rig_opts){V4, .in_capsule = 4096, .r2t_size = 4096, .no_success = true});
}

static void over_ipv6_too(void)
{
	verify(&(struct rig_opts){
		.traddr = "::1", .adrfam = TL_ADRFAM_IPV6, .in_capsule = 4096, .hdgst = true});
}

static void with_many_r2ts_outstanding_too(void)
{
	verify(&(struct rig_opts){V4, .in_capsule = 4096, .r2t_size = 4096, .maxr2t = 16});
}

static void on_reactors_of_their_own_too(void)
{
	verify(&(struct rig_opts){V4, .in_capsule = 8192, .threads = true, .ddgst = true});
}

static void ends_under_load(bool threads, bool by_target)
{
	struct rig_opts opts = {V4, .in_capsule = 8192, .r2t_size = 16384, .threads = threads};

	target_up(&opts);
	host_up(&opts);
	load_begin(UINT32_MAX);
	CU_ASSERT(NVH_RUN_UNTIL(host, SUM(1, completed) > 500, 20000));
	if (by_target) {
		nvhi_reactor_call(t.reactor, target_end, NULL);
		CU_ASSERT(NVH_RUN_UNTIL(host, SUM(0, lost) == 1 + QUEUES, 20000));
	}
	host_down();
	CU_ASSERT_EQUAL(SUM(0, given_back) + SUM(0, refused), STRIPES);
	CU_ASSERT_EQUAL(SUM(0, wrong), 0);
	if (!by_target)
		target_stop();
	CU_ASSERT_FATAL(NVH_WAIT(__atomic_load_n(&t.pending, __ATOMIC_ACQUIRE) == 0, 20000));
	target_down();
}

static void a_target_that_goes_away_under_load_gives_everything_back(void)
{
	ends_under_load(false, true);
	ends_under_load(true, true);
}

static void a_revoke_under_load_gives_everything_back(void)
{
	ends_under_load(false, false);
	ends_under_load(true, false);
}

NVH_UNIT_MAIN("fabric/tcp sockets", NVH_TEST(what_is_written_reads_back),
	      NVH_TEST(with_both_digests_too), NVH_TEST(with_sq_flow_control_too),
	      NVH_TEST(with_many_small_r2ts_too), NVH_TEST(with_many_r2ts_outstanding_too),
	      NVH_TEST(over_ipv6_too), NVH_TEST(on_reactors_of_their_own_too),
	      NVH_TEST(a_target_that_goes_away_under_load_gives_everything_back),
	      NVH_TEST(a_revoke_under_load_gives_everything_back))
