/*
 * The workload: workers, each on one host reactor and one disk, with one I/O at a time. They read,
 * write (a value of its own each), zero, deallocate, flush, compare and verify, mostly in a small
 * hot range so that they meet; and judge every outcome: that it comes once, with the right data,
 * with an error only where the world gives a reason, and in time when nothing is wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_status.h"
#include "tests/sim/world.h"

#define WORKERS_MAX  32u
#define IO_BYTES_MAX (32u << 10)
#define IOVS_MAX     6u
/* What an I/O may take at most while nothing is wrong. */
#define CALM_PROMISE (500 * SIM_MS)
#define SILENT_PROMISE (500 * SIM_MS)
/* An operator's change may be the reason of an error for so long. */
#define GRACE  (30 * SIM_S)
#define POISON 0xdb

struct worker {
	unsigned int index, disk, r;
	struct nvhi_timer timer; /* think, then act; or cancel */
	struct sim_view *view;   /* while busy */
	struct nvh_io *io;
	uint8_t *buf;
	uint32_t poisoned; /* bytes of buf nobody may touch now */
	struct iovec iov[IOVS_MAX];
	bool busy, submitting, cancel_asked, ended;
	uint64_t submitted, begin, value;
	uint64_t compared[IO_BYTES_MAX / 512];
	struct nvh_cmd cmd; /* passthrough */
	uint64_t read_back; /* blocks read back at the end; NVHI_NEVER: not begun */
};

static struct {
	struct worker workers[WORKERS_MAX];
	uint32_t count;
	uint64_t left; /* I/Os to submit */
	uint64_t next_value;
	bool reading_back;
} work;

static struct sim_rng *rng(void)
{
	return sim_rng(SIM_RNG_WORK);
}

static void worker_done(void *arg, int err, const struct nvh_cpl *cpl);

static uint32_t block_size(void)
{
	return sim_world.plan.block_size;
}

static struct nvh_reactor *worker_reactor(const struct worker *w)
{
	return sim_world.host_reactors[w->r];
}

static uint32_t worker_nsid(const struct worker *w)
{
	return w->disk + 1;
}

static size_t worker_bytes(const struct worker *w)
{
	return (size_t)w->io->nr_blocks * block_size();
}

/* ---- buffers --------------------------------------------------------------------------------- */

static void poison(struct worker *w, size_t len)
{
	memset(w->buf, POISON, len);
	w->poisoned = (uint32_t)len;
}

/* Nobody may have written to a buffer since its I/O was done. */
static void check_poison(struct worker *w)
{
	if (w->poisoned && (w->buf[0] != POISON || memcmp(w->buf, w->buf + 1, w->poisoned - 1)))
		sim_fail("worker %u: its buffer was written after the I/O had completed", w->index);
	w->poisoned = 0;
}

/* The buffer in pieces of any length. */
static void draw_iov(struct worker *w)
{
	size_t left = worker_bytes(w), at = 0;
	uint32_t n = 0;

	while (left > 0) {
		size_t part = left;

		if (n < IOVS_MAX - 1 && sim_chance(rng(), 30))
			part = sim_between(rng(), 1, left);
		w->iov[n].iov_base = w->buf + at;
		w->iov[n++].iov_len = part;
		at += part;
		left -= part;
	}
	w->io->iov = w->iov;
	w->io->iovcnt = n;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static uint8_t draw_op(void)
{
	uint64_t dice = sim_below(rng(), 100);

	if (dice < 45)
		return NVH_IO_READ;
	if (dice < 82)
		return NVH_IO_WRITE;
	if (dice < 86)
		return NVH_IO_FLUSH;
	if (dice < 92)
		return NVH_IO_WRITE_ZEROES;
	if (dice < 95)
		return NVH_IO_DEALLOCATE;
	if (dice < 97)
		return NVH_IO_PASSTHRU;
	return dice < 99 ? NVH_IO_COMPARE : NVH_IO_VERIFY;
}

static void draw_range(struct worker *w)
{
	uint64_t blocks = sim_targets.disks[w->disk].blocks;
	uint64_t max = IO_BYTES_MAX / block_size(), hot = sim_world.plan.hot;
	uint64_t len = 1, span = sim_chance(rng(), 80) && hot < blocks ? hot : blocks;

	if (sim_chance(rng(), 50))
		len = sim_between(rng(), 1, sim_chance(rng(), 20) ? max : 4);
	if (len > span)
		len = span;
	w->io->nr_blocks = (uint32_t)len;
	w->io->lba = sim_below(rng(), span - len + 1);
}

static bool op_writes(uint8_t op)
{
	return op == NVH_IO_WRITE || op == NVH_IO_WRITE_ZEROES || op == NVH_IO_DEALLOCATE ||
	       op == NVH_IO_PASSTHRU;
}

/* A write as the caller's own command: never to be executed twice. One block, so that it fits all
 * limits. */
static void prepare_passthru(struct worker *w)
{
	struct nvh_cmd *cmd = &w->cmd;

	w->io->nr_blocks = 1;
	memset(cmd, 0, sizeof(*cmd));
	cmd->opc = NVH_OPC_WRITE;
	nvh_le32_put(&cmd->nsid, worker_nsid(w));
	nvh_le32_put(&cmd->cdw10, (uint32_t)w->io->lba);
	w->io->cmd = cmd;
}

static void prepare_data(struct worker *w)
{
	struct nvh_io *io = w->io;

	check_poison(w);
	io->iovcnt = 0;
	w->value = SIM_ZEROES;
	io->cmd = NULL;
	if (io->op == NVH_IO_PASSTHRU)
		prepare_passthru(w);
	if (io->op == NVH_IO_WRITE || io->op == NVH_IO_PASSTHRU)
		w->value = ++work.next_value;
	if (io->op == NVH_IO_PASSTHRU)
		w->value |= SIM_VALUE_ONCE;
	if (io->op == NVH_IO_READ || io->op == NVH_IO_WRITE || io->op == NVH_IO_COMPARE ||
	    io->op == NVH_IO_PASSTHRU)
		draw_iov(w);
	for (uint32_t i = 0; i < io->nr_blocks && io->iovcnt; i++) {
		uint64_t value = w->value;

		if (io->op == NVH_IO_COMPARE)
			value = w->compared[i] = sim_check_guess(worker_nsid(w), io->lba + i);
		if (io->op == NVH_IO_READ)
			memset(w->buf + i * block_size(), POISON ^ 0xff, block_size());
		else
			sim_block_fill(w->buf + i * block_size(), block_size(), worker_nsid(w),
				       io->lba + i, value);
	}
}

/* ---- judging --------------------------------------------------------------------------------- */

static bool recently(uint64_t when, uint64_t since)
{
	return when && when + GRACE > since;
}

static bool had_good_path(const struct worker *w)
{
	for (unsigned int link = 0; link < sim_world.plan.nr_links; link++)
		if (sim_world.good_since[link] <= w->submitted)
			return true;
	return false;
}

/* Whether the world gives a reason for this. */
static bool excused(const struct worker *w, int err, const struct nvh_cpl *cpl)
{
	uint64_t changed = sim_targets.changed[w->disk], since = w->submitted;

	if (w->io->op == NVH_IO_PASSTHRU && err != -ETIMEDOUT && err != -ECANCELED &&
	    (err || !nvh_cpl_dnr(cpl)))
		return sim_world.troubled; /* what others would get repeated */
	switch (err) {
	case -ENODEV:
		return recently(changed, since);
	case -ERANGE:
		return recently(changed, since);
	case -ENOTCONN:
		if (recently(sim_world.lost_at, since) ||
		    sim_world.plan.connect.fast_io_fail_tmo_s >= 0)
			return true;
		sim_counts.no_path++;
		return (sim_world.no_path_ends || sim_world.plan.connect.ctrl_loss_tmo_s < 600) &&
		       (!had_good_path(w) || recently(changed, since)); /* a path was removed */
	case -ECANCELED:
		return w->cancel_asked;
	case -ETIMEDOUT:
		return w->io->deadline_ns && sim.now >= w->io->deadline_ns;
	case -EPROTO: /* what came was malformed, each time */
		return sim_rig_wanted();
	case 0:
		break;
	default:
		return false;
	}
	if (nvh_cpl_sct(cpl) == NVH_SCT_PATH) /* refused for as long as a controller may be lost */
		return (sim_world.plan.connect.ctrl_loss_tmo_s < 600 ||
			sim_world.plan.connect.fast_io_fail_tmo_s >= 0 || sim_world.no_path_ends) &&
		       (sim_world.plan.faults & 1u << SIM_FAULT_ANA || sim_rig_wanted());
	switch (nvh_cpl_code(cpl)) {
	case NVH_ST_COMPARE_FAILED:
		return w->io->op == NVH_IO_COMPARE;
	case NVH_ST_LBA_RANGE:
	case NVH_ST_INVALID_NS:
		return recently(changed, since);
	case NVH_ST_NS_NOT_READY:
		return sim_world.plan.faults & 1u << SIM_FAULT_TRANSIENT || sim_rig_wanted();
	case NVH_ST_TRANSIENT_TRANSPORT: /* a wrong digest, each time */
		return sim_rig_wanted();
	case NVH_ST_ABORT_REQUESTED:
		return w->cancel_asked || w->io->deadline_ns || w->io->op == NVH_IO_PASSTHRU ||
		       sim_rig_wanted(); /* held, aborted and repeated too often */
	default:
		return false;
	}
}

static void judge_read(struct worker *w)
{
	for (uint32_t i = 0; i < w->io->nr_blocks && !sim.failed; i++) {
		const uint8_t *block = w->buf + i * block_size();
		uint64_t value;
		uint32_t at;

		if (!sim_block_parse(block, block_size(), worker_nsid(w), w->io->lba + i, &value,
				     &at)) {
			sim_fail("namespace %u block %llu: a read returned what no write wrote "
				 "(from word %u on; first word %llx)",
				 worker_nsid(w), (unsigned long long)(w->io->lba + i), at,
				 (unsigned long long)*(const uint64_t *)(const void *)block);
			return;
		}
		sim_check_read(worker_nsid(w), w->io->lba + i, value, w->begin);
		sim_counts.blocks_read++;
	}
}

static void judge_data(struct worker *w, bool good)
{
	struct nvh_io *io = w->io;
	enum sim_fate fate = good ? SIM_FATE_DONE : SIM_FATE_UNKNOWN;

	if (good && io->op == NVH_IO_DEALLOCATE)
		fate = SIM_FATE_MAYBE;
	if (op_writes(io->op))
		sim_check_written(worker_nsid(w), io->lba, io->nr_blocks, w->value, w->begin, fate);
	else if (good && io->op == NVH_IO_READ)
		judge_read(w);
	for (uint32_t i = 0; good && io->op == NVH_IO_COMPARE && i < io->nr_blocks; i++)
		sim_check_read(worker_nsid(w), io->lba + i, w->compared[i], w->begin);
}

/* With a good path all the time: a stuck command is noticed, aborted, its queue given up, and the
 * command repeated elsewhere. A target that changes a namespace meanwhile waits for a silent host.
 */
static uint64_t good_path_promise(void)
{
	const struct sim_plan *plan = &sim_world.plan;
	const uint32_t changes = 1u << SIM_FAULT_NS_REMOVE | 1u << SIM_FAULT_RESIZE |
				 1u << SIM_FAULT_ANA | 1u << SIM_FAULT_LISTENER;
	uint64_t ms = plan->connect.io_timeout_ms + 2 * plan->connect.admin_timeout_ms + 1000;

	if (plan->faults & 1u << SIM_FAULT_TRANSIENT)
		ms += 5 * sim_crdt[2] * 100;
	if (sim_rig_wanted()) /* a change waits for what is held */
		ms += 3 * SIM_RIG_MS;

	for (uint32_t i = 0; i < sim_targets.nr_nodes && (plan->faults & changes); i++)
		ms += sim_targets.nodes[i].topts.stall_ms;
	return ms * SIM_MS;
}

/* Nothing is wrong in this world but paths that break or fall silent, while targets and their other
 * paths answer as ever: the silence is noticed, a probe decides, and the read goes elsewhere. Writes wait
 * for their fence; the other transport takes its time to revoke. */
static bool only_paths_break(void)
{
	const uint32_t paths = 1u << SIM_FAULT_CUT | 1u << SIM_FAULT_CUT_ONE |
			       1u << SIM_FAULT_SILENCE | 1u << SIM_FAULT_SILENCE_ONE |
			       1u << SIM_FAULT_REFUSE | 1u << SIM_FAULT_HALF_CLOSE;

	for (unsigned int link = 0; link < sim_world.plan.nr_links; link++)
		if (sim_net.links[link].dma)
			return false;
	return !(sim_world.plan.faults & ~paths) && !sim_rig_wanted();
}

static void judge_silence(const struct worker *w, uint64_t took)
{
	if (w->io->op != NVH_IO_READ || !only_paths_break())
		return;
	sim_counts.promised++;
	if (took > sim_counts.slowest_promised)
		sim_counts.slowest_promised = took;
	if (took > SILENT_PROMISE)
		sim_fail("worker %u: a read took %llu ms though a path was good all the time and "
			 "only paths broke",
			 w->index, (unsigned long long)(took / SIM_MS));
}

static void judge_time(const struct worker *w)
{
	uint64_t took = sim.now - w->submitted;

	if (sim.hold)
		return; /* the disks take their time */
	if (had_good_path(w)) {
		if (took > sim_counts.slowest_good)
			sim_counts.slowest_good = took;
		judge_silence(w, took);
		if (took > good_path_promise())
			sim_fail(
				"worker %u: op %u took %llu ms though a path was good all the time "
				"(%llu promised)",
				w->index, w->io->op, (unsigned long long)(took / SIM_MS),
				(unsigned long long)(good_path_promise() / SIM_MS));
	}
	if (sim_world.calm_since > w->submitted)
		return;
	if (took > sim_counts.slowest_calm)
		sim_counts.slowest_calm = took;
	if (took > CALM_PROMISE)
		sim_fail("worker %u: op %u took %llu ms though nothing was wrong", w->index,
			 w->io->op, (unsigned long long)(took / SIM_MS));
}

/* ---- acting ---------------------------------------------------------------------------------- */

static void worker_think(struct worker *w)
{
	uint64_t pause = work.reading_back
				 ? SIM_MS
				 : sim_world.plan.duration * work.count / sim_world.plan.ios;

	nvhi_timer_arm(worker_reactor(w), &w->timer,
		       sim_chance(rng(), 30) ? 1 : 1 + sim_below(rng(), 2 * pause));
}

static void worker_end(struct worker *w)
{
	struct sim_view *view = w->view;

	sim_check_end(w->begin);
	w->busy = false;
	w->view = NULL;
	view->outstanding[w->r]--;
	nvhi_timer_cancel(worker_reactor(w), &w->timer);
	worker_think(w);
	sim_view_left(view, w->r);
}

static void refused(struct worker *w, int err)
{
	SIM_TRACE("worker %llu: refused: %llu", w->index, (unsigned long long)-err);
	sim_counts.refused++;
	if (op_writes(w->io->op))
		sim_check_written(worker_nsid(w), w->io->lba, w->io->nr_blocks, w->value, w->begin,
				  SIM_FATE_UNSENT);
	if (!excused(w, err, NULL))
		sim_fail("worker %u: op %u of block %llu+%u was refused: %s", w->index, w->io->op,
			 (unsigned long long)w->io->lba, w->io->nr_blocks, strerror(-err));
	worker_end(w);
}

static void submit(struct worker *w, struct sim_view *view)
{
	struct nvh_io *io = w->io;
	int err;

	w->view = view;
	view->outstanding[w->r]++;
	w->busy = w->submitting = true;
	w->cancel_asked = false;
	w->submitted = sim.now;
	w->begin = sim_check_begin();
	io->deadline_ns = 0;
	if (!work.reading_back && sim_chance(rng(), sim_world.plan.deadlines))
		io->deadline_ns = sim.now + sim_below(rng(), 200 * SIM_MS) + 1;
	io->flags = sim_chance(rng(), 10) && io->op == NVH_IO_WRITE ? NVH_IO_FUA : 0;
	io->done = worker_done;
	io->arg = w;
	if (op_writes(io->op))
		sim_check_write(worker_nsid(w), io->lba, io->nr_blocks, w->value, w->begin);
	SIM_TRACE("worker %llu: op %llu ns %llu %llu+%llu value %llx #%llu", w->index, io->op,
		  worker_nsid(w), io->lba, io->nr_blocks, w->value, w->begin);
	sim_counts.ios[io->op]++;
	err = nvh_submit(view->channels[w->r], io);
	w->submitting = false;
	if (err)
		refused(w, err);
	else if (!work.reading_back && sim_chance(rng(), sim_world.plan.cancels))
		nvhi_timer_arm(worker_reactor(w), &w->timer, 1 + sim_below(rng(), 20 * SIM_MS));
}

static void worker_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct worker *w = arg;
	bool good = !err && !nvh_cpl_is_error(cpl);

	if (sim.mutant == SIM_MUTANT_NEVER && sim_chance(sim_rng(SIM_RNG_DISK), 1)) {
		sim.mutations++;
		return;
	}
	if (!w->busy || w->submitting) {
		sim_fail("worker %u: a callback %s", w->index,
			 w->busy ? "inside submit" : "a second time");
		return;
	}
	SIM_TRACE("worker %llu: done err %llu status %llx after %llu us", w->index,
		  (unsigned long long)-err, err ? 0 : nvh_cpl_code(cpl),
		  (sim.now - w->submitted) / SIM_US);
	if (good)
		sim_counts.good++;
	else if (err == -ECANCELED)
		sim_counts.canceled++;
	else if (err == -ETIMEDOUT)
		sim_counts.timed_out++;
	else
		sim_counts.failed++;
	judge_data(w, good);
	if (!good && !excused(w, err, cpl))
		sim_fail(
			"worker %u: op %u of block %llu+%u failed without a reason: %s, status %xh",
			w->index, w->io->op, (unsigned long long)w->io->lba, w->io->nr_blocks,
			err ? strerror(-err) : "completed", err ? 0 : nvh_cpl_code(cpl));
	judge_time(w);
	poison(w, w->io->iovcnt ? worker_bytes(w) : 0);
	worker_end(w);
	if (sim.mutant == SIM_MUTANT_TWICE && sim_chance(sim_rng(SIM_RNG_DISK), 2)) {
		sim.mutations++;
		worker_done(arg, err, cpl);
	}
}

/* At the end each block is read once more, by the first worker of each disk. */
static bool next_of_read_back(struct worker *w)
{
	uint64_t blocks = sim_targets.disks[w->disk].blocks, len;

	if (w->read_back == NVHI_NEVER)
		w->read_back = w->r == 0 && w->index < sim_targets.nr_disks ? 0 : blocks;
	if (w->read_back >= blocks || !sim_targets.present[w->disk])
		return false;
	len = blocks - w->read_back;
	if (len > IO_BYTES_MAX / block_size())
		len = IO_BYTES_MAX / block_size();
	w->io->op = NVH_IO_READ;
	w->io->lba = w->read_back;
	w->io->nr_blocks = (uint32_t)len;
	w->read_back += len;
	return true;
}

static void worker_act(struct worker *w)
{
	struct sim_view *view = sim_host_view(w->disk);

	if (work.reading_back ? w->read_back >= sim_targets.disks[w->disk].blocks &&
					w->read_back != NVHI_NEVER
			      : work.left == 0) {
		w->ended = true;
		return;
	}
	if (!view || !view->channels[w->r]) {
		if (work.reading_back && !sim_targets.present[w->disk])
			w->ended = true;
		else
			nvhi_timer_arm(worker_reactor(w), &w->timer,
				       SIM_MS + sim_below(rng(), 50 * SIM_MS));
		return;
	}
	if (work.reading_back) {
		if (!next_of_read_back(w)) {
			w->ended = true;
			return;
		}
	} else {
		work.left--;
		w->io->op = draw_op();
		draw_range(w);
	}
	prepare_data(w);
	submit(w, view);
}

static void worker_fired(struct nvhi_timer *timer)
{
	struct worker *w = nvhi_container_of(timer, struct worker, timer);

	if (!w->busy) {
		worker_act(w);
		return;
	}
	SIM_TRACE("worker %llu: cancels", w->index);
	w->cancel_asked = true;
	nvh_cancel(w->view->channels[w->r], w->io);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void worker_begin(void *arg)
{
	struct worker *w = arg;

	w->ended = false;
	worker_think(w);
}

void sim_work_begin(void)
{
	for (uint32_t i = 0; i < work.count; i++) {
		work.workers[i].ended = false;
		sim_on(worker_reactor(&work.workers[i]), worker_begin, &work.workers[i]);
	}
}

void sim_work_start(void)
{
	const struct sim_plan *plan = &sim_world.plan;

	memset(&work, 0, sizeof(work));
	work.left = plan->ios;
	for (uint32_t r = 0; r < plan->host_reactors; r++)
		for (uint32_t k = 0; k < plan->workers; k++)
			for (uint32_t d = 0; d < plan->nr_disks && work.count < WORKERS_MAX; d++) {
				struct worker *w = &work.workers[work.count];

				w->index = work.count++;
				w->disk = d;
				w->r = r;
				w->timer.fn = worker_fired;
				w->buf = malloc(IO_BYTES_MAX);
				w->io = malloc(nvh_io_size());
				nvh_io_init(w->io);
			}
	sim_work_begin();
}

/* Buffers and I/Os of the dead process stay lent to it. */
void sim_work_killed(void)
{
	for (uint32_t i = 0; i < work.count; i++) {
		struct worker *w = &work.workers[i];

		if (w->busy) {
			if (op_writes(w->io->op))
				sim_check_written(worker_nsid(w), w->io->lba, w->io->nr_blocks,
						  w->value, w->begin, SIM_FATE_UNKNOWN);
			sim_check_end(w->begin);
			sim_counts.failed++;
		}
		w->busy = w->submitting = false;
		w->view = NULL;
		w->poisoned = 0;
		memset(&w->timer, 0, sizeof(w->timer));
		w->timer.fn = worker_fired;
		w->buf = malloc(IO_BYTES_MAX);
		w->io = malloc(nvh_io_size());
		nvh_io_init(w->io);
	}
}

bool sim_work_idle(void)
{
	for (uint32_t i = 0; i < work.count; i++)
		if (work.workers[i].busy)
			return false;
	return true;
}

void sim_work_stop(void)
{
	work.left = 0;
}

bool sim_work_done(void)
{
	for (uint32_t i = 0; i < work.count; i++)
		if (!work.workers[i].ended)
			return false;
	return true;
}

void sim_work_read_back(void)
{
	work.reading_back = true;
	for (uint32_t i = 0; i < work.count; i++)
		work.workers[i].read_back = NVHI_NEVER;
	sim_work_begin();
}

void sim_work_free(void)
{
	for (uint32_t i = 0; i < work.count; i++) {
		struct worker *w = &work.workers[i];

		if (!sim.failed)
			check_poison(w);
		free(w->buf);
		free(w->io);
	}
	work.count = 0;
}
