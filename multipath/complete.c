/*
 * Parts coming back, in any order. Success counts them off; a part that may be repeated pulls the
 * I/O back to its first block; any other failure ends it. Nothing of that happens before the last
 * part is home, so no buffer is lent twice and the callback comes exactly once. The channel's
 * reactor.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "multipath/fence.h"

static const char *const io_state_names[] = {
#define X(upper, lower) [NVHI_IO_STATE_##upper] = #lower,
	NVHI_IO_STATES(X)
#undef X
};
const uint32_t nvhi_io_edges[] = {
	[NVHI_IO_STATE_IDLE] = NVHI_FSM_TO(NVHI_IO_STATE_ISSUED) |
			       NVHI_FSM_TO(NVHI_IO_STATE_WAITING) |
			       NVHI_FSM_TO(NVHI_IO_STATE_FENCED),
	[NVHI_IO_STATE_ISSUED] = NVHI_FSM_TO(NVHI_IO_STATE_IDLE) |
				 NVHI_FSM_TO(NVHI_IO_STATE_WAITING) |
				 NVHI_FSM_TO(NVHI_IO_STATE_DRAINING),
	[NVHI_IO_STATE_WAITING] = NVHI_FSM_TO(NVHI_IO_STATE_ISSUED) |
				  NVHI_FSM_TO(NVHI_IO_STATE_FENCED) |
				  NVHI_FSM_TO(NVHI_IO_STATE_DRAINING) |
				  NVHI_FSM_TO(NVHI_IO_STATE_ENDED),
	[NVHI_IO_STATE_DRAINING] = NVHI_FSM_TO(NVHI_IO_STATE_IDLE) |
				   NVHI_FSM_TO(NVHI_IO_STATE_WAITING) |
				   NVHI_FSM_TO(NVHI_IO_STATE_FENCED) |
				   NVHI_FSM_TO(NVHI_IO_STATE_DELAYED),
	[NVHI_IO_STATE_FENCED] =
		NVHI_FSM_TO(NVHI_IO_STATE_WAITING) | NVHI_FSM_TO(NVHI_IO_STATE_ENDED),
	[NVHI_IO_STATE_DELAYED] =
		NVHI_FSM_TO(NVHI_IO_STATE_WAITING) | NVHI_FSM_TO(NVHI_IO_STATE_ENDED),
	[NVHI_IO_STATE_ENDED] = NVHI_FSM_TO(NVHI_IO_STATE_IDLE),
};
struct nvhi_fsm nvhi_io_fsm = NVHI_FSM_INIT("io", io_state_names, nvhi_io_edges);

/* ---- ending --------------------------------------------------------------------------------- */

void nvhi_io_end(struct nvhi_io *io, int err, const struct nvh_cpl *cpl)
{
	nvhi_io_set_state(io, NVHI_IO_STATE_IDLE);
	if (__builtin_expect(io->timed, 0))
		nvhi_list_del(&io->deadline_link);
	io->channel->outstanding--;
	if (__builtin_expect(io->origin != NULL, 0))
		nvhi_io_relay_back(io, err, cpl);
	else
		io->pub.done(io->pub.arg, err, err ? NULL : cpl);
}

void nvhi_io_end_later(struct nvhi_io *io, int err, const struct nvh_cpl *cpl)
{
	struct nvh_channel *channel = io->channel;

	assert(nvhi_list_empty(&io->parts));
	nvhi_failover_io_ends(io);
	nvhi_io_uncount_waiting(io);
	nvhi_list_del(&io->link);
	nvhi_io_set_state(io, NVHI_IO_STATE_ENDED);
	io->err = err;
	if (!err)
		io->cpl = *cpl;
	nvhi_list_add_tail(&channel->ended, &io->link);
	nvhi_reactor_defer(channel->reactor, &channel->ended_defer);
}

void nvhi_channel_ended_run(struct nvhi_defer *defer)
{
	struct nvh_channel *channel = nvhi_container_of(defer, struct nvh_channel, ended_defer);
	struct nvhi_list round;

	/* What ends in a callback is told in the next round, so that I/O comes between. */
	nvhi_list_init(&round);
	nvhi_list_splice_tail(&round, &channel->ended);
	while (!nvhi_list_empty(&round)) {
		struct nvhi_io *io = nvhi_list_first(&round, struct nvhi_io, link);
		struct nvh_cpl cpl = io->cpl;

		nvhi_list_del(&io->link);
		nvhi_io_end(io, io->err, &cpl);
	}
}

void nvhi_io_fail(struct nvhi_io *io, int err, const struct nvh_cpl *cpl)
{
	if (io->failed)
		return; /* the first failure is the one to tell */
	nvhi_failover_io_ends(io);
	nvhi_io_uncount_waiting(io);
	io->failed = true;
	io->plain = false;
	io->err = err;
	if (!err)
		io->cpl = *cpl;
}

/* ---- a part that came back without success --------------------------------------------------- */

/* Which errno says "no completion came": the transports' many reasons are not the caller's. */
static int lost_errno(const struct nvhi_io *io, int err)
{
	if (io->canceled)
		return -ECANCELED;
	if (io->expired)
		return -ETIMEDOUT;
	return err == -EPROTO || err == -ETIMEDOUT ? err : -ENOTCONN;
}

static void io_repeat_from(struct nvhi_io *io, uint64_t lba)
{
	if (lba < io->rewind)
		io->rewind = lba;
}

/* No completion came. Usually the queue is gone, and the io waits for another. When it is not, this
 * request alone could not be carried: trying at once and for ever would be a busy loop. */
static void part_lost(struct nvhi_io *io, struct nvhi_lane *lane, uint64_t lba, int err)
{
	if (lane->usable && io->tries >= NVHI_IO_MAX_TRIES) {
		nvhi_io_fail(io, lost_errno(io, err), NULL);
		return;
	}
	if (lane->usable)
		io->delay_ms = NVHI_IO_RETRY_MS << io->tries;
	else if (err == -EPROTO)
		io->tries++;
	nvhi_failover_io_moved(io, lane, "connection lost");
	io_repeat_from(io, lba);
}

static void part_failed(struct nvhi_io *io, struct nvhi_lane *lane, const struct nvhi_ioq_req *r,
			int err, const struct nvh_cpl *cpl)
{
	struct nvhi_outcome outcome = {
		.op = io->pub.op,
		.sent = r->req.sent,
		.tries = io->tries,
		.err = err,
		.cpl = cpl,
		.crdt = lane->crdt,
	};
	uint64_t lba = r->word[0];
	uint32_t delay_ms = 0;
	enum nvhi_verdict verdict = nvhi_classify(&outcome, &delay_ms);

	if (err && r->req.sent && !nvhi_ioq_is_settled(lane->ioq) &&
	    nvhi_fence_unproven(io, lane, r) && lane->usable)
		nvhi_ioq_give_up(lane->ioq, err, "a write was not answered");
	if (err || nvh_cpl_is_error(cpl))
		__atomic_store_n(&lane->errors, lane->errors + 1, __ATOMIC_RELAXED);
	if (io->canceled || io->expired) {
		nvhi_io_fail(io, lost_errno(io, err), NULL);
		return;
	}
	switch (verdict) {
	case NVHI_VERDICT_FAILOVER:
		nvhi_lane_hold(lane, delay_ms);
		nvhi_lane_ana_stale(lane);
		/* Paths that refuse for so long are as good as none. */
		if (nvhi_channel_no_path_over(io->channel)) {
			nvhi_io_fail(io, err, cpl);
			break;
		}
		nvhi_failover_io_moved(io, lane, "path-related status");
		io_repeat_from(io, lba);
		break;
	case NVHI_VERDICT_DELAY:
		if (delay_ms > io->delay_ms)
			io->delay_ms = delay_ms;
		io_repeat_from(io, lba);
		break;
	case NVHI_VERDICT_RETRY:
		part_lost(io, lane, lba, err);
		break;
	case NVHI_VERDICT_UNKNOWN:
		nvhi_log(WARN, MPATH,
			 "%s: opcode %02xh was sent over %s and may have been executed; "
			 "it is not repeated",
			 io->channel->ns->name, r->req.cmd.opc, nvhi_ctrlr_name(lane->ctrlr));
		nvhi_io_fail(io, lost_errno(io, err), cpl);
		break;
	case NVHI_VERDICT_DONE:
		nvhi_io_fail(io, err ? lost_errno(io, err) : 0, cpl);
		break;
	}
}

/* All parts are home and something is not done. */
static void io_repeat(struct nvhi_io *io)
{
	uint32_t delay_ms = io->delay_ms;

	nvhi_io_rewind(io, io->rewind);
	io->delay_ms = 0;
	if (delay_ms) {
		io->tries++;
		nvhi_io_delay(io, delay_ms);
		return;
	}
	nvhi_io_wait(io);
	nvhi_channel_drain(io->channel);
}

/* The next part of an io that goes one by one. */
static void io_continue(struct nvhi_io *io)
{
	if (!nvhi_io_issue(io))
		return;
	nvhi_io_wait(io);
	nvhi_channel_drain(io->channel);
}

/* After each part but the last of an io without trouble. */
static void io_settle(struct nvhi_io *io, const struct nvh_cpl *cpl)
{
	bool trouble = io->failed || io->rewind != NVHI_IO_NO_REWIND;

	if (trouble && io->state == NVHI_IO_STATE_WAITING) {
		nvhi_list_del(&io->link);
		nvhi_io_set_state(io, NVHI_IO_STATE_DRAINING);
	} else if (trouble && io->state == NVHI_IO_STATE_ISSUED) {
		nvhi_io_set_state(io, NVHI_IO_STATE_DRAINING);
	}
	if (!nvhi_list_empty(&io->parts))
		return;
	if (__builtin_expect(io->fence_token != 0, 0) && io->fence_pending) {
		nvhi_io_fence(io);
		return;
	}
	if (io->failed) {
		struct nvh_cpl told = io->cpl;

		nvhi_io_end(io, io->err, &told);
	} else if (trouble) {
		io_repeat(io);
	} else if (io->next == io->end) {
		nvhi_io_end(io, 0, cpl);
	} else if (io->state == NVHI_IO_STATE_ISSUED) {
		io_continue(io);
	}
}

/* It refused commands, and now took one. */
static void lane_trusted(struct nvhi_lane *lane)
{
	lane->held_since = 0;
	if (!lane->dropped)
		nvhi_channel_count_usable(lane->channel);
}

/* Where there is more than one lane, or one was lost. */
static void part_good(struct nvhi_io *io, struct nvhi_lane *lane, const struct nvhi_ioq_req *r)
{
	uint64_t now = nvhi_reactor_now(io->channel->reactor);

	nvhi_lane_latency_sample(lane, io->pub.op, r->req.len, now - r->req.submit_ns);
	if (__builtin_expect(io->channel->failover.lane != NULL, 0))
		nvhi_failover_succeeds(io, lane, r->req.submit_ns);
}

static __attribute__((noinline)) void part_done_any(struct nvhi_ioq_req *r, int err,
						    const struct nvh_cpl *cpl)
{
	struct nvhi_io *io = r->owner;
	struct nvhi_lane *lane = (struct nvhi_lane *)(uintptr_t)r->word[1];
	bool good = !err && !nvh_cpl_is_error(cpl);

	io->plain = false;
	nvhi_list_del(&r->owner_link);
	__atomic_store_n(&lane->ios, lane->ios + 1, __ATOMIC_RELAXED);
	lane->inflight--;
	if (__builtin_expect(good, 1)) {
		if (__builtin_expect(lane->held_since != 0, 0))
			lane_trusted(lane);
		if (!io->channel->only)
			part_good(io, lane, r);
		if (__builtin_expect((lane->ios & lane->sample_mask) == 0, 0))
			nvhi_lane_latency_count(lane, io->op.dir == NVHI_DIR_TO_CTRLR,
						nvhi_reactor_now(io->channel->reactor) -
							r->req.submit_ns);
		io->pub.result = nvh_cpl_result64(cpl);
	} else {
		if (!err)
			io->pub.result = nvh_cpl_result64(cpl);
		part_failed(io, lane, r, err, cpl);
	}
	if (__builtin_expect(lane->dropped, 0)) {
		io->channel->nr_dropping -= lane->inflight == 0;
		nvhi_lane_check_gone(lane); /* home may free it from here on */
	}
	io_settle(io, cpl);
}

/* The plain case comes first and ends here: its only part came back good over the only path. */
void nvhi_part_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_io *io = r->owner;
	struct nvhi_lane *lane = (struct nvhi_lane *)(uintptr_t)r->word[1];
	struct nvh_channel *channel = lane->channel;
	uint64_t ios = lane->ios + 1;

	if (__builtin_expect(!io->plain || err || nvh_cpl_is_error(cpl) || channel->only != lane ||
				     lane->held_since || (ios & lane->sample_mask) == 0,
			     0)) {
		part_done_any(r, err, cpl);
		return;
	}
	nvhi_list_init(&io->parts);
	__atomic_store_n(&lane->ios, ios, __ATOMIC_RELAXED);
	lane->inflight--;
	channel->outstanding--;
	io->pub.result = nvh_cpl_result64(cpl);
	nvhi_io_step(io, NVHI_IO_STATE_ISSUED, NVHI_IO_STATE_IDLE);
	io->pub.done(io->pub.arg, 0, cpl);
}

void nvhi_part_drop(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_lane *lane = (struct nvhi_lane *)(uintptr_t)r->word[1];
	struct nvh_channel *channel = lane->channel;

	nvhi_list_del(&r->owner_link);
	__atomic_store_n(&lane->ios, lane->ios + 1, __ATOMIC_RELAXED);
	lane->inflight--;
	if (!err && !nvh_cpl_is_error(cpl)) {
		uint64_t took = nvhi_reactor_now(channel->reactor) - r->req.submit_ns;

		nvhi_lane_latency_sample(lane, NVH_IO_READ, r->req.len, took);
		/* As few of them as of all others: they are the slow ones. */
		if ((lane->ios & lane->sample_mask) == 0)
			nvhi_lane_latency_count(lane, false, took);
	} else {
		__atomic_store_n(&lane->errors, lane->errors + 1, __ATOMIC_RELAXED);
		if (!err && nvh_cpl_sct(cpl) == NVH_SCT_PATH && !channel->closed) {
			nvhi_lane_hold(lane, 0);
			nvhi_lane_ana_stale(lane);
		}
	}
	if (lane->dropped) {
		channel->nr_dropping -= lane->inflight == 0;
		nvhi_lane_check_gone(lane);
	}
}
