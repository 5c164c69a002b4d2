/*
 * Channels and I/O: the zero-hop data path. A channel is a namespace as seen from one reactor; all
 * calls on it are made on that reactor's thread, and callbacks come there.
 */
#ifndef NVHOST_IO_H
#define NVHOST_IO_H

#include <sys/uio.h>

#include <nvhost/ns.h>
#include <nvhost/spec/nvme.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct nvh_channel; /* a namespace from one reactor */

/* Opens a channel on `reactor`, which must be one of the host's. Call on that reactor's thread (or
 * before it runs; nvh_reactor_call does it for another thread). Holds the namespace. I/O may be
 * submitted at once; it waits for the paths where they take a message to arrive.
 *
 * A controller may grant fewer queues than the host has reactors (the first of them get one), and a
 * reconnect may change that. A channel on a reactor without a queue works, but its I/O travels by
 * messages through the home reactor: open channels where nvh_ns_reactor_usable says so.
 *
 * -ENOTSUP: I/O to this namespace's command set or format is not supported; -EINVAL: not one of the
 * host's reactors; -ENOMEM; -EPERM. */
int nvh_channel_open(struct nvh_ns *ns, struct nvh_reactor *reactor,
		     struct nvh_channel **ret_channel);
/* No I/O may be outstanding. Its reactor must run on until the host is closed. */
void nvh_channel_close(struct nvh_channel *channel);
struct nvh_ns *nvh_channel_ns(const struct nvh_channel *channel);

enum nvh_io_op {
	NVH_IO_READ,
	NVH_IO_WRITE,
	NVH_IO_FLUSH,
	NVH_IO_WRITE_ZEROES,
	NVH_IO_DEALLOCATE, /* DSM with the deallocate attribute: advice, data may read back */
	NVH_IO_COMPARE,
	NVH_IO_VERIFY,
	NVH_IO_PASSTHRU,   /* `cmd` as it is, on one path, never retried once sent */
};

enum {
	NVH_IO_FUA = 1u << 0,
	NVH_IO_DEAC = 1u << 1,	 /* write zeroes may deallocate */
	NVH_IO_LIMITED_RETRY = 1u << 2,
};

struct nvh_io;
/* err < 0: no completion (for -ETIMEDOUT, -ENOTCONN the outcome of a write is unknown). err == 0: cpl's
 * status tells. Fires exactly once, never inside nvh_submit; may submit again, may close. For a request
 * that was split cpl is the first failing part's, else the last one's. */
typedef void (*nvh_io_fn)(void *arg, int err, const struct nvh_cpl *cpl);

/* Caller-owned; allocate nvh_io_size() bytes (the library keeps its part behind the struct's end),
 * zero it once with nvh_io_init, reuse it after the callback. Buffers are lent until the callback. */
struct nvh_io {
	uint8_t op;		/* enum nvh_io_op */
	uint8_t pi_flags;	/* PRCHK/PRACT bits as in CDW12 29:26 */
	uint16_t flags;
	uint32_t nr_blocks;
	uint64_t lba;
	const struct iovec *iov; /* any number of elements, any alignment, any length; not copied */
	uint32_t iovcnt;
	uint32_t md_iovcnt;
	const struct iovec *md_iov;
	uint64_t deadline_ns;	/* CLOCK_MONOTONIC; 0: none. Past it the I/O ends with -ETIMEDOUT: at once
				 * while it waits; when it was sent, once its buffers are free again, which
				 * an Abort hurries */
	uint32_t reftag;
	uint16_t apptag, apptag_mask;
	struct nvh_cmd *cmd;	/* PASSTHRU; its data is iov, direction by opcode bits 1:0 */
	nvh_io_fn done;
	void *arg;
	uint64_t result;	/* DW0/DW1 of the completion */
	uint64_t reserved[4];	/* zero */
};

size_t nvh_io_size(void);
void nvh_io_init(struct nvh_io *io);
/* 0: lent, and done follows. Refused, and done does not follow: -ERANGE: beyond the end of the
 * namespace as it is now; -EINVAL: no blocks, a range that overflows, iov shorter than the blocks,
 * unknown op, a passthrough command that is fused or whose data goes both ways; -ENOTSUP: the
 * namespace cannot do this (metadata buffers included); -EROFS; -ENODEV: the namespace is gone;
 * -ENOTCONN: no path, and no-path or fast_io_fail_tmo lets nothing wait; -ENOBUFS: no path, and as much
 * waits as no-path allows; -EPERM.
 *
 * I/O of any size: what exceeds a path's limits is sent in parts. Without a usable path it waits, in the
 * order of submission, and leaves within the turn in which one returns; a lost connection repeats what
 * was out, except passthrough that was sent. It fails with -ENOTCONN when the last controller is
 * disconnected or given up (ctrl_loss_tmo, fast_io_fail_tmo), when it has waited as long as no-path allows, with -ENODEV when the namespace was
 * removed. Transient statuses without Do Not Retry are repeated after their Command Retry Delay, five
 * times at most. No allocation, no lock, no syscall. NVM Command Set Specification 1.1, section 3.3. */
int nvh_submit(struct nvh_channel *channel, struct nvh_io *io);
/* Asks for an end: the I/O completes soon with -ECANCELED unless it completes first; what was sent is
 * aborted and completes when its buffers are free again. Never blocks, never calls back inside. */
void nvh_cancel(struct nvh_channel *channel, struct nvh_io *io);

/* Tells what an errno-minded caller should see: 0, or -EIO, -ENOSPC, -EROFS, -ETIMEDOUT, -EOPNOTSUPP,
 * -EREMOTEIO... for an NVMe status. Pure. */
int nvh_status_to_errno(const struct nvh_cpl *cpl);
/* "Write Fault", "LBA Out of Range"; never NULL. Pure. */
const char *nvh_status_string(const struct nvh_cpl *cpl);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
