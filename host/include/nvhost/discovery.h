/*
 * Discovery: reading the discovery log page of a discovery controller. Home reactor.
 */
#ifndef NVHOST_DISCOVERY_H
#define NVHOST_DISCOVERY_H

#include <nvhost/ctrlr.h>
#include <nvhost/spec/nvmf.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* One entry, strings trimmed and NUL-terminated; `raw` is the wire's. */
struct nvh_discovery_entry {
	uint8_t trtype, adrfam, subtype, treq;
	uint16_t portid, cntlid, asqsz, eflags;
	char trsvcid[33], subnqn[257], traddr[257];
	const struct nvh_discovery_log_entry *raw;
};
struct nvh_discovery_log_view {
	uint64_t genctr;
	uint64_t nr_entries;
	const struct nvh_discovery_entry *entries; /* valid inside the callback */
};
typedef void (*nvh_discover_fn)(void *arg, int err, const struct nvh_discovery_log_view *log,
				const char *message, const struct nvh_cpl *cpl);

/* Connects a discovery controller (opts->subnqn NULL: the well-known NQN), reads the log in chunks,
 * re-reads while GENCTR moves (bounded), disconnects (unless opts->persistent). Over "pcie" and
 * "vfio-user" there are none: the log is one entry, made of the controller's own Identify. Errors
 * as nvh_connect. */
int nvh_discover(struct nvh_host *host, const struct nvh_connect_opts *opts, nvh_discover_fn done,
		 void *arg, char *errbuf, size_t errbuf_len);
/* The same on a connected discovery controller. */
int nvh_ctrlr_get_discovery_log(struct nvh_ctrlr *ctrlr, nvh_discover_fn done, void *arg);

/* ---- probe: discover and connect in one go ---- */

/* Asked about each NVM subsystem of a log (not: referrals, which are followed, and discovery
 * subsystems). true: connect it with *opts, which are the probe's with the entry's address and NQN and
 * may be changed; strings put there must live until the return. */
typedef bool (*nvh_probe_fn)(void *arg, const struct nvh_discovery_entry *entry,
			     struct nvh_connect_opts *opts);
struct nvh_probe_result {
	int err;		/* 0, or why no log could be read, or -ENOTCONN: none could be connected */
	unsigned int attached;	/* connected now */
	unsigned int already;	/* connected before, with the same parameters */
	unsigned int failed;	/* could not be connected */
	unsigned int failed_logs; /* discovery controllers that could not be read */
	const char *message;	/* of the first failure; "" */
};
typedef void (*nvh_probe_done_fn)(void *arg, const struct nvh_probe_result *result);

/* Reads the log of the discovery controller that opts names (subnqn NULL: the well-known one) and of
 * those it refers to, each once, and connects what `ask` wants (NULL: all), in parallel. Controllers and
 * namespaces announce themselves by nvh_host_events. done (may be NULL) follows when all is decided,
 * never inside; with no_retry that is when each attempt was made once, else only when each is live or
 * given up. Errors of the call as nvh_discover. Home reactor. */
int nvh_probe(struct nvh_host *host, const struct nvh_connect_opts *opts, nvh_probe_fn ask,
	      nvh_probe_done_fn done, void *arg, char *errbuf, size_t errbuf_len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
