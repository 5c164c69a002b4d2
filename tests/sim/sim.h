/*
 * The simulated world: the real host (public API, multipath, controllers, NVMe/TCP queues) and the
 * real target (core, TCP connections), in one thread, on virtual time, over simulated links. One
 * seed is one world and replays exactly (docs/simulation.md). This header is what its parts share:
 * random numbers, the trace, failures, the scheduler.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reactor.h"

#define SIM_US NVHI_NSEC_PER_USEC
#define SIM_MS NVHI_NSEC_PER_MSEC
#define SIM_S  NVHI_NSEC_PER_SEC

/* ---- random numbers: a stream of its own for each part -------------------------------------- */

struct sim_rng {
	uint64_t state;
};
static inline uint64_t sim_next(struct sim_rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ull); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}
/* 0 to n - 1; n > 0. */
static inline uint64_t sim_below(struct sim_rng *rng, uint64_t n)
{
	return sim_next(rng) % n;
}
static inline uint64_t sim_between(struct sim_rng *rng, uint64_t lo, uint64_t hi)
{
	return lo + sim_below(rng, hi - lo + 1);
}
/* n times in 100. */
static inline bool sim_chance(struct sim_rng *rng, unsigned int n)
{
	return sim_below(rng, 100) < n;
}

enum sim_stream_of_numbers {
	SIM_RNG_WORLD,
	SIM_RNG_SCHED,
	SIM_RNG_NET,
	SIM_RNG_DISK,
	SIM_RNG_WORK,
	SIM_RNG_FAULT,
	SIM_RNG_TARGET,
	SIM_RNG_COUNT,
};

/* ---- the world's core ------------------------------------------------------------------------ */

#define SIM_REACTORS 12

/* Bugs put in on purpose, to see that the checker can fail. Only in the tests. */
enum sim_mutant {
	SIM_MUTANT_NONE,
	SIM_MUTANT_LOST_WRITE,  /* the disk says done and did nothing */
	SIM_MUTANT_DONE_UNSENT, /* a write whose connection was lost counts as done */
	SIM_MUTANT_STALE_READ,  /* a repeated read lands in another buffer */
	SIM_MUTANT_TWICE,       /* a callback comes twice */
	SIM_MUTANT_NEVER,       /* a callback never comes */
	SIM_MUTANT_TORN,
	/* a write of several blocks leaves out the last */ SIM_MUTANT_GHOST, /* a write that the
										 host gave up takes
										 effect much later
									       */
	SIM_MUTANT_ANA,    /* a path nobody told the state of counts as optimized */
	SIM_MUTANT_CRD,    /* the wrong Command Retry Delay is waited for */
	SIM_MUTANT_REVOKE, /* commands come back before their memory is out of reach */
	SIM_MUTANT_FENCE,    /* no write is fenced */
	SIM_MUTANT_RDY,	     /* the response to CC.EN = 0 counts as a proof */
	SIM_MUTANT_ACCEPTED, /* a Cross-Controller Reset that was accepted counts as done */
	SIM_MUTANT_SHORT,    /* the time proof comes too early */
	SIM_MUTANT_DEAF,     /* no probe ever tells anything: silence is left to time-outs */
	SIM_MUTANT_SETTLED,  /* a queue that was lost counts as one that was disconnected */
	SIM_MUTANT_HEDGE,  /* the losing copy of a hedged read lands in the caller's buffer */
	SIM_MUTANT_COUNT,
};
extern const char *const sim_mutant_names[SIM_MUTANT_COUNT];

struct sim_core {
	uint64_t seed;
	uint64_t now;
	struct nvhi_clock clock;
	struct sim_rng rng[SIM_RNG_COUNT];
	struct nvh_reactor *reactors[SIM_REACTORS];
	bool frozen[SIM_REACTORS]; /* of a process that was killed: never runs again */
	uint32_t count;
	uint32_t rounds; /* since time last moved */
	uint64_t turns;
	bool verbose;
	bool hold; /* disks apply commands when they complete: writes can be ghosts */
	enum sim_mutant mutant;
	uint32_t mutations; /* times the mutant struck */
	bool failed;
	char why[512];
	uint64_t hash; /* of all that was traced */
	uint64_t traced;
};
extern struct sim_core sim;

static inline struct sim_rng *sim_rng(enum sim_stream_of_numbers which)
{
	return &sim.rng[which];
}

/* A line of the trace: its numbers go into the hash, the text is printed when asked for. All
 * arguments are numbers, printed with %llu or %llx. */
#define SIM_TRACE(fmt, ...)                                                                        \
	sim_trace(__LINE__, fmt, (const unsigned long long[]){0, ##__VA_ARGS__},                   \
		  sizeof((const unsigned long long[]){0, ##__VA_ARGS__}) / 8)
void sim_trace(unsigned int line, const char *fmt, const unsigned long long *args, unsigned long n);
/* The first failure is the one that is told; the world then ends early. */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- scheduler ------------------------------------------------------------------------------- */

void sim_core_init(uint64_t seed, bool verbose, enum sim_mutant mutant, bool hold);
/* Destroys the reactors; a timer that is still armed is a failure. */
void sim_core_done(void);
struct nvh_reactor *sim_reactor_create(const char *name);
/* It has no turn any more; what it holds is lost. */
void sim_reactor_freeze(struct nvh_reactor *reactor);
/* Reactors take turns in random order until nobody has anything to do, then time moves to the next
 * deadline; until `done` says so, virtual `limit` has passed (false), or something failed. */
bool sim_run_until(bool (*done)(void), uint64_t limit);
/* fn(arg) on that reactor, in its next turn. */
void sim_on(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg);

#endif
