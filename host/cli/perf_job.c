/*
 * A job: issues, completes, measures. Runs on its reactor's thread; what happens for each I/O is
 * one clock reading, one histogram add and one submit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reactor.h"
#include "host/cli/perf.h"

#define PERF_GEN_BUSY 0x80000000u
#define PERF_GENS_MAX (64ull << 20) /* blocks whose writes are remembered: 256 MiB */

static void perf_done(void *arg, int err, const struct nvh_cpl *cpl);

/* ---- life --------------------------------------------------------------------------------- */

static struct perf_slot *perf_slot(struct perf_job *job, uint32_t index)
{
	return (struct perf_slot *)((char *)job->slots + index * job->slot_size);
}

static int perf_alloc(struct perf_job *job)
{
	const struct perf_opts *o = job->opts;

	job->slot_size = (offsetof(struct perf_slot, io) + nvh_io_size() + 63) & ~(size_t)63;
	job->slots = aligned_alloc(64, job->slot_size * o->iodepth);
	job->buffers = nvh_dma_alloc(o->bs * o->iodepth, 4096);
	if (o->verify)
		job->gens = calloc(job->nr_blocks, sizeof(*job->gens));
	if (!job->slots || !job->buffers || (o->verify && !job->gens))
		return -ENOMEM;
	memset(job->slots, 0, job->slot_size * o->iodepth);
	for (uint32_t i = 0; i < o->iodepth; i++) {
		struct perf_slot *slot = perf_slot(job, i);

		slot->job = job;
		slot->iov.iov_base = job->buffers + o->bs * i;
		slot->iov.iov_len = o->bs;
		nvh_io_init(&slot->io);
		slot->io.iov = &slot->iov;
		slot->io.iovcnt = 1;
		slot->io.nr_blocks = job->lbas_per_block;
		slot->io.done = perf_done;
		slot->io.arg = slot;
		/* Data that neither compresses nor repeats. */
		perf_fill(slot->iov.iov_base, job->lba_size, job->lbas_per_block, i, i + 1,
			  o->seed);
	}
	return 0;
}

int perf_job_init(struct perf_job *job, const struct perf_opts *opts, struct nvh_ns *ns,
		  struct nvh_reactor *reactor, unsigned int index, char *err, size_t err_len)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	uint64_t bytes, total;
	bool sliced = !opts->random || opts->verify; /* else all jobs use all of it */

	nvh_ns_info(ns, &info);
	if (opts->bs % info.block_size || opts->offset % info.block_size) {
		snprintf(err, err_len, "--%s %llu is no multiple of the block size (%u)",
			 opts->bs % info.block_size ? "bs" : "offset",
			 (unsigned long long)(opts->bs % info.block_size ? opts->bs : opts->offset),
			 info.block_size);
		return -EINVAL;
	}
	bytes = info.nr_blocks * info.block_size;
	if (opts->offset >= bytes || opts->size > bytes - opts->offset) {
		snprintf(err, err_len, "--offset and --size go beyond the end (%llu bytes)",
			 (unsigned long long)bytes);
		return -EINVAL;
	}
	total = (opts->size ? opts->size : bytes - opts->offset) / opts->bs;
	job->opts = opts;
	job->ns = ns;
	job->reactor = reactor;
	job->index = index;
	job->lba_size = info.block_size;
	job->lbas_per_block = (uint32_t)(opts->bs / info.block_size);
	job->nr_blocks = sliced ? total / opts->numjobs : total;
	job->first_lba = opts->offset / info.block_size +
			 (sliced ? job->nr_blocks * index * job->lbas_per_block : 0);
	job->rng[0] = opts->seed * 0x9e3779b97f4a7c15ull + index + 1;
	job->rng[1] = 0xbf58476d1ce4e5b9ull ^ index;
	if (job->nr_blocks < (opts->verify ? 2ull * opts->iodepth : 1)) {
		snprintf(err, err_len, "the range is too small: %llu blocks of %llu bytes a job",
			 (unsigned long long)job->nr_blocks, (unsigned long long)opts->bs);
		return -EINVAL;
	}
	if (opts->verify && job->nr_blocks > PERF_GENS_MAX) {
		snprintf(err, err_len,
			 "--verify remembers at most %llu blocks a job: give a --size",
			 (unsigned long long)PERF_GENS_MAX);
		return -EINVAL;
	}
	return perf_alloc(job);
}

void perf_job_free(struct perf_job *job)
{
	if (job->buffers)
		nvh_dma_free(job->buffers);
	free(job->slots);
	free(job->gens);
}

/* ---- what next ---------------------------------------------------------------------------- */

/* xorshift128+ */
static uint64_t perf_random(struct perf_job *job)
{
	uint64_t x = job->rng[0], y = job->rng[1];

	job->rng[0] = y;
	x ^= x << 23;
	job->rng[1] = x ^ y ^ x >> 17 ^ y >> 26;
	return job->rng[1] + y;
}

static uint64_t perf_below(struct perf_job *job, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)perf_random(job) * limit >> 64);
}

static void perf_pick(struct perf_job *job, struct perf_slot *slot)
{
	const struct perf_opts *o = job->opts;

	if (o->random) {
		slot->block = perf_below(job, job->nr_blocks);
	} else {
		slot->block = job->cursor;
		if (++job->cursor == job->nr_blocks)
			job->cursor = 0;
	}
	if (o->read_percent == 100)
		slot->dir = PERF_READ;
	else if (o->read_percent == 0)
		slot->dir = PERF_WRITE;
	else
		slot->dir = perf_below(job, 100) < o->read_percent ? PERF_READ : PERF_WRITE;
	if (!o->verify)
		return;
	/* Never two at once on a block: the outcome would be anybody's. */
	while (job->gens[slot->block] & PERF_GEN_BUSY)
		slot->block = slot->block + 1 == job->nr_blocks ? 0 : slot->block + 1;
	slot->gen = job->gens[slot->block];
	if (slot->dir == PERF_WRITE) {
		slot->gen++;
		perf_fill(slot->iov.iov_base, job->lba_size, job->lbas_per_block,
			  job->first_lba + slot->block * job->lbas_per_block, slot->gen, o->seed);
	}
	job->gens[slot->block] |= PERF_GEN_BUSY;
}

/* The next written block to read back. False: none is left. */
static bool perf_pick_check(struct perf_job *job, struct perf_slot *slot)
{
	while (job->check_cursor < job->nr_blocks && !job->gens[job->check_cursor])
		job->check_cursor++;
	if (job->check_cursor == job->nr_blocks)
		return false;
	slot->block = job->check_cursor++;
	slot->dir = PERF_READ;
	slot->gen = job->gens[slot->block];
	return true;
}

static void perf_error(struct perf_job *job, const struct perf_slot *slot, int err,
		       const struct nvh_cpl *cpl)
{
	if (job->errors++ == 0) {
		job->first_err = err;
		snprintf(job->first_error, sizeof(job->first_error), "%s of block %llu: %s",
			 slot->dir == PERF_READ ? "read" : "write",
			 (unsigned long long)(job->first_lba + slot->block * job->lbas_per_block),
			 err ? strerror(-err) : nvh_status_string(cpl));
	}
	/* A namespace that is gone stays gone; single errors are counted. */
	if (err)
		job->stopping = true;
}

static void perf_begin_check(struct perf_job *job, uint64_t now);

static void perf_put(struct perf_job *job)
{
	if (--job->outstanding) {
		/* Those parked may have waited for this one alone. */
		if (job->parked && !job->starting)
			perf_begin_check(job, nvhi_reactor_clock(job->reactor));
		return;
	}
	job->finished = nvhi_reactor_clock(job->reactor);
	nvh_channel_close(job->channel);
	job->channel = NULL;
	job->done(job);
}

static int perf_send(struct perf_job *job, struct perf_slot *slot)
{
	slot->io.op = slot->dir == PERF_READ ? NVH_IO_READ : NVH_IO_WRITE;
	slot->io.flags = slot->dir == PERF_WRITE && job->opts->fua ? NVH_IO_FUA : 0;
	slot->io.lba = job->first_lba + slot->block * job->lbas_per_block;
	slot->sent = true;
	return nvh_submit(job->channel, &slot->io);
}

static void perf_settle(struct perf_job *job, struct perf_slot *slot, bool written);

static bool perf_is_over(const struct perf_job *job, uint64_t now)
{
	return now >= job->end || (job->limit && job->issued >= job->limit);
}

/* The next I/O of the slot: false when there is none. */
static bool perf_choose(struct perf_job *job, struct perf_slot *slot)
{
	slot->checking = job->checking;
	if (job->checking)
		return perf_pick_check(job, slot);
	perf_pick(job, slot);
	job->issued++;
	return true;
}

/* Sends the slot's next I/O, or lets the slot end. */
static void perf_next(struct perf_job *job, struct perf_slot *slot, uint64_t now)
{
	int rc;

	slot->start = now;
	if (!job->checking && !job->stopping && perf_is_over(job, now)) {
		/* What is read back must not be being written: all slots wait for the last one. */
		if (job->gens && job->opts->read_percent < 100) {
			job->parked++;
			perf_begin_check(job, now);
			return;
		}
		job->stopping = true;
	}
	if (job->stopping || !perf_choose(job, slot)) {
		perf_put(job);
		return;
	}
	rc = perf_send(job, slot);
	if (rc) {
		slot->sent = false;
		perf_error(job, slot, rc, NULL);
		perf_settle(job, slot, false);
		perf_put(job);
	}
}

/* Once every slot that still lives is parked: they read back, or (after an error) end. */
static void perf_begin_check(struct perf_job *job, uint64_t now)
{
	uint32_t parked = job->parked;

	/* While it is starting, one more is counted than there are slots. */
	if (job->starting || parked < job->outstanding)
		return;
	/* No I/O is under way now, so that any slots will do. */
	job->checking = true;
	job->parked = 0;
	for (uint32_t i = 0; i < parked; i++)
		perf_next(job, perf_slot(job, i), now);
}

/* ---- completion --------------------------------------------------------------------------- */

/* The block is free again; a write that was not acknowledged leaves it unknown (never checked). */
static void perf_settle(struct perf_job *job, struct perf_slot *slot, bool written)
{
	if (!job->gens || slot->checking)
		return;
	if (slot->dir == PERF_WRITE)
		job->gens[slot->block] = written ? slot->gen : 0;
	else
		job->gens[slot->block] &= ~PERF_GEN_BUSY;
}

static void perf_verify(struct perf_job *job, const struct perf_slot *slot)
{
	char err[120];
	uint64_t lba = job->first_lba + slot->block * job->lbas_per_block;

	/* Reading what this run has not written: an earlier run's, when only reads were asked for.
	 */
	if (!slot->gen && job->opts->read_percent < 100)
		return;
	job->verified++;
	if (perf_check(slot->iov.iov_base, job->lba_size, job->lbas_per_block, lba, slot->gen,
		       job->opts->seed, err, sizeof(err)) == 0)
		return;
	if (job->verify_errors++ == 0 && !job->errors)
		snprintf(job->first_error, sizeof(job->first_error), "verify: %s", err);
}

static void perf_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct perf_slot *slot = arg;
	struct perf_job *job = slot->job;
	uint64_t now = nvhi_reactor_clock(job->reactor);
	bool ok = !err && !nvh_cpl_is_error(cpl);

	slot->sent = false;
	if (!ok) {
		perf_error(job, slot, err, cpl);
	} else {
		if (now >= job->measure_from && !slot->checking) {
			struct perf_dir *dir = &job->dir[slot->dir];

			dir->ios++;
			nvhi_histogram_add(&dir->latency, now - slot->start);
		}
		if (job->gens && slot->dir == PERF_READ)
			perf_verify(job, slot);
	}
	perf_settle(job, slot, ok);
	atomic_store_explicit(&job->progress, job->progress + 1, memory_order_relaxed);
	/* Verifying took time that is not the next I/O's. */
	perf_next(job, slot, job->gens ? nvhi_reactor_clock(job->reactor) : now);
}

void perf_job_start(struct perf_job *job)
{
	const struct perf_opts *o = job->opts;
	int rc = nvh_channel_open(job->ns, job->reactor, &job->channel);

	job->started = nvhi_reactor_clock(job->reactor);
	job->measure_from = job->started + (uint64_t)(o->ramp * 1e9);
	job->end = o->runtime > 0 ? job->measure_from + (uint64_t)(o->runtime * 1e9) : NVHI_NEVER;
	job->limit = o->ios ? (o->ios + o->numjobs - 1) / o->numjobs : 0;
	if (rc) {
		job->errors++;
		job->first_err = rc;
		snprintf(job->first_error, sizeof(job->first_error), "cannot open a channel: %s",
			 strerror(-rc));
		job->finished = job->started;
		job->done(job);
		return;
	}
	/* One more than there are, so that a job whose submits all fail ends once, at the end here.
	 */
	job->outstanding = o->iodepth + 1;
	job->starting = true;
	for (uint32_t i = 0; i < o->iodepth; i++)
		perf_next(job, perf_slot(job, i), nvhi_reactor_clock(job->reactor));
	job->starting = false;
	perf_put(job);
}

void perf_job_stop(struct perf_job *job, bool cancel)
{
	if (!job->channel)
		return; /* it is over */
	job->stopping = true;
	/* The last I/O under way takes those with it that are parked. */
	for (uint32_t i = 0; cancel && i < job->opts->iodepth; i++) {
		struct perf_slot *slot = perf_slot(job, i);

		if (slot->sent)
			nvh_cancel(job->channel, &slot->io);
	}
}
