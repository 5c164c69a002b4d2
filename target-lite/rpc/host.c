/*
 * Who may connect to a subsystem: nvmf_subsystem_add_host, _remove_host, _allow_any_host.
 * Management reactor.
 */
#include <errno.h>

#include "target-lite/rpc/impl.h"

struct host_params {
	struct tl_rpc_nqn name;
	const char *host, *psk, *dhchap_key, *dhchap_ctrlr_key;
	uint64_t timeout_ms;
	bool allow_any_host;
};

#define NAME_FIELDS                                                                                \
	{.name = "nqn",                                                                            \
	 .type = NVHI_JSON_STRING,                                                                 \
	 .required = true,                                                                         \
	 .offset = offsetof(struct host_params, name.nqn)},                                        \
	{                                                                                          \
		.name = "tgt_name", .type = NVHI_JSON_STRING,                                      \
		.offset = offsetof(struct host_params, name.tgt_name)                              \
	}

/* Decodes; NULL: answered. */
static struct tl_subsystem *host_decode(struct nvhi_rpc_call *call, struct host_params *p)
{
	if (nvhi_rpc_decode(call, p))
		return NULL;
	return tl_rpc_subsystem(call, &p->name);
}

static const struct nvhi_json_field add_fields[] = {
	NAME_FIELDS,
	NVHI_JSON_FIELD(host_params, host, STRING, NVHI_JSON_REQUIRED, .help = "NQN of the host"),
	NVHI_JSON_FIELD(host_params, psk, STRING, .help = "not supported yet"),
	NVHI_JSON_FIELD(host_params, dhchap_key, STRING, .help = "not supported yet"),
	NVHI_JSON_FIELD(host_params, dhchap_ctrlr_key, STRING, .help = "not supported yet"),
	NVHI_JSON_END,
};

static void nvmf_subsystem_add_host(struct nvhi_rpc_call *call)
{
	struct host_params p = {0};
	struct tl_subsystem *ss = host_decode(call, &p);
	int rc;

	if (!ss)
		return;
	/* A host added without the protection that was asked for would be let in unprotected. */
	if (p.psk || p.dhchap_key || p.dhchap_ctrlr_key) {
		tl_rpc_unsupported(call, p.psk          ? "psk"
					 : p.dhchap_key ? "dhchap_key"
							: "dhchap_ctrlr_key");
		return;
	}
	rc = tl_subsystem_add_host(ss, p.host);
	if (rc == -EEXIST)
		tl_rpc_bad_param(call, "host", "'%.223s' is on the list of %s already", p.host,
				 ss->nqn);
	else if (rc == -EINVAL)
		tl_rpc_bad_param(call, "host", "'%.230s' is no NQN", p.host);
	else
		tl_rpc_done(call, rc);
}

static const struct nvhi_json_field remove_fields[] = {
	NAME_FIELDS,
	NVHI_JSON_FIELD(host_params, host, STRING, NVHI_JSON_REQUIRED, .help = "NQN of the host"),
	NVHI_JSON_FIELD(host_params, timeout_ms, U64,
			.help = "taken, not needed: hosts are disconnected at once"),
	NVHI_JSON_END,
};

static void nvmf_subsystem_remove_host(struct nvhi_rpc_call *call)
{
	struct host_params p = {0};
	struct tl_subsystem *ss = host_decode(call, &p);
	int rc;

	if (!ss)
		return;
	rc = tl_subsystem_remove_host(ss, p.host);
	if (rc == -ENOENT)
		tl_rpc_bad_param(call, "host", "'%.223s' is not on the list of %s", p.host,
				 ss->nqn);
	else
		tl_rpc_done(call, rc);
}

static const struct nvhi_json_field any_fields[] = {
	NAME_FIELDS,
	NVHI_JSON_FIELD(host_params, allow_any_host, BOOL, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};

static void nvmf_subsystem_allow_any_host(struct nvhi_rpc_call *call)
{
	struct host_params p = {0};
	struct tl_subsystem *ss = host_decode(call, &p);

	if (!ss)
		return;
	tl_subsystem_set_allow_any_host(ss, p.allow_any_host);
	nvhi_rpc_reply_bool(call, true);
}

int tl_rpc_host_config(struct tl_subsystem *ss, struct json_object *config)
{
	struct tl_host *host;
	int failed = 0;

	nvhi_list_for_each(host, &ss->hosts, link) {
		struct json_object *params = json_object_new_object();

		failed |= nvhi_json_add_string(params, "nqn", ss->nqn);
		failed |= nvhi_json_add_string(params, "host", host->nqn);
		failed |= tl_rpc_config_add(config, "nvmf_subsystem_add_host", params);
	}
	return failed;
}

const struct nvhi_rpc_method tl_rpc_host_methods[] = {
	{"nvmf_subsystem_add_host", nvmf_subsystem_add_host, add_fields, "lets a host in",
	 TL_RPC_RUNTIME},
	{"nvmf_subsystem_remove_host", nvmf_subsystem_remove_host, remove_fields,
	 "takes a host off the list and disconnects it", TL_RPC_RUNTIME},
	{"nvmf_subsystem_allow_any_host", nvmf_subsystem_allow_any_host, any_fields,
	 "switches the host list off or on", TL_RPC_RUNTIME},
	{.name = NULL},
};
