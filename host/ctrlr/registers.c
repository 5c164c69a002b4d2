/*
 * Properties (registers) of the controller, one operation at a time on the admin queue, and looking
 * at CSTS again and again with growing pauses. Home reactor. Base Specification 2.1 section 3.1.4.
 */
#include <assert.h>

#include "host/ctrlr/ctrlr_impl.h"

#define POLL_MAX_MS 100u

struct nvhi_ctrlr *nvhi_ctrlr_of_reg(struct nvhi_reg_op *op)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(op, struct nvhi_ctrlr, reg);

	ctrlr->reg_out = false;
	return ctrlr;
}

static void reg_prepare(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint8_t size, uint64_t value,
			nvhi_reg_done_fn done)
{
	assert(!ctrlr->reg_out);
	ctrlr->reg_out = true;
	ctrlr->reg =
		(struct nvhi_reg_op){.offset = offset, .size = size, .value = value, .done = done};
}

void nvhi_ctrlr_reg_get(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint8_t size,
			nvhi_reg_done_fn done)
{
	reg_prepare(ctrlr, offset, size, 0, done);
	ctrlr->transport->reg_get(ctrlr->admin, &ctrlr->reg);
}

void nvhi_ctrlr_reg_set(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint64_t value,
			nvhi_reg_done_fn done)
{
	reg_prepare(ctrlr, offset, 4, value, done);
	ctrlr->transport->reg_set(ctrlr->admin, &ctrlr->reg);
}

bool nvhi_ctrlr_poll_again(struct nvhi_ctrlr *ctrlr, nvhi_timer_fn fn)
{
	uint64_t now = nvhi_reactor_now(ctrlr->home);

	if (now >= ctrlr->poll_deadline)
		return false;
	ctrlr->poll_ms = ctrlr->poll_ms == 0 ? 1 : ctrlr->poll_ms * 2;
	if (ctrlr->poll_ms > POLL_MAX_MS)
		ctrlr->poll_ms = POLL_MAX_MS;
	ctrlr->poll_timer.fn = fn;
	return nvhi_timer_arm(ctrlr->home, &ctrlr->poll_timer,
			      ctrlr->poll_ms * NVHI_NSEC_PER_MSEC) == 0;
}

/* What we write to CC, enabled: NVM or all command sets, the smallest page, entries of 64 and 16.
 */
uint32_t nvhi_ctrlr_cc(const struct nvhi_ctrlr *ctrlr)
{
	uint64_t cap = ctrlr->caps.cap;
	uint32_t css = nvh_cap_css(cap) & NVH_CAP_CSS_IOCS ? NVH_CC_CSS_IOCS : NVH_CC_CSS_NVM;

	if ((nvh_cap_css(cap) & NVH_CAP_CSS_NONE) && ctrlr->opts.discovery)
		css = NVH_CC_CSS_NONE;
	return NVH_CC_EN | css << NVH_CC_CSS_SHIFT | nvh_cap_mpsmin(cap) << NVH_CC_MPS_SHIFT |
	       NVH_SQES_LOG2 << NVH_CC_IOSQES_SHIFT | NVH_CQES_LOG2 << NVH_CC_IOCQES_SHIFT;
}
