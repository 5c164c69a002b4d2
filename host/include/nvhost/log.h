/*
 * Log lines. The library is silent until a function is set.
 */
#ifndef NVHOST_LOG_H
#define NVHOST_LOG_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* level: 0 error, 1 warning, 2 info, 3 debug, 4 trace. */
typedef void (*nvh_log_fn)(int level, const char *component, const char *line);
/* Called from any thread of the library's callers. Set before reactors run. NULL: silence. */
void nvh_log_set(nvh_log_fn fn);
/* "all:info,tcp:debug"; "nvme" decodes each command and completion. -EINVAL: culprit in errbuf. */
int nvh_log_configure(const char *spec, char *errbuf, size_t errbuf_len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
