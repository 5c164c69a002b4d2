/*
 * target-lite/backend/{stack,delay,error}.c below the real core: what is slow, fails, is held, or
 * is wrong, with a clock of the test's.
 */
#include "target-lite/backend/stack.h"

#include <errno.h>
#include <string.h>

#include "base/spec/nvme_status.h"
#include "target-lite/backend/delay.h"
#include "target-lite/backend/error.h"
#include "tests/unit/target_fixture.h"

static struct tt_qpair *admin, *io;
static struct tl_bdev *base, *upper;

static const uint64_t no_latency[TL_DELAY_KINDS];

static struct tl_stack_create_opts stack_opts(const char *name)
{
	return (struct tl_stack_create_opts){
		.base_name = "B", .name = name, .reactors = tt.reactors, .channels = tt.count};
}

/* Namespace 2: `upper`, which stands on the malloc bdev "B". */
static void stack_setup(uint32_t groups, bool error)
{
	struct tl_bdev_create_opts create = {.name = "B", .blocks = 64, .block_size = 512};
	struct tl_stack_create_opts opts;
	struct tl_ns_opts ns = {.nsid = 2};
	uint32_t nsid;

	tt_setup(groups);
	opts = stack_opts("D");
	CU_ASSERT_EQUAL_FATAL(tl_malloc_create(&tt.target->bdevs, &create, &base), 0);
	CU_ASSERT_EQUAL_FATAL(error ? tl_error_create(&tt.target->bdevs, &opts, &upper)
				    : tl_delay_create(&tt.target->bdevs, &opts, no_latency, &upper),
			      0);
	ns.bdev_name = upper->name;
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(tt_subsystem(), &ns, tt_done, NULL, &nsid), 0);
	tt_run();
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(groups - 1, admin, 1);
}

static void stack_teardown(void)
{
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static struct tt_cmd *rw(uint8_t opc, uint64_t lba, uint8_t byte)
{
	struct tt_cmd *cmd = tt_cmd(opc, 2);

	tt_cmd_data(cmd, 512);
	tt_cmd_rw(cmd, lba, 1);
	memset(cmd->data, byte, 512);
	return cmd;
}

static unsigned int rw_status(uint8_t opc, uint64_t lba, uint8_t byte)
{
	struct tt_cmd *cmd = rw(opc, lba, byte);
	unsigned int status = tt_status(io, cmd);

	tt_cmd_free(cmd);
	return status;
}

/* The byte that a block holds, -1 when they differ. */
static int block_byte(uint64_t lba)
{
	struct tt_cmd *cmd = rw(NVH_OPC_READ, lba, 0);
	const uint8_t *data;
	int byte;

	CU_ASSERT_EQUAL(tt_status(io, cmd), NVH_ST_SUCCESS);
	data = cmd->req.iov.iov_base;
	byte = data[0];
	for (int i = 1; i < 512; i++)
		if (data[i] != byte)
			byte = -1;
	tt_cmd_free(cmd);
	return byte;
}

static void set_latency(uint64_t read_us, uint64_t write_us)
{
	tl_delay_update(upper, TL_DELAY_AVG_READ, read_us);
	tl_delay_update(upper, TL_DELAY_P99_READ, read_us);
	tl_delay_update(upper, TL_DELAY_AVG_WRITE, write_us);
	tl_delay_update(upper, TL_DELAY_P99_WRITE, write_us);
}

static void inject(enum tl_bdev_op op, enum tl_error_type type, uint32_t num)
{
	struct tl_error_opts opts = {.type = type,
				     .num = num,
				     .status = 0x281,
				     .corrupt_offset = 100,
				     .corrupt_value = 0xff};

	tl_error_inject(upper, op, &opts);
}

/* ---- delay ----------------------------------------------------------------------------------- */

static void without_latency_it_is_its_base(void)
{
	stack_setup(1, false);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_WRITE, 3, 0x5a), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(block_byte(3), 0x5a);
	CU_ASSERT_EQUAL(upper->blocks, base->blocks);
	CU_ASSERT_STRING_EQUAL(tl_stack_base(upper)->name, "B");
	stack_teardown();
}

static void a_read_and_a_write_take_their_latency(void)
{
	struct tt_cmd *read, *write;

	stack_setup(2, false);
	set_latency(20000, 50000);
	read = rw(NVH_OPC_READ, 1, 0);
	write = rw(NVH_OPC_WRITE, 1, 7);
	tt_exec(io, write);
	tt_exec(io, read);
	tt_advance_ms(19);
	CU_ASSERT_FALSE(read->done);
	tt_advance_ms(1);
	CU_ASSERT_TRUE(read->done);
	CU_ASSERT_EQUAL(*(uint8_t *)read->req.iov.iov_base, 7);
	CU_ASSERT_FALSE(write->done);
	tt_advance_ms(30);
	CU_ASSERT_TRUE(write->done);
	tt_cmd_free(read);
	tt_cmd_free(write);
	set_latency(0, 0);
	CU_ASSERT_EQUAL(block_byte(1), 7);
	stack_teardown();
}

static void one_in_a_hundred_takes_the_other_latency(void)
{
	int slow = 0;

	stack_setup(1, false);
	tl_delay_update(upper, TL_DELAY_P99_READ, 1000);
	for (int i = 0; i < 4000; i++) {
		struct tt_cmd *cmd = rw(NVH_OPC_READ, 0, 0);

		tt_exec(io, cmd);
		slow += !cmd->done;
		tt_advance_ms(1);
		CU_ASSERT_TRUE(cmd->done);
		tt_cmd_free(cmd);
	}
	CU_ASSERT_TRUE(slow > 10 && slow < 90);
	stack_teardown();
}

static void the_end_of_a_connection_waits_for_what_is_delayed(void)
{
	struct tt_cmd *cmd;

	stack_setup(1, false);
	set_latency(20000, 20000);
	cmd = rw(NVH_OPC_WRITE, 0, 1);
	tt_exec(io, cmd);
	tt_break(io);
	CU_ASSERT_FALSE(io->released);
	tt_advance_ms(20);
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_TRUE(io->released);
	tt_cmd_free(cmd);
	tt_free(io);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

static void an_abort_ends_what_is_delayed(void)
{
	struct tt_cmd *cmd, *abort;

	stack_setup(1, false);
	set_latency(20000, 20000);
	cmd = rw(NVH_OPC_READ, 0, 0);
	nvh_le16_put(&cmd->req.cmd.cid, 0x77);
	tt_exec(io, cmd);
	abort = tt_cmd(NVH_ADM_ABORT, 0);
	tt_cmd_dw(abort, 10, 0x77u << 16 | 1);
	CU_ASSERT_EQUAL(tt_status(admin, abort), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_dw0(abort), 0);
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), NVH_ST_ABORT_REQUESTED);
	tt_cmd_free(cmd);
	tt_cmd_free(abort);
	stack_teardown();
}

/* ---- life ------------------------------------------------------------------------------------ */

static void a_base_in_use_is_refused(void)
{
	struct tl_stack_create_opts opts;
	struct tl_bdev *bdev = NULL;

	stack_setup(1, false);
	opts = stack_opts("D2");
	CU_ASSERT_EQUAL(tl_delay_create(&tt.target->bdevs, &opts, no_latency, &bdev), -EBUSY);
	opts.base_name = "nobody";
	CU_ASSERT_EQUAL(tl_delay_create(&tt.target->bdevs, &opts, no_latency, &bdev), -ENOENT);
	CU_ASSERT_EQUAL(tl_error_create(&tt.target->bdevs, &opts, &bdev), -ENOENT);
	opts.base_name = "D";
	CU_ASSERT_EQUAL(tl_error_create(&tt.target->bdevs, &opts, &bdev), -EBUSY);
	CU_ASSERT_PTR_NULL(bdev);
	stack_teardown();
}

static int deleted;

static void on_deleted(void *arg, int err)
{
	(void)arg;
	CU_ASSERT_EQUAL(err, 0);
	deleted++;
}

/* The namespace goes, then the delay, then its base; what it delayed ends at once. */
static void it_goes_with_its_base(void)
{
	struct tt_cmd *cmd;

	stack_setup(2, false);
	deleted = 0;
	set_latency(20000, 20000);
	cmd = rw(NVH_OPC_WRITE, 0, 1);
	tt_exec(io, cmd);
	CU_ASSERT_FALSE(cmd->done);
	CU_ASSERT_EQUAL(tl_bdev_delete(base, on_deleted, NULL), 0);
	tt_run();
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(deleted, 1);
	CU_ASSERT_PTR_NULL(tl_bdev_find(&tt.target->bdevs, "B"));
	CU_ASSERT_PTR_NULL(tl_bdev_find(&tt.target->bdevs, "D"));
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_READ, 0, 0), NVH_ST_INVALID_NS);
	tt_cmd_free(cmd);
	stack_teardown();
}

static void unused_it_goes_with_its_base_at_once(void)
{
	struct tl_bdev_create_opts create = {.name = "B", .blocks = 64, .block_size = 512};
	struct tl_stack_create_opts opts;
	struct tl_bdev *lower, *middle, *top;

	tt_setup(1);
	opts = stack_opts("D");
	CU_ASSERT_EQUAL_FATAL(tl_null_create(&tt.target->bdevs, &create, &lower), 0);
	CU_ASSERT_EQUAL_FATAL(tl_delay_create(&tt.target->bdevs, &opts, no_latency, &middle), 0);
	opts.base_name = "D";
	CU_ASSERT_EQUAL_FATAL(tl_error_create(&tt.target->bdevs, &opts, &top), 0);
	CU_ASSERT_STRING_EQUAL(top->name, "EE_D");
	deleted = 0;
	CU_ASSERT_EQUAL(tl_bdev_delete(lower, on_deleted, NULL), 0);
	CU_ASSERT_EQUAL(deleted, 1);
	CU_ASSERT_PTR_NULL(tl_bdev_find(&tt.target->bdevs, "EE_D"));
	tt_run();
	tt_teardown();
}

static void it_follows_the_size_of_its_base(void)
{
	struct tl_bdev_create_opts create = {.name = "B", .blocks = 64, .block_size = 512};
	struct tl_stack_create_opts opts;
	struct tl_bdev *lower, *delay;

	tt_setup(1);
	opts = stack_opts("D");
	CU_ASSERT_EQUAL_FATAL(tl_null_create(&tt.target->bdevs, &create, &lower), 0);
	CU_ASSERT_EQUAL_FATAL(tl_delay_create(&tt.target->bdevs, &opts, no_latency, &delay), 0);
	CU_ASSERT_EQUAL(tl_bdev_resize(lower, 128), 0);
	CU_ASSERT_EQUAL(delay->blocks, 128);
	CU_ASSERT_EQUAL(tl_bdev_resize(lower, 16), 0);
	CU_ASSERT_EQUAL(delay->blocks, 16);
	CU_ASSERT_EQUAL(tl_bdev_resize(delay, 17), -ENOSPC);
	tt_teardown();
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void so_many_fail_as_asked(void)
{
	stack_setup(1, true);
	inject(TL_BDEV_READ, TL_ERROR_FAILURE, 2);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_WRITE, 0, 1), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_READ, 0, 0), NVH_ST_INTERNAL);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_READ, 0, 0), NVH_ST_INTERNAL);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_READ, 0, 0), NVH_ST_SUCCESS);
	inject(TL_BDEV_WRITE, TL_ERROR_NVME_FAILURE, 1);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_WRITE, 0, 9), 0x281);
	CU_ASSERT_EQUAL(block_byte(0), 1);
	inject(TL_BDEV_READ, TL_ERROR_FAILURE, 0);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_READ, 0, 0), NVH_ST_SUCCESS);
	stack_teardown();
}

static void one_byte_is_wrong(void)
{
	struct tt_cmd *cmd;
	uint8_t *data;

	stack_setup(1, true);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_WRITE, 0, 1), NVH_ST_SUCCESS);
	inject(TL_BDEV_READ, TL_ERROR_CORRUPT_DATA, 1);
	cmd = rw(NVH_OPC_READ, 0, 0);
	CU_ASSERT_EQUAL(tt_status(io, cmd), NVH_ST_SUCCESS);
	data = cmd->req.iov.iov_base;
	CU_ASSERT_EQUAL(data[99], 1);
	CU_ASSERT_EQUAL(data[100], 0xfe);
	CU_ASSERT_EQUAL(data[101], 1);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(block_byte(0), 1);
	/* Written: the caller's buffer is left alone. */
	inject(TL_BDEV_WRITE, TL_ERROR_CORRUPT_DATA, 1);
	cmd = rw(NVH_OPC_WRITE, 0, 2);
	CU_ASSERT_EQUAL(tt_status(io, cmd), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(cmd->data[100], 2);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(block_byte(0), -1);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_WRITE, 0, 2), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(block_byte(0), 2);
	stack_teardown();
}

static void what_is_held_goes_on_when_resumed(void)
{
	struct tt_cmd *cmd;

	stack_setup(2, true);
	inject(TL_BDEV_WRITE, TL_ERROR_PENDING, 5);
	cmd = rw(NVH_OPC_WRITE, 0, 3);
	tt_exec(io, cmd);
	tt_advance_ms(100000);
	CU_ASSERT_FALSE(cmd->done);
	CU_ASSERT_EQUAL(block_byte(0), 0);
	tl_error_resume(upper);
	tl_error_resume(upper);
	tt_run();
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(block_byte(0), 3);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(rw_status(NVH_OPC_WRITE, 0, 4), NVH_ST_SUCCESS);
	stack_teardown();
}

static void what_is_held_is_given_up_when_the_bdev_goes(void)
{
	struct tt_cmd *cmd;

	stack_setup(1, true);
	inject(TL_BDEV_READ, TL_ERROR_PENDING, 5);
	cmd = rw(NVH_OPC_READ, 0, 0);
	tt_exec(io, cmd);
	CU_ASSERT_FALSE(cmd->done);
	deleted = 0;
	CU_ASSERT_EQUAL(tl_bdev_delete(upper, on_deleted, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(deleted, 1);
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), NVH_ST_ABORT_REQUESTED);
	CU_ASSERT_PTR_NOT_NULL(tl_bdev_find(&tt.target->bdevs, "B"));
	tt_cmd_free(cmd);
	stack_teardown();
}

/* A connection that is gone has a command held: the target still stops. */
static void a_stopping_target_gives_up_what_is_held(void)
{
	struct tt_cmd *cmd;

	stack_setup(2, true);
	inject(TL_BDEV_WRITE, TL_ERROR_PENDING, 1);
	cmd = rw(NVH_OPC_WRITE, 0, 1);
	tt_exec(io, cmd);
	tt_break(io);
	tt_break(admin);
	CU_ASSERT_FALSE(io->released);
	tt_teardown();
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_TRUE(io->released);
	tt_cmd_free(cmd);
	tt_free(io);
	tt_free(admin);
}

static void without_memory_it_is_tried_again(void)
{
	struct tt_cmd *cmd;

	stack_setup(1, true);
	inject(TL_BDEV_WRITE, TL_ERROR_NOMEM, 3);
	cmd = rw(NVH_OPC_WRITE, 0, 6);
	tt_exec(io, cmd);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_FALSE(cmd->done);
		tt_advance_ms(1);
	}
	CU_ASSERT_TRUE(cmd->done);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(block_byte(0), 6);
	stack_teardown();
}

NVH_UNIT_MAIN("target-lite/backend/stack", NVH_TEST(without_latency_it_is_its_base),
	      NVH_TEST(a_read_and_a_write_take_their_latency),
	      NVH_TEST(one_in_a_hundred_takes_the_other_latency),
	      NVH_TEST(the_end_of_a_connection_waits_for_what_is_delayed),
	      NVH_TEST(an_abort_ends_what_is_delayed), NVH_TEST(a_base_in_use_is_refused),
	      NVH_TEST(it_goes_with_its_base), NVH_TEST(unused_it_goes_with_its_base_at_once),
	      NVH_TEST(it_follows_the_size_of_its_base), NVH_TEST(so_many_fail_as_asked),
	      NVH_TEST(one_byte_is_wrong), NVH_TEST(what_is_held_goes_on_when_resumed),
	      NVH_TEST(what_is_held_is_given_up_when_the_bdev_goes),
	      NVH_TEST(a_stopping_target_gives_up_what_is_held),
	      NVH_TEST(without_memory_it_is_tried_again))
