/*
 * Subsystems: nvmf_create_subsystem, nvmf_delete_subsystem, nvmf_get_subsystems. Management
 * reactor.
 */
#include <errno.h>
#include <string.h>

#include "target-lite/rpc/impl.h"

/* ---- nvmf_create_subsystem ---------------------------------------------------------------- */

struct create_subsystem {
	struct tl_rpc_nqn name;
	const char *serial_number, *model_number, *admin_label;
	uint32_t max_namespaces, dmrsl;
	uint16_t min_cntlid, max_cntlid;
	uint8_t wzsl;
	bool allow_any_host, ana_reporting, passthrough, enable_nssr;
	const char *cross_controller_reset;
	uint16_t command_quiesce_time;
};

static const struct nvhi_json_field create_fields[] = {
	{.name = "nqn",
	 .type = NVHI_JSON_STRING,
	 .offset = offsetof(struct create_subsystem, name.nqn),
	 .required = true,
	 .help = "NQN of the subsystem"},
	{.name = "tgt_name",
	 .type = NVHI_JSON_STRING,
	 .offset = offsetof(struct create_subsystem, name.tgt_name)},
	NVHI_JSON_FIELD(create_subsystem, serial_number, STRING,
			.help = "at most 20 characters (zeroes)"),
	NVHI_JSON_FIELD(create_subsystem, model_number, STRING,
			.help = "at most 40 characters (SPDK bdev Controller)"),
	NVHI_JSON_FIELD(create_subsystem, admin_label, STRING, .help = "only empty"),
	NVHI_JSON_FIELD(create_subsystem, max_namespaces, U32, .max = 65536,
			.help = "highest NSID (32)"),
	NVHI_JSON_FIELD(create_subsystem, allow_any_host, BOOL, .help = "no host list (false)"),
	NVHI_JSON_FIELD(create_subsystem, ana_reporting, BOOL, .help = "report ANA (false)"),
	NVHI_JSON_FIELD(create_subsystem, min_cntlid, U16, .min = 1, .max = 0xffef,
			.help = "first controller ID (1)"),
	NVHI_JSON_FIELD(create_subsystem, max_cntlid, U16, .min = 1, .max = 0xffef,
			.help = "last controller ID (65519)"),
	NVHI_JSON_FIELD(create_subsystem, cross_controller_reset, STRING, .max_len = 15,
			.help = "offer it, answered when done (immediate) or when accepted "
				"(later), or not (off)"),
	NVHI_JSON_FIELD(create_subsystem, command_quiesce_time, U16,
			.help = "CQT in ms (0: not told)"),
	NVHI_JSON_FIELD(create_subsystem, dmrsl, U32,
			.help = "blocks a range of a deallocation may have (0: no limit)"),
	NVHI_JSON_FIELD(create_subsystem, wzsl, U8, .max = 20,
			.help = "Write Zeroes: 4 KiB << wzsl at most (0: no limit)"),
	NVHI_JSON_FIELD(create_subsystem, passthrough, BOOL, .help = "only false"),
	NVHI_JSON_FIELD(create_subsystem, enable_nssr, BOOL, .help = "only false"),
	NVHI_JSON_END,
};

/* Non-zero: asks for what is not here, and has been answered. */
static int check_create(struct nvhi_rpc_call *call, const struct create_subsystem *p)
{
	const char *lacking = p->admin_label && p->admin_label[0] ? "admin_label"
			      : p->passthrough                    ? "passthrough"
			      : p->enable_nssr                    ? "enable_nssr"
								  : NULL;

	if (lacking)
		tl_rpc_unsupported(call, lacking);
	else if (p->min_cntlid > p->max_cntlid)
		tl_rpc_bad_param(call, "min_cntlid", "%u is above max_cntlid %u", p->min_cntlid,
				 p->max_cntlid);
	else
		return 0;
	return -EINVAL;
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

/* Serial and model number: what the controller data structure has room for. */
static int check_text(struct nvhi_rpc_call *call, const char *name, const char *text, size_t max)
{
	if (!text || (strlen(text) <= max && printable(text)))
		return 0;
	tl_rpc_bad_param(call, name, "'%.64s' is not at most %zu printable ASCII characters", text,
			 max);
	return -EINVAL;
}

static const char *const ccr_modes[] = {
	[TL_CCR_OFF] = "off",
	[TL_CCR_IMMEDIATE] = "immediate",
	[TL_CCR_LATER] = "later",
};

static int check_ccr(struct nvhi_rpc_call *call, const char *text, enum tl_ccr_mode *ret_mode)
{
	if (!text)
		return 0;
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(ccr_modes); i++)
		if (!strcmp(text, ccr_modes[i])) {
			*ret_mode = (enum tl_ccr_mode)i;
			return 0;
		}
	tl_rpc_bad_param(call, "cross_controller_reset", "'%.16s': not off, immediate or later",
			 text);
	return -EINVAL;
}

static void ignored(void *arg, int err)
{
	(void)arg;
	(void)err;
}

/* A subsystem that could not be started is none. */
static void started(void *arg, int err)
{
	struct nvhi_rpc_call *call = arg;
	struct tl_rpc *rpc = tl_rpc_of(call);
	struct json_object *nqn = json_object_object_get(nvhi_rpc_params(call), "nqn");
	struct tl_subsystem *ss = NULL;

	if (err && rpc)
		ss = tl_target_find_subsystem(rpc->target, json_object_get_string(nqn));
	if (ss)
		tl_subsystem_delete(ss, ignored, NULL);
	tl_rpc_done(call, err);
}

static void nvmf_create_subsystem(struct nvhi_rpc_call *call)
{
	struct create_subsystem p = {.min_cntlid = 1, .max_cntlid = 0xffef};
	enum tl_ccr_mode ccr = TL_CCR_IMMEDIATE;
	struct tl_subsystem *ss;
	struct tl_target *target;
	int rc;

	if (nvhi_rpc_decode(call, &p))
		return;
	target = tl_rpc_target(call, p.name.tgt_name);
	if (!target || check_create(call, &p) ||
	    check_ccr(call, p.cross_controller_reset, &ccr) ||
	    check_text(call, "serial_number", p.serial_number, 20) ||
	    check_text(call, "model_number", p.model_number, 40))
		return;
	if (!tl_nqn_valid(p.name.nqn)) {
		tl_rpc_bad_param(
			call, "nqn",
			"'%.230s' is no NQN (nqn.YYYY-MM.REVERSE.DOMAIN:NAME, at most 223 bytes)",
			p.name.nqn);
		return;
	}
	rc = tl_subsystem_create(target,
				 &(struct tl_subsystem_opts){
					 .nqn = p.name.nqn,
					 .serial_number = p.serial_number,
					 .model_number = p.model_number,
					 .max_namespaces = p.max_namespaces,
					 .allow_any_host = p.allow_any_host,
					 .ana_reporting = p.ana_reporting,
					 .ccr = ccr,
					 .cqt_ms = p.command_quiesce_time,
					 .dmrsl = p.dmrsl,
					 .wzsl = p.wzsl,
					 .min_cntlid = p.min_cntlid,
					 .max_cntlid = p.max_cntlid,
				 },
				 &ss);
	if (rc == -EEXIST)
		tl_rpc_bad_param(call, "nqn", "subsystem '%s' exists already", p.name.nqn);
	else if (rc)
		tl_rpc_fail(call, rc, "%s", p.name.nqn);
	else
		tl_subsystem_start(ss, started, call);
}

/* ---- nvmf_delete_subsystem ---------------------------------------------------------------- */

static const struct nvhi_json_field nqn_fields[] = {
	NVHI_JSON_FIELD(tl_rpc_nqn, nqn, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(tl_rpc_nqn, tgt_name, STRING),
	NVHI_JSON_END,
};

static void nvmf_delete_subsystem(struct nvhi_rpc_call *call)
{
	struct tl_rpc_nqn p = {0};
	struct tl_subsystem *ss;
	int rc;

	if (nvhi_rpc_decode(call, &p))
		return;
	ss = tl_rpc_subsystem(call, &p);
	if (!ss)
		return;
	rc = tl_subsystem_delete(ss, tl_rpc_done, call);
	if (rc == -EPERM)
		tl_rpc_bad_param(call, "nqn", "the discovery subsystem cannot be deleted");
	else if (rc)
		tl_rpc_done(call, rc);
}

/* ---- nvmf_get_subsystems ------------------------------------------------------------------ */

static struct json_object *listen_addresses(const struct tl_subsystem *ss)
{
	struct json_object *list = json_object_new_array();
	struct tl_subsystem_listener *listener;
	int failed = 0;

	nvhi_list_for_each(listener, &ss->listeners, link)
		if (listener->listener)
			failed |= nvhi_json_append(list, tl_rpc_addr_object(&listener->addr));
	return tl_rpc_built(list, failed);
}

static struct json_object *hosts(const struct tl_subsystem *ss)
{
	struct json_object *list = json_object_new_array();
	struct tl_host *host;
	int failed = 0;

	nvhi_list_for_each(host, &ss->hosts, link) {
		struct json_object *object = json_object_new_object();

		failed |= nvhi_json_add_string(object, "nqn", host->nqn);
		failed |= nvhi_json_append(list, object);
	}
	return tl_rpc_built(list, failed);
}

static struct json_object *ns_object(const struct tl_ns *ns)
{
	struct json_object *object = json_object_new_object();
	int failed = nvhi_json_add_u64(object, "nsid", ns->nsid);

	failed |= nvhi_json_add_string(object, "bdev_name", ns->bdev->name);
	failed |= nvhi_json_add_string(object, "name", ns->bdev->name);
	if (!tl_rpc_all_zero(ns->nguid, sizeof(ns->nguid)))
		failed |= tl_rpc_add_hex(object, "nguid", ns->nguid, sizeof(ns->nguid));
	if (!tl_rpc_all_zero(ns->eui64, sizeof(ns->eui64)))
		failed |= tl_rpc_add_hex(object, "eui64", ns->eui64, sizeof(ns->eui64));
	if (!tl_rpc_all_zero(ns->uuid, sizeof(ns->uuid)))
		failed |= tl_rpc_add_uuid(object, "uuid", ns->uuid);
	if (ns->subsystem->ana_reporting)
		failed |= nvhi_json_add_u64(object, "anagrpid", ns->anagrpid);
	return tl_rpc_built(object, failed);
}

static struct json_object *namespaces(const struct tl_subsystem *ss)
{
	struct json_object *list = json_object_new_array();
	int failed = 0;

	for (uint32_t nsid = 1; nsid <= ss->max_nsid; nsid++)
		if (tl_subsystem_ns(ss, nsid))
			failed |= nvhi_json_append(list, ns_object(tl_subsystem_ns(ss, nsid)));
	return tl_rpc_built(list, failed);
}

static struct json_object *subsystem_object(const struct tl_subsystem *ss)
{
	struct json_object *object = json_object_new_object();
	bool nvm = ss->type == TL_SUBSYSTEM_NVM;
	int failed = nvhi_json_add_string(object, "nqn", ss->nqn);

	failed |= nvhi_json_add_string(object, "subtype", nvm ? "NVMe" : "Discovery");
	failed |= nvhi_json_add(object, "listen_addresses", listen_addresses(ss));
	failed |= nvhi_json_add_bool(object, "allow_any_host", ss->allow_any_host);
	failed |= nvhi_json_add(object, "hosts", hosts(ss));
	if (!nvm)
		return tl_rpc_built(object, failed);
	failed |= nvhi_json_add_string(object, "serial_number", ss->serial);
	failed |= nvhi_json_add_string(object, "model_number", ss->model);
	failed |= nvhi_json_add_u64(object, "max_namespaces", ss->max_nsid);
	failed |= nvhi_json_add_bool(object, "passthrough", false);
	failed |= nvhi_json_add_u64(object, "min_cntlid", ss->min_cntlid);
	failed |= nvhi_json_add_u64(object, "max_cntlid", ss->max_cntlid);
	failed |= nvhi_json_add_u64(object, "dmrsl", ss->dmrsl);
	failed |= nvhi_json_add_u64(object, "wzsl", ss->wzsl);
	failed |= nvhi_json_add(object, "namespaces", namespaces(ss));
	return tl_rpc_built(object, failed);
}

static const struct nvhi_json_field get_fields[] = {
	NVHI_JSON_FIELD(tl_rpc_nqn, nqn, STRING, .help = "only this one"),
	NVHI_JSON_FIELD(tl_rpc_nqn, tgt_name, STRING),
	NVHI_JSON_END,
};

static void nvmf_get_subsystems(struct nvhi_rpc_call *call)
{
	struct tl_rpc_nqn p = {0};
	struct tl_subsystem *ss, *only = NULL;
	struct tl_target *target;
	struct json_object *list;
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	target = tl_rpc_target(call, p.tgt_name);
	if (!target)
		return;
	if (p.nqn) {
		only = tl_rpc_subsystem(call, &p);
		if (!only)
			return;
	}
	list = json_object_new_array();
	nvhi_list_for_each(ss, &target->subsystems, link)
		if ((!only || only == ss) && !ss->deleting)
			failed |= nvhi_json_append(list, subsystem_object(ss));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

/* ---- configuration ------------------------------------------------------------------------ */

static int create_config(const struct tl_subsystem *ss, struct json_object *config)
{
	struct json_object *params = json_object_new_object();
	int failed = nvhi_json_add_string(params, "nqn", ss->nqn);

	failed |= nvhi_json_add_bool(params, "allow_any_host", ss->allow_any_host);
	failed |= nvhi_json_add_string(params, "serial_number", ss->serial);
	failed |= nvhi_json_add_string(params, "model_number", ss->model);
	failed |= nvhi_json_add_u64(params, "max_namespaces", ss->max_nsid);
	failed |= nvhi_json_add_u64(params, "min_cntlid", ss->min_cntlid);
	failed |= nvhi_json_add_u64(params, "max_cntlid", ss->max_cntlid);
	failed |= nvhi_json_add_bool(params, "ana_reporting", ss->ana_reporting);
	if (ss->ccr != TL_CCR_IMMEDIATE)
		failed |= nvhi_json_add_string(params, "cross_controller_reset",
					       ccr_modes[ss->ccr]);
	if (ss->cqt_ms)
		failed |= nvhi_json_add_u64(params, "command_quiesce_time", ss->cqt_ms);
	if (ss->dmrsl)
		failed |= nvhi_json_add_u64(params, "dmrsl", ss->dmrsl);
	if (ss->wzsl)
		failed |= nvhi_json_add_u64(params, "wzsl", ss->wzsl);
	return failed | tl_rpc_config_add(config, "nvmf_create_subsystem", params);
}

int tl_rpc_subsystem_config(struct tl_target *target, struct json_object *config)
{
	struct tl_subsystem *ss;
	int failed = 0;

	nvhi_list_for_each(ss, &target->subsystems, link) {
		if (ss->deleting)
			continue;
		if (ss->type == TL_SUBSYSTEM_NVM)
			failed |= create_config(ss, config);
		failed |= tl_rpc_host_config(ss, config);
		failed |= tl_rpc_ns_config(ss, config);
		failed |= tl_rpc_listener_config(ss, config);
	}
	return failed;
}

const struct nvhi_rpc_method tl_rpc_subsystem_methods[] = {
	{"nvmf_create_subsystem", nvmf_create_subsystem, create_fields, "makes a subsystem",
	 TL_RPC_RUNTIME},
	{"nvmf_delete_subsystem", nvmf_delete_subsystem, nqn_fields,
	 "disconnects its hosts and deletes it", TL_RPC_RUNTIME},
	{"nvmf_get_subsystems", nvmf_get_subsystems, get_fields, "subsystems and what is in them",
	 TL_RPC_RUNTIME},
	{.name = NULL},
};
