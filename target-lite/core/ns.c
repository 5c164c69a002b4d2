/*
 * Namespaces of a subsystem: added, removed, resized and regrouped through pause -> change ->
 * resume, and told to the hosts. Management reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/impl.h"

struct ns_change {
	struct tl_subsystem_change change;
	struct tl_ns *ns; /* add: not in the table yet */
	uint32_t nsid;
	uint32_t anagrpid;
};

static struct ns_change *ns_change_of(struct tl_subsystem_change *change)
{
	return nvhi_container_of(change, struct ns_change, change);
}

static void ns_change_free(struct tl_subsystem_change *change)
{
	free(ns_change_of(change));
}

static struct ns_change *ns_change_new(void (*apply)(struct tl_subsystem_change *), uint32_t nsid,
				       tl_done_fn done, void *arg)
{
	struct ns_change *nc = calloc(1, sizeof(*nc));

	if (!nc)
		return NULL;
	nc->change.apply = apply;
	nc->change.finish = ns_change_free;
	nc->change.done = done;
	nc->change.arg = arg;
	nc->nsid = nsid;
	return nc;
}

/* ---- telling the hosts ---------------------------------------------------------------------- */

static void ns_changed_note(struct tl_ctrlr *ctrlr, uint32_t nsid)
{
	uint32_t at = 0;

	if (ctrlr->changed_ns_count > TL_CHANGED_NS_MAX)
		return;
	while (at < ctrlr->changed_ns_count && ctrlr->changed_ns[at] < nsid)
		at++;
	if (at < ctrlr->changed_ns_count && ctrlr->changed_ns[at] == nsid)
		return;
	if (ctrlr->changed_ns_count++ == TL_CHANGED_NS_MAX)
		return;
	memmove(&ctrlr->changed_ns[at + 1], &ctrlr->changed_ns[at],
		(ctrlr->changed_ns_count - 1 - at) * sizeof(ctrlr->changed_ns[0]));
	ctrlr->changed_ns[at] = nsid;
}

void tl_subsystem_ns_changed(struct tl_subsystem *ss, uint32_t nsid)
{
	struct tl_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &ss->ctrlrs, link) {
		ns_changed_note(ctrlr, nsid);
		tl_ctrlr_post_event(ctrlr, TL_EVENT_NS_CHANGED);
	}
}

/* ---- a bdev's events ------------------------------------------------------------------------ */

static void ns_resize_apply(struct tl_subsystem_change *change)
{
	struct tl_ns *ns = tl_subsystem_ns(change->ss, ns_change_of(change)->nsid);

	if (!ns || ns->blocks == ns->bdev->blocks)
		return;
	ns->blocks = ns->bdev->blocks;
	tl_subsystem_ns_changed(change->ss, ns->nsid);
}

static void ns_bdev_resized(struct tl_bdev_user *user)
{
	struct tl_ns *ns = nvhi_container_of(user, struct tl_ns, user);
	struct ns_change *nc;

	if (ns->subsystem->deleting)
		return;
	nc = ns_change_new(ns_resize_apply, ns->nsid, NULL, NULL);
	if (!nc) {
		nvhi_log(ERROR, TARGET, "%s: no memory to resize namespace %u", ns->subsystem->nqn,
			 ns->nsid);
		return;
	}
	nc->change.drain_nsid = ns->nsid;
	tl_subsystem_change(ns->subsystem, &nc->change);
}

static void ns_bdev_remove(struct tl_bdev_user *user)
{
	struct tl_ns *ns = nvhi_container_of(user, struct tl_ns, user);

	if (!ns->removing && !ns->subsystem->deleting)
		tl_subsystem_remove_ns(ns->subsystem, ns->nsid, NULL, NULL);
}

/* ---- add ------------------------------------------------------------------------------------ */

/* Out of its subsystem; the memory is still there. */
static void ns_unlink(struct tl_ns *ns)
{
	ns->subsystem->ns[ns->nsid - 1] = NULL;
	ns->subsystem->reserved[ns->nsid - 1] = false;
	tl_bdev_release(ns->bdev, &ns->user);
}

static void ns_free_memory(struct tl_ns *ns)
{
	tl_resv_done(&ns->resv);
	free(ns->groups);
	free(ns);
}

void tl_ns_free(struct tl_ns *ns)
{
	ns_unlink(ns);
	ns_free_memory(ns);
}

static void ns_add_apply(struct tl_subsystem_change *change)
{
	struct ns_change *nc = ns_change_of(change);
	struct tl_subsystem *ss = change->ss;

	ss->ns[nc->nsid - 1] = nc->ns;
	tl_subsystem_ns_changed(ss, nc->nsid);
	if (nc->ns->bdev->deleting)
		ns_bdev_remove(&nc->ns->user);
}

static uint32_t ns_free_nsid(const struct tl_subsystem *ss)
{
	for (uint32_t nsid = 1; nsid <= ss->max_nsid; nsid++)
		if (!ss->reserved[nsid - 1])
			return nsid;
	return 0;
}

static int ns_new(struct tl_subsystem *ss, struct tl_bdev *bdev, const struct tl_ns_opts *opts,
		  uint32_t nsid, struct tl_ns **ret_ns)
{
	static const uint8_t zero[16];
	struct tl_ns *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return -ENOMEM;
	ns->groups = calloc(ss->target->group_count, sizeof(*ns->groups));
	if (!ns->groups) {
		free(ns);
		return -ENOMEM;
	}
	ns->subsystem = ss;
	ns->bdev = bdev;
	ns->nsid = nsid;
	ns->anagrpid = opts->anagrpid ? opts->anagrpid : nsid;
	ns->block_shift = (uint32_t)__builtin_ctz(bdev->block_size);
	ns->blocks = bdev->blocks;
	memcpy(ns->uuid, memcmp(opts->uuid, zero, 16) ? opts->uuid : bdev->uuid, 16);
	memcpy(ns->eui64, opts->eui64, sizeof(ns->eui64));
	/* As SPDK does: without an NGUID of its own it is the UUID. */
	memcpy(ns->nguid, memcmp(opts->nguid, zero, 16) ? opts->nguid : ns->uuid, 16);
	nvhi_list_init(&ns->fused);
	tl_resv_init(&ns->resv);
	ns->user.remove = ns_bdev_remove;
	ns->user.resized = ns_bdev_resized;
	tl_bdev_claim(bdev, &ns->user);
	*ret_ns = ns;
	return 0;
}

int tl_subsystem_add_ns(struct tl_subsystem *ss, const struct tl_ns_opts *opts, tl_done_fn done,
			void *arg, uint32_t *ret_nsid)
{
	struct tl_bdev *bdev = tl_bdev_find(&ss->target->bdevs, opts->bdev_name);
	uint32_t nsid = opts->nsid ? opts->nsid : ns_free_nsid(ss);
	struct ns_change *nc;
	int ret;

	if (!bdev || bdev->deleting)
		return -ENODEV;
	if (ss->type == TL_SUBSYSTEM_DISCOVERY)
		return -EPERM;
	if (ss->deleting)
		return -EBUSY;
	if (!nsid)
		return -ENOSPC;
	if (nsid > ss->max_nsid || opts->anagrpid > ss->max_nsid)
		return -EINVAL;
	if (ss->reserved[nsid - 1])
		return -EEXIST;
	nc = ns_change_new(ns_add_apply, nsid, done, arg);
	if (!nc)
		return -ENOMEM;
	ret = ns_new(ss, bdev, opts, nsid, &nc->ns);
	if (ret) {
		free(nc);
		return ret;
	}
	ss->reserved[nsid - 1] = true;
	*ret_nsid = nsid;
	tl_subsystem_change(ss, &nc->change);
	return 0;
}

/* ---- remove --------------------------------------------------------------------------------- */

static struct tl_ns *ns_of_removal(struct tl_subsystem_change *change)
{
	return nvhi_container_of(change, struct tl_ns, removal);
}

static void ns_remove_apply(struct tl_subsystem_change *change)
{
	struct tl_ns *ns = ns_of_removal(change);

	tl_subsystem_ns_changed(change->ss, ns->nsid);
	ns_unlink(ns);
}

static void ns_remove_finish(struct tl_subsystem_change *change)
{
	ns_free_memory(ns_of_removal(change));
}

/* Needs no memory: a bdev that is deleted always gets its namespaces out of the way. */
int tl_subsystem_remove_ns(struct tl_subsystem *ss, uint32_t nsid, tl_done_fn done, void *arg)
{
	struct tl_ns *ns = tl_subsystem_ns(ss, nsid);

	if (!ns || ns->removing)
		return -ENOENT;
	if (ss->deleting)
		return -EBUSY;
	ns->removing = true;
	ns->removal = (struct tl_subsystem_change){
		.drain_nsid = nsid,
		.apply = ns_remove_apply,
		.finish = ns_remove_finish,
		.done = done,
		.arg = arg,
	};
	tl_subsystem_change(ss, &ns->removal);
	return 0;
}

/* ---- ANA group ------------------------------------------------------------------------------ */

static void ns_group_apply(struct tl_subsystem_change *change)
{
	struct ns_change *nc = ns_change_of(change);
	struct tl_ns *ns = tl_subsystem_ns(change->ss, nc->nsid);
	struct tl_subsystem_listener *sl;
	struct tl_ctrlr *ctrlr;

	if (!ns) {
		change->err = -ENOENT;
		return;
	}
	ns->anagrpid = nc->anagrpid;
	nvhi_list_for_each(sl, &change->ss->listeners, link)
		sl->ana_change_count++;
	nvhi_list_for_each(ctrlr, &change->ss->ctrlrs, link)
		tl_ctrlr_post_event(ctrlr, TL_EVENT_ANA_CHANGED);
}

int tl_subsystem_set_ns_ana_group(struct tl_subsystem *ss, uint32_t nsid, uint32_t anagrpid,
				  tl_done_fn done, void *arg)
{
	struct ns_change *nc;

	if (!tl_subsystem_ns(ss, nsid))
		return -ENOENT;
	if (!anagrpid || anagrpid > ss->max_nsid)
		return -EINVAL;
	if (ss->deleting)
		return -EBUSY;
	nc = ns_change_new(ns_group_apply, nsid, done, arg);
	if (!nc)
		return -ENOMEM;
	nc->anagrpid = anagrpid;
	tl_subsystem_change(ss, &nc->change);
	return 0;
}
