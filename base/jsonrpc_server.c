/*
 * The JSON-RPC server: its methods and its listening sockets. Connections and calls have their own
 * files. Everything runs on the server's reactor. JSON-RPC 2.0.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/jsonrpc_impl.h"
#include "base/log.h"

#define RPC_ACCEPT_BATCH 64
#define RPC_ACCEPT_REST  (100 * NVHI_NSEC_PER_MSEC)

static void or_default(uint32_t *value, uint32_t fallback)
{
	if (!*value)
		*value = fallback;
}

static void accept_again(struct nvhi_timer *timer);

int nvhi_rpc_server_create(struct nvh_reactor *reactor, const struct nvhi_rpc_server_opts *opts,
			   struct nvhi_rpc_server **ret_server)
{
	struct nvhi_rpc_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->reactor = reactor;
	if (opts)
		server->opts = *opts;
	or_default(&server->opts.max_request, 1u << 20);
	or_default(&server->opts.max_connections, 4096);
	or_default(&server->opts.max_calls, 64);
	or_default(&server->opts.max_output, 4u << 20);
	or_default(&server->opts.stall_timeout_ms, 30000);
	nvhi_list_init(&server->listeners);
	nvhi_list_init(&server->conns);
	nvhi_list_init(&server->local_calls);
	server->accept_timer.fn = accept_again;
	server->accepting = true;
	*ret_server = server;
	return 0;
}

/* ---- methods ------------------------------------------------------------------------------ */

const struct nvhi_rpc_method *nvhi_rpc_find_method(struct nvhi_rpc_server *server, const char *name)
{
	for (uint32_t i = 0; i < server->table_count; i++)
		for (const struct nvhi_rpc_method *m = server->tables[i]; m->name; m++)
			if (strcmp(m->name, name) == 0)
				return m;
	return NULL;
}

int nvhi_rpc_server_add_methods(struct nvhi_rpc_server *server,
				const struct nvhi_rpc_method *methods)
{
	if (server->table_count == RPC_METHOD_TABLES)
		return -ENOSPC;
	for (const struct nvhi_rpc_method *m = methods; m->name; m++)
		if (nvhi_rpc_find_method(server, m->name))
			return -EEXIST;
	server->tables[server->table_count++] = methods;
	return 0;
}

const struct nvhi_rpc_method *nvhi_rpc_server_next_method(struct nvhi_rpc_server *server,
							  const struct nvhi_rpc_method *method)
{
	bool found = !method;

	for (uint32_t i = 0; i < server->table_count; i++)
		for (const struct nvhi_rpc_method *m = server->tables[i]; m->name; m++) {
			if (found)
				return m;
			found = m == method;
		}
	return NULL;
}

/* ---- accepting ---------------------------------------------------------------------------- */

static void set_accepting(struct nvhi_rpc_server *server, bool on)
{
	struct rpc_listener *listener;

	if (server->accepting == on)
		return;
	server->accepting = on;
	nvhi_list_for_each(listener, &server->listeners, link)
		nvhi_source_modify(server->reactor, &listener->source, on ? NVHI_READABLE : 0);
}

static void accept_again(struct nvhi_timer *timer)
{
	struct nvhi_rpc_server *server =
		nvhi_container_of(timer, struct nvhi_rpc_server, accept_timer);

	if (server->stats.connections < server->opts.max_connections)
		set_accepting(server, true);
}

void nvhi_rpc_server_conn_closed(struct nvhi_rpc_server *server)
{
	server->stats.connections--;
	if (!nvhi_timer_armed(&server->accept_timer))
		set_accepting(server, true);
}

/* No descriptor or memory left: rest, or the listener would stay readable and spin. */
static void accept_rest(struct nvhi_rpc_server *server, int err)
{
	nvhi_log(WARN, RPC, "rpc: accept: %s; resting for 100 ms", strerror(-err));
	if (nvhi_timer_arm(server->reactor, &server->accept_timer, RPC_ACCEPT_REST) == 0)
		set_accepting(server, false);
}

static int listener_event(struct nvhi_source *source, unsigned int events)
{
	struct rpc_listener *listener = nvhi_container_of(source, struct rpc_listener, source);
	struct nvhi_rpc_server *server = listener->server;
	int accepted = 0;

	(void)events;
	while (accepted < RPC_ACCEPT_BATCH) {
		int fd, rc;

		if (server->stats.connections >= server->opts.max_connections) {
			set_accepting(server, false);
			break;
		}
		fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				accept_rest(server, -errno);
			break;
		}
		accepted++;
		rc = nvhi_rpc_conn_create(server, fd);
		if (rc) {
			close(fd);
			accept_rest(server, rc);
			break;
		}
		server->stats.accepted++;
		server->stats.connections++;
	}
	return accepted;
}

/* ---- listening ---------------------------------------------------------------------------- */

static int tcp_listen(struct nvhi_rpc_addr *addr, int *ret_fd, char *err, size_t err_len)
{
	char text[128];
	int one = 1, rc;
	int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&addr->sa, addr->len) == 0 && listen(fd, 1024) == 0) {
		addr->len = sizeof(addr->sa);
		if (getsockname(fd, (struct sockaddr *)&addr->sa, &addr->len) == 0) {
			*ret_fd = fd;
			return 0;
		}
	}
	rc = -errno;
	nvhi_rpc_addr_format(addr, text, sizeof(text));
	snprintf(err, err_len, "cannot listen on %s: %s%s", text, strerror(-rc),
		 rc == -EADDRINUSE ? " (choose another port; ss -ltnp shows who has it)" : "");
	if (fd >= 0)
		close(fd);
	return rc;
}

static int open_listener(struct nvhi_rpc_server *server, struct rpc_listener *listener, int *ret_fd,
			 char *err, size_t err_len)
{
	char text[128];

	if (listener->addr.sa.ss_family == AF_UNIX)
		return nvhi_rpc_unix_listen(&listener->addr, ret_fd, &listener->file, err, err_len);
	if (!server->opts.allow_remote && !nvhi_rpc_addr_is_loopback(&listener->addr)) {
		nvhi_rpc_addr_format(&listener->addr, text, sizeof(text));
		snprintf(err, err_len,
			 "refusing to listen on %s: whoever reaches it controls this process; use "
			 "127.0.0.1 or [::1], or allow remote RPC explicitly",
			 text);
		return -EPERM;
	}
	return tcp_listen(&listener->addr, ret_fd, err, err_len);
}

static void unlink_if_ours(const struct rpc_listener *listener)
{
	struct sockaddr_un sun;
	struct stat st;

	if (listener->addr.sa.ss_family != AF_UNIX)
		return;
	memcpy(&sun, &listener->addr.sa, sizeof(sun));
	if (lstat(sun.sun_path, &st) == 0 && st.st_ino == listener->file.st_ino &&
	    st.st_dev == listener->file.st_dev)
		unlink(sun.sun_path);
}

int nvhi_rpc_server_listen(struct nvhi_rpc_server *server, const char *address, char *err,
			   size_t err_len)
{
	struct rpc_listener *listener = calloc(1, sizeof(*listener));
	int fd, rc;

	if (!listener) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	listener->server = server;
	rc = nvhi_rpc_addr_parse(address, &listener->addr, err, err_len);
	if (!rc)
		rc = open_listener(server, listener, &fd, err, err_len);
	if (rc) {
		free(listener);
		return rc;
	}
	rc = nvhi_source_add(server->reactor, &listener->source, fd,
			     server->accepting ? NVHI_READABLE : 0, listener_event);
	if (rc) {
		snprintf(err, err_len, "cannot watch %s: %s", address, strerror(-rc));
		close(fd);
		unlink_if_ours(listener);
		free(listener);
		return rc;
	}
	nvhi_list_add_tail(&server->listeners, &listener->link);
	return 0;
}

int nvhi_rpc_server_address(struct nvhi_rpc_server *server, unsigned int index, char *ret_text,
			    size_t text_len)
{
	struct rpc_listener *listener;

	nvhi_list_for_each(listener, &server->listeners, link) {
		if (index-- == 0) {
			nvhi_rpc_addr_format(&listener->addr, ret_text, text_len);
			return 0;
		}
	}
	return -ENOENT;
}

void nvhi_rpc_server_destroy(struct nvhi_rpc_server *server)
{
	struct rpc_listener *listener, *next_listener;
	struct rpc_conn *conn, *next_conn;

	if (!server)
		return;
	nvhi_list_for_each_safe(listener, next_listener, &server->listeners, link) {
		int fd = listener->source.fd;

		nvhi_source_remove(server->reactor, &listener->source);
		unlink_if_ours(listener);
		close(fd);
		nvhi_list_del(&listener->link);
		free(listener);
	}
	nvhi_list_for_each_safe(conn, next_conn, &server->conns, link)
		nvhi_rpc_conn_destroy(conn);
	nvhi_rpc_calls_detach(&server->local_calls);
	nvhi_timer_cancel(server->reactor, &server->accept_timer);
	free(server);
}

void nvhi_rpc_server_stats(const struct nvhi_rpc_server *server,
			   struct nvhi_rpc_server_stats *ret_stats)
{
	*ret_stats = server->stats;
}
