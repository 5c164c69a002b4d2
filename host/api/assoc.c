/*
 * Associations for a successor of this process: listed while their commands may be under way, and
 * fenced when they come from a predecessor that did not end in order (docs/multipath.md). Home.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/api/host.h"

static void assoc_fill(struct nvh_assoc *to, const struct nvhi_assoc *from, const char *name,
		       uint8_t mode)
{
	struct nvh_assoc all = {.size = to->size};

	snprintf(all.subnqn, sizeof(all.subnqn), "%s", from->subnqn);
	snprintf(all.name, sizeof(all.name), "%s", name);
	all.cntlid = from->cntlid;
	all.ciu = from->ciu;
	all.cirn = from->cirn;
	all.kato_ms = from->kato_ms;
	all.cqt_ms = from->cqt_ms;
	all.ccr = from->ccr;
	all.tbkas = from->tbkas;
	snprintf(all.write_fence, sizeof(all.write_fence), "%s", nvhi_api_write_fence_name(mode));
	memcpy(to, &all, to->size < sizeof(all) ? to->size : sizeof(all));
}

int nvh_host_assoc(struct nvh_host *host, unsigned int index, struct nvh_assoc *ret_assoc)
{
	const struct nvhi_assoc *fenced;
	struct nvh_ctrlr *ctrlr;
	struct nvhi_assoc assoc;
	const char *name;
	uint8_t mode;

	nvhi_list_for_each(ctrlr, &host->ctrlrs, link) {
		if (ctrlr->discovery || !nvhi_ctrlr_is_associated(ctrlr->inner) || index-- > 0)
			continue;
		nvhi_ctrlr_assoc(ctrlr->inner, &assoc);
		assoc_fill(ret_assoc, &assoc, ctrlr->name,
			   nvhi_ctrlr_opts(ctrlr->inner)->write_fence);
		return 0;
	}
	fenced = nvhi_mp_fence_next(&host->mp, index, &mode, &name);
	if (!fenced)
		return -ENOENT;
	assoc_fill(ret_assoc, fenced, name, mode);
	return 0;
}

int nvh_host_fence(struct nvh_host *host, const struct nvh_assoc *assoc)
{
	struct nvhi_assoc inner;
	int mode;

	if (!assoc || assoc->size < sizeof(*assoc) || !assoc->subnqn[0] ||
	    strnlen(assoc->subnqn, sizeof(assoc->subnqn)) == sizeof(assoc->subnqn) ||
	    strnlen(assoc->name, sizeof(assoc->name)) == sizeof(assoc->name) ||
	    strnlen(assoc->write_fence, sizeof(assoc->write_fence)) == sizeof(assoc->write_fence))
		return -EINVAL;
	mode = nvhi_api_write_fence_parse(assoc->write_fence);
	if (mode < 0)
		return mode;
	if (mode == NVHI_WRITE_FENCE_OFF)
		return 0;
	memset(&inner, 0, sizeof(inner));
	snprintf(inner.subnqn, sizeof(inner.subnqn), "%s", assoc->subnqn);
	inner.cntlid = assoc->cntlid;
	inner.ciu = assoc->ciu;
	inner.cirn = assoc->cirn;
	inner.kato_ms = assoc->kato_ms;
	inner.cqt_ms = (uint16_t)assoc->cqt_ms;
	inner.ccr = assoc->ccr;
	inner.tbkas = assoc->tbkas;
	return nvhi_mp_fence_earlier(&host->mp, &inner, (uint8_t)mode, assoc->name);
}
