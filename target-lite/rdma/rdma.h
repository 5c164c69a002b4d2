/*
 * The NVMe/RDMA transport of the target. One connection is one queue pair on one reactor; see
 * rdma_impl.h for its parts.
 */
#ifndef TL_RDMA_RDMA_H
#define TL_RDMA_RDMA_H

#include "target-lite/core/target.h"

/* The name of an option with a value that cannot be; NULL: all are fine. */
const char *tl_rdma_check_opts(const struct tl_transport_opts *opts);
/*
 * Makes the transport and adds it to the target. Management reactor. -EINVAL (options), -EEXIST,
 * -ENOMEM; -ENODEV, -ENOSYS, -EACCES: no RDMA here, -EDQUOT: the limit of locked memory is too low
 * for its buffers. `errbuf` gets one line that says what to do.
 */
int tl_rdma_create(struct tl_target *target, const struct tl_transport_opts *opts, char *errbuf,
		   size_t errbuf_len, struct tl_transport **ret_transport);

#endif
