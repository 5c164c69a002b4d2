/*
 * See jsonrpc_fixture.h.
 */
#include "tests/unit/jsonrpc_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the server under test ---------------------------------------------------------------- */

struct rpc_fixture fx;

struct add_params {
	uint32_t a, b;
};
static const struct nvhi_json_field add_fields[] = {
	NVHI_JSON_FIELD(add_params, a, U32, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(add_params, b, U32),
	NVHI_JSON_END,
};

static void echo(struct nvhi_rpc_call *call)
{
	struct json_object *params = nvhi_rpc_params(call);

	nvhi_rpc_reply(call, params ? json_object_get(params) : json_object_new_object());
}

static void add(struct nvhi_rpc_call *call)
{
	struct add_params p = {.b = 1};

	if (nvhi_rpc_decode(call, &p) == 0)
		nvhi_rpc_reply(call, json_object_new_int64((int64_t)p.a + p.b));
}

static void fail(struct nvhi_rpc_call *call)
{
	nvhi_rpc_errno(call, -ENOSPC, "writing %s", "/x");
}

static void on_gone(struct nvhi_rpc_call *call)
{
	(void)call;
	fx.gone_count++;
}

static void hold(struct nvhi_rpc_call *call)
{
	nvhi_rpc_on_gone(call, on_gone);
	fx.held[fx.held_count++] = call;
}

static void big(struct nvhi_rpc_call *call)
{
	size_t len = 3000000;
	char *text = malloc(len + 1);

	memset(text, 'x', len);
	text[len] = '\0';
	nvhi_rpc_reply_string(call, text);
	free(text);
}

static void count(struct nvhi_rpc_call *call)
{
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(nvhi_rpc_notify(call, "tick", json_object_new_int(i)), 0);
	nvhi_rpc_reply_bool(call, true);
}

static void nothing(struct nvhi_rpc_call *call)
{
	nvhi_rpc_reply_null(call);
}

static void exhausted(struct nvhi_rpc_call *call)
{
	nvhi_rpc_reply(call, NULL);
}

static const struct nvhi_rpc_method methods[] = {
	{.name = "echo", .fn = echo},
	{.name = "add", .fn = add, .params = add_fields},
	{.name = "fail", .fn = fail},
	{.name = "hold", .fn = hold},
	{.name = "big", .fn = big},
	{.name = "count", .fn = count},
	{.name = "nothing", .fn = nothing},
	{.name = "exhausted", .fn = exhausted},
	{.name = "later_state", .fn = nothing, .flags = 1},
	{.name = NULL},
};

static const char *gate(struct nvhi_rpc_call *call)
{
	return nvhi_rpc_call_method(call)->flags & 1 ? "not in this state" : NULL;
}

void fx_start_with(const struct nvhi_rpc_server_opts *opts)
{
	char err[256];

	strcpy(fx.dir, "/tmp/nvh-rpc-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(fx.dir));
	snprintf(fx.path, sizeof(fx.path), "%s/rpc.sock", fx.dir);
	fx.held_count = fx.gone_count = 0;
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(NULL, &fx.reactor), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_rpc_server_create(fx.reactor, opts, &fx.server), 0);
	CU_ASSERT_EQUAL(nvhi_rpc_server_add_methods(fx.server, methods), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_rpc_server_listen(fx.server, fx.path, err, sizeof(err)), 0);
}

void fx_start(void)
{
	struct nvhi_rpc_server_opts opts = {.gate = gate, .stall_timeout_ms = 100};

	fx_start_with(&opts);
}

void fx_stop(void)
{
	nvhi_rpc_server_destroy(fx.server);
	nvhi_reactor_destroy(fx.reactor);
	CU_ASSERT_EQUAL(rmdir(fx.dir), 0); /* the socket is gone */
}

/* ---- raw clients -------------------------------------------------------------------------- */

void fx_turns(int turns)
{
	while (turns--)
		nvhi_reactor_run(fx.reactor, 0);
}

int fx_dial(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.90s", fx.path);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

void fx_put_bytes(int fd, const char *text, size_t len)
{
	CU_ASSERT_EQUAL(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

void fx_put(int fd, const char *text)
{
	fx_put_bytes(fd, text, strlen(text));
}

/* The next line the server sends, without its end; "" at the end of the stream. */
const char *fx_get(int fd)
{
	static char line[65536];
	size_t len = 0;
	uint64_t end = nvh_test_ms() + 10000;

	while (nvh_test_ms() < end) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 1 && line[len] == '\n')
			break;
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n == 1)
			len++;
		else
			nvhi_reactor_run(fx.reactor, 1);
	}
	line[len] = '\0';
	return line;
}

uint32_t fx_connections(void)
{
	struct nvhi_rpc_server_stats stats;

	nvhi_rpc_server_stats(fx.server, &stats);
	return stats.connections;
}
