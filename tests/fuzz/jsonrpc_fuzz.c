/*
 * Fuzz target: a JSON-RPC server and a client that sends anything, over a real socket pair.
 *
 * Input: one byte for the size of the pieces, then the bytes that the client sends before it
 * leaves.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/jsonrpc.h"
#include "base/jsonrpc_impl.h"
#include "tests/fuzz/fuzz.h"

struct echo_params {
	const char *text;
	uint32_t times;
};

static const struct nvhi_json_field echo_fields[] = {
	NVHI_JSON_FIELD(echo_params, text, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(echo_params, times, U32, .max = 4),
	NVHI_JSON_END,
};

static void echo(struct nvhi_rpc_call *call)
{
	struct echo_params params = {NULL, 1};

	if (nvhi_rpc_decode(call, &params))
		return;
	for (uint32_t i = 0; i < params.times; i++)
		nvhi_rpc_notify(call, "echo", NULL);
	nvhi_rpc_reply_string(call, params.text);
}

static void refuse(struct nvhi_rpc_call *call)
{
	nvhi_rpc_errno(call, -ENOSPC, "no");
}

static const struct nvhi_rpc_method methods[] = {
	{.name = "echo", .fn = echo, .params = echo_fields},
	{.name = "refuse", .fn = refuse},
	{.name = NULL},
};

static struct nvh_reactor *reactor;
static struct nvhi_rpc_server *server;

static void start(void)
{
	static const struct nvhi_rpc_server_opts opts = {
		.max_request = 2048, .max_calls = 4, .max_output = 4096};

	if (nvhi_reactor_create(&(struct nvhi_reactor_opts){.name = "fuzz"}, &reactor) ||
	    nvhi_rpc_server_create(reactor, &opts, &server) ||
	    nvhi_rpc_server_add_methods(server, methods))
		abort();
}

/* Reads and drops what the server says. */
static void hear(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t step = 1u + fuzz_u8(&in) * 4u;
	int fds[2];

	if (!server)
		start();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) ||
	    nvhi_rpc_conn_create(server, fds[0]))
		abort();
	server->stats.connections++; /* as accepting one does */
	while (in.left) {
		size_t n = in.left < step ? in.left : step;

		if (send(fds[1], in.data, n, MSG_NOSIGNAL) != (ssize_t)n)
			break; /* closed by the server */
		in.data += n;
		in.left -= n;
		nvhi_reactor_run(reactor, 0);
		hear(fds[1]);
	}
	close(fds[1]);
	/* The connection must go by itself: its caller left. */
	for (unsigned int turns = 0; turns < 10000; turns++) {
		if (!server->stats.connections)
			return 0;
		nvhi_reactor_run(reactor, 0);
	}
	FUZZ_CHECK(!"the connection stays after its caller left");
	return 0;
}
