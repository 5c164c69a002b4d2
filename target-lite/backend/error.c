/*
 * A block device that misbehaves on command (SPDK's error bdev): the next so many I/Os of a kind
 * fail, are held until they are resumed, have one byte wrong, or find no memory for a while.
 * Channel's reactor but for creation and orders.
 */
#include "target-lite/backend/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_status.h"
#include "target-lite/backend/stack.h"

#define ERROR_OPS      (TL_BDEV_UNMAP + 1)
#define ERROR_NOMEM_NS NVHI_NSEC_PER_MSEC

enum { ERROR_LIST_NOMEM, ERROR_LIST_PENDING };

/* Written by the management reactor, `num` last; any channel reads it. */
struct error_info {
	_Atomic uint32_t num;
	_Atomic uint8_t type; /* enum tl_error_type */
	_Atomic uint16_t status;
	_Atomic uint64_t queue_depth, corrupt_offset;
	_Atomic uint8_t corrupt_value;
};

struct error_bdev {
	struct tl_stack stack;
	struct error_info info[ERROR_OPS];
};

const char *const tl_error_type_names[] = {"failure",      "nvme_failure", "pending",
					   "corrupt_data", "nomem",        NULL};

static struct error_bdev *error_of(struct tl_stack *stack)
{
	return nvhi_container_of(stack, struct error_bdev, stack);
}

static struct error_info *error_info_of(const struct tl_stack_io *sio)
{
	return &error_of(sio->channel->stack)->info[sio->upper->op];
}

/* What becomes of this one; TL_ERROR_TYPES: nothing. */
static enum tl_error_type error_draw(const struct tl_stack_io *sio)
{
	struct error_info *info = error_info_of(sio);
	uint32_t num = atomic_load(&info->num);

	if (!num || sio->channel->inflight < info->queue_depth)
		return TL_ERROR_TYPES;
	do {
		if (!num)
			return TL_ERROR_TYPES;
	} while (!atomic_compare_exchange_weak(&info->num, &num, num - 1));
	return info->type;
}

static void error_done(struct tl_bdev_io *io)
{
	struct tl_stack_io *sio = tl_stack_back(io);

	tl_stack_end(sio, sio->status);
}

/* ---- wrong data ------------------------------------------------------------------------------ */

static void error_flip(const struct tl_stack_io *sio, const struct iovec *iov, uint32_t iovcnt)
{
	const struct error_info *info = error_info_of(sio);
	uint64_t at = info->corrupt_offset;

	for (uint32_t i = 0; i < iovcnt; i++) {
		if (at < iov[i].iov_len) {
			((uint8_t *)iov[i].iov_base)[at] ^= info->corrupt_value;
			return;
		}
		at -= iov[i].iov_len;
	}
}

static void error_corrupt_read_done(struct tl_bdev_io *io)
{
	struct tl_stack_io *sio = tl_stack_back(io);

	if (!sio->status)
		error_flip(sio, sio->upper->iov, sio->upper->iovcnt);
	tl_stack_end(sio, sio->status);
}

/* The caller's buffer stays as it is: a copy is written. */
static void error_corrupt_write(struct tl_stack_io *sio)
{
	const struct tl_bdev_io *upper = sio->upper;
	size_t len = (size_t)upper->blocks * upper->bdev->block_size, at = 0;

	sio->copy = malloc(len);
	if (!sio->copy) {
		tl_stack_end(sio, NVH_ST_INTERNAL);
		return;
	}
	for (uint32_t i = 0; i < upper->iovcnt && at < len; i++) {
		size_t part = upper->iov[i].iov_len < len - at ? upper->iov[i].iov_len : len - at;

		memcpy(sio->copy + at, upper->iov[i].iov_base, part);
		at += part;
	}
	sio->iov = (struct iovec){.iov_base = sio->copy, .iov_len = len};
	error_flip(sio, &sio->iov, 1);
	tl_stack_down(sio, error_done);
}

/* ---- I/O ------------------------------------------------------------------------------------- */

static void error_run(struct tl_stack_io *sio)
{
	uint64_t now = nvhi_reactor_now(sio->channel->reactor);

	switch (error_draw(sio)) {
	case TL_ERROR_FAILURE:
		tl_stack_end(sio, NVH_ST_INTERNAL);
		break;
	case TL_ERROR_NVME_FAILURE:
		tl_stack_end(sio, error_info_of(sio)->status);
		break;
	case TL_ERROR_PENDING:
		sio->kind = ERROR_LIST_PENDING;
		tl_stack_wait(sio, ERROR_LIST_PENDING, NVHI_NEVER);
		break;
	case TL_ERROR_NOMEM:
		sio->kind = ERROR_LIST_NOMEM;
		tl_stack_wait(sio, ERROR_LIST_NOMEM, now + ERROR_NOMEM_NS);
		break;
	case TL_ERROR_CORRUPT_DATA:
		if (sio->upper->op == TL_BDEV_WRITE)
			error_corrupt_write(sio);
		else
			tl_stack_down(sio, sio->upper->op == TL_BDEV_READ ? error_corrupt_read_done
									  : error_done);
		break;
	default:
		tl_stack_down(sio, error_done);
	}
}

static void error_submit(struct tl_bdev *bdev, struct tl_bdev_io *upper)
{
	struct tl_stack_io *sio = tl_stack_take(tl_stack_of(bdev), upper);

	if (sio)
		error_run(sio);
}

/* Once stopped, what is held was given up by its owner. */
static void error_go_on(struct tl_stack_io *sio)
{
	if (atomic_load(&sio->channel->stack->stopped) && sio->kind == ERROR_LIST_PENDING)
		tl_stack_end(sio, NVH_ST_ABORT_REQUESTED);
	else
		error_run(sio);
}

static void error_ordered(struct tl_stack_channel *channel)
{
	tl_stack_let_go(channel, ERROR_LIST_PENDING);
}

static const struct tl_stack_ops error_stack_ops = {
	.go_on = error_go_on,
	.ordered = error_ordered,
};

static void error_stop(struct tl_bdev *bdev)
{
	for (int i = 0; i < ERROR_OPS; i++)
		atomic_store(&error_of(tl_stack_of(bdev))->info[i].num, 0);
	tl_stack_stop(bdev);
}

const struct tl_bdev_ops tl_error_ops = {
	.product = "Error Injection Disk",
	.submit = error_submit,
	.lend = tl_bdev_no_lend,
	.abort = tl_stack_abort,
	.resize = tl_stack_resize,
	.filename = tl_bdev_no_filename,
	.stop = error_stop,
	.destroy = tl_stack_destroy,
};

/* ---- management ------------------------------------------------------------------------------ */

int tl_error_create(struct tl_bdevs *bdevs, const struct tl_stack_create_opts *opts,
		    struct tl_bdev **ret_bdev)
{
	struct tl_stack_create_opts named = *opts;
	const struct tl_bdev *base = tl_bdev_find(bdevs, opts->base_name);
	char name[TL_BDEV_NAME_LEN + 3];
	struct tl_stack *stack;
	int ret;

	if (!base)
		return -ENOENT;
	snprintf(name, sizeof(name), "EE_%s", base->name);
	named.name = name;
	ret = tl_stack_create(bdevs, &named, &tl_error_ops, &error_stack_ops,
			      sizeof(struct error_bdev), &stack);
	if (!ret)
		*ret_bdev = &stack->bdev;
	return ret;
}

void tl_error_inject(struct tl_bdev *bdev, enum tl_bdev_op op, const struct tl_error_opts *opts)
{
	struct error_info *info = &error_of(tl_stack_of(bdev))->info[op];

	atomic_store(&info->num, 0);
	info->type = (uint8_t)opts->type;
	info->status = opts->status;
	info->queue_depth = opts->queue_depth;
	info->corrupt_offset = opts->corrupt_offset;
	info->corrupt_value = opts->corrupt_value;
	atomic_store(&info->num, opts->num);
}

void tl_error_resume(struct tl_bdev *bdev)
{
	struct tl_stack *stack = tl_stack_of(bdev);

	for (int i = 0; i < ERROR_OPS; i++) {
		struct error_info *info = &error_of(stack)->info[i];

		if (info->type == TL_ERROR_PENDING)
			atomic_store(&info->num, 0);
	}
	tl_stack_order(stack);
}
