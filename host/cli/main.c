/*
 * nvhost: the table of sub-commands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"

struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *about;
};

static const struct command commands[] = {
#define X(nam, func, abt) {.name = (nam), .fn = (func), .about = (abt)},
	NVC_COMMANDS(X)
#undef X
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int command_run(const struct command *command, int argc, char **argv)
{
	int status;

	nvc_command = command->name;
	status = command->fn(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout))
		return nvc_fail("cannot write the output");
	return status;
}

static void main_usage(FILE *out)
{
	fprintf(out,
		"nvhost %s: an NVMe-oF initiator in userspace\n\n"
		"Usage: nvhost [-L LOG] [--socket PATH] SUBCOMMAND [DEVICE] [OPTIONS]\n\n"
		"A DEVICE is a name that 'nvhost list' or 'nvhost list-subsys' shows (nvh0,\n"
		"nvh0n1), a by-id name (nvme-uuid.<UUID>), NQN:NSID, or a mounted file.\n\n",
		NVHOST_VERSION);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-15s %s\n", commands[i].name, commands[i].about);
	fprintf(out, "\n'nvhost SUBCOMMAND --help' shows its options.\n");
}

int nvc_help(int argc, char **argv)
{
	const struct command *command;
	char *args[] = {NULL, (char *)"--help", NULL};

	if (argc < 2) {
		main_usage(stdout);
		return 0;
	}
	command = command_find(argv[1]);
	if (!command)
		return nvc_misuse("unknown sub-command '%s'", argv[1]);
	args[0] = argv[1];
	return command_run(command, 2, args);
}

int nvc_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("nvhost version %s\n", NVHOST_VERSION);
	return 0;
}

/* Options before the sub-command. Returns how many words they are, or -1. */
static int main_options(int argc, char **argv)
{
	const char *log = NULL;
	char culprit[64];
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-L") && i + 1 < argc)
			log = argv[++i];
		else if (!strcmp(argv[i], "--socket") && i + 1 < argc)
			nvc_client_socket = argv[++i];
		else if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-V"))
			argv[i] = (char *)"version";
		else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			argv[i] = (char *)"help";
		else
			return nvc_misuse("unknown option '%s' (nvhost help)", argv[i]), -1;
		if (argv[i][0] != '-' && (!strcmp(argv[i], "version") || !strcmp(argv[i], "help")))
			break;
	}
	/* Unasked, a failure is one line, and the sub-command's own. */
	if (log || getenv("NVHOST_LOG"))
		nvhi_log_set_hook(nvhi_log_to_stderr);
	if (nvhi_log_configure_env(culprit, sizeof(culprit)) < 0 ||
	    (log && nvhi_log_configure(log, culprit, sizeof(culprit)) < 0))
		return nvc_misuse("unknown log component or level '%s'", culprit), -1;
	return i - 1;
}

int main(int argc, char **argv)
{
	const struct command *command;
	int skip = main_options(argc, argv);

	if (skip < 0)
		return 2;
	argc -= skip;
	argv += skip;
	if (argc < 2) {
		main_usage(stderr);
		return 2;
	}
	command = command_find(argv[1]);
	if (!command)
		return nvc_misuse("unknown sub-command '%s' (nvhost help)", argv[1]);
	return command_run(command, argc - 1, argv + 1);
}
