/*
 * The host's end of the DMA transport: struct nvhi_transport, in place of RDMA. What makes it worth
 * having is its revoke: it takes its time, and until then memory that is lent is written to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsm.h"
#include "base/log.h"
#include "fabric/connect.h"
#include "fabric/property.h"
#include "tests/sim/dma.h"

#define GARBAGE 0x66

enum {
	HOST_NEW,
	HOST_CONNECTING, /* the connection, then the Connect command */
	HOST_LIVE,
	HOST_LOST,
	HOST_REVOKING,
	HOST_REVOKED,
};

enum { TELL_CONNECTED = 1, TELL_LOST = 2, TELL_REVOKED = 4 };

struct dma_slot {
	struct nvhi_req *req; /* NULL: free */
	uint16_t gen;
	bool refilled; /* its data has come */
};

struct dma_host {
	struct nvhi_qpair qpair;
	int state;
	struct dma_conn *conn;
	struct nvhi_timer timer; /* deadline of connecting, end of revoking */
	struct nvhi_timer late;  /* garbage */
	struct nvhi_defer tell;
	unsigned int what; /* to tell */
	int err;
	bool have_cpl;
	struct nvh_cpl cpl; /* of Connect */
	struct nvhi_req connect;
	struct nvh_fab_connect_data connect_data;
	struct iovec connect_iov;
	uint32_t nr_slots;
	struct dma_slot slots[]; /* the last one is for Connect */
};

static struct dma_host *host_of(struct nvhi_qpair *qpair)
{
	return nvhi_container_of(qpair, struct dma_host, qpair);
}

static void host_tell(struct dma_host *h, unsigned int what)
{
	h->what |= what;
	nvhi_reactor_defer(h->qpair.reactor, &h->tell);
}

static void host_fail(struct dma_host *h, int err, const char *why)
{
	bool connecting = h->state == HOST_CONNECTING;

	if (h->state >= HOST_LOST)
		return;
	h->state = HOST_LOST;
	h->err = err;
	snprintf(h->qpair.why, sizeof(h->qpair.why), "%s", why);
	nvhi_timer_cancel(h->qpair.reactor, &h->timer);
	host_tell(h, connecting ? TELL_CONNECTED : TELL_LOST);
}

void dma_host_broken(struct dma_host *h)
{
	host_fail(h, -ECONNRESET, "the connection broke");
}

/* ---- memory -----------------------------------------------------------------------------------
 */

static struct dma_slot *host_slot(struct dma_host *h, uint16_t slot, uint16_t cid)
{
	struct dma_slot *s = slot < h->nr_slots ? &h->slots[slot] : NULL;

	return s && s->req && nvh_le16_get(s->req->cmd.cid) == cid ? s : NULL;
}

bool dma_host_fetch(struct dma_host *h, uint16_t slot, uint16_t cid, uint8_t *buf, uint32_t len)
{
	struct dma_slot *s = host_slot(h, slot, cid);
	struct nvhi_iov_cursor at;

	if (!s || s->req->dir != NVHI_DIR_TO_CTRLR || len > s->req->len)
		return false;
	at = s->req->data;
	sim_dma_late += h->state >= HOST_LOST;
	return nvhi_iov_cursor_copy_out(&at, buf, len) == len;
}

static void host_data(struct dma_host *h, const struct dma_msg *msg)
{
	struct dma_slot *s = host_slot(h, msg->slot, msg->cid);
	struct nvhi_iov_cursor at;
	uint32_t len = msg->len;

	if (!s || s->req->dir != NVHI_DIR_TO_HOST)
		return; /* its memory was taken back: the device is refused */
	at = s->req->data;
	if (len > s->req->len)
		len = s->req->len;
	nvhi_iov_cursor_copy_in(&at, msg->data, len);
	s->req->transferred = len;
	sim_dma_late += h->state >= HOST_LOST;
}

/* What a transfer that broke may leave: anything, anywhere in the buffers of reads that are lent.
 */
static void host_garbage(struct nvhi_timer *timer)
{
	struct dma_host *h = nvhi_container_of(timer, struct dma_host, late);
	struct sim_rng *rng = sim_rng(SIM_RNG_NET);
	uint8_t garbage[64];

	memset(garbage, GARBAGE, sizeof(garbage));
	for (uint32_t i = 0; i < h->nr_slots; i++) {
		struct nvhi_req *req = h->slots[i].req;
		struct nvhi_iov_cursor at;
		uint64_t from;

		if (!req || req->dir != NVHI_DIR_TO_HOST || !req->len || sim_chance(rng, 50))
			continue;
		at = req->data;
		from = sim_below(rng, req->len);
		nvhi_iov_cursor_advance(&at, from);
		nvhi_iov_cursor_copy_in(&at, garbage,
					req->len - from < sizeof(garbage) ? req->len - from
									  : sizeof(garbage));
		sim_dma_late++;
	}
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static void host_send(struct dma_host *h, struct nvhi_req *req, uint16_t slot)
{
	struct dma_slot *s = &h->slots[slot];
	struct dma_msg *msg = dma_msg_new(h->conn, DMA_COMMAND);

	s->req = req;
	s->refilled = false;
	s->gen++;
	req->slot = slot;
	req->sent = true;
	req->transferred = 0;
	req->submit_ns = nvhi_reactor_now(h->qpair.reactor);
	nvh_le16_put(&req->cmd.cid, (uint16_t)(slot | s->gen << 11));
	memset(&req->cmd.dptr, 0, sizeof(req->cmd.dptr));
	nvh_le32_put(&req->cmd.dptr.sgl.len, req->len);
	req->cmd.dptr.sgl.id = NVH_SGL_ID_TRANSPORT;
	msg->slot = slot;
	msg->cid = nvh_le16_get(req->cmd.cid);
	msg->cmd = req->cmd;
	dma_send(msg, SIM_TO_TARGET, 0);
}

static int host_submit(struct nvhi_qpair *qpair, struct nvhi_req *req)
{
	struct dma_host *h = host_of(qpair);
	uint16_t slot = 0;

	if (h->state != HOST_LIVE)
		return -ENOTCONN;
	if (qpair->inflight == qpair->depth)
		return -EAGAIN;
	while (h->slots[slot].req)
		slot++;
	qpair->inflight++;
	host_send(h, req, slot);
	return 0;
}

/* Lent no more. */
static void host_give_back(struct dma_host *h, struct dma_slot *s, int err,
			   const struct nvh_cpl *cpl)
{
	struct nvhi_req *req = s->req;

	s->req = NULL;
	if (req != &h->connect)
		h->qpair.inflight--;
	req->done(req, err, cpl);
}

static void host_response(struct dma_host *h, const struct dma_msg *msg)
{
	struct dma_slot *s = host_slot(h, msg->slot, msg->cid);
	struct nvhi_req *req;

	if (h->state >= HOST_LOST)
		return;
	if (!s) {
		host_fail(h, -EPROTO, "a response for a command that is not there");
		return;
	}
	req = s->req;
	h->qpair.last_rx_ns = nvhi_reactor_now(h->qpair.reactor);
	if (req->dir == NVHI_DIR_TO_CTRLR)
		req->transferred = req->len;
	if (req->dir == NVHI_DIR_TO_HOST && !nvh_cpl_is_error(&msg->cpl) && !req->short_ok &&
	    req->transferred < req->len) {
		host_fail(h, -EPROTO, "a read succeeded without its data");
		return;
	}
	host_give_back(h, s, 0, &msg->cpl);
}

/* ---- connecting -------------------------------------------------------------------------------
 */

static void host_connect_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct dma_host *h = nvhi_container_of(req, struct dma_host, connect);
	char text[NVHI_CONNECT_TEXT] = "";

	if (err)
		return; /* revoked */
	h->cpl = *cpl;
	h->have_cpl = true;
	err = nvhi_connect_result(&h->qpair, cpl, text, sizeof(text));
	if (err) {
		host_fail(h, err, text);
		return;
	}
	if (h->qpair.qid == 0)
		h->qpair.tctrlr->cntlid = (uint16_t)nvh_le32_get(cpl->dw0);
	nvhi_timer_cancel(h->qpair.reactor, &h->timer);
	h->state = HOST_LIVE;
	host_tell(h, TELL_CONNECTED);
}

static void host_accepted(struct dma_host *h)
{
	if (h->state != HOST_CONNECTING)
		return;
	memset(&h->connect, 0, sizeof(h->connect));
	nvhi_connect_build(&h->qpair, &h->connect.cmd, &h->connect_data);
	h->connect_iov.iov_base = &h->connect_data;
	h->connect_iov.iov_len = sizeof(h->connect_data);
	nvhi_iov_cursor_init(&h->connect.data, &h->connect_iov, 1);
	h->connect.len = sizeof(h->connect_data);
	h->connect.dir = NVHI_DIR_TO_CTRLR;
	h->connect.done = host_connect_done;
	host_send(h, &h->connect, (uint16_t)(h->nr_slots - 1));
}

void dma_host_deliver(struct dma_host *h, struct dma_msg *msg)
{
	switch (msg->what) {
	case DMA_ACCEPTED:
		host_accepted(h);
		break;
	case DMA_REFUSED:
		host_fail(h, -ECONNREFUSED, "connection refused");
		break;
	case DMA_DATA:
		host_data(h, msg);
		break;
	case DMA_RESPONSE:
		host_response(h, msg);
		break;
	default:
		host_fail(h, -ECONNRESET, "the controller closed the connection");
		break;
	}
}

static unsigned int addr_link(const struct nvhi_addr *addr)
{
	return (unsigned int)atoi(strrchr(addr->traddr, '.') + 1) - 1;
}

static void host_connect(struct nvhi_qpair *qpair)
{
	struct dma_host *h = host_of(qpair);
	const struct nvhi_tctrlr_opts *opts = &qpair->tctrlr->opts;

	h->state = HOST_CONNECTING;
	h->conn = dma_conn_new(addr_link(&opts->addr), h, qpair->reactor);
	h->conn->reactor[SIM_TO_TARGET] = qpair->reactor; /* until it is accepted */
	dma_send(dma_msg_new(h->conn, DMA_CONNECT), SIM_TO_TARGET, 0);
	nvhi_timer_arm(qpair->reactor, &h->timer, opts->connect_timeout_ms * SIM_MS);
}

/* ---- revoking ---------------------------------------------------------------------------------
 */

/* The mutant's way: garbage comes when the memory is the caller's again. */
static void host_haunt(struct dma_host *h)
{
	for (uint32_t i = 0; i < h->nr_slots; i++) {
		struct nvhi_req *req = h->slots[i].req;
		struct iovec iov[8];
		size_t covered;
		uint32_t n = 0;

		if (req && req->dir == NVHI_DIR_TO_HOST && req->len && h->qpair.qid)
			n = nvhi_iov_cursor_window(&req->data, req->len, iov, 8, &covered);
		for (uint32_t k = 0; k < n; k++)
			dma_haunt(h->qpair.reactor, &iov[k]);
	}
}

static void host_revoke(struct nvhi_qpair *qpair)
{
	struct dma_host *h = host_of(qpair);
	struct sim_rng *rng = sim_rng(SIM_RNG_NET);
	uint64_t takes = sim_chance(rng, 30)   ? 0
			 : sim_chance(rng, 90) ? sim_below(rng, 30 * SIM_MS)
					       : sim_below(rng, 400 * SIM_MS);

	if (h->conn && !h->conn->broken) {
		dma_drop(h->conn, 1u << DMA_CONNECT | 1u << DMA_COMMAND);
		if (h->conn->target)
			dma_send(dma_msg_new(h->conn, DMA_HOST_GONE), SIM_TO_TARGET, 0);
	}
	h->state = HOST_REVOKING;
	h->what = 0;
	if (sim.mutant == SIM_MUTANT_REVOKE) {
		takes = 0;
		host_haunt(h);
	}
	nvhi_timer_cancel(qpair->reactor, &h->timer);
	if (takes) {
		nvhi_timer_arm(qpair->reactor, &h->late, sim_below(rng, takes));
		nvhi_timer_arm(qpair->reactor, &h->timer, takes);
	} else {
		host_garbage(&h->late);
		host_tell(h, TELL_REVOKED);
	}
}

static void host_leave(struct dma_host *h)
{
	struct dma_conn *conn = h->conn;

	h->conn = NULL;
	if (!conn)
		return;
	conn->host = NULL;
	dma_drop(conn, 1u << DMA_ACCEPTED | 1u << DMA_REFUSED | 1u << DMA_DATA |
			       1u << DMA_RESPONSE | 1u << DMA_TARGET_GONE);
	dma_conn_check_free(conn);
}

static void host_tells(struct nvhi_defer *defer)
{
	struct dma_host *h = nvhi_container_of(defer, struct dma_host, tell);
	const struct nvhi_qpair_events *events = h->qpair.events;
	unsigned int what = h->what;

	h->what = 0;
	if (what & TELL_REVOKED) {
		host_leave(h);
		for (uint32_t i = 0; i < h->nr_slots; i++)
			if (h->slots[i].req)
				host_give_back(h, &h->slots[i], h->err ? h->err : -ECANCELED, NULL);
		h->state = HOST_REVOKED;
		events->revoked(&h->qpair);
	} else if (what & TELL_CONNECTED) {
		events->connected(&h->qpair, h->err, h->have_cpl ? &h->cpl : NULL);
	} else if (what & TELL_LOST) {
		events->lost(&h->qpair, h->err, h->qpair.why);
	}
}

static void host_timer(struct nvhi_timer *timer)
{
	struct dma_host *h = nvhi_container_of(timer, struct dma_host, timer);

	if (h->state == HOST_REVOKING)
		host_tell(h, TELL_REVOKED);
	else
		host_fail(h, -ETIMEDOUT, "no connection in time");
}

/* ---- life -------------------------------------------------------------------------------------
 */

static int host_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
		       struct nvhi_qpair **ret_qpair)
{
	struct dma_host *h = calloc(1, sizeof(*h) + opts->entries * sizeof(h->slots[0]));

	h->qpair.tctrlr = tctrlr;
	h->qpair.events = opts->events;
	h->qpair.reactor = opts->reactor;
	h->qpair.qid = opts->qid;
	h->qpair.entries = opts->entries;
	h->qpair.depth = (uint16_t)(opts->entries - 1);
	snprintf(h->qpair.name, sizeof(h->qpair.name), "%s/q%u", tctrlr->opts.name, opts->qid);
	h->nr_slots = opts->entries;
	h->timer.fn = host_timer;
	h->late.fn = host_garbage;
	h->tell.fn = host_tells;
	nvhi_list_init(&h->tell.link);
	*ret_qpair = &h->qpair;
	return 0;
}

static void host_destroy(struct nvhi_qpair *qpair)
{
	struct dma_host *h = host_of(qpair);

	if (qpair->inflight)
		sim_fail("%s: destroyed with commands lent", qpair->name);
	nvhi_timer_cancel(qpair->reactor, &h->timer);
	nvhi_timer_cancel(qpair->reactor, &h->late);
	nvhi_reactor_undefer(qpair->reactor, &h->tell);
	host_leave(h);
	free(h);
}

static const struct nvhi_transport dma_transport;

static int tctrlr_open(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	struct nvhi_tctrlr *tctrlr = calloc(1, sizeof(*tctrlr));

	tctrlr->transport = &dma_transport;
	tctrlr->opts = *opts;
	*ret_tctrlr = tctrlr;
	return 0;
}

static void tctrlr_close(struct nvhi_tctrlr *tctrlr)
{
	free(tctrlr);
}

static int mem_register(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr;
	(void)addr;
	(void)len;
	return 0;
}

static void mem_unregister(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr;
	(void)addr;
	(void)len;
}

static int host_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info)
{
	(void)qpair;
	(void)ret_info;
	return -EOPNOTSUPP;
}

static void host_names(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		       size_t peer_len)
{
	(void)qpair;
	if (local_len)
		local[0] = '\0';
	if (peer_len)
		peer[0] = '\0';
}

static const struct nvhi_transport dma_transport = {
	.name = "dma",
	.trtype = NVH_TRTYPE_RDMA,
	.fabrics = true,
	.tctrlr_open = tctrlr_open,
	.tctrlr_close = tctrlr_close,
	.qpair_create = host_create,
	.qpair_connect = host_connect,
	.submit = host_submit,
	.revoke = host_revoke,
	.qpair_destroy = host_destroy,
	.reg_get = nvhi_property_get,
	.reg_set = nvhi_property_set,
	.mem_register = mem_register,
	.mem_unregister = mem_unregister,
	.info = host_info,
	.names = host_names,
};

const struct nvhi_transport *__real_nvhi_transport_by_type(enum nvh_trtype trtype);
const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype);

const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype)
{
	return trtype == NVH_TRTYPE_RDMA ? &dma_transport : __real_nvhi_transport_by_type(trtype);
}
