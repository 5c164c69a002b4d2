/*
 * From nothing to a live queue: the address names a device, the device a protection domain, limits
 * and a queue pair; the connection carries the sizes of both ends as private data; the Fabrics
 * Connect command makes it a queue of a controller. Each step has its deadline (rdma_qpair.c). On
 * the queue pair's reactor. NVMe/RDMA 1.1 section 3.3; Base Specification 2.1 section 6.3.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "fabric/connect.h"
#include "fabric/rdma/rdma_impl.h"

/* Send queue entries between two that report: credits come back in lots. */
#define SIGNAL_EVERY 16
/* Pinned at once for copies; more when needed. */
#define BOUNCE_ADMIN (64u << 10)
#define BOUNCE_IO    (128u << 10)
/* How often the device tries again before it gives the connection up: all that the field holds. */
#define RETRIES 7

/* ---- the Connect command ------------------------------------------------------------------- */

static void connect_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_rdma_qpair *q = nvhi_container_of(req, struct nvhi_rdma_qpair, connect_req);
	char text[NVHI_CONNECT_TEXT];

	if (q->state != NVHI_RDMA_CONNECT)
		return; /* given back by revoke: that is told there */
	if (err < 0) {
		if (q->bounce.why[0])
			nvhi_rdma_fail(q, err, "%s", q->bounce.why);
		else
			nvhi_rdma_fail(q, err, "the Connect command could not be sent: %s",
				       strerror(-err));
		return;
	}
	q->connect_cpl = *cpl;
	err = nvhi_connect_result(&q->qpair, cpl, text, sizeof(text));
	if (err) {
		q->have_connect_cpl = true;
		nvhi_rdma_fail(q, err, "%s", text);
		return;
	}
	/* SQHD FFFFh says that the controller agreed to do without SQ flow control. */
	q->sqflow.on = !(q->qpair.tctrlr->opts.disable_sqflow && nvh_le16_get(cpl->sqhd) == 0xffff);
	if (q->sqflow.on &&
	    !nvhi_sqflow_take(&q->sqflow, q->qpair.entries, nvh_le16_get(cpl->sqhd))) {
		nvhi_rdma_fail(q, -EPROTO, "protocol error in a response capsule: SQHD %u",
			       nvh_le16_get(cpl->sqhd));
		return;
	}
	if (q->qpair.qid == 0)
		q->qpair.tctrlr->cntlid = nvh_le32_get(cpl->dw0) & NVH_CONNECT_CNTLID_MASK;
	nvhi_rdma_set_state(q, NVHI_RDMA_LIVE);
	nvhi_rdma_tell(q, NVHI_RDMA_TELL_CONNECTED);
}

static void send_connect(struct nvhi_rdma_qpair *q)
{
	struct nvhi_req *req = &q->connect_req;

	nvhi_connect_build(&q->qpair, &req->cmd, &q->connect_data);
	q->connect_iov.iov_base = &q->connect_data;
	q->connect_iov.iov_len = sizeof(q->connect_data);
	nvhi_iov_cursor_init(&req->data, &q->connect_iov, 1);
	req->len = sizeof(q->connect_data);
	req->dir = NVHI_DIR_TO_CTRLR;
	req->done = connect_done;
	nvhi_rdma_set_state(q, NVHI_RDMA_CONNECT);
	nvhi_rdma_submit_early(q, req); /* the queue is empty: there is room */
}

/* ---- the connection ------------------------------------------------------------------------ */

static void established(struct nvhi_rdma_qpair *q, const struct rdma_conn_param *param)
{
	const struct nvh_rdma_cm_acc *acc = param->private_data;
	uint16_t crqsize;

	q->established = true;
	if (param->private_data_len < sizeof(*acc)) {
		nvhi_rdma_fail(q, -EPROTO,
			       "protocol error in the RDMA acceptance: %u bytes of private data "
			       "instead of %zu",
			       param->private_data_len, sizeof(*acc));
		return;
	}
	if (nvh_le16_get(acc->recfmt) != NVH_RDMA_CM_RECFMT) {
		nvhi_rdma_fail(q, -EPROTO, "protocol error in the RDMA acceptance: RECFMT %u",
			       nvh_le16_get(acc->recfmt));
		return;
	}
	crqsize = nvh_le16_get(acc->crqsize);
	if (crqsize == 0) {
		nvhi_rdma_fail(q, -EPROTO, "protocol error in the RDMA acceptance: CRQSIZE 0");
		return;
	}
	/* Its receives are our credits: never more commands than it has posted room for. */
	if (crqsize < q->qpair.depth)
		q->qpair.depth = crqsize;
	nvhi_log(DEBUG, RDMA, "%s: accepted, CRQSIZE %u; %u READs at a time", q->qpair.name,
		 crqsize, param->responder_resources);
	send_connect(q);
}

static int request_connection(struct nvhi_rdma_qpair *q)
{
	struct nvh_rdma_cm_req req;
	int reads = q->dev->attr.max_qp_rd_atom;
	struct rdma_conn_param param = {
		.private_data = &req,
		.private_data_len = sizeof(req),
		/* READs that the controller may have under way; we make none. */
		.responder_resources = (uint8_t)(reads < 1           ? 1
						 : reads > UINT8_MAX ? UINT8_MAX
								     : reads),
		.initiator_depth = 0,
		.flow_control = 1,
		.retry_count = RETRIES,
		.rnr_retry_count = RETRIES,
	};

	memset(&req, 0, sizeof(req));
	nvh_le16_put(&req.recfmt, NVH_RDMA_CM_RECFMT);
	nvh_le16_put(&req.qid, q->qpair.qid);
	nvh_le16_put(&req.hrqsize, q->recv_count);
	nvh_le16_put(&req.hsqsize, (uint16_t)(q->qpair.entries - 1));
	if (q->qpair.qid)
		nvh_le16_put(&req.cntlid, q->qpair.tctrlr->cntlid);
	return q->verbs->cm_connect(q->id.cm_id, &param) ? -errno : 0;
}

/* ---- queue pair ---------------------------------------------------------------------------- */

/* Entries that this device takes, if fewer than were wanted. */
static int fit_to_device(struct nvhi_rdma_qpair *q)
{
	const struct ibv_device_attr *attr = &q->dev->attr;
	uint32_t most = attr->max_qp_wr < attr->max_cqe / 2 ? (uint32_t)attr->max_qp_wr
							    : (uint32_t)attr->max_cqe / 2;
	uint32_t entries = q->qpair.entries;

	if (most < 2 * NVHI_RDMA_WRS) {
		nvhi_rdma_fail(q, -EOPNOTSUPP, "%s has room for %u work requests only",
			       nvhi_rdma_dev_name(q->dev), most);
		return -EOPNOTSUPP;
	}
	if (entries > most)
		entries = most;
	q->qpair.entries = (uint16_t)entries;
	q->qpair.depth = (uint16_t)(entries - 1);
	q->recv_count = (uint16_t)entries;
	q->sq_size = NVHI_RDMA_WRS * q->qpair.depth + SIGNAL_EVERY;
	if (q->sq_size > most)
		q->sq_size = most;
	q->sq_free = q->sq_size;
	q->signal_every = q->sq_size / 4 < SIGNAL_EVERY ? q->sq_size / 4 : SIGNAL_EVERY;
	q->max_sges = attr->max_sge < NVHI_RDMA_SGES ? (uint8_t)attr->max_sge : NVHI_RDMA_SGES;
	return 0;
}

static int make_queue_pair(struct nvhi_rdma_qpair *q)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = q->cq,
		.recv_cq = q->cq,
		.qp_type = IBV_QPT_RC,
		.cap =
			{
				.max_send_wr = q->sq_size,
				.max_recv_wr = q->recv_count,
				.max_send_sge = q->max_sges,
				.max_recv_sge = 1,
				.max_inline_data = sizeof(struct nvh_cmd),
			},
	};
	int err;

	if (q->verbs->cm_create_qp(q->id.cm_id, q->dev->pd, &attr) == 0) {
		q->max_inline = attr.cap.max_inline_data;
		return 0;
	}
	attr.cap.max_inline_data = 0; /* some devices have none */
	if (q->verbs->cm_create_qp(q->id.cm_id, q->dev->pd, &attr) == 0)
		return 0;
	err = -errno;
	nvhi_rdma_fail(q, err, "%s makes no queue pair of %u entries: %s",
		       nvhi_rdma_dev_name(q->dev), q->qpair.entries, strerror(-err));
	return err;
}

static void route_resolved(struct nvhi_rdma_qpair *q)
{
	char text[sizeof(q->qpair.why)];
	int err;

	err = nvhi_rdma_cq_open(q, text, sizeof(text));
	if (err) {
		nvhi_rdma_fail(q, err, "%s", text);
		return;
	}
	if (make_queue_pair(q))
		return;
	err = nvhi_rdma_windows_init(q, text, sizeof(text));
	if (err) {
		nvhi_rdma_fail(q, err, "%s", text);
		return;
	}
	err = nvhi_rdma_post_recv_all(q);
	if (!err)
		err = request_connection(q);
	if (err == -ECONNREFUSED) { /* siw knows at once when the peer is this machine */
		nvhi_rdma_fail(q, err, "connection refused");
		return;
	}
	if (err) {
		nvhi_rdma_fail(q, err, "the RDMA connection could not be asked for: %s",
			       strerror(-err));
		return;
	}
	nvhi_rdma_set_state(q, NVHI_RDMA_ACCEPT);
}

/* ---- device -------------------------------------------------------------------------------- */

/* A port without link reaches nobody: said at once, instead of after a timeout. */
static bool port_is_up(struct nvhi_rdma_qpair *q)
{
	uint8_t port = q->id.cm_id->port_num;
	struct ibv_port_attr attr;

	if (q->verbs->query_port(q->dev->context, port, &attr) || attr.state >= IBV_PORT_ACTIVE)
		return true;
	nvhi_rdma_fail(q, -ENETDOWN,
		       "port %u of %s is down (its cable, or ip link set INTERFACE up)", port,
		       nvhi_rdma_dev_name(q->dev));
	return false;
}

static void address_resolved(struct nvhi_rdma_qpair *q)
{
	char text[sizeof(q->qpair.why)];
	int err;

	err = nvhi_rdma_dev_get(q->verbs, q->id.cm_id->verbs, text, sizeof(text), &q->dev);
	if (err) {
		nvhi_rdma_fail(q, err, "%s", text);
		return;
	}
	if (!port_is_up(q) || fit_to_device(q))
		return;
	nvhi_rdma_bounce_init(&q->bounce, q->dev, q->qpair.name,
			      q->qpair.qid ? BOUNCE_IO : BOUNCE_ADMIN);
	err = nvhi_rdma_reg(q->dev, q->capsules, q->capsules_len, IBV_ACCESS_LOCAL_WRITE,
			    "capsules", text, sizeof(text), &q->capsules_mr);
	if (err) {
		nvhi_rdma_fail(q, err, "%s", text);
		return;
	}
	if (q->verbs->cm_resolve_route(q->id.cm_id,
				       (int)q->qpair.tctrlr->opts.connect_timeout_ms)) {
		err = -errno;
		nvhi_rdma_fail(q, err, "no route over RDMA: %s", strerror(-err));
		return;
	}
	nvhi_rdma_set_state(q, NVHI_RDMA_ROUTE);
}

/* ---- events -------------------------------------------------------------------------------- */

static void cm_event(struct nvhi_rdma_id *id, const struct rdma_cm_event *event)
{
	struct nvhi_rdma_qpair *q = nvhi_container_of(id, struct nvhi_rdma_qpair, id);
	char text[sizeof(q->qpair.why)];
	int err;

	if (q->state >= NVHI_RDMA_LOST || event->event == RDMA_CM_EVENT_TIMEWAIT_EXIT)
		return;
	if (event->event == RDMA_CM_EVENT_ADDR_RESOLVED && q->state == NVHI_RDMA_ADDRESS) {
		address_resolved(q);
	} else if (event->event == RDMA_CM_EVENT_ROUTE_RESOLVED && q->state == NVHI_RDMA_ROUTE) {
		route_resolved(q);
	} else if (event->event == RDMA_CM_EVENT_ESTABLISHED && q->state == NVHI_RDMA_ACCEPT) {
		established(q, &event->param.conn);
	} else {
		err = nvhi_rdma_event_error(q->verbs, event, text, sizeof(text));
		nvhi_rdma_fail(q, err, "%s", text);
	}
}

/* --host-traddr names an address; the port is the system's choice. */
static int local_address(const struct nvhi_addr *addr, struct sockaddr_storage *ret_local)
{
	socklen_t len;
	int err = nvhi_addr_to_sockaddr(addr, ret_local, &len);

	if (err)
		return err;
	if (ret_local->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ret_local)->sin6_port = 0;
	else
		((struct sockaddr_in *)ret_local)->sin_port = 0;
	return 0;
}

static int resolve_address(struct nvhi_rdma_qpair *q)
{
	const struct nvhi_tctrlr_opts *opts = &q->qpair.tctrlr->opts;
	struct sockaddr_storage peer, local;
	bool have_local = opts->host_addr.traddr[0];
	socklen_t len;
	int err;

	err = nvhi_addr_to_sockaddr(&opts->addr, &peer, &len);
	if (!err && have_local)
		err = local_address(&opts->host_addr, &local);
	if (err)
		return err;
	if (opts->tos >= 0) {
		uint8_t tos = (uint8_t)opts->tos;

		if (q->verbs->cm_set_option(q->id.cm_id, RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &tos,
					    sizeof(tos)))
			return -errno;
	}
	if (q->verbs->cm_resolve_addr(q->id.cm_id, have_local ? (struct sockaddr *)&local : NULL,
				      (struct sockaddr *)&peer, (int)opts->connect_timeout_ms))
		return -errno;
	return 0;
}

static void address_error(struct nvhi_rdma_qpair *q, int err)
{
	const struct nvhi_tctrlr_opts *opts = &q->qpair.tctrlr->opts;

	if (err == -EADDRNOTAVAIL && !opts->host_addr.traddr[0])
		err = -ENODEV;
	if (err == -ENODEV)
		nvhi_rdma_dev_missing();
	if (err == -ENODEV || err == -EADDRNOTAVAIL)
		nvhi_rdma_fail(
			q, err,
			"no RDMA device leads to this address%s%s (rdma link shows them with "
			"their interfaces)",
			opts->host_addr.traddr[0] ? " from " : "", opts->host_addr.traddr);
	else
		nvhi_rdma_fail(q, err, "the address was not resolved over RDMA: %s",
			       strerror(-err));
}

void nvhi_rdma_qpair_connect(struct nvhi_qpair *qpair)
{
	struct nvhi_rdma_qpair *q = nvhi_rdma_qpair_of(qpair);
	const struct nvhi_tctrlr_opts *opts = &qpair->tctrlr->opts;
	char text[sizeof(qpair->why)];
	int err;

	if (opts->host_iface[0]) {
		nvhi_rdma_fail(q, -EINVAL,
			       "RDMA takes no --host-iface: give the interface's address as "
			       "--host-traddr");
		return;
	}
	err = nvhi_rdma_cm_open(&q->cm, qpair->reactor, text, sizeof(text));
	if (err) {
		nvhi_rdma_fail(q, err, "%s", text);
		return;
	}
	q->verbs = q->cm.verbs;
	err = nvhi_rdma_id_create(&q->cm, &q->id, qpair->name, cm_event);
	if (!err)
		err = nvhi_rdma_set_deadline(q, opts->connect_timeout_ms);
	if (err) {
		nvhi_rdma_fail(q, err, "%s", strerror(-err));
		return;
	}
	err = resolve_address(q);
	if (err)
		address_error(q, err);
	else
		nvhi_rdma_set_state(q, NVHI_RDMA_ADDRESS);
}
