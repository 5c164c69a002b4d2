/*
 * Is this queue silent? Looked at while commands are out: when nothing at all has arrived for longer
 * than the queue's own history lets expect, it is doubtful, its watchers hear so, and the controller
 * is probed. What comes then decides: anything on the queue, or an answer to the probe while the
 * connection moves, and it is good again (a command may take its time); neither, and it is silent.
 * Here nothing is given up: watchers who know another way do that. Its reactor.
 */
#include <stdio.h>

#include "host/ctrlr/ioq_impl.h"

#define QUIET_MAX 20u /* times suspect-tmo, however slow or often cleared */
#define LOOK_NS	  (20 * NVHI_NSEC_PER_MSEC)

static const char *const ioq_health_names[] = {
#define X(upper, lower) [NVHI_IOQ_##upper] = #lower,
	NVHI_IOQ_HEALTHS(X)
#undef X
};
static const uint32_t ioq_health_edges[] = {
	[NVHI_IOQ_GOOD] = NVHI_FSM_TO(NVHI_IOQ_DOUBTFUL),
	[NVHI_IOQ_DOUBTFUL] = NVHI_FSM_TO(NVHI_IOQ_GOOD) | NVHI_FSM_TO(NVHI_IOQ_SILENT),
	[NVHI_IOQ_SILENT] = NVHI_FSM_TO(NVHI_IOQ_GOOD),
};
struct nvhi_fsm nvhi_ioq_health_fsm =
	NVHI_FSM_INIT("queue health", ioq_health_names, ioq_health_edges);

enum nvhi_ioq_health nvhi_ioq_health(const struct nvhi_ioq *ioq)
{
	return ioq->health;
}

uint64_t nvhi_ioq_doubted_since(const struct nvhi_ioq *ioq)
{
	return ioq->doubted_ns;
}

uint64_t nvhi_ioq_quiet_since(const struct nvhi_ioq *ioq)
{
	const struct nvhi_ioq_req *oldest = nvhi_ioq_oldest(ioq);
	uint64_t since = ioq->qpair ? ioq->qpair->last_rx_ns : 0;

	if (!oldest)
		return NVHI_NEVER;
	return oldest->req.submit_ns > since ? oldest->req.submit_ns : since;
}

bool nvhi_ioq_answers_since(const struct nvhi_ioq *ioq, uint64_t since)
{
	return ioq->state == NVHI_IOQ_LIVE &&
	       ((ioq->qpair && ioq->qpair->last_rx_ns > since) ||
		nvhi_ctrlr_probed(ioq->ctrlr, since) == NVHI_PROBE_ANSWERED);
}

static void ioq_set_health(struct nvhi_ioq *ioq, enum nvhi_ioq_health health)
{
	char name[32];

	if (ioq->health == health)
		return;
	snprintf(name, sizeof(name), "%s/q%u", ioq->ctrlr->name, ioq->qid);
	nvhi_fsm_set(&nvhi_ioq_health_fsm, &ioq->health, health, NVHI_LOG_CTRLR, name);
}

/* What was sent last of all that is answered took this long: a moving average of such looks. */
static void ioq_learn(struct nvhi_ioq *ioq)
{
	uint64_t heard = __atomic_load_n(&ioq->heard_ns, __ATOMIC_RELAXED);
	uint64_t rx = ioq->qpair->last_rx_ns;
	uint64_t took = rx > heard ? rx - heard : 0;

	if (!heard || heard == ioq->learnt_ns)
		return;
	ioq->learnt_ns = heard;
	ioq->usual_ns = ioq->usual_ns ? ioq->usual_ns - ioq->usual_ns / 4 + took / 4 : took;
}

/* How long it may be quiet; longer each time that a probe cleared it. */
static uint64_t ioq_patience(const struct nvhi_ioq *ioq)
{
	uint64_t least = ioq->ctrlr->opts.suspect_ms * NVHI_NSEC_PER_MSEC;
	uint64_t ns = (least + 4 * ioq->usual_ns) << ioq->cleared;

	return ns > QUIET_MAX * least ? QUIET_MAX * least : ns;
}

static uint64_t ioq_doubt_at(const struct nvhi_ioq *ioq, uint64_t quiet_since)
{
	uint64_t from = ioq->cleared ? ioq->cleared_ns : quiet_since;

	return from + ioq_patience(ioq);
}

/* Data is out and nothing acknowledges it: the way is cut, whatever the controller says elsewhere. */
static bool ioq_way_is_cut(struct nvhi_ioq *ioq, uint64_t quiet_ns)
{
	struct nvhi_stream_info info;

	if (ioq->transport->info(ioq->qpair, &info) < 0)
		return false;
	return info.unacked > 0 && info.retransmits > 0 &&
	       info.last_ack_ago_ms * NVHI_NSEC_PER_MSEC >= quiet_ns / 2;
}

static void ioq_judge(struct nvhi_ioq *ioq, uint64_t now, uint64_t quiet_ns)
{
	switch (nvhi_ctrlr_probed(ioq->ctrlr, ioq->doubted_ns)) {
	case NVHI_PROBE_WAITING:
		break;
	case NVHI_PROBE_SILENT:
		ioq_set_health(ioq, NVHI_IOQ_SILENT);
		break;
	case NVHI_PROBE_ANSWERED:
		if (ioq_way_is_cut(ioq, quiet_ns)) {
			ioq_set_health(ioq, NVHI_IOQ_SILENT);
			break;
		}
		ioq->cleared += ioq->cleared < 5;
		ioq->cleared_ns = now;
		ioq_set_health(ioq, NVHI_IOQ_GOOD);
		break;
	}
}

static void ioq_doubt(struct nvhi_ioq *ioq, uint64_t now)
{
	ioq->doubted_ns = now;
	ioq_set_health(ioq, NVHI_IOQ_DOUBTFUL);
	nvhi_ctrlr_probe(ioq->ctrlr);
}

uint64_t nvhi_ioq_health_look(struct nvhi_ioq *ioq, uint64_t now)
{
	uint64_t quiet_since = nvhi_ioq_quiet_since(ioq);
	enum nvhi_ioq_health before = ioq->health;

	if (!ioq->ctrlr->opts.suspect_ms)
		return NVHI_NEVER;
	if (quiet_since == NVHI_NEVER || (before != NVHI_IOQ_GOOD && quiet_since > ioq->doubted_ns)) {
		ioq->cleared = 0;
		ioq_set_health(ioq, NVHI_IOQ_GOOD);
	} else if (before == NVHI_IOQ_GOOD) {
		ioq_learn(ioq);
		if (quiet_since > ioq->cleared_ns)
			ioq->cleared = 0;
		if (now >= ioq_doubt_at(ioq, quiet_since))
			ioq_doubt(ioq, now);
	} else {
		ioq_judge(ioq, now, now - quiet_since);
	}
	/* Told at each look while in doubt: what else leads there may have changed. */
	if (ioq->health != before || ioq->health != NVHI_IOQ_GOOD)
		nvhi_ioq_tell_health(ioq);
	if (ioq->health != NVHI_IOQ_GOOD)
		return now + LOOK_NS;
	return quiet_since == NVHI_NEVER ? NVHI_NEVER : ioq_doubt_at(ioq, quiet_since);
}

uint64_t nvhi_ioq_quiet_bound_ns(const struct nvhi_ctrlr *ctrlr)
{
	if (!ctrlr->opts.suspect_ms)
		return NVHI_NEVER;
	return QUIET_MAX * ctrlr->opts.suspect_ms * NVHI_NSEC_PER_MSEC + 2 * LOOK_NS;
}

void nvhi_ioq_health_reset(struct nvhi_ioq *ioq)
{
	ioq->cleared = 0;
	ioq->usual_ns = 0;
	/* What the old connection heard, and what the new one receives, make no time together: it would
	 * be as long as the outage, and the next silence be borne for as long. */
	ioq->learnt_ns = ioq->heard_ns;
	ioq_set_health(ioq, NVHI_IOQ_GOOD);
}
