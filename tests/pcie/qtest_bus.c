/*
 * QEMU behind the bus interface; see qtest_bus.h. QEMU ends with the test that started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/spec/regs.h"
#include "tests/pcie/qtest_bus.h"
#include "tests/unit/nvh_cunit.h"

#define QEMU     "qemu-system-x86_64"
#define RAM      ((size_t)64 << 20)
#define RAM_LOW  ((size_t)1 << 20) /* below lies what a PC has there */
#define PAGE     4096u
#define BAR      0xfe000000u
#define SLOT     4u
#define START_MS 20000u

struct qtest {
	struct nvhi_pcie_bus bus;
	pid_t pid;
	int fd;
	pthread_mutex_t lock;
	char dir[64];
	uint8_t *ram;
	uint8_t used[RAM / PAGE]; /* by page: 1 in use */
	size_t used_bytes;
	bool gone;
	bool ended; /* QEMU is no more */
	unsigned long doorbells;
};

/* ---- the socket -------------------------------------------------------------------------- */

/* One command and its answer; under the lock. The value of "OK 0x..", UINT64_MAX when QEMU is gone.
 */
static uint64_t qtest_command(struct qtest *qt, const char *text)
{
	char answer[128];
	size_t len = strlen(text), got = 0;

	if (qt->ended || send(qt->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
		goto ended;
	while (got == 0 || answer[got - 1] != '\n') {
		ssize_t n = recv(qt->fd, answer + got, sizeof(answer) - 1 - got, 0);

		if (n <= 0)
			goto ended;
		got += (size_t)n;
	}
	answer[got] = '\0';
	if (strncmp(answer, "OK", 2) != 0)
		goto ended;
	return got > 3 ? strtoull(answer + 3, NULL, 0) : 0;
ended:
	qt->ended = true;
	return UINT64_MAX;
}

__attribute__((format(printf, 2, 3))) static uint64_t qtest_say(struct qtest *qt, const char *fmt,
								...)
{
	char text[96];
	uint64_t value;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&qt->lock);
	value = qtest_command(qt, text);
	pthread_mutex_unlock(&qt->lock);
	return value;
}

static void config_write(struct qtest *qt, unsigned int reg, uint32_t value)
{
	qtest_say(qt, "outl 0xcf8 0x%x\n", 0x80000000u | SLOT << 11 | reg);
	qtest_say(qt, "outl 0xcfc 0x%x\n", value);
}

/* ---- the bus ----------------------------------------------------------------------------- */

static struct qtest *qtest_of(struct nvhi_pcie_bus *bus)
{
	return nvhi_container_of(bus, struct qtest, bus);
}

static uint32_t qtest_read32(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	struct qtest *qt = qtest_of(bus);

	if (__atomic_load_n(&qt->gone, __ATOMIC_RELAXED))
		return UINT32_MAX;
	return (uint32_t)qtest_say(qt, "readl 0x%x\n", BAR + offset);
}

static void qtest_write32(struct nvhi_pcie_bus *bus, uint32_t offset, uint32_t value)
{
	struct qtest *qt = qtest_of(bus);

	if (__atomic_load_n(&qt->gone, __ATOMIC_RELAXED))
		return;
	if (offset > NVH_REG_DOORBELLS + 4 && offset % 8 == 0)
		__atomic_fetch_add(&qt->doorbells, 1, __ATOMIC_RELAXED);
	qtest_say(qt, "writel 0x%x 0x%x\n", BAR + offset, value);
}

static volatile uint32_t *qtest_doorbell(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	(void)bus;
	(void)offset;
	return NULL;
}

static size_t qtest_find(const struct qtest *qt, size_t pages, size_t align)
{
	size_t run = 0;

	for (size_t i = RAM_LOW / PAGE; i < RAM / PAGE; i++) {
		if (qt->used[i] || (run == 0 && i % align))
			run = 0;
		else if (++run == pages)
			return i + 1 - pages;
	}
	return 0;
}

static int qtest_dma_alloc(struct nvhi_pcie_bus *bus, size_t size, size_t align, void **ret_ptr,
			   uint64_t *ret_iova)
{
	struct qtest *qt = qtest_of(bus);
	size_t pages = (size + PAGE - 1) / PAGE, at;

	pthread_mutex_lock(&qt->lock);
	at = qtest_find(qt, pages, align / PAGE);
	if (at) {
		memset(qt->used + at, 1, pages);
		qt->used_bytes += pages * PAGE;
	}
	pthread_mutex_unlock(&qt->lock);
	if (!at)
		return -ENOMEM;
	memset(qt->ram + at * PAGE, 0, pages * PAGE);
	*ret_ptr = qt->ram + at * PAGE;
	*ret_iova = at * PAGE;
	return 0;
}

static void qtest_dma_free(struct nvhi_pcie_bus *bus, void *ptr, size_t size)
{
	struct qtest *qt = qtest_of(bus);
	size_t pages = (size + PAGE - 1) / PAGE;

	pthread_mutex_lock(&qt->lock);
	memset(qt->used + ((uint8_t *)ptr - qt->ram) / PAGE, 0, pages);
	qt->used_bytes -= pages * PAGE;
	pthread_mutex_unlock(&qt->lock);
}

static int qtest_mem_register(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	(void)addr;
	(void)len;
	return 0;
}

static void qtest_mem_unregister(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	(void)addr;
	(void)len;
}

static uint64_t qtest_iova(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len)
{
	struct qtest *qt = qtest_of(bus);
	uintptr_t offset = (uintptr_t)addr - (uintptr_t)qt->ram;

	if ((uintptr_t)addr < (uintptr_t)qt->ram || offset >= RAM)
		return NVHI_IOVA_NONE;
	*ret_len = RAM - offset < len ? RAM - offset : len;
	return offset;
}

static void qtest_master(struct nvhi_pcie_bus *bus, bool on)
{
	config_write(qtest_of(bus), 4, on ? 6 : 2);
}

static void qtest_close(struct nvhi_pcie_bus *bus)
{
	(void)bus; /* QEMU outlives a controller */
}

static const struct nvhi_pcie_bus_ops qtest_ops = {
	.read32 = qtest_read32,
	.write32 = qtest_write32,
	.doorbell = qtest_doorbell,
	.dma_alloc = qtest_dma_alloc,
	.dma_free = qtest_dma_free,
	.mem_register = qtest_mem_register,
	.mem_unregister = qtest_mem_unregister,
	.iova = qtest_iova,
	.master = qtest_master,
	.close = qtest_close,
};

/* ---- QEMU -------------------------------------------------------------------------------- */

static bool qtest_file(const struct qtest *qt, const char *name, const void *data, size_t len,
		       off_t size)
{
	char path[96];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", qt->dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	good = ftruncate(fd, size) == 0 && pwrite(fd, data, len, size - (off_t)len) == (ssize_t)len;
	close(fd);
	return good;
}

/* What the CPU finds at its first instruction: cli; hlt; and again. */
static const uint8_t rom_end[16] = {0xfa, 0xf4, 0xeb, 0xfc};

static bool qtest_files(struct qtest *qt)
{
	char path[96];
	int fd;

	if (!qtest_file(qt, "rom", rom_end, sizeof(rom_end), 65536) ||
	    !qtest_file(qt, "ns1", "", 0, QTEST_NS_SIZE) ||
	    !qtest_file(qt, "ns2", "", 0, QTEST_NS_SIZE) ||
	    !qtest_file(qt, "ns3", "", 0, QTEST_NS_SIZE) ||
	    !qtest_file(qt, "ns4", "", 0, QTEST_NS_SIZE) || !qtest_file(qt, "ram", "", 0, RAM))
		return false;
	snprintf(path, sizeof(path), "%s/ram", qt->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	qt->ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return qt->ram != MAP_FAILED;
}

static void qtest_exec(const struct qtest *qt)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(qt->dir) < 0)
		_exit(126);
	execlp(QEMU, QEMU, "-accel", "tcg", "-bios", "rom", "-qtest",
	       "unix:sock,server=on,wait=off", "-qtest-log", "/dev/null", "-machine",
	       "q35,memory-backend=mem", "-m", "64M", "-nodefaults", "-display", "none", "-object",
	       "memory-backend-file,id=mem,share=on,mem-path=ram,size=64M", "-drive",
	       "if=none,id=d1,file=ns1,format=raw,discard=unmap,detect-zeroes=off", "-drive",
	       "if=none,id=d2,file=ns2,format=raw,discard=unmap,detect-zeroes=off", "-device",
	       "nvme-subsys,id=s,nqn=nvhost-test", "-device", "nvme,serial=QT,subsys=s,addr=4",
	       "-device", "nvme-ns,drive=d1,nsid=1", "-device",
	       "nvme-ns,drive=d2,nsid=2,logical_block_size=4096,physical_block_size=4096", "-drive",
	       "if=none,id=d3,file=ns3,format=raw", "-device", "nvme-ns,drive=d3,nsid=3,ms=8",
	       "-drive", "if=none,id=d4,file=ns4,format=raw", "-device",
	       "nvme-ns,drive=d4,nsid=4,zoned=on,zoned.zone_size=1M,logical_block_size=4096,"
	       "physical_block_size=4096",
	       (char *)NULL);
	_exit(127);
}

static bool qtest_connect(struct qtest *qt)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	uint64_t end = nvh_test_ms() + START_MS;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/sock", qt->dir);
	qt->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (connect(qt->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (nvh_test_ms() > end)
			return false;
		if (waitpid(qt->pid, NULL, WNOHANG) == qt->pid) {
			qt->pid = 0; /* it could not start */
			return false;
		}
		nvh_test_nap();
	}
	return qtest_say(qt, "readl 0x0\n") != UINT64_MAX;
}

struct qtest *qtest_start(const char **ret_why)
{
	struct qtest *qt = calloc(1, sizeof(*qt));

	if (!qt)
		return NULL;
	pthread_mutex_init(&qt->lock, NULL);
	qt->bus.ops = &qtest_ops;
	qt->fd = -1;
	strcpy(qt->dir, "/tmp/nvhost-qtest-XXXXXX");
	if (!mkdtemp(qt->dir) || !qtest_files(qt)) {
		*ret_why = "no room for its files in /tmp";
		qtest_stop(qt);
		return NULL;
	}
	qt->pid = fork();
	if (qt->pid == 0)
		qtest_exec(qt);
	if (qt->pid < 0 || !qtest_connect(qt)) {
		*ret_why = QEMU " does not start (package qemu-system-x86)";
		qtest_stop(qt);
		return NULL;
	}
	config_write(qt, 0x10, BAR);
	config_write(qt, 0x14, 0);
	config_write(qt, 4, 2);
	return qt;
}

void qtest_stop(struct qtest *qt)
{
	static const char *const names[] = {"rom", "ns1", "ns2", "ns3", "ns4", "ram", "sock"};
	char path[96];

	if (qt->pid > 0) {
		kill(qt->pid, SIGKILL);
		waitpid(qt->pid, NULL, 0);
	}
	if (qt->fd >= 0)
		close(qt->fd);
	if (qt->ram && qt->ram != MAP_FAILED)
		munmap(qt->ram, RAM);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", qt->dir, names[i]);
		unlink(path);
	}
	rmdir(qt->dir);
	pthread_mutex_destroy(&qt->lock);
	free(qt);
}

struct nvhi_pcie_bus *qtest_bus(struct qtest *qt)
{
	return &qt->bus;
}

void qtest_set_gone(struct qtest *qt, bool gone)
{
	__atomic_store_n(&qt->gone, gone, __ATOMIC_RELAXED);
}

size_t qtest_dma_used(struct qtest *qt)
{
	size_t used;

	pthread_mutex_lock(&qt->lock);
	used = qt->used_bytes;
	pthread_mutex_unlock(&qt->lock);
	return used;
}

unsigned long qtest_doorbells(struct qtest *qt)
{
	return __atomic_load_n(&qt->doorbells, __ATOMIC_RELAXED);
}
