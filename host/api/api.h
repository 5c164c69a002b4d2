/*
 * What the small files of the public API share: who serves a reactor, and the host's identity.
 */
#ifndef NVHI_HOST_API_API_H
#define NVHI_HOST_API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- reactors ---------------------------------------------------------------------------- */

struct nvh_reactor;

/* Some other thread than the caller is in the reactor's loop (nvh_reactor_loop or a thread of
 * nvh_reactor_start_thread), so that a caller may wait for it. Any thread. */
bool nvhi_api_reactor_is_served(struct nvh_reactor *reactor);

/* ---- identity ---------------------------------------------------------------------------- */

/* "/etc/nvme"; tests point it elsewhere. */
extern const char *nvhi_api_system_folder;

struct nvhi_api_identity {
	char hostnqn[224];
	uint8_t hostid[16];
};
/* Fills the identity from the options, the system's files or the user's own (made when missing).
 * -EINVAL names the culprit in errbuf. */
int nvhi_api_identity_load(const char *hostnqn, const char *hostid,
			   struct nvhi_api_identity *ret_identity, char *errbuf, size_t errbuf_len);

#endif
