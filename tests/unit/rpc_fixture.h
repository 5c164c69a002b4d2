/*
 * A target with its RPC methods for tests: one reactor, driven by the test's thread; calls are made
 * locally, without a socket, and awaited.
 */
#ifndef TESTS_UNIT_RPC_FIXTURE_H
#define TESTS_UNIT_RPC_FIXTURE_H

#include "target-lite/rpc/impl.h"
#include "tests/unit/nvh_cunit.h"

struct rpc_target {
	struct nvh_reactor *reactor;
	struct tl_target *target;
	struct tl_rpc *rpc;
};

struct rpc_answer {
	struct nvhi_rpc_local local;
	bool done;
	int code;         /* 0: success */
	char text[65536]; /* the result as JSON, or the message */
};

void rpc_target_start(struct rpc_target *t, bool wait_for_rpc);
void rpc_target_stop(struct rpc_target *t);
/* Begins a call; params is JSON text or NULL. */
void rpc_begin(struct rpc_target *t, struct rpc_answer *answer, const char *method,
	       const char *params);
/* Calls and waits, 10 s at most. Returns the code; the text of the last answer is in rpc_text. */
int rpc_do(struct rpc_target *t, const char *method, const char *params);
extern struct rpc_answer rpc_last;
#define rpc_text (rpc_last.text)

/* Asserts success, or a certain result. */
#define RPC_OK(t, method, params)                                                                  \
	do {                                                                                       \
		if (rpc_do(t, method, params))                                                     \
			printf("  %s: %s\n", method, rpc_text);                                    \
		CU_ASSERT_EQUAL(rpc_last.code, 0);                                                 \
	} while (0)
#define RPC_GIVES(t, method, params, result)                                                       \
	do {                                                                                       \
		RPC_OK(t, method, params);                                                         \
		if (strcmp(rpc_text, result))                                                      \
			printf("  %s: %s\n", method, rpc_text);                                    \
		CU_ASSERT_STRING_EQUAL(rpc_text, result);                                          \
	} while (0)
/* Asserts an error with this code and these words in it. */
#define RPC_FAILS(t, method, params, wanted_code, words)                                           \
	do {                                                                                       \
		int code_ = rpc_do(t, method, params);                                             \
		if (code_ != (wanted_code) || !strstr(rpc_text, words))                            \
			printf("  %s: %d %s\n", method, code_, rpc_text);                          \
		CU_ASSERT_EQUAL(code_, wanted_code);                                               \
		CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, words));                                   \
	} while (0)

#endif
