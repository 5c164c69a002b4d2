/*
 * Private to pcie/vfio-user/: a controller that another process plays.
 *
 *	bus.c		the bus that the driver sees: registers, doorbells, bus mastering
 *	session.c	the connection: made, negotiated, lost; replies
 *	memory.c	memory that both processes see
 *	irq.c		interrupts: eventfds that the server writes
 *
 * Nothing here blocks. Registers are written by messages that nobody waits for. The few that are read
 * (CAP, VS, CC, CSTS) stand in a mirror that replies bring up to date; after a write of CC the mirror's
 * CSTS shows the change as still under way until a reply that was asked for later says otherwise.
 */
#ifndef NVHI_PCIE_VFIO_USER_IMPL_H
#define NVHI_PCIE_VFIO_USER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>

#include "base/fsm.h"
#include "base/list.h"
#include "base/log.h"
#include "base/reactor.h"
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "base/vfio_user.h"
#include "pcie/bus.h"

#define NVHI_VFU_STATES(X)                                                                         \
	X(OFF, off)                                                                                \
	X(GREETING, greeting) /* VERSION sent */                                                   \
	X(ASKING, asking)     /* what the device has, and its registers */                         \
	X(LIVE, live)

enum nvhi_vfu_state {
#define NVHI_X(upper, lower) NVHI_VFU_##upper,
	NVHI_VFU_STATES(NVHI_X)
#undef NVHI_X
};

/* What a reply answers stands in the upper bits of its message's id. */
enum nvhi_vfu_ask {
	NVHI_VFU_ASK_VERSION = 1,
	NVHI_VFU_ASK_INFO,
	NVHI_VFU_ASK_BAR0,
	NVHI_VFU_ASK_CAP,
	NVHI_VFU_ASK_VS,
	NVHI_VFU_ASK_CC,
	NVHI_VFU_ASK_CSTS,
	NVHI_VFU_ASK_MAP,
	NVHI_VFU_ASK_UNMAP,
	NVHI_VFU_ASK_WRITE,
	NVHI_VFU_ASK_IRQS,
};
#define NVHI_VFU_ASK_SHIFT 12
#define NVHI_VFU_SEQ_MASK  0xfffu
#define NVHI_VFU_VECTORS   128u

struct nvhi_vfu {
	struct nvhi_pcie_bus bus;
	const char *name; /* "nvh0": for logs */
	char traddr[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char hostnqn[NVH_NQN_SIZE];
	uint8_t hostid[16];
	atomic_bool gone; /* its registers read as all ones */
	int sock;	  /* closed only when no queue is left that might ring: at the next start */

	/* home's */
	struct nvh_reactor *home;
	uint32_t state; /* enum nvhi_vfu_state */
	struct nvhi_source source;
	struct nvhi_vfu_rx rx;
	struct nvhi_pcie_start *start;
	struct nvhi_timer deadline;
	struct nvhi_defer answer; /* of start */
	int err;
	char why[160];
	uint32_t awaited; /* bit: enum nvhi_vfu_ask, while ASKING */
	uint64_t cap;
	uint32_t vs, cc, csts;
	uint16_t cc_writes; /* counted in the ids of reads of CSTS */
	bool csts_stale;
	uint32_t csts_asked; /* reads of CSTS not answered yet */
	uint64_t csts_asked_ns; /* the first of those that wait */

	/* Doorbells that are mapped: [db_offset, db_offset + db_size) of BAR 0. */
	uint8_t *db;
	uint64_t db_offset, db_size;

	pthread_mutex_t mem_lock; /* not on the I/O path; for the interrupts, too */
	int irqs[NVHI_VFU_VECTORS]; /* eventfds of the queues, -1; told anew to a new server */
	struct nvhi_list blocks;  /* struct vfu_block */
	uint64_t next_iova;
	bool mapping; /* the server takes maps */
};

static inline struct nvhi_vfu *nvhi_vfu_of(struct nvhi_pcie_bus *bus)
{
	return nvhi_container_of(bus, struct nvhi_vfu, bus);
}

/* session.c, home but for nvhi_vfu_ask. */
void nvhi_vfu_session_init(struct nvhi_vfu *vfu);
void nvhi_vfu_start(struct nvhi_pcie_bus *bus, struct nvh_reactor *home,
		    struct nvhi_pcie_start *start);
void nvhi_vfu_abandon(struct nvhi_pcie_bus *bus);
/* No callback after this; the memory is still there. */
void nvhi_vfu_session_fini(struct nvhi_vfu *vfu);
/* One message. What cannot be sent is the end of the connection, noticed by home. Any thread. */
int nvhi_vfu_ask(struct nvhi_vfu *vfu, enum nvhi_vfu_ask ask, unsigned int seq, uint16_t command,
		 uint32_t flags, const struct iovec *payload, unsigned int iovcnt, int fd);
int nvhi_vfu_region_read(struct nvhi_vfu *vfu, enum nvhi_vfu_ask ask, unsigned int seq,
			 uint32_t offset, uint32_t count);
int nvhi_vfu_region_write(struct nvhi_vfu *vfu, uint32_t region, uint32_t offset,
			  const void *value, uint32_t count, uint32_t flags);

/* irq.c */
void nvhi_vfu_irq_init(struct nvhi_vfu *vfu);
int nvhi_vfu_irq(struct nvhi_pcie_bus *bus, unsigned int vector, int fd);
/* Under mem_lock: tells the server of all that are bound. */
int nvhi_vfu_irq_all(struct nvhi_vfu *vfu);

/* memory.c */
int nvhi_vfu_dma_alloc(struct nvhi_pcie_bus *bus, size_t size, size_t align, void **ret_ptr,
		       uint64_t *ret_iova);
void nvhi_vfu_dma_free(struct nvhi_pcie_bus *bus, void *ptr, size_t size);
/* Tells the server of all memory, and from now on as it comes; no more. */
int nvhi_vfu_map_all(struct nvhi_vfu *vfu);
void nvhi_vfu_map_stop(struct nvhi_vfu *vfu);

#endif
