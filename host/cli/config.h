/*
 * The configuration files shared with nvme-cli: discovery.conf (a line of options a discovery
 * controller) and config.json (hosts, subsystems, ports). An unknown key is an error that names the
 * key and the file: a misspelt one must not look as if it had been obeyed.
 */
#ifndef NVC_CONFIG_H
#define NVC_CONFIG_H

#include <stddef.h>

#include "host/daemon/params.h"

struct nvc_config {
	struct nvd_params *entries;
	size_t nr;
	/* What the strings point into. */
	struct json_object *json;
	char **lines;
	size_t nr_lines;
};

/* Adds the entries of one file. -ENOENT: there is none; -EINVAL: said on stderr. */
int nvc_config_read_discovery(struct nvc_config *config, const char *path);
int nvc_config_read_json(struct nvc_config *config, const char *path);
/* Adds what there is in the user's folder and in /etc/nvme. json_path: NULL the usual places,
 * "none" no config.json, else that file. -EINVAL after a failure was said. */
int nvc_config_read_all(struct nvc_config *config, const char *json_path);
/* Only config.json. */
int nvc_config_read_all_json(struct nvc_config *config, const char *json_path);
void nvc_config_free(struct nvc_config *config);
/* The places looked at, for an error message. */
void nvc_config_places(char *ret_text, size_t len);

#endif
