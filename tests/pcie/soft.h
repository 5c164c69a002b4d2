/*
 * A controller in memory behind the bus interface: registers, queues, PRPs and SGLs, one namespace
 * of RAM, executed inside the doorbell's write. It offers what QEMU's does not (a controller memory
 * buffer the test can map, a host memory buffer, retry delays), and it is as hostile as its test
 * wants: a hook decides on each command. Any thread; one lock.
 */
#ifndef TESTS_PCIE_SOFT_H
#define TESTS_PCIE_SOFT_H

#include <pthread.h>

#include "base/list.h"
#include "base/reactor.h"
#include "base/spec/nvme.h"
#include "pcie/bus.h"

#define SOFT_NQN      "nqn.2014-08.org.nvmexpress:uuid:5050f700-0000-4000-8000-000000000001"
#define SOFT_QUEUES   8u /* the admin queue included */
#define SOFT_NS_BYTES (4u << 20)
#define SOFT_RAM      ((size_t)64 << 20)
#define SOFT_BASE     0x100000000ull /* where the device sees the RAM */
#define SOFT_CMB_AT   0x800000000ull /* and its own memory buffer */
#define SOFT_CMB      ((size_t)1 << 20)

struct soft;

/* What becomes of a command; bits. */
enum {
	SOFT_EXECUTE = 0,
	SOFT_SILENT = 1u << 0, /* taken, never answered */
	SOFT_ANSWER = 1u << 1, /* `cpl` as the hook left it, not executed */
	SOFT_TWICE = 1u << 2,  /* answered, and again */
};

/* `cpl` is what would be answered: CID, SQID, SQHD are set; under the lock. */
typedef uint32_t (*soft_hook_fn)(struct soft *soft, uint16_t qid, const struct nvh_cmd *cmd,
				 struct nvh_cpl *cpl);

struct soft_queue {
	uint64_t sq, cq;
	uint32_t sq_entries, cq_entries;
	uint32_t sq_head, cq_tail;
	uint32_t sq_tail, cq_head; /* as told by doorbells */
	bool sq_made, cq_made, phase, ien;
	uint16_t vector;
	uint32_t qprio;
};

struct soft {
	struct nvhi_pcie_bus bus;
	pthread_mutex_t lock;
	soft_hook_fn hook;

	/* What it is: set between soft_init and the first connect. */
	uint64_t cap;
	uint32_t vs;
	struct nvh_id_ctrlr id;
	struct nvh_id_ns ns;
	uint32_t cmbloc, cmbsz;
	bool null;  /* reads and writes move nothing */
	bool awake; /* with DBBUF: looks by itself (soft_poll) and asks for no doorbell */
	bool never_ready, never_stops; /* CSTS.RDY stays as it is */
	bool wanders;                  /* registers say all ones now */

	/* What it was told, and did. */
	uint32_t cc, csts, aqa;
	uint64_t asq, acq, cmbmsc;
	uint32_t nssr;
	struct soft_queue q[SOFT_QUEUES];
	uint64_t shadow, eventidx; /* 0: none */
	uint64_t hmb_list;
	uint32_t hmb_count, hmb_pages, hmb_flags;
	uint32_t arbitration;
	bool mastering, closed;
	unsigned long doorbells, sgls, prps, interrupts, commands;
	uint32_t aborts;
	struct nvh_cmd aer[8];
	uint32_t nr_aer;
	int irq_fd[SOFT_QUEUES];

	uint8_t *ram, *cmb, *blocks;
	uint8_t used[SOFT_RAM / 4096];
	size_t used_bytes;
};

struct soft *soft_new(void);
void soft_free(struct soft *soft);
/* Memory at a device's address; NULL: none there, or the device may not reach it now. */
void *soft_at(struct soft *soft, uint64_t addr, size_t len);
/* Looks at the shadow doorbells, as a device's own thread would now and then. */
void soft_poll(struct soft *soft);
/* An asynchronous event. */
void soft_event(struct soft *soft, uint32_t dw0);
/* Under the lock: puts down a completion. */
void soft_answer(struct soft *soft, uint16_t qid, const struct nvh_cpl *cpl);
/* The same from outside, with its interrupt: of a command that was held back. */
void soft_complete(struct soft *soft, uint16_t qid, const struct nvh_cpl *cpl);

/* soft_exec.c: executes one command; the status. Under the lock. */
uint16_t soft_execute(struct soft *soft, uint16_t qid, const struct nvh_cmd *cmd,
		      struct nvh_cpl *cpl);

#endif
