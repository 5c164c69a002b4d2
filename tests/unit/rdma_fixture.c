/*
 * A queue pair of the host on the device of rdma_device.c: see rdma_fixture.h. One thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/spec/nvme_rdma.h"
#include "fabric/rdma/rdma.h"
#include "tests/unit/rdma_fixture.h"

struct rdma_rq rq;

/* ---- what the queue tells ------------------------------------------------------------------ */

static void rq_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	CU_ASSERT_PTR_EQUAL(qpair, rq.qpair);
	rq.connected++;
	rq.connected_err = err;
	rq.connected_cpl = cpl != NULL;
	snprintf(rq.why, sizeof(rq.why), "%s", qpair->why);
}

static void rq_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	rq.lost++;
	rq.lost_err = err;
	snprintf(rq.why, sizeof(rq.why), "%s", why);
	if (rq.revoke_when_lost)
		nvhi_transport_rdma.revoke(qpair);
}

static void rq_revoked(struct nvhi_qpair *qpair)
{
	CU_ASSERT_EQUAL(qpair->inflight, 0);
	rq.revoked++;
}

static const struct nvhi_qpair_events rq_events = {
	.connected = rq_connected, .lost = rq_lost, .revoked = rq_revoked};

static void rq_log(enum nvhi_log_level level, const char *component, const char *line)
{
	(void)component;
	if (level > NVHI_LOG_INFO)
		return;
	rq.log_lines++;
	snprintf(rq.log, sizeof(rq.log), "%s", line);
}

static uint64_t rq_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return sim.time += rq.clock_step;
}

static const struct nvhi_clock rq_clock = {.now = rq_now};

/* ---- life ---------------------------------------------------------------------------------- */

int rq_another(const struct rq_opts *opts)
{
	struct nvhi_qpair_opts qpair_opts = {
		.reactor = reactor,
		.qid = opts->qid,
		.entries = opts->entries ? opts->entries : 32,
		.events = &rq_events,
	};

	return nvhi_transport_rdma.qpair_create(rq.tctrlr, &qpair_opts, &rq.qpair);
}

void rq_create(const struct rq_opts *opts)
{
	struct nvhi_tctrlr_opts tctrlr_opts = {
		.tos = opts->tos ? opts->tos : -1,
		.connect_timeout_ms = 1000,
		.disable_sqflow = opts->disable_sqflow,
		.name = "t",
		.subnqn = "nqn.2026-01.io.nvhost:test",
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:58960510-a93a-4e26-929e-3828eb1788ad",
	};
	struct nvhi_addr *addr = &tctrlr_opts.addr;
	char text[128];

	memset(&rq, 0, sizeof(rq));
	nvhi_log_set_hook(rq_log);
	rdev_rdma_init();
	sim.time = 1000;
	setup_opts(&(struct nvhi_reactor_opts){.clock = &rq_clock});
	CU_ASSERT_EQUAL_FATAL(
		nvhi_addr_set(NVH_TRTYPE_RDMA, "192.0.2.1", "4420", addr, text, sizeof(text)), 0);
	if (opts->host_traddr)
		CU_ASSERT_EQUAL_FATAL(nvhi_addr_set(NVH_TRTYPE_RDMA, opts->host_traddr, NULL,
						    &tctrlr_opts.host_addr, text, sizeof(text)),
				      0);
	if (opts->host_iface)
		snprintf(tctrlr_opts.host_iface, sizeof(tctrlr_opts.host_iface), "%s",
			 opts->host_iface);
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_rdma.tctrlr_open(&tctrlr_opts, &rq.tctrlr), 0);
	rq.tctrlr->ioccsz = opts->ioccsz;
	rq.tctrlr->sgls = 0x100005;
	rq.tctrlr->cntlid = 7;
	CU_ASSERT_EQUAL_FATAL(rq_another(opts), 0);
}

void rq_destroy(void)
{
	if (rq.revoked == 0 && rq.qpair->inflight > 0)
		nvhi_transport_rdma.revoke(rq.qpair);
	rq_run();
	nvhi_transport_rdma.qpair_destroy(rq.qpair);
	nvhi_transport_rdma.tctrlr_close(rq.tctrlr);
	teardown();
	rdev_rdma_done();
	nvhi_log_set_hook(NULL);
}

void rq_run(void)
{
	for (int i = 0; i < 1000; i++)
		if (nvhi_reactor_turn(reactor) == 0)
			return;
	CU_FAIL_FATAL("the reactor does not come to rest");
}

void rq_pass(uint64_t ms)
{
	sim.time += ms * NVHI_NSEC_PER_MSEC;
	rq_run();
}

void rq_come_alive(void)
{
	struct fake_capsule *capsule;

	nvhi_transport_rdma.qpair_connect(rq.qpair);
	rq_run();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	rdev_event(RDMA_CM_EVENT_ROUTE_RESOLVED, 0, NULL, 0);
	rq_run();
	rdev_accept(1024);
	rq_run();
	capsule = rdev_command();
	CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
	CU_ASSERT_EQUAL(capsule->cmd.opc, NVH_ADM_FABRICS);
	rq.sqhd = rq.tctrlr->opts.disable_sqflow ? 0xffff : 1;
	rdev_respond(capsule, 0, 7, rdev.attr.max_mw && capsule->len == 0);
	rdev_sent(1000);
	rq_run();
	CU_ASSERT_EQUAL(rq.connected, 1);
	CU_ASSERT_EQUAL_FATAL(rq.connected_err, 0);
}

void rq_live(const struct rq_opts *opts)
{
	rq_create(opts);
	rq_come_alive();
}

/* ---- requests ------------------------------------------------------------------------------ */

static void rq_done(struct nvhi_req *req, int err, const struct nvh_cpl *cpl)
{
	struct rdma_req *rreq = nvhi_container_of(req, struct rdma_req, req);

	rreq->done++;
	rreq->err = err;
	if (cpl)
		rreq->cpl = *cpl;
	if (rreq->then)
		rreq->then(rreq);
}

void rq_req(struct rdma_req *rreq, uint8_t opc, enum nvhi_dir dir, void *buf, uint32_t len)
{
	memset(rreq, 0, sizeof(*rreq));
	rreq->req.cmd.opc = opc;
	rreq->req.dir = (uint8_t)dir;
	rreq->req.len = len;
	rreq->req.done = rq_done;
	rreq->iov[0] = (struct iovec){.iov_base = buf, .iov_len = len};
	nvhi_iov_cursor_init(&rreq->req.data, rreq->iov, len ? 1 : 0);
}

void rq_submit(struct rdma_req *rreq)
{
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_rdma.submit(rq.qpair, &rreq->req), 0);
}
