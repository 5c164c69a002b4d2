/*
 * base/reactor_inbox.c: order through ring and spill, on one thread and from several.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "base/reactor.h"
#include "tests/unit/nvh_cunit.h"
#include "tests/unit/reactor_fixture.h"

static void messages_keep_their_order_through_ring_and_spill(void)
{
	static struct numbered_msg msgs[100];

	setup_opts(&(struct nvhi_reactor_opts){.inbox_size = 4});
	for (uint32_t i = 0; i < 100; i++) {
		msgs[i] = (struct numbered_msg){.msg.fn = numbered_msg_fn, .number = i};
		nvhi_reactor_post(reactor, &msgs[i].msg);
		if (i == 50)
			nvhi_reactor_turn(reactor);
	}
	while (nvhi_reactor_turn(reactor) > 0)
		;
	CU_ASSERT_EQUAL(next_number, 100);
	CU_ASSERT_EQUAL(wrong_numbers, 0);
	teardown();
}

static void reposting_msg_fn(struct nvhi_msg *msg)
{
	struct numbered_msg *numbered = nvhi_container_of(msg, struct numbered_msg, msg);

	next_number++;
	if (numbered->reposts-- > 0)
		nvhi_reactor_post(reactor, msg);
}

static void a_message_may_post_itself_again_without_holding_up_the_turn(void)
{
	struct numbered_msg msg = {.msg.fn = reposting_msg_fn, .reposts = 100000};
	int turns = 0;

	setup_opts(&(struct nvhi_reactor_opts){.inbox_size = 4});
	nvhi_reactor_post(reactor, &msg.msg);
	while (nvhi_reactor_turn(reactor) > 0)
		turns++;
	CU_ASSERT_EQUAL(next_number, 100001);
	CU_ASSERT_TRUE(turns > 1000);
	teardown();
}

static void messages_left_at_destroy_are_run(void)
{
	struct numbered_msg msg = {.msg.fn = numbered_msg_fn};

	setup();
	nvhi_reactor_post(reactor, &msg.msg);
	teardown();
	CU_ASSERT_EQUAL(next_number, 1);
}

static void call_fn(void *arg)
{
	CU_ASSERT_TRUE(nvhi_reactor_is_current(reactor));
	(*(int *)arg)++;
}

static void call_msg_fn(struct nvhi_msg *msg)
{
	int called = 0;

	(void)msg;
	nvhi_reactor_call(reactor, call_fn, &called);
	CU_ASSERT_EQUAL(called, 1);
	next_number++;
}

static void a_call_on_the_own_reactor_runs_at_once(void)
{
	struct nvhi_msg msg = {.fn = call_msg_fn};

	setup();
	CU_ASSERT_PTR_NULL(nvhi_reactor_current());
	nvhi_reactor_post(reactor, &msg);
	nvhi_reactor_turn(reactor);
	CU_ASSERT_EQUAL(next_number, 1);
	CU_ASSERT_PTR_NULL(nvhi_reactor_current());
	teardown();
}

/* ---- several threads -------------------------------------------------------------------- */

#define SENDERS       4
#define SENDER_MSGS   20000
#define SENDER_WINDOW 64

struct sender;
struct sender_msg {
	struct nvhi_msg msg;
	struct sender *sender;
	uint32_t number;
	uint32_t done; /* set by the receiver, read by the sender before it posts it again */
};

struct sender {
	pthread_t thread;
	struct nvh_reactor *to;
	struct sender_msg msgs[SENDER_WINDOW];
	uint32_t received, wrong;
	uint32_t nap_every;
};

static void sender_msg_fn(struct nvhi_msg *msg)
{
	struct sender_msg *sent = nvhi_container_of(msg, struct sender_msg, msg);
	struct sender *sender = sent->sender;

	sender->wrong += sent->number != sender->received;
	sender->received++;
	__atomic_store_n(&sent->done, 1, __ATOMIC_RELEASE);
}

static void *sender_main(void *arg)
{
	struct sender *sender = arg;

	for (uint32_t i = 0; i < SENDER_MSGS; i++) {
		struct sender_msg *msg = &sender->msgs[i % SENDER_WINDOW];

		while (i >= SENDER_WINDOW && !__atomic_load_n(&msg->done, __ATOMIC_ACQUIRE))
			sched_yield();
		*msg = (struct sender_msg){.msg.fn = sender_msg_fn, .sender = sender, .number = i};
		nvhi_reactor_post(sender->to, &msg->msg);
		if (sender->nap_every && i % sender->nap_every == 0)
			nvh_test_nap(); /* long enough for the owner to fall asleep */
	}
	return NULL;
}

/* All senders' messages arrive, each sender's in order, though the owner sleeps when it can. */
static void run_senders(uint32_t inbox_size, uint32_t spin_us, uint32_t nap_every)
{
	static struct sender senders[SENDERS];
	struct nvhi_reactor_thread *thread = NULL;

	setup_opts(&(struct nvhi_reactor_opts){.inbox_size = inbox_size, .spin_us = spin_us});
	memset(senders, 0, sizeof(senders));
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(reactor, -1, &thread), 0);
	for (int i = 0; i < SENDERS; i++) {
		senders[i].to = reactor;
		senders[i].nap_every = nap_every;
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]), 0);
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	for (int i = 0; i < SENDERS; i++)
		for (int j = 0; j < SENDER_WINDOW; j++) /* a lost wake-up would end here */
			CU_ASSERT_TRUE_FATAL(NVH_WAIT(
				__atomic_load_n(&senders[i].msgs[j].done, __ATOMIC_ACQUIRE),
				20000));
	nvhi_reactor_thread_join(thread);
	for (int i = 0; i < SENDERS; i++) {
		CU_ASSERT_EQUAL(senders[i].received, SENDER_MSGS);
		CU_ASSERT_EQUAL(senders[i].wrong, 0);
	}
	teardown();
}

static void messages_of_four_threads_arrive_in_each_ones_order_through_a_tiny_ring(void)
{
	run_senders(3, 0, 0);
}

static void messages_of_four_threads_arrive_in_each_ones_order_through_the_ring(void)
{
	run_senders(0, 40, 0);
}

static void no_wakeup_is_lost_when_the_owner_is_falling_asleep(void)
{
	run_senders(3, 0, 100);
}

/* One message at a time, so that each post races with the owner's going to sleep. */
static void a_lone_message_always_wakes_the_sleeper(void)
{
	struct nvhi_reactor_thread *thread = NULL;
	struct sender sender = {0};
	struct sender_msg *msg = &sender.msgs[0];
	struct nvhi_reactor_stats stats;

	setup_opts(&(struct nvhi_reactor_opts){.spin_us = 0});
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(reactor, -1, &thread), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t limit = nvh_test_ms() + 20000;

		*msg = (struct sender_msg){.msg.fn = sender_msg_fn, .sender = &sender, .number = i};
		nvhi_reactor_post(reactor, &msg->msg);
		while (!__atomic_load_n(&msg->done, __ATOMIC_ACQUIRE))
			if (nvh_test_ms() > limit)
				CU_FAIL_FATAL("a message is lost in a sleeping reactor");
	}
	nvhi_reactor_thread_join(thread);
	nvhi_reactor_stats(reactor, &stats);
	CU_ASSERT_EQUAL(sender.wrong, 0);
	CU_ASSERT_TRUE(stats.sleeps > 100);
	teardown();
}

static void add_one(void *arg)
{
	CU_ASSERT_TRUE(nvhi_reactor_is_current(reactor));
	(*(uint32_t *)arg)++;
}

static void a_call_from_another_thread_returns_when_it_has_run(void)
{
	struct nvhi_reactor_thread *thread = NULL;
	uint32_t count = 0;

	setup();
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(reactor, -1, &thread), 0);
	for (uint32_t i = 1; i <= 1000; i++) {
		nvhi_reactor_call(reactor, add_one, &count);
		CU_ASSERT_EQUAL(count, i);
	}
	nvhi_reactor_thread_join(thread);
	teardown();
}

/* ---- threads that run a reactor ---------------------------------------------------------- */

static void a_thread_joined_at_once_ends(void)
{
	setup();
	for (int i = 0; i < 200; i++) {
		struct nvhi_reactor_thread *thread = NULL;

		CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(reactor, -1, &thread), 0);
		nvhi_reactor_thread_join(thread);
	}
	teardown();
}

struct where {
	cpu_set_t cpus;
	sigset_t blocked;
	char name[16];
};

static void tell_where(void *arg)
{
	struct where *where = arg;

	sched_getaffinity(0, sizeof(where->cpus), &where->cpus);
	pthread_sigmask(SIG_SETMASK, NULL, &where->blocked);
	pthread_getname_np(pthread_self(), where->name, sizeof(where->name));
}

static void a_thread_is_pinned_named_and_takes_no_signals(void)
{
	struct nvhi_reactor_thread *thread = NULL;
	struct where where;

	setup();
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(reactor, 0, &thread), 0);
	nvhi_reactor_call(reactor, tell_where, &where);
	CU_ASSERT_EQUAL(CPU_COUNT(&where.cpus), 1);
	CU_ASSERT_TRUE(CPU_ISSET(0, &where.cpus));
	CU_ASSERT_TRUE(sigismember(&where.blocked, SIGINT));
	CU_ASSERT_TRUE(sigismember(&where.blocked, SIGTERM));
	CU_ASSERT_TRUE(NVH_WAIT(
		(nvhi_reactor_call(reactor, tell_where, &where), strcmp(where.name, "test") == 0),
		5000));
	nvhi_reactor_thread_join(thread);
	teardown();
}

static void a_thread_on_a_cpu_that_is_not_there_is_refused(void)
{
	struct nvhi_reactor_thread *thread = NULL;

	setup();
	CU_ASSERT_EQUAL(nvhi_reactor_thread_start(reactor, CPU_SETSIZE - 1, &thread), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_reactor_thread_start(reactor, CPU_SETSIZE, &thread), -EINVAL);
	CU_ASSERT_PTR_NULL(thread);
	teardown();
}

/* ---- a foreign loop on another thread's messages ----------------------------------------- */

static void messages_of_another_thread_wake_a_foreign_loop(void)
{
	static struct sender sender;
	struct pollfd pollfd;

	setup();
	memset(&sender, 0, sizeof(sender));
	sender.to = reactor;
	sender.nap_every = 50;
	pollfd = (struct pollfd){.fd = nvhi_reactor_fd(reactor), .events = POLLIN};
	CU_ASSERT_TRUE_FATAL(pollfd.fd >= 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&sender.thread, NULL, sender_main, &sender), 0);
	while (sender.received < SENDER_MSGS) {
		if (poll(&pollfd, 1, 20000) != 1)
			CU_FAIL_FATAL("the descriptor does not tell of a message");
		nvhi_reactor_run(reactor, 0);
	}
	pthread_join(sender.thread, NULL);
	CU_ASSERT_EQUAL(sender.wrong, 0);
	CU_ASSERT_EQUAL(poll(&pollfd, 1, 0), 0);
	teardown();
}

NVH_UNIT_MAIN("base/reactor_inbox", NVH_TEST(messages_keep_their_order_through_ring_and_spill),
	      NVH_TEST(a_message_may_post_itself_again_without_holding_up_the_turn),
	      NVH_TEST(messages_left_at_destroy_are_run),
	      NVH_TEST(a_call_on_the_own_reactor_runs_at_once),
	      NVH_TEST(messages_of_four_threads_arrive_in_each_ones_order_through_a_tiny_ring),
	      NVH_TEST(messages_of_four_threads_arrive_in_each_ones_order_through_the_ring),
	      NVH_TEST(no_wakeup_is_lost_when_the_owner_is_falling_asleep),
	      NVH_TEST(a_lone_message_always_wakes_the_sleeper),
	      NVH_TEST(a_call_from_another_thread_returns_when_it_has_run),
	      NVH_TEST(a_thread_joined_at_once_ends),
	      NVH_TEST(a_thread_is_pinned_named_and_takes_no_signals),
	      NVH_TEST(a_thread_on_a_cpu_that_is_not_there_is_refused),
	      NVH_TEST(messages_of_another_thread_wake_a_foreign_loop))
