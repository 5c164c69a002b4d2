/*
 * Cutting I/O into parts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/mp_fixture.h"

static struct mpf_ctrlr *c;
static struct nvh_ns *ns;
static struct nvh_channel *channel;

static void setup(void)
{
	mpf_start(1);
	c = mpf_join(0);
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
}

static void teardown(void)
{
	nvhi_channel_close(channel);
	mpf_stop();
}

static void fill(uint8_t *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

/* Cuts buf into elements of odd lengths, none included. */
static uint32_t odd_iov(struct iovec *iov, uint32_t max, uint8_t *buf, size_t len)
{
	static const size_t lengths[] = {1, 0, 511, 7, 513, 3, 1029, 64, 2, 4099};
	uint32_t n = 0;

	while (len > 0) {
		size_t part = n + 1 == max ? len : lengths[n % NVHI_ARRAY_SIZE(lengths)];

		if (part > len)
			part = len;
		iov[n].iov_base = buf;
		iov[n++].iov_len = part;
		buf += part;
		len -= part;
	}
	return n;
}

static void odd_iovecs_are_cut_at_max_transfer(void)
{
	static uint8_t out[37 * MPF_BLOCK], in[37 * MPF_BLOCK];
	struct mpf_io w, r;

	setup();
	fill(out, sizeof(out), 1);
	mpf_io_init(&w, NVH_IO_WRITE, 100, 37, out);
	w.io->iovcnt = odd_iov(w.iov, 64, out, sizeof(out));
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, w.io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 5);
	CU_ASSERT_EQUAL(mpf_nlb(mpf_cmd(c, 0, 0)), 8);
	CU_ASSERT_EQUAL(mpf_nlb(mpf_cmd(c, 0, 4)), 5);
	CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c, 0, 4)), 132);
	mpf_serve();
	CU_ASSERT_EQUAL(w.calls, 1);
	CU_ASSERT_EQUAL(w.status, 0);
	CU_ASSERT_EQUAL(memcmp(mpf.store + 100 * MPF_BLOCK, out, sizeof(out)), 0);

	mpf_io_init(&r, NVH_IO_READ, 100, 37, in);
	r.io->iovcnt = odd_iov(r.iov, 64, in, sizeof(in));
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, r.io), 0);
	while (mpf_lent(c, 0)) /* youngest first */
		mpf_complete(c, 0, mpf_lent(c, 0) - 1, 0);
	CU_ASSERT_EQUAL(r.calls, 1);
	CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
	mpf_io_done(&w);
	mpf_io_done(&r);
	teardown();
}

static void an_io_that_fits_is_one_command(void)
{
	static uint8_t buf[8 * MPF_BLOCK];
	struct mpf_io r;
	struct nvhi_req *req;

	setup();
	mpf_io_init(&r, NVH_IO_READ, 5, 8, buf);
	r.io->flags = NVH_IO_FUA;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, r.io), 0);
	CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 1);
	req = mpf_cmd(c, 0, 0);
	CU_ASSERT_EQUAL(req->cmd.opc, NVH_OPC_READ);
	CU_ASSERT_EQUAL(nvh_le32_get(req->cmd.nsid), 1);
	CU_ASSERT_EQUAL(req->len, sizeof(buf));
	CU_ASSERT_EQUAL(req->dir, NVHI_DIR_TO_HOST);
	CU_ASSERT_EQUAL(nvh_le32_get(req->cmd.cdw12), (NVH_RW_FUA | 7));
	CU_ASSERT_EQUAL(r.calls, 0);
	mpf_serve();
	CU_ASSERT_EQUAL(r.calls, 1);
	mpf_io_done(&r);
	teardown();
}

static void the_first_error_is_told_and_the_rest_is_awaited(void)
{
	static uint8_t buf[24 * MPF_BLOCK];
	struct mpf_io w;

	setup();
	mpf_io_init(&w, NVH_IO_WRITE, 0, 24, buf);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, w.io), 0);
	CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 3);
	mpf_complete(c, 0, 1, NVH_ST_WRITE_FAULT | NVH_CPL_DNR);
	mpf_complete(c, 0, 1, NVH_ST_CAPACITY_EXCEEDED | NVH_CPL_DNR);
	CU_ASSERT_EQUAL(w.calls, 0);
	mpf_complete(c, 0, 0, 0);
	CU_ASSERT_EQUAL(w.calls, 1);
	CU_ASSERT_EQUAL(w.err, 0);
	CU_ASSERT_EQUAL(w.status & NVH_CPL_CODE_MASK, NVH_ST_WRITE_FAULT);
	mpf_io_done(&w);
	teardown();
}

/* More parts than the queue takes: the rest follows as requests come free. */
static void an_io_larger_than_the_queue_flows_through_it(void)
{
	static uint8_t out[512 * MPF_BLOCK];
	struct mpf_io w;

	mpf_start(1);
	mpf.depth = 4;
	c = mpf_join(0);
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	fill(out, sizeof(out), 3);
	mpf_io_init(&w, NVH_IO_WRITE, 64, 512, out);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, w.io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 4);
	mpf_serve();
	CU_ASSERT_EQUAL(w.calls, 1);
	CU_ASSERT_EQUAL(memcmp(mpf.store + 64 * MPF_BLOCK, out, sizeof(out)), 0);
	mpf_io_done(&w);
	teardown();
}

static void no_part_has_more_blocks_than_sixteen_bits_count(void)
{
	struct nvhi_ns_data data;
	struct mpf_io w, z;
	static uint8_t one;

	mpf_start(1);
	c = mpf_join(0);
	c->inner->caps.max_transfer = 1u << 30;
	mpf_ns_data(&data, 1, 7);
	data.nsze = 1u << 20;
	nvhi_mp_ns_added(&c->mpc, &data);
	ns = nvhi_path_find(&c->mpc, 1)->head;
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);

	mpf_io_init(&z, NVH_IO_WRITE_ZEROES, 10, 65536 * 2 + 1, NULL);
	z.io->flags = NVH_IO_DEAC;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, z.io), 0);
	CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 3);
	CU_ASSERT_EQUAL(mpf_nlb(mpf_cmd(c, 0, 0)), 65536);
	CU_ASSERT_TRUE(nvh_le32_get(mpf_cmd(c, 0, 0)->cmd.cdw12) & NVH_WZ_DEAC);
	CU_ASSERT_EQUAL(mpf_cmd(c, 0, 0)->len, 0);
	CU_ASSERT_EQUAL(mpf_lba(mpf_cmd(c, 0, 2)), 131082);
	CU_ASSERT_EQUAL(mpf_nlb(mpf_cmd(c, 0, 2)), 1);
	while (mpf_lent(c, 0)) {
		mpf_cmd(c, 0, 0)->cmd.opc = NVH_OPC_FLUSH; /* the store is smaller */
		mpf_complete(c, 0, 0, 0);
	}
	CU_ASSERT_EQUAL(z.calls, 1);

	/* An iovec that repeats one byte need not exist in memory to be counted. */
	mpf_io_init(&w, NVH_IO_COMPARE, 0, 65537, &one);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, w.io), 0);
	CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 2);
	CU_ASSERT_EQUAL(mpf_cmd(c, 0, 0)->len, 65536 * MPF_BLOCK);
	mpf_serve();
	CU_ASSERT_EQUAL(w.calls, 1);
	mpf_io_done(&w);
	mpf_io_done(&z);
	teardown();
}

static void a_deallocate_goes_range_by_range(void)
{
	struct mpf_io d;

	mpf_start(1);
	c = mpf_join(0);
	c->inner->caps.dmrsl = 1000;
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	mpf_io_init(&d, NVH_IO_DEALLOCATE, 50, 2500, NULL);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, d.io), 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct nvhi_req *req;
		struct nvh_dsm_range range;
		struct nvhi_iov_cursor data;

		CU_ASSERT_EQUAL_FATAL(mpf_lent(c, 0), 1);
		req = mpf_cmd(c, 0, 0);
		data = req->data;
		CU_ASSERT_EQUAL(req->cmd.opc, NVH_OPC_DSM);
		CU_ASSERT_EQUAL(nvh_le32_get(req->cmd.cdw10), 0);
		CU_ASSERT_EQUAL(nvh_le32_get(req->cmd.cdw11), NVH_DSM_AD);
		CU_ASSERT_EQUAL(req->len, sizeof(range));
		CU_ASSERT_EQUAL(nvhi_iov_cursor_copy_out(&data, &range, sizeof(range)), 16);
		CU_ASSERT_EQUAL(nvh_le64_get(range.slba), 50 + i * 1000);
		CU_ASSERT_EQUAL(nvh_le32_get(range.nlb), i == 2 ? 500 : 1000);
		CU_ASSERT_EQUAL(d.calls, 0);
		mpf_complete(c, 0, 0, 0);
	}
	CU_ASSERT_EQUAL(d.calls, 1);
	mpf_io_done(&d);
	teardown();
}

static void write_zeroes_and_verify_have_limits_of_their_own(void)
{
	struct mpf_io z, v;

	mpf_start(1);
	c = mpf_join(0);
	c->inner->caps.wz_blocks_bytes = 16 * MPF_BLOCK;
	c->inner->caps.verify_bytes = 64 * MPF_BLOCK;
	ns = mpf_ns(c, 1, 7);
	mpf_live(c);
	CU_ASSERT_EQUAL_FATAL(nvhi_channel_open(ns, mpf.reactors[0], &channel), 0);
	mpf_io_init(&z, NVH_IO_WRITE_ZEROES, 0, 64, NULL);
	mpf_io_init(&v, NVH_IO_VERIFY, 0, 64, NULL);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, z.io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 4);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, v.io), 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 5);
	mpf_serve();
	CU_ASSERT_EQUAL(z.calls + v.calls, 2);
	mpf_io_done(&z);
	mpf_io_done(&v);
	teardown();
}

static void passthrough_goes_as_it_is(void)
{
	static uint8_t buf[100];
	struct nvh_cmd cmd = {.opc = 0xc2};
	struct mpf_io p;
	struct nvhi_req *req;

	setup();
	nvh_le32_put(&cmd.nsid, 77);
	nvh_le32_put(&cmd.cdw15, 0x12345678);
	mpf_io_init(&p, NVH_IO_PASSTHRU, 0, 0, buf);
	p.iov[0].iov_len = sizeof(buf);
	p.io->cmd = &cmd;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, p.io), 0);
	req = mpf_cmd(c, 0, 0);
	CU_ASSERT_EQUAL(req->cmd.opc, 0xc2);
	CU_ASSERT_EQUAL(nvh_le32_get(req->cmd.nsid), 77);
	CU_ASSERT_EQUAL(nvh_le32_get(req->cmd.cdw15), 0x12345678);
	CU_ASSERT_EQUAL(req->len, 100);
	CU_ASSERT_EQUAL(req->dir, NVHI_DIR_TO_HOST);
	CU_ASSERT_TRUE(req->short_ok);
	mpf_complete(c, 0, 0, NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(p.calls, 1);
	CU_ASSERT_EQUAL(p.status, NVH_ST_INVALID_FIELD);

	cmd.opc = 0xc3; /* both ways */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, p.io), -EINVAL);
	cmd.opc = 0xc0; /* none, but there is a buffer */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, p.io), -EINVAL);
	cmd.opc = 0xc1;
	cmd.flags = NVH_CMD_FUSE_FIRST;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, p.io), -EINVAL);
	p.io->cmd = NULL;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, p.io), -EINVAL);
	CU_ASSERT_EQUAL(p.calls, 1);
	mpf_io_done(&p);
	teardown();
}

/* What is refused is refused in the call, and nothing is sent. */
static void what_cannot_be_is_refused(void)
{
	static uint8_t buf[8 * MPF_BLOCK];
	struct nvhi_ns_data data;
	struct mpf_io io;

	setup();
	mpf_io_init(&io, NVH_IO_READ, MPF_BLOCKS - 7, 8, buf);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -ERANGE);
	io.io->lba = UINT64_MAX - 3;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -EINVAL);
	io.io->lba = 0;
	io.io->nr_blocks = 0;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -EINVAL);
	io.io->nr_blocks = 9; /* the buffer holds 8 */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -EINVAL);
	io.io->nr_blocks = 8;
	io.io->op = 99;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -EINVAL);
	io.io->op = NVH_IO_READ;
	io.io->md_iovcnt = 1;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -ENOTSUP);
	io.io->md_iovcnt = 0;

	mpf_ns_data(&data, 1, 7);
	data.nsattr = NVH_NSATTR_WRITE_PROTECTED;
	nvhi_mp_ns_changed(&c->mpc, &data, NVHI_NS_ATTR);
	io.io->op = NVH_IO_WRITE;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -EROFS);
	io.io->op = NVH_IO_WRITE_ZEROES;
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -EROFS);
	c->inner->caps.oncs = 0;
	mpf_ns_data(&data, 1, 7);
	nvhi_mp_ns_changed(&c->mpc, &data, NVHI_NS_ATTR);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -ENOTSUP);
	CU_ASSERT_EQUAL(io.calls, 0);
	CU_ASSERT_EQUAL(mpf_lent(c, 0), 0);

	io.io->op = NVH_IO_WRITE; /* the same object is good for another try */
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	mpf_serve();
	CU_ASSERT_EQUAL(io.calls, 1);
	mpf_io_done(&io);
	teardown();
}

static void a_range_past_a_resize_is_refused_and_within_it_taken(void)
{
	static uint8_t buf[MPF_BLOCK];
	struct nvhi_ns_data data;
	struct mpf_io io;

	setup();
	mpf_io_init(&io, NVH_IO_VERIFY, MPF_BLOCKS, 1, buf);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), -ERANGE);
	mpf_ns_data(&data, 1, 7);
	data.nsze = MPF_BLOCKS + 1;
	nvhi_mp_ns_changed(&c->mpc, &data, NVHI_NS_SIZE);
	CU_ASSERT_EQUAL(mpf.changed, 1);
	CU_ASSERT_EQUAL(nvhi_channel_submit(channel, io.io), 0);
	mpf_serve();
	mpf_io_done(&io);
	teardown();
}

NVH_UNIT_MAIN("multipath/split", NVH_TEST(odd_iovecs_are_cut_at_max_transfer),
	      NVH_TEST(an_io_that_fits_is_one_command),
	      NVH_TEST(the_first_error_is_told_and_the_rest_is_awaited),
	      NVH_TEST(an_io_larger_than_the_queue_flows_through_it),
	      NVH_TEST(no_part_has_more_blocks_than_sixteen_bits_count),
	      NVH_TEST(a_deallocate_goes_range_by_range),
	      NVH_TEST(write_zeroes_and_verify_have_limits_of_their_own),
	      NVH_TEST(passthrough_goes_as_it_is), NVH_TEST(what_cannot_be_is_refused),
	      NVH_TEST(a_range_past_a_resize_is_refused_and_within_it_taken))
