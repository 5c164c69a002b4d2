/*
 * The daemon's connections in the form of nvme-cli's config.json.
 */
#ifndef NVC_DUMP_H
#define NVC_DUMP_H

#include <json-c/json.h>

/* Prints it. The exit status. */
int nvc_dump_config(void);
/* Pure. NULL when out of memory. */
struct json_object *nvc_dump_build(struct json_object *connections, const char *hostnqn,
				   const char *hostid);

#endif
