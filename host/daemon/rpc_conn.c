/*
 * RPC: connect, disconnect, disconnect_all, reset, ns_rescan.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/daemon.h"

/* Without a keep-alive time-out no time proves that a write of a lost connection is dead. */
static int conn_warn_unfenced(const struct nvd_conn *conn, const struct nvh_ctrlr_info *info,
			      struct json_object *result)
{
	const char *mode = conn->params.write_fence;

	if (info->keep_alive_tmo_ms || info->discovery || !strcmp(info->transport, "pcie") ||
	    !strcmp(info->transport, "vfio-user") || (mode && !strcmp(mode, "off")) ||
	    json_object_object_get(result, "warning"))
		return 0;
	return nvhi_json_add_string(result, "warning",
				    "with keep-alive-tmo 0 a write of a lost connection cannot be "
				    "fenced by time: only where the target offers "
				    "Cross-Controller Reset");
}

/* ---- connect ------------------------------------------------------------------------------ */

static void rpc_connected(void *arg, int err, struct nvd_conn *conn, const char *message)
{
	struct nvhi_rpc_call *call = arg;
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct json_object *result;

	if (err) {
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "%s", message);
		return;
	}
	nvh_ctrlr_info(conn->ctrlr, &info);
	result = json_object_new_object();
	if (result && (nvhi_json_add_string(result, "device", conn->name) ||
		       nvhi_json_add_string(result, "nqn", info.subnqn) ||
		       nvhi_json_add_u64(result, "cntlid", info.cntlid) ||
		       nvd_state_warn(conn->daemon, result) ||
		       conn_warn_unfenced(conn, &info, result))) {
		json_object_put(result);
		result = NULL;
	}
	nvhi_rpc_reply(call, result);
}

static void rpc_connect(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct json_object *params = nvhi_rpc_params(call);
	struct nvd_params check;
	char err[512] = "";
	int rc;

	nvd_params_init(&check);
	if (nvhi_rpc_decode(call, &check) < 0)
		return;
	rc = nvd_conn_add(daemon, params, rpc_connected, call, err, sizeof(err));
	if (rc == -EALREADY)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_STATE, "%s", err);
	else if (rc == -EINVAL || rc == -ENOTSUP || rc == -EEXIST)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
	else if (rc)
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "%s", err[0] ? err : strerror(-rc));
}

/* ---- disconnect --------------------------------------------------------------------------- */

struct rpc_disconnect_params {
	const char *nqn, *device, *transport;
};

static const struct nvhi_json_field rpc_disconnect_fields[] = {
	NVHI_JSON_FIELD(rpc_disconnect_params, nqn, STRING, .help = "all controllers of this NQN"),
	NVHI_JSON_FIELD(rpc_disconnect_params, device, STRING, .help = "one controller"),
	NVHI_JSON_END,
};

static const struct nvhi_json_field rpc_disconnect_all_fields[] = {
	NVHI_JSON_FIELD(rpc_disconnect_params, transport, STRING, .help = "only these"),
	NVHI_JSON_END,
};

struct rpc_disconnect {
	struct nvhi_rpc_call *call;
	unsigned int pending, count;
};

static void rpc_disconnect_put(struct rpc_disconnect *work)
{
	struct json_object *result;

	if (--work->pending)
		return;
	result = json_object_new_object();
	if (result && nvhi_json_add_u64(result, "disconnected", work->count)) {
		json_object_put(result);
		result = NULL;
	}
	nvhi_rpc_reply(work->call, result);
	free(work);
}

static void rpc_disconnected(void *arg)
{
	rpc_disconnect_put(arg);
}

static bool rpc_disconnect_matches(const struct nvd_conn *conn,
				   const struct rpc_disconnect_params *params)
{
	if (conn->state == NVD_CONN_DELETING)
		return false;
	if (params->device && strcmp(conn->name, params->device) != 0)
		return false;
	if (params->nqn &&
	    strcmp(conn->params.nqn ? conn->params.nqn : NVH_DISCOVERY_NQN, params->nqn) != 0)
		return false;
	return !params->transport || !strcmp(conn->params.transport, params->transport);
}

static void rpc_disconnect_those(struct nvhi_rpc_call *call,
				 const struct rpc_disconnect_params *params)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct rpc_disconnect *work = calloc(1, sizeof(*work));
	struct nvd_conn *conn, *tmp;

	if (!work) {
		nvhi_rpc_errno(call, -ENOMEM, "disconnect");
		return;
	}
	work->call = call;
	work->pending = 1;
	nvhi_list_for_each_safe(conn, tmp, &daemon->conns, link) {
		if (!rpc_disconnect_matches(conn, params))
			continue;
		work->pending++;
		work->count++;
		nvd_conn_delete(conn, rpc_disconnected, work);
	}
	rpc_disconnect_put(work);
}

static void rpc_disconnect(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct rpc_disconnect_params params = {0};
	struct nvd_target target;
	char err[512];

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	if (!params.nqn && !params.device) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "nqn or device is needed");
		return;
	}
	/* A connection that is not made just now is known by its name alone. */
	if (params.device && !nvd_conn_find(daemon, params.device)) {
		if (nvd_target_find(daemon, params.device, &target, err, sizeof(err)) < 0) {
			nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
			return;
		}
		if (target.ctrlr)
			nvh_ctrlr_info(target.ctrlr, &info);
		params.device = info.name;
	}
	rpc_disconnect_those(call, &params);
}

static void rpc_disconnect_all(struct nvhi_rpc_call *call)
{
	struct rpc_disconnect_params params = {0};

	if (nvhi_rpc_decode(call, &params) == 0)
		rpc_disconnect_those(call, &params);
}

/* ---- connections -------------------------------------------------------------------------- */

static void rpc_connections(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct json_object *root = json_object_new_object(), *array = json_object_new_array();
	struct nvd_conn *conn;
	char hostid[37];
	int err = 0;

	nvhi_list_for_each(conn, &daemon->conns, link) {
		struct nvd_params params = conn->params;

		params.name = conn->name;
		if (!conn->done && conn->state != NVD_CONN_DELETING && !err)
			err = nvhi_json_append(array, nvd_params_to_json(&params));
	}
	nvh_host_id(daemon->host, hostid);
	err = err ? err : nvhi_json_add_string(root, "hostnqn", nvh_host_nqn(daemon->host));
	err = err ? err : nvhi_json_add_string(root, "hostid", hostid);
	if (err)
		json_object_put(array);
	else
		err = nvhi_json_add(root, "connections", array);
	if (err) {
		json_object_put(root);
		root = NULL;
	}
	nvhi_rpc_reply(call, root);
}

/* ---- reset, ns_rescan --------------------------------------------------------------------- */

struct rpc_device_params {
	const char *device;
};

static const struct nvhi_json_field rpc_device_fields[] = {
	NVHI_JSON_FIELD(rpc_device_params, device, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};

static void rpc_reset_done(void *arg, int err)
{
	struct nvhi_rpc_call *call = arg;

	if (err)
		nvhi_rpc_errno(call, err, "%s", nvhi_rpc_call_method(call)->name);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void rpc_ctrlr_action(struct nvhi_rpc_call *call,
			     int (*action)(struct nvh_ctrlr *ctrlr,
					   void (*done)(void *arg, int err), void *arg))
{
	struct rpc_device_params params = {0};
	struct nvd_target target;
	char err[512];
	int rc;

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	rc = nvd_target_find(nvhi_rpc_owner(call), params.device, &target, err, sizeof(err));
	if (!rc && !target.ctrlr) {
		snprintf(err, sizeof(err), "%s: no controller is live", params.device);
		rc = -ENOTCONN;
	}
	if (rc) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
		return;
	}
	rc = action(target.ctrlr, rpc_reset_done, call);
	if (rc)
		nvhi_rpc_errno(call, rc, "%s", params.device);
}

static void rpc_reset(struct nvhi_rpc_call *call)
{
	rpc_ctrlr_action(call, nvh_ctrlr_reset);
}

static void rpc_ns_rescan(struct nvhi_rpc_call *call)
{
	rpc_ctrlr_action(call, nvh_ctrlr_rescan);
}

const struct nvhi_rpc_method nvd_rpc_conn_methods[] = {
	{.name = "connect",
	 .fn = rpc_connect,
	 .params = nvd_params_fields,
	 .help = "connects a controller and keeps it connected"},
	{.name = "disconnect",
	 .fn = rpc_disconnect,
	 .params = rpc_disconnect_fields,
	 .help = "disconnects and forgets controllers"},
	{.name = "disconnect_all",
	 .fn = rpc_disconnect_all,
	 .params = rpc_disconnect_all_fields,
	 .help = "disconnects and forgets all"},
	{.name = "connections",
	 .fn = rpc_connections,
	 .help = "what is kept connected, as it was asked for"},
	{.name = "reset",
	 .fn = rpc_reset,
	 .params = rpc_device_fields,
	 .help = "resets a controller; I/O waits meanwhile"},
	{.name = "ns_rescan",
	 .fn = rpc_ns_rescan,
	 .params = rpc_device_fields,
	 .help = "reads the list of namespaces again"},
	{.name = NULL},
};
