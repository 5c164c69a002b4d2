/*
 * nvhost perf: reactors and a connection of its own (so that nothing but the library is measured),
 * the live line, ending early, and the sum.
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
#include "host/cli/perf.h"

struct perf {
	struct perf_cmd cmd;
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

/* ---- connection --------------------------------------------------------------------------- */

/* The parameters that the daemon connected with. */
static int perf_resolve(struct perf *p)
{
	struct json_object *ctrlr;
	char err[512];

	if (nvc_admin_resolve(p->cmd.device, &p->resolved) < 0)
		return 1;
	if (!p->cmd.nsid)
		p->cmd.nsid = nvc_admin_nsid(p->resolved);
	if (nvd_params_from_json(nvc_get(p->resolved, "connection"), &p->cmd.params, err,
				 sizeof(err)) < 0)
		return nvc_fail("%s: %s", p->cmd.device, err);
	p->cmd.params.name = NULL;
	/* Another identity would be another host to the target, and perhaps not a welcome one. */
	ctrlr = nvc_get(p->resolved, "controller");
	if (!p->cmd.params.hostnqn && nvc_get(ctrlr, "hostnqn")) {
		p->cmd.params.hostnqn = nvc_get_string(ctrlr, "hostnqn");
		if (!p->cmd.params.hostid && nvc_get(ctrlr, "hostid"))
			p->cmd.params.hostid = nvc_get_string(ctrlr, "hostid");
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
		.size = sizeof(opts), .reactors = p->reactors, .nr_reactors = p->cmd.opts.numjobs};
	struct nvh_reactor_opts ropts = {.size = sizeof(ropts), .poll = p->cmd.opts.poll};
	char hostid[37];
	int rc = 0;

	for (unsigned int i = 0; i < p->cmd.opts.numjobs && !rc; i++) {
		rc = nvh_reactor_create(&ropts, &p->reactors[i]);
		if (!rc)
			p->nr_reactors++;
	}
	if (rc)
		return nvc_fail("cannot make an event loop: %s", strerror(-rc));
	opts.hostnqn = p->cmd.params.hostnqn;
	opts.hostid = p->cmd.params.hostid;
	if (opts.hostnqn && !opts.hostid && nvd_hostid_of_nqn(opts.hostnqn, hostid) == 0)
		opts.hostid = hostid;
	rc = nvh_host_create(&opts, &p->host);
	if (rc)
		return nvc_fail("cannot make a host: %s", strerror(-rc));
	/* They run from here on: queues are connected on their own reactors. */
	for (unsigned int i = 1; i < p->nr_reactors && !rc; i++) {
		rc = nvh_reactor_start_thread(p->reactors[i], p->cmd.opts.cpus[i]);
		p->threads += !rc;
	}
	perf_pin(p->cmd.opts.cpus[0]);
	return rc ? nvc_fail("cannot start a thread: %s", strerror(-rc)) : 0;
}

/* ADDR, ADDR:PORT or [ADDR]:PORT; without a port the first path's. `text` is cut up. */
static void perf_path_addr(char *text, struct nvh_connect_opts *opts)
{
	char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');

	if (bracket) {
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
		*bracket = 0;
		text++;
	} else if (colon && strchr(text, ':') != colon) {
		colon = NULL; /* a bare IPv6 address */
	}
	if (colon) {
		*colon = 0;
		opts->trsvcid = colon + 1;
	}
	opts->traddr = text;
}

/* Further paths to the same namespaces, all options but the address as for the first. */
static int perf_connect_paths(struct perf *p, const struct nvh_connect_opts *first)
{
	char *text = strdup(p->cmd.paths), *save = NULL, err[1024] = "";
	struct nvh_ctrlr *ctrlr;
	int rc = text ? 0 : -ENOMEM;

	for (char *one = text ? strtok_r(text, ",", &save) : NULL; one && !rc;
	     one = strtok_r(NULL, ",", &save)) {
		struct nvh_connect_opts opts = *first;

		perf_path_addr(one, &opts);
		rc = nvh_connect_sync(p->host, &opts, &ctrlr, err, sizeof(err));
	}
	free(text);
	return rc ? nvc_fail("--paths: %s", err[0] ? err : strerror(-rc)) : 0;
}

static int perf_connect(struct perf *p)
{
	struct nvh_connect_opts opts;
	struct nvh_ctrlr *ctrlr;
	char hostid[37], err[1024] = "", name[300];
	int rc = nvd_params_to_opts(&p->cmd.params, &opts, hostid, err, sizeof(err));

	if (rc)
		return nvc_misuse("%s", err);
	opts.no_retry = true;
	if (!opts.nr_io_queues)
		opts.nr_io_queues = p->cmd.opts.numjobs;
	if (opts.queue_size < p->cmd.opts.iodepth + 1)
		opts.queue_size = p->cmd.opts.iodepth + 1 < 1024 ? p->cmd.opts.iodepth + 1 : 1024;
	rc = nvh_connect_sync(p->host, &opts, &ctrlr, err, sizeof(err));
	if (rc)
		return nvc_fail("%s", err[0] ? err : strerror(-rc));
	if (p->cmd.paths && perf_connect_paths(p, &opts))
		return 1;
	snprintf(name, sizeof(name), "%s:%u", p->cmd.params.nqn, p->cmd.nsid ? p->cmd.nsid : 1);
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

	fprintf(stderr, "\r%s: %llu IOPS, %.1f MiB/s   ", p->cmd.opts.rw,
		(unsigned long long)(done - p->last_progress),
		(double)(done - p->last_progress) * (double)p->cmd.opts.bs / 1048576);
	p->last_progress = done;
	nvhi_timer_arm(p->reactors[0], timer, NVHI_NSEC_PER_SEC);
}

static int perf_make_jobs(struct perf *p)
{
	char err[256] = "";

	p->jobs = calloc(p->cmd.opts.numjobs, sizeof(*p->jobs));
	if (!p->jobs)
		return nvc_fail("out of memory");
	for (unsigned int i = 0; i < p->cmd.opts.numjobs; i++) {
		struct perf_job *job = &p->jobs[i];
		int rc = perf_job_init(job, &p->cmd.opts, p->ns, p->reactors[i], i, err,
				       sizeof(err));

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
	uint64_t due = (uint64_t)((p->cmd.opts.ramp + p->cmd.opts.runtime) * 1e9);
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
	if (p->cmd.opts.runtime > 0)
		nvhi_timer_arm(p->reactors[0], &p->overdue, due);
	p->tick.fn = perf_tick;
	if (isatty(STDERR_FILENO) && p->cmd.format == NVC_NORMAL)
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

	r->opts = &p->cmd.opts;
	for (int d = 0; d < 2; d++)
		nvhi_histogram_reset(&r->dir[d].latency);
	for (unsigned int i = 0; i < p->nr_jobs; i++) {
		struct perf_job *job = &p->jobs[i];
		uint64_t end = job->finished < job->end ? job->finished : job->end;

		for (int d = 0; d < 2; d++) {
			r->dir[d].ios += job->dir[d].ios;
			r->dir[d].bytes += job->dir[d].ios * p->cmd.opts.bs;
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
	r->hedge.size = sizeof(r->hedge);
	nvh_ns_hedge_info(p->ns, &r->hedge);
	snprintf(r->target, sizeof(r->target), "%s:%u (%s %s%s%s)", p->cmd.params.nqn,
		 p->cmd.nsid ? p->cmd.nsid : 1, p->cmd.params.transport, p->cmd.params.traddr,
		 p->cmd.params.trsvcid ? " " : "",
		 p->cmd.params.trsvcid ? p->cmd.params.trsvcid : "");
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
	if (p->cmd.format == NVC_JSON) {
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
	struct perf p = {.cmd.opts = {.rw = "randread",
				      .bs = 4096,
				      .iodepth = 32,
				      .numjobs = 1,
				      .seed = 1,
				      .runtime = 10}};
	int status;

	nvd_params_init(&p.cmd.params);
	status = perf_cmd_parse(&p.cmd, argc, argv);
	if (status)
		return status < 0 ? 0 : status;
	status = p.cmd.device ? perf_resolve(&p) : 0;
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
