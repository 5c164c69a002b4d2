/*
 * What multipath costs where there is one path: 4 KiB reads over one I/O queue of one connection, through
 * the channel and through a driver of its own here that knows one path and nothing else. Both keep the
 * same contract: checks against the namespace, cutting at the path's limit, the command built from the
 * caller's I/O, one callback with the result.
 *
 *	layer_cost -s PORT -n NQN [-q DEPTH] [-p PAIRS]	   wall-clock: pairs of a second each, in turns
 *	layer_cost -s PORT -n NQN [-q DEPTH] -c COUNT -m channel|direct	   so many reads, for callgrind
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nvhost/nvhost.h>

#include "base/fork.h"
#include "multipath/head.h"

#define BYTES	  4096u
#define DEPTH_MAX 512u
#define PAIRS_MAX 99u
#define SLICE_NS  (20 * NVHI_NSEC_PER_MSEC)

/* ---- the driver that knows one path ----------------------------------------------------------- */

struct direct {
	struct nvhi_ioq *ioq;
	struct nvhi_ctrlr *ctrlr;
	uint32_t nsid, block_shift, max_blocks;
	uint64_t nr_blocks;
};

struct direct_io {
	struct nvh_io pub;
	struct direct *direct;
	struct nvhi_iov_cursor cursor;
	uint64_t next, end;
	uint32_t out;
	int err;
	struct nvh_cpl cpl;
};

static const struct {
	uint8_t opcode, dir;
} direct_ops[] = {
	[NVH_IO_READ] = {NVH_OPC_READ, NVHI_DIR_TO_HOST},
	[NVH_IO_WRITE] = {NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR},
};

static void direct_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	struct direct_io *io = r->owner;

	if (__builtin_expect(err || nvh_cpl_is_error(cpl), 0)) {
		io->err = err;
		if (!err)
			io->cpl = *cpl;
	}
	if (!err)
		io->pub.result = nvh_cpl_result64(cpl);
	if (--io->out)
		return;
	io->pub.done(io->pub.arg, io->err, io->err ? NULL : cpl);
}

static int direct_issue(struct direct_io *io)
{
	struct direct *d = io->direct;

	while (io->next != io->end) {
		uint64_t left = io->end - io->next;
		uint32_t blocks = left < d->max_blocks ? (uint32_t)left : d->max_blocks;
		struct nvhi_ioq_req *r = nvhi_ioq_get(d->ioq);

		if (!r)
			return -EAGAIN;
		memset(&r->req.cmd, 0, sizeof(r->req.cmd));
		r->req.cmd.opc = direct_ops[io->pub.op].opcode;
		nvh_le32_put(&r->req.cmd.nsid, d->nsid);
		nvh_le32_put(&r->req.cmd.cdw10, (uint32_t)io->next);
		nvh_le32_put(&r->req.cmd.cdw11, (uint32_t)(io->next >> 32));
		nvh_le32_put(&r->req.cmd.cdw12,
			     (blocks - 1) | (io->pub.flags & NVH_IO_FUA ? NVH_RW_FUA : 0));
		r->req.data = io->cursor;
		r->req.len = blocks << d->block_shift;
		r->req.dir = direct_ops[io->pub.op].dir;
		r->req.short_ok = false;
		r->done = direct_done;
		r->owner = io;
		if (nvhi_ioq_submit(d->ioq, r)) {
			nvhi_ioq_put(d->ioq, r);
			return -ENOTCONN;
		}
		io->out++;
		io->next += blocks;
		if (io->next != io->end)
			nvhi_iov_cursor_advance(&io->cursor, r->req.len);
	}
	return 0;
}

static __attribute__((noinline)) int direct_submit(struct direct *d, struct nvh_io *pub)
{
	struct direct_io *io = nvhi_container_of(pub, struct direct_io, pub);

	if (nvhi_forked())
		return -EPERM;
	if (pub->op >= NVHI_ARRAY_SIZE(direct_ops) || !pub->nr_blocks || pub->md_iovcnt)
		return -EINVAL;
	if (__builtin_add_overflow(pub->lba, pub->nr_blocks, &io->end) || io->end > d->nr_blocks)
		return -ERANGE;
	if (nvhi_iov_length(pub->iov, pub->iovcnt) < (size_t)pub->nr_blocks << d->block_shift)
		return -EINVAL;
	io->direct = d;
	io->next = pub->lba;
	io->out = 0;
	io->err = 0;
	nvhi_iov_cursor_init(&io->cursor, pub->iov, pub->iovcnt);
	return direct_issue(io);
}

/* ---- the load ----------------------------------------------------------------------------------- */

struct slot {
	struct nvh_io *io[2]; /* of the channel, of the driver here */
	struct iovec iov;
};

static struct bench {
	struct nvh_reactor *reactor;
	struct nvh_host *host;
	struct nvh_channel *channel;
	struct direct direct;
	struct slot slots[DEPTH_MAX];
	uint32_t depth, out;
	uint64_t done, left, random;
	bool use_direct, stop, connected;
} bench;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "layer_cost: %s: %s\n", what, why);
	exit(1);
}

static void submit_one(struct slot *slot)
{
	struct nvh_io *io = slot->io[bench.use_direct];
	int err;

	bench.random ^= bench.random << 13;
	bench.random ^= bench.random >> 7;
	bench.random ^= bench.random << 17;
	io->lba = (bench.random & 0x1fff) * io->nr_blocks;
	err = bench.use_direct ? direct_submit(&bench.direct, io) : nvh_submit(bench.channel, io);
	if (err)
		die("submit", strerror(-err));
	bench.out++;
}

static void on_io(void *arg, int err, const struct nvh_cpl *cpl)
{
	if (err || nvh_status_to_errno(cpl))
		die("read", err ? strerror(-err) : nvh_status_string(cpl));
	bench.out--;
	bench.done++;
	if (bench.left && --bench.left == 0)
		bench.stop = true;
	if (!bench.stop)
		submit_one(arg);
}

/* Until the time, or the count, is over and all is home. */
static uint64_t load(bool use_direct, uint64_t count, uint64_t ns)
{
	uint64_t begun = nvhi_reactor_clock(bench.reactor);

	bench.use_direct = use_direct;
	bench.stop = false;
	bench.left = count;
	for (uint32_t i = 0; i < bench.depth && !bench.stop; i++)
		submit_one(&bench.slots[i]);
	while (bench.out) {
		nvhi_reactor_run(bench.reactor, 100);
		if (!count && nvhi_reactor_now(bench.reactor) - begun >= ns)
			bench.stop = true;
	}
	return nvhi_reactor_clock(bench.reactor) - begun;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Slices so short that what else runs on the machine meets both alike. */
static void measure(uint32_t pairs)
{
	double ratios[PAIRS_MAX], best[2] = {0, 0};

	load(false, 0, SLICE_NS);
	load(true, 0, SLICE_NS);
	for (uint32_t p = 0; p < pairs; p++) {
		uint64_t done[2] = {0, 0}, took[2] = {0, 0};

		for (int slice = 0; slice < 50; slice++) {
			for (int turn = 0; turn < 2; turn++) {
				bool direct = (slice + turn) & 1;
				uint64_t before = bench.done;

				took[direct] += load(direct, 0, SLICE_NS);
				done[direct] += bench.done - before;
			}
		}
		for (int direct = 0; direct < 2; direct++) {
			double iops = (double)done[direct] * 1e9 / (double)took[direct];

			best[direct] = iops > best[direct] ? iops : best[direct];
		}
		ratios[p] = ((double)took[0] / (double)done[0]) / ((double)took[1] / (double)done[1]);
	}
	qsort(ratios, pairs, sizeof(ratios[0]), compare_doubles);
	printf("wall-clock: an I/O with multipath takes %.4f of one without (median of %u pairs; "
	       "%.4f to %.4f); %.0f and %.0f IOPS at best\n",
	       ratios[pairs / 2], pairs, ratios[0], ratios[pairs - 1], best[0], best[1]);
}

/* ---- setting up ----------------------------------------------------------------------------------- */

static void on_connected(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
			 const struct nvh_cpl *cpl)
{
	(void)arg;
	(void)ctrlr;
	(void)cpl;
	if (err)
		die("connect", message);
	bench.connected = true;
}

static struct nvh_io *make_io(struct slot *slot, size_t size)
{
	struct nvh_io *io = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (!io)
		die("memory", strerror(ENOMEM));
	memset(io, 0, size);
	io->op = NVH_IO_READ;
	io->nr_blocks = BYTES >> bench.direct.block_shift;
	io->iov = &slot->iov;
	io->iovcnt = 1;
	io->done = on_io;
	io->arg = slot;
	return io;
}

static void set_up(const struct nvh_connect_opts *opts)
{
	struct nvh_host_opts host_opts = {.size = sizeof(host_opts), .nr_reactors = 1};
	struct direct *d = &bench.direct;
	const struct nvhi_lane *lane;
	struct nvh_ns *ns;
	char why[256];

	if (nvh_reactor_create(NULL, &bench.reactor))
		die("reactor", strerror(errno));
	host_opts.reactors = &bench.reactor;
	if (nvh_host_create(&host_opts, &bench.host))
		die("host", strerror(errno));
	if (nvh_connect(bench.host, opts, on_connected, NULL, why, sizeof(why)))
		die("connect", why);
	while (!bench.connected)
		nvhi_reactor_run(bench.reactor, 100);
	ns = nvh_ns_next(bench.host, NULL);
	if (!ns || nvh_channel_open(ns, bench.reactor, &bench.channel))
		die("channel", "no namespace");
	while (!bench.channel->only)
		nvhi_reactor_run(bench.reactor, 10);
	lane = bench.channel->only;
	*d = (struct direct){.ioq = lane->ioq,
			     .ctrlr = lane->ctrlr,
			     .nsid = lane->nsid,
			     .block_shift = bench.channel->block_shift,
			     .max_blocks = lane->limit[NVHI_LIMIT_DATA],
			     .nr_blocks = ns->nr_blocks};
	for (uint32_t i = 0; i < bench.depth; i++) {
		struct slot *slot = &bench.slots[i];

		slot->iov.iov_base = aligned_alloc(BYTES, BYTES);
		slot->iov.iov_len = BYTES;
		slot->io[0] = make_io(slot, nvh_io_size());
		slot->io[1] = make_io(slot, sizeof(struct direct_io));
	}
}

static void take_down(void)
{
	nvh_channel_close(bench.channel);
	nvh_host_close_sync(bench.host);
	nvh_reactor_destroy(bench.reactor);
	for (uint32_t i = 0; i < bench.depth; i++) {
		free(bench.slots[i].iov.iov_base);
		free(bench.slots[i].io[0]);
		free(bench.slots[i].io[1]);
	}
}

int main(int argc, char **argv)
{
	uint32_t pairs = 9;
	uint64_t count = 0;
	bool direct = false;
	struct nvh_connect_opts opts;
	int c;

	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.transport = "tcp";
	opts.traddr = "127.0.0.1";
	opts.no_retry = true;
	opts.queue_size = DEPTH_MAX + 1;
	bench.depth = 128;
	bench.random = 88172645463325252ull;
	while ((c = getopt(argc, argv, "s:n:q:p:c:m:")) != -1) {
		switch (c) {
		case 's':
			opts.trsvcid = optarg;
			break;
		case 'n':
			opts.subnqn = optarg;
			break;
		case 'q':
			bench.depth = (uint32_t)atoi(optarg);
			break;
		case 'p':
			pairs = (uint32_t)atoi(optarg);
			break;
		case 'c':
			count = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			direct = !strcmp(optarg, "direct");
			break;
		default:
			return 2;
		}
	}
	if (!opts.trsvcid || !opts.subnqn || bench.depth < 1 || bench.depth > DEPTH_MAX || pairs < 1 ||
	    pairs > PAIRS_MAX) {
		fprintf(stderr, "usage: layer_cost -s PORT -n NQN [-q DEPTH] [-p PAIRS | -c COUNT -m "
				"channel|direct]\n");
		return 2;
	}
	set_up(&opts);
	if (count)
		load(direct, count, 0);
	else
		measure(pairs);
	take_down();
	return 0;
}
