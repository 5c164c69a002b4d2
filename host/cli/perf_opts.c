/*
 * The options of nvhost perf, in fio's words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/connect_opts.h"
#include "host/cli/local.h"
#include "host/cli/perf.h"

static const struct {
	const char *name;
	bool random;
	int read_percent; /* -1: --rwmixread */
} perf_modes[] = {
	{"read", false, 100},   {"write", false, 0}, {"randread", true, 100},
	{"randwrite", true, 0}, {"rw", false, -1},   {"readwrite", false, -1},
	{"randrw", true, -1},
};

static int perf_mode(struct perf_opts *o, uint32_t mix)
{
	for (size_t i = 0; i < sizeof(perf_modes) / sizeof(perf_modes[0]); i++) {
		if (strcmp(perf_modes[i].name, o->rw) != 0)
			continue;
		o->random = perf_modes[i].random;
		o->read_percent =
			perf_modes[i].read_percent < 0 ? mix : (uint32_t)perf_modes[i].read_percent;
		return 0;
	}
	return nvc_misuse("--rw: '%s' is none of read, write, randread, randwrite, rw, randrw",
			  o->rw);
}

/* One core a job, in the order of the mask. */
static int perf_cpus(struct perf_opts *o, const char *mask_text, bool numjobs_given)
{
	unsigned long long mask = 0;
	unsigned int nr = 0;
	char *end;

	for (unsigned int i = 0; i < PERF_JOBS_MAX; i++)
		o->cpus[i] = -1;
	if (!mask_text)
		return 0;
	mask = strtoull(mask_text, &end, 16);
	if (*end || end == mask_text || !mask)
		return nvc_misuse("--cpumask: '%s' is not a hexadecimal mask of cores", mask_text);
	for (int cpu = 0; cpu < 64; cpu++) {
		if (mask >> cpu & 1)
			o->cpus[nr++] = cpu;
	}
	if (!numjobs_given)
		o->numjobs = nr;
	for (unsigned int i = nr; i < o->numjobs; i++)
		o->cpus[i] = o->cpus[i % nr];
	return 0;
}

static int perf_bounds(struct perf_opts *o, bool size_given, bool runtime_given)
{
	if (!o->bs || o->bs > (1ull << 30))
		return nvc_misuse("--bs: %llu is out of range (1 to 1G)",
				  (unsigned long long)o->bs);
	/* As fio: a size without a time is done once. */
	if (!runtime_given && size_given && !o->ios)
		o->ios = o->size / o->bs;
	if (!runtime_given && o->ios)
		o->runtime = 0;
	return 0;
}

/* "rw=randread" is "--rw=randread": the form of fio's files and fingers. */
static void perf_accept_words(int argc, char **argv, const struct nvc_opt *opts)
{
	for (int i = 1; i < argc; i++) {
		size_t len = strcspn(argv[i], "=");
		char *word;

		if (argv[i][0] == '-' || !argv[i][len])
			continue;
		for (const struct nvc_opt *o = opts; o->name; o++) {
			if (strlen(o->name) != len || strncmp(o->name, argv[i], len) != 0)
				continue;
			/* Lives as long as the process: options point into it. */
			if (asprintf(&word, "--%s", argv[i]) >= 0)
				argv[i] = word;
			break;
		}
	}
}

int perf_cmd_parse(struct perf_cmd *p, int argc, char **argv)
{
	uint32_t mix = 50;
	const char *format_text = NULL, *cpumask = NULL;
	bool size_given = false, runtime_given = false, numjobs_given = false, ignored;
	const struct nvc_opt opts[] = {
		{"rw", 0, NVC_OPT_STRING, "MODE", &p->opts.rw, NULL, 0, 0,
		 "read, write, randread, randwrite, rw, randrw (randread)"},
		{"bs", 0, NVC_OPT_SIZE, "SIZE", &p->opts.bs, NULL, 0, 0, "bytes an I/O (4k)"},
		NVC_NUMBER("iodepth", 0, U32, &p->opts.iodepth, "I/Os under way a job (32)",
			   .min = 1, .max = 65535),
		{"runtime", 0, NVC_OPT_SECONDS, "SEC", &p->opts.runtime, &runtime_given, 0, 0,
		 "seconds (10)"},
		{"ramp_time", 0, NVC_OPT_SECONDS, "SEC", &p->opts.ramp, NULL, 0, 0,
		 "seconds before measuring begins (0)"},
		NVC_NUMBER("number_ios", 0, U64, &p->opts.ios, "end after so many I/Os"),
		NVC_NUMBER("rwmixread", 0, U32, &mix, "percent of reads in rw and randrw (50)",
			   .max = 100),
		{"size", 0, NVC_OPT_SIZE, "SIZE", &p->opts.size, &size_given, 0, 0,
		 "bytes of the namespace to use (all)"},
		{"offset", 0, NVC_OPT_SIZE, "SIZE", &p->opts.offset, NULL, 0, 0,
		 "where they begin (0)"},
		NVC_NUMBER("numjobs", 0, U32, &p->opts.numjobs,
			   "jobs, a reactor and thread each (1)", .given = &numjobs_given, .min = 1,
			   .max = PERF_JOBS_MAX),
		{"cpumask", 0, NVC_OPT_STRING, "MASK", &cpumask, NULL, 0, 0,
		 "cores, hexadecimal; a job on each"},
		NVC_FLAG("verify", 0, &p->opts.verify,
			 "tag what is written, check what is read, read all back at the end"),
		NVC_FLAG("fua", 0, &p->opts.fua, "writes with Force Unit Access"),
		NVC_FLAG("poll", 0, &p->opts.poll, "never sleep"),
		NVC_NUMBER("randseed", 0, U32, &p->opts.seed, "of offsets and data (1)"),
		NVC_NUMBER("nsid", 0, U32, &p->nsid, "the namespace (1)"),
		NVC_STRING("paths", 0, "ADDR[:PORT],...", &p->paths,
			   "further addresses of the subsystem to connect to"),
		NVC_STRING("output-format", 'o', "FMT", &format_text, "Output format: normal|json"),
		NVC_FLAG("yes", 'y', &ignored, "accepted: writing needs no confirmation"),
		NVC_CONNECT_OPTS(p->params),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "perf",
		.args = "[DEVICE]",
		.opts = opts,
		.max_args = 1,
		.about = "Measures reads and writes of a namespace through a connection of its "
			 "own: to the address given (-t, -a, -s, -n, --nsid), or to where a DEVICE "
			 "of the "
			 "daemon's is connected. Options may be typed as in fio's files "
			 "(rw=randread bs=4k).",
	};
	struct nvc_args args;
	int status;

	perf_accept_words(argc, argv, opts);
	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status ? status : -1;
	if (nvc_parse_format(format_text, false, &p->format) < 0)
		return 2;
	p->device = args.count ? args.words[0] : NULL;
	if (!p->device && nvc_local_nqn(&p->params, p->nqn, sizeof(p->nqn)) < 0)
		return 1;
	if (!p->device && (!p->params.transport || !p->params.traddr || !p->params.nqn))
		return nvc_misuse("a DEVICE, or an address (-t, -a, -n), is needed");
	status = perf_mode(&p->opts, mix);
	if (!status)
		status = perf_cpus(&p->opts, cpumask, numjobs_given);
	return status ? status : perf_bounds(&p->opts, size_given, runtime_given);
}
