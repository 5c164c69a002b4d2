/*
 * The device as a whole. Connecting the admin queue disables whatever ran before and tells the
 * device where the new queue is (AQA, ASQ, ACQ); the controller above then sets CC.EN. Stopping is
 * the proof that revoke needs: CC.EN = 0 and CSTS.RDY read back as 0 within CAP.TO, or else bus
 * mastering switched off. Home reactor. Base Specification 2.1 sections 3.5.1 and 3.6.
 */
#include <errno.h>

#include "pcie/pcie_impl.h"

#define STOP_LOOK_MAX_MS 20u
#define SLOW_READY_NS    (2300 * NVHI_NSEC_PER_MSEC)

#define NVHI_X(upper, lower) #lower,
static const char *const device_state_names[] = {NVHI_PCIE_DEVICE_STATES(NVHI_X)};
#undef NVHI_X

#define TO(state) NVHI_FSM_TO(NVHI_PCIE_##state)
static const uint32_t device_edges[NVHI_ARRAY_SIZE(device_state_names)] = {
	[NVHI_PCIE_OFF] = TO(ON) | TO(STOPPING),
	[NVHI_PCIE_ON] = TO(STOPPING),
	[NVHI_PCIE_STOPPING] = TO(OFF),
};
#undef TO
static const struct nvhi_fsm device_fsm = NVHI_FSM_INIT("device", device_state_names, device_edges);

static void device_set(struct nvhi_pcie_ctrlr *ctrlr, enum nvhi_pcie_device_state state)
{
	nvhi_fsm_set(&device_fsm, &ctrlr->state, state, NVHI_LOG_PCIE, ctrlr->tctrlr.opts.name);
}

/* ---- starting ---------------------------------------------------------------------------- */

/* Disabled: here is the admin queue. */
static void device_ready(struct nvhi_pcie_ctrlr *ctrlr)
{
	struct nvhi_pcie_qpair *q = ctrlr->admin;
	uint32_t last = q->ring - 1u;

	nvhi_pcie_write32(ctrlr, NVH_REG_AQA, last | last << NVH_AQA_ACQS_SHIFT);
	nvhi_pcie_write64(ctrlr, NVH_REG_ASQ, q->sq_iova);
	nvhi_pcie_write64(ctrlr, NVH_REG_ACQ, q->cq_iova);
	ctrlr->bus->ops->master(ctrlr->bus, true);
	nvhi_pcie_cmb_start(ctrlr);
	ctrlr->setup = 0;
	ctrlr->shadowed = false;
	ctrlr->tctrlr.stopped = false;
	device_set(ctrlr, NVHI_PCIE_ON);
	nvhi_pcie_connected(q);
}

/* ---- stopping ---------------------------------------------------------------------------- */

/* `err`: what is wrong with the device, 0 when it stopped as it should. */
static void device_stopped(struct nvhi_pcie_ctrlr *ctrlr, int err, const char *why)
{
	struct nvhi_pcie_qpair *q = ctrlr->admin;

	nvhi_timer_cancel(ctrlr->home, &ctrlr->stop_timer);
	if (err) {
		nvhi_log(WARN, PCIE, "%s: %s; cut off the bus", ctrlr->tctrlr.opts.name, why);
		ctrlr->bus->ops->master(ctrlr->bus, false);
	}
	ctrlr->tctrlr.stopped = !err;
	device_set(ctrlr, NVHI_PCIE_OFF);
	nvhi_pcie_jobs_stopped(ctrlr);
	if (q->state == NVHI_PCIE_Q_REVOKING)
		nvhi_pcie_revoked(q);
	else if (q->state == NVHI_PCIE_Q_CONNECTING && err)
		nvhi_pcie_fail(q, err, "%s", why);
	else if (q->state == NVHI_PCIE_Q_CONNECTING)
		device_ready(ctrlr);
}

static void device_look_again(struct nvhi_pcie_ctrlr *ctrlr, uint64_t ns)
{
	if (nvhi_timer_arm(ctrlr->home, &ctrlr->stop_timer, ns))
		device_stopped(ctrlr, -ENOMEM, "no memory for the timer of its stop");
}

static void device_look(struct nvhi_pcie_ctrlr *ctrlr)
{
	uint64_t now = nvhi_reactor_now(ctrlr->home);
	uint32_t csts;

	if (now < ctrlr->stop_from) {
		device_look_again(ctrlr, ctrlr->stop_from - now);
		return;
	}
	if (nvhi_pcie_health(ctrlr, &csts) == -ENODEV) {
		device_stopped(ctrlr, -ENODEV, "the device is gone: CSTS reads as all ones");
		return;
	}
	if (!(csts & NVH_CSTS_RDY)) {
		device_stopped(ctrlr, 0, "");
		return;
	}
	if (now >= ctrlr->stop_deadline) {
		device_stopped(ctrlr, -ETIMEDOUT,
			       "still ready after CC.EN = 0 and the time of CAP.TO");
		return;
	}
	ctrlr->stop_ms = ctrlr->stop_ms ? ctrlr->stop_ms * 2 : 1;
	if (ctrlr->stop_ms > STOP_LOOK_MAX_MS)
		ctrlr->stop_ms = STOP_LOOK_MAX_MS;
	device_look_again(ctrlr, ctrlr->stop_ms * NVHI_NSEC_PER_MSEC);
}

static void device_on_timer(struct nvhi_timer *timer)
{
	device_look(nvhi_container_of(timer, struct nvhi_pcie_ctrlr, stop_timer));
}

void nvhi_pcie_device_stop(struct nvhi_pcie_ctrlr *ctrlr)
{
	unsigned int units = nvh_cap_to(ctrlr->cap);
	uint32_t cc = nvhi_pcie_read32(ctrlr, NVH_REG_CC);

	device_set(ctrlr, NVHI_PCIE_STOPPING);
	ctrlr->stop_ms = 0;
	ctrlr->stop_deadline = nvhi_reactor_now(ctrlr->home) +
			       (units ? units : 1) * NVH_CAP_TO_UNIT_MS * NVHI_NSEC_PER_MSEC;
	ctrlr->stop_from = 0;
	if (cc & NVH_CC_EN) {
		nvhi_pcie_write32(ctrlr, NVH_REG_CC, cc & ~NVH_CC_EN);
		if (ctrlr->quirks & NVHI_QUIRK_SLOW_READY)
			ctrlr->stop_from = nvhi_reactor_now(ctrlr->home) + SLOW_READY_NS;
	}
	device_look(ctrlr);
}

static void device_know(struct nvhi_pcie_ctrlr *ctrlr, uint64_t cap)
{
	if (!ctrlr->cap && (cap & NVH_CAP_PMRS))
		nvhi_log(INFO, PCIE, "%s: it has a persistent memory region, which is left alone",
			 ctrlr->tctrlr.opts.name);
	ctrlr->cap = cap;
	ctrlr->quirks = nvhi_pcie_quirks(&ctrlr->bus->id);
	ctrlr->tctrlr.quirks = ctrlr->quirks;
}

/* Reachable: is it the controller that it was, and one that we can drive? */
static void device_begin(struct nvhi_pcie_ctrlr *ctrlr)
{
	uint64_t cap = nvhi_pcie_read64(ctrlr, NVH_REG_CAP);

	if (cap == UINT64_MAX) {
		nvhi_pcie_fail(ctrlr->admin, -ENODEV, "the device is gone: CAP reads as all ones");
		return;
	}
	if (cap == 0) {
		nvhi_pcie_fail(ctrlr->admin, -ENODEV,
			       "CAP reads as 0: no NVMe controller answers there");
		return;
	}
	if (nvh_cap_mpsmin(cap) > 0) {
		nvhi_pcie_fail(ctrlr->admin, -EOPNOTSUPP,
			       "it wants memory pages of %u bytes; 4096 is what is supported",
			       4096u << nvh_cap_mpsmin(cap));
		return;
	}
	if (ctrlr->cap && cap != ctrlr->cap) {
		nvhi_pcie_fail(ctrlr->admin, -ENODEV,
			       "another device stands there now: CAP 0x%llx, was 0x%llx",
			       (unsigned long long)cap, (unsigned long long)ctrlr->cap);
		return;
	}
	device_know(ctrlr, cap);
	nvhi_pcie_device_stop(ctrlr);
}

static void device_on_start(struct nvhi_pcie_start *start, int err, const char *why)
{
	struct nvhi_pcie_ctrlr *ctrlr = nvhi_container_of(start, struct nvhi_pcie_ctrlr, start);

	ctrlr->starting = false;
	if (err)
		nvhi_pcie_fail(ctrlr->admin, err, "%s", why);
	else
		device_begin(ctrlr);
}

static void device_on_gone(struct nvhi_pcie_bus *bus, int err, const char *why)
{
	struct nvhi_pcie_ctrlr *ctrlr = bus->owner;

	if (ctrlr->admin)
		nvhi_pcie_fail(ctrlr->admin, err, "%s", why);
}

static void device_on_back(struct nvhi_pcie_bus *bus)
{
	struct nvhi_pcie_ctrlr *ctrlr = bus->owner;

	if (ctrlr->tctrlr.on_link)
		ctrlr->tctrlr.on_link(ctrlr->tctrlr.on_link_arg);
}

void nvhi_pcie_device_start(struct nvhi_pcie_ctrlr *ctrlr)
{
	struct nvhi_pcie_bus *bus = ctrlr->bus;

	if (!bus->ops->start) {
		device_begin(ctrlr);
		return;
	}
	ctrlr->starting = true;
	ctrlr->start.timeout_ms = ctrlr->tctrlr.opts.connect_timeout_ms;
	bus->ops->start(bus, ctrlr->home, &ctrlr->start);
}

void nvhi_pcie_device_abandon(struct nvhi_pcie_ctrlr *ctrlr)
{
	if (ctrlr->starting)
		ctrlr->bus->ops->abandon(ctrlr->bus);
	ctrlr->starting = false;
}

void nvhi_pcie_device_init(struct nvhi_pcie_ctrlr *ctrlr)
{
	ctrlr->stop_timer.fn = device_on_timer;
	ctrlr->start.done = device_on_start;
	ctrlr->bus->owner = ctrlr;
	ctrlr->bus->gone = device_on_gone;
	ctrlr->bus->back = device_on_back;
	nvhi_pcie_jobs_init(ctrlr);
}
