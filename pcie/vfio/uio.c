/*
 * Getting hold of a device by uio_pci_generic: its registers and its configuration are files of
 * sysfs. A lock on the latter keeps a second process out. No interrupts: that driver knows only
 * INTx. Home reactor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcie/vfio/device.h"

static int uio_file(const char *bdf, const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int uio_open(struct nvhi_vfio_device *dev, char *why, size_t why_len)
{
	struct stat st;
	int err;

	dev->config_fd = uio_file(dev->bdf, "config");
	if (dev->config_fd < 0) {
		err = dev->config_fd;
		dev->config_fd = -1;
		return nvhi_vfio_refuse(why, why_len, err, "its configuration space: %s",
					strerror(-err));
	}
	if (flock(dev->config_fd, LOCK_EX | LOCK_NB) < 0) {
		close(dev->config_fd);
		dev->config_fd = -1;
		return nvhi_vfio_refuse(why, why_len, -EBUSY, "another process drives it");
	}
	dev->bar_fd = uio_file(dev->bdf, "resource0");
	if (dev->bar_fd < 0 || fstat(dev->bar_fd, &st) < 0) {
		err = dev->bar_fd < 0 ? dev->bar_fd : -errno;
		close(dev->config_fd);
		dev->config_fd = dev->bar_fd = -1;
		return nvhi_vfio_refuse(why, why_len, err, "its registers (resource0): %s",
					strerror(-err));
	}
	nvhi_vfio_memory_attach(&dev->memory, -1);
	dev->bar_len = (size_t)st.st_size;
	dev->bar_offset = dev->config_offset = 0;
	return 0;
}

/* Bus mastering was switched off by the bus. */
static void uio_close(struct nvhi_vfio_device *dev)
{
	nvhi_vfio_memory_detach(&dev->memory);
	close(dev->bar_fd);
	close(dev->config_fd);
	dev->bar_fd = dev->config_fd = -1;
}

const struct nvhi_vfio_kind nvhi_vfio_kind_uio = {
	.name = "uio_pci_generic",
	.open = uio_open,
	.close = uio_close,
	.interrupts = false,
};
