/*
 * Bugs of the host put in on purpose (link-time wraps of multipath's functions), to see that the
 * checker can fail. They live here only; without a mutant the wraps pass through. The bugs of disks
 * and callbacks are in disk.c and workload.c.
 */
#include "multipath/head.h"
#include "tests/sim/sim.h"

void __real_nvhi_part_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
void __wrap_nvhi_part_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl);
uint8_t __real_nvhi_ctrlr_ana_state(const struct nvhi_ctrlr *ctrlr, uint32_t group);
uint8_t __wrap_nvhi_ctrlr_ana_state(const struct nvhi_ctrlr *ctrlr, uint32_t group);
enum nvhi_verdict __real_nvhi_classify(const struct nvhi_outcome *o, uint32_t *ret_delay_ms);
enum nvhi_verdict __wrap_nvhi_classify(const struct nvhi_outcome *o, uint32_t *ret_delay_ms);
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
