/*
 * The vfio-user client against a server that does not keep to the protocol: silent, gone in the
 * middle, with wrong, unasked and cut replies, refusals; and one that dies and comes back.
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

/* ---- a good server --------------------------------------------------------------------------- */

static void a_server_that_answers_is_a_controller(void)
{
	vs_setup();
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS), UINT32_MAX);
	CU_ASSERT_EQUAL(vs_begin(), 0);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CAP), (uint32_t)VS_CAP);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CAP + 4),
			(uint32_t)(VS_CAP >> 32));
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_VS), 0x20000);
	CU_ASSERT_TRUE(is_mapped());
	/* The change shows as under way until a read that was asked for after it says otherwise. */
	CU_ASSERT_EQUAL(vs_csts(), 0);
	vs_vfu->bus.ops->write32(&vs_vfu->bus, NVH_REG_CC, NVH_CC_EN);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS), 0);
	CU_ASSERT_EQUAL(vs_csts(), NVH_CSTS_RDY);
	vs_vfu->bus.ops->write32(&vs_vfu->bus, NVH_REG_CC, 0);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS), NVH_CSTS_RDY);
	CU_ASSERT_EQUAL(vs_csts(), 0);
	CU_ASSERT_EQUAL(vs_told.gone, 0);
	vs_teardown();
}

static void memory_is_told_as_it_comes_and_goes(void)
{
	void *ptr[3];
	uint64_t iova[3];

	vs_setup();
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->dma_alloc(&vs_vfu->bus, 100, 4096, &ptr[0], &iova[0]), 0);
	CU_ASSERT_EQUAL(vs_begin(), 0);
	CU_ASSERT_EQUAL(vs.maps, 1);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->dma_alloc(&vs_vfu->bus, 1 << 20, 4096, &ptr[1], &iova[1]),
			0);
	vs_run();
	CU_ASSERT_EQUAL(vs.maps, 2);
	vs_vfu->bus.ops->dma_free(&vs_vfu->bus, ptr[0], 100);
	vs_run();
	CU_ASSERT_EQUAL(vs.unmaps, 1);
	/* Never the same address twice: srv_answer checks. */
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->dma_alloc(&vs_vfu->bus, 100, 4096, &ptr[2], &iova[2]), 0);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->irq(&vs_vfu->bus, 3, vs.bar_fd), 0);
	vs_run();
	CU_ASSERT_EQUAL(vs.irqs, 1);
	/* A new server is told of all that there is, and nothing else. */
	vs_die();
	vs_run();
	CU_ASSERT_EQUAL(vs_told.gone, 1);
	CU_ASSERT_EQUAL(vs_told.gone_err, -ENODEV);
	vs_reset();
	vs_listen();
	CU_ASSERT_EQUAL(vs_begin(), 0);
	CU_ASSERT_EQUAL(vs.maps, 2);
	CU_ASSERT_EQUAL(vs.irqs, 1);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->irq(&vs_vfu->bus, 3, -1), 0);
	vs_vfu->bus.ops->dma_free(&vs_vfu->bus, ptr[1], 1 << 20);
	vs_vfu->bus.ops->dma_free(&vs_vfu->bus, ptr[2], 100);
	vs_run();
	CU_ASSERT_EQUAL(vs.unmaps, 2);
	vs_teardown();
}

static void a_server_that_dies_again_and_again_is_found_again(void)
{
	unsigned int fds = 0;

	vs_setup();
	for (int i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL_FATAL(vs_begin(), 0);
		CU_ASSERT_EQUAL(vs_csts(), 0);
		vs_die();
		vs_run();
		CU_ASSERT_EQUAL(vs_told.gone, 1);
		CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS), UINT32_MAX);
		vs_vfu->bus.ops->write32(&vs_vfu->bus, NVH_REG_CC, 0);
		/* A doorbell that a queue still rings is memory, and no more. */
		*vs_vfu->bus.ops->doorbell(&vs_vfu->bus, nvh_db_sq(1, 0)) = 7;
		if (i % 10 == 0) {
			CU_ASSERT_EQUAL(vs_begin(), -ECONNREFUSED);
			CU_ASSERT_TRUE(strstr(vs_told.why, vs.dir) != NULL);
		}
		vs_reset();
		vs_listen();
		if (i == 1)
			fds = vs_count_fds();
		CU_ASSERT_TRUE(i < 1 || vs_count_fds() <= fds);
	}
	vs_teardown();
}

static void where_no_server_is_the_error_says_where(void)
{
	vs_setup();
	vs_die();
	CU_ASSERT_EQUAL(vs_begin(), -ECONNREFUSED);
	unlink(vs.path);
	CU_ASSERT_EQUAL(vs_begin(), -ENOENT);
	CU_ASSERT_TRUE(strstr(vs_told.why, vs.dir) != NULL);
	vs_teardown();
}

/* ---- silence, and the end -------------------------------------------------------------------- */

static void a_silent_server_is_given_up_at_the_deadline(void)
{
	vs_setup();
	for (uint32_t n = 0; n < VS_QUESTIONS; n++) {
		vs.silent_at = n;
		CU_ASSERT_EQUAL(vs_begin(), 1);
		vs_pass_ms(VS_TIMEOUT_MS - 1);
		CU_ASSERT_EQUAL(vs_told.done, 0);
		vs_pass_ms(2);
		CU_ASSERT_EQUAL(vs_told.done, 1);
		CU_ASSERT_EQUAL(vs_told.err, -ETIMEDOUT);
		CU_ASSERT_TRUE(strstr(vs_told.why, "500 ms") != NULL);
		vs_again();
	}
	CU_ASSERT_EQUAL(vs_begin(), 0);
	vs_pass_ms(10 * VS_TIMEOUT_MS); /* the deadline is no more */
	CU_ASSERT_EQUAL(vs_told.gone, 0);
	vs_teardown();
}

static void a_server_that_goes_silent_is_gone_when_csts_is_asked_for(void)
{
	vs_setup();
	CU_ASSERT_EQUAL(vs_begin(), 0);
	CU_ASSERT_EQUAL(vs_csts(), 0);
	vs.silent_at = 0;
	for (unsigned int ms = 0; ms < 5000 && !vs_told.gone; ms += 250) {
		vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS);
		vs_pass_ms(250);
	}
	CU_ASSERT_EQUAL(vs_told.gone, 1);
	CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS), UINT32_MAX);
	vs_again();
	CU_ASSERT_EQUAL(vs_begin(), 0);
	vs_teardown();
}

static void a_server_that_leaves_at_any_question_is_gone_at_once(void)
{
	vs_setup();
	for (uint32_t n = 0; n < VS_QUESTIONS; n++) {
		vs.close_at = n;
		CU_ASSERT_EQUAL(vs_begin(), -ENODEV);
		CU_ASSERT_EQUAL(vs_told.done, 1);
		vs_again();
	}
	vs_teardown();
}

static void a_start_that_is_abandoned_tells_nothing(void)
{
	vs_setup();
	for (uint32_t n = 0; n <= VS_QUESTIONS; n++) {
		vs.silent_at = n;
		memset(&vs_told, 0, sizeof(vs_told));
		vs_vfu->bus.ops->start(&vs_vfu->bus, vs_reactor, &vs_start);
		if (n < VS_QUESTIONS)
			vs_run();
		vs_vfu->bus.ops->abandon(&vs_vfu->bus);
		vs_pass_ms(2 * VS_TIMEOUT_MS);
		CU_ASSERT_EQUAL(vs_told.done + vs_told.gone, 0);
		vs_again();
	}
	CU_ASSERT_EQUAL(vs_begin(), 0);
	vs_teardown();
}

static void a_server_that_does_not_read_is_gone_and_nothing_waits(void)
{
	uint32_t i = 0;

	vs_setup();
	CU_ASSERT_EQUAL(vs_begin(), 0);
	while (vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_VS) != UINT32_MAX && i++ < 100000)
		vs_vfu->bus.ops->write32(&vs_vfu->bus, nvh_db_sq(0, 0), i);
	CU_ASSERT_TRUE(i < 100000);
	vs_run();
	CU_ASSERT_EQUAL(vs_told.gone, 1);
	vs_teardown();
}

/* ---- replies that cannot be ------------------------------------------------------------------ */

static void replies_that_are_cut_are_no_answers(void)
{
	vs_setup();
	for (uint32_t n = 0; n < VS_QUESTIONS; n++)
		for (uint32_t bytes = 0; bytes < 24; bytes++) {
			/* VERSION needs 4 bytes, info 16, region info 32, a register 16 and itself.
			 */
			uint32_t need = n == 0 ? 4 : n == 1 ? 16 : n == 2 ? 32 : n == 3 ? 24 : 20;

			/* The connection ends in it */
			if (bytes < 23) {
				vs.cut_at = n;
				vs.amount = bytes;
				CU_ASSERT_EQUAL(vs_begin(), -ENODEV);
				vs_again();
			}
			/* A message that is whole, and too short */
			vs.short_at = n;
			vs.amount = bytes;
			CU_ASSERT_EQUAL(vs_begin(), bytes < need ? -EPROTO : 0);
			vs_again();
		}
	vs_teardown();
}

static void replies_with_a_wrong_size_or_id_end_the_connection(void)
{
	static const uint32_t sizes[] = {0, 3, 15, 16 + 8193, 0x80000000, UINT32_MAX};

	vs_setup();
	for (uint32_t n = 0; n < VS_QUESTIONS; n++) {
		for (unsigned int i = 0; i < 6; i++) {
			vs.size_at = n;
			vs.amount = sizes[i];
			CU_ASSERT_EQUAL(vs_begin(), -EPROTO);
			vs_again();
		}
		vs.id_at = n;
		CU_ASSERT_EQUAL(vs_begin(), -EPROTO);
		vs_again();
		vs.twice_at = n;
		vs_begin(); /* it may be live before the second one comes */
		CU_ASSERT_TRUE(vs_told.err == -EPROTO || vs_told.gone_err == -EPROTO);
		vs_again();
	}
	vs_teardown();
}

static void refusals_say_what_was_refused(void)
{
	static const char *const names[] = {"VERSION", "INFO", "REGION", "CAP",
					    "VS",      "CC",   "CSTS"};

	vs_setup();
	for (uint32_t n = 0; n < VS_QUESTIONS; n++) {
		vs.refuse_at = n;
		CU_ASSERT_EQUAL(vs_begin(), -EIO);
		CU_ASSERT_TRUE(strstr(vs_told.why, names[n]) != NULL);
		CU_ASSERT_TRUE(strstr(vs_told.why, "Permission denied") != NULL);
		vs_again();
	}
	vs_teardown();
}

/* What was not asked for, once it is live: each kind of answer there is. */
static void unasked_replies_change_nothing(void)
{
	struct {
		struct nvh_vfu_region_access access;
		uint64_t value;
	} reply = {.value = 0x0123456789abcdef};
	struct iovec iov = {&reply, sizeof(reply)};

	vs_setup();
	for (uint16_t ask = 0; ask < 16; ask++) {
		struct nvh_vfu_header h = {.msg_id = (uint16_t)(ask << NVHI_VFU_ASK_SHIFT),
					   .command = NVH_VFU_REGION_READ,
					   .flags = NVH_VFU_F_REPLY};
		bool harmless = ask == NVHI_VFU_ASK_MAP || ask == NVHI_VFU_ASK_UNMAP ||
				ask == NVHI_VFU_ASK_WRITE || ask == NVHI_VFU_ASK_IRQS;

		CU_ASSERT_EQUAL_FATAL(vs_begin(), 0);
		CU_ASSERT_EQUAL(nvhi_vfu_send(vs.sock, &h, &iov, 1, NULL, 0), 0);
		vs_run();
		CU_ASSERT_EQUAL(vs_told.gone, !harmless);
		if (harmless)
			CU_ASSERT_EQUAL(vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CAP),
					(uint32_t)VS_CAP);
		vs_again();
	}
	vs_teardown();
}

static void commands_of_the_server_are_refused(void)
{
	struct nvh_vfu_header h = {.command = NVH_VFU_DMA_READ};
	uint8_t payload[64] = {0};
	struct iovec iov = {payload, sizeof(payload)};

	vs_setup();
	CU_ASSERT_EQUAL(vs_begin(), 0);
	for (uint16_t i = 0; i < 20; i++) {
		h.command = i;
		h.flags = 0;
		CU_ASSERT_EQUAL(nvhi_vfu_send(vs.sock, &h, &iov, 1, NULL, 0), 0);
	}
	vs_run();
	CU_ASSERT_EQUAL(vs.refused, 20);
	/* As many as it likes, without reading what we say to that */
	for (unsigned int i = 0; i < 100000; i++) {
		h.flags = 0;
		if (nvhi_vfu_send(vs.sock, &h, &iov, 1, NULL, 0))
			nvhi_reactor_turn(vs_reactor);
	}
	vs_run();
	vs_teardown();
}

NVH_UNIT_MAIN("pcie/vfio-user/session", NVH_TEST(a_server_that_answers_is_a_controller),
	      NVH_TEST(memory_is_told_as_it_comes_and_goes),
	      NVH_TEST(a_server_that_dies_again_and_again_is_found_again),
	      NVH_TEST(where_no_server_is_the_error_says_where),
	      NVH_TEST(a_silent_server_is_given_up_at_the_deadline),
	      NVH_TEST(a_server_that_goes_silent_is_gone_when_csts_is_asked_for),
	      NVH_TEST(a_server_that_leaves_at_any_question_is_gone_at_once),
	      NVH_TEST(a_start_that_is_abandoned_tells_nothing),
	      NVH_TEST(a_server_that_does_not_read_is_gone_and_nothing_waits),
	      NVH_TEST(replies_that_are_cut_are_no_answers),
	      NVH_TEST(replies_with_a_wrong_size_or_id_end_the_connection),
	      NVH_TEST(refusals_say_what_was_refused), NVH_TEST(unasked_replies_change_nothing),
	      NVH_TEST(commands_of_the_server_are_refused))
