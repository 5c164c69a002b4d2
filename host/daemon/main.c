/*
 * nvhostd: holds connections and mounts for nvhost. Options, the background, and out.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "host/daemon/launch.h"
#include "host/daemon/paths.h"
#include "host/daemon/server.h"

struct daemon_opts {
	const char *socket, *state, *log, *hostnqn, *hostid;
	bool foreground, poll;
	unsigned int nr_reactors;
	int cpus[NVD_REACTORS_MAX];
	bool pinned;
};

static const char daemon_usage[] =
	"Usage: nvhostd [OPTIONS]\n"
	"\n"
	"Holds the connections and mounts made with nvhost. nvhost starts it when it is needed.\n"
	"\n"
	"  -r, --reactors N    event loops (threads) that do I/O (1)\n"
	"  -m, --cpumask MASK  one reactor on each of these cores: a hexadecimal mask (0x3), or a\n"
	"                      list ([0,2-3])\n"
	"      --poll          reactors never sleep: for dedicated cores\n"
	"  -F, --foreground    stay, and log to stderr\n"
	"  -s, --socket PATH   where to listen\n"
	"      --state FILE    where connections and mounts are saved\n"
	"  -q, --hostnqn NQN   the host's name\n"
	"  -I, --hostid UUID   the host's ID\n"
	"  -L, --log SPEC      what to log: all:info, tcp:debug, nvme (each command)\n"
	"  -V, --version       print the version\n"
	"  -h, --help          print this\n";

static const struct option daemon_long[] = {
	{"reactors", required_argument, NULL, 'r'}, {"cpumask", required_argument, NULL, 'm'},
	{"poll", no_argument, NULL, 'P'},           {"foreground", no_argument, NULL, 'F'},
	{"socket", required_argument, NULL, 's'},   {"state", required_argument, NULL, 'S'},
	{"hostnqn", required_argument, NULL, 'q'},  {"hostid", required_argument, NULL, 'I'},
	{"log", required_argument, NULL, 'L'},      {"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

/* ---- core masks --------------------------------------------------------------------------- */

static int mask_add(struct daemon_opts *opts, unsigned long cpu)
{
	if (cpu >= CPU_SETSIZE || opts->nr_reactors == NVD_REACTORS_MAX)
		return -EINVAL;
	opts->cpus[opts->nr_reactors++] = (int)cpu;
	opts->pinned = true;
	return 0;
}

static int mask_list(struct daemon_opts *opts, const char *text)
{
	while (*text) {
		char *end;
		unsigned long from, to;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		from = to = strtoul(text, &end, 10);
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			to = strtoul(end + 1, &end, 10);
		if (to < from || (*end != ',' && *end != '\0' && strcmp(end, "]") != 0))
			return -EINVAL;
		for (unsigned long cpu = from; cpu <= to; cpu++) {
			if (mask_add(opts, cpu) < 0)
				return -EINVAL;
		}
		if (*end == '\0' || *end == ']')
			break;
		text = end + 1;
	}
	return opts->nr_reactors ? 0 : -EINVAL;
}

static int mask_parse(struct daemon_opts *opts, const char *text)
{
	unsigned long long mask;
	char *end;

	opts->nr_reactors = 0;
	if (text[0] == '[')
		return mask_list(opts, text + 1);
	errno = 0;
	mask = strtoull(text, &end, 16);
	if (errno || *end || end == text || !mask)
		return -EINVAL;
	for (unsigned long cpu = 0; cpu < 64; cpu++) {
		if ((mask >> cpu & 1) && mask_add(opts, cpu) < 0)
			return -EINVAL;
	}
	return 0;
}

/* ---- options ------------------------------------------------------------------------------ */

static int opts_bad(const char *fmt, const char *a, const char *b)
{
	fprintf(stderr, "nvhostd: ");
	fprintf(stderr, fmt, a, b);
	fprintf(stderr, " (nvhostd --help)\n");
	return 2;
}

static int opts_one(struct daemon_opts *opts, int letter)
{
	char *end;

	switch (letter) {
	case 'r':
		opts->nr_reactors = (unsigned int)strtoul(optarg, &end, 10);
		if (*end || end == optarg || !opts->nr_reactors ||
		    opts->nr_reactors > NVD_REACTORS_MAX)
			return opts_bad("--reactors: '%s' is not a number from 1 to 64%s", optarg,
					"");
		break;
	case 'm':
		if (mask_parse(opts, optarg) < 0)
			return opts_bad("--cpumask: '%s' is not a mask of cores%s", optarg, "");
		break;
	case 'P':
		opts->poll = true;
		break;
	case 'F':
		opts->foreground = true;
		break;
	case 's':
		opts->socket = optarg;
		break;
	case 'S':
		opts->state = optarg;
		break;
	case 'q':
		opts->hostnqn = optarg;
		break;
	case 'I':
		opts->hostid = optarg;
		break;
	case 'L':
		opts->log = optarg;
		break;
	}
	return 0;
}

/* -1: go on; else the exit status. */
static int opts_parse(struct daemon_opts *opts, int argc, char **argv)
{
	int letter, status;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "+:r:m:PFs:q:I:L:Vh", daemon_long, NULL)) != -1) {
		switch (letter) {
		case 'V':
			printf("nvhostd %s\n", NVHOST_VERSION);
			return 0;
		case 'h':
			fputs(daemon_usage, stdout);
			return 0;
		case '?':
			return opts_bad("unknown option '%s'%s", argv[optind - 1], "");
		case ':':
			return opts_bad("option '%s' needs a value%s", argv[optind - 1], "");
		default:
			status = opts_one(opts, letter);
			if (status)
				return status;
		}
	}
	if (optind < argc)
		return opts_bad("unexpected argument '%s'%s", argv[optind], "");
	return -1;
}

/* ---- places ------------------------------------------------------------------------------- */

struct daemon_places {
	char socket[NVD_PATH_MAX], lock[NVD_PATH_MAX + 16], log[NVD_PATH_MAX + 16];
	char state[NVD_PATH_MAX];
};

static int places_dir_of(const char *file, char *err, size_t err_len)
{
	char dir[NVD_PATH_MAX];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", file);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return nvd_make_private_dir(dir, err, err_len);
}

/* nvhostd.pid and nvhostd.log stand beside nvhostd.sock. */
static void places_beside(const char *socket, const char *ending, char *ret_path, size_t len)
{
	size_t stem = strlen(socket);

	if (stem > 5 && !strcmp(socket + stem - 5, ".sock"))
		stem -= 5;
	snprintf(ret_path, len, "%.*s%s", (int)stem, socket, ending);
}

/* A socket named by hand may lie anywhere; our own folder must be private. */
static int places_find(const struct daemon_opts *opts, struct daemon_places *places, char *err,
		       size_t err_len)
{
	char real[NVD_PATH_MAX] = "";
	int rc = 0;

	if (opts->socket && opts->socket[0] != '/' && !getcwd(real, sizeof(real) - 1))
		real[0] = '\0';
	if (opts->socket)
		snprintf(places->socket, sizeof(places->socket), "%s%s%s", real, real[0] ? "/" : "",
			 opts->socket);
	else
		rc = nvd_runtime_path(NVD_SOCKET, places->socket, sizeof(places->socket));
	if (!rc && !opts->socket)
		rc = places_dir_of(places->socket, err, err_len);
	if (!rc && opts->state && opts->state[0] != '/' && getcwd(real, sizeof(real) - 1))
		snprintf(places->state, sizeof(places->state), "%s/%s", real, opts->state);
	else if (!rc && opts->state)
		snprintf(places->state, sizeof(places->state), "%s", opts->state);
	else if (!rc)
		rc = nvd_state_path(NVD_STATE, places->state, sizeof(places->state));
	if (!rc && !opts->state)
		rc = places_dir_of(places->state, err, err_len);
	places_beside(places->socket, ".pid", places->lock, sizeof(places->lock));
	places_beside(places->socket, ".log", places->log, sizeof(places->log));
	if (rc && !err[0])
		snprintf(err, err_len, "no place for the socket and the state: %s", strerror(-rc));
	return rc;
}

/* ---- main --------------------------------------------------------------------------------- */

static int daemon_log(const struct daemon_opts *opts, const struct daemon_places *places, char *err,
		      size_t err_len)
{
	char culprit[64];

	nvhi_log_configure("all:info,tcp:warn", culprit, sizeof(culprit));
	if (nvhi_log_configure_env(culprit, sizeof(culprit)) < 0) {
		snprintf(err, err_len, "NVHOST_LOG: unknown component or level '%s'", culprit);
		return -EINVAL;
	}
	if (opts->log && nvhi_log_configure(opts->log, culprit, sizeof(culprit)) < 0) {
		snprintf(err, err_len, "--log: unknown component or level '%s'", culprit);
		return -EINVAL;
	}
	if (opts->foreground) {
		nvhi_log_set_hook(nvhi_log_to_stderr);
		return 0;
	}
	nvhi_log_set_hook(nvd_launch_log);
	return nvd_launch_log_open(places->log, err, err_len);
}

static int daemon_main(const struct daemon_opts *opts, const struct daemon_places *places,
		       char *err, size_t err_len)
{
	struct nvd_server_opts sopts = {
		.socket = places->socket,
		.state_path = places->state,
		.hostnqn = opts->hostnqn,
		.hostid = opts->hostid,
		.nr_reactors = opts->nr_reactors,
		.cpus = opts->pinned ? opts->cpus : NULL,
		.poll = opts->poll,
	};
	struct nvd_daemon *daemon;
	int lock, rc = nvd_launch_lock(places->lock, &lock, err, err_len);

	if (!rc)
		rc = nvd_server_create(&sopts, &daemon, err, err_len);
	if (rc)
		return rc;
	nvhi_log(INFO, DAEMON, "nvhostd %s: listening on %s, %u reactor%s, host %s", NVHOST_VERSION,
		 places->socket, opts->nr_reactors, opts->nr_reactors == 1 ? "" : "s",
		 nvh_host_nqn(daemon->host));
	nvd_launch_ready();
	nvd_launch_notify("READY=1\nSTATUS=Holding connections");
	nvd_server_run(daemon);
	nvd_launch_notify("STOPPING=1");
	nvd_server_destroy(daemon);
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon_opts opts = {.nr_reactors = 1};
	struct daemon_places places;
	char err[1024] = "";
	int rc, status = opts_parse(&opts, argc, argv);

	if (status >= 0)
		return status;
	umask(077);
	rc = places_find(&opts, &places, err, sizeof(err));
	if (!rc && !opts.foreground) {
		rc = nvd_launch_background();
		if (rc)
			snprintf(err, sizeof(err), "cannot go to the background: %s",
				 strerror(-rc));
	}
	if (!rc)
		rc = daemon_log(&opts, &places, err, sizeof(err));
	if (!rc)
		rc = daemon_main(&opts, &places, err, sizeof(err));
	if (!rc)
		return 0;
	nvd_launch_failed(err);
	return rc == -EWOULDBLOCK ? 3 : 1;
}
