/*
 * Extended attributes of a namespace's file: its identity and the states of its paths, for scripts
 * (getfattr -d). Identity is answered on any worker; paths belong to the home reactor, so that
 * request visits it and comes back to the worker whose clone must answer.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NVF_XATTRS(X)                                                                              \
	X(NAME, "user.nvhost.name") X(NQN, "user.nvhost.nqn") X(NSID, "user.nvhost.nsid")            \
	X(BLOCK_SIZE, "user.nvhost.block_size") X(UUID, "user.nvhost.uuid")                          \
	X(NGUID, "user.nvhost.nguid") X(EUI64, "user.nvhost.eui64") X(PATHS, "user.nvhost.paths")

enum nvf_xattr {
#define X(upper, text) NVF_XATTR_##upper,
	NVF_XATTRS(X)
#undef X
	NVF_XATTR_COUNT,
};

static const char *const xattr_names[] = {
#define X(upper, text) text,
	NVF_XATTRS(X)
#undef X
};

static int hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
	return (int)(2 * n);
}

/* The text of an attribute; -ENODATA when this namespace has none of the kind. */
static int identity_text(const struct nvh_ns_info *info, enum nvf_xattr which, char *out, size_t len)
{
	switch (which) {
	case NVF_XATTR_NAME:
		return snprintf(out, len, "%s", info->name);
	case NVF_XATTR_NQN:
		return snprintf(out, len, "%s", info->subnqn);
	case NVF_XATTR_NSID:
		return snprintf(out, len, "%u", info->nsid);
	case NVF_XATTR_BLOCK_SIZE:
		return snprintf(out, len, "%u", info->block_size);
	case NVF_XATTR_UUID:
		return info->has_uuid ? hex(info->uuid, 16, out) : -ENODATA;
	case NVF_XATTR_NGUID:
		return info->has_nguid ? hex(info->nguid, 16, out) : -ENODATA;
	case NVF_XATTR_EUI64:
		return info->has_eui64 ? hex(info->eui64, 8, out) : -ENODATA;
	default:
		return -ENODATA;
	}
}

static void reply_value(fuse_req_t req, const char *value, int len, size_t size)
{
	if (len < 0)
		fuse_reply_err(req, -len);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)len);
	else if ((size_t)len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, (size_t)len);
}

/* ---- paths: a visit to the home reactor ------------------------------------------------------------ */

static char *slot_text(struct nvf_slot *slot)
{
	return (char *)slot->buffer;
}

static void paths_reply(struct nvhi_msg *msg)
{
	struct nvf_slot *slot = nvhi_container_of(msg, struct nvf_slot, hop);

	reply_value(slot->req, slot_text(slot), (int)slot->length, (size_t)slot->whole);
	nvf_slot_put(slot);
}

static void paths_collect(struct nvhi_msg *msg)
{
	struct nvf_slot *slot = nvhi_container_of(msg, struct nvf_slot, hop);
	struct nvh_path_info path = {.size = sizeof(path)};
	char *out = slot_text(slot);
	size_t used = 0, room = 60000; /* XATTR_SIZE_MAX is 64 KiB */

	for (unsigned int i = 0; used < room && !nvh_ns_path_info(slot->xattr_ns, i, &path); i++) {
		int n = snprintf(out + used, room - used, "%s%s %s %s", used ? "\n" : "",
				 path.ctrlr_name, path.state, path.ana_state);

		used += n > 0 && (size_t)n < room - used ? (size_t)n : room - used;
	}
	slot->length = used;
	nvh_ns_put(slot->xattr_ns);
	slot->xattr_ns = NULL;
	msg->fn = paths_reply;
	nvhi_reactor_post(slot->worker->reactor, msg);
}

/* ---- operations -------------------------------------------------------------------------------------- */

/* The namespace behind a node, held; NULL when it is none. */
static struct nvh_ns *node_ns(struct nvf_mount *mount, fuse_ino_t ino)
{
	struct nvh_ns *ns = NULL;
	struct nvf_node *node;

	pthread_mutex_lock(&mount->tree_lock);
	node = nvf_tree_node(mount, ino);
	if (node && node->kind == NVF_NS) {
		ns = node->ns;
		nvh_ns_get(ns);
	}
	pthread_mutex_unlock(&mount->tree_lock);
	return ns;
}

static int xattr_find(const char *name)
{
	for (int i = 0; i < NVF_XATTR_COUNT; i++)
		if (!strcmp(name, xattr_names[i]))
			return i;
	return -ENODATA;
}

void nvf_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct nvf_mount *mount = fuse_req_userdata(req);
	int which = xattr_find(name);
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvf_slot *slot;
	struct nvh_ns *ns;
	char text[256];

	ns = which >= 0 ? node_ns(mount, ino) : NULL;
	if (!ns) {
		fuse_reply_err(req, ENODATA);
		return;
	}
	if (which == NVF_XATTR_PATHS) {
		slot = nvf_slot_take(req);
		slot->whole = size;
		slot->xattr_ns = ns;
		slot->hop.fn = paths_collect;
		nvhi_reactor_post(mount->home, &slot->hop);
		return;
	}
	nvh_ns_info(ns, &info);
	nvh_ns_put(ns);
	reply_value(req, text, identity_text(&info, (enum nvf_xattr)which, text, sizeof(text)), size);
}

void nvf_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct nvf_mount *mount = fuse_req_userdata(req);
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvh_ns *ns = node_ns(mount, ino);
	char names[512], text[256];
	int used = 0;

	if (!ns) {
		reply_value(req, names, 0, size);
		return;
	}
	nvh_ns_info(ns, &info);
	nvh_ns_put(ns);
	for (int i = 0; i < NVF_XATTR_COUNT; i++) {
		if (i != NVF_XATTR_PATHS &&
		    identity_text(&info, (enum nvf_xattr)i, text, sizeof(text)) < 0)
			continue;
		memcpy(names + used, xattr_names[i], strlen(xattr_names[i]) + 1);
		used += (int)strlen(xattr_names[i]) + 1;
	}
	reply_value(req, names, used, size);
}
