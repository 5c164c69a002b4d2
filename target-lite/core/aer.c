/*
 * Asynchronous events: requests that wait, events that are pending, and notices that stay masked
 * until the host has read the log page that goes with them. Admin reactor; other threads post
 * events through tl_ctrlr.events. Base Specification 2.1 section 5.1.2.
 */
#include "base/spec/nvme_log.h"
#include "target-lite/core/impl.h"

static const struct {
	uint32_t enable; /* NVH_AEN_*, in feature 0Bh */
	uint8_t info;
	uint8_t lid;
} aer_events[TL_EVENT_COUNT] = {
	{NVH_AEN_NS_ATTR, NVH_AER_NS_CHANGED, NVH_LID_CHANGED_NS},
	{NVH_AEN_ANA, NVH_AER_ANA_CHANGED, NVH_LID_ANA},
	{NVH_AEN_DISCOVERY, NVH_AER_DISCOVERY_CHANGED, NVH_LID_DISCOVERY},
	{NVH_AEN_CCR, NVH_AER_CCR_COMPLETED, NVH_LID_CCR},
};

void tl_aer_flush(struct tl_ctrlr *ctrlr)
{
	for (unsigned int i = 0; i < TL_EVENT_COUNT; i++) {
		struct tl_request *req;

		if (nvhi_list_empty(&ctrlr->aers))
			return;
		if (!(ctrlr->aen_pending & ~ctrlr->aen_masked & 1u << i))
			continue;
		ctrlr->aen_pending &= ~(1u << i);
		ctrlr->aen_masked |= 1u << i;
		req = nvhi_list_first(&ctrlr->aers, struct tl_request, link);
		ctrlr->aer_count--;
		req->state = TL_REQ_ACTIVE;
		nvh_le32_put(&req->cpl.dw0,
			     nvh_aer_dw0(NVH_AER_NOTICE, aer_events[i].info, aer_events[i].lid));
		tl_request_complete(req, NVH_ST_SUCCESS);
	}
}

void tl_event_take(struct nvhi_msg *msg)
{
	struct tl_ctrlr *ctrlr = nvhi_container_of(msg, struct tl_ctrlr, event_msg);
	uint32_t events = atomic_exchange(&ctrlr->events, 0);

	for (unsigned int i = 0; i < TL_EVENT_COUNT; i++)
		if (events & 1u << i && ctrlr->aen_config & aer_events[i].enable)
			ctrlr->aen_pending |= 1u << i;
	tl_aer_flush(ctrlr);
}

void tl_ctrlr_post_event(struct tl_ctrlr *ctrlr, unsigned int events)
{
	if (!ctrlr->admin)
		return;
	if (!atomic_fetch_or(&ctrlr->events, events))
		nvhi_reactor_post(ctrlr->group->reactor, &ctrlr->event_msg);
}

void tl_aer_rearm(struct tl_ctrlr *ctrlr, uint8_t lid)
{
	for (unsigned int i = 0; i < TL_EVENT_COUNT; i++)
		if (aer_events[i].lid == lid)
			ctrlr->aen_masked &= ~(1u << i);
	tl_aer_flush(ctrlr);
}

void tl_aer_exec(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);

	if (ctrlr->aer_count == TL_AER_SLOTS) {
		tl_request_complete(req, TL_DNR(NVH_ST_AER_LIMIT));
		return;
	}
	ctrlr->aer_count++;
	req->state = TL_REQ_PARKED;
	tl_request_track(req);
	nvhi_list_add_tail(&ctrlr->aers, &req->link);
	tl_aer_flush(ctrlr);
}

void tl_aer_abort_all(struct tl_ctrlr *ctrlr, unsigned int status)
{
	while (!nvhi_list_empty(&ctrlr->aers)) {
		struct tl_request *req = nvhi_list_first(&ctrlr->aers, struct tl_request, link);

		ctrlr->aer_count--;
		req->state = TL_REQ_ACTIVE;
		tl_request_complete(req, status);
	}
}
