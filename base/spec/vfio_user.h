/*
 * vfio-user, the protocol by which another process is a PCI device: messages over a Unix socket that
 * carry what VFIO's ioctls carry, file descriptors of memory and events beside them. Both ends are on
 * one machine and fields are in its byte order. Payloads that VFIO has a struct for are those structs
 * (<linux/vfio.h>). Protocol version 0.1.
 */
#ifndef NVH_SPEC_VFIO_USER_H
#define NVH_SPEC_VFIO_USER_H

#include <assert.h>
#include <linux/vfio.h>
#include <stdint.h>

enum nvh_vfu_command {
	NVH_VFU_VERSION = 1,
	NVH_VFU_DMA_MAP = 2,
	NVH_VFU_DMA_UNMAP = 3,
	NVH_VFU_DEVICE_GET_INFO = 4,
	NVH_VFU_DEVICE_GET_REGION_INFO = 5, /* struct vfio_region_info */
	NVH_VFU_DEVICE_GET_REGION_IO_FDS = 6,
	NVH_VFU_DEVICE_GET_IRQ_INFO = 7, /* struct vfio_irq_info */
	NVH_VFU_DEVICE_SET_IRQS = 8,	 /* struct vfio_irq_set */
	NVH_VFU_REGION_READ = 9,
	NVH_VFU_REGION_WRITE = 10,
	NVH_VFU_DMA_READ = 11,
	NVH_VFU_DMA_WRITE = 12,
	NVH_VFU_DEVICE_RESET = 13,
};

struct nvh_vfu_header {
	uint16_t msg_id;
	uint16_t command;
	uint32_t size; /* with this header */
	uint32_t flags;
	uint32_t error; /* errno, with NVH_VFU_F_ERROR */
};
static_assert(sizeof(struct nvh_vfu_header) == 16, "vfio-user header");

#define NVH_VFU_F_TYPE	   0xfu
#define NVH_VFU_F_COMMAND  0x0u
#define NVH_VFU_F_REPLY	   0x1u
#define NVH_VFU_F_NO_REPLY 0x10u
#define NVH_VFU_F_ERROR	   0x20u

#define NVH_VFU_MAJOR 0
#define NVH_VFU_MINOR 1

/* JSON follows, with its NUL: {"capabilities": {"max_msg_fds": ..., "max_data_xfer_size": ...}}. */
struct nvh_vfu_version {
	uint16_t major, minor;
};
static_assert(sizeof(struct nvh_vfu_version) == 4, "vfio-user version");

struct nvh_vfu_device_info {
	uint32_t argsz;
	uint32_t flags; /* VFIO_DEVICE_FLAGS_* */
	uint32_t num_regions;
	uint32_t num_irqs;
};
static_assert(sizeof(struct nvh_vfu_device_info) == 16, "vfio-user device info");

/* With one file descriptor, that of the memory; without: by messages only. */
struct nvh_vfu_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset; /* in the file */
	uint64_t addr;	 /* the device's address */
	uint64_t size;
};
static_assert(sizeof(struct nvh_vfu_dma_map) == 32, "vfio-user DMA map");
#define NVH_VFU_DMA_READABLE 0x1u
#define NVH_VFU_DMA_WRITABLE 0x2u

struct nvh_vfu_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t addr;
	uint64_t size;
};
static_assert(sizeof(struct nvh_vfu_dma_unmap) == 24, "vfio-user DMA unmap");
#define NVH_VFU_UNMAP_ALL 0x2u

/* Data follows in the command that writes and in the reply that was read. */
struct nvh_vfu_region_access {
	uint64_t offset;
	uint32_t region; /* VFIO_PCI_*_REGION_INDEX */
	uint32_t count;
};
static_assert(sizeof(struct nvh_vfu_region_access) == 16, "vfio-user region access");

static_assert(sizeof(struct vfio_region_info) == 32, "VFIO region info");
static_assert(sizeof(struct vfio_irq_info) == 16, "VFIO IRQ info");
static_assert(sizeof(struct vfio_irq_set) == 20, "VFIO IRQ set");

#endif
