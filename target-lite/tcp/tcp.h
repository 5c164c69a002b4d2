/*
 * The NVMe/TCP transport of the target. One connection is one queue pair on one reactor; see
 * tcp_impl.h for its parts.
 */
#ifndef TL_TCP_TCP_H
#define TL_TCP_TCP_H

#include "base/stream.h"
#include "target-lite/core/target.h"

#define TL_TCP_IO_SIZE_MAX (4u << 20)

/* The name of an option with a value that cannot be; NULL: all are fine. */
const char *tl_tcp_check_opts(const struct tl_transport_opts *opts);
/* Makes the transport and adds it to the target. `net` is where its streams come from
 * (nvhi_net_sockets). -EINVAL (options), -EEXIST, -ENOMEM. */
int tl_tcp_create(struct tl_target *target, const struct tl_transport_opts *opts,
		  struct nvhi_net *net, struct tl_transport **ret_transport);

#endif
