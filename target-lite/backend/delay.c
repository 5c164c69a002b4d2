/*
 * A block device that is slower than the one it stands on: reads and writes complete later by a
 * latency that can be changed at any time, one in a hundred by another (SPDK's delay bdev). As
 * there, those of one kind end in the order in which the base ended them: after a latency was
 * lowered, new ones wait behind the old. Channel's reactor but for creation and changes.
 */
#include "target-lite/backend/delay.h"

#include "target-lite/backend/stack.h"

struct delay_bdev {
	struct tl_stack stack;
	_Atomic uint64_t latency_us[TL_DELAY_KINDS];
};

const char *const tl_delay_kind_names[] = {"avg_read", "p99_read", "avg_write", "p99_write", NULL};

static struct delay_bdev *delay_of(struct tl_stack *stack)
{
	return nvhi_container_of(stack, struct delay_bdev, stack);
}

/* splitmix64's mixing: which of a hundred. */
static bool delay_is_p99(struct tl_stack_channel *channel)
{
	uint64_t z = ++channel->draws * 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % 100 == 0;
}

static void delay_go_on(struct tl_stack_io *sio)
{
	tl_stack_end(sio, sio->status);
}

static void delay_done(struct tl_bdev_io *io)
{
	struct tl_stack_io *sio = tl_stack_back(io);
	struct tl_stack *stack = sio->channel->stack;
	uint64_t us = 0;

	if (sio->kind < TL_DELAY_KINDS && !atomic_load(&stack->stopped))
		us = delay_of(stack)->latency_us[sio->kind];
	if (us ||
	    (sio->kind < TL_DELAY_KINDS && !nvhi_list_empty(&sio->channel->waiting[sio->kind])))
		tl_stack_wait(sio, sio->kind,
			      nvhi_reactor_now(sio->channel->reactor) + us * NVHI_NSEC_PER_USEC);
	else
		delay_go_on(sio);
}

static void delay_submit(struct tl_bdev *bdev, struct tl_bdev_io *upper)
{
	struct tl_stack_io *sio = tl_stack_take(tl_stack_of(bdev), upper);
	bool p99;

	if (!sio)
		return;
	p99 = delay_is_p99(sio->channel);
	if (upper->op == TL_BDEV_READ)
		sio->kind = p99 ? TL_DELAY_P99_READ : TL_DELAY_AVG_READ;
	else if (upper->op == TL_BDEV_WRITE)
		sio->kind = p99 ? TL_DELAY_P99_WRITE : TL_DELAY_AVG_WRITE;
	else
		sio->kind = TL_DELAY_KINDS;
	tl_stack_down(sio, delay_done);
}

/* Only when it stops. */
static void delay_ordered(struct tl_stack_channel *channel)
{
	for (uint32_t i = 0; i < TL_DELAY_KINDS; i++)
		tl_stack_let_go(channel, i);
}

static const struct tl_stack_ops delay_stack_ops = {
	.go_on = delay_go_on,
	.ordered = delay_ordered,
};

const struct tl_bdev_ops tl_delay_ops = {
	.product = "delay",
	.submit = delay_submit,
	.lend = tl_bdev_no_lend,
	.abort = tl_stack_abort,
	.resize = tl_stack_resize,
	.filename = tl_bdev_no_filename,
	.stop = tl_stack_stop,
	.destroy = tl_stack_destroy,
};

/* ---- management ------------------------------------------------------------------------------ */

int tl_delay_create(struct tl_bdevs *bdevs, const struct tl_stack_create_opts *opts,
		    const uint64_t latency_us[TL_DELAY_KINDS], struct tl_bdev **ret_bdev)
{
	struct tl_stack *stack;
	int ret = tl_stack_create(bdevs, opts, &tl_delay_ops, &delay_stack_ops,
				  sizeof(struct delay_bdev), &stack);

	if (ret)
		return ret;
	for (int i = 0; i < TL_DELAY_KINDS; i++)
		delay_of(stack)->latency_us[i] = latency_us[i];
	*ret_bdev = &stack->bdev;
	return 0;
}

void tl_delay_update(struct tl_bdev *bdev, enum tl_delay_kind kind, uint64_t latency_us)
{
	delay_of(tl_stack_of(bdev))->latency_us[kind] = latency_us;
}

uint64_t tl_delay_latency(struct tl_bdev *bdev, enum tl_delay_kind kind)
{
	return delay_of(tl_stack_of(bdev))->latency_us[kind];
}
