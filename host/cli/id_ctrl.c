/*
 * nvhost id-ctrl: Identify Controller in nvme-cli's shapes. Base Specification 2.1, figure 313.
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

#define CTRLR(memb, form, ...) NVC_FIELD(nvh_id_ctrlr, memb, form, ##__VA_ARGS__)
/* Fields that nvme-cli calls by other names. */
#define CTRLR_AS(nam, memb, frm)                                                                   \
	{                                                                                          \
		.name = (nam), .offset = offsetof(struct nvh_id_ctrlr, memb),                      \
		.size = sizeof(((struct nvh_id_ctrlr *)0)->memb), .form = NVC_FIELD_##frm          \
	}

static const struct nvc_field id_ctrl_fields[] = {
	CTRLR(vid, HEX),
	CTRLR(ssvid, HEX),
	CTRLR(sn, TEXT),
	CTRLR(mn, TEXT),
	CTRLR(fr, TEXT),
	CTRLR(rab, DEC),
	CTRLR(ieee, OUI),
	CTRLR(cmic, HEX),
	CTRLR(mdts, DEC),
	CTRLR(cntlid, HEX),
	CTRLR(ver, HEX),
	CTRLR(rtd3r, HEX),
	CTRLR(rtd3e, HEX),
	CTRLR(oaes, HEX),
	CTRLR(ctratt, HEX),
	CTRLR(rrls, HEX),
	CTRLR(cntrltype, DEC),
	CTRLR(fguid, UUID),
	CTRLR(crdt1, DEC),
	CTRLR(crdt2, DEC),
	CTRLR(crdt3, DEC),
	CTRLR(nvmsr, DEC),
	CTRLR(vwci, DEC),
	CTRLR(mec, DEC),
	CTRLR(oacs, HEX),
	CTRLR(acl, DEC),
	CTRLR(aerl, DEC),
	CTRLR(frmw, HEX),
	CTRLR(lpa, HEX),
	CTRLR(elpe, DEC),
	CTRLR(npss, DEC),
	CTRLR(avscc, HEX),
	CTRLR(apsta, HEX),
	CTRLR(wctemp, DEC),
	CTRLR(cctemp, DEC),
	CTRLR(mtfa, DEC),
	CTRLR(hmpre, DEC),
	CTRLR(hmmin, DEC),
	CTRLR(tnvmcap, DEC),
	CTRLR(unvmcap, DEC),
	CTRLR(rpmbs, HEX),
	CTRLR(edstt, DEC),
	CTRLR(dsto, DEC),
	CTRLR(fwug, DEC),
	CTRLR(kas, DEC),
	CTRLR(hctma, HEX),
	CTRLR(mntmt, DEC),
	CTRLR(mxtmt, DEC),
	CTRLR(sanicap, HEX),
	CTRLR(hmminds, DEC),
	CTRLR(hmmaxd, DEC),
	CTRLR(nsetidmax, DEC),
	CTRLR(endgidmax, DEC),
	CTRLR(anatt, DEC),
	CTRLR(anacap, DEC),
	CTRLR(anagrpmax, DEC),
	CTRLR(nanagrpid, DEC),
	CTRLR(pels, DEC),
	CTRLR(domainid, DEC),
	CTRLR(megcap, DEC),
	CTRLR(sqes, HEX),
	CTRLR(cqes, HEX),
	CTRLR(maxcmd, DEC),
	CTRLR(nn, DEC),
	CTRLR(oncs, HEX),
	CTRLR(fuses, HEX),
	CTRLR(fna, HEX),
	CTRLR(vwc, HEX),
	CTRLR(awun, DEC),
	CTRLR(awupf, DEC),
	CTRLR_AS("icsvscc", nvscc, DEC),
	CTRLR(nwpc, DEC),
	CTRLR(acwu, DEC),
	CTRLR_AS("ocfs", cdfs, HEX),
	CTRLR(sgls, HEX),
	CTRLR(mnan, DEC),
	CTRLR(maxdna, DEC),
	CTRLR(maxcna, DEC),
	CTRLR(subnqn, TEXT),
	CTRLR(ioccsz, DEC),
	CTRLR(iorcsz, DEC),
	CTRLR(icdoff, DEC),
	CTRLR(fcatt, HEX),
	CTRLR(msdbd, DEC),
	CTRLR(ofcs, DEC),
	{.name = NULL},
};

/* ---- power states ------------------------------------------------------------------------- */

/* Power scale: 1 is 0.0001 W, 2 is 0.01 W, 0 not reported. Figure 314. */
static unsigned int psd_scale(uint8_t byte)
{
	return byte >> 6;
}

static void psd_watts(FILE *out, unsigned int power, unsigned int scale)
{
	switch (scale) {
	case 0:
		fputc('-', out);
		break;
	case 1:
		fprintf(out, "%u.%04uW", power / 10000, power % 10000);
		break;
	case 2:
		fprintf(out, "%u.%02uW", power / 100, power % 100);
		break;
	default:
		fputs("reserved", out);
	}
}

static const char *psd_workload(uint8_t apws)
{
	static const char *const loads[] = {"-", "1MiB 32 RW, 30s idle", "80K 128KiB SW"};
	unsigned int load = apws & 7;

	return load < 3 ? loads[load] : "reserved";
}

static void psd_print(FILE *out, unsigned int index, const struct nvh_psd *psd)
{
	fprintf(out, "ps   %4u : mp:", index);
	psd_watts(out, nvh_le16_get(psd->mp), psd->flags & 1 ? 1 : 2);
	fprintf(out, " %soperational enlat:%u exlat:%u rrt:%u rrl:%u\n",
		psd->flags & 2 ? "non-" : "", nvh_le32_get(psd->enlat), nvh_le32_get(psd->exlat),
		psd->rrt, psd->rrl);
	fprintf(out, "            rwt:%u rwl:%u idle_power:", psd->rwt, psd->rwl);
	psd_watts(out, nvh_le16_get(psd->idlp), psd_scale(psd->ips));
	fputs(" active_power:", out);
	psd_watts(out, nvh_le16_get(psd->actp), psd_scale(psd->apws));
	fprintf(out, "\n            active_power_workload:%s\n", psd_workload(psd->apws));
}

static struct json_object *psd_to_json(const struct nvh_psd *psd)
{
	const struct {
		const char *name;
		uint32_t value;
	} members[] = {
		{"max_power", nvh_le16_get(psd->mp)},
		{"flags", psd->flags},
		{"entry_lat", nvh_le32_get(psd->enlat)},
		{"exit_lat", nvh_le32_get(psd->exlat)},
		{"read_tput", psd->rrt},
		{"read_lat", psd->rrl},
		{"write_tput", psd->rwt},
		{"write_lat", psd->rwl},
		{"idle_power", nvh_le16_get(psd->idlp)},
		{"idle_scale", psd_scale(psd->ips)},
		{"active_power", nvh_le16_get(psd->actp)},
		{"active_power_work", psd->apws & 7u},
		{"active_scale", psd_scale(psd->apws)},
	};
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (nvhi_json_add_u64(o, members[i].name, members[i].value)) {
			json_object_put(o);
			return NULL;
		}
	}
	return o;
}

/* NPSS counts from 0 and a controller may claim more than the structure holds. */
static unsigned int psd_count(const struct nvh_id_ctrlr *id)
{
	return id->npss < 32 ? id->npss + 1u : 32u;
}

/* ---- output ------------------------------------------------------------------------------- */

void nvc_id_ctrl_print(FILE *out, const struct nvh_id_ctrlr *id, bool human, bool vendor)
{
	fputs("NVME Identify Controller:\n", out);
	nvc_fields_print(out, id_ctrl_fields, id, 10, human ? nvc_bits_id_ctrl : NULL);
	for (unsigned int i = 0; i < psd_count(id); i++)
		psd_print(out, i, &id->psd[i]);
	if (vendor) {
		fputs("vs[]:\n", out);
		nvc_hexdump(out, id->vs, sizeof(id->vs));
	}
}

struct json_object *nvc_id_ctrl_to_json(const struct nvh_id_ctrlr *id)
{
	struct json_object *root = json_object_new_object();
	struct json_object *psds = json_object_new_array();
	int err = root && psds ? nvc_fields_to_json(root, id_ctrl_fields, id) : -ENOMEM;

	for (unsigned int i = 0; i < psd_count(id) && !err; i++)
		err = nvhi_json_append(psds, psd_to_json(&id->psd[i]));
	if (err) {
		json_object_put(psds);
		json_object_put(root);
		return NULL;
	}
	if (nvhi_json_add(root, "psds", psds)) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

int nvc_id_ctrl(int argc, char **argv)
{
	const char *format_text = NULL;
	bool vendor = false, raw = false, human = false;
	const struct nvc_opt opts[] = {
		NVC_FLAG("vendor-specific", 'v', &vendor, "dump binary vendor field"),
		NVC_STRING("output-format", 'o', "FMT", &format_text,
			   "Output format: normal|json|binary"),
		NVC_FLAG("raw-binary", 'b', &raw, "show identify in binary format"),
		NVC_FLAG("human-readable", 'H', &human, "show identify in readable format"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "id-ctrl",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Send an Identify Controller command to the given device and report "
			 "information about the specified controller.",
	};
	struct nvh_id_ctrlr id;
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, true, &format) < 0)
		return 2;
	if (nvc_admin_identify(args.words[0], NVH_CNS_CTRLR, 0, 0, &id) < 0)
		return 1;
	if (raw || format == NVC_BINARY)
		return fwrite(&id, sizeof(id), 1, stdout) != 1;
	if (format == NVC_JSON) {
		struct json_object *root = nvc_id_ctrl_to_json(&id);

		if (!root)
			return nvc_fail("out of memory");
		nvc_print_json(root);
		return 0;
	}
	nvc_id_ctrl_print(stdout, &id, human, vendor);
	return 0;
}
