/*
 * Where a device finds memory: the map from addresses to addresses, the choice of places, blocks
 * that come twice or in part, and the kernel's messages of devices. No device is needed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pcie/vfio/device.h"
#include "tests/unit/nvh_cunit.h"

#define PAGE 4096u

static uint64_t find(struct nvhi_vfio_memory *memory, const void *va, size_t len, size_t *ret_len)
{
	*ret_len = 0;
	return nvhi_iova_map_find(&memory->map, (uintptr_t)va, len, ret_len);
}

/* ---- the map ----------------------------------------------------------------------------- */

static void runs_are_found_and_nothing_between_them(void)
{
	struct nvhi_iova_map map;
	size_t len = 0;

	CU_ASSERT_EQUAL_FATAL(nvhi_iova_map_init(&map), 0);
	CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, 0x1000, 1, &len), UINT64_MAX);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x5000, 0x2000, 0x100000), 0);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x1000, 0x1000, 0x300000), 0);
	CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, 0xfff, 1, &len), UINT64_MAX);
	CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, 0x1000, 9000, &len), 0x300000);
	CU_ASSERT_EQUAL(len, 0x1000);
	CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, 0x2000, 1, &len), UINT64_MAX);
	CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, 0x6ffc, 100, &len), 0x101ffc);
	CU_ASSERT_EQUAL(len, 4);
	CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, 0x5010, 100, &len), 0x100010);
	CU_ASSERT_EQUAL(len, 100);
	CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, 0x7000, 1, &len), UINT64_MAX);
	nvhi_iova_map_done(&map);
}

static void overlapping_runs_are_refused(void)
{
	struct nvhi_iova_map map;

	CU_ASSERT_EQUAL_FATAL(nvhi_iova_map_init(&map), 0);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x5000, 0x2000, 0), 0);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x6000, 0x1000, 0), -EEXIST);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x4000, 0x1001, 0), -EEXIST);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x4000, 0x9000, 0), -EEXIST);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x4000, 0x1000, 0), 0);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, 0x7000, 0x1000, 0), 0);
	nvhi_iova_map_done(&map);
}

static void many_runs_in_any_order(void)
{
	struct nvhi_iova_map map;
	size_t len = 0;

	CU_ASSERT_EQUAL_FATAL(nvhi_iova_map_init(&map), 0);
	for (uintptr_t i = 0; i < 1000; i++) {
		uintptr_t n = i * 7 % 1000; /* all of them, mixed */

		CU_ASSERT_EQUAL(nvhi_iova_map_add(&map, (n + 1) * 0x2000, 0x1000, n << 32), 0);
	}
	for (uintptr_t n = 0; n < 1000; n += 2)
		nvhi_iova_map_remove(&map, (n + 1) * 0x2000, 0x1000);
	for (uintptr_t n = 0; n < 1000; n++)
		CU_ASSERT_EQUAL(nvhi_iova_map_find(&map, (n + 1) * 0x2000 + 5, 1, &len),
				n % 2 ? (n << 32) + 5 : UINT64_MAX);
	nvhi_iova_map_done(&map);
}

static struct nvhi_iova_map shared;
static bool ended;

static void *reader(void *arg)
{
	unsigned long *wrong = arg;

	while (!__atomic_load_n(&ended, __ATOMIC_RELAXED)) {
		size_t len = 0;

		/* This one is always there; others come and go around it. */
		if (nvhi_iova_map_find(&shared, 0x800000, 0x1000, &len) != 0x42000 || len != 0x1000)
			(*wrong)++;
	}
	return NULL;
}

static void readers_see_no_change_half_done(void)
{
	unsigned long wrong = 0;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(nvhi_iova_map_init(&shared), 0);
	CU_ASSERT_EQUAL(nvhi_iova_map_add(&shared, 0x800000, 0x1000, 0x42000), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, reader, &wrong), 0);
	for (int round = 0; round < 30; round++) {
		for (uintptr_t n = 1; n <= 200; n++)
			nvhi_iova_map_add(&shared, n * 0x1000, 0x1000, n);
		for (uintptr_t n = 1; n <= 200; n++)
			nvhi_iova_map_remove(&shared, n * 0x1000, 0x1000);
	}
	__atomic_store_n(&ended, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(wrong, 0);
	nvhi_iova_map_done(&shared);
}

/* ---- blocks, without a container ----------------------------------------------------------- */

static void ranges(struct nvhi_vfio_memory *memory, uint64_t first, uint64_t last)
{
	memory->nr_ranges = 1;
	memory->ranges[0].first = first;
	memory->ranges[0].last = last;
}

static void addresses_are_the_process_s_own_where_the_iommu_takes_them(void)
{
	struct nvhi_vfio_memory memory;
	uint8_t *at = aligned_alloc(PAGE, 8 * PAGE);
	size_t len;

	CU_ASSERT_EQUAL_FATAL(nvhi_vfio_memory_init(&memory, "x", false), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at, 8 * PAGE), 0);
	CU_ASSERT_EQUAL(find(&memory, at + 5, 8 * PAGE, &len), (uintptr_t)at + 5);
	CU_ASSERT_EQUAL(len, 8 * PAGE - 5);
	nvhi_vfio_memory_unregister(&memory, at, 8 * PAGE);
	CU_ASSERT_EQUAL(find(&memory, at, 1, &len), UINT64_MAX);
	nvhi_vfio_memory_done(&memory);
	free(at);
}

static void an_iommu_of_39_bits_gets_addresses_that_it_takes(void)
{
	struct nvhi_vfio_memory memory;
	uint8_t *at = aligned_alloc(PAGE, 8 * PAGE);
	uint64_t one, two;
	size_t len;

	CU_ASSERT_EQUAL_FATAL(nvhi_vfio_memory_init(&memory, "x", false), 0);
	ranges(&memory, 0, 0xfffffff);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at, 2 * PAGE), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at + 4 * PAGE, 2 * PAGE), 0);
	one = find(&memory, at, 1, &len);
	two = find(&memory, at + 4 * PAGE, 1, &len);
	CU_ASSERT(one <= 0xfffffff && two <= 0xfffffff && one != 0);
	CU_ASSERT(one + 2 * PAGE <= two || two + 2 * PAGE <= one);
	nvhi_vfio_memory_done(&memory);
	free(at);
}

static void a_full_space_refuses(void)
{
	struct nvhi_vfio_memory memory;
	uint8_t *at = aligned_alloc(PAGE, 8 * PAGE);
	uint64_t iova;

	CU_ASSERT_EQUAL_FATAL(nvhi_vfio_memory_init(&memory, "x", false), 0);
	ranges(&memory, 1 << 24, (1 << 24) + 4 * PAGE - 1);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at, 3 * PAGE), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_place(&memory, 0, PAGE, &iova), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_place(&memory, 0, 2 * PAGE, &iova), -ENOSPC);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at + 4 * PAGE, 2 * PAGE), -ENOSPC);
	nvhi_vfio_memory_done(&memory);
	free(at);
}

static void only_whole_pages_are_registered(void)
{
	struct nvhi_vfio_memory memory;
	uint8_t *at = aligned_alloc(PAGE, 8 * PAGE);
	size_t len;

	CU_ASSERT_EQUAL_FATAL(nvhi_vfio_memory_init(&memory, "x", false), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at + 100, 2 * PAGE), 0);
	CU_ASSERT_EQUAL(find(&memory, at + 100, 1, &len), UINT64_MAX);
	CU_ASSERT_EQUAL(find(&memory, at + PAGE, 1, &len), (uintptr_t)at + PAGE);
	CU_ASSERT_EQUAL(find(&memory, at + 2 * PAGE, 1, &len), UINT64_MAX);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at + 5 * PAGE, 100), 0);
	CU_ASSERT_EQUAL(find(&memory, at + 5 * PAGE, 1, &len), UINT64_MAX);
	nvhi_vfio_memory_done(&memory);
	free(at);
}

static void what_is_registered_twice_stays_until_both_are_gone(void)
{
	struct nvhi_vfio_memory memory;
	uint8_t *at = aligned_alloc(PAGE, 8 * PAGE);
	size_t len;

	CU_ASSERT_EQUAL_FATAL(nvhi_vfio_memory_init(&memory, "x", false), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at, 8 * PAGE), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at + PAGE, PAGE), 0);
	nvhi_vfio_memory_unregister(&memory, at, 8 * PAGE);
	CU_ASSERT_EQUAL(find(&memory, at + PAGE, 1, &len), (uintptr_t)at + PAGE);
	nvhi_vfio_memory_unregister(&memory, at + PAGE, PAGE);
	CU_ASSERT_EQUAL(find(&memory, at + PAGE, 1, &len), UINT64_MAX);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at, 4 * PAGE), 0);
	CU_ASSERT_EQUAL(nvhi_vfio_memory_register(&memory, at + 2 * PAGE, 4 * PAGE), -EINVAL);
	nvhi_vfio_memory_done(&memory);
	free(at);
}

/* ---- the kernel's messages ----------------------------------------------------------------- */

#define ABOUT(text) nvhi_uevent_about(text, sizeof(text), "0000:01:00.0")

static void messages_about_the_device_are_told_from_others(void)
{
	static const char cut[] = "add@/x\0ACTION=add\0SUBSYSTEM=pci\0PCI_SLOT_NAME=0000:01:00.0";

	CU_ASSERT_TRUE(ABOUT("add@/x\0ACTION=add\0SUBSYSTEM=pci\0PCI_SLOT_NAME=0000:01:00.0"));
	CU_ASSERT_TRUE(ABOUT("x\0PCI_SLOT_NAME=0000:01:00.0\0SUBSYSTEM=pci\0ACTION=remove"));
	CU_ASSERT_FALSE(ABOUT("x\0PCI_SLOT_NAME=0000:01:00.1\0SUBSYSTEM=pci\0ACTION=remove"));
	CU_ASSERT_FALSE(ABOUT("x\0PCI_SLOT_NAME=0000:01:00.0\0SUBSYSTEM=nvme\0ACTION=remove"));
	CU_ASSERT_FALSE(ABOUT("x\0PCI_SLOT_NAME=0000:01:00.0\0SUBSYSTEM=pci\0ACTION=change"));
	CU_ASSERT_FALSE(ABOUT(""));
	CU_ASSERT_FALSE(nvhi_uevent_about(cut, sizeof(cut) - 2, "0000:01:00.0"));
}

NVH_UNIT_MAIN("pcie/vfio/memory", NVH_TEST(runs_are_found_and_nothing_between_them),
	      NVH_TEST(overlapping_runs_are_refused), NVH_TEST(many_runs_in_any_order),
	      NVH_TEST(readers_see_no_change_half_done),
	      NVH_TEST(addresses_are_the_process_s_own_where_the_iommu_takes_them),
	      NVH_TEST(an_iommu_of_39_bits_gets_addresses_that_it_takes),
	      NVH_TEST(a_full_space_refuses), NVH_TEST(only_whole_pages_are_registered),
	      NVH_TEST(what_is_registered_twice_stays_until_both_are_gone),
	      NVH_TEST(messages_about_the_device_are_told_from_others))
