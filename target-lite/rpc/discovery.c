/*
 * Referrals of the discovery log: nvmf_discovery_add_referral, _remove_referral, _get_referrals.
 * Management reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target-lite/rpc/impl.h"

struct referral_params {
	const char *tgt_name, *subnqn;
	struct tl_rpc_addr address;
	bool secure_channel;
};

#define REFERRAL_FIELDS                                                                            \
	NVHI_JSON_FIELD(referral_params, tgt_name, STRING),                                        \
		NVHI_JSON_FIELD(referral_params, address, STRUCT, NVHI_JSON_REQUIRED,              \
				.fields = tl_rpc_addr_fields,                                      \
				.help = "{trtype, adrfam?, traddr, trsvcid}"),                     \
		NVHI_JSON_FIELD(referral_params, subnqn, STRING,                                   \
				.help = "of that subsystem (the discovery NQN)")

static const struct nvhi_json_field add_fields[] = {
	REFERRAL_FIELDS,
	NVHI_JSON_FIELD(referral_params, secure_channel, BOOL,
			.help = "the log entry says that it is required (false)"),
	NVHI_JSON_END,
};
static const struct nvhi_json_field remove_fields[] = {
	REFERRAL_FIELDS,
	NVHI_JSON_END,
};

/* NULL: answered. */
static struct tl_target *referral_decode(struct nvhi_rpc_call *call, struct tl_referral *ret)
{
	struct referral_params p = {.subnqn = TL_DISCOVERY_NQN};
	struct tl_referral out = {0};
	struct tl_target *target;

	if (nvhi_rpc_decode(call, &p))
		return NULL;
	target = tl_rpc_target(call, p.tgt_name);
	if (!target || tl_rpc_parse_addr(call, "address", &p.address, &out.addr))
		return NULL;
	if (!p.subnqn[0])
		p.subnqn = TL_DISCOVERY_NQN;
	if (!tl_nqn_valid(p.subnqn)) {
		tl_rpc_bad_param(call, "subnqn", "'%.230s' is no NQN", p.subnqn);
		return NULL;
	}
	snprintf(out.subnqn, sizeof(out.subnqn), "%s", p.subnqn);
	out.secure_channel = p.secure_channel;
	*ret = out;
	return target;
}

static void nvmf_discovery_add_referral(struct nvhi_rpc_call *call)
{
	struct tl_referral referral;
	struct tl_target *target = referral_decode(call, &referral);
	int rc;

	if (!target)
		return;
	rc = tl_target_add_referral(target, &referral);
	/* SPDK, too, takes the same one twice without complaint. */
	if (rc && rc != -EEXIST)
		tl_rpc_fail(call, rc, "%s:%s", referral.addr.traddr, referral.addr.trsvcid);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void nvmf_discovery_remove_referral(struct nvhi_rpc_call *call)
{
	struct tl_referral referral;
	struct tl_target *target = referral_decode(call, &referral);
	int rc;

	if (!target)
		return;
	rc = tl_target_remove_referral(target, &referral.addr, referral.subnqn);
	if (rc == -ENOENT)
		tl_rpc_bad_param(call, "address", "there is no referral to %s at %s:%s",
				 referral.subnqn, referral.addr.traddr, referral.addr.trsvcid);
	else if (rc)
		tl_rpc_fail(call, rc, "%s:%s", referral.addr.traddr, referral.addr.trsvcid);
	else
		nvhi_rpc_reply_bool(call, true);
}

static struct json_object *referral_object(const struct tl_referral *referral)
{
	struct json_object *object = json_object_new_object();
	int failed = nvhi_json_add(object, "address", tl_rpc_addr_object(&referral->addr));

	failed |= nvhi_json_add_bool(object, "secure_channel", referral->secure_channel);
	failed |= nvhi_json_add_string(object, "subnqn", referral->subnqn);
	return tl_rpc_built(object, failed);
}

struct get_referrals {
	const char *tgt_name;
};
static const struct nvhi_json_field get_fields[] = {
	NVHI_JSON_FIELD(get_referrals, tgt_name, STRING),
	NVHI_JSON_END,
};

static void nvmf_discovery_get_referrals(struct nvhi_rpc_call *call)
{
	struct get_referrals p = {0};
	struct tl_referral *referral;
	struct tl_target *target;
	struct json_object *list;
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	target = tl_rpc_target(call, p.tgt_name);
	if (!target)
		return;
	list = json_object_new_array();
	nvhi_list_for_each(referral, &target->referrals, link)
		failed |= nvhi_json_append(list, referral_object(referral));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

int tl_rpc_discovery_config(struct tl_target *target, struct json_object *config)
{
	struct tl_referral *referral;
	int failed = 0;

	nvhi_list_for_each(referral, &target->referrals, link)
		failed |= tl_rpc_config_add(config, "nvmf_discovery_add_referral",
					    referral_object(referral));
	return failed;
}

const struct nvhi_rpc_method tl_rpc_discovery_methods[] = {
	{"nvmf_discovery_add_referral", nvmf_discovery_add_referral, add_fields,
	 "points hosts to another discovery service", TL_RPC_RUNTIME},
	{"nvmf_discovery_remove_referral", nvmf_discovery_remove_referral, remove_fields,
	 "takes the pointer away", TL_RPC_RUNTIME},
	{"nvmf_discovery_get_referrals", nvmf_discovery_get_referrals, get_fields, "all referrals",
	 TL_RPC_RUNTIME},
	{.name = NULL},
};
