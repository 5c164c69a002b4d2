/*
 * See target_vfu_fixture.h.
 */
#include "tests/unit/target_vfu_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "target-lite/backend/error.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/vfio-user/vfio_user.h"

struct tv tv;
static unsigned int fds_before;

/* ---- the target ----------------------------------------------------------------------------- */

static uint64_t tv_now(const struct nvhi_clock *clock)
{
	(void)clock;
	return tv.now;
}
static const struct nvhi_clock tv_clock = {.now = tv_now};

unsigned int tv_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	CU_ASSERT_FATAL(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

void tv_run(void)
{
	/* A turn can find nothing and leave a message for the next one. */
	for (unsigned int idle = 0; idle < 3;)
		idle = nvhi_reactor_turn(tv.reactor) ? 0 : idle + 1;
}

void tv_advance_ms(uint64_t ms)
{
	tv.now += ms * NVHI_NSEC_PER_MSEC;
	tv_run();
}

static void count_done(void *arg, int err)
{
	(void)arg;
	CU_ASSERT_EQUAL(err, 0);
	tv.done++;
}

static void add_namespaces(void)
{
	struct tl_bdev_create_opts create = {.blocks = TV_BLOCKS, .block_size = 512};
	struct tl_stack_create_opts stack = {
		.base_name = "M1", .reactors = &tv.reactor, .channels = 1};
	struct tl_ns_opts first = {.bdev_name = "M0"}, second = {.bdev_name = "EE_M1"};
	struct tl_bdev *bdev;
	uint32_t nsid;

	create.name = "M0";
	CU_ASSERT_EQUAL_FATAL(tl_malloc_create(&tv.target->bdevs, &create, &bdev), 0);
	create.name = "M1";
	CU_ASSERT_EQUAL_FATAL(tl_malloc_create(&tv.target->bdevs, &create, &bdev), 0);
	CU_ASSERT_EQUAL_FATAL(tl_error_create(&tv.target->bdevs, &stack, &tv.error), 0);
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_add_ns(tv.ss, &first, count_done, NULL, &nsid), 0);
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_add_ns(tv.ss, &second, count_done, NULL, &nsid), 0);
}

void tv_setup_with(const struct tl_transport_opts *opts)
{
	struct nvhi_reactor_opts ropts = {.clock = &tv_clock};
	struct tl_subsystem_opts sopts = {.nqn = TV_NQN, .allow_any_host = true};
	struct tl_listen_addr addr = {.trtype = TL_TRTYPE_VFIOUSER};
	struct tl_target_opts topts = {0};

	fds_before = tv_count_fds();
	memset(&tv, 0, sizeof(tv));
	tv.now = NVHI_NSEC_PER_SEC;
	strcpy(tv.dir, "/tmp/nvh-vfu-XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(tv.dir) != NULL);
	snprintf(tv.path, sizeof(tv.path), "%s/cntrl", tv.dir);
	snprintf(addr.traddr, sizeof(addr.traddr), "%s", tv.dir);
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&ropts, &tv.reactor), 0);
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&topts, &tv.reactor, 1, &tv.target), 0);
	CU_ASSERT_EQUAL_FATAL(tl_vfu_create(tv.target, opts, &tv.transport), 0);
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_create(tv.target, &sopts, &tv.ss), 0);
	tl_subsystem_start(tv.ss, count_done, NULL);
	add_namespaces();
	CU_ASSERT_EQUAL_FATAL(tl_subsystem_add_listener(tv.ss, &addr, false, TL_ANA_OPTIMIZED,
							count_done, NULL, NULL),
			      0);
	tv_run();
	CU_ASSERT_EQUAL_FATAL(tv.done, 4);
}

void tv_setup(void)
{
	struct tl_transport_opts opts;

	tl_transport_opts_default(&opts);
	tv_setup_with(&opts);
}

void tv_teardown(void)
{
	tl_target_stop(tv.target, count_done, NULL);
	tv_run();
	CU_ASSERT_EQUAL_FATAL(tv.done, 5);
	tl_target_destroy(tv.target);
	nvhi_reactor_destroy(tv.reactor);
	CU_ASSERT_EQUAL(access(tv.path, F_OK), -1);
	CU_ASSERT_EQUAL(rmdir(tv.dir), 0);
	CU_ASSERT_EQUAL(tv_count_fds(), fds_before);
}

void tv_hold_io(int bdev_op)
{
	struct tl_error_opts opts = {.type = TL_ERROR_PENDING, .num = UINT32_MAX};

	tl_error_inject(tv.error, (enum tl_bdev_op)bdev_op, &opts);
}

void tv_resume(void)
{
	tl_error_resume(tv.error);
	tv_run();
}

/* ---- messages ------------------------------------------------------------------------------- */

struct tv_client *tv_connect(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct tv_client *c = calloc(1, sizeof(*c));

	CU_ASSERT_FATAL(c != NULL);
	strcpy(sa.sun_path, tv.path);
	c->mem_fd = c->db_fd = c->reply_fd = -1;
	c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CU_ASSERT_EQUAL_FATAL(connect(c->sock, (struct sockaddr *)&sa, sizeof(sa)), 0);
	tv_run();
	return c;
}

void tv_close(struct tv_client *c)
{
	if (c->db)
		munmap(c->db, TV_PAGE);
	if (c->mem)
		munmap(c->mem, TV_MEM);
	if (c->mem_fd >= 0)
		close(c->mem_fd);
	if (c->db_fd >= 0)
		close(c->db_fd);
	if (c->reply_fd >= 0)
		close(c->reply_fd);
	close(c->sock);
	free(c);
	tv_run();
}

bool tv_is_gone(struct tv_client *c)
{
	char byte;
	ssize_t n;

	tv_run();
	while ((n = recv(c->sock, &byte, 1, MSG_DONTWAIT)) > 0)
		continue;
	return n == 0 || errno == ECONNRESET;
}

void tv_put(struct tv_client *c, const void *bytes, size_t len)
{
	send(c->sock, bytes, len, MSG_NOSIGNAL);
	tv_run();
}

void tv_send(struct tv_client *c, uint16_t command, uint32_t flags, const void *payload, size_t len,
	     const int *fds, unsigned int nr_fds)
{
	struct nvh_vfu_header header = {.msg_id = ++c->msg_id, .command = command, .flags = flags};
	struct iovec iov = {(void *)(uintptr_t)payload, len};

	nvhi_vfu_send(c->sock, &header, &iov, 1, fds, nr_fds);
	tv_run();
}

static bool take(struct tv_client *c, void *to, size_t len)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} space;
	struct iovec iov = {to, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space.bytes,
			     .msg_controllen = sizeof(space.bytes)};
	struct cmsghdr *cmsg;

	if (!len)
		return true;
	if (recvmsg(c->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != (ssize_t)len)
		return false;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg) {
		CU_ASSERT_EQUAL(cmsg->cmsg_len, CMSG_LEN(sizeof(int)));
		memcpy(&c->reply_fd, CMSG_DATA(cmsg), sizeof(int));
	}
	return true;
}

bool tv_reply(struct tv_client *c)
{
	if (c->reply_fd >= 0)
		close(c->reply_fd);
	c->reply_fd = -1;
	if (!take(c, &c->header, sizeof(c->header)))
		return false;
	CU_ASSERT_EQUAL(c->header.flags & NVH_VFU_F_TYPE, NVH_VFU_F_REPLY);
	CU_ASSERT_EQUAL(!!(c->header.flags & NVH_VFU_F_ERROR), c->header.error != 0);
	c->reply_len = c->header.size - (uint32_t)sizeof(c->header);
	CU_ASSERT_FATAL(c->reply_len <= sizeof(c->reply));
	CU_ASSERT_TRUE_FATAL(take(c, c->reply, c->reply_len));
	return true;
}

int tv_ask(struct tv_client *c, uint16_t command, const void *payload, size_t len, const int *fds,
	   unsigned int nr_fds)
{
	tv_send(c, command, 0, payload, len, fds, nr_fds);
	if (!tv_reply(c))
		return tv_is_gone(c) ? -2 : -1;
	CU_ASSERT_EQUAL(c->header.msg_id, c->msg_id);
	CU_ASSERT_EQUAL(c->header.command, command);
	return (int)c->header.error;
}

int tv_version(struct tv_client *c)
{
	static const char text[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}";

	return tv_ask(c, NVH_VFU_VERSION, text, sizeof(text), NULL, 0);
}

int tv_map(struct tv_client *c, int fd, uint64_t offset, uint64_t iova, uint64_t size)
{
	struct nvh_vfu_dma_map map = {.argsz = sizeof(map),
				      .flags = NVH_VFU_DMA_READABLE | NVH_VFU_DMA_WRITABLE,
				      .offset = offset,
				      .addr = iova,
				      .size = size};

	return tv_ask(c, NVH_VFU_DMA_MAP, &map, sizeof(map), &fd, 1);
}

void tv_put_unmap(struct tv_client *c, uint64_t iova, uint64_t size)
{
	struct nvh_vfu_dma_unmap unmap = {.argsz = sizeof(unmap), .addr = iova, .size = size};

	tv_send(c, NVH_VFU_DMA_UNMAP, 0, &unmap, sizeof(unmap), NULL, 0);
}

int tv_unmap(struct tv_client *c, uint64_t iova, uint64_t size)
{
	tv_put_unmap(c, iova, size);
	if (!tv_reply(c))
		return tv_is_gone(c) ? -2 : -1;
	CU_ASSERT_EQUAL(c->header.msg_id, c->msg_id);
	return (int)c->header.error;
}

int tv_memfd(uint64_t size, unsigned int seals)
{
	int fd = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, (off_t)size), 0);
	CU_ASSERT_EQUAL_FATAL(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

int tv_region(struct tv_client *c, bool write, uint32_t region, uint64_t offset, void *data,
	      uint32_t count)
{
	uint8_t bytes[sizeof(struct nvh_vfu_region_access) + 8192];
	struct nvh_vfu_region_access access = {.offset = offset, .region = region, .count = count};
	size_t len = sizeof(access) + (write && count <= 8000 ? count : 0);
	int err;

	memcpy(bytes, &access, sizeof(access));
	memcpy(bytes + sizeof(access), data, len - sizeof(access));
	err = tv_ask(c, write ? NVH_VFU_REGION_WRITE : NVH_VFU_REGION_READ, bytes, len, NULL, 0);
	if (!err && !write) {
		CU_ASSERT_EQUAL_FATAL(c->reply_len, sizeof(access) + count);
		memcpy(data, c->reply + sizeof(access), count);
	}
	return err;
}

uint64_t tv_read(struct tv_client *c, uint32_t offset, uint32_t count)
{
	uint64_t value = 0;

	CU_ASSERT_EQUAL_FATAL(
		tv_region(c, false, VFIO_PCI_BAR0_REGION_INDEX, offset, &value, count), 0);
	return value;
}

int tv_write(struct tv_client *c, uint32_t offset, uint64_t value, uint32_t count)
{
	return tv_region(c, true, VFIO_PCI_BAR0_REGION_INDEX, offset, &value, count);
}

static void map_doorbells(struct tv_client *c)
{
	struct vfio_region_info info = {.argsz = 4096, .index = VFIO_PCI_BAR0_REGION_INDEX};

	CU_ASSERT_EQUAL_FATAL(
		tv_ask(c, NVH_VFU_DEVICE_GET_REGION_INFO, &info, sizeof(info), NULL, 0), 0);
	CU_ASSERT_FATAL(c->reply_fd >= 0);
	c->db_fd = c->reply_fd;
	c->reply_fd = -1;
	c->db = mmap(NULL, TV_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c->db_fd,
		     NVH_REG_DOORBELLS);
	CU_ASSERT_FATAL(c->db != MAP_FAILED);
}

struct tv_client *tv_open(void)
{
	struct tv_client *c = tv_connect();

	CU_ASSERT_EQUAL_FATAL(tv_version(c), 0);
	map_doorbells(c);
	c->mem_fd = tv_memfd(TV_MEM, F_SEAL_SHRINK);
	c->mem = mmap(NULL, TV_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, c->mem_fd, 0);
	CU_ASSERT_FATAL(c->mem != MAP_FAILED);
	CU_ASSERT_EQUAL_FATAL(tv_map(c, c->mem_fd, 0, TV_IOVA, TV_MEM), 0);
	return c;
}

/* ---- the controller ------------------------------------------------------------------------- */

uint32_t tv_csts(struct tv_client *c)
{
	return (uint32_t)tv_read(c, NVH_REG_CSTS, 4);
}

void tv_enable(struct tv_client *c)
{
	c->sqs[0] = (struct tv_queue){.entries = 16};
	c->cqs[0] = (struct tv_queue){.entries = 16, .phase = 1};
	memset(c->mem + TV_ASQ, 0, TV_PAGE);
	memset(c->mem + TV_ACQ, 0, TV_PAGE);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_AQA, 15 << NVH_AQA_ACQS_SHIFT | 15, 4), 0);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_ASQ, TV_IOVA + TV_ASQ, 8), 0);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_ACQ, TV_IOVA + TV_ACQ, 8), 0);
	CU_ASSERT_EQUAL(tv_write(c, NVH_REG_CC, TV_CC, 4), 0);
	CU_ASSERT_EQUAL_FATAL(tv_csts(c), NVH_CSTS_RDY);
}

struct nvh_cmd tv_cmd(uint8_t opc, uint32_t nsid)
{
	struct nvh_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opc = opc;
	nvh_le32_put(&cmd.nsid, nsid);
	return cmd;
}

uint16_t tv_put_cmd(struct tv_client *c, uint16_t q, struct nvh_cmd *cmd)
{
	struct tv_queue *sq = &c->sqs[q];

	nvh_le16_put(&cmd->cid, ++c->cid);
	memcpy(c->mem + (q ? TV_SQ(q) : TV_ASQ) + sq->tail * sizeof(*cmd), cmd, sizeof(*cmd));
	sq->tail = (sq->tail + 1) % sq->entries;
	return c->cid;
}

void tv_ring(struct tv_client *c, uint16_t q)
{
	__atomic_store_n(&c->db[2 * q], c->sqs[q].tail, __ATOMIC_RELEASE);
	tv_run();
}

bool tv_cpl(struct tv_client *c, uint16_t q, struct nvh_cpl *ret_cpl)
{
	struct tv_queue *cq = &c->cqs[q];

	memcpy(ret_cpl, c->mem + (q ? TV_CQ(q) : TV_ACQ) + cq->head * sizeof(*ret_cpl),
	       sizeof(*ret_cpl));
	if ((nvh_le16_get(ret_cpl->status) & 1) != cq->phase)
		return false;
	if (++cq->head == cq->entries) {
		cq->head = 0;
		cq->phase ^= 1;
	}
	__atomic_store_n(&c->db[2 * q + 1], cq->head, __ATOMIC_RELEASE);
	return true;
}

int tv_exec(struct tv_client *c, uint16_t q, struct nvh_cmd *cmd)
{
	uint16_t cid = tv_put_cmd(c, q, cmd);
	struct nvh_cpl cpl;

	tv_ring(c, q);
	if (!tv_cpl(c, q, &cpl))
		return -1;
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.cid), cid);
	return (int)nvh_cpl_code(&cpl);
}

int tv_create_cq(struct tv_client *c, uint16_t q, uint32_t entries, uint64_t iova, uint32_t flags)
{
	struct nvh_cmd cmd = tv_cmd(NVH_ADM_CREATE_CQ, 0);

	nvh_le64_put(&cmd.dptr.prp.prp1, iova);
	nvh_le32_put(&cmd.cdw10, (entries - 1) << NVH_CREATE_QSIZE_SHIFT | q);
	nvh_le32_put(&cmd.cdw11, flags);
	return tv_exec(c, 0, &cmd);
}

int tv_create_sq(struct tv_client *c, uint16_t q, uint32_t entries, uint64_t iova, uint16_t cq)
{
	struct nvh_cmd cmd = tv_cmd(NVH_ADM_CREATE_SQ, 0);

	nvh_le64_put(&cmd.dptr.prp.prp1, iova);
	nvh_le32_put(&cmd.cdw10, (entries - 1) << NVH_CREATE_QSIZE_SHIFT | q);
	nvh_le32_put(&cmd.cdw11, (uint32_t)cq << NVH_CREATE_SQ_CQID_SHIFT | NVH_CREATE_SQ_PC);
	return tv_exec(c, 0, &cmd);
}

int tv_delete(struct tv_client *c, uint8_t opc, uint16_t q)
{
	struct nvh_cmd cmd = tv_cmd(opc, 0);

	nvh_le32_put(&cmd.cdw10, q);
	return tv_exec(c, 0, &cmd);
}

void tv_create_queue(struct tv_client *c, uint16_t q, uint32_t entries)
{
	c->sqs[q] = (struct tv_queue){.entries = entries};
	c->cqs[q] = (struct tv_queue){.entries = entries, .phase = 1};
	memset(c->mem + TV_SQ(q), 0, TV_PAGE);
	memset(c->mem + TV_CQ(q), 0, TV_PAGE);
	CU_ASSERT_EQUAL(tv_create_cq(c, q, entries, TV_IOVA + TV_CQ(q), NVH_CREATE_CQ_PC), 0);
	CU_ASSERT_EQUAL(tv_create_sq(c, q, entries, TV_IOVA + TV_SQ(q), q), 0);
}

struct tv_client *tv_ready(void)
{
	struct tv_client *c = tv_open();

	tv_enable(c);
	tv_create_queue(c, 1, 16);
	return c;
}

struct nvh_cmd tv_rw(uint8_t opc, uint32_t nsid, uint64_t lba, uint32_t blocks, uint64_t prp1,
		     uint64_t prp2)
{
	struct nvh_cmd cmd = tv_cmd(opc, nsid);

	nvh_le64_put(&cmd.dptr.prp.prp1, prp1);
	nvh_le64_put(&cmd.dptr.prp.prp2, prp2);
	nvh_le32_put(&cmd.cdw10, (uint32_t)lba);
	nvh_le32_put(&cmd.cdw11, (uint32_t)(lba >> 32));
	nvh_le32_put(&cmd.cdw12, blocks - 1);
	return cmd;
}

void tv_put64(struct tv_client *c, uint32_t at, uint64_t value)
{
	struct nvh_le64 le;

	nvh_le64_put(&le, value);
	memcpy(c->mem + at, &le, sizeof(le));
}

void tv_assert_alive(void)
{
	struct tv_client *c = tv_ready();
	struct nvh_cmd cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);

	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
	tv_close(c);
}
