/*
 * Names and attributes: lookup, getattr, setattr, readdir, readlink, open, release, statfs. Any
 * worker; the tree lock is held for the look at the tree only.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define NVF_TIMEOUT_S 1.0
/* What cp and dd without bs= use as their I/O size. */
#define NVF_PREFERRED_IO (128u << 10)

static struct nvf_mount *req_mount(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static uint64_t node_size(const struct nvf_node *node, bool *ret_read_only)
{
	struct nvh_ns_info info = {.size = sizeof(info)};

	if (node->file && node->file->ns == node->ns) {
		*ret_read_only = node->file->read_only;
		return atomic_load(&node->file->size);
	}
	nvh_ns_info(node->ns, &info);
	*ret_read_only = info.read_only;
	return info.nr_blocks * info.block_size;
}

/* Under tree_lock. */
static void node_attr(const struct nvf_mount *mount, const struct nvf_node *node, struct stat *st)
{
	bool others = mount->opts.allow_other;
	bool read_only = mount->opts.read_only;

	memset(st, 0, sizeof(*st));
	st->st_ino = node->ino;
	st->st_uid = mount->uid;
	st->st_gid = mount->gid;
	st->st_nlink = 1;
	st->st_atim = st->st_mtim = st->st_ctim = mount->born;
	switch (node->kind) {
	case NVF_DIR:
		st->st_mode = S_IFDIR | (others ? 0555 : 0500);
		st->st_nlink = 2;
		break;
	case NVF_LINK:
		st->st_mode = S_IFLNK | 0777;
		st->st_size = (off_t)strlen(node->target);
		break;
	case NVF_NS:
		st->st_size = (off_t)node_size(node, &read_only);
		read_only |= mount->opts.read_only;
		st->st_mode = S_IFREG | (read_only ? 0400 : 0600);
		if (others)
			st->st_mode |= read_only ? 0044 : 0066;
		st->st_blocks = st->st_size / 512;
		st->st_blksize = NVF_PREFERRED_IO;
		break;
	}
}

void nvf_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct nvf_mount *mount = req_mount(req);
	struct fuse_entry_param entry = {.attr_timeout = NVF_TIMEOUT_S,
					 .entry_timeout = NVF_TIMEOUT_S};
	struct nvf_node *node;

	pthread_mutex_lock(&mount->tree_lock);
	node = nvf_tree_child(mount, parent, name);
	if (node) {
		entry.ino = node->ino;
		node_attr(mount, node, &entry.attr);
	}
	pthread_mutex_unlock(&mount->tree_lock);
	if (node)
		fuse_reply_entry(req, &entry);
	else
		fuse_reply_err(req, ENOENT);
}

void nvf_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct nvf_mount *mount = req_mount(req);
	struct nvf_node *node;
	struct stat st;

	(void)fi;
	pthread_mutex_lock(&mount->tree_lock);
	node = nvf_tree_node(mount, ino);
	if (node)
		node_attr(mount, node, &st);
	pthread_mutex_unlock(&mount->tree_lock);
	if (node)
		fuse_reply_attr(req, &st, NVF_TIMEOUT_S);
	else
		fuse_reply_err(req, ENOENT);
}

/* The size is the namespace's: `dd of=` and `>` may "truncate" to less, which changes nothing, as on
 * a block device; nothing can make it grow. Times are accepted and not kept. */
void nvf_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi)
{
	struct nvf_mount *mount = req_mount(req);
	struct nvf_node *node;
	struct stat st;
	int err = 0;

	(void)fi;
	pthread_mutex_lock(&mount->tree_lock);
	node = nvf_tree_node(mount, ino);
	if (node) {
		node_attr(mount, node, &st);
		if (to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
			err = EPERM;
		else if ((to_set & FUSE_SET_ATTR_SIZE) && node->kind != NVF_NS)
			err = EISDIR;
		else if ((to_set & FUSE_SET_ATTR_SIZE) && attr->st_size > st.st_size)
			err = EFBIG;
	} else {
		err = ENOENT;
	}
	pthread_mutex_unlock(&mount->tree_lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_attr(req, &st, NVF_TIMEOUT_S);
}

void nvf_op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct nvf_mount *mount = req_mount(req);
	struct nvf_node *node;
	char *target = NULL;
	int err = EINVAL;

	pthread_mutex_lock(&mount->tree_lock);
	node = nvf_tree_node(mount, ino);
	if (!node) {
		err = ENOENT;
	} else if (node->kind == NVF_LINK) {
		target = strdup(node->target);
		err = ENOMEM;
	}
	pthread_mutex_unlock(&mount->tree_lock);
	if (target)
		fuse_reply_readlink(req, target);
	else
		fuse_reply_err(req, err);
	free(target);
}

/* ---- directories ---------------------------------------------------------------------------------- */

/* Cookies: 1 is ".", 2 is "..", 2 + ino a child; so names that come and go move no other entry. */
static size_t dir_fill(struct nvf_mount *mount, const struct nvf_node *dir, fuse_req_t req, char *buf,
		       size_t size, off_t off)
{
	size_t used = 0, need;
	struct stat st = {.st_ino = dir->ino, .st_mode = S_IFDIR};

	for (off_t dot = off; dot < 2; dot++) {
		if (dot == 1)
			st.st_ino = dir->parent ? dir->parent : dir->ino;
		need = fuse_add_direntry(req, buf + used, size - used, dot ? ".." : ".", &st, dot + 1);
		if (need > size - used)
			return used;
		used += need;
	}
	for (size_t i = off > 2 ? (size_t)off - 2 : 0; i < mount->nr_nodes; i++) {
		const struct nvf_node *node = mount->nodes[i];

		if (!node->alive || node->parent != dir->ino)
			continue;
		node_attr(mount, node, &st);
		need = fuse_add_direntry(req, buf + used, size - used, node->name, &st,
					 (off_t)node->ino + 2);
		if (need > size - used)
			return used;
		used += need;
	}
	return used;
}

void nvf_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct nvf_mount *mount = req_mount(req);
	struct nvf_slot *slot = nvf_slot_take(req);
	char *buf = (char *)slot->buffer;
	struct nvf_node *dir;
	size_t used = 0;
	int err = 0;

	(void)fi;
	if (size > NVF_MAX_IO)
		size = NVF_MAX_IO;
	pthread_mutex_lock(&mount->tree_lock);
	dir = nvf_tree_node(mount, ino);
	if (!dir)
		err = -ENOENT;
	else if (dir->kind != NVF_DIR)
		err = -ENOTDIR;
	else
		used = dir_fill(mount, dir, req, buf, size, off);
	pthread_mutex_unlock(&mount->tree_lock);
	if (err) {
		nvf_slot_reply_err(slot, err);
		return;
	}
	fuse_reply_buf(req, buf, used);
	nvf_slot_put(slot);
}

void nvf_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct nvf_mount *mount = req_mount(req);
	struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255};
	uint64_t bytes = 0;
	bool ignored;

	(void)ino;
	pthread_mutex_lock(&mount->tree_lock);
	for (size_t i = 0; i < mount->nr_nodes; i++) {
		struct nvf_node *node = mount->nodes[i];

		if (!node->alive || node->kind != NVF_NS)
			continue;
		bytes += node_size(node, &ignored);
		st.f_files++;
	}
	pthread_mutex_unlock(&mount->tree_lock);
	st.f_blocks = bytes / st.f_frsize;
	fuse_reply_statfs(req, &st);
}

/* ---- open ------------------------------------------------------------------------------------------ */

/* fuse_reply_open, which in this libfuse cannot say FOPEN_PARALLEL_DIRECT_WRITES. */
static int reply_open(fuse_req_t req, const struct fuse_file_info *fi)
{
	struct fuse_open_out out = {.fh = fi->fh};

	if (fi->direct_io)
		out.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
	return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}

void nvf_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct nvf_mount *mount = req_mount(req);
	struct nvf_node *node;
	int err = 0;

	pthread_mutex_lock(&mount->tree_lock);
	node = nvf_tree_node(mount, ino);
	if (!node || mount->state == NVF_MOUNT_ENDING)
		err = -ENOENT;
	else if (node->kind != NVF_NS)
		err = -EISDIR;
	else
		err = nvf_file_open(mount, node, fi);
	pthread_mutex_unlock(&mount->tree_lock);
	if (err == 0 && nvf_file_of(fi)->read_only && (fi->flags & O_ACCMODE) != O_RDONLY) {
		nvf_file_release(fi);
		err = -EROFS;
	}
	if (err < 0) {
		fuse_reply_err(req, -err);
		return;
	}
	if (reply_open(req, fi) == -ENOENT) /* interrupted: no release will come */
		nvf_file_release(fi);
}

void nvf_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	nvf_file_release(fi);
	fuse_reply_err(req, 0);
}
