/*
 * A made-up machine for tests of pcie/bind: a folder with the files of /sys, /proc, /dev and /run
 * that the code reads, one NVMe controller 0000:03:00.0 with the disk nvme0n1 and its partition in
 * it. One thread.
 */
#ifndef TESTS_UNIT_BIND_TREE_H
#define TESTS_UNIT_BIND_TREE_H

#include "pcie/bind/bind.h"
#include "tests/unit/nvh_cunit.h"

#define TREE_BDF "0000:03:00.0"
#define TREE_DEV "sys/bus/pci/devices/" TREE_BDF

extern struct nvhi_bind tree;
extern char tree_modules[128]; /* what modprobe was asked for, each with a blank behind it */

/* The machine described above, behind an IOMMU in a group of its own, the kernel's driver on it. */
void tree_begin(void);
void tree_end(void);
/* A file with this text, its folders made. */
void tree_put(const char *path, const char *text);
void tree_link(const char *path, const char *target);
void tree_remove(const char *path);
/* What stands in it now. */
const char *tree_get(const char *path);
/* The controller as the scan sees it. */
struct nvhi_bind_device tree_device(void);

#endif
