/*
 * The discovery log as nvme-cli prints it.
 */
#ifndef NVC_DISCOVERY_PRINT_H
#define NVC_DISCOVERY_PRINT_H

#include <stdio.h>

#include "host/cli/local.h"
#include "host/cli/opts.h"

void nvc_discovery_print(FILE *out, const struct nvc_discovery *log);
/* NULL when out of memory. */
struct json_object *nvc_discovery_to_json(const struct nvc_discovery *log);
/* The page as it was on the wire: a header of 1,024 bytes, then the entries. */
int nvc_discovery_write_raw(FILE *out, const struct nvc_discovery *log);

/* "tcp"; "unrecognized" for what nvme-cli does not name. */
const char *nvc_trtype_name(uint8_t trtype);
/* A fixed field of a record without its trailing blanks; ret_text holds size + 1. */
void nvc_field_text(const char *field, size_t size, char *ret_text);

#endif
