/*
 * Listeners of a subsystem: nvmf_subsystem_add_listener, _remove_listener, _get_listeners and
 * _listener_set_ana_state. The core does pause, change, resume. Management reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target-lite/rpc/impl.h"

/* Order as in ana_values. */
static const char *const ana_names[] = {"optimized",       "non_optimized", "inaccessible",
					"persistent_loss", "change",        NULL};
static const enum tl_ana_state ana_values[] = {TL_ANA_OPTIMIZED, TL_ANA_NON_OPTIMIZED,
					       TL_ANA_INACCESSIBLE, TL_ANA_PERSISTENT_LOSS,
					       TL_ANA_CHANGE};

struct listener_params {
	struct tl_rpc_nqn name;
	struct tl_rpc_addr listen_address;
	int ana_state;
	uint32_t anagrpid;
	bool secure_channel;
};

#define NAME_FIELDS                                                                                \
	{.name = "nqn",                                                                            \
	 .type = NVHI_JSON_STRING,                                                                 \
	 .required = true,                                                                         \
	 .offset = offsetof(struct listener_params, name.nqn)},                                    \
	{                                                                                          \
		.name = "tgt_name", .type = NVHI_JSON_STRING,                                      \
		.offset = offsetof(struct listener_params, name.tgt_name)                          \
	}
#define ADDRESS_FIELD                                                                              \
	NVHI_JSON_FIELD(listener_params, listen_address, STRUCT, NVHI_JSON_REQUIRED,               \
			.fields = tl_rpc_addr_fields,                                              \
			.help = "{trtype, adrfam?, traddr, trsvcid}")

static void describe(const struct tl_listen_addr *addr, char *text, size_t len)
{
	snprintf(text, len, addr->adrfam == TL_ADRFAM_IPV6 ? "%s [%s]:%s" : "%s %s:%s",
		 tl_trtype_name(addr->trtype), addr->traddr, addr->trsvcid);
}

/* Decodes what all of them take; NULL: answered. */
static struct tl_subsystem *listener_decode(struct nvhi_rpc_call *call, struct listener_params *p,
					    struct tl_listen_addr *addr)
{
	struct tl_subsystem *ss;

	if (nvhi_rpc_decode(call, p))
		return NULL;
	ss = tl_rpc_subsystem(call, &p->name);
	if (!ss || tl_rpc_parse_addr(call, "listen_address", &p->listen_address, addr))
		return NULL;
	return ss;
}

static void no_listener(struct nvhi_rpc_call *call, const struct tl_subsystem *ss,
			const struct tl_listen_addr *addr)
{
	char where[320];

	describe(addr, where, sizeof(where));
	tl_rpc_bad_param(call, "listen_address", "%s has no listener at %s", ss->nqn, where);
}

/* ---- add ---------------------------------------------------------------------------------- */

static const struct nvhi_json_field add_fields[] = {
	NAME_FIELDS,
	ADDRESS_FIELD,
	NVHI_JSON_FIELD(listener_params, secure_channel, BOOL, .help = "only false"),
	NVHI_JSON_FIELD(listener_params, ana_state, ENUM, .names = ana_names,
			.help = "of all groups (optimized)"),
	{.name = "sock_impl", .type = NVHI_JSON_IGNORE},
	{.name = "numa_id", .type = NVHI_JSON_IGNORE},
	NVHI_JSON_END,
};

static const char *listen_hint(const struct tl_listen_addr *addr, int err)
{
	if (addr->trtype == TL_TRTYPE_VFIOUSER)
		return err == -ENOENT || err == -ENOTDIR ? " (it must be a folder)"
		       : err == -EADDRINUSE ? " (a subsystem or another target listens there)"
					    : "";
	switch (err) {
	case -EADDRINUSE:
		return " (the port is taken: choose another; ss -ltnp shows by whom)";
	case -EADDRNOTAVAIL:
		return " (the address is none of this machine's: ip addr lists them)";
	case -EACCES:
		return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
	case -ENODEV:
		return " (no RDMA device has this address: rdma link shows them with their "
		       "interfaces)";
	default:
		return "";
	}
}

static void nvmf_subsystem_add_listener(struct nvhi_rpc_call *call)
{
	struct listener_params p = {0};
	struct tl_listen_addr addr;
	struct tl_subsystem *ss = listener_decode(call, &p, &addr);
	char where[320];
	int rc;

	if (!ss)
		return;
	if (p.secure_channel) {
		tl_rpc_unsupported(call, "secure_channel");
		return;
	}
	describe(&addr, where, sizeof(where));
	if (!tl_target_find_transport(ss->target, addr.trtype)) {
		tl_rpc_bad_param(call, "listen_address.trtype",
				 "there is no transport %s yet (call nvmf_create_transport first)",
				 tl_trtype_name(addr.trtype));
		return;
	}
	rc = tl_subsystem_add_listener(ss, &addr, false, ana_values[p.ana_state], tl_rpc_done, call,
				       NULL);
	if (rc == -EEXIST)
		tl_rpc_bad_param(call, "listen_address", "%s listens at %s already", ss->nqn,
				 where);
	else if (rc)
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "cannot listen at %s: %s%s", where,
			       strerror(-rc), listen_hint(&addr, rc));
}

/* ---- remove ------------------------------------------------------------------------------- */

static const struct nvhi_json_field remove_fields[] = {
	NAME_FIELDS,
	ADDRESS_FIELD,
	NVHI_JSON_END,
};

static void nvmf_subsystem_remove_listener(struct nvhi_rpc_call *call)
{
	struct listener_params p = {0};
	struct tl_listen_addr addr;
	struct tl_subsystem *ss = listener_decode(call, &p, &addr);
	int rc;

	if (!ss)
		return;
	rc = tl_subsystem_remove_listener(ss, &addr, tl_rpc_done, call);
	if (rc == -ENOENT)
		no_listener(call, ss, &addr);
	else if (rc)
		tl_rpc_done(call, rc);
}

/* ---- ANA ---------------------------------------------------------------------------------- */

static const struct nvhi_json_field ana_fields[] = {
	NAME_FIELDS,
	ADDRESS_FIELD,
	NVHI_JSON_FIELD(listener_params, ana_state, ENUM, NVHI_JSON_REQUIRED, .names = ana_names,
			.help = "optimized, non_optimized, inaccessible, persistent_loss, change"),
	NVHI_JSON_FIELD(listener_params, anagrpid, U32, .help = "ANA group (0: all)"),
	NVHI_JSON_END,
};

static void nvmf_subsystem_listener_set_ana_state(struct nvhi_rpc_call *call)
{
	struct listener_params p = {0};
	struct tl_listen_addr addr;
	struct tl_subsystem *ss = listener_decode(call, &p, &addr);
	int rc;

	if (!ss)
		return;
	rc = tl_subsystem_set_ana_state(ss, &addr, p.anagrpid, ana_values[p.ana_state], tl_rpc_done,
					call);
	if (rc == -ENOENT)
		no_listener(call, ss, &addr);
	else if (rc == -EINVAL)
		tl_rpc_bad_param(call, "anagrpid", "%u is none of %s (1 to %u)", p.anagrpid,
				 ss->nqn, ss->max_nsid);
	else if (rc == -ENOTSUP)
		tl_rpc_bad_param(call, "nqn", "%s was created without ana_reporting", ss->nqn);
	else if (rc)
		tl_rpc_done(call, rc);
}

/* ---- get ---------------------------------------------------------------------------------- */

static struct json_object *ana_states(const struct tl_subsystem_listener *listener)
{
	struct json_object *list = json_object_new_array();
	int failed = 0;

	for (uint32_t i = 0; i < listener->subsystem->max_nsid; i++) {
		struct json_object *object = json_object_new_object();

		failed |= nvhi_json_add_u64(object, "ana_group", i + 1);
		failed |= nvhi_json_add_string(object, "ana_state",
					       tl_ana_state_name(listener->ana_state[i]));
		failed |= nvhi_json_append(list, object);
	}
	return tl_rpc_built(list, failed);
}

static struct json_object *listener_object(const struct tl_subsystem_listener *listener)
{
	struct json_object *object = json_object_new_object();
	int failed = nvhi_json_add(object, "address", tl_rpc_addr_object(&listener->addr));

	if (listener->subsystem->ana_reporting)
		failed |= nvhi_json_add(object, "ana_states", ana_states(listener));
	return tl_rpc_built(object, failed);
}

static const struct nvhi_json_field get_fields[] = {
	NAME_FIELDS,
	NVHI_JSON_END,
};

static void nvmf_subsystem_get_listeners(struct nvhi_rpc_call *call)
{
	struct listener_params p = {0};
	struct tl_subsystem_listener *listener;
	struct tl_subsystem *ss;
	struct json_object *list;
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	ss = tl_rpc_subsystem(call, &p.name);
	if (!ss)
		return;
	list = json_object_new_array();
	nvhi_list_for_each(listener, &ss->listeners, link)
		if (listener->listener)
			failed |= nvhi_json_append(list, listener_object(listener));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

/* ---- configuration ------------------------------------------------------------------------ */

/* The state most groups have goes with the listener; the others follow one by one. */
static int ana_config(const struct tl_subsystem_listener *listener, struct json_object *config)
{
	const struct tl_subsystem *ss = listener->subsystem;
	const uint8_t *states = listener->ana_saved ? listener->ana_saved : listener->ana_state;
	int failed = 0;

	for (uint32_t i = 1; ss->ana_reporting && i < ss->max_nsid; i++) {
		struct json_object *params;

		if (states[i] == states[0])
			continue;
		params = json_object_new_object();
		failed |= nvhi_json_add_string(params, "nqn", ss->nqn);
		failed |= nvhi_json_add(params, "listen_address",
					tl_rpc_addr_object(&listener->addr));
		failed |= nvhi_json_add_string(params, "ana_state", tl_ana_state_name(states[i]));
		failed |= nvhi_json_add_u64(params, "anagrpid", i + 1);
		failed |=
			tl_rpc_config_add(config, "nvmf_subsystem_listener_set_ana_state", params);
	}
	return failed;
}

int tl_rpc_listener_config(struct tl_subsystem *ss, struct json_object *config)
{
	struct tl_subsystem_listener *listener;
	int failed = 0;

	nvhi_list_for_each(listener, &ss->listeners, link) {
		struct json_object *params;

		if (!listener->listener)
			continue;
		params = json_object_new_object();
		failed |= nvhi_json_add_string(params, "nqn", ss->nqn);
		failed |= nvhi_json_add(params, "listen_address",
					tl_rpc_addr_object(&listener->addr));
		failed |= nvhi_json_add_bool(params, "secure_channel", false);
		if (ss->ana_reporting)
			failed |= nvhi_json_add_string(
				params, "ana_state",
				tl_ana_state_name(listener->ana_saved ? listener->ana_saved[0]
								      : listener->ana_state[0]));
		failed |= tl_rpc_config_add(config, "nvmf_subsystem_add_listener", params);
		failed |= ana_config(listener, config);
	}
	return failed;
}

const struct nvhi_rpc_method tl_rpc_listener_methods[] = {
	{"nvmf_subsystem_add_listener", nvmf_subsystem_add_listener, add_fields,
	 "listens for hosts of this subsystem", TL_RPC_RUNTIME},
	{"nvmf_subsystem_remove_listener", nvmf_subsystem_remove_listener, remove_fields,
	 "stops listening and disconnects who came that way", TL_RPC_RUNTIME},
	{"nvmf_subsystem_get_listeners", nvmf_subsystem_get_listeners, get_fields,
	 "listeners and their ANA states", TL_RPC_RUNTIME},
	{"nvmf_subsystem_listener_set_ana_state", nvmf_subsystem_listener_set_ana_state, ana_fields,
	 "changes the ANA state of a listener", TL_RPC_RUNTIME},
	{.name = NULL},
};
