/*
 * fabric/rdma/rdma_{submit,data,post,cq}.c: where data is, who may reach it and for how long,
 * credits, and what a controller that misbehaves brings about.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "fabric/rdma/bounce.h"
#include "fabric/rdma/rdma.h"
#include "tests/unit/rdma_fixture.h"

#define IO (&(struct rq_opts){.qid = 1})

static uint8_t *buf; /* DMA memory */
#define BUF_SIZE (2u << 20)

static void live(const struct rq_opts *opts)
{
	buf = nvhi_dma_alloc(BUF_SIZE, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(buf);
	rq_live(opts);
}

static void end(void)
{
	rq_destroy();
	nvhi_dma_free(buf);
}

static struct fake_capsule *submit(struct rdma_req *rreq, uint8_t opc, enum nvhi_dir dir, void *mem,
				   uint32_t len)
{
	struct fake_capsule *capsule;

	rq_req(rreq, opc, dir, mem, len);
	rq_submit(rreq);
	rq_run();
	capsule = rdev_command();
	CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
	CU_ASSERT_EQUAL(nvh_le16_get(capsule->cmd.cid), nvh_le16_get(rreq->req.cmd.cid));
	return capsule;
}

static struct fake_capsule *submit_read(struct rdma_req *rreq, void *mem, uint32_t len)
{
	return submit(rreq, NVH_OPC_READ, NVHI_DIR_TO_HOST, mem, len);
}

static struct fake_capsule *submit_write(struct rdma_req *rreq, void *mem, uint32_t len)
{
	return submit(rreq, NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, mem, len);
}

static uint32_t key_of(const struct fake_capsule *capsule)
{
	return nvh_le32_get(capsule->cmd.dptr.ksgl.key);
}

static uint64_t address_of(const struct fake_capsule *capsule)
{
	return nvh_le64_get(capsule->cmd.dptr.ksgl.addr);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void a_read_opens_exactly_its_bytes_for_exactly_its_time(void)
{
	struct fake_capsule *capsule;
	struct rdma_req read;
	uint8_t pattern[4096];

	memset(pattern, 0x5a, sizeof(pattern));
	live(IO);
	capsule = submit_read(&read, buf + 8192, 4096);
	CU_ASSERT_EQUAL(capsule->cmd.dptr.ksgl.id, NVH_SGL_ID_KEYED_INV);
	CU_ASSERT_EQUAL(address_of(capsule), (uintptr_t)buf + 8192);
	CU_ASSERT_EQUAL(nvh_le24_get(capsule->cmd.dptr.ksgl.len), 4096);
	CU_ASSERT_TRUE(rdev_write(capsule, 0, pattern, 4096));
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(read.done, 1);
	CU_ASSERT_EQUAL(read.err, 0);
	CU_ASSERT_EQUAL(read.req.transferred, 4096);
	CU_ASSERT_EQUAL(memcmp(buf + 8192, pattern, 4096), 0);
	CU_ASSERT_FALSE(rdev_key_open(key_of(capsule)));
	CU_ASSERT_EQUAL(rdev.local_invs, 0);
	/* Late, by the key of a command that is done. */
	CU_ASSERT_FALSE(rdev_write(capsule, 0, pattern, 4096));
	end();
}

static void a_controller_reaches_nothing_beside_the_buffer(void)
{
	struct fake_capsule *capsule;
	struct rdma_req read;
	uint8_t byte = 1;

	live(IO);
	capsule = submit_read(&read, buf + 8192, 4096);
	CU_ASSERT_FALSE(rdev_write(capsule, 4096, &byte, 1));
	end();
	live(IO);
	capsule = submit_read(&read, buf + 8192, 4096);
	CU_ASSERT_FALSE(rdev_read(capsule, 0, &byte, 1)); /* it may write, not read */
	end();
}

static void a_window_that_the_controller_left_open_is_closed_before_done(void)
{
	struct fake_capsule *capsule;
	struct rdma_req write;

	live(IO);
	rdev.hold_sends = true;
	capsule = submit_write(&write, buf, 65536);
	CU_ASSERT_TRUE(rdev_read(capsule, 65535, &(uint8_t){0}, 1));
	rdev_respond(capsule, 0, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(rdev.local_invs, 1);
	CU_ASSERT_EQUAL(write.done, 0); /* the invalidation has not reported */
	rdev_sent(10);
	rq_run();
	CU_ASSERT_EQUAL(write.done, 1);
	CU_ASSERT_EQUAL(write.err, 0);
	CU_ASSERT_FALSE(rdev_key_open(key_of(capsule)));
	end();
}

static void an_error_status_closes_the_window_too(void)
{
	struct fake_capsule *capsule;
	struct rdma_req read;

	live(IO);
	capsule = submit_read(&read, buf, 4096);
	rdev_respond(capsule, NVH_ST_INVALID_FIELD, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(read.done, 1);
	CU_ASSERT_EQUAL(nvh_cpl_code(&read.cpl), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(read.req.transferred, 0);
	CU_ASSERT_FALSE(rdev_key_open(key_of(capsule)));
	end();
}

static void a_window_is_bound_again_under_another_key(void)
{
	struct fake_capsule *capsule;
	struct rdma_req read;
	uint32_t last = 0;

	live(IO);
	for (int i = 0; i < 600; i++) { /* more than a key's byte has values */
		capsule = submit_read(&read, buf, 512);
		CU_ASSERT_NOT_EQUAL(key_of(capsule), last);
		last = key_of(capsule);
		rdev_respond(capsule, 0, 0, i & 1);
		rq_run();
		CU_ASSERT_EQUAL(read.done, 1);
	}
	CU_ASSERT_EQUAL(rdev.local_invs, 300);
	end();
}

static void an_invalidation_told_by_the_kernels_flag_is_understood(void)
{
	struct fake_capsule *capsule;
	struct rdma_req read;

	live(IO);
	rdev.rxe_flags = true;
	capsule = submit_read(&read, buf, 4096);
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(read.done, 1);
	CU_ASSERT_EQUAL(rdev.local_invs, 0);
	/* That flag with another number says nothing. */
	capsule = submit_read(&read, buf, 4096);
	CU_ASSERT_NOT_EQUAL(key_of(capsule), 0x77);
	{
		struct nvh_cpl cpl;

		memset(&cpl, 0, sizeof(cpl));
		nvh_le16_put(&cpl.sqhd, rq.sqhd);
		cpl.cid = capsule->cmd.cid;
		rdev_response_raw(&cpl, sizeof(cpl), 0x77);
	}
	rq_run();
	CU_ASSERT_EQUAL(read.done, 1);
	CU_ASSERT_EQUAL(rdev.local_invs, 1);
	end();
}

static void a_device_without_windows_gives_the_regions_key(void)
{
	struct fake_capsule *capsule;
	struct rdma_req read;

	buf = nvhi_dma_alloc(BUF_SIZE, 0);
	rq_create(IO);
	rdev.attr.device_cap_flags = 0;
	rdev.attr.max_mw = 0;
	rq_come_alive();
	capsule = submit_read(&read, buf, 4096);
	CU_ASSERT_EQUAL(capsule->cmd.dptr.ksgl.id, NVH_SGL_ID_KEYED);
	CU_ASSERT_TRUE(rdev_write(capsule, 0, "x", 1));
	rdev_respond(capsule, 0, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(read.done, 1);
	CU_ASSERT_EQUAL(buf[0], 'x');
	CU_ASSERT_EQUAL(rdev.binds + rdev.local_invs, 0);
	end();
}

/* ---- where data is --------------------------------------------------------------------------- */

static int mrs_in_use(void)
{
	int count = 0;

	for (int i = 0; i < FAKE_MRS; i++)
		count += rdev.mrs[i].used;
	return count;
}

static void a_region_is_registered_once_and_whole(void)
{
	struct fake_capsule *capsule;
	struct rdma_req read;
	int before;

	live(IO);
	before = mrs_in_use();
	for (uint32_t at = 0; at < BUF_SIZE; at += BUF_SIZE / 8) {
		capsule = submit_read(&read, buf + at, 4096);
		rdev_respond(capsule, 0, 0, true);
		rq_run();
	}
	CU_ASSERT_EQUAL(mrs_in_use(), before + 1);
	/* It goes with the memory. */
	nvhi_dma_free(buf);
	CU_ASSERT_EQUAL(mrs_in_use(), before);
	buf = NULL;
	end();
}

static void registered_memory_is_used_in_place_and_let_go_of(void)
{
	uint8_t *mem = malloc(65536);
	struct fake_capsule *capsule;
	struct rdma_req read;
	int before;

	live(IO);
	before = mrs_in_use();
	CU_ASSERT_EQUAL(nvhi_transport_rdma.mem_register(rq.tctrlr, mem, 65536), 0);
	CU_ASSERT_EQUAL(nvhi_transport_rdma.mem_register(rq.tctrlr, mem, 65536), 0);
	CU_ASSERT_EQUAL(mrs_in_use(), before + 1);
	capsule = submit_read(&read, mem + 100, 5000);
	CU_ASSERT_EQUAL(address_of(capsule), (uintptr_t)mem + 100);
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	nvhi_transport_rdma.mem_unregister(rq.tctrlr, mem, 65536);
	CU_ASSERT_EQUAL(mrs_in_use(), before + 1); /* registered twice */
	nvhi_transport_rdma.mem_unregister(rq.tctrlr, mem, 65536);
	CU_ASSERT_EQUAL(mrs_in_use(), before);
	capsule = submit_read(&read, mem + 100, 5000);
	CU_ASSERT_NOT_EQUAL(address_of(capsule), (uintptr_t)mem + 100);
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	free(mem);
	end();
}

static void memory_that_cannot_be_registered_is_copied(void)
{
	uint8_t *mem = malloc(65536);
	struct fake_capsule *capsule;
	struct rdma_req read;

	live(IO);
	rdev.pin_limit = rdev.pinned + 4096;
	capsule = submit_read(&read, buf, 4096);
	CU_ASSERT_NOT_EQUAL(address_of(capsule), (uintptr_t)buf);
	CU_ASSERT_TRUE(rdev_write(capsule, 0, "copied", 6));
	CU_ASSERT_NOT_EQUAL(memcmp(buf, "copied", 6), 0);
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(memcmp(buf, "copied", 6), 0);
	CU_ASSERT_EQUAL(rq.log_lines, 1); /* said once */
	capsule = submit_read(&read, buf, 4096);
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	CU_ASSERT_EQUAL(rq.log_lines, 1);
	CU_ASSERT_NOT_EQUAL(nvhi_transport_rdma.mem_register(rq.tctrlr, mem, 65536), 0);
	free(mem);
	end();
}

static void plain_and_scattered_memory_is_copied_both_ways(void)
{
	uint8_t *mem = malloc(65536);
	struct fake_capsule *capsule;
	struct rdma_req rreq;
	uint8_t data[9000], back[9000];

	for (int i = 0; i < 9000; i++)
		data[i] = (uint8_t)(i * 7);
	live(IO);
	for (int scattered = 0; scattered < 2; scattered++) {
		for (int dir = 0; dir < 2; dir++) {
			rq_req(&rreq, dir ? NVH_OPC_WRITE : NVH_OPC_READ,
			       dir ? NVHI_DIR_TO_CTRLR : NVHI_DIR_TO_HOST, mem, 9000);
			if (scattered) {
				rreq.iov[0] = (struct iovec){buf + 1, 1000};
				rreq.iov[1] = (struct iovec){mem + 5, 7000};
				rreq.iov[2] = (struct iovec){buf + 5000, 1000};
				nvhi_iov_cursor_init(&rreq.req.data, rreq.iov, 3);
			}
			if (dir) {
				struct nvhi_iov_cursor cursor = rreq.req.data;

				nvhi_iov_cursor_copy_in(&cursor, data, 9000);
			}
			rq_submit(&rreq);
			rq_run();
			capsule = rdev_command();
			CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
			memset(back, 0, sizeof(back));
			if (dir)
				CU_ASSERT_TRUE(rdev_read(capsule, 0, back, 9000))
			else
				CU_ASSERT_TRUE(rdev_write(capsule, 0, data, 9000));
			rdev_respond(capsule, 0, 0, true);
			rq_run();
			CU_ASSERT_EQUAL(rreq.done, 1);
			if (!dir) {
				struct nvhi_iov_cursor cursor = rreq.req.data;

				nvhi_iov_cursor_copy_out(&cursor, back, 9000);
			}
			CU_ASSERT_EQUAL(memcmp(back, data, 9000), 0);
		}
	}
	free(mem);
	end();
}

static void pieces_that_touch_are_one(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	live(IO);
	rq_req(&rreq, NVH_OPC_READ, NVHI_DIR_TO_HOST, buf, 6000);
	for (int i = 0; i < 6; i++)
		rreq.iov[i] = (struct iovec){buf + i * 1000, 1000};
	nvhi_iov_cursor_init(&rreq.req.data, rreq.iov, 6);
	rq_submit(&rreq);
	rq_run();
	capsule = rdev_command();
	CU_ASSERT_EQUAL(address_of(capsule), (uintptr_t)buf);
	rdev_respond(capsule, 0, 0, true);
	end();
}

static void a_small_write_travels_in_its_capsule(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	live(&(struct rq_opts){.qid = 1, .ioccsz = 4096});
	memset(buf, 'a', 1000);
	memset(buf + 5000, 'b', 3096);
	rq_req(&rreq, NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, buf, 4096);
	rreq.iov[0] = (struct iovec){buf, 1000};
	rreq.iov[1] = (struct iovec){buf + 5000, 3096};
	nvhi_iov_cursor_init(&rreq.req.data, rreq.iov, 2);
	rdev.hold_sends = true;
	rq_submit(&rreq);
	rq_run();
	capsule = rdev_command();
	CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
	CU_ASSERT_EQUAL(capsule->cmd.dptr.sgl.id, NVH_SGL_ID_IN_CAPSULE);
	CU_ASSERT_EQUAL(nvh_le64_get(capsule->cmd.dptr.sgl.addr), 0);
	CU_ASSERT_EQUAL(nvh_le32_get(capsule->cmd.dptr.sgl.len), 4096);
	CU_ASSERT_EQUAL_FATAL(capsule->len, 4096);
	CU_ASSERT_EQUAL(memcmp(capsule->data, buf, 1000), 0);
	CU_ASSERT_EQUAL(memcmp(capsule->data + 1000, buf + 5000, 3096), 0);
	/* The capsule may be sent again out of the caller's memory until its sending has reported.
	 */
	rdev_respond(capsule, 0, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(rreq.done, 0);
	rdev_sent(10);
	rq_run();
	CU_ASSERT_EQUAL(rreq.done, 1);
	CU_ASSERT_EQUAL(rdev.binds, 0);
	end();
}

static void a_small_write_of_plain_or_tattered_memory_is_copied_into_its_capsule(void)
{
	uint8_t *mem = malloc(4096);
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	live(&(struct rq_opts){.qid = 1, .ioccsz = 4096});
	rdev.hold_sends = true;
	memset(mem, 'm', 4096);
	capsule = submit_write(&rreq, mem, 4096);
	CU_ASSERT_EQUAL_FATAL(capsule->len, 4096);
	CU_ASSERT_EQUAL(memcmp(capsule->data, mem, 4096), 0);
	rdev_respond(capsule, 0, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(rreq.done, 1); /* the caller's memory is not sent from */
	rq_req(&rreq, NVH_OPC_WRITE, NVHI_DIR_TO_CTRLR, buf, 512);
	for (int i = 0; i < 8; i++) /* more pieces than the device gathers */
		rreq.iov[i] = (struct iovec){buf + i * 100, 64};
	nvhi_iov_cursor_init(&rreq.req.data, rreq.iov, 8);
	memset(buf, 't', 800);
	rq_submit(&rreq);
	rq_run();
	capsule = rdev_command();
	CU_ASSERT_EQUAL_FATAL(capsule->len, 512);
	CU_ASSERT_EQUAL(memcmp(capsule->data, buf, 100), 0);
	rdev_respond(capsule, 0, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(rreq.done, 1);
	free(mem);
	end();
}

static void what_the_controller_does_not_take_in_capsules_goes_by_key(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	live(&(struct rq_opts){.qid = 1, .ioccsz = 4096});
	capsule = submit_write(&rreq, buf, 4608);
	CU_ASSERT_EQUAL(capsule->len, 0);
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	rq.tctrlr->sgls = 5; /* no offsets */
	capsule = submit_write(&rreq, buf, 512);
	CU_ASSERT_EQUAL(capsule->len, 0);
	CU_ASSERT_EQUAL(capsule->cmd.dptr.ksgl.id, NVH_SGL_ID_KEYED_INV);
	rdev_respond(capsule, 0, 0, true);
	end();
}

static void a_command_without_data_has_an_empty_key(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	live(IO);
	capsule = submit(&rreq, NVH_OPC_FLUSH, NVHI_DIR_NONE, NULL, 0);
	CU_ASSERT_EQUAL(capsule->cmd.dptr.ksgl.id, NVH_SGL_ID_KEYED);
	CU_ASSERT_EQUAL(nvh_le24_get(capsule->cmd.dptr.ksgl.len), 0);
	CU_ASSERT_EQUAL(capsule->cmd.flags & NVH_CMD_PSDT_MASK, NVH_CMD_PSDT_SGL);
	rdev_respond(capsule, 0, 0, false);
	rq_run();
	CU_ASSERT_EQUAL(rreq.done, 1);
	end();
}

static void more_than_a_copy_holds_is_refused_without_harm(void)
{
	uint8_t *mem = malloc(NVHI_RDMA_BOUNCE_MAX + 4096);
	struct rdma_req rreq;

	live(IO);
	rq_req(&rreq, NVH_OPC_READ, NVHI_DIR_TO_HOST, mem, NVHI_RDMA_BOUNCE_MAX + 4096);
	rq_submit(&rreq);
	rq_run();
	CU_ASSERT_EQUAL(rreq.done, 1);
	CU_ASSERT_EQUAL(rreq.err, -EMSGSIZE);
	CU_ASSERT_FALSE(rreq.req.sent);
	CU_ASSERT_EQUAL(rq.lost, 0);
	free(mem);
	end();
}

/* ---- credits --------------------------------------------------------------------------------- */

#define MANY 31

static void a_full_queue_takes_no_more(void)
{
	struct rdma_req rreqs[MANY], one;

	live(IO);
	CU_ASSERT_EQUAL(rq.qpair->depth, MANY);
	for (int i = 0; i < MANY; i++) {
		rq_req(&rreqs[i], NVH_OPC_READ, NVHI_DIR_TO_HOST, buf + i * 4096, 4096);
		rq_submit(&rreqs[i]);
	}
	rq_req(&one, NVH_OPC_READ, NVHI_DIR_TO_HOST, buf, 4096);
	CU_ASSERT_EQUAL(nvhi_transport_rdma.submit(rq.qpair, &one.req), -EAGAIN);
	rq_run();
	CU_ASSERT_EQUAL(rdev.capsule_tail - rdev.capsule_head, MANY);
	end();
}

static void a_turns_commands_leave_in_one_call(void)
{
	struct rdma_req rreqs[MANY];
	unsigned int before;

	live(IO);
	before = rdev.send_posts;
	for (int i = 0; i < MANY; i++) {
		rq_req(&rreqs[i], NVH_OPC_READ, NVHI_DIR_TO_HOST, buf + i * 4096, 4096);
		rq_submit(&rreqs[i]);
	}
	CU_ASSERT_EQUAL(rdev.send_posts, before);
	rq_run();
	CU_ASSERT_EQUAL(rdev.send_posts, before + 1);
	end();
}

/* Reads for ever at full depth while send completions come late, and not all: `rounds` of them. */
static void churn(int rounds)
{
	struct fake_capsule *capsules[MANY];
	struct rdma_req rreqs[MANY];
	int done = 0;

	rdev.hold_sends = true;
	for (int round = 0; round < rounds; round++) {
		uint32_t count = 1 + (uint32_t)round % rq.qpair->depth;

		for (uint32_t i = 0; i < count; i++) {
			rq_req(&rreqs[i], NVH_OPC_READ, NVHI_DIR_TO_HOST, buf + i * 4096, 4096);
			rq_submit(&rreqs[i]);
		}
		rq_run();
		for (uint32_t i = 0; i < count; i++) {
			while (!(capsules[i] = rdev_command())) {
				/* Out of credits: they come back as sends report. */
				CU_ASSERT_NOT_EQUAL_FATAL(rdev.held_head, rdev.held_tail);
				rdev_sent(1);
				rq_run();
			}
		}
		for (uint32_t i = 0; i < count; i++)
			rdev_respond(capsules[i], 0, 0, (round + i) % 3);
		rq_run();
		for (int tries = 0; tries < 100; tries++) {
			rdev_sent(1);
			rq_run();
		}
		for (uint32_t i = 0; i < count; i++)
			done += rreqs[i].done == 1 && rreqs[i].err == 0;
		CU_ASSERT_EQUAL(rq.qpair->inflight, 0);
	}
	CU_ASSERT(done > rounds);
	CU_ASSERT(rdev.sq_peak <= rdev.cap.max_send_wr);
}

static void the_send_queue_is_never_overrun(void)
{
	live(IO);
	churn(60);
	CU_ASSERT_EQUAL(rq.lost, 0);
	end();
}

static void a_send_queue_shorter_than_the_commands_makes_them_wait(void)
{
	buf = nvhi_dma_alloc(BUF_SIZE, 0);
	rq_create(IO);
	rdev.attr.max_qp_wr = 32; /* for 31 commands of three entries */
	rq_come_alive();
	CU_ASSERT_EQUAL(rdev.cap.max_send_wr, 32);
	churn(60);
	CU_ASSERT_EQUAL(rdev.sq_peak, 32);
	CU_ASSERT_EQUAL(rq.lost, 0);
	end();
}

static void commands_wait_for_a_window(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreqs[8];

	buf = nvhi_dma_alloc(BUF_SIZE, 0);
	rq_create(IO);
	rdev.mw_limit = 3;
	rq_come_alive();
	CU_ASSERT_EQUAL(rq.log_lines, 1); /* some will wait */
	for (int i = 0; i < 8; i++) {
		rq_req(&rreqs[i], NVH_OPC_READ, NVHI_DIR_TO_HOST, buf + i * 4096, 4096);
		rq_submit(&rreqs[i]);
	}
	rq_run();
	CU_ASSERT_EQUAL(rdev.capsule_tail - rdev.capsule_head, 3);
	for (int i = 0; i < 8; i++) {
		capsule = rdev_command();
		CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
		rdev_respond(capsule, 0, 0, true);
		rq_run();
		CU_ASSERT_EQUAL(rreqs[i].done, 1); /* in order */
	}
	end();
}

static void commands_wait_for_room_for_a_copy(void)
{
	uint8_t *mem = malloc(8u << 20);
	struct fake_capsule *capsule;
	struct rdma_req rreqs[8];
	unsigned int sent;

	live(IO);
	for (int i = 0; i < 8; i++) {
		rq_req(&rreqs[i], NVH_OPC_READ, NVHI_DIR_TO_HOST, mem + ((size_t)i << 20),
		       1u << 20);
		rq_submit(&rreqs[i]);
	}
	rq_run();
	sent = rdev.capsule_tail - rdev.capsule_head;
	CU_ASSERT(sent >= 2 && sent < 8);
	for (int i = 0; i < 8; i++) {
		capsule = rdev_command();
		CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
		rdev_write(capsule, 0, "z", 1);
		rdev_respond(capsule, 0, 0, true);
		rq_run();
		CU_ASSERT_EQUAL(rreqs[i].done, 1);
		CU_ASSERT_EQUAL(mem[(size_t)i << 20], 'z');
	}
	free(mem);
	end();
}

static void submit_again(struct rdma_req *rreq)
{
	static uint8_t opc = NVH_OPC_FLUSH;

	rreq->then = NULL;
	rq_req(rreq, opc, NVHI_DIR_NONE, NULL, 0);
	rq_submit(rreq);
}

static void done_may_submit(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	live(IO);
	capsule = submit_read(&rreq, buf, 4096);
	rreq.then = submit_again;
	rdev_respond(capsule, 0, 0, true);
	rq_run();
	capsule = rdev_command();
	CU_ASSERT_PTR_NOT_NULL_FATAL(capsule);
	CU_ASSERT_EQUAL(capsule->cmd.opc, NVH_OPC_FLUSH);
	end();
}

/* ---- sleep ----------------------------------------------------------------------------------- */

/* The command's answer comes while the reactor sleeps. */
static void answered_asleep(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	capsule = submit_read(&rreq, buf, 4096);
	rq.clock_step = 50000;
	nvhi_reactor_run(reactor, 5);
	CU_ASSERT_TRUE(rdev.armed);
	rdev_respond(capsule, 0, 0, true);
	CU_ASSERT_FALSE(rdev.armed); /* its event is in the descriptor */
	for (int i = 0; i < 10 && !rreq.done; i++)
		CU_ASSERT(nvhi_reactor_run(reactor, -1) > 0);
	CU_ASSERT_EQUAL(rreq.done, 1);
	rq.clock_step = 0;
}

static void a_sleeping_reactor_is_woken_by_the_completion_channel(void)
{
	for (uint16_t qid = 0; qid < 2; qid++) {
		live(&(struct rq_opts){.qid = qid});
		answered_asleep();
		answered_asleep(); /* each sleep is armed anew */
		end();
	}
}

static void what_completed_before_it_was_armed_keeps_the_reactor_awake(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;

	live(IO);
	capsule = submit_read(&rreq, buf, 4096);
	rdev.arms = 0;
	rdev.respond_when_armed = capsule;
	rq.clock_step = 50000;
	for (int i = 0; i < 10 && !rreq.done; i++)
		CU_ASSERT(nvhi_reactor_run(reactor, -1) > 0);
	CU_ASSERT_EQUAL(rreq.done, 1);
	CU_ASSERT_EQUAL(rdev.cq_events, 0);
	rq.clock_step = 0;
	end();
}

static void a_busy_queue_is_polled_without_arming(void)
{
	struct fake_capsule *capsule;
	struct rdma_req rreq;
	unsigned int arms;

	live(IO);
	arms = rdev.arms;
	for (int i = 0; i < 100; i++) {
		capsule = submit_read(&rreq, buf, 4096);
		rdev_respond(capsule, 0, 0, true);
		rq_run();
	}
	CU_ASSERT_EQUAL(rdev.arms, arms);
	end();
}

NVH_UNIT_MAIN("fabric/rdma/rdma_queue",
	      NVH_TEST(a_read_opens_exactly_its_bytes_for_exactly_its_time),
	      NVH_TEST(a_controller_reaches_nothing_beside_the_buffer),
	      NVH_TEST(a_window_that_the_controller_left_open_is_closed_before_done),
	      NVH_TEST(an_error_status_closes_the_window_too),
	      NVH_TEST(a_window_is_bound_again_under_another_key),
	      NVH_TEST(an_invalidation_told_by_the_kernels_flag_is_understood),
	      NVH_TEST(a_device_without_windows_gives_the_regions_key),
	      NVH_TEST(a_region_is_registered_once_and_whole),
	      NVH_TEST(registered_memory_is_used_in_place_and_let_go_of),
	      NVH_TEST(memory_that_cannot_be_registered_is_copied),
	      NVH_TEST(plain_and_scattered_memory_is_copied_both_ways),
	      NVH_TEST(pieces_that_touch_are_one), NVH_TEST(a_small_write_travels_in_its_capsule),
	      NVH_TEST(a_small_write_of_plain_or_tattered_memory_is_copied_into_its_capsule),
	      NVH_TEST(what_the_controller_does_not_take_in_capsules_goes_by_key),
	      NVH_TEST(a_command_without_data_has_an_empty_key),
	      NVH_TEST(more_than_a_copy_holds_is_refused_without_harm),
	      NVH_TEST(a_full_queue_takes_no_more), NVH_TEST(a_turns_commands_leave_in_one_call),
	      NVH_TEST(the_send_queue_is_never_overrun),
	      NVH_TEST(a_send_queue_shorter_than_the_commands_makes_them_wait),
	      NVH_TEST(commands_wait_for_a_window), NVH_TEST(commands_wait_for_room_for_a_copy),
	      NVH_TEST(done_may_submit),
	      NVH_TEST(a_sleeping_reactor_is_woken_by_the_completion_channel),
	      NVH_TEST(what_completed_before_it_was_armed_keeps_the_reactor_awake),
	      NVH_TEST(a_busy_queue_is_polled_without_arming))
