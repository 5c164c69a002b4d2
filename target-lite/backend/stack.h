/*
 * What block devices that stand on another one share (delay, error): each I/O goes down as one of
 * the stack's own and may wait, before or after, on a list of its channel. A channel is a poll
 * group's part and touched on its reactor only; making, deleting and orders are the management
 * reactor's.
 */
#ifndef TL_BACKEND_STACK_H
#define TL_BACKEND_STACK_H

#include <stdatomic.h>

#include "target-lite/backend/bdev_impl.h"

#define TL_STACK_LISTS 4

struct tl_stack;
struct tl_stack_channel;

/* An I/O of the upper bdev's while it is here. Reused, never freed before the stack. */
struct tl_stack_io {
	struct tl_bdev_io io;     /* the one below */
	struct tl_bdev_io *upper; /* the caller's */
	struct tl_stack_channel *channel;
	bool below;       /* the base has it */
	uint8_t kind;     /* the backend's */
	uint16_t status;  /* what it ends with, once it has been below */
	uint64_t due;     /* while it waits; NVHI_NEVER: until it is let go */
	uint8_t *copy;    /* the backend's, freed at the end */
	struct iovec iov; /* of copy */
	struct nvhi_list link;
};

struct tl_stack_channel {
	struct tl_stack *stack;
	struct nvh_reactor *reactor;
	struct nvhi_list busy; /* struct tl_stack_io by link: below */
	struct nvhi_list free;
	/* In the order in which they go on. */
	struct nvhi_list waiting[TL_STACK_LISTS];
	uint32_t inflight; /* below */
	uint64_t draws;    /* random numbers so far */
	struct nvhi_timer timer;
	struct nvhi_msg msg;
};

/* What a backend on a stack does. Channel's reactor. */
struct tl_stack_ops {
	/* Its time has come, or it was let go: it waits no more. */
	void (*go_on)(struct tl_stack_io *sio);
	/* An order has arrived: tl_stack_let_go what shall not wait any longer. */
	void (*ordered)(struct tl_stack_channel *channel);
};

struct tl_stack {
	struct tl_bdev bdev;
	const struct tl_stack_ops *ops;
	struct tl_bdev *base;
	struct tl_bdev_user user;
	struct nvh_reactor *mgmt;
	uint32_t channel_count;
	atomic_bool stopped;   /* nothing waits any more */
	uint32_t acks_missing; /* of an order */
	bool again, dying;
	struct tl_stack_channel *channels;
};

/* `size` bytes that begin with the stack: -ENOENT (base), -EBUSY (the base is in use), -ENOMEM,
 * and what tl_bdev_register says. */
int tl_stack_create(struct tl_bdevs *bdevs, const struct tl_stack_create_opts *opts,
		    const struct tl_bdev_ops *bdev_ops, const struct tl_stack_ops *ops, size_t size,
		    struct tl_stack **ret_stack);

static inline struct tl_stack *tl_stack_of(struct tl_bdev *bdev)
{
	return nvhi_container_of(bdev, struct tl_stack, bdev);
}

/* The caller's I/O, ours for it; NULL: it was completed, no memory. */
struct tl_stack_io *tl_stack_take(struct tl_stack *stack, struct tl_bdev_io *upper);
/* To the base; done(&sio->io) follows, perhaps inline. */
void tl_stack_down(struct tl_stack_io *sio, tl_bdev_io_fn done);
/* In done: the base is through with it. */
struct tl_stack_io *tl_stack_back(struct tl_bdev_io *io);
/* Waits on a list until then; go_on follows. Dues of a list do not fall. */
void tl_stack_wait(struct tl_stack_io *sio, uint32_t list, uint64_t due);
void tl_stack_let_go(struct tl_stack_channel *channel, uint32_t list);
/* Completes the caller's. */
void tl_stack_end(struct tl_stack_io *sio, unsigned int status);
/* ops->ordered in every channel, soon. Management reactor. */
void tl_stack_order(struct tl_stack *stack);

/* Slots of struct tl_bdev_ops. */
bool tl_stack_abort(struct tl_bdev *bdev, struct tl_bdev_io *io);
int tl_stack_resize(struct tl_bdev *bdev, uint64_t blocks);
void tl_stack_stop(struct tl_bdev *bdev);
void tl_stack_destroy(struct tl_bdev *bdev);

#endif
