/*
 * Fuzz target: the target's vfio-user transport and a client that does what the input says:
 * messages right and wrong, memory mapped and taken away, a controller enabled and disabled,
 * queues, commands of any bytes with PRPs into that memory, doorbells of any value, time passing.
 *
 * Holds for every input: nothing outside of the client's memory is touched, no message keeps the
 * target busy for ever, and when the client has left nothing of it stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "target-lite/backend/delay.h"
#include "target-lite/core/impl.h"
#include "target-lite/vfio-user/impl.h"
#include "tests/fuzz/fuzz.h"

#define NQN  "nqn.2026-01.io.nvhost:fuzz"
#define MEM  (64u << 10)
#define IOVA 0x100000ull /* of the first page */
#define DEEP 8u          /* entries of a queue */

static struct {
	struct nvh_reactor *reactor;
	struct tl_target *target;
	struct tl_vfu_group *vg;
	struct tl_listen_addr addr;
	uint64_t now;
	int mem_fd, event_fd, sock;
	uint8_t *mem;
	uint16_t tail[4];
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

	for (unsigned int idle = 0; idle < 3; turns++) {
		FUZZ_CHECK(turns < 100000);
		idle = nvhi_reactor_turn(fz.reactor) ? 0 : idle + 1;
	}
}

/* ---- the target ------------------------------------------------------------------------------ */

static void done(void *arg, int err)
{
	(void)arg;
	FUZZ_CHECK(err == 0);
}

static void add_namespaces(struct tl_subsystem *ss)
{
	static const uint64_t latency[TL_DELAY_KINDS] = {2000, 2000, 2000, 2000};
	struct tl_bdev_create_opts create = {.name = "M0", .blocks = 256, .block_size = 512};
	struct tl_stack_create_opts stack = {
		.base_name = "M1", .name = "D1", .reactors = &fz.reactor, .channels = 1};
	struct tl_ns_opts first = {.bdev_name = "M0"}, second = {.bdev_name = "D1"};
	struct tl_bdev *bdev;
	uint32_t nsid;

	FUZZ_CHECK(!tl_malloc_create(&fz.target->bdevs, &create, &bdev));
	create.name = "M1";
	FUZZ_CHECK(!tl_malloc_create(&fz.target->bdevs, &create, &bdev));
	FUZZ_CHECK(!tl_delay_create(&fz.target->bdevs, &stack, latency, &bdev));
	FUZZ_CHECK(!tl_subsystem_add_ns(ss, &first, done, NULL, &nsid));
	FUZZ_CHECK(!tl_subsystem_add_ns(ss, &second, done, NULL, &nsid));
}

static void create(void)
{
	struct nvhi_reactor_opts ropts = {.clock = &hand_clock};
	struct tl_subsystem_opts sopts = {.nqn = NQN, .allow_any_host = true};
	char dir[] = "/tmp/nvh-fuzz-XXXXXX", path[64];
	struct tl_target_opts topts = {0};
	struct tl_transport_opts opts;
	struct tl_transport *transport;
	struct tl_subsystem *ss;

	fz.now = NVHI_NSEC_PER_SEC;
	tl_transport_opts_default(&opts);
	FUZZ_CHECK(mkdtemp(dir));
	fz.addr.trtype = TL_TRTYPE_VFIOUSER;
	snprintf(fz.addr.traddr, sizeof(fz.addr.traddr), "%s", dir);
	FUZZ_CHECK(!nvhi_reactor_create(&ropts, &fz.reactor));
	FUZZ_CHECK(!tl_target_create(&topts, &fz.reactor, 1, &fz.target));
	FUZZ_CHECK(!tl_vfu_create(fz.target, &opts, &transport));
	FUZZ_CHECK(!tl_subsystem_create(fz.target, &sopts, &ss));
	tl_subsystem_start(ss, done, NULL);
	add_namespaces(ss);
	FUZZ_CHECK(!tl_subsystem_add_listener(ss, &fz.addr, false, TL_ANA_OPTIMIZED, done, NULL,
					      NULL));
	turn();
	/* Clients come by socket pairs: nobody needs the folder. */
	snprintf(path, sizeof(path), "%s/cntrl", dir);
	FUZZ_CHECK(!unlink(path) && !rmdir(dir));
	fz.vg = fz.target->groups[0].transport_data[transport->slot];
	fz.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fz.mem_fd = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FUZZ_CHECK(!ftruncate(fz.mem_fd, MEM) && !fcntl(fz.mem_fd, F_ADD_SEALS, F_SEAL_SHRINK));
	fz.mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, fz.mem_fd, 0);
	FUZZ_CHECK(fz.mem != MAP_FAILED);
}

/* ---- the client ------------------------------------------------------------------------------ */

static void client_connect(void)
{
	static unsigned int number;
	int socks[2];

	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, socks));
	fz.sock = socks[0];
	memset(fz.tail, 0, sizeof(fz.tail));
	tl_vfu_conn_accept(fz.vg, socks[1], &fz.addr, NQN, ++number);
}

static void client_leave(void)
{
	close(fz.sock);
	turn();
	/* What is under way may take its time. */
	for (unsigned int i = 0; i < 100 && !nvhi_list_empty(&fz.vg->conns); i++) {
		fz.now += NVHI_NSEC_PER_MSEC;
		turn();
	}
	FUZZ_CHECK(nvhi_list_empty(&fz.vg->conns));
}

static void say(uint16_t command, const void *payload, size_t len, int fd)
{
	struct nvh_vfu_header header = {.command = command};
	struct iovec iov = {(void *)(uintptr_t)payload, len};

	nvhi_vfu_send(fz.sock, &header, &iov, 1, &fd, fd >= 0);
	turn();
}

static void say_write(uint64_t offset, uint64_t value, uint32_t count)
{
	struct {
		struct nvh_vfu_region_access access;
		uint64_t value;
	} write = {{.offset = offset, .count = count}, value};

	say(NVH_VFU_REGION_WRITE, &write, sizeof(write.access) + count, -1);
}

static void say_map(uint32_t page, uint32_t pages, int fd)
{
	struct nvh_vfu_dma_map map = {.argsz = sizeof(map),
				      .flags = 3,
				      .offset = page * 4096ull,
				      .addr = IOVA + page * 4096ull,
				      .size = pages * 4096ull};

	say(NVH_VFU_DMA_MAP, &map, sizeof(map), fd);
}

static void enable(void)
{
	say_write(NVH_REG_AQA, (DEEP - 1) << 16 | (DEEP - 1), 4);
	say_write(NVH_REG_ASQ, IOVA, 8);
	say_write(NVH_REG_ACQ, IOVA + 0x1000, 8);
	say_write(NVH_REG_CC, 0x460001, 4);
	memset(fz.tail, 0, sizeof(fz.tail));
}

static void doorbell(unsigned int index, uint32_t value)
{
	struct tl_vfu_conn *conn;

	if (nvhi_list_empty(&fz.vg->conns))
		return;
	conn = nvhi_list_first(&fz.vg->conns, struct tl_vfu_conn, link);
	conn->db[index % 1024] = value; /* as by its own mapping */
	turn();
}

/* Queue q has its rings in pages 2q and 2q + 1. All heads are told, so that there is room. */
static void command(unsigned int q, const struct nvh_cmd *cmd)
{
	memcpy(fz.mem + q * 8192 + fz.tail[q] * sizeof(*cmd), cmd, sizeof(*cmd));
	fz.tail[q] = (uint16_t)((fz.tail[q] + 1) % DEEP);
	doorbell(2 * q, fz.tail[q]);
	doorbell(2 * q + 1, fz.tail[q]);
}

static void create_queue(unsigned int q)
{
	struct nvh_cmd cmd = {.opc = NVH_ADM_CREATE_CQ};

	nvh_le64_put(&cmd.dptr.prp.prp1, IOVA + q * 8192 + 4096);
	nvh_le32_put(&cmd.cdw10, (DEEP - 1) << 16 | q);
	nvh_le32_put(&cmd.cdw11, 3 | q << 16);
	command(0, &cmd);
	cmd.opc = NVH_ADM_CREATE_SQ;
	nvh_le64_put(&cmd.dptr.prp.prp1, IOVA + q * 8192);
	nvh_le32_put(&cmd.cdw11, 1 | q << 16);
	fz.tail[q] = 0;
	command(0, &cmd);
}

/* Opcode, NSID and data somewhere in the memory; then as many bytes of it as the input has for it.
 */
static void any_command(struct fuzz_input *in)
{
	struct nvh_cmd cmd = {.opc = fuzz_u8(in)};
	uint8_t where = fuzz_u8(in), len = fuzz_u8(in) % 64;
	uint8_t bytes[64];

	nvh_le32_put(&cmd.nsid, 1 + (where & 1));
	nvh_le64_put(&cmd.dptr.prp.prp1, IOVA + (where >> 1) % 16 * 4096);
	nvh_le64_put(&cmd.dptr.prp.prp2, IOVA + 0x8000);
	fuzz_fill(in, bytes, len);
	memcpy((uint8_t *)&cmd + 64 - len, bytes, len);
	command(where >> 6, &cmd);
}

static void set_irqs(struct fuzz_input *in)
{
	struct vfio_irq_set set = {.argsz = sizeof(set), .flags = fuzz_u8(in), .index = 2};

	set.start = fuzz_u8(in);
	set.count = fuzz_u8(in);
	say(NVH_VFU_DEVICE_SET_IRQS, &set, sizeof(set), set.start & 1 ? fz.event_fd : fz.mem_fd);
}

static void any_message(struct fuzz_input *in)
{
	uint8_t payload[256], command = fuzz_u8(in), len = fuzz_u8(in), fd = fuzz_u8(in);

	fuzz_fill(in, payload, len);
	say(command & 15, payload, len, fd & 1 ? fz.mem_fd : fd & 2 ? fz.event_fd : -1);
}

static void raw(struct fuzz_input *in)
{
	uint8_t bytes[255], len = fuzz_u8(in);

	fuzz_fill(in, bytes, len);
	if (send(fz.sock, bytes, len, MSG_NOSIGNAL) < 0)
		return;
	turn();
}

static void write_memory(struct fuzz_input *in)
{
	uint32_t at = (uint32_t)fuzz_u8(in) << 8 | fuzz_u8(in), len = fuzz_u8(in);

	if (len > MEM - at)
		len = MEM - at;
	fuzz_fill(in, fz.mem + at, len);
}

/* Entries that lead back into the memory, from anywhere in a page. */
static void write_list(struct fuzz_input *in)
{
	uint32_t at = 0x8000 + fuzz_u8(in) % 8 * 4096 + fuzz_u8(in) * 16u % 4096, n = fuzz_u8(in);

	for (; n && at + 8 <= MEM; n--, at += 8) {
		struct nvh_le64 le;

		nvh_le64_put(&le, IOVA + fuzz_u8(in) % 16 * 4096ull);
		memcpy(fz.mem + at, &le, sizeof(le));
	}
}

static void step(struct fuzz_input *in)
{
	static const char version[] = "\0\0\1\0{\"capabilities\":{}}";
	uint8_t op = fuzz_u8(in);
	uint32_t page = op >> 4;

	switch (op & 15) {
	case 0:
		raw(in);
		break;
	case 1:
		say(NVH_VFU_VERSION, version, sizeof(version), -1);
		say_map(0, 16, fz.mem_fd);
		break;
	case 2:
		say_map(page, fuzz_u8(in) % 17, fz.mem_fd);
		break;
	case 3: {
		struct nvh_vfu_dma_unmap unmap = {sizeof(unmap), 0, IOVA + page * 4096ull, 0};

		unmap.size = fuzz_u8(in) % 17 * 4096ull;
		say(NVH_VFU_DMA_UNMAP, &unmap, sizeof(unmap), -1);
		break;
	}
	case 4:
		enable();
		break;
	case 5:
		say_write(NVH_REG_CC, (uint64_t)fuzz_u8(in) << 8 | (page & 1) | 0x460000, 4);
		break;
	case 6:
		create_queue(1 + page % 3);
		break;
	case 7:
	case 8:
		any_command(in);
		break;
	case 9:
		write_memory(in);
		break;
	case 10:
		write_list(in);
		break;
	case 11:
		doorbell(page, (uint32_t)fuzz_u8(in) << (page & 8 ? 24 : 0));
		break;
	case 12:
		any_message(in);
		break;
	case 13:
		set_irqs(in);
		break;
	case 14:
		fz.now += (1 + page) * NVHI_NSEC_PER_MSEC;
		turn();
		break;
	default:
		say_write(page * 4, (uint64_t)fuzz_u8(in) << 12, page & 1 ? 8 : 4);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint8_t sink[4096];

	if (!fz.target)
		create();
	memset(fz.mem, 0, MEM);
	client_connect();
	while (in.left) {
		step(&in);
		while (recv(fz.sock, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			continue; /* descriptors among it are lost, as the kernel closes them */
	}
	client_leave();
	return 0;
}
