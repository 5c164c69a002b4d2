/*
 * The host: identity, reactors, what is connected under it, and its end, which waits until every
 * controller has gone and every channel has left. Home reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fork.h"
#include "base/log.h"
#include "fabric/nqn.h"
#include "host/api/host.h"
#include "multipath/failover.h"

/* ---- what multipath tells ------------------------------------------------------------------ */

static struct nvh_host *host_of(struct nvhi_mp *mp)
{
	return nvhi_container_of(mp, struct nvh_host, mp);
}

static void host_ns_added(struct nvhi_mp *mp, struct nvh_ns *ns)
{
	struct nvh_host *host = host_of(mp);

	if (host->events.ns_added)
		host->events.ns_added(host->events_arg, ns);
}

static void host_ns_changed(struct nvhi_mp *mp, struct nvh_ns *ns)
{
	struct nvh_host *host = host_of(mp);

	if (host->events.ns_changed)
		host->events.ns_changed(host->events_arg, ns);
}

static void host_ns_removed(struct nvhi_mp *mp, struct nvh_ns *ns)
{
	struct nvh_host *host = host_of(mp);

	if (host->events.ns_removed)
		host->events.ns_removed(host->events_arg, ns);
}

static void host_idle(struct nvhi_mp *mp)
{
	nvhi_api_host_check_closed(host_of(mp));
}

static void host_fence_over(struct nvhi_mp *mp)
{
	struct nvh_host *host = host_of(mp);

	if (host->events.fence_over)
		host->events.fence_over(host->events_arg);
}

static void host_failover(struct nvhi_mp *mp, const struct nvh_failover *failover)
{
	struct nvh_host *host = host_of(mp);

	if (host->events.failover)
		host->events.failover(host->events_arg, failover);
}

static const struct nvhi_mp_events host_mp_events = {
	.ns_added = host_ns_added,
	.ns_changed = host_ns_changed,
	.ns_removed = host_ns_removed,
	.idle = host_idle,
	.fence_over = host_fence_over,
	.failover = host_failover,
};

/* ---- life ---------------------------------------------------------------------------------- */

static int host_check_opts(const struct nvh_host_opts *opts)
{
	if (!opts || opts->size < sizeof(*opts) || !opts->reactors || !opts->nr_reactors)
		return -EINVAL;
	for (unsigned int i = 0; i < opts->nr_reactors; i++) {
		if (!opts->reactors[i])
			return -EINVAL;
		for (unsigned int k = 0; k < i; k++)
			if (opts->reactors[k] == opts->reactors[i])
				return -EINVAL;
	}
	return 0;
}

int nvh_host_create(const struct nvh_host_opts *opts, struct nvh_host **ret_host)
{
	struct nvh_host *host;
	struct timespec now;
	char why[384] = "";
	int err;

	if (nvhi_forked())
		return -EPERM;
	err = ret_host ? host_check_opts(opts) : -EINVAL;
	if (err)
		return err;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	err = nvhi_api_identity_load(opts->hostnqn, opts->hostid, &host->identity, why,
				     sizeof(why));
	if (err) {
		nvhi_log(ERROR, API, "host: %s", why[0] ? why : strerror(-err));
		goto err_free;
	}
	err = nvhi_mp_init(&host->mp, &host_mp_events, opts->reactors, opts->nr_reactors);
	if (err)
		goto err_free;
	if (opts->nr_reactors > 1) {
		host->farewells = calloc(opts->nr_reactors - 1, sizeof(*host->farewells));
		if (!host->farewells) {
			nvhi_mp_fini(&host->mp);
			err = -ENOMEM;
			goto err_free;
		}
	}
	if (opts->events)
		host->events = *opts->events;
	host->events_arg = opts->events_arg;
	nvhi_gate_init(&host->gate, host->mp.home);
	nvhi_list_init(&host->ctrlrs);
	nvhi_list_init(&host->memory);
	host->net = &nvhi_net_sockets;
	clock_gettime(CLOCK_REALTIME, &now);
	host->seed = (uint64_t)now.tv_sec * 1000000007ull + (uint64_t)now.tv_nsec;
	*ret_host = host;
	return 0;

err_free:
	free(host);
	return err;
}

static void host_closed(struct nvhi_msg *msg)
{
	struct nvh_host *host = nvhi_container_of(msg, struct nvh_host, close_msg);
	void (*done)(void *arg) = host->close_done;
	void *arg = host->close_arg;

	if (__atomic_load_n(&host->nr_farewells, __ATOMIC_ACQUIRE) > 0) {
		nvhi_reactor_post(host->mp.home, &host->close_msg); /* microseconds, once */
		return;
	}
	free(host->farewells);
	nvhi_api_memory_free(host);
	nvhi_api_link_close(host);
	nvhi_gate_fini(&host->gate);
	nvhi_mp_fini(&host->mp);
	free(host);
	if (done)
		done(arg);
}

static void farewell_answer(struct nvhi_msg *msg)
{
	struct nvhi_api_farewell *farewell = nvhi_container_of(msg, struct nvhi_api_farewell, msg);

	__atomic_sub_fetch(&farewell->host->nr_farewells, 1, __ATOMIC_RELEASE);
}

/* A reactor whose message was the last to arrive may still be inside the call that sent it; once it
 * has answered this one it is not, and the home reactor may be destroyed. The answer is a number,
 * for a message would have the same flaw. */
static void host_say_farewell(struct nvh_host *host)
{
	if (!host->connected_once)
		return;
	host->nr_farewells = host->mp.nr_reactors - 1;
	for (uint32_t i = 1; i < host->mp.nr_reactors; i++) {
		struct nvhi_api_farewell *farewell = &host->farewells[i - 1];

		farewell->msg.fn = farewell_answer;
		farewell->host = host;
		nvhi_reactor_post(host->mp.reactors[i], &farewell->msg);
	}
}

void nvhi_api_host_check_closed(struct nvh_host *host)
{
	if (!host->closing || host->close_posted || host->nr_discoveries ||
	    !nvhi_list_empty(&host->ctrlrs) ||
	    __atomic_load_n(&host->mp.nr_channels, __ATOMIC_ACQUIRE))
		return;
	host->close_posted = true;
	host_say_farewell(host);
	nvhi_reactor_post(host->mp.home, &host->close_msg);
}

void nvh_host_close(struct nvh_host *host, void (*done)(void *arg), void *arg)
{
	struct nvh_ctrlr *ctrlr, *next;

	if (nvhi_forked() || host->closing)
		return;
	host->closing = true;
	host->close_done = done;
	host->close_arg = arg;
	host->close_msg.fn = host_closed;
	nvhi_list_for_each_safe(ctrlr, next, &host->ctrlrs, link)
		nvhi_ctrlr_delete(ctrlr->inner);
	nvhi_api_host_check_closed(host);
}

const char *nvh_host_nqn(const struct nvh_host *host)
{
	return host->identity.hostnqn;
}

void nvh_host_id(const struct nvh_host *host, char ret_text[37])
{
	nvhi_uuid_format(host->identity.hostid, ret_text);
}

int nvh_host_failover(struct nvh_host *host, unsigned int index, struct nvh_failover *ret_failover)
{
	const struct nvh_failover *f = nvhi_failover_next(&host->mp, index);
	size_t size = ret_failover->size;

	if (!f)
		return -ENOENT;
	memcpy(ret_failover, f, size && size < sizeof(*f) ? size : sizeof(*f));
	ret_failover->size = size;
	return 0;
}

struct nvh_reactor *nvh_host_home(const struct nvh_host *host)
{
	return host->mp.home;
}
