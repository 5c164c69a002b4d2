/*
 * What the device is: its regions, interrupts and PCI configuration space. BAR 0 holds the registers,
 * which come as messages, and the doorbells in a page that the client may map. BAR 4 is memory for the
 * MSI-X table that a virtual machine's firmware expects; interrupts go by the eventfds of SET_IRQS.
 * PCI Local Bus Specification 3.0 section 6.1; PCIe Transport Specification 1.1 section 3.8.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target-lite/vfio-user/impl.h"

#define PCI_VENDOR_ID	  0x1b36 /* Red Hat, as QEMU's NVMe device */
#define PCI_DEVICE_ID	  0x0010
#define PCI_COMMAND	  4u
#define PCI_COMMAND_BITS  0x0406 /* memory space, bus master, interrupts off */
#define PCI_BAR0	  16u
#define PCI_BAR4	  32u
#define PCI_CAP_AT	  64u
#define PCI_STATUS_CAPS	  0x10
#define PCI_BAR_64	  0x4
#define PCI_CAP_MSIX	  0x11
#define PCI_MSIX_PBA	  0x800u /* in BAR 4, behind the table */
#define PCI_MSIX_WRITABLE 0xc0	 /* enable and mask, in the upper byte of its control word */

static void config_put(struct tl_vfu_conn *conn, uint32_t offset, uint32_t value, uint32_t len)
{
	memcpy(conn->config + offset, &value, len);
}

void tl_vfu_describe_init(struct tl_vfu_conn *conn)
{
	config_put(conn, 0, PCI_VENDOR_ID, 2);
	config_put(conn, 2, PCI_DEVICE_ID, 2);
	config_put(conn, 6, PCI_STATUS_CAPS, 2);
	config_put(conn, 8, 0x01080202, 4); /* NVM Express I/O controller, revision 2 */
	config_put(conn, PCI_BAR0, PCI_BAR_64, 4);
	config_put(conn, PCI_BAR4, PCI_BAR_64, 4);
	config_put(conn, 44, PCI_VENDOR_ID, 2);
	config_put(conn, 46, PCI_DEVICE_ID, 2);
	config_put(conn, 52, PCI_CAP_AT, 1);
	config_put(conn, PCI_CAP_AT, PCI_CAP_MSIX | (TL_VFU_VECTORS - 1) << 16, 4);
	config_put(conn, PCI_CAP_AT + 4, 4, 4);		       /* table: BAR 4, offset 0 */
	config_put(conn, PCI_CAP_AT + 8, 4 | PCI_MSIX_PBA, 4); /* pending bits */
	for (uint32_t i = 0; i < TL_VFU_VECTORS; i++)
		conn->irqs[i] = -1;
}

void tl_vfu_describe_fini(struct tl_vfu_conn *conn)
{
	for (uint32_t i = 0; i < TL_VFU_VECTORS; i++)
		if (conn->irqs[i] >= 0)
			close(conn->irqs[i]);
}

/* ---- configuration space --------------------------------------------------------------------- */

void tl_vfu_config_read(const struct tl_vfu_conn *conn, uint32_t offset, void *data, uint32_t len)
{
	memcpy(data, conn->config + offset, len);
}

/* Which bits of a byte a client may change. */
static uint8_t config_writable(uint32_t offset)
{
	if (offset == PCI_COMMAND || offset == PCI_COMMAND + 1)
		return (uint8_t)(PCI_COMMAND_BITS >> 8 * (offset - PCI_COMMAND));
	/* Above the size of the region, which is how that is asked for: 8 KiB and 4 KiB. */
	if (offset >= PCI_BAR0 && offset < PCI_BAR0 + 8)
		return offset == PCI_BAR0 ? 0 : offset == PCI_BAR0 + 1 ? 0xe0 : 0xff;
	if (offset >= PCI_BAR4 && offset < PCI_BAR4 + 8)
		return offset == PCI_BAR4 ? 0 : offset == PCI_BAR4 + 1 ? 0xf0 : 0xff;
	if (offset == 60) /* interrupt line */
		return 0xff;
	return offset == PCI_CAP_AT + 3 ? PCI_MSIX_WRITABLE : 0;
}

void tl_vfu_config_write(struct tl_vfu_conn *conn, uint32_t offset, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;

	for (uint32_t i = 0; i < len; i++) {
		uint8_t bits = config_writable(offset + i);

		conn->config[offset + i] =
			(uint8_t)((conn->config[offset + i] & ~bits) | (bytes[i] & bits));
	}
}

/* ---- regions --------------------------------------------------------------------------------- */

struct bar0_info {
	struct vfio_region_info info;
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area area;
};

static void reply_bar0(struct tl_vfu_conn *conn, uint32_t room)
{
	struct bar0_info bar = {
		.info = {.argsz = sizeof(bar),
			 .flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
				  VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS,
			 .index = VFIO_PCI_BAR0_REGION_INDEX,
			 .cap_offset = sizeof(bar.info),
			 .size = TL_VFU_BAR0_SIZE},
		.cap = {.header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1},
			.nr_areas = 1},
		.area = {.offset = NVH_REG_DOORBELLS, .size = TL_VFU_PAGE},
	};
	bool whole = room >= sizeof(bar);
	struct iovec iov = {&bar, whole ? sizeof(bar) : sizeof(bar.info)};

	if (!whole) { /* argsz tells how much it takes; the client asks again */
		bar.info.flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_CAPS;
		bar.info.cap_offset = 0;
	}

	tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DEVICE_GET_REGION_INFO, 0, &iov, 1,
		     whole ? conn->db_fd : -1);
}

int tl_vfu_region_info(struct tl_vfu_conn *conn)
{
	struct vfio_region_info info;
	struct iovec iov = {&info, sizeof(info)};
	uint32_t index, room;

	if (conn->rx.payload_len < sizeof(info))
		return EINVAL;
	memcpy(&info, conn->rx.payload, sizeof(info));
	index = info.index;
	room = info.argsz;
	if (index >= VFIO_PCI_NUM_REGIONS || room < sizeof(info))
		return EINVAL;
	if (index == VFIO_PCI_BAR0_REGION_INDEX) {
		reply_bar0(conn, room);
		return 0;
	}
	info = (struct vfio_region_info){.argsz = sizeof(info), .index = index};
	if (index == VFIO_PCI_BAR4_REGION_INDEX || index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		info.size = index == VFIO_PCI_CONFIG_REGION_INDEX ? TL_VFU_CONFIG_SIZE : TL_VFU_PAGE;
	}
	tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DEVICE_GET_REGION_INFO, 0, &iov, 1, -1);
	return 0;
}

/* ---- interrupts ------------------------------------------------------------------------------ */

int tl_vfu_irq_info(struct tl_vfu_conn *conn)
{
	struct vfio_irq_info info;
	struct iovec iov = {&info, sizeof(info)};

	if (conn->rx.payload_len < sizeof(info))
		return EINVAL;
	memcpy(&info, conn->rx.payload, sizeof(info));
	if (info.index >= VFIO_PCI_NUM_IRQS)
		return EINVAL;
	info.argsz = sizeof(info);
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = info.index == VFIO_PCI_MSIX_IRQ_INDEX   ? TL_VFU_VECTORS
							     : 0;
	tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DEVICE_GET_IRQ_INFO, 0, &iov, 1, -1);
	return 0;
}

static void irq_set(struct tl_vfu_conn *conn, uint32_t vector, int fd)
{
	if (conn->irqs[vector] >= 0)
		close(conn->irqs[vector]);
	conn->irqs[vector] = fd;
}

/*
 * write(2) to an eventfd can block: its client may have filled it. The kernel's own signal never does,
 * and asynchronous I/O gives it upon completion; so eight bytes of nothing are read. What is no eventfd
 * is refused there.
 */
void tl_vfu_signal(struct tl_vfu_conn *conn, uint16_t vector)
{
	struct tl_vfu_group *vg = conn->vg;
	uint64_t nothing;
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)vg->zero_fd,
		.aio_buf = (uintptr_t)&nothing,
		.aio_nbytes = sizeof(nothing),
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)conn->irqs[vector],
	};
	struct iocb *cbs[1] = {&cb};
	struct io_event events[TL_VFU_AIO_EVENTS];

	if (conn->irqs[vector] < 0)
		return;
	if (++vg->signals % TL_VFU_AIO_EVENTS == 0)
		syscall(SYS_io_getevents, vg->aio, 0, TL_VFU_AIO_EVENTS, events, NULL);
	if (syscall(SYS_io_submit, vg->aio, 1, cbs) != 1) {
		if (conn->complaints++ < TL_VFU_COMPLAINTS)
			nvhi_log(WARN, TARGET, "%s: interrupt %u cannot be signalled (%s): off",
				 conn->name, vector, strerror(errno));
		irq_set(conn, vector, -1);
	}
}

/* Only MSI-X triggers are something to us; a mask is kept by whoever set it. */
int tl_vfu_set_irqs(struct tl_vfu_conn *conn)
{
	struct vfio_irq_set set;

	if (conn->rx.payload_len < sizeof(set))
		return EINVAL;
	memcpy(&set, conn->rx.payload, sizeof(set));
	if (set.index >= VFIO_PCI_NUM_IRQS)
		return EINVAL;
	if (set.index != VFIO_PCI_MSIX_IRQ_INDEX || !(set.flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return 0;
	if (set.start > TL_VFU_VECTORS || set.count > TL_VFU_VECTORS - set.start)
		return EINVAL;
	if ((set.flags & VFIO_IRQ_SET_DATA_NONE) && set.count == 0) {
		for (uint32_t i = 0; i < TL_VFU_VECTORS; i++)
			irq_set(conn, i, -1);
		return 0;
	}
	if (!(set.flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return EOPNOTSUPP;
	/* What was put down before is told with the first signal: the client's last look may have been
	 * before that, and it does not wait for our reply. */
	for (uint32_t i = 0; i < set.count; i++) {
		irq_set(conn, set.start + i, nvhi_vfu_rx_take_fd(&conn->rx, i));
		tl_vfu_signal(conn, (uint16_t)(set.start + i));
	}
	return 0;
}
