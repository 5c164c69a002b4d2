/*
 * A block device that delays reads and writes of another one. Management reactor.
 */
#ifndef TL_BACKEND_DELAY_H
#define TL_BACKEND_DELAY_H

#include "target-lite/backend/bdev.h"

#define TL_DELAY_US_MAX 3600000000ull

enum tl_delay_kind {
	TL_DELAY_AVG_READ,
	TL_DELAY_P99_READ, /* one in a hundred */
	TL_DELAY_AVG_WRITE,
	TL_DELAY_P99_WRITE,
	TL_DELAY_KINDS,
};
/* "avg_read", ...; NULL-terminated. */
extern const char *const tl_delay_kind_names[];

/* -ENOENT (base), -EBUSY (the base is in use), -EEXIST (name), -EINVAL (name), -ENOMEM. */
int tl_delay_create(struct tl_bdevs *bdevs, const struct tl_stack_create_opts *opts,
		    const uint64_t latency_us[TL_DELAY_KINDS], struct tl_bdev **ret_bdev);
/* For I/O that the base completes from now on. */
void tl_delay_update(struct tl_bdev *bdev, enum tl_delay_kind kind, uint64_t latency_us);
uint64_t tl_delay_latency(struct tl_bdev *bdev, enum tl_delay_kind kind);

extern const struct tl_bdev_ops tl_delay_ops;

#endif
