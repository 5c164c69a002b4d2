/*
 * Who may write which blocks: the fence of a file, the range table, read-modify-write.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fuse_fixture.h"

static char order[256];

static void note(struct nvf_slot *slot, char what)
{
	size_t n = strlen(order);

	if (n + 2 > sizeof(order))
		return;
	order[n] = what;
	order[n + 1] = '\0';
	(void)slot;
}

static void finish(struct nvf_slot *slot, int err)
{
	CU_ASSERT_EQUAL(err, 0);
	nvf_write_end(slot);
	note(slot, slot->range.exclusive && !slot->direct ? 'U' : 'A');
	nvf_slot_put(slot);
}

static void aligned_go(struct nvf_slot *slot, int err)
{
	CU_ASSERT_EQUAL(err, 0);
	note(slot, 'a');
	slot->iov[0] = (struct iovec){(void *)(uintptr_t)slot->data, slot->length};
	nvf_slot_prepare(slot, NVH_IO_WRITE, slot->offset / MPF_BLOCK, slot->length / MPF_BLOCK, 1);
	nvf_slot_io(slot, finish);
}

static void unaligned_go(struct nvf_slot *slot, int err)
{
	CU_ASSERT_EQUAL(err, 0);
	note(slot, 'u');
	nvf_rmw_write(slot, finish);
}

static void aligned_write(struct nvf_file *file, unsigned int w, uint64_t offset, const void *data,
			  uint64_t len)
{
	struct nvf_slot *slot = ff_slot(file, w, offset, data, len);

	slot->range.exclusive = false;
	nvf_write_begin(slot, false, aligned_go);
}

static void unaligned_write(struct nvf_file *file, unsigned int w, uint64_t offset,
			    const void *data, uint64_t len)
{
	nvf_write_begin(ff_slot(file, w, offset, data, len), true, unaligned_go);
}

static struct nvf_file *start(unsigned int reactors)
{
	order[0] = '\0';
	ff_start(reactors, true);
	return ff_open();
}

static void stop(struct nvf_file *file)
{
	ff_settle();
	mpf_advance_ms(100);
	ff_settle();
	CU_ASSERT_FALSE(atomic_load(&file->fenced));
	CU_ASSERT_TRUE(nvhi_list_empty(&file->ranges));
	ff_close(file);
	ff_stop();
}

static void an_aligned_write_pays_no_range_while_none_is_unaligned(void)
{
	static uint8_t data[2 * MPF_BLOCK];
	struct nvf_file *file = start(2);

	aligned_write(file, 0, 0, data, sizeof(data));
	aligned_write(file, 1, 0, data, sizeof(data));
	CU_ASSERT_STRING_EQUAL(order, "aa"); /* at once, without a message to home */
	CU_ASSERT_TRUE(nvhi_list_empty(&file->ranges));
	ff_settle();
	CU_ASSERT_STRING_EQUAL(order, "aaAA");
	stop(file);
}

static void an_unaligned_write_waits_for_aligned_ones_under_way_on_every_reactor(void)
{
	static uint8_t data[MPF_BLOCK], one = 9;
	struct nvf_file *file = start(2);

	aligned_write(file, 0, 0, data, sizeof(data));
	aligned_write(file, 1, 8 * MPF_BLOCK, data, sizeof(data));
	unaligned_write(file, 0, 100, &one, 1);
	mpf_turns();
	CU_ASSERT_STRING_EQUAL(order, "aa"); /* neither has completed */
	mpf_complete(ff.ctrlr, 0, 0, 0);
	mpf_turns();
	CU_ASSERT_STRING_EQUAL(order, "aaA");
	mpf_complete(ff.ctrlr, 1, 0, 0);
	mpf_turns();
	CU_ASSERT_STRING_EQUAL(order, "aaAAu");
	ff_settle();
	CU_ASSERT_EQUAL(mpf.store[100], 9);
	stop(file);
}

static void overlapping_aligned_writes_wait_for_the_unaligned_one_others_do_not(void)
{
	static uint8_t data[MPF_BLOCK], one = 9;
	struct nvf_file *file = start(2);

	memset(data, 3, sizeof(data));
	unaligned_write(file, 0, 100, &one, 1);
	mpf_turns();
	CU_ASSERT_STRING_EQUAL(order, "u");
	aligned_write(file, 1, 0, data, sizeof(data));
	aligned_write(file, 1, 4 * MPF_BLOCK, data, sizeof(data));
	mpf_turns();
	CU_ASSERT_STRING_EQUAL(order, "ua"); /* only the one elsewhere */
	ff_settle();
	CU_ASSERT_EQUAL(mpf.store[100], 3); /* the later write won whole */
	CU_ASSERT_EQUAL(mpf.store[4 * MPF_BLOCK], 3);
	stop(file);
}

static void unaligned_neighbours_in_one_block_lose_nothing(void)
{
	static uint8_t bytes[64];
	struct nvf_file *file = start(2);

	for (unsigned int i = 0; i < 64; i++) {
		bytes[i] = (uint8_t)(i + 1);
		unaligned_write(file, i % 2, 200 + i, &bytes[i], 1);
	}
	ff_settle();
	for (unsigned int i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(mpf.store[200 + i], i + 1);
	stop(file);
}

static void the_fence_falls_when_unaligned_writes_have_stopped_for_a_while(void)
{
	static uint8_t data[MPF_BLOCK], one = 9;
	struct nvf_file *file = start(1);

	unaligned_write(file, 0, 100, &one, 1);
	ff_settle();
	CU_ASSERT_TRUE(atomic_load(&file->fenced));
	mpf_advance_ms(100);
	mpf_turns();
	CU_ASSERT_FALSE(atomic_load(&file->fenced));
	order[0] = '\0';
	aligned_write(file, 0, 0, data, sizeof(data));
	CU_ASSERT_STRING_EQUAL(order, "a");
	stop(file);
}

/* Every head and tail around block borders, against a model. */
static void read_modify_write_changes_exactly_the_bytes_asked_for(void)
{
	static const uint64_t offsets[] = {1, 511, 512, 513, 1000, 1023, 1024, 3071};
	static const uint64_t lengths[] = {1, 2, 510, 511, 513, 1023, 1025, 4096, 5000};
	static uint8_t model[16 * MPF_BLOCK], data[8192];
	struct nvf_file *file = start(1);

	for (size_t i = 0; i < sizeof(model); i++)
		model[i] = mpf.store[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t o = 0; o < NVHI_ARRAY_SIZE(offsets); o++) {
		for (size_t l = 0; l < NVHI_ARRAY_SIZE(lengths); l++) {
			for (size_t i = 0; i < lengths[l]; i++)
				data[i] = (uint8_t)(rand() % 256);
			memcpy(model + offsets[o], data, lengths[l]);
			order[0] = '\0';
			unaligned_write(file, 0, offsets[o], data, lengths[l]);
			ff_settle();
			CU_ASSERT_STRING_EQUAL(order, "uU");
			CU_ASSERT_EQUAL(memcmp(model, mpf.store, sizeof(model)), 0);
		}
	}
	stop(file);
}

NVH_UNIT_MAIN("fuse/range", NVH_TEST(an_aligned_write_pays_no_range_while_none_is_unaligned),
	      NVH_TEST(an_unaligned_write_waits_for_aligned_ones_under_way_on_every_reactor),
	      NVH_TEST(overlapping_aligned_writes_wait_for_the_unaligned_one_others_do_not),
	      NVH_TEST(unaligned_neighbours_in_one_block_lose_nothing),
	      NVH_TEST(the_fence_falls_when_unaligned_writes_have_stopped_for_a_while),
	      NVH_TEST(read_modify_write_changes_exactly_the_bytes_asked_for))
