/*
 * What keeps a drive where it is: each use that the kernel can have of it, told in words.
 */
#include <string.h>

#include "tests/unit/bind_tree.h"

static char what[256];

static bool in_use(void)
{
	struct nvhi_bind_device device = tree_device();

	what[0] = '\0';
	return nvhi_bind_in_use(&tree, &device, what, sizeof(what));
}

static void a_drive_that_nobody_uses_is_free(void)
{
	tree_begin();
	CU_ASSERT_FALSE(in_use());
	tree_end();
}

static void a_mounted_partition_is_found_by_its_number(void)
{
	tree_begin();
	tree_put("proc/self/mountinfo", "30 22 259:1 / /home\\040of\\040all rw,relatime shared:1 - "
					"ext4 /dev/root rw\n");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1p1 is mounted on /home of all");
	tree_end();
}

static void a_mounted_disk_is_found_by_its_name(void)
{
	tree_begin();
	tree_put("proc/self/mountinfo", "30 22 0:44 / /data rw - btrfs /dev/nvme0n1 rw\n");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1 is mounted on /data");
	tree_end();
}

static void another_disk_with_a_longer_name_is_another(void)
{
	tree_begin();
	tree_put("proc/self/mountinfo", "30 22 259:9 / /data rw - ext4 /dev/nvme0n11 rw\n");
	tree_put("proc/swaps", "Filename\n/dev/nvme0n12 partition 1 0 -2\n");
	CU_ASSERT_FALSE(in_use());
	tree_end();
}

static void swap_is_found(void)
{
	tree_begin();
	tree_put("proc/swaps", "Filename Type\n/dev/nvme0n1p1 partition 1 0 -2\n");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1p1 is swap");
	tree_end();
}

static void lvm_is_found_with_the_volume_s_name(void)
{
	tree_begin();
	tree_put("sys/block/nvme0n1/nvme0n1p1/holders/dm-3/x", "");
	tree_put("sys/block/dm-3/dm/name", "vg0-root\n");
	tree_put("sys/block/dm-3/dm/uuid", "LVM-abcdef\n");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1p1 carries the LVM volume vg0-root");
	tree_end();
}

static void other_mappings_are_found(void)
{
	tree_begin();
	tree_put("sys/block/nvme0n1/holders/dm-3/x", "");
	tree_put("sys/block/dm-3/dm/name", "luks-1\n");
	tree_put("sys/block/dm-3/dm/uuid", "CRYPT-LUKS2-1\n");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1 carries the device-mapper device luks-1");
	tree_end();
}

static void a_member_of_an_md_array_is_found(void)
{
	tree_begin();
	tree_put("sys/block/nvme0n1/nvme0n1p1/holders/md0/x", "");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1p1 is a member of the MD array md0");
	tree_end();
}

static void a_second_member_of_a_btrfs_is_found(void)
{
	tree_begin();
	tree_put("sys/fs/btrfs/features/x", "");
	tree_put("sys/fs/btrfs/1234-5678/devices/nvme0n1p1", "");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1p1 is a member of the mounted btrfs 1234-5678");
	tree_end();
}

static void a_member_of_an_imported_zfs_pool_is_found(void)
{
	tree_begin();
	tree_put("run/udev/data/b259:1", "S:disk/by-id/x\nE:ID_FS_TYPE=zfs_member\n");
	CU_ASSERT_FALSE(in_use());
	tree_put("proc/spl/kstat/zfs/tank/state", "ONLINE\n");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme0n1p1 is a member of a ZFS pool");
	tree_end();
}

static void a_path_of_the_kernel_s_multipath_stands_for_its_disk(void)
{
	tree_begin();
	tree_put(TREE_DEV "/nvme/nvme0/nvme2c0n1/size", "100\n");
	tree_put("sys/block/nvme2n1/dev", "259:5\n");
	tree_put("proc/self/mountinfo", "30 22 259:5 / /srv rw - ext4 /dev/nvme2n1 rw\n");
	CU_ASSERT_TRUE(in_use());
	CU_ASSERT_STRING_EQUAL(what, "/dev/nvme2n1 is mounted on /srv");
	tree_end();
}

static void a_neighbour_in_the_group_is_found_and_a_bridge_is_none(void)
{
	struct nvhi_bind_device device;

	tree_begin();
	device = tree_device();
	tree_put("sys/kernel/iommu_groups/7/devices/0000:03:00.0", "");
	tree_put("sys/kernel/iommu_groups/7/devices/0000:00:01.0", "");
	tree_put("sys/bus/pci/devices/0000:00:01.0/class", "0x060400\n");
	CU_ASSERT_FALSE(nvhi_bind_shares_group(&tree, &device, what, sizeof(what)));
	tree_put("sys/kernel/iommu_groups/7/devices/0000:03:00.1", "");
	tree_put("sys/bus/pci/devices/0000:03:00.1/class", "0x020000\n");
	tree_link("sys/bus/pci/devices/0000:03:00.1/driver", "../../drivers/e1000e");
	CU_ASSERT_TRUE(nvhi_bind_shares_group(&tree, &device, what, sizeof(what)));
	CU_ASSERT_STRING_EQUAL(
		what, "it shares IOMMU group 7 with 0000:03:00.1 (class 020000, driver e1000e)");
	tree_end();
}

static void the_process_that_drives_it_is_named(void)
{
	struct nvhi_bind_device device;

	tree_begin();
	device = tree_device();
	tree_link("proc/4711/fd/5", "/dev/vfio/77");
	tree_put("proc/4711/comm", "nvhostd\n");
	CU_ASSERT_FALSE(nvhi_bind_driven(&tree, &device, what, sizeof(what)));
	tree_link("proc/4711/fd/6", "/dev/vfio/7");
	CU_ASSERT_TRUE(nvhi_bind_driven(&tree, &device, what, sizeof(what)));
	CU_ASSERT_STRING_EQUAL(what, "nvhostd (pid 4711) drives it");
	tree_end();
}

static void the_scan_tells_what_there_is(void)
{
	struct nvhi_bind_device devices[4];

	tree_begin();
	tree_put("sys/bus/pci/devices/0000:00:1f.2/class", "0x010601\n");
	tree_put("sys/bus/pci/devices/0000:01:00.0/class", "0x010802\n");
	tree_put("usr/share/misc/pci.ids",
		 "# x\n144c  Catalyst\n\ta808  Wrong\n144d  Samsung\n\ta804  961\n"
		 "\ta808  970 EVO\n\t\t144d a801  970\n144e  OLITEC\nC 01  Mass storage\n");
	CU_ASSERT_EQUAL_FATAL(nvhi_bind_scan(&tree, devices, 4), 2);
	CU_ASSERT_STRING_EQUAL(devices[0].bdf, "0000:01:00.0");
	CU_ASSERT_STRING_EQUAL(devices[0].driver, "");
	CU_ASSERT_EQUAL(devices[0].group, -1);
	CU_ASSERT_STRING_EQUAL(devices[1].bdf, TREE_BDF);
	CU_ASSERT_STRING_EQUAL(devices[1].driver, "nvme");
	CU_ASSERT_STRING_EQUAL(devices[1].vendor_name, "Samsung");
	CU_ASSERT_STRING_EQUAL(devices[1].device_name, "970 EVO");
	CU_ASSERT_EQUAL(devices[1].group, 7);
	CU_ASSERT_EQUAL(devices[1].node, 1);
	CU_ASSERT_TRUE(devices[1].translated);
	CU_ASSERT_EQUAL(devices[1].nr_disks, 1);
	CU_ASSERT_STRING_EQUAL(devices[1].disks[0], "nvme0n1");
	tree_end();
}

NVH_UNIT_MAIN("pcie/bind/usage", NVH_TEST(a_drive_that_nobody_uses_is_free),
	      NVH_TEST(a_mounted_partition_is_found_by_its_number),
	      NVH_TEST(a_mounted_disk_is_found_by_its_name),
	      NVH_TEST(another_disk_with_a_longer_name_is_another), NVH_TEST(swap_is_found),
	      NVH_TEST(lvm_is_found_with_the_volume_s_name), NVH_TEST(other_mappings_are_found),
	      NVH_TEST(a_member_of_an_md_array_is_found),
	      NVH_TEST(a_second_member_of_a_btrfs_is_found),
	      NVH_TEST(a_member_of_an_imported_zfs_pool_is_found),
	      NVH_TEST(a_path_of_the_kernel_s_multipath_stands_for_its_disk),
	      NVH_TEST(a_neighbour_in_the_group_is_found_and_a_bridge_is_none),
	      NVH_TEST(the_process_that_drives_it_is_named), NVH_TEST(the_scan_tells_what_there_is))
