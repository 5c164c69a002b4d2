/*
 * Block devices behind namespaces: what a backend implements and what the core asks of it. A bdev
 * is created, resized and deleted on the management reactor; its I/O is submitted on the reactor
 * of any poll group and completes on that same reactor. Backends can be stacked: one that delays
 * or fails I/O submits the same struct to the bdev below it with its own completion.
 */
#ifndef TL_BACKEND_BDEV_H
#define TL_BACKEND_BDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "base/reactor.h"

struct tl_bdev;
struct tl_bdev_io;

#define TL_BDEV_NAME_LEN 256

enum tl_bdev_op {
	TL_BDEV_READ,
	TL_BDEV_WRITE,
	TL_BDEV_FLUSH,
	TL_BDEV_WRITE_ZEROES,
	TL_BDEV_UNMAP,
};

/* What a backend may lean on per poll group; the core hands it through and looks at nothing. */
struct tl_bdev_channel {
	struct nvh_reactor *reactor;
	uint32_t index; /* of the poll group */
};

typedef void (*tl_bdev_io_fn)(struct tl_bdev_io *io);
struct tl_bdev_io {
	struct tl_bdev *bdev;
	struct tl_bdev_channel *channel;
	enum tl_bdev_op op;
	bool fua;        /* WRITE, WRITE_ZEROES: durable before completion */
	bool deallocate; /* WRITE_ZEROES: the blocks may be released, they read as zeroes */
	uint64_t lba;
	uint64_t blocks;
	const struct iovec *iov; /* READ, WRITE: covers exactly `blocks` */
	uint32_t iovcnt;
	uint16_t status; /* out: NVMe status, SCT << 8 | SC, with NVH_CPL_DNR where retry is futile
			  */
	tl_bdev_io_fn done;
	struct nvhi_list link; /* the backend's while it owns the I/O */
	struct nvhi_msg msg;   /* likewise */
};

struct tl_bdev_ops {
	const char *product; /* SPDK's product_name: "Malloc disk", "Null disk", "AIO disk" */
	/* Takes the I/O; may complete inline. Range and direction were checked by the caller. */
	void (*submit)(struct tl_bdev *bdev, struct tl_bdev_io *io);
	/* Memory that holds these blocks and may be read until the caller's request ends; NULL:
	 * none. */
	const void *(*lend)(struct tl_bdev *bdev, uint64_t lba, uint64_t blocks);
	/* Tries to end this I/O of its own early, completing it with NVH_ST_ABORT_REQUESTED;
	 * whether it did. */
	bool (*abort)(struct tl_bdev *bdev, struct tl_bdev_io *io);
	/* 0 or -errno; called with no I/O in flight beyond the new end. -ENOTSUP where fixed. */
	int (*resize)(struct tl_bdev *bdev, uint64_t blocks);
	/* The file behind it, "" when there is none. */
	const char *(*filename)(const struct tl_bdev *bdev);
	/* It, or the target, shall go: what it holds back ends soon, and nothing is held from then
	 * on.
	 */
	void (*stop)(struct tl_bdev *bdev);
	/* Frees everything; no user and no I/O is left. */
	void (*destroy)(struct tl_bdev *bdev);
};

struct tl_bdev {
	const struct tl_bdev_ops *ops;
	struct tl_bdevs *registry;
	char name[TL_BDEV_NAME_LEN];
	uint8_t uuid[16];
	uint32_t block_size; /* bytes, a power of two, 512 to 65536 */
	uint32_t physical_block_size;
	uint64_t blocks;
	bool inline_io;   /* submit always completes inline: buffers need not outlive the call */
	bool lends;       /* lend gives memory for every read of at most 4 MiB */
	bool write_cache; /* a completed write may be lost until a flush */
	bool read_only;
	struct nvhi_list users; /* struct tl_bdev_user */
	struct nvhi_list link;  /* the registry's */
	bool deleting;
	bool asking; /* its users, to let go */
	void (*deleted)(void *arg, int err);
	void *deleted_arg;
};

/* Somebody who uses a bdev (a namespace). Called on the management reactor. */
struct tl_bdev_user {
	struct nvhi_list link;
	/* The bdev shall go: stop its I/O, then tl_bdev_release. */
	void (*remove)(struct tl_bdev_user *user);
	/* bdev->blocks shall become `blocks`: quiesce, call tl_bdev_resize_apply, go on. */
	void (*resized)(struct tl_bdev_user *user);
};

/* All bdevs of a target. */
struct tl_bdevs {
	struct nvhi_list list; /* struct tl_bdev by link, oldest first */
};

void tl_bdevs_init(struct tl_bdevs *bdevs);
/* Destroys all; none may be in use. */
void tl_bdevs_done(struct tl_bdevs *bdevs);
/* By name, or by UUID text; NULL. */
struct tl_bdev *tl_bdev_find(struct tl_bdevs *bdevs, const char *name);
/* For backends: gives the bdev a UUID when it has none and lists it. -EEXIST, -EINVAL (name). */
int tl_bdev_register(struct tl_bdevs *bdevs, struct tl_bdev *bdev);
/* The first free "<prefix>N". */
void tl_bdev_auto_name(struct tl_bdevs *bdevs, const char *prefix, char *ret_name, size_t len);

void tl_bdev_claim(struct tl_bdev *bdev, struct tl_bdev_user *user);
/* May complete a deletion. */
void tl_bdev_release(struct tl_bdev *bdev, struct tl_bdev_user *user);
/* Asks every user to let go, then destroys. done(arg, 0) may fire inside the call. -EBUSY: being
 * deleted already. */
int tl_bdev_delete(struct tl_bdev *bdev, void (*done)(void *arg, int err), void *arg);
/* Changes the size and tells the users. -ENOTSUP, -EINVAL. */
int tl_bdev_resize(struct tl_bdev *bdev, uint64_t blocks);

static inline void tl_bdev_io_complete(struct tl_bdev_io *io, unsigned int status)
{
	io->status = (uint16_t)status;
	io->done(io);
}

/* ---- backends; all on the management reactor ---------------------------------------------- */

struct tl_bdev_create_opts {
	const char *name;    /* NULL: chosen (Malloc0, Null0, AIO0, ...) */
	const uint8_t *uuid; /* 16 bytes; NULL or zeroes: random */
	uint64_t blocks;     /* file: 0 takes the file's size, else it is created or extended */
	uint32_t block_size; /* file: 0 means 512 (or the device's logical block size) */
	uint32_t physical_block_size; /* 0: block_size */
	const char *filename;         /* file */
	bool read_only;               /* file */
};

/* -EEXIST (name), -EINVAL (size), -ENOMEM; file: also what open(2) says, -ERANGE: smaller than one
 * block. */
int tl_malloc_create(struct tl_bdevs *bdevs, const struct tl_bdev_create_opts *opts,
		     struct tl_bdev **ret_bdev);
int tl_null_create(struct tl_bdevs *bdevs, const struct tl_bdev_create_opts *opts,
		   struct tl_bdev **ret_bdev);
int tl_file_create(struct tl_bdevs *bdevs, const struct tl_bdev_create_opts *opts,
		   struct tl_bdev **ret_bdev);

/* One that stands on another (backend/stack.h). */
struct tl_stack_create_opts {
	const char *base_name; /* or UUID */
	const char *name;
	const uint8_t *uuid;                 /* 16 bytes; NULL or zeroes: random */
	struct nvh_reactor *const *reactors; /* by struct tl_bdev_channel's index; [0] manages */
	uint32_t channels;
};
/* The bdev below a stacked one. */
const struct tl_bdev *tl_stack_base(struct tl_bdev *bdev);

extern const struct tl_bdev_ops tl_malloc_ops;
extern const struct tl_bdev_ops tl_null_ops;
extern const struct tl_bdev_ops tl_file_ops;

#endif
