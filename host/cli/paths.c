/*
 * nvhost set-policy, set-no-path, timers: how I/O finds its path, and what happens when it finds none.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"

/* ---- settings ----------------------------------------------------------------------------------- */

int nvc_set_policy(int argc, char **argv)
{
	const struct nvc_opt opts[] = {NVC_END};
	const struct nvc_usage usage = {
		.command = "set-policy",
		.args = "NQN POLICY",
		.opts = opts,
		.min_args = 2,
		.max_args = 2,
		.about = "Choose how the paths of a subsystem share its I/O, from the next I/O on and "
			 "after a restart: latency, round-robin, queue-depth, numa",
	};
	struct json_object *params = json_object_new_object();
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0) {
		json_object_put(params);
		return status;
	}
	if (nvhi_json_add_string(params, "nqn", args.words[0]) ||
	    nvhi_json_add_string(params, "policy", args.words[1])) {
		json_object_put(params);
		return nvc_fail("out of memory");
	}
	return nvc_call("set_policy", params, NULL) < 0;
}

int nvc_set_no_path(int argc, char **argv)
{
	uint64_t bytes = 0;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("bytes", 'b', U64, &bytes,
			   "at most so many bytes wait a namespace (default 0: no limit)"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "set-no-path",
		.args = "NQN [WHAT]",
		.opts = opts,
		.min_args = 1,
		.max_args = 2,
		.about = "What I/O of a subsystem does without a usable path: fail, queue:SECONDS, "
			 "queue; without WHAT: wait for ctrl-loss-tmo. Also for what waits now.",
	};
	struct json_object *params = json_object_new_object();
	struct nvc_args args;
	int status, err;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0) {
		json_object_put(params);
		return status;
	}
	err = nvhi_json_add_string(params, "nqn", args.words[0]);
	if (!err && args.count == 2)
		err = nvhi_json_add_string(params, "no_path", args.words[1]);
	if (!err && bytes)
		err = nvhi_json_add_u64(params, "no_path_bytes", bytes);
	if (err) {
		json_object_put(params);
		return nvc_fail("out of memory");
	}
	return nvc_call("set_no_path", params, NULL) < 0;
}

int nvc_set_hedge(int argc, char **argv)
{
	const struct nvc_opt opts[] = {NVC_END};
	const struct nvc_usage usage = {
		.command = "set-hedge",
		.args = "NQN on|off",
		.opts = opts,
		.min_args = 2,
		.max_args = 2,
		.about = "Small reads that are late are sent a second time over another path; the first "
			 "answer counts. At most 2 % extra reads.",
	};
	struct json_object *params = json_object_new_object();
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0) {
		json_object_put(params);
		return status;
	}
	if (strcmp(args.words[1], "on") != 0 && strcmp(args.words[1], "off") != 0) {
		json_object_put(params);
		return nvc_misuse("'%s' is none of on, off", args.words[1]);
	}
	if (nvhi_json_add_string(params, "nqn", args.words[0]) ||
	    nvhi_json_add_bool(params, "on", !strcmp(args.words[1], "on"))) {
		json_object_put(params);
		return nvc_fail("out of memory");
	}
	return nvc_call("set_hedge", params, NULL) < 0;
}

/* ---- timers ---------------------------------------------------------------------------------------- */

/* "at once", "250 ms", "12.5 s", "never". */
static const char *timers_time(struct json_object *row, const char *name, char *text, size_t len)
{
	struct json_object *value = nvc_get(row, name);
	uint64_t ms = value ? json_object_get_uint64(value) : 0;

	if (!value)
		snprintf(text, len, "never");
	else if (!ms)
		snprintf(text, len, "at once");
	else if (ms < 1000)
		snprintf(text, len, "%llu ms", (unsigned long long)ms);
	else if (ms % 1000)
		snprintf(text, len, "%.1f s", (double)ms / 1000);
	else
		snprintf(text, len, "%llu s", (unsigned long long)(ms / 1000));
	return text;
}

static void timers_print(struct json_object *rows)
{
	static const char *const columns[] = {"noticed_ms", "read_repeated_ms", "write_repeated_ms",
					      "overlapping_writes_held_ms",
					      "fails_without_path_ms"};

	printf("%-18s %-10s %-12s %-13s %-12s %-14s %s\n", "Failure", "Noticed", "Read goes on",
	       "Write goes on", "Overlapping", "Without other", "Noticed by");
	printf("%-18s %-10s %-12s %-13s %-12s %-14s\n", "", "within", "elsewhere", "elsewhere",
	       "writes held", "path: fails");
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		static const int widths[] = {10, 12, 13, 12, 14};
		char text[32];

		printf("%-18s", nvc_get_string(row, "failure"));
		for (size_t k = 0; k < sizeof(columns) / sizeof(columns[0]); k++)
			printf(" %-*s", widths[k],
			       timers_time(row, columns[k], text, sizeof(text)));
		printf(" %s\n", nvc_get_string(row, "noticed_by"));
	}
}

int nvc_timers(int argc, char **argv)
{
	const char *format_text = NULL;
	const struct nvc_opt opts[] = {
		NVC_STRING("output-format", 'o', "FMT", &format_text, "Output format: normal|json"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "timers",
		.args = "NQN",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "The worst-case fate of an I/O in each kind of failure, with the options in "
			 "force and what the controllers told",
	};
	struct json_object *params = json_object_new_object(), *rows;
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0) {
		json_object_put(params);
		return status;
	}
	if (nvc_parse_format(format_text, false, &format) < 0) {
		json_object_put(params);
		return 2;
	}
	if (nvhi_json_add_string(params, "nqn", args.words[0])) {
		json_object_put(params);
		return nvc_fail("out of memory");
	}
	if (nvc_call("timers", params, &rows) < 0)
		return 1;
	if (format == NVC_JSON) {
		nvc_print_json(rows);
		return 0;
	}
	timers_print(rows);
	json_object_put(rows);
	return 0;
}
