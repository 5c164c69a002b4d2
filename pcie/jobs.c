/*
 * Creating and deleting I/O queues: Create I/O CQ, Create I/O SQ; Delete I/O SQ, Delete I/O CQ, one
 * queue after the other, by commands on the admin queue; before the first one what else
 * is set up by commands (setup.c). A queue that cannot be deleted takes the
 * whole device with it: it is stopped, which is a proof as good. Home reactor, but for
 * nvhi_pcie_job_post. Base Specification 2.1 sections 5.2.1 to 5.2.4.
 */
#include <errno.h>
#include <string.h>

#include "pcie/pcie_impl.h"

static void job_next(struct nvhi_pcie_ctrlr *ctrlr);

/* ---- answers ----------------------------------------------------------------------------- */

static void job_answer(struct nvhi_pcie_qpair *q, int err)
{
	q->job_err = err;
	nvhi_reactor_post(q->qpair.reactor, &q->to_queue);
}

static void job_on_answer(struct nvhi_msg *msg)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(msg, struct nvhi_pcie_qpair, to_queue);

	q->job_out = false;
	nvhi_pcie_job_done(q);
}

/* With the device stopped there is nothing left to delete, and nothing to create on. */
static void job_answer_stopped(struct nvhi_pcie_qpair *q)
{
	q->cq_made = q->sq_made = false;
	job_answer(q, q->job == NVHI_PCIE_JOB_CREATE ? -ENOTCONN : 0);
}

static void job_answer_all(struct nvhi_list *list)
{
	struct nvhi_pcie_qpair *q, *next;

	nvhi_list_for_each_safe(q, next, list, job_link) {
		nvhi_list_del(&q->job_link);
		job_answer_stopped(q);
	}
}

void nvhi_pcie_jobs_stopped(struct nvhi_pcie_ctrlr *ctrlr)
{
	struct nvhi_pcie_qpair *q = ctrlr->job;

	nvhi_timer_cancel(ctrlr->home, &ctrlr->job_timer);
	ctrlr->job = NULL;
	if (q)
		job_answer_stopped(q);
	job_answer_all(&ctrlr->jobs);
	job_answer_all(&ctrlr->stopped);
}

static void job_finish(struct nvhi_pcie_ctrlr *ctrlr, int err)
{
	struct nvhi_pcie_qpair *q = ctrlr->job;

	ctrlr->job = NULL;
	job_answer(q, err);
	job_next(ctrlr);
}

/* ---- commands ---------------------------------------------------------------------------- */

static const char *job_opc_name(const struct nvhi_pcie_ctrlr *ctrlr)
{
	return nvh_admin_opc_name(ctrlr->job_req.cmd.opc);
}

static void job_send(struct nvhi_pcie_ctrlr *ctrlr, const struct nvh_cmd *cmd);

/* Any of our own but for jobs: what is still to be set up before the first. */
static bool job_setup(struct nvhi_pcie_ctrlr *ctrlr)
{
	struct nvh_cmd cmd;

	if (!nvhi_pcie_setup_next(ctrlr, &cmd))
		return false;
	job_send(ctrlr, &cmd);
	return true;
}

static void job_create_cq(struct nvhi_pcie_ctrlr *ctrlr, const struct nvhi_pcie_qpair *q)
{
	struct nvh_cmd cmd = {.opc = NVH_ADM_CREATE_CQ};

	nvh_le64_put(&cmd.dptr.prp.prp1, q->cq_iova);
	nvh_le32_put(&cmd.cdw10, q->qpair.qid | (q->ring - 1u) << NVH_CREATE_QSIZE_SHIFT);
	nvh_le32_put(&cmd.cdw11,
		     NVH_CREATE_CQ_PC |
			     (q->irq_fd < 0
				      ? 0
				      : NVH_CREATE_CQ_IEN | (uint32_t)q->qpair.qid
								    << NVH_CREATE_CQ_IV_SHIFT));
	job_send(ctrlr, &cmd);
}

static void job_create_sq(struct nvhi_pcie_ctrlr *ctrlr, const struct nvhi_pcie_qpair *q)
{
	struct nvh_cmd cmd = {.opc = NVH_ADM_CREATE_SQ};

	nvh_le64_put(&cmd.dptr.prp.prp1, q->sq_iova);
	nvh_le32_put(&cmd.cdw10, q->qpair.qid | (q->ring - 1u) << NVH_CREATE_QSIZE_SHIFT);
	nvh_le32_put(&cmd.cdw11, NVH_CREATE_SQ_PC | NVH_CREATE_SQ_MEDIUM |
					 (uint32_t)q->qpair.qid << NVH_CREATE_SQ_CQID_SHIFT);
	job_send(ctrlr, &cmd);
}

static void job_delete(struct nvhi_pcie_ctrlr *ctrlr, const struct nvhi_pcie_qpair *q, uint8_t opc)
{
	struct nvh_cmd cmd = {.opc = opc};

	nvh_le32_put(&cmd.cdw10, q->qpair.qid);
	job_send(ctrlr, &cmd);
}

/* What is still to be done for it. */
static void job_step(struct nvhi_pcie_ctrlr *ctrlr)
{
	struct nvhi_pcie_qpair *q = ctrlr->job;

	if (q->job == NVHI_PCIE_JOB_CREATE && !q->cq_made && job_setup(ctrlr))
		return;
	if (q->job == NVHI_PCIE_JOB_CREATE && !q->cq_made)
		job_create_cq(ctrlr, q);
	else if (q->job == NVHI_PCIE_JOB_CREATE && !q->sq_made)
		job_create_sq(ctrlr, q);
	else if (q->job == NVHI_PCIE_JOB_DELETE && q->sq_made)
		job_delete(ctrlr, q, NVH_ADM_DELETE_SQ);
	else if (q->job == NVHI_PCIE_JOB_DELETE && q->cq_made)
		job_delete(ctrlr, q, NVH_ADM_DELETE_CQ);
	else
		job_finish(ctrlr, 0);
}

/* Status of a Create: it is the queue's; of a Delete: the device is stopped instead. */
static void job_refused(struct nvhi_pcie_ctrlr *ctrlr, const struct nvh_cpl *cpl)
{
	struct nvhi_pcie_qpair *q = ctrlr->job;

	if (q->job == NVHI_PCIE_JOB_CREATE) {
		q->cpl = *cpl;
		q->have_cpl = true;
		job_finish(ctrlr, -EREMOTEIO);
		return;
	}
	nvhi_pcie_fail(ctrlr->admin, -EIO, "%s of queue %u failed: %s", job_opc_name(ctrlr),
		       q->qpair.qid, nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
}

static void job_command_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_pcie_ctrlr *ctrlr = nvhi_container_of(req, struct nvhi_pcie_ctrlr, job_req);
	struct nvhi_pcie_qpair *q = ctrlr->job;

	if (err || !q)
		return; /* the device has stopped: answered in nvhi_pcie_jobs_stopped */
	nvhi_timer_cancel(ctrlr->home, &ctrlr->job_timer);
	if (req->cmd.opc == NVH_ADM_SET_FEATURES || req->cmd.opc == NVH_ADM_DBBUF) {
		nvhi_pcie_setup_done(ctrlr, cpl);
		job_step(ctrlr);
		return;
	}
	if (nvh_cpl_is_error(cpl)) {
		job_refused(ctrlr, cpl);
		return;
	}
	switch (req->cmd.opc) {
	case NVH_ADM_CREATE_CQ:
		q->cq_made = true;
		break;
	case NVH_ADM_CREATE_SQ:
		q->sq_made = true;
		break;
	case NVH_ADM_DELETE_SQ:
		q->sq_made = false;
		break;
	default:
		q->cq_made = false;
		break;
	}
	job_step(ctrlr);
}

static void job_on_timer(struct nvhi_timer *timer)
{
	struct nvhi_pcie_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_pcie_ctrlr, job_timer);

	nvhi_pcie_fail(ctrlr->admin, -ETIMEDOUT, "no answer to %s of queue %u within %u ms",
		       job_opc_name(ctrlr), ctrlr->job->qpair.qid,
		       ctrlr->tctrlr.opts.connect_timeout_ms);
}

static void job_send(struct nvhi_pcie_ctrlr *ctrlr, const struct nvh_cmd *cmd)
{
	memset(&ctrlr->job_req, 0, sizeof(ctrlr->job_req));
	ctrlr->job_req.cmd = *cmd;
	ctrlr->job_req.dir = NVHI_DIR_NONE;
	ctrlr->job_req.done = job_command_done;
	if (nvhi_timer_arm(ctrlr->home, &ctrlr->job_timer,
			   ctrlr->tctrlr.opts.connect_timeout_ms * NVHI_NSEC_PER_MSEC)) {
		nvhi_pcie_fail(ctrlr->admin, -ENOMEM, "no memory for the timer of %s",
			       job_opc_name(ctrlr));
		return;
	}
	nvhi_pcie_submit_own(ctrlr->admin, &ctrlr->job_req);
}

/* ---- the line ---------------------------------------------------------------------------- */

static void job_next(struct nvhi_pcie_ctrlr *ctrlr)
{
	if (ctrlr->job || nvhi_list_empty(&ctrlr->jobs))
		return;
	ctrlr->job = nvhi_list_first(&ctrlr->jobs, struct nvhi_pcie_qpair, job_link);
	nvhi_list_del(&ctrlr->job->job_link);
	job_step(ctrlr);
}

static void job_on_post(struct nvhi_msg *msg)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(msg, struct nvhi_pcie_qpair, to_home);
	struct nvhi_pcie_ctrlr *ctrlr = q->ctrlr;

	switch (ctrlr->state) {
	case NVHI_PCIE_OFF:
		job_answer_stopped(q);
		break;
	case NVHI_PCIE_STOPPING:
		nvhi_list_add_tail(&ctrlr->stopped, &q->job_link);
		break;
	default:
		nvhi_list_add_tail(&ctrlr->jobs, &q->job_link);
		job_next(ctrlr);
		break;
	}
}

void nvhi_pcie_job_post(struct nvhi_pcie_qpair *q, enum nvhi_pcie_job job)
{
	q->job = (uint8_t)job;
	q->job_out = true;
	q->to_home.fn = job_on_post;
	q->to_queue.fn = job_on_answer;
	nvhi_reactor_post(q->ctrlr->home, &q->to_home);
}

void nvhi_pcie_jobs_init(struct nvhi_pcie_ctrlr *ctrlr)
{
	nvhi_list_init(&ctrlr->jobs);
	nvhi_list_init(&ctrlr->stopped);
	ctrlr->job_timer.fn = job_on_timer;
}
