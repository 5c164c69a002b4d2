/*
 * Private to fuse/: the objects of a mount and who touches them.
 *
 *   nvf_mount   one session; its life is driven on the home reactor
 *   nvf_worker  one clone of /dev/fuse on one reactor; a request is answered on the worker that read it
 *   nvf_slot    one request in flight: the buffer it was read into, its nvh_io, its reply
 *   nvf_file    one namespace while programs hold it open; a channel per worker
 *   nvf_node    a name in the tree (metadata only, behind a mutex that no data path takes)
 */
#ifndef NVF_IMPL_H
#define NVF_IMPL_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/fsm.h"
#include "base/list.h"
#include "base/log.h"
#include "base/reactor.h"
#include "fuse/nvf.h"

#define NVF_MAX_IO (1u << 20)	    /* bytes of data in a request */
#define NVF_MAX_BLOCK (64u << 10)   /* largest block size we serve */
#define NVF_HEADER_ROOM 4096u	    /* what libfuse wants beside the data (FUSE_BUFFER_HEADER_SIZE) */
#define NVF_SLOTS 256u		    /* requests in flight a worker */
#define NVF_BACKGROUND 128u	    /* of which the kernel's own read-ahead and async I/O may take */
#define NVF_LARGE_IO (64u << 10)    /* buffers of larger requests are given back when idle */
#define NVF_WRITE_HEADER 80u	    /* fuse_in_header + fuse_write_in: what precedes a write's data */

struct nvf_file;
struct nvf_slot;
struct nvf_worker;

typedef void (*nvf_step_fn)(struct nvf_slot *slot, int err);

/* ---- a range of blocks that a write holds (range.c) ---------------------------------------- */

struct nvf_range {
	struct nvhi_list link; /* file->ranges, home reactor */
	uint64_t first, last;  /* blocks, both included */
	bool exclusive;	       /* read-modify-write; others share */
	bool granted;
	struct nvhi_msg msg;   /* request, grant and release travel in turn */
};

/* ---- a request ------------------------------------------------------------------------------ */

struct nvf_slot {
	struct nvf_worker *worker;
	struct nvhi_list link;	/* worker->free or worker->busy */
	uint8_t *mem;		/* where the request is read to */
	uint8_t *buffer;	/* where a write's data lies in it; reused for a read's data */
	uint8_t *edge[2];	/* first and last block of an unaligned write */
	fuse_req_t req;
	struct nvf_file *file;
	uint64_t offset;	/* bytes of the caller's range still to do */
	uint64_t length;
	uint64_t whole;		/* what the reply tells; fallocate: the piece under way */
	uint64_t range_end;	/* fallocate: where it ends */
	const uint8_t *data;	/* a write's bytes; NULL: zeroes */
	int mode;		/* fallocate's */
	struct iovec iov[3];
	nvf_step_fn next;	/* after the io, or after the range was granted */
	nvf_step_fn inner;	/* after one block's read-modify-write */
	bool direct;		/* counted in the channel's direct writes, holds no range */
	bool io_busy;
	bool releasing;		/* range.msg is on its way to home and back */
	bool put_waits;		/* for that */
	struct nvf_range range;
	struct nvf_file *range_file;
	uint64_t begun;		/* nvhi_reactor_now, for late interrupt arming */
	bool interruptible;
	atomic_bool cancel_posted;
	struct nvhi_msg cancel_msg;
	struct nvhi_msg hop;	/* metadata requests that need the home reactor */
	struct nvh_ns *xattr_ns;
	struct nvh_io *io;
};

/* ---- a worker -------------------------------------------------------------------------------- */

struct nvf_worker {
	struct nvf_mount *mount;
	struct nvh_reactor *reactor;
	unsigned int index;
	int fd;
	bool reading, starved, stopping;
	bool bloated; /* large buffers were touched since the last idle moment */
	struct nvhi_source source;
	struct nvf_slot *current; /* the request being dispatched; a handler that keeps it takes it */
	struct nvhi_list free, busy;
	struct nvf_slot *slots;
	uint8_t *arena;
	uint8_t *io_arena;
	size_t arena_len;
	struct nvhi_timer patience; /* arms interrupts of requests that take long */
	struct nvhi_msg start_msg, stop_msg, done_msg;
	uint8_t *scratch; /* where the unwanted edges of unaligned reads land */
};

/* ---- an open namespace ----------------------------------------------------------------------- */

struct nvf_chan { /* of one file on one worker; touched on the worker's reactor */
	struct nvh_channel *channel;
	unsigned int direct;	/* aligned writes in flight that hold no range */
	bool barrier;		/* home waits for direct to reach 0 */
	struct nvf_file *file;
	struct nvf_worker *worker;
	struct nvhi_msg barrier_msg, ack_msg, close_msg;
};

struct nvf_file {
	struct nvf_mount *mount;
	struct nvh_ns *ns;
	struct nvhi_list link;	   /* mount->files; mount->tree_lock */
	uint32_t block_size;
	bool read_only, flush_needed, write_zeroes, deac;
	atomic_uint_fast64_t size; /* bytes; follows a resize */
	unsigned int opens;	   /* tree_lock */
	unsigned int uncached;	   /* of these; see nvf_file_open. tree_lock */
	/* home reactor: unaligned writes, see range.c */
	struct nvhi_list ranges;
	unsigned int exclusives;   /* in `ranges`, granted or waiting */
	unsigned int acks_missing;
	struct nvhi_timer linger;
	atomic_bool fenced;	   /* aligned writes must take a range too */
	unsigned int closing;	   /* channels still to close */
	struct nvf_chan chans[];   /* one a worker */
};

/* ---- names ----------------------------------------------------------------------------------- */

enum nvf_node_kind { NVF_DIR, NVF_NS, NVF_LINK };

struct nvf_node {
	enum nvf_node_kind kind;
	bool alive;
	fuse_ino_t ino, parent;
	char *name;
	char *target;		/* NVF_LINK */
	struct nvh_ns *ns;	/* NVF_NS and NVF_LINK: whose it is (held) */
	struct nvf_file *file;	/* while open */
};

/* ---- the mount ------------------------------------------------------------------------------- */

#define NVF_MOUNT_STATES(X) X(MOUNTING) X(STARTING) X(SERVING) X(ENDING) X(ENDED)
enum nvf_mount_state {
#define X(name) NVF_MOUNT_##name,
	NVF_MOUNT_STATES(X)
#undef X
};

struct nvf_mount {
	struct nvf_mount_opts opts;
	uint32_t state;
	char path[4096];
	struct nvh_reactor *home;
	struct fuse_session *session;
	int end_error;
	bool told;		/* opts.mounted was called */
	struct nvf_worker *workers;
	unsigned int nr_workers, running;
	struct nvhi_msg ready_msg; /* INIT was answered */
	struct nvhi_timer start_deadline;
	struct nvhi_msg begin_end; /* a worker saw the connection go */
	atomic_bool end_posted;
	int external_error;
	bool job_busy;		   /* a helper thread works on the mount point */
	bool files_swept;
	bool umount_force;
	void (*umount_done)(void *arg, int err);
	void *umount_arg;
	uid_t uid;
	gid_t gid;
	struct timespec born;
	/* names */
	pthread_mutex_t tree_lock;
	struct nvf_node **nodes; /* [ino - 1] */
	size_t nr_nodes, cap_nodes;
	struct nvhi_list files;
	atomic_uint files_closing; /* being closed, worker by worker */
};

/* mount.c */
void nvf_mount_ended_externally(struct nvf_mount *mount, int err); /* any worker */
void nvf_mount_ready(struct nvf_mount *mount);			   /* from INIT */
void nvf_file_closed(struct nvf_mount *mount);			   /* home */
extern const struct fuse_lowlevel_ops nvf_ops;			   /* ops.c */

/* mountpoint.c: blocking work on a helper thread; done comes on the home reactor. */
typedef void (*nvf_mountpoint_fn)(void *arg, int result, const char *message);
int nvf_mountpoint_open(struct nvh_reactor *home, const char *path, const char *options,
			bool want_dir, nvf_mountpoint_fn done, void *arg);
int nvf_mountpoint_close(struct nvh_reactor *home, const char *path, bool lazy,
			 nvf_mountpoint_fn done, void *arg);

/* worker.c */
int nvf_worker_init(struct nvf_worker *worker, struct nvf_mount *mount, unsigned int index,
		    struct nvh_reactor *reactor);
void nvf_worker_done(struct nvf_worker *worker);
int nvf_worker_start(struct nvf_worker *worker);	 /* on its reactor */
void nvf_worker_stop(struct nvf_worker *worker);	 /* on its reactor; posts done_msg to home */
struct nvf_worker *nvf_worker_here(struct nvf_mount *mount);
struct nvf_slot *nvf_slot_take(fuse_req_t req);		 /* the current request's */
void nvf_slot_put(struct nvf_slot *slot);
void nvf_slot_reply_err(struct nvf_slot *slot, int err); /* err: -errno or 0; puts the slot */
/* Submits slot->io and calls next(slot, err) with 0 or -errno when it has completed. */
void nvf_slot_io(struct nvf_slot *slot, nvf_step_fn next);
extern const struct fuse_custom_io nvf_custom_io;

/* file.c */
int nvf_file_open(struct nvf_mount *mount, struct nvf_node *node, struct fuse_file_info *fi);
void nvf_file_release(const struct fuse_file_info *fi);
#define NVF_FH_UNCACHED 1ull
static inline struct nvf_file *nvf_file_of(const struct fuse_file_info *fi)
{
	return (struct nvf_file *)(uintptr_t)(fi->fh & ~NVF_FH_UNCACHED);
}
/* The file's channel on this worker, opened on first use. */
int nvf_chan_get(struct nvf_file *file, struct nvf_worker *worker, struct nvf_chan **ret_chan);
void nvf_file_resized(struct nvf_file *file);
void nvf_file_start_close(struct nvf_file *file); /* home; ends in nvf_file_closed */

/* range.c */
void nvf_range_init(struct nvf_file *file);
/* Lets a write of slot's range begin: directly, or once its range is granted. Then next(slot, 0). */
void nvf_write_begin(struct nvf_slot *slot, bool exclusive, nvf_step_fn next);
/* Gives the range back; before the reply, so that whoever saw the reply finds it free. */
void nvf_write_end(struct nvf_slot *slot);

/* data.c, rmw.c, zero.c, meta.c, xattr.c: request handlers */
void nvf_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void nvf_op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		  struct fuse_file_info *fi);
void nvf_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void nvf_op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void nvf_op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		      struct fuse_file_info *fi);
void nvf_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void nvf_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void nvf_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi);
void nvf_op_readlink(fuse_req_t req, fuse_ino_t ino);
void nvf_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void nvf_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void nvf_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void nvf_op_statfs(fuse_req_t req, fuse_ino_t ino);
void nvf_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void nvf_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);

/* rmw.c: writes slot's [offset, offset+length) by blocks; the range must be held exclusively. */
void nvf_rmw_write(struct nvf_slot *slot, nvf_step_fn next);
/* Fills slot->io for blocks [first, first+count). */
void nvf_slot_prepare(struct nvf_slot *slot, enum nvh_io_op op, uint64_t first, uint64_t count,
		      unsigned int iovcnt);

/* tree.c */
int nvf_tree_init(struct nvf_mount *mount);
void nvf_tree_done(struct nvf_mount *mount);
/* Under tree_lock. */
struct nvf_node *nvf_tree_node(struct nvf_mount *mount, fuse_ino_t ino);
struct nvf_node *nvf_tree_child(struct nvf_mount *mount, fuse_ino_t parent, const char *name);
struct nvf_node *nvf_tree_ns_node(struct nvf_mount *mount, struct nvh_ns *ns);

static inline bool nvf_single_file(const struct nvf_mount *mount)
{
	return mount->opts.ns != NULL;
}

#endif
