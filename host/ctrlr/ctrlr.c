/*
 * Creating and freeing a controller, checking its options, and what others may look at. What it
 * does with its life is in life.c and the other files that ctrlr_impl.h lists. Home reactor.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "host/ctrlr/ioq_impl.h"

void nvhi_ctrlr_opts_init(struct nvhi_ctrlr_opts *opts)
{
	memset(opts, 0, sizeof(*opts));
	opts->transport.kato_ms = 5000;
	opts->transport.tos = -1;
	opts->transport.connect_timeout_ms = 3000;
	opts->queue_size = 128;
	opts->reconnect_delay_ms = 100;
	opts->reconnect_delay_max_ms = 10000;
	opts->ctrl_loss_tmo_s = 600;
	opts->fast_io_fail_tmo_s = -1;
	opts->io_timeout_ms = 30000;
	opts->admin_timeout_ms = 10000;
	opts->suspect_ms = 100;
	opts->seed = 1;
}

/* ---- events that nobody wants ------------------------------------------------------------ */

void nvhi_ctrlr_events_none_state(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
				  enum nvhi_ctrlr_state state)
{
	(void)owner;
	(void)ctrlr;
	(void)state;
}

void nvhi_ctrlr_events_none(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr)
{
	(void)owner;
	(void)ctrlr;
}

void nvhi_ctrlr_events_none_notice(struct nvhi_ctrlr_owner *owner, struct nvhi_ctrlr *ctrlr,
				   uint8_t type, uint8_t info, uint8_t lid)
{
	(void)owner;
	(void)ctrlr;
	(void)type;
	(void)info;
	(void)lid;
}

/* ---- options ----------------------------------------------------------------------------- */

static int opts_check(const struct nvhi_ctrlr_opts *opts, char *errbuf, size_t errbuf_len)
{
	const struct nvhi_tctrlr_opts *t = &opts->transport;

	if (opts->queue_size < 16 || opts->queue_size > 1024) {
		snprintf(errbuf, errbuf_len, "queue size %u is not in 16-1024", opts->queue_size);
		return -EINVAL;
	}
	if (!opts->discovery && opts->nr_reactors == 0) {
		snprintf(errbuf, errbuf_len, "no reactor for I/O queues");
		return -EINVAL;
	}
	if (opts->reconnect_delay_ms == 0 ||
	    opts->reconnect_delay_max_ms < opts->reconnect_delay_ms) {
		snprintf(errbuf, errbuf_len,
			 "reconnect delay %u ms is not in 1 ms and its maximum of %u ms",
			 opts->reconnect_delay_ms, opts->reconnect_delay_max_ms);
		return -EINVAL;
	}
	if (opts->ctrl_loss_tmo_s < -1 || opts->fast_io_fail_tmo_s < -1) {
		snprintf(errbuf, errbuf_len, "%s %d s is below -1",
			 opts->ctrl_loss_tmo_s < -1 ? "ctrl-loss-tmo" : "fast_io_fail_tmo",
			 opts->ctrl_loss_tmo_s < -1 ? opts->ctrl_loss_tmo_s
						    : opts->fast_io_fail_tmo_s);
		return -EINVAL;
	}
	if (t->connect_timeout_ms == 0 || opts->admin_timeout_ms == 0) {
		snprintf(errbuf, errbuf_len, "%s timeout of 0",
			 t->connect_timeout_ms == 0 ? "connect" : "admin");
		return -EINVAL;
	}
	if ((t->subnqn[0] == '\0' && !nvhi_trtype_is_local(t->addr.trtype)) || t->hostnqn[0] == '\0') {
		snprintf(errbuf, errbuf_len, "no %s NQN",
			 t->subnqn[0] == '\0' ? "subsystem" : "host");
		return -EINVAL;
	}
	return 0;
}

/* What follows from the other options, and what is not ours is copied. */
static int opts_adopt(struct nvhi_ctrlr *ctrlr, const struct nvhi_ctrlr_opts *opts)
{
	struct nvhi_ctrlr_opts *own = &ctrlr->opts;

	*own = *opts;
	snprintf(ctrlr->name, sizeof(ctrlr->name), "%s",
		 opts->transport.name ? opts->transport.name : "ctrlr");
	own->transport.name = ctrlr->name;
	nvhi_addr_text(&own->transport.addr, ctrlr->where, sizeof(ctrlr->where));
	if (own->discovery) {
		own->nr_reactors = 0;
		own->no_scan = true;
		if (!own->persistent)
			own->transport.kato_ms = 0;
	}
	if (own->nr_reactors) {
		ctrlr->reactors = calloc(own->nr_reactors, sizeof(*ctrlr->reactors));
		if (!ctrlr->reactors)
			return -ENOMEM;
		memcpy(ctrlr->reactors, opts->reactors,
		       own->nr_reactors * sizeof(*ctrlr->reactors));
	}
	own->reactors = ctrlr->reactors;
	ctrlr->nr_ioqs = own->nr_reactors;
	if (own->nr_io_queues && own->nr_io_queues < ctrlr->nr_ioqs)
		ctrlr->nr_ioqs = own->nr_io_queues;
	ctrlr->home = own->home;
	ctrlr->random = own->seed ? own->seed : 1;
	return 0;
}

/* ---- creation ---------------------------------------------------------------------------- */

static void ctrlr_free(struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->tctrlr)
		ctrlr->transport->tctrlr_close(ctrlr->tctrlr);
	nvhi_queues_fini(ctrlr);
	nvhi_scan_fini(ctrlr);
	nvhi_ana_fini(ctrlr);
	free(ctrlr->aer.buf);
	free(ctrlr->buf);
	free(ctrlr->id);
	free(ctrlr->reactors);
	free(ctrlr);
}

static int ctrlr_allocate(struct nvhi_ctrlr *ctrlr)
{
	int err;

	ctrlr->buf = malloc(NVH_IDENTIFY_SIZE);
	ctrlr->id = calloc(1, sizeof(*ctrlr->id));
	ctrlr->aer.buf = malloc(NVH_IDENTIFY_SIZE);
	if (!ctrlr->buf || !ctrlr->id || !ctrlr->aer.buf)
		return -ENOMEM;
	err = nvhi_scan_init(ctrlr);
	if (err)
		return err;
	return nvhi_queues_init(ctrlr);
}

static void ctrlr_on_kick(struct nvhi_msg *msg)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(msg, struct nvhi_ctrlr, kick);

	ctrlr->kicked = false;
	if (ctrlr->destroyed)
		ctrlr_free(ctrlr);
	else
		nvhi_ctrlr_run_wants(ctrlr);
}

/* What was lost is within reach again. */
static void ctrlr_on_link(void *arg)
{
	nvhi_ctrlr_wake(arg);
}

int nvhi_ctrlr_create(const struct nvhi_ctrlr_opts *opts, struct nvhi_ctrlr_owner *owner,
		      char *errbuf, size_t errbuf_len, struct nvhi_ctrlr **ret_ctrlr)
{
	const struct nvhi_transport *transport = opts->ops;
	struct nvhi_ctrlr *ctrlr;
	char why[256] = "";
	int err;

	if (!transport)
		transport = nvhi_transport_by_type((enum nvh_trtype)opts->transport.addr.trtype);
	if (!transport) {
		snprintf(errbuf, errbuf_len, "transport %s is not built in",
			 nvhi_trtype_name(opts->transport.addr.trtype));
		return -ENODEV;
	}
	err = opts_check(opts, errbuf, errbuf_len);
	if (err)
		return err;
	ctrlr = calloc(1, sizeof(*ctrlr));
	if (!ctrlr)
		goto err_memory;
	ctrlr->owner = owner;
	ctrlr->transport = transport;
	ctrlr->kick.fn = ctrlr_on_kick;
	nvhi_list_init(&ctrlr->reset_waiters);
	nvhi_list_init(&ctrlr->ccrs);
	nvhi_list_init(&ctrlr->admin_waiting);
	nvhi_list_init(&ctrlr->admin_sent);
	nvhi_list_init(&ctrlr->admin_retrying);
	nvhi_list_init(&ctrlr->aborts);
	nvhi_list_init(&ctrlr->scan.waiters);
	nvhi_list_init(&ctrlr->scan.waiters_next);
	nvhi_life_init(ctrlr);
	nvhi_probe_init(ctrlr);
	err = opts_adopt(ctrlr, opts);
	if (!err)
		err = ctrlr_allocate(ctrlr);
	if (err)
		goto err_free;
	ctrlr->opts.transport.why = why;
	ctrlr->opts.transport.why_len = sizeof(why);
	err = transport->tctrlr_open(&ctrlr->opts.transport, &ctrlr->tctrlr);
	ctrlr->opts.transport.why = NULL;
	if (err) {
		snprintf(errbuf, errbuf_len, "%s %s: %s", transport->name, ctrlr->where,
			 why[0] ? why : strerror(-err));
		ctrlr_free(ctrlr);
		return err;
	}
	ctrlr->tctrlr->opts.why = NULL;
	ctrlr->tctrlr->on_link = ctrlr_on_link;
	ctrlr->tctrlr->on_link_arg = ctrlr;
	*ret_ctrlr = ctrlr;
	return 0;

err_free:
	ctrlr_free(ctrlr);
err_memory:
	snprintf(errbuf, errbuf_len, "out of memory");
	return -ENOMEM;
}

void nvhi_ctrlr_destroy(struct nvhi_ctrlr *ctrlr)
{
	assert(ctrlr->state == NVHI_CTRLR_NEW || ctrlr->state == NVHI_CTRLR_DELETED);
	ctrlr->destroyed = true;
	nvhi_ctrlr_kick(ctrlr);
}

/* ---- looking at it ----------------------------------------------------------------------- */

enum nvhi_ctrlr_state nvhi_ctrlr_state(const struct nvhi_ctrlr *ctrlr)
{
	return (enum nvhi_ctrlr_state)ctrlr->state;
}

const char *nvhi_ctrlr_name(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->name;
}

const struct nvhi_ctrlr_opts *nvhi_ctrlr_opts(const struct nvhi_ctrlr *ctrlr)
{
	return &ctrlr->opts;
}

const struct nvhi_ctrlr_caps *nvhi_ctrlr_caps(const struct nvhi_ctrlr *ctrlr)
{
	return &ctrlr->caps;
}

struct nvhi_ctrlr_owner *nvhi_ctrlr_owner(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->owner;
}

struct nvhi_tctrlr *nvhi_ctrlr_tctrlr(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->tctrlr;
}

const struct nvh_id_ctrlr *nvhi_ctrlr_identify(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->identified ? ctrlr->id : NULL;
}

const struct nvhi_ns_data *nvhi_ctrlr_ns_next(const struct nvhi_ctrlr *ctrlr,
					      const struct nvhi_ns_data *prev)
{
	const struct nvhi_ns_data *next = prev ? prev + 1 : ctrlr->table.ns;

	return next < ctrlr->table.ns + ctrlr->table.count ? next : NULL;
}

const struct nvhi_ns_data *nvhi_ctrlr_ns_find(const struct nvhi_ctrlr *ctrlr, uint32_t nsid)
{
	return nvhi_ns_table_find(&ctrlr->table, nsid);
}

uint32_t nvhi_ctrlr_ns_count(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->table.count;
}

struct nvhi_ioq *nvhi_ctrlr_ioq(const struct nvhi_ctrlr *ctrlr, const struct nvh_reactor *reactor)
{
	for (uint32_t i = 0; i < ctrlr->opts.nr_reactors; i++)
		if (ctrlr->reactors[i] == reactor)
			return &ctrlr->ioqs[i];
	return NULL;
}

uint64_t nvhi_ctrlr_rejoins(const struct nvhi_ctrlr *ctrlr)
{
	return __atomic_load_n(&ctrlr->rejoins, __ATOMIC_RELAXED);
}

uint64_t nvhi_ctrlr_reconnects(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->reconnects;
}

const struct nvhi_ctrlr_error *nvhi_ctrlr_last_error(const struct nvhi_ctrlr *ctrlr)
{
	return &ctrlr->error;
}

uint64_t nvhi_ctrlr_next_attempt(const struct nvhi_ctrlr *ctrlr)
{
	return ctrlr->state == NVHI_CTRLR_RECONNECT_WAIT ? ctrlr->state_timer.deadline : NVHI_NEVER;
}

uint64_t nvhi_ctrlr_loss_deadline(const struct nvhi_ctrlr *ctrlr)
{
	return nvhi_timer_armed(&ctrlr->loss_timer) ? ctrlr->loss_timer.deadline : NVHI_NEVER;
}

void nvhi_ctrlr_addresses(const struct nvhi_ctrlr *ctrlr, char *local, size_t local_len, char *peer,
			  size_t peer_len)
{
	if (local_len)
		local[0] = '\0';
	if (peer_len)
		peer[0] = '\0';
	if (ctrlr->admin)
		ctrlr->transport->names(ctrlr->admin, local, local_len, peer, peer_len);
}
