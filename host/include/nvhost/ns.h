/*
 * Namespaces: one thing with one or many paths. Home reactor, except where said.
 */
#ifndef NVHOST_NS_H
#define NVHOST_NS_H

#include <nvhost/host.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct nvh_ns *nvh_ns_next(struct nvh_host *host, struct nvh_ns *prev); /* NULL: first */
/* By name ("nvh0n1"), "NQN:NSID" (NSID after the last colon), "uuid.<UUID>", "eui.<HEX>" (NGUID or
 * EUI64), the last two with or without udev's "nvme-" before. NULL: none. */
struct nvh_ns *nvh_ns_find(struct nvh_host *host, const char *name);

/* Set size before the call: only so many bytes are written. */
struct nvh_ns_info {
	size_t size;
	char name[48];		/* "nvh0n1", stable across reconnects */
	char subnqn[224];
	uint32_t nsid;
	uint64_t nr_blocks;
	uint32_t block_size;	/* bytes of data in a block */
	uint32_t metadata_size; /* bytes of metadata in a block */
	uint8_t csi;		/* command set; I/O only where it is 0 (NVM) */
	bool io_supported;	/* false: command set or format that is never sent I/O */
	bool read_only;
	bool has_uuid, has_nguid, has_eui64;
	uint8_t uuid[16], nguid[16], eui64[8];
	bool write_zeroes, dsm, compare, copy, verify, volatile_cache;
	bool write_zeroes_deac; /* DLFEAT: deallocated blocks read as zeroes and DEAC is supported */
	uint32_t max_transfer;	/* bytes; larger I/O is split */
	uint32_t optimal_io;	/* bytes, 0: not told */
	unsigned int nr_paths, nr_live_paths;
};
/* Any thread: a consistent snapshot. */
void nvh_ns_info(const struct nvh_ns *ns, struct nvh_ns_info *ret_info);
/* Keeps the object valid after removal. Any thread. */
void nvh_ns_get(struct nvh_ns *ns);
void nvh_ns_put(struct nvh_ns *ns);

/* Whether a path has an I/O queue on this reactor (the controller may grant fewer queues than there
 * are reactors: the first of the host's reactors get them). Any thread, while the host lives. */
bool nvh_ns_reactor_usable(const struct nvh_ns *ns, const struct nvh_reactor *reactor);

/* The path-selection policy of the namespace's subsystem: "latency", "round-robin", "queue-depth",
 * "numa". Static text. */
const char *nvh_ns_policy(const struct nvh_ns *ns);
/* Sets it for all namespaces of a connected subsystem, for the next I/O of each channel. -EINVAL: no such
 * policy; -ENOENT: no such subsystem. Not sent to the controller: it is the host's choice. */
int nvh_subsys_set_policy(struct nvh_host *host, const char *subnqn, const char *policy);

/* What I/O does that finds no usable path, whatever took the paths away (connections lost, ANA states,
 * statuses that refuse each command): "fail": it ends at once; "queue:SECONDS": it waits until the
 * namespace was so long without one; "queue": as long as it has a controller; NULL: until
 * ctrl_loss_tmo. At most max_bytes of it wait in a namespace, more is refused with -ENOBUFS (0: no
 * limit). Takes effect for what waits now, too. For all namespaces of a subsystem, or for one.
 * -EINVAL: no such word; -ENOENT: no such subsystem. */
int nvh_subsys_set_no_path(struct nvh_host *host, const char *subnqn, const char *no_path,
			   uint64_t max_bytes);
int nvh_ns_set_no_path(struct nvh_ns *ns, const char *no_path, uint64_t max_bytes);
/* Hedged reads: a read (16 KiB at most) that is older than nearly all reads of its path take is sent a
 * second time over another one, and the first answer counts. At most 2 % extra reads; each read is
 * copied once more. -ENOENT: no such subsystem. */
int nvh_subsys_set_hedge(struct nvh_host *host, const char *subnqn, bool on);
struct nvh_hedge_info {
	size_t size;
	bool on;
	uint64_t reads; /* that might have been sent twice */
	uint64_t sent;	/* second copies */
	uint64_t won;	/* that answered first */
};
/* Set size before the call: only so many bytes are written. */
void nvh_ns_hedge_info(const struct nvh_ns *ns, struct nvh_hedge_info *ret_info);
/* Nanoseconds that I/O of this namespace waits for a path; UINT64_MAX: as long as it has a controller. */
uint64_t nvh_ns_no_path_ns(const struct nvh_ns *ns);

/* Set size before the call: only so many bytes are written. */
struct nvh_path_info {
	size_t size;
	struct nvh_ctrlr *ctrlr;
	char ctrlr_name[32];
	const char *state;	/* "live"; "suspect" (quiet for too long) or "probation" (back after a row of
				 * losses) where a reactor has an open channel and holds it for that, and sends
				 * new I/O over others; "connecting", "failed"... */
	const char *ana_state;	/* "optimized" where the controller reports no ANA; "unknown" where its ANA
				 * log was not read */
	uint32_t ana_group;
	uint64_t inflight, ios, errors;
};
/* The index-th path. -ENOENT past the end. */
int nvh_ns_path_info(const struct nvh_ns *ns, unsigned int index, struct nvh_path_info *ret_info);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
