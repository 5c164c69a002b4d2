/*
 * A queue pair's life: states as a table, one timer for the deadline of the present state, loss and
 * revoke. What the layer above must hear is told from one deferred call, so it may submit, revoke
 * or (from revoked) destroy there. On the queue pair's reactor.
 * NVMe/TCP 1.1 sections 3.4 (life of a connection) and 3.5 (errors).
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/tcp/tcp_impl.h"

/* How long a connection that got our TermReq may stay for the peer to read it. */
#define TERM_LINGER_MS 1000
/* A PDU midway must bring this much, or its end, in this time. */
#define MIDWAY_MS     10000
#define MIDWAY_BYTES  (16u << 10)
#define STAGING_IO    (64u << 10)
#define STAGING_ADMIN (16u << 10)
#define ENTRIES_MAX   1024

#define NVHI_X(upper, lower) #lower,
static const char *const state_names[] = {NVHI_TCP_STATES(NVHI_X)};
#undef NVHI_X

#define TO(state) NVHI_FSM_TO(NVHI_TCP_##state)
static const uint32_t edges[NVHI_TCP_STATE_COUNT] = {
	[NVHI_TCP_NEW] = TO(CONNECTING) | TO(LOST) | TO(REVOKING),
	[NVHI_TCP_CONNECTING] = TO(IC) | TO(LOST) | TO(REVOKING),
	[NVHI_TCP_IC] = TO(CONNECT) | TO(LOST) | TO(REVOKING),
	[NVHI_TCP_CONNECT] = TO(LIVE) | TO(LOST) | TO(REVOKING),
	[NVHI_TCP_LIVE] = TO(LOST) | TO(REVOKING),
	[NVHI_TCP_LOST] = TO(REVOKING),
	[NVHI_TCP_REVOKING] = TO(REVOKED),
	[NVHI_TCP_REVOKED] = 0,
};
struct nvhi_fsm nvhi_tcp_fsm = NVHI_FSM_INIT("qpair", state_names, edges);

/* ---- states and deadlines ---------------------------------------------------------------- */

int nvhi_tcp_set_deadline(struct nvhi_tcp_qpair *q, uint32_t ms)
{
	return nvhi_timer_arm(q->qpair.reactor, &q->timer, ms * NVHI_NSEC_PER_MSEC);
}

void nvhi_tcp_set_state(struct nvhi_tcp_qpair *q, enum nvhi_tcp_state state)
{
	nvhi_fsm_set(&nvhi_tcp_fsm, &q->state, state, NVHI_LOG_TCP, q->qpair.name);
	if (state == NVHI_TCP_CONNECTING || state == NVHI_TCP_IC || state == NVHI_TCP_CONNECT)
		/* Armed since connect began: this cannot fail. */
		nvhi_tcp_set_deadline(q, q->qpair.tctrlr->opts.connect_timeout_ms);
	else
		nvhi_timer_cancel(q->qpair.reactor, &q->timer);
}

void nvhi_tcp_watch_midway(struct nvhi_tcp_qpair *q)
{
	if (q->state != NVHI_TCP_LIVE || nvhi_timer_armed(&q->timer) || !nvhi_pdu_rx_midway(&q->rx))
		return;
	q->midway_mark = q->counters.bytes_in;
	q->midway_pdus = q->counters.pdus_in;
	nvhi_tcp_set_deadline(q, MIDWAY_MS); /* no memory: tried again with the next bytes */
}

static void live_deadline(struct nvhi_tcp_qpair *q)
{
	uint64_t moved = q->counters.bytes_in - q->midway_mark;

	if (nvhi_pdu_rx_midway(&q->rx) && q->midway_pdus == q->counters.pdus_in &&
	    moved < MIDWAY_BYTES) {
		nvhi_tcp_fail(q, -ETIMEDOUT, "%s stopped half way: %llu bytes in %u s",
			      q->rx.data_left ? nvh_tcp_pdu_name(q->rx.type) : "a PDU's header",
			      (unsigned long long)moved, MIDWAY_MS / 1000);
		return;
	}
	nvhi_tcp_watch_midway(q);
}

static void deadline(struct nvhi_timer *timer)
{
	struct nvhi_tcp_qpair *q = nvhi_container_of(timer, struct nvhi_tcp_qpair, timer);
	uint32_t ms = q->qpair.tctrlr->opts.connect_timeout_ms;
	uint32_t state = q->state;

	/* Perhaps it was we who stood still (a stopped process, a paused machine): look once more.
	 */
	if (state >= NVHI_TCP_IC && state <= NVHI_TCP_LIVE) {
		nvhi_tcp_rx_event(q);
		if (q->state != state)
			return;
	}
	switch (state) {
	case NVHI_TCP_CONNECTING:
		nvhi_tcp_fail(q, -ETIMEDOUT, "no connection within %u ms", ms);
		break;
	case NVHI_TCP_IC:
		nvhi_tcp_fail(q, -ETIMEDOUT, "no ICResp within %u ms", ms);
		break;
	case NVHI_TCP_CONNECT:
		nvhi_tcp_fail(q, -ETIMEDOUT, "no answer to the Connect command within %u ms", ms);
		break;
	case NVHI_TCP_LIVE:
		live_deadline(q);
		break;
	case NVHI_TCP_LOST:
		nvhi_tcp_close(q);
		break;
	default:
		break;
	}
}

/* ---- loss -------------------------------------------------------------------------------- */

void nvhi_tcp_close(struct nvhi_tcp_qpair *q)
{
	if (!q->stream)
		return;
	q->stream->ops->close(q->stream, true);
	q->stream = NULL;
	q->eager = false;
}

/* What the peer did wrong is logged here, once; any other loss by the owner of the queue, who is
 * told the same words and knows what it means (an attempt of many, a target that went away). */
static void log_loss(const struct nvhi_tcp_qpair *q)
{
	const struct nvhi_addr *addr = &q->qpair.tctrlr->opts.addr;
	bool accused = q->err == -EPROTO || q->err == -ECONNABORTED;
	char text[NVHI_ADDR_TEXT_MAX];

	if (accused)
		nvhi_log(WARN, TCP, "%s: %s", q->qpair.name, q->qpair.why);
	else
		nvhi_log(DEBUG, TCP, "%s: %s: %s", q->qpair.name,
			 nvhi_addr_text(addr, text, sizeof(text)), q->qpair.why);
}

/* From now on nothing is sent or believed; `linger`: a TermReq is on its way to the peer. */
static void lose(struct nvhi_tcp_qpair *q, int err, bool linger)
{
	bool connecting = q->state != NVHI_TCP_LIVE;

	q->err = err;
	log_loss(q);
	nvhi_tcp_tx_stop(q);
	nvhi_tcp_set_state(q, NVHI_TCP_LOST);
	nvhi_tcp_tell(q, connecting ? NVHI_TCP_TELL_CONNECTED : NVHI_TCP_TELL_LOST);
	if (!linger) {
		nvhi_tcp_close(q);
		return;
	}
	q->stream->ops->set_eager(q->stream, false);
	q->stream->ops->want(q->stream, NVHI_READABLE);
	if (nvhi_tcp_set_deadline(q, TERM_LINGER_MS))
		nvhi_tcp_close(q);
}

void nvhi_tcp_fail(struct nvhi_tcp_qpair *q, int err, const char *fmt, ...)
{
	va_list ap;

	if (q->state >= NVHI_TCP_LOST)
		return;
	va_start(ap, fmt);
	vsnprintf(q->qpair.why, sizeof(q->qpair.why), fmt, ap);
	va_end(ap);
	lose(q, err, false);
}

/* True when the whole TermReq went into the stream. */
static bool send_term_req(struct nvhi_tcp_qpair *q, const struct nvhi_pdu_error *error)
{
	uint8_t pdu[NVHI_PDU_TERM_ROOM];
	struct iovec iov = {.iov_base = pdu};

	if (!nvhi_tcp_tx_idle(q))
		return false; /* in the middle of a PDU it would be taken for data */
	iov.iov_len = nvhi_pdu_term_build(pdu, &q->params, error, q->rx.hdr,
					  q->rx.hdr ? q->rx.hdr_len : 0);
	return q->stream->ops->writev(q->stream, &iov, 1, false) == (ssize_t)iov.iov_len;
}

void nvhi_tcp_fail_proto(struct nvhi_tcp_qpair *q, const struct nvhi_pdu_error *error)
{
	uint8_t type = q->rx.hdr ? q->rx.hdr->ch.type : q->rx.type;
	char text[160];

	if (q->state >= NVHI_TCP_LOST)
		return;
	nvhi_pdu_error_text(error, text, sizeof(text));
	if (nvhi_pdu_hlen(type))
		snprintf(q->qpair.why, sizeof(q->qpair.why), "protocol error in %s: %s",
			 nvh_tcp_pdu_name(type), text);
	else
		snprintf(q->qpair.why, sizeof(q->qpair.why), "protocol error: %s", text);
	lose(q, -EPROTO, send_term_req(q, error));
}

void nvhi_tcp_bad(struct nvhi_tcp_qpair *q, uint8_t fes, uint32_t fei, const char *field,
		  const char *what, uint64_t value)
{
	struct nvhi_pdu_error error = {
		.fes = fes, .fei = fei, .field = field, .what = what, .value = value};

	nvhi_tcp_fail_proto(q, &error);
}

/* ---- telling ----------------------------------------------------------------------------- */

void nvhi_tcp_tell(struct nvhi_tcp_qpair *q, uint32_t what)
{
	q->tell |= what;
	nvhi_reactor_defer(q->qpair.reactor, &q->tell_defer);
}

static void tell(struct nvhi_defer *defer)
{
	struct nvhi_tcp_qpair *q = nvhi_container_of(defer, struct nvhi_tcp_qpair, tell_defer);
	const struct nvhi_qpair_events *events = q->qpair.events;
	uint32_t what = q->tell;

	q->tell = 0;
	if (what & NVHI_TCP_TELL_REVOKED) {
		nvhi_log(DEBUG, TCP, "%s: revoked, %u commands go back", q->qpair.name,
			 q->qpair.inflight);
		nvhi_tcp_give_back_all(q, q->err ? q->err : -ECANCELED);
		nvhi_tcp_set_state(q, NVHI_TCP_REVOKED);
		events->revoked(&q->qpair);
		return;
	}
	if (what & NVHI_TCP_TELL_CONNECTED)
		events->connected(&q->qpair, q->err, q->have_connect_cpl ? &q->connect_cpl : NULL);
	else if (what & NVHI_TCP_TELL_LOST)
		events->lost(&q->qpair, q->err, q->qpair.why);
}

/* ---- revoke ------------------------------------------------------------------------------ */

void nvhi_tcp_revoke(struct nvhi_qpair *qpair)
{
	struct nvhi_tcp_qpair *q = nvhi_tcp_qpair_of(qpair);

	assert(q->state < NVHI_TCP_REVOKING);
	nvhi_tcp_tx_stop(q);
	nvhi_tcp_close(q);
	nvhi_tcp_set_state(q, NVHI_TCP_REVOKING);
	nvhi_tcp_tell(q, NVHI_TCP_TELL_REVOKED);
}

/* ---- memory ------------------------------------------------------------------------------ */

int nvhi_tcp_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			  struct nvhi_qpair **ret_qpair)
{
	uint32_t staging = opts->qid ? STAGING_IO : STAGING_ADMIN;
	struct nvhi_tcp_qpair *q;
	int err = -ENOMEM;

	if (opts->entries < 2 || opts->entries > ENTRIES_MAX)
		return -EINVAL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->qpair.tctrlr = tctrlr;
	q->qpair.events = opts->events;
	q->qpair.reactor = opts->reactor;
	q->qpair.qid = opts->qid;
	q->qpair.entries = opts->entries;
	q->qpair.depth = (uint16_t)(opts->entries - 1);
	snprintf(q->qpair.name, sizeof(q->qpair.name), "%s/q%u", tctrlr->opts.name, opts->qid);
	q->wants_eager = opts->qid != 0;
	q->maxr2t = tctrlr->opts.maxr2t ? tctrlr->opts.maxr2t : 1;
	q->params.role = NVHI_PDU_HOST;
	q->timer.fn = deadline;
	nvhi_list_init(&q->tell_defer.link);
	q->tell_defer.fn = tell;
	q->staging = malloc(staging);
	if (!q->staging)
		goto err_free;
	err = nvhi_tcp_slots_init(q);
	if (err)
		goto err_slots;
	err = nvhi_tcp_tx_init(q);
	if (err)
		goto err_tx;
	nvhi_pdu_rx_init(&q->rx, &q->params, q->staging, staging);
	*ret_qpair = &q->qpair;
	return 0;

err_tx:
	nvhi_tcp_tx_fini(q);
err_slots:
	nvhi_tcp_slots_fini(q);
	free(q->staging);
err_free:
	free(q);
	return err;
}

static void log_counters(const struct nvhi_tcp_qpair *q)
{
	const struct nvhi_tcp_counters *c = &q->counters;

	nvhi_log(DEBUG, TCP,
		 "%s: %llu commands, %llu sends (%llu found the stream full), %llu receives "
		 "(%llu in vain), %llu PDUs in, %llu R2Ts, %llu bytes out, %llu in",
		 q->qpair.name, (unsigned long long)c->commands, (unsigned long long)c->writes,
		 (unsigned long long)c->blocked, (unsigned long long)c->reads,
		 (unsigned long long)c->empty_reads, (unsigned long long)c->pdus_in,
		 (unsigned long long)c->r2ts, (unsigned long long)c->bytes_out,
		 (unsigned long long)c->bytes_in);
}

void nvhi_tcp_qpair_destroy(struct nvhi_qpair *qpair)
{
	struct nvhi_tcp_qpair *q = nvhi_tcp_qpair_of(qpair);

	assert(qpair->inflight == 0);
	log_counters(q);
	nvhi_tcp_close(q);
	nvhi_timer_cancel(qpair->reactor, &q->timer);
	nvhi_reactor_undefer(qpair->reactor, &q->tell_defer);
	nvhi_tcp_tx_fini(q);
	nvhi_tcp_slots_fini(q);
	free(q->staging);
	free(q);
}
