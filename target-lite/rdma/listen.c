/*
 * Listening and the connection requests that come: each is examined, and refused with the status
 * that says why, or moves to a poll group. A listener whose device is removed listens again when
 * the address is back. Management reactor. NVMe/RDMA Transport Specification 1.1 section 3.3,
 * figures 4 to 7.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvmf.h"
#include "target-lite/rdma/rdma_impl.h"

#define LISTEN_RETRY_NS (500 * NVHI_NSEC_PER_MSEC)

struct tl_rdma_listener {
	struct nvhi_rdma_id id;
	struct tl_rdma *rdma;
	struct tl_listener *listener;
	struct nvhi_timer retry; /* the device has gone */
	char name[320];
};

/* ---- connection requests --------------------------------------------------------------------- */

/* Whether a controller with this id is there that the queue could belong to. */
static bool listen_has_ctrlr(const struct tl_target *target, uint16_t cntlid)
{
	struct tl_subsystem *ss;
	struct tl_ctrlr *ctrlr;

	nvhi_list_for_each(ss, &target->subsystems, link)
		nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
			if (ctrlr->cntlid == cntlid)
				return true;
	return false;
}

struct listen_request {
	uint16_t qid, cntlid;
	uint32_t hrqsize, entries; /* HSQSIZE is 0's based */
};

/* 0 or the status to refuse it with; *ret_value is the culprit's. */
static enum nvh_rdma_cm_status listen_examine(const struct tl_rdma *rdma,
					      const struct rdma_conn_param *param,
					      struct listen_request *ret_req, uint32_t *ret_value)
{
	const struct tl_transport_opts *opts = &rdma->transport.opts;
	const struct nvh_rdma_cm_req *req = param->private_data;
	struct listen_request *r = ret_req;

	*ret_value = param->private_data_len;
	if (!req || param->private_data_len < sizeof(*req))
		return NVH_RDMA_CM_INVALID_LEN;
	*ret_value = nvh_le16_get(req->recfmt);
	if (*ret_value != NVH_RDMA_CM_RECFMT)
		return NVH_RDMA_CM_INVALID_RECFMT;
	*ret_value = r->qid = nvh_le16_get(req->qid);
	if (r->qid > opts->max_io_qpairs_per_ctrlr)
		return NVH_RDMA_CM_INVALID_QID;
	*ret_value = nvh_le16_get(req->hsqsize);
	r->entries = *ret_value + 1;
	if (r->entries < 2 || r->entries > (r->qid ? opts->max_queue_depth : opts->max_aq_depth))
		return NVH_RDMA_CM_INVALID_HSQSIZE;
	*ret_value = r->hrqsize = nvh_le16_get(req->hrqsize);
	if (!r->hrqsize)
		return NVH_RDMA_CM_INVALID_HRQSIZE;
	*ret_value = param->initiator_depth;
	if (!param->initiator_depth)
		return NVH_RDMA_CM_INVALID_IRD;
	/* Hosts older than this field send 0. */
	*ret_value = r->cntlid = nvh_le16_get(req->cntlid);
	if (r->cntlid && (!r->qid || !listen_has_ctrlr(rdma->transport.target, r->cntlid)))
		return NVH_RDMA_CM_INVALID_CNTLID;
	return 0;
}

static void listen_request(struct tl_rdma_listener *rl, const struct rdma_cm_event *event)
{
	struct tl_rdma *rdma = rl->rdma;
	struct tl_poll_group *group = tl_target_pick_group(rdma->transport.target);
	struct tl_rdma_group *tg = __atomic_load_n(&rdma->groups[group->index], __ATOMIC_ACQUIRE);
	struct nvhi_rdma_id id = {.cm_id = event->id};
	struct listen_request req = {0};
	enum nvh_rdma_cm_status sts;
	char peer[64];
	uint32_t value;
	int err;

	nvhi_rdma_id_names(&id, NULL, 0, peer, sizeof(peer));
	sts = listen_examine(rdma, &event->param.conn, &req, &value);
	if (sts) {
		nvhi_log(WARN, RDMA, "%s: refused: %s (%u)", peer, nvh_rdma_cm_status_text(sts),
			 value);
		nvhi_rdma_refuse(rdma->verbs, event->id, sts);
		return;
	}
	err = tg ? tl_rdma_conn_arrive(tg, event, &rl->listener->addr, req.qid, req.entries)
		 : -EAGAIN;
	if (err) {
		nvhi_log(WARN, RDMA, "%s: refused (no resources): %s", peer, strerror(-err));
		nvhi_rdma_refuse(rdma->verbs, event->id, NVH_RDMA_CM_NO_RESOURCES);
	}
}

/* ---- listening ------------------------------------------------------------------------------- */

static void listen_event(struct nvhi_rdma_id *id, const struct rdma_cm_event *event);

/* RoCE of version 2 is what rdma_cm takes by default. */
static uint8_t listen_prtype(const struct nvhi_verbs *verbs, const struct rdma_cm_id *id)
{
	struct ibv_port_attr port;

	if (!id->verbs) /* on all addresses */
		return NVH_RDMA_PRTYPE_NONE;
	if (id->verbs->device->transport_type == IBV_TRANSPORT_IWARP)
		return NVH_RDMA_PRTYPE_IWARP;
	if (verbs->query_port(id->verbs, id->port_num, &port))
		return NVH_RDMA_PRTYPE_NONE;
	return port.link_layer == IBV_LINK_LAYER_ETHERNET ? NVH_RDMA_PRTYPE_ROCEV2
							  : NVH_RDMA_PRTYPE_IB;
}

static int listen_bind(struct tl_rdma_listener *rl)
{
	const struct nvhi_verbs *verbs = rl->rdma->verbs;
	struct tl_listener *listener = rl->listener;
	struct sockaddr_storage sa;
	int err, only = 1;
	socklen_t len;

	err = tl_listen_sockaddr(&listener->addr, &sa, &len);
	if (!err)
		err = nvhi_rdma_id_create(&rl->rdma->cm, &rl->id, rl->name, listen_event);
	if (err)
		return err;
	if (listener->addr.adrfam == TL_ADRFAM_IPV6)
		verbs->cm_set_option(rl->id.cm_id, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &only,
				     sizeof(only));
	if (verbs->cm_bind_addr(rl->id.cm_id, (struct sockaddr *)&sa) ||
	    verbs->cm_listen(rl->id.cm_id, (int)rl->rdma->transport.opts.acceptor_backlog)) {
		err = errno ? -errno : -EINVAL;
		nvhi_rdma_id_destroy(&rl->id);
		return err == -EADDRNOTAVAIL ? -ENODEV : err; /* no device's, or nobody's */
	}
	snprintf(listener->addr.trsvcid, sizeof(listener->addr.trsvcid), "%u",
		 be16toh(verbs->cm_get_src_port(rl->id.cm_id)));
	listener->rdma_prtype = listen_prtype(verbs, rl->id.cm_id);
	return 0;
}

static void listen_again(struct nvhi_timer *timer)
{
	struct tl_rdma_listener *rl = nvhi_container_of(timer, struct tl_rdma_listener, retry);

	nvhi_rdma_dev_missing();
	nvhi_rdma_dev_sweep(rl->rdma->verbs);
	if (listen_bind(rl) == 0)
		nvhi_log(INFO, RDMA, "%s: its device is back: listening again", rl->name);
	else if (nvhi_timer_arm(rl->rdma->transport.target->mgmt, timer, LISTEN_RETRY_NS))
		nvhi_log(ERROR, RDMA, "%s: no memory for a timer: it listens no more", rl->name);
}

static void listen_event(struct nvhi_rdma_id *id, const struct rdma_cm_event *event)
{
	struct tl_rdma_listener *rl = nvhi_container_of(id, struct tl_rdma_listener, id);

	if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
		listen_request(rl, event);
		return;
	}
	if (event->event != RDMA_CM_EVENT_DEVICE_REMOVAL &&
	    event->event != RDMA_CM_EVENT_ADDR_CHANGE)
		return;
	nvhi_log(WARN, RDMA, "%s: %s: waiting for it to come back", rl->name,
		 event->event == RDMA_CM_EVENT_DEVICE_REMOVAL ? "its device was removed"
							      : "its address has moved");
	nvhi_rdma_id_destroy(&rl->id);
	if (nvhi_timer_arm(rl->rdma->transport.target->mgmt, &rl->retry, LISTEN_RETRY_NS))
		nvhi_log(ERROR, RDMA, "%s: no memory for a timer: it listens no more", rl->name);
}

int tl_rdma_listen(struct tl_transport *transport, struct tl_listener *listener)
{
	struct tl_rdma_listener *rl = calloc(1, sizeof(*rl));
	int err;

	if (!rl)
		return -ENOMEM;
	rl->rdma = tl_rdma_of(transport);
	rl->listener = listener;
	rl->retry.fn = listen_again;
	snprintf(rl->name, sizeof(rl->name), "listener %.256s:%.32s", listener->addr.traddr,
		 listener->addr.trsvcid);
	err = listen_bind(rl);
	if (err) {
		free(rl);
		return err;
	}
	listener->transport_data = rl;
	snprintf(rl->name, sizeof(rl->name), "listener %.256s:%.32s", listener->addr.traddr,
		 listener->addr.trsvcid);
	return 0;
}

void tl_rdma_unlisten(struct tl_transport *transport, struct tl_listener *listener)
{
	struct tl_rdma_listener *rl = listener->transport_data;

	nvhi_timer_cancel(transport->target->mgmt, &rl->retry);
	nvhi_rdma_id_destroy(&rl->id);
	free(rl);
}
