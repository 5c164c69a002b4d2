/*
 * base/jsonrpc_client.c: the blocking client on a thread of its own against the fixture's server.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/jsonrpc_fixture.h"

/* ---- the client --------------------------------------------------------------------------- */

struct client_run {
	const char *address, *method, *params;
	int timeout_ms;
	int rc, events;
	char *result;
	struct nvhi_rpc_fault fault;
	atomic_bool done;
};

static int on_event(const char *method, struct json_object *params, void *arg)
{
	struct client_run *run = arg;

	if (strcmp(method, "tick") == 0 && json_object_get_int(params) == run->events)
		run->events++;
	return 0;
}

static void *client_thread(void *arg)
{
	struct client_run *run = arg;
	struct json_object *result = NULL;
	struct json_object *params = run->params ? json_tokener_parse(run->params) : NULL;
	struct nvhi_rpc_client *client;

	run->rc = nvhi_rpc_client_open(run->address, run->timeout_ms, &client, &run->fault);
	if (!run->rc) {
		run->rc = nvhi_rpc_client_request(client, run->method, params, run->timeout_ms,
						  on_event, run, &result, &run->fault);
		nvhi_rpc_client_close(client);
	}
	run->result = strdup(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
	json_object_put(result);
	json_object_put(params);
	run->done = true;
	return NULL;
}

static void run_client(struct client_run *run)
{
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, client_thread, run), 0);
	PUMP_UNTIL(atomic_load(&run->done));
	pthread_join(thread, NULL);
}

static void the_client_calls_over_unix_and_tcp(void)
{
	static const char *const listen[] = {"tcp:127.0.0.1:0", "tcp:[::1]:0", NULL};
	char address[128], err[256];
	unsigned int n = 0;

	fx_start();
	for (int i = 0; listen[i]; i++)
		if (nvhi_rpc_server_listen(fx.server, listen[i], err, sizeof(err)) != 0)
			printf("(%s) ", err); /* a machine without IPv6 */
	while (nvhi_rpc_server_address(fx.server, n, address, sizeof(address)) == 0) {
		struct client_run run = {.address = address,
					 .method = "add",
					 .params = "{\"a\":41}",
					 .timeout_ms = 5000};

		run_client(&run);
		CU_ASSERT_EQUAL(run.rc, 0);
		CU_ASSERT_STRING_EQUAL(run.result, "42");
		free(run.result);
		n++;
	}
	CU_ASSERT_TRUE(n >= 2);
	fx_stop();
}

static void the_client_gets_a_large_answer_and_events(void)
{
	struct client_run run = {.address = fx.path, .method = "big", .timeout_ms = 5000};
	struct client_run events = {.address = fx.path, .method = "count", .timeout_ms = 5000};

	fx_start();
	run_client(&run);
	CU_ASSERT_EQUAL(strlen(run.result), 3000002);
	run_client(&events);
	CU_ASSERT_EQUAL(events.events, 3);
	CU_ASSERT_STRING_EQUAL(events.result, "true");
	free(run.result);
	free(events.result);
	fx_stop();
}

static void the_client_tells_the_servers_error_from_its_own(void)
{
	struct client_run wrong = {.address = fx.path, .method = "nix", .timeout_ms = 5000};
	struct client_run slow = {.address = fx.path, .method = "hold", .timeout_ms = 50};
	struct client_run nobody = {
		.address = "/nonexistent/sock", .method = "x", .timeout_ms = 50};
	struct client_run bad = {.address = "tcp:x", .method = "x", .timeout_ms = 50};

	fx_start();
	run_client(&wrong);
	CU_ASSERT_EQUAL(wrong.rc, -EREMOTEIO);
	CU_ASSERT_EQUAL(wrong.fault.code, NVHI_RPC_METHOD_NOT_FOUND);
	CU_ASSERT_STRING_EQUAL(wrong.fault.message, "Method not found: 'nix'");
	run_client(&slow);
	CU_ASSERT_EQUAL(slow.rc, -ETIMEDOUT);
	CU_ASSERT_EQUAL(slow.fault.code, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(slow.fault.message, fx.path));
	run_client(&nobody);
	CU_ASSERT_EQUAL(nobody.rc, -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(nobody.fault.message, "/nonexistent/sock"));
	run_client(&bad);
	CU_ASSERT_EQUAL(bad.rc, -EINVAL);
	free(wrong.result);
	free(slow.result);
	free(nobody.result);
	free(bad.result);
	PUMP_UNTIL(fx.held_count == 1);
	nvhi_rpc_reply_bool(fx.held[0], true);
	fx_stop();
}

/* ---- a server that lies ------------------------------------------------------------------- */

/* Accepts one caller, waits for its request, says `answer` and leaves. */
static void play_server(int listener, const char *answer, struct client_run *run)
{
	pthread_t thread;
	char request[512];
	int fd;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, client_thread, run), 0);
	fd = accept(listener, NULL, NULL);
	CU_ASSERT_TRUE(recv(fd, request, sizeof(request), 0) > 0);
	CU_ASSERT_EQUAL(send(fd, answer, strlen(answer), MSG_NOSIGNAL), (ssize_t)strlen(answer));
	close(fd);
	pthread_join(thread, NULL);
}

static void a_server_that_lies_or_leaves_is_reported(void)
{
	static const struct {
		const char *answer, *words;
		int rc;
	} cases[] = {
		{"", "closed the connection", -ECONNRESET},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"resu", "closed the connection", -ECONNRESET},
		{"hello", "no JSON", -EBADMSG},
		{"[1]", "no object", -EBADMSG},
		{"{\"id\":1,\"a\":1,\"a\":2}", "duplicate", -EBADMSG},
		{"{\"id\":1}", "neither result nor error", -EBADMSG},
		{"{\"id\":1,\"error\":{}}", "without a message", -EREMOTEIO},
		{"{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"bad\"}}", "bad",
		 -EREMOTEIO},
		{"{\"id\":7,\"result\":1} {\"method\":\"x\"}\n{\"id\":1,\"result\":2}", "", 0},
	};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/nvh-rpc-XXXXXX";
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", dir);
	CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct client_run run = {
			.address = sun.sun_path, .method = "m", .timeout_ms = 10000};

		play_server(listener, cases[i].answer, &run);
		if (run.rc != cases[i].rc || !strstr(run.fault.message, cases[i].words))
			printf("  %s: %d %s\n", cases[i].answer, run.rc, run.fault.message);
		CU_ASSERT_EQUAL(run.rc, cases[i].rc);
		CU_ASSERT_PTR_NOT_NULL(strstr(run.fault.message, cases[i].words));
		if (!run.rc)
			CU_ASSERT_STRING_EQUAL(run.result, "2");
		free(run.result);
	}
	close(listener);
	unlink(sun.sun_path);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

NVH_UNIT_MAIN("base/jsonrpc_client", NVH_TEST(the_client_calls_over_unix_and_tcp),
	      NVH_TEST(the_client_gets_a_large_answer_and_events),
	      NVH_TEST(the_client_tells_the_servers_error_from_its_own),
	      NVH_TEST(a_server_that_lies_or_leaves_is_reported))
