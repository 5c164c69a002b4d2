/*
 * Real devices behind pcie/bus.h: one reached by VFIO, with an IOMMU or without, or by
 * uio_pci_generic. Which of these is what the device is bound to (nvhost pci bind) says.
 *
 *	bus.c		the bus: registers, memory, coming and going
 *	transport.c	opening one: the transport "pcie"
 *	vfio.c		getting hold of a device: VFIO
 *	uio.c		the same: uio_pci_generic
 *	irq.c		MSI-X by eventfds
 *	window.c	other BARs mapped: the controller memory buffer
 *	sysfs.c		what sysfs says of the device
 *	uevent.c	the kernel's word of devices that come and go
 *	memory.c, iova_map.c, physical.c: memory
 */
#ifndef NVHI_PCIE_VFIO_DEVICE_H
#define NVHI_PCIE_VFIO_DEVICE_H

#include "base/reactor.h"
#include "pcie/bus.h"
#include "pcie/vfio/memory.h"

struct nvhi_vfio_device;

/* How one gets hold of a device, and lets go. Home reactor. */
struct nvhi_vfio_kind {
	const char *name;
	/* Opens its descriptors and fills bar_fd, bar_offset, bar_len, config_fd, config_offset.
	 * -errno, why in words; nothing stays open then. */
	int (*open)(struct nvhi_vfio_device *dev, char *why, size_t why_len);
	/* The device moves no data any more when this returns. */
	void (*close)(struct nvhi_vfio_device *dev);
	bool interrupts; /* MSI-X through eventfds */
};
extern const struct nvhi_vfio_kind nvhi_vfio_kind_vfio;
extern const struct nvhi_vfio_kind nvhi_vfio_kind_uio;

#define NVHI_VFIO_VECTORS_MAX 1024u
#define NVHI_VFIO_WINDOWS_MAX 4u

struct nvhi_vfio_device {
	struct nvhi_pcie_bus bus;
	char bdf[16];
	const struct nvhi_vfio_kind *kind;
	bool noiommu;
	struct nvhi_vfio_memory memory;
	/* The registers: always mapped; all ones while the device is not there. */
	uint8_t *bar;
	size_t bar_size; /* of the mapping */
	int ones_fd;
	int epoll_fd, uevent_fd;
	bool attached, watched;
	bool leaving; /* the kernel wants it back: it is let go as soon as the driver has stopped it
		       */
	struct nvhi_timer leave_timer;
	uint64_t leave_deadline;
	struct nvh_reactor *home; /* from the first start() on */
	struct nvhi_source events;
	struct nvhi_pcie_start *start; /* to be answered */
	struct nvhi_defer answer;
	int start_err;
	char start_why[192];

	/* Interrupts and windows come from any queue's reactor. */
	pthread_mutex_t lock;
	int *vector_fds; /* of bus.vectors, -1: none */
	bool vectors_on;
	struct nvhi_vfio_window {
		void *at;
		unsigned int bar;
		uint64_t offset;
		size_t len;
	} windows[NVHI_VFIO_WINDOWS_MAX];
	uint32_t nr_windows;

	/* while attached */
	int container_fd, group_fd, device_fd; /* uio: device_fd is that of the configuration */
	int bar_fd, config_fd, request_fd;
	off_t bar_offset, config_offset;
	size_t bar_len;
};

/* Gets hold of the device at `bdf` ("0000:01:00.0"). -ENODEV, -EBUSY, -EPERM, -EINVAL, -ENOMEM; why
 * in words, with what to do. The caller owns the bus and closes it. */
int nvhi_vfio_open(const char *bdf, char *why, size_t why_len, struct nvhi_pcie_bus **ret_bus);

/* ---- sysfs.c ----------------------------------------------------------------------------- */

/* Which kind the driver that has the device makes it; is it a controller, does no IOMMU stand
 * before it. -ENODEV, -EBUSY (the kernel's driver has it), -EINVAL, why in words. */
int nvhi_vfio_sysfs_kind(const char *bdf, const struct nvhi_vfio_kind **ret_kind, bool *ret_noiommu,
			 char *why, size_t why_len);
/* The number of its IOMMU group. -ENOENT: in none. */
int nvhi_vfio_sysfs_group(const char *bdf, unsigned int *ret_group);

/* Vendor and device; all zero when sysfs does not say. */
void nvhi_vfio_sysfs_id(const char *bdf, struct nvhi_pcie_id *ret_id);
/* What the device calls the first byte of a BAR. -ENOENT. */
int nvhi_vfio_sysfs_bar(const char *bdf, unsigned int bar, uint64_t *ret_addr, uint64_t *ret_len);

/* ---- irq.c, window.c: what bus.h calls irq and map_bar ------------------------------------- */

/* How many vectors there are. */
void nvhi_vfio_irqs_init(struct nvhi_vfio_device *dev);
int nvhi_vfio_irq(struct nvhi_pcie_bus *bus, unsigned int vector, int fd);
void *nvhi_vfio_map_bar(struct nvhi_pcie_bus *bus, unsigned int bar, uint64_t offset, uint64_t len,
			uint64_t *ret_addr);
/* The device came back, went; under the lock. */
void nvhi_vfio_irqs_rebind(struct nvhi_vfio_device *dev);
void nvhi_vfio_windows_map(struct nvhi_vfio_device *dev);
void nvhi_vfio_windows_unmap(struct nvhi_vfio_device *dev);

/* ---- uevent.c ---------------------------------------------------------------------------- */

int nvhi_uevent_open(void); /* a descriptor, -errno */
/* Reads all that came. True: a PCI device at `bdf` was added, removed, bound or unbound. */
bool nvhi_uevent_read(int fd, const char *bdf);
/* One message: "add@/devices/...", then KEY=VALUE, each with its end. Pure. */
bool nvhi_uevent_about(const char *message, size_t len, const char *bdf);

/* ---- small things ------------------------------------------------------------------------ */

/* Writes the words, returns `err`. */
__attribute__((format(printf, 4, 5))) int nvhi_vfio_refuse(char *why, size_t why_len, int err,
							   const char *fmt, ...);

#endif
