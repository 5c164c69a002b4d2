/*
 * The names of a mount: <subsystem NQN>/n<NSID> are the files, by-id/ holds links named as udev names
 * them. A node keeps its inode number for the life of the mount, so a namespace that goes and comes
 * back is the same file. Metadata only: the mutex is never taken by reads and writes.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NVF_BY_ID "by-id"
#define NVF_NAME_MAX 255

/* ---- nodes --------------------------------------------------------------------------------------- */

struct nvf_node *nvf_tree_node(struct nvf_mount *mount, fuse_ino_t ino)
{
	if (ino == 0 || ino > mount->nr_nodes || !mount->nodes[ino - 1]->alive)
		return NULL;
	return mount->nodes[ino - 1];
}

static struct nvf_node *find_child(struct nvf_mount *mount, fuse_ino_t parent, const char *name)
{
	for (size_t i = 0; i < mount->nr_nodes; i++) {
		struct nvf_node *node = mount->nodes[i];

		if (node->parent == parent && i > 0 && !strcmp(node->name, name))
			return node;
	}
	return NULL;
}

struct nvf_node *nvf_tree_child(struct nvf_mount *mount, fuse_ino_t parent, const char *name)
{
	struct nvf_node *node = find_child(mount, parent, name);

	return node && node->alive ? node : NULL;
}

struct nvf_node *nvf_tree_ns_node(struct nvf_mount *mount, struct nvh_ns *ns)
{
	for (size_t i = 0; i < mount->nr_nodes; i++) {
		struct nvf_node *node = mount->nodes[i];

		if (node->alive && node->kind == NVF_NS && node->ns == ns)
			return node;
	}
	return NULL;
}

static void node_free(struct nvf_node *node)
{
	if (node->ns)
		nvh_ns_put(node->ns);
	free(node->name);
	free(node->target);
	free(node);
}

/* A new node, or the dead one of that name brought back to life. NULL: no memory. */
static struct nvf_node *node_make(struct nvf_mount *mount, fuse_ino_t parent, const char *name,
				  enum nvf_node_kind kind)
{
	struct nvf_node *node = find_child(mount, parent, name);

	if (node) {
		node->kind = kind;
		node->alive = true;
		return node;
	}
	if (mount->nr_nodes == mount->cap_nodes) {
		size_t cap = mount->cap_nodes ? 2 * mount->cap_nodes : 32;
		struct nvf_node **grown = realloc(mount->nodes, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		mount->nodes = grown;
		mount->cap_nodes = cap;
	}
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->name = strdup(name);
	if (!node->name) {
		free(node);
		return NULL;
	}
	node->kind = kind;
	node->alive = true;
	node->parent = parent;
	node->ino = mount->nr_nodes + 1;
	mount->nodes[mount->nr_nodes++] = node;
	return node;
}

static void node_set_ns(struct nvf_node *node, struct nvh_ns *ns)
{
	if (ns)
		nvh_ns_get(ns);
	if (node->ns)
		nvh_ns_put(node->ns);
	node->ns = ns;
}

static void node_kill(struct nvf_node *node)
{
	node->alive = false;
	node_set_ns(node, NULL);
}

/* ---- names --------------------------------------------------------------------------------------- */

/* '/', '%', control bytes and the names "." and ".." are written %XX. -ENAMETOOLONG. */
static int escape_name(const char *raw, char *out, size_t len)
{
	bool dots = !strcmp(raw, ".") || !strcmp(raw, "..");
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)raw; *p; p++) {
		bool plain = *p > 0x20 && *p != 0x7f && *p != '/' && *p != '%' && !dots;

		if (n + 4 > len)
			return -ENAMETOOLONG;
		if (plain)
			out[n++] = (char)*p;
		else
			n += (size_t)snprintf(out + n, len - n, "%%%02X", *p);
	}
	out[n] = '\0';
	return n ? 0 : -EINVAL;
}

static void hex_text(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

/* The udev name of a namespace's identity: nvme-uuid.<UUID>, else nvme-eui.<NGUID or EUI64>. */
static bool identity_name(const struct nvh_ns_info *info, char *out, size_t len)
{
	char hex[33];

	if (info->has_uuid) {
		hex_text(info->uuid, 16, hex);
		snprintf(out, len, "nvme-uuid.%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
			 hex + 16, hex + 20);
	} else if (info->has_nguid) {
		hex_text(info->nguid, 16, hex);
		snprintf(out, len, "nvme-eui.%s", hex);
	} else if (info->has_eui64) {
		hex_text(info->eui64, 8, hex);
		snprintf(out, len, "nvme-eui.%s", hex);
	} else {
		return false;
	}
	return true;
}

/* ---- namespaces come and go ------------------------------------------------------------------------ */

/* The by-id link; the same identity in two places gives no link at all and a warning. */
static void link_add(struct nvf_mount *mount, const struct nvh_ns_info *info, struct nvh_ns *ns,
		     const char *dir, const char *file)
{
	struct nvf_node *by_id = nvf_tree_child(mount, FUSE_ROOT_ID, NVF_BY_ID);
	char name[64], target[2 * NVF_NAME_MAX + 8];
	struct nvf_node *node;
	char *copy;

	if (!by_id || !identity_name(info, name, sizeof(name)))
		return;
	node = nvf_tree_child(mount, by_id->ino, name);
	if (node && node->ns != ns) {
		nvhi_log(WARN, FUSE, "%s: %s is both %s and %s/%s: no by-id link", mount->path, name,
			 node->target, dir, file);
		node->alive = false;
		return;
	}
	snprintf(target, sizeof(target), "../%s/%s", dir, file);
	copy = strdup(target);
	node = copy ? node_make(mount, by_id->ino, name, NVF_LINK) : NULL;
	if (!node) {
		free(copy);
		return;
	}
	free(node->target);
	node->target = copy;
	node_set_ns(node, ns);
}

static int ns_add(struct nvf_mount *mount, struct nvh_ns *ns)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	char dir[NVF_NAME_MAX + 1], file[32];
	struct nvf_node *parent, *node;
	int err;

	if (nvf_tree_ns_node(mount, ns))
		return 0;
	nvh_ns_info(ns, &info);
	err = escape_name(info.subnqn, dir, sizeof(dir));
	if (err < 0)
		return err;
	parent = node_make(mount, FUSE_ROOT_ID, dir, NVF_DIR);
	if (!parent)
		return -ENOMEM;
	/* Two namespaces that claim one NSID but are not the same thing both get a file. */
	snprintf(file, sizeof(file), "n%u", info.nsid);
	for (unsigned int k = 2; nvf_tree_child(mount, parent->ino, file); k++)
		snprintf(file, sizeof(file), "n%u.%u", info.nsid, k);
	node = node_make(mount, parent->ino, file, NVF_NS);
	if (!node)
		return -ENOMEM;
	node_set_ns(node, ns);
	link_add(mount, &info, ns, dir, file);
	return 0;
}

static void ns_remove(struct nvf_mount *mount, struct nvh_ns *ns)
{
	struct nvf_node *node = nvf_tree_ns_node(mount, ns);
	fuse_ino_t parent;

	if (!node)
		return;
	parent = node->parent;
	for (size_t i = 0; i < mount->nr_nodes; i++)
		if (mount->nodes[i]->ns == ns)
			node_kill(mount->nodes[i]);
	for (size_t i = 0; i < mount->nr_nodes; i++)
		if (mount->nodes[i]->alive && mount->nodes[i]->parent == parent)
			return;
	mount->nodes[parent - 1]->alive = false;
}

void nvf_ns_event(struct nvf_mount *mount, struct nvh_ns *ns, enum nvf_ns_event event)
{
	struct nvf_file *file;
	struct nvf_node *node;
	fuse_ino_t ino = 0;
	int err = 0;

	pthread_mutex_lock(&mount->tree_lock);
	if (event == NVF_NS_CHANGED) {
		node = nvf_tree_ns_node(mount, ns);
		ino = node ? node->ino : 0;
		nvhi_list_for_each (file, &mount->files, link)
			if (file->ns == ns)
				nvf_file_resized(file);
	} else if (!nvf_single_file(mount)) {
		if (event == NVF_NS_ADDED)
			err = ns_add(mount, ns);
		else
			ns_remove(mount, ns);
	}
	pthread_mutex_unlock(&mount->tree_lock);
	if (err < 0)
		nvhi_log(WARN, FUSE, "%s: a namespace got no file: errno %d", mount->path, -err);
	/* Attributes only: invalidating names or data could wait for a request that waits for us. */
	if (ino && mount->session && mount->state == NVF_MOUNT_SERVING)
		fuse_lowlevel_notify_inval_inode(mount->session, ino, -1, 0);
}

int nvf_ns_path(const struct nvf_mount *mount, struct nvh_ns *ns, char *ret_path, size_t len)
{
	struct nvf_mount *m = (struct nvf_mount *)(uintptr_t)mount; /* for the mutex */
	struct nvf_node *node;
	int err = -ENOENT;

	pthread_mutex_lock(&m->tree_lock);
	node = nvf_tree_ns_node(m, ns);
	if (node && nvf_single_file(mount)) {
		snprintf(ret_path, len, "%s", mount->path);
		err = 0;
	} else if (node) {
		snprintf(ret_path, len, "%s/%s/%s", mount->path, m->nodes[node->parent - 1]->name,
			 node->name);
		err = 0;
	}
	pthread_mutex_unlock(&m->tree_lock);
	return err;
}

/* ---- life ---------------------------------------------------------------------------------------- */

int nvf_tree_init(struct nvf_mount *mount)
{
	bool single = nvf_single_file(mount);
	struct nvf_node *root = node_make(mount, 0, "", single ? NVF_NS : NVF_DIR);

	if (!root)
		return -ENOMEM;
	if (single) {
		node_set_ns(root, mount->opts.ns);
		return 0;
	}
	return node_make(mount, FUSE_ROOT_ID, NVF_BY_ID, NVF_DIR) ? 0 : -ENOMEM;
}

void nvf_tree_done(struct nvf_mount *mount)
{
	for (size_t i = 0; i < mount->nr_nodes; i++)
		node_free(mount->nodes[i]);
	free(mount->nodes);
}
