/*
 * Fuzz target: the vfio-user client and a server that says what the input says: right and bent
 * answers, raw bytes, files that fit and do not, the end, while the driver reads and writes
 * registers, rings doorbells, makes and frees memory.
 *
 * Holds for every input: a start is answered once, at its deadline at the latest; a doorbell that
 * is mapped can be rung; no descriptor and no timer stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pcie/pcie_impl.h"
#include "pcie/vfio-user/impl.h"
#include "pcie/vfio-user/vfio_user.h"
#include "tests/fuzz/fuzz.h"

#define CAP        (0x14010fffull | 1ull << 37)
#define BAR_SIZE   0x10000u
#define BLOCKS     4u
#define TIMEOUT_MS 500u

static struct {
	struct nvh_reactor *reactor;
	struct nvhi_tctrlr *tctrlr;
	struct nvhi_vfu *vfu;
	struct nvhi_pcie_start start;
	struct nvhi_vfu_rx rx;
	uint64_t now;
	char dir[32], path[48];
	int listener, sock, files[3];
	bool starting;
	struct {
		void *ptr;
		uint64_t iova;
	} blocks[BLOCKS];
} fz;

static uint64_t hand_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return fz.now;
}
static const struct nvhi_clock hand_clock = {.now = hand_now};

static void turn(void)
{
	unsigned int turns = 0;

	for (unsigned int idle = 0; idle < 2; turns++) {
		FUZZ_CHECK(turns < 100000);
		idle = nvhi_reactor_turn(fz.reactor) ? 0 : idle + 1;
	}
}

static void on_done(struct nvhi_pcie_start *start, int err, const char *why)
{
	(void)start;
	FUZZ_CHECK(fz.starting && err <= 0 && (err == 0 || why[0]));
	fz.starting = false;
}

static void on_gone(struct nvhi_pcie_bus *bus, int err, const char *why)
{
	(void)bus;
	FUZZ_CHECK(!fz.starting && err < 0 && why[0]);
}

/* Sealed, not sealed, and too short. */
static int file(uint64_t size, unsigned int seals)
{
	int fd = memfd_create("bar", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	FUZZ_CHECK(fd >= 0 && !ftruncate(fd, (off_t)size) && !fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void listen_again(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	strcpy(sa.sun_path, fz.path);
	fz.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(!bind(fz.listener, (struct sockaddr *)&sa, sizeof(sa)) &&
		   !listen(fz.listener, 4));
}

static void create(void)
{
	struct nvhi_reactor_opts ropts = {.clock = &hand_clock};

	FUZZ_CHECK(!nvhi_reactor_create(&ropts, &fz.reactor));
	fz.now = NVHI_NSEC_PER_SEC;
	fz.files[0] = file(BAR_SIZE, F_SEAL_SHRINK);
	fz.files[1] = file(BAR_SIZE, 0);
	fz.files[2] = file(100, F_SEAL_SHRINK);
}

/* ---- the server ------------------------------------------------------------------------------ */

static void hang_up(void)
{
	nvhi_vfu_rx_next(&fz.rx);
	if (fz.sock >= 0)
		close(fz.sock);
	fz.sock = -1;
}

/* What a good server says to the question in rx; its length. */
static uint32_t good_answer(uint8_t *to)
{
	static const struct nvh_vfu_device_info info = {16, VFIO_DEVICE_FLAGS_PCI, 9, 5};
	static const struct {
		struct vfio_region_info info;
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area;
	} bar = {
		.info = {sizeof(bar), 15, 0, 32, BAR_SIZE, 0},
		.cap = {{VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0}, 1, 0},
		.area = {0x1000, 0x1000},
	};
	uint64_t value = 0;

	switch (fz.rx.header.command) {
	case NVH_VFU_VERSION:
		memcpy(to, "\0\0\1\0{}", 7);
		return 7;
	case NVH_VFU_DEVICE_GET_INFO:
		memcpy(to, &info, sizeof(info));
		return sizeof(info);
	case NVH_VFU_DEVICE_GET_REGION_INFO:
		memcpy(to, &bar, sizeof(bar));
		return sizeof(bar);
	case NVH_VFU_REGION_READ:
		memcpy(to, fz.rx.payload, 16);
		value = to[0] == NVH_REG_CAP ? CAP : to[0] == NVH_REG_VS ? 0x20000 : 0;
		memcpy(to + 16, &value, 8);
		return 16 + (to[0] == NVH_REG_CAP ? 8 : 4);
	default:
		return 0;
	}
}

/* Answers the next question, bent as `how` says. */
static void answer(struct fuzz_input *in, uint8_t how)
{
	struct nvh_vfu_header h;
	uint8_t payload[256] = {0};
	struct iovec iov = {payload, 0};
	int fds[32];

	if (fz.sock < 0) {
		fz.sock = accept4(fz.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		turn();
	}
	if (fz.sock < 0 || nvhi_vfu_rx_read(&fz.rx, fz.sock) != 1)
		return;
	h = fz.rx.header;
	h.flags = NVH_VFU_F_REPLY;
	iov.iov_len = good_answer(payload);
	if (how & 1) /* a byte of it is another */
		payload[fuzz_u8(in)] ^= fuzz_u8(in);
	if (how & 2)
		fuzz_fill(in, payload + fuzz_u8(in) % 128, 8);
	if (how & 4)
		iov.iov_len = fuzz_u8(in);
	if (how & 8)
		h.flags = fuzz_u8(in);
	if (how & 16)
		h.msg_id = (uint16_t)(fuzz_u8(in) << 8);
	for (unsigned int i = 0; i < 16; i++)
		fds[i] = fz.files[how >> 6 & 1 ? 1 + (i & 1) : 0];
	nvhi_vfu_send(fz.sock, &h, &iov, 1, fds,
		      how & 32                                      ? fuzz_u8(in) % 17u
		      : h.command == NVH_VFU_DEVICE_GET_REGION_INFO ? 1
								    : 0);
	nvhi_vfu_rx_next(&fz.rx);
	turn();
}

static void raw(struct fuzz_input *in)
{
	uint8_t bytes[255], len = fuzz_u8(in);

	fuzz_fill(in, bytes, len);
	if (fz.sock >= 0 && send(fz.sock, bytes, len, MSG_NOSIGNAL) > 0)
		turn();
}

/* ---- the driver ------------------------------------------------------------------------------ */

static void start(void)
{
	struct nvhi_pcie_bus *bus = &fz.vfu->bus;

	if (fz.starting)
		return;
	fz.starting = true;
	bus->ops->start(bus, fz.reactor, &fz.start);
	turn();
}

static void use_memory(unsigned int i)
{
	struct nvhi_pcie_bus *bus = &fz.vfu->bus;

	if (fz.blocks[i].ptr) {
		bus->ops->dma_free(bus, fz.blocks[i].ptr, 4096);
		fz.blocks[i].ptr = NULL;
	} else {
		FUZZ_CHECK(!bus->ops->dma_alloc(bus, 4096, 4096, &fz.blocks[i].ptr,
						&fz.blocks[i].iova));
		memset(fz.blocks[i].ptr, 1, 4096);
	}
}

static void use_registers(uint8_t how)
{
	struct nvhi_pcie_bus *bus = &fz.vfu->bus;
	volatile uint32_t *db;

	if (!fz.vfu->home)
		return;
	bus->ops->read32(bus, NVH_REG_CSTS);
	bus->ops->write32(bus, NVH_REG_CC, how & 1);
	bus->ops->master(bus, how & 2);
	for (uint16_t q = 0; q < 128; q += 3) {
		db = bus->ops->doorbell(bus, nvh_db_sq(q, nvh_cap_dstrd(fz.vfu->cap)));
		if (db)
			*db = how;
	}
	db = bus->ops->doorbell(bus, 0x1000 + how * 64u);
	if (db)
		*db = how;
	turn();
}

static void step(struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);

	switch (op & 7) {
	case 0:
		for (unsigned int i = 0; i < 1 + (op >> 3); i++)
			answer(in, 0);
		break;
	case 1:
	case 2:
		answer(in, fuzz_u8(in));
		break;
	case 3:
		raw(in);
		break;
	case 4:
		use_memory((op >> 3) % BLOCKS);
		break;
	case 5:
		use_registers(op >> 3);
		break;
	case 6:
		fz.now += (1 + (op >> 3) * 20ull) * NVHI_NSEC_PER_MSEC;
		turn();
		break;
	default:
		if (op & 8)
			hang_up();
		turn();
		start();
		break;
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static void setup(void)
{
	struct nvhi_tctrlr_opts opts = {.name = "nvh0", .connect_timeout_ms = TIMEOUT_MS};

	strcpy(fz.dir, "/tmp/nvh-fuzz-XXXXXX");
	FUZZ_CHECK(mkdtemp(fz.dir));
	snprintf(fz.path, sizeof(fz.path), "%s/cntrl", fz.dir);
	listen_again();
	fz.sock = -1;
	fz.starting = false;
	nvhi_vfu_rx_init(&fz.rx);
	opts.addr.trtype = NVH_TRTYPE_VFIO_USER;
	strcpy(opts.addr.traddr, fz.dir);
	FUZZ_CHECK(!nvhi_transport_vfio_user.tctrlr_open(&opts, &fz.tctrlr));
	fz.vfu = nvhi_vfu_of(nvhi_pcie_ctrlr_of(fz.tctrlr)->bus);
	fz.vfu->bus.gone = on_gone;
	fz.start = (struct nvhi_pcie_start){.timeout_ms = TIMEOUT_MS, .done = on_done};
	start();
}

static void teardown(void)
{
	for (unsigned int i = 0; i < BLOCKS; i++)
		if (fz.blocks[i].ptr)
			use_memory(i);
	fz.now += TIMEOUT_MS * NVHI_NSEC_PER_MSEC;
	turn();
	FUZZ_CHECK(!fz.starting);
	nvhi_transport_vfio_user.tctrlr_close(fz.tctrlr);
	FUZZ_CHECK(nvhi_reactor_next_deadline(fz.reactor) == NVHI_NEVER);
	hang_up();
	close(fz.listener);
	FUZZ_CHECK(!unlink(fz.path) && !rmdir(fz.dir));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	int before, after;

	if (!fz.reactor)
		create();
	before = dup(fz.files[0]);
	close(before);
	setup();
	while (in.left)
		step(&in);
	teardown();
	after = dup(fz.files[0]);
	close(after);
	FUZZ_CHECK(before == after);
	return 0;
}
