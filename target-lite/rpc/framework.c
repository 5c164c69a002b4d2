/*
 * rpc_get_methods, spdk_get_version and the framework_* methods: what is here, and whether it is
 * ready. Management reactor.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* Visits each reactor in turn, since only its own thread knows its ID and times. */
struct reactors_query {
	struct nvhi_msg msg;
	struct nvhi_rpc_call *call;
	struct tl_target *target;
	uint64_t started;
	uint32_t next, count;
	struct reactor_answer {
		struct nvhi_reactor_stats stats;
		struct rusage usage;
		unsigned int cpu, node;
		int pinned; /* CPU, or -1 */
		pid_t tid;
		uint64_t age;
	} answers[];
};

static uint64_t clock_ticks(const struct timeval *tv)
{
	return ((uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec) *
	       (uint64_t)sysconf(_SC_CLK_TCK) / 1000000;
}

static struct json_object *thread_list(const struct reactor_answer *a, const char *name,
				       uint32_t index)
{
	struct json_object *list = json_object_new_array(), *thread = json_object_new_object();
	int failed = nvhi_json_add_string(thread, "name", name);

	failed |= nvhi_json_add_u64(thread, "id", index + 1);
	failed |= nvhi_json_add_stringf(thread, "cpumask", "%llx",
					a->cpu < 64 ? 1ull << a->cpu : 0ull);
	failed |= nvhi_json_add_u64(thread, "elapsed", a->age);
	failed |= nvhi_json_append(list, thread);
	return tl_rpc_built(list, failed);
}

static struct json_object *reactor_object(const struct reactor_answer *a, const char *name,
					  uint32_t index)
{
	struct json_object *object = json_object_new_object();
	uint64_t busy = a->stats.busy_ns;
	int failed = nvhi_json_add_u64(object, "lcore", a->cpu);

	failed |= nvhi_json_add_u64(object, "numa_id", a->node);
	failed |= nvhi_json_add_u64(object, "tid", (uint64_t)a->tid);
	failed |= nvhi_json_add_u64(object, "busy", busy);
	failed |= nvhi_json_add_u64(object, "idle", a->age > busy ? a->age - busy : 0);
	failed |= nvhi_json_add_bool(object, "in_interrupt", a->stats.sleeps > 0);
	failed |= nvhi_json_add_u64(object, "irq", 0);
	failed |= nvhi_json_add_u64(object, "sys", clock_ticks(&a->usage.ru_stime));
	failed |= nvhi_json_add_u64(object, "usr", clock_ticks(&a->usage.ru_utime));
	failed |= nvhi_json_add(object, "lw_threads", thread_list(a, name, index));
	return tl_rpc_built(object, failed);
}

static void reactors_reply(struct nvhi_msg *msg)
{
	struct reactors_query *query = nvhi_container_of(msg, struct reactors_query, msg);
	struct json_object *result = json_object_new_object(), *list = json_object_new_array();
	int failed = nvhi_json_add_u64(result, "tick_rate", NVHI_NSEC_PER_SEC);

	failed |= nvhi_json_add_u64(result, "pid", (uint64_t)getpid());
	for (uint32_t i = 0; i < query->count; i++)
		failed |= nvhi_json_append(
			list, reactor_object(&query->answers[i], query->target->groups[i].name, i));
	failed |= nvhi_json_add(result, "reactors", list);
	nvhi_rpc_reply(query->call, tl_rpc_built(result, failed));
	free(query);
}

static void reactors_visit(struct nvhi_msg *msg)
{
	struct reactors_query *query = nvhi_container_of(msg, struct reactors_query, msg);
	struct reactor_answer *answer = &query->answers[query->next];
	struct nvh_reactor *reactor = query->target->groups[query->next].reactor;

	nvhi_reactor_stats(reactor, &answer->stats);
	getrusage(RUSAGE_THREAD, &answer->usage);
	getcpu(&answer->cpu, &answer->node);
	if (answer->pinned >= 0)
		answer->cpu = (unsigned int)answer->pinned;
	answer->tid = gettid();
	answer->age = nvhi_reactor_clock(reactor) - query->started;
	if (++query->next == query->count) {
		query->msg.fn = reactors_reply;
		nvhi_reactor_post(query->target->mgmt, &query->msg);
	} else {
		nvhi_reactor_post(query->target->groups[query->next].reactor, &query->msg);
	}
}

static void framework_get_reactors(struct nvhi_rpc_call *call)
{
	struct tl_rpc *rpc = tl_rpc_of(call);
	uint32_t count = rpc->target->group_count;
	struct reactors_query *query;

	if (takes_nothing(call))
		return;
	query = calloc(1, sizeof(*query) + count * sizeof(query->answers[0]));
	if (!query) {
		nvhi_rpc_reply(call, NULL);
		return;
	}
	query->call = call;
	query->target = rpc->target;
	query->started = rpc->started;
	query->count = count;
	for (uint32_t i = 0; i < count; i++)
		query->answers[i].pinned = rpc->opts.cpus ? rpc->opts.cpus[i] : -1;
	query->msg.fn = reactors_visit;
	nvhi_reactor_post(rpc->target->groups[0].reactor, &query->msg);
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
	{"rpc_get_methods", rpc_get_methods, get_methods_fields, "names of all methods",
	 TL_RPC_ANY},
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
