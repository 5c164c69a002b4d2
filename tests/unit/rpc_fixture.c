/*
 * See rpc_fixture.h.
 */
#include "tests/unit/rpc_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rpc_answer rpc_last;

/* Bytes that differ from call to call but not from run to run. */
static void fixed_random(void *buf, size_t len)
{
	static uint32_t state = 1;
	uint8_t *bytes = buf;

	for (size_t i = 0; i < len; i++) {
		state = state * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(state >> 24);
	}
}

void rpc_target_start(struct rpc_target *t, bool wait_for_rpc)
{
	struct tl_target_opts opts = {.name = "nvmf_tgt", .random = fixed_random};
	struct tl_rpc_opts rpc_opts = {.wait_for_rpc = wait_for_rpc};

	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(NULL, &t->reactor), 0);
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&opts, &t->reactor, 1, &t->target), 0);
	CU_ASSERT_EQUAL_FATAL(tl_rpc_create(t->target, &rpc_opts, &t->rpc), 0);
}

static void stopped(void *arg, int err)
{
	(void)err;
	*(bool *)arg = true;
}

void rpc_target_stop(struct rpc_target *t)
{
	bool done = false;

	tl_rpc_destroy(t->rpc);
	tl_target_stop(t->target, stopped, &done);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(t->reactor, done, 10000));
	tl_target_destroy(t->target);
	nvhi_reactor_destroy(t->reactor);
}

static void answered(struct nvhi_rpc_local *local, struct json_object *result, int code,
		     const char *message)
{
	struct rpc_answer *answer = nvhi_container_of(local, struct rpc_answer, local);

	answer->done = true;
	answer->code = message ? code : 0;
	snprintf(answer->text, sizeof(answer->text), "%s",
		 message ? message
			 : json_object_to_json_string_ext(result,
							  JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
}

void rpc_begin(struct rpc_target *t, struct rpc_answer *answer, const char *method,
	       const char *params)
{
	struct json_object *object = NULL;
	char err[256];

	answer->local.fn = answered;
	answer->done = false;
	if (params && nvhi_json_parse(params, strlen(params), &object, err, sizeof(err))) {
		printf("  bad test: %s: %s\n", params, err);
		abort();
	}
	nvhi_rpc_server_call(t->rpc->server, method, object, &answer->local);
	json_object_put(object);
}

int rpc_do(struct rpc_target *t, const char *method, const char *params)
{
	rpc_begin(t, &rpc_last, method, params);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(t->reactor, rpc_last.done, 10000));
	return rpc_last.code;
}
