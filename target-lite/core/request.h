/*
 * Queue pairs and requests: the seam between a transport and the core. The transport receives a
 * command and all data the host sends with it, then calls tl_request_exec; the core answers by
 * ops->complete, inline or later, always on the queue's reactor. How much data a command moves and
 * which way is what its SGL and opcode say (tl_cmd_transfer); that it fits the command is checked
 * at execution. Buffers: tl_request_buffer tells whether memory can be lent for a read.
 */
#ifndef TL_CORE_REQUEST_H
#define TL_CORE_REQUEST_H

#include "base/fsm.h"
#include "base/spec/nvme_cmd.h"
#include "target-lite/core/target.h"

struct tl_ctrlr;
struct tl_ns;

/* ---- queue pairs --------------------------------------------------------------------------- */

#define TL_QPAIR_STATES(X)                                                                         \
	X(NEW, new) X(CONNECTING, connecting) X(LIVE, live) X(CLOSING, closing) X(CLOSED, closed)

enum tl_qpair_state {
#define X(upper, lower) TL_QPAIR_##upper,
	TL_QPAIR_STATES(X)
#undef X
};

struct tl_qpair {
	struct tl_transport *transport;
	struct tl_poll_group *group;
	struct tl_listener *listener_hint; /* compare only; may be gone */
	struct tl_listen_addr listen_addr; /* the address the host came to */
	char peer[64];                     /* "127.0.0.1:51234" */
	char local[64];                    /* the address it came to, without port */
	uint32_t state;                    /* enum tl_qpair_state */
	struct tl_ctrlr *ctrlr;            /* set when live */
	struct tl_group_subsystem *gs;
	uint16_t qid;
	uint32_t entries;             /* of the submission queue */
	bool sqfc_off;                /* SQ flow control disabled in Connect */
	bool hdr_digest, data_digest; /* the transport's */
	uint16_t sq_head;
	uint32_t outstanding;          /* commands in the core, AERs included */
	struct nvhi_list reqs;         /* struct tl_request by qpair_link: those in the core */
	struct tl_request *fused;      /* the first of a fused pair, waiting for the second */
	struct tl_request *disconnect; /* a Disconnect that waits for the others */
	struct nvhi_list group_link;
	struct nvhi_list ctrlr_link; /* management reactor */
	struct nvhi_msg msg;         /* detach and release */
	struct nvhi_msg disconnect_msg;
	struct tl_ctrlr *granted; /* management reactor: Connect's answer */
	bool disconnect_posted;   /* management reactor */
	bool quench_posted;	  /* management reactor; atomic */
	struct nvhi_msg quench_msg;
	bool fault_dropped;       /* fault_msg is on its way */
	struct nvhi_msg fault_msg;
	uint64_t fault_id; /* what muted it */
	bool left;         /* its Disconnect is answered: the QID is free. Atomic */
	bool attached;     /* on the controller's list (management reactor wrote it) */
};

/* Group reactor. The transport fills transport, group, listen_addr and peer first. */
void tl_qpair_init(struct tl_qpair *qpair);
/* The connection is gone or shall go: no more tl_request_exec. Every request in the core still
 * completes (what cannot be waited for is aborted), then ops->release follows. Idempotent. */
void tl_qpair_close(struct tl_qpair *qpair);
static inline bool tl_qpair_closing(const struct tl_qpair *qpair)
{
	return qpair->state >= TL_QPAIR_CLOSING;
}

/* ---- requests ------------------------------------------------------------------------------ */

enum tl_request_state {
	TL_REQ_FREE,
	TL_REQ_QUEUED, /* held by a paused subsystem */
	TL_REQ_ACTIVE, /* in the core or a backend */
	TL_REQ_PARKED, /* AER, fused first, Disconnect: waits for an event */
	TL_REQ_DONE, /* handed to the transport; the namespace's memory may be lent until the end */
};

struct tl_request {
	/* The transport fills these. */
	struct nvh_cmd cmd;
	struct tl_qpair *qpair;
	struct iovec iov;  /* the buffer: of `xfer_len` bytes; or NULL base when xfer_len is 0 */
	uint32_t xfer_len; /* what the SGL says */
	uint8_t dir;       /* enum nvh_data_dir */
	bool may_lend;     /* iov may be replaced by the backend's own memory (a read) */
	/* The core fills these. */
	uint8_t state; /* enum tl_request_state */
	struct nvh_cpl cpl;
	uint32_t data_len; /* bytes for the host, in iov */
	/* The core's own. */
	struct tl_ns *ns; /* whose outstanding count includes this one */
	struct tl_bdev_io io;
	struct nvhi_list link;       /* queues in the core */
	struct nvhi_list qpair_link; /* qpair->reqs */
	struct nvhi_msg msg;         /* a trip to the management reactor */
	struct tl_request *pair;     /* fused */
	uint32_t step;               /* of a command of several I/Os (copy, DSM, compare) */
	uint16_t first_error;
	uint64_t copied;
	void *scratch; /* a second buffer, freed at the end */
	struct iovec scratch_iov;
	bool abort; /* asked to end early */
	/* target-lite/fault. */
	bool fault_after;     /* completes differently */
	bool fault_done;      /* was executed, its completion waits */
	uint8_t fault_garble; /* enum tl_garble: of the answer; the transport takes it back */
	uint16_t fault_status;
	uint32_t fault_ms;
	uint64_t fault_due, fault_id;
};

/* enum nvh_data_dir: which way the opcode says that data goes. */
uint8_t tl_cmd_direction(const struct nvh_cmd *cmd);
/* What a command moves where an SGL is an offset or the transport's own (TCP): bytes, and direction
 * by opcode. Returns 0 or an NVMe status (SCT << 8 | SC) for a descriptor that is neither. */
unsigned int tl_cmd_transfer(const struct nvh_cmd *cmd, uint32_t *ret_len, uint8_t *ret_dir);
/*
 * Before a command's data is asked for: what is already known to be refused need not be fetched.
 * 0, or the status to fail it with. May set *len to 0: the command takes no data.
 */
unsigned int tl_cmd_precheck(const struct tl_qpair *qpair, const struct nvh_cmd *cmd,
			     uint32_t *len);
/* Whether this read can do without a buffer of the transport's (the backend will lend memory), or
 * this write's data need only live until tl_request_exec returns. */
bool tl_request_is_inline(const struct tl_qpair *qpair, const struct nvh_cmd *cmd);
void tl_request_exec(struct tl_request *req);
/* Completes without executing: a transport's own error. */
void tl_request_fail(struct tl_request *req, unsigned int status);
/* SQHD of a completed request: the last thing before its response is built. */
void tl_request_put_sqhd(struct tl_request *req);
/* The transport is through with a completed request (sent, or the connection is gone). */
void tl_request_end(struct tl_request *req);

#endif
