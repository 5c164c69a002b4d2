/*
 * The ANA log's bytes, checked (Base Specification 2.1 figure 219). Pure: no length, count or state
 * of the controller's is believed before it was looked at.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ana.h"

static bool ana_state_known(uint8_t state)
{
	switch (state) {
	case NVH_ANA_OPTIMIZED:
	case NVH_ANA_NONOPTIMIZED:
	case NVH_ANA_INACCESSIBLE:
	case NVH_ANA_PERSISTENT_LOSS:
	case NVH_ANA_CHANGE:
		return true;
	default:
		return false;
	}
}

static int group_order(const void *a, const void *b)
{
	uint32_t x = ((const struct nvhi_ana_group *)a)->id;
	uint32_t y = ((const struct nvhi_ana_group *)b)->id;

	return x < y ? -1 : x > y;
}

static const char *ana_parse_group(const uint8_t *at, uint32_t left, uint32_t anagrpmax,
				   struct nvhi_ana_group *group, uint32_t *ret_size)
{
	struct nvh_ana_group raw;
	uint64_t size;

	if (left < sizeof(raw))
		return "NGRPS: more groups than the log holds";
	memcpy(&raw, at, sizeof(raw));
	group->id = nvh_le32_get(raw.grpid);
	group->state = raw.state & NVH_ANA_STATE_MASK;
	if (group->id == 0)
		return "ANAGRPID 0";
	if (anagrpmax && group->id > anagrpmax)
		return "ANAGRPID above ANAGRPMAX";
	if (!ana_state_known(group->state))
		return "an ANA state that does not exist";
	size = sizeof(raw) + 4ull * nvh_le32_get(raw.nnsids);
	if (size > left)
		return "NNSIDS: more namespaces than the log holds";
	*ret_size = (uint32_t)size;
	return NULL;
}

int nvhi_ana_parse(const void *log, uint32_t len, uint32_t anagrpmax, struct nvhi_ana_group *groups,
		   uint32_t max, uint32_t *ret_count, const char **ret_why)
{
	const uint8_t *at = log;
	struct nvh_ana_log header;
	uint32_t count, size = 0;
	const char *why = NULL;

	if (len < sizeof(header)) {
		*ret_why = "shorter than its header";
		return -EPROTO;
	}
	memcpy(&header, at, sizeof(header));
	at += sizeof(header);
	len -= sizeof(header);
	count = nvh_le16_get(header.ngrps);
	if (count > max)
		why = "NGRPS above NANAGRPID";
	for (uint32_t i = 0; i < count && !why; i++) {
		why = ana_parse_group(at, len, anagrpmax, &groups[i], &size);
		at += size;
		len -= size;
	}
	if (!why) {
		qsort(groups, count, sizeof(*groups), group_order);
		for (uint32_t i = 1; i < count && !why; i++)
			if (groups[i].id == groups[i - 1].id)
				why = "an ANAGRPID that comes twice";
	}
	if (why) {
		*ret_why = why;
		return -EPROTO;
	}
	*ret_count = count;
	return 0;
}

const char *nvhi_ana_state_text(uint8_t state)
{
	switch (state) {
	case NVH_ANA_OPTIMIZED:
		return "optimized";
	case NVH_ANA_NONOPTIMIZED:
		return "non-optimized";
	case NVH_ANA_INACCESSIBLE:
		return "inaccessible";
	case NVH_ANA_PERSISTENT_LOSS:
		return "persistent-loss";
	case NVH_ANA_CHANGE:
		return "change";
	default:
		return "unknown";
	}
}
