/*
 * A queue pair's life: states as a table, one timer for the deadline of the present state, loss and
 * revoke. What the layer above must hear is told from one deferred call, so it may submit, revoke
 * or (from revoked) destroy there. On the queue pair's reactor.
 *
 * Revoke destroys the queue pair, and the windows through which the controller reached the caller's
 * memory, before a request is given back: then nothing of the old path can touch a buffer any more,
 * and no key that was ever sent opens anything.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fabric/rdma/rdma_impl.h"

#define ENTRIES_MAX 1024

#define NVHI_X(upper, lower) #lower,
static const char *const state_names[] = {NVHI_RDMA_STATES(NVHI_X)};
#undef NVHI_X

#define TO(state) NVHI_FSM_TO(NVHI_RDMA_##state)
static const uint32_t edges[NVHI_RDMA_STATE_COUNT] = {
	[NVHI_RDMA_NEW] = TO(ADDRESS) | TO(LOST) | TO(REVOKING),
	[NVHI_RDMA_ADDRESS] = TO(ROUTE) | TO(LOST) | TO(REVOKING),
	[NVHI_RDMA_ROUTE] = TO(ACCEPT) | TO(LOST) | TO(REVOKING),
	[NVHI_RDMA_ACCEPT] = TO(CONNECT) | TO(LOST) | TO(REVOKING),
	[NVHI_RDMA_CONNECT] = TO(LIVE) | TO(LOST) | TO(REVOKING),
	[NVHI_RDMA_LIVE] = TO(LOST) | TO(REVOKING),
	[NVHI_RDMA_LOST] = TO(REVOKING),
	[NVHI_RDMA_REVOKING] = TO(REVOKED),
	[NVHI_RDMA_REVOKED] = 0,
};
struct nvhi_fsm nvhi_rdma_fsm = NVHI_FSM_INIT("qpair", state_names, edges);

/* ---- states and deadlines ---------------------------------------------------------------- */

int nvhi_rdma_set_deadline(struct nvhi_rdma_qpair *q, uint32_t ms)
{
	return nvhi_timer_arm(q->qpair.reactor, &q->timer, ms * NVHI_NSEC_PER_MSEC);
}

void nvhi_rdma_set_state(struct nvhi_rdma_qpair *q, enum nvhi_rdma_state state)
{
	nvhi_fsm_set(&nvhi_rdma_fsm, &q->state, state, NVHI_LOG_RDMA, q->qpair.name);
	if (state >= NVHI_RDMA_ADDRESS && state <= NVHI_RDMA_CONNECT)
		/* Armed since connect began: this cannot fail. */
		nvhi_rdma_set_deadline(q, q->qpair.tctrlr->opts.connect_timeout_ms);
	else
		nvhi_timer_cancel(q->qpair.reactor, &q->timer);
}

static void deadline(struct nvhi_timer *timer)
{
	struct nvhi_rdma_qpair *q = nvhi_container_of(timer, struct nvhi_rdma_qpair, timer);
	uint32_t ms = q->qpair.tctrlr->opts.connect_timeout_ms;

	switch (q->state) {
	case NVHI_RDMA_ADDRESS:
	case NVHI_RDMA_ROUTE:
		nvhi_rdma_fail(q, -ETIMEDOUT, "the address was not resolved over RDMA within %u ms",
			       ms);
		break;
	case NVHI_RDMA_ACCEPT:
		nvhi_rdma_fail(q, -ETIMEDOUT, "no RDMA connection within %u ms", ms);
		break;
	case NVHI_RDMA_CONNECT:
		nvhi_rdma_fail(q, -ETIMEDOUT, "no answer to the Connect command within %u ms", ms);
		break;
	default:
		break;
	}
}

/* ---- loss -------------------------------------------------------------------------------- */

/* What the peer did wrong is logged here, once; any other loss by the owner of the queue, who is
 * told the same words and knows what it means (an attempt of many, a target that went away). */
static void log_loss(const struct nvhi_rdma_qpair *q)
{
	const struct nvhi_addr *addr = &q->qpair.tctrlr->opts.addr;
	char text[NVHI_ADDR_TEXT_MAX];

	if (q->err == -EPROTO)
		nvhi_log(WARN, RDMA, "%s: %s", q->qpair.name, q->qpair.why);
	else
		nvhi_log(DEBUG, RDMA, "%s: %s: %s", q->qpair.name,
			 nvhi_addr_text(addr, text, sizeof(text)), q->qpair.why);
}

/* Puts the queue pair in its error state and tells the peer. */
static void disconnect(struct nvhi_rdma_qpair *q)
{
	if (!q->established)
		return;
	q->established = false;
	q->verbs->cm_disconnect(q->id.cm_id);
}

void nvhi_rdma_fail(struct nvhi_rdma_qpair *q, int err, const char *fmt, ...)
{
	bool connecting = q->state != NVHI_RDMA_LIVE;
	va_list ap;

	if (q->state >= NVHI_RDMA_LOST)
		return;
	va_start(ap, fmt);
	vsnprintf(q->qpair.why, sizeof(q->qpair.why), fmt, ap);
	va_end(ap);
	q->err = err;
	log_loss(q);
	nvhi_rdma_post_stop(q);
	nvhi_rdma_cq_stop(q);
	disconnect(q);
	nvhi_rdma_set_state(q, NVHI_RDMA_LOST);
	nvhi_rdma_tell(q, connecting ? NVHI_RDMA_TELL_CONNECTED : NVHI_RDMA_TELL_LOST);
}

/* ---- telling ----------------------------------------------------------------------------- */

void nvhi_rdma_tell(struct nvhi_rdma_qpair *q, uint32_t what)
{
	q->tell |= what;
	nvhi_reactor_defer(q->qpair.reactor, &q->tell_defer);
}

static void tell(struct nvhi_defer *defer)
{
	struct nvhi_rdma_qpair *q = nvhi_container_of(defer, struct nvhi_rdma_qpair, tell_defer);
	const struct nvhi_qpair_events *events = q->qpair.events;
	uint32_t what = q->tell;

	q->tell = 0;
	if (what & NVHI_RDMA_TELL_REVOKED) {
		nvhi_log(DEBUG, RDMA, "%s: revoked, %u commands go back", q->qpair.name,
			 q->qpair.inflight);
		nvhi_rdma_give_back_all(q, q->err ? q->err : -ECANCELED);
		nvhi_rdma_set_state(q, NVHI_RDMA_REVOKED);
		events->revoked(&q->qpair);
		return;
	}
	if (what & NVHI_RDMA_TELL_CONNECTED)
		events->connected(&q->qpair, q->err, q->have_connect_cpl ? &q->connect_cpl : NULL);
	else if (what & NVHI_RDMA_TELL_LOST)
		events->lost(&q->qpair, q->err, q->qpair.why);
}

/* ---- revoke ------------------------------------------------------------------------------ */

/* After this the device reads and writes no memory for this queue pair. */
static void cut_off(struct nvhi_rdma_qpair *q)
{
	nvhi_rdma_post_stop(q);
	nvhi_rdma_cq_stop(q);
	disconnect(q);
	/* Windows first: a bound one holds on to its queue pair. What a device will not give up
	 * yet, it does once the queue pair is gone. */
	nvhi_rdma_windows_fini(q);
	nvhi_rdma_id_destroy(&q->id);
	nvhi_rdma_windows_fini(q);
	nvhi_rdma_cq_close(q);
}

void nvhi_rdma_revoke(struct nvhi_qpair *qpair)
{
	struct nvhi_rdma_qpair *q = nvhi_rdma_qpair_of(qpair);

	assert(q->state < NVHI_RDMA_REVOKING);
	cut_off(q);
	nvhi_rdma_set_state(q, NVHI_RDMA_REVOKING);
	nvhi_rdma_tell(q, NVHI_RDMA_TELL_REVOKED);
}

/* ---- memory ------------------------------------------------------------------------------ */

static void capsules_free(struct nvhi_rdma_qpair *q)
{
	if (q->capsules)
		munmap(q->capsules, q->capsules_len);
	free(q->recvs);
	free(q->recv_sges);
}

/* Pages of their own: what a device may touch shares none with anything else. */
static int capsules_alloc(struct nvhi_rdma_qpair *q)
{
	size_t cmds = (size_t)q->slot_count * sizeof(struct nvh_cmd);
	size_t cpls = (size_t)q->recv_count * sizeof(struct nvh_cpl);
	void *base;

	q->capsules_len = (cmds + cpls + 4095) & ~(size_t)4095;
	base = mmap(NULL, q->capsules_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	q->capsules = base;
	q->cmds = base;
	q->cpls = (struct nvh_cpl *)(q->capsules + cmds);
	q->recvs = calloc(q->recv_count, sizeof(*q->recvs));
	q->recv_sges = calloc(q->recv_count, sizeof(*q->recv_sges));
	return q->recvs && q->recv_sges ? 0 : -ENOMEM;
}

int nvhi_rdma_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			   struct nvhi_qpair **ret_qpair)
{
	struct nvhi_rdma_qpair *q;
	int err;

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
	q->slot_count = q->qpair.depth;
	q->recv_count = opts->entries;
	q->timer.fn = deadline;
	nvhi_list_init(&q->tell_defer.link);
	q->tell_defer.fn = tell;
	nvhi_rdma_post_init(q);
	err = nvhi_rdma_slots_init(q);
	if (!err)
		err = capsules_alloc(q);
	if (err) {
		capsules_free(q);
		nvhi_rdma_slots_fini(q);
		free(q);
		return err;
	}
	*ret_qpair = &q->qpair;
	return 0;
}

static void log_counters(const struct nvhi_rdma_qpair *q)
{
	const struct nvhi_rdma_counters *c = &q->counters;

	nvhi_log(DEBUG, RDMA,
		 "%s: %llu commands (%llu in their capsule, %llu copied, %llu windows: %llu "
		 "invalidated by the controller, %llu by us), %llu send and %llu receive batches, "
		 "%llu polls (%llu in vain), %llu completions, %llu events, %llu waits for credits",
		 q->qpair.name, (unsigned long long)c->commands, (unsigned long long)c->in_capsule,
		 (unsigned long long)c->copied, (unsigned long long)c->windows,
		 (unsigned long long)c->remote_inv, (unsigned long long)c->local_inv,
		 (unsigned long long)c->posts, (unsigned long long)c->recv_posts,
		 (unsigned long long)c->polls, (unsigned long long)c->empty_polls,
		 (unsigned long long)c->completions, (unsigned long long)c->events,
		 (unsigned long long)c->stalls);
}

void nvhi_rdma_qpair_destroy(struct nvhi_qpair *qpair)
{
	struct nvhi_rdma_qpair *q = nvhi_rdma_qpair_of(qpair);

	assert(qpair->inflight == 0);
	log_counters(q);
	cut_off(q);
	nvhi_timer_cancel(qpair->reactor, &q->timer);
	nvhi_reactor_undefer(qpair->reactor, &q->tell_defer);
	if (q->dev) {
		nvhi_rdma_dereg(q->dev, q->capsules_mr);
		nvhi_rdma_bounce_fini(&q->bounce);
		nvhi_rdma_dev_put(q->dev);
	}
	free(q->windows); /* one that the device does not take back is gone with it */
	nvhi_rdma_map_free(&q->map);
	nvhi_rdma_cm_close(&q->cm);
	capsules_free(q);
	nvhi_rdma_slots_fini(q);
	free(q);
}
