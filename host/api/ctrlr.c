/*
 * The public controller: connecting, telling its life to the application and its namespaces to
 * multipath, and its end: first the paths go (every reactor lets go of its queue), then the
 * controller. Home reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/ns.h>

#include "base/fork.h"
#include "base/log.h"
#include "host/api/host.h"
#include "multipath/failover.h"

static struct nvh_ctrlr *ctrlr_of(struct nvhi_ctrlr_owner *owner)
{
	return nvhi_container_of(owner, struct nvh_ctrlr, owner);
}

/* ---- its life, as the controller tells it ---------------------------------------------------- */

static void ctrlr_tell_state(struct nvh_ctrlr *ctrlr)
{
	struct nvh_host *host = ctrlr->host;

	if (ctrlr->attached && host->events.ctrlr_state)
		host->events.ctrlr_state(host->events_arg, ctrlr);
}

static void ctrlr_tell_connected(struct nvh_ctrlr *ctrlr, int err,
				 const struct nvhi_ctrlr_error *error, const char *message)
{
	nvh_connect_fn done = ctrlr->connect_done;

	if (!done)
		return;
	ctrlr->connect_done = NULL;
	done(ctrlr->connect_arg, err, err ? NULL : ctrlr, message,
	     error && error->has_cpl ? &error->cpl : NULL);
}

static void on_state(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner,
		     enum nvhi_ctrlr_state state)
{
	struct nvh_ctrlr *ctrlr = ctrlr_of(owner);

	if (state == NVHI_CTRLR_RECONNECT_WAIT)
		nvhi_api_link_watch(ctrlr->host);
	if (state == NVHI_CTRLR_CONFIGURING && !ctrlr->discovery &&
	    nvhi_mp_ctrlr_named(&ctrlr->mpc, nvhi_ctrlr_opts(inner)->transport.subnqn))
		nvhi_log(ERROR, API, "%s: no memory for its subsystem's name",
			 nvhi_ctrlr_name(inner));
	if (state != NVHI_CTRLR_LIVE && state != NVHI_CTRLR_DELETED)
		ctrlr_tell_state(ctrlr);
}

static void on_live(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner, bool first)
{
	struct nvh_ctrlr *ctrlr = ctrlr_of(owner);
	struct nvh_host *host = ctrlr->host;

	(void)inner;
	host->connected_once = true;
	if (first) {
		ctrlr->attached = true;
		if (host->events.ctrlr_attached)
			host->events.ctrlr_attached(host->events_arg, ctrlr);
	}
	if (!ctrlr->discovery)
		nvhi_mp_ctrlr_live(&ctrlr->mpc, true);
	if (!first) {
		ctrlr_tell_state(ctrlr);
		nvhi_api_wake_neighbours(host, ctrlr);
	}
	ctrlr_tell_connected(ctrlr, 0, NULL, "");
}

static void on_failed(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner,
		      const struct nvhi_ctrlr_error *error)
{
	(void)owner;
	nvhi_log(DEBUG, API, "%s: %s%s", nvhi_ctrlr_name(inner), error->message,
		 error->will_retry ? "; trying again" : "");
}

static void on_lost(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner,
		    const struct nvhi_ctrlr_error *error)
{
	struct nvh_ctrlr *ctrlr = ctrlr_of(owner);

	(void)inner;
	if (ctrlr->discovery)
		return;
	nvhi_failover_detected(&ctrlr->mpc, error->message);
	nvhi_mp_ctrlr_live(&ctrlr->mpc, false);
}

static void on_quiesced(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner)
{
	struct nvh_ctrlr *ctrlr = ctrlr_of(owner);

	(void)inner;
	if (!ctrlr->discovery)
		nvhi_mp_ctrlr_quiesced(&ctrlr->mpc);
}

static void on_fast_io_fail(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner)
{
	struct nvh_ctrlr *ctrlr = ctrlr_of(owner);

	nvhi_log(WARN, API, "%s: fast_io_fail_tmo ran out, I/O that has no other path fails",
		 nvhi_ctrlr_name(inner));
	if (!ctrlr->discovery)
		nvhi_mp_ctrlr_fast_fail(&ctrlr->mpc);
}

/* Nothing uses it any more. */
static void ctrlr_gone(struct nvh_ctrlr *ctrlr)
{
	struct nvh_host *host = ctrlr->host;
	struct nvhi_list goodbyes;
	struct nvhi_api_goodbye *bye;

	nvhi_list_del(&ctrlr->link);
	if (ctrlr->attached && host->events.ctrlr_removed)
		host->events.ctrlr_removed(host->events_arg, ctrlr);
	if (ctrlr->has_why)
		ctrlr_tell_connected(ctrlr, ctrlr->why.err ? ctrlr->why.err : -EIO, &ctrlr->why,
				     ctrlr->why.message);
	else
		ctrlr_tell_connected(ctrlr, -ECANCELED, NULL, "disconnected before it was live");
	nvhi_ctrlr_destroy(ctrlr->inner);
	nvhi_list_init(&goodbyes);
	nvhi_list_splice_tail(&goodbyes, &ctrlr->goodbyes);
	while (!nvhi_list_empty(&goodbyes)) {
		bye = nvhi_list_first(&goodbyes, struct nvhi_api_goodbye, link);
		nvhi_list_del(&bye->link);
		bye->done(bye->arg);
		if (bye != &ctrlr->first_goodbye)
			free(bye);
	}
	free(ctrlr);
	nvhi_api_host_check_closed(host);
}

static void ctrlr_left(struct nvhi_mp_ctrlr *mpc)
{
	ctrlr_gone(nvhi_container_of(mpc, struct nvh_ctrlr, mpc));
}

static void on_deleted(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner,
		       const struct nvhi_ctrlr_error *why)
{
	struct nvh_ctrlr *ctrlr = ctrlr_of(owner);

	(void)inner;
	if (why) {
		ctrlr->why = *why;
		ctrlr->has_why = true;
	}
	if (ctrlr->discovery)
		ctrlr_gone(ctrlr);
	else
		nvhi_mp_ctrlr_leave(&ctrlr->mpc, ctrlr_left);
}

static void on_ns_added(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner,
			const struct nvhi_ns_data *ns)
{
	(void)inner;
	nvhi_mp_ns_added(&ctrlr_of(owner)->mpc, ns);
}

static void on_ns_changed(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner,
			  const struct nvhi_ns_data *ns, uint32_t what)
{
	(void)inner;
	nvhi_mp_ns_changed(&ctrlr_of(owner)->mpc, ns, what);
}

static void on_ns_removed(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner, uint32_t nsid)
{
	bool going = nvhi_ctrlr_state(inner) >= NVHI_CTRLR_SHUTDOWN;

	nvhi_mp_ns_removed(&ctrlr_of(owner)->mpc, nsid, going ? -ENOTCONN : -ENODEV);
}

static void on_notice(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *inner, uint8_t type,
		      uint8_t info, uint8_t lid)
{
	struct nvh_ctrlr *ctrlr = ctrlr_of(owner);
	struct nvh_host *host = ctrlr->host;

	nvhi_log(DEBUG, API, "%s: notice type %u info %02xh log %02xh", nvhi_ctrlr_name(inner),
		 type, info, lid);
	if (type == NVH_AER_NOTICE && info == NVH_AER_ANA_CHANGED && !ctrlr->discovery)
		nvhi_mp_ctrlr_ana(&ctrlr->mpc);
	if (type == NVH_AER_NOTICE && info == NVH_AER_DISCOVERY_CHANGED && ctrlr->discovery)
		nvhi_api_wake(host, nvhi_ctrlr_opts(inner)->transport.addr.traddr, NULL);
	if (ctrlr->attached && host->events.ctrlr_notice)
		host->events.ctrlr_notice(host->events_arg, ctrlr, type, info, lid);
}

static const struct nvhi_ctrlr_events ctrlr_events = {
	.state = on_state,
	.live = on_live,
	.failed = on_failed,
	.lost = on_lost,
	.quiesced = on_quiesced,
	.fast_io_fail = on_fast_io_fail,
	.deleted = on_deleted,
	.ns_added = on_ns_added,
	.ns_changed = on_ns_changed,
	.ns_removed = on_ns_removed,
	.notice = on_notice,
};

/* ---- connecting ------------------------------------------------------------------------------ */

static bool name_is_free(struct nvh_host *host, const char *name)
{
	return !nvh_ctrlr_find(host, name);
}

/* "nvh7" is instance 7; other names have none. */
static int name_instance(const char *name)
{
	char canonical[32];
	unsigned int n;

	if (sscanf(name, "nvh%u", &n) != 1 || n > 1u << 20)
		return -1;
	snprintf(canonical, sizeof(canonical), "nvh%u", n);
	return strcmp(canonical, name) ? -1 : (int)n;
}

static int ctrlr_name(struct nvh_ctrlr *ctrlr, const char *wanted, char *errbuf, size_t errbuf_len)
{
	struct nvh_host *host = ctrlr->host;

	if (!wanted) {
		for (unsigned int n = 0;; n++) {
			snprintf(ctrlr->name, sizeof(ctrlr->name), "nvh%u", n);
			if (name_is_free(host, ctrlr->name))
				break;
		}
	} else {
		if (!wanted[0] || strlen(wanted) >= sizeof(ctrlr->name) ||
		    strpbrk(wanted, "/ \t\n")) {
			snprintf(errbuf, errbuf_len,
				 "name \"%.64s\": 1-31 characters without blank or /", wanted);
			return -EINVAL;
		}
		if (!name_is_free(host, wanted)) {
			snprintf(errbuf, errbuf_len, "name \"%s\": another controller has it",
				 wanted);
			return -EEXIST;
		}
		snprintf(ctrlr->name, sizeof(ctrlr->name), "%s", wanted);
	}
	ctrlr->instance = name_instance(ctrlr->name);
	return 0;
}

static bool same_connection(const struct nvhi_tctrlr_opts *a, const struct nvhi_tctrlr_opts *b)
{
	return nvhi_addr_equal(&a->addr, &b->addr) &&
	       nvhi_addr_equal(&a->host_addr, &b->host_addr) &&
	       !strcmp(a->host_iface, b->host_iface) &&
	       (!b->subnqn[0] || !strcmp(a->subnqn, b->subnqn)) &&
	       !strcmp(a->hostnqn, b->hostnqn) && !memcmp(a->hostid, b->hostid, sizeof(a->hostid));
}

static const struct nvh_ctrlr *ctrlr_same(const struct nvh_host *host,
					  const struct nvhi_tctrlr_opts *opts)
{
	const struct nvh_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &host->ctrlrs, link)
		if (same_connection(&nvhi_ctrlr_opts(ctrlr->inner)->transport, opts))
			return ctrlr;
	return NULL;
}

int nvhi_api_connect(struct nvh_host *host, const struct nvhi_ctrlr_opts *opts, const char *name,
		     nvh_connect_fn done, void *arg, char *errbuf, size_t errbuf_len,
		     struct nvh_ctrlr **ret_ctrlr)
{
	struct nvhi_ctrlr_opts inner = *opts;
	struct nvh_ctrlr *ctrlr = calloc(1, sizeof(*ctrlr));
	int err;

	if (!ctrlr) {
		snprintf(errbuf, errbuf_len, "out of memory");
		return -ENOMEM;
	}
	ctrlr->owner.events = &ctrlr_events;
	ctrlr->host = host;
	ctrlr->discovery = inner.discovery;
	ctrlr->connect_done = done;
	ctrlr->connect_arg = arg;
	nvhi_list_init(&ctrlr->goodbyes);
	err = ctrlr_name(ctrlr, name, errbuf, errbuf_len);
	if (err)
		goto err_free;
	inner.transport.name = ctrlr->name;
	err = nvhi_ctrlr_create(&inner, &ctrlr->owner, errbuf, errbuf_len, &ctrlr->inner);
	if (err)
		goto err_free;
	err = nvhi_api_memory_attach(host, ctrlr->inner);
	if (!err && !ctrlr->discovery)
		err = nvhi_mp_ctrlr_join(&host->mp, &ctrlr->mpc, ctrlr->inner,
					 inner.transport.subnqn, ctrlr->instance);
	if (err) {
		snprintf(errbuf, errbuf_len, "%s: %s", ctrlr->name, strerror(-err));
		goto err_destroy;
	}
	nvhi_list_add_tail(&host->ctrlrs, &ctrlr->link);
	nvhi_ctrlr_start(ctrlr->inner);
	*ret_ctrlr = ctrlr;
	return 0;

err_destroy:
	nvhi_ctrlr_destroy(ctrlr->inner);
err_free:
	free(ctrlr);
	return err;
}

/* What is said of the subsystem. A caller built before there was a choice has none to tell. */
static void connect_subsys(struct nvh_host *host, const struct nvh_connect_opts *opts,
			   const char *subnqn)
{
	struct nvh_connect_opts o = {0};

	memcpy(&o, opts, opts->size < sizeof(o) ? opts->size : sizeof(o));
	if (o.policy)
		nvhi_mp_set_policy(&host->mp, subnqn, o.policy);
	if (o.hedge_reads)
		nvhi_mp_set_hedge(&host->mp, subnqn, true);
	if (o.no_path)
		nvh_subsys_set_no_path(host, subnqn, o.no_path, o.no_path_bytes);
}

int nvh_connect(struct nvh_host *host, const struct nvh_connect_opts *opts, nvh_connect_fn done,
		void *arg, char *errbuf, size_t errbuf_len)
{
	const struct nvh_ctrlr *same;
	struct nvhi_ctrlr_opts inner;
	struct nvh_ctrlr *ctrlr;
	char unread[1];
	int err;

	if (!errbuf || !errbuf_len) {
		errbuf = unread;
		errbuf_len = sizeof(unread);
	}
	errbuf[0] = '\0';
	if (nvhi_forked())
		return -EPERM;
	if (host->closing)
		return -ESHUTDOWN;
	err = nvhi_api_connect_opts(host, opts, &inner, errbuf, errbuf_len);
	if (err)
		return err;
	same = opts->duplicate_connect ? NULL : ctrlr_same(host, &inner.transport);
	if (same) {
		snprintf(errbuf, errbuf_len,
			 "already connected as %s (duplicate-connect allows another)", same->name);
		return -EALREADY;
	}
	err = nvhi_api_connect(host, &inner, opts->name, done, arg, errbuf, errbuf_len, &ctrlr);
	if (!err && !ctrlr->discovery)
		connect_subsys(host, opts, inner.transport.subnqn);
	return err;
}

void nvh_disconnect(struct nvh_ctrlr *ctrlr, void (*done)(void *arg), void *arg)
{
	struct nvhi_api_goodbye *bye = &ctrlr->first_goodbye;

	if (nvhi_forked())
		return;
	if (done) {
		if (bye->done)
			bye = malloc(sizeof(*bye));
		if (bye) {
			bye->done = done;
			bye->arg = arg;
			nvhi_list_add_tail(&ctrlr->goodbyes, &bye->link);
		} else {
			nvhi_log(ERROR, API, "%s: no memory to tell its end a second time",
				 ctrlr->name);
		}
	}
	nvhi_ctrlr_delete(ctrlr->inner);
}

/* ---- reset and rescan ------------------------------------------------------------------------ */

struct ctrlr_wait {
	struct nvhi_ctrlr_waiter waiter;
	void (*done)(void *arg, int err);
	void *arg;
};

static void ctrlr_waited(struct nvhi_ctrlr_waiter *waiter, int err)
{
	struct ctrlr_wait *wait = nvhi_container_of(waiter, struct ctrlr_wait, waiter);

	if (wait->done)
		wait->done(wait->arg, err);
	free(wait);
}

static struct ctrlr_wait *ctrlr_wait_new(void (*done)(void *arg, int err), void *arg)
{
	struct ctrlr_wait *wait = calloc(1, sizeof(*wait));

	if (wait) {
		wait->waiter.fn = ctrlr_waited;
		wait->done = done;
		wait->arg = arg;
	}
	return wait;
}

int nvh_ctrlr_reset(struct nvh_ctrlr *ctrlr, void (*done)(void *arg, int err), void *arg)
{
	struct ctrlr_wait *wait;
	int err;

	if (nvhi_forked())
		return -EPERM;
	wait = ctrlr_wait_new(done, arg);
	if (!wait)
		return -ENOMEM;
	err = nvhi_ctrlr_reset(ctrlr->inner, "reset asked for", &wait->waiter);
	if (err)
		free(wait);
	return err;
}

int nvh_ctrlr_rescan(struct nvh_ctrlr *ctrlr, void (*done)(void *arg, int err), void *arg)
{
	struct ctrlr_wait *wait;
	int err;

	if (nvhi_forked())
		return -EPERM;
	wait = ctrlr_wait_new(done, arg);
	if (!wait)
		return -ENOMEM;
	err = nvhi_ctrlr_rescan(ctrlr->inner, &wait->waiter);
	if (err)
		free(wait);
	return err;
}
