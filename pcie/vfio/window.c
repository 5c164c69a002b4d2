/*
 * Other BARs mapped, for the controller memory buffer. A window stays where it is until the end:
 * while the device is away ordinary memory stands there. Any queue's reactor; under the device's
 * lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "pcie/vfio/device.h"

/* A descriptor of ours, and where the BAR begins in it. */
static int window_file(const struct nvhi_vfio_device *dev, unsigned int bar, off_t *ret_offset)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = bar};
	char path[96];
	int fd;

	if (dev->kind->interrupts) { /* VFIO */
		if (ioctl(dev->device_fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0 ||
		    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP))
			return -1;
		*ret_offset = (off_t)info.offset;
		return fcntl(dev->device_fd, F_DUPFD_CLOEXEC, 0);
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", dev->bdf, bar);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	*ret_offset = 0;
	return fd;
}

static void *window_map(const struct nvhi_vfio_device *dev, const struct nvhi_vfio_window *w,
			int flags)
{
	off_t offset;
	int fd = window_file(dev, w->bar, &offset);
	void *at;

	if (fd < 0)
		return NULL;
	at = mmap(w->at, w->len, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd,
		  offset + (off_t)w->offset);
	close(fd);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, w->len, MADV_DONTFORK);
	return at;
}

void *nvhi_vfio_map_bar(struct nvhi_pcie_bus *bus, unsigned int bar, uint64_t offset, uint64_t len,
			uint64_t *ret_addr)
{
	struct nvhi_vfio_device *dev = nvhi_container_of(bus, struct nvhi_vfio_device, bus);
	struct nvhi_vfio_window w = {.bar = bar, .offset = offset, .len = len};
	uint64_t addr, size;
	void *at = NULL;

	if (bar > 5 || len == 0 || (offset & 4095) ||
	    nvhi_vfio_sysfs_bar(dev->bdf, bar, &addr, &size) || offset > size ||
	    len > size - offset)
		return NULL;
	pthread_mutex_lock(&dev->lock);
	if (dev->attached && dev->nr_windows < NVHI_VFIO_WINDOWS_MAX)
		at = window_map(dev, &w, 0);
	if (at) {
		w.at = at;
		dev->windows[dev->nr_windows++] = w;
	}
	pthread_mutex_unlock(&dev->lock);
	if (at)
		*ret_addr = addr + offset;
	return at;
}

void nvhi_vfio_windows_map(struct nvhi_vfio_device *dev)
{
	for (uint32_t i = 0; i < dev->nr_windows; i++)
		window_map(dev, &dev->windows[i], MAP_FIXED);
}

void nvhi_vfio_windows_unmap(struct nvhi_vfio_device *dev)
{
	for (uint32_t i = 0; i < dev->nr_windows; i++)
		(void)!mmap(dev->windows[i].at, dev->windows[i].len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
}
