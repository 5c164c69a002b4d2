/*
 * Discovery: the log of a discovery controller, read by the steps that fabric/discovery_log.h asks
 * for (header, entries, header again while GENCTR moves), and the one-shot that connects, reads and
 * disconnects. Home reactor. Base Specification 2.1 sections 3.1.3.3 and 5.1.12.3.1.
 */
#include "host/discovery/discovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/discovery_log.h"

#define DISCOVERY_CHUNK (32u << 10)

/* ---- reading the log --------------------------------------------------------------------- */

struct nvhi_discovery_read {
	struct nvhi_ctrlr *ctrlr;
	struct nvhi_discovery_reader reader;
	struct nvhi_log_page log;
	struct nvhi_ctrlr_error error;
	nvhi_discovery_read_fn done;
	void *arg;
	uint32_t chunk;
	uint8_t buf[];
};

static int read_next(struct nvhi_discovery_read *read);

static void read_finish(struct nvhi_discovery_read *read, int err, const struct nvh_cpl *cpl,
			const char *text)
{
	const struct nvhi_discovery_log log = {
		.genctr = read->reader.genctr,
		.numrec = read->reader.numrec,
		.entries = read->reader.raw,
	};
	struct nvhi_ctrlr_error *error = &read->error;

	error->err = err;
	if (cpl) {
		error->has_cpl = true;
		error->cpl = *cpl;
	}
	if (err)
		snprintf(error->message, sizeof(error->message), "%s: read discovery log: %s",
			 nvhi_ctrlr_name(read->ctrlr), text);
	read->done(read->arg, error, err ? NULL : &log);
	nvhi_discovery_reader_fini(&read->reader);
	free(read);
}

static void read_log_done(struct nvhi_log_page *page, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_discovery_read *read = nvhi_container_of(page, struct nvhi_discovery_read, log);
	const char *why = "";

	if (err) {
		read_finish(read, err, NULL, strerror(-err));
		return;
	}
	if (nvh_cpl_is_error(cpl)) {
		read_finish(read, -EREMOTEIO, cpl,
			    nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
		return;
	}
	err = nvhi_discovery_reader_feed(&read->reader, read->buf, page->len, &why);
	if (err) {
		read_finish(read, err, NULL, why);
		return;
	}
	err = read_next(read);
	if (err)
		read_finish(read, err, NULL, strerror(-err));
}

/* The next chunk, or the end. */
static int read_next(struct nvhi_discovery_read *read)
{
	uint64_t offset;
	uint32_t len;

	if (!nvhi_discovery_reader_next(&read->reader, &offset, &len)) {
		read_finish(read, 0, NULL, "");
		return 0;
	}
	memset(&read->log, 0, sizeof(read->log));
	read->log.lid = NVH_LID_DISCOVERY;
	read->log.offset = offset;
	read->log.data = read->buf;
	read->log.len = len;
	read->log.done = read_log_done;
	return nvhi_log_page_read(read->ctrlr, &read->log);
}

static int read_start(struct nvhi_ctrlr *ctrlr, nvhi_discovery_read_fn done, void *arg,
		      struct nvhi_discovery_read **ret_read)
{
	uint32_t chunk = nvhi_ctrlr_caps(ctrlr)->max_transfer;
	struct nvhi_discovery_read *read;
	int err;

	if (nvhi_ctrlr_state(ctrlr) != NVHI_CTRLR_LIVE)
		return -ENOTCONN;
	if (chunk > DISCOVERY_CHUNK)
		chunk = DISCOVERY_CHUNK;
	read = calloc(1, sizeof(*read) + chunk);
	if (!read)
		return -ENOMEM;
	read->ctrlr = ctrlr;
	read->done = done;
	read->arg = arg;
	nvhi_discovery_reader_init(&read->reader, chunk);
	err = read_next(read);
	if (err) {
		nvhi_discovery_reader_fini(&read->reader);
		free(read);
		return err;
	}
	*ret_read = read;
	return 0;
}

int nvhi_discovery_read(struct nvhi_ctrlr *ctrlr, nvhi_discovery_read_fn done, void *arg)
{
	struct nvhi_discovery_read *read;

	return read_start(ctrlr, done, arg, &read);
}

/* ---- connect, read, disconnect
 * ------------------------------------------------------------------- */

struct discovery_once {
	struct nvhi_ctrlr_owner owner;
	struct nvhi_ctrlr *ctrlr;
	struct nvhi_discovery_read *read;    /* under way */
	struct nvhi_discovery_reader reader; /* the log, kept until the controller is gone */
	struct nvhi_ctrlr_error error;
	bool have;
	nvhi_discovery_read_fn done;
	void *arg;
};

static struct discovery_once *once_of(struct nvhi_ctrlr_owner *owner)
{
	return nvhi_container_of(owner, struct discovery_once, owner);
}

static void once_read_done(void *arg, const struct nvhi_ctrlr_error *error,
			   const struct nvhi_discovery_log *log)
{
	struct discovery_once *once = arg;

	if (log) {
		once->reader = once->read->reader;
		memset(&once->read->reader, 0, sizeof(once->read->reader));
		once->have = true;
	} else {
		once->error = *error;
	}
	once->read = NULL;
	nvhi_ctrlr_delete(once->ctrlr);
}

static void once_live(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr, bool first)
{
	struct discovery_once *once = once_of(owner);
	int err = read_start(ctrlr, once_read_done, once, &once->read);

	(void)first;
	if (!err)
		return;
	once->error.err = err;
	snprintf(once->error.message, sizeof(once->error.message), "%s: read discovery log: %s",
		 nvhi_ctrlr_name(ctrlr), strerror(-err));
	nvhi_ctrlr_delete(ctrlr);
}

static void once_failed(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
			const struct nvhi_ctrlr_error *error)
{
	(void)ctrlr;
	once_of(owner)->error = *error;
}

static void once_deleted(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
			 const struct nvhi_ctrlr_error *why)
{
	struct discovery_once *once = once_of(owner);
	const struct nvhi_discovery_log log = {
		.genctr = once->reader.genctr,
		.numrec = once->reader.numrec,
		.entries = once->reader.raw,
	};

	if (why && !once->have)
		once->error = *why;
	nvhi_ctrlr_destroy(ctrlr);
	once->done(once->arg, &once->error, once->have ? &log : NULL);
	nvhi_discovery_reader_fini(&once->reader);
	free(once);
}

static void once_ns(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
		    const struct nvhi_ns_data *ns)
{
	(void)owner;
	(void)ctrlr;
	(void)ns;
}

static void once_ns_changed(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
			    const struct nvhi_ns_data *ns, uint32_t what)
{
	(void)what;
	once_ns(owner, ctrlr, ns);
}

static void once_ns_removed(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr, uint32_t nsid)
{
	(void)nsid;
	once_ns(owner, ctrlr, NULL);
}

int nvhi_discover(const struct nvhi_ctrlr_opts *opts, nvhi_discovery_read_fn done, void *arg,
		  char *errbuf, size_t errbuf_len)
{
	static const struct nvhi_ctrlr_events events = {
		.state = nvhi_ctrlr_events_none_state,
		.live = once_live,
		.failed = once_failed,
		.lost = once_failed,
		.quiesced = nvhi_ctrlr_events_none,
		.fast_io_fail = nvhi_ctrlr_events_none,
		.deleted = once_deleted,
		.ns_added = once_ns,
		.ns_changed = once_ns_changed,
		.ns_removed = once_ns_removed,
		.notice = nvhi_ctrlr_events_none_notice,
	};
	struct nvhi_ctrlr_opts own = *opts;
	struct discovery_once *once = calloc(1, sizeof(*once));
	int err;

	if (!once) {
		snprintf(errbuf, errbuf_len, "out of memory");
		return -ENOMEM;
	}
	own.discovery = true;
	own.persistent = false;
	own.no_retry = true;
	once->owner.events = &events;
	once->done = done;
	once->arg = arg;
	err = nvhi_ctrlr_create(&own, &once->owner, errbuf, errbuf_len, &once->ctrlr);
	if (err) {
		free(once);
		return err;
	}
	nvhi_ctrlr_start(once->ctrlr);
	return 0;
}
