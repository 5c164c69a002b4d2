/*
 * The inside of the PCIe transport, shared by the files of pcie/ and nobody else:
 *
 *	pcie.c		the transport's table; opening a controller
 *	registers.c	registers over the bus; a device that is gone
 *	device.c	the device as a whole: disabled, admin queue set up, stopped with proof
 *	jobs.c		creating and deleting I/O queues by commands on the admin queue
 *	qpair.c		a queue pair's life: states, loss, revoke
 *	queue.c		its memory, its doorbells
 *	submit.c	commands going down
 *	complete.c	completions coming up
 *	data.c		where a command's data is: PRPs, an SGL, or a bounce buffer
 *	prp.c, sgl.c	building them
 *	irq.c		interrupts, while the reactor sleeps
 *	setup.c		what the driver itself sets up with commands once the controller runs
 *	cmb.c, hmb.c, shadow.c	memory of the controller's; of ours for it; doorbells in memory
 *	quirks.c	devices that are not as the specification has it
 *
 * A queue pair runs on its reactor; device.c and jobs.c on that of the admin queue ("home"), and
 * the two talk by messages. Base Specification 2.1, PCIe Transport Specification 1.1.
 */
#ifndef NVHI_PCIE_IMPL_H
#define NVHI_PCIE_IMPL_H

#include <stdatomic.h>

#include "base/fsm.h"
#include "host/transport.h"
#include "pcie/bus.h"
#include "pcie/pcie.h"
#include "pcie/prp.h"
#include "pcie/quirks.h"
#include "pcie/sgl.h"

/* Bytes a command may move, and how many list entries that takes at most: it may begin within a
 * page of 4 KiB, so it touches one page more, and the first entry stands in the command. */
#define NVHI_PCIE_PRP_ENTRIES (NVHI_PCIE_MAX_TRANSFER / 4096)
/* Data that PRPs cannot describe goes through a copy: each slot has room for a small one; for
 * larger ones there are buffers of the maximum, and more commands than that wait. */
#define NVHI_PCIE_SMALL        4096u
#define NVHI_PCIE_BOUNCE_IO    16u
#define NVHI_PCIE_BOUNCE_ADMIN 4u

/* ---- the device -------------------------------------------------------------------------- */

#define NVHI_PCIE_DEVICE_STATES(X)                                                                 \
	X(OFF, off)           /* moves no data: CSTS.RDY read as 0, or cut off the bus */          \
	X(ON, on)             /* the admin queue is set up; it may be enabled at any time */       \
	X(STOPPING, stopping) /* CC.EN = 0 written, CSTS.RDY still 1 */

enum nvhi_pcie_device_state {
#define NVHI_X(upper, lower) NVHI_PCIE_##upper,
	NVHI_PCIE_DEVICE_STATES(NVHI_X)
#undef NVHI_X
};

struct nvhi_pcie_qpair;

/* A piece of DMA memory. */
struct nvhi_pcie_mem {
	void *ptr; /* NULL: none */
	uint64_t iova;
	size_t size;
};

#define NVHI_PCIE_HMB_CHUNKS 64u

struct nvhi_pcie_hmb {
	struct nvhi_pcie_mem list; /* the descriptors */
	struct nvhi_pcie_mem chunk[NVHI_PCIE_HMB_CHUNKS];
	uint32_t count, pages; /* that are there; memory pages in them */
	bool given;            /* the controller had it before: its contents are as it left them */
};

/* The controller's own memory, as far as we map it. */
struct nvhi_pcie_cmb {
	uint8_t *ptr; /* NULL: none, or not for submission queues */
	uint64_t addr, size;
};

struct nvhi_pcie_ctrlr {
	struct nvhi_tctrlr tctrlr;
	struct nvhi_pcie_bus *bus;
	struct nvhi_pcie_start start;
	bool starting;
	uint64_t cap;       /* 0: not read yet */
	uint32_t page_size; /* that of CC.MPS: the smallest */
	uint32_t quirks;    /* NVHI_QUIRK_* of both headers */
	struct nvh_reactor *home;

	/* home's */
	uint32_t state; /* enum nvhi_pcie_device_state */
	struct nvhi_pcie_qpair *admin;
	struct nvhi_timer stop_timer; /* the next look at CSTS.RDY */
	uint64_t stop_deadline;
	uint32_t stop_ms;
	uint64_t stop_from; /* CSTS is not to be believed before (a quirk) */
	uint32_t setup;     /* enum nvhi_pcie_setup: the next step */
	struct nvhi_pcie_mem shadow;
	atomic_bool shadowed; /* the controller knows the doorbells in memory */
	struct nvhi_pcie_hmb hmb;
	struct nvhi_pcie_cmb cmb;
	bool cmb_on;                 /* in use */
	struct nvhi_list jobs;       /* of queue pairs: to be done, in order */
	struct nvhi_list stopped;    /* and those that only wait until the device has stopped */
	struct nvhi_pcie_qpair *job; /* being done */
	struct nvhi_req job_req;
	struct nvhi_timer job_timer;
};

/* ---- queue pairs ------------------------------------------------------------------------- */

#define NVHI_PCIE_QPAIR_STATES(X)                                                                  \
	X(NEW, new)                                                                                \
	X(CONNECTING, connecting) /* admin: device.c is at work; I/O: jobs.c */                    \
	X(LIVE, live)                                                                              \
	X(LOST, lost)         /* broken or refused; requests stay lent until revoke */             \
	X(REVOKING, revoking) /* until the device can no longer touch memory for it */             \
	X(REVOKED, revoked)

enum nvhi_pcie_qpair_state {
#define NVHI_X(upper, lower) NVHI_PCIE_Q_##upper,
	NVHI_PCIE_QPAIR_STATES(NVHI_X)
#undef NVHI_X
};

/* A key that no completion has. */
#define NVHI_PCIE_NO_KEY (1ull << 32)

/* Index and generation make the CID: a completion for an earlier use of the slot does not match. */
struct nvhi_pcie_slot {
	uint64_t key; /* while in the submission queue: CID and SQID, as its completion has them */
	struct nvhi_req *req;        /* NULL: free */
	uint32_t pos;                /* the submission queue entries written before it */
	uint16_t cid;                /* of its present or next command */
	bool plain;                  /* I/O, and its data is not copied */
	bool quiet;                  /* an AER: its answer is nothing to spin for */
	struct nvhi_pcie_slot *next; /* free */
	struct nvhi_prp_list prps;
	uint8_t *copy;  /* where the device sees its data, NULL: in the caller's memory */
	int16_t bounce; /* index of its large buffer, -1: none */
	uint16_t index;
};

/* A doorbell: a register, or (shadow) a word in memory and the register only when it is asked for.
 */
struct nvhi_pcie_doorbell {
	volatile uint32_t *mapped; /* NULL: through the bus */
	uint32_t offset;
	uint32_t *shadow, *event; /* NULL: none */
};

enum nvhi_pcie_job {
	NVHI_PCIE_JOB_CREATE,
	NVHI_PCIE_JOB_DELETE,
};

enum {
	NVHI_PCIE_TELL_CONNECTED = 1u << 0,
	NVHI_PCIE_TELL_LOST = 1u << 1,
	NVHI_PCIE_TELL_REVOKED = 1u << 2,
};

struct nvhi_pcie_qpair {
	struct nvhi_qpair qpair;
	struct nvhi_pcie_ctrlr *ctrlr;
	uint32_t state; /* enum nvhi_pcie_qpair_state */

	/* The I/O path. */
	struct nvh_cmd *sq;
	struct nvh_cpl *cq;
	uint32_t ring; /* entries of either ring */
	uint32_t sq_tail, sq_head;
	uint32_t cq_head, phase;
	uint32_t nr_slots;
	uint32_t slot_mask, cid_step;
	uint32_t written, rung; /* submission queue entries so far: put down; told to the device */
	struct nvhi_pcie_slot *slots, *free;
	uint32_t page_size;
	bool sgls;       /* data pointers may be SGLs */
	bool sgl_dwords; /* of whole dwords only */
	uint16_t quiet;  /* commands in flight that are nothing to spin for */
	struct nvhi_pcie_bus *bus;
	uint64_t (*iova)(struct nvhi_pcie_bus *bus, const void *addr, size_t len, size_t *ret_len);
	struct nvhi_defer doorbell;
	struct nvhi_poller poller;
	struct nvhi_pcie_doorbell sq_db, cq_db;
	bool polled;

	/* One piece of memory holds the rings, the PRP lists and the bounce buffers. */
	struct nvhi_pcie_mem mem;
	uint64_t sq_iova, cq_iova;
	uint8_t *small, *bounce;
	uint64_t small_iova, bounce_iova;
	uint16_t free_bounce_count;
	uint8_t free_bounce[NVHI_PCIE_BOUNCE_IO];
	struct nvhi_list waiting; /* requests that need a bounce buffer, by req->link */

	/* Its interrupt. */
	struct nvhi_source irq;
	int irq_fd; /* -1: none, it is polled */
	bool irq_bound;
	uint64_t irq_armed_ns; /* when the reactor slept last */

	struct nvhi_timer health; /* admin: the next look at CSTS */
	struct nvhi_defer tell_defer;
	uint32_t tell;
	int err;
	bool have_cpl; /* of the Create command that failed */
	struct nvh_cpl cpl;

	/* The job: the queue's reactor fills it and posts to_home; home answers by to_queue. */
	struct nvhi_msg to_home, to_queue;
	struct nvhi_list job_link;
	bool job_out;
	uint8_t job;
	int job_err;
	bool cq_made, sq_made; /* home's while the job is out */
};

static inline struct nvhi_pcie_ctrlr *nvhi_pcie_ctrlr_of(struct nvhi_tctrlr *tctrlr)
{
	return nvhi_container_of(tctrlr, struct nvhi_pcie_ctrlr, tctrlr);
}

static inline struct nvhi_pcie_qpair *nvhi_pcie_qpair_of(struct nvhi_qpair *qpair)
{
	return nvhi_container_of(qpair, struct nvhi_pcie_qpair, qpair);
}

/* registers.c */
uint32_t nvhi_pcie_read32(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset);
void nvhi_pcie_write32(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset, uint32_t value);
/* As two of 32 bits, the lower one first. */
uint64_t nvhi_pcie_read64(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset);
void nvhi_pcie_write64(struct nvhi_pcie_ctrlr *ctrlr, uint32_t offset, uint64_t value);
/* What CSTS says of a device that cannot be worked with: 0, -ENODEV (gone), -EIO (CFS). */
int nvhi_pcie_health(struct nvhi_pcie_ctrlr *ctrlr, uint32_t *ret_csts);

/* device.c, home */
void nvhi_pcie_device_init(struct nvhi_pcie_ctrlr *ctrlr);
/* Reaches the device, disables it, sets up its admin queue; ends in nvhi_pcie_connected or _fail of
 * that. */
void nvhi_pcie_device_start(struct nvhi_pcie_ctrlr *ctrlr);
/* The same no more, when it is still to be reached. */
void nvhi_pcie_device_abandon(struct nvhi_pcie_ctrlr *ctrlr);
/* ON: CC.EN = 0, and CSTS.RDY read as 0 or the device cut off; ends in the queues being told. */
void nvhi_pcie_device_stop(struct nvhi_pcie_ctrlr *ctrlr);

/* jobs.c */
void nvhi_pcie_jobs_init(struct nvhi_pcie_ctrlr *ctrlr);
/* The queue pair's reactor: the answer comes to nvhi_pcie_job_done there. */
void nvhi_pcie_job_post(struct nvhi_pcie_qpair *q, enum nvhi_pcie_job job);
/* Home: the device has stopped: whoever waited is answered. */
void nvhi_pcie_jobs_stopped(struct nvhi_pcie_ctrlr *ctrlr);

/* qpair.c */
/* CONNECTING -> LIVE. */
void nvhi_pcie_connected(struct nvhi_pcie_qpair *q);
/* The queue broke, or could not connect. */
void nvhi_pcie_fail(struct nvhi_pcie_qpair *q, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* REVOKING: nothing can touch memory for it any more. */
void nvhi_pcie_revoked(struct nvhi_pcie_qpair *q);
void nvhi_pcie_job_done(struct nvhi_pcie_qpair *q);

/* queue.c */
int nvhi_pcie_queue_init(struct nvhi_pcie_qpair *q);
void nvhi_pcie_queue_fini(struct nvhi_pcie_qpair *q);
/* The rings are to be used from now on; no more. */
void nvhi_pcie_queue_start(struct nvhi_pcie_qpair *q);
void nvhi_pcie_queue_stop(struct nvhi_pcie_qpair *q);
void nvhi_pcie_ring(struct nvhi_pcie_qpair *q, const struct nvhi_pcie_doorbell *db, uint32_t value);
int nvhi_pcie_mem_alloc(struct nvhi_pcie_ctrlr *ctrlr, size_t size, struct nvhi_pcie_mem *ret_mem);
void nvhi_pcie_mem_free(struct nvhi_pcie_ctrlr *ctrlr, struct nvhi_pcie_mem *mem);

/* submit.c */
/* A command of our own on the admin queue, beyond its depth. */
void nvhi_pcie_submit_own(struct nvhi_pcie_qpair *q, struct nvhi_req *req);
/* Those that waited for a bounce buffer. */
void nvhi_pcie_serve_waiting(struct nvhi_pcie_qpair *q);
void nvhi_pcie_ring_batch(struct nvhi_defer *defer);
/* Whether completions are on their way: what to do about sleeping. */
void nvhi_pcie_expect(struct nvhi_pcie_qpair *q);

/* complete.c */
int nvhi_pcie_poll(struct nvhi_poller *poller);
bool nvhi_pcie_completion_waits(const struct nvhi_pcie_qpair *q);
void nvhi_pcie_give_back_all(struct nvhi_pcie_qpair *q, int err);

/* data.c: sets the command's data pointer; -EAGAIN: only a bounce buffer will do, and none is free.
 */
int nvhi_pcie_map(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot);
void nvhi_pcie_unmap(struct nvhi_pcie_qpair *q, struct nvhi_pcie_slot *slot, bool good);

/* irq.c: a descriptor for the queue's vector, bound when its reactor goes to sleep. */
void nvhi_pcie_irq_init(struct nvhi_pcie_qpair *q);
void nvhi_pcie_irq_start(struct nvhi_pcie_qpair *q);
void nvhi_pcie_irq_stop(struct nvhi_pcie_qpair *q);
void nvhi_pcie_irq_fini(struct nvhi_pcie_qpair *q);
/* Work was found without it: one that spins needs no interrupts. */
void nvhi_pcie_irq_busy(struct nvhi_pcie_qpair *q);

/* setup.c, home: before the first I/O queue is made. */
enum nvhi_pcie_setup {
	NVHI_PCIE_SETUP_HMB,
	NVHI_PCIE_SETUP_SHADOW,
	NVHI_PCIE_SETUP_DONE,
};

/* The next command of it, skipping what is not to be had; false: there is none left. */
bool nvhi_pcie_setup_next(struct nvhi_pcie_ctrlr *ctrlr, struct nvh_cmd *ret_cmd);
/* Its answer. */
void nvhi_pcie_setup_done(struct nvhi_pcie_ctrlr *ctrlr, const struct nvh_cpl *cpl);

/* hmb.c, home: false where the controller wants none, or none is to be had. */
bool nvhi_pcie_hmb_command(struct nvhi_pcie_ctrlr *ctrlr, struct nvh_cmd *cmd);
void nvhi_pcie_hmb_free(struct nvhi_pcie_ctrlr *ctrlr);

/* shadow.c */
bool nvhi_pcie_shadow_command(struct nvhi_pcie_ctrlr *ctrlr, struct nvh_cmd *cmd);
void nvhi_pcie_shadow_attach(struct nvhi_pcie_qpair *q);
void nvhi_pcie_shadow_clear(struct nvhi_pcie_ctrlr *ctrlr, uint16_t qid);
/* Puts `value` in memory; true: the register must be written too. */
bool nvhi_pcie_shadow_ring(const struct nvhi_pcie_doorbell *db, uint32_t value);

/* cmb.c: home, the device reachable and disabled. */
void nvhi_pcie_cmb_start(struct nvhi_pcie_ctrlr *ctrlr);
/* The place of that queue's submission queue; NULL: none. Any thread. */
void *nvhi_pcie_cmb_take(const struct nvhi_pcie_ctrlr *ctrlr, uint16_t qid, size_t size,
			 uint64_t *ret_addr);

#endif
