/*
 * The common part of stacked block devices: see stack.h. A stack uses its base as a namespace uses
 * a bdev, so it goes when the base goes and follows its size.
 */
#include "target-lite/backend/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/spec/nvme_status.h"

/* ---- one I/O -------------------------------------------------------------------------------- */

struct tl_stack_io *tl_stack_take(struct tl_stack *stack, struct tl_bdev_io *upper)
{
	struct tl_stack_channel *channel = &stack->channels[upper->channel->index];
	struct tl_stack_io *sio;

	if (nvhi_list_empty(&channel->free)) {
		sio = calloc(1, sizeof(*sio));
		if (!sio) {
			tl_bdev_io_complete(upper, NVH_ST_INTERNAL);
			return NULL;
		}
		nvhi_list_init(&sio->link);
	} else {
		sio = nvhi_list_first(&channel->free, struct tl_stack_io, link);
		nvhi_list_del(&sio->link);
	}
	sio->upper = upper;
	sio->channel = channel;
	sio->below = false;
	sio->kind = 0;
	sio->copy = NULL;
	return sio;
}

void tl_stack_down(struct tl_stack_io *sio, tl_bdev_io_fn done)
{
	struct tl_stack_channel *channel = sio->channel;
	const struct tl_bdev_io *upper = sio->upper;
	struct tl_bdev *base = channel->stack->base;

	sio->io.bdev = base;
	sio->io.channel = upper->channel;
	sio->io.op = upper->op;
	sio->io.fua = upper->fua;
	sio->io.deallocate = upper->deallocate;
	sio->io.lba = upper->lba;
	sio->io.blocks = upper->blocks;
	sio->io.iov = sio->copy ? &sio->iov : upper->iov;
	sio->io.iovcnt = sio->copy ? 1 : upper->iovcnt;
	sio->io.done = done;
	sio->below = true;
	channel->inflight++;
	nvhi_list_add_tail(&channel->busy, &sio->link);
	base->ops->submit(base, &sio->io);
}

struct tl_stack_io *tl_stack_back(struct tl_bdev_io *io)
{
	struct tl_stack_io *sio = nvhi_container_of(io, struct tl_stack_io, io);

	sio->below = false;
	sio->status = io->status;
	sio->channel->inflight--;
	nvhi_list_del(&sio->link);
	return sio;
}

void tl_stack_end(struct tl_stack_io *sio, unsigned int status)
{
	struct tl_bdev_io *upper = sio->upper;

	free(sio->copy);
	nvhi_list_add_head(&sio->channel->free, &sio->link);
	tl_bdev_io_complete(upper, status);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static struct tl_stack_io *channel_first(struct tl_stack_channel *channel)
{
	struct tl_stack_io *first = NULL;

	for (int i = 0; i < TL_STACK_LISTS; i++) {
		struct tl_stack_io *sio;

		if (nvhi_list_empty(&channel->waiting[i]))
			continue;
		sio = nvhi_list_first(&channel->waiting[i], struct tl_stack_io, link);
		if (!first || sio->due < first->due)
			first = sio;
	}
	return first;
}

static void channel_arm(struct tl_stack_channel *channel)
{
	const struct tl_stack_io *first = channel_first(channel);

	if (!first || first->due == NVHI_NEVER)
		nvhi_timer_cancel(channel->reactor, &channel->timer);
	else if (nvhi_timer_arm_at(channel->reactor, &channel->timer, first->due))
		nvhi_log(WARN, TARGET, "%s: no memory for a timer", channel->stack->bdev.name);
}

static void channel_timer(struct nvhi_timer *timer)
{
	struct tl_stack_channel *channel = nvhi_container_of(timer, struct tl_stack_channel, timer);
	uint64_t now = nvhi_reactor_now(channel->reactor);
	struct tl_stack_io *sio;

	while ((sio = channel_first(channel)) && sio->due <= now) {
		nvhi_list_del(&sio->link);
		channel->stack->ops->go_on(sio);
	}
	channel_arm(channel);
}

void tl_stack_wait(struct tl_stack_io *sio, uint32_t list, uint64_t due)
{
	sio->due = due;
	nvhi_list_add_tail(&sio->channel->waiting[list], &sio->link);
	channel_arm(sio->channel);
}

/* Those that come back to the list on their way are not met again. */
void tl_stack_let_go(struct tl_stack_channel *channel, uint32_t list)
{
	struct nvhi_list all = NVHI_LIST_INIT(all);
	struct tl_stack_io *sio;

	nvhi_list_splice_tail(&all, &channel->waiting[list]);
	while (!nvhi_list_empty(&all)) {
		sio = nvhi_list_first(&all, struct tl_stack_io, link);
		nvhi_list_del(&sio->link);
		channel->stack->ops->go_on(sio);
	}
	channel_arm(channel);
}

bool tl_stack_abort(struct tl_bdev *bdev, struct tl_bdev_io *io)
{
	struct tl_stack *stack = tl_stack_of(bdev);
	struct tl_stack_channel *channel = &stack->channels[io->channel->index];
	struct tl_stack_io *sio;

	nvhi_list_for_each(sio, &channel->busy, link)
		if (sio->upper == io)
			return stack->base->ops->abort(stack->base, &sio->io);
	for (int i = 0; i < TL_STACK_LISTS; i++)
		nvhi_list_for_each(sio, &channel->waiting[i], link) {
			if (sio->upper != io)
				continue;
			nvhi_list_del(&sio->link);
			channel_arm(channel);
			tl_stack_end(sio, NVH_ST_ABORT_REQUESTED);
			return true;
		}
	return false;
}

/* ---- orders --------------------------------------------------------------------------------- */

static void stack_free(struct tl_stack *stack)
{
	for (uint32_t i = 0; i < stack->channel_count; i++) {
		struct nvhi_list *list = &stack->channels[i].free;

		while (!nvhi_list_empty(list)) {
			struct tl_stack_io *sio = nvhi_list_first(list, struct tl_stack_io, link);

			nvhi_list_del(&sio->link);
			free(sio);
		}
	}
	free(stack->channels);
	free(stack);
}

static void stack_acked(struct nvhi_msg *msg)
{
	struct tl_stack *stack = nvhi_container_of(msg, struct tl_stack_channel, msg)->stack;

	if (--stack->acks_missing)
		return;
	if (stack->dying) {
		stack_free(stack);
	} else if (stack->again) {
		stack->again = false;
		tl_stack_order(stack);
	}
}

static void stack_ordered(struct nvhi_msg *msg)
{
	struct tl_stack_channel *channel = nvhi_container_of(msg, struct tl_stack_channel, msg);
	struct nvh_reactor *mgmt = channel->stack->mgmt;

	channel->stack->ops->ordered(channel);
	msg->fn = stack_acked;
	nvhi_reactor_post(mgmt, msg);
}

void tl_stack_order(struct tl_stack *stack)
{
	if (stack->acks_missing) {
		stack->again = true;
		return;
	}
	stack->acks_missing = stack->channel_count;
	for (uint32_t i = 0; i < stack->channel_count; i++) {
		stack->channels[i].msg.fn = stack_ordered;
		nvhi_reactor_post(stack->channels[i].reactor, &stack->channels[i].msg);
	}
}

void tl_stack_stop(struct tl_bdev *bdev)
{
	struct tl_stack *stack = tl_stack_of(bdev);

	if (!atomic_exchange(&stack->stopped, true))
		tl_stack_order(stack);
}

/* ---- life ----------------------------------------------------------------------------------- */

int tl_stack_resize(struct tl_bdev *bdev, uint64_t blocks)
{
	if (blocks > tl_stack_of(bdev)->base->blocks)
		return -ENOSPC;
	bdev->blocks = blocks;
	return 0;
}

static void stack_base_resized(struct tl_bdev_user *user)
{
	struct tl_stack *stack = nvhi_container_of(user, struct tl_stack, user);

	tl_bdev_resize(&stack->bdev, stack->base->blocks);
}

static void stack_base_remove(struct tl_bdev_user *user)
{
	struct tl_stack *stack = nvhi_container_of(user, struct tl_stack, user);

	tl_bdev_delete(&stack->bdev, NULL, NULL); /* -EBUSY: it is on its way already */
}

/* No I/O is left, an order may be under way. */
void tl_stack_destroy(struct tl_bdev *bdev)
{
	struct tl_stack *stack = tl_stack_of(bdev);

	tl_bdev_release(stack->base, &stack->user);
	stack->dying = true;
	if (!stack->acks_missing)
		stack_free(stack);
}

static void stack_init_channels(struct tl_stack *stack, struct nvh_reactor *const *reactors)
{
	for (uint32_t i = 0; i < stack->channel_count; i++) {
		struct tl_stack_channel *channel = &stack->channels[i];

		channel->stack = stack;
		channel->reactor = reactors[i];
		channel->timer.fn = channel_timer;
		nvhi_list_init(&channel->busy);
		nvhi_list_init(&channel->free);
		for (int k = 0; k < TL_STACK_LISTS; k++)
			nvhi_list_init(&channel->waiting[k]);
	}
}

int tl_stack_create(struct tl_bdevs *bdevs, const struct tl_stack_create_opts *opts,
		    const struct tl_bdev_ops *bdev_ops, const struct tl_stack_ops *ops, size_t size,
		    struct tl_stack **ret_stack)
{
	struct tl_bdev *base = tl_bdev_find(bdevs, opts->base_name);
	struct tl_bdev_create_opts create = {.name = opts->name, .uuid = opts->uuid};
	struct tl_stack *stack;
	int ret;

	if (!base || base->deleting)
		return -ENOENT;
	if (!nvhi_list_empty(&base->users))
		return -EBUSY;
	stack = calloc(1, size);
	if (!stack)
		return -ENOMEM;
	stack->channels = calloc(opts->channels, sizeof(stack->channels[0]));
	if (!stack->channels) {
		free(stack);
		return -ENOMEM;
	}
	stack->ops = ops;
	stack->base = base;
	stack->mgmt = opts->reactors[0];
	stack->channel_count = opts->channels;
	stack->user.remove = stack_base_remove;
	stack->user.resized = stack_base_resized;
	stack->bdev.ops = bdev_ops;
	stack->bdev.block_size = base->block_size;
	stack->bdev.physical_block_size = base->physical_block_size;
	stack->bdev.blocks = base->blocks;
	stack->bdev.write_cache = base->write_cache;
	stack->bdev.read_only = base->read_only;
	stack_init_channels(stack, opts->reactors);
	ret = tl_bdev_init_name(bdevs, &stack->bdev, &create, NULL);
	if (!ret)
		ret = tl_bdev_register(bdevs, &stack->bdev);
	if (ret) {
		stack_free(stack);
		return ret;
	}
	tl_bdev_claim(base, &stack->user);
	*ret_stack = stack;
	return 0;
}

const struct tl_bdev *tl_stack_base(struct tl_bdev *bdev)
{
	return tl_stack_of(bdev)->base;
}
