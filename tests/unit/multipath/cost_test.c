/*
 * The data path's own cost: many 4 KiB reads, one after the other, through one path. What it counts
 * is instructions, under callgrind (tests/bench/channel_cost.sh); here it only has to be right.
 */
#include <string.h>

#include "tests/unit/mp_fixture.h"

#define ROUNDS 10000u

static uint32_t completed;

static void count(void *arg, int err, const struct nvh_cpl *cpl)
{
	(void)arg;
	completed += !err && !nvh_cpl_is_error(cpl);
}

static void reads_go_through_one_path(void)
{
	static uint8_t buf[8 * MPF_BLOCK];
	struct nvh_channel *channel;
	struct nvh_cpl cpl;
	struct mpf_ctrlr *c;
	struct mpf_io io;

	mpf_start(1);
	c = mpf_join(0);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(mpf_ns(c, 1, 7), mpf.reactors[0], &channel), 0);
	memset(&cpl, 0, sizeof(cpl));
	mpf_io_init(&io, NVH_IO_READ, 0, 8, buf);
	io.io->done = count;
	completed = 0;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct nvhi_req *req;

		io.io->lba = i % (MPF_BLOCKS - 8);
		CU_ASSERT_EQUAL_FATAL(nvh_submit(channel, io.io), 0);
		req = mpf_cmd(c, 0, 0);
		nvhi_list_del(&req->link);
		c->queues[0].count--;
		c->queues[0].qpair.inflight--;
		req->done(req, 0, &cpl);
	}
	CU_ASSERT_EQUAL(completed, ROUNDS);
	mpf_io_done(&io);
	nvhi_channel_close(channel);
	mpf_stop();
}

NVH_UNIT_MAIN("multipath/cost", NVH_TEST(reads_go_through_one_path))
