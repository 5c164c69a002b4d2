/*
 * Writes and reads with buffers of every shape: DMA memory, memory of malloc, registered and not,
 * one piece or scattered, aligned or odd. What is read is held against what was written, and the
 * bytes between the pieces must stay as they were.
 *
 *	io_shapes -t rdma -a ADDRESS -s PORT -n NQN [--nsid N] [--rounds N] [--seed N]
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/nvhost.h>

#define RANGE     (8u << 20) /* of the namespace */
#define LEN_MAX   (1536u << 10)
#define PIECES    24
#define ARENA     (4u << 20)
#define UNTOUCHED 0xa5

enum arena { DMA, REGISTERED, PLAIN, ARENAS };
static const char *const arena_names[] = {"DMA memory", "registered memory", "plain memory"};

struct shapes {
	struct nvh_reactor *reactor;
	struct nvh_host *host;
	struct nvh_channel *channel;
	uint32_t block;
	uint8_t *arenas[ARENAS];
	uint8_t *shadow; /* what the namespace holds */
	unsigned int seed;
	struct iovec iov[PIECES];
	unsigned int pieces;
	bool done;
	int err;
};

static uint32_t pick(struct shapes *s, uint32_t below)
{
	return (uint32_t)(((uint64_t)rand_r(&s->seed) << 16 ^ (uint64_t)rand_r(&s->seed)) % below);
}

static void shape_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct shapes *s = arg;

	s->done = true;
	s->err = err ? err : nvh_status_to_errno(cpl);
	if (!err && s->err)
		fprintf(stderr, "status: %s\n", nvh_status_string(cpl));
}

/* Cuts `len` bytes of an arena into pieces with gaps (or none) between. */
static void cut(struct shapes *s, uint8_t *arena, uint32_t len)
{
	uint32_t at = pick(s, 2) ? 0 : pick(s, 4096), wanted = 1 + pick(s, PIECES), left = len;
	uint32_t aligned = pick(s, 2), adjacent = pick(s, 4) == 0;

	s->pieces = 0;
	while (left > 0) {
		uint32_t size = s->pieces + 1 == wanted ? left : 1 + pick(s, left);

		if (aligned && s->pieces + 1 < wanted)
			size = size < 4096 ? left : size & ~4095u;
		s->iov[s->pieces++] = (struct iovec){.iov_base = arena + at, .iov_len = size};
		at += size + (adjacent ? 0 : aligned ? 4096u : pick(s, 3000));
		left -= size;
	}
}

static int submit(struct shapes *s, struct nvh_io *io, uint8_t op, uint64_t lba, uint32_t len)
{
	int err;

	nvh_io_init(io);
	io->op = op;
	io->lba = lba;
	io->nr_blocks = len / s->block;
	io->iov = s->iov;
	io->iovcnt = s->pieces;
	io->done = shape_done;
	io->arg = s;
	s->done = false;
	err = nvh_submit(s->channel, io);
	while (!err && !s->done)
		nvh_reactor_run(s->reactor, -1);
	return err ? err : s->err;
}

static int write_shape(struct shapes *s, struct nvh_io *io, uint64_t lba, uint32_t len)
{
	uint8_t *to = s->shadow + lba * s->block;

	for (unsigned int i = 0; i < s->pieces; i++) {
		uint8_t *from = s->iov[i].iov_base;

		for (size_t j = 0; j < s->iov[i].iov_len; j++)
			from[j] = (uint8_t)rand_r(&s->seed);
		memcpy(to, from, s->iov[i].iov_len);
		to += s->iov[i].iov_len;
	}
	return submit(s, io, NVH_IO_WRITE, lba, len);
}

static int read_shape(struct shapes *s, struct nvh_io *io, uint8_t *arena, uint64_t lba,
		      uint32_t len)
{
	const uint8_t *want = s->shadow + lba * s->block;
	int err;

	memset(arena, UNTOUCHED, ARENA);
	err = submit(s, io, NVH_IO_READ, lba, len);
	if (err)
		return err;
	for (unsigned int i = 0; i < s->pieces; i++) {
		if (memcmp(s->iov[i].iov_base, want, s->iov[i].iov_len)) {
			fprintf(stderr, "piece %u of %u is not what was written\n", i, s->pieces);
			return -EBADMSG;
		}
		want += s->iov[i].iov_len;
		memset(s->iov[i].iov_base, UNTOUCHED, s->iov[i].iov_len);
	}
	for (uint32_t i = 0; i < ARENA; i++) {
		if (arena[i] != UNTOUCHED) {
			fprintf(stderr, "a byte outside the buffers was touched\n");
			return -EBADMSG;
		}
	}
	return 0;
}

static int round_of(struct shapes *s, struct nvh_io *io, unsigned int number)
{
	uint32_t most = pick(s, 3) ? 16384 : LEN_MAX;
	uint32_t len = (1 + pick(s, most / s->block)) * s->block;
	uint64_t lba = pick(s, (RANGE - len) / s->block);
	enum arena arena = pick(s, ARENAS);
	bool write = pick(s, 2);
	int err;

	cut(s, s->arenas[arena], len);
	err = write ? write_shape(s, io, lba, len) : read_shape(s, io, s->arenas[arena], lba, len);
	if (err)
		fprintf(stderr, "round %u: %s of %u bytes, %u pieces of %s: %s\n", number,
			write ? "write" : "read", len, s->pieces, arena_names[arena],
			strerror(-err));
	return err;
}

static int run(struct shapes *s, unsigned int rounds)
{
	struct nvh_io *io = malloc(nvh_io_size());
	int err = io ? 0 : -ENOMEM;

	/* The namespace and its shadow start alike. */
	for (uint64_t at = 0; !err && at < RANGE; at += 1u << 20) {
		s->iov[0] = (struct iovec){.iov_base = s->arenas[DMA], .iov_len = 1u << 20};
		s->pieces = 1;
		err = write_shape(s, io, at / s->block, 1u << 20);
	}
	for (unsigned int i = 0; !err && i < rounds; i++)
		err = round_of(s, io, i);
	free(io);
	return err;
}

static int setup(struct shapes *s, const struct nvh_connect_opts *opts, unsigned int nsid)
{
	struct nvh_host_opts host_opts = {.size = sizeof(host_opts), .nr_reactors = 1};
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvh_ctrlr *ctrlr;
	struct nvh_ns *ns = NULL;
	char message[320];
	int err;

	err = nvh_reactor_create(NULL, &s->reactor);
	if (err)
		return err;
	host_opts.reactors = &s->reactor;
	err = nvh_host_create(&host_opts, &s->host);
	if (err)
		return err;
	s->arenas[DMA] = nvh_dma_alloc(ARENA, 0);
	s->arenas[REGISTERED] = aligned_alloc(4096, ARENA);
	s->arenas[PLAIN] = malloc(ARENA);
	s->shadow = malloc(RANGE);
	if (!s->arenas[DMA] || !s->arenas[REGISTERED] || !s->arenas[PLAIN] || !s->shadow)
		return -ENOMEM;
	memset(s->arenas[REGISTERED], 0, ARENA);
	err = nvh_connect_sync(s->host, opts, &ctrlr, message, sizeof(message));
	if (err) {
		fprintf(stderr, "connect: %s\n", message);
		return err;
	}
	err = nvh_mem_register(s->host, s->arenas[REGISTERED], ARENA);
	if (err)
		return err;
	while ((ns = nvh_ns_next(s->host, ns))) {
		nvh_ns_info(ns, &info);
		if (info.nsid == nsid)
			break;
	}
	if (!ns)
		return -ENODEV;
	s->block = info.block_size;
	return nvh_channel_open(ns, s->reactor, &s->channel);
}

static void teardown(struct shapes *s)
{
	if (s->channel)
		nvh_channel_close(s->channel);
	if (s->host && s->arenas[REGISTERED])
		nvh_mem_unregister(s->host, s->arenas[REGISTERED], ARENA);
	nvh_dma_free(s->arenas[DMA]);
	free(s->arenas[REGISTERED]);
	free(s->arenas[PLAIN]);
	free(s->shadow);
	if (s->host)
		nvh_host_close_sync(s->host);
	if (s->reactor)
		nvh_reactor_destroy(s->reactor);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"transport", required_argument, NULL, 't'},
		{"traddr", required_argument, NULL, 'a'},
		{"trsvcid", required_argument, NULL, 's'},
		{"nqn", required_argument, NULL, 'n'},
		{"nsid", required_argument, NULL, 'N'},
		{"rounds", required_argument, NULL, 'r'},
		{"seed", required_argument, NULL, 'S'},
		{NULL, 0, NULL, 0},
	};
	struct shapes s = {.seed = 1};
	unsigned int nsid = 1, rounds = 300;
	struct nvh_connect_opts opts;
	int opt, err;

	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.no_retry = true;
	while ((opt = getopt_long(argc, argv, "t:a:s:n:N:r:S:", options, NULL)) != -1) {
		if (opt == 't')
			opts.transport = optarg;
		else if (opt == 'a')
			opts.traddr = optarg;
		else if (opt == 's')
			opts.trsvcid = optarg;
		else if (opt == 'n')
			opts.subnqn = optarg;
		else if (opt == 'N')
			nsid = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 'r')
			rounds = (unsigned int)strtoul(optarg, NULL, 10);
		else if (opt == 'S')
			s.seed = (unsigned int)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	err = setup(&s, &opts, nsid);
	if (!err)
		err = run(&s, rounds);
	if (err)
		fprintf(stderr, "io_shapes: %s\n", strerror(-err));
	teardown(&s);
	return err != 0;
}
