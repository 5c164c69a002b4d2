/*
 * What a Cross-Controller Reset's completion and its log say. Pure; nothing a peer sends is believed
 * beyond its length. Base Specification 2.3 sections 5.4.3 and 5.2.12.3.1.
 */
#include <errno.h>
#include <stddef.h>

#include "base/spec/nvme.h"
#include "host/ctrlr/ccr.h"

bool nvhi_ccr_is_immediate(uint32_t dw0)
{
	return dw0 & NVH_CCR_IMMEDIATE;
}

static int entry_result(const struct nvh_ccr_log_entry *entry)
{
	switch (entry->ccrs) {
	case NVH_CCRS_IN_PROGRESS:
		return NVHI_CCR_LOG_RUNNING;
	case NVH_CCRS_SUCCESS:
		return NVHI_CCR_LOG_DONE;
	default:
		return NVHI_CCR_LOG_FAILED;
	}
}

/* One instance may be listed more than once (asked through several controllers): what is least
 * certain counts. */
int nvhi_ccr_log_parse(const void *page, uint32_t len, uint16_t icid, uint8_t ciu)
{
	const struct nvh_ccr_log *log = page;
	uint32_t count, room;
	int result = NVHI_CCR_LOG_NOTHING;

	if (len < offsetof(struct nvh_ccr_log, entries))
		return -EPROTO;
	count = nvh_le16_get(log->ne);
	room = (len - (uint32_t)offsetof(struct nvh_ccr_log, entries)) / sizeof(log->entries[0]);
	if (count > NVH_CCR_LOG_ENTRIES || count > room)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		const struct nvh_ccr_log_entry *entry = &log->entries[i];
		int told;

		if (nvh_le16_get(entry->icid) != icid || entry->ciu != ciu)
			continue;
		told = entry_result(entry);
		if (result == NVHI_CCR_LOG_NOTHING || told == NVHI_CCR_LOG_RUNNING ||
		    (told == NVHI_CCR_LOG_FAILED && result == NVHI_CCR_LOG_DONE))
			result = told;
	}
	return result;
}
