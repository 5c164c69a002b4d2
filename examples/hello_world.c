/*
 * Hello world: connects one subsystem, by NVMe/TCP or any other transport, writes "Hello world!" to the first block of a
 * namespace, reads it back into another buffer and compares.
 *
 *	hello_world -t tcp -a 127.0.0.1 -s 4420 -n nqn.2016-06.io.spdk:cnode1 [--ns 1] [-L all]
 *	hello_world -t vfio-user -a /run/nvme0 -n nqn.2016-06.io.spdk:cnode1 -L nvme
 *	hello_world -t pcie -a 0000:03:00.0
 *
 * Builds against an installed libnvhost with
 *	cc hello_world.c $(pkg-config --cflags --libs nvhost)
 *
 * The block is overwritten: use a namespace without data of value.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/nvhost.h>

struct hello {
	struct nvh_reactor *reactor;
	struct nvh_host *host;
	struct nvh_channel *channel;
	char *buffer;
	size_t block_size;
};

static void usage(const char *program)
{
	printf("usage: %s -t tcp -a ADDRESS -s PORT -n SUBSYSTEM-NQN [options]\n"
	       "       %s -t pcie -a 0000:03:00.0 [options]\n"
	       "       %s -t vfio-user -a FOLDER [options]\n"
	       "  -t, --transport NAME   tcp (default), rdma, pcie, vfio-user\n"
	       "  -a, --traddr ADDRESS   of the subsystem's listener; pcie: 0000:03:00.0\n"
	       "  -s, --trsvcid PORT     4420 (default)\n"
	       "  -n, --nqn NQN          of the subsystem; pcie and vfio-user: it says it itself\n"
	       "      --ns NSID          the first namespace when not given\n"
	       "  -q, --hostnqn NQN      instead of this host's\n"
	       "  -L, --log SPEC         all, nvme, tcp:debug, all:info,nvme:trace...\n",
	       program, program, program);
}

static void log_line(int level, const char *component, const char *line)
{
	static const char *const names[] = {"error", "warn", "info", "debug", "trace"};

	fprintf(stderr, "%-5s %s: %s\n", names[level], component, line);
}

/* ---- the asynchronous way: one nvh_io, one callback -------------------------------------------
 */

struct outcome {
	int done;
	int err;
};

static void io_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct outcome *outcome = arg;

	outcome->done = 1;
	outcome->err = err ? err : nvh_status_to_errno(cpl);
	if (!err && outcome->err)
		fprintf(stderr, "status: %s\n", nvh_status_string(cpl));
}

static int write_block(struct hello *hello)
{
	struct iovec iov = {.iov_base = hello->buffer, .iov_len = hello->block_size};
	struct outcome outcome = {0, 0};
	struct nvh_io *io = malloc(nvh_io_size());
	int err;

	if (!io)
		return -1;
	nvh_io_init(io);
	io->op = NVH_IO_WRITE;
	io->lba = 0;
	io->nr_blocks = 1;
	io->iov = &iov;
	io->iovcnt = 1;
	io->done = io_done;
	io->arg = &outcome;
	err = nvh_submit(hello->channel, io);
	while (!err && !outcome.done)
		nvh_reactor_run(hello->reactor, -1);
	free(io);
	return err ? err : outcome.err;
}

/* ---- the program ------------------------------------------------------------------------------
 */

static int hello_io(struct hello *hello, struct nvh_ns *ns)
{
	static const char text[] = "Hello world!";
	struct nvh_ns_info info = {.size = sizeof(info)};
	int err;

	nvh_ns_info(ns, &info);
	printf("%s: %s namespace %u, %llu blocks of %u bytes\n", info.name, info.subnqn, info.nsid,
	       (unsigned long long)info.nr_blocks, info.block_size);
	err = nvh_channel_open(ns, hello->reactor, &hello->channel);
	if (err) {
		fprintf(stderr, "channel to %s: %s\n", info.name, strerror(-err));
		return 1;
	}
	hello->block_size = info.block_size;
	hello->buffer = nvh_dma_alloc(info.block_size, 0);
	if (!hello->buffer) {
		perror("buffer");
		return 1;
	}
	strcpy(hello->buffer, text);
	err = write_block(hello);
	if (err) {
		fprintf(stderr, "write: %s\n", strerror(-err));
		return 1;
	}
	memset(hello->buffer, 0, hello->block_size);
	/* The synchronous way: one call. */
	err = nvh_read_sync(hello->channel, hello->buffer, hello->block_size, 0);
	if (err) {
		fprintf(stderr, "read: %s\n", strerror(-err));
		return 1;
	}
	printf("%s\n", hello->buffer);
	return strcmp(hello->buffer, text) != 0;
}

/* ---- a local controller's own name ------------------------------------------------------------- */

struct question {
	int done;
	char nqn[257];
};

static void nqn_told(void *arg, int err, const struct nvh_discovery_log_view *log,
		     const char *message, const struct nvh_cpl *cpl)
{
	struct question *question = arg;

	(void)cpl;
	question->done = 1;
	if (err)
		fprintf(stderr, "discover: %s\n", message);
	else if (log->nr_entries)
		strcpy(question->nqn, log->entries[0].subnqn);
}

static int find_nqn(struct hello *hello, const struct nvh_connect_opts *opts,
		    struct question *question)
{
	char message[320];

	if (nvh_discover(hello->host, opts, nqn_told, question, message, sizeof(message))) {
		fprintf(stderr, "discover: %s\n", message);
		return -1;
	}
	while (!question->done)
		nvh_reactor_run(hello->reactor, -1);
	return question->nqn[0] ? 0 : -1;
}

static int hello_connected(struct hello *hello, const struct nvh_connect_opts *opts,
			   unsigned int nsid)
{
	struct nvh_ns *ns = NULL;
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvh_ctrlr *ctrlr;
	char message[320];
	int result;

	if (nvh_connect_sync(hello->host, opts, &ctrlr, message, sizeof(message))) {
		fprintf(stderr, "connect: %s\n", message);
		return 1;
	}
	while ((ns = nvh_ns_next(hello->host, ns))) {
		nvh_ns_info(ns, &info);
		if (!nsid || info.nsid == nsid)
			break;
	}
	if (!ns) {
		fprintf(stderr, "%s has no namespace%s\n", opts->subnqn,
			nsid ? " with that NSID" : "");
		return 1;
	}
	result = hello_io(hello, ns);
	nvh_channel_close(hello->channel);
	nvh_dma_free(hello->buffer);
	return result;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"transport", required_argument, NULL, 't'},
		{"traddr", required_argument, NULL, 'a'},
		{"trsvcid", required_argument, NULL, 's'},
		{"nqn", required_argument, NULL, 'n'},
		{"ns", required_argument, NULL, 'N'},
		{"hostnqn", required_argument, NULL, 'q'},
		{"log", required_argument, NULL, 'L'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct nvh_connect_opts opts;
	struct nvh_host_opts host_opts = {.size = sizeof(host_opts), .nr_reactors = 1};
	struct hello hello = {0};
	struct question question = {0};
	unsigned int nsid = 0;
	char why[128];
	int opt, result;

	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.transport = "tcp";
	opts.no_retry = true;
	while ((opt = getopt_long(argc, argv, "t:a:s:n:N:q:L:h", options, NULL)) != -1) {
		switch (opt) {
		case 't':
			opts.transport = optarg;
			break;
		case 'a':
			opts.traddr = optarg;
			break;
		case 's':
			opts.trsvcid = optarg;
			break;
		case 'n':
			opts.subnqn = optarg;
			break;
		case 'N':
			nsid = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'q':
			host_opts.hostnqn = optarg;
			break;
		case 'L':
			if (nvh_log_configure(optarg, why, sizeof(why))) {
				fprintf(stderr, "%s\n", why);
				return 2;
			}
			break;
		case 'h':
			usage(argv[0]);
			return 0;
		default:
			usage(argv[0]);
			return 2;
		}
	}
	if (!opts.traddr || (!opts.subnqn && strcmp(opts.transport, "pcie") != 0 &&
			     strcmp(opts.transport, "vfio-user") != 0)) {
		usage(argv[0]);
		return 2;
	}
	nvh_log_set(log_line);
	if (nvh_reactor_create(NULL, &hello.reactor)) {
		fprintf(stderr, "no reactor\n");
		return 1;
	}
	host_opts.reactors = &hello.reactor;
	if (nvh_host_create(&host_opts, &hello.host)) {
		fprintf(stderr, "no host: is the host NQN right?\n");
		nvh_reactor_destroy(hello.reactor);
		return 1;
	}
	if (!opts.subnqn && find_nqn(&hello, &opts, &question) == 0)
		opts.subnqn = question.nqn;
	result = opts.subnqn ? hello_connected(&hello, &opts, nsid) : 1;
	nvh_host_close_sync(hello.host);
	nvh_reactor_destroy(hello.reactor);
	return result;
}
