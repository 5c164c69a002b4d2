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
 * re-reads while GENCTR moves (bounded), disconnects (unless opts->persistent). Errors as
 * nvh_connect. */
int nvh_discover(struct nvh_host *host, const struct nvh_connect_opts *opts, nvh_discover_fn done,
		 void *arg, char *errbuf, size_t errbuf_len);
/* The same on a connected discovery controller. */
int nvh_ctrlr_get_discovery_log(struct nvh_ctrlr *ctrlr, nvh_discover_fn done, void *arg);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
