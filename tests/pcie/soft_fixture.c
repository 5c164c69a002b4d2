/*
 * See soft_fixture.h. One thread, one reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/transport.h"
#include "pcie/pcie.h"
#include "tests/pcie/soft_fixture.h"

struct soft *soft;
struct nvh_reactor *reactor;
struct nvh_host *host;
struct nvh_ctrlr *ctrlr;
struct nvh_channel *channel;
char message[512];
struct nvh_connect_opts connect_opts;

static const struct nvhi_transport transport;

static int open_soft(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	return nvhi_pcie_open(&transport, &soft->bus, opts, ret_tctrlr);
}

static const struct nvhi_transport transport =
	NVHI_PCIE_TRANSPORT("pcie", NVH_TRTYPE_PCIE, open_soft);

const struct nvhi_transport *__real_nvhi_transport_by_type(enum nvh_trtype trtype);
const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype);
const struct nvhi_transport *__wrap_nvhi_transport_by_type(enum nvh_trtype trtype)
{
	return trtype == NVH_TRTYPE_PCIE ? &transport : __real_nvhi_transport_by_type(trtype);
}

void soft_begin(void)
{
	struct nvh_host_opts opts = {.size = sizeof(opts), .reactors = &reactor, .nr_reactors = 1};

	soft = soft_new();
	CU_ASSERT_PTR_NOT_NULL_FATAL(soft);
	CU_ASSERT_EQUAL_FATAL(nvh_reactor_create(NULL, &reactor), 0);
	CU_ASSERT_EQUAL_FATAL(nvh_host_create(&opts, &host), 0);
	nvh_connect_opts_init(&connect_opts, sizeof(connect_opts));
	connect_opts.transport = "pcie";
	connect_opts.traddr = "0000:00:04.0";
	connect_opts.subnqn = SOFT_NQN;
	connect_opts.no_retry = true;
	connect_opts.connect_timeout_ms = 1000;
	connect_opts.reconnect_delay_ms = 10;
	connect_opts.reconnect_delay_max_ms = 50;
	message[0] = '\0';
}

int soft_connect(void)
{
	return nvh_connect_sync(host, &connect_opts, &ctrlr, message, sizeof(message));
}

void soft_connect_good(void)
{
	int err = soft_connect();

	if (err)
		fprintf(stderr, "%s\n", message);
	CU_ASSERT_EQUAL_FATAL(err, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(nvh_ns_next(host, NULL));
	CU_ASSERT_EQUAL_FATAL(nvh_channel_open(nvh_ns_next(host, NULL), reactor, &channel), 0);
}

void soft_end(void)
{
	if (channel)
		nvh_channel_close(channel);
	channel = NULL;
	nvh_host_close_sync(host);
	nvh_reactor_destroy(reactor);
	CU_ASSERT_EQUAL(soft->used_bytes, 0);
	for (unsigned int i = 0; i < SOFT_QUEUES; i++)
		CU_ASSERT_EQUAL(soft->irq_fd[i], -1);
	soft_free(soft);
}

bool soft_state_is(const char *state)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};

	nvh_ctrlr_info(ctrlr, &info);
	return strcmp(info.state, state) == 0;
}

/* ---- memory and load --------------------------------------------------------------------- */

uint8_t *soft_memory(size_t size, unsigned int seed)
{
	uint8_t *memory;
	uint64_t iova;
	void *ptr = NULL;

	CU_ASSERT_EQUAL_FATAL(soft->bus.ops->dma_alloc(&soft->bus, size, 4096, &ptr, &iova), 0);
	memory = ptr;
	for (size_t i = 0; i < size; i++)
		memory[i] = (uint8_t)(i * 31 + (i >> 9) * 7 + seed);
	return memory;
}

void soft_memory_free(uint8_t *memory, size_t size)
{
	soft->bus.ops->dma_free(&soft->bus, memory, size);
}

void load_init(struct load *load)
{
	memset(load, 0, sizeof(*load));
	load->data = soft_memory(LOAD * 4096, 1);
	for (unsigned int i = 0; i < LOAD; i++)
		load->ios[i] = malloc(nvh_io_size());
}

void load_fini(struct load *load)
{
	for (unsigned int i = 0; i < LOAD; i++)
		free(load->ios[i]);
	soft_memory_free(load->data, LOAD * 4096);
}

static void load_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct load *load = arg;

	load->failed += err || nvh_cpl_is_error(cpl);
	load->done++;
}

void load_submit(struct load *load, uint8_t op)
{
	load->done = load->failed = 0;
	for (unsigned int i = 0; i < LOAD; i++) {
		struct nvh_io *io = load->ios[i];

		load->iov[i] = (struct iovec){load->data + i * 4096, 4096};
		nvh_io_init(io);
		io->op = op;
		io->lba = i * 8;
		io->nr_blocks = 8;
		io->iov = &load->iov[i];
		io->iovcnt = 1;
		io->done = load_done;
		io->arg = load;
		CU_ASSERT_EQUAL(nvh_submit(channel, io), 0);
	}
}

bool load_over(const struct load *load)
{
	return load->done == LOAD;
}
