/*
 * A JSON-RPC server for tests: on a reactor that the test's thread drives, listening in a private
 * folder, with methods that answer, fail, wait and flood.
 */
#ifndef TESTS_UNIT_JSONRPC_FIXTURE_H
#define TESTS_UNIT_JSONRPC_FIXTURE_H

#include "base/jsonrpc.h"
#include "tests/unit/nvh_cunit.h"

struct rpc_fixture {
	struct nvh_reactor *reactor;
	struct nvhi_rpc_server *server;
	char dir[64], path[96];
	struct nvhi_rpc_call *held[8]; /* calls of "hold", unanswered */
	int held_count, gone_count;
};
extern struct rpc_fixture fx;

void fx_start_with(const struct nvhi_rpc_server_opts *opts);
/* A gate that refuses "later_state", half requests end after 100 ms. */
void fx_start(void);
void fx_stop(void);

/* Drives the reactor until `cond` holds, 10 s at most. */
#define PUMP_UNTIL(cond) CU_ASSERT_TRUE(NVH_RUN_UNTIL(fx.reactor, cond, 10000))
void fx_turns(int count);

/* A non-blocking connection, and bytes to it. */
int fx_dial(void);
void fx_put(int fd, const char *text);
void fx_put_bytes(int fd, const char *bytes, size_t len);
/* The next line the server sends, without its end; "" at the end of the stream. */
const char *fx_get(int fd);
#define EXPECT(fd, text)                                                                           \
	do {                                                                                       \
		const char *got_ = fx_get(fd);                                                     \
		if (strcmp(got_, text) != 0)                                                       \
			printf("\n  got  %s\n  want %s\n", got_, text);                            \
		CU_ASSERT_STRING_EQUAL(got_, text);                                                \
	} while (0)
/* Connections the server has now. */
uint32_t fx_connections(void);

#define ECHO_1        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"x\":\"\\u00e9 }\"}}"
#define ECHO_1_ANSWER "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"x\":\"\xc3\xa9 }\"}}"

#endif
