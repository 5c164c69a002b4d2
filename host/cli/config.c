/*
 * Reading discovery.conf and config.json.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/config.h"
#include "host/cli/connect_opts.h"
#include "host/daemon/paths.h"

#define CONFIG_MAX_BYTES (1u << 20)
#define CONFIG_MAX_WORDS 64

static int config_add(struct nvc_config *config, const struct nvd_params *params)
{
	struct nvd_params *entries =
		realloc(config->entries, (config->nr + 1) * sizeof(*config->entries));

	if (!entries)
		return -ENOMEM;
	config->entries = entries;
	entries[config->nr++] = *params;
	return 0;
}

void nvc_config_free(struct nvc_config *config)
{
	for (size_t i = 0; i < config->nr_lines; i++)
		free(config->lines[i]);
	free(config->lines);
	free(config->entries);
	json_object_put(config->json);
	*config = (struct nvc_config){0};
}

/* ---- discovery.conf ----------------------------------------------------------------------- */

static int config_keep_line(struct nvc_config *config, char *line)
{
	char **lines = realloc(config->lines, (config->nr_lines + 1) * sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	config->lines = lines;
	lines[config->nr_lines++] = line;
	return 0;
}

/* Options as they are typed, and what nvme-cli also takes there. */
static int config_parse_line(char *line, const char *where, struct nvd_params *ret_params)
{
	char *words[CONFIG_MAX_WORDS + 1] = {(char *)"discovery.conf"}, *save = NULL;
	const char *output = NULL, *raw = NULL;
	struct nvd_params params;
	unsigned int verbose = 0;
	bool quiet, force;
	const struct nvc_opt opts[] = {
		NVC_CONNECT_OPTS(params),
		NVC_STRING("output-format", 'o', "FMT", &output, ""),
		NVC_STRING("raw", 'r', "FILE", &raw, ""),
		NVC_FLAG("persistent", 'p', &params.persistent, ""),
		NVC_FLAG("quiet", 0, &quiet, ""),
		NVC_COUNT("verbose", 'v', &verbose, ""),
		NVC_FLAG("force", 0, &force, ""),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "discover", .args = "", .about = "", .opts = opts, .where = where};
	struct nvc_args args;
	int status, count = 1;

	nvd_params_init(&params);
	for (char *word = strtok_r(line, " \t\r\n", &save); word;
	     word = strtok_r(NULL, " \t\r\n", &save)) {
		if (count == CONFIG_MAX_WORDS) {
			nvc_fail("%s: more than %d words", where, CONFIG_MAX_WORDS);
			return -EINVAL;
		}
		words[count++] = word;
	}
	if (nvc_opts_parse(&usage, count, words, &args, &status) < 0)
		return -EINVAL;
	params.discovery = true;
	*ret_params = params;
	return 0;
}

int nvc_config_read_discovery(struct nvc_config *config, const char *path)
{
	FILE *file = fopen(path, "re");
	struct nvd_params params;
	char *line = NULL, where[4200];
	size_t size = 0, number = 0;
	int rc = 0;

	if (!file)
		return errno == ENOENT || errno == ENOTDIR
			       ? -ENOENT
			       : (nvc_fail("%s: %s", path, strerror(errno)), -EINVAL);
	while (!rc && getline(&line, &size, file) >= 0) {
		size_t blank = strspn(line, " \t\r\n");

		number++;
		if (line[blank] == '#' || line[blank] == '\0')
			continue;
		snprintf(where, sizeof(where), "%s:%zu", path, number);
		rc = config_keep_line(config, line);
		if (!rc) {
			rc = config_parse_line(line, where, &params);
			line = NULL; /* kept: the strings point into it */
			size = 0;
		}
		/* A line without an address only sets what discover takes as defaults. */
		if (!rc && params.transport && params.traddr)
			rc = config_add(config, &params);
	}
	free(line);
	fclose(file);
	return rc;
}

/* ---- config.json -------------------------------------------------------------------------- */

struct config_host {
	const char *hostnqn, *hostid;
	struct json_object *subsystems;
};

static const struct nvhi_json_field config_host_fields[] = {
	NVHI_JSON_FIELD(config_host, hostnqn, STRING),
	NVHI_JSON_FIELD(config_host, hostid, STRING),
	NVHI_JSON_FIELD(config_host, subsystems, ARRAY),
	{.name = "hostsymname", .type = NVHI_JSON_IGNORE},
	{.name = "persistent_discovery_ctrl", .type = NVHI_JSON_IGNORE},
	{.name = "dhchap_key", .type = NVHI_JSON_IGNORE},
	NVHI_JSON_END,
};

struct config_subsys {
	const char *nqn;
	struct json_object *ports;
};

static const struct nvhi_json_field config_subsys_fields[] = {
	NVHI_JSON_FIELD(config_subsys, nqn, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(config_subsys, ports, ARRAY),
	NVHI_JSON_END,
};

#define PORT(memb, typ, ...) NVHI_JSON_FIELD(nvd_params, memb, typ, __VA_ARGS__)

static const struct nvhi_json_field config_port_fields[] = {
	PORT(transport, STRING, NVHI_JSON_REQUIRED),
	PORT(traddr, STRING),
	PORT(trsvcid, STRING),
	PORT(host_traddr, STRING),
	PORT(host_iface, STRING),
	{.name = "dhchap_key",
	 .type = NVHI_JSON_STRING,
	 .offset = offsetof(struct nvd_params, dhchap_secret)},
	{.name = "dhchap_ctrl_key",
	 .type = NVHI_JSON_STRING,
	 .offset = offsetof(struct nvd_params, dhchap_ctrl_secret)},
	PORT(nr_io_queues, U32, .max = 1024),
	PORT(nr_write_queues, U32, .max = 1024),
	PORT(nr_poll_queues, U32, .max = 1024),
	PORT(queue_size, U32, .min = 16, .max = 1024),
	PORT(keep_alive_tmo, U32, .max = 86400, NVHI_JSON_PRESENT(nvd_params, has_keep_alive_tmo)),
	PORT(reconnect_delay, DOUBLE),
	PORT(ctrl_loss_tmo, I32),
	PORT(fast_io_fail_tmo, I32),
	PORT(tos, I32),
	PORT(duplicate_connect, BOOL),
	PORT(disable_sqflow, BOOL),
	PORT(hdr_digest, BOOL),
	PORT(data_digest, BOOL),
	PORT(tls, BOOL),
	PORT(persistent, BOOL),
	PORT(discovery, BOOL),
	NVHI_JSON_END,
};

/* The index-th object of an array, decoded; a failure names its place. */
static int config_decode(const char *path, const char *what, struct json_object *array,
			 size_t index, const struct nvhi_json_field *fields, void *ret)
{
	char err[512];

	if (nvhi_json_decode(json_object_array_get_idx(array, index), fields, ret, err,
			     sizeof(err)) < 0) {
		/* The decoder speaks of parameters; in a file they are keys. */
		const char *text = !strncmp(err, "unknown parameter", 17) ? "unknown key" : NULL;

		nvc_fail("%s: %s %zu: %s%s", path, what, index + 1, text ? text : "",
			 text ? err + 17 : err);
		return -EINVAL;
	}
	return 0;
}

static int config_subsys(struct nvc_config *config, const char *path,
			 const struct config_host *host, const struct config_subsys *subsys)
{
	size_t nr = subsys->ports ? json_object_array_length(subsys->ports) : 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < nr; i++) {
		struct nvd_params params;

		nvd_params_init(&params);
		rc = config_decode(path, "port", subsys->ports, i, config_port_fields, &params);
		params.nqn = subsys->nqn;
		params.hostnqn = host->hostnqn;
		params.hostid = host->hostid;
		if (!strcmp(subsys->nqn, NVH_DISCOVERY_NQN))
			params.discovery = true;
		if (!rc && params.traddr)
			rc = config_add(config, &params);
	}
	return rc;
}

static int config_host(struct nvc_config *config, const char *path, const struct config_host *host)
{
	size_t nr = host->subsystems ? json_object_array_length(host->subsystems) : 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < nr; i++) {
		struct config_subsys subsys = {0};

		rc = config_decode(path, "subsystem", host->subsystems, i, config_subsys_fields,
				   &subsys);
		if (!rc)
			rc = config_subsys(config, path, host, &subsys);
	}
	return rc;
}

int nvc_config_read_json(struct nvc_config *config, const char *path)
{
	struct json_object *root = NULL;
	char err[512] = "";
	int rc = nvhi_json_parse_file(path, CONFIG_MAX_BYTES, &root, err, sizeof(err));

	if (rc == -ENOENT || rc == -ENOTDIR)
		return -ENOENT;
	if (rc) {
		nvc_fail("%s: %s", path, err[0] ? err : strerror(-rc));
		return rc == -ENOMEM ? rc : -EINVAL;
	}
	if (!json_object_is_type(root, json_type_array)) {
		nvc_fail("%s: an array of hosts is needed", path);
		json_object_put(root);
		return -EINVAL;
	}
	/* Keeps every file's tree: an array of them. */
	if (!config->json)
		config->json = json_object_new_array();
	if (nvhi_json_append(config->json, root))
		return -ENOMEM;
	for (size_t i = 0; !rc && i < json_object_array_length(root); i++) {
		struct config_host host = {0};

		rc = config_decode(path, "host", root, i, config_host_fields, &host);
		if (!rc)
			rc = config_host(config, path, &host);
	}
	return rc;
}

/* ---- the usual places ------------------------------------------------------------------------ */

static int config_everywhere(struct nvc_config *config, const char *file,
			     int (*read)(struct nvc_config *config, const char *path))
{
	char path[4096];

	for (unsigned int i = 0; nvd_config_path(i, file, path, sizeof(path)) == 0; i++) {
		int rc = read(config, path);

		if (rc && rc != -ENOENT)
			return rc;
	}
	return 0;
}

int nvc_config_read_all_json(struct nvc_config *config, const char *json_path)
{
	int rc;

	if (json_path && !strcmp(json_path, "none"))
		return 0;
	if (!json_path)
		return config_everywhere(config, "config.json", nvc_config_read_json);
	rc = nvc_config_read_json(config, json_path);
	if (rc == -ENOENT) {
		nvc_fail("--config: %s: %s", json_path, strerror(ENOENT));
		return -EINVAL;
	}
	return rc;
}

int nvc_config_read_all(struct nvc_config *config, const char *json_path)
{
	int rc = nvc_config_read_all_json(config, json_path);

	return rc ? rc : config_everywhere(config, "discovery.conf", nvc_config_read_discovery);
}

void nvc_config_places(char *ret_text, size_t len)
{
	size_t used = 0;
	char path[4096];

	ret_text[0] = '\0';
	for (unsigned int i = 0; nvd_config_path(i, NULL, path, sizeof(path)) == 0; i++)
		used += (size_t)snprintf(ret_text + used, used < len ? len - used : 0, "%s%s",
					 used ? ", " : "", path);
}
