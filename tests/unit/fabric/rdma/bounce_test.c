/*
 * fabric/rdma/bounce.c: pieces never overlap, memory grows with need up to its bound, and what
 * cannot grow says why.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/rdma/bounce.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/rdma_fixture.h"

static struct nvhi_rdma_dev *dev;
static struct nvhi_rdma_bounce bounce;

static void begin(uint32_t first)
{
	char text[256];

	rdev_rdma_init();
	CU_ASSERT_EQUAL_FATAL(
		nvhi_rdma_dev_get(&rdev.verbs, &rdev.context, text, sizeof(text), &dev), 0);
	memset(&bounce, 0, sizeof(bounce));
	nvhi_rdma_bounce_init(&bounce, dev, "t/q1", first);
}

static void end(void)
{
	CU_ASSERT_EQUAL(bounce.out, 0);
	nvhi_rdma_bounce_fini(&bounce);
	nvhi_rdma_dev_put(dev);
	rdev_rdma_done();
}

static void nothing_is_pinned_before_it_is_needed(void)
{
	struct nvhi_rdma_piece piece;

	begin(65536);
	CU_ASSERT_EQUAL(rdev.pinned, 0);
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, 1, &piece), 0);
	CU_ASSERT_EQUAL(rdev.pinned, 65536);
	nvhi_rdma_bounce_put(&bounce, &piece);
	end();
}

static void pieces_do_not_overlap_whatever_comes_and_goes(void)
{
	struct nvhi_rdma_piece pieces[64];
	unsigned int seed = 7;
	uint8_t marks[64];

	begin(65536);
	memset(pieces, 0, sizeof(pieces));
	for (int round = 0; round < 3000; round++) {
		uint32_t i = (uint32_t)rand_r(&seed) % 64, len;

		if (pieces[i].at) {
			for (uint32_t j = 0; j < pieces[i].len; j++)
				CU_ASSERT_EQUAL_FATAL(pieces[i].at[j], marks[i]);
			nvhi_rdma_bounce_put(&bounce, &pieces[i]);
			continue;
		}
		len = 1 + (uint32_t)rand_r(&seed) % (round % 50 ? 20000 : 300000);
		if (nvhi_rdma_bounce_get(&bounce, len, &pieces[i]))
			continue;
		marks[i] = (uint8_t)rand_r(&seed);
		memset(pieces[i].at, marks[i], len);
	}
	CU_ASSERT(rdev.pinned <= NVHI_RDMA_BOUNCE_CHUNKS * (size_t)NVHI_RDMA_BOUNCE_MAX);
	for (int i = 0; i < 64; i++)
		if (pieces[i].at)
			nvhi_rdma_bounce_put(&bounce, &pieces[i]);
	end();
}

static void a_full_one_has_who_asks_wait(void)
{
	struct nvhi_rdma_piece pieces[16], more;
	int count = 0;

	begin(65536);
	while (count < 16 &&
	       nvhi_rdma_bounce_get(&bounce, NVHI_RDMA_BOUNCE_MAX, &pieces[count]) == 0)
		count++;
	CU_ASSERT(count >= 2 && count < 16);
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, NVHI_RDMA_BOUNCE_MAX, &more), -EAGAIN);
	nvhi_rdma_bounce_put(&bounce, &pieces[--count]);
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, NVHI_RDMA_BOUNCE_MAX, &more), 0);
	nvhi_rdma_bounce_put(&bounce, &more);
	while (count > 0)
		nvhi_rdma_bounce_put(&bounce, &pieces[--count]);
	end();
}

static void with_little_to_pin_it_takes_what_a_piece_needs(void)
{
	struct nvhi_rdma_piece piece, more;

	begin(65536);
	rdev.pin_limit = 8192;
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, 5000, &piece), 0);
	CU_ASSERT_EQUAL(rdev.pinned, 8192);
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, 8000, &more), -EAGAIN);
	/* Never in this one. */
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, 9000, &more), -ENOMEM);
	CU_ASSERT_PTR_NOT_NULL(strstr(bounce.why, "cannot"));
	nvhi_rdma_bounce_put(&bounce, &piece);
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, 8000, &more), 0);
	nvhi_rdma_bounce_put(&bounce, &more);
	end();
}

static void the_longest_piece_has_a_bound(void)
{
	struct nvhi_rdma_piece piece;

	begin(65536);
	CU_ASSERT_EQUAL(nvhi_rdma_bounce_get(&bounce, NVHI_RDMA_BOUNCE_MAX + 1, &piece), -EMSGSIZE);
	end();
}

static int get_and_put(void *arg)
{
	struct nvhi_rdma_piece piece;
	int err;

	(void)arg;
	memset(&bounce, 0, sizeof(bounce));
	nvhi_rdma_bounce_init(&bounce, dev, "t/q1", 65536);
	err = nvhi_rdma_bounce_get(&bounce, 65536, &piece);
	if (!err)
		nvhi_rdma_bounce_put(&bounce, &piece);
	nvhi_rdma_bounce_fini(&bounce);
	return err;
}

static void growing_survives_every_allocation_failure(void)
{
	begin(65536);
	CU_ASSERT(nvh_alloc_walk(get_and_put, NULL, false) >= 1);
	end();
}

NVH_UNIT_MAIN("fabric/rdma/bounce", NVH_TEST(nothing_is_pinned_before_it_is_needed),
	      NVH_TEST(pieces_do_not_overlap_whatever_comes_and_goes),
	      NVH_TEST(a_full_one_has_who_asks_wait),
	      NVH_TEST(with_little_to_pin_it_takes_what_a_piece_needs),
	      NVH_TEST(the_longest_piece_has_a_bound),
	      NVH_TEST(growing_survives_every_allocation_failure))
