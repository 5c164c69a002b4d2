/*
 * Shared by the JSON-RPC server's files: jsonrpc_server.c (methods, listeners), jsonrpc_conn.c
 * (one connection's bytes), jsonrpc_call.c (one request's life); and the addresses, which the
 * client reads too. Private to base/.
 */
#ifndef NVHI_BASE_JSONRPC_IMPL_H
#define NVHI_BASE_JSONRPC_IMPL_H

#include <sys/socket.h>
#include <sys/stat.h>

#include "base/jsonrpc.h"
#include "base/list.h"

#define RPC_READ_SIZE      65536u
#define RPC_BATCH_MAX      1024u
#define RPC_CONTAINERS_MAX (1u << 17) /* in one text; see NVHI_JSON_CONTAINERS_MAX */
#define RPC_SHARE          8u /* of max_request and max_output for all connections together */
#define RPC_METHOD_TABLES  32u

/* ---- addresses (jsonrpc_addr.c) ----------------------------------------------------------- */

struct nvhi_rpc_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};
/* -EINVAL with a reason. */
int nvhi_rpc_addr_parse(const char *address, struct nvhi_rpc_addr *ret_addr, char *err,
			size_t err_len);
bool nvhi_rpc_addr_is_loopback(const struct nvhi_rpc_addr *addr);
void nvhi_rpc_addr_format(const struct nvhi_rpc_addr *addr, char *text, size_t text_len);
/* A listening, non-blocking Unix socket of mode 0600 at the address; *ret_stat identifies it. */
int nvhi_rpc_unix_listen(const struct nvhi_rpc_addr *addr, int *ret_fd, struct stat *ret_stat,
			 char *err, size_t err_len);

/* ---- server ------------------------------------------------------------------------------- */

struct rpc_listener {
	struct nvhi_rpc_server *server;
	struct nvhi_source source;
	struct nvhi_rpc_addr addr;
	struct stat file; /* of a Unix socket: removed at the end only if it is still ours */
	struct nvhi_list link;
};

struct nvhi_rpc_server {
	struct nvh_reactor *reactor;
	struct nvhi_rpc_server_opts opts;
	struct nvhi_list listeners;
	struct nvhi_list conns;
	struct nvhi_list local_calls;
	struct nvhi_timer accept_timer; /* armed while accepting rests (no descriptors left) */
	bool accepting;
	const struct nvhi_rpc_method *tables[RPC_METHOD_TABLES];
	uint32_t table_count;
	uint64_t next_serial;
	size_t in_bytes, out_bytes; /* buffers of all connections */
	struct nvhi_rpc_server_stats stats;
	char scratch[RPC_READ_SIZE];
};

const struct nvhi_rpc_method *nvhi_rpc_find_method(struct nvhi_rpc_server *server,
						   const char *name);
/* A connection has gone: there is room for another. */
void nvhi_rpc_server_conn_closed(struct nvhi_rpc_server *server);

/* ---- connections (jsonrpc_conn.c) --------------------------------------------------------- */

enum rpc_conn_state {
	RPC_CONN_OPEN,
	RPC_CONN_EOF,     /* the peer sends no more; answers still go out */
	RPC_CONN_CLOSING, /* we close after the last answer: the peer broke the protocol */
	RPC_CONN_LINGER,  /* all is sent; what the peer still sends is thrown away */
	RPC_CONN_GONE,    /* nobody hears answers any more; what had arrived is still run */
};

struct rpc_out {
	struct nvhi_list link;
	size_t len, sent;
	char text[];
};

struct rpc_conn {
	struct nvhi_rpc_server *server;
	struct nvhi_source source;
	struct nvhi_defer work;
	struct nvhi_timer timer;
	struct nvhi_list link;
	enum rpc_conn_state state;
	uint64_t serial; /* "rpc7" in logs */
	/* input: in[0..in_scanned) has been looked at by scan */
	char *in;
	size_t in_len, in_size, in_scanned;
	struct nvhi_json_scan scan;
	uint64_t request_began; /* when the first byte of a partial request came */
	bool rested;            /* input was left lying at the last pass */
	/* output */
	struct nvhi_list outs;
	size_t out_bytes;
	uint64_t out_progress;
	struct nvhi_list calls;
	uint32_t call_count;
};

int nvhi_rpc_conn_create(struct nvhi_rpc_server *server, int fd);
/* Forgets the connection at once; calls under way lose their caller. */
void nvhi_rpc_conn_destroy(struct rpc_conn *conn);
/* Queues an answer or notification (borrowed). -ENOMEM, -ENOTCONN. */
int nvhi_rpc_conn_send(struct rpc_conn *conn, struct json_object *message);
/* A call of this connection is done; more may be read. */
void nvhi_rpc_conn_call_done(struct rpc_conn *conn);
/* The answer could not even be built. */
void nvhi_rpc_conn_fail(struct rpc_conn *conn);

/* ---- calls (jsonrpc_call.c) --------------------------------------------------------------- */

/* Runs one text: a request or a batch. Takes `root`. */
void nvhi_rpc_run_text(struct rpc_conn *conn, struct json_object *root);
/* {"jsonrpc","id","error"}; id borrowed, NULL is null. NULL without memory. */
struct json_object *nvhi_rpc_error_object(struct json_object *id, int code, const char *message);
/* The caller of all these calls left. */
void nvhi_rpc_calls_orphan(struct nvhi_list *calls);
/* Their connection and server end; what is still to be answered is answered into nothing. */
void nvhi_rpc_calls_detach(struct nvhi_list *calls);

#endif
