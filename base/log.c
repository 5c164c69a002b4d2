/*
 * Log lines: levels by component, their configuration, and the hook that takes the lines. Any
 * thread; the hook and the levels are set before threads start (levels are bytes, so that a later
 * change is seen whole).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

#define LOG_LINE_MAX 1024

unsigned char nvhi_log_levels[NVHI_LOG_COMPONENT_COUNT] = {
#define X(upper, lower) [NVHI_LOG_##upper] = NVHI_LOG_WARN,
	NVHI_LOG_COMPONENTS(X)
#undef X
};

static const char *const component_names[] = {
#define X(upper, lower) [NVHI_LOG_##upper] = #lower,
	NVHI_LOG_COMPONENTS(X)
#undef X
};

static const char *const level_names[] = {
	[NVHI_LOG_ERROR] = "error", [NVHI_LOG_WARN] = "warn",   [NVHI_LOG_INFO] = "info",
	[NVHI_LOG_DEBUG] = "debug", [NVHI_LOG_TRACE] = "trace",
};

static nvhi_log_fn log_hook;

void nvhi_log_set_hook(nvhi_log_fn fn)
{
	__atomic_store_n(&log_hook, fn, __ATOMIC_RELEASE);
}

const char *nvhi_log_level_name(enum nvhi_log_level level)
{
	return (size_t)level < sizeof(level_names) / sizeof(level_names[0]) ? level_names[level]
									    : "?";
}

void nvhi_log_write(enum nvhi_log_level level, enum nvhi_log_component component, const char *fmt,
		    ...)
{
	nvhi_log_fn hook = __atomic_load_n(&log_hook, __ATOMIC_ACQUIRE);
	char line[LOG_LINE_MAX];
	int saved = errno;
	va_list args;

	if (!hook)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	hook(level, component_names[component], line);
	errno = saved;
}

/* ---- "all:info,tcp:debug" ---------------------------------------------------------------- */

static bool word_is(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(word, name, len) == 0;
}

static int log_parse_level(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (word_is(word, len, level_names[i]))
			return (int)i;
	return -EINVAL;
}

/* One item, "component", "component:level" or a level alone (for all), into `levels`. */
static int log_parse_item(const char *item, size_t len, unsigned char *levels)
{
	const char *colon = memchr(item, ':', len);
	size_t name_len = colon ? (size_t)(colon - item) : len;
	int level = NVHI_LOG_DEBUG;
	bool found = false;

	if (colon)
		level = log_parse_level(colon + 1, len - name_len - 1);
	else if (log_parse_level(item, len) >= 0)
		return memset(levels, log_parse_level(item, len), NVHI_LOG_COMPONENT_COUNT), 0;
	if (level < 0)
		return level;
	for (size_t i = 0; i < NVHI_LOG_COMPONENT_COUNT; i++) {
		if (!word_is(item, name_len, "all") && !word_is(item, name_len, component_names[i]))
			continue;
		levels[i] = (unsigned char)level;
		found = true;
	}
	return found ? 0 : -EINVAL;
}

int nvhi_log_configure(const char *spec, char *ret_culprit, size_t culprit_len)
{
	unsigned char levels[NVHI_LOG_COMPONENT_COUNT];

	memcpy(levels, nvhi_log_levels, sizeof(levels));
	while (*spec) {
		size_t len = strcspn(spec, ", ");

		if (len > 0 && log_parse_item(spec, len, levels) < 0) {
			if (culprit_len > 0)
				snprintf(ret_culprit, culprit_len, "%.*s", (int)len, spec);
			return -EINVAL;
		}
		spec += len;
		spec += strspn(spec, ", ");
	}
	memcpy(nvhi_log_levels, levels, sizeof(levels));
	return 0;
}

int nvhi_log_configure_env(char *ret_culprit, size_t culprit_len)
{
	const char *spec = getenv("NVHOST_LOG");

	return spec ? nvhi_log_configure(spec, ret_culprit, culprit_len) : 0;
}
