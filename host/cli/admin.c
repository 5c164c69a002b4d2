/*
 * One admin command, or a log page in several, by way of the daemon's admin_passthru.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/opts.h"
#include "host/daemon/base64.h"
#include "nvhost/spec/nvmf.h"

#define ADMIN_CHUNK         4096u
#define ADMIN_DISCOVERY_MAX (64u << 20)

const char *nvc_admin_device(const char *word)
{
	static char path[PATH_MAX];
	/* A bare word may be a file here; names of ours and NQNs go first. */
	bool is_name = !strchr(word, '/') && (!strncmp(word, "nvh", 3) || strchr(word, ':'));

	return !is_name && realpath(word, path) ? path : word;
}

int nvc_admin_resolve(const char *device, struct json_object **ret_resolved)
{
	struct json_object *params = json_object_new_object();

	if (nvhi_json_add_string(params, "device", nvc_admin_device(device))) {
		json_object_put(params);
		nvc_fail("out of memory");
		return -1;
	}
	return nvc_call("resolve", params, ret_resolved);
}

uint32_t nvc_admin_nsid(struct json_object *resolved)
{
	return (uint32_t)nvc_get_u64(nvc_get(resolved, "namespace"), "nsid", 0);
}

/* ---- one command -------------------------------------------------------------------------- */

static int admin_add_dwords(struct json_object *o, const struct nvc_admin *cmd)
{
	const struct {
		const char *name;
		uint32_t value;
	} words[] = {
		{"cdw2", cmd->cdw2},   {"cdw3", cmd->cdw3},   {"cdw10", cmd->cdw10},
		{"cdw11", cmd->cdw11}, {"cdw12", cmd->cdw12}, {"cdw13", cmd->cdw13},
		{"cdw14", cmd->cdw14}, {"cdw15", cmd->cdw15}, {"timeout_ms", cmd->timeout_ms},
		{"flags", cmd->flags},
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !err; i++) {
		if (words[i].value)
			err = nvhi_json_add_u64(o, words[i].name, words[i].value);
	}
	return err;
}

static struct json_object *admin_params(const char *method, const struct nvc_admin *cmd)
{
	struct json_object *o = json_object_new_object();
	int err = nvhi_json_add_string(o, "device", nvc_admin_device(cmd->device));
	char *text;

	err = err ? err : nvhi_json_add_u64(o, "opcode", cmd->opcode);
	/* Without one, an I/O command goes to the device's namespace. */
	if (cmd->nsid || strcmp(method, "io_passthru") != 0)
		err = err ? err : nvhi_json_add_u64(o, "nsid", cmd->nsid);
	err = err ? err : admin_add_dwords(o, cmd);
	if (cmd->len)
		err = err ? err : nvhi_json_add_u64(o, "data_len", cmd->len);
	if (cmd->write_data) {
		text = nvd_base64_dup(cmd->write_data, cmd->len);
		err = err ? err : text ? nvhi_json_add_string(o, "data", text) : -ENOMEM;
		free(text);
	}
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

int nvc_admin_send(const char *method, const struct nvc_admin *cmd, void *data,
		   unsigned int *ret_status, uint64_t *ret_result)
{
	struct json_object *params = admin_params(method, cmd), *result;
	size_t len = 0;
	int rc = 0;

	if (!params) {
		nvc_fail("out of memory");
		return -1;
	}
	if (nvc_call(method, params, &result) < 0)
		return -1;
	*ret_status = (unsigned int)nvc_get_u64(result, "status", 0);
	if (ret_result)
		*ret_result = nvc_get_u64(result, "result", 0);
	if (!*ret_status && data && cmd->len && !cmd->write_data &&
	    (nvd_base64_decode(nvc_get_string(result, "data"), data, cmd->len, &len) < 0 ||
	     len != cmd->len)) {
		nvc_fail("%s: the daemon's answer has %zu bytes, not %u", cmd->device, len,
			 cmd->len);
		rc = -1;
	}
	json_object_put(result);
	return rc;
}

void nvc_admin_say_status(unsigned int status)
{
	unsigned int sct = status >> 8 & 7, sc = status & 0xff;

	fflush(stdout);
	fprintf(stderr, "NVMe status: %s(%#x)\n", nvh_status_text(sct, sc), status);
}

int nvc_admin_read(const struct nvc_admin *cmd, void *data)
{
	unsigned int status;

	if (nvc_admin_send("admin_passthru", cmd, data, &status, NULL) < 0)
		return -1;
	if (!status)
		return 0;
	nvc_admin_say_status(status);
	return -1;
}

int nvc_admin_identify(const char *device, uint8_t cns, uint32_t nsid, uint8_t csi, void *data)
{
	const struct nvc_admin cmd = {
		.device = device,
		.opcode = NVH_ADM_IDENTIFY,
		.nsid = nsid,
		.cdw10 = cns,
		.cdw11 = (uint32_t)csi << NVH_IDENTIFY_CSI_SHIFT,
		.len = NVH_IDENTIFY_SIZE,
	};

	return nvc_admin_read(&cmd, data);
}

/* ---- log pages ---------------------------------------------------------------------------- */

int nvc_admin_log(const struct nvc_admin *cmd, uint64_t offset, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct nvc_admin chunk = *cmd;
		uint64_t from = offset + at;
		uint32_t bytes = (uint32_t)(len - at < ADMIN_CHUNK ? len - at : ADMIN_CHUNK);
		uint32_t numd = (bytes + 3) / 4 - 1;
		uint8_t whole[ADMIN_CHUNK];

		chunk.opcode = NVH_ADM_GET_LOG_PAGE;
		chunk.cdw10 |= (numd & 0xffff) << NVH_LOG_NUMDL_SHIFT;
		chunk.cdw11 |= numd >> 16;
		chunk.cdw12 = (uint32_t)from;
		chunk.cdw13 = (uint32_t)(from >> 32);
		chunk.len = (numd + 1) * 4;
		/* Reading the last part clears the event that announced the page; earlier ones must
		 * not. */
		if (at + bytes < len)
			chunk.cdw10 |= NVH_LOG_RAE;
		if (nvc_admin_read(&chunk, whole) < 0)
			return -1;
		memcpy((uint8_t *)data + at, whole, bytes);
		at += bytes;
	}
	return 0;
}

int nvc_admin_discovery_log(const char *device, uint8_t **ret_page, size_t *ret_len)
{
	const struct nvc_admin cmd = {.device = device, .cdw10 = NVH_LID_DISCOVERY};

	for (int tries = 0; tries < 10; tries++) {
		struct nvh_discovery_log_header before, after;
		uint64_t nr, len;
		uint8_t *page;

		if (nvc_admin_log(&cmd, 0, &before, sizeof(before)) < 0)
			return -1;
		nr = nvh_le64_get(before.numrec);
		if (nr > ADMIN_DISCOVERY_MAX / sizeof(struct nvh_discovery_log_entry)) {
			nvc_fail("%s: its discovery log claims %llu records", device,
				 (unsigned long long)nr);
			return -1;
		}
		len = sizeof(before) + nr * sizeof(struct nvh_discovery_log_entry);
		page = malloc(len);
		if (!page || nvc_admin_log(&cmd, 0, page, len) < 0 ||
		    nvc_admin_log(&cmd, 0, &after, sizeof(after)) < 0) {
			free(page);
			return -1;
		}
		if (nvh_le64_get(after.genctr) ==
			    nvh_le64_get(((struct nvh_discovery_log_header *)page)->genctr) &&
		    nvh_le64_get(after.numrec) == nr) {
			*ret_page = page;
			*ret_len = len;
			return 0;
		}
		free(page);
	}
	nvc_fail("%s: its discovery log changes faster than it can be read", device);
	return -1;
}
