/*
 * nvhost reset, ns-rescan, rpc, gen-hostnqn, show-hostnqn.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/json_util.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/local.h"

static const struct nvc_opt misc_no_opts[] = {NVC_END};

/* ---- reset, ns-rescan --------------------------------------------------------------------- */

static int misc_device(int argc, char **argv, const char *method, const struct nvc_usage *usage)
{
	struct json_object *params;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(usage, argc, argv, &args, &status) < 0)
		return status;
	params = json_object_new_object();
	if (nvhi_json_add_string(params, "device", nvc_admin_device(args.words[0]))) {
		json_object_put(params);
		return nvc_fail("out of memory");
	}
	return nvc_call(method, params, NULL) < 0;
}

int nvc_reset(int argc, char **argv)
{
	const struct nvc_usage usage = {
		.command = "reset",
		.args = "DEVICE",
		.opts = misc_no_opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Resets the NVMe controller",
	};

	return misc_device(argc, argv, "reset", &usage);
}

int nvc_ns_rescan(int argc, char **argv)
{
	const struct nvc_usage usage = {
		.command = "ns-rescan",
		.args = "DEVICE",
		.opts = misc_no_opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Rescans the NVMe namespaces",
	};

	return misc_device(argc, argv, "ns_rescan", &usage);
}

/* ---- rpc ---------------------------------------------------------------------------------- */

int nvc_rpc(int argc, char **argv)
{
	const struct nvc_opt opts[] = {
		NVC_STRING("socket", 's', "PATH", &nvc_client_socket, "the daemon's socket"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "rpc",
		.args = "METHOD [JSON]",
		.opts = opts,
		.min_args = 1,
		.max_args = 2,
		.about = "Calls a method of the daemon and prints the result. JSON is an object of "
			 "parameters. 'nvhost rpc rpc_get_methods' lists the methods.",
	};
	struct json_object *params = NULL, *result;
	struct nvc_args args;
	char err[512];
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (args.count == 2 &&
	    nvhi_json_parse(args.words[1], strlen(args.words[1]), &params, err, sizeof(err)) < 0)
		return nvc_misuse("'%s': %s", args.words[1], err);
	if (nvc_call(args.words[0], params, &result) < 0)
		return 1;
	if (result)
		nvc_print_json(result);
	else
		puts("null");
	return 0;
}

/* ---- host NQN ----------------------------------------------------------------------------- */

int nvc_gen_hostnqn(int argc, char **argv)
{
	const struct nvc_usage usage = {.command = "gen-hostnqn",
					.args = "",
					.opts = misc_no_opts,
					.about = "Generate a new host NQN from a random UUID"};
	struct nvc_args args;
	uint8_t u[16];
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (getrandom(u, sizeof(u), 0) != sizeof(u))
		return nvc_fail("no random numbers: %s", strerror(errno));
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40); /* RFC 9562: version 4 */
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	printf(NVH_NQN_UUID_PREFIX "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
				   "%02x%02x%02x%02x%02x%02x\n",
	       u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
	       u[13], u[14], u[15]);
	return 0;
}

int nvc_show_hostnqn(int argc, char **argv)
{
	const struct nvc_usage usage = {
		.command = "show-hostnqn",
		.args = "",
		.opts = misc_no_opts,
		.about = "Show the host NQN in use: that of /etc/nvme/hostnqn, else the user's own",
	};
	struct nvc_local local;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_local_open(&local, NULL) < 0)
		return 1;
	puts(nvh_host_nqn(local.host));
	nvc_local_close(&local);
	return 0;
}
