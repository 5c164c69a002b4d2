/*
 * The file system's interface to the programs: mount namespaces as files. One mount serves either
 * the whole tree (<subsystem NQN>/n<NSID>, by-id/...) or one namespace over one existing file.
 *
 * Threads: all calls are made on the host's home reactor and all callbacks come there. The mount
 * spreads its own work over `reactors`, one clone of /dev/fuse each.
 */
#ifndef NVF_NVF_H
#define NVF_NVF_H

#include <nvhost/nvhost.h>

struct nvf_mount;

struct nvf_mount_opts {
	size_t size;			/* sizeof(struct nvf_mount_opts) */
	struct nvh_host *host;
	struct nvh_reactor *const *reactors; /* [0] must be the home reactor */
	unsigned int nr_reactors;
	const char *path;		/* a directory (whole tree) or an existing file (with ns) */
	struct nvh_ns *ns;		/* NULL: the whole tree */
	bool allow_other;
	bool read_only;
	/* Once: 0, the path serves; or -errno with a message and the mount object is gone. */
	void (*mounted)(void *arg, int err, const char *message);
	/* Once, after a successful mount: it ended (umount by us or by anybody; err 0) or broke (-errno).
	 * The mount object is gone when this returns. */
	void (*ended)(void *arg, int err);
	void *arg;
};

/* Starts to mount; never blocks. -EINVAL, -ENOENT, -ENOTDIR, -ENOMEM... with the reason in errbuf (no
 * callback then). A stale mount of a dead server at `path` (ENOTCONN) is detached first. */
int nvf_mount(const struct nvf_mount_opts *opts, struct nvf_mount **ret_mount, char *errbuf,
	      size_t errbuf_len);

/* Unmounts. Without `force` a busy mount stays and done(arg, -EBUSY) says so; with it the mount is
 * detached at once, programs that hold files open get ENOTCONN. done (may be NULL) comes after
 * `ended` when err is 0. */
void nvf_umount(struct nvf_mount *mount, bool force, void (*done)(void *arg, int err), void *arg);

enum nvf_ns_event {
	NVF_NS_ADDED,
	NVF_NS_CHANGED,
	NVF_NS_REMOVED,
};
/* To be called from the host's ns_added, ns_changed and ns_removed events, for every mount. */
void nvf_ns_event(struct nvf_mount *mount, struct nvh_ns *ns, enum nvf_ns_event event);

const char *nvf_mount_path(const struct nvf_mount *mount);
/* The path of a namespace's file under this mount. -ENOENT when it has none. */
int nvf_ns_path(const struct nvf_mount *mount, struct nvh_ns *ns, char *ret_path, size_t len);

#endif
