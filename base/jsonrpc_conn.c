/*
 * One connection of the JSON-RPC server: bytes in, texts out of them, answers out. Input is cut
 * into texts by the scanner, so requests may come in any pieces and without separators. Reading
 * rests while too many calls are under way or the peer does not take its answers; a request that
 * stops half way and a reader that stopped end by a deadline. Runs on the server's reactor.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonrpc_impl.h"
#include "base/log.h"

#define RPC_OUT_IOV 32
#define RPC_LINGER  (1 * NVHI_NSEC_PER_SEC)

static void conn_work(struct nvhi_defer *defer);
static void conn_timeout(struct nvhi_timer *timer);
static int conn_event(struct nvhi_source *source, unsigned int events);

int nvhi_rpc_conn_create(struct nvhi_rpc_server *server, int fd)
{
	struct rpc_conn *conn = calloc(1, sizeof(*conn));
	int rc;

	if (!conn)
		return -ENOMEM;
	conn->server = server;
	conn->serial = server->next_serial++;
	conn->work.fn = conn_work;
	conn->timer.fn = conn_timeout;
	nvhi_list_init(&conn->outs);
	nvhi_list_init(&conn->calls);
	rc = nvhi_source_add(server->reactor, &conn->source, fd, NVHI_READABLE, conn_event);
	if (rc) {
		free(conn);
		return rc;
	}
	nvhi_list_add_tail(&server->conns, &conn->link);
	return 0;
}

static void conn_drop_outs(struct rpc_conn *conn)
{
	struct rpc_out *out, *next;

	nvhi_list_for_each_safe(out, next, &conn->outs, link) {
		nvhi_list_del(&out->link);
		free(out);
	}
	conn->server->out_bytes -= conn->out_bytes;
	conn->out_bytes = 0;
}

static void conn_free_input(struct rpc_conn *conn)
{
	free(conn->in);
	conn->server->in_bytes -= conn->in_size;
	conn->in = NULL;
	conn->in_len = conn->in_size = conn->in_scanned = 0;
}

static void conn_close_fd(struct rpc_conn *conn)
{
	int fd = conn->source.fd;

	if (fd < 0)
		return;
	nvhi_source_remove(conn->server->reactor, &conn->source);
	close(fd);
}

void nvhi_rpc_conn_destroy(struct rpc_conn *conn)
{
	struct nvhi_rpc_server *server = conn->server;

	conn->state = RPC_CONN_GONE;
	nvhi_rpc_calls_orphan(&conn->calls);
	nvhi_rpc_calls_detach(&conn->calls);
	conn_close_fd(conn);
	nvhi_timer_cancel(server->reactor, &conn->timer);
	nvhi_reactor_undefer(server->reactor, &conn->work);
	conn_drop_outs(conn);
	nvhi_list_del(&conn->link);
	conn_free_input(conn);
	free(conn);
	nvhi_rpc_server_conn_closed(server);
}

/* Nobody is there any more. What has been read is still run: a script may send and leave. */
static void conn_gone(struct rpc_conn *conn)
{
	if (conn->state == RPC_CONN_GONE)
		return;
	conn->state = RPC_CONN_GONE;
	conn_close_fd(conn);
	conn_drop_outs(conn);
	nvhi_rpc_calls_orphan(&conn->calls);
	nvhi_reactor_defer(conn->server->reactor, &conn->work);
}

void nvhi_rpc_conn_fail(struct rpc_conn *conn)
{
	conn->in_len = conn->in_scanned = 0;
	conn_gone(conn);
}

/* ---- output ------------------------------------------------------------------------------- */

int nvhi_rpc_conn_send(struct rpc_conn *conn, struct json_object *message)
{
	struct rpc_out *out;
	size_t len;
	const char *text;

	if (conn->state == RPC_CONN_GONE || conn->state == RPC_CONN_LINGER)
		return -ENOTCONN;
	text = json_object_to_json_string_length(
		message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	out = text ? malloc(sizeof(*out) + len + 1) : NULL;
	if (!out)
		return -ENOMEM;
	memcpy(out->text, text, len);
	out->text[len] = '\n';
	out->len = len + 1;
	out->sent = 0;
	if (nvhi_list_empty(&conn->outs))
		conn->out_progress = nvhi_reactor_clock(conn->server->reactor);
	nvhi_list_add_tail(&conn->outs, &out->link);
	conn->out_bytes += out->len;
	conn->server->out_bytes += out->len;
	nvhi_reactor_defer(conn->server->reactor, &conn->work);
	return 0;
}

static void conn_sent(struct rpc_conn *conn, size_t len)
{
	struct rpc_out *out, *next;

	conn->out_progress = nvhi_reactor_clock(conn->server->reactor);
	conn->out_bytes -= len;
	conn->server->out_bytes -= len;
	nvhi_list_for_each_safe(out, next, &conn->outs, link) {
		size_t part = out->len - out->sent < len ? out->len - out->sent : len;

		out->sent += part;
		len -= part;
		if (out->sent < out->len)
			break;
		nvhi_list_del(&out->link);
		free(out);
	}
}

static void conn_flush(struct rpc_conn *conn)
{
	while (!nvhi_list_empty(&conn->outs)) {
		struct iovec iov[RPC_OUT_IOV];
		struct msghdr msg = {.msg_iov = iov};
		struct rpc_out *out;
		ssize_t n;

		nvhi_list_for_each(out, &conn->outs, link) {
			iov[msg.msg_iovlen].iov_base = out->text + out->sent;
			iov[msg.msg_iovlen++].iov_len = out->len - out->sent;
			if (msg.msg_iovlen == RPC_OUT_IOV)
				break;
		}
		n = sendmsg(conn->source.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
			return;
		if (n < 0) {
			conn_gone(conn);
			return;
		}
		conn_sent(conn, (size_t)n);
	}
}

/* ---- input -------------------------------------------------------------------------------- */

static bool conn_rests(const struct rpc_conn *conn)
{
	const struct nvhi_rpc_server *server = conn->server;
	const struct nvhi_rpc_server_opts *opts = &server->opts;

	if (conn->call_count >= opts->max_calls || conn->out_bytes >= opts->max_output)
		return true;
	return conn->out_bytes && server->out_bytes / RPC_SHARE >= opts->max_output;
}

/* Answers with an error that belongs to no request, then closes: the stream has lost its frame. */
static void conn_refuse(struct rpc_conn *conn, int code, const char *message)
{
	struct json_object *answer = nvhi_rpc_error_object(NULL, code, message);

	nvhi_log(WARN, RPC, "rpc%" PRIu64 ": %s; closing", conn->serial, message);
	conn->server->stats.errors++;
	conn->in_len = conn->in_scanned = 0;
	if (!answer || nvhi_rpc_conn_send(conn, answer))
		conn_gone(conn);
	else if (conn->state == RPC_CONN_OPEN || conn->state == RPC_CONN_EOF)
		conn->state = RPC_CONN_CLOSING;
	json_object_put(answer);
}

static void conn_run_text(struct rpc_conn *conn, const char *text, size_t len)
{
	struct json_object *root = NULL;
	char why[256], message[300];
	int rc = nvhi_json_parse(text, len, &root, why, sizeof(why));

	conn->server->stats.requests++;
	if (rc == 0) {
		nvhi_rpc_run_text(conn, root);
		return;
	}
	snprintf(message, sizeof(message), rc == -ENOMEM ? "Internal error: %s" : "Parse error: %s",
		 why);
	conn_refuse(conn, rc == -ENOMEM ? NVHI_RPC_INTERNAL_ERROR : NVHI_RPC_PARSE_ERROR, message);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Scans on from in_scanned. 1: a text of *ret_len bytes stands at `start`. */
static int conn_next_text(struct rpc_conn *conn, size_t *start, size_t *ret_len)
{
	const char *why = NULL;
	char message[128];
	size_t used;
	int rc;

	if (conn->in_scanned == *start) {
		while (*start < conn->in_len && is_space(conn->in[*start]))
			(*start)++;
		conn->in_scanned = *start;
		conn->scan = (struct nvhi_json_scan){.max_containers = RPC_CONTAINERS_MAX};
	}
	rc = nvhi_json_scan(&conn->scan, conn->in + conn->in_scanned,
			    conn->in_len - conn->in_scanned, &used, &why);
	conn->in_scanned += used;
	if (rc < 0) {
		snprintf(message, sizeof(message), "Parse error: %s at byte %zu", why,
			 conn->in_scanned - *start);
		conn_refuse(conn, NVHI_RPC_PARSE_ERROR, message);
		return rc;
	}
	if (conn->in_scanned - *start > conn->server->opts.max_request) {
		snprintf(message, sizeof(message), "Invalid request: longer than %u bytes",
			 conn->server->opts.max_request);
		conn_refuse(conn, NVHI_RPC_INVALID_REQUEST, message);
		return -EMSGSIZE;
	}
	*ret_len = conn->in_scanned - *start;
	return rc;
}

/* Runs the whole texts that have arrived and keeps the rest. */
static void conn_consume(struct rpc_conn *conn)
{
	size_t start = 0, len;

	while (conn->in_len > start && !conn_rests(conn)) {
		if (conn_next_text(conn, &start, &len) <= 0)
			break;
		conn_run_text(conn, conn->in + start, len);
		if (conn->in_len == 0)
			break;
		start += len;
	}
	if (conn->in_len == 0 || start >= conn->in_len) {
		conn_free_input(conn);
	} else if (start) {
		memmove(conn->in, conn->in + start, conn->in_len - start);
		conn->in_len -= start;
		conn->in_scanned -= start;
		conn->request_began = nvhi_reactor_clock(conn->server->reactor);
	}
}

static int conn_append(struct rpc_conn *conn, const char *bytes, size_t len)
{
	if (conn->in_len + len > conn->in_size) {
		size_t size = conn->in_size ? conn->in_size : 1024;
		char *grown;

		while (size < conn->in_len + len)
			size *= 2;
		if ((conn->server->in_bytes + size - conn->in_size) / RPC_SHARE >
		    conn->server->opts.max_request)
			return -ENOBUFS;
		grown = realloc(conn->in, size);
		if (!grown)
			return -ENOMEM;
		conn->in = grown;
		conn->server->in_bytes += size - conn->in_size;
		conn->in_size = size;
	}
	if (conn->in_len == 0)
		conn->request_began = nvhi_reactor_clock(conn->server->reactor);
	memcpy(conn->in + conn->in_len, bytes, len);
	conn->in_len += len;
	return 0;
}

/* Returns whether there may be more to read at once. */
static bool conn_read(struct rpc_conn *conn)
{
	struct nvhi_rpc_server *server = conn->server;
	ssize_t n = recv(conn->source.fd, server->scratch, sizeof(server->scratch), MSG_DONTWAIT);
	int rc;

	if (n > 0) {
		if (conn->state != RPC_CONN_OPEN)
			return true; /* thrown away */
		rc = conn_append(conn, server->scratch, (size_t)n);
		if (rc)
			conn_refuse(conn, NVHI_RPC_INTERNAL_ERROR,
				    rc == -ENOBUFS ? "Internal error: too much input half sent"
						   : "Internal error: out of memory");
		if (rc)
			return false;
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n < 0 || conn->state == RPC_CONN_LINGER)
		conn_gone(conn);
	else if (conn->state == RPC_CONN_OPEN)
		conn->state = RPC_CONN_EOF;
	return false;
}

/* ---- one pass ----------------------------------------------------------------------------- */

/* A request stands half in the buffer though nothing keeps us from running it. */
static bool conn_is_partial(const struct rpc_conn *conn)
{
	return conn->state == RPC_CONN_OPEN && conn->in_len && !conn_rests(conn);
}

static void conn_arm_timer(struct rpc_conn *conn)
{
	struct nvh_reactor *reactor = conn->server->reactor;
	uint64_t stall = conn->server->opts.stall_timeout_ms * NVHI_NSEC_PER_MSEC;
	uint64_t deadline = NVHI_NEVER;

	if (conn->state == RPC_CONN_LINGER)
		deadline = conn->out_progress + RPC_LINGER;
	else if (!nvhi_list_empty(&conn->outs))
		deadline = conn->out_progress + stall;
	else if (conn_is_partial(conn))
		deadline = conn->request_began + stall;
	if (deadline == NVHI_NEVER)
		nvhi_timer_cancel(reactor, &conn->timer);
	else if (nvhi_timer_arm_at(reactor, &conn->timer, deadline))
		conn_gone(conn);
}

static void conn_timeout(struct nvhi_timer *timer)
{
	struct rpc_conn *conn = nvhi_container_of(timer, struct rpc_conn, timer);

	if (conn->state != RPC_CONN_LINGER)
		nvhi_log(WARN, RPC, "rpc%" PRIu64 ": %s for %u ms; closing", conn->serial,
			 nvhi_list_empty(&conn->outs) ? "half a request" : "the peer reads nothing",
			 conn->server->opts.stall_timeout_ms);
	nvhi_rpc_conn_fail(conn);
}

static void conn_want(struct rpc_conn *conn)
{
	unsigned int events = nvhi_list_empty(&conn->outs) ? 0 : NVHI_WRITABLE;

	if (conn->state == RPC_CONN_LINGER || (conn->state == RPC_CONN_OPEN && !conn_rests(conn)))
		events |= NVHI_READABLE;
	if (nvhi_source_modify(conn->server->reactor, &conn->source, events))
		conn_gone(conn);
}

/* Moves the connection on as far as it goes now. May free it. */
static void conn_advance(struct rpc_conn *conn)
{
	bool rested = conn->rested;

	if (rested) /* our fault, not the peer's, that its bytes had to wait */
		conn->request_began = nvhi_reactor_clock(conn->server->reactor);
	do {
		conn_consume(conn);
		rested = conn_rests(conn);
		if (conn->state != RPC_CONN_GONE)
			conn_flush(conn);
	} while (rested && !conn_rests(conn));
	conn->rested = rested;
	if (conn->state == RPC_CONN_EOF && !conn->call_count && nvhi_list_empty(&conn->outs))
		nvhi_rpc_conn_fail(conn); /* all answered; half a request is nothing */
	if (conn->state == RPC_CONN_CLOSING && !conn->call_count && nvhi_list_empty(&conn->outs)) {
		conn->state = RPC_CONN_LINGER;
		conn->out_progress = nvhi_reactor_clock(conn->server->reactor);
		shutdown(conn->source.fd, SHUT_WR);
	}
	if (conn->state != RPC_CONN_GONE)
		conn_want(conn);
	if (conn->state != RPC_CONN_GONE)
		conn_arm_timer(conn);
	/* While gone with calls under way, the last of them comes back here. */
	if (conn->state == RPC_CONN_GONE && !conn->call_count)
		nvhi_rpc_conn_destroy(conn);
}

static void conn_work(struct nvhi_defer *defer)
{
	conn_advance(nvhi_container_of(defer, struct rpc_conn, work));
}

static int conn_event(struct nvhi_source *source, unsigned int events)
{
	struct rpc_conn *conn = nvhi_container_of(source, struct rpc_conn, source);

	if (events & NVHI_HANGUP) {
		/* Both directions are shut. What is left to read is bounded by the socket's buffer.
		 */
		while (conn->state != RPC_CONN_GONE && conn->state != RPC_CONN_EOF &&
		       conn_read(conn))
			;
		conn_gone(conn);
	} else if (events & NVHI_READABLE) {
		conn_read(conn);
	}
	conn_advance(conn);
	return 1;
}

void nvhi_rpc_conn_call_done(struct rpc_conn *conn)
{
	conn->call_count--;
	nvhi_reactor_defer(conn->server->reactor, &conn->work);
}
