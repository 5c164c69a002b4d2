/*
 * Property Get and Set over the submit slot of whatever transport carries the admin queue. A queue
 * that takes no command is told like any other outcome: by op->done, at the end of the turn.
 * Base Specification 2.1 sections 6.4 and 6.5.
 */
#include <string.h>

#include "fabric/property.h"

static void property_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_reg_op *op = nvhi_container_of(req, struct nvhi_reg_op, req);
	const struct nvh_fab_prop_cmd *cmd = (const struct nvh_fab_prop_cmd *)&req->cmd;

	if (err == 0 && !nvh_cpl_is_error(cpl) && cmd->fctype == NVH_FCTYPE_PROPERTY_GET)
		op->value = op->size == 8 ? nvh_cpl_result64(cpl) : nvh_le32_get(cpl->dw0);
	op->done(op, err, cpl);
}

static void property_refused(struct nvhi_defer *defer)
{
	struct nvhi_reg_op *op = nvhi_container_of(defer, struct nvhi_reg_op, defer);

	op->done(op, op->err, NULL);
}

static void property_submit(struct nvhi_qpair *admin, struct nvhi_reg_op *op, uint8_t fctype,
			    uint64_t value)
{
	struct nvh_fab_prop_cmd *cmd = (struct nvh_fab_prop_cmd *)&op->req.cmd;

	memset(&op->req, 0, sizeof(op->req));
	cmd->opc = NVH_ADM_FABRICS;
	cmd->fctype = fctype;
	cmd->attrib = op->size == 8 ? NVH_PROP_8_BYTES : NVH_PROP_4_BYTES;
	nvh_le32_put(&cmd->ofst, op->offset);
	nvh_le64_put(&cmd->value, value);
	op->req.dir = NVHI_DIR_NONE;
	op->req.done = property_done;
	op->qpair = admin;
	op->err = admin->tctrlr->transport->submit(admin, &op->req);
	if (op->err) {
		op->defer.fn = property_refused;
		op->defer.queued = false;
		nvhi_reactor_defer(admin->reactor, &op->defer);
	}
}

void nvhi_property_get(struct nvhi_qpair *admin, struct nvhi_reg_op *op)
{
	property_submit(admin, op, NVH_FCTYPE_PROPERTY_GET, 0);
}

void nvhi_property_set(struct nvhi_qpair *admin, struct nvhi_reg_op *op)
{
	property_submit(admin, op, NVH_FCTYPE_PROPERTY_SET, op->value);
}
