/*
 * Controllers: connect, watch, disconnect. All functions: home reactor of the host.
 */
#ifndef NVHOST_CTRLR_H
#define NVHOST_CTRLR_H

#include <nvhost/host.h>
#include <nvhost/spec/nvme.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The options of `nvme connect`, same names, same defaults unless said. Strings are copied. Start
 * from nvh_connect_opts_init. */
struct nvh_connect_opts {
	size_t size;
	const char *transport;	   /* "tcp", "rdma", "pcie", "vfio-user" */
	const char *traddr;	   /* a host name is looked up, which blocks: prefer numbers */
	const char *trsvcid;	   /* NULL: 4420, 8009 for discovery over TCP */
	const char *subnqn;	   /* NULL: the discovery subsystem */
	const char *host_traddr, *host_iface;
	const char *hostnqn, *hostid; /* NULL: the host's */
	const char *name;	   /* NULL: nvhN */
	unsigned int nr_io_queues; /* 0: one a reactor; the controller may grant fewer */
	unsigned int queue_size;   /* 16-1024, 128 */
	unsigned int keep_alive_tmo_ms;	   /* 5000; 0: none (and no time-based fence) */
	unsigned int reconnect_delay_ms;   /* first delay of the back-off, 100 */
	unsigned int reconnect_delay_max_ms; /* 10000 */
	int ctrl_loss_tmo_s;	   /* 600; -1: for ever; 0: do not reconnect */
	int fast_io_fail_tmo_s;	   /* -1: off */
	unsigned int connect_timeout_ms;   /* each step of a connect, 3000 */
	unsigned int io_timeout_ms;	   /* then Abort, Disconnect of the queue, reset; 30000 */
	unsigned int admin_timeout_ms;	   /* 10000 */
	int tos;		   /* -1 */
	bool hdr_digest, data_digest;
	bool disable_sqflow;
	bool duplicate_connect;	   /* allow a second connection with equal parameters */
	bool persistent;	   /* discovery controllers: keep and follow changes */
	bool no_retry;		   /* fail when the first attempt fails (what nvme-cli does) */
	bool discovery;		   /* a discovery controller with an NQN of its own */
	const char *policy;	   /* path selection of the subsystem: "latency" (the default),
				    * "round-robin", "queue-depth", "numa"; NULL: leave it */
	const char *write_fence;   /* what becomes of writes whose connection was lost before they were
				    * answered (docs/multipath.md): "auto" (NULL), "strict", "off" */
	const char *no_path;	   /* I/O of the subsystem without a usable path: "fail", "queue:SECONDS",
				    * "queue" (and then ctrl_loss_tmo is -1); NULL: leave it; at first it
				    * waits until ctrl_loss_tmo */
	bool hedge_reads;	   /* of the subsystem: nvh_subsys_set_hedge; false: leave it */
	uint64_t no_path_bytes;	   /* with no_path: at most so much of it a namespace, more is refused
				    * with -ENOBUFS; 0: no limit */
	unsigned int suspect_tmo_ms; /* a queue with commands out on which nothing arrives for so long
				    * (and for longer than usual) is in doubt: it gets no new I/O while
				    * another path is good, the controller is probed, and without an
				    * answer the path is left. 100; 0: only keep-alive and I/O time-out
				    * tell, as with other hosts */
};
void nvh_connect_opts_init(struct nvh_connect_opts *opts, size_t size);

/* err 0: live, ctrlr valid. Otherwise ctrlr is NULL; `message` says what failed, on what, and what to
 * do; cpl is set when a command failed. */
typedef void (*nvh_connect_fn)(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
			       const struct nvh_cpl *cpl);
/* -EINVAL with the reason in errbuf when an option is wrong (done is not called then), -EALREADY when
 * equal parameters are connected and duplicate_connect is off, -EEXIST when the name is taken,
 * -EHOSTUNREACH for a host name that is not known, -ENODEV for a transport that is not built in,
 * -ESHUTDOWN when the host is closing, -ENOMEM, -EPERM. done never inside; NULL: nobody is told. */
int nvh_connect(struct nvh_host *host, const struct nvh_connect_opts *opts, nvh_connect_fn done,
		void *arg, char *errbuf, size_t errbuf_len);
/* Orderly: namespaces go, queued I/O completes with -ENOTCONN, CC.SHN, close. done may be NULL. */
void nvh_disconnect(struct nvh_ctrlr *ctrlr, void (*done)(void *arg), void *arg);
/* Resets the controller and reconnects it; I/O waits meanwhile. done (may be NULL) tells 0 when it is
 * live again. -ESHUTDOWN when it is being deleted, -ENOMEM. Base Specification 2.1, section 3.7. */
int nvh_ctrlr_reset(struct nvh_ctrlr *ctrlr, void (*done)(void *arg, int err), void *arg);
/* Re-reads the namespace list and every namespace. -ENOTCONN when not live, -ENOMEM. Base
 * Specification 2.1, section 5.1.13.2. */
int nvh_ctrlr_rescan(struct nvh_ctrlr *ctrlr, void (*done)(void *arg, int err), void *arg);

struct nvh_ctrlr *nvh_ctrlr_next(struct nvh_host *host, struct nvh_ctrlr *prev); /* NULL: first */
/* By name ("nvh0"). */
struct nvh_ctrlr *nvh_ctrlr_find(struct nvh_host *host, const char *name);

/* Set size before the call: only so many bytes are written. */
struct nvh_ctrlr_info {
	size_t size;
	char name[32];
	const char *state;	/* "live", "connecting", "resetting", "deleting"... */
	char transport[16], traddr[256], trsvcid[32], host_traddr[256], host_iface[16];
	char local[64];		/* address in use */
	char subnqn[224], serial[21], model[41], firmware[9];
	uint16_t cntlid;
	bool discovery;
	unsigned int nr_io_queues, queue_size;
	unsigned int keep_alive_tmo_ms;
	uint32_t max_transfer;	/* bytes */
	uint64_t reconnects;
	int last_error;		/* -errno of the last loss */
	char last_message[256];
	bool hdr_digest, data_digest;
	char hostnqn[224], hostid[37];
	uint64_t queue_reconnects; /* I/O queues left for a stuck command, and connected again */
};
void nvh_ctrlr_info(const struct nvh_ctrlr *ctrlr, struct nvh_ctrlr_info *ret_info);
/* ---- associations: what a successor of this process must fence ------------------------------------ */

/* A connection's identity as its target knows it. A process that keeps these somewhere while they
 * exist, and hands those left over to nvh_host_fence when it starts again after a crash, loses no
 * write to an old one that strikes late. */
struct nvh_assoc {
	size_t size;
	char subnqn[224], name[32]; /* of the subsystem, of the controller */
	uint16_t cntlid;
	uint8_t ciu;	/* Controller Instance Uniquifier and Random Number (TP8028); 0: none */
	uint64_t cirn;
	unsigned int kato_ms, cqt_ms; /* 0: none, not told */
	bool ccr;	/* the subsystem takes Cross-Controller Resets */
	bool tbkas;	/* traffic-based keep-alive */
	char write_fence[8];
};
/* The index-th one that may still have commands of unknown fate: of live controllers, of lost ones, and
 * those being fenced. Set ret_assoc->size before. -ENOENT past the end. It is listed before the first
 * write goes out on it (host events ctrlr_attached and ctrlr_state come in between), and until
 * fence_over. */
int nvh_host_assoc(struct nvh_host *host, unsigned int index, struct nvh_assoc *ret_assoc);
/* No write to its subsystem goes out before this association of an earlier process is fenced; nothing
 * happens when its write_fence is "off". Before nvh_connect. -EINVAL, -ENOMEM. */
int nvh_host_fence(struct nvh_host *host, const struct nvh_assoc *assoc);

/* The Identify Controller data as read; valid until the next turn. NULL before it was read. */
const struct nvh_id_ctrlr *nvh_ctrlr_identify(const struct nvh_ctrlr *ctrlr);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
