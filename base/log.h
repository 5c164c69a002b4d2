/*
 * Log lines by component and level. A line names its object first ("ctrlr3/q2: ..."). The library
 * itself prints nothing: it hands lines to the hook an application set; the programs set one that
 * writes to stderr or syslog. Any thread; a disabled line costs one load and one branch.
 */
#ifndef NVHI_BASE_LOG_H
#define NVHI_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum nvhi_log_level {
	NVHI_LOG_ERROR,
	NVHI_LOG_WARN,
	NVHI_LOG_INFO,
	NVHI_LOG_DEBUG,
	NVHI_LOG_TRACE,
};

/* Components: `-L tcp` or NVHOST_LOG=all:info,tcp:debug. `nvme` decodes commands and completions. */
#define NVHI_LOG_COMPONENTS(X)                                                                     \
	X(BASE, base) X(REACTOR, reactor) X(RPC, rpc) X(TCP, tcp) X(RDMA, rdma) X(PCIE, pcie)       \
	X(NVME, nvme) X(CTRLR, ctrlr) X(DISCOVERY, discovery) X(MPATH, mpath) X(API, api)           \
	X(FUSE, fuse) X(DAEMON, daemon) X(CLI, cli) X(TARGET, target) X(FAULT, fault)

enum nvhi_log_component {
#define X(upper, lower) NVHI_LOG_##upper,
	NVHI_LOG_COMPONENTS(X)
#undef X
	NVHI_LOG_COMPONENT_COUNT,
};

typedef void (*nvhi_log_fn)(enum nvhi_log_level level, const char *component, const char *line);
/* NULL: silence (the library's default). Set before threads start. */
void nvhi_log_set_hook(nvhi_log_fn fn);
/* The programs' hook: "2026-01-31T10:00:00.123 warn tcp: ..." (syslog priorities under systemd). */
void nvhi_log_to_stderr(enum nvhi_log_level level, const char *component, const char *line);
/* Parses "all:info,tcp:debug" ("tcp" alone means tcp:debug). -EINVAL names the culprit. */
int nvhi_log_configure(const char *spec, char *ret_culprit, size_t culprit_len);
/* From the environment variable NVHOST_LOG. */
int nvhi_log_configure_env(char *ret_culprit, size_t culprit_len);

const char *nvhi_log_level_name(enum nvhi_log_level level);

extern unsigned char nvhi_log_levels[NVHI_LOG_COMPONENT_COUNT];
void nvhi_log_write(enum nvhi_log_level level, enum nvhi_log_component component, const char *fmt,
		    ...) __attribute__((format(printf, 3, 4)));

static inline bool nvhi_log_on(enum nvhi_log_level level, enum nvhi_log_component component)
{
	return (unsigned int)level <= nvhi_log_levels[component];
}

/* nvhi_log(WARN, TCP, "%s: PLEN %u above MAXH2CDATA %u", q->name, plen, max); */
#define nvhi_log(level, component, ...)                                                            \
	do {                                                                                       \
		if (__builtin_expect(nvhi_log_on(NVHI_LOG_##level, NVHI_LOG_##component), 0))        \
			nvhi_log_write(NVHI_LOG_##level, NVHI_LOG_##component, __VA_ARGS__);         \
	} while (0)

#endif
