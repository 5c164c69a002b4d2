/*
 * The NVMe controllers of the machine, its hugepages, what VFIO offers. See bind.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcie/bind/bind.h"

#define CLASS_NVME 0x010802u
#define HUGE       "sys/kernel/mm/hugepages/hugepages-2048kB"

/* ---- one controller ---------------------------------------------------------------------- */

/* "nvme0n1", or "nvme0c1n1", which is one path of the disk nvme0n1. */
static bool disk_name(const char *entry, char *name, size_t len)
{
	unsigned int subsys, ctrlr, ns;
	int end = 0;

	if (sscanf(entry, "nvme%uc%un%u%n", &subsys, &ctrlr, &ns, &end) == 3 && !entry[end])
		snprintf(name, len, "nvme%un%u", subsys, ns);
	else if (sscanf(entry, "nvme%un%u%n", &subsys, &ns, &end) == 2 && !entry[end])
		snprintf(name, len, "%s", entry);
	else
		return false;
	return true;
}

static void scan_disks(const struct nvhi_bind *bind, struct nvhi_bind_device *d)
{
	const char *ctrlr, *entry;
	DIR *dir, *ctrlrs = nvhi_bind_dir(bind, "sys/bus/pci/devices/%s/nvme", d->bdf);

	while ((ctrlr = nvhi_bind_next(ctrlrs))) {
		dir = nvhi_bind_dir(bind, "sys/bus/pci/devices/%s/nvme/%s", d->bdf, ctrlr);
		while ((entry = nvhi_bind_next(dir)))
			if (d->nr_disks < NVHI_BIND_DISKS_MAX &&
			    disk_name(entry, d->disks[d->nr_disks], sizeof(d->disks[0])))
				d->nr_disks++;
	}
}

static bool scan_device(const struct nvhi_bind *bind, const char *bdf,
			struct nvhi_bind_device *ret_device)
{
	struct nvhi_bind_device d = {.group = -1, .node = -1};
	char text[64];

	if (strlen(bdf) >= sizeof(d.bdf))
		return false;
	strcpy(d.bdf, bdf);
	d.class_code =
		(unsigned int)nvhi_bind_number(bind, 16, "sys/bus/pci/devices/%s/class", bdf);
	if (d.class_code != CLASS_NVME)
		return false;
	d.vendor = (unsigned int)nvhi_bind_number(bind, 16, "sys/bus/pci/devices/%s/vendor", bdf);
	d.device = (unsigned int)nvhi_bind_number(bind, 16, "sys/bus/pci/devices/%s/device", bdf);
	nvhi_bind_link(bind, d.driver, sizeof(d.driver), "sys/bus/pci/devices/%s/driver", bdf);
	if (nvhi_bind_text(bind, text, sizeof(text), "sys/bus/pci/devices/%s/numa_node", bdf))
		d.node = atoi(text);
	if (nvhi_bind_link(bind, text, sizeof(text), "sys/bus/pci/devices/%s/iommu_group", bdf))
		d.group = atoi(text);
	d.noiommu = nvhi_bind_text(bind, text, sizeof(text),
				   "sys/bus/pci/devices/%s/iommu_group/name", bdf) &&
		    !strcmp(text, "vfio-noiommu");
	d.translated = d.group >= 0 && !d.noiommu &&
		       !(nvhi_bind_text(bind, text, sizeof(text),
					"sys/bus/pci/devices/%s/iommu_group/type", bdf) &&
			 !strcmp(text, "identity"));
	nvhi_bind_names(bind, d.vendor, d.device, d.vendor_name, d.device_name,
			sizeof(d.vendor_name));
	scan_disks(bind, &d);
	*ret_device = d;
	return true;
}

/* ---- all of them ------------------------------------------------------------------------- */

static int device_cmp(const void *a, const void *b)
{
	const struct nvhi_bind_device *x = a, *y = b;

	return strcmp(x->bdf, y->bdf);
}

int nvhi_bind_scan(const struct nvhi_bind *bind, struct nvhi_bind_device *devices, size_t max)
{
	DIR *dir = nvhi_bind_dir(bind, "sys/bus/pci/devices");
	const char *entry;
	size_t nr = 0;

	if (!dir)
		return -errno;
	while ((entry = nvhi_bind_next(dir)))
		if (nr < max && scan_device(bind, entry, &devices[nr]))
			nr++;
	qsort(devices, nr, sizeof(devices[0]), device_cmp);
	return (int)nr;
}

int nvhi_bind_find(const struct nvhi_bind *bind, const char *text, struct nvhi_bind_device *ret,
		   char *why, size_t why_len)
{
	unsigned int domain = 0, bus, dev, fn;
	char bdf[16];
	int end = 0;

	if (!((sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn, &end) == 4 &&
	       !text[end]) ||
	      (domain = 0,
	       sscanf(text, "%2x:%2x.%1x%n", &bus, &dev, &fn, &end) == 3 && !text[end])))
		return nvhi_bind_refuse(why, why_len, -EINVAL,
					"no PCI address (0000:03:00.0 or 03:00.0)");
	snprintf(bdf, sizeof(bdf), "%04x:%02x:%02x.%x", domain, bus, dev, fn);
	if (scan_device(bind, bdf, ret))
		return 0;
	if (!nvhi_bind_there(bind, "sys/bus/pci/devices/%s", bdf))
		return nvhi_bind_refuse(why, why_len, -ENODEV,
					"no PCI device stands there (nvhost pci list)");
	return nvhi_bind_refuse(why, why_len, -EINVAL, "class %06lx is no NVMe controller",
				nvhi_bind_number(bind, 16, "sys/bus/pci/devices/%s/class", bdf));
}

/* ---- the rest ---------------------------------------------------------------------------- */

void nvhi_bind_memory(const struct nvhi_bind *bind, struct nvhi_bind_memory *ret_memory)
{
	ret_memory->page_kb = 2048;
	ret_memory->total = nvhi_bind_number(bind, 10, HUGE "/nr_hugepages");
	ret_memory->free = nvhi_bind_number(bind, 10, HUGE "/free_hugepages");
}

bool nvhi_bind_module_loaded(const struct nvhi_bind *bind, const char *driver)
{
	return nvhi_bind_there(bind, "sys/bus/pci/drivers/%s", driver);
}

int nvhi_bind_noiommu_mode(const struct nvhi_bind *bind)
{
	char text[8];

	if (!nvhi_bind_text(bind, text, sizeof(text),
			    "sys/module/vfio/parameters/enable_unsafe_noiommu_mode"))
		return -1;
	return text[0] == 'Y' || text[0] == '1';
}
