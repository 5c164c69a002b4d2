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
	bool no_success, hdgst, ddgst, sqflow;
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

struct sock_io {
	struct nvhi_req req;
	struct nvhi_qpair *qpair;
	uint32_t stripe, round;
	uint32_t bytes, offset;
	bool reading;
	uint8_t *mem;
	struct iovec iov[40];
};

static struct nvh_reactor *host;
static struct nvhi_tctrlr *tctrlr;
static struct nvhi_qpair *admin, *ioq[QUEUES];
static struct sock_io ios[STRIPES];
static int connected, connect_err, revoked, lost, given_back, wrong;
static uint32_t completed, goal;
static uint64_t seed;
static bool reg_told;

static void on_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	(void)cpl;
	if (err)
		printf("    %s: %s\n", qpair->name, qpair->why);
	connected++;
	connect_err = err;
}

static void on_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	(void)qpair;
	(void)err;
	(void)why;
	lost++;
}

static void on_revoked(struct nvhi_qpair *qpair)
{
	(void)qpair;
	revoked++;
}

static const struct nvhi_qpair_events events = {
	.connected = on_connected, .lost = on_lost, .revoked = on_revoked};

static struct nvhi_qpair *make_queue(uint16_t qid)
{
	struct nvhi_qpair_opts opts = {
		.reactor = host, .qid = qid, .entries = DEPTH + 1, .events = &events};
	struct nvhi_qpair *qpair;

	CU_ASSERT_EQUAL_FATAL(nvhi_transport_tcp.qpair_create(tctrlr, &opts, &qpair), 0);
	nvhi_transport_tcp.qpair_connect(qpair);
	return qpair;
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
	(set ? nvhi_transport_tcp.reg_set : nvhi_transport_tcp.reg_get)(admin, &op);
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
		.connect_timeout_ms = 10000,
		.net = &nvhi_net_sockets,
		.name = "nvh0",
	};
	char errbuf[200];

	connected = revoked = lost = given_back = wrong = 0;
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(NULL, &host), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_set(NVH_TRTYPE_TCP, t.addr.traddr, t.addr.trsvcid,
					    &topts.addr, errbuf, sizeof(errbuf)),
			      0);
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_tcp.tctrlr_open(&topts, &tctrlr), 0);
	admin = make_queue(0);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, connected == 1, 10000));
	CU_ASSERT_EQUAL_FATAL(connect_err, 0);
	reg(NVH_REG_CC, true,
	    NVH_CC_EN | NVH_SQES_LOG2 << NVH_CC_IOSQES_SHIFT |
		    NVH_CQES_LOG2 << NVH_CC_IOCQES_SHIFT);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, reg(NVH_REG_CSTS, false, 0) & NVH_CSTS_RDY, 5000));
	tctrlr->ioccsz = opts->in_capsule;
	for (uint16_t i = 0; i < QUEUES; i++) /* in parallel */
		ioq[i] = make_queue((uint16_t)(i + 1));
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, connected == 1 + QUEUES, 10000));
	CU_ASSERT_EQUAL_FATAL(connect_err, 0);
}

static void host_down(void)
{
	for (int i = 0; i < QUEUES; i++)
		nvhi_transport_tcp.revoke(ioq[i]);
	nvhi_transport_tcp.revoke(admin);
	CU_ASSERT_FATAL(NVH_RUN_UNTIL(host, revoked == 1 + QUEUES, 5000));
	for (int i = 0; i < QUEUES; i++)
		nvhi_transport_tcp.qpair_destroy(ioq[i]);
	nvhi_transport_tcp.qpair_destroy(admin);
	nvhi_transport_tcp.tctrlr_close(tctrlr);
	nvhi_reactor_destroy(host);
}

/* ---- load -------------------------------------------------------------------------------- */

static uint32_t roll(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

static uint8_t expected(const struct sock_io *io, uint32_t at)
{
	return (uint8_t)((io->stripe * 31 + io->round * 7 + at) * 2654435761u >> 11);
}

static void on_io(struct nvhi_req *req, int err, const struct nvh_cpl *cpl);

static void issue(struct sock_io *io)
{
	uint32_t at = 0, count = 0;
	uint64_t lba = ((uint64_t)io->stripe * STRIPE_BYTES + io->offset) / BLOCK;
	struct nvh_cmd *cmd = &io->req.cmd;

	while (at < io->bytes) { /* any shape */
		uint32_t n = count == 39 ? io->bytes - at : 1 + roll(8192);

		if (n > io->bytes - at)
			n = io->bytes - at;
		io->iov[count++] = (struct iovec){.iov_base = io->mem + at, .iov_len = n};
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
	nvhi_iov_cursor_init(&io->req.data, io->iov, count);
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_tcp.submit(io->qpair, &io->req), 0);
}

static void begin_write(struct sock_io *io)
{
	io->round++;
	io->reading = false;
	io->bytes = (1 + roll(roll(2) ? 16 : IO_MAX / BLOCK)) * BLOCK;
	io->offset = roll((STRIPE_BYTES - io->bytes) / BLOCK) * BLOCK;
	for (uint32_t i = 0; i < io->bytes; i++)
		io->mem[i] = expected(io, i);
	issue(io);
}

static void on_io(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct sock_io *io = nvhi_container_of(req, struct sock_io, req);

	if (err) {
		given_back++;
		return;
	}
	if (nvh_cpl_is_error(cpl) || req->transferred != io->bytes)
		wrong++;
	completed++;
	if (!io->reading) {
		memset(io->mem, 0, io->bytes);
		io->reading = true;
		issue(io);
		return;
	}
	for (uint32_t i = 0; i < io->bytes; i++)
		if (io->mem[i] != expected(io, i)) {
			wrong++;
			break;
		}
	if (completed < goal)
		begin_write(io);
}

static void load_begin(uint32_t commands)
{
	completed = 0;
	goal = commands;
	for (uint32_t i = 0; i < STRIPES; i++) {
		ios[i].stripe = i;
		ios[i].qpair = ioq[i % QUEUES];
		ios[i].mem = malloc(IO_MAX);
		CU_ASSERT_PTR_NOT_NULL_FATAL(ios[i].mem);
		begin_write(&ios[i]);
	}
}

static void load_end(void)
{
	for (uint32_t i = 0; i < STRIPES; i++)
		free(ios[i].mem);
}

static bool all_idle(void)
{
	for (int i = 0; i < QUEUES; i++)
		if (ioq[i]->inflight)
			return false;
	return true;
}

static void verify(const struct rig_opts *opts)
{
	target_up(opts);
	host_up(opts);
	load_begin(3000);
	CU_ASSERT(NVH_RUN_UNTIL(host, all_idle(), 60000));
	CU_ASSERT(completed >= goal);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(lost, 0);
	host_down();
	load_end();
	CU_ASSERT_EQUAL(given_back, 0);
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

static void a_target_that_goes_away_under_load_gives_everything_back(void)
{
	static const struct rig_opts opts = {V4, .in_capsule = 8192};

	target_up(&opts);
	host_up(&opts);
	load_begin(UINT32_MAX);
	CU_ASSERT(NVH_RUN_UNTIL(host, completed > 500, 20000));
	nvhi_reactor_call(t.reactor, target_end, NULL);
	CU_ASSERT(NVH_RUN_UNTIL(host, lost == 1 + QUEUES, 20000));
	host_down();
	load_end();
	CU_ASSERT_EQUAL(given_back, STRIPES);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_FATAL(NVH_WAIT(__atomic_load_n(&t.pending, __ATOMIC_ACQUIRE) == 0, 20000));
	target_down();
}

static void a_revoke_under_load_gives_everything_back(void)
{
	static const struct rig_opts opts = {V4, .in_capsule = 8192, .r2t_size = 16384};

	target_up(&opts);
	host_up(&opts);
	load_begin(UINT32_MAX);
	CU_ASSERT(NVH_RUN_UNTIL(host, completed > 500, 20000));
	host_down();
	load_end();
	CU_ASSERT_EQUAL(given_back, STRIPES);
	CU_ASSERT_EQUAL(wrong, 0);
	target_stop();
	target_down();
}

NVH_UNIT_MAIN("fabric/tcp sockets", NVH_TEST(what_is_written_reads_back),
	      NVH_TEST(with_both_digests_too), NVH_TEST(with_sq_flow_control_too),
	      NVH_TEST(with_many_small_r2ts_too), NVH_TEST(over_ipv6_too),
	      NVH_TEST(a_target_that_goes_away_under_load_gives_everything_back),
	      NVH_TEST(a_revoke_under_load_gives_everything_back))
