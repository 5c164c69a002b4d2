/*
 * The health of a lane: may it be trusted with new I/O while another path is good?
 *
 *	failed -> live        its queue went live
 *	failed -> probation   it did, but the path had broken more than once of late
 *	live -> suspect       the queue is quiet for longer than usual (host/ctrlr/ioq_health.c)
 *	suspect -> live       it answered
 *	suspect -> failed     it did not, another path did: the queue is given up
 *
 * A path is given up for silence only when another one is proven to answer at that very time: then it
 * is the path that is broken, not the target or this machine that is slow. Each further loss within
 * a short time doubles the probation. The channel's reactor.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "multipath/head.h"

/* Losses closer than this belong to one trouble. */
#define FLAP_WINDOW_NS	   (15 * NVHI_NSEC_PER_SEC)
#define PROBATION_FIRST_NS (2 * NVHI_NSEC_PER_SEC)
#define PROBATION_MAX_NS   (60 * NVHI_NSEC_PER_SEC)

static const char *const health_names[] = {
#define X(upper, lower) [NVHI_HEALTH_##upper] = #lower,
	NVHI_HEALTHS(X)
#undef X
};
#define TO(state) NVHI_FSM_TO(NVHI_HEALTH_##state)
static const uint32_t health_edges[] = {
	[NVHI_HEALTH_FAILED] = TO(LIVE) | TO(PROBATION),
	[NVHI_HEALTH_LIVE] = TO(SUSPECT) | TO(FAILED),
	[NVHI_HEALTH_SUSPECT] = TO(LIVE) | TO(FAILED),
	[NVHI_HEALTH_PROBATION] = TO(LIVE) | TO(FAILED),
};
#undef TO
struct nvhi_fsm nvhi_health_fsm = NVHI_FSM_INIT("health", health_names, health_edges);

const char *nvhi_health_name(uint32_t health)
{
	return health_names[health];
}

static void lane_set_health(struct nvhi_lane *lane, enum nvhi_health health)
{
	if (lane->health == health)
		return;
	nvhi_fsm_set(&nvhi_health_fsm, &lane->health, health, NVHI_LOG_MPATH,
		     nvhi_ctrlr_name(lane->ctrlr));
	__atomic_store_n(&lane->health_told, lane->health, __ATOMIC_RELAXED);
	nvhi_lane_refresh(lane);
}

/* ---- probation ------------------------------------------------------------------------------ */

static void lane_came_back(struct nvhi_lane *lane)
{
	uint64_t now = nvhi_reactor_now(lane->channel->reactor);

	if (!lane->probation_ns) {
		lane_set_health(lane, NVHI_HEALTH_LIVE);
		return;
	}
	lane->probation_until = now + lane->probation_ns;
	lane_set_health(lane, NVHI_HEALTH_PROBATION);
	nvhi_channel_timer_want(lane->channel, lane->probation_until);
}

static void lane_went(struct nvhi_lane *lane)
{
	uint64_t now = nvhi_reactor_now(lane->channel->reactor);
	uint64_t calm = FLAP_WINDOW_NS + lane->probation_ns;

	if (lane->health == NVHI_HEALTH_FAILED)
		return;
	if (!lane->lost_at || now - lane->lost_at > calm)
		lane->probation_ns = 0;
	else if (!lane->probation_ns)
		lane->probation_ns = PROBATION_FIRST_NS;
	else if (lane->probation_ns < PROBATION_MAX_NS / 2)
		lane->probation_ns *= 2;
	else
		lane->probation_ns = PROBATION_MAX_NS;
	lane->lost_at = now;
	lane_set_health(lane, NVHI_HEALTH_FAILED);
}

bool nvhi_lane_probation_over(struct nvhi_lane *lane, uint64_t now)
{
	if (lane->health != NVHI_HEALTH_PROBATION || lane->probation_until > now)
		return false;
	lane_set_health(lane, NVHI_HEALTH_LIVE);
	return true;
}

void nvhi_lane_queue_state(struct nvhi_lane *lane, enum nvhi_ioq_state state)
{
	if (state == NVHI_IOQ_LIVE)
		lane_came_back(lane);
	else
		lane_went(lane);
}

/* ---- silence -------------------------------------------------------------------------------- */

/* Another path that answered since this one fell silent. */
static const struct nvhi_lane *lane_find_proven(const struct nvhi_lane *lane)
{
	const struct nvhi_lane *other;

	nvhi_list_for_each(other, &lane->channel->lanes, link)
		if (other->ctrlr != lane->ctrlr && other->usable &&
		    nvhi_ioq_health(other->ioq) == NVHI_IOQ_GOOD &&
		    nvhi_ioq_answers_since(other->ioq, nvhi_ioq_doubted_since(lane->ioq)))
			return other;
	return NULL;
}

static void lane_ask_others(const struct nvhi_lane *lane)
{
	const struct nvhi_lane *other;

	nvhi_list_for_each(other, &lane->channel->lanes, link)
		if (other->ctrlr != lane->ctrlr && other->usable)
			nvhi_ctrlr_probe(other->ctrlr);
}

static void lane_give_up(struct nvhi_lane *lane, const struct nvhi_lane *proven)
{
	uint64_t now = nvhi_reactor_now(lane->channel->reactor);
	uint64_t quiet = nvhi_ioq_quiet_since(lane->ioq);
	char why[96];

	snprintf(why, sizeof(why), "silent for %llu ms, not even a Keep Alive answered, while %s is",
		 (unsigned long long)(quiet < now ? (now - quiet) / NVHI_NSEC_PER_MSEC : 0),
		 nvhi_ctrlr_name(proven->ctrlr));
	nvhi_ioq_give_up(lane->ioq, -ETIMEDOUT, why);
}

void nvhi_lane_queue_health(struct nvhi_ioq_watch *watch, struct nvhi_ioq *ioq)
{
	struct nvhi_lane *lane = nvhi_container_of(watch, struct nvhi_lane, watch);
	enum nvhi_ioq_health health = nvhi_ioq_health(ioq);
	const struct nvhi_lane *proven;

	if (health == NVHI_IOQ_GOOD) {
		if (lane->health == NVHI_HEALTH_SUSPECT)
			lane_set_health(lane, NVHI_HEALTH_LIVE);
		return;
	}
	if (health == NVHI_IOQ_DOUBTFUL) {
		if (nvhi_ioq_doubted_since(ioq) == nvhi_reactor_now(lane->channel->reactor))
			lane_ask_others(lane);
		if (lane->health == NVHI_HEALTH_LIVE)
			lane_set_health(lane, NVHI_HEALTH_SUSPECT);
		return;
	}
	proven = lane_find_proven(lane);
	if (proven)
		lane_give_up(lane, proven);
}
