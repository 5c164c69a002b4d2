/*
 * Reservations: Register, Acquire, Release, Report and the table of who may do what. A change
 * travels from the queue's reactor to the management reactor, is made while the subsystem is
 * paused, and travels back. A host is its host identifier; nothing outlives the target (no PTPL).
 * Base Specification 2.1 sections 7.5 to 7.8 and 8.1.22.
 */
#include "target-lite/core/reservation.h"

#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_feature.h"
#include "target-lite/core/impl.h"

void tl_resv_init(struct tl_reservation *resv)
{
	nvhi_list_init(&resv->registrants);
}

static void resv_drop(struct tl_reservation *resv, struct tl_registrant *reg)
{
	nvhi_list_del(&reg->link);
	resv->count--;
	free(reg);
}

void tl_resv_done(struct tl_reservation *resv)
{
	while (!nvhi_list_empty(&resv->registrants))
		resv_drop(resv, nvhi_list_first(&resv->registrants, struct tl_registrant, link));
}

static struct tl_registrant *resv_find(const struct tl_reservation *resv, const uint8_t hostid[16])
{
	struct tl_registrant *reg;

	nvhi_list_for_each(reg, &resv->registrants, link)
		if (!memcmp(reg->hostid, hostid, sizeof(reg->hostid)))
			return reg;
	return NULL;
}

static bool resv_all(const struct tl_reservation *resv)
{
	return resv->rtype == NVH_RTYPE_WRITE_EXCL_ALL || resv->rtype == NVH_RTYPE_EXCL_ACCESS_ALL;
}

static bool resv_holds(const struct tl_reservation *resv, const struct tl_registrant *reg)
{
	return resv->rtype && reg && (resv_all(resv) || resv->holder == reg);
}

/* ---- the I/O path --------------------------------------------------------------------------- */

static bool resv_is_read(uint8_t opc)
{
	return opc == NVH_OPC_READ || opc == NVH_OPC_COMPARE || opc == NVH_OPC_VERIFY;
}

unsigned int tl_resv_check(const struct tl_ns *ns, const struct tl_ctrlr *ctrlr, uint8_t opc)
{
	const struct tl_reservation *resv = &ns->resv;
	const struct tl_registrant *reg = resv_find(resv, ctrlr->hostid);
	bool allowed = false;

	switch (resv->rtype) {
	case NVH_RTYPE_WRITE_EXCL:
		allowed = resv_is_read(opc) || resv_holds(resv, reg);
		break;
	case NVH_RTYPE_EXCL_ACCESS:
		allowed = resv_holds(resv, reg);
		break;
	case NVH_RTYPE_WRITE_EXCL_REG:
	case NVH_RTYPE_WRITE_EXCL_ALL:
		allowed = resv_is_read(opc) || reg;
		break;
	case NVH_RTYPE_EXCL_ACCESS_REG:
	case NVH_RTYPE_EXCL_ACCESS_ALL:
		allowed = reg;
		break;
	default:
		allowed = true;
	}
	return allowed ? 0 : NVH_ST_RESV_CONFLICT;
}

/* ---- changes, while everything is paused ---------------------------------------------------- */

/* One command on its way through the management reactor. */
struct resv_change {
	struct tl_subsystem_change change;
	struct tl_request *req;
	struct tl_registrant *spare; /* for Register: allocated before */
	uint32_t nsid;
	uint64_t key, other_key; /* CRKEY; NRKEY or PRKEY */
	uint8_t hostid[16];
};

static void resv_release_hold(struct tl_reservation *resv)
{
	resv->rtype = NVH_RTYPE_NONE;
	resv->holder = NULL;
}

static void resv_unregister(struct tl_reservation *resv, struct tl_registrant *reg)
{
	bool held = resv_holds(resv, reg);
	bool all = resv_all(resv);

	resv_drop(resv, reg);
	if (held && (!all || !resv->count))
		resv_release_hold(resv);
}

/* Those with this key, but never `except`; how many. */
static unsigned int resv_unregister_key(struct tl_reservation *resv, uint64_t key,
					const struct tl_registrant *except)
{
	struct tl_registrant *reg, *tmp;
	unsigned int n = 0;

	nvhi_list_for_each_safe(reg, tmp, &resv->registrants, link) {
		if (reg != except && reg->key == key) {
			resv_unregister(resv, reg);
			n++;
		}
	}
	return n;
}

static unsigned int resv_register(struct tl_reservation *resv, struct resv_change *rc)
{
	uint32_t cdw10 = tl_cdw10(rc->req);
	struct tl_registrant *reg = resv_find(resv, rc->hostid);
	bool any_key = cdw10 & NVH_RESV_IEKEY;

	switch (cdw10 & NVH_RESV_ACTION_MASK) {
	case NVH_RREGA_REGISTER:
		if (reg && reg->key != rc->other_key)
			return NVH_ST_RESV_CONFLICT;
		if (!reg) {
			reg = rc->spare;
			rc->spare = NULL;
			memcpy(reg->hostid, rc->hostid, sizeof(reg->hostid));
			reg->key = rc->other_key;
			nvhi_list_add_tail(&resv->registrants, &reg->link);
			resv->count++;
		}
		break;
	case NVH_RREGA_UNREGISTER:
		if (!reg || (!any_key && reg->key != rc->key))
			return NVH_ST_RESV_CONFLICT;
		resv_unregister(resv, reg);
		break;
	case NVH_RREGA_REPLACE:
		if (!reg || (!any_key && reg->key != rc->key))
			return NVH_ST_RESV_CONFLICT;
		reg->key = rc->other_key;
		break;
	default:
		return TL_DNR(NVH_ST_INVALID_FIELD);
	}
	resv->generation++;
	return 0;
}

static void resv_take(struct tl_reservation *resv, struct tl_registrant *reg, uint8_t rtype)
{
	resv->rtype = rtype;
	resv->holder = resv_all(resv) ? NULL : reg;
}

static unsigned int resv_preempt(struct tl_reservation *resv, struct resv_change *rc,
				 struct tl_registrant *reg, uint8_t rtype)
{
	if (resv_all(resv) && rc->other_key == 0) {
		struct tl_registrant *other, *tmp;

		nvhi_list_for_each_safe(other, tmp, &resv->registrants, link)
			if (other != reg)
				resv_drop(resv, other);
		resv_take(resv, reg, rtype);
	} else if (rc->other_key == 0) {
		return TL_DNR(NVH_ST_INVALID_FIELD);
	} else if (resv->holder && resv->holder->key == rc->other_key) {
		resv_release_hold(resv);
		resv_unregister_key(resv, rc->other_key, reg);
		resv_take(resv, reg, rtype);
	} else if (!resv_unregister_key(resv, rc->other_key, reg)) {
		return NVH_ST_RESV_CONFLICT;
	}
	resv->generation++;
	return 0;
}

static unsigned int resv_acquire(struct tl_reservation *resv, struct resv_change *rc)
{
	uint32_t cdw10 = tl_cdw10(rc->req);
	uint8_t rtype = (uint8_t)(cdw10 >> NVH_RESV_RTYPE_SHIFT);
	struct tl_registrant *reg = resv_find(resv, rc->hostid);

	if (cdw10 & NVH_RESV_IEKEY || rtype < NVH_RTYPE_WRITE_EXCL ||
	    rtype > NVH_RTYPE_EXCL_ACCESS_ALL)
		return TL_DNR(NVH_ST_INVALID_FIELD);
	if (!reg || reg->key != rc->key)
		return NVH_ST_RESV_CONFLICT;
	switch (cdw10 & NVH_RESV_ACTION_MASK) {
	case NVH_RACQA_ACQUIRE:
		if (!resv->rtype)
			resv_take(resv, reg, rtype);
		else if (!resv_holds(resv, reg) || resv->rtype != rtype)
			return NVH_ST_RESV_CONFLICT;
		return 0;
	case NVH_RACQA_PREEMPT:
	case NVH_RACQA_PREEMPT_ABORT: /* what was under way has ended: the pause drained it */
		return resv_preempt(resv, rc, reg, rtype);
	default:
		return TL_DNR(NVH_ST_INVALID_FIELD);
	}
}

static unsigned int resv_release(struct tl_reservation *resv, struct resv_change *rc)
{
	uint32_t cdw10 = tl_cdw10(rc->req);
	struct tl_registrant *reg = resv_find(resv, rc->hostid);

	if (cdw10 & NVH_RESV_IEKEY)
		return TL_DNR(NVH_ST_INVALID_FIELD);
	if (!reg || reg->key != rc->key)
		return NVH_ST_RESV_CONFLICT;
	switch (cdw10 & NVH_RESV_ACTION_MASK) {
	case NVH_RRELA_RELEASE:
		if (!resv_holds(resv, reg))
			return 0; /* nothing to release: nothing is changed */
		if (resv->rtype != (uint8_t)(cdw10 >> NVH_RESV_RTYPE_SHIFT))
			return TL_DNR(NVH_ST_INVALID_FIELD);
		resv_release_hold(resv);
		return 0;
	case NVH_RRELA_CLEAR:
		tl_resv_done(resv);
		resv_release_hold(resv);
		resv->generation++;
		return 0;
	default:
		return TL_DNR(NVH_ST_INVALID_FIELD);
	}
}

static void resv_apply(struct tl_subsystem_change *change)
{
	struct resv_change *rc = nvhi_container_of(change, struct resv_change, change);
	struct tl_ns *ns = tl_subsystem_ns(change->ss, rc->nsid);
	unsigned int status;

	if (!ns)
		status = TL_DNR(NVH_ST_INVALID_NS);
	else if (rc->req->cmd.opc == NVH_OPC_RESV_REGISTER)
		status = resv_register(&ns->resv, rc);
	else if (rc->req->cmd.opc == NVH_OPC_RESV_ACQUIRE)
		status = resv_acquire(&ns->resv, rc);
	else
		status = resv_release(&ns->resv, rc);
	rc->req->first_error = (uint16_t)status;
}

/* ---- there and back ------------------------------------------------------------------------- */

static void resv_back(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct resv_change *rc = req->scratch;

	free(rc->spare);
	tl_request_complete(req, req->first_error);
}

static void resv_send_back(struct tl_request *req)
{
	req->msg.fn = resv_back;
	nvhi_reactor_post(req->qpair->group->reactor, &req->msg);
}

static void resv_changed(void *arg, int err)
{
	(void)err;
	resv_send_back(arg);
}

static void resv_on_mgmt(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_subsystem *ss = tl_request_ctrlr(req)->subsystem;
	struct resv_change *rc = req->scratch;

	if (ss->deleting) {
		req->first_error = NVH_ST_ABORTED_SQ_DELETION;
		resv_send_back(req);
		return;
	}
	tl_subsystem_change(ss, &rc->change);
}

static bool resv_preempts_and_aborts(const struct tl_request *req)
{
	return req->cmd.opc == NVH_OPC_RESV_ACQUIRE &&
	       (tl_cdw10(req) & NVH_RESV_ACTION_MASK) == NVH_RACQA_PREEMPT_ABORT;
}

static void resv_change_start(struct tl_request *req, uint32_t need)
{
	const struct nvh_le64 *keys = req->iov.iov_base;
	uint32_t cptpl = tl_cdw10(req) >> NVH_RESV_CPTPL_SHIFT;
	struct resv_change *rc;

	if (req->dir != NVH_DATA_TO_CTRLR || req->xfer_len < need) {
		tl_request_complete(req, TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN));
		return;
	}
	if (req->cmd.opc == NVH_OPC_RESV_REGISTER && cptpl & 1) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD)); /* nothing persists */
		return;
	}
	rc = calloc(1, sizeof(*rc));
	req->scratch = rc;
	if (rc && req->cmd.opc == NVH_OPC_RESV_REGISTER)
		rc->spare = calloc(1, sizeof(*rc->spare));
	if (!rc || (req->cmd.opc == NVH_OPC_RESV_REGISTER && !rc->spare)) {
		tl_request_complete(req, NVH_ST_INTERNAL);
		return;
	}
	rc->req = req;
	rc->nsid = req->ns->nsid;
	rc->key = nvh_le64_get(keys[0]);
	rc->other_key = need > 8 ? nvh_le64_get(keys[1]) : 0;
	memcpy(rc->hostid, tl_request_ctrlr(req)->hostid, sizeof(rc->hostid));
	rc->change.apply = resv_apply;
	rc->change.finish = tl_change_keep;
	rc->change.done = resv_changed;
	rc->change.arg = req;
	rc->change.drain_nsid = resv_preempts_and_aborts(req) ? rc->nsid : 0;
	/* A change of this namespace that is ahead of ours must not wait for this very command. */
	tl_request_release_ns(req);
	req->msg.fn = resv_on_mgmt;
	nvhi_reactor_post(req->qpair->group->target->mgmt, &req->msg);
}

/* ---- Report --------------------------------------------------------------------------------- */

/* Into a page of its own, then cut to what the host asked for. Identifiers are 128 bits: EDS. */
static void resv_report(struct tl_request *req)
{
	const struct tl_reservation *resv = &req->ns->resv;
	uint64_t len = ((uint64_t)tl_cdw10(req) + 1) * 4;
	size_t size = NVH_RESV_STATUS_EXT_SIZE + resv->count * sizeof(struct nvh_resv_ctrlr_ext);
	struct nvh_resv_status *status;
	struct nvh_resv_ctrlr_ext *entry;
	struct tl_registrant *reg;

	if (!(tl_cdw11(req) & NVH_RESV_REPORT_EDS)) {
		tl_request_complete(req, TL_DNR(NVH_ST_HOSTID_INCONSISTENT));
		return;
	}
	if (req->dir != NVH_DATA_TO_HOST || len > req->xfer_len) {
		tl_request_complete(req, TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN));
		return;
	}
	status = calloc(1, size);
	if (!status) {
		tl_request_complete(req, NVH_ST_INTERNAL);
		return;
	}
	nvh_le32_put(&status->gen, resv->generation);
	status->rtype = resv->rtype;
	nvh_le16_put(&status->regctl, (uint16_t)resv->count);
	entry = (struct nvh_resv_ctrlr_ext *)((uint8_t *)status + NVH_RESV_STATUS_EXT_SIZE);
	nvhi_list_for_each(reg, &resv->registrants, link) {
		nvh_le16_put(&entry->cntlid, 0xffff); /* dynamic controllers */
		entry->rcsts = resv_holds(resv, reg);
		nvh_le64_put(&entry->rkey, reg->key);
		memcpy(entry->hostid, reg->hostid, sizeof(entry->hostid));
		entry++;
	}
	memset(req->iov.iov_base, 0, len);
	memcpy(req->iov.iov_base, status, size < len ? size : len);
	free(status);
	req->data_len = (uint32_t)len;
	tl_request_complete(req, NVH_ST_SUCCESS);
}

void tl_resv_exec(struct tl_request *req)
{
	if (req->cmd.opc == NVH_OPC_RESV_REPORT)
		resv_report(req);
	else if (req->cmd.opc == NVH_OPC_RESV_RELEASE)
		resv_change_start(req, sizeof(struct nvh_resv_release));
	else
		resv_change_start(req, sizeof(struct nvh_resv_register));
}
