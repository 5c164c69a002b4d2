/*
 * Discovery: the log of a discovery controller, read by the steps that fabric/discovery_log.h asks
 * for (header, entries, header again while GENCTR moves), and the one-shot that connects, reads and
 * disconnects. A transport that is no fabric has no discovery controllers: there the log is one entry,
 * made of what the controller itself says in Identify. Home reactor. Base Specification 2.1 sections 3.1.3.3 and 5.1.12.3.1.
 */
#include "host/discovery/discovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/discovery_log.h"

#define DISCOVERY_CHUNK (32u << 10)
#define OWN_ASQSZ	32u

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
	bool ask; /* no discovery controller: its own entry */
	struct nvh_discovery_log_entry own;
	struct nvhi_msg tell;
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

/* Controllers before 1.2.1 have no name: then the one that the specification makes of their
 * identity (Base Specification 2.1 section 4.7.1). */
static void own_name(const struct nvh_id_ctrlr *id, char *name, size_t len)
{
	if (id->subnqn[0] && memchr(id->subnqn, '\0', sizeof(id->subnqn)))
		snprintf(name, len, "%s", id->subnqn);
	else
		snprintf(name, len, "nqn.2014.08.org.nvmexpress:%04x%04x%.20s%.40s",
			 nvh_le16_get(id->vid), nvh_le16_get(id->ssvid), id->sn, id->mn);
}

static void own_entry(const struct nvhi_ctrlr *ctrlr, struct nvh_discovery_log_entry *ret_entry)
{
	const struct nvhi_addr *addr = &nvhi_ctrlr_opts(ctrlr)->transport.addr;
	const struct nvh_id_ctrlr *id = nvhi_ctrlr_identify(ctrlr);
	struct nvh_discovery_log_entry e = {0};

	e.trtype = (uint8_t)addr->trtype;
	e.adrfam = (uint8_t)addr->adrfam;
	e.subtype = id->cntrltype == NVH_CNTRLTYPE_DISCOVERY ? NVH_SUBTYPE_DISC_CURRENT
							     : NVH_SUBTYPE_NVM;
	e.cntlid = id->cntlid;
	nvh_le16_put(&e.asqsz, OWN_ASQSZ);
	memset(e.trsvcid, ' ', sizeof(e.trsvcid));
	memset(e.traddr, ' ', sizeof(e.traddr));
	memcpy(e.traddr, addr->traddr, strnlen(addr->traddr, sizeof(e.traddr)));
	own_name(id, e.subnqn, sizeof(e.subnqn));
	*ret_entry = e;
}

static void once_live(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr, bool first)
{
	struct discovery_once *once = once_of(owner);
	int err;

	(void)first;
	if (once->ask) {
		own_entry(ctrlr, &once->own);
		once->have = true;
		nvhi_ctrlr_delete(ctrlr);
		return;
	}
	err = read_start(ctrlr, once_read_done, once, &once->read);
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

/* The controller is freed by a message of its own; this one comes behind it: whoever is told may open
 * the same device again. */
static void once_tell(struct nvhi_msg *msg)
{
	struct discovery_once *once = nvhi_container_of(msg, struct discovery_once, tell);
	const struct nvhi_discovery_log log = {
		.genctr = once->reader.genctr,
		.numrec = once->ask ? 1 : once->reader.numrec,
		.entries = once->ask ? &once->own : once->reader.raw,
	};

	once->done(once->arg, &once->error, once->have ? &log : NULL);
	nvhi_discovery_reader_fini(&once->reader);
	free(once);
}

static void once_deleted(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
			 const struct nvhi_ctrlr_error *why)
{
	struct discovery_once *once = once_of(owner);
	struct nvh_reactor *home = nvhi_ctrlr_opts(ctrlr)->home;

	if (why && !once->have)
		once->error = *why;
	nvhi_ctrlr_destroy(ctrlr);
	once->tell.fn = once_tell;
	nvhi_reactor_post(home, &once->tell);
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
	const struct nvhi_transport *transport =
		opts->ops ? opts->ops
			  : nvhi_transport_by_type((enum nvh_trtype)opts->transport.addr.trtype);
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
	own.ask_only = once->ask = transport && !transport->fabrics;
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
