/*
 * target-lite/core/io.c, io_multi.c, fused.c over the malloc and file backends: every command does
 * what it says, whole, and refuses what it must.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/target_fixture.h"

static struct tt_qpair *admin, *io;
static char file_path[] = "/tmp/nvhost-io-test.XXXXXX";

/* Namespace 1: memory. With `file`: namespace 2, the same size in a file. */
static void io_setup(bool file)
{
	tt_setup(1);
	if (file) {
		struct tl_bdev_create_opts create = {.block_size = 512, .blocks = 1024};
		struct tl_ns_opts ns = {.nsid = 2};
		struct tl_bdev *bdev;
		uint32_t nsid;
		int fd;

		strcpy(file_path + sizeof(file_path) - 7, "XXXXXX");
		fd = mkstemp(file_path);
		CU_ASSERT_FATAL(fd >= 0);
		close(fd);
		create.filename = file_path;
		CU_ASSERT_EQUAL_FATAL(tl_file_create(&tt.target->bdevs, &create, &bdev), 0);
		ns.bdev_name = bdev->name;
		CU_ASSERT_EQUAL(tl_subsystem_add_ns(tt_subsystem(), &ns, tt_done, NULL, &nsid), 0);
		tt_run();
	}
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(0, admin, 1);
}

static void io_teardown(bool file)
{
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
	if (file)
		unlink(file_path);
}

/* A pool thread of the file backend may be at it. */
static unsigned int io_status(struct tt_cmd *cmd)
{
	tt_exec(io, cmd);
	CU_ASSERT_TRUE(NVH_WAIT((tt_run(), cmd->done), 10000));
	return nvh_cpl_code(&cmd->cpl);
}

static unsigned int io_write(uint32_t nsid, uint64_t lba, uint32_t blocks, uint8_t fill)
{
	struct tt_cmd *cmd = tt_cmd(NVH_OPC_WRITE, nsid);
	unsigned int status;

	tt_cmd_rw(cmd, lba, blocks);
	memset(cmd->data, fill, blocks * 512);
	status = io_status(cmd);
	tt_cmd_free(cmd);
	return status;
}

static bool io_holds(uint32_t nsid, uint64_t lba, uint32_t blocks, uint8_t fill)
{
	struct tt_cmd *cmd = tt_cmd(NVH_OPC_READ, nsid);
	bool holds;

	tt_cmd_rw(cmd, lba, blocks);
	memset(cmd->data, (uint8_t)~fill, blocks * 512);
	holds = !io_status(cmd) && cmd->data_len == blocks * 512;
	for (uint32_t i = 0; i < blocks * 512; i++)
		holds = holds && cmd->data[i] == fill;
	tt_cmd_free(cmd);
	return holds;
}

static unsigned int io_simple(uint8_t opc, uint32_t nsid, uint64_t lba, uint32_t blocks,
			      uint32_t flags)
{
	struct tt_cmd *cmd = tt_cmd(opc, nsid);
	unsigned int status;

	tt_cmd_dw(cmd, 10, (uint32_t)lba);
	tt_cmd_dw(cmd, 11, (uint32_t)(lba >> 32));
	tt_cmd_dw(cmd, 12, (blocks - 1) | flags);
	status = io_status(cmd);
	tt_cmd_free(cmd);
	return status;
}

static void what_was_written_is_read(void)
{
	io_setup(true);
	for (uint32_t nsid = 1; nsid <= 2; nsid++) {
		CU_ASSERT_TRUE(io_holds(nsid, 0, 256, 0)); /* never written */
		CU_ASSERT_EQUAL(io_write(nsid, 1, 200, 0x11), 0);
		CU_ASSERT_EQUAL(io_write(nsid, 100, 1, 0x22), 0);
		CU_ASSERT_TRUE(io_holds(nsid, 0, 1, 0));
		CU_ASSERT_TRUE(io_holds(nsid, 1, 99, 0x11));
		CU_ASSERT_TRUE(io_holds(nsid, 100, 1, 0x22));
		CU_ASSERT_TRUE(io_holds(nsid, 101, 100, 0x11));
		CU_ASSERT_TRUE(io_holds(nsid, 201, 1, 0));
		CU_ASSERT_EQUAL(io_write(nsid, 1023, 1, 0x33), 0);
		CU_ASSERT_TRUE(io_holds(nsid, 1023, 1, 0x33));
	}
	io_teardown(true);
}

static void the_end_of_the_namespace_is_the_end(void)
{
	static const struct {
		uint64_t lba;
		uint32_t blocks;
	} cases[] = {{1024, 1}, {1023, 2}, {UINT64_MAX, 1}, {UINT64_MAX, 2}, {1ull << 63, 256}};

	io_setup(false);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		static const uint8_t opcs[] = {NVH_OPC_READ, NVH_OPC_WRITE, NVH_OPC_COMPARE,
					       NVH_OPC_WRITE_ZEROES, NVH_OPC_VERIFY};

		for (size_t o = 0; o < sizeof(opcs); o++) {
			struct tt_cmd *cmd = tt_cmd(opcs[o], 1);

			tt_cmd_rw(cmd, cases[i].lba, cases[i].blocks);
			CU_ASSERT_EQUAL(io_status(cmd), NVH_ST_LBA_RANGE);
			CU_ASSERT_TRUE(nvh_cpl_dnr(&cmd->cpl));
			tt_cmd_free(cmd);
		}
	}
	CU_ASSERT_EQUAL(io_write(9, 0, 1, 0), NVH_ST_INVALID_NS);
	CU_ASSERT_EQUAL(io_write(0, 0, 1, 0), NVH_ST_INVALID_NS);
	CU_ASSERT_EQUAL(io_write(NVH_NSID_ALL, 0, 1, 0), NVH_ST_INVALID_NS);
	io_teardown(false);
}

static void a_buffer_that_does_not_fit_the_blocks_is_refused(void)
{
	struct tt_cmd *cmd;

	io_setup(false);
	cmd = tt_cmd(NVH_OPC_READ, 1);
	tt_cmd_rw(cmd, 0, 8);
	tt_cmd_data(cmd, 4095);
	CU_ASSERT_EQUAL(io_status(cmd), NVH_ST_SGL_INVALID_DATA_LEN);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_OPC_READ, 1);
	tt_cmd_rw(cmd, 0, 8);
	tt_cmd_data(cmd, 8192); /* more room than data: only the data comes */
	CU_ASSERT_EQUAL(io_status(cmd), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(cmd->data_len, 4096);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_OPC_WRITE, 1);
	tt_cmd_rw(cmd, 0, 8);
	tt_cmd_data(cmd, 0);
	CU_ASSERT_EQUAL(io_status(cmd), NVH_ST_SGL_INVALID_DATA_LEN);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_OPC_WRITE, 1);
	tt_cmd_rw(cmd, 0, 8);
	tt_cmd_data(cmd, 8192);
	CU_ASSERT_EQUAL(io_status(cmd), NVH_ST_SGL_INVALID_DATA_LEN);
	tt_cmd_free(cmd);
	cmd = tt_cmd(0x99 & ~3u, 1);
	CU_ASSERT_EQUAL(io_status(cmd), NVH_ST_INVALID_OPCODE);
	tt_cmd_free(cmd);
	io_teardown(false);
}

static void zeroes_are_zeroes_whatever_was_there(void)
{
	io_setup(true);
	for (uint32_t nsid = 1; nsid <= 2; nsid++) {
		for (uint32_t deac = 0; deac < 2; deac++) {
			CU_ASSERT_EQUAL(io_write(nsid, 0, 256, 0x44), 0);
			CU_ASSERT_EQUAL(io_simple(NVH_OPC_WRITE_ZEROES, nsid, 3, 250,
						  deac ? NVH_WZ_DEAC | NVH_RW_FUA : 0),
					0);
			CU_ASSERT_TRUE(io_holds(nsid, 0, 3, 0x44));
			CU_ASSERT_TRUE(io_holds(nsid, 3, 250, 0));
			CU_ASSERT_TRUE(io_holds(nsid, 253, 3, 0x44));
		}
		CU_ASSERT_EQUAL(io_simple(NVH_OPC_FLUSH, nsid, 0, 1, 0), 0);
		CU_ASSERT_EQUAL(io_simple(NVH_OPC_VERIFY, nsid, 0, 1024, 0), 0);
	}
	io_teardown(true);
}

static unsigned int io_dsm(uint32_t nsid, const struct nvh_dsm_range *ranges, uint32_t count,
			   uint32_t attributes, uint32_t len)
{
	struct tt_cmd *cmd = tt_cmd(NVH_OPC_DSM, nsid);
	unsigned int status;

	tt_cmd_dw(cmd, 10, count - 1);
	tt_cmd_dw(cmd, 11, attributes);
	tt_cmd_data(cmd, len);
	memcpy(cmd->data, ranges, count * sizeof(*ranges));
	status = io_status(cmd);
	tt_cmd_free(cmd);
	return status;
}

static void deallocated_ranges_read_as_zeroes(void)
{
	struct nvh_dsm_range ranges[3];

	memset(ranges, 0, sizeof(ranges));
	nvh_le64_put(&ranges[0].slba, 10);
	nvh_le32_put(&ranges[0].nlb, 20);
	nvh_le64_put(&ranges[2].slba, 100);
	nvh_le32_put(&ranges[2].nlb, 8);
	io_setup(true);
	for (uint32_t nsid = 1; nsid <= 2; nsid++) {
		CU_ASSERT_EQUAL(io_write(nsid, 0, 256, 0x55), 0);
		CU_ASSERT_EQUAL(io_dsm(nsid, ranges, 3, NVH_DSM_IDR, 48), 0);
		CU_ASSERT_TRUE(io_holds(nsid, 0, 256, 0x55)); /* a hint only */
		CU_ASSERT_EQUAL(io_dsm(nsid, ranges, 3, NVH_DSM_AD, 48), 0);
		CU_ASSERT_TRUE(io_holds(nsid, 0, 10, 0x55));
		CU_ASSERT_TRUE(io_holds(nsid, 10, 20, 0));
		CU_ASSERT_TRUE(io_holds(nsid, 30, 70, 0x55));
		CU_ASSERT_TRUE(io_holds(nsid, 100, 8, 0));
	}
	CU_ASSERT_EQUAL(io_dsm(1, ranges, 3, NVH_DSM_AD, 47), NVH_ST_SGL_INVALID_DATA_LEN);
	nvh_le64_put(&ranges[2].slba, 1017);
	CU_ASSERT_EQUAL(io_dsm(1, ranges, 3, NVH_DSM_AD, 48), NVH_ST_LBA_RANGE);
	io_teardown(true);
}

static void deallocations_and_zeroes_obey_the_limits_told(void)
{
	struct tt_cmd *cmd;
	struct nvh_dsm_range range;

	io_setup(true);
	tt_subsystem()->dmrsl = 16;
	tt_subsystem()->wzsl = 1; /* 8 KiB */
	cmd = tt_cmd(NVH_ADM_IDENTIFY, 0);
	tt_cmd_dw(cmd, 10, NVH_CNS_IOCS_CTRLR);
	tt_cmd_data(cmd, 4096);
	CU_ASSERT_EQUAL(tt_status(admin, cmd), 0);
	CU_ASSERT_EQUAL(nvh_le32_get(((struct nvh_id_iocs_nvm *)cmd->data)->dmrsl), 16);
	CU_ASSERT_EQUAL(((struct nvh_id_iocs_nvm *)cmd->data)->wzsl, 1);
	tt_cmd_free(cmd);
	memset(&range, 0, sizeof(range));
	nvh_le32_put(&range.nlb, 16);
	CU_ASSERT_EQUAL(io_dsm(1, &range, 1, NVH_DSM_AD, 16), 0);
	nvh_le32_put(&range.nlb, 17);
	CU_ASSERT_EQUAL(io_dsm(1, &range, 1, NVH_DSM_AD, 16), NVH_ST_CMD_SIZE_LIMIT);
	CU_ASSERT_EQUAL(io_simple(NVH_OPC_WRITE_ZEROES, 1, 0, 16, 0), 0);
	CU_ASSERT_EQUAL(io_simple(NVH_OPC_WRITE_ZEROES, 1, 0, 17, 0), NVH_ST_INVALID_FIELD);
	io_teardown(true);
}

static void compare_tells_equal_from_different(void)
{
	io_setup(true);
	for (uint32_t nsid = 1; nsid <= 2; nsid++) {
		struct tt_cmd *cmd = tt_cmd(NVH_OPC_COMPARE, nsid);

		CU_ASSERT_EQUAL(io_write(nsid, 5, 2, 0x66), 0);
		tt_cmd_rw(cmd, 5, 2);
		memset(cmd->data, 0x66, 1024);
		CU_ASSERT_EQUAL(io_status(cmd), 0);
		cmd->done = false;
		cmd->data[1023] = 0;
		CU_ASSERT_EQUAL(io_status(cmd), NVH_ST_COMPARE_FAILED);
		tt_cmd_free(cmd);
	}
	io_teardown(true);
}

static void io_fused(uint32_t nsid, uint8_t expect, uint8_t fill, uint64_t second_lba,
		     unsigned int *ret_first, unsigned int *ret_second)
{
	struct tt_cmd *first = tt_cmd(NVH_OPC_COMPARE, nsid), *second = tt_cmd(NVH_OPC_WRITE, nsid);

	first->req.cmd.flags |= NVH_CMD_FUSE_FIRST;
	second->req.cmd.flags |= NVH_CMD_FUSE_SECOND;
	tt_cmd_rw(first, 7, 1);
	tt_cmd_rw(second, second_lba, 1);
	memset(first->data, expect, 512);
	memset(second->data, fill, 512);
	tt_exec(io, first);
	CU_ASSERT_FALSE(first->done);
	*ret_second = io_status(second);
	CU_ASSERT_TRUE(first->done);
	*ret_first = nvh_cpl_code(&first->cpl);
	tt_cmd_free(first);
	tt_cmd_free(second);
}

static void compare_and_write_writes_only_when_equal(void)
{
	unsigned int first, second;

	io_setup(true);
	for (uint32_t nsid = 1; nsid <= 2; nsid++) {
		io_fused(nsid, 0, 0x77, 7, &first, &second);
		CU_ASSERT_EQUAL(first, 0);
		CU_ASSERT_EQUAL(second, 0);
		CU_ASSERT_TRUE(io_holds(nsid, 7, 1, 0x77));
		io_fused(nsid, 0, 0x88, 7, &first, &second);
		CU_ASSERT_EQUAL(first, NVH_ST_COMPARE_FAILED);
		CU_ASSERT_EQUAL(second, NVH_ST_ABORTED_FAILED_FUSED);
		CU_ASSERT_TRUE(io_holds(nsid, 7, 1, 0x77));
		io_fused(nsid, 0x77, 0x88, 8, &first, &second); /* not the same blocks */
		CU_ASSERT_EQUAL(first, NVH_ST_INVALID_FIELD);
		CU_ASSERT_EQUAL(second, NVH_ST_ABORTED_FAILED_FUSED);
	}
	io_teardown(true);
}

static void half_a_fused_pair_is_aborted(void)
{
	struct tt_cmd *first, *second;

	io_setup(false);
	second = tt_cmd(NVH_OPC_WRITE, 1);
	second->req.cmd.flags |= NVH_CMD_FUSE_SECOND;
	tt_cmd_rw(second, 0, 1);
	CU_ASSERT_EQUAL(io_status(second), NVH_ST_ABORTED_MISSING_FUSED);
	tt_cmd_free(second);
	first = tt_cmd(NVH_OPC_COMPARE, 1);
	first->req.cmd.flags |= NVH_CMD_FUSE_FIRST;
	tt_cmd_rw(first, 0, 1);
	tt_exec(io, first);
	CU_ASSERT_EQUAL(io_simple(NVH_OPC_FLUSH, 1, 0, 1, 0), 0); /* not its second */
	CU_ASSERT_TRUE(first->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&first->cpl), NVH_ST_ABORTED_MISSING_FUSED);
	tt_cmd_free(first);
	first = tt_cmd(NVH_OPC_COMPARE, 1);
	first->req.cmd.flags |= NVH_CMD_FUSE_FIRST;
	tt_cmd_rw(first, 0, 1);
	tt_exec(io, first);
	/* Nor does it hold up the namespace's removal. */
	CU_ASSERT_EQUAL(tl_subsystem_remove_ns(tt_subsystem(), 1, tt_done, NULL), 0);
	tt_run();
	CU_ASSERT_TRUE(first->done);
	CU_ASSERT_EQUAL(tt.done, 1);
	tt_cmd_free(first);
	io_teardown(false);
}

static unsigned int io_copy(uint32_t nsid, uint64_t to, const struct nvh_copy_range0 *ranges,
			    uint32_t count, uint32_t *ret_dw0)
{
	struct tt_cmd *cmd = tt_cmd(NVH_OPC_COPY, nsid);
	unsigned int status;

	tt_cmd_dw(cmd, 10, (uint32_t)to);
	tt_cmd_dw(cmd, 12, count - 1);
	tt_cmd_data(cmd, count * 32);
	memcpy(cmd->data, ranges, count * 32);
	status = io_status(cmd);
	*ret_dw0 = tt_dw0(cmd);
	tt_cmd_free(cmd);
	return status;
}

static void copy_gathers_its_ranges(void)
{
	struct nvh_copy_range0 ranges[17];
	uint32_t dw0;

	memset(ranges, 0, sizeof(ranges));
	nvh_le64_put(&ranges[0].slba, 20);
	nvh_le16_put(&ranges[0].nlb, 1);
	nvh_le64_put(&ranges[1].slba, 10);
	io_setup(true);
	for (uint32_t nsid = 1; nsid <= 2; nsid++) {
		CU_ASSERT_EQUAL(io_write(nsid, 20, 2, 0xaa), 0);
		CU_ASSERT_EQUAL(io_write(nsid, 10, 1, 0xbb), 0);
		CU_ASSERT_EQUAL(io_copy(nsid, 500, ranges, 2, &dw0), 0);
		CU_ASSERT_EQUAL(dw0, 2);
		CU_ASSERT_TRUE(io_holds(nsid, 500, 2, 0xaa));
		CU_ASSERT_TRUE(io_holds(nsid, 502, 1, 0xbb));
		CU_ASSERT_TRUE(io_holds(nsid, 503, 1, 0));
	}
	CU_ASSERT_EQUAL(io_copy(1, 1022, ranges, 2, &dw0), NVH_ST_LBA_RANGE);
	CU_ASSERT_EQUAL(io_copy(1, 0, ranges, 17, &dw0), NVH_ST_CMD_SIZE_LIMIT);
	nvh_le64_put(&ranges[1].slba, 1024);
	CU_ASSERT_EQUAL(io_copy(1, 0, ranges, 2, &dw0), NVH_ST_LBA_RANGE);
	io_teardown(true);
}

static void a_file_cut_short_is_a_media_error(void)
{
	io_setup(true);
	CU_ASSERT_EQUAL(io_write(2, 900, 1, 0x12), 0);
	CU_ASSERT_EQUAL(truncate(file_path, 512 * 100), 0);
	CU_ASSERT_FALSE(io_holds(2, 900, 1, 0x12));
	CU_ASSERT_EQUAL(io_simple(NVH_OPC_VERIFY, 2, 900, 1, 0), NVH_ST_READ_ERROR);
	io_teardown(true);
}

static void a_file_that_cannot_be_served_says_why(void)
{
	struct tl_bdev_create_opts create = {
		.filename = "/dev/full", .block_size = 512, .blocks = 8};
	struct tl_bdev *bdev;
	char image[] = "/dev/shm/nvhost-io-test.XXXXXX";
	int fd;

	tt_setup(1);
	CU_ASSERT_EQUAL(tl_file_create(&tt.target->bdevs, &create, &bdev), -EINVAL); /* no file */
	create.filename = "/nonexistent/x";
	CU_ASSERT_EQUAL(tl_file_create(&tt.target->bdevs, &create, &bdev), -ENOENT);
	create.blocks = 0;
	create.filename = "/tmp";
	create.read_only = true;
	CU_ASSERT_EQUAL(tl_file_create(&tt.target->bdevs, &create, &bdev), -EISDIR);
	fd = mkstemp(image);
	CU_ASSERT_FATAL(fd >= 0);
	create.filename = image;
	CU_ASSERT_EQUAL(tl_file_create(&tt.target->bdevs, &create, &bdev), -ERANGE); /* empty */
	close(fd);
	unlink(image);
	tt_teardown();
}

/* A limit on file size stands for a full disk: both are EFBIG or ENOSPC from pwrite. */
static void a_full_disk_is_capacity_exceeded(void)
{
	struct rlimit old, limit;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

	io_setup(true);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 64 << 10;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
	CU_ASSERT_EQUAL(io_write(2, 500, 8, 0x12), NVH_ST_CAPACITY_EXCEEDED);
	CU_ASSERT_EQUAL(io_write(2, 0, 8, 0x12), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &old), 0);
	CU_ASSERT_EQUAL(io_write(2, 500, 8, 0x12), NVH_ST_SUCCESS);
	io_teardown(true);
	signal(SIGXFSZ, handler);
}

static void a_read_only_file_refuses_writes(void)
{
	struct tl_bdev_create_opts create = {.block_size = 512, .read_only = true};
	struct tl_ns_opts ns = {.nsid = 3};
	struct tl_bdev *bdev;
	uint32_t nsid;

	io_setup(true);
	create.filename = file_path;
	CU_ASSERT_EQUAL_FATAL(tl_file_create(&tt.target->bdevs, &create, &bdev), 0);
	CU_ASSERT_EQUAL(bdev->blocks, 1024);
	CU_ASSERT_EQUAL(memcmp(bdev->uuid, tt_subsystem()->ns[1]->uuid, 16), 0); /* the same file */
	ns.bdev_name = bdev->name;
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(tt_subsystem(), &ns, tt_done, NULL, &nsid), 0);
	tt_run();
	CU_ASSERT_EQUAL(io_write(2, 0, 1, 0x42), 0);
	CU_ASSERT_TRUE(io_holds(3, 0, 1, 0x42));
	CU_ASSERT_EQUAL(io_write(3, 0, 1, 0x43), NVH_ST_NS_WRITE_PROTECTED);
	CU_ASSERT_EQUAL(io_simple(NVH_OPC_WRITE_ZEROES, 3, 0, 1, 0), NVH_ST_NS_WRITE_PROTECTED);
	CU_ASSERT_TRUE(io_holds(2, 0, 1, 0x42));
	io_teardown(true);
}

static void lent_reads_need_no_buffer(void)
{
	struct tt_cmd *cmd;

	io_setup(false);
	CU_ASSERT_EQUAL(io_write(1, 0, 8, 0x99), 0);
	cmd = tt_cmd(NVH_OPC_READ, 1);
	tt_cmd_rw(cmd, 0, 8);
	CU_ASSERT_TRUE(tl_request_is_inline(&io->qpair, &cmd->req.cmd));
	cmd->keep = true;
	tl_cmd_transfer(&cmd->req.cmd, &cmd->req.xfer_len, &cmd->req.dir);
	cmd->req.qpair = &io->qpair;
	cmd->req.may_lend = true;
	tl_request_exec(&cmd->req);
	CU_ASSERT_TRUE(cmd->done);
	CU_ASSERT_EQUAL(cmd->data_len, 4096);
	CU_ASSERT_EQUAL(cmd->data[4095], 0x99);
	/* The namespace stays while its memory is lent. */
	CU_ASSERT_EQUAL(tl_subsystem_remove_ns(tt_subsystem(), 1, tt_done, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 0);
	tl_request_end(&cmd->req);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 1);
	tt_cmd_free(cmd);
	io_teardown(false);
}

NVH_UNIT_MAIN("target-lite/core/io", NVH_TEST(what_was_written_is_read),
	      NVH_TEST(the_end_of_the_namespace_is_the_end),
	      NVH_TEST(a_buffer_that_does_not_fit_the_blocks_is_refused),
	      NVH_TEST(zeroes_are_zeroes_whatever_was_there),
	      NVH_TEST(deallocated_ranges_read_as_zeroes),
	      NVH_TEST(deallocations_and_zeroes_obey_the_limits_told),
	      NVH_TEST(compare_tells_equal_from_different),
	      NVH_TEST(compare_and_write_writes_only_when_equal),
	      NVH_TEST(half_a_fused_pair_is_aborted), NVH_TEST(copy_gathers_its_ranges),
	      NVH_TEST(a_file_cut_short_is_a_media_error),
	      NVH_TEST(a_file_that_cannot_be_served_says_why),
	      NVH_TEST(a_full_disk_is_capacity_exceeded), NVH_TEST(a_read_only_file_refuses_writes),
	      NVH_TEST(lent_reads_need_no_buffer))
