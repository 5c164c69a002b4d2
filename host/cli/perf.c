/*
 * nvhost perf: options, reactors and connection of its own (so that nothing but the library is
 * measured), the live line, and the sum.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/reactor.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/connect_opts.h"
#include "host/cli/perf.h"

struct perf {
	struct perf_opts opts;
	struct nvd_params params;
	const char *device, *format_text, *cpumask;
	uint32_t nsid;
	bool write_ok;
	enum nvc_format format;
	struct json_object *resolved; /* the daemon's answer: params point into it */
	struct nvh_reactor *reactors[PERF_JOBS_MAX];
	unsigned int nr_reactors, threads;
	struct nvh_host *host;
	struct nvh_ns *ns;
	struct perf_job *jobs;
	unsigned int nr_jobs, running;
	struct nvhi_timer tick; /* live line */
	uint64_t last_progress;
	struct nvhi_timer overdue; /* the time is up and I/O is still under way */
	uint64_t overdue_progress;
	struct nvhi_source signals;
	bool interrupted;
	struct rusage before, after;
};

/* ---- options ------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	bool random;
	int read_percent; /* -1: --rwmixread */
} perf_modes[] = {
	{"read", false, 100},   {"write", false, 0}, {"randread", true, 100},
	{"randwrite", true, 0}, {"rw", false, -1},   {"readwrite", false, -1},
	{"randrw", true, -1},
};

static int perf_mode(struct perf_opts *o, uint32_t mix)
{
	for (size_t i = 0; i < sizeof(perf_modes) / sizeof(perf_modes[0]); i++) {
		if (strcmp(perf_modes[i].name, o->rw) != 0)
			continue;
		o->random = perf_modes[i].random;
		o->read_percent =
			perf_modes[i].read_percent < 0 ? mix : (uint32_t)perf_modes[i].read_percent;
		return 0;
	}
	return nvc_misuse("--rw: '%s' is none of read, write, randread, randwrite, rw, randrw",
			  o->rw);
}

/* One core a job, in the order of the mask. */
static int perf_cpus(struct perf_opts *o, const char *mask_text, bool numjobs_given)
{
	unsigned long long mask = 0;
	unsigned int nr = 0;
	char *end;

	for (unsigned int i = 0; i < PERF_JOBS_MAX; i++)
		o->cpus[i] = -1;
	if (!mask_text)
		return 0;
	mask = strtoull(mask_text, &end, 16);
	if (*end || end == mask_text || !mask)
		return nvc_misuse("--cpumask: '%s' is not a hexadecimal mask of cores", mask_text);
	for (int cpu = 0; cpu < 64; cpu++) {
		if (mask >> cpu & 1)
			o->cpus[nr++] = cpu;
	}
	if (!numjobs_given)
		o->numjobs = nr;
	for (unsigned int i = nr; i < o->numjobs; i++)
		o->cpus[i] = o->cpus[i % nr];
	return 0;
}

static int perf_finish_opts(struct perf *p, uint32_t mix, bool size_given, bool runtime_given,
			    bool numjobs_given)
{
	struct perf_opts *o = &p->opts;
	int status = perf_mode(o, mix);

	if (!status)
		status = perf_cpus(o, p->cpumask, numjobs_given);
	if (status)
		return status;
	if (!o->bs || o->bs > (1ull << 30))
		return nvc_misuse("--bs: %llu is out of range (1 to 1G)",
				  (unsigned long long)o->bs);
	/* As fio: a size without a time is done once. */
	if (!runtime_given && size_given && !o->ios)
		o->ios = o->size / o->bs;
	if (!runtime_given && o->ios)
		o->runtime = 0;
	return 0;
}

/* "rw=randread" is "--rw=randread": the form of fio's files and fingers. */
static void perf_accept_words(int argc, char **argv, const struct nvc_opt *opts)
{
	for (int i = 1; i < argc; i++) {
		size_t len = strcspn(argv[i], "=");
		char *word;

		if (argv[i][0] == '-' || !argv[i][len])
			continue;
		for (const struct nvc_opt *o = opts; o->name; o++) {
			if (strlen(o->name) != len || strncmp(o->name, argv[i], len) != 0)
				continue;
			/* Lives as long as the process: options point into it. */
			if (asprintf(&word, "--%s", argv[i]) >= 0)
				argv[i] = word;
			break;
		}
	}
}

static int perf_parse(struct perf *p, int argc, char **argv)
{
	uint32_t mix = 50;
	bool size_given = false, runtime_given = false, numjobs_given = false, ignored;
	const struct nvc_opt opts[] = {
		{"rw", 0, NVC_OPT_STRING, "MODE", &p->opts.rw, NULL, 0, 0,
		 "read, write, randread, randwrite, rw, randrw (randread)"},
		{"bs", 0, NVC_OPT_SIZE, "SIZE", &p->opts.bs, NULL, 0, 0, "bytes an I/O (4k)"},
		NVC_NUMBER("iodepth", 0, U32, &p->opts.iodepth, "I/Os under way a job (32)",
			   .min = 1, .max = 65535),
		{"runtime", 0, NVC_OPT_SECONDS, "SEC", &p->opts.runtime, &runtime_given, 0, 0,
		 "seconds (10)"},
		{"ramp_time", 0, NVC_OPT_SECONDS, "SEC", &p->opts.ramp, NULL, 0, 0,
		 "seconds before measuring begins (0)"},
		NVC_NUMBER("number_ios", 0, U64, &p->opts.ios, "end after so many I/Os"),
		NVC_NUMBER("rwmixread", 0, U32, &mix, "percent of reads in rw and randrw (50)",
			   .max = 100),
		{"size", 0, NVC_OPT_SIZE, "SIZE", &p->opts.size, &size_given, 0, 0,
		 "bytes of the namespace to use (all)"},
		{"offset", 0, NVC_OPT_SIZE, "SIZE", &p->opts.offset, NULL, 0, 0,
		 "where they begin (0)"},
		NVC_NUMBER("numjobs", 0, U32, &p->opts.numjobs,
			   "jobs, a reactor and thread each (1)", .given = &numjobs_given, .min = 1,
			   .max = PERF_JOBS_MAX),
		{"cpumask", 0, NVC_OPT_STRING, "MASK", &p->cpumask, NULL, 0, 0,
		 "cores, hexadecimal; a job on each"},
		NVC_FLAG("verify", 0, &p->opts.verify,
			 "tag what is written, check what is read, read all back at the end"),
		NVC_FLAG("fua", 0, &p->opts.fua, "writes with Force Unit Access"),
		NVC_FLAG("poll", 0, &p->opts.poll, "never sleep"),
		NVC_NUMBER("randseed", 0, U32, &p->opts.seed, "of offsets and data (1)"),
		NVC_NUMBER("nsid", 0, U32, &p->nsid, "the namespace (1)"),
		NVC_STRING("output-format", 'o', "FMT", &p->format_text,
			   "Output format: normal|json"),
		NVC_FLAG("yes", 'y', &ignored, "accepted: writing needs no confirmation"),
		NVC_CONNECT_OPTS(p->params),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "perf",
		.args = "[DEVICE]",
		.opts = opts,
		.max_args = 1,
		.about = "Measures reads and writes of a namespace through a connection of its "
			 "own: to "
			 "the address given (-t, -a, -s, -n, --nsid), or to where a DEVICE of the "
			 "daemon's is connected. Options may be typed as in fio's files "
			 "(rw=randread bs=4k).",
	};
	struct nvc_args args;
	int status;

	perf_accept_words(argc, argv, opts);
	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status ? status : -1;
	if (nvc_parse_format(p->format_text, false, &p->format) < 0)
		return 2;
	p->device = args.count ? args.words[0] : NULL;
	if (!p->device && (!p->params.transport || !p->params.traddr || !p->params.nqn))
		return nvc_misuse("a DEVICE, or an address (-t, -a, -n), is needed");
	return perf_finish_opts(p, mix, size_given, runtime_given, numjobs_given);
}

/* ---- connection --------------------------------------------------------------------------- */

/* The parameters that the daemon connected with. */
static int perf_resolve(struct perf *p)
{
	struct json_object *ctrlr;
	char err[512];

	if (nvc_admin_resolve(p->device, &p->resolved) < 0)
		return 1;
	if (!p->nsid)
		p->nsid = nvc_admin_nsid(p->resolved);
	if (nvd_params_from_json(nvc_get(p->resolved, "connection"), &p->params, err, sizeof(err)) <
	    0)
		return nvc_fail("%s: %s", p->device, err);
	p->params.name = NULL;
	/* Another identity would be another host to the target, and perhaps not a welcome one. */
	ctrlr = nvc_get(p->resolved, "controller");
	if (!p->params.hostnqn && nvc_get(ctrlr, "hostnqn")) {
		p->params.hostnqn = nvc_get_string(ctrlr, "hostnqn");
		if (!p->params.hostid && nvc_get(ctrlr, "hostid"))
			p->params.hostid = nvc_get_string(ctrlr, "hostid");
	}
	return 0;
}

static void perf_pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fprintf(stderr, "nvhost perf: cannot run on core %d: %s\n", cpu, strerror(errno));
}

static int perf_make_host(struct perf *p)
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts), .reactors = p->reactors, .nr_reactors = p->opts.numjobs};
	struct nvh_reactor_opts ropts = {.size = sizeof(ropts), .poll = p->opts.poll};
	char hostid[37];
	int rc = 0;

	for (unsigned int i = 0; i < p->opts.numjobs && !rc; i++) {
		rc = nvh_reactor_create(&ropts, &p->reactors[i]);
		if (!rc)
			p->nr_reactors++;
	}
	if (rc)
		return nvc_fail("cannot make an event loop: %s", strerror(-rc));
	opts.hostnqn = p->params.hostnqn;
	opts.hostid = p->params.hostid;
	if (opts.hostnqn && !opts.hostid && nvd_hostid_of_nqn(opts.hostnqn, hostid) == 0)
		opts.hostid = hostid;
	rc = nvh_host_create(&opts, &p->host);
	if (rc)
		return nvc_fail("cannot make a host: %s", strerror(-rc));
	/* They run from here on: queues are connected on their own reactors. */
	for (unsigned int i = 1; i < p->nr_reactors && !rc; i++) {
		rc = nvh_reactor_start_thread(p->reactors[i], p->opts.cpus[i]);
		p->threads += !rc;
	}
	perf_pin(p->opts.cpus[0]);
	return rc ? nvc_fail("cannot start a thread: %s", strerror(-rc)) : 0;
}

static int perf_connect(struct perf *p)
{
	struct nvh_connect_opts opts;
	struct nvh_ctrlr *ctrlr;
	char hostid[37], err[1024] = "", name[300];
	int rc = nvd_params_to_opts(&p->params, &opts, hostid, err, sizeof(err));

	if (rc)
		return nvc_misuse("%s", err);
	opts.no_retry = true;
	if (!opts.nr_io_queues)
		opts.nr_io_queues = p->opts.numjobs;
	if (opts.queue_size < p->opts.iodepth + 1)
		opts.queue_size = p->opts.iodepth + 1 < 1024 ? p->opts.iodepth + 1 : 1024;
	rc = nvh_connect_sync(p->host, &opts, &ctrlr, err, sizeof(err));
	if (rc)
		return nvc_fail("%s", err[0] ? err : strerror(-rc));
	snprintf(name, sizeof(name), "%s:%u", p->params.nqn, p->nsid ? p->nsid : 1);
	p->ns = nvh_ns_find(p->host, name);
	return p->ns ? 0 : nvc_fail("%s: no such namespace (nvhost list-ns shows them)", name);
}

/* ---- running ------------------------------------------------------------------------------ */

static void perf_job_over(void *arg)
{
	struct perf *p = arg;

	if (--p->running == 0)
		nvh_reactor_stop(p->reactors[0]);
}

/* On the job's thread; the count is the first reactor's. */
static void perf_job_done(struct perf_job *job)
{
	struct perf *p = job->owner;

	while (nvh_reactor_post(p->reactors[0], perf_job_over, p) == -ENOMEM)
		sched_yield();
}

static void perf_start_job(void *arg)
{
	perf_job_start(arg);
}

static uint64_t perf_progress(const struct perf *p)
{
	uint64_t done = 0;

	for (unsigned int i = 0; i < p->nr_jobs; i++)
		done += atomic_load_explicit(&p->jobs[i].progress, memory_order_relaxed);
	return done;
}

static void perf_tick(struct nvhi_timer *timer)
{
	struct perf *p = nvhi_container_of(timer, struct perf, tick);
	uint64_t done = perf_progress(p);

	fprintf(stderr, "\r%s: %llu IOPS, %.1f MiB/s   ", p->opts.rw,
		(unsigned long long)(done - p->last_progress),
		(double)(done - p->last_progress) * (double)p->opts.bs / 1048576);
	p->last_progress = done;
	nvhi_timer_arm(p->reactors[0], timer, NVHI_NSEC_PER_SEC);
}

static int perf_make_jobs(struct perf *p)
{
	char err[256] = "";

	p->jobs = calloc(p->opts.numjobs, sizeof(*p->jobs));
	if (!p->jobs)
		return nvc_fail("out of memory");
	for (unsigned int i = 0; i < p->opts.numjobs; i++) {
		struct perf_job *job = &p->jobs[i];
		int rc = perf_job_init(job, &p->opts, p->ns, p->reactors[i], i, err, sizeof(err));

		p->nr_jobs = i + 1;
		if (rc)
			return nvc_fail("%s", err[0] ? err : strerror(-rc));
		job->done = perf_job_done;
		job->owner = p;
	}
	return 0;
}

/* ---- ending early ------------------------------------------------------------------------- */

#define PERF_GRACE_NS (10 * NVHI_NSEC_PER_SEC)

static void perf_stop_job(void *arg)
{
	perf_job_stop(arg, false);
}

static void perf_cancel_job(void *arg)
{
	perf_job_stop(arg, true);
}

static void perf_stop(struct perf *p, void (*how)(void *arg))
{
	for (unsigned int i = 0; i < p->nr_jobs; i++) {
		while (nvh_reactor_post(p->reactors[i], how, &p->jobs[i]) == -ENOMEM)
			sched_yield();
	}
}

/* A target that went away holds its I/O for as long as it may come back: not a measurement. */
static void perf_overdue(struct nvhi_timer *timer)
{
	struct perf *p = nvhi_container_of(timer, struct perf, overdue);
	uint64_t done = perf_progress(p);

	if (done == p->overdue_progress)
		perf_stop(p, perf_cancel_job);
	p->overdue_progress = done;
	nvhi_timer_arm(p->reactors[0], timer, PERF_GRACE_NS);
}

/* The first Ctrl-C ends it with a result, the second cancels what is still under way. */
static int perf_signal(struct nvhi_source *source, unsigned int events)
{
	struct perf *p = nvhi_container_of(source, struct perf, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	perf_stop(p, p->interrupted ? perf_cancel_job : perf_stop_job);
	p->interrupted = true;
	return 1;
}

static void perf_watch(struct perf *p)
{
	uint64_t due = (uint64_t)((p->opts.ramp + p->opts.runtime) * 1e9);
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	p->signals.fd = -1;
	if (fd >= 0 &&
	    nvhi_source_add(p->reactors[0], &p->signals, fd, NVHI_READABLE, perf_signal) < 0)
		close(fd);
	p->overdue.fn = perf_overdue;
	if (p->opts.runtime > 0)
		nvhi_timer_arm(p->reactors[0], &p->overdue, due);
	p->tick.fn = perf_tick;
	if (isatty(STDERR_FILENO) && p->format == NVC_NORMAL)
		nvhi_timer_arm(p->reactors[0], &p->tick, NVHI_NSEC_PER_SEC);
}

static void perf_unwatch(struct perf *p)
{
	int fd = p->signals.fd;

	nvhi_timer_cancel(p->reactors[0], &p->overdue);
	if (nvhi_timer_armed(&p->tick)) {
		nvhi_timer_cancel(p->reactors[0], &p->tick);
		fprintf(stderr, "\r%60s\r", "");
	}
	if (fd >= 0) {
		nvhi_source_remove(p->reactors[0], &p->signals);
		close(fd);
	}
}

static int perf_run(struct perf *p)
{
	int rc = 0;

	p->running = p->nr_jobs;
	for (unsigned int i = 0; i < p->nr_jobs && !rc; i++)
		rc = nvh_reactor_post(p->reactors[i], perf_start_job, &p->jobs[i]);
	if (rc)
		return nvc_fail("cannot start: %s", strerror(-rc));
	perf_watch(p);
	getrusage(RUSAGE_SELF, &p->before);
	nvh_reactor_loop(p->reactors[0]);
	getrusage(RUSAGE_SELF, &p->after);
	perf_unwatch(p);
	return 0;
}

static double perf_us(const struct timeval *from, const struct timeval *to)
{
	return (double)(to->tv_sec - from->tv_sec) * 1e6 + (double)(to->tv_usec - from->tv_usec);
}

static void perf_sum(struct perf *p, struct perf_result *r)
{
	uint64_t from = UINT64_MAX, to = 0;

	r->opts = &p->opts;
	for (int d = 0; d < 2; d++)
		nvhi_histogram_reset(&r->dir[d].latency);
	for (unsigned int i = 0; i < p->nr_jobs; i++) {
		struct perf_job *job = &p->jobs[i];
		uint64_t end = job->finished < job->end ? job->finished : job->end;

		for (int d = 0; d < 2; d++) {
			r->dir[d].ios += job->dir[d].ios;
			r->dir[d].bytes += job->dir[d].ios * p->opts.bs;
			nvhi_histogram_merge(&r->dir[d].latency, &job->dir[d].latency);
		}
		r->verified += job->verified;
		r->verify_errors += job->verify_errors;
		r->errors += job->errors;
		if (job->first_error[0] && !r->first_error[0])
			snprintf(r->first_error, sizeof(r->first_error), "%s", job->first_error);
		from = job->measure_from < from ? job->measure_from : from;
		to = end > to ? end : to;
	}
	r->seconds = to > from ? (double)(to - from) / 1e9 : 0;
	r->user_us = perf_us(&p->before.ru_utime, &p->after.ru_utime);
	r->sys_us = perf_us(&p->before.ru_stime, &p->after.ru_stime);
	snprintf(r->target, sizeof(r->target), "%s:%u (%s %s%s%s)", p->params.nqn,
		 p->nsid ? p->nsid : 1, p->params.transport, p->params.traddr,
		 p->params.trsvcid ? " " : "", p->params.trsvcid ? p->params.trsvcid : "");
}

static int perf_report(struct perf *p)
{
	/* Two histograms: too large for the stack of a small thread, and zeroed. */
	struct perf_result *r = calloc(1, sizeof(*r));
	struct json_object *root;
	int status = 0;

	if (!r)
		return nvc_fail("out of memory");
	perf_sum(p, r);
	if (p->format == NVC_JSON) {
		root = perf_to_json(r);
		if (root)
			nvc_print_json(root);
		else
			status = nvc_fail("out of memory");
	} else {
		perf_print(stdout, r);
	}
	if (r->errors || r->verify_errors)
		status = nvc_fail("%llu errors, %llu blocks wrong; the first: %s",
				  (unsigned long long)r->errors,
				  (unsigned long long)r->verify_errors, r->first_error);
	else if (!r->dir[PERF_READ].ios && !r->dir[PERF_WRITE].ios)
		status = nvc_fail("no I/O was done");
	free(r);
	return status;
}

static void perf_close(struct perf *p)
{
	for (unsigned int i = 0; i < p->nr_jobs; i++)
		perf_job_free(&p->jobs[i]);
	free(p->jobs);
	if (p->host)
		nvh_host_close_sync(p->host);
	for (unsigned int i = 1; i <= p->threads; i++)
		nvh_reactor_join_thread(p->reactors[i]);
	for (unsigned int i = 0; i < p->nr_reactors; i++)
		nvh_reactor_destroy(p->reactors[i]);
	json_object_put(p->resolved);
}

int nvc_perf(int argc, char **argv)
{
	struct perf p = {.opts = {.rw = "randread",
				  .bs = 4096,
				  .iodepth = 32,
				  .numjobs = 1,
				  .seed = 1,
				  .runtime = 10}};
	int status;

	nvd_params_init(&p.params);
	status = perf_parse(&p, argc, argv);
	if (status)
		return status < 0 ? 0 : status;
	status = p.device ? perf_resolve(&p) : 0;
	if (!status)
		status = perf_make_host(&p);
	if (!status)
		status = perf_connect(&p);
	if (!status)
		status = perf_make_jobs(&p);
	if (!status)
		status = perf_run(&p);
	if (!status)
		status = perf_report(&p);
	perf_close(&p);
	return status;
}
