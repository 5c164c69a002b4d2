/*
 * Fuzz target: target-lite's RPC methods with any parameters, on a real target in this process.
 *
 * Input: a JSON array of {"method", "params"}, called one after the other. Each call is answered;
 * the target that is left can be saved, and ends. Methods that reach outside (files, signals) are
 * left out.
 */
#include "target-lite/rpc/impl.h"
#include "tests/fuzz/fuzz.h"

#define TURNS 100000 /* far more than any call takes */

struct call {
	struct nvhi_rpc_local local;
	bool done, failed;
};

static void answered(struct nvhi_rpc_local *local, struct json_object *result, int code,
		     const char *message)
{
	struct call *call = nvhi_container_of(local, struct call, local);

	FUZZ_CHECK(!call->done && !message == !code);
	(void)result;
	call->done = true;
	call->failed = message;
}

static uint32_t random_state; /* the same for every input */

static void fixed_random(void *buf, size_t len)
{
	uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((random_state = random_state * 1664525u + 1013904223u) >> 24);
}

static bool run_call(struct nvh_reactor *reactor, struct tl_rpc *rpc, struct call *call,
		     const char *method, struct json_object *params)
{
	*call = (struct call){.local.fn = answered};
	nvhi_rpc_server_call(rpc->server, method, params, &call->local);
	for (unsigned int turns = 0; !call->done && turns < TURNS; turns++)
		nvhi_reactor_run(reactor, 0);
	return call->done && !call->failed;
}

/* Whether running it stays within this process. */
static bool harmless(const char *method, struct json_object *params)
{
	struct json_object *value;

	if (strcmp(method, "spdk_kill_instance") == 0 || strcmp(method, "bdev_aio_create") == 0)
		return false;
	if (json_object_object_get_ex(params, "filename", NULL))
		return false;
	/* A wait is not over before its time. */
	return !json_object_object_get_ex(params, "timeout", &value);
}

static void run_calls(struct nvh_reactor *reactor, struct tl_rpc *rpc, struct json_object *list)
{
	struct call call;

	for (size_t i = 0; i < json_object_array_length(list) && i < 32; i++) {
		struct json_object *entry = json_object_array_get_idx(list, i), *method,
				   *params = NULL;

		if (!json_object_object_get_ex(entry, "method", &method) ||
		    !json_object_is_type(method, json_type_string))
			continue;
		json_object_object_get_ex(entry, "params", &params);
		if (strcmp(json_object_get_string(method), "load_config") == 0 ||
		    !harmless(json_object_get_string(method), params))
			continue;
		run_call(reactor, rpc, &call, json_object_get_string(method), params);
		FUZZ_CHECK(call.done);
	}
	FUZZ_CHECK(run_call(reactor, rpc, &call, "save_config", NULL));
}

static void stopped(void *arg, int err)
{
	(void)err;
	*(bool *)arg = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tl_target_opts opts = {.name = "nvmf_tgt", .random = fixed_random};
	struct json_object *list = NULL;
	struct nvh_reactor *reactor;
	struct tl_target *target;
	struct tl_rpc *rpc;
	bool done = false;
	char err[128];

	if (nvhi_json_parse((const char *)data, size, &list, err, sizeof(err)))
		return 0;
	if (!json_object_is_type(list, json_type_array)) {
		json_object_put(list);
		return 0;
	}
	random_state = 1;
	if (nvhi_reactor_create(NULL, &reactor) || tl_target_create(&opts, &reactor, 1, &target) ||
	    tl_rpc_create(target, NULL, &rpc))
		abort();
	run_calls(reactor, rpc, list);
	tl_rpc_destroy(rpc);
	tl_target_stop(target, stopped, &done);
	for (unsigned int turns = 0; !done && turns < TURNS; turns++)
		nvhi_reactor_run(reactor, 0);
	FUZZ_CHECK(done);
	tl_target_destroy(target);
	nvhi_reactor_destroy(reactor);
	json_object_put(list);
	return 0;
}
