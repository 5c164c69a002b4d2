/*
 * Heads, paths and lanes: merging, refusing, leaving, channels on other reactors.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/mp_fixture.h"

static uint8_t buf[64 * MPF_BLOCK];

static struct nvh_ns_info info_of(const struct nvh_ns *ns)
{
	struct nvh_ns_info info;

	nvhi_ns_snapshot_read(ns, &info);
	return info;
}

static void a_namespace_is_announced_once_a_path_is_live(void)
{
	struct mpf_ctrlr *c;
	struct nvh_ns *ns;

	mpf_start(1);
	c = mpf_join(0);
	ns = mpf_ns(c, 3, 7);
	CU_ASSERT_EQUAL(mpf.added, 0);
	CU_ASSERT_PTR_NULL(nvhi_mp_ns_next(&mpf.mp, NULL));
	mpf_live(c);
	CU_ASSERT_EQUAL(mpf.added, 1);
	CU_ASSERT_PTR_EQUAL(nvhi_mp_ns_next(&mpf.mp, NULL), ns);
	CU_ASSERT_PTR_NULL(nvhi_mp_ns_next(&mpf.mp, ns));
	CU_ASSERT_STRING_EQUAL(info_of(ns).name, "nvh0n3");
	CU_ASSERT_EQUAL(info_of(ns).nr_blocks, MPF_BLOCKS);
	CU_ASSERT_EQUAL(info_of(ns).nr_live_paths, 1);
	mpf_lost(c);
	CU_ASSERT_EQUAL(info_of(ns).nr_live_paths, 0);
	mpf_live(c);
	CU_ASSERT_EQUAL(mpf.added, 1);
	CU_ASSERT_STRING_EQUAL(info_of(ns).name, "nvh0n3");
	mpf_stop();
	CU_ASSERT_EQUAL(mpf.removed, 1);
}

static void two_controllers_of_a_subsystem_are_two_paths(void)
{
	struct mpf_ctrlr *a, *b;
	struct nvh_ns *ns;

	mpf_start(1);
	a = mpf_join(0);
	b = mpf_join(1);
	ns = mpf_ns(a, 1, 7);
	CU_ASSERT_PTR_EQUAL(mpf_ns(b, 1, 7), ns);
	mpf_live(a);
	mpf_live(b);
	CU_ASSERT_EQUAL(mpf.added, 1);
	CU_ASSERT_EQUAL(info_of(ns).nr_paths, 2);
	mpf_leave(a);
	CU_ASSERT_EQUAL(mpf.removed, 0);
	CU_ASSERT_EQUAL(info_of(ns).nr_paths, 1);
	mpf_stop();
	CU_ASSERT_EQUAL(mpf.removed, 1);
}

static void paths_share_the_load_and_take_over(void)
{
	struct mpf_ctrlr *a, *b;
	struct nvh_channel *channel;
	struct mpf_io io[8];
	struct nvh_ns *ns;

	mpf_start(1);
	a = mpf_join(0);
	b = mpf_join(1);
	ns = mpf_ns(a, 1, 7);
	mpf_ns(b, 1, 7);
	mpf_live(a);
	mpf_live(b);
	CU_ASSERT_EQUAL(nvhi_mp_set_policy(&mpf.mp, MPF_NQN, "round-robin"), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	for (uint32_t i = 0; i < 8; i++) {
		mpf_io_init(&io[i], NVH_IO_WRITE, i, 1, buf);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[i].io), 0);
	}
	CU_ASSERT_EQUAL(mpf_lent(a, 0), 4);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 4);
	mpf_down(a, 0);
	CU_ASSERT_EQUAL(mpf_lent(b, 0), 8);
	mpf_complete(b, 0, 0, NVH_ST_CTRLR_PATHING); /* b refuses, a is back: at once over there */
	CU_ASSERT_EQUAL(mpf_calls, 0);
	mpf_up(a, 0);
	CU_ASSERT_EQUAL(mpf_lent(a, 0), 1);
	mpf_leave(b); /* everything else comes over */
	CU_ASSERT_EQUAL(mpf_lent(a, 0), 8);
	mpf_serve();
	for (uint32_t i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		CU_ASSERT_EQUAL(io[i].err, 0);
		mpf_io_done(&io[i]);
	}
	CU_ASSERT_TRUE(b->left);
	nvhi_channel_close(channel);
	mpf_stop();
}

static void what_does_not_fit_is_refused_until_it_fits(void)
{
	struct mpf_ctrlr *a, *b;
	struct nvhi_ns_data data;
	struct nvh_ns *ns;

	mpf_start(1);
	a = mpf_join(0);
	b = mpf_join(1);
	ns = mpf_ns(a, 1, 7);
	mpf_live(a);
	mpf_live(b);
	CU_ASSERT_PTR_NULL(mpf_ns(b, 1, 8)); /* another UUID under the same NSID */
	CU_ASSERT_EQUAL(nvhi_path_find(&b->mpc, 1)->state, NVHI_PATH_REFUSED);
	CU_ASSERT_EQUAL(mpf.added, 1);

	mpf_ns_data(&data, 1, 7); /* the right one, but smaller */
	data.nsze = 10;
	nvhi_mp_ns_changed(&b->mpc, &data, NVHI_NS_IDENTITY);
	CU_ASSERT_EQUAL(nvhi_path_find(&b->mpc, 1)->state, NVHI_PATH_REFUSED);
	nvhi_mp_ns_changed(&a->mpc, &data, NVHI_NS_SIZE);
	CU_ASSERT_EQUAL(nvhi_path_find(&b->mpc, 1)->state, NVHI_PATH_MERGED);
	CU_ASSERT_EQUAL(info_of(ns).nr_paths, 2);
	CU_ASSERT_EQUAL(info_of(ns).nr_blocks, 10);
	mpf_stop();
}

/* A path is away while the size changes, and changes back: when it returns nothing is new to it,
 * but to the head (seed 45075 of the simulated world). */
static void a_size_that_changed_while_a_path_was_away_is_taken_over(void)
{
	struct mpf_ctrlr *a, *b;
	struct nvhi_ns_data data;
	struct nvh_ns *ns;

	mpf_start(1);
	a = mpf_join(0);
	b = mpf_join(1);
	ns = mpf_ns(a, 1, 7);
	mpf_ns(b, 1, 7);
	mpf_live(a);
	mpf_live(b);
	mpf_lost(a);
	mpf_ns_data(&data, 1, 7);
	data.nsze = 10;
	nvhi_mp_ns_changed(&b->mpc, &data, NVHI_NS_SIZE);
	CU_ASSERT_EQUAL(info_of(ns).nr_blocks, 10);
	mpf_lost(b);
	nvhi_mp_ns_removed(&b->mpc, 1, -ENODEV);
	mpf_live(a);
	CU_ASSERT_EQUAL(info_of(ns).nr_blocks, MPF_BLOCKS);
	mpf_live(b);
	CU_ASSERT_PTR_EQUAL(mpf_ns(b, 1, 7), ns);
	CU_ASSERT_EQUAL(info_of(ns).nr_live_paths, 2);
	mpf_stop();
}

static void private_namespaces_stay_apart(void)
{
	struct mpf_ctrlr *a, *b;
	struct nvhi_ns_data data;
	struct nvh_ns *x, *y;

	mpf_start(1);
	a = mpf_join(0);
	b = mpf_join(1);
	mpf_ns_data(&data, 1, 7);
	data.nmic = 0;
	nvhi_mp_ns_added(&a->mpc, &data);
	nvhi_mp_ns_added(&b->mpc, &data);
	mpf_live(a);
	mpf_live(b);
	x = nvhi_path_find(&a->mpc, 1)->head;
	y = nvhi_path_find(&b->mpc, 1)->head;
	CU_ASSERT_PTR_NOT_EQUAL(x, y);
	CU_ASSERT_EQUAL(mpf.added, 2);
	CU_ASSERT_STRING_EQUAL(info_of(x).name, "nvh0n1");
	CU_ASSERT_STRING_EQUAL(info_of(y).name, "nvh0c1n1");
	mpf_stop();
	CU_ASSERT_EQUAL(mpf.removed, 2);
}

/* After a reconnect another namespace stands under the NSID: nothing of the old one reaches it. */
static void another_identity_is_another_namespace(void)
{
	struct nvhi_ns_data data;
	struct nvh_channel *channel;
	struct mpf_ctrlr *c;
	struct nvh_ns *ns;
	struct mpf_io io;

	mpf_start(2);
	c = mpf_join(0);
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	nvhi_ns_get(ns);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[1], &channel), 0);
	mpf_turns();
	mpf_io_init(&io, NVH_IO_WRITE, 0, 1, buf);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 1), 1);
	mpf_lost(c);
	mpf_ns_data(&data, 1, 8);
	nvhi_mp_ns_changed(&c->mpc, &data, NVHI_NS_IDENTITY);
	mpf_live(c);
	CU_ASSERT_EQUAL(mpf_lent(c, 1), 0);
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, -ENODEV);
	CU_ASSERT_EQUAL(mpf.removed, 1);
	CU_ASSERT_EQUAL(mpf.added, 2);
	CU_ASSERT_STRING_EQUAL(info_of(ns).name, info_of(mpf.last_ns).name);
	CU_ASSERT_EQUAL(info_of(ns).nr_paths, 0);
	nvhi_channel_close(channel);
	nvhi_ns_put(ns);
	mpf_io_done(&io);
	mpf_stop();
}

static void a_channel_on_another_reactor_waits_for_its_lanes(void)
{
	struct nvh_channel *channel;
	struct mpf_ctrlr *c;
	struct mpf_io io;

	mpf_start(2);
	c = mpf_join(0);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(mpf_ns(c, 1, 7), mpf.reactors[1], &channel), 0);
	mpf_io_init(&io, NVH_IO_READ, 0, 1, buf);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 1), 0);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf_lent(c, 1), 1);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	nvhi_channel_close(channel);
	mpf_stop();
}

/* Opening, closing, leaving and removing with every message still on its way. */
static void messages_that_cross_leave_nothing_behind(void)
{
	for (unsigned int order = 0; order < 24; order++) {
		struct nvh_channel *channel = NULL;
		struct mpf_ctrlr *c;
		unsigned int rest = order;
		bool done[4] = {false};

		mpf_start(2);
		c = mpf_join(0);
		mpf_live(c);
		CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(mpf_ns(c, 1, 7), mpf.reactors[1], &channel),
				      0);
		for (unsigned int left = 4; left > 0; left--) {
			unsigned int pick = rest % left, i = 0;

			rest /= left;
			while (done[i] || pick--)
				i++;
			done[i] = true;
			switch (i) {
			case 0:
				nvhi_channel_close(channel);
				break;
			case 1:
				nvhi_mp_ns_removed(&c->mpc, 1, -ENODEV);
				break;
			case 2:
				nvhi_reactor_turn(mpf.reactors[0]);
				break;
			default:
				nvhi_reactor_turn(mpf.reactors[1]);
			}
		}
		mpf_stop();
		CU_ASSERT_TRUE(c->left);
	}
}

static void a_path_leaves_when_its_last_command_is_home(void)
{
	struct nvh_channel *channel;
	struct mpf_ctrlr *a, *b;
	struct mpf_io io[2];

	mpf_start(2);
	a = mpf_join(0);
	b = mpf_join(1);
	mpf_live(a);
	mpf_live(b);
	mpf_ns(b, 1, 7);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(mpf_ns(a, 1, 7), mpf.reactors[1], &channel), 0);
	mpf_turns();
	for (int i = 0; i < 2; i++) {
		mpf_io_init(&io[i], NVH_IO_WRITE, 0, 1, buf);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[i].io), 0);
	}
	CU_ASSERT_EQUAL(mpf_lent(a, 1), 1);
	nvhi_mp_ns_removed(&a->mpc, 1, -ENODEV);
	mpf_turns();
	CU_ASSERT_FALSE(nvhi_list_empty(&a->mpc.paths));
	mpf_complete(a, 1, 0, 0);
	CU_ASSERT_TRUE(nvhi_list_empty(&a->mpc.paths));
	mpf_serve();
	CU_ASSERT_EQUAL(mpf_calls, 2);
	nvhi_channel_close(channel);
	mpf_io_done(&io[0]);
	mpf_io_done(&io[1]);
	mpf_stop();
}

static void subsystems_keep_their_number(void)
{
	struct mpf_ctrlr *a;
	struct nvhi_mp_ctrlr other = {0};

	mpf_start(1);
	a = mpf_join(2); /* "nvh2" */
	mpf_live(a);
	CU_ASSERT_STRING_EQUAL(info_of(mpf_ns(a, 1, 7)).name, "nvh2n1");
	CU_ASSERT_EQUAL(nvhi_mp_ctrlr_join(&mpf.mp, &other, a->inner, "nqn.other", 2), 0);
	CU_ASSERT_EQUAL(other.subsys->instance, 0);
	nvhi_list_del(&other.link);
	nvhi_subsys_put(other.subsys);
	mpf_stop();
}

static void unsupported_formats_take_no_channel(void)
{
	struct nvh_channel *channel = NULL;
	struct nvhi_ns_data data;
	struct mpf_ctrlr *c;

	mpf_start(1);
	c = mpf_join(0);
	mpf_ns_data(&data, 1, 7);
	data.io_supported = false;
	data.refusal = "a test";
	nvhi_mp_ns_added(&c->mpc, &data);
	mpf_live(c);
	CU_ASSERT_EQUAL(mpf.added, 1);
	CU_ASSERT_FALSE(info_of(mpf.last_ns).io_supported);
	CU_ASSERT_EQUAL(nvhi_channel_open(mpf.last_ns, mpf.reactors[0], &channel), -ENOTSUP);
	CU_ASSERT_EQUAL(nvhi_channel_open(mpf.last_ns, (struct nvh_reactor *)&data, &channel),
			-EINVAL);
	CU_ASSERT_PTR_NULL(channel);
	mpf_stop();
}

static void only_reactors_with_a_queue_are_usable(void)
{
	struct mpf_ctrlr *c;
	struct nvh_ns *ns;

	mpf_start(2);
	c = mpf_join(0);
	c->inner->caps.nr_io_queues = 1;
	ns = mpf_ns(c, 1, 7);
	CU_ASSERT_TRUE(nvhi_ns_reactor_usable(ns, mpf.reactors[0]));
	CU_ASSERT_FALSE(nvhi_ns_reactor_usable(ns, mpf.reactors[1]));
	c->inner->caps.nr_io_queues = 2;
	mpf_live(c);
	CU_ASSERT_TRUE(nvhi_ns_reactor_usable(ns, mpf.reactors[1]));
	mpf_stop();
}

static void begin_relay(struct mpf_ctrlr **c, struct nvh_channel **channel)
{
	mpf_start(2);
	*c = mpf_join(0);
	mpf_live(*c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(mpf_ns(*c, 1, 7), mpf.reactors[1], channel), 0);
	mpf_turns();
}

/* After a reconnect the controller grants one queue instead of two. */
static void shrink(struct mpf_ctrlr *c)
{
	mpf_lost(c);
	c->inner->caps.nr_io_queues = 1;
	nvhi_mp_ctrlr_live(&c->mpc, true);
	mpf_up(c, 0);
}

static void a_reactor_that_lost_its_queue_sends_through_home(void)
{
	struct nvh_channel *channel;
	struct mpf_ctrlr *c;
	struct mpf_io io[4];

	begin_relay(&c, &channel);
	for (uint32_t i = 0; i < 4; i++) {
		mpf_io_init(&io[i], NVH_IO_WRITE, i * 20, 12, buf);
		CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[i].io), 0);
		if (i == 1)
			shrink(c); /* two were out, two come now */
	}
	mpf_turns();
	CU_ASSERT_EQUAL(mpf_lent(c, 1), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 8);
	CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c, 0, 0)), 0);
	mpf_serve();
	for (uint32_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(io[i].calls, 1);
		CU_ASSERT_EQUAL(io[i].err, 0);
	}
	/* It gets its queue back. */
	mpf_lost(c);
	c->inner->caps.nr_io_queues = 2;
	mpf_live(c);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[0].io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 1), 2);
	mpf_serve();
	CU_ASSERT_EQUAL(io[0].calls, 2);
	for (uint32_t i = 0; i < 4; i++)
		mpf_io_done(&io[i]);
	nvhi_channel_close(channel);
	mpf_stop();
}

/* No reactor has a queue; then home gets one, the other still has none (seed 45873 of the simulated
 * world). */
static void what_waited_without_any_queue_goes_through_home_when_home_has_one(void)
{
	struct nvh_channel *channel;
	struct mpf_ctrlr *c;
	struct mpf_io io;

	begin_relay(&c, &channel);
	mpf_lost(c);
	c->inner->caps.nr_io_queues = 0;
	nvhi_head_changed(nvhi_path_find(&c->mpc, 1)->head);
	mpf_turns();
	mpf_io_init(&io, NVH_IO_WRITE, 0, 1, buf);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	mpf_turns();
	CU_ASSERT_EQUAL(io.calls, 0);
	c->inner->caps.nr_io_queues = 1;
	nvhi_mp_ctrlr_live(&c->mpc, true);
	mpf_up(c, 0);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 1);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	CU_ASSERT_EQUAL(io.err, 0);
	mpf_io_done(&io);
	nvhi_channel_close(channel);
	mpf_stop();
}

static void relayed_io_is_canceled_expires_and_ends_with_the_namespace(void)
{
	struct nvh_channel *channel;
	struct mpf_ctrlr *c;
	struct mpf_io io[4];

	begin_relay(&c, &channel);
	shrink(c);
	for (uint32_t i = 0; i < 4; i++) {
		mpf_io_init(&io[i], NVH_IO_WRITE, 0, 1, buf);
		if (i == 2)
			io[i].io->deadline_ns = mpf.time.now + NVHI_NSEC_PER_SEC;
	}
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[0].io), 0);
	nvhi_channel_cancel(channel, io[0].io); /* before it arrives */
	nvhi_channel_cancel(channel, io[0].io);
	mpf_turns();
	CU_ASSERT_EQUAL(io[0].calls, 0);
	CU_ASSERT_EQUAL(c->aborts_wanted, 1);
	mpf_complete(c, 0, 0, NVH_ST_ABORT_REQUESTED);
	CU_ASSERT_EQUAL(io[0].calls, 1);
	CU_ASSERT_EQUAL(io[0].err, -ECANCELED);

	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[1].io), 0);
	nvhi_reactor_turn(mpf.reactors[0]);
	mpf_complete(c, 0, 0, 0); /* the recall crosses the answer */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[1].io), 0);
	nvhi_reactor_turn(mpf.reactors[0]);
	nvhi_list_del(&mpf_cmd(c, 0, 0)->link);
	{
		struct nvhi_ioq_req *r =
			nvhi_list_first(&c->inner->ioqs[0].inflight, struct nvhi_ioq_req, link);
		struct nvh_cpl cpl = {0};

		c->queues[0].count--;
		c->queues[0].qpair.inflight--;
		r->req.done(&r->req, 0, &cpl);
	}
	nvhi_channel_cancel(channel, io[1].io);
	CU_ASSERT_EQUAL(io[1].calls, 1);
	mpf_turns();
	CU_ASSERT_EQUAL(io[1].calls, 2);
	CU_ASSERT_EQUAL(io[1].err, 0);

	mpf_down(c, 0);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[2].io), 0);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io[3].io), 0);
	mpf_turns();
	mpf_advance_ms(1000);
	CU_ASSERT_EQUAL(io[2].calls, 1);
	CU_ASSERT_EQUAL(io[2].err, -ETIMEDOUT);
	nvhi_mp_ns_removed(&c->mpc, 1, -ENODEV);
	mpf_turns();
	CU_ASSERT_EQUAL(io[3].calls, 1);
	CU_ASSERT_EQUAL(io[3].err, -ENODEV);
	for (uint32_t i = 0; i < 4; i++)
		mpf_io_done(&io[i]);
	nvhi_channel_close(channel);
	mpf_stop();
}

/* Each costs a look at its neighbours, not at all the others. */
static void four_thousand_namespaces_have_two_paths_each(void)
{
	struct mpf_ctrlr *a, *b;
	struct nvh_ns *ns = NULL;
	uint64_t begin = nvh_test_ms();
	uint32_t n = 0;

	mpf_start(1);
	a = mpf_join(0);
	b = mpf_join(1);
	for (uint32_t nsid = 1; nsid <= 4096; nsid++)
		mpf_ns(a, nsid, (uint8_t)(nsid | 1));
	for (uint32_t nsid = 1; nsid <= 4096; nsid++)
		CU_ASSERT_PTR_NOT_NULL(mpf_ns(b, nsid, (uint8_t)(nsid | 1)));
	mpf_live(a);
	mpf_live(b);
	CU_ASSERT_EQUAL(mpf.added, 4096);
	while ((ns = nvhi_mp_ns_next(&mpf.mp, ns))) {
		CU_ASSERT_EQUAL(info_of(ns).nsid, ++n);
		CU_ASSERT_EQUAL(info_of(ns).nr_live_paths, 2);
	}
	CU_ASSERT_EQUAL(n, 4096);
	for (uint32_t nsid = 1; nsid <= 4096; nsid++)
		nvhi_mp_ns_removed(&a->mpc, nsid, -ENODEV);
	mpf_stop();
	CU_ASSERT_EQUAL(mpf.removed, 4096);
	CU_ASSERT_TRUE(nvh_test_ms() - begin < 5000);
}

static int open_and_close(void *arg)
{
	struct nvh_channel *channel;
	int err = nvhi_channel_open(arg, mpf.reactors[0], &channel);

	if (err)
		return err;
	/* A lane that could not be had is missed, not fatal. */
	nvhi_channel_close(channel);
	mpf_turns();
	return 0;
}

static int add_and_remove(void *arg)
{
	struct mpf_ctrlr *c = arg;
	uint32_t added = mpf.added;
	struct nvhi_ns_data data;

	mpf_ns_data(&data, 9, 9);
	nvhi_mp_ns_added(&c->mpc, &data);
	added = mpf.added - added;
	nvhi_mp_ns_removed(&c->mpc, 9, -ENODEV);
	mpf_turns();
	return added ? 0 : -ENOMEM;
}

static void failed_allocations_leave_nothing_behind(void)
{
	struct mpf_ctrlr *c;

	mpf_start(1);
	c = mpf_join(0);
	mpf_live(c);
	CU_ASSERT_TRUE(nvh_alloc_walk(open_and_close, mpf_ns(c, 1, 7), true) >= 2);
	CU_ASSERT_TRUE(nvh_alloc_walk(add_and_remove, c, false) >= 3);
	mpf_stop();
}

NVH_UNIT_MAIN("multipath/path", NVH_TEST(a_namespace_is_announced_once_a_path_is_live),
	      NVH_TEST(two_controllers_of_a_subsystem_are_two_paths),
	      NVH_TEST(paths_share_the_load_and_take_over),
	      NVH_TEST(what_does_not_fit_is_refused_until_it_fits),
	      NVH_TEST(a_size_that_changed_while_a_path_was_away_is_taken_over),
	      NVH_TEST(private_namespaces_stay_apart),
	      NVH_TEST(another_identity_is_another_namespace),
	      NVH_TEST(a_channel_on_another_reactor_waits_for_its_lanes),
	      NVH_TEST(messages_that_cross_leave_nothing_behind),
	      NVH_TEST(a_path_leaves_when_its_last_command_is_home),
	      NVH_TEST(subsystems_keep_their_number), NVH_TEST(unsupported_formats_take_no_channel),
	      NVH_TEST(only_reactors_with_a_queue_are_usable),
	      NVH_TEST(a_reactor_that_lost_its_queue_sends_through_home),
	      NVH_TEST(what_waited_without_any_queue_goes_through_home_when_home_has_one),
	      NVH_TEST(relayed_io_is_canceled_expires_and_ends_with_the_namespace),
	      NVH_TEST(four_thousand_namespaces_have_two_paths_each),
	      NVH_TEST(failed_allocations_leave_nothing_behind))
