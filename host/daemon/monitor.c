/*
 * Who watches: each call of `monitor` gets an event as a notification until its caller leaves. One
 * that does not read loses events, and nothing waits for it.
 */
#include <errno.h>
#include <stdlib.h>

#include "host/daemon/daemon.h"

struct nvd_watcher {
	struct nvhi_list link;
	struct nvhi_rpc_call *call;
};

static void watcher_end(struct nvd_watcher *watcher)
{
	nvhi_list_del(&watcher->link);
	nvhi_rpc_reply_null(watcher->call);
	free(watcher);
}

static void watcher_gone(struct nvhi_rpc_call *call)
{
	watcher_end(nvhi_rpc_context(call));
}

void nvd_monitor_add(struct nvd_daemon *daemon, struct nvhi_rpc_call *call)
{
	struct nvd_watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher) {
		nvhi_rpc_errno(call, -ENOMEM, "monitor");
		return;
	}
	watcher->call = call;
	nvhi_list_add_tail(&daemon->watchers, &watcher->link);
	nvhi_rpc_set_context(call, watcher);
	nvhi_rpc_on_gone(call, watcher_gone);
}

void nvd_monitor_end(struct nvd_daemon *daemon)
{
	while (!nvhi_list_empty(&daemon->watchers))
		watcher_end(nvhi_list_first(&daemon->watchers, struct nvd_watcher, link));
}

/* Takes `event`, NULL when there was no memory for it. */
static void monitor_tell(struct nvd_daemon *daemon, const char *method, struct json_object *event)
{
	struct nvd_watcher *watcher;

	if (!event)
		return;
	nvhi_list_for_each(watcher, &daemon->watchers, link)
		(void)nvhi_rpc_notify(watcher->call, method, json_object_get(event));
	json_object_put(event);
}

static struct json_object *monitor_object(int err, struct json_object *o)
{
	if (!err)
		return o;
	json_object_put(o);
	return NULL;
}

/* Since the detection, in microseconds; nothing for a step that did not come. */
static int failover_after(struct json_object *o, const char *name, uint64_t detected, uint64_t at)
{
	if (!at)
		return 0;
	return nvhi_json_add_u64(o, name, at > detected ? (at - detected) / 1000 : 0);
}

struct json_object *nvd_failover_to_json(const struct nvh_failover *f)
{
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_u64(o, "id", f->id);
	err = err ? err : nvhi_json_add_string(o, "nqn", f->subnqn);
	err = err ? err : nvhi_json_add_string(o, "controller", f->ctrlr);
	err = err ? err : nvhi_json_add_string(o, "why", f->why);
	err = err ? err : nvhi_json_add_u64(o, "detected_ns", f->detected_ns);
	if (f->fenced_ns)
		err = err ? err : nvhi_json_add_string(o, "fence", f->fence);
	err = err ? err : failover_after(o, "fenced_after_us", f->detected_ns, f->fenced_ns);
	if (f->selected_ns)
		err = err ? err : nvhi_json_add_string(o, "selected", f->selected);
	err = err ? err : failover_after(o, "selected_after_us", f->detected_ns, f->selected_ns);
	err = err ? err : failover_after(o, "success_after_us", f->detected_ns, f->success_ns);
	err = err ? err : failover_after(o, "returned_after_us", f->detected_ns, f->returned_ns);
	return monitor_object(err, o);
}

void nvd_monitor_failover(struct nvd_daemon *daemon, const struct nvh_failover *failover)
{
	if (!nvhi_list_empty(&daemon->watchers))
		monitor_tell(daemon, "failover", nvd_failover_to_json(failover));
}

void nvd_monitor_ctrlr(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr, const char *event)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct json_object *o;
	int err;

	if (nvhi_list_empty(&daemon->watchers))
		return;
	nvh_ctrlr_info(ctrlr, &info);
	o = json_object_new_object();
	err = o ? 0 : -ENOMEM;
	err = err ? err : nvhi_json_add_string(o, "controller", info.name);
	err = err ? err : nvhi_json_add_string(o, "nqn", info.subnqn);
	err = err ? err : nvhi_json_add_string(o, "event", event ? event : info.state);
	if (info.last_message[0])
		err = err ? err : nvhi_json_add_string(o, "last_message", info.last_message);
	monitor_tell(daemon, "controller", monitor_object(err, o));
}

void nvd_monitor_ns(struct nvd_daemon *daemon, struct nvh_ns *ns, const char *event)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct json_object *o;
	int err;

	if (nvhi_list_empty(&daemon->watchers))
		return;
	nvh_ns_info(ns, &info);
	o = json_object_new_object();
	err = o ? 0 : -ENOMEM;
	err = err ? err : nvhi_json_add_string(o, "namespace", info.name);
	err = err ? err : nvhi_json_add_string(o, "nqn", info.subnqn);
	err = err ? err : nvhi_json_add_string(o, "event", event);
	err = err ? err : nvhi_json_add_u64(o, "nr_blocks", info.nr_blocks);
	err = err ? err : nvhi_json_add_u64(o, "paths", info.nr_paths);
	err = err ? err : nvhi_json_add_u64(o, "live_paths", info.nr_live_paths);
	monitor_tell(daemon, "namespace", monitor_object(err, o));
}
