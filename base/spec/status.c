/*
 * Text for status codes. The Fabrics command set gives its own meaning to command-specific codes
 * that the NVM command set uses too, hence two lookups.
 */
#include "base/spec/nvme_status.h"

struct status_entry {
	uint16_t code;
	const char *name;
	const char *text;
};

#define NVH_X(t, c, n, s) {(t) << 8 | (c), #n, s},
static const struct status_entry status_table[] = {NVH_STATUS_LIST(NVH_X)};
static const struct status_entry status_fabrics_table[] = {NVH_FABRICS_STATUS_LIST(NVH_X)};
#undef NVH_X

#define TABLE_SIZE(t) (sizeof(t) / sizeof((t)[0]))

static const struct status_entry *status_find(const struct status_entry *table, size_t num,
					      unsigned sct, unsigned sc)
{
	for (size_t i = 0; i < num; i++) {
		if (table[i].code == ((sct & 7) << 8 | (sc & 0xff)))
			return &table[i];
	}
	return NULL;
}

/* What can be said of a code that is in no list. */
static const char *status_type_text(unsigned sct)
{
	switch (sct) {
	case NVH_SCT_GENERIC:
		return "Unknown generic status";
	case NVH_SCT_CMD_SPECIFIC:
		return "Unknown command specific status";
	case NVH_SCT_MEDIA:
		return "Unknown media or data integrity error";
	case NVH_SCT_PATH:
		return "Unknown path related status";
	case NVH_SCT_VENDOR:
		return "Vendor specific status";
	default:
		return "Status of a reserved type";
	}
}

const char *nvh_status_text(unsigned sct, unsigned sc)
{
	const struct status_entry *e = status_find(status_table, TABLE_SIZE(status_table), sct, sc);

	return e ? e->text : status_type_text(sct);
}

const char *nvh_fabrics_status_text(unsigned sct, unsigned sc)
{
	const struct status_entry *e =
		status_find(status_fabrics_table, TABLE_SIZE(status_fabrics_table), sct, sc);

	return e ? e->text : nvh_status_text(sct, sc);
}

const char *nvh_status_name(unsigned sct, unsigned sc)
{
	const struct status_entry *e = status_find(status_table, TABLE_SIZE(status_table), sct, sc);

	return e ? e->name : "UNKNOWN";
}
