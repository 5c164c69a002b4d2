/*
 * A host and a reactor for one command, and the discovery log read with them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/cli/local.h"
#include "host/cli/opts.h"

int nvc_local_open(struct nvc_local *local, const struct nvd_params *params)
{
	return nvc_local_open_events(local, params, NULL, NULL);
}

int nvc_local_open_events(struct nvc_local *local, const struct nvd_params *params,
			  const struct nvh_host_events *events, void *arg)
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts), .nr_reactors = 1, .events = events, .events_arg = arg};
	char hostid[37];
	int rc;

	*local = (struct nvc_local){0};
	rc = nvh_reactor_create(NULL, &local->reactor);
	if (rc) {
		nvc_fail("cannot make an event loop: %s", strerror(-rc));
		return -1;
	}
	opts.reactors = &local->reactor;
	if (params) {
		opts.hostnqn = params->hostnqn;
		opts.hostid = params->hostid;
		if (params->hostnqn && !params->hostid &&
		    nvd_hostid_of_nqn(params->hostnqn, hostid) == 0)
			opts.hostid = hostid;
	}
	rc = nvh_host_create(&opts, &local->host);
	if (!rc)
		return 0;
	if (rc == -EINVAL)
		nvc_fail("the host NQN '%s' or host ID '%s' is not valid",
			 opts.hostnqn ? opts.hostnqn : "(default)",
			 opts.hostid ? opts.hostid : "(default)");
	else
		nvc_fail("cannot make a host: %s", strerror(-rc));
	nvh_reactor_destroy(local->reactor);
	return -1;
}

void nvc_local_close(struct nvc_local *local)
{
	nvh_host_close_sync(local->host);
	nvh_reactor_destroy(local->reactor);
}

/* ---- discovery ---------------------------------------------------------------------------- */

void nvc_discovery_free(struct nvc_discovery *log)
{
	free(log->entries);
	*log = (struct nvc_discovery){0};
}

int nvc_discovery_from_bytes(const void *data, size_t len, struct nvc_discovery *ret_log)
{
	const struct nvh_discovery_log_header *hdr = data;
	struct nvc_discovery log;
	uint64_t nr;

	if (len < sizeof(*hdr))
		return -EINVAL;
	nr = nvh_le64_get(hdr->numrec);
	if (nr > (len - sizeof(*hdr)) / sizeof(struct nvh_discovery_log_entry))
		return -EINVAL;
	log.genctr = nvh_le64_get(hdr->genctr);
	log.nr = (uint32_t)nr;
	log.entries = malloc(nr ? nr * sizeof(*log.entries) : 1);
	if (!log.entries)
		return -ENOMEM;
	memcpy(log.entries, hdr + 1, nr * sizeof(*log.entries));
	*ret_log = log;
	return 0;
}

struct local_discover {
	struct nvc_discovery log;
	int err;
	bool done;
	char message[512];
};

static void local_discovered(void *arg, int err, const struct nvh_discovery_log_view *view,
			     const char *message, const struct nvh_cpl *cpl)
{
	struct local_discover *work = arg;

	(void)cpl;
	work->done = true;
	work->err = err;
	snprintf(work->message, sizeof(work->message), "%s", message ? message : "");
	if (err)
		return;
	work->log.genctr = view->genctr;
	work->log.nr = (uint32_t)view->nr_entries;
	work->log.entries = calloc(view->nr_entries + 1, sizeof(*work->log.entries));
	if (!work->log.entries) {
		work->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < work->log.nr; i++)
		memcpy(&work->log.entries[i], view->entries[i].raw, sizeof(*work->log.entries));
}

int nvc_local_discover(struct nvc_local *local, const struct nvd_params *params,
		       struct nvc_discovery *ret_log, char *err, size_t err_len)
{
	struct local_discover work = {0};
	struct nvd_params discovery = *params;
	struct nvh_connect_opts opts;
	char hostid[37];
	int rc;

	discovery.discovery = true;
	rc = nvd_params_to_opts(&discovery, &opts, hostid, err, err_len);
	if (rc)
		return rc;
	opts.no_retry = true;
	opts.persistent = false;
	opts.nr_io_queues = 0;
	rc = nvh_discover(local->host, &opts, local_discovered, &work, err, err_len);
	while (!rc && !work.done) {
		int n = nvh_reactor_run(local->reactor, -1);

		if (n < 0)
			rc = n;
	}
	if (rc)
		return rc;
	if (work.err) {
		snprintf(err, err_len, "%s", work.message[0] ? work.message : strerror(-work.err));
		nvc_discovery_free(&work.log);
		return work.err;
	}
	*ret_log = work.log;
	return 0;
}

int nvc_local_nqn(struct nvd_params *params, char *nqn, size_t nqn_len)
{
	struct nvc_discovery log;
	struct nvc_local local;
	char err[1024];
	int rc;

	if (params->nqn || !params->transport || !params->traddr ||
	    (strcasecmp(params->transport, "pcie") != 0 &&
	     strcasecmp(params->transport, "vfio-user") != 0 &&
	     strcasecmp(params->transport, "vfiouser") != 0))
		return 0;
	if (nvc_local_open(&local, params) < 0)
		return -1;
	rc = nvc_local_discover(&local, params, &log, err, sizeof(err));
	if (rc == 0) {
		if (log.nr)
			snprintf(nqn, nqn_len, "%.223s", log.entries[0].subnqn);
		nvc_discovery_free(&log);
		params->nqn = nqn;
	}
	nvc_local_close(&local);
	return rc < 0 ? (nvc_fail("%s", err), -1) : 0;
}
