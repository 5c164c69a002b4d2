/*
 * fabric/rdma/region.c and dev.c: which registration covers an address, for how long, and from many
 * threads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/env.h"
#include "fabric/rdma/region.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/rdma_fixture.h"

static struct nvhi_rdma_dev *dev;
static uint8_t mem[1 << 20];

static void begin(void)
{
	char text[256];

	rdev_rdma_init();
	CU_ASSERT_EQUAL_FATAL(
		nvhi_rdma_dev_get(&rdev.verbs, &rdev.context, text, sizeof(text), &dev), 0);
}

static void end(void)
{
	nvhi_rdma_dev_put(dev);
	rdev_rdma_done();
}

static void a_device_is_shared_and_released_with_its_last_user(void)
{
	struct nvhi_rdma_dev *again;
	char text[256];

	begin();
	CU_ASSERT_EQUAL(nvhi_rdma_dev_get(&rdev.verbs, &rdev.context, text, sizeof(text), &again),
			0);
	CU_ASSERT_PTR_EQUAL(again, dev);
	CU_ASSERT_EQUAL(rdev.pds, 1);
	nvhi_rdma_dev_put(again);
	CU_ASSERT_EQUAL(rdev.pds, 1);
	end();
}

static void memory_known_before_a_device_is_registered_when_it_comes(void)
{
	struct nvhi_rdma_map map = {0};

	CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem, 65536), 0);
	begin();
	CU_ASSERT_EQUAL(rdev.pinned, 65536);
	CU_ASSERT_PTR_NOT_NULL(nvhi_rdma_map_find(dev, &map, mem + 1, 65535));
	CU_ASSERT_PTR_NULL(nvhi_rdma_map_find(dev, &map, mem + 1, 65536));
	nvhi_rdma_map_free(&map);
	end();
	/* And again, on the next device. */
	begin();
	CU_ASSERT_EQUAL(rdev.pinned, 65536);
	nvhi_rdma_region_remove(mem, 65536);
	CU_ASSERT_EQUAL(rdev.pinned, 0);
	end();
}

static void an_address_is_found_in_whichever_region_covers_it(void)
{
	struct nvhi_rdma_map map = {0};
	struct ibv_mr *whole, *part;

	begin();
	CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem, 1 << 20), 0);
	CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem + 4096, 4096), 0); /* within */
	CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem + 6000, 300), 0);
	whole = nvhi_rdma_map_find(dev, &map, mem + 100000, 4096);
	CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
	CU_ASSERT_PTR_EQUAL(whole->addr, mem);
	part = nvhi_rdma_map_find(dev, &map, mem + 6100, 100);
	CU_ASSERT_PTR_NOT_NULL_FATAL(part);
	/* Behind the small ones, and longer than they are. */
	CU_ASSERT_PTR_EQUAL(nvhi_rdma_map_find(dev, &map, mem + 6100, 50000), whole);
	nvhi_rdma_region_remove(mem, 1 << 20);
	CU_ASSERT_PTR_NULL(nvhi_rdma_map_find(dev, &map, mem + 6100, 50000));
	CU_ASSERT_PTR_NOT_NULL(nvhi_rdma_map_find(dev, &map, mem + 6100, 100));
	nvhi_rdma_region_remove(mem + 4096, 4096);
	nvhi_rdma_region_remove(mem + 6000, 300);
	nvhi_rdma_region_remove(mem + 6000, 300); /* once too often */
	CU_ASSERT_PTR_NULL(nvhi_rdma_map_find(dev, &map, mem + 6100, 100));
	nvhi_rdma_map_free(&map);
	end();
}

static void dma_memory_is_registered_when_first_met(void)
{
	struct nvhi_rdma_map map = {0};
	uint8_t *block, *other;

	begin();
	block = nvhi_dma_alloc(100000, 0);
	other = nvhi_dma_alloc(4096, 0);
	CU_ASSERT_EQUAL(rdev.pinned, 0);
	CU_ASSERT_PTR_NOT_NULL(nvhi_rdma_map_find(dev, &map, block + 50000, 1000));
	CU_ASSERT(rdev.pinned >= 100000);
	/* Registered by name as well: freeing it ends both. */
	CU_ASSERT_EQUAL(nvhi_rdma_region_add(other, 4096), 0);
	nvhi_dma_free(block);
	nvhi_dma_free(other);
	CU_ASSERT_EQUAL(rdev.pinned, 0);
	CU_ASSERT_PTR_NULL(nvhi_rdma_map_find(dev, &map, block + 50000, 1000));
	nvhi_rdma_map_free(&map);
	end();
}

static void a_refused_registration_of_the_application_leaves_nothing(void)
{
	struct nvhi_rdma_map map = {0};

	begin();
	rdev.pin_limit = 4096;
	CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem, 65536), -ENOMEM);
	rdev.pin_limit = 0;
	CU_ASSERT_PTR_NULL(nvhi_rdma_map_find(dev, &map, mem, 512));
	CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem, 65536), 0);
	CU_ASSERT_PTR_NOT_NULL(nvhi_rdma_map_find(dev, &map, mem, 512));
	nvhi_rdma_region_remove(mem, 65536);
	nvhi_rdma_map_free(&map);
	end();
}

static int add_find_remove(void *arg)
{
	struct nvhi_rdma_map map = {0};
	int err = nvhi_rdma_region_add(mem, 65536);

	(void)arg;
	if (err)
		return err;
	/* Without memory for the copy of the list everything is copied. */
	if (!nvhi_rdma_map_find(dev, &map, mem, 512))
		err = -ENOMEM;
	nvhi_rdma_map_free(&map);
	nvhi_rdma_region_remove(mem, 65536);
	return err;
}

static void every_allocation_may_fail(void)
{
	begin();
	CU_ASSERT(nvh_alloc_walk(add_find_remove, NULL, false) >= 3);
	end();
}

/* ---- threads --------------------------------------------------------------------------------- */

static int stop;

static void *look_up(void *arg)
{
	struct nvhi_rdma_map map = {0};
	uint64_t found = 0;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		struct ibv_mr *mr = nvhi_rdma_map_find(dev, &map, mem, 4096);

		/* This one stays, whatever happens around it. */
		if (!mr || mr->addr != mem)
			return NULL;
		found++;
	}
	nvhi_rdma_map_free(&map);
	return found ? mem : NULL;
}

static void queues_look_up_while_memory_comes_and_goes(void)
{
	pthread_t threads[2];
	void *result;

	begin();
	__atomic_store_n(&stop, 0, __ATOMIC_RELEASE);
	CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem, 4096), 0);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, look_up, NULL), 0);
	for (int i = 0; i < 300; i++) {
		void *block = nvhi_dma_alloc(4096, 0);

		CU_ASSERT_EQUAL(nvhi_rdma_region_add(mem + 8192, 4096), 0);
		nvhi_rdma_region_remove(mem + 8192, 4096);
		nvhi_dma_free(block);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &result);
		CU_ASSERT_PTR_EQUAL(result, mem);
	}
	nvhi_rdma_region_remove(mem, 4096);
	end();
}

NVH_UNIT_MAIN("fabric/rdma/region", NVH_TEST(a_device_is_shared_and_released_with_its_last_user),
	      NVH_TEST(memory_known_before_a_device_is_registered_when_it_comes),
	      NVH_TEST(an_address_is_found_in_whichever_region_covers_it),
	      NVH_TEST(dma_memory_is_registered_when_first_met),
	      NVH_TEST(a_refused_registration_of_the_application_leaves_nothing),
	      NVH_TEST(every_allocation_may_fail),
	      NVH_TEST(queues_look_up_while_memory_comes_and_goes))
