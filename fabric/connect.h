/*
 * The Fabrics Connect and Disconnect commands: built, and their answers understood. Shared by all
 * fabrics transports; pure, any thread. Base Specification 2.1 sections 6.2 and 6.3.
 */
#ifndef NVHI_FABRIC_CONNECT_H
#define NVHI_FABRIC_CONNECT_H

#include <stddef.h>

#include "host/transport.h"

/* Enough for the text of nvhi_connect_result. */
#define NVHI_CONNECT_TEXT 192

/* The Connect command of this queue pair and the 1,024 bytes of data that go with it: CNTLID FFFFh
 * (any controller) for the admin queue, the controller's own for an I/O queue. */
void nvhi_connect_build(const struct nvhi_qpair *qpair, struct nvh_cmd *cmd,
			struct nvh_fab_connect_data *data);

/*
 * 0: connected, and no authentication is asked for. Otherwise -errno and one line in `text` that
 * says what the controller refused and what to do:
 * -EACCES: this host is not allowed, or must authenticate; -ENOENT: no such subsystem here;
 * -EBUSY: no controller or queue is free; -EINVAL: another parameter; -EPROTO: any other status.
 */
int nvhi_connect_result(const struct nvhi_qpair *qpair, const struct nvh_cpl *cpl, char *text,
			size_t len);

#endif
