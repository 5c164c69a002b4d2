/*
 * Reading the namespaces: the active list in chunks of 1,024 (CNS 02h), then of each namespace its
 * descriptors (CNS 03h) and its data (CNS 00h, or 08h for other command sets), a few at a time. The
 * result is a new table that takes the old one's place at once; what could not be read or is
 * malformed keeps its last good data and is read again later. Home reactor. Base Specification 2.1
 * section 5.1.13.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"
#include "host/ctrlr/ns_desc.h"

#define SCAN_ROOM_MIN   64u
#define SCAN_REPEAT_MAX 6u
#define SCAN_REPEAT_MS  500u                      /* doubled each time */
#define SCAN_SHORT_NS   (10 * NVHI_NSEC_PER_MSEC) /* a scan that disturbs nobody */
#define SCAN_AGAIN_MS   50u                       /* between two scans that events ask for */

enum scan_step {
	SCAN_DESC,
	SCAN_NVM,
	SCAN_INDEP,
};

static void scan_pump(struct nvhi_ctrlr *ctrlr);
static void scan_list(struct nvhi_ctrlr *ctrlr);

static void scan_tell(struct nvhi_list *waiters, int err)
{
	struct nvhi_list told;

	nvhi_list_init(&told);
	nvhi_list_splice_tail(&told, waiters);
	while (!nvhi_list_empty(&told)) {
		struct nvhi_ctrlr_waiter *waiter =
			nvhi_list_first(&told, struct nvhi_ctrlr_waiter, link);

		nvhi_list_del(&waiter->link);
		waiter->fn(waiter, err);
	}
}

/* One line a scan: a peer with 4,096 broken namespaces must not fill the log. */
static void scan_complain(struct nvhi_ctrlr *ctrlr, uint32_t nsid, const char *why)
{
	ctrlr->scan.incomplete = true;
	if (ctrlr->scan.complained)
		return;
	ctrlr->scan.complained = true;
	if (nsid)
		nvhi_log(WARN, CTRLR, "%s: namespace %u: %s; its last good data stays", ctrlr->name,
			 nsid, why);
	else
		nvhi_log(WARN, CTRLR, "%s: namespace list: %s; the last good one stays",
			 ctrlr->name, why);
}

/* ---- end of a scan ----------------------------------------------------------------------- */

static void scan_arm(struct nvhi_ctrlr *ctrlr, uint32_t ms)
{
	if (nvhi_timer_arm(ctrlr->home, &ctrlr->scan.retry, ms * NVHI_NSEC_PER_MSEC) < 0)
		nvhi_log(ERROR, CTRLR, "%s: no memory for a timer: namespaces are not read again",
			 ctrlr->name);
}

static uint32_t scan_rest_ms(const struct nvhi_ctrlr *ctrlr)
{
	uint64_t now = nvhi_reactor_now(ctrlr->home), until = ctrlr->scan.rest_until;

	return until > now ? (uint32_t)((until - now) / NVHI_NSEC_PER_MSEC) : 0;
}

static void scan_later(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	if (scan->again) {
		scan_arm(ctrlr, SCAN_AGAIN_MS + scan_rest_ms(ctrlr));
		return;
	}
	if (!scan->incomplete) {
		scan->repeats = 0;
	} else if (scan->repeats < SCAN_REPEAT_MAX) {
		scan->again = scan->again_full = true;
		scan_arm(ctrlr, SCAN_REPEAT_MS << scan->repeats++);
	}
}

static void scan_finish(struct nvhi_ctrlr *ctrlr, int err)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	uint64_t now = nvhi_reactor_now(ctrlr->home);

	scan->running = false;
	scan->rest_until = now - scan->started < SCAN_SHORT_NS ? now : now + (now - scan->started);
	if (!err)
		nvhi_ns_table_swap(ctrlr, &scan->table);
	free(scan->table.ns);
	scan->table = (struct nvhi_ns_table){0};
	scan->room = 0;
	scan_later(ctrlr);
	scan_tell(&scan->waiters, err);
	if (ctrlr->state == NVHI_CTRLR_QUEUES)
		nvhi_queues_check(ctrlr);
}

/* All were identified: those that vanished meanwhile (NSID 0) go. */
static void scan_complete(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_ns_table *table = &ctrlr->scan.table;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->count; i++)
		if (table->ns[i].nsid)
			table->ns[kept++] = table->ns[i];
	table->count = kept;
	scan_finish(ctrlr, 0);
}

/* ---- one namespace ----------------------------------------------------------------------- */

static void slot_send(struct nvhi_scan_slot *slot, enum scan_step step);

static void slot_over(struct nvhi_scan_slot *slot)
{
	slot->out = false;
	scan_pump(slot->ctrlr);
}

static void slot_vanished(struct nvhi_scan_slot *slot)
{
	slot->ctrlr->scan.table.ns[slot->index].nsid = 0;
	slot_over(slot);
}

static void slot_bad(struct nvhi_scan_slot *slot, const char *why)
{
	struct nvhi_ns_data *to = &slot->ctrlr->scan.table.ns[slot->index];
	const struct nvhi_ns_data *old = nvhi_ns_table_find(&slot->ctrlr->table, to->nsid);

	scan_complain(slot->ctrlr, to->nsid, why);
	if (old)
		*to = *old;
	else
		to->nsid = 0;
	slot_over(slot);
}

static void slot_take(struct nvhi_scan_slot *slot)
{
	static const struct nvhi_ns_ids none; /* where others have the same */
	struct nvhi_ns_data *ns = &slot->data;
	const struct nvhi_ns_ids *ids = &slot->ids;

	if (slot->ctrlr->tctrlr->quirks & NVHI_QUIRK_NO_IDS)
		ids = &none;
	ns->has_uuid = ids->has_uuid;
	ns->has_nguid = ids->has_nguid;
	ns->has_eui64 = ids->has_eui64;
	memcpy(ns->uuid, ids->uuid, sizeof(ns->uuid));
	memcpy(ns->nguid, ids->nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, ids->eui64, sizeof(ns->eui64));
	slot->ctrlr->scan.table.ns[slot->index] = *ns;
	slot_over(slot);
}

/* A command set that we do not speak: listed, never sent I/O. */
static void slot_take_foreign(struct nvhi_scan_slot *slot)
{
	slot->data.csi = slot->ids.csi;
	slot->data.io_supported = false;
	slot->data.refusal = slot->ids.csi == NVH_CSI_ZNS
				     ? "a zoned namespace takes no block I/O here"
			     : slot->ids.csi == NVH_CSI_KV
				     ? "a key-value namespace takes no block I/O"
				     : "its command set is not supported";
	slot_take(slot);
}

static void slot_after_desc(struct nvhi_scan_slot *slot)
{
	if (!slot->ids.has_csi || slot->ids.csi == NVH_CSI_NVM)
		slot_send(slot, SCAN_NVM);
	else if (slot->ctrlr->caps.vs >= nvh_vs(2, 0, 0))
		slot_send(slot, SCAN_INDEP);
	else
		slot_take_foreign(slot);
}

static void slot_parse(struct nvhi_scan_slot *slot)
{
	const char *why = "";
	int err;

	switch ((enum scan_step)slot->step) {
	case SCAN_DESC:
		if (nvhi_ns_desc_parse(slot->buf, NVH_IDENTIFY_SIZE, &slot->ids, &why) < 0)
			slot_bad(slot, why);
		else
			slot_after_desc(slot);
		break;
	case SCAN_NVM:
		err = nvhi_ns_parse((const struct nvh_id_ns *)slot->buf, &slot->data, &why);
		if (err == -ENOENT) {
			slot_vanished(slot);
		} else if (err) {
			slot_bad(slot, why);
		} else {
			nvhi_ns_ids_merge(&slot->ids, (const struct nvh_id_ns *)slot->buf);
			slot_take(slot);
		}
		break;
	case SCAN_INDEP:
		nvhi_ns_parse_indep((const struct nvh_id_ns_indep *)slot->buf, &slot->data);
		slot_take_foreign(slot);
		break;
	}
}

static void slot_refused(struct nvhi_scan_slot *slot, const struct nvh_cpl *cpl)
{
	unsigned int code = nvh_cpl_code(cpl);

	if (code == NVH_ST_INVALID_NS || code == NVH_ST_NS_NOT_ATTACHED)
		slot_vanished(slot);
	else if (slot->step == SCAN_DESC && code == NVH_ST_INVALID_FIELD)
		slot_after_desc(slot); /* it has no descriptors */
	else if (slot->step == SCAN_INDEP)
		slot_take_foreign(slot);
	else
		slot_bad(slot, nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
}

static void slot_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_scan_slot *slot = nvhi_container_of(admin, struct nvhi_scan_slot, cmd);

	if (!slot->ctrlr->scan.running) {
		slot->out = false;
		return;
	}
	if (err)
		slot_bad(slot, strerror(-err));
	else if (nvh_cpl_is_error(cpl))
		slot_refused(slot, cpl);
	else
		slot_parse(slot);
}

static void slot_send(struct nvhi_scan_slot *slot, enum scan_step step)
{
	static const uint8_t cns[] = {
		[SCAN_DESC] = NVH_CNS_NS_DESC,
		[SCAN_NVM] = NVH_CNS_NS,
		[SCAN_INDEP] = NVH_CNS_INDEP_NS,
	};

	slot->step = (uint8_t)step;
	memset(&slot->cmd, 0, sizeof(slot->cmd));
	slot->cmd.done = slot_done;
	slot->cmd.retries = NVHI_IDENTIFY_RETRIES;
	nvhi_admin_identify(&slot->cmd, cns[step], slot->data.nsid, NVH_CSI_NVM);
	nvhi_admin_submit_internal(slot->ctrlr, &slot->cmd, slot->buf, NVH_IDENTIFY_SIZE);
}

static void slot_start(struct nvhi_scan_slot *slot, uint32_t index)
{
	slot->out = true;
	slot->index = index;
	memset(&slot->ids, 0, sizeof(slot->ids));
	memset(&slot->data, 0, sizeof(slot->data));
	slot->data.nsid = slot->ctrlr->scan.table.ns[index].nsid;
	if (slot->ctrlr->caps.vs < nvh_vs(1, 3, 0))
		slot_send(slot, SCAN_NVM);
	else
		slot_send(slot, SCAN_DESC);
}

/* ---- all of them ------------------------------------------------------------------------- */

static bool scan_is_changed(const struct nvhi_scan *scan, uint32_t nsid)
{
	uint32_t low = 0, high = scan->nr_changed;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (scan->changed[middle] < nsid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < scan->nr_changed && scan->changed[low] == nsid;
}

/* Namespaces that need no reading keep their data. Returns false when none is left. */
static bool scan_next_index(struct nvhi_ctrlr *ctrlr, uint32_t *ret_index)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	while (scan->next < scan->table.count) {
		struct nvhi_ns_data *ns = &scan->table.ns[scan->next];
		const struct nvhi_ns_data *old = nvhi_ns_table_find(&ctrlr->table, ns->nsid);

		if (scan->full || !old || scan_is_changed(scan, ns->nsid)) {
			*ret_index = scan->next++;
			return true;
		}
		*ns = *old;
		scan->next++;
	}
	return false;
}

static void scan_pump(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_scan *scan = &ctrlr->scan;
	uint32_t index, out = 0;

	for (uint32_t i = 0; i < NVHI_SCAN_WIDTH; i++) {
		if (!scan->slots[i].out && scan_next_index(ctrlr, &index))
			slot_start(&scan->slots[i], index);
		out += scan->slots[i].out;
	}
	if (out == 0 && scan->running)
		scan_complete(ctrlr);
}

/* ---- the list ---------------------------------------------------------------------------- */

static int scan_append(struct nvhi_scan *scan, uint32_t nsid)
{
	struct nvhi_ns_table *table = &scan->table;

	if (table->count == NVHI_NS_MAX)
		return -E2BIG;
	if (table->count == scan->room) {
		uint32_t room = scan->room ? scan->room * 2 : SCAN_ROOM_MIN;
		struct nvhi_ns_data *ns = realloc(table->ns, room * sizeof(*ns));

		if (!ns)
			return -ENOMEM;
		table->ns = ns;
		scan->room = room;
	}
	memset(&table->ns[table->count], 0, sizeof(*table->ns));
	table->ns[table->count++].nsid = nsid;
	return 0;
}

/* 1: the list goes on; 0: it ended; -EPROTO, -ENOMEM, -E2BIG. */
static int scan_take_list(struct nvhi_scan *scan, const struct nvh_ns_list *list)
{
	int err;

	for (uint32_t i = 0; i < NVH_NS_LIST_MAX; i++) {
		uint32_t nsid = nvh_le32_get(list->nsid[i]);

		if (nsid == 0)
			return 0;
		if (nsid <= scan->last || nsid > NVH_NSID_MAX)
			return -EPROTO;
		err = scan_append(scan, nsid);
		if (err)
			return err;
		scan->last = nsid;
	}
	return scan->last < NVH_NSID_MAX;
}

static const char *scan_why(int err)
{
	switch (err) {
	case -EPROTO:
		return "its NSIDs are not in ascending order";
	case -E2BIG:
		return "more than 65536 namespaces";
	default:
		return strerror(-err);
	}
}

static void scan_list_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(admin, struct nvhi_ctrlr, scan.list_cmd);
	struct nvhi_scan *scan = &ctrlr->scan;

	if (!scan->running)
		return;
	if (!err && nvh_cpl_is_error(cpl)) {
		scan_complain(ctrlr, 0, nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl)));
		scan_finish(ctrlr, -EREMOTEIO);
		return;
	}
	if (!err)
		err = scan_take_list(scan, (const struct nvh_ns_list *)scan->list_buf);
	if (err < 0) {
		scan_complain(ctrlr, 0, scan_why(err));
		scan_finish(ctrlr, err);
	} else if (err > 0) {
		scan_list(ctrlr);
	} else {
		scan_pump(ctrlr);
	}
}

static void scan_list(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	memset(&scan->list_cmd, 0, sizeof(scan->list_cmd));
	scan->list_cmd.done = scan_list_done;
	scan->list_cmd.retries = NVHI_IDENTIFY_RETRIES;
	nvhi_admin_identify(&scan->list_cmd, NVH_CNS_ACTIVE_NS, scan->last, NVH_CSI_NVM);
	nvhi_admin_submit_internal(ctrlr, &scan->list_cmd, scan->list_buf, NVH_IDENTIFY_SIZE);
}

static void scan_start(struct nvhi_ctrlr *ctrlr, bool full)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	nvhi_timer_cancel(ctrlr->home, &scan->retry);
	scan->started = nvhi_reactor_now(ctrlr->home);
	scan->running = true;
	scan->full = full;
	scan->again = scan->again_full = false;
	scan->incomplete = scan->complained = false;
	scan->last = 0;
	scan->next = 0;
	nvhi_list_splice_tail(&scan->waiters, &scan->waiters_next);
	scan_list(ctrlr);
}

/* ---- asked for --------------------------------------------------------------------------- */

void nvhi_scan_request(struct nvhi_ctrlr *ctrlr, bool full, const uint32_t *changed, uint32_t count)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	if (ctrlr->opts.no_scan || nvhi_ctrlr_is_ending(ctrlr)) {
		scan_tell(&scan->waiters_next, ctrlr->opts.no_scan ? 0 : -ENOTCONN);
		return;
	}
	if (scan->running) {
		scan->again = scan->again_full = true;
		return;
	}
	if (ctrlr->state == NVHI_CTRLR_LIVE && scan_rest_ms(ctrlr) > 0 &&
	    nvhi_list_empty(&scan->waiters_next)) {
		scan->again = scan->again_full = true;
		scan_arm(ctrlr, scan_rest_ms(ctrlr));
		return;
	}
	if (nvhi_timer_armed(&scan->retry))
		full = true;
	scan->nr_changed = full ? 0 : count;
	if (!full)
		memcpy(scan->changed, changed, count * sizeof(*changed));
	scan_start(ctrlr, full);
}

static void scan_on_retry(struct nvhi_timer *timer)
{
	struct nvhi_ctrlr *ctrlr = nvhi_container_of(timer, struct nvhi_ctrlr, scan.retry);

	if (!nvhi_ctrlr_is_ending(ctrlr))
		scan_start(ctrlr, true);
}

void nvhi_scan_stop(struct nvhi_ctrlr *ctrlr, int err)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	nvhi_timer_cancel(ctrlr->home, &scan->retry);
	scan->running = scan->again = false;
	scan->repeats = 0;
	free(scan->table.ns);
	scan->table = (struct nvhi_ns_table){0};
	scan->room = 0;
	scan_tell(&scan->waiters, err);
	scan_tell(&scan->waiters_next, err);
}

int nvhi_scan_init(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_scan *scan = &ctrlr->scan;

	scan->retry.fn = scan_on_retry;
	if (ctrlr->opts.no_scan)
		return 0;
	scan->list_buf = malloc((1 + NVHI_SCAN_WIDTH) * (size_t)NVH_IDENTIFY_SIZE);
	scan->changed = malloc(NVH_NS_LIST_MAX * sizeof(*scan->changed));
	if (!scan->list_buf || !scan->changed)
		return -ENOMEM;
	for (uint32_t i = 0; i < NVHI_SCAN_WIDTH; i++) {
		scan->slots[i].ctrlr = ctrlr;
		scan->slots[i].buf = scan->list_buf + (i + 1) * (size_t)NVH_IDENTIFY_SIZE;
	}
	return 0;
}

void nvhi_scan_fini(struct nvhi_ctrlr *ctrlr)
{
	assert(!ctrlr->scan.running);
	free(ctrlr->scan.list_buf);
	free(ctrlr->scan.changed);
	free(ctrlr->table.ns);
}
