/*
 * base/jsonrpc_conn.c and jsonrpc_call.c over real sockets: requests in any pieces, errors,
 * batches, connections that end in every way, and pressure.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/jsonrpc_fixture.h"

/* ---- requests ----------------------------------------------------------------------------- */

static void a_request_split_at_every_byte_is_answered(void)
{
	size_t len = strlen(ECHO_1);
	int fd;

	fx_start();
	fd = fx_dial();
	for (size_t cut = 1; cut < len; cut++) {
		fx_put_bytes(fd, ECHO_1, cut);
		nvhi_reactor_run(fx.reactor, 0);
		nvhi_reactor_run(fx.reactor, 0);
		fx_put_bytes(fd, &ECHO_1[cut], len - cut);
		EXPECT(fd, ECHO_1_ANSWER);
	}
	close(fd);
	PUMP_UNTIL(fx_connections() == 0);
	fx_stop();
}

static void requests_need_nothing_between_them(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, ECHO_1 ECHO_1 "\n\n \t" ECHO_1
				 "{\"method\":\"add\",\"id\":\"z\",\"params\":{\"a\":4}}");
	for (int i = 0; i < 3; i++)
		EXPECT(fd, ECHO_1_ANSWER);
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"z\",\"result\":5}");
	close(fd);
	fx_stop();
}

static void an_error_says_what_and_which(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nix\"}");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":"
		   "\"Method not found: 'nix'\"}}");
	fx_put(fd,
	       "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"add\",\"params\":{\"a\":1,\"foo\":2}}");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32602,\"message\":"
		   "\"Invalid parameters: unknown parameter 'foo' (known: a, b)\"}}");
	fx_put(fd, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"add\",\"params\":[1,2]}");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32602,\"message\":"
		   "\"Invalid parameters: an object is needed, not an array\"}}");
	fx_put(fd, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"fail\"}");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32603,\"message\":"
		   "\"writing /x: No space left on device\"}}");
	fx_put(fd, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"later_state\"}");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":-1,\"message\":"
		   "\"not in this state\"}}");
	fx_put(fd, "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"exhausted\"}");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":6,\"error\":{\"code\":-32603,\"message\":"
		   "\"Internal error: out of memory\"}}");
	fx_put(fd, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"nothing\",\"params\":null}");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":null}");
	close(fd);
	fx_stop();
}

static void what_is_no_request_is_answered_and_the_stream_goes_on(void)
{
	static const char *const bad[] = {
		"{}",
		"{\"method\":1,\"id\":9}",
		"{\"method\":\"echo\",\"jsonrpc\":\"1.0\"}",
		"{\"method\":\"echo\",\"jsonrpc\":2}",
		"{\"method\":\"echo\",\"id\":[]}",
		"{\"method\":\"echo\",\"id\":true}",
		"{\"method\":\"echo\",\"params\":7}",
		"{\"method\":\"echo\",\"id\":9,\"extra\":1}",
		"[]",
	};
	int fd;

	fx_start();
	fd = fx_dial();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fx_put(fd, bad[i]);
		CU_ASSERT_PTR_NOT_NULL(strstr(fx_get(fd), "\"code\":-32600"));
	}
	fx_put(fd, ECHO_1);
	EXPECT(fd, ECHO_1_ANSWER);
	close(fd);
	fx_stop();
}

static void a_notification_gets_no_answer(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}{\"jsonrpc\":\"2.0\",\"method\":"
		   "\"nix\"}" ECHO_1);
	EXPECT(fd, ECHO_1_ANSWER);
	close(fd);
	fx_stop();
}

static void a_batch_runs_in_order_and_is_answered_whole(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "[{\"method\":\"hold\",\"id\":1},7,{\"method\":\"echo\"},"
		   "{\"method\":\"add\",\"params\":{\"a\":1},\"id\":null}]");
	PUMP_UNTIL(fx.held_count == 1);
	fx_turns(20);
	nvhi_rpc_reply_bool(fx.held[0], true);
	EXPECT(fd, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true},"
		   "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":"
		   "\"Invalid request: not an object\"}},"
		   "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":2}]");
	fx_put(fd, "[{\"method\":\"echo\"}]" ECHO_1); /* only notifications: no answer at all */
	EXPECT(fd, ECHO_1_ANSWER);
	close(fd);
	fx_stop();
}

static void an_answer_may_come_later_and_out_of_order(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "{\"method\":\"hold\",\"id\":1}{\"method\":\"hold\",\"id\":2}" ECHO_1);
	EXPECT(fd, ECHO_1_ANSWER);
	CU_ASSERT_EQUAL_FATAL(fx.held_count, 2);
	nvhi_rpc_reply_bool(fx.held[1], false);
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":false}");
	nvhi_rpc_error(fx.held[0], -7, "no");
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-7,\"message\":\"no\"}}");
	close(fd);
	fx_stop();
}

/* ---- connections that end ----------------------------------------------------------------- */

static void garbage_ends_its_connection_with_a_parse_error(void)
{
	static const char *const bad[] = {
		"hello",
		"GET / HTTP/1.1\r\n\r\n",
		"{\"a\":]",
		"{\"method\":\"echo\",\"id\":1,}",
		"[NaN]",
		"{\"id\":1,\"id\":2}",
		"\x16\x03\x01\x02",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	};

	fx_start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = fx_dial(), other = fx_dial();

		fx_put(fd, bad[i]);
		CU_ASSERT_PTR_NOT_NULL(
			strstr(fx_get(fd), "\"id\":null,\"error\":{\"code\":-32700,"));
		EXPECT(fd, ""); /* then the end */
		close(fd);
		fx_put(other, ECHO_1); /* nobody else is disturbed */
		EXPECT(other, ECHO_1_ANSWER);
		close(other);
	}
	PUMP_UNTIL(fx_connections() == 0);
	fx_stop();
}

static void a_request_beyond_the_limit_is_refused(void)
{
	struct nvhi_rpc_server_opts opts = {.max_request = 1000};
	char text[1200];
	int fd;

	fx_start_with(&opts);
	fd = fx_dial();
	memset(text, 'x', sizeof(text));
	memcpy(text, "{\"method\":\"", 11);
	fx_put_bytes(fd, text, sizeof(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(fx_get(fd), "longer than 1000 bytes"));
	EXPECT(fd, "");
	close(fd);
	fx_stop();
}

static void half_a_request_ends_by_a_deadline(void)
{
	int fd, idle;

	fx_start();
	fd = fx_dial();
	idle = fx_dial();
	fx_put(fd, "{\"method\":\"ec");
	PUMP_UNTIL(fx_connections() == 2);
	PUMP_UNTIL(fx_connections() == 1);
	EXPECT(fd, "");
	fx_put(idle, ECHO_1); /* saying nothing is no offence */
	EXPECT(idle, ECHO_1_ANSWER);
	close(idle);
	close(fd);
	fx_stop();
}

static void a_half_closing_caller_still_gets_the_answer(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "{\"method\":\"hold\",\"id\":1}");
	shutdown(fd, SHUT_WR);
	PUMP_UNTIL(fx.held_count == 1);
	fx_turns(20);
	CU_ASSERT_EQUAL(fx.gone_count, 0);
	nvhi_rpc_reply_bool(fx.held[0], true);
	EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}");
	EXPECT(fd, "");
	close(fd);
	PUMP_UNTIL(fx_connections() == 0);
	fx_stop();
}

static void a_caller_that_left_is_told_and_may_be_answered(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "{\"method\":\"hold\",\"id\":1}[{\"method\":\"hold\",\"id\":2},{\"method\":"
		   "\"hold\"}]");
	PUMP_UNTIL(fx.held_count == 2);
	CU_ASSERT_TRUE(nvhi_rpc_connected(fx.held[0]));
	close(fd);
	PUMP_UNTIL(fx.gone_count == 2);
	CU_ASSERT_FALSE(nvhi_rpc_connected(fx.held[0]));
	CU_ASSERT_EQUAL(nvhi_rpc_notify(fx.held[0], "x", json_object_new_int(1)), -ENOTCONN);
	nvhi_rpc_reply_bool(fx.held[1], true);
	CU_ASSERT_EQUAL(fx.held_count, 3); /* what it sent before it left is still run */
	nvhi_rpc_reply_bool(fx.held[2], true);
	nvhi_rpc_reply_bool(fx.held[0], true);
	PUMP_UNTIL(fx_connections() == 0);
	fx_stop();
}

static void calls_outlive_the_server(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "{\"method\":\"hold\",\"id\":1}[{\"method\":\"hold\",\"id\":2},{\"method\":"
		   "\"hold\"}]");
	PUMP_UNTIL(fx.held_count == 2);
	fx_stop();
	CU_ASSERT_EQUAL(fx.gone_count, 2);
	CU_ASSERT_PTR_NULL(nvhi_rpc_owner(fx.held[0]));
	nvhi_rpc_reply_bool(fx.held[0], true);
	nvhi_rpc_error(fx.held[1], 1, "x");
	CU_ASSERT_EQUAL(fx.held_count, 2);
	close(fd);
}

/* ---- pressure ----------------------------------------------------------------------------- */

static void too_many_calls_under_way_wait_their_turn(void)
{
	struct nvhi_rpc_server_opts opts = {.max_calls = 2};
	int fd;

	fx_start_with(&opts);
	fd = fx_dial();
	for (int i = 0; i < 4; i++)
		fx_put(fd, "{\"method\":\"hold\",\"id\":1}");
	PUMP_UNTIL(fx.held_count == 2);
	fx_turns(20);
	CU_ASSERT_EQUAL(fx.held_count, 2);
	nvhi_rpc_reply_bool(fx.held[0], true);
	PUMP_UNTIL(fx.held_count == 3);
	nvhi_rpc_reply_bool(fx.held[1], true);
	PUMP_UNTIL(fx.held_count == 4);
	nvhi_rpc_reply_bool(fx.held[2], true);
	nvhi_rpc_reply_bool(fx.held[3], true);
	for (int i = 0; i < 4; i++)
		EXPECT(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}");
	close(fd);
	fx_stop();
}

static size_t drain(int fd, size_t want)
{
	static char sink[65536];
	size_t total = 0;
	uint64_t end = nvh_test_ms() + 10000;

	while (total < want && nvh_test_ms() < end) {
		ssize_t n = recv(fd, sink, sizeof(sink), 0);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n > 0)
			total += (size_t)n;
		else
			nvhi_reactor_run(fx.reactor, 1);
	}
	return total;
}

static void a_slow_reader_holds_back_only_itself(void)
{
	struct nvhi_rpc_server_opts opts = {.max_output = 1000000};
	struct nvhi_rpc_server_stats stats;
	size_t one = 3000000 + strlen("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\"}\n");
	int fd, other;

	fx_start_with(&opts);
	fd = fx_dial();
	other = fx_dial();
	for (int i = 0; i < 5; i++)
		fx_put(fd, "{\"method\":\"big\",\"id\":1}");
	fx_put(other, ECHO_1);
	EXPECT(other, ECHO_1_ANSWER);
	nvhi_rpc_server_stats(fx.server, &stats);
	CU_ASSERT_EQUAL(stats.requests, 2); /* one big, one echo: the other four are not run yet */
	CU_ASSERT_EQUAL(drain(fd, 5 * one), 5 * one);
	close(fd);
	close(other);
	fx_stop();
}

static void a_reader_that_stopped_is_dropped(void)
{
	int fd;

	fx_start();
	fd = fx_dial();
	fx_put(fd, "{\"method\":\"big\",\"id\":1}");
	PUMP_UNTIL(fx_connections() == 1);
	PUMP_UNTIL(fx_connections() == 0);
	close(fd);
	fx_stop();
}

static void half_requests_have_a_bound_together(void)
{
	struct nvhi_rpc_server_opts opts = {.max_request = 20000};
	char half[16000];
	int fd[12];
	int refused = 0;

	memset(half, 'x', sizeof(half));
	memcpy(half, "{\"method\":\"", 11);
	fx_start_with(&opts);
	for (int i = 0; i < 12; i++) {
		fd[i] = fx_dial();
		fx_put_bytes(fd[i], half, sizeof(half));
		fx_turns(20);
	}
	PUMP_UNTIL(fx_connections() > 0);
	for (int i = 0; i < 12; i++) {
		char byte;

		fx_turns(5);
		if (recv(fd[i], &byte, 1, MSG_PEEK) == 1) {
			CU_ASSERT_PTR_NOT_NULL(strstr(fx_get(fd[i]), "too much input half sent"));
			refused++;
		} else { /* and the others may go on */
			fx_put(fd[i], "\",\"id\":1}");
			CU_ASSERT_PTR_NOT_NULL(strstr(fx_get(fd[i]), "Method not found"));
		}
		close(fd[i]);
	}
	CU_ASSERT_TRUE(refused >= 1 && refused <= 4);
	fx_stop();
}

static void connections_above_the_limit_wait(void)
{
	struct nvhi_rpc_server_opts opts = {.max_connections = 2};
	int fd[3];

	fx_start_with(&opts);
	for (int i = 0; i < 3; i++)
		fd[i] = fx_dial();
	fx_put(fd[2], ECHO_1);
	PUMP_UNTIL(fx_connections() == 2);
	fx_turns(20);
	CU_ASSERT_EQUAL(fx_connections(), 2);
	close(fd[0]);
	EXPECT(fd[2], ECHO_1_ANSWER);
	close(fd[1]);
	close(fd[2]);
	fx_stop();
}

static void a_thousand_connections_are_served(void)
{
	static int fd[1000];

	fx_start();
	for (int i = 0; i < 1000; i++) {
		fd[i] = fx_dial();
		nvhi_reactor_run(fx.reactor, 0);
	}
	PUMP_UNTIL(fx_connections() == 1000);
	for (int i = 0; i < 1000; i += 7) {
		fx_put(fd[i], ECHO_1);
		EXPECT(fd[i], ECHO_1_ANSWER);
	}
	for (int i = 0; i < 1000; i++)
		close(fd[i]);
	PUMP_UNTIL(fx_connections() == 0);
	fx_stop();
}

NVH_UNIT_MAIN("base/jsonrpc", NVH_TEST(a_request_split_at_every_byte_is_answered),
	      NVH_TEST(requests_need_nothing_between_them), NVH_TEST(an_error_says_what_and_which),
	      NVH_TEST(what_is_no_request_is_answered_and_the_stream_goes_on),
	      NVH_TEST(a_notification_gets_no_answer),
	      NVH_TEST(a_batch_runs_in_order_and_is_answered_whole),
	      NVH_TEST(an_answer_may_come_later_and_out_of_order),
	      NVH_TEST(garbage_ends_its_connection_with_a_parse_error),
	      NVH_TEST(a_request_beyond_the_limit_is_refused),
	      NVH_TEST(half_a_request_ends_by_a_deadline),
	      NVH_TEST(a_half_closing_caller_still_gets_the_answer),
	      NVH_TEST(a_caller_that_left_is_told_and_may_be_answered),
	      NVH_TEST(calls_outlive_the_server),
	      NVH_TEST(too_many_calls_under_way_wait_their_turn),
	      NVH_TEST(a_slow_reader_holds_back_only_itself),
	      NVH_TEST(a_reader_that_stopped_is_dropped),
	      NVH_TEST(half_requests_have_a_bound_together),
	      NVH_TEST(connections_above_the_limit_wait),
	      NVH_TEST(a_thousand_connections_are_served))
