/*
 * The host of the world through its public API: one nvh_host on one or two reactors, a controller a
 * link, connected again whenever it is given up, and a channel a reactor for each namespace that
 * comes. Home reactor, but for the channels.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/api/host.h"
#include "tests/sim/world.h"

#define CONNECT_AGAIN_NS (50 * SIM_MS)

static struct {
	struct nvh_host *host;
	struct nvh_ctrlr *ctrlrs[SIM_LINKS]; /* NULL: none, or being connected */
	bool wanted[SIM_LINKS], live[SIM_LINKS];
	struct nvhi_timer again[SIM_LINKS];
	struct nvhi_list views;
	bool closing, closed;
} h;

/* ---- views and their channels ---------------------------------------------------------------- */

struct channel_call {
	struct sim_view *view;
	unsigned int r;
};

static void view_check_free(struct sim_view *view)
{
	if (!view->gone || view->opening)
		return;
	for (int r = 0; r < 2; r++)
		if (view->channels[r])
			return;
	nvhi_list_del(&view->link);
	nvh_ns_put(view->ns);
	free(view);
}

void sim_view_left(struct sim_view *view, unsigned int r)
{
	if (!view->gone || view->outstanding[r] || !view->channels[r])
		return;
	nvh_channel_close(view->channels[r]);
	view->channels[r] = NULL;
	view_check_free(view);
}

static void channel_open(void *arg)
{
	struct channel_call *call = arg;
	struct sim_view *view = call->view;
	unsigned int r = call->r;
	int err = 0;

	view->opening--;
	if (!view->gone)
		err = nvh_channel_open(view->ns, sim_world.host_reactors[r], &view->channels[r]);
	if (err)
		sim_fail("channel_open: %s", strerror(-err));
	free(call);
	view_check_free(view);
}

static void channel_leave(void *arg)
{
	struct channel_call *call = arg;
	struct sim_view *view = call->view;

	sim_view_left(view, call->r); /* `opening` keeps it */
	view->opening--;
	free(call);
	view_check_free(view);
}

/* On each reactor. `opening` keeps the view until all have been there. */
static void view_everywhere(struct sim_view *view, void (*fn)(void *arg))
{
	for (unsigned int r = 0; r < sim_world.plan.host_reactors; r++) {
		struct channel_call *call = calloc(1, sizeof(*call));

		call->view = view;
		call->r = r;
		view->opening++;
		sim_on(sim_world.host_reactors[r], fn, call);
	}
}

static void view_end(struct sim_view *view)
{
	if (view->gone)
		return;
	view->gone = true;
	view_everywhere(view, channel_leave);
}

struct sim_view *sim_host_view(unsigned int disk)
{
	struct sim_view *view;

	nvhi_list_for_each(view, &h.views, link)
		if (view->disk == disk && !view->gone)
			return view;
	return NULL;
}

/* ---- events ---------------------------------------------------------------------------------- */

static int link_of(const struct nvh_ctrlr *ctrlr)
{
	for (int i = 0; i < SIM_LINKS; i++)
		if (h.ctrlrs[i] == ctrlr)
			return i;
	return -1;
}

static void on_attached(void *arg, struct nvh_ctrlr *ctrlr)
{
	(void)arg;
	(void)ctrlr;
	sim_counts.connects++;
}

static void on_state(void *arg, struct nvh_ctrlr *ctrlr)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	int link = link_of(ctrlr);

	(void)arg;
	nvh_ctrlr_info(ctrlr, &info);
	if (link < 0)
		return;
	h.live[link] = !strcmp(info.state, "live");
	if (h.live[link])
		sim_counts.reconnects++;
	else
		sim_world.calm_since = sim_world.good_since[link] = NVHI_NEVER;
	if (!strcmp(info.state, "shutting down") || !strcmp(info.state, "deleting"))
		sim_world.lost_at = sim.now;
	SIM_TRACE("host: ctrlr of link %llu live %llu reconnects %llu", (unsigned long long)link,
		  h.live[link], info.reconnects);
}

static void connect_again(unsigned int link)
{
	if (!h.closing && h.wanted[link])
		nvhi_timer_arm(sim_world.host_reactors[0], &h.again[link], CONNECT_AGAIN_NS);
}

static void on_removed(void *arg, struct nvh_ctrlr *ctrlr)
{
	int link = link_of(ctrlr);

	(void)arg;
	sim_world.lost_at = sim.now;
	sim_world.calm_since = NVHI_NEVER;
	if (link < 0)
		return;
	h.ctrlrs[link] = NULL;
	h.live[link] = false;
	sim_world.good_since[link] = NVHI_NEVER;
	SIM_TRACE("host: ctrlr of link %llu is removed", (unsigned long long)link);
	connect_again((unsigned int)link);
}

static void on_ns_added(void *arg, struct nvh_ns *ns)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct sim_view *view = calloc(1, sizeof(*view));

	(void)arg;
	nvh_ns_info(ns, &info);
	SIM_TRACE("host: namespace %llu comes, %llu blocks", info.nsid, info.nr_blocks);
	if (info.nsid == 0 || info.nsid > sim_targets.nr_disks ||
	    info.block_size != sim_world.plan.block_size)
		sim_fail("namespace %u of %u-byte blocks came from nowhere", info.nsid,
			 info.block_size);
	if (sim_host_view(info.nsid - 1))
		sim_fail("namespace %u came twice: its paths were not merged", info.nsid);
	nvh_ns_get(ns);
	view->ns = ns;
	view->disk = info.nsid - 1;
	nvhi_list_add_tail(&h.views, &view->link);
	view_everywhere(view, channel_open);
}

static void on_ns_changed(void *arg, struct nvh_ns *ns)
{
	struct nvh_ns_info info = {.size = sizeof(info)};

	(void)arg;
	nvh_ns_info(ns, &info);
	SIM_TRACE("host: namespace %llu now %llu blocks, %llu of %llu paths live", info.nsid,
		  info.nr_blocks, info.nr_live_paths, info.nr_paths);
}

static void on_ns_removed(void *arg, struct nvh_ns *ns)
{
	struct sim_view *view, *tmp;

	(void)arg;
	nvhi_list_for_each_safe(view, tmp, &h.views, link) {
		if (view->ns != ns)
			continue;
		SIM_TRACE("host: namespace %llu goes", view->disk + 1);
		view_end(view);
	}
}

static const struct nvh_host_events events = {
	.ctrlr_attached = on_attached,
	.ctrlr_state = on_state,
	.ctrlr_removed = on_removed,
	.ns_added = on_ns_added,
	.ns_changed = on_ns_changed,
	.ns_removed = on_ns_removed,
};

/* ---- connecting ------------------------------------------------------------------------------ */

static void on_connected(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
			 const struct nvh_cpl *cpl)
{
	unsigned int link = (unsigned int)(uintptr_t)arg;

	(void)message;
	(void)cpl;
	SIM_TRACE("host: connect of link %llu: %llu", link, (unsigned long long)-err);
	if (err) {
		h.ctrlrs[link] = NULL;
		h.live[link] = false;
		connect_again(link);
		return;
	}
	h.ctrlrs[link] = ctrlr;
	h.live[link] = true;
}

/* As nvh_connect does, but over the simulated net and with a seed for the jitter. */
static void link_connect(unsigned int link)
{
	struct nvh_connect_opts opts = sim_world.plan.connect;
	struct nvhi_ctrlr_opts inner;
	char traddr[32], name[16], why[256] = "";
	int err;

	if (h.closing || h.ctrlrs[link])
		return;
	snprintf(traddr, sizeof(traddr), "192.0.2.%u", link + 1);
	snprintf(name, sizeof(name), "nvh%u", link);
	opts.traddr = traddr;
	if (sim_net.links[link].dma) {
		opts.transport = "rdma";
		opts.hdr_digest = opts.data_digest = false;
	}
	err = nvhi_api_connect_opts(h.host, &opts, &inner, why, sizeof(why));
	inner.transport.net = &sim_net.net;
	inner.transport.maxr2t = sim_world.plan.maxr2t;
	inner.seed = sim_next(sim_rng(SIM_RNG_WORLD));
	if (!err)
		err = nvhi_api_connect(h.host, &inner, name, on_connected, (void *)(uintptr_t)link,
				       why, sizeof(why), &h.ctrlrs[link]);
	if (err)
		sim_fail("connect of link %u: %s", link, why);
	nvhi_mp_set_policy(&h.host->mp, SIM_NQN, opts.policy);
	if (opts.hedge_reads)
		nvh_subsys_set_hedge(h.host, SIM_NQN, true);
	if (opts.no_path)
		nvh_subsys_set_no_path(h.host, SIM_NQN, opts.no_path, 0);
	if (!err && sim_visitors_impatient())
		nvh_disconnect(h.ctrlrs[link], NULL, NULL);
}

static void again_fired(struct nvhi_timer *timer)
{
	link_connect((unsigned int)(timer - h.again));
}

static void connect_all(void *arg)
{
	struct nvhi_ctrlr_opts inner;
	struct nvh_ctrlr *discovery;
	char why[256];

	(void)arg;
	for (unsigned int link = 0; link < sim_world.plan.nr_links; link++)
		link_connect(link);
	if (sim_visitors_discovery(h.host, &inner) &&
	    nvhi_api_connect(h.host, &inner, "disc", NULL, NULL, why, sizeof(why), &discovery))
		sim_fail("discovery: %s", why);
}

bool sim_host_live(unsigned int link)
{
	return h.live[link];
}

bool sim_host_fencing(void)
{
	return h.host && !nvhi_list_empty(&h.host->mp.fences);
}

bool sim_host_all_live(void)
{
	for (unsigned int link = 0; link < sim_world.plan.nr_links; link++)
		if (!h.live[link])
			return false;
	return true;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void host_make(void (*then)(void *arg))
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts),
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:5e6d0f0e-2b5c-4d3a-9a51-0123456789ab",
		.hostid = "5e6d0f0e-2b5c-4d3a-9a51-0123456789ab",
		.reactors = sim_world.host_reactors,
		.nr_reactors = sim_world.plan.host_reactors,
		.events = &events,
	};
	int err;

	memset(&h, 0, sizeof(h));
	nvhi_list_init(&h.views);
	for (unsigned int link = 0; link < SIM_LINKS; link++) {
		h.again[link].fn = again_fired;
		h.wanted[link] = link < sim_world.plan.nr_links;
	}
	err = nvh_host_create(&opts, &h.host);
	if (err) {
		sim_fail("host: %s", strerror(-err));
		return;
	}
	sim_on(sim_world.host_reactors[0], then, NULL);
}

void sim_host_start(void)
{
	host_make(connect_all);
}

/* ---- a process that is killed ------------------------------------------------------------------ */

static struct nvh_assoc stored[SIM_LINKS * 4];
static unsigned int nr_stored;

void sim_host_kill(void)
{
	/* What a daemon's store says at any time. */
	for (nr_stored = 0; nr_stored < NVHI_ARRAY_SIZE(stored); nr_stored++) {
		stored[nr_stored].size = sizeof(stored[0]);
		if (nvh_host_assoc(h.host, nr_stored, &stored[nr_stored]))
			break;
	}
	for (uint32_t r = 0; r < sim_world.plan.host_reactors; r++) {
		sim_reactor_freeze(sim_world.host_reactors[r]);
		sim_net_close_of(sim_world.host_reactors[r]);
	}
	memset(&h, 0, sizeof(h));
	nvhi_list_init(&h.views);
	sim_work_killed();
}

static void revive(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < nr_stored; i++)
		if (nvh_host_fence(h.host, &stored[i]))
			sim_fail("an association of the killed process cannot be fenced");
	connect_all(NULL);
}

void sim_host_revive(void)
{
	for (uint32_t r = 0; r < sim_world.plan.host_reactors; r++) {
		sim_world.host_reactors[r] = sim_reactor_create(r ? "host1b" : "host0b");
		sim_net_serve(sim_world.host_reactors[r]);
	}
	host_make(revive);
	sim_work_begin();
}

static void host_closed(void *arg)
{
	(void)arg;
	h.host = NULL;
	h.closed = true;
}

static void host_close(void *arg)
{
	struct sim_view *view, *tmp;

	(void)arg;
	h.closing = true;
	for (unsigned int link = 0; link < SIM_LINKS; link++)
		nvhi_timer_cancel(sim_world.host_reactors[0], &h.again[link]);
	nvhi_list_for_each_safe(view, tmp, &h.views, link)
		view_end(view);
	nvh_host_close(h.host, host_closed, NULL);
}

void sim_host_close(void)
{
	sim_on(sim_world.host_reactors[0], host_close, NULL);
}

bool sim_host_closed(void)
{
	return h.closed && nvhi_list_empty(&h.views);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void do_reset(void *arg)
{
	unsigned int link = (unsigned int)(uintptr_t)arg;

	if (h.host && h.ctrlrs[link])
		nvh_ctrlr_reset(h.ctrlrs[link], NULL, NULL);
}

static void do_disconnect(void *arg)
{
	unsigned int link = (unsigned int)(uintptr_t)arg;

	if (!h.ctrlrs[link])
		return;
	sim_world.lost_at = sim.now;
	nvh_disconnect(h.ctrlrs[link], NULL, NULL);
}

bool sim_host_reset(unsigned int link)
{
	if (!h.host)
		return false;
	sim_on(sim_world.host_reactors[0], do_reset, (void *)(uintptr_t)link);
	return h.ctrlrs[link] != NULL;
}

bool sim_host_disconnect(unsigned int link)
{
	if (!h.host)
		return false;
	sim_on(sim_world.host_reactors[0], do_disconnect, (void *)(uintptr_t)link);
	return h.ctrlrs[link] != NULL;
}
