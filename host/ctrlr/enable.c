/*
 * Enabling: CAP, VS, CC.EN = 1, CSTS.RDY within the time that CAP.TO (or CRTO) allows. The
 * controller is fresh: a Fabrics association begins with CC.EN = 0, and a PCIe transport disables
 * the device when it connects the admin queue. Home reactor. Base Specification 2.1 section 3.5.3.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

static void enable_poll(struct nvhi_ctrlr *ctrlr);

static bool enable_failed(struct nvhi_ctrlr *ctrlr, int err, const struct nvh_cpl *cpl,
			  const char *what)
{
	if (ctrlr->state != NVHI_CTRLR_ENABLING)
		return true;
	if (err) {
		nvhi_ctrlr_fail(ctrlr, err, NULL, what, "%s", strerror(-err));
		return true;
	}
	if (cpl && nvh_cpl_is_error(cpl)) {
		nvhi_ctrlr_fail(ctrlr, -EREMOTEIO, cpl, what, "%s", "");
		return true;
	}
	return false;
}

static uint32_t enable_timeout_ms(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->opts.transport.connect_timeout_ms;
}

static void enable_on_poll(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, poll_timer);

	enable_poll(ctrlr);
}

static void enable_on_csts(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_ctrlr_of_reg(op);
	uint32_t csts = (uint32_t)op->value;

	if (enable_failed(ctrlr, err, cpl, "read CSTS"))
		return;
	if (csts & NVH_CSTS_CFS) {
		nvhi_ctrlr_fail(ctrlr, -EIO, NULL, "enable", "controller fatal status (CSTS 0x%x)",
				csts);
		return;
	}
	if (csts & NVH_CSTS_RDY) {
		nvhi_ctrlr_identify_start(ctrlr);
		return;
	}
	if (!nvhi_ctrlr_poll_again(ctrlr, enable_on_poll))
		nvhi_ctrlr_fail(ctrlr, -ETIMEDOUT, NULL, "enable",
				"not ready within the time of CAP.TO (CSTS 0x%x)", csts);
}

static void enable_poll(struct nvhi_ctrlr *ctrlr)
{
	nvhi_ctrlr_step(ctrlr, "wait for CSTS.RDY", enable_timeout_ms(ctrlr));
	nvhi_ctrlr_reg_get(ctrlr, NVH_REG_CSTS, 4, enable_on_csts);
}

static void enable_on_cc(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_ctrlr_of_reg(op);

	if (enable_failed(ctrlr, err, cpl, "set CC.EN"))
		return;
	enable_poll(ctrlr);
}

static void enable_set(struct nvhi_ctrlr *ctrlr, uint32_t ready_ms)
{
	ctrlr->poll_ms = 0;
	ctrlr->poll_deadline = nvhi_reactor_now(ctrlr->home) + ready_ms * NVHI_NSEC_PER_MSEC;
	nvhi_ctrlr_step(ctrlr, "set CC.EN", enable_timeout_ms(ctrlr));
	nvhi_ctrlr_reg_set(ctrlr, NVH_REG_CC, nvhi_ctrlr_cc(ctrlr), enable_on_cc);
}

static uint32_t enable_cap_to_ms(const struct nvhi_ctrlr *ctrlr)
{
	unsigned int units = nvh_cap_to(ctrlr->caps.cap);

	return (units ? units : 1) * NVH_CAP_TO_UNIT_MS;
}

/* Controllers with ready modes tell longer times than CAP.TO can hold. */
static void enable_on_crto(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_ctrlr_of_reg(op);
	uint32_t ms = enable_cap_to_ms(ctrlr), crto;

	if (ctrlr->state != NVHI_CTRLR_ENABLING)
		return;
	if (err) {
		nvhi_ctrlr_fail(ctrlr, err, NULL, "read CRTO", "%s", strerror(-err));
		return;
	}
	crto = nvh_crto_crwmt((uint32_t)op->value) * NVH_CAP_TO_UNIT_MS;
	if (!(cpl && nvh_cpl_is_error(cpl)) && crto > ms)
		ms = crto;
	enable_set(ctrlr, ms);
}

static void enable_ready_time(struct nvhi_ctrlr *ctrlr)
{
	if (!(ctrlr->caps.cap & NVH_CAP_CRMS_CRWMS)) {
		enable_set(ctrlr, enable_cap_to_ms(ctrlr));
		return;
	}
	nvhi_ctrlr_step(ctrlr, "read CRTO", enable_timeout_ms(ctrlr));
	nvhi_ctrlr_reg_get(ctrlr, NVH_REG_CRTO, 4, enable_on_crto);
}

static void enable_on_vs(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_ctrlr_of_reg(op);

	if (enable_failed(ctrlr, err, cpl, "read VS"))
		return;
	ctrlr->caps.vs = (uint32_t)op->value;
	enable_ready_time(ctrlr);
}

static void enable_on_cap(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_ctrlr_of_reg(op);
	uint64_t cap = op->value;

	if (enable_failed(ctrlr, err, cpl, "read CAP"))
		return;
	if (cap == 0 || cap == UINT64_MAX) {
		nvhi_ctrlr_fail(ctrlr, -EPROTO, NULL, "read CAP",
				"it reads 0x%llx, which no controller has",
				(unsigned long long)cap);
		return;
	}
	if (nvh_cap_mpsmin(cap) > nvh_cap_mpsmax(cap)) {
		nvhi_ctrlr_fail(ctrlr, -EPROTO, NULL, "read CAP", "MPSMIN %u is above MPSMAX %u",
				nvh_cap_mpsmin(cap), nvh_cap_mpsmax(cap));
		return;
	}
	ctrlr->caps.cap = cap;
	ctrlr->caps.page_size = 4096u << nvh_cap_mpsmin(cap);
	nvhi_ctrlr_step(ctrlr, "read VS", enable_timeout_ms(ctrlr));
	nvhi_ctrlr_reg_get(ctrlr, NVH_REG_VS, 4, enable_on_vs);
}

void nvhi_ctrlr_enable(struct nvhi_ctrlr *ctrlr)
{
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_ENABLING, "read CAP", enable_timeout_ms(ctrlr));
	nvhi_ctrlr_reg_get(ctrlr, NVH_REG_CAP, 8, enable_on_cap);
}
