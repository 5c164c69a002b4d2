/*
 * What QEMU's controller has not, or does not show: interrupts and what a sleeping reactor costs,
 * doorbells in memory, SGLs, the controller's memory and ours for it, quirks. Through the public
 * API, against the controller in memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/pcie/soft_fixture.h"

/* ---- interrupts -------------------------------------------------------------------------- */

static struct nvh_cpl held;
static bool is_held;

static uint32_t hold_io(struct soft *s, uint16_t qid, const struct nvh_cmd *cmd,
			struct nvh_cpl *cpl)
{
	(void)s;
	(void)cmd;
	if (qid == 0)
		return SOFT_EXECUTE;
	held = *cpl;
	__atomic_store_n(&is_held, true, __ATOMIC_RELEASE);
	return SOFT_SILENT;
}

/* Answers when the reactor has slept for a while. */
static void *answer_late(void *arg)
{
	(void)arg;
	if (NVH_WAIT(__atomic_load_n(&is_held, __ATOMIC_ACQUIRE), WAIT_MS))
		usleep(100000); /* how long it sleeps; nothing depends on it but what is saved */
	soft_complete(soft, 1, &held);
	return NULL;
}

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void io_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	*(int *)arg = err || nvh_cpl_is_error(cpl) ? -1 : 1;
}

static void a_sleeping_reactor_is_woken_by_the_interrupt(void)
{
	uint8_t *data;
	struct iovec iov;
	struct nvh_io *io = malloc(nvh_io_size());
	pthread_t thread;
	double before;
	int done = 0;

	soft_begin();
	soft_connect_good();
	data = soft_memory(4096, 0);
	iov = (struct iovec){data, 4096};
	nvh_io_init(io);
	io->op = NVH_IO_READ;
	io->nr_blocks = 8;
	io->iov = &iov;
	io->iovcnt = 1;
	io->done = io_done;
	io->arg = &done;
	is_held = false;
	soft->hook = hold_io;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, answer_late, NULL), 0);
	before = cpu_ms();
	CU_ASSERT_EQUAL(nvh_submit(channel, io), 0);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, done, WAIT_MS));
	CU_ASSERT_EQUAL(done, 1);
	CU_ASSERT(cpu_ms() - before < 50); /* of the 100 that it waited */
	pthread_join(thread, NULL);
	CU_ASSERT(soft->interrupts > 0);
	soft_memory_free(data, 4096);
	free(io);
	soft_end();
}

static void an_idle_controller_wakes_its_reactor_only_to_look_at_csts(void)
{
	struct nvhi_reactor_stats before, after;
	uint64_t end;

	soft_begin();
	soft_connect_good();
	CU_ASSERT(NVH_RUN_UNTIL(reactor, soft_state_is("live"), WAIT_MS));
	nvhi_reactor_stats(reactor, &before);
	for (end = nvh_test_ms() + 1000; nvh_test_ms() < end;)
		nvh_reactor_run(reactor, (int)(end - nvh_test_ms()));
	nvhi_reactor_stats(reactor, &after);
	CU_ASSERT(after.sleeps - before.sleeps < 20);
	soft_end();
}

static void without_vectors_queues_are_polled(void)
{
	struct load load;

	soft_begin();
	soft->bus.vectors = 0;
	soft_connect_good();
	load_init(&load);
	load_submit(&load, NVH_IO_WRITE);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	CU_ASSERT_EQUAL(load.failed, 0);
	CU_ASSERT_EQUAL(soft->interrupts, 0);
	CU_ASSERT_FALSE(soft->q[1].ien);
	load_fini(&load);
	soft_end();
}

/* ---- doorbells in memory ----------------------------------------------------------------- */

static void a_controller_that_is_awake_needs_no_doorbell(void)
{
	struct load load;
	unsigned long rung;

	soft_begin();
	nvh_le16_put(&soft->id.oacs, NVH_OACS_DBBUF);
	soft_connect_good();
	load_init(&load);
	CU_ASSERT_NOT_EQUAL(soft->shadow, 0);
	load_submit(&load, NVH_IO_WRITE);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	soft->awake = true;
	soft_poll(soft); /* from now on it asks for no doorbell */
	rung = soft->doorbells;
	memset(load.data, 0, LOAD * 4096);
	load_submit(&load, NVH_IO_READ);
	nvh_reactor_run(reactor, 0);
	CU_ASSERT_EQUAL(load.done, 0);
	soft_poll(soft);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	CU_ASSERT_EQUAL(load.failed, 0);
	CU_ASSERT_EQUAL(soft->doorbells, rung);
	CU_ASSERT_EQUAL(memcmp(load.data, soft->blocks, LOAD * 4096), 0);
	load_fini(&load);
	soft_end();
}

/* ---- data -------------------------------------------------------------------------------- */

static int rw(uint8_t op, const struct iovec *iov, uint32_t iovcnt, uint32_t blocks)
{
	struct nvh_io *io = malloc(nvh_io_size());
	struct nvh_cpl cpl;
	int err;

	nvh_io_init(io);
	io->op = op;
	io->nr_blocks = blocks;
	io->iov = iov;
	io->iovcnt = iovcnt;
	err = nvh_io_sync(channel, io, &cpl);
	free(io);
	return err ? err : nvh_status_to_errno(&cpl);
}

/* Pieces as PRPs cannot describe them: odd addresses and lengths, with gaps. */
static void odd_pieces(uint32_t sgls, unsigned int align, bool want_sgls)
{
	uint8_t *memory;
	struct iovec iov[3];
	uint8_t want[8192];

	soft_begin();
	nvh_le32_put(&soft->id.sgls, sgls);
	soft_connect_good();
	memory = soft_memory(65536, 3);
	iov[0] = (struct iovec){memory + align, 1000};
	iov[1] = (struct iovec){memory + 20000 + align, 3096};
	iov[2] = (struct iovec){memory + 40000 + align, 4096};
	memcpy(want, iov[0].iov_base, 1000);
	memcpy(want + 1000, iov[1].iov_base, 3096);
	memcpy(want + 4096, iov[2].iov_base, 4096);
	soft->sgls = 0;
	CU_ASSERT_EQUAL(rw(NVH_IO_WRITE, iov, 3, 16), 0);
	CU_ASSERT_EQUAL(memcmp(soft->blocks, want, sizeof(want)), 0);
	memset(memory, 0xee, 65536);
	CU_ASSERT_EQUAL(rw(NVH_IO_READ, iov, 3, 16), 0);
	CU_ASSERT_EQUAL(memcmp(iov[0].iov_base, want, 1000), 0);
	CU_ASSERT_EQUAL(memcmp(iov[1].iov_base, want + 1000, 3096), 0);
	CU_ASSERT_EQUAL(memcmp(iov[2].iov_base, want + 4096, 4096), 0);
	CU_ASSERT_EQUAL(memory[20000 + align + 3096], 0xee);
	CU_ASSERT_EQUAL(soft->sgls, want_sgls ? 2 : 0);
	soft_memory_free(memory, 65536);
	soft_end();
}

static void sgls_describe_what_prps_cannot(void)
{
	odd_pieces(1, 1, true);
}

static void sgls_of_dwords_describe_dwords(void)
{
	odd_pieces(2, 8, true);
}

static void sgls_of_dwords_leave_odd_addresses_to_a_copy(void)
{
	odd_pieces(2, 1, false);
}

static void without_sgls_odd_pieces_are_copied(void)
{
	odd_pieces(0, 1, false);
}

static void one_descriptor_takes_the_place_of_a_list_of_pages(void)
{
	uint8_t *memory;
	struct iovec iov;

	soft_begin();
	nvh_le32_put(&soft->id.sgls, 1);
	soft_connect_good();
	memory = soft_memory(131072, 9);
	iov = (struct iovec){memory, 131072};
	soft->sgls = soft->prps = 0;
	CU_ASSERT_EQUAL(rw(NVH_IO_WRITE, &iov, 1, 256), 0);
	CU_ASSERT_EQUAL(memcmp(soft->blocks, memory, 131072), 0);
	iov.iov_len = 4096;
	CU_ASSERT_EQUAL(rw(NVH_IO_READ, &iov, 1, 8), 0);
	CU_ASSERT_EQUAL(soft->sgls, 1);
	CU_ASSERT_EQUAL(soft->prps, 1); /* one page is as good as one descriptor */
	soft_memory_free(memory, 131072);
	soft_end();
}

/* ---- memory of the controller's, and for it ---------------------------------------------- */

static void reset_over(void *arg, int err)
{
	*(int *)arg = err ? -1 : 1;
}

static void reset_it(void)
{
	int over = 0;

	CU_ASSERT_EQUAL(nvh_ctrlr_reset(ctrlr, reset_over, &over), 0);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, over, WAIT_MS));
	CU_ASSERT_EQUAL(over, 1);
}

static void load_round_trip(void)
{
	struct load load;

	load_init(&load);
	load_submit(&load, NVH_IO_WRITE);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, load_over(&load), WAIT_MS));
	CU_ASSERT_EQUAL(load.failed, 0);
	CU_ASSERT_EQUAL(memcmp(load.data, soft->blocks, LOAD * 4096), 0);
	load_fini(&load);
}

/* 1 MiB in BAR 2 that takes submission queues. */
static void with_cmb(uint32_t cmbsz_flags)
{
	soft_begin();
	soft->cap |= NVH_CAP_CMBS;
	soft->cmbloc = 2;
	soft->cmbsz = (uint32_t)(SOFT_CMB >> 12) << 12 | cmbsz_flags;
}

static void submission_queues_stand_in_the_controllers_memory(void)
{
	with_cmb(1);
	soft_connect_good();
	CU_ASSERT(soft->q[1].sq >= SOFT_CMB_AT);
	CU_ASSERT_EQUAL(soft->cmbmsc & 0xfff, 3);
	load_round_trip();
	reset_it();
	CU_ASSERT(soft->q[1].sq >= SOFT_CMB_AT);
	load_round_trip();
	soft_end();
}

static void a_memory_buffer_that_takes_no_queues_is_left_alone(void)
{
	with_cmb(0x18); /* data only */
	soft_connect_good();
	CU_ASSERT(soft->q[1].sq < SOFT_CMB_AT);
	load_round_trip();
	soft_end();
}

struct hmb_desc {
	struct nvh_le64 addr;
	struct nvh_le32 pages, rsvd;
};

static void a_controller_gets_the_memory_it_prefers_and_the_same_after_a_reset(void)
{
	const struct hmb_desc *desc;
	uint64_t list, pages = 0;

	soft_begin();
	nvh_le32_put(&soft->id.hmpre, (10u << 20) / 4096);
	nvh_le32_put(&soft->id.hmmin, 16);
	soft_connect_good();
	CU_ASSERT_EQUAL(soft->hmb_flags, 1);
	CU_ASSERT_EQUAL(soft->hmb_pages, (10u << 20) / 4096);
	list = soft->hmb_list;
	desc = soft_at(soft, list, soft->hmb_count * sizeof(*desc));
	CU_ASSERT_PTR_NOT_NULL_FATAL(desc);
	for (uint32_t i = 0; i < soft->hmb_count; i++) {
		uint32_t n = nvh_le32_get(desc[i].pages);

		CU_ASSERT_PTR_NOT_NULL(soft_at(soft, nvh_le64_get(desc[i].addr), n * 4096ul));
		pages += n;
	}
	CU_ASSERT_EQUAL(pages, soft->hmb_pages);
	reset_it();
	CU_ASSERT_EQUAL(soft->hmb_flags, 3); /* it is the memory of before */
	CU_ASSERT_EQUAL(soft->hmb_list, list);
	load_round_trip();
	soft_end();
}

static void a_controller_that_wants_more_memory_than_there_is_gets_less(void)
{
	soft_begin();
	nvh_le32_put(&soft->id.hmpre, (120u << 20) / 4096); /* there are 64 MiB */
	soft_connect_good();
	CU_ASSERT_EQUAL(soft->hmb_flags, 1);
	CU_ASSERT(soft->hmb_pages > (16u << 20) / 4096);
	soft_end();
}

static void a_controller_whose_least_cannot_be_had_goes_without(void)
{
	soft_begin();
	nvh_le32_put(&soft->id.hmpre, (256u << 20) / 4096);
	nvh_le32_put(&soft->id.hmmin, (256u << 20) / 4096);
	soft_connect_good();
	CU_ASSERT_EQUAL(soft->hmb_flags, 0);
	load_round_trip();
	soft_end();
}

/* ---- quirks ------------------------------------------------------------------------------ */

static void a_device_that_takes_one_command_at_a_time_gets_one(void)
{
	soft_begin();
	soft->bus.id = (struct nvhi_pcie_id){.vendor = 0x106b, .device = 0x2001};
	soft_connect_good();
	CU_ASSERT_EQUAL(soft->q[1].sq_entries, 2);
	CU_ASSERT_FALSE(soft->q[1].ien);
	load_round_trip();
	soft_end();
}

static void a_device_whose_sgls_do_not_work_gets_none(void)
{
	soft_begin();
	soft->bus.id = (struct nvhi_pcie_id){.vendor = 0x19e5, .device = 0x1234};
	nvh_le32_put(&soft->id.sgls, 1);
	soft_connect_good();
	load_round_trip();
	CU_ASSERT_EQUAL(soft->sgls, 0);
	soft_end();
}

static void a_device_that_stops_slowly_is_not_looked_at_before(void)
{
	uint64_t begun;

	soft_begin();
	soft->bus.id = (struct nvhi_pcie_id){.vendor = 0x144d, .device = 0xa821};
	connect_opts.connect_timeout_ms = 5000;
	soft_connect_good();
	begun = nvh_test_ms();
	soft_end();
	CU_ASSERT(nvh_test_ms() - begun >= 2299);
}

/* ---- the subsystem's name ---------------------------------------------------------------- */

static void subsystem_is(const char *nqn)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct nvh_ns_info ns = {.size = sizeof(ns)};

	nvh_ctrlr_info(ctrlr, &info);
	CU_ASSERT_STRING_EQUAL(info.subnqn, nqn);
	nvh_ns_info(nvh_ns_next(host, NULL), &ns);
	CU_ASSERT_STRING_EQUAL(ns.subnqn, nqn);
}

/* As the kernel makes it up: vendor, subsystem vendor, serial number, model, blanks and all. */
#define MADE_UP "nqn.2014.08.org.nvmexpress:1b361af4SOFT1               Soft controller"

static void without_an_nqn_identify_tells_it(void)
{
	struct nvh_ctrlr *again;

	soft_begin();
	connect_opts.subnqn = NULL;
	soft_connect_good();
	subsystem_is(SOFT_NQN);
	CU_ASSERT_EQUAL(nvh_connect_sync(host, &connect_opts, &again, message, sizeof(message)),
			-EALREADY);
	reset_it();
	subsystem_is(SOFT_NQN);
	load_round_trip();
	soft_end();
}

static void without_one_in_identify_it_is_made_up(void)
{
	soft_begin();
	connect_opts.subnqn = NULL;
	memset(soft->id.subnqn, 0, sizeof(soft->id.subnqn));
	soft_connect_good();
	subsystem_is(MADE_UP);
	reset_it();
	load_round_trip();
	soft_end();
}

static void one_that_many_devices_have_is_not_taken(void)
{
	soft_begin();
	connect_opts.subnqn = NULL;
	soft->bus.id = (struct nvhi_pcie_id){.vendor = 0x1344, .device = 0x5407};
	soft_connect_good();
	subsystem_is(MADE_UP);
	soft_end();
}

static void another_device_in_its_place_is_not_taken_for_it(void)
{
	soft_begin();
	connect_opts.subnqn = NULL;
	connect_opts.no_retry = false;
	memset(soft->id.subnqn, 0, sizeof(soft->id.subnqn));
	soft_connect_good();
	soft->id.sn[0] = 'X';
	CU_ASSERT_EQUAL(nvh_ctrlr_reset(ctrlr, NULL, NULL), 0);
	CU_ASSERT(NVH_RUN_UNTIL(reactor, !soft_state_is("live"), WAIT_MS));
	soft->id.sn[0] = 'S';
	CU_ASSERT(NVH_RUN_UNTIL(reactor, soft_state_is("live"), WAIT_MS));
	load_round_trip();
	soft_end();
}

static void identifiers_that_many_devices_have_are_not_believed(void)
{
	struct nvh_ns_info info = {.size = sizeof(info)};

	soft_begin();
	soft->bus.id = (struct nvhi_pcie_id){.vendor = 0x1344, .device = 0x6001};
	soft_connect_good();
	nvh_ns_info(nvh_ns_next(host, NULL), &info);
	CU_ASSERT_FALSE(info.has_uuid || info.has_nguid || info.has_eui64);
	load_round_trip();
	soft_end();
}

/* ---- metadata ---------------------------------------------------------------------------- */

static void blocks_with_metadata_are_listed_and_refused_for_io(void)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvh_ns *ns;

	soft_begin();
	nvh_le16_put(&soft->ns.lbaf[0].ms, 8);
	CU_ASSERT_EQUAL_FATAL(soft_connect(), 0);
	ns = nvh_ns_next(host, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns);
	nvh_ns_info(ns, &info);
	CU_ASSERT_EQUAL(info.metadata_size, 8);
	CU_ASSERT_FALSE(info.io_supported);
	CU_ASSERT_EQUAL(nvh_channel_open(ns, reactor, &channel), -ENOTSUP);
	channel = NULL;
	soft_end();
}

NVH_UNIT_MAIN("pcie/soft", NVH_TEST(a_sleeping_reactor_is_woken_by_the_interrupt),
	      NVH_TEST(an_idle_controller_wakes_its_reactor_only_to_look_at_csts),
	      NVH_TEST(without_vectors_queues_are_polled),
	      NVH_TEST(a_controller_that_is_awake_needs_no_doorbell),
	      NVH_TEST(sgls_describe_what_prps_cannot), NVH_TEST(sgls_of_dwords_describe_dwords),
	      NVH_TEST(sgls_of_dwords_leave_odd_addresses_to_a_copy),
	      NVH_TEST(without_sgls_odd_pieces_are_copied),
	      NVH_TEST(one_descriptor_takes_the_place_of_a_list_of_pages),
	      NVH_TEST(submission_queues_stand_in_the_controllers_memory),
	      NVH_TEST(a_memory_buffer_that_takes_no_queues_is_left_alone),
	      NVH_TEST(a_controller_gets_the_memory_it_prefers_and_the_same_after_a_reset),
	      NVH_TEST(a_controller_that_wants_more_memory_than_there_is_gets_less),
	      NVH_TEST(a_controller_whose_least_cannot_be_had_goes_without),
	      NVH_TEST(a_device_that_takes_one_command_at_a_time_gets_one),
	      NVH_TEST(a_device_whose_sgls_do_not_work_gets_none),
	      NVH_TEST(a_device_that_stops_slowly_is_not_looked_at_before),
	      NVH_TEST(without_an_nqn_identify_tells_it),
	      NVH_TEST(without_one_in_identify_it_is_made_up),
	      NVH_TEST(one_that_many_devices_have_is_not_taken),
	      NVH_TEST(another_device_in_its_place_is_not_taken_for_it),
	      NVH_TEST(identifiers_that_many_devices_have_are_not_believed),
	      NVH_TEST(blocks_with_metadata_are_listed_and_refused_for_io))
