/*
 * RPC: paths seen and steered. set_policy, set_no_path, path_latency, failovers, timers, monitor.
 */
#include <errno.h>
#include <string.h>

#include "host/daemon/daemon.h"

/* ---- settings of a subsystem ------------------------------------------------------------------ */

struct rpc_set_params {
	const char *nqn, *policy, *no_path;
	uint64_t no_path_bytes;
	bool on;
};

static const struct nvhi_json_field rpc_policy_fields[] = {
	NVHI_JSON_FIELD(rpc_set_params, nqn, STRING, NVHI_JSON_REQUIRED, .help = "subsystem"),
	NVHI_JSON_FIELD(rpc_set_params, policy, STRING, NVHI_JSON_REQUIRED,
			.help = "latency, round-robin, queue-depth, numa"),
	NVHI_JSON_END,
};
static const struct nvhi_json_field rpc_no_path_fields[] = {
	NVHI_JSON_FIELD(rpc_set_params, nqn, STRING, NVHI_JSON_REQUIRED, .help = "subsystem"),
	NVHI_JSON_FIELD(rpc_set_params, no_path, STRING,
			.help = "fail, queue:SECONDS, queue; none: until ctrl-loss-tmo"),
	NVHI_JSON_FIELD(rpc_set_params, no_path_bytes, U64, .help = "0: no limit"),
	NVHI_JSON_END,
};

/* The next daemon shall set it too: it becomes what the connections were asked for with. */
static void set_saved(struct nvd_daemon *daemon, const char *nqn, const char *name,
		      struct json_object *value)
{
	struct nvd_conn *conn;
	char err[256];

	nvhi_list_for_each(conn, &daemon->conns, link) {
		if (!conn->params.nqn || strcmp(conn->params.nqn, nqn) != 0)
			continue;
		if (value)
			json_object_object_add(conn->json, name, json_object_get(value));
		else
			json_object_object_del(conn->json, name);
		nvd_params_from_json(conn->json, &conn->params, err, sizeof(err));
	}
	json_object_put(value);
}

static void set_answer(struct nvhi_rpc_call *call, const struct rpc_set_params *params, int err,
		       const char *what, const char *value)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct json_object *answer;

	if (err == -EINVAL)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "parameter '%s': '%s' is not one of %s",
			       what, value, !strcmp(what, "policy")
						    ? "latency, round-robin, queue-depth, numa"
						    : "fail, queue:SECONDS, queue");
	else if (err == -ENOENT)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "parameter 'nqn': no subsystem '%s' is connected (nvhost list-subsys)",
			       params->nqn);
	else if (err)
		nvhi_rpc_errno(call, err, "%s", what);
	if (err)
		return;
	nvd_state_save(daemon);
	answer = json_object_new_object();
	if (answer && nvd_state_warn(daemon, answer)) {
		json_object_put(answer);
		answer = NULL;
	}
	nvhi_rpc_reply(call, answer);
}

static void rpc_set_policy(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct rpc_set_params params = {0};
	int err;

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	err = nvh_subsys_set_policy(daemon->host, params.nqn, params.policy);
	if (!err)
		set_saved(daemon, params.nqn, "policy", json_object_new_string(params.policy));
	set_answer(call, &params, err, "policy", params.policy);
}

static void rpc_set_no_path(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct rpc_set_params params = {0};
	int err;

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	err = nvh_subsys_set_no_path(daemon->host, params.nqn, params.no_path,
				     params.no_path_bytes);
	if (!err) {
		set_saved(daemon, params.nqn, "no_path",
			  params.no_path ? json_object_new_string(params.no_path) : NULL);
		set_saved(daemon, params.nqn, "no_path_bytes",
			  params.no_path_bytes ? json_object_new_uint64(params.no_path_bytes)
					       : NULL);
	}
	set_answer(call, &params, err, "no_path", params.no_path);
}

static const struct nvhi_json_field rpc_hedge_fields[] = {
	NVHI_JSON_FIELD(rpc_set_params, nqn, STRING, NVHI_JSON_REQUIRED, .help = "subsystem"),
	NVHI_JSON_FIELD(rpc_set_params, on, BOOL, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};

static void rpc_set_hedge(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct rpc_set_params params = {0};
	int err;

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	err = nvh_subsys_set_hedge(daemon->host, params.nqn, params.on);
	if (!err)
		set_saved(daemon, params.nqn, "hedge_reads",
			  params.on ? json_object_new_boolean(true) : NULL);
	set_answer(call, &params, err, "on", "");
}

/* ---- latencies -------------------------------------------------------------------------------- */

struct rpc_device_params {
	const char *device;
};

static const struct nvhi_json_field rpc_device_fields[] = {
	NVHI_JSON_FIELD(rpc_device_params, device, STRING, NVHI_JSON_REQUIRED,
			.help = "a namespace"),
	NVHI_JSON_END,
};

static struct json_object *latency_buckets(const struct nvh_latency *l)
{
	struct json_object *array = json_object_new_array();
	int err = array ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < NVH_LATENCY_BUCKETS && !err; i++) {
		struct json_object *o;

		if (!l->buckets[i])
			continue;
		o = json_object_new_object();
		err = o ? nvhi_json_add_u64(o, "from_ns", nvh_latency_bucket_start(i)) : -ENOMEM;
		err = err ? err : nvhi_json_add_u64(o, "to_ns", nvh_latency_bucket_start(i + 1));
		err = err ? err : nvhi_json_add_u64(o, "count", l->buckets[i]);
		if (err)
			json_object_put(o);
		else
			err = nvhi_json_append(array, o);
	}
	if (err) {
		json_object_put(array);
		return NULL;
	}
	return array;
}

struct json_object *nvd_latency_to_json(const struct nvh_latency *l, bool buckets)
{
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_u64(o, "samples", l->count);
	err = err ? err : nvhi_json_add_u64(o, "mean_ns", l->mean);
	err = err ? err : nvhi_json_add_u64(o, "p50_ns", l->p50);
	err = err ? err : nvhi_json_add_u64(o, "p90_ns", l->p90);
	err = err ? err : nvhi_json_add_u64(o, "p99_ns", l->p99);
	err = err ? err : nvhi_json_add_u64(o, "p999_ns", l->p999);
	if (buckets)
		err = err ? err : nvhi_json_add(o, "buckets", latency_buckets(l));
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *latency_path(struct nvh_ns *ns, unsigned int index, const char *name)
{
	struct json_object *o = json_object_new_object();
	struct nvh_latency l = {.size = sizeof(l)};
	int err = o ? nvhi_json_add_string(o, "controller", name) : -ENOMEM;

	err = err ? err : nvh_ns_path_latency(ns, index, false, &l);
	err = err ? err : nvhi_json_add(o, "read", nvd_latency_to_json(&l, true));
	err = err ? err : nvh_ns_path_latency(ns, index, true, &l);
	err = err ? err : nvhi_json_add(o, "write", nvd_latency_to_json(&l, true));
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static void rpc_path_latency(struct nvhi_rpc_call *call)
{
	struct nvh_path_info path = {.size = sizeof(path)};
	struct rpc_device_params params = {0};
	struct nvd_target target;
	struct json_object *array;
	char err[512];

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	if (nvd_target_find(nvhi_rpc_owner(call), params.device, &target, err, sizeof(err)) < 0) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
		return;
	}
	if (!target.ns) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "parameter 'device': '%s' is a controller; name a namespace",
			       params.device);
		return;
	}
	array = json_object_new_array();
	for (unsigned int i = 0; array && nvh_ns_path_info(target.ns, i, &path) == 0; i++)
		if (nvhi_json_append(array, latency_path(target.ns, i, path.ctrlr_name))) {
			json_object_put(array);
			array = NULL;
		}
	nvhi_rpc_reply(call, array);
}

/* ---- failovers, timers, monitor ----------------------------------------------------------------- */

static void rpc_failovers(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct nvh_failover f = {.size = sizeof(f)};
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; array && nvh_host_failover(daemon->host, i, &f) == 0; i++)
		if (nvhi_json_append(array, nvd_failover_to_json(&f))) {
			json_object_put(array);
			array = NULL;
		}
	nvhi_rpc_reply(call, array);
}

/* Milliseconds; null: nothing bounds it. */
static int fate_ms(struct json_object *o, const char *name, uint64_t ns)
{
	return json_object_object_add(o, name,
				      ns == NVH_FATE_NEVER ? NULL
							   : json_object_new_uint64(ns / 1000000));
}

static struct json_object *fate_to_json(const struct nvh_fate *f)
{
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_string(o, "failure", f->failure);
	err = err ? err : nvhi_json_add_string(o, "noticed_by", f->noticed_by);
	err = err ? err : fate_ms(o, "noticed_ms", f->noticed_ns);
	err = err ? err : fate_ms(o, "read_repeated_ms", f->read_ns);
	err = err ? err : fate_ms(o, "write_repeated_ms", f->write_ns);
	err = err ? err : fate_ms(o, "overlapping_writes_held_ms", f->overlap_ns);
	err = err ? err : fate_ms(o, "fails_without_path_ms", f->alone_ns);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static const struct nvhi_json_field rpc_timers_fields[] = {
	NVHI_JSON_FIELD(rpc_set_params, nqn, STRING, NVHI_JSON_REQUIRED, .help = "subsystem"),
	NVHI_JSON_END,
};

static void rpc_timers(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct nvh_fate fate = {.size = sizeof(fate)};
	struct rpc_set_params params = {0};
	struct json_object *array;

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	if (nvh_subsys_fate(daemon->host, params.nqn, 0, &fate)) {
		set_answer(call, &params, -ENOENT, "nqn", params.nqn);
		return;
	}
	array = json_object_new_array();
	for (unsigned int i = 0; array && !nvh_subsys_fate(daemon->host, params.nqn, i, &fate); i++)
		if (nvhi_json_append(array, fate_to_json(&fate))) {
			json_object_put(array);
			array = NULL;
		}
	nvhi_rpc_reply(call, array);
}

static void rpc_monitor(struct nvhi_rpc_call *call)
{
	nvd_monitor_add(nvhi_rpc_owner(call), call);
}

const struct nvhi_rpc_method nvd_rpc_path_methods[] = {
	{.name = "set_policy",
	 .fn = rpc_set_policy,
	 .params = rpc_policy_fields,
	 .help = "path selection of a subsystem, from the next I/O on"},
	{.name = "set_no_path",
	 .fn = rpc_set_no_path,
	 .params = rpc_no_path_fields,
	 .help = "how long I/O of a subsystem waits for a path"},
	{.name = "set_hedge",
	 .fn = rpc_set_hedge,
	 .params = rpc_hedge_fields,
	 .help = "hedged reads of a subsystem on or off"},
	{.name = "path_latency",
	 .fn = rpc_path_latency,
	 .params = rpc_device_fields,
	 .help = "histograms of a namespace's paths"},
	{.name = "failovers", .fn = rpc_failovers, .help = "the last failovers, latest first"},
	{.name = "timers",
	 .fn = rpc_timers,
	 .params = rpc_timers_fields,
	 .help = "the worst-case fate of an I/O in each kind of failure"},
	{.name = "monitor",
	 .fn = rpc_monitor,
	 .help = "events as notifications, until the caller leaves"},
	{.name = NULL},
};
