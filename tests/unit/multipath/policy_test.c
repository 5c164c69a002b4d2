/*
 * Which path takes a request: each policy over two paths that take their time, on a clock set by hand.
 * A path serves one command after the other (service_ns) and is so far away (delay_ns).
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

#define QD_MAX 128u

static struct path {
	struct mpf_ctrlr *c;
	uint64_t service_ns, delay_ns;
	uint64_t free_at;
	uint64_t served;
	struct {
		const struct nvhi_req *req;
		uint64_t since, due;
	} out[QD_MAX + 1];
} paths[2];

static struct nvh_channel *channel;
static struct mpf_io ios[QD_MAX];
static uint8_t buf[MPF_BLOCK], op;
static uint32_t depth;
static bool going;

static void again(struct mpf_io *io)
{
	if (going)
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io->io), 0);
}

static void start(const char *policy)
{
	struct nvh_ns *ns = NULL;

	mpf_start(1);
	mpf.depth = QD_MAX + 1;
	memset(paths, 0, sizeof(paths));
	for (unsigned int i = 0; i < 2; i++) {
		paths[i].c = mpf_join(i);
		ns = mpf_ns(paths[i].c, 1, 7);
		mpf_live(paths[i].c);
		paths[i].service_ns = 5 * NVHI_NSEC_PER_USEC;
		paths[i].delay_ns = 10 * NVHI_NSEC_PER_USEC;
	}
	CU_ASSERT_EQUAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, policy), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	op = NVH_IO_READ;
	depth = 0;
	going = true;
}

static void load(uint32_t qd)
{
	for (; depth < qd; depth++) {
		mpf_io_init(&ios[depth], op, 0, 1, buf);
		ios[depth].then = again;
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, ios[depth].io), 0);
	}
}

/* When this command comes back; told when it is seen first. */
static uint64_t due_of(struct path *path, const struct nvhi_req *req)
{
	uint32_t unused = 0;

	for (uint32_t i = 0; i <= QD_MAX; i++) {
		if (path->out[i].req == req && path->out[i].since == req->submit_ns)
			return path->out[i].due;
		if (!path->out[i].req)
			unused = i;
	}
	if (path->free_at < mpf.time.now)
		path->free_at = mpf.time.now;
	path->free_at += path->service_ns;
	path->out[unused].req = req;
	path->out[unused].since = req->submit_ns;
	path->out[unused].due = path->free_at + path->delay_ns;
	return path->out[unused].due;
}

static void forget(struct path *path, const struct nvhi_req *req)
{
	for (uint32_t i = 0; i <= QD_MAX; i++)
		if (path->out[i].req == req)
			path->out[i].req = NULL;
}

/* Lets the commands come back in time, until then. */
static void run_until(uint64_t until)
{
	for (;;) {
		uint64_t first = until, due;
		struct path *path = NULL;
		uint32_t which = 0;

		for (int p = 0; p < 2; p++) {
			for (uint32_t i = 0; i < mpf_lent(paths[p].c, 0); i++) {
				due = due_of(&paths[p], mpf_cmd(paths[p].c, 0, i));
				if (due >= first)
					continue;
				first = due;
				path = &paths[p];
				which = i;
			}
		}
		mpf.time.now = first > mpf.time.now ? first : mpf.time.now;
		mpf_turns();
		if (!path)
			return;
		forget(path, mpf_cmd(path->c, 0, which));
		path->served++;
		mpf_complete(path->c, 0, which, 0);
		mpf_turns();
	}
}

static void run_ms(uint64_t ms)
{
	paths[0].served = paths[1].served = 0;
	run_until(mpf.time.now + ms * NVHI_NSEC_PER_MSEC);
}

static void stop(void)
{
	going = false;
	run_ms(100);
	for (uint32_t i = 0; i < depth; i++) {
		CU_ASSERT_EQUAL(ios[i].err, 0);
		mpf_io_done(&ios[i]);
	}
	nvhi_channel_close(channel);
	mpf_stop();
}

/* ---- latency ---------------------------------------------------------------------------------- */

static void latency_leaves_a_path_that_becomes_slow_and_returns_to_one_that_recovers(void)
{
	start("latency");
	paths[1].delay_ns = 30 * NVHI_NSEC_PER_MSEC;
	load(4);
	run_ms(500);
	for (int slow = 0; slow < 4; slow++) {
		paths[slow & 1].delay_ns = 30 * NVHI_NSEC_PER_MSEC;
		paths[!(slow & 1)].delay_ns = 10 * NVHI_NSEC_PER_USEC;
		run_ms(200);
		run_ms(100);
		/* Its own questions may go there. */
		CU_ASSERT_TRUE(paths[slow & 1].served <= 3);
		CU_ASSERT_TRUE(paths[!(slow & 1)].served > 10000);
	}
	stop();
}

static void a_deep_queue_of_its_own_does_not_make_a_fast_path_slow(void)
{
	start("latency");
	paths[0].service_ns = 8 * NVHI_NSEC_PER_USEC;
	paths[1].delay_ns = 30 * NVHI_NSEC_PER_MSEC;
	load(QD_MAX);
	run_ms(500);
	run_ms(500);
	CU_ASSERT_TRUE(paths[1].served <= 11);
	CU_ASSERT_TRUE(paths[0].served > 60000);
	stop();
}

static void writes_do_not_flood_a_path_whose_reads_are_slow(void)
{
	start("latency");
	paths[1].delay_ns = 30 * NVHI_NSEC_PER_MSEC;
	load(4);
	run_ms(200);
	op = NVH_IO_WRITE;
	load(20);
	CU_ASSERT_TRUE(mpf_lent(paths[1].c, 0) <= 2);
	run_ms(200);
	CU_ASSERT_TRUE(paths[1].served <= 8);
	stop();
}

static void before_anything_is_known_all_paths_are_tried(void)
{
	start("latency");
	load(16);
	CU_ASSERT_EQUAL(mpf_lent(paths[0].c, 0), 8);
	CU_ASSERT_EQUAL(mpf_lent(paths[1].c, 0), 8);
	stop();
}

static void latency_shares_what_is_alike(void)
{
	start("latency");
	load(32);
	run_ms(500);
	CU_ASSERT_TRUE(paths[0].served * 3 > paths[1].served);
	CU_ASSERT_TRUE(paths[1].served * 3 > paths[0].served);
	stop();
}

/* ---- the others ------------------------------------------------------------------------------- */

static void queue_depth_takes_the_shorter_queue(void)
{
	start("queue-depth");
	paths[0].service_ns = 40 * NVHI_NSEC_PER_USEC;
	load(32);
	run_ms(200);
	CU_ASSERT_TRUE(paths[1].served > 5 * paths[0].served);
	CU_ASSERT_TRUE(mpf_lent(paths[0].c, 0) >= 15 && mpf_lent(paths[0].c, 0) <= 17);
	stop();
}

static void round_robin_gives_each_as_many(void)
{
	start("round-robin");
	load(32);
	run_ms(100);
	CU_ASSERT_TRUE(paths[0].served + 32 > paths[1].served);
	CU_ASSERT_TRUE(paths[1].served + 32 > paths[0].served);
	stop();
}

static void a_policy_set_under_load_holds_from_the_next_request_on(void)
{
	start("round-robin");
	paths[0].delay_ns = NVHI_NSEC_PER_MSEC;
	load(8);
	run_ms(20);
	CU_ASSERT_TRUE(paths[0].served + 8 > paths[1].served);
	CU_ASSERT_EQUAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "latency"), 0);
	run_ms(20);
	run_ms(20);
	CU_ASSERT_TRUE(paths[1].served > 10 * paths[0].served);
	CU_ASSERT_EQUAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "numa"), 0);
	run_ms(20);
	run_ms(20);
	CU_ASSERT_TRUE(!paths[0].served != !paths[1].served);
	CU_ASSERT_EQUAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "best"), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_mp_set_policy(&mpf.mp, "nqn.other", "numa"), -ENOENT);
	stop();
}

NVH_UNIT_MAIN("multipath/policy",
	      NVH_TEST(latency_leaves_a_path_that_becomes_slow_and_returns_to_one_that_recovers),
	      NVH_TEST(a_deep_queue_of_its_own_does_not_make_a_fast_path_slow),
	      NVH_TEST(writes_do_not_flood_a_path_whose_reads_are_slow),
	      NVH_TEST(before_anything_is_known_all_paths_are_tried),
	      NVH_TEST(latency_shares_what_is_alike), NVH_TEST(queue_depth_takes_the_shorter_queue),
	      NVH_TEST(round_robin_gives_each_as_many),
	      NVH_TEST(a_policy_set_under_load_holds_from_the_next_request_on))
