/*
 * Identify. The structures are built on the admin reactor into the request's buffer.
 * Base Specification 2.1 section 5.1.13, NVM Command Set 1.1 section 4.1.5. Values that tools and
 * hosts check follow SPDK's target.
 */
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_identify.h"
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "target-lite/core/impl.h"

/* All types; nothing persists through power loss. */
#define TL_RESCAP                                                                                  \
	(NVH_RESCAP_WRITE_EXCL | NVH_RESCAP_EXCL_ACCESS | NVH_RESCAP_WRITE_EXCL_REG |              \
	 NVH_RESCAP_EXCL_ACCESS_REG | NVH_RESCAP_WRITE_EXCL_ALL | NVH_RESCAP_EXCL_ACCESS_ALL |     \
	 NVH_RESCAP_IEKEY_13)

static unsigned int log2_floor(uint64_t v)
{
	return v ? 63u - (unsigned int)__builtin_clzll(v) : 0;
}

/* ---- controller ----------------------------------------------------------------------------- */

static void identify_ctrlr_common(const struct tl_ctrlr *ctrlr, struct nvh_id_ctrlr *id)
{
	const struct tl_transport_opts *opts = &ctrlr->transport->opts;

	tl_pad(id->fr, sizeof(id->fr), TL_FIRMWARE_REVISION);
	id->mdts = (uint8_t)log2_floor(opts->max_io_size / 4096);
	nvh_le16_put(&id->cntlid, ctrlr->cntlid);
	nvh_le32_put(&id->ver, nvh_vs(2, 0, 0));
	id->aerl = TL_AER_SLOTS - 1;
	id->lpa = NVH_LPA_EXTENDED;
	id->elpe = TL_ERROR_LOG_ENTRIES - 1;
	nvh_le16_put(&id->maxcmd, (uint16_t)opts->max_queue_depth);
	nvh_le32_put(&id->sgls, ctrlr->transport->sgls);
	nvh_le16_put(&id->wctemp, 0x157);
	nvh_le16_put(&id->cctemp, 0x175);
	nvh_le16_put(&id->kas, (uint16_t)opts->kas);
	memcpy(id->subnqn, ctrlr->subsystem->nqn, strlen(ctrlr->subsystem->nqn));
	id->fcatt = NVH_FCATT_DYNAMIC;
	id->msdbd = ctrlr->transport->msdbd;
}

static void identify_ctrlr_ana(const struct tl_subsystem *ss, struct nvh_id_ctrlr *id)
{
	id->cmic |= NVH_CMIC_ANA;
	nvh_le32_put(&id->oaes, nvh_le32_get(id->oaes) | NVH_AEN_ANA);
	id->anatt = 10;
	id->anacap = NVH_ANACAP_OPTIMIZED | NVH_ANACAP_NONOPTIMIZED | NVH_ANACAP_INACCESSIBLE |
		     NVH_ANACAP_PERSISTENT_LOSS | NVH_ANACAP_CHANGE;
	nvh_le32_put(&id->anagrpmax, ss->max_nsid);
	nvh_le32_put(&id->nanagrpid, ss->max_nsid);
	nvh_le32_put(&id->mnan, ss->max_nsid);
}

static void identify_ctrlr_io(const struct tl_ctrlr *ctrlr, struct nvh_id_ctrlr *id)
{
	const struct tl_transport_opts *opts = &ctrlr->transport->opts;
	const struct tl_subsystem *ss = ctrlr->subsystem;

	nvh_le16_put(&id->vid, 0x1b36);
	nvh_le16_put(&id->ssvid, 0x1b36);
	tl_pad(id->sn, sizeof(id->sn), ss->serial);
	tl_pad(id->mn, sizeof(id->mn), ss->model);
	id->rab = 6;
	id->cmic = NVH_CMIC_MULTI_PORT | NVH_CMIC_MULTI_CTRLR;
	nvh_le32_put(&id->oaes, NVH_AEN_NS_ATTR);
	nvh_le32_put(&id->ctratt,
		     NVH_CTRATT_HOSTID_128 | (ss->target->opts.tbkas ? NVH_CTRATT_TBKAS : 0));
	id->cntrltype = NVH_CNTRLTYPE_IO;
	nvh_le16_put(&id->cqt, ss->cqt_ms);
	if (ss->ccr != TL_CCR_OFF) {
		id->ciu = ctrlr->ciu;
		nvh_le64_put(&id->cirn, ctrlr->cirn);
		id->ccrl = TL_CCR_LIMIT;
		nvh_le32_put(&id->oaes, nvh_le32_get(id->oaes) | NVH_AEN_CCR);
	}
	nvh_le16_put(&id->crdt1, ctrlr->crdt[0]);
	nvh_le16_put(&id->crdt2, ctrlr->crdt[1]);
	nvh_le16_put(&id->crdt3, ctrlr->crdt[2]);
	id->acl = 3;
	id->frmw = 0x03; /* one slot, read only */
	id->lpa |= NVH_LPA_CMD_EFFECTS | NVH_LPA_SUPPORTED_LOGS;
	id->sqes = NVH_SQES_LOG2 << 4 | NVH_SQES_LOG2;
	id->cqes = NVH_CQES_LOG2 << 4 | NVH_CQES_LOG2;
	nvh_le32_put(&id->nn, ss->max_nsid);
	nvh_le32_put(&id->mnan, ss->max_nsid);
	nvh_le16_put(&id->oncs, NVH_ONCS_COMPARE | NVH_ONCS_DSM | NVH_ONCS_WRITE_ZEROES |
					NVH_ONCS_VERIFY | NVH_ONCS_COPY | NVH_ONCS_RESERVATIONS);
	nvh_le16_put(&id->fuses, NVH_FUSES_COMPARE_WRITE);
	id->vwc = NVH_VWC_PRESENT | NVH_VWC_FLUSH_ALL_NO;
	nvh_le16_put(&id->cdfs, 0x1); /* format 0h */
	if (ctrlr->transport->ops->trtype == TL_TRTYPE_VFIOUSER) {
		nvh_le16_put(&id->oacs, NVH_OACS_DBBUF);
	} else {
		nvh_le32_put(&id->ioccsz, (uint32_t)sizeof(struct nvh_cmd) / 16 +
						  opts->in_capsule_data_size / 16);
		nvh_le32_put(&id->iorcsz, (uint32_t)sizeof(struct nvh_cpl) / 16);
		nvh_le16_put(&id->ofcs, NVH_OFCS_DISCONNECT);
	}
	id->psd[0].flags = 0;
	if (ss->ana_reporting)
		identify_ctrlr_ana(ss, id);
}

static void identify_ctrlr(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	struct nvh_id_ctrlr id;

	memset(&id, 0, sizeof(id));
	identify_ctrlr_common(ctrlr, &id);
	if (ctrlr->discovery) {
		nvh_le32_put(&id.oaes, NVH_AEN_DISCOVERY);
		id.cntrltype = NVH_CNTRLTYPE_DISCOVERY;
	} else {
		identify_ctrlr_io(ctrlr, &id);
	}
	tl_request_reply(req, &id, sizeof(id));
}

static void identify_iocs_ctrlr(struct tl_request *req)
{
	const struct tl_subsystem *ss = tl_request_ctrlr(req)->subsystem;
	struct nvh_id_iocs_nvm id;

	memset(&id, 0, sizeof(id));
	nvh_le32_put(&id.ver, nvh_vs(1, 0, 0));
	id.wzsl = ss->wzsl;
	nvh_le32_put(&id.dmrsl, ss->dmrsl);
	tl_request_reply(req, &id, sizeof(id));
}

/* ---- namespace ------------------------------------------------------------------------------ */

static uint64_t identify_copy_blocks(const struct tl_ns *ns)
{
	uint64_t most = TL_COPY_MAX_BYTES >> ns->block_shift;

	return most > UINT16_MAX ? UINT16_MAX : most;
}

static void identify_ns_fill(const struct tl_ctrlr *ctrlr, const struct tl_ns *ns,
			     struct nvh_id_ns *id)
{
	uint16_t npwg = (uint16_t)((ns->bdev->physical_block_size >> ns->block_shift) - 1);
	uint16_t most = (uint16_t)((ctrlr->transport->opts.max_io_size >> ns->block_shift) - 1);

	nvh_le64_put(&id->nsze, ns->blocks);
	nvh_le64_put(&id->ncap, ns->blocks);
	nvh_le64_put(&id->nuse, ns->blocks);
	id->nsfeat = NVH_NSFEAT_OPTPERF | NVH_NSFEAT_ATOMIC;
	id->nmic = NVH_NMIC_SHARED;
	id->rescap = TL_RESCAP;
	id->dlfeat = NVH_DLFEAT_READ_ZERO | NVH_DLFEAT_WZ_DEAC;
	nvh_le16_put(&id->npwg, npwg);
	nvh_le16_put(&id->npwa, npwg);
	nvh_le16_put(&id->npdg, npwg);
	nvh_le16_put(&id->npda, npwg);
	nvh_le16_put(&id->nows, most);
	nvh_le16_put(&id->mssrl, (uint16_t)identify_copy_blocks(ns));
	nvh_le32_put(&id->mcl, (uint32_t)identify_copy_blocks(ns) * TL_COPY_MAX_RANGES);
	id->msrc = TL_COPY_MAX_RANGES - 1;
	if (ns->bdev->read_only)
		id->nsattr = NVH_NSATTR_WRITE_PROTECTED;
	if (ns->subsystem->ana_reporting)
		nvh_le32_put(&id->anagrpid, ns->anagrpid);
	memcpy(id->nguid, ns->nguid, sizeof(id->nguid));
	memcpy(id->eui64, ns->eui64, sizeof(id->eui64));
	id->lbaf[0].lbads = (uint8_t)ns->block_shift;
}

/* An inactive NSID is answered with zeroes, an impossible one with an error. */
static bool identify_nsid_ok(struct tl_request *req)
{
	const struct tl_subsystem *ss = tl_request_ctrlr(req)->subsystem;
	uint32_t nsid = tl_nsid(req);

	if (nsid == 0 || nsid > ss->max_nsid) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_NS));
		return false;
	}
	return true;
}

static struct tl_ns *identify_the_ns(const struct tl_request *req)
{
	return tl_subsystem_ns(tl_request_ctrlr(req)->subsystem, tl_nsid(req));
}

static void identify_ns(struct tl_request *req)
{
	struct nvh_id_ns id;
	struct tl_ns *ns;

	if (!identify_nsid_ok(req))
		return;
	memset(&id, 0, sizeof(id));
	ns = identify_the_ns(req);
	if (ns)
		identify_ns_fill(tl_request_ctrlr(req), ns, &id);
	tl_request_reply(req, &id, sizeof(id));
}

static void identify_indep_ns(struct tl_request *req)
{
	struct nvh_id_ns_indep id;
	struct tl_ns *ns;

	if (!identify_nsid_ok(req))
		return;
	memset(&id, 0, sizeof(id));
	ns = identify_the_ns(req);
	if (ns) {
		id.nmic = NVH_NMIC_SHARED;
		id.rescap = TL_RESCAP;
		id.nstat = NVH_NSTAT_READY;
		if (ns->bdev->read_only)
			id.nsattr = NVH_NSATTR_WRITE_PROTECTED;
		if (ns->subsystem->ana_reporting)
			nvh_le32_put(&id.anagrpid, ns->anagrpid);
	}
	tl_request_reply(req, &id, sizeof(id));
}

static void identify_iocs_ns(struct tl_request *req)
{
	struct nvh_id_iocs_ns_nvm id;

	if (!identify_nsid_ok(req))
		return;
	memset(&id, 0, sizeof(id));
	tl_request_reply(req, &id, sizeof(id));
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void identify_active_ns(struct tl_request *req)
{
	const struct tl_subsystem *ss = tl_request_ctrlr(req)->subsystem;
	uint32_t above = tl_nsid(req);
	struct nvh_ns_list list;
	unsigned int n = 0;

	if (above >= NVH_NSID_MAX) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_NS));
		return;
	}
	memset(&list, 0, sizeof(list));
	for (uint32_t nsid = above + 1; nsid <= ss->max_nsid && n < NVH_NS_LIST_MAX; nsid++)
		if (ss->ns[nsid - 1])
			nvh_le32_put(&list.nsid[n++], nsid);
	tl_request_reply(req, &list, sizeof(list));
}

static bool identify_id_empty(const uint8_t *id, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (id[i])
			return false;
	return true;
}

static size_t identify_put_desc(uint8_t *at, uint8_t type, const void *id, uint8_t len)
{
	struct nvh_ns_desc desc = {.nidt = type, .nidl = len};

	if (type != NVH_NIDT_CSI && identify_id_empty(id, len))
		return 0;
	memcpy(at, &desc, sizeof(desc));
	memcpy(at + sizeof(desc), id, len);
	return sizeof(desc) + len;
}

static void identify_ns_desc(struct tl_request *req)
{
	static const uint8_t csi = NVH_CSI_NVM;
	uint8_t list[NVH_IDENTIFY_SIZE];
	struct tl_ns *ns;
	size_t at = 0;

	if (!identify_nsid_ok(req))
		return;
	ns = identify_the_ns(req);
	if (!ns) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	memset(list, 0, sizeof(list));
	at += identify_put_desc(list + at, NVH_NIDT_EUI64, ns->eui64, NVH_NIDL_EUI64);
	at += identify_put_desc(list + at, NVH_NIDT_NGUID, ns->nguid, NVH_NIDL_NGUID);
	at += identify_put_desc(list + at, NVH_NIDT_UUID, ns->uuid, NVH_NIDL_UUID);
	identify_put_desc(list + at, NVH_NIDT_CSI, &csi, NVH_NIDL_CSI);
	tl_request_reply(req, list, sizeof(list));
}

static void identify_iocs(struct tl_request *req)
{
	struct nvh_le64 vectors[512] = {0};

	nvh_le64_put(&vectors[0], 1u << NVH_CSI_NVM);
	tl_request_reply(req, vectors, sizeof(vectors));
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static bool identify_csi_ok(struct tl_request *req)
{
	if (tl_cdw11(req) >> NVH_IDENTIFY_CSI_SHIFT == NVH_CSI_NVM)
		return true;
	tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
	return false;
}

void tl_identify_exec(struct tl_request *req)
{
	uint8_t cns = (uint8_t)tl_cdw10(req);

	if (tl_request_ctrlr(req)->discovery && cns != NVH_CNS_CTRLR) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	if (req->dir != NVH_DATA_TO_HOST || req->xfer_len < NVH_IDENTIFY_SIZE) {
		tl_request_complete(req, TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN));
		return;
	}
	switch (cns) {
	case NVH_CNS_CTRLR:
		identify_ctrlr(req);
		return;
	case NVH_CNS_NS:
		identify_ns(req);
		return;
	case NVH_CNS_ACTIVE_NS:
		identify_active_ns(req);
		return;
	case NVH_CNS_NS_DESC:
		identify_ns_desc(req);
		return;
	case NVH_CNS_INDEP_NS:
		identify_indep_ns(req);
		return;
	case NVH_CNS_IOCS:
		identify_iocs(req);
		return;
	case NVH_CNS_IOCS_NS:
		if (identify_csi_ok(req))
			identify_iocs_ns(req);
		return;
	case NVH_CNS_IOCS_CTRLR:
		if (identify_csi_ok(req))
			identify_iocs_ctrlr(req);
		return;
	case NVH_CNS_IOCS_ACTIVE_NS:
		if (identify_csi_ok(req))
			identify_active_ns(req);
		return;
	default:
		nvhi_log(DEBUG, TARGET, "%s: Identify CNS %02xh is not supported",
			 tl_request_ctrlr(req)->name, cns);
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
	}
}
