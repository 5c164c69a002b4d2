/*
 * nvhost connect and disconnect: what the daemon shall hold.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/config.h"
#include "host/cli/connect_opts.h"
#include "host/cli/local.h"
#include "host/cli/dump.h"

/* ---- connect ------------------------------------------------------------------------------ */

struct connect {
	struct nvd_params params;
	const char *format_text, *config;
	bool dump_config;
	unsigned int verbose;
};

static int connect_parse(struct connect *c, int argc, char **argv, int *ret_status)
{
	const struct nvc_opt opts[] = {
		NVC_CONNECT_OPTS(c->params),
		NVC_STRING("dhchap-ctrl-secret", 'C', "STR", &c->params.dhchap_ctrl_secret,
			   "controller's authentication key (not supported yet)"),
		NVC_STRING("name", 0, "NAME", &c->params.name, "call it so, not nvhN"),
		NVC_STRING("config", 'J', "FILE", &c->config,
			   "use this JSON configuration file, or 'none' to disable"),
		NVC_FLAG("dump-config", 'O', &c->dump_config,
			 "print what is connected in the form of config.json"),
		NVC_COUNT("verbose", 'v', &c->verbose, "increase logging verbosity"),
		NVC_STRING("output-format", 'o', "FMT", &c->format_text,
			   "Output format: normal|json"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "connect",
		.args = "",
		.opts = opts,
		.about = "Connect to NVMeoF subsystem. The daemon holds the connection, makes it "
			 "again "
			 "after a loss and after its own restart.",
	};
	struct nvc_args args;

	return nvc_opts_parse(&usage, argc, argv, &args, ret_status);
}

/* The entry of config.json that is about the controller named on the command line: its attributes
 * are the defaults for it. */
static const struct nvd_params *connect_configured(const struct nvc_config *config,
						   const struct nvd_params *params)
{
	for (size_t i = 0; i < config->nr; i++) {
		struct nvd_params entry = config->entries[i];

		/* The host's identity in the file does not decide which controller it is. */
		entry.hostnqn = params->hostnqn;
		if (nvd_params_same(&entry, params))
			return &config->entries[i];
	}
	return NULL;
}

/* A controller of this machine tells the NQN itself. */
static bool connect_is_local(const char *transport)
{
	return transport && (!strcmp(transport, "pcie") || !strcmp(transport, "vfio-user"));
}

static int connect_required(const struct nvd_params *params)
{
	if (!params->nqn && !connect_is_local(params->transport))
		return nvc_misuse("required argument [--nqn | -n] not specified");
	if (!params->transport)
		return nvc_misuse("required argument [--transport | -t] not specified");
	if (!params->traddr)
		return nvc_misuse(
			"required argument [--traddr | -a] not specified for transport %s",
			params->transport);
	return 0;
}

static int connect_show(enum nvc_format format, const char *device)
{
	struct json_object *root;

	if (format == NVC_NORMAL) {
		printf("device: %s\n", device);
		return 0;
	}
	root = json_object_new_object();
	if (nvhi_json_add_string(root, "device", device)) {
		json_object_put(root);
		return nvc_fail("out of memory");
	}
	nvc_print_json(root);
	return 0;
}

static int connect_run(struct connect *c)
{
	struct nvh_connect_opts check;
	struct json_object *result;
	enum nvc_format format;
	char hostid[37], err[512];
	int status;

	if (nvc_parse_format(c->format_text, false, &format) < 0)
		return 2;
	if (nvd_params_to_opts(&c->params, &check, hostid, err, sizeof(err)) < 0)
		return nvc_misuse("%s", err);
	if (c->params.nqn && !strcmp(c->params.nqn, NVH_DISCOVERY_NQN))
		c->params.discovery = true;
	if (nvc_call("connect", nvd_params_to_json(&c->params), &result) < 0)
		return 1;
	/* As nvme-cli: silent, unless a format is asked for. */
	status = c->format_text ? connect_show(format, nvc_get_string(result, "device")) : 0;
	json_object_put(result);
	if (!status && c->dump_config)
		status = nvc_dump_config();
	return status;
}

int nvc_connect(int argc, char **argv)
{
	struct connect c = {0};
	struct nvc_config config = {0};
	const struct nvd_params *entry;
	char nqn[NVH_NQN_SIZE];
	int status;

	nvd_params_init(&c.params);
	if (connect_parse(&c, argc, argv, &status) < 0)
		return status;
	if (nvc_local_nqn(&c.params, nqn, sizeof(nqn)) < 0)
		return 1;
	status = connect_required(&c.params);
	if (status)
		return status;
	if (nvc_config_read_all_json(&config, c.config) < 0) {
		nvc_config_free(&config);
		return 1;
	}
	entry = connect_configured(&config, &c.params);
	if (entry) {
		/* Its attributes first, then the command line again on top. */
		c.params = *entry;
		connect_parse(&c, argc, argv, &status);
	}
	status = connect_run(&c);
	nvc_config_free(&config);
	return status;
}

/* ---- disconnect --------------------------------------------------------------------------- */

static int disconnect_call(const char *key, const char *value, uint64_t *ret_count)
{
	struct json_object *params = json_object_new_object(), *result;

	if (nvhi_json_add_string(params, key, value)) {
		json_object_put(params);
		nvc_fail("out of memory");
		return -1;
	}
	if (nvc_call("disconnect", params, &result) < 0)
		return -1;
	*ret_count = nvc_get_u64(result, "disconnected", 0);
	json_object_put(result);
	return 0;
}

static int disconnect_nqns(const char *list)
{
	char *copy = strdup(list), *save = NULL;
	uint64_t total = 0, count;
	int status = 0;

	for (char *nqn = copy ? strtok_r(copy, ",", &save) : NULL; nqn && !status;
	     nqn = strtok_r(NULL, ",", &save)) {
		if (disconnect_call("nqn", nqn, &count) < 0)
			status = 1;
		else
			total += count;
	}
	free(copy);
	if (!status)
		printf("NQN:%s disconnected %llu controller(s)\n", list, (unsigned long long)total);
	return status;
}

static int disconnect_devices(const char *list)
{
	char *copy = strdup(list), *save = NULL;
	int status = 0;
	uint64_t count;

	for (char *device = copy ? strtok_r(copy, ",", &save) : NULL; device;
	     device = strtok_r(NULL, ",", &save)) {
		if (disconnect_call("device", nvc_admin_device(device), &count) < 0)
			status = 1;
		else if (count == 0)
			status = nvc_fail("Did not find device %s (nvhost list-subsys shows their "
					  "names)",
					  device);
	}
	free(copy);
	return status;
}

int nvc_disconnect(int argc, char **argv)
{
	const char *nqn = NULL, *device = NULL;
	unsigned int verbose = 0;
	const struct nvc_opt opts[] = {
		NVC_STRING("nqn", 'n', "NAME", &nqn, "subsystem nqn"),
		NVC_STRING("device", 'd', "DEV", &device, "nvme device handle"),
		NVC_COUNT("verbose", 'v', &verbose, "increase logging verbosity"),
		NVC_END,
	};
	const struct nvc_usage usage = {.command = "disconnect",
					.args = "",
					.opts = opts,
					.about = "Disconnect from NVMeoF subsystem"};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (!nqn && !device)
		return nvc_misuse(
			"Neither device name [--device | -d] nor NQN [--nqn | -n] provided");
	status = nqn ? disconnect_nqns(nqn) : 0;
	if (device && disconnect_devices(device) != 0)
		status = 1;
	return status;
}

int nvc_disconnect_all(int argc, char **argv)
{
	const char *transport = NULL;
	unsigned int verbose = 0;
	const struct nvc_opt opts[] = {
		NVC_STRING("transport", 'r', "STR", &transport, "transport type"),
		NVC_COUNT("verbose", 'v', &verbose, "increase logging verbosity"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "disconnect-all",
		.args = "",
		.opts = opts,
		.about = "Disconnect from all connected NVMeoF subsystems",
	};
	struct json_object *params;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	params = json_object_new_object();
	if (transport)
		nvhi_json_add_string(params, "transport", transport);
	return nvc_call("disconnect_all", params, NULL) < 0;
}
