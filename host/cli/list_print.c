/*
 * nvme list's two tables and its JSON, plain and verbose.
 */
#include <errno.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/client.h"
#include "host/cli/fields.h"
#include "host/cli/topology.h"

static const char list_dash[] = "---------------------------------------------------------------"
				"---------------------------------------------";

/* ---- one namespace ------------------------------------------------------------------------ */

struct list_ns {
	const char *name, *serial, *model, *firmware, *file;
	uint32_t nsid, metadata;
	uint64_t block, size_blocks, size, used;
	char usage[64], format[64];
};

/* The controller of its first path: the subsystem's serial and model are each controller's. */
static struct json_object *list_ns_ctrlr(const struct nvc_subsys *subsys, struct json_object *ns)
{
	struct json_object *paths = nvc_get(ns, "paths"), *ctrlr = NULL;

	if (paths && json_object_array_length(paths))
		ctrlr = nvc_topology_ctrlr(
			subsys, nvc_get_string(json_object_array_get_idx(paths, 0), "controller"));
	if (!ctrlr && subsys->nr_ctrlrs)
		ctrlr = subsys->ctrlrs[0];
	return ctrlr;
}

static void list_ns_read(const struct nvc_subsys *subsys, struct json_object *ns,
			 struct list_ns *item)
{
	struct json_object *ctrlr = list_ns_ctrlr(subsys, ns), *files = nvc_get(ns, "files");
	double size, used;
	uint64_t block;
	const char *size_suffix, *used_suffix, *block_suffix;

	item->name = nvc_get_string(ns, "name");
	item->serial = nvc_get_string(ctrlr, "serial");
	item->model = nvc_get_string(ctrlr, "model");
	item->firmware = nvc_get_string(ctrlr, "firmware");
	item->file = files && json_object_array_length(files)
			     ? json_object_get_string(json_object_array_get_idx(files, 0))
			     : "";
	item->nsid = (uint32_t)nvc_get_u64(ns, "nsid", 0);
	item->metadata = (uint32_t)nvc_get_u64(ns, "metadata_size", 0);
	item->block = nvc_get_u64(ns, "block_size", 0);
	item->size_blocks = nvc_get_u64(ns, "nr_blocks", 0);
	item->size = item->size_blocks * item->block;
	item->used = nvc_get_u64(ns, "nuse", item->size_blocks) * item->block;
	size = (double)item->size;
	used = (double)item->used;
	block = item->block;
	size_suffix = nvc_suffix_si(&size);
	used_suffix = nvc_suffix_si(&used);
	block_suffix = nvc_suffix_binary(&block);
	snprintf(item->usage, sizeof(item->usage), "%6.2f %2sB / %6.2f %2sB", used, used_suffix,
		 size, size_suffix);
	snprintf(item->format, sizeof(item->format), "%3.0f %2sB + %2u B", (double)block,
		 block_suffix, item->metadata);
}

/* ---- plain -------------------------------------------------------------------------------- */

void nvc_list_print(FILE *out, const struct nvc_topology *topology)
{
	/* Where nvme-cli has the character device, ours has the file it is mounted as. */
	fprintf(out, "%-21s %-21s %-20s %-40s %-9s %-26s %-16s %-8s\n", "Node", "Generic", "SN",
		"Model", "Namespace", "Usage", "Format", "FW Rev");
	fprintf(out, "%-.21s %-.21s %-.20s %-.40s %-.9s %-.26s %-.16s %-.8s\n", list_dash,
		list_dash, list_dash, list_dash, list_dash, list_dash, list_dash, list_dash);
	for (size_t i = 0; i < topology->nr; i++) {
		const struct nvc_subsys *s = &topology->subsys[i];

		for (size_t k = 0; k < s->nr_nss; k++) {
			struct list_ns n;

			list_ns_read(s, s->nss[k], &n);
			fprintf(out, "%-21s %-21s %-20s %-40s %-9u %-26s %-16s %-8s\n", n.name,
				n.file[0] ? n.file : "-", n.serial, n.model, n.nsid, n.usage,
				n.format, n.firmware);
		}
	}
}

static int list_add_sizes(struct json_object *o, const struct list_ns *n)
{
	int err = nvhi_json_add_u64(o, "UsedBytes", n->used);

	err = err ? err : nvhi_json_add_u64(o, "MaximumLBA", n->size_blocks);
	err = err ? err : nvhi_json_add_u64(o, "PhysicalSize", n->size);
	return err ? err : nvhi_json_add_u64(o, "SectorSize", n->block);
}

static struct json_object *list_item(const struct nvc_subsys *s, struct json_object *ns)
{
	struct json_object *o = json_object_new_object();
	struct list_ns n;
	int err;

	list_ns_read(s, ns, &n);
	err = nvhi_json_add_u64(o, "NameSpace", n.nsid);
	err = err ? err : nvhi_json_add_string(o, "DevicePath", n.name);
	err = err ? err : nvhi_json_add_string(o, "Firmware", n.firmware);
	err = err ? err : nvhi_json_add_string(o, "ModelNumber", n.model);
	err = err ? err : nvhi_json_add_string(o, "SerialNumber", n.serial);
	err = err ? err : list_add_sizes(o, &n);
	if (!err && n.file[0])
		err = nvhi_json_add_string(o, "File", n.file);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* {"Devices": array}; takes the array. */
static struct json_object *list_devices(struct json_object *array, int err)
{
	struct json_object *root = json_object_new_object();

	if (err) {
		json_object_put(array);
		json_object_put(root);
		return NULL;
	}
	if (nvhi_json_add(root, "Devices", array)) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

struct json_object *nvc_list_to_json(const struct nvc_topology *topology)
{
	struct json_object *array = json_object_new_array();
	int err = array ? 0 : -ENOMEM;

	for (size_t i = 0; i < topology->nr; i++) {
		for (size_t k = 0; k < topology->subsys[i].nr_nss && !err; k++)
			err = nvhi_json_append(
				array, list_item(&topology->subsys[i], topology->subsys[i].nss[k]));
	}
	return list_devices(array, err);
}

/* ---- verbose ------------------------------------------------------------------------------ */

static bool list_ns_has_path(struct json_object *ns, const char *ctrlr)
{
	struct json_object *paths = nvc_get(ns, "paths");

	for (size_t i = 0; paths && i < json_object_array_length(paths); i++) {
		if (!strcmp(nvc_get_string(json_object_array_get_idx(paths, i), "controller"),
			    ctrlr))
			return true;
	}
	return false;
}

static void list_print_names(FILE *out, struct json_object *const *items, size_t nr,
			     const char *ctrlr)
{
	const char *comma = "";

	for (size_t i = 0; i < nr; i++) {
		if (ctrlr && !list_ns_has_path(items[i], ctrlr))
			continue;
		fprintf(out, "%s%s", comma, nvc_get_string(items[i], "name"));
		comma = ", ";
	}
	fputc('\n', out);
}

static void list_print_ctrlr(FILE *out, const struct nvc_subsys *s, struct json_object *c)
{
	char address[1024];

	nvc_topology_address(c, address, sizeof(address));
	fprintf(out, "%-8s %-20s %-40s %-8s %-6s %-14s %-12s ", nvc_get_string(c, "name"),
		nvc_get_string(c, "serial"), nvc_get_string(c, "model"),
		nvc_get_string(c, "firmware"), nvc_get_string(c, "transport"), address, s->name);
	list_print_names(out, s->nss, s->nr_nss, nvc_get_string(c, "name"));
}

void nvc_list_print_verbose(FILE *out, const struct nvc_topology *topology)
{
	fprintf(out, "%-16s %-96s %-.16s\n", "Subsystem", "Subsystem-NQN", "Controllers");
	fprintf(out, "%-.16s %-.96s %-.16s\n", list_dash, list_dash, list_dash);
	for (size_t i = 0; i < topology->nr; i++) {
		const struct nvc_subsys *s = &topology->subsys[i];

		fprintf(out, "%-16s %-96s ", s->name, s->nqn);
		list_print_names(out, s->ctrlrs, s->nr_ctrlrs, NULL);
	}
	fprintf(out, "\n%-8s %-20s %-40s %-8s %-6s %-14s %-12s %-16s\n", "Device", "SN", "MN", "FR",
		"TxPort", "Address", "Subsystem", "Namespaces");
	fprintf(out, "%-.8s %-.20s %-.40s %-.8s %-.6s %-.14s %-.12s %-.16s\n", list_dash, list_dash,
		list_dash, list_dash, list_dash, list_dash, list_dash, list_dash);
	for (size_t i = 0; i < topology->nr; i++) {
		for (size_t k = 0; k < topology->subsys[i].nr_ctrlrs; k++)
			list_print_ctrlr(out, &topology->subsys[i], topology->subsys[i].ctrlrs[k]);
	}
	fprintf(out, "\n%-12s %-12s %-8s %-26s %-16s %-16s\n", "Device", "Generic", "NSID", "Usage",
		"Format", "Controllers");
	fprintf(out, "%-.12s %-.12s %-.8s %-.26s %-.16s %-.16s\n", list_dash, list_dash, list_dash,
		list_dash, list_dash, list_dash);
	for (size_t i = 0; i < topology->nr; i++) {
		const struct nvc_subsys *s = &topology->subsys[i];

		for (size_t k = 0; k < s->nr_nss; k++) {
			struct list_ns n;

			list_ns_read(s, s->nss[k], &n);
			fprintf(out, "%-12s %-12s %-8x %-26s %-16s ", n.name,
				n.file[0] ? n.file : "-", n.nsid, n.usage, n.format);
			list_print_names(out, s->ctrlrs, s->nr_ctrlrs, NULL);
		}
	}
}

static struct json_object *list_verbose_ns(const struct nvc_subsys *s, struct json_object *ns)
{
	struct json_object *o = json_object_new_object();
	struct list_ns n;
	int err;

	list_ns_read(s, ns, &n);
	err = nvhi_json_add_string(o, "NameSpace", n.name);
	err = err ? err : nvhi_json_add_u64(o, "NSID", n.nsid);
	err = err ? err : list_add_sizes(o, &n);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *list_verbose_paths(const struct nvc_subsys *s, const char *ctrlr)
{
	struct json_object *array = json_object_new_array();
	int err = array ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->nr_nss && !err; i++) {
		struct json_object *paths = nvc_get(s->nss[i], "paths");

		for (size_t k = 0; paths && k < json_object_array_length(paths) && !err; k++) {
			struct json_object *p = json_object_array_get_idx(paths, k), *o;

			if (strcmp(nvc_get_string(p, "controller"), ctrlr) != 0)
				continue;
			o = json_object_new_object();
			err = nvhi_json_add_string(o, "Path", nvc_get_string(s->nss[i], "name"));
			err = err ? err
				  : nvhi_json_add_string(o, "ANAState",
							 nvc_get_string(p, "ana_state"));
			if (err)
				json_object_put(o);
			else
				err = nvhi_json_append(array, o);
		}
	}
	if (err) {
		json_object_put(array);
		return NULL;
	}
	return array;
}

static struct json_object *list_verbose_ctrlr(const struct nvc_subsys *s, struct json_object *c)
{
	static const char *const names[][2] = {
		{"Controller", "name"},   {"SerialNumber", "serial"}, {"ModelNumber", "model"},
		{"Firmware", "firmware"}, {"Transport", "transport"},
	};
	struct json_object *o = json_object_new_object();
	char address[1024];
	int err = o ? 0 : -ENOMEM;

	nvc_topology_address(c, address, sizeof(address));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !err; i++)
		err = nvhi_json_add_string(o, names[i][0], nvc_get_string(c, names[i][1]));
	err = err ? err : nvhi_json_add_string(o, "Address", address);
	err = err ? err : nvhi_json_add(o, "Namespaces", json_object_new_array());
	err = err ? err
		  : nvhi_json_add(o, "Paths", list_verbose_paths(s, nvc_get_string(c, "name")));
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *list_verbose_subsys(const struct nvc_subsys *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *ctrlrs = json_object_new_array(), *nss = json_object_new_array();
	int err = nvhi_json_add_string(o, "Subsystem", s->name);

	err = err ? err : nvhi_json_add_string(o, "SubsystemNQN", s->nqn);
	for (size_t i = 0; i < s->nr_ctrlrs && !err; i++)
		err = nvhi_json_append(ctrlrs, list_verbose_ctrlr(s, s->ctrlrs[i]));
	for (size_t i = 0; i < s->nr_nss && !err; i++)
		err = nvhi_json_append(nss, list_verbose_ns(s, s->nss[i]));
	if (err) {
		json_object_put(ctrlrs);
		json_object_put(nss);
		json_object_put(o);
		return NULL;
	}
	err = nvhi_json_add(o, "Controllers", ctrlrs);
	if (nvhi_json_add(o, "Namespaces", nss) || err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

struct json_object *nvc_list_to_json_verbose(const struct nvc_topology *topology)
{
	struct json_object *array = json_object_new_array(), *host = json_object_new_object();
	struct json_object *subsystems = json_object_new_array();
	int err = nvhi_json_add_string(host, "HostNQN", nvc_get_string(topology->root, "hostnqn"));

	err = err ? err
		  : nvhi_json_add_string(host, "HostID", nvc_get_string(topology->root, "hostid"));
	for (size_t i = 0; i < topology->nr && !err; i++)
		err = nvhi_json_append(subsystems, list_verbose_subsys(&topology->subsys[i]));
	if (err) {
		json_object_put(subsystems);
		json_object_put(host);
		return list_devices(array, err);
	}
	err = nvhi_json_add(host, "Subsystems", subsystems);
	if (err)
		json_object_put(host);
	else
		err = nvhi_json_append(array, host);
	return list_devices(array, err);
}
