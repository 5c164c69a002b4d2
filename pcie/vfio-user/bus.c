/*
 * The bus that the driver sees: registers from the mirror and by messages, doorbells by a store into
 * memory that the server shares or, for the admin queue and where there is none, by a message. That
 * keeps the admin queue's doorbell in line with what was said of memory before. See impl.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pcie/pcie.h"
#include "pcie/vfio-user/impl.h"
#include "pcie/vfio-user/vfio_user.h"

/* Above what any address of 32 bits could mean. */
#define FIRST_IOVA ((uint64_t)1 << 32)
/* Its answer to a question about CSTS; an idle device is asked four times a second. */
#define ANSWER_NS (2 * NVHI_NSEC_PER_SEC)

/* ---- registers ---------------------------------------------------------------------------- */

/* Answered from what is known; asks for news of CSTS, for whoever looks again. */
static uint32_t vfu_csts(struct nvhi_vfu *vfu)
{
	uint32_t csts = vfu->csts;

	if (vfu->csts_asked && nvhi_reactor_now(vfu->home) - vfu->csts_asked_ns > ANSWER_NS) {
		/* Hung: to us it is gone. Home hears it from the socket. */
		atomic_store(&vfu->gone, true);
		shutdown(vfu->sock, SHUT_RDWR);
		return UINT32_MAX;
	}
	if (!vfu->csts_asked || vfu->csts_stale) {
		if (!vfu->csts_asked)
			vfu->csts_asked_ns = nvhi_reactor_now(vfu->home);
		vfu->csts_asked++;
		nvhi_vfu_region_read(vfu, NVHI_VFU_ASK_CSTS, vfu->cc_writes, NVH_REG_CSTS, 4);
	}
	if (!vfu->csts_stale)
		return csts;
	/* The last write of CC is on its way: neither enabled nor disabled, nor shut down yet. */
	csts &= ~(NVH_CSTS_RDY | NVH_CSTS_SHST_MASK << NVH_CSTS_SHST_SHIFT);
	return vfu->cc & NVH_CC_EN ? csts : csts | NVH_CSTS_RDY;
}

static uint32_t vfu_read32(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);

	if (atomic_load(&vfu->gone))
		return UINT32_MAX;
	switch (offset) {
	case NVH_REG_CAP:
		return (uint32_t)vfu->cap;
	case NVH_REG_CAP + 4:
		return (uint32_t)(vfu->cap >> 32);
	case NVH_REG_VS:
		return vfu->vs;
	case NVH_REG_CC:
		return vfu->cc;
	case NVH_REG_CSTS:
		return vfu_csts(vfu);
	default:
		return 0; /* nothing that the driver knows what to do with */
	}
}

static void vfu_write32(struct nvhi_pcie_bus *bus, uint32_t offset, uint32_t value)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);

	if (atomic_load_explicit(&vfu->gone, memory_order_relaxed))
		return;
	if (offset == NVH_REG_CC) {
		vfu->cc = value;
		vfu->cc_writes++;
		vfu->csts_stale = true;
	}
	nvhi_vfu_region_write(vfu, VFIO_PCI_BAR0_REGION_INDEX, offset, &value, sizeof(value),
			      offset >= NVH_REG_DOORBELLS ? NVH_VFU_F_NO_REPLY : 0);
}

static volatile uint32_t *vfu_doorbell(struct nvhi_pcie_bus *bus, uint32_t offset)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);
	unsigned int dstrd = nvh_cap_dstrd(vfu->cap);

	if (!vfu->db || vfu->db_size < sizeof(uint32_t) || offset < nvh_db_sq(1, dstrd) || offset < vfu->db_offset ||
	    offset - vfu->db_offset > vfu->db_size - sizeof(uint32_t))
		return NULL;
	return (volatile uint32_t *)(void *)(vfu->db + (offset - vfu->db_offset));
}

static void vfu_master(struct nvhi_pcie_bus *bus, bool on)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);
	uint16_t command = on ? 6 : 2; /* memory space; bus master */

	if (!atomic_load(&vfu->gone))
		nvhi_vfu_region_write(vfu, VFIO_PCI_CONFIG_REGION_INDEX, 4, &command,
				      sizeof(command), 0);
}

/* ---- memory of others: through bounce buffers, see memory.c --------------------------------- */

static int vfu_mem_register(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	(void)addr;
	(void)len;
	return 0;
}

static void vfu_mem_unregister(struct nvhi_pcie_bus *bus, void *addr, size_t len)
{
	(void)bus;
	(void)addr;
	(void)len;
}

static uint64_t vfu_iova(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len)
{
	(void)bus;
	(void)addr;
	(void)len;
	(void)ret_len;
	return NVHI_IOVA_NONE;
}

static void vfu_close(struct nvhi_pcie_bus *bus)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);

	nvhi_vfu_session_fini(vfu);
	pthread_mutex_destroy(&vfu->mem_lock);
	free(vfu);
}

static const struct nvhi_pcie_bus_ops vfu_ops = {
	.start = nvhi_vfu_start,
	.abandon = nvhi_vfu_abandon,
	.read32 = vfu_read32,
	.write32 = vfu_write32,
	.doorbell = vfu_doorbell,
	.dma_alloc = nvhi_vfu_dma_alloc,
	.dma_free = nvhi_vfu_dma_free,
	.mem_register = vfu_mem_register,
	.mem_unregister = vfu_mem_unregister,
	.iova = vfu_iova,
	.master = vfu_master,
	.irq = nvhi_vfu_irq,
	.close = vfu_close,
};

/* ---- the transport ------------------------------------------------------------------------ */

static int vfu_tctrlr_open(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	struct nvhi_vfu *vfu;
	int err;

	if (strlen(opts->addr.traddr) >= sizeof(vfu->traddr))
		return -ENAMETOOLONG;
	vfu = calloc(1, sizeof(*vfu));
	if (!vfu)
		return -ENOMEM;
	vfu->bus.ops = &vfu_ops;
	vfu->name = opts->name;
	strcpy(vfu->traddr, opts->addr.traddr);
	strcpy(vfu->hostnqn, opts->hostnqn);
	memcpy(vfu->hostid, opts->hostid, sizeof(vfu->hostid));
	pthread_mutex_init(&vfu->mem_lock, NULL);
	nvhi_list_init(&vfu->blocks);
	vfu->next_iova = FIRST_IOVA;
	nvhi_vfu_irq_init(vfu);
	nvhi_vfu_session_init(vfu);
	err = nvhi_pcie_open(&nvhi_transport_vfio_user, &vfu->bus, opts, ret_tctrlr);
	if (err)
		vfu_close(&vfu->bus);
	return err;
}

const struct nvhi_transport nvhi_transport_vfio_user =
	NVHI_PCIE_TRANSPORT("vfio-user", NVH_TRTYPE_VFIO_USER, vfu_tctrlr_open);
