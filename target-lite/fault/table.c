/*
 * Which commands a fault is for, and which of those it strikes: by count, by probability. Pure, any
 * thread. The generator has no state but the number of the match, so that groups need not agree.
 */
#include <string.h>

#include "target-lite/core/ctrlr.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/fault/fault.h"

const char *const tl_fault_kind_names[] = {
#define X(upper, lower) [TL_FAULT_##upper] = #lower,
	TL_FAULT_KINDS(X)
#undef X
		NULL,
};

void tl_fault_opts_default(struct tl_fault_opts *opts, enum tl_fault_kind kind)
{
	memset(opts, 0, sizeof(*opts));
	opts->kind = kind;
	opts->cntlid = opts->qid = opts->opcode = -1;
	opts->nsid = -1;
	opts->probability = 1;
	opts->ana_state = TL_ANA_INACCESSIBLE;
}

static bool fault_qpair_matches(const struct tl_fault_opts *opts, const struct tl_qpair *qpair)
{
	const struct tl_ctrlr *ctrlr = qpair->ctrlr;

	if (opts->nqn[0] && (!ctrlr || strcmp(ctrlr->subsystem->nqn, opts->nqn)))
		return false;
	if (opts->has_listener && !tl_listen_addr_equal(&opts->listener, &qpair->listen_addr))
		return false;
	if (opts->cntlid >= 0 && (!ctrlr || ctrlr->cntlid != opts->cntlid))
		return false;
	return opts->qid < 0 || (ctrlr && qpair->qid == opts->qid);
}

/* Whether the answer has the digest that shall be wrong. */
static bool fault_has_digest(const struct tl_fault_opts *opts, const struct tl_qpair *qpair,
			     const struct nvh_cmd *cmd)
{
	if (opts->garble == TL_GARBLE_HDR_DIGEST)
		return qpair->hdr_digest;
	return qpair->data_digest && cmd->opc != NVH_ADM_FABRICS &&
	       (cmd->opc & 3) == NVH_DATA_TO_HOST;
}

/* An RDMA response is a bare completion: it has a length and a CID to be wrong. */
static bool fault_has_field(const struct tl_fault_opts *opts, const struct tl_qpair *qpair)
{
	return qpair->listen_addr.trtype != TL_TRTYPE_RDMA || opts->garble == TL_GARBLE_PLEN ||
	       opts->garble == TL_GARBLE_CCCID;
}

bool tl_fault_matches(const struct tl_fault_opts *opts, const struct tl_qpair *qpair,
		      const struct nvh_cmd *cmd)
{
	if (opts->kind == TL_FAULT_ANA_FLAP || !fault_qpair_matches(opts, qpair))
		return false;
	if (!cmd)
		return opts->nsid < 0 && opts->opcode < 0;
	/* An event request waits for its own reasons and is counted by its controller. */
	if (qpair->ctrlr && qpair->qid == 0 && cmd->opc == NVH_ADM_AER)
		return false;
	if (opts->kind == TL_FAULT_LOSE_KEEPALIVE &&
	    (!qpair->ctrlr || qpair->qid || cmd->opc != NVH_ADM_KEEP_ALIVE))
		return false;
	if (opts->opcode >= 0 && cmd->opc != opts->opcode)
		return false;
	if (opts->kind == TL_FAULT_CORRUPT_DIGEST && !fault_has_digest(opts, qpair, cmd))
		return false;
	if (opts->kind == TL_FAULT_MALFORMED_PDU && !fault_has_field(opts, qpair))
		return false;
	return opts->nsid < 0 ||
	       (cmd->opc != NVH_ADM_FABRICS && nvh_le32_get(cmd->nsid) == opts->nsid);
}

/* Of splitmix64: one well mixed word for each number of a sequence. */
static uint64_t fault_random(uint64_t seed, uint64_t number)
{
	uint64_t z = seed + (number + 1) * 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

bool tl_fault_strikes(struct tl_fault *fault)
{
	const struct tl_fault_opts *opts = &fault->opts;
	uint64_t number = atomic_fetch_add(&fault->matched, 1);
	uint64_t fired;

	if (opts->probability < 1 &&
	    (double)(fault_random(opts->seed, number) >> 11) * 0x1p-53 >= opts->probability)
		return false;
	fired = atomic_load(&fault->fired);
	do {
		if (opts->count && fired >= opts->count)
			return false;
	} while (!atomic_compare_exchange_weak(&fault->fired, &fired, fired + 1));
	return true;
}
