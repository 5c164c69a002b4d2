/*
 * nvhost pci list | status | bind | unbind: who has the machine's NVMe controllers. The work is in
 * pcie/bind; no daemon is asked.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "pcie/bind/bind.h"

struct pci {
	struct nvhi_bind bind;
	struct nvhi_bind_wish wish;
	const char *root, *format_text;
	uint64_t hugepages;
	enum nvc_format format;
};

static struct nvhi_bind_device pci_devices[NVHI_BIND_DEVICES_MAX];

/* What there is to say of who uses it: "" when nobody does. */
static void pci_use(const struct pci *pci, const struct nvhi_bind_device *d, char *text, size_t len)
{
	text[0] = '\0';
	if (!nvhi_bind_in_use(&pci->bind, d, text, len))
		nvhi_bind_driven(&pci->bind, d, text, len);
}

/* ---- list -------------------------------------------------------------------------------- */

static struct json_object *pci_device_json(const struct pci *pci, const struct nvhi_bind_device *d)
{
	struct json_object *o = json_object_new_object(), *disks = json_object_new_array();
	char use[256];
	int err;

	pci_use(pci, d, use, sizeof(use));
	err = nvhi_json_add_string(o, "address", d->bdf);
	err = err ? err : nvhi_json_add_stringf(o, "class", "0x%06x", d->class_code);
	err = err ? err : nvhi_json_add_stringf(o, "vendor", "0x%04x", d->vendor);
	err = err ? err : nvhi_json_add_stringf(o, "device", "0x%04x", d->device);
	err = err ? err : nvhi_json_add_string(o, "vendor_name", d->vendor_name);
	err = err ? err : nvhi_json_add_string(o, "device_name", d->device_name);
	err = err ? err : nvhi_json_add_string(o, "driver", d->driver);
	err = err ? err : nvhi_json_add_i64(o, "iommu_group", d->group);
	err = err ? err : nvhi_json_add_bool(o, "no_iommu", d->noiommu);
	err = err ? err : nvhi_json_add_i64(o, "numa_node", d->node);
	for (unsigned int i = 0; !err && i < d->nr_disks; i++)
		json_object_array_add(disks, json_object_new_string(d->disks[i]));
	err = err ? err : nvhi_json_add_string(o, "used", use);
	json_object_object_add(o, "disks", disks);
	if (!err)
		return o;
	json_object_put(o);
	return NULL;
}

static int pci_list_json(const struct pci *pci, int nr)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_array();

	for (int i = 0; i < nr; i++)
		json_object_array_add(list, pci_device_json(pci, &pci_devices[i]));
	json_object_object_add(root, "devices", list);
	nvc_print_json(root);
	return 0;
}

static void pci_list_line(const struct pci *pci, const struct nvhi_bind_device *d)
{
	char group[16] = "-", node[16] = "-", use[256], disks[128] = "";

	if (d->group >= 0)
		snprintf(group, sizeof(group), "%d%s", d->group, d->noiommu ? "*" : "");
	if (d->node >= 0)
		snprintf(node, sizeof(node), "%d", d->node);
	for (unsigned int i = 0; i < d->nr_disks && strlen(disks) + 26 < sizeof(disks); i++)
		snprintf(disks + strlen(disks), sizeof(disks) - strlen(disks), "%s%s", i ? "," : "",
			 d->disks[i]);
	pci_use(pci, d, use, sizeof(use));
	printf("%-13s 0x%06x %04x:%04x %-16s %-6s %-4s %-14s %s%s%s\n", d->bdf, d->class_code,
	       d->vendor, d->device, d->driver[0] ? d->driver : "-", group, node,
	       disks[0] ? disks : "-", d->vendor_name, d->device_name[0] ? ", " : "",
	       d->device_name);
	if (use[0])
		printf("              %s\n", use);
}

static int pci_scan(const struct pci *pci)
{
	int nr = nvhi_bind_scan(&pci->bind, pci_devices, NVHI_BIND_DEVICES_MAX);

	if (nr < 0)
		nvc_fail("%s/sys/bus/pci/devices: %s", pci->bind.root, strerror(-nr));
	return nr;
}

static int pci_list(const struct pci *pci)
{
	bool noiommu = false;
	int nr = pci_scan(pci);

	if (nr < 0)
		return 1;
	if (pci->format == NVC_JSON)
		return pci_list_json(pci, nr);
	printf("%-13s %-8s %-9s %-16s %-6s %-4s %-14s %s\n", "Address", "Class", "Device", "Driver",
	       "IOMMU", "NUMA", "Disks", "Name");
	for (int i = 0; i < nr; i++) {
		pci_list_line(pci, &pci_devices[i]);
		noiommu |= pci_devices[i].noiommu;
	}
	if (noiommu)
		printf("* VFIO without an IOMMU: the device reaches all memory\n");
	return 0;
}

/* ---- status ------------------------------------------------------------------------------ */

static int pci_status_json(const struct pci *pci, int nr, const struct nvhi_bind_memory *memory,
			   bool iommu)
{
	struct json_object *root = json_object_new_object(), *huge = json_object_new_object();
	int mode = nvhi_bind_noiommu_mode(&pci->bind);
	int err = nvhi_json_add_u64(huge, "size_kb", memory->page_kb);

	err = err ? err : nvhi_json_add_u64(huge, "total", memory->total);
	err = err ? err : nvhi_json_add_u64(huge, "free", memory->free);
	json_object_object_add(root, "hugepages", huge);
	err = err ? err : nvhi_json_add_bool(root, "iommu", iommu);
	err = err ? err
		  : nvhi_json_add_string(root, "no_iommu_mode",
					 mode < 0 ? "none"
					 : mode   ? "on"
						  : "off");
	err = err ? err
		  : nvhi_json_add_bool(root, "vfio_pci",
				       nvhi_bind_module_loaded(&pci->bind, "vfio-pci"));
	err = err ? err
		  : nvhi_json_add_bool(root, "uio_pci_generic",
				       nvhi_bind_module_loaded(&pci->bind, "uio_pci_generic"));
	err = err ? err : nvhi_json_add_i64(root, "controllers", nr);
	if (err) {
		json_object_put(root);
		return nvc_fail("out of memory");
	}
	nvc_print_json(root);
	return 0;
}

static int pci_status(const struct pci *pci)
{
	int nr = pci_scan(pci), kernel = 0, user = 0, mode;
	struct nvhi_bind_memory memory;
	bool iommu;

	if (nr < 0)
		return 1;
	for (int i = 0; i < nr; i++) {
		user += !strcmp(pci_devices[i].driver, "vfio-pci") ||
			!strcmp(pci_devices[i].driver, "uio_pci_generic");
		kernel += !strcmp(pci_devices[i].driver, "nvme");
	}
	nvhi_bind_memory(&pci->bind, &memory);
	iommu = nvhi_bind_there(&pci->bind, "sys/class/iommu") &&
		nvhi_bind_next(nvhi_bind_dir(&pci->bind, "sys/class/iommu")) != NULL;
	if (pci->format == NVC_JSON)
		return pci_status_json(pci, nr, &memory, iommu);
	mode = nvhi_bind_noiommu_mode(&pci->bind);
	printf("NVMe controllers     : %d (%d the kernel's, %d for userspace)\n", nr, kernel, user);
	printf("hugepages of 2 MiB   : %lu, %lu free\n", memory.total, memory.free);
	printf("IOMMU                : %s\n", iommu ? "on" : "off");
	printf("vfio-pci             : %s\n",
	       nvhi_bind_module_loaded(&pci->bind, "vfio-pci") ? "loaded" : "not loaded");
	printf("VFIO no-IOMMU mode   : %s\n",
	       mode < 0 ? "none (vfio not loaded, or built without it)"
	       : mode   ? "on"
			: "off");
	printf("uio_pci_generic      : %s\n",
	       nvhi_bind_module_loaded(&pci->bind, "uio_pci_generic") ? "loaded" : "not loaded");
	return 0;
}

/* ---- bind, unbind ------------------------------------------------------------------------ */

static int pci_change_one(const struct pci *pci, const char *address, bool to_us)
{
	struct nvhi_bind_device d = {.bdf = ""};
	char why[512] = "";
	int err;

	err = nvhi_bind_find(&pci->bind, address, &d, why, sizeof(why));
	if (!err)
		err = to_us ? nvhi_bind_bind(&pci->bind, &d, &pci->wish, why, sizeof(why))
			    : nvhi_bind_unbind(&pci->bind, &d, why, sizeof(why));
	if (err)
		fprintf(stderr, "%s: not %s, %s\n", d.bdf[0] ? d.bdf : address,
			to_us ? "bound" : "unbound", why);
	else if (nvhi_bind_find(&pci->bind, address, &d, why, sizeof(why)) == 0)
		printf("%s: %s\n", d.bdf, d.driver[0] ? d.driver : "no driver");
	return err ? 1 : 0;
}

static int pci_change(const struct pci *pci, const struct nvc_args *args, bool to_us)
{
	int status = 0;

	if (args->count < 2)
		return nvc_misuse("%s needs the address of a controller (nvhost pci list)",
				  args->words[0]);
	for (int i = 1; i < args->count; i++)
		status |= pci_change_one(pci, args->words[i], to_us);
	return status;
}

int nvc_pci(int argc, char **argv)
{
	struct pci pci = {.bind = nvhi_bind_machine};
	const struct nvc_opt opts[] = {
		NVC_STRING("driver", 'd', "NAME", &pci.wish.driver,
			   "bind: vfio-pci (default) or uio_pci_generic"),
		NVC_FLAG("no-iommu", 0, &pci.wish.noiommu,
			 "bind: to vfio-pci without an IOMMU; the device then reaches all memory"),
		NVC_NUMBER("hugepages", 'H', U64, &pci.hugepages,
			   "bind: set aside at least so many hugepages of 2 MiB", .max = 1u << 24),
		NVC_STRING("output-format", 'o', "FMT", &pci.format_text,
			   "list, status: normal|json"),
		NVC_STRING("root", 0, "DIR", &pci.root, "where /sys, /proc and /dev are (tests)"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "pci",
		.args = "list|status|bind ADDRESS...|unbind ADDRESS...",
		.opts = opts,
		.min_args = 1,
		.max_args = -1,
		.about =
			"Local NVMe drives. list shows the controllers, who has them and what for; "
			"status hugepages, IOMMU and modules. bind hands a controller to vfio-pci, "
			"for nvhost connect -t pcie -a ADDRESS, unless it is in use; unbind "
			"returns "
			"it to the kernel.",
	};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(pci.format_text, false, &pci.format) < 0)
		return 2;
	if (pci.root)
		pci.bind.root = pci.root;
	pci.wish.hugepages = pci.hugepages;
	if (!strcmp(args.words[0], "bind"))
		return pci_change(&pci, &args, true);
	if (!strcmp(args.words[0], "unbind"))
		return pci_change(&pci, &args, false);
	if (args.count > 1)
		return nvc_misuse("%s takes no address", args.words[0]);
	if (!strcmp(args.words[0], "list"))
		return pci_list(&pci);
	if (!strcmp(args.words[0], "status"))
		return pci_status(&pci);
	return nvc_misuse("pci %s: not list, status, bind or unbind", args.words[0]);
}
