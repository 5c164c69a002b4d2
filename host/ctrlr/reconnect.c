/*
 * Coming back: exponential back-off with full jitter between attempts, and the two clocks of a lost
 * controller, both in elapsed time since the loss: fast_io_fail_tmo (waiting I/O fails) and
 * ctrl-loss-tmo (the controller is given up). Home reactor.
 */
#include <errno.h>

#include "host/ctrlr/ctrlr_impl.h"

#define GATE_LOOK_MS  10000u /* it lets everybody through in the end; this only looks */
#define STEADY_DELAYS 10u /* first steps of the back-off that count as having stayed up */

/* splitmix64 */
static uint64_t reconnect_random(uint64_t *random)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint32_t nvhi_reconnect_delay_ms(uint32_t first_ms, uint32_t max_ms, uint32_t attempts,
				 uint64_t *random)
{
	uint64_t step = first_ms;

	while (attempts-- > 0 && step < max_ms)
		step *= 2;
	if (step > max_ms)
		step = max_ms;
	return 1 + (uint32_t)(reconnect_random(random) % step);
}

static void reconnect_arm(struct nvhi_ctrlr *ctrlr, struct nvhi_timer *timer, int seconds)
{
	if (nvhi_timer_arm(ctrlr->home, timer, (uint64_t)seconds * NVHI_NSEC_PER_SEC) < 0)
		nvhi_log(ERROR, CTRLR, "%s: no memory for a timer of %d s", ctrlr->name, seconds);
}

void nvhi_reconnect_arm_loss(struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->opts.ctrl_loss_tmo_s > 0)
		reconnect_arm(ctrlr, &ctrlr->loss_timer, ctrlr->opts.ctrl_loss_tmo_s);
}

/* A controller that stayed up for a while begins its back-off anew; one that flaps goes on with it.
 */
void nvhi_reconnect_lost(struct nvhi_ctrlr *ctrlr)
{
	uint64_t up = nvhi_reactor_now(ctrlr->home) - ctrlr->live_since;

	if (up >= ctrlr->opts.reconnect_delay_ms * NVHI_NSEC_PER_MSEC * STEADY_DELAYS)
		ctrlr->attempts = 0;
	nvhi_reconnect_arm_loss(ctrlr);
	if (ctrlr->opts.fast_io_fail_tmo_s >= 0)
		reconnect_arm(ctrlr, &ctrlr->fast_fail_timer, ctrlr->opts.fast_io_fail_tmo_s);
}

void nvhi_reconnect_live(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->live_since = nvhi_reactor_now(ctrlr->home);
	nvhi_reconnect_stop(ctrlr);
}

void nvhi_reconnect_stop(struct nvhi_ctrlr *ctrlr)
{
	nvhi_timer_cancel(ctrlr->home, &ctrlr->loss_timer);
	nvhi_timer_cancel(ctrlr->home, &ctrlr->fast_fail_timer);
}

/* A refusal for good (DNR) ends only what never worked: a target that comes back after a crash may
 * know its subsystems a moment after its listeners. */
bool nvhi_reconnect_wanted(const struct nvhi_ctrlr *ctrlr, const struct nvh_cpl *cpl)
{
	if (ctrlr->opts.discovery && !ctrlr->opts.persistent)
		return false;
	if (!ctrlr->was_live && (ctrlr->opts.no_retry || (cpl && nvh_cpl_dnr(cpl))))
		return false;
	return ctrlr->opts.ctrl_loss_tmo_s != 0;
}

void nvhi_reconnect_wait(struct nvhi_ctrlr *ctrlr)
{
	uint32_t ms = 0;

	if (!ctrlr->reconnect_now) {
		ms = nvhi_reconnect_delay_ms(ctrlr->opts.reconnect_delay_ms,
					     ctrlr->opts.reconnect_delay_max_ms, ctrlr->attempts,
					     &ctrlr->random);
		ctrlr->attempts++;
	}
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_RECONNECT_WAIT, "reconnect", ms);
	nvhi_log(DEBUG, CTRLR, "%s: next attempt in %u ms", ctrlr->name, ms);
}

void nvhi_reconnect_go(struct nvhi_ctrlr *ctrlr)
{
	bool first = ctrlr->state == NVHI_CTRLR_NEW; /* somebody waits for its outcome */

	if (!ctrlr->opts.gate ||
	    nvhi_gate_enter(ctrlr->opts.gate, &ctrlr->pass, &ctrlr->opts.transport.addr, first)) {
		nvhi_ctrlr_connect(ctrlr);
		return;
	}
	if (!first)
		nvhi_ctrlr_step(ctrlr, "its turn to connect", GATE_LOOK_MS);
}
