/*
 * The bus: how the driver reaches a controller's registers and how the controller reaches memory.
 * One implementation a way in (vfio/: a device of this machine, by VFIO or uio; vfio-user/: a
 * controller that another process plays;
 * tests/pcie/qtest_bus.c: QEMU's controller model, for tests); the driver above makes no syscall
 * and cannot tell.
 *
 * Threads: register access and iova() from any reactor; dma_alloc, dma_free and irq from any
 * queue's reactor; everything else on the controller's home reactor or before it has one.
 */
#ifndef NVHI_PCIE_BUS_H
#define NVHI_PCIE_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nvh_reactor;
struct nvhi_pcie_bus;

/* The driver's; lent from start() to done(), or to abandon(). */
struct nvhi_pcie_start {
	uint32_t timeout_ms;
	/* On home, not within start(). 0, or -errno and the reason in words. */
	void (*done)(struct nvhi_pcie_start *start, int err, const char *why);
};

/* What iova() says of memory that the device cannot reach. */
#define NVHI_IOVA_NONE UINT64_MAX

struct nvhi_pcie_bus_ops {
	/* Makes the device reachable, for the first time or after it was gone; registers are used
	 * only after that. Memory may be allocated before. NULL: it always is reachable. */
	void (*start)(struct nvhi_pcie_bus *bus, struct nvh_reactor *home,
		      struct nvhi_pcie_start *start);
	/* No done() any more. With start() only. */
	void (*abandon)(struct nvhi_pcie_bus *bus);
	/* Registers, by offset in BAR 0. A device that is gone reads as all ones. */
	uint32_t (*read32)(struct nvhi_pcie_bus *bus, uint32_t offset);
	void (*write32)(struct nvhi_pcie_bus *bus, uint32_t offset, uint32_t value);
	/* Where a doorbell is mapped, so that it is rung by a store; NULL: by write32. */
	volatile uint32_t *(*doorbell)(struct nvhi_pcie_bus *bus, uint32_t offset);

	/* Zeroed memory that both sides see, contiguous for the device and aligned there to
	 * `align`, a power of two of 4 KiB or more. -ENOMEM. */
	int (*dma_alloc)(struct nvhi_pcie_bus *bus, size_t size, size_t align, void **ret_ptr,
			 uint64_t *ret_iova);
	void (*dma_free)(struct nvhi_pcie_bus *bus, void *ptr, size_t size);
	/* Makes the application's memory reachable. 0 also where a bus cannot: such memory goes
	 * through bounce buffers. -ENOMEM, -EINVAL. */
	int (*mem_register)(struct nvhi_pcie_bus *bus, void *addr, size_t len);
	void (*mem_unregister)(struct nvhi_pcie_bus *bus, void *addr, size_t len);
	/* The device's address of `addr`, and through ret_len how many of `len` bytes (1 at least)
	 * are contiguous for it. NVHI_IOVA_NONE: not reachable. On the I/O path. */
	uint64_t (*iova)(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len);

	/* Bus mastering. Once switched off the device moves no more data, whatever it does. */
	void (*master)(struct nvhi_pcie_bus *bus, bool on);
	/* All memory was freed, and no vector has a descriptor. */
	void (*close)(struct nvhi_pcie_bus *bus);

	/* ---- optional: NULL where a way in has no such thing ---- */

	/* MSI-X: from the return on `fd`, an eventfd, is written each time the device raises
	 * `vector`, which is below bus->vectors; -1: no longer, and the caller may close the old
	 * one after the return. The caller keeps the descriptor and does all reading. What was
	 * raised while a vector had no descriptor is lost: the caller looks at its queue after
	 * binding. A vector stays bound over CC.EN = 0 and over master(). No other vector misses an
	 * interrupt meanwhile (with VFIO: all vectors are enabled at once by the first call,
	 * without descriptors). -errno: no interrupt can be had; the queue is polled instead. */
	int (*irq)(struct nvhi_pcie_bus *bus, unsigned int vector, int fd);
	/* A controller memory buffer: `len` bytes from `offset` in BAR `bar`, mapped for reading
	 * and writing until close(); ret_addr: what the device calls the first byte (the BAR's
	 * address on the bus plus `offset`), which no address of dma_alloc() or iova() is equal to.
	 * NULL: it cannot be mapped, or is not that large. */
	void *(*map_bar)(struct nvhi_pcie_bus *bus, unsigned int bar, uint64_t offset, uint64_t len,
			 uint64_t *ret_addr);
};

/* Who the device is, as its configuration space says: for quirks. All zero: not known. */
struct nvhi_pcie_id {
	uint16_t vendor, device, subvendor, subdevice;
};

/* What the implementation fills in before nvhi_pcie_open. */
struct nvhi_pcie_bus {
	const struct nvhi_pcie_bus_ops *ops;
	struct nvhi_pcie_id id;
	uint16_t vectors; /* that irq() takes; vector 0 is the admin queue's. 0: none */
	/* The driver's: the bus saw the device go. On home, from a turn of its own. */
	void *owner;
	void (*gone)(struct nvhi_pcie_bus *bus, int err, const char *why);
	/* The same: a device that was gone is there again, start() makes sense. */
	void (*back)(struct nvhi_pcie_bus *bus);
};

#endif
