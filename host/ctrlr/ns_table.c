/*
 * The namespaces of a controller, by NSID, and what differs between two readings of them. Home
 * reactor.
 */
#include <stdlib.h>

#include "host/ctrlr/ctrlr_impl.h"

const struct nvhi_ns_data *nvhi_ns_table_find(const struct nvhi_ns_table *table, uint32_t nsid)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->ns[middle].nsid < nsid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->count && table->ns[low].nsid == nsid ? &table->ns[low] : NULL;
}

/* The new table stands before anybody is told, so that owners may look at it. */
void nvhi_ns_table_swap(struct nvhi_ctrlr *ctrlr, struct nvhi_ns_table *next)
{
	struct nvhi_ns_table old = ctrlr->table;
	const struct nvhi_ns_data *was;
	uint32_t what;

	ctrlr->table = *next;
	*next = (struct nvhi_ns_table){0};
	for (uint32_t i = 0; i < old.count; i++)
		if (!nvhi_ns_table_find(&ctrlr->table, old.ns[i].nsid))
			nvhi_ctrlr_event(ctrlr, ns_removed, old.ns[i].nsid);
	for (uint32_t i = 0; i < ctrlr->table.count; i++) {
		was = nvhi_ns_table_find(&old, ctrlr->table.ns[i].nsid);
		what = was ? nvhi_ns_differs(was, &ctrlr->table.ns[i]) : 0;
		if (!was)
			nvhi_ctrlr_event(ctrlr, ns_added, &ctrlr->table.ns[i]);
		else if (what)
			nvhi_ctrlr_event(ctrlr, ns_changed, &ctrlr->table.ns[i], what);
	}
	free(old.ns);
}

void nvhi_ns_drop_all(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ns_table none = {0};

	nvhi_ns_table_swap(ctrlr, &none);
}
