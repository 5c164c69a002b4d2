/*
 * Commands and completions in words, the way storage people know them from SPDK's tools: opcode,
 * sqid, cid, nsid, the fields of the opcode, the data pointer; status, cid, cdw0, sqhd, p, m, dnr.
 * Any thread. Base Specification 2.1 section 4; NVM Command Set 1.1 section 3.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cmd_trace.h"
#include "base/spec/nvmf.h"

struct text {
	char *buf;
	size_t len, used;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->used, t->len - t->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->used = t->used + (size_t)n < t->len ? t->used + (size_t)n : t->len - 1;
}

/* ---- commands ---------------------------------------------------------------------------- */

static void put_data_pointer(struct text *t, const struct nvh_cmd *cmd)
{
	const struct nvh_sgl *sgl = &cmd->dptr.sgl;

	if (!(cmd->flags & NVH_CMD_PSDT_MASK)) {
		if (nvh_le64_get(cmd->dptr.prp.prp1))
			put(t, " PRP1 0x%llx PRP2 0x%llx",
			    (unsigned long long)nvh_le64_get(cmd->dptr.prp.prp1),
			    (unsigned long long)nvh_le64_get(cmd->dptr.prp.prp2));
		return;
	}
	switch (nvh_sgl_type(sgl)) {
	case NVH_SGL_DATA:
		put(t, " SGL DATA BLOCK %s 0x%llx len:0x%x",
		    nvh_sgl_subtype(sgl) == NVH_SGL_SUB_OFFSET ? "OFFSET" : "ADDRESS",
		    (unsigned long long)nvh_le64_get(sgl->addr), nvh_le32_get(sgl->len));
		break;
	case NVH_SGL_TRANSPORT_DATA:
		if (nvh_le32_get(sgl->len))
			put(t, " SGL TRANSPORT DATA BLOCK len:0x%x", nvh_le32_get(sgl->len));
		break;
	case NVH_SGL_KEYED_DATA:
		put(t, " SGL KEYED DATA BLOCK ADDRESS 0x%llx len:0x%x key:0x%x",
		    (unsigned long long)nvh_le64_get(cmd->dptr.ksgl.addr),
		    nvh_le24_get(cmd->dptr.ksgl.len), nvh_le32_get(cmd->dptr.ksgl.key));
		break;
	default:
		put(t, " SGL type 0x%x len:0x%x", nvh_sgl_type(sgl), nvh_le32_get(sgl->len));
		break;
	}
}

static void put_fabrics(struct text *t, uint16_t sqid, const struct nvh_cmd *cmd)
{
	const struct nvh_fab_connect_cmd *connect = (const struct nvh_fab_connect_cmd *)cmd;
	const struct nvh_fab_prop_cmd *prop = (const struct nvh_fab_prop_cmd *)cmd;
	unsigned int fctype = ((const struct nvh_fab_cmd *)cmd)->fctype;

	put(t, "FABRIC %s qid:%u cid:%u", nvh_fabrics_type_name(fctype), sqid,
	    nvh_le16_get(cmd->cid));
	switch (fctype) {
	case NVH_FCTYPE_CONNECT:
		put(t, " queue:%u sqsize:%u cattr:0x%x kato:%u", nvh_le16_get(connect->qid),
		    nvh_le16_get(connect->sqsize), connect->cattr, nvh_le32_get(connect->kato));
		put_data_pointer(t, cmd);
		break;
	case NVH_FCTYPE_PROPERTY_SET:
		put(t, " ofst:0x%x value:0x%llx", nvh_le32_get(prop->ofst),
		    (unsigned long long)nvh_le64_get(prop->value));
		break;
	case NVH_FCTYPE_PROPERTY_GET:
		put(t, " ofst:0x%x", nvh_le32_get(prop->ofst));
		break;
	default:
		break;
	}
}

static void put_admin(struct text *t, const struct nvh_cmd *cmd)
{
	put(t, "%s (%02x) qid:0 cid:%u nsid:%x cdw10:%08x cdw11:%08x", nvh_admin_opc_name(cmd->opc),
	    cmd->opc, nvh_le16_get(cmd->cid), nvh_le32_get(cmd->nsid), nvh_le32_get(cmd->cdw10),
	    nvh_le32_get(cmd->cdw11));
	put_data_pointer(t, cmd);
}

static void put_io(struct text *t, uint16_t sqid, const struct nvh_cmd *cmd)
{
	uint64_t lba = (uint64_t)nvh_le32_get(cmd->cdw11) << 32 | nvh_le32_get(cmd->cdw10);

	put(t, "%s sqid:%u cid:%u nsid:%u", nvh_io_opc_name(cmd->opc), sqid, nvh_le16_get(cmd->cid),
	    nvh_le32_get(cmd->nsid));
	switch (cmd->opc) {
	case NVH_OPC_READ:
	case NVH_OPC_WRITE:
	case NVH_OPC_COMPARE:
	case NVH_OPC_WRITE_ZEROES:
	case NVH_OPC_WRITE_UNCOR:
	case NVH_OPC_VERIFY:
		put(t, " lba:%llu len:%u", (unsigned long long)lba,
		    (nvh_le32_get(cmd->cdw12) & NVH_RW_NLB_MASK) + 1);
		if (nvh_le32_get(cmd->cdw12) & NVH_RW_FUA)
			put(t, " fua");
		break;
	case NVH_OPC_DSM:
		put(t, " ranges:%u attr:0x%x", (nvh_le32_get(cmd->cdw10) & NVH_DSM_NR_MASK) + 1,
		    nvh_le32_get(cmd->cdw11));
		break;
	case NVH_OPC_FLUSH:
		break;
	default:
		put(t, " cdw10:%08x cdw11:%08x cdw12:%08x", nvh_le32_get(cmd->cdw10),
		    nvh_le32_get(cmd->cdw11), nvh_le32_get(cmd->cdw12));
		break;
	}
	put_data_pointer(t, cmd);
}

const char *nvhi_cmd_text(uint16_t sqid, const struct nvh_cmd *cmd, char *buf, size_t len)
{
	struct text t = {.buf = buf, .len = len};

	if (len == 0)
		return buf;
	buf[0] = '\0';
	if (cmd->opc == NVH_ADM_FABRICS)
		put_fabrics(&t, sqid, cmd);
	else if (sqid == 0)
		put_admin(&t, cmd);
	else
		put_io(&t, sqid, cmd);
	return buf;
}

/* ---- completions ------------------------------------------------------------------------- */

const char *nvhi_cpl_text(uint16_t sqid, const struct nvh_cmd *cmd, const struct nvh_cpl *cpl,
			  char *buf, size_t len)
{
	unsigned int sct = nvh_cpl_sct(cpl), sc = nvh_cpl_sc(cpl);

	snprintf(buf, len, "%s (%02x/%02x) qid:%u cid:%u cdw0:%x sqhd:%04x p:%u m:%u dnr:%u",
		 cmd->opc == NVH_ADM_FABRICS ? nvh_fabrics_status_text(sct, sc)
					     : nvh_status_text(sct, sc),
		 sct, sc, sqid, nvh_le16_get(cpl->cid), nvh_le32_get(cpl->dw0),
		 nvh_le16_get(cpl->sqhd), nvh_cpl_phase(cpl), nvh_cpl_more(cpl), nvh_cpl_dnr(cpl));
	return buf;
}

void nvhi_trace_cmd_write(const char *who, uint16_t sqid, const struct nvh_cmd *cmd)
{
	char text[192];

	nvhi_log_write(NVHI_LOG_DEBUG, NVHI_LOG_NVME, "%s: > %s", who,
		       nvhi_cmd_text(sqid, cmd, text, sizeof(text)));
}

void nvhi_trace_cpl_write(const char *who, uint16_t sqid, const struct nvh_cmd *cmd,
			  const struct nvh_cpl *cpl)
{
	char text[192];

	nvhi_log_write(NVHI_LOG_DEBUG, NVHI_LOG_NVME, "%s: < %s", who,
		       nvhi_cpl_text(sqid, cmd, cpl, text, sizeof(text)));
}
