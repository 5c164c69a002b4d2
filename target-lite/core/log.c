/*
 * Get Log Page, all pages but discovery. Each page is built whole, then the window that the host
 * asked for is cut out of it. Admin reactor. Base Specification 2.1 section 5.1.12.
 */
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_identify.h"
#include "base/spec/nvme_log.h"
#include "target-lite/core/impl.h"

/* A page under construction; NULL data after a failed allocation. */
struct log_page {
	uint8_t *data;
	size_t size;
};

static bool log_alloc(struct log_page *page, size_t size)
{
	page->data = calloc(1, size);
	page->size = size;
	return page->data != NULL;
}

unsigned int tl_log_window(const struct tl_request *req, uint64_t *ret_offset, uint32_t *ret_len)
{
	uint64_t numd =
		(tl_cdw10(req) >> NVH_LOG_NUMDL_SHIFT | (uint64_t)(tl_cdw11(req) & 0xffff) << 16) +
		1;
	uint64_t offset = (uint64_t)nvh_le32_get(req->cmd.cdw13) << 32 | tl_cdw12(req);

	if (nvh_le32_get(req->cmd.cdw14) & NVH_LOG_OT || offset & 3)
		return TL_DNR(NVH_ST_INVALID_FIELD);
	if (req->dir != NVH_DATA_TO_HOST || numd * 4 > req->xfer_len)
		return TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN);
	*ret_offset = offset;
	*ret_len = (uint32_t)numd * 4;
	return 0;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void log_error(struct tl_ctrlr *ctrlr, struct log_page *page)
{
	struct nvh_error_log_entry *entries;

	if (!log_alloc(page, TL_ERROR_LOG_ENTRIES * sizeof(*entries)))
		return;
	entries = (struct nvh_error_log_entry *)page->data;
	while (atomic_flag_test_and_set_explicit(&ctrlr->error_lock, memory_order_acquire))
		continue;
	for (uint64_t i = 0; i < TL_ERROR_LOG_ENTRIES && i < ctrlr->error_count; i++) {
		const struct tl_error_entry *from =
			&ctrlr->errors[(ctrlr->error_count - 1 - i) % TL_ERROR_LOG_ENTRIES];

		nvh_le64_put(&entries[i].error_count, from->count);
		nvh_le16_put(&entries[i].sqid, from->sqid);
		nvh_le16_put(&entries[i].cid, from->cid);
		nvh_le16_put(&entries[i].status, from->status);
		nvh_le16_put(&entries[i].param_loc, 0xffff);
		nvh_le64_put(&entries[i].lba, from->lba);
		nvh_le32_put(&entries[i].nsid, from->nsid);
		entries[i].trtype = (uint8_t)ctrlr->transport->ops->trtype;
		entries[i].opc = from->opc;
		entries[i].version = 1;
	}
	atomic_flag_clear_explicit(&ctrlr->error_lock, memory_order_release);
}

static void log_smart(struct tl_ctrlr *ctrlr, struct log_page *page)
{
	struct tl_ctrlr_group sum = {0};
	struct nvh_smart_log *log;

	if (!log_alloc(page, sizeof(*log)))
		return;
	log = (struct nvh_smart_log *)page->data;
	for (uint32_t i = 0; i < ctrlr->subsystem->target->group_count; i++) {
		const struct tl_ctrlr_group *g = &ctrlr->groups[i];

		sum.read_bytes += __atomic_load_n(&g->read_bytes, __ATOMIC_RELAXED);
		sum.write_bytes += __atomic_load_n(&g->write_bytes, __ATOMIC_RELAXED);
		sum.reads += __atomic_load_n(&g->reads, __ATOMIC_RELAXED);
		sum.writes += __atomic_load_n(&g->writes, __ATOMIC_RELAXED);
	}
	nvh_le16_put(&log->composite_temp, 300);
	log->avail_spare = 100;
	log->spare_thresh = 10;
	nvh_le128_put(&log->data_units_read, (sum.read_bytes + 511999) / 512000);
	nvh_le128_put(&log->data_units_written, (sum.write_bytes + 511999) / 512000);
	nvh_le128_put(&log->host_reads, sum.reads);
	nvh_le128_put(&log->host_writes, sum.writes);
	nvh_le128_put(&log->num_error_entries, ctrlr->error_count);
}

static void log_firmware(struct log_page *page)
{
	struct nvh_fw_slot_log *log;

	if (!log_alloc(page, sizeof(*log)))
		return;
	log = (struct nvh_fw_slot_log *)page->data;
	log->afi = 1;
	tl_pad(log->frs[0], sizeof(log->frs[0]), TL_FIRMWARE_REVISION);
}

static void log_changed_ns(struct tl_ctrlr *ctrlr, struct log_page *page, bool retain)
{
	struct nvh_ns_list *list;

	if (!log_alloc(page, sizeof(*list)))
		return;
	list = (struct nvh_ns_list *)page->data;
	if (ctrlr->changed_ns_count > TL_CHANGED_NS_MAX) {
		nvh_le32_put(&list->nsid[0], NVH_CHANGED_NS_OVERFLOW);
	} else {
		for (uint32_t i = 0; i < ctrlr->changed_ns_count; i++)
			nvh_le32_put(&list->nsid[i], ctrlr->changed_ns[i]);
	}
	if (!retain)
		ctrlr->changed_ns_count = 0;
}

static void log_effects(const struct tl_ctrlr *ctrlr, struct log_page *page)
{
	static const uint8_t admin[] = {NVH_ADM_GET_LOG_PAGE, NVH_ADM_IDENTIFY,     NVH_ADM_ABORT,
					NVH_ADM_SET_FEATURES, NVH_ADM_GET_FEATURES, NVH_ADM_AER,
					NVH_ADM_KEEP_ALIVE};
	static const uint8_t io[] = {NVH_OPC_FLUSH,         NVH_OPC_READ,
				     NVH_OPC_COMPARE,       NVH_OPC_VERIFY,
				     NVH_OPC_RESV_REGISTER, NVH_OPC_RESV_REPORT,
				     NVH_OPC_RESV_ACQUIRE,  NVH_OPC_RESV_RELEASE};
	static const uint8_t io_change[] = {NVH_OPC_WRITE, NVH_OPC_WRITE_ZEROES, NVH_OPC_DSM,
					    NVH_OPC_COPY};
	struct nvh_effects_log *log;

	if (!log_alloc(page, sizeof(*log)))
		return;
	log = (struct nvh_effects_log *)page->data;
	for (size_t i = 0; i < sizeof(admin); i++)
		nvh_le32_put(&log->acs[admin[i]], NVH_EFFECT_CSUPP);
	if (ctrlr->subsystem->ccr != TL_CCR_OFF)
		nvh_le32_put(&log->acs[NVH_ADM_CCR], NVH_EFFECT_CSUPP);
	for (size_t i = 0; i < sizeof(io); i++)
		nvh_le32_put(&log->iocs[io[i]], NVH_EFFECT_CSUPP);
	for (size_t i = 0; i < sizeof(io_change); i++)
		nvh_le32_put(&log->iocs[io_change[i]], NVH_EFFECT_CSUPP | NVH_EFFECT_LBCC);
}

static void log_supported(const struct tl_ctrlr *ctrlr, struct log_page *page)
{
	static const uint8_t lids[] = {NVH_LID_SUPPORTED, NVH_LID_ERROR,      NVH_LID_SMART,
				       NVH_LID_FW_SLOT,   NVH_LID_CHANGED_NS, NVH_LID_CMD_EFFECTS};

	if (!log_alloc(page, 1024))
		return;
	for (size_t i = 0; i < sizeof(lids); i++)
		page->data[lids[i] * 4] = 1; /* LSUPP */
	page->data[NVH_LID_ANA * 4] = 1;
	page->data[NVH_LID_CCR * 4] = ctrlr->subsystem->ccr != TL_CCR_OFF;
	page->data[NVH_LID_RESERVATION * 4] = 1;
}

static uint8_t *log_ana_group(const struct tl_ctrlr *ctrlr, uint32_t grpid, uint8_t *at, bool rgo)
{
	const struct tl_subsystem *ss = ctrlr->subsystem;
	struct nvh_ana_group *group = (struct nvh_ana_group *)at;
	struct nvh_le32 *nsids = (struct nvh_le32 *)(group + 1);
	uint32_t n = 0;

	for (uint32_t nsid = 1; nsid <= ss->max_nsid && !rgo; nsid++)
		if (ss->ns[nsid - 1] && ss->ns[nsid - 1]->anagrpid == grpid)
			nvh_le32_put(&nsids[n++], nsid);
	nvh_le32_put(&group->grpid, grpid);
	nvh_le32_put(&group->nnsids, n);
	nvh_le64_put(&group->chgcnt, ctrlr->listener->ana_change_count);
	group->state = ctrlr->listener->ana_state[grpid - 1];
	return (uint8_t *)(nsids + n);
}

static void log_ana(struct tl_ctrlr *ctrlr, struct log_page *page, bool rgo)
{
	const struct tl_subsystem *ss = ctrlr->subsystem;
	uint8_t *used = calloc(1, ss->max_nsid + 1);
	uint32_t active = 0;
	uint16_t groups = 0;
	uint8_t *at;

	page->data = NULL;
	if (!used)
		return;
	for (uint32_t nsid = 1; nsid <= ss->max_nsid; nsid++) {
		const struct tl_ns *ns = ss->ns[nsid - 1];

		if (!ns)
			continue;
		active++;
		groups += !used[ns->anagrpid];
		used[ns->anagrpid] = 1;
	}
	if (log_alloc(page, sizeof(struct nvh_ana_log) + groups * sizeof(struct nvh_ana_group) +
				    (rgo ? 0 : active * 4))) {
		struct nvh_ana_log *log = (struct nvh_ana_log *)page->data;

		nvh_le64_put(&log->chgcnt, ctrlr->listener->ana_change_count);
		nvh_le16_put(&log->ngrps, groups);
		at = (uint8_t *)(log + 1);
		for (uint32_t grpid = 1; grpid <= ss->max_nsid; grpid++)
			if (used[grpid])
				at = log_ana_group(ctrlr, grpid, at, rgo);
	}
	free(used);
}

/* ---- dispatch ------------------------------------------------------------------------------- */

static bool log_build(struct tl_request *req, struct log_page *page)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint32_t cdw10 = tl_cdw10(req);

	switch ((uint8_t)cdw10) {
	case NVH_LID_SUPPORTED:
		log_supported(ctrlr, page);
		return true;
	case NVH_LID_ERROR:
		log_error(ctrlr, page);
		return true;
	case NVH_LID_SMART:
		log_smart(ctrlr, page);
		return true;
	case NVH_LID_FW_SLOT:
		log_firmware(page);
		return true;
	case NVH_LID_CHANGED_NS:
		log_changed_ns(ctrlr, page, cdw10 & NVH_LOG_RAE);
		return true;
	case NVH_LID_CMD_EFFECTS:
		log_effects(ctrlr, page);
		return true;
	case NVH_LID_RESERVATION: /* none is ever pending */
		log_alloc(page, sizeof(struct nvh_resv_notification));
		return true;
	case NVH_LID_ANA:
		if (!ctrlr->subsystem->ana_reporting || !ctrlr->listener)
			return false;
		log_ana(ctrlr, page, cdw10 >> NVH_LOG_LSP_SHIFT & NVH_ANA_LSP_RGO);
		return true;
	default:
		return false;
	}
}

void tl_log_exec(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	struct log_page page = {0};
	uint32_t cdw10;
	uint64_t offset;
	uint32_t len;
	unsigned int status = tl_log_window(req, &offset, &len);

	if (status) {
		tl_request_complete(req, status);
		return;
	}
	if (ctrlr->discovery) {
		if ((uint8_t)tl_cdw10(req) == NVH_LID_DISCOVERY)
			tl_discovery_log_exec(req);
		else
			tl_request_complete(req, TL_DNR(NVH_ST_INVALID_LOG_PAGE));
		return;
	}
	if ((uint8_t)tl_cdw10(req) == NVH_LID_CCR && ctrlr->subsystem->ccr != TL_CCR_OFF) {
		tl_ccr_log_exec(req);
		return;
	}
	if (!log_build(req, &page)) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_LOG_PAGE));
		return;
	}
	if (!page.data) {
		tl_request_complete(req, NVH_ST_INTERNAL);
		return;
	}
	if (offset > page.size) {
		free(page.data);
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	memset(req->iov.iov_base, 0, len);
	memcpy(req->iov.iov_base, page.data + offset,
	       len < page.size - offset ? len : page.size - offset);
	free(page.data);
	req->data_len = len;
	cdw10 = tl_cdw10(req);
	tl_request_complete(req, NVH_ST_SUCCESS);
	if (!(cdw10 & NVH_LOG_RAE))
		tl_aer_rearm(ctrlr, (uint8_t)cdw10);
}
