/*
 * Multipath for tests: see mp_fixture.h. One thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

struct mpf mpf;
uint32_t mpf_calls;

/* ---- the transport ------------------------------------------------------------------------- */

static struct mpf_queue *queue_of(struct nvhi_qpair *qpair)
{
	return nvhi_container_of(qpair, struct mpf_queue, qpair);
}

static int fake_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			     struct nvhi_qpair **ret_qpair)
{
	struct mpf_ctrlr *c = nvhi_container_of(tctrlr, struct mpf_ctrlr, tctrlr);
	struct mpf_queue *queue = &c->queues[opts->qid - 1];

	CU_ASSERT_FALSE(queue->used);
	memset(queue, 0, sizeof(*queue));
	queue->used = true;
	nvhi_list_init(&queue->lent);
	queue->qpair.tctrlr = tctrlr;
	queue->qpair.events = opts->events;
	queue->qpair.reactor = opts->reactor;
	queue->qpair.qid = opts->qid;
	queue->qpair.entries = opts->entries;
	queue->qpair.depth = mpf.depth;
	*ret_qpair = &queue->qpair;
	return 0;
}

static void fake_qpair_connect(struct nvhi_qpair *qpair)
{
	(void)qpair; /* mpf_up goes on */
}

static int fake_submit(struct nvhi_qpair *qpair, struct nvhi_req *req)
{
	struct mpf_queue *queue = queue_of(qpair);

	if (nvhi_container_of(qpair->tctrlr, struct mpf_ctrlr, tctrlr)->broken)
		return -ENOTCONN;
	if (queue->count == qpair->depth)
		return -EAGAIN;
	CU_ASSERT_TRUE(nvhi_reactor_current() == NULL || nvhi_reactor_is_current(qpair->reactor));
	req->submit_ns = mpf.time.now;
	req->sent = !mpf.unsent;
	nvhi_list_add_tail(&queue->lent, &req->link);
	queue->count++;
	qpair->inflight++;
	return 0;
}

static void execute(struct nvhi_req *req);

static void give_back(struct mpf_queue *queue, struct nvhi_req *req, int err,
		      const struct nvh_cpl *cpl)
{
	nvhi_list_del(&req->link);
	queue->count--;
	queue->qpair.inflight--;
	if (!err)
		queue->qpair.last_rx_ns = mpf.time.now;
	req->done(req, err, cpl);
}

static void fake_revoked(struct nvhi_msg *msg)
{
	struct mpf_queue *queue = nvhi_container_of(msg, struct mpf_queue, revoke_msg);

	while (queue->count > 0) {
		struct nvhi_list *at = mpf.revoke_backwards ? queue->lent.prev : queue->lent.next;
		struct nvhi_req *req = nvhi_list_entry(at, struct nvhi_req, link);

		if (mpf.lost_may_run && req->sent && queue->count % 2)
			execute(req);
		give_back(queue, req, mpf.lost_err, NULL);
	}
	queue->qpair.events->revoked(&queue->qpair);
}

static void fake_revoke(struct nvhi_qpair *qpair)
{
	struct mpf_queue *queue = queue_of(qpair);

	queue->revoke_msg.fn = fake_revoked;
	nvhi_reactor_post(qpair->reactor, &queue->revoke_msg);
}

static void fake_qpair_destroy(struct nvhi_qpair *qpair)
{
	CU_ASSERT_EQUAL(queue_of(qpair)->count, 0);
	queue_of(qpair)->used = false;
}

static int fake_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info)
{
	struct mpf_ctrlr *c = nvhi_container_of(qpair->tctrlr, struct mpf_ctrlr, tctrlr);

	if (!c->cut)
		return -EOPNOTSUPP;
	memset(ret_info, 0, sizeof(*ret_info));
	ret_info->unacked = ret_info->retransmits = 1;
	ret_info->last_ack_ago_ms =
		(uint32_t)((mpf.time.now - qpair->last_rx_ns) / NVHI_NSEC_PER_MSEC);
	return 0;
}

static const struct nvhi_transport fake_transport = {
	.name = "fake",
	.qpair_create = fake_qpair_create,
	.qpair_connect = fake_qpair_connect,
	.submit = fake_submit,
	.revoke = fake_revoke,
	.qpair_destroy = fake_qpair_destroy,
	.info = fake_info,
};

/* ---- reactors -------------------------------------------------------------------------------- */

static uint64_t fake_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return mpf.time.now;
}

static void event_added(struct nvhi_mp *mp, struct nvh_ns *ns)
{
	(void)mp;
	mpf.added++;
	mpf.last_ns = ns;
}

static void event_changed(struct nvhi_mp *mp, struct nvh_ns *ns)
{
	(void)mp;
	mpf.changed++;
	mpf.last_ns = ns;
}

static void event_removed(struct nvhi_mp *mp, struct nvh_ns *ns)
{
	(void)mp;
	mpf.removed++;
	mpf.last_ns = ns;
}

static void event_idle(struct nvhi_mp *mp)
{
	(void)mp;
	mpf.idle++;
}

static void event_failover(struct nvhi_mp *mp, const struct nvh_failover *failover)
{
	(void)mp;
	CU_ASSERT_TRUE(failover->detected_ns && failover->size == sizeof(*failover));
	mpf.failover_events++;
}

static const struct nvhi_mp_events fake_events = {
	.ns_added = event_added,
	.ns_changed = event_changed,
	.ns_removed = event_removed,
	.idle = event_idle,
	.failover = event_failover,
};

void mpf_start(uint32_t nr_reactors)
{
	memset(&mpf, 0, sizeof(mpf));
	mpf_calls = 0;
	mpf.time.clock.now = fake_now;
	mpf.time.now = NVHI_NSEC_PER_SEC;
	mpf.depth = 64;
	mpf.lost_err = -ECONNRESET;
	for (uint32_t i = 0; i < nr_reactors; i++) {
		struct nvhi_reactor_opts opts = {.clock = &mpf.time.clock, .simulated = true};

		CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&opts, &mpf.reactors[i]), 0);
	}
	mpf.write_fence = NVHI_WRITE_FENCE_OFF;
	CU_ASSERT_EQUAL_FATAL(nvhi_mp_init(&mpf.mp, &fake_events, mpf.reactors, nr_reactors), 0);
}

void mpf_turns(void)
{
	int done;

	if (mpf.no_turns)
		return;
	do {
		done = 0;
		for (uint32_t i = 0; i < MPF_REACTORS; i++)
			if (mpf.reactors[i])
				done += nvhi_reactor_turn(mpf.reactors[i]);
	} while (done);
}

void mpf_advance_ms(uint64_t ms)
{
	mpf.time.now += ms * NVHI_NSEC_PER_MSEC;
	mpf_turns();
}

static void ctrlr_free(struct mpf_ctrlr *c)
{
	for (uint32_t i = 0; i < c->inner->opts.nr_reactors; i++)
		nvhi_ioq_fini(&c->inner->ioqs[i]);
	free(c->inner->ioqs);
	free(c->inner);
	c->inner = NULL;
}

bool mpf_can_forget(const struct mpf_ctrlr *c)
{
	if (!c->inner || !c->left)
		return false;
	for (uint32_t i = 0; i < c->inner->opts.nr_reactors; i++)
		if (c->inner->ioqs[i].state != NVHI_IOQ_ABSENT)
			return false;
	return true;
}

void mpf_forget(struct mpf_ctrlr *c)
{
	bool no_turns = mpf.no_turns;

	/* A real controller waits for its queues' last words. */
	mpf.no_turns = false;
	mpf_turns();
	mpf.no_turns = no_turns;
	ctrlr_free(c);
	memset(c, 0, sizeof(*c));
}

void mpf_stop(void)
{
	for (uint32_t i = 0; i < MPF_CTRLRS; i++)
		if (mpf.ctrlrs[i].inner)
			mpf_leave(&mpf.ctrlrs[i]);
	mpf_turns();
	CU_ASSERT_EQUAL(mpf.mp.nr_channels, 0);
	nvhi_mp_fini(&mpf.mp);
	for (uint32_t i = 0; i < MPF_CTRLRS; i++)
		if (mpf.ctrlrs[i].inner) {
			CU_ASSERT_TRUE(mpf.ctrlrs[i].left);
			ctrlr_free(&mpf.ctrlrs[i]);
		}
	for (uint32_t i = 0; i < MPF_REACTORS; i++)
		nvhi_reactor_destroy(mpf.reactors[i]);
}

/* ---- controllers ------------------------------------------------------------------------------
 */

static void message_ignored(struct nvhi_msg *msg)
{
	(void)msg;
}

static void abort_wanted(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, abort_wanted);

	for (uint32_t i = 0; i < MPF_CTRLRS; i++)
		if (mpf.ctrlrs[i].inner == ioq->ctrlr)
			mpf.ctrlrs[i].aborts_wanted++;
}

static void probe_wanted(struct nvhi_msg *msg)
{
	struct nvhi_ctrlr *inner = nvhi_container_of(msg, struct nvhi_ctrlr, probe.wanted);

	inner->probe.posted = 0;
	for (uint32_t i = 0; i < MPF_CTRLRS; i++)
		if (mpf.ctrlrs[i].inner == inner)
			mpf.ctrlrs[i].probes_wanted++;
}

static void caps_init(struct nvhi_ctrlr_caps *caps)
{
	caps->max_transfer = 8 * MPF_BLOCK;
	caps->page_size = 4096;
	caps->oncs = NVH_ONCS_COMPARE | NVH_ONCS_DSM | NVH_ONCS_WRITE_ZEROES | NVH_ONCS_VERIFY;
	caps->nr_io_queues = MPF_REACTORS;
	caps->crdt[0] = 1;
	caps->crdt[1] = 5;
	caps->crdt[2] = 20;
}

struct mpf_ctrlr *mpf_join(unsigned int i)
{
	struct mpf_ctrlr *c = &mpf.ctrlrs[i];
	struct nvhi_ctrlr *inner = calloc(1, sizeof(*inner));
	uint32_t n = mpf.mp.nr_reactors;

	CU_ASSERT_PTR_NOT_NULL_FATAL(inner);
	memset(c, 0, sizeof(*c));
	c->inner = inner;
	c->tctrlr.transport = &fake_transport;
	inner->transport = &fake_transport;
	inner->tctrlr = &c->tctrlr;
	inner->home = mpf.reactors[0];
	inner->reactors = mpf.mp.reactors;
	snprintf(inner->name, sizeof(inner->name), "nvh%u", i);
	inner->opts.nr_reactors = n;
	inner->opts.ctrl_loss_tmo_s = 10;
	inner->opts.suspect_ms = 100;
	inner->opts.fast_io_fail_tmo_s = -1;
	inner->opts.write_fence = mpf.write_fence;
	nvhi_list_init(&inner->ccrs);
	inner->state = NVHI_CTRLR_LIVE;
	inner->probe.wanted.fn = probe_wanted;
	caps_init(&inner->caps);
	inner->ioqs = calloc(n, sizeof(*inner->ioqs));
	CU_ASSERT_PTR_NOT_NULL_FATAL(inner->ioqs);
	for (uint32_t q = 0; q < n; q++) {
		struct nvhi_ioq *ioq = &inner->ioqs[q];

		CU_ASSERT_EQUAL_FATAL(
			nvhi_ioq_init(ioq, inner, mpf.reactors[q], (uint16_t)(q + 1), mpf.depth),
			0);
		ioq->entries = mpf.depth + 1;
		ioq->connected.fn = ioq->lost.fn = ioq->stopped.fn = message_ignored;
		ioq->abort_wanted.fn = abort_wanted;
	}
	CU_ASSERT_EQUAL_FATAL(nvhi_mp_ctrlr_join(&mpf.mp, &c->mpc, inner, MPF_NQN, (int)i), 0);
	c->joined = true;
	return c;
}

static void ctrlr_left(struct nvhi_mp_ctrlr *mpc)
{
	struct mpf_ctrlr *c = nvhi_container_of(mpc, struct mpf_ctrlr, mpc);

	CU_ASSERT_FALSE(c->left);
	c->left = true;
}

void mpf_leave(struct mpf_ctrlr *c)
{
	if (!c->joined)
		return;
	c->joined = false;
	mpf_lost(c);
	nvhi_mp_ctrlr_leave(&c->mpc, ctrlr_left);
	mpf_turns();
}

void mpf_up(struct mpf_ctrlr *c, unsigned int r)
{
	struct nvhi_ioq *ioq = &c->inner->ioqs[r];

	nvhi_ioq_on_start(&ioq->start);
	c->queues[r].qpair.events->connected(&c->queues[r].qpair, 0, NULL);
	nvhi_ioq_on_open(&ioq->open);
	mpf_turns();
}

void mpf_down(struct mpf_ctrlr *c, unsigned int r)
{
	nvhi_ioq_lose(&c->inner->ioqs[r], mpf.lost_err, "test");
	mpf_turns();
}

void mpf_live(struct mpf_ctrlr *c)
{
	nvhi_mp_ctrlr_live(&c->mpc, true);
	for (uint32_t r = 0; r < mpf.mp.nr_reactors; r++)
		if (c->inner->ioqs[r].state == NVHI_IOQ_ABSENT)
			mpf_up(c, r);
}

void mpf_lost(struct mpf_ctrlr *c)
{
	for (uint32_t r = 0; r < mpf.mp.nr_reactors; r++)
		mpf_down(c, r);
	if (!c->mpc.subsys)
		return;
	nvhi_mp_ctrlr_live(&c->mpc, false);
	if (mpf.no_turns)
		return; /* the test tells when its queues are gone */
	nvhi_mp_ctrlr_quiesced(&c->mpc);
	mpf_turns();
}

/* ---- namespaces -------------------------------------------------------------------------------
 */

void mpf_ns_data(struct nvhi_ns_data *data, uint32_t nsid, uint8_t identity)
{
	memset(data, 0, sizeof(*data));
	data->nsid = nsid;
	data->has_uuid = true;
	memset(data->uuid, identity, sizeof(data->uuid));
	data->io_supported = true;
	data->nsze = data->ncap = MPF_BLOCKS;
	data->lba_shift = 9;
	data->block_size = MPF_BLOCK;
	data->nmic = NVH_NMIC_SHARED;
	data->ready = true;
}

struct nvh_ns *mpf_ns(struct mpf_ctrlr *c, uint32_t nsid, uint8_t identity)
{
	struct nvhi_ns_data data;
	struct nvhi_path *path;

	mpf_ns_data(&data, nsid, identity);
	nvhi_mp_ns_added(&c->mpc, &data);
	path = nvhi_path_find(&c->mpc, nsid);
	return path ? path->head : NULL;
}

/* ---- commands ----------------------------------------------------------------------------------
 */

uint32_t mpf_lent(struct mpf_ctrlr *c, unsigned int r)
{
	return c->queues[r].used ? c->queues[r].count : 0;
}

struct nvhi_req *mpf_cmd(struct mpf_ctrlr *c, unsigned int r, uint32_t i)
{
	struct nvhi_list *at = c->queues[r].lent.next;

	CU_ASSERT_TRUE_FATAL(i < mpf_lent(c, r));
	while (i--)
		at = at->next;
	return nvhi_list_entry(at, struct nvhi_req, link);
}

uint64_t mpf_lba(const struct nvhi_req *req)
{
	return (uint64_t)nvh_le32_get(req->cmd.cdw11) << 32 | nvh_le32_get(req->cmd.cdw10);
}

uint32_t mpf_nlb(const struct nvhi_req *req)
{
	return (nvh_le32_get(req->cmd.cdw12) & NVH_RW_NLB_MASK) + 1;
}

static void execute(struct nvhi_req *req)
{
	struct nvhi_iov_cursor data = req->data;
	uint8_t *at;

	if (req->cmd.opc != NVH_OPC_READ && req->cmd.opc != NVH_OPC_WRITE &&
	    req->cmd.opc != NVH_OPC_WRITE_ZEROES)
		return;
	CU_ASSERT_TRUE_FATAL(mpf_lba(req) + mpf_nlb(req) <= MPF_BLOCKS);
	at = mpf.store + mpf_lba(req) * MPF_BLOCK;
	if (req->cmd.opc == NVH_OPC_WRITE_ZEROES) {
		memset(at, 0, mpf_nlb(req) * MPF_BLOCK);
		return;
	}
	CU_ASSERT_EQUAL(req->len, mpf_nlb(req) * MPF_BLOCK);
	if (req->cmd.opc == NVH_OPC_READ)
		CU_ASSERT_EQUAL(nvhi_iov_cursor_copy_in(&data, at, req->len), req->len);
	if (req->cmd.opc == NVH_OPC_WRITE)
		CU_ASSERT_EQUAL(nvhi_iov_cursor_copy_out(&data, at, req->len), req->len);
}

void mpf_complete(struct mpf_ctrlr *c, unsigned int r, uint32_t i, unsigned int status15)
{
	struct nvhi_req *req = mpf_cmd(c, r, i);
	struct nvh_cpl cpl = {0};

	nvh_cpl_set_status(&cpl, status15);
	if (!status15)
		execute(req);
	give_back(&c->queues[r], req, 0, &cpl);
	mpf_turns();
}

void mpf_fail(struct mpf_ctrlr *c, unsigned int r, uint32_t i, int err)
{
	give_back(&c->queues[r], mpf_cmd(c, r, i), err, NULL);
	mpf_turns();
}

void mpf_serve(void)
{
	bool again;

	do {
		again = false;
		mpf_turns();
		for (uint32_t i = 0; i < MPF_CTRLRS; i++)
			for (uint32_t r = 0; r < MPF_REACTORS; r++)
				if (mpf.ctrlrs[i].inner && mpf_lent(&mpf.ctrlrs[i], r)) {
					mpf_complete(&mpf.ctrlrs[i], r, 0, 0);
					again = true;
				}
	} while (again);
}

/* ---- I/O ----------------------------------------------------------------------------------------
 */

static void io_called(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct mpf_io *io = arg;

	io->calls++;
	io->order = ++mpf_calls;
	io->err = err;
	io->status = err ? 0 : nvh_cpl_status(cpl);
	CU_ASSERT_TRUE((err < 0) == (cpl == NULL));
	if (io->then)
		io->then(io);
}

void mpf_io_init(struct mpf_io *io, uint8_t op, uint64_t lba, uint32_t blocks, void *buf)
{
	memset(io, 0, sizeof(*io));
	io->io = malloc(nvh_io_size());
	CU_ASSERT_PTR_NOT_NULL_FATAL(io->io);
	nvh_io_init(io->io);
	io->io->op = op;
	io->io->lba = lba;
	io->io->nr_blocks = blocks;
	io->iov[0].iov_base = buf;
	io->iov[0].iov_len = (size_t)blocks * MPF_BLOCK;
	if (buf) {
		io->io->iov = io->iov;
		io->io->iovcnt = 1;
	}
	io->io->done = io_called;
	io->io->arg = io;
}

void mpf_io_done(struct mpf_io *io)
{
	free(io->io);
	io->io = NULL;
}
