/*
 * Who is connected: nvmf_subsystem_get_controllers, nvmf_subsystem_get_qpairs. Reads only what the
 * management reactor owns and what never changes after Connect. Management reactor.
 */
#include <stdio.h>
#include <string.h>

#include "target-lite/core/request.h"
#include "target-lite/rpc/impl.h"

static const struct nvhi_json_field nqn_fields[] = {
	NVHI_JSON_FIELD(tl_rpc_nqn, nqn, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(tl_rpc_nqn, tgt_name, STRING),
	NVHI_JSON_END,
};

static struct json_object *ctrlr_object(const struct tl_ctrlr *ctrlr)
{
	struct json_object *object = json_object_new_object();
	int failed = nvhi_json_add_u64(object, "cntlid", ctrlr->cntlid);

	failed |= nvhi_json_add_string(object, "cntrltype", ctrlr->discovery ? "discovery" : "io");
	failed |= nvhi_json_add_string(object, "hostnqn", ctrlr->hostnqn);
	failed |= tl_rpc_add_uuid(object, "hostid", ctrlr->hostid);
	failed |= nvhi_json_add_u64(object, "num_io_qpairs", ctrlr->io_qpairs);
	return tl_rpc_built(object, failed);
}

static void nvmf_subsystem_get_controllers(struct nvhi_rpc_call *call)
{
	struct tl_rpc_nqn p = {0};
	struct json_object *list;
	struct tl_subsystem *ss;
	struct tl_ctrlr *ctrlr;
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	ss = tl_rpc_subsystem(call, &p);
	if (!ss)
		return;
	list = json_object_new_array();
	nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
		failed |= nvhi_json_append(list, ctrlr_object(ctrlr));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

/* "127.0.0.1:51234", "[::1]:51234" */
static struct json_object *peer_object(const struct tl_qpair *qpair)
{
	struct tl_listen_addr addr = qpair->listen_addr;
	const char *colon = strrchr(qpair->peer, ':');
	bool bracket = qpair->peer[0] == '[';
	int len = colon ? (int)(colon - qpair->peer) : 0;

	if (bracket && len > 2)
		snprintf(addr.traddr, sizeof(addr.traddr), "%.*s", len - 2, qpair->peer + 1);
	else
		snprintf(addr.traddr, sizeof(addr.traddr), "%.*s", len, qpair->peer);
	snprintf(addr.trsvcid, sizeof(addr.trsvcid), "%s", colon ? colon + 1 : "");
	return tl_rpc_addr_object(&addr);
}

static struct json_object *qpair_object(const struct tl_ctrlr *ctrlr, const struct tl_qpair *qpair)
{
	struct json_object *object = json_object_new_object();
	const char *state = ctrlr->state == TL_CTRLR_LIVE ? "enabled" : "deactivating";
	int failed = nvhi_json_add_u64(object, "cntlid", ctrlr->cntlid);

	failed |= nvhi_json_add_u64(object, "qid", qpair->qid);
	failed |= nvhi_json_add_string(object, "state", state);
	failed |= nvhi_json_add_string(object, "thread", qpair->group->name);
	failed |= nvhi_json_add_string(object, "hostnqn", ctrlr->hostnqn);
	failed |= nvhi_json_add(object, "listen_address", tl_rpc_addr_object(&qpair->listen_addr));
	failed |= nvhi_json_add(object, "peer_address", peer_object(qpair));
	return tl_rpc_built(object, failed);
}

static void nvmf_subsystem_get_qpairs(struct nvhi_rpc_call *call)
{
	struct tl_rpc_nqn p = {0};
	struct json_object *list;
	struct tl_subsystem *ss;
	struct tl_ctrlr *ctrlr;
	struct tl_qpair *qpair;
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	ss = tl_rpc_subsystem(call, &p);
	if (!ss)
		return;
	list = json_object_new_array();
	nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
		nvhi_list_for_each(qpair, &ctrlr->qpairs, ctrlr_link)
			failed |= nvhi_json_append(list, qpair_object(ctrlr, qpair));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

const struct nvhi_rpc_method tl_rpc_ctrlr_methods[] = {
	{"nvmf_subsystem_get_controllers", nvmf_subsystem_get_controllers, nqn_fields,
	 "connected controllers", TL_RPC_RUNTIME},
	{"nvmf_subsystem_get_qpairs", nvmf_subsystem_get_qpairs, nqn_fields,
	 "their queue pairs and where they come from", TL_RPC_RUNTIME},
	{.name = NULL},
};
