/*
 * rpc_get_methods, spdk_get_version and the framework_* methods: what is here, and whether it is
 * ready. Management reactor.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target-lite/rpc/impl.h"

static const struct nvhi_json_field no_fields[] = {NVHI_JSON_END};

/* Answers and returns non-zero when a method without parameters was given one. */
static int takes_nothing(struct nvhi_rpc_call *call)
{
	return nvhi_rpc_decode(call, NULL);
}

/* ---- rpc_get_methods ---------------------------------------------------------------------- */

struct get_methods {
	bool current, include_aliases;
};
static const struct nvhi_json_field get_methods_fields[] = {
	NVHI_JSON_FIELD(get_methods, current, BOOL, .help = "only those callable now"),
	NVHI_JSON_FIELD(get_methods, include_aliases, BOOL, .help = "there are none"),
	NVHI_JSON_END,
};

static void rpc_get_methods(struct nvhi_rpc_call *call)
{
	struct tl_rpc *rpc = tl_rpc_of(call);
	const struct nvhi_rpc_method *method = NULL;
	struct json_object *list;
	struct get_methods p = {0};
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	list = json_object_new_array();
	while ((method = nvhi_rpc_server_next_method(rpc->server, method))) {
		uint32_t state = rpc->running ? TL_RPC_RUNTIME : TL_RPC_STARTUP;

		if (!p.current || method->flags & state)
			failed |= nvhi_json_append(list, json_object_new_string(method->name));
	}
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

/* ---- spdk_get_version --------------------------------------------------------------------- */

static void spdk_get_version(struct nvhi_rpc_call *call)
{
	struct json_object *result, *fields;
	unsigned int major = 0, minor = 0, patch = 0;
	int failed;

	if (takes_nothing(call))
		return;
	if (sscanf(NVHOST_VERSION, "%u.%u.%u", &major, &minor, &patch) < 2)
		major = minor = patch = 0;
	result = json_object_new_object();
	fields = json_object_new_object();
	failed = nvhi_json_add_string(result, "version", "target-lite " NVHOST_VERSION);
	failed |= nvhi_json_add_u64(fields, "major", major);
	failed |= nvhi_json_add_u64(fields, "minor", minor);
	failed |= nvhi_json_add_u64(fields, "patch", patch);
	failed |= nvhi_json_add_string(fields, "suffix", "");
	failed |= nvhi_json_add(result, "fields", fields);
	nvhi_rpc_reply(call, tl_rpc_built(result, failed));
}

/* ---- readiness ---------------------------------------------------------------------------- */

struct init_wait {
	struct nvhi_rpc_call *call;
	struct nvhi_list link;
};

static void wait_gone(struct nvhi_rpc_call *call)
{
	struct init_wait *wait = nvhi_rpc_context(call);

	nvhi_list_del(&wait->link);
	free(wait);
	nvhi_rpc_reply_bool(call, true); /* nobody hears it; it frees the call */
}

static void framework_wait_init(struct nvhi_rpc_call *call)
{
	struct tl_rpc *rpc = tl_rpc_of(call);
	struct init_wait *wait;

	if (takes_nothing(call))
		return;
	if (rpc->running) {
		nvhi_rpc_reply_bool(call, true);
		return;
	}
	wait = calloc(1, sizeof(*wait));
	if (!wait) {
		nvhi_rpc_reply(call, NULL);
		return;
	}
	wait->call = call;
	nvhi_rpc_set_context(call, wait);
	nvhi_rpc_on_gone(call, wait_gone);
	nvhi_list_add_tail(&rpc->waiting, &wait->link);
}

static void answer_waiting(struct tl_rpc *rpc)
{
	struct init_wait *wait, *next;

	nvhi_list_for_each_safe(wait, next, &rpc->waiting, link) {
		nvhi_list_del(&wait->link);
		nvhi_rpc_on_gone(wait->call, NULL);
		nvhi_rpc_reply_bool(wait->call, true);
		free(wait);
	}
}

void tl_rpc_framework_done(struct tl_rpc *rpc)
{
	answer_waiting(rpc);
}

void tl_rpc_framework_start(struct tl_rpc *rpc)
{
	rpc->running = true;
	answer_waiting(rpc);
}

static void framework_start_init(struct nvhi_rpc_call *call)
{
	struct tl_rpc *rpc = tl_rpc_of(call);

	if (takes_nothing(call))
		return;
	nvhi_rpc_reply_bool(call, true);
	tl_rpc_framework_start(rpc);
}

/* ---- framework_get_reactors --------------------------------------------------------------- */

static struct json_object *reactor_object(struct tl_rpc *rpc, const struct tl_poll_group *group)
{
	struct json_object *object = json_object_new_object(), *threads = json_object_new_array();
	struct json_object *thread = json_object_new_object();
	int cpu = rpc->opts.cpus ? rpc->opts.cpus[group->index] : -1;
	struct nvhi_reactor_stats stats;
	uint64_t age;
	int failed;

	nvhi_reactor_stats(group->reactor, &stats);
	age = nvhi_reactor_now(rpc->target->mgmt) - rpc->started;
	failed = nvhi_json_add_u64(object, "lcore", cpu < 0 ? group->index : (uint32_t)cpu);
	failed |= nvhi_json_add_u64(object, "busy", stats.busy_ns);
	failed |= nvhi_json_add_u64(object, "idle", age > stats.busy_ns ? age - stats.busy_ns : 0);
	failed |= nvhi_json_add_bool(object, "in_interrupt", true);
	failed |= nvhi_json_add_string(thread, "name", group->name);
	failed |= nvhi_json_add_u64(thread, "id", group->index + 1);
	if (cpu < 0)
		failed |= nvhi_json_add_string(thread, "cpumask", "");
	else
		failed |= nvhi_json_add_stringf(thread, "cpumask", "%llx",
						cpu < 64 ? 1ull << cpu : 0ull);
	failed |= nvhi_json_add_u64(thread, "elapsed", age);
	failed |= nvhi_json_append(threads, thread);
	failed |= nvhi_json_add(object, "lw_threads", threads);
	return tl_rpc_built(object, failed);
}

static void framework_get_reactors(struct nvhi_rpc_call *call)
{
	struct tl_rpc *rpc = tl_rpc_of(call);
	struct json_object *result, *list;
	int failed;

	if (takes_nothing(call))
		return;
	result = json_object_new_object();
	list = json_object_new_array();
	failed = nvhi_json_add_u64(result, "tick_rate", NVHI_NSEC_PER_SEC);
	failed |= nvhi_json_add_u64(result, "pid", (uint64_t)getpid());
	for (uint32_t i = 0; i < rpc->target->group_count; i++)
		failed |= nvhi_json_append(list, reactor_object(rpc, &rpc->target->groups[i]));
	failed |= nvhi_json_add(result, "reactors", list);
	nvhi_rpc_reply(call, tl_rpc_built(result, failed));
}

/* ---- spdk_kill_instance ------------------------------------------------------------------- */

static const char *const kill_names[] = {"SIGINT", "SIGTERM", "SIGQUIT", "SIGKILL", NULL};
static const int kill_signals[] = {SIGINT, SIGTERM, SIGQUIT, SIGKILL};

struct kill_instance {
	int sig_name;
};
static const struct nvhi_json_field kill_fields[] = {
	NVHI_JSON_FIELD(kill_instance, sig_name, ENUM, NVHI_JSON_REQUIRED, .names = kill_names,
			.help = "SIGINT, SIGTERM, SIGQUIT or SIGKILL"),
	NVHI_JSON_END,
};

static void spdk_kill_instance(struct nvhi_rpc_call *call)
{
	struct kill_instance p = {0};

	if (nvhi_rpc_decode(call, &p))
		return;
	nvhi_rpc_reply_bool(call, true);
	kill(getpid(), kill_signals[p.sig_name]);
}

const struct nvhi_rpc_method tl_rpc_framework_methods[] = {
	{"rpc_get_methods", rpc_get_methods, get_methods_fields, "names of all methods", TL_RPC_ANY},
	{"spdk_get_version", spdk_get_version, no_fields, "name and version", TL_RPC_ANY},
	{"framework_wait_init", framework_wait_init, no_fields,
	 "answers when framework_start_init was called", TL_RPC_ANY},
	{"framework_start_init", framework_start_init, no_fields,
	 "leaves the state of --wait-for-rpc", TL_RPC_STARTUP},
	{"framework_get_reactors", framework_get_reactors, no_fields, "reactors and their load",
	 TL_RPC_RUNTIME},
	{"spdk_kill_instance", spdk_kill_instance, kill_fields, "sends this process a signal",
	 TL_RPC_ANY},
	{.name = NULL},
};
