/*
 * The contract that fabric/tcp, fabric/rdma, pcie/ and the simulated transports implement: a
 * controller's access (struct nvhi_tctrlr), its queue pairs (struct nvhi_qpair) and commands in
 * flight (struct nvhi_req). A transport sees this file, never the host above it.
 *
 * Threads: a qpair lives on one reactor, named at creation; every call on it is made there and every
 * callback comes there. A tctrlr lives on the controller's home reactor but is read by its qpairs.
 *
 * Guarantees the layers above build on:
 *  - done() of a request comes exactly once, never inside submit(), and only when the transport can
 *    no longer touch the caller's memory for it.
 *  - err == 0: cpl is the controller's completion (its status may be an error). err < 0: no
 *    completion came; the command may or may not have been executed.
 *  - a read-like command whose bytes did not all arrive never completes with err == 0 and a success
 *    status: that is a protocol error, the qpair is lost.
 */
#ifndef NVHI_HOST_TRANSPORT_H
#define NVHI_HOST_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/iov.h"
#include "base/list.h"
#include "base/reactor.h"
#include "base/spec/nvme.h"
#include "base/spec/nvmf.h"
#include "base/stream.h"
#include "fabric/addr.h"

struct nvhi_qpair;
struct nvhi_req;
struct nvhi_tctrlr;
struct nvhi_transport;

/* ---- a command in flight ----------------------------------------------------------------- */

enum nvhi_dir {
	NVHI_DIR_NONE,
	NVHI_DIR_TO_HOST,	/* read-like */
	NVHI_DIR_TO_CTRLR,	/* write-like */
};

typedef void (*nvhi_req_done_fn)(struct nvhi_req *req, int err, const struct nvh_cpl *cpl);

/* Owned by the submitter, lent to the transport from submit() to done(). The submitter fills the
 * upper part; the transport sets cmd.cid and the data pointer of cmd, and may use `priv`. */
struct nvhi_req {
	struct nvh_cmd cmd;		/* everything but CID, PSDT bits and data pointer */
	struct nvhi_iov_cursor data;	/* where the transfer starts in the caller's memory */
	uint32_t len;			/* bytes to transfer, 0 when dir is NONE */
	uint8_t dir;			/* enum nvhi_dir */
	bool short_ok;			/* passthrough of unknown length: fewer bytes are no error */
	nvhi_req_done_fn done;
	uint64_t submit_ns;		/* set by submit(): nvhi_reactor_now */
	uint32_t transferred;		/* set before done(): data bytes that moved */
	/* the transport's */
	uint16_t slot;
	bool sent;			/* in done(): some byte may have left, so the outcome is unknown on loss */
	struct nvhi_list link;
};

/* ---- controller access ------------------------------------------------------------------- */

/* What of Identify is not to be believed of this device. */
enum nvhi_quirk {
	NVHI_QUIRK_NO_SUBNQN = 1u << 0,	/* SUBNQN is not unique: one is made up */
	NVHI_QUIRK_NO_IDS = 1u << 1,	/* nor are EUI-64, NGUID and UUID */
	NVHI_QUIRK_NO_WZ = 1u << 2,	/* Write Zeroes is slow or wrong */
};

/* What one connection to a subsystem needs to know, whatever the transport. Strings are copied. */
struct nvhi_tctrlr_opts {
	struct nvhi_addr addr;		/* trtype, traddr, trsvcid, adrfam */
	struct nvhi_addr host_addr;	/* --host-traddr; trtype NONE: any */
	char host_iface[16];
	char subnqn[NVH_NQN_SIZE];
	char hostnqn[NVH_NQN_SIZE];
	uint8_t hostid[16];
	uint32_t kato_ms;		/* 0: none */
	int tos;			/* -1: leave */
	bool hdr_digest, data_digest;
	bool disable_sqflow;
	uint8_t maxr2t;			/* TCP: R2Ts a command may have outstanding, 16 at most; 0: 1, since
					 * older Linux targets refuse a host that allows more */
	uint32_t connect_timeout_ms;	/* each of transport connect, handshake, Connect command */
	struct nvhi_net *net;		/* where byte streams come from */
	const char *name;		/* "nvh0": for logs */
	char *why;			/* where tctrlr_open says in words why it failed; NULL: nobody asks */
	size_t why_len;
};

struct nvhi_tctrlr {
	const struct nvhi_transport *transport;
	struct nvhi_tctrlr_opts opts;
	/* Filled by the layer above once Identify Controller was read; the transport obeys them. */
	uint32_t ioccsz;		/* bytes of an I/O capsule's in-capsule data (0 before identify) */
	uint16_t icdoff;		/* bytes */
	uint32_t sgls;			/* Identify SGLS */
	uint16_t cntlid;		/* of the admin Connect; used by I/O queue Connects */
	/* Set by the layer above, NULL: nobody asks. Called by the transport when it hears that a
	 * controller that was lost is within reach again. Home reactor, never from inside a call. */
	void (*on_link)(void *arg);
	void *on_link_arg;
	bool stopped;			/* the transport's, once the admin queue is revoked: CC.EN = 0, and
					 * CSTS.RDY was read back as 0: no command of it is alive */
	uint32_t quirks;		/* the transport's: enum nvhi_quirk */
	const struct nvh_id_ctrlr *id;	/* Identify Controller itself; NULL before */
};

/* ---- queue pairs ------------------------------------------------------------------------- */

/* Told on the qpair's reactor, never from inside a call into the transport. */
struct nvhi_qpair_events {
	/* The answer to connect(): 0 and the queue takes commands; or -errno. -EPROTO / -EACCES...: with
	 * cpl when it was the Connect command that failed, NULL otherwise; qpair->why says it in words. Not
	 * called any more when revoke() came first. */
	void (*connected)(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl);
	/* A live queue broke (once). Requests stay lent until revoke(). `why` is for the log. */
	void (*lost)(struct nvhi_qpair *qpair, int err, const char *why);
	/* The answer to revoke(): every request lent was given back with done(-ECANCELED or the loss's
	 * error) before this, and no copy is pending. The qpair may now be destroyed. */
	void (*revoked)(struct nvhi_qpair *qpair);
};

struct nvhi_qpair_opts {
	struct nvh_reactor *reactor;
	uint16_t qid;			/* 0: admin */
	uint16_t entries;		/* SQ size in entries; usable depth is entries - 1 */
	const struct nvhi_qpair_events *events;
};

struct nvhi_qpair {
	struct nvhi_tctrlr *tctrlr;
	const struct nvhi_qpair_events *events;
	struct nvh_reactor *reactor;
	uint16_t qid;
	uint16_t entries;
	uint16_t depth;			/* commands that may be in flight at once */
	uint16_t inflight;
	char name[32];			/* "nvh0/q2": for logs */
	char why[192];			/* after a failed connect or a loss: what happened */
	uint64_t last_rx_ns;		/* when the peer was last heard (traffic-based keep-alive) */
	uint64_t oldest_submit_ns;	/* unused by transports; for the watchdog */
};

/* ---- registers (properties) --------------------------------------------------------------- */

struct nvhi_reg_op;
typedef void (*nvhi_reg_done_fn)(struct nvhi_reg_op *op, int err, const struct nvh_cpl *cpl);
struct nvhi_reg_op {
	uint32_t offset;
	uint8_t size;			/* 4 or 8 */
	uint64_t value;			/* in for set, out for get */
	nvhi_reg_done_fn done;
	/* the transport's: Property Get/Set travel as commands */
	struct nvhi_req req;
	struct nvhi_qpair *qpair;
	struct nvhi_defer defer;
	int err;
};

/* ---- the table ---------------------------------------------------------------------------- */

struct nvhi_transport {
	const char *name;		/* "tcp" */
	enum nvh_trtype trtype;
	uint32_t max_transfer;		/* the transport's own cap a command, 0: none */
	bool fabrics;			/* Connect/Property/Disconnect exist; CNTLID comes from Connect */

	/* Opens access: for fabrics only memory, for PCIe the device. Completes inline.
	 * -ENODEV, -EINVAL (opts not for this transport), -ENOMEM. */
	int (*tctrlr_open)(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr);
	/* All qpairs must be destroyed. */
	void (*tctrlr_close)(struct nvhi_tctrlr *tctrlr);

	/* Allocates everything the queue will ever need. -ENOMEM, -EINVAL. */
	int (*qpair_create)(struct nvhi_tctrlr *tctrlr, const struct nvhi_qpair_opts *opts,
			    struct nvhi_qpair **ret_qpair);
	/* Starts connect -> handshake -> (fabrics Connect); bounded by connect_timeout_ms. The outcome is
	 * events->connected, never inline. Once per qpair. */
	void (*qpair_connect)(struct nvhi_qpair *qpair);
	/* Lends a request; the batch leaves at the end of the reactor's turn. -EAGAIN: queue full
	 * (inflight == depth); -ENOTCONN: not live (lost or not connected). Nothing is lent then. */
	int (*submit)(struct nvhi_qpair *qpair, struct nvhi_req *req);
	/* Takes every lent request back; allowed in any state, once; ends in events->revoked. After the
	 * call no byte of a queued command may reach the peer. */
	void (*revoke)(struct nvhi_qpair *qpair);
	/* After revoked, or never connected. Not from within a callback of this qpair other than revoked. */
	void (*qpair_destroy)(struct nvhi_qpair *qpair);

	/* On the admin qpair. Outcome by op->done, never inline. */
	void (*reg_get)(struct nvhi_qpair *admin, struct nvhi_reg_op *op);
	void (*reg_set)(struct nvhi_qpair *admin, struct nvhi_reg_op *op);

	/* Makes application memory known (DMA map, MR). A success with nothing to do for TCP. */
	int (*mem_register)(struct nvhi_tctrlr *tctrlr, void *addr, size_t len);
	void (*mem_unregister)(struct nvhi_tctrlr *tctrlr, void *addr, size_t len);
	/* Progress of the connection, for the watchdog. -EOPNOTSUPP where there is none. */
	int (*info)(struct nvhi_qpair *qpair, struct nvhi_stream_info *ret_info);
	/* Text of local and peer address in use, for listings. "" when not connected. */
	void (*names)(struct nvhi_qpair *qpair, char *local, size_t local_len, char *peer,
		      size_t peer_len);
};

/* The one table that names the transports (host/transport.c). NULL when not built in. */
const struct nvhi_transport *nvhi_transport_by_type(enum nvh_trtype trtype);

#endif
