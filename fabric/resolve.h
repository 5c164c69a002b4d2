/*
 * Host names to addresses, for the command line and the daemon's configuration.
 *
 * Blocks in getaddrinfo(3): never on a reactor that serves I/O.
 */
#ifndef NVHI_FABRIC_RESOLVE_H
#define NVHI_FABRIC_RESOLVE_H

#include "fabric/addr.h"

/*
 * As nvhi_addr_set(), and a traddr of TCP or RDMA that is no number is looked up (first answer).
 * -EINVAL or -EHOSTUNREACH with one clear line in errbuf.
 */
int nvhi_addr_resolve(enum nvh_trtype trtype, const char *traddr, const char *trsvcid,
		      struct nvhi_addr *ret_addr, char *errbuf, size_t errbuf_len);

#endif
