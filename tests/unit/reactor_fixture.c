/*
 * A reactor for tests: see reactor_fixture.h. One thread.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/reactor_fixture.h"

struct nvh_reactor *reactor;
char trace[256];
uint32_t next_number, wrong_numbers;

void setup_opts(const struct nvhi_reactor_opts *opts)
{
	reactor = NULL;
	trace[0] = '\0';
	next_number = wrong_numbers = 0;
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(opts, &reactor), 0);
}

void setup(void)
{
	setup_opts(&(struct nvhi_reactor_opts){.name = "test"});
}

void teardown(void)
{
	nvhi_reactor_destroy(reactor);
	reactor = NULL;
}

void trace_add(char what)
{
	size_t len = strlen(trace);

	CU_ASSERT_FATAL(len + 1 < sizeof(trace));
	trace[len] = what;
	trace[len + 1] = '\0';
}

static uint64_t sim_now(const struct nvhi_clock *clock)
{
	return nvhi_container_of(clock, const struct sim_clock, clock)->time;
}

struct sim_clock sim = {.clock.now = sim_now};

void setup_sim(void)
{
	sim.time = 1000;
	setup_opts(&(struct nvhi_reactor_opts){.clock = &sim.clock, .simulated = true});
}

void named_timer_fn(struct nvhi_timer *timer)
{
	struct named_timer *named = nvhi_container_of(timer, struct named_timer, timer);

	CU_ASSERT_FALSE(nvhi_timer_armed(timer));
	trace_add(named->name);
	if (named->cancels)
		nvhi_timer_cancel(reactor, named->cancels);
	if (named->arms)
		CU_ASSERT_EQUAL(nvhi_timer_arm(reactor, named->arms, named->arm_delay), 0);
}

void numbered_msg_fn(struct nvhi_msg *msg)
{
	struct numbered_msg *numbered = nvhi_container_of(msg, struct numbered_msg, msg);

	wrong_numbers += numbered->number != next_number++;
}

int pair_fn(struct nvhi_source *source, unsigned int events)
{
	struct pair_source *pair = nvhi_container_of(source, struct pair_source, source);
	char byte;

	pair->last_events = events;
	if (pair->removes && pair->removes->source.fd >= 0)
		nvhi_source_remove(reactor, &pair->removes->source);
	if (pair->reads && recv(pair->fds[0], &byte, 1, MSG_DONTWAIT) <= 0)
		return 0;
	pair->calls++;
	return 1;
}

void pair_open(struct pair_source *pair, unsigned int events)
{
	memset(pair, 0, sizeof(*pair));
	pair->reads = true;
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair->fds), 0);
	CU_ASSERT_EQUAL_FATAL(
		nvhi_source_add(reactor, &pair->source, pair->fds[0], events, pair_fn), 0);
}

void pair_send(struct pair_source *pair)
{
	CU_ASSERT_EQUAL_FATAL(write(pair->fds[1], "x", 1), 1);
}

void pair_close(struct pair_source *pair)
{
	if (pair->source.fd >= 0)
		nvhi_source_remove(reactor, &pair->source);
	close(pair->fds[0]);
	close(pair->fds[1]);
}

int count_poller_fn(struct nvhi_poller *poller)
{
	struct count_poller *count = nvhi_container_of(poller, struct count_poller, poller);

	if (count->removes)
		nvhi_poller_remove(reactor, &count->removes->poller);
	count->removes = NULL;
	return ++count->calls >= count->work_from;
}

void named_defer_fn(struct nvhi_defer *defer)
{
	struct named_defer *named = nvhi_container_of(defer, struct named_defer, defer);

	trace_add(named->name);
	if (named->undefers)
		nvhi_reactor_undefer(reactor, &named->undefers->defer);
	if (named->defers)
		nvhi_reactor_defer(reactor, &named->defers->defer);
}
