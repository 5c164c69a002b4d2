/*
 * The public log hook: base/log.h behind the public names. Any thread; set before reactors run.
 */
#include <errno.h>
#include <stdio.h>

#include <nvhost/log.h>

#include "base/log.h"

static nvh_log_fn log_public;

static void log_forward(enum nvhi_log_level level, const char *component, const char *line)
{
	nvh_log_fn fn = __atomic_load_n(&log_public, __ATOMIC_ACQUIRE);

	if (fn)
		fn((int)level, component, line);
}

void nvh_log_set(nvh_log_fn fn)
{
	__atomic_store_n(&log_public, fn, __ATOMIC_RELEASE);
	nvhi_log_set_hook(fn ? log_forward : NULL);
}

int nvh_log_configure(const char *spec, char *errbuf, size_t errbuf_len)
{
	char culprit[64] = "";
	int err;

	if (!spec)
		return -EINVAL;
	err = nvhi_log_configure(spec, culprit, sizeof(culprit));
	if (err && errbuf && errbuf_len)
		snprintf(errbuf, errbuf_len,
			 "log specification: \"%s\" is no component or level (try "
			 "all:info,tcp:debug)",
			 culprit);
	return err;
}
