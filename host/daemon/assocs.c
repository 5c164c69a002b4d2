/*
 * The store of associations: which of the daemon's connections may still have writes under way at
 * their targets. Written before the first write of an association goes out; what is left of it when
 * the daemon starts again after a crash is fenced before writes are accepted (docs/multipath.md).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/daemon/daemon.h"

#define ASSOCS_MAX_BYTES (4u << 20)

static void assocs_path(const struct nvd_daemon *daemon, char *ret_path, size_t len)
{
	snprintf(ret_path, len, "%s.associations", daemon->state_path);
}

static struct json_object *assoc_json(const struct nvh_assoc *assoc)
{
	struct json_object *o = json_object_new_object();

	/* A string: JSON numbers of other tools hold 53 bits. */
	if (!o || nvhi_json_add_string(o, "subnqn", assoc->subnqn) ||
	    nvhi_json_add_string(o, "name", assoc->name) ||
	    nvhi_json_add_string(o, "write_fence", assoc->write_fence) ||
	    nvhi_json_add_u64(o, "cntlid", assoc->cntlid) ||
	    nvhi_json_add_u64(o, "ciu", assoc->ciu) ||
	    nvhi_json_add_stringf(o, "cirn", "%" PRIx64, assoc->cirn) ||
	    nvhi_json_add_u64(o, "kato_ms", assoc->kato_ms) ||
	    nvhi_json_add_u64(o, "cqt_ms", assoc->cqt_ms) ||
	    nvhi_json_add_bool(o, "ccr", assoc->ccr) ||
	    nvhi_json_add_bool(o, "tbkas", assoc->tbkas)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *assocs_json(struct nvd_daemon *daemon, unsigned int *ret_count)
{
	struct json_object *list = json_object_new_array();
	unsigned int i = 0;

	for (;; i++) {
		struct nvh_assoc assoc = {.size = sizeof(assoc)};

		if (nvh_host_assoc(daemon->host, i, &assoc))
			break;
		if (!strcmp(assoc.write_fence, "off"))
			continue;
		if (nvhi_json_append(list, assoc_json(&assoc))) {
			json_object_put(list);
			return NULL;
		}
	}
	*ret_count = i;
	return list;
}

void nvd_assocs_save(struct nvd_daemon *daemon)
{
	char path[NVD_PATH_MAX + 16];
	struct json_object *list;
	unsigned int count = 0;
	int rc = 0;

	if (!daemon->host || daemon->assocs_loading)
		return;
	assocs_path(daemon, path, sizeof(path));
	list = assocs_json(daemon, &count);
	if (!list)
		rc = -ENOMEM;
	else if (count)
		rc = nvhi_json_write_file(path, list, 0600);
	else if (unlink(path) < 0 && errno != ENOENT)
		rc = -errno;
	json_object_put(list);
	if (rc)
		nvhi_log(ERROR, DAEMON,
			 "%s: cannot be written: %s (after a crash the writes under way now would "
			 "not be fenced)",
			 path, strerror(-rc));
}

/* ---- at the start ------------------------------------------------------------------------- */

struct assoc_doc {
	const char *subnqn, *name, *write_fence, *cirn;
	uint32_t cntlid, ciu, kato_ms, cqt_ms;
	bool ccr, tbkas;
};

#define ASSOC(memb, typ, ...) NVHI_JSON_FIELD(assoc_doc, memb, typ, __VA_ARGS__)
static const struct nvhi_json_field assoc_fields[] = {
	ASSOC(subnqn, STRING, NVHI_JSON_REQUIRED, .max_len = 223),
	ASSOC(name, STRING, NVHI_JSON_REQUIRED, .max_len = 31),
	ASSOC(write_fence, STRING, NVHI_JSON_REQUIRED, .max_len = 7),
	ASSOC(cntlid, U32, NVHI_JSON_REQUIRED, .max = 65535),
	ASSOC(ciu, U32, NVHI_JSON_REQUIRED, .max = 255),
	ASSOC(cirn, STRING, NVHI_JSON_REQUIRED, .max_len = 16),
	ASSOC(kato_ms, U32, NVHI_JSON_REQUIRED),
	ASSOC(cqt_ms, U32, NVHI_JSON_REQUIRED, .max = 65535),
	ASSOC(ccr, BOOL, NVHI_JSON_REQUIRED),
	ASSOC(tbkas, BOOL, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};

static int assoc_fence(struct nvd_daemon *daemon, struct json_object *object, char *err,
		       size_t err_len)
{
	struct nvh_assoc assoc = {.size = sizeof(assoc)};
	struct assoc_doc doc = {0};
	int rc = nvhi_json_decode(object, assoc_fields, &doc, err, err_len);

	if (rc)
		return rc;
	snprintf(assoc.subnqn, sizeof(assoc.subnqn), "%s", doc.subnqn);
	snprintf(assoc.name, sizeof(assoc.name), "%s", doc.name);
	snprintf(assoc.write_fence, sizeof(assoc.write_fence), "%s", doc.write_fence);
	assoc.cntlid = (uint16_t)doc.cntlid;
	assoc.ciu = (uint8_t)doc.ciu;
	assoc.cirn = strtoull(doc.cirn, NULL, 16);
	assoc.kato_ms = doc.kato_ms;
	assoc.cqt_ms = doc.cqt_ms;
	assoc.ccr = doc.ccr;
	assoc.tbkas = doc.tbkas;
	return nvh_host_fence(daemon->host, &assoc);
}

int nvd_assocs_load(struct nvd_daemon *daemon, char *err, size_t err_len)
{
	char path[NVD_PATH_MAX + 16], why[256] = "";
	struct json_object *list = NULL;
	int rc;

	assocs_path(daemon, path, sizeof(path));
	rc = nvhi_json_parse_file(path, ASSOCS_MAX_BYTES, &list, why, sizeof(why));
	if (rc == -ENOENT)
		return 0;
	if (!rc && !json_object_is_type(list, json_type_array)) {
		snprintf(why, sizeof(why), "not an array");
		rc = -EINVAL;
	}
	daemon->assocs_loading = true; /* nothing is over before all is known */
	for (size_t i = 0; !rc && i < json_object_array_length(list); i++)
		rc = assoc_fence(daemon, json_object_array_get_idx(list, i), why, sizeof(why));
	daemon->assocs_loading = false;
	json_object_put(list);
	if (rc)
		snprintf(err, err_len,
			 "%s: %s (it tells which writes of the daemon before must be fenced; when "
			 "their targets have been restarted since, remove it)",
			 path, why[0] ? why : strerror(-rc));
	return rc;
}
