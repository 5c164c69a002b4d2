/*
 * Does this controller still answer? A Keep Alive out of turn, with a short time to be answered in:
 * asked for by whoever finds one of its I/O queues silent. Any answer will do, an error too. Two
 * times tell the outcome, read from any reactor; who waits for it looks at them again. A probe that
 * is not answered condemns nobody: whoever asked decides (multipath/health.c), and the command has
 * the deadline of a keep-alive. Home reactor.
 */
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define PROBE_SILENT_NS (150 * NVHI_NSEC_PER_MSEC)

static void probe_send(struct nvhi_ctrlr *ctrlr);

static void probe_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(admin, struct nvhi_ctrlr, probe.cmd);
	struct nvhi_probe *probe = &ctrlr->probe;

	(void)cpl;
	nvhi_timer_cancel(ctrlr->home, &probe->timer);
	if (err)
		return;
	nvhi_probe_heard(ctrlr, probe->sent_ns);
	if (probe->again && !nvhi_ctrlr_is_ending(ctrlr))
		probe_send(ctrlr);
}

static void probe_late(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, probe.timer);

	if (nvhi_deadline_stalled(ctrlr->home, timer))
		return;
	__atomic_store_n(&ctrlr->probe.silent_ns, nvhi_reactor_now(ctrlr->home), __ATOMIC_RELEASE);
}

static void probe_send(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_probe *probe = &ctrlr->probe;
	struct nvhi_admin *cmd = &probe->cmd;

	memset(cmd, 0, sizeof(*cmd));
	cmd->done = probe_done;
	cmd->timeout_ms = nvhi_keepalive_deadline_ms(ctrlr);
	cmd->req.cmd.opc = NVH_ADM_KEEP_ALIVE;
	probe->again = false;
	probe->sent_ns = nvhi_reactor_now(ctrlr->home);
	if (nvhi_timer_arm(ctrlr->home, &probe->timer, PROBE_SILENT_NS) < 0)
		return; /* no memory: nobody is suspected for longer than other deadlines allow */
	nvhi_admin_submit_urgent(ctrlr, cmd);
}

static void probe_wanted(struct nvhi_msg *msg)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(msg, struct nvhi_ctrlr, probe.wanted);
	struct nvhi_probe *probe = &ctrlr->probe;

	__atomic_store_n(&probe->posted, 0, __ATOMIC_RELEASE);
	if (ctrlr->state != NVHI_CTRLR_LIVE)
		return;
	if (!nvhi_admin_busy(&probe->cmd)) {
		probe_send(ctrlr);
		return;
	}
	/* One is out. Its silence, if it lasts, answers this question too. */
	probe->again = true;
	if (!nvhi_timer_armed(&probe->timer))
		__atomic_store_n(&probe->silent_ns, nvhi_reactor_now(ctrlr->home),
				 __ATOMIC_RELEASE);
}

void nvhi_probe_heard(struct nvhi_ctrlr *ctrlr, uint64_t sent_ns)
{
	if (ctrlr->probe.answered_ns < sent_ns)
		__atomic_store_n(&ctrlr->probe.answered_ns, sent_ns, __ATOMIC_RELEASE);
}

uint64_t nvhi_probe_bound_ns(void)
{
	return PROBE_SILENT_NS;
}

void nvhi_probe_init(struct nvhi_ctrlr *ctrlr)
{
	ctrlr->probe.timer.fn = probe_late;
	ctrlr->probe.wanted.fn = probe_wanted;
}

void nvhi_probe_stop(struct nvhi_ctrlr *ctrlr)
{
	nvhi_timer_cancel(ctrlr->home, &ctrlr->probe.timer);
}

void nvhi_ctrlr_probe(struct nvhi_ctrlr *ctrlr)
{
	if (!__atomic_exchange_n(&ctrlr->probe.posted, 1, __ATOMIC_ACQ_REL))
		nvhi_reactor_post(ctrlr->home, &ctrlr->probe.wanted);
}

enum nvhi_probe_answer nvhi_ctrlr_probed(const struct nvhi_ctrlr *ctrlr, uint64_t since)
{
	if (__atomic_load_n(&ctrlr->probe.answered_ns, __ATOMIC_ACQUIRE) >= since)
		return NVHI_PROBE_ANSWERED;
	if (__atomic_load_n(&ctrlr->probe.silent_ns, __ATOMIC_ACQUIRE) >= since)
		return NVHI_PROBE_SILENT;
	return NVHI_PROBE_WAITING;
}
