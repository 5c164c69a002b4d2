/*
 * nvhostd's own parts and how they fit: the connections and mounts it was asked for, saved so that
 * the next daemon makes them again, and the RPC methods around them. Everything here runs on the
 * home reactor.
 */
#ifndef NVD_DAEMON_H
#define NVD_DAEMON_H

#include <nvhost/nvhost.h>

#include "base/jsonrpc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/reactor.h"
#include "fuse/nvf.h"
#include "host/daemon/params.h"

#define NVD_REACTORS_MAX 64
#define NVD_PATH_MAX     4096

struct nvd_daemon {
	struct nvh_host *host;
	struct nvh_reactor *reactors[NVD_REACTORS_MAX]; /* [0] is home */
	unsigned int nr_reactors;
	struct nvhi_rpc_server *server;
	struct nvhi_list conns;  /* struct nvd_conn */
	struct nvhi_list mounts; /* struct nvd_mount */
	struct nvhi_list watchers; /* struct nvd_watcher */
	char state_path[NVD_PATH_MAX];
	int save_error; /* of the last write of the state */
	bool assocs_loading;
	bool restoring; /* the saved state is being read: do not write it back */
	bool stopping;
	void (*stopped)(struct nvd_daemon *daemon);
	struct nvhi_timer stop_deadline;
};

#define nvd_home(daemon) ((daemon)->reactors[0])

/* ---- connections (conns.c) ---------------------------------------------------------------- */

/* connecting: an attempt is under way. live: the library has it, and reconnects it by itself.
 * waiting: the saved connection could not be made, the next attempt has its time. deleting. */
#define NVD_CONN_STATES(X)                                                                         \
	X(CONNECTING, connecting) X(LIVE, live) X(WAITING, waiting) X(DELETING, deleting)
enum nvd_conn_state {
#define X(upper, lower) NVD_CONN_##upper,
	NVD_CONN_STATES(X)
#undef X
};

struct nvd_conn;
/* err 0: live. The conn is gone when err is not 0. */
typedef void (*nvd_conn_fn)(void *arg, int err, struct nvd_conn *conn, const char *message);

struct nvd_conn {
	struct nvhi_list link;
	struct nvd_daemon *daemon;
	uint32_t state; /* enum nvd_conn_state */
	char name[32];
	struct json_object *json; /* what was asked for; params' strings point into it */
	struct nvd_params params;
	char hostid_text[37];
	struct nvh_ctrlr *ctrlr;      /* LIVE and DELETING */
	bool following, follow_again; /* its discovery log is being read; once more after that */
	bool doomed;                  /* to be deleted as soon as the attempt under way ends */
	unsigned int attempts;
	char last_message[256];
	struct nvhi_timer retry;
	nvd_conn_fn done; /* of the first attempt */
	void *arg;
};

const char *nvd_conn_state_name(const struct nvd_conn *conn);
/* Connects. Borrows `json`. -EINVAL, -EALREADY, -ENOMEM with a reason; otherwise done comes. */
int nvd_conn_add(struct nvd_daemon *daemon, struct json_object *json, nvd_conn_fn done, void *arg,
		 char *err, size_t err_len);
/* From the saved state: tries until it succeeds or is disconnected. */
int nvd_conn_restore(struct nvd_daemon *daemon, struct json_object *json, char *err,
		     size_t err_len);
/* done (may be NULL) when it is gone. */
void nvd_conn_delete(struct nvd_conn *conn, void (*done)(void *arg), void *arg);
struct nvd_conn *nvd_conn_find(struct nvd_daemon *daemon, const char *name);
void nvd_conn_ctrlr_removed(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr);
/* Forgets all, without disconnecting: at the end. */
void nvd_conns_free(struct nvd_daemon *daemon);

/* ---- discovery (follow.c) ----------------------------------------------------------------- */

/* Reads the log of a discovery controller with `follow` and connects what it names. */
void nvd_follow(struct nvd_conn *conn);
/* From the host's ctrlr_notice and ctrlr_state. */
void nvd_follow_notice(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr, uint8_t type,
		       uint8_t info);
void nvd_follow_state(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr);

/* ---- mounts (mounts.c) -------------------------------------------------------------------- */

#define NVD_MOUNT_STATES(X)                                                                        \
	X(WAITING, waiting) X(MOUNTING, mounting) X(MOUNTED, mounted) X(UNMOUNTING, unmounting)
enum nvd_mount_state {
#define X(upper, lower) NVD_MOUNT_##upper,
	NVD_MOUNT_STATES(X)
#undef X
};

typedef void (*nvd_mount_fn)(void *arg, int err, const char *message);

struct nvd_mount {
	struct nvhi_list link;
	struct nvd_daemon *daemon;
	uint32_t state; /* enum nvd_mount_state */
	char *path;
	char *ns_name; /* "NQN:NSID"; NULL: the whole tree */
	bool allow_other, read_only;
	struct nvf_mount *mount; /* MOUNTING and later */
	unsigned int attempts;
	char last_message[256];
	struct nvhi_timer retry;
	nvd_mount_fn mounted_fn, umounted_fn;
	void *mounted_arg, *umounted_arg;
};

struct nvd_mount_params {
	const char *path, *ns;
	bool allow_other, read_only;
};

const char *nvd_mount_state_name(const struct nvd_mount *mount);
int nvd_mount_add(struct nvd_daemon *daemon, const struct nvd_mount_params *params,
		  nvd_mount_fn done, void *arg, char *err, size_t err_len);
int nvd_mount_restore(struct nvd_daemon *daemon, const struct nvd_mount_params *params);
/* done gets -EBUSY when it is in use and force is off. */
void nvd_mount_remove(struct nvd_mount *mount, bool force, nvd_mount_fn done, void *arg);
struct nvd_mount *nvd_mount_find(struct nvd_daemon *daemon, const char *path);
void nvd_mounts_ns_event(struct nvd_daemon *daemon, struct nvh_ns *ns, enum nvf_ns_event event);
/* Takes every mount off its place, keeping them in the saved state. done once all are. */
void nvd_mounts_release(struct nvd_daemon *daemon);
bool nvd_mounts_released(const struct nvd_daemon *daemon);
void nvd_mounts_free(struct nvd_daemon *daemon);

/* ---- saved state (state.c) ---------------------------------------------------------------- */

/* Writes the state (atomically). -errno, logged and kept in save_error. */
int nvd_state_save(struct nvd_daemon *daemon);
/* Adds "warning" to an answer when what it tells of could not be saved. */
int nvd_state_warn(const struct nvd_daemon *daemon, struct json_object *answer);
/* Reads it and starts to make everything again. A missing file is no error. */
int nvd_state_load(struct nvd_daemon *daemon);
/* Pure: the document. NULL when out of memory. */
struct json_object *nvd_state_to_json(const struct nvd_daemon *daemon);

/* ---- associations (assocs.c) -------------------------------------------------------------- */

/* Writes which associations may have writes under way: at each change. */
void nvd_assocs_save(struct nvd_daemon *daemon);
/* Fences those of a daemon that crashed. Before any connect. */
int nvd_assocs_load(struct nvd_daemon *daemon, char *err, size_t err_len);

/* ---- names (target.c) --------------------------------------------------------------------- */

struct nvd_target {
	struct nvh_ctrlr *ctrlr; /* NULL: no live path */
	struct nvh_ns *ns;       /* NULL: a controller was named */
	uint32_t nsid;           /* 0 without a namespace */
};
/* "nvh0", "nvh0n1" (also behind /dev/), a by-id name, "NQN:NSID", the path of a mounted file.
 * -ENODEV with a reason that tells how to see the names. */
int nvd_target_find(struct nvd_daemon *daemon, const char *device, struct nvd_target *ret_target,
		    char *err, size_t err_len);

/* ---- events (monitor.c) -------------------------------------------------------------------- */

/* Keeps the call until its caller leaves. */
void nvd_monitor_add(struct nvd_daemon *daemon, struct nvhi_rpc_call *call);
/* Answers them all. */
void nvd_monitor_end(struct nvd_daemon *daemon);
void nvd_monitor_failover(struct nvd_daemon *daemon, const struct nvh_failover *failover);
/* event NULL: its state. */
void nvd_monitor_ctrlr(struct nvd_daemon *daemon, struct nvh_ctrlr *ctrlr, const char *event);
void nvd_monitor_ns(struct nvd_daemon *daemon, struct nvh_ns *ns, const char *event);
/* NULL: out of memory. */
struct json_object *nvd_failover_to_json(const struct nvh_failover *failover);
struct json_object *nvd_latency_to_json(const struct nvh_latency *latency, bool buckets);

/* ---- RPC (rpc_*.c) ------------------------------------------------------------------------ */

extern const struct nvhi_rpc_method nvd_rpc_conn_methods[];
extern const struct nvhi_rpc_method nvd_rpc_list_methods[];
extern const struct nvhi_rpc_method nvd_rpc_path_methods[];
extern const struct nvhi_rpc_method nvd_rpc_admin_methods[];
extern const struct nvhi_rpc_method nvd_rpc_io_methods[];
extern const struct nvhi_rpc_method nvd_rpc_mount_methods[];
extern const struct nvhi_rpc_method nvd_rpc_daemon_methods[];

/* NVMe status, result and data of a completion as every data method answers them. */
struct json_object *nvd_rpc_completion(const struct nvh_cpl *cpl, const void *data, size_t len);
/* Starts the orderly end. */
void nvd_daemon_stop(struct nvd_daemon *daemon);

#endif
