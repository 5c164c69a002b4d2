/*
 * target-lite, the program: reactors, the target, what the command line asks for, and an orderly
 * end on SIGTERM or SIGINT. The main thread runs the management reactor.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stream.h"
#include "target-lite/options.h"
#include "target-lite/rdma/rdma.h"
#include "target-lite/vfio-user/vfio_user.h"
#include "target-lite/rpc/rpc.h"
#include "target-lite/tcp/tcp.h"

struct program {
	struct tl_options opts;
	struct nvh_reactor *reactors[TL_MAX_CPUS];
	struct nvhi_reactor_thread *threads[TL_MAX_CPUS];
	struct tl_target *target;
	struct tl_rpc *rpc;
	struct nvhi_source signals;
	int signal_fd;
	int pending; /* changes asked for at start and not done */
	bool stopping;
	int status;
	struct nvhi_msg begin;
};

static struct program program;

static void program_fail(struct program *p)
{
	p->status = 1;
	p->stopping = true;
	nvhi_reactor_stop(p->reactors[0]);
}

static int program_error(const char *what, const char *name, int err, const char *hint)
{
	fprintf(stderr, "target-lite: %s %s: %s%s%s%s\n", what, name, strerror(-err),
		hint ? " (" : "", hint ? hint : "", hint ? ")" : "");
	return err;
}

/* ---- the subsystem of the command line ------------------------------------------------------ */

static void program_ready(struct program *p)
{
	puts("ready");
	fflush(stdout);
	nvhi_log(INFO, TARGET, "ready: %u reactor%s", p->opts.cpu_count,
		 p->opts.cpu_count == 1 ? "" : "s");
}

static void program_step_done(void *arg, int err)
{
	struct program *p = arg;

	if (err && !p->status) {
		program_error("start", p->opts.nqn, err, NULL);
		program_fail(p);
		return;
	}
	if (--p->pending == 0 && !p->status)
		program_ready(p);
}

static const char *folder_hint(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
		return "it must be a folder: mkdir -p makes it";
	case -EADDRINUSE:
		return "another target listens there";
	case -EACCES:
		return "no permission to make a socket in it";
	case -ENAMETOOLONG:
		return "a socket's path is 107 bytes at most";
	default:
		return NULL;
	}
}

static const char *listen_hint(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "another process listens there: stop it (ss -ltnp shows it) or take port 0";
	case -EADDRNOTAVAIL:
		return "no interface of this machine has that address: ip address shows them";
	case -ENODEV:
		return "no RDMA device has that address: rdma link shows them with their "
		       "interfaces";
	case -EACCES:
		return "ports below 1024 need root or CAP_NET_BIND_SERVICE";
	default:
		return NULL;
	}
}

static int start_listener(struct program *p, struct tl_subsystem *ss,
			  const struct tl_listen_addr *addr)
{
	bool v6 = addr->adrfam == TL_ADRFAM_IPV6;
	struct tl_listen_addr bound;
	char name[320];
	int err = tl_subsystem_add_listener(ss, addr, false, TL_ANA_OPTIMIZED, program_step_done, p,
					    &bound);

	if (addr->trtype == TL_TRTYPE_VFIOUSER)
		snprintf(name, sizeof(name), "vfio-user:%s", addr->traddr);
	else
		snprintf(name, sizeof(name), "%s:%s%s%s:%s",
			 addr->trtype == TL_TRTYPE_RDMA ? "rdma" : "tcp", v6 ? "[" : "", addr->traddr,
			 v6 ? "]" : "", err ? addr->trsvcid : bound.trsvcid);
	if (err)
		return program_error("--listen", name, err,
				     addr->trtype == TL_TRTYPE_VFIOUSER ? folder_hint(err)
									: listen_hint(err));
	p->pending++;
	printf("listening on %s\n", name);
	return 0;
}

static const char *file_hint(int err)
{
	switch (err) {
	case -ENOENT:
		return "no such file; file:PATH:SIZE creates it";
	case -EACCES:
		return "no permission to read and write it; ,ro serves it read-only";
	case -ENOSPC:
		return "the file system is full";
	case -ERANGE:
		return "smaller than one block; file:PATH:SIZE makes it larger";
	default:
		return NULL;
	}
}

static int start_ns(struct program *p, struct tl_subsystem *ss, const struct tl_ns_spec *spec)
{
	struct tl_bdev_create_opts create = {
		.uuid = spec->uuid,
		.blocks = spec->bytes / spec->block_size,
		.block_size = spec->block_size,
		.filename = spec->filename,
		.read_only = spec->read_only,
	};
	struct tl_ns_opts ns = {0};
	struct tl_bdev *bdev;
	uint32_t nsid;
	int err;

	if (spec->kind == TL_NS_MALLOC)
		err = tl_malloc_create(&p->target->bdevs, &create, &bdev);
	else if (spec->kind == TL_NS_NULL)
		err = tl_null_create(&p->target->bdevs, &create, &bdev);
	else
		err = tl_file_create(&p->target->bdevs, &create, &bdev);
	if (err)
		return program_error("--ns", spec->filename ? spec->filename : "memory", err,
				     spec->filename ? file_hint(err) : NULL);
	ns.bdev_name = bdev->name;
	err = tl_subsystem_add_ns(ss, &ns, program_step_done, p, &nsid);
	if (err)
		return program_error("--ns", bdev->name, err, NULL);
	p->pending++;
	return 0;
}

static int start_subsystem(struct program *p)
{
	const struct tl_options *o = &p->opts;
	struct tl_subsystem_opts opts = {
		.nqn = o->nqn,
		.serial_number = o->serial ? o->serial : "NVHOST0000000001",
		.model_number = o->model ? o->model : "target-lite",
		.max_namespaces = o->ns_count > 32 ? TL_MAX_NAMESPACES : 32,
		.allow_any_host = !o->host_count,
		.ana_reporting = o->ana,
		.ccr = TL_CCR_IMMEDIATE,
	};
	struct tl_subsystem *ss;
	int err = tl_subsystem_create(p->target, &opts, &ss);

	if (err)
		return program_error("--nqn", o->nqn, err, NULL);
	for (uint32_t i = 0; i < o->host_count && !err; i++)
		err = tl_subsystem_add_host(ss, o->hosts[i]);
	if (err)
		return program_error("--host", o->nqn, err, NULL);
	p->pending++;
	tl_subsystem_start(ss, program_step_done, p);
	for (uint32_t i = 0; i < o->ns_count && !err; i++)
		err = start_ns(p, ss, &o->ns[i]);
	for (uint32_t i = 0; i < o->listen_count && !err; i++)
		err = start_listener(p, ss, &o->listens[i]);
	return err;
}

static int start_tcp(struct program *p)
{
	const char *culprit = tl_tcp_check_opts(&p->opts.transport);
	struct tl_transport *transport;
	int err;

	if (culprit) {
		fprintf(stderr, "target-lite: %s cannot have this value\n", culprit);
		return -EINVAL;
	}
	err = tl_tcp_create(p->target, &p->opts.transport, &nvhi_net_sockets, &transport);
	return err ? program_error("transport", "tcp", err, NULL) : 0;
}

static int start_rdma(struct program *p)
{
	struct tl_transport_opts opts = p->opts.transport;
	struct tl_transport *transport;
	char text[400];
	int err;

	opts.num_shared_buffers = 127;
	err = tl_rdma_create(p->target, &opts, text, sizeof(text), &transport);
	if (err)
		fprintf(stderr, "target-lite: --listen rdma: %s\n", text);
	return err;
}

static int start_vfio_user(struct program *p)
{
	struct tl_transport *transport;
	int err = tl_vfu_create(p->target, &p->opts.transport, &transport);

	return err ? program_error("transport", "vfio-user", err, NULL) : 0;
}

/* Those that --listen names; TCP when it names none. */
static int start_transports(struct program *p)
{
	bool tcp = !p->opts.listen_count, rdma = false, vfio_user = false;

	for (uint32_t i = 0; i < p->opts.listen_count; i++) {
		tcp = tcp || p->opts.listens[i].trtype == TL_TRTYPE_TCP;
		rdma = rdma || p->opts.listens[i].trtype == TL_TRTYPE_RDMA;
		vfio_user = vfio_user || p->opts.listens[i].trtype == TL_TRTYPE_VFIOUSER;
	}
	if ((tcp && start_tcp(p)) || (vfio_user && start_vfio_user(p)))
		return -EINVAL;
	return rdma ? start_rdma(p) : 0;
}

/* ---- RPC ------------------------------------------------------------------------------------ */

static int start_rpc(struct program *p)
{
	const char *address = p->opts.rpc ? p->opts.rpc : TL_RPC_DEFAULT_ADDRESS;
	struct tl_rpc_opts opts = {
		.wait_for_rpc = p->opts.wait_for_rpc,
		.allow_remote = p->opts.allow_remote,
		.cpus = p->opts.cpus,
	};
	char text[512];
	int err;

	if (p->opts.no_rpc && !p->opts.config)
		return 0;
	err = tl_rpc_create(p->target, &opts, &p->rpc);
	if (err)
		return program_error("RPC", address, err, NULL);
	if (p->opts.no_rpc)
		return 0;
	err = tl_rpc_listen(p->rpc, address, text, sizeof(text));
	if (err && !p->opts.rpc && p->opts.listen_count) {
		fprintf(stderr, "target-lite: no RPC: %s (--rpc PATH takes another socket)\n",
			text);
		return 0;
	}
	if (err) {
		fprintf(stderr, "target-lite: --rpc %s: %s\n", address, text);
		return err;
	}
	if (!tl_rpc_address(p->rpc, 0, text, sizeof(text)))
		printf("rpc on %s\n", text);
	return 0;
}

static void config_loaded(void *arg, const char *failure)
{
	struct program *p = arg;

	if (failure)
		fprintf(stderr, "target-lite: --config %s: %s\n", p->opts.config, failure);
	program_step_done(p, 0);
	if (failure)
		program_fail(p);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void program_stopped(void *arg, int err)
{
	struct program *p = arg;

	(void)err;
	nvhi_reactor_stop(p->reactors[0]);
}

static int program_signal(struct nvhi_source *source, unsigned int events)
{
	struct program *p = nvhi_container_of(source, struct program, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (p->stopping) /* a second signal does not wait for the hosts */
		_exit(1);
	nvhi_log(INFO, TARGET, "%s: ending", strsignal((int)info.ssi_signo));
	p->stopping = true;
	nvhi_reactor_stop(p->reactors[0]);
	return 1;
}

static int program_block_signals(struct program *p)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of one write */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL))
		return -errno;
	p->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return p->signal_fd < 0 ? -errno : 0;
}

/* ---- the run -------------------------------------------------------------------------------- */

/* On the management reactor's thread, in its first turn. */
static void program_begin(struct nvhi_msg *msg)
{
	struct program *p = nvhi_container_of(msg, struct program, begin);
	bool serve = p->opts.listen_count || p->opts.ns_count;

	p->pending = 1;
	if (start_rpc(p) || (serve && (start_transports(p) || start_subsystem(p)))) {
		program_fail(p);
		return;
	}
	if (p->opts.config) {
		p->pending++;
		tl_rpc_load_file(p->rpc, p->opts.config, config_loaded, p);
	}
	program_step_done(p, 0);
}

static void program_random(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		abort();
}

static int program_reactors(struct program *p)
{
	for (uint32_t i = 0; i < p->opts.cpu_count; i++) {
		char name[16];
		struct nvhi_reactor_opts opts = {
			.name = name, .spin_us = p->opts.spin_us, .poll = p->opts.poll};
		int err;

		snprintf(name, sizeof(name), "reactor%u", i);
		err = nvhi_reactor_create(&opts, &p->reactors[i]);
		if (err)
			return err;
	}
	return 0;
}

static int program_threads(struct program *p)
{
	for (uint32_t i = 1; i < p->opts.cpu_count; i++) {
		int err =
			nvhi_reactor_thread_start(p->reactors[i], p->opts.cpus[i], &p->threads[i]);

		if (err)
			return err;
	}
	if (p->opts.cpus[0] >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(p->opts.cpus[0], &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			return -errno;
	}
	return 0;
}

static void program_stop(struct program *p)
{
	if (p->rpc)
		tl_rpc_destroy(p->rpc);
	tl_target_stop(p->target, program_stopped, p);
	nvhi_reactor_loop(p->reactors[0]);
	nvhi_source_remove(p->reactors[0], &p->signals);
	for (uint32_t i = 1; i < p->opts.cpu_count; i++)
		if (p->threads[i])
			nvhi_reactor_thread_join(p->threads[i]);
	for (uint32_t i = 0; i < p->opts.cpu_count; i++)
		nvhi_reactor_destroy(p->reactors[i]);
	tl_target_destroy(p->target);
}

static int program_run(struct program *p)
{
	struct tl_target_opts opts = {
		.name = "nvmf_tgt", .tbkas = p->opts.tbkas, .random = program_random};
	int err = program_block_signals(p);

	if (!err)
		err = program_reactors(p);
	if (!err)
		err = tl_target_create(&opts, p->reactors, p->opts.cpu_count, &p->target);
	if (!err)
		err = nvhi_source_add(p->reactors[0], &p->signals, p->signal_fd, NVHI_READABLE,
				      program_signal);
	if (err) {
		program_error("start", "", err, NULL);
		return 1;
	}
	p->begin.fn = program_begin;
	nvhi_reactor_post(p->reactors[0], &p->begin);
	err = program_threads(p);
	if (err) {
		program_error("-m", "reactor", err,
			      err == -EINVAL ? "the mask names a CPU this machine has not" : NULL);
		return 1;
	}
	nvhi_reactor_loop(p->reactors[0]);
	program_stop(p);
	return p->status;
}

/* Hundreds of connections are a usual test. */
static void program_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	char culprit[64];

	nvhi_log_set_hook(nvhi_log_to_stderr);
	if (nvhi_log_configure_env(culprit, sizeof(culprit))) {
		fprintf(stderr, "target-lite: NVHOST_LOG: '%s' is no component or level\n",
			culprit);
		return 2;
	}
	if (argc > 1 && !strcmp(argv[1], "rpc"))
		return tl_rpc_client_main(argc - 1, argv + 1);
	if (tl_options_parse(argc, argv, &program.opts))
		return 2;
	if (program.opts.done)
		return 0;
	program_raise_files();
	return program_run(&program);
}
