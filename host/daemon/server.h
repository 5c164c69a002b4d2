/*
 * The daemon as an object: reactors, host, RPC server, and their orderly end. Main thread.
 */
#ifndef NVD_SERVER_H
#define NVD_SERVER_H

#include "host/daemon/daemon.h"

struct nvd_server_opts {
	const char *socket;     /* where the RPC listens */
	const char *state_path; /* saved state */
	const char *hostnqn, *hostid;
	unsigned int nr_reactors;
	const int *cpus; /* of each reactor, -1: not pinned; NULL: none is */
	bool poll;
};

/* Builds everything and starts to make the saved connections again. -errno with a reason. */
int nvd_server_create(const struct nvd_server_opts *opts, struct nvd_daemon **ret_daemon, char *err,
		      size_t err_len);
/* Runs until nvd_daemon_stop has done its work. */
void nvd_server_run(struct nvd_daemon *daemon);
void nvd_server_destroy(struct nvd_daemon *daemon);

#endif
