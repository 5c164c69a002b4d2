/*
 * The threads that do what would block a reactor on a file. One pool for the process, as long as a
 * file bdev exists.
 */
#ifndef TL_BACKEND_FILE_POOL_H
#define TL_BACKEND_FILE_POOL_H

#include "target-lite/backend/bdev.h"

/* Does the I/O, blocking, and returns its NVMe status. A pool thread. */
typedef unsigned int (*tl_file_work_fn)(struct tl_bdev_io *io);

/* Management reactor. -ENOMEM, -EAGAIN. */
int tl_file_pool_get(tl_file_work_fn work);
void tl_file_pool_put(void);
/* Queues the I/O; its done fires on its channel's reactor. Any reactor. */
void tl_file_pool_submit(struct tl_bdev_io *io);

#endif
