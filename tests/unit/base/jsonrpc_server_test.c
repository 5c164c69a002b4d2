/*
 * base/jsonrpc_server.c and jsonrpc_addr.c: listening sockets, method tables, local calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/jsonrpc_fixture.h"

/* ---- listening ---------------------------------------------------------------------------- */

static void a_unix_socket_is_private(void)
{
	struct stat st;
	mode_t old = umask(0);

	fx_start();
	umask(old);
	CU_ASSERT_EQUAL(stat(fx.path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	fx_stop();
}

static void a_live_socket_is_not_taken_over_and_a_dead_one_is(void)
{
	struct nvhi_rpc_server *second;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char err[256], stale[120], file[120];
	int fd;

	fx_start();
	CU_ASSERT_EQUAL_FATAL(nvhi_rpc_server_create(fx.reactor, NULL, &second), 0);
	CU_ASSERT_EQUAL(nvhi_rpc_server_listen(second, fx.path, err, sizeof(err)), -EADDRINUSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, fx.path));

	snprintf(stale, sizeof(stale), "%s/stale", fx.dir);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.100s", stale);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd); /* its file stays */
	CU_ASSERT_EQUAL(nvhi_rpc_server_listen(second, stale, err, sizeof(err)), 0);

	snprintf(file, sizeof(file), "%s/file", fx.dir);
	close(creat(file, 0600));
	CU_ASSERT_EQUAL(nvhi_rpc_server_listen(second, file, err, sizeof(err)), -EEXIST);
	CU_ASSERT_EQUAL(unlink(file), 0);

	CU_ASSERT_EQUAL(nvhi_rpc_server_listen(second, "/nonexistent/x", err, sizeof(err)),
			-ENOENT);
	nvhi_rpc_server_destroy(second);
	fx_stop();
}

static void an_address_is_checked(void)
{
	static const char *const bad[] = {
		"",
		"unix:",
		"tcp:",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:65536",
		"tcp:127.0.0.1:x",
		"tcp:nohost:1",
		"tcp:[::1:5",
		"tcp:[]:5",
		"tcp::5",
		"tcp:127.0.0.1:-1",
	};
	char err[256], longer[200];

	fx_start();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err[0] = '\0';
		CU_ASSERT_EQUAL(nvhi_rpc_server_listen(fx.server, bad[i], err, sizeof(err)),
				-EINVAL);
		CU_ASSERT_NOT_EQUAL(err[0], '\0');
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	CU_ASSERT_EQUAL(nvhi_rpc_server_listen(fx.server, longer, err, sizeof(err)), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_rpc_server_listen(fx.server, "tcp:0.0.0.0:0", err, sizeof(err)),
			-EPERM);
	fx_stop();
}

static void never(struct nvhi_rpc_call *call)
{
	nvhi_rpc_error(call, 1, "never called");
}

static void method_names_are_unique_and_listed(void)
{
	static const struct nvhi_rpc_method again[] = {
		{.name = "new", .fn = never}, {.name = "echo", .fn = never}, {.name = NULL}};
	const struct nvhi_rpc_method *m = NULL;
	int n = 0;

	fx_start();
	CU_ASSERT_EQUAL(nvhi_rpc_server_add_methods(fx.server, again), -EEXIST);
	while ((m = nvhi_rpc_server_next_method(fx.server, m)))
		n++;
	CU_ASSERT_EQUAL(n, 9);
	fx_stop();
}

/* ---- without a connection ----------------------------------------------------------------- */

struct local {
	struct nvhi_rpc_local base;
	int calls, code;
	int64_t value;
};

static void local_done(struct nvhi_rpc_local *base, struct json_object *result, int code,
		       const char *message)
{
	struct local *local = nvhi_container_of(base, struct local, base);

	local->calls++;
	local->code = code;
	local->value = message ? -1 : json_object_get_int64(result);
}

static void a_local_call_needs_no_socket(void)
{
	struct local local = {.base.fn = local_done};
	struct json_object *params = json_object_new_object();

	fx_start();
	json_object_object_add(params, "a", json_object_new_int(41));
	nvhi_rpc_server_call(fx.server, "add", params, &local.base);
	CU_ASSERT_EQUAL(local.calls, 1);
	CU_ASSERT_EQUAL(local.value, 42);
	nvhi_rpc_server_call(fx.server, "nix", NULL, &local.base);
	CU_ASSERT_EQUAL(local.code, NVHI_RPC_METHOD_NOT_FOUND);
	nvhi_rpc_server_call(fx.server, "hold", NULL, &local.base);
	CU_ASSERT_EQUAL(local.calls, 2);
	fx_stop(); /* a local call, too, outlives the server */
	nvhi_rpc_error(fx.held[0], -5, "late");
	CU_ASSERT_EQUAL(local.calls, 3);
	CU_ASSERT_EQUAL(local.code, -5);
	json_object_put(params);
}

/* ---- without memory ----------------------------------------------------------------------- */

static int serve_once(void *arg)
{
	struct nvhi_rpc_server *server;
	char err[256], address[128];
	int rc;

	snprintf(address, sizeof(address), "%s/alloc", fx.dir);
	(void)arg;
	rc = nvhi_rpc_server_create(fx.reactor, NULL, &server);
	if (rc)
		return rc;
	rc = nvhi_rpc_server_listen(server, address, err, sizeof(err));
	nvhi_rpc_server_destroy(server);
	return rc;
}

/* Whatever fails, the caller gets its answer, an error, or an end; never silence. */
static int exchange(void *arg)
{
	const char *got;
	int fd = fx_dial(), rc;

	fx_put(fd, arg);
	got = fx_get(fd);
	rc = strstr(got, "\"result\"") ? 0 : -ENOMEM;
	CU_ASSERT_TRUE(!rc || got[0] == '\0' || strstr(got, "memory"));
	close(fd);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(fx.reactor, fx_connections() == 0, 10000));
	return rc;
}

static void without_memory_a_server_says_so_and_leaks_nothing(void)
{
	char echo[] = ECHO_1;
	char batch[] = "[{\"method\":\"add\",\"params\":{\"a\":1},\"id\":1},"
		       "{\"method\":\"echo\"},{\"method\":\"nothing\",\"id\":\"q\"}]";

	fx_start();
	CU_ASSERT_TRUE(nvh_alloc_walk(serve_once, NULL, false) >= 2);
	CU_ASSERT_TRUE(nvh_alloc_walk(exchange, echo, true) >= 3);
	CU_ASSERT_TRUE(nvh_alloc_walk(exchange, batch, true) >= 5);
	fx_stop();
}

NVH_UNIT_MAIN("base/jsonrpc_server", NVH_TEST(a_unix_socket_is_private),
	      NVH_TEST(a_live_socket_is_not_taken_over_and_a_dead_one_is),
	      NVH_TEST(an_address_is_checked), NVH_TEST(method_names_are_unique_and_listed),
	      NVH_TEST(a_local_call_needs_no_socket),
	      NVH_TEST(without_memory_a_server_says_so_and_leaks_nothing))
