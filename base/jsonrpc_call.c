/*
 * One JSON-RPC request's life: checked, its method found and run, answered once, now or later. A
 * batch runs its requests one after the other, so that each sees what the one before has done, and
 * is answered whole. Runs on the server's reactor. JSON-RPC 2.0, sections 4 to 6.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonrpc_impl.h"
#include "base/log.h"

/* Requests that came as one array. */
struct rpc_batch {
	struct rpc_conn *conn; /* NULL once it is gone for good */
	struct json_object *requests;
	struct json_object *answers;
	size_t next;
	bool running; /* batch_run is on the stack */
	bool waiting; /* for the answer of one call */
};

struct nvhi_rpc_call {
	struct nvhi_rpc_server *server; /* NULL once destroyed */
	struct rpc_conn *conn;          /* NULL: local, or gone for good */
	struct rpc_batch *batch;
	struct nvhi_rpc_local *local;
	const struct nvhi_rpc_method *method;
	struct json_object *request; /* holds params and id */
	struct json_object *params;
	struct json_object *id;
	bool has_id; /* else a notification: no answer */
	bool gone;   /* the caller left */
	nvhi_rpc_gone_fn gone_fn;
	void *context;
	struct nvhi_list link; /* conn->calls or server->local_calls */
};

static void batch_run(struct rpc_batch *batch);

/* ---- answers ------------------------------------------------------------------------------ */

static struct json_object *answer_object(struct json_object *id, const char *name,
					 struct json_object *value)
{
	struct json_object *answer = json_object_new_object();

	if (nvhi_json_add_string(answer, "jsonrpc", "2.0") ||
	    json_object_object_add(answer, "id", json_object_get(id)) ||
	    json_object_object_add(answer, name, value)) {
		json_object_put(value);
		json_object_put(answer);
		return NULL;
	}
	return answer;
}

struct json_object *nvhi_rpc_error_object(struct json_object *id, int code, const char *message)
{
	struct json_object *error = json_object_new_object();

	if (nvhi_json_add_i64(error, "code", code) ||
	    nvhi_json_add_string(error, "message", message)) {
		json_object_put(error);
		return NULL;
	}
	return answer_object(id, "error", error);
}

/* Hands an answer (taken; NULL: could not be built) to the connection, or to its batch. */
static void deliver(struct rpc_conn *conn, struct rpc_batch *batch, struct json_object *answer)
{
	int rc;

	if (!conn) {
		json_object_put(answer);
		return;
	}
	if (batch) {
		rc = nvhi_json_append(batch->answers, answer);
	} else {
		rc = answer ? nvhi_rpc_conn_send(conn, answer) : -ENOMEM;
		json_object_put(answer);
	}
	if (rc == -ENOMEM)
		nvhi_rpc_conn_fail(conn);
}

/* ---- the call ----------------------------------------------------------------------------- */

static void call_free(struct nvhi_rpc_call *call)
{
	struct rpc_conn *conn = call->conn;
	struct rpc_batch *batch = call->batch;

	nvhi_list_del(&call->link);
	if (call->server)
		call->server->stats.calls--;
	json_object_put(call->request);
	free(call);
	if (batch) {
		batch->waiting = false;
		if (!batch->running)
			batch_run(batch);
	} else if (conn) {
		nvhi_rpc_conn_call_done(conn);
	}
}

static void call_finish(struct nvhi_rpc_call *call, struct json_object *result, int code,
			const char *message)
{
	if (message && call->server)
		call->server->stats.errors++;
	if (call->local) {
		call->local->fn(call->local, result, code, message);
	} else if (call->has_id) {
		struct json_object *answer =
			message ? nvhi_rpc_error_object(call->id, code, message)
				: answer_object(call->id, "result", json_object_get(result));

		deliver(call->conn, call->batch, answer);
	}
	json_object_put(result);
	call_free(call);
}

void nvhi_rpc_reply(struct nvhi_rpc_call *call, struct json_object *result)
{
	if (!result)
		call_finish(call, NULL, NVHI_RPC_INTERNAL_ERROR, "Internal error: out of memory");
	else
		call_finish(call, result, 0, NULL);
}

void nvhi_rpc_reply_bool(struct nvhi_rpc_call *call, bool value)
{
	nvhi_rpc_reply(call, json_object_new_boolean(value));
}

void nvhi_rpc_reply_string(struct nvhi_rpc_call *call, const char *value)
{
	nvhi_rpc_reply(call, json_object_new_string(value));
}

void nvhi_rpc_reply_null(struct nvhi_rpc_call *call)
{
	call_finish(call, NULL, 0, NULL);
}

void nvhi_rpc_error(struct nvhi_rpc_call *call, int code, const char *fmt, ...)
{
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	call_finish(call, NULL, code, message);
}

void nvhi_rpc_errno(struct nvhi_rpc_call *call, int err, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "%s: %s", text, strerror(-err));
}

int nvhi_rpc_notify(struct nvhi_rpc_call *call, const char *method, struct json_object *params)
{
	struct json_object *message;
	int rc;

	if (!nvhi_rpc_connected(call) || !call->conn) {
		json_object_put(params);
		return -ENOTCONN;
	}
	if (call->conn->out_bytes >= call->server->opts.max_output) {
		json_object_put(params);
		return -ENOBUFS;
	}
	message = json_object_new_object();
	if (nvhi_json_add_string(message, "jsonrpc", "2.0") ||
	    nvhi_json_add_string(message, "method", method)) {
		json_object_put(params);
		json_object_put(message);
		return -ENOMEM;
	}
	rc = nvhi_json_add(message, "params", params);
	if (!rc)
		rc = nvhi_rpc_conn_send(call->conn, message);
	json_object_put(message);
	return rc;
}

int nvhi_rpc_decode(struct nvhi_rpc_call *call, void *ret)
{
	char why[900];
	int rc = nvhi_json_decode(call->params, call->method->params, ret, why, sizeof(why));

	if (rc)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "Invalid parameters: %s", why);
	return rc;
}

struct json_object *nvhi_rpc_params(struct nvhi_rpc_call *call)
{
	return call->params;
}

const struct nvhi_rpc_method *nvhi_rpc_call_method(struct nvhi_rpc_call *call)
{
	return call->method;
}

void *nvhi_rpc_owner(struct nvhi_rpc_call *call)
{
	return call->server ? call->server->opts.owner : NULL;
}

struct nvhi_rpc_server *nvhi_rpc_call_server(struct nvhi_rpc_call *call)
{
	return call->server;
}

bool nvhi_rpc_connected(struct nvhi_rpc_call *call)
{
	return !call->gone && call->server;
}

void nvhi_rpc_on_gone(struct nvhi_rpc_call *call, nvhi_rpc_gone_fn fn)
{
	call->gone_fn = fn;
}

void nvhi_rpc_set_context(struct nvhi_rpc_call *call, void *context)
{
	call->context = context;
}

void *nvhi_rpc_context(struct nvhi_rpc_call *call)
{
	return call->context;
}

void nvhi_rpc_calls_orphan(struct nvhi_list *calls)
{
	struct nvhi_rpc_call *call;
	bool found = true;

	/* A gone function may answer this call and others, so each look starts anew. */
	while (found) {
		found = false;
		nvhi_list_for_each(call, calls, link) {
			if (call->gone)
				continue;
			call->gone = found = true;
			if (call->gone_fn)
				call->gone_fn(call);
			break;
		}
	}
}

void nvhi_rpc_calls_detach(struct nvhi_list *calls)
{
	struct nvhi_rpc_call *call, *next;

	nvhi_list_for_each_safe(call, next, calls, link) {
		nvhi_list_del(&call->link);
		call->server = NULL;
		call->conn = NULL;
		call->gone = true;
		if (call->batch)
			call->batch->conn = NULL;
	}
}

/* ---- a request ---------------------------------------------------------------------------- */

/* What makes `request` no JSON-RPC request; NULL when it is one. */
static const char *request_fault(struct json_object *request)
{
	struct json_object *value;

	if (!json_object_is_type(request, json_type_object))
		return "Invalid request: not an object";
	if (json_object_object_get_ex(request, "jsonrpc", &value) &&
	    (!json_object_is_type(value, json_type_string) ||
	     strcmp(json_object_get_string(value), "2.0") != 0))
		return "Invalid request: member 'jsonrpc' must be \"2.0\"";
	if (!json_object_object_get_ex(request, "method", &value))
		return "Invalid request: member 'method' is missing";
	if (!json_object_is_type(value, json_type_string))
		return "Invalid request: member 'method' must be a string";
	if (json_object_object_get_ex(request, "params", &value) && value &&
	    !json_object_is_type(value, json_type_object) &&
	    !json_object_is_type(value, json_type_array))
		return "Invalid request: member 'params' must be an object";
	if (json_object_object_get_ex(request, "id", &value) &&
	    (json_object_is_type(value, json_type_object) ||
	     json_object_is_type(value, json_type_array) ||
	     json_object_is_type(value, json_type_boolean)))
		return "Invalid request: member 'id' must be a string, a number or null";
	json_object_object_foreach(request, name, member)
	{
		(void)member;
		if (strcmp(name, "jsonrpc") && strcmp(name, "method") && strcmp(name, "params") &&
		    strcmp(name, "id"))
			return "Invalid request: a member that is none of jsonrpc, method, params, "
			       "id";
	}
	return NULL;
}

static void call_start(struct nvhi_rpc_call *call, const char *name)
{
	const char *refusal;

	call->server->stats.calls++;
	call->method = nvhi_rpc_find_method(call->server, name);
	if (!call->method) {
		nvhi_rpc_error(call, NVHI_RPC_METHOD_NOT_FOUND, "Method not found: '%.100s'", name);
		return;
	}
	refusal = call->server->opts.gate ? call->server->opts.gate(call) : NULL;
	if (refusal) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_STATE, "%s", refusal);
		return;
	}
	nvhi_log(DEBUG, RPC, "rpc: %s", name);
	call->method->fn(call);
}

/* Runs one request of a connection, alone or in a batch; `request` is borrowed. */
static void request_run(struct rpc_conn *conn, struct rpc_batch *batch, struct json_object *request)
{
	const char *fault = request_fault(request);
	struct nvhi_rpc_call *call;

	if (fault) {
		struct json_object *id = NULL;

		if (json_object_is_type(request, json_type_object) &&
		    json_object_object_get_ex(request, "id", &id) &&
		    !json_object_is_type(id, json_type_string) &&
		    !json_object_is_type(id, json_type_int))
			id = NULL;
		conn->server->stats.errors++;
		deliver(conn, batch, nvhi_rpc_error_object(id, NVHI_RPC_INVALID_REQUEST, fault));
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		nvhi_rpc_conn_fail(conn);
		return;
	}
	call->server = conn->server;
	call->conn = conn;
	call->batch = batch;
	call->request = json_object_get(request);
	call->has_id = json_object_object_get_ex(request, "id", &call->id);
	json_object_object_get_ex(request, "params", &call->params);
	call->gone = conn->state == RPC_CONN_GONE;
	nvhi_list_add_tail(&conn->calls, &call->link);
	if (batch)
		batch->waiting = true;
	else
		conn->call_count++;
	call_start(call, json_object_get_string(json_object_object_get(request, "method")));
}

/* ---- a batch ------------------------------------------------------------------------------ */

static void batch_finish(struct rpc_batch *batch)
{
	struct rpc_conn *conn = batch->conn;

	if (conn && json_object_array_length(batch->answers)) {
		if (nvhi_rpc_conn_send(conn, batch->answers) == -ENOMEM)
			nvhi_rpc_conn_fail(conn);
	}
	json_object_put(batch->requests);
	json_object_put(batch->answers);
	free(batch);
	if (conn)
		nvhi_rpc_conn_call_done(conn);
}

/* Starts the next request whenever the one before has been answered. */
static void batch_run(struct rpc_batch *batch)
{
	batch->running = true;
	while (batch->conn && !batch->waiting &&
	       batch->next < json_object_array_length(batch->requests))
		request_run(batch->conn, batch,
			    json_object_array_get_idx(batch->requests, batch->next++));
	batch->running = false;
	if (!batch->waiting)
		batch_finish(batch);
}

static void batch_start(struct rpc_conn *conn, struct json_object *requests)
{
	struct rpc_batch *batch;
	size_t count = json_object_array_length(requests);

	if (count == 0 || count > RPC_BATCH_MAX) {
		conn->server->stats.errors++;
		deliver(conn, NULL,
			nvhi_rpc_error_object(NULL, NVHI_RPC_INVALID_REQUEST,
					      count ? "Invalid request: more than 1024 in a batch"
						    : "Invalid request: an empty batch"));
		return;
	}
	batch = calloc(1, sizeof(*batch));
	if (batch)
		batch->answers = json_object_new_array();
	if (!batch || !batch->answers) {
		free(batch);
		nvhi_rpc_conn_fail(conn);
		return;
	}
	batch->conn = conn;
	batch->requests = json_object_get(requests);
	conn->call_count++;
	batch_run(batch);
}

void nvhi_rpc_run_text(struct rpc_conn *conn, struct json_object *root)
{
	if (json_object_is_type(root, json_type_array))
		batch_start(conn, root);
	else
		request_run(conn, NULL, root);
	json_object_put(root);
}

/* ---- without a connection ----------------------------------------------------------------- */

void nvhi_rpc_server_call(struct nvhi_rpc_server *server, const char *method,
			  struct json_object *params, struct nvhi_rpc_local *local)
{
	struct nvhi_rpc_call *call = calloc(1, sizeof(*call));

	if (!call) {
		local->fn(local, NULL, NVHI_RPC_INTERNAL_ERROR, "Internal error: out of memory");
		return;
	}
	call->server = server;
	call->local = local;
	call->request = json_object_get(params);
	call->params = params;
	nvhi_list_add_tail(&server->local_calls, &call->link);
	call_start(call, method);
}
