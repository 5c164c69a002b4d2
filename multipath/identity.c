/*
 * Identity before merging: two paths are one namespace only when the subsystem says that it is
 * shared and they agree on an identifier, the size, the format and the command set. NSIDs and the
 * subsystem's name alone prove nothing. Pure. Base Specification 2.1 section 4.7.1.
 */
#include <string.h>

#include "multipath/head.h"

bool nvhi_identity_sharable(const struct nvhi_ns_data *data)
{
	return (data->nmic & NVH_NMIC_SHARED) &&
	       (data->has_uuid || data->has_nguid || data->has_eui64);
}

const char *nvhi_identity_differs(const struct nvhi_ns_data *a, const struct nvhi_ns_data *b)
{
	if (a->nsid != b->nsid)
		return "the NSID differs";
	if (a->has_uuid != b->has_uuid || memcmp(a->uuid, b->uuid, sizeof(a->uuid)))
		return "the UUID differs";
	if (a->has_nguid != b->has_nguid || memcmp(a->nguid, b->nguid, sizeof(a->nguid)))
		return "the NGUID differs";
	if (a->has_eui64 != b->has_eui64 || memcmp(a->eui64, b->eui64, sizeof(a->eui64)))
		return "the EUI64 differs";
	if (a->csi != b->csi)
		return "the command set differs";
	if (a->block_size != b->block_size)
		return "the block size differs";
	if (a->md_size != b->md_size || a->md_interleaved != b->md_interleaved || a->dps != b->dps)
		return "the metadata format differs";
	if (a->nsze != b->nsze)
		return "the size differs";
	return NULL;
}
