/*
 * Subsystems: creation, start, deletion; their listeners, hosts and ANA states. All on the
 * management reactor; what poll groups read changes through core/change.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/impl.h"

static const char *const subsystem_state_names[] = {
#define X(upper, lower) [TL_SUBSYSTEM_##upper] = #lower,
	TL_SUBSYSTEM_STATES(X)
#undef X
};
static const uint32_t subsystem_edges[] = {
	[TL_SUBSYSTEM_INACTIVE] =
		NVHI_FSM_TO(TL_SUBSYSTEM_ACTIVATING) | NVHI_FSM_TO(TL_SUBSYSTEM_DEACTIVATING),
	[TL_SUBSYSTEM_ACTIVATING] = NVHI_FSM_TO(TL_SUBSYSTEM_ACTIVE),
	[TL_SUBSYSTEM_ACTIVE] =
		NVHI_FSM_TO(TL_SUBSYSTEM_PAUSING) | NVHI_FSM_TO(TL_SUBSYSTEM_DEACTIVATING),
	[TL_SUBSYSTEM_PAUSING] = NVHI_FSM_TO(TL_SUBSYSTEM_PAUSED),
	[TL_SUBSYSTEM_PAUSED] = NVHI_FSM_TO(TL_SUBSYSTEM_RESUMING),
	[TL_SUBSYSTEM_RESUMING] = NVHI_FSM_TO(TL_SUBSYSTEM_ACTIVE),
	[TL_SUBSYSTEM_DEACTIVATING] = NVHI_FSM_TO(TL_SUBSYSTEM_INACTIVE),
};
struct nvhi_fsm tl_subsystem_fsm =
	NVHI_FSM_INIT("subsystem", subsystem_state_names, subsystem_edges);

/* ---- creation ------------------------------------------------------------------------------- */

#define SUBSYSTEM_MAX_NAMESPACES     65536u
#define SUBSYSTEM_DEFAULT_NAMESPACES 32u

static bool subsystem_text(const char *text, char *ret_field, size_t size)
{
	size_t len = strnlen(text, size);

	if (len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	memcpy(ret_field, text, len + 1);
	return true;
}

static int subsystem_check(struct tl_subsystem *ss, const struct tl_subsystem_opts *opts)
{
	if (!tl_nqn_valid(opts->nqn))
		return -EINVAL;
	memcpy(ss->nqn, opts->nqn, strlen(opts->nqn) + 1);
	if (!subsystem_text(opts->serial_number ? opts->serial_number : "00000000000000000000",
			    ss->serial, sizeof(ss->serial)) ||
	    !subsystem_text(opts->model_number ? opts->model_number : "SPDK bdev Controller",
			    ss->model, sizeof(ss->model)))
		return -EINVAL;
	ss->max_nsid = opts->max_namespaces ? opts->max_namespaces : SUBSYSTEM_DEFAULT_NAMESPACES;
	ss->min_cntlid = opts->min_cntlid ? opts->min_cntlid : 1;
	ss->max_cntlid = opts->max_cntlid ? opts->max_cntlid : 0xffef;
	if (ss->max_nsid > SUBSYSTEM_MAX_NAMESPACES || ss->min_cntlid > ss->max_cntlid ||
	    ss->max_cntlid > 0xffef)
		return -EINVAL;
	ss->next_cntlid = ss->min_cntlid;
	ss->allow_any_host = opts->allow_any_host;
	ss->ana_reporting = opts->ana_reporting;
	ss->ccr = opts->ccr;
	ss->cqt_ms = opts->cqt_ms;
	ss->dmrsl = opts->dmrsl;
	ss->wzsl = opts->wzsl;
	nvhi_list_init(&ss->ccrs);
	return 0;
}

static int subsystem_alloc_groups(struct tl_subsystem *ss)
{
	uint32_t count = ss->target->group_count;

	ss->ns = calloc(ss->max_nsid, sizeof(*ss->ns));
	ss->groups = calloc(count, sizeof(*ss->groups));
	ss->reserved = calloc(ss->max_nsid, sizeof(*ss->reserved));
	if (!ss->ns || !ss->groups || !ss->reserved)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		ss->groups[i].group = &ss->target->groups[i];
		ss->groups[i].subsystem = ss;
		ss->groups[i].paused = true;
		ss->groups[i].hold = true;
		nvhi_list_init(&ss->groups[i].queued);
	}
	return 0;
}

int tl_subsystem_create(struct tl_target *target, const struct tl_subsystem_opts *opts,
			struct tl_subsystem **ret_subsystem)
{
	struct tl_subsystem *ss;
	int ret;

	if (tl_target_find_subsystem(target, opts->nqn))
		return -EEXIST;
	ss = calloc(1, sizeof(*ss));
	if (!ss)
		return -ENOMEM;
	ss->target = target;
	ss->type = strcmp(opts->nqn, TL_DISCOVERY_NQN) ? TL_SUBSYSTEM_NVM : TL_SUBSYSTEM_DISCOVERY;
	ret = subsystem_check(ss, opts);
	if (!ret)
		ret = subsystem_alloc_groups(ss);
	if (ret) {
		free(ss->ns);
		free(ss->reserved);
		free(ss->groups);
		free(ss);
		return ret;
	}
	nvhi_list_init(&ss->listeners);
	nvhi_list_init(&ss->hosts);
	nvhi_list_init(&ss->ctrlrs);
	nvhi_list_init(&ss->changes);
	nvhi_list_add_tail(&target->subsystems, &ss->link);
	*ret_subsystem = ss;
	return 0;
}

static void subsystem_started(struct tl_subsystem_change *change)
{
	tl_target_discovery_changed(change->ss->target);
}

void tl_subsystem_start(struct tl_subsystem *ss, tl_done_fn done, void *arg)
{
	struct tl_subsystem_change *change = &ss->start;

	assert(ss->state == TL_SUBSYSTEM_INACTIVE);
	*change = (struct tl_subsystem_change){
		.activate = true,
		.apply = subsystem_started,
		.finish = tl_change_keep,
		.done = done,
		.arg = arg,
	};
	tl_subsystem_change(ss, change);
}

/* ---- deletion ------------------------------------------------------------------------------- */

static void subsystem_deleted(struct nvhi_msg *msg)
{
	struct tl_subsystem *ss = nvhi_container_of(msg, struct tl_subsystem, msg);
	struct tl_target *target = ss->target;
	tl_done_fn done = ss->deleted;
	void *arg = ss->deleted_arg;

	tl_subsystem_free(ss);
	tl_target_discovery_changed(target);
	if (done)
		done(arg, 0);
	tl_target_check_stopped(target);
}

void tl_subsystem_delete_step(struct tl_subsystem *ss)
{
	struct tl_ctrlr *ctrlr;

	/* The done of a change may have asked for the deletion: then it is on its way already. */
	if (ss->msg.fn || ss->change || !nvhi_list_empty(&ss->changes))
		return;
	if (ss->state != TL_SUBSYSTEM_DEACTIVATING) {
		nvhi_fsm_set(&tl_subsystem_fsm, &ss->state, TL_SUBSYSTEM_DEACTIVATING,
			     NVHI_LOG_TARGET, ss->nqn);
		nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
			tl_ctrlr_disconnect(ctrlr);
	}
	if (!nvhi_list_empty(&ss->ctrlrs))
		return;
	nvhi_fsm_set(&tl_subsystem_fsm, &ss->state, TL_SUBSYSTEM_INACTIVE, NVHI_LOG_TARGET,
		     ss->nqn);
	ss->msg.fn = subsystem_deleted;
	nvhi_reactor_post(ss->target->mgmt, &ss->msg);
}

void tl_subsystem_ctrlr_gone(struct tl_subsystem *ss)
{
	if (ss->state == TL_SUBSYSTEM_DEACTIVATING)
		tl_subsystem_delete_step(ss);
}

int tl_subsystem_delete(struct tl_subsystem *ss, tl_done_fn done, void *arg)
{
	if (ss->type == TL_SUBSYSTEM_DISCOVERY && !ss->target->stopping)
		return -EPERM;
	if (ss->deleting)
		return -EBUSY;
	ss->deleting = true;
	ss->deleted = done;
	ss->deleted_arg = arg;
	tl_subsystem_delete_step(ss);
	return 0;
}

void tl_subsystem_free(struct tl_subsystem *ss)
{
	assert(ss->state == TL_SUBSYSTEM_INACTIVE && nvhi_list_empty(&ss->ctrlrs));
	for (uint32_t i = 0; i < ss->max_nsid; i++)
		if (ss->ns[i])
			tl_ns_free(ss->ns[i]);
	while (!nvhi_list_empty(&ss->listeners)) {
		struct tl_subsystem_listener *sl =
			nvhi_list_first(&ss->listeners, struct tl_subsystem_listener, link);

		nvhi_list_del(&sl->link);
		tl_target_put_listener(ss->target, sl->listener);
		sl->listener = NULL;
		tl_subsystem_listener_put(sl);
	}
	while (!nvhi_list_empty(&ss->hosts)) {
		struct tl_host *host = nvhi_list_first(&ss->hosts, struct tl_host, link);

		nvhi_list_del(&host->link);
		free(host);
	}
	nvhi_list_del(&ss->link);
	free(ss->ns);
	free(ss->reserved);
	free(ss->groups);
	free(ss);
}

/* ---- hosts ---------------------------------------------------------------------------------- */

static struct tl_host *subsystem_find_host(const struct tl_subsystem *ss, const char *nqn)
{
	struct tl_host *host;

	nvhi_list_for_each(host, &ss->hosts, link)
		if (!strcmp(host->nqn, nqn))
			return host;
	return NULL;
}

bool tl_subsystem_host_allowed(const struct tl_subsystem *ss, const char *hostnqn)
{
	return ss->allow_any_host || subsystem_find_host(ss, hostnqn);
}

int tl_subsystem_add_host(struct tl_subsystem *ss, const char *hostnqn)
{
	struct tl_host *host;

	if (!tl_nqn_valid(hostnqn))
		return -EINVAL;
	if (subsystem_find_host(ss, hostnqn))
		return -EEXIST;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	memcpy(host->nqn, hostnqn, strlen(hostnqn) + 1);
	nvhi_list_add_tail(&ss->hosts, &host->link);
	tl_target_discovery_changed(ss->target);
	return 0;
}

int tl_subsystem_remove_host(struct tl_subsystem *ss, const char *hostnqn)
{
	struct tl_host *host = subsystem_find_host(ss, hostnqn);
	struct tl_ctrlr *ctrlr;

	if (!host)
		return -ENOENT;
	nvhi_list_del(&host->link);
	if (!ss->allow_any_host)
		nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
			if (!strcmp(ctrlr->hostnqn, host->nqn))
				tl_ctrlr_disconnect(ctrlr);
	free(host);
	tl_target_discovery_changed(ss->target);
	return 0;
}

void tl_subsystem_set_allow_any_host(struct tl_subsystem *ss, bool allow)
{
	ss->allow_any_host = allow;
	tl_target_discovery_changed(ss->target);
}
