/*
 * A reactor for tests, what it called in which order, and things to put on it: timers that trace,
 * sources on socket pairs, a clock set by hand. One thread.
 */
#ifndef TESTS_UNIT_REACTOR_FIXTURE_H
#define TESTS_UNIT_REACTOR_FIXTURE_H

#include "base/reactor.h"
#include "tests/unit/nvh_cunit.h"

/* The test's reactor; NULL between setup and teardown of two tests. */
extern struct nvh_reactor *reactor;
void setup_opts(const struct nvhi_reactor_opts *opts);
void setup(void);
void teardown(void);

/* What was called, a letter each. setup clears it. */
extern char trace[256];
void trace_add(char what);

/* A simulated reactor at time 1000; the time is sim.time. */
struct sim_clock {
	struct nvhi_clock clock;
	uint64_t time;
};
extern struct sim_clock sim;
void setup_sim(void);

/* Traces its name, then cancels or arms others. */
struct named_timer {
	struct nvhi_timer timer;
	char name;
	struct nvhi_timer *cancels, *arms;
	uint64_t arm_delay;
};
void named_timer_fn(struct nvhi_timer *timer);
#define NAMED_TIMER(letter)                                                                        \
	{                                                                                          \
		.timer.fn = named_timer_fn, .name = (letter)                                       \
	}

/* Counts itself; checks that `number` is the one that follows. setup begins anew at 0. */
struct numbered_msg {
	struct nvhi_msg msg;
	uint32_t number;
	uint32_t reposts;
};
extern uint32_t next_number, wrong_numbers;
void numbered_msg_fn(struct nvhi_msg *msg);

/* A source on fds[0] that reads a byte a call, and removes another (or itself) before. */
struct pair_source {
	struct nvhi_source source;
	int fds[2];
	unsigned int calls, last_events;
	struct pair_source *removes;
	bool reads;
};
int pair_fn(struct nvhi_source *source, unsigned int events);
void pair_open(struct pair_source *pair, unsigned int events);
void pair_send(struct pair_source *pair);
void pair_close(struct pair_source *pair);

/* Counts its calls; does work from the `work_from`th on. */
struct count_poller {
	struct nvhi_poller poller;
	int calls, work_from;
	struct count_poller *removes;
};
int count_poller_fn(struct nvhi_poller *poller);

/* Traces its name, then takes back or queues others. */
struct named_defer {
	struct nvhi_defer defer;
	char name;
	struct named_defer *defers, *undefers;
};
void named_defer_fn(struct nvhi_defer *defer);

#endif
