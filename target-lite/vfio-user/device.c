/*
 * NVMe registers. To the core a controller is what a fabric host connects: so CC.EN makes an admin queue
 * that sends Connect and Property Set, in the host's name; and clearing it gives all queues back, after
 * which CSTS.RDY is 0: nothing touches the client's memory any more. The client's reactor.
 * Base Specification 2.1 sections 3.1.4, 3.5 and 3.6.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target-lite/core/impl.h"
#include "target-lite/vfio-user/impl.h"

#define AQA_MASK 0xfffu

static const char *const device_state_names[] = {
#define X(upper, lower) [TL_VFU_##upper] = #lower,
	TL_VFU_DEVICE_STATES(X)
#undef X
};
#define TO(state) NVHI_FSM_TO(TL_VFU_##state)
static const uint32_t device_edges[] = {
	[TL_VFU_OFF] = TO(STARTING) | TO(FAILED),
	[TL_VFU_STARTING] = TO(ON) | TO(STOPPING) | TO(FAILED),
	[TL_VFU_ON] = TO(STOPPING) | TO(FAILED),
	[TL_VFU_STOPPING] = TO(OFF) | TO(FAILED),
	[TL_VFU_FAILED] = TO(STOPPING),
};
#undef TO
static struct nvhi_fsm device_fsm = NVHI_FSM_INIT("device", device_state_names, device_edges);

static void device_set(struct tl_vfu_conn *conn, enum tl_vfu_device_state state)
{
	nvhi_fsm_set(&device_fsm, &conn->state, state, NVHI_LOG_TARGET, conn->name);
}

void tl_vfu_device_fail(struct tl_vfu_conn *conn, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	if (conn->state == TL_VFU_FAILED || conn->closed)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (conn->complaints++ < TL_VFU_COMPLAINTS)
		nvhi_log(WARN, TARGET, "%s: %s: controller fatal status", conn->name, why);
	device_set(conn, TL_VFU_FAILED);
	conn->csts |= NVH_CSTS_CFS;
	tl_vfu_poll_stop(conn);
}

static void device_start(struct tl_vfu_conn *conn);

/* ---- stopping -------------------------------------------------------------------------------- */

static void device_shut(struct tl_vfu_conn *conn)
{
	if (nvh_cc_shn(conn->cc) == NVH_CC_SHN_NONE)
		return;
	conn->csts &= ~(NVH_CSTS_SHST_MASK << NVH_CSTS_SHST_SHIFT);
	conn->csts |= NVH_CSTS_SHST_COMPLETE << NVH_CSTS_SHST_SHIFT;
}

/* Nothing touches the client's memory any more. */
static void device_reset_done(struct tl_vfu_conn *conn)
{
	if (!conn->resetting || conn->state != TL_VFU_OFF)
		return;
	conn->resetting = false;
	if (!conn->closed)
		tl_vfu_reply(conn, conn->reset_id, NVH_VFU_DEVICE_RESET, 0, NULL, 0, -1);
}

static void device_stopped(struct tl_vfu_conn *conn)
{
	device_set(conn, TL_VFU_OFF);
	for (uint16_t i = 0; i < TL_VFU_QUEUES_MAX; i++)
		tl_vfu_cq_delete(conn, i);
	if (conn->shadow_map)
		tl_vfu_put(conn, conn->shadow_map);
	if (conn->eventidx_map)
		tl_vfu_put(conn, conn->eventidx_map);
	conn->shadow = conn->eventidx = NULL;
	conn->shadow_map = conn->eventidx_map = NULL;
	if ((conn->cc & NVH_CC_EN) && !conn->restart) {
		device_shut(conn); /* shut down, still enabled */
		return;
	}
	conn->csts = 0;
	memset(conn->db, 0, TL_VFU_PAGE);
	device_reset_done(conn);
	if (conn->restart && !conn->closed) {
		conn->restart = false;
		device_start(conn);
	}
}

void tl_vfu_device_close_queues(struct tl_vfu_conn *conn)
{
	for (int i = conn->last_sq; i >= 0; i--)
		if (conn->sqs[i])
			tl_vfu_queue_close(conn->sqs[i]);
}

static void device_stop(struct tl_vfu_conn *conn)
{
	conn->restart = false;
	if (conn->state == TL_VFU_STOPPING)
		return;
	if (conn->state == TL_VFU_OFF) {
		conn->csts = 0;
		return;
	}
	device_set(conn, TL_VFU_STOPPING);
	tl_vfu_poll_stop(conn);
	tl_vfu_device_close_queues(conn);
	if (!conn->queues_open)
		device_stopped(conn);
}

void tl_vfu_device_queue_gone(struct tl_vfu_conn *conn)
{
	conn->queues_open--;
	if (conn->state == TL_VFU_STOPPING && !conn->queues_open)
		device_stopped(conn);
	if (conn->closed)
		nvhi_reactor_defer(tl_vfu_reactor(conn), &conn->check);
}

/* ---- starting -------------------------------------------------------------------------------- */

static void device_start(struct tl_vfu_conn *conn)
{
	uint32_t sq = (conn->aqa & AQA_MASK) + 1;
	uint32_t cq = (conn->aqa >> NVH_AQA_ACQS_SHIFT & AQA_MASK) + 1;
	unsigned int status;

	if (conn->state == TL_VFU_STOPPING) {
		conn->restart = true; /* as soon as it has stopped */
		return;
	}
	if (conn->state != TL_VFU_OFF) {
		tl_vfu_device_fail(conn, "CC.EN set before CSTS.RDY was clear");
		return;
	}
	if (nvh_cc_mps(conn->cc)) {
		tl_vfu_device_fail(conn, "CC.MPS %u: pages of 4 KiB only", nvh_cc_mps(conn->cc));
		return;
	}
	device_set(conn, TL_VFU_STARTING);
	conn->csts = 0;
	if (sq < 2 || cq < 2 || !tl_vfu_cq_create(conn, 0, conn->acq, cq, &status)) {
		tl_vfu_device_fail(conn, "AQA %08x, ACQ %llx: no admin completion queue is there",
				   conn->aqa, (unsigned long long)conn->acq);
		return;
	}
	conn->cqs[0].interrupts = true; /* vector 0, once the client gives us one */
	if (tl_vfu_queue_create(conn, 0, 0, conn->asq, sq, NULL))
		tl_vfu_device_fail(conn, "AQA %08x, ASQ %llx: no admin submission queue is there",
				   conn->aqa, (unsigned long long)conn->asq);
}

/* The admin queue's Connect or Property Set. */
static void device_admin_step(struct tl_vfu_queue *q, const struct nvh_cpl *cpl)
{
	struct tl_vfu_conn *conn = q->conn;
	struct nvh_fab_prop_cmd *set = (struct nvh_fab_prop_cmd *)&q->internal->req.cmd;
	const struct nvh_fab_cmd *done = (const struct nvh_fab_cmd *)&q->internal->req.cmd;

	if (conn->state != TL_VFU_STARTING)
		return;
	if (nvh_cpl_is_error(cpl)) {
		tl_vfu_device_fail(conn, "the controller was not made: %s",
				   nvh_fabrics_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
		return;
	}
	if (done->fctype == NVH_FCTYPE_CONNECT) {
		conn->cntlid = (uint16_t)(nvh_le32_get(cpl->dw0) & NVH_CONNECT_CNTLID_MASK);
		memset(set, 0, sizeof(*set));
		set->opc = NVH_ADM_FABRICS;
		set->fctype = NVH_FCTYPE_PROPERTY_SET;
		nvh_le32_put(&set->ofst, NVH_REG_CC);
		nvh_le64_put(&set->value, conn->cc);
		q->internal->req.xfer_len = 0;
		q->internal->req.iov = (struct iovec){NULL, 0};
		q->internal->req.dir = NVH_DATA_NONE;
		tl_request_exec(&q->internal->req);
		return;
	}
	device_set(conn, TL_VFU_ON);
	conn->csts |= NVH_CSTS_RDY;
	q->ready = true;
	tl_vfu_poll_start(conn);
}

void tl_vfu_queue_connected(struct tl_vfu_queue *q, const struct nvh_cpl *cpl)
{
	struct tl_vfu_req *creator = q->creator;

	if (q->qid == 0) {
		device_admin_step(q, cpl);
		return;
	}
	q->creator = NULL;
	if (nvh_cpl_is_error(cpl)) {
		tl_vfu_queue_close(q);
		if (creator)
			tl_vfu_answer(creator, TL_DNR(nvh_cpl_sct(cpl) == 1 ? NVH_ST_QID_INVALID
									    : nvh_cpl_sc(cpl)),
				      0);
		return;
	}
	q->ready = true;
	if (creator)
		tl_vfu_answer(creator, NVH_ST_SUCCESS, 0);
}

/* ---- registers ------------------------------------------------------------------------------- */

static void put(uint8_t *image, uint32_t offset, uint64_t value, size_t len)
{
	memcpy(image + offset, &value, len);
}

bool tl_vfu_reg_read(struct tl_vfu_conn *conn, uint32_t offset, void *data, uint32_t len)
{
	uint8_t image[NVH_REG_CRTO + 8] = {0};

	if (offset >= NVH_REG_DOORBELLS) {
		memset(data, 0, len);
		return true;
	}
	put(image, NVH_REG_CAP, conn->cap, 8);
	put(image, NVH_REG_VS, nvh_vs(2, 0, 0), 4);
	put(image, NVH_REG_CC, conn->cc, 4);
	put(image, NVH_REG_CSTS, conn->csts, 4);
	put(image, NVH_REG_AQA, conn->aqa, 4);
	put(image, NVH_REG_ASQ, conn->asq, 8);
	put(image, NVH_REG_ACQ, conn->acq, 8);
	put(image, NVH_REG_CRTO, nvh_cap_to(conn->cap), 4);
	memset(data, 0, len);
	if (offset < sizeof(image))
		memcpy(data, image + offset,
		       len < sizeof(image) - offset ? len : sizeof(image) - offset);
	return true;
}

static void reg_write_cc(struct tl_vfu_conn *conn, uint32_t cc)
{
	uint32_t was = conn->cc;

	conn->cc = cc;
	if ((cc & NVH_CC_EN) && !(was & NVH_CC_EN))
		device_start(conn);
	else if (!(cc & NVH_CC_EN) && (was & NVH_CC_EN))
		device_stop(conn);
	if (nvh_cc_shn(cc) == NVH_CC_SHN_NONE || nvh_cc_shn(was) != NVH_CC_SHN_NONE)
		return;
	conn->csts &= ~(NVH_CSTS_SHST_MASK << NVH_CSTS_SHST_SHIFT);
	conn->csts |= NVH_CSTS_SHST_OCCURRING << NVH_CSTS_SHST_SHIFT;
	if (conn->state == TL_VFU_OFF)
		device_shut(conn);
	else
		device_stop(conn);
}

int tl_vfu_device_reset(struct tl_vfu_conn *conn)
{
	if (conn->resetting)
		return EBUSY;
	conn->resetting = true;
	conn->reset_id = conn->rx.header.msg_id;
	conn->aqa = 0;
	conn->asq = conn->acq = 0;
	reg_write_cc(conn, 0);
	device_reset_done(conn);
	return 0;
}

static void reg_write32(struct tl_vfu_conn *conn, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case NVH_REG_CC:
		reg_write_cc(conn, value);
		break;
	case NVH_REG_AQA:
		conn->aqa = value;
		break;
	case NVH_REG_ASQ:
		conn->asq = (conn->asq & ~(uint64_t)UINT32_MAX) | value;
		break;
	case NVH_REG_ASQ + 4:
		conn->asq = (uint32_t)conn->asq | (uint64_t)value << 32;
		break;
	case NVH_REG_ACQ:
		conn->acq = (conn->acq & ~(uint64_t)UINT32_MAX) | value;
		break;
	case NVH_REG_ACQ + 4:
		conn->acq = (uint32_t)conn->acq | (uint64_t)value << 32;
		break;
	default:
		break; /* read-only, or nothing */
	}
}

bool tl_vfu_reg_write(struct tl_vfu_conn *conn, uint32_t offset, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;

	if ((offset | len) & 3 || len > 8)
		return false;
	for (uint32_t i = 0; i < len && !conn->closed; i += 4) {
		uint32_t value;

		memcpy(&value, bytes + i, sizeof(value));
		reg_write32(conn, offset + i, value);
	}
	return true;
}

/* ---- memory ---------------------------------------------------------------------------------- */

int tl_vfu_device_init(struct tl_vfu_conn *conn)
{
	conn->cap = tl_ctrlr_cap(&conn->vg->vfu->transport.opts);
	conn->db_fd = memfd_create("doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (conn->db_fd < 0)
		return -errno;
	if (ftruncate(conn->db_fd, TL_VFU_BAR0_SIZE) < 0 ||
	    fcntl(conn->db_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	conn->db = mmap(NULL, TL_VFU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			conn->db_fd, NVH_REG_DOORBELLS);
	if (conn->db == MAP_FAILED) {
		conn->db = NULL;
		return -errno;
	}
	return 0;
}

void tl_vfu_device_fini(struct tl_vfu_conn *conn)
{
	if (conn->db)
		munmap(conn->db, TL_VFU_PAGE);
	if (conn->db_fd >= 0)
		close(conn->db_fd);
}
