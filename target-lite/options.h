/*
 * target-lite's command line.
 */
#ifndef TL_OPTIONS_H
#define TL_OPTIONS_H

#include "target-lite/core/subsystem.h"

#define TL_MAX_LISTENS    64
#define TL_MAX_NAMESPACES 1024
#define TL_MAX_HOSTS      64
#define TL_MAX_CPUS       64
#define TL_DEFAULT_NQN    "nqn.2026-01.io.nvhost:target-lite"

struct tl_ns_spec {
	enum { TL_NS_MALLOC, TL_NS_NULL, TL_NS_FILE } kind;
	const char *filename;
	uint64_t bytes;
	uint32_t block_size;
	bool read_only;
	uint8_t uuid[16];
};

struct tl_options {
	struct tl_listen_addr listens[TL_MAX_LISTENS];
	uint32_t listen_count;
	struct tl_ns_spec ns[TL_MAX_NAMESPACES];
	uint32_t ns_count;
	const char *hosts[TL_MAX_HOSTS];
	uint32_t host_count;
	const char *nqn, *serial, *model;
	const char *rpc; /* NULL: the default */
	bool no_rpc;
	bool wait_for_rpc;
	bool allow_remote;
	const char *config;
	int cpus[TL_MAX_CPUS]; /* one reactor each; -1: not pinned */
	uint32_t cpu_count;
	bool poll;
	uint32_t spin_us;
	bool ana;
	bool tbkas;
	struct tl_transport_opts transport;
	bool done; /* --help or --version was answered */
};

/* 0; or -EINVAL after one line on stderr that names the option. */
int tl_options_parse(int argc, char **argv, struct tl_options *ret_options);

#endif
