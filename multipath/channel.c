/*
 * Channels and the reactor end of lanes. A channel joins its head by a message to home, which
 * extends lanes to it; I/O submitted before they arrive waits, as for any path. Closing sends the
 * channel home again; home answers last, behind everything it ever sent, and only then is the
 * memory freed. On the home reactor the same steps are plain calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "multipath/fence.h"

/* ---- lanes ---------------------------------------------------------------------------------- */

#define RANK_UNTRUSTED 16u /* behind every ANA state of a trusted one */

static uint32_t lane_rank(const struct nvhi_lane *lane)
{
	return nvhi_ana_rank(lane->ana) + (lane->health == NVHI_HEALTH_LIVE ? 0 : RANK_UNTRUSTED);
}

void nvhi_channel_count_usable(struct nvh_channel *channel)
{
	struct nvhi_lane *lane;
	uint32_t best = UINT32_MAX, before = channel->nr_usable;
	bool good = false;

	channel->nr_usable = channel->nr_chosen = 0;
	channel->only = NULL;
	nvhi_list_for_each(lane, &channel->lanes, link) {
		channel->nr_usable += lane->usable;
		good |= lane->usable && !lane->held_since;
		if (lane->usable && lane_rank(lane) < best)
			best = lane_rank(lane);
	}
	nvhi_list_for_each(lane, &channel->lanes, link) {
		lane->chosen = lane->usable && lane_rank(lane) == best;
		channel->nr_chosen += lane->chosen;
		if (lane->chosen)
			channel->only = lane;
	}
	if (channel->nr_chosen != 1 || channel->failover.lane || channel->hedging)
		channel->only = NULL;
	nvhi_channel_path_counted(channel, good);
	if (before && !channel->nr_usable)
		nvhi_channel_count_waiting(channel);
}

/* Blocks that fit `bytes` (0: no limit) and a 16-bit 0's based count. */
static uint32_t lane_blocks(const struct nvh_channel *channel, uint32_t bytes)
{
	uint32_t blocks = bytes >> channel->block_shift;

	if (!bytes || blocks > NVH_RW_NLB_MASK + 1u)
		return NVH_RW_NLB_MASK + 1u;
	return blocks ? blocks : 1;
}

static void lane_learn_limits(struct nvhi_lane *lane)
{
	const struct nvhi_ctrlr_caps *caps = nvhi_ctrlr_caps(lane->ctrlr);
	uint64_t dsm = UINT32_MAX;

	if (caps->dmrsl && caps->dmrsl < dsm)
		dsm = caps->dmrsl;
	if (caps->dmsl && caps->dmsl < dsm)
		dsm = caps->dmsl;
	lane->limit[NVHI_LIMIT_NONE] = 1;
	lane->limit[NVHI_LIMIT_DATA] = lane_blocks(lane->channel, caps->max_transfer);
	lane->limit[NVHI_LIMIT_ZERO] = lane_blocks(lane->channel, caps->wz_blocks_bytes);
	lane->limit[NVHI_LIMIT_VERIFY] = lane_blocks(lane->channel, caps->verify_bytes);
	lane->limit[NVHI_LIMIT_DSM] = (uint32_t)dsm;
	lane->max_transfer = caps->max_transfer;
	memcpy(lane->crdt, caps->crdt, sizeof(lane->crdt));
}

void nvhi_lane_refresh(struct nvhi_lane *lane)
{
	struct nvh_channel *channel = lane->channel;
	bool live = nvhi_ioq_state(lane->ioq) == NVHI_IOQ_LIVE;
	bool usable = !lane->dropped && live && nvhi_ana_accessible(lane->ana) &&
		      lane->held_until <= nvhi_reactor_now(channel->reactor);
	uint32_t rank = lane_rank(lane);

	if (usable == lane->usable && rank == lane->rank)
		return;
	lane->usable = usable;
	lane->rank = rank;
	nvhi_channel_count_usable(channel);
	if (!usable) {
		nvhi_failover_lane_lost(lane, live ? "path not accessible"
					 : nvhi_ioq_state(lane->ioq) == NVHI_IOQ_LEAVING
						 ? "a command is stuck: its queue is reconnected"
						 : "connection lost");
		return;
	}
	lane_learn_limits(lane);
	nvhi_channel_drain(channel);
}

static void lane_watch(struct nvhi_ioq_watch *watch, struct nvhi_ioq *ioq,
		       enum nvhi_ioq_state state)
{
	struct nvhi_lane *lane = nvhi_container_of(watch, struct nvhi_lane, watch);

	(void)ioq;
	if (state == NVHI_IOQ_LIVE)
		lane->held_until = lane->held_since = 0; /* a new association: a new chance */
	nvhi_lane_queue_state(lane, state);
	nvhi_lane_refresh(lane);
	/* What its transport refused, already broken, waits; perhaps nothing comes back that would take it
	 * along to another lane. */
	if (state != NVHI_IOQ_LIVE && lane->channel->nr_usable)
		nvhi_channel_drain(lane->channel);
}

static void lane_room(struct nvhi_ioq_waiter *waiter, int err)
{
	struct nvhi_lane *lane = nvhi_container_of(waiter, struct nvhi_lane, waiter);

	if (!err)
		nvhi_channel_drain(lane->channel);
}

void nvhi_lane_attach(struct nvhi_lane *lane)
{
	struct nvh_channel *channel = lane->channel;

	if (channel->closed)
		return;
	lane->attached = true;
	lane->waiter.fn = lane_room;
	nvhi_list_add_tail(&channel->lanes, &lane->link);
	lane->watch.health = nvhi_lane_queue_health;
	nvhi_ioq_watch(lane->ioq, &lane->watch, lane_watch);
	nvhi_lane_queue_state(lane, nvhi_ioq_state(lane->ioq));
	nvhi_lane_refresh(lane);
}

/* Leaves the queue alone from now on. */
static void lane_detach(struct nvhi_lane *lane)
{
	nvhi_ioq_unwatch(lane->ioq, &lane->watch);
	nvhi_ioq_unwait(lane->ioq, &lane->waiter);
	lane->attached = false;
	lane->dropped = true;
	lane->channel->nr_dropping += lane->inflight > 0;
	lane->usable = lane->chosen = false;
	nvhi_failover_lane_gone(lane);
	nvhi_list_del(&lane->link);
	nvhi_channel_count_usable(lane->channel);
}

void nvhi_lane_check_gone(struct nvhi_lane *lane)
{
	if (lane->dropped && lane->inflight == 0 && !lane->channel->closed)
		nvhi_reactor_post(lane->channel->ns->mp->home, &lane->gone_msg);
}

void nvhi_lane_drop(struct nvhi_lane *lane)
{
	if (lane->channel->closed)
		return; /* it goes home with the channel */
	lane_detach(lane);
	if (lane->channel->nr_usable)
		nvhi_channel_drain(lane->channel); /* it may have waited for room here */
	nvhi_lane_check_gone(lane);
}

#define HOLD_FIRST_MS 20u
#define HOLD_MAX_MS   1000u

void nvhi_lane_hold(struct nvhi_lane *lane, uint32_t delay_ms)
{
	uint64_t now = nvhi_reactor_now(lane->channel->reactor);

	if (lane->held_until > now || lane->dropped)
		return;
	if (!lane->held_since) {
		lane->held_since = now;
		lane->hold_ms = HOLD_FIRST_MS;
	} else if (lane->hold_ms < HOLD_MAX_MS) {
		lane->hold_ms *= 2;
	}
	if (!delay_ms)
		delay_ms = lane->hold_ms;
	lane->held_until = now + delay_ms * NVHI_NSEC_PER_MSEC;
	nvhi_lane_refresh(lane);
	nvhi_channel_timer_want(lane->channel, lane->held_until);
}

/* ---- opening and closing -------------------------------------------------------------------- */

/* Home. */
static void channel_join(struct nvhi_msg *msg)
{
	struct nvh_channel *channel = nvhi_container_of(msg, struct nvh_channel, join_msg);
	struct nvh_ns *ns = channel->ns;
	struct nvhi_path *path;

	channel->joined = true;
	if (ns->subsys) /* else it was removed meanwhile */
		__atomic_store_n(&channel->policy, ns->subsys->policy, __ATOMIC_RELEASE);
	nvhi_list_add_tail(&ns->channels, &channel->head_link);
	nvhi_fence_channel_join(channel);
	nvhi_list_for_each(path, &ns->paths, head_link)
		nvhi_path_extend(path, channel);
}

/* Home. */
static void channel_leave(struct nvhi_msg *msg)
{
	struct nvh_channel *channel = nvhi_container_of(msg, struct nvh_channel, leave_msg);
	struct nvhi_mp *mp = channel->ns->mp;
	struct nvhi_lane *lane;

	nvhi_list_del(&channel->head_link);
	nvhi_fence_channel_leave(channel);
	if (channel->relay)
		nvhi_channel_close(channel->relay);
	nvhi_list_for_each(lane, &channel->home_lanes, channel_home_link)
		nvhi_path_lane_gone(lane);
	nvhi_reactor_post(channel->reactor, &channel->bye_msg);
	if (__atomic_sub_fetch(&mp->nr_channels, 1, __ATOMIC_ACQ_REL) == 0)
		mp->events->idle(mp);
}

/* The channel's reactor, behind all that home sent; home has forgotten it. */
static void channel_bye(struct nvhi_msg *msg)
{
	struct nvh_channel *channel = nvhi_container_of(msg, struct nvh_channel, bye_msg);
	struct nvhi_lane *lane, *next;

	nvhi_list_for_each_safe(lane, next, &channel->home_lanes, channel_home_link)
		free(lane);
	nvhi_channel_hedge_free(channel);
	nvhi_ns_put(channel->ns);
	free(channel);
}

static void channel_kick(struct nvhi_msg *msg)
{
	struct nvh_channel *channel = nvhi_container_of(msg, struct nvh_channel, kick_msg);

	__atomic_store_n(&channel->kicked, 0, __ATOMIC_RELEASE);
	if (channel->closed)
		return;
	if (channel->hedging != __atomic_load_n(&channel->ns->hedge, __ATOMIC_RELAXED))
		nvhi_channel_hedge_update(channel);
	nvhi_channel_drain(channel);
}

void nvhi_head_kick(struct nvh_ns *head)
{
	struct nvh_channel *channel;

	nvhi_list_for_each(channel, &head->channels, head_link)
		if (!__atomic_exchange_n(&channel->kicked, 1, __ATOMIC_ACQ_REL))
			nvhi_reactor_post(channel->reactor, &channel->kick_msg);
}

/* nr_reactors when it is none of them. */
static uint32_t mp_reactor_index(const struct nvhi_mp *mp, const struct nvh_reactor *reactor)
{
	uint32_t i = 0;

	while (i < mp->nr_reactors && mp->reactors[i] != reactor)
		i++;
	return i;
}

int nvhi_channel_open(struct nvh_ns *ns, struct nvh_reactor *reactor,
		      struct nvh_channel **ret_channel)
{
	struct nvh_channel *channel;
	uint32_t index = mp_reactor_index(ns->mp, reactor);
	int err;

	if (index == ns->mp->nr_reactors)
		return -EINVAL;
	if (!ns->io_supported)
		return -ENOTSUP;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	channel->ns = ns;
	channel->reactor = reactor;
	channel->index = index;
	channel->policy = &nvhi_policy_latency;
	channel->no_path_since = nvhi_reactor_clock(reactor) ?: 1; /* 0 has a meaning */
	channel->block_shift = ns->block_shift;
	nvhi_list_init(&channel->lanes);
	nvhi_list_init(&channel->waiting);
	nvhi_list_init(&channel->delayed);
	nvhi_list_init(&channel->ended);
	nvhi_list_init(&channel->deadlines);
	nvhi_channel_fence_init(channel);
	nvhi_failover_watch_init(channel);
	nvhi_list_init(&channel->head_link);
	nvhi_list_init(&channel->home_lanes);
	channel->join_msg.fn = channel_join;
	channel->leave_msg.fn = channel_leave;
	channel->kick_msg.fn = channel_kick;
	channel->bye_msg.fn = channel_bye;
	err = nvhi_channel_timer_init(channel);
	if (err) {
		free(channel);
		return err;
	}
	if (__atomic_load_n(&ns->hedge, __ATOMIC_RELAXED))
		nvhi_channel_hedge_update(channel);
	nvhi_ns_get(ns);
	__atomic_fetch_add(&ns->mp->nr_channels, 1, __ATOMIC_ACQ_REL);
	if (reactor == ns->mp->home)
		channel_join(&channel->join_msg);
	else
		nvhi_reactor_post(ns->mp->home, &channel->join_msg);
	*ret_channel = channel;
	return 0;
}

void nvhi_channel_close(struct nvh_channel *channel)
{
	struct nvhi_lane *lane, *next;

	assert(channel->outstanding == 0);
	channel->closed = true;
	nvhi_list_for_each_safe(lane, next, &channel->lanes, link)
		lane_detach(lane);
	nvhi_timer_cancel(channel->reactor, &channel->timer);
	nvhi_reactor_undefer(channel->reactor, &channel->ended_defer);
	if (channel->nr_strays == 0)
		nvhi_reactor_post(channel->ns->mp->home, &channel->leave_msg);
}

void nvhi_channel_stray_home(struct nvh_channel *channel)
{
	if (--channel->nr_strays == 0 && channel->closed)
		nvhi_reactor_post(channel->ns->mp->home, &channel->leave_msg);
}

struct nvh_ns *nvhi_channel_ns(const struct nvh_channel *channel)
{
	return channel->ns;
}

struct nvh_reactor *nvhi_channel_reactor(const struct nvh_channel *channel)
{
	return channel->reactor;
}

struct nvh_reactor *nvhi_channel_home(const struct nvh_channel *channel)
{
	return channel->ns->mp->home;
}

bool nvhi_ns_reactor_usable(const struct nvh_ns *ns, const struct nvh_reactor *reactor)
{
	uint32_t index = mp_reactor_index(ns->mp, reactor);

	return index < ns->mp->nr_reactors && (__atomic_load_n(&ns->usable[index], __ATOMIC_RELAXED) & NVHI_HERE_QUEUE);
}
