/*
 * One I/O of a caller while the library has it: the private tail behind struct nvh_io. An I/O is cut
 * into parts that fit the path chosen for each; the parts are requests of that path's queue, strung
 * on `parts` while they are out. Progress is one number, `next`: blocks before it were issued. A part
 * that must be repeated pulls it back (`rewind`) once no part is out any more, so a buffer is never
 * lent twice. Owned by the channel's reactor.
 */
#ifndef NVHI_MULTIPATH_IO_H
#define NVHI_MULTIPATH_IO_H

#include <assert.h>
#include <nvhost/io.h>
#include <stddef.h>

#include "base/fsm.h"
#include "base/iov.h"
#include "base/list.h"
#include "base/reactor.h"

#define NVHI_IO_STATES(X)                                                                          \
	X(IDLE, idle)	    /* the caller's */                                                     \
	X(ISSUED, issued)   /* all of it is out */                                                 \
	X(WAITING, waiting) /* some of it waits for a path or for room; parts may be out */        \
	X(DRAINING, draining) /* its parts are coming home before it ends or is repeated */        \
	X(FENCED, fenced) /* waits for a fence; nothing of it is out */                         \
	X(DELAYED, delayed) /* waits for the time that a Command Retry Delay asked for */          \
	X(ENDED, ended)	    /* its result is known; the callback follows in this turn */

enum nvhi_io_state {
#define X(upper, lower) NVHI_IO_STATE_##upper,
	NVHI_IO_STATES(X)
#undef X
};

#define NVHI_IO_NO_REWIND UINT64_MAX
/* Unexpected statuses without DNR are repeated this often (the kernel's number too). */
#define NVHI_IO_MAX_TRIES 5
/* ... after so long where the controller names no delay, doubled each time. */
#define NVHI_IO_RETRY_MS 10u

struct nvh_channel;

/* What an operation is made of. */
struct nvhi_io_op {
	uint8_t opcode;
	uint8_t dir;   /* enum nvhi_dir */
	uint8_t limit; /* enum nvhi_limit */
	bool has_data; /* the caller's iovecs */
};

struct nvhi_io {
	struct nvh_io pub;
	struct nvhi_list link; /* waiting, fenced, delayed or ended */
	struct nvhi_list parts; /* struct nvhi_ioq_req.owner_link */
	struct nvhi_list deadline_link;
	struct nvh_channel *channel;
	uint64_t seq;		/* order of submission */
	uint64_t next, end;	/* blocks; 0 and 1 where there are none */
	uint64_t rewind;	/* lowest block to repeat */
	struct nvhi_iov_cursor cursor; /* the data of `next` */
	uint64_t due;		/* DELAYED until then */
	uint32_t state;
	struct nvhi_io_op op;
	uint32_t fence_pending;	/* of its ranges, those that not every reactor knows yet */
	uint32_t fence_waits;	/* those that must be proven dead before it is repeated */
	struct nvhi_list fence_ranges; /* struct nvhi_fence_range.io_link; with a token */
	/* What has become of it since its submission: at first, nothing. */
	union {
		struct {
			uint64_t fence_token;	/* 0: no part of it ever had an unknown fate; fence_io.c */
			uint64_t waiting_bytes; /* counted in its namespace; nopath.c */
			uint32_t delay_ms;	/* what the parts that failed asked for */
			uint32_t moved;		/* the watch that follows it; failover.h */
			uint8_t tries;
			bool plain;		/* one part, and nothing to look at but its result */
			bool timed;		/* its deadline is watched */
			bool failed;		/* err or cpl tells; no further part is issued */
			bool canceled, expired;
		};
		uint64_t fate[4];
	};
	int err;
	struct nvh_cpl cpl;
	/* On its way to home and back; see relay.c */
	struct nvh_channel *origin; /* NULL: not relayed */
	struct nvhi_msg relay_msg, recall_msg;
	bool at_home;		/* home's */
	bool returned, recalled; /* the origin's reactor's */
	struct iovec dsm_iov;
	struct nvh_dsm_range dsm_range;
};

extern const uint32_t nvhi_io_edges[];
extern struct nvhi_fsm nvhi_io_fsm;

/* As nvhi_fsm_set, but inline and without a log line: it is taken twice an I/O. */
static inline void nvhi_io_set_state(struct nvhi_io *io, enum nvhi_io_state state)
{
	assert(nvhi_io_edges[io->state] & NVHI_FSM_TO(state));
	if (__builtin_expect(nvhi_io_fsm.taken != NULL, 0))
		nvhi_io_fsm.taken[io->state * nvhi_io_fsm.states + state]++;
	io->state = state;
}

/* Where the edge is known to be legal. */
static inline void nvhi_io_step(struct nvhi_io *io, enum nvhi_io_state from, enum nvhi_io_state to)
{
	if (__builtin_expect(nvhi_io_fsm.taken != NULL, 0))
		nvhi_io_fsm.taken[from * nvhi_io_fsm.states + to]++;
	io->state = to;
}

static_assert(offsetof(struct nvhi_io, fate[4]) > offsetof(struct nvhi_io, expired), "it covers all");

static inline void nvhi_io_fresh(struct nvhi_io *io)
{
	io->fate[0] = io->fate[1] = io->fate[2] = io->fate[3] = 0;
}

static inline struct nvhi_io *nvhi_io_of(struct nvh_io *io)
{
	return nvhi_container_of(io, struct nvhi_io, pub);
}

#endif
