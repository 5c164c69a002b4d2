/*
 * Leaving in order, once the I/O queues are closed: CC.SHN and CSTS.SHST before deleting, CC.EN = 0
 * and CSTS.RDY = 0 before a reset that was asked for. Both bounded; when the controller does not
 * answer, the connection is closed all the same. Home reactor. Base Specification 2.1 sections 3.5
 * and 3.6.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define SHUTDOWN_MIN_MS 1000u
#define SHUTDOWN_MAX_MS 10000u

static void leave_poll(struct nvhi_ctrlr *ctrlr);

static bool leave_failed(struct nvhi_ctrlr *ctrlr, int err, const struct nvh_cpl *cpl)
{
	if (ctrlr->state != NVHI_CTRLR_SHUTDOWN && ctrlr->state != NVHI_CTRLR_DISABLING)
		return true;
	if (err)
		nvhi_ctrlr_fail(ctrlr, err, NULL, ctrlr->step, "%s", strerror(-err));
	else if (cpl && nvh_cpl_is_error(cpl))
		nvhi_ctrlr_fail(ctrlr, -EREMOTEIO, cpl, ctrlr->step, "%s",
				nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	return err || (cpl && nvh_cpl_is_error(cpl));
}

static void leave_on_poll(struct nvhi_timer *timer)
{
	leave_poll(nvhi_container_of(timer, struct nvhi_ctrlr, poll_timer));
}

static bool leave_is_done(const struct nvhi_ctrlr *ctrlr, uint32_t csts)
{
	if (ctrlr->state == NVHI_CTRLR_DISABLING)
		return !(csts & NVH_CSTS_RDY);
	return nvh_csts_shst(csts) == NVH_CSTS_SHST_COMPLETE;
}

static void leave_on_csts(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_ctrlr_of_reg(op);

	if (leave_failed(ctrlr, err, cpl))
		return;
	if (leave_is_done(ctrlr, (uint32_t)op->value)) {
		/* Read back: only this proves that the old commands are dead. */
		ctrlr->was_disabled = ctrlr->state == NVHI_CTRLR_DISABLING;
		nvhi_ctrlr_left(ctrlr);
	} else if (!nvhi_ctrlr_poll_again(ctrlr, leave_on_poll)) {
		nvhi_ctrlr_fail(ctrlr, -ETIMEDOUT, NULL, ctrlr->step,
				"not done in time (CSTS 0x%x)", (uint32_t)op->value);
	}
}

static void leave_poll(struct nvhi_ctrlr *ctrlr)
{
	nvhi_ctrlr_reg_get(ctrlr, NVH_REG_CSTS, 4, leave_on_csts);
}

static void leave_on_cc(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_ctrlr_of_reg(op);

	if (leave_failed(ctrlr, err, cpl))
		return;
	if (ctrlr->opts.discovery && !ctrlr->opts.persistent)
		nvhi_ctrlr_left(ctrlr); /* nothing of ours is at stake there */
	else
		leave_poll(ctrlr);
}

static void leave_begin(struct nvhi_ctrlr *ctrlr, const char *step, uint32_t cc, uint32_t ms)
{
	if (ctrlr->reg_out)
		return; /* begun already */
	ctrlr->poll_ms = 0;
	ctrlr->poll_deadline = nvhi_reactor_now(ctrlr->home) + ms * NVHI_NSEC_PER_MSEC;
	nvhi_ctrlr_step(ctrlr, step, ms + SHUTDOWN_MIN_MS);
	nvhi_ctrlr_reg_set(ctrlr, NVH_REG_CC, cc, leave_on_cc);
}

static uint32_t leave_clamp_ms(uint32_t ms)
{
	if (ms < SHUTDOWN_MIN_MS)
		return SHUTDOWN_MIN_MS;
	return ms > SHUTDOWN_MAX_MS ? SHUTDOWN_MAX_MS : ms;
}

void nvhi_ctrlr_shutdown(struct nvhi_ctrlr *ctrlr)
{
	leave_begin(ctrlr, "shut down",
		    nvhi_ctrlr_cc(ctrlr) | NVH_CC_SHN_NORMAL << NVH_CC_SHN_SHIFT,
		    leave_clamp_ms(ctrlr->caps.rtd3e_us / 1000));
}

void nvhi_ctrlr_disable(struct nvhi_ctrlr *ctrlr)
{
	leave_begin(ctrlr, "disable", nvhi_ctrlr_cc(ctrlr) & ~NVH_CC_EN,
		    leave_clamp_ms(nvh_cap_to(ctrlr->caps.cap) * NVH_CAP_TO_UNIT_MS));
}
