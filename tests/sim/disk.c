/*
 * Disks of the simulated world: see disk.h. On the reactor of the poll group that submits.
 */
#include "tests/sim/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme.h"
#include "base/spec/nvme_status.h"
#include "target-lite/backend/bdev_impl.h"
#include "tests/sim/anawatch.h"

uint32_t sim_disk_inflight, sim_disk_ghosts;
const uint16_t sim_crdt[3] = {1, 2, 3};

struct disk_bdev {
	struct tl_bdev bdev;
	struct sim_disk *disk;
};

/* A command that takes its time. */
struct disk_op {
	struct nvhi_timer timer;
	struct tl_bdev_io *io;
	unsigned int status;
	bool held; /* takes effect when it completes */
};

/* A write held beyond its connection's end. */
struct disk_ghost {
	struct nvhi_timer timer;
	struct sim_disk *disk;
	uint64_t lba, blocks;
	uint8_t data[];
};

static struct sim_disk *disk_of(struct tl_bdev *bdev)
{
	return nvhi_container_of(bdev, struct disk_bdev, bdev)->disk;
}

static void copy(uint8_t *at, const struct tl_bdev_io *io, size_t len)
{
	for (uint32_t i = 0; i < io->iovcnt && len > 0; i++) {
		size_t part = io->iov[i].iov_len < len ? io->iov[i].iov_len : len;

		if (io->op == TL_BDEV_WRITE)
			memcpy(at, io->iov[i].iov_base, part);
		else
			memcpy(io->iov[i].iov_base, at, part);
		at += part;
		len -= part;
	}
}

static void ghost_strikes(struct nvhi_timer *timer)
{
	struct disk_ghost *ghost = nvhi_container_of(timer, struct disk_ghost, timer);
	struct sim_disk *disk = ghost->disk;

	SIM_TRACE("disk %llu: a ghost writes %llu+%llu", disk->nsid, ghost->lba, ghost->blocks);
	if (ghost->lba + ghost->blocks <= disk->blocks)
		memcpy(disk->mem + ghost->lba * disk->block_size, ghost->data,
		       ghost->blocks * disk->block_size);
	sim_disk_ghosts--;
	free(ghost);
}

/* The same data once more, when the host has long gone on. */
static void ghost_raise(struct sim_disk *disk, const struct tl_bdev_io *io)
{
	size_t len = io->blocks * disk->block_size;
	struct disk_ghost *ghost = calloc(1, sizeof(*ghost) + len);

	ghost->timer.fn = ghost_strikes;
	ghost->disk = disk;
	ghost->lba = io->lba;
	ghost->blocks = io->blocks;
	memcpy(ghost->data, disk->mem + io->lba * disk->block_size, len);
	sim_disk_ghosts++;
	sim.mutations++;
	nvhi_timer_arm(sim.reactors[0], &ghost->timer,
		       sim_between(sim_rng(SIM_RNG_DISK), SIM_MS, 500 * SIM_MS));
}

static void check_once(struct sim_disk *disk, const struct tl_bdev_io *io)
{
	uint64_t value;

	memcpy(&value, disk->mem + io->lba * disk->block_size, sizeof(value));
	if (!(value & SIM_VALUE_ONCE) || value >> 61)
		return;
	if (value == disk->once[io->lba])
		sim_fail("disk %u block %llu: a passthrough write was executed twice", disk->nsid,
			 (unsigned long long)io->lba);
	disk->once[io->lba] = value;
}

static void apply(struct sim_disk *disk, const struct tl_bdev_io *io)
{
	uint8_t *at = disk->mem + io->lba * disk->block_size;
	size_t len = io->blocks * disk->block_size;

	switch (io->op) {
	case TL_BDEV_WRITE:
		if (sim.mutant == SIM_MUTANT_LOST_WRITE && sim_chance(sim_rng(SIM_RNG_DISK), 3)) {
			sim.mutations++;
			break;
		}
		if (sim.mutant == SIM_MUTANT_TORN && io->blocks > 1 &&
		    sim_chance(sim_rng(SIM_RNG_DISK), 10)) {
			sim.mutations++;
			len -= disk->block_size / 2;
		}
		copy(at, io, len);
		check_once(disk, io);
		if (sim.mutant == SIM_MUTANT_GHOST && sim_chance(sim_rng(SIM_RNG_DISK), 5))
			ghost_raise(disk, io);
		break;
	case TL_BDEV_READ:
		copy(at, io, len);
		break;
	case TL_BDEV_UNMAP: /* advice: taken or not */
		if (sim_chance(sim_rng(SIM_RNG_DISK), 50))
			memset(at, 0, len);
		break;
	case TL_BDEV_WRITE_ZEROES:
		memset(at, 0, len);
		break;
	case TL_BDEV_FLUSH:
		break;
	}
}

/* ---- refusing -------------------------------------------------------------------------------- */

/* The value of a write says which it is. */
static uint64_t write_value(const struct tl_bdev_io *io)
{
	uint64_t value = 0;

	if (io->op == TL_BDEV_WRITE && io->iov[0].iov_len >= sizeof(value))
		memcpy(&value, io->iov[0].iov_base, sizeof(value));
	return value;
}

static unsigned int refuse(struct sim_disk *disk, const struct tl_bdev_io *io)
{
	unsigned int crd = (unsigned int)sim_below(sim_rng(SIM_RNG_DISK), 4);
	struct sim_refusal *r = &disk->refusals[disk->refused++ % NVHI_ARRAY_SIZE(disk->refusals)];

	r->value = write_value(io);
	r->lba = io->lba;
	r->due = crd ? sim.now + sim_crdt[crd - 1] * 100 * SIM_MS : sim.now;
	return NVH_ST_NS_NOT_READY | crd << NVH_CPL_CRD_SHIFT;
}

static void check_delay(const struct sim_disk *disk, const struct tl_bdev_io *io)
{
	uint64_t value = disk->delays_hold ? write_value(io) : 0;

	for (size_t i = 0; value && i < NVHI_ARRAY_SIZE(disk->refusals); i++) {
		const struct sim_refusal *r = &disk->refusals[i];

		if (r->value == value && r->lba == io->lba && sim.now < r->due)
			sim_fail("disk %u: a write was repeated %llu us before its Command Retry "
				 "Delay was over",
				 disk->nsid, (unsigned long long)((r->due - sim.now) / SIM_US));
	}
}

/* ---- commands -------------------------------------------------------------------------------- */

static void op_done(struct nvhi_timer *timer)
{
	struct disk_op *op = nvhi_container_of(timer, struct disk_op, timer);
	struct tl_bdev_io *io = op->io;
	unsigned int status = op->status;
	if (op->held)
		apply(disk_of(io->bdev), io);
	sim_disk_inflight--;
	free(op);
	tl_bdev_io_complete(io, status);
}

static void disk_submit(struct tl_bdev *bdev, struct tl_bdev_io *io)
{
	struct sim_disk *disk = disk_of(bdev);
	bool slow = sim_chance(sim_rng(SIM_RNG_DISK), disk->slow);
	unsigned int status = NVH_ST_SUCCESS;
	bool held = slow && sim.hold;
	struct disk_op *op;

	disk->ops++;
	check_delay(disk, io);
	sim_anawatch_io(io);
	if (sim_below(sim_rng(SIM_RNG_DISK), 1000) < disk->transient) {
		status = refuse(disk, io);
		held = false;
	} else if (!held) {
		apply(disk, io);
	}
	SIM_TRACE("disk %llu: op %llu %llu+%llu status %llx held %llu", disk->nsid, io->op, io->lba,
		  io->blocks, status, held);
	if (!slow) {
		tl_bdev_io_complete(io, status);
		return;
	}
	op = calloc(1, sizeof(*op));
	op->timer.fn = op_done;
	op->io = io;
	op->status = status;
	op->held = held;
	nvhi_list_init(&io->link);
	io->msg.next = (struct nvhi_msg *)op; /* ours while we own the I/O */
	sim_disk_inflight++;
	nvhi_timer_arm(io->channel->reactor, &op->timer,
		       sim_below(sim_rng(SIM_RNG_DISK), disk->delay_max) + 1);
}

static bool disk_abort(struct tl_bdev *bdev, struct tl_bdev_io *io)
{
	struct disk_op *op = (struct disk_op *)io->msg.next;

	if (!sim_chance(sim_rng(SIM_RNG_DISK), 50))
		return false;
	disk_of(bdev)->aborted++;
	nvhi_timer_cancel(io->channel->reactor, &op->timer);
	op->status = NVH_ST_ABORT_REQUESTED;
	op->held = false;
	op_done(&op->timer);
	return true;
}

static int disk_resize(struct tl_bdev *bdev, uint64_t blocks)
{
	if (blocks > SIM_DISK_BLOCKS_MAX)
		return -EINVAL;
	bdev->blocks = blocks;
	return 0;
}

static void disk_destroy(struct tl_bdev *bdev)
{
	free(nvhi_container_of(bdev, struct disk_bdev, bdev));
}

static const struct tl_bdev_ops disk_ops = {
	.product = "Simulated disk",
	.submit = disk_submit,
	.lend = tl_bdev_no_lend,
	.abort = disk_abort,
	.resize = disk_resize,
	.filename = tl_bdev_no_filename,
	.stop = tl_bdev_no_stop,
	.destroy = disk_destroy,
};

void sim_disk_init(struct sim_disk *disk, uint32_t nsid, uint32_t block_size, uint64_t blocks)
{
	memset(disk, 0, sizeof(*disk));
	disk->nsid = nsid;
	memset(disk->uuid, 0x40, sizeof(disk->uuid));
	disk->uuid[15] = (uint8_t)nsid;
	disk->block_size = block_size;
	disk->blocks = blocks;
	disk->mem = calloc(SIM_DISK_BLOCKS_MAX, block_size);
}

void sim_disk_done(struct sim_disk *disk)
{
	free(disk->mem);
	disk->mem = NULL;
}

struct tl_bdev *sim_disk_attach(struct sim_disk *disk, struct tl_bdevs *bdevs)
{
	struct disk_bdev *b = calloc(1, sizeof(*b));

	b->disk = disk;
	b->bdev.ops = &disk_ops;
	b->bdev.block_size = b->bdev.physical_block_size = disk->block_size;
	b->bdev.blocks = disk->blocks;
	snprintf(b->bdev.name, sizeof(b->bdev.name), "disk%u", disk->nsid);
	memcpy(b->bdev.uuid, disk->uuid, sizeof(disk->uuid));
	if (tl_bdev_register(bdevs, &b->bdev)) {
		free(b);
		return NULL;
	}
	return &b->bdev;
}
