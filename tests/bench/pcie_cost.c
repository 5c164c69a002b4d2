/*
 * Instructions of 4 KiB reads over PCIe from nvh_submit to the callback: against a controller in
 * memory that moves no data (tests/pcie/soft.h), its doorbell's write executing the batch, so that
 * callgrind counts the driver and all that is above it. See pcie_cost.sh.
 *
 *	pcie_cost COUNT [DEPTH [IOVS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/nvhost.h>

#include "host/transport.h"
#include "pcie/pcie.h"
#include "tests/pcie/soft.h"

#define BYTES     4096u
#define DEPTH_MAX 512u

static struct soft *soft;
static const struct nvhi_transport transport;
static struct nvh_channel *channel;
static unsigned long left, out, done, random_state = 88172645463325252ul;

struct slot {
	struct nvh_io *io;
	struct iovec iov;
};

static int open_soft(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	return nvhi_pcie_open(&transport, &soft->bus, opts, ret_tctrlr);
}

static const struct nvhi_transport transport =
	NVHI_PCIE_TRANSPORT("pcie", NVH_TRTYPE_PCIE, open_soft);

const struct nvhi_transport *__real_nvhi_transport_by_type(enum nvh_trtype trtype);
const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype);
const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype)
{
	return trtype == NVH_TRTYPE_PCIE ? &transport : __real_nvhi_transport_by_type(trtype);
}

static void die(const char *what)
{
	fprintf(stderr, "pcie_cost: %s\n", what);
	exit(1);
}

static void submit_one(struct slot *slot)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	slot->io->lba = random_state % (SOFT_NS_BYTES / BYTES) * (BYTES / 512);
	if (nvh_submit(channel, slot->io))
		die("submit");
	out++;
}

static void on_io(void *arg, int err, const struct nvh_cpl *cpl)
{
	if (err || nvh_cpl_is_error(cpl))
		die("a read failed");
	out--;
	done++;
	if (left > 0) {
		left--;
		submit_one(arg);
	}
}

static struct nvh_host *set_up(struct nvh_reactor **ret_reactor)
{
	struct nvh_host_opts host_opts = {.size = sizeof(host_opts), .nr_reactors = 1};
	struct nvh_connect_opts opts;
	struct nvh_ctrlr *ctrlr;
	struct nvh_host *host;
	char why[256] = "";

	soft = soft_new();
	soft->null = true;
	if (nvh_reactor_create(NULL, ret_reactor))
		die("reactor");
	host_opts.reactors = ret_reactor;
	if (nvh_host_create(&host_opts, &host))
		die("host");
	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.transport = "pcie";
	opts.traddr = "0000:00:04.0";
	opts.subnqn = SOFT_NQN;
	opts.no_retry = true;
	opts.queue_size = DEPTH_MAX + 1;
	if (nvh_connect_sync(host, &opts, &ctrlr, why, sizeof(why)))
		die(why);
	if (nvh_channel_open(nvh_ns_next(host, NULL), *ret_reactor, &channel))
		die("channel");
	return host;
}

int main(int argc, char **argv)
{
	static struct slot slots[DEPTH_MAX];
	unsigned int depth = argc > 2 ? (unsigned int)atoi(argv[2]) : 128;
	struct nvh_reactor *reactor;
	unsigned long doorbells;
	struct nvh_host *host;
	uint64_t iova;
	void *memory;

	left = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	if (left < depth || depth < 1 || depth > DEPTH_MAX) {
		fprintf(stderr, "usage: pcie_cost COUNT [DEPTH, 128; up to %u]\n", DEPTH_MAX);
		return 2;
	}
	host = set_up(&reactor);
	if (soft->bus.ops->dma_alloc(&soft->bus, (size_t)depth * BYTES, BYTES, &memory, &iova))
		die("memory");
	doorbells = soft->doorbells;
	for (unsigned int i = 0; i < depth; i++) {
		struct slot *slot = &slots[i];

		slot->iov = (struct iovec){(uint8_t *)memory + (size_t)i * BYTES, BYTES};
		slot->io = malloc(nvh_io_size());
		nvh_io_init(slot->io);
		slot->io->op = NVH_IO_READ;
		slot->io->nr_blocks = BYTES / 512;
		slot->io->iov = &slot->iov;
		slot->io->iovcnt = 1;
		slot->io->done = on_io;
		slot->io->arg = slot;
		left--;
		submit_one(slot);
	}
	while (out)
		nvh_reactor_run(reactor, 100);
	printf("%lu reads at depth %u, %.1f a doorbell\n", done, depth,
	       (double)done / (double)(soft->doorbells - doorbells));
	soft->bus.ops->dma_free(&soft->bus, memory, (size_t)depth * BYTES);
	nvh_channel_close(channel);
	nvh_host_close_sync(host);
	nvh_reactor_destroy(reactor);
	for (unsigned int i = 0; i < depth; i++)
		free(slots[i].io);
	soft_free(soft);
	return 0;
}
