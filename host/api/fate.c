/*
 * The worst-case fate of an I/O for each kind of failure. Every number is one that a timer of
 * host/ctrlr or multipath runs by; nothing here is a promise of its own. Home reactor.
 */
#include <errno.h>
#include <string.h>

#include <nvhost/fate.h>

#include "host/api/host.h"
#include "multipath/fence.h"

/* The worst of all controllers of a subsystem. */
struct worst {
	struct nvhi_ctrlr_bounds bounds;
	uint64_t write_wait, overlap_wait; /* after the loss, for the proof */
	uint64_t no_path;
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == NVH_FATE_NEVER || b == NVH_FATE_NEVER ? NVH_FATE_NEVER : a + b;
}

static void worst_ctrlr(struct worst *w, const struct nvhi_ctrlr *ctrlr)
{
	uint8_t mode = nvhi_ctrlr_opts(ctrlr)->write_fence;
	struct nvhi_ctrlr_bounds b;
	struct nvhi_assoc assoc;
	uint64_t proof;

	nvhi_ctrlr_bounds(ctrlr, &b);
	if (b.left_ns >= w->bounds.left_ns)
		w->bounds.left_by = b.left_by;
	if (b.silent_ns >= w->bounds.silent_ns)
		w->bounds.silent_by = b.silent_by;
	w->bounds.left_ns = later(w->bounds.left_ns, b.left_ns);
	w->bounds.silent_ns = later(w->bounds.silent_ns, b.silent_ns);
	w->bounds.aborted_ns = later(w->bounds.aborted_ns, b.aborted_ns);
	w->bounds.stuck_ns = later(w->bounds.stuck_ns, b.stuck_ns);
	w->bounds.attempt_ns = later(w->bounds.attempt_ns, b.attempt_ns);
	w->bounds.retry_ns = later(w->bounds.retry_ns, b.retry_ns);
	nvhi_ctrlr_assoc(ctrlr, &assoc);
	proof = nvhi_fence_time_ns(&assoc);
	if (proof == NVHI_NEVER)
		proof = 0; /* KATO 0: time proves nothing and is not waited for */
	if (mode == NVHI_WRITE_FENCE_OFF)
		return;
	w->overlap_wait = later(w->overlap_wait, proof);
	if (mode == NVHI_WRITE_FENCE_STRICT || assoc.ccr || assoc.cqt_ms)
		w->write_wait = later(w->write_wait, proof);
}

static bool worst_of(struct nvh_host *host, const char *subnqn, struct worst *ret_worst)
{
	struct nvhi_mp_subsys *subsys = nvhi_mp_subsys_find(&host->mp, subnqn);
	struct worst w = {.bounds.silent_by = "", .bounds.left_by = ""};
	const struct nvhi_mp_ctrlr *mpc;
	const struct nvh_ns *ns;

	if (!subsys)
		return false;
	nvhi_list_for_each(mpc, &subsys->ctrlrs, link)
		worst_ctrlr(&w, mpc->ctrlr);
	nvhi_list_for_each(ns, &subsys->heads, link)
		w.no_path = later(w.no_path, nvhi_ns_no_path_wait(ns));
	*ret_worst = w;
	return true;
}

/* An association was lost so long after the failure. */
static void fate_of_loss(struct nvh_fate *f, const struct worst *w, uint64_t noticed)
{
	f->noticed_ns = f->read_ns = noticed;
	f->write_ns = sum(noticed, w->write_wait);
	f->overlap_ns = sum(noticed, w->overlap_wait);
	f->alone_ns = sum(noticed, w->no_path);
}

static void fate_reset(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "connection reset";
	f->noticed_by = "the connection's end";
	fate_of_loss(f, w, 0);
}

static void fate_silent(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "silent path";
	f->noticed_by = w->bounds.left_by;
	fate_of_loss(f, w, w->bounds.left_ns);
	f->alone_ns = sum(w->bounds.silent_ns, w->no_path);
}

static void fate_stuck(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "stuck command";
	f->noticed_by = "io-timeout, its Abort, the Disconnect of its queue";
	fate_of_loss(f, w, w->bounds.stuck_ns);
	f->noticed_ns = w->bounds.aborted_ns;
}

static void fate_no_path(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "no path";
	f->noticed_by = "no-path, ctrl-loss-tmo, fast_io_fail_tmo";
	f->read_ns = f->write_ns = NVH_FATE_NEVER; /* there is no other path */
	f->alone_ns = w->no_path;
}

static void fate_ana(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "ANA transition";
	f->noticed_by = "notice, or the command's status";
	/* The command was answered: nothing of it is left behind. */
	f->alone_ns = w->no_path;
}

static void fate_ctrlr(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "controller dead";
	f->noticed_by = "the connection's end, else as a silent path";
	fate_of_loss(f, w, w->bounds.left_ns);
	f->alone_ns = sum(w->bounds.silent_ns, w->no_path);
}

static void fate_target(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "target gone";
	f->noticed_by = w->bounds.silent_by;
	fate_of_loss(f, w, w->bounds.silent_ns);
	f->read_ns = f->write_ns = NVH_FATE_NEVER; /* all its paths are gone */
}

/* What of its I/O was out when the process ended: the files fail at once; the next process must not let
 * new writes be overtaken. */
static void fate_daemon(struct nvh_fate *f, const struct worst *w)
{
	f->failure = "daemon killed";
	f->noticed_by = "the kernel: its files fail";
	f->read_ns = f->write_ns = NVH_FATE_NEVER;
	f->overlap_ns = w->overlap_wait;
}

static void (*const fates[])(struct nvh_fate *f, const struct worst *w) = {
	fate_reset, fate_silent, fate_stuck, fate_no_path,
	fate_ana,   fate_ctrlr,  fate_target, fate_daemon,
};

int nvh_subsys_fate(struct nvh_host *host, const char *subnqn, unsigned int index,
		    struct nvh_fate *ret_fate)
{
	struct nvh_fate f = {.size = ret_fate->size};
	struct worst w;

	if (index >= NVHI_ARRAY_SIZE(fates) || !worst_of(host, subnqn, &w))
		return -ENOENT;
	fates[index](&f, &w);
	memcpy(ret_fate, &f, f.size && f.size < sizeof(f) ? f.size : sizeof(f));
	return 0;
}
