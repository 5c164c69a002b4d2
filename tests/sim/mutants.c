/*
 * Bugs of the host put in on purpose (link-time wraps of multipath's functions), to see that the
 * checker can fail. They live here only; without a mutant the wraps pass through. The bugs of disks
 * and callbacks are in disk.c and workload.c.
 */
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "multipath/fence.h"
#include "tests/sim/sim.h"

void __real_nvhi_part_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
void __wrap_nvhi_part_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
uint8_t __real_nvhi_ctrlr_ana_state(const struct nvhi_ctrlr *ctrlr, uint32_t group);
uint8_t __wrap_nvhi_ctrlr_ana_state(const struct nvhi_ctrlr *ctrlr, uint32_t group);
enum nvhi_verdict __real_nvhi_classify(const struct nvhi_outcome *o, uint32_t *ret_delay_ms);
enum nvhi_verdict __wrap_nvhi_classify(const struct nvhi_outcome *o, uint32_t *ret_delay_ms);
void __real_nvhi_part_drop(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
void __wrap_nvhi_part_drop(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
void __real_nvhi_hedge_sent(struct nvhi_hedge_slot *slot, struct nvhi_io *io, struct nvhi_lane *lane,
			    struct nvhi_ioq_req *r);
void __wrap_nvhi_hedge_sent(struct nvhi_hedge_slot *slot, struct nvhi_io *io, struct nvhi_lane *lane,
			    struct nvhi_ioq_req *r);
void __real_nvhi_io_rewind(struct nvhi_io *io, uint64_t next);
void __wrap_nvhi_io_rewind(struct nvhi_io *io, uint64_t next);

/* A write that went down with its connection counts as done. */
void __wrap_nvhi_part_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	static const struct nvh_cpl success;
	const struct nvhi_io *io = r->owner;

	if (sim.mutant == SIM_MUTANT_DONE_UNSENT && err && io->pub.op == NVH_IO_WRITE) {
		sim.mutations++;
		err = 0;
		cpl = &success;
	}
	__real_nvhi_part_done(r, err, cpl);
}

/* What is repeated lands in a buffer that is not the caller's. */
void __wrap_nvhi_io_rewind(struct nvhi_io *io, uint64_t next)
{
	static uint8_t elsewhere[1 << 20];
	static struct iovec iov = {.iov_base = elsewhere, .iov_len = sizeof(elsewhere)};

	if (sim.mutant == SIM_MUTANT_STALE_READ && io->pub.op == NVH_IO_READ && io->parts.next) {
		sim.mutations++;
		io->pub.iov = &iov;
		io->pub.iovcnt = 1;
	}
	__real_nvhi_io_rewind(io, next);
}

/* CRD 1 waits for CRDT2, 2 for CRDT3, 3 for CRDT1. */
enum nvhi_verdict __wrap_nvhi_classify(const struct nvhi_outcome *o, uint32_t *ret_delay_ms)
{
	enum nvhi_verdict verdict = __real_nvhi_classify(o, ret_delay_ms);
	unsigned int crd = o->err || !o->cpl ? 0 : nvh_cpl_crd(o->cpl);

	if (sim.mutant == SIM_MUTANT_CRD && verdict == NVHI_VERDICT_DELAY && crd) {
		sim.mutations++;
		*ret_delay_ms = o->crdt[crd % 3] * 100u;
	}
	return verdict;
}

/* What the log has not told is taken for optimized. */
uint8_t __wrap_nvhi_ctrlr_ana_state(const struct nvhi_ctrlr *ctrlr, uint32_t group)
{
	uint8_t state = __real_nvhi_ctrlr_ana_state(ctrlr, group);

	if (sim.mutant != SIM_MUTANT_ANA || state != NVHI_ANA_UNKNOWN)
		return state;
	sim.mutations++;
	return NVH_ANA_OPTIMIZED;
}

/* ---- fences ---------------------------------------------------------------------------------- */

bool __real_nvhi_fence_unproven(struct nvhi_io *io, struct nvhi_lane *lane,
				const struct nvhi_ioq_req *r);
bool __wrap_nvhi_fence_unproven(struct nvhi_io *io, struct nvhi_lane *lane,
				const struct nvhi_ioq_req *r);
uint64_t __real_nvhi_fence_time_ns(const struct nvhi_assoc *assoc);
uint64_t __wrap_nvhi_fence_time_ns(const struct nvhi_assoc *assoc);
enum nvhi_probe_answer __real_nvhi_ctrlr_probed(const struct nvhi_ctrlr *ctrlr, uint64_t since);
enum nvhi_probe_answer __wrap_nvhi_ctrlr_probed(const struct nvhi_ctrlr *ctrlr, uint64_t since);
bool __real_nvhi_ioq_is_settled(const struct nvhi_ioq *ioq);
bool __wrap_nvhi_ioq_is_settled(const struct nvhi_ioq *ioq);
bool __real_nvhi_ccr_is_immediate(uint32_t dw0);
bool __wrap_nvhi_ccr_is_immediate(uint32_t dw0);
void __real_nvhi_ctrlr_reg_get(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint8_t size,
			       nvhi_reg_done_fn done);
void __wrap_nvhi_ctrlr_reg_get(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint8_t size,
			       nvhi_reg_done_fn done);

/* What comes back without an answer is repeated, and nobody waits. */
bool __wrap_nvhi_fence_unproven(struct nvhi_io *io, struct nvhi_lane *lane,
				const struct nvhi_ioq_req *r)
{
	if (sim.mutant != SIM_MUTANT_FENCE)
		return __real_nvhi_fence_unproven(io, lane, r);
	sim.mutations++;
	return false;
}

/* The path is silent, and nobody will ever know. */
enum nvhi_probe_answer __wrap_nvhi_ctrlr_probed(const struct nvhi_ctrlr *ctrlr, uint64_t since)
{
	enum nvhi_probe_answer answer = __real_nvhi_ctrlr_probed(ctrlr, since);

	if (sim.mutant != SIM_MUTANT_DEAF || answer != NVHI_PROBE_SILENT)
		return answer;
	sim.mutations++;
	return NVHI_PROBE_WAITING;
}

/* Lost is as good as disconnected. */
bool __wrap_nvhi_ioq_is_settled(const struct nvhi_ioq *ioq)
{
	bool settled = __real_nvhi_ioq_is_settled(ioq);

	if (sim.mutant != SIM_MUTANT_SETTLED || settled)
		return settled;
	sim.mutations++;
	return true;
}

uint64_t __wrap_nvhi_fence_time_ns(const struct nvhi_assoc *assoc)
{
	uint64_t ns = __real_nvhi_fence_time_ns(assoc);

	if (sim.mutant != SIM_MUTANT_SHORT)
		return ns;
	sim.mutations++;
	return ns / 4;
}

bool __wrap_nvhi_ccr_is_immediate(uint32_t dw0)
{
	bool immediate = __real_nvhi_ccr_is_immediate(dw0);

	if (sim.mutant != SIM_MUTANT_ACCEPTED || immediate)
		return immediate;
	sim.mutations++;
	return true;
}

/* The controller is taken for disabled as soon as it has answered the Property Set. */
void __wrap_nvhi_ctrlr_reg_get(struct nvhi_ctrlr *ctrlr, uint32_t offset, uint8_t size,
			       nvhi_reg_done_fn done)
{
	if (sim.mutant != SIM_MUTANT_RDY || ctrlr->state != NVHI_CTRLR_DISABLING) {
		__real_nvhi_ctrlr_reg_get(ctrlr, offset, size, done);
		return;
	}
	sim.mutations++;
	ctrlr->was_disabled = true;
	nvhi_ctrlr_left(ctrlr);
}

/* Where the callers of hedged reads want their data, by slot. */
static struct {
	const struct nvhi_hedge_slot *slot;
	void *to;
} hedged[4096];

static void **hedged_to(const struct nvhi_hedge_slot *slot)
{
	static uint64_t of_seed;
	size_t i = (uintptr_t)slot / 8 % NVHI_ARRAY_SIZE(hedged);

	if (of_seed != sim.seed) /* slots of another world */
		memset(hedged, 0, sizeof(hedged));
	of_seed = sim.seed;
	while (hedged[i].slot && hedged[i].slot != slot)
		i = (i + 1) % NVHI_ARRAY_SIZE(hedged);
	hedged[i].slot = slot;
	return &hedged[i].to;
}

void __wrap_nvhi_hedge_sent(struct nvhi_hedge_slot *slot, struct nvhi_io *io, struct nvhi_lane *lane,
			    struct nvhi_ioq_req *r)
{
	if (sim.mutant == SIM_MUTANT_HEDGE)
		*hedged_to(slot) = io->pub.iov[0].iov_len >= 512 ? io->pub.iov[0].iov_base : NULL;
	__real_nvhi_hedge_sent(slot, io, lane, r);
}

/* The losing copy of a hedged read lands in the caller's buffer, too. */
void __wrap_nvhi_part_drop(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	void *to = sim.mutant == SIM_MUTANT_HEDGE ? *hedged_to(r->owner) : NULL;

	if (to && !err && !nvh_cpl_is_error(cpl)) {
		sim.mutations++;
		memcpy(to, r->req.data.iov[0].iov_base, 512);
	}
	__real_nvhi_part_drop(r, err, cpl);
}
