/*
 * Admin commands: submitted with a deadline to the controller's admin queue, waiting in order while
 * it is full, aborted when late, and the controller reset when even that does not help. Home
 * reactor.
 */
#ifndef NVHI_HOST_CTRLR_ADMIN_H
#define NVHI_HOST_CTRLR_ADMIN_H

#include "base/list.h"
#include "base/reactor.h"
#include "host/transport.h"

struct nvhi_ctrlr;
struct nvhi_admin;

/* A command that shall be aborted; embedded in what waits for it. */
struct nvhi_abort {
	uint16_t sqid, cid;
	void (*sent)(struct nvhi_abort *abort); /* it was; the object is free again */
	struct nvhi_list link;                  /* empty: not queued */
};

/* err < 0: no completion came (-ETIMEDOUT: not in time; -ENOTCONN, -ECANCELED...: the connection
 * went); err == 0: read the status. req.transferred tells the bytes that moved. May submit again.
 */
typedef void (*nvhi_admin_fn)(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl);

/* Owned by the submitter, lent from submit to done; zero it once. Fill req.cmd (opcode, NSID,
 * dwords) and done, then nvhi_admin_submit. */
struct nvhi_admin {
	struct nvhi_req req; /* req.cmd is the submitter's; the rest is admin.c's */
	struct iovec iov;    /* admin.c's */
	nvhi_admin_fn done;
	uint32_t timeout_ms; /* 0: the controller's admin timeout */
	uint8_t retries;     /* times a status without DNR is tried again, after its CRD; 0: none */
	bool short_ok;       /* fewer bytes than `len` are no error */
	/* admin.c's */
	bool urgent, timed_out;
	uint8_t stage, tries;
	struct nvhi_ctrlr *ctrlr;
	struct nvhi_timer timer;
	struct nvhi_list link;
	struct nvhi_abort abort;
};

/* Sends admin->req.cmd with a flat buffer (data NULL and len 0: none; the direction is that of the
 * opcode, of FCTYPE for Fabrics commands). `done` is set before. -ENOTCONN when the controller is
 * not LIVE; -EINVAL when len is 0 for data or above max_transfer. Never fails for want of room. */
int nvhi_admin_submit(struct nvhi_ctrlr *ctrlr, struct nvhi_admin *admin, void *data, uint32_t len);

#endif
