/*
 * RPC: the daemon itself. Version, log levels, reactors, methods, the orderly end.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/daemon/daemon.h"

static void rpc_version(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_string(o, "version", NVHOST_VERSION);
	err = err ? err : nvhi_json_add_u64(o, "pid", (uint64_t)getpid());
	err = err ? err : nvhi_json_add_u64(o, "reactors", daemon->nr_reactors);
	err = err ? err : nvhi_json_add_string(o, "hostnqn", nvh_host_nqn(daemon->host));
	err = err ? err : nvhi_json_add_string(o, "state", daemon->state_path);
	if (err) {
		json_object_put(o);
		o = NULL;
	}
	nvhi_rpc_reply(call, o);
}

struct rpc_log_params {
	const char *level;
};

static const struct nvhi_json_field rpc_log_fields[] = {
	NVHI_JSON_FIELD(rpc_log_params, level, STRING, NVHI_JSON_REQUIRED,
			.help = "all:info,tcp:debug"),
	NVHI_JSON_END,
};

static void rpc_log_set_level(struct nvhi_rpc_call *call)
{
	struct rpc_log_params params = {0};
	char culprit[64];

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	if (nvhi_log_configure(params.level, culprit, sizeof(culprit)) < 0)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "parameter 'level': unknown component or level '%s'", culprit);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void rpc_get_methods(struct nvhi_rpc_call *call)
{
	struct json_object *array = json_object_new_array();
	const struct nvhi_rpc_method *method = NULL;

	while (array &&
	       (method = nvhi_rpc_server_next_method(nvhi_rpc_call_server(call), method))) {
		if (nvhi_json_append(array, json_object_new_string(method->name))) {
			json_object_put(array);
			array = NULL;
		}
	}
	nvhi_rpc_reply(call, array);
}

static struct json_object *rpc_reactor_entry(const struct nvh_reactor *reactor)
{
	struct nvhi_reactor_stats stats;
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	nvhi_reactor_stats(reactor, &stats);
	err = err ? err : nvhi_json_add_string(o, "name", nvhi_reactor_name(reactor));
	err = err ? err : nvhi_json_add_u64(o, "turns", stats.turns);
	err = err ? err : nvhi_json_add_u64(o, "idle_turns", stats.idle_turns);
	err = err ? err : nvhi_json_add_u64(o, "sleeps", stats.sleeps);
	err = err ? err : nvhi_json_add_u64(o, "timers", stats.timers);
	err = err ? err : nvhi_json_add_u64(o, "messages", stats.messages);
	err = err ? err : nvhi_json_add_u64(o, "longest_turn_ns", stats.longest_turn_ns);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static void rpc_get_reactors(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; array && i < daemon->nr_reactors; i++) {
		if (nvhi_json_append(array, rpc_reactor_entry(daemon->reactors[i]))) {
			json_object_put(array);
			array = NULL;
		}
	}
	nvhi_rpc_reply(call, array);
}

static void rpc_shutdown(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);

	nvhi_rpc_reply_bool(call, true);
	nvd_daemon_stop(daemon);
}

const struct nvhi_rpc_method nvd_rpc_daemon_methods[] = {
	{.name = "version", .fn = rpc_version, .help = "version, process and places"},
	{.name = "log_set_level",
	 .fn = rpc_log_set_level,
	 .params = rpc_log_fields,
	 .help = "what is logged"},
	{.name = "rpc_get_methods", .fn = rpc_get_methods, .help = "the methods there are"},
	{.name = "framework_get_reactors",
	 .fn = rpc_get_reactors,
	 .help = "the reactors' counters"},
	{.name = "shutdown",
	 .fn = rpc_shutdown,
	 .help = "unmounts, disconnects and ends; the saved state stays"},
	{.name = NULL},
};
