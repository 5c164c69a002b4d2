/*
 * MSI-X by eventfds. VFIO enables vectors all at once, here without descriptors; after that each
 * has its own given and taken without the others missing anything. A device that went and came back
 * has them bound again. Any queue's reactor; under the device's lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/log.h"
#include "pcie/vfio/device.h"

static int irq_set(const struct nvhi_vfio_device *dev, uint32_t first, uint32_t count,
		   const int *fds)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(int32_t);
	struct vfio_irq_set *set = calloc(1, size);
	int err;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)size;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->start = first;
	set->count = count;
	memcpy(set->data, fds, count * sizeof(int32_t));
	err = ioctl(dev->device_fd, VFIO_DEVICE_SET_IRQS, set) < 0 ? -errno : 0;
	free(set);
	return err;
}

/* With what descriptors there are. */
static int irqs_on(struct nvhi_vfio_device *dev)
{
	int err = irq_set(dev, 0, dev->bus.vectors, dev->vector_fds);

	if (err)
		nvhi_log(WARN, PCIE, "%s: %u interrupt vectors cannot be had: %s", dev->bdf,
			 dev->bus.vectors, strerror(-err));
	dev->vectors_on = !err;
	return err;
}

/* One a CPU and one for the admin queue: more queues than that are polled. */
static uint32_t irqs_wanted(const struct nvhi_vfio_device *dev)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t most = NVHI_VFIO_VECTORS_MAX;

	if (!dev->kind->interrupts || ioctl(dev->device_fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
		return 0;
	if (cpus > 0 && (uint32_t)cpus + 1 < most)
		most = (uint32_t)cpus + 1;
	return info.count < most ? info.count : most;
}

void nvhi_vfio_irqs_init(struct nvhi_vfio_device *dev)
{
	uint32_t count = irqs_wanted(dev);

	dev->vector_fds = count ? malloc(count * sizeof(int)) : NULL;
	if (!dev->vector_fds)
		return;
	for (uint32_t i = 0; i < count; i++)
		dev->vector_fds[i] = -1;
	dev->bus.vectors = (uint16_t)count;
	if (irqs_on(dev))
		dev->bus.vectors = 0;
}

int nvhi_vfio_irq(struct nvhi_pcie_bus *bus, unsigned int vector, int fd)
{
	struct nvhi_vfio_device *dev = nvhi_container_of(bus, struct nvhi_vfio_device, bus);
	int err = 0, before;

	if (vector >= bus->vectors)
		return -EINVAL;
	pthread_mutex_lock(&dev->lock);
	before = dev->vector_fds[vector];
	if (!dev->attached && fd >= 0)
		err = -ENODEV;
	if (!err && dev->attached && !dev->vectors_on)
		err = irqs_on(dev);
	if (!err && dev->attached)
		err = irq_set(dev, vector, 1, &fd);
	dev->vector_fds[vector] = err && fd >= 0 ? before : fd;
	pthread_mutex_unlock(&dev->lock);
	return err;
}

void nvhi_vfio_irqs_rebind(struct nvhi_vfio_device *dev)
{
	dev->vectors_on = false;
	if (dev->kind->interrupts && dev->bus.vectors)
		irqs_on(dev);
}
