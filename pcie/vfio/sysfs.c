/*
 * What sysfs says of a device: is it there, is it an NVMe controller, who has it, and is there an
 * IOMMU before it. Read when the device is opened; any thread.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pcie/vfio/device.h"

#define DEVICES    "/sys/bus/pci/devices"
#define CLASS_NVME 0x010802u

int nvhi_vfio_refuse(char *why, size_t why_len, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_len, fmt, ap);
	va_end(ap);
	return err;
}

/* The last part of where a link points to. */
static bool sysfs_link(const char *bdf, const char *name, char *text, size_t len)
{
	char path[128], target[256];
	const char *last;
	ssize_t n;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	last = strrchr(target, '/');
	snprintf(text, len, "%.*s", (int)len - 1, last ? last + 1 : target);
	return true;
}

static bool sysfs_text(const char *bdf, const char *name, char *text, size_t len)
{
	char path[128];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fgets(text, (int)len, file) != NULL;
	fclose(file);
	if (got)
		text[strcspn(text, "\n")] = '\0';
	return got;
}

int nvhi_vfio_sysfs_group(const char *bdf, unsigned int *ret_group)
{
	char text[32];

	if (!sysfs_link(bdf, "iommu_group", text, sizeof(text)))
		return -ENOENT;
	*ret_group = (unsigned int)strtoul(text, NULL, 10);
	return 0;
}

static unsigned int sysfs_number(const char *bdf, const char *name)
{
	char text[32];

	return sysfs_text(bdf, name, text, sizeof(text)) ? (unsigned int)strtoul(text, NULL, 16)
							 : 0;
}

void nvhi_vfio_sysfs_id(const char *bdf, struct nvhi_pcie_id *ret_id)
{
	ret_id->vendor = (uint16_t)sysfs_number(bdf, "vendor");
	ret_id->device = (uint16_t)sysfs_number(bdf, "device");
	ret_id->subvendor = (uint16_t)sysfs_number(bdf, "subsystem_vendor");
	ret_id->subdevice = (uint16_t)sysfs_number(bdf, "subsystem_device");
}

int nvhi_vfio_sysfs_bar(const char *bdf, unsigned int bar, uint64_t *ret_addr, uint64_t *ret_len)
{
	unsigned long long first = 0, last = 0;
	char path[128], line[128];
	FILE *file;

	snprintf(path, sizeof(path), DEVICES "/%s/resource", bdf);
	file = fopen(path, "re");
	if (!file)
		return -ENOENT;
	for (unsigned int i = 0; i <= bar; i++)
		if (!fgets(line, sizeof(line), file) ||
		    sscanf(line, "%llx %llx", &first, &last) != 2)
			last = 0;
	fclose(file);
	if (last <= first)
		return -ENOENT;
	*ret_addr = first;
	*ret_len = last - first + 1;
	return 0;
}

/* An IOMMU that translates would take physical addresses for something else. */
static bool sysfs_translated(const char *bdf)
{
	char type[32];

	return sysfs_text(bdf, "iommu_group/type", type, sizeof(type)) &&
	       strcmp(type, "identity") != 0;
}

int nvhi_vfio_sysfs_kind(const char *bdf, const struct nvhi_vfio_kind **ret_kind, bool *ret_noiommu,
			 char *why, size_t why_len)
{
	char text[64], driver[64] = "";
	bool noiommu;

	if (!sysfs_text(bdf, "class", text, sizeof(text)))
		return nvhi_vfio_refuse(why, why_len, -ENODEV,
					"no PCI device stands there (nvhost pci list)");
	if (strtoul(text, NULL, 16) != CLASS_NVME)
		return nvhi_vfio_refuse(why, why_len, -EINVAL,
					"class %s is no NVMe controller (nvhost pci list)", text);
	noiommu = sysfs_text(bdf, "iommu_group/name", text, sizeof(text)) &&
		  !strcmp(text, "vfio-noiommu");
	sysfs_link(bdf, "driver", driver, sizeof(driver));
	if (!strcmp(driver, "vfio-pci")) {
		*ret_kind = &nvhi_vfio_kind_vfio;
	} else if (!strcmp(driver, "uio_pci_generic")) {
		if (sysfs_translated(bdf))
			return nvhi_vfio_refuse(
				why, why_len, -EPERM,
				"uio_pci_generic gives the device physical addresses, but an IOMMU "
				"stands before it (nvhost pci bind --driver vfio-pci %s)",
				bdf);
		*ret_kind = &nvhi_vfio_kind_uio;
	} else if (driver[0]) {
		return nvhi_vfio_refuse(why, why_len, -EBUSY,
					"the kernel's driver %s has it (nvhost pci bind %s)",
					driver, bdf);
	} else {
		return nvhi_vfio_refuse(why, why_len, -ENODEV,
					"no driver gives access to it (nvhost pci bind %s)", bdf);
	}
	*ret_noiommu = noiommu;
	return 0;
}
