/*
 * The saved state: which connections and mounts there are to make again after a restart. Written
 * whole, through a temporary file and a rename, whenever one is added or removed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/daemon.h"

#define STATE_VERSION   1
#define STATE_MAX_BYTES (16u << 20)

static struct json_object *state_conn(const struct nvd_conn *conn)
{
	struct nvd_params params = conn->params;

	params.name = conn->name;
	return nvd_params_to_json(&params);
}

static struct json_object *state_mount(const struct nvd_mount *mount)
{
	struct json_object *object = json_object_new_object();

	if (!object || nvhi_json_add_string(object, "path", mount->path) ||
	    (mount->ns_name && nvhi_json_add_string(object, "ns", mount->ns_name)) ||
	    (mount->allow_other && nvhi_json_add_bool(object, "allow_other", true)) ||
	    (mount->read_only && nvhi_json_add_bool(object, "read_only", true))) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

struct json_object *nvd_state_to_json(const struct nvd_daemon *daemon)
{
	struct json_object *root = json_object_new_object();
	struct json_object *conns = json_object_new_array();
	struct json_object *mounts = json_object_new_array();
	const struct nvd_mount *mount;
	const struct nvd_conn *conn;
	int err = 0;

	nvhi_list_for_each(conn, &daemon->conns, link) {
		/* A first attempt may still fail: it is saved once it has succeeded. */
		if (!conn->doomed && conn->state != NVD_CONN_DELETING && !conn->done)
			err = err ? err : nvhi_json_append(conns, state_conn(conn));
	}
	nvhi_list_for_each(mount, &daemon->mounts, link) {
		if (!mount->mounted_fn && !(mount->state == NVD_MOUNT_UNMOUNTING && !mount->mount))
			err = err ? err : nvhi_json_append(mounts, state_mount(mount));
	}
	if (err || nvhi_json_add_u64(root, "version", STATE_VERSION)) {
		json_object_put(conns);
		json_object_put(mounts);
		json_object_put(root);
		return NULL;
	}
	/* nvhi_json_add takes its value even when it fails. */
	err = nvhi_json_add(root, "connections", conns);
	if (nvhi_json_add(root, "mounts", mounts) || err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

int nvd_state_save(struct nvd_daemon *daemon)
{
	struct json_object *root;
	int rc;

	if (daemon->restoring || daemon->stopping)
		return 0;
	root = nvd_state_to_json(daemon);
	rc = root ? nvhi_json_write_file(daemon->state_path, root, 0600) : -ENOMEM;
	json_object_put(root);
	daemon->save_error = rc;
	if (rc)
		nvhi_log(ERROR, DAEMON,
			 "%s: cannot save the state: %s (connections and mounts will not come back "
			 "after a restart)",
			 daemon->state_path, strerror(-rc));
	return rc;
}

int nvd_state_warn(const struct nvd_daemon *daemon, struct json_object *answer)
{
	if (!daemon || !daemon->save_error)
		return 0;
	return nvhi_json_add_stringf(
		answer, "warning", "done, but not saved, and so lost when nvhostd restarts: %s: %s",
		daemon->state_path, strerror(-daemon->save_error));
}

static const struct nvhi_json_field state_mount_fields[] = {
	NVHI_JSON_FIELD(nvd_mount_params, path, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(nvd_mount_params, ns, STRING),
	NVHI_JSON_FIELD(nvd_mount_params, allow_other, BOOL),
	NVHI_JSON_FIELD(nvd_mount_params, read_only, BOOL),
	NVHI_JSON_END,
};

struct state_doc {
	uint32_t version;
	struct json_object *connections, *mounts;
};

static const struct nvhi_json_field state_fields[] = {
	NVHI_JSON_FIELD(state_doc, version, U32, NVHI_JSON_REQUIRED, .min = 1, .max = 1),
	NVHI_JSON_FIELD(state_doc, connections, ARRAY, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(state_doc, mounts, ARRAY, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};

static void state_restore(struct nvd_daemon *daemon, const struct state_doc *doc)
{
	char err[512];

	for (size_t i = 0; i < json_object_array_length(doc->connections); i++) {
		err[0] = '\0';
		if (nvd_conn_restore(daemon, json_object_array_get_idx(doc->connections, i), err,
				     sizeof(err)) < 0)
			nvhi_log(ERROR, DAEMON, "%s: connection %zu: %s", daemon->state_path, i,
				 err);
	}
	for (size_t i = 0; i < json_object_array_length(doc->mounts); i++) {
		struct nvd_mount_params params = {0};

		if (nvhi_json_decode(json_object_array_get_idx(doc->mounts, i), state_mount_fields,
				     &params, err, sizeof(err)) < 0)
			nvhi_log(ERROR, DAEMON, "%s: mount %zu: %s", daemon->state_path, i, err);
		else
			nvd_mount_restore(daemon, &params);
	}
}

int nvd_state_load(struct nvd_daemon *daemon)
{
	struct json_object *root = NULL;
	struct state_doc doc = {0};
	char err[512] = "", aside[NVD_PATH_MAX + 8];
	int rc = nvhi_json_parse_file(daemon->state_path, STATE_MAX_BYTES, &root, err, sizeof(err));

	if (rc == -ENOENT)
		return 0;
	if (!rc)
		rc = nvhi_json_decode(root, state_fields, &doc, err, sizeof(err));
	if (rc) {
		/* Not lost: whoever damaged it can repair it. */
		snprintf(aside, sizeof(aside), "%s.bad", daemon->state_path);
		nvhi_log(ERROR, DAEMON, "%s: %s; kept as %s, starting without", daemon->state_path,
			 err[0] ? err : strerror(-rc), aside);
		if (rename(daemon->state_path, aside) < 0)
			nvhi_log(ERROR, DAEMON, "%s: %s", aside, strerror(errno));
		json_object_put(root);
		return 0;
	}
	daemon->restoring = true;
	state_restore(daemon, &doc);
	daemon->restoring = false;
	json_object_put(root);
	return 0;
}
