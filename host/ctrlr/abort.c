/*
 * Abort: the first step against a stuck command. One at a time (every controller takes one, ACL
 * being 0's based); whether it worked shows in the aborted command's own completion, so the answer
 * is only logged. Home reactor. Base Specification 2.1 section 5.1.1.
 */
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define ABORT_GRACE_MAX_MS 5000u

static void abort_next(struct nvhi_ctrlr *ctrlr);

/* How long an aborted command may still take before the controller is reset. */
uint32_t nvhi_abort_grace_ms(const struct nvhi_ctrlr *ctrlr)
{
	uint32_t ms = ctrlr->opts.admin_timeout_ms;

	return ms > ABORT_GRACE_MAX_MS ? ABORT_GRACE_MAX_MS : ms;
}

static void abort_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(admin, struct nvhi_ctrlr, abort_cmd);
	uint32_t what = nvh_le32_get(admin->req.cmd.cdw10);

	ctrlr->abort_out = false;
	if (!err)
		nvhi_log(INFO, CTRLR, "%s: Abort of cid 0x%04x on queue %u: %s", ctrlr->name,
			 what >> NVH_ABORT_CID_SHIFT, what & 0xffff,
			 nvh_cpl_is_error(cpl) ? nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl))
			 : nvh_le32_get(cpl->dw0) & NVH_ABORT_NOT_ABORTED ? "not aborted"
									  : "aborted");
	if (!err)
		nvhi_probe_heard(ctrlr, admin->req.submit_ns);
	if (!err && !nvhi_ctrlr_is_ending(ctrlr))
		abort_next(ctrlr);
}

static void abort_next(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_admin *cmd = &ctrlr->abort_cmd;
	struct nvhi_abort *abort;

	if (ctrlr->abort_out || nvhi_list_empty(&ctrlr->aborts))
		return;
	abort = nvhi_list_first(&ctrlr->aborts, struct nvhi_abort, link);
	nvhi_list_del(&abort->link);
	memset(cmd, 0, sizeof(*cmd));
	cmd->done = abort_done;
	cmd->timeout_ms = nvhi_abort_grace_ms(ctrlr);
	cmd->req.cmd.opc = NVH_ADM_ABORT;
	nvh_le32_put(&cmd->req.cmd.cdw10,
		     abort->sqid | (uint32_t)abort->cid << NVH_ABORT_CID_SHIFT);
	ctrlr->abort_out = true;
	nvhi_admin_submit_urgent(ctrlr, cmd);
	abort->sent(abort);
}

void nvhi_abort_queue(struct nvhi_ctrlr *ctrlr, struct nvhi_abort *abort, uint16_t sqid,
		      uint16_t cid)
{
	abort->sqid = sqid;
	abort->cid = cid;
	nvhi_list_add_tail(&ctrlr->aborts, &abort->link);
	abort_next(ctrlr);
}

void nvhi_abort_sent_none(struct nvhi_abort *abort)
{
	(void)abort;
}

void nvhi_abort_cancel(struct nvhi_abort *abort)
{
	nvhi_list_del(&abort->link);
}

void nvhi_abort_flush(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_abort *abort, *next;

	nvhi_list_for_each_safe(abort, next, &ctrlr->aborts, link)
		nvhi_list_del(&abort->link);
}
