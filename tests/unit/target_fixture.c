/*
 * See target_fixture.h.
 */
#include "tests/unit/target_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvmf.h"
#include "base/spec/regs.h"

struct tt tt;

const struct tl_listen_addr tt_addr = {
	.trtype = TL_TRTYPE_TCP,
	.adrfam = TL_ADRFAM_IPV4,
	.traddr = "192.0.2.1",
	.trsvcid = "4420",
};

/* ---- the transport -------------------------------------------------------------------------- */

static struct tt_qpair *tt_of(struct tl_qpair *qpair)
{
	return nvhi_container_of(qpair, struct tt_qpair, qpair);
}

static int tt_listen(struct tl_transport *transport, struct tl_listener *listener)
{
	(void)transport;
	if (tt.listen_error)
		return tt.listen_error;
	if (!strcmp(listener->addr.trsvcid, "0"))
		memcpy(listener->addr.trsvcid, "50000", sizeof("50000"));
	tt.listens++;
	return 0;
}

static void tt_unlisten(struct tl_transport *transport, struct tl_listener *listener)
{
	(void)transport;
	(void)listener;
	tt.listens--;
}

static int tt_group_start(struct tl_transport *transport, struct tl_poll_group *group)
{
	group->transport_data[transport->slot] = &tt;
	return 0;
}

static void tt_group_stop(struct tl_transport *transport, struct tl_poll_group *group)
{
	group->transport_data[transport->slot] = NULL;
}

static void tt_complete(struct tl_request *req)
{
	struct tt_cmd *cmd = nvhi_container_of(req, struct tt_cmd, req);

	CU_ASSERT_FALSE(cmd->done);
	cmd->done = true;
	cmd->cpl = req->cpl;
	cmd->data_len = req->data_len;
	if (req->data_len && req->iov.iov_base != cmd->data)
		memcpy(cmd->data, req->iov.iov_base, req->data_len);
	if (!cmd->keep)
		tl_request_end(req);
}

static int tt_connected(struct tl_qpair *qpair, uint32_t entries)
{
	tt_of(qpair)->entries = entries;
	return tt.connected_error;
}

static void tt_disconnect(struct tl_qpair *qpair)
{
	tt_of(qpair)->disconnected = true;
	tl_qpair_close(qpair);
}

static void tt_release(struct tl_qpair *qpair)
{
	CU_ASSERT_FALSE(tt_of(qpair)->released);
	tt_of(qpair)->released = true;
}

static void tt_destroy(struct tl_transport *transport)
{
	(void)transport;
}

static const struct tl_transport_ops tt_ops = {
	.trtype = TL_TRTYPE_TCP,
	.listen = tt_listen,
	.unlisten = tt_unlisten,
	.group_start = tt_group_start,
	.group_stop = tt_group_stop,
	.complete = tt_complete,
	.connected = tt_connected,
	.disconnect = tt_disconnect,
	.release = tt_release,
	.destroy = tt_destroy,
};

/* ---- the world ------------------------------------------------------------------------------ */

static uint64_t tt_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return tt.now;
}

static const struct nvhi_clock tt_clock = {.now = tt_now};

static void tt_random(void *buf, size_t len)
{
	memset(buf, 0x5a, len);
}

void tt_run(void)
{
	int done;

	do {
		done = 0;
		for (uint32_t i = 0; i < tt.count; i++)
			done += nvhi_reactor_turn(tt.reactors[i]);
	} while (done);
}

void tt_advance_ms(uint64_t ms)
{
	tt.now += ms * NVHI_NSEC_PER_MSEC;
	tt_run();
}

void tt_done(void *arg, int err)
{
	(void)arg;
	tt.done++;
	tt.err = err;
}

struct tl_subsystem *tt_subsystem(void)
{
	return tl_target_find_subsystem(tt.target, TT_NQN);
}

static void tt_make_subsystem(void)
{
	struct tl_bdev_create_opts create = {.name = "M0", .blocks = 1024, .block_size = 512};
	struct tl_subsystem_opts opts = {.nqn = TT_NQN, .allow_any_host = true};
	struct tl_ns_opts ns = {.bdev_name = "M0"};
	struct tl_subsystem *ss;
	struct tl_bdev *bdev;
	uint32_t nsid = 0;

	opts.ana_reporting = true;
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_create(tt.target, &opts, &ss), 0);
	tl_subsystem_start(ss, tt_done, NULL);
	CU_ASSERT_EQUAL(tl_malloc_create(&tt.target->bdevs, &create, &bdev), 0);
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, tt_done, NULL, &nsid), 0);
	CU_ASSERT_EQUAL(nsid, 1);
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(ss, &tt_addr, false, TL_ANA_OPTIMIZED, tt_done,
						  NULL, NULL),
			0);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 3);
	CU_ASSERT_EQUAL(tt.err, 0);
	CU_ASSERT_EQUAL(ss->state, TL_SUBSYSTEM_ACTIVE);
	tt.done = 0;
}

void tt_setup(uint32_t groups)
{
	struct nvhi_reactor_opts opts = {.clock = &tt_clock, .simulated = true};
	struct tl_target_opts target_opts = {.random = tt_random};

	memset(&tt, 0, sizeof(tt));
	tt.now = NVHI_NSEC_PER_SEC;
	tt.count = groups;
	for (uint32_t i = 0; i < groups; i++)
		CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&opts, &tt.reactors[i]), 0);
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&target_opts, tt.reactors, groups, &tt.target), 0);
	tt.transport.ops = &tt_ops;
	tl_transport_opts_default(&tt.transport.opts);
	CU_ASSERT_EQUAL(tl_target_add_transport(tt.target, &tt.transport), 0);
	tt_make_subsystem();
}

void tt_teardown(void)
{
	tt.done = 0;
	tl_target_stop(tt.target, tt_done, NULL);
	tt_run();
	CU_ASSERT_EQUAL_FATAL(tt.done, 1);
	CU_ASSERT_EQUAL(tt.listens, 0);
	for (uint32_t i = 0; i < tt.count; i++)
		CU_ASSERT(nvhi_list_empty(&tt.target->groups[i].qpairs));
	tl_target_destroy(tt.target);
	for (uint32_t i = 0; i < tt.count; i++)
		nvhi_reactor_destroy(tt.reactors[i]);
}

/* ---- connections ---------------------------------------------------------------------------- */

struct tt_qpair *tt_open(uint32_t group)
{
	struct tt_qpair *qp = calloc(1, sizeof(*qp));

	qp->qpair.transport = &tt.transport;
	qp->qpair.group = &tt.target->groups[group];
	qp->qpair.listen_addr = tt_addr;
	snprintf(qp->qpair.peer, sizeof(qp->qpair.peer), "192.0.2.99:1");
	memcpy(qp->qpair.local, "192.0.2.1", sizeof("192.0.2.1"));
	tl_qpair_init(&qp->qpair);
	return qp;
}

void tt_break(struct tt_qpair *qp)
{
	tl_qpair_close(&qp->qpair);
	tt_run();
}

void tt_free(struct tt_qpair *qp)
{
	CU_ASSERT_TRUE(qp->released);
	free(qp);
}

unsigned int tt_connect(struct tt_qpair *qp, const struct tt_connect *opts, uint32_t *ret_dw0)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_FABRICS, 0);
	struct nvh_fab_connect_cmd *c = (struct nvh_fab_connect_cmd *)&cmd->req.cmd;
	struct nvh_fab_connect_data *data = (struct nvh_fab_connect_data *)cmd->data;
	unsigned int status;

	c->fctype = NVH_FCTYPE_CONNECT;
	tt_cmd_data(cmd, sizeof(*data));
	nvh_le16_put(&c->qid, opts->qid);
	nvh_le16_put(&c->sqsize, opts->sqsize);
	nvh_le32_put(&c->kato, opts->kato);
	c->cattr = opts->cattr;
	memset(data, 0, sizeof(*data));
	memset(data->hostid, opts->hostid, sizeof(data->hostid));
	nvh_le16_put(&data->cntlid, opts->cntlid);
	strncpy(data->subnqn, opts->nqn, sizeof(data->subnqn) - 1);
	strncpy(data->hostnqn, opts->host, sizeof(data->hostnqn) - 1);
	status = tt_status(qp, cmd);
	if (ret_dw0)
		*ret_dw0 = tt_dw0(cmd);
	tt_cmd_free(cmd);
	return status;
}

struct tt_qpair *tt_admin(uint32_t group, const char *nqn, uint32_t kato)
{
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *qp = tt_open(group);

	opts.nqn = nqn;
	opts.kato = kato;
	CU_ASSERT_EQUAL_FATAL(tt_connect(qp, &opts, NULL), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_prop_set(qp, NVH_REG_CC, 0x460001), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_prop_get(qp, NVH_REG_CSTS, false), NVH_CSTS_RDY);
	return qp;
}

struct tt_qpair *tt_io(uint32_t group, const struct tt_qpair *admin, uint16_t qid)
{
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *qp = tt_open(group);

	opts.qid = qid;
	opts.cntlid = admin->qpair.ctrlr->cntlid;
	CU_ASSERT_EQUAL_FATAL(tt_connect(qp, &opts, NULL), NVH_ST_SUCCESS);
	return qp;
}

/* ---- commands ------------------------------------------------------------------------------- */

struct tt_cmd *tt_cmd(uint8_t opc, uint32_t nsid)
{
	static uint16_t cid;
	struct tt_cmd *cmd = calloc(1, sizeof(*cmd));

	cmd->data = malloc(TT_DATA);
	memset(cmd->data, 0xee, TT_DATA);
	cmd->req.cmd.opc = opc;
	cmd->req.cmd.flags = NVH_CMD_PSDT_SGL;
	nvh_le16_put(&cmd->req.cmd.cid, ++cid);
	nvh_le32_put(&cmd->req.cmd.nsid, nsid);
	return cmd;
}

void tt_cmd_data(struct tt_cmd *cmd, uint32_t len)
{
	nvh_le32_put(&cmd->req.cmd.dptr.sgl.len, len);
	cmd->req.cmd.dptr.sgl.id = NVH_SGL_ID_TRANSPORT;
}

void tt_cmd_dw(struct tt_cmd *cmd, unsigned int dw, uint32_t value)
{
	nvh_le32_put(&cmd->req.cmd.cdw10 + (dw - 10), value);
}

void tt_cmd_rw(struct tt_cmd *cmd, uint64_t lba, uint32_t blocks)
{
	tt_cmd_dw(cmd, 10, (uint32_t)lba);
	tt_cmd_dw(cmd, 11, (uint32_t)(lba >> 32));
	tt_cmd_dw(cmd, 12, blocks - 1);
	if (cmd->req.cmd.opc & 3)
		tt_cmd_data(cmd, blocks * 512);
}

void tt_cmd_free(struct tt_cmd *cmd)
{
	free(cmd->data);
	free(cmd);
}

void tt_exec(struct tt_qpair *qp, struct tt_cmd *cmd)
{
	struct tl_request *req = &cmd->req;
	unsigned int status = tl_cmd_transfer(&req->cmd, &req->xfer_len, &req->dir);

	req->qpair = &qp->qpair;
	req->iov.iov_base = cmd->data;
	req->iov.iov_len = req->xfer_len;
	if (status)
		tl_request_fail(req, status);
	else
		tl_request_exec(req);
	tt_run();
}

unsigned int tt_status(struct tt_qpair *qp, struct tt_cmd *cmd)
{
	tt_exec(qp, cmd);
	CU_ASSERT_TRUE(cmd->done);
	return nvh_cpl_code(&cmd->cpl);
}

uint32_t tt_dw0(const struct tt_cmd *cmd)
{
	return nvh_le32_get(cmd->cpl.dw0);
}

unsigned int tt_prop_set(struct tt_qpair *qp, uint32_t offset, uint64_t value)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_FABRICS, 0);
	struct nvh_fab_prop_cmd *p = (struct nvh_fab_prop_cmd *)&cmd->req.cmd;
	unsigned int status;

	p->fctype = NVH_FCTYPE_PROPERTY_SET;
	nvh_le32_put(&p->ofst, offset);
	nvh_le64_put(&p->value, value);
	status = tt_status(qp, cmd);
	tt_cmd_free(cmd);
	return status;
}

uint64_t tt_prop_get(struct tt_qpair *qp, uint32_t offset, bool wide)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_FABRICS, 0);
	struct nvh_fab_prop_cmd *p = (struct nvh_fab_prop_cmd *)&cmd->req.cmd;
	uint64_t value;

	p->fctype = NVH_FCTYPE_PROPERTY_GET;
	p->attrib = wide ? NVH_PROP_8_BYTES : NVH_PROP_4_BYTES;
	nvh_le32_put(&p->ofst, offset);
	value = tt_status(qp, cmd) ? UINT64_MAX : nvh_cpl_result64(&cmd->cpl);
	tt_cmd_free(cmd);
	return value;
}

struct tt_cmd *tt_log(struct tt_qpair *qp, uint8_t lid, uint64_t offset, uint32_t len)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_GET_LOG_PAGE, NVH_NSID_ALL);

	tt_cmd_dw(cmd, 10, lid | (len / 4 - 1) << 16);
	tt_cmd_dw(cmd, 12, (uint32_t)offset);
	tt_cmd_dw(cmd, 13, (uint32_t)(offset >> 32));
	tt_cmd_data(cmd, len);
	tt_exec(qp, cmd);
	CU_ASSERT_TRUE(cmd->done);
	return cmd;
}
