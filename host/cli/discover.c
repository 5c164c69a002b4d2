/*
 * nvhost discover: the discovery log, read in this process, so that it needs no daemon. Only a
 * persistent discovery controller (-p), or one that is connected already (-d), is the daemon's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/config.h"
#include "host/cli/connect_opts.h"
#include "host/cli/discovery_print.h"
#include "host/cli/dump.h"

struct discover {
	struct nvd_params params;
	const char *device, *format_text, *raw, *config;
	enum nvc_format format;
	bool quiet, force;
	bool dump_config;
	unsigned int verbose;
	struct nvc_local local;
	bool local_open;
};

/* ---- output ------------------------------------------------------------------------------- */

static int discover_save(const char *path, const struct nvc_discovery *log)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file)
		return nvc_fail("--raw: %s: %s", path, strerror(errno));
	if (nvc_discovery_write_raw(file, log) < 0 || fclose(file) != 0)
		return nvc_fail("--raw: %s: %s", path, strerror(errno));
	printf("Discovery log is saved to %s\n", path);
	return 0;
}

static int discover_show(const struct discover *d, const struct nvc_discovery *log)
{
	struct json_object *root;

	if (d->raw)
		return discover_save(d->raw, log);
	switch (d->format) {
	case NVC_JSON:
		root = nvc_discovery_to_json(log);
		if (!root)
			return nvc_fail("out of memory");
		nvc_print_json(root);
		break;
	case NVC_BINARY:
		if (nvc_discovery_write_raw(stdout, log) < 0)
			return nvc_fail("cannot write the output");
		break;
	default:
		nvc_discovery_print(stdout, log);
	}
	return 0;
}

/* ---- where the log comes from -----------------------------------------------------------------
 */

static int discover_here(struct discover *d, const struct nvd_params *params)
{
	struct nvc_discovery log;
	char err[1024];
	int status;

	if (!d->local_open && nvc_local_open(&d->local, params) < 0)
		return 1;
	d->local_open = true;
	if (nvc_local_discover(&d->local, params, &log, err, sizeof(err)) < 0)
		return nvc_fail("%s", err);
	status = discover_show(d, &log);
	nvc_discovery_free(&log);
	return status;
}

static int discover_device(struct discover *d, const char *device)
{
	struct nvc_discovery log;
	uint8_t *page;
	size_t len;
	int status;

	if (nvc_admin_discovery_log(device, &page, &len) < 0)
		return 1;
	if (nvc_discovery_from_bytes(page, len, &log) < 0)
		status = nvc_fail("%s: its discovery log is damaged", device);
	else {
		status = discover_show(d, &log);
		nvc_discovery_free(&log);
	}
	free(page);
	return status;
}

/* Connects it for good, unless it is, and asks it through the daemon. */
static int discover_persistent(struct discover *d, const struct nvd_params *params)
{
	struct nvd_params keep = *params;
	struct json_object *result;
	char device[64];

	keep.persistent = keep.discovery = true;
	if (!keep.nqn)
		keep.nqn = NVH_DISCOVERY_NQN;
	if (nvc_call("connect", nvd_params_to_json(&keep), &result) < 0)
		return 1;
	snprintf(device, sizeof(device), "%s", nvc_get_string(result, "device"));
	json_object_put(result);
	return discover_device(d, device);
}

static int discover_one(struct discover *d, const struct nvd_params *params)
{
	return params->persistent ? discover_persistent(d, params) : discover_here(d, params);
}

/* Without an address: what the files name. */
static int discover_configured(struct discover *d)
{
	struct nvc_config config = {0};
	char places[1024];
	int status = 0;
	size_t nr = 0;

	if (nvc_config_read_all(&config, d->config) < 0) {
		nvc_config_free(&config);
		return 1;
	}
	for (size_t i = 0; i < config.nr; i++) {
		struct nvd_params *entry = &config.entries[i];

		if (!entry->discovery)
			continue;
		nr++;
		entry->persistent |= d->params.persistent;
		if (discover_one(d, entry) != 0)
			status = 1;
	}
	nvc_config_free(&config);
	if (nr)
		return status;
	nvc_config_places(places, sizeof(places));
	return nvc_misuse("no address given (-t TRANSPORT -a ADDRESS), and no discovery controller "
			  "in discovery.conf or config.json (looked in %s)",
			  places);
}

int nvc_discover(int argc, char **argv)
{
	struct discover d = {0};
	const struct nvc_opt opts[] = {
		NVC_STRING("device", 'd', "DEV", &d.device,
			   "use existing discovery controller device"),
		NVC_CONNECT_OPTS(d.params),
		NVC_STRING("output-format", 'o', "FMT", &d.format_text,
			   "Output format: normal|json|binary"),
		NVC_STRING("raw", 'r', "FILE", &d.raw, "save raw output to file"),
		NVC_FLAG("persistent", 'p', &d.params.persistent,
			 "persistent discovery connection"),
		NVC_FLAG("quiet", 0, &d.quiet, "suppress already connected errors"),
		NVC_STRING("config", 'J', "FILE", &d.config,
			   "use this JSON configuration file, or 'none' to disable"),
		NVC_FLAG("dump-config", 'O', &d.dump_config,
			 "print what is connected in the form of config.json"),
		NVC_COUNT("verbose", 'v', &d.verbose, "increase logging verbosity"),
		NVC_FLAG("force", 0, &d.force, "make a discovery controller even if one is there"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "discover",
		.args = "",
		.opts = opts,
		.about = "Send Get Log Page request to Discovery Controller.",
	};
	struct nvc_args args;
	int status;

	nvd_params_init(&d.params);
	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(d.format_text, true, &d.format) < 0)
		return 2;
	if (d.device && strcmp(d.device, "none") != 0)
		return discover_device(&d, d.device);
	if (!d.params.transport && !d.params.traddr)
		status = discover_configured(&d);
	else
		status = discover_one(&d, &d.params);
	if (d.local_open)
		nvc_local_close(&d.local);
	if (!status && d.dump_config)
		status = nvc_dump_config();
	return status;
}
