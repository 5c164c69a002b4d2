/*
 * The reactor's timers: a 4-ary heap of (deadline, order, timer). A timer knows its slot, so that
 * cancelling and re-arming cost O(log n) and no search. Equal deadlines fire in the order in which
 * they were armed, which the simulated world relies on. Owner thread.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/reactor_impl.h"

#define TIMER_RESERVE 128u

int nvhi_timers_init(struct nvh_reactor *reactor)
{
	struct nvhi_timer_heap *heap = &reactor->timers;

	heap->slots = malloc(TIMER_RESERVE * sizeof(*heap->slots));
	if (!heap->slots)
		return -ENOMEM;
	heap->capacity = TIMER_RESERVE;
	return 0;
}

void nvhi_timers_fini(struct nvh_reactor *reactor)
{
	assert(reactor->timers.count == 0);
	free(reactor->timers.slots);
	reactor->timers.slots = NULL;
}

static inline bool slot_before(const struct nvhi_timer_slot *a, const struct nvhi_timer_slot *b)
{
	return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

static inline void slot_put(struct nvhi_timer_heap *heap, uint32_t index,
			    struct nvhi_timer_slot slot)
{
	heap->slots[index] = slot;
	slot.timer->slot = index + 1;
}

static void heap_up(struct nvhi_timer_heap *heap, uint32_t index, struct nvhi_timer_slot slot)
{
	while (index > 0) {
		uint32_t parent = (index - 1) / 4;

		if (!slot_before(&slot, &heap->slots[parent]))
			break;
		slot_put(heap, index, heap->slots[parent]);
		index = parent;
	}
	slot_put(heap, index, slot);
}

static void heap_down(struct nvhi_timer_heap *heap, uint32_t index, struct nvhi_timer_slot slot)
{
	for (;;) {
		uint32_t first = index * 4 + 1, best = first;

		if (first >= heap->count)
			break;
		for (uint32_t i = first + 1; i < first + 4 && i < heap->count; i++)
			if (slot_before(&heap->slots[i], &heap->slots[best]))
				best = i;
		if (!slot_before(&heap->slots[best], &slot))
			break;
		slot_put(heap, index, heap->slots[best]);
		index = best;
	}
	slot_put(heap, index, slot);
}

/* Puts `slot` at `index`, whose former content is gone, and restores the order. */
static void heap_settle(struct nvhi_timer_heap *heap, uint32_t index, struct nvhi_timer_slot slot)
{
	if (index > 0 && slot_before(&slot, &heap->slots[(index - 1) / 4]))
		heap_up(heap, index, slot);
	else
		heap_down(heap, index, slot);
}

static int heap_grow(struct nvhi_timer_heap *heap)
{
	uint32_t capacity = heap->capacity * 2;
	struct nvhi_timer_slot *slots = realloc(heap->slots, capacity * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	heap->slots = slots;
	heap->capacity = capacity;
	return 0;
}

int nvhi_timer_arm_at(struct nvh_reactor *reactor, struct nvhi_timer *timer, uint64_t deadline)
{
	struct nvhi_timer_heap *heap = &reactor->timers;
	struct nvhi_timer_slot slot = {.deadline = deadline, .timer = timer};

	assert(timer->fn);
	if (!timer->slot && heap->count == heap->capacity && heap_grow(heap) < 0)
		return -ENOMEM;
	timer->deadline = deadline;
	slot.order = heap->next_order++;
	if (timer->slot)
		heap_settle(heap, timer->slot - 1, slot);
	else
		heap_up(heap, heap->count++, slot);
	nvhi_embedded_notify(reactor);
	return 0;
}

int nvhi_timer_arm(struct nvh_reactor *reactor, struct nvhi_timer *timer, uint64_t delay_ns)
{
	uint64_t now = reactor->in_turn ? reactor->now : nvhi_reactor_clock(reactor);

	return nvhi_timer_arm_at(reactor, timer,
				 delay_ns > NVHI_NEVER - now ? NVHI_NEVER : now + delay_ns);
}

void nvhi_timer_cancel(struct nvh_reactor *reactor, struct nvhi_timer *timer)
{
	struct nvhi_timer_heap *heap = &reactor->timers;
	uint32_t index = timer->slot - 1;

	if (!timer->slot)
		return;
	assert(index < heap->count && heap->slots[index].timer == timer);
	timer->slot = 0;
	heap->count--;
	if (index < heap->count)
		heap_settle(heap, index, heap->slots[heap->count]);
}

uint64_t nvhi_reactor_next_deadline(struct nvh_reactor *reactor)
{
	return reactor->timers.count ? reactor->timers.slots[0].deadline : NVHI_NEVER;
}

int nvhi_timers_run(struct nvh_reactor *reactor)
{
	struct nvhi_timer_heap *heap = &reactor->timers;
	uint64_t armed_before = heap->next_order; /* a timer re-armed for the past waits a turn */
	int done = 0;

	while (heap->count > 0 && heap->slots[0].deadline <= reactor->now &&
	       heap->slots[0].order < armed_before) {
		struct nvhi_timer *timer = heap->slots[0].timer;

		nvhi_timer_cancel(reactor, timer);
		reactor->stats.timers++;
		done++;
		timer->fn(timer);
	}
	return done;
}
