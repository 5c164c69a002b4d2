/*
 * The reactor's inside, shared by the reactor_*.c files and nobody else. Owner thread, except the
 * inbox (any thread posts) and the `stopping` and `asleep` words.
 *
 *	reactor.c		life, the turn, deferred work, pollers
 *	reactor_idle.c		spin, then sleep; being driven by a foreign loop
 *	reactor_inbox.c		messages: the ring, its spill, waking the owner
 *	reactor_source.c	descriptors and epoll
 *	reactor_eager.c		sources tried without asking epoll
 *	reactor_timer.c		the timer heap
 *	reactor_thread.c	a thread that runs a reactor
 */
#ifndef NVHI_BASE_REACTOR_IMPL_H
#define NVHI_BASE_REACTOR_IMPL_H

#include <sys/epoll.h>

#include "base/reactor.h"

/* gcc says it by a macro, clang by a feature. */
#if defined(__SANITIZE_THREAD__)
#define NVHI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NVHI_TSAN 1
#endif
#endif

#define NVHI_CACHE_LINE  64
#define NVHI_EPOLL_BATCH 64
/* With more eager sources than this, asking epoll is cheaper than trying each of them. */
#define NVHI_EAGER_MAX 4
/* How long eager sources are served before epoll is asked for all the others. */
#define NVHI_EPOLL_INTERVAL_NS 20000ull

struct nvhi_timer_slot {
	uint64_t deadline;
	uint64_t order; /* equal deadlines fire in the order they were armed */
	struct nvhi_timer *timer;
};

struct nvhi_timer_heap {
	struct nvhi_timer_slot *slots;
	uint32_t count, capacity;
	uint64_t next_order;
};

/* Whether to poll before sleeping: learnt from how long idle times last (reactor_idle.c). */
struct nvhi_idle {
	uint64_t max_ns;    /* the configured budget */
	uint64_t budget_ns; /* of the present idle time: max_ns or nothing */
	uint64_t since;     /* when the present idle time began */
	uint32_t score;     /* how well polling has paid of late; 0: not at all */
	uint32_t unpolled;  /* idle times since the last that was polled */
	bool idling;
	bool asked;             /* in this idle time: does anyone else want the CPU? */
	uint64_t crowd_since;   /* since when somebody does, for moments at a time; 0: nobody */
	uint64_t crowded_until; /* somebody did for long enough: no polling before */
	uint64_t ask_from;      /* somebody kept it for long: no asking before */
};

struct rte_ring;

struct nvh_reactor {
	/* The owner's, in the order a turn wants them. */
	uint64_t now;
	const struct nvhi_clock *clock;
	struct rte_ring *ring;
	struct nvhi_msg *taken; /* spilled messages taken, not yet run */
	struct nvhi_timer_heap timers;
	struct nvhi_list eager, pollers, deferred;
	struct nvhi_source *trying; /* the eager source being called; NULL once it is removed */
	uint32_t eager_count, parked_count;
	uint32_t source_count;
	uint32_t expecting_count; /* pollers */
	uint32_t unpolled_count; /* that only epoll serves: not tried, or not just to read */
	uint64_t last_epoll;
	struct nvhi_list *eager_next, *poller_next; /* iteration survives removals */
	struct epoll_event events[NVHI_EPOLL_BATCH];
	int event_count, event_index; /* harvested, not yet dispatched */
	int epoll_fd, wake_fd, timer_fd;
	uint64_t timer_fd_deadline;
	bool poll, simulated;
	bool in_turn;
	bool embedded; /* nvhi_reactor_fd was asked for: keep that descriptor's readiness true */
	bool worked;   /* the last turn did work; its length is still to be accounted */
	struct nvhi_idle idle;
	struct nvhi_list sources;
	struct nvhi_reactor_stats stats;
	char name[32];

	/* Other threads'. */
	struct nvhi_msg *spill __attribute__((aligned(NVHI_CACHE_LINE)));
	uint32_t asleep;
	uint32_t stopping;
};

/* Store-load ordering between a message (or stop) and the owner's `asleep`, both ways. */
static inline void nvhi_full_fence(void)
{
#if defined(NVHI_TSAN)
	/* TSan refuses fences. Relaxed, so that it sees no synchronisation that is not there; on
	 * the machine it is a locked instruction all the same. */
	static uint32_t word;

	__atomic_fetch_add(&word, 1, __ATOMIC_RELAXED);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* inbox */
int nvhi_inbox_init(struct nvh_reactor *reactor, uint32_t size);
void nvhi_inbox_fini(struct nvh_reactor *reactor);
bool nvhi_inbox_empty(const struct nvh_reactor *reactor);
int nvhi_inbox_run(struct nvh_reactor *reactor);
/* Makes epoll_wait (or the foreign poll) return. Any thread; async-signal-safe. */
void nvhi_reactor_wake(struct nvh_reactor *reactor);
/* Wakes the owner if it sleeps. Any thread, after publishing what it shall see. */
void nvhi_reactor_wake_sleeper(struct nvh_reactor *reactor);

/* timers */
int nvhi_timers_init(struct nvh_reactor *reactor);
void nvhi_timers_fini(struct nvh_reactor *reactor);
int nvhi_timers_run(struct nvh_reactor *reactor);

/* eager sources */
/* Whether the source is among those tried in each turn. */
static inline bool nvhi_eager_tried(const struct nvhi_source *source)
{
	return !nvhi_list_empty(&source->eager_link);
}
int nvhi_eager_run(struct nvh_reactor *reactor);
/* Takes it off the list of those tried, whatever its state; it must be parked no more. */
void nvhi_eager_drop(struct nvh_reactor *reactor, struct nvhi_source *source);
/* Puts a parked source back into epoll. 0 or -errno. */
int nvhi_eager_unpark(struct nvh_reactor *reactor, struct nvhi_source *source);
/* All of them, before epoll is relied on. 0 or -errno: some are still parked. */
int nvhi_eager_unpark_all(struct nvh_reactor *reactor);

/* sources */
/* Only epoll can tell what it waits for. */
static inline bool nvhi_source_unpolled(const struct nvhi_source *source)
{
	return !nvhi_eager_tried(source) || source->events != NVHI_READABLE;
}
uint32_t nvhi_source_epoll_mask(unsigned int events);
int nvhi_sources_init(struct nvh_reactor *reactor);
void nvhi_sources_fini(struct nvh_reactor *reactor);
/* The sources' part of a turn: eager ones, and epoll without waiting when it is its turn. */
int nvhi_sources_run(struct nvh_reactor *reactor);
/* Blocks in epoll until something comes or `timeout_ns` have passed (NVHI_NEVER: no limit) and
 * leaves the events harvested for nvhi_sources_run. No source may be parked. */
int nvhi_sources_wait(struct nvh_reactor *reactor, uint64_t timeout_ns);

/* turn: work done in all, and through ret_activity that of others than timers */
int nvhi_turn(struct nvh_reactor *reactor, int *ret_activity);
/* Accounts the length of the last turn, which ended at `now`. */
void nvhi_turn_account(struct nvh_reactor *reactor, uint64_t now);
/* Something is to be done that no descriptor will tell. */
bool nvhi_reactor_must_turn(const struct nvh_reactor *reactor);

/* Has every poller's descriptor tell from now on; true: one has work already. */
bool nvhi_pollers_arm(struct nvh_reactor *reactor);

/* idle */
void nvhi_idle_init(struct nvh_reactor *reactor, uint32_t spin_us);
void nvhi_idle_worked(struct nvh_reactor *reactor);
/* After a turn without work: returns at once while it pays to poll on, else sleeps, `limit_ns`
 * (absolute time, NVHI_NEVER: none) at most. 0 or -errno. */
int nvhi_idle_wait(struct nvh_reactor *reactor, uint64_t limit);
/* The owner leaves an embedded reactor to a foreign loop: make its descriptor tell the truth. */
void nvhi_embedded_leave(struct nvh_reactor *reactor);
/* Work came up outside a turn (a timer, deferred work): the foreign loop must hear of it. */
void nvhi_embedded_notify(struct nvh_reactor *reactor);

/* The thread-local "current reactor"; returns the one before. */
struct nvh_reactor *nvhi_reactor_enter(struct nvh_reactor *reactor);
void nvhi_reactor_leave(struct nvh_reactor *previous);

#endif
