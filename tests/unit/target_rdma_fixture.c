/*
 * The target and the hosts of target_rdma_fixture.h. One thread.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "tests/unit/target_rdma_fixture.h"

/* ---- life ---------------------------------------------------------------------------------- */

static uint64_t trd_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return sim.time;
}
static const struct nvhi_clock trd_clock = {.now = trd_now};

static void trd_random(void *buf, size_t len)
{
	memset(buf, 0x5a, len);
}

static void trd_done(void *arg, int err)
{
	(void)arg;
	trd.done++;
	trd.err = err;
}

static void trd_log(enum nvhi_log_level level, const char *component, const char *line)
{
	(void)component;
	if (level > NVHI_LOG_WARN)
		return;
	trd.log_lines++;
	snprintf(trd.log, sizeof(trd.log), "%s", line);
}

void trd_opts(struct tl_transport_opts *opts)
{
	tl_transport_opts_default(opts);
	opts->num_shared_buffers = 8;
	opts->max_srq_depth = 128;
	opts->num_cqe = 600;
}

void trd_setup(const struct tl_transport_opts *opts)
{
	const struct tl_target_opts topts = {.name = "t", .random = trd_random};
	const struct tl_subsystem_opts sopts = {.nqn = TRD_NQN, .allow_any_host = true};
	const struct tl_bdev_create_opts create = {.name = "M0", .blocks = 1024, .block_size = 512};
	const struct tl_ns_opts ns = {.bdev_name = "M0"};
	const struct tl_listen_addr addr = {.trtype = TL_TRTYPE_RDMA,
					    .adrfam = TL_ADRFAM_IPV4,
					    .traddr = "192.0.2.1",
					    .trsvcid = "4420"};
	struct tl_transport_opts own;
	struct tl_subsystem *ss;
	struct tl_bdev *bdev;
	char text[300];
	uint32_t nsid;

	trd_opts(&own);
	nvhi_log_set_hook(trd_log);
	sim.time = NVHI_NSEC_PER_SEC;
	setup_opts(&(struct nvhi_reactor_opts){.clock = &trd_clock});
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&topts, &reactor, 1, &trd.target), 0);
	CU_ASSERT_EQUAL_FATAL(
		tl_rdma_create(trd.target, opts ? opts : &own, text, sizeof(text), &trd.transport),
		0);
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_create(trd.target, &sopts, &ss), 0);
	tl_subsystem_start(ss, trd_done, NULL);
	CU_ASSERT_EQUAL(tl_malloc_create(&trd.target->bdevs, &create, &bdev), 0);
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, trd_done, NULL, &nsid), 0);
	CU_ASSERT_EQUAL(
		tl_subsystem_add_listener(ss, &addr, false, TL_ANA_OPTIMIZED, trd_done, NULL, NULL),
		0);
	trd_run();
	CU_ASSERT_EQUAL_FATAL(trd.done, 3);
}

void trd_teardown(void)
{
	tl_target_stop(trd.target, trd_done, NULL);
	trd_run();
	trd_pass(1000);
	trd_pass(1000);
	CU_ASSERT_EQUAL_FATAL(trd.done, 4);
	tl_target_destroy(trd.target);
	teardown();
	for (unsigned int i = 0; i < trd.conn_count; i++) {
		CU_ASSERT_FALSE(trd.conns[i].qp_open);
		CU_ASSERT_FALSE(trd.conns[i].id_open);
	}
	CU_ASSERT_PTR_NULL(trd.listener);
	CU_ASSERT_FALSE(trd.comp_open);
	CU_ASSERT_FALSE(trd.srq_open);
	CU_ASSERT_EQUAL(trd.pds, 0);
	CU_ASSERT_EQUAL(trd.pinned, 0);
	CU_ASSERT_EQUAL(trd.channel_count, 0);
	nvhi_verbs_override(NULL);
	nvhi_log_set_hook(NULL);
}

void trd_run(void)
{
	for (int i = 0; i < 1000; i++) {
		sim.time += 50 * NVHI_NSEC_PER_USEC; /* descriptors are asked for now and then */
		if (nvhi_reactor_turn(reactor) == 0)
			return;
	}
	CU_FAIL_FATAL("the reactor does not come to rest");
}

void trd_pass(uint64_t ms)
{
	sim.time += ms * NVHI_NSEC_PER_MSEC;
	trd_run();
}

/* ---- the host ------------------------------------------------------------------------------ */

static struct rdma_cm_event *new_event(struct rdma_cm_id *id, enum rdma_cm_event_type type)
{
	struct rdma_cm_event *event = &trd.events[trd.event_tail];

	for (unsigned int i = 0; i < trd.event_tail; i++)
		if (!trd.events[i].id)
			event = &trd.events[i];
	if (event == &trd.events[trd.event_tail])
		CU_ASSERT_FATAL(++trd.event_tail <= TRD_EVENTS);
	memset(event, 0, sizeof(*event));
	event->id = id;
	event->event = type;
	return event;
}

static void ring(struct rdma_event_channel *channel)
{
	uint64_t one = 1;

	CU_ASSERT_EQUAL(write(channel->fd, &one, sizeof(one)), sizeof(one));
}

void trd_event(struct trd_conn *conn, enum rdma_cm_event_type type)
{
	struct rdma_cm_id *id = conn ? &conn->id : trd.listener;

	new_event(id, type);
	ring(id->channel);
}

struct trd_conn *trd_request_raw(const void *data, uint8_t len, uint8_t reads)
{
	struct trd_conn *conn = &trd.conns[trd.conn_count++];
	struct rdma_cm_event *event;

	CU_ASSERT_FATAL(trd.conn_count <= TRD_CONNS);
	memset(conn, 0, sizeof(*conn));
	conn->id_open = true;
	conn->id.verbs = &trd.context;
	conn->id.channel = trd.listener->channel;
	conn->id.context = trd.listener->context;
	event = new_event(&conn->id, RDMA_CM_EVENT_CONNECT_REQUEST);
	event->listen_id = trd.listener;
	event->param.conn.initiator_depth = reads;
	if (len) {
		memcpy(trd.private_data[event - trd.events], data, len);
		event->param.conn.private_data = trd.private_data[event - trd.events];
		event->param.conn.private_data_len = len;
	}
	ring(trd.listener->channel);
	trd_run();
	if (conn->accepted) {
		trd_event(conn, RDMA_CM_EVENT_ESTABLISHED);
		trd_run();
	}
	return conn;
}

struct trd_conn *trd_request(uint16_t qid, uint16_t hrqsize, uint16_t hsqsize, uint8_t reads)
{
	struct nvh_rdma_cm_req req;

	memset(&req, 0, sizeof(req));
	nvh_le16_put(&req.qid, qid);
	nvh_le16_put(&req.hrqsize, hrqsize);
	nvh_le16_put(&req.hsqsize, hsqsize);
	return trd_request_raw(&req, sizeof(req), reads);
}

struct nvh_cmd trd_cmd(struct trd_conn *conn, uint8_t opc, const void *data, uint32_t len)
{
	struct nvh_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opc = opc;
	cmd.flags = NVH_CMD_PSDT_SGL;
	nvh_le16_put(&cmd.cid, conn->cid++);
	nvh_le64_put(&cmd.dptr.ksgl.addr, (uintptr_t)data);
	cmd.dptr.ksgl.len = nvh_le24_of(len);
	nvh_le32_put(&cmd.dptr.ksgl.key, TRD_KEY);
	cmd.dptr.ksgl.id = NVH_SGL_ID_KEYED;
	return cmd;
}

struct nvh_cmd trd_rw(struct trd_conn *conn, uint8_t opc, uint64_t lba, uint32_t blocks,
		      const void *data)
{
	struct nvh_cmd cmd = trd_cmd(conn, opc, data, blocks * 512);

	nvh_le32_put(&cmd.nsid, 1);
	nvh_le32_put(&cmd.cdw10, (uint32_t)lba);
	nvh_le32_put(&cmd.cdw12, blocks - 1);
	return cmd;
}

unsigned int trd_status(struct trd_conn *conn)
{
	if (conn->taken == conn->responses)
		return 0xffff;
	return nvh_cpl_status(&conn->cpls[conn->taken++]) & 0x7ff;
}

unsigned int trd_connect(struct trd_conn *conn, uint16_t qid, uint16_t cntlid, uint16_t sqsize)
{
	static struct nvh_fab_connect_data data;
	struct nvh_cmd cmd = trd_cmd(conn, NVH_ADM_FABRICS, &data, sizeof(data));
	struct nvh_fab_connect_cmd *connect = (struct nvh_fab_connect_cmd *)&cmd;

	memset(&data, 0, sizeof(data));
	data.hostid[0] = 1;
	nvh_le16_put(&data.cntlid, cntlid);
	strcpy(data.subnqn, TRD_NQN);
	strcpy(data.hostnqn, "nqn.2026-01.io.nvhost:host");
	connect->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&connect->qid, qid);
	nvh_le16_put(&connect->sqsize, sqsize);
	trd_send(conn, &cmd, sizeof(cmd));
	trd_work(conn, 8);
	return trd_status(conn);
}

struct trd_conn *trd_admin(uint16_t *ret_cntlid)
{
	struct trd_conn *conn = trd_request(0, 32, 31, 4);
	struct nvh_cmd cmd;
	struct nvh_fab_prop_cmd *set = (struct nvh_fab_prop_cmd *)&cmd;

	CU_ASSERT_TRUE_FATAL(conn->accepted);
	CU_ASSERT_EQUAL_FATAL(trd_connect(conn, 0, 0xffff, 31), 0);
	*ret_cntlid = (uint16_t)nvh_le32_get(conn->cpls[conn->taken - 1].dw0);
	cmd = trd_cmd(conn, NVH_ADM_FABRICS, NULL, 0);
	set->fctype = NVH_FCTYPE_PROPERTY_SET;
	nvh_le32_put(&set->ofst, NVH_REG_CC);
	nvh_le64_put(&set->value, 0x460001);
	trd_send(conn, &cmd, sizeof(cmd));
	trd_work(conn, 8);
	CU_ASSERT_EQUAL_FATAL(trd_status(conn), 0);
	return conn;
}

struct trd_conn *trd_io(uint16_t cntlid, uint16_t qid, uint16_t entries, uint8_t reads)
{
	struct trd_conn *conn = trd_request(qid, entries, (uint16_t)(entries - 1), reads);

	CU_ASSERT_TRUE_FATAL(conn->accepted);
	CU_ASSERT_EQUAL_FATAL(trd_connect(conn, qid, cntlid, (uint16_t)(entries - 1)), 0);
	return conn;
}
