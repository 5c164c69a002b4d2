/*
 * The names of a mount.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/fuse_fixture.h"

static struct nvf_node *child(fuse_ino_t parent, const char *name)
{
	return nvf_tree_child(&ff.mount, parent, name);
}

static struct nvf_node *ns_file(const char *name)
{
	struct nvf_node *dir = child(FUSE_ROOT_ID, MPF_NQN);

	return dir ? child(dir->ino, name) : NULL;
}

static void a_namespace_is_a_file_under_its_subsystem_and_a_link_by_id(void)
{
	struct nvf_node *by_id, *link;
	char path[256];

	ff_start(1, false);
	nvf_ns_event(&ff.mount, mpf.last_ns, NVF_NS_ADDED);
	nvf_ns_event(&ff.mount, mpf.last_ns, NVF_NS_ADDED); /* told twice: once there */
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns_file("n1"));
	CU_ASSERT_PTR_NULL(ns_file("n1.2"));
	by_id = child(FUSE_ROOT_ID, "by-id");
	CU_ASSERT_PTR_NOT_NULL_FATAL(by_id);
	link = NULL;
	for (size_t i = 0; i < ff.mount.nr_nodes; i++)
		if (ff.mount.nodes[i]->parent == by_id->ino)
			link = ff.mount.nodes[i];
	CU_ASSERT_PTR_NOT_NULL_FATAL(link);
	CU_ASSERT_EQUAL(strncmp(link->name, "nvme-uuid.", 10), 0);
	CU_ASSERT_EQUAL(strlen(link->name), 10 + 36);
	CU_ASSERT_STRING_EQUAL(link->target, "../" MPF_NQN "/n1");
	CU_ASSERT_EQUAL(nvf_ns_path(&ff.mount, mpf.last_ns, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/mnt/" MPF_NQN "/n1");
	nvf_ns_event(&ff.mount, mpf.last_ns, NVF_NS_REMOVED);
	ff_stop();
}

static void a_name_that_goes_and_comes_back_is_the_same_inode(void)
{
	fuse_ino_t ino;

	ff_start(1, false);
	nvf_ns_event(&ff.mount, mpf.last_ns, NVF_NS_ADDED);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns_file("n1"));
	ino = ns_file("n1")->ino;
	nvf_ns_event(&ff.mount, mpf.last_ns, NVF_NS_REMOVED);
	CU_ASSERT_PTR_NULL(ns_file("n1"));
	CU_ASSERT_PTR_NULL(child(FUSE_ROOT_ID, MPF_NQN)); /* an empty folder goes too */
	CU_ASSERT_PTR_NULL(nvf_tree_node(&ff.mount, ino));
	nvf_ns_event(&ff.mount, mpf.last_ns, NVF_NS_ADDED);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ns_file("n1"));
	CU_ASSERT_EQUAL(ns_file("n1")->ino, ino);
	nvf_ns_event(&ff.mount, mpf.last_ns, NVF_NS_REMOVED);
	ff_stop();
}

static void one_identity_in_two_places_has_no_link(void)
{
	struct nvh_ns *first, *second;
	struct nvf_node *by_id;

	ff_start(1, false);
	first = mpf.last_ns;
	second = mpf_ns(ff.ctrlr, 2, 7);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(first, second);
	nvf_ns_event(&ff.mount, first, NVF_NS_ADDED);
	nvf_ns_event(&ff.mount, second, NVF_NS_ADDED);
	CU_ASSERT_PTR_NOT_NULL(ns_file("n1"));
	CU_ASSERT_PTR_NOT_NULL(ns_file("n2"));
	by_id = child(FUSE_ROOT_ID, "by-id");
	for (size_t i = 0; i < ff.mount.nr_nodes; i++)
		CU_ASSERT_FALSE(ff.mount.nodes[i]->alive &&
				ff.mount.nodes[i]->parent == by_id->ino);
	nvf_ns_event(&ff.mount, first, NVF_NS_REMOVED);
	nvf_ns_event(&ff.mount, second, NVF_NS_REMOVED);
	ff_stop();
}

static void inode_numbers_of_nobody_are_refused(void)
{
	ff_start(1, false);
	CU_ASSERT_PTR_NULL(nvf_tree_node(&ff.mount, 0));
	CU_ASSERT_PTR_NULL(nvf_tree_node(&ff.mount, 999));
	CU_ASSERT_PTR_NULL(nvf_tree_node(&ff.mount, (fuse_ino_t)-1));
	CU_ASSERT_PTR_NULL(child(FUSE_ROOT_ID, ""));
	ff_stop();
}

static void a_single_file_is_the_root(void)
{
	struct nvf_file *file;
	char path[64];

	ff_start(1, true);
	CU_ASSERT_EQUAL(nvf_tree_node(&ff.mount, FUSE_ROOT_ID)->kind, NVF_NS);
	CU_ASSERT_EQUAL(nvf_ns_path(&ff.mount, mpf.last_ns, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/mnt");
	file = ff_open();
	CU_ASSERT_EQUAL(atomic_load(&file->size), (uint64_t)MPF_BLOCKS * MPF_BLOCK);
	CU_ASSERT_EQUAL(file->block_size, MPF_BLOCK);
	ff_close(file);
	ff_stop();
}

static void opens_that_bypass_the_cache_do_not_mix_with_others(void)
{
	struct fuse_file_info one, two, three;

	ff_start(1, true);
	one = ff_open_as(O_RDWR | O_DIRECT);
	two = ff_open_as(O_RDWR);
	CU_ASSERT_TRUE(one.direct_io);
	CU_ASSERT_TRUE(two.direct_io);
	nvf_file_release(&one);
	three = ff_open_as(O_RDONLY);
	CU_ASSERT_TRUE(three.direct_io); /* the second is still there */
	nvf_file_release(&two);
	nvf_file_release(&three);
	ff_settle();
	one = ff_open_as(O_RDWR);
	two = ff_open_as(O_RDWR | O_DIRECT);
	CU_ASSERT_FALSE(one.direct_io);
	CU_ASSERT_FALSE(two.direct_io);
	nvf_file_release(&one);
	three = ff_open_as(O_RDWR | O_DIRECT);
	CU_ASSERT_FALSE(three.direct_io);
	nvf_file_release(&two);
	nvf_file_release(&three);
	ff_settle();
	ff_stop();
}

NVH_UNIT_MAIN("fuse/tree", NVH_TEST(a_namespace_is_a_file_under_its_subsystem_and_a_link_by_id),
	      NVH_TEST(a_name_that_goes_and_comes_back_is_the_same_inode),
	      NVH_TEST(one_identity_in_two_places_has_no_link),
	      NVH_TEST(opens_that_bypass_the_cache_do_not_mix_with_others),
	      NVH_TEST(inode_numbers_of_nobody_are_refused), NVH_TEST(a_single_file_is_the_root))
