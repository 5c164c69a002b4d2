/*
 * The namespace identification descriptors, parsed. Pure, any thread; every byte is a stranger's.
 *
 * Base Specification 2.1 section 5.1.13.2.3.
 */
#include "host/ctrlr/ns_desc.h"

#include <errno.h>
#include <string.h>

static int ns_desc_fail(const char **ret_why, const char *why)
{
	if (ret_why)
		*ret_why = why;
	return -EPROTO;
}

static bool ns_desc_is_zero(const uint8_t *id, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (id[i])
			return false;
	}
	return true;
}

/* Takes one identifier; false when it contradicts an earlier one of the same type. */
static bool ns_desc_take(bool *has, uint8_t *out, const uint8_t *id, size_t len)
{
	if (ns_desc_is_zero(id, len))
		return true;
	if (*has && memcmp(out, id, len))
		return false;
	*has = true;
	memcpy(out, id, len);
	return true;
}

/* What a known type must be long, 0 for an unknown one. */
static size_t ns_desc_len(uint8_t nidt)
{
	switch (nidt) {
	case NVH_NIDT_EUI64:
		return NVH_NIDL_EUI64;
	case NVH_NIDT_NGUID:
		return NVH_NIDL_NGUID;
	case NVH_NIDT_UUID:
		return NVH_NIDL_UUID;
	case NVH_NIDT_CSI:
		return NVH_NIDL_CSI;
	default:
		return 0;
	}
}

static bool ns_desc_apply(struct nvhi_ns_ids *ids, uint8_t nidt, const uint8_t *id)
{
	switch (nidt) {
	case NVH_NIDT_EUI64:
		return ns_desc_take(&ids->has_eui64, ids->eui64, id, sizeof(ids->eui64));
	case NVH_NIDT_NGUID:
		return ns_desc_take(&ids->has_nguid, ids->nguid, id, sizeof(ids->nguid));
	case NVH_NIDT_UUID:
		return ns_desc_take(&ids->has_uuid, ids->uuid, id, sizeof(ids->uuid));
	case NVH_NIDT_CSI:
		if (ids->has_csi && ids->csi != *id)
			return false;
		ids->has_csi = true; /* 0 is the NVM command set, not "none" */
		ids->csi = *id;
		return true;
	default:
		return true;
	}
}

int nvhi_ns_desc_parse(const void *buf, size_t len, struct nvhi_ns_ids *ret_ids,
		       const char **ret_why)
{
	struct nvhi_ns_ids ids = {0};
	const uint8_t *p = buf;

	while (len >= sizeof(struct nvh_ns_desc)) {
		struct nvh_ns_desc desc;
		size_t known;

		memcpy(&desc, p, sizeof(desc));
		if (!desc.nidl)
			break;
		p += sizeof(desc);
		len -= sizeof(desc);
		if (desc.nidl > len)
			return ns_desc_fail(ret_why, "a descriptor (NIDL) runs past the end");
		known = ns_desc_len(desc.nidt);
		if (known && desc.nidl != known)
			return ns_desc_fail(ret_why, "NIDL is wrong for the descriptor's type");
		if (!ns_desc_apply(&ids, desc.nidt, p))
			return ns_desc_fail(ret_why, "two descriptors of one type differ");
		p += desc.nidl;
		len -= desc.nidl;
	}
	*ret_ids = ids;
	return 0;
}

void nvhi_ns_ids_merge(struct nvhi_ns_ids *ids, const struct nvh_id_ns *id_ns)
{
	if (!ids->has_eui64)
		ns_desc_take(&ids->has_eui64, ids->eui64, id_ns->eui64, sizeof(ids->eui64));
	if (!ids->has_nguid)
		ns_desc_take(&ids->has_nguid, ids->nguid, id_ns->nguid, sizeof(ids->nguid));
}
