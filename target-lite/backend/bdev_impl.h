/*
 * What backends share: creation options into a bdev, and defaults for slots they do not need.
 */
#ifndef TL_BACKEND_BDEV_IMPL_H
#define TL_BACKEND_BDEV_IMPL_H

#include "target-lite/backend/bdev.h"

/* Checks and takes over block size and count. -EINVAL. */
int tl_bdev_init_size(struct tl_bdev *bdev, const struct tl_bdev_create_opts *opts);
/* Name (or the first free "<prefix>N") and UUID. -EINVAL. */
int tl_bdev_init_name(struct tl_bdevs *bdevs, struct tl_bdev *bdev,
		      const struct tl_bdev_create_opts *opts, const char *prefix);

int tl_bdev_no_resize(struct tl_bdev *bdev, uint64_t blocks);
const char *tl_bdev_no_filename(const struct tl_bdev *bdev);
const void *tl_bdev_no_lend(struct tl_bdev *bdev, uint64_t lba, uint64_t blocks);
void tl_bdev_no_stop(struct tl_bdev *bdev);
bool tl_bdev_no_abort(struct tl_bdev *bdev, struct tl_bdev_io *io);

#endif
