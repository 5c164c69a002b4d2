/*
 * The host's NVMe/TCP queue pair alone, below the library: how many commands a second and how much
 * CPU each costs, against the null controller in a second process (default) or any target.
 *
 *	qpair_bench [-a ADDR:PORT -n SUBNQN] [-o read|write|verify] [-b BYTES] [-q DEPTH]
 *		    [-t SECONDS] [-G (data digest)] [-g (header digest)] [-f (SQ flow control)]
 *		    [-S (no SUCCESS)] [-s NAMESPACE-BYTES] [-B BLOCK-BYTES] [-r MAXR2T]
 *		    [-c HOST-CPU] [-C TARGET-CPU]
 *
 * verify writes, reads back and compares; every command in flight has a part of the namespace to
 * itself.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/histogram.h"
#include "base/log.h"
#include "fabric/tcp/tcp.h"
#include "tests/bench/null_ctrlr.h"

#define DEPTH_MAX 1023

struct bench_io {
	struct nvhi_req req;
	struct iovec iov;
	uint64_t start;
	uint64_t lba, round;
	bool reading;
};

static struct bench_opts {
	const char *addr, *nqn;
	bool write, verify, hdgst, ddgst, sqflow, no_success;
	uint32_t bytes, depth, seconds, block_sectors, maxr2t;
	uint64_t ns_bytes;
	int host_cpu, target_cpu;
} opt = {
	.nqn = "nqn.2016-06.io.spdk:cnode1",
	.bytes = 4096,
	.depth = 1,
	.seconds = 3,
	.block_sectors = 1,
	.ns_bytes = 64u << 20,
	.host_cpu = 0,
	.target_cpu = 1,
};

static struct nvh_reactor *reactor;
static struct nvhi_tctrlr *tctrlr;
static struct nvhi_qpair *admin, *ioq;
static struct bench_io ios[DEPTH_MAX];
static uint8_t *memory;
static struct nvh_id_ctrlr identify;
static uint64_t done_count, random_state = 88172645463325252ull;
static bool running;
/* Latencies, at small depths only: a clock read costs as much as a tenth of an I/O at large ones.
 */
static struct nvhi_histogram latency;
#define LATENCY_DEPTH 4
static int told, told_err;
static uint32_t told_dw0;

static void die(const char *what, int err)
{
	fprintf(stderr, "qpair_bench: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- what is told ------------------------------------------------------------------------ */

static void on_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	(void)cpl;
	if (err)
		fprintf(stderr, "%s: %s\n", qpair->name, qpair->why);
	told = 1;
	told_err = err;
}

static void on_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	fprintf(stderr, "%s: lost: %s\n", qpair->name, why);
	die("lost", err);
}

static void on_revoked(struct nvhi_qpair *qpair)
{
	(void)qpair;
	told = 1;
}

static const struct nvhi_qpair_events events = {
	.connected = on_connected, .lost = on_lost, .revoked = on_revoked};

static void wait_told(const char *what)
{
	while (!told)
		nvhi_reactor_run(reactor, -1);
	told = 0;
	if (told_err)
		die(what, told_err);
}

static void on_reg(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	(void)op;
	told = 1;
	told_err = err ? err : nvh_cpl_is_error(cpl) ? -EIO : 0;
}

static void on_admin(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	(void)req;
	told = 1;
	told_err = err ? err : nvh_cpl_is_error(cpl) ? -EIO : 0;
	if (!err)
		told_dw0 = nvh_le32_get(cpl->dw0);
}

/* ---- setting up -------------------------------------------------------------------------- */

static struct nvhi_qpair *connect_queue(uint16_t qid, uint16_t entries)
{
	struct nvhi_qpair_opts opts = {
		.reactor = reactor, .qid = qid, .entries = entries, .events = &events};
	struct nvhi_qpair *qpair;
	int err = nvhi_transport_tcp.qpair_create(tctrlr, &opts, &qpair);

	if (err)
		die("qpair_create", err);
	nvhi_transport_tcp.qpair_connect(qpair);
	wait_told("connect");
	return qpair;
}

static uint64_t reg(uint32_t offset, bool set, uint64_t value)
{
	struct nvhi_reg_op op = {.offset = offset,
				 .size = offset == NVH_REG_CAP ? 8 : 4,
				 .value = value,
				 .done = on_reg};

	(set ? nvhi_transport_tcp.reg_set : nvhi_transport_tcp.reg_get)(admin, &op);
	wait_told("register");
	return op.value;
}

static void admin_cmd(struct nvhi_req *req)
{
	int err;

	req->done = on_admin;
	err = nvhi_transport_tcp.submit(admin, req);
	if (err)
		die("submit", err);
	wait_told("admin command");
}

static void bring_up(const struct nvhi_tctrlr_opts *opts)
{
	struct iovec iov = {.iov_base = &identify, .iov_len = sizeof(identify)};
	struct nvhi_req req;
	int err = nvhi_transport_tcp.tctrlr_open(opts, &tctrlr);

	if (err)
		die("tctrlr_open", err);
	admin = connect_queue(0, 32);
	reg(NVH_REG_CC, true,
	    NVH_CC_EN | NVH_SQES_LOG2 << NVH_CC_IOSQES_SHIFT |
		    NVH_CQES_LOG2 << NVH_CC_IOCQES_SHIFT);
	while (!(reg(NVH_REG_CSTS, false, 0) & NVH_CSTS_RDY))
		;
	memset(&req, 0, sizeof(req));
	req.cmd.opc = NVH_ADM_IDENTIFY;
	nvh_le32_put(&req.cmd.cdw10, 1);
	req.dir = NVHI_DIR_TO_HOST;
	req.len = sizeof(identify);
	nvhi_iov_cursor_init(&req.data, &iov, 1);
	admin_cmd(&req);
	tctrlr->ioccsz = nvh_le32_get(identify.ioccsz) * 16 - 64;
	memset(&req, 0, sizeof(req));
	req.cmd.opc = NVH_ADM_SET_FEATURES;
	nvh_le32_put(&req.cmd.cdw10, 7);
	admin_cmd(&req);
	ioq = connect_queue(1, (uint16_t)(opt.depth + 1 < 32 ? 32 : opt.depth + 1));
}

/* ---- load -------------------------------------------------------------------------------- */

static void on_io(struct nvhi_req *req, int err, const struct nvh_cpl *cpl);

/* The part of the namespace a command draws its address from. */
static uint64_t random_lba(const struct bench_io *io)
{
	uint64_t chunks = opt.ns_bytes / opt.bytes, first = 0;

	if (opt.verify) {
		chunks /= opt.depth;
		first = (uint64_t)(io - ios) * chunks;
	}
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (first + random_state % chunks) * (opt.bytes / 512);
}

static uint64_t pattern(const struct bench_io *io, size_t at)
{
	return (io->lba + io->round * 0x9e3779b97f4a7c15ull + at) * 0xff51afd7ed558ccdull;
}

static bool verified(struct bench_io *io)
{
	uint64_t *words = io->iov.iov_base;

	for (size_t i = 0; i < opt.bytes / sizeof(*words); i++)
		if (words[i] != pattern(io, i))
			return false;
	return true;
}

/* verify: a write and its read in turns. */
static void prepare_verify(struct bench_io *io)
{
	uint64_t *words = io->iov.iov_base;

	io->reading = !io->reading && io->round > 0;
	if (io->reading) {
		memset(words, 0, opt.bytes);
		return;
	}
	io->round++;
	io->lba = random_lba(io);
	for (size_t i = 0; i < opt.bytes / sizeof(*words); i++)
		words[i] = pattern(io, i);
}

static void submit_one(struct bench_io *io)
{
	bool write = opt.write;
	int err;

	if (opt.verify) {
		prepare_verify(io);
		write = !io->reading;
	} else {
		io->lba = random_lba(io);
	}
	memset(&io->req.cmd, 0, sizeof(io->req.cmd));
	io->req.cmd.opc = write ? NVH_OPC_WRITE : NVH_OPC_READ;
	nvh_le32_put(&io->req.cmd.nsid, 1);
	nvh_le32_put(&io->req.cmd.cdw10, (uint32_t)(io->lba / opt.block_sectors));
	nvh_le32_put(&io->req.cmd.cdw11, (uint32_t)(io->lba / opt.block_sectors >> 32));
	nvh_le32_put(&io->req.cmd.cdw12, opt.bytes / 512 / opt.block_sectors - 1);
	io->req.len = opt.bytes;
	io->req.dir = write ? NVHI_DIR_TO_CTRLR : NVHI_DIR_TO_HOST;
	io->req.done = on_io;
	nvhi_iov_cursor_init(&io->req.data, &io->iov, 1);
	if (opt.depth <= LATENCY_DEPTH)
		io->start = nvhi_reactor_clock(reactor);
	err = nvhi_transport_tcp.submit(ioq, &io->req);
	if (err)
		die("submit", err);
}

static void on_io(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct bench_io *io = nvhi_container_of(req, struct bench_io, req);

	if (err)
		die("I/O", err);
	if (nvh_cpl_is_error(cpl))
		die(nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)), -EIO);
	if (opt.verify && io->reading && !verified(io))
		die("what was written does not read back", -EIO);
	done_count++;
	if (opt.depth <= LATENCY_DEPTH)
		nvhi_histogram_add(&latency, nvhi_reactor_clock(reactor) - io->start);
	if (running)
		submit_one(io);
}

static double seconds_of(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static void load(void)
{
	uint64_t start = nvhi_reactor_clock(reactor);
	uint64_t end = start + opt.seconds * NVHI_NSEC_PER_SEC;
	struct nvhi_reactor_stats rs;
	struct rusage before, after;
	double elapsed, user, sys;

	getrusage(RUSAGE_SELF, &before);
	running = true;
	for (uint32_t i = 0; i < opt.depth; i++) {
		ios[i].iov.iov_base = memory + (size_t)i * opt.bytes;
		ios[i].iov.iov_len = opt.bytes;
		submit_one(&ios[i]);
	}
	while (nvhi_reactor_now(reactor) < end)
		nvhi_reactor_run(reactor, 100);
	running = false;
	getrusage(RUSAGE_SELF, &after);
	elapsed = (double)(nvhi_reactor_clock(reactor) - start) / 1e9;
	user = seconds_of(&after.ru_utime) - seconds_of(&before.ru_utime);
	sys = seconds_of(&after.ru_stime) - seconds_of(&before.ru_stime);
	nvhi_reactor_stats(reactor, &rs);
	printf("%-6s %6u B QD %-4u %9.0f IOPS %8.2f us %7.1f MiB/s  cpu/io: user %.3f sys %.3f us"
	       "  epoll/io %.3f\n",
	       opt.verify  ? "verify"
	       : opt.write ? "write"
			   : "read",
	       opt.bytes, opt.depth, (double)done_count / elapsed,
	       elapsed * 1e6 * opt.depth / (double)done_count,
	       (double)done_count * opt.bytes / elapsed / 1048576, user * 1e6 / (double)done_count,
	       sys * 1e6 / (double)done_count, (double)rs.epoll_waits / (double)done_count);
	if (opt.depth <= LATENCY_DEPTH)
		printf("      p50 %.2f us  p99 %.2f us\n",
		       (double)nvhi_histogram_percentile(&latency, 50) / 1e3,
		       (double)nvhi_histogram_percentile(&latency, 99) / 1e3);
	while (ioq->inflight)
		nvhi_reactor_run(reactor, 100);
}

static void tear_down(struct nvhi_qpair *qpair)
{
	nvhi_transport_tcp.revoke(qpair);
	wait_told("revoke");
	nvhi_transport_tcp.qpair_destroy(qpair);
}

static pid_t start_null_ctrlr(uint16_t *ret_port)
{
	static struct null_ctrlr_opts target;
	int fd = null_ctrlr_listen(ret_port);
	pid_t pid;

	if (fd < 0)
		die("listen", fd);
	target.success = !opt.no_success;
	target.in_capsule = 8192;
	pid = fork();
	if (pid < 0)
		die("fork", -errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(opt.target_cpu);
		null_ctrlr_run(fd, &target);
	}
	close(fd);
	return pid;
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:n:o:b:q:t:s:c:C:B:r:gGfS")) != -1) {
		switch (c) {
		case 'a':
			opt.addr = optarg;
			break;
		case 'n':
			opt.nqn = optarg;
			break;
		case 'o':
			opt.write = !strcmp(optarg, "write");
			opt.verify = !strcmp(optarg, "verify");
			break;
		case 'b':
			opt.bytes = (uint32_t)atoi(optarg);
			break;
		case 'q':
			opt.depth = (uint32_t)atoi(optarg);
			break;
		case 't':
			opt.seconds = (uint32_t)atoi(optarg);
			break;
		case 's':
			opt.ns_bytes = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			opt.host_cpu = atoi(optarg);
			break;
		case 'C':
			opt.target_cpu = atoi(optarg);
			break;
		case 'B':
			opt.block_sectors = (uint32_t)atoi(optarg) / 512;
			break;
		case 'r':
			opt.maxr2t = (uint32_t)atoi(optarg);
			break;
		case 'g':
			opt.hdgst = true;
			break;
		case 'G':
			opt.ddgst = true;
			break;
		case 'f':
			opt.sqflow = true;
			break;
		case 'S':
			opt.no_success = true;
			break;
		default:
			exit(2);
		}
	}
	if (opt.depth < 1 || opt.depth > DEPTH_MAX || opt.bytes < 512 || opt.bytes > 1u << 20) {
		fprintf(stderr, "qpair_bench: depth 1-1023, bytes 512-1048576\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct nvhi_tctrlr_opts opts = {
		.tos = -1, .connect_timeout_ms = 3000, .name = "bench", .net = &nvhi_net_sockets};
	struct nvhi_reactor_opts ropts = {.spin_us = 100};
	char text[256], err[256], culprit[64];
	uint16_t port;
	pid_t pid = 0;

	parse(argc, argv);
	nvhi_log_set_hook(nvhi_log_to_stderr);
	nvhi_log_configure_env(culprit, sizeof(culprit));
	if (!opt.addr) {
		pid = start_null_ctrlr(&port);
		snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", port);
	} else {
		snprintf(text, sizeof(text), "tcp:%s", opt.addr);
	}
	if (nvhi_addr_parse(text, &opts.addr, err, sizeof(err))) {
		fprintf(stderr, "qpair_bench: %s\n", err);
		return 2;
	}
	snprintf(opts.subnqn, sizeof(opts.subnqn), "%s", opt.nqn);
	snprintf(opts.hostnqn, sizeof(opts.hostnqn),
		 NVH_NQN_UUID_PREFIX "3a6f1b1e-0000-4000-8000-000000000001");
	opts.hostid[0] = 1;
	opts.hdr_digest = opt.hdgst;
	opts.data_digest = opt.ddgst;
	opts.disable_sqflow = !opt.sqflow;
	opts.maxr2t = (uint8_t)opt.maxr2t;
	pin(opt.host_cpu);
	memory = aligned_alloc(4096, ((size_t)opt.depth * opt.bytes + 4095) / 4096 * 4096);
	if (!memory || nvhi_reactor_create(&ropts, &reactor))
		die("memory", -ENOMEM);
	memset(memory, 0x5a, (size_t)opt.depth * opt.bytes);
	bring_up(&opts);
	load();
	tear_down(ioq);
	tear_down(admin);
	nvhi_transport_tcp.tctrlr_close(tctrlr);
	nvhi_reactor_destroy(reactor);
	free(memory);
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return 0;
}
