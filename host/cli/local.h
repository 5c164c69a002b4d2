/*
 * The library used in this very process: discover, perf and a mount in the foreground need no
 * daemon.
 */
#ifndef NVC_LOCAL_H
#define NVC_LOCAL_H

#include <nvhost/nvhost.h>

#include "host/daemon/params.h"

struct nvc_local {
	struct nvh_reactor *reactor; /* home, driven by the calling thread */
	struct nvh_host *host;
};

/* Makes a reactor and a host with the identity of `params` (NULL: the default one). 0, or -1 after
 * the failure was said. */
int nvc_local_open(struct nvc_local *local, const struct nvd_params *params);
/* The same with events of the host. */
int nvc_local_open_events(struct nvc_local *local, const struct nvd_params *params,
			  const struct nvh_host_events *events, void *arg);
void nvc_local_close(struct nvc_local *local);

/* What a discovery controller answered, in wire form. */
struct nvc_discovery {
	uint64_t genctr;
	uint32_t nr;
	struct nvh_discovery_log_entry *entries;
};
void nvc_discovery_free(struct nvc_discovery *log);
/* Reads the discovery log in this process. 0 or -errno with the reason in err. */
int nvc_local_discover(struct nvc_local *local, const struct nvd_params *params,
		       struct nvc_discovery *ret_log, char *err, size_t err_len);
/* The NQN of the one subsystem at an address of this machine (pcie, vfio-user), for a command that was
 * given none. Fabrics, or an NQN given: nothing is done. -1 after the failure was said. */
int nvc_local_nqn(struct nvd_params *params, char *nqn, size_t nqn_len);
/* From the bytes of the log page (a header, then entries). -EINVAL, -ENOMEM. */
int nvc_discovery_from_bytes(const void *data, size_t len, struct nvc_discovery *ret_log);

#endif
