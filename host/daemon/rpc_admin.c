/*
 * RPC: admin commands. admin_passthru is what the command line's identify, log and feature
 * sub-commands are made of; ctrlr_identify, ns_identify and get_log are there for other programs.
 * Data travels as base64.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/base64.h"
#include "host/daemon/daemon.h"

#define ADMIN_DATA_MAX (1u << 20)

struct json_object *nvd_rpc_completion(const struct nvh_cpl *cpl, const void *data, size_t len)
{
	struct json_object *root = json_object_new_object();
	unsigned int status = nvh_cpl_status(cpl);
	char *text;
	int err = root ? 0 : -ENOMEM;

	err = err ? err : nvhi_json_add_u64(root, "status", status);
	if (status)
		err = err ? err
			  : nvhi_json_add_string(
				    root, "status_name",
				    nvh_status_name(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	if (status)
		err = err ? err
			  : nvhi_json_add_string(root, "status_string", nvh_status_string(cpl));
	err = err ? err : nvhi_json_add_u64(root, "result", nvh_cpl_result64(cpl));
	if (data && !nvh_cpl_is_error(cpl)) {
		text = nvd_base64_dup(data, len);
		err = err ? err : text ? nvhi_json_add_string(root, "data", text) : -ENOMEM;
		free(text);
	}
	if (err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

/* ---- one command -------------------------------------------------------------------------- */

struct admin_work {
	struct nvhi_rpc_call *call;
	struct nvh_cmd cmd;
	uint32_t len;
	bool to_host;
	uint8_t data[];
};

static void admin_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct admin_work *work = arg;

	if (err)
		nvhi_rpc_errno(work->call, err, "%s: no answer", nvh_admin_opc_name(work->cmd.opc));
	else
		nvhi_rpc_reply(
			work->call,
			nvd_rpc_completion(cpl, work->to_host ? work->data : NULL, work->len));
	free(work);
}

static struct admin_work *admin_new(struct nvhi_rpc_call *call, uint32_t len)
{
	struct admin_work *work;

	if (len > ADMIN_DATA_MAX) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "data_len %u is above %u", len,
			       ADMIN_DATA_MAX);
		return NULL;
	}
	work = calloc(1, sizeof(*work) + len);
	if (!work) {
		nvhi_rpc_errno(call, -ENOMEM, "admin command");
		return NULL;
	}
	work->call = call;
	work->len = len;
	return work;
}

/* Answers the call itself when the device is not there. */
static int admin_target(struct nvhi_rpc_call *call, const char *device, struct nvd_target *target)
{
	char err[512];
	int rc = nvd_target_find(nvhi_rpc_owner(call), device, target, err, sizeof(err));

	if (!rc && !target->ctrlr) {
		snprintf(err, sizeof(err), "%s: no controller is live", device);
		rc = -ENOTCONN;
	}
	if (rc)
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
	return rc;
}

static void admin_send(struct admin_work *work, struct nvh_ctrlr *ctrlr, const char *device,
		       unsigned int timeout_ms)
{
	int rc = nvh_admin_submit(ctrlr, &work->cmd, work->len ? work->data : NULL, work->len,
				  timeout_ms, admin_done, work);

	if (!rc)
		return;
	nvhi_rpc_errno(work->call, rc, "%s: %s", device, nvh_admin_opc_name(work->cmd.opc));
	free(work);
}

/* ---- admin_passthru ----------------------------------------------------------------------- */

struct admin_params {
	const char *device, *data;
	uint8_t opcode, flags;
	uint32_t nsid, data_len, timeout_ms;
	uint32_t cdw2, cdw3, cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
	bool has_nsid;
};

#define ADMIN_PARAM(memb, typ, ...) NVHI_JSON_FIELD(admin_params, memb, typ, __VA_ARGS__)

static const struct nvhi_json_field admin_passthru_fields[] = {
	ADMIN_PARAM(device, STRING, NVHI_JSON_REQUIRED),
	ADMIN_PARAM(opcode, U8, NVHI_JSON_REQUIRED),
	ADMIN_PARAM(flags, U8),
	ADMIN_PARAM(nsid, U32, NVHI_JSON_PRESENT(admin_params, has_nsid),
		    .help = "the device's when left out"),
	ADMIN_PARAM(cdw2, U32),
	ADMIN_PARAM(cdw3, U32),
	ADMIN_PARAM(cdw10, U32),
	ADMIN_PARAM(cdw11, U32),
	ADMIN_PARAM(cdw12, U32),
	ADMIN_PARAM(cdw13, U32),
	ADMIN_PARAM(cdw14, U32),
	ADMIN_PARAM(cdw15, U32),
	ADMIN_PARAM(data_len, U32, .help = "bytes to read"),
	ADMIN_PARAM(data, STRING, .max_len = NVD_BASE64_SIZE(ADMIN_DATA_MAX),
		    .help = "base64, to write"),
	ADMIN_PARAM(timeout_ms, U32, .max = 3600000),
	NVHI_JSON_END,
};

static void admin_fill(struct nvh_cmd *cmd, const struct admin_params *p)
{
	cmd->opc = p->opcode;
	cmd->flags = p->flags;
	nvh_le32_put(&cmd->nsid, p->nsid);
	nvh_le32_put(&cmd->cdw2, p->cdw2);
	nvh_le32_put(&cmd->cdw3, p->cdw3);
	nvh_le32_put(&cmd->cdw10, p->cdw10);
	nvh_le32_put(&cmd->cdw11, p->cdw11);
	nvh_le32_put(&cmd->cdw12, p->cdw12);
	nvh_le32_put(&cmd->cdw13, p->cdw13);
	nvh_le32_put(&cmd->cdw14, p->cdw14);
	nvh_le32_put(&cmd->cdw15, p->cdw15);
}

static void rpc_admin_passthru(struct nvhi_rpc_call *call)
{
	struct admin_params params = {0};
	struct nvd_target target;
	struct admin_work *work;
	size_t len;

	if (nvhi_rpc_decode(call, &params) < 0 || admin_target(call, params.device, &target) < 0)
		return;
	if (!params.has_nsid)
		params.nsid = target.nsid;
	if (params.data && !params.data_len)
		params.data_len = (uint32_t)(strlen(params.data) / 4 * 3);
	work = admin_new(call, params.data_len);
	if (!work)
		return;
	admin_fill(&work->cmd, &params);
	work->to_host = nvh_opc_data_dir(params.opcode) & NVH_DATA_TO_HOST;
	if (params.data) {
		if (nvd_base64_decode(params.data, work->data, work->len, &len) < 0) {
			nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
				       "parameter 'data': not base64");
			free(work);
			return;
		}
		work->len = (uint32_t)len;
	}
	admin_send(work, target.ctrlr, params.device, params.timeout_ms);
}

/* ---- ctrlr_identify, ns_identify, get_log ---------------------------------------------------- */

struct identify_params {
	const char *device;
	uint32_t nsid, offset, log_len;
	uint64_t lpo;
	uint8_t cns, csi, log_id, lsp;
	uint16_t cntid;
	bool has_nsid;
};

#define IDENTIFY_PARAM(memb, typ, ...) NVHI_JSON_FIELD(identify_params, memb, typ, __VA_ARGS__)

static const struct nvhi_json_field ctrlr_identify_fields[] = {
	IDENTIFY_PARAM(device, STRING, NVHI_JSON_REQUIRED),
	IDENTIFY_PARAM(cns, U8),
	IDENTIFY_PARAM(csi, U8),
	IDENTIFY_PARAM(cntid, U16),
	IDENTIFY_PARAM(nsid, U32, NVHI_JSON_PRESENT(identify_params, has_nsid)),
	NVHI_JSON_END,
};

static void rpc_identify(struct nvhi_rpc_call *call, uint8_t cns)
{
	struct identify_params params = {.cns = cns};
	struct nvd_target target;
	struct admin_work *work;

	if (nvhi_rpc_decode(call, &params) < 0 || admin_target(call, params.device, &target) < 0)
		return;
	if (cns == NVH_CNS_NS && !params.has_nsid && !target.nsid) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s is a controller: nsid is needed",
			       params.device);
		return;
	}
	work = admin_new(call, NVH_IDENTIFY_SIZE);
	if (!work)
		return;
	work->to_host = true;
	work->cmd.opc = NVH_ADM_IDENTIFY;
	nvh_le32_put(&work->cmd.nsid, params.has_nsid        ? params.nsid
				      : cns == NVH_CNS_CTRLR ? 0
							     : target.nsid);
	nvh_le32_put(&work->cmd.cdw10, params.cns | (uint32_t)params.cntid << 16);
	nvh_le32_put(&work->cmd.cdw11, (uint32_t)params.csi << NVH_IDENTIFY_CSI_SHIFT);
	admin_send(work, target.ctrlr, params.device, 0);
}

static void rpc_ctrlr_identify(struct nvhi_rpc_call *call)
{
	rpc_identify(call, NVH_CNS_CTRLR);
}

static void rpc_ns_identify(struct nvhi_rpc_call *call)
{
	rpc_identify(call, NVH_CNS_NS);
}

static const struct nvhi_json_field get_log_fields[] = {
	IDENTIFY_PARAM(device, STRING, NVHI_JSON_REQUIRED),
	IDENTIFY_PARAM(log_id, U8, NVHI_JSON_REQUIRED),
	IDENTIFY_PARAM(log_len, U32, NVHI_JSON_REQUIRED, .min = 4, .max = ADMIN_DATA_MAX),
	IDENTIFY_PARAM(lpo, U64),
	IDENTIFY_PARAM(lsp, U8, .max = 127),
	IDENTIFY_PARAM(nsid, U32, NVHI_JSON_PRESENT(identify_params, has_nsid)),
	NVHI_JSON_END,
};

static void rpc_get_log(struct nvhi_rpc_call *call)
{
	struct identify_params params = {.nsid = NVH_NSID_ALL};
	struct nvd_target target;
	struct admin_work *work;
	int rc;

	if (nvhi_rpc_decode(call, &params) < 0 || admin_target(call, params.device, &target) < 0)
		return;
	work = admin_new(call, params.log_len);
	if (!work)
		return;
	work->to_host = true;
	work->cmd.opc = NVH_ADM_GET_LOG_PAGE;
	rc = nvh_ctrlr_get_log(target.ctrlr, params.log_id, params.lsp, params.nsid, params.lpo,
			       work->data, params.log_len, admin_done, work);
	if (rc) {
		nvhi_rpc_errno(call, rc, "%s: log page 0x%02x", params.device, params.log_id);
		free(work);
	}
}

const struct nvhi_rpc_method nvd_rpc_admin_methods[] = {
	{.name = "admin_passthru",
	 .fn = rpc_admin_passthru,
	 .params = admin_passthru_fields,
	 .help = "any admin command"},
	{.name = "ctrlr_identify",
	 .fn = rpc_ctrlr_identify,
	 .params = ctrlr_identify_fields,
	 .help = "Identify Controller, or any other Identify by cns"},
	{.name = "ns_identify",
	 .fn = rpc_ns_identify,
	 .params = ctrlr_identify_fields,
	 .help = "Identify Namespace"},
	{.name = "get_log", .fn = rpc_get_log, .params = get_log_fields, .help = "a log page"},
	{.name = NULL},
};
