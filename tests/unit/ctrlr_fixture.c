/*
 * The transport in memory and the controller at its other end; see ctrlr_fixture.h.
 */
#include "tests/unit/ctrlr_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

struct fake_ctrlr fakes[FAKE_CTRLRS];
struct nvh_reactor *world[WORLD_REACTORS];

static struct world_clock {
	struct nvhi_clock clock;
	uint64_t time;
} world_clock;

#define LATENCY_NS 10000u

struct fake_cmd {
	struct nvhi_req *req;
	struct fake_qpair *q;
	struct nvhi_timer timer;
	struct nvhi_list link;
	struct nvh_cpl cpl;
	bool held, identify;
};

/* ---- time
 * ---------------------------------------------------------------------------------------- */

static uint64_t world_clock_now(const struct nvhi_clock *clock)
{
	return ((const struct world_clock *)clock)->time;
}

uint64_t world_now(void)
{
	return world_clock.time;
}

void world_setup(void)
{
	struct nvhi_reactor_opts opts = {.clock = &world_clock.clock, .simulated = true};

	world_clock.clock.now = world_clock_now;
	world_clock.time = NVHI_NSEC_PER_SEC;
	for (uint32_t i = 0; i < WORLD_REACTORS; i++)
		CU_ASSERT_FATAL(nvhi_reactor_create(&opts, &world[i]) == 0);
	for (uint32_t i = 0; i < FAKE_CTRLRS; i++)
		fake_init(&fakes[i]);
}

void world_teardown(void)
{
	world_run_ms(0);
	for (uint32_t i = 0; i < FAKE_CTRLRS; i++)
		CU_ASSERT_EQUAL(fakes[i].queues, 0);
	for (uint32_t i = 0; i < WORLD_REACTORS; i++) {
		CU_ASSERT_EQUAL(nvhi_reactor_next_deadline(world[i]), NVHI_NEVER);
		nvhi_reactor_destroy(world[i]);
	}
}

static int world_turns(void)
{
	int work = 0;

	for (uint32_t i = 0; i < WORLD_REACTORS; i++)
		work += nvhi_reactor_turn(world[i]);
	return work;
}

bool world_step(uint64_t end)
{
	uint64_t next = NVHI_NEVER;

	if (world_turns() > 0)
		return true;
	for (uint32_t i = 0; i < WORLD_REACTORS; i++)
		if (nvhi_reactor_next_deadline(world[i]) < next)
			next = nvhi_reactor_next_deadline(world[i]);
	if (next > end) {
		world_clock.time = end;
		return false;
	}
	if (next > world_clock.time)
		world_clock.time = next;
	return true;
}

void world_run_ns(uint64_t ns)
{
	uint64_t end = world_clock.time + ns;

	while (world_step(end))
		;
}

void world_run_ms(uint64_t ms)
{
	world_run_ns(ms * NVHI_NSEC_PER_MSEC);
}

void world_stop_ms(uint64_t ms)
{
	world_clock.time += ms * NVHI_NSEC_PER_MSEC;
}

/* ---- the controller's model
 * -------------------------------------------------------------------------- */

void fake_init(struct fake_ctrlr *fake)
{
	struct nvh_id_ctrlr *id = &fake->id;

	memset(fake, 0, sizeof(*fake));
	fake->cap = 127ull | 2ull << NVH_CAP_TO_SHIFT | 1ull << NVH_CAP_CSS_SHIFT;
	fake->vs = nvh_vs(2, 1, 0);
	fake->granted = FAKE_QUEUES;
	fake->nsze = 1000;
	fake->latency_ns = LATENCY_NS;
	memset(id->sn, ' ', sizeof(id->sn));
	memset(id->mn, ' ', sizeof(id->mn));
	memset(id->fr, ' ', sizeof(id->fr));
	memcpy(id->sn, "SER1", 4);
	id->mdts = 5;
	nvh_le16_put(&id->cntlid, 7);
	id->sqes = 0x66;
	id->cqes = 0x44;
	nvh_le16_put(&id->maxcmd, 128);
	nvh_le32_put(&id->nn, 8192);
	nvh_le32_put(&id->ioccsz, 4 + 512);
	nvh_le32_put(&id->iorcsz, 1);
	nvh_le16_put(&id->kas, 10);
	nvh_le32_put(&id->oaes, NVH_AEN_NS_ATTR | NVH_AEN_ANA | NVH_AEN_PREDICTABLE_LAT);
	id->aerl = 3;
	id->lpa = NVH_LPA_EXTENDED;
	id->cntrltype = NVH_CNTRLTYPE_IO;
	snprintf(id->subnqn, sizeof(id->subnqn), "nqn.2024-01.test:sub");
	fake->nsid[0] = 1;
	fake->nr_ns = 1;
	fake->ana_state = NVH_ANA_OPTIMIZED;
}

static bool fake_has_ns(const struct fake_ctrlr *fake, uint32_t nsid)
{
	for (uint32_t i = 0; i < fake->nr_ns; i++)
		if (fake->nsid[i] == nsid)
			return true;
	return false;
}

static void fake_list(const struct fake_ctrlr *fake, uint32_t after, struct nvh_ns_list *list)
{
	uint32_t n = 0;

	if (fake->list_endless) {
		for (; n < NVH_NS_LIST_MAX; n++)
			nvh_le32_put(&list->nsid[n], after + n + 1);
		return;
	}
	for (uint32_t i = 0; i < fake->nr_ns && n < NVH_NS_LIST_MAX; i++)
		if (fake->nsid[i] > after)
			nvh_le32_put(&list->nsid[n++], fake->nsid[i]);
	if (fake->list_descending) {
		nvh_le32_put(&list->nsid[0], 9);
		nvh_le32_put(&list->nsid[1], 3);
	}
}

static void fake_descriptors(const struct fake_ctrlr *fake, uint32_t nsid, uint8_t *buf)
{
	if (fake->desc_used) {
		memcpy(buf, fake->desc, sizeof(fake->desc));
		return;
	}
	buf[0] = NVH_NIDT_UUID;
	buf[1] = NVH_NIDL_UUID;
	memset(buf + 4, 0xab, 12);
	buf[16] = (uint8_t)(nsid >> 24);
	buf[17] = (uint8_t)(nsid >> 16);
	buf[18] = (uint8_t)(nsid >> 8);
	buf[19] = (uint8_t)nsid;
	if (fake->csi_of_last && nsid == fake->nsid[fake->nr_ns - 1]) {
		buf[20] = NVH_NIDT_CSI;
		buf[21] = NVH_NIDL_CSI;
		buf[24] = fake->csi_of_last;
	}
}

static void fake_id_ns(const struct fake_ctrlr *fake, uint32_t nsid, struct nvh_id_ns *id)
{
	nvh_le64_put(&id->nsze, fake->nsze);
	nvh_le64_put(&id->ncap, fake->nsze);
	id->lbaf[0].lbads = nsid == fake->broken_nsid ? 77 : 9;
}

static unsigned int fake_identify(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf)
{
	uint32_t nsid = nvh_le32_get(cmd->nsid);
	uint8_t cns = (uint8_t)nvh_le32_get(cmd->cdw10);

	fake->cns[cns]++;
	switch (cns) {
	case NVH_CNS_CTRLR:
		memcpy(buf, &fake->id, sizeof(fake->id));
		return 0;
	case NVH_CNS_ACTIVE_NS:
		fake_list(fake, nsid, (struct nvh_ns_list *)buf);
		return 0;
	case NVH_CNS_NS_DESC:
	case NVH_CNS_NS:
	case NVH_CNS_INDEP_NS:
		if (!fake_has_ns(fake, nsid))
			return NVH_ST_INVALID_NS | NVH_CPL_DNR;
		if (cns == NVH_CNS_NS_DESC)
			fake_descriptors(fake, nsid, buf);
		else if (cns == NVH_CNS_NS)
			fake_id_ns(fake, nsid, (struct nvh_id_ns *)buf);
		else
			buf[1] = NVH_NMIC_SHARED;
		return 0;
	case NVH_CNS_IOCS_CTRLR:
		buf[1] = 3; /* WZSL */
		return 0;
	default:
		return NVH_ST_INVALID_FIELD | NVH_CPL_DNR;
	}
}

static unsigned int fake_set_feature(struct fake_ctrlr *fake, const struct nvh_cmd *cmd,
				     const uint8_t *buf, struct nvh_cpl *cpl)
{
	uint8_t fid = (uint8_t)nvh_le32_get(cmd->cdw10);
	uint32_t value = nvh_le32_get(cmd->cdw11);

	fake->feature[fid]++;
	switch (fid) {
	case NVH_FID_NUM_QUEUES:
		nvh_le32_put(&cpl->dw0, (fake->granted - 1) | (fake->granted - 1) << 16);
		return 0;
	case NVH_FID_AEC:
		fake->aec = value;
		return 0;
	case NVH_FID_HOST_BEHAVIOR:
		fake->acre = buf[0];
		return 0;
	default:
		return NVH_ST_INVALID_FIELD | NVH_CPL_DNR;
	}
}

static void fake_discovery_log(struct fake_ctrlr *fake, uint64_t offset, uint8_t *buf, uint32_t len)
{
	struct nvh_discovery_log_header *header = (struct nvh_discovery_log_header *)buf;
	struct nvh_discovery_log_entry *entry = (struct nvh_discovery_log_entry *)buf;
	uint64_t index = offset / sizeof(*entry);

	CU_ASSERT_EQUAL(offset % sizeof(*entry), 0);
	if (offset == 0) {
		nvh_le64_put(&header->genctr, fake->genctr);
		nvh_le64_put(&header->numrec,
			     fake->disc_numrec ? fake->disc_numrec : fake->disc_entries);
		return;
	}
	if (fake->genctr_moves) {
		fake->genctr_moves--;
		fake->genctr++;
	}
	for (; len >= sizeof(*entry) && index <= fake->disc_entries; len -= sizeof(*entry), entry++)
		snprintf(entry->subnqn, sizeof(entry->subnqn), "nqn.2024-01.test:%u",
			 (unsigned int)index++);
}

/* One group with no NSIDs told, as with RGO; a log of 48 bytes and then zeroes. */
static void fake_ana_log(const struct fake_ctrlr *fake, uint64_t offset, uint8_t *buf, uint32_t len)
{
	struct {
		struct nvh_ana_log header;
		struct nvh_ana_group group;
	} log;

	memset(&log, 0, sizeof(log));
	nvh_le64_put(&log.header.chgcnt, fake->ana_changes);
	nvh_le16_put(&log.header.ngrps, 1);
	nvh_le32_put(&log.group.grpid, 1);
	nvh_le64_put(&log.group.chgcnt, fake->ana_changes);
	log.group.state = fake->ana_state;
	if (offset < sizeof(log))
		memcpy(buf, (const uint8_t *)&log + offset,
		       sizeof(log) - offset < len ? sizeof(log) - offset : len);
}

static unsigned int fake_get_log(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf)
{
	uint8_t lid = (uint8_t)nvh_le32_get(cmd->cdw10);
	struct nvh_ns_list *list = (struct nvh_ns_list *)buf;
	uint32_t numd = nvh_le32_get(cmd->cdw10) >> 16 | nvh_le32_get(cmd->cdw11) << 16;

	fake->log[lid]++;
	if (lid == NVH_LID_ANA)
		fake_ana_log(fake,
			     nvh_le32_get(cmd->cdw12) | (uint64_t)nvh_le32_get(cmd->cdw13) << 32,
			     buf, (numd + 1) * 4);
	if (lid == NVH_LID_DISCOVERY)
		fake_discovery_log(
			fake, nvh_le32_get(cmd->cdw12) | (uint64_t)nvh_le32_get(cmd->cdw13) << 32,
			buf, (numd + 1) * 4);
	if (lid == NVH_LID_CHANGED_NS)
		for (uint32_t i = 0; i < fake->nr_changed; i++)
			nvh_le32_put(&list->nsid[i], fake->changed[i]);
	return 0;
}

/* buf: NVH_IDENTIFY_SIZE or more, zeroed for answers. Returns the status. */
static unsigned int fake_admin(struct fake_ctrlr *fake, const struct nvh_cmd *cmd, uint8_t *buf,
			       struct nvh_cpl *cpl)
{
	fake->count[cmd->opc]++;
	switch (cmd->opc) {
	case NVH_ADM_IDENTIFY:
		return fake_identify(fake, cmd, buf);
	case NVH_ADM_SET_FEATURES:
		return fake_set_feature(fake, cmd, buf, cpl);
	case NVH_ADM_GET_LOG_PAGE:
		return fake_get_log(fake, cmd, buf);
	case NVH_ADM_KEEP_ALIVE:
		fake->ka_times[(fake->count[cmd->opc] - 1) % 64] = world_now();
		return 0;
	case NVH_ADM_ABORT:
		fake->aborts[(fake->count[cmd->opc] - 1) % 8] = nvh_le32_get(cmd->cdw10);
		return 0;
	default:
		return NVH_ST_INVALID_OPCODE | NVH_CPL_DNR;
	}
}

/* ---- commands in flight
 * -------------------------------------------------------------------------------- */

static void fake_cmd_done(struct fake_cmd *cmd, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_req *req = cmd->req;
	struct fake_qpair *q = cmd->q;

	nvhi_timer_cancel(q->base.reactor, &cmd->timer);
	nvhi_list_del(&cmd->link);
	if (cmd->identify)
		q->fake->identifying--;
	q->base.inflight--;
	free(cmd);
	req->done(req, err, cpl);
}

static void fake_cmd_fire(struct nvhi_timer *timer)
{
	struct fake_cmd *cmd = nvhi_container_of(timer, struct fake_cmd, timer);
	struct nvh_cpl cpl = cmd->cpl;

	if (cmd->q->lost)
		return; /* comes back with revoke */
	fake_cmd_done(cmd, 0, &cpl);
}

/* What a real transport has ready does not fail here either: a planned failure hits the host only.
 */
static void *fake_alloc(size_t size)
{
	void *p = calloc(1, size);

	return p ? p : calloc(1, size);
}

static void fake_execute(struct fake_cmd *cmd)
{
	struct nvhi_req *req = cmd->req;
	struct fake_ctrlr *fake = cmd->q->fake;
	uint8_t *buf = fake_alloc(req->len + NVH_IDENTIFY_SIZE);
	unsigned int status = 0;

	CU_ASSERT_FATAL(buf != NULL);
	if (req->dir == NVHI_DIR_TO_CTRLR)
		nvhi_iov_cursor_copy_out(&req->data, buf, req->len);
	if (cmd->q->base.qid == 0)
		status = fake_admin(fake, &req->cmd, buf, &cmd->cpl);
	else
		fake->io_count++;
	if (req->dir == NVHI_DIR_TO_HOST && fake->garble)
		fake->garble(fake, &req->cmd, buf, req->len);
	if (req->dir == NVHI_DIR_TO_HOST && !status)
		req->transferred = (uint32_t)nvhi_iov_cursor_copy_in(&req->data, buf, req->len);
	nvh_cpl_set_status(&cmd->cpl, status);
	free(buf);
}

static int fake_submit(struct nvhi_qpair *qpair, struct nvhi_req *req)
{
	struct fake_qpair *q = nvhi_container_of(qpair, struct fake_qpair, base);
	struct fake_ctrlr *fake = q->fake;
	enum fake_verdict verdict = FAKE_ANSWER;
	struct fake_cmd *cmd;

	CU_ASSERT_FATAL(!q->revoking);
	if (!q->live || q->lost)
		return -ENOTCONN;
	if (qpair->inflight == qpair->depth)
		return -EAGAIN;
	cmd = fake_alloc(sizeof(*cmd));
	CU_ASSERT_FATAL(cmd != NULL);
	nvh_le16_put(&req->cmd.cid, (uint16_t)(0x100 + fake->gets++ % 0x1000));
	req->submit_ns = nvhi_reactor_now(qpair->reactor);
	req->sent = true;
	cmd->req = req;
	cmd->q = q;
	cmd->timer.fn = fake_cmd_fire;
	nvhi_list_add_tail(&q->cmds, &cmd->link);
	qpair->inflight++;
	cmd->identify = qpair->qid == 0 && req->cmd.opc == NVH_ADM_IDENTIFY;
	if (cmd->identify && ++fake->identifying > fake->most_identifying)
		fake->most_identifying = fake->identifying;
	if (qpair->qid == 0 && req->cmd.opc == NVH_ADM_AER) {
		fake->count[NVH_ADM_AER]++;
		cmd->held = true;
		return 0;
	}
	if (fake->hook)
		verdict = fake->hook(fake, qpair->qid, &req->cmd);
	if (verdict == FAKE_ANSWER)
		fake_execute(cmd);
	else if (verdict == FAKE_STATUS)
		nvh_cpl_set_status(&cmd->cpl, fake->hook_status);
	cmd->held = verdict == FAKE_HOLD;
	if (!cmd->held)
		CU_ASSERT(nvhi_timer_arm(qpair->reactor, &cmd->timer, fake->latency_ns) == 0);
	return 0;
}

static struct fake_cmd *fake_take_aer(struct fake_ctrlr *fake)
{
	struct fake_cmd *cmd;

	if (!fake->admin)
		return NULL;
	nvhi_list_for_each(cmd, &fake->admin->cmds, link) {
		if (cmd->req->cmd.opc != NVH_ADM_AER || !cmd->held)
			continue;
		cmd->held = false;
		CU_ASSERT(nvhi_timer_arm(world[0], &cmd->timer, LATENCY_NS) == 0);
		return cmd;
	}
	return NULL;
}

bool fake_event(struct fake_ctrlr *fake, unsigned int type, unsigned int info, unsigned int lid)
{
	struct fake_cmd *cmd = fake_take_aer(fake);

	if (cmd)
		nvh_le32_put(&cmd->cpl.dw0, nvh_aer_dw0(type, info, lid));
	return cmd != NULL;
}

bool fake_fail_event(struct fake_ctrlr *fake, unsigned int status)
{
	struct fake_cmd *cmd = fake_take_aer(fake);

	if (cmd)
		nvh_cpl_set_status(&cmd->cpl, status);
	return cmd != NULL;
}

uint32_t fake_held(const struct fake_qpair *q)
{
	struct fake_cmd *cmd;
	uint32_t count = 0;

	nvhi_list_for_each(cmd, &((struct fake_qpair *)(uintptr_t)q)->cmds, link)
		count += cmd->held && !(q->base.qid == 0 && cmd->req->cmd.opc == NVH_ADM_AER);
	return count;
}

void fake_release(struct fake_qpair *q, uint32_t count)
{
	struct fake_cmd *cmd;

	nvhi_list_for_each(cmd, &q->cmds, link) {
		if (count == 0)
			break;
		if (!cmd->held || (q->base.qid == 0 && cmd->req->cmd.opc == NVH_ADM_AER))
			continue;
		cmd->held = false;
		fake_execute(cmd);
		CU_ASSERT(nvhi_timer_arm(q->base.reactor, &cmd->timer, q->fake->latency_ns) == 0);
		count--;
	}
}

/* ---- queue pairs
 * ----------------------------------------------------------------------------------------- */

static int fake_open(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	struct nvhi_tctrlr *tctrlr = calloc(1, sizeof(*tctrlr));

	if (!tctrlr)
		return -ENOMEM;
	tctrlr->transport = &fake_transport;
	tctrlr->opts = *opts;
	*ret_tctrlr = tctrlr;
	return 0;
}

static void fake_close(struct nvhi_tctrlr *tctrlr)
{
	free(tctrlr);
}

static void fake_on_event(struct nvhi_timer *timer)
{
	struct fake_qpair *q = nvhi_container_of(timer, struct fake_qpair, event);
	struct fake_ctrlr *fake = q->fake;
	struct nvh_cpl cpl = {0};

	if (q->revoking) {
		while (!nvhi_list_empty(&q->cmds))
			fake_cmd_done(nvhi_list_first(&q->cmds, struct fake_cmd, link), -ECANCELED,
				      NULL);
		q->live = false;
		q->base.events->revoked(&q->base);
		return;
	}
	if (q->lost) {
		q->base.events->lost(&q->base, q->event_err, "connection reset by peer");
		return;
	}
	q->connecting = false;
	q->live = !q->event_err;
	if (q->base.qid == 0 && q->event_err == -EREMOTEIO) {
		nvh_le32_put(&cpl.dw0, fake->connect_dw0);
		nvh_cpl_set_status(&cpl, fake->connect_status);
		snprintf(q->base.why, sizeof(q->base.why), "refused");
		q->base.events->connected(&q->base, -EREMOTEIO, &cpl);
		return;
	}
	if (q->base.qid == 0 && q->live) {
		q->base.tctrlr->cntlid = 7;
		fake->cc = 0;
		fake->looks = 0;
	}
	q->base.events->connected(&q->base, q->event_err, NULL);
}

static int fake_qpair_create(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			     struct nvhi_qpair **ret_qpair)
{
	struct fake_qpair *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->fake = &fakes[atoi(tctrlr->opts.addr.trsvcid)];
	q->base.tctrlr = tctrlr;
	q->base.events = opts->events;
	q->base.reactor = opts->reactor;
	q->base.qid = opts->qid;
	q->base.entries = opts->entries;
	q->base.depth = (uint16_t)(opts->entries - 1);
	nvhi_list_init(&q->cmds);
	q->event.fn = fake_on_event;
	q->fake->queues++;
	if (opts->qid == 0)
		q->fake->admin = q;
	else
		q->fake->io[opts->qid - 1] = q;
	*ret_qpair = &q->base;
	return 0;
}

static void fake_qpair_connect(struct nvhi_qpair *qpair)
{
	struct fake_qpair *q = nvhi_container_of(qpair, struct fake_qpair, base);
	struct fake_ctrlr *fake = q->fake;

	CU_ASSERT_FATAL(!q->live && !q->connecting);
	q->connecting = true;
	if (qpair->qid == 0)
		fake->connect_times[fake->connects[0] % 256] = world_now();
	fake->connects[qpair->qid]++;
	if (fake->connect_silent)
		return;
	if (qpair->qid)
		q->event_err = fake->ioq_connect_err;
	else
		q->event_err = fake->connect_status ? -EREMOTEIO : fake->connect_err;
	CU_ASSERT(nvhi_timer_arm(qpair->reactor, &q->event, fake->latency_ns) == 0);
}

void fake_cut(struct fake_qpair *q, int err)
{
	if (!q->live || q->revoking || q->lost)
		return;
	q->lost = true;
	q->event_err = err;
	CU_ASSERT(nvhi_timer_arm(q->base.reactor, &q->event, q->fake->latency_ns) == 0);
}

static void fake_revoke(struct nvhi_qpair *qpair)
{
	struct fake_qpair *q = nvhi_container_of(qpair, struct fake_qpair, base);

	CU_ASSERT_FATAL(!q->revoking);
	q->revoking = true;
	CU_ASSERT(nvhi_timer_arm(qpair->reactor, &q->event, q->fake->latency_ns) == 0);
}

static void fake_destroy(struct nvhi_qpair *qpair)
{
	struct fake_qpair *q = nvhi_container_of(qpair, struct fake_qpair, base);

	CU_ASSERT_FATAL(q->revoking && nvhi_list_empty(&q->cmds));
	CU_ASSERT_FATAL(!nvhi_timer_armed(&q->event));
	q->fake->queues--;
	if (qpair->qid == 0)
		q->fake->admin = NULL;
	else
		q->fake->io[qpair->qid - 1] = NULL;
	free(q);
}

/* ---- properties
 * -------------------------------------------------------------------------------------------- */

static uint32_t fake_csts(struct fake_ctrlr *fake)
{
	uint32_t csts = 0;

	fake->looks++;
	if (fake->cfs)
		csts |= NVH_CSTS_CFS;
	if ((fake->cc & NVH_CC_EN) && !fake->never_ready && fake->looks > fake->ready_after)
		csts |= NVH_CSTS_RDY;
	if (nvh_cc_shn(fake->cc) && fake->looks > fake->shutdown_after)
		csts |= NVH_CSTS_SHST_COMPLETE << NVH_CSTS_SHST_SHIFT;
	return csts;
}

static void fake_reg_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_reg_op *op = nvhi_container_of(req, struct nvhi_reg_op, req);

	op->done(op, err, cpl);
}

/* Travels as a command that the model answers with "unknown": the value is set beforehand. */
static void fake_reg(struct nvhi_qpair *admin, struct nvhi_reg_op *op, bool set)
{
	struct fake_qpair *q = nvhi_container_of(admin, struct fake_qpair, base);
	struct fake_ctrlr *fake = q->fake;
	struct fake_cmd *cmd = fake_alloc(sizeof(*cmd));
	enum fake_verdict verdict = FAKE_ANSWER;

	CU_ASSERT_FATAL(cmd != NULL && q->live && !q->revoking);
	memset(&op->req, 0, sizeof(op->req));
	op->req.cmd.opc = NVH_ADM_FABRICS;
	nvh_le32_put(&op->req.cmd.nsid, set ? NVH_FCTYPE_PROPERTY_SET : NVH_FCTYPE_PROPERTY_GET);
	nvh_le32_put(&op->req.cmd.cdw11, op->offset);
	op->req.done = fake_reg_done;
	cmd->req = &op->req;
	cmd->q = q;
	cmd->timer.fn = fake_cmd_fire;
	nvhi_list_add_tail(&q->cmds, &cmd->link);
	admin->inflight++;
	if (fake->hook)
		verdict = fake->hook(fake, 0, &op->req.cmd);
	cmd->held = verdict == FAKE_HOLD;
	if (verdict == FAKE_STATUS)
		nvh_cpl_set_status(&cmd->cpl, fake->hook_status);
	if (set && op->offset == NVH_REG_CC) {
		fake->cc = (uint32_t)op->value;
		fake->looks = 0;
	} else if (op->offset == NVH_REG_CAP) {
		op->value = fake->cap;
	} else if (op->offset == NVH_REG_VS) {
		op->value = fake->vs;
	} else if (op->offset == NVH_REG_CSTS) {
		op->value = fake_csts(fake);
	} else {
		op->value = 0;
	}
	if (!cmd->held)
		CU_ASSERT(nvhi_timer_arm(admin->reactor, &cmd->timer, fake->latency_ns) == 0);
}

static void fake_reg_get(struct nvhi_qpair *admin, struct nvhi_reg_op *op)
{
	fake_reg(admin, op, false);
}

static void fake_reg_set(struct nvhi_qpair *admin, struct nvhi_reg_op *op)
{
	fake_reg(admin, op, true);
}

static int fake_mem_register(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr;
	(void)addr;
	(void)len;
	return 0;
}

static void fake_mem_unregister(struct nvhi_tctrlr *tctrlr, void *addr, size_t len)
{
	(void)tctrlr;
	(void)addr;
	(void)len;
}

static int fake_info(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info)
{
	(void)qpair;
	(void)ret_info;
	return -EOPNOTSUPP;
}

static void fake_names(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		       size_t peer_len)
{
	(void)qpair;
	snprintf(local, local_len, "here");
	snprintf(peer, peer_len, "there");
}

const struct nvhi_transport fake_transport = {
	.name = "tcp",
	.trtype = NVH_TRTYPE_TCP,
	.fabrics = true,
	.tctrlr_open = fake_open,
	.tctrlr_close = fake_close,
	.qpair_create = fake_qpair_create,
	.qpair_connect = fake_qpair_connect,
	.submit = fake_submit,
	.revoke = fake_revoke,
	.qpair_destroy = fake_destroy,
	.reg_get = fake_reg_get,
	.reg_set = fake_reg_set,
	.mem_register = fake_mem_register,
	.mem_unregister = fake_mem_unregister,
	.info = fake_info,
	.names = fake_names,
};
