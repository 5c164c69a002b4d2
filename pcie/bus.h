/*
 * The bus: how the driver reaches a controller's registers and how the controller reaches memory.
 * One implementation a way in (tests/pcie/qtest_bus.c: QEMU's controller model, for tests); the
 * driver above makes no syscall and cannot tell.
 *
 * Threads: register access and iova() from any reactor; everything else on the controller's home
 * reactor or before it has one, except dma_alloc and dma_free, which come from any queue's reactor.
 */
#ifndef NVHI_PCIE_BUS_H
#define NVHI_PCIE_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nvhi_pcie_bus;

/* What iova() says of memory that the device cannot reach. */
#define NVHI_IOVA_NONE UINT64_MAX

struct nvhi_pcie_bus_ops {
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
	/* All memory was freed. */
	void (*close)(struct nvhi_pcie_bus *bus);
};

struct nvhi_pcie_bus {
	const struct nvhi_pcie_bus_ops *ops;
};

#endif
