/*
 * PRPs against a walker of its own: what a controller would read from the command must be exactly
 * the caller's bytes, for every alignment and length, contiguous or not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "pcie/prp.h"
#include "tests/unit/nvh_cunit.h"

#define PAGE  4096u
#define PAGES 40u
#define ROOM  33u

/* Pages of the device's address space: either where they are, or shuffled. */
struct fake_bus {
	struct nvhi_pcie_bus bus;
	uint8_t *memory;
	bool shuffled;
	uint32_t hole; /* page that the device cannot reach, PAGES: none */
};

static uint32_t fake_page(const struct fake_bus *fake, uint32_t page)
{
	return fake->shuffled ? (page * 7 + 3) % PAGES : page; /* 7 and 40 have no common factor */
}

static uint64_t fake_iova(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len)
{
	struct fake_bus *fake = (struct fake_bus *)bus;
	size_t offset = (size_t)((const uint8_t *)addr - fake->memory);
	uint32_t page = (uint32_t)(offset / PAGE);
	size_t room = fake->shuffled ? PAGE - offset % PAGE : PAGES * PAGE - offset;

	if (page == fake->hole)
		return NVHI_IOVA_NONE;
	*ret_len = room < len ? room : len;
	return 0x100000 + (uint64_t)fake_page(fake, page) * PAGE + offset % PAGE;
}

static const struct nvhi_pcie_bus_ops fake_ops = {.iova = fake_iova};
static struct fake_bus fake;
static struct nvh_le64 entries[ROOM];
static struct nvhi_prp_list list = {.entries = entries, .iova = 0x7000000, .max = ROOM - 1};
static struct nvh_cmd cmd;

static void setup_bus(bool shuffled)
{
	fake.bus.ops = &fake_ops;
	fake.shuffled = shuffled;
	fake.hole = PAGES;
	if (!fake.memory)
		fake.memory = aligned_alloc(PAGE, PAGES * PAGE);
	memset(&cmd, 0xff, sizeof(cmd));
	memset(entries, 0xee, sizeof(entries));
}

/* The device's address of byte `at` of the transfer, as a controller finds it. */
static uint64_t walk(uint32_t len, uint32_t at, uint32_t page)
{
	uint64_t prp1 = nvh_le64_get(cmd.dptr.prp.prp1), prp2 = nvh_le64_get(cmd.dptr.prp.prp2);
	uint32_t first = page - (uint32_t)(prp1 & (page - 1)), index;

	if (at < first)
		return prp1 + at;
	index = (at - first) / page;
	if (len <= first + page)
		return prp2 + (at - first) % page;
	if (prp2 != list.iova)
		return 0;
	return nvh_le64_get(entries[index]) + (at - first) % page;
}

static uint32_t wrong_addresses(const struct iovec *iov, uint32_t iovcnt, uint32_t len)
{
	uint32_t at = 0, wrong = 0;

	for (uint32_t i = 0; i < iovcnt; i++)
		for (size_t j = 0; j < iov[i].iov_len && at < len; j++, at++) {
			size_t span;

			wrong += walk(len, at, PAGE) !=
				 fake_iova(&fake.bus, (uint8_t *)iov[i].iov_base + j, 1, &span);
		}
	return wrong + (at != len);
}

static int build(const struct iovec *iov, uint32_t iovcnt, uint32_t len)
{
	struct nvhi_iov_cursor cursor;

	nvhi_iov_cursor_init(&cursor, iov, iovcnt);
	return nvhi_prp_build(&fake.bus, &cursor, len, PAGE, &list, &cmd);
}

static void walk_all_alignments(bool shuffled)
{
	static const uint32_t lens[] = {1,    4,    511,   512,   4095,  4096,   4097,  8191,
					8192, 8193, 12288, 65536, 65540, 131071, 131072};

	setup_bus(shuffled);
	for (uint32_t offset = 0; offset < PAGE; offset += offset % 512 < 8 ? 1 : 63)
		for (size_t l = 0; l < NVHI_ARRAY_SIZE(lens); l++) {
			struct iovec iov = {fake.memory + offset, lens[l]};
			int err = build(&iov, 1, lens[l]);

			if (offset % 4) {
				CU_ASSERT_EQUAL(err, -EINVAL);
				continue;
			}
			CU_ASSERT_EQUAL(err, 0);
			CU_ASSERT_EQUAL(cmd.flags & NVH_CMD_PSDT_MASK, NVH_CMD_PSDT_PRP);
			CU_ASSERT_EQUAL(wrong_addresses(&iov, 1, lens[l]), 0);
		}
}

static void every_alignment_and_length_of_contiguous_memory(void)
{
	walk_all_alignments(false);
}

static void every_alignment_and_length_of_shuffled_pages(void)
{
	walk_all_alignments(true);
}

static void one_page_leaves_prp2_zero(void)
{
	struct iovec iov;

	setup_bus(false);
	iov = (struct iovec){fake.memory + 512, PAGE - 512};
	CU_ASSERT_EQUAL(build(&iov, 1, PAGE - 512), 0);
	CU_ASSERT_EQUAL(nvh_le64_get(cmd.dptr.prp.prp2), 0);
}

static void two_pages_need_no_list(void)
{
	struct iovec iov;

	setup_bus(false);
	iov = (struct iovec){fake.memory + 512, PAGE};
	CU_ASSERT_EQUAL(build(&iov, 1, PAGE), 0);
	CU_ASSERT_EQUAL(nvh_le64_get(cmd.dptr.prp.prp2), 0x100000 + PAGE);
}

static void elements_that_fill_their_pages_are_joined(void)
{
	struct iovec iov[4];

	setup_bus(true);
	iov[0] = (struct iovec){fake.memory + 5 * PAGE + 1024, PAGE - 1024};
	iov[1] = (struct iovec){fake.memory + 2 * PAGE, 2 * PAGE};
	iov[2] = (struct iovec){fake.memory + 9 * PAGE, 100};
	iov[3] = (struct iovec){fake.memory + 9 * PAGE + 100, 7};
	CU_ASSERT_EQUAL(build(iov, 4, 3 * PAGE - 1024 + 107), 0);
	CU_ASSERT_EQUAL(wrong_addresses(iov, 4, 3 * PAGE - 1024 + 107), 0);
}

static void a_cursor_in_the_middle_of_an_element_begins_there(void)
{
	struct nvhi_iov_cursor cursor;
	struct iovec iov, rest;

	setup_bus(false);
	iov = (struct iovec){fake.memory, 6 * PAGE};
	rest = (struct iovec){fake.memory + 4104, 3 * PAGE};
	nvhi_iov_cursor_init(&cursor, &iov, 1);
	nvhi_iov_cursor_advance(&cursor, 4104);
	CU_ASSERT_EQUAL(nvhi_prp_build(&fake.bus, &cursor, 3 * PAGE, PAGE, &list, &cmd), 0);
	CU_ASSERT_EQUAL(wrong_addresses(&rest, 1, 3 * PAGE), 0);
}

static void gaps_inside_a_page_are_refused_and_leave_the_command_alone(void)
{
	struct nvh_cmd before;
	struct iovec iov[2];

	setup_bus(false);
	before = cmd;
	iov[0] = (struct iovec){fake.memory, 100};
	iov[1] = (struct iovec){fake.memory + PAGE, 100};
	CU_ASSERT_EQUAL(build(iov, 2, 200), -EINVAL); /* the first does not fill its page */
	iov[0] = (struct iovec){fake.memory, PAGE};
	iov[1] = (struct iovec){fake.memory + 2 * PAGE + 4, 100};
	CU_ASSERT_EQUAL(build(iov, 2, PAGE + 100), -EINVAL); /* the second does not begin one */
	CU_ASSERT_EQUAL(memcmp(&before, &cmd, sizeof(cmd)), 0);
}

static void memory_that_the_device_cannot_reach_is_refused(void)
{
	struct iovec iov;

	setup_bus(true);
	fake.hole = 3;
	iov = (struct iovec){fake.memory, 8 * PAGE};
	CU_ASSERT_EQUAL(build(&iov, 1, 8 * PAGE), -EINVAL);
	CU_ASSERT_EQUAL(build(&iov, 1, 3 * PAGE), 0);
}

static void a_list_that_is_too_small_is_refused_not_overrun(void)
{
	struct iovec iov;

	setup_bus(false);
	iov = (struct iovec){fake.memory + 4, (ROOM + 1) * PAGE};
	CU_ASSERT_EQUAL(build(&iov, 1, (ROOM - 1) * PAGE), 0);
	CU_ASSERT_EQUAL(build(&iov, 1, ROOM * PAGE - 4), 0);
	CU_ASSERT_EQUAL(build(&iov, 1, ROOM * PAGE - 3), -EINVAL);
	CU_ASSERT_EQUAL(nvh_le64_get(entries[ROOM - 1]), 0xeeeeeeeeeeeeeeeeull);
}

static void an_iovec_shorter_than_the_transfer_is_refused(void)
{
	struct iovec iov;

	setup_bus(false);
	iov = (struct iovec){fake.memory, 512};
	CU_ASSERT_EQUAL(build(&iov, 1, 513), -EINVAL);
}

static void flat_memory_takes_larger_pages_too(void)
{
	setup_bus(false);
	CU_ASSERT_EQUAL(nvhi_prp_build_flat(0x10000, 131072, 16384, &list, &cmd), 0);
	for (uint32_t at = 0; at < 131072; at += 4093)
		CU_ASSERT_EQUAL(walk(131072, at, 16384), 0x10000 + at);
	free(fake.memory);
	fake.memory = NULL;
}

NVH_UNIT_MAIN("pcie/prp", NVH_TEST(every_alignment_and_length_of_contiguous_memory),
	      NVH_TEST(every_alignment_and_length_of_shuffled_pages),
	      NVH_TEST(one_page_leaves_prp2_zero), NVH_TEST(two_pages_need_no_list),
	      NVH_TEST(elements_that_fill_their_pages_are_joined),
	      NVH_TEST(a_cursor_in_the_middle_of_an_element_begins_there),
	      NVH_TEST(gaps_inside_a_page_are_refused_and_leave_the_command_alone),
	      NVH_TEST(memory_that_the_device_cannot_reach_is_refused),
	      NVH_TEST(a_list_that_is_too_small_is_refused_not_overrun),
	      NVH_TEST(an_iovec_shorter_than_the_transfer_is_refused),
	      NVH_TEST(flat_memory_takes_larger_pages_too))
