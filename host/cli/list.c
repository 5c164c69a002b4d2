/*
 * nvhost list, list-subsys, show-topology.
 */
#include <stdio.h>
#include <string.h>

#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/topology.h"

static int list_fetch(const char *method, struct nvc_topology *topology)
{
	struct json_object *root;

	if (nvc_call(method, NULL, &root) < 0)
		return -1;
	if (nvc_topology_build(root, topology) < 0) {
		nvc_fail("out of memory");
		return -1;
	}
	return 0;
}

static int list_show_json(struct json_object *root)
{
	if (!root)
		return nvc_fail("out of memory");
	nvc_print_json(root);
	return 0;
}

int nvc_list(int argc, char **argv)
{
	const char *format_text = NULL;
	unsigned int verbose = 0;
	const struct nvc_opt opts[] = {
		NVC_STRING("output-format", 'o', "FMT", &format_text, "Output format: normal|json"),
		NVC_COUNT("verbose", 'v', &verbose, "Increase output verbosity"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "list",
		.args = "",
		.opts = opts,
		.about = "Retrieve basic information for all NVMe namespaces",
	};
	struct nvc_topology topology;
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, false, &format) < 0)
		return 2;
	if (list_fetch("list", &topology) < 0)
		return 1;
	if (format == NVC_JSON)
		status = list_show_json(verbose ? nvc_list_to_json_verbose(&topology)
						: nvc_list_to_json(&topology));
	else if (verbose)
		nvc_list_print_verbose(stdout, &topology);
	else
		nvc_list_print(stdout, &topology);
	nvc_topology_free(&topology);
	return status;
}

/* The NQN of the subsystem that a DEVICE belongs to, in ret_nqn. */
static int list_subsys_of(const char *device, char *ret_nqn, size_t len)
{
	struct json_object *resolved, *part;

	if (nvc_admin_resolve(device, &resolved) < 0)
		return -1;
	part = nvc_get(resolved, "namespace");
	if (!part)
		part = nvc_get(resolved, "controller");
	snprintf(ret_nqn, len, "%s", nvc_get_string(part, "nqn"));
	json_object_put(resolved);
	return 0;
}

int nvc_list_subsys(int argc, char **argv)
{
	const char *format_text = NULL;
	unsigned int verbose = 0;
	const struct nvc_opt opts[] = {
		NVC_STRING("output-format", 'o', "FMT", &format_text, "Output format: normal|json"),
		NVC_COUNT("verbose", 'v', &verbose, "Increase output verbosity"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "list-subsys",
		.args = "[DEVICE]",
		.opts = opts,
		.max_args = 1,
		.about = "Retrieve information for subsystems",
	};
	struct nvc_topology topology;
	enum nvc_format format;
	struct nvc_args args;
	char nqn[256];
	bool one;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, false, &format) < 0)
		return 2;
	one = args.count == 1;
	if (one && list_subsys_of(args.words[0], nqn, sizeof(nqn)) < 0)
		return 1;
	if (list_fetch("list_subsys", &topology) < 0)
		return 1;
	/* As nvme-cli: ANA states when one device was asked for. */
	if (format == NVC_JSON)
		status = list_show_json(nvc_subsys_to_json(&topology, one ? nqn : NULL, one));
	else
		nvc_subsys_print(stdout, &topology, one ? nqn : NULL, one);
	nvc_topology_free(&topology);
	return status;
}

int nvc_show_topology(int argc, char **argv)
{
	const char *format_text = NULL, *ranking = "namespace";
	unsigned int verbose = 0;
	const struct nvc_opt opts[] = {
		NVC_STRING("output-format", 'o', "FMT", &format_text, "Output format: normal|json"),
		NVC_COUNT("verbose", 'v', &verbose, "Increase output verbosity"),
		NVC_STRING("ranking", 'r', "RANK", &ranking, "Ranking order: namespace|ctrl"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "show-topology", .args = "", .opts = opts, .about = "Show the topology"};
	struct nvc_topology topology;
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, false, &format) < 0)
		return 2;
	if (strcmp(ranking, "namespace") != 0 && strcmp(ranking, "ctrl") != 0)
		return nvc_misuse("--ranking: '%s' is none of namespace, ctrl", ranking);
	if (list_fetch("list_subsys", &topology) < 0)
		return 1;
	if (format == NVC_JSON)
		status = list_show_json(nvc_topology_to_json(&topology));
	else
		nvc_topology_print(stdout, &topology, !strcmp(ranking, "ctrl"), verbose);
	nvc_topology_free(&topology);
	return status;
}
