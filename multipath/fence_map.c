/*
 * What the channels of a head know of fences: an immutable map, made anew by home at each change
 * and handed to every channel, which acknowledges its version. A map is freed when no channel can
 * look at it any more. So a fence takes effect, and ends, when every reactor has acknowledged it,
 * and the I/O path takes no lock. Home reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "multipath/fence.h"

/* ---- which heads a fence concerns ---------------------------------------------------------------- */

/* The same namespace may stand under another head later: what counts is its subsystem and NSID. */
static bool range_is_of(const struct nvhi_fence *fence, const struct nvhi_fence_range *range,
			const struct nvh_ns *head)
{
	if (range->ns == head)
		return true;
	return head->subsys && range->ns->nsid == head->nsid &&
	       !strcmp(head->subsys->nqn, fence->assoc.subnqn);
}

static bool fence_is_of(const struct nvhi_fence *fence, const struct nvh_ns *head)
{
	const struct nvhi_fence_range *range;

	if (fence->everything && head->subsys &&
	    !strcmp(head->subsys->nqn, fence->assoc.subnqn))
		return true;
	nvhi_list_for_each(range, &fence->ranges, link)
		if (range_is_of(fence, range, head))
			return true;
	return false;
}

/* Each head concerned, perhaps more than once, until fn says otherwise. */
static int fence_for_heads(const struct nvhi_fence *fence,
			   int (*fn)(struct nvh_ns *head, const struct nvhi_fence *fence))
{
	const struct nvhi_fence_range *range;
	struct nvhi_mp_subsys *subsys = nvhi_mp_subsys_find(fence->mp, fence->assoc.subnqn);
	struct nvh_ns *head;
	int err = 0;

	if (subsys)
		nvhi_list_for_each(head, &subsys->heads, link)
			if (!err && fence_is_of(fence, head))
				err = fn(head, fence);
	nvhi_list_for_each(range, &fence->ranges, link)
		if (!err)
			err = fn(range->ns, fence);
	return err;
}

/* ---- maps ---------------------------------------------------------------------------------------- */

void nvhi_fence_range_put(struct nvhi_fence_range *range)
{
	if (--range->maps == 0)
		free(range);
}

/* A head may stop to be concerned by a fence before its channels have looked at the last map that
 * tells of it: the map keeps the ranges. */
static void map_free(struct nvhi_fence_map *map)
{
	for (uint32_t i = 0; i < map->count; i++)
		if (map->entries[i].range)
			nvhi_fence_range_put(map->entries[i].range);
	free(map);
}

static uint8_t fence_phase(const struct nvhi_fence *fence)
{
	switch (fence->state) {
	case NVHI_FENCE_PUBLISHING:
		return NVHI_FENCE_HOLD;
	case NVHI_FENCE_HOLDING:
		return NVHI_FENCE_RELEASED;
	default:
		return NVHI_FENCE_CLEARED;
	}
}

static void map_add(struct nvhi_fence_map *map, const struct nvhi_fence *fence,
		    struct nvhi_fence_range *range)
{
	struct nvhi_fence_entry *e = &map->entries[map->count++];

	e->lba = range ? range->lba : 0;
	e->end = range ? range->end : UINT64_MAX;
	e->token = range ? range->token : 0;
	e->range = range;
	if (range)
		range->maps++;
	e->phase = fence_phase(fence);
	e->wait = range && __atomic_load_n(&range->wait, __ATOMIC_ACQUIRE);
	map->holds += e->phase != NVHI_FENCE_CLEARED;
}

static struct nvhi_fence_map *map_build(struct nvh_ns *head)
{
	struct nvhi_mp *mp = head->mp;
	struct nvhi_fence *fence;
	struct nvhi_fence_range *range;
	struct nvhi_fence_map *map;
	size_t room = 0;

	nvhi_list_for_each(fence, &mp->fences, link)
		room += fence->nr_ranges + 1;
	map = calloc(1, sizeof(*map) + room * sizeof(map->entries[0]));
	if (!map)
		return NULL;
	map->version = mp->fence_version;
	nvhi_list_for_each(fence, &mp->fences, link) {
		if (fence->state == NVHI_FENCE_LEAVING || !fence_is_of(fence, head))
			continue;
		if (fence->everything)
			map_add(map, fence, NULL);
		nvhi_list_for_each(range, &fence->ranges, link)
			if (range_is_of(fence, range, head))
				map_add(map, fence, range);
	}
	return map;
}

static void map_tell(struct nvh_ns *head, struct nvh_channel *channel)
{
	__atomic_store_n(&channel->fence_want, head->fence_map, __ATOMIC_SEQ_CST);
	if (!__atomic_exchange_n(&channel->fence_posted, 1, __ATOMIC_SEQ_CST))
		nvhi_reactor_post(channel->reactor, &channel->fence_msg);
}

/* Maps that every channel has left behind. */
static void maps_free(struct nvh_ns *head)
{
	struct nvhi_fence_map *map = head->fence_map, *older;
	const struct nvh_channel *channel;
	uint64_t oldest = UINT64_MAX;

	nvhi_list_for_each(channel, &head->channels, head_link)
		if (channel->fence_acked < oldest)
			oldest = channel->fence_acked;
	while (map && map->version > oldest)
		map = map->older;
	if (!map)
		return;
	older = map->older;
	map->older = NULL;
	while ((map = older)) {
		older = map->older;
		map_free(map);
	}
}

static int head_publish(struct nvh_ns *head, const struct nvhi_fence *fence)
{
	struct nvh_channel *channel;
	struct nvhi_fence_map *map;

	(void)fence;
	if (head->fence_map && head->fence_map->version == head->mp->fence_version)
		return 0; /* told already */
	map = map_build(head);
	if (!map)
		return -ENOMEM;
	map->older = head->fence_map;
	head->fence_map = map;
	nvhi_list_for_each(channel, &head->channels, head_link)
		map_tell(head, channel);
	return 0;
}

int nvhi_fence_publish(struct nvhi_fence *fence)
{
	fence->need = ++fence->mp->fence_version;
	return fence_for_heads(fence, head_publish);
}

static int head_acknowledged(struct nvh_ns *head, const struct nvhi_fence *fence)
{
	const struct nvh_channel *channel;

	nvhi_list_for_each(channel, &head->channels, head_link)
		if (channel->fence_acked < fence->need)
			return -EAGAIN;
	return 0;
}

bool nvhi_fence_acknowledged(const struct nvhi_fence *fence)
{
	return !fence_for_heads(fence, head_acknowledged);
}

/* ---- ranges that cross ---------------------------------------------------------------------------- */

static bool ranges_cross(const struct nvhi_fence *fa, const struct nvhi_fence_range *a,
			 const struct nvhi_fence *fb, const struct nvhi_fence_range *b)
{
	return a->token != b->token && a->ns->nsid == b->ns->nsid && a->lba < b->end &&
	       b->lba < a->end && !strcmp(fa->assoc.subnqn, fb->assoc.subnqn);
}

void nvhi_fence_find_crossings(struct nvhi_fence *fence)
{
	struct nvhi_fence_range *a, *b;
	struct nvhi_fence *other;

	nvhi_list_for_each(a, &fence->ranges, link)
		nvhi_list_for_each(other, &fence->mp->fences, link) {
			if (other->state > NVHI_FENCE_HOLDING)
				continue;
			nvhi_list_for_each(b, &other->ranges, link) {
				if (!ranges_cross(fence, a, other, b))
					continue;
				__atomic_fetch_or(&a->wait, NVHI_FENCE_WAIT_ORDER,
						  __ATOMIC_RELEASE);
				if (other->state == NVHI_FENCE_PUBLISHING)
					__atomic_fetch_or(&b->wait, NVHI_FENCE_WAIT_ORDER,
							  __ATOMIC_RELEASE);
			}
		}
}

/* ---- heads and channels come and go ---------------------------------------------------------------- */

int nvhi_fence_head_init(struct nvh_ns *head)
{
	const struct nvhi_fence *fence;

	nvhi_list_for_each(fence, &head->mp->fences, link) {
		if (!fence_is_of(fence, head))
			continue;
		head->fence_map = map_build(head);
		return head->fence_map ? 0 : -ENOMEM;
	}
	return 0;
}

void nvhi_fence_head_fini(struct nvh_ns *head)
{
	while (head->fence_map) {
		struct nvhi_fence_map *map = head->fence_map;

		head->fence_map = map->older;
		map_free(map);
	}
}

static void channel_on_ack(struct nvhi_msg *msg)
{
	struct nvh_channel *channel = nvhi_container_of(msg, struct nvh_channel, fence_ack_msg);
	struct nvh_ns *head = channel->ns;

	__atomic_store_n(&channel->fence_ack_posted, 0, __ATOMIC_SEQ_CST);
	channel->fence_acked = __atomic_load_n(&channel->fence_version, __ATOMIC_SEQ_CST);
	maps_free(head);
	nvhi_fences_step(head->mp);
}

/* Before its first lane, so that no I/O goes out over what it does not know. */
void nvhi_fence_channel_join(struct nvh_channel *channel)
{
	struct nvh_ns *head = channel->ns;

	channel->fence_ack_msg.fn = channel_on_ack;
	if (!head->fence_map)
		return;
	if (channel->reactor == head->mp->home) {
		channel->fences = head->fence_map->holds ? head->fence_map : NULL;
		channel->fence_version = channel->fence_acked = head->fence_map->version;
	} else {
		map_tell(head, channel);
	}
}

void nvhi_fence_channel_leave(struct nvh_channel *channel)
{
	struct nvh_ns *head = channel->ns;

	maps_free(head);
	nvhi_fences_step(head->mp);
}
