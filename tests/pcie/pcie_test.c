/*
 * The PCIe driver through the public API: connect, identify, namespaces, reads and writes of many
 * sizes and alignments, flush, write zeroes, deallocate, compare, reset, a device that is pulled
 * out and comes back, many queues at once. QEMU plays the controller (qtest_bus.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <nvhost/nvhost.h>

#include "host/transport.h"
#include "pcie/pcie.h"
#include "tests/pcie/qtest_bus.h"
#include "tests/unit/nvh_cunit.h"

#define WAIT_MS 20000

static struct qtest *qt;
static const struct nvhi_transport qtest_transport;
static struct nvh_reactor *reactors[3];
static unsigned int nr_reactors;
static struct nvh_host *host;
static struct nvh_ctrlr *ctrlr;
static struct nvh_channel *channel;
static char message[512];

/* ---- the way in -------------------------------------------------------------------------- */

static int open_qtest(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	return nvhi_pcie_open(&qtest_transport, qtest_bus(qt), opts, ret_tctrlr);
}

static const struct nvhi_transport qtest_transport =
	NVHI_PCIE_TRANSPORT("pcie", NVH_TRTYPE_PCIE, open_qtest);

const struct nvhi_transport *__real_nvhi_transport_by_type(enum nvh_trtype trtype);
const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype);
const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype)
{
	return trtype == NVH_TRTYPE_PCIE ? &qtest_transport : __real_nvhi_transport_by_type(trtype);
}

/* ---- fixture ----------------------------------------------------------------------------- */

static int noticed_type;

static void on_notice(void *arg, struct nvh_ctrlr *from, uint8_t type, uint8_t info, uint8_t lid)
{
	(void)arg;
	(void)from;
	(void)info;
	(void)lid;
	noticed_type = type;
}

static const struct nvh_host_events host_events = {.ctrlr_notice = on_notice};

static void begin(unsigned int reactor_count)
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts),
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555",
		.reactors = reactors,
		.nr_reactors = reactor_count,
		.events = &host_events,
	};
	const char *why = "out of memory";

	qt = qtest_start(&why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(qt);
	nr_reactors = reactor_count;
	for (unsigned int i = 0; i < nr_reactors; i++) {
		CU_ASSERT_EQUAL_FATAL(nvh_reactor_create(NULL, &reactors[i]), 0);
		if (i > 0)
			CU_ASSERT_EQUAL_FATAL(nvh_reactor_start_thread(reactors[i], -1), 0);
	}
	CU_ASSERT_EQUAL_FATAL(nvh_host_create(&opts, &host), 0);
}

static int connect_to(const char *nqn)
{
	struct nvh_connect_opts opts;

	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.transport = "pcie";
	opts.traddr = "0000:00:04.0";
	opts.subnqn = nqn;
	opts.no_retry = true;
	opts.connect_timeout_ms = WAIT_MS;
	return nvh_connect_sync(host, &opts, &ctrlr, message, sizeof(message));
}

static struct nvh_ns *find_ns(uint32_t nsid)
{
	struct nvh_ns_info info = {.size = sizeof(info)};

	for (struct nvh_ns *ns = nvh_ns_next(host, NULL); ns; ns = nvh_ns_next(host, ns)) {
		nvh_ns_info(ns, &info);
		if (info.nsid == nsid)
			return ns;
	}
	return NULL;
}

static void begin_connected(unsigned int reactor_count, uint32_t nsid)
{
	struct nvh_ns *ns;
	int err;

	begin(reactor_count);
	err = connect_to(QTEST_NQN);
	if (err)
		fprintf(stderr, "%s\n", message);
	CU_ASSERT_EQUAL_FATAL(err, 0);
	ns = find_ns(nsid);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns);
	CU_ASSERT_EQUAL_FATAL(nvh_channel_open(ns, reactors[0], &channel), 0);
}

static void end(void)
{
	if (channel)
		nvh_channel_close(channel);
	channel = NULL;
	nvh_host_close_sync(host);
	for (unsigned int i = nr_reactors; i-- > 0;) {
		if (i > 0)
			nvh_reactor_join_thread(reactors[i]);
		nvh_reactor_destroy(reactors[i]);
	}
	CU_ASSERT_EQUAL(qtest_dma_used(qt), 0);
	qtest_stop(qt);
}

static uint8_t pattern(uint64_t at, unsigned int seed)
{
	return (uint8_t)(at * 31 + (at >> 9) * 7 + seed);
}

static void fill(uint8_t *data, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = pattern(i, seed);
}

static size_t wrong_bytes(const uint8_t *data, size_t len, unsigned int seed)
{
	size_t wrong = 0;

	for (size_t i = 0; i < len; i++)
		wrong += data[i] != pattern(i, seed);
	return wrong;
}

static int simple_io(uint8_t op, uint64_t lba, uint32_t blocks, const struct iovec *iov,
		     uint32_t iovcnt, struct nvh_cpl *ret_cpl)
{
	struct nvh_io *io = malloc(nvh_io_size());
	int err;

	nvh_io_init(io);
	io->op = op;
	io->lba = lba;
	io->nr_blocks = blocks;
	io->iov = iov;
	io->iovcnt = iovcnt;
	err = nvh_io_sync(channel, io, ret_cpl);
	free(io);
	return err;
}

static int good_io(uint8_t op, uint64_t lba, uint32_t blocks, const struct iovec *iov,
		   uint32_t iovcnt)
{
	struct nvh_cpl cpl;
	int err = simple_io(op, lba, blocks, iov, iovcnt, &cpl);

	return err ? err : nvh_status_to_errno(&cpl);
}

/* ---- connect ----------------------------------------------------------------------------- */

static void a_controller_is_identified_and_its_namespaces_are_found(void)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct nvh_ns_info ns = {.size = sizeof(ns)};

	begin_connected(1, 1);
	nvh_ctrlr_info(ctrlr, &info);
	CU_ASSERT_STRING_EQUAL(info.state, "live");
	CU_ASSERT_STRING_EQUAL(info.transport, "pcie");
	CU_ASSERT_STRING_EQUAL(info.traddr, "0000:00:04.0");
	CU_ASSERT_STRING_EQUAL(info.serial, "QT");
	CU_ASSERT_STRING_EQUAL(info.subnqn, QTEST_NQN);
	CU_ASSERT_EQUAL(info.nr_io_queues, 1);
	nvh_ns_info(find_ns(1), &ns);
	CU_ASSERT_EQUAL(ns.block_size, 512);
	CU_ASSERT_EQUAL(ns.nr_blocks, QTEST_NS_SIZE / 512);
	nvh_ns_info(find_ns(2), &ns);
	CU_ASSERT_EQUAL(ns.block_size, 4096);
	CU_ASSERT_EQUAL(ns.nr_blocks, QTEST_NS_SIZE / 4096);
	end();
}

static void another_subsystem_is_refused_with_its_name(void)
{
	begin(1);
	CU_ASSERT_EQUAL(connect_to("nqn.2019-08.org.qemu:other"), -EPROTO);
	CU_ASSERT_PTR_NOT_NULL(strstr(message, "nqn.2019-08.org.qemu:other"));
	end();
}

static void without_an_nqn_the_subsystem_tells_it(void)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};

	begin(1);
	CU_ASSERT_EQUAL_FATAL(connect_to(NULL), 0);
	nvh_ctrlr_info(ctrlr, &info);
	CU_ASSERT_STRING_EQUAL(info.subnqn, QTEST_NQN);
	end();
}

static char logged[4096];

static void keep_log(int level, const char *component, const char *line)
{
	size_t len = strlen(logged);

	(void)level;
	(void)component;
	snprintf(logged + len, sizeof(logged) - len, "%s\n", line);
}

/* Listed, with what they are; never silently corrupted. */
static void refused_for_io(uint32_t nsid, uint16_t metadata, const char *reason)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvh_channel *none = NULL;
	struct nvh_ns *ns = find_ns(nsid);

	CU_ASSERT_PTR_NOT_NULL_FATAL(ns);
	nvh_ns_info(ns, &info);
	CU_ASSERT_FALSE(info.io_supported);
	CU_ASSERT_EQUAL(info.metadata_size, metadata);
	CU_ASSERT_EQUAL(nvh_channel_open(ns, reactors[0], &none), -ENOTSUP);
	CU_ASSERT_PTR_NULL(none);
	CU_ASSERT_PTR_NOT_NULL(strstr(logged, reason));
}

static void namespaces_with_metadata_and_zones_are_listed_and_refused_for_io(void)
{
	logged[0] = '\0';
	nvh_log_set(keep_log);
	begin_connected(1, 1);
	refused_for_io(3, 8, "metadata");
	refused_for_io(4, 0, "zoned");
	end();
	nvh_log_set(NULL);
}

static void a_device_that_is_gone_is_refused(void)
{
	begin(1);
	qtest_set_gone(qt, true);
	CU_ASSERT_EQUAL(connect_to(QTEST_NQN), -ENODEV);
	end();
}

static void a_controller_left_enabled_is_taken_over(void)
{
	struct nvhi_pcie_bus *bus;

	begin(1);
	bus = qtest_bus(qt);
	bus->ops->write32(bus, NVH_REG_AQA, 31u | 31u << 16);
	bus->ops->write32(bus, NVH_REG_ASQ, 0x200000);
	bus->ops->write32(bus, NVH_REG_ACQ, 0x201000);
	bus->ops->master(bus, true);
	bus->ops->write32(bus, NVH_REG_CC, NVH_CC_EN | 6u << 16 | 4u << 20);
	CU_ASSERT_EQUAL_FATAL(bus->ops->read32(bus, NVH_REG_CSTS) & NVH_CSTS_RDY, NVH_CSTS_RDY);
	CU_ASSERT_EQUAL(connect_to(QTEST_NQN), 0);
	end();
}

static void an_idle_controller_lets_its_reactor_sleep(void)
{
	struct timespec before, after;
	uint64_t end_ms;

	begin_connected(1, 1);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	end_ms = nvh_test_ms() + 1000;
	while (nvh_test_ms() < end_ms)
		nvh_reactor_run(reactors[0], 100);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	CU_ASSERT((after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec <
		  200000000ll);
	end();
}

static int set_feature(uint8_t fid, uint32_t value)
{
	struct nvh_cmd cmd = {.opc = NVH_ADM_SET_FEATURES};
	struct nvh_cpl cpl;
	int err;

	nvh_le32_put(&cmd.cdw10, fid);
	nvh_le32_put(&cmd.cdw11, value);
	err = nvh_admin_sync(ctrlr, &cmd, NULL, 0, WAIT_MS, &cpl);
	return err ? err : nvh_status_to_errno(&cpl);
}

static void an_asynchronous_event_arrives_without_an_interrupt(void)
{
	begin_connected(1, 1);
	noticed_type = -1;
	CU_ASSERT_EQUAL(set_feature(NVH_FID_AEC, 0x3), 0); /* SMART: spare, temperature */
	CU_ASSERT_EQUAL(set_feature(NVH_FID_TEMP_THRESH, 273), 0); /* 0 degrees Celsius */
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], noticed_type >= 0, WAIT_MS));
	CU_ASSERT_EQUAL(noticed_type, 1); /* SMART / health */
	end();
}

/* ---- data -------------------------------------------------------------------------------- */

/* Memory of the application's, which QEMU does not see: through bounce buffers. */
static void heap_round_trip(size_t len, size_t offset)
{
	uint8_t *memory = calloc(1, len + offset), *data = memory + offset;

	fill(data, len, (unsigned int)len);
	CU_ASSERT_EQUAL(nvh_write_sync(channel, data, len, 8192), 0);
	memset(data, 0xee, len);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, data, len, 8192), 0);
	CU_ASSERT_EQUAL(wrong_bytes(data, len, (unsigned int)len), 0);
	free(memory);
}

static void any_size_of_any_memory_reads_back(void)
{
	static const size_t blocks[] = {1, 2, 7, 8, 9, 31, 32, 255, 256, 257, 512, 2048, 8000};

	begin_connected(1, 1);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(blocks); i++)
		for (size_t offset = 0; offset < 4; offset++)
			heap_round_trip(blocks[i] * 512, offset);
	end();
}

static void blocks_of_4096_read_back(void)
{
	begin_connected(1, 2);
	for (size_t blocks = 1; blocks < 80; blocks += 13)
		heap_round_trip(blocks * 4096, 1);
	end();
}

/* Memory that the device reaches, against a heap copy that goes through a bounce buffer. */
static void direct_round_trip(uint8_t *dma, size_t offset, size_t len)
{
	uint8_t *check = calloc(1, len);

	fill(dma + offset, len, (unsigned int)offset);
	CU_ASSERT_EQUAL(nvh_write_sync(channel, dma + offset, len, 0), 0);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, check, len, 0), 0);
	CU_ASSERT_EQUAL(wrong_bytes(check, len, (unsigned int)offset), 0);
	memset(dma + offset, 0xee, len);
	dma[offset + len] = 0x55;
	CU_ASSERT_EQUAL(nvh_read_sync(channel, dma + offset, len, 0), 0);
	CU_ASSERT_EQUAL(wrong_bytes(dma + offset, len, (unsigned int)offset), 0);
	CU_ASSERT_EQUAL(dma[offset + len], 0x55);
	free(check);
}

static void memory_that_the_device_reaches_is_used_in_place_at_any_alignment(void)
{
	static const size_t offsets[] = {0, 4, 512, 2048, 4092, 4095, 1, 2, 3};
	static const size_t lens[] = {512, 4096, 4608, 8192, 12288, 65536, 131072, 300544};
	struct nvhi_pcie_bus *bus;
	void *dma = NULL;
	uint64_t iova;

	begin_connected(1, 1);
	bus = qtest_bus(qt);
	CU_ASSERT_EQUAL_FATAL(bus->ops->dma_alloc(bus, 512 << 10, 4096, &dma, &iova), 0);
	for (size_t o = 0; o < NVHI_ARRAY_SIZE(offsets); o++)
		for (size_t l = 0; l < NVHI_ARRAY_SIZE(lens); l++)
			direct_round_trip(dma, offsets[o], lens[l]);
	bus->ops->dma_free(bus, dma, 512 << 10);
	end();
}

static void scattered_memory_is_gathered_whether_prps_can_say_it_or_not(void)
{
	struct nvhi_pcie_bus *bus;
	struct iovec pages[3], odd[3];
	uint8_t *dma, back[12288];
	void *memory = NULL;
	uint64_t iova;

	begin_connected(1, 1);
	bus = qtest_bus(qt);
	CU_ASSERT_EQUAL_FATAL(bus->ops->dma_alloc(bus, 65536, 4096, &memory, &iova), 0);
	dma = memory;
	fill(dma, 65536, 3);
	for (int i = 0; i < 3; i++) {
		pages[i] = (struct iovec){dma + (size_t)(2 - i) * 8192, 4096};
		odd[i] = (struct iovec){dma + (size_t)(2 - i) * 8192 + 8, i == 0 ? 4000 : 4144};
	}
	CU_ASSERT_EQUAL(good_io(NVH_IO_WRITE, 0, 24, pages, 3), 0);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, back, sizeof(back), 0), 0);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(memcmp(back + i * 4096, pages[i].iov_base, 4096), 0);
	CU_ASSERT_EQUAL(good_io(NVH_IO_WRITE, 64, 24, odd, 3), 0);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, back, sizeof(back), 64 * 512), 0);
	CU_ASSERT_EQUAL(memcmp(back, odd[0].iov_base, 4000), 0);
	CU_ASSERT_EQUAL(memcmp(back + 4000, odd[1].iov_base, 4144), 0);
	CU_ASSERT_EQUAL(memcmp(back + 8144, odd[2].iov_base, 4144), 0);
	bus->ops->dma_free(bus, memory, 65536);
	end();
}

static void flush_compare_deallocate_and_write_zeroes_work(void)
{
	uint8_t data[8192], zero[8192] = {0};
	struct iovec iov = {data, sizeof(data)};
	struct nvh_cpl cpl;

	begin_connected(1, 1);
	fill(data, sizeof(data), 9);
	CU_ASSERT_EQUAL(good_io(NVH_IO_WRITE, 0, 16, &iov, 1), 0);
	CU_ASSERT_EQUAL(nvh_flush_sync(channel), 0);
	CU_ASSERT_EQUAL(good_io(NVH_IO_COMPARE, 0, 16, &iov, 1), 0);
	CU_ASSERT_EQUAL(good_io(NVH_IO_DEALLOCATE, 64, 16, NULL, 0), 0);
	CU_ASSERT_EQUAL(good_io(NVH_IO_WRITE_ZEROES, 0, 16, NULL, 0), 0);
	CU_ASSERT_EQUAL(simple_io(NVH_IO_COMPARE, 0, 16, &iov, 1, &cpl), 0);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), NVH_ST_COMPARE_FAILED);
	CU_ASSERT_EQUAL(nvh_read_sync(channel, data, sizeof(data), 0), 0);
	CU_ASSERT_EQUAL(memcmp(data, zero, sizeof(data)), 0);
	end();
}

/* ---- many at once ------------------------------------------------------------------------ */

#define MANY 200

struct many {
	struct nvh_channel *channel;
	struct nvh_io *ios[MANY];
	struct iovec iov[MANY];
	uint8_t *data;
	unsigned int done, failed;
	unsigned int seed;
};

static void many_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct many *many = arg;

	many->failed += err || nvh_status_to_errno(cpl);
	__atomic_fetch_add(&many->done, 1, __ATOMIC_RELEASE);
}

static void many_submit(struct many *many, uint8_t op)
{
	__atomic_store_n(&many->done, 0, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < MANY; i++) {
		struct nvh_io *io = many->ios[i];

		many->iov[i] = (struct iovec){many->data + i * 4096, 4096};
		nvh_io_init(io);
		io->op = op;
		io->lba = (many->seed * MANY + i) * 8;
		io->nr_blocks = 8;
		io->iov = &many->iov[i];
		io->iovcnt = 1;
		io->done = many_done;
		io->arg = many;
		CU_ASSERT_EQUAL(nvh_submit(many->channel, io), 0);
	}
}

static void many_write(void *arg)
{
	many_submit(arg, NVH_IO_WRITE);
}

static void many_read(void *arg)
{
	many_submit(arg, NVH_IO_READ);
}

static void many_init(struct many *many, unsigned int seed)
{
	memset(many, 0, sizeof(*many));
	many->seed = seed;
	many->data = calloc(MANY, 4096);
	fill(many->data, MANY * 4096, seed);
	for (unsigned int i = 0; i < MANY; i++)
		many->ios[i] = malloc(nvh_io_size());
}

static void many_fini(struct many *many)
{
	for (unsigned int i = 0; i < MANY; i++)
		free(many->ios[i]);
	free(many->data);
}

static bool many_all(const struct many *many)
{
	return __atomic_load_n(&many->done, __ATOMIC_ACQUIRE) == MANY;
}

static void a_batch_rings_one_doorbell_and_waits_for_bounce_buffers_in_turn(void)
{
	struct many many;
	unsigned long before;

	begin_connected(1, 1);
	many_init(&many, 1);
	many.channel = channel;
	before = qtest_doorbells(qt);
	many_write(&many);
	CU_ASSERT_EQUAL(qtest_doorbells(qt), before);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], many_all(&many), WAIT_MS));
	CU_ASSERT_EQUAL(many.failed, 0);
	CU_ASSERT(qtest_doorbells(qt) - before < MANY / 2);
	memset(many.data, 0, MANY * 4096);
	many_read(&many);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], many_all(&many), WAIT_MS));
	CU_ASSERT_EQUAL(many.failed, 0);
	CU_ASSERT_EQUAL(wrong_bytes(many.data, MANY * 4096, 1), 0);
	many_fini(&many);
	end();
}

struct opening {
	struct nvh_ns *ns;
	struct nvh_reactor *reactor;
	struct nvh_channel *channel;
	int err;
};

static void open_there(void *arg)
{
	struct opening *opening = arg;

	opening->err = nvh_channel_open(opening->ns, opening->reactor, &opening->channel);
}

static void close_there(void *arg)
{
	nvh_channel_close(arg);
}

/* A load on each of three reactors. */
static void three_begin(struct many *many)
{
	begin_connected(3, 1);
	for (unsigned int i = 0; i < 3; i++) {
		struct opening opening = {.ns = find_ns(1), .reactor = reactors[i]};

		CU_ASSERT_EQUAL(nvh_reactor_call(reactors[i], open_there, &opening), 0);
		CU_ASSERT_EQUAL_FATAL(opening.err, 0);
		many_init(&many[i], i);
		many[i].channel = opening.channel;
	}
}

static void three_submit(struct many *many, void (*submit)(void *arg))
{
	for (unsigned int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(nvh_reactor_call(reactors[i], submit, &many[i]), 0);
}

static bool three_all(const struct many *many)
{
	return many_all(&many[0]) && many_all(&many[1]) && many_all(&many[2]);
}

/* Reads back what was written, and ends. */
static void three_end(struct many *many)
{
	for (unsigned int i = 0; i < 3; i++)
		memset(many[i].data, 0, MANY * 4096);
	three_submit(many, many_read);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], three_all(many), WAIT_MS));
	for (unsigned int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(many[i].failed, 0);
		CU_ASSERT_EQUAL(wrong_bytes(many[i].data, MANY * 4096, i), 0);
		nvh_reactor_call(reactors[i], close_there, many[i].channel);
		many_fini(&many[i]);
	}
	end();
}

static void every_reactor_has_a_queue_of_its_own(void)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct many many[3];

	three_begin(many);
	nvh_ctrlr_info(ctrlr, &info);
	CU_ASSERT_EQUAL(info.nr_io_queues, 3);
	three_submit(many, many_write);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], three_all(many), WAIT_MS));
	three_end(many);
}

/* ---- reset and loss ---------------------------------------------------------------------- */

static int reset_err;
static bool reset_over;

static void on_reset(void *arg, int err)
{
	(void)arg;
	reset_err = err;
	reset_over = true;
}

static void a_reset_under_load_loses_nothing(void)
{
	struct many many;

	begin_connected(1, 1);
	many_init(&many, 5);
	many.channel = channel;
	for (int round = 0; round < 5; round++) {
		many_write(&many);
		reset_over = false;
		CU_ASSERT_EQUAL(nvh_ctrlr_reset(ctrlr, on_reset, NULL), 0);
		CU_ASSERT(NVH_RUN_UNTIL(reactors[0], reset_over && many_all(&many), WAIT_MS));
		CU_ASSERT_EQUAL(reset_err, 0);
		CU_ASSERT_EQUAL(many.failed, 0);
	}
	memset(many.data, 0, MANY * 4096);
	many_read(&many);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], many_all(&many), WAIT_MS));
	CU_ASSERT_EQUAL(wrong_bytes(many.data, MANY * 4096, 5), 0);
	many_fini(&many);
	end();
}

static bool state_is(const char *state)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};

	nvh_ctrlr_info(ctrlr, &info);
	return strcmp(info.state, state) == 0;
}

static void an_idle_device_that_is_pulled_out_is_noticed_and_taken_back(void)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};

	begin_connected(1, 1);
	qtest_set_gone(qt, true);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], !state_is("live"), WAIT_MS));
	nvh_ctrlr_info(ctrlr, &info);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.last_message, "gone"));
	qtest_set_gone(qt, false);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], state_is("live"), WAIT_MS));
	heap_round_trip(65536, 0);
	end();
}

static void io_waits_while_the_device_is_out_and_goes_on_after(void)
{
	struct many many;

	begin_connected(1, 1);
	many_init(&many, 7);
	many.channel = channel;
	qtest_set_gone(qt, true);
	many_write(&many);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], !state_is("live"), WAIT_MS));
	CU_ASSERT_FALSE(many_all(&many));
	qtest_set_gone(qt, false);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], many_all(&many), WAIT_MS));
	CU_ASSERT_EQUAL(many.failed, 0);
	memset(many.data, 0, MANY * 4096);
	many_read(&many);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], many_all(&many), WAIT_MS));
	CU_ASSERT_EQUAL(wrong_bytes(many.data, MANY * 4096, 7), 0);
	many_fini(&many);
	end();
}

static void resets_and_removals_under_the_load_of_all_reactors_lose_nothing(void)
{
	struct many many[3];

	three_begin(many);
	for (int round = 0; round < 4; round++) {
		three_submit(many, many_write);
		reset_over = false;
		CU_ASSERT_EQUAL(nvh_ctrlr_reset(ctrlr, on_reset, NULL), 0);
		CU_ASSERT(NVH_RUN_UNTIL(reactors[0], reset_over, WAIT_MS));
		CU_ASSERT_EQUAL(reset_err, 0);
		CU_ASSERT(NVH_RUN_UNTIL(reactors[0], three_all(many), WAIT_MS));
	}
	three_submit(many, many_write);
	qtest_set_gone(qt, true);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], !state_is("live"), WAIT_MS));
	qtest_set_gone(qt, false);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], three_all(many), WAIT_MS));
	three_end(many);
}

static void gone_for_good(void *arg)
{
	*(bool *)arg = true;
}

static void disconnecting_a_device_that_is_out_fails_what_waits_and_does_not_hang(void)
{
	struct many many;
	bool gone = false;

	begin_connected(1, 1);
	many_init(&many, 2);
	many.channel = channel;
	qtest_set_gone(qt, true);
	many_write(&many);
	nvh_disconnect(ctrlr, gone_for_good, &gone);
	CU_ASSERT(NVH_RUN_UNTIL(reactors[0], gone && many_all(&many), WAIT_MS));
	CU_ASSERT_EQUAL(many.failed, MANY);
	CU_ASSERT_EQUAL(qtest_dma_used(qt), 0);
	many_fini(&many);
	end();
}

static void disconnecting_leaves_the_controller_disabled(void)
{
	struct nvhi_pcie_bus *bus;

	begin_connected(1, 1);
	nvh_channel_close(channel);
	channel = NULL;
	nvh_disconnect_sync(ctrlr);
	bus = qtest_bus(qt);
	CU_ASSERT_EQUAL(bus->ops->read32(bus, NVH_REG_CC) & NVH_CC_EN, 0);
	CU_ASSERT_EQUAL(bus->ops->read32(bus, NVH_REG_CSTS) & NVH_CSTS_RDY, 0);
	CU_ASSERT_EQUAL(qtest_dma_used(qt), 0);
	end();
}

static const struct nvh_test tests[] = {
	NVH_TEST(a_controller_is_identified_and_its_namespaces_are_found),
	NVH_TEST(another_subsystem_is_refused_with_its_name),
	NVH_TEST(without_an_nqn_the_subsystem_tells_it),
	NVH_TEST(namespaces_with_metadata_and_zones_are_listed_and_refused_for_io),
	NVH_TEST(a_device_that_is_gone_is_refused),
	NVH_TEST(a_controller_left_enabled_is_taken_over),
	NVH_TEST(an_idle_controller_lets_its_reactor_sleep),
	NVH_TEST(an_asynchronous_event_arrives_without_an_interrupt),
	NVH_TEST(any_size_of_any_memory_reads_back),
	NVH_TEST(blocks_of_4096_read_back),
	NVH_TEST(memory_that_the_device_reaches_is_used_in_place_at_any_alignment),
	NVH_TEST(scattered_memory_is_gathered_whether_prps_can_say_it_or_not),
	NVH_TEST(flush_compare_deallocate_and_write_zeroes_work),
	NVH_TEST(a_batch_rings_one_doorbell_and_waits_for_bounce_buffers_in_turn),
	NVH_TEST(every_reactor_has_a_queue_of_its_own),
	NVH_TEST(a_reset_under_load_loses_nothing),
	NVH_TEST(an_idle_device_that_is_pulled_out_is_noticed_and_taken_back),
	NVH_TEST(io_waits_while_the_device_is_out_and_goes_on_after),
	NVH_TEST(resets_and_removals_under_the_load_of_all_reactors_lose_nothing),
	NVH_TEST(disconnecting_a_device_that_is_out_fails_what_waits_and_does_not_hang),
	NVH_TEST(disconnecting_leaves_the_controller_disabled),
};

/* Without QEMU there is nothing to test, and the test's exit says so. */
int main(int argc, char **argv)
{
	const char *why = "out of memory";
	struct qtest *probe = qtest_start(&why);

	if (!probe) {
		puts(why);
		return 77;
	}
	qtest_stop(probe);
	return NVH_CUNIT_MAIN("pcie", tests, argc, argv);
}
