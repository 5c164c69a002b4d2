/*
 * Option tables for sub-commands, with nvme-cli's names and letters. An option points at the
 * variable it fills; a wrong one gets one line that names it. Pure, but for printing help.
 */
#ifndef NVC_OPTS_H
#define NVC_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum nvc_opt_type {
	NVC_OPT_FLAG,   /* bool */
	NVC_OPT_COUNT,  /* unsigned int, one up each time */
	NVC_OPT_STRING, /* const char * */
	NVC_OPT_INT,    /* int32_t */
	NVC_OPT_U8,
	NVC_OPT_U16,
	NVC_OPT_U32,
	NVC_OPT_U64,     /* with k, M, G as nvme-cli reads them (powers of 1000) */
	NVC_OPT_SIZE,    /* uint64_t; k, M, G, T are powers of 1024, as fio reads them */
	NVC_OPT_SECONDS, /* double */
};

struct nvc_opt {
	const char *name; /* NULL ends the table */
	char letter;      /* 0: none */
	enum nvc_opt_type type;
	const char *arg; /* "NUM", for help */
	void *value;
	bool *given;       /* NULL: not asked */
	uint64_t min, max; /* max 0: the type's own */
	const char *help;
};

#define NVC_FLAG(nam, let, var, hlp)                                                               \
	{                                                                                          \
		.name = (nam), .letter = (let), .type = NVC_OPT_FLAG, .value = (var),              \
		.help = (hlp)                                                                      \
	}
#define NVC_COUNT(nam, let, var, hlp)                                                              \
	{                                                                                          \
		.name = (nam), .letter = (let), .type = NVC_OPT_COUNT, .value = (var),             \
		.help = (hlp)                                                                      \
	}
#define NVC_STRING(nam, let, meta, var, hlp)                                                       \
	{                                                                                          \
		.name = (nam), .letter = (let), .type = NVC_OPT_STRING, .arg = (meta),             \
		.value = (var), .help = (hlp)                                                      \
	}
#define NVC_NUMBER(nam, let, typ, var, hlp, ...)                                                   \
	{                                                                                          \
		.name = (nam), .letter = (let), .type = NVC_OPT_##typ, .arg = "NUM",               \
		.value = (var), .help = (hlp), ##__VA_ARGS__                                       \
	}
#define NVC_END                                                                                    \
	{                                                                                          \
		.name = NULL                                                                       \
	}

/* A sub-command as its help shows it. */
struct nvc_usage {
	const char *command; /* "id-ctrl" */
	const char *args;    /* "DEVICE", or "" */
	const char *about;
	const struct nvc_opt *opts;
	int min_args, max_args; /* of those that are no options; max -1: any number */
	const char *where;      /* put before messages: "FILE:LINE"; NULL: the command line */
};

/* What is left in argv once the options are gone. */
struct nvc_args {
	int count;
	char **words;
};

/* 0: go on. Otherwise the program ends with *ret_status: 0 after --help (printed), 2 after a wrong
 * option (said on stderr). argv[0] is the sub-command. */
int nvc_opts_parse(const struct nvc_usage *usage, int argc, char **argv, struct nvc_args *ret_args,
		   int *ret_status);
void nvc_opts_help(const struct nvc_usage *usage, FILE *out);

/* One value by its option. -EINVAL with a reason. */
int nvc_opt_set(const struct nvc_opt *opt, const char *text, char *err, size_t err_len);
/* "4k", "1.5G", "0x1000": powers of `unit` (1000 or 1024). -EINVAL. */
int nvc_parse_size(const char *text, unsigned int unit, uint64_t *ret_value);

/* "nvhost connect: <message>" on stderr. Returns 1, the exit status of a failure. */
int nvc_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for a mistake on the command line; returns 2. */
int nvc_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The name that nvc_fail puts in front; set by main. */
extern const char *nvc_command;

enum nvc_format { NVC_NORMAL, NVC_JSON, NVC_BINARY };
/* -1: not one of them (said on stderr). NULL is normal. */
int nvc_parse_format(const char *text, bool binary_allowed, enum nvc_format *ret_format);

#endif
