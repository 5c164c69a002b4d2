/*
 * Connect and Disconnect: fields in, text out. Pure, any thread.
 * Base Specification 2.1 sections 6.2 (Disconnect) and 6.3 (Connect, figures 547 to 550).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/connect.h"

void nvhi_connect_build(const struct nvhi_qpair *qpair, struct nvh_cmd *cmd,
			struct nvh_fab_connect_data *data)
{
	const struct nvhi_tctrlr *tctrlr = qpair->tctrlr;
	const struct nvhi_tctrlr_opts *opts = &tctrlr->opts;
	struct nvh_fab_connect_cmd *connect = (struct nvh_fab_connect_cmd *)cmd;

	memset(cmd, 0, sizeof(*cmd));
	connect->opc = NVH_ADM_FABRICS;
	connect->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&connect->qid, qpair->qid);
	nvh_le16_put(&connect->sqsize, (uint16_t)(qpair->entries - 1));
	if (opts->disable_sqflow)
		connect->cattr |= NVH_CATTR_DISABLE_SQFLOW;
	if (qpair->qid == 0)
		nvh_le32_put(&connect->kato, opts->kato_ms);

	memset(data, 0, sizeof(*data));
	memcpy(data->hostid, opts->hostid, sizeof(data->hostid));
	nvh_le16_put(&data->cntlid, qpair->qid ? tctrlr->cntlid : NVH_CNTLID_DYNAMIC);
	snprintf(data->subnqn, sizeof(data->subnqn), "%s", opts->subnqn);
	snprintf(data->hostnqn, sizeof(data->hostnqn), "%s", opts->hostnqn);
}

/* ---- the answer -------------------------------------------------------------------------- */

struct field {
	uint16_t offset;
	uint16_t size;
	const char *name;
};

static const struct field command_fields[] = {
	{40, 2, "RECFMT"}, {42, 2, "QID"}, {44, 2, "SQSIZE"}, {46, 1, "CATTR"}, {48, 4, "KATO"},
};
static const struct field data_fields[] = {
	{0, 16, "HOSTID"},
	{16, 2, "CNTLID"},
	{256, 256, "SUBNQN"},
	{512, 256, "HOSTNQN"},
};

static const char *field_name(const struct field *fields, size_t count, uint32_t offset)
{
	for (size_t i = 0; i < count; i++)
		if (offset >= fields[i].offset && offset < fields[i].offset + fields[i].size)
			return fields[i].name;
	return NULL;
}

static int invalid_param(const struct nvhi_qpair *qpair, uint32_t dw0, char *text, size_t len)
{
	const struct nvhi_tctrlr_opts *opts = &qpair->tctrlr->opts;
	uint32_t offset = dw0 & NVH_CONNECT_IPO_MASK;
	bool in_data = dw0 & NVH_CONNECT_IATTR_DATA;
	const char *name =
		in_data ? field_name(data_fields, NVHI_ARRAY_SIZE(data_fields), offset)
			: field_name(command_fields, NVHI_ARRAY_SIZE(command_fields), offset);

	if (in_data && offset == offsetof(struct nvh_fab_connect_data, subnqn)) {
		snprintf(text, len,
			 "no subsystem %.96s at this address (nvhost discover lists them)",
			 opts->subnqn);
		return -ENOENT;
	}
	if (in_data && offset == offsetof(struct nvh_fab_connect_data, hostnqn)) {
		snprintf(text, len, "the controller refuses the host NQN %.120s", opts->hostnqn);
		return -EACCES;
	}
	snprintf(text, len, "the controller refuses %s of the Connect %s (offset %u)",
		 name ? name : "a field", in_data ? "data" : "command", offset);
	return -EINVAL;
}

static int needs_authentication(char *text, size_t len)
{
	snprintf(text, len,
		 "the subsystem demands in-band authentication, which this host does not do yet");
	return -EACCES;
}

int nvhi_connect_result(const struct nvhi_qpair *qpair, const struct nvh_cpl *cpl, char *text,
			size_t len)
{
	uint32_t dw0 = nvh_le32_get(cpl->dw0);

	switch (nvh_cpl_code(cpl)) {
	case NVH_ST_SUCCESS:
		if (dw0 & (NVH_CONNECT_AUTHREQ_ATR | NVH_CONNECT_AUTHREQ_ASCR))
			return needs_authentication(text, len);
		if (qpair->qid == 0 && (dw0 & NVH_CONNECT_CNTLID_MASK) > NVH_CNTLID_MAX) {
			snprintf(text, len, "the controller answered Connect with CNTLID %#x",
				 dw0 & NVH_CONNECT_CNTLID_MASK);
			return -EPROTO;
		}
		return 0;
	case NVH_ST_CONNECT_INVALID_HOST:
		snprintf(text, len,
			 "invalid host NQN: not in the allow list of %.90s "
			 "(nvmf_subsystem_add_host, or -q)",
			 qpair->tctrlr->opts.subnqn);
		return -EACCES;
	case NVH_ST_CONNECT_INVALID_PARAM:
		return invalid_param(qpair, dw0, text, len);
	case NVH_ST_CONNECT_BUSY:
		snprintf(text, len,
			 "the controller is busy: no controller or queue is free for us");
		return -EBUSY;
	case NVH_ST_AUTH_REQUIRED:
		return needs_authentication(text, len);
	default:
		snprintf(text, len, "Connect failed: %s (SCT %x SC %02x)",
			 nvh_fabrics_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)),
			 nvh_cpl_sct(cpl), nvh_cpl_sc(cpl));
		return -EPROTO;
	}
}
