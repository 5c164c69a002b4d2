/*
 * See bind_tree.h.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/bind_tree.h"

static char root[64];
struct nvhi_bind tree;
char tree_modules[128];

static int tree_modprobe(const char *module)
{
	snprintf(tree_modules + strlen(tree_modules), sizeof(tree_modules) - strlen(tree_modules),
		 "%s ", module);
	return 0;
}

static void tree_path(char *full, size_t len, const char *path)
{
	snprintf(full, len, "%s/%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
}

void tree_put(const char *path, const char *text)
{
	char full[512];
	FILE *file;

	tree_path(full, sizeof(full), path);
	file = fopen(full, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

void tree_link(const char *path, const char *target)
{
	char full[512];

	tree_path(full, sizeof(full), path);
	CU_ASSERT_EQUAL_FATAL(symlink(target, full), 0);
}

void tree_remove(const char *path)
{
	char full[512];

	tree_path(full, sizeof(full), path);
	unlink(full);
}

const char *tree_get(const char *path)
{
	static char text[256];
	char full[512];
	FILE *file;
	size_t n;

	tree_path(full, sizeof(full), path);
	file = fopen(full, "r");
	if (!file)
		return "(no such file)";
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

struct nvhi_bind_device tree_device(void)
{
	struct nvhi_bind_device device = {.bdf = ""};
	char why[256];

	CU_ASSERT_EQUAL_FATAL(nvhi_bind_find(&tree, TREE_BDF, &device, why, sizeof(why)), 0);
	return device;
}

void tree_begin(void)
{
	strcpy(root, "/tmp/nvhost-tree-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
	tree = (struct nvhi_bind){.root = root, .modprobe = tree_modprobe};
	tree_modules[0] = '\0';
	tree_put(TREE_DEV "/class", "0x010802\n");
	tree_put(TREE_DEV "/vendor", "0x144d\n");
	tree_put(TREE_DEV "/device", "0xa808\n");
	tree_put(TREE_DEV "/numa_node", "1\n");
	tree_put(TREE_DEV "/driver_override", "(null)\n");
	tree_put(TREE_DEV "/nvme/nvme0/nvme0n1/size", "100\n");
	tree_link(TREE_DEV "/driver", "../../../bus/pci/drivers/nvme");
	tree_link(TREE_DEV "/iommu_group", "../../../../kernel/iommu_groups/7");
	tree_put("sys/kernel/iommu_groups/7/type", "DMA-FQ\n");
	tree_put("sys/bus/pci/drivers/nvme/unbind", "");
	tree_put("sys/bus/pci/drivers_probe", "");
	tree_put("sys/block/nvme0n1/dev", "259:0\n");
	tree_put("sys/block/nvme0n1/nvme0n1p1/dev", "259:1\n");
	tree_put("proc/self/mountinfo",
		 "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:5 / /proc rw - proc proc rw\n");
	tree_put("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n");
	tree_put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "10\n");
	tree_put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "4\n");
}

static int tree_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void tree_end(void)
{
	nftw(root, tree_unlink, 16, FTW_DEPTH | FTW_PHYS);
}
