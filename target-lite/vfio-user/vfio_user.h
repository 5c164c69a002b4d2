/*
 * The vfio-user transport of the target: each client of a listener's socket sees a PCIe NVMe
 * controller of the listener's subsystem.
 */
#ifndef TL_VFIO_USER_H
#define TL_VFIO_USER_H

#include "target-lite/core/target.h"

/* NULL, or the name of the option that is out of range. */
const char *tl_vfu_check_opts(const struct tl_transport_opts *opts);
/* Lists itself with the target. -EINVAL, -ENOMEM, -EEXIST. */
int tl_vfu_create(struct tl_target *target, const struct tl_transport_opts *opts,
		  struct tl_transport **ret_transport);

#endif
