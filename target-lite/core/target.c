/*
 * The target's life: poll groups, transports, start and an orderly stop. Management reactor, with
 * one message to each group where something must happen on its thread.
 */
#include "target-lite/core/target.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/impl.h"
#include "target-lite/fault/fault.h"

void tl_transport_opts_default(struct tl_transport_opts *opts)
{
	*opts = (struct tl_transport_opts){
		.max_queue_depth = 128,
		.max_io_qpairs_per_ctrlr = 127,
		.max_aq_depth = 128,
		.in_capsule_data_size = 4096,
		.max_io_size = 131072,
		.io_unit_size = 131072,
		.num_shared_buffers = 511,
		.buf_cache_size = UINT32_MAX,
		.iobuf_large_cache_size = UINT32_MAX,
		.acceptor_backlog = 100,
		.abort_timeout_sec = 1,
		.kas = 1,
		.control_msg_num = 32,
		.c2h_success = true,
		.handshake_ms = 10000,
		.stall_ms = 30000,
		.max_srq_depth = 1024,
		.num_cqe = 4096,
	};
}

/* ---- create --------------------------------------------------------------------------------- */

static void target_init_group(struct tl_target *target, uint32_t index, struct nvh_reactor *reactor)
{
	struct tl_poll_group *group = &target->groups[index];

	group->target = target;
	group->reactor = reactor;
	group->index = index;
	snprintf(group->name, sizeof(group->name), "%s_poll_group_%03u",
		 target->opts.name ? target->opts.name : "nvmf_tgt", index);
	group->channel.reactor = reactor;
	group->channel.index = index;
	nvhi_list_init(&group->qpairs);
}

static int target_make_discovery(struct tl_target *target)
{
	struct tl_subsystem_opts opts = {.nqn = TL_DISCOVERY_NQN, .allow_any_host = true};
	struct tl_subsystem *discovery;
	int ret = tl_subsystem_create(target, &opts, &discovery);

	if (!ret)
		tl_subsystem_start(discovery, NULL, NULL);
	return ret;
}

int tl_target_create(const struct tl_target_opts *opts, struct nvh_reactor *const *reactors,
		     uint32_t count, struct tl_target **ret_target)
{
	struct tl_target *target = calloc(1, sizeof(*target));
	int ret = -ENOMEM;

	if (!target)
		return -ENOMEM;
	target->opts = *opts;
	target->mgmt = reactors[0];
	target->group_count = count;
	target->groups = calloc(count, sizeof(*target->groups));
	if (!target->groups)
		goto err;
	for (uint32_t i = 0; i < count; i++)
		target_init_group(target, i, reactors[i]);
	nvhi_list_init(&target->transports);
	nvhi_list_init(&target->listeners);
	nvhi_list_init(&target->subsystems);
	nvhi_list_init(&target->referrals);
	nvhi_list_init(&target->faults);
	tl_bdevs_init(&target->bdevs);
	ret = target_make_discovery(target);
	if (ret)
		goto err;
	*ret_target = target;
	return 0;
err:
	free(target->groups);
	free(target);
	return ret;
}

struct tl_transport *tl_target_find_transport(struct tl_target *target, enum tl_trtype trtype)
{
	struct tl_transport *transport;

	nvhi_list_for_each(transport, &target->transports, link)
		if (transport->ops->trtype == trtype)
			return transport;
	return NULL;
}

struct tl_subsystem *tl_target_find_subsystem(struct tl_target *target, const char *nqn)
{
	struct tl_subsystem *ss;

	nvhi_list_for_each(ss, &target->subsystems, link)
		if (!strcmp(ss->nqn, nqn))
			return ss;
	return NULL;
}

struct tl_poll_group *tl_target_pick_group(struct tl_target *target)
{
	struct tl_poll_group *group = &target->groups[target->next_group];

	target->next_group = (target->next_group + 1) % target->group_count;
	return group;
}

void tl_target_set_crdt(struct tl_target *target, const uint16_t crdt[3])
{
	memcpy(target->crdt, crdt, sizeof(target->crdt));
}

/* ---- transports ----------------------------------------------------------------------------- */

/* A transport's start in one group; frees itself. */
struct group_start {
	struct nvhi_msg msg;
	struct tl_transport *transport;
	struct tl_poll_group *group;
};

static void target_group_start(struct nvhi_msg *msg)
{
	struct group_start *start = nvhi_container_of(msg, struct group_start, msg);
	int ret = start->transport->ops->group_start(start->transport, start->group);

	if (ret)
		nvhi_log(ERROR, TARGET, "%s: %s: start: %s", start->group->name,
			 tl_trtype_name(start->transport->ops->trtype), strerror(-ret));
	free(start);
}

int tl_target_add_transport(struct tl_target *target, struct tl_transport *transport)
{
	struct group_start *starts[target->group_count];
	uint32_t slot = 0;
	struct tl_transport *other;

	nvhi_list_for_each(other, &target->transports, link)
		slot++;
	if (tl_target_find_transport(target, transport->ops->trtype))
		return -EEXIST;
	if (slot >= NVHI_ARRAY_SIZE(target->groups[0].transport_data))
		return -ENOSPC;
	for (uint32_t i = 0; i < target->group_count; i++) {
		starts[i] = calloc(1, sizeof(*starts[i]));
		if (!starts[i]) {
			while (i)
				free(starts[--i]);
			return -ENOMEM;
		}
	}
	transport->target = target;
	transport->slot = slot;
	nvhi_list_add_tail(&target->transports, &transport->link);
	for (uint32_t i = 0; i < target->group_count; i++) {
		starts[i]->transport = transport;
		starts[i]->group = &target->groups[i];
		starts[i]->msg.fn = target_group_start;
		nvhi_reactor_post(target->groups[i].reactor, &starts[i]->msg);
	}
	return 0;
}

/* ---- stop ----------------------------------------------------------------------------------- */

static void target_stopped(struct tl_target *target)
{
	struct tl_transport *transport, *tmp;

	while (!nvhi_list_empty(&target->bdevs.list))
		tl_bdev_delete(nvhi_list_first(&target->bdevs.list, struct tl_bdev, link), NULL,
			       NULL);
	nvhi_list_for_each_safe(transport, tmp, &target->transports, link) {
		nvhi_list_del(&transport->link);
		transport->ops->destroy(transport);
	}
	target->stopped(target->stopped_arg, 0);
}

static void target_group_stopped(struct nvhi_msg *msg)
{
	struct tl_target *target = nvhi_container_of(msg, struct tl_poll_group, msg)->target;

	if (--target->groups_running == 0)
		target_stopped(target);
}

void tl_group_check_stopped(struct tl_poll_group *group)
{
	struct tl_transport *transport;

	if (!group->stopping || !nvhi_list_empty(&group->qpairs))
		return;
	group->stopping = false;
	group->stopped = true;
	nvhi_list_for_each(transport, &group->target->transports, link)
		transport->ops->group_stop(transport, group);
	group->msg.fn = target_group_stopped;
	nvhi_reactor_post(group->target->mgmt, &group->msg);
}

static void target_stop_group(struct nvhi_msg *msg)
{
	struct tl_poll_group *group = nvhi_container_of(msg, struct tl_poll_group, msg);
	struct tl_qpair *qpair, *tmp;

	group->stopping = true;
	nvhi_list_for_each_safe(qpair, tmp, &group->qpairs, group_link)
		if (!tl_qpair_closing(qpair))
			qpair->transport->ops->disconnect(qpair);
	tl_group_check_stopped(group);
}

/* After each deletion of a subsystem; goes on when it was the last. */
void tl_target_check_stopped(struct tl_target *target)
{
	if (!target->stopping || !nvhi_list_empty(&target->subsystems))
		return;
	target->groups_running = target->group_count;
	for (uint32_t i = 0; i < target->group_count; i++) {
		target->groups[i].msg.fn = target_stop_group;
		nvhi_reactor_post(target->groups[i].reactor, &target->groups[i].msg);
	}
}

void tl_target_stop(struct tl_target *target, tl_done_fn done, void *arg)
{
	struct tl_subsystem *ss;
	struct tl_bdev *bdev;

	assert(!target->stopping);
	target->stopping = true;
	target->stopped = done;
	target->stopped_arg = arg;
	tl_faults_stop(target);
	nvhi_list_for_each(bdev, &target->bdevs.list, link)
		bdev->ops->stop(bdev);
	/* The discovery subsystem is always there, so tl_target_check_stopped gets its turn. */
	nvhi_list_for_each(ss, &target->subsystems, link) {
		if (!ss->deleting)
			tl_subsystem_delete(ss, NULL, NULL);
	}
}

void tl_target_destroy(struct tl_target *target)
{
	while (!nvhi_list_empty(&target->referrals)) {
		struct tl_referral *r =
			nvhi_list_first(&target->referrals, struct tl_referral, link);

		nvhi_list_del(&r->link);
		free(r);
	}
	tl_faults_done(target);
	free(target->groups);
	free(target);
}
