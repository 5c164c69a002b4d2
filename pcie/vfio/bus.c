/*
 * The bus of a real device. Its registers are mapped, and always readable: when the device is taken
 * away (unplugged, unbound) a page of ones is put in their place in one step, which is what reading
 * an absent device gives; whoever rings a doorbell just then writes to nobody. The device may come
 * back at the same address and is attached again; memory keeps the addresses it had.
 * Registers and iova() from any reactor; the rest on the home reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/spec/regs.h"
#include "pcie/vfio/device.h"

#define BAR_MAX ((size_t)16 << 20)
/* How often, and how long, a device that is to leave is looked at until it stands still. */
#define LEAVE_LOOK_MS  2u
#define LEAVE_MS       1000u
#define PCI_COMMAND    0x04
#define PCI_CMD_MEMORY 0x2u
#define PCI_CMD_MASTER 0x4u

static struct nvhi_vfio_device *device_of(struct nvhi_pcie_bus *bus)
{
	return nvhi_container_of(bus, struct nvhi_vfio_device, bus);
}

/* ---- registers --------------------------------------------------------------------------- */

static uint32_t vfio_read32(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	const struct nvhi_vfio_device *dev = device_of(bus);

	if (offset + 4u > dev->bar_size)
		return UINT32_MAX;
	return *(volatile uint32_t *)(dev->bar + offset);
}

static void vfio_write32(struct nvhi_pcie_bus *bus, uint32_t offset, uint32_t value)
{
	const struct nvhi_vfio_device *dev = device_of(bus);

	if (offset + 4u <= dev->bar_size)
		*(volatile uint32_t *)(dev->bar + offset) = value;
}

static volatile uint32_t *vfio_doorbell(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	const struct nvhi_vfio_device *dev = device_of(bus);

	return offset + 4u <= dev->bar_size ? (volatile uint32_t *)(dev->bar + offset) : NULL;
}

/* The registers' place in memory: the first call chooses it, later ones keep it. */
static int bar_map(struct nvhi_vfio_device *dev, char *why, size_t why_len)
{
	size_t size = dev->bar_len < BAR_MAX ? dev->bar_len : BAR_MAX;
	void *at;

	if (size < NVH_REG_DOORBELLS + 8 || (dev->bar && size != dev->bar_size))
		return nvhi_vfio_refuse(why, why_len, -ENODEV,
					"its registers take %zu bytes: no NVMe controller%s",
					dev->bar_len, dev->bar ? ", or not the one before" : "");
	at = mmap(dev->bar, size, PROT_READ | PROT_WRITE, MAP_SHARED | (dev->bar ? MAP_FIXED : 0),
		  dev->bar_fd, dev->bar_offset);
	if (at == MAP_FAILED)
		return nvhi_vfio_refuse(why, why_len, -errno, "its registers cannot be mapped: %s",
					strerror(errno));
	madvise(at, size, MADV_DONTFORK);
	dev->bar = at;
	dev->bar_size = size;
	return 0;
}

/* All ones in the place of the registers. */
static void bar_unmap(struct nvhi_vfio_device *dev)
{
	if (mmap(dev->bar, dev->bar_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 dev->ones_fd, 0) == MAP_FAILED)
		nvhi_log(ERROR, PCIE, "%s: its registers stay mapped: %s", dev->bdf,
			 strerror(errno));
}

static int ones_make(struct nvhi_vfio_device *dev)
{
	uint8_t ones[4096];
	size_t done = 0;

	dev->ones_fd = memfd_create("nvhost-gone", MFD_CLOEXEC);
	if (dev->ones_fd < 0)
		return -errno;
	memset(ones, 0xff, sizeof(ones));
	for (; done < dev->bar_size; done += sizeof(ones))
		if (pwrite(dev->ones_fd, ones, sizeof(ones), (off_t)done) != sizeof(ones))
			return -ENOMEM;
	return 0;
}

/* ---- configuration ----------------------------------------------------------------------- */

static void vfio_master(struct nvhi_pcie_bus *bus, bool on)
{
	struct nvhi_vfio_device *dev = device_of(bus);
	off_t at = dev->config_offset + PCI_COMMAND;
	uint8_t command[2];
	unsigned int value;

	if (!dev->attached || pread(dev->config_fd, command, 2, at) != 2)
		return;
	value = command[0] | (unsigned int)command[1] << 8;
	value = on ? value | PCI_CMD_MEMORY | PCI_CMD_MASTER : value & ~PCI_CMD_MASTER;
	command[0] = (uint8_t)value;
	command[1] = (uint8_t)(value >> 8);
	if (pwrite(dev->config_fd, command, 2, at) != 2)
		nvhi_log(WARN, PCIE, "%s: bus mastering cannot be switched %s: %s", dev->bdf,
			 on ? "on" : "off", strerror(errno));
}

/* ---- coming and going -------------------------------------------------------------------- */

static void epoll_watch(const struct nvhi_vfio_device *dev, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (fd >= 0 && epoll_ctl(dev->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		nvhi_log(WARN, PCIE, "%s: cannot wait for its events: %s", dev->bdf,
			 strerror(errno));
}

static void device_detach(struct nvhi_vfio_device *dev)
{
	if (!dev->attached)
		return;
	vfio_master(&dev->bus, false);
	pthread_mutex_lock(&dev->lock);
	bar_unmap(dev);
	nvhi_vfio_windows_unmap(dev);
	dev->attached = false;
	dev->kind->close(dev);
	pthread_mutex_unlock(&dev->lock);
}

static int device_attach(struct nvhi_vfio_device *dev, char *why, size_t why_len)
{
	const struct nvhi_vfio_kind *kind;
	bool noiommu;
	int err;

	if (dev->leaving)
		return nvhi_vfio_refuse(why, why_len, -ENODEV, "the kernel wants the device back");
	if (dev->attached)
		return 0;
	err = nvhi_vfio_sysfs_kind(dev->bdf, &kind, &noiommu, why, why_len);
	if (err)
		return err;
	if (dev->kind && (kind == &nvhi_vfio_kind_uio || noiommu) != dev->memory.physical)
		return nvhi_vfio_refuse(why, why_len, -EINVAL,
					"it was bound to another driver (%s) than before: "
					"disconnect and connect it",
					kind->name);
	dev->kind = kind;
	dev->noiommu = noiommu;
	dev->memory.physical = noiommu || kind == &nvhi_vfio_kind_uio;
	err = kind->open(dev, why, why_len);
	if (err)
		return err;
	err = bar_map(dev, why, why_len);
	if (err) {
		kind->close(dev);
		return err;
	}
	pthread_mutex_lock(&dev->lock);
	dev->attached = true;
	nvhi_vfio_windows_map(dev);
	nvhi_vfio_irqs_rebind(dev);
	pthread_mutex_unlock(&dev->lock);
	vfio_master(&dev->bus, false);
	epoll_watch(dev, dev->request_fd);
	nvhi_log(INFO, PCIE, "%s: attached by %s%s", dev->bdf, kind->name,
		 noiommu ? " without an IOMMU" : "");
	return 0;
}

static bool device_wanted_back(const struct nvhi_vfio_device *dev)
{
	uint64_t count;

	return dev->request_fd >= 0 && read(dev->request_fd, &count, sizeof(count)) > 0;
}

static void device_gone(struct nvhi_vfio_device *dev, const char *why)
{
	nvhi_log(WARN, PCIE, "%s: %s", dev->bdf, why);
	device_detach(dev);
	dev->bus.gone(&dev->bus, -ENODEV, why);
}

/* Let go as soon as it stands still: then the driver has the proof that no command is alive. */
static void device_leave(struct nvhi_vfio_device *dev)
{
	uint32_t csts = vfio_read32(&dev->bus, NVH_REG_CSTS);

	if ((csts & NVH_CSTS_RDY) && csts != UINT32_MAX &&
	    nvhi_reactor_now(dev->home) < dev->leave_deadline &&
	    nvhi_timer_arm(dev->home, &dev->leave_timer, LEAVE_LOOK_MS * NVHI_NSEC_PER_MSEC) == 0)
		return;
	dev->leaving = false;
	device_detach(dev);
}

static void device_on_leave(struct nvhi_timer *timer)
{
	device_leave(nvhi_container_of(timer, struct nvhi_vfio_device, leave_timer));
}

static void device_asked_back(struct nvhi_vfio_device *dev)
{
	static const char why[] = "the kernel wants the device back (unplugged or unbound)";

	if (!dev->attached || dev->leaving)
		return;
	nvhi_log(WARN, PCIE, "%s: %s", dev->bdf, why);
	dev->leaving = true;
	dev->leave_timer.fn = device_on_leave;
	dev->leave_deadline = nvhi_reactor_now(dev->home) + LEAVE_MS * NVHI_NSEC_PER_MSEC;
	dev->bus.gone(&dev->bus, -ENODEV, why);
	/* Not at once: the driver looks at it first, and tells its queues. */
	if (nvhi_timer_arm(dev->home, &dev->leave_timer, LEAVE_LOOK_MS * NVHI_NSEC_PER_MSEC))
		device_leave(dev);
}

static int device_on_event(struct nvhi_source *source, unsigned int events)
{
	struct nvhi_vfio_device *dev = nvhi_container_of(source, struct nvhi_vfio_device, events);
	bool changed = dev->uevent_fd >= 0 && nvhi_uevent_read(dev->uevent_fd, dev->bdf);
	const struct nvhi_vfio_kind *kind;
	bool noiommu, there;
	char why[192];

	(void)events;
	if (device_wanted_back(dev)) {
		device_asked_back(dev);
		return 1;
	}
	if (!changed)
		return 0;
	there = nvhi_vfio_sysfs_kind(dev->bdf, &kind, &noiommu, why, sizeof(why)) == 0;
	if (there && !dev->attached)
		dev->bus.back(&dev->bus);
	else if (!there && dev->attached)
		device_gone(dev, why);
	return 1;
}

static void device_on_answer(struct nvhi_defer *defer)
{
	struct nvhi_vfio_device *dev = nvhi_container_of(defer, struct nvhi_vfio_device, answer);
	struct nvhi_pcie_start *start = dev->start;

	dev->start = NULL;
	start->done(start, dev->start_err, dev->start_err ? dev->start_why : "");
}

static void vfio_start(struct nvhi_pcie_bus *bus, struct nvh_reactor *home,
		       struct nvhi_pcie_start *start)
{
	struct nvhi_vfio_device *dev = device_of(bus);

	dev->home = home;
	if (!dev->watched)
		dev->watched = nvhi_source_add(home, &dev->events, dev->epoll_fd, NVHI_READABLE,
					       device_on_event) == 0;
	dev->start = start;
	dev->start_err = device_attach(dev, dev->start_why, sizeof(dev->start_why));
	dev->answer.fn = device_on_answer;
	nvhi_reactor_defer(home, &dev->answer);
}

static void vfio_abandon(struct nvhi_pcie_bus *bus)
{
	struct nvhi_vfio_device *dev = device_of(bus);

	nvhi_reactor_undefer(dev->home, &dev->answer);
	dev->start = NULL;
}

/* ---- memory ------------------------------------------------------------------------------ */

static int vfio_dma_alloc(struct nvhi_pcie_bus *bus, size_t size, size_t align, void **ret_ptr,
			  uint64_t *ret_iova)
{
	return nvhi_vfio_memory_alloc(&device_of(bus)->memory, size, align, ret_ptr, ret_iova);
}

static void vfio_dma_free(struct nvhi_pcie_bus *bus, void *ptr, size_t size)
{
	nvhi_vfio_memory_free(&device_of(bus)->memory, ptr, size);
}

static int vfio_mem_register(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	return nvhi_vfio_memory_register(&device_of(bus)->memory, addr, len);
}

static void vfio_mem_unregister(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	nvhi_vfio_memory_unregister(&device_of(bus)->memory, addr, len);
}

static uint64_t vfio_iova(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len)
{
	return nvhi_iova_map_find(&device_of(bus)->memory.map, (uintptr_t)addr, len, ret_len);
}

/* ---- life -------------------------------------------------------------------------------- */

static void device_free(struct nvhi_vfio_device *dev)
{
	if (dev->uevent_fd >= 0)
		close(dev->uevent_fd);
	if (dev->epoll_fd >= 0)
		close(dev->epoll_fd);
	if (dev->bar)
		munmap(dev->bar, dev->bar_size);
	if (dev->ones_fd >= 0)
		close(dev->ones_fd);
	for (uint32_t i = 0; i < dev->nr_windows; i++)
		munmap(dev->windows[i].at, dev->windows[i].len);
	free(dev->vector_fds);
	pthread_mutex_destroy(&dev->lock);
	nvhi_vfio_memory_done(&dev->memory);
	free(dev);
}

static void vfio_close(struct nvhi_pcie_bus *bus)
{
	struct nvhi_vfio_device *dev = device_of(bus);

	if (dev->home)
		nvhi_timer_cancel(dev->home, &dev->leave_timer);
	if (dev->watched)
		nvhi_source_remove(dev->home, &dev->events);
	device_detach(dev);
	device_free(dev);
}

static const struct nvhi_pcie_bus_ops vfio_ops = {
	.start = vfio_start,
	.abandon = vfio_abandon,
	.read32 = vfio_read32,
	.write32 = vfio_write32,
	.doorbell = vfio_doorbell,
	.dma_alloc = vfio_dma_alloc,
	.dma_free = vfio_dma_free,
	.mem_register = vfio_mem_register,
	.mem_unregister = vfio_mem_unregister,
	.iova = vfio_iova,
	.master = vfio_master,
	.close = vfio_close,
	.irq = nvhi_vfio_irq,
	.map_bar = nvhi_vfio_map_bar,
};

static struct nvhi_vfio_device *device_new(const char *bdf)
{
	struct nvhi_vfio_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	dev->bus.ops = &vfio_ops;
	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	dev->ones_fd = dev->container_fd = dev->group_fd = dev->device_fd = -1;
	dev->bar_fd = dev->config_fd = dev->request_fd = dev->uevent_fd = -1;
	dev->epoll_fd = -1;
	nvhi_list_init(&dev->answer.link);
	if (nvhi_vfio_memory_init(&dev->memory, dev->bdf, false)) {
		free(dev);
		return NULL;
	}
	pthread_mutex_init(&dev->lock, NULL);
	dev->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	dev->uevent_fd = nvhi_uevent_open();
	if (dev->epoll_fd < 0) {
		device_free(dev);
		return NULL;
	}
	epoll_watch(dev, dev->uevent_fd);
	return dev;
}

int nvhi_vfio_open(const char *bdf, char *why, size_t why_len, struct nvhi_pcie_bus **ret_bus)
{
	struct nvhi_vfio_device *dev = device_new(bdf);
	int err;

	if (!dev)
		return nvhi_vfio_refuse(why, why_len, -ENOMEM, "out of memory");
	err = device_attach(dev, why, why_len);
	if (!err) {
		err = ones_make(dev);
		if (err)
			nvhi_vfio_refuse(why, why_len, err, "out of memory");
	}
	if (err) {
		device_detach(dev);
		device_free(dev);
		return err;
	}
	nvhi_vfio_sysfs_id(bdf, &dev->bus.id);
	nvhi_vfio_irqs_init(dev);
	*ret_bus = &dev->bus;
	return 0;
}
