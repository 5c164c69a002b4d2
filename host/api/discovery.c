/*
 * The public face of discovery: read a log over a connection made for it, or over a discovery
 * controller that stays, and hand out its entries trimmed and checked. Home reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/discovery.h>

#include "base/fork.h"
#include "base/log.h"
#include "fabric/discovery_log.h"
#include "host/api/host.h"
#include "host/discovery/discovery.h"

struct discover {
	struct nvh_host *host;
	nvh_discover_fn done;
	void *arg;
	bool one_shot;
};

/* ---- entries --------------------------------------------------------------------------------- */

static void entry_fill(const struct nvhi_discovery_entry *in, struct nvh_discovery_entry *out)
{
	out->trtype = in->trtype;
	out->adrfam = in->adrfam;
	out->subtype = in->subtype;
	out->treq = in->treq;
	out->portid = in->portid;
	out->cntlid = in->cntlid;
	out->asqsz = in->asqsz;
	out->eflags = in->eflags;
	snprintf(out->trsvcid, sizeof(out->trsvcid), "%s", in->trsvcid);
	snprintf(out->subnqn, sizeof(out->subnqn), "%s", in->subnqn);
	snprintf(out->traddr, sizeof(out->traddr), "%s", in->traddr);
}

/* Entries that cannot be shown safely are left out, with a line that says which and why. */
static uint64_t entries_parse(const struct nvhi_discovery_log *log,
			      struct nvh_discovery_entry *entries)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < log->numrec; i++) {
		struct nvhi_discovery_entry entry;
		const char *why;

		if (nvhi_discovery_entry_parse(&log->entries[i], &entry, &why)) {
			nvhi_log(WARN, DISCOVERY, "discovery log entry %llu is left out: %s",
				 (unsigned long long)i, why);
			continue;
		}
		entry_fill(&entry, &entries[count]);
		entries[count++].raw = &log->entries[i];
	}
	return count;
}

static void discover_read(void *arg, const struct nvhi_ctrlr_error *error,
			  const struct nvhi_discovery_log *log)
{
	struct discover *d = arg;
	struct nvh_discovery_entry *entries = NULL;
	struct nvh_discovery_log_view view = {0};
	int err = error->err;

	if (log) {
		entries = calloc(log->numrec ? log->numrec : 1, sizeof(*entries));
		if (entries) {
			view.genctr = log->genctr;
			view.nr_entries = entries_parse(log, entries);
			view.entries = entries;
			for (uint64_t i = 0; i < view.nr_entries; i++)
				nvhi_api_wake(d->host, entries[i].traddr, entries[i].subnqn);
		} else {
			err = -ENOMEM;
		}
	}
	d->done(d->arg, err, err ? NULL : &view,
		err && !log ? error->message
		: err       ? "out of memory"
			    : "",
		error->has_cpl ? &error->cpl : NULL);
	free(entries);
	if (d->one_shot) {
		d->host->nr_discoveries--;
		nvhi_api_host_check_closed(d->host);
	}
	free(d);
}

static struct discover *discover_new(struct nvh_host *host, nvh_discover_fn done, void *arg)
{
	struct discover *d = calloc(1, sizeof(*d));

	if (d) {
		d->host = host;
		d->done = done;
		d->arg = arg;
	}
	return d;
}

/* ---- a discovery controller that stays --------------------------------------------------------
 */

int nvh_ctrlr_get_discovery_log(struct nvh_ctrlr *ctrlr, nvh_discover_fn done, void *arg)
{
	struct discover *d;
	int err;

	if (nvhi_forked())
		return -EPERM;
	if (!done)
		return -EINVAL;
	d = discover_new(ctrlr->host, done, arg);
	if (!d)
		return -ENOMEM;
	err = nvhi_discovery_read(ctrlr->inner, discover_read, d);
	if (err)
		free(d);
	return err;
}

static void discover_connected(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
			       const struct nvh_cpl *cpl)
{
	struct discover *d = arg;

	if (!err) {
		err = nvhi_discovery_read(ctrlr->inner, discover_read, d);
		if (!err)
			return;
		message = strerror(-err);
	}
	d->done(d->arg, err, NULL, message, cpl);
	free(d);
}

/* ---- the public call ---------------------------------------------------------------------------
 */

int nvh_discover(struct nvh_host *host, const struct nvh_connect_opts *opts, nvh_discover_fn done,
		 void *arg, char *errbuf, size_t errbuf_len)
{
	struct nvhi_ctrlr_opts inner;
	struct discover *d;
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
	if (!done)
		return -EINVAL;
	err = nvhi_api_connect_opts(host, opts, &inner, errbuf, errbuf_len);
	if (err)
		return err;
	d = discover_new(host, done, arg);
	if (!d)
		return -ENOMEM;
	inner.discovery = true;
	if (inner.persistent) {
		struct nvh_ctrlr *ctrlr;

		err = nvhi_api_connect(host, &inner, opts->name, discover_connected, d, errbuf,
				       errbuf_len, &ctrlr);
	} else {
		d->one_shot = true;
		inner.transport.name = "discovery";
		err = nvhi_discover(&inner, discover_read, d, errbuf, errbuf_len);
		if (!err)
			host->nr_discoveries++;
	}
	if (err)
		free(d);
	return err;
}
