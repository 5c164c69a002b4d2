/*
 * The discovery log: one entry for each subsystem a host may see and each of its listeners, then
 * the referrals. It is built on the management reactor, which owns all of that, straight into the
 * window that the host asked for; GENCTR tells a host that it changed between two reads.
 * Base Specification 2.1 section 5.1.12.3.1.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_log.h"
#include "base/spec/nvmf.h"
#include "target-lite/core/impl.h"

/* ---- the window ----------------------------------------------------------------------------- */

/* A part of a file of `pos` bytes so far, of which [offset, offset + len) lands in `out`. */
struct disc_window {
	uint8_t *out;
	uint64_t offset;
	uint32_t len;
	uint64_t pos;
};

static bool disc_wanted(const struct disc_window *w, size_t size)
{
	return w->pos + size > w->offset && w->pos < w->offset + w->len;
}

static void disc_put(struct disc_window *w, const void *data, size_t size)
{
	uint64_t from = w->pos > w->offset ? w->pos : w->offset;
	uint64_t to = w->pos + size < w->offset + w->len ? w->pos + size : w->offset + w->len;

	if (to > from)
		memcpy(w->out + (from - w->offset), (const uint8_t *)data + (from - w->pos),
		       to - from);
	w->pos += size;
}

/* ---- entries -------------------------------------------------------------------------------- */

static void disc_entry_addr(struct nvh_discovery_log_entry *e, const struct tl_listen_addr *addr)
{
	e->trtype = (uint8_t)addr->trtype;
	e->adrfam = (uint8_t)addr->adrfam;
	tl_pad(e->trsvcid, sizeof(e->trsvcid), addr->trsvcid);
	tl_pad(e->traddr, sizeof(e->traddr), addr->traddr);
	nvh_le16_put(&e->cntlid, NVH_CNTLID_DYNAMIC);
}

static bool disc_addr_any(const char *traddr)
{
	return !strcmp(traddr, "0.0.0.0") || !strcmp(traddr, "::");
}

/*
 * A listener on all addresses is announced by the one at which this host came in; to a host of the
 * other family not at all: there is no address to give it.
 */
static bool disc_announced(const struct tl_qpair *qpair, const struct tl_subsystem_listener *sl)
{
	if (sl->addr.trtype == TL_TRTYPE_VFIOUSER)
		return false; /* no fabric leads there */
	return !sl->adding && (!disc_addr_any(sl->addr.traddr) ||
			       (qpair->local[0] && qpair->listen_addr.trtype == sl->addr.trtype &&
				qpair->listen_addr.adrfam == sl->addr.adrfam));
}

static void disc_put_listener(struct disc_window *w, const struct tl_qpair *qpair,
			      const struct tl_subsystem_listener *sl)
{
	const struct tl_subsystem *ss = sl->subsystem;
	const struct tl_transport_opts *opts = &sl->listener->transport->opts;
	struct nvh_discovery_log_entry e;

	if (!disc_wanted(w, sizeof(e))) {
		w->pos += sizeof(e);
		return;
	}
	memset(&e, 0, sizeof(e));
	disc_entry_addr(&e, &sl->addr);
	if (disc_addr_any(sl->addr.traddr))
		tl_pad(e.traddr, sizeof(e.traddr), qpair->local);
	e.subtype = (uint8_t)ss->type;
	e.treq = sl->secure_channel ? NVH_TREQ_REQUIRED
				    : NVH_TREQ_NOT_SPECIFIED | NVH_TREQ_DISABLE_SQFLOW;
	nvh_le16_put(&e.portid, sl->listener->portid);
	nvh_le16_put(&e.asqsz, (uint16_t)opts->max_aq_depth);
	if (ss->type == TL_SUBSYSTEM_DISCOVERY)
		nvh_le16_put(&e.eflags, NVH_EFLAGS_EPCSD | NVH_EFLAGS_DUPRETINFO);
	memcpy(e.subnqn, ss->nqn, strlen(ss->nqn));
	if (sl->secure_channel)
		e.tsas.tcp.sectype = NVH_TCP_SEC_TLS13;
	if (sl->addr.trtype == TL_TRTYPE_RDMA) {
		e.tsas.rdma.qptype = NVH_RDMA_QPTYPE_CONNECTED;
		e.tsas.rdma.prtype = sl->listener->rdma_prtype;
		e.tsas.rdma.cms = NVH_RDMA_CMS_RDMA_CM;
	}
	disc_put(w, &e, sizeof(e));
}

static void disc_put_referral(struct disc_window *w, const struct tl_referral *referral)
{
	struct nvh_discovery_log_entry e;

	memset(&e, 0, sizeof(e));
	disc_entry_addr(&e, &referral->addr);
	e.subtype = NVH_SUBTYPE_DISC_REFERRAL;
	e.treq = referral->secure_channel ? NVH_TREQ_REQUIRED : NVH_TREQ_NOT_REQUIRED;
	nvh_le16_put(&e.asqsz, NVH_ADMIN_QUEUE_MIN);
	memcpy(e.subnqn, referral->subnqn, strlen(referral->subnqn));
	disc_put(w, &e, sizeof(e));
}

static bool disc_visible(const struct tl_subsystem *ss, const struct tl_ctrlr *ctrlr)
{
	return ss->state != TL_SUBSYSTEM_INACTIVE && ss->state != TL_SUBSYSTEM_DEACTIVATING &&
	       tl_subsystem_host_allowed(ss, ctrlr->hostnqn);
}

static void disc_build(const struct tl_request *req, struct disc_window *w)
{
	const struct tl_ctrlr *ctrlr = req->qpair->ctrlr;
	struct tl_target *target = ctrlr->subsystem->target;
	struct tl_subsystem_listener *sl;
	struct tl_referral *referral;
	struct tl_subsystem *ss;
	struct nvh_discovery_log_header hdr;

	w->pos = sizeof(hdr);
	nvhi_list_for_each(ss, &target->subsystems, link)
		if (disc_visible(ss, ctrlr))
			nvhi_list_for_each(sl, &ss->listeners, link)
				if (disc_announced(req->qpair, sl))
					disc_put_listener(w, req->qpair, sl);
	nvhi_list_for_each(referral, &target->referrals, link)
		disc_put_referral(w, referral);
	memset(&hdr, 0, sizeof(hdr));
	nvh_le64_put(&hdr.genctr, target->genctr);
	nvh_le64_put(&hdr.numrec, w->pos / sizeof(struct nvh_discovery_log_entry) - 1);
	w->pos = 0;
	disc_put(w, &hdr, sizeof(hdr));
}

/* ---- the command ---------------------------------------------------------------------------- */

static void disc_done(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	bool rearm = !(tl_cdw10(req) & NVH_LOG_RAE);

	tl_request_complete(req, NVH_ST_SUCCESS);
	if (rearm)
		tl_aer_rearm(ctrlr, NVH_LID_DISCOVERY);
}

static void disc_on_mgmt(struct nvhi_msg *msg)
{
	struct tl_request *req = nvhi_container_of(msg, struct tl_request, msg);
	struct disc_window w = {.out = req->iov.iov_base};

	tl_log_window(req, &w.offset, &w.len);
	memset(w.out, 0, w.len);
	disc_build(req, &w);
	req->data_len = w.len;
	req->msg.fn = disc_done;
	nvhi_reactor_post(req->qpair->group->reactor, &req->msg);
}

void tl_discovery_log_exec(struct tl_request *req)
{
	req->msg.fn = disc_on_mgmt;
	nvhi_reactor_post(req->qpair->group->target->mgmt, &req->msg);
}

/* ---- changes -------------------------------------------------------------------------------- */

void tl_target_discovery_changed(struct tl_target *target)
{
	struct tl_subsystem *ss;
	struct tl_ctrlr *ctrlr;

	target->genctr++;
	nvhi_list_for_each(ss, &target->subsystems, link) {
		if (ss->type != TL_SUBSYSTEM_DISCOVERY)
			continue;
		nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
			tl_ctrlr_post_event(ctrlr, TL_EVENT_DISCOVERY_CHANGED);
	}
}

static struct tl_referral *disc_find_referral(struct tl_target *target,
					      const struct tl_listen_addr *addr, const char *subnqn)
{
	struct tl_referral *r;

	nvhi_list_for_each(r, &target->referrals, link)
		if (tl_listen_addr_equal(&r->addr, addr) && (!subnqn || !strcmp(r->subnqn, subnqn)))
			return r;
	return NULL;
}

int tl_target_add_referral(struct tl_target *target, const struct tl_referral *referral)
{
	const char *nqn = referral->subnqn[0] ? referral->subnqn : TL_DISCOVERY_NQN;
	struct tl_referral *r;

	if (!tl_nqn_valid(nqn))
		return -EINVAL;
	if (disc_find_referral(target, &referral->addr, nqn))
		return -EEXIST;
	r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = *referral;
	memcpy(r->subnqn, nqn, strlen(nqn) + 1);
	nvhi_list_add_tail(&target->referrals, &r->link);
	tl_target_discovery_changed(target);
	return 0;
}

int tl_target_remove_referral(struct tl_target *target, const struct tl_listen_addr *addr,
			      const char *subnqn)
{
	struct tl_referral *r = disc_find_referral(target, addr, subnqn);

	if (!r)
		return -ENOENT;
	nvhi_list_del(&r->link);
	free(r);
	tl_target_discovery_changed(target);
	return 0;
}
