/*
 * A controller: one host's association with a subsystem. Its registers, features, asynchronous
 * events and keep-alive live on the reactor of its admin queue; its list of queues, its birth
 * (Connect) and its end are the management reactor's. I/O queues may live on other reactors and
 * read only what never changes or is marked atomic.
 */
#ifndef TL_CORE_CTRLR_H
#define TL_CORE_CTRLR_H

#include <stdatomic.h>

#include "target-lite/core/request.h"
#include "target-lite/core/subsystem.h"

#define TL_CTRLR_STATES(X) X(LIVE, live) X(DISCONNECTING, disconnecting)

enum tl_ctrlr_state {
#define X(upper, lower) TL_CTRLR_##upper,
	TL_CTRLR_STATES(X)
#undef X
};

#define TL_AER_SLOTS         4
#define TL_CHANGED_NS_MAX    1024
#define TL_ERROR_LOG_ENTRIES 32

/* Bits of tl_ctrlr.events: what the management reactor wants the host to be told. */
enum {
	TL_EVENT_NS_CHANGED = 1u << 0,
	TL_EVENT_ANA_CHANGED = 1u << 1,
	TL_EVENT_DISCOVERY_CHANGED = 1u << 2,
	TL_EVENT_CCR = 1u << 3,
	TL_EVENT_COUNT = 4,
};

struct tl_error_entry {
	uint64_t count, lba;
	uint32_t nsid;
	uint16_t sqid, cid, status;
	uint8_t opc;
};

/* What one poll group counts for a controller: written by it alone (relaxed), read by any. */
struct tl_ctrlr_group {
	uint64_t commands; /* for traffic-based keep-alive */
	uint64_t reads, writes, read_bytes, write_bytes;
	uint8_t pad[24];
};

struct tl_ctrlr {
	/* Never changes after Connect. */
	struct tl_subsystem *subsystem;
	struct tl_subsystem_listener *listener; /* NULL for discovery without its own listener */
	struct tl_transport *transport;
	struct tl_poll_group *group; /* of the admin queue */
	char name[48];               /* for logs: the last part of the NQN and the CNTLID */
	uint16_t cntlid;
	bool discovery;
	uint16_t crdt[3];
	char hostnqn[TL_NQN_SIZE];
	uint8_t hostid[16];
	uint8_t ciu; /* of this instance; 0 where no Cross-Controller Reset is offered */
	uint64_t cirn;
	uint32_t max_io_queues;

	/* The management reactor's. */
	uint32_t state;          /* enum tl_ctrlr_state */
	struct nvhi_list qpairs; /* struct tl_qpair by ctrlr_link, attached ones */
	struct tl_qpair *admin;  /* NULL once it is gone */
	uint32_t io_qpairs;
	struct nvhi_list link; /* subsystem->ctrlrs */
	bool quiescing;        /* I/O queues are being closed for a reset or shutdown */
	struct nvhi_timer quench_timer; /* what is still held below dies then */
	struct nvhi_msg quiesce_msg, quiesced_msg, bury_msg;

	/* The admin reactor's. */
	uint64_t cap;
	uint32_t cc, csts;
	bool quiesce_pending; /* CC said stop; CSTS follows when the I/O queues are gone */
	uint32_t kato_ms;     /* 0: off; atomic for the management reactor */
	uint64_t kato_seen;
	bool kato_grace; /* the timer was late itself; it runs a little longer, once */
	struct nvhi_timer kato_timer;
	uint32_t aen_config;
	uint32_t nr_queues; /* granted, 0: not asked */
	uint8_t acre;
	struct nvhi_list aers; /* struct tl_request by link */
	uint32_t aer_count;
	uint32_t aen_pending, aen_masked; /* TL_EVENT_*: to be sent; sent and not read yet */
	struct nvhi_msg event_msg;
	struct nvhi_msg kill_msg;
	struct tl_error_entry errors[TL_ERROR_LOG_ENTRIES];
	uint64_t error_count;
	atomic_flag error_lock; /* the two above are written by any queue's reactor */
	uint32_t temp_thresh, error_recovery, arbitration, power; /* features 04h, 05h, 01h, 02h */

	/* Written while every group is paused, read by the admin reactor. */
	uint32_t changed_ns[TL_CHANGED_NS_MAX];
	uint32_t changed_ns_count; /* above the maximum: the list overflowed */

	/* Crossing threads. */
	atomic_uint events;  /* TL_EVENT_* posted and not yet taken */
	atomic_bool enabled; /* CSTS.RDY */
	atomic_bool dying;
	struct tl_ctrlr_group *groups; /* by poll group */
};

/* Management reactor: closes every queue; the controller is freed when the last is gone. */
void tl_ctrlr_disconnect(struct tl_ctrlr *ctrlr);
/* Management reactor: what its queues still hold is executed no more, after so many ms. */
void tl_ctrlr_quench_after(struct tl_ctrlr *ctrlr, uint32_t ms);
/* Management reactor: asks the admin reactor to send these TL_EVENT_*. */
void tl_ctrlr_post_event(struct tl_ctrlr *ctrlr, unsigned int events);

#endif
