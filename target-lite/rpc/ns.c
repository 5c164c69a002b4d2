/*
 * Namespaces of a subsystem: nvmf_subsystem_add_ns, _remove_ns, _set_ns_ana_group. Management
 * reactor.
 */
#include <errno.h>
#include <string.h>

#include "target-lite/rpc/impl.h"

/* ---- add ---------------------------------------------------------------------------------- */

struct ns_namespace {
	uint32_t nsid, anagrpid;
	const char *bdev_name, *nguid, *eui64, *uuid, *ptpl_file;
	bool no_auto_visible, hide_metadata;
};
static const struct nvhi_json_field namespace_fields[] = {
	NVHI_JSON_FIELD(ns_namespace, nsid, U32, .max = 0xfffffffe, .help = "0: the lowest free"),
	NVHI_JSON_FIELD(ns_namespace, bdev_name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(ns_namespace, nguid, STRING, .help = "32 hex digits"),
	NVHI_JSON_FIELD(ns_namespace, eui64, STRING, .help = "16 hex digits"),
	NVHI_JSON_FIELD(ns_namespace, uuid, STRING, .help = "(the bdev's)"),
	NVHI_JSON_FIELD(ns_namespace, ptpl_file, STRING, .help = "not supported"),
	NVHI_JSON_FIELD(ns_namespace, anagrpid, U32, .help = "ANA group (the NSID)"),
	NVHI_JSON_FIELD(ns_namespace, no_auto_visible, BOOL, .help = "only false"),
	NVHI_JSON_FIELD(ns_namespace, hide_metadata, BOOL, .help = "only false"),
	NVHI_JSON_END,
};

struct add_ns {
	struct tl_rpc_nqn name;
	struct ns_namespace namespace;
};
static const struct nvhi_json_field add_fields[] = {
	{.name = "nqn",
	 .type = NVHI_JSON_STRING,
	 .required = true,
	 .offset = offsetof(struct add_ns, name.nqn)},
	{.name = "tgt_name",
	 .type = NVHI_JSON_STRING,
	 .offset = offsetof(struct add_ns, name.tgt_name)},
	NVHI_JSON_FIELD(add_ns, namespace, STRUCT, NVHI_JSON_REQUIRED, .fields = namespace_fields,
			.help = "{bdev_name, nsid?, nguid?, eui64?, uuid?, anagrpid?}"),
	NVHI_JSON_END,
};

/* Non-zero: answered. */
static int ns_opts(struct nvhi_rpc_call *call, const struct ns_namespace *p,
		   struct tl_ns_opts *opts)
{
	*opts = (struct tl_ns_opts){
		.bdev_name = p->bdev_name, .nsid = p->nsid, .anagrpid = p->anagrpid};
	if (p->ptpl_file)
		tl_rpc_unsupported(call, "namespace.ptpl_file");
	else if (p->no_auto_visible)
		tl_rpc_unsupported(call, "namespace.no_auto_visible");
	else if (p->hide_metadata)
		tl_rpc_unsupported(call, "namespace.hide_metadata");
	else if (p->nguid && tl_rpc_parse_hex(p->nguid, opts->nguid, sizeof(opts->nguid)))
		tl_rpc_bad_param(call, "namespace.nguid", "'%.64s' is not 32 hex digits", p->nguid);
	else if (p->eui64 && tl_rpc_parse_hex(p->eui64, opts->eui64, sizeof(opts->eui64)))
		tl_rpc_bad_param(call, "namespace.eui64", "'%.64s' is not 16 hex digits", p->eui64);
	else if (p->uuid && tl_rpc_parse_uuid(p->uuid, opts->uuid))
		tl_rpc_bad_param(call, "namespace.uuid", "'%.64s' is no UUID", p->uuid);
	else
		return 0;
	return -EINVAL;
}

static void add_done(void *arg, int err)
{
	struct nvhi_rpc_call *call = arg;
	uint32_t nsid = (uint32_t)(uintptr_t)nvhi_rpc_context(call);

	if (err)
		tl_rpc_done(call, err);
	else
		nvhi_rpc_reply(call, json_object_new_uint64(nsid));
}

static void add_failed(struct nvhi_rpc_call *call, const struct tl_subsystem *ss,
		       const struct ns_namespace *p, int err)
{
	switch (err) {
	case -ENODEV:
		tl_rpc_bad_param(call, "namespace.bdev_name", "there is no bdev '%.255s'",
				 p->bdev_name);
		break;
	case -EEXIST:
		tl_rpc_bad_param(call, "namespace.nsid", "%u is taken in %s", p->nsid, ss->nqn);
		break;
	case -EINVAL:
		tl_rpc_bad_param(
			call, p->nsid > ss->max_nsid ? "namespace.nsid" : "namespace.anagrpid",
			"%u is out of range (1 to %u, the max_namespaces of %s)",
			p->nsid > ss->max_nsid ? p->nsid : p->anagrpid, ss->max_nsid, ss->nqn);
		break;
	case -ENOSPC:
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR,
			       "%s has its max_namespaces of %u already", ss->nqn, ss->max_nsid);
		break;
	default:
		tl_rpc_done(call, err);
		break;
	}
}

static void nvmf_subsystem_add_ns(struct nvhi_rpc_call *call)
{
	struct add_ns p = {0};
	struct tl_ns_opts opts;
	struct tl_subsystem *ss;
	struct tl_bdev *bdev;
	uint32_t nsid = 0;
	int rc;

	if (nvhi_rpc_decode(call, &p))
		return;
	ss = tl_rpc_subsystem(call, &p.name);
	if (!ss || ns_opts(call, &p.namespace, &opts))
		return;
	if (ss->type != TL_SUBSYSTEM_NVM) {
		tl_rpc_bad_param(call, "nqn", "the discovery subsystem has no namespaces");
		return;
	}
	/* As in SPDK, a namespace has its bdev for itself. */
	bdev = tl_bdev_find(&ss->target->bdevs, opts.bdev_name);
	if (bdev && !nvhi_list_empty(&bdev->users)) {
		tl_rpc_bad_param(call, "namespace.bdev_name",
				 "'%.255s' is in use by another namespace or bdev", opts.bdev_name);
		return;
	}
	rc = tl_subsystem_add_ns(ss, &opts, add_done, call, &nsid);
	if (rc)
		add_failed(call, ss, &p.namespace, rc);
	else
		nvhi_rpc_set_context(call, (void *)(uintptr_t)nsid);
}

/* ---- remove and ANA group ----------------------------------------------------------------- */

struct ns_ref {
	struct tl_rpc_nqn name;
	uint32_t nsid, anagrpid;
};
#define NS_REF_FIELDS                                                                              \
	{.name = "nqn",                                                                            \
	 .type = NVHI_JSON_STRING,                                                                 \
	 .required = true,                                                                         \
	 .offset = offsetof(struct ns_ref, name.nqn)},                                             \
		{.name = "tgt_name",                                                               \
		 .type = NVHI_JSON_STRING,                                                         \
		 .offset = offsetof(struct ns_ref, name.tgt_name)},                                \
		NVHI_JSON_FIELD(ns_ref, nsid, U32, NVHI_JSON_REQUIRED, .min = 1,                   \
				.max = 0xfffffffe)

static void no_ns(struct nvhi_rpc_call *call, const struct tl_subsystem *ss, uint32_t nsid)
{
	tl_rpc_bad_param(call, "nsid", "%s has no namespace %u", ss->nqn, nsid);
}

static const struct nvhi_json_field remove_fields[] = {
	NS_REF_FIELDS,
	NVHI_JSON_END,
};

static void nvmf_subsystem_remove_ns(struct nvhi_rpc_call *call)
{
	struct ns_ref p = {0};
	struct tl_subsystem *ss;
	int rc;

	if (nvhi_rpc_decode(call, &p))
		return;
	ss = tl_rpc_subsystem(call, &p.name);
	if (!ss)
		return;
	rc = tl_subsystem_remove_ns(ss, p.nsid, tl_rpc_done, call);
	if (rc == -ENOENT)
		no_ns(call, ss, p.nsid);
	else if (rc)
		tl_rpc_done(call, rc);
}

static const struct nvhi_json_field group_fields[] = {
	NS_REF_FIELDS,
	NVHI_JSON_FIELD(ns_ref, anagrpid, U32, NVHI_JSON_REQUIRED, .min = 1),
	NVHI_JSON_END,
};

static void nvmf_subsystem_set_ns_ana_group(struct nvhi_rpc_call *call)
{
	struct ns_ref p = {0};
	struct tl_subsystem *ss;
	int rc;

	if (nvhi_rpc_decode(call, &p))
		return;
	ss = tl_rpc_subsystem(call, &p.name);
	if (!ss)
		return;
	rc = tl_subsystem_set_ns_ana_group(ss, p.nsid, p.anagrpid, tl_rpc_done, call);
	if (rc == -ENOENT)
		no_ns(call, ss, p.nsid);
	else if (rc == -EINVAL)
		tl_rpc_bad_param(call, "anagrpid", "%u is out of range (1 to %u)", p.anagrpid,
				 ss->max_nsid);
	else if (rc)
		tl_rpc_done(call, rc);
}

/* ---- configuration ------------------------------------------------------------------------ */

static struct json_object *ns_config(const struct tl_ns *ns)
{
	struct json_object *object = json_object_new_object();
	int failed = nvhi_json_add_u64(object, "nsid", ns->nsid);

	failed |= nvhi_json_add_string(object, "bdev_name", ns->bdev->name);
	if (!tl_rpc_all_zero(ns->nguid, sizeof(ns->nguid)))
		failed |= tl_rpc_add_hex(object, "nguid", ns->nguid, sizeof(ns->nguid));
	if (!tl_rpc_all_zero(ns->eui64, sizeof(ns->eui64)))
		failed |= tl_rpc_add_hex(object, "eui64", ns->eui64, sizeof(ns->eui64));
	if (!tl_rpc_all_zero(ns->uuid, sizeof(ns->uuid)))
		failed |= tl_rpc_add_uuid(object, "uuid", ns->uuid);
	if (ns->subsystem->ana_reporting)
		failed |= nvhi_json_add_u64(object, "anagrpid", ns->anagrpid);
	failed |= nvhi_json_add_bool(object, "no_auto_visible", false);
	return tl_rpc_built(object, failed);
}

int tl_rpc_ns_config(struct tl_subsystem *ss, struct json_object *config)
{
	int failed = 0;

	for (uint32_t nsid = 1; nsid <= ss->max_nsid; nsid++) {
		struct tl_ns *ns = tl_subsystem_ns(ss, nsid);
		struct json_object *params;

		if (!ns)
			continue;
		params = json_object_new_object();
		failed |= nvhi_json_add_string(params, "nqn", ss->nqn);
		failed |= nvhi_json_add(params, "namespace", ns_config(ns));
		failed |= tl_rpc_config_add(config, "nvmf_subsystem_add_ns", params);
	}
	return failed;
}

const struct nvhi_rpc_method tl_rpc_ns_methods[] = {
	{"nvmf_subsystem_add_ns", nvmf_subsystem_add_ns, add_fields, "adds a bdev; gives its NSID",
	 TL_RPC_RUNTIME},
	{"nvmf_subsystem_remove_ns", nvmf_subsystem_remove_ns, remove_fields, "takes one away",
	 TL_RPC_RUNTIME},
	{"nvmf_subsystem_set_ns_ana_group", nvmf_subsystem_set_ns_ana_group, group_fields,
	 "moves a namespace to another ANA group", TL_RPC_RUNTIME},
	{.name = NULL},
};
