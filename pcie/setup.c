/*
 * What the driver sets up by commands of its own when the controller was identified and before its
 * first I/O queue is made: memory for it, doorbells in memory. One after the other on the admin
 * queue (jobs.c sends them); what is refused is done without. Home reactor.
 */
#include <string.h>

#include "pcie/pcie_impl.h"

static const char *const setup_names[] = {
	[NVHI_PCIE_SETUP_HMB] = "host memory buffer",
	[NVHI_PCIE_SETUP_SHADOW] = "doorbells in memory",
};

static bool setup_command(struct nvhi_pcie_ctrlr *ctrlr, struct nvh_cmd *cmd)
{
	switch (ctrlr->setup) {
	case NVHI_PCIE_SETUP_HMB:
		return nvhi_pcie_hmb_command(ctrlr, cmd);
	default:
		return nvhi_pcie_shadow_command(ctrlr, cmd);
	}
}

bool nvhi_pcie_setup_next(struct nvhi_pcie_ctrlr *ctrlr, struct nvh_cmd *ret_cmd)
{
	for (; ctrlr->tctrlr.id && ctrlr->setup < NVHI_PCIE_SETUP_DONE; ctrlr->setup++) {
		memset(ret_cmd, 0, sizeof(*ret_cmd));
		if (setup_command(ctrlr, ret_cmd))
			return true;
	}
	return false;
}

void nvhi_pcie_setup_done(struct nvhi_pcie_ctrlr *ctrlr, const struct nvh_cpl *cpl)
{
	if (nvh_cpl_is_error(cpl))
		nvhi_log(INFO, PCIE, "%s: no %s: %s", ctrlr->tctrlr.opts.name,
			 setup_names[ctrlr->setup],
			 nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	else if (ctrlr->setup == NVHI_PCIE_SETUP_HMB)
		ctrlr->hmb.given = true;
	else
		ctrlr->shadowed = true;
	ctrlr->setup++;
}
