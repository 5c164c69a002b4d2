/*
 * Handing a drive over: refused while something speaks against it, with nothing written; else the
 * kernel's files in their order. What the kernel then does is the lab's business (tests/vm).
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/bind_tree.h"

static char why[512];

static int bind_with(const char *driver, bool noiommu, unsigned long hugepages)
{
	struct nvhi_bind_wish wish = {.driver = driver, .noiommu = noiommu, .hugepages = hugepages};
	struct nvhi_bind_device device = tree_device();

	why[0] = '\0';
	return nvhi_bind_bind(&tree, &device, &wish, why, sizeof(why));
}

static void untouched(void)
{
	CU_ASSERT_STRING_EQUAL(tree_get(TREE_DEV "/driver_override"), "(null)\n");
	CU_ASSERT_STRING_EQUAL(tree_get("sys/bus/pci/drivers/nvme/unbind"), "");
	CU_ASSERT_STRING_EQUAL(tree_get("sys/bus/pci/drivers_probe"), "");
}

static void a_drive_in_use_is_refused(void)
{
	tree_begin();
	tree_put("proc/self/mountinfo", "30 22 259:1 / /home rw - ext4 /dev/nvme0n1p1 rw\n");
	CU_ASSERT_EQUAL(bind_with(NULL, false, 64), -EBUSY);
	CU_ASSERT_STRING_EQUAL(why, "/dev/nvme0n1p1 is mounted on /home");
	CU_ASSERT_EQUAL(bind_with("uio_pci_generic", false, 0), -EBUSY);
	CU_ASSERT_STRING_EQUAL(tree_modules, "");
	CU_ASSERT_STRING_EQUAL(tree_get("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
			       "10\n");
	untouched();
	tree_end();
}

static void a_drive_that_shares_its_group_is_refused(void)
{
	tree_begin();
	tree_put("sys/kernel/iommu_groups/7/devices/0000:03:00.1", "");
	tree_put("sys/bus/pci/devices/0000:03:00.1/class", "0x020000\n");
	CU_ASSERT_EQUAL(bind_with(NULL, false, 0), -EBUSY);
	CU_ASSERT_STRING_EQUAL(
		why, "it shares IOMMU group 7 with 0000:03:00.1 (class 020000, no driver)");
	untouched();
	tree_end();
}

static void without_an_iommu_one_must_ask_for_it(void)
{
	tree_begin();
	tree_remove(TREE_DEV "/iommu_group");
	CU_ASSERT_EQUAL(bind_with(NULL, false, 0), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "--no-iommu or --driver uio_pci_generic"));
	CU_ASSERT_EQUAL(bind_with(NULL, true, 0), -EOPNOTSUPP);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "CONFIG_VFIO_NOIOMMU"));
	untouched();
	tree_end();
}

static void no_iommu_mode_is_switched_on(void)
{
	tree_begin();
	tree_remove(TREE_DEV "/iommu_group");
	tree_put("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
	CU_ASSERT_EQUAL(bind_with(NULL, true, 0), -ENODEV); /* nobody takes it here */
	CU_ASSERT_STRING_EQUAL(tree_get("sys/module/vfio/parameters/enable_unsafe_noiommu_mode"),
			       "Y");
	CU_ASSERT_STRING_EQUAL(tree_get(TREE_DEV "/driver_override"), "vfio-pci");
	tree_end();
}

static void physical_addresses_behind_an_iommu_are_refused(void)
{
	tree_begin();
	CU_ASSERT_EQUAL(bind_with("uio_pci_generic", false, 0), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "an IOMMU stands before it (group 7)"));
	CU_ASSERT_EQUAL(bind_with(NULL, true, 0), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "leave out --no-iommu"));
	untouched();
	tree_end();
}

static void unknown_drivers_are_refused(void)
{
	tree_begin();
	CU_ASSERT_EQUAL(bind_with("e1000e", false, 0), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "driver e1000e: not vfio-pci or uio_pci_generic"));
	untouched();
	tree_end();
}

static void what_is_bound_already_is_left_alone(void)
{
	tree_begin();
	tree_remove(TREE_DEV "/driver");
	tree_link(TREE_DEV "/driver", "../../drivers/vfio-pci");
	CU_ASSERT_EQUAL(bind_with(NULL, false, 64), 0);
	CU_ASSERT_STRING_EQUAL(tree_get("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
			       "64");
	untouched();
	tree_end();
}

static void the_kernel_s_files_are_written(void)
{
	tree_begin();
	CU_ASSERT_EQUAL(bind_with(NULL, false, 4), -ENODEV);
	CU_ASSERT_STRING_EQUAL(why, "vfio-pci did not take it (the kernel's log says why: dmesg)");
	CU_ASSERT_STRING_EQUAL(tree_modules, "vfio-pci ");
	CU_ASSERT_STRING_EQUAL(tree_get(TREE_DEV "/driver_override"), "vfio-pci");
	CU_ASSERT_STRING_EQUAL(tree_get("sys/bus/pci/drivers/nvme/unbind"), TREE_BDF);
	CU_ASSERT_STRING_EQUAL(tree_get("sys/bus/pci/drivers_probe"), TREE_BDF);
	CU_ASSERT_STRING_EQUAL(tree_get("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"),
			       "10\n");
	tree_end();
}

static void unbind_returns_it_unless_it_is_driven(void)
{
	struct nvhi_bind_device device;

	tree_begin();
	tree_remove(TREE_DEV "/driver");
	tree_link(TREE_DEV "/driver", "../../drivers/vfio-pci");
	tree_put("sys/bus/pci/drivers/vfio-pci/unbind", "");
	device = tree_device();
	tree_link("proc/4711/fd/6", "/dev/vfio/7");
	CU_ASSERT_EQUAL(nvhi_bind_unbind(&tree, &device, why, sizeof(why)), -EBUSY);
	CU_ASSERT_STRING_EQUAL(why, "a process (pid 4711) drives it");
	untouched();
	tree_remove("proc/4711/fd/6");
	CU_ASSERT_EQUAL(nvhi_bind_unbind(&tree, &device, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(tree_get(TREE_DEV "/driver_override"), "\n");
	CU_ASSERT_STRING_EQUAL(tree_get("sys/bus/pci/drivers/vfio-pci/unbind"), TREE_BDF);
	CU_ASSERT_STRING_EQUAL(tree_get("sys/bus/pci/drivers_probe"), TREE_BDF);
	tree_end();
}

static void addresses_are_read_in_both_forms(void)
{
	struct nvhi_bind_device device;

	tree_begin();
	CU_ASSERT_EQUAL(nvhi_bind_find(&tree, "03:00.0", &device, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(device.bdf, TREE_BDF);
	CU_ASSERT_EQUAL(nvhi_bind_find(&tree, "03:00.0x", &device, why, sizeof(why)), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_bind_find(&tree, "../..", &device, why, sizeof(why)), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_bind_find(&tree, "04:00.0", &device, why, sizeof(why)), -ENODEV);
	tree_put("sys/bus/pci/devices/0000:04:00.0/class", "0x020000\n");
	CU_ASSERT_EQUAL(nvhi_bind_find(&tree, "04:00.0", &device, why, sizeof(why)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "class 020000 is no NVMe controller");
	tree_end();
}

NVH_UNIT_MAIN("pcie/bind/change", NVH_TEST(a_drive_in_use_is_refused),
	      NVH_TEST(a_drive_that_shares_its_group_is_refused),
	      NVH_TEST(without_an_iommu_one_must_ask_for_it),
	      NVH_TEST(no_iommu_mode_is_switched_on),
	      NVH_TEST(physical_addresses_behind_an_iommu_are_refused),
	      NVH_TEST(unknown_drivers_are_refused), NVH_TEST(what_is_bound_already_is_left_alone),
	      NVH_TEST(the_kernel_s_files_are_written),
	      NVH_TEST(unbind_returns_it_unless_it_is_driven),
	      NVH_TEST(addresses_are_read_in_both_forms))
