/*
 * See vfu_server_fixture.h.
 */
#include "tests/unit/vfu_server_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pcie/pcie_impl.h"
#include "pcie/vfio-user/vfio_user.h"

struct vs_server vs;
struct vs_told vs_told;
struct nvhi_vfu *vs_vfu;
struct nvh_reactor *vs_reactor;
struct nvhi_pcie_start vs_start;

static uint64_t now;
static struct nvhi_tctrlr *tctrlr;
static unsigned int fds_before;

unsigned int vs_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* ---- the server ------------------------------------------------------------------------------ */

void vs_listen(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	unlink(vs.path);
	strcpy(sa.sun_path, vs.path);
	vs.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CU_ASSERT_EQUAL_FATAL(bind(vs.listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(vs.listener, 4), 0);
}

static void srv_hang_up(void)
{
	nvhi_vfu_rx_next(&vs.rx);
	if (vs.sock >= 0)
		close(vs.sock);
	vs.sock = -1;
}

void vs_die(void)
{
	srv_hang_up();
	close(vs.listener);
	vs.listener = -1;
}

/* The file of BAR 0 */
void vs_set_bar(uint64_t size, unsigned int seals)
{
	if (vs.bar_fd >= 0)
		close(vs.bar_fd);
	vs.bar_fd = memfd_create("bar", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CU_ASSERT_EQUAL_FATAL(ftruncate(vs.bar_fd, (off_t)size), 0);
	CU_ASSERT_EQUAL_FATAL(fcntl(vs.bar_fd, F_ADD_SEALS, seals), 0);
}

void vs_reset(void)
{
	int listener = vs.listener, bar_fd = vs.bar_fd;
	char dir[64];

	memcpy(dir, vs.dir, sizeof(dir));
	memset(&vs, 0, sizeof(vs));
	memcpy(vs.dir, dir, sizeof(dir));
	snprintf(vs.path, sizeof(vs.path), "%s/cntrl", dir);
	vs.listener = listener;
	vs.bar_fd = bar_fd;
	vs.sock = -1;
	nvhi_vfu_rx_init(&vs.rx);
	vs.cap = VS_CAP;
	vs.silent_at = vs.close_at = vs.cut_at = vs.short_at = vs.refuse_at = VS_NEVER;
	vs.id_at = vs.size_at = vs.twice_at = VS_NEVER;
	vs.reply_fds = 1;
	vs.bar = (struct vs_bar){
		.info = {.argsz = sizeof(vs.bar),
			 .flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
				  VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS,
			 .cap_offset = sizeof(vs.bar.info),
			 .size = VS_BAR_SIZE},
		.cap = {.header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1},
			.nr_areas = 1},
		.area = {.offset = 0x1000, .size = 0x1000},
	};
	vs_set_bar(VS_BAR_SIZE, F_SEAL_SHRINK);
}

/* `n`: which message of the connection it answers. */
static void srv_reply(uint32_t n, const void *payload, uint32_t len, unsigned int nr_fds)
{
	struct nvh_vfu_header h = vs.rx.header;
	uint8_t bytes[1024];
	int fds[64];
	struct iovec iov = {(void *)(uintptr_t)payload, len};

	h.flags = NVH_VFU_F_REPLY;
	if (n >= vs.refuse_at) {
		h.flags |= NVH_VFU_F_ERROR;
		h.error = EACCES;
		iov.iov_len = 0;
	}
	if (n >= vs.id_at)
		h.msg_id ^= 0x7000;
	if (n == vs.short_at)
		iov.iov_len = vs.amount < len ? vs.amount : len;
	if (n == vs.cut_at || n == vs.size_at) {
		h.size = n == vs.size_at ? vs.amount : (uint32_t)sizeof(h) + len;
		memcpy(bytes, &h, sizeof(h));
		memcpy(bytes + sizeof(h), payload, len);
		send(vs.sock, bytes, n == vs.size_at ? sizeof(h) : vs.amount, MSG_NOSIGNAL);
		if (n == vs.cut_at)
			srv_hang_up();
		return;
	}
	for (unsigned int i = 0; i < nr_fds; i++)
		fds[i] = vs.bar_fd;
	for (int i = 0; i < (n == vs.twice_at ? 2 : 1); i++)
		nvhi_vfu_send(vs.sock, &h, &iov, 1, fds, nr_fds);
}

static void srv_read(uint32_t n)
{
	struct {
		struct nvh_vfu_region_access access;
		uint64_t value;
	} reply = {.value = 0};

	memcpy(&reply.access, vs.rx.payload, sizeof(reply.access));
	if (reply.access.offset == NVH_REG_CAP)
		reply.value = vs.cap;
	else if (reply.access.offset == NVH_REG_VS)
		reply.value = 0x20000;
	else if (reply.access.offset == NVH_REG_CSTS)
		reply.value = vs.csts;
	srv_reply(n, &reply, (uint32_t)sizeof(reply.access) + reply.access.count, 0);
}

static void srv_write(uint32_t n)
{
	struct nvh_vfu_region_access access;
	uint32_t value;

	memcpy(&access, vs.rx.payload, sizeof(access));
	memcpy(&value, vs.rx.payload + sizeof(access), sizeof(value));
	if (access.region == VFIO_PCI_BAR0_REGION_INDEX && access.offset == NVH_REG_CC)
		vs.csts = value & NVH_CC_EN ? NVH_CSTS_RDY : 0;
	if (!(vs.rx.header.flags & NVH_VFU_F_NO_REPLY))
		srv_reply(n, &access, sizeof(access), 0);
}

static void srv_answer(uint32_t n)
{
	static const struct {
		struct nvh_vfu_version version;
		char text[3];
	} version = {{0, 1}, "{}"};
	static const struct nvh_vfu_device_info info = {16, VFIO_DEVICE_FLAGS_PCI, 9, 5};
	struct nvh_vfu_dma_map map;

	switch (vs.rx.header.command) {
	case NVH_VFU_VERSION:
		srv_reply(n, &version, 7, 0);
		break;
	case NVH_VFU_DEVICE_GET_INFO:
		srv_reply(n, &info, sizeof(info), 0);
		break;
	case NVH_VFU_DEVICE_GET_REGION_INFO:
		srv_reply(n, &vs.bar, sizeof(vs.bar), vs.reply_fds);
		break;
	case NVH_VFU_DMA_MAP:
		CU_ASSERT_EQUAL(vs.rx.nr_fds, 1);
		CU_ASSERT_TRUE(fcntl(vs.rx.fds[0], F_GET_SEALS) & F_SEAL_SHRINK);
		memcpy(&map, vs.rx.payload, sizeof(map));
		CU_ASSERT_TRUE(map.addr > vs.last_iova);
		vs.last_iova = map.addr;
		vs.maps++;
		srv_reply(n, NULL, 0, 0);
		break;
	case NVH_VFU_DMA_UNMAP:
		vs.unmaps++;
		srv_reply(n, vs.rx.payload, vs.rx.payload_len, 0);
		break;
	case NVH_VFU_DEVICE_SET_IRQS:
		vs.irqs++;
		srv_reply(n, NULL, 0, 0);
		break;
	case NVH_VFU_REGION_READ:
		srv_read(n);
		break;
	case NVH_VFU_REGION_WRITE:
		srv_write(n);
		break;
	default:
		CU_FAIL("a message that makes no sense");
	}
}

/* Takes what came and answers it. */
static bool srv_serve(void)
{
	bool work = false;

	if (vs.sock < 0 && vs.listener >= 0) {
		vs.sock = accept4(vs.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		vs.asked = 0;
		work = vs.sock >= 0;
	}
	while (vs.sock >= 0 && nvhi_vfu_rx_read(&vs.rx, vs.sock) == 1) {
		uint32_t n = vs.asked++;

		work = true;
		if ((vs.rx.header.flags & NVH_VFU_F_TYPE) == NVH_VFU_F_REPLY)
			vs.refused += vs.rx.header.error == EOPNOTSUPP;
		else if (n >= vs.close_at)
			srv_hang_up();
		else if (n < vs.silent_at)
			srv_answer(n);
		nvhi_vfu_rx_next(&vs.rx);
	}
	return work;
}

/* ---- the client ------------------------------------------------------------------------------ */

static uint64_t clock_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return now;
}
static const struct nvhi_clock hand_clock = {.now = clock_now};

void vs_run(void)
{
	for (unsigned int idle = 0; idle < 3;) {
		bool work = nvhi_reactor_turn(vs_reactor) > 0;

		idle = srv_serve() || work ? 0 : idle + 1;
	}
}

void vs_pass_ms(uint64_t ms)
{
	now += ms * NVHI_NSEC_PER_MSEC;
	vs_run();
}

static void on_done(struct nvhi_pcie_start *st, int err, const char *why)
{
	(void)st;
	vs_told.done++;
	vs_told.err = err;
	snprintf(vs_told.why, sizeof(vs_told.why), "%s", why);
}

static void on_gone(struct nvhi_pcie_bus *bus, int err, const char *why)
{
	(void)bus;
	CU_ASSERT_TRUE(why[0]);
	vs_told.gone++;
	vs_told.gone_err = err;
}

void vs_setup(void)
{
	struct nvhi_reactor_opts ropts = {.clock = &hand_clock};
	struct nvhi_tctrlr_opts opts = {.name = "nvh0", .connect_timeout_ms = VS_TIMEOUT_MS};

	fds_before = vs_count_fds();
	vs.bar_fd = vs.listener = -1;
	strcpy(vs.dir, "/tmp/nvh-vfuc-XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(vs.dir) != NULL);
	vs_reset();
	vs_listen();
	now = NVHI_NSEC_PER_SEC;
	memset(&vs_told, 0, sizeof(vs_told));
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&ropts, &vs_reactor), 0);
	opts.addr.trtype = NVH_TRTYPE_VFIO_USER;
	strcpy(opts.addr.traddr, vs.dir);
	strcpy(opts.hostnqn,
	       "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000a");
	CU_ASSERT_EQUAL_FATAL(nvhi_transport_vfio_user.tctrlr_open(&opts, &tctrlr), 0);
	vs_vfu = nvhi_vfu_of(nvhi_pcie_ctrlr_of(tctrlr)->bus);
	vs_vfu->bus.gone = on_gone;
	vs_start = (struct nvhi_pcie_start){.timeout_ms = VS_TIMEOUT_MS, .done = on_done};
}

void vs_teardown(void)
{
	nvhi_transport_vfio_user.tctrlr_close(tctrlr);
	nvhi_reactor_destroy(vs_reactor);
	if (vs.listener >= 0)
		vs_die();
	srv_hang_up();
	close(vs.bar_fd);
	unlink(vs.path);
	CU_ASSERT_EQUAL(rmdir(vs.dir), 0);
	CU_ASSERT_EQUAL(vs_count_fds(), fds_before);
}

/* Starts anew, from a bus that is gone. */
int vs_begin(void)
{
	memset(&vs_told, 0, sizeof(vs_told));
	vs_vfu->bus.ops->start(&vs_vfu->bus, vs_reactor, &vs_start);
	CU_ASSERT_EQUAL(vs_told.done, 0); /* not within the call */
	vs_run();
	return vs_told.done ? vs_told.err : 1;
}

/* The server goes and the client hears it, whatever it was at. */
void vs_again(void)
{
	srv_hang_up();
	vs_run();
	vs_reset();
	vs_vfu->bus.ops->abandon(&vs_vfu->bus);
}

uint32_t vs_csts(void)
{
	uint32_t value;

	vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS);
	vs_run();
	value = vs_vfu->bus.ops->read32(&vs_vfu->bus, NVH_REG_CSTS);
	vs_run();
	return value;
}
