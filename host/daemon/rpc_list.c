/*
 * RPC: list (controllers, namespaces, what is not connected just now), list_subsys (the same
 * without asking the controllers anything), resolve (a name to what it means).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/daemon.h"

static int list_hex(struct json_object *object, const char *name, const uint8_t *bytes, size_t len)
{
	char text[33];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return nvhi_json_add_string(object, name, text);
}

static int list_uuid(struct json_object *object, const uint8_t *b)
{
	return nvhi_json_add_stringf(object, "uuid",
				     "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
				     "%02x%02x%02x%02x%02x%02x",
				     b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
				     b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* ---- controllers -------------------------------------------------------------------------- */

static int list_address(struct json_object *o, const char *transport, const char *traddr,
			const char *trsvcid, const char *host_traddr, const char *host_iface)
{
	int err = nvhi_json_add_string(o, "transport", transport ? transport : "");

	err = err ? err : nvhi_json_add_string(o, "traddr", traddr ? traddr : "");
	err = err ? err : nvhi_json_add_string(o, "trsvcid", trsvcid ? trsvcid : "");
	if (!err && host_traddr && host_traddr[0])
		err = nvhi_json_add_string(o, "host_traddr", host_traddr);
	if (!err && host_iface && host_iface[0])
		err = nvhi_json_add_string(o, "host_iface", host_iface);
	return err;
}

/* The address without its port: "10.0.0.1:40000", "[fe80::1]:40000". */
static int list_src_addr(struct json_object *o, const char *local)
{
	const char *from = local[0] == '[' ? local + 1 : local;
	const char *end = local[0] == '[' ? strchr(local, ']') : strrchr(local, ':');

	return nvhi_json_add_stringf(o, "src_addr", "%.*s",
				     end ? (int)(end - from) : (int)strlen(from), from);
}

static struct json_object *list_ctrlr(struct nvh_ctrlr *ctrlr)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	nvh_ctrlr_info(ctrlr, &info);
	err = err ? err : nvhi_json_add_string(o, "name", info.name);
	err = err ? err : nvhi_json_add_string(o, "state", info.state);
	err = err ? err
		  : list_address(o, info.transport, info.traddr, info.trsvcid, info.host_traddr,
				 info.host_iface);
	if (info.local[0])
		err = err ? err : list_src_addr(o, info.local);
	err = err ? err : nvhi_json_add_string(o, "nqn", info.subnqn);
	err = err ? err : nvhi_json_add_string(o, "serial", info.serial);
	err = err ? err : nvhi_json_add_string(o, "model", info.model);
	err = err ? err : nvhi_json_add_string(o, "firmware", info.firmware);
	err = err ? err : nvhi_json_add_u64(o, "cntlid", info.cntlid);
	err = err ? err : nvhi_json_add_bool(o, "discovery", info.discovery);
	err = err ? err : nvhi_json_add_string(o, "hostnqn", info.hostnqn);
	err = err ? err : nvhi_json_add_string(o, "hostid", info.hostid);
	err = err ? err : nvhi_json_add_u64(o, "nr_io_queues", info.nr_io_queues);
	err = err ? err : nvhi_json_add_u64(o, "queue_size", info.queue_size);
	err = err ? err : nvhi_json_add_u64(o, "keep_alive_tmo_ms", info.keep_alive_tmo_ms);
	err = err ? err : nvhi_json_add_u64(o, "max_transfer", info.max_transfer);
	err = err ? err : nvhi_json_add_u64(o, "reconnects", info.reconnects);
	err = err ? err : nvhi_json_add_u64(o, "queue_reconnects", info.queue_reconnects);
	if (info.last_message[0])
		err = err ? err : nvhi_json_add_string(o, "last_message", info.last_message);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* Saved connections that are not made yet: as controllers in the state "connecting". */
static struct json_object *list_pending(const struct nvd_conn *conn)
{
	const struct nvd_params *p = &conn->params;
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_string(o, "name", conn->name);
	err = err ? err : nvhi_json_add_string(o, "state", "connecting");
	err = err ? err
		  : list_address(o, p->transport, p->traddr, p->trsvcid, p->host_traddr,
				 p->host_iface);
	err = err ? err : nvhi_json_add_string(o, "nqn", p->nqn ? p->nqn : NVH_DISCOVERY_NQN);
	if (conn->last_message[0])
		err = err ? err : nvhi_json_add_string(o, "last_message", conn->last_message);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *list_ctrlrs(struct nvd_daemon *daemon)
{
	struct json_object *array = json_object_new_array();
	struct nvd_conn *conn;
	int err = array ? 0 : -ENOMEM;

	for (struct nvh_ctrlr *c = nvh_ctrlr_next(daemon->host, NULL); c && !err;
	     c = nvh_ctrlr_next(daemon->host, c)) {
		struct nvh_ctrlr_info info = {.size = sizeof(info)};

		/* One whose first connect is under way is listed below, by what was asked for. */
		nvh_ctrlr_info(c, &info);
		conn = nvd_conn_find(daemon, info.name);
		if (!conn || conn->ctrlr)
			err = nvhi_json_append(array, list_ctrlr(c));
	}
	nvhi_list_for_each(conn, &daemon->conns, link) {
		if (!conn->ctrlr && !err)
			err = nvhi_json_append(array, list_pending(conn));
	}
	if (err) {
		json_object_put(array);
		return NULL;
	}
	return array;
}

/* ---- namespaces --------------------------------------------------------------------------- */

static int list_latency(struct json_object *o, struct nvh_ns *ns, unsigned int index)
{
	struct nvh_latency l = {.size = sizeof(l)};
	int err = nvh_ns_path_latency(ns, index, false, &l);

	err = err ? err : nvhi_json_add(o, "read_latency", nvd_latency_to_json(&l, false));
	err = err ? err : nvh_ns_path_latency(ns, index, true, &l);
	return err ? err : nvhi_json_add(o, "write_latency", nvd_latency_to_json(&l, false));
}

static struct json_object *list_paths(struct nvh_ns *ns)
{
	struct json_object *array = json_object_new_array();
	struct nvh_path_info path = {.size = sizeof(path)};
	int err = array ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && nvh_ns_path_info(ns, i, &path) == 0; i++) {
		struct json_object *o = json_object_new_object();

		err = o ? 0 : -ENOMEM;
		err = err ? err : nvhi_json_add_string(o, "controller", path.ctrlr_name);
		err = err ? err : nvhi_json_add_string(o, "state", path.state);
		err = err ? err
			  : nvhi_json_add_string(o, "ana_state",
						 path.ana_state ? path.ana_state : "");
		err = err ? err : nvhi_json_add_u64(o, "ana_group", path.ana_group);
		err = err ? err : nvhi_json_add_u64(o, "inflight", path.inflight);
		err = err ? err : nvhi_json_add_u64(o, "ios", path.ios);
		err = err ? err : nvhi_json_add_u64(o, "errors", path.errors);
		err = err ? err : list_latency(o, ns, i);
		if (err)
			json_object_put(o);
		else
			err = nvhi_json_append(array, o);
	}
	if (err) {
		json_object_put(array);
		return NULL;
	}
	return array;
}

static struct json_object *list_files(struct nvd_daemon *daemon, struct nvh_ns *ns)
{
	struct json_object *array = json_object_new_array();
	struct nvd_mount *mount;
	char path[NVD_PATH_MAX];

	nvhi_list_for_each(mount, &daemon->mounts, link) {
		if (array && mount->state == NVD_MOUNT_MOUNTED &&
		    nvf_ns_path(mount->mount, ns, path, sizeof(path)) == 0 &&
		    nvhi_json_append(array, json_object_new_string(path))) {
			json_object_put(array);
			return NULL;
		}
	}
	return array;
}

static int list_hedge(struct json_object *o, const struct nvh_hedge_info *hedge)
{
	struct json_object *counts = json_object_new_object();
	int err = counts ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_u64(counts, "reads", hedge->reads);
	err = err ? err : nvhi_json_add_u64(counts, "sent", hedge->sent);
	err = err ? err : nvhi_json_add_u64(counts, "won", hedge->won);
	if (err) {
		json_object_put(counts);
		return err;
	}
	return nvhi_json_add(o, "hedged_reads", counts);
}

static struct json_object *list_ns(struct nvd_daemon *daemon, struct nvh_ns *ns)
{
	struct nvh_hedge_info hedge = {.size = sizeof(hedge)};
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct json_object *o = json_object_new_object();
	int err = o ? 0 : -ENOMEM;

	nvh_ns_info(ns, &info);
	err = err ? err : nvhi_json_add_string(o, "name", info.name);
	err = err ? err : nvhi_json_add_string(o, "nqn", info.subnqn);
	err = err ? err : nvhi_json_add_u64(o, "nsid", info.nsid);
	err = err ? err : nvhi_json_add_u64(o, "nr_blocks", info.nr_blocks);
	err = err ? err : nvhi_json_add_u64(o, "block_size", info.block_size);
	err = err ? err : nvhi_json_add_u64(o, "metadata_size", info.metadata_size);
	err = err ? err : nvhi_json_add_u64(o, "max_transfer", info.max_transfer);
	err = err ? err : nvhi_json_add_bool(o, "read_only", info.read_only);
	if (info.csi)
		err = err ? err : nvhi_json_add_u64(o, "csi", info.csi);
	err = err ? err : nvhi_json_add_bool(o, "io_supported", info.io_supported);
	if (info.has_uuid)
		err = err ? err : list_uuid(o, info.uuid);
	if (info.has_nguid)
		err = err ? err : list_hex(o, "nguid", info.nguid, 16);
	if (info.has_eui64)
		err = err ? err : list_hex(o, "eui64", info.eui64, 8);
	err = err ? err : nvhi_json_add_string(o, "policy", nvh_ns_policy(ns));
	nvh_ns_hedge_info(ns, &hedge);
	if (hedge.on)
		err = err ? err : list_hedge(o, &hedge);
	if (nvh_ns_no_path_ns(ns) != UINT64_MAX) /* else: no bound */
		err = err ? err
			  : nvhi_json_add_u64(o, "no_path_ms", nvh_ns_no_path_ns(ns) / 1000000);
	err = err ? err : nvhi_json_add(o, "paths", list_paths(ns));
	err = err ? err : nvhi_json_add(o, "files", list_files(daemon, ns));
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *list_all(struct nvd_daemon *daemon)
{
	struct json_object *root = json_object_new_object();
	struct json_object *nss = json_object_new_array();
	char hostid[37];
	int err = root && nss ? 0 : -ENOMEM;

	nvh_host_id(daemon->host, hostid);
	for (struct nvh_ns *ns = nvh_ns_next(daemon->host, NULL); ns && !err;
	     ns = nvh_ns_next(daemon->host, ns))
		err = nvhi_json_append(nss, list_ns(daemon, ns));
	err = err ? err : nvhi_json_add_string(root, "hostnqn", nvh_host_nqn(daemon->host));
	err = err ? err : nvhi_json_add_string(root, "hostid", hostid);
	err = err ? err : nvhi_json_add(root, "controllers", list_ctrlrs(daemon));
	if (err) {
		json_object_put(nss);
		json_object_put(root);
		return NULL;
	}
	if (nvhi_json_add(root, "namespaces", nss)) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

static void rpc_list_subsys(struct nvhi_rpc_call *call)
{
	nvhi_rpc_reply(call, list_all(nvhi_rpc_owner(call)));
}

/* ---- list: with the blocks in use, which only Identify tells -------------------------------- */

#define LIST_PARALLEL 8

struct list_use {
	struct list_work *work;
	struct json_object *o; /* the namespace's object in the result */
	struct nvh_id_ns *id;
};

struct list_work {
	struct nvhi_rpc_call *call;
	struct nvd_daemon *daemon;
	struct json_object *root, *nss;
	size_t next;
	unsigned int pending;
	struct list_use uses[LIST_PARALLEL];
};

static void list_fill(struct list_work *work, struct list_use *use);

static void list_finish(struct list_work *work)
{
	if (work->pending)
		return;
	for (int i = 0; i < LIST_PARALLEL; i++)
		free(work->uses[i].id);
	nvhi_rpc_reply(work->call, work->root);
	free(work);
}

static void list_identified(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct list_use *use = arg;
	struct list_work *work = use->work;

	if (!err && !nvh_cpl_is_error(cpl))
		nvhi_json_add_u64(use->o, "nuse", nvh_le64_get(use->id->nuse));
	work->pending--;
	list_fill(work, use);
	list_finish(work);
}

/* Takes the next namespace that has a live path. One that cannot be asked just lacks "nuse". */
static void list_fill(struct list_work *work, struct list_use *use)
{
	while (work->next < json_object_array_length(work->nss)) {
		struct nvh_cmd cmd = {.opc = NVH_ADM_IDENTIFY};
		struct nvd_target target;
		struct json_object *name;
		char err[256];

		use->o = json_object_array_get_idx(work->nss, work->next++);
		json_object_object_get_ex(use->o, "name", &name);
		if (nvd_target_find(work->daemon, json_object_get_string(name), &target, err,
				    sizeof(err)) < 0 ||
		    !target.ctrlr)
			continue;
		nvh_le32_put(&cmd.nsid, target.nsid);
		nvh_le32_put(&cmd.cdw10, NVH_CNS_NS);
		if (nvh_admin_submit(target.ctrlr, &cmd, use->id, sizeof(*use->id), 2000,
				     list_identified, use) < 0)
			continue;
		work->pending++;
		return;
	}
}

static void rpc_list(struct nvhi_rpc_call *call)
{
	struct list_work *work = calloc(1, sizeof(*work));

	if (!work) {
		nvhi_rpc_errno(call, -ENOMEM, "list");
		return;
	}
	work->call = call;
	work->daemon = nvhi_rpc_owner(call);
	work->root = list_all(work->daemon);
	if (!work->root) {
		list_finish(work);
		return;
	}
	json_object_object_get_ex(work->root, "namespaces", &work->nss);
	work->pending = 1; /* until all are started */
	for (int i = 0; i < LIST_PARALLEL; i++) {
		work->uses[i].work = work;
		work->uses[i].id = malloc(sizeof(*work->uses[i].id));
		if (work->uses[i].id)
			list_fill(work, &work->uses[i]);
	}
	work->pending--;
	list_finish(work);
}

/* ---- resolve ------------------------------------------------------------------------------ */

struct rpc_resolve_params {
	const char *device;
};

static const struct nvhi_json_field rpc_resolve_fields[] = {
	NVHI_JSON_FIELD(rpc_resolve_params, device, STRING, NVHI_JSON_REQUIRED,
			.help = "nvh0, nvh0n1, a by-id name, NQN:NSID, a mounted file"),
	NVHI_JSON_END,
};

static struct json_object *resolve_result(struct nvd_daemon *daemon,
					  const struct nvd_target *target)
{
	struct json_object *root = json_object_new_object();
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct nvd_conn *conn = NULL;
	int err = root ? 0 : -ENOMEM;

	if (target->ctrlr) {
		nvh_ctrlr_info(target->ctrlr, &info);
		conn = nvd_conn_find(daemon, info.name);
		err = err ? err : nvhi_json_add(root, "controller", list_ctrlr(target->ctrlr));
	}
	if (conn)
		err = err ? err
			  : nvhi_json_add(root, "connection", nvd_params_to_json(&conn->params));
	if (target->ns)
		err = err ? err : nvhi_json_add(root, "namespace", list_ns(daemon, target->ns));
	if (err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

static void rpc_resolve(struct nvhi_rpc_call *call)
{
	struct rpc_resolve_params params = {0};
	struct nvd_target target;
	char err[512];

	if (nvhi_rpc_decode(call, &params) < 0)
		return;
	if (nvd_target_find(nvhi_rpc_owner(call), params.device, &target, err, sizeof(err)) < 0)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
	else
		nvhi_rpc_reply(call, resolve_result(nvhi_rpc_owner(call), &target));
}

const struct nvhi_rpc_method nvd_rpc_list_methods[] = {
	{.name = "list", .fn = rpc_list, .help = "controllers and namespaces, with blocks in use"},
	{.name = "list_subsys", .fn = rpc_list_subsys, .help = "the same, as known already"},
	{.name = "resolve",
	 .fn = rpc_resolve,
	 .params = rpc_resolve_fields,
	 .help = "what a name stands for"},
	{.name = NULL},
};
