/*
 * RPC: mount, umount, mounts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/daemon.h"

struct rpc_mount_params {
	struct nvd_mount_params mount;
	bool force;
};

static const struct nvhi_json_field rpc_mount_fields[] = {
	NVHI_JSON_FIELD(nvd_mount_params, path, STRING, NVHI_JSON_REQUIRED,
			.help = "an absolute path: a folder, or with ns a file"),
	NVHI_JSON_FIELD(nvd_mount_params, ns, STRING, .help = "one namespace over one file"),
	NVHI_JSON_FIELD(nvd_mount_params, allow_other, BOOL),
	NVHI_JSON_FIELD(nvd_mount_params, read_only, BOOL),
	NVHI_JSON_END,
};

static const struct nvhi_json_field rpc_umount_fields[] = {
	{.name = "path",
	 .type = NVHI_JSON_STRING,
	 .required = true,
	 .offset = offsetof(struct rpc_mount_params, mount.path)},
	NVHI_JSON_FIELD(rpc_mount_params, force, BOOL, .help = "detach it even when it is in use"),
	NVHI_JSON_END,
};

static void rpc_mount_done(void *arg, int err, const char *message)
{
	struct nvhi_rpc_call *call = arg;
	struct json_object *result;

	if (err) {
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "%s",
			       message && message[0] ? message : strerror(-err));
		return;
	}
	result = json_object_new_object();
	if (result && nvd_state_warn(nvhi_rpc_owner(call), result)) {
		json_object_put(result);
		result = NULL;
	}
	nvhi_rpc_reply(call, result);
}

static void rpc_mount(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvd_mount_params params = {0};
	struct nvd_target target;
	char err[512] = "", name[300];
	int rc;

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	if (params.path[0] != '/') {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "parameter 'path': '%s' is not absolute", params.path);
		return;
	}
	if (params.ns) {
		/* Saved by NQN and NSID: that holds whatever names the next daemon gives. */
		rc = nvd_target_find(daemon, params.ns, &target, err, sizeof(err));
		if (!rc && !target.ns) {
			snprintf(err, sizeof(err), "%s is a controller, not a namespace",
				 params.ns);
			rc = -EINVAL;
		}
		if (rc) {
			nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
			return;
		}
		nvh_ns_info(target.ns, &info);
		snprintf(name, sizeof(name), "%s:%u", info.subnqn, info.nsid);
		params.ns = name;
	}
	rc = nvd_mount_add(daemon, &params, rpc_mount_done, call, err, sizeof(err));
	if (rc)
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "%s", err[0] ? err : strerror(-rc));
}

static void rpc_umount(struct nvhi_rpc_call *call)
{
	struct rpc_mount_params params = {0};
	struct nvd_mount *mount;

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	mount = nvd_mount_find(nvhi_rpc_owner(call), params.mount.path);
	if (!mount) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "%s: not mounted by nvhostd (nvhost mount shows what is)",
			       params.mount.path);
		return;
	}
	nvd_mount_remove(mount, params.force, rpc_mount_done, call);
}

static struct json_object *rpc_mount_entry(const struct nvd_mount *mount)
{
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_string(o, "path", mount->path);
	if (mount->ns_name)
		err = err ? err : nvhi_json_add_string(o, "ns", mount->ns_name);
	err = err ? err : nvhi_json_add_string(o, "state", nvd_mount_state_name(mount));
	err = err ? err : nvhi_json_add_bool(o, "allow_other", mount->allow_other);
	err = err ? err : nvhi_json_add_bool(o, "read_only", mount->read_only);
	if (mount->last_message[0])
		err = err ? err : nvhi_json_add_string(o, "last_message", mount->last_message);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static void rpc_mounts(struct nvhi_rpc_call *call)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct json_object *array = json_object_new_array();
	struct nvd_mount *mount;

	nvhi_list_for_each(mount, &daemon->mounts, link) {
		if (array && nvhi_json_append(array, rpc_mount_entry(mount))) {
			json_object_put(array);
			array = NULL;
		}
	}
	nvhi_rpc_reply(call, array);
}

const struct nvhi_rpc_method nvd_rpc_mount_methods[] = {
	{.name = "mount",
	 .fn = rpc_mount,
	 .params = rpc_mount_fields,
	 .help = "mounts the tree, or one namespace over a file"},
	{.name = "umount", .fn = rpc_umount, .params = rpc_umount_fields, .help = "unmounts"},
	{.name = "mounts", .fn = rpc_mounts, .help = "what is mounted"},
	{.name = NULL},
};
