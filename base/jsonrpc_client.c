/*
 * The synchronous JSON-RPC client of command lines: connect, send, wait for the answer with this
 * id until a deadline. Notifications that come before the answer go to a callback. Blocks the
 * calling thread; needs no reactor. JSON-RPC 2.0.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/jsonrpc_impl.h"

#define CLIENT_ANSWER_MAX ((size_t)256 << 20)

struct nvhi_rpc_client {
	int fd;
	char address[128];
	int64_t next_id;
	char *in;
	size_t in_len, in_size;
};

/* ---- deadlines ---------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
}

/* 0 when one of `events` (or a hang-up) is there, -ETIMEDOUT, -errno. */
static int wait_fd(int fd, short events, int64_t deadline)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline == INT64_MAX ? -1 : deadline - now_ms();
		int n;

		if (deadline != INT64_MAX && left < 0)
			left = 0;
		n = poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n > 0)
			return 0;
		if (n == 0 && (left >= 0 && left < INT32_MAX))
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

__attribute__((format(printf, 3, 4))) static int client_fault(struct nvhi_rpc_fault *ret_fault,
							      int rc, const char *fmt, ...)
{
	va_list ap;

	if (!ret_fault)
		return rc;
	ret_fault->code = 0;
	va_start(ap, fmt);
	vsnprintf(ret_fault->message, sizeof(ret_fault->message), fmt, ap);
	va_end(ap);
	return rc;
}

/* ---- open and close ----------------------------------------------------------------------- */

static int connect_until(int fd, const struct nvhi_rpc_addr *addr, int64_t deadline)
{
	socklen_t len = sizeof(int);
	int err = 0, rc;

	/* A Unix socket whose backlog is full says EAGAIN and cannot be polled. */
	while (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) < 0) {
		if (errno == EAGAIN && addr->sa.ss_family == AF_UNIX) {
			if (now_ms() >= deadline)
				return -ETIMEDOUT;
			poll(NULL, 0, 5);
			continue;
		}
		if (errno != EINPROGRESS && errno != EINTR)
			return -errno;
		rc = wait_fd(fd, POLLOUT, deadline);
		if (rc)
			return rc;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
			return -errno;
		return -err;
	}
	return 0;
}

int nvhi_rpc_client_open(const char *address, int timeout_ms, struct nvhi_rpc_client **ret_client,
			 struct nvhi_rpc_fault *ret_fault)
{
	struct nvhi_rpc_client *client;
	struct nvhi_rpc_addr addr;
	char why[256];
	int one = 1, rc;

	rc = nvhi_rpc_addr_parse(address, &addr, why, sizeof(why));
	if (rc)
		return client_fault(ret_fault, rc, "%s", why);
	client = calloc(1, sizeof(*client));
	if (!client)
		return client_fault(ret_fault, -ENOMEM, "out of memory");
	nvhi_rpc_addr_format(&addr, client->address, sizeof(client->address));
	client->fd = socket(addr.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = client->fd < 0 ? -errno : connect_until(client->fd, &addr, deadline_of(timeout_ms));
	if (rc) {
		client_fault(ret_fault, rc, "cannot connect to %s: %s", client->address,
			     strerror(-rc));
		nvhi_rpc_client_close(client);
		return rc;
	}
	if (addr.sa.ss_family != AF_UNIX)
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*ret_client = client;
	return 0;
}

void nvhi_rpc_client_close(struct nvhi_rpc_client *client)
{
	if (!client)
		return;
	if (client->fd >= 0)
		close(client->fd);
	free(client->in);
	free(client);
}

int nvhi_rpc_client_fd(const struct nvhi_rpc_client *client)
{
	return client->fd;
}

/* ---- bytes -------------------------------------------------------------------------------- */

static int client_send(struct nvhi_rpc_client *client, const char *text, size_t len,
		       int64_t deadline)
{
	while (len) {
		ssize_t n = send(client->fd, text, len, MSG_NOSIGNAL);
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n < 0) {
			rc = wait_fd(client->fd, POLLOUT, deadline);
			if (rc)
				return rc;
			continue;
		}
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int client_recv(struct nvhi_rpc_client *client, int64_t deadline)
{
	ssize_t n;
	int rc;

	if (client->in_len == client->in_size) {
		size_t size = client->in_size ? client->in_size * 2 : 4096;
		char *grown = size <= CLIENT_ANSWER_MAX ? realloc(client->in, size) : NULL;

		if (!grown)
			return size <= CLIENT_ANSWER_MAX ? -ENOMEM : -EMSGSIZE;
		client->in = grown;
		client->in_size = size;
	}
	rc = wait_fd(client->fd, POLLIN, deadline);
	if (rc)
		return rc;
	n = recv(client->fd, client->in + client->in_len, client->in_size - client->in_len, 0);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	client->in_len += (size_t)n;
	return 0;
}

/* Waits for one whole text. */
static int client_next(struct nvhi_rpc_client *client, int64_t deadline,
		       struct json_object **ret_root, char *why, size_t why_len)
{
	struct nvhi_json_scan scan = {0};
	size_t start = 0, scanned = 0, used;
	const char *bad = NULL;
	int rc;

	for (;;) {
		while (scanned == start && start < client->in_len &&
		       strchr(" \t\r\n", client->in[start]) && client->in[start])
			scanned = ++start;
		rc = nvhi_json_scan(&scan, client->in + scanned, client->in_len - scanned, &used,
				    &bad);
		scanned += used;
		if (rc > 0)
			break;
		if (rc < 0) {
			snprintf(why, why_len, "the answer is no JSON: %s", bad);
			return -EBADMSG;
		}
		rc = client_recv(client, deadline);
		if (rc) {
			snprintf(why, why_len, "%s",
				 rc == -ECONNRESET ? "the other side closed the connection"
						   : strerror(-rc));
			return rc;
		}
	}
	rc = nvhi_json_parse(client->in + start, scanned - start, ret_root, why, why_len);
	if (rc)
		return rc == -EINVAL ? -EBADMSG : rc;
	memmove(client->in, client->in + scanned, client->in_len - scanned);
	client->in_len -= scanned;
	return 0;
}

/* ---- calls -------------------------------------------------------------------------------- */

static int client_send_request(struct nvhi_rpc_client *client, const char *method,
			       struct json_object *params, int64_t deadline)
{
	struct json_object *request = json_object_new_object();
	const char *text;
	size_t len;
	int rc = -ENOMEM;

	if (nvhi_json_add_string(request, "jsonrpc", "2.0") ||
	    nvhi_json_add_string(request, "method", method) ||
	    nvhi_json_add_i64(request, "id", ++client->next_id) ||
	    (params && nvhi_json_add(request, "params", json_object_get(params))))
		goto out;
	text = json_object_to_json_string_length(
		request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text)
		rc = client_send(client, text, len, deadline);
out:
	json_object_put(request);
	return rc;
}

/* An answer to our request: the result, or the server's error. */
static int read_answer(struct json_object *root, struct json_object **ret_result,
		       struct nvhi_rpc_fault *ret_fault)
{
	struct json_object *error, *value;

	if (json_object_object_get_ex(root, "error", &error)) {
		client_fault(ret_fault, -EREMOTEIO, "%s",
			     json_object_object_get_ex(error, "message", &value) && value
				     ? json_object_get_string(value)
				     : "the server gave an error without a message");
		if (ret_fault && json_object_object_get_ex(error, "code", &value))
			ret_fault->code = json_object_get_int(value);
		if (ret_fault && !ret_fault->code)
			ret_fault->code = NVHI_RPC_INTERNAL_ERROR;
		return -EREMOTEIO;
	}
	if (!json_object_object_get_ex(root, "result", &value))
		return client_fault(ret_fault, -EBADMSG, "the answer has neither result nor error");
	if (ret_result)
		*ret_result = json_object_get(value);
	return 0;
}

/* 1: not the answer, go on waiting. */
static int take_message(struct nvhi_rpc_client *client, struct json_object *root,
			nvhi_rpc_event_fn on_event, void *event_arg,
			struct json_object **ret_result, struct nvhi_rpc_fault *ret_fault)
{
	struct json_object *value, *params = NULL;
	int rc;

	if (!json_object_is_type(root, json_type_object))
		return client_fault(ret_fault, -EBADMSG, "%s: the answer is no object",
				    client->address);
	if (json_object_object_get_ex(root, "method", &value)) {
		json_object_object_get_ex(root, "params", &params);
		rc = on_event ? on_event(json_object_get_string(value), params, event_arg) : 0;
		if (rc)
			client_fault(ret_fault, rc, "stopped");
		return rc ? rc : 1;
	}
	/* An error without an id belongs to what we sent: there is nothing else under way. */
	if (!json_object_object_get_ex(root, "id", &value) ||
	    (value && json_object_get_int64(value) != client->next_id))
		return 1;
	return read_answer(root, ret_result, ret_fault);
}

int nvhi_rpc_client_request(struct nvhi_rpc_client *client, const char *method,
			    struct json_object *params, int timeout_ms, nvhi_rpc_event_fn on_event,
			    void *event_arg, struct json_object **ret_result,
			    struct nvhi_rpc_fault *ret_fault)
{
	int64_t deadline = deadline_of(timeout_ms);
	char why[256] = "";
	int rc = client_send_request(client, method, params, deadline);

	/* A server that refuses what we send may close while we send: its reason is still to read.
	 */
	if (rc && rc != -EPIPE && rc != -ECONNRESET)
		return client_fault(ret_fault, rc, "%s: %s: %s", client->address, method,
				    strerror(-rc));
	do {
		struct json_object *root = NULL;

		rc = client_next(client, deadline, &root, why, sizeof(why));
		if (rc)
			return client_fault(ret_fault, rc, "%s: %s: %s", client->address, method,
					    why);
		rc = take_message(client, root, on_event, event_arg, ret_result, ret_fault);
		json_object_put(root);
	} while (rc == 1);
	return rc;
}

int nvhi_rpc_client_call(const char *address, const char *method, struct json_object *params,
			 int timeout_ms, struct json_object **ret_result,
			 struct nvhi_rpc_fault *ret_fault)
{
	int64_t deadline = deadline_of(timeout_ms);
	struct nvhi_rpc_client *client;
	int rc = nvhi_rpc_client_open(address, timeout_ms, &client, ret_fault);

	if (rc)
		return rc;
	if (timeout_ms >= 0) {
		int64_t left = deadline - now_ms();

		timeout_ms = left < 0 ? 0 : (int)left;
	}
	rc = nvhi_rpc_client_request(client, method, params, timeout_ms, NULL, NULL, ret_result,
				     ret_fault);
	nvhi_rpc_client_close(client);
	return rc;
}
