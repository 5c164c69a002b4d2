/*
 * fabric/rdma/rdma_connect.c, cm.c, dev.c: what is asked for, what is believed, and what each
 * step's failure says.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/spec/nvme_rdma.h"
#include "fabric/rdma/rdma.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/rdma_fixture.h"

static void begin(void)
{
	nvhi_transport_rdma.qpair_connect(rq.qpair);
	rq_run();
}

static void resolve(void)
{
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	rdev_event(RDMA_CM_EVENT_ROUTE_RESOLVED, 0, NULL, 0);
	rq_run();
}

/* The connection failed with `err`, was told once, and `words` are in the reason. */
static void failed(int err, const char *words)
{
	CU_ASSERT_EQUAL(rq.connected, 1);
	CU_ASSERT_EQUAL(rq.connected_err, err);
	CU_ASSERT_PTR_NOT_NULL(strstr(rq.why, words));
	if (!strstr(rq.why, words))
		printf("\n    '%s' is not in '%s'\n", words, rq.why);
	CU_ASSERT_EQUAL(rq.lost, 0);
	CU_ASSERT_EQUAL(rq.log_lines, err == -EPROTO);
	rq_destroy();
}

/* ---- what is asked for --------------------------------------------------------------------- */

static void the_request_of_an_admin_queue_names_its_sizes(void)
{
	rq_create(&(struct rq_opts){0});
	resolve();
	CU_ASSERT_PTR_NOT_NULL_FATAL(rdev.request);
	CU_ASSERT_EQUAL(rdev.param.private_data_len, 32);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->recfmt), 0);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->qid), 0);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->hrqsize), 32);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->hsqsize), 31);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->cntlid), 0);
	CU_ASSERT_EQUAL(rdev.param.responder_resources, 16);
	CU_ASSERT_EQUAL(rdev.param.initiator_depth, 0);
	/* A response may come as soon as there is a connection: room stands ready. */
	CU_ASSERT_EQUAL(rdev.recv_tail - rdev.recv_head, 32);
	rq_destroy();
}

static void the_request_of_an_io_queue_names_its_controller(void)
{
	rq_create(&(struct rq_opts){.qid = 3, .entries = 128});
	resolve();
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->qid), 3);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->hrqsize), 128);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->hsqsize), 127);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->cntlid), 7);
	rq_destroy();
}

static void reads_at_a_time_are_what_the_device_takes(void)
{
	rq_create(&(struct rq_opts){0});
	rdev.attr.max_qp_rd_atom = 1000;
	resolve();
	CU_ASSERT_EQUAL(rdev.param.responder_resources, 255);
	rq_destroy();
}

static void address_source_and_type_of_service_are_passed_on(void)
{
	rq_create(&(struct rq_opts){.tos = 104, .host_traddr = "192.0.2.9"});
	begin();
	CU_ASSERT_EQUAL(rdev.tos, 104);
	CU_ASSERT_FALSE(rdev.from_any);
	CU_ASSERT_EQUAL(((struct sockaddr_in *)&rdev.resolved_from)->sin_port, 0);
	CU_ASSERT_EQUAL(ntohl(((struct sockaddr_in *)&rdev.resolved_from)->sin_addr.s_addr),
			0xc0000209);
	CU_ASSERT_EQUAL(ntohs(((struct sockaddr_in *)&rdev.resolved_to)->sin_port), 4420);
	rq_destroy();
}

static void an_interface_is_refused_with_what_to_do(void)
{
	rq_create(&(struct rq_opts){.host_iface = "eth0"});
	begin();
	failed(-EINVAL, "--host-traddr");
}

static void a_small_device_makes_a_small_queue(void)
{
	rq_create(&(struct rq_opts){.qid = 1, .entries = 1024});
	rdev.attr.max_qp_wr = 100;
	resolve();
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->hrqsize), 100);
	CU_ASSERT_EQUAL(nvh_le16_get(rdev.request->hsqsize), 99);
	CU_ASSERT_EQUAL(rq.qpair->depth, 99);
	rq_destroy();
}

static void a_device_without_inline_data_will_do(void)
{
	rq_create(&(struct rq_opts){0});
	rdev.max_inline = 0;
	rq_come_alive();
	CU_ASSERT_EQUAL(rdev.inlined, 0);
	rq_destroy();
}

/* ---- what is believed ----------------------------------------------------------------------- */

static void a_live_queue_has_as_many_commands_as_the_controller_has_receives(void)
{
	rq_create(&(struct rq_opts){.qid = 1, .entries = 128});
	resolve();
	rdev_accept(8);
	rq_run();
	CU_ASSERT_EQUAL(rq.qpair->depth, 8);
	rq_destroy();
}

static void an_acceptance_that_makes_no_sense_ends_the_connection(void)
{
	struct nvh_rdma_cm_acc acc;

	memset(&acc, 0, sizeof(acc));
	nvh_le16_put(&acc.crqsize, 32);
	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_ESTABLISHED, 0, &acc, 31);
	rq_run();
	failed(-EPROTO, "31 bytes of private data");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_ESTABLISHED, 0, NULL, 0);
	rq_run();
	failed(-EPROTO, "0 bytes of private data");

	nvh_le16_put(&acc.recfmt, 1);
	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_ESTABLISHED, 0, &acc, sizeof(acc));
	rq_run();
	failed(-EPROTO, "RECFMT 1");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_accept(0);
	rq_run();
	failed(-EPROTO, "CRQSIZE 0");
}

static void a_refused_connect_command_is_told_with_its_completion(void)
{
	struct fake_capsule *capsule;

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_accept(32);
	rq_run();
	capsule = rdev_command();
	CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
	rdev_respond(capsule, NVH_ST_CONNECT_INVALID_HOST, 0, true);
	rq_run();
	CU_ASSERT_TRUE(rq.connected_cpl);
	failed(-EACCES, "allow list");
}

/* ---- what failures say ----------------------------------------------------------------------- */

static void each_reject_status_is_named(void)
{
	static const struct {
		uint16_t sts;
		int err;
		const char *text;
	} table[] = {
		{1, -EINVAL, "invalid private data length"},
		{2, -EINVAL, "invalid RECFMT"},
		{3, -EINVAL, "invalid QID"},
		{4, -EINVAL, "invalid HSQSIZE"},
		{5, -EINVAL, "invalid HRQSIZE"},
		{6, -EBUSY, "no RDMA resources"},
		{7, -EINVAL, "invalid IRD"},
		{8, -EINVAL, "invalid ORD"},
		{9, -EINVAL, "invalid CNTLID"},
		{77, -EINVAL, "unknown (status 77)"},
	};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(table); i++) {
		/* Padded, as InfiniBand's message is. */
		uint8_t data[148] = {0, 0, (uint8_t)table[i].sts, 0};

		rq_create(&(struct rq_opts){0});
		resolve();
		rdev_event(RDMA_CM_EVENT_REJECTED, 28, data, sizeof(data));
		rq_run();
		failed(table[i].err, table[i].text);
	}
}

static void refusals_without_a_status_are_told_apart(void)
{
	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_REJECTED, 8, NULL, 0);
	rq_run();
	failed(-ECONNREFUSED, "connection refused");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_REJECTED, -ECONNREFUSED, NULL, 0);
	rq_run();
	failed(-ECONNREFUSED, "connection refused");

	rq_create(&(struct rq_opts){0});
	rdev.connect_error = ECONNREFUSED;
	resolve();
	failed(-ECONNREFUSED, "connection refused");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_REJECTED, 28, "\1\2", 2);
	rq_run();
	failed(-ECONNREFUSED, "without an NVMe status");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_REJECTED, 4, NULL, 0);
	rq_run();
	failed(-ECONNREFUSED, "reason 4");
}

static void every_step_may_fail(void)
{
	rq_create(&(struct rq_opts){0});
	rdev.channel_error = EACCES;
	begin();
	failed(-EACCES, "/dev/infiniband/rdma_cm");

	rq_create(&(struct rq_opts){0});
	rdev.resolve_error = ENODEV;
	begin();
	failed(-ENODEV, "no RDMA device leads to this address");

	rq_create(&(struct rq_opts){0});
	rdev.resolve_error = EADDRNOTAVAIL;
	begin();
	failed(-ENODEV, "no RDMA device leads to this address (");

	rq_create(&(struct rq_opts){.host_traddr = "192.0.2.9"});
	rdev.resolve_error = EADDRNOTAVAIL;
	begin();
	failed(-EADDRNOTAVAIL, "no RDMA device leads to this address from 192.0.2.9");

	rq_create(&(struct rq_opts){0});
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_ERROR, -ENODEV, NULL, 0);
	rq_run();
	failed(-ENODEV, "no RDMA device leads to this address");

	rq_create(&(struct rq_opts){0});
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_ERROR, -ETIMEDOUT, NULL, 0);
	rq_run();
	failed(-ETIMEDOUT, "not resolved");

	rq_create(&(struct rq_opts){0});
	rdev.route_error = EINVAL;
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	failed(-EINVAL, "no route");

	rq_create(&(struct rq_opts){0});
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	rdev_event(RDMA_CM_EVENT_ROUTE_ERROR, -ENETUNREACH, NULL, 0);
	rq_run();
	failed(-ENETUNREACH, "no route");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT, NULL, 0);
	rq_run();
	failed(-ETIMEDOUT, "no answer to the RDMA connection request");

	rq_create(&(struct rq_opts){0});
	rdev.connect_error = ENOMEM;
	resolve();
	failed(-ENOMEM, "could not be asked for");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_CONNECT_ERROR, -ECONNRESET, NULL, 0);
	rq_run();
	failed(-ECONNRESET, "could not be made");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0); /* out of turn */
	rq_run();
	failed(-EPROTO, "unexpected RDMA event");
}

static void a_device_may_have_nothing_left(void)
{
	rq_create(&(struct rq_opts){0});
	rdev.cq_error = EMFILE;
	resolve();
	failed(-EMFILE, "fake0 makes no completion queue");

	rq_create(&(struct rq_opts){0});
	rdev.max_inline = 0; /* so that the first try fails of itself */
	rdev.qp_error = ENOSPC;
	resolve();
	failed(-ENOSPC, "fake0 makes no queue pair of 32 entries");

	rq_create(&(struct rq_opts){0});
	rdev.mw_limit = 0;
	resolve();
	failed(-ENOMEM, "fake0 has no memory window left");

	rq_create(&(struct rq_opts){0});
	rdev.attr.max_qp_wr = 3;
	resolve();
	failed(-EOPNOTSUPP, "room for 3 work requests only");
}

static void a_machine_without_a_device_is_told_what_to_do(void)
{
	rq_create(&(struct rq_opts){0});
	rdev.channel_error = ENODEV;
	begin();
	failed(-ENODEV, "no RDMA device here (rdma link lists them");
}

static void a_port_that_is_down_is_said_at_once(void)
{
	rq_create(&(struct rq_opts){0});
	rdev.port = IBV_PORT_DOWN;
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	failed(-ENETDOWN, "port 1 of fake0 is down");
}

static void a_limit_of_locked_memory_is_named_with_the_value_needed(void)
{
	struct rlimit old, low;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	low = old;
	low.rlim_cur = 2048;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	rq_create(&(struct rq_opts){.qid = 1, .entries = 256});
	rdev.pin_limit = 2048;
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	setrlimit(RLIMIT_MEMLOCK, &old);
	/* 255 commands and 256 responses: 20,416 bytes in whole pages. */
	failed(-ENOMEM, "the limit of locked memory is 2 KiB, needed are 20 KiB (ulimit -l 20");
}

static void a_limit_met_by_the_connect_command_is_named_too(void)
{
	struct rlimit old, low;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	low = old;
	low.rlim_cur = 4000;
	rq_create(&(struct rq_opts){0});
	rdev.pin_limit = 4096; /* for the capsules, not for the command's data */
	resolve();
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	rdev_accept(32);
	rq_run();
	setrlimit(RLIMIT_MEMLOCK, &old);
	CU_ASSERT_EQUAL(rq.log_lines, 1);
	rq.log_lines = 0;
	failed(-ENOMEM, "needed are 4 KiB (ulimit -l 4; systemd: LimitMEMLOCK=4K)");
}

static void each_step_has_its_deadline(void)
{
	rq_create(&(struct rq_opts){0});
	begin();
	rq_pass(999);
	CU_ASSERT_EQUAL(rq.connected, 0);
	rq_pass(1);
	failed(-ETIMEDOUT, "not resolved over RDMA within 1000 ms");

	rq_create(&(struct rq_opts){0});
	begin();
	rq_pass(900);
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	rq_pass(999);
	CU_ASSERT_EQUAL(rq.connected, 0);
	rq_pass(1);
	failed(-ETIMEDOUT, "not resolved over RDMA within 1000 ms");

	rq_create(&(struct rq_opts){0});
	resolve();
	rq_pass(1000);
	failed(-ETIMEDOUT, "no RDMA connection within 1000 ms");

	rq_create(&(struct rq_opts){0});
	resolve();
	rdev_accept(32);
	rq_run();
	rq_pass(1000);
	failed(-ETIMEDOUT, "no answer to the Connect command within 1000 ms");
}

/* ---- events of a live queue ------------------------------------------------------------------ */

static void a_live_queue_is_lost_by_events_of_its_connection(void)
{
	static const struct {
		enum rdma_cm_event_type event;
		int err;
		const char *text;
	} table[] = {
		{RDMA_CM_EVENT_DISCONNECTED, -ECONNRESET, "closed the connection"},
		{RDMA_CM_EVENT_DEVICE_REMOVAL, -ENODEV, "device was removed"},
		{RDMA_CM_EVENT_ADDR_CHANGE, -ENETRESET, "moved to another RDMA device"},
	};

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(table); i++) {
		rq_live(&(struct rq_opts){.qid = (uint16_t)(i & 1)});
		rdev_event(table[i].event, 0, NULL, 0);
		rdev_event(RDMA_CM_EVENT_DISCONNECTED, 0, NULL, 0);
		rq_run();
		CU_ASSERT_EQUAL(rq.lost, 1);
		CU_ASSERT_EQUAL(rq.lost_err, table[i].err);
		CU_ASSERT_PTR_NOT_NULL(strstr(rq.why, table[i].text));
		nvhi_transport_rdma.revoke(rq.qpair);
		/* The device is free of it at once, whatever happens to the requests. */
		CU_ASSERT_FALSE(rdev.qp_open);
		CU_ASSERT_FALSE(rdev.id_open);
		rq_run();
		CU_ASSERT_EQUAL(rq.revoked, 1);
		rq_destroy();
	}
}

static void after_a_removal_the_library_is_told_to_look_for_lost_devices(void)
{
	unsigned int before;

	rq_live(&(struct rq_opts){0});
	before = rdev.sweeps;
	rdev_event(RDMA_CM_EVENT_DEVICE_REMOVAL, 0, NULL, 0);
	rq_run();
	nvhi_transport_rdma.revoke(rq.qpair);
	rq_run();
	nvhi_transport_rdma.qpair_destroy(rq.qpair);
	CU_ASSERT_EQUAL(rq_another(&(struct rq_opts){0}), 0);
	rq.revoked = 0;
	begin();
	CU_ASSERT_EQUAL(rdev.sweeps, before + 1);
	rq_destroy();
}

static void a_queue_may_be_taken_back_in_any_state(void)
{
	for (int steps = 0; steps < 5; steps++) {
		rq_create(&(struct rq_opts){.qid = 1});
		if (steps > 0)
			begin();
		if (steps > 1)
			rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
		rq_run();
		if (steps > 2)
			rdev_event(RDMA_CM_EVENT_ROUTE_RESOLVED, 0, NULL, 0);
		rq_run();
		if (steps > 3)
			rdev_accept(32);
		rq_run();
		nvhi_transport_rdma.revoke(rq.qpair);
		rq_run();
		CU_ASSERT_EQUAL(rq.revoked, 1);
		CU_ASSERT_EQUAL(rq.connected, 0);
		rq_destroy();
	}
}

/* ---- out of memory --------------------------------------------------------------------------- */

static int connect_and_destroy(void *arg)
{
	struct fake_capsule *capsule;
	int err = rq_another(arg);

	if (err)
		return err;
	rq.connected = rq.revoked = 0;
	begin();
	rdev_event(RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL, 0);
	rq_run();
	if (rdev.id_open)
		rdev_event(RDMA_CM_EVENT_ROUTE_RESOLVED, 0, NULL, 0);
	rq_run();
	if (rdev.qp_open && !rdev.error)
		rdev_accept(32);
	rq_run();
	capsule = rdev_command();
	if (capsule && rdev.connected) {
		rq.sqhd = 1;
		rdev_respond(capsule, 0, 7, true);
	}
	rq_run();
	CU_ASSERT_EQUAL(rq.connected, 1);
	err = rq.connected_err;
	nvhi_transport_rdma.revoke(rq.qpair);
	rq_run();
	nvhi_transport_rdma.qpair_destroy(rq.qpair);
	while (rdev_command())
		;
	return err;
}

static void connecting_survives_every_allocation_failure(void)
{
	struct rq_opts opts = {0};

	rq_create(&opts);
	nvhi_transport_rdma.qpair_destroy(rq.qpair);
	CU_ASSERT(nvh_alloc_walk(connect_and_destroy, &opts, true) >= 8);
	CU_ASSERT_EQUAL(rq_another(&opts), 0);
	rq_destroy();
}

NVH_UNIT_MAIN("fabric/rdma/rdma_connect", NVH_TEST(the_request_of_an_admin_queue_names_its_sizes),
	      NVH_TEST(the_request_of_an_io_queue_names_its_controller),
	      NVH_TEST(reads_at_a_time_are_what_the_device_takes),
	      NVH_TEST(address_source_and_type_of_service_are_passed_on),
	      NVH_TEST(an_interface_is_refused_with_what_to_do),
	      NVH_TEST(a_small_device_makes_a_small_queue),
	      NVH_TEST(a_device_without_inline_data_will_do),
	      NVH_TEST(a_live_queue_has_as_many_commands_as_the_controller_has_receives),
	      NVH_TEST(an_acceptance_that_makes_no_sense_ends_the_connection),
	      NVH_TEST(a_refused_connect_command_is_told_with_its_completion),
	      NVH_TEST(each_reject_status_is_named),
	      NVH_TEST(refusals_without_a_status_are_told_apart), NVH_TEST(every_step_may_fail),
	      NVH_TEST(a_device_may_have_nothing_left),
	      NVH_TEST(a_machine_without_a_device_is_told_what_to_do),
	      NVH_TEST(a_port_that_is_down_is_said_at_once),
	      NVH_TEST(a_limit_of_locked_memory_is_named_with_the_value_needed),
	      NVH_TEST(a_limit_met_by_the_connect_command_is_named_too),
	      NVH_TEST(each_step_has_its_deadline),
	      NVH_TEST(a_live_queue_is_lost_by_events_of_its_connection),
	      NVH_TEST(after_a_removal_the_library_is_told_to_look_for_lost_devices),
	      NVH_TEST(a_queue_may_be_taken_back_in_any_state),
	      NVH_TEST(connecting_survives_every_allocation_failure))
