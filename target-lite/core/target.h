/*
 * The target: transports and their listeners, subsystems, poll groups, referrals. Pure logic: no
 * syscall, no clock of its own. Everything here is configured on the management reactor (the
 * first one); each poll group lives on its own reactor and reads configuration that changes only
 * while every group has acknowledged a pause (core/subsystem.h).
 */
#ifndef TL_CORE_TARGET_H
#define TL_CORE_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/reactor.h"
#include "target-lite/backend/bdev.h"

#define TL_NQN_MAX       223 /* bytes without the NUL */
#define TL_NQN_SIZE      224
#define TL_DISCOVERY_NQN "nqn.2014-08.org.nvmexpress.discovery"

struct tl_target;
struct tl_subsystem;
struct tl_qpair;
struct tl_request;
struct tl_listener;
struct tl_transport;
struct tl_poll_group;

/* Fires once, on the management reactor, never inside the call that took it. err: 0 or -errno. */
typedef void (*tl_done_fn)(void *arg, int err);

/* ---- addresses ----------------------------------------------------------------------------- */

enum tl_trtype { /* values of the discovery log's TRTYPE */
		 TL_TRTYPE_RDMA = 1,
		 TL_TRTYPE_TCP = 3,
		 TL_TRTYPE_VFIOUSER = 1024, /* not on the wire */
};
enum tl_adrfam {
	TL_ADRFAM_IPV4 = 1,
	TL_ADRFAM_IPV6 = 2,
};

struct tl_listen_addr {
	enum tl_trtype trtype;
	enum tl_adrfam adrfam;
	char traddr[257]; /* numeric */
	char trsvcid[33]; /* decimal port; "0" picks one */
};
/* "TCP", "RDMA", "VFIOUSER" as SPDK prints them. */
const char *tl_trtype_name(enum tl_trtype trtype);
/* "IPv4", "IPv6" as SPDK prints them. */
const char *tl_adrfam_name(enum tl_adrfam adrfam);
/* Case-insensitive. -EINVAL. */
int tl_trtype_parse(const char *text, enum tl_trtype *ret_trtype);
int tl_adrfam_parse(const char *text, enum tl_adrfam *ret_adrfam);
/* -EINVAL: no port, or no address of its family. */
int tl_listen_sockaddr(const struct tl_listen_addr *addr, struct sockaddr_storage *ret_sa,
		       socklen_t *ret_len);
uint16_t tl_sockaddr_port(const struct sockaddr_storage *sa);
bool tl_listen_addr_equal(const struct tl_listen_addr *a, const struct tl_listen_addr *b);
/* Whether `nqn` has the form the specification asks for (length, "nqn.yyyy-mm." or uuid form). */
bool tl_nqn_valid(const char *nqn);

/* ---- transports ---------------------------------------------------------------------------- */

struct tl_transport_opts {
	uint32_t max_queue_depth;         /* 128 */
	uint32_t max_io_qpairs_per_ctrlr; /* 127 */
	uint32_t max_aq_depth;            /* 128 */
	uint32_t in_capsule_data_size;    /* bytes, 4096 */
	uint32_t max_io_size;             /* bytes, 131072: gives MDTS and the buffers' size */
	uint32_t io_unit_size;            /* bytes, 131072: kept for listings */
	uint32_t num_shared_buffers;      /* of max_io_size, a poll group: 511 */
	uint32_t buf_cache_size;          /* kept for listings */
	uint32_t iobuf_large_cache_size;  /* likewise, as the next three */
	uint32_t ack_timeout, data_wr_pool_size;
	bool disable_command_passthru;
	uint32_t acceptor_backlog;  /* 100 */
	uint32_t abort_timeout_sec; /* 1 */
	uint32_t kas;               /* units of 100 ms, 1: KATO is taken to 100 ms */
	uint32_t min_kato;          /* ms, 0: a shorter KATO is raised to this */
	uint32_t sock_priority;
	uint32_t control_msg_num;
	bool c2h_success;         /* true: C2HData may carry SUCCESS (where the spec allows it) */
	bool dif_insert_or_strip; /* only false */
	bool zcopy;               /* kept for listings */
	uint32_t r2t_size;        /* TCP: bytes an R2T asks for at most; 0: all of a command */
	uint32_t handshake_ms;    /* connection to Connect done: 10000 */
	uint32_t stall_ms;        /* a peer that takes no byte for so long is dropped: 30000 */
	uint32_t max_srq_depth;   /* RDMA: entries of a shared receive queue, 1024 */
	uint32_t num_cqe;         /* RDMA: entries of a completion queue, 4096 */
	bool no_srq;              /* RDMA: each queue pair has its own receive queue */
};
void tl_transport_opts_default(struct tl_transport_opts *opts);

/* What a queue pair's transport leaves undone (target-lite/fault). */
enum tl_mute {
	TL_MUTE_NOTHING,
	TL_MUTE_READING,
	TL_MUTE_ALL, /* neither reads nor sends */
};

/* One counter of a transport in a poll group; `device` is NULL where it has none. */
typedef void (*tl_stat_fn)(void *arg, const char *device, const char *name, uint64_t value);

/* What is wrong with the answer to a command (target-lite/fault). */
enum tl_garble {
	TL_GARBLE_NONE,
	TL_GARBLE_HDR_DIGEST,
	TL_GARBLE_DATA_DIGEST,
	/* The PDU: */
	TL_GARBLE_TYPE, /* one that does not exist */
	TL_GARBLE_HLEN,
	TL_GARBLE_PLEN, /* 4 GiB */
	TL_GARBLE_PDO,
	TL_GARBLE_CCCID, /* of no command */
	TL_GARBLE_TTAG,  /* an R2T for data that nobody waits for */
	TL_GARBLE_R2T,   /* an R2T beyond the command's data */
};

/* What a transport implements. */
struct tl_transport_ops {
	enum tl_trtype trtype;
	/* Management reactor; synchronous. Binds and begins to accept; sets listener->addr.trsvcid
	 * when it was 0. -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL, -EACCES... */
	int (*listen)(struct tl_transport *transport, struct tl_listener *listener);
	void (*unlisten)(struct tl_transport *transport, struct tl_listener *listener);
	/* Group reactor, at start and end of each poll group. */
	int (*group_start)(struct tl_transport *transport, struct tl_poll_group *group);
	void (*group_stop)(struct tl_transport *transport, struct tl_poll_group *group);
	/* The request is complete: cpl is filled (but for SQHD), data of data_len bytes is in iov.
	 * On the qpair's reactor, often inside tl_request_exec. The transport ends it by
	 * tl_request_end. */
	void (*complete)(struct tl_request *req);
	/* Connect was accepted: at most `entries` commands will be outstanding. May fail: -ENOMEM.
	 */
	int (*connected)(struct tl_qpair *qpair, uint32_t entries);
	/* Close the connection; the transport calls tl_qpair_close, perhaps later. Qpair's reactor.
	 */
	void (*disconnect)(struct tl_qpair *qpair);
	/* The same, nothing more is sent and the peer sees a reset. May be NULL. */
	void (*reset)(struct tl_qpair *qpair);
	/* The connection stays. Also inside tl_request_exec (but for NOTHING). May be NULL. */
	void (*mute)(struct tl_qpair *qpair, enum tl_mute mute);
	/* Nothing refers to the qpair any more: free it. Qpair's reactor. */
	void (*release)(struct tl_qpair *qpair);
	/* Counters of one group, device by device. Management reactor. May be NULL: it has none. */
	void (*stats)(struct tl_transport *transport, struct tl_poll_group *group, tl_stat_fn fn,
		      void *arg);
	/* Frees the transport; no listener, group or qpair is left. Management reactor. */
	void (*destroy)(struct tl_transport *transport);
};

struct tl_transport {
	const struct tl_transport_ops *ops;
	struct tl_target *target;
	struct tl_transport_opts opts;
	uint32_t sgls;         /* Identify Controller: SGL descriptors it takes (NVH_SGLS_*) */
	uint8_t msdbd;         /* and how many of them a command may have */
	uint32_t slot;         /* in tl_poll_group.transport_data */
	struct nvhi_list link; /* target->transports */
};

/* An address that is listened on; shared by the subsystems that have it. */
struct tl_listener {
	struct tl_transport *transport;
	struct tl_listen_addr addr;
	uint32_t users; /* subsystem listeners that refer to it */
	uint16_t portid;
	uint8_t rdma_prtype;   /* RDMA: provider type for the discovery log (NVH_RDMA_PRTYPE_*) */
	struct nvhi_list link; /* target->listeners */
	void *transport_data;  /* the transport's */
};

/* ---- poll groups --------------------------------------------------------------------------- */

/* Counters; written by the group's thread, read by anyone (relaxed). */
struct tl_group_stats {
	uint32_t admin_qpairs, io_qpairs;                 /* ever */
	uint32_t current_admin_qpairs, current_io_qpairs; /* now */
	uint32_t current_unassociated_qpairs;             /* connections before their Connect */
	uint64_t completed_io;
};

struct tl_poll_group {
	struct tl_target *target;
	struct nvh_reactor *reactor;
	uint32_t index;
	char name[32]; /* "nvmf_tgt_poll_group_000" as SPDK names them */
	struct tl_bdev_channel channel;
	struct nvhi_list qpairs; /* struct tl_qpair by group_link */
	struct tl_group_stats stats;
	void *transport_data[4]; /* by transport->slot; NULL: that transport could not start here */
	bool stopping, stopped;
	struct tl_fault_group *faults;      /* NULL unless there are rules: the I/O path's branch */
	struct tl_fault_group *fault_store; /* the same, once there were any */
	struct nvhi_msg msg;
};

/* ---- the target ---------------------------------------------------------------------------- */

struct tl_target_opts {
	const char *name; /* "nvmf_tgt" */
	bool tbkas;       /* advertise traffic-based keep-alive */
	/* Fills bytes with randomness (UUIDs, discovery); injected so that worlds replay. */
	void (*random)(void *buf, size_t len);
};

struct tl_referral {
	struct tl_listen_addr addr;
	char subnqn[TL_NQN_SIZE];
	bool secure_channel;
	struct nvhi_list link;
};

struct tl_target {
	struct tl_target_opts opts;
	struct nvh_reactor *mgmt; /* groups[0].reactor */
	struct tl_poll_group *groups;
	uint32_t group_count;
	uint32_t next_group;         /* where the next connection goes */
	struct nvhi_list transports; /* struct tl_transport */
	struct nvhi_list listeners;  /* struct tl_listener */
	struct nvhi_list subsystems; /* struct tl_subsystem, the discovery subsystem first */
	struct nvhi_list referrals;  /* struct tl_referral */
	struct nvhi_list faults;     /* struct tl_fault */
	uint32_t fault_count;
	uint64_t fault_last; /* the last id given */
	struct tl_bdevs bdevs;
	uint64_t genctr;  /* of the discovery log */
	uint16_t crdt[3]; /* units of 100 ms */
	uint16_t next_portid;
	bool stopping;
	uint32_t groups_running;
	tl_done_fn stopped;
	void *stopped_arg;
	struct nvhi_msg msg;
};

/* One poll group a reactor; reactors[0] manages. Creates the discovery subsystem, active. Before
 * the reactors run, or on the management reactor when all of them are the same. */
int tl_target_create(const struct tl_target_opts *opts, struct nvh_reactor *const *reactors,
		     uint32_t count, struct tl_target **ret_target);
/* Closes all connections, deletes all subsystems and bdevs; then done. */
void tl_target_stop(struct tl_target *target, tl_done_fn done, void *arg);
/* After tl_target_stop's done. */
void tl_target_destroy(struct tl_target *target);

/* Lists a transport made by its constructor (tl_tcp_create). -EEXIST. Starts it in every group. */
int tl_target_add_transport(struct tl_target *target, struct tl_transport *transport);
struct tl_transport *tl_target_find_transport(struct tl_target *target, enum tl_trtype trtype);
struct tl_subsystem *tl_target_find_subsystem(struct tl_target *target, const char *nqn);
/* The group that takes the next connection (round robin). */
struct tl_poll_group *tl_target_pick_group(struct tl_target *target);

/* Adds to, or takes from, the discovery log; sends the notices. -EEXIST, -ENOENT, -EINVAL. */
int tl_target_add_referral(struct tl_target *target, const struct tl_referral *referral);
int tl_target_remove_referral(struct tl_target *target, const struct tl_listen_addr *addr,
			      const char *subnqn);
/* Command Retry Delay times, units of 100 ms; for controllers that are created from now on. */
void tl_target_set_crdt(struct tl_target *target, const uint16_t crdt[3]);
/* The discovery log changed: counts it and tells persistent discovery controllers. */
void tl_target_discovery_changed(struct tl_target *target);

#endif
