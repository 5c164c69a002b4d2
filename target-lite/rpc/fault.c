/*
 * Faults on command: fault_add, fault_list, fault_clear, fault_release. Methods of our own; what
 * they do is in target-lite/fault. Management reactor.
 */
#include "target-lite/fault/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target-lite/rpc/impl.h"

struct fault_params {
	int kind, at, digest, field;
	const char *ana_state;
	const char *nqn;
	struct tl_rpc_addr listener;
	bool has_listener, has_cntlid, has_qid, has_nsid, has_opcode, has_ms, has_status, has_seed;
	uint16_t cntlid, qid;
	uint32_t nsid, ms;
	uint8_t opcode, sct, sc, crd;
	uint64_t count, seed;
	double probability;
	bool dnr, outlive, ignore_abort, has_at, has_outlive, has_ignore_abort, has_digest, has_field;
};

static const char *const at_names[] = {"execution", "completion", NULL};

static const char *const digest_names[] = {"header", "data", NULL};
static const char *const field_names[] = {"type",  "hlen", "plen", "pdo",
					  "cccid", "ttag", "r2t",  NULL};

static const struct nvhi_json_field add_fields[] = {
	NVHI_JSON_FIELD(fault_params, kind, ENUM, NVHI_JSON_REQUIRED, .names = tl_fault_kind_names),
	NVHI_JSON_FIELD(fault_params, nqn, STRING, .max_len = TL_NQN_SIZE - 1),
	NVHI_JSON_FIELD(fault_params, listener, STRUCT, .fields = tl_rpc_addr_fields,
			NVHI_JSON_PRESENT(fault_params, has_listener)),
	NVHI_JSON_FIELD(fault_params, cntlid, U16, NVHI_JSON_PRESENT(fault_params, has_cntlid)),
	NVHI_JSON_FIELD(fault_params, qid, U16, NVHI_JSON_PRESENT(fault_params, has_qid)),
	NVHI_JSON_FIELD(fault_params, nsid, U32, NVHI_JSON_PRESENT(fault_params, has_nsid)),
	NVHI_JSON_FIELD(fault_params, opcode, U8, NVHI_JSON_PRESENT(fault_params, has_opcode)),
	NVHI_JSON_FIELD(fault_params, count, U64, .min = 1, .max = INT64_MAX),
	NVHI_JSON_FIELD(fault_params, probability, DOUBLE, .help = "(1)"),
	NVHI_JSON_FIELD(fault_params, seed, U64, NVHI_JSON_PRESENT(fault_params, has_seed)),
	NVHI_JSON_FIELD(fault_params, at, ENUM, .names = at_names,
			NVHI_JSON_PRESENT(fault_params, has_at)),
	NVHI_JSON_FIELD(fault_params, ms, U32, .min = 1, .max = TL_FAULT_MS_MAX,
			NVHI_JSON_PRESENT(fault_params, has_ms)),
	NVHI_JSON_FIELD(fault_params, sct, U8, .min = 0, .max = 7),
	NVHI_JSON_FIELD(fault_params, sc, U8, NVHI_JSON_PRESENT(fault_params, has_status)),
	NVHI_JSON_FIELD(fault_params, crd, U8, .min = 0, .max = 3),
	NVHI_JSON_FIELD(fault_params, dnr, BOOL),
	NVHI_JSON_FIELD(fault_params, outlive, BOOL, NVHI_JSON_PRESENT(fault_params, has_outlive)),
	NVHI_JSON_FIELD(fault_params, ignore_abort, BOOL,
			NVHI_JSON_PRESENT(fault_params, has_ignore_abort)),
	NVHI_JSON_FIELD(fault_params, digest, ENUM, .names = digest_names,
			NVHI_JSON_PRESENT(fault_params, has_digest)),
	NVHI_JSON_FIELD(fault_params, field, ENUM, .names = field_names,
			NVHI_JSON_PRESENT(fault_params, has_field)),
	NVHI_JSON_FIELD(fault_params, ana_state, STRING, .help = "(inaccessible)"),
	NVHI_JSON_END,
};

/* What belongs to another kind is refused, not ignored. Non-zero: answered. */
static int fault_check(struct nvhi_rpc_call *call, const struct fault_params *p)
{
	bool delay = p->kind == TL_FAULT_DELAY, status = p->kind == TL_FAULT_STATUS;
	const char *kind = tl_fault_kind_names[p->kind];
	bool digest = p->kind == TL_FAULT_CORRUPT_DIGEST, pdu = p->kind == TL_FAULT_MALFORMED_PDU;
	bool flap = p->kind == TL_FAULT_ANA_FLAP;
	const char *alien = p->has_ms && !delay && !flap                 ? "ms"
			    : p->has_at && !delay && !status             ? "at"
			    : (p->sct || p->has_status) && !status       ? "sc"
			    : (p->crd || p->dnr) && !status              ? "crd"
			    : p->has_outlive && p->kind != TL_FAULT_HOLD ? "outlive"
			    : p->has_ignore_abort && p->kind != TL_FAULT_HOLD ? "ignore_abort"
			    : p->has_digest && !digest                   ? "digest"
			    : p->has_field && !pdu                       ? "field"
			    : p->ana_state && !flap                      ? "ana_state"
			    : p->has_cntlid && flap                      ? "cntlid"
			    : p->has_qid && flap                         ? "qid"
			    : p->has_opcode && flap                      ? "opcode"
									 : NULL;

	if (alien)
		tl_rpc_bad_param(call, alien, "a fault of kind '%s' has none", kind);
	else if ((delay || flap) && !p->has_ms)
		tl_rpc_bad_param(call, "ms", "is needed for kind '%s'", kind);
	else if (digest && !p->has_digest)
		tl_rpc_bad_param(call, "digest", "is needed for kind '%s'", kind);
	else if (pdu && !p->has_field)
		tl_rpc_bad_param(call, "field", "is needed for kind '%s'", kind);
	else if (flap && !p->nqn)
		tl_rpc_bad_param(call, "nqn", "is needed for kind '%s'", kind);
	else if (status && (!p->has_status || (!p->sct && !p->sc)))
		tl_rpc_bad_param(call, "sc", "kind 'status' needs a status that is not success");
	else if (!(p->probability > 0 && p->probability <= 1))
		tl_rpc_bad_param(call, "probability", "more than 0 and at most 1 is needed");
	else if (p->has_seed && p->probability == 1)
		tl_rpc_bad_param(call, "seed", "means nothing without a probability");
	else
		return 0;
	return -EINVAL;
}

static void fault_opts(const struct fault_params *p, struct tl_fault_opts *opts)
{
	tl_fault_opts_default(opts, p->kind);
	if (p->nqn)
		snprintf(opts->nqn, sizeof(opts->nqn), "%s", p->nqn);
	opts->has_listener = p->has_listener;
	opts->cntlid = p->has_cntlid ? p->cntlid : -1;
	opts->qid = p->has_qid ? p->qid : -1;
	opts->nsid = p->has_nsid ? (int64_t)p->nsid : -1;
	opts->opcode = p->has_opcode ? p->opcode : -1;
	opts->count = p->count;
	opts->probability = p->probability;
	opts->seed = p->seed;
	opts->ms = p->ms;
	opts->after = p->at == 1;
	opts->status = (uint16_t)(p->sct << 8 | p->sc | p->crd << 11 | (p->dnr ? NVH_CPL_DNR : 0));
	opts->outlive = p->outlive;
	opts->ignore_abort = p->ignore_abort;
	opts->garble = (uint8_t)(p->has_digest  ? TL_GARBLE_HDR_DIGEST + p->digest
				 : p->has_field ? TL_GARBLE_TYPE + p->field
						: TL_GARBLE_NONE);
}

/* Once every group has done its part: a caller may rely on it. */
static void fault_done(void *arg, uint64_t number)
{
	nvhi_rpc_reply(arg, json_object_new_uint64(number));
}

static void fault_add(struct nvhi_rpc_call *call)
{
	struct fault_params p = {.probability = 1};
	struct tl_fault_opts opts;
	struct tl_fault *fault;
	int err;

	if (nvhi_rpc_decode(call, &p) || fault_check(call, &p))
		return;
	fault_opts(&p, &opts);
	if (p.ana_state && tl_ana_state_parse(p.ana_state, &opts.ana_state)) {
		tl_rpc_bad_param(call, "ana_state", "'%.64s' is no ANA state", p.ana_state);
		return;
	}
	if (p.has_listener && tl_rpc_parse_addr(call, "listener", &p.listener, &opts.listener))
		return;
	err = tl_fault_add(tl_rpc_of(call)->target, &opts, fault_done, call, &fault);
	if (err == -ENOSPC)
		tl_rpc_fail(call, err, "there are %u faults, clear some", TL_FAULTS_MAX);
	else if (err)
		tl_rpc_fail(call, err, "%s", tl_fault_kind_names[opts.kind]);
}

/* ---- fault_list ------------------------------------------------------------------------------ */

static int fault_scope(struct json_object *object, const struct tl_fault_opts *opts)
{
	int failed = 0;

	if (opts->nqn[0])
		failed |= nvhi_json_add_string(object, "nqn", opts->nqn);
	if (opts->has_listener)
		failed |= nvhi_json_add(object, "listener", tl_rpc_addr_object(&opts->listener));
	if (opts->cntlid >= 0)
		failed |= nvhi_json_add_i64(object, "cntlid", opts->cntlid);
	if (opts->qid >= 0)
		failed |= nvhi_json_add_i64(object, "qid", opts->qid);
	if (opts->nsid >= 0)
		failed |= nvhi_json_add_i64(object, "nsid", opts->nsid);
	if (opts->opcode >= 0)
		failed |= nvhi_json_add_i64(object, "opcode", opts->opcode);
	return failed;
}

static struct json_object *fault_object(const struct tl_fault *fault)
{
	const struct tl_fault_opts *opts = &fault->opts;
	struct json_object *object = json_object_new_object();
	int failed = nvhi_json_add_u64(object, "id", fault->id);

	failed |= nvhi_json_add_string(object, "kind", tl_fault_kind_names[opts->kind]);
	failed |= fault_scope(object, opts);
	if (opts->count)
		failed |= nvhi_json_add_u64(object, "count", opts->count);
	if (opts->probability < 1) {
		failed |= nvhi_json_add(object, "probability",
					json_object_new_double(opts->probability));
		failed |= nvhi_json_add_u64(object, "seed", opts->seed);
	}
	if (opts->kind == TL_FAULT_DELAY || opts->kind == TL_FAULT_ANA_FLAP)
		failed |= nvhi_json_add_u64(object, "ms", opts->ms);
	if (opts->kind == TL_FAULT_CORRUPT_DIGEST)
		failed |= nvhi_json_add_string(object, "digest",
					       digest_names[opts->garble - TL_GARBLE_HDR_DIGEST]);
	if (opts->kind == TL_FAULT_MALFORMED_PDU)
		failed |= nvhi_json_add_string(object, "field",
					       field_names[opts->garble - TL_GARBLE_TYPE]);
	if (opts->kind == TL_FAULT_ANA_FLAP)
		failed |= nvhi_json_add_string(object, "ana_state",
					       tl_ana_state_name((uint8_t)opts->ana_state));
	if (opts->kind == TL_FAULT_STATUS) {
		failed |= nvhi_json_add_u64(object, "sct", opts->status >> 8 & 7);
		failed |= nvhi_json_add_u64(object, "sc", opts->status & 0xff);
		failed |= nvhi_json_add_u64(object, "crd", opts->status >> 11 & 3);
		failed |= nvhi_json_add_bool(object, "dnr", opts->status & NVH_CPL_DNR);
	}
	if (opts->kind == TL_FAULT_DELAY || opts->kind == TL_FAULT_STATUS)
		failed |= nvhi_json_add_string(object, "at", at_names[opts->after]);
	if (opts->kind == TL_FAULT_HOLD) {
		failed |= nvhi_json_add_bool(object, "outlive", opts->outlive);
		failed |= nvhi_json_add_bool(object, "ignore_abort", opts->ignore_abort);
	}
	failed |= nvhi_json_add_u64(object, "matched", atomic_load(&fault->matched));
	failed |= nvhi_json_add_u64(object, "fired", atomic_load(&fault->fired));
	return tl_rpc_built(object, failed);
}

static void fault_list(struct nvhi_rpc_call *call)
{
	struct json_object *list;
	struct tl_fault *fault;
	int failed = 0, none;

	if (nvhi_rpc_decode(call, &none))
		return;
	list = json_object_new_array();
	nvhi_list_for_each(fault, &tl_rpc_of(call)->target->faults, link)
		failed |= nvhi_json_append(list, fault_object(fault));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

/* ---- fault_clear, fault_release ---------------------------------------------------------------
 */

struct end_params {
	uint64_t id;
	bool drop;
};

static const struct nvhi_json_field clear_fields[] = {
	NVHI_JSON_FIELD(end_params, id, U64, .min = 1, .max = INT64_MAX, .help = "(all)"),
	NVHI_JSON_END,
};

static const struct nvhi_json_field release_fields[] = {
	NVHI_JSON_FIELD(end_params, id, U64, .min = 1, .max = INT64_MAX, .help = "(all)"),
	NVHI_JSON_FIELD(end_params, drop, BOOL, .help = "(false)"),
	NVHI_JSON_END,
};

static void fault_ended(struct nvhi_rpc_call *call, const struct end_params *p, int err)
{
	if (err == -ENOENT)
		tl_rpc_bad_param(call, "id", "there is no fault %llu", (unsigned long long)p->id);
	else if (err)
		tl_rpc_fail(call, err, "fault %llu", (unsigned long long)p->id);
}

static void fault_clear(struct nvhi_rpc_call *call)
{
	struct end_params p = {0};

	if (nvhi_rpc_decode(call, &p))
		return;
	fault_ended(call, &p, tl_fault_clear(tl_rpc_of(call)->target, p.id, fault_done, call));
}

static void fault_release(struct nvhi_rpc_call *call)
{
	struct end_params p = {0};

	if (nvhi_rpc_decode(call, &p))
		return;
	fault_ended(call, &p,
		    tl_fault_release(tl_rpc_of(call)->target, p.id, p.drop, fault_done, call));
}

const struct nvhi_rpc_method tl_rpc_fault_methods[] = {
	{"fault_add", fault_add, add_fields, "a fault for commands or connections", TL_RPC_RUNTIME},
	{"fault_list", fault_list, NULL, "all faults and how often they struck", TL_RPC_RUNTIME},
	{"fault_clear", fault_clear, clear_fields, "take faults away", TL_RPC_RUNTIME},
	{"fault_release", fault_release, release_fields, "let held commands go", TL_RPC_RUNTIME},
	{.name = NULL},
};
