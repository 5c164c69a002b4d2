/*
 * Namespace heads: made with the first path, named, announced once a path is live, removed with the
 * last path; and the snapshot that any thread may read. Home reactor, except nvh_ns_info,
 * nvh_ns_get and nvh_ns_put.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "multipath/fence.h"

/* ---- references and the snapshot: any thread ---------------------------------------------- */

void nvhi_ns_get(struct nvh_ns *ns)
{
	__atomic_fetch_add(&ns->refs, 1, __ATOMIC_RELAXED);
}

void nvhi_ns_put(struct nvh_ns *ns)
{
	if (__atomic_sub_fetch(&ns->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	nvhi_fence_head_fini(ns);
	free(ns->usable);
	free(ns);
}

static void snapshot_write(struct nvhi_ns_snapshot *snapshot, const struct nvh_ns_info *info)
{
	uint64_t words[NVHI_ARRAY_SIZE(snapshot->words)] = {0};
	uint32_t sequence = snapshot->sequence;

	memcpy(words, info, sizeof(*info));
	/* Each word is released behind the odd number, the even one behind all words. */
	__atomic_store_n(&snapshot->sequence, sequence + 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(words); i++)
		__atomic_store_n(&snapshot->words[i], words[i], __ATOMIC_RELEASE);
	__atomic_store_n(&snapshot->sequence, sequence + 2, __ATOMIC_RELEASE);
}

void nvhi_ns_snapshot_read(const struct nvh_ns *ns, struct nvh_ns_info *ret_info)
{
	const struct nvhi_ns_snapshot *snapshot = &ns->snapshot;
	uint64_t words[NVHI_ARRAY_SIZE(snapshot->words)];
	uint32_t before, after;

	do {
		before = __atomic_load_n(&snapshot->sequence, __ATOMIC_ACQUIRE);
		for (size_t i = 0; i < NVHI_ARRAY_SIZE(words); i++)
			words[i] = __atomic_load_n(&snapshot->words[i], __ATOMIC_ACQUIRE);
		after = __atomic_load_n(&snapshot->sequence, __ATOMIC_RELAXED);
	} while (before != after || (before & 1));
	memcpy(ret_info, words, sizeof(*ret_info));
}

/* ---- what the paths add up to -------------------------------------------------------------- */

struct head_sum {
	unsigned int paths, live;
	uint16_t oncs;
	bool volatile_cache;
	uint32_t max_transfer;
};

static struct head_sum head_sum(const struct nvh_ns *head)
{
	struct head_sum sum = {.oncs = 0xffff, .max_transfer = UINT32_MAX};
	const struct nvhi_path *path;

	nvhi_list_for_each(path, &head->paths, head_link) {
		const struct nvhi_ctrlr_caps *caps = nvhi_ctrlr_caps(path->mpc->ctrlr);

		sum.paths++;
		sum.live += path->mpc->live;
		sum.oncs &= caps->oncs;
		sum.volatile_cache |= caps->vwc & NVH_VWC_PRESENT;
		if (caps->max_transfer && caps->max_transfer < sum.max_transfer)
			sum.max_transfer = caps->max_transfer;
	}
	return sum;
}

static uint32_t head_optimal_io(const struct nvhi_ns_data *data)
{
	if (data->noiob)
		return data->noiob * data->block_size;
	if ((data->nsfeat & NVH_NSFEAT_OPTPERF) && data->nows)
		return (data->nows + 1u) * data->block_size;
	return 0;
}

static void head_fill_info(const struct nvh_ns *head, const struct head_sum *sum,
			   struct nvh_ns_info *info)
{
	const struct nvhi_ns_data *d = &head->data;

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	snprintf(info->name, sizeof(info->name), "%s", head->name);
	snprintf(info->subnqn, sizeof(info->subnqn), "%.223s", head->subsys->nqn);
	info->nsid = head->nsid;
	info->nr_blocks = d->nsze;
	info->block_size = d->block_size;
	info->metadata_size = d->md_size;
	info->csi = d->csi;
	info->io_supported = d->io_supported;
	info->read_only = d->nsattr & NVH_NSATTR_WRITE_PROTECTED;
	info->has_uuid = d->has_uuid;
	info->has_nguid = d->has_nguid;
	info->has_eui64 = d->has_eui64;
	memcpy(info->uuid, d->uuid, sizeof(info->uuid));
	memcpy(info->nguid, d->nguid, sizeof(info->nguid));
	memcpy(info->eui64, d->eui64, sizeof(info->eui64));
	info->write_zeroes = sum->oncs & NVH_ONCS_WRITE_ZEROES;
	info->dsm = sum->oncs & NVH_ONCS_DSM;
	info->compare = sum->oncs & NVH_ONCS_COMPARE;
	info->copy = sum->oncs & NVH_ONCS_COPY;
	info->verify = sum->oncs & NVH_ONCS_VERIFY;
	info->volatile_cache = sum->volatile_cache;
	info->write_zeroes_deac = info->write_zeroes && (d->dlfeat & NVH_DLFEAT_WZ_DEAC) &&
				  (d->dlfeat & NVH_DLFEAT_READ_MASK) == NVH_DLFEAT_READ_ZERO;
	info->max_transfer = sum->max_transfer;
	info->optimal_io = head_optimal_io(d);
	info->nr_paths = sum->paths;
	info->nr_live_paths = sum->live;
}

static uint32_t head_refused_ops(const struct nvh_ns *head, const struct nvh_ns_info *info)
{
	static const uint8_t writes[] = {NVH_IO_WRITE, NVH_IO_WRITE_ZEROES, NVH_IO_DEALLOCATE};
	uint32_t refused = 0;

	if (head->removed)
		return NVHI_NS_GONE | 0xff;
	if (!info->write_zeroes)
		refused |= NVHI_NS_OP(NVH_IO_WRITE_ZEROES);
	if (!info->dsm)
		refused |= NVHI_NS_OP(NVH_IO_DEALLOCATE);
	if (!info->compare)
		refused |= NVHI_NS_OP(NVH_IO_COMPARE);
	if (!info->verify)
		refused |= NVHI_NS_OP(NVH_IO_VERIFY);
	for (size_t i = 0; i < sizeof(writes) && info->read_only; i++)
		refused |= NVHI_NS_OP(writes[i]) | NVHI_NS_OP_READ_ONLY(writes[i]);
	return refused;
}

/* Channels whose reactor has no path any more, or whose home has one again, hear of it. */
static void head_publish_usable(struct nvh_ns *head)
{
	const struct nvhi_path *path;
	bool changed = false, now = false;

	for (uint32_t i = 0; i < head->mp->nr_reactors; i++) {
		uint8_t usable = 0;

		nvhi_list_for_each(path, &head->paths, head_link) {
			if (i >= nvhi_ctrlr_caps(path->mpc->ctrlr)->nr_io_queues)
				continue;
			usable |= NVHI_HERE_QUEUE;
			if (path->mpc->live && nvhi_ana_accessible(path->ana))
				usable |= NVHI_HERE_NOW;
		}
		now |= usable & NVHI_HERE_NOW;
		changed |=
			__atomic_exchange_n(&head->usable[i], usable, __ATOMIC_RELAXED) != usable;
	}
	if (now != !head->no_path_since)
		__atomic_store_n(&head->no_path_since, now ? 0 : nvhi_reactor_now(head->mp->home),
				 __ATOMIC_RELAXED);
	if (changed && !head->removed)
		nvhi_head_kick(head);
}

bool nvhi_head_publish(struct nvh_ns *head)
{
	struct nvh_ns_info before, after;
	struct head_sum sum = head_sum(head);

	nvhi_ns_snapshot_read(head, &before);
	head_fill_info(head, &sum, &after);
	if (!sum.paths) { /* removed: what it was last, without paths */
		after = before;
		after.nr_paths = after.nr_live_paths = 0;
	}
	__atomic_store_n(&head->refused_ops, head_refused_ops(head, &after), __ATOMIC_RELAXED);
	__atomic_store_n(&head->max_transfer, after.max_transfer, __ATOMIC_RELAXED);
	__atomic_store_n(&head->nr_blocks, after.nr_blocks, __ATOMIC_RELAXED);
	head_publish_usable(head);
	if (!memcmp(&before, &after, sizeof(before)))
		return false;
	snapshot_write(&head->snapshot, &after);
	return true;
}

/* ---- finding ------------------------------------------------------------------------------- */

struct nvh_ns *nvhi_head_match(struct nvhi_mp_subsys *subsys, const struct nvhi_ns_data *data,
			       const char **ret_why)
{
	struct nvh_ns *head, *match = NULL;

	*ret_why = NULL;
	if (!nvhi_identity_sharable(data))
		return NULL;
	for (struct nvhi_list *at = subsys->heads.prev; at != &subsys->heads; at = at->prev) {
		const char *why;

		head = nvhi_list_entry(at, struct nvh_ns, link);
		if (head->nsid < data->nsid)
			break; /* they are in order */
		if (head->nsid != data->nsid || !nvhi_identity_sharable(&head->data))
			continue;
		why = nvhi_identity_differs(&head->data, data);
		if (!why)
			match = head;
		else
			*ret_why = why;
	}
	if (match)
		*ret_why = NULL;
	return match;
}

static struct nvh_ns *announced_from(const struct nvhi_mp_subsys *subsys,
				     const struct nvhi_list *at)
{
	for (; at != &subsys->heads; at = at->next) {
		struct nvh_ns *head = nvhi_list_entry((struct nvhi_list *)at, struct nvh_ns, link);

		if (head->announced)
			return head;
	}
	return NULL;
}

struct nvh_ns *nvhi_mp_ns_next(struct nvhi_mp *mp, struct nvh_ns *prev)
{
	struct nvhi_list *at = mp->subsystems.next;
	struct nvh_ns *head;

	if (prev) {
		if (prev->removed)
			return NULL;
		head = announced_from(prev->subsys, prev->link.next);
		if (head)
			return head;
		at = prev->subsys->link.next;
	}
	for (; at != &mp->subsystems; at = at->next) {
		struct nvhi_mp_subsys *subsys = nvhi_list_entry(at, struct nvhi_mp_subsys, link);

		head = announced_from(subsys, subsys->heads.next);
		if (head)
			return head;
	}
	return NULL;
}

static bool name_is_taken(const struct nvhi_mp_subsys *subsys, const struct nvh_ns *other)
{
	const struct nvhi_list *at;

	for (at = subsys->heads.prev; at != &subsys->heads; at = at->prev) {
		const struct nvh_ns *head = nvhi_container_of(at, const struct nvh_ns, link);

		if (head->nsid < other->nsid)
			break;
		if (!strcmp(head->name, other->name))
			return true;
	}
	return false;
}

static void subsys_insert_head(struct nvhi_mp_subsys *subsys, struct nvh_ns *head)
{
	struct nvhi_list *at = subsys->heads.prev;

	while (at != &subsys->heads && nvhi_list_entry(at, struct nvh_ns, link)->nsid > head->nsid)
		at = at->prev;
	nvhi_list_insert(at, &head->link);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct nvh_ns *nvhi_head_create(struct nvhi_mp_ctrlr *mpc, const struct nvhi_ns_data *data)
{
	struct nvhi_mp_subsys *subsys = mpc->subsys;
	struct nvh_ns *head = calloc(1, sizeof(*head));

	if (!head)
		return NULL;
	head->usable = calloc(mpc->mp->nr_reactors, 1);
	if (!head->usable) {
		free(head);
		return NULL;
	}
	head->mp = mpc->mp;
	head->subsys = subsys;
	head->refs = 1;
	head->hedge = subsys->hedge;
	head->no_path_ns = NVHI_NEVER; /* its first path tells */
	head->nsid = data->nsid;
	head->data = *data;
	head->block_shift = data->lba_shift;
	head->io_supported = data->io_supported;
	nvhi_list_init(&head->paths);
	nvhi_list_init(&head->channels);
	snprintf(head->name, sizeof(head->name), "nvh%dn%u", subsys->instance, data->nsid);
	if (name_is_taken(subsys, head)) /* private namespaces with equal NSIDs */
		snprintf(head->name, sizeof(head->name), "nvh%dc%dn%u", subsys->instance,
			 mpc->instance, data->nsid);
	if (nvhi_fence_head_init(head)) {
		free(head->usable);
		free(head);
		return NULL;
	}
	nvhi_subsys_get(subsys);
	subsys_insert_head(subsys, head);
	return head;
}

void nvhi_head_update(struct nvh_ns *head, const struct nvhi_ns_data *data)
{
	if (head->data.nsze != data->nsze)
		nvhi_log(INFO, MPATH, "%s: size changes from %llu to %llu blocks", head->name,
			 (unsigned long long)head->data.nsze, (unsigned long long)data->nsze);
	head->data = *data;
}

void nvhi_head_announce(struct nvh_ns *head)
{
	if (head->announced || head->removed)
		return;
	head->announced = true;
	if (!head->io_supported)
		nvhi_log(WARN, MPATH, "%s: no I/O: %s", head->name,
			 head->data.refusal ? head->data.refusal : "format not supported");
	head->mp->events->ns_added(head->mp, head);
}

void nvhi_head_changed(struct nvh_ns *head)
{
	if (nvhi_head_publish(head) && head->announced && !head->removed)
		head->mp->events->ns_changed(head->mp, head);
}

void nvhi_head_remove(struct nvh_ns *head, int err)
{
	struct nvhi_mp *mp = head->mp;

	head->removed = true;
	nvhi_list_del(&head->link);
	__atomic_store_n(&head->no_path_err, err, __ATOMIC_RELEASE);
	nvhi_head_publish(head);
	nvhi_head_kick(head);
	nvhi_log(INFO, MPATH, "%s: removed (%s)", head->name, strerror(-err));
	if (head->announced)
		mp->events->ns_removed(mp, head);
	nvhi_subsys_put(head->subsys);
	head->subsys = NULL;
	nvhi_ns_put(head);
}
