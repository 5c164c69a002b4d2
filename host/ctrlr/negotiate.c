/*
 * What host and controller agree on after identify: number of queues, Host Behavior Support
 * (without it CRD is never reported), which events are told; then keep-alive and AERs run, queues
 * and namespaces follow. KATO was agreed on in Connect. Home reactor. Base Specification 2.1
 * section 5.1.25.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

enum negotiate_step {
	NEGOTIATE_QUEUES,
	NEGOTIATE_BEHAVIOR,
	NEGOTIATE_EVENTS,
	NEGOTIATE_DONE,
};

static void negotiate_from(struct nvhi_ctrlr *ctrlr, enum negotiate_step step);

static bool wants_queues(const struct nvhi_ctrlr *ctrlr)
{
	return !ctrlr->opts.discovery && ctrlr->caps.cntrltype != NVH_CNTRLTYPE_ADMIN &&
	       ctrlr->nr_ioqs > 0;
}

static bool wants_behavior(const struct nvhi_ctrlr *ctrlr)
{
	const uint16_t *crdt = ctrlr->caps.crdt;

	return !ctrlr->opts.discovery && (crdt[0] || crdt[1] || crdt[2]);
}

/* Grants are 0's based; what was not asked for is not used. */
static void queues_granted(struct nvhi_ctrlr *ctrlr, const struct nvh_cpl *cpl)
{
	uint32_t dw0 = nvh_le32_get(cpl->dw0);
	uint32_t sqs = (dw0 & NVH_FEAT_NSQ_MASK) + 1, cqs = (dw0 >> NVH_FEAT_NCQ_SHIFT) + 1;
	uint32_t granted = sqs < cqs ? sqs : cqs;

	if (granted < ctrlr->nr_ioqs)
		nvhi_log(INFO, CTRLR, "%s: %u of %u I/O queues granted", ctrlr->name, granted,
			 ctrlr->nr_ioqs);
	ctrlr->caps.nr_io_queues = (uint16_t)(granted < ctrlr->nr_ioqs ? granted : ctrlr->nr_ioqs);
}

static void negotiate_refused(struct nvhi_ctrlr *ctrlr, const struct nvh_cpl *cpl)
{
	if (ctrlr->cmd_step == NEGOTIATE_QUEUES) {
		nvhi_ctrlr_fail(ctrlr, -EREMOTEIO, cpl, ctrlr->step, "%s", "");
		return;
	}
	if (ctrlr->cmd_step == NEGOTIATE_BEHAVIOR)
		memset(ctrlr->caps.crdt, 0, sizeof(ctrlr->caps.crdt));
	nvhi_log(WARN, CTRLR, "%s: %s refused: %s", ctrlr->name, ctrlr->step,
		 nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
	negotiate_from(ctrlr, (enum negotiate_step)(ctrlr->cmd_step + 1));
}

static void negotiate_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(admin, struct nvhi_ctrlr, cmd);

	if (ctrlr->state != NVHI_CTRLR_CONFIGURING)
		return;
	if (err) {
		nvhi_ctrlr_fail(ctrlr, err, NULL, ctrlr->step, "%s", strerror(-err));
		return;
	}
	if (nvh_cpl_is_error(cpl)) {
		negotiate_refused(ctrlr, cpl);
		return;
	}
	if (ctrlr->cmd_step == NEGOTIATE_QUEUES)
		queues_granted(ctrlr, cpl);
	negotiate_from(ctrlr, (enum negotiate_step)(ctrlr->cmd_step + 1));
}

static void ask_feature(struct nvhi_ctrlr *ctrlr, enum negotiate_step step, const char *text,
			uint8_t fid, uint32_t value, uint32_t data_len)
{
	nvhi_ctrlr_cmd_begin(ctrlr, text, negotiate_done);
	ctrlr->cmd_step = (uint8_t)step;
	ctrlr->cmd.retries = NVHI_IDENTIFY_RETRIES;
	nvhi_admin_set_feature(&ctrlr->cmd, fid, value);
	nvhi_admin_submit_internal(ctrlr, &ctrlr->cmd, data_len ? ctrlr->buf : NULL, data_len);
}

static void ask_queues(struct nvhi_ctrlr *ctrlr)
{
	uint32_t n = ctrlr->nr_ioqs - 1;

	ask_feature(ctrlr, NEGOTIATE_QUEUES, "set number of queues", NVH_FID_NUM_QUEUES,
		    n | n << NVH_FEAT_NCQ_SHIFT, 0);
}

static void ask_behavior(struct nvhi_ctrlr *ctrlr)
{
	struct nvh_host_behavior *behavior = (struct nvh_host_behavior *)ctrlr->buf;

	memset(behavior, 0, sizeof(*behavior));
	behavior->acre = 1;
	ask_feature(ctrlr, NEGOTIATE_BEHAVIOR, "set host behavior support", NVH_FID_HOST_BEHAVIOR,
		    0, sizeof(*behavior));
}

static void negotiate_finish(struct nvhi_ctrlr *ctrlr)
{
	nvhi_keepalive_start(ctrlr);
	nvhi_aer_start(ctrlr);
	if (ctrlr->opts.discovery) {
		nvhi_ctrlr_become_live(ctrlr);
		return;
	}
	nvhi_queues_start(ctrlr);
}

static void negotiate_from(struct nvhi_ctrlr *ctrlr, enum negotiate_step step)
{
	if (step <= NEGOTIATE_QUEUES && wants_queues(ctrlr))
		ask_queues(ctrlr);
	else if (step <= NEGOTIATE_BEHAVIOR && wants_behavior(ctrlr))
		ask_behavior(ctrlr);
	else if (step <= NEGOTIATE_EVENTS && nvhi_aer_config(ctrlr))
		ask_feature(ctrlr, NEGOTIATE_EVENTS, "set asynchronous event configuration",
			    NVH_FID_AEC, nvhi_aer_config(ctrlr), 0);
	else
		negotiate_finish(ctrlr);
}

/* Commands that may be in flight on one I/O queue, as the controller allows. */
static uint16_t queue_depth(const struct nvhi_ctrlr *ctrlr)
{
	uint32_t entries = ctrlr->opts.queue_size, mqes = nvh_cap_mqes(ctrlr->caps.cap) + 1;
	uint32_t maxcmd = nvh_le16_get(ctrlr->id->maxcmd);

	if (entries > mqes)
		entries = mqes;
	if (maxcmd && maxcmd < entries - 1)
		return (uint16_t)maxcmd;
	return (uint16_t)(entries - 1);
}

void nvhi_ctrlr_negotiate(struct nvhi_ctrlr *ctrlr)
{
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_CONFIGURING, "configure",
			     ctrlr->opts.transport.connect_timeout_ms);
	ctrlr->caps.nr_io_queues = 0;
	if (wants_queues(ctrlr) && nvh_cap_mqes(ctrlr->caps.cap) == 0) {
		nvhi_ctrlr_fail(ctrlr, -EPROTO, NULL, "configure",
				"CAP.MQES of 1 entry is no queue");
		return;
	}
	ctrlr->caps.queue_depth = queue_depth(ctrlr);
	negotiate_from(ctrlr, NEGOTIATE_QUEUES);
}
