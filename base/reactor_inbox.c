/*
 * The reactor's inbox: an rte_ring (many producers in RTS mode, so that a preempted sender holds
 * up no other; one consumer) that spills into an intrusive lock-free stack when it is full, so
 * that posting never fails and never waits. The owner takes, any thread posts.
 *
 * Order per sender. While `spill` is not NULL every sender spills. The owner takes the stack and
 * leaves SPILL_OPEN there (still "spill!"), empties the ring, runs what it took, and only when
 * nothing more was spilled meanwhile sets it back to NULL. So all that a sender put in the ring
 * runs before what it spilled after it, and before what it puts in the ring later.
 */
#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_ring.h>

#include "base/reactor_impl.h"

#define INBOX_SIZE_DEFAULT 256u
#define INBOX_BATCH        32u

/* Not a message: ends the stack, and stands alone in it while the owner works on what it took. */
static struct nvhi_msg spill_open;
#define SPILL_OPEN (&spill_open)

/* rte_ring orders with fences and volatile words that TSan cannot follow; what a message carries
 * is handed over by msg->next, stored with release and loaded with acquire. */
#if !defined(NVHI_TSAN)
#define INBOX_RING_FN
#elif defined(__clang__)
#define INBOX_RING_FN __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define INBOX_RING_FN __attribute__((no_sanitize("thread"), noinline))
#endif

INBOX_RING_FN static bool ring_put(struct rte_ring *ring, struct nvhi_msg *msg)
{
	return rte_ring_enqueue(ring, msg) == 0;
}

INBOX_RING_FN static uint32_t ring_take(struct rte_ring *ring, struct nvhi_msg **msgs, uint32_t max)
{
	return rte_ring_dequeue_burst(ring, (void **)msgs, max, NULL);
}

INBOX_RING_FN static bool ring_empty(const struct rte_ring *ring)
{
	return rte_ring_empty(ring);
}

/* No message in it and no sender half way through putting one in. */
INBOX_RING_FN static bool ring_quiet(const struct rte_ring *ring)
{
	uint64_t raw = __atomic_load_n(&ring->rts_prod.head.raw, __ATOMIC_ACQUIRE);
	union __rte_ring_rts_poscnt head = {.raw = raw};

	return head.val.pos == ring->cons.tail;
}

int nvhi_inbox_init(struct nvh_reactor *reactor, uint32_t size)
{
	uint32_t slots = rte_align32pow2((size ? size : INBOX_SIZE_DEFAULT) + 1);
	ssize_t bytes = rte_ring_get_memsize(slots);
	struct rte_ring *ring;
	int err;

	if (bytes < 0)
		return (int)bytes;
	ring = aligned_alloc(RTE_CACHE_LINE_SIZE,
			     RTE_ALIGN_CEIL((size_t)bytes, RTE_CACHE_LINE_SIZE));
	if (!ring)
		return -ENOMEM;
	err = rte_ring_init(ring, "inbox", slots, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	if (!err) /* a sender never waits for another: the ring just counts as full (and spills) */
		err = rte_ring_set_prod_htd_max(ring, ring->capacity);
	if (err) {
		free(ring);
		return err;
	}
	reactor->ring = ring;
	return 0;
}

void nvhi_inbox_fini(struct nvh_reactor *reactor)
{
	free(reactor->ring);
	reactor->ring = NULL;
}

bool nvhi_inbox_empty(const struct nvh_reactor *reactor)
{
	struct nvhi_msg *spill = __atomic_load_n(&reactor->spill, __ATOMIC_RELAXED);

	return !reactor->taken && !spill && ring_empty(reactor->ring);
}

void nvhi_reactor_post(struct nvh_reactor *reactor, struct nvhi_msg *msg)
{
	struct nvhi_msg *top = __atomic_load_n(&reactor->spill, __ATOMIC_ACQUIRE);

	__atomic_store_n(&msg->next, NULL, __ATOMIC_RELEASE);
	if (top || !ring_put(reactor->ring, msg)) {
		do {
			__atomic_store_n(&msg->next, top, __ATOMIC_RELAXED);
		} while (!__atomic_compare_exchange_n(&reactor->spill, &top, msg, true,
						      __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	}
	nvhi_reactor_wake_sleeper(reactor);
}

static void inbox_run_one(struct nvh_reactor *reactor, struct nvhi_msg *msg)
{
	reactor->stats.messages++;
	msg->fn(msg);
}

static int inbox_run_ring(struct nvh_reactor *reactor)
{
	struct nvhi_msg *batch[INBOX_BATCH];
	uint32_t left = reactor->ring->capacity; /* what a message posts to itself waits a turn */
	uint32_t count;
	int done = 0;

	while (left > 0) {
		count = ring_take(reactor->ring, batch, left < INBOX_BATCH ? left : INBOX_BATCH);
		if (count == 0)
			break;
		for (uint32_t i = 0; i < count; i++) {
			(void)__atomic_load_n(&batch[i]->next, __ATOMIC_ACQUIRE);
			inbox_run_one(reactor, batch[i]);
		}
		left -= count;
		done += (int)count;
	}
	return done;
}

/* Takes the stack, oldest first, and leaves it open. */
static struct nvhi_msg *inbox_take_spill(struct nvh_reactor *reactor)
{
	struct nvhi_msg *msg = __atomic_exchange_n(&reactor->spill, SPILL_OPEN, __ATOMIC_ACQUIRE);
	struct nvhi_msg *oldest = NULL;

	while (msg && msg != SPILL_OPEN) {
		struct nvhi_msg *next = __atomic_load_n(&msg->next, __ATOMIC_RELAXED);

		msg->next = oldest;
		oldest = msg;
		msg = next;
	}
	return oldest;
}

static int inbox_run_taken(struct nvh_reactor *reactor)
{
	int done = 0;

	while (reactor->taken) {
		struct nvhi_msg *msg = reactor->taken;

		reactor->taken = msg->next;
		inbox_run_one(reactor, msg);
		done++;
	}
	return done;
}

int nvhi_inbox_run(struct nvh_reactor *reactor)
{
	struct nvhi_msg *spill = __atomic_load_n(&reactor->spill, __ATOMIC_RELAXED);
	struct nvhi_msg *open = SPILL_OPEN;
	int done = 0;

	if (!spill) {
		if (ring_empty(reactor->ring))
			return 0;
		return inbox_run_ring(reactor);
	}
	if (!reactor->taken)
		reactor->taken = inbox_take_spill(reactor);
	done += inbox_run_ring(reactor);
	if (!ring_quiet(reactor->ring))
		return done; /* a sender is half way in; what it spills later must not overtake it
			      */
	done += inbox_run_taken(reactor);
	__atomic_compare_exchange_n(&reactor->spill, &open, NULL, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
	return done;
}

void nvhi_reactor_wake(struct nvh_reactor *reactor)
{
	uint64_t one = 1;
	int saved = errno;

	/* EAGAIN: the counter is at its end, and so the descriptor is readable anyhow. */
	if (write(reactor->wake_fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	errno = saved;
}

/*
 * The sender publishes, fences, and looks whether the owner sleeps; the owner says that it sleeps,
 * fences, and looks whether something was published. One of them sees the other.
 */
void nvhi_reactor_wake_sleeper(struct nvh_reactor *reactor)
{
	if (reactor->simulated)
		return;
	nvhi_full_fence();
	if (__atomic_load_n(&reactor->asleep, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&reactor->asleep, 0, __ATOMIC_ACQ_REL))
		nvhi_reactor_wake(reactor);
}

struct inbox_call {
	struct nvhi_msg msg;
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
};

static void inbox_call_run(struct nvhi_msg *msg)
{
	struct inbox_call *call = nvhi_container_of(msg, struct inbox_call, msg);

	call->fn(call->arg);
	sem_post(&call->done);
}

void nvhi_reactor_call(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg)
{
	struct inbox_call call = {.msg.fn = inbox_call_run, .fn = fn, .arg = arg};

	if (nvhi_reactor_is_current(reactor)) {
		fn(arg);
		return;
	}
	sem_init(&call.done, 0, 0);
	nvhi_reactor_post(reactor, &call.msg);
	while (sem_wait(&call.done) < 0 && errno == EINTR)
		;
	sem_destroy(&call.done);
}
