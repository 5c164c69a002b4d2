/*
 * A namespace while programs hold its file open: what the data path needs to know of it and its
 * channel on each worker, opened on first use. Opens are counted under the tree lock; closing
 * visits every worker, then frees on the home reactor.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static void chan_close(struct nvhi_msg *msg);

static void file_set_facts(struct nvf_file *file, const struct nvh_ns_info *info)
{
	file->block_size = info->block_size;
	file->read_only = info->read_only || file->mount->opts.read_only;
	file->flush_needed = info->volatile_cache;
	file->write_zeroes = info->write_zeroes;
	file->deac = info->write_zeroes_deac;
	atomic_store(&file->size, info->nr_blocks * info->block_size);
}

static int file_create(struct nvf_mount *mount, struct nvh_ns *ns, struct nvf_file **ret_file)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct nvf_file *file;

	nvh_ns_info(ns, &info);
	if (!info.io_supported || info.block_size == 0 || info.block_size > NVF_MAX_BLOCK)
		return -EOPNOTSUPP;
	file = calloc(1, sizeof(*file) + mount->nr_workers * sizeof(file->chans[0]));
	if (!file)
		return -ENOMEM;
	file->mount = mount;
	file->ns = ns;
	nvh_ns_get(ns);
	file_set_facts(file, &info);
	for (unsigned int i = 0; i < mount->nr_workers; i++) {
		file->chans[i].file = file;
		file->chans[i].worker = &mount->workers[i];
		file->chans[i].close_msg.fn = chan_close;
	}
	nvf_range_init(file);
	nvhi_list_add_tail(&mount->files, &file->link);
	*ret_file = file;
	return 0;
}

/*
 * Who opens with O_DIRECT bypasses the kernel's page cache altogether (FOPEN_DIRECT_IO): its writes
 * then run side by side instead of one at a time under the inode's lock. Such writes do not see to
 * pages that others have cached, so the two kinds of opens do not mix: beside cached ones O_DIRECT
 * is served the kernel's slower way, and who comes while uncached ones are there is uncached as
 * well (and can map the file privately only).
 */
static bool file_bypasses_cache(const struct nvf_file *file, const struct fuse_file_info *fi)
{
	return file->uncached > 0 || (file->opens == 0 && (fi->flags & O_DIRECT));
}

int nvf_file_open(struct nvf_mount *mount, struct nvf_node *node, struct fuse_file_info *fi)
{
	struct nvf_file *file;
	int err;

	/* A node whose namespace was replaced leaves the old file to those who hold it. */
	if (!node->file || node->file->ns != node->ns) {
		err = file_create(mount, node->ns, &node->file);
		if (err < 0) {
			node->file = NULL;
			return err;
		}
	}
	file = node->file;
	fi->direct_io = file_bypasses_cache(file, fi);
	file->uncached += fi->direct_io;
	file->opens++;
	fi->fh = (uintptr_t)file | (fi->direct_io ? NVF_FH_UNCACHED : 0);
	return 0;
}

void nvf_file_resized(struct nvf_file *file)
{
	struct nvh_ns_info info = {.size = sizeof(info)};

	nvh_ns_info(file->ns, &info);
	/* The block size of an open file stands: a reformatted namespace needs a new open. */
	atomic_store(&file->size,
		     info.block_size == file->block_size ? info.nr_blocks * info.block_size : 0);
}

int nvf_chan_get(struct nvf_file *file, struct nvf_worker *worker, struct nvf_chan **ret_chan)
{
	struct nvf_chan *chan = &file->chans[worker->index];
	int err;

	if (!chan->channel) {
		err = nvh_channel_open(file->ns, worker->reactor, &chan->channel);
		if (err < 0) {
			nvhi_log(WARN, FUSE, "%s: no channel on reactor %s: errno %d",
				 file->mount->path, nvhi_reactor_name(worker->reactor), -err);
			return err;
		}
	}
	*ret_chan = chan;
	return 0;
}

/* ---- closing ----------------------------------------------------------------------------------- */

static void chan_closed(struct nvhi_msg *msg)
{
	struct nvf_chan *chan = nvhi_container_of(msg, struct nvf_chan, close_msg);
	struct nvf_file *file = chan->file;
	struct nvf_mount *mount = file->mount;

	if (--file->closing)
		return;
	nvhi_timer_cancel(mount->home, &file->linger);
	nvh_ns_put(file->ns);
	free(file);
	nvf_file_closed(mount);
}

static void chan_close(struct nvhi_msg *msg)
{
	struct nvf_chan *chan = nvhi_container_of(msg, struct nvf_chan, close_msg);

	if (chan->channel)
		nvh_channel_close(chan->channel);
	chan->channel = NULL;
	msg->fn = chan_closed;
	nvhi_reactor_post(chan->file->mount->home, msg);
}

/* Any worker; the file is on no list and no node any more. */
void nvf_file_start_close(struct nvf_file *file)
{
	file->closing = file->mount->nr_workers;
	atomic_fetch_add(&file->mount->files_closing, 1);
	for (unsigned int i = 0; i < file->mount->nr_workers; i++)
		nvhi_reactor_post(file->mount->workers[i].reactor, &file->chans[i].close_msg);
}

void nvf_file_release(const struct fuse_file_info *fi)
{
	struct nvf_file *file = nvf_file_of(fi);
	struct nvf_mount *mount = file->mount;
	bool last;

	pthread_mutex_lock(&mount->tree_lock);
	file->uncached -= fi->fh & NVF_FH_UNCACHED;
	last = --file->opens == 0;
	if (last) {
		nvhi_list_del(&file->link);
		for (size_t i = 0; i < mount->nr_nodes; i++)
			if (mount->nodes[i]->file == file)
				mount->nodes[i]->file = NULL;
	}
	pthread_mutex_unlock(&mount->tree_lock);
	if (last)
		nvf_file_start_close(file);
}
