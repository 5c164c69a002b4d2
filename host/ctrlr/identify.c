/*
 * Identify Controller (CNS 01h) and the NVM command set's limits (CNS 06h): every field that we
 * rely on is checked, then unpacked into caps. Home reactor. Base Specification 2.1
 * section 5.1.13.2.1.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define IOCCSZ_UNIT  16u
#define CAPSULE_MAX  (16u << 20) /* in-capsule data we make use of at most */
#define TRANSFER_MAX (64u << 20) /* bytes a command at most, whatever MDTS says */
#define SHIFT_MAX    14u         /* powers of two of pages that still fit TRANSFER_MAX */

enum identify_step {
	IDENTIFY_CTRLR,
	IDENTIFY_NVM,
};

/* ---- checks: pure ------------------------------------------------------------------------ */

static int check_queues(const struct nvh_id_ctrlr *id, char *text, size_t len)
{
	unsigned int sq_min = id->sqes & 0xf, sq_max = id->sqes >> 4;
	unsigned int cq_min = id->cqes & 0xf, cq_max = id->cqes >> 4;

	if (sq_min > NVH_SQES_LOG2 || sq_max < NVH_SQES_LOG2) {
		snprintf(text, len, "SQES 0x%02x does not take entries of 64 bytes", id->sqes);
		return -EPROTO;
	}
	if (cq_min > NVH_CQES_LOG2 || cq_max < NVH_CQES_LOG2) {
		snprintf(text, len, "CQES 0x%02x does not take entries of 16 bytes", id->cqes);
		return -EPROTO;
	}
	return 0;
}

static int check_capsules(const struct nvh_id_ctrlr *id, char *text, size_t len)
{
	uint64_t bytes = (uint64_t)nvh_le32_get(id->ioccsz) * IOCCSZ_UNIT;
	uint64_t offset = (uint64_t)nvh_le16_get(id->icdoff) * IOCCSZ_UNIT;

	if (bytes < sizeof(struct nvh_cmd)) {
		snprintf(text, len, "IOCCSZ %u is below 4", nvh_le32_get(id->ioccsz));
		return -EPROTO;
	}
	if (nvh_le32_get(id->iorcsz) < 1) {
		snprintf(text, len, "IORCSZ 0 is below 1");
		return -EPROTO;
	}
	if (bytes > sizeof(struct nvh_cmd) && sizeof(struct nvh_cmd) + offset > bytes) {
		snprintf(text, len, "ICDOFF %u is beyond IOCCSZ %u", nvh_le16_get(id->icdoff),
			 nvh_le32_get(id->ioccsz));
		return -EPROTO;
	}
	return 0;
}

static int check_identity(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id, char *text,
			  size_t len)
{
	if (ctrlr->transport->fabrics && nvh_le16_get(id->cntlid) != ctrlr->tctrlr->cntlid) {
		snprintf(text, len, "CNTLID %u is not the %u of Connect", nvh_le16_get(id->cntlid),
			 ctrlr->tctrlr->cntlid);
		return -EPROTO;
	}
	if (!memchr(id->subnqn, '\0', sizeof(id->subnqn))) {
		snprintf(text, len, "SUBNQN is not terminated");
		return -EPROTO;
	}
	if (nvhi_subnqn_check(ctrlr, id)) {
		snprintf(text, len, "SUBNQN is not %s", ctrlr->opts.transport.subnqn);
		return -EPROTO;
	}
	return 0;
}

static int check_type(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id, char *text,
		      size_t len)
{
	bool discovery = id->cntrltype == NVH_CNTRLTYPE_DISCOVERY;

	if (ctrlr->opts.ask_only || id->cntrltype == NVH_CNTRLTYPE_UNREPORTED || discovery == ctrlr->opts.discovery)
		return 0;
	snprintf(text, len,
		 discovery ? "it is a discovery controller (use discover)"
			   : "it is no discovery controller (use connect)");
	return -EPROTO;
}

int nvhi_identify_check(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id, char *text,
			size_t len)
{
	int err = check_identity(ctrlr, id, text, len);

	if (!err)
		err = check_type(ctrlr, id, text, len);
	if (err || ctrlr->opts.discovery || id->cntrltype == NVH_CNTRLTYPE_ADMIN)
		return err;
	err = check_queues(id, text, len);
	if (!err && ctrlr->transport->fabrics)
		err = check_capsules(id, text, len);
	return err;
}

/* ---- unpacking: pure --------------------------------------------------------------------- */

static uint32_t caps_bytes(uint8_t shift, uint32_t page_size, uint32_t none)
{
	uint64_t bytes;

	if (shift == 0)
		return none;
	if (shift > SHIFT_MAX)
		return TRANSFER_MAX;
	bytes = (uint64_t)page_size << shift;
	return bytes > TRANSFER_MAX ? TRANSFER_MAX : (uint32_t)bytes;
}

/* Trims and makes printable; `ret` has room for len + 1. */
static void caps_string(const char *from, size_t len, char *ret)
{
	while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\0'))
		len--;
	for (size_t i = 0; i < len; i++)
		ret[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	ret[len] = '\0';
}

static void caps_limits(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id,
			struct nvhi_ctrlr_caps *caps)
{
	uint32_t transport_max = ctrlr->transport->max_transfer;

	caps->max_transfer = caps_bytes(id->mdts, caps->page_size, TRANSFER_MAX);
	if (transport_max && transport_max < caps->max_transfer)
		caps->max_transfer = transport_max;
	caps->wz_blocks_bytes = 0;
	caps->verify_bytes = 0;
	caps->dmrl = 0;
	caps->dmrsl = 0;
	caps->dmsl = 0;
}

void nvhi_identify_caps(const struct nvhi_ctrlr *ctrlr, const struct nvh_id_ctrlr *id,
			struct nvhi_ctrlr_caps *caps)
{
	caps_limits(ctrlr, id, caps);
	caps->oaes = nvh_le32_get(id->oaes);
	caps->ctratt = nvh_le32_get(id->ctratt);
	caps->sgls = nvh_le32_get(id->sgls);
	caps->cntlid = nvh_le16_get(id->cntlid);
	caps->oacs = nvh_le16_get(id->oacs);
	caps->oncs = nvh_le16_get(id->oncs);
	if (ctrlr->tctrlr && (ctrlr->tctrlr->quirks & NVHI_QUIRK_NO_WZ))
		caps->oncs &= (uint16_t)~NVH_ONCS_WRITE_ZEROES;
	caps->fuses = nvh_le16_get(id->fuses);
	caps->ofcs = nvh_le16_get(id->ofcs);
	caps->kas = nvh_le16_get(id->kas);
	caps->acl = id->acl;
	caps->aerl = id->aerl;
	caps->lpa = id->lpa;
	caps->vwc = id->vwc;
	caps->cmic = id->cmic;
	caps->anacap = id->anacap;
	caps->anatt = id->anatt;
	caps->cntrltype = id->cntrltype;
	caps->anagrpmax = nvh_le32_get(id->anagrpmax);
	caps->nanagrpid = nvh_le32_get(id->nanagrpid);
	caps->nn = nvh_le32_get(id->nn);
	caps->mnan = nvh_le32_get(id->mnan);
	caps->crdt[0] = nvh_le16_get(id->crdt1);
	caps->crdt[1] = nvh_le16_get(id->crdt2);
	caps->crdt[2] = nvh_le16_get(id->crdt3);
	caps->rtd3e_us = nvh_le32_get(id->rtd3e);
	caps->cqt_ms = nvh_le16_get(id->cqt);
	caps->ciu = id->ciu;
	caps->ccrl = id->ccrl;
	caps->cirn = nvh_le64_get(id->cirn);
	/* Over PCIe no Connect agreed on it; the transport looks after the device instead. */
	caps->kato_ms = ctrlr->transport->fabrics ? ctrlr->opts.transport.kato_ms : 0;
	caps->tbkas = caps->ctratt & NVH_CTRATT_TBKAS;
	caps_string(id->sn, sizeof(id->sn), caps->serial);
	caps_string(id->mn, sizeof(id->mn), caps->model);
	caps_string(id->fr, sizeof(id->fr), caps->firmware);
}

void nvhi_identify_nvm(const struct nvh_id_iocs_nvm *nvm, struct nvhi_ctrlr_caps *caps)
{
	caps->verify_bytes = caps_bytes(nvm->vsl, caps->page_size, 0);
	caps->wz_blocks_bytes = caps_bytes(nvm->wzsl, caps->page_size, 0);
	caps->dmrl = nvm->dmrl;
	caps->dmrsl = nvh_le32_get(nvm->dmrsl);
	caps->dmsl = nvh_le64_get(nvm->dmsl);
}

/* ---- the steps --------------------------------------------------------------------------- */

static void identify_send(struct nvhi_ctrlr *ctrlr, enum identify_step step, const char *text,
			  uint8_t cns);

/* The transport lays out I/O capsules from now on as the controller takes them. */
static void identify_tell_transport(struct nvhi_ctrlr *ctrlr)
{
	const struct nvh_id_ctrlr *id = ctrlr->id;
	uint64_t capsule = (uint64_t)nvh_le32_get(id->ioccsz) * IOCCSZ_UNIT;
	uint64_t head = sizeof(struct nvh_cmd) + (uint64_t)nvh_le16_get(id->icdoff) * IOCCSZ_UNIT;
	uint64_t data = capsule > head ? capsule - head : 0;

	ctrlr->tctrlr->ioccsz = (uint32_t)(data > CAPSULE_MAX ? CAPSULE_MAX : data);
	ctrlr->tctrlr->icdoff = (uint16_t)(nvh_le16_get(id->icdoff) * IOCCSZ_UNIT);
	ctrlr->tctrlr->sgls = ctrlr->caps.sgls;
	ctrlr->tctrlr->id = id;
}

static void identify_take(struct nvhi_ctrlr *ctrlr)
{
	const struct nvh_id_ctrlr *id = (const struct nvh_id_ctrlr *)ctrlr->buf;
	char text[160];

	if (nvhi_identify_check(ctrlr, id, text, sizeof(text)) < 0) {
		nvhi_ctrlr_fail(ctrlr, -EPROTO, NULL, "identify", "%s", text);
		return;
	}
	memcpy(ctrlr->id, id, sizeof(*ctrlr->id));
	ctrlr->identified = true;
	nvhi_identify_caps(ctrlr, ctrlr->id, &ctrlr->caps);
	identify_tell_transport(ctrlr);
	nvhi_subnqn_take(ctrlr, ctrlr->id);
	if (ctrlr->opts.discovery || ctrlr->opts.no_scan || ctrlr->caps.vs < nvh_vs(2, 0, 0))
		nvhi_ctrlr_negotiate(ctrlr);
	else
		identify_send(ctrlr, IDENTIFY_NVM, "identify NVM command set", NVH_CNS_IOCS_CTRLR);
}

static void identify_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(admin, struct nvhi_ctrlr, cmd);
	bool refused = !err && nvh_cpl_is_error(cpl);

	if (ctrlr->state != NVHI_CTRLR_IDENTIFYING)
		return;
	if (err) {
		nvhi_ctrlr_fail(ctrlr, err, NULL, ctrlr->step, "%s", strerror(-err));
		return;
	}
	if (ctrlr->cmd_step == IDENTIFY_CTRLR) {
		if (refused)
			nvhi_ctrlr_fail(ctrlr, -EREMOTEIO, cpl, ctrlr->step, "%s", "");
		else
			identify_take(ctrlr);
		return;
	}
	if (!refused) /* not every controller knows this structure; it only sets limits */
		nvhi_identify_nvm((const struct nvh_id_iocs_nvm *)ctrlr->buf, &ctrlr->caps);
	nvhi_ctrlr_negotiate(ctrlr);
}

static void identify_send(struct nvhi_ctrlr *ctrlr, enum identify_step step, const char *text,
			  uint8_t cns)
{
	nvhi_ctrlr_cmd_begin(ctrlr, text, identify_done);
	ctrlr->cmd_step = (uint8_t)step;
	ctrlr->cmd.retries = NVHI_IDENTIFY_RETRIES;
	nvhi_admin_identify(&ctrlr->cmd, cns, 0, NVH_CSI_NVM);
	nvhi_admin_submit_internal(ctrlr, &ctrlr->cmd, ctrlr->buf, NVH_IDENTIFY_SIZE);
}

void nvhi_ctrlr_identify_start(struct nvhi_ctrlr *ctrlr)
{
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_IDENTIFYING, "identify",
			     ctrlr->opts.transport.connect_timeout_ms);
	identify_send(ctrlr, IDENTIFY_CTRLR, "identify", NVH_CNS_CTRLR);
}
