/*
 * Reading a discovery controller's log: header first, then the entries in chunks, again while
 * GENCTR moves (bounded). And a one-shot that connects a discovery controller, reads and
 * disconnects (Base Specification 2.1 sections 3.1.3.3 and 5.1.12.3.1). Home reactor.
 */
#ifndef NVHI_HOST_DISCOVERY_DISCOVERY_H
#define NVHI_HOST_DISCOVERY_DISCOVERY_H

#include "host/ctrlr/ctrlr.h"

/* ---- the log of a LIVE discovery controller ---------------------------------------------- */

struct nvhi_discovery_log {
	uint64_t genctr;
	uint64_t numrec; /* entries in `entries` */
	const struct nvh_discovery_log_entry
		*entries; /* as on the wire; not checked beyond their number */
};

struct nvhi_discovery_read;
/* err == 0 and log: the whole log of one generation, valid inside the call. Otherwise log is NULL
 * and error says why (-EAGAIN: it changed all the time; -EPROTO: malformed; -EREMOTEIO with cpl).
 * The read is freed when this returns. */
typedef void (*nvhi_discovery_read_fn)(void *arg, const struct nvhi_ctrlr_error *error,
				       const struct nvhi_discovery_log *log);
/* -ENOTCONN, -ENOMEM: done is not called then. */
int nvhi_discovery_read(struct nvhi_ctrlr *ctrlr, nvhi_discovery_read_fn done, void *arg);

/* ---- connect, read, disconnect ----------------------------------------------------------- */

/* opts: as for a controller; discovery is set. One attempt (no_retry) and no keep-alive, whatever
 * opts say. done is called after the controller is gone and everything was freed but the log, which
 * is valid inside the call. -errno as nvhi_ctrlr_create. */
int nvhi_discover(const struct nvhi_ctrlr_opts *opts, nvhi_discovery_read_fn done, void *arg,
		  char *errbuf, size_t errbuf_len);

#endif
