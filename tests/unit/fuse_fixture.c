/*
 * A mount without a kernel: see fuse_fixture.h. One thread.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/unit/fuse_fixture.h"

struct fuse_fixture ff;

void ff_start(unsigned int nr_reactors, bool single)
{
	struct nvh_ns *ns;

	memset(&ff, 0, sizeof(ff));
	mpf_start(nr_reactors);
	ff.ctrlr = mpf_join(0);
	ns = mpf_ns(ff.ctrlr, 1, 7);
	mpf_live(ff.ctrlr);
	ff.mount.home = mpf.reactors[0];
	ff.mount.workers = ff.workers;
	ff.mount.nr_workers = nr_reactors;
	ff.mount.opts.ns = single ? ns : NULL;
	strcpy(ff.mount.path, "/mnt");
	pthread_mutex_init(&ff.mount.tree_lock, NULL);
	nvhi_list_init(&ff.mount.files);
	for (unsigned int i = 0; i < nr_reactors; i++)
		CU_ASSERT_EQUAL_FATAL(
			nvf_worker_init(&ff.workers[i], &ff.mount, i, mpf.reactors[i]), 0);
	CU_ASSERT_EQUAL_FATAL(nvf_tree_init(&ff.mount), 0);
}

void ff_stop(void)
{
	ff_settle();
	CU_ASSERT_TRUE(nvhi_list_empty(&ff.mount.files));
	CU_ASSERT_EQUAL(atomic_load(&ff.mount.files_closing), 0);
	for (unsigned int i = 0; i < ff.mount.nr_workers; i++) {
		CU_ASSERT_TRUE(nvhi_list_empty(&ff.workers[i].busy));
		nvf_worker_done(&ff.workers[i]);
	}
	nvf_tree_done(&ff.mount);
	pthread_mutex_destroy(&ff.mount.tree_lock);
	mpf_stop();
}

struct fuse_file_info ff_open_as(int flags)
{
	struct fuse_file_info fi = {.flags = flags};
	struct nvf_node *node = nvf_tree_node(&ff.mount, FUSE_ROOT_ID);

	CU_ASSERT_EQUAL_FATAL(nvf_file_open(&ff.mount, node, &fi), 0);
	return fi;
}

struct nvf_file *ff_open(void)
{
	struct fuse_file_info fi = ff_open_as(O_RDWR);

	return nvf_file_of(&fi);
}

void ff_close(struct nvf_file *file)
{
	struct fuse_file_info fi = {.fh = (uintptr_t)file};

	nvf_file_release(&fi);
}

struct nvf_slot *ff_slot(struct nvf_file *file, unsigned int w, uint64_t offset, const void *data,
			 uint64_t len)
{
	struct nvf_worker *worker = &ff.workers[w];
	struct nvf_slot *slot = nvhi_list_first(&worker->free, struct nvf_slot, link);
	struct nvf_chan *chan;

	CU_ASSERT_EQUAL_FATAL(nvf_chan_get(file, worker, &chan), 0);
	mpf_turns();
	nvhi_list_del(&slot->link);
	nvhi_list_add_tail(&worker->busy, &slot->link);
	slot->file = file;
	slot->offset = offset;
	slot->length = slot->whole = len;
	slot->data = data;
	slot->direct = false;
	return slot;
}

void ff_settle(void)
{
	bool moved;

	do {
		moved = false;
		mpf_turns();
		for (unsigned int i = 0; i < ff.mount.nr_workers; i++) {
			while (ff.ctrlr && mpf_lent(ff.ctrlr, i) > 0) {
				mpf_complete(ff.ctrlr, i, 0, 0);
				moved = true;
			}
		}
	} while (moved);
}
