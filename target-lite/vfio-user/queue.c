/*
 * Queues in the client's memory. One poller looks at the tails of all submission queues: a command is
 * copied, counted against room in its completion queue, and executed; what completes is put down with
 * the phase that says so. A tail or head that cannot be ends the controller. Before the reactor sleeps a
 * client with doorbell buffers is told from where on it must ring by message; one without is looked after
 * by a timer. The client's reactor. Base Specification 2.1 sections 3.3.1, 4.1, 4.2 and 5.2.5.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/impl.h"
#include "target-lite/vfio-user/impl.h"

#define FETCH_MAX     64u /* commands of a queue in one turn */
#define LOOK_SOON_NS  (NVHI_NSEC_PER_MSEC)
#define LOOK_LATER_NS (5 * NVHI_NSEC_PER_MSEC)
#define QUIET_NS      (200 * NVHI_NSEC_PER_MSEC)

/* ---- completion queues ----------------------------------------------------------------------- */

static bool ring_map(struct tl_vfu_conn *conn, struct tl_vfu_ring *ring, uint64_t iova,
		     uint32_t entries, uint32_t size)
{
	if (iova % TL_VFU_PAGE)
		return false;
	ring->base = tl_vfu_get(conn, iova, (uint64_t)entries * size, &ring->map);
	ring->entries = entries;
	return ring->base;
}

bool tl_vfu_cq_create(struct tl_vfu_conn *conn, uint16_t qid, uint64_t iova, uint32_t entries,
		      unsigned int *ret_status)
{
	struct tl_vfu_cq *cq = &conn->cqs[qid];

	memset(cq, 0, sizeof(*cq));
	if (!ring_map(conn, &cq->ring, iova, entries, sizeof(struct nvh_cpl))) {
		*ret_status = iova % TL_VFU_PAGE ? NVH_ST_PRP_INVALID_OFFSET : NVH_ST_INVALID_FIELD;
		return false;
	}
	cq->phase = 1;
	conn->db[2 * qid + 1] = 0;
	if (conn->shadow && qid)
		conn->shadow[2 * qid + 1] = conn->eventidx[2 * qid + 1] = 0;
	return true;
}

void tl_vfu_cq_delete(struct tl_vfu_conn *conn, uint16_t qid)
{
	struct tl_vfu_cq *cq = &conn->cqs[qid];

	if (cq->ring.base)
		tl_vfu_put(conn, cq->ring.map);
	memset(cq, 0, sizeof(*cq));
}

void tl_vfu_cq_unreserve(struct tl_vfu_queue *q)
{
	q->conn->cqs[q->cqid].reserved--;
}

/* What the client wrote last: to the buffer that it told us of, or to the page itself. */
static uint32_t doorbell_read(const struct tl_vfu_conn *conn, uint16_t qid, unsigned int which)
{
	const uint32_t *from = conn->shadow && qid ? conn->shadow : conn->db;

	return __atomic_load_n(&from[2 * qid + which], __ATOMIC_ACQUIRE);
}

static bool cq_update(struct tl_vfu_conn *conn, uint16_t cqid)
{
	struct tl_vfu_cq *cq = &conn->cqs[cqid];
	uint32_t head = doorbell_read(conn, cqid, 1);
	uint32_t full = (cq->tail + cq->ring.entries - cq->head) % cq->ring.entries;
	uint32_t taken = (head + cq->ring.entries - cq->head) % cq->ring.entries;

	if (head >= cq->ring.entries || taken > full) {
		tl_vfu_device_fail(conn, "completion queue %u: head doorbell %u of %u entries, %u put down",
				   cqid, head, cq->ring.entries, full);
		return false;
	}
	cq->head = head;
	cq->reserved -= taken;
	return true;
}

static bool cq_has_room(struct tl_vfu_conn *conn, uint16_t cqid)
{
	struct tl_vfu_cq *cq = &conn->cqs[cqid];

	if (cq->reserved >= cq->ring.entries / 2 && !cq_update(conn, cqid))
		return false;
	return cq->reserved < cq->ring.entries - 1;
}

/* The last four bytes, with the phase, are seen last. */
static void cq_put(struct tl_vfu_queue *q, struct nvh_cpl *cpl)
{
	struct tl_vfu_conn *conn = q->conn;
	struct tl_vfu_cq *cq = &conn->cqs[q->cqid];
	uint8_t *at = cq->ring.base + (size_t)cq->tail * sizeof(*cpl);
	uint32_t last;

	nvh_le16_put(&cpl->sqhd, (uint16_t)q->head);
	nvh_le16_put(&cpl->sqid, q->qid);
	cpl->status.b[0] = (uint8_t)((cpl->status.b[0] & ~1u) | cq->phase);
	memcpy(at, cpl, 12);
	memcpy(&last, (const uint8_t *)cpl + 12, sizeof(last));
	__atomic_store_n((uint32_t *)(void *)(at + 12), last, __ATOMIC_RELEASE);
	if (++cq->tail == cq->ring.entries) {
		cq->tail = 0;
		cq->phase ^= 1;
	}
	if (cq->interrupts && !cq->signal) {
		cq->signal = true;
		nvhi_reactor_defer(tl_vfu_reactor(conn), &conn->signal);
	}
}

static void conn_on_signal(struct nvhi_defer *defer)
{
	struct tl_vfu_conn *conn = nvhi_container_of(defer, struct tl_vfu_conn, signal);

	for (uint16_t i = 0; i < TL_VFU_QUEUES_MAX; i++) {
		if (!conn->cqs[i].signal)
			continue;
		conn->cqs[i].signal = false;
		tl_vfu_signal(conn, conn->cqs[i].vector);
	}
}

/* ---- completing ------------------------------------------------------------------------------ */

static void req_free(struct tl_vfu_req *r)
{
	nvhi_list_add_head(&tl_vfu_queue_of(r->req.qpair)->free, &r->link);
}

void tl_vfu_answer(struct tl_vfu_req *r, unsigned int status, uint32_t dw0)
{
	struct tl_vfu_queue *q = tl_vfu_queue_of(r->req.qpair);
	struct nvh_cpl cpl = {.cid = r->req.cmd.cid};

	nvh_le32_put(&cpl.dw0, dw0);
	nvh_cpl_set_status(&cpl, status);
	if (!q->closing)
		cq_put(q, &cpl);
	else
		tl_vfu_cq_unreserve(q);
	req_free(r);
}

/* Of a request that the core is through with. */
static void req_tell(struct tl_vfu_req *r)
{
	struct tl_vfu_queue *q = tl_vfu_queue_of(r->req.qpair);
	struct nvh_cpl cpl = r->req.cpl;

	tl_vfu_data_done(r);
	if (!q->closing && q->conn->state != TL_VFU_FAILED)
		cq_put(q, &cpl);
	else
		tl_vfu_cq_unreserve(q);
	tl_request_end(&r->req);
	req_free(r);
}

void tl_vfu_complete(struct tl_request *req)
{
	struct tl_vfu_req *r = nvhi_container_of(req, struct tl_vfu_req, req);
	struct tl_vfu_queue *q = tl_vfu_queue_of(req->qpair);

	if (r == q->internal) {
		struct nvh_cpl cpl = req->cpl;

		tl_request_end(req);
		if (!q->closing)
			tl_vfu_queue_connected(q, &cpl);
	} else if (q->mute == TL_MUTE_ALL && !q->closing) {
		nvhi_list_add_tail(&q->held, &r->link);
	} else {
		req_tell(r);
	}
}

void tl_vfu_mute(struct tl_qpair *qpair, enum tl_mute mute)
{
	struct tl_vfu_queue *q = tl_vfu_queue_of(qpair);

	q->mute = mute;
	while (mute != TL_MUTE_ALL && !nvhi_list_empty(&q->held)) {
		struct tl_vfu_req *r = nvhi_list_first(&q->held, struct tl_vfu_req, link);

		nvhi_list_del(&r->link);
		req_tell(r);
	}
}

/* ---- submission queues ----------------------------------------------------------------------- */

int tl_vfu_connected(struct tl_qpair *qpair, uint32_t entries)
{
	(void)qpair;
	(void)entries;
	return 0;
}

/* The core wants it gone: a reset from elsewhere, a listener removed. For the client the device is. */
void tl_vfu_disconnect(struct tl_qpair *qpair)
{
	tl_vfu_conn_close(tl_vfu_queue_of(qpair)->conn, NULL);
}

static void queue_connect(struct tl_vfu_queue *q)
{
	struct tl_vfu_conn *conn = q->conn;
	struct nvh_fab_connect_cmd *cmd = (struct nvh_fab_connect_cmd *)&q->internal->req.cmd;
	struct nvh_fab_connect_data *data = &q->connect_data;

	cmd->opc = NVH_ADM_FABRICS;
	cmd->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&cmd->qid, q->qid);
	nvh_le16_put(&cmd->sqsize, (uint16_t)(q->ring.entries - 1));
	nvh_le16_put(&data->cntlid, q->qid ? conn->cntlid : NVH_CNTLID_DYNAMIC);
	memcpy(data->hostid, conn->hostid, sizeof(data->hostid));
	memcpy(data->subnqn, conn->subnqn, sizeof(conn->subnqn));
	memcpy(data->hostnqn, conn->hostnqn, sizeof(conn->hostnqn));
	q->internal->req.qpair = &q->qpair;
	q->internal->req.iov = (struct iovec){data, sizeof(*data)};
	q->internal->req.xfer_len = sizeof(*data);
	q->internal->req.dir = NVH_DATA_TO_CTRLR;
	tl_request_exec(&q->internal->req);
}

static void queue_free(struct tl_vfu_queue *q)
{
	free(q->reqs);
	free(q->internal);
	free(q);
}

static struct tl_vfu_queue *queue_new(struct tl_vfu_conn *conn, uint32_t entries)
{
	struct tl_vfu_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->conn = conn;
	q->reqs = calloc(entries, sizeof(*q->reqs));
	q->internal = calloc(1, sizeof(*q->internal));
	if (!q->reqs || !q->internal) {
		queue_free(q);
		return NULL;
	}
	nvhi_list_init(&q->free);
	nvhi_list_init(&q->held);
	for (uint32_t i = 0; i < entries; i++) {
		q->reqs[i].req.qpair = &q->qpair;
		nvhi_list_add_tail(&q->free, &q->reqs[i].link);
	}
	return q;
}

int tl_vfu_queue_create(struct tl_vfu_conn *conn, uint16_t qid, uint16_t cqid, uint64_t iova,
			uint32_t entries, struct tl_vfu_req *creator)
{
	struct tl_vfu_queue *q = queue_new(conn, entries);

	if (!q)
		return -ENOMEM;
	if (!ring_map(conn, &q->ring, iova, entries, sizeof(struct nvh_cmd))) {
		queue_free(q);
		return -EINVAL;
	}
	q->qid = qid;
	q->cqid = cqid;
	q->creator = creator;
	q->qpair.transport = &conn->vg->vfu->transport;
	q->qpair.group = conn->vg->group;
	q->qpair.listen_addr = conn->addr;
	snprintf(q->qpair.peer, sizeof(q->qpair.peer), "%s", conn->name);
	conn->db[2 * qid] = 0;
	if (conn->shadow && qid)
		conn->shadow[2 * qid] = conn->eventidx[2 * qid] = 0;
	conn->sqs[qid] = q;
	conn->cqs[cqid].users++;
	conn->queues_open++;
	if (qid > conn->last_sq)
		conn->last_sq = qid;
	tl_qpair_init(&q->qpair);
	queue_connect(q);
	return 0;
}

void tl_vfu_queue_close(struct tl_vfu_queue *q)
{
	if (q->closing)
		return;
	q->closing = true;
	tl_vfu_data_forget(q);
	/* Completed already, and waiting to be told: there is nobody to tell. */
	while (!nvhi_list_empty(&q->held)) {
		struct tl_vfu_req *r = nvhi_list_first(&q->held, struct tl_vfu_req, link);

		nvhi_list_del(&r->link);
		req_tell(r);
	}
	tl_qpair_close(&q->qpair);
}

void tl_vfu_release(struct tl_qpair *qpair)
{
	struct tl_vfu_queue *q = tl_vfu_queue_of(qpair);
	struct tl_vfu_conn *conn = q->conn;
	struct tl_vfu_req *creator = q->creator;

	conn->sqs[q->qid] = NULL;
	while (conn->last_sq && !conn->sqs[conn->last_sq])
		conn->last_sq--;
	conn->cqs[q->cqid].users--;
	tl_vfu_put(conn, q->ring.map);
	queue_free(q);
	/* A Delete waited for this; where the admin queue goes too nobody waits any more. */
	if (creator && conn->sqs[0] && !conn->sqs[0]->closing)
		tl_vfu_answer(creator, NVH_ST_SUCCESS, 0);
	tl_vfu_device_queue_gone(conn);
}

/* ---- fetching -------------------------------------------------------------------------------- */

static void queue_exec(struct tl_vfu_queue *q)
{
	struct tl_vfu_req *r = nvhi_list_first(&q->free, struct tl_vfu_req, link);

	nvhi_list_del(&r->link);
	memcpy(&r->req.cmd, q->ring.base + (size_t)q->head * sizeof(struct nvh_cmd),
	       sizeof(struct nvh_cmd));
	if (++q->head == q->ring.entries)
		q->head = 0;
	q->conn->cqs[q->cqid].reserved++;
	if (q->qid == 0 && tl_vfu_admin_exec(r))
		return;
	tl_vfu_data_exec(r);
}

static bool queue_is_quiet(const struct tl_vfu_queue *q)
{
	/* A namespace may be changing: commands wait where they are. */
	return !q || !q->ready || q->closing || q->mute || (q->qid && q->qpair.gs->hold);
}

static int queue_poll(struct tl_vfu_conn *conn, struct tl_vfu_queue *q)
{
	uint32_t tail = doorbell_read(conn, q->qid, 0);
	uint16_t qid = q->qid;
	int work = 0;

	if (tail == q->head)
		return 0;
	if (tail >= q->ring.entries) {
		tl_vfu_device_fail(conn, "submission queue %u: tail doorbell %u of %u entries", qid,
				   tail, q->ring.entries);
		return 1;
	}
	while (q->head != tail && work < (int)FETCH_MAX && !nvhi_list_empty(&q->free) &&
	       cq_has_room(conn, q->cqid)) {
		queue_exec(q);
		work++;
		/* What was executed may have stopped the queue, or the device. */
		if (conn->state != TL_VFU_ON || conn->sqs[qid] != q || queue_is_quiet(q))
			break;
	}
	return work;
}

static int conn_poll(struct nvhi_poller *poller)
{
	struct tl_vfu_conn *conn = nvhi_container_of(poller, struct tl_vfu_conn, poller);
	int work = 0;

	for (uint16_t i = 0; i <= conn->last_sq && conn->state == TL_VFU_ON; i++)
		if (!queue_is_quiet(conn->sqs[i]))
			work += queue_poll(conn, conn->sqs[i]);
	if (work)
		conn->active_ns = nvhi_reactor_now(tl_vfu_reactor(conn));
	return work;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

/* A client rings when it passes what it finds in eventidx: that must be what it wrote last, no older. */
static void queue_ask_for_rings(struct tl_vfu_conn *conn, const struct tl_vfu_queue *q)
{
	conn->eventidx[2 * q->qid] = doorbell_read(conn, q->qid, 0);
	conn->eventidx[2 * q->cqid + 1] = doorbell_read(conn, q->cqid, 1);
}

static bool queue_was_rung(struct tl_vfu_conn *conn, const struct tl_vfu_queue *q)
{
	return conn->shadow && q->qid &&
	       (doorbell_read(conn, q->qid, 0) != conn->eventidx[2 * q->qid] ||
		doorbell_read(conn, q->cqid, 1) != conn->eventidx[2 * q->cqid + 1]);
}

/* Says from where on we must be rung for; true: something came meanwhile. */
static bool conn_arm(struct nvhi_poller *poller)
{
	struct tl_vfu_conn *conn = nvhi_container_of(poller, struct tl_vfu_conn, poller);

	for (uint16_t i = 1; conn->shadow && i <= conn->last_sq; i++)
		if (conn->sqs[i])
			queue_ask_for_rings(conn, conn->sqs[i]);
	__sync_synchronize(); /* either we see what it wrote, or it sees what we wrote */
	for (uint16_t i = 0; i <= conn->last_sq; i++) {
		struct tl_vfu_queue *q = conn->sqs[i];

		if (queue_is_quiet(q) || nvhi_list_empty(&q->free))
			continue;
		if (queue_was_rung(conn, q) ||
		    (doorbell_read(conn, i, 0) != q->head && cq_has_room(conn, q->cqid)))
			return true;
	}
	return false;
}

/* Pollers run in every turn, and this makes one. */
static void conn_look(struct nvhi_timer *timer)
{
	struct tl_vfu_conn *conn = nvhi_container_of(timer, struct tl_vfu_conn, look);
	uint64_t quiet = nvhi_reactor_now(tl_vfu_reactor(conn)) - conn->active_ns;

	/* With doorbell buffers only the admin queue's page is left to look at; not even that, when
	 * the client rings for it too. */
	if (conn->shadow && conn->rings)
		return;
	if (nvhi_timer_arm(tl_vfu_reactor(conn), timer,
			   conn->shadow || quiet > QUIET_NS ? LOOK_LATER_NS : LOOK_SOON_NS))
		tl_vfu_device_fail(conn, "no memory for a timer");
}

void tl_vfu_poll_start(struct tl_vfu_conn *conn)
{
	conn->polled = true;
	conn->poller.busy = false;
	conn->poller.arm = conn_arm;
	conn->look.fn = conn_look;
	conn->signal.fn = conn_on_signal;
	nvhi_list_init(&conn->signal.link);
	nvhi_poller_add(tl_vfu_reactor(conn), &conn->poller, conn_poll);
	conn_look(&conn->look);
}

void tl_vfu_poll_stop(struct tl_vfu_conn *conn)
{
	if (!conn->polled)
		return;
	conn->polled = false;
	nvhi_poller_remove(tl_vfu_reactor(conn), &conn->poller);
	nvhi_timer_cancel(tl_vfu_reactor(conn), &conn->look);
	nvhi_reactor_undefer(tl_vfu_reactor(conn), &conn->signal);
}

bool tl_vfu_doorbell(struct tl_vfu_conn *conn, uint32_t offset, uint32_t value)
{
	uint32_t index = (offset - NVH_REG_DOORBELLS) / sizeof(value);

	if (index == 0)
		conn->rings = true;
	if (offset % sizeof(value) || index >= 2 * TL_VFU_QUEUES_MAX)
		return false;
	__atomic_store_n(&conn->db[index], value, __ATOMIC_RELEASE);
	return true; /* the poller runs in this turn */
}
