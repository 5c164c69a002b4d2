/*
 * What a reactor does when a turn found nothing: poll on for a while, then sleep in one wait.
 *
 * Whether polling pays is learnt. An idle time within the budget is a success, a longer one a
 * failure; when hardly one in five succeeds the reactor sleeps at once, so a slow trickle costs no
 * spinning, and polls only every 16th idle time to see whether times have changed. (They may have
 * only because both ends sleep: waking takes longer than the budget, so lengths seen while
 * sleeping prove nothing.) After a long rest it is hopeful again, which costs next to nothing.
 *
 * Polling on a CPU that others wait for only keeps them from their work, often the very peer whose
 * answer we wait for. So an idle time that gets longer gives the CPU away, and as long as somebody
 * takes it for a moment each time the next gives it away at once. If that goes on for as long as
 * the scheduler needs to part the two, were another CPU free, the reactor sleeps instead of polling
 * for a while. Who computes for whole time slices is no such peer: towards him it keeps its share.
 *
 * A reactor embedded in a foreign loop (nvhi_reactor_fd) counts as asleep whenever that loop has
 * the thread: messages then write the eventfd, and a timerfd stands for the next timer. Owner
 * thread.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_pause.h>

#include "base/reactor_impl.h"

#define IDLE_SCORE_MAX     64u
#define IDLE_SCORE_SUCCESS 4u
#define IDLE_SCORE_HOPEFUL 8u
#define IDLE_PROBE_EVERY   16u
/* After so long a rest polling for the budget is no cost worth counting. */
#define IDLE_REST_NS (10 * NVHI_NSEC_PER_MSEC)
/* Ask for others on this CPU after so much polling (a round trip at depth 1 is through by then);
 * nobody was there if the answer came within the other time. */
#define IDLE_ASK_NS         10000ull
#define IDLE_ALONE_NS       3000ull
#define IDLE_CROWD_PROOF_NS (8 * NVHI_NSEC_PER_MSEC)
#define IDLE_CROWDED_NS     (50 * NVHI_NSEC_PER_MSEC)
/* Who keeps the CPU longer than this is no peer of ours; then it is not asked again for so long. */
#define IDLE_HOG_NS      (200 * NVHI_NSEC_PER_USEC)
#define IDLE_HOG_REST_NS (200 * NVHI_NSEC_PER_MSEC)

void nvhi_idle_init(struct nvh_reactor *reactor, uint32_t spin_us)
{
	reactor->idle.max_ns = spin_us * NVHI_NSEC_PER_USEC;
	reactor->idle.score = IDLE_SCORE_MAX;
}

static void idle_begin(struct nvhi_idle *idle, uint64_t now)
{
	idle->idling = true;
	idle->since = now;
	idle->asked = false;
	idle->budget_ns = 0;
	if (now < idle->crowded_until)
		return;
	if (idle->score > 0 || ++idle->unpolled == IDLE_PROBE_EVERY) {
		idle->unpolled = 0;
		idle->budget_ns = idle->max_ns;
	}
}

/* The last turn did work other than timers: an idle time, if there was one, ended with it. */
void nvhi_idle_worked(struct nvh_reactor *reactor)
{
	struct nvhi_idle *idle = &reactor->idle;
	uint64_t length;

	if (!idle->idling)
		return;
	idle->idling = false;
	length = reactor->now - idle->since;
	if (length <= idle->max_ns) {
		idle->score += IDLE_SCORE_SUCCESS;
		if (idle->score > IDLE_SCORE_MAX)
			idle->score = IDLE_SCORE_MAX;
	} else if (length >= IDLE_REST_NS) {
		if (idle->score < IDLE_SCORE_HOPEFUL)
			idle->score = IDLE_SCORE_HOPEFUL;
	} else if (idle->score > 0 && idle->budget_ns > 0) {
		idle->score--;
	}
}

/* Gives the CPU away for once, and learns from how long it was away. */
static void idle_give_way(struct nvh_reactor *reactor)
{
	struct nvhi_idle *idle = &reactor->idle;
	uint64_t given = nvhi_reactor_clock(reactor), back;

	idle->asked = true;
	sched_yield();
	back = nvhi_reactor_clock(reactor);
	if (back - given <= IDLE_ALONE_NS) {
		idle->crowd_since = 0;
	} else if (back - given > IDLE_HOG_NS) {
		idle->ask_from = back + IDLE_HOG_REST_NS;
	} else if (idle->crowd_since == 0) {
		idle->crowd_since = given;
	} else if (back - idle->crowd_since >= IDLE_CROWD_PROOF_NS) {
		idle->crowd_since = 0;
		idle->crowded_until = back + IDLE_CROWDED_NS;
		idle->budget_ns = 0;
	}
}

/* Polls on: true until the budget of this idle time is spent. */
static bool idle_poll(struct nvh_reactor *reactor)
{
	struct nvhi_idle *idle = &reactor->idle;
	uint64_t polled = reactor->now - idle->since;

	if (polled >= idle->budget_ns)
		return false;
	if (reactor->now >= idle->ask_from &&
	    (idle->crowd_since || (polled >= IDLE_ASK_NS && !idle->asked)))
		idle_give_way(reactor);
	else
		rte_pause();
	return true;
}

int nvhi_idle_wait(struct nvh_reactor *reactor, uint64_t limit)
{
	struct nvhi_idle *idle = &reactor->idle;
	uint64_t deadline = nvhi_reactor_next_deadline(reactor);
	uint64_t now, timeout;
	int err;

	if (!idle->idling)
		idle_begin(idle, reactor->now);
	if (reactor->simulated)
		return -EDEADLK; /* nothing will ever come: virtual time is moved from outside */
	if (reactor->poll || idle_poll(reactor))
		return 0;
	if (nvhi_reactor_must_turn(reactor))
		return 0;

	if (limit < deadline)
		deadline = limit;
	now = reactor->now;
	if (deadline != NVHI_NEVER)
		now = nvhi_reactor_clock(reactor);
	if (deadline <= now)
		return 0;
	timeout = deadline == NVHI_NEVER ? NVHI_NEVER : deadline - now;

	if (nvhi_pollers_arm(reactor))
		return 0;
	if (reactor->eager_count > 0 && nvhi_eager_unpark_all(reactor) < 0)
		return 0; /* epoll cannot take it back just now: poll on, it is tried in each turn
			   */
	__atomic_store_n(&reactor->asleep, 1, __ATOMIC_RELAXED);
	nvhi_full_fence();
	if (!nvhi_inbox_empty(reactor) || __atomic_load_n(&reactor->stopping, __ATOMIC_RELAXED)) {
		__atomic_store_n(&reactor->asleep, 0, __ATOMIC_RELAXED);
		return 0;
	}
	reactor->stats.sleeps++;
	err = nvhi_sources_wait(reactor, timeout);
	__atomic_store_n(&reactor->asleep, 0, __ATOMIC_RELAXED);
	return err;
}

/* ---- in a foreign loop ------------------------------------------------------------------- */

static int embedded_timer_fd(struct nvh_reactor *reactor)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &reactor->timer_fd};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	reactor->timer_fd = fd;
	reactor->timer_fd_deadline = NVHI_NEVER;
	return 0;
}

/* Set only when it must go off earlier: a timer put off costs one idle wake-up, not a syscall
 * each time. Edge-triggered, so that an expiry need not be read. */
static void embedded_set_timer(struct nvh_reactor *reactor)
{
	uint64_t deadline = nvhi_reactor_next_deadline(reactor);
	struct itimerspec spec;

	if (deadline >= reactor->timer_fd_deadline)
		return;
	memset(&spec, 0, sizeof(spec));
	spec.it_value.tv_sec = (time_t)(deadline / NVHI_NSEC_PER_SEC);
	spec.it_value.tv_nsec = (long)(deadline % NVHI_NSEC_PER_SEC);
	if (deadline == 0)
		spec.it_value.tv_nsec = 1; /* zero would disarm it; long past all the same */
	if (timerfd_settime(reactor->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
		reactor->timer_fd_deadline = deadline;
	else
		nvhi_reactor_wake(reactor); /* a turn too many rather than one too late */
}

void nvhi_embedded_leave(struct nvh_reactor *reactor)
{
	embedded_set_timer(reactor);
	__atomic_store_n(&reactor->asleep, 1, __ATOMIC_RELAXED);
	nvhi_full_fence();
	if (nvhi_inbox_empty(reactor) && !nvhi_reactor_must_turn(reactor) && !reactor->poll &&
	    !nvhi_pollers_arm(reactor))
		return;
	if (__atomic_exchange_n(&reactor->asleep, 0, __ATOMIC_ACQ_REL))
		nvhi_reactor_wake(reactor);
}

void nvhi_embedded_notify(struct nvh_reactor *reactor)
{
	if (__builtin_expect(reactor->embedded, 0) && !reactor->in_turn &&
	    !nvhi_reactor_is_current(reactor))
		nvhi_embedded_leave(reactor);
}

int nvhi_reactor_fd(struct nvh_reactor *reactor)
{
	int err;

	if (reactor->simulated)
		return -EOPNOTSUPP;
	if (!reactor->embedded) {
		err = embedded_timer_fd(reactor);
		if (err)
			return err;
		err = nvhi_eager_unpark_all(reactor);
		if (err)
			return err;
		reactor->embedded = true;
		if (!nvhi_reactor_is_current(reactor))
			nvhi_embedded_leave(reactor);
	}
	return reactor->epoll_fd;
}
