/*
 * A block device that forgets writes and reads as zeroes: what remains is the cost of everything
 * else. Reads lend one run of zeroes. Any reactor; inline.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_status.h"
#include "target-lite/backend/bdev_impl.h"

/* As much as one command may read; never written, so never resident. */
static uint8_t null_zeroes[4u << 20];

static void null_submit(struct tl_bdev *bdev, struct tl_bdev_io *io)
{
	(void)bdev;
	if (io->op == TL_BDEV_READ)
		for (uint32_t i = 0; i < io->iovcnt; i++)
			memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
	tl_bdev_io_complete(io, NVH_ST_SUCCESS);
}

static const void *null_lend(struct tl_bdev *bdev, uint64_t lba, uint64_t blocks)
{
	(void)lba;
	return blocks <= sizeof(null_zeroes) / bdev->block_size ? null_zeroes : NULL;
}

static int null_resize(struct tl_bdev *bdev, uint64_t blocks)
{
	bdev->blocks = blocks;
	return 0;
}

static void null_destroy(struct tl_bdev *bdev)
{
	free(bdev);
}

const struct tl_bdev_ops tl_null_ops = {
	.product = "Null disk",
	.submit = null_submit,
	.lend = null_lend,
	.abort = tl_bdev_no_abort,
	.resize = null_resize,
	.filename = tl_bdev_no_filename,
	.stop = tl_bdev_no_stop,
	.destroy = null_destroy,
};

int tl_null_create(struct tl_bdevs *bdevs, const struct tl_bdev_create_opts *opts,
		   struct tl_bdev **ret_bdev)
{
	struct tl_bdev *bdev = calloc(1, sizeof(*bdev));
	int ret;

	if (!bdev)
		return -ENOMEM;
	bdev->ops = &tl_null_ops;
	bdev->inline_io = true;
	bdev->lends = true;
	ret = tl_bdev_init_size(bdev, opts);
	if (!ret)
		ret = tl_bdev_init_name(bdevs, bdev, opts, "Null");
	if (!ret)
		ret = tl_bdev_register(bdevs, bdev);
	if (ret) {
		free(bdev);
		return ret;
	}
	*ret_bdev = bdev;
	return 0;
}
