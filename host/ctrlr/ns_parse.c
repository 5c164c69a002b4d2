/*
 * Identify Namespace unpacked and checked: NVM command set (CNS 00h) and what is independent of the
 * command set (CNS 08h). Pure; every byte is a stranger's. NVM Command Set Specification 1.1
 * section 4.1.5.1, Base Specification 2.1 section 5.1.13.2.8.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

#define LBADS_MIN    9u
#define LBADS_MAX    31u
#define IO_LBADS_MAX 16u /* larger blocks are listed but get no I/O */

static void parse_format(const struct nvh_id_ns *id, const struct nvh_lbaf *format,
			 struct nvhi_ns_data *ns)
{
	ns->lba_shift = format->lbads;
	ns->block_size = 1u << format->lbads;
	ns->md_size = nvh_le16_get(format->ms);
	ns->md_interleaved = ns->md_size && (id->flbas & NVH_FLBAS_EXTENDED);
	ns->dps = id->dps;
	ns->refusal = NULL;
	if (format->lbads > IO_LBADS_MAX)
		ns->refusal = "blocks of more than 64 KiB are not supported";
	else if (id->dps & NVH_DPS_TYPE_MASK)
		ns->refusal = "end-to-end protection is not supported";
	else if (ns->md_size)
		ns->refusal = "a format with metadata is not supported";
	ns->io_supported = !ns->refusal;
}

int nvhi_ns_parse(const struct nvh_id_ns *id, struct nvhi_ns_data *ns, const char **ret_why)
{
	unsigned int formats = (unsigned int)id->nlbaf + id->nulbaf + 1;
	unsigned int index = nvh_id_ns_format(id);
	uint64_t nsze = nvh_le64_get(id->nsze);
	const struct nvh_lbaf *format;

	if (nsze == 0 && nvh_le64_get(id->ncap) == 0 && id->lbaf[0].lbads == 0)
		return -ENOENT;
	*ret_why = "NLBAF is beyond 64 formats";
	if (formats > NVHI_ARRAY_SIZE(id->lbaf))
		return -EPROTO;
	*ret_why = "FLBAS names a format beyond NLBAF";
	if (index >= formats)
		return -EPROTO;
	format = &id->lbaf[index];
	*ret_why = "LBADS is not in 9-31";
	if (format->lbads < LBADS_MIN || format->lbads > LBADS_MAX)
		return -EPROTO;
	*ret_why = "NSZE is beyond 2^63 bytes";
	if (nsze > (uint64_t)INT64_MAX >> format->lbads)
		return -EPROTO;
	ns->csi = NVH_CSI_NVM;
	parse_format(id, format, ns);
	ns->nsze = nsze;
	ns->ncap = nvh_le64_get(id->ncap);
	ns->nuse = nvh_le64_get(id->nuse);
	ns->nsfeat = id->nsfeat;
	ns->dlfeat = id->dlfeat;
	ns->noiob = nvh_le16_get(id->noiob);
	ns->npwg = nvh_le16_get(id->npwg);
	ns->npwa = nvh_le16_get(id->npwa);
	ns->npdg = nvh_le16_get(id->npdg);
	ns->npda = nvh_le16_get(id->npda);
	ns->nows = nvh_le16_get(id->nows);
	ns->mssrl = nvh_le16_get(id->mssrl);
	ns->mcl = nvh_le32_get(id->mcl);
	ns->msrc = id->msrc;
	ns->nawun = nvh_le16_get(id->nawun);
	ns->nawupf = nvh_le16_get(id->nawupf);
	ns->nacwu = nvh_le16_get(id->nacwu);
	ns->nabsn = nvh_le16_get(id->nabsn);
	ns->nabo = nvh_le16_get(id->nabo);
	ns->nabspf = nvh_le16_get(id->nabspf);
	ns->nmic = id->nmic;
	ns->rescap = id->rescap;
	ns->nsattr = id->nsattr;
	ns->anagrpid = nvh_le32_get(id->anagrpid);
	ns->ready = true;
	return 0;
}

void nvhi_ns_parse_indep(const struct nvh_id_ns_indep *id, struct nvhi_ns_data *ns)
{
	ns->nmic = id->nmic;
	ns->rescap = id->rescap;
	ns->nsattr = id->nsattr;
	ns->nsfeat = id->nsfeat;
	ns->anagrpid = nvh_le32_get(id->anagrpid);
	ns->ready = id->nstat & NVH_NSTAT_READY;
}

static bool identity_differs(const struct nvhi_ns_data *a, const struct nvhi_ns_data *b)
{
	return a->csi != b->csi || a->has_uuid != b->has_uuid || a->has_nguid != b->has_nguid ||
	       a->has_eui64 != b->has_eui64 || memcmp(a->uuid, b->uuid, sizeof(a->uuid)) != 0 ||
	       memcmp(a->nguid, b->nguid, sizeof(a->nguid)) != 0 ||
	       memcmp(a->eui64, b->eui64, sizeof(a->eui64)) != 0;
}

static bool format_differs(const struct nvhi_ns_data *a, const struct nvhi_ns_data *b)
{
	return a->block_size != b->block_size || a->md_size != b->md_size ||
	       a->md_interleaved != b->md_interleaved || a->dps != b->dps ||
	       a->io_supported != b->io_supported;
}

static bool attr_differs(const struct nvhi_ns_data *a, const struct nvhi_ns_data *b)
{
	return a->ncap != b->ncap || a->nsfeat != b->nsfeat || a->dlfeat != b->dlfeat ||
	       a->noiob != b->noiob || a->npwg != b->npwg || a->npwa != b->npwa ||
	       a->npdg != b->npdg || a->npda != b->npda || a->nows != b->nows ||
	       a->mssrl != b->mssrl || a->mcl != b->mcl || a->msrc != b->msrc ||
	       a->nawun != b->nawun || a->nawupf != b->nawupf || a->nacwu != b->nacwu ||
	       a->nabsn != b->nabsn || a->nabo != b->nabo || a->nabspf != b->nabspf ||
	       a->nmic != b->nmic || a->rescap != b->rescap || a->nsattr != b->nsattr ||
	       a->ready != b->ready;
}

/* NUSE moves all the time and counts for nothing. */
uint32_t nvhi_ns_differs(const struct nvhi_ns_data *a, const struct nvhi_ns_data *b)
{
	uint32_t what = 0;

	if (a->nsze != b->nsze)
		what |= NVHI_NS_SIZE;
	if (format_differs(a, b))
		what |= NVHI_NS_FORMAT;
	if (identity_differs(a, b))
		what |= NVHI_NS_IDENTITY;
	if (attr_differs(a, b))
		what |= NVHI_NS_ATTR;
	if (a->anagrpid != b->anagrpid)
		what |= NVHI_NS_ANA;
	return what;
}
