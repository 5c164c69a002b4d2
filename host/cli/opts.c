/*
 * Parsing by option tables, on getopt_long (GNU: abbreviated long options, options after
 * arguments), and the help made from the same tables.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/opts.h"

#define OPTS_MAX  64
#define OPTS_BASE 0x100 /* what getopt_long returns for the i-th option */

const char *nvc_command = "";

static void opts_say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "nvhost%s%s: ", nvc_command[0] ? " " : "", nvc_command);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int nvc_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	opts_say(fmt, ap);
	va_end(ap);
	return 1;
}

int nvc_misuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	opts_say(fmt, ap);
	va_end(ap);
	return 2;
}

int nvc_parse_format(const char *text, bool binary_allowed, enum nvc_format *ret_format)
{
	if (!text || !strcmp(text, "normal"))
		*ret_format = NVC_NORMAL;
	else if (!strcmp(text, "json"))
		*ret_format = NVC_JSON;
	else if (binary_allowed && !strcmp(text, "binary"))
		*ret_format = NVC_BINARY;
	else {
		nvc_misuse("--output-format: '%s' is none of normal, json%s", text,
			   binary_allowed ? ", binary" : "");
		return -1;
	}
	return 0;
}

/* ---- values ------------------------------------------------------------------------------- */

/* What a suffix multiplies by; 0: it is none. */
static uint64_t size_factor(const char *suffix, unsigned int unit)
{
	static const char letters[] = "KMGTPE";
	const char *found;
	uint64_t factor = 1;

	if (!*suffix)
		return 1;
	found = strchr(letters, toupper((unsigned char)*suffix++));
	if (!found)
		return 0;
	for (const char *l = letters; l <= found; l++)
		factor *= unit;
	if (*suffix == 'i')
		suffix++;
	if (*suffix == 'B' || *suffix == 'b')
		suffix++;
	return *suffix ? 0 : factor;
}

int nvc_parse_size(const char *text, unsigned int unit, uint64_t *ret_value)
{
	uint64_t factor, value;
	double parts;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno)
		return -EINVAL;
	if (*end == '.') {
		parts = strtod(text, &end);
		factor = size_factor(end, unit);
		if (!factor || parts * (double)factor >= 18446744073709551616.0)
			return -EINVAL;
		*ret_value = (uint64_t)(parts * (double)factor);
		return 0;
	}
	factor = size_factor(end, unit);
	if (!factor || __builtin_mul_overflow(value, factor, &value))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static uint64_t opt_type_max(enum nvc_opt_type type)
{
	switch (type) {
	case NVC_OPT_U8:
		return UINT8_MAX;
	case NVC_OPT_U16:
		return UINT16_MAX;
	case NVC_OPT_U32:
		return UINT32_MAX;
	default:
		return UINT64_MAX;
	}
}

static int opt_bad(const struct nvc_opt *opt, const char *text, const char *why, char *err,
		   size_t err_len)
{
	snprintf(err, err_len, "--%s: '%s' %s", opt->name, text, why);
	return -EINVAL;
}

static int opt_set_unsigned(const struct nvc_opt *opt, const char *text, char *err, size_t err_len)
{
	uint64_t max = opt->max ? opt->max : opt_type_max(opt->type), value;
	char why[80];

	if (nvc_parse_size(text, opt->type == NVC_OPT_SIZE ? 1024 : 1000, &value) < 0)
		return opt_bad(opt, text, "is not a number", err, err_len);
	if (value < opt->min || value > max) {
		snprintf(why, sizeof(why), "is out of range (%llu to %llu)",
			 (unsigned long long)opt->min, (unsigned long long)max);
		return opt_bad(opt, text, why, err, err_len);
	}
	switch (opt->type) {
	case NVC_OPT_U8:
		*(uint8_t *)opt->value = (uint8_t)value;
		break;
	case NVC_OPT_U16:
		*(uint16_t *)opt->value = (uint16_t)value;
		break;
	case NVC_OPT_U32:
		*(uint32_t *)opt->value = (uint32_t)value;
		break;
	default:
		*(uint64_t *)opt->value = value;
	}
	return 0;
}

int nvc_opt_set(const struct nvc_opt *opt, const char *text, char *err, size_t err_len)
{
	char *end;
	long number;
	double seconds;

	if (opt->given)
		*opt->given = true;
	switch (opt->type) {
	case NVC_OPT_FLAG:
		/* "--verify" and, as fio writes it, "--verify=1". */
		if (text && strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
			return opt_bad(opt, text, "is neither 0 nor 1", err, err_len);
		*(bool *)opt->value = !text || text[0] == '1';
		return 0;
	case NVC_OPT_COUNT:
		++*(unsigned int *)opt->value;
		return 0;
	case NVC_OPT_STRING:
		*(const char **)opt->value = text;
		return 0;
	case NVC_OPT_INT:
		errno = 0;
		number = strtol(text, &end, 0);
		if (errno || *end || end == text || number > INT32_MAX || number < INT32_MIN)
			return opt_bad(opt, text, "is not a number", err, err_len);
		*(int32_t *)opt->value = (int32_t)number;
		return 0;
	case NVC_OPT_SECONDS:
		errno = 0;
		seconds = strtod(text, &end);
		if (*end == 's')
			end++;
		if (errno || *end || end == text || !(seconds >= 0 && seconds < 1e9))
			return opt_bad(opt, text, "is not a time in seconds", err, err_len);
		*(double *)opt->value = seconds;
		return 0;
	default:
		return opt_set_unsigned(opt, text, err, err_len);
	}
}

/* ---- parsing ------------------------------------------------------------------------------ */

static bool opt_takes_value(const struct nvc_opt *opt)
{
	return opt->type != NVC_OPT_FLAG && opt->type != NVC_OPT_COUNT;
}

/* getopt_long's tables. Where two options have one letter (nvme-cli has such), the first wins. */
static void opts_tables(const struct nvc_opt *opts, struct option *longs, char *shorts)
{
	int n = 0;

	*shorts++ = ':';
	for (; opts[n].name && n < OPTS_MAX - 2; n++) {
		longs[n] = (struct option){
			.name = opts[n].name,
			.has_arg = opt_takes_value(&opts[n])      ? required_argument
				   : opts[n].type == NVC_OPT_FLAG ? optional_argument
								  : no_argument,
			.val = OPTS_BASE + n,
		};
		if (!opts[n].letter)
			continue;
		*shorts++ = opts[n].letter;
		if (opt_takes_value(&opts[n]))
			*shorts++ = ':';
	}
	*shorts = '\0';
	longs[n++] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
	longs[n] = (struct option){.name = NULL};
}

static const struct nvc_opt *opts_by_value(const struct nvc_opt *opts, int value)
{
	if (value >= OPTS_BASE)
		return &opts[value - OPTS_BASE];
	for (; opts->name; opts++) {
		if (opts->letter == value)
			return opts;
	}
	return NULL;
}

/* The option that getopt_long stopped at, as it was typed. */
static const char *opts_culprit(char **argv)
{
	static char letter[3] = "-";

	if (optopt && optopt < OPTS_BASE && strncmp(argv[optind - 1], "--", 2) != 0) {
		letter[1] = (char)optopt;
		return letter;
	}
	return argv[optind - 1];
}

/* What stands before and after a complaint: the place in a file, or how to get help. */
static int opts_complain(const struct nvc_usage *usage, const char *what)
{
	if (usage->where)
		return nvc_misuse("%s: %s", usage->where, what);
	return nvc_misuse("%s (nvhost %s --help)", what, usage->command);
}

static int opts_check_count(const struct nvc_usage *usage, const struct nvc_args *args)
{
	char what[512];

	if (args->count < usage->min_args)
		snprintf(what, sizeof(what), "%s is missing", usage->args);
	else if (usage->max_args >= 0 && args->count > usage->max_args)
		snprintf(what, sizeof(what), "unexpected argument '%s'",
			 args->words[usage->max_args]);
	else
		return 0;
	return opts_complain(usage, what);
}

int nvc_opts_parse(const struct nvc_usage *usage, int argc, char **argv, struct nvc_args *ret_args,
		   int *ret_status)
{
	struct option longs[OPTS_MAX];
	char shorts[2 * OPTS_MAX + 2], err[512];
	int value;

	opts_tables(usage->opts, longs, shorts);
	opterr = 0;
	optind = 0; /* glibc: start afresh */
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct nvc_opt *opt;

		if (value == 'h' && !opts_by_value(usage->opts, 'h')) {
			nvc_opts_help(usage, stdout);
			*ret_status = 0;
			return -1;
		}
		if (value == '?' || value == ':') {
			const char *what = opts_culprit(argv);

			if (value == '?' && !strcmp(what, "-h")) {
				nvc_opts_help(usage, stdout);
				*ret_status = 0;
				return -1;
			}
			snprintf(err, sizeof(err),
				 value == ':' ? "option '%s' needs a value" : "unknown option '%s'",
				 what);
			*ret_status = opts_complain(usage, err);
			return -1;
		}
		opt = opts_by_value(usage->opts, value);
		if (nvc_opt_set(opt, optarg, err, sizeof(err)) < 0) {
			*ret_status =
				usage->where ? opts_complain(usage, err) : nvc_misuse("%s", err);
			return -1;
		}
	}
	ret_args->count = argc - optind;
	ret_args->words = argv + optind;
	*ret_status = opts_check_count(usage, ret_args);
	return *ret_status ? -1 : 0;
}

/* ---- help --------------------------------------------------------------------------------- */

/* Words of `text` in lines of at most 76 columns; the first line starts at `column`. */
static void help_wrap(FILE *out, const char *text, int indent, int column)
{
	bool first = true;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (!first && column + 1 + len > 76) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", len, text);
		column += len;
		first = false;
		text += len + strspn(text + len, " ");
	}
	fputc('\n', out);
}

void nvc_opts_help(const struct nvc_usage *usage, FILE *out)
{
	fprintf(out, "Usage: nvhost %s%s%s [OPTIONS]\n\n", usage->command,
		usage->args[0] ? " " : "", usage->args);
	help_wrap(out, usage->about, 0, 0);
	if (usage->opts->name)
		fprintf(out, "\nOptions:\n");
	for (const struct nvc_opt *opt = usage->opts; opt->name; opt++) {
		char head[80];
		int n = snprintf(head, sizeof(head), "  [  --%s", opt->name);

		if (opt_takes_value(opt))
			n += snprintf(head + n, sizeof(head) - n, "=<%s>", opt->arg);
		if (opt->letter)
			n += snprintf(head + n, sizeof(head) - n, ", -%c", opt->letter);
		if (opt->letter && opt_takes_value(opt))
			n += snprintf(head + n, sizeof(head) - n, " <%s>", opt->arg);
		snprintf(head + n, sizeof(head) - n, " ]");
		fprintf(out, "%-40s--- ", head);
		help_wrap(out, opt->help, 44, 44);
	}
}
