/*
 * nvhost connect-all: discovers, follows referrals (each address once, so that a loop ends), and
 * connects what is found through the daemon. What is connected already stays as it is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonrpc.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/config.h"
#include "host/cli/connect_opts.h"
#include "host/cli/discovery_print.h"
#include "host/cli/dump.h"

#define CONNECT_ALL_MAX                                                                            \
	4096 /* discovery controllers visited: a bound against endless referrals                   \
	      */

/* An address to ask, with room for the strings that came in a log entry. */
struct visit {
	struct nvd_params params;
	char traddr[NVH_TRADDR_SIZE + 1], trsvcid[NVH_TRSVCID_SIZE + 1];
	char transport[16];
};

struct connect_all {
	struct nvd_params params;
	const char *device, *format_text, *raw, *config;
	bool quiet, force;
	bool dump_config;
	unsigned int verbose;
	struct nvc_local local;
	bool local_open;
	struct visit **visits;
	size_t nr_visits;
	int status;
};

/* ---- addresses to ask -------------------------------------------------------------------------
 */

static const char *visit_port(const struct nvd_params *params)
{
	return params->trsvcid && params->trsvcid[0] ? params->trsvcid : "8009";
}

static bool visit_known(const struct connect_all *all, const struct nvd_params *params)
{
	for (size_t i = 0; i < all->nr_visits; i++) {
		const struct nvd_params *known = &all->visits[i]->params;

		if (!strcmp(known->transport, params->transport) &&
		    !strcasecmp(known->traddr, params->traddr) &&
		    !strcmp(visit_port(known), visit_port(params)))
			return true;
	}
	return false;
}

/* Queues an address unless it was. The strings of `copy`d ones do not outlive the log entry. */
static void visit_add(struct connect_all *all, const struct nvd_params *params, bool copy)
{
	struct visit **visits, *visit;

	if (visit_known(all, params) || all->nr_visits == CONNECT_ALL_MAX)
		return;
	visits = realloc(all->visits, (all->nr_visits + 1) * sizeof(struct visit *));
	if (visits)
		all->visits = visits;
	visit = calloc(1, sizeof(*visit));
	if (!visits || !visit) {
		free(visit);
		all->status = nvc_fail("out of memory");
		return;
	}
	visit->params = *params;
	if (copy) {
		snprintf(visit->transport, sizeof(visit->transport), "%s", params->transport);
		snprintf(visit->traddr, sizeof(visit->traddr), "%s", params->traddr);
		snprintf(visit->trsvcid, sizeof(visit->trsvcid), "%s", params->trsvcid);
		visit->params.transport = visit->transport;
		visit->params.traddr = visit->traddr;
		visit->params.trsvcid = visit->trsvcid;
	}
	all->visits[all->nr_visits++] = visit;
}

/* ---- what a log tells -------------------------------------------------------------------------
 */

static void all_connect(struct connect_all *all, const struct nvd_params *params)
{
	struct json_object *result;
	char err[1024] = "";
	int code = 0;
	int rc = nvc_call_quiet("connect", nvd_params_to_json(params), &result, &code, err,
				sizeof(err));

	json_object_put(result);
	if (!rc)
		return;
	if (rc == -EREMOTEIO && code == NVHI_RPC_INVALID_STATE)
		return; /* already connected */
	all->status = nvc_fail("%s %s: %s", params->nqn, params->traddr, err);
}

static void all_entry(struct connect_all *all, const struct nvd_params *via,
		      const struct nvh_discovery_log_entry *e)
{
	char traddr[NVH_TRADDR_SIZE + 1], trsvcid[NVH_TRSVCID_SIZE + 1], nqn[NVH_NQN_SIZE + 1];
	struct nvd_params params = *via;

	nvc_field_text(e->traddr, sizeof(e->traddr), traddr);
	nvc_field_text(e->trsvcid, sizeof(e->trsvcid), trsvcid);
	nvc_field_text(e->subnqn, sizeof(e->subnqn), nqn);
	/* As nvme-cli: only what is on the transport that was asked. */
	if (strcmp(nvc_trtype_name(e->trtype), via->transport) != 0)
		return;
	params.traddr = traddr;
	params.trsvcid = trsvcid;
	params.nqn = nqn;
	params.name = NULL;
	switch (e->subtype) {
	case NVH_SUBTYPE_NVM:
		params.discovery = params.persistent = params.follow = false;
		all_connect(all, &params);
		break;
	case NVH_SUBTYPE_DISC_REFERRAL:
	case NVH_SUBTYPE_DISC_CURRENT:
		if (nvh_le16_get(e->eflags) & NVH_EFLAGS_DUPRETINFO)
			break;
		params.nqn = NULL;
		visit_add(all, &params, true);
		break;
	default:
		break;
	}
}

static void all_log(struct connect_all *all, const struct nvd_params *via,
		    const struct nvc_discovery *log)
{
	for (uint32_t i = 0; i < log->nr; i++)
		all_entry(all, via, &log->entries[i]);
}

static void all_visit(struct connect_all *all, const struct nvd_params *params)
{
	struct nvd_params keep = *params;
	struct nvc_discovery log;
	char err[1024];

	if (!all->local_open) {
		if (nvc_local_open(&all->local, params) < 0) {
			all->status = 1;
			return;
		}
		all->local_open = true;
	}
	if (nvc_local_discover(&all->local, params, &log, err, sizeof(err)) < 0) {
		all->status = nvc_fail("%s", err);
		return;
	}
	if (params->persistent) {
		keep.discovery = true;
		keep.follow = true; /* the daemon goes on where this command ends */
		if (!keep.nqn)
			keep.nqn = NVH_DISCOVERY_NQN;
		all_connect(all, &keep);
	}
	all_log(all, params, &log);
	nvc_discovery_free(&log);
}

/* The list grows while it is walked. */
static void all_visits(struct connect_all *all)
{
	for (size_t i = 0; i < all->nr_visits; i++)
		all_visit(all, &all->visits[i]->params);
}

/* ---- where to begin ---------------------------------------------------------------------------
 */

static void all_configured(struct connect_all *all)
{
	struct nvc_config config = {0};
	char places[1024];

	if (nvc_config_read_all(&config, all->config) < 0) {
		all->status = 1;
	} else if (!config.nr) {
		nvc_config_places(places, sizeof(places));
		all->status =
			nvc_misuse("no address given (-t TRANSPORT -a ADDRESS), and nothing in "
				   "discovery.conf or config.json (looked in %s)",
				   places);
	}
	for (size_t i = 0; i < config.nr && !all->status; i++) {
		struct nvd_params *entry = &config.entries[i];

		if (entry->discovery) {
			entry->persistent |= all->params.persistent;
			visit_add(all, entry, false);
		} else {
			all_connect(all, entry);
		}
	}
	all_visits(all);
	nvc_config_free(&config);
}

static void all_device(struct connect_all *all)
{
	struct json_object *resolved;
	struct nvc_discovery log;
	struct nvd_params via;
	uint8_t *page;
	size_t len;
	char err[512];

	if (nvc_admin_resolve(all->device, &resolved) < 0) {
		all->status = 1;
		return;
	}
	if (nvd_params_from_json(nvc_get(resolved, "connection"), &via, err, sizeof(err)) < 0)
		all->status = nvc_fail("%s: %s", all->device, err);
	else if (nvc_admin_discovery_log(all->device, &page, &len) < 0)
		all->status = 1;
	else {
		via.nqn = NULL;
		visit_add(all, &via, false);
		if (nvc_discovery_from_bytes(page, len, &log) < 0) {
			all->status = nvc_fail("%s: its discovery log is damaged", all->device);
		} else {
			all_log(all, &via, &log);
			nvc_discovery_free(&log);
			for (size_t i = 1; i < all->nr_visits; i++)
				all_visit(all, &all->visits[i]->params);
		}
		free(page);
	}
	json_object_put(resolved);
}

int nvc_connect_all(int argc, char **argv)
{
	struct connect_all all = {0};
	const struct nvc_opt opts[] = {
		NVC_STRING("device", 'd', "DEV", &all.device,
			   "use existing discovery controller device"),
		NVC_CONNECT_OPTS(all.params),
		NVC_FLAG("persistent", 'p', &all.params.persistent,
			 "persistent discovery connection"),
		NVC_FLAG("quiet", 0, &all.quiet, "suppress already connected errors"),
		NVC_STRING("config", 'J', "FILE", &all.config,
			   "use this JSON configuration file, or 'none' to disable"),
		NVC_FLAG("dump-config", 'O', &all.dump_config,
			 "print what is connected in the form of config.json"),
		NVC_COUNT("verbose", 'v', &all.verbose, "increase logging verbosity"),
		NVC_FLAG("force", 0, &all.force,
			 "make a discovery controller even if one is there"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "connect-all",
		.args = "",
		.opts = opts,
		.about = "Discover NVMeoF subsystems and connect to them. Without an address: what "
			 "discovery.conf and config.json name.",
	};
	struct nvc_args args;
	int status;

	nvd_params_init(&all.params);
	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (all.device && strcmp(all.device, "none") != 0) {
		all_device(&all);
	} else if (!all.params.transport && !all.params.traddr) {
		all_configured(&all);
	} else if (!all.params.transport || !all.params.traddr) {
		return nvc_misuse("required argument [--%s] not specified",
				  all.params.transport ? "traddr | -a" : "transport | -t");
	} else {
		all.params.discovery = true;
		visit_add(&all, &all.params, false);
		all_visits(&all);
	}
	for (size_t i = 0; i < all.nr_visits; i++)
		free(all.visits[i]);
	free(all.visits);
	if (all.local_open)
		nvc_local_close(&all.local);
	if (!all.status && all.dump_config)
		all.status = nvc_dump_config();
	return all.status;
}
