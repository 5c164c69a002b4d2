/*
 * Get Log Page of any length in chunks. Without extended log data (LPA bit 2) a page is read in one
 * command of at most 4,096 dwords (NUMDU is reserved, there is no offset). Home reactor. Base
 * Specification 2.1 section 5.1.12.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define LOG_CHUNK_MAX (128u << 10)
#define LOG_PLAIN_MAX (4096u * 4u) /* NUMD of 12 bits, before extended log data */
#define LOG_RETRIES   2u

static void log_next(struct nvhi_log_page *log);

static void log_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_log_page *log = nvhi_container_of(admin, struct nvhi_log_page, admin);

	if (err || nvh_cpl_is_error(cpl)) {
		log->done(log, err, cpl);
		return;
	}
	log->pos += log->asked;
	if (log->pos < log->len && nvhi_ctrlr_is_ending(log->ctrlr))
		log->done(log, -ENOTCONN, NULL);
	else if (log->pos < log->len)
		log_next(log);
	else
		log->done(log, 0, cpl);
}

static void log_next(struct nvhi_log_page *log)
{
	struct nvh_cmd *cmd = &log->admin.req.cmd;
	uint64_t offset = log->offset + log->pos;
	uint32_t numd;

	log->asked = log->len - log->pos < log->chunk ? log->len - log->pos : log->chunk;
	numd = log->asked / 4 - 1;
	memset(&log->admin, 0, sizeof(log->admin));
	cmd->opc = NVH_ADM_GET_LOG_PAGE;
	nvh_le32_put(&cmd->nsid, log->nsid);
	nvh_le32_put(&cmd->cdw10,
		     log->lid | (uint32_t)(log->lsp & NVH_LOG_LSP_MASK) << NVH_LOG_LSP_SHIFT |
			     (log->rae ? NVH_LOG_RAE : 0) | (numd & 0xffff) << NVH_LOG_NUMDL_SHIFT);
	nvh_le32_put(&cmd->cdw11, numd >> 16 | (uint32_t)log->lsi << NVH_LOG_LSI_SHIFT);
	nvh_le32_put(&cmd->cdw12, (uint32_t)offset);
	nvh_le32_put(&cmd->cdw13, (uint32_t)(offset >> 32));
	nvh_le32_put(&cmd->cdw14, (uint32_t)log->csi << NVH_LOG_CSI_SHIFT);
	log->admin.done = log_done;
	log->admin.timeout_ms = log->timeout_ms;
	log->admin.retries = LOG_RETRIES;
	nvhi_admin_submit_internal(log->ctrlr, &log->admin, (uint8_t *)log->data + log->pos,
				   log->asked);
}

int nvhi_log_page_read_internal(struct nvhi_ctrlr *ctrlr, struct nvhi_log_page *log)
{
	uint32_t max =
		ctrlr->caps.max_transfer < LOG_CHUNK_MAX ? ctrlr->caps.max_transfer : LOG_CHUNK_MAX;
	/* A discovery log has no other way to be read, whatever LPA says. */
	bool extended = (ctrlr->caps.lpa & NVH_LPA_EXTENDED) || ctrlr->opts.discovery;

	if (log->len == 0 || log->len % 4 || log->offset % 4)
		return -EINVAL;
	if (!extended && max > LOG_PLAIN_MAX)
		max = LOG_PLAIN_MAX;
	if (log->chunk == 0 || log->chunk > max)
		log->chunk = max;
	log->chunk &= ~3u;
	if (!extended && (log->offset || log->len > log->chunk))
		return -EOPNOTSUPP;
	log->ctrlr = ctrlr;
	log->pos = 0;
	log_next(log);
	return 0;
}

int nvhi_log_page_read(struct nvhi_ctrlr *ctrlr, struct nvhi_log_page *log)
{
	if (ctrlr->state != NVHI_CTRLR_LIVE)
		return -ENOTCONN;
	return nvhi_log_page_read_internal(ctrlr, log);
}
