/*
 * nvhost id-ns, ns-descs, list-ns: namespaces as Identify tells of them, in nvme-cli's shapes.
 * NVM Command Set Specification 1.1, figure 114; Base Specification 2.1, figures 310 and 316.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/admin.h"
#include "host/cli/bits.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/identify.h"

#define NS(memb, form, ...) NVC_FIELD(nvh_id_ns, memb, form, ##__VA_ARGS__)

/* The order of the lines and the order of the JSON members differ, hence several tables. */
static const struct nvc_field id_ns_head[] = {
	NS(nsze, HEX),   NS(ncap, HEX),  NS(nuse, HEX),   NS(nsfeat, HEX), NS(nlbaf, DEC),
	NS(flbas, HEX),  NS(mc, HEX),    NS(dpc, HEX),    NS(dps, HEX),    NS(nmic, HEX),
	NS(rescap, HEX), NS(fpi, HEX),   NS(dlfeat, DEC), NS(nawun, DEC),  NS(nawupf, DEC),
	NS(nacwu, DEC),  NS(nabsn, DEC), NS(nabo, DEC),   NS(nabspf, DEC), NS(noiob, DEC),
	NS(nvmcap, DEC), {.name = NULL},
};

static const struct nvc_field id_ns_optimal[] = {
	NS(npwg, DEC), NS(npwa, DEC), NS(npdg, DEC), NS(npda, DEC), NS(nows, DEC), {.name = NULL},
};

static const struct nvc_field id_ns_copy[] = {
	NS(mssrl, DEC),  NS(mcl, DEC),      NS(msrc, DEC),
	NS(nulbaf, DEC), NS(anagrpid, DEC), {.name = NULL},
};

static const struct nvc_field id_ns_tail[] = {
	NS(nsattr, DEC, .flags = NVC_FIELD_TAB),
	NS(nvmsetid, DEC),
	NS(endgid, DEC),
	NS(nguid, BYTES),
	NS(eui64, BYTES),
	{.name = NULL},
};

static const struct nvc_field id_ns_json_set[] = {
	NS(nsattr, DEC), NS(nvmsetid, DEC), {.name = NULL}};
static const struct nvc_field id_ns_json_ids[] = {
	NS(endgid, DEC), NS(eui64, BYTES), NS(nguid, BYTES), {.name = NULL}};

/* NLBAF counts from 0; the structure holds 64. */
static unsigned int id_ns_formats(const struct nvh_id_ns *id, bool unique)
{
	unsigned int nr = id->nlbaf + 1u + (unique ? id->nulbaf : 0u);

	return nr < 64 ? nr : 64;
}

static const char *id_ns_performance(uint8_t rp)
{
	static const char *const names[] = {"Best", "Better", "Good", "Degraded"};

	return names[rp & 3];
}

void nvc_id_ns_print(FILE *out, const struct nvh_id_ns *id, uint32_t nsid, bool human, bool vendor)
{
	const struct nvc_bits *bits = human ? nvc_bits_id_ns : NULL;
	unsigned int in_use = nvh_id_ns_format(id);

	fprintf(out, "NVME Identify Namespace %u:\n", nsid);
	nvc_fields_print(out, id_ns_head, id, 8, bits);
	if (id->nsfeat & NVH_NSFEAT_OPTPERF)
		nvc_fields_print(out, id_ns_optimal, id, 8, bits);
	nvc_fields_print(out, id_ns_copy, id, 8, bits);
	nvc_fields_print(out, id_ns_tail, id, 8, bits);
	for (unsigned int i = 0; i < id_ns_formats(id, true); i++) {
		const struct nvh_lbaf *f = &id->lbaf[i];
		const char *used = i == in_use ? "(in use)" : "";

		if (human)
			fprintf(out,
				"LBA Format %2u : Metadata Size: %-3u bytes - Data Size: %-2llu "
				"bytes - Relative Performance: %#x %s %s\n",
				i, nvh_le16_get(f->ms), f->lbads < 64 ? 1ull << f->lbads : 0ull,
				f->rp & 3u, id_ns_performance(f->rp), used);
		else
			fprintf(out, "lbaf %2u : ms:%-3u lbads:%-2u rp:%#x %s\n", i,
				nvh_le16_get(f->ms), f->lbads, f->rp & 3u, used);
	}
	if (vendor) {
		fputs("vs[]:\n", out);
		nvc_hexdump(out, id->vs, sizeof(id->vs));
	}
}

static struct json_object *lbaf_to_json(const struct nvh_lbaf *f)
{
	struct json_object *o = json_object_new_object();

	if (nvhi_json_add_u64(o, "ms", nvh_le16_get(f->ms)) ||
	    nvhi_json_add_u64(o, "ds", f->lbads) || nvhi_json_add_u64(o, "rp", f->rp & 3u)) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

struct json_object *nvc_id_ns_to_json(const struct nvh_id_ns *id)
{
	struct json_object *root = json_object_new_object();
	struct json_object *lbafs = json_object_new_array();
	int err = root && lbafs ? nvc_fields_to_json(root, id_ns_head, id) : -ENOMEM;

	err = err ? err : nvc_fields_to_json(root, id_ns_json_set, id);
	if (id->nsfeat & NVH_NSFEAT_OPTPERF)
		err = err ? err : nvc_fields_to_json(root, id_ns_optimal, id);
	err = err ? err : nvc_fields_to_json(root, id_ns_copy, id);
	err = err ? err : nvc_fields_to_json(root, id_ns_json_ids, id);
	for (unsigned int i = 0; i < id_ns_formats(id, false) && !err; i++)
		err = nvhi_json_append(lbafs, lbaf_to_json(&id->lbaf[i]));
	if (err) {
		json_object_put(lbafs);
		json_object_put(root);
		return NULL;
	}
	if (nvhi_json_add(root, "lbafs", lbafs)) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

/* ---- descriptors -------------------------------------------------------------------------- */

struct desc {
	size_t at;
	uint8_t type, len;
	const char *name;
	char text[40];
};

/* The next descriptor that has a name, at or behind *at, which moves on. False at the end. */
static bool desc_next(const uint8_t *data, size_t *at, struct desc *ret)
{
	while (*at + sizeof(struct nvh_ns_desc) <= 4096) {
		const struct nvh_ns_desc *d = (const struct nvh_ns_desc *)(data + *at);
		const uint8_t *id = data + *at + sizeof(*d);
		struct nvc_field f = {.size = d->nidl, .form = NVC_FIELD_BYTES};

		if (d->nidl == 0 || *at + sizeof(*d) + d->nidl > 4096)
			return false;
		*ret = (struct desc){.at = *at, .type = d->nidt, .len = d->nidl};
		*at += sizeof(*d) + d->nidl;
		if (d->nidt == NVH_NIDT_EUI64 && d->nidl == NVH_NIDL_EUI64) {
			ret->name = "eui64";
		} else if (d->nidt == NVH_NIDT_NGUID && d->nidl == NVH_NIDL_NGUID) {
			ret->name = "nguid";
		} else if (d->nidt == NVH_NIDT_UUID && d->nidl == NVH_NIDL_UUID) {
			ret->name = "uuid";
			f.form = NVC_FIELD_UUID;
		} else if (d->nidt == NVH_NIDT_CSI && d->nidl == NVH_NIDL_CSI) {
			ret->name = "csi";
			f.form = NVC_FIELD_HEX;
		} else {
			continue;
		}
		nvc_field_value_text(&f, id, ret->text, sizeof(ret->text));
		return true;
	}
	return false;
}

void nvc_ns_descs_print(FILE *out, const uint8_t data[4096], uint32_t nsid)
{
	struct desc desc;
	size_t at = 0;

	fprintf(out, "NVME Namespace Identification Descriptors NS %u:\n", nsid);
	while (desc_next(data, &at, &desc))
		fprintf(out, "%-8s: %s\n", desc.name, desc.text);
}

struct json_object *nvc_ns_descs_to_json(const uint8_t data[4096])
{
	struct json_object *root = json_object_new_object(), *array = NULL;
	struct desc desc;
	size_t at = 0;
	int err = root ? 0 : -ENOMEM;

	while (!err && desc_next(data, &at, &desc)) {
		struct json_object *o = json_object_new_object();

		err = nvhi_json_add_u64(o, "loc", desc.at);
		err = err ? err : nvhi_json_add_u64(o, "nidt", desc.type);
		err = err ? err : nvhi_json_add_u64(o, "nidl", desc.len);
		err = err ? err : nvhi_json_add_string(o, "type", desc.name);
		err = err ? err : nvhi_json_add_string(o, desc.name, desc.text);
		if (!array) {
			array = json_object_new_array();
			err = err ? err : nvhi_json_add(root, "ns-descs", array);
		}
		if (err)
			json_object_put(o);
		else
			err = nvhi_json_append(array, o);
	}
	if (err) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

/* ---- sub-commands ------------------------------------------------------------------------- */

/* The NSID asked for, else the device's. -1 after the failure was said. */
static int ns_pick(const char *device, uint32_t asked, uint32_t *ret_nsid)
{
	struct json_object *resolved;

	if (asked) {
		*ret_nsid = asked;
		return 0;
	}
	if (nvc_admin_resolve(device, &resolved) < 0)
		return -1;
	*ret_nsid = nvc_admin_nsid(resolved);
	json_object_put(resolved);
	if (*ret_nsid)
		return 0;
	nvc_misuse("%s is a controller: name a namespace, or its NSID (--namespace-id)", device);
	return -1;
}

static int ns_show_json(struct json_object *root)
{
	if (!root)
		return nvc_fail("out of memory");
	nvc_print_json(root);
	return 0;
}

int nvc_id_ns(int argc, char **argv)
{
	const char *format_text = NULL;
	bool force = false, vendor = false, raw = false, human = false;
	uint32_t nsid = 0;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &nsid, "identifier of desired namespace"),
		NVC_FLAG("force", 0, &force, "return this namespace, even if not attached"),
		NVC_FLAG("vendor-specific", 'v', &vendor, "dump binary vendor fields"),
		NVC_FLAG("raw-binary", 'b', &raw, "show identify in binary format"),
		NVC_STRING("output-format", 'o', "FMT", &format_text,
			   "Output format: normal|json|binary"),
		NVC_FLAG("human-readable", 'H', &human, "show identify in readable format"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "id-ns",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Send an Identify Namespace command to the given device, returns "
			 "properties "
			 "of the specified namespace.",
	};
	enum nvc_format format;
	struct nvh_id_ns id;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, true, &format) < 0)
		return 2;
	if (ns_pick(args.words[0], nsid, &nsid) < 0 ||
	    nvc_admin_identify(args.words[0], force ? NVH_CNS_NS_ALLOC : NVH_CNS_NS, nsid, 0, &id) <
		    0)
		return 1;
	if (raw || format == NVC_BINARY)
		return fwrite(&id, sizeof(id), 1, stdout) != 1;
	if (format == NVC_JSON)
		return ns_show_json(nvc_id_ns_to_json(&id));
	nvc_id_ns_print(stdout, &id, nsid, human, vendor);
	return 0;
}

int nvc_ns_descs(int argc, char **argv)
{
	const char *format_text = NULL;
	uint32_t nsid = 0;
	bool raw = false;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &nsid, "identifier of desired namespace"),
		NVC_STRING("output-format", 'o', "FMT", &format_text,
			   "Output format: normal|json|binary"),
		NVC_FLAG("raw-binary", 'b', &raw, "show descriptors in binary format"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "ns-descs",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Send Namespace Identification Descriptors command to the given device, "
			 "returns the namespace identification descriptors of the specific "
			 "namespace.",
	};
	enum nvc_format format;
	struct nvc_args args;
	uint8_t data[4096];
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, true, &format) < 0)
		return 2;
	if (ns_pick(args.words[0], nsid, &nsid) < 0 ||
	    nvc_admin_identify(args.words[0], NVH_CNS_NS_DESC, nsid, 0, data) < 0)
		return 1;
	if (raw || format == NVC_BINARY)
		return fwrite(data, sizeof(data), 1, stdout) != 1;
	if (format == NVC_JSON)
		return ns_show_json(nvc_ns_descs_to_json(data));
	nvc_ns_descs_print(stdout, data, nsid);
	return 0;
}

static int list_ns_show(const struct nvh_ns_list *list, enum nvc_format format)
{
	struct json_object *root = json_object_new_object(), *array = json_object_new_array();
	int err = root && array ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < NVH_NS_LIST_MAX && !err; i++) {
		uint32_t nsid = nvh_le32_get(list->nsid[i]);
		struct json_object *o;

		if (!nsid)
			continue;
		if (format == NVC_NORMAL)
			printf("[%4u]:%#x\n", i, nsid);
		o = json_object_new_object();
		err = nvhi_json_add_u64(o, "nsid", nsid);
		if (err)
			json_object_put(o);
		else
			err = nvhi_json_append(array, o);
	}
	if (err)
		json_object_put(array);
	else
		err = nvhi_json_add(root, "nsid_list", array);
	if (!err && format == NVC_JSON) {
		nvc_print_json(root);
		return 0;
	}
	json_object_put(root);
	return err ? nvc_fail("out of memory") : 0;
}

int nvc_list_ns(int argc, char **argv)
{
	const char *format_text = NULL;
	uint32_t nsid = 1;
	uint8_t csi = 0;
	bool all = false, csi_given = false;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &nsid,
			   "first nsid returned list should start from", .min = 1),
		NVC_NUMBER("csi", 'y', U8, &csi, "I/O command set identifier", .given = &csi_given),
		NVC_FLAG("all", 'a', &all,
			 "show all namespaces in the subsystem, whether attached or inactive"),
		NVC_STRING("output-format", 'o', "FMT", &format_text, "Output format: normal|json"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "list-ns",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "For the specified controller, show the namespace list in the associated "
			 "NVMe subsystem, optionally starting with a given nsid.",
	};
	uint8_t cns;
	struct nvh_ns_list list;
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, false, &format) < 0)
		return 2;
	if (csi_given)
		cns = all ? NVH_CNS_IOCS_ALLOC_NS : NVH_CNS_IOCS_ACTIVE_NS;
	else
		cns = all ? NVH_CNS_ALLOC_NS : NVH_CNS_ACTIVE_NS;
	if (nvc_admin_identify(args.words[0], cns, nsid - 1, csi, &list) < 0)
		return 1;
	return list_ns_show(&list, format);
}
