/*
 * JSON-RPC 2.0 over Unix and TCP sockets. The server lives on one reactor and every function of it
 * is called on that reactor's thread; it answers single requests, pipelined ones (with or without
 * white space between them) and batches. The client is synchronous, for command lines.
 *
 * Addresses: "/run/x.sock", "unix:PATH", "tcp:127.0.0.1:5260", "tcp:[::1]:5260" (port 0 picks
 * one). A TCP address that is not a loopback one is refused unless asked for, since whoever can
 * connect can do everything.
 */
#ifndef NVHI_BASE_JSONRPC_H
#define NVHI_BASE_JSONRPC_H

#include <json-c/json.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json_util.h"
#include "base/reactor.h"

enum {
	NVHI_RPC_PARSE_ERROR = -32700,
	NVHI_RPC_INVALID_REQUEST = -32600,
	NVHI_RPC_METHOD_NOT_FOUND = -32601,
	NVHI_RPC_INVALID_PARAMS = -32602,
	NVHI_RPC_INTERNAL_ERROR = -32603,
	NVHI_RPC_INVALID_STATE = -1, /* known method, not in this state (SPDK's value) */
};

/* ---- methods ------------------------------------------------------------------------------ */

struct nvhi_rpc_server;
struct nvhi_rpc_call;

/* Answers `call` exactly once, now or later, with nvhi_rpc_reply* or nvhi_rpc_error*. After the
 * answer the call and its parameters are gone. */
typedef void (*nvhi_rpc_method_fn)(struct nvhi_rpc_call *call);

struct nvhi_rpc_method {
	const char *name; /* NULL ends a table */
	nvhi_rpc_method_fn fn;
	const struct nvhi_json_field
		*params;  /* for listings and nvhi_rpc_decode; NULL: takes none */
	const char *help; /* one line; may be NULL */
	uint32_t flags;   /* the owner's, see opts.gate */
};

/* ---- a call under way --------------------------------------------------------------------- */

/* Decodes the call's parameters by its method's table into *ret (nvhi_json_decode). On failure the
 * call has been answered with -32602 and -EINVAL is returned: the handler just returns. By-position
 * parameters (an array) are refused. Strings point into the call. */
int nvhi_rpc_decode(struct nvhi_rpc_call *call, void *ret);
/* The raw params, borrowed: an object, an array, or NULL. */
struct json_object *nvhi_rpc_params(struct nvhi_rpc_call *call);
const struct nvhi_rpc_method *nvhi_rpc_call_method(struct nvhi_rpc_call *call);
/* opts.owner of the server. NULL once the server is destroyed. */
void *nvhi_rpc_owner(struct nvhi_rpc_call *call);
struct nvhi_rpc_server *nvhi_rpc_call_server(struct nvhi_rpc_call *call);
/* The caller is still there. A call whose caller left is answered all the same; the answer is
 * dropped. */
bool nvhi_rpc_connected(struct nvhi_rpc_call *call);
/* `fn` runs once if the caller leaves before the answer (the call still has to be answered, which
 * fn may do). For long calls: monitor, wait. */
typedef void (*nvhi_rpc_gone_fn)(struct nvhi_rpc_call *call);
void nvhi_rpc_on_gone(struct nvhi_rpc_call *call, nvhi_rpc_gone_fn fn);
/* The handler's own pointer, kept in the call. */
void nvhi_rpc_set_context(struct nvhi_rpc_call *call, void *context);
void *nvhi_rpc_context(struct nvhi_rpc_call *call);

/* Takes `result`; NULL means that building it ran out of memory, and is answered so. */
void nvhi_rpc_reply(struct nvhi_rpc_call *call, struct json_object *result);
void nvhi_rpc_reply_bool(struct nvhi_rpc_call *call, bool value);
void nvhi_rpc_reply_string(struct nvhi_rpc_call *call, const char *value);
void nvhi_rpc_reply_null(struct nvhi_rpc_call *call);
void nvhi_rpc_error(struct nvhi_rpc_call *call, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* -32603 "<text>: <strerror(-err)>". */
void nvhi_rpc_errno(struct nvhi_rpc_call *call, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A notification to the caller ahead of the answer (progress, events). Takes `params`. -ENOTCONN
 * when the caller left, -ENOBUFS when it does not read (drop the event), -ENOMEM. */
int nvhi_rpc_notify(struct nvhi_rpc_call *call, const char *method, struct json_object *params);

/* ---- server ------------------------------------------------------------------------------- */

struct nvhi_rpc_server_opts {
	void *owner; /* nvhi_rpc_owner */
	/* Asked before each method: NULL lets it run, a text refuses it with -1 and that text. */
	const char *(*gate)(struct nvhi_rpc_call *call);
	bool allow_remote;         /* TCP beyond loopback */
	uint32_t max_request;      /* bytes of one request; 0: 1 MiB */
	uint32_t max_connections;  /* 0: 4096; more wait in the backlog */
	uint32_t max_calls;        /* under way per connection; 0: 64; more are read later */
	uint32_t max_output;       /* bytes unsent before reading pauses; 0: 4 MiB */
	uint32_t stall_timeout_ms; /* half a request or a reader that stopped; 0: 30 s */
};

/* -ENOMEM. The reactor outlives the server. */
int nvhi_rpc_server_create(struct nvh_reactor *reactor, const struct nvhi_rpc_server_opts *opts,
			   struct nvhi_rpc_server **ret_server);
/* Closes listeners and connections, removes Unix sockets. Calls under way may still be answered
 * (and must be, to free them). Not from within a method. */
void nvhi_rpc_server_destroy(struct nvhi_rpc_server *server);

/* The table is kept, not copied. -EEXIST: a name is there already (nothing is added). */
int nvhi_rpc_server_add_methods(struct nvhi_rpc_server *server,
				const struct nvhi_rpc_method *methods);
/* Walks all methods in the order added; NULL starts, NULL ends. */
const struct nvhi_rpc_method *nvhi_rpc_server_next_method(struct nvhi_rpc_server *server,
							  const struct nvhi_rpc_method *method);

/* Several addresses may be listened on. A Unix socket is made with mode 0600; one left by a dead
 * process is replaced. -EADDRINUSE when a live process listens there, -EINVAL for a bad address,
 * -EPERM for a TCP address that is not loopback; the reason is in err. */
int nvhi_rpc_server_listen(struct nvhi_rpc_server *server, const char *address, char *err,
			   size_t err_len);
/* What listener `index` is bound to, in the form above (the port that 0 picked). -ENOENT. */
int nvhi_rpc_server_address(struct nvhi_rpc_server *server, unsigned int index, char *ret_text,
			    size_t text_len);

/* Runs a method without a connection (config files). `fn` gets exactly one of result (borrowed,
 * may be NULL for null) and message (code != 0), perhaps before this returns. */
struct nvhi_rpc_local;
typedef void (*nvhi_rpc_local_fn)(struct nvhi_rpc_local *local, struct json_object *result,
				  int code, const char *message);
struct nvhi_rpc_local {
	nvhi_rpc_local_fn fn;
};
/* Borrows `params` (may be NULL). `local` lives until fn. */
void nvhi_rpc_server_call(struct nvhi_rpc_server *server, const char *method,
			  struct json_object *params, struct nvhi_rpc_local *local);

struct nvhi_rpc_server_stats {
	uint32_t connections, calls; /* now */
	uint64_t accepted, requests, errors;
};
void nvhi_rpc_server_stats(const struct nvhi_rpc_server *server,
			   struct nvhi_rpc_server_stats *ret_stats);

/* ---- client ------------------------------------------------------------------------------- */

struct nvhi_rpc_fault {
	int code; /* the server's error code; 0: the failure is ours (address, connect, time) */
	char message[512];
};

/* Connects, calls, closes. 0; -EREMOTEIO when the server answered with an error (code and message
 * in ret_fault); -errno otherwise (-ECONNREFUSED/-ENOENT: nobody there; -ETIMEDOUT) with a message
 * that names the address. Borrows params (may be NULL). timeout_ms < 0: for ever. Blocks; any
 * thread. *ret_result (if wanted) is the caller's; it is NULL for JSON's null. */
int nvhi_rpc_client_call(const char *address, const char *method, struct json_object *params,
			 int timeout_ms, struct json_object **ret_result,
			 struct nvhi_rpc_fault *ret_fault);

/* A connection for several calls. Not shared between threads. */
struct nvhi_rpc_client;
int nvhi_rpc_client_open(const char *address, int timeout_ms, struct nvhi_rpc_client **ret_client,
			 struct nvhi_rpc_fault *ret_fault);
void nvhi_rpc_client_close(struct nvhi_rpc_client *client);
/* Called for each notification that comes before the answer. Non-zero ends the wait: the call
 * returns that value. */
typedef int (*nvhi_rpc_event_fn)(const char *method, struct json_object *params, void *arg);
/* As nvhi_rpc_client_call. After a failure other than -EREMOTEIO only close is allowed. */
int nvhi_rpc_client_request(struct nvhi_rpc_client *client, const char *method,
			    struct json_object *params, int timeout_ms, nvhi_rpc_event_fn on_event,
			    void *event_arg, struct json_object **ret_result,
			    struct nvhi_rpc_fault *ret_fault);
/* The connection's descriptor, to poll together with others. */
int nvhi_rpc_client_fd(const struct nvhi_rpc_client *client);

#endif
