/*
 * The retry table: what becomes of a part that came back without success. Pure.
 *
 * Which operations may be repeated after a lost connection (docs/multipath.md, "The retry table"):
 * reads, verify and compare on any path at once; write, write zeroes, deallocate and flush behind
 * the fence of their association (fence_io.c); passthrough never, once sent, whatever its opcode:
 * fused, zone append, copy, reservations and what we do not know come only that way.
 * Which statuses (Base Specification 2.1 section 4.2.3): none with DNR, but for that of a controller
 * that was disabled meanwhile; path-related ones
 * elsewhere; transient ones after their Command Retry Delay (CRD 1 to 3 select CRDT1 to CRDT3 of
 * Identify Controller), a bounded number of times.
 */
#include <errno.h>

#include "multipath/head.h"

static bool op_is_repeatable(uint8_t op)
{
	return op != NVH_IO_PASSTHRU;
}

static enum nvhi_verdict classify_no_completion(const struct nvhi_outcome *o)
{
	if (!o->sent)
		return NVHI_VERDICT_RETRY;
	if (!op_is_repeatable(o->op))
		return NVHI_VERDICT_UNKNOWN;
	/* A command that makes the connection fail each time must not do so for ever. */
	if (o->err == -EPROTO && o->tries >= NVHI_IO_MAX_TRIES)
		return NVHI_VERDICT_DONE;
	return NVHI_VERDICT_RETRY;
}

static bool status_is_transient(unsigned int code)
{
	switch (code) {
	case NVH_ST_NS_NOT_READY:
	case NVH_ST_CMD_INTERRUPTED:
	case NVH_ST_TRANSIENT_TRANSPORT:
	case NVH_ST_DATA_XFER_ERROR:
	case NVH_ST_INTERNAL:
	case NVH_ST_ABORT_REQUESTED:
	case NVH_ST_ABORTED_SQ_DELETION:
	case NVH_ST_ABORTED_POWER_LOSS:
	case NVH_ST_CID_CONFLICT:
		return true;
	default:
		return false;
	}
}

static uint32_t retry_delay(const struct nvhi_outcome *o, unsigned int crd)
{
	if (crd)
		return o->crdt[crd - 1] * 100u;
	return NVHI_IO_RETRY_MS << o->tries;
}

enum nvhi_verdict nvhi_classify(const struct nvhi_outcome *o, uint32_t *ret_delay_ms)
{
	unsigned int crd;

	if (o->err < 0)
		return classify_no_completion(o);
	if (!nvh_cpl_is_error(o->cpl) || !op_is_repeatable(o->op))
		return NVHI_VERDICT_DONE;
	/* The controller is not enabled any more, which its end of the connection shall tell in a
	 * moment: it has not looked at the command, and DNR speaks of this controller alone. */
	if (nvh_cpl_code(o->cpl) == NVH_ST_CMD_SEQUENCE)
		return NVHI_VERDICT_FAILOVER;
	if (nvh_cpl_dnr(o->cpl))
		return NVHI_VERDICT_DONE;
	crd = nvh_cpl_crd(o->cpl);
	if (nvh_cpl_sct(o->cpl) == NVH_SCT_PATH) {
		*ret_delay_ms = crd ? retry_delay(o, crd) : 0;
		return NVHI_VERDICT_FAILOVER;
	}
	if (o->tries >= NVHI_IO_MAX_TRIES || (!crd && !status_is_transient(nvh_cpl_code(o->cpl))))
		return NVHI_VERDICT_DONE;
	*ret_delay_ms = retry_delay(o, crd);
	return NVHI_VERDICT_DELAY;
}
