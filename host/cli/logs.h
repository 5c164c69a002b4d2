/*
 * Log pages in nvme-cli's shapes. Pure, but for the stream.
 */
#ifndef NVC_LOGS_H
#define NVC_LOGS_H

#include <nvhost/spec/nvme.h>
#include <stdbool.h>

#include "host/cli/fields.h"

void nvc_smart_print(FILE *out, const struct nvh_smart_log *log, const char *device, uint32_t nsid,
		     bool human);
struct json_object *nvc_smart_to_json(const struct nvh_smart_log *log);
void nvc_errors_print(FILE *out, const struct nvh_error_log_entry *entries, unsigned int nr,
		      const char *device);
struct json_object *nvc_errors_to_json(const struct nvh_error_log_entry *entries, unsigned int nr);

#endif
