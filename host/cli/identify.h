/*
 * Identify data in nvme-cli's shapes. Pure, but for the stream.
 */
#ifndef NVC_IDENTIFY_H
#define NVC_IDENTIFY_H

#include <nvhost/spec/nvme.h>
#include <stdbool.h>

#include "host/cli/fields.h"

void nvc_id_ctrl_print(FILE *out, const struct nvh_id_ctrlr *id, bool human, bool vendor);
void nvc_id_ns_print(FILE *out, const struct nvh_id_ns *id, uint32_t nsid, bool human, bool vendor);
void nvc_ns_descs_print(FILE *out, const uint8_t data[4096], uint32_t nsid);
/* NULL when out of memory. */
struct json_object *nvc_id_ctrl_to_json(const struct nvh_id_ctrlr *id);
struct json_object *nvc_id_ns_to_json(const struct nvh_id_ns *id);
struct json_object *nvc_ns_descs_to_json(const uint8_t data[4096]);

#endif
