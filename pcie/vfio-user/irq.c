/*
 * Interrupts: eventfds of the driver's queues, given to the server one vector at a time. Like memory they
 * are remembered, and told anew to a server that came back. Any thread.
 */
#include <errno.h>

#include "pcie/vfio-user/impl.h"

void nvhi_vfu_irq_init(struct nvhi_vfu *vfu)
{
	vfu->bus.vectors = NVHI_VFU_VECTORS;
	for (unsigned int i = 0; i < NVHI_VFU_VECTORS; i++)
		vfu->irqs[i] = -1;
}

/* Without a descriptor beside it: no longer. */
static int irq_tell(struct nvhi_vfu *vfu, unsigned int vector)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.start = vector,
		.count = 1,
	};
	struct iovec iov = {&set, sizeof(set)};

	return nvhi_vfu_ask(vfu, NVHI_VFU_ASK_IRQS, 0, NVH_VFU_DEVICE_SET_IRQS, 0, &iov, 1,
			    vfu->irqs[vector]);
}

int nvhi_vfu_irq_all(struct nvhi_vfu *vfu)
{
	int err = 0;

	for (unsigned int i = 0; i < NVHI_VFU_VECTORS && !err; i++)
		if (vfu->irqs[i] >= 0)
			err = irq_tell(vfu, i);
	return err;
}

int nvhi_vfu_irq(struct nvhi_pcie_bus *bus, unsigned int vector, int fd)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);
	int err = 0;

	if (vector >= NVHI_VFU_VECTORS)
		return -EINVAL;
	pthread_mutex_lock(&vfu->mem_lock);
	vfu->irqs[vector] = fd;
	if (vfu->mapping)
		err = irq_tell(vfu, vector);
	pthread_mutex_unlock(&vfu->mem_lock);
	return err;
}
