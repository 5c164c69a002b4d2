/*
 * Keep Alive: sent at half of KATO, with a deadline of its own, so that a peer that went silent is
 * noticed within KATO although nothing else is being asked. Traffic-based keep-alive
 * (CTRATT.TBKAS): looked at twice as often, and skipped where commands completed since the last
 * look. One timer, no other work when idle. Home reactor. Base Specification 2.1 section 3.9.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define KA_DEADLINE_MIN_MS 250u

static uint32_t ka_period_ms(const struct nvhi_ctrlr *ctrlr)
{
	uint32_t ms = ctrlr->caps.kato_ms / (ctrlr->caps.tbkas ? 4 : 2);

	return ms ? ms : 1;
}

uint32_t nvhi_keepalive_deadline_ms(const struct nvhi_ctrlr *ctrlr)
{
	uint32_t ms = ctrlr->caps.kato_ms ? ctrlr->caps.kato_ms / 2 : ctrlr->opts.admin_timeout_ms;

	return ms < KA_DEADLINE_MIN_MS ? KA_DEADLINE_MIN_MS : ms;
}

/* The last answer came just after a look; the next command is not answered. */
uint64_t nvhi_keepalive_bound_ns(const struct nvhi_ctrlr *ctrlr)
{
	if (!ctrlr->caps.kato_ms)
		return NVHI_NEVER;
	return (ka_period_ms(ctrlr) * (ctrlr->caps.tbkas ? 2ull : 1ull) +
		nvhi_keepalive_deadline_ms(ctrlr)) *
	       NVHI_NSEC_PER_MSEC;
}

static void ka_arm(struct nvhi_ctrlr *ctrlr)
{
	if (nvhi_timer_arm(ctrlr->home, &ctrlr->ka.timer,
			   ka_period_ms(ctrlr) * NVHI_NSEC_PER_MSEC) < 0)
		nvhi_ctrlr_fail(ctrlr, -ENOMEM, NULL, "keep-alive", "no memory for its timer");
}

static void ka_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(admin, struct nvhi_ctrlr, ka.cmd);

	if (err || !nvh_cpl_is_error(cpl) || nvhi_ctrlr_is_ending(ctrlr))
		return;
	if (nvh_cpl_code(cpl) == NVH_ST_INVALID_OPCODE) {
		/* Some discovery controllers take KATO but not the command. */
		nvhi_log(WARN, CTRLR, "%s: knows no Keep Alive: none are sent", ctrlr->name);
		nvhi_keepalive_stop(ctrlr);
		return;
	}
	nvhi_ctrlr_fail(ctrlr, -EREMOTEIO, cpl, "keep-alive", "%s", "");
}

static void ka_send(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_admin *cmd = &ctrlr->ka.cmd;

	memset(cmd, 0, sizeof(*cmd));
	cmd->done = ka_done;
	cmd->timeout_ms = nvhi_keepalive_deadline_ms(ctrlr);
	cmd->req.cmd.opc = NVH_ADM_KEEP_ALIVE;
	nvhi_admin_submit_urgent(ctrlr, cmd);
}

/* Only what was sent since the last look and answered counts: what was sent before may have
 * restarted the controller's timer long ago. */
static bool ka_traffic(struct nvhi_ctrlr *ctrlr)
{
	uint64_t since = ctrlr->ka.looked_ns;

	ctrlr->ka.looked_ns = nvhi_reactor_now(ctrlr->home);
	return nvhi_queues_heard_ns(ctrlr) > since || ctrlr->admin_heard_ns > since;
}

static void ka_on_timer(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, ka.timer);

	ka_arm(ctrlr);
	if (nvhi_admin_busy(&ctrlr->ka.cmd))
		return; /* not answered yet; it has its own deadline */
	if (ctrlr->caps.tbkas && ka_traffic(ctrlr))
		return;
	ka_send(ctrlr);
}

void nvhi_keepalive_start(struct nvhi_ctrlr *ctrlr)
{
	if (!ctrlr->caps.kato_ms)
		return;
	if (ctrlr->transport->fabrics && !ctrlr->caps.kas)
		nvhi_log(WARN, CTRLR,
			 "%s: took KATO %u ms but tells no keep-alive granularity (KAS 0)",
			 ctrlr->name, ctrlr->caps.kato_ms);
	ctrlr->ka.timer.fn = ka_on_timer;
	ctrlr->ka.looked_ns = nvhi_reactor_now(ctrlr->home);
	ka_arm(ctrlr);
}

void nvhi_keepalive_stop(struct nvhi_ctrlr *ctrlr)
{
	nvhi_timer_cancel(ctrlr->home, &ctrlr->ka.timer);
}
