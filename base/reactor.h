/*
 * The reactor: one thread's event loop. It owns file descriptors, timers, pollers and a message
 * inbox; everything that lives on a reactor is touched by its thread alone, so nothing here or
 * above takes a lock on an I/O path (docs/architecture.md, "one reactor owns what it touches").
 *
 * One turn: inbox -> eager sources -> epoll -> pollers -> due timers -> deferred work. Timers come
 * after I/O, so that an answer which lies in a socket is taken before its deadline strikes, even
 * when the process was held up. A turn that found nothing to do counts against the spin budget;
 * when that is spent the reactor blocks in one epoll_wait until a descriptor, a message or the next
 * timer wants it.
 *
 * Objects (msg, timer, source, poller, defer) are embedded in their owner and recovered with
 * nvhi_container_of; the reactor allocates nothing after creation.
 */
#ifndef NVHI_BASE_REACTOR_H
#define NVHI_BASE_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct nvh_reactor;

#define NVHI_NSEC_PER_USEC 1000ull
#define NVHI_NSEC_PER_MSEC 1000000ull
#define NVHI_NSEC_PER_SEC  1000000000ull
#define NVHI_NEVER         UINT64_MAX

/* ---- clock ------------------------------------------------------------------------------- */

/* Monotonic nanoseconds. The simulated world passes its own; see nvhi_clock_monotonic. */
struct nvhi_clock {
	uint64_t (*now)(const struct nvhi_clock *clock);
};
extern const struct nvhi_clock nvhi_clock_monotonic;

/* ---- life -------------------------------------------------------------------------------- */

struct nvhi_reactor_opts {
	const char *name;               /* for logs and the thread name; copied; NULL: "reactor" */
	const struct nvhi_clock *clock; /* NULL: nvhi_clock_monotonic */
	uint32_t spin_us;    /* idle time polled before sleeping; see NVHI_SPIN_DEFAULT */
	bool poll;           /* never sleep: a dedicated core */
	bool simulated;      /* no epoll, no eventfd: driven by nvhi_reactor_turn alone */
	uint32_t inbox_size; /* messages the ring holds before it spills; 0: 256 */
};
#define NVHI_SPIN_DEFAULT_US 40u

/* Creates a reactor bound to no thread yet; the thread that first runs it owns it. 0/-errno. */
int nvhi_reactor_create(const struct nvhi_reactor_opts *opts, struct nvh_reactor **ret_reactor);
/* All sources, timers and pollers must be gone; messages still queued are run first. */
void nvhi_reactor_destroy(struct nvh_reactor *reactor);

/* Runs until nvhi_reactor_stop. Owner thread. */
void nvhi_reactor_loop(struct nvh_reactor *reactor);
/* Makes nvhi_reactor_loop return after the present turn. Any thread; async-signal-safe. */
void nvhi_reactor_stop(struct nvh_reactor *reactor);
/* Waits at most timeout_ms (0: do not wait, -1: until something happens) and serves what is due.
 * Returns how much work was done, or -errno. Owner thread. */
int nvhi_reactor_run(struct nvh_reactor *reactor, int timeout_ms);
/* One turn without waiting or spinning; what the simulated world calls. Returns work done. */
int nvhi_reactor_turn(struct nvh_reactor *reactor);
/* A descriptor readable when the reactor has work or a timer is due (for a foreign epoll). */
int nvhi_reactor_fd(struct nvh_reactor *reactor);
/* When the next timer is due, NVHI_NEVER when none. Owner thread. */
uint64_t nvhi_reactor_next_deadline(struct nvh_reactor *reactor);

/* The time of this turn's start: cheap, does not advance within a turn. Owner thread. */
uint64_t nvhi_reactor_now(const struct nvh_reactor *reactor);
/* Reads the clock. For latency stamps that must not be a turn old. Owner thread. */
uint64_t nvhi_reactor_clock(struct nvh_reactor *reactor);
bool nvhi_reactor_is_current(const struct nvh_reactor *reactor);
/* The reactor whose loop, run or turn the calling thread is in; NULL outside. */
struct nvh_reactor *nvhi_reactor_current(void);
const char *nvhi_reactor_name(const struct nvh_reactor *reactor);

struct nvhi_reactor_stats {
	uint64_t turns, idle_turns, sleeps, epoll_waits, messages, timers, busy_ns, longest_turn_ns;
};
void nvhi_reactor_stats(const struct nvh_reactor *reactor, struct nvhi_reactor_stats *ret_stats);

/* A thread that runs `reactor` (nvhi_reactor_loop) pinned to `cpu` (-1: not pinned). */
struct nvhi_reactor_thread;
int nvhi_reactor_thread_start(struct nvh_reactor *reactor, int cpu,
			      struct nvhi_reactor_thread **ret_thread);
/* Stops the loop, joins, frees the thread object (not the reactor). Another thread. */
void nvhi_reactor_thread_join(struct nvhi_reactor_thread *thread);

/* ---- messages ---------------------------------------------------------------------------- */

struct nvhi_msg;
typedef void (*nvhi_msg_fn)(struct nvhi_msg *msg);
/* Embedded in the object it concerns. One may be posted again once its fn has been entered. */
struct nvhi_msg {
	struct nvhi_msg *next;
	nvhi_msg_fn fn;
};
/* Runs msg->fn on the reactor's thread. Never fails and never blocks: a full ring spills into an
 * intrusive list. From one sender messages arrive in order. Any thread. */
void nvhi_reactor_post(struct nvh_reactor *reactor, struct nvhi_msg *msg);
/* Posts and waits until fn has run; runs it at once when already on the reactor. Never call it
 * from another reactor's thread (two could wait for each other); for application threads. */
void nvhi_reactor_call(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg);

/* ---- timers ------------------------------------------------------------------------------ */

struct nvhi_timer;
typedef void (*nvhi_timer_fn)(struct nvhi_timer *timer);
/* Zero-initialised plus fn is a valid disarmed timer. One shot; fn may re-arm it or free it. */
struct nvhi_timer {
	nvhi_timer_fn fn;
	uint64_t deadline;
	uint32_t slot; /* 1-based place in the heap, 0: disarmed */
};
/* (Re-)arms for an absolute time. -ENOMEM only when the heap must grow beyond its reserve. */
int nvhi_timer_arm_at(struct nvh_reactor *reactor, struct nvhi_timer *timer, uint64_t deadline);
int nvhi_timer_arm(struct nvh_reactor *reactor, struct nvhi_timer *timer, uint64_t delay_ns);
void nvhi_timer_cancel(struct nvh_reactor *reactor, struct nvhi_timer *timer);
static inline bool nvhi_timer_armed(const struct nvhi_timer *timer)
{
	return timer->slot != 0;
}

/* ---- file descriptors -------------------------------------------------------------------- */

enum {
	NVHI_READABLE = 1u << 0,
	NVHI_WRITABLE = 1u << 1,
	NVHI_HANGUP = 1u << 2, /* reported only */
};

struct nvhi_source;
/* `events` may be a guess when the source is eager. Returns the amount of work done, 0 for none
 * (which lets the reactor go to sleep). May delete its own source or any other. */
typedef int (*nvhi_source_fn)(struct nvhi_source *source, unsigned int events);
struct nvhi_source {
	int fd;
	nvhi_source_fn fn;
	unsigned int events;
	bool eager;
	bool parked;           /* the reactor's: out of epoll while it is tried all the time */
	uint32_t hits, misses; /* the reactor's: of trying it */
	struct nvhi_list link; /* the reactor's: all sources */
	struct nvhi_list eager_link; /* the reactor's: those tried without asking epoll */
};
int nvhi_source_add(struct nvh_reactor *reactor, struct nvhi_source *source, int fd,
		    unsigned int events, nvhi_source_fn fn);
int nvhi_source_modify(struct nvh_reactor *reactor, struct nvhi_source *source,
		       unsigned int events);
/* After this fn is not called again, not even for events already harvested in this turn. */
void nvhi_source_remove(struct nvh_reactor *reactor, struct nvhi_source *source);
/* Eager: known to be worth trying (requests outstanding). While few sources are eager the reactor
 * calls fn with NVHI_READABLE in each turn and asks epoll only now and then; it may go on trying
 * for a little while after eager has ended. Cheap enough to switch for each command. */
void nvhi_source_set_eager(struct nvh_reactor *reactor, struct nvhi_source *source, bool eager);

/* ---- pollers and deferred work ----------------------------------------------------------- */

struct nvhi_poller;
typedef int (*nvhi_poller_fn)(struct nvhi_poller *poller); /* returns work done */
/* Called in every turn; a reactor with a poller does sleep after its spin budget unless `busy`
 * is set, which keeps it polling (a queue in memory with commands outstanding, no interrupt).
 * `arm`, NULL or called before the owner blocks: makes a descriptor tell of what fn would find, and
 * returns true when there is something already (then it does not block). It must not do the work. */
struct nvhi_poller {
	nvhi_poller_fn fn;
	bool busy;
	bool (*arm)(struct nvhi_poller *poller);
	bool expecting; /* the reactor's: see nvhi_poller_expect */
	struct nvhi_list link;
};
void nvhi_poller_add(struct nvh_reactor *reactor, struct nvhi_poller *poller, nvhi_poller_fn fn);
void nvhi_poller_remove(struct nvh_reactor *reactor, struct nvhi_poller *poller);
/* What this poller looks for is on its way (commands outstanding): as with eager sources, the
 * descriptors are asked for only now and then meanwhile. Cheap enough to switch for each command. */
void nvhi_poller_expect(struct nvh_reactor *reactor, struct nvhi_poller *poller, bool expect);

struct nvhi_defer;
typedef void (*nvhi_defer_fn)(struct nvhi_defer *defer);
/* Runs once at the end of this turn (before any sleep): where a queue sends its batch. */
struct nvhi_defer {
	nvhi_defer_fn fn;
	bool queued;
	struct nvhi_list link;
};
void nvhi_reactor_defer(struct nvh_reactor *reactor, struct nvhi_defer *defer);
void nvhi_reactor_undefer(struct nvh_reactor *reactor, struct nvhi_defer *defer);

#endif
