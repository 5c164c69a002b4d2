/*
 * BAR 0 of a vfio-user server that means harm: doorbells that are mapped must stay, and be whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/vfu_server_fixture.h"

static bool is_mapped(void)
{
	return vs_vfu->bus.ops->doorbell(&vs_vfu->bus, nvh_db_sq(1, 0)) != NULL;
}

/* ---- doorbells ------------------------------------------------------------------------------- */

static void doorbells_are_mapped_only_where_that_is_safe(void)
{
	static const struct {
		uint64_t offset, size, info_offset, info_size;
		uint32_t nr_areas, cap_offset, cap_next;
		uint16_t cap_id;
		uint64_t file;
		unsigned int seals;
	} bad[] = {
		{0x1000, 1, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 3, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0xfff, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x2000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, UINT64_MAX, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0, UINT64_MAX, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, UINT64_MAX, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, INT64_MAX, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0xf000, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, 0x1800, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x8000, 0x1000, 0, VS_BAR_SIZE, UINT32_MAX, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 0, 32, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 0xfffffff0, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 60, 0, 1, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0xfffffff0, 9, VS_BAR_SIZE, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, 0x1000, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, 0x1fff, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, 0, F_SEAL_SHRINK},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, 0},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE, F_SEAL_GROW},
		{0x1000, 0x1000, 0, VS_BAR_SIZE, 1, 32, 0, 1, VS_BAR_SIZE,
		 F_SEAL_SHRINK | F_SEAL_WRITE},
	};

	vs_setup();
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vs.bar.area.offset = bad[i].offset;
		vs.bar.area.size = bad[i].size;
		vs.bar.info.offset = bad[i].info_offset;
		vs.bar.info.size = bad[i].info_size;
		vs.bar.info.cap_offset = bad[i].cap_offset;
		vs.bar.cap.nr_areas = bad[i].nr_areas;
		vs.bar.cap.header.next = bad[i].cap_next;
		vs.bar.cap.header.id = bad[i].cap_id;
		vs.cap = VS_CAP | 15ull << NVH_CAP_DSTRD_SHIFT;
		vs_set_bar(bad[i].file, bad[i].seals);
		CU_ASSERT_EQUAL(vs_begin(), 0);
		for (uint16_t q = 0; q < 128; q++)
			CU_ASSERT_EQUAL(vs_vfu->bus.ops->doorbell(&vs_vfu->bus, nvh_db_sq(q, 15)),
					NULL);
		CU_ASSERT_EQUAL(vs_vfu->bus.ops->doorbell(&vs_vfu->bus, UINT32_MAX), NULL);
		/* They go by messages, then. */
		vs_vfu->bus.ops->write32(&vs_vfu->bus, nvh_db_sq(1, 15), 1);
		vs_run();
		CU_ASSERT_EQUAL(vs_told.gone, 0);
		vs_again();
	}
	vs_teardown();
}

static void a_doorbell_is_mapped_whole_or_not(void)
{
	static const uint64_t sizes[] = {4, 8, 11, 12, 4095, 4096};

	vs_setup();
	for (unsigned int i = 0; i < 6; i++) {
		vs.bar.area.size = sizes[i];
		CU_ASSERT_EQUAL(vs_begin(), 0);
		for (uint32_t offset = 0x1008; offset < 0x3000; offset += 4) {
			volatile uint32_t *db = vs_vfu->bus.ops->doorbell(&vs_vfu->bus, offset);

			CU_ASSERT_EQUAL(db != NULL, offset + 4 <= 0x1000 + sizes[i]);
			if (db)
				*db = offset;
		}
		vs_again();
	}
	vs_teardown();
}

static void descriptors_that_do_not_belong_there_are_closed(void)
{
	unsigned int fds;
	int pipes[2];

	vs_setup();
	CU_ASSERT_EQUAL(vs_begin(), 0);
	fds = vs_count_fds();
	vs_again();
	vs.reply_fds = 0;
	CU_ASSERT_EQUAL(vs_begin(), 0);
	CU_ASSERT_FALSE(is_mapped());
	vs_again();
	vs.reply_fds = 16;
	CU_ASSERT_EQUAL(vs_begin(), 0);
	CU_ASSERT_TRUE(is_mapped());
	CU_ASSERT_EQUAL(vs_count_fds(), fds);
	vs_again();
	vs.reply_fds = 1;
	close(vs.bar_fd);
	CU_ASSERT_EQUAL_FATAL(pipe2(pipes, O_CLOEXEC), 0);
	vs.bar_fd = pipes[0];
	close(pipes[1]);
	CU_ASSERT_EQUAL(vs_begin(), 0);
	CU_ASSERT_FALSE(is_mapped());
	CU_ASSERT_EQUAL(vs_count_fds(), fds);
	vs_teardown();
}

static void devices_that_are_none_are_refused(void)
{
	static const uint64_t sizes[] = {0, 1, 0xfff, 0x1000, 0x1008};

	vs_setup();
	for (unsigned int i = 0; i < 5; i++) {
		vs.bar.info.size = sizes[i];
		CU_ASSERT_EQUAL(vs_begin(), -EPROTO);
		vs_again();
	}
	vs.bar.info.index = 3;
	CU_ASSERT_EQUAL(vs_begin(), -EPROTO);
	vs_again();
	vs_teardown();
}

NVH_UNIT_MAIN("pcie/vfio-user/bus", NVH_TEST(doorbells_are_mapped_only_where_that_is_safe),
	      NVH_TEST(a_doorbell_is_mapped_whole_or_not),
	      NVH_TEST(descriptors_that_do_not_belong_there_are_closed),
	      NVH_TEST(devices_that_are_none_are_refused))
