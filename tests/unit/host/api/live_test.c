/*
 * The public API against target-lite over sockets, while things change: namespaces come, go and
 * grow under I/O, the target goes away and returns, controllers are disconnected. Every read is
 * compared with what was written last, every I/O ends once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/nvhost.h>

#include "base/reactor.h"
#include "tests/unit/api_target.h"
#include "tests/unit/nvh_cunit.h"

#define REACTORS  2
#define DEPTH     16
#define IO_BLOCKS 24u

/* ---- the host ----------------------------------------------------------------------------------
 */

static struct {
	struct nvh_reactor *reactors[REACTORS];
	struct nvh_host *host;
	struct nvh_ctrlr *ctrlr;
	int attached, states, removed, ns_added, ns_changed, ns_removed; /* atomic */
} h;

static void count(int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL);
}

static int counted(const int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void on_attached(void *arg, struct nvh_ctrlr *ctrlr)
{
	(void)arg;
	(void)ctrlr;
	CU_ASSERT_EQUAL(h.ns_added, h.ns_removed); /* first the controller, then its namespaces */
	count(&h.attached);
}

static void on_state(void *arg, struct nvh_ctrlr *ctrlr)
{
	(void)arg;
	(void)ctrlr;
	count(&h.states);
}

static void on_removed(void *arg, struct nvh_ctrlr *ctrlr)
{
	(void)arg;
	(void)ctrlr;
	count(&h.removed);
}

static void on_ns_added(void *arg, struct nvh_ns *ns)
{
	(void)arg;
	(void)ns;
	count(&h.ns_added);
}

static void on_ns_changed(void *arg, struct nvh_ns *ns)
{
	(void)arg;
	(void)ns;
	count(&h.ns_changed);
}

static void on_ns_removed(void *arg, struct nvh_ns *ns)
{
	(void)arg;
	(void)ns;
	count(&h.ns_removed);
}

static const struct nvh_host_events events = {
	.ctrlr_attached = on_attached,
	.ctrlr_state = on_state,
	.ctrlr_removed = on_removed,
	.ns_added = on_ns_added,
	.ns_changed = on_ns_changed,
	.ns_removed = on_ns_removed,
};

static void host_up(void)
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts),
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555",
		.reactors = h.reactors,
		.nr_reactors = REACTORS,
		.events = &events,
	};

	memset(&h, 0, sizeof(h));
	for (int i = 0; i < REACTORS; i++)
		CU_ASSERT_EQUAL_FATAL(nvh_reactor_create(NULL, &h.reactors[i]), 0);
	CU_ASSERT_EQUAL_FATAL(nvh_host_create(&opts, &h.host), 0);
	for (int i = 0; i < REACTORS; i++)
		CU_ASSERT_EQUAL_FATAL(nvh_reactor_start_thread(h.reactors[i], -1), 0);
}

static void connect_opts(struct nvh_connect_opts *opts)
{
	nvh_connect_opts_init(opts, sizeof(*opts));
	opts->transport = "tcp";
	opts->traddr = "127.0.0.1";
	opts->trsvcid = target_port();
	opts->subnqn = TARGET_NQN;
	opts->reconnect_delay_ms = 10;
	opts->reconnect_delay_max_ms = 50;
}

static void host_connect(void)
{
	struct nvh_connect_opts opts;
	char message[256];
	int err;

	connect_opts(&opts);
	err = nvh_connect_sync(h.host, &opts, &h.ctrlr, message, sizeof(message));
	if (err)
		printf("\n  %s\n", message);
	CU_ASSERT_EQUAL_FATAL(err, 0);
}

static void host_down(void)
{
	nvh_host_close_sync(h.host);
	for (int i = 0; i < REACTORS; i++)
		nvh_reactor_destroy(h.reactors[i]);
}

static void call_ns_find(void *arg)
{
	*(struct nvh_ns **)arg = nvh_ns_find(h.host, "nvh0n1");
}

static struct nvh_ns *find_on_home(void)
{
	struct nvh_ns *ns = NULL;

	nvhi_reactor_call(nvh_host_home(h.host), call_ns_find, &ns);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns);
	return ns;
}

/* ---- a load ------------------------------------------------------------------------------------
 */

/* Each slot owns a stripe; it writes a new generation of it and reads it back, in turn. */
struct slot {
	struct load *load;
	struct nvh_io *io;
	uint64_t lba;
	uint32_t generation;
	bool reading;
	uint32_t out;
	struct iovec iov[3];
	uint8_t buf[IO_BLOCKS * TARGET_BLOCK];
};

struct load {
	struct nvh_reactor *reactor;
	struct nvh_ns *ns;
	struct nvh_channel *channel;
	struct slot slots[DEPTH];
	uint64_t first_lba;
	int stop, inflight, rounds, wrong, errors, refused; /* atomic */
	int last_err;
	int opened;
};

static uint8_t pattern(const struct slot *slot, uint32_t i)
{
	return (uint8_t)((slot->lba * 131 + slot->generation * 2654435761u + i * 7) >> 3);
}

static void slot_go(struct slot *slot);

static void slot_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct slot *slot = arg;
	struct load *load = slot->load;

	CU_ASSERT_EQUAL(slot->out, 1);
	slot->out = 0;
	if (err || nvh_status_to_errno(cpl)) {
		load->last_err = err ? err : nvh_status_to_errno(cpl);
		count(&load->errors);
	} else if (slot->reading) {
		for (uint32_t i = 0; i < sizeof(slot->buf); i++)
			if (slot->buf[i] != pattern(slot, i)) {
				count(&load->wrong);
				break;
			}
		slot->reading = false;
	} else {
		slot->reading = true;
	}
	count(&load->rounds);
	if (!counted(&load->stop) && !counted(&load->errors))
		slot_go(slot);
	__atomic_sub_fetch(&load->inflight, 1, __ATOMIC_ACQ_REL);
}

static void slot_go(struct slot *slot)
{
	struct load *load = slot->load;
	int err;

	if (!slot->reading) {
		slot->generation++;
		for (uint32_t i = 0; i < sizeof(slot->buf); i++)
			slot->buf[i] = pattern(slot, i);
	} else {
		memset(slot->buf, 0, sizeof(slot->buf));
	}
	slot->io->op = slot->reading ? NVH_IO_READ : NVH_IO_WRITE;
	slot->io->lba = slot->lba;
	slot->io->nr_blocks = IO_BLOCKS;
	slot->out = 1;
	count(&load->inflight);
	err = nvh_submit(load->channel, slot->io);
	if (err) {
		slot->out = 0;
		load->last_err = err;
		count(&load->refused);
		__atomic_sub_fetch(&load->inflight, 1, __ATOMIC_ACQ_REL);
	}
}

static void load_begin(void *arg)
{
	struct load *load = arg;

	CU_ASSERT_EQUAL_FATAL(nvh_channel_open(load->ns, load->reactor, &load->channel), 0);
	for (uint32_t i = 0; i < DEPTH; i++) {
		struct slot *slot = &load->slots[i];

		slot->load = load;
		slot->lba = load->first_lba + i * IO_BLOCKS;
		slot->io = malloc(nvh_io_size());
		CU_ASSERT_PTR_NOT_NULL_FATAL(slot->io);
		nvh_io_init(slot->io);
		slot->iov[0].iov_base = slot->buf;
		slot->iov[0].iov_len = 1 + i * 3;
		slot->iov[1].iov_base = slot->buf + slot->iov[0].iov_len;
		slot->iov[1].iov_len = 4000;
		slot->iov[2].iov_base = slot->buf + slot->iov[0].iov_len + 4000;
		slot->iov[2].iov_len = sizeof(slot->buf) - slot->iov[0].iov_len - 4000;
		slot->io->iov = slot->iov;
		slot->io->iovcnt = 3;
		slot->io->done = slot_done;
		slot->io->arg = slot;
		slot_go(slot);
	}
	__atomic_store_n(&load->opened, 1, __ATOMIC_RELEASE);
}

static void load_end(void *arg)
{
	struct load *load = arg;

	nvh_channel_close(load->channel);
	for (uint32_t i = 0; i < DEPTH; i++)
		free(load->slots[i].io);
}

static struct load *load_start(struct nvh_ns *ns, unsigned int reactor)
{
	struct load *load = calloc(1, sizeof(*load));

	CU_ASSERT_PTR_NOT_NULL_FATAL(load);
	load->ns = ns;
	load->reactor = h.reactors[reactor];
	load->first_lba = reactor * DEPTH * IO_BLOCKS;
	nvh_reactor_post(load->reactor, load_begin, load);
	CU_ASSERT_FATAL(NVH_WAIT(counted(&load->opened), 10000));
	return load;
}

/* Returns the errors and refusals that there were. */
static int load_stop(struct load *load)
{
	int bad;

	__atomic_store_n(&load->stop, 1, __ATOMIC_RELEASE);
	CU_ASSERT_FATAL(NVH_WAIT(counted(&load->inflight) == 0, 30000));
	nvhi_reactor_call(load->reactor, load_end, load);
	CU_ASSERT_EQUAL(load->wrong, 0);
	bad = load->errors + load->refused;
	free(load);
	return bad;
}

static bool load_moves(struct load *load, int more)
{
	int target = counted(&load->rounds) + more;

	return NVH_WAIT(counted(&load->rounds) >= target, 20000);
}

/* ---- tests --------------------------------------------------------------------------------------
 */

static void a_load_survives_the_target_going_away(void)
{
	struct load *loads[REACTORS];
	struct nvh_ns *ns;

	target_up(1);
	host_up();
	host_connect();
	CU_ASSERT_EQUAL(counted(&h.attached), 1);
	CU_ASSERT_EQUAL(counted(&h.ns_added), 1);
	ns = find_on_home();
	for (unsigned int i = 0; i < REACTORS; i++)
		loads[i] = load_start(ns, i);
	for (int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < REACTORS; i++)
			CU_ASSERT_TRUE(load_moves(loads[i], 50));
		target_listen(0);
		target_listen(1);
	}
	for (unsigned int i = 0; i < REACTORS; i++) {
		CU_ASSERT_TRUE(load_moves(loads[i], 50));
		CU_ASSERT_EQUAL(load_stop(loads[i]), 0);
	}
	CU_ASSERT_TRUE(counted(&h.states) >= 5);
	CU_ASSERT_EQUAL(counted(&h.ns_added), 1);
	CU_ASSERT_EQUAL(counted(&h.ns_removed), 0);
	host_down();
	CU_ASSERT_EQUAL(counted(&h.removed), 1);
	CU_ASSERT_EQUAL(counted(&h.ns_removed), 1);
	target_down();
}

static int resets_done; /* atomic */

static void reset_done(void *arg, int err)
{
	(void)arg;
	CU_ASSERT_EQUAL(err, 0);
	count(&resets_done);
}

static void call_reset(void *arg)
{
	CU_ASSERT_EQUAL(nvh_ctrlr_reset(arg, reset_done, NULL), 0);
}

static void a_reset_under_load_costs_no_io(void)
{
	struct load *load;

	target_up(1);
	host_up();
	host_connect();
	load = load_start(find_on_home(), 1);
	resets_done = 0;
	for (int round = 0; round < 5; round++) {
		CU_ASSERT_TRUE(load_moves(load, 30));
		nvhi_reactor_call(h.reactors[0], call_reset, h.ctrlr);
		CU_ASSERT_TRUE(NVH_WAIT(counted(&resets_done) == round + 1, 10000));
	}
	CU_ASSERT_TRUE(load_moves(load, 30));
	CU_ASSERT_EQUAL(load_stop(load), 0);
	host_down();
	target_down();
}

static void namespaces_come_and_go_under_load(void)
{
	struct load *load;
	uint32_t nsid;

	target_up(1);
	host_up();
	host_connect();
	load = load_start(find_on_home(), 1);
	for (int round = 0; round < 5; round++) {
		int added = counted(&h.ns_added), removed = counted(&h.ns_removed);

		nsid = target_add_ns();
		CU_ASSERT_TRUE(NVH_WAIT(counted(&h.ns_added) == added + 1, 10000));
		CU_ASSERT_TRUE(load_moves(load, 20));
		target_remove_ns(nsid);
		CU_ASSERT_TRUE(NVH_WAIT(counted(&h.ns_removed) == removed + 1, 10000));
	}
	/* The one under load goes: what is out and what follows ends with an error, once each. */
	target_remove_ns(1);
	CU_ASSERT_TRUE(NVH_WAIT(counted(&h.ns_removed) == 6, 10000));
	CU_ASSERT_TRUE(NVH_WAIT(counted(&load->inflight) == 0, 10000));
	CU_ASSERT_TRUE(load_stop(load) > 0);
	host_down();
	target_down();
}

static void a_resize_is_seen_by_all(void)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvh_channel *channel;
	struct nvh_ns *ns;
	uint8_t block[TARGET_BLOCK];

	target_up(0);
	CU_ASSERT_EQUAL(target_add_null_ns(1000), 1);
	host_up();
	host_connect();
	ns = find_on_home();
	nvh_ns_info(ns, &info);
	CU_ASSERT_EQUAL(info.nr_blocks, 1000);
	nvh_reactor_join_thread(h.reactors[1]); /* this thread's from now on */
	CU_ASSERT_EQUAL_FATAL(nvh_channel_open(ns, h.reactors[1], &channel), 0);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, block, sizeof(block), 1000 * TARGET_BLOCK), -ERANGE);
	target_resize_ns(1, 2000);
	CU_ASSERT_TRUE(NVH_WAIT((nvh_ns_info(ns, &info), info.nr_blocks == 2000), 10000));
	CU_ASSERT_EQUAL(nvh_read_sync(channel, block, sizeof(block), 1999 * TARGET_BLOCK), 0);
	target_resize_ns(1, 500);
	CU_ASSERT_TRUE(NVH_WAIT((nvh_ns_info(ns, &info), info.nr_blocks == 500), 10000));
	CU_ASSERT_EQUAL(nvh_read_sync(channel, block, sizeof(block), 500 * TARGET_BLOCK), -ERANGE);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, block, sizeof(block), 499 * TARGET_BLOCK), 0);
	CU_ASSERT_EQUAL(counted(&h.ns_removed), 0);
	nvh_channel_close(channel);
	CU_ASSERT_EQUAL(nvh_reactor_start_thread(h.reactors[1], -1), 0);
	host_down();
	target_down();
}

static void a_disconnect_under_load_ends_every_io(void)
{
	struct load *load;

	target_up(1);
	host_up();
	host_connect();
	load = load_start(find_on_home(), 1);
	CU_ASSERT_TRUE(load_moves(load, 20));
	nvh_disconnect_sync(h.ctrlr);
	CU_ASSERT_EQUAL(counted(&h.removed), 1);
	CU_ASSERT_TRUE(NVH_WAIT(counted(&load->inflight) == 0, 10000));
	CU_ASSERT_TRUE(load->last_err == -ENOTCONN || load->last_err == -ENODEV);
	CU_ASSERT_TRUE(load_stop(load) > 0);
	host_connect(); /* the name is free again */
	CU_ASSERT_PTR_NOT_NULL(find_on_home());
	host_down();
	target_down();
}

/* One queue for two reactors: the other's I/O goes through home. */
static void a_reactor_without_a_queue_is_served_too(void)
{
	struct nvh_connect_opts opts;
	struct load *loads[REACTORS];
	struct nvh_ns *ns;

	target_up(1);
	host_up();
	connect_opts(&opts);
	opts.nr_io_queues = 1;
	CU_ASSERT_EQUAL_FATAL(nvh_connect_sync(h.host, &opts, &h.ctrlr, NULL, 0), 0);
	ns = find_on_home();
	CU_ASSERT_TRUE(nvh_ns_reactor_usable(ns, h.reactors[0]));
	CU_ASSERT_FALSE(nvh_ns_reactor_usable(ns, h.reactors[1]));
	for (unsigned int i = 0; i < REACTORS; i++)
		loads[i] = load_start(ns, i);
	for (int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < REACTORS; i++)
			CU_ASSERT_TRUE(load_moves(loads[i], 30));
		target_listen(0);
		target_listen(1);
	}
	for (unsigned int i = 0; i < REACTORS; i++) {
		CU_ASSERT_TRUE(load_moves(loads[i], 30));
		CU_ASSERT_EQUAL(load_stop(loads[i]), 0);
	}
	host_down();
	target_down();
}

static void waiting_io_fails_at_ctrl_loss(void)
{
	struct nvh_connect_opts opts;
	struct load *load;

	target_up(1);
	host_up();
	connect_opts(&opts);
	opts.ctrl_loss_tmo_s = 1;
	CU_ASSERT_EQUAL_FATAL(nvh_connect_sync(h.host, &opts, &h.ctrlr, NULL, 0), 0);
	load = load_start(find_on_home(), 1);
	CU_ASSERT_TRUE(load_moves(load, 20));
	target_listen(0);
	CU_ASSERT_TRUE(NVH_WAIT(counted(&h.removed) == 1, 20000));
	CU_ASSERT_TRUE(NVH_WAIT(counted(&load->inflight) == 0, 10000));
	CU_ASSERT_EQUAL(load->last_err, -ENOTCONN);
	CU_ASSERT_TRUE(load_stop(load) > 0);
	host_down();
	target_down();
}

NVH_UNIT_MAIN("host/api/live", NVH_TEST(a_load_survives_the_target_going_away),
	      NVH_TEST(a_reset_under_load_costs_no_io), NVH_TEST(namespaces_come_and_go_under_load),
	      NVH_TEST(a_resize_is_seen_by_all), NVH_TEST(a_disconnect_under_load_ends_every_io),
	      NVH_TEST(a_reactor_without_a_queue_is_served_too),
	      NVH_TEST(waiting_io_fails_at_ctrl_loss))
