/*
 * Where a command's data is in the memory of a vfio-user client: PRPs of every offset and length,
 * lists that are chained, wrong or without end, addresses that are nobody's, memory that is
 * rewritten or taken away while a command runs.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/target_vfu_fixture.h"

#include "base/spec/nvme_feature.h"
#include "target-lite/backend/bdev.h"

#define SPARE TV_PAGE /* of the data area, on each side of what a command moves */

static uint8_t pattern(uint32_t at, uint32_t seed)
{
	return (uint8_t)(at * 7 + at / 512 + at / 4096 * 3 + seed);
}

/* ---- PRPs ------------------------------------------------------------------------------------ */

/* Page `i` of `pages`: in order, or from the last to the first. */
static uint64_t page_at(uint32_t i, uint32_t pages, bool scattered)
{
	return TV_DATA + SPARE + (uint64_t)TV_PAGE * (scattered ? 2 * (pages - 1 - i) : i);
}

struct prps {
	uint64_t prp1, prp2;
	uint32_t pages, offset;
	bool scattered;
};

/* Data of `len` bytes from `offset` in its first page; lists begin at `list_at` in theirs. */
static struct prps build(struct tv_client *c, uint32_t offset, uint32_t len, bool scattered,
			 uint32_t list_at)
{
	struct prps p = {.pages = (offset + len + TV_PAGE - 1) / TV_PAGE,
			 .offset = offset,
			 .scattered = scattered};
	uint32_t at = TV_LIST + list_at;

	p.prp1 = TV_IOVA + page_at(0, p.pages, scattered) + offset;
	if (p.pages == 2)
		p.prp2 = TV_IOVA + page_at(1, p.pages, scattered);
	if (p.pages <= 2)
		return p;
	p.prp2 = TV_IOVA + at;
	for (uint32_t i = 1; i < p.pages; i++) {
		if (at % TV_PAGE == TV_PAGE - 8 && i + 1 < p.pages) {
			uint32_t next = at / TV_PAGE * TV_PAGE + 2 * TV_PAGE;

			tv_put64(c, at, TV_IOVA + next);
			at = next;
		}
		tv_put64(c, at, TV_IOVA + page_at(i, p.pages, scattered));
		at += 8;
	}
	return p;
}

/* Byte `at` of the data, in the client's memory. */
static uint8_t *byte_at(struct tv_client *c, const struct prps *p, uint32_t at)
{
	uint32_t from = p->offset + at;

	return c->mem + page_at(from / TV_PAGE, p->pages, p->scattered) + from % TV_PAGE;
}

/* Writes data that lies like that, reads it back to where it lies like this. */
static void round_trip(struct tv_client *c, uint32_t offset, uint32_t blocks, bool scattered,
		       uint32_t list_at, uint32_t seed)
{
	uint32_t len = blocks * 512, moved = 0;
	struct prps p = build(c, offset, len, scattered, list_at);
	struct nvh_cmd cmd = tv_rw(NVH_OPC_WRITE, 1, seed % 64, blocks, p.prp1, p.prp2);
	bool same = true;

	memset(c->mem + TV_DATA, 0xee, TV_MEM - TV_DATA);
	for (uint32_t i = 0; i < len; i++)
		*byte_at(c, &p, i) = pattern(i, seed);
	CU_ASSERT_EQUAL_FATAL(tv_exec(c, 1, &cmd), 0);
	memset(c->mem + TV_DATA, 0xee, TV_MEM - TV_DATA);
	cmd.opc = NVH_OPC_READ;
	CU_ASSERT_EQUAL_FATAL(tv_exec(c, 1, &cmd), 0);
	for (uint32_t i = 0; i < len; i++)
		same = same && *byte_at(c, &p, i) == pattern(i, seed);
	CU_ASSERT_TRUE(same);
	/* And nothing beside it was touched. */
	for (uint32_t i = 0; i < len; i++)
		*byte_at(c, &p, i) = 0xee;
	for (uint32_t i = TV_DATA; i < TV_MEM; i++)
		moved += c->mem[i] != 0xee;
	CU_ASSERT_EQUAL(moved, 0);
}

static void data_moves_from_and_to_every_offset_and_length(void)
{
	static const uint32_t offsets[] = {0, 4, 8, 508, 512, 2048, 3584, 4088, 4092};
	static const uint32_t blocks[] = {1, 2, 7, 8, 9, 15, 16, 17, 24, 25, 255, 256};
	static const uint32_t lists[] = {0, 8, 2048, 4072, 4080, 4088};
	struct tv_client *c;
	uint32_t seed = 0;

	tv_setup();
	c = tv_ready();
	for (unsigned int o = 0; o < 9; o++)
		for (unsigned int b = 0; b < 12; b++)
			for (unsigned int l = 0; l < 6; l++) {
				if (blocks[b] <= 8 && l)
					break; /* no list */
				round_trip(c, offsets[o], blocks[b], false, lists[l], ++seed);
				round_trip(c, offsets[o], blocks[b], true, lists[l], ++seed);
			}
	tv_close(c);
	tv_teardown();
}

static void prps_must_be_aligned(void)
{
	struct nvh_cmd cmd;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA + 2, TV_IOVA + TV_DATA + TV_PAGE);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_PRP_INVALID_OFFSET);
	/* The second of two */
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 16, TV_IOVA + TV_DATA, TV_IOVA + TV_DATA + TV_PAGE + 512);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_PRP_INVALID_OFFSET);
	/* A list, and what stands in it */
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 24, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST + 4);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_PRP_INVALID_OFFSET);
	for (uint32_t i = 0; i < 2; i++) {
		tv_put64(c, TV_LIST, TV_IOVA + TV_DATA);
		tv_put64(c, TV_LIST + 8, TV_IOVA + TV_DATA);
		tv_put64(c, TV_LIST + i * 8, TV_IOVA + TV_DATA + 8);
		cmd = tv_rw(NVH_OPC_READ, 1, 0, 24, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_PRP_INVALID_OFFSET);
	}
	tv_close(c);
	tv_teardown();
}

/* Lists with room for one entry, which leads to such a list again: there would be no end. */
static void lists_that_lead_in_a_circle_end_the_command(void)
{
	struct nvh_cmd cmd;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	tv_put64(c, TV_LIST + 4088, TV_IOVA + TV_LIST + 4088);
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 32, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST + 4088);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_PRP_INVALID_OFFSET);
	/* Two that lead to each other */
	tv_put64(c, TV_LIST + 4088, TV_IOVA + TV_LIST + 8184);
	tv_put64(c, TV_LIST + 8184, TV_IOVA + TV_LIST + 4088);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_PRP_INVALID_OFFSET);
	/* A whole page that leads to itself ends with the data. */
	for (uint32_t i = 0; i < 512; i++)
		tv_put64(c, TV_LIST + i * 8, TV_IOVA + TV_LIST);
	cmd = tv_rw(NVH_OPC_WRITE, 1, 0, 256, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
	tv_close(c);
	tv_teardown();
}

static void addresses_outside_the_maps_are_refused(void)
{
	static const uint64_t bad[] = {0,
				       4096,
				       TV_IOVA - TV_PAGE,
				       TV_IOVA + TV_MEM,
				       TV_IOVA + TV_MEM + ((uint64_t)1 << 40),
				       UINT64_MAX - 4095,
				       (uint64_t)1 << 63};
	struct nvh_cmd cmd;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	for (unsigned int i = 0; i < 7; i++) {
		cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, bad[i], 0);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
		cmd.opc = NVH_OPC_WRITE;
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
		cmd = tv_rw(NVH_OPC_WRITE, 1, 0, 16, TV_IOVA + TV_DATA, bad[i]);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
		cmd = tv_rw(NVH_OPC_WRITE, 1, 0, 24, TV_IOVA + TV_DATA, bad[i]);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
		tv_put64(c, TV_LIST, TV_IOVA + TV_DATA);
		tv_put64(c, TV_LIST + 8, bad[i]);
		cmd = tv_rw(NVH_OPC_WRITE, 1, 0, 24, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
	}
	/* Over the end of the memory, and from before its beginning; over the end of addresses. */
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 16, TV_IOVA + TV_MEM - TV_PAGE, TV_IOVA + TV_MEM);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA - 4, TV_IOVA);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 16, UINT64_MAX - 4095, 0);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
	tv_close(c);
	tv_assert_alive();
	tv_teardown();
}

/* A virtual machine's memory is many files, side by side. */
static void data_may_lie_in_two_maps_side_by_side(void)
{
	const uint64_t at = TV_IOVA + TV_MEM + TV_PAGE;
	struct tv_client *c;
	uint8_t bytes[2 * TV_PAGE], back[2 * TV_PAGE];
	struct nvh_cmd cmd;
	int first, second;

	tv_setup();
	c = tv_ready();
	first = tv_memfd(TV_PAGE, F_SEAL_SHRINK);
	second = tv_memfd(TV_PAGE, F_SEAL_SHRINK);
	CU_ASSERT_EQUAL(tv_map(c, second, 0, at + TV_PAGE, TV_PAGE), 0);
	CU_ASSERT_EQUAL(tv_map(c, first, 0, at, TV_PAGE), 0);
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i, 5);
	for (uint32_t offset = 0; offset < TV_PAGE; offset += 2048) {
		uint32_t blocks = (2 * TV_PAGE - offset) / 512;

		CU_ASSERT_EQUAL(pwrite(first, bytes, TV_PAGE, 0), TV_PAGE);
		CU_ASSERT_EQUAL(pwrite(second, bytes + TV_PAGE, TV_PAGE, 0), TV_PAGE);
		cmd = tv_rw(NVH_OPC_WRITE, 1, 0, blocks, at + offset, at + TV_PAGE);
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
		CU_ASSERT_EQUAL(ftruncate(first, TV_PAGE), 0);
		memset(back, 0, sizeof(back));
		CU_ASSERT_EQUAL(pwrite(first, back, TV_PAGE, 0), TV_PAGE);
		CU_ASSERT_EQUAL(pwrite(second, back, TV_PAGE, 0), TV_PAGE);
		cmd.opc = NVH_OPC_READ;
		CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
		CU_ASSERT_EQUAL(pread(first, back, TV_PAGE, 0), TV_PAGE);
		CU_ASSERT_EQUAL(pread(second, back + TV_PAGE, TV_PAGE, 0), TV_PAGE);
		CU_ASSERT_EQUAL(memcmp(back + offset, bytes + offset, blocks * 512), 0);
	}
	close(first);
	close(second);
	tv_close(c);
	tv_teardown();
}

static void more_than_mdts_and_sgls_are_refused(void)
{
	struct nvh_cmd cmd;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 257, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_INVALID_FIELD);
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 65536, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_INVALID_FIELD);
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
	cmd.flags = NVH_CMD_PSDT_SGL;
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_INVALID_FIELD);
	/* Get Log Page of 16 GiB */
	cmd = tv_cmd(NVH_ADM_GET_LOG_PAGE, NVH_NSID_ALL);
	nvh_le32_put(&cmd.cdw10, 0xffff0002);
	nvh_le32_put(&cmd.cdw11, 0xffff);
	nvh_le64_put(&cmd.dptr.prp.prp1, TV_IOVA + TV_DATA);
	CU_ASSERT_EQUAL(tv_exec(c, 0, &cmd), NVH_ST_INVALID_FIELD);
	tv_close(c);
	tv_teardown();
}

/* ---- memory that changes meanwhile ----------------------------------------------------------- */

static void put_dsm_range(struct tv_client *c, uint32_t i, uint64_t slba, uint32_t nlb)
{
	struct nvh_dsm_range range = {0};

	nvh_le64_put(&range.slba, slba);
	nvh_le32_put(&range.nlb, nlb);
	memcpy(c->mem + TV_DATA + i * sizeof(range), &range, sizeof(range));
}

/* Ranges are used one by one, long after they were checked. */
static void ranges_that_are_rewritten_after_the_check_change_nothing(void)
{
	struct nvh_cmd cmd = tv_cmd(NVH_OPC_DSM, 2);
	struct nvh_cpl cpl;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	tv_hold_io(TL_BDEV_UNMAP);
	for (uint32_t i = 0; i < 4; i++)
		put_dsm_range(c, i, 8 * i, 8);
	nvh_le64_put(&cmd.dptr.prp.prp1, TV_IOVA + TV_DATA);
	nvh_le32_put(&cmd.cdw10, 3);
	nvh_le32_put(&cmd.cdw11, NVH_DSM_AD);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), -1); /* its first range is held */
	for (uint32_t i = 0; i < 4; i++)
		put_dsm_range(c, i, 1ull << 40, 1u << 30);
	tv_resume();
	CU_ASSERT_TRUE_FATAL(tv_cpl(c, 1, &cpl));
	CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), 0);
	tv_close(c);
	tv_assert_alive();
	tv_teardown();
}

static void put_copy_range(struct tv_client *c, uint32_t i, uint64_t slba, uint32_t blocks)
{
	struct nvh_copy_range0 range = {0};

	nvh_le64_put(&range.slba, slba);
	nvh_le16_put(&range.nlb, (uint16_t)(blocks - 1));
	memcpy(c->mem + TV_DATA + i * sizeof(range), &range, sizeof(range));
}

static void sources_of_a_copy_that_are_rewritten_change_nothing(void)
{
	struct nvh_cmd cmd = tv_cmd(NVH_OPC_COPY, 2);
	struct nvh_cpl cpl;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	tv_hold_io(TL_BDEV_READ);
	for (uint32_t i = 0; i < 4; i++)
		put_copy_range(c, i, 8 * i, 8);
	nvh_le64_put(&cmd.dptr.prp.prp1, TV_IOVA + TV_DATA);
	nvh_le32_put(&cmd.cdw10, 1024);
	nvh_le32_put(&cmd.cdw12, 3);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), -1);
	for (uint32_t i = 0; i < 4; i++)
		put_copy_range(c, i, 1ull << 40,
			       65536); /* far more than was set aside for 8 blocks */
	tv_resume();
	CU_ASSERT_TRUE_FATAL(tv_cpl(c, 1, &cpl));
	CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), 0);
	tv_close(c);
	tv_assert_alive();
	tv_teardown();
}

static void memory_that_is_unmapped_under_io_goes_when_the_io_ends(void)
{
	const uint64_t at = TV_IOVA + TV_MEM;
	struct tv_client *c;
	struct nvh_cmd cmd;
	struct nvh_cpl cpl;
	int fd;

	tv_setup();
	c = tv_ready();
	fd = tv_memfd(4 * TV_PAGE, F_SEAL_SHRINK);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4 * TV_PAGE), 0);
	tv_hold_io(TL_BDEV_READ);
	cmd = tv_rw(NVH_OPC_READ, 2, 0, 8, at, 0);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), -1);
	cmd = tv_rw(NVH_OPC_READ, 2, 0, 16, at + TV_PAGE, at + 3 * TV_PAGE);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), -1);
	/* Not answered before both have ended; nobody new meanwhile, nothing in its place. */
	CU_ASSERT_EQUAL(tv_unmap(c, at, 4 * TV_PAGE), -1);
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, at, 0);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), NVH_ST_DATA_XFER_ERROR);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4 * TV_PAGE), EEXIST);
	CU_ASSERT_EQUAL(tv_unmap(c, at, 4 * TV_PAGE), EBUSY);
	tv_resume();
	CU_ASSERT_TRUE(tv_reply(c));
	CU_ASSERT_EQUAL(c->header.command, NVH_VFU_DMA_UNMAP);
	CU_ASSERT_EQUAL(c->header.error, 0);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(tv_cpl(c, 1, &cpl));
		CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), 0);
	}
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4 * TV_PAGE), 0);
	close(fd);
	tv_close(c);
	tv_teardown();
}

/* ---- buffers in between ---------------------------------------------------------------------- */

/* Data in two pieces takes one of 32 buffers. */
static struct nvh_cmd scattered(uint8_t opc, uint32_t nsid, uint32_t i)
{
	uint64_t at = TV_IOVA + TV_DATA + (uint64_t)i * 4 * TV_PAGE;

	return tv_rw(opc, nsid, i * 16, 16, at + 2 * TV_PAGE, at);
}

static void commands_beyond_the_buffers_wait_for_one(void)
{
	struct nvh_cmd cmd;
	struct nvh_cpl cpl;
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	tv_enable(c);
	tv_create_queue(c, 1, 64);
	tv_hold_io(TL_BDEV_READ);
	for (uint32_t i = 0; i < 60; i++) {
		cmd = scattered(NVH_OPC_READ, 2, i);
		tv_put_cmd(c, 1, &cmd);
	}
	tv_ring(c, 1);
	CU_ASSERT_FALSE(tv_cpl(c, 1, &cpl));
	tv_resume();
	for (uint32_t i = 0; i < 60; i++) {
		CU_ASSERT_TRUE_FATAL(tv_cpl(c, 1, &cpl));
		CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), 0);
	}
	tv_close(c);
	tv_teardown();
}

/* 32 commands have the buffers and are held; the list of all that wait goes wrong meanwhile. */
static void commands_that_fail_in_line_let_the_next_ones_through(void)
{
	unsigned int done[3] = {0}, failed = 0;
	struct nvh_cmd cmd;
	struct nvh_cpl cpl;
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	tv_enable(c);
	tv_create_queue(c, 1, 64);
	tv_create_queue(c, 2, 64);
	tv_hold_io(TL_BDEV_READ);
	for (uint32_t i = 0; i < 32; i++) {
		cmd = scattered(NVH_OPC_READ, 2, i);
		tv_put_cmd(c, 1, &cmd);
	}
	for (uint32_t i = 0; i < 2; i++)
		tv_put64(c, TV_LIST + i * 8, TV_IOVA + TV_DATA + 0x100000 + i * 2 * TV_PAGE);
	cmd = tv_rw(NVH_OPC_READ, 2, 0, 24, TV_IOVA + TV_DATA, TV_IOVA + TV_LIST);
	for (uint32_t i = 32; i < 126; i++)
		tv_put_cmd(c, i < 63 ? 1 : 2, &cmd);
	tv_ring(c, 1);
	tv_ring(c, 2);
	CU_ASSERT_FALSE(tv_cpl(c, 1, &cpl));
	tv_put64(c, TV_LIST, 8);
	/* None of them takes a buffer, and so none gives one back. */
	tv_resume();
	for (uint16_t q = 1; q <= 2; q++)
		while (tv_cpl(c, q, &cpl)) {
			done[q]++;
			failed += nvh_cpl_code(&cpl) == NVH_ST_PRP_INVALID_OFFSET;
		}
	CU_ASSERT_EQUAL(done[1], 63);
	CU_ASSERT_EQUAL(done[2], 63);
	CU_ASSERT_EQUAL(failed, 94);
	tv_close(c);
	tv_teardown();
}

/* They are done at once, each from within the end of the one before: that must not go deep. */
static void a_long_line_of_commands_takes_no_stack(void)
{
	struct tl_transport_opts opts;
	struct nvh_cmd cmd;
	struct nvh_cpl cpl;
	struct tv_client *c;
	const uint32_t entries = 32768;
	const uint64_t sq = TV_IOVA + TV_MEM, cq = sq + entries * 64ull;
	struct nvh_cmd *ring;
	int fd;

	tl_transport_opts_default(&opts);
	opts.max_queue_depth = entries;
	tv_setup_with(&opts);
	c = tv_open();
	tv_enable(c);
	tv_create_queue(c, 1, 64);
	fd = tv_memfd(entries * 80ull, F_SEAL_SHRINK);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, sq, entries * 80ull), 0);
	CU_ASSERT_EQUAL(tv_create_cq(c, 2, entries, cq, NVH_CREATE_CQ_PC), 0);
	CU_ASSERT_EQUAL(tv_create_sq(c, 2, entries, sq, 2), 0);
	tv_hold_io(TL_BDEV_READ);
	for (uint32_t i = 0; i < 32; i++) {
		cmd = scattered(NVH_OPC_READ, 2, i);
		tv_put_cmd(c, 1, &cmd);
	}
	tv_ring(c, 1);
	ring = calloc(entries, sizeof(*ring));
	for (uint32_t i = 0; i < entries; i++) {
		ring[i] = scattered(NVH_OPC_READ, 1, i % 64);
		nvh_le16_put(&ring[i].cid, (uint16_t)i);
	}
	CU_ASSERT_EQUAL(pwrite(fd, ring, entries * sizeof(*ring), 0),
			(ssize_t)(entries * sizeof(*ring)));
	free(ring);
	__atomic_store_n(&c->db[4], entries - 2, __ATOMIC_RELEASE);
	tv_run();
	tv_resume();
	for (uint32_t i = 0; i < 32; i++)
		CU_ASSERT_TRUE(tv_cpl(c, 1, &cpl));
	CU_ASSERT_EQUAL(pread(fd, &cpl, sizeof(cpl),
			      (off_t)(entries * 64ull + (entries - 3) * sizeof(cpl))),
			sizeof(cpl));
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.status), 1); /* the last of them: success, phase 1 */
	close(fd);
	tv_close(c);
	tv_teardown();
}

/* ---- other commands -------------------------------------------------------------------------- */

static void fabrics_commands_are_nothing_here(void)
{
	struct nvh_cmd cmd;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	for (uint32_t q = 0; q < 2; q++)
		for (uint32_t fctype = 0; fctype < 16; fctype++) {
			cmd = tv_cmd(NVH_ADM_FABRICS, fctype); /* it stands where the NSID is */
			CU_ASSERT_EQUAL(tv_exec(c, (uint16_t)q, &cmd), NVH_ST_INVALID_OPCODE);
		}
	CU_ASSERT_FALSE(tv_is_gone(c));
	tv_close(c);
	tv_teardown();
}

static void every_opcode_is_answered(void)
{
	struct nvh_cmd cmd;
	struct tv_client *c;

	tv_setup();
	c = tv_ready();
	for (uint32_t opc = 0; opc < 256; opc++) {
		if (opc == NVH_ADM_AER || opc == NVH_ADM_DBBUF)
			continue;
		for (uint16_t q = 0; q < 2; q++) {
			cmd = tv_cmd((uint8_t)opc, 1);
			memset(&cmd.cdw10, 0xff, 24);
			nvh_le64_put(&cmd.dptr.prp.prp1, TV_IOVA + TV_DATA);
			nvh_le64_put(&cmd.dptr.prp.prp2, TV_IOVA + TV_LIST);
			CU_ASSERT_TRUE(tv_exec(c, q, &cmd) >= 0);
		}
	}
	tv_close(c);
	tv_assert_alive();
	tv_teardown();
}

NVH_UNIT_MAIN("target-lite/vfio-user/data",
	      NVH_TEST(data_moves_from_and_to_every_offset_and_length),
	      NVH_TEST(prps_must_be_aligned), NVH_TEST(lists_that_lead_in_a_circle_end_the_command),
	      NVH_TEST(addresses_outside_the_maps_are_refused),
	      NVH_TEST(data_may_lie_in_two_maps_side_by_side),
	      NVH_TEST(more_than_mdts_and_sgls_are_refused),
	      NVH_TEST(ranges_that_are_rewritten_after_the_check_change_nothing),
	      NVH_TEST(sources_of_a_copy_that_are_rewritten_change_nothing),
	      NVH_TEST(memory_that_is_unmapped_under_io_goes_when_the_io_ends),
	      NVH_TEST(commands_beyond_the_buffers_wait_for_one),
	      NVH_TEST(commands_that_fail_in_line_let_the_next_ones_through),
	      NVH_TEST(a_long_line_of_commands_takes_no_stack),
	      NVH_TEST(fabrics_commands_are_nothing_here), NVH_TEST(every_opcode_is_answered))
