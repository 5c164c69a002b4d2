/*
 * `target-lite rpc METHOD [JSON]`: one call to a running target-lite (or to SPDK), its result on
 * stdout. Blocks; no reactor.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonrpc.h"
#include "target-lite/rpc/rpc.h"

#define CLIENT_INPUT_MAX (64u << 20)

enum { EXIT_CALL = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
	"usage: target-lite rpc [-s ADDRESS] [-t SECONDS] METHOD [JSON | - | @FILE]\n"
	"\n"
	"  -s, --server ADDRESS   socket path or tcp:IP:PORT (" TL_RPC_DEFAULT_ADDRESS ")\n"
	"  -t, --timeout SECONDS  wait at most so long for the answer (60)\n"
	"  -h, --help             this text\n"
	"\n"
	"JSON is the object of parameters; - reads it from stdin, @FILE from a file.\n"
	"target-lite rpc rpc_get_methods lists the methods.\n";

struct client_args {
	const char *address, *method, *json;
	double timeout;
};

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "target-lite rpc: %s '%s' (target-lite rpc --help)\n", what, value);
	return EXIT_USAGE;
}

/* 0: go on; else the exit status + 1. */
static int parse_args(int argc, char **argv, struct client_args *args)
{
	static const struct option options[] = {
		{"server", required_argument, NULL, 's'},
		{"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	char *end;
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:s:t:h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			args->address = optarg;
			break;
		case 't':
			errno = 0;
			args->timeout = strtod(optarg, &end);
			if (errno || *end || end == optarg || !(args->timeout > 0) ||
			    args->timeout > 1e6)
				return bad_usage("bad timeout", optarg) + 1;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 1;
		case ':':
			return bad_usage("a value is missing behind", argv[optind - 1]) + 1;
		default:
			return bad_usage("unknown option", argv[optind - 1]) + 1;
		}
	}
	if (optind >= argc) {
		fputs("target-lite rpc: a method is missing\n", stderr);
		fputs(usage_text, stderr);
		return EXIT_USAGE + 1;
	}
	args->method = argv[optind];
	args->json = optind + 1 < argc ? argv[optind + 1] : NULL;
	if (optind + 2 < argc)
		return bad_usage("one argument too many:", argv[optind + 2]) + 1;
	return 0;
}

static int read_params(const char *json, struct json_object **ret_params)
{
	char why[256];
	int rc;

	if (strcmp(json, "-") == 0)
		rc = nvhi_json_parse_file("/dev/stdin", CLIENT_INPUT_MAX, ret_params, why,
					  sizeof(why));
	else if (json[0] == '@')
		rc = nvhi_json_parse_file(json + 1, CLIENT_INPUT_MAX, ret_params, why, sizeof(why));
	else
		rc = nvhi_json_parse(json, strlen(json), ret_params, why, sizeof(why));
	if (rc) {
		fprintf(stderr, "target-lite rpc: parameters '%.60s': %s\n", json, why);
		return EXIT_USAGE;
	}
	return 0;
}

/* As rpc.py prints: strings bare, everything else as indented JSON. */
static int print_result(struct json_object *result)
{
	int flags =
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;

	puts(json_object_is_type(result, json_type_string)
		     ? json_object_get_string(result)
		     : json_object_to_json_string_ext(result, flags));
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "target-lite rpc: writing the result: %s\n", strerror(errno));
		return EXIT_CALL;
	}
	return 0;
}

int tl_rpc_client_main(int argc, char **argv)
{
	struct client_args args = {.address = TL_RPC_DEFAULT_ADDRESS, .timeout = 60};
	struct json_object *params = NULL, *result = NULL;
	struct nvhi_rpc_fault fault;
	int rc = parse_args(argc, argv, &args);

	if (rc)
		return rc - 1;
	if (args.json && read_params(args.json, &params))
		return EXIT_USAGE;
	rc = nvhi_rpc_client_call(args.address, args.method, params, (int)(args.timeout * 1000),
				  &result, &fault);
	json_object_put(params);
	if (rc == -EINVAL) {
		fprintf(stderr, "target-lite rpc: %s\n", fault.message);
		return EXIT_USAGE;
	}
	if (rc) {
		if (fault.code)
			fprintf(stderr, "target-lite rpc: %s: %s (%d)\n", args.method,
				fault.message, fault.code);
		else
			fprintf(stderr, "target-lite rpc: %s%s\n", fault.message,
				rc == -ENOENT || rc == -ECONNREFUSED
					? " (is target-lite running with --rpc there? -s names the "
					  "socket)"
					: "");
		return EXIT_CALL;
	}
	rc = print_result(result);
	json_object_put(result);
	return rc;
}
