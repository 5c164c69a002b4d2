/*
 * target-lite/core without memory: whatever allocation fails, the call says so, nothing leaks and
 * what there was before still works.
 */
#include <errno.h>
#include <string.h>

#include "base/spec/nvmf.h"
#include "base/stream.h"
#include "target-lite/tcp/tcp.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/target_fixture.h"

/* Runs until the change that was asked for is made; its result. */
static int outcome(int err)
{
	if (err)
		return err;
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 1);
	tt.done = 0;
	return tt.err;
}

static int make_target(void *arg)
{
	struct tl_target_opts opts = {0};
	struct tl_target *target;
	int err = tl_target_create(&opts, tt.reactors, 2, &target);

	(void)arg;
	if (err)
		return err;
	tt_run();
	tl_target_stop(target, tt_done, NULL);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 1);
	tt.done = 0;
	tl_target_destroy(target);
	return 0;
}

static void a_target_is_made_whole_or_not_at_all(void)
{
	tt_setup(2);
	CU_ASSERT(nvh_alloc_walk(make_target, NULL, false) > 3);
	tt_teardown();
}

static int make_subsystem(void *arg)
{
	struct tl_subsystem_opts opts = {.nqn = "nqn.2026-01.io.nvhost:poor", .max_namespaces = 8};
	struct tl_subsystem *ss;
	int err = tl_subsystem_create(tt.target, &opts, &ss);

	(void)arg;
	if (err)
		return err;
	err = tl_subsystem_add_host(ss, TT_HOST);
	tl_subsystem_start(ss, tt_done, NULL);
	CU_ASSERT_EQUAL(outcome(0), 0);
	CU_ASSERT_EQUAL(outcome(tl_subsystem_delete(ss, tt_done, NULL)), 0);
	return err;
}

static void a_subsystem_is_made_whole_or_not_at_all(void)
{
	tt_setup(2);
	CU_ASSERT(nvh_alloc_walk(make_subsystem, NULL, false) > 3);
	tt_teardown();
}

static int add_listener(void *arg)
{
	struct tl_listen_addr addr = tt_addr;
	int err;

	(void)arg;
	strcpy(addr.trsvcid, "4499");
	err = outcome(tl_subsystem_add_listener(tt_subsystem(), &addr, false, TL_ANA_OPTIMIZED,
						tt_done, NULL, NULL));
	if (err) {
		CU_ASSERT_EQUAL(tt.listens, 1);
		return err;
	}
	err = outcome(tl_subsystem_remove_listener(tt_subsystem(), &addr, tt_done, NULL));
	if (err) { /* not removed: then with memory */
		nvh_alloc_fail_at(0);
		CU_ASSERT_EQUAL(
			outcome(tl_subsystem_remove_listener(tt_subsystem(), &addr, tt_done, NULL)),
			0);
	}
	return err;
}

static void a_listener_is_added_whole_or_not_at_all(void)
{
	tt_setup(2);
	for (uint64_t nth = 1;; nth++) {
		int err;

		nvh_alloc_fail_at(nth);
		err = add_listener(NULL);
		if (!err && !nvh_alloc_did_fail()) {
			CU_ASSERT(nth > 4);
			break;
		}
		CU_ASSERT_EQUAL(err, -ENOMEM);
		CU_ASSERT_EQUAL(tt.listens, 1);
	}
	nvh_alloc_fail_at(0);
	tt_teardown();
}

static int add_ns(void *arg)
{
	struct tl_bdev_create_opts create = {.name = "P", .blocks = 8, .block_size = 512};
	struct tl_ns_opts ns = {.bdev_name = "P"};
	struct tl_bdev *bdev;
	uint32_t nsid = 0;
	int err = tl_null_create(&tt.target->bdevs, &create, &bdev);

	(void)arg;
	if (err)
		return err;
	err = outcome(tl_subsystem_add_ns(tt_subsystem(), &ns, tt_done, NULL, &nsid));
	nvh_alloc_fail_at(0); /* the removal is walked by itself */
	CU_ASSERT_EQUAL(outcome(tl_bdev_delete(bdev, tt_done, NULL)), 0);
	return err;
}

static void a_namespace_is_added_whole_or_not_at_all(void)
{
	tt_setup(2);
	for (uint64_t nth = 1;; nth++) {
		int64_t before = nvh_alloc_live();
		bool failed;
		int err;

		nvh_alloc_fail_at(nth);
		err = add_ns(NULL);
		failed = err != 0;
		CU_ASSERT_EQUAL(nvh_alloc_live(), before);
		if (!failed) {
			CU_ASSERT(nth > 3);
			break;
		}
		CU_ASSERT_EQUAL(err, -ENOMEM);
		CU_ASSERT_PTR_NULL(tt_subsystem()->ns[1]);
		CU_ASSERT_FALSE(tt_subsystem()->reserved[1]);
	}
	nvh_alloc_fail_at(0);
	tt_teardown();
}

static struct tt_cmd *connect_cmd(void)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_FABRICS, 0);
	struct nvh_fab_connect_cmd *c = (struct nvh_fab_connect_cmd *)&cmd->req.cmd;
	struct nvh_fab_connect_data *data = (struct nvh_fab_connect_data *)cmd->data;

	c->fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&c->sqsize, 31);
	tt_cmd_data(cmd, sizeof(*data));
	memset(data, 0, sizeof(*data));
	nvh_le16_put(&data->cntlid, 0xffff);
	strcpy(data->subnqn, TT_NQN);
	strcpy(data->hostnqn, TT_HOST);
	return cmd;
}

static void a_connect_without_memory_leaves_no_controller(void)
{
	for (uint64_t nth = 1; nth < 10; nth++) {
		struct tt_qpair *qp;
		struct tt_cmd *cmd;
		unsigned int status;
		bool failed;

		tt_setup(1);
		qp = tt_open(0);
		cmd = connect_cmd();
		nvh_alloc_fail_at(nth);
		status = tt_status(qp, cmd);
		failed = nvh_alloc_did_fail();
		nvh_alloc_fail_at(0);
		CU_ASSERT_EQUAL(status, failed ? NVH_ST_INTERNAL : NVH_ST_SUCCESS);
		CU_ASSERT_EQUAL(nvhi_list_empty(&tt_subsystem()->ctrlrs), failed);
		tt_break(qp);
		tt_free(qp);
		tt_cmd_free(cmd);
		tt_teardown();
		if (!failed) {
			CU_ASSERT(nth > 2);
			return;
		}
	}
	CU_FAIL("Connect never succeeds");
}

/* Commands that need a second buffer say so when there is none; the namespace is not held. */
static void a_command_without_memory_fails_alone(void)
{
	static const uint8_t opcs[] = {NVH_OPC_VERIFY, NVH_OPC_COPY, NVH_OPC_FLUSH};
	struct tt_qpair *admin, *io;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(0, admin, 1);
	for (size_t i = 0; i < sizeof(opcs); i++) {
		struct tt_cmd *cmd = tt_cmd(opcs[i], 1);
		unsigned int status;

		tt_cmd_rw(cmd, 0, 1);
		if (opcs[i] == NVH_OPC_COPY) {
			tt_cmd_data(cmd, 32);
			memset(cmd->data, 0, 32);
		}
		nvh_alloc_fail_at(1);
		status = tt_status(io, cmd);
		nvh_alloc_fail_at(0);
		CU_ASSERT_EQUAL(status,
				opcs[i] == NVH_OPC_FLUSH ? NVH_ST_SUCCESS : NVH_ST_INTERNAL);
		tt_cmd_free(cmd);
	}
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static int make_bdevs(void *arg)
{
	struct tl_bdev_create_opts create = {.blocks = 8, .block_size = 512};
	struct tl_bdev *bdev;
	int err = tl_malloc_create(&tt.target->bdevs, &create, &bdev);

	(void)arg;
	if (!err)
		CU_ASSERT_EQUAL(tl_bdev_delete(bdev, NULL, NULL), 0);
	return err;
}

static int make_file(void *arg)
{
	struct tl_bdev_create_opts create = {.block_size = 512, .read_only = true};
	struct tl_bdev *bdev;
	int err;

	(void)arg;
	create.filename = "/proc/self/exe";
	err = tl_file_create(&tt.target->bdevs, &create, &bdev);
	if (!err)
		CU_ASSERT_EQUAL(tl_bdev_delete(bdev, NULL, NULL), 0);
	return err;
}

static void a_bdev_is_made_whole_or_not_at_all(void)
{
	tt_setup(1);
	CU_ASSERT(nvh_alloc_walk(make_bdevs, NULL, false) > 0);
	CU_ASSERT(nvh_alloc_walk(make_file, NULL, false) > 1);
	tt_teardown();
}

NVH_UNIT_MAIN("target-lite/core/poverty", NVH_TEST(a_target_is_made_whole_or_not_at_all),
	      NVH_TEST(a_subsystem_is_made_whole_or_not_at_all),
	      NVH_TEST(a_listener_is_added_whole_or_not_at_all),
	      NVH_TEST(a_namespace_is_added_whole_or_not_at_all),
	      NVH_TEST(a_connect_without_memory_leaves_no_controller),
	      NVH_TEST(a_command_without_memory_fails_alone),
	      NVH_TEST(a_bdev_is_made_whole_or_not_at_all))
