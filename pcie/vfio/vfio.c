/*
 * Getting hold of a device by VFIO: its group in a container of its own (so a device reaches only
 * the memory that was registered with it), type 1 or, where no IOMMU is, the no-IOMMU mode that the
 * administrator switched on; regions 0 and configuration; and the descriptor by which the kernel
 * asks for the device back. Home reactor. Linux, Documentation/driver-api/vfio.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/log.h"
#include "pcie/vfio/device.h"

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void vfio_close(struct nvhi_vfio_device *dev)
{
	nvhi_vfio_memory_detach(&dev->memory);
	fd_close(&dev->request_fd);
	fd_close(&dev->device_fd); /* resets the function and takes bus mastering from it */
	fd_close(&dev->group_fd);
	fd_close(&dev->container_fd);
	dev->bar_fd = dev->config_fd = -1;
}

/* ---- container and group ------------------------------------------------------------------ */

static int vfio_open_container(struct nvhi_vfio_device *dev, char *why, size_t why_len)
{
	int want = dev->noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU, err;

	dev->container_fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (dev->container_fd < 0) {
		err = -errno;
		return nvhi_vfio_refuse(why, why_len, err, "/dev/vfio/vfio: %s%s", strerror(-err),
					err == -EACCES ? " (run as root, or give this user the "
							 "files in /dev/vfio)"
						       : "");
	}
	if (ioctl(dev->container_fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return nvhi_vfio_refuse(why, why_len, -EPROTO, "the kernel speaks another VFIO");
	if (ioctl(dev->container_fd, VFIO_CHECK_EXTENSION, want) <= 0)
		return nvhi_vfio_refuse(why, why_len, -EOPNOTSUPP, "VFIO has no %s",
					dev->noiommu ? "no-IOMMU mode"
						     : "type 1 IOMMU (modprobe vfio_iommu_type1)");
	return 0;
}

static int vfio_open_group(struct nvhi_vfio_device *dev, char *why, size_t why_len)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	unsigned int group;
	char path[48];
	int err;

	if (nvhi_vfio_sysfs_group(dev->bdf, &group))
		return nvhi_vfio_refuse(why, why_len, -ENODEV, "it is in no IOMMU group");
	snprintf(path, sizeof(path), "/dev/vfio/%s%u", dev->noiommu ? "noiommu-" : "", group);
	dev->group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group_fd < 0) {
		err = -errno;
		return nvhi_vfio_refuse(why, why_len, err, "%s: %s%s", path, strerror(-err),
					err == -EBUSY ? " (another process drives it)"
					: err == -EACCES
						? " (run as root, or chown it to this user)"
					: err == -EPERM ? " (no-IOMMU mode is for root only)"
							: "");
	}
	if (ioctl(dev->group_fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return nvhi_vfio_refuse(why, why_len, -errno, "%s: %s", path, strerror(errno));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return nvhi_vfio_refuse(why, why_len, -EPERM,
					"the kernel uses another device of IOMMU group %u "
					"(nvhost pci list)",
					group);
	if (ioctl(dev->group_fd, VFIO_GROUP_SET_CONTAINER, &dev->container_fd) < 0)
		return nvhi_vfio_refuse(why, why_len, -errno, "%s: container: %s", path,
					strerror(errno));
	if (ioctl(dev->container_fd, VFIO_SET_IOMMU,
		  dev->noiommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU) < 0)
		return nvhi_vfio_refuse(why, why_len, -errno, "%s: IOMMU: %s", path,
					strerror(errno));
	return 0;
}

/* ---- the device -------------------------------------------------------------------------- */

static int vfio_regions(struct nvhi_vfio_device *dev, char *why, size_t why_len)
{
	struct vfio_region_info bar = {.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX};
	struct vfio_region_info config = {.argsz = sizeof(config),
					  .index = VFIO_PCI_CONFIG_REGION_INDEX};

	if (ioctl(dev->device_fd, VFIO_DEVICE_GET_REGION_INFO, &bar) < 0 ||
	    ioctl(dev->device_fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return nvhi_vfio_refuse(why, why_len, -errno, "its regions: %s", strerror(errno));
	if (!(bar.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return nvhi_vfio_refuse(why, why_len, -ENODEV, "its registers cannot be mapped");
	dev->bar_fd = dev->config_fd = dev->device_fd;
	dev->bar_offset = (off_t)bar.offset;
	dev->bar_len = bar.size;
	dev->config_offset = (off_t)config.offset;
	return 0;
}

/* Without it the kernel waits for ever when the device is to go (unbound, unplugged). */
static void vfio_request(struct nvhi_vfio_device *dev)
{
	union {
		struct vfio_irq_set set;
		uint8_t bytes[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	} u = {.set = {.argsz = sizeof(u.bytes),
		       .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		       .index = VFIO_PCI_REQ_IRQ_INDEX,
		       .count = 1}};

	dev->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev->request_fd < 0)
		return;
	memcpy(u.set.data, &dev->request_fd, sizeof(int32_t));
	if (ioctl(dev->device_fd, VFIO_DEVICE_SET_IRQS, &u.set) < 0) {
		nvhi_log(INFO, PCIE, "%s: VFIO cannot ask for it back: %s", dev->bdf,
			 strerror(errno));
		fd_close(&dev->request_fd);
	}
}

static int vfio_open(struct nvhi_vfio_device *dev, char *why, size_t why_len)
{
	int err = vfio_open_container(dev, why, why_len);

	if (!err)
		err = vfio_open_group(dev, why, why_len);
	if (!err) {
		err = nvhi_vfio_memory_attach(&dev->memory, dev->container_fd);
		if (err)
			nvhi_vfio_refuse(why, why_len, err, "memory cannot be mapped for it: %s",
					 strerror(-err));
	}
	if (!err) {
		dev->device_fd = ioctl(dev->group_fd, VFIO_GROUP_GET_DEVICE_FD, dev->bdf);
		if (dev->device_fd < 0) {
			err = -errno;
			nvhi_vfio_refuse(why, why_len, err, "VFIO does not open it: %s",
					 strerror(-err));
		} else {
			fcntl(dev->device_fd, F_SETFD, FD_CLOEXEC);
		}
	}
	if (!err)
		err = vfio_regions(dev, why, why_len);
	if (err) {
		vfio_close(dev);
		return err;
	}
	vfio_request(dev);
	return 0;
}

const struct nvhi_vfio_kind nvhi_vfio_kind_vfio = {
	.name = "vfio-pci",
	.open = vfio_open,
	.close = vfio_close,
	.interrupts = true,
};
