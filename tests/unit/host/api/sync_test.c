/*
 * Synchronous calls, discovery, names and the reactor, against target-lite over sockets.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nvhost/nvhost.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/api_target.h"
#include "tests/unit/nvh_cunit.h"

static struct nvh_reactor *reactor;
static struct nvh_host *host;

static void host_up(void)
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts),
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555",
		.reactors = &reactor,
		.nr_reactors = 1,
	};

	CU_ASSERT_EQUAL_FATAL(nvh_reactor_create(NULL, &reactor), 0);
	CU_ASSERT_EQUAL_FATAL(nvh_host_create(&opts, &host), 0);
}

static void host_down(void)
{
	nvh_host_close_sync(host);
	nvh_reactor_destroy(reactor);
}

static void opts_init(struct nvh_connect_opts *opts)
{
	nvh_connect_opts_init(opts, sizeof(*opts));
	opts->transport = "tcp";
	opts->traddr = "127.0.0.1";
	opts->trsvcid = target_port();
	opts->subnqn = TARGET_NQN;
	opts->no_retry = true;
}

static struct nvh_ctrlr *host_connect(void)
{
	struct nvh_connect_opts opts;
	struct nvh_ctrlr *ctrlr = NULL;
	char message[256];

	opts_init(&opts);
	CU_ASSERT_EQUAL_FATAL(nvh_connect_sync(host, &opts, &ctrlr, message, sizeof(message)), 0);
	return ctrlr;
}

static struct nvh_channel *channel;
static struct nvh_ns *channel_ns;

static void call_open(void *arg)
{
	if (!channel_ns)
		channel_ns = nvh_ns_find(host, arg);
	CU_ASSERT_EQUAL_FATAL(nvh_channel_open(channel_ns, reactor, &channel), 0);
}

static void call_close(void *arg)
{
	(void)arg;
	nvh_channel_close(channel);
}

/* The namespace of this name. */
static void use(const char *name)
{
	static uint8_t out[40 * TARGET_BLOCK], in[40 * TARGET_BLOCK];
	struct nvh_cpl cpl;
	struct nvh_io *io = malloc(nvh_io_size());

	CU_ASSERT_PTR_NOT_NULL_FATAL(io);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 17 + i / 300);
	memset(in, 0, sizeof(in));
	channel_ns = NULL;
	CU_ASSERT_EQUAL(nvh_reactor_call(reactor, call_open, (void *)(uintptr_t)name), 0);
	CU_ASSERT_PTR_EQUAL(nvh_channel_ns(channel), channel_ns);
	CU_ASSERT_EQUAL(nvh_write_sync(channel, out, sizeof(out), 7 * TARGET_BLOCK), 0);
	CU_ASSERT_EQUAL(nvh_flush_sync(channel), 0);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, in, sizeof(in), 7 * TARGET_BLOCK), 0);
	CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, in, 100, 0), -EINVAL);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, in, TARGET_BLOCK, 100), -EINVAL);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, in, 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(
		nvh_read_sync(channel, in, TARGET_BLOCK, (uint64_t)TARGET_BLOCKS * TARGET_BLOCK),
		-ERANGE);
	nvh_io_init(io);
	io->op = NVH_IO_WRITE_ZEROES;
	io->lba = 7;
	io->nr_blocks = 40;
	CU_ASSERT_EQUAL(nvh_io_sync(channel, io, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_status_to_errno(&cpl), 0);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, in, sizeof(in), 7 * TARGET_BLOCK), 0);
	memset(out, 0, sizeof(out));
	CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
	CU_ASSERT_EQUAL(nvh_reactor_call(reactor, call_close, NULL), 0);
	free(io);
}

static void a_thread_that_drives_its_reactor_itself(void)
{
	struct nvh_ctrlr *ctrlr;
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct nvh_cmd cmd = {.opc = NVH_ADM_IDENTIFY};
	struct nvh_id_ctrlr *id = calloc(1, sizeof(*id));
	struct nvh_cpl cpl;

	target_up(1);
	host_up();
	ctrlr = host_connect();
	use("nvh0n1");
	nvh_ctrlr_info(ctrlr, &info);
	CU_ASSERT_STRING_EQUAL(info.name, "nvh0");
	CU_ASSERT_STRING_EQUAL(info.state, "live");
	CU_ASSERT_STRING_EQUAL(info.subnqn, TARGET_NQN);
	CU_ASSERT_STRING_EQUAL(info.transport, "tcp");
	CU_ASSERT_STRING_EQUAL(info.trsvcid, target_port());
	CU_ASSERT_STRING_EQUAL(info.hostid, "11111111-2222-4333-8444-555555555555");
	CU_ASSERT_TRUE(info.local[0] != '\0');
	CU_ASSERT_EQUAL(info.nr_io_queues, 1);
	nvh_le32_put(&cmd.cdw10, NVH_CNS_CTRLR);
	CU_ASSERT_EQUAL(nvh_admin_sync(ctrlr, &cmd, id, sizeof(*id), 0, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_status_to_errno(&cpl), 0);
	CU_ASSERT_EQUAL(memcmp(id, nvh_ctrlr_identify(ctrlr), sizeof(*id)), 0);
	cmd.opc = 0xc0;
	CU_ASSERT_EQUAL(nvh_admin_sync(ctrlr, &cmd, NULL, 0, 0, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_status_to_errno(&cpl), -EOPNOTSUPP);
	nvh_disconnect_sync(ctrlr);
	CU_ASSERT_PTR_NULL(nvh_ctrlr_next(host, NULL));
	CU_ASSERT_PTR_NULL(nvh_ns_next(host, NULL));
	free(id);
	host_down();
	target_down();
}

static void a_reactor_that_a_thread_of_the_library_serves(void)
{
	target_up(1);
	host_up();
	CU_ASSERT_EQUAL(nvh_reactor_start_thread(reactor, 0), 0);
	CU_ASSERT_EQUAL(nvh_reactor_start_thread(reactor, 0), -EBUSY);
	host_connect();
	use(TARGET_NQN ":1");
	nvh_reactor_join_thread(reactor);
	CU_ASSERT_EQUAL(nvh_reactor_start_thread(reactor, -1), 0);
	use("nvh0n1");
	host_down();
	target_down();
}

struct answer {
	int calls, err;
	unsigned int code;
};

static void on_answer(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct answer *answer = arg;

	answer->calls++;
	answer->err = err;
	answer->code = cpl ? nvh_cpl_code(cpl) : 0;
}

static void log_pages_and_registered_memory(void)
{
	static uint8_t log[512], memory[8192];
	struct nvh_cmd cmd = {.opc = NVH_ADM_IDENTIFY};
	struct answer answer = {0};
	struct nvh_ctrlr *ctrlr;
	void *dma;

	target_up(1);
	host_up();
	CU_ASSERT_EQUAL(nvh_mem_register(host, memory, sizeof(memory)), 0);
	ctrlr = host_connect();
	memset(log, 0xff, sizeof(log));
	CU_ASSERT_EQUAL(nvh_ctrlr_get_log(ctrlr, NVH_LID_SMART, 0, NVH_NSID_ALL, 0, log,
					  sizeof(log), on_answer, &answer),
			0);
	CU_ASSERT_EQUAL(answer.calls, 0);
	while (!answer.calls)
		nvh_reactor_run(reactor, 100);
	CU_ASSERT_EQUAL(answer.err + (int)answer.code, 0);
	CU_ASSERT_EQUAL(log[511], 0);
	CU_ASSERT_EQUAL(nvh_ctrlr_get_log(ctrlr, NVH_LID_SMART, 0, NVH_NSID_ALL, 0, log, 3,
					  on_answer, &answer),
			-EINVAL);
	CU_ASSERT_EQUAL(nvh_ctrlr_get_log(ctrlr, NVH_LID_SMART, 0, NVH_NSID_ALL, 0, NULL, 512,
					  on_answer, &answer),
			-EINVAL);
	CU_ASSERT_EQUAL(nvh_admin_submit(ctrlr, &cmd, NULL, 4096, 0, on_answer, &answer), -EINVAL);
	CU_ASSERT_EQUAL(nvh_admin_submit(ctrlr, NULL, NULL, 0, 0, on_answer, &answer), -EINVAL);
	CU_ASSERT_EQUAL(answer.calls, 1);
	CU_ASSERT_EQUAL(nvh_mem_register(host, NULL, 4096), -EINVAL);
	CU_ASSERT_EQUAL(nvh_mem_register(host, memory, SIZE_MAX), -EINVAL);
	CU_ASSERT_EQUAL(nvh_mem_unregister(host, memory, 4096), -ENOENT);
	CU_ASSERT_EQUAL(nvh_mem_unregister(host, memory, sizeof(memory)), 0);
	dma = nvh_dma_alloc(10000, 4096);
	CU_ASSERT_PTR_NOT_NULL(dma);
	CU_ASSERT_EQUAL((uintptr_t)dma % 4096, 0);
	nvh_dma_free(dma);
	CU_ASSERT_PTR_NULL(nvh_dma_alloc(0, 0));
	CU_ASSERT_PTR_NULL(nvh_dma_alloc(4096, 3000));
	host_down();
	target_down();
}

static int inside_err;

static void inside(void *arg)
{
	uint8_t block[TARGET_BLOCK];

	inside_err = nvh_read_sync(arg, block, sizeof(block), 0);
}

static void from_a_callback_they_refuse(void)
{
	target_up(1);
	host_up();
	host_connect();
	CU_ASSERT_EQUAL_FATAL(nvh_channel_open(nvh_ns_next(host, NULL), reactor, &channel), 0);
	inside_err = 0;
	CU_ASSERT_EQUAL(nvh_reactor_post(reactor, inside, channel), 0);
	while (!inside_err)
		nvh_reactor_run(reactor, 100);
	CU_ASSERT_EQUAL(inside_err, -EDEADLK);
	nvh_channel_close(channel);
	host_down();
	target_down();
}

static void names_find_their_namespace(void)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvh_path_info path = {.size = sizeof(path)};
	struct nvh_ns *ns;
	char name[80] = "uuid.";

	target_up(3);
	host_up();
	host_connect();
	ns = nvh_ns_find(host, "nvh0n2");
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns);
	nvh_ns_info(ns, &info);
	CU_ASSERT_EQUAL(info.nsid, 2);
	CU_ASSERT_TRUE(info.has_uuid && info.io_supported && info.write_zeroes);
	CU_ASSERT_PTR_EQUAL(nvh_ns_find(host, TARGET_NQN ":2"), ns);
	for (int i = 0; i < 16; i++)
		sprintf(name + strlen(name), "%s%02X",
			i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", info.uuid[i]);
	CU_ASSERT_PTR_EQUAL(nvh_ns_find(host, name), ns);
	CU_ASSERT_PTR_NULL(nvh_ns_find(host, "nvh0n4"));
	CU_ASSERT_PTR_NULL(nvh_ns_find(host, TARGET_NQN ":"));
	CU_ASSERT_PTR_NULL(nvh_ns_find(host, TARGET_NQN ":2x"));
	CU_ASSERT_PTR_NULL(nvh_ns_find(host, ":2"));
	CU_ASSERT_PTR_NULL(nvh_ns_find(host, TARGET_NQN ":99999999999999999999"));
	CU_ASSERT_EQUAL(nvh_ns_path_info(ns, 0, &path), 0);
	CU_ASSERT_STRING_EQUAL(path.ctrlr_name, "nvh0");
	CU_ASSERT_STRING_EQUAL(path.state, "live");
	CU_ASSERT_PTR_EQUAL(path.ctrlr, nvh_ctrlr_find(host, "nvh0"));
	CU_ASSERT_EQUAL(nvh_ns_path_info(ns, 1, &path), -ENOENT);
	host_down();
	target_down();
}

struct found {
	int calls, err;
	uint64_t entries;
	char subnqn[257], trsvcid[33], message[256];
};

static void on_found(void *arg, int err, const struct nvh_discovery_log_view *log,
		     const char *message, const struct nvh_cpl *cpl)
{
	struct found *found = arg;

	(void)cpl;
	found->calls++;
	found->err = err;
	snprintf(found->message, sizeof(found->message), "%s", message);
	if (!log)
		return;
	found->entries = log->nr_entries;
	for (uint64_t i = 0; i < log->nr_entries; i++)
		if (!strcmp(log->entries[i].subnqn, TARGET_NQN))
			snprintf(found->trsvcid, sizeof(found->trsvcid), "%s",
				 log->entries[i].trsvcid);
}

static void discover(struct nvh_connect_opts *opts, struct found *found)
{
	char why[256] = "";
	int err;

	memset(found, 0, sizeof(*found));
	err = nvh_discover(host, opts, on_found, found, why, sizeof(why));
	if (err)
		printf("\n  %s\n", why);
	CU_ASSERT_EQUAL_FATAL(err, 0);
	CU_ASSERT_EQUAL(found->calls, 0);
	while (!found->calls)
		nvh_reactor_run(reactor, 100);
	CU_ASSERT_EQUAL(found->calls, 1);
}

static void discovery_tells_what_there_is(void)
{
	struct nvh_connect_opts opts;
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct found found;

	target_up(1);
	host_up();
	opts_init(&opts);
	opts.subnqn = NULL;
	discover(&opts, &found);
	CU_ASSERT_EQUAL(found.err, 0);
	CU_ASSERT_TRUE(found.entries >= 1);
	CU_ASSERT_STRING_EQUAL(found.trsvcid, target_port());
	CU_ASSERT_PTR_NULL(nvh_ctrlr_next(host, NULL));

	opts.persistent = true;
	discover(&opts, &found);
	CU_ASSERT_EQUAL(found.err, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(nvh_ctrlr_next(host, NULL));
	nvh_ctrlr_info(nvh_ctrlr_next(host, NULL), &info);
	CU_ASSERT_TRUE(info.discovery);
	memset(&found, 0, sizeof(found));
	CU_ASSERT_EQUAL(nvh_ctrlr_get_discovery_log(nvh_ctrlr_next(host, NULL), on_found, &found),
			0);
	while (!found.calls)
		nvh_reactor_run(reactor, 100);
	CU_ASSERT_STRING_EQUAL(found.trsvcid, target_port());

	opts.persistent = false;
	opts.trsvcid = "1";
	discover(&opts, &found);
	CU_ASSERT_TRUE(found.err < 0);
	CU_ASSERT_TRUE(found.message[0] != '\0');
	host_down();
	target_down();
}

struct probed {
	int asked, done;
	struct nvh_probe_result result;
	bool want;
};

static bool on_ask(void *arg, const struct nvh_discovery_entry *entry,
		   struct nvh_connect_opts *opts)
{
	struct probed *probed = arg;

	probed->asked++;
	CU_ASSERT_STRING_EQUAL(entry->subnqn, TARGET_NQN);
	CU_ASSERT_STRING_EQUAL(opts->trsvcid, target_port());
	opts->name = "probed";
	return probed->want;
}

static void on_probed(void *arg, const struct nvh_probe_result *result)
{
	struct probed *probed = arg;

	probed->done++;
	probed->result = *result;
}

static void probe(struct probed *probed, const char *port)
{
	struct nvh_connect_opts opts;
	char why[256];

	opts_init(&opts);
	opts.subnqn = NULL;
	opts.trsvcid = port;
	CU_ASSERT_EQUAL_FATAL(nvh_probe(host, &opts, on_ask, on_probed, probed, why, sizeof(why)),
			      0);
	CU_ASSERT_EQUAL(probed->done, 0);
	while (!probed->done)
		nvh_reactor_run(reactor, 100);
	CU_ASSERT_EQUAL(probed->done, 1);
}

static void a_probe_connects_what_is_wanted_and_follows_referrals_once(void)
{
	struct probed no = {0}, yes = {.want = true}, again = {.want = true}, nobody = {0};

	target_up(1);
	target_refer();
	host_up();
	probe(&no, target_port());
	CU_ASSERT_EQUAL(no.asked, 1); /* although the log refers to itself */
	CU_ASSERT_EQUAL(no.result.err, 0);
	CU_ASSERT_EQUAL(no.result.attached, 0);
	CU_ASSERT_EQUAL(no.result.failed_logs, 1);
	CU_ASSERT_PTR_NULL(nvh_ctrlr_next(host, NULL));

	probe(&yes, target_port());
	CU_ASSERT_EQUAL(yes.result.err, 0);
	CU_ASSERT_EQUAL(yes.result.attached, 1);
	CU_ASSERT_PTR_NOT_NULL(nvh_ctrlr_find(host, "probed"));
	CU_ASSERT_PTR_NOT_NULL(nvh_ns_find(host, TARGET_NQN ":1"));
	probe(&again, target_port());
	CU_ASSERT_EQUAL(again.result.attached, 0);
	CU_ASSERT_EQUAL(again.result.already, 1);

	probe(&nobody, "1");
	CU_ASSERT_TRUE(nobody.result.err < 0);
	CU_ASSERT_EQUAL(nobody.result.failed_logs, 1);
	host_down();
	target_down();
}

static void closing_a_host_ends_what_is_under_way(void)
{
	struct nvh_connect_opts opts;
	struct found found = {0};

	target_up(1);
	host_up();
	opts_init(&opts);
	opts.subnqn = NULL;
	CU_ASSERT_EQUAL(nvh_discover(host, &opts, on_found, &found, NULL, 0), 0);
	host_down(); /* waits for it */
	CU_ASSERT_EQUAL(found.calls, 1);
	target_down();
}

/* ---- the reactor ------------------------------------------------------------------------------
 */

static int posted;

static void on_post(void *arg)
{
	(void)arg;
	posted++;
}

static void its_descriptor_is_readable_when_there_is_work(void)
{
	struct pollfd fd = {.events = POLLIN};

	CU_ASSERT_EQUAL_FATAL(nvh_reactor_create(NULL, &reactor), 0);
	fd.fd = nvh_reactor_fd(reactor);
	CU_ASSERT_TRUE(fd.fd >= 0);
	nvh_reactor_run(reactor, 0);
	CU_ASSERT_EQUAL(poll(&fd, 1, 0), 0);
	posted = 0;
	CU_ASSERT_EQUAL(nvh_reactor_post(reactor, on_post, NULL), 0);
	CU_ASSERT_EQUAL(poll(&fd, 1, 1000), 1);
	while (!posted)
		nvh_reactor_run(reactor, 0);
	nvh_reactor_run(reactor, 0);
	CU_ASSERT_EQUAL(poll(&fd, 1, 0), 0);
	nvh_reactor_destroy(reactor);
}

static void after_fork_every_entry_refuses(void)
{
	struct nvh_host *other = NULL;
	struct nvh_host_opts opts = {.size = sizeof(opts), .reactors = &reactor, .nr_reactors = 1};
	struct nvh_connect_opts connect;
	struct nvh_io *io = malloc(nvh_io_size());
	int status = 0;
	pid_t child;

	CU_ASSERT_PTR_NOT_NULL_FATAL(io);
	target_up(1);
	host_up();
	host_connect();
	CU_ASSERT_EQUAL_FATAL(nvh_channel_open(nvh_ns_next(host, NULL), reactor, &channel), 0);
	nvh_io_init(io);
	opts_init(&connect);
	child = fork();
	if (!child) {
		int bad = 0;
		struct nvh_reactor *r;

		bad |= nvh_submit(channel, io) != -EPERM;
		bad |= nvh_flush_sync(channel) != -EPERM;
		bad |= nvh_connect(host, &connect, NULL, NULL, NULL, 0) != -EPERM;
		bad |= nvh_host_create(&opts, &other) != -EPERM;
		bad |= nvh_reactor_create(NULL, &r) != -EPERM;
		bad |= nvh_reactor_run(reactor, 0) != -EPERM;
		bad |= nvh_reactor_fd(reactor) != -EPERM;
		bad |= nvh_channel_open(nvh_channel_ns(channel), reactor, &channel) != -EPERM;
		bad |= nvh_dma_alloc(4096, 0) != NULL;
		nvh_channel_close(channel);
		nvh_host_close_sync(host);
		_exit(bad);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(nvh_flush_sync(channel), 0); /* the parent is none the worse */
	nvh_channel_close(channel);
	free(io);
	host_down();
	target_down();
}

static int make_host(void *arg)
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts),
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555",
		.reactors = &reactor,
		.nr_reactors = 1,
	};
	int err;

	(void)arg;
	err = nvh_reactor_create(NULL, &reactor);
	if (err)
		return err;
	err = nvh_host_create(&opts, &host);
	if (!err)
		nvh_host_close_sync(host);
	nvh_reactor_destroy(reactor);
	return err;
}

static void failed_allocations_leave_nothing_behind(void)
{
	CU_ASSERT_TRUE(nvh_alloc_walk(make_host, NULL, false) >= 4);
}

static int connect_and_read(void *arg)
{
	uint8_t block[TARGET_BLOCK];
	struct nvh_connect_opts opts;
	struct nvh_ctrlr *ctrlr;
	struct nvh_ns *ns;
	int err;

	(void)arg;
	opts_init(&opts);
	err = nvh_connect_sync(host, &opts, &ctrlr, NULL, 0);
	if (err) {
		nvh_reactor_run(reactor, 0); /* what was told is freed a turn later */
		return err;
	}
	ns = nvh_ns_next(host, NULL);
	err = ns ? nvh_channel_open(ns, reactor, &channel) : -ENOMEM;
	if (!err) {
		/* A lane that could not be made is missed until the next reconnect: give up by
		 * time. */
		struct nvh_io *io = malloc(nvh_io_size());
		struct iovec iov = {block, sizeof(block)};

		err = io ? 0 : -ENOMEM;
		if (io) {
			struct timespec now;

			nvh_io_init(io);
			clock_gettime(CLOCK_MONOTONIC, &now);
			io->op = NVH_IO_READ;
			io->nr_blocks = 1;
			io->iov = &iov;
			io->iovcnt = 1;
			io->deadline_ns = (uint64_t)now.tv_sec * 1000000000u +
					  (uint64_t)now.tv_nsec + 20000000u;
			err = nvh_io_sync(channel, io, NULL);
			if (err == -ETIMEDOUT)
				err = -ENOMEM;
			free(io);
		}
		nvh_channel_close(channel);
	}
	nvh_disconnect_sync(ctrlr);
	nvh_reactor_run(reactor, 0);
	return err;
}

static void connecting_without_memory_fails_cleanly(void)
{
	target_up(1);
	host_up();
	CU_ASSERT_TRUE(nvh_alloc_walk(connect_and_read, NULL, true) >= 10);
	host_down();
	target_down();
}

NVH_UNIT_MAIN("host/api/sync", NVH_TEST(a_thread_that_drives_its_reactor_itself),
	      NVH_TEST(a_reactor_that_a_thread_of_the_library_serves),
	      NVH_TEST(log_pages_and_registered_memory), NVH_TEST(from_a_callback_they_refuse),
	      NVH_TEST(names_find_their_namespace), NVH_TEST(discovery_tells_what_there_is),
	      NVH_TEST(a_probe_connects_what_is_wanted_and_follows_referrals_once),
	      NVH_TEST(closing_a_host_ends_what_is_under_way),
	      NVH_TEST(its_descriptor_is_readable_when_there_is_work),
	      NVH_TEST(after_fork_every_entry_refuses),
	      NVH_TEST(failed_allocations_leave_nothing_behind),
	      NVH_TEST(connecting_without_memory_fails_cleanly))
