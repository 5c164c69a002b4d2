/*
 * Probe, in the manner of spdk_nvme_probe: read a discovery log, ask the application about each
 * subsystem in it, connect those it wants, follow referrals, tell when all is decided. Controllers
 * announce themselves by the host's events as ever. Home reactor. Base Specification 2.1, section
 * 3.1.3.3.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/discovery.h>

#include "base/fork.h"
#include "base/log.h"
#include "host/api/host.h"

/* Referrals may form circles and trees; so many discovery controllers are read at most. */
#define PROBE_MAX_LOGS 64u

/* A discovery controller that was read or is being read. */
struct probe_log {
	struct probe *probe;
	char transport[16], traddr[NVH_TRADDR_SIZE + 1], trsvcid[NVH_TRSVCID_SIZE + 1];
	struct nvhi_list link;
};

struct probe {
	struct nvh_host *host;
	struct nvh_connect_opts opts; /* its strings are this object's */
	char *strings[9];
	nvh_probe_fn ask;
	nvh_probe_done_fn done;
	void *arg;
	struct nvhi_list logs;
	uint32_t nr_logs;
	uint32_t pending; /* logs being read and controllers connecting */
	bool told_log;    /* a log was read */
	struct nvh_probe_result result;
	char message[320];
	struct nvhi_msg finish;
};

static void probe_free(struct probe *probe)
{
	struct probe_log *log, *next;

	nvhi_list_for_each_safe(log, next, &probe->logs, link)
		free(log);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(probe->strings); i++)
		free(probe->strings[i]);
	free(probe);
}

static void probe_finish(struct nvhi_msg *msg)
{
	struct probe *probe = nvhi_container_of(msg, struct probe, finish);
	struct nvh_host *host = probe->host;
	int err = probe->result.err;

	probe->result.message = probe->message;
	if (!err && probe->result.failed && !probe->result.attached)
		probe->result.err = -ENOTCONN;
	if (probe->done)
		probe->done(probe->arg, &probe->result);
	probe_free(probe);
	host->nr_discoveries--;
	nvhi_api_host_check_closed(host);
}

static void probe_put(struct probe *probe)
{
	if (--probe->pending > 0)
		return;
	probe->finish.fn = probe_finish;
	nvhi_reactor_post(nvhi_api_home(probe->host), &probe->finish);
}

static void probe_complain(struct probe *probe, const char *what, const char *message)
{
	nvhi_log(WARN, API, "probe: %s: %s", what, message);
	if (!probe->message[0])
		snprintf(probe->message, sizeof(probe->message), "%.64s: %.240s", what, message);
}

/* ---- subsystems --------------------------------------------------------------------------------
 */

static void probe_connected(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
			    const struct nvh_cpl *cpl)
{
	struct probe *probe = arg;

	(void)ctrlr;
	(void)cpl;
	if (err) {
		probe->result.failed++;
		probe_complain(probe, "connect", message);
	} else {
		probe->result.attached++;
	}
	probe_put(probe);
}

static void entry_opts(const struct probe *probe, const struct nvh_discovery_entry *entry,
		       struct nvh_connect_opts *opts)
{
	*opts = probe->opts;
	opts->transport = nvhi_trtype_name(entry->trtype);
	opts->traddr = entry->traddr;
	opts->trsvcid = entry->trsvcid[0] ? entry->trsvcid : NULL;
	opts->subnqn = entry->subnqn;
	opts->name = NULL;
	opts->discovery = false;
	opts->persistent = false;
}

static void probe_subsystem(struct probe *probe, const struct nvh_connect_opts *opts)
{
	char why[256];
	int err = nvh_connect(probe->host, opts, probe_connected, probe, why, sizeof(why));

	if (!err) {
		probe->pending++;
	} else if (err == -EALREADY) {
		probe->result.already++;
	} else {
		probe->result.failed++;
		probe_complain(probe, opts->subnqn, why[0] ? why : strerror(-err));
	}
}

/* ---- logs ---------------------------------------------------------------------------------------
 */

static void probe_read(struct probe *probe, const struct nvh_connect_opts *opts);

static void probe_entry(struct probe *probe, const struct nvh_discovery_entry *entry)
{
	struct nvh_connect_opts opts;

	entry_opts(probe, entry, &opts);
	switch (entry->subtype) {
	case NVH_SUBTYPE_NVM:
		if (!probe->ask || probe->ask(probe->arg, entry, &opts))
			probe_subsystem(probe, &opts);
		break;
	case NVH_SUBTYPE_DISC_REFERRAL:
		opts.no_retry = true;
		probe_read(probe, &opts);
		break;
	default: /* the discovery subsystem itself, and kinds of the future */
		break;
	}
}

static void probe_log_done(void *arg, int err, const struct nvh_discovery_log_view *view,
			   const char *message, const struct nvh_cpl *cpl)
{
	struct probe_log *log = arg;
	struct probe *probe = log->probe;

	(void)cpl;
	if (err) {
		probe->result.failed_logs++;
		if (!probe->told_log && !probe->result.err)
			probe->result.err = err;
		probe_complain(probe, log->traddr, message);
	} else {
		probe->told_log = true;
		probe->result.err = 0;
		for (uint64_t i = 0; i < view->nr_entries && !probe->host->closing; i++)
			probe_entry(probe, &view->entries[i]);
	}
	probe_put(probe);
}

static bool probe_knows(const struct probe *probe, const struct nvh_connect_opts *opts)
{
	const struct probe_log *log;

	nvhi_list_for_each(log, &probe->logs, link)
		if (!strcmp(log->transport, opts->transport) &&
		    !strcmp(log->traddr, opts->traddr) &&
		    !strcmp(log->trsvcid, opts->trsvcid ? opts->trsvcid : ""))
			return true;
	return false;
}

static int probe_begin_log(struct probe *probe, const struct nvh_connect_opts *opts, char *why,
			   size_t why_len)
{
	struct probe_log *log = calloc(1, sizeof(*log));
	int err;

	if (!log) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	log->probe = probe;
	snprintf(log->transport, sizeof(log->transport), "%s",
		 opts->transport ? opts->transport : "");
	snprintf(log->traddr, sizeof(log->traddr), "%s", opts->traddr ? opts->traddr : "");
	snprintf(log->trsvcid, sizeof(log->trsvcid), "%s", opts->trsvcid ? opts->trsvcid : "");
	nvhi_list_add_tail(&probe->logs, &log->link);
	probe->nr_logs++;
	err = nvh_discover(probe->host, opts, probe_log_done, log, why, why_len);
	if (!err)
		probe->pending++;
	return err;
}

/* A referral. */
static void probe_read(struct probe *probe, const struct nvh_connect_opts *opts)
{
	char why[256] = "";

	if (probe_knows(probe, opts))
		return;
	if (probe->nr_logs >= PROBE_MAX_LOGS) {
		probe_complain(probe, opts->traddr, "too many referrals, this one is not followed");
		return;
	}
	if (probe_begin_log(probe, opts, why, sizeof(why))) {
		probe->result.failed_logs++;
		probe_complain(probe, opts->traddr, why);
	}
}

/* ---- the call
 * ------------------------------------------------------------------------------------ */

static int probe_copy(struct probe *probe, size_t slot, const char **string)
{
	if (!*string)
		return 0;
	probe->strings[slot] = strdup(*string);
	*string = probe->strings[slot];
	return *string ? 0 : -ENOMEM;
}

static int probe_copy_opts(struct probe *probe, const struct nvh_connect_opts *opts)
{
	struct nvh_connect_opts *o = &probe->opts;
	const char **strings[] = {&o->transport,   &o->traddr,     &o->trsvcid, &o->subnqn,
				  &o->host_traddr, &o->host_iface, &o->hostnqn, &o->hostid, &o->policy};

	nvh_connect_opts_init(o, sizeof(*o));
	memcpy(o, opts, opts->size < sizeof(*o) ? opts->size : sizeof(*o));
	o->size = sizeof(*o);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(strings); i++)
		if (probe_copy(probe, i, strings[i]))
			return -ENOMEM;
	return 0;
}

int nvh_probe(struct nvh_host *host, const struct nvh_connect_opts *opts, nvh_probe_fn ask,
	      nvh_probe_done_fn done, void *arg, char *errbuf, size_t errbuf_len)
{
	struct probe *probe;
	char unread[1];
	int err;

	if (!errbuf || !errbuf_len) {
		errbuf = unread;
		errbuf_len = sizeof(unread);
	}
	errbuf[0] = '\0';
	if (nvhi_forked())
		return -EPERM;
	if (host->closing)
		return -ESHUTDOWN;
	if (!opts || opts->size < sizeof(size_t))
		return -EINVAL;
	probe = calloc(1, sizeof(*probe));
	if (!probe)
		return -ENOMEM;
	probe->host = host;
	probe->ask = ask;
	probe->done = done;
	probe->arg = arg;
	nvhi_list_init(&probe->logs);
	err = probe_copy_opts(probe, opts);
	if (!err) {
		struct nvh_connect_opts first = probe->opts;

		first.persistent = false;
		err = probe_begin_log(probe, &first, errbuf, errbuf_len);
	}
	if (err) {
		probe_free(probe);
		return err;
	}
	host->nr_discoveries++;
	return 0;
}
