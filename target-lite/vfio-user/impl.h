/*
 * Private to target-lite/vfio-user/:
 *
 *	transport.c	the transport's life, listeners, accepting
 *	conn.c		a client: its socket, messages, the end
 *	describe.c	what the device is: regions, interrupts, PCI configuration space
 *	memory.c	the client's memory: maps, and the one way from its addresses to ours
 *	device.c	NVMe registers: a controller enabled, disabled, shut down
 *	admin.c		commands that concern queues: create, delete, doorbell buffers
 *	queue.c		queues: commands fetched, completions put down, doorbells
 *	data.c		data pointers
 *
 * A client, its device and all queues of it live on one poll group's reactor. Whatever a client says
 * is checked before it is used; memory of its that we read twice may have changed in between.
 */
#ifndef TL_VFIO_USER_IMPL_H
#define TL_VFIO_USER_IMPL_H

#include <linux/aio_abi.h>

#include "base/fsm.h"
#include "base/log.h"
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "base/vfio_user.h"
#include "target-lite/core/request.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/vfio-user/vfio_user.h"

#define TL_VFU_PAGE	   4096u
#define TL_VFU_BAR0_SIZE   (NVH_REG_DOORBELLS + TL_VFU_PAGE)
#define TL_VFU_QUEUES_MAX  128u /* with the admin queue: their doorbells fill half a page */
#define TL_VFU_MAPS_MAX	   256u
#define TL_VFU_MAPPED_MAX  ((uint64_t)1 << 40) /* of address space, a client */
#define TL_VFU_CLIENTS_MAX 64u		      /* a poll group */
#define TL_VFU_VECTORS	   TL_VFU_QUEUES_MAX
#define TL_VFU_CONFIG_SIZE 256u
#define TL_VFU_BOUNCES	   32u
#define TL_VFU_AIO_EVENTS  64u
#define TL_VFU_COMPLAINTS  4u /* log lines about a client */

/* ---- the client's memory ------------------------------------------------------------------- */

struct tl_vfu_map {
	uint64_t iova, size;
	uint8_t *base;	/* NULL: free */
	uint32_t users; /* requests and queues that hold it */
	bool going;	/* unmapped when the last user is gone; nobody new */
	uint16_t reply; /* msg_id to be answered then */
};

/* ---- requests ------------------------------------------------------------------------------ */

struct tl_vfu_queue;
struct tl_vfu_conn;

struct tl_vfu_piece {
	uint64_t iova;
	uint32_t len;
};

/* Data that lies in several pieces, and ours in between. */
struct tl_vfu_bounce {
	uint8_t *mem;
	uint32_t count;
	struct {
		uint8_t *base;
		uint32_t len;
		struct tl_vfu_map *map;
	} *pieces;
	struct nvhi_list link;
};

struct tl_vfu_req {
	struct tl_request req;
	struct tl_vfu_map *map;	      /* the data's, when it is one piece */
	struct tl_vfu_bounce *bounce; /* when it is not */
	struct nvhi_list link;	      /* queue->free, queue->held or conn->bounce_waiters */
};

/* ---- queues -------------------------------------------------------------------------------- */

/* A ring in the client's memory. */
struct tl_vfu_ring {
	uint8_t *base; /* NULL: there is no such queue */
	struct tl_vfu_map *map;
	uint32_t entries;
};

struct tl_vfu_cq {
	struct tl_vfu_ring ring;
	uint32_t tail, head; /* head: as the client last told */
	uint32_t reserved;   /* entries taken: by commands under way, and not consumed yet */
	uint32_t users;	     /* submission queues */
	uint8_t phase;
	bool interrupts, signal; /* signal: entries were put down in this turn */
	uint16_t vector;
};

/* A submission queue is a queue pair of the core. */
struct tl_vfu_queue {
	struct tl_qpair qpair;
	struct tl_vfu_conn *conn;
	struct tl_vfu_ring ring;
	uint16_t qid, cqid;
	uint32_t head;
	enum tl_mute mute;
	bool ready;   /* the core has it */
	bool closing; /* tl_qpair_close was called */
	struct tl_vfu_req *reqs;
	struct nvhi_list free; /* struct tl_vfu_req */
	struct nvhi_list held; /* completed while muted */
	/* Of the Connect that makes it known to the core, and of Property Set. */
	struct tl_vfu_req *internal;
	struct nvh_fab_connect_data connect_data;
	struct tl_vfu_req *creator; /* the Create or Delete command that waits for it */
};

/* ---- a client ------------------------------------------------------------------------------- */

#define TL_VFU_DEVICE_STATES(X)                                                                    \
	X(OFF, off)                                                                                \
	X(STARTING, starting) /* CC.EN was set: the admin queue goes to the core */                \
	X(ON, on)                                                                                  \
	X(STOPPING, stopping) /* queues are being closed */                                        \
	X(FAILED, failed)     /* CSTS.CFS; until CC.EN is cleared */

enum tl_vfu_device_state {
#define X(upper, lower) TL_VFU_##upper,
	TL_VFU_DEVICE_STATES(X)
#undef X
};

struct tl_vfu_conn {
	struct tl_vfu_group *vg;
	struct nvhi_list link; /* vg->conns */
	struct tl_listen_addr addr;
	char subnqn[TL_NQN_SIZE];
	char hostnqn[TL_NQN_SIZE];
	uint8_t hostid[16];
	char name[64]; /* for logs: "client 12 of /run/x" */
	int sock;
	struct nvhi_source source;
	struct nvhi_vfu_rx rx;
	bool greeted, closed;
	struct nvhi_timer greeting;
	struct nvhi_defer check; /* whether it is over */

	struct tl_vfu_map maps[TL_VFU_MAPS_MAX];
	uint64_t mapped;   /* bytes in all */
	uint32_t last_map; /* where something was found last */
	uint32_t complaints;
	uint8_t config[TL_VFU_CONFIG_SIZE], bar4[TL_VFU_PAGE];
	int irqs[TL_VFU_VECTORS]; /* eventfds, -1 */

	uint32_t state; /* enum tl_vfu_device_state */
	uint64_t cap;
	uint32_t cc, csts, aqa;
	uint64_t asq, acq;
	uint16_t cntlid;
	uint32_t queues_open; /* those that the core still has */
	bool restart;	      /* CC.EN was set again while they were being closed */
	bool resetting;	      /* DEVICE_RESET is answered when they are closed */
	uint16_t reset_id;    /* of that message */
	bool rings;	      /* the client rings the admin queue by messages */
	bool serving;	      /* see data.c */

	int db_fd; /* the page of doorbells */
	uint32_t *db;
	uint32_t *shadow, *eventidx; /* Doorbell Buffer Config, in the client's memory; NULL */
	struct tl_vfu_map *shadow_map, *eventidx_map;
	struct tl_vfu_queue *sqs[TL_VFU_QUEUES_MAX]; /* [0]: admin */
	struct tl_vfu_cq cqs[TL_VFU_QUEUES_MAX];
	uint16_t last_sq; /* the highest there is */
	struct nvhi_poller poller;
	bool polled;
	struct nvhi_defer signal;
	struct nvhi_timer look; /* doorbells of a client that does not wake us */
	uint64_t active_ns;	/* when there was last something to do */

	struct tl_vfu_piece *walked; /* of the command that is being looked at */
	uint8_t *bounce_mem;
	struct tl_vfu_bounce bounces[TL_VFU_BOUNCES];
	struct nvhi_list bounce_free, bounce_waiters;
	uint32_t max_io;
};

struct tl_vfu_group {
	struct tl_vfu *vfu;
	struct tl_poll_group *group;
	struct nvhi_list conns;
	/* To signal interrupts, see describe.c. */
	aio_context_t aio;
	int zero_fd;
	uint32_t signals;
};

struct tl_vfu {
	struct tl_transport transport;
};

static inline struct tl_vfu_queue *tl_vfu_queue_of(struct tl_qpair *qpair)
{
	return nvhi_container_of(qpair, struct tl_vfu_queue, qpair);
}

static inline struct nvh_reactor *tl_vfu_reactor(const struct tl_vfu_conn *conn)
{
	return conn->vg->group->reactor;
}

/* conn.c */
void tl_vfu_conn_accept(struct tl_vfu_group *vg, int sock, const struct tl_listen_addr *addr,
			const char *subnqn, unsigned int number);
/* One log line says why; freed when the core has given all queues back. NULL: the client left. */
void tl_vfu_conn_close(struct tl_vfu_conn *conn, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A queue was released, or the connection closed: is it over? */
void tl_vfu_conn_check(struct tl_vfu_conn *conn);
/* error: errno, 0 for none. */
void tl_vfu_reply(struct tl_vfu_conn *conn, uint16_t msg_id, uint16_t command, int error,
		  const struct iovec *payload, unsigned int iovcnt, int fd);

/* describe.c: answers to messages. 0, or a positive errno for the reply. */
void tl_vfu_describe_init(struct tl_vfu_conn *conn);
void tl_vfu_describe_fini(struct tl_vfu_conn *conn);
int tl_vfu_region_info(struct tl_vfu_conn *conn);
int tl_vfu_irq_info(struct tl_vfu_conn *conn);
int tl_vfu_set_irqs(struct tl_vfu_conn *conn);
void tl_vfu_signal(struct tl_vfu_conn *conn, uint16_t vector);
void tl_vfu_config_read(const struct tl_vfu_conn *conn, uint32_t offset, void *data, uint32_t len);
void tl_vfu_config_write(struct tl_vfu_conn *conn, uint32_t offset, const void *data, uint32_t len);

/* memory.c */
int tl_vfu_map(struct tl_vfu_conn *conn, const struct nvh_vfu_dma_map *map, int fd);
/* 0, an errno, or -1: it is answered when the memory is no longer used. */
int tl_vfu_unmap(struct tl_vfu_conn *conn, const struct nvh_vfu_dma_unmap *unmap);
void tl_vfu_unmap_all(struct tl_vfu_conn *conn);
/* All `len` bytes at `iova` in one piece, held until tl_vfu_put. NULL: they are not the client's. */
uint8_t *tl_vfu_get(struct tl_vfu_conn *conn, uint64_t iova, uint64_t len,
		    struct tl_vfu_map **ret_map);
/* As much of it as lies in one map. */
uint8_t *tl_vfu_get_part(struct tl_vfu_conn *conn, uint64_t iova, uint64_t *len,
			 struct tl_vfu_map **ret_map);
void tl_vfu_put(struct tl_vfu_conn *conn, struct tl_vfu_map *map);

/* device.c */
int tl_vfu_device_init(struct tl_vfu_conn *conn);
void tl_vfu_device_fini(struct tl_vfu_conn *conn);
/* Of registers below the doorbells. false: no access like that. */
bool tl_vfu_reg_read(struct tl_vfu_conn *conn, uint32_t offset, void *data, uint32_t len);
bool tl_vfu_reg_write(struct tl_vfu_conn *conn, uint32_t offset, const void *data, uint32_t len);
/* Fatal to the controller, not to the connection. */
void tl_vfu_device_fail(struct tl_vfu_conn *conn, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* DEVICE_RESET: 0, answered here or later, or an errno. */
int tl_vfu_device_reset(struct tl_vfu_conn *conn);
void tl_vfu_device_close_queues(struct tl_vfu_conn *conn);
void tl_vfu_device_queue_gone(struct tl_vfu_conn *conn);
/* The core took the queue, or did not. */
void tl_vfu_queue_connected(struct tl_vfu_queue *q, const struct nvh_cpl *cpl);

/* admin.c: false: a command for the core. */
bool tl_vfu_admin_exec(struct tl_vfu_req *r);

/* queue.c */
bool tl_vfu_cq_create(struct tl_vfu_conn *conn, uint16_t qid, uint64_t iova, uint32_t entries,
		      unsigned int *ret_status);
void tl_vfu_cq_delete(struct tl_vfu_conn *conn, uint16_t qid);
/* A command that will have no completion. */
void tl_vfu_cq_unreserve(struct tl_vfu_queue *q);
int tl_vfu_queue_create(struct tl_vfu_conn *conn, uint16_t qid, uint16_t cqid, uint64_t iova,
			uint32_t entries, struct tl_vfu_req *creator);
/* Nothing more is fetched; the core ends what is under way, then the queue is freed. */
void tl_vfu_queue_close(struct tl_vfu_queue *q);
/* A command of ours, or one that the core never saw, is answered. */
void tl_vfu_answer(struct tl_vfu_req *r, unsigned int status, uint32_t dw0);
void tl_vfu_complete(struct tl_request *req);
int tl_vfu_connected(struct tl_qpair *qpair, uint32_t entries);
void tl_vfu_disconnect(struct tl_qpair *qpair);
void tl_vfu_mute(struct tl_qpair *qpair, enum tl_mute mute);
void tl_vfu_release(struct tl_qpair *qpair);
void tl_vfu_poll_start(struct tl_vfu_conn *conn);
void tl_vfu_poll_stop(struct tl_vfu_conn *conn);
/* A doorbell that came as a message. */
bool tl_vfu_doorbell(struct tl_vfu_conn *conn, uint32_t offset, uint32_t value);

/* data.c */
int tl_vfu_data_init(struct tl_vfu_conn *conn);
void tl_vfu_data_fini(struct tl_vfu_conn *conn);
/* Finds the command's data and executes it, or has it wait for a bounce buffer. */
void tl_vfu_data_exec(struct tl_vfu_req *r);
/* The core is through: what it read goes to the client; memory is let go. */
void tl_vfu_data_done(struct tl_vfu_req *r);
/* Without executing. */
void tl_vfu_data_forget(struct tl_vfu_queue *q);

#endif
