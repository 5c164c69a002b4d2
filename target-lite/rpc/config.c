/*
 * The configuration as a list of calls: save_config and load_config here, framework_get_subsystems
 * and framework_get_config for rpc.py, which does the same from its own side. A load runs the calls
 * one after the other; when one fails, what the earlier ones made is undone again, last first.
 * Management reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "target-lite/rpc/impl.h"

#define CONFIG_FILE_MAX (64u << 20)

int tl_rpc_config_add(struct json_object *config, const char *method, struct json_object *params)
{
	struct json_object *entry = json_object_new_object();
	int failed = nvhi_json_add_string(entry, "method", method);

	failed |= nvhi_json_add(entry, "params", params);
	return failed | nvhi_json_append(config, entry);
}

/* ---- saving ------------------------------------------------------------------------------- */

static int nvmf_config(struct tl_target *target, struct json_object *config)
{
	int failed = tl_rpc_transport_config(target, config);

	failed |= tl_rpc_discovery_config(target, config);
	return failed | tl_rpc_subsystem_config(target, config);
}

static const struct config_part {
	const char *name, *depends_on;
	int (*config)(struct tl_target *target, struct json_object *config);
} config_parts[] = {
	{"bdev", NULL, tl_rpc_bdev_config},
	{"nvmf", "bdev", nvmf_config},
};

static struct json_object *part_config(const struct config_part *part, struct tl_target *target)
{
	struct json_object *config = json_object_new_array();

	return tl_rpc_built(config, part->config(target, config));
}

static struct json_object *whole_config(struct tl_target *target)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_array();
	int failed = 0;

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(config_parts); i++) {
		struct json_object *part = json_object_new_object();

		failed |= nvhi_json_add_string(part, "subsystem", config_parts[i].name);
		failed |= nvhi_json_add(part, "config", part_config(&config_parts[i], target));
		failed |= nvhi_json_append(list, part);
	}
	failed |= nvhi_json_add(root, "subsystems", list);
	return tl_rpc_built(root, failed);
}

struct config_params {
	const char *filename;
	struct json_object *subsystems;
};
static const struct nvhi_json_field save_fields[] = {
	NVHI_JSON_FIELD(config_params, filename, STRING,
			.help = "write it there, mode 0600, instead of giving it"),
	NVHI_JSON_END,
};

static void save_config(struct nvhi_rpc_call *call)
{
	struct config_params p = {0};
	struct json_object *root;
	int rc;

	if (nvhi_rpc_decode(call, &p))
		return;
	root = whole_config(tl_rpc_of(call)->target);
	if (!root || !p.filename) {
		nvhi_rpc_reply(call, root);
		return;
	}
	rc = nvhi_json_write_file(p.filename, root, 0600);
	json_object_put(root);
	if (rc)
		tl_rpc_fail(call, rc, "%.512s", p.filename);
	else
		nvhi_rpc_reply_bool(call, true);
}

static const struct nvhi_json_field no_fields[] = {NVHI_JSON_END};

static void framework_get_subsystems(struct nvhi_rpc_call *call)
{
	struct json_object *list;
	int failed = 0;

	if (nvhi_rpc_decode(call, NULL))
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(config_parts); i++) {
		struct json_object *part = json_object_new_object();
		struct json_object *depends = json_object_new_array();

		failed |= nvhi_json_add_string(part, "subsystem", config_parts[i].name);
		if (config_parts[i].depends_on)
			failed |= nvhi_json_append(
				depends, json_object_new_string(config_parts[i].depends_on));
		failed |= nvhi_json_add(part, "depends_on", depends);
		failed |= nvhi_json_append(list, part);
	}
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

struct get_config {
	const char *name;
	bool with_batches;
};
static const struct nvhi_json_field get_config_fields[] = {
	NVHI_JSON_FIELD(get_config, name, STRING, NVHI_JSON_REQUIRED, .help = "bdev or nvmf"),
	NVHI_JSON_FIELD(get_config, with_batches, BOOL, .help = "taken; there are no batches"),
	NVHI_JSON_END,
};

static void framework_get_config(struct nvhi_rpc_call *call)
{
	struct get_config p = {0};

	if (nvhi_rpc_decode(call, &p))
		return;
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(config_parts); i++) {
		if (strcmp(p.name, config_parts[i].name) == 0) {
			nvhi_rpc_reply(call,
				       part_config(&config_parts[i], tl_rpc_of(call)->target));
			return;
		}
	}
	tl_rpc_bad_param(call, "name", "'%.64s' is none of bdev, nvmf", p.name);
}

/* ---- loading ------------------------------------------------------------------------------ */

/* How to take back what a call made: the method, and which members of its parameters it needs. */
static const struct config_undo {
	const char *method, *undo;
	const char *keep[2];
	const char *result; /* the name under which the call's result is a parameter too */
	const char *base;   /* the parameter that, behind "EE_", is "name" */
} config_undos[] = {
	{"bdev_malloc_create", "bdev_malloc_delete", {NULL}, "name", NULL},
	{"bdev_null_create", "bdev_null_delete", {NULL}, "name", NULL},
	{"bdev_aio_create", "bdev_aio_delete", {NULL}, "name", NULL},
	{"bdev_delay_create", "bdev_delay_delete", {NULL}, "name", NULL},
	{"bdev_error_create", "bdev_error_delete", {NULL}, NULL, "base_name"},
	{"nvmf_create_subsystem", "nvmf_delete_subsystem", {"nqn"}, NULL, NULL},
	{"nvmf_subsystem_add_ns", "nvmf_subsystem_remove_ns", {"nqn"}, "nsid", NULL},
	{"nvmf_subsystem_add_host", "nvmf_subsystem_remove_host", {"nqn", "host"}, NULL, NULL},
	{"nvmf_subsystem_add_listener",
	 "nvmf_subsystem_remove_listener",
	 {"nqn", "listen_address"},
	 NULL,
	 NULL},
	{"nvmf_discovery_add_referral",
	 "nvmf_discovery_remove_referral",
	 {"address", "subnqn"},
	 NULL,
	 NULL},
};

struct config_load {
	struct nvhi_rpc_local local;
	struct tl_rpc *rpc; /* NULL once it is destroyed */
	struct nvhi_list link;
	struct json_object *entries; /* {"method", "params"} in order */
	struct json_object *undos;   /* likewise, to be run last first */
	size_t next;
	uint16_t crdt[3]; /* before */
	bool undoing, running, waiting;
	char failure[640];
	tl_rpc_loaded_fn done;
	void *arg;
};

static void load_run(struct config_load *load);

static void load_end(struct config_load *load)
{
	tl_rpc_loaded_fn done = load->done;
	void *arg = load->arg;
	char failure[sizeof(load->failure)];

	memcpy(failure, load->failure, sizeof(failure));
	if (load->undoing && load->rpc)
		tl_target_set_crdt(load->rpc->target, load->crdt);
	nvhi_list_del(&load->link);
	json_object_put(load->entries);
	json_object_put(load->undos);
	free(load);
	done(arg, failure[0] ? failure : NULL);
}

static struct json_object *undo_params(const struct config_undo *undo, struct json_object *params,
				       struct json_object *result)
{
	struct json_object *out = json_object_new_object(), *value;
	int failed = 0;

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(undo->keep) && undo->keep[i]; i++)
		if (json_object_object_get_ex(params, undo->keep[i], &value))
			failed |= nvhi_json_add(out, undo->keep[i], json_object_get(value));
	if (undo->result)
		failed |= nvhi_json_add(out, undo->result, json_object_get(result));
	if (undo->base && json_object_object_get_ex(params, undo->base, &value)) {
		char name[TL_BDEV_NAME_LEN + 4];

		snprintf(name, sizeof(name), "EE_%s", json_object_get_string(value));
		failed |= nvhi_json_add_string(out, "name", name);
	}
	return tl_rpc_built(out, failed);
}

/* Notes how to take back entry number `next`, which has just been done. */
static int note_undo(struct config_load *load, struct json_object *result)
{
	struct json_object *entry = json_object_array_get_idx(load->entries, load->next);
	const char *method = json_object_get_string(json_object_object_get(entry, "method"));
	struct json_object *params = json_object_object_get(entry, "params");

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(config_undos); i++)
		if (strcmp(config_undos[i].method, method) == 0)
			return tl_rpc_config_add(load->undos, config_undos[i].undo,
						 undo_params(&config_undos[i], params, result));
	return 0;
}

static void load_stepped(struct nvhi_rpc_local *local, struct json_object *result, int code,
			 const char *message)
{
	struct config_load *load = nvhi_container_of(local, struct config_load, local);
	struct json_object *entry = json_object_array_get_idx(load->entries, load->next);

	load->waiting = false;
	if (load->undoing) {
		if (message)
			nvhi_log(WARN, RPC, "load_config: undo: %s", message);
	} else if (message) {
		snprintf(load->failure, sizeof(load->failure), "entry %zu, %s: %s (%d)",
			 load->next + 1,
			 json_object_get_string(json_object_object_get(entry, "method")), message,
			 code);
	} else if (note_undo(load, result)) {
		snprintf(load->failure, sizeof(load->failure), "out of memory");
	}
	if (load->failure[0] && !load->undoing) {
		load->undoing = true;
		load->next = json_object_array_length(load->undos);
	} else if (!load->undoing) {
		load->next++;
	}
	if (!load->running)
		load_run(load);
}

static void load_call(struct config_load *load, struct json_object *entry)
{
	load->waiting = true;
	nvhi_rpc_server_call(load->rpc->server,
			     json_object_get_string(json_object_object_get(entry, "method")),
			     json_object_object_get(entry, "params"), &load->local);
}

/* Runs calls until one answers later; forwards, or after a failure backwards. */
static void load_run(struct config_load *load)
{
	bool finished = false;

	load->running = true;
	while (!load->waiting && !finished) {
		if (!load->rpc)
			finished = true;
		else if (!load->undoing && load->next < json_object_array_length(load->entries))
			load_call(load, json_object_array_get_idx(load->entries, load->next));
		else if (load->undoing && load->next > 0)
			load_call(load, json_object_array_get_idx(load->undos, --load->next));
		else
			finished = true;
	}
	load->running = false;
	if (finished)
		load_end(load);
}

/* Checks one entry and appends it. */
static int collect_entry(struct config_load *load, struct json_object *entry)
{
	struct json_object *method, *params;
	const struct nvhi_rpc_method *known = NULL;

	if (!json_object_object_get_ex(entry, "method", &method) ||
	    !json_object_is_type(method, json_type_string) ||
	    (json_object_object_get_ex(entry, "params", &params) && params &&
	     !json_object_is_type(params, json_type_object))) {
		snprintf(load->failure, sizeof(load->failure),
			 "entry %zu is no {\"method\": ..., \"params\": {...}}",
			 json_object_array_length(load->entries) + 1);
		return -EINVAL;
	}
	while ((known = nvhi_rpc_server_next_method(load->rpc->server, known)))
		if (strcmp(known->name, json_object_get_string(method)) == 0)
			break;
	if (!known || strcmp(known->name, "load_config") == 0) {
		snprintf(load->failure, sizeof(load->failure), "entry %zu: unknown method '%.100s'",
			 json_object_array_length(load->entries) + 1,
			 json_object_get_string(method));
		return -EINVAL;
	}
	return nvhi_json_append(load->entries, json_object_get(entry));
}

/* SPDK writes runs of like calls as arrays within the array. */
static int collect_config(struct config_load *load, struct json_object *config)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < json_object_array_length(config); i++) {
		struct json_object *entry = json_object_array_get_idx(config, i);

		if (json_object_is_type(entry, json_type_array))
			for (size_t k = 0; !rc && k < json_object_array_length(entry); k++)
				rc = collect_entry(load, json_object_array_get_idx(entry, k));
		else
			rc = collect_entry(load, entry);
	}
	return rc;
}

static int collect_parts(struct config_load *load, struct json_object *subsystems)
{
	struct json_object *config;
	int rc = 0;

	for (size_t i = 0; !rc && i < json_object_array_length(subsystems); i++) {
		struct json_object *part = json_object_array_get_idx(subsystems, i);

		if (!json_object_object_get_ex(part, "config", &config) ||
		    (config && !json_object_is_type(config, json_type_array))) {
			snprintf(load->failure, sizeof(load->failure),
				 "subsystems[%zu] is no {\"subsystem\": ..., \"config\": [...]}",
				 i);
			return -EINVAL;
		}
		rc = config ? collect_config(load, config) : 0;
	}
	return rc;
}

/* Takes over: done follows, perhaps at once. */
static void load_start(struct tl_rpc *rpc, struct json_object *subsystems, tl_rpc_loaded_fn done,
		       void *arg)
{
	struct config_load *load = calloc(1, sizeof(*load));
	int rc = -ENOMEM;

	if (!load) {
		done(arg, "out of memory");
		return;
	}
	load->local.fn = load_stepped;
	load->rpc = rpc;
	memcpy(load->crdt, rpc->target->crdt, sizeof(load->crdt));
	nvhi_list_add_tail(&rpc->loads, &load->link);
	load->done = done;
	load->arg = arg;
	load->entries = json_object_new_array();
	load->undos = json_object_new_array();
	if (load->entries && load->undos)
		rc = collect_parts(load, subsystems);
	if (rc == -ENOMEM)
		snprintf(load->failure, sizeof(load->failure), "out of memory");
	/* As SPDK: what a configuration file holds belongs to the running state. */
	if (!rc && !rpc->running)
		tl_rpc_framework_start(rpc);
	if (rc)
		load_end(load);
	else
		load_run(load);
}

void tl_rpc_loads_done(struct tl_rpc *rpc)
{
	struct config_load *load, *next;

	nvhi_list_for_each_safe(load, next, &rpc->loads, link) {
		nvhi_list_del(&load->link);
		load->rpc = NULL;
		if (!load->failure[0])
			snprintf(load->failure, sizeof(load->failure), "the target is stopping");
	}
}

static const struct nvhi_json_field file_fields[] = {
	NVHI_JSON_FIELD(config_params, subsystems, ARRAY, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};

void tl_rpc_load_file(struct tl_rpc *rpc, const char *path, tl_rpc_loaded_fn done, void *arg)
{
	struct config_params p = {0};
	struct json_object *root = NULL;
	char why[300], failure[512];
	int rc = nvhi_json_parse_file(path, CONFIG_FILE_MAX, &root, why, sizeof(why));

	if (!rc)
		rc = nvhi_json_decode(root, file_fields, &p, why, sizeof(why));
	if (rc) {
		snprintf(failure, sizeof(failure), "%.200s: %s", path, why);
		done(arg, failure);
	} else {
		load_start(rpc, p.subsystems, done, arg);
	}
	json_object_put(root);
}

static const struct nvhi_json_field load_fields[] = {
	NVHI_JSON_FIELD(config_params, subsystems, ARRAY, .help = "as save_config gives it"),
	NVHI_JSON_FIELD(config_params, filename, STRING, .help = "read it from there instead"),
	NVHI_JSON_END,
};

static void load_config_done(void *arg, const char *failure)
{
	struct nvhi_rpc_call *call = arg;

	if (failure)
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "load_config: %s", failure);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void load_config(struct nvhi_rpc_call *call)
{
	struct config_params p = {0};
	struct stat st;

	if (nvhi_rpc_decode(call, &p))
		return;
	if (!p.subsystems == !p.filename)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "Invalid parameters: one of 'subsystems' and 'filename' is needed");
	else if (p.filename && stat(p.filename, &st) == 0 && !S_ISREG(st.st_mode))
		tl_rpc_bad_param(call, "filename", "'%.512s' is no regular file", p.filename);
	else if (p.filename)
		tl_rpc_load_file(tl_rpc_of(call), p.filename, load_config_done, call);
	else
		load_start(tl_rpc_of(call), p.subsystems, load_config_done, call);
}

const struct nvhi_rpc_method tl_rpc_config_methods[] = {
	{"save_config", save_config, save_fields, "the calls that make all this again",
	 TL_RPC_RUNTIME},
	{"load_config", load_config, load_fields, "runs such calls, and undoes them when one fails",
	 TL_RPC_ANY},
	{"framework_get_subsystems", framework_get_subsystems, no_fields,
	 "the parts of a configuration", TL_RPC_RUNTIME},
	{"framework_get_config", framework_get_config, get_config_fields,
	 "the configuration of one part", TL_RPC_RUNTIME},
	{.name = NULL},
};
